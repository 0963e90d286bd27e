#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hub behind the real nginx and the real Caddy, with the examples of deploy/ and a certificate of our own: the main
job over wss, and what devices say when the certificate, the proxy or the hub is not what it should be."""
import os
import re
import shutil
import socket
import subprocess
import time

from lab import Failed, Skipped, expect, free_port, main

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy")
EXAMPLE = os.path.join(DEPLOY, "nginx.conf")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed("%s: %s" % (" ".join(command), done.stderr))


class Certificates:
    """An authority of our own, and a certificate by it."""

    def __init__(self, folder, names="DNS:localhost,IP:127.0.0.1"):
        if not shutil.which("openssl"):
            raise Skipped("needs openssl")
        self.folder = folder
        os.makedirs(folder)
        self.authority, self.key, self.chain = [os.path.join(folder, name) for name in ("ca.pem", "key.pem", "leaf.pem")]
        with open(self.path("leaf.ext"), "w") as file:
            file.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % names)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run("openssl", "req", "-x509", *curve, "-keyout", self.path("ca.key"), "-out", self.authority, "-days", "30",
            "-subj", "/CN=A test authority")
        run("openssl", "req", *curve, "-keyout", self.key, "-out", self.path("leaf.csr"), "-subj", "/CN=hub")
        run("openssl", "x509", "-req", "-in", self.path("leaf.csr"), "-CA", self.authority, "-CAkey", self.path("ca.key"),
            "-CAcreateserial", "-days", "10", "-extfile", self.path("leaf.ext"), "-out", self.chain)

    def path(self, name):
        return os.path.join(self.folder, name)


def changed(path, changes):
    """An example as it is, but for what has to be of this machine."""
    with open(path) as file:
        text = file.read()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        expect(count == 1, "the example has one %s" % pattern)
    return text


class Proxy:
    """A program that serves the web, until it is closed."""

    def start(self, lab, folder, command):
        log = os.path.join(folder, "log")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(log, "wb"),
                                        env=dict(os.environ, HOME=folder))
        lab.proxies.append(self)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise Failed("the proxy did not start: " + open(log).read())

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


class Nginx(Proxy):
    """The example, but for where it listens, its certificate, and where the hub is."""

    def __init__(self, lab, hub_port, certificates, edit=lambda text: text):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not os.access(program, os.X_OK):
            raise Skipped("needs nginx-light")
        self.port = free_port()
        folder = os.path.join(lab.folder, "nginx%d" % self.port)
        os.makedirs(folder)
        text = changed(EXAMPLE, (
            ("listen 443 ssl;", "listen 127.0.0.1:%d ssl;" % self.port), (r"127\.0\.0\.1:7580", "127.0.0.1:%d" % hub_port),
            (r"(?<= )ssl_certificate [^;]*", "ssl_certificate " + certificates.chain),
            (r"(?<= )ssl_certificate_key [^;]*", "ssl_certificate_key " + certificates.key),
            (r"(?<= )server_name [^;]*", "server_name localhost")))
        temporary = "".join("%s_temp_path %s/%s;\n" % (kind, folder, kind)
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as file:
            file.write("daemon off;\nmaster_process off;\nerror_log stderr;\npid %s/pid;\n" % folder +
                       "events { worker_connections 512; }\nhttp {\n" + temporary + edit(text) + "}\n")
        self.start(lab, folder, [program, "-p", folder, "-c", path, "-e", "stderr"])


class Caddy(Proxy):
    """Likewise; it must not fetch a certificate, nor listen elsewhere."""

    def __init__(self, lab, hub_port, certificates, _edit):
        program = shutil.which("caddy")
        if not program:
            raise Skipped("needs caddy")
        self.port = free_port()
        folder = os.path.join(lab.folder, "caddy%d" % self.port)
        os.makedirs(folder)
        text = changed(os.path.join(DEPLOY, "Caddyfile"), (
            (r"hub\.example\.org \{", "https://localhost:%d {\n\tbind 127.0.0.1\n\ttls %s %s"
             % (self.port, certificates.chain, certificates.key)),
            (r"127\.0\.0\.1:7580", "127.0.0.1:%d" % hub_port)))
        path = os.path.join(folder, "Caddyfile")
        with open(path, "w") as file:
            file.write("{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system %s\n}\n%s" % (folder, text))
        self.start(lab, folder, [program, "run", "--config", path, "--adapter", "caddyfile"])


class Site:
    """A hub, a proxy before it, and devices that trust our authority."""

    def __init__(self, lab, host="localhost", path="", names="DNS:localhost,IP:127.0.0.1", edit=lambda text: text, proxy=Nginx):
        self.certificates = Certificates(os.path.join(lab.folder, "certificates%d" % len(lab.proxies)), names)
        hub_port = free_port()
        self.proxy = proxy(lab, hub_port, self.certificates, edit)
        self.hub = lab.hub(address="wss://%s:%d%s" % (host, self.proxy.port, path), port=hub_port)
        os.environ["SSL_CERT_FILE"] = self.certificates.authority


def first_visit(lab, site):
    founder = lab.found(site.hub)
    rosa = lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana Silva", "specialist")
    maria = ana.json("participant", "add", "name=Maria Lopez")["id"]
    visit = ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=support with housing")["id"]
    ana.ok("grant", maria, "Rosa Quiroga")
    sent = ana.sync()
    expect(sent["up_to_date"] and sent["refused"] == [], str(sent))
    expect(rosa.sync()["up_to_date"], "the supervisor syncs")
    expect(rosa.json("visit", "show", visit)["fields"]["purpose"] == "support with housing", "and reads the visit")
    return founder, ana, rosa, maria


def a_first_visit_travels_through_caddy(lab):
    site = Site(lab, proxy=Caddy)
    _, ana, rosa, maria = first_visit(lab, site)
    for turn in range(10):
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + "turn %d " % turn + "word " * 2000)
    expect(ana.sync()["sent"] >= 10 and rosa.sync()["received"] >= 10, "more than one go up and down")
    ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=in one request")
    sent = ana.json("sync", "--brief")
    expect(sent["up_to_date"] and sent["sent"] == 1 and sent["round_trips"] == 1, "by POST through caddy: %s" % sent)
    expect(rosa.json("sync", "--brief")["received"] == 1, "and down")


def advised_settings():
    """What the example says of the hub's own settings."""
    with open(EXAMPLE) as file:
        return {key: int(value) for key, value in re.findall(r"(?m)^# +(\w+) = (\d+)$", file.read())}


def a_first_visit_travels_through_nginx(lab):
    site = Site(lab)
    expect(len(advised_settings()) == 3, "the example has settings for the hub")
    site.hub.limit(**advised_settings())
    _, ana, rosa, maria = first_visit(lab, site)
    for turn in range(30):
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + "turn %d " % turn + "word " * 2000)
    sent = ana.sync()
    expect(sent["up_to_date"] and sent["sent"] >= 30, "more than a batch goes up: %s" % sent["sent"])
    got = rosa.sync()
    expect(got["up_to_date"] and got["received"] >= 30, "and down: %s" % got["received"])
    ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=in one request")
    sent = ana.json("sync", "--brief")
    expect(sent["up_to_date"] and sent["sent"] == 1 and sent["round_trips"] == 1, "by POST through nginx: %s" % sent)
    got = rosa.json("sync", "--brief")
    expect(got["received"] == 1, "and down: %s" % got)
    ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + os.urandom(8000).hex())
    for _ in range(8):
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + os.urandom(8000).hex())
    expect(ana.json("sync", "--brief")["bytes_out"] > 50000, "a large one too")
    expect(ana.status()["hub"] == "wss://localhost:%d" % site.proxy.port, "the address is shown as it is")


def a_number_and_a_path_make_an_address_too(lab):
    def below(text):
        return (text.replace("location = /kith", "location = /peer/support/kith")
                .replace("location = /sync", "location = /peer/support/sync")
                .replace("support/kith {\n        proxy_pass http://kith;", "support/kith {\n        proxy_pass http://kith/kith;")
                .replace("support/sync {\n        proxy_pass http://kith;", "support/sync {\n        proxy_pass http://kith/sync;"))
    first_visit(lab, Site(lab, host="127.0.0.1", path="/peer/support", edit=below))


def wait_for(what, check, seconds=20):
    until = time.monotonic() + seconds
    while not check():
        expect(time.monotonic() < until, "not within %d s: %s" % (seconds, what))
        time.sleep(0.05)


def agents_stay_in_step_through_nginx(lab):
    site = Site(lab)
    site.hub.limit(retry_s=1)
    _, ana, rosa, maria = first_visit(lab, site)
    agents = [laptop.start("agent", "--foreground") for laptop in (ana, rosa)]
    try:
        for laptop in (ana, rosa):
            wait_for("live", lambda: laptop.status()["agent"] == "live")
        for purpose in ("one", "two"):
            ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=" + purpose)
            wait_for("at once", lambda: any(row["fields"].get("purpose") == purpose for row in rosa.json("visit", "list")), 10)
        site.hub.stop()
        wait_for("it noticed", lambda: ana.status()["agent"] == "waiting")
        site.hub.start()
        ana.json("visit", "add", "participant=" + maria, "date=today", "purpose=three")
        wait_for("it came again", lambda: ana.status()["unsent"] == 0, 90)
    finally:
        for agent in agents:
            agent.kill()
            agent.communicate()


def refused(laptop, *arguments):
    result = laptop.run(*arguments)
    expect(result.code != 0, "kith %s must fail" % arguments[0])
    return result


def a_certificate_that_is_not_good_ends_it_before_anything_is_sent(lab):
    good = Site(lab)
    stranger = Certificates(os.path.join(lab.folder, "stranger"))
    elsewhere = Site(lab, names="DNS:elsewhere.test")
    founder = lab.laptop("founder")
    words = ["found", good.hub.founding_code, "--agency", "Open Door", "--person", "Irma Founder"]

    os.environ["SSL_CERT_FILE"] = stranger.authority
    result = refused(founder, *words)
    expect("certificate" in result.err and "unable to get local issuer" in result.err, result.err)
    os.environ["SSL_CERT_FILE"] = elsewhere.certificates.authority
    result = refused(lab.laptop("other"), "found", elsewhere.hub.founding_code, *words[2:])
    expect("certificate" in result.err and "ostname mismatch" in result.err, result.err)
    expect(elsewhere.hub.stats()["devices"] == 0, "nothing reached the hub")
    os.environ["SSL_CERT_FILE"] = good.certificates.authority
    late = lab.laptop("late")
    late.clock = "+20d"
    result = refused(late, *words)
    expect("certificate" in result.err and "expired" in result.err, result.err)
    founder.ok(*words)


def what_is_no_hub_is_told_from_one_that_is_away(lab):
    site = Site(lab)
    founder, ana, _, _ = first_visit(lab, site)
    site.hub.kill()
    result = refused(ana, "sync")
    expect(result.code == 3 and "not reached" in result.err, "nginx is there, the hub is not: %d %s" % (result.code, result.err))
    site.hub.start()
    expect(ana.sync()["up_to_date"], "as soon as it is back")
    for address, words in (("wss://127.0.0.1:%d" % free_port(), "not reached"), ("wss://127.0.0.1:%d" % site.hub.port, "lost"),
                           ("ws://127.0.0.1:%d/elsewhere" % site.hub.port, "404"),
                           ("ws://localhost:%d" % site.proxy.port, "no hub"), ("wss://localhost:%d/x" % site.proxy.port, "404")):
        started = time.monotonic()
        other = lab.hub(address=address)
        result = refused(lab.laptop("lost%d" % other.port), "found", other.founding_code, "--agency", "A", "--person", "B")
        expect(words in result.err and (words != "404" or "no hub" in result.err), "%s: %s" % (address, result.err))
        expect(time.monotonic() - started < 10, "it does not wait for what cannot come")
    site.proxy.close()
    result = refused(ana, "sync")
    expect(result.code == 3 and "not reached" in result.err, "nobody is there: %d %s" % (result.code, result.err))


if __name__ == "__main__":
    main([a_first_visit_travels_through_nginx, a_first_visit_travels_through_caddy,
          a_number_and_a_path_make_an_address_too, agents_stay_in_step_through_nginx,
          a_certificate_that_is_not_good_ends_it_before_anything_is_sent, what_is_no_hub_is_told_from_one_that_is_away])
