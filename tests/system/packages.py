#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The packages on a bare Debian machine that is booted for it: installed, used, upgraded, removed, purged, put back.

`make check-packages` runs this, as root. The machine has Debian's base system alone; it is a copy in build/machine, booted
with systemd-nspawn, so that service, user and sandbox are the real ones. The hub listens on 127.0.0.1.
"""
import atexit
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lab import Skipped, expect, free_port, main

OLD, HERE = "0.0.9", os.path.abspath("build/machine")
NEW = re.match(r"kith \((.*?)\)", open("deploy/debian/changelog").read()).group(1)
PACKAGES = ("kithd", "kith", "libkith0")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
               **{name: os.environ[name] for name in ("http_proxy", "https_proxy") if name in os.environ}}


def checked(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900, **more)
    expect(done.returncode == 0, "%s: %s" % (" ".join(command), (done.stdout + done.stderr)[-2000:]))
    return done.stdout


def make_base(base):
    """Debian's base system with an init, from the mirror that this machine itself uses."""
    if os.path.exists(base + "/.complete"):
        return
    release = re.search(r"^VERSION_CODENAME=(.*)", open("/etc/os-release").read(), re.M).group(1)
    mirrors = checked("apt-get", "indextargets", "--format", "$(SITE)", "Codename: " + release).split()
    shutil.rmtree(base, ignore_errors=True)
    checked("debootstrap", "--variant=minbase", "--include=systemd-sysv,ca-certificates", release, base, *mirrors[:1])
    # How this machine reaches its mirror; where from, debootstrap has noted.
    shutil.copytree("/etc/apt/apt.conf.d", base + "/etc/apt/apt.conf.d", dirs_exist_ok=True)
    open(base + "/.complete", "w").close()


class Machine:
    """A copy of the base system, booted."""

    def __init__(self):
        self.root = HERE + "/run"
        make_base(HERE + "/base")
        shutil.rmtree(self.root, ignore_errors=True)
        checked("cp", "-a", HERE + "/base", self.root)
        for name in ("resolv.conf", "hosts"):
            shutil.copy("/etc/" + name, self.root + "/etc/" + name)
        unit = [] if os.path.exists("/run/systemd/system") else ["--keep-unit"]
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--directory", self.root, "--register=no", *unit, "--boot", "--console=pipe",
             "--resolv-conf=off", "--timezone=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        atexit.register(self.stop)
        self.init = self.wait_for_init()

    def wait_for_init(self):
        for _ in range(300):
            if self.nspawn.poll() is not None:
                raise Skipped("no machine can be booted here: " + self.nspawn.stderr.read().decode(errors="replace")[-300:])
            children = open("/proc/%d/task/%d/children" % (self.nspawn.pid, self.nspawn.pid)).read().split()
            if children:
                self.init = children[0]
                state = self.run("systemctl", "is-system-running", "--wait")
                if state.stdout.strip() in ("running", "degraded"):
                    return self.init
            time.sleep(0.1)
        raise AssertionError("the machine does not come up")

    def stop(self):
        if self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)
            try:
                self.nspawn.wait(60)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *command, user=None):
        person = ["runuser", "-u", user, "--", "env", "HOME=/home/" + user] if user else []
        return subprocess.run(["nsenter", "-t", self.init, "-m", "-u", "-i", "-p", "-r", "-w", *person, *command],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, env=ENVIRONMENT)

    def do(self, *command, user=None):
        done = self.run(*command, user=user)
        expect(done.returncode == 0, "%s: %s" % (" ".join(command), (done.stdout + done.stderr)[-2000:]))
        return done.stdout

    def install(self, version, *packages):
        self.do("apt-get", "install", "-qy", "--no-install-recommends",
                *["/srv/%s/%s_%s_amd64.deb" % (version, package, version) for package in packages])

    def kith(self, user, *command):
        return json.loads(self.do("kith", "--json", "--passphrase-file", "/home/%s/passphrase" % user, *command, user=user))

    def person(self, user):
        self.do("useradd", "--create-home", user)
        path = "%s/home/%s/passphrase" % (self.root, user)
        with open(path, "w") as file:
            file.write("a passphrase that only tests use\n")
        self.do("chown", user, "/home/%s/passphrase" % user)
        os.chmod(path, 0o600)

    def running(self):
        """The programs of kith that run there, by their paths."""
        shown = self.run("sh", "-c", "for p in /proc/[0-9]*; do readlink $p/exe; done").stdout.split("\n")
        return sorted(path for path in shown if os.path.basename(path.split(" ")[0]) in ("kith", "kithd"))

    def unit(self, name, what):
        return self.run("systemctl", "show", "--value", "-p", what, name).stdout.strip()

    def files(self):
        """Whatever has kith in its name, apart from data, homes, what apt fetched and what tells of the past."""
        shown = self.do("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/sys", "-o", "-path", "/srv", "-o", "-path",
                        "/home", "-o", "-path", "/var/log", "-o", "-path", "/tmp", "-o", "-path", "/var/tmp", ")", "-prune",
                        "-o", "-name", "*kith*", "-print")
        return sorted(shown.split())


machine = None
visits = []


def hashes(folder):
    return {os.path.basename(path): hashlib.sha256(open(path, "rb").read()).hexdigest()
            for path in glob.glob(folder + "/*.deb")}


def the_same_tree_gives_the_same_packages(lab):
    again = tempfile.mkdtemp(prefix="another-place-", dir="build")
    try:
        checked("deploy/debian/build.sh", again, NEW, env={**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C"})
        first, second = hashes("build/deb"), hashes(again)
        expect(len(first) == 4 and first == second, "%s\n%s" % (first, second))
    finally:
        shutil.rmtree(again)


def they_install_on_a_bare_machine(_):
    global machine
    if os.geteuid() != 0:
        raise Skipped("needs root, to boot a machine")
    checked("deploy/debian/build.sh", HERE + "/old", OLD)
    machine = Machine()
    for version, folder in ((OLD, HERE + "/old"), (NEW, "build/deb")):
        os.makedirs("%s/srv/%s" % (machine.root, version))
        for path in glob.glob(folder + "/*.deb"):
            shutil.copy(path, "%s/srv/%s" % (machine.root, version))
    expect(machine.files() == [], "nothing of kith is there before: %s" % machine.files())
    machine.do("apt-get", "update", "-q")
    machine.install(OLD, *PACKAGES)
    expect(machine.do("kithd", "--version").strip() == "kithd " + OLD, "the old version")
    expect(machine.do("stat", "-c", "%U:%G %a", "/var/lib/kith", "/var/backups/kith").split("\n")[:2]
           == ["kith:kith 700"] * 2, "folders that only the hub reads")
    expect(machine.do("getent", "passwd", "kith").strip().endswith(":/var/lib/kith:/usr/sbin/nologin"), "the hub's user")
    expect(machine.unit("kithd", "UnitFileState") == "enabled", "the service comes with the machine")
    expect(machine.unit("kithd", "ActiveState") == "inactive", "and serves nothing before a hub is made")
    expect(machine.unit("kithd-backup.timer", "UnitFileState") == "disabled", "backups are switched on by hand")


def an_agency_is_founded_and_a_visit_synced(_):
    made = machine.do("setpriv", "--reuid=kith", "--regid=kith", "--clear-groups", "kithd", "init", "--json",
                      "--data", "/var/lib/kith", "--listen", "127.0.0.1:%d" % free_port())
    machine.do("systemctl", "start", "kithd")
    expect_served_by_kith()
    for user in ("irma", "ana"):
        machine.person(user)
    machine.kith("irma", "found", json.loads(made)["founding_code"], "--agency", "Open Door", "--person", "Irma Founder")
    code = machine.kith("irma", "invite", "--person", "Ana Silva", "--role", "custodian")["code"]
    machine.kith("ana", "join", code)
    machine.kith("irma", "sync")
    machine.kith("irma", "participant", "add", "name=Maria Lopez")
    write_visit("before the upgrade")


def write_visit(purpose):
    visits.append(machine.kith("irma", "visit", "add", "participant=Maria Lopez", "date=today", "start=09:00", "end=09:45",
                               "place=home", "purpose=" + purpose)["id"])
    for user in ("irma", "ana"):
        machine.kith(user, "sync")
    seen = json.dumps(machine.kith("ana", "visit", "list"))
    expect(all(visit in seen for visit in visits), "the other laptop has them all: " + seen)


def expect_served_by_kith():
    """As the unit says: its user, no capability, and files of others out of reach."""
    for _ in range(100):
        process = machine.unit("kithd", "MainPID")
        name = machine.do("sh", "-c", "cat /proc/%s/comm || true" % process).strip()
        if machine.unit("kithd", "ActiveState") == "active" and name == "kithd":  # "(kithd)" is not started yet
            break
        time.sleep(0.1)
    expect(machine.unit("kithd", "ActiveState") == "active", machine.do("journalctl", "-u", "kithd", "--no-pager"))
    status = machine.do("cat", "/proc/%s/status" % process)
    user = machine.do("id", "-u", "kith").strip()
    expect(re.search(r"^Uid:\s+%s\s+%s\s" % (user, user), status, re.M), "not root: " + status)
    expect(re.search(r"^CapBnd:\s+0+$", status, re.M) and "NoNewPrivs:\t1" in status, status)
    expect(re.search(r"^Seccomp:\s+2$", status, re.M), "system calls are filtered")
    return process


def an_upgrade_keeps_data_settings_and_service(_):
    before = expect_served_by_kith()
    with open(machine.root + "/etc/kith/kithd.conf", "a") as file:
        file.write("stop_s = 4\n")
    machine.install(NEW, *PACKAGES)
    expect(machine.do("kithd", "--version").strip() == "kithd " + NEW, "the new version")
    expect(expect_served_by_kith() != before, "the hub that serves is the new one")
    expect("(deleted)" not in " ".join(machine.running()), "nothing runs that is gone: %s" % machine.running())
    expect(machine.do("tail", "-n", "1", "/etc/kith/kithd.conf") == "stop_s = 4\n", "what the operator set stays")
    write_visit("after the upgrade")
    machine.do("setpriv", "--reuid=kith", "--regid=kith", "--clear-groups", "kithd", "verify", "--data", "/var/lib/kith")


def a_backup_is_made_as_its_unit_says(_):
    machine.do("systemctl", "enable", "--now", "kithd-backup.timer")
    machine.do("systemctl", "start", "kithd-backup.service")
    made = machine.do("find", "/var/backups/kith", "-type", "f", "-printf", "%u %m\n").split("\n")
    expect(made[0] == "kith 600", "a file that only the hub's user reads: %s" % made)


def programs_build_against_the_library(_):
    machine.install(NEW, "libkith-dev")
    machine.do("apt-get", "install", "-qy", "--no-install-recommends", "gcc", "libc6-dev", "pkg-config")
    with open(machine.root + "/root/version.c", "w") as file:
        file.write('#include <kith.h>\n#include <stdio.h>\nint main(void) { return puts(kith_version()) < 0; }\n')
    for linked in ("", "--static"):
        # Of the static library only kith's own part: Debian has no static form of some of the others.
        library = "-Wl,-Bstatic -lkith -Wl,-Bdynamic" if linked else ""
        machine.do("sh", "-c", "gcc -Wall -Werror /root/version.c -o /root/version $(pkg-config --cflags libkith) %s "
                   "$(pkg-config --libs %s libkith)" % (library, linked))
        expect(machine.do("/root/version").strip() == NEW, "linked %s" % (linked or "dynamically"))
    machine.do("apt-get", "purge", "-qy", "libkith-dev")


def removal_leaves_nothing_that_runs_and_all_data(_):
    machine.kith("irma", "unlock")
    machine.do("kith", "agent", user="irma")
    expect(len(machine.running()) >= 3, "hub, agent and what keeps the home open: %s" % machine.running())
    machine.do("apt-get", "remove", "-qy", *PACKAGES)
    expect(machine.running() == [], "nothing runs: %s" % machine.running())
    units = machine.do("systemctl", "list-units", "--plain", "--no-legend", "--state=active,failed", "*kith*").strip()
    expect(not units, "no unit is active or failed: " + units)
    left = [path for path in machine.files() if not path.startswith(("/var/lib/dpkg/", "/var/lib/systemd/", "/etc/systemd/"))]
    expect(left == ["/etc/kith", "/etc/kith/kithd.conf", "/var/backups/kith", "/var/lib/kith"], "settings and data: %s" % left)
    machine.do("test", "-s", "/var/lib/kith/hub.keys")


def purge_takes_the_settings_and_says_what_it_keeps(_):
    done = machine.run("dpkg", "--purge", "kithd", "kith")  # of the library nothing was left to purge
    expect(done.returncode == 0, done.stderr)
    for folder in ("/var/lib/kith", "/var/backups/kith"):
        expect("%s is kept" % folder in done.stdout + done.stderr, done.stdout + done.stderr)
    expect(machine.files() == ["/var/backups/kith", "/var/lib/kith"], "data alone: %s" % machine.files())
    machine.do("test", "-s", "/var/lib/kith/hub.keys")


def installed_again_the_hub_serves_what_was_kept(_):
    machine.install(NEW, *PACKAGES)
    expect_served_by_kith()
    write_visit("after all that")


def purged_without_data_nothing_is_left(_):
    machine.do("systemctl", "stop", "kithd")
    machine.do("find", "/var/lib/kith", "/var/backups/kith", "-mindepth", "1", "-delete")
    machine.do("apt-get", "purge", "-qy", *PACKAGES)
    expect(machine.files() == [], "nothing: %s" % machine.files())


def last_stage(path):
    """What the last stage of a Containerfile says: {instruction: [rest, ...]}."""
    with open(path) as file:
        text = file.read().replace("\\\n", " ")
    stage = text[text.rindex("\nFROM "):]
    said = {}
    for line in stage.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            said.setdefault(word, []).append(rest.strip())
    return said


def the_container_makes_a_hub_and_serves_it(_):
    """Its last stage, carried out on the base system by systemd-nspawn: cut off from the network, only its data writable."""
    said, root, data = last_stage("deploy/Containerfile"), HERE + "/container", HERE + "/container-data"
    for folder in (root, data):
        shutil.rmtree(folder, ignore_errors=True)
    checked("cp", "-a", HERE + "/base", root)
    expect(said["COPY"][0].split()[-2:] == ["/src/build/deb/kithd_*.deb", "/tmp/"], said["COPY"])
    os.makedirs(root + "/srv/deb")  # /tmp is the machine's own
    shutil.copy("build/deb/kithd_%s_amd64.deb" % NEW, root + "/srv/deb")
    for name in ("resolv.conf", "hosts"):
        shutil.copy("/etc/" + name, root + "/etc/" + name)
    unit = [] if os.path.exists("/run/systemd/system") else ["--keep-unit"]
    inside = ["systemd-nspawn", "--quiet", "--register=no", *unit, "--directory", root,
              "--resolv-conf=off", "--timezone=off", "--pipe"]
    for command in said["RUN"]:
        proxies = ["--setenv=%s=%s" % pair for pair in ENVIRONMENT.items() if "proxy" in pair[0]]
        checked(*inside, *proxies, "sh", "-c", command.replace("/tmp/", "/srv/deb/"))
    volume = said["VOLUME"][0]
    shutil.copytree(root + volume, data)
    checked("chroot", root, "chown", "--reference", volume, volume)
    owner = os.stat(root + volume)
    os.chown(data, owner.st_uid, owner.st_gid)
    os.chmod(data, 0o700)
    closed = [*inside, "--read-only", "--private-network", "--drop-capability=all", "--bind=%s:%s" % (data, volume),
              "--user=" + said["USER"][0], *json.loads(said["ENTRYPOINT"][0])]
    made = json.loads(checked(*closed, "init", "--data", volume, "--json"))
    expect(made["founding_code"].startswith("kith1-"), made)
    hub = subprocess.Popen([*closed, *json.loads(said["CMD"][0])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = hub.stdout.readline()
        expect(line.startswith("listening 0.0.0.0:" + said["EXPOSE"][0]), line)
        with open("/proc/%d/task/%d/children" % (hub.pid, hub.pid)) as children:
            within = ["nsenter", "--target", children.read().split()[0], "--mount", "--pid", "--net", "--ipc", "--uts",
                      "setpriv", "--reuid=" + said["USER"][0], "--regid=" + said["USER"][0], "--clear-groups"]
        checked(*within, *json.loads(said["HEALTHCHECK"][0].partition(" ")[2]))
    finally:
        hub.terminate()
        hub.communicate(timeout=60)
        for folder in (root, data):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.stdout.reconfigure(line_buffering=True)
    main([the_same_tree_gives_the_same_packages, they_install_on_a_bare_machine, an_agency_is_founded_and_a_visit_synced,
          an_upgrade_keeps_data_settings_and_service, a_backup_is_made_as_its_unit_says,
          programs_build_against_the_library, removal_leaves_nothing_that_runs_and_all_data,
          purge_takes_the_settings_and_says_what_it_keeps, installed_again_the_hub_serves_what_was_kept,
          purged_without_data_nothing_is_left, the_container_makes_a_hub_and_serves_it])
