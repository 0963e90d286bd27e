// SPDX-License-Identifier: Apache-2.0
// Invitation codes (docs/protocol.md, section 8).
import { check, concat, equal, fromBase32, toBase32 } from "./bytes.js";
import { boxPair, derive, hash, signPair } from "./seal.js";
import { encode, Reader } from "./wire.js";

const MARK = "kith1";
const DEVICE_MAX = 16777215;

/** What a code says: { hubKey, agency, device, secret, address }. */
export function readCode(text) {
    const trimmed = text.replace(/[-\s]/g, "");
    // The mark is read like the rest: "1" may have been typed as "l".
    check(/^kith[1l]/i.test(trimmed), "code", "a code begins with kith1");
    const bytes = fromBase32(trimmed.slice(MARK.length));
    check(bytes.length > 4, "code", "cut");
    const body = bytes.subarray(0, -4);
    check(equal(hash("code checksum", body).subarray(0, 4), bytes.subarray(-4)), "code", "mistyped");
    const reader = new Reader(body);
    reader.arrayOf(5);
    const code = {
        hubKey: reader.binOf(32),
        agency: reader.binOf(16),
        device: reader.uint(DEVICE_MAX),
        secret: reader.binOf(16),
        address: reader.text(127),
    };
    reader.end();
    return code;
}

export function writeCode({ hubKey, agency, device, secret, address }) {
    const body = encode([hubKey, agency, device, secret, address]);
    const plain = toBase32(concat(body, hash("code checksum", body).subarray(0, 4)));
    return [MARK, ...plain.match(/.{1,6}/g)].join("-");
}

/** The keys that come out of a code's secret. */
export function inviteKeys(secret) {
    const wide = concat(secret, new Uint8Array(16));
    return {
        sign: signPair(derive("invite sign seed", wide)),
        box: boxPair(derive("invite box seed", wide)),
        psk: derive("invite psk", wide),
    };
}
