#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""With 10 000 visits on hub and laptops, one visit and nothing new still cost one round trip and a few hundred bytes."""
import json
import os
import subprocess

from lab import BIN, expect, main

VISITS = 10000


def one_visit_and_nothing_new_stay_small_beside_many(_):
    done = subprocess.run([os.path.join(BIN, "bench"), BIN, "--only", "laptops", "--visits", str(VISITS), "--changes", "0", "--json"],
                          capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    expect(rows["first sync: visits"]["value"] >= VISITS, "every visit arrived")
    for name, most in (("one visit: bytes beyond the change", 600), ("one visit: round trips", 1),
                       ("nothing new: bytes, both ways", 400), ("nothing new: round trips", 1),
                       ("first sync: round trips", 1)):
        value = rows[name]["value"]
        print("%s: %g, at most %d" % (name, value, most))
        expect(value <= most, "%s: %g, more than %d" % (name, value, most))


if __name__ == "__main__":
    main([one_visit_and_nothing_new_stay_small_beside_many])
