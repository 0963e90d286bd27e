/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/compress.h"

#include <string.h>
#include <zstd.h>

enum codec { CODEC_RAW = 0, CODEC_ZSTD = 1 };

#define PACK_HEADER_BYTES 4
#define PACK_LEVEL        9
#define PACKED_MAX        (CHANGE_SEALED_MAX - NONCE_BYTES - TAG_BYTES)

/* The steps of the square root of two, rounded; above the last one Padmé goes on. */
static const uint16_t padded_steps[] = {128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096};

/* Padmé: a length keeps only as many leading bits as its exponent has bits; at most 12 % are added.
 */
static size_t padme(size_t len)
{
    unsigned exponent = 63 - (unsigned)__builtin_clzll(len);
    unsigned kept = 64 - (unsigned)__builtin_clzll(exponent);
    size_t mask = ((size_t)1 << (exponent - kept)) - 1;

    return (len + mask) & ~mask;
}

size_t padded_size(size_t len)
{
    for (size_t i = 0; i < sizeof padded_steps / sizeof *padded_steps; i++)
        if (len <= padded_steps[i])
            return padded_steps[i];
    size_t padded = padme(len);
    return padded > PACKED_MAX && len <= PACKED_MAX ? PACKED_MAX : padded;
}

static void put_header(uint8_t *to, enum codec codec, size_t len)
{
    put_u32(to, (uint32_t)len);
    to[0] = (uint8_t)
        codec; /* lengths stay below 2^24: the first byte of the four is free for the codec */
}

enum kith_err text_pack(struct bytes text, struct buffer *packed)
{
    size_t room = ZSTD_compressBound(text.len);
    size_t start = packed->len;

    if (text.len > CHANGE_TEXT_MAX)
        return KITH_TOO_LARGE;
    uint8_t *to = buffer_extend(packed, PACK_HEADER_BYTES + room);
    if (!to)
        return packed->err;

    enum codec codec = CODEC_ZSTD;
    size_t len = ZSTD_compress(to + PACK_HEADER_BYTES, room, text.ptr, text.len, PACK_LEVEL);
    if (ZSTD_isError(len) || len >= text.len) {
        codec = CODEC_RAW;
        len = text.len;
        if (len > 0)
            memcpy(to + PACK_HEADER_BYTES, text.ptr, len);
    }
    put_header(to, codec, len);

    size_t padded = padded_size(PACK_HEADER_BYTES + len);
    packed->len = start + PACK_HEADER_BYTES + len;
    if (padded > PACKED_MAX) {
        packed->len = start;
        return KITH_TOO_LARGE;
    }
    uint8_t *padding = buffer_extend(packed, padded - PACK_HEADER_BYTES - len);
    if (!padding)
        return packed->err;
    memset(padding, 0, padded - PACK_HEADER_BYTES - len);
    return KITH_OK;
}

static enum kith_err decompress(struct bytes data, struct buffer *text)
{
    unsigned long long size = ZSTD_getFrameContentSize(data.ptr, data.len);

    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return KITH_MALFORMED;
    if (size > CHANGE_TEXT_MAX)
        return KITH_TOO_LARGE;
    uint8_t *to = buffer_extend(text, (size_t)size);
    if (!to && text->err)
        return text->err;
    size_t got = ZSTD_decompress(to, (size_t)size, data.ptr, data.len);
    if (ZSTD_isError(got) || got != size) {
        text->len -= (size_t)size;
        return KITH_MALFORMED;
    }
    return KITH_OK;
}

enum kith_err text_unpack(struct bytes packed, struct buffer *text)
{
    if (packed.len < PACK_HEADER_BYTES)
        return KITH_CUT;
    uint8_t codec = packed.ptr[0];
    size_t len = get_u32(packed.ptr) & 0xFFFFFFu;

    if (len > packed.len - PACK_HEADER_BYTES)
        return KITH_CUT;
    struct bytes data = bytes_of(packed.ptr + PACK_HEADER_BYTES, len);
    if (codec == CODEC_ZSTD)
        return decompress(data, text);
    if (codec != CODEC_RAW)
        return KITH_UNKNOWN_TYPE;
    if (len > CHANGE_TEXT_MAX)
        return KITH_TOO_LARGE;
    buffer_add(text, data.ptr, data.len);
    return text->err;
}
