#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The FHIR export: two validators of their own find no error, references hold, and the records are what was signed."""
import base64
import copy
import json
import os
import shutil
import subprocess

from lab import Skipped, expect, main
from libkith import Library
from stage import DRAFT, Agency, day, refuses

MODULES = os.path.abspath("build/fhir/node_modules")
VISITS = 200
PART2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}
HOSTILE = "She said \"no\" \\ </script> \u202e caf\u00e9 \U0001f642\nand laughed.\tTwice."


def errors_of(resources):
    """{name: errors} by the validators."""
    if not shutil.which("node") or not os.path.isdir(MODULES):
        raise Skipped("needs node and the validators that deploy/setup/packages.sh check installs")
    done = subprocess.run(["node", "tests/fhir/check.js"], input=json.dumps(resources), capture_output=True, text=True,
                          env=dict(os.environ, NODE_PATH=MODULES), timeout=300)
    expect(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def export(device, name, *options, since=150):
    path = os.path.join(device.lab.folder, name)
    made = device.json("export", "fhir", "--from", day(since), "--to", day(0), "--to-file", path, *options)
    expect(oct(os.stat(path).st_mode & 0o777) == "0o600", "the file is for its owner alone")
    newest = [row for row in device.json("access") if row["did"] == "exported"][-1]
    expect((newest["what"], newest["records"]) == ("fhir", made["lines"]), "the device's log says so: %s" % newest)
    with open(path, encoding="utf-8") as file:
        return json.load(file), made


def by_type(bundle):
    """{type: {id: resource}}"""
    found = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        same = found.setdefault(resource["resourceType"], {})
        expect(resource["id"] not in same, "%s twice" % entry["fullUrl"])
        expect(entry["fullUrl"].endswith("/%s/%s" % (resource["resourceType"], resource["id"])), entry["fullUrl"])
        same[resource["id"]] = resource
    return found


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def text_of(document):
    return base64.b64decode(document["content"][0]["attachment"]["data"], validate=True).decode("utf-8")


def write_charts(kith):
    charts = []
    for number, (sex, programme) in enumerate((("F", "MH"), ("M", "MH"), ("U", "SUD"), ("F", "MH"))):
        person = kith.add("participant", name="Lopez, Maria %d" % number, dob="1980-02-29", sex=sex, programme=programme,
                          local_code="A%d" % number, medicaid_id="M%07d" % number, phone=["555 0142"], address="12 Elm St",
                          preferred_name=" ".join(HOSTILE.split()))
        plan = kith.add("plan", participant=person, kind="service", effective_from=day(200), status="active",
                        narrative="Together. " + HOSTILE, strengths="Humour")
        goals = [kith.add("goal", participant=person, plan=plan, text="Ride the bus alone.", domain="community",
                          target_date=day(-30), objectives="First one stop."),
                 kith.add("goal", participant=person, text="Sleep.", status="closed", closed_reason="It was reached.")]
        kith.add("consent", participant=person, scope="Visit notes", purpose="treatment", recipients="County Clinic",
                 signed_on=day(150), expires=day(-30))
        charts.append((person, goals[0]))
    return charts


def write_visits(kith, charts):
    """What each visit says, by its id."""
    told = {}
    for number in range(VISITS):
        person, goal = charts[number % len(charts)]
        back, hour = 1 + number // 4, 8 + 2 * (number % 4)
        fields = {**DRAFT, "date": day(back), "start": "%s %02d:00" % (day(back), hour), "end": "%s %02d:%02d" % (day(back), hour, 20 + number % 35),
                  "place": ("home", "shelter", "clinic", "telehealth")[number % 4 if number % 3 else 0],
                  "mode": ("in_person", "phone", "video")[number % 3], "goals": [goal], "interventions": ["linkage"],
                  "what_was_done": "Visit %d. %s" % (number, HOSTILE), "progress." + goal: "better",
                  "participant": person}
        if number == 9:
            fields["code"] = "H0038  or so"
        if number % 17 == 5:
            fields["contact_result"] = "no_show"
        visit = kith.add("visit", **fields)
        kith.sign(visit)
        told[visit] = {"number": number, "minutes": 20 + number % 35, "corrected": False, "voided": False,
                       "no_show": number % 17 == 5, "start": "%sT%02d:00:00" % (day(back), hour), "person": person}
        if number % 10 == 3:
            start = "%s %02d:05" % (day(back), hour)
            kith.correct(visit, "We began five minutes later. " + HOSTILE, start=start)
            told[visit].update(corrected=True, minutes=15 + number % 35, start="%sT%02d:05:00" % (day(back), hour))
        if number % 23 == 7:
            kith.void(visit, "It was another day.")
            told[visit]["voided"] = True
    return told


def check_visit(found, id, visit):
    encounter, note = found["Encounter"][id], found["DocumentReference"][id]
    status = "entered-in-error" if visit["voided"] else "cancelled" if visit["no_show"] else "finished"
    expect((encounter["status"], encounter["length"]["value"]) == (status, visit["minutes"]), str(encounter))
    expect(encounter["period"]["start"].startswith(visit["start"]), "as the correction has it: %s" % encounter["period"])
    expect(encounter["subject"]["reference"] == "Patient/" + visit["person"], "of whom")
    doc_status = "entered-in-error" if visit["voided"] else "amended" if visit["corrected"] else "final"
    expect((note["status"], note["docStatus"]) == ("entered-in-error" if visit["voided"] else "current", doc_status), str(note))
    expect("what_was_done: Visit %d. %s" % (visit["number"], HOSTILE) in text_of(note), text_of(note))
    expect("goals: Ride the bus alone." in text_of(note) and "progress: Ride the bus alone.: better" in text_of(note), text_of(note))
    signed = found["Provenance"][id + "-step-1"]
    expect(signed["target"] == [{"reference": "DocumentReference/" + id}] and len(signed["entity"][0]["what"]["identifier"]["value"]) == 64, str(signed))
    added = found["DocumentReference"].get(id + "-1")
    expect(bool(added) == visit["corrected"], "an addendum is a document of its own")
    if added:
        expect(added["relatesTo"] == [{"code": "appends", "target": {"reference": "DocumentReference/" + id}}], str(added))
        expect("We began five minutes later." in text_of(added) and "start: was " in text_of(added), text_of(added))


def two_hundred_visits_without_an_error_of_a_validator(lab):
    agency = Agency(lab)
    ana = agency.ana
    ana.ok("credential", "add", "kind=CPS", "npi=1234567893", "issued=" + day(500), "expires=" + day(-500))
    with Library(ana) as kith:
        charts = write_charts(kith)
        told = write_visits(kith, charts)
    draft = agency.visit(ana, 1, start="20:00", end="20:30")
    bundle, made = export(ana, "all.json", "--for", "County Clinic")
    expect((made["lines"], made["charts"], [left["id"] for left in made["left_out"]]) == (VISITS, 4, [draft]), str(made))
    found = by_type(bundle)
    expect(set(found) == {"Organization", "Patient", "Practitioner", "CarePlan", "Goal", "Consent", "Encounter",
                          "DocumentReference", "Provenance"}, str(set(found)))
    there = {"%s/%s" % (type, id) for type, same in found.items() for id in same}
    expect(set(references(bundle)) <= there, "they hold: %s" % (set(references(bundle)) - there))
    expect(set(found["Encounter"]) == set(told), "each visit once")
    for id, visit in told.items():
        check_visit(found, id, visit)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        chart = resource if resource["resourceType"] == "Patient" else None
        subject = resource.get("subject", resource.get("patient", {})).get("reference", "")
        is_part2 = (chart and chart["id"] == charts[2][0]) or subject == "Patient/" + charts[2][0]
        if chart or subject:
            expect((PART2 in resource.get("meta", {}).get("security", [])) == bool(is_part2), "labelled: %s" % resource)
    practitioner = next(iter(found["Practitioner"].values()))
    expect(practitioner["identifier"][0]["value"] == "1234567893" and practitioner["name"] == [{"text": "Ana Silva"}], str(practitioner))
    bad = copy.deepcopy(bundle)
    bad["entry"][1]["resource"]["gender"] = "F"
    worse = copy.deepcopy(bundle)
    next(entry for entry in worse["entry"] if entry["resource"]["resourceType"] == "Encounter")["resource"]["minutes"] = 4
    errors = errors_of({"bundle": bundle, "bad": bad, "worse": worse})
    expect(errors["bundle"] == [], "the validators say: %s" % errors["bundle"][:5])
    expect(errors["bad"] and errors["worse"], "and they would say so")


def what_part_2_protects_needs_a_consent_that_names_whom(lab):
    agency = Agency(lab)
    ana, maria = agency.ana, agency.maria
    ana.ok("visit", "sign", agency.visit(ana, 2))
    ana.ok("participant", "edit", maria, "programme=SUD")
    path = os.path.join(lab.folder, "out.json")
    asked = ["export", "fhir", "--from", day(5), "--to", day(0), "--to-file", path]
    refuses(ana, 1, "42 CFR Part 2|--for", *asked)
    refuses(ana, 1, "42 CFR Part 2", *asked, "--for", "County Clinic")
    expect(not os.path.exists(path), "nothing is written")
    consent = ana.json("consent", "add", "participant=" + maria, "scope=Visit notes", "purpose=TPO",
                       "recipients=County Clinic", "signed_on=" + day(5))["id"]
    refuses(ana, 1, "42 CFR Part 2", *asked, "--for", "Somebody Else")
    bundle, _ = export(ana, "clinic.json", "--for", "County Clinic")
    note = next(iter(by_type(bundle)["DocumentReference"].values()))
    expect(note["securityLabel"][0]["text"].startswith("42 CFR part 2 prohibits unauthorized use"), str(note))
    expect(list(by_type(bundle)["Consent"]) == [consent], "a copy of the consent goes with it")
    told = ana.json("disclosure", "list")[-1]["fields"]
    expect((told["what"], told["recipient"], told["purpose"], told["consent"]) == ("fhir", "County Clinic", "treatment", consent), str(told))
    refuses(ana, 1, "no visit", "export", "fhir", "--from", day(90), "--to", day(80), "--to-file", path, "--for", "County Clinic")
    refuses(ana, 2, "--from", "export", "fhir", "--to-file", path)


if __name__ == "__main__":
    main([two_hundred_visits_without_an_error_of_a_validator,
          what_part_2_protects_needs_a_consent_that_names_whom])
