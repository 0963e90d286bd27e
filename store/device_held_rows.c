/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device_held_rows.h"

#include <string.h>

#define KEPT_BYTES (8 + HASH_BYTES)

struct kept_row device_kept_get(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);
    struct kept_row row = {0};
    struct bytes value;

    if (!store_get(txn, TABLE_DEVICE_KEPT, key_bytes(&key), &value))
        return row;
    if (value.len != KEPT_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return row;
    }
    row.n = get_u64(value.ptr);
    memcpy(row.head, value.ptr + 8, HASH_BYTES);
    return row;
}

void device_kept_put(struct store_txn *txn, uint32_t circle, const struct kept_row *row)
{
    struct key key = key_of_u32(circle);
    uint8_t value[KEPT_BYTES];

    put_u64(value, row->n);
    memcpy(value + 8, row->head, HASH_BYTES);
    store_put(txn, TABLE_DEVICE_KEPT, key_bytes(&key), bytes_of(value, sizeof value));
}

void device_kept_delete(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);

    store_delete(txn, TABLE_DEVICE_KEPT, key_bytes(&key));
}

static struct key waiting_key(const struct waiting_row *row)
{
    struct key key = key_of_u32(row->circle);

    key_u32(&key, row->device);
    key_u64(&key, row->n);
    return key;
}

/* state, leaving, time, mark, prev, id, signature; then the sealed text */
#define WAITING_HEAD_BYTES (1 + 1 + 8 + 8 + HASH_BYTES + HASH_BYTES + SIGNATURE_BYTES)

void device_waiting_put(struct store_txn *txn, const struct waiting_row *row)
{
    struct key key = waiting_key(row);
    struct buffer value;

    buffer_init(&value, WAITING_HEAD_BYTES + CHANGE_SEALED_MAX);
    uint8_t *to = buffer_extend(&value, WAITING_HEAD_BYTES);
    if (to) {
        to[0] = row->is_rejected;
        to[1] = (uint8_t)row->leaving;
        put_u64(to + 2, row->time_s);
        put_u64(to + 10, change_mark(row->change.class, row->change.epoch));
        memcpy(to + 18, row->prev, HASH_BYTES);
        memcpy(to + 50, row->id, HASH_BYTES);
        memcpy(to + 82, row->change.signature, SIGNATURE_BYTES);
    }
    buffer_add(&value, row->change.sealed.ptr, row->change.sealed.len);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_DEVICE_HELD, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

bool device_waiting_is_rejected(struct store_txn *txn, const struct waiting_row *row)
{
    struct key key = waiting_key(row);
    struct bytes value;

    return store_get(txn, TABLE_DEVICE_HELD, key_bytes(&key), &value) && value.len > 0 &&
           value.ptr[0] != 0;
}

void device_waiting_delete(struct store_txn *txn, const struct waiting_row *row)
{
    struct key key = waiting_key(row);

    store_delete(txn, TABLE_DEVICE_HELD, key_bytes(&key));
}

struct store_walk device_waitings(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);
    struct bytes prefix = circle ? key_bytes(&key) : bytes_of(NULL, 0);

    return store_walk_begin(txn, TABLE_DEVICE_HELD, prefix, prefix);
}

bool device_waiting_next(struct store_walk *walk, struct waiting_row *row)
{
    if (!store_walk_next(walk))
        return false;
    struct bytes value = store_walk_value(walk);
    if (value.len < WAITING_HEAD_BYTES || walk->key.len != 16 || value.ptr[1] > LEAVING_RENEWED ||
        change_mark_read(get_u64(value.ptr + 10), &row->change.class, &row->change.epoch)) {
        store_fail(walk->txn, KITH_DAMAGED);
        return false;
    }
    row->circle = get_u32(walk->key.ptr);
    row->device = get_u32(walk->key.ptr + 4);
    row->n = get_u64(walk->key.ptr + 8);
    row->is_rejected = value.ptr[0] != 0;
    row->leaving = (enum leaving)value.ptr[1];
    row->time_s = get_u64(value.ptr + 2);
    memcpy(row->prev, value.ptr + 18, HASH_BYTES);
    memcpy(row->id, value.ptr + 50, HASH_BYTES);
    row->change.signature = value.ptr + 82;
    row->change.sealed = bytes_after(value, WAITING_HEAD_BYTES);
    return true;
}
