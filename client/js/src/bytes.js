// SPDX-License-Identifier: Apache-2.0
// Bytes: joining, comparing, big-endian numbers, hexadecimal, base32.

export const NOTHING = new Uint8Array(0);

export class KithError extends Error {
    /** `kind` says what is wrong in a word, as "signature" or "malformed". */
    constructor(kind, message = kind) {
        super(message);
        this.name = "KithError";
        this.kind = kind;
    }
}

export function check(condition, kind, message) {
    if (!condition) throw new KithError(kind, message);
}

export function concat(...parts) {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}

/** Byte by byte; what another one begins with comes before it. */
export function compare(a, b) {
    for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
    return a.length - b.length;
}

export const equal = (a, b) => compare(a, b) === 0;

export function u32(number) {
    return new Uint8Array([number >>> 24, number >>> 16, number >>> 8, number]);
}

export function u64(number) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
    return bytes;
}

export const toHex = (bytes) =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const fromHex = (text) =>
    Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export const utf8 = (text) => new TextEncoder().encode(text);

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

export function toBase32(bytes) {
    let text = "";
    let held = 0;
    let bits = 0;
    for (const byte of bytes) {
        bits = (bits << 8) | byte;
        for (held += 8; held >= 5; held -= 5) text += ALPHABET[(bits >> (held - 5)) & 31];
        bits &= (1 << held) - 1;
    }
    return held > 0 ? text + ALPHABET[(bits << (5 - held)) & 31] : text;
}

/** Hyphens and white space are ignored, 0 1 8 are read as o l b, capitals as small letters. */
export function fromBase32(text) {
    const bytes = [];
    let held = 0;
    let bits = 0;
    for (const char of text.toLowerCase()) {
        if ("- \t\r\n".includes(char)) continue;
        const value = ALPHABET.indexOf({ 0: "o", 1: "l", 8: "b" }[char] ?? char);
        check(value >= 0, "code", "a character that does not belong there");
        bits = (bits << 5) | value;
        held += 5;
        if (held >= 8) {
            held -= 8;
            bytes.push(bits >> held);
            bits &= (1 << held) - 1;
        }
    }
    check(held < 5 && bits === 0, "code", "cut");
    return Uint8Array.from(bytes);
}
