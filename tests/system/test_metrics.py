#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A monitoring system is told how the hub is, truly and in its own format, and nothing about anybody; strangers on that
port get nowhere."""
import os
import re
import socket
import stat
import subprocess
import time

from lab import BIN, expect, free_port, main
from disk import SmallDisk
from prometheus import Page


def watched_hub(lab, where=None):
    hub = lab.hub()
    hub.metrics = where or "127.0.0.1:%d" % free_port()
    with open(os.path.join(hub.data, "hub.conf"), "a") as file:
        file.write("metrics = %s\n" % hub.metrics)
    hub.kill()
    hub.start()
    return hub


def connect(hub):
    if hub.metrics.startswith("/"):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(hub.metrics)
    else:
        host, port = hub.metrics.rsplit(":", 1)
        peer = socket.create_connection((host.strip("[]"), int(port)))
    peer.settimeout(20)
    return peer


def read_all(peer):
    answer = b""
    try:
        while piece := peer.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def ask(hub, request):
    """Status, headers and body of what is answered to these bytes; None where nothing is."""
    with connect(hub) as peer:
        try:
            peer.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(peer)
    if not answer:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    expect(int(headers["content-length"]) == len(body), "the length is told truly")
    return int(lines[0].split()[1]), headers, body.decode()


def get(hub, path):
    return ask(hub, b"GET %s HTTP/1.1\r\nHost: hub\r\n\r\n" % path.encode())


def scrape(hub):
    status, headers, body = get(hub, "/metrics")
    expect(status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", headers)
    return Page(body)


def visit_of(laptop, participant):
    return laptop.json("visit", "add", "participant=" + participant, "date=today", "purpose=A walk")["id"]


def counters_move_with_a_visit(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub, agency="Puertas Abiertas", person="Irma Fundadora")
    ana = lab.join(founder, "Ana Silva", "specialist")
    somebody = ana.json("participant", "add", "name=Zoraida Quintanilla")["id"]
    ana.sync()
    before = scrape(hub)
    visit_of(ana, somebody)
    sent = ana.sync()
    after = scrape(hub)

    def moved(name, **labels):
        return after.value(name, **labels) - before.value(name, **labels)
    expect(moved("kithd_changes_received_total") == sent["sent"] > 0, sent)
    expect(moved("kithd_store_changes") == sent["sent"], "as the store has it")
    expect(moved("kithd_received_bytes_total") == sent["bytes_out"], "bytes in: %s" % sent)
    expect(moved("kithd_sent_bytes_total") == sent["bytes_in"], "bytes out: %s" % sent)
    expect(moved("kithd_sessions_opened_total", mode="sync") == 1, "one session")
    expect(moved("kithd_commit_seconds_count") >= 1 and moved("kithd_commit_requests_count") >= 1, "a commit")
    expect(moved("kithd_commit_seconds_sum") > 0, "that took time")
    expect(after.value("kithd_sessions_opened_total", mode="found") == 1, "one was founded")
    expect(after.value("kithd_sessions_opened_total", mode="join") == 1, "one joined")
    stats = hub.stats()
    for name in ("changes", "circles", "devices", "held", "sequence"):
        expect(after.value("kithd_store_" + name) == stats[name], "%s: as stats has it" % name)
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                 "process_max_fds", "kithd_disk_free_bytes", "kithd_store_bytes", "kithd_store_writable"):
        expect(after.value(name) > 0, name)
    expect(abs(after.value("process_start_time_seconds") - time.time()) < 100, "started just now")
    founder.sync()
    expect(scrape(hub).value("kithd_changes_sent_total") > 0, "what a device was given is counted")


def a_second_page_is_consistent_with_the_first(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub)
    pages = []
    for _ in range(5):
        founder.run("sync")
        pages.append(scrape(hub))
    for earlier, later in zip(pages, pages[1:]):
        expect(set(earlier.kinds) == set(later.kinds), "the same metrics")
        for key, value in earlier.counters().items():
            expect(later.samples.get(key, -1) >= value, "%s went back" % (key,))
    rests = [scrape(hub) for _ in range(2)]
    for name in ("kithd_changes_received_total", "kithd_store_changes", "kithd_received_bytes_total"):
        expect(rests[0].value(name) == rests[1].value(name), "%s: nothing happened" % name)


def reasons_are_counted(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub)
    ana = lab.join(founder, "Ana Silva", "specialist")
    code = founder.json("invite", "--person", "Omar Diaz", "--role", "specialist")["code"]
    omar = lab.laptop("omar")
    omar.ok("join", code)
    spent = lab.laptop("again")
    expect(spent.run("join", code).code == 1, "a code is used once")
    number = [device["number"] for device in founder.json("device", "list") if device["person"] == "Ana Silva"][0]
    founder.ok("device", "revoke", str(number), "--reason", "lost")
    founder.sync()
    ana.run("sync")
    failed = {dict(labels)["reason"]: value for (name, labels), value in scrape(hub).samples.items()
              if name == "kithd_handshakes_failed_total"}
    expect(failed.get("expired") == 1, failed)
    hub.limit(handshakes_per_address_burst=1, handshakes_per_address_rate=1)
    for _ in range(4):
        founder.run("sync")
    expect(scrape(hub).value("kithd_turned_away_total", reason="per_address") >= 1, "turned away")


def nobody_is_on_the_page(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub, agency="Puertas Abiertas", person="Irma Fundadora")
    ana = lab.join(founder, "Ana Silva", "specialist")
    somebody = ana.json("participant", "add", "name=Zoraida Quintanilla")["id"]
    ana.sync()
    text = get(hub, "/metrics")[2]
    for word in ("Zoraida", "Irma", "Ana", "Puertas", somebody, somebody[:8], "127.0.0.1", hub.data):
        expect(word.lower() not in text.lower(), "%s is on the page" % word)
    allowed = {"version", "reason", "result", "mode", "le"}
    for (name, labels) in Page(text).samples:
        expect({label for label, _ in labels} <= allowed, "%s %s" % (name, labels))
        for label, value in labels:
            if label not in ("le", "version"):
                expect(re.fullmatch("[a-z_]+", value), "%s is no word of a list" % value)


def a_full_disk_is_told_and_passes(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub)
    disk = SmallDisk(hub)
    try:
        disk.start()
        expect(get(hub, "/healthz")[::2] == (200, "ok\n"), "well")
        disk.fill()
        status, _, body = get(hub, "/healthz")
        expect(status == 503 and "full" in body, body)
        page = scrape(hub)
        expect(page.value("kithd_store_writable") == 0 and page.value("kithd_disk_free_bytes") == 0, "on the page")
        somebody = founder.json("participant", "add", "name=Zoraida Quintanilla")["id"]
        for _ in range(8):  # more than there may be room for within the store
            founder.json("visit", "add", "participant=" + somebody, "date=today", "purpose=" + os.urandom(8000).hex())
        expect(founder.run("sync").code != 0, "nothing can be taken")
        expect(scrape(hub).value("kithd_commits_failed_total") > 0, "which is counted")
        disk.clear()
        expect(get(hub, "/healthz")[0] == 200, "well again, without a restart")
        expect(founder.sync()["up_to_date"], "and takes what waited")
        shown = founder.json("participant", "show", somebody)
        expect(shown["sync"]["place"] == "hub", "which is durable now: %s" % shown)
    finally:
        disk.close()


def a_hub_that_does_not_get_on_says_so(lab):
    """The disk stands still: the process is stopped while it is asked, and answers late or not at all; once it goes on it
    is well."""
    import signal
    hub = watched_hub(lab)
    with connect(hub) as peer:
        hub.process.send_signal(signal.SIGSTOP)
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
        peer.settimeout(0.5)
        try:
            expect(not peer.recv(1), "nothing can be answered")
        except socket.timeout:
            pass
        hub.process.send_signal(signal.SIGCONT)
    expect(get(hub, "/healthz")[0] == 200, "well again")


def other_requests_are_refused(lab):
    hub = watched_hub(lab)
    for request, status in (
            (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 404),
            (b"GET /metrics/../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 404),
            (b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 404),
            (b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 405),
            (b"DELETE /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 405),
            (b"GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n", 413),
            (b"GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", 400),
            (b"GET /metrics HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * 10000 + b"\r\n\r\n", 431),
            (b"GET /metrics HTTP/2.0\r\nHost: h\r\n\r\n", 505),
            (b"KITH" + bytes(range(256)), 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)):
        answer = ask(hub, request)
        expect(answer and answer[0] == status, "%r: %r" % (request[:60], answer))
    twice = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    expect(ask(hub, twice + twice)[2] == "ok\n", "one request a connection")
    for cut in range(1, len(twice)):
        with connect(hub) as peer:
            peer.sendall(twice[:cut])
    with connect(hub) as peer:
        for byte in twice:
            peer.sendall(bytes([byte]))
        expect(read_all(peer).endswith(b"ok\n"), "a byte at a time is well")
    expect(scrape(hub).value("kithd_sessions") == 0, "it is none the worse")


def guests_are_few_and_do_not_stay(lab):
    hub = watched_hub(lab)
    founder = lab.found(hub)
    started = time.monotonic()
    crowd = [connect(hub) for _ in range(100)]
    for number, peer in enumerate(crowd):
        try:
            peer.sendall(b"GET /metrics HTTP/1.1\r\nX-%d: " % number)
        except (BrokenPipeError, ConnectionResetError):
            pass
    page = scrape(hub)
    expect(page.value("process_open_fds") < 80, "%d files are open" % page.value("process_open_fds"))
    expect(founder.run("sync").code == 0, "devices do not notice")
    slow = connect(hub)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    for peer in crowd:
        expect(read_all(peer) == b"", "who asks nothing is told nothing")
        peer.close()
    expect(time.monotonic() - started < 15, "none of them stays")
    time.sleep(2)
    slow.close()
    expect(get(hub, "/healthz")[0] == 200, "who does not read is not waited for")
    expect(hub.stop() == 0, "and it leaves in order")


def it_may_be_a_socket_of_the_file_system(lab):
    path = os.path.join(lab.folder, "metrics.sock")
    hub = watched_hub(lab, path)
    expect(scrape(hub).value("kithd_store_writable") == 1, "it answers there")
    expect(stat.S_IMODE(os.stat(path).st_mode) == 0o660, "for its user and group")
    hub.kill()
    expect(os.path.exists(path), "a killed hub leaves its socket")
    hub.start()
    expect(get(hub, "/healthz")[0] == 200, "which the next one replaces")
    expect(hub.stop() == 0 and not os.path.exists(path), "and takes away")
    with open(path, "w") as file:
        file.write("mine")
    refused = subprocess.run([BIN + "/kithd", "run", "--data", hub.data], capture_output=True, text=True)
    expect(refused.returncode == 1 and path in refused.stderr, refused.stderr)
    with open(path) as file:
        expect(file.read() == "mine", "what is no socket stays")


def another_address_is_refused(lab):
    hub = lab.hub()
    hub.kill()
    conf = os.path.join(hub.data, "hub.conf")
    for wrong in ("0.0.0.0:7581", "10.1.2.3:7581", "[::]:7581", "localhost:7581"):
        with open(conf, "w") as file:
            file.write("metrics = %s\n" % wrong)
        for command in (["check-config"], ["run"]):
            done = subprocess.run([BIN + "/kithd", *command, "--data", hub.data], capture_output=True, text=True)
            expect(done.returncode == 1 and "line 1" in done.stderr and "this machine alone" in done.stderr,
                   done.stderr)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with open(conf, "w") as file:
            file.write("listen = 127.0.0.1:0\nuser = root\nmetrics = 127.0.0.1:%d\n" % taken.getsockname()[1])
        done = subprocess.run([BIN + "/kithd", "run", "--data", hub.data], capture_output=True, text=True)
        expect(done.returncode == 1 and "metrics" in done.stderr and "port" in done.stderr, done.stderr)


def without_the_setting_nothing_is_there(lab):
    hub = lab.hub()
    with open("/proc/%d/net/tcp" % hub.process.pid) as table:
        listening = {int(line.split()[1].split(":")[1], 16) for line in table.readlines()[1:]
                     if line.split()[3] == "0A"}
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % hub.process.pid) if os.geteuid() == 0 else []:
        try:
            inodes.add(os.readlink("/proc/%d/fd/%s" % (hub.process.pid, name)))
        except OSError:
            pass
    expect(hub.port in listening, "it listens for devices")
    expect(sum(link.startswith("socket:") for link in inodes) <= 3, "and nowhere else: %s" % inodes)


if __name__ == "__main__":
    main([counters_move_with_a_visit,
          a_second_page_is_consistent_with_the_first,
          reasons_are_counted,
          nobody_is_on_the_page,
          a_full_disk_is_told_and_passes,
          a_hub_that_does_not_get_on_says_so,
          other_requests_are_refused,
          guests_are_few_and_do_not_stay,
          it_may_be_a_socket_of_the_file_system,
          another_address_is_refused,
          without_the_setting_nothing_is_there])
