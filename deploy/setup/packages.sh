#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what a goal needs, if it is missing:  packages.sh build|check|lint
# On Debian it names the packages and installs them; elsewhere it names what is missing and stops.
set -eu

build='gcc libc6-dev pkg-config libuv1-dev libmsgpack-dev liblmdb-dev libsodium-dev libzstd-dev libqrencode-dev
libssl-dev libwslay-dev libhttp-parser-dev'
check="$build libcmocka-dev python3 faketime nginx-light openssl weasyprint"
lint="$check clang clang-format clang-tidy cppcheck"

case "${1:-}" in
build) wanted=$build ;;
check) wanted=$check ;;
lint) wanted=$lint ;;
*) echo 'usage: packages.sh build|check|lint' >&2; exit 2 ;;
esac

# What the tests of client/js need, where there is Node; where not, or not from here, they say that they were skipped.
js=$(dirname "$0")/../../client/js
if [ "$1" != build ] && command -v node >/dev/null && command -v npm >/dev/null &&
    ! cmp -s "$js/package-lock.json" "$js/node_modules/.installed"; then
    if (cd "$js" && npm ci --silent --no-audit --no-fund) >/dev/null 2>&1; then
        cp "$js/package-lock.json" "$js/node_modules/.installed"
    else
        echo 'The packages of client/js could not be installed: its tests will be skipped.' >&2
    fi
fi

# A browser runs those tests too, if it can be had.
if [ "$1" != build ] && [ -d "$js/node_modules" ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo 'Installing: chromium'
    export DEBIAN_FRONTEND=noninteractive
    { $as_root apt-get update -q && $as_root apt-get install -qy --no-install-recommends chromium; } >/dev/null 2>&1 ||
        echo 'Chromium could not be installed: the tests in a browser will be skipped.' >&2
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    missing=
    for module in libuv msgpack lmdb libsodium libzstd libqrencode openssl; do
        pkg-config --exists "$module" 2>/dev/null || missing="$missing $module"
    done
    # These two bring no description for pkg-config.
    for header in wslay/wslay.h http_parser.h; do
        echo "#include <$header>" | cc -E -x c - >/dev/null 2>&1 || missing="$missing $header"
    done
    [ -z "$missing" ] && exit 0
    echo "This is not Debian: please install these libraries with their headers:$missing" >&2
    exit 1
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = 'install ok installed' ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086
$as_root apt-get install -qy --no-install-recommends $missing >/dev/null
