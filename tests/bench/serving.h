/* SPDX-License-Identifier: Apache-2.0 */
/* What the measurements of a serving hub share: a crowd at a running hub, and quantiles. */
#ifndef KITH_TESTS_BENCH_SERVING_H
#define KITH_TESTS_BENCH_SERVING_H

#include "bench.h"
#include "load.h"

#define VISITS_A_DAY 8
#define SOURCES      256
#define PATIENCE_S   300

struct serving {
    struct bench *bench;
    struct bench_hub hub;
    struct crowd crowd;
    struct buffer *messages; /* of each device */
    uint32_t messages_each;
    uint32_t visits_each; /* of a message */
};

/* A hub, not running, with a crowd of `devices`, `together` of which share a chart. */
void serving_init(struct serving *serving, struct bench *bench, uint32_t devices,
                  uint32_t together);
/* What each device is to send: `messages_each` of `visits_each`. */
void serving_prepare(struct serving *serving, uint32_t messages_each, uint32_t visits_each);
/* Runs the hub. */
void serving_run(struct serving *serving);
/* Options of a load of devices `first` to `first + count - 1`. */
struct load_options serving_load(const struct serving *serving, uint32_t first, uint32_t count);
void serving_clear(struct serving *serving);

/* LMDB's processor seconds to write a copy of the hub's store, in as many transactions. */
double serving_lmdb_s(const struct serving *serving, unsigned batches);

/* Of nanoseconds, which are put in order: the q-th in milliseconds, 0 < q <= 1. */
double quantile_ms(uint64_t *values, size_t count, double q);

#endif
