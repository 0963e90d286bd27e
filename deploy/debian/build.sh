#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the packages from this tree:  build.sh FOLDER VERSION
# The tree is copied, so that nothing of the build stays in it; the same tree gives the same bytes.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
version=$2
cd "$(dirname "$0")/../.."
tree=$folder/kith-$version

rm -rf "$tree" "$folder"/*.deb "$folder"/*.buildinfo "$folder"/*.changes
mkdir -p "$tree"
cp -a LICENSE Makefile README.md client daemon deploy docs protocol store "$tree"
find "$tree" -name node_modules -prune -exec rm -rf {} +
cp -a deploy/debian "$tree/debian"
# The version that was asked for, where it is another than this tree's.
sed -i "1s/(.*)/($version)/" "$tree/debian/changelog" "$tree/deploy/debian/changelog"
echo "Building packages of kith $version: $folder/build.log"
if ! (cd "$tree" && umask 022 &&
    DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" LC_ALL=C.UTF-8 TZ=UTC \
        dpkg-buildpackage --build=binary --no-sign) >"$folder/build.log" 2>&1; then
    tail -n 30 "$folder/build.log" >&2
    exit 1
fi
rm -rf "$tree"
ls "$folder"/*.deb
