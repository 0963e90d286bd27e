/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the agency's rule packs holds for a visit, and what it asks of that visit.
 *
 * It is the pack in force on the day of the visit, for the payer of whoever was visited.
 */
#ifndef KITH_CLIENT_RULEBOOK_H
#define KITH_CLIENT_RULEBOOK_H

#include "client/home.h"
#include "client/visit.h"

/* The payer of a chart's participant; empty if none is said, or several are. The view lives as long
 * as the transaction's arena. */
MUST_USE enum kith_err rulebook_payer(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                                      struct bytes *payer);
/* The pack that holds for the visit. It lives until home_forget_names. */
MUST_USE enum kith_err rulebook_of(struct kith *kith, const struct visit *visit,
                                   const struct rules **rules);
/* By when the note must be signed, in ms since 1970; false while the time of the visit is not
 * known. */
bool rulebook_due(const struct rules *rules, const struct visit *visit, int64_t *due_ms);
/* Whether the visit needs a co-signature: its author's role when it was signed decides. */
bool rulebook_needs_cosign(const struct rules *rules, const struct roster *roster,
                           const struct visit *visit);

#endif
