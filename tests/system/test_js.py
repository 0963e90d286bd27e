#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JavaScript client, written from docs/protocol.md: it agrees with every vector, and with the C client."""
import glob
import json
import os
import re
import shutil
import subprocess

from lab import Failed, Skipped, expect, main

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "client", "js")
NODE_LEAST = 20


def node():
    """The program, if the client can run with it here."""
    found = shutil.which("node")
    if not found:
        raise Skipped("needs Node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.match(r"v(\d+)", version).group(1)) < NODE_LEAST:
        raise Skipped("needs Node %d, not %s" % (NODE_LEAST, version.strip()))
    if not os.path.isdir(os.path.join(CLIENT, "node_modules", "libsodium-wrappers")):
        raise Skipped("needs the packages of client/js: deploy/setup/packages.sh check")
    return found


class Js:
    """A device of the JavaScript client; its home is a file of the lab."""

    def __init__(self, lab, name, code):
        self.home, self.node = os.path.join(lab.folder, "js-" + name), node()
        self.run("join", code)

    def run(self, *arguments):
        command = [self.node, os.path.join("test", "support", "device.js"), self.home]
        done = subprocess.run(command + list(arguments), cwd=CLIENT, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failed("js %s: %s" % (arguments[0], done.stderr))
        return json.loads(done.stdout)

    def sync(self):
        return self.run("sync")

    def write(self, circle, *edits):
        return self.run("write", circle, json.dumps(edits))


NOTE, RESPONSE, SKILLS, UNKNOWN = 7, 6, 3, 900  # the last one is a field of some later version
PUT, ADD, DROP, APPEND, KEYED = range(5)


def edit(record, field, value, kind=PUT, **more):
    return dict(record=record, type=NOTE, field=field, kind=kind, value=value, **more)


def unsettled(js, chart, visit):
    return [row for row in js.run("records", chart, str(NOTE)) if row["id"] == visit][0]["fields"][str(RESPONSE)][0]


class Chart:
    """Ana with the C client and Joe with this one share Maria's chart, and both have a visit of it."""

    def __init__(self, lab):
        self.founder = lab.found(lab.hub())
        self.ana = lab.join(self.founder, "Ana Silva", "specialist")
        self.joe = Js(lab, "joe", self.founder.json("invite", "--person", "Joe Park", "--role", "specialist")["code"])
        self.founder.sync()
        self.ana.sync()
        maria = self.ana.json("participant", "add", "name=Maria Lopez")["id"]
        self.ana.ok("grant", "Maria Lopez", "Joe Park")
        self.visit = self.ana.json("visit", "add", "participant=" + maria, "date=2026-03-02", "start=09:00", "end=09:45",
                                   "what_was_done=" + "We went to the office and asked about the papers. " * 30)["id"]
        self.sync()
        self.chart = [row["id"] for row in self.joe.run("circles") if row["kind"] == 2][0]
        self.record = [row["id"] for row in self.joe.run("records", self.chart, str(NOTE))][0]

    def sync(self, order=("ana", "joe")):
        for _ in range(2):
            for name in order:
                getattr(self, name).sync()

    def expect_same(self, when):
        mine, theirs = self.joe.run("states"), self.ana.json("verify", "--state")
        expect(self.chart in mine and len(mine) >= 2, "the chart and the agency's circle: %s" % mine)
        for circle, state in mine.items():
            expect(theirs[circle] == state, "%s: %s is %s and %s" % (when, circle, theirs[circle], state))

    def edit_apart(self, turn):
        """Both write without a network: one field each, a field that both write, sets and keys."""
        self.ana.ok("visit", "edit", self.visit, "response=Ana, turn %d" % turn, "plan_next=Call on day %d" % turn,
                    "skills_practised+=breathing")
        self.joe.write(self.chart, edit(self.record, RESPONSE, "Joe, turn %d" % turn),
                       edit(self.record, SKILLS, "walking", ADD), edit(self.record, SKILLS, "breathing", ADD),
                       edit(self.record, UNKNOWN, "worse", KEYED, key="sleep"),
                       edit(self.record, UNKNOWN, "said once", APPEND), edit(self.record, UNKNOWN, [turn, None, True]))
        self.joe.write(self.chart, edit(self.record, SKILLS, "walking", DROP))


def every_vector_is_read_and_written_alike(_):
    done = subprocess.run([node(), "--test", "--test-reporter=tap"] + sorted(glob.glob(CLIENT + "/test/*.test.js")),
                          cwd=CLIENT, capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout + done.stderr)
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.M)
    expect(passed and int(passed.group(1)) >= 19, "the tests of client/js ran: %s" % done.stdout[-500:])


def in_browser(*arguments):
    program, browser = node(), shutil.which("chromium")
    if not browser:
        raise Skipped("needs Chromium")
    done = subprocess.run([program, os.path.join("test", "browser.js"), browser] + list(arguments), cwd=CLIENT,
                          capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def every_vector_is_read_alike_in_a_browser(_):
    passed = re.search(r"^# pass (\d+)$", in_browser(), re.M)
    expect(passed and int(passed.group(1)) >= 19, "the tests ran in the page")


def a_page_joins_the_agency(lab):
    founder = lab.found(lab.hub())
    code = founder.json("invite", "--person", "Joe Park", "--role", "specialist")["code"]
    founder.sync()
    states = json.loads(in_browser(code))
    founder.sync()
    expect(states and states == founder.json("verify", "--state"), "the page has what the founder has: %s" % states)


def both_clients_edit_a_visit_apart_and_agree_in_either_order(lab):
    chart = Chart(lab)
    chart.expect_same("after the first sync")
    for turn, order in enumerate((("ana", "joe"), ("joe", "ana"))):
        chart.edit_apart(turn)
        chart.sync(order)
        chart.expect_same("%s first" % order[0])
        conflicts = chart.ana.json("visit", "show", chart.visit)["conflicts"]
        response = [row for row in conflicts if row["field"] == "response"]
        texts = sorted(value["value"] for value in response[0]["values"])
        expect(texts == ["Ana, turn %d" % turn, "Joe, turn %d" % turn], "both texts are kept: %s" % conflicts)
        seen = unsettled(chart.joe, chart.chart, chart.record)
        expect(seen["isUnsettled"] and sorted(of["value"] for of in seen["values"]) == texts, str(seen))
        chart.joe.write(chart.chart, edit(chart.record, RESPONSE, "settled by Joe"))
        chart.sync(order)
        chart.expect_same("settled")
        shown = chart.ana.json("visit", "show", chart.visit)
        expect([row for row in shown["conflicts"] if row["field"] == "response"] == [], "settled here too: %s" % shown)
        expect(shown["fields"]["response"] == "settled by Joe", str(shown["fields"]))
    for laptop in (chart.ana, chart.founder):
        laptop.sync()
        expect(laptop.json("verify")["ok"], "what the other client wrote stands up to every check")
    expect(chart.joe.sync() == {"sent": 0, "received": 0, "refused": 0}, "nothing is left")


def what_was_taken_from_it_is_gone_and_comes_back_when_it_is_let_in_again(lab):
    chart = Chart(lab)
    chart.joe.write(chart.chart, edit(chart.record, RESPONSE, "written in the first epoch"))
    chart.sync()
    chart.ana.ok("withdraw", "Maria Lopez", "Joe Park")
    chart.ana.sync()
    chart.joe.sync()
    left = next(row for row in chart.joe.run("circles") if row["id"] == chart.chart)
    expect((left["records"], left["hasKey"], left["mayWrite"]) == (0, False, False), "nothing is left: %s" % left)
    expect(chart.joe.sync() == {"sent": 0, "received": 0, "refused": 0}, "both sides agree about what it has")
    chart.ana.ok("visit", "edit", chart.visit, "plan_next=Written while Joe was out")
    chart.ana.ok("grant", "Maria Lopez", "Joe Park")
    chart.sync()
    chart.expect_same("let in again")
    chart.joe.write(chart.chart, edit(chart.record, SKILLS, "written in the second epoch", ADD))
    chart.sync()
    chart.expect_same("written again")
    expect("written in the second epoch" in str(chart.ana.json("visit", "show", chart.visit)["fields"]), "it arrived")
    expect(chart.joe.sync() == {"sent": 0, "received": 0, "refused": 0}, "nothing is sent twice")


def a_device_that_was_ended_keeps_nothing(lab):
    chart = Chart(lab)
    number = next(str(of["number"]) for of in chart.ana.json("device", "list") if of["person"] == "Joe Park")
    chart.founder.ok("device", "revoke", number, "--reason", "lost")
    chart.founder.sync()
    chart.joe.sync()
    circles = chart.joe.run("circles")
    expect(circles and all(row["records"] == 0 and not row["hasKey"] for row in circles), str(circles))


def many_changes_travel_both_ways(lab):
    """More than one message and more than one window, and the hub is killed in between."""
    chart = Chart(lab)
    for turn in range(4):
        for _ in range(10):
            chart.ana.ok("visit", "edit", chart.visit, "what_was_done=" + os.urandom(7000).hex())
        chart.joe.run("many", chart.chart, json.dumps(edit(chart.record, UNKNOWN, "x" * 3000)), "60")
        if turn == 2:
            chart.founder.lab.hubs[0].kill()
            chart.founder.lab.hubs[0].start()
        chart.sync()
        chart.expect_same("turn %d" % turn)


if __name__ == "__main__":
    main([every_vector_is_read_and_written_alike, every_vector_is_read_alike_in_a_browser,
          a_page_joins_the_agency,
          both_clients_edit_a_visit_apart_and_agree_in_either_order,
          what_was_taken_from_it_is_gone_and_comes_back_when_it_is_let_in_again, a_device_that_was_ended_keeps_nothing,
          many_changes_travel_both_ways])
