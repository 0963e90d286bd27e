/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealing of stored values and the blinding of ids, under keys derived from the storage key.
 *
 * Promises: a value opens, and a mark fits, only under the same storage key, table and key, and
 * only if no bit of it changed. Not promised: that an older value of the same table and key is
 * noticed, or how long a value is. Source: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), nonces
 * from the system; BLAKE2b keyed (RFC 7693).
 */
#ifndef KITH_STORE_SEALED_H
#define KITH_STORE_SEALED_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

/* A sealed value: nonce, encrypted text, tag. */
#define SEALED_OVERHEAD (NONCE_BYTES + TAG_BYTES)

/* Locked memory, read-only once made, wiped when freed. Any thread. */
struct sealed_keys;

/* NULL without memory. The storage key is only read; wiping it remains the caller's. */
struct sealed_keys *sealed_keys_new(const uint8_t key[static KEY_BYTES]);
void sealed_keys_free(struct sealed_keys **keys);

/* Writes text.len + SEALED_OVERHEAD bytes to `sealed`, which may not overlap the text. */
void sealed_write(const struct sealed_keys *keys, const char *table, struct bytes key,
                  struct bytes text, uint8_t *sealed);
/* Writes sealed.len - SEALED_OVERHEAD bytes to `text`; false, with nothing to be used, if a check
 * fails. */
MUST_USE bool sealed_read(const struct sealed_keys *keys, const char *table, struct bytes key,
                          struct bytes sealed, uint8_t *text);

/* What is no secret but must not be altered or moved: a keyed hash of table, key and value. */
#define MARK_BYTES 16
void sealed_mark(const struct sealed_keys *keys, const char *table, struct bytes key,
                 struct bytes value, uint8_t mark[static MARK_BYTES]);

/* A keyed hash of `blind_bytes`, 16 to 64, over the purpose and the id. */
void sealed_blind(const struct sealed_keys *keys, uint8_t purpose, struct bytes id, uint8_t *blind,
                  size_t blind_bytes);

#endif
