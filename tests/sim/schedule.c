/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/schedule.h"

#include <string.h>

#include "protocol/hlc.h"
#include "tests/sim/check.h"
#include "tests/sim/connection.h"
#include "tests/sim/crypto.h"
#include "tests/sim/leave.h"
#include "tests/sim/secrets.h"
#include "tests/sim/wishes.h"
#include "tests/sim/work.h"

#define HEAL_ROUNDS_MAX   24
#define LEAVING_SHARE     12 /* steps of a hundred in which somebody comes, goes or decides */
#define REAL_CRYPTO_EVERY 50 /* seeds */

static const struct mishaps none;

static struct sim_device *draw_device(struct world *world)
{
    return &world->devices[stream_below(&world->workload, world->device_count)];
}

/* A chart, or the agency's circle now and then. */
static uint32_t draw_circle(struct world *world)
{
    if (world->circle_count == 1 || stream_chance(&world->workload, 15))
        return 0;
    return 1 + stream_below(&world->workload, world->circle_count - 1);
}

/* Of a clock: as large as this schedule's may be, either way. */
static int64_t draw_error(struct world *world)
{
    int64_t max = world->habits.clock_error_max_ms;
    uint64_t span = 2 * (uint64_t)max + 1;

    return (int64_t)(stream_next(&world->clock) % span) - max;
}

static bool is_under_way(const struct world *world)
{
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        if (world->connections[i])
            return true;
    return false;
}

/* One that was ended and has removed its keys cannot be recognised any more. */
static bool is_online(const struct world *world, const struct sim_device *device)
{
    return device->offline_until <= world->step && !device->is_lost && !device->is_gone;
}

/* Somebody who can be asked to write into the roster. */
static bool is_active(const struct world *world, const struct sim_device *device)
{
    bool is_busy = world->habits.has_leaving && connections_has(world, device);

    return is_online(world, device) && !is_busy && replica_leaving(device->replica) == LEAVING_NOT;
}

static void judge(struct world *world, struct sim_device *device, const struct outcome *outcome)
{
    world_say(world, "device %u synced: %s, %u received, %u acknowledged%s", device->number,
              error_name(outcome->device_err), outcome->received, outcome->acknowledged,
              outcome->is_disturbed ? ", disturbed" : "");
    if (!outcome->is_disturbed && (outcome->device_err || outcome->hub_err))
        world_fail(world, "session", "device %u: %s, hub: %s", device->number,
                   error_name(outcome->device_err), error_name(outcome->hub_err));
    check_receipts(world, device);
    secrets_check(world, device);
    if (world->habits.has_leaving && stream_chance(&world->people, 50) &&
        !connections_has(world, device))
        (void)leave_purge(world, device);
    if (stream_chance(&world->workload, 15))
        check_device(world, device);
}

/* Moves one of the connections under way; which one, the network decides. */
static void step_connections(struct world *world, uint32_t moves)
{
    uint32_t place = stream_below(&world->network, SIM_CONNECTIONS_MAX);

    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct connection *connection = world->connections[(place + i) % SIM_CONNECTIONS_MAX];
        struct outcome outcome;
        if (!connection)
            continue;
        struct sim_device *device = connection_device(connection);
        if (connection_advance(world, connection, moves, &outcome))
            judge(world, device, &outcome);
        return;
    }
}

static void step_sync(struct world *world)
{
    struct sim_device *device = draw_device(world);
    const struct connection_config config = {
        .device = device, .mode = CHANNEL_SYNC, .mishaps = mishaps_draw(world)};
    /* The client never has two at once: what an older one still brings would undo a removal. */
    bool is_alone = world->habits.has_leaving;
    bool is_twice = !is_alone && stream_chance(&world->faults, 10);

    if (!is_online(world, device) || (is_alone && connections_has(world, device)))
        return;
    if (world->habits.has_interleaving && stream_chance(&world->network, 60)) {
        (void)connection_open(world, &config);
        if (is_twice)
            (void)connection_open(world, &config);
        return;
    }
    if (world->connections[SIM_CONNECTIONS_MAX - 1])
        return;
    for (int i = 0; i <= is_twice; i++) {
        struct outcome outcome = connection_run(world, &config);
        judge(world, device, &outcome);
        if (device->is_gone)
            return;
    }
}

static bool is_killed(struct world *world)
{
    return stream_chance(&world->faults, world->habits.crash_percent / 4);
}

static void step_save(struct world *world)
{
    struct sim_device *device = draw_device(world);
    uint32_t circle = draw_circle(world);

    if (world->model.count == SIM_CHANGES_MAX)
        return;
    if (stream_chance(&world->workload, world->habits.settle_percent) && is_online(world, device) &&
        !is_under_way(world)) {
        struct outcome outcome = world_sync(world, device, &none);
        if (outcome.round_trips == 1 && stream_chance(&world->workload, 10))
            check_idle(world, device);
    }
    if (stream_chance(&world->workload, 15))
        work_sign(world, device, circle, is_killed(world));
    else
        work_save(world, device, circle, is_killed(world));
}

static void step_chart(struct world *world)
{
    struct sim_device *device = draw_device(world);
    unsigned roles = roster_device_roles(replica_roster(device->replica), device->number);

    if (world->circle_count < SIM_CIRCLES_MAX && role_may(roles, MAY_REGISTER) &&
        replica_leaving(device->replica) == LEAVING_NOT && world->model.count < SIM_CHANGES_MAX)
        world_chart(world, device);
}

static void step_grant(struct world *world)
{
    if (world->habits.has_grants && world->circle_count > 1)
        wish_grant(world, draw_device(world),
                   1 + stream_below(&world->workload, world->circle_count - 1), is_killed(world));
}

/* Leaves an invitation about, or forgets about it. */
static void keep_invite(struct world *world, const struct sim_invite *invite)
{
    for (uint32_t i = 0; i < SIM_INVITES_MAX; i++)
        if (world->invites[i].device == 0) {
            world->invites[i] = *invite;
            return;
        }
}

static void join(struct world *world, struct sim_device *inviter, uint32_t person, unsigned roles,
                 uint32_t supervisor)
{
    struct sim_device *joined = NULL;
    struct sim_invite invite;
    bool is_kept = world->habits.has_leaving && stream_chance(&world->people, 50);

    if (!is_kept)
        joined = world_join(world, inviter, person, roles, supervisor, true);
    else if (world_invite(world, inviter, person, roles, supervisor, true, &invite))
        keep_invite(world, &invite);
    if (joined)
        joined->clock_error_ms = draw_error(world);
}

/* Another device of somebody, or somebody new. */
static void step_join(struct world *world)
{
    static const unsigned roles[] = {ROLE_SPECIALIST, ROLE_VOLUNTEER, ROLE_CUSTODIAN};
    struct sim_device *inviter = draw_device(world);
    const struct roster *roster = replica_roster(inviter->replica);
    const struct roster_person *self = roster_person(roster, inviter->person);

    if (!world->habits.has_joins || world->device_count == SIM_DEVICES_MAX ||
        roster->device_count + 4 > SIM_NUMBERS_MAX || world->connections[SIM_CONNECTIONS_MAX - 1] ||
        !is_active(world, inviter))
        return;
    if (role_may(self->roles, MAY_INVITE) && stream_chance(&world->workload, 50))
        join(world, inviter, 0, roles[stream_below(&world->workload, 3)], 0);
    else
        join(world, inviter, self->number, self->roles, self->supervisor);
}

/* Somebody comes, goes or decides; only in schedules that have that. */
static void step_people(struct world *world)
{
    struct sim_device *device = draw_device(world);
    uint32_t choice = stream_below(&world->people, 100);
    bool has_place = !world->connections[SIM_CONNECTIONS_MAX - 1];

    if (choice < 40 && world->circle_count > 1) {
        uint32_t circle = 1 + stream_below(&world->people, world->circle_count - 1);
        wish_withdraw(world, device, circle, is_killed(world));
    } else if (choice < 70) {
        wish_decide(world, device, is_killed(world));
    } else if (choice < 80 && has_place) {
        struct sim_device *joined = leave_enrol(world, true);
        if (joined)
            joined->clock_error_ms = draw_error(world);
    } else if (choice < 92 && has_place && is_active(world, device)) {
        leave_end(world, device);
    } else if (has_place && is_active(world, device)) {
        leave_role(world, device);
    }
}

static void step_trouble(struct world *world)
{
    struct sim_device *device = draw_device(world);

    switch (stream_below(&world->faults, 4)) {
    case 0:
        if (world->habits.crash_percent)
            world_crash_hub(world);
        break;
    case 1:
        if (world->habits.crash_percent)
            world_crash_device(world, device);
        break;
    case 2:
        if (world->habits.has_partitions)
            device->offline_until = world->step + 5 + stream_below(&world->faults, 60);
        break;
    default:
        if (world->habits.clock_error_max_ms > HLC_AHEAD_MAX_MS && stream_chance(&world->clock, 25))
            world->now_ms = SIM_START_MS + (uint64_t)draw_error(world);
        else
            device->clock_error_ms = draw_error(world);
        break;
    }
}

/* The hub is saved now and then, and lost. */
static void step_restore(struct world *world)
{
    if (!world->is_hub_saved || stream_chance(&world->faults, 30)) {
        world_save_hub(world);
        return;
    }
    world_restore_hub(world);
}

static void step_one(struct world *world)
{
    uint32_t choice = stream_below(&world->workload, 100);
    bool is_of_people = world->habits.has_leaving && stream_chance(&world->people, LEAVING_SHARE);

    world->now_ms += 1000 + stream_below(&world->clock, 60 * 1000);
    if (world->now_ms > world->latest_ms)
        world->latest_ms = world->now_ms;
    if (is_under_way(world))
        step_connections(world, 1 + stream_below(&world->network, 20));
    if (world->habits.has_restores && stream_chance(&world->faults, 5))
        step_restore(world);
    if (is_of_people)
        step_people(world);
    else if (choice < 55)
        step_save(world);
    else if (choice < 83)
        step_sync(world);
    else if (choice < 86)
        step_chart(world);
    else if (choice < 91)
        step_grant(world);
    else if (choice < 94)
        step_join(world);
    else
        step_trouble(world);
}

/* The founder, a supervisor, specialists with one device or two. */
static void settle_in(struct world *world)
{
    uint32_t count = world->habits.devices_first;

    world_found(world);
    (void)world_join(world, &world->devices[0], 0, ROLE_SUPERVISOR, 0, false);
    for (uint32_t i = 2; i < count; i++) {
        struct sim_device *last = &world->devices[world->device_count - 1];
        const struct roster_person *person =
            roster_person(replica_roster(last->replica), last->person);
        if (stream_chance(&world->workload, 30))
            (void)world_join(world, last, person->number, person->roles, person->supervisor, false);
        else
            (void)world_join(world, &world->devices[0], 0, ROLE_SPECIALIST, 2, false);
    }
    world_chart(world, &world->devices[world->device_count - 1]);
    for (uint32_t i = 0; i < world->device_count; i++)
        world->devices[i].clock_error_ms = draw_error(world);
}

static uint64_t hub_place(struct world *world)
{
    struct ledger_stats stats;

    world_expect(world, ledger_stats(world->ledger, &stats), "the ledger's figures");
    return stats.sequence;
}

/* One that is not lost, all going well. True if anything moved. */
static bool heal_device(struct world *world, struct sim_device *device)
{
    if (device->is_lost || device->is_gone)
        return false;
    struct outcome outcome = world_sync(world, device, &none);
    world_say(world, "device %u synced: %u received, %u acknowledged, %u refused", device->number,
              outcome.received, outcome.acknowledged, outcome.refused);
    secrets_check(world, device);
    bool is_purged = world->habits.has_leaving && leave_purge(world, device);
    return is_purged || outcome.received || outcome.acknowledged || outcome.refused;
}

/* Everybody syncs until a whole round has moved nothing. */
static void heal(struct world *world)
{
    bool is_moving = true;

    while (is_under_way(world))
        step_connections(world, UINT32_MAX);
    while (stream_chance(&world->people, 50) && leave_enrol(world, false))
        continue;
    world->now_ms = world->latest_ms + 3 * 3600 * 1000; /* lost invitations have expired */
    for (uint32_t round = 0; is_moving; round++) {
        uint64_t place = hub_place(world);
        is_moving = false;
        for (uint32_t i = 0; i < world->device_count; i++)
            is_moving = heal_device(world, &world->devices[i]) || is_moving;
        is_moving = is_moving || hub_place(world) != place;
        if (round > HEAL_ROUNDS_MAX)
            world_fail(world, "heal", "it never comes to rest");
    }
}

uint64_t schedule_run(struct world *world, uint64_t seed, const char *parent)
{
    crypto_use_real(seed % REAL_CRYPTO_EVERY == 0);
    world_open(world, seed, parent);
    settle_in(world);
    uint32_t steps = 40 + stream_below(&world->workload, 161);
    for (world->step = 10; world->step < steps + 10; world->step++)
        step_one(world);
    heal(world);
    check_healed(world);
    uint64_t trace = mix(world->trace, world->model.count);
    world_close(world);
    return trace;
}
