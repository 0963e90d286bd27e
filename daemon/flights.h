/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First messages that were let in lately. Whoever recorded one can say it again, and would be
 * taken for the device until it has to say more: it would take the place of the device's own
 * session, and stand on record as one. A device never says the same twice.
 *
 * 1. A cache of 64-bit tags in buckets; the oldest of a full bucket is forgotten, so that the
 * newest 65 536 are known, about. What is forgotten is let in once more, which is harmless.
 * 2. Who does not know the secret cannot aim at one bucket.
 */
#ifndef KITH_DAEMON_FLIGHTS_H
#define KITH_DAEMON_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/noise.h"

#define FLIGHTS_BUCKETS 8192 /* a power of two */
#define FLIGHTS_EACH    8

struct flights {
    uint64_t secret[2];
    uint64_t tags[FLIGHTS_BUCKETS][FLIGHTS_EACH]; /* 0: none */
    uint8_t next[FLIGHTS_BUCKETS];                /* whose place is taken next */
};

/* Touches all of it: what the hub needs for that is there from the start and does not grow. */
void flights_init(struct flights *flights);
/* False if it is there already. `hash` as channel_flight gives it. */
bool flights_add(struct flights *flights, const uint8_t hash[static NOISE_HASH_BYTES]);

#endif
