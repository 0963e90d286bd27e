#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Settings are checked before they count, and most change while the hub runs."""
import json
import os
import re
import signal
import subprocess
import time

from lab import BIN, expect, main


def check(*arguments):
    return subprocess.run([BIN + "/kithd", "check-config", *arguments], capture_output=True, text=True)


def write(path, text, mode="w"):
    with open(path, mode) as file:
        file.write(text)


def log_of(hub):
    with open(hub.log.name, errors="replace") as file:
        return file.read()


def wait_for_log(hub, pattern, after=0):
    for _ in range(200):
        found = re.search(pattern, log_of(hub)[after:])
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no %r in:\n%s" % (pattern, log_of(hub)[after:]))


def reload(hub):
    seen = len(log_of(hub))
    hub.process.send_signal(signal.SIGHUP)
    wait_for_log(hub, r" (reloaded|reload_refused) .*\n", seen)
    time.sleep(0.1)  # what follows from it
    return log_of(hub)[seen:]


def every_wrong_line_is_named(lab):
    path = os.path.join(lab.folder, "a.conf")
    write(path, "# a hub\nidle_s = 5 minutes\nsessions = 3\nname = Open Door\nlisten = 7580\n")
    done = check(path)
    expect(done.returncode == 1 and done.stdout == "", done.stdout)
    for line, word in ((2, "86400"), (3, "'sessions'"), (5, "HOST:PORT")):
        expect(re.search(r"^%s, line %d: .*%s" % (re.escape(path), line, word), done.stderr, re.M), done.stderr)
    expect("line 4" not in done.stderr, done.stderr)
    told = check(path, "--json")
    listed = json.loads(told.stdout)
    expect(told.returncode == 1 and listed["ok"] is False and listed["checked"] == 1, told.stdout)
    expect([(f["file"], f["line"]) for f in listed["faults"]] == [(path, 2), (path, 3), (path, 5)], told.stdout)


def good_settings_are_good(lab):
    hub = lab.hub()
    path = os.path.join(lab.folder, "b.conf")
    write(path, "idle_s = 30\n")
    for arguments in ([path], ["--data", hub.data], ["--data", hub.data, "--config", path]):
        done = check(*arguments)
        expect(done.returncode == 0 and "good" in done.stdout and done.stderr == "", done.stderr)
    write(os.path.join(hub.data, "hub.conf"), "stall_s = 0\n", "a")
    expect(check("--data", hub.data).returncode == 1, "the file of the data folder is read")
    listed = json.loads(check(path, "--json").stdout)
    expect(listed == {"ok": True, "checked": 1, "faults": []}, listed)


def what_is_not_there_and_what_is_no_text_is_said(lab):
    missing = check(os.path.join(lab.folder, "none.conf"))
    expect(missing.returncode == 1 and "No such file" in missing.stderr, missing.stderr)
    expect(check("--data", os.path.join(lab.folder, "none")).returncode == 1, "no such folder")
    for wrong in ([], ["a", "b"], ["--listen", "127.0.0.1:1"]):
        expect(check(*wrong).returncode == 2, "wrong usage: %s" % wrong)
    path = os.path.join(lab.folder, "c.conf")
    with open(path, "wb") as file:
        file.write(b'\x1b[31m\xff"\\ = 1\n' + b"x" * 5000 + b"\nidle_s=0\n")
    done = subprocess.run([BIN + "/kithd", "check-config", path], capture_output=True)
    expect(done.returncode == 1 and b"\x1b" not in done.stderr and b"\xff" not in done.stderr, done.stderr)
    lines = [fault["line"] for fault in json.loads(check(path, "--json").stdout)["faults"]]
    expect(lines == [1, 2, 3], lines)


def a_signal_changes_what_may_change(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    conf = os.path.join(hub.data, "hub.conf")
    write(conf, "handshakes_per_address_burst = 1\nhandshakes_per_address_rate = 1\nmost = 1\n", "a")
    said = reload(hub)
    expect("reload_refused result=input" in said and "line" in said and "'most'" in said, said)
    expect("setting_changed" not in said, said)
    for _ in range(3):
        expect(founder.run("sync").code == 0, "all is as it was")
    with open(conf) as file:
        good = file.read().replace("most = 1\n", "") + "name = Elsewhere\n"
    write(conf, good.replace("listen = ", "listen = 127.0.0.1:1 #"))
    said = reload(hub)
    expect("setting_changed setting=handshakes_per_address_burst from=1000 to=1\n" in said, said)
    expect("setting_changed setting=name\n" in said and "Elsewhere" not in said, said)
    expect("reloaded changed=3" in said, said)
    turned_away = [founder.run("sync").code for _ in range(4)]
    expect(any(turned_away), "the new bound holds: %s" % turned_away)
    said = reload(hub)
    expect("setting_changed" not in said and "reloaded changed=0" in said, said)
    expect(hub.stop() == 0, "it still leaves in order")


def what_cannot_change_waits_for_a_restart(lab):
    hub = lab.hub()
    path = os.path.join(lab.folder, "own.conf")
    write(path, "listen = 127.0.0.1:0\n")
    hub.kill()
    hub.process = subprocess.Popen([BIN + "/kithd", "run", "--data", hub.data, "--config", path],
                                   stdout=subprocess.PIPE, stderr=hub.log, text=True)
    expect(hub.process.stdout.readline().startswith("listening "), "it runs")
    write(path, "listen = 127.0.0.1:1\nidle_s = 9\n")
    for _ in range(2):
        said = reload(hub)
        expect("setting_waits_for_restart setting=listen\n" in said, said)
    expect("idle_s" not in said, "once is enough")


def what_the_system_took_away_is_no_change(lab):
    hub = lab.hub()
    hub.kill()
    hub.process = subprocess.Popen(["/bin/sh", "-c", 'ulimit -n 2000; exec "$0" "$@"', BIN + "/kithd", "run", "--data",
                                    hub.data, "--listen", "127.0.0.1:%d" % hub.port],
                                   stdout=subprocess.PIPE, stderr=hub.log, text=True)
    expect(hub.process.stdout.readline().startswith("listening "), "it runs")
    wait_for_log(hub, "files_limited files=2000 ")
    write(os.path.join(hub.data, "hub.conf"), "idle_s = 9\n", "a")
    said = reload(hub)
    expect("reloaded changed=1\n" in said and "sessions_max from" not in said, said)
    expect("files_limited files=2000 " in said, "and still holds: " + said)


def a_session_that_is_open_stays_open(lab):
    hub = lab.hub()
    founder = lab.found(hub)
    agent = founder.start("agent", "--foreground")
    try:
        for _ in range(200):
            if hub.stats()["sessions"] == 1:
                break
            time.sleep(0.05)
        expect(hub.stats()["sessions"] == 1, "the agent is connected")
        write(os.path.join(hub.data, "hub.conf"), "waiting_mib_max = 2\nsessions_max = 7\n", "a")
        expect("reloaded changed=2" in reload(hub), "changed")
        expect(hub.stats()["sessions"] == 1, "and still is")
    finally:
        agent.terminate()
        agent.communicate()


if __name__ == "__main__":
    main([every_wrong_line_is_named,
          good_settings_are_good,
          what_is_not_there_and_what_is_no_text_is_said,
          a_signal_changes_what_may_change,
          what_cannot_change_waits_for_a_restart,
          what_the_system_took_away_is_no_change,
          a_session_that_is_open_stays_open])
