/* SPDX-License-Identifier: Apache-2.0 */
/* Training and supervision against what the rules in force today ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/export/chart.h"
#include "client/fields.h"
#include "client/moment.h"

#define TRAINING_ARENA_MAX (16u * 1024 * 1024)
#define ASKED_MAX          (RULES_ENTRIES_MAX + 4)
#define MINUTES_OF_TENTH   6 /* of an hour */
#define MS_OF_MINUTE       60000
#define TENTHS             10

/* One worker while records are added up. */
struct trained {
    struct kith_trained shown;
    uint32_t person;
    struct kith_asked asked[ASKED_MAX];
};

struct training_made {
    struct kith_training public;
    struct arena arena;
    struct kith *kith;
    const struct rules *rules;
    char since[MOMENT_TEXT_MAX]; /* of training */
    char month[MOMENT_TEXT_MAX]; /* its first day */
    struct trained *people;
    size_t count;
    size_t room;
    enum kith_err err;
};

static void add_asked(struct trained *person, const char *what, const char *unit, const char *since,
                      unsigned asked)
{
    person->asked[person->shown.count++] =
        (struct kith_asked){what, unit, since, 0, (int64_t)asked * TENTHS};
}

/* Supervision is asked of those who work with people, not of those who lead them. */
static bool is_supervised(const struct training_made *made, uint32_t person)
{
    const struct roster_person *listed = roster_person(replica_roster(made->kith->replica), person);

    return listed && (listed->roles & (ROLE_SPECIALIST | ROLE_TRAINEE | ROLE_VOLUNTEER));
}

/* What is always shown, and what the rules ask beside it. */
static void ask(struct training_made *made, struct trained *person)
{
    const struct rules *rules = made->rules;

    add_asked(person, "training", "hours", made->since, rules->training_hours);
    for (size_t i = 0; i < rules->entry_count; i++)
        if (rules->entries[i].group == RULES_TRAINING)
            add_asked(person, rules->entries[i].name, "hours", made->since,
                      (unsigned)strtoul(rules->entries[i].value, NULL, 10));
    if (!is_supervised(made, person->person))
        return;
    add_asked(person, "supervision", "hours", "", rules->supervised_hours);
    add_asked(person, "supervision this month", "sessions", made->month,
              rules->supervision_per_month);
}

static struct trained *person_of(struct training_made *made, uint32_t number)
{
    for (size_t i = 0; i < made->count; i++)
        if (made->people[i].person == number)
            return &made->people[i];
    if (made->count == made->room) {
        size_t room = made->room ? made->room * 2 : 16;
        struct trained *larger = realloc(made->people, room * sizeof *larger);
        if (!larger) {
            made->err = KITH_MEMORY;
            return NULL;
        }
        made->people = larger;
        made->room = room;
    }
    struct trained *person = memset(&made->people[made->count++], 0, sizeof *person);
    person->person = number;
    person->shown.number = number;
    person->shown.person =
        chart_text(&made->arena, bytes_text(home_person_name(made->kith, number)), &made->err);
    ask(made, person);
    return person;
}

static void add_to(struct trained *person, struct bytes what, struct bytes day, int64_t tenths)
{
    for (size_t i = 0; i < person->shown.count; i++) {
        struct kith_asked *asked = &person->asked[i];
        size_t len = strlen(asked->since);
        bool is_in_time = len == 0 || (day.len >= len && memcmp(day.ptr, asked->since, len) >= 0);
        if (is_in_time && bytes_equal(what, bytes_text(asked->what)))
            asked->has_tenths += tenths;
    }
}

static bool take_training(void *owner, const struct found_record *found)
{
    struct training_made *made = owner;
    const struct schema_type *type = schema_type("training");
    const struct record *record = &found->record;
    struct trained *person = person_of(made, field_person(type, record, "holder"));
    struct bytes day = field_text(type, record, "date");
    int64_t tenths = (int64_t)(field_number(type, record, "hours") % 100000) * TENTHS;

    if (!person)
        return false;
    add_to(person, bytes_text("training"), day, tenths);
    add_to(person, field_text(type, record, "category"), day, tenths);
    return !made->err;
}

static bool take_credential(void *owner, const struct found_record *found)
{
    struct training_made *made = owner;

    return person_of(made, field_person(schema_type("credential"), &found->record, "holder")) &&
           !made->err;
}

static bool moment_of(struct bytes text, int64_t *ms)
{
    char copy[MOMENT_TEXT_MAX];

    (void)snprintf(copy, sizeof copy, "%.*s", (int)(text.len < sizeof copy ? text.len : 0),
                   text.len ? (const char *)text.ptr : "");
    return moment_ms(copy, ms);
}

static bool take_supervision(void *owner, const struct found_record *found)
{
    struct training_made *made = owner;
    const struct schema_type *type = schema_type("supervision");
    const struct record *record = &found->record;
    struct trained *person = person_of(made, field_person(type, record, "specialist"));
    struct bytes day = field_text(type, record, "date");
    int64_t start;
    int64_t end;

    if (!person)
        return false;
    if (moment_of(field_text(type, record, "start"), &start) &&
        moment_of(field_text(type, record, "end"), &end) && end > start)
        add_to(person, bytes_text("supervision"), day,
               (end - start) / MS_OF_MINUTE / MINUTES_OF_TENTH);
    add_to(person, bytes_text("supervision this month"), day, TENTHS);
    return !made->err;
}

static void find_days(struct training_made *made)
{
    time_t now = (time_t)(home_now_ms(made->kith) / 1000);
    struct tm day;

    (void)localtime_r(&now, &day);
    (void)strftime(made->month, sizeof made->month, "%Y-%m-01", &day);
    day.tm_mon -= (int)(made->rules->training_months % 1200);
    day.tm_hour = 12;
    day.tm_isdst = -1;
    (void)mktime(&day);
    (void)strftime(made->since, sizeof made->since, "%Y-%m-%d", &day);
}

static enum kith_err read_all(struct training_made *made)
{
    static const struct {
        uint32_t type;
        replica_visit *take;
    } readings[] = {
        {RECORD_CREDENTIAL, take_credential},
        {RECORD_TRAINING, take_training},
        {RECORD_SUPERVISION, take_supervision},
    };
    struct store_txn txn = store_begin(replica_store(made->kith->replica), STORE_READ);
    enum kith_err err = person_of(made, replica_person(made->kith->replica)) ? KITH_OK : made->err;

    for (size_t i = 0; i < sizeof readings / sizeof *readings && !err; i++) {
        err = replica_each(&txn, readings[i].type, NULL, readings[i].take, made);
        err = err ? err : made->err;
    }
    store_abort(&txn);
    return err;
}

static int compare_people(const void *a, const void *b)
{
    return strcmp(((const struct kith_trained *)a)->person,
                  ((const struct kith_trained *)b)->person);
}

static enum kith_err publish(struct training_made *made)
{
    struct kith_trained *people = arena_take(&made->arena, (made->count + 1) * sizeof *people);
    char title[2 * RULES_WORD_MAX];

    if (!people)
        return KITH_MEMORY;
    rules_title(made->rules, title);
    made->public.rules = chart_text(&made->arena, bytes_text(title), &made->err);
    for (size_t i = 0; i < made->count; i++) {
        made->people[i].shown.asked = made->people[i].asked;
        people[i] = made->people[i].shown;
    }
    if (made->count > 1)
        qsort(people, made->count, sizeof *people, compare_people);
    made->public.people = people;
    made->public.count = made->count;
    return made->err;
}

int kith_training(struct kith *kith, struct kith_training **report)
{
    struct training_made *made = calloc(1, sizeof *made);
    const struct rules_list *list;

    *report = NULL;
    kith->detail[0] = '\0';
    if (!made)
        return KITH_MEMORY;
    *report = &made->public;
    made->kith = kith;
    arena_init(&made->arena, TRAINING_ARENA_MAX);
    enum kith_err err = home_read_names(kith);
    if (!err)
        err = home_rules(kith, &list);
    if (!err) {
        char today[MOMENT_TEXT_MAX];
        (void)moment_read_date("today", home_now_ms(kith), today);
        made->rules = rules_on(list, bytes_of(NULL, 0), bytes_text(today));
        find_days(made);
        err = read_all(made);
    }
    if (!err)
        err = publish(made);
    if (err)
        kith_training_free(report);
    return err;
}

void kith_training_free(struct kith_training **report)
{
    struct training_made *made = (struct training_made *)*report;

    if (!made)
        return;
    free(made->people);
    arena_clear(&made->arena);
    free(made);
    *report = NULL;
}
