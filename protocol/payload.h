/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside a change: when, what its author had seen, and the operations of one save.
 *
 * Layout: [hlc, [device, n, ...], heads or nil, [record, type, [operation, ...], record, type,
 * [...], ...]]. `seen` names, for each other device of the circle whose changes arrived since the
 * author's previous change, its newest n. `heads` are the chain heads (roster, circle) that the
 * author knew, when they are others than in its previous change. An operation is [field, kind,
 * [device, n, ...], value] or, KEYED, [field, kind, [...], value, key]. The readers borrow from the
 * message. Source: docs/protocol.md, section 5.3.
 */
#ifndef KITH_PROTOCOL_PAYLOAD_H
#define KITH_PROTOCOL_PAYLOAD_H

#include "protocol/bytes.h"
#include "protocol/limits.h"
#include "protocol/wire.h"

/* Names one change of a circle, and with a register the value that it wrote there. */
struct dot {
    uint32_t device;
    uint64_t n;
};

int dot_compare(struct dot a, struct dot b);

/* A flat list of dots, [device, n, ...], ascending, so that there is one way to say it. Reading
 * checks it, leaves its content in `content` and gives how many there are, at most `max`. */
uint32_t dots_read(struct wire_in *in, uint32_t max, struct bytes *content);
void dots_write(struct buffer *out, const struct dot *dots, uint32_t count);
/* Takes the next dot off `content`; false when `count` is 0. */
bool dots_next(struct bytes *content, uint32_t *count, struct dot *dot);

/* What an operation does to which register. */
enum op_kind {
    OP_PUT = 0,    /* the field's one value */
    OP_ADD = 1,    /* `value` is an element of the set */
    OP_DROP = 2,   /* the element `value` is taken out; adds nothing */
    OP_APPEND = 3, /* one more entry of the list, for ever */
    OP_KEYED = 4,  /* the value under `key` */
};
#define OP_KINDS 5

struct op {
    uint8_t record[ID_BYTES];
    uint32_t type;
    uint32_t field;
    enum op_kind kind;
    struct bytes supersedes; /* the array's content; read it with op_supersedes */
    uint32_t supersedes_count;
    struct bytes value; /* one encoded value */
    struct bytes key;   /* OP_KEYED: one encoded value; otherwise empty */
};

#define HEAD_PREFIX_BYTES 16

struct payload_heads {
    bool is_present;
    uint32_t roster_seq;
    uint8_t roster[HEAD_PREFIX_BYTES];
    uint32_t circle_seq;
    uint8_t circle[HEAD_PREFIX_BYTES];
};

/* Reading. The whole payload is checked by payload_open; the steps after it cannot fail. */
struct payload {
    uint64_t hlc;
    struct bytes seen;
    uint32_t seen_count;
    struct payload_heads heads;
    struct wire_in records;
    uint32_t items_left; /* of the list of records */
    uint32_t ops_left;   /* of the current record */
    uint8_t record[ID_BYTES];
    uint32_t type;
};

MUST_USE enum kith_err payload_open(struct payload *payload, struct bytes text);
/* The i-th dot that must have been applied before, i < seen_count. Sequential use is linear. */
bool payload_next_seen(struct payload *payload, struct dot *dot);
bool payload_next_op(struct payload *payload, struct op *op);
/* Reads the next dot out of op->supersedes, which shrinks. */
bool op_next_superseded(struct op *op, struct dot *dot);

/* Writing: begin, the operations in the order of their records, end. */
struct payload_writer {
    struct buffer *out;
    struct buffer ops;     /* of the current record */
    struct buffer records; /* finished ones */
    uint32_t op_count;
    uint32_t item_count;
    uint32_t total;
    uint8_t record[ID_BYTES];
    uint32_t type;
};

void payload_begin(struct payload_writer *writer, struct buffer *out, uint64_t hlc,
                   const struct dot *seen, uint32_t seen_count, const struct payload_heads *heads);
/* `supersedes` as dots; the op's own view of them is not used. */
void payload_add(struct payload_writer *writer, const struct op *op, const struct dot *supersedes,
                 uint32_t count);
MUST_USE enum kith_err payload_end(struct payload_writer *writer);

#endif
