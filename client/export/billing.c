/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The billing export: which visits are lines of it, and whether each is new, replaces what was
 * exported before, or takes it back.
 */
#include "client/export/billing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/export/csv.h"

#define PURPOSE        "payment"
#define WHY_MAX        320
#define ORIGINAL_CHARS 64
#define NO_CONSENT_TEXT                                                                            \
    "42 CFR Part 2 protects this chart and no consent allows it: add one with purpose=payment "    \
    "and recipients naming the payer"

struct billing {
    struct export_made *made;
    const struct kith_export_options *options;
    const struct kith_units *units;
    struct store_txn txn;
    uint8_t participant[ID_BYTES]; /* of the only chart that is asked for */
    struct claim_entry *entries;   /* what is to be remembered */
    size_t entry_count;
};

static void leave_out(struct billing *billing, const struct unit_work *work, const char *why)
{
    export_leave_out(billing->made, work->shown.id, work->chart, work->shown.date, why);
}

/* Whoever reads the line is the payer; if none is named, somebody called so. */
static const char *recipient_of(const struct chart_facts *chart)
{
    return chart->payer_id[0] ? chart->payer_id : "payer";
}

/* Both signatures of the version that is to be claimed. */
static enum kith_err verify(const struct billing *billing, const struct visit *visit)
{
    const struct roster *roster = replica_roster(billing->made->kith->replica);
    enum kith_err err = note_step_verify(visit->life.sign, &visit->place, roster);

    if (!err && visit->life.cosign)
        err = note_step_verify(visit->life.cosign, &visit->place, roster);
    return err;
}

static void add_row(struct billing *billing, const struct unit_work *work,
                    const struct billing_source *source, const struct billing_line *line)
{
    struct kith_export *public = &billing->made->public;

    csv_row(&billing->made->out, line->cells, BILLING_COLUMN_COUNT);
    export_share(billing->made, work->chart, source->consent, recipient_of(work->chart));
    public->lines++;
}

static void remember(struct billing *billing, const struct unit_work *work,
                     const struct claim_line *claim)
{
    struct claim_entry *entry = &billing->entries[billing->entry_count++];

    memcpy(entry->circle, work->circle, ID_BYTES);
    memcpy(entry->visit, work->visit, ID_BYTES);
    entry->line = *claim;
}

/* Says in the line what it is to those before it. */
static void number_line(struct billing *billing, struct billing_line *line, const char *visit,
                        const struct claim_line *claim, unsigned original)
{
    struct export_made *made = billing->made;
    char text[ORIGINAL_CHARS];

    (void)snprintf(text, sizeof text, "%u", claim->version);
    line->cells[BILLING_line_version] = chart_text(&made->arena, bytes_text(text), &made->err);
    (void)snprintf(text, sizeof text, "%u", (unsigned)claim->frequency);
    line->cells[BILLING_frequency_code] = chart_text(&made->arena, bytes_text(text), &made->err);
    if (claim->frequency == CLAIM_NEW)
        return;
    (void)snprintf(text, sizeof text, "%s.%u", visit, original);
    line->cells[BILLING_original_ref] = chart_text(&made->arena, bytes_text(text), &made->err);
}

/* Takes back what was exported: for as much as it was. */
static void void_line(struct billing *billing, const struct unit_work *work,
                      const struct billing_source *source, struct billing_line *line,
                      const struct claim_line *before)
{
    struct export_made *made = billing->made;
    struct claim_line claim = *before;
    char minutes[ORIGINAL_CHARS];

    claim.version++;
    claim.frequency = CLAIM_VOIDS;
    (void)snprintf(minutes, sizeof minutes, "%lld", (long long)before->minutes);
    line->cells[BILLING_minutes] = chart_text(&made->arena, bytes_text(minutes), &made->err);
    line->cells[BILLING_units] = billing_tenths(&made->arena, before->units_tenths, &made->err);
    line->cells[BILLING_charge] = "";
    number_line(billing, line, work->shown.id, &claim, before->version);
    add_row(billing, work, source, line);
    made->public.voids++;
    remember(billing, work, &claim);
}

/* The line of a visit that counts. */
static void claim_it(struct billing *billing, const struct unit_work *work,
                     const struct billing_source *source, struct billing_line *line,
                     const struct claim_line *before)
{
    struct kith_export *public = &billing->made->public;
    bool stands = before->version > 0 && before->frequency != CLAIM_VOIDS;
    struct claim_line claim = {.version = before->version + 1,
                               .frequency = stands ? CLAIM_REPLACES : CLAIM_NEW,
                               .minutes = work->line_minutes,
                               .units_tenths = work->shown.units_tenths};

    billing_print(line, claim.print);
    bool is_same = stands && strcmp(claim.print, before->print) == 0;
    if (is_same && !billing->options->is_again) {
        public->unchanged++;
        return;
    }
    if (is_same)
        claim = *before;
    number_line(billing, line, work->shown.id, &claim,
                is_same ? before->version - 1 : before->version);
    add_row(billing, work, source, line);
    public->minutes += work->line_minutes;
    public->units_tenths += work->shown.units_tenths;
    if (is_same)
        return;
    public->replacements += stands;
    public->new_lines += !stands;
    remember(billing, work, &claim);
}

static enum kith_err bill(struct billing *billing, const struct unit_work *work,
                          const struct visit *visit, const struct claim_line *before)
{
    struct export_made *made = billing->made;
    bool stands = before->version > 0 && before->frequency != CLAIM_VOIDS;
    bool is_claimable = work->why == UNIT_COUNTS && work->shown.units_tenths > 0;
    bool is_to_void =
        stands && !is_claimable && (work->why == UNIT_COUNTS || unit_why_is_final(work->why));
    struct billing_source source = {
        made->kith, &made->arena, work, visit, units_staff(billing->units), NULL};
    struct billing_line line;

    if (!is_claimable && !is_to_void) {
        leave_out(billing, work,
                  work->why == UNIT_COUNTS ? "no units, or in another line of the same day"
                                           : work->shown.why_not);
        return KITH_OK;
    }
    if (work->chart->is_part2)
        source.consent =
            chart_consent(work->chart, PURPOSE, recipient_of(work->chart), made->today);
    if (work->chart->is_part2 && !source.consent) {
        leave_out(billing, work, NO_CONSENT_TEXT);
        made->public.refused++;
        return KITH_OK;
    }
    enum kith_err err = billing_fill(&source, &line);
    if (!err && is_claimable)
        claim_it(billing, work, &source, &line, before);
    else if (!err)
        void_line(billing, work, &source, &line, before);
    return err;
}

static enum kith_err take_work(struct billing *billing, const struct unit_work *work)
{
    struct kith *kith = billing->made->kith;
    struct found_record found;
    struct visit visit;
    struct claim_line before;
    char why[WHY_MAX];
    enum kith_err err =
        replica_find_in(&billing->txn, work->circle, RECORD_VISIT, work->visit, &found);

    if (!err)
        err = visit_read(&billing->txn, replica_roster(kith->replica), &found, &visit);
    if (!err)
        err = claim_read(&billing->txn, work->circle, work->visit, &before);
    if (err)
        return err;
    if (work->chart->unsettled) {
        (void)snprintf(why, sizeof why,
                       "'%s' of the chart was written twice: decide with kith settle",
                       work->chart->unsettled);
        leave_out(billing, work, why);
        return KITH_OK;
    }
    if (visit.life.sign && verify(billing, &visit)) {
        leave_out(billing, work, "its signature does not verify: run kith verify");
        return KITH_OK;
    }
    return bill(billing, work, &visit, &before);
}

static bool is_asked(const struct billing *billing, const struct unit_work *work)
{
    return !billing->options->participant ||
           memcmp(billing->participant, work->circle, ID_BYTES) == 0;
}

static enum kith_err take_all(struct billing *billing)
{
    static const char *const heading[BILLING_COLUMN_COUNT] = {
#define BILLING_COLUMN(name, is_claimed) #name,
        BILLING_COLUMNS(BILLING_COLUMN)
#undef BILLING_COLUMN
    };
    const struct unit_work *work = units_work(billing->units);
    enum kith_err err = KITH_OK;

    csv_row(&billing->made->out, heading, BILLING_COLUMN_COUNT);
    for (size_t i = 0; i < billing->units->count && !err; i++) {
        if (!is_asked(billing, &work[i]))
            continue;
        billing->txn = store_begin(replica_store(billing->made->kith->replica), STORE_READ);
        err = take_work(billing, &work[i]);
        store_abort(&billing->txn);
        if (billing->options->progress)
            billing->options->progress(billing->options->owner, i + 1, billing->units->count);
    }
    if (!err)
        err = billing->made->err ? billing->made->err : billing->made->out.err;
    return err;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(((const struct claim_entry *)a)->circle, ((const struct claim_entry *)b)->circle,
                  ID_BYTES);
}

static enum kith_err finish(struct billing *billing)
{
    struct export_made *made = billing->made;
    static const struct export_event event = {"billing", "payer", PURPOSE};

    if (made->public.lines == 0 && made->public.unchanged == 0 && made->public.refused > 0)
        return home_fail(made->kith, KITH_NOT_ALLOWED, "%s", NO_CONSENT_TEXT);
    if (made->public.lines == 0)
        return home_fail(
            made->kith, KITH_NOT_FOUND, "no visit between these days is to be billed%s",
            made->public.unchanged ? ": what counts was exported before (--again repeats it)" : "");
    made->public.charts = made->share_count;
    enum kith_err err = export_write(made, AUDIT_BILLING, billing->options->path);
    if (!err && billing->entry_count > 1)
        qsort(billing->entries, billing->entry_count, sizeof *billing->entries, compare_entries);
    if (!err)
        err = claim_save(made->kith, billing->entries, billing->entry_count);
    return err ? err : export_done(made, &event);
}

static enum kith_err run(struct billing *billing)
{
    struct kith *kith = billing->made->kith;
    const struct kith_export_options *options = billing->options;
    struct kith_units *units = NULL;
    unsigned roles =
        roster_device_roles(replica_roster(kith->replica), replica_identity(kith->replica)->device);
    enum kith_err err = KITH_OK;

    if (roles == 0 || roles == ROLE_VOLUNTEER)
        return home_fail(kith, KITH_NOT_ALLOWED, "your role does not bill");
    if (options->participant)
        err = home_participant(kith, options->participant, billing->participant);
    if (!err)
        err = (enum kith_err)kith_units(kith, options->from, options->to, &units);
    if (err)
        return err;
    billing->units = units;
    billing->entries = calloc(units->count + 1, sizeof *billing->entries);
    err = billing->entries ? take_all(billing) : KITH_MEMORY;
    if (!err)
        err = finish(billing);
    free(billing->entries);
    kith_units_free(&units);
    return err;
}

int kith_export_billing(struct kith *kith, const struct kith_export_options *options,
                        struct kith_export **made)
{
    struct billing billing = {.made = export_new(kith), .options = options};

    *made = NULL;
    if (!billing.made)
        return KITH_MEMORY;
    *made = &billing.made->public;
    enum kith_err err = home_check_billing(kith);
    return err ? (int)err : run(&billing);
}
