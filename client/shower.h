/* SPDX-License-Identifier: Apache-2.0 */
/* What showing a record and showing a note share. */
#ifndef KITH_CLIENT_SHOWER_H
#define KITH_CLIENT_SHOWER_H

#include "client/home.h"
#include "client/visit.h"

/* What kith_record_show gives out: the public struct first, its memory behind it. */
struct record_shown {
    struct kith_record public;
    struct arena arena;
};

/* Fields that the schema does not have: participant, signature. */
#define SHOWER_FIELDS_MORE 2

struct shower {
    struct kith *kith;
    const struct schema_type *type;
    struct record_shown *shown;
    struct kith_field *fields;
    uint64_t own_n; /* the newest own change with something live here */
    bool is_whole;  /* one record with all there is about it; else one of a list */
};

/* A copy in the arena; NULL without memory. */
const char *shower_copy(struct arena *arena, const char *text);
/* A value with who wrote it, when and where. */
MUST_USE enum kith_err shower_live(struct shower *shower, const struct schema_field *field,
                                   struct bytes value, const struct live *live,
                                   struct kith_value *shown);

/* Shows a record as one of a list, and adds it at the end. `room` is how many fit so far. */
MUST_USE enum kith_err record_list_add(struct kith *kith, struct store_txn *txn,
                                       const struct schema_type *type,
                                       const struct found_record *found, struct kith_list *list,
                                       size_t *room);

/* All records of a type in one chart, each with all there is about it, the oldest first: for an
 * export, which says in the device's log what was read. Freed with kith_list_free. */
MUST_USE enum kith_err record_list_chart(struct kith *kith, const char *word,
                                         const uint8_t circle[static ID_BYTES],
                                         struct kith_list **list);

/* Fills in what a visit has beyond its fields: in client/show_note.c. */
MUST_USE enum kith_err show_note(struct shower *shower, const struct visit *visit);

#endif
