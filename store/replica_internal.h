/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up the replica share. */
#ifndef KITH_STORE_REPLICA_INTERNAL_H
#define KITH_STORE_REPLICA_INTERNAL_H

#include "store/replica.h"

struct replica {
    struct store *store;
    struct identity identity;
    struct roster roster;
};

/* A circle in hand: its row, its chains, its keys so far. Lives within one transaction. */
struct circle_work {
    struct circle_row row;
    struct chain_row *chains;
    uint32_t chain_count;
    uint32_t chain_room;
    uint8_t epoch_key[KEY_BYTES];
    uint32_t epoch; /* that epoch_key is of; 0: none yet */
    bool is_row_changed;
};

/* KITH_UNKNOWN_CIRCLE if there is no such circle. End it with circle_work_end, which writes what
 * changed. */
MUST_USE enum kith_err circle_work_begin(struct store_txn *txn,
                                         const uint8_t circle[static ID_BYTES],
                                         struct circle_work *work);
void circle_work_end(struct store_txn *txn, struct circle_work *work);
/* The chain of a device, made when there is none; NULL without memory. Valid until the next call.
 */
struct chain_row *circle_work_chain(struct store_txn *txn, struct circle_work *work,
                                    uint32_t device, bool is_own);
/* The key of an epoch: KITH_NO_KEY if it has not arrived. */
MUST_USE enum kith_err circle_work_key(struct store_txn *txn, struct circle_work *work,
                                       uint32_t epoch);
/* The header of a change of a chain; `prev` is the caller's. */
void change_header_of(const struct circle_work *work, const struct chain_row *chain,
                      const struct log_row *row, uint64_t n, struct change_header *header);

/* Appends the text of a change that is in the log. NO_KEY if its epoch's key has not arrived,
 * DAMAGED if it is not there; otherwise what change_open says. */
MUST_USE enum kith_err circle_work_text(struct store_txn *txn, struct circle_work *work,
                                        const struct chain_row *chain, uint64_t n,
                                        struct buffer *text);

/* Whether what is saved now cannot be sealed yet: the key is missing, or somebody outside has it,
 * or what was saved before waits. */
bool late_is_due(const struct replica *replica, struct store_txn *txn, struct circle_work *work);
/* Logs the text as the next change of the own chain, to be sealed later. */
void late_put(struct store_txn *txn, struct circle_work *work, struct chain_row *own,
              enum change_class class, struct bytes text);
/* Seals what waits, if that can be done now: true if anything was. */
bool late_seal(const struct replica *replica, struct store_txn *txn, struct circle_work *work);
/* The same in all circles: for a device that was ended, to which no circle is sent any more. */
MUST_USE enum kith_err late_seal_all(struct replica *replica);
/* The newest number of the own chain that is sealed. */
uint64_t late_sealed_through(struct store_txn *txn, uint32_t circle, const struct chain_row *own);

/* Every older key that the newest one leads to. */
void circle_work_history(struct store_txn *txn, struct circle_work *work);
/* Takes out what was merged, to be merged again from the log. */
void circle_work_recount(struct store_txn *txn, struct circle_work *work);
/* Whether a change that is here counts for nothing: it lies beyond the cut of its device. */
bool circle_work_is_beyond(struct store_txn *txn, const struct circle_work *work,
                           const struct chain_row *chain, uint64_t n);
/* Likewise for what may not be here. */
bool circle_work_is_cut_off(struct store_txn *txn, const struct circle_work *work, struct dot dot);

/* Forgets that own changes through n were refused for that reason; KITH_OK: for any. */
void refusals_forget(struct store_txn *txn, uint32_t circle, enum kith_err reason, uint64_t n);
/* Whoever is sent changes of a circle it has left has been let in again: all of them come anew. */
void circle_work_welcome(struct store_txn *txn, struct circle_work *work);

/* What has come of a chain waits for no decision any more. */
void waitings_settle(struct store_txn *txn, const struct circle_work *work,
                     const struct chain_row *chain);

/* How things stood before an entry joined the access chain. */
struct before_entry {
    bool is_served;
    uint64_t counted; /* changes that count, of those that are here */
    uint32_t cuts;
};
struct before_entry before_entry(const struct replica *replica, struct store_txn *txn,
                                 const struct circle_work *work);
/* What the entry means for what is here: what counts, what waits for a decision, whether this
 * device is in the circle. FORKED if a cut names another change than the one that is here. */
MUST_USE enum kith_err after_entry(const struct replica *replica, struct store_txn *txn,
                                   struct circle_work *work, const struct before_entry *before,
                                   struct bytes entry, struct hub_state *hub);

/* Merges what can be merged of a circle's chains. */
void replica_merge(struct store_txn *txn, struct circle_work *work, uint64_t now_ms);
/* Merges one change whose text is known. */
void replica_merge_text(struct store_txn *txn, struct circle_work *work,
                        const struct chain_row *chain, uint64_t n, struct bytes text,
                        uint64_t now_ms);

/* The identity as a fixed row, and back: false if it is none. */
#define IDENTITY_BYTES (ID_BYTES + 4 + SIGN_KEY_BYTES + KEY_BYTES * 5 + ADDRESS_MAX)
extern const char meta_identity[];
void identity_encode(const struct identity *identity, uint8_t to[static IDENTITY_BYTES]);
bool identity_decode(struct identity *identity, struct bytes row);

/* A run of this device's own changes that the hub hands out: it has others than this device has
 * written, which is noted, or it lies: SIGNATURE, GAP. */
MUST_USE enum kith_err renew_own_run(struct store_txn *txn, const struct circle_work *work,
                                     const struct roster_device *self, struct run *run,
                                     uint64_t now_ms);

uint64_t replica_last_hlc(struct store_txn *txn);
void replica_put_hlc(struct store_txn *txn, uint64_t hlc);
void replica_hub_get(struct store_txn *txn, struct hub_state *hub);
void replica_hub_put(struct store_txn *txn, const struct hub_state *hub);
/* 0 when every circle has been looked at since the roster's newest entry. */
bool replica_is_owed_checked(struct store_txn *txn, const struct roster *roster);
void replica_set_owed_checked(struct store_txn *txn, uint32_t roster_count);
/* Whether changes of others may be here that came by hand and that the hub has not served. */
bool replica_is_carrying(struct store_txn *txn);
void replica_set_carrying(struct store_txn *txn, bool is_carrying);
MUST_USE enum kith_err replica_read_roster(struct replica *replica);

#endif
