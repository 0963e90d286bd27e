/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/wishes.h"

#include <stdlib.h>
#include <string.h>

#include "store/ledger_internal.h"
#include "tests/sim/access.h"
#include "tests/sim/check.h"
#include "tests/sim/disk.h"

/* Runs out before the wish is stored, now and then. */
static void begin(struct world *world, bool is_killed)
{
    if (is_killed)
        disk_stop(stream_below(&world->faults, DISK_WRITES_MAX));
}

/* Notes a wish that was taken, and fails if it was not judged as it should have been. */
static void end(struct world *world, struct sim_device *device, const struct sim_wish *wish,
                enum kith_err err, enum kith_err expected, bool is_killed)
{
    static const char *const kinds[] = {"", "let in", "take out", "admit", "reject"};
    bool is_lost = disk_repair() && err != KITH_OK;

    if (is_killed)
        world_crash_device(world, device);
    world_say(world, "device %u wants to %s in circle %u (person %u, device %u, change %u): %s",
              device->number, kinds[wish->kind], wish->circle, wish->person, wish->device, wish->n,
              error_name(err));
    world_trace(world, (uint64_t)err);
    if (is_lost)
        return;
    if (err != expected)
        world_fail(world, "wish", "device %u is told %s, not %s", device->number, error_name(err),
                   error_name(expected));
    if (!err)
        world->wishes[world->wish_count++] = *wish;
}

static struct sim_wish wish_of(const struct world *world, const struct sim_device *device,
                               const struct access_view *view, uint32_t circle)
{
    return (struct sim_wish){.circle = circle,
                             .author = device->number,
                             .seen = (uint32_t)(view - world->circles[circle].views) + 1};
}

/* Somebody new, mostly. */
static uint32_t draw_stranger(struct world *world, const struct roster *roster,
                              const struct access_view *view)
{
    uint32_t person = 1 + stream_below(&world->workload, roster->person_count);

    for (int i = 0; i < 3 && access_right(view, person) != 0; i++)
        person = 1 + stream_below(&world->workload, roster->person_count);
    return person;
}

void wish_grant(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed)
{
    const struct roster *roster = replica_roster(device->replica);
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);
    unsigned roles = roster_device_roles(roster, device->number);

    if (!view || check_may_write(world, device, circle) || !role_may(roles, MAY_GRANT) ||
        world->wish_count == SIM_WISHES_MAX)
        return;
    struct sim_wish wish = wish_of(world, device, view, circle);
    wish.kind = INTENT_GRANT;
    wish.person = draw_stranger(world, roster, view);
    bool is_custodian = roster_person(roster, wish.person)->roles & ROLE_CUSTODIAN;
    bool is_reader = !is_custodian && stream_chance(&world->workload, 25);
    wish.right = is_reader ? CIRCLE_READ : CIRCLE_WRITE;
    const struct circle_member member = {wish.person, wish.right};
    bool is_there = access_right(view, wish.person) >= wish.right;
    begin(world, is_killed);
    enum kith_err err = replica_grant(device->replica, world->circles[circle].id, &member);
    end(world, device, &wish, err, is_there ? KITH_EXISTS : KITH_OK, is_killed);
}

/* As docs/protocol.md, 7.1, has it. */
static enum kith_err may_withdraw(const struct roster *roster, const struct access_view *view,
                                  const struct sim_device *device, uint32_t person)
{
    unsigned own = roster_person(roster, device->person)->roles;
    unsigned theirs = roster_person(roster, person)->roles;
    const unsigned anybody = ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN;

    if (access_right(view, device->person) == 0)
        return KITH_NOT_MEMBER;
    if (access_right(view, person) == 0)
        return KITH_NOT_FOUND;
    bool may = (own & anybody) || person == device->person ||
               ((own & ROLE_SPECIALIST) && !(theirs & anybody));
    if (access_right(view, device->person) != CIRCLE_WRITE || (theirs & ROLE_CUSTODIAN))
        may = false;
    return may ? KITH_OK : KITH_NOT_ALLOWED;
}

void wish_withdraw(struct world *world, struct sim_device *device, uint32_t circle, bool is_killed)
{
    const struct roster *roster = replica_roster(device->replica);
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);
    enum leaving leaving = (enum leaving)(1 + stream_below(&world->people, 3));

    if (!view || circle == 0 || world->wish_count == SIM_WISHES_MAX)
        return;
    struct sim_wish wish = wish_of(world, device, view, circle);
    wish.kind = INTENT_WITHDRAW;
    for (int i = 0; i < 6 && (i == 0 || may_withdraw(roster, view, device, wish.person)); i++)
        wish.person = 1 + stream_below(&world->people, roster->person_count);
    begin(world, is_killed);
    enum kith_err err =
        replica_withdraw(device->replica, world->circles[circle].id, wish.person, leaving);
    end(world, device, &wish, err, may_withdraw(roster, view, device, wish.person), is_killed);
}

static uint32_t circle_named(const struct world *world, const uint8_t id[static ID_BYTES])
{
    for (uint32_t i = 0; i < world->circle_count; i++)
        if (memcmp(world->circles[i].id, id, ID_BYTES) == 0)
            return i;
    world_fail(world, "held", "a circle that nobody made");
}

static enum kith_err may_decide(const struct roster *roster, const struct access_view *view,
                                const struct sim_device *device, const struct held_change *held)
{
    const struct access_cut *cut = &view->cuts[held->device];
    unsigned own = roster_person(roster, device->person)->roles;
    const unsigned anybody = ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN;

    if (cut->leaving && held->n <= cut->n)
        return KITH_EXISTS;
    if (access_right(view, device->person) == 0)
        return KITH_NOT_MEMBER;
    bool may = access_right(view, device->person) == CIRCLE_WRITE && (own & anybody);
    return may ? KITH_OK : KITH_NOT_ALLOWED;
}

static void decide(struct world *world, struct sim_device *device, const struct held_change *held,
                   bool is_killed)
{
    uint32_t circle = circle_named(world, held->circle);
    enum circle_part part;
    const struct access_view *view = access_of_device(world, device, circle, &part);
    bool is_admitted = stream_chance(&world->people, 60);
    struct sim_wish wish = wish_of(world, device, view, circle);

    wish.kind = is_admitted ? INTENT_ADMIT : INTENT_REJECT;
    wish.device = held->device;
    wish.n = (uint32_t)held->n;
    enum kith_err expected = may_decide(replica_roster(device->replica), view, device, held);
    begin(world, is_killed);
    enum kith_err err = is_admitted
                            ? replica_admit(device->replica, held)
                            : replica_reject(device->replica, held, bytes_text(SIM_CANARY "why"));
    end(world, device, &wish, err, expected, is_killed);
}

void wish_decide(struct world *world, struct sim_device *device, bool is_killed)
{
    struct held_change *held;
    size_t count;

    world_expect(world, replica_held(device->replica, &held, &count), "what is held");
    if (count > 0 && world->wish_count < SIM_WISHES_MAX)
        decide(world, device, &held[stream_below(&world->people, (uint32_t)count)], is_killed);
    free(held);
}

/* Whether it stands in the chain after this entry, whoever wrote it. */
static bool is_true(const struct sim_wish *wish, const struct access_view *view)
{
    const struct access_cut *cut = &view->cuts[wish->device];

    switch (wish->kind) {
    case INTENT_GRANT:
        return access_right(view, wish->person) >= wish->right;
    case INTENT_WITHDRAW:
        return access_right(view, wish->person) == 0;
    case INTENT_REJECT:
        if (view->type == CIRCLE_REJECT && view->named_device == wish->device &&
            view->named_n <= wish->n)
            return true;
        return !cut->leaving || cut->n >= wish->n;
    case INTENT_ADMIT:
        return !cut->leaving || cut->n >= wish->n;
    }
    return false;
}

/* Who was ended or taken out, or has another role, wants nothing any more. */
static bool is_excused(struct world *world, const struct sim_wish *wish)
{
    const struct roster *roster = &world->ledger->roster;
    const struct roster_device *author = roster_device(roster, wish->author);

    for (uint32_t i = 0; i < roster->change_count; i++) {
        const struct roster_role_change *change = &roster->changes[i];
        bool is_about = change->person == author->person || change->person == wish->person;
        if (is_about && change->seq > author->since)
            return true;
    }
    for (uint32_t seen = wish->seen; seen <= world->circles[wish->circle].entry_count; seen++) {
        const struct access_view *view = access_after(world, wish->circle, seen);
        if (access_right(view, author->person) != CIRCLE_WRITE ||
            !access_is_recipient(view, wish->author))
            return true;
    }
    return author->state == DEVICE_ENDED;
}

void check_wishes(struct world *world)
{
    for (uint32_t i = 0; i < world->wish_count; i++) {
        const struct sim_wish *wish = &world->wishes[i];
        const uint32_t count = world->circles[wish->circle].entry_count;
        bool is_done = false;
        for (uint32_t seen = wish->seen; seen <= count && !is_done; seen++)
            is_done = is_true(wish, access_after(world, wish->circle, seen));
        if (!is_done && !is_excused(world, wish))
            world_fail(world, "wish", "what device %u wanted in circle %u (%u) was not done",
                       wish->author, wish->circle, wish->kind);
    }
}
