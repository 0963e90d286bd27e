/* SPDX-License-Identifier: Apache-2.0 */
/* How goals go, by what signed notes say about them. */
#include <stdlib.h>
#include <string.h>

#include "client/export/chart.h"
#include "client/fields.h"
#include "client/moment.h"
#include "client/visit.h"

#define PROGRESS_ARENA_MAX (64u * 1024 * 1024)
#define GOALS_MAX          100000
#define NOTE_PROGRESS      13

struct goal_step {
    struct kith_progress_step shown;
    struct goal_step *next;
};

struct goal {
    struct kith_goal_progress shown;
    uint8_t id[ID_BYTES];
    struct goal_step *steps;
};

struct progress_made {
    struct kith_progress public;
    struct arena arena;
    struct kith *kith;
    struct store_txn txn;
    struct goal *goals; /* ascending by id */
    size_t count;
    size_t room;
    struct chart_facts *chart; /* that was read last */
    char from[MOMENT_TEXT_MAX];
    char to[MOMENT_TEXT_MAX];
    enum kith_err err;
};

static const char *copy(struct progress_made *made, struct bytes text)
{
    return chart_text(&made->arena, text, &made->err);
}

static struct goal *new_goal(struct progress_made *made)
{
    if (made->count == made->room) {
        size_t room = made->room ? made->room * 2 : 64;
        struct goal *larger = room > GOALS_MAX ? NULL : realloc(made->goals, room * sizeof *larger);
        if (!larger) {
            made->err = KITH_MEMORY;
            return NULL;
        }
        made->goals = larger;
        made->room = room;
    }
    return memset(&made->goals[made->count++], 0, sizeof *made->goals);
}

static bool take_goal(void *owner, const struct found_record *found)
{
    struct progress_made *made = owner;
    const struct schema_type *type = schema_type("goal");
    struct goal *goal = new_goal(made);

    if (!goal)
        return false;
    if (!made->chart || memcmp(made->chart->circle, found->circle, ID_BYTES) != 0)
        made->err = chart_read(made->kith, found->circle, &made->arena, &made->chart);
    if (made->err)
        return false;
    memcpy(goal->id, found->record.id, ID_BYTES);
    id_write(found->record.id, goal->shown.id);
    id_write(found->circle, goal->shown.participant);
    goal->shown.name = made->chart->name;
    goal->shown.text = copy(made, field_text(type, &found->record, "text"));
    goal->shown.domain = copy(made, field_text(type, &found->record, "domain"));
    goal->shown.status = copy(made, field_text(type, &found->record, "status"));
    if (!*goal->shown.status)
        goal->shown.status = "open";
    return !made->err;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const struct goal *)a)->id, ((const struct goal *)b)->id, ID_BYTES);
}

static struct goal *find_goal(struct progress_made *made, struct bytes element)
{
    struct wire_in in = wire_open(element);
    struct bytes id = wire_bin(&in, ID_BYTES);
    struct goal key = {0};

    if (id.len != ID_BYTES || made->count == 0)
        return NULL;
    memcpy(key.id, id.ptr, ID_BYTES);
    return bsearch(&key, made->goals, made->count, sizeof key, compare_ids);
}

/* What the note says of the progress toward a goal. */
static struct bytes progress_word(const struct record *note, struct bytes goal)
{
    const struct merge_register *reg = record_register(note, NOTE_PROGRESS, goal);
    bool is_unsettled;
    const struct live *live = merge_read(reg, MERGE_LAST, NULL, &is_unsettled);

    return live ? value_text(live->value) : bytes_of(NULL, 0);
}

static void add_step(struct progress_made *made, const struct visit *visit, struct goal *goal,
                     const char *date, struct bytes word)
{
    struct goal_step *step = arena_take(&made->arena, sizeof *step);
    struct goal_step **place = &goal->steps;

    if (!step) {
        made->err = KITH_MEMORY;
        return;
    }
    step->shown.date = date;
    step->shown.word = copy(made, word);
    id_write(visit->place.record, step->shown.visit);
    while (*place && strcmp((*place)->shown.date, date) <= 0)
        place = &(*place)->next;
    step->next = *place;
    *place = step;
    goal->shown.step_count++;
}

static bool take_visit(void *owner, const struct found_record *found)
{
    struct progress_made *made = owner;
    struct visit visit;
    uint32_t count;

    made->err = visit_read(&made->txn, replica_roster(made->kith->replica), found, &visit);
    if (made->err)
        return false;
    const char *date = copy(made, visit_text(&visit, RECORD_VISIT, VISIT_DATE));
    if (visit.life.voided || !visit.life.sign || visit.is_content_damaged ||
        strcmp(date, made->from) < 0 || strcmp(date, made->to) > 0)
        return !made->err;
    const struct merge_register *regs = record_field(&visit.note, NOTE_GOALS, &count);
    for (uint32_t i = 0; i < count && !made->err; i++) {
        struct goal *goal = regs[i].live_count ? find_goal(made, regs[i].element) : NULL;
        if (goal)
            add_step(made, &visit, goal, date, progress_word(&visit.note, regs[i].element));
    }
    return !made->err;
}

static int compare_goals(const void *a, const void *b)
{
    const struct kith_goal_progress *left = a;
    const struct kith_goal_progress *right = b;
    int order = strcmp(left->name, right->name);

    if (order == 0)
        order = strcmp(left->participant, right->participant);
    return order ? order : strcmp(left->id, right->id);
}

static enum kith_err publish(struct progress_made *made)
{
    struct kith_goal_progress *goals = arena_take(&made->arena, (made->count + 1) * sizeof *goals);

    for (size_t i = 0; goals && i < made->count; i++) {
        struct goal *goal = &made->goals[i];
        struct kith_progress_step *steps =
            arena_take(&made->arena, (goal->shown.step_count + 1) * sizeof *steps);
        size_t place = 0;
        if (!steps)
            return KITH_MEMORY;
        for (const struct goal_step *step = goal->steps; step; step = step->next)
            steps[place++] = step->shown;
        goal->shown.steps = steps;
        goals[i] = goal->shown;
    }
    made->public.goals = goals;
    made->public.count = made->count;
    if (goals && made->count > 1)
        qsort(goals, made->count, sizeof *goals, compare_goals);
    return goals ? KITH_OK : KITH_MEMORY;
}

static enum kith_err read_all(struct progress_made *made, const char *participant)
{
    uint8_t circle[ID_BYTES];
    const uint8_t *only = participant ? circle : NULL;
    enum kith_err err = participant ? home_participant(made->kith, participant, circle) : KITH_OK;

    if (err)
        return err;
    made->txn = store_begin(replica_store(made->kith->replica), STORE_READ);
    err = replica_each(&made->txn, RECORD_GOAL, only, take_goal, made);
    if (!err && !made->err && made->count > 1)
        qsort(made->goals, made->count, sizeof *made->goals, compare_ids);
    if (!err && !made->err)
        err = replica_each(&made->txn, RECORD_VISIT, only, take_visit, made);
    store_abort(&made->txn);
    return err ? err : made->err;
}

int kith_progress_of(struct kith *kith, const char *participant, const char *from, const char *to,
                     struct kith_progress **report)
{
    struct progress_made *made = calloc(1, sizeof *made);
    uint64_t now_ms = home_now_ms(kith);
    enum kith_err err = KITH_OK;

    *report = NULL;
    kith->detail[0] = '\0';
    if (!made)
        return KITH_MEMORY;
    *report = &made->public;
    made->kith = kith;
    arena_init(&made->arena, PROGRESS_ARENA_MAX);
    if (!moment_read_date(from, now_ms, made->from) || !moment_read_date(to, now_ms, made->to))
        err = home_fail(kith, KITH_INPUT, "expected two dates like 2026-03-02");
    if (!err)
        err = read_all(made, participant);
    if (!err)
        err = publish(made);
    if (err)
        kith_progress_free(report);
    return err;
}

void kith_progress_free(struct kith_progress **report)
{
    struct progress_made *made = (struct progress_made *)*report;

    if (!made)
        return;
    free(made->goals);
    arena_clear(&made->arena);
    free(made);
    *report = NULL;
}
