#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What happens around notes when people and devices do not know of each other: charts, consents, concerns, resources,
and syncs that are cut."""
import shutil
import string

from lab import Cut, expect, main, seeded
from stage import Agency, both_orders, meet, refuses, same_for, shown, tasks_about, told, values_of


def s05_a_participant_goes_to_another_specialist_while_the_old_one_is_offline(lab):
    agency = Agency(lab, second_specialist=True)
    ana, rosa, omar, maria = agency.ana, agency.rosa, agency.omar, agency.maria
    visit = agency.visit(ana)
    ana.ok("visit", "sign", visit)
    task = ana.json("task", "add", "participant=" + maria, "title=Bring the bus pass", "due=today")["id"]
    rosa.ok("grant", maria, "Omar Haddad")
    rosa.ok("participant", "edit", maria, "assigned_staff+=Omar Haddad")
    meet(rosa, omar)
    expect(omar.json("visit", "list") == [], "Ana has not sent it yet")
    sent = ana.sync()
    expect(sent["refused"] == [] and ana.status()["unsent"] == 0, "the visit is accepted: %s" % sent)
    meet(omar, rosa)
    expect(same_for(visit, ana, rosa, omar)["state"] == "signed", "Omar has her visit as she signed it")
    expect([one["id"] for one in omar.json("visit", "list")] == [visit], "once")
    expect("task" in tasks_about(omar, task), "and the open task")
    omar.ok("task", "edit", task, "done=yes")
    meet(omar, ana, rosa)
    expect("task" not in tasks_about(ana, task), "done is done for both")
    expect(len(rosa.json("task", "list")) == len(rosa.json("visit", "list")) == 1, "no copy came back")


def s10_consent_is_revoked_at_the_office_while_the_specialist_is_offline(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    outcomes = []
    for _, order in both_orders(ana, rosa):
        consent = ana.json("consent", "add", "participant=" + agency.maria, "scope=Summary of visits",
                           "purpose=Housing application", "recipients=City housing office",
                           "signed_on=2026-01-05")["id"]
        meet(ana, rosa)
        rosa.ok("consent", "edit", consent, "revoked=yes", "revoked_text+=By phone, to Rosa.")
        ana.ok("consent", "edit", consent, "revoked=no")  # as far as she knows
        expect("revoked_text" not in shown(ana, consent, "consent")["fields"], "Ana does not know yet")
        meet(*order)
        view = same_for(consent, ana, rosa, type="consent")
        expect(view["fields"]["revoked"] is True, "revoked is revoked")
        expect(view["fields"]["revoked_text"] == ["By phone, to Rosa."], "with how it came about")
        expect(view["fields"]["recipients"] == "City housing office", "what it said stays")
        refuses(ana, 1, "take 'revoked' back", "consent", "edit", consent, "revoked=no")
        refuses(ana, 1, "stays", "consent", "edit", consent, "recipients=Everybody")
        says = {value for value, _, _ in values_of(ana, consent, "revoked", "consent")}
        expect(len(says) == 2, "history has what each of them said: %s" % says)
        outcomes.append(told(view))
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


def s11_two_specialists_register_the_same_person(lab):
    agency = Agency(lab, second_specialist=True)
    ana, rosa, omar = agency.ana, agency.rosa, agency.omar
    hers = ana.json("participant", "add", "name=Jose Ruiz", "dob=1980-05-17")["id"]
    his = omar.json("participant", "add", "name=JOSE  RUIZ", "dob=1980-05-17", "medicaid_id=A 1000-7")["id"]
    visit = agency.visit(omar, participant=his)
    omar.ok("visit", "sign", visit)
    meet(ana, omar, rosa)
    expect({hers, his} <= {one["id"] for one in rosa.json("participant", "list")}, "both charts stay")
    about = tasks_about(rosa, hers) + tasks_about(rosa, his)
    expect(about.count("duplicate") == 1, "the supervisor is asked once: %s" % rosa.json("tasks"))
    expect("duplicate" not in tasks_about(ana, hers), "Ana cannot read his, nor link them")
    refuses(ana, 1, "role", "participant", "edit", hers, "duplicate_of=" + agency.maria)

    rosa.ok("participant", "edit", his, "duplicate_of=" + hers)
    meet(rosa, omar, ana)
    expect("duplicate" not in tasks_about(rosa, hers) + tasks_about(rosa, his), "linked: no question left")
    expect(shown(omar, his, "participant")["fields"]["duplicate_of"] == hers, "Omar sees the link")
    view = shown(omar, visit)
    expect(view["fields"]["participant"] == his and view["steps"][0]["verified"], "his visit keeps its person")

    rosa.ok("participant", "edit", his, "duplicate_of=")
    meet(rosa, omar)
    expect("duplicate_of" not in shown(omar, his, "participant")["fields"], "a link can be taken back")
    expect("duplicate" in tasks_about(rosa, hers) + tasks_about(rosa, his), "and it is a question again")

    # The same Medicaid number is enough, however name and day were heard.
    other = ana.json("participant", "add", "name=Pepe Ruiz", "medicaid_id=a10007")["id"]
    meet(ana, rosa)
    expect("duplicate" in tasks_about(rosa, other), "by number: %s" % rosa.json("tasks"))


def cut_after(count, cuts_up):
    """Lets so many bytes pass in that direction, and then cuts the link."""
    passed = [0]

    def spoil(data, is_up):
        if is_up != cuts_up:
            return data
        passed[0] += len(data)
        if passed[0] > count:
            raise Cut(data[:len(data) - (passed[0] - count)])
        return data
    return spoil


def s13_a_sync_is_cut_or_its_answer_lost(lab):
    agency = Agency(lab, proxied=True)
    ana, rosa, hub = agency.ana, agency.rosa, agency.hub
    before = hub.stats()["changes"]
    chance, said = seeded(), {}

    def record(hour):
        text = "".join(chance.choices(string.ascii_letters + " ", k=15000))  # hardly compresses: many messages
        visit = agency.visit(ana, start="%02d:00" % hour, end="%02d:45" % hour, purpose=text, response=text[::-1],
                             what_was_done=text[1::2] + text[::2])
        said[visit] = text[::-1]

    for hour in range(8):
        record(hour)
    # A link that never carries all of it in one go: each sync goes on where the last one got to.
    codes = []
    for turn in range(30):
        hub.proxy.spoil = cut_after((0, 30000, 150000)[min(turn, 2)], cuts_up=True)
        codes.append(ana.run("sync").code)
        acknowledged, stored = len(said) - ana.status()["unsent"], hub.stats()["changes"] - before
        expect(acknowledged <= stored <= len(said), "%d acknowledged, %d there" % (acknowledged, stored))
        if codes[-1] == 0:
            break
    expect(len(codes) > 3 and set(codes[:-1]) == {3} and codes[-1] == 0, "it went up in pieces: %s" % codes)
    # A link on which what was sent arrives, and the answer does not.
    record(8)
    for count in (0, 100):
        hub.proxy.spoil = cut_after(count, cuts_up=False)
        expect(ana.run("sync").code == 3, "the answer was lost")
        expect(ana.status()["unsent"] == 1, "what nobody acknowledged is kept")
    hub.proxy.spoil = None
    ana.sync()
    expect(ana.status()["unsent"] == 0 and hub.stats()["changes"] - before == len(said), "each is there once")
    rosa.sync()
    there = {one["id"]: one["fields"]["response"] for one in rosa.json("visit", "list")}
    expect(there == said, "and read by the supervisor, to the last letter")


def copied(lab, laptop, name):
    """The laptop's folder once more, as after `cp -a` or from a backup."""
    laptop.ok("lock")
    copy = lab.laptop(name)
    shutil.copytree(laptop.home, copy.home)
    laptop.ok("unlock")
    copy.ok("unlock")
    return copy


def responses(laptop):
    return sorted(one["fields"].get("response", "") for one in laptop.json("visit", "list"))


def s14_a_cloned_laptop_writes_under_numbers_already_used(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    clone = copied(lab, ana, "clone")
    hers = agency.visit(ana, start="09:00", end="09:45", response="She laughed twice.")
    other = agency.visit(clone, start="14:00", end="14:45", response="He did not open the door.")
    clone.ok("visit", "edit", other, "response=He opened the door at last.")
    meet(ana, rosa)
    report = clone.sync()
    expect(report["renewed"] > 0 and report["rewritten"] >= 2, "the clone goes on as another device: %s" % report)
    expect(clone.status()["unsent"] == 0, "and has delivered what it wrote: %s" % clone.status())
    expect([one["kind"] for one in clone.status()["alarms"] if not one["over"]] == [], "nothing is left to warn of")
    meet(rosa)
    both = ["He opened the door at last.", "She laughed twice."]
    expect(responses(rosa) == both and responses(clone) == both, "both histories are there: %s" % responses(rosa))
    expect(shown(rosa, other)["conflicts"] == [], "what the clone had replaced stays replaced")
    late = agency.visit(ana, start="16:00", end="16:45", response="She came back.")
    ana.run("sync")
    expect(ana.status()["removed"] == "renewed", "the other copy is told that it is no more: %s" % ana.status())
    held = rosa.sync() and rosa.json("held", "list")
    expect(len(held) >= 1, "and what it wrote waits for a decision")
    for one in held:
        rosa.ok("held", "admit", one["id"])
    meet(rosa, clone)
    expect(late in {one["id"] for one in clone.json("visit", "list")}, "admitted, it is there as well")
    expect(shown(clone, hers)["fields"]["response"] == "She laughed twice.", "and nothing else has changed")
    again = agency.visit(clone, start="18:00", end="18:45", response="All is well.")
    clone.ok("visit", "sign", again)
    meet(clone, rosa)
    expect(same_for(again, clone, rosa)["state"] == "signed", "the renewed laptop works as any other")


def s14_a_laptop_that_was_set_back_gets_its_own_work_again(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    image = copied(lab, ana, "image")
    first = agency.visit(ana, start="09:00", end="09:45", response="Before the disk failed.")
    ana.ok("visit", "sign", first)
    meet(ana, rosa)
    report = image.sync()
    expect(report["renewed"] > 0 and report["rewritten"] == 0, "found at the first contact: %s" % report)
    expect(responses(image) == ["Before the disk failed."], "what it had sent is back")
    expect(same_for(first, image, rosa)["state"] == "signed", "signed as it was")
    second = agency.visit(image, start="11:00", end="11:45", response="After it.")
    image.ok("visit", "sign", second)
    meet(image, rosa)
    expect(responses(rosa) == ["After it.", "Before the disk failed."], "and work goes on")
    expect(same_for(second, image, rosa)["state"] == "signed", "with signatures that count")
    expect(image.status()["rotation_owed"] == 0, "nothing is owed")
    audit = rosa.json("device", "list")
    expect([one["state"] for one in audit if one["person"] == "Ana Silva"] == ["ended", "active"],
           "the roster says so: %s" % audit)


def s14_what_was_signed_and_not_sent_is_signed_again(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    sent = agency.visit(ana, start="08:00", end="08:45", response="Sent before.")
    ana.ok("visit", "sign", sent)
    meet(ana, rosa)
    clone = copied(lab, ana, "clone")
    agency.visit(ana, start="09:00", end="09:45", response="On the first.")
    unsent = agency.visit(clone, start="14:00", end="14:45", response="On the second.")
    clone.ok("visit", "sign", unsent)
    clone.ok("visit", "addend", sent, "--kind", "addendum", "He called once more.")
    meet(ana, rosa)
    report = clone.sync()
    expect(report["renewed"] > 0 and report["sign_again"] == 1, "one signature is to be given again: %s" % report)
    meet(rosa)
    expect(same_for(unsent, clone, rosa)["state"] == "draft", "its words are there, unsigned")
    expect([one["text"] for one in same_for(sent, clone, rosa)["addenda"]] == ["He called once more."],
           "the addendum to what was signed before is good")
    clone.ok("visit", "sign", unsent)
    meet(clone, rosa)
    expect(same_for(unsent, clone, rosa)["state"] == "signed", "signed again")


def s17_a_concern_is_closed_while_somebody_adds_an_action(lab):
    agency = Agency(lab)
    ana, rosa, irma = agency.ana, agency.rosa, agency.irma
    outcomes = []
    for _, order in both_orders(rosa, irma):
        for is_unresolved in (False, True):
            concern = ana.json("concern", "add", "participant=" + agency.maria, "urgency=high",
                               "facts=She has not been home for two nights.")["id"]
            meet(ana, rosa, irma)
            rosa.ok("concern", "edit", concern, "status=closed", "actions+=She is at her sister's.", "urgency=low")
            words = ["actions+=Nobody answers at her sister's.", "urgency=urgent"]
            irma.ok("concern", "edit", concern, *words + (["status=open"] if is_unresolved else []))
            meet(*order, ana)
            view = same_for(concern, ana, rosa, irma, type="concern")
            expect(view["fields"]["status"] == ("open" if is_unresolved else "closed"),
                   "said again to be open: open; else closed: %s" % view["fields"])
            expect(sorted(view["fields"]["actions"]) == ["Nobody answers at her sister's.", "She is at her sister's."],
                   "both actions are kept")
            expect(view["fields"]["urgency"] == "urgent", "urgency does not fall")
            expect(("concern" in tasks_about(rosa, concern)) == is_unresolved, "an open one is a task")
            refuses(ana, 1, "take 'urgency' back", "concern", "edit", concern, "urgency=low")
            fields = dict(view["fields"], actions=sorted(view["fields"]["actions"]))
            outcomes.append((is_unresolved, fields))
    expect(outcomes[:2] == outcomes[2:], "whoever syncs first: %s" % outcomes)


def s18_a_resource_is_edited_by_two_peers(lab):
    agency = Agency(lab, second_specialist=True)
    ana, omar = agency.ana, agency.omar
    outcomes = []
    for _, order in both_orders(ana, omar):
        place = ana.json("resource", "add", "name=Night Shelter", "phone=555 0100", "status=approved",
                         "last_verified=2026-01-10")["id"]
        meet(ana, omar)
        ana.ok("resource", "edit", place, "phone=555 0199", "last_verified=2026-03-02")
        omar.ok("resource", "edit", place, "status=closed", "last_verified=2026-02-01", "phone=555 0150")
        ana.ok("resource", "edit", place, "status=approved")
        meet(*order)
        view = same_for(place, ana, omar, type="resource")
        expect(view["fields"]["status"] == "closed", "closed wins")
        expect(view["fields"]["last_verified"] == "2026-03-02", "the later check counts")
        expect(view["fields"]["phone"] == "555 0150", "the phone that was written last is shown")
        phones = {value for value, _, _ in values_of(ana, place, "phone", "resource")}
        expect(phones == {"555 0100", "555 0199", "555 0150"}, "and none is lost")
        expect(view["conflicts"] == [], "nobody is asked")
        outcomes.append(told(view))
        ana.ok("resource", "edit", place, "status=approved")
        meet(ana, omar)
        expect(shown(omar, place, "resource")["fields"]["status"] == "approved", "who knows can open it again")
    expect(outcomes[0] == outcomes[1], "whoever syncs first: %s" % outcomes)


if __name__ == "__main__":
    main([s05_a_participant_goes_to_another_specialist_while_the_old_one_is_offline,
          s10_consent_is_revoked_at_the_office_while_the_specialist_is_offline,
          s11_two_specialists_register_the_same_person,
          s13_a_sync_is_cut_or_its_answer_lost,
          s14_a_cloned_laptop_writes_under_numbers_already_used,
          s14_a_laptop_that_was_set_back_gets_its_own_work_again,
          s14_what_was_signed_and_not_sent_is_signed_again,
          s17_a_concern_is_closed_while_somebody_adds_an_action,
          s18_a_resource_is_edited_by_two_peers])
