/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of one schedule: a hub, devices with their people, charts, and the connections between
 * them; real ledgers, replicas and sessions, no socket and no clock.
 *
 * A broken invariant ends the program with a line that says which seed, step and invariant.
 */
#ifndef KITH_TESTS_SIM_WORLD_H
#define KITH_TESTS_SIM_WORLD_H

#include "store/ledger.h"
#include "store/replica.h"
#include "tests/sim/model.h"
#include "tests/sim/random.h"

#define SIM_DEVICES_MAX     8
#define SIM_CONNECTIONS_MAX 4
#define SIM_PATH_MAX        128
#define SIM_STEPS_MAX       64
#define SIM_STEP_BYTES      640
#define SIM_START_MS        1790000000000u
#define SIM_CANARY          "kith canary " /* begins every value; in clear nowhere on the hub */

/* What a schedule does and how badly things go in it: drawn once, so that schedules differ. */
struct habits {
    uint32_t devices_first;
    uint32_t cut_percent;
    uint32_t chunk_percent;
    uint32_t crash_percent;
    uint32_t lie_percent;
    uint32_t large_percent;  /* texts so long that a sync takes several batches */
    uint32_t settle_percent; /* edits that follow a sync */
    int64_t clock_error_max_ms;
    size_t map_bytes;
    bool has_interleaving;
    bool has_partitions;
    bool has_joins;
    bool has_grants;
};

struct sim_device {
    char folder[SIM_PATH_MAX];
    uint8_t key[KEY_BYTES];
    struct replica *replica;
    uint32_t number;
    uint32_t person;
    int64_t clock_error_ms;
    bool may_alarm;                      /* the hub has lied to it */
    bool must_alarm;                     /* and its store took that down */
    uint32_t offline_until;              /* step */
    struct past merged[SIM_CIRCLES_MAX]; /* as it reported last */
    uint64_t receipts[SIM_CIRCLES_MAX];  /* likewise */
    uint32_t steps[SIM_CIRCLES_MAX];     /* of notes, likewise */
};

/* A signed step of the life of a note, as its entry holds it. */
struct sim_step {
    uint8_t value[SIM_STEP_BYTES];
    size_t len;
};

struct sim_circle {
    uint8_t id[ID_BYTES];
    enum circle_right rights[SIM_NUMBERS_MAX]; /* by person; 0: none was given */
};

struct connection;

struct world {
    uint64_t seed;
    uint32_t step;
    bool is_verbose;
    char folder[SIM_PATH_MAX];
    uint64_t trace;
    uint64_t now_ms;    /* the hub's clock: it jumps like the devices' do */
    uint64_t latest_ms; /* that it has shown */
    struct stream workload;
    struct stream network;
    struct stream faults;
    struct stream clock;
    struct habits habits;
    struct model model;
    struct ledger_keys keys;
    struct ledger *ledger;
    uint8_t founding_secret[CODE_SECRET_BYTES];
    struct sim_device devices[SIM_DEVICES_MAX];
    uint32_t device_count;
    struct sim_circle circles[SIM_CIRCLES_MAX];
    uint32_t circle_count;
    struct sim_step steps[SIM_STEPS_MAX];
    uint32_t step_count;
    bool is_human[SIM_NUMBERS_MAX]; /* by person: somebody has this number */
    struct connection *connections[SIM_CONNECTIONS_MAX];
};

_Noreturn void world_fail(const struct world *world, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void world_say(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Fails with the error's name unless it is KITH_OK. */
void world_expect(const struct world *world, enum kith_err err, const char *what);
void world_trace(struct world *world, uint64_t value);

/* A hub without an agency, in a folder of its own below `parent`. */
void world_open(struct world *world, uint64_t seed, const char *parent);
void world_close(struct world *world);
void folder_remove(const char *folder);

/* As after kill -9: what was not committed is gone, connections are. */
void world_crash_hub(struct world *world);
void world_crash_device(struct world *world, struct sim_device *device);
uint64_t device_now_ms(const struct world *world, const struct sim_device *device);

/* A new replica without an identity number. */
struct sim_device *world_add_device(struct world *world);
void world_start_device(struct world *world, struct sim_device *device, bool is_new);
void world_found(struct world *world);
/* Invites a person (0: a new one) over a connection that may break, and lets the device join over
 * others that may. NULL if the invitation was lost. */
struct sim_device *world_join(struct world *world, struct sim_device *inviter, uint32_t person,
                              unsigned roles, uint32_t supervisor, bool is_faulty);
/* A chart by this device, for its person, the supervisor and the custodians. */
void world_chart(struct world *world, struct sim_device *author);

/* The encoded text that stands for a number; a long one if the number says so. */
#define VALUE_LARGE  (1u << 20)
#define VALUE_PERSON (1u << 21) /* no text: the number of a person */
#define VALUE_STEP   (1u << 22) /* no text: the signed step of a note, by its place in the world */
#define VALUE_NUMBER (VALUE_LARGE - 1)
void value_write(const struct world *world, struct buffer *out, uint32_t value);
void record_name(const struct sim_circle *circle, uint32_t record, uint8_t id[static ID_BYTES],
                 uint32_t *type);

#endif
