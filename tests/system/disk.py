# SPDX-License-Identifier: Apache-2.0
"""A small disk of its own for a hub, that a test can fill and clear: a file system in memory, in a mount namespace that
ends with the shell that holds it."""
import os
import subprocess

from lab import BIN, Failed, Skipped


class SmallDisk:
    """Runs the hub's kithd on a copy of its data on a disk of `mib` MiB."""

    def __init__(self, hub, mib=16):
        self.hub, self.path = hub, hub.data + ".disk"
        os.makedirs(self.path, exist_ok=True)
        namespaces = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
        try:
            self.shell = subprocess.Popen(namespaces + ["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            raise Skipped("needs unshare: %s" % error)
        hub.kill()
        if self.say("mount -t tmpfs -o size=%dm,mode=700 none '%s'" % (mib, self.path)) != 0:
            self.close()
            raise Skipped("needs a mount namespace")
        self.must("cp -a '%s/.' '%s/'" % (hub.data, self.path))
        self.must("rm -f '%s/control.sock'" % self.path)

    def say(self, command):
        """Runs it where the disk is; its exit code. What it prints is in `output`."""
        self.output = []
        try:
            self.shell.stdin.write("{ %s\n} </dev/null 2>&1; echo; echo done=$?\n" % command.replace("\n", "; "))
            self.shell.stdin.flush()
        except BrokenPipeError:
            return 1
        for line in self.shell.stdout:
            if line.startswith("done="):
                return int(line[5:])
            self.output.append(line)
        return 1

    def must(self, command):
        if self.say(command) != 0:
            raise Failed("%s: %s" % (command, "".join(self.output)))

    def start(self):
        self.must("%s/kithd run --data '%s' --listen 127.0.0.1:%d >'%s.out' 2>'%s.err' & hub=$!\n"
                  "for i in $(seq 100); do grep -q listening '%s.out' && break; sleep 0.1; done\n"
                  "grep -q listening '%s.out'"
                  % (BIN, self.path, self.hub.port, self.hub.data, self.hub.data, self.hub.data, self.hub.data))

    def stop(self):
        self.must("kill $hub; wait $hub")

    def fill(self):
        self.say("dd if=/dev/zero of='%s/fill' bs=4k" % self.path)

    def clear(self):
        self.must("rm '%s/fill'" % self.path)

    def close(self):
        self.say("kill $hub")
        try:
            self.shell.stdin.close()
        except BrokenPipeError:  # it has ended, or never began
            pass
        self.shell.wait()
        self.shell.stdout.close()
