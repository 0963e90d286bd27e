/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/compress.h"

#include <string.h>
#include <threads.h>
#include <zstd.h>

#include "protocol/dictionary.h"

enum codec { CODEC_RAW = 0, CODEC_ZSTD = 1, CODEC_DICTIONARY = 2 };

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

/* The dictionary, digested once for the whole process and never changed after; NULL without memory.
 * Contexts are some hundred kilobytes each: a thread keeps its own. */
static once_flag digest_once = ONCE_FLAG_INIT;
static ZSTD_CDict *packing;
static ZSTD_DDict *unpacking;
static tss_t pack_context;
static tss_t unpack_context;

static void free_pack_context(void *context)
{
    (void)ZSTD_freeCCtx(context);
}

static void free_unpack_context(void *context)
{
    (void)ZSTD_freeDCtx(context);
}

static void digest(void)
{
    bool is_kept = tss_create(&pack_context, free_pack_context) == thrd_success &&
                   tss_create(&unpack_context, free_unpack_context) == thrd_success;

    packing = is_kept ? ZSTD_createCDict(dictionary_1, dictionary_1_len, PACK_LEVEL) : NULL;
    unpacking = is_kept ? ZSTD_createDDict(dictionary_1, dictionary_1_len) : NULL;
}

/* The dictionary's number is in the codec: the frame need not say it again. */
static ZSTD_CCtx *pack_context_new(void)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    if (context && !ZSTD_isError(ZSTD_CCtx_refCDict(context, packing)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0)) &&
        tss_set(pack_context, context) == thrd_success)
        return context;
    (void)ZSTD_freeCCtx(context);
    return NULL;
}

static ZSTD_DCtx *unpack_context_new(void)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();

    if (context && tss_set(unpack_context, context) == thrd_success)
        return context;
    (void)ZSTD_freeDCtx(context);
    return NULL;
}

/* A zstd error code if it does not fit or there is no memory. */
static size_t compress(struct bytes text, uint8_t *to, size_t room)
{
    call_once(&digest_once, digest);
    ZSTD_CCtx *context = packing ? tss_get(pack_context) : NULL;
    if (packing && !context)
        context = pack_context_new();
    return context ? ZSTD_compress2(context, to, room, text.ptr, text.len) : (size_t)-1;
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

    enum codec codec = CODEC_DICTIONARY;
    size_t len = compress(text, to + PACK_HEADER_BYTES, room);
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

static size_t decompress_to(enum codec codec, struct bytes data, uint8_t *to, size_t size)
{
    call_once(&digest_once, digest);
    ZSTD_DCtx *context = unpacking ? tss_get(unpack_context) : NULL;
    if (unpacking && !context)
        context = unpack_context_new();
    if (!context)
        return (size_t)-1;
    return ZSTD_decompress_usingDDict(context, to, size, data.ptr, data.len,
                                      codec == CODEC_DICTIONARY ? unpacking : NULL);
}

static enum kith_err decompress(enum codec codec, struct bytes data, struct buffer *text)
{
    unsigned long long size = ZSTD_getFrameContentSize(data.ptr, data.len);

    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return KITH_MALFORMED;
    if (size > CHANGE_TEXT_MAX)
        return KITH_TOO_LARGE;
    uint8_t *to = buffer_extend(text, (size_t)size);
    if (!to && text->err)
        return text->err;
    size_t got = decompress_to(codec, data, to, (size_t)size);
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
    if (codec == CODEC_ZSTD || codec == CODEC_DICTIONARY)
        return decompress((enum codec)codec, data, text);
    if (codec != CODEC_RAW)
        return KITH_UNKNOWN_TYPE;
    if (len > CHANGE_TEXT_MAX)
        return KITH_TOO_LARGE;
    buffer_add(text, data.ptr, data.len);
    return text->err;
}
