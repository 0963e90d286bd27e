#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hub over the web: requests and frames that keep the rules and that break them, on the raw socket."""
import os
import socket
import struct
import time

from lab import expect, main
from web import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Ended, Web, accept_of, close_frame, first_messages, frame,
                 request)

LONG = b"x" * 70000


def upgraded(hub):
    web = Web(hub.port)
    status, _ = web.upgrade()
    expect(status == 101, "upgraded: %d" % status)
    return web


def code_after(hub, data):
    """What the hub closes with after these bytes."""
    with upgraded(hub) as web:
        web.send(data)
        return web.close_code()


def status_of(hub, data):
    with Web(hub.port) as web:
        web.send(data)
        try:
            status, headers = web.head()
        except Ended:
            return None
        expect(status == 101 or web.rest() == b"", "nothing behind a refusal")
        expect(status == 101 or headers["connection"] == "close", "it says that it closes")
        return status


def a_good_request_is_upgraded(lab):
    hub = lab.hub()
    with Web(hub.port) as web:
        status, headers = web.upgrade()
        expect(status == 101 and headers["upgrade"].lower() == "websocket", str(headers))
        expect(headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "as in RFC 6455, section 1.3")
        expect(headers["sec-websocket-protocol"] == "kith.1", str(headers))
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    good = [dict(Upgrade="WebSocket"), dict(Connection="keep-alive, Upgrade"), dict(connection="upgrade", Connection=None),
            dict(Sec_WebSocket_Protocol="soap, kith.1"), dict(X_Long="y" * 3000), dict(Sec_WebSocket_Key=key),
            dict(Origin="https://elsewhere.test"), dict(Sec_WebSocket_Extensions="permessage-deflate")]
    for changes in good:
        with Web(hub.port) as web:
            status, headers = web.upgrade(**changes)
            expect(status == 101, "%s: %d" % (changes, status))
            wanted = accept_of(changes.get("Sec_WebSocket_Key", "dGhlIHNhbXBsZSBub25jZQ=="))
            expect(headers["sec-websocket-accept"] == wanted, "the key is answered")
            expect("sec-websocket-extensions" not in headers, "no extension is taken")
    with Web(hub.port) as web:  # a byte at a time
        for byte in request():
            web.send(bytes([byte]))
        expect(web.head()[0] == 101, "byte by byte")


def a_bad_request_is_answered_with_the_status_that_says_why(lab):
    hub = lab.hub()
    cases = [
        (request(path="/"), 404), (request(path="/kith/"), 404), (request(path="/" + "k" * 500), 404),
        (request(path="/" + "k" * 300 + "/kith"), 404),
        (request(method="POST"), 405), (request(method="DELETE"), 405), (request(method="HEAD"), 405),
        (request(path="/sync"), 405),
        (request(Upgrade=None), 426), (request(Upgrade="h2c"), 426), (request(Connection="close"), 426),
        (request(Connection=None), 426), (request(Sec_WebSocket_Version=None), 426),
        (request(Sec_WebSocket_Version="8"), 426), (request(Sec_WebSocket_Version="13, 8"), 426),
        (request(version="HTTP/1.0", Upgrade=None, Connection=None), 426),
        (request(Host=None), 400), (request(Sec_WebSocket_Key=None), 400), (request(Sec_WebSocket_Key="short"), 400),
        (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=" + "x"), 400), (request(Sec_WebSocket_Key="x" * 400), 400),
        (request(Sec_WebSocket_Protocol=None), 400), (request(Sec_WebSocket_Protocol="kith.2"), 400),
        (request(Sec_WebSocket_Protocol="xkith.1"), 400),
        (request(Content_Length="5"), 400), (request(Transfer_Encoding="chunked"), 400),
        (request(Host="a", host="b"), 400), (request(sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA=="), 400),
        (request(Content_Length="1", content_length="2"), 400), (request(Content_Length="-1"), 400),
        (request(X_Long="y" * 9000), 431), (request(**{"X%d" % i: "y" * 100 for i in range(100)}), 431),
        (request(version="HTTP/3.0"), 505), (request(version="JUNK"), 400), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400), (b"GET /kith\x00 HTTP/1.1\r\n\r\n", 400), (b"GET /kith HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /kith HTTP/1.1\r\nHost : x\r\n\r\n", 400), (b"Z" * 9000, 400),
    ]
    for data, wanted in cases:
        status = status_of(hub, data)
        expect(status == wanted, "%r: %s, not %d" % (data[:80], status, wanted))
    expect(status_of(hub, request()) == 101, "and a good one is taken")


def frames_that_break_a_rule_are_told_which(lab):
    hub = lab.hub()
    good = b"K\x01\x00" + os.urandom(200)
    cases = [
        ("unmasked", frame(BINARY, b"abc", is_masked=False), 1002),
        ("unmasked ping", frame(PING, b"abc", is_masked=False), 1002),
        ("reserved bit 1", frame(BINARY, good, rsv=4), 1002), ("reserved bit 2", frame(BINARY, good, rsv=2), 1002),
        ("reserved bit 3", frame(BINARY, good, rsv=1), 1002), ("reserved bit on a ping", frame(PING, rsv=4), 1002),
        ("opcode 3", frame(3, b"abc"), 1002), ("opcode 7", frame(7), 1002), ("opcode 11", frame(11), 1002),
        ("opcode 15", frame(15, b"abc"), 1002),
        ("a fragmented ping", frame(PING, b"a", fin=False), 1002), ("a long ping", frame(PING, b"a" * 126), 1002),
        ("a fragmented close", frame(CLOSE, b"\x03\xe8", fin=False), 1002),
        ("a long close", close_frame(1000, b"r" * 124), 1002),
        ("a continuation of nothing", frame(CONTINUATION, b"a"), 1002),
        ("a message within a message", frame(BINARY, b"a", fin=False) + frame(BINARY, b"b"), 1002),
        ("text within a message", frame(BINARY, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        ("a length in more bytes than it needs", b"\x82\xfe\x00\x05mask12345", 1002),
        ("the same with eight", b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05mask12345", 1002),
        ("a length with the highest bit", b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x05mask", 1002),
        ("text", frame(TEXT, b"hello"), 1003), ("text that is no UTF-8", frame(TEXT, b"\xff\xfe"), 1003),
        ("text in pieces", frame(TEXT, b"he", fin=False) + frame(CONTINUATION, b"llo"), 1003),
        ("too large", frame(BINARY, LONG), 1009), ("claims to be too large", frame(BINARY, b"a", length=1 << 40), 1009),
        ("one more than fits", frame(BINARY, good[:3] + b"x" * 65536), 1009),
        ("too large in pieces", frame(BINARY, LONG[:40000], fin=False) + frame(CONTINUATION, LONG[:40000]), 1009),
        ("empty", frame(BINARY), 1008), ("empty in pieces", frame(BINARY, fin=False) + frame(CONTINUATION), 1008),
        ("too short for a handshake", frame(BINARY, good[:10]), 1008), ("no preamble", frame(BINARY, b"x" * 200), 1008),
        ("another version", frame(BINARY, b"K\x02" + good[2:]), None), ("another mode", frame(BINARY, b"K\x01\x09" + good[3:]), 1008),
        ("no handshake", frame(BINARY, good), 1008), ("the largest that is none", frame(BINARY, good[:3] + b"x" * 65535), 1008),
        ("a close with one byte", frame(CLOSE, b"\x03"), 1002), ("a close that nobody may send", close_frame(1005), 1002),
        ("code 999", close_frame(999), 1002), ("code 1006", close_frame(1006), 1002), ("code 1015", close_frame(1015), 1002),
        ("code 1100", close_frame(1100), 1002), ("code 2000", close_frame(2000), 1002), ("code 5000", close_frame(5000), 1002),
        ("a reason that is no UTF-8", close_frame(1000, b"\xff\xff"), 1007),
        ("a reason that is cut within a character", close_frame(1000, "ä".encode()[:1]), 1007),
        ("a surrogate", close_frame(1000, b"\xed\xa0\x80"), 1007),
        ("a good close", close_frame(1000), 1000), ("a close without a code", frame(CLOSE), 1005),
        ("a close with a reason", close_frame(1001, "grüß".encode()), 1001), ("code 3000", close_frame(3000), 3000),
        ("code 4999", close_frame(4999), 4999),
    ]
    for name, data, wanted in cases:
        try:
            code = code_after(hub, data)
        except TimeoutError:
            code = "nothing"
        if name == "another version":
            expect(code in (1008, 1011), "%s: %s" % (name, code))
        else:
            expect(code == wanted, "%s: %s, not %s" % (name, code, wanted))
    for name, data, wanted in cases[:10]:  # a byte at a time: the same
        with upgraded(hub) as web:
            for byte in data:
                web.send(bytes([byte]))
            expect(web.close_code() == wanted, "%s, a byte at a time" % name)


def pings_are_answered_wherever_they_stand(lab):
    hub = lab.hub()
    with upgraded(hub) as web:
        for payload in (b"", b"a", b"b" * 125, b"\xff\x00\xfe"):
            web.send(frame(PING, payload))
            expect(web.read() == (PONG, payload), "the same comes back")
        web.send(frame(PONG, b"unasked") + frame(PING, b"1") + frame(PING, b"2") + frame(PING, b"3"))
        expect([web.read() for _ in range(3)] == [(PONG, b"1"), (PONG, b"2"), (PONG, b"3")], "each, in order")
        web.send(frame(BINARY, b"K", fin=False) + frame(PING, b"between") + frame(CONTINUATION, b"\x01", fin=False))
        expect(web.read() == (PONG, b"between"), "between two pieces of a message")
        web.send(frame(PING, b"z", mask=b"\0\0\0\0"))
        expect(web.read() == (PONG, b"z"), "a mask of zeros is a mask")
        web.send(close_frame(1000))
        expect(web.close_code() == 1000, "and it closes")


def in_pieces(message, sizes):
    """The message as frames of these sizes, again and again, with pings and empty frames in between."""
    data, first, turn = b"", True, 0
    while message:
        size = sizes[turn % len(sizes)]
        turn += 1
        piece, message = message[:size], message[size:]
        data += frame(BINARY if first else CONTINUATION, piece, fin=not message)
        first = False
        if message and turn % 7 == 0:
            data += frame(PING, b"p") + frame(CONTINUATION, fin=False)
    return data


def a_first_flight_counts_however_it_is_cut(lab):
    hub = lab.hub(proxied=True, address="ws://127.0.0.1:%d")
    founder = lab.found(hub)
    founder.json("participant", "add", "name=Maria Lopez")
    hub.proxy.seen.clear()
    expect(founder.sync()["up_to_date"], "over WebSocket")
    flight = first_messages(hub.proxy.seen)[0]
    expect(flight[:3] == b"K\x01\x00" and len(flight) > 99, "the preamble stands before message 1")
    changes = hub.stats()["changes"]
    ways = [[len(flight)], [1], [3, 1, 50], [len(flight) - 1], [0, 2], [17]]
    for sizes in ways:
        for chunk in (1 << 20, 5, 1):
            hub.restart()  # it has forgotten whom it let in
            with upgraded(hub) as web:
                data = in_pieces(flight, sizes)
                for at in range(0, len(data), chunk):
                    web.send(data[at:at + chunk])
                answer = web.read()
                while answer[0] == PONG:
                    answer = web.read()
                expect(answer[0] == BINARY and len(answer[1]) >= 48, "message 2: %r" % (answer[:1],))
                web.send(close_frame(1000))
                expect(web.close_code() == 1000, "an orderly end")
    expect(hub.stats()["changes"] == changes, "a recording changes nothing")
    hub.restart()
    with upgraded(hub) as web:
        web.send(frame(BINARY, flight) + frame(BINARY, os.urandom(100)))
        expect(web.read()[0] == BINARY and web.close_code() == 1008, "what cannot be decrypted ends it")
    with Web(hub.port) as web:
        web.send(flight[:3] + struct.pack(">H", len(flight) - 3) + flight[3:])
        expect(web.rest() == b"", "a flight for the web is none over TCP")
    expect(founder.sync()["up_to_date"], "and the founder syncs as before")


def many_small_pieces_take_no_memory(lab):
    hub = lab.hub()
    status = "/proc/%d/status" % hub.process.pid

    def resident():
        with open(status) as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1])

    with upgraded(hub) as web:
        before = resident()
        web.send(frame(BINARY, b"K\x01\x00", fin=False))
        for _ in range(60):
            web.send(frame(CONTINUATION, b"", fin=False, mask=b"abcd") * 500 +
                     frame(CONTINUATION, b"x", fin=False, mask=b"abcd") * 1000)
        web.send(frame(PING, b"there?"))
        expect(web.read() == (PONG, b"there?"), "it has seen them all")
        expect(resident() - before < 4096, "KiB for 90 000 frames: %d" % (resident() - before))


def who_sends_pings_and_reads_nothing_is_not_read(lab):
    hub = lab.hub()
    status = "/proc/%d/status" % hub.process.pid
    with upgraded(hub) as web:
        web.socket.settimeout(1.0)
        pings = frame(PING, b"p" * 125) * 5000
        sent = 0
        try:
            for _ in range(200):
                web.socket.sendall(pings)
                sent += len(pings)
        except (socket.timeout, ConnectionError):
            pass
        expect(sent < 200 * len(pings), "the hub stops reading")
        with open(status) as file:
            peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
        expect(peak < 100000, "KiB: %d" % peak)


def a_slow_request_is_ended(lab):
    hub = lab.hub()
    hub.limit(handshake_s=1)
    for slow in (request(), request(method="POST", path="/sync", Upgrade=None, Connection=None, Content_Length="60000")):
        with Web(hub.port, 10) as web:
            started = time.monotonic()
            try:
                for byte in slow * 10:
                    web.socket.sendall(bytes([byte]))
                    time.sleep(0.05)
                ended = False
            except (BrokenPipeError, ConnectionResetError):
                ended = True
            expect(ended and time.monotonic() - started < 6, "cut while it dribbles")
    with upgraded(hub) as web:
        web.socket.settimeout(10)
        started = time.monotonic()
        web.rest()
        expect(time.monotonic() - started < 6, "and so is who says nothing after the upgrade")


def too_many_strangers_are_told_when_to_come_again(lab):
    hub = lab.hub()
    hub.limit(handshakes_max=4, sessions_per_address_max=100)
    crowd = [Web(hub.port) for _ in range(3)]
    crowd[0].send(request()[:-4])
    status, _ = crowd[1].upgrade()
    expect(status == 101, "upgraded")
    crowd[2].send(b"G")
    time.sleep(0.2)
    more = [Web(hub.port) for _ in range(6)]
    for web in more:
        web.send(b"G")
    status, headers = crowd[0].head()
    expect(status == 503 and int(headers["retry-after"]) >= 1, "in the middle of the request: %d" % status)
    opcode, payload = crowd[1].read()
    expect(opcode == BINARY and len(payload) == 4 and payload[:2] == b"\0\0", "a refusal, as over TCP")
    expect(crowd[1].close_code() == 1001, "and the code for it")
    for web in crowd + more:
        web.socket.close()


def a_hub_that_stops_goes_away_in_order(lab):
    hub = lab.hub()
    with upgraded(hub) as web, Web(hub.port) as early:
        early.send(b"GET /kith HTTP/1.1\r\n")
        time.sleep(0.2)
        expect(hub.stop() == 0, "it stops")
        expect(early.head()[0] == 503, "who is still asking is told")
        opcode, payload = web.read()
        expect(opcode == BINARY and len(payload) == 4, "when to come again")
        expect(web.close_code() == 1001, "and that it goes away")
    hub.start()


def a_silent_session_is_pinged(lab):
    hub = lab.hub(proxied=True, address="ws://127.0.0.1:%d")
    founder = lab.found(hub)
    hub.proxy.seen.clear()
    founder.sync()
    flight = first_messages(hub.proxy.seen)[0]
    hub.restart()
    with Web(hub.port, 40) as web:
        web.upgrade()
        web.send(frame(BINARY, flight))
        expect(web.read()[0] == BINARY, "message 2")
        started, opcode = time.monotonic(), BINARY
        while opcode == BINARY:
            opcode, _ = web.read()
        expect(opcode == PING and 20 < time.monotonic() - started < 30, "before a proxy takes it for dead: %d" % opcode)


if __name__ == "__main__":
    main([a_good_request_is_upgraded, a_bad_request_is_answered_with_the_status_that_says_why,
          frames_that_break_a_rule_are_told_which, pings_are_answered_wherever_they_stand,
          a_first_flight_counts_however_it_is_cut, many_small_pieces_take_no_memory,
          who_sends_pings_and_reads_nothing_is_not_read, a_slow_request_is_ended,
          too_many_strangers_are_told_when_to_come_again, a_silent_session_is_pinged, a_hub_that_stops_goes_away_in_order])
