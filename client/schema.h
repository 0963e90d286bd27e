/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema: one table of every record type and field, from which commands, checks, listings and
 * templates derive.
 *
 * Numbers travel and are never used again; names are for people and scripts. A new field is one
 * line here. A value is checked and encoded by its kind (schema_encode) and shown by it
 * (schema_show). A command type may be two records with one id: a visit's service facts and its
 * note are apart, so that a conflict over text does not touch facts.
 */
#ifndef KITH_CLIENT_SCHEMA_H
#define KITH_CLIENT_SCHEMA_H

#include "client/kith.h"
#include "protocol/circle.h"
#include "protocol/merge.h"

/* X(NAME, number, word, where it lives): the record types. */
#define RECORD_TYPES(X)                                                                            \
    X(PERSON, 1, "person", CIRCLE_AGENCY)                                                          \
    X(DEVICE, 2, "device", CIRCLE_AGENCY)                                                          \
    X(PARTICIPANT, 3, "participant", CIRCLE_CHART)                                                 \
    X(PLAN, 4, "plan", CIRCLE_CHART)                                                               \
    X(GOAL, 5, "goal", CIRCLE_CHART)                                                               \
    X(VISIT, 6, "visit", CIRCLE_CHART)                                                             \
    X(NOTE, 7, "note", CIRCLE_CHART)                                                               \
    X(RESOURCE, 8, "resource", CIRCLE_AGENCY)                                                      \
    X(REFERRAL, 9, "referral", CIRCLE_CHART)                                                       \
    X(CONSENT, 10, "consent", CIRCLE_CHART)                                                        \
    X(AGENCY, 11, "agency", CIRCLE_AGENCY)

enum record_type {
#define RECORD_TYPE(name, number, word, kind) RECORD_##name = (number),
    RECORD_TYPES(RECORD_TYPE)
#undef RECORD_TYPE
};

/* What a value is: how it is typed, stored and shown. */
enum field_kind {
    FIELD_TEXT,   /* one line */
    FIELD_PROSE,  /* as long as a narrative may be */
    FIELD_DATE,   /* 2026-03-02 */
    FIELD_TIME,   /* 2026-03-02T14:05-05:00 */
    FIELD_NUMBER, /* a whole number, not negative */
    FIELD_FLAG,   /* yes or no */
    FIELD_CHOICE, /* one of the field's words */
    FIELD_PERSON, /* a worker: stored by number */
    FIELD_RECORD, /* another record of the chart: stored by id */
};

struct schema_field {
    enum record_type record; /* which record of the command type it is in */
    uint32_t number;
    const char *name;
    enum merge_class class;
    enum field_kind kind;
    const char *choices; /* words with spaces between, least restrictive first; "" if free */
    bool is_required;    /* for a new record */
    const char *help;
};

struct schema_type {
    const char *word;
    enum record_type record; /* the one whose id it is */
    enum circle_kind circle;
    const struct schema_field *fields;
    size_t field_count;
};

/* NULL if there is no such type or field. */
const struct schema_type *schema_type(const char *word);
const struct schema_field *schema_field(const struct schema_type *type, const char *name);
const struct schema_field *schema_field_numbered(const struct schema_type *type, uint32_t record,
                                                 uint32_t number);

/* Whom a name or number means: what FIELD_PERSON needs to be read and shown. */
struct schema_names {
    void *owner;
    bool (*person_number)(void *owner, const char *text, uint32_t *number);
    const char *(*person_name)(void *owner, uint32_t number);
};

/* Typed text to an encoded value, appended to `out`. `now_ms` dates "14:05" and "yesterday 14:05".
 * KITH_INPUT with a sentence in `why` (SCHEMA_WHY_MAX) if it does not fit. Empty text clears: nil.
 */
#define SCHEMA_WHY_MAX 256
MUST_USE enum kith_err schema_encode(const struct schema_field *field, const char *text,
                                     const struct schema_names *names, uint64_t now_ms,
                                     struct buffer *out, char why[static SCHEMA_WHY_MAX]);
/* An encoded value as text (arena), kind and number. A value of a form that this version does not
 * know is shown as its hexadecimal bytes. */
MUST_USE enum kith_err schema_show(const struct schema_field *field, struct bytes value,
                                   const struct schema_names *names, struct arena *arena,
                                   struct kith_value *shown);
/* RESTRICT: a value's place among the field's choices, or no before yes. */
int schema_rank(const struct schema_field *field, struct bytes value);
const char *merge_class_word(enum merge_class class);
const char *field_kind_word(enum field_kind kind);

#endif
