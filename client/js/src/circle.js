// SPDX-License-Identifier: Apache-2.0
// A circle's access chain, entry by entry, each checked (docs/protocol.md, section 7).
import { check, equal } from "./bytes.js";
import { checkPlace, openEntry } from "./chain.js";
import { ADMIN, CUSTODIAN, ENDED, INVITED, SUPERVISOR, TRANSFERRED } from "./roster.js";
import { hashId, verify, ZERO_KEY } from "./seal.js";

export const GENESIS = 1;
export const GRANT = 2;
export const ROTATE = 3;
export const ADMIT = 4;
export const REJECT = 5;
export const LACK = 6;

export const AGENCY = 1;
export const CHART = 2;
export const PERSON = 3;

export const READ = 1;
export const WRITE = 3;

const SPECIALIST = 1;
const MAY_GRANT = SPECIALIST | SUPERVISOR | CUSTODIAN | ADMIN;
const MAY_WITHDRAW = SUPERVISOR | CUSTODIAN | ADMIN;
const NUMBER_MAX = 16777215;
const TAG = "circle entry";

// `width` items a row, ascending by the first.
function readRows(body, width, read) {
    const items = body.array();
    check(items % width === 0, "malformed");
    const rows = [];
    for (let i = 0; i < items / width; i++) {
        rows.push(read());
        check(i === 0 || rows[i - 1].number < rows[i].number, "malformed", "rows ascend");
    }
    return rows;
}

const readNumber = (body) => body.uint(NUMBER_MAX, 1);

function readMembers(body) {
    return readRows(body, 2, () => {
        const member = { number: readNumber(body), right: body.uint(WRITE) };
        check(member.right === READ || member.right === WRITE, "malformed");
        return member;
    });
}

const readDevices = (body) => readRows(body, 1, () => ({ number: readNumber(body) })).map((row) => row.number);

function readCut(body) {
    const cut = { number: readNumber(body), leaving: body.uint(4, 1), until: body.u64(), n: body.uint(),
                  id: body.binOf(32) };
    check((cut.leaving === TRANSFERRED) === (cut.until !== 0n), "malformed");
    check(cut.n !== 0 || equal(cut.id, ZERO_KEY), "malformed");
    return cut;
}

const CONTENTS = {
    [GENESIS]: [6, (body) => ({ agency: body.binOf(16), kind: body.uint(5, 1), salt: body.binOf(16),
                                commitment: body.binOf(32), members: readMembers(body),
                                devices: readDevices(body) })],
    [GRANT]: [2, (body) => ({ members: readMembers(body), devices: readDevices(body) })],
    [ROTATE]: [5, (body) => ({
        epoch: readNumber(body), commitment: body.binOf(32),
        wraps: readRows(body, 2, () => ({ number: readNumber(body), wrap: body.binOf(72) })),
        leavers: readRows(body, 2, () => ({ number: readNumber(body), leaving: body.uint(3, 1) })),
        cuts: readRows(body, 5, () => readCut(body)),
    })],
    [ADMIT]: [3, (body) => ({ device: readNumber(body), n: body.uint(undefined, 1), id: body.binOf(32) })],
    [REJECT]: [4, (body) => ({ device: readNumber(body), n: body.uint(undefined, 1), id: body.binOf(32),
                               reason: body.bin(1024) })],
    [LACK]: [1, (body) => ({ epoch: readNumber(body) })],
};

export function readEntry(bytes) {
    const link = openEntry(bytes, TAG, 8);
    const { body } = link;
    const head = { author: readNumber(body), rosterSeq: body.uint(NUMBER_MAX, 1), time: body.u64(),
                   type: body.uint() };
    const content = CONTENTS[head.type];
    check(content, "unknown_type");
    body.arrayOf(content[0]);
    const entry = { ...link, ...head, ...content[1](body) };
    body.end();
    check((entry.wraps ?? []).length <= 8, "too_large");
    return entry;
}

export const circleId = (genesis) => hashId("circle id", readEntry(genesis).hash);

const ascending = (map) => [...map.keys()].sort((a, b) => a - b);

export class Circle {
    constructor() {
        this.count = 0;
        this.head = ZERO_KEY;
        this.rosterSeq = 0;
        this.epoch = 0;
        this.commitments = []; // epoch - 1 is the index
        this.wraps = []; // of all rotations: { epoch, under, wrap }
        this.rights = new Map(); // by person
        this.recipients = new Set();
        this.lacks = new Set();
        this.cuts = new Map(); // by device
        this.entries = [];
    }

    right(person) {
        if (this.kind === AGENCY) return WRITE;
        return this.rights.get(person) ?? 0;
    }

    members() {
        return ascending(this.rights).map((person) => ({ person, right: this.rights.get(person) }));
    }

    /** Whether a change counts: "ok", or why not. "held" waits for a decision. */
    takes(roster, header, id) {
        const cut = this.cuts.get(header.device);
        if (header.epoch < 1 || header.epoch > this.epoch) return "epoch";
        if (cut) {
            if (header.n === cut.n) return equal(id, cut.id) ? "ok" : "forked";
            const isLate = cut.leaving === TRANSFERRED && header.epoch <= cut.epoch;
            return header.n < cut.n || isLate ? "ok" : "held";
        }
        const device = roster.device(header.device);
        if (!device || device.state === INVITED) return "unknown_device";
        return this.right(device.person) === WRITE ? "ok" : "not_member";
    }

    /** Whether a device may seal under the epoch now: a rotation may be owed first. */
    mayWrite(roster, device) {
        const known = roster.device(device);
        const isOwed = [...this.recipients].some((of) => roster.device(of).state === ENDED);
        return known.state !== ENDED && !this.cuts.has(device) && this.right(known.person) === WRITE &&
            !isOwed;
    }

    /** Checks one entry and adds it. Throws, and nothing is changed, if it may not follow. */
    append(roster, bytes) {
        const entry = readEntry(bytes);
        checkPlace(entry, this);
        const author = roster.device(entry.author);
        check(author && author.state !== INVITED, "unknown_device");
        check(entry.rosterSeq <= roster.count, "stale");
        check(entry.rosterSeq >= author.since && entry.rosterSeq >= this.rosterSeq, "malformed");
        check(!roster.isEndedAt(author, entry.rosterSeq), "not_allowed");
        verify("circle signature", author.keys.sign, entry.hash, entry.signature);
        check((entry.type === GENESIS) === (entry.seq === 1), "malformed");
        this.#check(roster, entry, author.person);
        this.#apply(roster, entry);
        this.count = entry.seq;
        this.head = entry.hash;
        this.rosterSeq = entry.rosterSeq;
        this.entries.push(bytes.slice());
        return entry;
    }

    #check(roster, entry, person) {
        const roles = roster.rolesAt(person, entry.rosterSeq);
        if (entry.type === GENESIS) return this.#checkGenesis(roster, entry, person, roles);
        if (entry.type === GRANT) return this.#checkGrant(roster, entry, person, roles);
        if (entry.type === ROTATE) return this.#checkRotate(roster, entry, person, roles);
        if (entry.type === LACK) {
            check(this.recipients.has(entry.author), "not_member");
            return check(entry.epoch === this.epoch && !this.lacks.has(entry.author), "malformed");
        }
        check(this.right(person) !== 0, "not_member");
        const may = (roles & MAY_WITHDRAW) !== 0 || this.kind === PERSON;
        check(may && this.right(person) === WRITE, "not_allowed");
        return check(entry.n > (this.cuts.get(entry.device)?.n ?? Infinity), "malformed");
    }

    #checkNames(roster, entry, isAgency) {
        const isNamed = (person) => entry.members.some((member) => member.number === person);
        for (const member of entry.members) check(roster.person(member.number), "malformed");
        for (const number of entry.devices) {
            const device = roster.device(number);
            check(device && !roster.isEndedAt(device, entry.rosterSeq), "malformed");
            check(isAgency || isNamed(device.person) || this.right(device.person), "malformed");
        }
    }

    #checkGenesis(roster, entry, person, roles) {
        const rightOf = (of) => entry.members.find((member) => member.number === of)?.right ?? 0;
        check(equal(entry.agency, roster.agency), "foreign");
        if (entry.kind === AGENCY) {
            check(entry.author === 1 && entry.members.length === 0, "not_allowed");
            return this.#checkNames(roster, entry, true);
        }
        check(entry.kind !== CHART || (roles & ~CUSTODIAN) !== 0, "not_allowed");
        check(rightOf(person) === WRITE, "malformed");
        for (const of of entry.kind === PERSON ? [] : roster.people) {
            const isCustodian = (roster.rolesAt(of.person, entry.rosterSeq) & CUSTODIAN) !== 0;
            check(!isCustodian || rightOf(of.person), "not_allowed");
        }
        return this.#checkNames(roster, entry, false);
    }

    #hasCustodians() {
        return this.kind !== AGENCY && this.kind !== PERSON;
    }

    #checkGrant(roster, entry, person, roles) {
        check(this.right(person) !== 0, "not_member");
        const may = this.right(person) === WRITE && (roles & MAY_GRANT) !== 0;
        for (const { number, right } of entry.members) {
            check(this.kind !== AGENCY && (this.rights.get(number) ?? 0) < right, "malformed");
            const isCustodian = (roster.rolesAt(number, entry.rosterSeq) & CUSTODIAN) !== 0;
            const isOwed = this.#hasCustodians() && isCustodian && right === WRITE && !this.rights.has(number);
            check(may || isOwed, "not_allowed");
        }
        this.#checkNames(roster, entry, false);
    }

    #checkRotate(roster, entry, person, roles) {
        check(this.right(person) !== 0 && this.recipients.has(entry.author), "not_member");
        const isDue = entry.cuts.length > 0 && entry.leavers.length === 0;
        const isGoing = entry.leavers.length === 1 && entry.leavers[0].number === person;
        const may = isDue || isGoing || (roles & MAY_GRANT) !== 0;
        check(may && this.right(person) === WRITE, "not_allowed");
        check(entry.epoch === this.epoch + 1, "malformed");
        for (const leaver of entry.leavers) {
            check(this.#hasCustodians() && this.rights.has(leaver.number), "malformed");
            const theirs = roster.rolesAt(leaver.number, entry.rosterSeq);
            const mayTake = (roles & MAY_WITHDRAW) !== 0 || leaver.number === person ||
                ((roles & MAY_GRANT) !== 0 && (theirs & MAY_WITHDRAW) === 0);
            check(mayTake && (theirs & CUSTODIAN) === 0, "not_allowed");
        }
        this.#checkCuts(roster, entry);
    }

    #checkCuts(roster, entry) {
        const named = new Set(entry.cuts.map((cut) => cut.number));
        for (const number of this.recipients) {
            const device = roster.device(number);
            const must = entry.leavers.some((leaver) => leaver.number === device.person);
            const may = must || roster.isEndedAt(device, entry.rosterSeq);
            check(named.has(number) ? may : !must, "malformed");
            named.delete(number);
        }
        check(named.size === 0, "malformed");
    }

    #apply(roster, entry) {
        if (entry.type === GENESIS) {
            this.id = hashId("circle id", entry.hash);
            this.agency = entry.agency;
            this.kind = entry.kind;
            this.#beginEpoch(entry);
        }
        if (entry.type === GENESIS || entry.type === GRANT) this.#applyPeople(roster, entry);
        if (entry.type === ROTATE) this.#applyRotate(entry);
        if (entry.type === ADMIT) Object.assign(this.cuts.get(entry.device), { n: entry.n, id: entry.id });
        if (entry.type === LACK) this.lacks.add(entry.author);
    }

    #beginEpoch(entry) {
        this.epoch++;
        this.commitments.push(entry.commitment);
    }

    #applyPeople(roster, entry) {
        for (const { number, right } of entry.members) {
            this.rights.set(number, right);
            for (const device of right === WRITE ? [...this.cuts.keys()] : []) {
                const known = roster.device(device);
                if (known.person === number && !roster.isEndedAt(known, entry.rosterSeq))
                    this.cuts.delete(device);
            }
        }
        for (const number of entry.devices) {
            this.recipients.add(number);
            this.lacks.delete(number);
        }
    }

    #applyRotate(entry) {
        for (const cut of entry.cuts) {
            this.cuts.set(cut.number, { ...cut, device: cut.number, epoch: this.epoch });
            this.recipients.delete(cut.number);
        }
        for (const leaver of entry.leavers) this.rights.delete(leaver.number);
        this.lacks.clear();
        this.#beginEpoch(entry);
        for (const { number, wrap } of entry.wraps)
            this.wraps.push({ epoch: number, under: this.epoch, wrap });
    }
}
