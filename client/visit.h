/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A visit as it reads: facts and note, which of what was written belongs to the signed content, the
 * steps of its life, and the edits that came too late for it.
 *
 * What is signed is made again from the changes that the signature fixed, and checked against its
 * hash. All memory is in the transaction's arena.
 */
#ifndef KITH_CLIENT_VISIT_H
#define KITH_CLIENT_VISIT_H

#include "client/schema.h"
#include "protocol/note.h"
#include "store/replica.h"

/* An operation on a content field that the standing signature does not cover. */
struct late_edit {
    uint32_t type;
    struct op op;
    struct dot dot;
    uint64_t hlc;
    bool is_taken; /* an addendum speaks for it */
};

struct visit {
    struct note_place place;
    struct found_record found; /* the facts as merged, with the steps */
    struct found_record found_note;
    bool has_note;       /* as merged */
    struct record facts; /* what stands: the signed content, or what is merged so far */
    struct record note;  /* likewise; empty without a note */
    uint32_t specialist;
    struct note_step *steps; /* the order of their dots */
    uint32_t step_count;
    struct note_life life;
    struct late_edit *late; /* in the order of (hlc, dot) */
    uint32_t late_count;
    bool is_content_damaged; /* what the signature fixed does not give the hash that it names */
};

/* Reads facts and steps only: where the visit stands, not what came too late for it. */
MUST_USE enum kith_err visit_read_life(struct store_txn *txn, const struct roster *roster,
                                       const struct found_record *facts, struct visit *visit);
/* Reads everything about a visit. DAMAGED if a stored change does not open; otherwise what reading
 * the store gives. */
MUST_USE enum kith_err visit_read(struct store_txn *txn, const struct roster *roster,
                                  const struct found_record *facts, struct visit *visit);
/* A field as it stands, encoded: of a signed note what was signed, or what an addendum that
 * nobody amended again corrected it to. An empty view if it says nothing, or several things. */
struct bytes visit_value(const struct visit *visit, uint32_t type, uint32_t field);
/* Likewise, of a field with text. */
struct bytes visit_text(const struct visit *visit, uint32_t type, uint32_t field);
/* Whether addenda that know nothing of each other correct the field to different values. */
bool visit_is_amended_twice(const struct visit *visit, uint32_t type, uint32_t field);
/* Begin and end in milliseconds since 1970; false while they are not both known. */
bool visit_span(const struct visit *visit, int64_t *start_ms, int64_t *end_ms);
/* Minutes of service: from begin to end without the interruptions; -1 while that is not known. */
int64_t visit_minutes(const struct visit *visit);

/* Noon of the day of the visit, as ms since 1970; false while it is not known. */
bool visit_day(const struct visit *visit, int64_t *ms);
/* Of signatures over different content made at the same time, the one at a place from 1; NULL if
 * there is none. */
const struct note_step *visit_rival(const struct visit *visit, size_t place);

/* What makes up the content a signature names, from the log: `facts` and `note` get the records,
 * and `late` what was written to them beside it. */
MUST_USE enum kith_err visit_signed_content(struct store_txn *txn, struct visit *visit,
                                            const struct note_step *sign, struct record *facts,
                                            struct record *note);
/* The record as content is hashed: NULL for one without registers, which stands for a note that was
 * not there when the visit was signed. */
const struct record *visit_record_or_none(const struct record *record);
/* Whether the signature that stands verifies, and the content it fixed gives the hash it names. */
MUST_USE enum kith_err visit_verify(struct store_txn *txn, const struct roster *roster,
                                    struct visit *visit);

#endif
