/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that compose a device's messages share. */
#ifndef KITH_STORE_FILL_INTERNAL_H
#define KITH_STORE_FILL_INTERNAL_H

#include "store/replica_internal.h"
#include "store/sending.h"

struct filler {
    struct replica *replica;
    struct sending *sending;
    struct store_txn *txn;
    struct buffer *frames;
    size_t room;
    bool is_full;
    bool is_carrying;     /* something is here that came by hand alone */
    bool is_carried_over; /* nothing was, where something had been */
    /* What was found on the way and is to be noted: reading ends before anything is written. */
    bool is_nothing_owed;
    bool is_giving;                   /* see give_back.h */
    bool is_given_back;               /* all was */
    uint64_t done[GRANT_INTENTS_MAX]; /* intents */
    uint32_t done_count;
};

/* Whether so many bytes still fit; once they do not, the filler is full. */
bool filler_has_room(struct filler *filler, size_t bytes);
/* Likewise for one more change of a run that is not written yet. */
bool filler_run_has_room(struct filler *filler, const struct run_writer *run,
                         const struct change *change);
/* A frame with an entry of an access chain and boxes of `key` for these recipients. */
MUST_USE enum kith_err write_circle_entry(struct filler *filler, const struct circle_row *row,
                                          uint32_t epoch, const uint8_t key[static KEY_BYTES],
                                          struct sending_entry *entry);
/* Entries that circles are owed, or that somebody here wants. */
MUST_USE enum kith_err write_grants(struct filler *filler);

#endif
