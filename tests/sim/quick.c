/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/quick.h"

#include <string.h>

#include "tests/sim/random.h"

#define ODD  0x9E3779B97F4A7C15u
#define WORD (QUICK_BLOCK_BYTES / 2)

_Static_assert(WORD == sizeof(uint64_t), "a block is two words");

enum { PURPOSE_STREAM = 1, PURPOSE_TAG };

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)(a ^ ODD) * (b ^ 0xD6E8FEB86659FD93u);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, WORD);
    return word;
}

static void add_block(struct quick_hash *hash, const uint8_t *at)
{
    hash->sum = fold(hash->sum ^ word_at(at), word_at(at + WORD)) + ODD;
}

void quick_init(struct quick_hash *hash, uint64_t purpose)
{
    *hash = (struct quick_hash){.sum = mix(purpose, 0)};
}

/* Up to one block: true if that made it whole. */
static bool add_part(struct quick_hash *hash, const uint8_t *from, size_t len)
{
    size_t had = hash->len % QUICK_BLOCK_BYTES;

    memcpy(hash->block + had, from, len);
    hash->len += len;
    if (had + len < QUICK_BLOCK_BYTES)
        return false;
    add_block(hash, hash->block);
    memset(hash->block, 0, QUICK_BLOCK_BYTES);
    return true;
}

void quick_add(struct quick_hash *hash, const void *from, size_t len)
{
    const uint8_t *at = from;
    size_t had = hash->len % QUICK_BLOCK_BYTES;

    if (had > 0 && len > 0) {
        size_t missing = QUICK_BLOCK_BYTES - had < len ? QUICK_BLOCK_BYTES - had : len;
        if (!add_part(hash, at, missing))
            return;
        at += missing;
        len -= missing;
    }
    for (; len >= QUICK_BLOCK_BYTES; at += QUICK_BLOCK_BYTES, len -= QUICK_BLOCK_BYTES) {
        add_block(hash, at);
        hash->len += QUICK_BLOCK_BYTES;
    }
    if (len > 0)
        (void)add_part(hash, at, len);
}

void quick_spread(uint64_t first, uint8_t *out, size_t len)
{
    for (size_t at = 0; at < len; at += WORD, first = mix(first, at))
        memcpy(out + at, &first, len - at < WORD ? len - at : WORD);
}

void quick_end(struct quick_hash *hash, uint8_t *out, size_t len)
{
    add_block(hash, hash->block);
    quick_spread(mix(hash->sum, hash->len), out, len);
}

static void begin(struct quick_hash *hash, uint64_t purpose, struct quick_part key,
                  struct quick_part nonce)
{
    quick_init(hash, purpose);
    quick_add(hash, key.ptr, key.len);
    quick_add(hash, nonce.ptr, nonce.len);
}

static void stream_over(uint8_t *to, struct quick_part from, struct quick_part key,
                        struct quick_part nonce)
{
    struct quick_hash hash;
    uint64_t state;

    begin(&hash, PURPOSE_STREAM, key, nonce);
    quick_end(&hash, (uint8_t *)&state, sizeof state);
    size_t at = 0;
    for (; at + WORD <= from.len; at += WORD, state += ODD) {
        uint64_t word = word_at(from.ptr + at) ^ fold(state, 0);
        memcpy(to + at, &word, WORD);
    }
    for (uint64_t rest = fold(state, 0); at < from.len; at++, rest >>= 8)
        to[at] = (uint8_t)(from.ptr[at] ^ rest);
}

static void tag_make(uint8_t tag[QUICK_TAG_BYTES], struct quick_part sealed, struct quick_part key,
                     struct quick_part nonce, struct quick_part beside)
{
    struct quick_hash hash;

    begin(&hash, PURPOSE_TAG, key, nonce);
    quick_add(&hash, &beside.len, sizeof beside.len);
    quick_add(&hash, beside.ptr, beside.len);
    quick_add(&hash, sealed.ptr, sealed.len);
    quick_end(&hash, tag, QUICK_TAG_BYTES);
}

void quick_seal(uint8_t *sealed, struct quick_part text, struct quick_part key,
                struct quick_part nonce, struct quick_part beside)
{
    stream_over(sealed, text, key, nonce);
    tag_make(sealed + text.len, (struct quick_part){sealed, text.len}, key, nonce, beside);
}

bool quick_open(uint8_t *text, struct quick_part sealed, struct quick_part key,
                struct quick_part nonce, struct quick_part beside)
{
    uint8_t tag[QUICK_TAG_BYTES];

    if (sealed.len < sizeof tag)
        return false;
    sealed.len -= sizeof tag;
    tag_make(tag, sealed, key, nonce, beside);
    if (memcmp(tag, sealed.ptr + sealed.len, sizeof tag) != 0) {
        if (text)
            memset(text, 0, sealed.len);
        return false;
    }
    if (text)
        stream_over(text, sealed, key, nonce);
    return true;
}
