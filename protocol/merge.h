/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge: one mechanism that keeps everything, and seven ways to read it.
 *
 * A record is a set of registers. A register is addressed by field and element (empty, a set's
 * element, a key, or an entry's own dot) and holds every value that no known operation has
 * replaced, each under the dot that wrote it. An operation adds its value and takes away exactly
 * the dots it names. Applied in causal order and once each, the state is a function of the set of
 * changes alone. No clock takes part in that. A field's class decides only how several concurrent
 * values are read. A record's encoding is canonical: equal states are equal bytes. Source:
 * docs/protocol.md, section 9; multi-value registers and observed-remove sets after Shapiro et al.,
 * "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011.
 */
#ifndef KITH_PROTOCOL_MERGE_H
#define KITH_PROTOCOL_MERGE_H

#include "protocol/payload.h"

enum merge_class {
    MERGE_LAST,      /* the greatest (hlc, device) is read; the others stay in the history */
    MERGE_SET,       /* an element is present if any live value says so */
    MERGE_RESTRICT,  /* the most restrictive, by the field's order */
    MERGE_NARRATIVE, /* unresolved: all are shown, a person settles it */
    MERGE_EXACT,     /* unresolved likewise; equal values are one */
    MERGE_FIXED,     /* set at creation; a second value is a fault */
    MERGE_ENTRIES,   /* append-only */
};

/* One live value. `value` is one encoded msgpack value. */
struct live {
    struct dot dot;
    uint64_t hlc;
    struct bytes value;
};

struct merge_register {
    uint32_t field;
    struct bytes element; /* encoded; empty for a plain field */
    struct live *live;    /* ascending by dot */
    uint32_t live_count;
};

/* A record, its registers ascending by field and element. All memory is in the arena it was read
 * into. */
struct record {
    uint8_t id[ID_BYTES];
    uint32_t type;
    struct dot created; /* its first applied change: the least by (hlc, dot) */
    uint64_t created_hlc;
    struct dot touched; /* the greatest by (hlc, dot) */
    uint64_t touched_hlc;
    struct merge_register *registers;
    uint32_t register_count;
    uint32_t register_room;
    struct arena *arena;
};

/* A record of which nothing is known yet. */
void record_begin(struct record *record, struct arena *arena, const uint8_t id[static ID_BYTES],
                  uint32_t type);
/* Reads an encoded record; views borrow from `bytes`. */
MUST_USE enum kith_err record_decode(struct record *record, struct arena *arena,
                                     struct bytes bytes);
void record_encode(const struct record *record, struct buffer *out);

/* Applies one operation of the change `dot`, written at `hlc`. The op's bytes must live as long as
 * the record. A dot that is there already is left alone: applying twice changes nothing. */
MUST_USE enum kith_err record_apply(struct record *record, const struct op *op, struct dot dot,
                                    uint64_t hlc);

/* The register of a field's element; NULL if nothing live is there. */
const struct merge_register *record_register(const struct record *record, uint32_t field,
                                             struct bytes element);
/* The registers of one field, in order of their elements: the first one and how many. */
const struct merge_register *record_field(const struct record *record, uint32_t field,
                                          uint32_t *count);

/* How a register reads: the value that stands for it, and whether a person must decide between
 * several. RESTRICT: `rank` gives a value's place, the greatest wins (NULL: as LAST). NULL if
 * nothing is live. */
typedef int merge_rank(struct bytes value);
const struct live *merge_read(const struct merge_register *reg, enum merge_class class,
                              merge_rank *rank, bool *is_unsettled);

#endif
