/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of the billing export, in their order (docs/billing.md says what each is).
 *
 * X(name, whether it is part of what the line claims: a change of it after the export makes a
 * replacement)
 */
#ifndef KITH_CLIENT_EXPORT_BILLING_H
#define KITH_CLIENT_EXPORT_BILLING_H

#include "client/export/claim.h"
#include "client/export/export.h"
#include "client/units.h"

#define BILLING_VERSION  "1"
#define BILLING_PRACTICE "practice" /* instead: no reader of claims takes it */

#define BILLING_COLUMNS(X)                                                                         \
    X(export_version, 0)                                                                           \
    X(agency_npi, 0)                                                                               \
    X(billing_tax_id, 0)                                                                           \
    X(claim_line_id, 0)                                                                            \
    X(line_version, 0)                                                                             \
    X(participant_local_id, 0)                                                                     \
    X(medicaid_id, 1)                                                                              \
    X(last_name, 0)                                                                                \
    X(first_name, 0)                                                                               \
    X(dob, 0)                                                                                      \
    X(sex, 0)                                                                                      \
    X(payer_id, 1)                                                                                 \
    X(diagnosis_1, 0)                                                                              \
    X(diagnosis_2, 0)                                                                              \
    X(diagnosis_3, 0)                                                                              \
    X(diagnosis_4, 0)                                                                              \
    X(prior_auth_no, 0)                                                                            \
    X(ordering_npi, 0)                                                                             \
    X(service_date, 1)                                                                             \
    X(place_of_service, 1)                                                                         \
    X(procedure_code, 1)                                                                           \
    X(mod1, 1)                                                                                     \
    X(mod2, 1)                                                                                     \
    X(mod3, 1)                                                                                     \
    X(mod4, 1)                                                                                     \
    X(diagnosis_pointer, 0)                                                                        \
    X(minutes, 1)                                                                                  \
    X(start_time, 1)                                                                               \
    X(end_time, 1)                                                                                 \
    X(units, 1)                                                                                    \
    X(charge, 0)                                                                                   \
    X(rendering_npi, 0)                                                                            \
    X(rendering_name, 0)                                                                           \
    X(rendering_credential, 0)                                                                     \
    X(supervisor_npi, 0)                                                                           \
    X(group_size, 1)                                                                               \
    X(telehealth_flag, 1)                                                                          \
    X(goal_codes, 0)                                                                               \
    X(note_status, 0)                                                                              \
    X(signed_at, 0)                                                                                \
    X(cosigned_at, 0)                                                                              \
    X(note_hash, 0)                                                                                \
    X(rule_pack_version, 0)                                                                        \
    X(frequency_code, 0)                                                                           \
    X(original_ref, 0)                                                                             \
    X(part2_flag, 0)                                                                               \
    X(consent_id, 0)                                                                               \
    X(warnings, 0)

enum billing_column {
#define BILLING_COLUMN(name, is_claimed) BILLING_##name,
    BILLING_COLUMNS(BILLING_COLUMN)
#undef BILLING_COLUMN
        BILLING_COLUMN_COUNT
};

struct billing_line {
    const char *cells[BILLING_COLUMN_COUNT];
};

/* What a line is made of. */
struct billing_source {
    struct kith *kith;
    struct arena *arena;
    const struct unit_work *work;
    const struct visit *visit;
    const struct staff_credential *staff;
    const struct chart_consent *consent; /* NULL if none is needed */
};

/* Fills in all that follows from the visit; what follows from earlier exports stays "". */
MUST_USE enum kith_err billing_fill(const struct billing_source *source, struct billing_line *line);
/* A print of what the line claims. */
void billing_print(const struct billing_line *line, char print[static CLAIM_PRINT_HEX + 1]);
/* "3.5", in the arena. */
const char *billing_tenths(struct arena *arena, int64_t tenths, enum kith_err *err);

#endif
