/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection between a device and the hub, moved one step at a time, so that several can be under
 * way at once; and how it goes wrong.
 */
#ifndef KITH_TESTS_SIM_CONNECTION_H
#define KITH_TESTS_SIM_CONNECTION_H

#include "tests/sim/world.h"

enum crash_point {
    CRASH_NEVER,
    CRASH_HUB_BEFORE_COMMIT,
    CRASH_HUB_IN_COMMIT,
    CRASH_HUB_AFTER_COMMIT,
    CRASH_DEVICE_AFTER_FILL,
    CRASH_DEVICE_BEFORE_APPLY,
    CRASH_DEVICE_IN_APPLY,
    CRASH_DEVICE_AFTER_APPLY,
    FULL_HUB_AT_COMMIT, /* no crash: the disk has no more room, for this one transaction */
    FULL_DEVICE_AT_APPLY,
};
#define CRASH_POINTS 10

struct mishaps {
    size_t cut_after_out; /* bytes from the device after which nothing arrives; 0: never */
    size_t cut_after_in;
    size_t chunk_bytes; /* pieces are at most this large; 0: as they come */
    enum crash_point crash;
    uint32_t crash_after; /* how often that point is passed unharmed */
    bool is_lied_to;      /* the hub signs a receipt with a wrong head */
};

struct connection_config {
    struct sim_device *device;
    enum channel_mode mode;
    const uint8_t *psk;
    struct roster_request *request; /* NULL for none; written back at the end */
    struct mishaps mishaps;
};

struct outcome {
    enum kith_err device_err;
    enum kith_err hub_err;
    uint32_t received;
    uint32_t acknowledged;
    uint32_t refused;
    uint32_t round_trips;
    size_t bytes;      /* both ways */
    bool is_disturbed; /* something went wrong on purpose */
};

/* By the faults stream and the habits of this schedule. */
struct mishaps mishaps_draw(struct world *world);

/* NULL if there are as many as there may be. */
struct connection *connection_open(struct world *world, const struct connection_config *config);
struct sim_device *connection_device(const struct connection *connection);
/* Whether one of this device is under way. */
bool connections_has(const struct world *world, const struct sim_device *device);
/* Moves until `moves` steps are done or the connection has ended; true if it has, and is freed. */
bool connection_advance(struct world *world, struct connection *connection, uint32_t moves,
                        struct outcome *outcome);
/* From its first to its last byte, while the others stand still. */
struct outcome connection_run(struct world *world, const struct connection_config *config);
struct outcome world_sync(struct world *world, struct sim_device *device,
                          const struct mishaps *mishaps);
/* What a crash leaves: the other side notices later. */
void connections_lose_hub(struct world *world);
void connections_lose_device(struct world *world, const struct sim_device *device);

#endif
