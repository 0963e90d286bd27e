#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent: in step with the hub without being asked, through cuts and stalls, and without a key once it is locked."""
import concurrent.futures
import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import time

from emulator import Link
from lab import expect, main, Failed, Skipped

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP = 1


def wait_for(what, check, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise Failed("not within %d s: %s" % (seconds, what))


def agent_is(laptop, word):
    return laptop.status()["agent"] == word


class Office:
    def __init__(self, lab):
        self.hub = lab.hub(through=Link)
        self.link = self.hub.link
        self.founder = lab.found(self.hub)
        self.rosa = lab.join(self.founder, "Rosa Quiroga", "supervisor")
        self.ana = lab.join(self.founder, "Ana Silva", "specialist", "Rosa Quiroga")
        self.maria = self.ana.json("participant", "add", "name=Maria Lopez")["id"]
        self.ana.sync()
        self.rosa.sync()
        self.agents = []

    def start(self, laptop, *options):
        """In the foreground, with its words in laptop.said."""
        laptop.said = os.path.join(laptop.lab.folder, laptop.name + ".agent")
        process = laptop.start("agent", "--foreground", *options)
        process.stdout.close()
        self.agents.append(process)
        os.set_blocking(process.stderr.fileno(), False)
        wait_for("the agent is there", lambda: laptop.status()["agent"])
        return process

    def visit(self, purpose):
        return self.ana.json("visit", "add", "participant=" + self.maria, "date=today", "purpose=" + purpose)["id"]

    def seen_by_rosa(self, purpose):
        return any(visit["fields"].get("purpose") == purpose for visit in self.rosa.json("visit", "list"))

    def end(self):
        for process in self.agents:
            process.kill()
            process.communicate()


def agents(test):
    def run(lab):
        office = Office(lab)
        try:
            test(office)
        finally:
            office.end()
    run.__name__ = test.__name__
    return run


def in_a_network_of_its_own(test):
    """All that the test starts has a loopback device that nobody else sees."""
    def inside(lab):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise Skipped("needs a network namespace: " + os.strerror(ctypes.get_errno()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
        test(lab)

    def run(lab):
        with concurrent.futures.ThreadPoolExecutor(1) as thread:  # what it unshares ends with it
            thread.submit(inside, lab).result()
    run.__name__ = test.__name__
    return run


def change_the_network(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR,
                    struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address)))


class NetworkManager:
    """What busctl says of it, for whoever is started from now on."""

    def __init__(self, lab, metered):
        self.answer = os.path.join(lab.folder, "metered")
        self.says(metered)
        folder = os.path.join(lab.folder, "programs")
        os.mkdir(folder)
        with open(os.path.join(folder, "busctl"), "w") as file:
            file.write("#!/bin/sh\nexec cat %s\n" % self.answer)
        os.chmod(file.name, 0o755)
        lab.environment = lambda _: {**os.environ, "PATH": folder + ":" + os.environ["PATH"]}

    def says(self, metered):
        with open(self.answer, "w") as file:
            file.write("u %d\n" % metered)


@agents
def what_is_saved_is_with_the_supervisor_at_once(office):
    office.start(office.ana)
    office.start(office.rosa)
    for laptop in (office.ana, office.rosa):
        wait_for("connected", lambda: agent_is(laptop, "live"))
    for number in range(3):
        started = time.monotonic()
        office.visit("saved while the agents run %d" % number)
        wait_for("it is there", lambda: office.seen_by_rosa("saved while the agents run %d" % number), 10)
        print("%.2f s from saving to reading on another laptop" % (time.monotonic() - started))
    expect(office.ana.status()["unsent"] == 0 and office.ana.status()["up_to_date"], "and acknowledged")
    # A person's own sync works beside it.
    expect(office.ana.sync()["up_to_date"], "a sync beside the agent")
    expect(agent_is(office.ana, "live"), "the agent goes on")


@agents
def a_new_colleague_arrives_while_it_runs(office):
    office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    code = office.founder.json("invite", "--person", "Tom Reed", "--role", "specialist")["code"]
    tom = office.founder.lab.laptop("tom")
    tom.ok("join", code, "--device-name", "tom")
    wait_for("the roster grew", lambda: any(row["name"] == "Tom Reed" for row in office.ana.json("person", "list")))
    office.ana.ok("grant", "Maria Lopez", "Tom Reed")
    wait_for("the grant went up", lambda: "Tom Reed" in
             [row["name"] for row in office.ana.json("circle", "show", "Maria Lopez")["members"]])
    wait_for("it can be read", lambda: (tom.run("sync"), tom.json("participant", "list"))[1])


@agents
def cuts_and_a_dead_hub_are_outlived(office):
    office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    office.link.is_down = True
    wait_for("it noticed", lambda: agent_is(office.ana, "waiting"))
    office.visit("saved in the basement")
    time.sleep(1)
    expect(office.ana.status()["unsent"] == 1, "kept here")
    office.link.is_down = False
    wait_for("it came again", lambda: office.ana.status()["unsent"] == 0, 40)
    office.hub.kill()
    office.visit("saved while the hub was gone")
    wait_for("it noticed", lambda: agent_is(office.ana, "waiting"))
    office.hub.start()
    wait_for("it came again", lambda: office.ana.status()["unsent"] == 0, 60)
    office.rosa.sync()
    expect(office.seen_by_rosa("saved in the basement") and office.seen_by_rosa("saved while the hub was gone"), "all")


@agents
def a_line_that_swallows_everything_is_noticed(office):
    office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    office.link.stall_up = True
    connects = office.link.connects
    office.visit("into the void")
    wait_for("it tries", lambda: agent_is(office.ana, "syncing"), 10)
    expect(office.ana.status()["unsent"] == 1, "kept here")
    wait_for("it gave up and came again", lambda: office.link.connects > connects, 60)
    office.link.stall_up = False
    wait_for("and through", lambda: office.ana.status()["unsent"] == 0, 90)


@agents
def locked_it_has_no_key_and_opened_it_goes_on(office):
    process = office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    expect(not open_files(process.pid, "data.mdb") == [], "it has the store open")
    office.ana.ok("lock")
    expect(office.ana.status()["agent"] == "locked", "it says so")
    expect(open_files(process.pid, "data.mdb") == [], "the store is closed")
    office.visit("saved with the passphrase")
    time.sleep(1.5)
    expect(office.ana.status()["unsent"] == 1, "nothing goes while it is locked")
    office.ana.ok("unlock")
    wait_for("it went on by itself", lambda: office.ana.status()["unsent"] == 0)


def open_files(pid, name):
    """The files of that name that a process has mapped or open."""
    with open("/proc/%d/maps" % pid) as maps:
        return [line for line in maps if line.rstrip().endswith("/" + name)]


@agents
def one_agent_a_home_in_the_background_and_stopped(office):
    ana = office.ana
    expect(ana.json("agent")["agent"] in ("locked", "waiting", "syncing", "live"), "started")
    wait_for("connected", lambda: agent_is(ana, "live"))
    again = ana.json("agent")
    expect(again["agent"] == "live", "the same one: %s" % again)
    second = ana.run("agent", "--foreground")
    expect(second.code == 1 and re.search("already", second.err), "one a home: %s" % second.err)
    office.visit("in the background")
    wait_for("sent", lambda: ana.status()["unsent"] == 0)
    ana.ok("agent", "stop")
    expect(ana.status()["agent"] is None, "gone")
    ana.ok("agent", "stop")  # once more is no mistake
    expect(os.listdir(ana.home).count("agent.sock") == 0, "it leaves nothing behind")


@agents
def killed_it_can_be_started_again(office):
    process = office.start(office.ana)
    process.send_signal(signal.SIGKILL)
    process.wait()
    expect(office.ana.status()["agent"] is None, "none runs")
    office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    office.agents[-1].send_signal(signal.SIGTERM)
    expect(office.agents[-1].wait(10) == 0, "and ends in order")


@agents
def a_metered_link_is_used_for_what_is_urgent(office):
    office.start(office.ana, "--metered")
    wait_for("it was there once", lambda: office.link.connects >= 1 and agent_is(office.ana, "waiting"))
    connects = office.link.connects
    office.visit("not urgent")
    time.sleep(2)
    expect(office.link.connects == connects and office.ana.status()["unsent"] == 1, "it waits")
    office.ana.ok("concern", "add", "participant=" + office.maria, "urgency=urgent", "facts=He is not safe at home.")
    wait_for("it went, and the other with it", lambda: office.ana.status()["unsent"] == 0)


@in_a_network_of_its_own
@agents
def what_the_network_says_of_itself_is_believed(office):
    unknown, is_metered, is_not, seems_to_be = 0, 1, 2, 3
    network = NetworkManager(office.ana.lab, unknown)
    office.start(office.ana)
    wait_for("connected", lambda: agent_is(office.ana, "live"))
    for turn, metered in enumerate((is_metered, seems_to_be)):
        network.says(metered)
        change_the_network("127.9.0.%d" % (2 * turn + 1))
        wait_for("it does not stay", lambda: agent_is(office.ana, "waiting"))
        connects = office.link.connects
        office.visit("not urgent")
        time.sleep(1)
        expect(office.link.connects == connects and office.ana.status()["unsent"] == 1, "it waits")
        network.says(is_not)
        change_the_network("127.9.0.%d" % (2 * turn + 2))
        wait_for("it went", lambda: office.ana.status()["unsent"] == 0)
        wait_for("it stays again", lambda: agent_is(office.ana, "live"))


if __name__ == "__main__":
    main([what_is_saved_is_with_the_supervisor_at_once, a_new_colleague_arrives_while_it_runs,
          cuts_and_a_dead_hub_are_outlived, a_line_that_swallows_everything_is_noticed,
          locked_it_has_no_key_and_opened_it_goes_on, one_agent_a_home_in_the_background_and_stopped,
          killed_it_can_be_started_again, a_metered_link_is_used_for_what_is_urgent,
          what_the_network_says_of_itself_is_believed])
