/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that stay and have nothing to say. */
#include <string.h>
#include <unistd.h>

#include "serving.h"

#define IDLE_SESSIONS 16000u
#define IDLE_S        20.0

/* Of 20 000 files, the most that some systems give, a quarter would be kept for the door. */
#define FEW_AT_THE_DOOR "handshakes_max = 1024"

void measure_idle(struct bench *bench)
{
    struct serving serving;
    struct load load;

    serving_init(&serving, bench, IDLE_SESSIONS, 1);
    serving_prepare(&serving, 0, VISITS_A_DAY);
    bench_hub_set(&serving.hub, FEW_AT_THE_DOOR);
    serving_run(&serving);
    struct load_options options = serving_load(&serving, 0, IDLE_SESSIONS);
    options.is_staying = true;
    double before = bench_hub_memory_kib(&serving.hub);
    load_begin(&load, &options);
    if (!load_wait(&load, PATIENCE_S) || load_count(&load, LOAD_SETTLED) != IDLE_SESSIONS)
        bench_fail("not every device is settled", 0);
    (void)sleep(2);
    double after = bench_hub_memory_kib(&serving.hub);
    double busy = bench_hub_cpu_seconds(&serving.hub);
    (void)usleep((useconds_t)(IDLE_S * 1e6));
    busy = bench_hub_cpu_seconds(&serving.hub) - busy;
    bench_row(bench, "idle: sessions", IDLE_SESSIONS, "", 0);
    bench_row(bench, "idle: memory of the hub for a session",
              (after - before) * 1024 / IDLE_SESSIONS, "B", 2048);
    bench_row(bench, "idle: CPU of the hub", busy / IDLE_S * 60, "s/min", 0);
    bench_row(bench, "idle: CPU of the hub for a session", busy / IDLE_S * 60 / IDLE_SESSIONS * 1e6,
              "us/min", 0);
    load_end(&load);
    serving_clear(&serving);
}
