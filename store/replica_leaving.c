/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving and coming back, on a device: what an access chain's entry means for what is here, and
 * the removal of what can be read.
 *
 * 1. What lies beyond a cut stays in the log and counts for nothing; when the cut moves, records
 * are merged anew.
 * 2. A circle that this device's person was taken out of is as readable as before until the hub has
 * all that was written here. Then keys and records go; the own log stays, sealed under keys that
 * are gone.
 * 3. Let in again, the device gets everything of others anew: what it had been sent is forgotten,
 * and no longer in the digest, here as at the hub.
 */
#include <stdlib.h>
#include <string.h>

#include "store/device_held_rows.h"
#include "store/replica_internal.h"

/* What the hub has taken of the own chain counts, whatever was beyond its cut when it came. What
 * was merged before there was a cut is shown until it is merged anew: when this device is let in
 * again.
 */
static bool is_taken(struct store_txn *txn, const struct circle_work *work, uint64_t n)
{
    struct receipt_row receipt = {0};

    (void)device_receipt_get(txn, work->row.number, &receipt);
    return n <= receipt.n;
}

bool circle_work_is_beyond(struct store_txn *txn, const struct circle_work *work,
                           const struct chain_row *chain, uint64_t n)
{
    const struct circle_cut *cut = circle_cut(&work->row.circle, chain->device);

    if (!cut || n <= cut->n)
        return false;
    if (chain->number != CHAIN_OWN)
        return cut->leaving != LEAVING_TRANSFERRED;
    /* Who has left still reads all that they wrote. */
    return work->row.part == PART_MEMBER && !is_taken(txn, work, n);
}

/* Whether this device is served the circle. Of what came before it was, it hears too: that its
 * person had been out for a while is no reason to leave. */
static bool is_served(const struct replica *replica, const struct circle *circle)
{
    return circle_has_device(circle, replica->identity.device);
}

static uint64_t counted_changes(struct store_txn *txn, const struct circle_work *work)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < work->chain_count; i++) {
        const struct chain_row *chain = &work->chains[i];
        bool is_cut = circle_work_is_beyond(txn, work, chain, chain->received);
        count += is_cut ? circle_cut(&work->row.circle, chain->device)->n : chain->received;
    }
    return count;
}

struct before_entry before_entry(const struct replica *replica, struct store_txn *txn,
                                 const struct circle_work *work)
{
    return (struct before_entry){.is_served = is_served(replica, &work->row.circle),
                                 .counted = counted_changes(txn, work),
                                 .cuts = work->row.circle.cut_count};
}

static void record_delete(struct store_txn *txn, const struct record_place *place)
{
    struct store_walk walk = device_touches(txn, place->number);
    struct touch {
        uint32_t chain;
        uint64_t n;
    } *touches = NULL;
    size_t count = 0;
    struct touch touch;

    while (device_touch_next(&walk, &touch.chain, &touch.n)) {
        if ((count & (count - 1)) == 0) {
            struct touch *larger = arena_take(&txn->arena, (count * 2 + 1) * sizeof *larger);
            if (!larger) {
                store_fail(txn, KITH_MEMORY);
                break;
            }
            if (count)
                memcpy(larger, touches, count * sizeof *larger);
            touches = larger;
        }
        touches[count++] = touch;
    }
    store_walk_end(&walk);
    for (size_t i = 0; i < count && !txn->err; i++)
        device_touch_delete(txn, place->number, touches[i].chain, touches[i].n);
    device_record_delete(txn, place);
}

/* One after another, each found anew: a table is not written while it is walked. */
static void records_delete(struct store_txn *txn, uint32_t circle)
{
    struct record_place place;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_records(txn, circle, 0);
        is_found = device_record_next(&walk, &place);
        store_walk_end(&walk);
        if (is_found)
            record_delete(txn, &place);
    }
}

void circle_work_recount(struct store_txn *txn, struct circle_work *work)
{
    records_delete(txn, work->row.number);
    for (uint32_t i = 0; i < work->chain_count; i++) {
        work->chains[i].applied = 0;
        device_chain_put(txn, work->row.number, &work->chains[i]);
    }
}

void circle_work_history(struct store_txn *txn, struct circle_work *work)
{
    struct circle *circle = &work->row.circle;
    struct circle_entry entry;
    struct bytes bytes;
    uint8_t key[KEY_BYTES];
    uint8_t older[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];

    for (uint32_t epoch = circle->epoch; epoch > 1 && !txn->err; epoch--) {
        if (!device_key_get(txn, work->row.number, epoch, key) ||
            !device_entry_get(txn, work->row.number, circle->epochs[epoch - 1].seq, &bytes) ||
            circle_entry_read(&entry, bytes, &txn->arena))
            continue;
        for (uint32_t i = 0; i < entry.wrap_count; i++) {
            struct epoch_place place = {.epoch = entry.wraps[i].epoch};
            memcpy(place.circle, circle->id, ID_BYTES);
            if (device_key_get(txn, work->row.number, place.epoch, older) ||
                epoch_unwrap(&place, key, entry.wraps[i].wrap, older))
                continue;
            epoch_commit(older, place.epoch, commitment);
            if (seal_equal(commitment, circle_commitment(circle, place.epoch), HASH_BYTES))
                device_key_put(txn, work->row.number, place.epoch, older);
        }
    }
    seal_wipe(key, sizeof key);
    seal_wipe(older, sizeof older);
}

/* The log of others, and that there ever was one. */
static void forget_others(struct store_txn *txn, struct circle_work *work)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < work->chain_count; i++) {
        struct chain_row chain = work->chains[i];
        if (chain.number == CHAIN_OWN) {
            work->chains[kept++] = chain;
            continue;
        }
        for (uint64_t n = 1; n <= chain.received; n++)
            device_log_delete(txn, work->row.number, chain.number, n);
        device_chain_delete(txn, work->row.number, chain.number);
    }
    work->chain_count = kept;
}

static void waitings_delete(struct store_txn *txn, uint32_t circle)
{
    struct waiting_row row;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_waitings(txn, circle);
        is_found = device_waiting_next(&walk, &row);
        store_walk_end(&walk);
        if (is_found)
            device_waiting_delete(txn, &row);
    }
}

void waitings_settle(struct store_txn *txn, const struct circle_work *work,
                     const struct chain_row *chain)
{
    struct waiting_row row;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_waitings(txn, work->row.number);
        do
            is_found = device_waiting_next(&walk, &row);
        while (is_found && (row.device != chain->device || row.n > chain->received));
        store_walk_end(&walk);
        if (is_found)
            device_waiting_delete(txn, &row);
    }
}

/* What somebody here wanted written into its access chain, and why. */
static void intents_delete(struct store_txn *txn, uint32_t circle)
{
    struct intent_row intent;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_intents(txn);
        do
            is_found = device_intent_next(&walk, &intent);
        while (is_found && intent.circle != circle);
        store_walk_end(&walk);
        if (is_found)
            device_intent_delete(txn, intent.number);
    }
}

/* What was received of others no longer counts as sent by the hub. What somebody here wanted of the
 * circle is not for them to want any more. */
static void leave(struct store_txn *txn, struct circle_work *work, struct hub_state *hub)
{
    struct log_row row;

    work->row.part = PART_LEFT;
    for (uint32_t i = 0; i < work->chain_count; i++)
        for (uint64_t n = 1; work->chains[i].number != CHAIN_OWN && n <= work->chains[i].served;
             n++)
            if (device_log_get(txn, work->row.number, work->chains[i].number, n, &row))
                digest_remove(hub->digest, row.id);
    waitings_delete(txn, work->row.number);
    intents_delete(txn, work->row.number);
}

void refusals_forget(struct store_txn *txn, uint32_t circle, enum kith_err reason, uint64_t n)
{
    struct refused_row row;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_refusals(txn, circle);
        do
            is_found = device_refused_next(&walk, &row);
        while (is_found &&
               (row.kind != ACK_CHAIN || (reason && row.reason != reason) || row.n > n));
        store_walk_end(&walk);
        if (is_found)
            device_refused_delete(txn, circle, row.kind, row.n);
    }
}

void circle_work_welcome(struct store_txn *txn, struct circle_work *work)
{
    if (work->row.part == PART_MEMBER || work->row.part == PART_COMING)
        return;
    if (work->row.part == PART_LEFT)
        forget_others(txn, work);
    work->row.part = PART_COMING;
    work->is_row_changed = true;
}

static void come_back(struct store_txn *txn, struct circle_work *work)
{
    circle_work_welcome(txn, work);
    work->row.part = PART_MEMBER;
    device_kept_delete(txn, work->row.number);
    refusals_forget(txn, work->row.number, KITH_NOT_MEMBER, UINT64_MAX);
    refusals_forget(txn, work->row.number, KITH_HELD, UINT64_MAX);
    refusals_forget(txn, work->row.number, KITH_HELD_FULL, UINT64_MAX);
    circle_work_recount(txn, work);
}

/* What waits for a decision, after one: what counts now waits no longer; what is rejected is kept,
 * marked. */
static void settle_waiting(const struct replica *replica, struct store_txn *txn,
                           const struct circle_work *work, const struct circle_entry *entry)
{
    struct waiting_row row;
    uint32_t device = 0;
    uint64_t n = 0;
    bool is_found = true;

    while (is_found && !txn->err) {
        struct store_walk walk = device_waitings(txn, work->row.number);
        do
            is_found = device_waiting_next(&walk, &row);
        while (is_found && (row.device < device || (row.device == device && row.n <= n)));
        store_walk_end(&walk);
        if (!is_found)
            return;
        device = row.device;
        n = row.n;
        const struct circle_cut *cut = circle_cut(&work->row.circle, row.device);
        const struct roster_device *author = roster_device(&replica->roster, row.device);
        /* One that is ended will be cut. */
        bool is_over = cut ? row.n <= cut->n : author && author->state != DEVICE_ENDED;
        if (is_over) {
            device_waiting_delete(txn, &row);
        } else if (entry->type == CIRCLE_REJECT && entry->device == row.device &&
                   entry->n <= row.n) {
            row.is_rejected = true;
            device_waiting_put(txn, &row);
        }
    }
}

/* A cut names what the hub told its author. If that is not what it told us, it told two stories. */
static enum kith_err check_cuts(struct store_txn *txn, const struct circle_work *work,
                                const struct circle_entry *entry)
{
    struct log_row row;

    for (uint32_t i = 0; i < entry->cut_count; i++)
        for (uint32_t k = 0; k < work->chain_count; k++) {
            const struct circle_cut *cut = &entry->cuts[i];
            const struct chain_row *chain = &work->chains[k];
            bool is_here = chain->device == cut->device && cut->n > 0 && chain->received >= cut->n;
            if (is_here && (!device_log_get(txn, work->row.number, chain->number, cut->n, &row) ||
                            !seal_equal(row.id, cut->id, HASH_BYTES)))
                return KITH_FORKED;
        }
    return KITH_OK;
}

enum kith_err after_entry(const struct replica *replica, struct store_txn *txn,
                          struct circle_work *work, const struct before_entry *before,
                          struct bytes bytes, struct hub_state *hub)
{
    struct circle_entry entry;
    bool is_in = is_served(replica, &work->row.circle);
    enum kith_err err = circle_entry_read(&entry, bytes, &txn->arena);

    if (!err)
        err = check_cuts(txn, work, &entry);
    if (err)
        return err;
    if (before->is_served && !is_in)
        leave(txn, work, hub);
    else if (is_in && work->row.part != PART_MEMBER)
        come_back(txn, work);
    else if (counted_changes(txn, work) != before->counted ||
             work->row.circle.cut_count < before->cuts || entry.type == CIRCLE_ADMIT)
        circle_work_recount(txn, work);
    settle_waiting(replica, txn, work, &entry);
    return txn->err;
}

enum leaving replica_leaving(const struct replica *replica)
{
    const struct roster_device *device = roster_device(&replica->roster, replica->identity.device);

    return device ? device->leaving : LEAVING_NOT;
}

/* Whether the hub has everything written here, counted or held, and the circle itself. */
static bool is_delivered(struct store_txn *txn, const struct circle_row *row)
{
    struct receipt_row receipt = {0};
    struct kept_row kept = device_kept_get(txn, row->number);
    struct chain_row own = device_chain_own(txn, row->number);

    (void)device_receipt_get(txn, row->number, &receipt);
    return row->acked_entries > 0 && (own.received <= receipt.n || own.received <= kept.n);
}

static void purge_circle(struct store_txn *txn, struct circle_work *work)
{
    forget_others(txn, work);
    circle_work_recount(txn, work);
    waitings_delete(txn, work->row.number);
    intents_delete(txn, work->row.number);
    for (uint32_t epoch = 1; epoch <= work->row.circle.epoch; epoch++)
        device_key_delete(txn, work->row.number, epoch);
    work->row.part = PART_PURGED;
    work->is_row_changed = true;
}

/* The circles whose content goes, or that wait for it; all of them if the device was ended. */
static void purge_circles(struct store_txn *txn, bool is_ended, bool is_dry, struct purged *purged)
{
    uint32_t count = device_circle_count(txn);

    for (uint32_t number = 1; number <= count && !txn->err; number++) {
        struct circle_work work;
        uint8_t id[ID_BYTES];
        device_circle_get(txn, number, &work.row);
        memcpy(id, work.row.circle.id, ID_BYTES);
        bool is_leaving = is_ended ? work.row.part != PART_PURGED : work.row.part == PART_LEFT;
        bool is_ready = is_leaving && is_delivered(txn, &work.row);
        circle_clear(&work.row.circle);
        purged->pending += is_leaving && !is_ready;
        purged->circles += is_ready;
        if (is_ready && !is_dry && !circle_work_begin(txn, id, &work)) {
            purge_circle(txn, &work);
            circle_work_end(txn, &work);
        }
        store_forget(txn);
    }
}

/* The secrets of a device that is no more; who it was stays. */
static enum kith_err forget_secrets(struct replica *replica)
{
    struct identity identity = {.device = replica->identity.device};

    memcpy(identity.agency, replica->identity.agency, ID_BYTES);
    memcpy(identity.hub_key, replica->identity.hub_key, KEY_BYTES);
    memcpy(identity.address, replica->identity.address, ADDRESS_MAX);
    return replica_set_identity(replica, &identity);
}

static enum kith_err purge_once(struct replica *replica, struct purged *purged)
{
    bool is_ended = replica_leaving(replica) != LEAVING_NOT;
    struct store_txn txn = store_begin(replica->store, STORE_READ);

    memset(purged, 0, sizeof *purged);
    purge_circles(&txn, is_ended, true, purged);
    enum kith_err err = store_commit(&txn);
    bool is_complete = is_ended && purged->pending == 0;
    if (err || (purged->circles == 0 && !is_complete))
        return err;
    if (is_ended && !is_complete) {
        purged->circles = 0; /* all at once, when the last has been delivered */
        return KITH_OK;
    }
    struct purged done = {0};
    txn = store_begin(replica->store, STORE_WRITE);
    purge_circles(&txn, is_ended, false, &done);
    purged->is_device = is_complete;
    return store_commit(&txn);
}

enum kith_err replica_purge(struct replica *replica, struct purged *purged)
{
    enum kith_err err;

    do {
        err = purge_once(replica, purged);
    } while (err == KITH_RETRY);
    return !err && purged->is_device ? forget_secrets(replica) : err;
}
