#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds from protocol/vectors: every byte string there, in the form that each fuzzer takes. Usage: seeds.py FOLDER"""
import glob
import hashlib
import json
import os
import sys

# What a fuzzer wants before the bytes: which way they go.
WAYS = {"fuzz_device": [b"\1\0", b"\3\0"], "fuzz_session": [b"\0", b"\1"], "fuzz_store": [b"\0", b"\1"],
        "fuzz_bundle": [b""], "fuzz_chain": [b""], "fuzz_message": [b""], "fuzz_note": [b""], "fuzz_payload": [b""],
        "fuzz_recovery": [b""], "fuzz_wire": [b""]}
TEXTS = {"fuzz_text": [b""]}


def strings(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str) and len(value) > 1:
        yield value


def main(folder):
    found = set()
    for path in sorted(glob.glob("protocol/vectors/*.json")):
        with open(path) as file:
            found.update(strings(json.load(file)))
    for text in found:
        try:
            seed, ways = bytes.fromhex(text), WAYS
        except ValueError:
            seed, ways = text.encode(), TEXTS
        for name, prefixes in ways.items():
            for prefix in prefixes:
                os.makedirs(os.path.join(folder, name), exist_ok=True)
                content = prefix + seed
                with open(os.path.join(folder, name, hashlib.sha1(content).hexdigest()[:16]), "wb") as file:
                    file.write(content)


main(sys.argv[1])
