#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what `make check` runs: unit programs, the rules of the tree, system tests. Usage: run.py BUILD-FOLDER [NAME...]

KITH_SANITIZED: another build folder, whose unit programs run as well.

Two at a time. The output of a test is shown when it fails; lines that begin with SKIP are always shown. A program counts
as its cmocka cases, a script as its 'ok' and 'FAIL' lines, or as one.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

TIMEOUT_S = 900


def programs(build):
    for folder in dict.fromkeys((build, os.environ.get("KITH_SANITIZED", build))):
        yield from sorted(glob.glob(folder + "/tests/test_*"))
    yield from sorted(glob.glob("tests/tidy/test_*.py"))
    yield "tests/tidy/tidy.py"
    yield "tests/sim/run.py"  # SIM_SEEDS=N, 10000 unless it says otherwise
    yield from sorted(glob.glob("tests/system/test_*.py"))


def counted(output, code):
    """(passed, failed, skipped) of one run."""
    # cmocka names a case that it skips twice.
    skipped = len(re.findall(r"^SKIP", output, re.M)) + len(set(re.findall(r"^\[  SKIPPED \] ([A-Za-z_]+)", output, re.M)))
    cases = re.search(r"^\[  PASSED  \] (\d+) test", output, re.M)
    if cases:
        failed = re.search(r"^\[  FAILED  \] (\d+) test", output, re.M)
        count = int(failed.group(1)) if failed else 0
        return int(cases.group(1)), max(count, 1 if code else 0), skipped
    passed, failed = len(re.findall(r"^ok ", output, re.M)), len(re.findall(r"^FAIL ", output, re.M))
    if passed + failed == 0:
        return (0, 1, skipped) if code else (1, 0, skipped)
    return passed, max(failed, 1 if code else 0), skipped


def run(path):
    command = ["python3", path] if path.endswith(".py") else [path]
    started = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S,
                              stdin=subprocess.DEVNULL)
        code, output = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        code, output = 124, (late.stdout or b"").decode(errors="replace") + "\nFAIL  timed out\n"
    return path, code, output, time.monotonic() - started


def main():
    build, names = sys.argv[1], sys.argv[2:]
    chosen = [path for path in programs(build) if not names or any(name in path for name in names)]
    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for path, code, output, seconds in pool.map(run, chosen):
            counts = counted(output, code)
            passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
            print("%-4s %-48s %4d passed %6.1f s" % ("FAIL" if code else "ok", path, counts[0], seconds), flush=True)
            for line in output.splitlines():
                if code or line.startswith(("SKIP", "[  SKIPPED ]")):
                    print("     " + line, flush=True)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(1 if failed else 0)


main()
