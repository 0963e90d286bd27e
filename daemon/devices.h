/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions of each device: whom news of a circle concerns, and how many one device has.
 *
 * 1. A session is *proved* once a message came that only this device could write at this moment;
 * message 1 alone may be a recording. A session that is not proved takes nothing from one that is.
 * 2. Of too many proved sessions the newest win: the older ones are half open, mostly.
 */
#ifndef KITH_DAEMON_DEVICES_H
#define KITH_DAEMON_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICES_BUCKETS 8192

struct connection;

struct device_line {
    struct device_line *next; /* in its bucket */
    struct connection *oldest;
    struct connection *newest;
    uint32_t device;
    uint32_t proved_count;
    uint32_t unproved_count;
    size_t waiting_bytes; /* of all its sessions */
};

struct devices {
    struct device_line *buckets[DEVICES_BUCKETS];
};

/* NULL if the device has no session. */
struct device_line *devices_find(const struct devices *devices, uint32_t device);
/* Sets connection->line. False without memory. */
bool devices_add(struct devices *devices, struct connection *connection, uint32_t device);
/* Nothing if it is on no line. */
void devices_remove(struct devices *devices, struct connection *connection);
/* The session is its device's beyond doubt. */
void devices_prove(struct connection *connection);
/* The session that has to go so that one of that kind has at most `max`; NULL if none has to. */
struct connection *devices_surplus(const struct device_line *line, bool is_proved, uint32_t max);

#endif
