#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hub that burns, with a backup of the day before and DEVICES laptops: after each has been in touch once, all is back.

`make restore DEVICES=200` runs this. A day is three visits of every laptop; some join after the backup.
"""
import concurrent.futures
import os

from lab import expect, main, seeded
from test_restore import backup, expect_all_back, lose_and_restore, same

DEVICES = int(os.environ.get("DEVICES", "200"))
LATE = max(1, DEVICES // 20)
TEAM = 10  # specialists of a supervisor


def everybody(work, laptops):
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(work, laptops))


def hire(lab, founder, invited):
    """Laptops for people, in their order: (name, role, supervisor)."""
    ready = []
    for name, role, supervisor in invited:
        arguments = ["--supervisor", supervisor] if supervisor else []
        ready.append((lab.laptop(name), founder.json("invite", "--person", name, "--role", role, *arguments)["code"]))

    def begin(one):
        laptop, code = one
        laptop.ok("join", code, "--device-name", laptop.name)
        laptop.ok("unlock")
        return laptop

    return everybody(begin, ready)


def first_day(laptop):
    laptop.json("participant", "add", "name=One whom %s visits" % laptop.name)
    a_day(laptop)


def a_day(laptop):
    chart = laptop.json("participant", "list")[0]["id"]
    for number in range(3):
        laptop.json("visit", "add", "participant=" + chart, "date=today", "purpose=visit %d" % number)
    laptop.sync()


def a_day_that_burned_is_back_when_each_was_in_touch_once(lab):
    chance = seeded()
    hub = lab.hub()
    founder = lab.found(hub)
    leaders = hire(lab, founder, [("lead%d" % number, "supervisor", None) for number in range(max(1, DEVICES // TEAM))])
    wanted = DEVICES - 1 - len(leaders)
    names = [("peer%d" % number, "specialist", leaders[number % len(leaders)].name) for number in range(wanted)]
    team = hire(lab, founder, names[:-LATE])
    everybody(first_day, team)
    everybody(lambda laptop: laptop.sync(), leaders)
    path = os.path.join(lab.folder, "hub.backup")
    backup(hub, path)
    late = hire(lab, founder, names[-LATE:])
    everybody(first_day, late)
    everybody(a_day, team)
    everybody(lambda laptop: laptop.sync(), leaders)
    founder.sync()
    before = hub.stats()
    lose_and_restore(hub, path)
    lost = hub.stats()
    print("%d devices; %d changes, of which the backup has %d" % (before["devices"], before["changes"], lost["changes"]))
    expect(before["devices"] == DEVICES and lost["changes"] < before["changes"] and lost["returned"] == 0, str(lost))
    # Who invited is first: those who joined after the backup are nobody before.
    founder.sync()
    others = leaders + team + late
    chance.shuffle(others)
    everybody(lambda laptop: laptop.sync(), others)
    after = hub.stats()
    same(before, after, "changes", "circles", "devices")
    expect_all_back(hub, DEVICES)
    print("once each: %(changes)d changes, %(circles)d charts and circles, %(devices)d devices" % after)


if __name__ == "__main__":
    main([a_day_that_burned_is_back_when_each_was_in_touch_once])
