#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of kith at any moment of saving, correcting, signing and syncing: what it said is saved is there, what it did
not say is there as a whole or not at all, nothing twice. KILLS=N, SEED=N.

In every third turn a sync runs beside, in another process on the same home, and is killed as well.
"""
import os
import signal
import time

from lab import Aim, expect, main, seeded, sound
from stage import DRAFT, Agency, day

KILLS = int(os.environ.get("KILLS", "300"))
TURNS_A_LOOK = 100
STEPS = ("add", "add", "edit", "sign", "sync")
VISITS_A_DAY = 12


class Diary:
    """What Ana knows of her visits: what she was told is saved, and what she has seen since."""

    def __init__(self, agency, chance):
        self.ana, self.maria, self.chance = agency.ana, agency.maria, chance
        self.known = {}  # id: [purpose, response, state]
        self.unsure = set()  # purposes of visits that may be there
        self.number = 0
        self.aims = {}  # of each step
        self.interrupted = 0

    def killed(self, step, *arguments):
        """What it printed, if it got so far, and whether it said that all is done."""
        beside = self.ana.start("sync") if self.chance.randrange(3) == 0 else None
        process = self.ana.start(*arguments, "--json")
        self.aims[step].wait()
        process.kill()
        if beside:
            beside.kill()
            beside.communicate(timeout=60)
        out, err = process.communicate(timeout=60)
        expect(process.returncode in (0, -signal.SIGKILL), "kith %s: %d: %s" % (step, process.returncode, err))
        self.aims[step].learn(process.returncode != 0)
        self.interrupted += process.returncode != 0
        return out, process.returncode == 0

    def fields(self):
        at, self.number = self.number, self.number + 1
        hour = 6 + at % VISITS_A_DAY
        return {**DRAFT, "participant": self.maria, "date": day(1 + at // VISITS_A_DAY), "start": "%02d:00" % hour,
                "end": "%02d:45" % hour, "purpose": "Visit %d." % at + " Words." * self.chance.randrange(200)}

    def add(self):
        fields = self.fields()
        self.unsure.add(fields["purpose"])
        out, is_done = self.killed("add", "visit", "add", *["%s=%s" % item for item in fields.items()])
        expect(out or not is_done, "it ended without a word")
        if out:
            self.look(self.id_of(out))

    @staticmethod
    def id_of(out):
        return out.split('"id": "')[1].split('"')[0]

    def draft(self):
        drafts = [visit for visit, (_, _, state) in self.known.items() if state == "draft"]
        return self.chance.choice(drafts) if drafts else None

    def edit(self):
        visit = self.draft()
        if not visit:
            return
        old, new = self.known[visit][1], "Answer %d." % self.chance.randrange(1 << 30)
        _, is_done = self.killed("edit", "visit", "edit", visit, "response=" + new)
        self.changed(visit, 1, new if is_done else None, old, new)

    def sign(self):
        visit = self.draft()
        if not visit:
            return
        _, is_done = self.killed("sign", "visit", "sign", visit)
        self.changed(visit, 2, "signed" if is_done else None, "draft", "signed")

    def sync(self):
        self.killed("sync", "sync")

    def changed(self, visit, place, told, old, new):
        """What is seen now stays: it is never taken back by a later kill."""
        expected = list(self.known[visit])
        seen = self.view(self.ana.json("visit", "show", visit))
        expected[place] = told or seen[place]
        expect(seen == expected and seen[place] in (old, new), "%s: %s and not %s" % (visit, seen, expected))
        self.known[visit] = seen

    @staticmethod
    def view(shown):
        return [shown["fields"]["purpose"], shown["fields"]["response"], shown["state"]]

    def look(self, visit):
        self.known[visit] = self.view(self.ana.json("visit", "show", visit))
        expect(self.known[visit][0] in self.unsure, "another visit than was typed: %s" % self.known[visit])
        self.unsure.remove(self.known[visit][0])

    def look_at_all(self, device):
        there = {shown["id"]: self.view(shown) for shown in device.json("visit", "list")}
        for visit, known in self.known.items():
            expect(there.get(visit) == known, "%s: %s and not %s" % (visit, there.get(visit), known))
        others = [view[0] for visit, view in there.items() if visit not in self.known]
        expect(len(set(others)) == len(others) and set(others) <= self.unsure, "what nobody typed, or twice: %s" % others)
        return there

    def measure(self):
        """How long each step takes without a kill."""
        visit = None
        for step in ("add", "edit", "sign", "sync"):
            fields = ["%s=%s" % item for item in self.fields().items()]
            arguments = {"add": ("visit", "add", *fields), "edit": ("visit", "edit", visit, "response=Well."),
                         "sign": ("visit", "sign", visit), "sync": ("sync",)}[step]
            started = time.monotonic()
            out = self.ana.ok(*arguments, "--json")
            self.aims[step] = Aim(self.chance, time.monotonic() - started)
            if step == "add":
                visit = self.id_of(out)
        self.known[visit] = self.view(self.ana.json("visit", "show", visit))


def kills_lose_nothing_that_was_saved(lab):
    chance = seeded()
    agency = Agency(lab)
    ana, rosa, hub = agency.ana, agency.rosa, agency.hub
    ana.ok("unlock", "--minutes", "480")
    diary = Diary(agency, chance)
    diary.measure()
    for turn in range(KILLS):
        getattr(diary, chance.choice(STEPS))()
        if turn % TURNS_A_LOOK == 0:
            diary.look_at_all(ana)
    print("%d kills, %d of them in the middle; %d visits" % (KILLS, diary.interrupted, len(diary.known)))
    expect(diary.interrupted * 10 >= KILLS, "hardly anything was interrupted")
    for device in (ana, rosa, ana):
        device.sync()
    expect(diary.look_at_all(ana) == diary.look_at_all(rosa), "the supervisor reads the same")
    status = ana.status()
    expect((status["unsent"], status["refused"], status["alarms"]) == (0, 0, []), "all went up: %s" % status)
    sound(hub, ana, rosa)


def a_home_of_which_there_is_only_the_vault_is_made_to_its_end(lab):
    founder = lab.found(lab.hub())
    ana = lab.laptop("ana")
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    expect(ana.run("join", code[:-1] + ("a" if code[-1] != "a" else "b")).code != 0, "not with a code like that")
    for name in ("data.mdb", "lock.mdb"):
        os.unlink(os.path.join(ana.home, name))
    opened = ana.run("status")
    expect(opened.code != 0 and "kith join CODE" in opened.err, "it says what to do: " + opened.err)
    ana.ok("join", code)
    ana.ok("unlock")
    ana.ok("participant", "add", "name=Maria Lopez")
    ana.sync()
    ana.ok("verify")


if __name__ == "__main__":
    main([kills_lose_nothing_that_was_saved, a_home_of_which_there_is_only_the_vault_is_made_to_its_end])
