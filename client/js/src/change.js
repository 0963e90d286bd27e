// SPDX-License-Identifier: Apache-2.0
// The change: header, id, signature, encryption (docs/protocol.md, section 5).
import { check, concat, u32, u64 } from "./bytes.js";
import { pack, unpack } from "./pack.js";
import { decrypt, derive, encrypt, hash, sign, verify } from "./seal.js";

export const URGENT = 0;
export const NORMAL = 1;
export const BULK = 2;
const EPOCH_MAX = 16777215;

/** A header is { class, agency, circle, device, n, prev, epoch }. */
export const headerBytes = (header) =>
    concat([1, header.class], header.agency, header.circle, u32(header.device), u64(header.n),
           header.prev, u32(header.epoch));

export const mark = (header) => header.epoch * 3 + header.class;

export function readMark(number) {
    const of = { class: number % 3, epoch: Math.floor(number / 3) };
    check(of.epoch >= 1 && of.epoch <= EPOCH_MAX, "malformed", "no such epoch");
    return of;
}

export const changeId = (header, sealed) => hash("change id", headerBytes(header), sealed);

const changeKey = (epochKey, circle) => derive("change key", epochKey, circle);

export const changeVerify = (id, signature, publicKey) =>
    verify("change signature", publicKey, id, signature);

/** The payload's text. */
export const changeOpen = (header, sealed, epochKey) =>
    unpack(decrypt(changeKey(epochKey, header.circle), headerBytes(header), sealed));

/** { sealed, id, signature } */
export function changeSeal(header, epochKey, signSecret, text) {
    const sealed = encrypt(changeKey(epochKey, header.circle), headerBytes(header), pack(text));
    const id = changeId(header, sealed);
    return { sealed, id, signature: sign("change signature", signSecret, id) };
}
