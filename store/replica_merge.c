/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the log to merged records: each change once, after everything that its author had seen.
 *
 * A change whose text cannot be read (every replica finds the same) counts as applied, changes
 * nothing and is noted as a fault: one bad change never blocks what comes after it.
 */
#include <string.h>

#include "protocol/compress.h"
#include "protocol/hlc.h"
#include "store/alarms_internal.h"
#include "store/replica_internal.h"

enum kith_err circle_work_begin(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                                struct circle_work *work)
{
    uint32_t number = device_circle_number(txn, circle);

    memset(work, 0, sizeof *work);
    circle_init(&work->row.circle);
    if (number == 0)
        return txn->err ? txn->err : KITH_UNKNOWN_CIRCLE;
    device_circle_get(txn, number, &work->row);
    work->chains = device_chains(txn, number, &work->chain_count);
    work->chain_room = work->chain_count;
    return txn->err;
}

void circle_work_end(struct store_txn *txn, struct circle_work *work)
{
    if (work->is_row_changed)
        device_circle_put(txn, &work->row);
    seal_wipe(work->epoch_key, sizeof work->epoch_key);
    circle_clear(&work->row.circle);
}

struct chain_row *circle_work_chain(struct store_txn *txn, struct circle_work *work,
                                    uint32_t device, bool is_own)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < work->chain_count; i++) {
        if (work->chains[i].device == device)
            return &work->chains[i];
        others += work->chains[i].number != CHAIN_OWN;
    }
    if (work->chain_count == work->chain_room) {
        uint32_t room = work->chain_room ? work->chain_room * 2 : 8;
        struct chain_row *larger = arena_take(&txn->arena, room * sizeof *larger);
        if (!larger) {
            store_fail(txn, KITH_MEMORY);
            return NULL;
        }
        if (work->chain_count)
            memcpy(larger, work->chains, work->chain_count * sizeof *larger);
        work->chains = larger;
        work->chain_room = room;
    }
    struct chain_row *chain = &work->chains[work->chain_count++];
    *chain = (struct chain_row){.number = is_own ? CHAIN_OWN : others + 1, .device = device};
    return chain;
}

enum kith_err circle_work_key(struct store_txn *txn, struct circle_work *work, uint32_t epoch)
{
    if (work->epoch == epoch)
        return KITH_OK;
    if (!device_key_get(txn, work->row.number, epoch, work->epoch_key))
        return txn->err ? txn->err : KITH_NO_KEY;
    work->epoch = epoch;
    return KITH_OK;
}

void change_header_of(const struct circle_work *work, const struct chain_row *chain,
                      const struct log_row *row, uint64_t n, struct change_header *header)
{
    memset(header, 0, sizeof *header);
    header->class = row->change.class;
    header->epoch = row->change.epoch;
    header->device = chain->device;
    header->n = n;
    memcpy(header->agency, work->row.circle.agency, ID_BYTES);
    memcpy(header->circle, work->row.circle.id, ID_BYTES);
}

/* What lies beyond a cut counts for nothing, here or not: nobody waits for it. If it is admitted,
 * records are merged anew. */
bool circle_work_is_cut_off(struct store_txn *txn, const struct circle_work *work, struct dot dot)
{
    const struct circle_cut *cut = circle_cut(&work->row.circle, dot.device);

    for (uint32_t i = 0; i < work->chain_count; i++)
        if (work->chains[i].device == dot.device)
            return circle_work_is_beyond(txn, work, &work->chains[i], dot.n);
    return cut && cut->leaving != LEAVING_TRANSFERRED && dot.n > cut->n;
}

static bool is_seen_applied(struct store_txn *txn, const struct circle_work *work,
                            struct payload payload)
{
    struct dot dot;

    while (payload_next_seen(&payload, &dot)) {
        bool is_applied = circle_work_is_cut_off(txn, work, dot);
        for (uint32_t i = 0; i < work->chain_count && !is_applied; i++)
            is_applied = work->chains[i].device == dot.device && work->chains[i].applied >= dot.n;
        if (!is_applied)
            return false;
    }
    return true;
}

/* All operations of a change on one record follow each other: the record is read and written once
 * for them. */
static void merge_record(struct store_txn *txn, struct circle_work *work,
                         const struct chain_row *chain, uint64_t n, struct payload *payload,
                         struct op *op, bool *has_op)
{
    const uint8_t *circle_id = work->row.circle.id;
    struct record_place place =
        device_record_find(txn, work->row.number, circle_id, op->type, op->record);
    struct record record;
    struct bytes value;
    struct buffer encoded;
    struct op first = *op;

    if (place.number == 0)
        place = device_record_new(txn, work->row.number, circle_id, op->type, op->record);
    enum kith_err err = KITH_OK;
    if (device_record_get(txn, &place, &value))
        err = record_decode(&record, &txn->arena, value);
    else
        record_begin(&record, &txn->arena, op->record, op->type);
    while (!err && *has_op && op->type == first.type &&
           memcmp(op->record, first.record, ID_BYTES) == 0) {
        err = record_apply(&record, op, (struct dot){chain->device, n}, payload->hlc);
        *has_op = payload_next_op(payload, op);
    }
    if (err) {
        store_fail(txn, err);
        *has_op = false;
        return;
    }
    buffer_init(&encoded, SIZE_MAX);
    record_encode(&record, &encoded);
    if (encoded.err)
        store_fail(txn, encoded.err);
    device_record_put(txn, &place, buffer_view(&encoded));
    device_touch_put(txn, place.number, chain->number, n);
    buffer_clear(&encoded);
}

void replica_merge_text(struct store_txn *txn, struct circle_work *work,
                        const struct chain_row *chain, uint64_t n, struct bytes text,
                        uint64_t now_ms)
{
    struct payload payload;
    struct op op;

    if (payload_open(&payload, text)) {
        device_fault_put(txn, work->row.number, chain->number, n, KITH_MALFORMED);
        return;
    }
    bool has_op = payload_next_op(&payload, &op);
    while (has_op)
        merge_record(txn, work, chain, n, &payload, &op, &has_op);
    replica_put_hlc(txn, hlc_merge(replica_last_hlc(txn), payload.hlc, now_ms));
}

enum kith_err circle_work_text(struct store_txn *txn, struct circle_work *work,
                               const struct chain_row *chain, uint64_t n, struct buffer *text)
{
    struct change_header header;
    struct log_row row;
    struct log_row before;

    if (!device_log_get(txn, work->row.number, chain->number, n, &row))
        return txn->err ? txn->err : KITH_DAMAGED;
    if (row.change.epoch == 0)
        return text_unpack(row.change.sealed, text);
    enum kith_err err = circle_work_key(txn, work, row.change.epoch);
    if (err)
        return err;
    change_header_of(work, chain, &row, n, &header);
    if (n > 1 && device_log_get(txn, work->row.number, chain->number, n - 1, &before))
        memcpy(header.prev, before.id, HASH_BYTES);
    return change_open(&header, row.change.sealed, work->epoch_key, text);
}

static void merge_open(struct store_txn *txn, struct circle_work *work,
                       const struct chain_row *chain, uint64_t n, const struct payload *payload,
                       struct bytes text, uint64_t now_ms)
{
    if (chain->number != CHAIN_OWN && n <= chain->served)
        evidence_of_heads(txn, work, chain->device, payload, now_ms);
    replica_merge_text(txn, work, chain, n, text, now_ms);
}

/* Merges the next change of a chain; false if it has to wait. */
static bool merge_next(struct store_txn *txn, struct circle_work *work, struct chain_row *chain,
                       uint64_t now_ms)
{
    struct payload payload;
    struct buffer text;
    uint64_t n = chain->applied + 1;
    bool is_merged = true;

    buffer_init(&text, CHANGE_TEXT_MAX);
    bool is_beyond = circle_work_is_beyond(txn, work, chain, n);
    enum kith_err err = is_beyond ? KITH_HELD : circle_work_text(txn, work, chain, n, &text);
    if (err == KITH_NO_KEY)
        is_merged = false;
    else if (err == KITH_MEMORY || err == KITH_DAMAGED || txn->err)
        store_fail(txn, err);
    else if (err || payload_open(&payload, buffer_view(&text)))
        device_fault_put(txn, work->row.number, chain->number, n, err ? err : KITH_MALFORMED);
    else if (is_seen_applied(txn, work, payload))
        merge_open(txn, work, chain, n, &payload, buffer_view(&text), now_ms);
    else
        is_merged = false;
    /* Against the hub speaks only what it has served itself. */
    if (!err && !is_merged && n <= chain->served)
        evidence_of_seen(txn, work, payload);
    buffer_clear(&text);
    if (!is_merged || txn->err)
        return false;
    chain->applied = n;
    return true;
}

void replica_merge(struct store_txn *txn, struct circle_work *work, uint64_t now_ms)
{
    bool is_moving = true;

    while (is_moving && !txn->err) {
        is_moving = false;
        for (uint32_t i = 0; i < work->chain_count; i++) {
            struct chain_row *chain = &work->chains[i];
            uint64_t before = chain->applied;
            while (chain->applied < chain->received && merge_next(txn, work, chain, now_ms))
                is_moving = true;
            if (chain->applied != before)
                device_chain_put(txn, work->row.number, chain);
        }
    }
}
