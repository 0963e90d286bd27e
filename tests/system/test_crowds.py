#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Five thousand devices that come back together, and two thousand strangers beside devices that sync: a small share of
`make bench PART=storm,strangers`, held to what must be true on any machine, however slow."""
import json
import os
import subprocess

from lab import BIN, SANITIZED, expect, main


def bench(*arguments):
    done = subprocess.run([os.path.join(BIN, "bench"), BIN, *arguments, "--json"], capture_output=True, text=True, timeout=600)
    expect(done.returncode == 0, done.stderr)
    return {row["name"].split(": ", 1)[1]: row for row in json.loads(done.stdout)}


def nobody_is_lost_when_all_come_back_together(_):
    rows = bench("--only", "storm", "--devices", "5000")
    expect(rows["devices that received all"]["value"] == 5000, rows)
    if not SANITIZED:
        expect(rows["peak memory of the hub"]["ratio"] < 1, rows)


def strangers_keep_nobody_out_and_cost_what_the_settings_allow(_):
    rows = bench("--only", "strangers", "--strangers", "2000")
    expect(rows["visits that devices synced"]["ratio"] == 1, rows)
    expect(rows["connected at the end"]["value"] > 200, "there were strangers: %s" % rows)
    if not SANITIZED:
        expect(rows["memory that they cost the hub"]["ratio"] < 1, rows)
        expect(rows["memory left when they are gone"]["ratio"] < 1, rows)


if __name__ == "__main__":
    main([nobody_is_lost_when_all_come_back_together, strangers_keep_nobody_out_and_cost_what_the_settings_allow])
