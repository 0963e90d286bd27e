/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes, signatures and key derivation, each under its own tag, and the keys of an epoch.
 *
 * Every hashed, signed or encrypted string begins with a tag from SEAL_TAGS, so that nothing made
 * for one purpose is ever valid for another. A thing that is signed is hashed first: the signature
 * covers tag and hash. Sources: RFC 7693 (BLAKE2b), RFC 8032 (Ed25519), draft-irtf-cfrg-xchacha-03,
 * libsodium's crypto_box_seal.
 */
#ifndef KITH_PROTOCOL_SEAL_H
#define KITH_PROTOCOL_SEAL_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

/* X(NAME, text). No text is the beginning of another. */
#define SEAL_TAGS(X)                                                                               \
    X(AGENCY_ID, "kith/1 agency id")                                                               \
    X(ROSTER_ENTRY, "kith/1 roster entry")                                                         \
    X(ROSTER_SIGN, "kith/1 roster signature")                                                      \
    X(CIRCLE_ID, "kith/1 circle id")                                                               \
    X(CIRCLE_ENTRY, "kith/1 circle entry")                                                         \
    X(CIRCLE_SIGN, "kith/1 circle signature")                                                      \
    X(CHANGE_HASH, "kith/1 change id")                                                             \
    X(CHANGE_SIGN, "kith/1 change signature")                                                      \
    X(CHANGE_KEY, "kith/1 change key")                                                             \
    X(EPOCH_COMMIT, "kith/1 epoch commitment")                                                     \
    X(EPOCH_WRAP, "kith/1 epoch wrap key")                                                         \
    X(REASON_KEY, "kith/1 reason key")                                                             \
    X(RECEIPT_HASH, "kith/1 receipt")                                                              \
    X(RECEIPT_SIGN, "kith/1 receipt signature")                                                    \
    X(INVITE_SIGN_SEED, "kith/1 invite sign seed")                                                 \
    X(INVITE_BOX_SEED, "kith/1 invite box seed")                                                   \
    X(INVITE_PSK, "kith/1 invite psk")                                                             \
    X(HUB_KEYS, "kith/1 hub key file")                                                             \
    X(CODE_CHECK, "kith/1 code checksum")                                                          \
    X(STATE_RECORD, "kith/1 state record")                                                         \
    X(STATE_HASH, "kith/1 state hash")                                                             \
    X(NOTE_CONTENT, "kith/1 note content")                                                         \
    X(NOTE_EVENT, "kith/1 note event")                                                             \
    X(NOTE_SIGN, "kith/1 note signature")                                                          \
    X(NOTE_VERSION, "kith/1 note version")                                                         \
    X(SAFETY_FIRST, "kith/1 safety number, first half")                                            \
    X(SAFETY_SECOND, "kith/1 safety number, second half")                                          \
    X(BUNDLE_SLOT, "kith/1 bundle slot key")                                                       \
    X(BUNDLE_COMMIT, "kith/1 bundle commitment")                                                   \
    X(BUNDLE_HEADER, "kith/1 bundle header")                                                       \
    X(BUNDLE_KEY, "kith/1 bundle chunk key")                                                       \
    X(BUNDLE_CHUNK, "kith/1 bundle signed chunk")                                                  \
    X(BUNDLE_SIGN, "kith/1 bundle signature")                                                      \
    X(BUNDLE_PULL, "kith/1 bundle pull")                                                           \
    X(RECOVERY_KEY, "kith/1 recovery key")                                                         \
    X(RECOVERY_ANSWER, "kith/1 recovery answer")                                                   \
    X(RECOVERY_CHECK, "kith/1 recovery check number")                                              \
    X(AUDIT_ENTRY, "kith/1 audit entry")                                                           \
    X(AUDIT_HEAD, "kith/1 audit head")                                                             \
    X(AUDIT_SIGN, "kith/1 audit checkpoint")                                                       \
    X(RECORD_DIGEST, "kith/1 merged record")                                                       \
    X(CLAIM_PRINT, "kith/1 claim print")                                                           \
    X(BACKUP, "kith/1 hub backup")

enum seal_tag {
#define SEAL_TAG_NAME(name, text) SEAL_##name,
    SEAL_TAGS(SEAL_TAG_NAME)
#undef SEAL_TAG_NAME
        SEAL_TAG_COUNT
};

const char *seal_tag_text(enum seal_tag tag);

/* Once before anything else, and again at no cost. KITH_MEMORY if there is no randomness. */
MUST_USE enum kith_err seal_start(void);

/* BLAKE2b-256 over the tag, a zero byte and `parts` one after another. Only for parts of fixed
 * length or a last variable one: nothing separates them. */
void seal_hash(enum seal_tag tag, const struct bytes *parts, size_t count,
               uint8_t hash[static HASH_BYTES]);
/* The first ID_BYTES of what seal_hash gives. */
void seal_id(enum seal_tag tag, const struct bytes *parts, size_t count,
             uint8_t id[static ID_BYTES]);
/* A 32-byte key derived from a secret and a context (BLAKE2b-256, keyed). */
void seal_derive(enum seal_tag tag, const uint8_t secret[static KEY_BYTES], struct bytes context,
                 uint8_t key[static KEY_BYTES]);

void seal_random(void *to, size_t len);
bool seal_equal(const void *a, const void *b, size_t len); /* in constant time */
void seal_wipe(void *secret, size_t len);
/* Keeps a secret that stays for long out of swap, as far as the system lets us; false if not. It
 * ends with a wipe. */
bool seal_lock(void *secret, size_t len);
void seal_unlock(void *secret, size_t len);

/* Key pairs from 32-byte seeds or secrets. */
void seal_sign_keypair(const uint8_t seed[static KEY_BYTES], uint8_t public_key[static KEY_BYTES],
                       uint8_t secret[static SIGN_KEY_BYTES]);
void seal_box_public(const uint8_t secret[static KEY_BYTES], uint8_t public_key[static KEY_BYTES]);
/* Whether an X25519 key can be agreed with: one of small order gives everybody the same secret. */
bool seal_is_agreeable(const uint8_t public_key[static KEY_BYTES]);
/* The X25519 secret that two keys share: to be hashed into a key with whatever it is for. MALFORMED
 * if the key is of small order. */
MUST_USE enum kith_err seal_agree(const uint8_t secret[static KEY_BYTES],
                                  const uint8_t public_key[static KEY_BYTES],
                                  uint8_t shared[static KEY_BYTES]);

void seal_sign(enum seal_tag tag, const uint8_t secret[static SIGN_KEY_BYTES],
               const uint8_t hash[static HASH_BYTES], uint8_t signature[static SIGNATURE_BYTES]);
/* KITH_SIGNATURE if it does not verify. */
MUST_USE enum kith_err seal_verify(enum seal_tag tag, const uint8_t public_key[static KEY_BYTES],
                                   const uint8_t hash[static HASH_BYTES],
                                   const uint8_t signature[static SIGNATURE_BYTES]);

/* What an epoch's key is bound to, wherever it is sealed. */
struct epoch_place {
    uint8_t circle[ID_BYTES];
    uint32_t epoch;
    uint32_t device; /* the recipient of a box; 0 in a wrap */
};

/* A box: an epoch key sealed to one device, its place inside the sealed text. */
#define BOX_BYTES (48 + ID_BYTES + 4 + 4 + KEY_BYTES)
/* A wrap: the previous epoch's key under this epoch's. */
#define WRAP_BYTES (NONCE_BYTES + KEY_BYTES + TAG_BYTES)

void epoch_commit(const uint8_t key[static KEY_BYTES], uint32_t epoch,
                  uint8_t commitment[static HASH_BYTES]);
MUST_USE enum kith_err box_seal(const struct epoch_place *place,
                                const uint8_t recipient[static KEY_BYTES],
                                const uint8_t key[static KEY_BYTES], uint8_t box[static BOX_BYTES]);
/* KITH_DECRYPT if it is not for this secret or was made for another place. The caller compares the
 * commitment. */
MUST_USE enum kith_err box_open(const struct epoch_place *place,
                                const uint8_t secret[static KEY_BYTES],
                                const uint8_t box[static BOX_BYTES], uint8_t key[static KEY_BYTES]);
/* Any text to one recipient, its sender unknown: `sealed` grows by text + SEAL_TO_OVERHEAD. Its
 * first bytes must say what it is for. */
#define SEAL_TO_OVERHEAD 48
MUST_USE enum kith_err seal_to(const uint8_t recipient[static KEY_BYTES], struct bytes text,
                               struct buffer *sealed);
/* `text` has room for sealed.len - SEAL_TO_OVERHEAD. KITH_DECRYPT if it is not for this secret. */
MUST_USE enum kith_err seal_open(const uint8_t secret[static KEY_BYTES], struct bytes sealed,
                                 uint8_t *text);
void epoch_wrap(const struct epoch_place *place, const uint8_t key[static KEY_BYTES],
                const uint8_t previous[static KEY_BYTES], uint8_t wrap[static WRAP_BYTES]);
MUST_USE enum kith_err epoch_unwrap(const struct epoch_place *place,
                                    const uint8_t key[static KEY_BYTES],
                                    const uint8_t wrap[static WRAP_BYTES],
                                    uint8_t previous[static KEY_BYTES]);

/* XChaCha20-Poly1305 with a fresh random nonce in front: `sealed` grows by NONCE_BYTES + text +
 * TAG_BYTES. */
void seal_encrypt(const uint8_t key[static KEY_BYTES], struct bytes associated, struct bytes text,
                  struct buffer *sealed);
MUST_USE enum kith_err seal_decrypt(const uint8_t key[static KEY_BYTES], struct bytes associated,
                                    struct bytes sealed, struct buffer *text);

#endif
