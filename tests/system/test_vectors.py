#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""protocol/vectors is what the code makes, byte for byte: whoever holds another client to it holds it to this one."""
import ctypes
import filecmp
import os
import subprocess
import tempfile

from lab import BIN, expect, main

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "protocol", "vectors")
# What is compressed in them depends on zstd's version; what it must decompress to does not.
COMPRESSED = ("pack.json", "change.json")
COMPRESSED_BY = b"1.5.4"


def the_code_writes_the_same_vectors_again(_):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_versionString.restype = ctypes.c_char_p
    is_other = zstd.ZSTD_versionString() != COMPRESSED_BY
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(BIN, "vectors"), folder], check=True)
        made, kept = sorted(os.listdir(folder)), sorted(os.listdir(VECTORS))
        expect(made == kept, "the files are %s, not %s: run `make vectors`" % (kept, made))
        for name in made:
            if is_other and name in COMPRESSED:
                print("SKIP %s: zstd %s compresses otherwise than %s" % (name, zstd.ZSTD_versionString(), COMPRESSED_BY))
                continue
            same = filecmp.cmp(os.path.join(folder, name), os.path.join(VECTORS, name), shallow=False)
            expect(same, "%s is another: run `make vectors` if that is meant" % name)


if __name__ == "__main__":
    main([the_code_writes_the_same_vectors_again])
