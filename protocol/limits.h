/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every bound on the wire, in memory and on disk, in one place and tied to the others.
 *
 * Sizes are bytes unless the name says otherwise. docs/protocol.md, section 2, is the same list in
 * words.
 */
#ifndef KITH_PROTOCOL_LIMITS_H
#define KITH_PROTOCOL_LIMITS_H

#define KITH_PROTOCOL_VERSION 1

/* Cryptographic sizes (libsodium's primitives; Noise specification, sections 4 and 12). */
#define KEY_BYTES       32 /* X25519 and AEAD keys, Ed25519 public keys and seeds */
#define SIGN_KEY_BYTES  64 /* an Ed25519 secret key as libsodium holds it */
#define SIGNATURE_BYTES 64
#define HASH_BYTES      32 /* ids of changes and of chain entries, key commitments */
#define ID_BYTES        16 /* agency, circle, record */
#define ID_TEXT_CHARS   26 /* an id in base32, without padding */
#define TAG_BYTES       16 /* Poly1305 */
#define NONCE_BYTES     24 /* XChaCha20 */

/* The channel: Noise messages over a byte stream. */
#define NOISE_MESSAGE_MAX     65535
#define NOISE_LENGTH_BYTES    2
#define NOISE_TEXT_MAX        (NOISE_MESSAGE_MAX - TAG_BYTES)                 /* transport */
#define NOISE_FIRST_OVERHEAD  (KEY_BYTES + KEY_BYTES + TAG_BYTES + TAG_BYTES) /* IK message 1 */
#define NOISE_FIRST_TEXT_MAX  (NOISE_MESSAGE_MAX - NOISE_FIRST_OVERHEAD)
#define NOISE_SECOND_OVERHEAD (KEY_BYTES + TAG_BYTES) /* IK message 2 */
#define NOISE_REKEY_MESSAGES  65536 /* a direction rekeys after this many messages */

/* Frames. A frame never spans two Noise messages; a batch is what one Noise message carries. */
#define BATCH_MAX      65000 /* frames of one Noise message, all together */
#define WIRE_DEPTH_MAX 8     /* arrays and maps within each other */
#define WIRE_ITEMS_MAX 65535 /* items of one array */

/* A change. */
#define CHANGE_SEALED_MAX 61440  /* nonce, padded and encrypted text, tag */
#define CHANGE_TEXT_MAX   262144 /* the payload after decompression */
#define CHANGE_OPS_MAX    4096
#define SEEN_MAX          4096  /* devices named by one change's `seen` */
#define SUPERSEDES_MAX    256   /* dots that one operation replaces */
#define VALUE_MAX         65536 /* one value, encoded */
#define NARRATIVE_MAX     16384 /* one narrative field, UTF-8 */

/* Chains. */
#define ENTRY_MAX          16384 /* one roster or circle entry, signature included */
#define DEVICE_MAX         0xFFFFFFu
#define PERSON_MAX         0xFFFFFFu
#define EPOCH_MAX          0xFFFFFFu
#define ROSTER_ENTRIES_MAX 0xFFFFFFu
#define CIRCLE_MEMBERS_MAX 2048
#define CIRCLE_DEVICES_MAX 4096

/* What a hub keeps of one device that left, until somebody decides. */
#define HELD_CHANGES_MAX 4096
#define HELD_BYTES_MAX   (16u * 1024 * 1024)
/* How long what was handed over is taken when it comes late. */
#define HANDOVER_S (14u * 24 * 3600)

/* Flow: what may be under way, unacknowledged, in one direction. */
#define WINDOW_BYTES 1048576
/* How long a hub may ask a device to stay away. */
#define RETRY_S_MAX 3600

_Static_assert(BATCH_MAX <= NOISE_TEXT_MAX, "a batch fits one Noise message");
_Static_assert(BATCH_MAX <= NOISE_FIRST_TEXT_MAX, "a batch fits the first flight");
_Static_assert(CHANGE_SEALED_MAX + SIGNATURE_BYTES + 128 <= BATCH_MAX, "a change fits a batch");
_Static_assert(ENTRY_MAX * 2 <= BATCH_MAX, "an entry and its sealed keys fit a batch");
_Static_assert(WINDOW_BYTES >= 4 * BATCH_MAX, "the window keeps a slow link busy");

#endif
