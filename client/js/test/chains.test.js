// SPDX-License-Identifier: Apache-2.0
// Roster, access chains and merge against their vectors.
import assert from "node:assert/strict";
import test from "node:test";

import { fromHex, toHex } from "../src/bytes.js";
import { Circle } from "../src/circle.js";
import { Record, stateHash } from "../src/merge.js";
import { readPayload } from "../src/payload.js";
import { Roster } from "../src/roster.js";
import { cases } from "./support/vectors.js";

const refuses = (run, vector) =>
    assert.throws(run, (error) => error.kind === vector.refused, `${vector.name}: ${vector.refused}`);

function rosterText(roster) {
    return {
        agency: toHex(roster.agency), count: roster.count, head: toHex(roster.head),
        hub_noise: toHex(roster.hubNoise), hub_sign: toHex(roster.hubSign),
        people: roster.people.map((of) => ({ ...of })),
        devices: roster.devices.map((of) => ({
            device: of.device, person: of.person, state: of.state, leaving: of.leaving,
            sign: toHex(of.keys.sign), noise: toHex(of.keys.noise), box: toHex(of.keys.box),
        })),
    };
}

test("roster: entry by entry", () => {
    const roster = new Roster();
    for (const vector of cases("roster")) {
        const entry = fromHex(vector.entry);
        if (vector.refused) {
            refuses(() => roster.append(entry), vector);
            continue;
        }
        roster.append(entry);
        assert.equal(toHex(roster.head), vector.hash);
        if (vector.roster) assert.deepEqual(rosterText(roster), vector.roster);
    }
    assert.ok(roster.count > 8);
});

test("roster: a changed byte anywhere is refused", () => {
    const [found, invite] = cases("roster").map((vector) => fromHex(vector.entry));
    for (let i = 0; i < invite.length; i++) {
        const roster = new Roster();
        roster.append(found);
        assert.throws(() => roster.append(invite.map((byte, at) => (at === i ? byte ^ 1 : byte))),
                      { name: "KithError" });
    }
});

function circleText(circle) {
    return {
        id: toHex(circle.id), kind: circle.kind, count: circle.count, head: toHex(circle.head),
        epoch: circle.epoch, commitment: toHex(circle.commitments.at(-1)), members: circle.members(),
        recipients: [...circle.recipients].sort((a, b) => a - b), lacks: [...circle.lacks],
        cuts: [...circle.cuts.values()].map((cut) => ({
            device: cut.device, leaving: cut.leaving, n: String(cut.n), id: toHex(cut.id),
        })),
    };
}

test("circle: entry by entry", () => {
    const [first, ...rest] = cases("circle");
    const roster = new Roster();
    first.roster.forEach((entry) => roster.append(fromHex(entry)));
    const circle = new Circle();
    for (const vector of rest) {
        const entry = fromHex(vector.entry);
        if (vector.refused) {
            refuses(() => circle.append(roster, entry), vector);
            continue;
        }
        circle.append(roster, entry);
        assert.deepEqual(circleText(circle), vector.circle, vector.name);
    }
    assert.equal(circle.epoch, 2);
});

test("merge: what a history makes, and the state hash", () => {
    for (const vector of cases("merge")) {
        if (vector.hash) {
            const records = vector.records.map(fromHex);
            const [agency, circle] = [fromHex(vector.agency), fromHex(vector.circle)];
            assert.equal(toHex(stateHash(agency, circle, records)), vector.hash);
            assert.equal(toHex(stateHash(agency, circle, records.reverse())), vector.hash);
            continue;
        }
        let record;
        for (const change of vector.changes) {
            const payload = readPayload(fromHex(change.text));
            const dot = { device: change.device, n: Number(change.n) };
            for (const op of payload.ops) {
                record ??= new Record(op.record, op.type);
                record.apply(op, dot, payload.hlc);
            }
        }
        assert.equal(toHex(record.encode()), vector.record);
    }
});
