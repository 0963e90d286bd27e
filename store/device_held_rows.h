/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of what a hub holds: of this device's own changes, and of others' that this device's
 * person may decide about.
 *
 * As in device_rows.h: all within the caller's transaction, sharing its sticky error.
 */
#ifndef KITH_STORE_DEVICE_HELD_ROWS_H
#define KITH_STORE_DEVICE_HELD_ROWS_H

#include "store/device_rows.h"

/* Through which n the hub holds this device's own chain of a circle, beyond what counts there. */
struct kept_row {
    uint64_t n;
    uint8_t head[HASH_BYTES];
};
/* Zeros if nothing is. */
struct kept_row device_kept_get(struct store_txn *txn, uint32_t circle);
void device_kept_put(struct store_txn *txn, uint32_t circle, const struct kept_row *row);
void device_kept_delete(struct store_txn *txn, uint32_t circle);

/* Somebody else's change that waits for a decision, or was rejected. */
struct waiting_row {
    uint32_t circle;
    uint32_t device;
    uint64_t n;
    bool is_rejected;
    enum leaving leaving;
    uint64_t time_s;
    uint8_t prev[HASH_BYTES];
    uint8_t id[HASH_BYTES];
    struct change change;
};
void device_waiting_put(struct store_txn *txn, const struct waiting_row *row);
/* Whether it is here and was rejected. */
bool device_waiting_is_rejected(struct store_txn *txn, const struct waiting_row *row);
void device_waiting_delete(struct store_txn *txn, const struct waiting_row *row);
/* Walks those of a circle; of all circles if it is 0. */
struct store_walk device_waitings(struct store_txn *txn, uint32_t circle);
bool device_waiting_next(struct store_walk *walk, struct waiting_row *row);

#endif
