/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codes that people hand on: the founding code of a hub, and the invitation of a device.
 *
 * A code is text: "kith1" and base32 groups, with a checksum that finds a mistyped character. It
 * holds the hub's address and key, the agency's id (not in a founding code), the device number and
 * a one-time secret, from which the invitation's keys are derived. Source: docs/protocol.md,
 * section 8.
 */
#ifndef KITH_PROTOCOL_INVITE_H
#define KITH_PROTOCOL_INVITE_H

#include "protocol/address.h"
#include "protocol/bytes.h"
#include "protocol/limits.h"

#define CODE_SECRET_BYTES 16
#define CODE_TEXT_MAX     512

struct code {
    uint8_t hub_key[KEY_BYTES]; /* the hub's Noise key */
    uint8_t agency[ID_BYTES];   /* zeros in a founding code */
    uint32_t device;            /* 0 in a founding code */
    uint8_t secret[CODE_SECRET_BYTES];
    char address[ADDRESS_MAX]; /* as protocol/address.h has it */
};

/* What the secret of an invitation gives. */
struct invite_keys {
    uint8_t sign_public[KEY_BYTES];
    uint8_t sign_secret[SIGN_KEY_BYTES];
    uint8_t box_public[KEY_BYTES];
    uint8_t box_secret[KEY_BYTES];
    uint8_t psk[KEY_BYTES];
};

void invite_derive(const uint8_t secret[static CODE_SECRET_BYTES], struct invite_keys *keys);

/* Writes the code as text with its final zero. KITH_ADDRESS if the address does not fit. */
MUST_USE enum kith_err code_write(const struct code *code, char text[static CODE_TEXT_MAX]);
/* White space and hyphens are ignored, case too. KITH_CODE whatever is wrong. */
MUST_USE enum kith_err code_read(struct code *code, const char *text);

/* An id as 26 characters of lower-case base32 (RFC 4648 alphabet), with its final zero. */
void id_write(const uint8_t id[static ID_BYTES], char text[static ID_TEXT_CHARS + 1]);
/* A prefix of an id: `bits` get how many bits are known, 128 for a whole id. KITH_INPUT if it is
 * not base32. */
MUST_USE enum kith_err id_read_prefix(const char *text, uint8_t id[static ID_BYTES],
                                      unsigned *bits);
bool id_has_prefix(const uint8_t id[static ID_BYTES], const uint8_t prefix[static ID_BYTES],
                   unsigned bits);

/* Any bytes in base32 into `text` of at least base32_chars(len) + 1. */
size_t base32_chars(size_t len);
void base32_write(struct bytes bytes, char *text);

#endif
