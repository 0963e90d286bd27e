#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways back: the founder's laptop is gone, a passphrase is forgotten, a laptop's holder is not there any more."""
import os
import shutil

from lab import PASSPHRASE, expect, free_port, main
from stage import Agency, meet, refuses, shown

NEW = "another passphrase that only tests use"


def sheet_of(lab, hub):
    founder = lab.laptop("founder")
    sheet = founder.json("found", hub.founding_code, "--agency", "Open Door", "--person", "Irma Founder")["recovery_sheet"]
    founder.ok("unlock")
    return founder, sheet


def file_in(lab, name, content=None):
    path = os.path.join(lab.folder, name)
    if content is not None:
        with open(path, "wb") as file:
            file.write(content)
    return path


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def the_sheet_restores_an_agency_whose_founder_lost_the_laptop(lab):
    hub = lab.hub()
    founder, sheet = sheet_of(lab, hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", supervisor="Rosa Quiroga")
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    visit = ana.json("visit", "add", "participant=" + maria, "date=today", "response=She laughed twice.")["id"]
    meet(ana, rosa)
    shutil.rmtree(founder.home)  # at the bottom of a lake, never synced since
    again = lab.laptop("again")
    said = again.json("recover", sheet, "--device-name", "new laptop")
    again.ok("unlock")
    expect(said["recovery_sheet"] and said["recovery_sheet"] != sheet, "there is another sheet")
    expect(shown(again, visit)["fields"]["response"] == "She laughed twice.", "every chart opens, with nobody's help")
    again.ok("device", "revoke", "1", "--reason", "in the lake")
    meet(rosa, again)
    expect(again.status()["rotation_owed"] == 0, "the lost laptop gets nothing new")
    omar = lab.join(again, "Omar Haddad", "specialist", supervisor="Rosa Quiroga")
    omar.ok("sync")
    states = {one["number"]: (one["name"], one["state"]) for one in again.json("device", "list")}
    expect(states[1][1] == "ended" and states[2] == ("new laptop", "active"), "%s" % states)
    late = lab.laptop("late")
    refuses(late, 1, "used", "recover", sheet)
    third = lab.laptop("third")
    third.json("recover", said["recovery_sheet"])
    expect(third.json("visit", "list")[0]["id"] == visit, "the next sheet works as the first did")


def a_sheet_that_was_replaced_opens_nothing(lab):
    hub = lab.hub()
    founder, sheet = sheet_of(lab, hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    refuses(rosa, 1, "admin", "sheet")
    newer = founder.json("sheet")["recovery_sheet"]
    expect(founder.status()["rotation_owed"] == 0, "its keys are changed")
    thief = lab.laptop("thief")
    refuses(thief, 1, "expired", "recover", sheet)
    refuses(thief, 1, "copied whole", "recover", newer[:-2])
    other = lab.laptop("other")
    other.json("recover", newer)


def the_hub_has_moved_since_the_sheet_was_printed(lab):
    hub = lab.hub()
    founder, sheet = sheet_of(lab, hub)
    hub.stop()
    hub.port = free_port()
    hub.start()
    again = lab.laptop("again")
    refuses(again, 1, "reach", "recover", sheet)
    again.json("recover", sheet, "--hub", "127.0.0.1:%d" % hub.port)
    expect(again.status()["hub"].endswith(str(hub.port)), "and stays there")


def a_laptop_follows_a_hub_that_has_moved(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    other = lab.hub()
    lab_of = lab.laptop("elsewhere")
    lab_of.json("found", other.founding_code, "--agency", "Another", "--person", "Eve Other")
    old = ana.status()["hub"]
    hub.stop()
    hub.port = free_port()
    hub.start()
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    for wrong in ("127.0.0.1:%d" % other.port, "127.0.0.1:%d" % free_port()):
        expect(ana.run("sync", "--hub", wrong).code in (1, 3), "not our hub: " + wrong)
        expect(ana.status()["hub"] == old, "so that nothing changes")
    for wrong in ("nonsense", "127.0.0.1:0", "h" * 300 + ":1"):
        refuses(ana, 1, "HOST:PORT", "sync", "--hub", wrong)
    moved = "127.0.0.1:%d" % hub.port
    expect(ana.json("sync", "--hub", moved)["up_to_date"], "the hub is there")
    expect(ana.status()["hub"] == moved and shown(ana, maria, "participant")["sync"]["place"] == "hub", "from now on")
    expect(ana.sync()["up_to_date"], "without saying so again")
    code = ana.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    tablet = lab.laptop("tablet")
    tablet.ok("join", code)
    expect(tablet.status()["hub"] == moved, "codes lead there, too")


def ask(lab, locked):
    request = file_in(lab, "request")
    check = locked.json("forgot", "--to-file", request)["check"]
    return request, check


def a_forgotten_passphrase_is_replaced_by_a_custodian_without_any_network(lab):
    agency = Agency(lab)
    ana, irma, rosa = agency.ana, agency.irma, agency.rosa
    visit = agency.visit(ana, response="Typed in the basement.")
    agency.hub.stop()
    ana.ok("lock")
    request, check = ask(lab, ana)
    os.unlink(request)
    request, again = ask(lab, ana)
    expect(check == again, "asked twice, it is the same number")
    answer, new = file_in(lab, "answer"), file_in(lab, "new", NEW.encode() + b"\n")
    refuses(rosa, 1, "custodian", "recovery", "answer", request, "--check", check, "--to-file", answer)
    refuses(irma, 1, "another one", "recovery", "answer", request, "--check", "00000 00000 00000 00000",
            "--to-file", answer)
    expect(not os.path.exists(answer), "nothing was answered")
    said = irma.json("recovery", "answer", request, "--check", check.replace(" ", ""), "--to-file", answer)
    expect(said["person"] == "Ana Silva", "it says whose home it is: %s" % said)
    ana.ok("forgot", "--answer", answer, "--new-passphrase-file", new)
    refuses(ana, 5, "passphrase", "visit", "list")
    ana.passphrase_file = new
    expect(shown(ana, visit)["fields"]["response"] == "Typed in the basement.", "nothing that was typed is lost")
    agency.hub.start()
    meet(ana, rosa)
    expect(shown(rosa, visit)["fields"]["response"] == "Typed in the basement.", "where others read it")
    refuses(ana, 1, "no request", "forgot", "--answer", answer, "--new-passphrase-file", new)


def a_custodian_opens_what_somebody_left_behind(lab):
    agency = Agency(lab)
    ana, irma = agency.ana, agency.irma
    agency.visit(ana, response="Never sent.")
    ana.ok("lock")
    number = [one["number"] for one in irma.json("device", "list") if one["person"] == "Ana Silva"][0]
    irma.ok("device", "retire", str(number))
    request, check = ask(lab, ana)
    answer, new = file_in(lab, "answer"), file_in(lab, "new", NEW.encode() + b"\n")
    words = ("recovery", "answer", request, "--check", check, "--to-file", answer)
    refuses(irma, 1, "--force", *words)
    irma.ok(*words, "--force")
    ana.ok("forgot", "--answer", answer, "--new-passphrase-file", new)
    ana.passphrase_file = new
    ana.sync()
    held = irma.sync() and irma.json("held", "list")
    expect(len(held) == 1, "what was never sent waits for a decision: %s" % held)


def what_is_altered_or_for_another_home_opens_nothing(lab):
    agency = Agency(lab)
    ana, irma, rosa = agency.ana, agency.irma, agency.rosa
    for laptop in (ana, rosa):
        laptop.ok("lock")
    request, check = ask(lab, ana)
    other = file_in(lab, "other")
    rosa.ok("forgot", "--to-file", other)
    answer, new = file_in(lab, "answer"), file_in(lab, "new", NEW.encode() + b"\n")
    irma.ok("recovery", "answer", request, "--check", check, "--to-file", answer)
    whole = bytes_of(answer)
    refuses(rosa, 1, "does not answer", "forgot", "--answer", answer, "--new-passphrase-file", new)
    for at in (0, 5, len(whole) // 2, len(whole) - 1):
        bad = file_in(lab, "bad", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        result = ana.run("forgot", "--answer", bad, "--new-passphrase-file", new)
        expect(result.code == 1 and "Traceback" not in result.err, "byte %d: %s" % (at, result.err))
    asked = bytes_of(request)
    for at in (0, 3, len(asked) // 2, len(asked) - 1):
        bad = file_in(lab, "bad", asked[:at] + bytes([asked[at] ^ 1]) + asked[at + 1:])
        refuses(irma, 1, "", "recovery", "answer", bad, "--check", check, "--to-file", file_in(lab, "never"))
    refuses(irma, 1, "", "recovery", "answer", file_in(lab, "empty", b""), "--check", check,
            "--to-file", file_in(lab, "never"))
    expect(not os.path.exists(file_in(lab, "never")), "nothing was answered")
    ana.ok("forgot", "--answer", answer, "--new-passphrase-file", new)


def the_files_in_a_home_say_nothing(lab):
    agency = Agency(lab)
    agency.ana.ok("lock")
    ask(lab, agency.ana)
    for name in ("recovery", "forgotten"):
        path = os.path.join(agency.ana.home, name)
        content = bytes_of(path)
        expect(os.stat(path).st_mode & 0o077 == 0, name + " is its owner's alone")
        for word in (b"Ana", b"Irma", b"Maria", b"Open Door", PASSPHRASE.encode()):
            expect(word not in content, "%s in %s" % (word, name))
    first = bytes_of(os.path.join(agency.ana.home, "recovery"))
    agency.ana.ok("unlock")
    agency.ana.sync()
    expect(bytes_of(os.path.join(agency.ana.home, "recovery")) == first, "written anew only for other custodians")
    agency.lab.join(agency.irma, "Carla Office", "custodian")
    agency.ana.sync()
    expect(bytes_of(os.path.join(agency.ana.home, "recovery")) != first, "now a new custodian can, too")


if __name__ == "__main__":
    main([the_sheet_restores_an_agency_whose_founder_lost_the_laptop,
          a_sheet_that_was_replaced_opens_nothing,
          the_hub_has_moved_since_the_sheet_was_printed,
          a_laptop_follows_a_hub_that_has_moved,
          a_forgotten_passphrase_is_replaced_by_a_custodian_without_any_network,
          a_custodian_opens_what_somebody_left_behind,
          what_is_altered_or_for_another_home_opens_nothing,
          the_files_in_a_home_say_nothing])
