/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/access.h"

#include <string.h>

#include "store/ledger_internal.h"

static uint32_t bit(uint32_t device)
{
    return 1u << device;
}

static void check_numbers(const struct world *world, const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->member_count; i++)
        if (entry->members[i].person >= SIM_NUMBERS_MAX)
            world_fail(world, "limits", "too many people for the model");
    for (uint32_t i = 0; i < entry->device_count; i++)
        if (entry->devices[i] >= SIM_NUMBERS_MAX)
            world_fail(world, "limits", "too many devices for the model");
}

/* Who is let in again to write was never out, but for devices that have been ended. */
static void lift(const struct world *world, struct access_view *view, uint32_t person,
                 uint32_t roster_seq)
{
    const struct roster *roster = &world->ledger->roster;

    for (uint32_t i = 0; i < roster->device_count && i + 1 < SIM_NUMBERS_MAX; i++) {
        const struct roster_device *device = &roster->devices[i];
        bool is_ended = device->ended != 0 && device->ended <= roster_seq;
        if (device->person == person && !is_ended)
            view->cuts[device->number].leaving = 0;
    }
}

static void let_in(const struct world *world, struct access_view *view,
                   const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->member_count; i++) {
        const struct circle_member *member = &entry->members[i];
        view->rights[member->person] = (uint8_t)member->right;
        if (member->right == CIRCLE_WRITE)
            lift(world, view, member->person, entry->roster_seq);
    }
    for (uint32_t i = 0; i < entry->device_count; i++) {
        view->recipients |= bit(entry->devices[i]);
        view->allowed[entry->devices[i]] = view->epoch;
    }
}

static void take_out(struct access_view *view, const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->cut_count; i++) {
        const struct circle_cut *cut = &entry->cuts[i];
        view->recipients &= ~bit(cut->device);
        view->cuts[cut->device % SIM_NUMBERS_MAX] =
            (struct access_cut){(uint8_t)cut->leaving, (uint32_t)cut->n};
    }
    for (uint32_t i = 0; i < entry->leaver_count; i++) {
        uint32_t person = entry->leavers[i].person % SIM_NUMBERS_MAX;
        view->rights[person] = 0;
        view->removals[person]++;
    }
    view->epoch++;
    for (uint32_t device = 1; device < SIM_NUMBERS_MAX; device++)
        if (view->recipients & bit(device))
            view->allowed[device] = view->epoch;
}

static void add_entry(struct world *world, uint32_t circle, struct bytes bytes)
{
    static const char *const types[] = {"",      "genesis", "grant", "rotate",
                                        "admit", "reject",  "lack"};
    struct sim_circle *known = &world->circles[circle];
    struct access_view *view = &known->views[known->entry_count];
    struct circle_entry entry;
    struct arena arena;

    if (known->entry_count == SIM_ENTRIES_MAX)
        world_fail(world, "limits", "too many entries for the model");
    if (known->entry_count > 0)
        *view = view[-1];
    arena_init(&arena, 1u << 20);
    world_expect(world, circle_entry_read(&entry, bytes, &arena), "an entry of a circle");
    check_numbers(world, &entry);
    view->type = entry.type;
    view->named_device = entry.device;
    view->named_n = (uint32_t)entry.n;
    if (entry.type == CIRCLE_GENESIS)
        view->epoch = 1;
    if (entry.type == CIRCLE_GENESIS || entry.type == CIRCLE_GRANT)
        let_in(world, view, &entry);
    else if (entry.type == CIRCLE_ROTATE)
        take_out(view, &entry);
    else if (entry.type == CIRCLE_ADMIT)
        view->cuts[entry.device % SIM_NUMBERS_MAX].n = (uint32_t)entry.n;
    view->is_everybody = circle == 0;
    memcpy(view->head, entry.link.hash, HASH_BYTES);
    known->entry_count++;
    world_say(world, "circle %u, entry %u: %s by device %u, %u members, %u leavers, %u cuts",
              circle, known->entry_count, types[entry.type], entry.author, entry.member_count,
              entry.leaver_count, entry.cut_count);
    arena_clear(&arena);
}

const struct access_view *access_of_device(struct world *world, struct sim_device *device,
                                           uint32_t circle, enum circle_part *part)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    const struct access_view *view = NULL;
    struct circle_row row;
    struct bytes bytes;

    if (number) {
        device_circle_get(&txn, number, &row);
        /* A restored hub may have gone on with other entries than another device has. */
        if (world->habits.has_restores)
            world->circles[circle].entry_count = 0;
        while (world->circles[circle].entry_count < row.circle.count &&
               device_entry_get(&txn, number, world->circles[circle].entry_count + 1, &bytes))
            add_entry(world, circle, bytes);
        view = access_after(world, circle, row.circle.count);
        if (memcmp(view->head, row.circle.head, HASH_BYTES) != 0)
            world_fail(world, "entries", "device %u has other entries of circle %u", device->number,
                       circle);
        *part = row.part;
        circle_clear(&row.circle);
    }
    world_expect(world, store_commit(&txn), "reading a circle");
    return view;
}

const struct access_view *access_newest(struct world *world, uint32_t circle)
{
    struct store_txn txn = store_begin(world->ledger->store, STORE_READ);
    uint32_t number = hub_circle_number(&txn, world->circles[circle].id);
    struct bytes bytes;

    while (number && hub_entry_get(&txn, number, world->circles[circle].entry_count + 1, &bytes))
        add_entry(world, circle, bytes);
    world_expect(world, store_commit(&txn), "reading a circle");
    return access_after(world, circle, world->circles[circle].entry_count);
}

const struct access_view *access_after(const struct world *world, uint32_t circle, uint32_t count)
{
    if (count == 0 || count > world->circles[circle].entry_count)
        world_fail(world, "entries", "circle %u has no entry %u", circle, count);
    return &world->circles[circle].views[count - 1];
}

enum circle_right access_right(const struct access_view *view, uint32_t person)
{
    if (view->is_everybody)
        return CIRCLE_WRITE;
    return (enum circle_right)view->rights[person];
}

bool access_is_recipient(const struct access_view *view, uint32_t device)
{
    return view->recipients & bit(device);
}

uint32_t access_counted(const struct access_view *view, uint32_t device, uint32_t n)
{
    const struct access_cut *cut = &view->cuts[device];
    bool is_cut = cut->leaving != 0 && cut->leaving != LEAVING_TRANSFERRED;

    return is_cut && n > cut->n ? cut->n : n;
}

void access_compare(struct world *world, uint32_t circle, const struct circle *state)
{
    const struct access_view *view = access_after(world, circle, state->count);

    if (state->epoch != view->epoch)
        world_fail(world, "view", "circle %u is in epoch %u, not %u", circle, state->epoch,
                   view->epoch);
    for (uint32_t number = 1; number < SIM_NUMBERS_MAX; number++) {
        const struct circle_member *member = circle_member(state, number);
        const struct circle_cut *cut = circle_cut(state, number);
        if ((member ? member->right : 0) != access_right(view, number))
            world_fail(world, "view", "person %u has another right in circle %u", number, circle);
        if (circle_has_device(state, number) != access_is_recipient(view, number))
            world_fail(world, "view", "device %u is%s a recipient in circle %u", number,
                       access_is_recipient(view, number) ? " not" : "", circle);
        if ((cut ? cut->leaving : 0) != view->cuts[number].leaving ||
            (cut && cut->n != view->cuts[number].n))
            world_fail(world, "view", "device %u has another cut in circle %u", number, circle);
    }
}
