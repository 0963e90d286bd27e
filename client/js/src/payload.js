// SPDX-License-Identifier: Apache-2.0
// The payload of a change (docs/protocol.md, section 5.3).
import { check } from "./bytes.js";
import { dotItems, encode, Encoded, readDots, Reader } from "./wire.js";

export const PUT = 0;
export const ADD = 1;
export const DROP = 2;
export const APPEND = 3;
export const KEYED = 4;

const SEEN_MAX = 4096;
const REPLACED_MAX = 256;
const OPS_MAX = 4096;
const NUMBER_MAX = 65535;
const KEY_MAX = 255;
const SEQ_MAX = 16777215;
const HEAD_BYTES = 16;

function readHeads(reader) {
    if (reader.nil()) return null;
    reader.arrayOf(4);
    return {
        rosterSeq: reader.uint(SEQ_MAX),
        roster: reader.binOf(HEAD_BYTES),
        circleSeq: reader.uint(SEQ_MAX),
        circle: reader.binOf(HEAD_BYTES),
    };
}

function readOp(reader, record, type) {
    const items = reader.array();
    const op = { record, type, field: reader.uint(NUMBER_MAX), kind: reader.uint(KEYED) };
    check(items === (op.kind === KEYED ? 5 : 4), "malformed", "an operation has four items or five");
    op.replaced = readDots(reader, REPLACED_MAX);
    op.value = reader.raw();
    if (op.kind === KEYED) op.key = reader.raw(KEY_MAX);
    return op;
}

/** { hlc, seen, heads, ops }; values and keys of operations are the bytes that encode them. */
export function readPayload(text) {
    const reader = new Reader(text);
    reader.arrayOf(4);
    const payload = { hlc: reader.u64(), seen: readDots(reader, SEEN_MAX), heads: readHeads(reader) };
    const ops = [];
    const items = reader.array();
    check(items % 3 === 0, "malformed", "records come in threes");
    for (let i = 0; i < items / 3; i++) {
        const record = reader.binOf(16);
        const type = reader.uint(NUMBER_MAX);
        const count = reader.array(OPS_MAX);
        check(count > 0, "malformed", "a record without operations");
        for (let left = count; left > 0; left--) ops.push(readOp(reader, record, type));
        check(ops.length <= OPS_MAX, "too_large");
    }
    reader.end();
    return { ...payload, ops };
}

function opItems(op) {
    const items = [op.field, op.kind, dotItems(op.replaced), new Encoded(op.value)];
    return op.kind === KEYED ? [...items, new Encoded(op.key)] : items;
}

/** Operations on one record must follow each other. */
export function writePayload({ hlc, seen, heads, ops }) {
    const records = [];
    for (const op of ops) {
        if (records.at(-3) !== op.record || records.at(-2) !== op.type)
            records.push(op.record, op.type, []);
        records.at(-1).push(opItems(op));
    }
    check(ops.length <= OPS_MAX, "too_large", "too many operations for one change");
    const named = heads && [heads.rosterSeq, heads.roster, heads.circleSeq, heads.circle];
    return encode([hlc, dotItems(seen), named, records]);
}
