# SPDX-License-Identifier: Apache-2.0
"""A hub and laptops for system tests: the real programs, temporary folders, free ports on 127.0.0.1.

    with Lab() as lab:
        hub = lab.hub()
        founder = lab.found(hub)
        ana = lab.join(founder, "Ana Silva", "specialist")
        visit = ana.json("visit", "add", ...)["id"]
"""
import base64
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from urllib.parse import quote

BIN = os.path.abspath(os.environ.get("KITH_BIN", "build/release"))
SANITIZED = any(name in os.path.basename(BIN) for name in ("address", "thread"))  # no shared library, other symbols
PASSPHRASE = "a passphrase that only tests use"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Failed(AssertionError):
    pass


class Skipped(Exception):
    """What a test would show cannot be shown here, or not yet."""


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def by_clock(clock, command):
    """The command under another clock, like "+3h" or "@2036-01-01 09:00:00". The program faketime would stand between
    the command and its signals; its library does not."""
    if not clock:
        return command
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        raise Skipped("needs the package faketime")
    return ["env", "LD_PRELOAD=" + library[0], "FAKETIME=" + clock, "ASAN_OPTIONS=verify_asan_link_order=0"] + command


class Lab:
    # What the programs that work in a folder run with, if not with what this one does.
    environment = staticmethod(lambda folder: None)

    def __enter__(self):
        # In memory where that exists: these tests kill processes, not machines.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="kith-lab-", dir=os.environ.get("TMPDIR", memory))
        self.hubs, self.laptops, self.proxies = [], [], []
        self.passphrase_file = os.path.join(self.folder, "passphrase")
        with open(self.passphrase_file, "w") as file:
            file.write(PASSPHRASE + "\n")
        return self

    def __exit__(self, *_):
        for laptop in self.laptops:
            laptop.run("lock")
        for hub in self.hubs:
            hub.kill()
        for proxy in self.proxies:
            proxy.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def hub(self, proxied=False, through=None, address=None, port=None):
        """With `proxied`, all devices reach the hub through hub.proxy; with `through`, a Proxy or the like, through
        hub.link. `address`: what the founding code says, as "ws://127.0.0.1:%d"."""
        return Hub(self, through or (Proxy if proxied else None), address, port)

    def laptop(self, name):
        return Laptop(self, name)

    def found(self, hub, agency="Open Door", person="Irma Founder"):
        founder = self.laptop("founder")
        founder.json("found", hub.founding_code, "--agency", agency, "--person", person)
        founder.ok("unlock")
        return founder

    def join(self, inviter, person, role, supervisor=None, name=None):
        arguments = ["invite", "--person", person, "--role", role]
        if supervisor:
            arguments += ["--supervisor", supervisor]
        code = inviter.json(*arguments)["code"]
        laptop = self.laptop(name or person.split()[0].lower())
        laptop.ok("join", code, "--device-name", laptop.name + " laptop")
        laptop.ok("unlock")
        return laptop


class Hub:
    def __init__(self, lab, through, address=None, port=None):
        self.lab = lab
        self.data = os.path.join(lab.folder, "hub%d" % len(lab.hubs))
        self.port = port or free_port()
        self.link = self.proxy = through(lab, self.port) if through else None
        self.process = None
        self.log = open(os.path.join(lab.folder, "hub%d.log" % len(lab.hubs)), "ab")
        self.clock = None  # see by_clock
        lab.hubs.append(self)
        public = self.link.port if through else self.port
        command = [BIN + "/kithd", "init", "--data", self.data, "--listen", "127.0.0.1:%d" % public, "--user", "root",
                   "--json"]  # whoever runs the tests runs the hub
        if address:
            command += ["--address", address % public if "%d" in address else address]
        made = subprocess.run(command, capture_output=True, text=True, env=lab.environment(self.data))
        if made.returncode != 0:
            raise Failed("kithd init: " + made.stderr)
        self.founding_code = json.loads(made.stdout)["founding_code"]
        self.start()

    def start(self):
        command = [BIN + "/kithd", "run", "--data", self.data, "--listen", "127.0.0.1:%d" % self.port]
        self.process = subprocess.Popen(by_clock(self.clock, command),
                                        stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=self.lab.environment(self.data))
        line = self.process.stdout.readline()
        if not line.startswith("listening "):
            raise Failed("the hub did not start")

    def limit(self, **settings):
        """Restarts with other settings."""
        with open(os.path.join(self.data, "hub.conf"), "a") as file:
            for key, value in settings.items():
                file.write("%s = %d\n" % (key, value))
        self.kill()
        self.start()

    def stop(self):
        """In order: what is in flight is finished."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def restart(self):
        self.stop()
        self.start()

    def stats(self):
        done = subprocess.run([BIN + "/kithd", "stats", "--data", self.data, "--json"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed("kithd stats: " + done.stderr)
        return json.loads(done.stdout)


class Laptop:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.home = os.path.join(lab.folder, "home-" + name)
        self.passphrase_file = lab.passphrase_file
        self.clock = None  # see by_clock
        lab.laptops.append(self)

    def run(self, *arguments, **options):
        command = [BIN + "/kith", "--home", self.home, "--passphrase-file", self.passphrase_file]
        return Result(subprocess.run(by_clock(self.clock, command) + list(arguments), capture_output=True, text=True,
                                     timeout=options.pop("timeout", 120), stdin=subprocess.DEVNULL,
                                     **{"env": self.lab.environment(self.home), **options}))

    def start(self, *arguments):
        command = [BIN + "/kith", "--home", self.home, "--passphrase-file", self.passphrase_file]
        return subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, stdin=subprocess.DEVNULL, env=self.lab.environment(self.home))

    def ok(self, *arguments, **options):
        result = self.run(*arguments, **options)
        if result.code != 0:
            raise Failed("%s: kith %s: exit %d: %s" % (self.name, " ".join(arguments), result.code, result.err))
        return result.out

    def json(self, *arguments, **options):
        return json.loads(self.ok(*arguments, "--json", **options))

    def sync(self):
        return self.json("sync")

    def status(self):
        return self.json("status")


class Cut(Exception):
    """Raised by what spoils a link: these bytes still pass, then the link is cut."""

    def __init__(self, last=b""):
        super().__init__("the link is cut")
        self.last = last


class Proxy:
    """Carries one TCP port to another, keeps what it saw, and can be told to spoil it."""

    def __init__(self, lab, target):
        self.target, self.seen, self.spoil = target, bytearray(), None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        lab.proxies.append(self)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            threading.Thread(target=self.carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, False), daemon=True).start()

    def carry(self, source, sink, is_up):
        try:
            while data := source.recv(65536):
                self.seen += data
                if self.spoil:
                    data = self.spoil(data, is_up)
                sink.sendall(data)
        except Cut as cut:
            sink.sendall(cut.last)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        # Wakes the thread first: a closed descriptor's number may be given out again while it still waits on it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def every_form(word):
    """A word as it could turn up in a file: as it is, in other cases and encodings."""
    raw = word.encode()
    # Of base64 what does not depend on the bytes around it, at each place in a group of three.
    in_groups = {base64.b64encode(b"\0" * before + raw)[(before * 8 + 5) // 6:(before + len(raw)) * 8 // 6] for before in range(3)}
    return {raw, raw.lower(), raw.upper(), word.encode("utf-16-le"), word.encode("utf-16-be"), raw.hex().encode(),
            raw.hex().upper().encode(), quote(word).encode(), json.dumps(word)[1:-1].encode(), *in_groups}


def files_with(folder, words):
    """The files below a folder that hold any form of any word."""
    hits = []
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            if not os.path.isfile(full):
                continue
            with open(full, "rb") as file:
                content = file.read()
            for word in words:
                if any(form in content for form in every_form(word)):
                    hits.append((full, word))
    return hits


def seeded():
    """A random generator whose seed is printed, so that a failing run can be repeated."""
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 32))))
    print("seed", seed)
    return random.Random(seed)


class Aim:
    """When to kill, so that about half of the kills fall into the middle of what is killed: machines differ, and so do
    the minutes of one machine."""

    def __init__(self, chance, first_s):
        self.chance, self.usual_s = chance, first_s

    def wait(self):
        time.sleep(self.chance.uniform(0, 2 * self.usual_s))

    def learn(self, was_in_the_middle):
        self.usual_s = min(max(self.usual_s * (1.1 if was_in_the_middle else 0.9), 0.0005), 2)


def expect(condition, text):
    if not condition:
        raise Failed(text)


def sound(hub, *laptops):
    """Each of them verifies, down to its pages."""
    done = subprocess.run([BIN + "/kithd", "verify", "--data", hub.data], capture_output=True, text=True)
    expect(done.returncode == 0, "kithd verify: " + done.stdout + done.stderr)
    for laptop in laptops:
        laptop.ok("verify")


def main(tests):
    """Runs functions one after another; each gets a lab of its own."""
    failed = 0
    for test in tests:
        started = time.monotonic()
        try:
            with Lab() as lab:
                test(lab)
            print("ok    %s (%.1f s)" % (test.__name__, time.monotonic() - started), flush=True)
        except Skipped as why:
            print("SKIP  %s: %s" % (test.__name__, why), flush=True)
        except Exception as error:  # the next test is run all the same
            failed += 1
            print("FAIL  %s: %s: %s" % (test.__name__, type(error).__name__, error), flush=True)
    raise SystemExit(1 if failed else 0)
