#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pages that are made from the code are as the code is, and every command says how it is used."""
import re
import subprocess

from lab import BIN, expect, main


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def the_page_of_records_is_as_the_schema_is(_):
    made = output_of(BIN + "/kith", "schema", "--markdown")
    expect(made.returncode == 0, made.stderr)
    with open("docs/records.md") as page:
        expect(page.read() == made.stdout, "run: kith schema --markdown > docs/records.md")


def every_link_of_a_page_leads_somewhere(_):
    import glob
    import os
    for path in ["README.md"] + glob.glob("docs/*.md"):
        with open(path) as page:
            for target in re.findall(r"\]\(([^)#:]+)\)", page.read()):
                full = os.path.join(os.path.dirname(path), target)
                expect(os.path.exists(full), "%s: %s" % (path, target))


def every_attack_that_is_described_is_tested(_):
    import glob
    tests = "".join(open(path).read() for path in glob.glob("tests/unit/test_attacks_*.c"))
    with open("docs/security.md") as page:
        named = set(re.findall(r"`(a\d\d_\w+)`", page.read()))
    ran = set(re.findall(r"cmocka_unit_test\w*\(\s*(a\d\d_\w+)", tests))
    expect(named == ran, "named and not tested: %s; tested and not named: %s"
           % (sorted(named - ran), sorted(ran - named)))


def help_names_every_command_of_the_programs(_):
    for program, words in (("kith", ["found", "join", "invite", "grant", "sync", "status", "unlock", "lock", "history"]),
                           ("kithd", ["init", "run", "stats"])):
        shown = output_of(BIN + "/" + program, "--help")
        expect(shown.returncode == 0, program)
        for word in words:
            expect(word in shown.stdout, "%s --help: %s" % (program, word))


def wrong_usage_ends_with_two(_):
    for command in (["kith"], ["kith", "nonsense"], ["kith", "visit", "fly"], ["kithd"], ["kithd", "run"],
                    ["kithd", "stats", "--data"]):
        done = output_of(BIN + "/" + command[0], *command[1:])
        expect(done.returncode == 2, "%s: %d" % (" ".join(command), done.returncode))
        expect(done.stdout == "", "nothing on standard output")


def start_up_errors_of_the_hub_say_what_is_wrong(lab):
    import os
    import socket
    folder = os.path.join(lab.folder, "hub")
    expect(output_of(BIN + "/kithd", "run", "--data", folder).returncode == 1, "no hub there")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        expect(output_of(BIN + "/kithd", "init", "--data", folder, "--listen", address).returncode == 0, "made")
        refused = output_of(BIN + "/kithd", "run", "--data", folder, "--user", "root")
        expect(refused.returncode == 1 and "port" in refused.stderr, refused.stderr)
    again = output_of(BIN + "/kithd", "init", "--data", folder, "--listen", address)
    expect(again.returncode == 1 and "exists" in again.stderr, again.stderr)
    os.chmod(folder + "/hub.keys", 0o644)
    wide = output_of(BIN + "/kithd", "run", "--data", folder, "--user", "root")
    expect(wide.returncode == 1 and "closed to others" in wide.stderr, wide.stderr)


def a_second_hub_on_the_same_store_is_refused(lab):
    hub = lab.hub()
    second = output_of(BIN + "/kithd", "run", "--data", hub.data, "--listen", "127.0.0.1:0")
    expect(second.returncode == 1 and "using this store" in second.stderr, second.stderr)
    expect(hub.stop() == 0, "the first one leaves in order")


if __name__ == "__main__":
    main([the_page_of_records_is_as_the_schema_is,
          every_link_of_a_page_leads_somewhere,
          every_attack_that_is_described_is_tested,
          help_names_every_command_of_the_programs,
          wrong_usage_ends_with_two,
          start_up_errors_of_the_hub_say_what_is_wrong,
          a_second_hub_on_the_same_store_is_refused])
