/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handshake and transport of Noise are made of: the cipher state and the symmetric state.
 *
 * For noise.c alone; everyone else includes noise.h. The symmetric state is the cipher, chaining
 * key and hash inside struct noise_handshake. What fails leaves these as they were.
 * Source: the Noise Protocol Framework, revision 34, sections 4.3, 5.1, 5.2 and 12.
 */
#ifndef KITH_PROTOCOL_NOISE_SYMMETRIC_H
#define KITH_PROTOCOL_NOISE_SYMMETRIC_H

#include "protocol/noise.h"

/* Nonces stop here, far below the 2^64 - 1 that rekeying uses. */
#define NOISE_NONCE_END (UINT64_C(1) << 48)

/* HKDF with two or three outputs of NOISE_HASH_BYTES, one after another in `out`. */
void noise_hkdf(const uint8_t chaining_key[static NOISE_HASH_BYTES], struct bytes material,
                uint8_t *out, unsigned count);

/* EncryptWithAd, appending to `out`, and DecryptWithAd, to message.len - TAG_BYTES bytes at `to`.
 * False over the nonce's end, without room, or if it is not authentic. */
MUST_USE bool noise_encrypt(struct noise_cipher *cipher, struct bytes ad, struct bytes text,
                            struct buffer *out);
MUST_USE bool noise_decrypt(struct noise_cipher *cipher, struct bytes ad, struct bytes message,
                            uint8_t *to);

void noise_mix_hash(struct noise_handshake *noise, struct bytes data);
void noise_mix_key(struct noise_handshake *noise, struct bytes material);
void noise_mix_key_and_hash(struct noise_handshake *noise, struct bytes material);
MUST_USE bool noise_encrypt_and_hash(struct noise_handshake *noise, struct bytes text,
                                     struct buffer *out);
MUST_USE bool noise_decrypt_and_hash(struct noise_handshake *noise, struct bytes message,
                                     uint8_t *to);

#endif
