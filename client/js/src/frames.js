// SPDX-License-Identifier: Apache-2.0
// The frames of a session (docs/protocol.md, section 4.1), written and read. A frame is an object
// with its name as `type`.
import { check } from "./bytes.js";
import { mark, readMark } from "./change.js";
import { hash, verify } from "./seal.js";
import { encode, Reader } from "./wire.js";

export const VERSION = 1;
export const BATCH_MAX = 65000;
export const ACK_CHAIN = 0;
export const ACK_CIRCLE = 1;
export const ACK_ROSTER = 2;
export const ACK_HELD = 3;

const DEVICE_MAX = 16777215;
const U32_MAX = 2 ** 32 - 1;
const CURSOR_MAX = 132;
const SEALED_MAX = 61440;
const SKIPPABLE = 64;

// --- writing

const runItems = (run) =>
    [run.circle, run.device, run.firstN,
     run.changes.flatMap((change) => [mark(change), change.sealed, change.signature])];

const WRITERS = {
    HELLO: [1, (frame) => [frame.version, frame.device, frame.clockMs]],
    PUSH: [3, runItems],
    PULL: [7, (frame) => [frame.incarnation, frame.cursor, frame.digest, frame.own]],
    ROSTER: [9, (frame) => [frame.firstSeq, frame.entries]],
    CIRCLE: [10, (frame) => [frame.circle, frame.seq, frame.entry,
                             frame.boxes.flatMap((of) => [of.device, of.box])]],
    INVITE: [11, (frame) => [frame.device, frame.psk]],
    CREDIT: [12, (frame) => [frame.bytes]],
    ERROR: [13, (frame) => [frame.reason]],
    BYE: [14, () => []],
};

export function writeFrame(frame) {
    const [number, items] = WRITERS[frame.type];
    return encode([number, ...items(frame)]);
}

// --- reading

const readDevice = (body) => body.uint(DEVICE_MAX, 1);

function readRun(body) {
    const run = { circle: body.binOf(16), device: readDevice(body), firstN: body.uint(undefined, 1) };
    const items = body.array();
    check(items > 0 && items % 3 === 0, "malformed", "changes come in threes");
    run.changes = [];
    for (let i = 0; i < items / 3; i++)
        run.changes.push({ ...readMark(body.uint()), sealed: body.bin(SEALED_MAX), signature: body.binOf(64) });
    return run;
}

function readLines(body) {
    const start = body.at;
    const items = body.array();
    const before = body.at;
    check(items % 5 === 0, "malformed", "lines have five items");
    const lines = [];
    for (let i = 0; i < items / 5; i++) {
        const kind = body.uint(ACK_HELD);
        lines.push({ kind, circle: body.binOf(kind === ACK_ROSTER ? 0 : 16), device: body.uint(DEVICE_MAX),
                     n: body.uint(), head: body.binOf(32) });
    }
    check(start < before, "malformed");
    return { lines, raw: body.bytes.subarray(before, body.at) };
}

function readEntries(body) {
    const of = { firstSeq: body.uint(U32_MAX, 1), entries: [] };
    for (let left = body.array(); left > 0; left--) of.entries.push(body.bin(16384));
    return of;
}

function readCircle(body) {
    const of = { circle: body.binOf(16), seq: body.uint(U32_MAX, 1), entry: body.bin(16384), boxes: [] };
    const items = body.array();
    check(items % 2 === 0, "malformed", "boxes come in pairs");
    for (let i = 0; i < items / 2; i++)
        of.boxes.push({ device: readDevice(body), box: body.binOf(104) });
    return of;
}

function readWelcome(body, items) {
    const of = { version: body.uint(), incarnation: body.binOf(8), clockMs: body.uint() };
    return items === 4 ? { ...of, hubSign: body.binOf(32) } : of;
}

// By number: name, how many items may follow the type, reader.
const READERS = {
    1: ["HELLO", [3], (body) => ({ version: body.uint(), device: readDevice(body), clockMs: body.uint() })],
    2: ["WELCOME", [3, 4], readWelcome],
    3: ["PUSH", [4], readRun],
    4: ["CHANGES", [4], readRun],
    5: ["ACK", [3], (body) => ({ batches: body.uint(), ...readLines(body), signature: body.binOf(64) })],
    6: ["REFUSED", [5], (body) => ({ kind: body.uint(ACK_HELD), circle: body.bin(16),
                                     device: body.uint(DEVICE_MAX), n: body.uint(), reason: body.uint() })],
    7: ["PULL", [4], (body) => ({ incarnation: body.binOf(8), cursor: body.bin(CURSOR_MAX),
                                  digest: body.binOf(8), own: body.uint() })],
    8: ["CURSOR", [2], (body) => ({ cursor: body.bin(CURSOR_MAX), isUpToDate: body.bool() })],
    9: ["ROSTER", [2], readEntries],
    10: ["CIRCLE", [4], readCircle],
    11: ["INVITE", [2], (body) => ({ device: readDevice(body), psk: body.binOf(32) })],
    12: ["CREDIT", [1], (body) => ({ bytes: body.uint() })],
    13: ["ERROR", [1], (body) => ({ reason: body.uint() })],
    14: ["BYE", [0], () => ({})],
    15: ["HELD", [9], (body) => ({
        circle: body.binOf(16), device: readDevice(body), n: body.uint(undefined, 1), prev: body.binOf(32),
        ...readMark(body.uint()), sealed: body.bin(SEALED_MAX), signature: body.binOf(64),
        leaving: body.uint(4), timeS: body.uint(),
    })],
    16: ["RETRY", [1], (body) => ({ seconds: body.uint() })],
};

/** The frames of one message, in order. Unknown ones from 64 on are left out. */
export function readFrames(text) {
    const body = new Reader(text);
    const frames = [];
    while (!body.isAtEnd()) {
        const start = body.at;
        const items = body.array();
        check(items > 0, "malformed", "a frame without a type");
        const number = body.uint();
        if (number >= SKIPPABLE) {
            body.at = start;
            body.raw(BATCH_MAX);
            continue;
        }
        check(READERS[number], "unknown_type", "a frame that is not known");
        const [type, counts, read] = READERS[number];
        check(counts.includes(items - 1), "malformed", "a frame with other items");
        frames.push({ type, ...read(body, items - 1) });
    }
    return frames;
}

/** Throws unless the hub signed what the ACK says. */
export function checkReceipt(ack, agency, incarnation, hubSign) {
    verify("receipt signature", hubSign, hash("receipt", agency, incarnation, ack.raw), ack.signature);
}

export function digestAdd(digest, id, sign = 1n) {
    const add = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
    const sum = new Uint8Array(8);
    new DataView(sum.buffer).setBigUint64(0, BigInt.asUintN(64, add(digest) + sign * add(id)));
    return sum;
}

