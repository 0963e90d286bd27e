#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad links: how long a visit takes, what cuts cost, and what is urgent during a long download.

Where a time is named it is that of the emulated line, which is a hundred times slower than the machine; a machine that is
slow all the same gets an allowance for what the same exchange takes it without the line.
"""
import json
import time

from emulator import Link
from lab import expect, main, seeded
from libkith import Library

PHRASES = [
    "We walked to the library and talked about the job application.", "She has not used since Monday and is proud of it.",
    "He wants to call his sister and is afraid of what she will say.", "The new medication makes mornings hard.",
    "We practised what to say at the housing office.", "He slept at the shelter and wants his own door again.",
    "She asked about the evening group and took the flyer.", "Grounding exercise when the bus was crowded; it helped.",
    "We wrote down three people to call when cravings come.", "He missed the clinic; we rang and got Thursday at two."]

INTERVENTIONS = ["shared_lived_experience", "motivational_interviewing", "problem_solving", "skills_practice", "linkage"]


def visit_fields(chance, participant, number):
    """A typical visit: about 900 bytes of names and values, 400 of them narrative."""
    texts = [" ".join(chance.sample(PHRASES, 2))[:100] for _ in range(4)]
    minute = number % 50
    return dict(participant=participant, date="2026-%02d-%02d" % (1 + number % 9, 1 + number % 28),
                start="09:%02d" % minute, end="10:%02d" % minute, code="H0038", modifiers=["HE", "U1"],
                place=chance.choice(["home", "shelter", "clinic", "community"]), mode="in_person",
                location_detail="%d Orchard Street, second door" % number, contact_result="done",
                participant_agreed="yes", interventions=chance.sample(INTERVENTIONS, 2),
                skills_practised=["breathing: helped"], purpose=texts[0], what_was_done=texts[1], response=texts[2],
                plan_next=texts[3], barriers="bus fare", risk="none", self_rating=str(number % 11),
                follow_up_due="2026-12-%02d" % (1 + number % 28), language_used="English")


class Office:
    """Ana, specialist, and Rosa, her supervisor; the link is fast until a test says otherwise."""

    def __init__(self, lab):
        self.hub = lab.hub(through=Link)
        self.link = self.hub.link
        self.founder = lab.found(self.hub)
        self.rosa = lab.join(self.founder, "Rosa Quiroga", "supervisor")
        self.ana = lab.join(self.founder, "Ana Silva", "specialist", "Rosa Quiroga")
        self.chance = seeded()
        self.maria = self.ana.json("participant", "add", "name=Maria Lopez")["id"]
        self.ana.sync()
        self.rosa.sync()

    def write(self, who, count, participant=None):
        with Library(who) as kith:
            for number in range(count):
                kith.add("visit", **visit_fields(self.chance, participant or self.maria, number))

    def write_charts(self, who, charts, visits):
        with Library(who) as kith:
            for chart in range(charts):
                maria = kith.add("participant", name="Participant %d" % chart)
                for number in range(visits // charts):
                    kith.add("visit", **visit_fields(self.chance, maria, number))

    def spare(self, name):
        """Another laptop of Rosa's, from before anything was written."""
        code = self.founder.json("invite", "--person", "Rosa Quiroga", "--role", "supervisor")["code"]
        laptop = self.rosa.lab.laptop(name)
        laptop.ok("join", code, "--device-name", name)
        laptop.ok("unlock")
        return laptop

    def timed_sync(self, who):
        """Seconds on the line, from connecting to the end; and the report."""
        self.link.first_connect_at = None
        report = who.sync()
        return time.monotonic() - self.link.first_connect_at, report

    def without_line(self, who):
        """What an exchange takes this machine, at the most."""
        times = []
        for _ in range(3):
            self.write(who, 1)
            times.append(self.timed_sync(who)[0])
        return max(times)

    def slow(self, rate=64000, round_trip=0.3):
        self.link.rate, self.link.round_trip = rate, round_trip

    def fast(self):
        self.link.rate = self.link.round_trip = 0


def one_visit_takes_little_more_than_two_round_trips(lab):
    office = Office(lab)
    own = office.without_line(office.ana)
    office.write(office.ana, 1)
    office.slow()
    took, report = office.timed_sync(office.ana)
    print("one visit: %.2f s, %.2f of it the machine's, %d bytes up, %d down, %d for the change" %
          (took, own, report["bytes_out"], report["bytes_in"], report["change_bytes"]))
    expect(report["sent"] == 1 and report["round_trips"] == 1 and report["up_to_date"], str(report))
    expect(took <= 1.35 + own, "one visit took %.2f s" % took)
    expect(report["change_bytes"] <= 680, "a visit takes %d bytes" % report["change_bytes"])
    total = report["bytes_out"] + report["bytes_in"]
    expect(total <= 1200, "the whole sync took %d bytes" % total)
    took, report = office.timed_sync(office.ana)
    total = report["bytes_out"] + report["bytes_in"]
    print("nothing new: %.2f s, %d bytes" % (took, total))
    expect(total <= 320, "nothing new took %d bytes" % total)


def a_day_of_visits_both_ways_is_one_burst(lab):
    office = Office(lab)
    own = office.without_line(office.ana)
    office.rosa.sync()
    office.write(office.rosa, 20)
    office.rosa.sync()
    office.write(office.ana, 20)
    office.slow()
    took, report = office.timed_sync(office.ana)
    print("20 up, 20 down: %.2f s, %d bytes up, %d down" % (took, report["bytes_out"], report["bytes_in"]))
    expect(report["sent"] == report["received"] == 20 and report["round_trips"] == 1, str(report))
    expect(took <= 4 + own, "it took %.2f s" % took)


def two_thousand_records_arrive_at_a_megabit(lab):
    office = Office(lab)
    spare = office.spare("spare")
    office.write_charts(office.ana, 20, 2000)
    office.ana.sync()
    office.slow(rate=1000000)
    took, report = office.timed_sync(spare)
    line = report["bytes_in"] * 8 / 1000000
    print("%d changes: %.1f s, %.1f of them the bytes alone, %d bytes" %
          (report["received"], took, line, report["bytes_in"]))
    expect(report["received"] >= 2000, str(report))
    expect(took <= 15, "it took %.1f s" % took)


def cuts_at_any_byte_repeat_little(lab):
    office = Office(lab)
    laptops = [office.spare(name) for name in ("whole", "cut")]
    office.write_charts(office.ana, 40, 10000)
    office.ana.sync()
    before = office.link.carried
    laptops[0].sync()
    whole = office.link.carried - before
    office.link.cuts = lambda: office.chance.expovariate(1 / 65536)
    before, tries, visits = office.link.carried, 0, -1
    while tries < 3000:
        tries += 1
        done = laptops[1].run("sync", "--json")
        if done.code == 0:
            break
        expect(done.code == 3, "cut: exit %d: %s" % (done.code, done.err))
    office.link.cuts = None
    spent = office.link.carried - before
    print("whole %d bytes; cut %d times, %d bytes, %.2f times as many" % (whole, tries - 1, spent, spent / whole))
    expect(done.code == 0 and tries > 20, "it came through, and was cut often")
    expect(spent <= 1.6 * whole, "%.2f times the bytes" % (spent / whole))
    there = [json.loads(who.ok("visit", "list", "--json")) for who in laptops]
    expect(len(there[0]) >= 10000 and there[0] == there[1], "the same stands on both")


def what_is_urgent_overtakes_a_long_download(lab):
    office = Office(lab)
    spare = office.spare("spare")
    office.write_charts(office.ana, 40, 10000)
    office.ana.sync()
    office.slow()
    download = spare.start("sync")
    time.sleep(12)
    office.fast()
    expect(download.poll() is None, "the download goes on")
    office.ana.json("concern", "add", "participant=" + office.maria, "urgency=urgent",
                    "facts=He said he does not want to live.")
    office.ana.sync()
    started, seen = time.monotonic(), []
    while not seen and time.monotonic() - started < 60:
        seen = spare.json("concern", "list")
        time.sleep(0.05)
    took = time.monotonic() - started
    print("an urgent change was on the screen after %.2f s" % took)
    expect(download.poll() is None, "the download still goes on")
    download.kill()
    download.communicate()
    expect(seen and took <= 3, "it took %.1f s" % took)


if __name__ == "__main__":
    main([one_visit_takes_little_more_than_two_round_trips, a_day_of_visits_both_ways_is_one_burst,
          two_thousand_records_arrive_at_a_megabit, cuts_at_any_byte_repeat_little,
          what_is_urgent_overtakes_a_long_download])
