// SPDX-License-Identifier: Apache-2.0
// The packed text of a change: codec, length, data, zeros (docs/protocol.md, section 5.2).
import { check, concat, KithError } from "./bytes.js";
import { dictionaryBytes } from "./dictionary.js";
import { zstdDecompress, zstdDictionary } from "./zstd.js";

export const TEXT_MAX = 262144;
const SEALED_MAX = 61440;
const PACKED_MAX = SEALED_MAX - 24 - 16;
const STEPS = [128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096];

export function paddedSize(length) {
    const step = STEPS.find((size) => length <= size);
    if (step) return step;
    const exponent = 31 - Math.clz32(length);
    const kept = 32 - Math.clz32(exponent);
    const mask = 2 ** (exponent - kept) - 1;
    const padded = (length + mask) & ~mask;
    return padded > PACKED_MAX && length <= PACKED_MAX ? PACKED_MAX : padded;
}

/** Codec 0: as it is. */
export function pack(text) {
    const size = paddedSize(4 + text.length);
    check(size <= PACKED_MAX, "too_large", "more than a change may hold");
    const head = [0, text.length >> 16, (text.length >> 8) & 255, text.length & 255];
    return concat(head, text, new Uint8Array(size - 4 - text.length));
}

let dictionary = null;

function decompress(codec, data) {
    dictionary ??= zstdDictionary(dictionaryBytes);
    try {
        return zstdDecompress(data, TEXT_MAX, codec === 2 ? dictionary : undefined);
    } catch (error) {
        throw new KithError("malformed", error.message);
    }
}

export function unpack(packed) {
    check(packed.length >= 4, "cut");
    const length = (packed[1] << 16) | (packed[2] << 8) | packed[3];
    check(length <= packed.length - 4, "cut");
    const data = packed.subarray(4, 4 + length);
    check(packed[0] <= 2, "unknown_type", "an unknown codec");
    if (packed[0] > 0) return decompress(packed[0], data);
    check(length <= TEXT_MAX, "too_large");
    return data;
}
