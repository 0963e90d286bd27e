#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the hub at any moment of a sync: what it acknowledged is there, the rest goes up later, nothing twice.
KILLS=N, SEED=N."""
import os
import time

from lab import Aim, expect, main, seeded, sound

KILLS = int(os.environ.get("KILLS", "100"))
SAVES_A_KILL = 3  # of each of the two who write


class Writer:
    def __init__(self, laptop, participant):
        self.laptop, self.participant = laptop, participant
        self.visits, self.interrupted = {}, 0

    def save(self, turn):
        for number in range(SAVES_A_KILL):
            text = "visit %d of turn %d by %s" % (number, turn, self.laptop.name)
            visit = self.laptop.json("visit", "add", "participant=" + self.participant, "date=today", "purpose=" + text)
            self.visits[visit["id"]] = text

    def begin(self):
        self.syncing = self.laptop.start("sync")

    def end(self):
        self.syncing.communicate(timeout=60)
        was_interrupted = self.syncing.returncode != 0
        self.interrupted += was_interrupted
        return was_interrupted

    def unsent(self):
        return self.laptop.status()["unsent"]


def kills_lose_nothing_and_double_nothing(lab):
    chance = seeded()
    hub = lab.hub()
    founder = lab.found(hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga")
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    ana.sync()
    rosa.sync()
    before = hub.stats()["changes"]
    started = time.monotonic()
    ana.sync()
    aim = Aim(chance, time.monotonic() - started)
    writers = Writer(ana, maria), Writer(rosa, maria)
    for turn in range(KILLS):
        for writer in writers:
            writer.save(turn)
        for writer in writers:
            writer.begin()
        aim.wait()
        hub.kill()
        aim.learn(any([writer.end() for writer in writers]))
        hub.start()
        saved = sum(len(writer.visits) for writer in writers)
        acknowledged = saved - sum(writer.unsent() for writer in writers)
        stored = hub.stats()["changes"] - before
        expect(stored >= acknowledged, "turn %d: %d acknowledged, %d there" % (turn, acknowledged, stored))
        expect(stored <= saved, "turn %d: %d saved, %d there" % (turn, saved, stored))
    interrupted = sum(writer.interrupted for writer in writers)
    print("%d kills interrupted %d of %d syncs" % (KILLS, interrupted, 2 * KILLS))
    expect(interrupted * 10 >= KILLS, "the hub was hardly ever killed during a sync")
    for laptop in (ana, rosa, ana):
        laptop.sync()
    expect(sum(writer.unsent() for writer in writers) == 0, "everything went up in the end")
    written = {visit: text for writer in writers for visit, text in writer.visits.items()}
    expect(hub.stats()["changes"] - before == len(written), "each once")
    for laptop in (ana, rosa):
        there = {visit["id"]: visit["fields"]["purpose"] for visit in laptop.json("visit", "list")}
        expect(there == written, "%s reads every one of them" % laptop.name)
    sound(hub, ana, rosa)


if __name__ == "__main__":
    main([kills_lose_nothing_and_double_nothing])
