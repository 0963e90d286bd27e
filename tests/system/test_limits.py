#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More peers than the hub will have: strangers do not keep devices out, and who is turned away is told when to come."""
import socket
import time

from lab import expect, main, seeded


def stranger(hub, address="127.0.0.1", data=b""):
    connection = socket.create_connection(("127.0.0.1", hub.port), timeout=5, source_address=(address, 0))
    if data:
        connection.sendall(data)
    return connection


def ends_within(connection, seconds):
    """What still comes before the other side closes; None if it does not."""
    connection.settimeout(seconds)
    answer = b""
    try:
        while more := connection.recv(4096):
            answer += more
    except socket.timeout:
        return None
    except ConnectionError:
        pass
    return answer


def open_agency(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    ana.json("participant", "add", "name=Maria Lopez")
    return hub, ana


def half_open_strangers_do_not_keep_a_device_out(lab):
    hub, ana = open_agency(lab)
    hub.limit(handshakes_max=200, handshakes_per_address_burst=100000)
    began = [b"", b"K", b"K\x01\x00", b"K\x01\x00\xff\xff" + bytes(3000)]
    crowd = []
    for number in range(1500):
        try:
            crowd.append(stranger(hub, "127.0.0.%d" % (2 + number % 50), began[number % len(began)]))
        except OSError:
            pass  # one that the hub closed while it was being made
        if number % 100 == 99:
            started = time.monotonic()
            expect(ana.sync()["up_to_date"], "Ana syncs in the middle of it")
            expect(time.monotonic() - started < 2, "and does not wait")
    stats = hub.stats()
    expect(stats["handshakes"] <= 200, "%d strangers at once" % stats["handshakes"])
    expect(stats["turned_away"] >= 1000, "%d had to go" % stats["turned_away"])
    for connection in crowd:
        connection.close()


def one_address_begins_no_more_than_it_may(lab):
    hub, ana = open_agency(lab)
    hub.limit(handshakes_per_address_burst=20, handshakes_per_address_rate=1, retry_s=7)
    answers = []
    for _ in range(100):
        connection = stranger(hub, "127.0.0.9", b"K\x01\x00")
        answers.append(ends_within(connection, 0.05))
        connection.close()
    told = [int.from_bytes(answer[2:], "big") for answer in answers if answer and answer[:2] == b"\0\0"]
    expect(70 <= len(told) <= 80, "%d of 100 were refused" % len(told))
    expect(all(7 <= seconds <= 21 for seconds in told), "each is told when to come again")
    expect(len(set(told)) > 3, "and not all of them the same")
    expect(ana.sync()["up_to_date"], "others are not concerned")


def a_device_that_is_turned_away_is_told_when_to_come_again(lab):
    hub, ana = open_agency(lab)
    hub.limit(handshakes_per_address_burst=1, handshakes_per_address_rate=1, retry_s=1000)
    results = [ana.run("sync") for _ in range(4)]
    busy = [result for result in results if result.code == 3]
    expect(busy, "some were turned away")
    expect(all(result.code in (0, 3) for result in results), "nothing worse than that")
    for result in busy:
        words = result.err.split("the hub is busy; try again in ")
        expect(len(words) == 2 and 1000 <= int(words[1].split()[0]) <= 3000, "says when: " + result.err)
    time.sleep(1.2)
    expect(ana.sync()["up_to_date"], "and it is let in when there is room")


def who_dribbles_or_says_nothing_is_dropped(lab):
    hub, ana = open_agency(lab)
    hub.limit(handshake_s=1, stall_s=2)
    silent = stranger(hub)
    slow = stranger(hub, data=b"K\x01\x00\xff\xff")
    started = time.monotonic()
    try:
        while time.monotonic() - started < 6:
            slow.sendall(b"x")
            time.sleep(0.2)
    except OSError:
        pass
    expect(time.monotonic() - started < 4, "a byte now and then is no progress")
    expect(ends_within(silent, 1) == b"", "nor is silence")
    expect(ana.sync()["up_to_date"], "and Ana syncs as before")


def a_hub_that_is_stopped_finishes_what_is_in_flight(lab):
    chance = seeded()
    hub, ana = open_agency(lab)
    maria = ana.json("participant", "list")[0]["id"]
    ana.sync()
    started = time.monotonic()
    ana.sync()
    sync_s = time.monotonic() - started
    before, saved, told = hub.stats()["changes"], 0, 0
    for turn in range(25):
        for number in range(3):
            ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=visit %d of %d" % (number, turn))
            saved += 1
        syncing = ana.start("sync")
        time.sleep(chance.uniform(0, 2 * sync_s))
        expect(hub.stop() == 0, "an orderly end")
        _, complaint = syncing.communicate(timeout=60)
        expect(syncing.returncode in (0, 3), "exit %d: %s" % (syncing.returncode, complaint))
        told += "the hub is busy; try again in" in complaint
        hub.start()
        stored, unsent = hub.stats()["changes"] - before, ana.status()["unsent"]
        expect(stored >= saved - unsent, "%d acknowledged, %d there" % (saved - unsent, stored))
    print("%d of 25 syncs were told to come again" % told)
    ana.sync()
    expect(hub.stats()["changes"] - before == saved, "everything went up in the end, once")


if __name__ == "__main__":
    main([half_open_strangers_do_not_keep_a_device_out, one_address_begins_no_more_than_it_may,
          a_device_that_is_turned_away_is_told_when_to_come_again, who_dribbles_or_says_nothing_is_dropped,
          a_hub_that_is_stopped_finishes_what_is_in_flight])
