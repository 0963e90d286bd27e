/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What still stands between a visit and its signature, and what its reader should know: each said
 * as a person would say it.
 */
#ifndef KITH_CLIENT_CHECK_H
#define KITH_CLIENT_CHECK_H

#include "client/home.h"
#include "client/visit.h"

#define LACKS_MAX 96

struct lacks {
    struct arena *arena;
    struct kith_lack items[LACKS_MAX]; /* beyond that nobody reads them */
    size_t count;
    enum kith_err err;
};

/* What the visit itself tells: missing elements, open decisions, times that cannot be. */
MUST_USE enum kith_err check_visit(struct kith *kith, const struct visit *visit,
                                   struct lacks *lacks);
/* What other records and the clock tell: visits at the same time, credentials. Reads every visit on
 * this device, in a transaction of its own. */
MUST_USE enum kith_err check_around(struct kith *kith, const struct visit *visit,
                                    struct lacks *lacks);
/* Whether something blocks the signature; `only_clock` if that is the clock's warning alone. */
bool check_blocks(const struct lacks *lacks, bool *only_clock);

/* The worker's credential on a day, as text for a signature; "" if there is none. `is_valid` if it
 * was active that day. */
MUST_USE enum kith_err check_credential(struct kith *kith, uint32_t holder, struct bytes day,
                                        char text[static NOTE_CREDENTIAL_MAX], bool *is_valid);

#endif
