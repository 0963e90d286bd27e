/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault: the file that a passphrase opens, with the random data key that everything in a home
 * is sealed under.
 *
 * Argon2id (RFC 9106) with at least VAULT_MEMORY_MIN bytes and as many passes as half a second of
 * this machine's time takes, measured when the vault is made; its parameters and salt stand in the
 * file. The passphrase key wraps the data key with XChaCha20-Poly1305, and a commitment to it is
 * stored and checked first, so that one file cannot be made to open under two passphrases. Written
 * by rename: a crash leaves the old file or the new one.
 */
#ifndef KITH_CLIENT_VAULT_H
#define KITH_CLIENT_VAULT_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define VAULT_MEMORY_MIN (64u * 1024 * 1024)

/* Makes `home`/vault with a fresh data key. EXISTS, PERMISSION, FULL, IO. */
MUST_USE enum kith_err vault_create(const char *home, const char *passphrase,
                                    uint8_t key[static KEY_BYTES]);
/* PASSPHRASE if it is wrong, NOT_FOUND, DAMAGED, NEWER_STORE, PERMISSION. */
MUST_USE enum kith_err vault_open(const char *home, const char *passphrase,
                                  uint8_t key[static KEY_BYTES]);
/* Wraps the same data key under another passphrase. */
MUST_USE enum kith_err vault_rewrap(const char *home, const char *passphrase,
                                    const uint8_t key[static KEY_BYTES]);

#endif
