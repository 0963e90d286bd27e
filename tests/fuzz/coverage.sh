#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the corpora reach of the code that each fuzzer is for: lines and branches by file, and with LINES=1 every line
# that none of them reaches.
set -euo pipefail

folder=build/fuzzer-no-link/fuzz
profiles=build/fuzz/profiles
mkdir -p "$profiles"
python3 tests/fuzz/seeds.py build/fuzz/seeds

# The files that take the bytes which each target feeds.
declare -A files=(
    [fuzz_agency]='protocol/roster.c protocol/circle.c protocol/circle_entry.c protocol/circle_check.c protocol/chain.c'
    [fuzz_backup]=daemon/backup.c
    [fuzz_bundle]=protocol/bundle.c
    [fuzz_chain]='protocol/circle_entry.c protocol/chain.c'
    [fuzz_device]='protocol/session_device.c protocol/channel.c'
    [fuzz_http]='protocol/http.c daemon/front.c'
    [fuzz_input]='client/cli/arguments.c client/cli/input.c client/cli/template.c'
    [fuzz_message]=protocol/message.c
    [fuzz_note]='protocol/note.c protocol/note_life.c client/rules.c'
    [fuzz_payload]='protocol/payload.c protocol/merge.c protocol/compress.c'
    [fuzz_recovery]=protocol/recovery.c
    [fuzz_session]='protocol/session_hub.c protocol/channel.c protocol/noise.c'
    [fuzz_store]='store/ingest_verify.c store/ingest_commit.c store/ingest_circle.c store/replica_apply.c'
    [fuzz_text]='protocol/invite.c client/moment.c daemon/config.c'
    [fuzz_websocket]=protocol/websocket.c
    [fuzz_wire]=protocol/wire.c
)

for fuzzer in "$folder"/fuzz_*; do
    name=$(basename "$fuzzer")
    [ -x "$fuzzer" ] && [ "${name%.d}" = "$name" ] || continue
    mkdir -p "build/fuzz/$name" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name"
    LLVM_PROFILE_FILE=$profiles/$name.raw "$fuzzer" -runs=0 -max_len=8192 \
        "build/fuzz/$name" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name" \
        >/dev/null 2>&1
    llvm-profdata merge -o "$profiles/$name.data" "$profiles/$name.raw"
    llvm-cov report "$fuzzer" -instr-profile="$profiles/$name.data" 2>/dev/null |
        awk -v name="$name" -v files=" ${files[$name]} " 'index(files, " " $1 " ") {
            printf "%-16s %-28s %6d lines %7s   %6d branches %7s\n", name, $1, $8, $10, $11, $13}'
    if [ "${LINES:-}" ]; then
        for file in ${files[$name]}; do
            echo "$file"
            llvm-cov show "$fuzzer" -instr-profile="$profiles/$name.data" "$PWD/$file" 2>/dev/null |
                grep -E '^ +[0-9]+\| +0\|' || true
        done
    fi
done
