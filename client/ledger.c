/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/fields.h"
#include "client/moment.h"

#define LEDGER_ARENA_MAX (16u * 1024 * 1024)
#define LIMITS_MAX       64
#define WHOLE_DIGITS_MAX 9
#define MINUTES_MAX      (1u << 24)

struct limit {
    struct kith_limit shown;
    char from[MOMENT_TEXT_MAX]; /* the first and the last day of the period */
    char to[MOMENT_TEXT_MAX];
};

struct ledger_made {
    struct kith_ledger public;
    struct arena arena;
    char today[MOMENT_TEXT_MAX];
    struct limit limits[LIMITS_MAX];
    struct kith_limit shown[LIMITS_MAX];
    size_t count;
    enum kith_err err;
};

bool ledger_is_money(const struct schema_field *field)
{
    return (field->record == RECORD_LEDGER || field->record == RECORD_LIMIT) &&
           strcmp(field->name, "earned") == 0;
}

bool ledger_money(const char *text, int64_t *cents)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    bool has_part = text[whole] == '.';

    if (whole == 0 || whole > WHOLE_DIGITS_MAX || part > 2 || (has_part && part == 0) ||
        text[whole + (has_part ? 1 + part : 0)])
        return false;
    *cents = (int64_t)strtoul(text, NULL, 10) * 100;
    if (part > 0)
        *cents += (text[whole + 1] - '0') * 10;
    if (part > 1)
        *cents += text[whole + 2] - '0';
    return true;
}

static const char *copy_text(struct ledger_made *made, struct bytes text)
{
    char *copy = arena_take(&made->arena, text.len + 1);

    if (!copy)
        made->err = KITH_MEMORY;
    else if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy ? copy : "";
}

static int64_t money_of(struct ledger_made *made, const struct schema_type *type,
                        const struct record *record)
{
    int64_t cents = 0;

    return ledger_money(copy_text(made, field_text(type, record, "earned")), &cents) ? cents : 0;
}

/* Days compare as their texts do. */
static bool is_between(const char *day, const char *from, const char *to)
{
    return strcmp(day, from) >= 0 && (!*to || strcmp(day, to) <= 0);
}

/* The month or the year that a day is in. No month has a day above the last one given here. */
static void find_period(struct limit *limit, const char *day)
{
    bool is_year = strcmp(limit->shown.per, "year") == 0;

    (void)snprintf(limit->from, sizeof limit->from, is_year ? "%.4s-01-01" : "%.7s-01", day);
    (void)snprintf(limit->to, sizeof limit->to, is_year ? "%.4s-12-31" : "%.7s-31", day);
}

static bool take_limit(void *owner, const struct found_record *found)
{
    struct ledger_made *made = owner;
    const struct schema_type *type = schema_type("limit");
    const struct record *record = &found->record;
    struct limit *limit = &made->limits[made->count];

    if (made->count == LIMITS_MAX ||
        !is_between(made->today, copy_text(made, field_text(type, record, "from")),
                    copy_text(made, field_text(type, record, "until"))))
        return !made->err;
    made->count++;
    limit->shown.name = copy_text(made, field_text(type, record, "name"));
    limit->shown.per = copy_text(made, field_text(type, record, "per"));
    limit->shown.earned_limit_cents = money_of(made, type, record);
    limit->shown.minutes_limit = (int64_t)(field_number(type, record, "hours") % MINUTES_MAX) * 60;
    id_write(record->id, limit->shown.id);
    find_period(limit, made->today);
    return !made->err;
}

static bool take_entry(void *owner, const struct found_record *found)
{
    struct ledger_made *made = owner;
    const struct schema_type *type = schema_type("ledger");
    const char *day = copy_text(made, field_text(type, &found->record, "date"));
    int64_t minutes = (int64_t)(field_number(type, &found->record, "minutes") % MINUTES_MAX);
    int64_t cents = money_of(made, type, &found->record);

    for (size_t i = 0; i < made->count; i++) {
        struct limit *limit = &made->limits[i];
        if (!is_between(day, limit->from, limit->to))
            continue;
        limit->shown.minutes += minutes;
        limit->shown.earned_cents += cents;
    }
    if (strncmp(day, made->today, sizeof "2026-03" - 1) == 0) {
        made->public.month_minutes += minutes;
        made->public.month_cents += cents;
    }
    return !made->err;
}

/* The larger of the two shares. */
static int64_t percent(const struct kith_limit *limit)
{
    int64_t earned =
        limit->earned_limit_cents ? limit->earned_cents * 100 / limit->earned_limit_cents : 0;
    int64_t worked = limit->minutes_limit ? limit->minutes * 100 / limit->minutes_limit : 0;

    return earned > worked ? earned : worked;
}

/* To the cent and to the minute. */
static bool is_over(const struct kith_limit *limit)
{
    return (limit->earned_limit_cents && limit->earned_cents > limit->earned_limit_cents) ||
           (limit->minutes_limit && limit->minutes > limit->minutes_limit);
}

static void publish(struct ledger_made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        struct limit *limit = &made->limits[i];
        limit->shown.from = limit->from;
        limit->shown.percent = percent(&limit->shown);
        limit->shown.is_near = limit->shown.percent >= LEDGER_NEAR_PERCENT;
        limit->shown.is_over = is_over(&limit->shown);
        made->shown[i] = limit->shown;
    }
    made->public.limits = made->shown;
    made->public.count = made->count;
}

int kith_ledger(struct kith *kith, const char *day, struct kith_ledger **ledger)
{
    struct ledger_made *made = calloc(1, sizeof *made);

    *ledger = NULL;
    kith->detail[0] = '\0';
    if (!made)
        return KITH_MEMORY;
    *ledger = &made->public;
    arena_init(&made->arena, LEDGER_ARENA_MAX);
    enum kith_err err = KITH_OK;
    if (!moment_read_date(day ? day : "today", home_now_ms(kith), made->today))
        err = home_fail(kith, KITH_INPUT, "expected a date like 2026-03-02");
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    if (!err)
        err = replica_each(&txn, RECORD_LIMIT, NULL, take_limit, made);
    if (!err && !made->err)
        err = replica_each(&txn, RECORD_LEDGER, NULL, take_entry, made);
    store_abort(&txn);
    err = err ? err : made->err;
    if (err)
        kith_ledger_free(ledger);
    else
        publish(made);
    return err;
}

void kith_ledger_free(struct kith_ledger **ledger)
{
    struct ledger_made *made = (struct ledger_made *)*ledger;

    if (!made)
        return;
    arena_clear(&made->arena);
    free(made);
    *ledger = NULL;
}
