/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each address has: how many connections, and how many more it may begin. An IPv6 network of
 * 64 bits counts as one address: it is one household's.
 *
 * 1. A hash table with a random seed: who does not know the seed cannot aim at one bucket.
 * 2. An address without connections is remembered until TALLY_IDLE_MAX others came after it, so
 * that hanging up does not give back what it has used. Memory is bounded by that and by the number
 * of connections.
 * 3. Beginnings are a token bucket: `rate` a second on average, `burst` at once.
 */
#ifndef KITH_DAEMON_TALLY_H
#define KITH_DAEMON_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TALLY_BUCKETS  4096
#define TALLY_KEY      16
#define TALLY_IDLE_MAX 8192

struct tally_line {
    struct tally_line *next;  /* in its bucket */
    struct tally_line *newer; /* among those without connections */
    struct tally_line *older;
    uint64_t filled_ms; /* when `tokens` was right */
    uint64_t tokens;    /* in thousandths */
    uint8_t key[TALLY_KEY];
    uint32_t count;
};

struct tally_limits {
    uint32_t connections;
    uint32_t rate;
    uint32_t burst;
};

struct tally {
    struct tally_limits limits;
    uint64_t seed;
    struct tally_line *oldest; /* of those without connections */
    struct tally_line *newest;
    uint32_t idle_count;
    struct tally_line *buckets[TALLY_BUCKETS];
};

void tally_init(struct tally *tally, uint64_t seed, const struct tally_limits *limits);
/* Other limits, from the next connection on. */
void tally_limit(struct tally *tally, const struct tally_limits *limits);
void tally_clear(struct tally *tally);
/* One more of this address: its line; NULL if it has enough, or without memory. */
struct tally_line *tally_add(struct tally *tally, const struct sockaddr_storage *peer,
                             uint64_t now_ms);
/* One less; the line is not the caller's any more. */
void tally_remove(struct tally *tally, struct tally_line *line);

#endif
