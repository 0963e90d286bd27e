/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule packs: what a payer asks, as versioned data. Units, due times and duties are reckoned with
 * the pack in force on the day of the service, and never stored as truth.
 *
 * A pack is a text of lines `name = value` (deploy/rules/example.rules explains each); lines with #
 * are remarks. It is a record of the agency's circle, so every laptop has every version. A pack
 * that names a payer is for the participants with that payer, one that names none for everybody
 * else. Without any, the built-in example counts.
 */
#ifndef KITH_CLIENT_RULES_H
#define KITH_CLIENT_RULES_H

#include "client/schema.h"

#define RULES_WORD_MAX    64
#define RULES_LIST_MAX    512
#define RULES_ENTRY_MAX   32
#define RULES_ENTRIES_MAX 96
#define RULES_WHY_MAX     200

enum rounding { ROUND_FLOOR, ROUND_EIGHT, ROUND_CEIL, ROUND_HALF_UP, ROUND_TENTH80 };
enum cosign_duty { COSIGN_NONE, COSIGN_TRAINEES, COSIGN_ALL };
enum credential_duty { CREDENTIAL_WARN, CREDENTIAL_REQUIRED };

/* Settings of which there are several: "place.home = 12". */
enum rules_group { RULES_PLACE, RULES_MODIFIER, RULES_CHARGE, RULES_TRAINING, RULES_GROUP_COUNT };

struct rules_entry {
    enum rules_group group;
    char name[RULES_ENTRY_MAX];
    char value[RULES_ENTRY_MAX];
};

struct rules {
    char name[RULES_WORD_MAX];
    char version[RULES_WORD_MAX];
    char effective[RULES_WORD_MAX]; /* a date */
    char payer[RULES_WORD_MAX];     /* "" for everybody who has no pack of the payer's own */
    char agency_npi[RULES_WORD_MAX];
    char tax_id[RULES_WORD_MAX];
    unsigned unit_minutes;
    unsigned rounding;          /* of enum rounding */
    unsigned is_per_day;        /* minutes of a day are added up before they are rounded */
    unsigned units_per_day_max; /* this and the next: 0 for no limit */
    unsigned group_size_max;
    char codes[RULES_LIST_MAX];     /* lists are words with spaces between; "" for any */
    char modifiers[RULES_LIST_MAX]; /* that the payer knows */
    char requires[RULES_LIST_MAX];  /* fields that signing needs beside those of the schema */
    char credential_kinds[RULES_LIST_MAX]; /* that count */
    unsigned needs_diagnosis;
    unsigned needs_authorization;
    unsigned credential; /* of enum credential_duty */
    unsigned due_hours;
    unsigned due_hours_crisis;
    unsigned due_hours_cosign; /* 0: none */
    unsigned cosign;           /* of enum cosign_duty */
    unsigned training_hours;   /* within training_months; 0: none asked */
    unsigned training_months;
    unsigned supervised_hours;      /* before a credential; 0: none asked */
    unsigned supervision_per_month; /* sessions; 0: none asked */
    struct rules_entry entries[RULES_ENTRIES_MAX];
    size_t entry_count;
};

/* The example that counts where no pack was loaded. */
void rules_default(struct rules *rules);
/* KITH_INPUT with a sentence that names the line in `why`. */
MUST_USE enum kith_err rules_parse(struct rules *rules, struct bytes text,
                                   char why[static RULES_WHY_MAX]);
/* Tenths of a unit for whole minutes. */
unsigned rules_units(const struct rules *rules, unsigned minutes);
/* Whether a word is in one of the lists; an empty list has every word. */
bool rules_list_has(const char *list, struct bytes word);
bool rules_know_code(const struct rules *rules, struct bytes code);
/* Whether signing needs the field although the schema does not ask for it. */
bool rules_require(const struct rules *rules, const char *field);
/* The value of "place.home" and its like; NULL if the pack says nothing. */
const char *rules_entry(const struct rules *rules, enum rules_group group, struct bytes name);
/* The code of a place of service; NULL if neither the pack nor the common list has one. */
const char *rules_place(const struct rules *rules, struct bytes place);
/* What tenths of a unit of a code cost, in cents; -1 if the pack has no charge for it. */
int64_t rules_charge(const struct rules *rules, struct bytes code, int64_t units_tenths);
/* "example 2026-1" */
void rules_title(const struct rules *rules, char title[static 2 * RULES_WORD_MAX]);

/* The packs of an agency. Owns its array; zeroed is empty. */
struct rules_list {
    struct rules *packs;
    size_t count;
};
void rules_list_clear(struct rules_list *list);
/* Whether any pack names a payer. */
bool rules_list_names_payers(const struct rules_list *list);
/* The pack in force on a day (a date; empty: the newest) for whoever has this payer (empty: none),
 * the example if there is none. */
const struct rules *rules_on(const struct rules_list *list, struct bytes payer, struct bytes day);
/* The pack with this title; NULL if it is not here. */
const struct rules *rules_titled(const struct rules_list *list, struct bytes title);

#endif
