// SPDX-License-Identifier: Apache-2.0
// A decoder of one zstd frame (RFC 8878), with a trained dictionary or without. Output is bounded by
// what the frame says that it holds, which it must say, and by the caller's limit.

const FRAME_MAGIC = 0xfd2fb528;
const DICTIONARY_MAGIC = 0xec30a437;
const BLOCK_MAX = 131072;

class Corrupt extends Error {
    constructor(what) {
        super(`zstd: ${what}`);
        this.name = "Corrupt";
    }
}

function need(condition, what) {
    if (!condition) throw new Corrupt(what);
}

const log2 = (x) => 31 - Math.clz32(x);

// --- bits

// Reads bits forward, least significant first.
class BitsForward {
    constructor(bytes, start, end) {
        Object.assign(this, { bytes, at: start * 8, end: end * 8 });
    }

    read(count) {
        let value = 0;
        need(this.at + count <= this.end, "cut");
        for (let i = 0; i < count; i++, this.at++)
            value |= ((this.bytes[this.at >> 3] >> (this.at & 7)) & 1) << i;
        return value;
    }

    // The next whole byte.
    byte() {
        return (this.at + 7) >> 3;
    }
}

// Reads a stream from its end, where the highest bit that is set marks the beginning. Beyond the
// other end there are zeros, and `at` is negative.
class BitsBackward {
    constructor(bytes, start, end) {
        need(end > start && bytes[end - 1] !== 0, "a stream without an end");
        Object.assign(this, { bytes, start: start * 8 });
        this.at = (end - start) * 8 - (8 - log2(bytes[end - 1]));
    }

    read(count) {
        let value = 0;
        for (let i = 0; i < count; i++) {
            this.at--;
            const bit = this.start + this.at;
            value = value * 2 + (this.at >= 0 ? (this.bytes[bit >> 3] >> (bit & 7)) & 1 : 0);
        }
        return value;
    }
}

// --- FSE

// A table from how often each symbol comes; -1 is less than once.
function fseTable(counts, accuracy) {
    const size = 1 << accuracy;
    const symbols = new Uint8Array(size);
    const next = new Uint16Array(counts.length);
    let high = size;

    counts.forEach((count, symbol) => {
        if (count === -1) {
            symbols[--high] = symbol;
            next[symbol] = 1;
        }
    });
    let place = 0;
    counts.forEach((count, symbol) => {
        if (count <= 0) return;
        next[symbol] = count;
        for (let i = 0; i < count; i++) {
            symbols[place] = symbol;
            do place = (place + (size >> 1) + (size >> 3) + 3) & (size - 1);
            while (place >= high);
        }
    });
    need(place === 0, "counts that do not fill their table");
    const bits = new Uint8Array(size);
    const base = new Uint16Array(size);
    for (let i = 0; i < size; i++) {
        const state = next[symbols[i]]++;
        bits[i] = accuracy - log2(state);
        base[i] = (state << bits[i]) - size;
    }
    return { accuracy, symbols, bits, base };
}

// The description of a table, and where it ends.
function fseRead(bytes, start, end, accuracyMax, symbolMax) {
    const bits = new BitsForward(bytes, start, end);
    const accuracy = bits.read(4) + 5;
    const counts = [];
    let left = 1 << accuracy;

    need(accuracy <= accuracyMax, "too accurate a table");
    while (left > 0 && counts.length <= symbolMax) {
        const width = log2(left + 1) + 1;
        let value = bits.read(width);
        const mask = (1 << (width - 1)) - 1;
        const threshold = (1 << width) - 1 - (left + 1);
        if ((value & mask) < threshold) {
            bits.at--;
            value &= mask;
        } else if (value > mask) {
            value -= threshold;
        }
        const count = value - 1;
        left -= Math.abs(count);
        counts.push(count);
        for (let zeros = count === 0 ? 3 : 0; zeros === 3;) {
            zeros = bits.read(2);
            for (let i = 0; i < zeros; i++) counts.push(0);
        }
    }
    need(left === 0 && counts.length <= symbolMax + 1, "counts that do not add up");
    return { table: fseTable(counts, accuracy), end: bits.byte() };
}

const fseRle = (symbol) =>
    ({ accuracy: 0, symbols: [symbol], bits: [0], base: [0] });

// --- Huffman

function huffmanTable(weights) {
    let sum = 0;
    for (const weight of weights) {
        need(weight <= 11, "too long a code");
        sum += weight > 0 ? 1 << (weight - 1) : 0;
    }
    need(sum > 0, "no weights");
    const widest = log2(sum) + 1;
    const left = (1 << widest) - sum;
    need(widest <= 11 && (left & (left - 1)) === 0, "weights that do not add up");
    const all = [...weights, log2(left) + 1];
    const size = 1 << widest;
    const symbols = new Uint8Array(size);
    const bits = new Uint8Array(size);
    let place = 0;
    // Light weights, which are long codes, come first; within a weight the symbols ascend.
    for (let weight = 1; weight <= widest; weight++)
        all.forEach((of, symbol) => {
            if (of !== weight) return;
            const end = place + (1 << (weight - 1));
            need(end <= size, "weights that do not fit");
            symbols.fill(symbol, place, end);
            bits.fill(widest + 1 - weight, place, end);
            place = end;
        });
    need(place === size, "weights that do not add up");
    return { widest, symbols, bits };
}

function fseWeights(bytes, start, end) {
    const { table, end: at } = fseRead(bytes, start, end, 6, 255);
    const bits = new BitsBackward(bytes, at, end);
    const weights = [];
    const states = [bits.read(table.accuracy), bits.read(table.accuracy)];

    for (let turn = 0; ; turn ^= 1) {
        const state = states[turn];
        weights.push(table.symbols[state]);
        states[turn] = table.base[state] + bits.read(table.bits[state]);
        need(weights.length < 255, "too many weights");
        if (bits.at < 0) {
            weights.push(table.symbols[states[turn ^ 1]]);
            return weights;
        }
    }
}

function huffmanRead(bytes, start, end) {
    need(start < end, "cut");
    const head = bytes[start];
    const weights = [];
    if (head < 128) {
        need(start + 1 + head <= end, "cut");
        weights.push(...fseWeights(bytes, start + 1, start + 1 + head));
        return { table: huffmanTable(weights), end: start + 1 + head };
    }
    const count = head - 127;
    const after = start + 1 + ((count + 1) >> 1);
    need(after <= end, "cut");
    for (let i = 0; i < count; i++) {
        const pair = bytes[start + 1 + (i >> 1)];
        weights.push(i & 1 ? pair & 15 : pair >> 4);
    }
    return { table: huffmanTable(weights), end: after };
}

function huffmanStream(table, bytes, start, end, to, at, count) {
    const bits = new BitsBackward(bytes, start, end);
    let state = bits.read(table.widest);

    for (let i = 0; i < count; i++) {
        need(bits.at > -table.widest, "a stream that is too short");
        to[at + i] = table.symbols[state];
        const width = table.bits[state];
        state = ((state << width) + bits.read(width)) & ((1 << table.widest) - 1);
    }
    need(bits.at === -table.widest, "a stream that is too long");
}

// --- literals

function literalsHead(bytes, start, end) {
    const type = bytes[start] & 3;
    const format = (bytes[start] >> 2) & 3;
    const sizes = type < 2 ? [1, 2, 1, 3] : [3, 3, 4, 5];
    const length = sizes[format];
    let value = 0;

    need(start + length <= end, "cut");
    for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[start + i];
    if (type < 2) {
        const count = Math.floor(value / (format === 0 || format === 2 ? 8 : 16));
        return { type, count, packed: type === 0 ? count : 1, streams: 1, at: start + length };
    }
    const width = [10, 10, 14, 18][format];
    value = Math.floor(value / 16);
    const count = value % 2 ** width;
    const packed = Math.floor(value / 2 ** width);
    return { type, count, packed, streams: format === 0 ? 1 : 4, at: start + length };
}

function literalsRead(frame, bytes, start, end) {
    need(start < end, "cut");
    const head = literalsHead(bytes, start, end);
    const after = head.at + head.packed;
    need(after <= end && head.count <= BLOCK_MAX, "cut");
    if (head.type === 0) return { literals: bytes.subarray(head.at, after), end: after };
    const literals = new Uint8Array(head.count);
    if (head.type === 1) return { literals: literals.fill(bytes[head.at]), end: after };
    let at = head.at;
    if (head.type === 2) {
        const read = huffmanRead(bytes, at, after);
        frame.huffman = read.table;
        at = read.end;
    }
    need(frame.huffman, "no code to repeat");
    if (head.streams === 1) {
        huffmanStream(frame.huffman, bytes, at, after, literals, 0, head.count);
        return { literals, end: after };
    }
    const part = (head.count + 3) >> 2;
    need(at + 6 <= after && 3 * part <= head.count, "cut");
    let from = at + 6;
    for (let i = 0; i < 4; i++) {
        const to = i < 3 ? from + bytes[at + 2 * i] + 256 * bytes[at + 2 * i + 1] : after;
        need(to <= after, "cut");
        huffmanStream(frame.huffman, bytes, from, to, literals, i * part,
                      i < 3 ? part : head.count - 3 * part);
        from = to;
    }
    return { literals, end: after };
}

// --- sequences

const ones = (count, ...more) => [...Array(count).fill(1), ...more];
const DEFAULTS = {
    literal: fseTable([4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3,
                       2, 1, 1, 1, 1, 1, -1, -1, -1, -1], 6),
    offset: fseTable([...ones(6), 2, 2, 2, ...ones(15), -1, -1, -1, -1, -1], 5),
    match: fseTable([1, 4, 3, 2, 2, 2, 2, 2, 2, ...ones(37), -1, -1, -1, -1, -1, -1, -1], 6),
};
const KINDS = { literal: [9, 35], offset: [8, 31], match: [9, 52] };

// [what a code begins at, how many bits are added]
function codes(first, plain, widths) {
    const table = [];
    let base = first;
    for (const width of [...Array(plain).fill(0), ...widths]) {
        table.push([base, width]);
        base += 2 ** width;
    }
    return table;
}
const LITERAL_CODES = codes(0, 16, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                    16]);
const MATCH_CODES = codes(3, 32, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                  16]);

function tableOf(frame, kind, mode, bytes, at, end) {
    const [accuracyMax, symbolMax] = KINDS[kind];
    if (mode === 0) frame[kind] = DEFAULTS[kind];
    if (mode === 1) {
        need(at < end && bytes[at] <= symbolMax, "an unknown code");
        frame[kind] = fseRle(bytes[at]);
        return at + 1;
    }
    if (mode === 2) {
        const read = fseRead(bytes, at, end, accuracyMax, symbolMax);
        frame[kind] = read.table;
        return read.end;
    }
    need(frame[kind], "no table to repeat");
    return at;
}

function sequencesHead(bytes, start, end) {
    need(start < end, "cut");
    const first = bytes[start];
    if (first < 128) return { count: first, at: start + 1 };
    need(start + (first < 255 ? 2 : 3) <= end, "cut");
    if (first < 255) return { count: ((first - 128) << 8) + bytes[start + 1], at: start + 2 };
    return { count: bytes[start + 1] + (bytes[start + 2] << 8) + 0x7f00, at: start + 3 };
}

function offsetOf(frame, value, isPlain) {
    const past = frame.past;
    if (value > 3) {
        frame.past = [value - 3, past[0], past[1]];
        return frame.past[0];
    }
    const index = value - 1 + (isPlain ? 0 : 1);
    const offset = index < 3 ? past[index] : past[0] - 1;
    if (index === 1) frame.past = [offset, past[0], past[2]];
    if (index > 1) frame.past = [offset, past[0], past[1]];
    return offset;
}

function copyMatch(frame, offset, count) {
    need(offset > 0 && offset <= frame.at, "a match before the beginning");
    need(frame.at + count <= frame.to.length, "more than the frame says");
    for (let i = 0; i < count; i++, frame.at++) frame.to[frame.at] = frame.to[frame.at - offset];
}

function copyLiterals(frame, literals) {
    need(frame.at + literals.length <= frame.to.length, "more than the frame says");
    frame.to.set(literals, frame.at);
    frame.at += literals.length;
}

function sequencesRun(frame, literals, bytes, start, end, count) {
    const bits = new BitsBackward(bytes, start, end);
    const tables = [frame.literal, frame.offset, frame.match];
    const states = tables.map((table) => bits.read(table.accuracy));
    let used = 0;

    for (let i = 0; i < count; i++) {
        const [literal, offset, match] = tables.map((table, k) => table.symbols[states[k]]);
        need(offset < 31, "too far an offset");
        const far = 2 ** offset + bits.read(offset);
        const matched = MATCH_CODES[match][0] + bits.read(MATCH_CODES[match][1]);
        const plain = LITERAL_CODES[literal][0] + bits.read(LITERAL_CODES[literal][1]);
        need(used + plain <= literals.length, "more literals than there are");
        copyLiterals(frame, literals.subarray(used, used + plain));
        used += plain;
        copyMatch(frame, offsetOf(frame, far, plain > 0), matched);
        for (const k of i + 1 < count ? [0, 2, 1] : [])
            states[k] = tables[k].base[states[k]] + bits.read(tables[k].bits[states[k]]);
    }
    need(bits.at === 0, "sequences that do not end");
    copyLiterals(frame, literals.subarray(used));
}

function blockCompressed(frame, bytes, start, end) {
    const { literals, end: after } = literalsRead(frame, bytes, start, end);
    const head = sequencesHead(bytes, after, end);
    if (head.count === 0) {
        need(head.at === end, "something behind a block");
        copyLiterals(frame, literals);
        return;
    }
    need(head.at < end && (bytes[head.at] & 3) === 0, "a reserved bit");
    const modes = bytes[head.at];
    let at = tableOf(frame, "literal", modes >> 6, bytes, head.at + 1, end);
    at = tableOf(frame, "offset", (modes >> 4) & 3, bytes, at, end);
    at = tableOf(frame, "match", (modes >> 2) & 3, bytes, at, end);
    sequencesRun(frame, literals, bytes, at, end, head.count);
}

// --- the frame

function littleEndian(bytes, at, count) {
    let value = 0;
    need(at + count <= bytes.length, "cut");
    for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
    return value;
}

function frameHead(bytes) {
    need(littleEndian(bytes, 0, 4) === FRAME_MAGIC, "not a frame");
    const flags = littleEndian(bytes, 4, 1);
    const isSingle = (flags & 32) !== 0;
    const idBytes = [0, 1, 2, 4][flags & 3];
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6];
    let at = 5 + (isSingle ? 0 : 1);

    need((flags & 8) === 0, "a reserved bit");
    const id = littleEndian(bytes, at, idBytes);
    at += idBytes;
    need(sizeBytes > 0, "a frame that does not say its size");
    const size = littleEndian(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    return { id, size, hasChecksum: (flags & 4) !== 0, at: at + sizeBytes };
}

const MASK = (1n << 64n) - 1n;
const PRIMES = [11400714785074694791n, 14029467366897019727n, 1609587929392839161n,
                9650029242287828579n, 2870177450012600261n];
const rotate = (x, by) => ((x << by) | (x >> (64n - by))) & MASK;
const round = (acc, lane) =>
    (rotate((acc + lane * PRIMES[1]) & MASK, 31n) * PRIMES[0]) & MASK;

function xxh64(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const lanes = [PRIMES[0] + PRIMES[1], PRIMES[1], 0n, -PRIMES[0]].map((x) => x & MASK);
    let at = 0;
    let hash = PRIMES[4];

    if (bytes.length >= 32) {
        for (; at + 32 <= bytes.length; at += 32)
            for (let i = 0; i < 4; i++)
                lanes[i] = round(lanes[i], view.getBigUint64(at + 8 * i, true));
        hash = [1n, 7n, 12n, 18n].reduce((sum, by, i) => sum + rotate(lanes[i], by), 0n) & MASK;
        for (const lane of lanes)
            hash = ((hash ^ round(0n, lane)) * PRIMES[0] + PRIMES[3]) & MASK;
    }
    hash = (hash + BigInt(bytes.length)) & MASK;
    for (; at + 8 <= bytes.length; at += 8)
        hash = (rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * PRIMES[0] + PRIMES[3]) &
            MASK;
    for (; at + 4 <= bytes.length; at += 4)
        hash = (rotate(hash ^ ((BigInt(view.getUint32(at, true)) * PRIMES[0]) & MASK), 23n) *
            PRIMES[1] + PRIMES[2]) & MASK;
    for (; at < bytes.length; at++)
        hash = (rotate(hash ^ ((BigInt(bytes[at]) * PRIMES[4]) & MASK), 11n) * PRIMES[0]) & MASK;
    hash = ((hash ^ (hash >> 33n)) * PRIMES[1]) & MASK;
    hash = ((hash ^ (hash >> 29n)) * PRIMES[2]) & MASK;
    return hash ^ (hash >> 32n);
}

function blocks(frame, bytes, start) {
    let at = start;
    for (let isLast = false; !isLast;) {
        const head = littleEndian(bytes, at, 3);
        const size = head >> 3;
        const type = (head >> 1) & 3;
        const end = at + 3 + (type === 1 ? 1 : size);
        isLast = (head & 1) === 1;
        need(type < 3 && size <= BLOCK_MAX && end <= bytes.length, "a block that is none");
        if (type === 0) copyLiterals(frame, bytes.subarray(at + 3, end));
        if (type === 1) copyLiterals(frame, new Uint8Array(size).fill(bytes[at + 3]));
        if (type === 2) blockCompressed(frame, bytes, at + 3, end);
        at = end;
    }
    return at;
}

/** A trained dictionary, read once. */
export function zstdDictionary(bytes) {
    need(littleEndian(bytes, 0, 4) === DICTIONARY_MAGIC, "not a dictionary");
    const huffman = huffmanRead(bytes, 8, bytes.length);
    const offset = fseRead(bytes, huffman.end, bytes.length, ...KINDS.offset);
    const match = fseRead(bytes, offset.end, bytes.length, ...KINDS.match);
    const literal = fseRead(bytes, match.end, bytes.length, ...KINDS.literal);
    const past = [0, 4, 8].map((by) => littleEndian(bytes, literal.end + by, 4));
    return {
        id: littleEndian(bytes, 4, 4),
        huffman: huffman.table,
        offset: offset.table,
        match: match.table,
        literal: literal.table,
        past,
        content: bytes.subarray(literal.end + 12),
    };
}

/** The content of a frame that holds at most `max` bytes. Throws for anything else. */
export function zstdDecompress(bytes, max, dictionary) {
    const head = frameHead(bytes);
    need(head.size <= max, "more than is allowed");
    need(head.id === 0 || head.id === dictionary?.id, "another dictionary");
    const content = dictionary ? dictionary.content : new Uint8Array(0);
    const frame = { past: [1, 4, 8], ...dictionary, at: content.length };
    frame.to = new Uint8Array(content.length + head.size);
    frame.to.set(content);
    let at = blocks(frame, bytes, head.at);
    need(frame.at === frame.to.length, "less than the frame says");
    const text = frame.to.slice(content.length);
    if (head.hasChecksum) {
        need(littleEndian(bytes, at, 4) === Number(xxh64(text) & 0xffffffffn), "a wrong checksum");
        at += 4;
    }
    need(at === bytes.length, "something behind the frame");
    return text;
}
