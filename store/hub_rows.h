/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the hub's tables: every key and value is built and taken apart here and nowhere else.
 *
 * All functions work within the caller's transaction and share its sticky error; what they return
 * after a failure is empty. Views live until the transaction ends or store_forget.
 */
#ifndef KITH_STORE_HUB_ROWS_H
#define KITH_STORE_HUB_ROWS_H

#include "protocol/change.h"
#include "protocol/circle.h"
#include "store/txn.h"

/* Values by name: keys, incarnation. */
bool hub_meta_get(struct store_txn *txn, const char *name, struct bytes *value);
void hub_meta_put(struct store_txn *txn, const char *name, struct bytes value);

bool hub_roster_get(struct store_txn *txn, uint32_t seq, struct bytes *entry);
void hub_roster_put(struct store_txn *txn, uint32_t seq, struct bytes entry);
bool hub_psk_get(struct store_txn *txn, uint32_t device, uint8_t psk[static KEY_BYTES]);
void hub_psk_put(struct store_txn *txn, uint32_t device, const uint8_t psk[static KEY_BYTES]);
void hub_psk_delete(struct store_txn *txn, uint32_t device);

/* A circle's number in this store; 0 if it is not known. */
uint32_t hub_circle_number(struct store_txn *txn, const uint8_t circle[static ID_BYTES]);
/* Gives a new circle the next number. */
uint32_t hub_circle_new(struct store_txn *txn, const uint8_t circle[static ID_BYTES]);
/* The state of the access chain; the caller clears it. */
void hub_circle_get(struct store_txn *txn, uint32_t number, struct circle *circle);
void hub_circle_put(struct store_txn *txn, uint32_t number, const struct circle *circle);
bool hub_entry_get(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes *entry);
void hub_entry_put(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes entry);
bool hub_box_get(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device,
                 struct bytes *box);
void hub_box_put(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device,
                 struct bytes box);
void hub_box_delete(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device);

/* How many changes of a device are in the log. */
uint64_t hub_written(struct store_txn *txn, uint32_t device);
void hub_written_add(struct store_txn *txn, uint32_t device, uint64_t count);

/* Since which sequence a device is served a circle. */
void hub_grant_put(struct store_txn *txn, uint32_t device, uint32_t circle, uint64_t sequence);
void hub_grant_delete(struct store_txn *txn, uint32_t device, uint32_t circle);
bool hub_is_granted(struct store_txn *txn, uint32_t device, uint32_t circle);
/* Since when; 0 if it is not. */
uint64_t hub_granted(struct store_txn *txn, uint32_t device, uint32_t circle);
/* Walks the grants of one device: `walk` from hub_grants, then hub_grant_next until false, then
 * store_walk_end. */
struct store_walk hub_grants(struct store_txn *txn, uint32_t device);
bool hub_grant_next(struct store_walk *walk, uint32_t *circle, uint64_t *sequence);

/* The newest sequence of the whole log and of one circle. */
uint64_t hub_sequence(struct store_txn *txn);
uint64_t hub_circle_last(struct store_txn *txn, uint32_t circle);
/* The newest sequence of a circle that is not above `through`; 0 if there is none. */
uint64_t hub_circle_last_through(struct store_txn *txn, uint32_t circle, uint64_t through);
/* The first sequence of a circle after `after`; 0 if there is none. */
uint64_t hub_circle_after(struct store_txn *txn, uint32_t circle, uint64_t after);
/* Likewise, with the device that wrote it if it is a change; 0 otherwise. */
uint64_t hub_circle_next(struct store_txn *txn, uint32_t circle, uint64_t after, uint32_t *author);

/* The newest change of a device in a circle; n 0 and zeros if there is none. */
struct chain_head {
    uint64_t n;
    uint8_t id[HASH_BYTES];
};
struct chain_head hub_chain_head(struct store_txn *txn, uint32_t circle, uint32_t device);

/* One item of the log. */
enum hub_item_kind { HUB_ITEM_CHANGE = 1, HUB_ITEM_ENTRY = 2, HUB_ITEM_HELD = 3 };
struct hub_item {
    enum hub_item_kind kind;
    uint32_t circle;
    uint32_t device;        /* the author */
    uint64_t n;             /* CHANGE, HELD; ENTRY: the entry's seq */
    uint8_t id[HASH_BYTES]; /* CHANGE, HELD */
    struct change change;   /* CHANGE, HELD */
};
/* Adds an item under the next sequence, with all indexes; returns the sequence. */
uint64_t hub_item_add(struct store_txn *txn, const struct hub_item *item);
/* A chain that several changes in a row are added to: its head, and the circle's newest sequence,
 * are written once, when it is closed. Until then nothing else is added to that circle, and neither
 * is read. Zero is a closed one; opening the one that is open costs nothing. */
struct hub_chain {
    uint32_t circle; /* 0: closed */
    uint32_t device;
    struct chain_head head;
    uint64_t sequence; /* of what was added; 0: nothing was */
};
void hub_chain_open(struct store_txn *txn, struct hub_chain *chain, uint32_t circle,
                    uint32_t device);
/* Adds a CHANGE of the open chain. */
void hub_chain_add(struct store_txn *txn, struct hub_chain *chain, const struct hub_item *item);
void hub_chain_close(struct store_txn *txn, struct hub_chain *chain);
bool hub_item_get(struct store_txn *txn, uint64_t sequence, struct hub_item *item);
/* Walks the urgent changes after a sequence: hub_urgent, hub_urgent_next until false, then
 * store_walk_end. */
bool hub_is_urgent(struct store_txn *txn, uint64_t sequence);
struct store_walk hub_urgent(struct store_txn *txn, uint64_t after);
bool hub_urgent_next(struct store_walk *walk, uint64_t *sequence, uint32_t *circle);
/* The id of a device's n-th change in a circle; false if it is not here. */
bool hub_change_id(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                   uint8_t id[static HASH_BYTES]);

#endif
