#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same source gives the same bytes: what was built here beside a build of a copy in another place, with another name,
time zone, language and umask. KITH_BIN: what was built; CC: by which compiler."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

BIN = os.environ.get("KITH_BIN", "build/release")
SOURCES = ("protocol", "store", "client", "daemon", "deploy", "Makefile")
MADE = ("kithd", "kith", "libkith.so.0", "libkith.a", "man/kith.1", "man/kithd.conf.5")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def build_a_copy(place):
    os.makedirs(place)
    for name in SOURCES:
        (shutil.copytree if os.path.isdir(name) else shutil.copy)(name, os.path.join(place, name))
    environment = {"PATH": os.environ["PATH"], "TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8"}
    command = ["make", "-s", "-j%d" % (os.cpu_count() or 2), "CC=" + os.environ.get("CC", "gcc"), "programs"]
    made = subprocess.run(command, cwd=place, env=environment, umask=0o077, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        print("FAIL  a copy does not build:\n" + made.stdout)
        sys.exit(1)


def main():
    if os.path.basename(BIN) != "release":
        print("SKIP  reproducible: compares what make builds without sanitizers")
        return
    with tempfile.TemporaryDirectory(prefix="kith-copy-") as folder:
        place = os.path.join(folder, "some", "other", "place")
        build_a_copy(place)
        differ = [name for name in MADE if digest(os.path.join(BIN, name)) != digest(os.path.join(place, BIN, name))]
        for name in MADE:
            print("%s  %s  %s" % ("FAIL" if name in differ else "ok  ", digest(os.path.join(BIN, name))[:16], name))
    sys.exit(1 if differ else 0)


main()
