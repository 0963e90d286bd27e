/* SPDX-License-Identifier: Apache-2.0 */
/* What a hub costs that has much: one visit, ten changes to receive, its start, its memory. */
#include <stdio.h>

#include "serving.h"

#define DEVICES    1000u
#define VISITORS   200u /* of them, who have something to send or to receive */
#define PULLED     10u
#define MEMORY_KIB (64.0 * 1024)
#define START_MS   100.0
#define MAY_GROW   1.1

/* Of one device that comes. */
struct cost {
    double seconds; /* of the hub's processor */
    double bytes;
};

static void tell(struct bench *bench, uint64_t changes, const char *what, double value,
                 const char *unit, double limit)
{
    char name[96];

    (void)snprintf(name, sizeof name, "growth, %llu changes: %s", (unsigned long long)changes,
                   what);
    bench_row(bench, name, value, unit, limit);
}

static void fill(struct serving *serving, uint64_t changes)
{
    struct crowd *crowd = &serving->crowd;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    for (uint32_t i = 0; crowd->made < changes; i = (i + 1) % DEVICES) {
        buffer_reset(&frames);
        crowd_write(crowd, i, PULLED, &frames);
        crowd_store(crowd, i, buffer_view(&frames));
    }
    crowd_note_cursor(crowd);
    /* The second of each pair of visitors writes what the first one is to receive. */
    for (uint32_t i = 1; i < VISITORS; i += 2) {
        buffer_reset(&frames);
        crowd_write(crowd, i, PULLED, &frames);
        crowd_store(crowd, i, buffer_view(&frames));
    }
    buffer_clear(&frames);
}

/* One of them comes, with a message or without one. */
static uint64_t come(struct serving *serving, uint32_t device, const struct buffer *message)
{
    struct load_options options = serving_load(serving, device, 1);
    struct load load;

    options.messages = message;
    options.messages_each = message ? 1 : 0;
    load_begin(&load, &options);
    if (!load_wait(&load, PATIENCE_S) || load_count(&load, LOAD_OVER) != 1)
        bench_fail("a device did not come through", 0);
    uint64_t bytes = load.devices[0].bytes;
    load_end(&load);
    return bytes;
}

/* The first of each pair, one after another, as on any day: each of them wakes the hub. */
static struct cost receive_ten(struct serving *serving)
{
    struct cost sum = {0};
    double before = bench_hub_cpu_seconds(&serving->hub);

    for (uint32_t i = 0; i < VISITORS; i += 2)
        sum.bytes += (double)come(serving, i, NULL) / (VISITORS / 2);
    sum.seconds = (bench_hub_cpu_seconds(&serving->hub) - before) / (VISITORS / 2);
    return sum;
}

/* The second of each pair, likewise. */
static struct cost send_one(struct serving *serving)
{
    struct crowd *crowd = &serving->crowd;
    struct cost sum = {0};
    struct buffer message;
    double before = bench_hub_cpu_seconds(&serving->hub);

    buffer_init(&message, BATCH_MAX);
    for (uint32_t i = 1; i < VISITORS; i += 2) {
        buffer_reset(&message);
        crowd_write(crowd, i, 1, &message);
        sum.bytes += (double)come(serving, i, &message) / (VISITORS / 2);
        crowd->devices[i].stored = crowd->devices[i].n;
    }
    sum.seconds = (bench_hub_cpu_seconds(&serving->hub) - before) / (VISITORS / 2);
    buffer_clear(&message);
    return sum;
}

static struct cost measure_at(struct serving *serving, uint64_t changes, const struct cost *least)
{
    struct bench *bench = serving->bench;
    struct timespec start;

    fill(serving, changes);
    crowd_settle(&serving->crowd);
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    bench_hub_run(&serving->hub);
    tell(bench, changes, "start of the hub", bench_seconds_since(&start) * 1e3, "ms", START_MS);
    struct cost pull = receive_ten(serving);
    (void)send_one(serving); /* the first to touch the store's pages pay for that */
    struct cost visit = send_one(serving);
    tell(bench, changes, "one visit, CPU of the hub", visit.seconds * 1e6, "us",
         least->seconds * 1e6 * MAY_GROW);
    tell(bench, changes, "one visit, bytes", visit.bytes, "B", least->bytes * MAY_GROW);
    tell(bench, changes, "ten changes received, CPU of the hub", pull.seconds * 1e6, "us", 0);
    tell(bench, changes, "ten changes received, bytes", pull.bytes, "B", 0);
    tell(bench, changes, "memory of the hub", bench_hub_memory_kib(&serving->hub) / 1024, "MiB",
         MEMORY_KIB / 1024);
    bench_hub_stop(&serving->hub);
    return visit;
}

void measure_growth(struct bench *bench)
{
    struct serving serving;
    struct cost least = {0};

    serving_init(&serving, bench, DEVICES, 2);
    for (uint64_t changes = 10000; changes <= bench->growth; changes *= 10) {
        struct cost visit = measure_at(&serving, changes, &least);
        if (changes == 10000)
            least = visit;
        if (changes * 10 <= bench->growth)
            crowd_resume(&serving.crowd, serving.hub.data);
    }
    serving_clear(&serving);
}
