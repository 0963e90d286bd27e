// SPDX-License-Identifier: Apache-2.0
// What a device has of one circle: access chain, keys, logs, and what merging them makes.
import { check, equal, KithError, toHex } from "./bytes.js";
import { changeId, changeOpen, changeSeal, changeVerify } from "./change.js";
import { Circle, ROTATE } from "./circle.js";
import { Record, stateHash } from "./merge.js";
import { readPayload, writePayload } from "./payload.js";
import { boxOpen, epochCommitment, epochUnwrap, ZERO_KEY } from "./seal.js";

const AHEAD_MAX_MS = 5n * 60000n;
const COUNTER_BITS = 16n;

const isFarAhead = (stamp, nowMs) => stamp >> COUNTER_BITS > BigInt(nowMs) + AHEAD_MAX_MS;

export class CircleState {
    /** `own`: the device's { device, agency, keys, boxSecrets, hlc, nowMs }. */
    constructor(own) {
        this.own = own;
        this.circle = new Circle();
        this.keys = new Map(); // by epoch
        this.logs = new Map(); // by device: changes, n - 1 is the index
        this.acked = 0; // through which own n the hub has it
        this.ackedBy = null; // the incarnation that said so
        this.isOut = false; // the device was taken out
        this.isSentAnew = false; // in this session
        this.refused = null; // { n, reason }
        this.told = { n: 0, seen: new Map(), heads: null }; // by the first n own changes
        this.restart();
    }

    /** Merged state from nothing, as after a cut that was moved. */
    restart() {
        this.records = new Map();
        this.applied = new Map(); // by device: through which n
        this.faults = new Map(); // by device: which n could not be read
    }

    log(device) {
        if (!this.logs.has(device)) this.logs.set(device, []);
        return this.logs.get(device);
    }

    ownLog() {
        return this.log(this.own.device);
    }

    header(device, n, change) {
        const before = n > 1 ? this.log(device)[n - 2].id : ZERO_KEY;
        return { class: change.class, agency: this.own.agency, circle: this.circle.id, device, n,
                 prev: before, epoch: change.epoch };
    }

    // --- entries and keys

    takeEntry(roster, bytes, boxes) {
        const hadCuts = this.circle.cuts.size > 0;
        const entry = this.circle.append(roster, bytes);
        this.takeBoxes(boxes);
        if (hadCuts || entry.type === ROTATE) this.restart();
    }

    takeBoxes(boxes) {
        for (const { device, box } of boxes.filter((of) => of.device === this.own.device))
            for (const secret of this.own.boxSecrets)
                for (let epoch = this.circle.epoch; epoch > 0; epoch--) this.#tryBox(epoch, box, secret);
        this.#unwrap();
    }

    #tryBox(epoch, box, secret) {
        try {
            const place = { circle: this.circle.id, epoch, device: this.own.device };
            this.#takeKey(epoch, boxOpen(place, secret, box));
        } catch (error) {
            if (!(error instanceof KithError)) throw error;
        }
    }

    #takeKey(epoch, key) {
        check(equal(epochCommitment(key, epoch), this.circle.commitments[epoch - 1]), "decrypt",
              "another key than the chain commits to");
        this.keys.set(epoch, key);
    }

    #unwrap() {
        for (const { epoch, under, wrap } of [...this.circle.wraps].reverse()) {
            const key = this.keys.get(under);
            if (!key || this.keys.has(epoch)) continue;
            try {
                this.#takeKey(epoch, epochUnwrap({ circle: this.circle.id, epoch }, key, wrap));
            } catch (error) {
                if (!(error instanceof KithError)) throw error;
            }
        }
    }

    // --- changes of others, and own ones that come back

    /** Takes in a run, whole or not at all; gives the ids of what is new here. */
    takeRun(roster, run) {
        const log = this.log(run.device);
        const taken = [];
        let prev = log[run.firstN - 2]?.id ?? ZERO_KEY;
        run.changes.forEach((change, i) => {
            const n = run.firstN + i;
            check(n <= log.length + taken.length + 1, "gap", "the hub left something out");
            const header = { ...this.header(run.device, 1, change), n, prev };
            const id = changeId(header, change.sealed);
            prev = id;
            if (n <= log.length) {
                check(equal(id, log[n - 1].id), "forked", "the hub serves another change under a known number");
                return;
            }
            check(run.device !== this.own.device, "copied", "the hub knows changes of this device that are not here");
            const verdict = this.circle.takes(roster, header, id);
            check(["ok", "held"].includes(verdict), verdict, "the hub serves what does not count");
            taken.push({ class: change.class, epoch: change.epoch, sealed: change.sealed.slice(),
                         signature: change.signature.slice(), id });
        });
        if (taken.length > 0)
            changeVerify(prev, taken.at(-1).signature, roster.device(run.device).keys.sign);
        log.push(...taken);
        return taken.map((change) => change.id);
    }

    // --- merging

    #isBeyond(roster, device, n) {
        const change = this.log(device)[n - 1];
        const cut = this.circle.cuts.get(device);
        if (!change) return cut !== undefined && cut.until === 0n && n > cut.n;
        return this.circle.takes(roster, this.header(device, n, change), change.id) !== "ok";
    }

    #isSeen(roster, payload) {
        return payload.seen.every((dot) => (this.applied.get(dot.device) ?? 0) >= dot.n ||
            this.#isBeyond(roster, dot.device, dot.n));
    }

    #read(device, n) {
        const change = this.log(device)[n - 1];
        const header = this.header(device, n, change);
        try {
            return readPayload(changeOpen(header, change.sealed, this.keys.get(change.epoch)));
        } catch (error) {
            if (error instanceof KithError) return null;
            throw error;
        }
    }

    /** Merges the next change of a device; false if it has to wait. */
    #mergeNext(roster, device) {
        const n = (this.applied.get(device) ?? 0) + 1;
        const change = this.log(device)[n - 1];
        if (!change) return false;
        if (!this.#isBeyond(roster, device, n)) {
            if (!this.keys.has(change.epoch)) return false;
            const payload = this.#read(device, n);
            if (payload && !this.#isSeen(roster, payload)) return false;
            if (payload) this.#apply(payload, { device, n });
            else this.faults.set(device, [...(this.faults.get(device) ?? []), n]);
        }
        this.applied.set(device, n);
        return true;
    }

    #apply(payload, dot) {
        for (const op of payload.ops) {
            const key = `${op.type}/${toHex(op.record)}`;
            if (!this.records.has(key)) this.records.set(key, new Record(op.record, op.type));
            this.records.get(key).apply(op, dot, payload.hlc);
        }
        if (payload.hlc > this.own.hlc && !isFarAhead(payload.hlc, this.own.nowMs()))
            this.own.hlc = payload.hlc;
    }

    merge(roster) {
        for (let isMoving = true; isMoving;) {
            isMoving = false;
            for (const device of this.logs.keys())
                while (this.#mergeNext(roster, device)) isMoving = true;
        }
    }

    stateHash() {
        const encodings = [...this.records.values()].map((record) => record.encode());
        return stateHash(this.own.agency, this.circle.id, encodings);
    }

    // --- writing

    /** What the own log has named as seen so far, and the heads it named last. */
    #named() {
        for (; this.told.n < this.ownLog().length; this.told.n++) {
            const payload = this.#read(this.own.device, this.told.n + 1);
            payload?.seen.forEach((dot) => this.told.seen.set(dot.device, dot.n));
            this.told.heads = payload?.heads ?? this.told.heads;
        }
        return this.told;
    }

    #seenSince(roster, named) {
        const dots = [];
        for (const [device, through] of this.applied) {
            let n = through;
            while (n > 0 && this.#isBeyond(roster, device, n)) n--;
            if (device !== this.own.device && n > (named.get(device) ?? 0)) dots.push({ device, n });
        }
        return dots.sort((a, b) => a.device - b.device);
    }

    #headsSince(roster, last) {
        const heads = { rosterSeq: roster.count, roster: roster.head.subarray(0, 16),
                        circleSeq: this.circle.count, circle: this.circle.head.subarray(0, 16) };
        const isSame = last && last.rosterSeq === heads.rosterSeq && last.circleSeq === heads.circleSeq &&
            equal(last.roster, heads.roster) && equal(last.circle, heads.circle);
        return isSame ? null : heads;
    }

    tick() {
        const now = BigInt(this.own.nowMs()) << COUNTER_BITS;
        const last = this.own.hlc;
        this.own.hlc = now > last || isFarAhead(last, this.own.nowMs()) ? now : last + 1n;
        return this.own.hlc;
    }

    /** The dots that are alive where an operation goes: what it replaces. */
    liveDots(op) {
        const record = this.records.get(`${op.type}/${toHex(op.record)}`);
        const element = op.kind === 4 ? op.key : op.kind === 1 || op.kind === 2 ? op.value : undefined;
        if (!record || op.kind === 3) return [];
        return record.register(op.field, element).live.map(({ device, n }) => ({ device, n }));
    }

    /** Seals, signs, logs and merges one save; gives its n. */
    save(roster, ops, changeClass) {
        const epoch = this.circle.epoch;
        const own = this.own;
        check(this.circle.mayWrite(roster, own.device), "not_allowed", "nothing can be written here now");
        check(this.keys.has(epoch), "no_key", "the key of this circle has not come yet");
        const named = this.#named();
        const text = writePayload({
            hlc: this.tick(), seen: this.#seenSince(roster, named.seen),
            heads: this.#headsSince(roster, named.heads), ops,
        });
        const n = this.ownLog().length + 1;
        const header = this.header(own.device, n, { class: changeClass, epoch });
        const made = changeSeal(header, this.keys.get(epoch), own.keys.sign.secret, text);
        this.ownLog().push({ class: changeClass, epoch, ...made });
        this.merge(roster);
        return n;
    }

    /** All that came of others, in any order. */
    othersIds() {
        return [...this.logs].flatMap(([device, log]) =>
            device === this.own.device ? [] : log.map((change) => change.id));
    }

    /** Forgets all but the own sealed changes: the device was taken out. */
    forget() {
        const own = this.ownLog();
        this.logs = new Map([[this.own.device, own]]);
        this.keys.clear();
        this.restart();
    }
}

