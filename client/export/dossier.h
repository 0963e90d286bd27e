/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that one chart says, read for an export: records as kith_record_show has them, and of the
 * visits those that are signed and whose signature verifies, in the order of their days.
 */
#ifndef KITH_CLIENT_EXPORT_DOSSIER_H
#define KITH_CLIENT_EXPORT_DOSSIER_H

#include "client/export/export.h"

/* X(member, word of the type): what is read beside the visits. */
#define DOSSIER_TYPES(X)                                                                           \
    X(participants, "participant")                                                                 \
    X(plans, "plan")                                                                               \
    X(goals, "goal")                                                                               \
    X(referrals, "referral")                                                                       \
    X(consents, "consent")

struct dossier {
    struct chart_facts *facts; /* in the export's arena */
#define DOSSIER_LIST(member, word) struct kith_list *member;
    DOSSIER_TYPES(DOSSIER_LIST)
#undef DOSSIER_LIST
    struct kith_list *visits;
    const struct chart_consent *consent; /* that allows it; NULL if none is needed */
};

/* Days between which visits are taken, as dates; "" without a bound. */
struct dossier_days {
    char from[MOMENT_TEXT_MAX];
    char to[MOMENT_TEXT_MAX];
};

/* Dates as a person types them, NULL without a bound. INPUT with kith_detail. */
MUST_USE enum kith_err dossier_days(struct kith *kith, const char *from, const char *to,
                                    struct dossier_days *days);
/* What is not signed, or does not verify, is left out of the export with its reason. */
MUST_USE enum kith_err dossier_read(struct export_made *made, const uint8_t circle[static ID_BYTES],
                                    const struct dossier_days *days, struct dossier *dossier);
void dossier_clear(struct dossier *dossier);
/* Whether 42 CFR Part 2 lets it go to a recipient for a purpose: finds the consent, or leaves the
 * chart out with the reason. */
bool dossier_is_allowed(struct export_made *made, struct dossier *dossier, const char *recipient,
                        const char *purpose);

/* The value of a field that stands; "" if it says nothing or waits for a decision. */
const char *record_value(const struct kith_record *record, const char *name);
/* NULL if there is nothing in it. */
const struct kith_field *record_field_named(const struct kith_record *record, const char *name);
/* The step of a kind that counts now; NULL. */
const struct kith_step *record_step(const struct kith_record *visit, const char *kind);
/* What a goal is called that a note names by its id; "" if it is not in the chart. */
const char *dossier_goal(const struct dossier *dossier, const char *id);
/* The name that the agency has in its own records; "". */
const char *export_agency(struct export_made *made);

#endif
