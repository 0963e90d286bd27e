// SPDX-License-Identifier: Apache-2.0
// The layers below a session, each against its file of vectors.
import assert from "node:assert/strict";
import test from "node:test";

import { changeId, changeOpen, changeSeal, changeVerify, mark } from "../src/change.js";
import { dictionaryBytes } from "../src/dictionary.js";
import { concat, fromHex, toHex } from "../src/bytes.js";
import { checkReceipt, digestAdd, readFrames, writeFrame } from "../src/frames.js";
import { inviteKeys, readCode, writeCode } from "../src/invite.js";
import { Channel } from "../src/noise.js";
import { pack, paddedSize, unpack } from "../src/pack.js";
import { readPayload, writePayload } from "../src/payload.js";
import * as seal from "../src/seal.js";
import { decode, encode } from "../src/wire.js";
import { cases, file } from "./support/vectors.js";

const hex = (bytes) => toHex(bytes);
const name = (error) => {
    if (error.name === "KithError") return error.kind;
    throw error;
};

/** What the function gives, or `refused` as it must. */
function judge(vector, run) {
    if (!vector.refused) return run();
    assert.throws(run, (error) => name(error) !== undefined, `${vector.name} must be refused`);
    return undefined;
}

test("tags: hashes, derived keys, signatures", () => {
    const [over, ...tags] = cases("tags");
    const [text, key] = [fromHex(over.text), fromHex(over.key)];
    const pair = seal.signPair(fromHex(over.sign_seed));
    assert.equal(hex(pair.public), over.sign_public);
    assert.ok(tags.length > 30);
    for (const vector of tags) {
        const tag = vector.name.replace(/^kith\/1 /, "");
        assert.equal(hex(seal.hash(tag, text)), vector.hash, vector.name);
        assert.equal(hex(seal.derive(tag, key, text)), vector.derived, vector.name);
        const signature = seal.sign(tag, pair.secret, seal.hash(tag, text));
        assert.equal(hex(signature), vector.signature, vector.name);
    }
});

function plain(value) {
    if (value === null) return { nil: true };
    if (typeof value === "boolean") return { bool: value };
    if (typeof value === "number" || typeof value === "bigint") return { int: String(value) };
    if (typeof value === "string") return { text: value };
    if (value instanceof Uint8Array) return { bin: hex(value) };
    if (Array.isArray(value)) return { array: value.map(plain) };
    return { map: [...value].flatMap((pair) => pair.map(plain)) };
}

test("wire: one form of each value, and no other", () => {
    for (const vector of cases("wire")) {
        const bytes = fromHex(vector.bytes);
        const value = judge(vector, () => decode(bytes));
        if (vector.refused) continue;
        assert.deepEqual(plain(value), vector.value, vector.name);
        assert.equal(hex(encode(value)), vector.bytes, vector.name);
    }
});

test("code: what it says and what comes out of it", () => {
    for (const vector of cases("code")) {
        const code = judge(vector, () => readCode(vector.code));
        if (vector.refused) continue;
        const keys = inviteKeys(code.secret);
        assert.equal(hex(code.hubKey), vector.hub_key);
        assert.equal(hex(code.agency), vector.agency);
        assert.equal(code.device, vector.device);
        assert.equal(code.address, vector.address);
        assert.equal(hex(keys.sign.public), vector.sign_public);
        assert.equal(hex(keys.box.public), vector.box_public);
        assert.equal(hex(keys.psk), vector.psk);
        if (vector.name !== "as people type it") assert.equal(writeCode(code), vector.code);
    }
});

test("epoch: commitments, boxes, wraps", () => {
    for (const vector of cases("epoch")) {
        const place = { circle: fromHex(vector.circle), epoch: vector.epoch, device: vector.device };
        let key;
        if (vector.commitment) {
            const commitment = seal.epochCommitment(fromHex(vector.key), vector.epoch);
            assert.equal(hex(commitment), vector.commitment);
            continue;
        }
        if (vector.box)
            key = judge(vector, () => seal.boxOpen(place, fromHex(vector.box_secret), fromHex(vector.box)));
        else
            key = judge(vector, () => seal.epochUnwrap(place, fromHex(vector.new_key), fromHex(vector.wrap)));
        if (key) assert.equal(hex(key), vector.key, vector.name);
    }
});

test("an epoch key comes out of what this client seals", () => {
    const place = { circle: seal.random(16), epoch: 3, device: 5 };
    const [key, newer, recipient] = [seal.random(32), seal.random(32), seal.boxPair(seal.random(32))];
    const box = seal.boxSeal(place, recipient.public, key);
    assert.equal(box.length, 104);
    assert.deepEqual(seal.boxOpen(place, recipient.secret, box), key);
    assert.deepEqual(seal.epochUnwrap(place, newer, seal.epochWrap(place, newer, key)), key);
});

function runStep(channel, step, isFirst) {
    const [text, bytes] = [fromHex(step.text), fromHex(step.bytes)];
    const withLength = (message) => concat([message.length >> 8, message.length & 255], message);
    if (step.from === "device" && isFirst)
        return assert.equal(hex(concat(channel.preamble, withLength(channel.first(text)))), step.bytes);
    if (step.from === "device")
        return assert.equal(hex(withLength(channel.send(text))), step.bytes);
    const message = bytes.subarray(2);
    assert.deepEqual(channel.sending ? channel.receive(message) : channel.second(message), text);
}

test("handshake: whole streams, byte for byte", () => {
    for (const vector of cases("handshake")) {
        const channel = new Channel({
            carrier: vector.carrier,
            mode: vector.mode,
            noiseSecret: fromHex(vector.device_secret),
            hubKey: fromHex(vector.hub_public),
            psk: vector.psk && fromHex(vector.psk),
            ephemeral: fromHex(vector.device_ephemeral_secret),
        });
        if (vector.refused) {
            channel.first(fromHex(vector.text));
            const answer = fromHex(vector.answer);
            const message = vector.retry_s ? answer : answer.subarray(2);
            assert.throws(() => channel.second(message), (error) =>
                error.kind === vector.refused && error.retrySeconds === vector.retry_s);
            continue;
        }
        vector.steps.forEach((step, i) => runStep(channel, step, i === 0));
        for (let i = 0; vector.rekey && i < vector.rekey.empty_from_device; i++)
            channel.send(new Uint8Array(0));
        vector.rekey?.steps.forEach((step) => runStep(channel, step, false));
    }
});

test("pack: sizes, compression with the dictionary, and what cannot be unpacked", () => {
    assert.deepEqual(dictionaryBytes, file("dictionary.bin"));
    for (const vector of cases("pack")) {
        if (vector.name === "padded size") {
            assert.equal(paddedSize(vector.len), vector.padded, `${vector.len}`);
            continue;
        }
        const text = judge(vector, () => unpack(fromHex(vector.packed)));
        if (vector.refused) continue;
        assert.equal(hex(text), vector.text, vector.name);
        assert.deepEqual(unpack(pack(text)), text);
    }
});

const dots = (list) => list.map((dot) => [dot.device, String(dot.n)]);

test("payload: what it says, and back", () => {
    for (const vector of cases("payload")) {
        const payload = judge(vector, () => readPayload(fromHex(vector.text)));
        if (vector.refused) continue;
        assert.equal(String(payload.hlc), vector.hlc);
        assert.deepEqual(dots(payload.seen), vector.seen);
        assert.equal(payload.heads?.rosterSeq, vector.heads?.roster_seq);
        assert.equal(payload.heads && hex(payload.heads.circle), vector.heads ? vector.heads.circle : null);
        const ops = payload.ops.map((op) => ({
            record: hex(op.record), type: op.type, field: op.field, kind: op.kind,
            replaced: dots(op.replaced), value: hex(op.value), ...(op.key && { key: hex(op.key) }),
        }));
        assert.deepEqual(ops, vector.ops);
        if (vector.name !== "no record") assert.equal(hex(writePayload(payload)), vector.text);
    }
});

function headerOf(vector) {
    const { agency, circle, prev, n, ...rest } = vector.header;
    return { ...rest, n: Number(n), agency: fromHex(agency), circle: fromHex(circle), prev: fromHex(prev) };
}

const verdict = (run) => {
    try {
        run();
        return "ok";
    } catch (error) {
        return name(error);
    }
};

test("change: id, signature, encryption, chain", () => {
    for (const vector of cases("change")) {
        const [header, sealed, signature] = [headerOf(vector), fromHex(vector.sealed), fromHex(vector.signature)];
        const [key, author] = [fromHex(vector.epoch_key), fromHex(vector.sign_public)];
        const id = changeId(header, sealed);
        if (vector.verified) {
            assert.equal(verdict(() => changeVerify(id, signature, author)), vector.verified, vector.name);
            assert.equal(verdict(() => changeOpen(header, sealed, key)), vector.opened, vector.name);
            continue;
        }
        assert.equal(hex(id), vector.id);
        assert.equal(String(mark(header)), vector.mark);
        changeVerify(id, signature, author);
        assert.equal(hex(changeOpen(header, sealed, key)), vector.text);
        const own = changeSeal(header, key, seal.signPair(fromHex(vector.sign_seed)).secret, fromHex(vector.text));
        changeVerify(own.id, own.signature, author);
        assert.equal(hex(changeOpen(header, own.sealed, key)), vector.text);
    }
});

const FRAME_FIELDS = {
    clock_ms: "clockMs", hub_sign_key: "hubSign", first_n: "firstN", up_to_date: "isUpToDate",
    first_seq: "firstSeq", bytes_stored: "bytes", time_s: "timeS",
};

// As the vectors tell it: bytes in hexadecimal, numbers as text where they may be large.
function told(value, like) {
    if (value instanceof Uint8Array) return hex(value);
    if (Array.isArray(value)) return value.map((item, i) => told(item, like[i]));
    if (value && typeof value === "object")
        return Object.fromEntries(Object.keys(like).map((key) => [key, told(value[key], like[key])]));
    return typeof like === "string" ? String(value) : value;
}

test("frames: one of each type, receipts, the digest", () => {
    for (const { name: type, bytes, ...vector } of cases("frames")) {
        if (type === "digest") {
            const digest = vector.ids.reduce((sum, id) => digestAdd(sum, fromHex(id)), new Uint8Array(8));
            assert.equal(hex(digest), vector.digest);
            continue;
        }
        const { agency, incarnation, hub_sign_key: hubSign, hash: _, ...fields } = vector;
        const like = type === "ACK" ? fields : vector;
        const [frame, ...more] = readFrames(fromHex(bytes));
        assert.equal(more.length, 0);
        assert.equal(frame.type, type);
        for (const [key, value] of Object.entries(like))
            assert.deepEqual(told(frame[FRAME_FIELDS[key] ?? key], value), value, `${type} ${key}`);
        if (["HELLO", "PUSH", "PULL", "ROSTER", "CIRCLE", "INVITE", "CREDIT", "ERROR", "BYE"].includes(type))
            assert.equal(hex(writeFrame(frame)), bytes);
        if (type === "ACK") {
            checkReceipt(frame, fromHex(agency), fromHex(incarnation), fromHex(hubSign));
            assert.throws(() => checkReceipt(frame, fromHex(agency), new Uint8Array(8), fromHex(hubSign)),
                          { kind: "signature" });
        }
    }
});
