#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JavaScript client, written from docs/protocol.md: it agrees with every vector, and with the C client."""
import glob
import os
import re
import shutil
import subprocess

from lab import Skipped, expect, main

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "client", "js")
NODE_LEAST = 20


def node():
    """The program, if the client can run with it here."""
    found = shutil.which("node")
    if not found:
        raise Skipped("needs Node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.match(r"v(\d+)", version).group(1)) < NODE_LEAST:
        raise Skipped("needs Node %d, not %s" % (NODE_LEAST, version.strip()))
    if not os.path.isdir(os.path.join(CLIENT, "node_modules", "libsodium-wrappers")):
        raise Skipped("needs the packages of client/js: deploy/setup/packages.sh check")
    return found


def every_vector_is_read_and_written_alike(_):
    done = subprocess.run([node(), "--test", "--test-reporter=tap"] + sorted(glob.glob(CLIENT + "/test/*.test.js")), cwd=CLIENT, capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.M)
    expect(passed and int(passed.group(1)) >= 9, "the tests of client/js ran: %s" % done.stdout[-500:])


if __name__ == "__main__":
    main([every_vector_is_read_and_written_alike])
