// SPDX-License-Identifier: Apache-2.0
// Merge: records as sets of registers, their encoding, and the state hash (docs/protocol.md,
// section 9).
import { compare, concat, equal, NOTHING, toHex } from "./bytes.js";
import { ADD, APPEND, DROP, KEYED, PUT } from "./payload.js";
import { hash } from "./seal.js";
import { dotOrder, encode, Encoded } from "./wire.js";

const NIL = Uint8Array.of(0xc0);

const stampOrder = (a, b) =>
    a.hlc < b.hlc ? -1 : a.hlc > b.hlc ? 1 : dotOrder(a, b);

function elementOf(op, dot) {
    if (op.kind === ADD || op.kind === DROP) return op.value;
    if (op.kind === KEYED) return op.key;
    if (op.kind === APPEND) return encode([dot.device, dot.n, new Encoded(op.value)]);
    return NOTHING;
}

export class Record {
    constructor(id, type) {
        Object.assign(this, { id, type, created: null, touched: null });
        this.registers = new Map(); // by field and element in hexadecimal
    }

    /** One operation of the change `dot`, written at `hlc`. */
    apply(op, dot, hlc) {
        const element = elementOf(op, dot);
        const key = `${op.field}/${toHex(element)}`;
        const register = this.registers.get(key) ?? { field: op.field, element, live: [] };
        const stamp = { ...dot, hlc };
        if (register.live.some((live) => dotOrder(live, dot) === 0)) return;
        if (!this.created || stampOrder(stamp, this.created) < 0) this.created = stamp;
        if (!this.touched || stampOrder(this.touched, stamp) < 0) this.touched = stamp;
        register.live = register.live.filter(
            (live) => !op.replaced.some((replaced) => dotOrder(live, replaced) === 0));
        if (op.kind !== DROP) {
            const value = op.kind === ADD || op.kind === APPEND ? NIL : op.value;
            register.live.push({ ...stamp, value });
            register.live.sort(dotOrder);
        }
        if (register.live.length > 0) this.registers.set(key, register);
        else this.registers.delete(key);
    }

    sorted() {
        return [...this.registers.values()].sort(
            (a, b) => a.field - b.field || compare(a.element, b.element));
    }

    register(field, element = NOTHING) {
        return this.registers.get(`${field}/${toHex(element)}`) ?? { field, element, live: [] };
    }

    encode() {
        const registers = this.sorted().map((register) => [
            register.field, register.element,
            register.live.flatMap((live) => [live.device, live.n, live.hlc, live.value]),
        ]);
        const [first, last] = [this.created, this.touched];
        return encode([this.id, this.type, first.device, first.n, first.hlc, last.device, last.n,
                       last.hlc, registers]);
    }
}

/** How the live values of a register of class "last" read: the greatest stamp. */
export function readLast(register) {
    return register.live.reduce((best, live) => (best && stampOrder(live, best) < 0 ? best : live), null);
}

/** Whether a person must decide between the values of a register of class narrative or exact. */
export const isUnsettled = (register) =>
    register.live.some((live) => !equal(live.value, register.live[0].value));

/** The state hash of a circle from its records' encodings. */
export function stateHash(agency, circle, encodings) {
    const hashes = encodings.map((encoding) => hash("state record", encoding)).sort(compare);
    return hash("state hash", agency, circle, concat(...hashes));
}

export { PUT };
