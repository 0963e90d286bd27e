#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which lines the tests reach, by folder and file, from what a build with --coverage left. Usage: coverage.py BUILD-FOLDER

A hub that serves is confined to its folder and writes nothing here: of daemon/ what unit tests reach counts.
"""
import collections
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

FOLDERS = ("protocol", "store", "daemon", "client")


def lines_of(build):
    """{file: {line: times}}; an object may be built more than once."""
    reached = collections.defaultdict(lambda: collections.defaultdict(int))
    with tempfile.TemporaryDirectory() as folder:
        notes = [os.path.abspath(path) for path in glob.glob(build + "/**/*.gcda", recursive=True)]
        for first in range(0, len(notes), 50):
            subprocess.run(["gcov", "--json-format", "--preserve-paths", *notes[first:first + 50]], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for path in glob.glob(folder + "/*.gcov.json.gz"):
                with gzip.open(path) as file:
                    for source in json.load(file)["files"]:
                        for line in source["lines"]:
                            reached[os.path.normpath(source["file"])][line["line_number"]] += line["count"]
                os.remove(path)
    return reached


def main(build):
    reached = lines_of(build)
    total, done = collections.Counter(), collections.Counter()
    for path in sorted(reached):
        folder = path.split("/")[0]
        if folder in FOLDERS and path.endswith(".c"):
            lines = reached[path].values()
            total[folder] += len(lines)
            done[folder] += sum(count > 0 for count in lines)
            print("%-36s %5d lines %6.1f %%" % (path, len(lines), 100 * sum(count > 0 for count in lines) / max(1, len(lines))))
    for folder in FOLDERS:
        print("%-36s %5d lines %6.1f %%" % (folder, total[folder], 100 * done[folder] / max(1, total[folder])))
    print("%-36s %5d lines %6.1f %%" % ("all", total.total(), 100 * done.total() / max(1, total.total())))


main(sys.argv[1])
