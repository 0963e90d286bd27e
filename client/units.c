/* SPDX-License-Identifier: Apache-2.0 */
/* Units of service: reckoned from the signed visits each time, with the rules of each day. */
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "client/moment.h"
#include "client/rulebook.h"
#include "client/visit.h"

#define UNITS_ARENA_MAX (64u * 1024 * 1024)

/* One visit, with what its day is reckoned by. */
struct unit_work {
    struct kith_unit_row shown;
    uint32_t specialist;
    uint8_t circle[ID_BYTES];
    const struct rules *rules;
};

struct units_made {
    struct kith_units public;
    struct arena arena;
    struct kith *kith;
    struct store_txn txn;
    const struct rules_list *rules;
    const char *from;
    const char *to;
    struct unit_work *work;
    size_t count;
    size_t room;
    enum kith_err err;
};

static const char *copy_bytes(struct units_made *made, struct bytes text)
{
    char *copy = arena_take(&made->arena, text.len + 1);

    if (!copy)
        made->err = KITH_MEMORY;
    else if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy ? copy : "";
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

static const char *why_not(const struct units_made *made, const struct visit *visit,
                           const struct rules *rules)
{
    const struct roster *roster = replica_roster(made->kith->replica);
    struct bytes result = visit_text(visit, RECORD_VISIT, VISIT_RESULT);

    if (visit->life.voided)
        return "voided";
    if (!visit->life.sign)
        return "not signed";
    if (visit->life.is_sign_unsettled)
        return "two versions are signed";
    if (visit->life.returned)
        return "returned";
    if (result.len > 0 && !bytes_equal(result, bytes_text("done")))
        return "no contact";
    if (visit_minutes(visit) < 0)
        return "no times";
    if (rulebook_needs_cosign(rules, roster, visit) && !visit->life.cosign)
        return "not co-signed";
    return "";
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

static const char *participant_name(struct units_made *made, const uint8_t circle[static ID_BYTES])
{
    struct found_record found;
    bool is_unsettled;
    enum kith_err err = replica_find_in(&made->txn, circle, RECORD_PARTICIPANT, circle, &found);
    const struct live *live = err ? NULL
                                  : merge_read(record_register(&found.record, 1, bytes_of(NULL, 0)),
                                               MERGE_EXACT, NULL, &is_unsettled);
    struct wire_in in = wire_open(live ? live->value : bytes_of(NULL, 0));

    return copy_bytes(made, wire_text(&in, VALUE_MAX));
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
    struct unit_work *work = new_work(made);
    if (!work)
        return false;
    struct kith_unit_row *row = &work->shown;
    struct bytes payer = {NULL, 0};
    if (rules_list_names_payers(made->rules))
        made->err = rulebook_payer(&made->txn, found->circle, &payer);
    work->specialist = visit.specialist;
    work->rules = rules_on(made->rules, payer, day);
    memcpy(work->circle, found->circle, ID_BYTES);
    id_write(found->record.id, row->id);
    id_write(found->circle, row->participant);
    row->date = date;
    row->name = participant_name(made, found->circle);
    row->person = copy_bytes(made, bytes_text(home_person_name(made->kith, visit.specialist)));
    row->code = copy_bytes(made, visit_text(&visit, RECORD_VISIT, VISIT_CODE));
    row->state = note_state_word(visit.life.state);
    row->rules = title_of(made, work->rules);
    row->minutes = visit_minutes(&visit);
    row->why_not = why_not(made, &visit, work->rules);
    row->units_tenths =
        row->minutes < 0 ? -1 : (int64_t)rules_units(work->rules, (unsigned)row->minutes);
    show_signed_rules(made, &visit, row);
    return !made->err;
}

static int compare_work(const void *a, const void *b)
{
    const struct unit_work *left = a;
    const struct unit_work *right = b;
    int order = strcmp(left->shown.date, right->shown.date);

    if (order == 0)
        order = memcmp(left->circle, right->circle, ID_BYTES);
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
    return work->shown.why_not[0] == '\0';
}

/* Where a day is reckoned as a whole, its first visit that counts has the units of all. */
static void add_up_days(struct units_made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        struct unit_work *first = &made->work[i];
        int64_t minutes = first->shown.minutes;
        bool is_first = counts(first) && first->rules->is_per_day;
        for (size_t k = 0; k < i && is_first; k++)
            is_first = !(counts(&made->work[k]) && is_same_day(&made->work[k], first));
        if (!is_first)
            continue;
        for (size_t k = i + 1; k < made->count; k++)
            if (counts(&made->work[k]) && is_same_day(&made->work[k], first)) {
                minutes += made->work[k].shown.minutes;
                made->work[k].shown.units_tenths = 0;
            }
        first->shown.units_tenths = rules_units(first->rules, (unsigned)minutes);
    }
}

static enum kith_err publish(struct units_made *made)
{
    struct kith_unit_row *rows = arena_take(&made->arena, (made->count + 1) * sizeof *rows);

    if (!rows)
        return KITH_MEMORY;
    if (made->count > 1)
        qsort(made->work, made->count, sizeof *made->work, compare_work);
    add_up_days(made);
    for (size_t i = 0; i < made->count; i++) {
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
    enum kith_err err = read_days(made, from, to);
    if (!err)
        err = home_read_names(kith);
    if (!err)
        err = home_rules(kith, &made->rules);
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
