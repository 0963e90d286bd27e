#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker's own hours and earnings: added up against limits of their own, and for nobody else's eyes."""
import datetime

from lab import expect, files_with, main
from stage import Agency, day, kinds, refuses

SECRET = "Quiet Corner Bakery"


def this_month(number):
    return datetime.date.today().replace(day=number).isoformat()


def earn(device, date, minutes, earned, **fields):
    return device.json("ledger", "add", "date=" + date, "minutes=%d" % minutes, "earned=" + earned,
                       *["%s=%s" % item for item in fields.items()])["id"]


def hours_and_earnings_are_held_against_the_limits_of_their_owner(lab):
    agency = Agency(lab)
    ana = agency.ana
    limit = ana.json("limit", "add", "name=trial month", "per=month", "earned=1000", "hours=40")["id"]
    ana.json("limit", "add", "name=year", "per=year", "earned=20000.00")
    ana.json("limit", "add", "name=old", "per=month", "earned=1", "until=" + day(1))
    ana.json("limit", "add", "name=next", "per=month", "earned=1", "from=" + day(-1))
    first = earn(ana, this_month(1), 600, "300.50", source=SECRET)
    earn(ana, this_month(2), 90, "99.49")
    earn(ana, (datetime.date.today().replace(day=1) - datetime.timedelta(days=1)).isoformat(), 6000, "9000")
    made = ana.json("report", "ledger")
    month, year = made["limits"]
    expect(made["month"] == {"earned": "399.99", "minutes": 690}, str(made))
    expect((month["earned"], month["minutes"], month["percent"], month["near"], month["over"]) ==
           ("399.99", 690, 39, False, False), str(month))
    expect((month["earned_limit"], month["minutes_limit"], year["minutes_limit"]) == ("1000.00", 2400, None), str(made))
    last_year = datetime.date.today().month == 1
    expect(year["earned"] == ("399.99" if last_year else "9399.99"), str(year))
    expect("limit" not in kinds(ana.json("tasks")), "far from it")
    ana.ok("ledger", "edit", first, "minutes=1830")
    month = ana.json("report", "ledger")["limits"][0]
    expect((month["percent"], month["near"], month["over"]) == (80, True, False), "hours count, too: %s" % month)
    task = next(task for task in ana.json("tasks") if task["kind"] == "limit")
    expect(task["id"] == limit and "80 percent of 'trial month'" in task["text"], str(task))
    ana.ok("ledger", "edit", first, "earned=900.52")
    month = ana.json("report", "ledger")["limits"][0]
    expect((month["earned"], month["percent"], month["over"]) == ("1000.01", 100, True), "a cent above it: %s" % month)
    expect("over it" in ana.ok("report", "ledger") and "█" in ana.ok("report", "ledger"), "as a picture")
    expect(ana.json("report", "ledger", "--on", "2020-01-15")["month"] == {"earned": "0.00", "minutes": 0}, "another month")
    for wrong in ("12,50", "-3", "1.234", ".5", "5.", "1e3", "1234567890", "money"):
        refuses(ana, 1, "an amount like 85.50", "ledger", "add", "date=" + day(0), "earned=" + wrong)


def nobody_else_reads_it(lab):
    agency = Agency(lab, tablet=True)
    ana, rosa, irma, tablet = agency.ana, agency.rosa, agency.irma, agency.tablet
    for device in (ana, rosa, irma, tablet):
        device.sync()
    before = {device.name: device.status()["circles"] for device in (rosa, irma)}
    own = ana.status()["circles"]
    earn(ana, day(0), 60, "20", source=SECRET)
    ana.json("limit", "add", "name=" + SECRET, "per=month", "earned=20")
    for device in (ana, rosa, irma, tablet, ana, tablet):
        device.sync()
    for device in (rosa, irma):
        expect(device.json("ledger", "list") == [] and device.json("limit", "list") == [], device.name + " reads nothing")
        expect(device.json("search", "Quiet") == [], device.name + " finds nothing")
        status = device.status()
        expect((status["circles"], status["waiting"]) == (before[device.name], 0), "it is not even sent there: %s" % status)
        expect("limit" not in kinds(device.json("tasks")), "whose business it is not")
    rows = tablet.json("ledger", "list")
    expect([row["fields"]["source"] for row in rows] == [SECRET], "her other device has it: %s" % rows)
    expect(tablet.json("report", "ledger")["limits"][0]["percent"] == 100, "and adds up the same")
    earn(tablet, day(0), 30, "1")
    tablet.sync()
    ana.sync()
    expect(ana.json("report", "ledger")["month"]["earned"] == "21.00", "one ledger, two devices")
    expect(ana.status()["circles"] == own + 1, "in one circle of her own")
    expect(files_with(agency.hub.data, [SECRET]) == [], "the hub has it sealed")


if __name__ == "__main__":
    main([hours_and_earnings_are_held_against_the_limits_of_their_owner,
          nobody_else_reads_it])
