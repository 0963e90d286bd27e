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
    X(AGENCY, 11, "agency", CIRCLE_AGENCY)                                                         \
    X(CONCERN, 12, "concern", CIRCLE_CONCERN)                                                      \
    X(CREDENTIAL, 13, "credential", CIRCLE_WORK)                                                   \
    X(TRAINING, 14, "training", CIRCLE_WORK)                                                       \
    X(SUPERVISION, 15, "supervision", CIRCLE_WORK)                                                 \
    X(TASK, 16, "task", CIRCLE_CHART)                                                              \
    X(CLOCK, 17, "clock", CIRCLE_CHART)                                                            \
    X(RULEPACK, 18, "rulepack", CIRCLE_AGENCY)                                                     \
    X(CLAIM, 19, "claim", CIRCLE_CHART)                                                            \
    X(DISCLOSURE, 20, "disclosure", CIRCLE_CHART)                                                  \
    X(LEDGER, 21, "ledger", CIRCLE_PERSON)                                                         \
    X(LIMIT, 22, "limit", CIRCLE_PERSON)

enum record_type {
#define RECORD_TYPE(name, number, word, kind) RECORD_##name = (number),
    RECORD_TYPES(RECORD_TYPE)
#undef RECORD_TYPE
};

#define AGENCY_ALIVE 2 /* the one other field of the agency's record but its name */

/* The fields that rules are about, by number; the table says the same. */
enum visit_field {
    VISIT_SPECIALIST = 1,
    VISIT_DATE = 2,
    VISIT_START = 3,
    VISIT_END = 4,
    VISIT_INTERRUPTIONS = 5,
    VISIT_CODE = 6,
    VISIT_MODIFIERS = 7,
    VISIT_PLACE = 8,
    VISIT_MODE = 9,
    VISIT_GROUP = 11,
    VISIT_GROUP_SIZE = 12,
    VISIT_RESULT = 13,
};
enum rulepack_field { RULEPACK_NAME = 1, RULEPACK_VERSION, RULEPACK_EFFECTIVE, RULEPACK_TEXT };
enum note_field { NOTE_GOALS = 1, NOTE_FOLLOW_UP = 9, NOTE_RISK = 10 };

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
    FIELD_RECORD, /* another record: stored by id */
    FIELD_CHART,  /* a participant: stored by id */
};

enum field_flags {
    FIELD_IS_NEEDED = 1, /* for a new record */
    FIELD_IS_OWN = 2,    /* a person: the writer, unless somebody else is named */
    FIELD_IS_KEYED = 4,  /* one value for each record of the chart that it names: FIELD.ID=VALUE */
    FIELD_IS_BILLED = 8, /* for whoever pays: an agency of volunteers keeps none */
};

/* When a visit cannot be signed without the field. */
enum signing_need {
    SIGN_WITHOUT,    /* never */
    SIGN_ALWAYS,     /* always */
    SIGN_WHEN_DONE,  /* unless the contact did not take place */
    SIGN_WHEN_GROUP, /* for a group session */
    SIGN_WHEN_GOALS, /* likewise SIGN_WHEN_DONE, once the chart has goals */
};

struct schema_rules {
    unsigned writers; /* roles that may write it, 0: all; of class restrict: that may loosen it */
    enum signing_need need;
    const char *asks; /* what is missing, as a person would say it: "when the visit began" */
};

struct schema_field {
    enum record_type record; /* which record of the command type it is in */
    uint32_t number;
    const char *name;
    enum merge_class class;
    enum field_kind kind;
    const char *choices; /* words with spaces between, least restrictive first; "" if free */
    unsigned flags;      /* of field_flags */
    const char *help;
    struct schema_rules rules;
};

struct schema_type {
    const char *word;
    enum record_type record; /* the one whose id it is */
    enum circle_kind circle;
    unsigned writers; /* roles that may write such records, 0: all */
    const struct schema_field *fields;
    size_t field_count;
};

/* The table, in client/schema_table.c: what commands work on, and what they do not. */
extern const struct schema_type schema_types[];
extern const size_t schema_type_count;
extern const struct schema_type schema_inner_types[];
extern const size_t schema_inner_type_count;

/* NULL if there is no such type or field. */
const struct schema_type *schema_type(const char *word);
const struct schema_field *schema_field(const struct schema_type *type, const char *name);
const struct schema_field *schema_field_numbered(const struct schema_type *type, uint32_t record,
                                                 uint32_t number);

/* Whom a name or number means: what FIELD_PERSON, FIELD_CHART and FIELD_RECORD need to be read and
 * shown. */
struct schema_names {
    void *owner;
    bool (*person_number)(void *owner, const char *text, uint32_t *number);
    const char *(*person_name)(void *owner, uint32_t number);
    bool (*chart)(void *owner, const char *text, uint8_t id[static ID_BYTES]);
    bool (*record)(void *owner, const char *text, uint8_t id[static ID_BYTES]);
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
/* RESTRICT: a value's place among the field's choices; no before yes, an earlier date before a
 * later one. */
int schema_rank(const struct schema_field *field, struct bytes value);
const char *merge_class_word(enum merge_class class);
const char *field_kind_word(enum field_kind kind);

#endif
