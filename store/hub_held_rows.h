/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of what a hub holds of devices that left, and of who was taken out of which circle.
 *
 * As in hub_rows.h: all within the caller's transaction, sharing its sticky error.
 */
#ifndef KITH_STORE_HUB_HELD_ROWS_H
#define KITH_STORE_HUB_HELD_ROWS_H

#include "store/hub_rows.h"

enum held_state { HELD_OPEN = 1, HELD_REJECTED = 2 };

/* A change beyond a cut. Its bytes are an item of the log (HUB_ITEM_HELD). */
struct held_row {
    uint32_t circle;
    uint32_t device;
    uint64_t n;
    uint64_t sequence; /* of the item */
    uint64_t time_s;
    enum held_state state;
    enum leaving leaving;
    uint8_t id[HASH_BYTES];
};
bool hub_held_get(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                  struct held_row *row);
void hub_held_put(struct store_txn *txn, const struct held_row *row);
void hub_held_delete(struct store_txn *txn, const struct held_row *row);
/* How many wait for a decision. */
uint64_t hub_held_count(struct store_txn *txn);

/* How much is held of a device, over all circles. */
struct held_sum {
    uint64_t count;
    uint64_t bytes;
};
struct held_sum hub_held_sum(struct store_txn *txn, uint32_t device);
void hub_held_sum_put(struct store_txn *txn, uint32_t device, const struct held_sum *sum);

/* Where a device's chain ends, with what is held of it. */
struct chain_head hub_tail(struct store_txn *txn, uint32_t circle, uint32_t device);
/* The id of a device's n-th change, counted or held; false if it is not here. */
bool hub_known_id(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                  uint8_t id[static HASH_BYTES]);

/* A device was taken out of a circle: it is told so, and nothing else, when it asks. */
struct removal_row {
    uint32_t circle;
    uint64_t granted;  /* since when it had been served */
    uint64_t sequence; /* of the entry that took it out */
};
/* Under the device's next index, from 1. */
void hub_removal_add(struct store_txn *txn, uint32_t device, const struct removal_row *row);
bool hub_removal_get(struct store_txn *txn, uint32_t device, uint32_t index,
                     struct removal_row *row);

#endif
