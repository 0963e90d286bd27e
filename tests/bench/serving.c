/* SPDX-License-Identifier: Apache-2.0 */
#include "serving.h"

#include <stdlib.h>
#include <string.h>

#include "lmdb_peer.h"

void serving_init(struct serving *serving, struct bench *bench, uint32_t devices, uint32_t together)
{
    char code[KITH_CODE_TEXT];

    memset(serving, 0, sizeof *serving);
    serving->bench = bench;
    bench_hub_init(&serving->hub, bench, "served", code);
    crowd_found(&serving->crowd, serving->hub.data, devices, together);
}

static void free_messages(struct serving *serving)
{
    size_t count = (size_t)serving->crowd.count * serving->messages_each;

    for (size_t i = 0; serving->messages && i < count; i++)
        buffer_clear(&serving->messages[i]);
    free(serving->messages);
    serving->messages = NULL;
}

void serving_prepare(struct serving *serving, uint32_t messages_each, uint32_t visits_each)
{
    size_t count = (size_t)serving->crowd.count * messages_each;

    free_messages(serving);
    serving->messages_each = messages_each;
    serving->visits_each = visits_each;
    serving->messages = calloc(count + 1, sizeof *serving->messages);
    if (!serving->messages)
        bench_fail("memory for messages", KITH_MEMORY);
    for (size_t i = 0; i < count; i++) {
        buffer_init(&serving->messages[i], BATCH_MAX);
        crowd_write(&serving->crowd, (uint32_t)(i / messages_each), visits_each,
                    &serving->messages[i]);
    }
}

void serving_run(struct serving *serving)
{
    crowd_settle(&serving->crowd);
    bench_hub_run(&serving->hub);
}

struct load_options serving_load(const struct serving *serving, uint32_t first, uint32_t count)
{
    return (struct load_options){.crowd = &serving->crowd,
                                 .port = serving->hub.port,
                                 .first = first,
                                 .count = count,
                                 .processes = count > 1000 ? 2 : 1,
                                 .sources = SOURCES,
                                 .messages_each = serving->messages_each,
                                 .messages =
                                     serving->messages + (size_t)first * serving->messages_each};
}

void serving_clear(struct serving *serving)
{
    free_messages(serving);
    bench_hub_stop(&serving->hub);
    crowd_clear(&serving->crowd);
    bench_remove(serving->hub.data);
}

double serving_lmdb_s(const struct serving *serving, unsigned batches)
{
    char to[BENCH_PATH_MAX];

    bench_path(serving->bench, "copied", to);
    double seconds = lmdb_peer_write(serving->hub.data, to, batches ? batches : 1);
    bench_remove(to);
    if (seconds < 0)
        bench_fail("LMDB alone", 0);
    return seconds;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

double quantile_ms(uint64_t *values, size_t count, double q)
{
    size_t at = (size_t)(q * (double)count);

    qsort(values, count, sizeof *values, by_value);
    return count == 0 ? 0 : (double)values[at < count ? at : count - 1] / 1e6;
}
