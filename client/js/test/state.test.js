// SPDX-License-Identifier: Apache-2.0
// A circle's state: what comes in any order makes the same, and what is not right is refused.
import assert from "node:assert/strict";
import test from "node:test";

import { toHex } from "../src/bytes.js";
import { ADD, APPEND, DROP, KEYED, PUT } from "../src/payload.js";
import { encode } from "../src/wire.js";
import { Agency } from "./support/agency.js";

const RECORD = new Uint8Array(16).fill(7);
const NORMAL = 1;

function save(agency, device, field, value, kind = PUT, key = 0) {
    const state = agency.state(device);
    const op = { record: RECORD, type: 7, field, kind, value: encode(value) };
    if (kind === KEYED) op.key = encode(key);
    return state.save(agency.roster, [{ ...op, replaced: state.liveDots(op) }], NORMAL);
}

const values = (agency, device, field) =>
    agency.state(device).records.get(`7/${toHex(RECORD)}`).register(field).live.map((live) => toHex(live.value));
const hash = (agency, device) => toHex(agency.state(device).stateHash());

// splitmix-like dice: a seed makes a schedule.
function dice(seed) {
    let state = seed;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
    };
}

test("edits of three devices in any order of arrival come to the same", () => {
    for (let seed = 1; seed <= 12; seed++) {
        const [agency, roll] = [new Agency(), dice(seed)];
        for (let step = 0; step < 60; step++) {
            const device = 1 + roll(3);
            const kind = [PUT, ADD, DROP, APPEND, KEYED][roll(5)];
            if (roll(2)) save(agency, device, kind === DROP ? ADD : kind, roll(4), kind, roll(3));
            else agency.carry(device, 1 + roll(3), 1 + roll(3));
        }
        for (let round = 0; round < 3; round++)
            for (const to of [1, 2, 3]) for (const from of [3, 1, 2]) agency.carry(from, to, from);
        assert.deepEqual([hash(agency, 2), hash(agency, 3)], [hash(agency, 1), hash(agency, 1)], `seed ${seed}`);
    }
});

test("a change waits for what its author had seen", () => {
    const agency = new Agency();
    save(agency, 1, 1, "first");
    agency.carry(1, 2, 1);
    save(agency, 2, 1, "second");
    agency.carry(2, 3, 2);
    assert.equal(agency.state(3).records.size, 0);
    agency.carry(1, 3, 1);
    assert.deepEqual(values(agency, 3, 1), [toHex(encode("second"))]);
});

const flip = (bytes, at = 0) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

test("a run that is not what its author wrote is refused", () => {
    const agency = new Agency();
    for (let i = 0; i < 3; i++) save(agency, 1, 1, i);
    const refuses = (spoil, kind) => {
        const run = agency.run(1, 1);
        spoil(run);
        const state = agency.state(2);
        assert.throws(() => state.takeRun(agency.roster, run), { kind });
        assert.deepEqual([...state.logs.values()].flat(), [], "nothing of it stays");
    };
    refuses((run) => (run.changes[0].sealed = flip(run.changes[0].sealed, 30)), "signature");
    refuses((run) => (run.changes[2].signature = flip(run.changes[2].signature)), "signature");
    refuses((run) => (run.changes[1].class = 0), "signature");
    refuses((run) => run.changes.reverse(), "signature");
    refuses((run) => (run.device = 2), "copied");
    refuses((run) => (run.device = 3), "signature");
    refuses((run) => (run.firstN = 2), "gap");
    refuses((run) => (run.changes[0].epoch = 2), "epoch");
    agency.carry(1, 2, 1);
    const forked = agency.run(1, 1);
    forked.changes[1].sealed = flip(forked.changes[1].sealed);
    assert.throws(() => agency.state(2).takeRun(agency.roster, forked), { kind: "forked" });
});

test("what lies beyond a cut counts when it is admitted, and not before", () => {
    const agency = new Agency();
    save(agency, 3, 1, "counts");
    save(agency, 3, 1, "beyond the cut");
    agency.carry(3, 2, 3);
    const [first, second] = agency.state(3).log(3);
    agency.takeOut(1, first.id);
    agency.state(2).merge(agency.roster);
    assert.deepEqual(values(agency, 2, 1), [toHex(encode("counts"))]);
    assert.equal(agency.state(3).keys.has(2), false);
    agency.carry(2, 1, 3);
    save(agency, 1, 2, "in the second epoch");
    agency.carry(1, 2, 1);
    assert.equal(hash(agency, 1), hash(agency, 2));
    agency.admit(2, second.id);
    [1, 2].forEach((device) => agency.state(device).merge(agency.roster));
    assert.deepEqual(values(agency, 2, 1), [toHex(encode("beyond the cut"))]);
    assert.equal(hash(agency, 1), hash(agency, 2));
});

test("nothing is written where nothing may be written", () => {
    const agency = new Agency();
    save(agency, 3, 1, "mine");
    agency.takeOut(1, agency.state(3).log(3)[0].id);
    assert.throws(() => save(agency, 3, 1, "after it left"), { kind: "not_allowed" });
    agency.state(2).keys.clear();
    assert.throws(() => save(agency, 2, 1, "without the key"), { kind: "no_key" });
});
