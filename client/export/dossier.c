/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/dossier.h"

#include <stdlib.h>
#include <string.h>

#include "client/fields.h"
#include "client/shower.h"

const struct kith_field *record_field_named(const struct kith_record *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

const char *record_value(const struct kith_record *record, const char *name)
{
    const struct kith_field *field = record_field_named(record, name);

    return field && !field->is_conflict && field->value_count > 0 ? field->values[0].text : "";
}

const struct kith_step *record_step(const struct kith_record *visit, const char *kind)
{
    for (size_t i = 0; visit->note && i < visit->note->step_count; i++)
        if (visit->note->steps[i].counts && strcmp(visit->note->steps[i].kind, kind) == 0)
            return &visit->note->steps[i];
    return NULL;
}

const char *dossier_goal(const struct dossier *dossier, const char *id)
{
    for (size_t i = 0; i < dossier->goals->count; i++)
        if (strcmp(dossier->goals->records[i]->id, id) == 0)
            return record_value(dossier->goals->records[i], "text");
    return "";
}

enum kith_err dossier_days(struct kith *kith, const char *from, const char *to,
                           struct dossier_days *days)
{
    uint64_t now_ms = home_now_ms(kith);

    memset(days, 0, sizeof *days);
    if ((from && !moment_read_date(from, now_ms, days->from)) ||
        (to && !moment_read_date(to, now_ms, days->to)))
        return home_fail(kith, KITH_INPUT, "expected two dates like 2026-03-02");
    return KITH_OK;
}

/* By day, then by begin. */
static int compare_visits(const void *a, const void *b)
{
    const struct kith_record *left = *(const struct kith_record *const *)a;
    const struct kith_record *right = *(const struct kith_record *const *)b;
    int order = strcmp(record_value(left, "date"), record_value(right, "date"));

    if (!order)
        order = strcmp(record_value(left, "start"), record_value(right, "start"));
    return order ? order : strcmp(left->id, right->id);
}

static const char *why_not(const struct kith_record *visit)
{
    const struct kith_step *sign = record_step(visit, "sign");

    if (record_field_named(visit, "signature"))
        return "two signatures: its author has to decide";
    if (!sign)
        return "not signed";
    if (!sign->is_verified)
        return "its signature does not verify: run kith verify";
    return NULL;
}

static bool is_between(const char *date, const struct dossier_days *days)
{
    return strcmp(date, days->from) >= 0 && (!days->to[0] || strcmp(date, days->to) <= 0);
}

/* Keeps what may leave, in the order of the days. */
static void sort_out(struct export_made *made, struct dossier *dossier,
                     const struct dossier_days *days)
{
    struct kith_list *visits = dossier->visits;
    size_t kept = 0;

    for (size_t i = 0; i < visits->count; i++) {
        struct kith_record *visit = visits->records[i];
        const char *date = record_value(visit, "date");
        bool is_asked = is_between(date, days);
        const char *why = is_asked ? why_not(visit) : NULL;
        if (why)
            export_leave_out(made, visit->id, dossier->facts, date, why);
        if (is_asked && !why)
            visits->records[kept++] = visit;
        else
            kith_record_free(&visit);
    }
    visits->count = kept;
    if (kept > 1)
        qsort(visits->records, kept, sizeof *visits->records, compare_visits);
}

enum kith_err dossier_read(struct export_made *made, const uint8_t circle[static ID_BYTES],
                           const struct dossier_days *days, struct dossier *dossier)
{
    memset(dossier, 0, sizeof *dossier);
    enum kith_err err = chart_read(made->kith, circle, &made->arena, &dossier->facts);
#define DOSSIER_READ(member, word)                                                                 \
    if (!err)                                                                                      \
        err = record_list_chart(made->kith, (word), circle, &dossier->member);
    DOSSIER_TYPES(DOSSIER_READ)
#undef DOSSIER_READ
    if (!err)
        err = record_list_chart(made->kith, "visit", circle, &dossier->visits);
    if (!err)
        sort_out(made, dossier, days);
    return err ? err : made->err;
}

void dossier_clear(struct dossier *dossier)
{
#define DOSSIER_FREE(member, word) kith_list_free(&dossier->member);
    DOSSIER_TYPES(DOSSIER_FREE)
#undef DOSSIER_FREE
    kith_list_free(&dossier->visits);
}

bool dossier_is_allowed(struct export_made *made, struct dossier *dossier, const char *recipient,
                        const char *purpose)
{
    if (!dossier->facts->is_part2)
        return true;
    dossier->consent = chart_consent(dossier->facts, purpose, recipient, made->today);
    if (dossier->consent)
        return true;
    export_leave_out(made, dossier->facts->id, dossier->facts, "",
                     "42 CFR Part 2 protects this chart and no consent names this recipient and "
                     "this purpose");
    made->public.refused++;
    return false;
}

struct agency_name {
    struct export_made *made;
    const char *name;
};

static bool take_agency(void *owner, const struct found_record *found)
{
    struct agency_name *agency = owner;

    agency->name =
        chart_text(&agency->made->arena, field_text(schema_type("agency"), &found->record, "name"),
                   &agency->made->err);
    return false;
}

const char *export_agency(struct export_made *made)
{
    struct agency_name agency = {made, ""};
    uint8_t circle[ID_BYTES];

    if (!replica_agency_circle(made->kith->replica, circle))
        return "";
    struct store_txn txn = store_begin(replica_store(made->kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_AGENCY, circle, take_agency, &agency);
    store_abort(&txn);
    made->err = made->err ? made->err : err;
    return agency.name;
}
