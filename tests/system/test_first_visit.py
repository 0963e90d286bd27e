#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A visit recorded offline reaches the hub and another laptop, and nobody in between can read it."""
import os

from lab import every_form, expect, files_with, main

WORDS = ["Maria Lopez", "Quiroga", "Silva", "Irma Founder", "Open Door", "kitchen table", "nightmares",
         "grocery", "sister in Tacoma"]
NARRATIVE = {
    "purpose": "Her nightmares have come back and she did not want to be alone with that.",
    "what_was_done": "We sat at the kitchen table and wrote a list for the grocery store.",
    "response": "She laughed twice, and called her sister in Tacoma while I was there.",
}


def open_agency(lab, proxied=False):
    hub = lab.hub(proxied)
    founder = lab.found(hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga")
    return hub, founder, rosa, ana


def record_visit(laptop):
    maria = laptop.json("participant", "add", "name=Maria Lopez", "phone+=555 0142")["id"]
    fields = ["%s=%s" % item for item in NARRATIVE.items()]
    visit = laptop.json("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45", *fields)["id"]
    return maria, visit


def a_visit_recorded_with_the_hub_stopped_is_read_by_the_supervisor(lab):
    hub, _, rosa, ana = open_agency(lab)
    hub.stop()
    maria, visit = record_visit(ana)
    expect(ana.run("sync").code == 3, "a sync without a hub ends with 3: saved here, hub not reached")
    expect(ana.status()["unsent"] >= 2, "what was recorded waits in the outbox")
    hub.start()
    sent = ana.sync()
    expect(sent["round_trips"] == 1, "one round trip, not %d" % sent["round_trips"])
    expect(sent["sent"] == 2 and sent["refused"] == [] and sent["up_to_date"], str(sent))
    expect(rosa.sync()["received"] >= 2, "the supervisor gets both")
    shown = rosa.json("visit", "show", visit[:8])
    for name, text in NARRATIVE.items():
        expect(shown["fields"][name] == text, name)
    expect(shown["fields"]["specialist"] == "Ana Silva", "who made it")
    expect(rosa.json("participant", "show", maria)["fields"]["name"] == "Maria Lopez", "whose it is")
    expect(ana.json("visit", "show", visit)["sync"]["place"] == "hub", "the author sees that it is at the hub")


def nothing_that_was_typed_is_on_any_disk_or_wire(lab):
    hub, founder, rosa, ana = open_agency(lab, proxied=True)
    record_visit(ana)
    ana.sync()
    rosa.sync()
    for laptop in (founder, rosa, ana):
        expect(files_with(laptop.home, WORDS) == [], "words in %s's home" % laptop.name)
    expect(files_with(hub.data, WORDS) == [], "words in the hub's data")
    expect(files_with(lab.folder, WORDS) == [], "words in a log or beside it")
    expect(len(hub.proxy.seen) > 5000, "the wire was recorded")
    for word in WORDS:
        expect(not any(form in hub.proxy.seen for form in every_form(word)), "'%s' on the wire" % word)


def a_visit_edited_on_two_laptops_keeps_both_texts(lab):
    _, _, rosa, ana = open_agency(lab)
    _, visit = record_visit(ana)
    ana.sync()
    rosa.sync()
    ana.ok("visit", "edit", visit, "response=She was tired.")
    rosa.ok("visit", "edit", visit, "response=She was hopeful.")
    for laptop in (ana, rosa, ana):
        laptop.sync()
    for laptop in (ana, rosa):
        conflicts = laptop.json("visit", "show", visit)["conflicts"]
        expect(len(conflicts) == 1 and conflicts[0]["field"] == "response", str(conflicts))
        texts = {value["value"] for value in conflicts[0]["values"]}
        expect(texts == {"She was tired.", "She was hopeful."}, str(texts))
        expect(laptop.status()["conflicts"] == 1, "and status counts it")
    history = [event["value"] for event in ana.json("visit", "history", visit) if event["field"] == "response"]
    expect(len(history) == 3, "the first text is in the history: %s" % history)
    expect([row["field"] for row in ana.json("conflicts")] == ["response"], "conflicts lists it")
    ana.ok("settle", visit, "response", "She was tired, and hopeful.")
    ana.sync()
    rosa.sync()
    shown = rosa.json("visit", "show", visit)
    expect(shown["conflicts"] == [] and shown["fields"]["response"] == "She was tired, and hopeful.", str(shown))
    expect(len(rosa.json("visit", "history", visit)) > len(history), "and every version stays in the history")


def a_grant_lets_somebody_else_read_what_was_written_before(lab):
    _, founder, _, ana = open_agency(lab)
    omar = lab.join(founder, "Omar Haddad", "specialist")
    maria, visit = record_visit(ana)
    ana.sync()
    omar.sync()
    expect(omar.run("visit", "show", visit).code == 1, "not granted: not there")
    ana.ok("grant", maria, "Omar Haddad")
    ana.sync()
    omar.sync()
    expect(omar.json("visit", "show", visit)["fields"]["purpose"] == NARRATIVE["purpose"], "granted: there")


def a_second_laptop_of_the_same_person_gets_the_charts(lab):
    _, _, _, ana = open_agency(lab)
    _, visit = record_visit(ana)
    ana.sync()
    tablet = lab.join(ana, "Ana Silva", "specialist", name="tablet")
    ana.sync()
    tablet.sync()
    expect(tablet.json("visit", "show", visit)["fields"]["purpose"] == NARRATIVE["purpose"], "on the tablet too")


def a_used_invitation_is_refused_and_a_wrong_code_too(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    code = founder.json("invite", "--person", "Omar Haddad", "--role", "specialist")["code"]
    omar = lab.laptop("omar")
    omar.ok("join", code)
    thief = lab.laptop("thief")
    result = thief.run("join", code)
    expect(result.code == 1 and "invitation" in result.err, result.err)
    mistyped = code[:-1] + ("a" if code[-1] != "a" else "b")
    result = lab.laptop("typo").run("join", mistyped)
    expect(result.code == 1 and "code" in result.err, result.err)


def founding_and_joining_go_on_after_a_lost_answer(lab):
    hub = lab.hub(proxied=True)

    def lose_answers_after(count):
        answers = [0]

        def spoil(data, is_up):
            answers[0] += not is_up
            if answers[0] > count:
                raise OSError("the link is cut")
            return data
        return spoil

    founder = lab.laptop("founder")
    command = ("found", hub.founding_code, "--agency", "Open Door", "--person", "Irma Founder")
    hub.proxy.spoil = lose_answers_after(1)  # WELCOME arrives, the acknowledgement does not
    expect(founder.run(*command).code != 0, "the answer was lost")
    hub.proxy.spoil = None
    founder.ok(*command)
    expect(founder.run(*command).code == 1, "an agency is founded once")
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    ana = lab.laptop("ana")
    hub.proxy.spoil = lose_answers_after(2)
    expect(ana.run("join", code).code != 0, "the answer was lost")
    hub.proxy.spoil = None
    ana.ok("join", code)
    expect([device["state"] for device in ana.json("device", "list")] == ["active", "invited", "active"],
           "founder, its sheet and Ana, once each")


def a_locked_home_opens_with_the_passphrase_only(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    founder.ok("lock")
    wrong = os.path.join(lab.folder, "wrong")
    with open(wrong, "w") as file:
        file.write("not it\n")
    command = founder.run("--passphrase-file", wrong, "status")
    expect(command.code == 5, "a wrong passphrase ends with 5, not %d" % command.code)
    expect(founder.status()["records"] >= 1, "the right one opens it")


if __name__ == "__main__":
    main([a_visit_recorded_with_the_hub_stopped_is_read_by_the_supervisor,
          nothing_that_was_typed_is_on_any_disk_or_wire,
          a_visit_edited_on_two_laptops_keeps_both_texts,
          a_grant_lets_somebody_else_read_what_was_written_before,
          a_second_laptop_of_the_same_person_gets_the_charts,
          a_used_invitation_is_refused_and_a_wrong_code_too,
          founding_and_joining_go_on_after_a_lost_answer,
          a_locked_home_opens_with_the_passphrase_only])
