/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of a device's tables: every key and value is built and taken apart here and nowhere
 * else.
 *
 * All functions work within the caller's transaction and share its sticky error; what they return
 * after a failure is empty. Views live until the transaction ends or store_forget.
 */
#ifndef KITH_STORE_DEVICE_ROWS_H
#define KITH_STORE_DEVICE_ROWS_H

#include "protocol/change.h"
#include "protocol/circle.h"
#include "protocol/merge.h"
#include "store/txn.h"

bool device_meta_get(struct store_txn *txn, const char *name, struct bytes *value);
void device_meta_put(struct store_txn *txn, const char *name, struct bytes value);

bool device_roster_get(struct store_txn *txn, uint32_t seq, struct bytes *entry);
void device_roster_put(struct store_txn *txn, uint32_t seq, struct bytes entry);

/* Where this device stands with a circle. */
enum circle_part {
    PART_MEMBER = 0, /* in it, as far as the access chain says */
    PART_LEFT = 1,   /* taken out; what it has not delivered is still to go */
    PART_PURGED = 2, /* nothing that could be read is left here */
    PART_COMING = 3, /* let in again: all is being sent anew, the entry that says so comes last */
};

/* A circle as this device knows it. The caller clears it with circle_clear(&row->circle). */
struct circle_row {
    uint32_t number; /* 0: not known */
    struct circle circle;
    uint32_t acked_entries; /* of the access chain: what is at the hub for certain */
    uint32_t owed_roster;   /* how many roster entries there were when nothing was owed last */
    uint32_t
        told_roster; /* the heads that this device's own changes have named last, by their seq */
    uint32_t told_circle;
    enum circle_part part; /* whether this device's person is in it */
};
uint32_t device_circle_number(struct store_txn *txn, const uint8_t circle[static ID_BYTES]);
/* Gives a new circle the next number. */
uint32_t device_circle_new(struct store_txn *txn, const uint8_t circle[static ID_BYTES]);
void device_circle_get(struct store_txn *txn, uint32_t number, struct circle_row *row);
void device_circle_put(struct store_txn *txn, const struct circle_row *row);
/* Numbers run from 1 to this. */
uint32_t device_circle_count(struct store_txn *txn);
bool device_entry_get(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes *entry);
void device_entry_put(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes entry);
void device_entry_delete(struct store_txn *txn, uint32_t circle, uint32_t seq);
bool device_key_get(struct store_txn *txn, uint32_t circle, uint32_t epoch,
                    uint8_t key[static KEY_BYTES]);
void device_key_put(struct store_txn *txn, uint32_t circle, uint32_t epoch,
                    const uint8_t key[static KEY_BYTES]);
void device_key_delete(struct store_txn *txn, uint32_t circle, uint32_t epoch);

/* One device's chain in one circle. This device's own has the number CHAIN_OWN, the others are
 * numbered from 1. */
#define CHAIN_OWN 0
struct chain_row {
    uint32_t number;
    uint32_t device;
    uint64_t received; /* newest n that is here */
    uint8_t head[HASH_BYTES];
    uint64_t applied; /* newest n that is merged */
    uint64_t told;    /* newest n that this device's own changes have named in `seen` */
    uint64_t served;  /* of others: newest n that came from the hub; what is beyond came by hand */
};
/* Loads all chains of a circle into the arena of the transaction, in order of their numbers. */
struct chain_row *device_chains(struct store_txn *txn, uint32_t circle, uint32_t *count);
/* The own chain; empty if nothing was written yet. */
struct chain_row device_chain_own(struct store_txn *txn, uint32_t circle);
void device_chain_put(struct store_txn *txn, uint32_t circle, const struct chain_row *row);
void device_chain_delete(struct store_txn *txn, uint32_t circle, uint32_t chain);

/* A change as received. An own one of epoch 0 is not sealed yet: `change.sealed` is its packed
 * text, id and signature are zeros. */
struct log_row {
    struct change change;
    uint8_t id[HASH_BYTES];
};
bool device_log_get(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                    struct log_row *row);
void device_log_put(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                    const struct log_row *row);
void device_log_delete(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n);
void device_fault_put(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                      enum kith_err reason);

/* The newest receipt of the hub for this device's chain in a circle: the signed lines as they came.
 */
struct receipt_row {
    uint64_t n;
    uint8_t head[HASH_BYTES];
    uint8_t incarnation[8];
    uint8_t signature[SIGNATURE_BYTES];
    struct bytes lines;
};
bool device_receipt_get(struct store_txn *txn, uint32_t circle, struct receipt_row *row);
void device_receipt_put(struct store_txn *txn, uint32_t circle, const struct receipt_row *row);

void device_receipt_delete(struct store_txn *txn, uint32_t circle);

/* What the hub refused: kind as in enum ack_kind. */
void device_refused_put(struct store_txn *txn, uint32_t circle, unsigned kind, uint64_t n,
                        enum kith_err reason);
void device_refused_delete(struct store_txn *txn, uint32_t circle, unsigned kind, uint64_t n);
struct refused_row {
    uint32_t circle;
    unsigned kind;
    uint64_t n;
    enum kith_err reason;
};
struct store_walk device_refusals(struct store_txn *txn, uint32_t circle);
bool device_refused_next(struct store_walk *walk, struct refused_row *row);

/* What is to be written into a circle's access chain at the next contact. */
enum intent_kind {
    INTENT_GRANT = 1,    /* member */
    INTENT_WITHDRAW = 2, /* member.person, leaving */
    INTENT_ADMIT = 3,    /* device, n, id */
    INTENT_REJECT = 4,   /* device, n, id, reason */
};
struct intent_row {
    uint64_t number; /* 0: give it the next */
    enum intent_kind kind;
    uint32_t circle;
    struct circle_member member;
    enum leaving leaving;
    uint32_t device;
    uint64_t n;
    uint8_t id[HASH_BYTES];
    struct bytes reason;
};
void device_intent_put(struct store_txn *txn, struct intent_row *row);
void device_intent_delete(struct store_txn *txn, uint64_t number);
struct store_walk device_intents(struct store_txn *txn);
bool device_intent_next(struct store_walk *walk, struct intent_row *row);

/* Merged records. */
struct record_place {
    uint32_t circle;
    uint32_t type;
    uint32_t number; /* over all circles, from 1; 0: not known */
};
struct record_place device_record_find(struct store_txn *txn, uint32_t circle,
                                       const uint8_t circle_id[static ID_BYTES], uint32_t type,
                                       const uint8_t record[static ID_BYTES]);
struct record_place device_record_new(struct store_txn *txn, uint32_t circle,
                                      const uint8_t circle_id[static ID_BYTES], uint32_t type,
                                      const uint8_t record[static ID_BYTES]);
bool device_record_get(struct store_txn *txn, const struct record_place *place,
                       struct bytes *value);
void device_record_put(struct store_txn *txn, const struct record_place *place, struct bytes value);
void device_record_delete(struct store_txn *txn, const struct record_place *place);
uint64_t device_record_count(struct store_txn *txn);
/* Walks the records of a circle, of one type unless `type` is 0. */
struct store_walk device_records(struct store_txn *txn, uint32_t circle, uint32_t type);
bool device_record_next(struct store_walk *walk, struct record_place *place);

/* Which changes have touched a record. */
void device_touch_delete(struct store_txn *txn, uint32_t record, uint32_t chain, uint64_t n);
void device_touch_put(struct store_txn *txn, uint32_t record, uint32_t chain, uint64_t n);
struct store_walk device_touches(struct store_txn *txn, uint32_t record);
bool device_touch_next(struct store_walk *walk, uint32_t *chain, uint64_t *n);

#endif
