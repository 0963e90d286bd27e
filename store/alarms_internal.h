/* SPDX-License-Identifier: Apache-2.0 */
/* Where the replica asks whether what it was told fits with what it knows. */
#ifndef KITH_STORE_ALARMS_INTERNAL_H
#define KITH_STORE_ALARMS_INTERNAL_H

#include "store/alarms.h"
#include "store/replica_internal.h"

/* What an alarm about this device itself said is no longer so. */
void alarm_end_at(struct store_txn *txn, enum alarm_kind kind, uint32_t circle);
/* Whether there is one of that kind that is not over. */
bool alarm_is_raised(struct store_txn *txn, enum alarm_kind kind);

/* A change waits for others that its author had read: which of them have not come? */
void evidence_of_seen(struct store_txn *txn, const struct circle_work *work,
                      struct payload payload);
/* The heads that the author of a change knew: are they this device's? */
void evidence_of_heads(struct store_txn *txn, const struct circle_work *work, uint32_t author,
                       const struct payload *payload, uint64_t now_ms);
/* The hub says that there is nothing more: what is still missing is hidden. */
MUST_USE enum kith_err evidence_settle(struct replica *replica, uint64_t now_ms);

/* A change came again. Its author has signed one with this number; with another signature it is
 * another change. */
void alarm_if_another(struct store_txn *txn, const struct circle_work *work,
                      const struct chain_row *chain, uint64_t n, const struct change *change,
                      const struct roster_device *author, uint64_t now_ms);
/* Keeps a change beside the one that counts under its number: nothing that came is thrown away. */
void alarm_keep_proof(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                      const struct log_row *row);
/* The hub's account of the roster, against what was known before the session. */
void alarm_if_roster_is_less(struct store_txn *txn, const struct roster *roster, uint32_t floor,
                             const struct ack_line *line, uint64_t now_ms);
/* A batch was refused at `where`. After a gap, everything is asked for again the next time. */
MUST_USE enum kith_err alarm_refused(struct replica *replica, const struct alarm *where,
                                     enum frame_type type, enum kith_err reason, uint64_t now_ms);

#endif
