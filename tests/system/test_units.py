#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd is told: the units read well, expose little, and start what is there."""
import os
import re
import shutil
import subprocess

from lab import BIN, Skipped, expect, main

FOLDER = "deploy/systemd"


def installed(lab):
    """The units as `make install` writes them, with this build's programs in place of the installed ones."""
    prefix = os.path.join(lab.folder, "prefix")
    os.makedirs(prefix)
    os.symlink(BIN, os.path.join(prefix, "bin"))
    made = {}
    for name in sorted(os.listdir(FOLDER)):
        with open(os.path.join(FOLDER, name)) as file:
            text = file.read().replace("@PREFIX@", prefix)
        made[name] = os.path.join(lab.folder, name)
        with open(made[name], "w") as file:
            file.write(text)
    return made


def analyze(*arguments):
    if not shutil.which("systemd-analyze"):
        raise Skipped("needs systemd-analyze")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def services_expose_little(lab):
    for name, path in installed(lab).items():
        if not name.startswith("kithd") or not name.endswith(".service"):
            continue
        done = analyze("security", "--offline=true", "--threshold=15", path)
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout + done.stderr)
        expect(level, done.stderr)
        print("%s: %s" % (name, level.group(1)))
        expect(done.returncode == 0 and float(level.group(1)) <= 1.5, done.stdout)


def units_name_commands_that_are_there(lab):
    helps = {program: subprocess.run([os.path.join(BIN, program), "--help"], capture_output=True, text=True).stdout
             for program in ("kith", "kithd")}
    seen = 0
    for name, path in installed(lab).items():
        with open(path) as file:
            text = file.read()
        for program, command in re.findall(r"/bin/(kithd?) (\w+)", text):
            seen += 1
            expect(os.access(os.path.join(lab.folder, "prefix", "bin", program), os.X_OK), program)
            expect(re.search(r"\b%s\b" % command, helps[program]), "%s: there is no command %s" % (name, command))
    expect(seen >= 3, "units were read")


def a_backup_is_made_as_the_unit_says(lab):
    hub = lab.hub()
    lab.found(hub)
    with open(installed(lab)["kithd-backup.service"]) as file:
        command = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", file.read(), re.M).group(1)
    backups = os.path.join(lab.folder, "backups")
    os.makedirs(backups)
    command = command.replace("%%", "%").replace("/var/lib/kith", hub.data).replace("/var/backups/kith", backups)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True)
    expect(done.returncode == 0 and len(os.listdir(backups)) == 1, done.stderr)


if __name__ == "__main__":
    main([services_expose_little, units_name_commands_that_are_there, a_backup_is_made_as_the_unit_says])
