# SPDX-License-Identifier: Apache-2.0
"""Machines on which the operator's page is carried out: a folder stands for the root of each, and what only a real one has is
stood in for, as follows.

    sudo        runs the command as who runs the test; likewise owners (-o, -g, chown, adduser) are left out
    systemctl   start, restart, enable --now: runs the unit's own ExecStart, from the unit as it was installed, once its
                conditions hold; stop: SIGTERM; reload: the unit's ExecReload. For nginx: the program itself
    journalctl  shows what the hub wrote to standard error
    scp         copies to the folder of the other machine
    paths       /var, /etc, /run/kith and /usr/local are below the machine's folder
    names       hub.example.org is 127.0.0.1 and ports are free ones
    typing      passphrases are read from files
"""
import os
import re
import shutil
import subprocess

from lab import BIN, PASSPHRASE, Failed, expect, free_port

SYSTEMCTL = r'''
import os, re, signal, subprocess, sys, time

ROOT, NGINX = os.environ["MACHINE_ROOT"], os.environ.get("MACHINE_NGINX", "")
HERE = os.path.join(ROOT, "run", "units")
os.makedirs(HERE, exist_ok=True)


def placed(text):
    text = re.sub(r"(?<![\w.])/(var|usr/local|run/kith)/", lambda found: "%s/%s/" % (ROOT, found.group(1)), text)
    return text.replace("%%", "%")


def unit(name):
    with open(os.path.join(ROOT, "usr/local/lib/systemd/system", name)) as file:
        return file.read()


def lines(name, key):
    return [placed(line) for line in re.findall(r"^%s=(.*)$" % key, unit(name), re.M)]


def pid_of(name):
    try:
        with open(os.path.join(HERE, name)) as file:
            pid = int(file.read())
        with open("/proc/%d/stat" % pid) as file:
            return 0 if file.read().rsplit(")", 1)[1].split()[0] == "Z" else pid
    except (OSError, ValueError):
        return 0


def start(name):
    if name.endswith(".timer"):
        unit(name), unit(name.replace(".timer", ".service"))
        return
    if pid_of(name):
        return
    if name == "nginx.service":
        launch(name, NGINX.split("\n"), None)
        return
    for path in lines(name, "ConditionPathExists"):
        if not os.path.exists(path):
            sys.exit("%s: there is no %s" % (name, path))
    command = ["/bin/sh", "-c", "exec " + lines(name, "ExecStart")[0]]
    if "Type=oneshot" in unit(name):
        sys.exit(subprocess.call(command))
    if os.geteuid() == 0:  # who runs the test stands in for the unit's User
        command[2] += " --user root"
    launch(name, command, "listening")


def launch(name, command, ready):
    out = os.path.join(HERE, name + ".out")
    with open(out, "w") as said, open(os.path.join(ROOT, "journal"), "a") as journal:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=journal, start_new_session=True)
    with open(os.path.join(HERE, name), "w") as file:
        file.write(str(process.pid))
    for _ in range(200):
        time.sleep(0.05)
        with open(out) as file:
            if not ready or ready in file.read():
                return
        if process.poll() is not None:
            sys.exit("%s: ended with %d" % (name, process.returncode))
    sys.exit("%s: did not start" % name)


def stop(name):
    pid = pid_of(name)
    if pid:
        os.kill(pid, signal.SIGTERM)
    for _ in range(300):
        if not pid_of(name):
            return
        time.sleep(0.05)
    sys.exit("%s: did not stop" % name)


def reload(name):
    if name == "nginx.service" and not pid_of(name):
        start(name)
        return
    command = lines(name, "ExecReload")[0].replace("$MAINPID", str(pid_of(name)))
    if subprocess.call(["/bin/sh", "-c", command]):
        sys.exit(1)
    time.sleep(0.3)


verb, is_now = sys.argv[1], "--now" in sys.argv
for name in [word if "." in word else word + ".service" for word in sys.argv[2:] if not word.startswith("-")]:
    if verb == "start" or (verb == "enable" and is_now):
        start(name)
    elif verb == "stop" or (verb == "disable" and is_now):
        if not name.endswith(".timer"):
            stop(name)
    elif verb == "restart":
        stop(name)
        start(name)
    elif verb == "reload":
        reload(name)
    elif verb == "status":
        print(name, "is", "active" if pid_of(name) else "not active")
        sys.exit(0 if pid_of(name) else 3)
    else:
        sys.exit("systemctl: what is %s?" % verb)
'''

SCRIPTS = {
    "sudo": '#!/bin/sh\nif [ "$1" = -u ]; then shift 2; fi\nexec "$@"\n',
    "install": '#!/bin/bash\nkept=()\nwhile [ $# -gt 0 ]; do case $1 in -o|-g) shift 2;; *) kept+=("$1"); shift;; esac; done\n'
               'PATH=/usr/bin:/bin exec install "${kept[@]}"\n',
    "chown": "#!/bin/sh\nexit 0\n",
    "adduser": "#!/bin/sh\nexit 0\n",
    "scp": '#!/bin/sh\nexec cp "$@"\n',
    "journalctl": '#!/bin/sh\nexec cat "$MACHINE_ROOT/journal"\n',
    "systemctl": "#!/usr/bin/env python3\n" + SYSTEMCTL,
}


class Machine:
    """`links`: the programs and units of this build are there without having been installed."""

    def __init__(self, lab, name, links=True):
        self.lab, self.name = lab, name
        self.root = os.path.join(lab.folder, "machines", name)
        self.home = os.path.join(self.root, "home")
        self.into = []  # a command that leads into the machine
        self.environment = {}
        for path in ("bin", "home", "etc/nginx/conf.d", "run/kith", "var/lib", "var/backups", "usr/local/bin"):
            os.makedirs(os.path.join(self.root, path))
        open(os.path.join(self.root, "journal"), "w").close()
        for script, text in SCRIPTS.items():
            path = os.path.join(self.root, "bin", script)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o755)
        if links:
            self.link()

    def link(self):
        for program in ("kith", "kithd"):
            os.symlink(os.path.join(BIN, program), os.path.join(self.root, "usr/local/bin", program))
        units = os.path.join(self.root, "usr/local/lib/systemd/system")
        os.makedirs(units)
        for name in os.listdir("deploy/systemd"):
            with open(os.path.join("deploy/systemd", name)) as source, open(os.path.join(units, name), "w") as unit:
                unit.write(source.read().replace("@PREFIX@", "/usr/local"))

    def path(self, path):
        return self.root + path

    def run(self, commands, cwd=".", stops=True):
        """Exit code and what was said; with `stops`, the first command that fails ends it."""
        environment = {**os.environ, **self.environment, "HOME": self.home, "MACHINE_ROOT": self.root,
                       "DESTDIR": self.root, "KITH_PASSPHRASE_FILE": self.lab.passphrase_file,
                       "PATH": ":".join([self.path("/bin"), self.path("/usr/local/bin"), os.environ["PATH"], "/usr/sbin"])}
        for name in ("KITH_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        done = subprocess.run(self.into + ["bash", "-c", ("set -eo pipefail\n" if stops else "") + commands],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd=cwd, env=environment, timeout=300)
        return done.returncode, done.stdout

    def ok(self, commands, **options):
        code, said = self.run(commands, **options)
        if code != 0:
            raise Failed("on %s: %s\nexit %d: %s" % (self.name, commands, code, said))
        return said

    def close(self):
        self.run("systemctl stop kithd nginx; kith lock", stops=False)


class Page:
    """The blocks of commands of the page, by section: (machine, commands) each."""

    def __init__(self, path="docs/operator.md"):
        self.sections = {}
        with open(path) as file:
            text = file.read()
        for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", text, re.M):
            blocks = re.findall(r"^```(.*)\n((?:(?!```).*\n)+)```$", body, re.M)
            for head, _ in blocks:
                expect(re.fullmatch(r"sh \w+", head), "%s: a block of %r" % (title, head))
            self.sections[title] = [(head.split()[1], commands) for head, commands in blocks]


class Crew:
    """Carries blocks out. `words`: what CODE, N and the like stand for now; codes and numbers that were printed are taken
    from there."""

    def __init__(self, lab, links=True):
        self.lab, self.links, self.page, self.machines, self.words = lab, links, Page(), {}, {}
        self.port, self.metrics_port, self.web_port = free_port(), free_port(), free_port()
        self.stick = os.path.join(lab.folder, "stick")  # files that people carry
        os.makedirs(self.stick)
        new = os.path.join(lab.folder, "new-passphrase")
        with open(new, "w") as file:
            file.write(PASSPHRASE + ", a new one\n")
        self.new_passphrase = new
        lab.proxies.append(self)

    def machine(self, name):
        if name not in self.machines:
            self.machines[name] = Machine(self.lab, name, self.links)
        return self.machines[name]

    def replaced(self, name, commands):
        backup = '"$(ls -t %s/var/backups/kith/hub-* | head -n 1)"' % self.machine(name).root
        words = {"BACKUP": backup, **self.words}
        text = re.sub(r"(?:\b(new):)?(?<![\w.}])(/var/|/etc/|/run/kith/)",
                      lambda found: self.machine(found.group(1) or name).root + found.group(2), commands)
        for old, new in (("wss://hub.example.org", "wss://localhost:%d" % self.web_port), ("hub.example.org", "127.0.0.1"),
                         ("0.0.0.0", "127.0.0.1"), ("7580", str(self.port)), ("7581", str(self.metrics_port)),
                         ("kith forgot --answer", "kith forgot --new-passphrase-file %s --answer" % self.new_passphrase)):
            text = text.replace(old, new)
        # Last: a code or a number may have the digits of a port in it.
        return re.sub(r"\b(%s)\b" % "|".join(words), lambda found: words[found.group(1)], text)

    def do(self, title, number, stops=True):
        """The block of that number of a section; what was said."""
        name, commands = self.page.sections[title][number]
        text = self.replaced(name, commands)
        code, said = self.machine(name).run(text, cwd="." if name in ("hub", "new") else self.stick, stops=stops)
        if stops and code != 0:
            raise Failed("%s, on %s: %s\nexit %d: %s" % (title, name, text, code, said))
        codes = re.findall(r"kith1-[a-z0-9-]+", said)
        if codes:
            self.words["SHEET" if "ecovery sheet" in said else "CODE"] = codes[-1]
        check = re.search(r"\b\d{5}(?: \d{5}){3}\b", said)
        if check and "forgot" in commands:
            self.words["NUMBER"] = check.group(0).replace(" ", "")
        return said

    def do_all(self, title):
        return [self.do(title, number) for number in range(len(self.page.sections[title]))]

    def close(self):
        for machine in self.machines.values():
            machine.close()
