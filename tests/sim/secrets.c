/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/secrets.h"

#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "tests/sim/access.h"

static void note_key(struct world *world, struct sim_device *device, uint32_t circle,
                     uint32_t epoch, const uint8_t *key)
{
    if (epoch >= SIM_EPOCHS_MAX)
        world_fail(world, "limits", "too many epochs for the model");
    memcpy(device->loot.keys[circle][epoch], key, KEY_BYTES);
    device->loot.has[circle] |= (uint64_t)1 << epoch;
}

void secrets_check(struct world *world, struct sim_device *device)
{
    /* Where the hub was restored an access chain may have two histories; nobody leaves there. */
    for (uint32_t circle = 0; !world->habits.has_restores && circle < world->circle_count;
         circle++) {
        const struct access_view *view = access_newest(world, circle);
        struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
        uint32_t number = device_circle_number(&txn, world->circles[circle].id);
        uint32_t allowed = view->allowed[device->number];
        uint8_t key[KEY_BYTES];
        if (number && allowed == 0)
            world_fail(world, "access", "device %u has circle %u", device->number, circle);
        for (uint32_t epoch = 1; number && epoch <= view->epoch + 1; epoch++) {
            if (!device_key_get(&txn, number, epoch, key))
                continue;
            if (epoch > allowed)
                world_fail(world, "secret", "device %u has key %u of circle %u, let in until %u",
                           device->number, epoch, circle, allowed);
            note_key(world, device, circle, epoch, key);
        }
        world_expect(world, store_commit(&txn), "reading keys");
    }
}

/* One who tries, and the hub's store. */
struct thief {
    struct world *world;
    struct sim_device *device;
    struct store_txn txn;
    uint32_t circle;
    uint32_t number; /* of it, at the hub */
    const struct access_view *view;
    uint32_t allowed; /* the newest epoch that was sealed to the device */
};

static void caught(const struct thief *thief, const char *what, uint32_t epoch)
{
    world_fail(thief->world, "secret",
               "device %u opens %s of epoch %u in circle %u, let in until %u",
               thief->device->number, what, epoch, thief->circle, thief->allowed);
}

/* Calls for every key that the device ever had, until one fits. */
typedef bool try_key(const struct thief *thief, const uint8_t *key, const void *what);

static bool try_keys(const struct thief *thief, try_key *fits, const void *what)
{
    const struct sim_loot *loot = &thief->device->loot;

    for (uint32_t circle = 0; circle < SIM_CIRCLES_MAX; circle++)
        for (uint32_t epoch = 1; loot->has[circle] >> epoch && epoch < SIM_EPOCHS_MAX; epoch++)
            if ((loot->has[circle] >> epoch & 1) && fits(thief, loot->keys[circle][epoch], what))
                return true;
    return false;
}

struct sealed_change {
    struct change_header header;
    struct bytes sealed;
};

static bool opens_change(const struct thief *thief, const uint8_t *key, const void *what)
{
    const struct sealed_change *change = what;
    struct buffer text;

    (void)thief;
    buffer_init(&text, CHANGE_TEXT_MAX);
    bool is_open = !change_open(&change->header, change->sealed, key, &text);
    buffer_clear(&text);
    return is_open;
}

static void try_change(struct thief *thief, const struct hub_item *item)
{
    uint32_t epoch = item->change.epoch;
    struct sealed_change change = {.header = {.class = item->change.class,
                                              .epoch = epoch,
                                              .device = item->device,
                                              .n = item->n},
                                   .sealed = item->change.sealed};

    memcpy(change.header.agency, thief->world->ledger->roster.agency, ID_BYTES);
    memcpy(change.header.circle, thief->world->circles[thief->circle].id, ID_BYTES);
    if (item->n > 1)
        (void)hub_known_id(&thief->txn, thief->number, item->device, item->n - 1,
                           change.header.prev);
    bool is_open = try_keys(thief, opens_change, &change);
    if (is_open && epoch > thief->allowed)
        caught(thief, "a change", epoch);
    bool has_key = thief->device->loot.has[thief->circle] >> epoch & 1;
    if (!is_open && has_key)
        world_fail(thief->world, "secret", "device %u cannot open change %llu of device %u",
                   thief->device->number, (unsigned long long)item->n, item->device);
}

struct sealed_key {
    struct epoch_place place;
    const uint8_t *wrap;
};

static bool opens_wrap(const struct thief *thief, const uint8_t *key, const void *what)
{
    const struct sealed_key *sealed = what;
    uint8_t found[KEY_BYTES];

    (void)thief;
    return !epoch_unwrap(&sealed->place, key, sealed->wrap, found);
}

static bool opens_reason(const struct thief *thief, const uint8_t *key, const void *what)
{
    const struct bytes circle = bytes_of(thief->world->circles[thief->circle].id, ID_BYTES);
    const struct bytes *sealed = what;
    uint8_t reason_key[KEY_BYTES];
    struct buffer text;

    seal_derive(SEAL_REASON_KEY, key, circle, reason_key);
    buffer_init(&text, CIRCLE_REASON_MAX);
    bool is_open = !seal_decrypt(reason_key, circle, *sealed, &text);
    buffer_clear(&text);
    return is_open;
}

/* What an entry seals: older keys under that of the epoch it begins, the reason of a rejection. */
static void try_entry(struct thief *thief, const struct hub_item *item)
{
    uint32_t epoch = access_after(thief->world, thief->circle, (uint32_t)item->n)->epoch;
    struct circle_entry entry;
    struct bytes bytes;

    if (epoch <= thief->allowed ||
        !hub_entry_get(&thief->txn, thief->number, (uint32_t)item->n, &bytes))
        return;
    world_expect(thief->world, circle_entry_read(&entry, bytes, &thief->txn.arena), "an entry");
    for (uint32_t i = 0; i < entry.wrap_count; i++) {
        struct sealed_key sealed = {.place = {.epoch = entry.wraps[i].epoch},
                                    .wrap = entry.wraps[i].wrap};
        memcpy(sealed.place.circle, thief->world->circles[thief->circle].id, ID_BYTES);
        if (try_keys(thief, opens_wrap, &sealed))
            caught(thief, "a key", epoch);
    }
    if (entry.type == CIRCLE_REJECT && try_keys(thief, opens_reason, &entry.reason))
        caught(thief, "a reason", epoch);
}

/* The boxes that the hub keeps, whomever they are for. */
static void try_boxes(struct thief *thief)
{
    for (uint32_t epoch = thief->allowed + 1; epoch <= thief->view->epoch; epoch++)
        for (uint32_t device = 1; device < SIM_NUMBERS_MAX; device++) {
            struct epoch_place place = {.epoch = epoch, .device = device};
            struct bytes box;
            uint8_t key[KEY_BYTES];
            if (!hub_box_get(&thief->txn, thief->number, epoch, device, &box))
                continue;
            memcpy(place.circle, thief->world->circles[thief->circle].id, ID_BYTES);
            for (uint32_t i = 0; i < 2; i++)
                if (!box_open(&place, thief->device->loot.box_secrets[i], box.ptr, key))
                    caught(thief, "a box", epoch);
        }
}

static void try_circle(struct thief *thief)
{
    struct world *world = thief->world;
    uint64_t at = 0;
    struct hub_item item;

    thief->number = hub_circle_number(&thief->txn, world->circles[thief->circle].id);
    if (thief->number)
        try_boxes(thief);
    while (thief->number && (at = hub_circle_after(&thief->txn, thief->number, at)) != 0) {
        if (!hub_item_get(&thief->txn, at, &item))
            world_fail(world, "hub", "item %llu is not there", (unsigned long long)at);
        if (item.kind == HUB_ITEM_ENTRY)
            try_entry(thief, &item);
        else
            try_change(thief, &item);
        store_forget(&thief->txn);
    }
}

void secrets_try(struct world *world, struct sim_device *device)
{
    struct thief thief = {.world = world, .device = device};

    for (thief.circle = 0; thief.circle < world->circle_count; thief.circle++) {
        thief.view = access_newest(world, thief.circle);
        thief.allowed = thief.view->allowed[device->number];
        if (access_is_recipient(thief.view, device->number))
            continue;
        thief.txn = store_begin(world->ledger->store, STORE_READ);
        try_circle(&thief);
        world_expect(world, store_commit(&thief.txn), "reading the ledger");
    }
}

void secrets_check_purged(struct world *world, struct sim_device *device, uint32_t circle)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, world->circles[circle].id);
    struct chain_row own = device_chain_own(&txn, number);
    struct record_place place;
    struct log_row row;
    uint8_t key[KEY_BYTES];

    for (uint32_t epoch = 1; epoch < SIM_EPOCHS_MAX; epoch++)
        if (device_key_get(&txn, number, epoch, key))
            world_fail(world, "purge", "device %u keeps key %u of circle %u", device->number, epoch,
                       circle);
    for (uint64_t n = 1; n <= own.received; n++)
        if (!device_log_get(&txn, number, CHAIN_OWN, n, &row) || row.change.epoch == 0)
            world_fail(world, "purge", "device %u keeps a change unsealed", device->number);
    struct store_walk walk = device_records(&txn, number, 0);
    if (device_record_next(&walk, &place))
        world_fail(world, "purge", "device %u keeps a record of circle %u", device->number, circle);
    store_walk_end(&walk);
    world_expect(world, store_commit(&txn), "reading what was purged");
}
