/* SPDX-License-Identifier: Apache-2.0 */
/* All devices of a state come back together, with a day's visits to send and as many to receive. */
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "serving.h"

#define CHANGES_A_COMMIT 1000u
#define MEMORY_KIB       (600.0 * 1024)
#define WITHIN_MS        3000 /* of each other; the agents of devices spread over more */

/* What a neighbour wrote while the device was away. */
static void fill_backlog(struct serving *serving)
{
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    for (uint32_t i = 0; i < serving->crowd.count; i++) {
        buffer_reset(&frames);
        crowd_write(&serving->crowd, i, VISITS_A_DAY, &frames);
        crowd_store(&serving->crowd, i, buffer_view(&frames));
    }
    crowd_settle(&serving->crowd);
    buffer_clear(&frames);
}

static void tell_times(struct bench *bench, const struct load *load)
{
    uint32_t count = load->options->count;
    uint64_t *taken = calloc(count, sizeof *taken);
    uint64_t retries = 0;
    uint64_t losses = 0;
    uint32_t received = 0;

    if (!taken)
        bench_fail("memory", KITH_MEMORY);
    for (uint32_t i = 0; i < count; i++) {
        taken[i] = load->devices[i].done_ns - load->devices[i].begun_ns;
        retries += load->devices[i].retries;
        losses += load->devices[i].losses;
        received += load->devices[i].received >= VISITS_A_DAY;
    }
    double median = quantile_ms(taken, count, 0.5);
    bench_row(bench, "storm: devices that received all", received, "", count);
    bench_row(bench, "storm: time of a device, median", median / 1e3, "s", 0);
    bench_row(bench, "storm: time of a device, p99", quantile_ms(taken, count, 0.99) / 1e3, "s",
              2 * median / 1e3);
    bench_row(bench, "storm: time of a device, longest", quantile_ms(taken, count, 1) / 1e3, "s",
              0);
    bench_row(bench, "storm: times a device was asked to come again",
              (double)retries / (double)count, "", 0);
    bench_row(bench, "storm: connections that a device lost", (double)losses / (double)count, "",
              0);
    free(taken);
}

void measure_storm(struct bench *bench)
{
    struct serving serving;
    struct load load;

    serving_init(&serving, bench, bench->devices, 2);
    fill_backlog(&serving);
    double empty = serving_lmdb_s(&serving, (unsigned)(serving.crowd.made / CHANGES_A_COMMIT));
    serving_prepare(&serving, 1, VISITS_A_DAY);
    double handshake = limit_handshake_s();
    double verify = limit_verify_s();
    serving_run(&serving);
    struct load_options options = serving_load(&serving, 0, bench->devices);
    options.within_ms = WITHIN_MS;
    double before = bench_hub_cpu_seconds(&serving.hub);
    load_begin(&load, &options);
    if (!load_wait(&load, PATIENCE_S) || load_count(&load, LOAD_OVER) != bench->devices)
        bench_fail("not every device came through", 0);
    double cpu = bench_hub_cpu_seconds(&serving.hub) - before;
    double peak = bench_hub_peak_kib(&serving.hub);
    double changes = (double)bench->devices * VISITS_A_DAY;
    double full = serving_lmdb_s(&serving, (unsigned)(serving.crowd.made / CHANGES_A_COMMIT));
    double alone = bench->devices * handshake + changes * verify + (full - empty);
    bench_row(bench, "storm: devices", bench->devices, "", 0);
    bench_row(bench, "storm: CPU of the hub", cpu, "s", alone);
    bench_row(bench, "storm: a handshake alone", handshake * 1e6, "us", 0);
    bench_row(bench, "storm: LMDB alone", (full - empty) / changes * 1e6, "us/change", 0);
    bench_row(bench, "storm: peak memory of the hub", peak / 1024, "MiB", MEMORY_KIB / 1024);
    tell_times(bench, &load);
    load_end(&load);
    serving_clear(&serving);
}
