/* SPDX-License-Identifier: Apache-2.0 */
#include "store/give_back.h"

#include <string.h>

#include "protocol/seal.h"
#include "store/device_held_rows.h"

#define ROW_BYTES (1 + 4 + 8)
#define DAY_MS    (24ull * 3600 * 1000)

static const char meta_giving[] = "giving back";

bool give_back_is_on(struct store_txn *txn, uint32_t *roster_at_hub)
{
    struct bytes value;

    *roster_at_hub = 0;
    if (!device_meta_get(txn, meta_giving, &value) || value.len != ROW_BYTES || value.ptr[0] == 0)
        return false;
    *roster_at_hub = get_u32(value.ptr + 1);
    return true;
}

static uint64_t began_ms(struct store_txn *txn)
{
    struct bytes value;

    return device_meta_get(txn, meta_giving, &value) && value.len == ROW_BYTES
               ? get_u64(value.ptr + 5)
               : 0;
}

bool give_back_is_recent(struct store_txn *txn, uint64_t now_ms)
{
    uint64_t ms = began_ms(txn);

    return ms > 0 && now_ms < ms + GIVE_BACK_DAYS * DAY_MS;
}

static void set(struct store_txn *txn, bool is_on, uint32_t roster_at_hub, uint64_t ms)
{
    uint8_t value[ROW_BYTES] = {is_on};

    put_u32(value + 1, roster_at_hub);
    put_u64(value + 5, ms);
    device_meta_put(txn, meta_giving, bytes_of(value, sizeof value));
}

void give_back_end(struct store_txn *txn)
{
    set(txn, false, 0, began_ms(txn));
}

void give_back_note_roster(struct store_txn *txn, uint32_t at_hub)
{
    uint32_t known;

    if (give_back_is_on(txn, &known) && at_hub > known)
        set(txn, true, at_hub, began_ms(txn));
}

bool give_back_is_due(const struct hub_state *hub, const struct welcome *welcome)
{
    static const uint8_t none[INCARNATION_BYTES];

    return memcmp(hub->incarnation, none, INCARNATION_BYTES) != 0 &&
           memcmp(hub->incarnation, welcome->incarnation, INCARNATION_BYTES) != 0;
}

static void forget_circle(struct store_txn *txn, uint32_t number)
{
    struct circle_row row;
    uint32_t count;
    struct chain_row *chains = device_chains(txn, number, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (chains[i].number == CHAIN_OWN || chains[i].served == 0)
            continue;
        chains[i].served = 0;
        device_chain_put(txn, number, &chains[i]);
    }
    device_receipt_delete(txn, number);
    device_kept_delete(txn, number);
    refusals_forget(txn, number, KITH_OK, UINT64_MAX);
    device_circle_get(txn, number, &row);
    row.acked_entries = 0;
    device_circle_put(txn, &row);
    circle_clear(&row.circle);
    store_forget(txn);
}

void give_back_begin(struct store_txn *txn, struct hub_state *hub, const struct welcome *welcome,
                     uint64_t now_ms)
{
    uint32_t count = device_circle_count(txn);

    for (uint32_t number = 1; number <= count && !txn->err; number++)
        forget_circle(txn, number);
    memcpy(hub->incarnation, welcome->incarnation, INCARNATION_BYTES);
    memset(hub->digest, 0, DIGEST_BYTES);
    hub->cursor_len = 0;
    hub->is_up_to_date = false;
    replica_set_carrying(txn, true);
    set(txn, true, 0, now_ms);
}

bool give_back_roster(struct filler *filler, uint32_t at_hub)
{
    struct bytes entry;
    uint32_t count = filler->replica->roster.count;

    if (at_hub >= count)
        return false;
    for (uint32_t seq = at_hub + 1; seq <= count && !filler->txn->err; seq++) {
        if (!device_roster_get(filler->txn, seq, &entry)) {
            store_fail(filler->txn, KITH_DAMAGED);
            break;
        }
        if (!filler_has_room(filler, entry.len + 16))
            break;
        roster_frame_write(filler->frames, seq, &entry, 1);
    }
    /* The rest follows when these are there. */
    filler->is_full = false;
    return true;
}

static uint32_t epoch_at(const struct circle *circle, uint32_t seq)
{
    uint32_t epoch = 1;

    while (epoch < circle->epoch && circle->epochs[epoch].seq <= seq)
        epoch++;
    return epoch;
}

/* Keys of epochs that are over follow from the newest one: nobody needs them sealed. */
static enum kith_err write_entry(struct filler *filler, const struct circle_row *row, uint32_t seq)
{
    uint32_t epoch = epoch_at(&row->circle, seq);
    struct sending_entry entry = {.seq = seq};
    uint8_t key[KEY_BYTES] = {0};

    if (!device_entry_get(filler->txn, row->number, seq, &entry.bytes))
        return KITH_DAMAGED;
    if (epoch == row->circle.epoch && device_key_get(filler->txn, row->number, epoch, key)) {
        entry.devices = row->circle.devices;
        entry.device_count = row->circle.device_count;
    }
    size_t bytes = entry.bytes.len + 64 + entry.device_count * (BOX_ROW_BYTES + 8);
    if (bytes > BATCH_MAX) { /* who lacks a key asks its colleagues for it */
        entry.device_count = 0;
        bytes = entry.bytes.len + 64;
    }
    enum kith_err err = filler_has_room(filler, bytes)
                            ? write_circle_entry(filler, row, epoch, key, &entry)
                            : KITH_OK;
    seal_wipe(key, sizeof key);
    return err;
}

enum kith_err give_back_entries(struct filler *filler, struct sending_circle *circle)
{
    struct circle_row row;
    enum kith_err err = KITH_OK;

    device_circle_get(filler->txn, circle->number, &row);
    while (!err && circle->next_entry <= row.circle.count && !filler->is_full) {
        err = write_entry(filler, &row, circle->next_entry);
        if (!err && !filler->is_full)
            circle->next_entry++;
    }
    circle_clear(&row.circle);
    store_forget(filler->txn);
    return err;
}
