/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle: batches of frames as a file, sealed to named recipients and signed by its writer, for
 * whoever carries it.
 *
 * 1. Who it is for and who wrote it cannot be seen without a recipient's key; its size says little.
 * 2. A chunk is opened whole or not at all, says where it stands, and is signed: none can be
 * altered, left out, moved, or taken from another bundle, nor be made by another recipient. A file
 * that was cut off shows as cut off; the whole chunks before are good.
 * 3. The reader knows that the key in the preface has signed; whether that key may say what the
 * frames say is for the caller to find out.
 * No file is seen here: bytes come in and go out. Source: docs/protocol.md, section 13.
 */
#ifndef KITH_PROTOCOL_BUNDLE_H
#define KITH_PROTOCOL_BUNDLE_H

#include "protocol/message.h"

/* What every bundle begins with: mark, version, number of slots. */
#define BUNDLE_MARK        "kithbndl"
#define BUNDLE_START_BYTES (8 + 1 + 1)
#define BUNDLE_SLOT_BYTES  (NONCE_BYTES + KEY_BYTES + TAG_BYTES)
#define BUNDLE_SLOTS_MIN   4
#define BUNDLE_SLOTS_MAX   128
#define BUNDLE_HEADER_MAX                                                                          \
    (BUNDLE_START_BYTES + KEY_BYTES + BUNDLE_SLOTS_MAX * BUNDLE_SLOT_BYTES + HASH_BYTES)

#define BUNDLE_CHUNK_MAX   65536 /* sealed; every chunk but a single one has this size */
#define BUNDLE_CHUNK_MIN   1024
#define BUNDLE_CHUNKS_MAX  16384u
#define BUNDLE_PREFACE_MAX 256
#define BUNDLE_DATA_MAX                                                                            \
    (BUNDLE_CHUNK_MAX - NONCE_BYTES - TAG_BYTES - SIGNATURE_BYTES - 4) /* preface and frames */

_Static_assert(BUNDLE_DATA_MAX >= BATCH_MAX + BUNDLE_PREFACE_MAX, "a batch fits a chunk");

enum bundle_kind {
    BUNDLE_OUTBOX = 1, /* a device's, for the hub */
    BUNDLE_ANSWER = 2, /* the hub's, for the device whose outbox it read */
    BUNDLE_SHARED = 3, /* a device's, for another person's devices */
};

/* Who wrote it; stands before the frames of the first chunk. */
struct bundle_preface {
    enum bundle_kind kind;
    uint8_t agency[ID_BYTES];
    uint32_t device;              /* 0: the hub */
    uint8_t sign_key[KEY_BYTES];  /* of the writer */
    uint64_t time_ms;             /* when, by the writer's clock */
    uint8_t answered[HASH_BYTES]; /* of an answer: bundle_asked of the PULL; zeros otherwise */
};
/* What a PULL asks to be sent after: a device compares it with what it has when the answer comes.
 */
void bundle_asked(const struct pull *pull, uint8_t hash[static HASH_BYTES]);

struct bundle_writer {
    struct bundle_preface preface;
    const uint8_t *sign_secret; /* borrowed */
    uint8_t chunk_key[KEY_BYTES];
    uint8_t header_hash[HASH_BYTES];
    uint64_t index;
};

/* Appends the header to `out`. MALFORMED if a recipient's key cannot be agreed with, TOO_MANY. */
MUST_USE enum kith_err bundle_begin(struct bundle_writer *writer,
                                    const struct bundle_preface *preface,
                                    const uint8_t *sign_secret,
                                    const uint8_t (*recipients)[KEY_BYTES], size_t count,
                                    struct buffer *out);
/* Appends one chunk with at most BATCH_MAX bytes of frames. */
void bundle_add(struct bundle_writer *writer, struct bytes frames, bool is_last,
                struct buffer *out);
void bundle_end(struct bundle_writer *writer);
/* How many chunks a bundle with so many batches has: the rest are empty. */
uint64_t bundle_chunk_count(uint64_t batches);

struct bundle_reader {
    struct bundle_preface preface; /* valid after the first chunk */
    uint8_t chunk_key[KEY_BYTES];
    uint8_t header_hash[HASH_BYTES];
    uint64_t index; /* of the next chunk */
    bool is_whole;  /* the last chunk has been read */
    struct buffer text;
};

/* The size of the header that begins with these bytes. MALFORMED if this is no bundle, VERSION. */
MUST_USE enum kith_err bundle_header_size(const uint8_t start[static BUNDLE_START_BYTES],
                                          size_t *size);
/* `secret` is an X25519 secret. NOT_FOUND if no slot is for it, COMMITMENT if the header was
 * altered. */
MUST_USE enum kith_err bundle_open(struct bundle_reader *reader, struct bytes header,
                                   const uint8_t secret[static KEY_BYTES]);
/* The frames of the next chunk, until the next call; `is_at_end`: nothing comes after these bytes.
 * CUT if they are not a whole chunk. A whole chunk at the end that is not the last leaves is_whole
 * false. */
MUST_USE enum kith_err bundle_next(struct bundle_reader *reader, struct bytes sealed,
                                   bool is_at_end, struct bytes *frames);
void bundle_close(struct bundle_reader *reader);

#endif
