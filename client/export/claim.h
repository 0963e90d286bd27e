/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was exported of a visit for billing. It is a record of the chart under the visit's id, so
 * every device that bills knows it: each exported line is one entry of it, never changed.
 *
 * A line is new (frequency 1), replaces the one before it (7) or takes it back (8); its version
 * counts up from 1. Devices that export the same visit at the same time, without knowing of each
 * other, give the same version; the line with the greatest version, then the greatest text, stands.
 */
#ifndef KITH_CLIENT_EXPORT_CLAIM_H
#define KITH_CLIENT_EXPORT_CLAIM_H

#include "client/home.h"

#define CLAIM_PRINT_HEX 32

enum claim_frequency { CLAIM_NEW = 1, CLAIM_REPLACES = 7, CLAIM_VOIDS = 8 };

struct claim_line {
    unsigned version; /* 0: nothing was exported */
    enum claim_frequency frequency;
    int64_t minutes;
    int64_t units_tenths;
    char print[CLAIM_PRINT_HEX + 1]; /* of what the line claims: equal for equal lines */
};

/* The line that stands for a visit. */
MUST_USE enum kith_err claim_read(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                                  const uint8_t visit[static ID_BYTES], struct claim_line *line);

struct claim_entry {
    uint8_t circle[ID_BYTES];
    uint8_t visit[ID_BYTES];
    struct claim_line line;
};
/* Writes down what was exported: entries of one chart after another, one change for each chart. */
MUST_USE enum kith_err claim_save(struct kith *kith, const struct claim_entry *entries,
                                  size_t count);

#endif
