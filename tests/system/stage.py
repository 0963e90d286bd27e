# SPDX-License-Identifier: Apache-2.0
"""Where the conflict scenarios take place: an agency of a few people, one participant, and visits that lack nothing.

Irma founded the agency; Rosa supervises Ana, who works with Maria Lopez, from a laptop and if asked for from a tablet.
A device is "offline" as long as a test does not let it sync.
"""
import datetime
import json

from lab import expect

DRAFT = {
    "start": "09:00",
    "end": "09:45",
    "code": "H0038",
    "place": "home",
    "purpose": "Nightmares, and the wish not to be alone with them.",
    "what_was_done": "We wrote a list for the grocery store.",
    "response": "She laughed twice.",
    "plan_next": "Go to the store together.",
    "interventions": "shared_lived_experience",
}


def day(back):
    return (datetime.date.today() - datetime.timedelta(days=back)).isoformat()


class Agency:
    def __init__(self, lab, tablet=False, second_specialist=False, proxied=False):
        self.lab = lab
        self.hub = lab.hub(proxied)
        self.irma = lab.found(self.hub)
        self.rosa = lab.join(self.irma, "Rosa Quiroga", "supervisor")
        self.ana = lab.join(self.irma, "Ana Silva", "specialist", "Rosa Quiroga")
        self.omar = lab.join(self.irma, "Omar Haddad", "specialist", "Rosa Quiroga") if second_specialist else None
        self.maria = self.ana.json("participant", "add", "name=Maria Lopez", "phone+=555 0142")["id"]
        self.ana.sync()
        self.rosa.sync()
        self.tablet = None
        if tablet:
            self.tablet = lab.join(self.ana, "Ana Silva", "specialist", name="tablet")
            self.ana.sync()
            self.tablet.sync()

    def everybody(self):
        return [laptop for laptop in (self.ana, self.tablet, self.rosa, self.omar) if laptop]

    def visit(self, by, back=0, participant=None, **fields):
        """A new visit that could be signed as it is, so far on this device only."""
        values = {**DRAFT, "participant": participant or self.maria, "date": day(back), **fields}
        return by.json("visit", "add", *["%s=%s" % item for item in values.items()])["id"]

    def draft(self, *devices, by=None, back=0, participant=None, **fields):
        """Such a visit that these devices know."""
        by = by or self.ana
        visit = self.visit(by, back, participant, **fields)
        by.sync()
        for device in devices:
            device.sync()
        return visit


def now():
    return datetime.datetime.now(datetime.timezone.utc).timestamp()


def moment(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def both_orders(first, second):
    """The number of the turn, and who syncs first in it."""
    return enumerate(((first, second), (second, first)))


def meet(*devices):
    """They sync in this order, and then all but the last once more: now each has what every other had."""
    for device in devices + devices[:-1]:
        device.sync()


def shown(device, visit, type="visit"):
    return device.json(type, "show", visit)


def same_for(visit, *devices, type="visit"):
    """What a record reads like, when it reads alike on all these devices."""
    views = []
    for device in devices:
        view = shown(device, visit, type)
        del view["sync"]  # how far this device has got
        views.append(view)
    for device, view in zip(devices, views):
        expect(view == views[0], "%s and %s read it differently:\n%s\n%s"
               % (devices[0].name, device.name, json.dumps(views[0]), json.dumps(view)))
    return views[0]


def told(view):
    """What a reader is told, without ids, days and moments: the same for each order of syncing."""
    conflicts = [(one["field"], sorted(value["value"] for value in one["values"])) for one in view["conflicts"]]
    late = [(one["field"], one["person"], one["taken"]) for one in view.get("late_edits", [])]
    fields = {name: value for name, value in view["fields"].items() if name not in ("date", "start", "end")}
    return {"state": view["state"], "fields": fields, "conflicts": conflicts, "late": late,
            "labels": view.get("labels"), "minutes": view.get("minutes")}


def values_of(device, visit, field, type="visit"):
    """Every value ever written to a field: (value, device number, whether it stands)."""
    return [(event["value"], event["device"], event["live"])
            for event in device.json(type, "history", visit) if event["field"] == field]


def kinds(rows):
    return [row["kind"] for row in rows]


def tasks_about(device, record):
    return [task["kind"] for task in device.json("tasks") if task["id"] == record]


def device_number(device):
    return next(row["number"] for row in device.json("device", "list") if row["self"])


def refuses(device, code, words, *command):
    """The command ends with that exit code, and says why."""
    result = device.run(*command)
    expect(result.code == code, "%s: kith %s: exit %d instead of %d: %s%s"
           % (device.name, " ".join(command), result.code, code, result.out, result.err))
    for word in words.split("|"):
        expect(word in result.err + result.out, "%r says nothing of %r" % (result.err + result.out, word))
