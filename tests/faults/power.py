#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power cuts, without root and without a power plug: a busy hub and a busy laptop are recorded (record.c), and from the
recordings every disk that a cut could have left is rebuilt and checked (the program power). COUNT=N images in all, half
of them of the hub and half of the laptop; SEED=N.

Each image must open as it is, be sound by what `kithd verify` and `kith verify` check, hold everything that somebody had
been told is saved, have an outbox that fits, and take new writes. Controls follow, with the same recordings: disks that
forget to sync. They must lose something, or this finds nothing.
"""
import json
import os
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from lab import BIN, expect, main, seeded  # noqa: E402
from stage import DRAFT, day  # noqa: E402

MARK = 9  # EVENT_MARK
VISIT, PARTICIPANT = 6, 3  # as they stand in the schema
SYNC_MS = 15  # of every other commit: longer than it takes the other side to hear what is said too early
NEGLECTS = ("all", "syncs", "through")
ROUNDS = 4


class Recorder:
    """Whose files are written down, and where."""

    def __init__(self, lab):
        self.lab, self.logs = lab, {}
        lab.environment = self.environment

    def log(self, folder):
        return self.logs.get(folder, "-")

    def record(self, folder):
        self.logs[folder] = folder + ".recording"

    def environment(self, folder):
        if folder not in self.logs:
            return None
        return dict(os.environ, LD_PRELOAD=os.path.join(BIN, "record.so"), KITH_RECORD_FOLDER=folder,
                    KITH_RECORD_LOG=self.logs[folder], KITH_RECORD_DELAY_MS=str(SYNC_MS),
                    ASAN_OPTIONS="verify_asan_link_order=0")

    def mark(self, folder, line):
        if folder in self.logs:
            text = line.encode()
            with open(self.logs[folder], "ab", buffering=0) as log:
                log.write(struct.pack("=IIQQQQ", MARK, 0, 0, 0, len(text), time.monotonic_ns()) + text)


class Worker:
    """A laptop of which everything that it says is saved is written down at once."""

    def __init__(self, recorder, hub, laptop):
        self.recorder, self.hub, self.laptop = recorder, hub, laptop
        self.key = laptop.home + ".key"
        power("key", laptop.home, laptop.passphrase_file, self.key)
        self.told()

    def told(self):
        recorder = self.recorder
        power("mark", self.laptop.home, self.key, recorder.log(self.laptop.home), recorder.log(self.hub.data))

    def add(self, type, number, *fields):
        made = self.laptop.json(type, "add", *fields)["id"]
        self.recorder.mark(self.laptop.home, "record %d %s" % (number, made))
        self.told()
        return made

    def do(self, *arguments):
        self.laptop.ok(*arguments)
        self.told()

    def sync(self):
        self.do("sync")


def power(*arguments):
    done = subprocess.run([BIN + "/power", *arguments], capture_output=True, text=True)
    expect(done.returncode == 0, "power %s: %s" % (arguments[0], done.stderr))
    return done.stdout


def at_once(*steps):
    threads = [threading.Thread(target=step) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def visit(worker, person, back, hour):
    fields = {**DRAFT, "participant": person, "date": day(back), "start": "%02d:00" % hour, "end": "%02d:45" % hour}
    return worker.add("visit", VISIT, *["%s=%s" % item for item in fields.items()])


def turn(number, ana, rosa, irma):
    """Ana meets somebody new, writes, corrects, signs and submits; Rosa writes as well, and they all sync at once."""
    person = ana.add("participant", PARTICIPANT, "name=Somebody %d" % number, "phone+=555 01%02d" % number)
    visits = [visit(ana, person, number, hour) for hour in (9, 13)]
    at_once(ana.sync, irma.sync)
    ana.do("visit", "edit", visits[0], "response=She laughed. " * 40)
    ana.do("visit", "sign", visits[0])
    rosa.sync()
    visit(rosa, person, number, 15)
    at_once(ana.sync, rosa.sync, irma.sync)
    ana.do("visit", "submit", visits[0])
    ana.do("visit", "edit", visits[1], "what_was_done=We rode two stops.")
    at_once(rosa.sync, ana.sync)
    return person


def work(lab, recorder, rounds):
    """Everything an agency does in a day; the hub's folder and Ana's home."""
    data, home = os.path.join(lab.folder, "hub0"), os.path.join(lab.folder, "home-ana")
    recorder.record(data)
    recorder.record(home)
    hub = lab.hub()
    recorder.mark(data, "ready")
    founder = lab.found(hub)
    irma = Worker(recorder, hub, founder)
    rosa = Worker(recorder, hub, lab.join(founder, "Rosa Quiroga", "supervisor"))
    ana = Worker(recorder, hub, lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga"))
    bo = Worker(recorder, hub, lab.join(founder, "Bo Chen", "specialist", "Rosa Quiroga"))
    for number in range(rounds):
        person = turn(number, ana, rosa, irma)
        if number == 0:
            ana.do("grant", person, "Bo Chen")
            at_once(ana.sync, bo.sync)
            irma.sync()
        if number == 1:
            revoked = [row["number"] for row in founder.json("device", "list") if row["person"] == "Bo Chen"]
            irma.do("device", "revoke", str(revoked[0]), "--reason", "lost on the bus")
            at_once(irma.sync, ana.sync)
    expect(hub.stop() == 0, "the hub ends in order")
    return data, home, ana.key


def tell(recorder, data, home, key):
    """What each side knew of the other, commit by commit and by the clock: for the hub, for the laptop."""
    device = power("device", home, key).strip()
    images = os.path.join(recorder.lab.folder, "images")
    os.mkdir(images, 0o700)
    told = data + ".told", home + ".told"
    power("tell", "laptop", recorder.log(home), key, device, images, told[0])
    power("tell", "hub", recorder.log(data), "-", device, images, told[1])
    return told


def rebuild(kind, log, key, count, seed, folder, told, neglect="nothing"):
    done = subprocess.run([BIN + "/power", "try", kind, log, key, str(count), str(seed), folder, told, neglect],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(done.returncode < 2, done.stderr)
    return json.loads(done.stdout), done.stderr


def cut(lab, kind, log, key, count, seed, told):
    folder = os.path.join(lab.folder, "images-" + kind)
    os.mkdir(folder)
    found, findings = rebuild(kind, log, key, count, seed, folder, told)
    print("%s: %d images at %d points, %d with a loss, in %.1f s" %
          (kind, found["images"], found["points"], found["lost"], found["seconds"]), flush=True)
    expect(found["images"] >= count, "only %d images of %d" % (found["images"], count))
    expect(found["lost"] == 0, "seed %d: %s" % (seed, findings))
    for neglect in NEGLECTS:
        control, _ = rebuild(kind, log, key, max(count // 20, 60), seed, folder, told, neglect)
        print("%s, control, neglecting %s: %d images, %d with a loss" %
              (kind, neglect, control["images"], control["lost"]), flush=True)
        expect(control["lost"] > 0, "the control that neglects %s found nothing" % neglect)


def power_cuts(lab, count, rounds=ROUNDS):
    chance = seeded()
    recorder = Recorder(lab)
    data, home, key = work(lab, recorder, rounds)
    seed = chance.randrange(1 << 32)
    for_hub, for_laptop = tell(recorder, data, home, key)
    cut(lab, "hub", recorder.log(data), "-", count // 2, seed, for_hub)
    cut(lab, "laptop", recorder.log(home), key, count // 2, seed, for_laptop)


def power_cuts_lose_nothing(lab):
    power_cuts(lab, int(os.environ.get("COUNT", "10000")))


if __name__ == "__main__":
    main([power_cuts_lose_nothing])
