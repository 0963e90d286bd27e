#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An agency of volunteers: the notes, the goals and the circles of any other, and nothing that is for whoever pays."""
from lab import expect, main

PAID = {"participant": ("medicaid_id=1234567890", "payer_id=STATE", "diagnosis_codes+=F10.2", "sex=F"),
        "plan": ("authorization_no=A-17", "authorized_units=20"), "visit": ("code=H0038", "modifiers+=HM")}
WORDS = "an agency of volunteers keeps none"


def found_volunteers(lab):
    founder = lab.laptop("founder")
    founder.json("found", lab.hub().founding_code, "--agency", "Porch Light", "--person", "Irma Founder", "--volunteers")
    founder.ok("unlock")
    return founder


def visit_of(ana, maria):
    return ana.json("visit", "add", "participant=" + maria, "date=today", "start=today 10:00", "end=today 10:40", "place=home",
                    "mode=in_person", "contact_result=done", "purpose=to look at the week", "what_was_done=We walked.",
                    "response=She was glad.", "plan_next=Again on Monday.", "interventions+=shared_lived_experience")["id"]


def refused(device, *arguments, code=1):
    done = device.run(*arguments)
    expect(done.code == code, "%s: %d %s" % (arguments, done.code, done.err))
    return done.err


def nothing_that_is_for_whoever_pays_is_kept(lab):
    founder = found_volunteers(lab)
    expect(founder.status()["volunteers"] and not founder.status()["practice"], "says what it is")
    ana = lab.join(founder, "Ana Silva", "volunteer")
    ana.sync()
    maria = ana.json("participant", "add", "name=Little Bird")["id"]
    plan = ana.json("plan", "add", "participant=" + maria, "kind=wrap")["id"]
    visit = visit_of(ana, maria)
    for kind, record in (("participant", maria), ("plan", plan), ("visit", visit)):
        for field in PAID[kind]:
            expect(WORDS in refused(ana, kind, "edit", record, field), "%s %s" % (kind, field))
    refused(ana, "participant", "add", "name=Nobody", "medicaid_id=1")
    expect([row["fields"]["name"] for row in ana.json("participant", "list")] == ["Little Bird"], "and nothing was saved")


def a_visit_is_signed_and_read_by_others_without_a_code(lab):
    founder = found_volunteers(lab)
    ana = lab.join(founder, "Ana Silva", "volunteer")
    ana.sync()
    visit = visit_of(ana, ana.json("participant", "add", "name=Little Bird")["id"])
    ana.ok("visit", "sign", visit)
    ana.sync()
    founder.sync()
    seen = founder.json("visit", "show", visit)
    expect(seen["fields"]["what_was_done"] == "We walked." and "code" not in seen["fields"], str(seen["fields"]))


def nobody_is_billed(lab):
    founder = found_volunteers(lab)
    with open("deploy/rules/example.rules") as file:
        pack = file.read()
    for command in (("export", "billing", "--from", "2026-01-01", "--to", "today", "--to-file", lab.folder + "/claims.csv"),
                    ("units", "--from", "2026-01-01", "--to", "today"), ("rulepack", "add", "text=" + pack)):
        expect("nobody is billed" in refused(founder, *command), command[0])


def an_agency_of_services_is_as_it_was(lab):
    founder = lab.found(lab.hub())
    expect(not founder.status()["volunteers"], "another kind")
    maria = founder.json("participant", "add", "name=Maria Lopez", *PAID["participant"])["id"]
    visit = visit_of(founder, maria)
    expect("the service code" in refused(founder, "visit", "sign", visit, code=4), "a code is asked for")
    types = {each["type"]: each["fields"] for each in founder.json("schema")}
    fields = {field["name"]: field["billing"] for field in types["participant"]}
    expect(fields["medicaid_id"] and not fields["name"], "the schema says which are for billing")


if __name__ == "__main__":
    main([nothing_that_is_for_whoever_pays_is_kept, a_visit_is_signed_and_read_by_others_without_a_code, nobody_is_billed,
          an_agency_of_services_is_as_it_was])
