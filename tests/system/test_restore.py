#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hub that was lost: restored from a backup, it gets back from the laptops what came after it."""
import json
import os
import shutil
import subprocess
import threading
import time

from lab import BIN, expect, main, seeded


def kithd(*arguments, code=0):
    done = subprocess.run([BIN + "/kithd", *arguments], capture_output=True, text=True)
    expect(done.returncode == code, "kithd %s: exit %d: %s" % (" ".join(arguments), done.returncode, done.stderr))
    return done


def backup(hub, path):
    made = json.loads(kithd("backup", "--data", hub.data, "--to", path, "--json").stdout)
    expect(made["bytes"] == os.path.getsize(path) and os.stat(path).st_mode & 0o777 == 0o600, str(made))


def lose_and_restore(hub, path):
    hub.kill()
    shutil.rmtree(hub.data)
    told = json.loads(kithd("restore", "--from", path, "--data", hub.data, "--json").stdout)
    hub.start()
    return told


def expect_all_back(hub, devices):
    for _ in range(100):  # sessions go on record within a second or so
        told = hub.stats()
        if told["returned"] == devices:
            break
        time.sleep(0.1)
    expect(told["returned"] == told["devices"] == devices and told["awaited"] == [], "all have been back: %s" % told)


class Office:
    def __init__(self, lab):
        self.hub = lab.hub()
        self.founder = lab.found(self.hub)
        self.rosa = lab.join(self.founder, "Rosa Quiroga", "supervisor")
        self.ana = lab.join(self.founder, "Ana Silva", "specialist", "Rosa Quiroga")
        self.maria = self.ana.json("participant", "add", "name=Maria Lopez")["id"]
        self.visit("before the backup")
        self.ana.sync()
        self.rosa.sync()
        self.path = os.path.join(lab.folder, "hub.backup")
        backup(self.hub, self.path)

    def visit(self, purpose, participant=None):
        return self.ana.json("visit", "add", "participant=" + (participant or self.maria), "date=today",
                             "purpose=" + purpose)["id"]


def same(before, after, *names):
    for name in names:
        expect(before[name] == after[name], "%s: %s before, %s after" % (name, before[name], after[name]))


def what_came_after_the_backup_comes_back(lab):
    office = Office(lab)
    hub, founder, rosa, ana = office.hub, office.founder, office.rosa, office.ana
    # After the backup: visits, a new chart, a colleague who joins and is let in, a concern.
    for number in range(5):
        office.visit("after the backup %d" % number)
    paul = ana.json("participant", "add", "name=Paul Weber")["id"]
    office.visit("first visit with Paul", paul)
    ana.sync()
    tom = lab.join(founder, "Tom Reed", "specialist", "Rosa Quiroga")
    ana.sync()
    ana.ok("grant", "Maria Lopez", "Tom Reed")
    ana.sync()
    tom.sync()
    written = tom.json("visit", "add", "participant=Maria Lopez", "date=today", "purpose=by Tom")["id"]
    tom.sync()
    rosa.sync()
    founder.sync()
    before = hub.stats()
    told = lose_and_restore(hub, office.path)
    expect(told["changes"] < before["changes"], "the backup is older")
    lost = hub.stats()
    expect(lost["restored_ms"] > 0 and lost["returned"] == 0 and lost["incarnation"] != before["incarnation"],
           "the hub says that it was restored: %s" % lost)
    # Tom is not known yet; Rosa has what he and Ana wrote.
    expect(tom.run("sync").code != 0, "who joined after the backup is not known at first")
    report = rosa.sync()
    expect(report["up_to_date"], "the supervisor gives back: %s" % report)
    expect(tom.sync()["up_to_date"], "and Tom is known again")
    back = hub.stats()
    same(before, back, "devices", "circles")
    expect(1 in back["awaited"] and 2 not in back["awaited"], "who was not back yet is named: %s" % back)
    for laptop in (founder, ana, tom, rosa):
        expect(laptop.sync()["up_to_date"], laptop.name)
    after = hub.stats()
    same(before, after, "changes", "circles", "devices")
    expect_all_back(hub, 4)
    for laptop in (founder, ana, tom, rosa):
        open_ones = [alarm for alarm in laptop.status()["alarms"] if not alarm["over"]]
        expect(not open_ones, "no alarm on %s: %s" % (laptop.name, open_ones))
    # And it goes on: for a laptop that knows nothing yet as well.
    office.visit("long after")
    ana.sync()
    code = founder.json("invite", "--person", "Rosa Quiroga", "--role", "supervisor")["code"]
    fresh = lab.laptop("fresh")
    fresh.ok("join", code, "--device-name", "fresh")
    fresh.ok("unlock")
    rosa.sync()
    fresh.sync()
    purposes = {visit["fields"]["purpose"] for visit in fresh.json("visit", "list")}
    expect({"before the backup", "after the backup 4", "first visit with Paul", "by Tom", "long after"} <= purposes,
           "a new laptop reads all: %s" % purposes)
    expect(any(visit["id"] == written for visit in fresh.json("visit", "list")), "under the same ids")
    expect(json.loads(kithd("verify", "--data", hub.data, "--json").stdout)["ok"], "and the hub is sound")


def of_a_laptop_that_is_gone_others_bring_what_they_have(lab):
    office = Office(lab)
    office.visit("only Rosa has this besides Ana")
    office.ana.sync()
    office.rosa.sync()
    before = office.hub.stats()
    lose_and_restore(office.hub, office.path)
    shutil.rmtree(office.ana.home)  # Ana's laptop was lost in the same fire
    lab.laptops.remove(office.ana)
    office.rosa.sync()
    office.founder.sync()
    same(before, office.hub.stats(), "changes", "circles", "devices")
    purposes = [visit["fields"]["purpose"] for visit in office.founder.json("visit", "list")]
    expect("only Rosa has this besides Ana" in purposes, "the custodian reads it: %s" % purposes)


def a_backup_is_taken_while_the_hub_is_busy(lab):
    office = Office(lab)
    chance = seeded()
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            office.visit("busy %d" % chance.randrange(1000))
            office.ana.sync()

    worker = threading.Thread(target=work)
    worker.start()
    paths = [os.path.join(lab.folder, "busy%d" % number) for number in range(4)]
    for path in paths:
        backup(office.hub, path)
    is_over.set()
    worker.join()
    for number, path in enumerate(paths):
        folder = os.path.join(lab.folder, "restored%d" % number)
        kithd("restore", "--from", path, "--data", folder)
        checked = json.loads(kithd("verify", "--data", folder, "--json").stdout)
        expect(checked["ok"] and checked["checked"] > 0, str(checked))


def what_is_no_whole_backup_is_refused(lab):
    office = Office(lab)
    chance = seeded()
    folder = os.path.join(lab.folder, "restored")
    with open(office.path, "rb") as file:
        whole = file.read()
    spoiled = os.path.join(lab.folder, "spoiled")
    for kind in ("altered",) * 8 + ("short", "long", "empty", "other"):
        content = bytearray(whole)
        if kind == "altered":
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        elif kind == "short":
            del content[chance.randrange(len(content)):]
        elif kind == "long":
            content += b"x"
        elif kind == "empty":
            content.clear()
        else:
            content[:] = b"something else" * 1000
        with open(spoiled, "wb") as file:
            file.write(content)
        done = kithd("restore", "--from", spoiled, "--data", folder, code=1)
        expect("backup" in done.stderr and not os.path.exists(folder), "%s: %s" % (kind, done.stderr))
    expect("already" in kithd("restore", "--from", office.path, "--data", office.hub.data, code=1).stderr,
           "a hub that is there stays")
    expect("already" in kithd("backup", "--data", office.hub.data, "--to", office.path, code=1).stderr,
           "a backup that is there stays")


if __name__ == "__main__":
    main([what_came_after_the_backup_comes_back, of_a_laptop_that_is_gone_others_bring_what_they_have,
          a_backup_is_taken_while_the_hub_is_busy, what_is_no_whole_backup_is_refused])
