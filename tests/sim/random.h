/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers that depend on the seed alone: one splitmix64 stream per concern, so that leaving
 * out one kind of event does not shift the others, and one behind libsodium, for keys and nonces.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
 */
#ifndef KITH_TESTS_SIM_RANDOM_H
#define KITH_TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct stream {
    uint64_t state;
};

/* Streams of the same seed with different names are independent. */
struct stream stream_of(uint64_t seed, uint64_t name);
uint64_t stream_next(struct stream *stream);
/* From 0 to bound - 1. */
uint32_t stream_below(struct stream *stream, uint32_t bound);
bool stream_chance(struct stream *stream, uint32_t percent);

/* One step of a hash over numbers, for traces. */
uint64_t mix(uint64_t hash, uint64_t value);

/* Before sodium_init: libsodium's random numbers come from a stream too. */
void random_install(void);
void random_seed(uint64_t seed);

#endif
