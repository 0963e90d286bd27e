/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that sync a visit again and again, alone and beside a flood of strangers: what the flood
 * costs them, and what memory it costs the hub, which is bounded by its settings.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "protocol/session.h"
#include "serving.h"
#include "strangers.h"

#define ROUNDS         10 /* of each phase */
#define PHASES         2
#define ROUND_MS       1000 /* all devices begin within it */
#define STRANGERS_EACH 50   /* for a device, at least ten devices */
#define FLOOD_SOURCES  64
#define GATHER_S       20 /* a flood is there, and the first of it are thrown out */
#define CALM_S         15 /* longer than the hub waits for a handshake */
#define KIB            1024.0
#define GREETER_KIB    16.0   /* a connection, its HTTP parser and WebSocket, what it was told */
#define KEPT_KIB       8192.0 /* what the C library keeps for the next ones */
#define SLOWER_AT_MOST 3.0
#define P99            0.99

struct trial {
    struct serving serving;
    struct buffer *round; /* each device's message of a round */
    uint32_t devices;
    uint32_t synced; /* visits */
    uint32_t retries;
    uint64_t *times; /* of the devices' syncs in a phase */
};

/* Milliseconds of a sync. */
struct pace {
    double median;
    double p99;
};

/* Borrows each device's message of this round: there is one a round and phase. */
static void run_round(struct trial *trial, uint32_t round, uint64_t *times)
{
    struct load load;
    struct load_options options = serving_load(&trial->serving, 0, trial->devices);

    for (uint32_t i = 0; i < trial->devices; i++)
        trial->round[i] = trial->serving.messages[i * ROUNDS * PHASES + round];
    options.messages = trial->round;
    options.messages_each = 1;
    options.within_ms = ROUND_MS;
    load_begin(&load, &options);
    if (!load_wait(&load, PATIENCE_S))
        bench_fail("not every device came through", 0);
    for (uint32_t i = 0; i < trial->devices; i++) {
        trial->synced += load.devices[i].state == LOAD_OVER && load.devices[i].acknowledged == 1;
        trial->retries += load.devices[i].retries + load.devices[i].losses;
        times[i] = load.devices[i].done_ns - load.devices[i].begun_ns;
    }
    load_end(&load);
}

static struct pace run_phase(struct trial *trial, uint32_t phase)
{
    size_t count = (size_t)ROUNDS * trial->devices;

    for (uint32_t round = 0; round < ROUNDS; round++)
        run_round(trial, phase * ROUNDS + round, trial->times + (size_t)round * trial->devices);
    return (struct pace){quantile_ms(trial->times, count, 0.5),
                         quantile_ms(trial->times, count, P99)};
}

/* What the first device says first: whoever listens on the way can say it again. */
static void record_flight(const struct trial *trial, struct buffer *flight)
{
    const struct crowd *crowd = &trial->serving.crowd;
    struct session_device session;
    struct session_todo todo;
    uint8_t random[KEY_BYTES];
    const struct session_device_config config = {.mode = CHANNEL_SYNC,
                                                 .keys = &crowd->devices[0].noise,
                                                 .ephemeral_secret = random,
                                                 .hub_key = crowd->hub.noise.public,
                                                 .device = 2};
    struct pull pull = {.cursor = bytes_of(crowd->cursor, crowd->cursor_len)};

    seal_random(random, sizeof random);
    memcpy(pull.incarnation, crowd->incarnation, INCARNATION_BYTES);
    session_device_init(&session, &config);
    for (session_device_next(&session, &todo); todo.work == SESSION_FILL;
         session_device_next(&session, &todo)) {
        struct buffer frames;
        buffer_init(&frames, BATCH_MAX);
        pull_write(&frames, &pull);
        session_device_filled(&session, buffer_view(&frames), false);
        buffer_clear(&frames);
    }
    if (todo.work != SESSION_WRITE)
        bench_fail("recording a first flight", 0);
    buffer_add(flight, todo.bytes.ptr, todo.bytes.len);
    session_device_clear(&session);
}

/* What the settings allow strangers, as few as there may be. */
static double allowed_kib(uint32_t strangers)
{
    struct config config;

    config_defaults(&config);
    uint32_t greeters = strangers < config.handshakes_max ? strangers : config.handshakes_max;
    return greeters * GREETER_KIB + config.greeting_mib_max * KIB + KEPT_KIB;
}

static void tell(struct bench *bench, const struct trial *trial, struct pace calm,
                 struct pace flooded)
{
    double expected = (double)trial->devices * ROUNDS * PHASES;

    bench_row(bench, "strangers: visits that devices synced", trial->synced, "", expected);
    bench_row(bench, "strangers: times a device had to come again", trial->retries, "", 0);
    bench_row(bench, "strangers: a sync without them, median", calm.median, "ms", 0);
    bench_row(bench, "strangers: a sync without them, p99", calm.p99, "ms", 0);
    bench_row(bench, "strangers: a sync beside them, median", flooded.median, "ms", 0);
    bench_row(bench, "strangers: a sync beside them, p99", flooded.p99, "ms",
              SLOWER_AT_MOST * calm.p99);
}

static void begin_trial(struct trial *trial, struct bench *bench)
{
    uint32_t wanted = bench->strangers / STRANGERS_EACH;

    memset(trial, 0, sizeof *trial);
    trial->devices = wanted < 10 ? 10 : wanted;
    serving_init(&trial->serving, bench, trial->devices, 1);
    serving_prepare(&trial->serving, ROUNDS * PHASES, 1);
    trial->round = calloc(trial->devices, sizeof *trial->round);
    trial->times = calloc((size_t)ROUNDS * trial->devices, sizeof *trial->times);
    if (!trial->round || !trial->times)
        bench_fail("memory", KITH_MEMORY);
    serving_run(&trial->serving);
}

void measure_flood(struct bench *bench)
{
    struct trial trial;
    struct flood flood;
    struct buffer flight;

    begin_trial(&trial, bench);
    buffer_init(&flight, NOISE_MESSAGE_MAX);
    record_flight(&trial, &flight);
    struct pace calm = run_phase(&trial, 0);
    double before = bench_hub_memory_kib(&trial.serving.hub);
    double busy = bench_hub_cpu_seconds(&trial.serving.hub);
    const struct flood_options options = {.port = trial.serving.hub.port,
                                          .count = bench->strangers,
                                          .sources = FLOOD_SOURCES,
                                          .replayed = buffer_view(&flight)};
    uint64_t start = load_now_ns();
    flood_begin(&flood, &options);
    (void)sleep(GATHER_S);
    struct pace flooded = run_phase(&trial, 1);
    double most = bench_hub_peak_kib(&trial.serving.hub);
    double during = bench_hub_memory_kib(&trial.serving.hub);
    uint32_t open = flood_open(&flood);
    uint64_t begun = flood_begun(&flood);
    double seconds = (double)(load_now_ns() - start) / 1e9;
    busy = bench_hub_cpu_seconds(&trial.serving.hub) - busy;
    flood_end(&flood);
    (void)sleep(CALM_S);
    double after = bench_hub_memory_kib(&trial.serving.hub);
    bench_row(bench, "strangers: connected at the end", open, "", bench->strangers);
    bench_row(bench, "strangers: connections begun", (double)begun / seconds, "/s", 0);
    bench_row(bench, "strangers: CPU of the hub beside them", busy / seconds, "", 0);
    tell(bench, &trial, calm, flooded);
    bench_row(bench, "strangers: memory that they cost the hub", (during - before) / KIB, "MiB",
              allowed_kib(bench->strangers) / KIB);
    bench_row(bench, "strangers: memory left when they are gone", (after - before) / KIB, "MiB",
              KEPT_KIB / KIB);
    bench_row(bench, "strangers: peak memory of the hub", most / KIB, "MiB", 0);
    free(trial.round);
    free(trial.times);
    buffer_clear(&flight);
    serving_clear(&trial.serving);
}
