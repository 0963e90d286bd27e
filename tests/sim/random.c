/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/random.h"

#include <sodium.h>
#include <string.h>

static struct stream behind_sodium;

static uint64_t scramble(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

struct stream stream_of(uint64_t seed, uint64_t name)
{
    return (struct stream){scramble(seed * 0x9E3779B97F4A7C15u + scramble(name + 1))};
}

uint64_t stream_next(struct stream *stream)
{
    stream->state += 0x9E3779B97F4A7C15u;
    return scramble(stream->state);
}

uint32_t stream_below(struct stream *stream, uint32_t bound)
{
    return bound ? (uint32_t)((stream_next(stream) >> 32) * bound >> 32) : 0;
}

bool stream_chance(struct stream *stream, uint32_t percent)
{
    return stream_below(stream, 100) < percent;
}

uint64_t mix(uint64_t hash, uint64_t value)
{
    return scramble((hash ^ value) + 0x9E3779B97F4A7C15u);
}

static const char *seeded_name(void)
{
    return "seeded";
}

static uint32_t seeded_random(void)
{
    return (uint32_t)(stream_next(&behind_sodium) >> 32);
}

static void seeded_buf(void *const to, const size_t len)
{
    uint8_t *at = to;

    for (size_t done = 0; done < len; done += sizeof(uint64_t)) {
        uint64_t word = stream_next(&behind_sodium);
        memcpy(at + done, &word, len - done < sizeof word ? len - done : sizeof word);
    }
}

void random_install(void)
{
    static randombytes_implementation seeded = {
        .implementation_name = seeded_name, .random = seeded_random, .buf = seeded_buf};

    (void)randombytes_set_implementation(&seeded);
}

void random_seed(uint64_t seed)
{
    behind_sodium = stream_of(seed, 0x736F6469756Du);
}
