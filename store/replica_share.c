/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device hands to a colleague's devices: of each circle that both are in the first and the
 * newest entry of its access chain, with keys for those that may have them, and every change.
 *
 * All of it, since what the other has is not known: a change that is there already costs its reader
 * a look. What is not sealed yet waits for its key here as it does for the hub.
 */
#include <string.h>

#include "store/fill_internal.h"

/* Recipients among the person's devices, at most so many for one entry. */
#define SHARED_DEVICES_MAX 64

struct sharer {
    struct filler filler;
    struct sharing *sharing;
    struct circle_row row; /* the circle in hand */
};

static bool is_shared(const struct sharer *sharer)
{
    const struct circle *circle = &sharer->row.circle;
    const struct replica *replica = sharer->filler.replica;

    return sharer->row.part == PART_MEMBER && circle->count > 0 &&
           circle_member(circle, sharer->sharing->person) &&
           circle_member(circle, replica_person(replica));
}

/* Whether something urgent is in the circle that the hub may not have. */
static bool has_urgent(struct sharer *sharer)
{
    struct store_txn *txn = sharer->filler.txn;
    uint32_t number = sharer->row.number;
    uint32_t count;
    const struct chain_row *chains = device_chains(txn, number, &count);
    struct receipt_row receipt = {0};
    struct log_row row;

    (void)device_receipt_get(txn, number, &receipt);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t known = chains[i].number == CHAIN_OWN ? receipt.n : chains[i].served;
        for (uint64_t n = known + 1; n <= chains[i].received; n++)
            if (device_log_get(txn, number, chains[i].number, n, &row) &&
                row.change.class == CHANGE_URGENT)
                return true;
    }
    return false;
}

/* One entry with the keys of its epoch, for those of the person's devices that are recipients. */
static enum kith_err share_entry(struct sharer *sharer, uint32_t seq)
{
    struct filler *filler = &sharer->filler;
    const struct roster *roster = &filler->replica->roster;
    const struct circle *circle = &sharer->row.circle;
    uint32_t devices[SHARED_DEVICES_MAX];
    struct sending_entry entry = {.seq = seq, .devices = devices};
    uint8_t key[KEY_BYTES] = {0};
    enum kith_err err = KITH_OK;

    if (!device_entry_get(filler->txn, sharer->row.number, seq, &entry.bytes))
        return KITH_DAMAGED;
    bool has_key =
        seq == circle->count && device_key_get(filler->txn, sharer->row.number, circle->epoch, key);
    for (uint32_t i = 0; has_key && i < roster->device_count; i++) {
        const struct roster_device *device = &roster->devices[i];
        if (device->person == sharer->sharing->person && device->state != DEVICE_ENDED &&
            circle_has_device(circle, device->number) && entry.device_count < SHARED_DEVICES_MAX)
            devices[entry.device_count++] = device->number;
    }
    if (filler_has_room(filler, entry.bytes.len + 64 + entry.device_count * (BOX_ROW_BYTES + 8)))
        err = write_circle_entry(filler, &sharer->row, circle->epoch, key, &entry);
    seal_wipe(key, sizeof key);
    return err;
}

static enum kith_err share_entries(struct sharer *sharer)
{
    uint32_t newest = sharer->row.circle.count;
    enum kith_err err = share_entry(sharer, 1);

    if (!err && newest > 1 && !sharer->filler.is_full)
        err = share_entry(sharer, newest);
    sharer->sharing->has_entries = !sharer->filler.is_full;
    return err;
}

/* From the next change of a chain on, as far as there is room. */
static void share_chain(struct sharer *sharer, const struct chain_row *chain)
{
    struct filler *filler = &sharer->filler;
    struct sharing *sharing = sharer->sharing;
    bool is_own = chain->number == CHAIN_OWN;
    uint64_t last =
        is_own ? late_sealed_through(filler->txn, sharer->row.number, chain) : chain->received;
    uint32_t device = is_own ? filler->replica->identity.device : chain->device;
    struct run_writer run;
    struct log_row row;

    run_begin(&run);
    for (; sharing->n <= last && !filler->txn->err; sharing->n++) {
        if (!device_log_get(filler->txn, sharer->row.number, chain->number, sharing->n, &row)) {
            store_fail(filler->txn, KITH_DAMAGED);
            break;
        }
        if (!filler_run_has_room(filler, &run, &row.change))
            break;
        run_add(&run, sharer->row.circle.id, device, sharing->n, &row.change);
    }
    run_flush(&run, FRAME_CHANGES, filler->frames);
    run_end(&run);
}

/* The own chain is the first. */
static void share_chains(struct sharer *sharer)
{
    struct sharing *sharing = sharer->sharing;
    uint32_t count;
    const struct chain_row *chains = device_chains(sharer->filler.txn, sharer->row.number, &count);

    while (sharing->chain < count && !sharer->filler.is_full && !sharer->filler.txn->err) {
        share_chain(sharer, &chains[sharing->chain]);
        if (sharer->filler.is_full)
            return;
        sharing->chain++;
        sharing->n = 1;
    }
}

/* The newest entry shows whether both were shown the same roster. */
static void share_roster(struct sharer *sharer)
{
    const struct roster *roster = &sharer->filler.replica->roster;
    struct bytes entry;

    if (device_roster_get(sharer->filler.txn, roster->count, &entry))
        roster_frame_write(sharer->filler.frames, roster->count, &entry, 1);
}

static enum kith_err share_circle(struct sharer *sharer)
{
    struct sharing *sharing = sharer->sharing;
    enum kith_err err = KITH_OK;

    device_circle_get(sharer->filler.txn, sharing->circle, &sharer->row);
    bool is_wanted = is_shared(sharer) &&
                     (sharing->has_entries || has_urgent(sharer) == !sharing->is_urgent_done);
    if (is_wanted && !sharing->has_entries)
        err = share_entries(sharer);
    if (is_wanted && !err && !sharer->filler.is_full)
        share_chains(sharer);
    circle_clear(&sharer->row.circle);
    store_forget(sharer->filler.txn);
    return err;
}

static void next_circle(struct sharing *sharing)
{
    sharing->circle++;
    sharing->has_entries = false;
    sharing->chain = 0;
    sharing->n = 1;
}

enum kith_err replica_share(struct replica *replica, struct sharing *sharing, size_t room,
                            struct buffer *frames, bool *has_more)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct sharer sharer = {
        .filler = {.replica = replica, .txn = &txn, .frames = frames, .room = room},
        .sharing = sharing};
    uint32_t count = device_circle_count(&txn);
    enum kith_err err = KITH_OK;

    if (!sharing->is_begun) {
        share_roster(&sharer);
        sharing->is_begun = true;
        next_circle(sharing);
    }
    while (!err && !txn.err && !sharer.filler.is_full &&
           (sharing->circle <= count || !sharing->is_urgent_done)) {
        if (sharing->circle > count) {
            sharing->is_urgent_done = true;
            sharing->circle = 0;
        } else {
            err = share_circle(&sharer);
        }
        if (!sharer.filler.is_full)
            next_circle(sharing);
    }
    *has_more = sharer.filler.is_full;
    if (err)
        store_fail(&txn, err);
    err = store_commit(&txn);
    return err ? err : frames->err;
}
