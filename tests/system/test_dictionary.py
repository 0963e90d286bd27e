#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The compression dictionary is what its phrases make: nobody's own notes are in it."""
import ctypes
import os
import subprocess

from lab import BIN, Skipped, expect, main

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "protocol")
TRAINED_WITH = b"1.5.4"


def the_phrases_make_the_dictionary_byte_for_byte(_):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_versionString.restype = ctypes.c_char_p
    if zstd.ZSTD_versionString() != TRAINED_WITH:
        raise Skipped("zstd %s trains otherwise than %s" % (zstd.ZSTD_versionString(), TRAINED_WITH))
    made = subprocess.run([os.path.join(BIN, "train"), os.path.join(SOURCES, "..", "deploy", "dictionary", "phrases.txt")],
                          capture_output=True, check=True).stdout
    with open(os.path.join(SOURCES, "dictionary.c"), "rb") as file:
        expect(file.read() == made, "run `make dictionary`")


if __name__ == "__main__":
    main([the_phrases_make_the_dictionary_byte_for_byte])
