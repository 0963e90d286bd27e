#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzzer that is built for some seconds, as many at once as JOBS or there are processors, and says how often
# each ran and how many edges of the program its corpus reaches. Findings and corpora stay in build/fuzz.
set -euo pipefail

seconds=$1
folder=build/fuzzer-no-link-address-undefined/fuzz
mkdir -p build/fuzz
python3 tests/fuzz/seeds.py build/fuzz/seeds
: >build/fuzz/total

run_one() {
    local name corpus log
    name=$(basename "$1")
    corpus=build/fuzz/$name
    log=$corpus.log
    mkdir -p "$corpus" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name"
    if "$1" -max_total_time="$2" -malloc_limit_mb=64 -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -max_len=8192 \
        -artifact_prefix="build/fuzz/$name-" "$corpus" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name" \
        >"$log" 2>&1; then
        executions=$(sed -n 's/.*number_of_executed_units: *//p' "$log")
        echo "$executions" >>build/fuzz/total
        printf 'ok    %-16s %12s executions %6s edges\n' "$name" "$executions" \
            "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)"
    else
        printf 'FAIL  %s\n' "$name"
        tail -n 40 "$log"
        return 1
    fi
}
export -f run_one

find "$folder" -name 'fuzz_*' -type f -executable | sort |
    xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'run_one {} '"$seconds"
printf '%s executions in all\n' "$(awk '{sum += $1} END {printf "%d", sum}' build/fuzz/total)"
