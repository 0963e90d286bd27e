/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all exports share: what they give back, the file they write, and the account of it.
 *
 * The order is the same everywhere: make the file's content, write the file, then write down what
 * left. A crash in between leaves a file that nothing speaks of; the next export says the same
 * again.
 */
#ifndef KITH_CLIENT_EXPORT_EXPORT_H
#define KITH_CLIENT_EXPORT_EXPORT_H

#include "client/access.h"
#include "client/export/chart.h"
#include "client/moment.h"

#define EXPORT_BYTES_MAX (256u * 1024 * 1024)
#define EXPORT_ARENA_MAX (256u * 1024 * 1024)

/* What kith_export gives out: the public struct first, its memory behind it. */
struct export_made {
    struct kith_export public;
    struct arena arena;
    struct kith *kith;
    struct buffer out;          /* the file's content */
    const char *const *through; /* the program that makes the file of it; NULL: none */
    struct kith_left_out *left_out;
    size_t left_out_room;
    struct export_share *shares;
    size_t share_count;
    size_t share_room;
    char today[MOMENT_TEXT_MAX];
    enum kith_err err;
};

/* How much of one chart is in the file, and what allows it. */
struct export_share {
    uint8_t circle[ID_BYTES];
    char consent[KITH_ID_TEXT]; /* "" if none was needed */
    const char *recipient;      /* NULL: that of the export */
    uint32_t visits;
};

/* NULL without memory. */
struct export_made *export_new(struct kith *kith);
/* Says why something is not in the file. */
void export_leave_out(struct export_made *made, const char *id, const struct chart_facts *chart,
                      const char *date, const char *why);
/* Counts one more visit of a chart. `recipient` may be NULL. */
void export_share(struct export_made *made, const struct chart_facts *chart,
                  const struct chart_consent *consent, const char *recipient);
/* Counts a chart of which no visit is in the file. */
void export_share_chart(struct export_made *made, const struct chart_facts *chart,
                        const struct chart_consent *consent, const char *recipient);
/* Writes the content into a new file, mode 0600, and that into this device's own log. EXISTS with
 * kith_detail if there is one. */
MUST_USE enum kith_err export_write(struct export_made *made, enum audit_export_did form,
                                    const char *path);

/* What left, for whom. */
struct export_event {
    const char *what; /* "billing", "fhir", "chart" */
    const char *recipient;
    const char *purpose;
};
/* Called once for each file after it was written: every chart that is in it gets its account of
 * the disclosure. */
MUST_USE enum kith_err export_done(struct export_made *made, const struct export_event *event);

#endif
