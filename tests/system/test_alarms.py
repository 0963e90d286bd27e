#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hub that was set back is noticed by the devices, and reported in words by the real programs."""
import os
import shutil

from lab import expect, main


def copy_of(hub):
    """The hub's folder, as an image of its machine would have it."""
    hub.stop()
    image = hub.data + "-image"
    shutil.rmtree(image, ignore_errors=True)
    shutil.copytree(hub.data, image)
    hub.start()
    return image


def set_back(hub, image):
    hub.stop()
    shutil.rmtree(hub.data)
    os.rename(image, hub.data)
    hub.start()


def new_chart(laptop, name):
    return laptop.json("participant", "add", "name=" + name)["id"]


def a_hub_that_was_set_back_is_reported(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Ruiz", "specialist")
    chart = new_chart(ana, "Maria Lopez")
    ana.ok("sync")
    image = copy_of(hub)
    ana.ok("visit", "add", "participant=" + chart, "date=today")
    ana.ok("sync")
    expect(ana.status()["alarms"] == [], "no alarm without a reason")
    set_back(hub, image)
    ana.ok("visit", "add", "participant=" + chart, "date=today")
    done = ana.run("sync")
    expect(done.code == 0, "the exit code says what became of the sync: %d" % done.code)
    expect("alarm: the hub has less than it had acknowledged in chart " in done.err, done.err)
    again = ana.run("sync", "--json")
    expect("alarm:" in again.err and "alarm" not in again.out, "%s %s" % (again.out, again.err))
    alarms = ana.status()["alarms"]
    expect(len(alarms) == 1, str(alarms))
    expect(alarms[0]["kind"] == "rolled_back" and alarms[0]["times"] == 2 and not alarms[0]["over"], str(alarms))
    expect(alarms[0]["text"] in ana.ok("status"), "in words, too")


def a_hub_that_forgot_a_device_is_reported(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    image = copy_of(hub)
    ana = lab.join(founder, "Ana Ruiz", "specialist")
    ana.ok("sync")
    set_back(hub, image)
    done = ana.run("sync")
    expect(done.code == 1, "the sync failed: %d" % done.code)
    expect("alarm: the hub says that it does not know this device" in done.err, done.err)
    expect(ana.status()["alarms"][0]["kind"] == "denied", str(ana.status()["alarms"]))


def of_whom_nothing_was_heard_is_said(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Ruiz", "specialist")
    founder.ok("sync")
    expect(founder.status()["quiet"] == [], "Ana's laptop was heard of just now")
    founder.ok("lock")
    founder.clock = "+3d"
    quiet = founder.status()["quiet"]
    expect([row["name"] for row in quiet] == ["ana laptop"], str(quiet))
    expect("Nothing heard from ana laptop of Ana Ruiz since" in founder.ok("status"), "in words, too")
    expect(ana.status()["alarms"] == [], "which is no alarm")


def a_hub_that_shows_nothing_new_for_days_is_suspected(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Ruiz", "specialist")
    status = ana.status()
    expect(status["heartbeat"] and not status["frozen"], "the office signed today: %s" % status["heartbeat"])
    expect(founder.sync()["sent"] == 0, "once a day is enough")
    for laptop, days, frozen in ((ana, 3, False), (ana, 6, True), (founder, 6, False), (ana, 6, False)):
        hub.stop()
        hub.clock = laptop.clock = "+%dd" % days
        hub.start()
        laptop.ok("sync")
        expect(laptop.status()["frozen"] == frozen, "%s after %d days: %s" % (laptop.name, days, laptop.status()))
        expect(("no sign of life" in laptop.ok("status")) == frozen, "in words: " + laptop.ok("status"))


def a_safety_number_is_the_same_on_both_sides(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Ruiz", "specialist")
    founder.ok("sync")
    own = {row["number"]: row["safety"] for row in ana.json("device", "list")}
    seen = {row["number"]: row["safety"] for row in founder.json("device", "list")}
    expect(own == seen and len(set(own.values())) == len(own), "%s %s" % (own, seen))
    expect(own[max(own)] in founder.ok("device", "list"), "shown as text, too")


if __name__ == "__main__":
    main([a_hub_that_was_set_back_is_reported,
          a_hub_that_forgot_a_device_is_reported,
          of_whom_nothing_was_heard_is_said,
          a_hub_that_shows_nothing_new_for_days_is_suspected,
          a_safety_number_is_the_same_on_both_sides])
