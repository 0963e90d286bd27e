/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device has not seen yet, in batches: the roster, then what it was taken out of, then what
 * is urgent, then circle by circle (position.h).
 *
 * A device that was let into a circle receives all that is older of it as well. A device that was
 * taken out of a circle is told so before anything else: the entries of its access chain up to that
 * one, and nothing more. What was delivered of the circle leaves the digest on both sides: let in
 * again, the device is sent it anew. A device that is ended is sent the roster up to its end.
 */
#include <stdlib.h>
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "store/position.h"

#define FRAMES_MAX (BATCH_MAX - CURSOR_MAX - 8)

/* A circle with something to deliver. */
struct source {
    uint32_t circle;
    uint64_t turn;
    uint64_t through; /* what was delivered of it */
};

struct loader {
    struct store_txn txn;
    uint32_t device;
    uint32_t person;
    unsigned roles;
    uint32_t roster_max; /* entries of the roster that it may know */
    bool is_ended;
    bool has_own_news; /* the hub has more of the device itself than it knows of */
    struct position position;
    struct source *sources; /* of the round, the next one first */
    uint32_t count;
    uint32_t room;
    struct run_writer run;
    size_t room_bytes; /* of the batch; its first item may be larger */
    struct backlog *backlog;
    struct handed *handed; /* what of each circle is in this batch */
    uint32_t handed_count;
    uint32_t handed_room;
    bool is_full;
};

/* For the audit log. */
struct handed {
    uint32_t circle;
    uint8_t id[ID_BYTES];
    uint32_t changes;
    uint32_t entries;
};

void backlog_init(struct backlog *backlog)
{
    memset(backlog, 0, sizeof *backlog);
    buffer_init(&backlog->frames, BATCH_MAX);
}

void backlog_clear(struct backlog *backlog)
{
    buffer_clear(&backlog->frames);
}

/* A cursor of another incarnation, of another form, or one that does not agree with what the device
 * holds, is worth nothing: everything is sent again, and what is there already is skipped by the
 * device. What is urgent is so for who was here before. */
static bool position_of(const struct ledger *ledger, const struct pull *pull, uint64_t newest,
                        struct position *position)
{
    if (position_decode(position, pull->cursor) &&
        seal_equal(pull->incarnation, ledger->incarnation, INCARNATION_BYTES) &&
        (pull->is_continued || seal_equal(position->digest, pull->digest, DIGEST_BYTES)))
        return true;
    *position = (struct position){.urgent = newest};
    return false;
}

static void add_source(struct loader *loader, const struct source *source)
{
    if (loader->count == loader->room) {
        uint32_t room = loader->room ? loader->room * 2 : 16;
        struct source *larger = realloc(loader->sources, room * sizeof *larger);
        if (!larger) {
            store_fail(&loader->txn, KITH_MEMORY);
            return;
        }
        loader->sources = larger;
        loader->room = room;
    }
    loader->sources[loader->count++] = *source;
}

static int by_turn(const void *a, const void *b)
{
    uint64_t left = ((const struct source *)a)->turn;
    uint64_t right = ((const struct source *)b)->turn;

    return left < right ? 1 : -(left > right);
}

/* What the round still has to deliver. */
static void find_sources(struct loader *loader)
{
    const struct position *position = &loader->position;
    struct store_walk walk = hub_grants(&loader->txn, loader->device);
    struct source source;
    uint64_t granted;

    loader->count = 0;
    while (hub_grant_next(&walk, &source.circle, &granted)) {
        if (granted > position->horizon)
            continue;
        source.through = position_through(position, &loader->txn, source.circle, granted);
        if (hub_circle_last(&loader->txn, source.circle) <= source.through ||
            hub_circle_last_through(&loader->txn, source.circle, position->horizon) <=
                source.through)
            continue;
        source.turn = position_turn(position, &loader->txn, source.circle);
        add_source(loader, &source);
    }
    store_walk_end(&walk);
    if (loader->count > 1)
        qsort(loader->sources, loader->count, sizeof *loader->sources, by_turn);
}

static bool has_room(struct loader *loader, size_t bytes)
{
    size_t held = loader->backlog->frames.len + run_bytes(&loader->run);

    loader->is_full = held + bytes > (held > 0 ? loader->room_bytes : FRAMES_MAX);
    return !loader->is_full;
}

/* Counted in the order of circles found; a batch has few. */
static void note_handed(struct loader *loader, const struct circle *circle, uint32_t number,
                        bool is_entry)
{
    uint32_t i = loader->handed_count;

    while (i > 0 && loader->handed[i - 1].circle != number)
        i--;
    if (i == 0 && loader->handed_count == loader->handed_room) {
        uint32_t room = loader->handed_room ? loader->handed_room * 2 : 16;
        struct handed *larger = realloc(loader->handed, room * sizeof *larger);
        if (!larger) {
            store_fail(&loader->txn, KITH_MEMORY);
            return;
        }
        loader->handed = larger;
        loader->handed_room = room;
    }
    if (i == 0) {
        i = ++loader->handed_count;
        loader->handed[i - 1] = (struct handed){.circle = number};
        memcpy(loader->handed[i - 1].id, circle->id, ID_BYTES);
    }
    loader->handed[i - 1].changes += !is_entry;
    loader->handed[i - 1].entries += is_entry;
}

static void load_roster(struct loader *loader)
{
    struct bytes entry;

    while (!loader->is_full && loader->position.roster < loader->roster_max &&
           hub_roster_get(&loader->txn, loader->position.roster + 1, &entry)) {
        if (!has_room(loader, entry.len + 16))
            return;
        roster_frame_write(&loader->backlog->frames, loader->position.roster + 1, &entry, 1);
        loader->position.roster++;
    }
}

/* A genesis is not sent back to its author, who has it. A grant is: it joins its author's own chain
 * only when an answer arrives, and the ACK may have been lost.
 * An entry of an access chain travels with the one box that is for this device, if there is one. */
static bool load_entry(struct loader *loader, const struct circle *circle,
                       const struct hub_item *item)
{
    uint8_t row[BOX_ROW_BYTES];
    struct bytes entry;
    struct bytes box;
    struct bytes boxes = bytes_of(NULL, 0);

    if (item->device == loader->device && item->n == 1)
        return true;
    if (!hub_entry_get(&loader->txn, item->circle, (uint32_t)item->n, &entry)) {
        store_fail(&loader->txn, KITH_DAMAGED);
        return false;
    }
    if (!has_room(loader, entry.len + BOX_ROW_BYTES + 64))
        return false;
    if (item->n == circle->count &&
        hub_box_get(&loader->txn, item->circle, circle->epoch, loader->device, &box) &&
        box.len == BOX_BYTES) {
        put_u32(row, loader->device);
        memcpy(row + 4, box.ptr, BOX_BYTES);
        boxes = bytes_of(row, sizeof row);
    }
    run_flush(&loader->run, FRAME_CHANGES, &loader->backlog->frames);
    circle_frame_write(&loader->backlog->frames, circle->id, (uint32_t)item->n, entry, boxes);
    note_handed(loader, circle, item->circle, true);
    return true;
}

/* What the device wrote itself is not sent back, unless the hub has more of it than was
 * acknowledged to it: a copy of the device wrote that, or the device before it was set back, or an
 * answer was lost. */
static bool is_not_sent_back(const struct loader *loader, uint32_t author)
{
    return author == loader->device && !loader->has_own_news;
}

static bool load_change(struct loader *loader, const struct circle *circle,
                        const struct hub_item *item)
{
    bool is_own = item->device == loader->device;

    if (is_not_sent_back(loader, item->device))
        return true;
    if (!has_room(loader, item->change.sealed.len + RUN_CHANGE_OVERHEAD + RUN_HEAD_MAX))
        return false;
    if (!run_continues(&loader->run, circle->id, item->device, item->n))
        run_flush(&loader->run, FRAME_CHANGES, &loader->backlog->frames);
    run_add(&loader->run, circle->id, item->device, item->n, &item->change);
    if (!is_own)
        digest_add(loader->position.digest, item->id);
    loader->backlog->change_count++;
    note_handed(loader, circle, item->circle, false);
    return true;
}

/* Whether the device's person decides about what is held here. */
static bool may_decide(const struct loader *loader, const struct circle *circle)
{
    const struct circle_member *member = circle_member(circle, loader->person);
    bool may = role_may(loader->roles, MAY_WITHDRAW) || circle->kind == CIRCLE_PERSON;

    return may && member && member->right == CIRCLE_WRITE && !circle_cut(circle, loader->device);
}

/* What is held goes to who may decide about it. Admitted, it comes later as a change like any
 * other; rejected, it goes before the entry that says so. */
static bool load_held(struct loader *loader, const struct circle *circle,
                      const struct hub_item *item)
{
    struct held held = {.device = item->device, .n = item->n, .change = item->change};
    struct held_row row;

    if (!may_decide(loader, circle) ||
        !hub_held_get(&loader->txn, item->circle, item->device, item->n, &row))
        return true;
    if (!has_room(loader, item->change.sealed.len + HELD_OVERHEAD))
        return false;
    memcpy(held.circle, circle->id, ID_BYTES);
    held.leaving = row.leaving;
    held.time_s = row.time_s;
    if (item->n > 1 &&
        !hub_known_id(&loader->txn, item->circle, item->device, item->n - 1, held.prev))
        store_fail(&loader->txn, KITH_DAMAGED);
    run_flush(&loader->run, FRAME_CHANGES, &loader->backlog->frames);
    held_write(&loader->backlog->frames, &held);
    note_handed(loader, circle, item->circle, false);
    return true;
}

static bool load_item(struct loader *loader, const struct circle *circle,
                      const struct hub_item *item)
{
    switch (item->kind) {
    case HUB_ITEM_CHANGE:
        return load_change(loader, circle, item);
    case HUB_ITEM_ENTRY:
        return load_entry(loader, circle, item);
    case HUB_ITEM_HELD:
        return load_held(loader, circle, item);
    }
    return true;
}

/* Delivers a circle's items after `through` up to `last`. Says how far it came: short of `last`
 * only if the batch is full. */
static uint64_t load_circle(struct loader *loader, uint32_t number, uint64_t through, uint64_t last)
{
    struct circle circle;
    struct hub_item item;

    hub_circle_get(&loader->txn, number, &circle);
    while (!loader->txn.err) {
        uint32_t author;
        uint64_t next = hub_circle_next(&loader->txn, number, through, &author);
        if (next == 0 || next > last) {
            through = last;
            break;
        }
        if (is_not_sent_back(loader, author)) {
            through = next;
            continue;
        }
        if (!hub_item_get(&loader->txn, next, &item))
            store_fail(&loader->txn, KITH_DAMAGED);
        else if (!load_item(loader, &circle, &item))
            break;
        through = next;
    }
    run_flush(&loader->run, FRAME_CHANGES, &loader->backlog->frames);
    circle_clear(&circle);
    store_forget(&loader->txn);
    return through;
}

static void load_round(struct loader *loader)
{
    struct position *position = &loader->position;

    find_sources(loader);
    for (uint32_t i = 0; i < loader->count && !loader->is_full && !loader->txn.err; i++) {
        const struct source *source = &loader->sources[i];
        position->turn = source->turn;
        position->within = load_circle(loader, source->circle, source->through, position->horizon);
    }
    if (!loader->is_full && !loader->txn.err)
        position_end_round(position, &loader->txn, loader->device);
}

/* A round that was begun before is ended first; one more takes in what came since. */
static void load_rounds(struct loader *loader, uint64_t newest)
{
    struct position *position = &loader->position;

    if (position->horizon)
        load_round(loader);
    if (position->horizon || loader->txn.err || position->base >= newest)
        return;
    position->horizon = newest;
    position->turn = TURN_PENDING;
    position->within = 0;
    load_round(loader);
}

/* Through an urgent change, with all of its circle that comes before it. False if it has to wait.
 */
static bool load_urgent_change(struct loader *loader, uint32_t circle, uint64_t sequence)
{
    struct position *position = &loader->position;
    uint64_t granted = hub_granted(&loader->txn, loader->device, circle);

    if (granted == 0)
        return true;
    uint64_t through = position_through(position, &loader->txn, circle, granted);
    if (through >= sequence)
        return true;
    if (!position_may_be_ahead(position, circle))
        return false;
    uint64_t reached = load_circle(loader, circle, through, sequence);
    if (reached > through)
        position_put_ahead(position, circle, reached);
    return reached == sequence;
}

static void load_urgent(struct loader *loader, uint64_t newest)
{
    struct store_walk walk = hub_urgent(&loader->txn, loader->position.urgent);
    uint64_t sequence;
    uint32_t circle;
    bool is_all = true;

    while (is_all && !loader->txn.err && hub_urgent_next(&walk, &sequence, &circle)) {
        is_all = load_urgent_change(loader, circle, sequence);
        if (is_all)
            loader->position.urgent = sequence;
    }
    store_walk_end(&walk);
    if (is_all && !loader->txn.err)
        loader->position.urgent = newest;
}

/* What the device was sent of a circle no longer counts as delivered. */
static void forget_delivered(struct loader *loader, uint32_t circle, uint64_t through)
{
    struct hub_item item;

    for (uint64_t at = hub_circle_after(&loader->txn, circle, 0); at != 0 && at <= through;
         at = hub_circle_after(&loader->txn, circle, at)) {
        if (!hub_item_get(&loader->txn, at, &item)) {
            store_fail(&loader->txn, KITH_DAMAGED);
            return;
        }
        if (item.kind == HUB_ITEM_CHANGE && item.device != loader->device)
            digest_remove(loader->position.digest, item.id);
        store_forget(&loader->txn);
    }
}

/* The entries that the device has not seen, through the one that takes it out. False if there was
 * no room for all. */
static bool load_removal(struct loader *loader, const struct removal_row *removal)
{
    struct position *position = &loader->position;
    uint64_t through = position_through(position, &loader->txn, removal->circle, removal->granted);
    struct circle circle;
    struct hub_item item;

    hub_circle_get(&loader->txn, removal->circle, &circle);
    if (position->removal < through)
        position->removal = through;
    while (!loader->txn.err && position->removal < removal->sequence) {
        uint64_t next = hub_circle_after(&loader->txn, removal->circle, position->removal);
        if (next == 0 || !hub_item_get(&loader->txn, next, &item)) {
            store_fail(&loader->txn, KITH_DAMAGED);
            break;
        }
        if (item.kind == HUB_ITEM_ENTRY && !load_entry(loader, &circle, &item))
            break;
        position->removal = next;
        store_forget(&loader->txn);
    }
    circle_clear(&circle);
    if (loader->is_full || loader->txn.err)
        return false;
    forget_delivered(loader, removal->circle, through);
    position_forget(position, removal->circle);
    position->removals++;
    position->removal = 0;
    return true;
}

/* Before anything else: as long as one is not told, the cursor stands where it stood when the
 * device was taken out, and says exactly what it was sent of the circle. */
static void load_removals(struct loader *loader)
{
    struct removal_row removal;

    while (!loader->is_full && !loader->txn.err &&
           hub_removal_get(&loader->txn, loader->device, loader->position.removals + 1, &removal))
        if (!load_removal(loader, &removal))
            return;
}

static void know_device(struct loader *loader, struct ledger *ledger)
{
    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    const struct roster_device *device = roster_device(&ledger->roster, loader->device);
    loader->roster_max = UINT32_MAX;
    if (device) {
        loader->person = device->person;
        loader->roles = roster_device_roles(&ledger->roster, loader->device);
        loader->is_ended = device->state == DEVICE_ENDED;
        if (loader->is_ended)
            loader->roster_max = device->ended;
    }
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
}

/* Nothing is handed out that is not on its way into the audit log. */
static enum kith_err audit_handed(struct ledger *ledger, const struct loader *loader)
{
    enum kith_err err = KITH_OK;

    for (uint32_t i = 0; i < loader->handed_count && !err; i++) {
        const struct handed *handed = &loader->handed[i];
        struct audit_entry entry = {.kind = AUDIT_DELIVERED,
                                    .device = loader->device,
                                    .has_subject = true,
                                    .first = handed->changes,
                                    .second = handed->entries};
        memcpy(entry.subject, handed->id, ID_BYTES);
        err = ledger_note(ledger, &entry);
    }
    return err;
}

enum kith_err ledger_load(struct ledger *ledger, uint32_t device, const struct pull *pull,
                          bool roster_only, struct backlog *backlog)
{
    struct loader loader = {.txn = store_begin(ledger->store, STORE_READ),
                            .device = device,
                            .has_own_news = pull->written > pull->own,
                            .room_bytes =
                                pull->room && pull->room < FRAMES_MAX ? pull->room : FRAMES_MAX,
                            .backlog = backlog};
    uint64_t newest = hub_sequence(&loader.txn);

    buffer_reset(&backlog->frames);
    backlog->change_count = 0;
    struct position before;
    bool is_known = position_of(ledger, pull, newest, &before);
    loader.position = before;
    run_begin(&loader.run);
    know_device(&loader, ledger);
    load_roster(&loader);
    bool is_served = !roster_only && !loader.is_ended;
    if (is_served)
        load_removals(&loader);
    if (is_served && !loader.is_full)
        load_urgent(&loader, newest);
    if (is_served && !loader.is_full)
        load_rounds(&loader, newest);
    run_flush(&loader.run, FRAME_CHANGES, &backlog->frames);
    run_end(&loader.run);
    free(loader.sources);
    if (is_known && backlog->frames.len == 0 && position_is_near(&before, newest))
        loader.position = before;
    backlog->cursor_len = position_encode(&loader.position, backlog->cursor);
    backlog->is_up_to_date = !loader.is_full;
    enum kith_err err = store_commit(&loader.txn);
    if (!err)
        err = backlog->frames.err;
    if (!err)
        err = audit_handed(ledger, &loader);
    free(loader.handed);
    return err;
}
