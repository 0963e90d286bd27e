/* SPDX-License-Identifier: Apache-2.0 */
/* Units of service: reckoned from the signed visits each time, with the rules of each day. */
#include <stdlib.h>
#include <string.h>

#include "client/moment.h"
#include "client/rulebook.h"
#include "client/units.h"

#define UNITS_ARENA_MAX (64u * 1024 * 1024)

static const struct {
    const char *text;
    bool is_final;
} whys[] = {
#define UNIT_WHY(name, is_final, text) {text, is_final},
    UNIT_WHYS(UNIT_WHY)
#undef UNIT_WHY
};

const char *unit_why_text(enum unit_why why)
{
    return whys[why].text;
}

bool unit_why_is_final(enum unit_why why)
{
    return whys[why].is_final;
}

struct units_made {
    struct kith_units public;
    struct arena arena;
    struct kith *kith;
    struct store_txn txn;
    const struct rules_list *rules;
    struct staff_credential *staff;
    struct chart_facts *charts; /* that have been read, the last one first */
    const char *from;
    const char *to;
    struct unit_work *work;
    size_t count;
    size_t room;
    enum kith_err err;
};

static const char *copy_bytes(struct units_made *made, struct bytes text)
{
    return chart_text(&made->arena, text, &made->err);
}

static struct unit_work *new_work(struct units_made *made)
{
    if (made->count == made->room) {
        size_t room = made->room ? made->room * 2 : 64;
        struct unit_work *larger = realloc(made->work, room * sizeof *larger);
        if (!larger) {
            made->err = KITH_MEMORY;
            return NULL;
        }
        made->work = larger;
        made->room = room;
    }
    return memset(&made->work[made->count++], 0, sizeof *made->work);
}

static bool is_amended_twice(const struct visit *visit)
{
    bool is_twice = false;

    for (uint32_t field = VISIT_DATE; field <= VISIT_RESULT; field++)
        is_twice = is_twice || visit_is_amended_twice(visit, RECORD_VISIT, field);
    return is_twice;
}

/* Where nothing is known here of the author's credentials, the signature's own word is taken. */
static bool is_credentialed(const struct units_made *made, const struct visit *visit,
                            const struct unit_work *work)
{
    if (work->rules->credential != CREDENTIAL_REQUIRED)
        return true;
    if (!staff_knows(made->staff, visit->specialist))
        return visit->life.sign->credential.len > 0;
    return staff_is_credentialed(made->staff, visit->specialist, work->rules->credential_kinds,
                                 work->shown.date);
}

/* Why a visit that is signed and whole is not billable by the rules. */
static enum unit_why why_not_billable(const struct units_made *made, const struct visit *visit,
                                      const struct unit_work *work)
{
    const struct roster *roster = replica_roster(made->kith->replica);
    const struct rules *rules = work->rules;
    unsigned roles = roster_roles_at(roster, visit->specialist, visit->life.sign->roster_seq);

    if (roles == ROLE_VOLUNTEER)
        return UNIT_VOLUNTEER;
    if (rulebook_needs_cosign(rules, roster, visit) && !visit->life.cosign)
        return UNIT_NO_COSIGN;
    if (!is_credentialed(made, visit, work))
        return UNIT_NO_CREDENTIAL;
    if (!rules_know_code(rules, visit_text(visit, RECORD_VISIT, VISIT_CODE)))
        return UNIT_NO_CODE;
    if (rules->needs_diagnosis && work->chart->diagnosis_count == 0)
        return UNIT_NO_DIAGNOSIS;
    if (rules->needs_authorization && !chart_authorization(work->chart, work->shown.date))
        return UNIT_NO_AUTHORIZATION;
    return UNIT_COUNTS;
}

static enum unit_why why_not(const struct units_made *made, const struct visit *visit,
                             const struct unit_work *work)
{
    struct bytes result = visit_text(visit, RECORD_VISIT, VISIT_RESULT);

    if (visit->life.voided)
        return UNIT_VOIDED;
    if (!visit->life.sign)
        return UNIT_UNSIGNED;
    if (visit->is_content_damaged)
        return UNIT_DAMAGED;
    if (visit->life.is_sign_unsettled)
        return UNIT_RIVALS;
    if (visit->life.returned)
        return UNIT_RETURNED;
    if (is_amended_twice(visit))
        return UNIT_UNSETTLED;
    if (result.len > 0 && !bytes_equal(result, bytes_text("done")))
        return UNIT_NO_CONTACT;
    if (visit_minutes(visit) < 0)
        return UNIT_NO_TIMES;
    return why_not_billable(made, visit, work);
}

static const char *title_of(struct units_made *made, const struct rules *rules)
{
    char title[2 * RULES_WORD_MAX];

    rules_title(rules, title);
    return copy_bytes(made, bytes_text(title));
}

/* The signature may name rules that were in force when it was made, and are not any more. */
static void show_signed_rules(struct units_made *made, const struct visit *visit,
                              struct kith_unit_row *row)
{
    const struct note_step *sign = visit->life.sign;
    const struct rules *named = sign ? rules_titled(made->rules, sign->text) : NULL;

    row->units_tenths_signed = -1;
    if (!sign || sign->text.len == 0 || bytes_equal(sign->text, bytes_text(row->rules)))
        return;
    row->rules_signed = copy_bytes(made, sign->text);
    if (named && row->minutes >= 0)
        row->units_tenths_signed = rules_units(named, (unsigned)row->minutes);
}

/* Visits come chart by chart. */
static struct chart_facts *chart_of(struct units_made *made, const uint8_t circle[static ID_BYTES])
{
    struct chart_facts *chart = made->charts;

    if (chart && memcmp(chart->circle, circle, ID_BYTES) == 0)
        return chart;
    made->err = chart_read(made->kith, circle, &made->arena, &chart);
    if (made->err)
        return NULL;
    chart->next = made->charts;
    made->charts = chart;
    return chart;
}

static void judge_time(struct units_made *made, const struct visit *visit, struct unit_work *work)
{
    const struct note_step *sign = visit->life.sign;
    int64_t due_ms;
    bool has_due = rulebook_due(work->rules, visit, &due_ms);

    work->is_on_time = sign && has_due && (int64_t)sign->time_ms <= due_ms;
    work->is_due = sign || (has_due && (int64_t)home_now_ms(made->kith) > due_ms);
}

static void show_work(struct units_made *made, const struct visit *visit, struct unit_work *work)
{
    struct kith_unit_row *row = &work->shown;

    id_write(visit->place.record, row->id);
    id_write(visit->place.circle, row->participant);
    row->name = work->chart->name;
    row->person = copy_bytes(made, bytes_text(home_person_name(made->kith, visit->specialist)));
    row->code = copy_bytes(made, visit_text(visit, RECORD_VISIT, VISIT_CODE));
    row->state = note_state_word(visit->life.state);
    row->rules = title_of(made, work->rules);
    row->minutes = visit_minutes(visit);
    row->units_tenths =
        row->minutes < 0 ? -1 : (int64_t)rules_units(work->rules, (unsigned)row->minutes);
    show_signed_rules(made, visit, row);
}

static bool take_visit(void *owner, const struct found_record *found)
{
    struct units_made *made = owner;
    struct visit visit;

    made->err = visit_read(&made->txn, replica_roster(made->kith->replica), found, &visit);
    if (made->err)
        return false;
    struct bytes day = visit_text(&visit, RECORD_VISIT, VISIT_DATE);
    const char *date = copy_bytes(made, day);
    if (strcmp(date, made->from) < 0 || strcmp(date, made->to) > 0)
        return !made->err;
    struct chart_facts *chart = chart_of(made, found->circle);
    struct unit_work *work = chart ? new_work(made) : NULL;
    if (!work)
        return false;
    work->chart = chart;
    work->specialist = visit.specialist;
    work->rules = rules_on(made->rules, bytes_text(chart->payer_id), day);
    work->shown.date = date;
    memcpy(work->circle, found->circle, ID_BYTES);
    memcpy(work->visit, found->record.id, ID_BYTES);
    show_work(made, &visit, work);
    work->why = why_not(made, &visit, work);
    judge_time(made, &visit, work);
    struct bytes result = visit_text(&visit, RECORD_VISIT, VISIT_RESULT);
    work->is_contact = result.len == 0 || bytes_equal(result, bytes_text("done"));
    work->group = copy_bytes(made, visit_text(&visit, RECORD_VISIT, VISIT_GROUP));
    work->line_end = copy_bytes(made, visit_text(&visit, RECORD_VISIT, VISIT_END));
    if (!visit_span(&visit, &work->start_ms, &work->end_ms))
        work->start_ms = work->end_ms = 0;
    return !made->err;
}

static int compare_work(const void *a, const void *b)
{
    const struct unit_work *left = a;
    const struct unit_work *right = b;
    int order = strcmp(left->shown.date, right->shown.date);

    if (order == 0)
        order = memcmp(left->circle, right->circle, ID_BYTES);
    if (order == 0 && left->start_ms != right->start_ms)
        return left->start_ms < right->start_ms ? -1 : 1;
    return order ? order : strcmp(left->shown.id, right->shown.id);
}

static bool is_same_day(const struct unit_work *a, const struct unit_work *b)
{
    return strcmp(a->shown.date, b->shown.date) == 0 &&
           memcmp(a->circle, b->circle, ID_BYTES) == 0 && a->specialist == b->specialist &&
           strcmp(a->shown.code, b->shown.code) == 0;
}

static bool counts(const struct unit_work *work)
{
    return work->why == UNIT_COUNTS;
}

/* Two visits at the same time that one worker made, or one participant had; a group session is one.
 */
static bool overlaps(const struct unit_work *a, const struct unit_work *b)
{
    bool is_group = *a->group && strcmp(a->group, b->group) == 0;

    return (a->specialist == b->specialist || memcmp(a->circle, b->circle, ID_BYTES) == 0) &&
           a->start_ms < b->end_ms && b->start_ms < a->end_ms && !is_group;
}

/* Of those that overlap nobody can say which is right: none counts until one is corrected. */
static void hold_overlaps(struct units_made *made)
{
    bool *is_held = arena_take(&made->arena, made->count + 1);

    for (size_t i = 0; is_held && i < made->count; i++)
        for (size_t k = i + 1; k < made->count; k++) {
            const struct unit_work *a = &made->work[i];
            const struct unit_work *b = &made->work[k];
            if (strcmp(a->shown.date, b->shown.date) != 0)
                break;
            if (counts(a) && counts(b) && overlaps(a, b))
                is_held[i] = is_held[k] = true;
        }
    for (size_t i = 0; is_held && i < made->count; i++)
        if (is_held[i])
            made->work[i].why = UNIT_OVERLAPS;
}

static bool has_before(const struct units_made *made, size_t place)
{
    const struct unit_work *work = &made->work[place];

    while (place-- > 0 && strcmp(made->work[place].shown.date, work->shown.date) == 0)
        if (counts(&made->work[place]) && is_same_day(&made->work[place], work))
            return true;
    return false;
}

static void add_up_day(struct units_made *made, size_t place)
{
    struct unit_work *first = &made->work[place];

    for (size_t k = place + 1;
         k < made->count && strcmp(made->work[k].shown.date, first->shown.date) == 0; k++) {
        struct unit_work *other = &made->work[k];
        if (!counts(other) || !is_same_day(other, first))
            continue;
        first->line_minutes += other->shown.minutes;
        if (other->end_ms > first->line_end_ms) {
            first->line_end_ms = other->end_ms;
            first->line_end = other->line_end;
        }
        other->shown.units_tenths = 0;
    }
    first->shown.units_tenths = rules_units(first->rules, (unsigned)first->line_minutes);
}

/* Where a day is reckoned as a whole, its first visit that counts has the units of all. */
static void add_up_days(struct units_made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        struct unit_work *work = &made->work[i];
        work->line_minutes = work->shown.minutes;
        work->line_end_ms = work->end_ms;
        if (counts(work) && work->rules->is_per_day && !has_before(made, i))
            add_up_day(made, i);
    }
}

/* What one person got of a code on one day, up to and with each visit. */
static void mark_over_limit(struct units_made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        struct unit_work *work = &made->work[i];
        int64_t tenths = 0;
        for (size_t k = i + 1; k-- > 0;) {
            const struct unit_work *other = &made->work[k];
            if (strcmp(other->shown.date, work->shown.date) != 0)
                break;
            if (counts(other) && memcmp(other->circle, work->circle, ID_BYTES) == 0 &&
                strcmp(other->shown.code, work->shown.code) == 0)
                tenths += other->shown.units_tenths;
        }
        work->is_over_limit = counts(work) && work->rules->units_per_day_max > 0 &&
                              tenths > (int64_t)work->rules->units_per_day_max * 10;
    }
}

static enum kith_err publish(struct units_made *made)
{
    struct kith_unit_row *rows = arena_take(&made->arena, (made->count + 1) * sizeof *rows);

    if (!rows)
        return KITH_MEMORY;
    if (made->count > 1)
        qsort(made->work, made->count, sizeof *made->work, compare_work);
    hold_overlaps(made);
    add_up_days(made);
    mark_over_limit(made);
    for (size_t i = 0; i < made->count; i++) {
        made->work[i].shown.why_not = unit_why_text(made->work[i].why);
        rows[i] = made->work[i].shown;
        if (!counts(&made->work[i]))
            continue;
        made->public.minutes += rows[i].minutes;
        made->public.units_tenths += rows[i].units_tenths;
    }
    made->public.rows = rows;
    made->public.count = made->count;
    return KITH_OK;
}

static enum kith_err read_days(struct units_made *made, const char *from, const char *to)
{
    char *dates = arena_take(&made->arena, 2 * (size_t)MOMENT_TEXT_MAX);
    uint64_t now_ms = home_now_ms(made->kith);

    if (!dates)
        return KITH_MEMORY;
    if (!moment_read_date(from, now_ms, dates) ||
        !moment_read_date(to, now_ms, dates + MOMENT_TEXT_MAX))
        return home_fail(made->kith, KITH_INPUT, "expected two dates like 2026-03-02");
    made->from = dates;
    made->to = dates + MOMENT_TEXT_MAX;
    return KITH_OK;
}

int kith_units(struct kith *kith, const char *from, const char *to, struct kith_units **units)
{
    struct units_made *made = calloc(1, sizeof *made);

    *units = NULL;
    kith->detail[0] = '\0';
    if (!made)
        return KITH_MEMORY;
    made->kith = kith;
    *units = &made->public;
    arena_init(&made->arena, UNITS_ARENA_MAX);
    enum kith_err err = home_check_billing(kith);
    if (!err)
        err = read_days(made, from, to);
    if (!err)
        err = home_read_names(kith);
    if (!err)
        err = home_rules(kith, &made->rules);
    if (!err)
        err = staff_read(kith, &made->arena, &made->staff);
    if (!err) {
        made->txn = store_begin(replica_store(kith->replica), STORE_READ);
        err = replica_each(&made->txn, RECORD_VISIT, NULL, take_visit, made);
        store_abort(&made->txn);
    }
    err = err ? err : made->err;
    if (!err)
        err = publish(made);
    if (err)
        kith_units_free(units);
    return err;
}

const struct unit_work *units_work(const struct kith_units *units)
{
    return ((const struct units_made *)units)->work;
}

const struct staff_credential *units_staff(const struct kith_units *units)
{
    return ((const struct units_made *)units)->staff;
}

void kith_units_free(struct kith_units **units)
{
    struct units_made *made = (struct units_made *)*units;

    if (!made)
        return;
    free(made->work);
    arena_clear(&made->arena);
    free(made);
    *units = NULL;
}
