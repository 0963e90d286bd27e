// SPDX-License-Identifier: Apache-2.0
// The roster: people and devices, entry by entry, each checked (docs/protocol.md, section 6).
import { check, equal } from "./bytes.js";
import { checkPlace, openEntry, writeEntry } from "./chain.js";
import { checkAgreeable, hashId, verify, ZERO_KEY } from "./seal.js";

export const FOUND = 1;
export const INVITE = 2;
export const ENROL = 3;
export const ROLE = 4;
export const END = 5;
export const RENEW = 6;

export const INVITED = 1;
export const ACTIVE = 2;
export const ENDED = 3;

export const TRANSFERRED = 1;
export const REVOKED = 3;
export const RENEWED = 4;

export const SUPERVISOR = 8;
export const CUSTODIAN = 16;
export const ADMIN = 32;

const NUMBER_MAX = 16777215;
const ROLES_MAX = 63;
const TAGS = { hash: "roster entry", sign: "roster signature" };

const readKeys = (body) =>
    ({ sign: body.binOf(32), noise: body.binOf(32), box: body.binOf(32) });

const CONTENTS = {
    [FOUND]: [7, (body) => ({ root: body.binOf(32), hubNoise: body.binOf(32), hubSign: body.binOf(32),
                              roles: body.uint(ROLES_MAX, 1), keys: readKeys(body) })],
    [INVITE]: [7, (body) => ({ device: body.uint(NUMBER_MAX), person: body.uint(NUMBER_MAX, 1),
                               roles: body.uint(ROLES_MAX), supervisor: body.uint(NUMBER_MAX),
                               keys: { sign: body.binOf(32), noise: ZERO_KEY, box: body.binOf(32) },
                               expires: body.u64() })],
    [ENROL]: [3, (body) => ({ keys: readKeys(body) })],
    [ROLE]: [3, (body) => ({ person: body.uint(NUMBER_MAX, 1), roles: body.uint(ROLES_MAX, 1),
                             supervisor: body.uint(NUMBER_MAX) })],
    [END]: [3, (body) => ({ device: body.uint(NUMBER_MAX, 1), leaving: body.uint(REVOKED, 1),
                            until: body.u64() })],
    [RENEW]: [4, (body) => ({ device: body.uint(NUMBER_MAX), keys: readKeys(body) })],
};

function readEntry(bytes) {
    const link = openEntry(bytes, TAGS.hash, 7);
    const head = { author: link.body.uint(NUMBER_MAX), time: link.body.u64(), type: link.body.uint() };
    const content = CONTENTS[head.type];
    check(content, "unknown_type");
    link.body.arrayOf(content[0]);
    const entry = { ...link, ...head, ...content[1](link.body) };
    link.body.end();
    const isTransfer = entry.leaving === TRANSFERRED;
    check(entry.type !== END || isTransfer === (entry.until !== 0n), "malformed");
    return entry;
}

export class Roster {
    constructor(agency = null) {
        this.agency = agency;
        this.count = 0;
        this.head = ZERO_KEY;
        this.people = [];
        this.devices = [];
        this.entries = [];
        this.roleChanges = [];
    }

    device(number) {
        return this.devices[number - 1];
    }

    person(number) {
        return this.people[number - 1];
    }

    personOf(device) {
        return this.person(this.device(device)?.person);
    }

    /** The roles of a person when the roster had `seq` entries; 0 for nobody. */
    rolesAt(person, seq) {
        const changes = this.roleChanges.filter((of) => of.person === person && of.seq <= seq);
        return changes.at(-1)?.roles ?? 0;
    }

    isEndedAt(device, seq) {
        return device.ended !== 0 && device.ended <= seq;
    }

    /** Checks one entry and adds it. Throws, and nothing is changed, if it may not follow. */
    append(bytes) {
        const entry = readEntry(bytes);
        checkPlace(entry, this);
        check((entry.type === FOUND) === (entry.seq === 1), "not_allowed");
        const agency = entry.seq === 1 ? hashId("agency id", entry.hash) : this.agency;
        check(!this.agency || equal(agency, this.agency), "foreign");
        verify(TAGS.sign, this.#signer(entry), entry.hash, entry.signature);
        if (entry.keys) {
            checkAgreeable(entry.keys.box);
            if (entry.type !== INVITE) checkAgreeable(entry.keys.noise);
        }
        this.#check(entry);
        this.agency = agency;
        this.#apply(entry);
        this.count = entry.seq;
        this.head = entry.hash;
        this.entries.push(bytes.slice());
    }

    #signer(entry) {
        if (entry.type === FOUND) {
            check(entry.author === 0, "malformed");
            return entry.root;
        }
        const author = this.device(entry.author);
        const needed = entry.type === ENROL ? INVITED : ACTIVE;
        check(author?.state === needed, entry.type === ENROL ? "expired" : "not_allowed");
        return author.keys.sign;
    }

    #isAdmin(device) {
        return ((this.personOf(device)?.roles ?? 0) & ADMIN) !== 0;
    }

    #checkSupervisor(supervisor) {
        if (supervisor === 0) return;
        const roles = this.person(supervisor)?.roles ?? 0;
        check((roles & (SUPERVISOR | ADMIN)) !== 0, "not_allowed");
    }

    #check(entry) {
        if (entry.type === INVITE) this.#checkInvite(entry);
        if (entry.type === ROLE) {
            check(this.person(entry.person) && entry.supervisor !== entry.person, "malformed");
            this.#checkSupervisor(entry.supervisor);
            check(this.#isAdmin(entry.author), "not_allowed");
        }
        if (entry.type === END) this.#checkEnd(entry);
        if (entry.type === RENEW) check(entry.device === this.devices.length + 1, "malformed");
    }

    #checkInvite(entry) {
        const person = this.person(entry.person);
        check(entry.device === this.devices.length + 1, "malformed");
        check(entry.person <= this.people.length + 1, "malformed");
        if (person) {
            const isSame = person.roles === entry.roles && person.supervisor === entry.supervisor;
            check(isSame, "not_allowed");
        } else {
            check(entry.roles !== 0 && (entry.roles & (entry.roles - 1)) === 0, "malformed");
            this.#checkSupervisor(entry.supervisor);
        }
        const isOwn = person && this.device(entry.author).person === entry.person;
        check(isOwn || this.#isAdmin(entry.author), "not_allowed");
    }

    #checkEnd(entry) {
        const device = this.device(entry.device);
        check(device && entry.leaving > device.leaving, "malformed");
        const author = this.device(entry.author).person;
        const isClose = author === device.person || author === this.person(device.person).supervisor;
        check(isClose || this.#isAdmin(entry.author), "not_allowed");
        const admins = this.devices.filter((of) => of.state === ACTIVE && this.#isAdmin(of.device));
        check(admins.length > 1 || admins[0] !== device, "not_allowed");
    }

    #apply(entry) {
        if (entry.type === FOUND) {
            this.hubNoise = entry.hubNoise;
            this.hubSign = entry.hubSign;
            this.#setPerson(entry, 1, 0);
            this.#addDevice(entry, 1, ACTIVE);
        } else if (entry.type === INVITE) {
            if (!this.person(entry.person)) this.#setPerson(entry, entry.person, entry.supervisor);
            this.#addDevice(entry, entry.person, INVITED);
        } else if (entry.type === ENROL) {
            const device = this.device(entry.author);
            Object.assign(device, { keys: entry.keys, state: ACTIVE, since: entry.seq });
        } else if (entry.type === ROLE) {
            this.#setPerson(entry, entry.person, entry.supervisor);
        } else if (entry.type === END) {
            this.#end(entry);
        } else {
            this.#addDevice(entry, this.device(entry.author).person, ACTIVE);
            this.#endDevice(this.device(entry.author), entry, RENEWED);
        }
    }

    #setPerson(entry, number, supervisor) {
        this.people[number - 1] = { person: number, roles: entry.roles, supervisor };
        this.roleChanges.push({ seq: entry.seq, person: number, roles: entry.roles });
    }

    #addDevice(entry, person, state) {
        this.devices.push({
            device: this.devices.length + 1, person, state, keys: entry.keys, leaving: 0, ended: 0,
            since: entry.seq, invitedBy: entry.author, expires: entry.expires ?? 0n, until: 0n,
        });
    }

    #endDevice(device, entry, leaving) {
        Object.assign(device, { state: ENDED, leaving, until: entry.until ?? 0n });
        if (device.ended === 0) device.ended = entry.seq;
    }

    #end(entry) {
        const ended = this.device(entry.device);
        this.#endDevice(ended, entry, entry.leaving);
        for (const device of this.devices) {
            const isOpen = device.state === INVITED && device.invitedBy === ended.device;
            if (isOpen && (device.person === ended.person || entry.leaving === REVOKED))
                this.#endDevice(device, entry, entry.leaving);
        }
    }

    /** The entry with which a device that was invited takes its own keys. */
    writeEnrol(device, keys, signSecret, time) {
        const content = [keys.sign, keys.noise, keys.box];
        return writeEntry(this, TAGS, [device, time, ENROL, content], signSecret);
    }
}
