/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames that travel inside Noise messages: struct to bytes and back, side by side.
 *
 * A frame is one msgpack array whose first item is its type. A Noise message carries whole frames,
 * at most BATCH_MAX bytes of them. Views borrow from the message. Writers append to a buffer and
 * share its error; the reader of a frame fails as a whole. A frame of an unknown type at or above
 * FRAME_SKIPPABLE is skipped. Source: docs/protocol.md, section 4.
 */
#ifndef KITH_PROTOCOL_MESSAGE_H
#define KITH_PROTOCOL_MESSAGE_H

#include "protocol/change.h"
#include "protocol/payload.h"
#include "protocol/roster.h"
#include "protocol/seal.h"
#include "protocol/wire.h"

enum frame_type {
    FRAME_HELLO = 1,   /* device: who and when */
    FRAME_WELCOME = 2, /* hub: its incarnation and clock */
    FRAME_PUSH = 3,    /* device: a run of changes */
    FRAME_CHANGES = 4, /* hub: a run of changes */
    FRAME_ACK = 5,     /* hub: what is durable, signed: a receipt */
    FRAME_REFUSED = 6, /* hub: one thing was not taken, and why */
    FRAME_PULL = 7,    /* device: what it has; asks for the rest */
    FRAME_CURSOR = 8,  /* hub: ends a batch; what to say in the next PULL */
    FRAME_ROSTER = 9,  /* both: entries of the roster */
    FRAME_CIRCLE = 10, /* both: entries of one access chain, with boxes */
    FRAME_INVITE = 11, /* device: the psk of an invitation, for the hub alone */
    FRAME_CREDIT = 12, /* device: bytes of batches it has stored */
    FRAME_ERROR = 13,  /* either: the reason why it closes */
    FRAME_BYE = 14,    /* either: an orderly end */
    FRAME_HELD = 15,   /* hub: a change that waits for a decision, for who may decide */
    FRAME_RETRY = 16,  /* hub: it closes because it is busy, and when to come again */
    FRAME_SKIPPABLE = 64,
};

#define INCARNATION_BYTES 8
#define CURSOR_MAX        132
#define DIGEST_BYTES      8
#define ACK_CHAINS_MAX    1024

/* Cuts the next frame off a batch: its type, and a cursor that stands after the type. `in` carries
 * the error of the batch; `items` is how many items of the frame's array are left. False at the end
 * or after a failure. */
struct frame {
    uint32_t type;
    uint32_t items;
    struct wire_in body;
};
bool frame_next(struct wire_in *batch, struct frame *frame);

struct hello {
    uint32_t version;
    uint32_t device;
    uint64_t clock_ms; /* of the device, for the record; decides nothing */
};
void hello_write(struct buffer *out, const struct hello *hello);
MUST_USE enum kith_err hello_read(struct hello *hello, struct frame *frame);

struct welcome {
    uint32_t version;
    uint8_t incarnation[INCARNATION_BYTES];
    uint64_t clock_ms; /* of the hub */
    bool has_sign_key; /* told to the founder, who writes it into the roster */
    uint8_t sign_key[KEY_BYTES];
};
void welcome_write(struct buffer *out, const struct welcome *welcome);
MUST_USE enum kith_err welcome_read(struct welcome *welcome, struct frame *frame);

/* What the device holds. An empty cursor asks for everything; a cursor is good for one incarnation
 * of the hub. */
struct pull {
    uint8_t incarnation[INCARNATION_BYTES];
    struct bytes cursor;
    uint8_t digest[DIGEST_BYTES]; /* of all changes received: see digest_add */
    bool
        is_continued; /* not on the wire: the cursor is from this very session, the digest is not */
    uint32_t room;    /* not on the wire: bytes that the next batch may have; 0: BATCH_MAX */
    uint64_t own;     /* how many of its own changes the hub has acknowledged to it */
    uint64_t written; /* not on the wire: how many of them the hub had when the session began */
};
void pull_write(struct buffer *out, const struct pull *pull);
MUST_USE enum kith_err pull_read(struct pull *pull, struct frame *frame);

struct cursor_frame {
    struct bytes cursor;
    bool is_up_to_date; /* nothing more at this moment */
};
void cursor_write(struct buffer *out, const struct cursor_frame *cursor);
MUST_USE enum kith_err cursor_read(struct cursor_frame *cursor, struct frame *frame);

/* A run: consecutive changes of one device in one circle. PUSH and CHANGES alike. */
struct run {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t first_n;
    uint32_t count;
    struct wire_in changes; /* read with run_next */
};
/* Bytes of one change within a run, beyond the sealed text, at most. */
#define RUN_CHANGE_OVERHEAD (5 + 3 + 2 + SIGNATURE_BYTES)
#define RUN_HEAD_MAX        (2 + ID_BYTES + 2 + 5 + 9 + 3 + 3)
MUST_USE enum kith_err run_read(struct run *run, struct frame *frame);
/* Within a run that run_read accepted this cannot fail. */
bool run_next(struct run *run, struct change *change);

/* Writes a run whose length is not known yet: changes collect in a buffer of their own until the
 * end. */
struct run_writer {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t first_n;
    uint32_t count;
    struct buffer changes;
};
void run_begin(struct run_writer *writer);
/* Whether the change continues the run that is being written. */
bool run_continues(const struct run_writer *writer, const uint8_t circle[static ID_BYTES],
                   uint32_t device, uint64_t n);
/* Bytes that the run takes so far. */
size_t run_bytes(const struct run_writer *writer);
void run_add(struct run_writer *writer, const uint8_t circle[static ID_BYTES], uint32_t device,
             uint64_t n, const struct change *change);
/* Writes the frame if there is anything in it, and begins anew. */
void run_flush(struct run_writer *writer, enum frame_type type, struct buffer *out);
void run_end(struct run_writer *writer);

/* Entries of the roster: `first_seq`, then one after another. */
struct entries {
    uint8_t circle[ID_BYTES]; /* FRAME_CIRCLE only */
    uint32_t first_seq;
    uint32_t count;
    struct wire_in list;
};
void roster_frame_write(struct buffer *out, uint32_t first_seq, const struct bytes *entries,
                        uint32_t count);
MUST_USE enum kith_err roster_frame_read(struct entries *entries, struct frame *frame);
bool roster_frame_next(struct entries *entries, struct bytes *entry);

/* One entry of an access chain with the boxes that belong to it: [circle, seq, entry, [device, box,
 * ...]]. */
struct circle_frame {
    uint8_t circle[ID_BYTES];
    uint32_t seq;
    struct bytes entry;
    uint32_t box_count;
    struct wire_in boxes; /* read with circle_frame_box */
};
MUST_USE enum kith_err circle_frame_read(struct circle_frame *circle, struct frame *frame);
bool circle_frame_box(struct circle_frame *circle, uint32_t *device, struct bytes *box);
/* `boxes`: box_count times [device u32 big-endian, BOX_BYTES]. */
#define BOX_ROW_BYTES (4 + BOX_BYTES)
void circle_frame_write(struct buffer *out, const uint8_t circle[static ID_BYTES], uint32_t seq,
                        struct bytes entry, struct bytes boxes);

/* What is durable at the hub. One signature covers agency, incarnation and all lines. */
enum ack_kind {
    ACK_CHAIN = 0,
    ACK_CIRCLE = 1,
    ACK_ROSTER = 2,
    ACK_HELD = 3, /* a chain of changes beyond its cut: kept for a decision, as durable as any */
};
struct ack_line {
    enum ack_kind kind;
    uint8_t circle[ID_BYTES]; /* zeros for the roster */
    uint32_t device;          /* of a chain of changes; 0 otherwise */
    uint64_t n;               /* through this number of the chain */
    uint8_t head[HASH_BYTES];
};
struct ack {
    uint32_t batches; /* how many Noise messages with data this answers */
    uint32_t count;
    struct wire_in lines;
    struct bytes raw; /* the encoded lines, as they were signed */
    uint8_t signature[SIGNATURE_BYTES];
};
/* Hash of what a receipt's signature covers. */
void ack_hash(const uint8_t agency[static ID_BYTES],
              const uint8_t incarnation[static INCARNATION_BYTES], struct bytes lines,
              uint8_t hash[static HASH_BYTES]);
void ack_line_write(struct buffer *lines, const struct ack_line *line);
void ack_write(struct buffer *out, uint32_t batches, uint32_t count, struct bytes lines,
               const uint8_t signature[static SIGNATURE_BYTES]);
MUST_USE enum kith_err ack_read(struct ack *ack, struct frame *frame);
bool ack_next(struct ack *ack, struct ack_line *line);

struct refused {
    enum ack_kind kind;
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    enum kith_err reason;
};
void refused_write(struct buffer *out, const struct refused *refused);
MUST_USE enum kith_err refused_read(struct refused *refused, struct frame *frame);

/* A change of a device that had left when it arrived. */
struct held {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    uint8_t prev[HASH_BYTES];
    struct change change;
    enum leaving leaving; /* how the device had left by then */
    uint64_t time_s;      /* when it arrived, by the hub's clock */
};
#define HELD_OVERHEAD (2 + 18 + 5 + 9 + 34 + 5 + 3 + 2 + SIGNATURE_BYTES + 1 + 9)
void held_write(struct buffer *out, const struct held *held);
MUST_USE enum kith_err held_read(struct held *held, struct frame *frame);

struct invite_frame {
    uint32_t device;
    uint8_t psk[KEY_BYTES];
};
void invite_write(struct buffer *out, const struct invite_frame *invite);
MUST_USE enum kith_err invite_read(struct invite_frame *invite, struct frame *frame);

void credit_write(struct buffer *out, uint64_t bytes);
MUST_USE enum kith_err credit_read(uint64_t *bytes, struct frame *frame);
void error_write(struct buffer *out, enum kith_err reason);
/* A reason that is not on the list reads as KITH_MALFORMED. */
MUST_USE enum kith_err error_read(enum kith_err *reason, struct frame *frame);
void retry_write(struct buffer *out, uint32_t seconds);
MUST_USE enum kith_err retry_read(uint32_t *seconds, struct frame *frame);
void bye_write(struct buffer *out);

/* The digest: the sum, modulo 2^64, of the first 8 bytes of the ids of all changes that came from
 * the hub. */
void digest_add(uint8_t digest[static DIGEST_BYTES], const uint8_t id[static HASH_BYTES]);
void digest_remove(uint8_t digest[static DIGEST_BYTES], const uint8_t id[static HASH_BYTES]);

#endif
