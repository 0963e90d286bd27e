/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each address has. An IPv6 network of 64 bits counts as one address: it is
 * one household's.
 *
 * A hash table with a random seed; its memory is bounded by the number of connections.
 */
#ifndef KITH_DAEMON_TALLY_H
#define KITH_DAEMON_TALLY_H

#include <stdint.h>
#include <sys/socket.h>

#define TALLY_BUCKETS 4096
#define TALLY_KEY     16

struct tally_line {
    struct tally_line *next;
    uint8_t key[TALLY_KEY];
    uint32_t count;
};

struct tally {
    uint64_t seed;
    struct tally_line *buckets[TALLY_BUCKETS];
};

void tally_init(struct tally *tally, uint64_t seed);
void tally_clear(struct tally *tally);
/* One more of this address: its line, with the new count. NULL without memory. */
struct tally_line *tally_add(struct tally *tally, const struct sockaddr_storage *peer);
/* One less; the line is not the caller's any more. */
void tally_remove(struct tally *tally, struct tally_line *line);

#endif
