#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzzer that is built for some seconds, as many at once as there are processors. Findings stay in build/fuzz.
set -euo pipefail

seconds=$1
folder=build/fuzzer-no-link-address-undefined/fuzz
mkdir -p build/fuzz

run_one() {
    local name corpus
    name=$(basename "$1")
    corpus=build/fuzz/$name
    mkdir -p "$corpus"
    if "$1" -max_total_time="$2" -malloc_limit_mb=64 -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz/$name-" "$corpus" "tests/fuzz/corpus/$name" >"$corpus.log" 2>&1; then
        printf 'ok    %-16s %s executions\n' "$name" "$(sed -n 's/.*number_of_executed_units: *//p' "$corpus.log")"
    else
        printf 'FAIL  %s\n' "$name"
        tail -n 40 "$corpus.log"
        return 1
    fi
}
export -f run_one

for fuzzer in "$folder"/fuzz_*; do
    [ -x "$fuzzer" ] && [ "${fuzzer%.d}" = "$fuzzer" ] && mkdir -p "tests/fuzz/corpus/$(basename "$fuzzer")" &&
        printf '%s\n' "$fuzzer"
done | xargs -P "$(nproc)" -I{} bash -c 'run_one {} '"$seconds"
