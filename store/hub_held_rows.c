/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hub_held_rows.h"

#include <string.h>

static struct key held_key(uint32_t circle, uint32_t device, uint64_t n)
{
    struct key key = key_of_u32(circle);

    key_u32(&key, device);
    key_u64(&key, n);
    return key;
}

#define HELD_BYTES (8 + 8 + 1 + 1 + HASH_BYTES)

static bool held_read_row(struct store_txn *txn, struct bytes value, struct held_row *row)
{
    bool is_sound = value.len == HELD_BYTES && value.ptr[16] >= HELD_OPEN &&
                    value.ptr[16] <= HELD_REJECTED && value.ptr[17] <= LEAVING_RENEWED;

    if (!is_sound) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    row->sequence = get_u64(value.ptr);
    row->time_s = get_u64(value.ptr + 8);
    row->state = (enum held_state)value.ptr[16];
    row->leaving = (enum leaving)value.ptr[17];
    memcpy(row->id, value.ptr + 18, HASH_BYTES);
    return true;
}

bool hub_held_get(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                  struct held_row *row)
{
    struct key key = held_key(circle, device, n);
    struct bytes value;

    *row = (struct held_row){.circle = circle, .device = device, .n = n};
    return store_get(txn, TABLE_HUB_HELD, key_bytes(&key), &value) &&
           held_read_row(txn, value, row);
}

void hub_held_put(struct store_txn *txn, const struct held_row *row)
{
    struct key key = held_key(row->circle, row->device, row->n);
    uint8_t value[HELD_BYTES];

    put_u64(value, row->sequence);
    put_u64(value + 8, row->time_s);
    value[16] = (uint8_t)row->state;
    value[17] = (uint8_t)row->leaving;
    memcpy(value + 18, row->id, HASH_BYTES);
    store_put(txn, TABLE_HUB_HELD, key_bytes(&key), bytes_of(value, sizeof value));
}

void hub_held_delete(struct store_txn *txn, const struct held_row *row)
{
    struct key key = held_key(row->circle, row->device, row->n);

    store_delete(txn, TABLE_HUB_HELD, key_bytes(&key));
}

uint64_t hub_held_count(struct store_txn *txn)
{
    struct store_walk walk =
        store_walk_begin(txn, TABLE_HUB_HELD, bytes_of(NULL, 0), bytes_of(NULL, 0));
    struct held_row row;
    uint64_t count = 0;

    while (store_walk_next(&walk)) {
        if (held_read_row(txn, store_walk_value(&walk), &row))
            count += row.state == HELD_OPEN;
        store_forget(txn);
    }
    store_walk_end(&walk);
    return count;
}

struct held_sum hub_held_sum(struct store_txn *txn, uint32_t device)
{
    struct key key = key_of_u32(device);
    struct held_sum sum = {0};
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_HELD_SUM, key_bytes(&key), &value))
        return sum;
    if (value.len != 16) {
        store_fail(txn, KITH_DAMAGED);
        return sum;
    }
    sum.count = get_u64(value.ptr);
    sum.bytes = get_u64(value.ptr + 8);
    return sum;
}

void hub_held_sum_put(struct store_txn *txn, uint32_t device, const struct held_sum *sum)
{
    struct key key = key_of_u32(device);
    uint8_t value[16];

    put_u64(value, sum->count);
    put_u64(value + 8, sum->bytes);
    store_put(txn, TABLE_HUB_HELD_SUM, key_bytes(&key), bytes_of(value, sizeof value));
}

struct chain_head hub_tail(struct store_txn *txn, uint32_t circle, uint32_t device)
{
    struct key prefix = key_of_u32(circle);
    struct chain_head head = hub_chain_head(txn, circle, device);
    uint8_t last[STORE_KEY_MAX];
    struct held_row row;

    key_u32(&prefix, device);
    if (store_last(txn, TABLE_HUB_HELD, key_bytes(&prefix), last) == 16 &&
        hub_held_get(txn, circle, device, get_u64(last + 8), &row)) {
        head.n = row.n;
        memcpy(head.id, row.id, HASH_BYTES);
    }
    return head;
}

bool hub_known_id(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                  uint8_t id[static HASH_BYTES])
{
    struct held_row row;

    if (hub_change_id(txn, circle, device, n, id))
        return true;
    if (!hub_held_get(txn, circle, device, n, &row))
        return false;
    memcpy(id, row.id, HASH_BYTES);
    return true;
}

static struct key removal_key(uint32_t device, uint32_t index)
{
    struct key key = key_of_u32(device);

    key_u32(&key, index);
    return key;
}

void hub_removal_add(struct store_txn *txn, uint32_t device, const struct removal_row *row)
{
    struct key prefix = key_of_u32(device);
    uint8_t last[STORE_KEY_MAX];
    size_t len = store_last(txn, TABLE_HUB_REMOVAL, key_bytes(&prefix), last);
    struct key key = removal_key(device, len == 8 ? get_u32(last + 4) + 1 : 1);
    uint8_t value[20];

    put_u32(value, row->circle);
    put_u64(value + 4, row->granted);
    put_u64(value + 12, row->sequence);
    store_put(txn, TABLE_HUB_REMOVAL, key_bytes(&key), bytes_of(value, sizeof value));
}

bool hub_removal_get(struct store_txn *txn, uint32_t device, uint32_t index,
                     struct removal_row *row)
{
    struct key key = removal_key(device, index);
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_REMOVAL, key_bytes(&key), &value))
        return false;
    if (value.len != 20) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    row->circle = get_u32(value.ptr);
    row->granted = get_u64(value.ptr + 4);
    row->sequence = get_u64(value.ptr + 12);
    return true;
}
