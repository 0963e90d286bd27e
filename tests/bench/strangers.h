/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood: one process that keeps thousands of hostile connections open to a hub, of every kind at
 * once and from several addresses. Who is thrown out comes back a second later.
 */
#ifndef KITH_TESTS_BENCH_STRANGERS_H
#define KITH_TESTS_BENCH_STRANGERS_H

#include <sys/types.h>

#include "bench.h"
#include "protocol/bytes.h"

struct flood_options {
    uint16_t port;
    uint32_t count;
    uint32_t sources;      /* addresses that they come from; no device does */
    struct bytes replayed; /* a recorded first flight of a device */
};

struct flood {
    struct flood_tally *tally; /* shared */
    pid_t pid;
};

/* `options` is copied into the process. */
void flood_begin(struct flood *flood, const struct flood_options *options);
/* How many are connected now; how many connections there have been. */
uint32_t flood_open(const struct flood *flood);
uint64_t flood_begun(const struct flood *flood);
void flood_end(struct flood *flood);

#endif
