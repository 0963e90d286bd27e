#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the hub at any moment of a sync: what it acknowledged is there, the rest goes up later, nothing twice."""
import time

from lab import expect, main, seeded

ROUNDS = 50
SAVES_A_ROUND = 6


def fifty_kills_lose_nothing_and_double_nothing(lab):
    chance = seeded()
    hub = lab.hub()
    founder = lab.found(hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist", "Rosa Quiroga")
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    ana.sync()
    before = hub.stats()["changes"]
    started = time.monotonic()
    ana.sync()
    sync_s = time.monotonic() - started  # machines differ: a kill must fall into a sync on each
    visits, interrupted = {}, 0
    for turn in range(ROUNDS):
        for number in range(SAVES_A_ROUND):
            text = "visit %d of turn %d" % (number, turn)
            visit = ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + text)["id"]
            visits[visit] = text
        syncing = ana.start("sync")
        time.sleep(chance.uniform(0, 2 * sync_s))
        hub.kill()
        syncing.communicate(timeout=60)
        interrupted += syncing.returncode != 0
        hub.start()
        acknowledged = len(visits) - ana.status()["unsent"]
        stored = hub.stats()["changes"] - before
        expect(stored >= acknowledged, "turn %d: %d acknowledged, %d there" % (turn, acknowledged, stored))
        expect(stored <= len(visits), "turn %d: %d saved, %d there" % (turn, len(visits), stored))
    print("%d of %d syncs were interrupted" % (interrupted, ROUNDS))
    expect(interrupted >= 5, "the hub was hardly ever killed during a sync")
    ana.sync()
    expect(ana.status()["unsent"] == 0, "everything went up in the end")
    expect(hub.stats()["changes"] - before == len(visits), "each once")
    rosa.sync()
    there = {visit["id"]: visit["fields"]["purpose"] for visit in rosa.json("visit", "list")}
    expect(there == visits, "the supervisor reads every one of them")


if __name__ == "__main__":
    main([fifty_kills_lose_nothing_and_double_nothing])
