#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A word is written into every field there is, and looked for wherever it must not be: disks, logs, wire, memory."""
import glob
import json
import os
import random
import signal
import stat
import string
import subprocess

from lab import BIN, Skipped, every_form, expect, files_with, main

SAMPLES = {"date": "today", "time": "today 09:00", "number": "1", "flag": "yes"}
TYPED = ("text", "prose")
BY_NOBODY = ("rulepack", "disclosure")  # the one is checked line by line, the other is written by exports


class Canaries:
    """Words that stand nowhere else, and where each was written."""

    def __init__(self):
        self.words = {}

    def word(self, place):
        word = "Zq" + "".join(random.choices(string.ascii_letters, k=14))
        self.words[word] = place
        return word

    def places(self, content):
        return sorted({self.words[word] for word in self.words if any(form in content for form in every_form(word))})

    def expect_no_file(self, folder):
        hits = {(path, self.words[word]) for path, word in files_with(folder, self.words)}
        expect(not hits, "found on the disk: %s" % hits)


def sample(field, participant, person):
    if field["kind"] == "choice":
        return field["choices"].split()[0]
    return {"participant": participant, "person": person}.get(field["kind"], SAMPLES.get(field["kind"]))


def write_one(laptop, canaries, kind, fields, participant):
    """A record of this type with a word in every field that takes words: how many did."""
    needed = [(field["name"], sample(field, participant, "Rosa Quiroga")) for field in fields
              if field["required"] and field["kind"] not in TYPED]
    given = ["%s=%s" % pair for pair in needed]
    if kind not in ("participant", "resource", "credential", "training", "supervision", "ledger", "limit"):
        given.append("participant=" + participant)
    typed = [field for field in fields if field["kind"] in TYPED]
    given += ["%s=%s" % (field["name"], canaries.word("%s.%s" % (kind, field["name"]))) for field in typed if field["required"]]
    made = laptop.run(kind, "add", *given, "--json")
    expect(made.code == 0, "%s add %s: %s" % (kind, given, made.err))
    record = json.loads(made.out)["id"]
    taken = len([field for field in typed if field["required"]])
    for field in typed:
        if field["required"]:
            continue
        word = canaries.word("%s.%s" % (kind, field["name"]))
        ways = ("%s=%s", "%s+=%s")  # a set is added to
        if any(laptop.run(kind, "edit", record, way % (field["name"], word)).code == 0 for way in ways):
            taken += 1
        else:
            del canaries.words[word]
    return record, taken


def write_everywhere(laptop, canaries):
    """Every type that a person writes; the visit's id."""
    types = {one["type"]: one["fields"] for one in laptop.json("schema")}
    participant, taken = write_one(laptop, canaries, "participant", types.pop("participant"), "")
    ids = {}
    for kind in [kind for kind in types if kind not in BY_NOBODY]:
        ids[kind], more = write_one(laptop, canaries, kind, types[kind], participant)
        taken += more
    print("words in %d fields of %d types" % (taken, len(ids) + 1))
    expect(taken >= 50, "words were taken by %d fields only" % taken)
    return participant, ids


def open_agency(lab, canaries):
    hub = lab.hub(proxied=True)
    founder = lab.found(hub, agency=canaries.word("agency"), person="Irma " + canaries.word("founder"))
    lab.join(founder, "Rosa Quiroga", "supervisor")
    ana = lab.join(founder, "Ana " + canaries.word("person"), "specialist", "Rosa Quiroga", name="ana")
    return hub, founder, ana


def kithd(*arguments):
    return subprocess.run([BIN + "/kithd", *arguments], capture_output=True, text=True)


def nothing_that_is_written_can_be_read_from_outside(lab):
    canaries = Canaries()
    hub, founder, ana = open_agency(lab, canaries)
    participant, ids = write_everywhere(founder, canaries)
    founder.ok("grant", participant, "Rosa Quiroga")
    failing = founder.run("visit", "edit", ids["visit"], "date=" + canaries.word("what was refused"))
    expect(failing.code != 0, "no date")
    for laptop in (founder, ana, *lab.laptops):
        laptop.sync()
    # What else leaves a laptop or a hub, or is left behind.
    expect(kithd("backup", "--data", hub.data, "--to", lab.folder + "/hub.backup").returncode == 0, "backup")
    founder.ok("visit", "edit", write_visit(founder, participant, canaries), "plan_next=" + canaries.word("carried by hand"))
    founder.ok("bundle", "write", lab.folder + "/carried.kith")
    expect(kithd("audit", "--data", hub.data).returncode == 0, "audit")
    canaries.expect_no_file(lab.folder)
    expect(len(hub.proxy.seen) > 20000, "the wire was recorded")
    expect(canaries.places(bytes(hub.proxy.seen)) == [], "on the wire")
    expect(canaries.places((kithd("stats", "--data", hub.data).stdout + kithd("audit", "--data", hub.data).stdout).encode()) == [],
           "what the hub's operator is shown")


def write_visit(laptop, participant, canaries):
    return laptop.json("visit", "add", "participant=" + participant, "date=today", "purpose=" + canaries.word("not sent"))["id"]


def memory_of(pid):
    """All that a process could be found to hold."""
    held = bytearray()
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            span, access = line.split()[:2]
            first, last = (int(end, 16) for end in span.split("-"))
            if "r" not in access or last - first > 1 << 28 or line.rstrip().endswith("]") and "heap" not in line and "stack" not in line:
                continue
            try:
                memory.seek(first)
                held += memory.read(last - first)
            except (OSError, ValueError):
                pass
    return bytes(held)


def running(words):
    """The processes whose command line has all of these."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            yield int(path.split("/")[2]), line


def neither_the_hub_nor_a_locked_laptop_holds_it_in_memory(lab):
    if os.geteuid() != 0:
        raise Skipped("only root reads the memory of others")
    canaries = Canaries()
    hub, founder, ana = open_agency(lab, canaries)
    agent = ana.start("agent")
    visit = write_visit(ana, ana.json("participant", "add", "name=" + canaries.word("name"))["id"], canaries)
    ana.json("visit", "show", visit)
    ana.sync()
    expect(canaries.places(memory_of(hub.process.pid)) == [], "the hub")
    for pid, line in running([ana.home]):
        expect(canaries.places(line.encode()) == [], "a command line: " + line)
    expect(ana.run("lock").code == 0, "lock")
    with open(lab.passphrase_file) as file:
        canaries.words[file.read().strip()] = "passphrase"
    for pid, line in list(running([ana.home])) + [(agent.pid, "agent")]:
        if os.path.exists("/proc/%d/mem" % pid) and agent.poll() is None:
            expect(canaries.places(memory_of(pid)) == [], "locked, and still there: " + line)
    agent.terminate()
    agent.communicate()


def a_program_that_is_struck_down_leaves_no_core(lab):
    canaries = Canaries()
    hub, founder, ana = open_agency(lab, canaries)
    agent = ana.start("agent")
    write_visit(ana, ana.json("participant", "add", "name=" + canaries.word("name"))["id"], canaries)
    for pid in (hub.process.pid, agent.pid):
        with open("/proc/%d/limits" % pid) as file:
            limit = next(line for line in file if line.startswith("Max core file size"))
        expect(limit.split()[4] == "0", limit)
        os.kill(pid, signal.SIGSEGV)
    agent.communicate()
    hub.process.wait()
    hub.kill()
    expect([path for path in glob.glob(lab.folder + "/**/core*", recursive=True) + glob.glob("core*")] == [], "a core file")


def an_editor_leaves_nothing_behind(lab):
    canaries = Canaries()
    hub, founder, ana = open_agency(lab, canaries)
    visit = write_visit(ana, ana.json("participant", "add", "name=" + canaries.word("name"))["id"], canaries)
    word, seen = canaries.word("typed in an editor"), lab.folder + "/editor-saw"
    editor = lab.folder + "/editor"
    with open(editor, "w") as file:
        file.write('#!/bin/sh\nstat -c "%%a %%n" "$1" >%s\ncp "$1" "$1~"\n'
                   'sed -i "s/^\\[plan_next\\]$/&\\n%s/" "$1"\n' % (seen, word))
    os.chmod(editor, stat.S_IRWXU)
    ana.ok("visit", "edit", visit, env={**os.environ, "EDITOR": editor})
    expect(ana.json("visit", "show", visit)["fields"].get("plan_next") == word, "it was edited")
    with open(seen) as file:
        mode, path = file.read().split()
    expect(mode == "600", "for its owner alone: " + mode)
    expect(not os.path.exists(os.path.dirname(path)), "with what the editor put beside it, gone: " + path)
    os.remove(editor)
    canaries.expect_no_file(lab.folder)


def each_form_of_a_word_is_found(lab):
    """A search that finds nothing would prove nothing."""
    canaries = Canaries()
    word = canaries.word("control")
    for number, form in enumerate(sorted(every_form(word))):
        folder = os.path.join(lab.folder, "control%d" % number)
        os.mkdir(folder)
        with open(folder + "/file", "wb") as file:
            file.write(b"before " + form + b" after")
        expect(files_with(folder, [word]) == [(folder + "/file", word)], "form %r" % form)
    founder = lab.found(lab.hub())
    participant = founder.json("participant", "add", "name=" + word)["id"]
    shown = founder.ok("participant", "show", participant)
    expect(canaries.places(shown.encode()) == ["control"], "and it is there for who may read it")


if __name__ == "__main__":
    main([nothing_that_is_written_can_be_read_from_outside, neither_the_hub_nor_a_locked_laptop_holds_it_in_memory,
          a_program_that_is_struck_down_leaves_no_core, an_editor_leaves_nothing_behind, each_form_of_a_word_is_found])
