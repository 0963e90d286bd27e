#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/operator.md, carried out: every block of commands as it stands there, and what it promises is so afterwards.
machine.py says what stands in for what only a real machine has."""
import atexit
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from lab import BIN, Skipped, expect, main
from machine import Crew, Page
from test_proxy import Certificates


def agency(lab):
    """A crew with the agency of the page's first sections."""
    crew = Crew(lab)
    if MADE.folder:
        return MADE.again(crew)
    hub = crew.machine("hub")
    hub.ok("install -d -m 700 -o kith -g kith %s/var/lib/kith %s/var/backups/kith" % (hub.root, hub.root))
    crew.do_all("The first agency")
    MADE.keep(crew)
    return crew


class Made:
    """The machines as they are after the page's first sections: made once, by every other test copied."""

    folder = None

    def keep(self, crew):
        crew.machine("hub").ok("systemctl stop kithd")
        self.folder = tempfile.mkdtemp(prefix="kith-operator-", dir=os.path.dirname(crew.lab.folder))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.names, self.port, self.words = list(crew.machines), crew.port, dict(crew.words)
        for name in self.names:
            shutil.copytree(crew.machine(name).root, os.path.join(self.folder, name), symlinks=True,
                            ignore=shutil.ignore_patterns("*.sock"))
        crew.machine("hub").ok("systemctl start kithd")

    def again(self, crew):
        crew.port, crew.words = self.port, dict(self.words)
        for name in self.names:
            machine = crew.machine(name)
            shutil.rmtree(machine.root)
            shutil.copytree(os.path.join(self.folder, name), machine.root, symlinks=True)
        crew.machine("hub").ok("systemctl start kithd")
        return crew


MADE = Made()


def told(crew, name, *command):
    return json.loads(crew.machine(name).ok("kith --json " + " ".join(command), cwd=crew.stick))


def stats(crew, name="hub"):
    return json.loads(crew.machine(name).ok("kithd stats --json --data '%s/var/lib/kith'" % crew.machine(name).root))


def visit(crew, name, purpose):
    return told(crew, name, "visit", "add", "participant='Maria Lopez'", "date=today", "purpose='%s'" % purpose)["id"]


def purposes(crew, name):
    return {one["fields"].get("purpose") for one in told(crew, name, "visit", "list")}


def number_of(crew, name, device):
    return [str(one["number"]) for one in told(crew, name, "device", "list") if one["name"] == device][0]


def install(lab):
    if os.path.basename(BIN) != "release":
        raise Skipped("installs what make builds")
    crew = Crew(lab, links=False)
    crew.do_all("Install")
    hub = crew.machine("hub")
    for path in ("bin/kithd", "bin/kith", "lib/systemd/system/kithd.service", "lib/systemd/system/kithd-backup.timer",
                 "share/doc/kith/operator.md", "share/doc/kith/kithd.rules.yml"):
        expect(os.path.exists(hub.path("/usr/local/" + path)), path)
    expect(os.stat(hub.path("/var/lib/kith")).st_mode & 0o777 == 0o700, "closed to others")
    said = crew.do("The first agency", 0)
    expect("changes" in said, "what was installed runs: " + said)


def the_first_agency(lab):
    crew = agency(lab)
    expect({one["name"] for one in told(crew, "founder", "person", "list")} >= {"Irma Founder", "Rosa Quiroga", "Ana Silva"},
           "three people work there")
    expect(told(crew, "ana", "status")["up_to_date"], "and sync")
    told(crew, "rosa", "sync")
    expect([one["fields"]["name"] for one in told(crew, "rosa", "participant", "list")] == ["Maria Lopez"],
           "the supervisor reads the chart")
    told(crew, "founder", "invite", "--person", "'Eve Second'", "--role", "admin")


def watching(lab):
    crew = agency(lab)
    said = crew.do_all("Watching")
    expect("ok\n" in said[0] and "kithd_build_info" in said[0], said[0][:300])
    expect("No fault" in said[1] and "sessions" in said[1], said[1])


def the_log(lab):
    crew = agency(lab)
    said = crew.do_all("The log")[0]
    events = set(re.findall(r"Z ([a-z_]+)", said))
    expect({"started", "session_opened", "session_closed"} <= events, events)
    # The page describes every event, with its fields and its level, and no other.
    with open("daemon/log.h") as file:
        rows = re.findall(r'X\(\w+, (\w+), "(\w+)", "(\w*)", "(\w*)"\)', file.read())
    with open("docs/operator.md") as file:
        described = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*) \| ([a-z, ]+) \|$", file.read(), re.M)
    levels, fields = {}, {}
    for names, text, level in described:
        names = re.findall(r"`(\w+)`", names)
        for place, name in enumerate(names):
            levels[name] = (level.split(", ") * len(names))[place]
            fields[name] = set(re.findall(r"`(\w+)`", text))
    expect(set(levels) == {event for _, event, _, _ in rows}, "%s" % (set(levels) ^ {row[1] for row in rows}))
    for level, event, first, second in rows:
        expect(levels[event] == level.lower(), "%s: %s" % (event, level))
        expect({first, second} - {""} <= fields[event], "%s: %s %s" % (event, first, second))


def changing_settings(lab):
    crew = agency(lab)
    said = crew.do("Changing settings", 0)
    expect("setting_changed setting=idle_s from=600 to=1200" in said, said)
    crew.do("Changing settings", 1)
    expect(told(crew, "ana", "sync")["up_to_date"], "devices hardly notice")


def certificates_and_a_proxy(lab):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.access(program, os.X_OK):
        raise Skipped("needs nginx-light")
    crew = Crew(lab)
    hub = crew.machine("hub")
    certificates = Certificates(os.path.join(lab.folder, "certificates"))
    folder = hub.path("/nginx")
    os.makedirs(folder)
    with open(os.path.join(folder, "nginx.conf"), "w") as file:
        file.write("daemon off;\nmaster_process off;\nerror_log stderr;\npid %s/pid;\nevents { worker_connections 512; }\n"
                   "http {\n%sinclude %s;\n}\n" % (folder, "".join(
                       "%s_temp_path %s/%s;\n" % (kind, folder, kind) for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")), hub.path("/etc/nginx/conf.d/*.conf")))
    command = [program, "-p", folder, "-c", folder + "/nginx.conf", "-e", "stderr"]
    hub.environment["MACHINE_NGINX"] = "\n".join(command)
    with open(hub.path("/bin/nginx"), "w") as file:
        file.write("#!/bin/sh\nexec %s \"$@\"\n" % " ".join(command))
    os.chmod(hub.path("/bin/nginx"), 0o755)
    # The example, with this machine's names, ports and certificate.
    with open("deploy/nginx.conf") as file:
        text = file.read()
    for old, new in (("listen 443 ssl", "listen 127.0.0.1:%d ssl" % crew.web_port), ("server_name hub.example.org", "server_name localhost"),
                     ("/etc/letsencrypt/live/hub.example.org/fullchain.pem", certificates.chain),
                     ("/etc/letsencrypt/live/hub.example.org/privkey.pem", certificates.key), (":7580", ":%d" % crew.port)):
        expect(old in text, old)
        text = text.replace(old, new)
    with open(hub.path("/example.conf"), "w") as file:
        file.write(text)
    name, commands = crew.page.sections["Certificates and a proxy"][0]
    crew.page.sections["Certificates and a proxy"][0] = (name, commands.replace("deploy/nginx.conf", hub.path("/example.conf")))
    crew.do_all("Certificates and a proxy")
    founder = crew.machine("founder")
    founder.environment["SSL_CERT_FILE"] = certificates.authority
    for _ in range(100):
        code, said = founder.run("kith found %s --agency 'Open Door' --person 'Irma Founder'" % crew.words["CODE"])
        if code == 0:
            break
        time.sleep(0.1)
    expect(code == 0, said)
    expect(told(crew, "founder", "status")["hub"] == "wss://localhost:%d" % crew.web_port, "through the proxy")
    crew.machine("hub").ok("systemctl stop nginx")
    del founder.environment["SSL_CERT_FILE"]


def the_backup_drill(lab):
    crew = agency(lab)
    hub = crew.machine("hub")
    before = stats(crew)
    said = crew.do("The backup drill", 0)
    expect("No fault" in said and said.count("changes") >= 3, said)
    drilled, real = re.findall(r"^changes +(\d+)$", said, re.M)
    expect(drilled == real == str(before["changes"]), said)
    left = os.listdir(hub.path("/var/backups/kith"))
    expect(len(left) == 1 and left[0].startswith("hub-"), left)
    line = re.search(r"\b\d+:[0-9a-f]{64}\b", crew.do("The backup drill", 1)).group(0)
    told(crew, "ana", "sync")
    data = hub.path("/var/lib/kith")
    hub.ok("kithd verify --data %s --known %s" % (data, line))
    expect(hub.run("kithd verify --data %s --known %s" % (data, line[:-1] + ("0" if line[-1] != "0" else "1")))[0] == 1,
           "another line would be noticed")


def restore(lab):
    crew = agency(lab)
    hub = crew.machine("hub")
    visit(crew, "ana", "before the backup")
    told(crew, "ana", "sync")
    hub.ok("systemctl start kithd-backup")
    visit(crew, "ana", "after the backup")
    told(crew, "ana", "sync")
    told(crew, "rosa", "sync")
    before = stats(crew)
    with open(hub.path("/var/lib/kith/data.mdb"), "r+b") as file:  # while it is stopped nothing is worse than this
        hub.ok("systemctl stop kithd")
        file.seek(8192)
        file.write(b"x" * 40000)
    expect(hub.run("kithd verify --data " + hub.path("/var/lib/kith"))[0] == 1, "it is broken")
    said = crew.do("Restore", 0)
    expect("Restored" in said and "No fault" in said, said)
    expect(stats(crew)["changes"] < before["changes"], "the backup is older")
    crew.do("Restore", 1)
    said = crew.do("Restore", 2)
    expect(stats(crew)["changes"] == before["changes"], "what came after it is back: " + said)
    for name in ("founder", "rosa"):
        told(crew, name, "sync")
    for _ in range(100):
        if stats(crew)["returned"] == stats(crew)["devices"] == 3:
            break
        time.sleep(0.1)
    expect(stats(crew)["returned"] == 3, "all have been back")
    expect("after the backup" in purposes(crew, "rosa"), "nothing is lost")


def another_machine(lab):
    crew = agency(lab)
    visit(crew, "ana", "on the old machine")
    told(crew, "ana", "sync")
    visit(crew, "ana", "while there was no hub")
    before = stats(crew)
    new = crew.machine("new")
    new.ok("install -d -m 700 -o kith -g kith %s/var/lib/kith %s/var/backups/kith" % (new.root, new.root))
    crew.do("Another machine", 0)
    expect(crew.machine("ana").run("kith sync")[0] == 3, "there is no hub now")
    said = crew.do("Another machine", 1)
    expect("No fault" in said, said)
    crew.do("Another machine", 2)
    after = stats(crew, "new")
    expect(after["changes"] > before["changes"] and after["devices"] == before["devices"], "%s %s" % (before, after))
    crew.do("Another machine", 3)
    expect({"on the old machine", "while there was no hub"} <= purposes(crew, "rosa"), "nobody notices more")
    alarms = [one for one in told(crew, "ana", "status")["alarms"] if not one["over"]]
    expect(not alarms, "nor is alarmed: %s" % alarms)


def the_founders_laptop(lab):
    crew = agency(lab)
    told(crew, "ana", "sync")
    shutil.rmtree(os.path.join(crew.machine("founder").home, ".local"))
    sheet = crew.words["SHEET"]
    crew.words["N"] = "1"
    said = crew.do("The founder's laptop is gone", 0)
    expect(crew.words["SHEET"] != sheet, "another sheet: " + said)
    expect([one["fields"]["name"] for one in told(crew, "second", "participant", "list")] == ["Maria Lopez"], "every chart opens")
    states = {one["number"]: one["state"] for one in told(crew, "second", "device", "list")}
    expect(states[1] == "ended", states)
    told(crew, "second", "invite", "--person", "'Eve Second'", "--role", "admin")


def a_lost_laptop(lab):
    title = "A lost or stolen laptop"
    crew = agency(lab)
    told(crew, "founder", "sync")
    crew.words["N"] = number_of(crew, "founder", "Ana laptop")
    unsent = visit(crew, "ana", "never sent")
    crew.do(title, 0)
    told(crew, "rosa", "sync")
    told(crew, "founder", "sync")
    expect(told(crew, "founder", "status")["rotation_owed"] == 0, "its keys are changed")
    crew.do(title, 1)
    told(crew, "rosa", "sync")
    told(crew, "founder", "sync")
    said = crew.do(title, 2)
    told(crew, "rosa", "sync")
    told(crew, "second", "sync")
    expect("Maria Lopez" in crew.machine("second").ok("kith participant list"), said)
    crew.machine("ana").run("kith sync")  # it turns up again
    told(crew, "founder", "sync")
    crew.do(title, 3)
    held = told(crew, "founder", "held", "list")
    expect(len(held) == 1 and held[0]["id"], "what it had not sent waits: %s" % held)
    expect(unsent not in [one["id"] for one in told(crew, "rosa", "visit", "list")], "and does not count yet")


def a_forgotten_passphrase(lab):
    title = "A lost or stolen laptop"
    crew = agency(lab)
    visit(crew, "ana", "typed before")
    for number in (4, 5, 6):
        crew.do(title, number)
    ana = crew.machine("ana")
    expect(ana.run("kith visit list")[0] == 5, "the old passphrase opens nothing")
    ana.environment["KITH_PASSPHRASE_FILE"] = crew.new_passphrase
    expect("typed before" in json.dumps(json.loads(ana.ok(
        "kith --json --passphrase-file %s visit list" % crew.new_passphrase))), "the new one all")


def into_a_small_disk(machine, mib):
    """The machine's /var becomes a disk of its own; its processes run where that is mounted."""
    namespaces = ["-m"] if os.geteuid() == 0 else ["-U", "-r", "-m"]
    holder = subprocess.Popen(["unshare"] + namespaces + ["/bin/sh", "-c",
                              'cp -a "$1/var" "$1/var.was" && mount -t tmpfs -o size=%dm none "$1/var" && '
                              'cp -a "$1/var.was/." "$1/var/" && echo ready && exec sleep 1000' % mib, "sh", machine.root],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if holder.stdout.readline() != "ready\n":
        holder.kill()
        holder.wait()
        raise Skipped("needs a mount namespace")
    machine.into = ["nsenter", "-t", str(holder.pid), "-m"] + (
        [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"])
    return holder


def a_full_disk(lab):
    crew = agency(lab)
    hub = crew.machine("hub")
    hub.ok("systemctl stop kithd")
    holder = into_a_small_disk(hub, 24)
    try:
        backups = hub.path("/var/backups/kith")
        hub.ok("systemctl start kithd-backup; systemctl start kithd\n"
               "for day in 1 2 3; do head -c 5M /dev/zero >%s/hub-2020010${day}T000000Z; touch -d 2020-01-01 %s/hub-2020*; done"
               % (backups, backups))
        hub.ok("cat /dev/zero >%s/hub-20200109T000000Z || true; touch -d 2020-01-01 %s/hub-2020*" % (backups, backups))
        visit(crew, "ana", "while the disk was full")
        for _ in range(8):
            visit(crew, "ana", os.urandom(8000).hex())
        code, said = crew.machine("ana").run("kith sync")
        expect(code != 0 and "full" in said, "it says so: %s" % said)
        said = crew.do("A full disk", 0)
        expect("100%" in said and "No fault" in said, said)
        left = hub.ok("ls " + backups).split()
        expect(len(left) == 1, "the backup of today stays: %s" % left)
        expect(told(crew, "ana", "sync")["up_to_date"], "it goes on by itself")
        hub.ok("systemctl stop kithd")
        crew.do("A full disk", 1)
        told(crew, "rosa", "sync")
        expect("while the disk was full" in purposes(crew, "rosa"), "nothing is lost")
    finally:
        hub.run("systemctl stop kithd", stops=False)
        holder.kill()
        holder.wait()
        holder.stdout.close()
        hub.into = []


def a_hub_that_does_not_start(lab):
    title = "A hub that does not start"
    crew = agency(lab)
    hub = crew.machine("hub")
    conf = hub.path("/var/lib/kith/hub.conf")
    hub.ok("systemctl stop kithd")
    with open(conf) as file:
        good = file.read()
    with open(conf, "w") as file:
        file.write(good + "idle_s = ten minutes\n")
    expect(hub.run("systemctl start kithd")[0] != 0, "it does not start")
    # What looks for a fault ends with 1 or 3 when it has found one.
    said = crew.do(title, 0, stops=False)
    line = good.count("\n") + 1
    expect(said.count("hub.conf, line %d: idle_s" % line) >= 2 and "not active" in said, said)
    with open(conf, "w") as file:
        file.write(good)
    os.chmod(hub.path("/var/lib/kith"), 0o755)
    os.chmod(hub.path("/var/lib/kith/hub.keys"), 0o644)
    os.chmod(conf, 0o640)
    expect(hub.run("systemctl start kithd")[0] != 0, "it does not start")
    expect("permission denied" in crew.do(title, 0, stops=False), "it says why")
    crew.do(title, 1)
    expect(told(crew, "ana", "sync")["up_to_date"], "and then it does")


def what_a_hub_says_is_what_the_page_quotes(_):
    with open("docs/operator.md") as file:
        section = file.read().split("\n## A hub that does not start\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|$", section, re.M)
    expect(len(rows) == section.count("\n| `") >= 8, "rows were read")
    sources = ""
    for path in ["protocol/error.h"] + glob.glob("daemon/*.c"):
        with open(path) as file:
            sources += re.sub(r'"\s*\n\s*"', "", file.read())
    for quotes, _ in rows:
        for quote in re.findall(r"`([^`]*)`", quotes):
            words = re.sub(r"^hub\.conf, line \d+: .*", ", line %u: ", quote)
            expect(words in sources, "nothing says %r" % quote)


def a_slow_hub(lab):
    crew = agency(lab)
    crew.do("Watching", 0)
    said = crew.do("A slow hub", 0)
    expect("kithd_commit_seconds_count" in said and "kithd_waiting_bytes" in said, said)


def devices_are_turned_away(lab):
    crew = agency(lab)
    hub = crew.machine("hub")
    with open(hub.path("/var/lib/kith/hub.conf"), "a") as file:
        file.write("handshakes_per_address_burst = 1\nhandshakes_per_address_rate = 1\n")
    hub.ok("systemctl restart kithd")
    crew.machine("ana").run("kith unlock")  # or it would take a second for each to open the home
    for _ in range(3):
        crew.machine("ana").run("kith sync")
    hub.ok("systemctl restart kithd")
    said = crew.do("Devices are turned away", 0)
    expect("connections_refused reason=per_address" in said, said)
    with open(hub.path("/journal")) as file:
        expect("setting_changed setting=sessions_per_address_max from=1024 to=4096" in file.read(), "and the bound is raised")


TESTS = {"Install": install, "The first agency": the_first_agency, "Watching": watching, "The log": the_log,
         "Changing settings": changing_settings, "Certificates and a proxy": certificates_and_a_proxy,
         "The backup drill": the_backup_drill, "Restore": restore, "Another machine": another_machine,
         "The founder's laptop is gone": the_founders_laptop, "A lost or stolen laptop": a_lost_laptop,
         "A full disk": a_full_disk, "A hub that does not start": a_hub_that_does_not_start, "A slow hub": a_slow_hub,
         "Devices are turned away": devices_are_turned_away}


def every_section_is_carried_out(_):
    expect(set(Page().sections) == set(TESTS), "%s" % (set(Page().sections) ^ set(TESTS)))
    with open("deploy/monitoring/kithd.rules.yml") as file:
        named = set(re.findall(r"section: (.+)", file.read()))
    expect(named and named <= set(TESTS), "alerts name sections: %s" % (named - set(TESTS)))


if __name__ == "__main__":
    main([every_section_is_carried_out, *TESTS.values(), a_forgotten_passphrase, what_a_hub_says_is_what_the_page_quotes])
