/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/announce.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"
#include "store/audit.h"

/* Each connection of a device, whatever becomes of it: none is freed meanwhile. */
static struct connection *first_of(struct hub *hub, uint32_t device)
{
    const struct device_line *line = devices_find(&hub->devices, device);

    return line ? line->oldest : NULL;
}

static void count_news(struct hub *hub, const struct news_devices *devices)
{
    for (uint32_t i = 0; i < devices->count; i++)
        for (struct connection *to = first_of(hub, devices->list[i]); to; to = to->newer)
            to->news_count++;
}

static void forget_news(struct hub *hub, const struct news_devices *devices)
{
    for (uint32_t i = 0; i < devices->count; i++)
        for (struct connection *to = first_of(hub, devices->list[i]); to; to = to->newer)
            to->news_count = 0;
}

static void notify_device(struct hub *hub, uint32_t device)
{
    struct connection *next;

    for (struct connection *to = first_of(hub, device); to; to = next) {
        next = to->newer;
        connection_notify(to);
    }
}

/* Nothing is handed out that is not on its way into the audit log. */
static bool note_delivery(struct hub *hub, const struct news_live *live, const uint8_t *devices,
                          uint32_t count)
{
    struct audit_entry entry = {.kind = AUDIT_DELIVERED,
                                .time_ms = connection_clock_ms(),
                                .has_subject = true,
                                .first = live->changes};

    memcpy(entry.subject, live->circle, ID_BYTES);
    for (uint32_t at = 0; at < count; at += AUDIT_DEVICES_MAX) {
        uint32_t part = count - at < AUDIT_DEVICES_MAX ? count - at : AUDIT_DEVICES_MAX;
        entry.devices = bytes_of(devices + 4 * (size_t)at, 4 * (size_t)part);
        if (ledger_note(hub->ledger, &entry))
            return false;
    }
    return true;
}

/* The devices of which a session is to get it, into `to`. */
static uint32_t list_takers(struct hub *hub, const struct news *news, const struct news_live *live,
                            uint8_t *to)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < live->device_count; i++) {
        uint32_t device = news->live_devices.list[live->devices_at + i];
        bool takes = false;
        for (struct connection *other = first_of(hub, device); other; other = other->newer)
            takes = takes || connection_takes_live(other, live);
        if (takes)
            put_u32(to + 4 * (size_t)count++, device);
    }
    return count;
}

static void deliver(struct hub *hub, const struct news *news, const struct news_live *live)
{
    struct bytes frames = bytes_of(news->frames.ptr + live->frames_at, live->frames_len);
    uint8_t *takers = malloc(4 * (size_t)live->device_count + 1);
    uint32_t count = takers ? list_takers(hub, news, live, takers) : 0;
    bool is_noted = takers && note_delivery(hub, live, takers, count);
    struct connection *next;

    free(takers);
    for (uint32_t i = 0; i < live->device_count; i++) {
        uint32_t device = news->live_devices.list[live->devices_at + i];
        for (struct connection *to = first_of(hub, device); to; to = next) {
            next = to->newer;
            if (is_noted && connection_takes_live(to, live))
                connection_send_live(to, live, frames);
            else
                connection_notify(to);
        }
    }
}

void announce(struct hub *hub, const struct news *news)
{
    struct connection *next;

    if (news->is_everybody) {
        for (struct connection *to = hub->connections; to; to = next) {
            next = to->next;
            connection_notify(to);
        }
        return;
    }
    count_news(hub, &news->devices);
    count_news(hub, &news->live_devices);
    for (uint32_t i = 0; i < news->devices.count; i++)
        notify_device(hub, news->devices.list[i]);
    for (uint32_t i = 0; i < news->live_count; i++)
        deliver(hub, news, &news->lives[i]);
    forget_news(hub, &news->devices);
    forget_news(hub, &news->live_devices);
}
