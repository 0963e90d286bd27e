#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What fuzzers once needed to get somewhere, and every byte string of the vectors, through every fuzzer again."""
import glob
import os
import re
import subprocess

from lab import BIN, expect, main

BUILT = os.environ.get("KITH_SANITIZED", BIN)  # with AddressSanitizer and UBSan, where `make check` runs this

def every_fuzzer_takes_its_seeds_and_variants_of_them(lab):
    subprocess.run(["python3", "tests/fuzz/seeds.py", lab.folder], check=True)
    names = [os.path.basename(path)[:-2] for path in sorted(glob.glob("tests/fuzz/fuzz_*.c"))]
    total = 0
    for name in names:
        folders = [folder for folder in ("tests/fuzz/corpus/" + name, os.path.join(lab.folder, name)) if os.path.isdir(folder)]
        done = subprocess.run([os.path.join(BUILT, "replay", name), *folders], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "TMPDIR": lab.folder})
        expect(done.returncode == 0, "%s ended with %d: %s" % (name, done.returncode, done.stderr[-2000:]))
        total += int(re.search(r"(\d+) inputs", done.stderr).group(1))
    expect(len(names) >= 15 and total > 20000, "%d inputs for %d fuzzers" % (total, len(names)))


if __name__ == "__main__":
    main([every_fuzzer_takes_its_seeds_and_variants_of_them])
