/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/devices.h"

#include <stdlib.h>

#include "daemon/connection.h"

/* Numbers are given out one after another: they spread by themselves. */
static struct device_line **place_of(struct devices *devices, uint32_t device)
{
    struct device_line **place = &devices->buckets[device % DEVICES_BUCKETS];

    while (*place && (*place)->device != device)
        place = &(*place)->next;
    return place;
}

struct device_line *devices_find(const struct devices *devices, uint32_t device)
{
    struct device_line *line = devices->buckets[device % DEVICES_BUCKETS];

    while (line && line->device != device)
        line = line->next;
    return line;
}

bool devices_add(struct devices *devices, struct connection *connection, uint32_t device)
{
    struct device_line **place = place_of(devices, device);
    struct device_line *line = *place;

    if (!line) {
        line = calloc(1, sizeof *line);
        if (!line)
            return false;
        line->device = device;
        *place = line;
    }
    connection->line = line;
    connection->is_proved = false;
    connection->older = line->newest;
    connection->newer = NULL;
    *(line->newest ? &line->newest->newer : &line->oldest) = connection;
    line->newest = connection;
    line->unproved_count++;
    return true;
}

void devices_remove(struct devices *devices, struct connection *connection)
{
    struct device_line *line = connection->line;

    if (!line)
        return;
    *(connection->older ? &connection->older->newer : &line->oldest) = connection->newer;
    *(connection->newer ? &connection->newer->older : &line->newest) = connection->older;
    *(connection->is_proved ? &line->proved_count : &line->unproved_count) -= 1;
    line->waiting_bytes -= connection->waiting_bytes;
    connection->line = NULL;
    if (line->oldest)
        return;
    *place_of(devices, line->device) = line->next;
    free(line);
}

void devices_prove(struct connection *connection)
{
    if (!connection->line || connection->is_proved)
        return;
    connection->is_proved = true;
    connection->line->proved_count++;
    connection->line->unproved_count--;
}

struct connection *devices_surplus(const struct device_line *line, bool is_proved, uint32_t max)
{
    struct connection *connection = line->oldest;

    if ((is_proved ? line->proved_count : line->unproved_count) <= max)
        return NULL;
    while (connection && connection->is_proved != is_proved)
        connection = connection->newer;
    return connection;
}
