/* SPDX-License-Identifier: Apache-2.0 */
/* How fast changes become durable at a hub, and what one costs, at few and at many connections. */
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "serving.h"

#define CHANGES_AT_LEAST 48000u

/* Changes a transaction when as many wait as may: what LMDB's share of a change is measured with.
 */
#define CHANGES_A_COMMIT 1000u

static void name_row(char name[static 64], uint32_t connections, const char *what)
{
    (void)snprintf(name, 64, "ingest, %u connection%s: %s", connections,
                   connections == 1 ? "" : "s", what);
}

static void tell(struct bench *bench, uint32_t connections, const char *what, double value,
                 const char *unit, double limit)
{
    char name[64];

    name_row(name, connections, what);
    bench_row(bench, name, value, unit, limit);
}

static void measure_at(struct bench *bench, uint32_t connections)
{
    uint32_t messages = CHANGES_AT_LEAST / VISITS_A_DAY / connections;
    struct serving serving;
    struct load load;

    if (messages < 4)
        messages = 4;
    serving_init(&serving, bench, connections, 1);
    crowd_settle(&serving.crowd);
    double empty = serving_lmdb_s(&serving, 1);
    serving_prepare(&serving, messages, VISITS_A_DAY);
    serving_run(&serving);
    const struct load_options options = serving_load(&serving, 0, connections);
    double before = bench_hub_cpu_seconds(&serving.hub);
    load_begin(&load, &options);
    if (!load_wait(&load, PATIENCE_S) || load_count(&load, LOAD_OVER) != connections)
        bench_fail("not every change was acknowledged", 0);
    double cpu = bench_hub_cpu_seconds(&serving.hub) - before;
    uint64_t last = load.start_ns;
    for (uint32_t i = 0; i < connections; i++)
        last = load.devices[i].done_ns > last ? load.devices[i].done_ns : last;
    double seconds = (double)(last - load.start_ns) / 1e9;
    double changes = (double)messages * VISITS_A_DAY * connections;
    double full = serving_lmdb_s(&serving, (unsigned)(changes / CHANGES_A_COMMIT));
    double lmdb = (full - empty) / changes;
    double verify = limit_verify_s();
    if (connections == 200)
        bench->ingest_rate = changes / seconds;
    double slower = 1 / (verify > lmdb ? verify : lmdb);
    tell(bench, connections, "changes a second", changes / seconds, "1/s", slower);
    tell(bench, connections, "CPU of the hub for a change", cpu / changes * 1e6, "us",
         (verify + lmdb) * 1e6);
    tell(bench, connections, "signature alone", verify * 1e6, "us", 0);
    tell(bench, connections, "LMDB alone", lmdb * 1e6, "us", 0);
    size_t count = (size_t)messages * connections;
    tell(bench, connections, "time to acknowledgement, p50",
         quantile_ms(load.acknowledged_ns, count, 0.5), "ms", 0);
    tell(bench, connections, "time to acknowledgement, p99",
         quantile_ms(load.acknowledged_ns, count, 0.99), "ms", 0);
    load_end(&load);
    serving_clear(&serving);
}

void measure_ingest(struct bench *bench)
{
    static const uint32_t connections[] = {1, 32, 200, 2000};

    for (size_t i = 0; i < sizeof connections / sizeof *connections; i++)
        measure_at(bench, connections[i]);
}
