#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the compiler and the linker were asked to do against attackers is in the programs that they made."""
import os
import re
import subprocess

from lab import BIN, SANITIZED, Skipped, expect, main

PROGRAMS = ("kithd", "kith") if SANITIZED else ("kithd", "kith", "libkith.so.0")


def readelf(name, *options):
    return subprocess.run(["readelf", "-W", *options, os.path.join(BIN, name)], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def they_are_loaded_anywhere_and_searched_nowhere_else(_):
    for name in PROGRAMS:
        expect("DYN" in readelf(name, "-h"), "%s is not position independent" % name)
        dynamic = readelf(name, "-d")
        expect("BIND_NOW" in dynamic or "NOW" in dynamic, "%s: what it calls is looked up late" % name)
        expect(not re.search(r"RPATH|RUNPATH|TEXTREL", dynamic), "%s: %s" % (name, dynamic))


def nothing_is_both_written_and_run(_):
    for name in PROGRAMS:
        segments = readelf(name, "-l")
        flags = {kind: access for kind, access in re.findall(r"^\s+(\S+)\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3})", segments, re.M)}
        loaded = re.findall(r"^\s+LOAD\s+0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3})", segments, re.M)
        expect(len(loaded) >= 3 and not any("W" in access and "E" in access for access in loaded), segments)
        expect(flags["GNU_STACK"] == "RW ", "%s: the stack is run" % name)
        expect("GNU_RELRO" in flags, "%s: what the loader set stays writable" % name)


def overflows_are_caught(_):
    if SANITIZED:
        raise Skipped("a sanitizer does it here")
    for name in PROGRAMS:
        symbols = readelf(name, "--dyn-syms")
        expect("__stack_chk_fail" in symbols, "%s: no stack protector" % name)
        expect(len(set(re.findall(r"(__\w+_chk)@", symbols))) >= 3, "%s: no checked copies" % name)


def jumps_land_where_they_may(_):
    if os.uname().machine != "x86_64":
        raise Skipped("a property of x86-64 only")
    for name in PROGRAMS:
        with open(os.path.join(BIN, name), "rb") as file:
            places = file.read().count(b"\xf3\x0f\x1e\xfa")  # endbr64, in front of each function
        expect(places > 100, "%s: %d places" % (name, places))


if __name__ == "__main__":
    main([they_are_loaded_anywhere_and_searched_nowhere_else, nothing_is_both_written_and_run, overflows_are_caught,
          jumps_land_where_they_may])
