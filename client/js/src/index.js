// SPDX-License-Identifier: Apache-2.0
// A kith device: joins with an invitation, syncs, reads, writes. See README.md and index.d.ts.
import { check, equal, fromHex, KithError, toHex } from "./bytes.js";
import { BULK, NORMAL, URGENT } from "./change.js";
import { circleId } from "./circle.js";
import { ACK_CHAIN, ACK_HELD, ACK_ROSTER, checkReceipt, digestAdd, writeFrame } from "./frames.js";
import { inviteKeys, readCode } from "./invite.js";
import { isUnsettled, readLast } from "./merge.js";
import { MODE_JOIN, MODE_SYNC } from "./noise.js";
import { ADD, APPEND, DROP, KEYED, PUT } from "./payload.js";
import { ACTIVE, ENDED, Roster } from "./roster.js";
import { boxPair, random, signPair } from "./seal.js";
import { reasonName, runSession } from "./session.js";
import { hubUrl } from "./socket.js";
import { CircleState } from "./state.js";
import { decode, encode } from "./wire.js";

const RUN_BYTES = 40000;
const CHANGE_OVERHEAD = 80;
const ZERO_8 = new Uint8Array(8);

const publicKeys = (keys) =>
    ({ sign: keys.sign.public, noise: keys.noise.public, box: keys.box.public });

const keysOf = (seeds) =>
    ({ sign: signPair(seeds.sign), noise: boxPair(seeds.noise), box: boxPair(seeds.box) });

export class Device {
    /** A new device that an invitation is for; nothing is sent before sync(). */
    static fromCode(text) {
        const code = readCode(text);
        check(code.device > 0, "code", "a founding code, not an invitation");
        const device = new Device();
        device.#begin({ hubKey: code.hubKey, agency: code.agency, device: code.device, address: code.address,
                        secret: code.secret, isJoining: true, seeds: { sign: random(32), noise: random(32), box: random(32) } });
        return device;
    }

    #begin(home) {
        this.home = home;
        const keys = keysOf(home.seeds);
        // What was sealed before the enrolment is sealed to the invitation.
        const boxSecrets = [keys.box.secret, inviteKeys(home.secret).box.secret];
        this.own = { device: home.device, agency: home.agency, keys, boxSecrets, hlc: 0n,
                     nowMs: () => Date.now() + this.clockOffsetMs };
        this.roster = new Roster(home.agency);
        this.states = new Map(); // by circle in hexadecimal
        this.incarnation = ZERO_8;
        this.cursor = new Uint8Array(0);
        this.digest = ZERO_8;
        this.clockOffsetMs = 0;
    }

    get device() {
        return this.home.device;
    }

    get isEnrolled() {
        return this.roster.device(this.device)?.state === ACTIVE;
    }

    get isEnded() {
        return this.roster.device(this.device)?.state === ENDED;
    }

    // --- syncing

    /** Enrols if need be, then brings and fetches what is new. `onStored`: awaited after each batch,
     * to keep what save() gives. */
    async sync({ WebSocket = globalThis.WebSocket, url = hubUrl(this.home.address), onStored = () => {} } = {}) {
        check(WebSocket, "connection", "there is no WebSocket here: pass one");
        const report = { sent: 0, received: 0, refused: 0 };
        const link = { url, WebSocket, onStored, report };
        if (this.home.isJoining) await this.#join(link);
        await this.#exchange(link);
        if (this.isEnded && this.unsent() === 0) this.#wipe();
        return report;
    }

    #link({ url, WebSocket }, mode, psk) {
        const channel = { mode, noiseSecret: this.own.keys.noise.secret, hubKey: this.home.hubKey, psk };
        return { url, WebSocket, channel };
    }

    async #join(link) {
        const invitation = inviteKeys(this.home.secret);
        let isAsked = false;
        const shell = this.#shell(link, () => {
            const isOpen = this.roster.count > 0 && !this.isEnrolled && !isAsked;
            if (!isOpen) return [];
            isAsked = true;
            const time = Math.floor(Date.now() / 1000);
            const entry = this.roster.writeEnrol(this.device, publicKeys(this.own.keys), invitation.sign.secret, time);
            return [writeFrame({ type: "ROSTER", firstSeq: this.roster.count + 1, entries: [entry] })];
        });
        shell.isDataInFirst = false;
        await runSession(shell, this.#link(link, MODE_JOIN, invitation.psk));
        check(isAsked || this.isEnrolled, "not_allowed", "the hub did not take the enrolment");
        this.home.isJoining = false;
        await link.onStored(this);
    }

    async #exchange(link) {
        await runSession(this.#shell(link, () => this.#outbox()), this.#link(link, MODE_SYNC, null));
    }

    #shell(link, outbox) {
        return {
            device: this.device,
            isDataInFirst: true,
            clockMs: () => Date.now(),
            pull: () => ({ incarnation: this.incarnation, cursor: this.cursor, digest: this.digest,
                           own: [...this.states.values()].reduce((sum, state) => sum + state.acked, 0) }),
            outbox,
            take: async (frames) => {
                this.#take(frames, link.report);
                await link.onStored(this);
            },
        };
    }

    /** The own changes that the hub has not acknowledged, as PUSH frames. */
    #outbox() {
        const frames = [];
        for (const state of this.states.values()) {
            let run = null;
            state.ownLog().slice(state.acked).forEach((change, i) => {
                const n = state.acked + 1 + i;
                const size = change.sealed.length + CHANGE_OVERHEAD;
                if (state.refused && n >= state.refused.n) return;
                if (!run || run.size + size > RUN_BYTES)
                    frames.push((run = { type: "PUSH", circle: state.circle.id, device: this.device, firstN: n,
                                         changes: [], size: 0 }));
                run.changes.push(change);
                run.size += size;
            });
        }
        return frames.map(writeFrame);
    }

    #take(frames, report) {
        const touched = new Set();
        for (const frame of frames) {
            if (frame.type === "WELCOME") this.#takeWelcome(frame);
            if (frame.type === "ROSTER") this.#takeRoster(frame);
            if (frame.type === "CIRCLE") touched.add(this.#takeCircle(frame));
            if (frame.type === "CHANGES") touched.add(this.#takeChanges(frame, report));
            if (frame.type === "ACK") this.#takeAck(frame, report);
            if (frame.type === "REFUSED") this.#takeRefused(frame, report);
            if (frame.type === "CURSOR") this.cursor = frame.cursor.slice();
        }
        for (const state of touched) {
            this.#leaveIfOut(state);
            state.merge(this.roster);
        }
    }

    #takeWelcome(frame) {
        const isOther = !equal(frame.incarnation, this.incarnation);
        // A hub that was restored serves everything again: what is here is skipped.
        if (isOther) this.cursor = new Uint8Array(0);
        this.incarnation = frame.incarnation.slice();
        this.clockOffsetMs = frame.clockMs - Date.now();
        for (const state of this.states.values()) Object.assign(state, { refused: null, isSentAnew: false });
    }

    #takeRoster(frame) {
        frame.entries.forEach((entry, i) => {
            const known = this.roster.entries[frame.firstSeq + i - 1];
            if (known) check(equal(known, entry), "forked", "the hub serves another roster");
            else this.roster.append(entry);
        });
    }

    #takeCircle(frame) {
        const key = toHex(frame.circle);
        const state = this.states.get(key) ?? new CircleState(this.own);
        if (frame.seq === 1) check(equal(circleId(frame.entry), frame.circle), "foreign");
        const known = state.circle.entries[frame.seq - 1];
        if (known) {
            check(equal(known, frame.entry), "forked", "the hub serves another access chain");
            state.takeBoxes(frame.boxes);
        } else {
            state.takeEntry(this.roster, frame.entry, frame.boxes);
        }
        this.states.set(key, state);
        return state;
    }

    #stateOf(circle) {
        const state = this.states.get(circle instanceof Uint8Array ? toHex(circle) : circle);
        check(state, "unknown_circle");
        return state;
    }

    #takeChanges(frame, report) {
        const state = this.#stateOf(frame.circle);
        for (const id of state.takeRun(this.roster, frame)) {
            this.digest = digestAdd(this.digest, id);
            report.received++;
        }
        return state;
    }

    #takeAck(frame, report) {
        checkReceipt(frame, this.home.agency, this.incarnation, this.roster.hubSign);
        for (const line of frame.lines) {
            if (line.device !== this.device || (line.kind !== ACK_CHAIN && line.kind !== ACK_HELD)) continue;
            const state = this.#stateOf(line.circle);
            const isOurs = line.n <= state.ownLog().length &&
                (line.n === 0 || equal(state.ownLog()[line.n - 1].id, line.head));
            check(isOurs, "forked", "the hub has other changes of this device");
            report.sent += Math.max(0, line.n - state.acked);
            // Of a hub that was restored a receipt may say less than one before.
            const isSame = state.ackedBy && equal(state.ackedBy, this.incarnation);
            state.acked = isSame ? Math.max(state.acked, line.n) : line.n;
            state.ackedBy = this.incarnation;
        }
    }

    #takeRefused(frame, report) {
        report.refused++;
        check(frame.kind !== ACK_ROSTER, reasonName(frame.reason), "the hub refused the enrolment");
        if (frame.kind !== ACK_CHAIN || frame.device !== this.device) return;
        const state = this.#stateOf(frame.circle);
        const isLost = reasonName(frame.reason) === "gap" && !state.isSentAnew;
        // The hub has less than it said, as after a restore: it is sent all, once in a session.
        if (isLost) Object.assign(state, { acked: 0, isSentAnew: true });
        else state.refused = { n: frame.n, reason: reasonName(frame.reason) };
    }

    #leaveIfOut(state) {
        if (!state.circle.cuts.has(this.device) || state.isOut) return;
        for (const id of state.othersIds()) this.digest = digestAdd(this.digest, id, -1n);
        state.isOut = true;
        state.forget();
    }

    #wipe() {
        for (const state of this.states.values()) state.forget();
        const nothing = new Uint8Array(32);
        Object.assign(this.home, { secret: nothing.subarray(16), seeds: { sign: nothing, noise: nothing, box: nothing } });
        Object.assign(this.own, { keys: keysOf(this.home.seeds), boxSecrets: [] });
    }

    // --- reading

    /** How many changes wait to be sent. */
    unsent() {
        return [...this.states.values()].reduce((sum, state) => sum + state.ownLog().length - state.acked, 0);
    }

    circles() {
        return [...this.states].map(([id, state]) => ({
            id, kind: state.circle.kind, epoch: state.circle.epoch, hasKey: state.keys.has(state.circle.epoch),
            mayWrite: this.isEnrolled && state.circle.mayWrite(this.roster, this.device),
            records: state.records.size, refused: state.refused,
            waiting: [...state.logs].reduce(
                (sum, [device, log]) => sum + log.length - (state.applied.get(device) ?? 0), 0),
        }));
    }

    /** The records of a circle: { id, type, fields }, a field a list of { element, values, value,
     * isUnsettled } in order of its elements. */
    records(circle, type = null) {
        return [...this.#stateOf(circle).records.values()]
            .filter((record) => type === null || record.type === type)
            .map((record) => ({ id: toHex(record.id), type: record.type, fields: fieldsOf(record) }));
    }

    stateHash(circle) {
        return toHex(this.#stateOf(circle).stateHash());
    }

    // --- writing

    /** One save: operations of { record, type, field, kind, value, key }, sealed and signed. */
    write(circle, edits, { changeClass = NORMAL } = {}) {
        const state = this.#stateOf(circle);
        check(this.isEnrolled, "not_allowed", "this device is not enrolled");
        const ids = new Map(edits.map((edit) => [edit.record, fromHex(edit.record)]));
        const ops = edits.map((edit) => {
            const op = { record: ids.get(edit.record), type: edit.type, field: edit.field, kind: edit.kind ?? PUT,
                         value: encode(edit.value) };
            if (op.kind === KEYED) op.key = encode(edit.key);
            return { ...op, replaced: state.liveDots(op) };
        });
        return state.save(this.roster, ops, changeClass);
    }

    // --- keeping

    /** All there is, secrets too, as bytes: to be kept encrypted. */
    save() {
        return encode(pack({
            home: this.home, roster: this.roster.entries, incarnation: this.incarnation, cursor: this.cursor,
            digest: this.digest, clockOffsetMs: Math.round(this.clockOffsetMs), hlc: this.own.hlc,
            states: [...this.states.values()].map((state) => ({
                entries: state.circle.entries, keys: [...state.keys], acked: state.acked, ackedBy: state.ackedBy, isOut: state.isOut,
                logs: [...state.logs].map(([device, log]) => [device, log.map((change) => [
                    change.class, change.epoch, change.sealed, change.signature, change.id])]),
            })),
        }));
    }

    static load(bytes) {
        const saved = unpack(decode(bytes));
        const device = new Device();
        device.#begin(saved.home);
        saved.roster.forEach((entry) => device.roster.append(entry));
        Object.assign(device, { incarnation: saved.incarnation, cursor: saved.cursor, digest: saved.digest,
                                clockOffsetMs: saved.clockOffsetMs });
        device.own.hlc = BigInt(saved.hlc);
        for (const of of saved.states) device.#loadState(of);
        return device;
    }

    #loadState(saved) {
        const state = new CircleState(this.own);
        saved.entries.forEach((entry) => state.circle.append(this.roster, entry));
        state.keys = new Map(saved.keys);
        state.logs = new Map(saved.logs.map(([device, log]) => [device, log.map(
            ([changeClass, epoch, sealed, signature, id]) => ({ class: changeClass, epoch, sealed, signature, id }))]));
        Object.assign(state, { acked: saved.acked, ackedBy: saved.ackedBy, isOut: saved.isOut });
        state.merge(this.roster);
        this.states.set(toHex(state.circle.id), state);
    }
}

function fieldsOf(record) {
    const fields = {};
    for (const register of record.sorted()) {
        const best = readLast(register);
        (fields[register.field] ??= []).push({
            element: register.element.length > 0 ? decode(register.element) : null,
            value: decode(best.value),
            values: register.live.map((live) => ({ device: live.device, n: live.n, value: decode(live.value) })),
            isUnsettled: isUnsettled(register),
        });
    }
    return fields;
}

// Objects as maps of numbered keys would lose their names: as arrays of name and value, marked.
function pack(value) {
    if (Array.isArray(value)) return value.map(pack);
    if (!value || typeof value !== "object" || value instanceof Uint8Array) return value;
    return ["{}", ...Object.entries(value).flatMap(([name, of]) => [name, pack(of)])];
}

function unpack(value) {
    if (!Array.isArray(value)) return value;
    if (value[0] !== "{}") return value.map(unpack);
    const object = {};
    for (let i = 1; i < value.length; i += 2) object[value[i]] = unpack(value[i + 1]);
    return object;
}

export { ADD, APPEND, BULK, DROP, KEYED, KithError, NORMAL, PUT, URGENT };
