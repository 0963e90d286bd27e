/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/flights.h"

#include <string.h>

#include "protocol/seal.h"

void flights_init(struct flights *flights)
{
    memset(flights, 0, sizeof *flights);
    seal_random(flights->secret, sizeof flights->secret);
    flights->secret[0] |= 1;
}

/* The top bits of an odd secret's multiple: Dietzfelbinger et al., "A reliable randomized algorithm
 * for the closest-pair problem", 1997. */
static uint64_t bucket_of(const struct flights *flights, uint64_t tag)
{
    return (tag * flights->secret[0] + flights->secret[1]) / (UINT64_MAX / FLIGHTS_BUCKETS + 1);
}

bool flights_add(struct flights *flights, const uint8_t hash[static NOISE_HASH_BYTES])
{
    uint64_t tag;

    memcpy(&tag, hash, sizeof tag);
    uint64_t bucket = bucket_of(flights, tag);
    for (uint32_t i = 0; i < FLIGHTS_EACH; i++)
        if (flights->tags[bucket][i] == tag)
            return false;
    flights->tags[bucket][flights->next[bucket]] = tag;
    flights->next[bucket] = (uint8_t)((flights->next[bucket] + 1) % FLIGHTS_EACH);
    return true;
}
