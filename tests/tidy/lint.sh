#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy, cppcheck and gcc -fanalyzer over all sources; any finding is a failure.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
for tool in clang-tidy cppcheck gcc pkg-config; do
    command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 1; }
done

flags="-std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags libuv msgpack lmdb libsodium libzstd libqrencode openssl)"
sources=$(find protocol store daemon client -name '*.c' | sort)
jobs=$(nproc)
failed=0

echo 'clang-tidy'
# shellcheck disable=SC2086
noise=$(mktemp)
trap 'rm -f "$noise"' EXIT
# What it says on stderr is a count of warnings in system headers, unless it failed.
printf '%s\n' $sources | xargs -P "$jobs" -I{} clang-tidy --quiet {} -- $flags 2>"$noise" ||
    { grep -v "warnings\? generated" "$noise"; failed=1; }

echo 'cppcheck'
cppcheck --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem --std=c11 \
    -D_GNU_SOURCE -I. -q -j "$jobs" --error-exitcode=1 protocol store daemon client || failed=1

# gcc 12 takes ownership through a struct for a leak and a struct set by a sticky read for unset: left to clang's
# analyzer and to the sanitizers, which know better.
analyzer='-Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value -Wno-analyzer-null-argument'
echo 'gcc -fanalyzer'
# shellcheck disable=SC2086
printf '%s\n' $sources | xargs -P "$jobs" -I{} gcc $flags -O1 -fanalyzer $analyzer -Werror -c {} -o /dev/null || failed=1

[ $failed = 0 ] && echo 'no findings'
exit $failed
