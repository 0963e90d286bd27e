/* SPDX-License-Identifier: Apache-2.0 */
/* Looking over: the caseload and the tasks, derived from the records each time they are asked for.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/duplicates.h"
#include "client/fields.h"
#include "client/home.h"
#include "client/moment.h"
#include "client/rulebook.h"
#include "client/visit.h"
#include "protocol/invite.h"

#define OVERVIEW_ARENA_MAX (64u * 1024 * 1024)
#define TASK_TEXT_MAX      512
#define DATE_CHARS         10
#define MS_OF_HOUR         3600000u
#define EXPIRY_DAYS        60
#define AUTHORIZATION_DAYS 14

/* One chart, while its records are counted. */
struct chart {
    uint8_t circle[ID_BYTES];
    struct kith_case shown;
    char last_visit[DATE_CHARS + 1];
    char follow_up[DATE_CHARS + 1];
    char follow_up_said_on[DATE_CHARS + 1]; /* the day of the visit that says so */
};

/* What both overviews give out: the public struct first, its memory behind it. */
struct overview {
    union {
        struct kith_caseload caseload;
        struct kith_tasks tasks;
    } public;
    struct arena arena;
    struct kith *kith;
    struct store_txn txn;
    struct chart *charts; /* ascending by circle */
    size_t chart_count;
    size_t chart_room;
    struct kith_task *tasks;
    size_t task_count;
    size_t task_room;
    struct duplicates duplicates;
    char today[MOMENT_TEXT_MAX];
    bool wants_tasks;
    const struct schema_type *type; /* whose records come now */
    enum kith_err err;
};

static void date_after(uint64_t now_ms, int days, char date[static MOMENT_TEXT_MAX])
{
    time_t then = (time_t)(now_ms / 1000) + (time_t)days * 86400;
    struct tm day;

    (void)localtime_r(&then, &day);
    (void)strftime(date, MOMENT_TEXT_MAX, "%Y-%m-%d", &day);
}

static const char *copy_text(struct overview *over, struct bytes text)
{
    char *copy = arena_take(&over->arena, text.len + 1);

    if (!copy) {
        over->err = KITH_MEMORY;
        return "";
    }
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

/* A date of a record; false if it is none. */
static bool take_date(struct bytes text, char date[static DATE_CHARS + 1])
{
    if (text.len < DATE_CHARS)
        return false;
    memcpy(date, text.ptr, DATE_CHARS);
    date[DATE_CHARS] = '\0';
    return true;
}

/* Charts */

static int compare_circles(const void *a, const void *b)
{
    return memcmp(((const struct chart *)a)->circle, ((const struct chart *)b)->circle, ID_BYTES);
}

static struct chart *find_chart(struct overview *over, const uint8_t circle[static ID_BYTES])
{
    struct chart key = {0};

    memcpy(key.circle, circle, ID_BYTES);
    return over->chart_count == 0 ? NULL
                                  : bsearch(&key, over->charts, over->chart_count,
                                            sizeof *over->charts, compare_circles);
}

static bool add_chart(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    const struct schema_type *type = schema_type("participant");

    if (over->chart_count == over->chart_room) {
        size_t room = over->chart_room ? over->chart_room * 2 : 32;
        struct chart *larger = realloc(over->charts, room * sizeof *larger);
        if (!larger) {
            over->err = KITH_MEMORY;
            return false;
        }
        over->charts = larger;
        over->chart_room = room;
    }
    struct chart *chart = &over->charts[over->chart_count++];
    memset(chart, 0, sizeof *chart);
    memcpy(chart->circle, found->circle, ID_BYTES);
    id_write(found->record.id, chart->shown.id);
    chart->shown.name = copy_text(over, field_text(type, &found->record, "name"));
    chart->shown.preferred_name =
        copy_text(over, field_text(type, &found->record, "preferred_name"));
    chart->shown.engagement = copy_text(over, field_text(type, &found->record, "engagement"));
    chart->shown.do_not_contact = field_flag(type, &found->record, "do_not_contact");
    if (!over->err && over->wants_tasks)
        over->err = duplicates_add(&over->duplicates, found);
    return !over->err;
}

/* Tasks */

static struct kith_task *new_task(struct overview *over)
{
    if (over->task_count == over->task_room) {
        size_t room = over->task_room ? over->task_room * 2 : 32;
        struct kith_task *larger = realloc(over->tasks, room * sizeof *larger);
        if (!larger) {
            over->err = KITH_MEMORY;
            return NULL;
        }
        over->tasks = larger;
        over->task_room = room;
    }
    return memset(&over->tasks[over->task_count++], 0, sizeof *over->tasks);
}

__attribute__((format(printf, 5, 6))) static void add_task(struct overview *over, const char *kind,
                                                           const struct found_record *found,
                                                           const char *due, const char *format, ...)
{
    struct kith_task *task = over->wants_tasks ? new_task(over) : NULL;
    const struct chart *chart = find_chart(over, found->circle);
    char text[TASK_TEXT_MAX];
    va_list args;

    if (!task)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    task->kind = kind;
    task->due = copy_text(over, bytes_text(due));
    task->text = copy_text(over, bytes_text(text));
    task->type = over->type->word;
    task->is_overdue = *due && strcmp(due, over->today) < 0;
    task->name = chart ? chart->shown.name : "";
    if (found->record.type)
        id_write(found->record.id, task->id);
    if (chart)
        memcpy(task->participant, chart->shown.id, sizeof task->participant);
}

static const char *name_of(struct overview *over, const struct found_record *found)
{
    const struct chart *chart = find_chart(over, found->circle);

    return chart ? chart->shown.name : "";
}

/* By when the rules of its day want the note signed and, if they say so, co-signed. */
static void find_due(struct overview *over, const struct visit *visit,
                     char due[static MOMENT_TEXT_MAX], char cosign_due[static MOMENT_TEXT_MAX])
{
    const struct rules *rules;
    int64_t due_ms;

    over->err = rulebook_of(over->kith, visit, &rules);
    if (over->err || !rulebook_due(rules, visit, &due_ms))
        return;
    date_after((uint64_t)due_ms, 0, due);
    memcpy(cosign_due, due, MOMENT_TEXT_MAX);
    if (rules->due_hours_cosign && visit->life.sign)
        date_after(visit->life.sign->time_ms + rules->due_hours_cosign * MS_OF_HOUR, 0, cosign_due);
}

/* A visit's own tasks: for its author, and for who supervises. */
static void visit_tasks(struct overview *over, const struct found_record *found,
                        const struct visit *visit, const char *day)
{
    struct kith *kith = over->kith;
    const struct roster *roster = replica_roster(kith->replica);
    uint32_t self = replica_person(kith->replica);
    const struct roster_person *author = roster_person(roster, visit->specialist);
    bool is_own = visit->specialist == self;
    bool is_mine_to_review = author && author->supervisor == self;
    char due[MOMENT_TEXT_MAX] = "";
    char cosign_due[MOMENT_TEXT_MAX] = "";
    uint32_t open_late = 0;

    find_due(over, visit, due, cosign_due);
    for (uint32_t i = 0; i < visit->late_count; i++)
        open_late += !visit->late[i].is_taken;
    if (is_own && visit->life.state == NOTE_IS_DRAFT)
        add_task(over, "note", found, due, "finish and sign the visit of %s", day);
    if (is_own && visit->life.state == NOTE_IS_SIGNED)
        add_task(over, "note", found, due, "submit the visit of %s", day);
    if (is_own && visit->life.returned)
        add_task(over, "returned", found, "", "the visit of %s was returned: %.*s", day,
                 (int)visit->life.returned->text.len, (const char *)visit->life.returned->text.ptr);
    if (is_own && open_late > 0)
        add_task(over, "late_edits", found, "",
                 "%u edits came too late for the signature of the visit of %s", open_late, day);
    if (is_own && visit->life.is_sign_unsettled)
        add_task(over, "conflict", found, "", "two versions of the visit of %s were signed", day);
    if (is_mine_to_review && visit->life.state == NOTE_IS_SUBMITTED)
        add_task(over, "cosign", found, cosign_due,
                 "%s: the visit of %s waits for your co-signature%s",
                 home_person_name(kith, visit->specialist), day,
                 visit->life.stale_cosign ? " again: it was amended" : "");
}

/* An addendum written by somebody who did not know of the void: a void by one who has read it
 * settles that. */
static void void_task(struct overview *over, const struct found_record *found,
                      const struct visit *visit, const char *day)
{
    const struct roster *roster = replica_roster(over->kith->replica);
    const struct roster_person *author = roster_person(roster, visit->specialist);

    if (visit->life.beside_void && author &&
        author->supervisor == replica_person(over->kith->replica))
        add_task(over, "voided", found, "",
                 "the voided visit of %s has an addendum from before the void was known: read it, "
                 "and void it once more or write a new visit",
                 day);
}

static void note_follow_up(struct chart *chart, const struct visit *visit, const char *day)
{
    char date[DATE_CHARS + 1];

    if (!take_date(visit_text(visit, RECORD_NOTE, NOTE_FOLLOW_UP), date) ||
        strcmp(day, chart->follow_up_said_on) < 0)
        return;
    memcpy(chart->follow_up, date, sizeof date);
    memcpy(chart->follow_up_said_on, day, DATE_CHARS + 1);
}

/* The caseload needs no more than where a visit stands, and what its note plans as it is merged;
 * tasks also what came too late. */
static enum kith_err read_visit(struct overview *over, const struct found_record *found,
                                struct visit *visit)
{
    const struct roster *roster = replica_roster(over->kith->replica);

    if (over->wants_tasks)
        return visit_read(&over->txn, roster, found, visit);
    enum kith_err err = visit_read_life(&over->txn, roster, found, visit);
    if (err)
        return err;
    err = replica_find_in(&over->txn, found->circle, RECORD_NOTE, found->record.id,
                          &visit->found_note);
    if (!err)
        visit->note = visit->found_note.record;
    return err == KITH_NOT_FOUND ? KITH_OK : err;
}

static bool take_visit(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    struct chart *chart = find_chart(over, found->circle);
    char day[DATE_CHARS + 1] = "";
    struct visit visit;

    over->err = read_visit(over, found, &visit);
    if (over->err)
        return false;
    (void)take_date(visit_text(&visit, RECORD_VISIT, VISIT_DATE), day);
    if (visit.life.voided) {
        void_task(over, found, &visit, day);
        return !over->err;
    }
    if (over->wants_tasks)
        visit_tasks(over, found, &visit, day);
    if (!chart)
        return !over->err;
    chart->shown.visits++;
    chart->shown.drafts += visit.life.state == NOTE_IS_DRAFT;
    if (strcmp(day, chart->last_visit) > 0)
        memcpy(chart->last_visit, day, sizeof day);
    note_follow_up(chart, &visit, day);
    return !over->err;
}

static bool is_word(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_text(word));
}

static bool take_goal(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    struct chart *chart = find_chart(over, found->circle);
    struct bytes status = field_text(over->type, &found->record, "status");
    char date[DATE_CHARS + 1];

    if (is_word(status, "met") || is_word(status, "closed") || is_word(status, "paused"))
        return true;
    if (chart)
        chart->shown.open_goals++;
    if (take_date(field_text(over->type, &found->record, "target_date"), date) &&
        strcmp(date, over->today) <= 0)
        add_task(over, "goal", found, date, "the hoped-for date of a goal of %s has come",
                 name_of(over, found));
    return !over->err;
}

static bool has_entry(const struct schema_type *type, const struct record *record, const char *name,
                      const char *word)
{
    uint32_t count;
    const struct merge_register *regs =
        record_field(record, schema_field(type, name)->number, &count);

    for (uint32_t i = 0; i < count; i++) {
        struct wire_in in = wire_open(regs[i].element);
        wire_array_exact(&in, 3);
        (void)wire_uint(&in, DEVICE_MAX);
        (void)wire_uint(&in, UINT64_MAX);
        if (regs[i].live_count > 0 && !in.err && is_word(value_text(in.left), word))
            return true;
    }
    return false;
}

static bool take_referral(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    char date[DATE_CHARS + 1] = "";

    if (has_entry(over->type, &found->record, "steps", "attended") ||
        has_entry(over->type, &found->record, "steps", "declined"))
        return true;
    (void)take_date(field_text(over->type, &found->record, "due"), date);
    add_task(over, "referral", found, date, "a referral of %s is open", name_of(over, found));
    return !over->err;
}

static bool take_concern(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    struct bytes urgency = field_text(over->type, &found->record, "urgency");

    if (!is_word(field_text(over->type, &found->record, "status"), "closed"))
        add_task(over, "concern", found, "", "a safety concern is open (%.*s)", (int)urgency.len,
                 urgency.len ? (const char *)urgency.ptr : "");
    return !over->err;
}

static bool take_credential(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    struct bytes kind = field_text(over->type, &found->record, "kind");
    uint32_t holder = field_person(over->type, &found->record, "holder");
    char date[DATE_CHARS + 1];
    char soon[MOMENT_TEXT_MAX];

    date_after(home_now_ms(over->kith), EXPIRY_DAYS, soon);
    if (take_date(field_text(over->type, &found->record, "expires"), date) &&
        strcmp(date, soon) <= 0)
        add_task(over, "credential", found, date, "%.*s of %s %s", (int)kind.len,
                 kind.len ? (const char *)kind.ptr : "", home_person_name(over->kith, holder),
                 strcmp(date, over->today) < 0 ? "has expired" : "expires soon");
    return !over->err;
}

static bool take_plan(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    char date[DATE_CHARS + 1];
    char soon[MOMENT_TEXT_MAX];

    date_after(home_now_ms(over->kith), AUTHORIZATION_DAYS, soon);
    if (take_date(field_text(over->type, &found->record, "auth_to"), date) &&
        strcmp(date, soon) <= 0 &&
        !is_word(field_text(over->type, &found->record, "status"), "ended"))
        add_task(over, "authorization", found, date, "the authorization for %s ends",
                 name_of(over, found));
    if (take_date(field_text(over->type, &found->record, "effective_to"), date) &&
        strcmp(date, soon) <= 0 &&
        !is_word(field_text(over->type, &found->record, "status"), "ended"))
        add_task(over, "plan", found, date, "a plan of %s ends", name_of(over, found));
    return !over->err;
}

static bool take_consent(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    char date[DATE_CHARS + 1];
    char soon[MOMENT_TEXT_MAX];

    date_after(home_now_ms(over->kith), AUTHORIZATION_DAYS, soon);
    if (take_date(field_text(over->type, &found->record, "expires"), date) &&
        strcmp(date, soon) <= 0 && strcmp(date, over->today) >= 0 &&
        !field_flag(over->type, &found->record, "revoked"))
        add_task(over, "consent", found, date, "a consent of %s ends", name_of(over, found));
    return !over->err;
}

static bool take_task(void *owner, const struct found_record *found)
{
    struct overview *over = owner;
    struct bytes title = field_text(over->type, &found->record, "title");
    uint32_t person = field_person(over->type, &found->record, "owner");
    char date[DATE_CHARS + 1] = "";

    if (field_flag(over->type, &found->record, "done") ||
        (person && person != replica_person(over->kith->replica)))
        return true;
    (void)take_date(field_text(over->type, &found->record, "due"), date);
    add_task(over, "task", found, date, "%.*s", (int)title.len,
             title.len ? (const char *)title.ptr : "");
    return !over->err;
}

static void follow_ups(struct overview *over)
{
    over->type = schema_type("participant");
    for (size_t i = 0; i < over->chart_count && !over->err; i++) {
        struct chart *chart = &over->charts[i];
        struct found_record found = {0};
        if (strcmp(chart->last_visit, chart->follow_up) >= 0)
            chart->follow_up[0] = '\0';
        memcpy(found.circle, chart->circle, ID_BYTES);
        memcpy(found.record.id, chart->circle, ID_BYTES);
        if (chart->follow_up[0] && !chart->shown.do_not_contact)
            add_task(over, "follow_up", &found, chart->follow_up, "see %s again",
                     chart->shown.name);
    }
}

static void duplicate_task(void *owner, const struct identity_card *older,
                           const struct identity_card *newer)
{
    struct overview *over = owner;
    struct found_record found = {0};
    char newer_id[KITH_ID_TEXT];
    char older_id[KITH_ID_TEXT];

    memcpy(found.circle, newer->circle, ID_BYTES);
    found.record.type = RECORD_PARTICIPANT;
    memcpy(found.record.id, newer->circle, ID_BYTES);
    id_write(newer->circle, newer_id);
    id_write(older->circle, older_id);
    add_task(over, "duplicate", &found, "",
             "this may be the same person as in chart %.10s: if so, kith participant edit %.10s "
             "duplicate_of=%.10s",
             older_id, newer_id, older_id);
}

/* Asked of those who may link them. */
static void duplicate_tasks(struct overview *over)
{
    const struct replica *replica = over->kith->replica;
    unsigned roles =
        roster_device_roles(replica_roster(replica), replica_identity(replica)->device);

    over->type = schema_type("participant");
    if (schema_field(over->type, "duplicate_of")->rules.writers & roles)
        duplicates_each(&over->duplicates, duplicate_task, over);
}

/* The last day of this month. */
static void month_end(const struct overview *over, char date[static MOMENT_TEXT_MAX])
{
    time_t now = (time_t)(home_now_ms(over->kith) / 1000);
    struct tm day;

    (void)localtime_r(&now, &day);
    day.tm_mon++;
    day.tm_mday = 0;
    day.tm_hour = 12;
    day.tm_isdst = -1;
    (void)mktime(&day);
    (void)strftime(date, MOMENT_TEXT_MAX, "%Y-%m-%d", &day);
}

/* Supervision that the rules ask for this month and that has not been, for whoever has it or gives
 * it. */
static enum kith_err supervision_tasks(struct overview *over)
{
    const struct roster *roster = replica_roster(over->kith->replica);
    uint32_t self = replica_person(over->kith->replica);
    struct kith_training *report = NULL;
    struct found_record nothing = {0};
    char due[MOMENT_TEXT_MAX];
    enum kith_err err = (enum kith_err)kith_training(over->kith, &report);

    if (err)
        return err;
    month_end(over, due);
    over->type = schema_type("supervision");
    for (size_t i = 0; i < report->count; i++) {
        const struct kith_trained *person = &report->people[i];
        const struct roster_person *listed = roster_person(roster, person->number);
        if (person->number != self && !(listed && listed->supervisor == self))
            continue;
        for (size_t k = 0; k < person->count; k++) {
            const struct kith_asked *asked = &person->asked[k];
            if (strcmp(asked->unit, "sessions") != 0 || asked->has_tenths >= asked->asked_tenths)
                continue;
            add_task(over, "supervision", &nothing, due,
                     "%s has had %d of %d sessions of supervision this month", person->person,
                     (int)(asked->has_tenths / 10), (int)(asked->asked_tenths / 10));
        }
    }
    kith_training_free(&report);
    return over->err;
}

static enum kith_err limit_tasks(struct overview *over)
{
    struct kith_ledger *ledger = NULL;
    struct found_record found = {.record.type = RECORD_LIMIT};
    unsigned bits;
    enum kith_err err = (enum kith_err)kith_ledger(over->kith, NULL, &ledger);

    over->type = schema_type("limit");
    for (size_t i = 0; !err && i < ledger->count; i++) {
        const struct kith_limit *limit = &ledger->limits[i];
        if (limit->is_near && id_read_prefix(limit->id, found.record.id, &bits) == KITH_OK)
            add_task(over, "limit", &found, "", "you are at %d percent of '%s' this %s",
                     (int)limit->percent, limit->name, limit->per);
    }
    kith_ledger_free(&ledger);
    return err ? err : over->err;
}

/* All of it */

static const struct {
    const char *type;
    replica_visit *take;
    bool is_for_tasks;
} readings[] = {
    {"participant", add_chart, false}, {"visit", take_visit, false},
    {"goal", take_goal, false},        {"referral", take_referral, true},
    {"concern", take_concern, true},   {"credential", take_credential, true},
    {"plan", take_plan, true},         {"task", take_task, true},
    {"consent", take_consent, true},
};

static enum kith_err read_all(struct overview *over)
{
    enum kith_err err = home_read_names(over->kith);

    date_after(home_now_ms(over->kith), 0, over->today);
    if (err)
        return err;
    over->txn = store_begin(replica_store(over->kith->replica), STORE_READ);
    for (size_t i = 0; i < sizeof readings / sizeof *readings && !err; i++) {
        if (readings[i].is_for_tasks && !over->wants_tasks)
            continue;
        over->type = schema_type(readings[i].type);
        err = replica_each(&over->txn, over->type->record, NULL, readings[i].take, over);
        err = err ? err : over->err;
        if (i == 0 && over->chart_count > 1)
            qsort(over->charts, over->chart_count, sizeof *over->charts, compare_circles);
    }
    store_abort(&over->txn);
    if (!err)
        follow_ups(over);
    if (!err && over->wants_tasks)
        duplicate_tasks(over);
    if (!err && over->wants_tasks)
        err = supervision_tasks(over);
    if (!err && over->wants_tasks)
        err = limit_tasks(over);
    return err ? err : over->err;
}

static struct overview *overview_new(struct kith *kith, bool wants_tasks)
{
    struct overview *over = calloc(1, sizeof *over);

    kith->detail[0] = '\0';
    if (over) {
        arena_init(&over->arena, OVERVIEW_ARENA_MAX);
        over->duplicates.arena = &over->arena;
        over->kith = kith;
        over->wants_tasks = wants_tasks;
    }
    return over;
}

static void overview_free(struct overview *over)
{
    if (!over)
        return;
    free(over->charts);
    duplicates_clear(&over->duplicates);
    free(over->tasks);
    arena_clear(&over->arena);
    free(over);
}

static int compare_cases(const void *a, const void *b)
{
    const struct kith_case *left = a;
    const struct kith_case *right = b;
    int order = strcmp(left->name, right->name);

    return order ? order : strcmp(left->id, right->id);
}

int kith_caseload(struct kith *kith, struct kith_caseload **caseload)
{
    struct overview *over = overview_new(kith, false);
    enum kith_err err = over ? read_all(over) : KITH_MEMORY;
    struct kith_case *cases =
        err ? NULL : arena_take(&over->arena, (over->chart_count + 1) * sizeof *cases);

    *caseload = NULL;
    if (!cases) {
        overview_free(over);
        return err ? err : KITH_MEMORY;
    }
    for (size_t i = 0; i < over->chart_count; i++) {
        cases[i] = over->charts[i].shown;
        cases[i].last_visit = over->charts[i].last_visit;
        cases[i].follow_up = over->charts[i].follow_up;
    }
    if (over->chart_count > 1)
        qsort(cases, over->chart_count, sizeof *cases, compare_cases);
    over->public.caseload = (struct kith_caseload){over->chart_count, cases};
    *caseload = &over->public.caseload;
    return 0;
}

void kith_caseload_free(struct kith_caseload **caseload)
{
    overview_free((struct overview *)*caseload);
    *caseload = NULL;
}

/* Concerns first, then what is due at once, then by date; without one last. */
static int compare_tasks(const void *a, const void *b)
{
    const struct kith_task *left = a;
    const struct kith_task *right = b;
    bool is_left_concern = strcmp(left->kind, "concern") == 0;
    bool is_right_concern = strcmp(right->kind, "concern") == 0;

    if (is_left_concern != is_right_concern)
        return is_left_concern ? -1 : 1;
    int order = strcmp(left->due, right->due);
    return order ? order : strcmp(left->id, right->id);
}

int kith_tasks(struct kith *kith, struct kith_tasks **tasks)
{
    struct overview *over = overview_new(kith, true);
    enum kith_err err = over ? read_all(over) : KITH_MEMORY;

    *tasks = NULL;
    if (err) {
        overview_free(over);
        return err;
    }
    if (over->task_count > 1)
        qsort(over->tasks, over->task_count, sizeof *over->tasks, compare_tasks);
    over->public.tasks = (struct kith_tasks){over->task_count, over->tasks};
    *tasks = &over->public.tasks;
    return 0;
}

void kith_tasks_free(struct kith_tasks **tasks)
{
    overview_free((struct overview *)*tasks);
    *tasks = NULL;
}
