/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/seal.h"
#include "tests/sim/connection.h"

#define MAP_BYTES (8u << 20)
#define MAP_BYTES_LOW                                                                              \
    (64u << 10) /* grows all the time: every transaction may have to run again                     \
                 */

#define LARGE_CHARS          3000
#define RESTORE_EVERY        8 /* seeds */
#define CLOCK_ERROR_SMALL_MS 60000
#define LEAVING_PERCENT      35 /* of schedules */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void folder_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void world_fail(const struct world *world, const char *invariant, const char *format, ...)
{
    va_list arguments;

    (void)printf("FAIL seed=%llu step=%u invariant=%s: ", (unsigned long long)world->seed,
                 world->step, invariant);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\n     replay: sim --seed %llu --verbose\n", (unsigned long long)world->seed);
    (void)fflush(stdout);
    folder_remove(world->folder);
    exit(1);
}

void world_say(const struct world *world, const char *format, ...)
{
    va_list arguments;

    if (!world->is_verbose)
        return;
    (void)printf("%4u  ", world->step);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\n");
}

void world_expect(const struct world *world, enum kith_err err, const char *what)
{
    if (err)
        world_fail(world, "call", "%s: %s", what, error_name(err));
}

void world_trace(struct world *world, uint64_t value)
{
    world->trace = mix(world->trace, value);
}

static void make_folder(const struct world *world, char *folder, const char *name, uint32_t number)
{
    (void)snprintf(folder, SIM_PATH_MAX, "%.96s/%.8s%u", world->folder, name, number);
    if (mkdir(folder, S_IRWXU) != 0)
        world_fail(world, "folder", "%s cannot be made", folder);
}

static void hub_start(struct world *world)
{
    char folder[SIM_PATH_MAX];
    const struct ledger_options options = {.folder = folder,
                                           .keys = &world->keys,
                                           .is_exclusive = true,
                                           .is_volatile = true,
                                           .map_bytes = world->habits.map_bytes};

    (void)snprintf(folder, sizeof folder, "%.96s/hub0", world->folder);
    world_expect(world, ledger_open(&world->ledger, &options), "opening the ledger");
}

static void habits_draw(struct world *world)
{
    struct stream *faults = &world->faults;
    const int64_t year_ms = 365ll * 24 * 3600 * 1000;
    const int64_t clock_errors[] = {0, 60 * 1000, year_ms, 10 * year_ms};

    world->habits = (struct habits){
        .devices_first = 2 + stream_below(&world->workload, 4),
        .cut_percent = stream_below(faults, 2) * (5 + stream_below(faults, 45)),
        .chunk_percent = stream_below(faults, 2) * 30,
        .crash_percent = stream_below(faults, 2) * (5 + stream_below(faults, 30)),
        .lie_percent = stream_chance(faults, 20) ? 10 : 0,
        .settle_percent = 10 + stream_below(&world->workload, 60),
        .clock_error_max_ms = clock_errors[stream_below(&world->clock, 4)],
        .map_bytes = stream_chance(faults, 25) ? MAP_BYTES_LOW : MAP_BYTES,
        .large_percent = stream_chance(&world->workload, 10) ? 60 : 0,
        .has_interleaving = stream_chance(faults, 60),
        .has_partitions = stream_chance(faults, 50),
        .has_joins = stream_chance(&world->workload, 60),
        .has_grants = stream_chance(&world->workload, 80),
        .has_leaving = stream_chance(&world->people, LEAVING_PERCENT),
    };
}

/* An entry of the roster, or one that changes keys, that is made anew on the restored hub before
 * the one that was lost came back forks the chain. So nobody joins or leaves here. Whether a
 * restore is recent is seen by the clock. */
static void restores_draw(struct world *world)
{
    world->habits.has_restores = world->seed % RESTORE_EVERY == 5;
    if (!world->habits.has_restores)
        return;
    world->habits.has_joins = world->habits.has_leaving = false;
    world->habits.lie_percent = 0;
    if (world->habits.clock_error_max_ms > CLOCK_ERROR_SMALL_MS)
        world->habits.clock_error_max_ms = CLOCK_ERROR_SMALL_MS;
}

void world_open(struct world *world, uint64_t seed, const char *parent)
{
    struct invite_keys founding;
    uint8_t random[KEY_BYTES];
    char folder[SIM_PATH_MAX];
    bool is_verbose = world->is_verbose;

    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->is_verbose = is_verbose;
    world->now_ms = SIM_START_MS;
    world->latest_ms = SIM_START_MS;
    world->workload = stream_of(seed, 1);
    world->network = stream_of(seed, 2);
    world->faults = stream_of(seed, 3);
    world->clock = stream_of(seed, 4);
    world->people = stream_of(seed, 5);
    random_seed(seed);
    habits_draw(world);
    restores_draw(world);
    (void)snprintf(world->folder, sizeof world->folder, "%.80s/kith-sim-XXXXXX", parent);
    if (!mkdtemp(world->folder))
        world_fail(world, "folder", "nothing can be made in %s", parent);
    make_folder(world, folder, "hub", 0);
    seal_random(world->keys.storage, KEY_BYTES);
    seal_random(random, sizeof random);
    noise_keypair_from_secret(&world->keys.noise, random);
    seal_random(random, sizeof random);
    seal_sign_keypair(random, world->keys.sign_public, world->keys.sign_secret);
    seal_random(world->founding_secret, CODE_SECRET_BYTES);
    invite_derive(world->founding_secret, &founding);
    world_expect(world, ledger_create(folder, &world->keys, founding.psk), "making the ledger");
    hub_start(world);
}

void world_close(struct world *world)
{
    connections_lose_hub(world);
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        if (world->connections[i])
            (void)connection_advance(world, world->connections[i], UINT32_MAX, NULL);
    for (uint32_t i = 0; i < world->device_count; i++)
        replica_close(&world->devices[i].replica);
    ledger_close(&world->ledger);
    folder_remove(world->folder);
}

void world_crash_hub(struct world *world)
{
    world_say(world, "the hub crashes");
    connections_lose_hub(world);
    ledger_close(&world->ledger);
    hub_start(world);
}

static void copy_store(const struct world *world, const char *from, const char *to)
{
    char paths[2][SIM_PATH_MAX + 16];
    uint8_t bytes[65536];
    size_t len;

    (void)snprintf(paths[0], sizeof paths[0], "%.96s/hub0/%s", world->folder, from);
    (void)snprintf(paths[1], sizeof paths[1], "%.96s/hub0/%s", world->folder, to);
    FILE *in = fopen(paths[0], "rb");
    FILE *out = fopen(paths[1], "wb");
    while (in && out && (len = fread(bytes, 1, sizeof bytes, in)) > 0)
        if (fwrite(bytes, 1, len, out) != len)
            break;
    if (!in || !out || !feof(in) || fclose(out) != 0)
        world_fail(world, "folder", "the hub's store cannot be copied");
    (void)fclose(in);
}

void world_save_hub(struct world *world)
{
    world_say(world, "the hub is saved");
    copy_store(world, "data.mdb", "saved.mdb");
    world->is_hub_saved = true;
}

void world_restore_hub(struct world *world)
{
    world_say(world, "the hub is lost, and restored");
    connections_lose_hub(world);
    ledger_close(&world->ledger);
    copy_store(world, "saved.mdb", "data.mdb");
    hub_start(world);
    world_expect(world, ledger_restart(world->ledger, world->now_ms), "restarting the hub");
    for (uint32_t i = 0; i < world->device_count; i++)
        memset(world->devices[i].receipts, 0, sizeof world->devices[i].receipts);
}

void world_crash_device(struct world *world, struct sim_device *device)
{
    world_say(world, "device %u crashes", device->number);
    connections_lose_device(world, device);
    replica_close(&device->replica);
    world_start_device(world, device, false);
}

uint64_t device_now_ms(const struct world *world, const struct sim_device *device)
{
    return (uint64_t)((int64_t)world->now_ms + device->clock_error_ms);
}

void world_start_device(struct world *world, struct sim_device *device, bool is_new)
{
    const struct replica_options options = {.folder = device->folder,
                                            .key = device->key,
                                            .is_new = is_new,
                                            .is_volatile = true,
                                            .map_bytes = world->habits.map_bytes};

    world_expect(world, replica_open(&device->replica, &options), "opening a replica");
}

struct sim_device *world_add_device(struct world *world)
{
    struct sim_device *device = &world->devices[world->device_count];
    struct identity identity;

    memset(device, 0, sizeof *device);
    make_folder(world, device->folder, "device", world->device_count);
    seal_random(device->key, KEY_BYTES);
    world_start_device(world, device, true);
    identity_make(&identity);
    world_expect(world, replica_set_identity(device->replica, &identity), "the identity");
    world->device_count++;
    return device;
}

void world_drop_device(struct world *world)
{
    struct sim_device *device = &world->devices[--world->device_count];

    connections_lose_device(world, device);
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        if (world->connections[i] && connection_device(world->connections[i]) == device)
            (void)connection_advance(world, world->connections[i], UINT32_MAX, NULL);
    replica_close(&device->replica);
    folder_remove(device->folder);
}

void value_write(const struct world *world, struct buffer *out, uint32_t value)
{
    char text[48 + LARGE_CHARS];
    const struct sim_step *step = &world->steps[value % SIM_STEPS_MAX];

    if (value & VALUE_PERSON) {
        wire_put_uint(out, value & VALUE_NUMBER);
        return;
    }
    if (value & VALUE_STEP) {
        buffer_add(out, step->value, step->len);
        return;
    }
    int len = snprintf(text, sizeof text, SIM_CANARY "%u ", value);
    for (uint32_t i = 0; (value & VALUE_LARGE) && i < LARGE_CHARS; i++)
        text[len++] = (char)('a' + mix(value, i) % 26);
    wire_put_text(out, bytes_of(text, (size_t)len));
}

void record_name(const struct sim_circle *circle, uint32_t record, uint8_t id[static ID_BYTES],
                 uint32_t *type)
{
    static const uint32_t types[SIM_RECORDS] = {3, 6, 7};

    *type = types[record];
    memset(id, (int)(0xA0 + record), ID_BYTES);
    if (record == 0)
        memcpy(id, circle->id, ID_BYTES);
}
