/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/chain.h"

#include <string.h>

enum kith_err chain_open(struct bytes entry, const struct chain_tags *tags, uint32_t fields,
                         struct chain_link *link, struct wire_in *in)
{
    if (entry.len > ENTRY_MAX)
        return KITH_TOO_LARGE;
    if (entry.len <= SIGNATURE_BYTES)
        return KITH_CUT;
    struct bytes body = bytes_of(entry.ptr, entry.len - SIGNATURE_BYTES);

    seal_hash(tags->hash, &body, 1, link->hash);
    link->signature = entry.ptr + body.len;
    *in = wire_open(body);
    wire_array_exact(in, fields);
    if (wire_uint(in, UINT32_MAX) != KITH_PROTOCOL_VERSION)
        wire_fail(in, KITH_VERSION);
    link->seq = (uint32_t)wire_uint(in, ROSTER_ENTRIES_MAX);
    wire_bin_exact(in, link->prev, HASH_BYTES);
    return in->err;
}

size_t chain_begin(struct buffer *out, uint32_t fields, uint32_t count,
                   const uint8_t head[static HASH_BYTES], struct chain_link *link)
{
    size_t start = out->len;

    link->seq = count + 1;
    memcpy(link->prev, head, HASH_BYTES);
    wire_put_array(out, fields);
    wire_put_uint(out, KITH_PROTOCOL_VERSION);
    wire_put_uint(out, link->seq);
    wire_put_bin(out, bytes_of(link->prev, HASH_BYTES));
    return start;
}

enum kith_err chain_sign(struct buffer *out, size_t start, const struct chain_tags *tags,
                         const uint8_t sign_secret[static SIGN_KEY_BYTES], struct chain_link *link)
{
    uint8_t signature[SIGNATURE_BYTES];

    if (out->err)
        return out->err;
    struct bytes body = bytes_after(buffer_view(out), start);
    seal_hash(tags->hash, &body, 1, link->hash);
    seal_sign(tags->sign, sign_secret, link->hash, signature);
    buffer_add(out, signature, sizeof signature);
    return out->err;
}

bool chain_follows(const struct chain_link *link, uint32_t count,
                   const uint8_t head[static HASH_BYTES])
{
    return link->seq == count + 1 && seal_equal(link->prev, head, HASH_BYTES);
}
