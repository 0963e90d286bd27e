/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule packs: what a payer asks, as versioned data. Units, due times and duties are reckoned with
 * the pack in force on the day of the service, and never stored as truth.
 *
 * A pack is a text of lines `name = value` (deploy/rules/example.rules explains each); lines with #
 * are remarks. It is a record of the agency's circle, so every laptop has every version. Without
 * any, the built-in example counts.
 */
#ifndef KITH_CLIENT_RULES_H
#define KITH_CLIENT_RULES_H

#include "client/schema.h"

#define RULES_WORD_MAX  64
#define RULES_CODES_MAX 512
#define RULES_WHY_MAX   200

enum rounding { ROUND_FLOOR, ROUND_EIGHT, ROUND_CEIL, ROUND_HALF_UP, ROUND_TENTH80 };
enum cosign_duty { COSIGN_NONE, COSIGN_TRAINEES, COSIGN_ALL };

struct rules {
    char name[RULES_WORD_MAX];
    char version[RULES_WORD_MAX];
    char effective[RULES_WORD_MAX]; /* a date */
    unsigned unit_minutes;
    enum rounding rounding;
    bool is_per_day;
    unsigned units_per_day_max;  /* 0: no limit */
    char codes[RULES_CODES_MAX]; /* words with spaces between; "" for any */
    unsigned due_hours;
    unsigned due_hours_crisis;
    enum cosign_duty cosign;
};

/* The example that counts where no pack was loaded. */
void rules_default(struct rules *rules);
/* KITH_INPUT with a sentence that names the line in `why`. */
MUST_USE enum kith_err rules_parse(struct rules *rules, struct bytes text,
                                   char why[static RULES_WHY_MAX]);
/* Tenths of a unit for whole minutes. */
unsigned rules_units(const struct rules *rules, unsigned minutes);
bool rules_know_code(const struct rules *rules, struct bytes code);
/* "example 2026-1" */
void rules_title(const struct rules *rules, char title[static 2 * RULES_WORD_MAX]);

/* The packs of an agency. Owns its array; zeroed is empty. */
struct rules_list {
    struct rules *packs;
    size_t count;
};
void rules_list_clear(struct rules_list *list);
/* The pack in force on a day (a date; empty: the newest), the example if there is none. */
const struct rules *rules_on(const struct rules_list *list, struct bytes day);
/* The pack with this title; NULL if it is not here. */
const struct rules *rules_titled(const struct rules_list *list, struct bytes title);

#endif
