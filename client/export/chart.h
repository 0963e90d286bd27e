/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exports and reports take from a chart beside its visits: who the participant is, plans,
 * consents. Text that is not there is "".
 */
#ifndef KITH_CLIENT_EXPORT_CHART_H
#define KITH_CLIENT_EXPORT_CHART_H

#include "client/home.h"

#define CHART_DIAGNOSES_MAX 4 /* that a claim line has room for */

struct chart_plan {
    const char *kind;
    const char *status;
    const char *authorization_no;
    const char *auth_from;
    const char *auth_to;
    const char *ordering_npi;
    uint64_t authorized_units; /* 0: not said */
    struct chart_plan *next;
};

struct chart_consent {
    char id[KITH_ID_TEXT];
    const char *scope;
    const char *purpose;
    const char *recipients;
    const char *expires;
    const char *signed_on;
    bool is_revoked;
    struct chart_consent *next;
};

struct chart_facts {
    uint8_t circle[ID_BYTES];
    char id[KITH_ID_TEXT];
    const char *local_code;
    const char *name;
    const char *last_name;
    const char *first_name;
    const char *dob;
    const char *sex;
    const char *medicaid_id;
    const char *payer_id;
    const char *programme;
    const char *diagnoses[CHART_DIAGNOSES_MAX]; /* in the order of their codes */
    size_t diagnosis_count;
    bool is_part2;
    const char *unsettled; /* a field that claims need and that waits for a decision; NULL */
    struct chart_plan *plans;
    struct chart_consent *consents;
    struct chart_facts *next;
};

/* Reads a chart, in transactions of its own; all memory is in the arena. */
MUST_USE enum kith_err chart_read(struct kith *kith, const uint8_t circle[static ID_BYTES],
                                  struct arena *arena, struct chart_facts **facts);
/* The plan that authorizes services on a day (text); NULL if none does. */
const struct chart_plan *chart_authorization(const struct chart_facts *facts, const char *day);
/*
 * A consent that allows giving something to a recipient for a purpose on a day. It must be signed,
 * not expired and not revoked; its text must name the purpose (or "TPO": treatment, payment and
 * health care operations, for those three) and the recipient, whatever the case of letters. The
 * payer is also named by "payer" and "health plan". NULL if none fits.
 */
const struct chart_consent *chart_consent(const struct chart_facts *facts, const char *purpose,
                                          const char *recipient, const char *day);

/* A copy with a final zero; "" and `err` MEMORY without room. */
const char *chart_text(struct arena *arena, struct bytes text, enum kith_err *err);

#endif
