/* SPDX-License-Identifier: Apache-2.0 */
/* The commit thread: everything that is handed in is stored and handed back, in order, also at the
 * very end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/committer.h"
#include "link.h"
#include "make.h"

#define CHARTS    12
#define MANY      2500 /* more than one batch takes */
#define PRODUCERS 4
#define WAIT_S    60

struct office {
    struct test_hub hub;
    struct test_device ana;
    struct intake charts[CHARTS]; /* each with a new chart and its first change, verified */
    struct intake *taken;         /* handed back and not looked at yet */
    sem_t woken;
};

static void wake(void *owner)
{
    (void)sem_post(owner);
}

static int office_open(void **state)
{
    struct office *office = calloc(1, sizeof *office);

    if (!office || sem_init(&office->woken, 0, 0))
        return 1;
    test_hub_open(&office->hub);
    test_device_open(&office->ana);
    link_found(&office->hub, &office->ana);
    *state = office;
    return 0;
}

static int office_close(void **state)
{
    struct office *office = *state;

    test_device_close(&office->ana);
    test_hub_close(&office->hub);
    (void)sem_destroy(&office->woken);
    free(office);
    return 0;
}

static void intake_open(struct office *office, struct intake *intake)
{
    struct ingest *ingest = &intake->ingest;
    const struct identity *identity = replica_identity(office->ana.replica);

    ingest_init(ingest);
    ingest->mode = CHANNEL_SYNC;
    ingest->device = identity->device;
    ingest->now_s = LINK_NOW_MS / 1000;
    memcpy(ingest->noise_key, identity->noise.public, KEY_BYTES);
}

/* A chart per ingest, so that they can all be verified before the first is stored. */
static void charts_make(struct office *office)
{
    struct sending sending;
    bool has_more;
    uint8_t circle[ID_BYTES];

    for (uint32_t i = 0; i < CHARTS; i++) {
        struct ingest *ingest = &office->charts[i].ingest;
        struct buffer frames;
        link_chart(&office->ana, "somebody", circle);
        buffer_init(&frames, BATCH_MAX);
        sending_init(&sending, LINK_NOW_MS / 1000);
        sending.is_pull_sent = true;
        assert_int_equal(replica_fill(office->ana.replica, &sending, BATCH_MAX, &frames, &has_more),
                         KITH_OK);
        sending_clear(&sending);
        intake_open(office, &office->charts[i]);
        buffer_add(&ingest->frames, frames.ptr, frames.len);
        buffer_clear(&frames);
        ledger_verify(office->hub.ledger, ingest);
        assert_int_equal(ingest->err, KITH_OK);
    }
}

static void charts_clear(struct office *office)
{
    for (uint32_t i = 0; i < CHARTS; i++)
        ingest_clear(&office->charts[i].ingest);
}

static struct committer *committer_open(struct office *office)
{
    struct committer *committer;

    assert_int_equal(committer_new(&committer, office->hub.ledger, wake, &office->woken), KITH_OK);
    office->taken = NULL;
    return committer;
}

/* Nothing is there to be looked at. */
static void assert_none(struct office *office, struct committer *committer)
{
    struct committed committed = committer_take(committer);

    assert_null(office->taken);
    assert_null(committed.first);
    assert_int_equal(committed.failure, KITH_OK);
}

/* The next one that is handed back; waits for it. */
static struct intake *take(struct office *office, struct committer *committer)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    while (!office->taken && !(office->taken = committer_take(committer).first))
        assert_int_equal(sem_timedwait(&office->woken, &until), 0);
    struct intake *intake = office->taken;
    office->taken = intake->next;
    return intake;
}

static uint64_t stored_changes(const struct office *office)
{
    struct ledger_stats stats;

    assert_int_equal(ledger_stats(office->hub.ledger, &stats), KITH_OK);
    return stats.changes;
}

static void what_is_committed_is_handed_back_in_order_and_stored(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_open(office);
    struct session_answer answer;

    assert_none(office, committer);
    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++)
        committer_add(committer, &office->charts[i]);
    for (uint32_t i = 0; i < CHARTS; i++) {
        struct intake *intake = take(office, committer);
        struct ingest *ingest = &intake->ingest;
        assert_ptr_equal(intake, &office->charts[i]);
        /* Each holds what is in the outbox so far: the charts before it come again and are stored
         * once. */
        assert_int_equal(ingest->err, KITH_OK);
        assert_int_equal(ingest->stored_count, 1);
        ingest_answer(ingest, &answer);
        assert_int_equal(answer.refusals.len, 0);
        assert_int_equal(answer.line_count, 2 * (i + 1));
    }
    assert_none(office, committer);
    assert_int_equal(stored_changes(office), CHARTS);
    committer_free(&committer);
    assert_null(committer);
    committer_free(&committer);
    charts_clear(office);
}

static void what_is_queued_when_it_ends_is_committed_all_the_same(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_open(office);

    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++)
        committer_add(committer, &office->charts[i]);
    committer_free(&committer);
    assert_int_equal(stored_changes(office), CHARTS);
    for (uint32_t i = 0; i < CHARTS; i++)
        assert_int_equal(office->charts[i].ingest.stored_count, 1);
    test_hub_reopen(&office->hub);
    assert_int_equal(stored_changes(office), CHARTS);
    charts_clear(office);
}

static void more_than_one_batch_comes_back_whole_and_in_order(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_open(office);
    struct intake *intakes = calloc(MANY, sizeof *intakes);

    assert_non_null(intakes);
    for (uint32_t i = 0; i < MANY; i++) {
        intake_open(office, &intakes[i]);
        /* Some are not well formed: they are handed back like the others. */
        intakes[i].ingest.err = i % 5 == 0 ? KITH_MALFORMED : KITH_OK;
        committer_add(committer, &intakes[i]);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(take(office, committer), &intakes[i]);
        assert_int_equal(intakes[i].ingest.err, i % 5 == 0 ? KITH_MALFORMED : KITH_OK);
        ingest_clear(&intakes[i].ingest);
    }
    assert_none(office, committer);
    committer_free(&committer);
    free(intakes);
}

struct producer {
    struct committer *committer;
    struct intake *intakes;
    uint32_t count;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;

    for (uint32_t i = 0; i < producer->count; i++)
        committer_add(producer->committer, &producer->intakes[i]);
    return NULL;
}

static void several_threads_hand_in_and_each_finds_its_own_order(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_open(office);
    struct intake *intakes = calloc(MANY, sizeof *intakes);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint32_t seen[PRODUCERS] = {0};
    const uint32_t share = MANY / PRODUCERS;

    assert_non_null(intakes);
    for (uint32_t i = 0; i < MANY; i++)
        intake_open(office, &intakes[i]);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){committer, &intakes[i * share], share};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS * share; i++) {
        uint32_t index = (uint32_t)(take(office, committer) - intakes);
        assert_int_equal(index % share, seen[index / share]++);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    committer_free(&committer);
    for (uint32_t i = 0; i < MANY; i++)
        ingest_clear(&intakes[i].ingest);
    free(intakes);
}

/* Handed in between the order to end and the end: what was added before committer_free is called is
 * stored, however far the thread has come. */
static void ending_at_any_moment_loses_nothing(void **state)
{
    struct office *office = *state;

    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++) {
        struct committer *committer = committer_open(office);
        if (i % 3 == 1) {
            struct intake nothing = {0};
            intake_open(office, &nothing);
            committer_add(committer, &nothing);
            (void)take(office, committer);
            ingest_clear(&nothing.ingest);
        }
        committer_add(committer, &office->charts[i]);
        committer_free(&committer);
        assert_int_equal(stored_changes(office), i + 1);
    }
    charts_clear(office);
}

/* The same chart again is acknowledged and is no news: a replayed flight wakes nobody. */
static void what_was_there_already_is_no_news(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_open(office);
    struct intake again = {0};
    struct committed committed;

    charts_make(office);
    intake_open(office, &again);
    struct bytes frames = buffer_view(&office->charts[0].ingest.frames);
    buffer_add(&again.ingest.frames, frames.ptr, frames.len);
    ledger_verify(office->hub.ledger, &again.ingest);
    struct intake *const given[] = {&office->charts[0], &again};
    for (uint32_t i = 0; i < 2; i++) {
        committer_add(committer, given[i]);
        while (!(committed = committer_take(committer)).first)
            assert_int_equal(sem_wait(&office->woken), 0);
        assert_ptr_equal(committed.first, given[i]);
        assert_int_equal(committed.news->devices.count + committed.news->live_devices.count > 0,
                         i == 0);
        assert_true(given[i]->ingest.line_count > 0);
    }
    committer_free(&committer);
    ingest_clear(&again.ingest);
    charts_clear(office);
}

#define OFFICE(test) cmocka_unit_test_setup_teardown(test, office_open, office_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFICE(what_is_committed_is_handed_back_in_order_and_stored),
        OFFICE(what_is_queued_when_it_ends_is_committed_all_the_same),
        OFFICE(more_than_one_batch_comes_back_whole_and_in_order),
        OFFICE(several_threads_hand_in_and_each_finds_its_own_order),
        OFFICE(ending_at_any_moment_loses_nothing),
        OFFICE(what_was_there_already_is_no_news),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
