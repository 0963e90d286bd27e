#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hub's log says who came, by number, how much and how long, and why somebody was refused; and nobody's name."""
import os
import re
import socket
import subprocess

from lab import BIN, expect, main

LINE = re.compile(r"^(?:<([346])>)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ([a-z_]+)((?: [a-z_]+=[a-z0-9_]+)*)$")


def entries(hub):
    """(level, event, {field: value}) of each line of the log."""
    with open(hub.log.name) as file:
        for line in file:
            found = LINE.match(line.rstrip("\n"))
            expect(found, "no line of a log: %r" % line)
            yield found.group(1), found.group(2), dict(pair.split("=") for pair in found.group(3).split())


def named(hub, event):
    return [fields for _, name, fields in entries(hub) if name == event]


def a_session_goes_on_record(lab):
    hub = lab.hub()
    founder = lab.found(hub, agency="Puertas Abiertas", person="Irma Fundadora")
    ana = lab.join(founder, "Ana Silva", "specialist")
    ana.json("participant", "add", "name=Zoraida Quintanilla")
    sent = ana.sync()
    expect(hub.stop() == 0, "in order")
    opened, closed = named(hub, "session_opened"), named(hub, "session_closed")
    expect([fields["mode"] for fields in opened][0] == "found", opened)
    expect({fields["mode"] for fields in opened} >= {"found", "join", "sync"}, opened)
    number = str([one["number"] for one in ana.json("device", "list") if one["person"] == "Ana Silva"][0])
    expect(opened[-1] == {"device": number, "mode": "sync"}, opened[-1])
    last = closed[-1]
    expect(last["device"] == number and int(last["seconds"]) < 30 and "result" not in last, last)
    expect((int(last["bytes_in"]), int(last["bytes_out"])) == (sent["bytes_out"], sent["bytes_in"]), "%s %s" % (last, sent))
    expect(named(hub, "started")[0]["port"] == str(hub.port) and named(hub, "stopped"), "from start to end")
    with open(hub.log.name) as file:
        text = file.read()
    for word in ("Ana", "Irma", "Puertas", "Zoraida", "127.0.0.1", hub.data):
        expect(word not in text, "%s is in the log" % word)


def why_somebody_was_refused_is_told(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    lab.laptop("ana").ok("join", code)
    for name in ("one", "two"):
        expect(lab.laptop(name).run("join", code).code == 1, "the code was used")
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", hub.port)) as peer:
            peer.sendall(b"not a device at all, nor the web")
            peer.recv(100)
    hub.limit(handshakes_per_address_burst=1, handshakes_per_address_rate=1)
    for _ in range(3):
        founder.run("sync")
    expect(hub.stop() == 0, "what was not told yet is told at the end")
    refused = named(hub, "connections_refused")
    expect(refused and refused[0]["reason"] == "per_address" and int(refused[0]["count"]) >= 1, refused)


def failed_handshakes_are_told_by_reason(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    code = founder.json("invite", "--person", "Ana Silva", "--role", "specialist")["code"]
    lab.laptop("ana").ok("join", code)
    for name in ("one", "two"):
        expect(lab.laptop(name).run("join", code).code == 1, "the code was used")
    with socket.create_connection(("127.0.0.1", hub.port)) as peer:
        peer.sendall(b"\0not a device at all, nor the web" * 20)
        peer.recv(100)
    hub.stop()
    failed = {fields["result"]: int(fields["count"]) for fields in named(hub, "handshakes_failed")}
    expect(failed.get("expired") == 2 and len(failed) == 2, failed)


def the_journal_is_told_how_urgent_it_is(lab):
    hub = lab.hub()
    hub.kill()
    status = os.fstat(hub.log.fileno())
    for stream, is_journal in (("%d:%d" % (status.st_dev, status.st_ino), True), ("1:2", False), ("", False)):
        hub.log.truncate(0)
        hub.process = subprocess.Popen([BIN + "/kithd", "run", "--data", hub.data, "--listen", "127.0.0.1:0"],
                                       stdout=subprocess.PIPE, stderr=hub.log, text=True,
                                       env={**os.environ, "JOURNAL_STREAM": stream})
        hub.process.stdout.readline()
        expect(hub.stop() == 0, "told to stop as soon as it listens, it stops in order")
        levels = {event: level for level, event, _ in entries(hub)}
        expect(levels["started"] == ("6" if is_journal else None), "%r: %s" % (stream, levels))


if __name__ == "__main__":
    main([a_session_goes_on_record,
          why_somebody_was_refused_is_told,
          failed_handshakes_are_told_by_reason,
          the_journal_is_told_how_urgent_it_is])
