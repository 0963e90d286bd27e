/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/log.h"

struct queue {
    struct intake *first;
    struct intake **end; /* where the next one goes */
};

struct committer {
    struct ledger *ledger;
    void (*wake)(void *owner);
    void *owner;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct queue waiting;
    struct queue finished;
    struct news news;  /* since committer_take */
    struct news taken; /* what it handed out */
    bool is_ending;
    uint64_t flush_ms;      /* when a flush was asked for; 0: not */
    enum kith_err failure;  /* written by the thread alone */
    uint64_t busy_since_us; /* the commit under way began; 0: there is none */
    uint64_t waiting_count;
    struct commit_figures figures; /* but for what is of the moment */
    /* The thread's own. */
    struct ingest *batch[COMMIT_INTAKES_MAX];
};

static uint64_t steady_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

/* Moves the intakes from `first` up to where `last` points. */
static void queue_append(struct queue *queue, struct intake *first, struct intake **last)
{
    *queue->end = first;
    queue->end = last;
    *last = NULL;
}

static void queue_drop(struct queue *queue, struct intake **last)
{
    queue->first = *last;
    if (!queue->first)
        queue->end = &queue->first;
}

/* Waits for work. The head of a list of `count` intakes; NULL, and `flush_ms`, if there is just the
 * audit log to write; NULL and 0 when it is time to end. */
static struct intake *take_batch(struct committer *committer, uint32_t *count,
                                 struct intake ***last, uint64_t *flush_ms)
{
    size_t bytes = 0;

    (void)pthread_mutex_lock(&committer->mutex);
    while (!committer->waiting.first && !committer->is_ending && !committer->flush_ms)
        (void)pthread_cond_wait(&committer->has_work, &committer->mutex);
    struct intake *first = committer->waiting.first;
    *last = &committer->waiting.first;
    *count = 0;
    *flush_ms = first ? 0 : committer->flush_ms;
    committer->flush_ms = 0;
    committer->busy_since_us = first || *flush_ms ? steady_us() : 0;
    while (**last && *count < COMMIT_INTAKES_MAX && bytes < COMMIT_BYTES_MAX) {
        committer->batch[(*count)++] = &(**last)->ingest;
        bytes += (**last)->ingest.frames.len;
        *last = &(**last)->next;
    }
    if (first)
        queue_drop(&committer->waiting, *last);
    committer->waiting_count -= *count;
    (void)pthread_mutex_unlock(&committer->mutex);
    return first;
}

static void give_back(struct committer *committer, struct intake *first, struct intake **last,
                      enum kith_err failure, const struct news *news)
{
    (void)pthread_mutex_lock(&committer->mutex);
    queue_append(&committer->finished, first, last);
    committer->failure = failure;
    if (news)
        news_append(&committer->news, news);
    (void)pthread_mutex_unlock(&committer->mutex);
    committer->wake(committer->owner);
}

/* Errors that say what there is no room for now; every other one puts in doubt what the disk holds.
 */
static bool is_passing(enum kith_err err)
{
    return err == KITH_FULL || err == KITH_RETRY || err == KITH_MEMORY || err == KITH_BUSY;
}

/* With the mutex. `count`: requests; 0 for the audit log alone. */
static void note_end(struct committer *committer, uint32_t count, enum kith_err err)
{
    struct commit_figures *figures = &committer->figures;

    histogram_add(&figures->us, histogram_us, steady_us() - committer->busy_since_us);
    if (count)
        histogram_add(&figures->requests, histogram_requests, count);
    figures->failed_count += err != KITH_OK;
    committer->busy_since_us = 0;
}

static void commit_batch(struct committer *committer, struct intake *first, uint32_t count,
                         struct intake **last)
{
    enum kith_err failure = committer->failure;
    enum kith_err err =
        failure ? failure : ledger_commit(committer->ledger, committer->batch, count);

    for (uint32_t i = 0; err && i < count; i++)
        committer->batch[i]->err = err;
    if (err && !failure)
        log_event(LOG_COMMIT_FAILED, count, 0, err);
    if (err && !is_passing(err))
        failure = err;
    (void)pthread_mutex_lock(&committer->mutex);
    note_end(committer, count, err);
    (void)pthread_mutex_unlock(&committer->mutex);
    give_back(committer, first, last, failure, err ? NULL : ledger_news(committer->ledger));
}

static void flush(struct committer *committer, uint64_t now_ms)
{
    enum kith_err err =
        committer->failure ? KITH_OK : ledger_flush(committer->ledger, now_ms, false);

    (void)pthread_mutex_lock(&committer->mutex);
    note_end(committer, 0, err);
    (void)pthread_mutex_unlock(&committer->mutex);
    if (!err)
        return;
    log_event(LOG_COMMIT_FAILED, 0, 0, err);
    if (is_passing(err))
        return;
    (void)pthread_mutex_lock(&committer->mutex);
    committer->failure = err;
    (void)pthread_mutex_unlock(&committer->mutex);
    committer->wake(committer->owner);
}

static void *commit_thread(void *argument)
{
    struct committer *committer = argument;
    struct intake *first;
    struct intake **last;
    uint32_t count;
    uint64_t flush_ms;

    while ((first = take_batch(committer, &count, &last, &flush_ms)) != NULL || flush_ms)
        if (first)
            commit_batch(committer, first, count, last);
        else
            flush(committer, flush_ms);
    return NULL;
}

enum kith_err committer_new(struct committer **made, struct ledger *ledger,
                            void (*wake)(void *owner), void *owner)
{
    struct committer *committer = calloc(1, sizeof *committer);

    *made = NULL;
    if (!committer)
        return KITH_MEMORY;
    committer->ledger = ledger;
    committer->wake = wake;
    committer->owner = owner;
    queue_init(&committer->waiting);
    queue_init(&committer->finished);
    (void)pthread_mutex_init(&committer->mutex, NULL);
    (void)pthread_cond_init(&committer->has_work, NULL);
    if (pthread_create(&committer->thread, NULL, commit_thread, committer) != 0) {
        free(committer);
        return KITH_BUSY;
    }
    *made = committer;
    return KITH_OK;
}

void committer_free(struct committer **freed)
{
    struct committer *committer = *freed;

    if (!committer)
        return;
    (void)pthread_mutex_lock(&committer->mutex);
    committer->is_ending = true;
    (void)pthread_cond_signal(&committer->has_work);
    (void)pthread_mutex_unlock(&committer->mutex);
    (void)pthread_join(committer->thread, NULL);
    (void)pthread_cond_destroy(&committer->has_work);
    (void)pthread_mutex_destroy(&committer->mutex);
    news_clear(&committer->news);
    news_clear(&committer->taken);
    free(committer);
    *freed = NULL;
}

void committer_add(struct committer *committer, struct intake *intake)
{
    (void)pthread_mutex_lock(&committer->mutex);
    queue_append(&committer->waiting, intake, &intake->next);
    committer->waiting_count++;
    (void)pthread_cond_signal(&committer->has_work);
    (void)pthread_mutex_unlock(&committer->mutex);
}

void committer_flush(struct committer *committer, uint64_t now_ms)
{
    (void)pthread_mutex_lock(&committer->mutex);
    committer->flush_ms = now_ms;
    (void)pthread_cond_signal(&committer->has_work);
    (void)pthread_mutex_unlock(&committer->mutex);
}

void committer_figures(struct committer *committer, struct commit_figures *figures)
{
    (void)pthread_mutex_lock(&committer->mutex);
    *figures = committer->figures;
    figures->waiting = committer->waiting_count;
    figures->failure = committer->failure;
    figures->busy_ms =
        committer->busy_since_us ? (steady_us() - committer->busy_since_us) / 1000 : 0;
    (void)pthread_mutex_unlock(&committer->mutex);
}

struct committed committer_take(struct committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    struct news news = committer->news;
    struct committed taken = {committer->finished.first, &committer->taken, committer->failure};

    queue_init(&committer->finished);
    committer->news = committer->taken;
    news_reset(&committer->news);
    committer->taken = news;
    (void)pthread_mutex_unlock(&committer->mutex);
    return taken;
}
