/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device_rows.h"

#include <string.h>

enum blind_purpose { BLIND_CIRCLE = 1, BLIND_RECORD = 2 };

/* Takes a value of fixed size apart; anything else is damage. */
static bool has_size(struct store_txn *txn, struct bytes value, size_t size)
{
    if (value.len != size)
        store_fail(txn, KITH_DAMAGED);
    return value.len == size;
}

bool device_meta_get(struct store_txn *txn, const char *name, struct bytes *value)
{
    struct key key = key_of_text(name);

    return store_get(txn, TABLE_DEVICE_META, key_bytes(&key), value);
}

void device_meta_put(struct store_txn *txn, const char *name, struct bytes value)
{
    struct key key = key_of_text(name);

    store_put(txn, TABLE_DEVICE_META, key_bytes(&key), value);
}

bool device_roster_get(struct store_txn *txn, uint32_t seq, struct bytes *entry)
{
    struct key key = key_of_u32(seq);

    return store_get(txn, TABLE_DEVICE_ROSTER, key_bytes(&key), entry);
}

void device_roster_put(struct store_txn *txn, uint32_t seq, struct bytes entry)
{
    struct key key = key_of_u32(seq);

    store_put(txn, TABLE_DEVICE_ROSTER, key_bytes(&key), entry);
}

static struct key circle_blind(const struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = {.len = STORE_BLIND_BYTES};

    store_blind(txn->store, BLIND_CIRCLE, bytes_of(circle, ID_BYTES), key.ptr);
    return key;
}

uint32_t device_circle_number(struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = circle_blind(txn, circle);
    uint32_t number = 0;

    (void)store_get_u32(txn, TABLE_DEVICE_CIRCLE_NUMBER, key_bytes(&key), &number);
    return number;
}

uint32_t device_circle_count(struct store_txn *txn)
{
    return (uint32_t)store_count(txn, TABLE_DEVICE_CIRCLE_NUMBER);
}

uint32_t device_circle_new(struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = circle_blind(txn, circle);
    uint32_t number = device_circle_count(txn) + 1;

    store_put_u32(txn, TABLE_DEVICE_CIRCLE_NUMBER, key_bytes(&key), number);
    return number;
}

#define CIRCLE_HEAD_BYTES 20

void device_circle_get(struct store_txn *txn, uint32_t number, struct circle_row *row)
{
    struct key key = key_of_u32(number);
    struct bytes value;

    memset(row, 0, sizeof *row);
    circle_init(&row->circle);
    if (!store_get(txn, TABLE_DEVICE_CIRCLE, key_bytes(&key), &value))
        return;
    if (value.len < CIRCLE_HEAD_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return;
    }
    row->number = number;
    row->acked_entries = get_u32(value.ptr);
    row->owed_roster = get_u32(value.ptr + 4);
    row->told_roster = get_u32(value.ptr + 8);
    row->told_circle = get_u32(value.ptr + 12);
    row->part = (enum circle_part)get_u32(value.ptr + 16);
    enum kith_err err = circle_decode(&row->circle, bytes_after(value, CIRCLE_HEAD_BYTES));
    if (err)
        store_fail(txn, err);
}

void device_circle_put(struct store_txn *txn, const struct circle_row *row)
{
    struct key key = key_of_u32(row->number);
    struct buffer value;
    uint8_t head[CIRCLE_HEAD_BYTES];

    buffer_init(&value, SIZE_MAX);
    put_u32(head, row->acked_entries);
    put_u32(head + 4, row->owed_roster);
    put_u32(head + 8, row->told_roster);
    put_u32(head + 12, row->told_circle);
    put_u32(head + 16, row->part);
    buffer_add(&value, head, sizeof head);
    circle_encode(&row->circle, &value);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_DEVICE_CIRCLE, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

static struct key key_of_pair(uint32_t first, uint32_t second)
{
    struct key key = key_of_u32(first);

    key_u32(&key, second);
    return key;
}

bool device_entry_get(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes *entry)
{
    struct key key = key_of_pair(circle, seq);

    return store_get(txn, TABLE_DEVICE_ENTRY, key_bytes(&key), entry);
}

void device_entry_put(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes entry)
{
    struct key key = key_of_pair(circle, seq);

    store_put(txn, TABLE_DEVICE_ENTRY, key_bytes(&key), entry);
}

void device_entry_delete(struct store_txn *txn, uint32_t circle, uint32_t seq)
{
    struct key key = key_of_pair(circle, seq);

    store_delete(txn, TABLE_DEVICE_ENTRY, key_bytes(&key));
}

bool device_key_get(struct store_txn *txn, uint32_t circle, uint32_t epoch,
                    uint8_t epoch_key[static KEY_BYTES])
{
    struct key key = key_of_pair(circle, epoch);
    struct bytes value;

    if (!store_get(txn, TABLE_DEVICE_KEY, key_bytes(&key), &value) ||
        !has_size(txn, value, KEY_BYTES))
        return false;
    memcpy(epoch_key, value.ptr, KEY_BYTES);
    return true;
}

void device_key_put(struct store_txn *txn, uint32_t circle, uint32_t epoch,
                    const uint8_t epoch_key[static KEY_BYTES])
{
    struct key key = key_of_pair(circle, epoch);

    store_put(txn, TABLE_DEVICE_KEY, key_bytes(&key), bytes_of(epoch_key, KEY_BYTES));
}

void device_key_delete(struct store_txn *txn, uint32_t circle, uint32_t epoch)
{
    struct key key = key_of_pair(circle, epoch);

    store_delete(txn, TABLE_DEVICE_KEY, key_bytes(&key));
}

/* device, received, head, applied, told; served, where it is less than what was received */
#define CHAIN_ROW_BYTES (4 + 8 + HASH_BYTES + 8 + 8)
#define CHAIN_ROW_MAX   (CHAIN_ROW_BYTES + 8)

static void chain_read(struct store_txn *txn, uint32_t number, struct bytes value,
                       struct chain_row *row)
{
    if (value.len != CHAIN_ROW_MAX && !has_size(txn, value, CHAIN_ROW_BYTES))
        return;
    row->number = number;
    row->device = get_u32(value.ptr);
    row->received = get_u64(value.ptr + 4);
    memcpy(row->head, value.ptr + 12, HASH_BYTES);
    row->applied = get_u64(value.ptr + 12 + HASH_BYTES);
    row->told = get_u64(value.ptr + 20 + HASH_BYTES);
    row->served = value.len == CHAIN_ROW_MAX ? get_u64(value.ptr + CHAIN_ROW_BYTES) : row->received;
}

struct chain_row *device_chains(struct store_txn *txn, uint32_t circle, uint32_t *count)
{
    struct key prefix = key_of_u32(circle);
    struct store_walk walk =
        store_walk_begin(txn, TABLE_DEVICE_CHAIN, key_bytes(&prefix), key_bytes(&prefix));
    struct chain_row *rows = NULL;
    uint32_t room = 0;

    *count = 0;
    while (store_walk_next(&walk)) {
        if (*count == room) {
            uint32_t more = room ? room * 2 : 8;
            struct chain_row *larger = arena_take(&txn->arena, more * sizeof *larger);
            if (!larger) {
                store_fail(txn, KITH_MEMORY);
                break;
            }
            if (*count)
                memcpy(larger, rows, *count * sizeof *rows);
            rows = larger;
            room = more;
        }
        if (has_size(txn, walk.key, 8))
            chain_read(txn, get_u32(walk.key.ptr + 4), store_walk_value(&walk), &rows[(*count)++]);
    }
    store_walk_end(&walk);
    return rows;
}

struct chain_row device_chain_own(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_pair(circle, CHAIN_OWN);
    struct chain_row row = {.number = CHAIN_OWN};
    struct bytes value;

    if (store_get(txn, TABLE_DEVICE_CHAIN, key_bytes(&key), &value))
        chain_read(txn, CHAIN_OWN, value, &row);
    return row;
}

void device_chain_put(struct store_txn *txn, uint32_t circle, const struct chain_row *row)
{
    struct key key = key_of_pair(circle, row->number);
    uint8_t value[CHAIN_ROW_MAX];
    bool is_served = row->number == CHAIN_OWN || row->served == row->received;

    put_u32(value, row->device);
    put_u64(value + 4, row->received);
    memcpy(value + 12, row->head, HASH_BYTES);
    put_u64(value + 12 + HASH_BYTES, row->applied);
    put_u64(value + 20 + HASH_BYTES, row->told);
    put_u64(value + CHAIN_ROW_BYTES, row->served);
    store_put(txn, TABLE_DEVICE_CHAIN, key_bytes(&key),
              bytes_of(value, is_served ? CHAIN_ROW_BYTES : CHAIN_ROW_MAX));
}

void device_chain_delete(struct store_txn *txn, uint32_t circle, uint32_t chain)
{
    struct key key = key_of_pair(circle, chain);

    store_delete(txn, TABLE_DEVICE_CHAIN, key_bytes(&key));
}

static struct key log_key(uint32_t circle, uint32_t chain, uint64_t n)
{
    struct key key = key_of_pair(circle, chain);

    key_u64(&key, n);
    return key;
}

/* mark, id, signature, sealed */
#define LOG_HEAD_BYTES (8 + HASH_BYTES + SIGNATURE_BYTES)

bool device_log_get(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                    struct log_row *row)
{
    struct key key = log_key(circle, chain, n);
    struct bytes value;

    if (!store_get(txn, TABLE_DEVICE_LOG, key_bytes(&key), &value))
        return false;
    uint64_t mark = value.len < LOG_HEAD_BYTES ? UINT64_MAX : get_u64(value.ptr);
    if (mark < CHANGE_CLASSES) {
        row->change.class = (enum change_class)mark;
        row->change.epoch = 0;
    } else if (change_mark_read(mark, &row->change.class, &row->change.epoch)) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    memcpy(row->id, value.ptr + 8, HASH_BYTES);
    row->change.signature = value.ptr + 8 + HASH_BYTES;
    row->change.sealed = bytes_after(value, LOG_HEAD_BYTES);
    return true;
}

void device_log_put(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                    const struct log_row *row)
{
    struct key key = log_key(circle, chain, n);
    struct buffer value;

    buffer_init(&value, LOG_HEAD_BYTES + CHANGE_SEALED_MAX);
    uint8_t *to = buffer_extend(&value, LOG_HEAD_BYTES);
    if (to) {
        put_u64(to, change_mark(row->change.class, row->change.epoch));
        memcpy(to + 8, row->id, HASH_BYTES);
        memcpy(to + 8 + HASH_BYTES, row->change.signature, SIGNATURE_BYTES);
    }
    buffer_add(&value, row->change.sealed.ptr, row->change.sealed.len);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_DEVICE_LOG, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

void device_log_delete(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n)
{
    struct key key = log_key(circle, chain, n);

    store_delete(txn, TABLE_DEVICE_LOG, key_bytes(&key));
}

void device_fault_put(struct store_txn *txn, uint32_t circle, uint32_t chain, uint64_t n,
                      enum kith_err reason)
{
    struct key key = log_key(circle, chain, n);
    uint8_t value[4];

    put_u32(value, (uint32_t)reason);
    store_put(txn, TABLE_DEVICE_FAULT, key_bytes(&key), bytes_of(value, sizeof value));
}

#define RECEIPT_HEAD_BYTES (8 + HASH_BYTES + 8 + SIGNATURE_BYTES)

bool device_receipt_get(struct store_txn *txn, uint32_t circle, struct receipt_row *row)
{
    struct key key = key_of_u32(circle);
    struct bytes value;

    if (!store_get(txn, TABLE_DEVICE_RECEIPT, key_bytes(&key), &value))
        return false;
    if (value.len < RECEIPT_HEAD_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    row->n = get_u64(value.ptr);
    memcpy(row->head, value.ptr + 8, HASH_BYTES);
    memcpy(row->incarnation, value.ptr + 40, sizeof row->incarnation);
    memcpy(row->signature, value.ptr + 48, SIGNATURE_BYTES);
    row->lines = bytes_after(value, RECEIPT_HEAD_BYTES);
    return true;
}

void device_receipt_delete(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);

    store_delete(txn, TABLE_DEVICE_RECEIPT, key_bytes(&key));
}

void device_receipt_put(struct store_txn *txn, uint32_t circle, const struct receipt_row *row)
{
    struct key key = key_of_u32(circle);
    struct buffer value;

    buffer_init(&value, RECEIPT_HEAD_BYTES + NOISE_TEXT_MAX);
    uint8_t *to = buffer_extend(&value, RECEIPT_HEAD_BYTES);
    if (to) {
        put_u64(to, row->n);
        memcpy(to + 8, row->head, HASH_BYTES);
        memcpy(to + 40, row->incarnation, sizeof row->incarnation);
        memcpy(to + 48, row->signature, SIGNATURE_BYTES);
    }
    buffer_add(&value, row->lines.ptr, row->lines.len);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_DEVICE_RECEIPT, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

static struct key refused_key(uint32_t circle, unsigned kind, uint64_t n)
{
    struct key key = key_of_u32(circle);

    key_u16(&key, (uint16_t)kind);
    key_u64(&key, n);
    return key;
}

void device_refused_put(struct store_txn *txn, uint32_t circle, unsigned kind, uint64_t n,
                        enum kith_err reason)
{
    struct key key = refused_key(circle, kind, n);
    uint8_t value[4];

    put_u32(value, (uint32_t)reason);
    store_put(txn, TABLE_DEVICE_REFUSED, key_bytes(&key), bytes_of(value, sizeof value));
}

void device_refused_delete(struct store_txn *txn, uint32_t circle, unsigned kind, uint64_t n)
{
    struct key key = refused_key(circle, kind, n);

    store_delete(txn, TABLE_DEVICE_REFUSED, key_bytes(&key));
}

struct store_walk device_refusals(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);
    struct bytes prefix = circle ? key_bytes(&key) : bytes_of(NULL, 0);

    return store_walk_begin(txn, TABLE_DEVICE_REFUSED, prefix, prefix);
}

bool device_refused_next(struct store_walk *walk, struct refused_row *row)
{
    if (!store_walk_next(walk))
        return false;
    struct bytes value = store_walk_value(walk);
    if (!has_size(walk->txn, value, 4) || !has_size(walk->txn, walk->key, 14))
        return false;
    row->circle = get_u32(walk->key.ptr);
    row->kind = get_u16(walk->key.ptr + 4);
    row->n = get_u64(walk->key.ptr + 6);
    row->reason = (enum kith_err)get_u32(value.ptr);
    return true;
}

/* kind, circle, person, right, leaving, device, n, id; then the reason */
#define INTENT_HEAD_BYTES (6 * 4 + 8 + HASH_BYTES)

void device_intent_put(struct store_txn *txn, struct intent_row *row)
{
    uint8_t last[STORE_KEY_MAX];
    uint8_t head[INTENT_HEAD_BYTES];
    struct buffer value;

    if (row->number == 0) {
        bool is_first = store_last(txn, TABLE_DEVICE_INTENT, bytes_of(NULL, 0), last) != 8;
        row->number = is_first ? 1 : get_u64(last) + 1;
    }
    struct key key = key_of_u64(row->number);
    put_u32(head, row->kind);
    put_u32(head + 4, row->circle);
    put_u32(head + 8, row->member.person);
    put_u32(head + 12, row->member.right);
    put_u32(head + 16, row->leaving);
    put_u32(head + 20, row->device);
    put_u64(head + 24, row->n);
    memcpy(head + 32, row->id, HASH_BYTES);
    buffer_init(&value, INTENT_HEAD_BYTES + CIRCLE_REASON_MAX);
    buffer_add(&value, head, sizeof head);
    buffer_add(&value, row->reason.ptr, row->reason.len);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_DEVICE_INTENT, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

void device_intent_delete(struct store_txn *txn, uint64_t number)
{
    struct key key = key_of_u64(number);

    store_delete(txn, TABLE_DEVICE_INTENT, key_bytes(&key));
}

struct store_walk device_intents(struct store_txn *txn)
{
    return store_walk_begin(txn, TABLE_DEVICE_INTENT, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

bool device_intent_next(struct store_walk *walk, struct intent_row *row)
{
    if (!store_walk_next(walk))
        return false;
    struct bytes value = store_walk_value(walk);
    if (value.len < INTENT_HEAD_BYTES || walk->key.len != 8) {
        store_fail(walk->txn, KITH_DAMAGED);
        return false;
    }
    row->number = get_u64(walk->key.ptr);
    row->kind = (enum intent_kind)get_u32(value.ptr);
    row->circle = get_u32(value.ptr + 4);
    row->member.person = get_u32(value.ptr + 8);
    row->member.right = get_u32(value.ptr + 12) == CIRCLE_WRITE ? CIRCLE_WRITE : CIRCLE_READ;
    row->leaving = (enum leaving)get_u32(value.ptr + 16);
    row->device = get_u32(value.ptr + 20);
    row->n = get_u64(value.ptr + 24);
    memcpy(row->id, value.ptr + 32, HASH_BYTES);
    row->reason = bytes_after(value, INTENT_HEAD_BYTES);
    return true;
}

static struct key record_blind(const struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                               uint32_t type, const uint8_t record[static ID_BYTES])
{
    struct key key = {.len = STORE_BLIND_BYTES};
    uint8_t name[ID_BYTES + 4 + ID_BYTES];

    memcpy(name, circle, ID_BYTES);
    put_u32(name + ID_BYTES, type);
    memcpy(name + ID_BYTES + 4, record, ID_BYTES);
    store_blind(txn->store, BLIND_RECORD, bytes_of(name, sizeof name), key.ptr);
    return key;
}

struct record_place device_record_find(struct store_txn *txn, uint32_t circle,
                                       const uint8_t circle_id[static ID_BYTES], uint32_t type,
                                       const uint8_t record[static ID_BYTES])
{
    struct key key = record_blind(txn, circle_id, type, record);
    struct record_place place = {.circle = circle, .type = type};

    (void)store_get_u32(txn, TABLE_DEVICE_RECORD_NUMBER, key_bytes(&key), &place.number);
    return place;
}

struct record_place device_record_new(struct store_txn *txn, uint32_t circle,
                                      const uint8_t circle_id[static ID_BYTES], uint32_t type,
                                      const uint8_t record[static ID_BYTES])
{
    struct key key = record_blind(txn, circle_id, type, record);
    struct record_place place = {.circle = circle, .type = type};

    place.number = (uint32_t)store_count(txn, TABLE_DEVICE_RECORD_NUMBER) + 1;
    store_put_u32(txn, TABLE_DEVICE_RECORD_NUMBER, key_bytes(&key), place.number);
    return place;
}

static struct key record_key(const struct record_place *place)
{
    struct key key = key_of_u32(place->circle);

    key_u16(&key, (uint16_t)place->type);
    key_u32(&key, place->number);
    return key;
}

bool device_record_get(struct store_txn *txn, const struct record_place *place, struct bytes *value)
{
    struct key key = record_key(place);

    return place->number != 0 && store_get(txn, TABLE_DEVICE_RECORD, key_bytes(&key), value);
}

void device_record_put(struct store_txn *txn, const struct record_place *place, struct bytes value)
{
    struct key key = record_key(place);

    store_put(txn, TABLE_DEVICE_RECORD, key_bytes(&key), value);
}

void device_record_delete(struct store_txn *txn, const struct record_place *place)
{
    struct key key = record_key(place);

    store_delete(txn, TABLE_DEVICE_RECORD, key_bytes(&key));
}

uint64_t device_record_count(struct store_txn *txn)
{
    return store_count(txn, TABLE_DEVICE_RECORD);
}

struct store_walk device_records(struct store_txn *txn, uint32_t circle, uint32_t type)
{
    struct key key = key_of_u32(circle);

    if (type)
        key_u16(&key, (uint16_t)type);
    return store_walk_begin(txn, TABLE_DEVICE_RECORD, key_bytes(&key), key_bytes(&key));
}

bool device_record_next(struct store_walk *walk, struct record_place *place)
{
    if (!store_walk_next(walk) || !has_size(walk->txn, walk->key, 10))
        return false;
    place->circle = get_u32(walk->key.ptr);
    place->type = get_u16(walk->key.ptr + 4);
    place->number = get_u32(walk->key.ptr + 6);
    return true;
}

void device_touch_put(struct store_txn *txn, uint32_t record, uint32_t chain, uint64_t n)
{
    struct key key = log_key(record, chain, n);

    store_put(txn, TABLE_DEVICE_TOUCH, key_bytes(&key), bytes_of(NULL, 0));
}

void device_touch_delete(struct store_txn *txn, uint32_t record, uint32_t chain, uint64_t n)
{
    struct key key = log_key(record, chain, n);

    store_delete(txn, TABLE_DEVICE_TOUCH, key_bytes(&key));
}

struct store_walk device_touches(struct store_txn *txn, uint32_t record)
{
    struct key key = key_of_u32(record);

    return store_walk_begin(txn, TABLE_DEVICE_TOUCH, key_bytes(&key), key_bytes(&key));
}

bool device_touch_next(struct store_walk *walk, uint32_t *chain, uint64_t *n)
{
    if (!store_walk_next(walk) || !has_size(walk->txn, walk->key, 16))
        return false;
    *chain = get_u32(walk->key.ptr + 4);
    *n = get_u64(walk->key.ptr + 8);
    return true;
}
