/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/hlc.h"

#include <stdbool.h>

#define COUNTER_BITS 16
#define MS_MAX       0xFFFFFFFFFFFFu

uint64_t hlc_ms(uint64_t stamp)
{
    return stamp >> COUNTER_BITS;
}

static bool is_far_ahead(uint64_t stamp, uint64_t now_ms)
{
    return hlc_ms(stamp) > now_ms && hlc_ms(stamp) - now_ms > HLC_AHEAD_MAX_MS;
}

uint64_t hlc_tick(uint64_t last, uint64_t now_ms)
{
    uint64_t now = (now_ms > MS_MAX ? MS_MAX : now_ms) << COUNTER_BITS;

    return now > last || is_far_ahead(last, now_ms) ? now : last + 1;
}

uint64_t hlc_merge(uint64_t last, uint64_t seen, uint64_t now_ms)
{
    return seen <= last || is_far_ahead(seen, now_ms) ? last : seen;
}
