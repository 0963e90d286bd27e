/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of everybody together once all have synced until nothing moved. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/hlc.h"
#include "store/alarms.h"
#include "store/ledger_internal.h"
#include "tests/sim/check.h"
#include "tests/sim/connection.h"

#define IDLE_BYTES_MAX 500

/* Members are who was let in and the custodians, and nothing is owed to anybody. */
static void check_members(struct world *world, uint32_t circle, const struct circle *state)
{
    const struct roster *roster = &world->ledger->roster;
    struct circle_member members[SIM_NUMBERS_MAX];
    uint32_t devices[SIM_NUMBERS_MAX];
    struct circle_owed owed = {.members = members, .devices = devices, .max = SIM_NUMBERS_MAX};

    for (uint32_t person = 1; person <= roster->person_count; person++) {
        const struct circle_member *member = circle_member(state, person);
        if ((member != NULL) != check_is_member(world, circle, person))
            world_fail(world, "member", "person %u is%s a member of circle %u", person,
                       member ? "" : " not", circle);
        enum circle_right right = world->circles[circle].rights[person];
        if (circle > 0 && right && member->right != right)
            world_fail(world, "member", "person %u has another right in circle %u", person, circle);
    }
    circle_owed(state, roster, world->now_ms / 1000, &owed);
    if (owed.member_count + owed.device_count > 0)
        world_fail(world, "owed", "circle %u still owes %u people and %u devices", circle,
                   owed.member_count, owed.device_count);
}

static void check_hub(struct world *world)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    struct ledger_stats stats;

    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        uint32_t number = hub_circle_number(&txn, world->circles[circle].id);
        struct circle state;
        hub_circle_get(&txn, number, &state);
        check_members(world, circle, &state);
        circle_clear(&state);
        for (uint32_t device = 1; device < SIM_NUMBERS_MAX; device++) {
            struct chain_head head = hub_chain_head(&txn, number, device);
            if (head.n != world->model.saved[circle].n[device])
                world_fail(world, "hub", "it has %llu of %u changes of device %u in circle %u",
                           (unsigned long long)head.n, world->model.saved[circle].n[device], device,
                           circle);
        }
    }
    uint64_t items = store_count(&txn, TABLE_HUB_LOG);
    uint64_t entries = store_count(&txn, TABLE_HUB_ENTRY);
    if (items != store_count(&txn, TABLE_HUB_CHAIN_LOG) + entries ||
        items != store_count(&txn, TABLE_HUB_CIRCLE_LOG))
        world_fail(world, "twice", "the hub's log has %llu items", (unsigned long long)items);
    world_expect(world, store_commit(&txn), "reading the ledger");
    world_expect(world, ledger_stats(world->ledger, &stats), "the ledger's figures");
    if (stats.changes != world->model.count || stats.circles != world->circle_count)
        world_fail(world, "hub", "it counts %llu changes of %u", (unsigned long long)stats.changes,
                   world->model.count);
}

/* Nothing that was typed stands on the hub as it was typed. */
static void check_canary(struct world *world)
{
    char path[SIM_PATH_MAX + 16];
    static uint8_t content[4u << 20];

    (void)snprintf(path, sizeof path, "%.96s/hub0/data.mdb", world->folder);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = file < 0 ? -1 : read(file, content, sizeof content);
    if (file >= 0)
        (void)close(file);
    if (len <= 0)
        world_fail(world, "canary", "%s cannot be read", path);
    if (memmem(content, (size_t)len, SIM_CANARY, strlen(SIM_CANARY)))
        world_fail(world, "canary", "the hub holds what was typed");
}

static void check_counts(struct world *world, const struct sim_device *device)
{
    struct replica_counts counts;
    uint32_t expected = 0;

    world_expect(world, replica_counts(device->replica, &counts), "the counts");
    for (uint32_t circle = 0; circle < world->circle_count; circle++)
        expected += check_is_member(world, circle, device->person);
    if (counts.unsent || counts.waiting || counts.owed || counts.refused)
        world_fail(world, "left", "device %u: %llu unsent, %llu waiting, %llu owed, %llu refused",
                   device->number, (unsigned long long)counts.unsent,
                   (unsigned long long)counts.waiting, (unsigned long long)counts.owed,
                   (unsigned long long)counts.refused);
    if (counts.circles != expected)
        world_fail(world, "access", "device %u has %llu circles of %u", device->number,
                   (unsigned long long)counts.circles, expected);
}

/* Who is in has everything and the key; who is not has never heard of it. */
static void check_access(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    uint8_t key[KEY_BYTES];

    if ((number != 0) != check_is_member(world, circle, device->person))
        world_fail(world, "access", "device %u has%s circle %u", device->number,
                   number ? "" : " not", circle);
    if (number && !device_key_get(&txn, number, 1, key))
        world_fail(world, "access", "device %u has no key of circle %u", device->number, circle);
    store_abort(&txn);
    if (!check_merged(world, device, circle))
        return;
    if (memcmp(&device->merged[circle], &world->model.saved[circle], sizeof(struct past)) != 0)
        world_fail(world, "complete", "device %u lacks changes of circle %u", device->number,
                   circle);
}

/* What the histories of a circle's records have told. */
struct told {
    struct world *world;
    const struct sim_device *device;
    uint32_t circle;
    uint64_t hlc[SIM_NUMBERS_MAX][SIM_CHANGES_MAX + 1];
    uint8_t ops[SIM_CHANGES_MAX]; /* a bit for each operation of a change of the model */
};

static bool is_same_op(const struct world *world, uint32_t circle, const struct model_op *known,
                       const struct op *op)
{
    uint8_t id[ID_BYTES];
    uint32_t type;
    struct buffer value;

    record_name(&world->circles[circle], known->record, id, &type);
    if (type != op->type || memcmp(id, op->record, ID_BYTES) != 0 || known->field != op->field ||
        known->kind != op->kind)
        return false;
    buffer_init(&value, VALUE_MAX);
    value_write(world, &value, known->value);
    bool is_same = bytes_equal(buffer_view(&value), op->value);
    buffer_reset(&value);
    if (known->kind == OP_KEYED) {
        value_write(world, &value, known->key);
        is_same = is_same && bytes_equal(buffer_view(&value), op->key);
    }
    buffer_clear(&value);
    return is_same;
}

/* Finds what somebody typed behind an event. */
static void count_event(void *owner, struct dot dot, uint64_t hlc, const struct op *op)
{
    struct told *told = owner;
    struct world *world = told->world;
    const struct model_change *change = model_find(&world->model, told->circle, dot.device, dot.n);
    uint32_t place = 0;

    while (change && place < change->op_count &&
           !is_same_op(world, told->circle, &change->ops[place], op))
        place++;
    if (!change || place == change->op_count)
        world_fail(world, "history", "device %u tells of change %llu of %u what nobody typed",
                   told->device->number, (unsigned long long)dot.n, dot.device);
    uint8_t *ops = &told->ops[change - world->model.changes];
    if (*ops & 1u << place)
        world_fail(world, "history", "device %u tells change %llu of %u twice",
                   told->device->number, (unsigned long long)dot.n, dot.device);
    *ops = (uint8_t)(*ops | 1u << place);
    told->hlc[dot.device][dot.n] = hlc;
}

/* Whether a stamp follows another: it is later, or that one was so far ahead that it was not
 * followed. */
static bool follows(uint64_t stamp, uint64_t other)
{
    return stamp > other || hlc_ms(other) - hlc_ms(stamp) > HLC_AHEAD_MAX_MS;
}

/* A device's stamps go up, but for a clock that was far ahead and was set right; among clocks that
 * are right within the bounds of a stamp, a change is stamped later than all that its author had
 * seen. */
static void check_stamps(const struct world *world, const struct told *told)
{
    bool is_comparable = 2 * world->habits.clock_error_max_ms < HLC_AHEAD_MAX_MS;

    for (uint32_t i = 0; i < world->model.count; i++) {
        const struct model_change *change = &world->model.changes[i];
        for (uint32_t device = 1; change->circle == told->circle && device < SIM_NUMBERS_MAX;
             device++) {
            bool is_own = device == change->device;
            uint32_t n = is_own ? change->n - 1 : change->past.n[device];
            if ((is_own || is_comparable) &&
                !follows(told->hlc[change->device][change->n], told->hlc[device][n]))
                world_fail(world, "stamps", "change %u of %u is not stamped after %u of %u",
                           change->n, change->device, n, device);
        }
    }
}

/* Whatever was typed stands in the history of its record, once, as it was typed. */
static void check_history(struct world *world, const struct sim_device *device, uint32_t circle)
{
    static struct told told;
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);

    memset(&told, 0, sizeof told);
    told.world = world;
    told.device = device;
    told.circle = circle;
    for (uint32_t record = 0; record < SIM_RECORDS; record++) {
        struct found_record found;
        uint8_t id[ID_BYTES];
        uint32_t type;
        record_name(&world->circles[circle], record, id, &type);
        enum kith_err err = replica_find_in(&txn, world->circles[circle].id, type, id, &found);
        if (!err)
            err = replica_history(&txn, &found, count_event, &told);
        if (err && err != KITH_NOT_FOUND)
            world_fail(world, "history", "device %u: %s", device->number, error_name(err));
    }
    store_abort(&txn);
    for (uint32_t i = 0; i < world->model.count; i++) {
        const struct model_change *change = &world->model.changes[i];
        if (change->circle == circle && told.ops[i] != (1u << change->op_count) - 1)
            world_fail(world, "history", "device %u does not tell change %u of %u in circle %u",
                       device->number, change->n, change->device, circle);
    }
    check_stamps(world, &told);
}

void check_idle(struct world *world, struct sim_device *device)
{
    static const struct mishaps none;
    struct hub_state before;
    struct hub_state after;

    world_expect(world, replica_hub(device->replica, &before), "the cursor");
    struct outcome outcome = world_sync(world, device, &none);
    world_expect(world, replica_hub(device->replica, &after), "the cursor");
    if (!bytes_equal(bytes_of(before.cursor, before.cursor_len),
                     bytes_of(after.cursor, after.cursor_len)))
        world_fail(world, "idle", "device %u is further without having got anything",
                   device->number);

    if (outcome.received + outcome.acknowledged + outcome.refused > 0 || outcome.round_trips != 1 ||
        outcome.bytes > IDLE_BYTES_MAX)
        world_fail(world, "idle", "device %u: %u received, %u acknowledged, %u trips, %zu bytes",
                   device->number, outcome.received, outcome.acknowledged, outcome.round_trips,
                   outcome.bytes);
}

/* Who was lied to says so, and nobody else, whatever went wrong on the way. */
static void check_alarms(struct world *world, const struct sim_device *device)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct store_walk walk = alarms_walk(&txn);
    struct alarm alarm;
    bool has_alarm = false;

    while (alarm_next(&walk, &alarm)) {
        has_alarm = has_alarm || alarm.kind == ALARM_OWN_FORKED;
        if (alarm.kind != ALARM_OWN_FORKED || !device->may_alarm)
            world_fail(world, "alarm", "device %u says %s of device %u, %llu: %s", device->number,
                       alarm_word(alarm.kind), alarm.device, (unsigned long long)alarm.n,
                       error_name(alarm.reason));
    }
    if (device->must_alarm && !has_alarm)
        world_fail(world, "alarm", "device %u was lied to and does not say so", device->number);
    store_walk_end(&walk);
    world_expect(world, store_commit(&txn), "reading the alarms");
}

void check_healed(struct world *world)
{
    uint64_t hashes[SIM_CIRCLES_MAX] = {0};
    bool has_hash[SIM_CIRCLES_MAX] = {false};
    uint32_t historian = stream_below(&world->workload, world->device_count);

    check_hub(world);
    check_canary(world);
    for (uint32_t i = 0; i < world->device_count; i++) {
        struct sim_device *device = &world->devices[i];
        check_counts(world, device);
        check_receipts(world, device);
        check_alarms(world, device);
        for (uint32_t circle = 0; circle < world->circle_count; circle++) {
            check_access(world, device, circle);
            if (!check_is_member(world, circle, device->person))
                continue;
            uint64_t hash = check_records(world, device, circle);
            hash = mix(hash, check_notes(world, device, circle));
            if (has_hash[circle] && hash != hashes[circle])
                world_fail(world, "converge", "device %u has another state of circle %u",
                           device->number, circle);
            has_hash[circle] = true;
            hashes[circle] = hash;
            world_trace(world, hash);
            if (i == historian)
                check_history(world, device, circle);
        }
        check_idle(world, device);
    }
}
