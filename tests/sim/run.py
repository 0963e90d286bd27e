#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs schedules of the simulator on all processors. Usage: run.py [SIM]; SIM_SEEDS=COUNT, SIM_FIRST=SEED

Prints the seeds that failed with what broke and how to run them again, now and then how far it is, and one summary
line; ends with 1 if one failed. After so many failures that there is enough to look at, no new seeds are begun.
"""
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SHARE = 100  # seeds of one process: small, so that a failure is known soon and the processors end together
FAILURES_MAX = 20
PROGRESS_S = 20


class Run:
    """The state that the workers share; each value is written under the interpreter's lock."""

    def __init__(self, sim, seeds, folder):
        self.sim, self.seeds, self.folder = sim, seeds, folder
        self.started, self.done, self.failures = time.monotonic(), 0, 0
        self.told = self.started

    def seconds(self):
        return time.monotonic() - self.started

    def share(self, first, end):
        """All seeds of a share: behind one that failed it goes on."""
        while first < end and self.failures < FAILURES_MAX:
            ran = subprocess.run([self.sim, "--seeds", "%d:%d" % (first, end - first), "--folder", self.folder],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            if ran.returncode == 0:
                self.done += end - first
                return
            output = ran.stdout.decode(errors="replace")
            self.failures += 1
            failed = re.search(r"^FAIL seed=(\d+) .*", output, re.M)
            if not failed:
                print("FAIL  seeds %d to %d ended with %d\n%s" % (first, end - 1, ran.returncode, output), flush=True)
                return
            seed = int(failed.group(1))
            print("%s\n     replay: %s --seed %d --verbose" % (failed.group(0), self.sim, seed), flush=True)
            self.done += seed + 1 - first
            first = seed + 1

    def tell(self):
        if time.monotonic() - self.told > PROGRESS_S:
            self.told = time.monotonic()
            print("     %d of %d seeds, %d failures, %.0f a second" %
                  (self.done, self.seeds, self.failures, self.done / self.seconds()), flush=True)


def main():
    sim = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("KITH_BIN", "build/release"), "sim")
    first, seeds = int(os.environ.get("SIM_FIRST", "1")), int(os.environ.get("SIM_SEEDS", "10000"))
    folder = tempfile.mkdtemp(prefix="kith-sim-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    run = Run(sim, seeds, folder)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            shares = [pool.submit(run.share, at, min(at + SHARE, first + seeds))
                      for at in range(first, first + seeds, SHARE)]
            try:
                for share in concurrent.futures.as_completed(shares):
                    share.result()
                    run.tell()
            except BaseException:  # stopped: what waits is not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s%d of %d seeds, %d failures, %.0f seconds" % ("" if run.failures else "ok ", run.done, seeds, run.failures,
                                                           run.seconds()))
    sys.exit(1 if run.failures else 0)


main()
