#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs schedules of the simulator on all processors. Usage: run.py [SIM]; SIM_SEEDS=COUNT, SIM_FIRST=SEED

Prints the seeds that failed with what broke, and one summary line; ends with 1 if there was any.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SHARE = 100  # seeds of one process: small, so that a failure is known soon and the processors end together


def run(sim, first, count, folder):
    done = subprocess.run([sim, "--seeds", "%d:%d" % (first, count), "--folder", folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode(errors="replace")


def main():
    sim = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("KITH_BIN", "build/release"), "sim")
    first, seeds = int(os.environ.get("SIM_FIRST", "1")), int(os.environ.get("SIM_SEEDS", "2000"))
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="kith-sim-", dir=parent)
    started, failures = time.monotonic(), 0
    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            shares = [pool.submit(run, sim, at, min(SHARE, first + seeds - at), folder)
                      for at in range(first, first + seeds, SHARE)]
            for share in concurrent.futures.as_completed(shares):
                code, output = share.result()
                if code:
                    failures += 1
                    lines = re.findall(r"^(?:FAIL|     replay).*$", output, re.M)
                    print("\n".join(lines or ["FAIL  it ended with %d" % code, output]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s%d seeds, %d failures, %.0f seconds" % ("" if failures else "ok ", seeds, failures,
                                                     time.monotonic() - started))
    sys.exit(1 if failures else 0)


main()
