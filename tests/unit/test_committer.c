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
    struct ingest charts[CHARTS]; /* each with a new chart and its first change, verified */
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

static void ingest_open(struct office *office, struct ingest *ingest)
{
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
        struct ingest *ingest = &office->charts[i];
        struct buffer frames;
        link_chart(&office->ana, "somebody", circle);
        buffer_init(&frames, BATCH_MAX);
        sending_init(&sending, LINK_NOW_MS / 1000);
        sending.is_pull_sent = true;
        assert_int_equal(replica_fill(office->ana.replica, &sending, BATCH_MAX, &frames, &has_more),
                         KITH_OK);
        sending_clear(&sending);
        ingest_open(office, ingest);
        buffer_add(&ingest->frames, frames.ptr, frames.len);
        buffer_clear(&frames);
        ledger_verify(office->hub.ledger, ingest);
        assert_int_equal(ingest->err, KITH_OK);
    }
}

static void charts_clear(struct office *office)
{
    for (uint32_t i = 0; i < CHARTS; i++)
        ingest_clear(&office->charts[i]);
}

/* The next one that is handed back; waits for it. */
static struct ingest *take(struct committer *committer, sem_t *woken)
{
    struct timespec until;
    struct ingest *ingest;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    while (!(ingest = committer_take(committer)))
        assert_int_equal(sem_timedwait(woken, &until), 0);
    return ingest;
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
    struct committer *committer = committer_new(office->hub.ledger, wake, &office->woken);
    struct session_answer answer;

    assert_non_null(committer);
    assert_null(committer_take(committer));
    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++)
        assert_true(committer_add(committer, &office->charts[i]));
    for (uint32_t i = 0; i < CHARTS; i++) {
        struct ingest *ingest = take(committer, &office->woken);
        assert_ptr_equal(ingest, &office->charts[i]);
        /* Each holds what is in the outbox so far: the charts before it come again and are stored
         * once. */
        assert_int_equal(ingest->err, KITH_OK);
        assert_int_equal(ingest->stored_count, 1);
        ingest_answer(ingest, &answer);
        assert_int_equal(answer.refusals.len, 0);
        assert_int_equal(answer.line_count, 2 * (i + 1));
    }
    assert_null(committer_take(committer));
    assert_int_equal(stored_changes(office), CHARTS);
    assert_int_equal(committer_failure(committer), KITH_OK);
    committer_free(&committer);
    assert_null(committer);
    committer_free(&committer);
    charts_clear(office);
}

static void what_is_queued_when_it_ends_is_committed_all_the_same(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_new(office->hub.ledger, wake, &office->woken);

    assert_non_null(committer);
    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++)
        assert_true(committer_add(committer, &office->charts[i]));
    committer_free(&committer);
    assert_int_equal(stored_changes(office), CHARTS);
    for (uint32_t i = 0; i < CHARTS; i++)
        assert_int_equal(office->charts[i].stored_count, 1);
    test_hub_reopen(&office->hub);
    assert_int_equal(stored_changes(office), CHARTS);
    charts_clear(office);
}

static void more_than_one_batch_comes_back_whole_and_in_order(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_new(office->hub.ledger, wake, &office->woken);
    struct ingest *ingests = calloc(MANY, sizeof *ingests);

    assert_non_null(committer);
    assert_non_null(ingests);
    for (uint32_t i = 0; i < MANY; i++) {
        ingest_open(office, &ingests[i]);
        /* Some are not well formed: they are handed back like the others. */
        ingests[i].err = i % 5 == 0 ? KITH_MALFORMED : KITH_OK;
        assert_true(committer_add(committer, &ingests[i]));
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(take(committer, &office->woken), &ingests[i]);
        assert_int_equal(ingests[i].err, i % 5 == 0 ? KITH_MALFORMED : KITH_OK);
        ingest_clear(&ingests[i]);
    }
    assert_null(committer_take(committer));
    committer_free(&committer);
    free(ingests);
}

struct producer {
    struct committer *committer;
    struct ingest *ingests;
    uint32_t count;
    bool has_failed;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;

    for (uint32_t i = 0; i < producer->count; i++)
        if (!committer_add(producer->committer, &producer->ingests[i]))
            producer->has_failed = true;
    return NULL;
}

static void several_threads_hand_in_and_each_finds_its_own_order(void **state)
{
    struct office *office = *state;
    struct committer *committer = committer_new(office->hub.ledger, wake, &office->woken);
    struct ingest *ingests = calloc(MANY, sizeof *ingests);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint32_t seen[PRODUCERS] = {0};
    const uint32_t share = MANY / PRODUCERS;

    assert_non_null(committer);
    assert_non_null(ingests);
    for (uint32_t i = 0; i < MANY; i++)
        ingest_open(office, &ingests[i]);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){committer, &ingests[i * share], share, false};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    for (uint32_t i = 0; i < PRODUCERS * share; i++) {
        uint32_t index = (uint32_t)(take(committer, &office->woken) - ingests);
        assert_int_equal(index % share, seen[index / share]++);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(producers[i].has_failed);
    }
    committer_free(&committer);
    for (uint32_t i = 0; i < MANY; i++)
        ingest_clear(&ingests[i]);
    free(ingests);
}

/* Handed in between the order to end and the end: what was added before committer_free is called is
 * stored, however far the thread has come. */
static void ending_at_any_moment_loses_nothing(void **state)
{
    struct office *office = *state;

    charts_make(office);
    for (uint32_t i = 0; i < CHARTS; i++) {
        struct committer *committer = committer_new(office->hub.ledger, wake, &office->woken);
        assert_non_null(committer);
        if (i % 3 == 1) {
            struct ingest nothing;
            ingest_open(office, &nothing);
            assert_true(committer_add(committer, &nothing));
            (void)take(committer, &office->woken);
            ingest_clear(&nothing);
        }
        assert_true(committer_add(committer, &office->charts[i]));
        committer_free(&committer);
        assert_int_equal(stored_changes(office), i + 1);
    }
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
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
