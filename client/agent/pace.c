/* SPDX-License-Identifier: Apache-2.0 */
#include "client/agent/pace.h"

#include <string.h>

void pace_init(struct pace *pace, uint64_t now_ms)
{
    memset(pace, 0, sizeof *pace);
    pace->keep_alive_s = PACE_KEEP_S;
    pace->next_ms = now_ms;
}

bool pace_may_stay(const struct pace *pace)
{
    return !pace->is_metered && pace->shorts < PACE_SHORT_MOST;
}

/* Between half and one and a half times as long. */
static uint64_t about(uint64_t s, uint32_t random)
{
    return s * 500 + s * 1000 * (random % 1024) / 1024;
}

static uint64_t pause_s(uint32_t failures)
{
    uint64_t s = PACE_FIRST_S;

    while (failures-- > 1 && s < PACE_MOST_S)
        s *= 2;
    return s < PACE_MOST_S ? s : PACE_MOST_S;
}

static void note_keep_alive(struct pace *pace, const struct pace_end *end)
{
    uint32_t s = pace->keep_alive_s;

    if (end->was_silent)
        s /= 2;
    else if (end->lived_ms > 10000ull * s)
        s += s / 2;
    if (s < PACE_KEEP_LEAST_S)
        s = PACE_KEEP_LEAST_S;
    pace->keep_alive_s = s < PACE_KEEP_MOST_S ? s : PACE_KEEP_MOST_S;
}

static void note_stay(struct pace *pace, const struct pace_end *end)
{
    if (pace_may_stay(pace)) {
        bool is_short = end->is_broken && end->lived_ms < PACE_SHORT_MS;
        pace->shorts = is_short ? pace->shorts + 1 : 0;
        pace->visits = 0;
    } else if (end->is_reached && ++pace->visits >= PACE_VISITS) {
        pace->shorts = 0;
    }
}

void pace_ended(struct pace *pace, const struct pace_end *end, uint64_t now_ms, uint32_t random)
{
    bool could_stay = pace_may_stay(pace);

    pace->is_told = end->retry_s > 0;
    pace->failures = end->is_reached ? 0 : pace->failures + 1;
    if (end->is_reached) {
        note_stay(pace, end);
        note_keep_alive(pace, end);
    }
    if (end->retry_s > 0) /* not before, and not all together */
        pace->next_ms = now_ms + end->retry_s * 1000ull + about(end->retry_s, random) / 2;
    else if (!end->is_reached)
        pace->next_ms = now_ms + about(pause_s(pace->failures), random);
    else if (could_stay && pace_may_stay(pace))
        pace->next_ms = now_ms + about(PACE_FIRST_S, random);
    else
        pace->next_ms = now_ms + about(pace->is_metered ? PACE_METERED_S : PACE_VISIT_S, random);
}

static void no_later_than(struct pace *pace, uint64_t at_ms)
{
    if (!pace->is_told && at_ms < pace->next_ms)
        pace->next_ms = at_ms;
}

void pace_network(struct pace *pace, uint64_t now_ms)
{
    if (pace->failures == 0)
        return;
    pace->failures = 1;
    no_later_than(pace, now_ms + PACE_SETTLE_MS);
}

void pace_link(struct pace *pace, bool is_metered, uint64_t now_ms)
{
    bool was_metered = pace->is_metered;

    pace->is_metered = is_metered;
    if (was_metered && !is_metered && pace->failures == 0)
        no_later_than(pace, now_ms);
}

/* While the hub cannot be reached, news do not make it come back. */
void pace_news(struct pace *pace, bool is_urgent, uint64_t now_ms)
{
    if (is_urgent || (pace->failures == 0 && !pace->is_metered))
        no_later_than(pace, now_ms);
}
