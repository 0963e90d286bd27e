#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sync in one HTTP request: what it carries, and requests that keep the rules and that break them."""
import os
import re
import struct
import time

from lab import expect, main
from web import Ended, Web


def open_agency(lab, proxied=False):
    hub = lab.hub(proxied)
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    ana.sync()
    return hub, founder, ana


def post_of(body, length=None, **headers):
    lines = ["POST /sync HTTP/1.1", "Host: hub.test"]
    if length != "":
        lines.append("Content-Length: %s" % (len(body) if length is None else length))
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def answer(hub, data, wait=5.0):
    """(status, headers, body)"""
    with Web(hub.port, wait) as web:
        web.send(data)
        try:
            status, headers = web.head()
        except Ended:
            return None, {}, b""
        return status, headers, web.rest()


def messages_of(body):
    found = []
    while body:
        length = struct.unpack(">H", body[:2])[0]
        expect(len(body) >= 2 + length, "the last message is whole")
        found.append(body[2:2 + length])
        body = body[2 + length:]
    return found


def recorded_flight(hub, laptop):
    """The body of a device's last request."""
    hub.proxy.seen.clear()
    laptop.ok("sync", "--brief")
    seen = bytes(hub.proxy.seen)
    head, rest = seen[seen.index(b"POST /sync"):].split(b"\r\n\r\n", 1)
    length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")).split(b":")[1])
    return rest[:length]


def one_request_brings_and_takes_all_that_fits(lab):
    hub, founder, ana = open_agency(lab)
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    visit = ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=support")["id"]
    sent = ana.json("sync", "--brief")
    expect(sent["up_to_date"] and sent["sent"] >= 2 and sent["round_trips"] == 1, str(sent))
    expect(ana.status()["unsent"] == 0, "the receipt came back with it")
    got = founder.json("sync", "--brief")
    expect(got["received"] >= 2 and got["round_trips"] == 1, str(got))
    expect(founder.json("visit", "show", visit)["fields"]["purpose"] == "support", "and can be read")
    ana.json("visit", "edit", visit, "purpose=housing")
    founder.sync()
    for laptop in (ana, founder, ana):
        laptop.ok("sync", "--brief")
    expect(founder.json("visit", "show", visit)["fields"]["purpose"] == "housing", "again and again")
    again = ana.json("sync", "--brief")
    expect(again["up_to_date"] and again["sent"] == again["received"] == 0, str(again))


def what_does_not_fit_comes_with_the_next_request(lab):
    hub, founder, ana = open_agency(lab)
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    for turn in range(30):
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=%d %s" % (turn, os.urandom(3000).hex()))
    rounds, last = 0, {"up_to_date": False}
    while not last["up_to_date"] and rounds < 10:
        last = ana.json("sync", "--brief")
        expect(last["up_to_date"] or last["sent"] > 0, "each brings something")
        rounds += 1
    expect(last["up_to_date"] and 1 < rounds < 5, "more than one flight: %d" % rounds)
    got = founder.json("sync", "--brief")
    expect(got["received"] >= 31 and got["bytes_in"] > 80000, "and more than a batch comes down at once: %s" % got)
    expect(len(founder.json("visit", "list")) == 30, "all is there")


def a_recording_is_answered_and_changes_nothing(lab):
    hub, _, ana = open_agency(lab, proxied=True)
    ana.json("participant", "add", "name=Maria Lopez")
    flight = recorded_flight(hub, ana)
    expect(flight[:3] == b"K\x01\x00" and struct.unpack(">H", flight[3:5])[0] == len(flight) - 5, "as over TCP")
    changes = hub.stats()["changes"]
    for data in (post_of(flight), post_of(flight).replace(b"HTTP/1.1", b"HTTP/1.0"),
                 post_of(flight) + b"GET /kith HTTP/1.1\r\n\r\n", post_of(flight) + os.urandom(500)):
        hub.restart()  # it has forgotten whom it let in
        status, headers, body = answer(hub, data)
        expect(status == 200, "%s" % status)
        expect(answer(hub, data)[0] == 403, "once")
        messages = messages_of(body)
        expect(len(messages) >= 2 and len(messages[0]) >= 48, "message 2 and what follows: %s" % [len(m) for m in messages])
        expect(headers.get("cache-control", "no-store") == "no-store", "nobody keeps it")
    expect(hub.stats()["changes"] == changes, "nothing was stored twice")
    hub.restart()
    with Web(hub.port) as web:
        web.send(post_of(b"", len(flight), Expect="100-continue"))
        expect(web.head()[0] == 100, "go on")
        web.send(flight)
        expect(web.head()[0] == 200, "and then as always")
    hub.restart()
    with Web(hub.port) as web:
        for byte in post_of(flight):
            web.send(bytes([byte]))
        expect(web.head()[0] == 200, "byte by byte")
    expect(ana.sync()["up_to_date"], "and Ana syncs as before")


def what_is_no_flight_is_refused_with_its_status(lab):
    hub, _, ana = open_agency(lab, proxied=True)
    flight = recorded_flight(hub, ana)
    flipped = flight[:-1] + bytes([flight[-1] ^ 1])
    cases = [
        ("no length", post_of(flight, ""), 411), ("chunked", post_of(flight, "", Transfer_Encoding="chunked"), 411),
        ("both", post_of(flight, Transfer_Encoding="chunked"), 400), ("nothing", post_of(b""), 400),
        ("a length that is none", post_of(flight, "12x"), 400), ("two lengths", post_of(flight, Content_length="5"), 400),
        ("too long", post_of(b"x" * 66000), 413), ("claims too much", post_of(b"x", "4000000000"), 413),
        ("an upgrade", post_of(flight, Upgrade="websocket", Connection="Upgrade"), 400),
        ("garbage", post_of(os.urandom(300)), 403), ("a bit flipped", post_of(flipped), 403),
        ("another mode", post_of(flight[:2] + b"\x01" + flight[3:]), 403), ("cut", post_of(flight[:-1]), 403),
        ("more than a flight", post_of(flight + flight), None), ("only a preamble", post_of(flight[:3]), 403),
    ]
    for name, data, wanted in cases:
        status, _, body = answer(hub, data)
        if wanted is None:
            expect(status in (200, 403), "%s: %s" % (name, status))
            continue
        expect(status == wanted, "%s: %s, not %d" % (name, status, wanted))
        expect(body == b"", "%s: nothing behind it" % name)
    expect(ana.json("sync", "--brief")["up_to_date"], "and a good one is taken")


def a_hub_that_is_away_or_busy_is_told(lab):
    hub, _, ana = open_agency(lab)
    hub.kill()
    result = ana.run("sync", "--brief")
    expect(result.code == 3 and "not reached" in result.err, "%d %s" % (result.code, result.err))
    hub.start()
    with Web(hub.port) as web:
        web.send(b"P")
        time.sleep(0.2)
        hub.stop()
        expect(web.head()[0] == 503, "a hub that stops says so")
    hub.start()
    expect(ana.json("sync", "--brief")["up_to_date"], "as soon as it is back")


def a_hub_without_room_is_understood(lab):
    hub = lab.hub(address="ws://127.0.0.1:%d")
    ana = lab.found(hub)
    hub.limit(sessions_per_address_max=1)
    with Web(hub.port) as web:
        web.send(b"G")
        for words in (["sync"], ["sync", "--brief"]):
            result = ana.run(*words)
            expect(result.code == 3 and re.search(r"busy; try again in \d+ s", result.err), "%d %s" % (result.code, result.err))
    expect(ana.sync()["up_to_date"], "and then there is room")


if __name__ == "__main__":
    main([one_request_brings_and_takes_all_that_fits, what_does_not_fit_comes_with_the_next_request,
          a_recording_is_answered_and_changes_nothing, what_is_no_flight_is_refused_with_its_status,
          a_hub_that_is_away_or_busy_is_told, a_hub_without_room_is_understood])
