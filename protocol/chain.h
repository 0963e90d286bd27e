/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the entries of the two signed chains, roster and access chain, have in common: a msgpack
 * body that begins with version, seq and the hash of the entry before, and a signature over the
 * body's hash behind it.
 *
 * Source: docs/protocol.md, sections 6 and 7.
 */
#ifndef KITH_PROTOCOL_CHAIN_H
#define KITH_PROTOCOL_CHAIN_H

#include "protocol/seal.h"
#include "protocol/wire.h"

/* Which tags a chain's entries are hashed and signed under. */
struct chain_tags {
    enum seal_tag hash;
    enum seal_tag sign;
};

/* The place of an entry in its chain, and what proves it. */
struct chain_link {
    uint32_t seq;
    uint8_t prev[HASH_BYTES];
    uint8_t hash[HASH_BYTES];
    const uint8_t *signature; /* within the entry that was read */
};

/* Opens an entry: version, seq and prev of its `fields` items are taken, the rest is the caller's
 * to read. */
MUST_USE enum kith_err chain_open(struct bytes entry, const struct chain_tags *tags,
                                  uint32_t fields, struct chain_link *link, struct wire_in *body);
/* Begins an entry behind the head of a chain with `count` entries: `link` gets its place. Returns
 * where it begins. */
size_t chain_begin(struct buffer *out, uint32_t fields, uint32_t count,
                   const uint8_t head[static HASH_BYTES], struct chain_link *link);
/* Hashes and signs what was written since. */
MUST_USE enum kith_err chain_sign(struct buffer *out, size_t start, const struct chain_tags *tags,
                                  const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                  struct chain_link *link);
/* Whether an entry comes next behind that head. */
bool chain_follows(const struct chain_link *link, uint32_t count,
                   const uint8_t head[static HASH_BYTES]);

#endif
