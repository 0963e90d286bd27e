/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of everybody together once all have synced until nothing moved. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/hlc.h"
#include "store/give_back.h"
#include "store/alarms.h"
#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "tests/sim/access.h"
#include "tests/sim/check.h"
#include "tests/sim/connection.h"
#include "tests/sim/secrets.h"
#include "tests/sim/wishes.h"

#define IDLE_BYTES_MAX 500

/* Every custodian is in, nothing is owed to anybody, and nobody outside has the newest key. */
static void check_members(struct world *world, uint32_t circle, const struct circle *state)
{
    const struct roster *roster = &world->ledger->roster;
    struct circle_member members[SIM_NUMBERS_MAX];
    uint32_t devices[SIM_NUMBERS_MAX];
    struct circle_owed owed = {.members = members, .devices = devices, .max = SIM_NUMBERS_MAX};

    access_compare(world, circle, state);
    for (uint32_t person = 1; person <= roster->person_count; person++)
        if ((roster->people[person - 1].roles & ROLE_CUSTODIAN) &&
            !check_is_member(world, circle, person))
            world_fail(world, "member", "custodian %u is not in circle %u", person, circle);
    circle_owed(state, roster, world->now_ms / 1000, &owed);
    if (owed.member_count + owed.device_count > 0)
        world_fail(world, "owed", "circle %u still owes %u people and %u devices", circle,
                   owed.member_count, owed.device_count);
    for (uint32_t device = 1; device <= roster->device_count; device++)
        if (roster->devices[device - 1].state == DEVICE_ENDED &&
            access_is_recipient(access_newest(world, circle), device))
            world_fail(world, "owed", "circle %u owes a rotation for device %u", circle, device);
}

static const struct sim_device *find_device(const struct world *world, uint32_t number)
{
    for (uint32_t i = 0; i < world->device_count; i++)
        if (world->devices[i].number == number)
            return &world->devices[i];
    return NULL;
}

/* What one device wrote is at the hub, counted through its cut and held beyond. What counts. */
static uint32_t check_hub_chain(struct world *world, struct store_txn *txn, uint32_t number,
                                uint32_t circle, uint32_t device)
{
    const struct access_view *view = access_newest(world, circle);
    const struct sim_device *author = find_device(world, device);
    uint32_t saved = world->model.saved[circle].n[device];
    uint32_t head = (uint32_t)hub_chain_head(txn, number, device).n;
    uint32_t tail = (uint32_t)hub_tail(txn, number, device).n;
    bool is_late = view->cuts[device].leaving == LEAVING_TRANSFERRED;
    uint32_t least = is_late && tail > view->cuts[device].n ? view->cuts[device].n : tail;

    if (tail > saved || (author && !author->is_lost && tail != saved))
        world_fail(world, "hub", "it has %u of %u changes of device %u in circle %u", tail, saved,
                   device, circle);
    if (is_late ? head < least || head > tail : head != access_counted(view, device, tail))
        world_fail(world, "counted", "%u of %u changes of device %u count in circle %u", head, tail,
                   device, circle);
    return head;
}

/* Counts the log's items of one circle that were held, once each. */
static uint64_t check_hub_circle(struct world *world, struct store_txn *txn, uint32_t circle)
{
    uint32_t number = hub_circle_number(txn, world->circles[circle].id);
    uint64_t held = 0;
    struct hub_item item;
    struct circle state;

    hub_circle_get(txn, number, &state);
    check_members(world, circle, &state);
    circle_clear(&state);
    for (uint32_t device = 1; device < SIM_NUMBERS_MAX; device++)
        world->counted[circle].n[device] = check_hub_chain(world, txn, number, circle, device);
    for (uint64_t at = hub_circle_after(txn, number, 0); world->habits.has_leaving && at != 0;
         at = hub_circle_after(txn, number, at))
        held += hub_item_get(txn, at, &item) && item.kind == HUB_ITEM_HELD;
    return held;
}

/* A circle that only a lost device knows is not at the hub. */
static bool is_at_hub(struct world *world, uint32_t circle)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    uint32_t number = hub_circle_number(&txn, world->circles[circle].id);

    world_expect(world, store_commit(&txn), "reading the ledger");
    return number != 0;
}

static void check_hub(struct world *world)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    struct ledger_stats stats;
    uint64_t held = 0;
    uint32_t counted = 0;
    uint32_t circles = 0;

    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        if (hub_circle_number(&txn, world->circles[circle].id) == 0)
            continue;
        circles++;
        held += check_hub_circle(world, &txn, circle);
        for (uint32_t device = 1; device < SIM_NUMBERS_MAX; device++)
            counted += world->counted[circle].n[device];
    }
    uint64_t items = store_count(&txn, TABLE_HUB_LOG);
    uint64_t entries = store_count(&txn, TABLE_HUB_ENTRY);
    if (items != store_count(&txn, TABLE_HUB_CHAIN_LOG) + entries + held ||
        items != store_count(&txn, TABLE_HUB_CIRCLE_LOG))
        world_fail(world, "twice", "the hub's log has %llu items", (unsigned long long)items);
    world_expect(world, store_commit(&txn), "reading the ledger");
    world_expect(world, ledger_stats(world->ledger, &stats), "the ledger's figures");
    if (stats.changes != counted || stats.circles != circles)
        world_fail(world, "hub", "it counts %llu changes of %u", (unsigned long long)stats.changes,
                   counted);
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

/* Nothing was refused but what is held, and entries of who may not write them any more. */
static void check_refusals(struct world *world, const struct sim_device *device)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct store_walk walk = device_refusals(&txn, 0);
    struct refused_row row;

    while (device_refused_next(&walk, &row)) {
        bool is_held = row.kind == ACK_CHAIN && row.reason == KITH_HELD;
        bool is_late = row.kind == ACK_CIRCLE &&
                       (row.reason == KITH_NOT_ALLOWED || row.reason == KITH_NOT_MEMBER);
        if (!world->habits.has_leaving || !(is_held || is_late))
            world_fail(world, "left", "device %u was refused %u in its circle %u: %s",
                       device->number, row.kind, row.circle, error_name(row.reason));
    }
    store_walk_end(&walk);
    world_expect(world, store_commit(&txn), "reading what was refused");
}

static void check_counts(struct world *world, const struct sim_device *device)
{
    struct replica_counts counts;
    uint32_t expected = 0;

    world_expect(world, replica_counts(device->replica, &counts), "the counts");
    for (uint32_t circle = 0; circle < world->circle_count; circle++)
        expected += is_at_hub(world, circle) &&
                    access_is_recipient(access_newest(world, circle), device->number);
    if (counts.unsent || counts.waiting || counts.owed)
        world_fail(world, "left", "device %u: %llu unsent, %llu waiting, %llu owed", device->number,
                   (unsigned long long)counts.unsent, (unsigned long long)counts.waiting,
                   (unsigned long long)counts.owed);
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

    bool is_in = check_is_member(world, circle, device->person);

    if (is_in && !number)
        world_fail(world, "access", "device %u has not circle %u", device->number, circle);
    for (uint32_t epoch = 1; is_in && epoch <= access_newest(world, circle)->epoch; epoch++)
        if (!device_key_get(&txn, number, epoch, key))
            world_fail(world, "access", "device %u has not key %u of circle %u", device->number,
                       epoch, circle);
    store_abort(&txn);
    if (check_merged(world, device, circle) != is_in)
        world_fail(world, "access", "device %u shows circle %u", device->number, circle);
    if (!is_in)
        return;
    if (memcmp(&device->merged[circle], &world->counted[circle], sizeof(struct past)) != 0)
        world_fail(world, "complete", "device %u lacks changes of circle %u", device->number,
                   circle);
}

/* What is the same for all devices. */
struct healed {
    uint64_t hashes[SIM_CIRCLES_MAX];
    bool has_hash[SIM_CIRCLES_MAX];
};

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
        bool is_told = change->circle == told->circle &&
                       past_has(&world->counted[told->circle], change->device, change->n);
        for (uint32_t device = 1; is_told && device < SIM_NUMBERS_MAX; device++) {
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
        if (change->circle == circle &&
            past_has(&world->counted[circle], change->device, change->n) &&
            told.ops[i] != (1u << change->op_count) - 1)
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

/* Sealed under an epoch that its author was a recipient of, and under none from before what the
 * author had heard of. Who has left gets no newer key. */
static void check_epoch(struct world *world, uint32_t circle, const struct hub_item *item)
{
    const struct access_view *view = access_newest(world, circle);
    const struct roster_device *author = roster_device(&world->ledger->roster, item->device);
    const struct model_change *change = model_find(&world->model, circle, item->device, item->n);
    bool has_left = author->state == DEVICE_ENDED || view->removals[author->person] > 0;

    if (!change)
        world_fail(world, "hub", "it has change %llu of device %u that nobody saved",
                   (unsigned long long)item->n, item->device);
    if (item->change.epoch > view->allowed[item->device] ||
        (!has_left && item->change.epoch < change->epoch_floor))
        world_fail(world, "epoch", "change %u of device %u is under key %u, not %u", change->n,
                   change->device, item->change.epoch, change->epoch_floor);
}

/* Somebody who decides has it, and can read it. */
static void check_held(struct world *world, uint32_t circle, const struct hub_item *item)
{
    const struct access_view *view = access_newest(world, circle);
    bool is_readable = false;

    for (uint32_t i = 0; i < world->device_count && !is_readable; i++) {
        struct sim_device *device = &world->devices[i];
        if (device->is_lost || device->is_gone || !access_is_recipient(view, device->number))
            continue;
        struct held_change held = {.device = item->device, .n = item->n};
        struct buffer text;
        memcpy(held.circle, world->circles[circle].id, ID_BYTES);
        buffer_init(&text, CHANGE_TEXT_MAX);
        is_readable = !replica_held_text(device->replica, &held, &text);
        buffer_clear(&text);
    }
    if (!is_readable)
        world_fail(world, "held", "nobody can read change %llu of device %u in circle %u",
                   (unsigned long long)item->n, item->device, circle);
}

static void check_items(struct world *world, uint32_t circle)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    uint32_t number = hub_circle_number(&txn, world->circles[circle].id);
    struct held_row row;
    struct hub_item item;

    for (uint64_t at = number ? hub_circle_after(&txn, number, 0) : 0; at != 0;
         at = hub_circle_after(&txn, number, at)) {
        if (!hub_item_get(&txn, at, &item) || item.kind == HUB_ITEM_ENTRY)
            continue;
        check_epoch(world, circle, &item);
        if (item.kind == HUB_ITEM_HELD && hub_held_get(&txn, number, item.device, item.n, &row))
            check_held(world, circle, &item);
    }
    world_expect(world, store_commit(&txn), "reading the ledger");
}

/* A device that stays: equal to all others, byte for byte, in what its person is let into. */
static void check_member_device(struct world *world, struct sim_device *device, bool is_historian,
                                struct healed *healed)
{
    check_counts(world, device);
    check_refusals(world, device);
    check_receipts(world, device);
    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        if (!is_at_hub(world, circle))
            continue;
        check_access(world, device, circle);
        if (!check_is_member(world, circle, device->person))
            continue;
        uint64_t hash = check_records(world, device, circle);
        hash = mix(hash, check_notes(world, device, circle));
        if (healed->has_hash[circle] && hash != healed->hashes[circle])
            world_fail(world, "converge", "device %u has another state of circle %u",
                       device->number, circle);
        healed->has_hash[circle] = true;
        healed->hashes[circle] = hash;
        world_trace(world, hash);
        if (is_historian)
            check_history(world, device, circle);
    }
    check_idle(world, device);
}

/* What a restored hub lacked was given back. */
static void check_given_back(struct world *world, struct sim_device *device)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t roster_at_hub;

    if (give_back_is_on(&txn, &roster_at_hub))
        world_fail(world, "give back", "device %u has not come to its end", device->number);
    store_abort(&txn);
}

void check_healed(struct world *world)
{
    struct healed healed = {0};
    uint32_t historian = stream_below(&world->workload, world->device_count);

    for (uint32_t circle = 0; world->habits.has_restores && circle < world->circle_count;
         circle++) {
        world->circles[circle].entry_count = 0; /* read anew, from the hub */
        (void)access_newest(world, circle);
    }
    check_hub(world);
    check_canary(world);
    check_wishes(world);
    for (uint32_t circle = 0; world->habits.has_leaving && circle < world->circle_count; circle++)
        check_items(world, circle);
    for (uint32_t i = 0; i < world->device_count; i++) {
        struct sim_device *device = &world->devices[i];
        bool has_left = replica_leaving(device->replica) != LEAVING_NOT;
        check_alarms(world, device);
        check_given_back(world, device);
        if (world->habits.has_leaving)
            secrets_try(world, device);
        if (has_left && !device->is_gone && !device->is_lost)
            world_fail(world, "purge", "device %u was ended and keeps what it has", device->number);
        if (!has_left && !device->is_lost)
            check_member_device(world, device, i == historian, &healed);
    }
}
