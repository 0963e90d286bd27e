#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A share of `make power-cuts`: what was said to be saved survives a power cut at any write, on the hub and on a laptop."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))

from lab import main  # noqa: E402
from power import power_cuts  # noqa: E402


def a_power_cut_at_any_write_loses_nothing_that_was_saved(lab):
    power_cuts(lab, 10000)


if __name__ == "__main__":
    main([a_power_cut_at_any_write_loses_nothing_that_was_saved])
