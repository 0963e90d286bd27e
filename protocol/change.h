/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change: one save, signed, encrypted and chained; stored and forwarded as the exact bytes
 * received.
 *
 * The header is known to both sides of a link (only class and epoch travel with each change of a
 * run) and is the associated data of the encryption. The id is the hash of header and sealed text;
 * `prev` is the id of the change before it in the chain of this device in this circle. Source:
 * docs/protocol.md, section 5.
 */
#ifndef KITH_PROTOCOL_CHANGE_H
#define KITH_PROTOCOL_CHANGE_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

enum change_class { CHANGE_URGENT = 0, CHANGE_NORMAL = 1, CHANGE_BULK = 2 };
#define CHANGE_CLASSES 3

struct change_header {
    enum change_class class;
    uint32_t epoch;
    uint32_t device;
    uint64_t n; /* from 1, without gaps, for this device in this circle */
    uint8_t agency[ID_BYTES];
    uint8_t circle[ID_BYTES];
    uint8_t prev[HASH_BYTES]; /* zeros for n = 1 */
};

/* A change as it travels within a run, borrowed. */
struct change {
    enum change_class class;
    uint32_t epoch;
    struct bytes sealed;      /* nonce, encrypted text, tag */
    const uint8_t *signature; /* SIGNATURE_BYTES */
};

/* Class and epoch as one number of the wire. */
uint64_t change_mark(enum change_class class, uint32_t epoch);
MUST_USE enum kith_err change_mark_read(uint64_t mark, enum change_class *class, uint32_t *epoch);

/* Packs, encrypts and signs `text`; appends the sealed bytes, and gives id and signature. */
MUST_USE enum kith_err change_seal(const struct change_header *header,
                                   const uint8_t epoch_key[static KEY_BYTES],
                                   const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                   struct bytes text, struct buffer *sealed,
                                   uint8_t id[static HASH_BYTES],
                                   uint8_t signature[static SIGNATURE_BYTES]);
void change_id(const struct change_header *header, struct bytes sealed,
               uint8_t id[static HASH_BYTES]);
MUST_USE enum kith_err change_verify(const uint8_t id[static HASH_BYTES],
                                     const uint8_t signature[static SIGNATURE_BYTES],
                                     const uint8_t sign_public[static KEY_BYTES]);
/* Appends the text. Checks the encryption, not the signature. */
MUST_USE enum kith_err change_open(const struct change_header *header, struct bytes sealed,
                                   const uint8_t epoch_key[static KEY_BYTES], struct buffer *text);

#endif
