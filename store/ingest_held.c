/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices that left had not sent before: held, admitted, rejected.
 *
 * 1. What is held continues the chain without a gap, as if it counted: admitting is moving.
 * 2. One device can make the hub hold no more than HELD_CHANGES_MAX and HELD_BYTES_MAX.
 * 3. A rejected change stays, marked: a rejection can be a mistake.
 */
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ingest_internal.h"

enum kith_err held_count(struct committer *committer, uint32_t device, size_t bytes)
{
    struct held_sum sum = hub_held_sum(&committer->txn, device);

    if (sum.count >= HELD_CHANGES_MAX || sum.bytes + bytes > HELD_BYTES_MAX)
        return KITH_HELD_FULL;
    sum.count++;
    sum.bytes += bytes;
    hub_held_sum_put(&committer->txn, device, &sum);
    return KITH_OK;
}

static void held_uncount(struct committer *committer, uint32_t device, size_t bytes)
{
    struct held_sum sum = hub_held_sum(&committer->txn, device);

    sum.count -= sum.count > 0;
    sum.bytes -= bytes < sum.bytes ? bytes : sum.bytes;
    hub_held_sum_put(&committer->txn, device, &sum);
}

static enum leaving leaving_of(const struct committer *committer, const struct touched *touched,
                               uint32_t device)
{
    const struct circle_cut *cut = circle_cut(&touched->circle, device);
    const struct roster_device *known = roster_device(&committer->ledger->roster, device);

    if (known && known->leaving != LEAVING_NOT)
        return known->leaving;
    return cut ? cut->leaving : LEAVING_NOT;
}

enum kith_err held_commit(struct committer *committer, const struct ingest *ingest,
                          const struct touched *touched, const struct ingest_item *item)
{
    struct store_txn *txn = &committer->txn;
    struct chain_head tail = hub_tail(txn, touched->number, item->device);
    uint8_t known[HASH_BYTES];

    if (item->n <= tail.n) {
        bool is_same = hub_known_id(txn, touched->number, item->device, item->n, known) &&
                       seal_equal(known, item->id, HASH_BYTES);
        return is_same ? KITH_HELD : KITH_FORKED;
    }
    if (item->n != tail.n + 1)
        return KITH_GAP;
    if (!seal_equal(item->prev, tail.id, HASH_BYTES))
        return KITH_FORKED;
    enum kith_err err = held_count(committer, item->device, item->change.sealed.len);
    if (err)
        return err;
    struct hub_item change = {.kind = HUB_ITEM_HELD,
                              .circle = touched->number,
                              .device = item->device,
                              .n = item->n,
                              .change = item->change};
    memcpy(change.id, item->id, HASH_BYTES);
    struct held_row row = {.circle = touched->number,
                           .device = item->device,
                           .n = item->n,
                           .sequence = hub_item_add(txn, &change),
                           .time_s = ingest->now_s,
                           .state = HELD_OPEN,
                           .leaving = leaving_of(committer, touched, item->device)};
    memcpy(row.id, item->id, HASH_BYTES);
    hub_held_put(txn, &row);
    struct audit_entry audited = {.kind = AUDIT_HELD,
                                  .time_ms = ingest->now_s * 1000,
                                  .device = item->device,
                                  .has_subject = true,
                                  .first = item->n};
    memcpy(audited.subject, touched->circle.id, ID_BYTES);
    audit_add(&committer->audit, &audited);
    return KITH_HELD;
}

enum kith_err held_take(struct committer *committer, const struct touched *touched,
                        const struct ingest_item *item)
{
    struct held_row row;

    if (!circle_cut(&touched->circle, item->device) ||
        !hub_held_get(&committer->txn, touched->number, item->device, item->n, &row))
        return KITH_OK;
    if (!seal_equal(row.id, item->id, HASH_BYTES))
        return KITH_FORKED;
    hub_held_delete(&committer->txn, &row);
    held_uncount(committer, item->device, item->change.sealed.len);
    return KITH_OK;
}

enum kith_err held_check(struct committer *committer, const struct touched *touched,
                         const struct circle_entry *entry)
{
    struct held_row row;

    if (!hub_held_get(&committer->txn, touched->number, entry->device, entry->n, &row))
        return KITH_NOT_FOUND;
    return seal_equal(row.id, entry->id, HASH_BYTES) ? KITH_OK : KITH_FORKED;
}

void held_admit(struct committer *committer, const struct touched *touched, uint32_t device,
                uint64_t n)
{
    struct store_txn *txn = &committer->txn;
    uint64_t next = hub_chain_head(txn, touched->number, device).n + 1;
    struct held_row row;
    struct hub_item item;

    for (; next <= n && hub_held_get(txn, touched->number, device, next, &row); next++) {
        if (!hub_item_get(txn, row.sequence, &item)) {
            store_fail(txn, KITH_DAMAGED);
            return;
        }
        item.kind = HUB_ITEM_CHANGE;
        (void)hub_item_add(txn, &item);
        hub_held_delete(txn, &row);
        held_uncount(committer, device, item.change.sealed.len);
    }
}

void held_reject(struct committer *committer, const struct touched *touched, uint32_t device,
                 uint64_t n)
{
    struct held_row row;

    for (; hub_held_get(&committer->txn, touched->number, device, n, &row); n++) {
        row.state = HELD_REJECTED;
        hub_held_put(&committer->txn, &row);
    }
}
