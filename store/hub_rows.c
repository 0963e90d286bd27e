/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hub_rows.h"

#include <string.h>

enum blind_purpose { BLIND_CIRCLE = 1 };

bool hub_meta_get(struct store_txn *txn, const char *name, struct bytes *value)
{
    struct key key = key_of_text(name);

    return store_get(txn, TABLE_HUB_META, key_bytes(&key), value);
}

void hub_meta_put(struct store_txn *txn, const char *name, struct bytes value)
{
    struct key key = key_of_text(name);

    store_put(txn, TABLE_HUB_META, key_bytes(&key), value);
}

bool hub_roster_get(struct store_txn *txn, uint32_t seq, struct bytes *entry)
{
    struct key key = key_of_u32(seq);

    return store_get(txn, TABLE_HUB_ROSTER, key_bytes(&key), entry);
}

void hub_roster_put(struct store_txn *txn, uint32_t seq, struct bytes entry)
{
    struct key key = key_of_u32(seq);

    store_append(txn, TABLE_HUB_ROSTER, key_bytes(&key), entry);
}

bool hub_psk_get(struct store_txn *txn, uint32_t device, uint8_t psk[static KEY_BYTES])
{
    struct key key = key_of_u32(device);
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_PSK, key_bytes(&key), &value))
        return false;
    if (value.len != KEY_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    memcpy(psk, value.ptr, KEY_BYTES);
    return true;
}

void hub_psk_put(struct store_txn *txn, uint32_t device, const uint8_t psk[static KEY_BYTES])
{
    struct key key = key_of_u32(device);

    store_put(txn, TABLE_HUB_PSK, key_bytes(&key), bytes_of(psk, KEY_BYTES));
}

uint64_t hub_written(struct store_txn *txn, uint32_t device)
{
    struct key key = key_of_u32(device);
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_WRITTEN, key_bytes(&key), &value))
        return 0;
    if (value.len == 8)
        return get_u64(value.ptr);
    store_fail(txn, KITH_DAMAGED);
    return 0;
}

void hub_written_add(struct store_txn *txn, uint32_t device, uint64_t count)
{
    struct key key = key_of_u32(device);
    uint8_t value[8];

    put_u64(value, hub_written(txn, device) + count);
    store_put(txn, TABLE_HUB_WRITTEN, key_bytes(&key), bytes_of(value, sizeof value));
}

void hub_psk_delete(struct store_txn *txn, uint32_t device)
{
    struct key key = key_of_u32(device);

    store_delete(txn, TABLE_HUB_PSK, key_bytes(&key));
}

static struct key circle_blind(const struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = {.len = STORE_BLIND_BYTES};

    store_blind(txn->store, BLIND_CIRCLE, bytes_of(circle, ID_BYTES), key.ptr);
    return key;
}

uint32_t hub_circle_number(struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = circle_blind(txn, circle);
    uint32_t number = 0;

    (void)store_get_u32(txn, TABLE_HUB_CIRCLE_NUMBER, key_bytes(&key), &number);
    return number;
}

uint32_t hub_circle_new(struct store_txn *txn, const uint8_t circle[static ID_BYTES])
{
    struct key key = circle_blind(txn, circle);
    uint32_t number = (uint32_t)store_count(txn, TABLE_HUB_CIRCLE_NUMBER) + 1;

    store_put_u32(txn, TABLE_HUB_CIRCLE_NUMBER, key_bytes(&key), number);
    return number;
}

void hub_circle_get(struct store_txn *txn, uint32_t number, struct circle *circle)
{
    struct key key = key_of_u32(number);
    struct bytes value;

    circle_init(circle);
    if (!store_get(txn, TABLE_HUB_CIRCLE, key_bytes(&key), &value))
        return;
    enum kith_err err = circle_decode(circle, value);
    if (err)
        store_fail(txn, err);
}

void hub_circle_put(struct store_txn *txn, uint32_t number, const struct circle *circle)
{
    struct key key = key_of_u32(number);
    struct buffer value;

    buffer_init(&value, SIZE_MAX);
    circle_encode(circle, &value);
    if (value.err)
        store_fail(txn, value.err);
    store_put(txn, TABLE_HUB_CIRCLE, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

static struct key entry_key(uint32_t circle, uint32_t seq)
{
    struct key key = key_of_u32(circle);

    key_u32(&key, seq);
    return key;
}

bool hub_entry_get(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes *entry)
{
    struct key key = entry_key(circle, seq);

    return store_get(txn, TABLE_HUB_ENTRY, key_bytes(&key), entry);
}

void hub_entry_put(struct store_txn *txn, uint32_t circle, uint32_t seq, struct bytes entry)
{
    struct key key = entry_key(circle, seq);

    store_put(txn, TABLE_HUB_ENTRY, key_bytes(&key), entry);
}

static struct key box_key(uint32_t circle, uint32_t epoch, uint32_t device)
{
    struct key key = key_of_u32(circle);

    key_u32(&key, epoch);
    key_u32(&key, device);
    return key;
}

bool hub_box_get(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device,
                 struct bytes *box)
{
    struct key key = box_key(circle, epoch, device);

    return store_get(txn, TABLE_HUB_BOX, key_bytes(&key), box);
}

void hub_box_put(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device,
                 struct bytes box)
{
    struct key key = box_key(circle, epoch, device);

    store_put(txn, TABLE_HUB_BOX, key_bytes(&key), box);
}

void hub_box_delete(struct store_txn *txn, uint32_t circle, uint32_t epoch, uint32_t device)
{
    struct key key = box_key(circle, epoch, device);

    store_delete(txn, TABLE_HUB_BOX, key_bytes(&key));
}

void hub_grant_put(struct store_txn *txn, uint32_t device, uint32_t circle, uint64_t sequence)
{
    struct key key = key_of_u32(device);

    key_u32(&key, circle);
    store_put_u64(txn, TABLE_HUB_GRANT, key_bytes(&key), sequence);
}

void hub_grant_delete(struct store_txn *txn, uint32_t device, uint32_t circle)
{
    struct key key = key_of_u32(device);

    key_u32(&key, circle);
    store_delete(txn, TABLE_HUB_GRANT, key_bytes(&key));
}

uint64_t hub_granted(struct store_txn *txn, uint32_t device, uint32_t circle)
{
    struct key key = key_of_u32(device);
    uint64_t sequence = 0;

    key_u32(&key, circle);
    (void)store_get_u64(txn, TABLE_HUB_GRANT, key_bytes(&key), &sequence);
    return sequence;
}

bool hub_is_granted(struct store_txn *txn, uint32_t device, uint32_t circle)
{
    struct key key = key_of_u32(device);

    key_u32(&key, circle);
    return store_get(txn, TABLE_HUB_GRANT, key_bytes(&key), NULL);
}

struct store_walk hub_grants(struct store_txn *txn, uint32_t device)
{
    struct key key = key_of_u32(device);

    return store_walk_begin(txn, TABLE_HUB_GRANT, key_bytes(&key), key_bytes(&key));
}

bool hub_grant_next(struct store_walk *walk, uint32_t *circle, uint64_t *sequence)
{
    if (!store_walk_next(walk))
        return false;
    struct bytes value = store_walk_value(walk);
    if (walk->key.len != 8 || value.len != 8) {
        store_fail(walk->txn, KITH_DAMAGED);
        return false;
    }
    *circle = get_u32(walk->key.ptr + 4);
    *sequence = get_u64(value.ptr);
    return true;
}

uint64_t hub_sequence(struct store_txn *txn)
{
    uint8_t key[STORE_KEY_MAX];

    return store_last(txn, TABLE_HUB_LOG, bytes_of(NULL, 0), key) == 8 ? get_u64(key) : 0;
}

uint64_t hub_circle_last(struct store_txn *txn, uint32_t circle)
{
    struct key key = key_of_u32(circle);
    uint64_t last = 0;

    (void)store_get_u64(txn, TABLE_HUB_LAST, key_bytes(&key), &last);
    return last;
}

uint64_t hub_circle_last_through(struct store_txn *txn, uint32_t circle, uint64_t through)
{
    uint64_t last = hub_circle_last(txn, circle);
    struct key prefix = key_of_u32(circle);
    struct key bound = prefix;
    uint8_t key[STORE_KEY_MAX];

    if (last <= through)
        return last;
    key_u64(&bound, through + 1);
    return store_last_below(txn, TABLE_HUB_CIRCLE_LOG, key_bytes(&prefix), key_bytes(&bound),
                            key) == 12
               ? get_u64(key + 4)
               : 0;
}

static struct store_walk circle_walk(struct store_txn *txn, uint32_t circle, uint64_t after)
{
    struct key prefix = key_of_u32(circle);
    struct key from = prefix;

    key_u64(&from, after + 1);
    return store_walk_begin(txn, TABLE_HUB_CIRCLE_LOG, key_bytes(&prefix), key_bytes(&from));
}

uint64_t hub_circle_after(struct store_txn *txn, uint32_t circle, uint64_t after)
{
    struct store_walk walk = circle_walk(txn, circle, after);
    uint64_t sequence = 0;

    if (store_walk_next(&walk) && walk.key.len == 12)
        sequence = get_u64(walk.key.ptr + 4);
    store_walk_end(&walk);
    return sequence;
}

uint64_t hub_circle_next(struct store_txn *txn, uint32_t circle, uint64_t after, uint32_t *author)
{
    struct store_walk walk = circle_walk(txn, circle, after);
    uint64_t sequence = 0;

    *author = 0;
    if (store_walk_next(&walk) && walk.key.len == 12) {
        struct bytes value = store_walk_value(&walk);
        sequence = get_u64(walk.key.ptr + 4);
        *author = value.len == 4 ? get_u32(value.ptr) : 0;
    }
    store_walk_end(&walk);
    return sequence;
}

static struct key chain_key(uint32_t circle, uint32_t device)
{
    struct key key = key_of_u32(circle);

    key_u32(&key, device);
    return key;
}

#define CHAIN_HEAD_BYTES (8 + HASH_BYTES)

struct chain_head hub_chain_head(struct store_txn *txn, uint32_t circle, uint32_t device)
{
    struct key key = chain_key(circle, device);
    struct chain_head head = {0};
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_CHAIN, key_bytes(&key), &value))
        return head;
    if (value.len != CHAIN_HEAD_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return head;
    }
    head.n = get_u64(value.ptr);
    memcpy(head.id, value.ptr + 8, HASH_BYTES);
    return head;
}

static void chain_head_put(struct store_txn *txn, const struct hub_item *item)
{
    struct key key = chain_key(item->circle, item->device);
    uint8_t value[CHAIN_HEAD_BYTES];

    put_u64(value, item->n);
    memcpy(value + 8, item->id, HASH_BYTES);
    store_put(txn, TABLE_HUB_CHAIN, key_bytes(&key), bytes_of(value, sizeof value));
}

/* kind, circle, device, n, mark, id, signature, sealed */
#define ITEM_HEAD_BYTES (1 + 4 + 4 + 8 + 8 + HASH_BYTES + SIGNATURE_BYTES)

static void item_write(const struct hub_item *item, struct buffer *out)
{
    uint8_t *to = buffer_extend(out, ITEM_HEAD_BYTES);

    if (!to)
        return;
    memset(to, 0, ITEM_HEAD_BYTES);
    to[0] = (uint8_t)item->kind;
    put_u32(to + 1, item->circle);
    put_u32(to + 5, item->device);
    put_u64(to + 9, item->n);
    if (item->kind == HUB_ITEM_ENTRY)
        return;
    put_u64(to + 17, change_mark(item->change.class, item->change.epoch));
    memcpy(to + 25, item->id, HASH_BYTES);
    memcpy(to + 25 + HASH_BYTES, item->change.signature, SIGNATURE_BYTES);
    buffer_add(out, item->change.sealed.ptr, item->change.sealed.len);
}

/* All but the head of its chain and the circle's newest sequence. */
static uint64_t item_append(struct store_txn *txn, const struct hub_item *item)
{
    uint64_t sequence = hub_sequence(txn) + 1;
    struct key key = key_of_u64(sequence);
    struct key circle_key = key_of_u32(item->circle);
    uint8_t author[4];
    struct buffer value;

    buffer_init(&value, ITEM_HEAD_BYTES + CHANGE_SEALED_MAX);
    item_write(item, &value);
    if (value.err)
        store_fail(txn, value.err);
    store_append(txn, TABLE_HUB_LOG, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
    key_u64(&circle_key, sequence);
    put_u32(author, item->device);
    store_put(txn, TABLE_HUB_CIRCLE_LOG, key_bytes(&circle_key),
              bytes_of(author, item->kind == HUB_ITEM_CHANGE ? sizeof author : 0));
    if (item->kind != HUB_ITEM_CHANGE)
        return sequence;
    struct key log_key = chain_key(item->circle, item->device);
    key_u64(&log_key, item->n);
    store_put_u64(txn, TABLE_HUB_CHAIN_LOG, key_bytes(&log_key), sequence);
    if (item->change.class == CHANGE_URGENT)
        store_put_u64(txn, TABLE_HUB_URGENT, key_bytes(&key), item->circle);
    return sequence;
}

static void circle_last_put(struct store_txn *txn, uint32_t circle, uint64_t sequence)
{
    struct key key = key_of_u32(circle);

    store_put_u64(txn, TABLE_HUB_LAST, key_bytes(&key), sequence);
}

uint64_t hub_item_add(struct store_txn *txn, const struct hub_item *item)
{
    uint64_t sequence = item_append(txn, item);

    circle_last_put(txn, item->circle, sequence);
    if (item->kind == HUB_ITEM_CHANGE)
        chain_head_put(txn, item);
    return sequence;
}

void hub_chain_open(struct store_txn *txn, struct hub_chain *chain, uint32_t circle,
                    uint32_t device)
{
    if (chain->circle == circle && chain->device == device)
        return;
    hub_chain_close(txn, chain);
    *chain = (struct hub_chain){
        .circle = circle, .device = device, .head = hub_chain_head(txn, circle, device)};
}

void hub_chain_add(struct store_txn *txn, struct hub_chain *chain, const struct hub_item *item)
{
    chain->sequence = item_append(txn, item);
    chain->head.n = item->n;
    memcpy(chain->head.id, item->id, HASH_BYTES);
}

void hub_chain_close(struct store_txn *txn, struct hub_chain *chain)
{
    struct hub_item newest = {.circle = chain->circle, .device = chain->device, .n = chain->head.n};

    if (chain->sequence) {
        memcpy(newest.id, chain->head.id, HASH_BYTES);
        chain_head_put(txn, &newest);
        circle_last_put(txn, chain->circle, chain->sequence);
    }
    *chain = (struct hub_chain){0};
}

bool hub_is_urgent(struct store_txn *txn, uint64_t sequence)
{
    struct key key = key_of_u64(sequence);

    return store_get(txn, TABLE_HUB_URGENT, key_bytes(&key), NULL);
}

struct store_walk hub_urgent(struct store_txn *txn, uint64_t after)
{
    struct key from = key_of_u64(after + 1);

    return store_walk_begin(txn, TABLE_HUB_URGENT, bytes_of(NULL, 0), key_bytes(&from));
}

bool hub_urgent_next(struct store_walk *walk, uint64_t *sequence, uint32_t *circle)
{
    if (!store_walk_next(walk))
        return false;
    struct bytes value = store_walk_value(walk);
    if (walk->key.len != 8 || value.len != 8) {
        store_fail(walk->txn, KITH_DAMAGED);
        return false;
    }
    *sequence = get_u64(walk->key.ptr);
    *circle = (uint32_t)get_u64(value.ptr);
    return true;
}

bool hub_item_get(struct store_txn *txn, uint64_t sequence, struct hub_item *item)
{
    struct key key = key_of_u64(sequence);
    struct bytes value;

    if (!store_get(txn, TABLE_HUB_LOG, key_bytes(&key), &value))
        return false;
    memset(item, 0, sizeof *item);
    if (value.len < ITEM_HEAD_BYTES || value.ptr[0] < HUB_ITEM_CHANGE ||
        value.ptr[0] > HUB_ITEM_HELD) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    item->kind = (enum hub_item_kind)value.ptr[0];
    item->circle = get_u32(value.ptr + 1);
    item->device = get_u32(value.ptr + 5);
    item->n = get_u64(value.ptr + 9);
    if (item->kind == HUB_ITEM_ENTRY)
        return true;
    memcpy(item->id, value.ptr + 25, HASH_BYTES);
    item->change.signature = value.ptr + 25 + HASH_BYTES;
    item->change.sealed = bytes_after(value, ITEM_HEAD_BYTES);
    if (change_mark_read(get_u64(value.ptr + 17), &item->change.class, &item->change.epoch)) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    return true;
}

bool hub_change_id(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                   uint8_t id[static HASH_BYTES])
{
    struct key key = chain_key(circle, device);
    struct hub_item item;
    uint64_t sequence;

    key_u64(&key, n);
    if (!store_get_u64(txn, TABLE_HUB_CHAIN_LOG, key_bytes(&key), &sequence))
        return false;
    if (!hub_item_get(txn, sequence, &item))
        return false;
    memcpy(id, item.id, HASH_BYTES);
    return true;
}
