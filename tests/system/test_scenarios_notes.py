#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What happens to a note when several people or devices touch it without knowing of each other."""
import os

from lab import expect, main
from stage import (Agency, both_orders, day, device_number, kinds, meet, moment, now, refuses, same_for, shown,
                   tasks_about, told, values_of)

WRONG_CLOCKS = ["+3h", "@2036-01-01 09:00:00", "@1980-01-06 09:00:00"]


def s01_two_devices_of_one_specialist_edit_two_fields_of_one_draft(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet = agency.ana, agency.tablet
    outcomes = []
    for turn, order in both_orders(ana, tablet):
        draft = agency.draft(tablet, back=turn)
        ana.ok("visit", "edit", draft, "plan_next=See the doctor with her.")
        tablet.ok("visit", "edit", draft, "response=She was glad of the company.")
        meet(*order)
        view = same_for(draft, ana, tablet)
        expect(view["fields"]["plan_next"] == "See the doctor with her.", "the laptop's edit is kept")
        expect(view["fields"]["response"] == "She was glad of the company.", "the tablet's edit is kept")
        expect(view["conflicts"] == [] and view["missing"] == [], "and nobody is asked anything")
        expect(values_of(ana, draft, "plan_next")[-1][1] == device_number(ana), "history names the laptop")
        expect(values_of(ana, draft, "response")[-1][1] == device_number(tablet), "and the tablet")
        outcomes.append(told(view))
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s02_two_devices_of_one_specialist_edit_the_same_text(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet = agency.ana, agency.tablet
    texts = ["She was tired.", "She was hopeful,\nand said so twice."]
    outcomes = []
    for turn, order in both_orders(ana, tablet):
        draft = agency.draft(tablet, back=turn)
        ana.ok("visit", "edit", draft, "response=" + texts[0])
        tablet.ok("visit", "edit", draft, "response=" + texts[1])
        meet(*order)
        view = same_for(draft, ana, tablet)
        outcomes.append(told(view))
        expect(outcomes[-1]["conflicts"] == [("response", sorted(texts))], "both texts, to the letter: %s" % view)
        for device in (ana, tablet):
            expect(device.status()["conflicts"] == 1, "status counts it")
            refuses(device, 4, "response", "visit", "sign", draft)
            refuses(device, 4, "response", "visit", "check", draft)
        tablet.ok("settle", draft, "response", "She was tired, and hopeful.")
        meet(tablet, ana)
        history = values_of(ana, draft, "response")
        expect(history[-1] == ("She was tired, and hopeful.", device_number(tablet), True), "the decision stands")
        expect([row[2] for row in history[:-1]] == [False, False, False], "it replaces both: %s" % history)
        expect(set(texts) <= {row[0] for row in history}, "and both are still to be read")
        expect(same_for(draft, ana, tablet)["conflicts"] == [], "it stays settled")
        ana.ok("visit", "sign", draft)
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s03_signed_on_one_device_while_edited_on_another(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet, rosa = agency.ana, agency.tablet, agency.rosa
    outcomes = []
    for turn, order in both_orders(ana, tablet):
        visit = agency.draft(tablet, rosa, back=turn)
        signed = ana.json("visit", "sign", visit)
        before = shown(ana, visit)
        tablet.ok("visit", "edit", visit, "response=She cried.", "code=H2014", "end=10:30")
        meet(*order, rosa)
        view = same_for(visit, ana, tablet, rosa)
        expect(view["state"] == "signed" and view["hash"] == signed["hash"], "the version is what was signed")
        expect(view["content_hash"] == before["content_hash"], "so is the content")
        expect(view["steps"][0]["verified"], "its signature verifies everywhere")
        expect(view["fields"] == before["fields"], "it reads as it was signed, code and times too")
        expect(view["minutes"] == before["minutes"] == 45, "the minutes are those that were signed")
        late = {(edit["field"], edit["device"], edit["taken"]) for edit in view["late_edits"]}
        expect(late == {(field, device_number(tablet), False) for field in ("response", "code", "end")}, str(late))
        expect("late edits" in view["labels"] and view["conflicts"] == [], "labelled, not in conflict")
        for device in (ana, tablet):
            expect("late_edits" in tasks_about(device, visit), "she is told on %s" % device.name)
        expect("--kind late_entry --take-late" in tablet.ok("visit", "show", visit), "and offered an addendum")
        outcomes.append(told(view))
        tablet.ok("visit", "addend", visit, "--kind", "late_entry", "--take-late")
        meet(tablet, ana, rosa)
        view = same_for(visit, ana, tablet, rosa)
        expect("response: She cried." in view["addenda"][0]["text"], "what she wrote is now an addendum")
        expect([edit["taken"] for edit in view["late_edits"]] == [True] * 3, "and waits no longer")
        expect("late_edits" not in tasks_about(ana, visit), "nobody is asked any more")
        expect(view["content_hash"] == before["content_hash"], "what was signed is as it was")
        expect(view["fields"]["response"] == before["fields"]["response"], "and reads so")
        refuses(tablet, 1, "addendum", "visit", "edit", visit, "response=Something else.")
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s04_specialist_amends_while_supervisor_cosigns_the_version_before(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    outcomes = []
    for turn, order in both_orders(ana, rosa):
        visit = agency.draft(back=turn)
        ana.ok("visit", "sign", visit)
        first = ana.json("visit", "submit", visit)["hash"]
        meet(ana, rosa)
        ana.ok("visit", "addend", visit, "--kind", "correction", "end=09:30", "She had to leave early.")
        expect(rosa.json("visit", "cosign", visit, "--hash", first)["state"] == "cosigned", "as far as Rosa knows")
        meet(*order)
        view = same_for(visit, ana, rosa)
        expect(view["state"] == "submitted", "back to submitted, not " + view["state"])
        cosign = next(step for step in view["steps"] if step["kind"] == "cosign")
        expect(cosign["covers"] == first and cosign["verified"], "the co-signature is valid for what Rosa read")
        expect(not cosign["counts"] and "co-signature stale" in view["labels"], "and for that only")
        expect(view["hash"] != first and view["content_hash"] == first, "it is another version of the same content")
        expect(view["minutes"] == 30 and view["addenda"][0]["changes"][0]["field"] == "end", "the minutes changed")
        expect("cosign" in tasks_about(rosa, visit), "Rosa is asked to look again")
        refuses(rosa, 1, "read it again", "visit", "cosign", visit, "--hash", first)
        refuses(ana, 1, "supervisor", "visit", "cosign", visit)
        outcomes.append(told(view))
        rosa.ok("visit", "cosign", visit, "--hash", view["hash"])
        meet(rosa, ana)
        expect(same_for(visit, ana, rosa)["state"] == "cosigned", "co-signed again")
        expect("cosign" not in tasks_about(rosa, visit), "and Rosa is asked no more")
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s06_supervisor_voids_while_the_specialist_adds_an_addendum(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    outcomes = []
    for turn, order in both_orders(ana, rosa):
        visit = agency.draft(back=turn)
        ana.ok("visit", "sign", visit)
        ana.ok("visit", "submit", visit)
        meet(ana, rosa)
        rosa.ok("visit", "void", visit, "--reason", "It was another person.")
        ana.ok("visit", "addend", visit, "--kind", "addendum", "She called again at noon.")
        meet(*order)
        view = same_for(visit, ana, rosa)
        expect(view["state"] == "voided", "the void wins")
        expect([one["text"] for one in view["addenda"]] == ["She called again at noon."], "the addendum is kept")
        expect(view["addenda"][0]["verified"] and view["steps"][-1]["verified"], "both are signed")
        expect("amended beside the void" in view["labels"], "whoever reads it sees that: %s" % view["labels"])
        expect("voided" in tasks_about(rosa, visit), "the supervisor is asked to look at it")
        expect(view["fields"]["response"] == "She laughed twice.", "nothing is lost")
        refuses(ana, 1, "voided", "visit", "edit", visit, "response=Something else.")
        refuses(rosa, 1, "voided", "visit", "cosign", visit)
        outcomes.append(told(view))
        rosa.ok("visit", "void", visit, "--reason", "Read the addendum: still another person.")
        meet(rosa, ana)
        view = same_for(visit, ana, rosa)
        expect(view["state"] == "voided" and "amended beside the void" not in view["labels"], "the void covers it now")
        expect("voided" not in tasks_about(rosa, visit), "and she is asked no more")
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s06_a_draft_is_voided_while_another_device_edits_it(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet = agency.ana, agency.tablet
    outcomes = []
    for turn, order in both_orders(ana, tablet):
        draft = agency.draft(tablet, back=turn)
        ana.ok("visit", "void", draft, "--reason", "Written for the wrong person.")
        tablet.ok("visit", "edit", draft, "response=She fell asleep.")
        meet(*order)
        view = same_for(draft, ana, tablet)
        expect(view["state"] == "voided" and view["fields"]["response"] == "She fell asleep.", "void, and the edit kept")
        refuses(tablet, 1, "voided", "visit", "sign", draft)
        outcomes.append(told(view))
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s07_a_wrong_clock(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet, rosa = agency.ana, agency.tablet, agency.rosa
    for turn, clock in enumerate(WRONG_CLOCKS):
        draft = agency.draft(tablet, rosa, back=turn)
        ana.clock = clock
        # Written at once: one of them is shown, both are kept.
        ana.ok("visit", "edit", draft, "location_detail=Back door", "self_rating=7")
        tablet.ok("visit", "edit", draft, "location_detail=Front door")
        meet(ana, tablet)
        kept = {value for value, _, _ in values_of(tablet, draft, "location_detail")}
        expect(kept == {"Back door", "Front door"}, "both are kept: %s" % kept)
        # Written by somebody who has read it: that stands, whatever the clocks say.
        tablet.ok("visit", "edit", draft, "location_detail=Side door")
        meet(tablet, ana)
        expect(shown(ana, draft)["fields"]["location_detail"] == "Side door", clock + ": not won for ever")
        ana.ok("visit", "edit", draft, "location_detail=Garden door")
        meet(ana, tablet, rosa)
        view = shown(rosa, draft)
        fields = view["fields"]
        expect(fields["location_detail"] == "Garden door", clock + ": nor lost")
        expect("clock" in kinds(view["missing"]), clock + ": who reads the draft is told: %s" % view["missing"])
        expect([fields[name][11:16] for name in ("start", "end")] == ["09:00", "09:45"], "typed times are kept")
        for device in (ana, tablet, rosa):
            order = [value for value, _, _ in values_of(device, draft, "location_detail")]
            expect(order[2:] == ["Side door", "Garden door"], "%s: history has cause before effect: %s" % (clock, order))
        for event in tablet.json("visit", "history", draft):
            if event["value"] in ("Side door", "Garden door"):
                expect(abs(now() - moment(event["time"])) < 300, "%s misled another device: %s" % (clock, event))
        ana.clock = None
        ana.sync()


def s07_a_note_signed_with_a_wrong_clock(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    for turn, clock in enumerate(WRONG_CLOCKS):
        visit = agency.draft(rosa, back=turn)
        ana.clock = clock
        ana.sync()
        refuses(ana, 4, "clock", "visit", "sign", visit)
        expect("clock" in kinds(ana.json("visit", "show", visit)["missing"]), "the draft says so too")
        ana.ok("visit", "sign", visit, "--clock-ok")
        ana.clock = None
        meet(ana, rosa)
        view = same_for(visit, ana, rosa)
        sign = view["steps"][0]
        expect(abs(now() - moment(sign["time"])) < 300, "signed at the time of the hub's clock: " + sign["time"])
        expect(abs(sign["clock_offset_ms"]) > 2 * 3600 * 1000, "and it says how far off the laptop was")
        expect(sign["verified"] and "late entry" not in view["labels"], "in time, whatever the laptop thought")


def s08_two_visits_at_the_same_time(lab):
    agency = Agency(lab, tablet=True, second_specialist=True)
    ana, tablet, rosa, omar = agency.ana, agency.tablet, agency.rosa, agency.omar
    ana.ok("grant", agency.maria, "Omar Haddad")
    meet(ana, omar)

    def overlaps(device, visit):
        return [warning["text"] for warning in shown(device, visit)["warnings"] if warning["kind"] == "overlap"]

    # Two specialists with one person, neither knowing of the other.
    hers = agency.visit(ana, start="10:00", end="10:45")
    his = agency.visit(omar, start="10:30", end="11:15")
    ana.ok("visit", "sign", hers)
    omar.ok("visit", "sign", his)
    meet(ana, omar, rosa)
    for device in (ana, omar, rosa):
        expect([his[:10] in text and "Omar Haddad" in text for text in overlaps(device, hers)] == [True],
               "%s sees it at hers: %s" % (device.name, overlaps(device, hers)))
        expect([hers[:10] in text for text in overlaps(device, his)] == [True], "%s sees it at his" % device.name)
        expect({shown(device, visit)["state"] for visit in (hers, his)} == {"signed"}, "both are kept")
    omar.ok("visit", "addend", his, "--kind", "correction", "start=10:45", "I looked at the wrong clock.")
    meet(omar, ana, rosa)
    for device in (ana, omar, rosa):
        expect(overlaps(device, hers) == overlaps(device, his) == [], "corrected: no longer for %s" % device.name)

    # One specialist with two people, on two devices.
    jose = ana.json("participant", "add", "name=Jose Ruiz")["id"]
    meet(ana, tablet)
    one = agency.visit(ana, start="13:00", end="13:45")
    two = agency.visit(tablet, participant=jose, start="13:30", end="14:15")
    ana.ok("visit", "sign", one)
    tablet.ok("visit", "sign", two)
    meet(ana, tablet, rosa)
    for device in (ana, tablet, rosa):
        expect(len(overlaps(device, one)) == len(overlaps(device, two)) == 1, "both flagged on %s" % device.name)
    three = agency.visit(ana, start="13:40", end="14:00")
    refuses(ana, 4, "overlaps", "visit", "sign", three)

    # One group, two people of it: no overlap.
    group = {"group_id": "thursday group", "group_size": "2", "start": "15:00", "end": "16:00"}
    both = [agency.visit(ana, participant=person, **group)
            for person in (agency.maria, jose)]
    for visit in both:
        ana.ok("visit", "sign", visit)
        expect(overlaps(ana, visit) == [], "the same group is not an overlap")


def s09_two_devices_change_the_start_of_a_draft(lab):
    agency = Agency(lab, tablet=True)
    ana, tablet = agency.ana, agency.tablet
    outcomes = []
    for turn, order in both_orders(ana, tablet):
        draft = agency.draft(tablet, back=turn, start="09:00", end="11:00")
        ana.ok("visit", "edit", draft, "start=10:00")
        tablet.ok("visit", "edit", draft, "start=10:15")
        meet(*order)
        view = same_for(draft, ana, tablet)
        starts = sorted(value["value"][11:16] for value in view["conflicts"][0]["values"])
        expect(view["conflicts"][0]["field"] == "start" and starts == ["10:00", "10:15"], "both: %s" % view)
        expect(view["minutes"] is None, "no minutes are made of it")
        expect("conflict" in kinds(view["missing"]), "the draft says what it waits for")
        for device in (ana, tablet):
            refuses(device, 4, "start", "visit", "sign", draft)
        outcomes.append((view["state"], view["labels"], starts))
        ana.ok("settle", draft, "start", "10:15")
        meet(ana, tablet)
        tablet.ok("visit", "sign", draft)
        expect(shown(tablet, draft)["minutes"] == 45, "decided, and signed as decided")
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s15_a_goal_is_closed_while_a_visit_works_on_it(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    for turn, order in both_orders(ana, rosa):
        goal = ana.json("goal", "add", "participant=" + agency.maria, "text=Sleep through the night")["id"]
        meet(ana, rosa)
        rosa.ok("goal", "edit", goal, "status=closed", "closed_reason=Plan review")
        visit = agency.visit(ana, back=turn + 1, **{"goals": goal, "progress." + goal: "better"})
        signed = ana.json("visit", "sign", visit)
        meet(*order)
        view = same_for(visit, ana, rosa)
        expect(view["state"] == "signed" and view["hash"] == signed["hash"], "the visit stays valid")
        expect(view["fields"]["goals"] == [goal], "and keeps its goal")
        warnings = [one["text"] for one in view["warnings"] if one["kind"] == "goal"]
        expect(len(warnings) == 1 and "open when you met" in warnings[0], "the reader is told: %s" % view["warnings"])
        ana.ok("visit", "submit", visit)
        meet(ana, rosa)
        expect(rosa.json("visit", "cosign", visit)["state"] == "cosigned", "it can be co-signed")

    # Somebody who knows already that it is closed is told before signing, and may sign.
    draft = agency.visit(ana, start="20:00", end="20:30", goals=goal)
    expect("goal" in kinds(ana.json("visit", "check", draft)["warnings"]), "the draft says it")
    ana.ok("visit", "sign", draft)


RULES = "name = payer\nversion = %s\neffective = %s\nrounding = %s\n"


def load_rules(laptop, version, effective, rounding):
    path = os.path.join(laptop.lab.folder, version + ".rules")
    with open(path, "w") as file:
        file.write(RULES % (version, effective, rounding))
    laptop.ok("rulepack", "add", "text=@" + path)


def s16_the_rule_pack_changes_between_draft_and_signature(lab):
    agency = Agency(lab)
    ana, rosa, irma = agency.ana, agency.rosa, agency.irma
    load_rules(irma, "eight", day(300), "eight")
    meet(irma, ana)
    visit = agency.visit(ana, back=2, start="09:00", end="09:53")
    draft = ana.json("visit", "show", visit)
    expect(draft["units"] == 4 and draft["rule_pack"] == "payer eight", "53 minutes are 4 units: %s" % draft["units"])
    # Ana is offline: she signs by the rules that she knows. Those of the day were others by then.
    load_rules(irma, "floor", day(30), "floor")
    load_rules(irma, "later", day(1), "ceil")
    irma.sync()
    ana.ok("visit", "sign", visit)
    meet(ana, rosa)
    for laptop in (ana, rosa):
        now_shown = laptop.json("visit", "show", visit)
        expect(now_shown["rule_pack"] == "payer floor" and now_shown["units"] == 3,
               "the rules of the service date: %s" % now_shown["units"])
        expect(now_shown["rule_pack_signed"] == "payer eight" and now_shown["units_signed"] == 4,
               "the note remembers its own")
        report = laptop.json("units", "--from", day(10), "--to", day(0))
        row = report["visits"][0]
        expect((row["units"], row["units_signed"]) == (3, 4), "a report that is run again shows both: %s" % row)
        expect(row["counts"] and report["units"] == 3 and report["minutes"] == 53, str(report))
    wrong = irma.run("rulepack", "add", "text=name = payer")
    expect(wrong.code == 1 and "'version' is missing" in wrong.err, "a pack that cannot be is refused: " + wrong.err)
    refused = ana.run("rulepack", "add", "text=" + RULES % ("mine", day(3), "ceil"))
    expect(refused.code == 1 and "role" in refused.err, "a specialist makes no rules: " + refused.err)


if __name__ == "__main__":
    main([s01_two_devices_of_one_specialist_edit_two_fields_of_one_draft,
          s02_two_devices_of_one_specialist_edit_the_same_text,
          s03_signed_on_one_device_while_edited_on_another,
          s04_specialist_amends_while_supervisor_cosigns_the_version_before,
          s06_supervisor_voids_while_the_specialist_adds_an_addendum,
          s06_a_draft_is_voided_while_another_device_edits_it,
          s07_a_wrong_clock,
          s07_a_note_signed_with_a_wrong_clock,
          s08_two_visits_at_the_same_time,
          s09_two_devices_change_the_start_of_a_draft,
          s15_a_goal_is_closed_while_a_visit_works_on_it,
          s16_the_rule_pack_changes_between_draft_and_signature])
