// SPDX-License-Identifier: Apache-2.0
// msgpack in its one accepted form (docs/protocol.md, section 4.1): what is written and what is read
// is the shortest form, without floats and extensions. A reader can give a value as the bytes that
// it stands in: those are what is hashed and compared.
import { check, concat, utf8 } from "./bytes.js";

export const NESTING_MAX = 8;
export const ITEMS_MAX = 65535;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// --- writing

function head(value, short, forms) {
    if (short !== null) return Uint8Array.of(short);
    for (const [width, byte] of forms)
        if (value < 2n ** BigInt(8 * width)) {
            const bytes = new Uint8Array(1 + width);
            bytes[0] = byte;
            for (let i = width, left = value; i > 0; i--, left >>= 8n)
                bytes[i] = Number(left & 255n);
            return bytes;
        }
    check(false, "too_large", "a number or a length that does not fit");
}

const UINTS = [[1, 0xcc], [2, 0xcd], [4, 0xce], [8, 0xcf]];

function integer(number) {
    const value = BigInt(number);
    if (value >= 0n) return head(value, value < 128n ? Number(value) : null, UINTS);
    if (value >= -32n) return Uint8Array.of(256 + Number(value));
    for (const [width, byte] of [[1, 0xd0], [2, 0xd1], [4, 0xd2], [8, 0xd3]]) {
        const range = 2n ** BigInt(8 * width);
        if (value >= -range / 2n) return concat([byte], head(value + range, null, [[width, 0]]).subarray(1));
    }
    check(false, "too_large", "a number that does not fit");
}

function sized(length, short, forms) {
    return head(BigInt(length), short, forms);
}

export const arrayHead = (count) =>
    sized(count, count < 16 ? 0x90 | count : null, [[2, 0xdc]]);

/** A value that is encoded already. */
export class Encoded {
    constructor(bytes) {
        this.bytes = bytes;
    }
}

/** null, booleans, integers (numbers or bigints), text, Uint8Array, arrays, Map with ascending
 * keys, Encoded. */
export function encode(value) {
    if (value === null) return Uint8Array.of(0xc0);
    if (value === true || value === false) return Uint8Array.of(value ? 0xc3 : 0xc2);
    if (typeof value === "bigint" || Number.isSafeInteger(value)) return integer(value);
    if (typeof value === "string") {
        const text = utf8(value);
        check(!text.includes(0), "malformed", "text with NUL");
        const short = text.length < 32 ? 0xa0 | text.length : null;
        return concat(sized(text.length, short, [[1, 0xd9], [2, 0xda], [4, 0xdb]]), text);
    }
    if (value instanceof Encoded) return value.bytes;
    if (value instanceof Uint8Array)
        return concat(sized(value.length, null, [[1, 0xc4], [2, 0xc5], [4, 0xc6]]), value);
    if (Array.isArray(value)) return concat(arrayHead(value.length), ...value.map(encode));
    check(value instanceof Map, "malformed", "a value that has no form");
    const short = value.size < 16 ? 0x80 | value.size : null;
    const pairs = [...value].flatMap((pair) => pair.map(encode));
    return concat(sized(value.size, short, [[2, 0xde]]), ...pairs);
}

// --- reading

const WIDTHS = { 0xc4: 1, 0xc5: 2, 0xc6: 4, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xdc: 2, 0xde: 2 };
// The least length that a form is for.
const LEAST = { 0xc5: 256, 0xc6: 65536, 0xd9: 32, 0xda: 256, 0xdb: 65536, 0xdc: 16, 0xde: 16 };

export class Reader {
    constructor(bytes) {
        this.bytes = bytes;
        this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        this.at = 0;
    }

    isAtEnd() {
        return this.at === this.bytes.length;
    }

    end() {
        check(this.isAtEnd(), "malformed", "something behind the value");
    }

    take(count) {
        check(this.at + count <= this.bytes.length, "cut");
        this.at += count;
        return this.bytes.subarray(this.at - count, this.at);
    }

    #big(width) {
        let value = 0n;
        for (const byte of this.take(width)) value = (value << 8n) | BigInt(byte);
        return value;
    }

    #length(byte) {
        const length = Number(this.#big(WIDTHS[byte]));
        check(length >= (LEAST[byte] ?? 0), "malformed", "a longer form than is needed");
        return length;
    }

    /** Any integer, as bigint. */
    big() {
        const byte = this.take(1)[0];
        if (byte < 0x80) return BigInt(byte);
        if (byte >= 0xe0) return BigInt(byte - 256);
        check(byte >= 0xcc && byte <= 0xd3, "malformed", "not a number");
        const width = 1 << (byte & 3);
        const value = this.#big(width);
        const isSigned = byte >= 0xd0;
        const least = isSigned ? 32n : 128n;
        const number = isSigned ? BigInt.asIntN(8 * width, value) : value;
        const half = width === 1 ? least : 2n ** BigInt(4 * width - (isSigned ? 1 : 0));
        check(isSigned ? number < -half : number >= half, "malformed", "a longer form than is needed");
        return number;
    }

    /** 0 to `max`, as number. */
    uint(max = Number.MAX_SAFE_INTEGER, min = 0) {
        const value = this.big();
        check(value >= BigInt(min) && value <= BigInt(max), "malformed", "a number out of range");
        return Number(value);
    }

    u64() {
        const value = this.big();
        check(value >= 0n, "malformed", "a number out of range");
        return value;
    }

    bool() {
        const byte = this.take(1)[0];
        check(byte === 0xc2 || byte === 0xc3, "malformed", "not yes or no");
        return byte === 0xc3;
    }

    peek() {
        check(!this.isAtEnd(), "cut");
        return this.bytes[this.at];
    }

    /** True, and it is read, if there is a nil. */
    nil() {
        const isNil = this.peek() === 0xc0;
        if (isNil) this.at++;
        return isNil;
    }

    text(max = ITEMS_MAX) {
        const byte = this.take(1)[0];
        const isShort = byte >= 0xa0 && byte < 0xc0;
        check(isShort || (byte >= 0xd9 && byte <= 0xdb), "malformed", "not text");
        const length = isShort ? byte & 31 : this.#length(byte);
        check(length <= max, "too_large");
        const bytes = this.take(length);
        check(!bytes.includes(0), "malformed", "text with NUL");
        try {
            return decoder.decode(bytes);
        } catch {
            check(false, "malformed", "not UTF-8");
        }
    }

    bin(max = 2 ** 32) {
        const byte = this.take(1)[0];
        check(byte >= 0xc4 && byte <= 0xc6, "malformed", "not binary");
        const length = this.#length(byte);
        check(length <= max, "too_large");
        return this.take(length);
    }

    binOf(length) {
        const bytes = this.bin();
        check(bytes.length === length, "malformed", "not as long as it should be");
        return bytes;
    }

    array(max = ITEMS_MAX) {
        const byte = this.take(1)[0];
        check((byte & 0xf0) === 0x90 || byte === 0xdc, "malformed", "not an array");
        const count = byte === 0xdc ? this.#length(byte) : byte & 15;
        check(count <= max, "too_large");
        return count;
    }

    arrayOf(count) {
        check(this.array() === count, "malformed", "not as many items as there should be");
    }

    #map(depth) {
        const byte = this.take(1)[0];
        const pairs = byte === 0xde ? this.#length(byte) : byte & 15;
        const map = new Map();
        let before = -1n;
        for (let i = 0; i < pairs; i++) {
            const key = this.big();
            check(key > before, "malformed", "keys that do not ascend");
            before = key;
            map.set(small(key), this.value(depth + 1));
        }
        return map;
    }

    /** Any value, as encode() takes it. Integers beyond 2^53 are bigints. */
    value(depth = 0) {
        const byte = this.peek();
        if (byte < 0x80 || byte >= 0xe0 || (byte >= 0xcc && byte <= 0xd3)) return small(this.big());
        if (byte === 0xc0) return this.nil() ? null : null;
        if (byte === 0xc2 || byte === 0xc3) return this.bool();
        if ((byte >= 0xa0 && byte < 0xc0) || (byte >= 0xd9 && byte <= 0xdb)) return this.text(2 ** 32);
        if (byte >= 0xc4 && byte <= 0xc6) return this.bin();
        check(depth < NESTING_MAX, "malformed", "nested too deeply");
        if ((byte & 0xf0) === 0x80 || byte === 0xde) return this.#map(depth);
        const items = [];
        for (let left = this.array(); left > 0; left--) items.push(this.value(depth + 1));
        return items;
    }

    /** The bytes of any value. */
    raw(max = 65536) {
        const start = this.at;
        this.value();
        check(this.at - start <= max, "too_large");
        return this.bytes.subarray(start, this.at);
    }
}

const small = (value) =>
    value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

/** The one value that the bytes are. */
export function decode(bytes) {
    const reader = new Reader(bytes);
    const value = reader.value();
    reader.end();
    return value;
}

// --- dots

/** A number beyond 2^53 is a bigint: both compare with each other. */
export const dotOrder = (a, b) => a.device - b.device || (a.n < b.n ? -1 : a.n > b.n ? 1 : 0);

/** [device, n, ...], ascending. */
export function readDots(reader, max) {
    const items = reader.array();
    check(items % 2 === 0 && items / 2 <= max, "malformed", "dots come in pairs");
    const dots = [];
    for (let i = 0; i < items / 2; i++) {
        const dot = { device: reader.uint(16777215, 1), n: small(reader.u64()) };
        check(dot.n > 0, "malformed", "changes are counted from 1");
        check(i === 0 || dotOrder(dots[i - 1], dot) < 0, "malformed", "dots ascend");
        dots.push(dot);
    }
    return dots;
}

export const dotItems = (dots) => dots.flatMap((dot) => [dot.device, dot.n]);
