#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job, with the real programs on loopback: an agency, a day without signal, and what the hub can see of it.
set -euo pipefail

bin=$(cd "${1:-build/release}" && pwd)
lab=$(mktemp -d "${TMPDIR:-/tmp}/kith-demo-XXXXXX")
hub_pid=

leave() {
    local code=$?
    [ -n "$hub_pid" ] && kill "$hub_pid" 2>/dev/null && wait "$hub_pid" 2>/dev/null
    for home in "$lab"/founder "$lab"/rosa "$lab"/ana; do
        [ -d "$home" ] && "$bin/kith" --home "$home" lock >/dev/null 2>&1
    done
    rm -rf "$lab"
    exit $code
}
trap leave EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '   $ %s\n' "$*"; }
indent() { sed 's/^/     /'; }
# The value of one key of a JSON document on standard input.
json() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1; }
kith() { "$bin/kith" --home "$lab/$who" --passphrase-file "$lab/passphrase" "$@"; }

free_port() {
    local port
    for port in $(seq 17580 17680); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

start_hub() {
    "$bin/kithd" run --data "$lab/hub" --user root >"$lab/hub.out" 2>"$lab/hub.log" &
    hub_pid=$!
    for _ in $(seq 100); do
        grep -q '^listening' "$lab/hub.out" && return
        sleep 0.05
    done
    cat "$lab/hub.log" >&2
    exit 1
}

stop_hub() { kill "$hub_pid"; wait "$hub_pid" || true; hub_pid=; }

umask 077
echo 'correct horse battery staple' >"$lab/passphrase"
address=127.0.0.1:$(free_port)

say '1. The agency starts its hub.'
show "kithd init --data hub --listen $address"
founding=$("$bin/kithd" init --data "$lab/hub" --listen "$address" --json | json founding_code)
start_hub
indent <"$lab/hub.out"

say '2. It is founded, and two people are invited: Rosa, who supervises, and Ana, who visits.'
who=founder
show "kith found ${founding:0:20}... --agency 'Open Door' --person 'Irma Founder'"
kith found "$founding" --agency 'Open Door' --person 'Irma Founder' --json >"$lab/found.json"
kith unlock >/dev/null
show "kith invite --person 'Rosa Quiroga' --role supervisor"
rosa=$(kith invite --person 'Rosa Quiroga' --role supervisor --json | json code)
show "kith invite --person 'Ana Silva' --role specialist --supervisor 'Rosa Quiroga'"
ana=$(kith invite --person 'Ana Silva' --role specialist --supervisor 'Rosa Quiroga' --json | json code)
printf '     an invitation: %s...\n' "${ana:0:50}"

say '3. Both laptops join. Nobody else has to be there for that.'
who=rosa; kith join "$rosa" --device-name 'Rosa office' >/dev/null; kith unlock >/dev/null
who=ana; kith join "$ana" --device-name 'Ana laptop' >/dev/null; kith unlock >/dev/null
kith device list | indent

say '4. The hub is off, like a basement without signal. Ana registers a participant and records three visits.'
stop_hub
show "kith participant add name='Maria Lopez' phone+='555 0142'"
maria=$(kith participant add name='Maria Lopez' phone+='555 0142' --json | json id)
add_visit() {
    kith visit add participant="$maria" date=today start="$1" end="$2" place="$3" mode=in_person contact_result=done \
        purpose="$4" what_was_done="$5" response="$6" plan_next="$7" --json | json id
}
first=$(add_visit 09:00 09:45 home \
    'Maria wanted company on the way to her first group meeting.' \
    'We walked to the church hall together. I told her how frightened I was at my own first meeting, and what helped.' \
    'She stayed for the whole hour and said two sentences about herself.' \
    'She will go again on Thursday; I meet her at the corner.')
second=$(add_visit 11:10 11:40 shelter \
    'Her bed at the shelter ends on Friday.' \
    'We called the housing line and wrote down three questions. Maria spoke, I listened beside her.' \
    'She was proud of having made the call herself.' \
    'Bring the papers on Wednesday.')
third=$(add_visit 14:05 15:00 clinic \
    'She had been afraid of the clinic since winter.' \
    'We sat in the waiting room and practised the breathing that she likes.' \
    'She went in alone and came out smiling.' \
    'Next appointment in two weeks; she asked me to remind her.')
for id in $first $second $third; do printf '     saved visit %s\n' "$id"; done
show 'kith sync'
kith sync 2>&1 | indent || true
show 'kith status'
kith status | indent

say '5. The hub is back. One sync is one round trip.'
start_hub
show 'kith sync --json'
kith sync --json | tee "$lab/sync.json" | indent

say '6. Rosa syncs, and reads.'
who=rosa
kith sync --json | indent
show "kith visit show ${first:0:8}"
kith visit show "${first:0:8}" | indent

say '7. Ana signs; Rosa co-signs what she has read. What is signed stays.'
who=ana
show "kith visit sign ${first:0:8}"
kith visit sign "${first:0:8}" 2>&1 | indent || true
kith visit edit "$first" code=H0038 interventions+=shared_lived_experience >/dev/null
show "kith visit edit ${first:0:8} code=H0038 interventions+=shared_lived_experience"
show "kith visit sign ${first:0:8}"
kith visit sign "$first" | indent
kith visit submit "$first" >/dev/null
kith sync >/dev/null
who=rosa
kith sync >/dev/null
show "kith visit cosign ${first:0:8}"
kith visit cosign "$first" | indent
show "kith visit edit ${first:0:8} response='...'"
kith visit edit "$first" response='...' 2>&1 | indent || true
kith sync >/dev/null

say '8. What the hub has of it.'
"$bin/kithd" stats --data "$lab/hub" | indent
found=0
for word in Maria Lopez Rosa Quiroga 'church hall' frightened breathing 'Open Door'; do
    if grep -rqaF "$word" "$lab/hub"; then found=1; printf '     FOUND in the hub: %s\n' "$word"; fi
done
[ $found = 0 ] && printf '     searched for 8 words of names and notes in all of its files: none is there\n'
printf '     on the wire for three visits and a new chart: %s bytes up, %s bytes down, %s round trip\n' \
    "$(json bytes_out <"$lab/sync.json")" "$(json bytes_in <"$lab/sync.json")" "$(json round_trips <"$lab/sync.json")"
stop_hub
[ $found = 0 ] || exit 1
say 'Done; everything it made is removed.'
