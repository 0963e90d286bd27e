#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The exchange by file: to the hub and back without a connection, and from laptop to laptop while there is no hub."""
import json
import os
import subprocess

from lab import BIN, Result, expect, main

CHUNK = 65536


def stick(lab, name):
    return os.path.join(lab.folder, name)


def hub_reads(hub, file, answer=None):
    """What `kithd bundle read` says and how it ends."""
    command = [BIN + "/kithd", "bundle", "read", file, "--data", hub.data, "--json"]
    if answer:
        command += ["--answer", answer]
    return Result(subprocess.run(command, capture_output=True, text=True, timeout=120))


def hub_takes(hub, file, answer=None):
    result = hub_reads(hub, file, answer)
    expect(result.code == 0, "the hub takes it: " + result.err)
    return json.loads(result.out)


def open_agency(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga")
    bo = lab.join(founder, "Bo Chen", "specialist", "Rosa Quiroga")
    for laptop in (founder, rosa, ana, bo, ana):
        laptop.sync()
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    ana.ok("grant", maria, "Bo Chen")
    for laptop in (founder, ana, rosa, bo, ana, founder):
        laptop.sync()
    return hub, founder, rosa, ana, bo, maria


def record(laptop, maria, purpose):
    return laptop.json("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45",
                       "purpose=" + purpose)["id"]


def copy_of(file, data):
    with open(file, "wb") as out:
        out.write(data)
    return file


def content(file):
    with open(file, "rb") as data:
        return data.read()


def no_alarms(*laptops):
    for laptop in laptops:
        alarms = laptop.status()["alarms"]
        expect(alarms == [], "%s has no alarm: %s" % (laptop.name, alarms))


def a_bundle_goes_to_the_hub_and_its_answer_comes_back(lab):
    hub, _, rosa, ana, bo, maria = open_agency(lab)
    seen = record(bo, maria, "what Bo wrote and sent")
    bo.sync()
    visit = record(ana, maria, "written far from any network")
    out, back = stick(lab, "out.kith"), stick(lab, "back.kith")
    written = ana.json("bundle", "write", out)
    expect(written["changes"] == 1 and written["for"] == "hub" and written["file"] == out, str(written))
    expect(written["bytes"] == os.path.getsize(out), "its size is as said")
    expect(ana.status()["unsent"] == 1, "nothing counts as sent because it was written")
    changes = hub.stats()["changes"]
    taken = hub_takes(hub, out, back)
    expect(taken["received"] == 1 and taken["refused"] == 0 and taken["complete"], str(taken))
    expect(hub.stats()["changes"] == changes + 1, "it is in the log of the hub that runs meanwhile")
    expect(ana.status()["unsent"] == 1, "and Ana does not know yet")
    read = ana.json("bundle", "read", back)
    expect(read["acknowledged"] == 1 and read["received"] == 1 and read["complete"] and read["from"] == "hub", str(read))
    expect(ana.status()["unsent"] == 0, "the receipt came with the answer")
    expect(ana.json("visit", "show", visit)["sync"]["place"] == "hub", "so it is durable at the hub")
    expect(ana.json("visit", "show", seen)["fields"]["purpose"] == "what Bo wrote and sent", "and so did the news")
    told = ana.sync()
    expect(told["sent"] == 0 and told["received"] == 0 and told["up_to_date"], "nothing travels twice: %s" % told)
    bo.sync()
    expect(bo.json("visit", "show", visit)["fields"]["purpose"] == "written far from any network", "Bo has it")
    no_alarms(ana, bo, rosa)


def what_came_by_file_and_comes_by_wire_is_there_once(lab):
    hub, _, _, ana, bo, maria = open_agency(lab)
    visit = record(ana, maria, "twice on its way")
    out, back = stick(lab, "out.kith"), stick(lab, "back.kith")
    ana.ok("bundle", "write", out)
    expect(hub_takes(hub, out)["received"] == 1, "by file")
    expect(hub_takes(hub, out, back)["received"] == 0, "read twice, it is there once")
    changes = hub.stats()["changes"]
    told = ana.sync()
    expect(told["sent"] == 1 and told["refused"] == [] and told["up_to_date"], "by wire: %s" % told)
    expect(hub.stats()["changes"] == changes, "and still once")
    for _ in range(2):
        read = ana.json("bundle", "read", back)
        expect(read["received"] == 0 and read["refused"] == 0 and read["complete"], "an old answer changes nothing")
    expect(ana.sync()["received"] == 0, "and does not set the laptop back")
    bo.sync()
    expect(bo.json("visit", "show", visit)["fields"]["purpose"] == "twice on its way", "Bo has it")
    no_alarms(ana, bo)


def an_answer_is_read_only_by_whom_it_is_for_and_only_from_the_hub(lab):
    hub, _, _, ana, bo, maria = open_agency(lab)
    record(ana, maria, "one")
    out, back = stick(lab, "out.kith"), stick(lab, "back.kith")
    ana.ok("bundle", "write", out)
    hub_takes(hub, out, back)
    wrong = bo.run("bundle", "read", back)
    expect(wrong.code == 1 and "not sealed to this device" in wrong.err, "not Bo's: " + wrong.err)
    wrong = ana.run("bundle", "read", out)
    expect(wrong.code == 1 and "not sealed to this device" in wrong.err, "not even its writer opens it: " + wrong.err)
    wrong = hub_reads(hub, back)
    expect(wrong.code == 1 and "not sealed to this hub" in wrong.err, "nor the hub its answer: " + wrong.err)
    other = lab.hub()
    expect(hub_reads(other, out).code == 1, "nor another hub")


def a_strangers_bundle_is_refused(lab):
    hub, _, _, _, _, _ = open_agency(lab)
    other = lab.hub()
    stranger = lab.laptop("stranger")
    stranger.json("found", other.founding_code, "--agency", "Elsewhere", "--person", "Sam Stranger")
    out = stick(lab, "out.kith")
    stranger.ok("participant", "add", "name=Nobody Here")
    stranger.ok("bundle", "write", out)
    before = hub.stats()["sequence"]
    expect("not sealed to this hub" in hub_reads(hub, out).err, "it is for another hub")
    expect(hub.stats()["sequence"] == before, "nothing was stored")


def what_is_altered_or_cut_off_is_refused_with_a_clear_word(lab):
    hub, _, _, ana, _, maria = open_agency(lab)
    record(ana, maria, "to be spoiled")
    out, spoiled = stick(lab, "out.kith"), stick(lab, "spoiled.kith")
    ana.ok("bundle", "write", out)
    whole, before = content(out), hub.stats()["sequence"]
    for at in (0, 8, 9, 30, 60, 360, len(whole) // 2, len(whole) - 1):
        bent = bytearray(whole)
        bent[at] ^= 4
        result = hub_reads(hub, copy_of(spoiled, bytes(bent)))
        expect(result.code == 1 and result.err.startswith("kithd: " + spoiled), "byte %d: %s" % (at, result.err))
    for length in (0, 5, 10, 200, 362, len(whole) - 1, len(whole) - 500):
        result = hub_reads(hub, copy_of(spoiled, whole[:length]))
        expect(result.code == 1 and result.err, "cut to %d bytes: %s" % (length, result.err))
    result = hub_reads(hub, copy_of(spoiled, whole + b"more"))
    expect(result.code == 1, "something added")
    expect(hub.stats()["sequence"] == before, "nothing of all this was stored")
    expect(hub_takes(hub, out)["received"] == 1, "the whole one still is good")
    with open(spoiled, "wb") as huge:
        huge.truncate(5 << 30)
    expect("larger than any bundle" in hub_reads(hub, spoiled).err, "a huge file")
    expect(hub_reads(hub, lab.folder).code == 1, "a folder")
    expect(hub_reads(hub, stick(lab, "none")).code == 1, "no file at all")


def the_whole_chunks_of_a_file_that_was_cut_off_count(lab):
    hub, _, _, ana, _, maria = open_agency(lab)
    for i in range(60):
        ana.ok("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45",
               "purpose=" + " ".join("word%d" % (i * 977 + j * j) for j in range(400)))
    out, cut, back = stick(lab, "out.kith"), stick(lab, "cut.kith"), stick(lab, "back.kith")
    written = ana.json("bundle", "write", out)
    expect(written["changes"] == 60 and written["bytes"] > 2 * CHUNK, str(written))
    result = hub_reads(hub, copy_of(cut, content(out)[:CHUNK + 2000]), back)
    expect(result.code == 1 and "ends too early" in result.err, result.err)
    told = json.loads(result.out)
    expect(0 < told["received"] < 60 and not told["complete"], str(told))
    read = ana.json("bundle", "read", back)
    expect(read["acknowledged"] == told["received"], "the receipt says through where: %s" % read)
    expect(ana.status()["unsent"] == 60 - told["received"], "the rest is still to go")
    expect(hub_takes(hub, out)["received"] == 60 - told["received"], "and goes when the whole file is read")


def an_answer_that_was_cut_off_is_gone_on_with(lab):
    hub, _, _, ana, bo, maria = open_agency(lab)
    for i in range(60):
        bo.ok("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45",
              "purpose=" + " ".join("word%d" % (i * 977 + j * j) for j in range(400)))
    bo.sync()
    out, back, cut = stick(lab, "out.kith"), stick(lab, "back.kith"), stick(lab, "cut.kith")
    ana.ok("bundle", "write", out)
    hub_takes(hub, out, back)
    whole = content(back)
    expect(len(whole) > 3 * CHUNK, "an answer of several chunks: %d" % len(whole))
    result = ana.run("bundle", "read", copy_of(cut, whole[:2 * CHUNK + 3000]), "--json")
    first = json.loads(result.out)
    expect(result.code == 1 and 0 < first["received"] < 60 and not first["complete"], "%s %s" % (first, result.err))
    read = ana.json("bundle", "read", back)
    expect(read["received"] == 60 - first["received"] and read["complete"], "it goes on: %s" % read)
    expect(ana.json("bundle", "read", back)["received"] == 0, "and is there once")
    told = ana.sync()
    expect(told["received"] == 0 and told["bytes_in"] < 500, "the hub has nothing to add: %s" % told)
    no_alarms(ana, bo)


def a_removed_devices_bundle_is_held(lab):
    hub, _, rosa, ana, _, maria = open_agency(lab)
    visit = record(ana, maria, "before the laptop was lost")
    out, back = stick(lab, "out.kith"), stick(lab, "back.kith")
    ana.ok("bundle", "write", out)
    number = next(str(d["number"]) for d in rosa.json("device", "list") if d["person"] == "Ana Silva")
    rosa.ok("device", "revoke", number, "--reason", "stolen")
    rosa.sync()
    taken = hub_takes(hub, out, back)
    expect(taken["received"] == 0 and taken["refused"] == 1, str(taken))
    expect(hub.stats()["held"] == 1, "held, as if it had come by wire")
    rosa.sync()
    held = rosa.json("held", "list")
    expect(len(held) == 1 and held[0]["suspect"], str(held))
    rosa.ok("held", "admit", held[0]["id"][:8])
    rosa.sync()
    expect(rosa.json("visit", "show", visit)["fields"]["purpose"] == "before the laptop was lost", "admitted")
    ana.run("bundle", "read", back)
    expect(ana.run("participant", "show", maria).code != 0, "the laptop forgets: everything on it was delivered")


def only_a_bundle_is_written_over(lab):
    _, _, _, ana, _, maria = open_agency(lab)
    out = stick(lab, "letter.txt")
    copy_of(out, b"Dear Maria")
    refused = ana.run("bundle", "write", out)
    expect(refused.code == 1 and content(out) == b"Dear Maria", refused.err)
    os.unlink(out)
    ana.ok("bundle", "write", out)
    record(ana, maria, "newer")
    expect(ana.json("bundle", "write", out)["changes"] == 1, "a bundle is")
    expect(ana.run("bundle", "write", stick(lab, "no/such/folder")).code == 1, "no such folder")
    expect(not [name for name in os.listdir(lab.folder) if name.endswith(".part")], "nothing half written stays")


def hand(giver, person, taker, lab, name="hand.kith"):
    """One laptop writes for a person, the other reads: what both commands say."""
    file = stick(lab, name)
    written = giver.json("bundle", "write", file, "--for", person)
    return written, taker.json("bundle", "read", file)


def purposes(laptop, maria):
    return sorted(visit["fields"]["purpose"] if "fields" in visit else
                  laptop.json("visit", "show", visit["id"])["fields"]["purpose"]
                  for visit in laptop.json("visit", "list", "--participant", maria))


def the_hub_is_gone_for_a_week_and_two_laptops_go_on_by_hand(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    hub.stop()
    shared = record(ana, maria, "Ana on Monday")
    written, read = hand(ana, "Bo Chen", bo, lab)
    expect(written["for"] == "Bo Chen" and written["changes"] > 0, str(written))
    expect(read["received"] == 1 and read["from"] == "Ana Silva" and read["complete"], str(read))
    expect(bo.json("visit", "show", shared)["fields"]["purpose"] == "Ana on Monday", "Bo reads it at once")
    bo.ok("visit", "edit", shared, "response=She was there, says Bo.")
    record(bo, maria, "Bo on Tuesday")
    jose = bo.json("participant", "add", "name=Jose New")["id"]
    bo.ok("visit", "add", "participant=" + jose, "date=today", "start=10:00", "end=10:30", "purpose=a new chart")
    _, read = hand(bo, "Ana Silva", ana, lab)
    expect(read["received"] == 2, "Ana gets what Bo wrote, and nothing of a chart that is not hers: %s" % read)
    _, read = hand(bo, "Rosa Quiroga", rosa, lab)
    expect(rosa.json("participant", "show", jose)["fields"]["name"] == "Jose New", "the new chart and its key: %s" % read)
    expect(purposes(rosa, maria) == ["Ana on Monday", "Bo on Tuesday"], "Bo carries what Ana wrote, too")
    expect(hand(bo, "Ana Silva", ana, lab)[1]["received"] == 0, "read twice, nothing is there twice")
    expect(ana.status()["unsent"] == 1, "nothing counts as sent")
    rosa.ok("visit", "add", "participant=" + jose, "date=today", "start=11:00", "end=11:30", "purpose=Rosa on Friday")
    no_alarms(ana, bo, rosa)
    hub.start()
    told = rosa.sync()
    expect(told["up_to_date"] and told["refused"] == [], "Rosa comes first, with all that she was given: %s" % told)
    told = founder.sync()
    expect(told["up_to_date"], str(told))
    expect(purposes(founder, maria) == ["Ana on Monday", "Bo on Tuesday"], "the custodian has what Rosa brought")
    expect(purposes(founder, jose) == ["Rosa on Friday", "a new chart"], "and the new chart")
    no_alarms(founder, rosa)
    changes = hub.stats()["changes"]
    for laptop in (ana, bo):
        told = laptop.sync()
        expect(told["up_to_date"] and told["refused"] == [] and laptop.status()["unsent"] == 0, str(told))
    expect(hub.stats()["changes"] == changes, "Rosa had brought everything")
    for laptop in (rosa, ana, bo, founder):
        laptop.sync()
    for laptop in (rosa, ana, bo, founder):
        told = laptop.sync()
        expect(told["received"] == 0 and told["sent"] == 0 and told["bytes_in"] < 500,
               "the digest agrees, nothing is sent again: %s" % told)
        expect(laptop.status()["up_to_date"], "up to date")
        expect(purposes(laptop, maria) == ["Ana on Monday", "Bo on Tuesday"], laptop.name)
        expect(laptop.json("visit", "show", shared)["fields"]["response"] == "She was there, says Bo.", laptop.name)
    no_alarms(founder, rosa, ana, bo)
    faults = [laptop.status()["waiting"] for laptop in (rosa, ana, bo, founder)]
    expect(faults == [0, 0, 0, 0], "nothing waits")


def what_came_by_hand_does_not_confuse_a_laptop_that_syncs_first_or_last(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    hub.stop()
    record(ana, maria, "one")
    hand(ana, "Bo Chen", bo, lab)
    record(bo, maria, "two")
    hub.start()
    ana.sync()
    told = bo.sync()
    expect(told["up_to_date"] and told["refused"] == [], str(told))
    expect(rosa.sync()["received"] == 2, "both are there, once")
    ana.sync()
    for laptop in (ana, bo):
        told = laptop.sync()
        expect(told["received"] == 0 and told["bytes_in"] < 500, "nothing is sent again: %s" % told)
        expect(purposes(laptop, maria) == ["one", "two"], laptop.name)
    no_alarms(ana, bo, rosa)


def a_bundle_is_read_by_whom_it_is_for_and_cannot_let_anybody_in(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    secret = bo.json("participant", "add", "name=Only Bo")["id"]
    bo.sync()
    ana.sync()
    file = stick(lab, "hand.kith")
    bo.ok("bundle", "write", file, "--for", "Ana Silva")
    expect("not sealed to this device" in rosa.run("bundle", "read", file).err, "not for Rosa")
    ana.ok("bundle", "read", file)
    expect(ana.run("participant", "show", secret).code == 1, "a chart that Ana is not in does not come")
    nobody = ana.run("bundle", "write", file, "--for", "Nobody At All")
    expect(nobody.code == 1 and "Nobody At All" in nobody.err, nobody.err)
    carl = lab.join(founder, "Carl Newcomer", "specialist", "Rosa Quiroga")
    carl.sync()
    carl.ok("bundle", "write", file, "--for", "Ana Silva")
    unknown = ana.run("bundle", "read", file)
    expect(unknown.code == 1 and "not known here" in unknown.err, "whoever the hub has not shown: " + unknown.err)
    ana.sync()
    ana.ok("bundle", "read", file)
    spoiled = bytearray(content(file))
    spoiled[len(spoiled) // 2] ^= 1
    bent = ana.run("bundle", "read", copy_of(stick(lab, "bent.kith"), bytes(spoiled)))
    expect(bent.code == 1 and "altered" in bent.err, bent.err)
    no_alarms(ana, bo, rosa)


def what_a_removed_device_hands_over_is_not_taken(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    early = stick(lab, "early.kith")
    record(ana, maria, "before it was lost")
    ana.ok("bundle", "write", early, "--for", "Bo Chen")
    number = next(str(d["number"]) for d in rosa.json("device", "list") if d["person"] == "Ana Silva")
    rosa.ok("device", "revoke", number, "--reason", "stolen")
    rosa.sync()
    bo.sync()
    read = bo.json("bundle", "read", early)
    expect(read["received"] == 0 and read["refused"] == 1, "beyond the cut: %s" % read)
    expect(purposes(bo, maria) == [], "nothing is shown")
    bo.sync()
    expect(hub.stats()["held"] == 0, "and nothing was passed on")
    no_alarms(bo, rosa)


def what_came_by_hand_before_its_author_was_removed_waits_for_a_decision(lab):
    hub, founder, rosa, ana, bo, maria = open_agency(lab)
    hub.stop()
    visit = record(ana, maria, "told to Bo in time")
    hand(ana, "Bo Chen", bo, lab)
    bo.ok("visit", "edit", visit, "response=Bo goes on from there.")
    hub.start()
    number = next(str(d["number"]) for d in rosa.json("device", "list") if d["person"] == "Ana Silva")
    rosa.ok("device", "revoke", number, "--reason", "stolen")
    rosa.sync()
    told = bo.sync()
    expect(told["up_to_date"] and told["refused"] == [], str(told))
    bo.sync()
    rosa.sync()
    expect(hub.stats()["held"] == 1, "held, though Bo brought it")
    no_alarms(bo, rosa, founder)
    founder.sync()
    held = rosa.json("held", "list")
    expect(len(held) == 1, str(held))
    rosa.ok("held", "admit", held[0]["id"][:8])
    for laptop in (rosa, bo, founder, rosa, bo, founder):
        laptop.sync()
    for laptop in (rosa, bo, founder):
        shown = laptop.json("visit", "show", visit)["fields"]
        expect(shown["purpose"] == "told to Bo in time" and shown["response"] == "Bo goes on from there.",
               "%s: %s" % (laptop.name, shown))
        expect(laptop.status()["waiting"] == 0 and laptop.sync()["bytes_in"] < 500, laptop.name)
    no_alarms(bo, rosa, founder)


if __name__ == "__main__":
    main([
        a_bundle_goes_to_the_hub_and_its_answer_comes_back,
        what_came_by_file_and_comes_by_wire_is_there_once,
        an_answer_is_read_only_by_whom_it_is_for_and_only_from_the_hub,
        a_strangers_bundle_is_refused,
        what_is_altered_or_cut_off_is_refused_with_a_clear_word,
        the_whole_chunks_of_a_file_that_was_cut_off_count,
        an_answer_that_was_cut_off_is_gone_on_with,
        a_removed_devices_bundle_is_held,
        only_a_bundle_is_written_over,
        the_hub_is_gone_for_a_week_and_two_laptops_go_on_by_hand,
        what_came_by_hand_does_not_confuse_a_laptop_that_syncs_first_or_last,
        a_bundle_is_read_by_whom_it_is_for_and_cannot_let_anybody_in,
        what_a_removed_device_hands_over_is_not_taken,
        what_came_by_hand_before_its_author_was_removed_waits_for_a_decision,
    ])
