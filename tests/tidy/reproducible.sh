#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same source gives the same programs: built in two places of different names, times, languages and umasks.
set -euo pipefail
cd "$(dirname "$0")/../.."
compiler=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

build() { # PLACE UMASK TIMEZONE LANGUAGE
    local place=$folder/$1
    mkdir -p "$place"
    git ls-files -z --cached --others --exclude-standard protocol store client daemon deploy Makefile |
        xargs -0 cp --parents -t "$place"
    (cd "$place" && umask "$2" && TZ=$3 LC_ALL=$4 make -s -j"$(nproc)" CC="$compiler" programs >/dev/null)
}

build here 022 UTC C
build some/other/place 077 Pacific/Auckland C.UTF-8
for file in kithd kith libkith.so.0 libkith.a man/kith.1 man/kithd.conf.5; do
    cmp "$folder/here/build/release/$file" "$folder/some/other/place/build/release/$file"
    printf 'ok    %s  %s\n' "$(sha256sum <"$folder/here/build/release/$file" | cut -c 1-16)" "$file"
done
