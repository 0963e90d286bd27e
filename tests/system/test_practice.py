#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A home for practice: everything works in it, everything says so, and nothing of it goes anywhere."""
import json
import os
import subprocess

from lab import BIN, expect, main
from stage import DRAFT, day, refuses

MARK = "PRACTICE: these people are made up, and nothing of it is real."


def practise(lab, name="practice"):
    laptop = lab.laptop(name)
    made = laptop.json("practice", "--person", "Ana Silva")
    expect(made["home"] == laptop.home and oct(os.stat(laptop.home).st_mode & 0o777) == "0o700", str(made))
    laptop.ok("unlock")
    return laptop


def all_of_a_visit_can_be_practised(lab):
    laptop = practise(lab)
    people = laptop.json("caseload")
    expect(len(people) == 3 and all(row["name"].endswith(" (practice)") for row in people), str(people))
    expect(all(row["name"].endswith(" (practice)") for row in laptop.json("person", "list")), "workers too")
    visits = laptop.json("visit", "list")
    expect(sorted(row["state"] for row in visits) == ["draft", "signed", "signed", "signed"], str(visits))
    draft = next(row["id"] for row in visits if row["state"] == "draft")
    refuses(laptop, 4, "", "visit", "sign", draft)
    laptop.ok("visit", "edit", draft, "response=Lee smiled.", "plan_next=Call on Sunday.")
    laptop.ok("visit", "sign", draft)
    person = laptop.json("participant", "add", "name=Somebody New")["id"]
    laptop.json("visit", "add", *["%s=%s" % item for item in {**DRAFT, "participant": person, "date": day(0)}.items()])
    laptop.ok("grant", person, "Omar Essai (practice)")
    expect(len(laptop.json("report", "productivity", "--from", day(20), "--to", day(0))["workers"]) == 1, "reports")
    expect(laptop.json("verify")["ok"], "the store is whole")


def nothing_of_it_leaves_the_device(lab):
    laptop = practise(lab)
    hub = lab.hub()
    founder = lab.found(hub)
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    other = lab.hub().founding_code
    stick = os.path.join(lab.folder, "stick.kith")
    founder.json("bundle", "write", stick)
    for command in (["sync"], ["sync", "--brief"], ["invite", "--person", "X", "--role", "admin"],
                    ["bundle", "write", stick + "2"], ["bundle", "read", stick],
                    ["bundle", "write", stick + "2", "--for", "Rosa Probe (practice)"]):
        refuses(laptop, 1, "for practice", *command)
    expect(not os.path.exists(stick + "2"), "no file is written")
    for command in (["join", code], ["found", other, "--agency", "Open Door", "--person", "Ana Silva"]):
        refuses(laptop, 1, "already belongs to an agency", *command)
    refuses(laptop, 1, "there is a home", "practice")
    refuses(founder, 1, "there is a home", "practice")
    expect((laptop.status()["practice"], laptop.status()["hub"], founder.status()["practice"]) == (True, None, False), "")
    expect(hub.stats()["devices"] == 1, "the founder's alone: %s" % hub.stats())


def everything_says_that_it_is_for_practice(lab):
    laptop = practise(lab)
    visit = laptop.json("visit", "list")[0]["id"]
    for command in (["caseload"], ["visit", "list"], ["visit", "show", visit], ["tasks"], ["status"], ["search", "bus"],
                    ["report", "goals", "--from", day(20), "--to", day(0)]):
        expect(laptop.ok(*command).startswith(MARK), " ".join(command))
        result = laptop.run(*command, "--json")
        json.loads(result.out)
        expect(MARK in result.err, "%s --json" % " ".join(command))
    files = {form: os.path.join(lab.folder, "out." + form) for form in ("billing", "fhir", "chart")}
    days = ["--from", day(20), "--to", day(0)]
    for form in ("billing", "fhir"):
        laptop.ok("export", form, *days, "--to-file", files[form])
    laptop.ok("export", "chart", "--participant", "Maria Muster (practice)", "--to-file", files["chart"])
    with open(files["billing"], encoding="utf-8") as file:
        rows = file.read().splitlines()
    expect(len(rows) == 4 and all(row.startswith("practice,") and "PRACTICE: this is no claim" in row for row in rows[1:]), str(rows))
    with open(files["chart"], encoding="utf-8") as file:
        expect("PRACTICE: these people are made up" in file.read(), "the page")
    with open(files["fhir"], encoding="utf-8") as file:
        bundle = json.load(file)
    for resource in [bundle] + [entry["resource"] for entry in bundle["entry"]]:
        expect(resource["meta"]["tag"][0]["code"] == "HTEST", "FHIR's own word for it: %s" % resource)


def it_stands_beside_the_usual_home(lab):
    laptop = lab.laptop("usual")
    data = os.path.join(lab.folder, "data")
    environment = {name: value for name, value in os.environ.items() if name != "KITH_HOME"}
    environment["XDG_DATA_HOME"] = data
    done = subprocess.run([BIN + "/kith", "--passphrase-file", laptop.passphrase_file, "practice", "--json"], env=environment,
                          capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0 and json.loads(done.stdout)["home"] == data + "/kith-practice", done.stdout + done.stderr)
    expect(os.listdir(data) == ["kith-practice"], "nothing else is made")


if __name__ == "__main__":
    main([all_of_a_visit_can_be_practised,
          nothing_of_it_leaves_the_device,
          everything_says_that_it_is_for_practice,
          it_stands_beside_the_usual_home])
