/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which visits count between two days, for how much, and why others do not: what the report of
 * units, the billing export and the other reports share.
 */
#ifndef KITH_CLIENT_UNITS_H
#define KITH_CLIENT_UNITS_H

#include "client/export/chart.h"
#include "client/export/staff.h"
#include "client/visit.h"

/* X(NAME, whether that is its last word, sentence): why a visit does not count. What is final takes
 * back a claim that was exported; what is not waits. */
#define UNIT_WHYS(X)                                                                               \
    X(COUNTS, false, "")                                                                           \
    X(VOIDED, true, "voided")                                                                      \
    X(UNSIGNED, false, "not signed")                                                               \
    X(DAMAGED, false, "what was signed is not whole on this device")                               \
    X(RIVALS, false, "two versions are signed")                                                    \
    X(RETURNED, false, "returned")                                                                 \
    X(UNSETTLED, false, "corrected twice")                                                         \
    X(NO_CONTACT, true, "no contact")                                                              \
    X(NO_TIMES, false, "no times")                                                                 \
    X(VOLUNTEER, true, "made by a volunteer")                                                      \
    X(NO_COSIGN, false, "not co-signed")                                                           \
    X(NO_CREDENTIAL, false, "no valid credential on that day")                                     \
    X(NO_CODE, false, "not a code of these rules")                                                 \
    X(NO_DIAGNOSIS, false, "no diagnosis code")                                                    \
    X(NO_AUTHORIZATION, false, "no authorization for that day")                                    \
    X(OVERLAPS, false, "overlaps another visit")

enum unit_why {
#define UNIT_WHY(name, is_final, text) UNIT_##name,
    UNIT_WHYS(UNIT_WHY)
#undef UNIT_WHY
};

const char *unit_why_text(enum unit_why why);
bool unit_why_is_final(enum unit_why why);

/* One visit, with what its day is reckoned by. */
struct unit_work {
    struct kith_unit_row shown;
    uint32_t specialist;
    uint8_t circle[ID_BYTES];
    uint8_t visit[ID_BYTES];
    const struct rules *rules;
    struct chart_facts *chart;
    enum unit_why why;
    bool is_on_time;    /* signed before it was due; of a draft: not */
    bool is_due;        /* signed, or to be signed by now */
    bool is_contact;    /* somebody was met */
    bool is_over_limit; /* beyond the units that the rules allow a day */
    int64_t start_ms;   /* 0 while the times are not known, like the end */
    int64_t end_ms;
    const char *group;
    /* Of the visit, or of the day of which it has the units. */
    int64_t line_minutes;
    int64_t line_end_ms;
    const char *line_end; /* as text */
};

/* What is behind the rows of a report, in their order; it lives as long as the report. */
const struct unit_work *units_work(const struct kith_units *units);
/* Likewise the workers that were read for it. */
const struct staff_credential *units_staff(const struct kith_units *units);

#endif
