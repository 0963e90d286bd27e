/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts that may be of the same person: two people registered somebody without knowing of each
 * other. The same Medicaid number, or the same name and day of birth, is a question to whoever may
 * link charts; nothing is linked or moved by itself.
 */
#ifndef KITH_CLIENT_DUPLICATES_H
#define KITH_CLIENT_DUPLICATES_H

#include "client/home.h"

/* Who a chart is about, as far as that can be compared. Texts are in the arena; "" says nothing. */
struct identity_card {
    uint8_t circle[ID_BYTES];
    uint64_t created_hlc;
    const char *name_and_birth;
    const char *medicaid_id;
    uint8_t duplicate_of[ID_BYTES]; /* zeros: of none */
};

struct duplicates {
    struct arena *arena;
    struct identity_card *cards;
    size_t count;
    size_t room;
};

MUST_USE enum kith_err duplicates_add(struct duplicates *duplicates,
                                      const struct found_record *participant);
/* Calls `tell` for each two charts that may be of the same person and are not linked. Sorts the
 * cards. */
typedef void duplicates_tell(void *owner, const struct identity_card *older,
                             const struct identity_card *newer);
void duplicates_each(struct duplicates *duplicates, duplicates_tell *tell, void *owner);
void duplicates_clear(struct duplicates *duplicates);

#endif
