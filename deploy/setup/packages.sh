#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what a goal needs, if it is missing:  packages.sh build|check|lint|bench|deb|machine
# On Debian it names the packages and installs them; elsewhere it names what is missing and stops.
set -eu

build='gcc libc6-dev pkg-config libuv1-dev libmsgpack-dev liblmdb-dev libsodium-dev libzstd-dev libqrencode-dev
libssl-dev libwslay-dev libhttp-parser-dev libseccomp-dev'
check="$build libcmocka-dev python3 curl faketime nginx-light caddy openssl weasyprint groff-base mandoc zsh fish"
command -v npm >/dev/null || check="$check nodejs npm"
deb="$build debhelper lintian"
machine="$deb debootstrap systemd-container"
lint="$check clang clang-format clang-tidy llvm cppcheck valgrind"

case "${1:-}" in
build) wanted=$build ;;
check) wanted=$check ;;
lint) wanted=$lint ;;
deb) wanted=$deb ;;
machine) wanted=$machine ;;
bench) wanted=$build ;;
*) echo 'usage: packages.sh build|check|lint|bench|deb|machine' >&2; exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    missing=
    for module in libuv msgpack lmdb libsodium libzstd libqrencode openssl libseccomp; do
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

# apt-get as root, with what it says kept back.
install() {
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    echo "Installing: $*"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    $as_root apt-get update -q >/dev/null && $as_root apt-get install -qy --no-install-recommends "$@" >/dev/null
}

# npm_packages FROM TO: what FROM's lock file names, into TO/node_modules; what is there already stays.
npm_packages() {
    cmp -s "$1/package-lock.json" "$2/node_modules/.installed" && return 0
    mkdir -p "$2"
    [ "$1" = "$2" ] || cp "$1/package.json" "$1/package-lock.json" "$2"
    if (cd "$2" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >/dev/null 2>&1; then
        cp "$1/package-lock.json" "$2/node_modules/.installed"
    else
        echo "The packages of $1 could not be installed: its tests will be skipped." >&2
    fi
}

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = 'install ok installed' ] || missing="$missing $package"
done
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing

if [ "$1" = check ]; then
    npm_packages client/js client/js
    npm_packages tests/fhir build/fhir
    command -v chromium >/dev/null || install chromium ||
        echo 'Chromium could not be installed: the tests in a browser will be skipped.' >&2
fi

# What the bench measures beside: what cannot be had is left out there.
if [ "$1" = bench ]; then
    command -v redis-server >/dev/null || install redis-server 2>/dev/null || echo 'Redis could not be installed.' >&2
    ! command -v npm >/dev/null || npm_packages tests/bench/pouchdb build/pouchdb
fi
