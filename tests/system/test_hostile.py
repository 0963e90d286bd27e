#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Strangers, garbage and altered bytes: each is refused, the hub keeps serving, nobody else is affected."""
import os
import socket
import threading

from lab import expect, main, seeded

PREAMBLE = b"K\x01\x00"


def talk(hub, data, wait=2.0):
    """What the hub answers to these bytes before it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=wait) as stranger:
        answer = b""
        try:
            stranger.sendall(data)
            while more := stranger.recv(65536):
                answer += more
        except (socket.timeout, ConnectionError):
            pass
        return answer


def open_agency(lab, proxied=False):
    hub = lab.hub(proxied)
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    ana.json("participant", "add", "name=Maria Lopez")
    return hub, ana


def garbage_instead_of_a_handshake_gets_no_answer(lab):
    chance = seeded()
    hub, ana = open_agency(lab)
    strangers = [b"\x16\x03\x01\x02\x00", b"K\x02\x00", b"K\x01\x09",
                 PREAMBLE + b"\x00\x00", PREAMBLE + b"\xff\xff" + os.urandom(65535),
                 PREAMBLE + b"\x00\x60" + os.urandom(96), PREAMBLE + b"\x01\x00" + bytes(256)]
    strangers += [os.urandom(chance.randrange(1, 4000)) for _ in range(40)]
    for data in strangers:
        answer = talk(hub, data, 0.5)
        is_web = b"A" <= data[:1] <= b"Z" and data[:1] != b"K"  # see test_websocket.py
        expect(answer == b"" or is_web and answer.startswith(b"HTTP/1.1 4"), "an answer to %r" % data[:8])
    expect(ana.sync()["up_to_date"], "and Ana syncs as before")


def truncated_first_flights_are_dropped(lab):
    hub, ana = open_agency(lab, proxied=True)
    ana.sync()
    flight = bytes(hub.proxy.seen)
    start = flight.rfind(PREAMBLE)
    for cut in list(range(1, 120, 7)):
        talk(hub, flight[start:start + cut], 0.2)
    expect(ana.sync()["up_to_date"], "and Ana syncs as before")


def a_replayed_first_flight_changes_nothing(lab):
    hub, ana = open_agency(lab, proxied=True)
    hub.proxy.seen.clear()
    ana.sync()
    stats = hub.stats()
    seen = bytes(hub.proxy.seen)
    start = seen.find(PREAMBLE)
    length = int.from_bytes(seen[start + 3:start + 5], "big")
    for _ in range(3):
        expect(talk(hub, seen[start:start + 5 + length], 0.5) == b"", "no answer: it was let in before")
    expect(hub.stats()["changes"] == stats["changes"], "nothing was stored twice")
    expect(ana.sync()["up_to_date"], "and Ana syncs as before")


def thousands_of_replayed_first_flights_keep_no_device_out(lab):
    hub, ana = open_agency(lab, proxied=True)
    hub.limit(handshakes_per_address_burst=1000000)  # all have one address here
    hub.proxy.seen.clear()
    ana.sync()
    seen = bytes(hub.proxy.seen)
    start = seen.find(PREAMBLE)
    flight = seen[start:start + 5 + int.from_bytes(seen[start + 3:start + 5], "big")]
    over = threading.Event()

    def say_it_again():
        while not over.is_set():
            talk(hub, flight, 1)

    mob = [threading.Thread(target=say_it_again) for _ in range(8)]
    for stranger in mob:
        stranger.start()
    try:
        for _ in range(10):
            expect(ana.sync()["up_to_date"], "Ana comes through at once")
    finally:
        over.set()
        for stranger in mob:
            stranger.join()


def a_bit_flipped_on_the_way_ends_the_session_and_loses_nothing(lab):
    chance = seeded()
    hub, ana = open_agency(lab, proxied=True)
    ana.sync()
    maria = ana.json("participant", "list")[0]["id"]

    for turn in range(24):
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=turn %d" % turn)
        is_up, at = chance.random() < 0.5, chance.randrange(900)
        passed = {True: 0, False: 0}

        def spoil(data, up):
            first = passed[up]
            passed[up] += len(data)
            if up == is_up and first <= at < first + len(data):
                data = bytearray(data)
                data[at - first] ^= 1 << chance.randrange(8)
            return bytes(data)

        hub.proxy.spoil = spoil
        ana.run("sync")
        hub.proxy.spoil = None
    final = ana.sync()
    expect(final["up_to_date"] and final["refused"] == [], str(final))
    expect(ana.status()["unsent"] == 0, "everything went up in the end")
    expect(len(ana.json("visit", "list")) == 24, "and is there")


def another_hub_at_the_same_address_gets_nothing(lab):
    hub, ana = open_agency(lab)
    hub.kill()
    impostor = lab.hub()
    impostor.stop()
    impostor.port = hub.port
    impostor.start()
    result = ana.run("sync")
    expect(result.code in (1, 3), "no sync with a hub that is not hers: %d" % result.code)
    expect(impostor.stats()["changes"] == 0, "and it got nothing")
    impostor.kill()
    hub.start()
    expect(ana.sync()["up_to_date"], "her own hub is recognised")


if __name__ == "__main__":
    main([garbage_instead_of_a_handshake_gets_no_answer,
          truncated_first_flights_are_dropped,
          a_replayed_first_flight_changes_nothing, thousands_of_replayed_first_flights_keep_no_device_out,
          a_bit_flipped_on_the_way_ends_the_session_and_loses_nothing,
          another_hub_at_the_same_address_gets_nothing])
