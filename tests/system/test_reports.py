#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports are what the signed records say, and the rules of a payer decide what is asked."""
import collections
import datetime

from lab import expect, main
from stage import Agency, day, kinds, refuses, shown

PACK = "name = payer\nversion = %s\neffective = 2020-01-01\n%s"


def report(device, kind, *options, since=30):
    dates = [] if kind == "training" else ["--from", day(since), "--to", day(0)]
    return device.json("report", kind, *dates, *options)


def productivity_is_what_the_records_say(lab):
    agency = Agency(lab, second_specialist=True)
    ana, omar, rosa = agency.ana, agency.omar, agency.rosa
    paul = omar.json("participant", "add", "name=Paul Frey")["id"]
    told = collections.Counter()
    for back, by, participant, fields, signs in (
            (1, ana, None, {}, True), (2, ana, None, {"end": "09:20"}, True), (20, ana, None, {}, True),
            (1, ana, None, {"start": "11:00", "end": "11:45", "contact_result": "no_show"}, True), (1, ana, None, {"start": "13:00", "end": "14:00"}, False),
            (9, ana, None, {}, False), (1, omar, paul, {"end": "09:53"}, True), (2, omar, paul, {}, True)):
        visit = agency.visit(by, back, participant, **fields)
        told[by.name] += 1
        if signs:
            by.ok("visit", "sign", visit)
        if by is omar and back == 2:
            by.ok("visit", "void", visit, "--reason", "It was another day.")
    for device in (ana, omar, rosa):
        device.sync()
    made = report(rosa, "productivity")
    people = {worker["person"]: worker for worker in made["workers"]}
    expect(set(people) == {"Ana Silva", "Omar Haddad"}, str(made))
    of_ana, of_omar = people["Ana Silva"], people["Omar Haddad"]
    expect((of_ana["visits"], of_ana["contacts"], of_ana["people"], of_ana["counting"]) == (6, 5, 1, 3), str(of_ana))
    expect((of_ana["minutes"], of_ana["units"]) == (45 + 20 + 45, 3 + 1 + 3), str(of_ana))
    expect((of_ana["due"], of_ana["on_time"]) == (5, 3), "four signed, one of them late; one more is overdue: %s" % of_ana)
    expect({row["why"]: row["visits"] for row in of_ana["unbilled"]} == {"no contact": 1, "not signed": 2}, str(of_ana))
    expect((of_omar["visits"], of_omar["people"], of_omar["minutes"], of_omar["units"]) == (1, 1, 53, 4), str(of_omar))
    expect(of_omar["unbilled"] == [{"why": "voided", "visits": 1, "minutes": 45}], str(of_omar))
    total = made["total"]
    for key in ("visits", "contacts", "people", "due", "on_time", "counting", "minutes", "units"):
        expect(total[key] == of_ana[key] + of_omar[key], "%s of all: %s" % (key, total))
    expect("█" in rosa.ok("report", "productivity", "--from", day(30), "--to", day(0)), "with bars")


def progress_is_told_by_signed_notes_alone(lab):
    agency = Agency(lab)
    ana = agency.ana
    goal = ana.json("goal", "add", "participant=" + agency.maria, "text=Ride the bus alone.", "domain=community")["id"]
    other = ana.json("goal", "add", "participant=" + agency.maria, "text=Sleep through the night.")["id"]
    words = ["worse", "same", "better", "reached"]
    visits = [agency.visit(ana, back, **{"goals": goal, "progress." + goal: word})
              for back, word in zip((9, 7, 5, 3), words)]
    for visit in visits[:3]:
        ana.ok("visit", "sign", visit)
    ana.ok("visit", "void", visits[1], "--reason", "It was another day.")
    rows = {row["id"]: row for row in report(ana, "goals")}
    expect([(step["id"], step["progress"]) for step in rows[goal]["visits"]] ==
           [(visits[0], "worse"), (visits[2], "better")], "no draft, nothing voided: %s" % rows[goal])
    expect(rows[goal]["text"] == "Ride the bus alone." and rows[goal]["status"] == "open", str(rows[goal]))
    expect(rows[other]["visits"] == [], "nobody worked on that")
    expect("▁▅" in ana.ok("report", "goals", "--from", day(30), "--to", day(0)), "drawn by day")


def training_and_supervision_are_measured_by_the_pack(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    rosa.ok("rulepack", "add", "text=" + PACK % (1, "training_hours = 36\ntraining_months = 24\ntraining.ethics = 3\n"
                                                    "training.peer = 24\nsupervision_per_month = 2\n"))
    for hours, category, back in ((20, "peer", 30), (5, "peer", 400), (2, "ethics", 10), (30, "peer", 800)):
        ana.ok("training", "add", "title=A course", "category=" + category, "hours=%d" % hours, "date=" + day(back))
    ana.sync()
    rosa.sync()
    month = datetime.date.today().replace(day=1).isoformat()
    rosa.ok("supervision", "add", "specialist=Ana Silva", "date=" + month, "start=10:00", "end=10:54")
    rosa.ok("supervision", "add", "specialist=Ana Silva", "date=" + day(70), "start=10:00", "end=11:00")
    rosa.sync()
    ana.sync()
    for device in (ana, rosa):
        made = report(device, "training")
        expect(made["rule_pack"] == "payer 1", str(made))
        asked = {row["what"]: row for person in made["people"] if person["person"] == "Ana Silva"
                 for row in person["asked"]}
        expect((asked["training"]["has"], asked["training"]["asked"], asked["training"]["met"]) == (27, 36, False), str(asked))
        expect((asked["ethics"]["has"], asked["ethics"]["met"]) == (2, False), "three are asked")
        expect((asked["peer"]["has"], asked["peer"]["met"]) == (25, True), "what is too old does not count: %s" % asked)
        expect((asked["supervision"]["has"], asked["supervision this month"]["has"]) == (1.9, 1), str(asked))
        expect("supervision" in kinds(device.json("tasks")), "the session that is missing is a task on " + device.name)
    rosa.ok("supervision", "add", "specialist=Ana Silva", "date=" + day(0))
    expect("supervision" not in kinds(rosa.json("tasks")), "and is none any more")


def a_pack_decides_what_signing_asks_and_when_a_note_is_due(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    refuses(rosa, 1, "line 4|a visit has no field mood", "rulepack", "add", "text=" + PACK % (1, "requires = mood\n"))
    refuses(ana, 1, "role", "rulepack", "add", "text=" + PACK % (1, ""))
    rosa.ok("rulepack", "add", "text=" + PACK % (1, "requires = skills_practised\ndue_hours = 24\ncosign = all\n"
                                                    "payer = P1\ncredential = required\n"))
    rosa.ok("rulepack", "add", "text=" + PACK % ("general", "due_hours = 240\n"))
    rosa.sync()
    ana.sync()
    free = agency.visit(ana, 3)
    expect(shown(ana, free)["missing"] == [], "who has another payer goes by the general rules")
    task = next(task for task in ana.json("tasks") if task["id"] == free)
    expect(task["due"] == day(-7), "due ten days later: %s" % task)
    ana.ok("visit", "sign", free)
    units = {row["id"]: row for row in ana.json("units", "--from", day(9), "--to", day(0))["visits"]}
    expect(units[free]["counts"] and units[free]["rule_pack"] == "payer general", str(units))
    ana.ok("participant", "edit", agency.maria, "payer_id=P1")
    bound = agency.visit(ana, 2)
    lacks = [lack["text"] for lack in shown(ana, bound)["missing"]]
    expect(len(lacks) == 1 and "Skills practised" in lacks[0], "the payer's own rules ask for more: %s" % lacks)
    refuses(ana, 4, "Skills", "visit", "sign", bound)
    task = next(task for task in ana.json("tasks") if task["id"] == bound)
    expect(task["due"] == day(1) and task["overdue"], "due a day later: %s" % task)
    ana.ok("visit", "edit", bound, "skills_practised+=breathing, it helped")
    ana.ok("visit", "sign", bound)
    expect("late entry" in shown(ana, bound)["labels"], "that is late")

    def why():
        return next(row for row in ana.json("units", "--from", day(9), "--to", day(0))["visits"]
                    if row["id"] == bound)["why_not"]
    expect(why() == "not co-signed", why())
    ana.ok("visit", "submit", bound)
    ana.sync()
    rosa.sync()
    rosa.ok("visit", "cosign", bound)
    rosa.sync()
    ana.sync()
    expect(why() == "no valid credential on that day", str(why()))
    ana.ok("credential", "add", "kind=CPS", "issued=" + day(9), "expires=" + day(-9))
    expect(why() is None, str(why()))


if __name__ == "__main__":
    main([productivity_is_what_the_records_say,
          progress_is_told_by_signed_notes_alone,
          training_and_supervision_are_measured_by_the_pack,
          a_pack_decides_what_signing_asks_and_when_a_note_is_due])
