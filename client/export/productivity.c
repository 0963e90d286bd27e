/* SPDX-License-Identifier: Apache-2.0 */
/* What was done between two days, worker by worker: the units report, added up. */
#include <stdlib.h>
#include <string.h>

#include "client/units.h"

#define PRODUCTIVITY_ARENA_MAX (16u * 1024 * 1024)
#define WHY_COUNT              (UNIT_OVERLAPS + 1)

/* One worker while visits are added up; number 0 stands for all. */
struct tally {
    struct kith_worker shown;
    uint32_t person;
    struct kith_why whys[WHY_COUNT];
};

struct productivity_made {
    struct kith_productivity public;
    struct arena arena;
    struct kith_units *units;
    struct tally *tallies; /* the first is of all */
    size_t count;
    size_t room;
};

static struct tally *new_tally(struct productivity_made *made, uint32_t person, const char *name)
{
    if (made->count == made->room) {
        size_t room = made->room ? made->room * 2 : 16;
        struct tally *larger = realloc(made->tallies, room * sizeof *larger);
        if (!larger)
            return NULL;
        made->tallies = larger;
        made->room = room;
    }
    struct tally *tally = memset(&made->tallies[made->count++], 0, sizeof *tally);
    tally->person = person;
    tally->shown.person = name;
    return tally;
}

static struct tally *tally_of(struct productivity_made *made, const struct unit_work *work)
{
    for (size_t i = 1; i < made->count; i++)
        if (made->tallies[i].person == work->specialist)
            return &made->tallies[i];
    return new_tally(made, work->specialist, work->shown.person);
}

static void add_visit(struct tally *tally, const struct unit_work *work)
{
    struct kith_worker *shown = &tally->shown;
    struct kith_why *why = &tally->whys[work->why];

    if (work->why != UNIT_COUNTS) {
        why->text = unit_why_text(work->why);
        why->visits++;
        why->minutes += work->shown.minutes > 0 ? work->shown.minutes : 0;
    }
    if (work->why == UNIT_VOIDED)
        return;
    shown->visits++;
    shown->contacts += work->is_contact;
    shown->due += work->is_due;
    shown->on_time += work->is_on_time;
    if (work->why != UNIT_COUNTS)
        return;
    shown->counting++;
    shown->minutes += work->shown.minutes;
    shown->units_tenths += work->shown.units_tenths;
}

/* Who met whom. */
struct meeting {
    uint32_t person; /* 0: anybody */
    const uint8_t *circle;
};

static int compare_meetings(const void *a, const void *b)
{
    const struct meeting *left = a;
    const struct meeting *right = b;

    if (left->person != right->person)
        return left->person < right->person ? -1 : 1;
    return memcmp(left->circle, right->circle, ID_BYTES);
}

/* Everybody counts once, for each worker and for all together. */
static enum kith_err count_people(struct productivity_made *made)
{
    const struct unit_work *work = units_work(made->units);
    struct meeting *meetings = calloc(2 * made->units->count + 1, sizeof *meetings);
    size_t count = 0;

    if (!meetings)
        return KITH_MEMORY;
    for (size_t i = 0; i < made->units->count; i++) {
        if (!work[i].is_contact || work[i].why == UNIT_VOIDED)
            continue;
        meetings[count++] = (struct meeting){0, work[i].circle};
        meetings[count++] = (struct meeting){work[i].specialist, work[i].circle};
    }
    qsort(meetings, count, sizeof *meetings, compare_meetings);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < made->count; k++)
            if (made->tallies[k].person == meetings[i].person &&
                (i == 0 || compare_meetings(&meetings[i - 1], &meetings[i]) != 0))
                made->tallies[k].shown.people++;
    free(meetings);
    return KITH_OK;
}

static enum kith_err add_all(struct productivity_made *made)
{
    const struct unit_work *work = units_work(made->units);

    if (!new_tally(made, 0, ""))
        return KITH_MEMORY;
    for (size_t i = 0; i < made->units->count; i++) {
        struct tally *tally = tally_of(made, &work[i]);
        if (!tally)
            return KITH_MEMORY;
        add_visit(&made->tallies[0], &work[i]);
        add_visit(tally, &work[i]);
    }
    return count_people(made);
}

static int compare_workers(const void *a, const void *b)
{
    return strcmp(((const struct kith_worker *)a)->person, ((const struct kith_worker *)b)->person);
}

static void gather_whys(struct tally *tally)
{
    size_t count = 0;

    for (size_t i = 0; i < WHY_COUNT; i++)
        if (tally->whys[i].visits > 0)
            tally->whys[count++] = tally->whys[i];
    tally->shown.whys = tally->whys;
    tally->shown.why_count = count;
}

static enum kith_err publish(struct productivity_made *made)
{
    struct kith_worker *workers = arena_take(&made->arena, made->count * sizeof *workers);

    if (!workers)
        return KITH_MEMORY;
    for (size_t i = 0; i < made->count; i++) {
        gather_whys(&made->tallies[i]);
        if (i > 0)
            workers[i - 1] = made->tallies[i].shown;
    }
    made->public.total = made->tallies[0].shown;
    made->public.workers = workers;
    made->public.count = made->count - 1;
    if (made->public.count > 1)
        qsort(workers, made->public.count, sizeof *workers, compare_workers);
    return KITH_OK;
}

int kith_productivity(struct kith *kith, const char *from, const char *to,
                      struct kith_productivity **report)
{
    struct productivity_made *made = calloc(1, sizeof *made);

    *report = NULL;
    if (!made)
        return KITH_MEMORY;
    *report = &made->public;
    arena_init(&made->arena, PRODUCTIVITY_ARENA_MAX);
    enum kith_err err = (enum kith_err)kith_units(kith, from, to, &made->units);
    if (!err)
        err = add_all(made);
    if (!err)
        err = publish(made);
    if (err)
        kith_productivity_free(report);
    return err;
}

void kith_productivity_free(struct kith_productivity **report)
{
    struct productivity_made *made = (struct productivity_made *)*report;

    if (!made)
        return;
    kith_units_free(&made->units);
    free(made->tallies);
    arena_clear(&made->arena);
    free(made);
    *report = NULL;
}
