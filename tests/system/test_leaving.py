#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""People who leave a chart and devices that leave the agency: what they deliver, what stays readable, who decides."""
from lab import expect, main


def open_agency(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga")
    bo = lab.join(founder, "Bo Chen", "specialist", "Rosa Quiroga")
    for laptop in (founder, rosa, ana):
        laptop.sync()
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    ana.sync()
    rosa.sync()
    return hub, founder, rosa, ana, bo, maria


def record(laptop, maria, purpose):
    return laptop.json("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45",
                       "purpose=" + purpose)["id"]


def number_of(laptop, person):
    return next(str(device["number"]) for device in laptop.json("device", "list") if device["person"] == person)


def s05_a_participant_is_handed_over_while_the_specialist_is_offline(lab):
    _, _, rosa, ana, bo, maria = open_agency(lab)
    visit = record(ana, maria, "the last visit before the handover")
    rosa.ok("grant", maria, "Bo Chen")
    rosa.ok("withdraw", maria, "Ana Silva", "--transferred")
    rosa.sync()
    bo.sync()
    expect(bo.run("visit", "show", visit).code == 1, "the visit is not here yet")
    told = ana.sync()
    expect(told["sent"] == 1 and told["refused"] == [], "taken, as it was handed over: %s" % told)
    expect(told["purged"] == 1 and told["leaving"] == 0, str(told))
    expect(ana.run("participant", "show", maria).code == 1, "the chart is gone from the old laptop")
    expect(ana.run("visit", "show", visit).code == 1, "and the visit")
    expect(bo.sync()["received"] == 1, "the new specialist receives it")
    expect(bo.json("visit", "show", visit)["fields"]["purpose"] == "the last visit before the handover", "whole")
    bo.ok("visit", "edit", visit, "response=She was glad that Bo knew.")
    bo.sync()
    again = ana.sync()
    expect(again["received"] == 0 and ana.run("visit", "show", visit).code == 1, "no ghost returns")
    expect(ana.run("visit", "add", "participant=" + maria, "date=today").code == 1, "nothing can be written there")
    rosa.sync()
    shown = rosa.json("circle", "show", maria)
    expect(shown["epoch"] == 2 and shown["rotation_owed"] == 0, str(shown))
    names = {member["name"] for member in shown["members"]}
    expect("Bo Chen" in names and "Ana Silva" not in names, str(names))
    left = shown["left"][0]
    expect(left["person"] == "Ana Silva" and left["leaving"] == "transferred" and left["could_read_epochs"] == 1 and
           left["could_read_until"] and left["late_until"], "what Ana could read, until when: %s" % left)
    expect("Could read it until" in rosa.ok("circle", "show", maria), "and in words")


def what_a_retired_specialist_had_not_sent_is_held_for_the_supervisor(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    ana.clock = "+3h"
    visit = record(ana, maria, "written before anybody said so")
    rosa.ok("grant", maria, "Bo Chen")
    rosa.ok("withdraw", maria, "Ana Silva", "--retired")
    rosa.sync()
    told = ana.sync()
    expect(told["sent"] == 0 and [item["reason"] for item in told["refused"]] == ["held"], str(told))
    expect(told["purged"] == 1, "the hub has it: the laptop may forget")
    expect(hub.stats()["held"] == 1, "the hub counts it")
    rosa.sync()
    bo.sync()
    expect(bo.json("held", "list") == [], "a specialist does not decide")
    expect(rosa.status()["held"] == 1, "the supervisor is told")
    held = rosa.json("held", "list")
    expect(len(held) == 1 and held[0]["person"] == "Ana Silva" and held[0]["participant"] == "Maria Lopez" and
           held[0]["leaving"] == "retired" and not held[0]["suspect"], str(held))
    text = rosa.json("held", "show", held[0]["id"][:8])
    expect(any(change["value"] == "written before anybody said so" for change in text["changes"]), str(text))
    expect(rosa.run("visit", "show", visit).code == 1, "it counts for nothing before the decision")
    rosa.ok("held", "admit", held[0]["id"])
    rosa.sync()
    for laptop in (rosa, bo, founder):
        laptop.sync()
        expect(laptop.json("visit", "show", visit)["fields"]["purpose"] == "written before anybody said so",
               laptop.name)
    expect(hub.stats()["held"] == 0 and rosa.json("held", "list") == [], "nothing is left to decide")


def s12_a_lost_laptop_gets_nothing_delivers_into_quarantine_and_is_emptied(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    ana.clock = "+3h"
    visit = record(ana, maria, "typed by somebody on the lost laptop")
    number = number_of(founder, "Ana Silva")
    expect(founder.run("device", "revoke", number).code == 2, "a reason is needed")
    expect(rosa.run("device", "revoke", number_of(founder, "Bo Chen"), "--reason", "x").code == 0,
           "a supervisor ends the devices of those it leads")
    founder.ok("device", "revoke", number, "--reason", "left on the bus")
    listed = {device["person"]: device for device in founder.json("device", "list")}
    expect(listed["Ana Silva"]["state"] == "ended" and listed["Ana Silva"]["reason"] == "left on the bus", str(listed))
    shown = founder.json("circle", "show", maria)
    expect(shown["epoch"] == 2 and shown["rotation_owed"] == 0, "rotated with nobody asking: %s" % shown)
    rosa.sync()
    newer = record(rosa, maria, "not for whoever found the laptop")
    rosa.sync()
    hub.stop()
    expect(ana.run("sync").code == 3, "without a hub nothing happens")
    expect(ana.json("visit", "show", visit)["fields"]["purpose"], "and nothing is purged")
    hub.start()
    told = ana.sync()
    expect(told["received"] == 0 and [item["reason"] for item in told["refused"]] == ["held"], str(told))
    expect(told["removed"], "it says that it was emptied")
    expect(ana.run("visit", "show", visit).code == 1 and ana.run("visit", "show", newer).code == 1, "nothing is left")
    expect(ana.json("participant", "list") == [], "nobody is named on it")
    expect(ana.status()["removed"] == "revoked", "and status says why")
    again = ana.run("sync")
    expect(again.code == 1 and "was revoked" in again.err, "it is told so: %s" % again.err)
    rosa.sync()
    held = rosa.json("held", "list")
    expect(len(held) == 1 and held[0]["suspect"], str(held))
    expect(rosa.run("held", "reject", held[0]["id"]).code == 2, "a reason is needed")
    rosa.ok("held", "reject", held[0]["id"], "--reason", "not Ana's writing")
    rosa.sync()
    founder.sync()
    expect(founder.run("visit", "show", visit).code == 1, "it stays out")
    expect([item["state"] for item in rosa.json("held", "list")] == ["rejected"], "and is kept")
    # A rejection was a mistake: one later entry puts it right.
    rosa.ok("held", "admit", held[0]["id"])
    rosa.sync()
    founder.sync()
    expect(founder.json("visit", "show", visit)["fields"]["purpose"] == "typed by somebody on the lost laptop", "whole")


def whoever_was_taken_out_by_mistake_is_let_in_again_and_has_everything(lab):
    _, _, rosa, ana, _, maria = open_agency(lab)
    first = record(ana, maria, "before")
    ana.sync()
    second = record(ana, maria, "meanwhile")
    rosa.ok("withdraw", maria, "Ana Silva")
    rosa.sync()
    ana.sync()
    expect(ana.json("participant", "list") == [], "out")
    rosa.ok("grant", maria, "Ana Silva")
    rosa.sync()
    ana.sync()
    for visit, purpose in ((first, "before"), (second, "meanwhile")):
        expect(ana.json("visit", "show", visit)["fields"]["purpose"] == purpose, purpose)
    rosa.sync()
    expect(rosa.json("visit", "show", second)["fields"]["purpose"] == "meanwhile", "what was held counts")
    ana.ok("visit", "edit", second, "response=All is as it was.")
    expect(ana.sync()["refused"] == [], "and she writes on")


def who_may_not_end_or_take_out_is_told_so(lab):
    _, founder, rosa, ana, bo, maria = open_agency(lab)
    for arguments, word in ((("withdraw", maria, "Rosa Quiroga"), "role"), (("withdraw", maria, "Irma Founder"), "custodian"),
                            (("withdraw", maria, "Bo Chen"), "does not read"), (("withdraw", maria, "Nobody"), "no person"),
                            (("device", "retire", "99"), "no device 99"),
                            (("device", "retire", number_of(ana, "Irma Founder")), "admin")):
        result = ana.run(*arguments)
        expect(result.code == 1 and word in result.err, "%s: %d %s" % (arguments, result.code, result.err))
    expect(founder.run("device", "retire", number_of(founder, "Irma Founder")).code == 1, "the last admin's device stays")
    expect(ana.run("withdraw", maria, "Ana Silva", "--retired", "--revoked").code == 2, "one of them")
    expect(ana.run("held", "show", "aaaa").code == 1, "there is nothing held")
    bo.ok("device", "transfer", number_of(bo, "Bo Chen"))
    expect(bo.status()["removed"] == "transferred" and bo.run("sync").code == 1, "one may go oneself")


if __name__ == "__main__":
    main([
        s05_a_participant_is_handed_over_while_the_specialist_is_offline,
        what_a_retired_specialist_had_not_sent_is_held_for_the_supervisor,
        s12_a_lost_laptop_gets_nothing_delivers_into_quarantine_and_is_emptied,
        whoever_was_taken_out_by_mistake_is_let_in_again_and_has_everything,
        who_may_not_end_or_take_out_is_told_so,
    ])
