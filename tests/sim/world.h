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
#define SIM_ENTRIES_MAX     96 /* of one access chain */
#define SIM_EPOCHS_MAX      48
#define SIM_WISHES_MAX      64
#define SIM_INVITES_MAX     8
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
    bool has_leaving;  /* people and devices are taken out, roles change, invitations lie about */
    bool has_restores; /* the hub is lost and restored from an older copy of itself */
};

/* Every secret that a device was ever seen with. */
struct sim_loot {
    uint8_t box_secrets[2][KEY_BYTES];                        /* its own, and its invitation's */
    uint8_t keys[SIM_CIRCLES_MAX][SIM_EPOCHS_MAX][KEY_BYTES]; /* by epoch */
    uint64_t has[SIM_CIRCLES_MAX];                            /* a bit for each epoch */
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
    bool is_lost;                        /* never connects again */
    bool is_gone;                        /* was ended, and has removed all that it had */
    uint32_t offline_until;              /* step */
    struct past merged[SIM_CIRCLES_MAX]; /* as it reported last */
    uint64_t receipts[SIM_CIRCLES_MAX];  /* likewise */
    uint32_t steps[SIM_CIRCLES_MAX];     /* of notes, likewise */
    enum circle_part parts[SIM_CIRCLES_MAX];
    uint8_t removals[SIM_CIRCLES_MAX]; /* how often its person had been taken out, likewise */
    struct sim_loot loot;
};

/* A signed step of the life of a note, as its entry holds it. */
struct sim_step {
    uint8_t value[SIM_STEP_BYTES];
    size_t len;
};

struct access_cut {
    uint8_t leaving; /* 0: there is none */
    uint32_t n;
};

/* A circle after one of its entries: access.h. */
struct access_view {
    uint8_t head[HASH_BYTES];
    bool is_everybody;                 /* the agency's: all are members */
    uint8_t rights[SIM_NUMBERS_MAX];   /* by person; 0: none */
    uint8_t removals[SIM_NUMBERS_MAX]; /* by person: how often they were taken out */
    uint32_t recipients;               /* a bit for each device */
    uint32_t epoch;
    uint32_t allowed[SIM_NUMBERS_MAX];       /* by device: the newest epoch that was sealed to it */
    struct access_cut cuts[SIM_NUMBERS_MAX]; /* by device */
    enum circle_type type;                   /* of the entry */
    uint32_t named_device;                   /* ADMIT, REJECT */
    uint32_t named_n;
};

struct sim_circle {
    uint8_t id[ID_BYTES];
    struct access_view views[SIM_ENTRIES_MAX]; /* after each entry */
    uint32_t entry_count;
};

/* What somebody wanted written into an access chain. */
struct sim_wish {
    enum intent_kind kind;
    uint32_t circle;
    uint32_t author; /* a device */
    uint32_t seen;   /* how many entries it knew */
    uint32_t person; /* GRANT, WITHDRAW */
    enum circle_right right;
    uint32_t device; /* ADMIT, REJECT */
    uint32_t n;
};

/* An invitation that nobody has used yet. */
struct sim_invite {
    uint8_t secret[CODE_SECRET_BYTES];
    uint32_t device; /* 0: free */
    uint32_t person;
};

struct connection;
struct mishaps;

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
    struct stream people; /* who leaves, and what is decided about it */
    struct habits habits;
    struct model model;
    struct ledger_keys keys;
    struct ledger *ledger;
    bool is_hub_saved;
    uint8_t founding_secret[CODE_SECRET_BYTES];
    struct sim_device devices[SIM_DEVICES_MAX];
    uint32_t device_count;
    struct sim_circle circles[SIM_CIRCLES_MAX];
    uint32_t circle_count;
    struct past counted[SIM_CIRCLES_MAX]; /* in the end: how many changes of each device count */
    struct sim_wish wishes[SIM_WISHES_MAX];
    uint32_t wish_count;
    struct sim_invite invites[SIM_INVITES_MAX];
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
/* A copy of the hub's store, and the hub from that copy, as a restored backup. */
void world_save_hub(struct world *world);
void world_restore_hub(struct world *world);
void world_crash_device(struct world *world, struct sim_device *device);
uint64_t device_now_ms(const struct world *world, const struct sim_device *device);

/* A new replica without an identity number. */
struct sim_device *world_add_device(struct world *world);
/* Takes back the one that was added last. */
void world_drop_device(struct world *world);
void world_start_device(struct world *world, struct sim_device *device, bool is_new);
void world_found(struct world *world);
/* Invites a person (0: a new one) over a connection that may break, and lets the device join over
 * others that may. NULL if the invitation was lost. */
struct sim_device *world_join(struct world *world, struct sim_device *inviter, uint32_t person,
                              unsigned roles, uint32_t supervisor, bool is_faulty);
/* The two halves of joining, apart: false if the invitation was lost; NULL if the device was not
 * let in. */
bool world_invite(struct world *world, struct sim_device *inviter, uint32_t person, unsigned roles,
                  uint32_t supervisor, bool is_faulty, struct sim_invite *invite);
struct sim_device *world_enrol(struct world *world, const struct sim_invite *invite,
                               bool is_faulty);
/* Writes an entry into the roster over a connection that may break: true if it stands there.
 * `request` says otherwise why not. */
bool world_ask(struct world *world, struct sim_device *device, struct roster_request *request,
               const struct mishaps *mishaps);
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
