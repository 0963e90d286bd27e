#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the description of the packages says is so. `make check-packages` builds and installs them (packages.py)."""
import glob
import os
import re
import subprocess

from lab import BIN, Skipped, expect, main


def content(path):
    with open(path) as file:
        return file.read()


def every_exported_function_is_in_the_symbols_of_the_package(_):
    library = os.path.join(BIN, "libkith.so.0")
    if not os.path.exists(library):
        raise Skipped("there is no shared library beside the sanitizers")
    shown = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    exported = {line.split()[-1] for line in shown.splitlines()}
    listed = set(re.findall(r"^ (\w+)@Base", content("deploy/debian/libkith0.symbols"), re.M))
    expect(len(exported) > 50 and all(name.startswith("kith_") for name in exported), "only kith_ is exported")
    expect(exported == listed, "deploy/debian/libkith0.symbols: new %s, gone %s"
           % (sorted(exported - listed), sorted(listed - exported)))


def the_packages_have_the_version_of_the_programs(_):
    said = subprocess.run([BIN + "/kith", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    built = re.match(r"kith \((.*?)\)", content("deploy/debian/changelog")).group(1)
    expect(built == said, "deploy/debian/changelog has %s, the programs have %s" % (built, said))


def every_library_that_is_needed_to_build_is_named_in_both_places(_):
    setup = re.search(r"^build='(.*?)'", content("deploy/setup/packages.sh"), re.S | re.M).group(1).split()
    control = re.search(r"^Build-Depends:(.*?)^Standards", content("deploy/debian/control"), re.S | re.M).group(1)
    named = {entry.split()[0] for entry in control.split(",")}
    # Of these each Debian machine that builds packages has its own.
    wanted = set(setup) - {"gcc", "libc6-dev"}
    expect(wanted <= named, "deploy/debian/control lacks %s" % sorted(wanted - named))


def scripts_of_the_packages_are_whole(_):
    scripts = glob.glob("deploy/debian/*.p*rm") + ["deploy/debian/build.sh"]
    expect(len(scripts) == 4, scripts)
    for path in scripts:
        done = subprocess.run(["dash", "-n", path], capture_output=True, text=True)
        expect(done.returncode == 0, done.stderr)


if __name__ == "__main__":
    main([every_exported_function_is_in_the_symbols_of_the_package, the_packages_have_the_version_of_the_programs,
          every_library_that_is_needed_to_build_is_named_in_both_places, scripts_of_the_packages_are_whole])
