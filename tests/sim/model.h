/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: what was saved, in plain arrays, and what must be live after any causally closed part
 * of it.
 *
 * A change carries its causal past as the device had it when the person saved: for every device,
 * how many of its changes were merged. A value is live among a set of changes if no operation of
 * the set on the same register has it in its past. Merging, dots, clocks and encodings play no part
 * here, so none of their faults can hide.
 */
#ifndef KITH_TESTS_SIM_MODEL_H
#define KITH_TESTS_SIM_MODEL_H

#include "protocol/payload.h"

#define SIM_NUMBERS_MAX 24  /* device and person numbers, those of lost invitations included */
#define SIM_CIRCLES_MAX 5   /* the agency's one is 0 */
#define SIM_CHANGES_MAX 400 /* of one schedule */
#define SIM_OPS_MAX     3
#define SIM_RECORDS     3 /* of one circle */

/* A chart has a participant, a visit and its note. */
enum { SIM_PARTICIPANT, SIM_VISIT, SIM_NOTE };

/* The fields that people write; the first of a visit says whose it is. */
enum { FIELD_ONE = 2, FIELD_TWO, FIELD_SET, FIELD_LIST, FIELD_KEYED };

struct model_op {
    uint32_t record;
    uint32_t field;
    enum op_kind kind;
    uint32_t value; /* a number that stands for a text */
    uint32_t key;   /* OP_KEYED */
};

/* How many changes of each device, by its number. */
struct past {
    uint32_t n[SIM_NUMBERS_MAX];
};

struct model_change {
    uint32_t circle;
    uint32_t device;
    uint32_t n;
    struct past past; /* of this circle */
    struct model_op ops[SIM_OPS_MAX];
    uint32_t op_count;
    uint32_t epoch_floor; /* no epoch below this one may seal it, as far as its author knew */
};

struct model {
    struct model_change changes[SIM_CHANGES_MAX];
    uint32_t count;
    /* Index into `changes`, plus one, of the n-th change of a device in a circle, less one. */
    uint16_t place[SIM_CIRCLES_MAX][SIM_NUMBERS_MAX][SIM_CHANGES_MAX];
    struct past saved[SIM_CIRCLES_MAX];
};

void model_clear(struct model *model);
void model_add(struct model *model, const struct model_change *change);
/* NULL if nobody saved it. */
const struct model_change *model_find(const struct model *model, uint32_t circle, uint32_t device,
                                      uint64_t n);
/* Whether `op` of `change` stands, given everything in `past`. */
bool model_is_live(const struct model *model, const struct past *past,
                   const struct model_change *change, const struct model_op *op);
/* Whether a save on top of `past` leaves `op` out, because it would write what is there alone. */
bool model_is_idle(const struct model *model, uint32_t circle, const struct past *past,
                   const struct model_op *op);
/* Whether everything that a part of `past` had in its own past is there too. */
bool model_is_closed(const struct model *model, uint32_t circle, const struct past *past);
bool past_has(const struct past *past, uint32_t device, uint64_t n);

#endif
