#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the hub handed out is on record, what was opened on a laptop too, and a check of either store finds what was
altered."""
import json
import os
import random
import shutil
import subprocess

from lab import expect, main


def kithd(hub, *arguments, code=0):
    result = subprocess.run([os.path.join(os.environ["KITH_BIN"], "kithd"), *arguments, "--data", hub.data, "--json"],
                            capture_output=True, text=True, timeout=120)
    expect(result.returncode == code, "kithd %s: %d %s %s" % (arguments, result.returncode, result.stdout[-500:],
                                                              result.stderr))
    return json.loads(result.stdout)


def agency(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    for day in range(3):
        ana.ok("visit", "add", "participant=" + maria, "date=today", "start=09:00", "end=09:45",
               "purpose=visit %d" % day)
    ana.sync()
    founder.sync()
    return hub, founder, ana, maria


def what_was_handed_out_is_on_record(lab):
    hub, founder, ana, maria = agency(lab)
    bo = lab.join(founder, "Bo Reed", "specialist")
    ana.sync()
    ana.ok("grant", maria, "Bo Reed")
    ana.sync()
    bo.sync()
    hub.stop()
    told = kithd(hub, "audit")
    entries = told["entries"]
    expect(told["ok"] and [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1)), "no gap: %s" % told)
    did = [(entry["kind"], entry.get("did")) for entry in entries]
    for wanted in (("hub", "started"), ("roster", "found"), ("roster", "invite"), ("roster", "enrol"),
                   ("circle", "genesis"), ("circle", "grant"), ("hub", "stopped")):
        expect(wanted in did, "%s in %s" % (wanted, did))
    expect(did[-1][0] == "checkpoint", "what stands there is signed: %s" % (did[-1],))
    number = max(device["number"] for device in founder.json("device", "list"))
    handed = [entry for entry in entries if entry["kind"] == "delivered" and entry["circle"] == maria]
    expect(sum(entry["changes"] for entry in handed if entry["device"] == number) == 4,
           "Bo was given the chart and its three visits: %s" % handed)
    only = kithd(hub, "audit", "--device", str(number), "--circle", maria[:12])["entries"]
    expect(only and all(entry["device"] == number and entry["circle"] == maria for entry in only), "%s" % only)
    expect(kithd(hub, "audit", "--since", "2100-01-01")["entries"] == [], "nothing yet")
    text = json.dumps(told)
    expect("Maria" not in text and "Lopez" not in text and "Silva" not in text, "numbers and ids only")
    expect(kithd(hub, "verify", "--known", told["known"])["ok"], "the log goes on from what is known of it")
    other = told["known"].split(":")[0] + ":" + "00" * 32
    expect(kithd(hub, "verify", "--known", other, code=1)["faults"][0]["table"] == "HUB_AUDIT", "another head is told")


def a_removal_and_what_is_held_are_on_record(lab):
    hub, founder, ana, maria = agency(lab)
    visit = ana.json("visit", "add", "participant=" + maria, "date=today", "start=10:00", "end=10:45",
                     "purpose=not sent yet")["id"]
    number = next(device["number"] for device in founder.json("device", "list") if device["person"] == "Ana Silva")
    founder.ok("device", "revoke", str(number), "--reason", "lost on the bus")
    founder.sync()
    ana.run("sync")
    founder.sync()
    held = founder.json("held", "list")
    expect(len(held) == 1, "%s" % held)
    founder.ok("held", "admit", held[0]["id"])
    founder.sync()
    hub.stop()
    entries = kithd(hub, "audit")["entries"]
    did = [(entry["kind"], entry.get("did")) for entry in entries]
    order = [did.index(one) for one in (("roster", "end"), ("circle", "rotate"), ("held", None), ("circle", "admit"))]
    expect(order == sorted(order), "in the order in which it happened: %s" % did)
    expect(visit and kithd(hub, "verify")["ok"], "and the store is whole")


def a_flipped_bit_is_found(lab):
    hub, _, _, _ = agency(lab)
    expect(kithd(hub, "verify")["ok"], "beside the running hub")
    hub.stop()
    whole = kithd(hub, "verify")
    expect(whole["ok"] and whole["checked"] > 100 and whole["faults"] == [], "%s" % whole)
    path = os.path.join(hub.data, "data.mdb")
    saved = path + ".saved"
    shutil.copy(path, saved)
    dice = random.Random(11)
    size = os.path.getsize(path)
    used = []  # where a byte matters: whatever stands in a row or in the head of a page
    with open(path, "rb") as file:
        content = file.read()
    found = 0
    tried = 0
    for page in range(2, size // 4096):
        head = content[page * 4096:page * 4096 + 16]
        lower, upper = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
        if int.from_bytes(head[10:12], "little") == 2 and 16 < lower <= upper < 4096:
            used.append((page * 4096 + upper, (page + 1) * 4096))
    for _ in range(60):
        start, end = dice.choice(used)
        at = dice.randrange(start, end)
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([content[at] ^ 1 << dice.randrange(8)]))
        result = subprocess.run([os.path.join(os.environ["KITH_BIN"], "kithd"), "verify", "--data", hub.data],
                                capture_output=True, text=True, timeout=120)
        expect(result.returncode in (0, 1), "%d %s" % (result.returncode, result.stderr))
        tried += 1
        found += result.returncode == 1
        shutil.copy(saved, path)
    # Leaf pages that were freed are still there, and nothing in them matters.
    expect(found > tried // 3, "%d of %d found" % (found, tried))
    expect(kithd(hub, "verify")["ok"], "and whole again")


def a_home_is_checked_and_remembers_what_was_opened(lab):
    _, founder, ana, maria = agency(lab)
    visits = ana.json("visit", "list", "--participant", maria)
    ana.json("visit", "show", visits[0]["id"])
    ana.json("visit", "history", visits[1]["id"])
    ana.json("search", "visit")
    rows = ana.json("access")
    did = [(row["did"], row["what"], row["id"]) for row in rows]
    expect(("listed", "visit", None) in did and ("opened", "visit", visits[0]["id"]) in did
           and ("opened", "visit", visits[1]["id"]) in did and ("listed", "search", None) in did, "%s" % did)
    expect([row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "in order")
    told = ana.json("verify")
    expect(told["ok"] and told["checked"] > 50 and told["faults"] == [], "%s" % told)
    expect(founder.json("verify")["ok"], "the founder's, too")


if __name__ == "__main__":
    main([what_was_handed_out_is_on_record,
          a_removal_and_what_is_held_are_on_record,
          a_flipped_bit_is_found,
          a_home_is_checked_and_remembers_what_was_opened])
