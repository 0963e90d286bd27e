#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What leaves an agency: claim lines against a calculation of their own, and what must not be in them."""
import collections
import csv
import datetime
import io
import os

from lab import expect, main, seeded
from libkith import Library
from stage import DRAFT, Agency, day, refuses

PACK = "name = %s\nversion = %s\neffective = %s\n%s"
LIMIT = 3  # units a day
PLACES = {"home": "12", "shelter": "04", "clinic": "53", "office": "11", "community": "99", "school": "03",
          "jail": "09", "hospital": "21", "telehealth": "02", "other": "99"}
RISKY = ["=HYPERLINK(\"http://example.org\";\"pay\") Lopez", "+1+1", "-2+3 Silva", "@SUM(A1:A9)",
         " =1+1", "Anna \"Ann\" O'Neil, Dr."]


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    expect(text.endswith("\r\n") and "\n" not in text.replace("\r\n", ""), "RFC 4180: every row ends with CRLF")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def export(device, name, *options, since=80):
    path = os.path.join(device.lab.folder, name)
    made = device.json("export", "billing", "--from", day(since), "--to", day(0), "--to-file", path, *options)
    expect(made["file"] == path and oct(os.stat(path).st_mode & 0o777) == "0o600", "the file is for its owner alone")
    rows = read_csv(path)
    expect(len(rows) == made["lines"], "%d rows, %s" % (len(rows), made))
    newest = [row for row in device.json("access") if row["did"] == "exported"][-1]
    expect((newest["what"], newest["records"]) == ("billing", made["lines"]), "the device's log says so: %s" % newest)
    return rows, made


# The independent calculation. It knows the rules as payers print them, and nothing of the program's code.

def tenths(mode, minutes):
    quarter, rest = divmod(minutes, 15)
    if mode == "floor":
        return 10 * quarter
    if mode == "ceil":
        return 10 * (quarter + (rest > 0))
    if mode in ("eight", "half_up"):  # of 15 whole minutes, half is reached with the eighth
        return 10 * (quarter + (rest >= 8))
    share = 10 * rest // 15
    return 10 * quarter + (10 if share >= 8 else share)


def as_units(value):
    return str(value // 10) if value % 10 == 0 else "%d.%d" % divmod(value, 10)


Payer = collections.namedtuple("Payer", "id mode per places charge")
PAYERS = [Payer("P%d" % number, mode, per, {"home": "99"} if number % 3 == 0 else {}, charge)
          for number, (mode, per, charge) in enumerate(
              (mode, per, charge) for mode in ("floor", "eight", "ceil", "half_up", "tenth80")
              for per, charge in (("visit", "18.75"), ("day", None)))]


def pack_of(payer):
    lines = ["payer = " + payer.id, "rounding = " + payer.mode, "per = " + payer.per, "codes = H0038 T1012",
             "modifier.group = HQ", "modifier.video = 95", "modifiers = HQ 95 HF", "units_per_day_max = %d" % LIMIT,
             "agency_npi = 1234567893"]
    lines += ["place.%s = %s" % item for item in payer.places.items()]
    lines += ["charge.H0038 = " + payer.charge] if payer.charge else []
    return PACK % (payer.id, "1", "2020-01-01", "\n".join(lines) + "\n")


def quoted(text):
    """What a spreadsheet must take for text."""
    return "'" + text if text.lstrip(" ")[:1] in tuple("=+-@") and text.strip() else text


def expected_lines(people, visits):
    """Each line's (visit, payer, minutes, tenths, end) and the reason for each visit without one."""
    why, lines = {}, {}
    for visit in visits:
        why[visit["id"]] = ("voided" if visit["voided"] else "not signed" if not visit["signed"] else
                            "no contact" if visit["result"] != "done" else
                            "not co-signed" if visit["by"] == "tim" and not visit["cosigned"] else
                            "not a code of these rules" if visit["code"] == "H9999" else "")
    good = [visit for visit in visits if not why[visit["id"]]]
    by_day = collections.defaultdict(list)
    for visit in good:
        by_day[visit["date"]].append(visit)
    for same in by_day.values():
        for one in same:
            for other in same:
                is_group = one["group"] and one["group"] == other["group"]
                if (one is not other and (one["by"] == other["by"] or one["person"] == other["person"]) and
                        one["from"] < other["to"] and other["from"] < one["to"] and not is_group):
                    why[one["id"]] = "overlaps another visit"
    groups = collections.defaultdict(list)
    for visit in good:
        payer = people[visit["person"]]["payer"]
        if not why[visit["id"]]:
            key = (visit["date"], visit["person"], visit["by"], visit["code"]) if payer.per == "day" else visit["id"]
            groups[key].append(visit)
    for group in groups.values():
        group.sort(key=lambda visit: (visit["from"], visit["id"]))
        payer = people[group[0]["person"]]["payer"]
        minutes = sum(visit["minutes"] for visit in group)
        value = tenths(payer.mode, minutes)
        if value:
            lines[group[0]["id"]] = (group[0], payer, minutes, value, max(visit["to"] for visit in group))
        for visit in group if not value else group[1:]:
            why[visit["id"]] = "no units, or in another line of the same day"
    for visit in visits:
        if not why[visit["id"]] and people[visit["person"]]["part2"] == "refused":
            why[visit["id"]] = "42 CFR Part 2"
            del lines[visit["id"]]
    return lines, why


def over_the_limit(lines):
    """What a person gets of a code on a day, added up in the order of the day."""
    got, over = collections.Counter(), set()
    for id, (visit, _, _, value, _) in sorted(lines.items(), key=lambda item: (item[1][0]["from"], item[0])):
        key = visit["date"], visit["person"], visit["code"]
        got[key] += value
        if got[key] > 10 * LIMIT:
            over.add(id)
    return over


def clock(minutes):
    return "%02d:%02d" % divmod(minutes, 60)


def expected_row(person, visit, payer, minutes, value, end):
    name = person["name"]
    last, first = ([part.strip(" ") for part in name.split(",", 1)] if "," in name else
                   [name.rsplit(" ", 1)[1], name.rsplit(" ", 1)[0]] if " " in name else [name, ""])
    mods = sorted(visit["mods"])
    for code in ["HQ"] * bool(visit["group"]) + ["95"] * (visit["mode"] == "video"):
        mods += [] if code in mods else [code]
    row = {"export_version": "1", "agency_npi": "1234567893", "claim_line_id": visit["id"], "line_version": "1",
           "frequency_code": "1", "original_ref": "", "participant_local_id": quoted(person["code"]),
           "medicaid_id": quoted(person["medicaid"]), "last_name": quoted(last), "first_name": quoted(first),
           "dob": "1980-02-29", "sex": "F", "payer_id": payer.id, "service_date": visit["date"],
           "place_of_service": payer.places.get(visit["place"], PLACES[visit["place"]]),
           "procedure_code": visit["code"], "minutes": str(minutes), "start_time": clock(visit["from"]),
           "end_time": clock(end), "units": as_units(value), "rule_pack_version": payer.id + " 1",
           "rendering_name": {"ana": "Ana Silva", "tim": "Tim Novak"}[visit["by"]],
           "group_size": "5" if visit["group"] else "", "telehealth_flag": "Y" if visit["mode"] == "video" else "N",
           "part2_flag": "Y" if person["part2"] else "N",
           "note_status": "cosigned" if visit["cosigned"] else "signed", "diagnosis_1": "F32.1",
           "diagnosis_2": "F43.10", "diagnosis_3": "", "diagnosis_pointer": "AB", "charge": ""}
    row.update({"mod%d" % (place + 1): (mods + [""] * 4)[place] for place in range(4)})
    if payer.charge and visit["code"] == "H0038":
        cents = (1875 * value + 5) // 10
        row["charge"] = "%d.%02d" % divmod(cents, 100)
    return row


def a_random_visit(dice, date, start, by, people):
    person = dice.randrange(len(people))
    group = "group-%s-%d" % (date, start) if dice.random() < 0.05 else ""
    minutes = dice.choice([1, 7, 8, 14, 15, 16, 22, 23, 29, 30, 37, 38, 44, 45, 52, 53, 59])
    return {"person": person, "date": date, "by": by, "from": start, "to": start + minutes, "minutes": minutes,
            "code": dice.choice(["H0038"] * 8 + ["T1012", "H9999"]), "group": group,
            "place": dice.choice(list(PLACES)), "mode": dice.choice(["in_person"] * 4 + ["video"]),
            "mods": dice.choice([[], [], ["HF"], ["HQ", "HF"]]), "result": "done" if dice.random() < 0.9 else "no_show",
            "signed": dice.random() < 0.93, "cosigned": False, "voided": False}


def written(kith, people, visit, fields):
    extra = {"group_id": visit["group"], "group_size": "5"} if visit["group"] else {}
    if visit["mods"]:
        extra["modifiers"] = visit["mods"]
    visit["id"] = kith.add("visit", **{
        **fields, "participant": people[visit["person"]]["id"], "date": visit["date"], "start": clock(visit["from"]),
        "end": clock(visit["to"]), "code": visit["code"], "place": visit["place"], "mode": visit["mode"],
        "contact_result": visit["result"], **extra})


def write_people(kith):
    people = []
    for number in range(30):
        payer = PAYERS[number % len(PAYERS)]
        person = {"name": RISKY[number] if number < len(RISKY) else "Person %02d Lastname" % number, "payer": payer,
                  "code": "=code%d" % number if number % 7 == 0 else "L%d" % number,
                  "medicaid": "+%d" % number if number % 11 == 0 else "M%05d" % number,
                  "part2": "" if number < 24 else "refused" if number % 2 else "allowed"}
        person["id"] = kith.add(
            "participant", name=person["name"], payer_id=payer.id, local_code=person["code"], dob="1980-02-29",
            medicaid_id=person["medicaid"], sex="F", **({"programme": "SUD"} if person["part2"] else {}))
        people.append(person)
        if person["part2"] == "allowed":
            person["consent"] = kith.add(
                "consent", participant=person["id"], scope="visits and units", purpose="payment", signed_on=day(200),
                recipients="payer " + payer.id)
        elif person["part2"]:
            kith.add("consent", participant=person["id"], scope="visits", purpose="treatment", signed_on=day(200),
                     recipients="Dr. Who, and " + payer.id)
    return people


def write_day(dice, kith, by, back, people, visits, fields):
    """About nine visits, one after another."""
    at = 7 * 60 + dice.randrange(20)
    for _ in range(9):
        visit = a_random_visit(dice, day(back), at, by, people)
        written(kith, people, visit, fields)
        visits.append(visit)
        at = visit["to"] + dice.randrange(20)


def a_thousand_visits_are_exported_as_a_calculation_of_its_own_says(lab):
    dice = seeded()
    agency = Agency(lab)
    rosa, ana = agency.rosa, agency.ana
    tim = lab.join(agency.irma, "Tim Novak", "trainee", "Rosa Quiroga")
    for payer in PAYERS:
        rosa.ok("rulepack", "add", "text=" + pack_of(payer))
    rosa.sync()
    ana.sync()
    with Library(ana) as kith:
        people = write_people(kith)
    ana.sync()
    for number, person in enumerate(people):
        ana.ok("grant", person["id"], "Tim Novak")
    for laptop in (ana, rosa, tim):
        laptop.sync()
    with Library(rosa) as kith:
        for person in people:
            expect(kith.lib.kith_record_edit(
                kith.handle, b"participant", person["id"].encode(),
                *diagnosis_inputs()) == 0, "the office gives diagnosis codes")
    rosa.sync()
    tim.sync()
    ana.sync()
    fields = {name: value for name, value in DRAFT.items() if name not in ("start", "end", "code", "place")}
    visits = []
    for laptop, name in ((ana, "ana"), (tim, "tim")):
        with Library(laptop) as kith:
            for back in range(5, 61):
                write_day(dice, kith, name, back, people, visits, fields)
            for visit in visits:
                if visit["by"] == name and visit["signed"]:
                    kith.sign(visit["id"])
                    kith.submit(visit["id"])
        laptop.sync()
    rosa.sync()
    with Library(rosa) as kith:
        for visit in visits:
            if visit["signed"] and visit["by"] == "tim" and dice.random() < 0.8:
                kith.cosign(visit["id"])
                visit["cosigned"] = True
            if visit["signed"] and dice.random() < 0.03:
                kith.void(visit["id"], "It was another person.")
                visit["voided"] = True
    expect(len(visits) >= 1000, "%d visits" % len(visits))
    rows, made = export(rosa, "first.csv")
    lines, why = expected_lines(people, visits)
    expect(set(lines) == {row["claim_line_id"] for row in rows},
           "lines differ: %s" % (set(lines) ^ {row["claim_line_id"] for row in rows}))
    for row in rows:
        visit, payer, minutes, value, end = lines[row["claim_line_id"]]
        person = people[visit["person"]]
        for column, wanted in expected_row(person, visit, payer, minutes, value, end).items():
            if column == "note_status" and not visit["cosigned"]:
                wanted = "submitted"
            expect(row[column] == wanted, "%s of %s: %r, not %r" % (column, row["claim_line_id"], row[column], wanted))
        expect(row["consent_id"] == person.get("consent", ""), "the consent that allows it")
        expect(len(row["note_hash"]) == 64 and row["signed_at"] and bool(row["cosigned_at"]) == visit["cosigned"], "")
        for cell in row.values():
            expect(cell.lstrip(" ")[:1] not in tuple("=+-@\t\r") or not cell, "a formula: %r" % cell)
    left = {left["id"]: left["why"] for left in made["left_out"]}
    for visit in visits:
        if why[visit["id"]]:
            expect(left[visit["id"]].startswith(why[visit["id"]]), "%s: %s" % (why[visit["id"]], left[visit["id"]]))
    expect(made["minutes"] == sum(line[2] for line in lines.values()), "minutes add up")
    everything = open(made["file"]).read()
    for text in fields.values():
        expect(text not in everything, "no narrative: %r" % text)
    over = over_the_limit(lines)
    expect(over, "some days have more units than the payer allows")
    expect(over == {row["claim_line_id"] for row in rows if "than these rules allow" in row["warnings"]},
           "these are marked, and no others")
    nothing_is_billed_twice(rosa, visits, lines, dice)


def diagnosis_inputs():
    from libkith import inputs_of
    import ctypes
    inputs, count = inputs_of({"diagnosis_codes": ["F43.10", "F32.1"]})
    return inputs, ctypes.c_size_t(count)


def nothing_is_billed_twice(rosa, visits, lines, dice):
    again, made = export(rosa, "again.csv", "--again")
    expect(len(again) == len(lines) and made["new"] == made["replacements"] == 0, "a copy has the same lines: %s" % made)
    first = read_csv(os.path.join(rosa.lab.folder, "first.csv"))
    expect(again == first, "to the letter")
    refuses(rosa, 1, "exported before|--again", "export", "billing", "--from", day(80), "--to", day(0), "--to-file",
            os.path.join(rosa.lab.folder, "none.csv"))
    expect(not os.path.exists(os.path.join(rosa.lab.folder, "none.csv")), "and writes no file")
    refuses(rosa, 1, "take another name", "export", "billing", "--from", day(80), "--to", day(0), "--again",
            "--to-file", os.path.join(rosa.lab.folder, "first.csv"))


def amendments_and_voids_after_the_export_replace_and_take_back(lab):
    agency = Agency(lab)
    ana, rosa = agency.ana, agency.rosa
    ana.ok("participant", "edit", agency.maria, "medicaid_id=M1", "payer_id=P1")
    visits = [agency.visit(ana, back=back) for back in (1, 2, 3, 4)]
    for visit in visits:
        ana.ok("visit", "sign", visit)
    amended, voided, worded, alone = visits
    first, _ = export(ana, "first.csv")
    expect([row["frequency_code"] for row in first] == ["1"] * 4, "four new lines")
    expect({row["units"] for row in first} == {"3"}, "45 minutes are three units")
    ana.ok("visit", "addend", amended, "--kind", "correction", "end=10:00", "It was an hour.")
    ana.ok("visit", "void", voided, "--reason", "It was another person.")
    ana.ok("visit", "addend", worded, "--kind", "addendum", "She called again at noon.")
    ana.sync()
    rosa.sync()
    rows, made = export(rosa, "second.csv")
    told = {row["claim_line_id"]: row for row in rows}
    expect(set(told) == {amended, voided}, "what did not change is not repeated: %s" % told)
    expect(made["replacements"] == made["voids"] == 1 and made["unchanged"] == 2, str(made))
    new = told[amended]
    expect((new["frequency_code"], new["line_version"], new["units"], new["minutes"], new["original_ref"]) ==
           ("7", "2", "4", "60", amended + ".1"), "the amended one replaces: %s" % new)
    back = told[voided]
    expect((back["frequency_code"], back["line_version"], back["units"], back["original_ref"]) ==
           ("8", "2", "3", voided + ".1"), "the voided one is taken back: %s" % back)
    rosa.sync()
    ana.sync()
    refuses(ana, 1, "exported before", "export", "billing", "--from", day(9), "--to", day(0), "--to-file",
            os.path.join(lab.folder, "third.csv"))
    ana.ok("visit", "addend", alone, "--kind", "correction", "contact_result=no_show", "She was not there.")
    rows, made = export(ana, "fourth.csv")
    expect([(row["claim_line_id"], row["frequency_code"]) for row in rows] == [(alone, "8")], "no contact, no claim")
    told = ana.json("disclosure", "list", "--participant", agency.maria)
    expect([one["fields"]["what"] for one in told] == ["billing"] * 3, "each export is accounted for: %s" % told)
    expect({one["fields"]["recipient"] for one in told} == {"P1"}, "to whom: %s" % told)


def a_chart_under_part_2_needs_a_consent_that_fits(lab):
    agency = Agency(lab)
    ana = agency.ana
    ana.ok("participant", "edit", agency.maria, "part2=yes", "payer_id=P1")
    visit = agency.visit(ana, back=1)
    ana.ok("visit", "sign", visit)
    command = ["export", "billing", "--from", day(9), "--to", day(0), "--to-file", os.path.join(lab.folder, "a.csv")]
    consent = {"participant": agency.maria, "scope": "visits", "purpose": "payment", "recipients": "P1",
               "signed_on": day(30)}
    for misfit in ({}, {"purpose": "treatment"}, {"recipients": "Dr. Who"}, {"signed_on": day(-3)},
                   {"expires": day(2)}):
        if misfit:
            ana.ok("consent", "add", *["%s=%s" % item for item in {**consent, **misfit}.items()])
        refuses(ana, 1, "42 CFR Part 2|consent", *command)
        expect(not os.path.exists(command[-1]), "nothing is written")
    fitting = ana.json("consent", "add", *["%s=%s" % item for item in {**consent, "purpose": "TPO"}.items()])["id"]
    rows, _ = export(ana, "b.csv")
    expect([row["consent_id"] for row in rows] == [fitting] and rows[0]["part2_flag"] == "Y", "with its consent")
    ana.ok("consent", "edit", fitting, "revoked=yes")
    refuses(ana, 1, "42 CFR Part 2", *command, "--again")


def who_volunteers_does_not_bill(lab):
    agency = Agency(lab)
    vera = lab.join(agency.irma, "Vera Volunteer", "volunteer", "Rosa Quiroga")
    refuses(vera, 1, "does not bill", "export", "billing", "--from", day(9), "--to", day(0), "--to-file",
            os.path.join(lab.folder, "a.csv"))


if __name__ == "__main__":
    main([a_thousand_visits_are_exported_as_a_calculation_of_its_own_says,
          amendments_and_voids_after_the_export_replace_and_take_back,
          a_chart_under_part_2_needs_a_consent_that_fits,
          who_volunteers_does_not_bill])
