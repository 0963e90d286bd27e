// SPDX-License-Identifier: Apache-2.0
// What entries of roster and access chains have in common: a body that begins with version, seq and
// the hash of the entry before, and a signature behind it (docs/protocol.md, sections 6 and 7).
import { check, concat, equal } from "./bytes.js";
import { hash, sign, ZERO_KEY } from "./seal.js";
import { encode, Reader } from "./wire.js";

const ENTRY_MAX = 16384;
const SIGNATURE_BYTES = 64;
const SEQ_MAX = 16777215;

/** { seq, prev, hash, signature, body }: `body` is a Reader of the items that are left. */
export function openEntry(bytes, tag, items) {
    check(bytes.length > SIGNATURE_BYTES && bytes.length <= ENTRY_MAX, "cut");
    const text = bytes.subarray(0, -SIGNATURE_BYTES);
    const body = new Reader(text);
    body.arrayOf(items);
    body.uint(1, 1);
    return {
        seq: body.uint(SEQ_MAX, 1),
        prev: body.binOf(32),
        hash: hash(tag, text),
        signature: bytes.subarray(-SIGNATURE_BYTES),
        body,
    };
}

export function checkPlace(entry, chain) {
    check(entry.seq === chain.count + 1 && equal(entry.prev, chain.head), "stale");
}

/** A signed entry behind the head of the chain. */
export function writeEntry(chain, tags, items, signSecret) {
    const body = encode([1, chain.count + 1, chain.count ? chain.head : ZERO_KEY, ...items]);
    return concat(body, sign(tags.sign, signSecret, hash(tags.hash, body)));
}
