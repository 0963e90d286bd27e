/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tally.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN 1000u

void tally_init(struct tally *tally, uint64_t seed, const struct tally_limits *limits)
{
    memset(tally, 0, sizeof *tally);
    tally->seed = seed;
    tally->limits = *limits;
}

void tally_limit(struct tally *tally, const struct tally_limits *limits)
{
    tally->limits = *limits;
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

/* splitmix64's finish over seed and both halves. */
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

static void idle_take(struct tally *tally, struct tally_line *line)
{
    *(line->older ? &line->older->newer : &tally->oldest) = line->newer;
    *(line->newer ? &line->newer->older : &tally->newest) = line->older;
    line->older = NULL;
    line->newer = NULL;
    tally->idle_count--;
}

static void idle_put(struct tally *tally, struct tally_line *line)
{
    line->older = tally->newest;
    *(tally->newest ? &tally->newest->newer : &tally->oldest) = line;
    tally->newest = line;
    tally->idle_count++;
}

static void forget(struct tally *tally, struct tally_line *line)
{
    struct tally_line **place = bucket_of(tally, line->key);

    idle_take(tally, line);
    while (*place != line)
        place = &(*place)->next;
    *place = line->next;
    free(line);
}

/* The line of an address, out of the list of those without connections; made if there is none. */
static struct tally_line *take_line(struct tally *tally, const uint8_t key[static TALLY_KEY],
                                    uint64_t now_ms)
{
    struct tally_line **bucket = bucket_of(tally, key);
    struct tally_line *line = *bucket;

    while (line && memcmp(line->key, key, TALLY_KEY) != 0)
        line = line->next;
    if (line && line->count == 0)
        idle_take(tally, line);
    if (line)
        return line;
    line = calloc(1, sizeof *line);
    if (!line)
        return NULL;
    memcpy(line->key, key, TALLY_KEY);
    line->filled_ms = now_ms;
    line->tokens = (uint64_t)tally->limits.burst * TOKEN;
    line->next = *bucket;
    *bucket = line;
    return line;
}

/* Thousandths a millisecond are whole ones a second: nothing is lost by rounding. */
static bool take_token(const struct tally *tally, struct tally_line *line, uint64_t now_ms)
{
    uint64_t most = (uint64_t)tally->limits.burst * TOKEN;
    uint64_t gained = (now_ms - line->filled_ms) * tally->limits.rate;

    if (line->tokens > most)
        line->tokens = most; /* it was more, before the limits changed */
    line->tokens = gained < most - line->tokens ? line->tokens + gained : most;
    line->filled_ms = now_ms;
    if (line->tokens < TOKEN)
        return false;
    line->tokens -= TOKEN;
    return true;
}

struct tally_line *tally_add(struct tally *tally, const struct sockaddr_storage *peer,
                             uint64_t now_ms)
{
    uint8_t key[TALLY_KEY];

    key_of(peer, key);
    struct tally_line *line = take_line(tally, key, now_ms);
    if (!line)
        return NULL;
    bool has_room = line->count < tally->limits.connections && take_token(tally, line, now_ms);
    line->count++;
    if (has_room)
        return line;
    tally_remove(tally, line);
    return NULL;
}

void tally_remove(struct tally *tally, struct tally_line *line)
{
    if (--line->count > 0)
        return;
    idle_put(tally, line);
    if (tally->idle_count > TALLY_IDLE_MAX)
        forget(tally, tally->oldest);
}
