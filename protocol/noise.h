/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise_IK_25519_ChaChaPoly_BLAKE2b and Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b.
 *
 * Pure: the ephemeral key is handed in, nothing is allocated. A step works on locals and touches
 * the state only after its last check; a failed handshake cannot be continued. Keys are wiped by
 * noise_clear and when a state moves on. Source: the Noise Protocol Framework, revision 34,
 * sections 5, 7, 9 and 11.
 */
#ifndef KITH_PROTOCOL_NOISE_H
#define KITH_PROTOCOL_NOISE_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define NOISE_HASH_BYTES 64 /* BLAKE2b-512 */

enum noise_pattern { NOISE_IK, NOISE_IKPSK2 };
enum noise_role { NOISE_INITIATOR, NOISE_RESPONDER };

/* A cipher state, section 5.1. `nonce` counts messages; both sides rekey every NOISE_REKEY_MESSAGES
 * (section 11.3). */
struct noise_cipher {
    uint8_t key[KEY_BYTES];
    uint64_t nonce;
    bool has_key;
};

struct noise_keypair {
    uint8_t secret[KEY_BYTES];
    uint8_t public[KEY_BYTES];
};

/* What a handshake begins with. `remote_static` is the initiator's knowledge of the hub, unused by
 * the responder. `psk` may be set later, by noise_set_psk, but before message 2 is written or read.
 */
struct noise_config {
    enum noise_pattern pattern;
    enum noise_role role;
    struct bytes prologue;
    struct noise_keypair local_static;
    uint8_t ephemeral_secret[KEY_BYTES];
    uint8_t remote_static[KEY_BYTES];
};

struct noise_handshake {
    enum noise_pattern pattern;
    enum noise_role role;
    unsigned step; /* the message that comes next, 0 or 1; 2 when finished */
    bool is_failed;
    bool has_psk;
    struct noise_cipher cipher;
    uint8_t chaining_key[NOISE_HASH_BYTES];
    uint8_t hash[NOISE_HASH_BYTES];
    struct noise_keypair local_static;
    struct noise_keypair
        ephemeral; /* the public half when it is sent: not for a stranger's noise */
    uint8_t remote_static[KEY_BYTES]; /* known to the responder after message 1 */
    uint8_t remote_ephemeral[KEY_BYTES];
    uint8_t psk[KEY_BYTES];
};

/* What a finished handshake leaves. `hash` binds proofs of the application to this channel
 * (section 11.2). */
struct noise_transport {
    struct noise_cipher send;
    struct noise_cipher receive;
    uint8_t hash[NOISE_HASH_BYTES];
};

void noise_keypair_from_secret(struct noise_keypair *pair, const uint8_t secret[static KEY_BYTES]);

void noise_init(struct noise_handshake *noise, const struct noise_config *config);
void noise_clear(struct noise_handshake *noise);
void noise_set_psk(struct noise_handshake *noise, const uint8_t psk[static KEY_BYTES]);

/* Appends the next handshake message with `payload` to `out`. KITH_TOO_LARGE over
 * NOISE_MESSAGE_MAX, KITH_HANDSHAKE for a wrong turn, a missing psk or an all-zero shared secret.
 */
MUST_USE enum kith_err noise_write(struct noise_handshake *noise, struct bytes payload,
                                   struct buffer *out);
/* Reads the other side's message and appends its payload to `out`. KITH_HANDSHAKE whatever is
 * wrong. */
MUST_USE enum kith_err noise_read(struct noise_handshake *noise, struct bytes message,
                                  struct buffer *out);
bool noise_is_finished(const struct noise_handshake *noise);
/* Splits into the two directions and wipes the handshake. Only after noise_is_finished. */
void noise_split(struct noise_handshake *noise, struct noise_transport *transport);

/* One transport message: appends ciphertext and tag. */
MUST_USE enum kith_err noise_seal(struct noise_cipher *cipher, struct bytes text,
                                  struct buffer *out);
/* KITH_DECRYPT if it was altered; the nonce does not move then. */
MUST_USE enum kith_err noise_unseal(struct noise_cipher *cipher, struct bytes message,
                                    struct buffer *out);

#endif
