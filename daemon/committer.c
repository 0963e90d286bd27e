/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"

/* A first-in first-out of ingests. */
struct queue {
    struct ingest **items;
    size_t first;
    size_t count;
    size_t room;
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
    enum kith_err failure;
    bool is_ending;
};

static bool queue_add(struct queue *queue, struct ingest *ingest)
{
    if (queue->count == queue->room) {
        size_t room = queue->room ? queue->room * 2 : 64;
        struct ingest **larger = malloc(room * sizeof *larger);
        if (!larger)
            return false;
        for (size_t i = 0; i < queue->count; i++)
            larger[i] = queue->items[(queue->first + i) % queue->room];
        free(queue->items);
        queue->items = larger;
        queue->first = 0;
        queue->room = room;
    }
    queue->items[(queue->first + queue->count++) % queue->room] = ingest;
    return true;
}

static struct ingest *queue_take(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    struct ingest *ingest = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->room;
    queue->count--;
    return ingest;
}

/* Waits for work; the number taken, 0 when it is time to end. */
static uint32_t take_batch(struct committer *committer, struct ingest **batch)
{
    uint32_t count = 0;
    size_t bytes = 0;

    (void)pthread_mutex_lock(&committer->mutex);
    while (committer->waiting.count == 0 && !committer->is_ending)
        (void)pthread_cond_wait(&committer->has_work, &committer->mutex);
    while (committer->waiting.count > 0 && count < COMMIT_BATCH_MAX && bytes < COMMIT_BATCH_BYTES) {
        batch[count] = queue_take(&committer->waiting);
        bytes += batch[count++]->frames.len;
    }
    (void)pthread_mutex_unlock(&committer->mutex);
    return count;
}

/* After an error that is not about room or memory nothing is acknowledged any more: what the disk
 * holds is unknown. */
static bool is_fatal(enum kith_err err)
{
    return err && err != KITH_FULL && err != KITH_MEMORY && err != KITH_BUSY;
}

static void give_back(struct committer *committer, struct ingest **batch, uint32_t count,
                      enum kith_err err)
{
    (void)pthread_mutex_lock(&committer->mutex);
    if (is_fatal(err))
        committer->failure = err;
    for (uint32_t i = 0; i < count; i++)
        if (!queue_add(&committer->finished, batch[i]))
            abort(); /* an answer that cannot be given back would leave its session waiting for ever
                      */
    (void)pthread_mutex_unlock(&committer->mutex);
    committer->wake(committer->owner);
}

static void commit_batch(struct committer *committer, struct ingest **batch, uint32_t count)
{
    uint64_t stored = 0;
    /* The kernel may call the next sync a success though pages of the failed one are lost: no more
     * of them. */
    enum kith_err err = committer_failure(committer);

    if (!err)
        err = ledger_commit(committer->ledger, batch, count);

    for (uint32_t i = 0; i < count; i++) {
        if (err)
            batch[i]->err = err;
        stored += batch[i]->stored_count;
    }
    log_event(err ? LOG_COMMIT_FAILED : LOG_STORED, err ? count : stored, err ? stored : count,
              err);
    give_back(committer, batch, count, err);
}

static void *commit_thread(void *argument)
{
    struct committer *committer = argument;
    static _Thread_local struct ingest *batch[COMMIT_BATCH_MAX];
    uint32_t count;

    while ((count = take_batch(committer, batch)) > 0)
        commit_batch(committer, batch, count);
    return NULL;
}

struct committer *committer_new(struct ledger *ledger, void (*wake)(void *owner), void *owner)
{
    struct committer *committer = calloc(1, sizeof *committer);

    if (!committer)
        return NULL;
    committer->ledger = ledger;
    committer->wake = wake;
    committer->owner = owner;
    (void)pthread_mutex_init(&committer->mutex, NULL);
    (void)pthread_cond_init(&committer->has_work, NULL);
    if (pthread_create(&committer->thread, NULL, commit_thread, committer) != 0) {
        free(committer);
        return NULL;
    }
    return committer;
}

void committer_free(struct committer **committer)
{
    if (!*committer)
        return;
    (void)pthread_mutex_lock(&(*committer)->mutex);
    (*committer)->is_ending = true;
    (void)pthread_cond_signal(&(*committer)->has_work);
    (void)pthread_mutex_unlock(&(*committer)->mutex);
    (void)pthread_join((*committer)->thread, NULL);
    (void)pthread_cond_destroy(&(*committer)->has_work);
    (void)pthread_mutex_destroy(&(*committer)->mutex);
    free((*committer)->waiting.items);
    free((*committer)->finished.items);
    free(*committer);
    *committer = NULL;
}

bool committer_add(struct committer *committer, struct ingest *ingest)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool is_added = queue_add(&committer->waiting, ingest);
    (void)pthread_cond_signal(&committer->has_work);
    (void)pthread_mutex_unlock(&committer->mutex);
    return is_added;
}

struct ingest *committer_take(struct committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    struct ingest *ingest = queue_take(&committer->finished);
    (void)pthread_mutex_unlock(&committer->mutex);
    return ingest;
}

enum kith_err committer_failure(struct committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    enum kith_err err = committer->failure;
    (void)pthread_mutex_unlock(&committer->mutex);
    return err;
}
