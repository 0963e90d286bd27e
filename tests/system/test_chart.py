#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A record for reading and printing: all that was signed, in order, and nothing of what was typed becomes markup."""
import html.parser
import os
import shutil

from lab import Skipped, expect, main
from stage import Agency, day, refuses

MARKUP = "<script>alert(1)</script> & \"quotes\" <b>'bold'</b> \u202egnp.exe"
NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
VOID = {"meta"}
ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "section", "article", "aside", "h1", "h2", "h3",
           "p", "span", "dl", "dt", "dd", "q", "ins", "del", "em", "strong", "code", "div"}


class Page(html.parser.HTMLParser):
    """The text of a page that is well formed and has no element that does anything."""

    def __init__(self, path):
        super().__init__()
        self.open, self.words, self.visits = [], [], []
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())
        expect(self.open == [], "elements are left open: %s" % self.open)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        expect(tag in ALLOWED, "an element <%s>" % tag)
        expect(all(name in ("class", "lang", "charset") for name, _ in attributes), "%s %s" % (tag, attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        expect(self.open and self.open.pop() == tag, "</%s> closes something else" % tag)

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def chart(device, name, *options):
    path = os.path.join(device.lab.folder, name)
    made = device.json("export", "chart", "--to-file", path, *options)
    expect(made["file"] == path and oct(os.stat(path).st_mode & 0o777) == "0o600", "the file is for its owner alone")
    newest = [row for row in device.json("access") if row["did"] == "exported"][-1]
    expect((newest["what"], newest["records"]) == ("chart", made["lines"]), "the device's log says so: %s" % newest)
    return Page(path).text, made


def in_order(text, *words):
    at = 0
    for word in words:
        found = text.find(word, at)
        expect(found >= 0, "%r does not stand behind what comes before it:\n%s" % (word, text))
        at = found + len(word)


def what_is_signed_stands_there_with_what_was_added_to_it(lab):
    agency = Agency(lab)
    ana, rosa, maria = agency.ana, agency.rosa, agency.maria
    goal = ana.json("goal", "add", "participant=" + maria, "text=Ride the bus alone.", "domain=community")["id"]
    ana.ok("participant", "edit", maria, "preferred_name=" + MARKUP)
    later = agency.visit(ana, 2, goals=goal, what_was_done="We rode two stops. " + MARKUP, **{"progress." + goal: "better"})
    first = agency.visit(ana, 4, goals=goal)
    wrong = agency.visit(ana, 3, goals=goal)
    draft = agency.visit(ana, 1, goals=goal, purpose="Nobody signed this.")
    for visit in (later, first, wrong):
        ana.ok("visit", "sign", visit)
    ana.ok("visit", "submit", first)
    ana.sync()
    rosa.sync()
    rosa.ok("visit", "cosign", first)
    rosa.sync()
    ana.sync()
    ana.ok("visit", "addend", first, "--kind", "correction", "start=" + day(4) + " 09:10", "We began ten minutes later.")
    ana.ok("visit", "addend", first, "--kind", "addendum", "She called in the evening.")
    ana.ok("visit", "void", wrong, "--reason", "It was somebody else.")
    text, made = chart(ana, "maria.html", "--participant", "Maria Lopez")
    expect((made["lines"], made["charts"]) == (3, 1), str(made))
    expect([(left["id"], left["why"]) for left in made["left_out"]] == [(draft, "not signed")], str(made))
    expect("Nobody signed this." not in text, "a draft is no part of the record")
    in_order(text, "Maria Lopez", "Open Door", "the person", "own copy", "Ride the bus alone.",
             "Visit of " + day(4), "09:00", "Goals Ride the bus alone.", "Signed by Ana Silva", "Co-signed by Rosa Quiroga",
             "Correction", "Added by Ana Silva", "We began ten minutes later.", "Start was " + day(4) + "T09:00", "is " + day(4) + "T09:10",
             "Addendum", "She called in the evening.", "Entered " + day(0),
             "Visit of " + day(3), "Voided", "It was somebody else.",
             "Visit of " + day(2), "We rode two stops.", "Ride the bus alone.: better")
    expect(text.count(MARKUP.replace("\u202e", "\ufffd")) == 2, "what was typed is text: %s" % text)
    expect(NOTICE not in text, "this is no record of a programme under 42 CFR Part 2")
    told = ana.json("disclosure", "list")
    expect([(row["fields"]["what"], row["fields"]["recipient"], row["fields"]["visits"]) for row in told] ==
           [("chart", "the person", 3)], "the account of it: %s" % told)
    text, made = chart(ana, "some.html", "--participant", maria, "--from", day(3), "--to", day(2))
    expect(made["lines"] == 2 and "Visit of " + day(4) not in text, "only between the days")
    refuses(ana, 1, "there is a file already", "export", "chart", "--participant", maria, "--to-file",
            os.path.join(lab.folder, "some.html"))
    refuses(ana, 2, "--participant", "export", "chart", "--to-file", "x.html")


def part_2_goes_to_whom_the_consent_names_with_the_notice(lab):
    agency = Agency(lab)
    ana, maria = agency.ana, agency.maria
    ana.ok("visit", "sign", agency.visit(ana, 2))
    ana.ok("participant", "edit", maria, "programme=SUD")
    path = os.path.join(lab.folder, "out.html")
    asked = ["export", "chart", "--participant", maria, "--to-file", path, "--for", "County Clinic", "--purpose", "treatment"]
    refuses(ana, 1, "42 CFR Part 2|County Clinic", *asked)
    expect(not os.path.exists(path), "nothing is written")
    text, _ = chart(ana, "own.html", "--participant", maria)
    expect(NOTICE in text, "the person may have a copy without consent, with the notice")
    consent = ana.json("consent", "add", "participant=" + maria, "scope=Visit notes", "purpose=treatment",
                       "recipients=County Clinic", "signed_on=" + day(5))["id"]
    text, made = chart(ana, "clinic.html", *asked[2:4], *asked[6:])
    in_order(text, "For County Clinic", "Purpose treatment", NOTICE, consent, "Visit notes", "County Clinic", "Visit of")
    told = ana.json("disclosure", "list")[-1]["fields"]
    expect((told["recipient"], told["purpose"], told["consent"]) == ("County Clinic", "treatment", consent), str(told))
    agency.irma.sync()
    ana.sync()
    agency.irma.sync()
    agency.irma.ok("consent", "edit", consent, "revoked=yes")
    agency.irma.sync()
    ana.sync()
    refuses(ana, 1, "42 CFR Part 2", *asked)
    refuses(ana, 1, "42 CFR Part 2", *asked[:-2])


def a_page_becomes_a_pdf(lab):
    agency = Agency(lab)
    agency.ana.ok("visit", "sign", agency.visit(agency.ana, 2))
    path = os.path.join(lab.folder, "maria.pdf")
    asked = ["export", "chart", "--participant", agency.maria, "--to-file", path]
    bare = dict(os.environ, PATH=os.path.join(lab.folder, "nothing"))
    result = agency.ana.run(*asked, env=bare)
    expect(result.code == 1 and "weasyprint is not installed" in result.err, result.err)
    expect(not os.path.exists(path), "nothing is left behind")
    if not shutil.which("weasyprint"):
        raise Skipped("needs weasyprint")
    agency.ana.ok(*asked)
    with open(path, "rb") as file:
        made = file.read()
    expect(made.startswith(b"%PDF-") and made.rstrip().endswith(b"%%EOF") and len(made) > 2000, str(made[:20]))
    expect(oct(os.stat(path).st_mode & 0o777) == "0o600", "the file is for its owner alone")


if __name__ == "__main__":
    main([what_is_signed_stands_there_with_what_was_added_to_it,
          part_2_goes_to_whom_the_consent_names_with_the_notice,
          a_page_becomes_a_pdf])
