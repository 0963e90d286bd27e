/* SPDX-License-Identifier: Apache-2.0 */
#include "store/news.h"

#include <stdlib.h>
#include <string.h>

#include "store/position.h"

void news_clear(struct news *news)
{
    free(news->devices.list);
    free(news->live_devices.list);
    free(news->lives);
    buffer_clear(&news->frames);
    memset(news, 0, sizeof *news);
}

void news_reset(struct news *news)
{
    news->devices.count = 0;
    news->live_devices.count = 0;
    news->live_count = 0;
    buffer_reset(&news->frames);
    news->is_everybody = false;
}

static bool devices_add(struct news_devices *devices, const uint32_t *list, uint32_t count)
{
    uint32_t room = devices->room ? devices->room : 64;

    if (count > NEWS_DEVICES_MAX - devices->count)
        return false;
    while (room < devices->count + count)
        room *= 2;
    if (room > devices->room) {
        uint32_t *larger = realloc(devices->list, room * sizeof *larger);
        if (!larger)
            return false;
        devices->list = larger;
        devices->room = room;
    }
    if (count > 0)
        memcpy(devices->list + devices->count, list, count * sizeof *list);
    devices->count += count;
    return true;
}

void news_add(struct news *news, const uint32_t *devices, uint32_t count)
{
    if (!devices_add(&news->devices, devices, count))
        news->is_everybody = true;
}

static bool lives_make_room(struct news *news)
{
    uint32_t room = news->live_room ? 2 * news->live_room : 16;

    if (news->live_count < news->live_room)
        return true;
    struct news_live *larger =
        room <= NEWS_LIVE_MAX ? realloc(news->lives, room * sizeof *larger) : NULL;
    if (!larger)
        return false;
    news->lives = larger;
    news->live_room = room;
    return true;
}

void news_add_live(struct news *news, const struct news_live *live, struct bytes frames,
                   const uint32_t *devices, uint32_t count)
{
    struct news_live added = *live;

    if (!news->frames.max)
        buffer_init(&news->frames, NEWS_LIVE_BYTES);
    added.frames_at = news->frames.len;
    added.frames_len = frames.len;
    added.devices_at = news->live_devices.count;
    added.device_count = count;
    bool fits = frames.len <= NEWS_LIVE_BYTES - news->frames.len && lives_make_room(news) &&
                devices_add(&news->live_devices, devices, count);
    if (fits)
        buffer_add(&news->frames, frames.ptr, frames.len);
    if (fits && !news->frames.err)
        news->lives[news->live_count++] = added;
    else
        news_add(news, devices, count);
}

void news_append(struct news *news, const struct news *more)
{
    news->is_everybody = news->is_everybody || more->is_everybody;
    if (news->is_everybody)
        return;
    news_add(news, more->devices.list, more->devices.count);
    for (uint32_t i = 0; i < more->live_count; i++) {
        const struct news_live *live = &more->lives[i];
        news_add_live(news, live, bytes_of(more->frames.ptr + live->frames_at, live->frames_len),
                      more->live_devices.list + live->devices_at, live->device_count);
    }
}

bool news_live_cursor(const struct news_live *live, struct bytes cursor,
                      uint8_t next[static CURSOR_MAX], size_t *next_len)
{
    uint8_t sum[HASH_BYTES] = {0};
    struct position position;

    if (!position_decode(&position, cursor) || position.horizon || position.ahead_count ||
        position.removal || position.base >= live->first)
        return false;
    position.base = live->last;
    position.urgent = live->last;
    memcpy(sum, live->digest, DIGEST_BYTES);
    digest_add(position.digest, sum);
    *next_len = position_encode(&position, next);
    return *next_len > 0;
}
