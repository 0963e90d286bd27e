/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tally.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void tally_init(struct tally *tally, uint64_t seed)
{
    memset(tally, 0, sizeof *tally);
    tally->seed = seed;
}

void tally_clear(struct tally *tally)
{
    for (size_t i = 0; i < TALLY_BUCKETS; i++)
        while (tally->buckets[i]) {
            struct tally_line *line = tally->buckets[i];
            tally->buckets[i] = line->next;
            free(line);
        }
}

static void key_of(const struct sockaddr_storage *peer, uint8_t key[static TALLY_KEY])
{
    memset(key, 0, TALLY_KEY);
    if (peer->ss_family == AF_INET) {
        memcpy(key, &((const struct sockaddr_in *)peer)->sin_addr, 4);
        key[TALLY_KEY - 1] = 4;
    } else if (peer->ss_family == AF_INET6) {
        memcpy(key, &((const struct sockaddr_in6 *)peer)->sin6_addr, 8);
        key[TALLY_KEY - 1] = 6;
    }
}

/* splitmix64's finish over seed and both halves: who does not know the seed cannot aim at one
 * bucket. */
static struct tally_line **bucket_of(struct tally *tally, const uint8_t key[static TALLY_KEY])
{
    uint64_t hash = tally->seed;

    for (size_t at = 0; at < TALLY_KEY; at += 8) {
        uint64_t half;
        memcpy(&half, key + at, 8);
        hash ^= half;
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
        hash ^= hash >> 31;
    }
    return &tally->buckets[hash % TALLY_BUCKETS];
}

struct tally_line *tally_add(struct tally *tally, const struct sockaddr_storage *peer)
{
    uint8_t key[TALLY_KEY];

    key_of(peer, key);
    struct tally_line **bucket = bucket_of(tally, key);
    struct tally_line *line = *bucket;
    while (line && memcmp(line->key, key, TALLY_KEY) != 0)
        line = line->next;
    if (!line) {
        line = calloc(1, sizeof *line);
        if (!line)
            return NULL;
        memcpy(line->key, key, TALLY_KEY);
        line->next = *bucket;
        *bucket = line;
    }
    line->count++;
    return line;
}

void tally_remove(struct tally *tally, struct tally_line *line)
{
    struct tally_line **place = bucket_of(tally, line->key);

    if (--line->count > 0)
        return;
    while (*place != line)
        place = &(*place)->next;
    *place = line->next;
    free(line);
}
