/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/leave.h"

#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "tests/sim/access.h"
#include "tests/sim/check.h"
#include "tests/sim/connection.h"
#include "tests/sim/secrets.h"

#define DEVICES_KEPT 3 /* so many stay, so that there is somebody to look */

static uint32_t count_active(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->device_count; i++) {
        const struct roster_device *known =
            roster_device(&world->ledger->roster, world->devices[i].number);
        count += known && known->state == DEVICE_ACTIVE;
    }
    return count;
}

/* Whether `by` may end it, as far as it has heard: who manages the roster, the supervisor, the
 * person. */
static bool may_end(const struct sim_device *by, const struct roster_device *device)
{
    const struct roster *roster = replica_roster(by->replica);
    uint32_t supervisor = roster_person(roster, device->person)->supervisor;

    return (roster_person(roster, by->person)->roles & ROLE_ADMIN) ||
           device->person == by->person || supervisor == by->person;
}

static void lose(struct world *world, uint32_t number)
{
    for (uint32_t i = 0; i < world->device_count; i++)
        if (world->devices[i].number == number && stream_chance(&world->people, 30))
            world->devices[i].is_lost = true;
}

void leave_end(struct world *world, struct sim_device *by)
{
    const struct roster *roster = replica_roster(by->replica);
    uint32_t number = 2 + stream_below(&world->people, roster->device_count);
    const struct roster_device *device = roster_device(roster, number);
    enum leaving leaving = (enum leaving)(1 + stream_below(&world->people, 3));
    struct roster_request request = {
        .entry = {.type = ROSTER_END, .device = number, .leaving = leaving}};
    const struct mishaps mishaps = mishaps_draw(world);

    if (!device || leaving <= device->leaving || !may_end(by, device) ||
        (device->state == DEVICE_ACTIVE && count_active(world) <= DEVICES_KEPT))
        return;
    if (leaving == LEAVING_TRANSFERRED)
        request.entry.until_s = world->now_ms / 1000 + 1 + stream_below(&world->people, HANDOVER_S);
    bool is_done = world_ask(world, by, &request, &mishaps);
    world_say(world, "device %u ends device %u, %s%s", by->number, number, leaving_word(leaving),
              is_done ? "" : ": no answer");
    if (is_done && leaving == LEAVING_REVOKED)
        lose(world, number);
}

void leave_role(struct world *world, struct sim_device *by)
{
    static const unsigned roles[] = {ROLE_SPECIALIST, ROLE_VOLUNTEER, ROLE_SUPERVISOR,
                                     ROLE_CUSTODIAN, ROLE_SPECIALIST | ROLE_CUSTODIAN};
    const struct roster *roster = replica_roster(by->replica);
    uint32_t person = 2 + stream_below(&world->people, roster->person_count);
    const struct roster_person *known = roster_person(roster, person);
    struct roster_request request = {.entry = {.type = ROSTER_ROLE,
                                               .person = person,
                                               .roles = roles[stream_below(&world->people, 5)]}};
    const struct mishaps mishaps = mishaps_draw(world);

    if (!known || !role_may(roster_person(roster, by->person)->roles, MAY_INVITE))
        return;
    const struct roster_person *leader = roster_person(roster, known->supervisor);
    if (leader && role_may(leader->roles, MAY_LEAD))
        request.entry.supervisor = known->supervisor;
    bool is_done = world_ask(world, by, &request, &mishaps);
    world_say(world, "device %u makes person %u %u%s", by->number, person, request.entry.roles,
              is_done ? "" : ": no answer");
}

struct sim_device *leave_enrol(struct world *world, bool is_faulty)
{
    uint32_t first = stream_below(&world->people, SIM_INVITES_MAX);

    for (uint32_t i = 0; i < SIM_INVITES_MAX && world->device_count < SIM_DEVICES_MAX; i++) {
        struct sim_invite *invite = &world->invites[(first + i) % SIM_INVITES_MAX];
        struct sim_invite used = *invite;
        if (used.device == 0)
            continue;
        invite->device = 0;
        return world_enrol(world, &used, is_faulty);
    }
    return NULL;
}

/* Whether the hub has all that this device has written in a circle, counted or held. */
static bool is_delivered(struct world *world, const struct sim_device *device, uint32_t circle)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    uint32_t number = hub_circle_number(&txn, world->circles[circle].id);
    struct chain_head tail = hub_tail(&txn, number, device->number);

    world_expect(world, store_commit(&txn), "reading the ledger");
    return number && tail.n == world->model.saved[circle].n[device->number];
}

static void check_purged(struct world *world, struct sim_device *device,
                         const struct purged *purged)
{
    static const uint8_t nothing[SIGN_KEY_BYTES];
    const struct identity *identity = replica_identity(device->replica);
    uint32_t count = 0;

    for (uint32_t circle = 0; circle < world->circle_count; circle++) {
        enum circle_part part;
        if (!access_of_device(world, device, circle, &part) || part != PART_PURGED)
            continue;
        count += device->parts[circle] != PART_PURGED;
        device->parts[circle] = part;
        if (!is_delivered(world, device, circle))
            world_fail(world, "purge", "device %u removes circle %u before the hub has all of it",
                       device->number, circle);
        secrets_check_purged(world, device, circle);
    }
    if (count != purged->circles)
        world_fail(world, "purge", "device %u has removed %u circles, says %u", device->number,
                   count, purged->circles);
    bool has_secrets = memcmp(identity->sign_secret, nothing, SIGN_KEY_BYTES) != 0 ||
                       memcmp(identity->box_secret, nothing, KEY_BYTES) != 0 ||
                       memcmp(identity->invite_box_secret, nothing, KEY_BYTES) != 0;
    if (has_secrets == purged->is_device)
        world_fail(world, "purge", "device %u has%s its secrets", device->number,
                   has_secrets ? "" : " lost");
}

bool leave_purge(struct world *world, struct sim_device *device)
{
    struct purged purged;

    secrets_check(world, device);
    for (uint32_t circle = 0; circle < world->circle_count; circle++)
        (void)check_merged(world, device, circle);
    world_expect(world, replica_purge(device->replica, &purged), "removing what is left");
    if (purged.circles || purged.is_device || purged.pending)
        world_say(world, "device %u removes %u circles%s, %u wait", device->number, purged.circles,
                  purged.is_device ? " and its keys" : "", purged.pending);
    check_purged(world, device, &purged);
    device->is_gone = purged.is_device;
    return purged.circles > 0 || purged.is_device;
}
