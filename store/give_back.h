/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub that was restored from a backup lacks what came after it. It has another incarnation, by
 * which every device notices, and gives back what it has: the roster's entries, its circles' access
 * chains with sealed keys, its own changes and those of others.
 *
 * 1. When a device hears another incarnation, all that it believed about the hub is forgotten in
 * one step: receipts, the place in each access chain, what of others was served, cursor and digest.
 * 2. The hub serves everything once more, and so says what it has. Until that is known nothing is
 * sent.
 * 3. Then what it lacks goes there: roster, access chains, others' changes, own ones. Several
 * devices may do so at once; what is there already is acknowledged like anything that comes twice.
 */
#ifndef KITH_STORE_GIVE_BACK_H
#define KITH_STORE_GIVE_BACK_H

#include "store/fill_internal.h"

/* Whether this device gives back, and how many entries of the roster the hub is known to have. */
bool give_back_is_on(struct store_txn *txn, uint32_t *roster_at_hub);
/* Whether the hub is another than the one that `hub` is about. */
bool give_back_is_due(const struct hub_state *hub, const struct welcome *welcome);
void give_back_begin(struct store_txn *txn, struct hub_state *hub, const struct welcome *welcome,
                     uint64_t now_ms);
/* Whether that began within GIVE_BACK_DAYS: what others speak of and the hub does not show may
 * still come back. */
#define GIVE_BACK_DAYS 14
bool give_back_is_recent(struct store_txn *txn, uint64_t now_ms);
/* The hub has the roster through here; nothing is done if none is given back. */
void give_back_note_roster(struct store_txn *txn, uint32_t at_hub);
void give_back_end(struct store_txn *txn);

/* Writes entries of the roster that the hub lacks. True if it lacks some: nothing else can go
 * before it has them. */
bool give_back_roster(struct filler *filler, uint32_t at_hub);
/* Writes entries of a circle's access chain that the hub lacks, after `at_hub`, with the sealed
 * keys that are good now. */
MUST_USE enum kith_err give_back_entries(struct filler *filler, struct sending_circle *circle);

#endif
