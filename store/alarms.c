/* SPDX-License-Identifier: Apache-2.0 */
#include "store/give_back.h"
#include "store/alarms.h"

#include <string.h>

#include "store/alarms_internal.h"

const char *alarm_word(enum alarm_kind kind)
{
    switch (kind) {
#define ALARM_WORD(number, name, word)                                                             \
    case ALARM_##name:                                                                             \
        return word;
        ALARMS(ALARM_WORD)
#undef ALARM_WORD
    }
    return "";
}

/* Both tables have the key kind, circle, device. */
static struct key place_key(const struct alarm *alarm)
{
    struct key key = {.len = 0};

    key_u16(&key, (uint16_t)alarm->kind);
    key_u32(&key, alarm->circle);
    key_u32(&key, alarm->device);
    return key;
}

static bool place_read(struct bytes key, struct alarm *alarm)
{
    if (key.len != 10)
        return false;
    alarm->kind = (enum alarm_kind)get_u16(key.ptr);
    alarm->circle = get_u32(key.ptr + 2);
    alarm->device = get_u32(key.ptr + 6);
    return true;
}

#define PROOF_HEAD_BYTES (HASH_BYTES + SIGNATURE_BYTES + 1 + 4)
#define ALARM_ROW_BYTES  (8 + 4 + 8 + 8 + 4 + 1)

static bool alarm_read(struct bytes value, struct alarm *alarm)
{
    if (value.len != ALARM_ROW_BYTES)
        return false;
    alarm->n = get_u64(value.ptr);
    alarm->reason = (enum kith_err)get_u32(value.ptr + 8);
    alarm->first_ms = get_u64(value.ptr + 12);
    alarm->last_ms = get_u64(value.ptr + 20);
    alarm->times = get_u32(value.ptr + 28);
    alarm->is_over = value.ptr[32] != 0;
    return true;
}

static void alarm_put(struct store_txn *txn, const struct alarm *alarm)
{
    struct key key = place_key(alarm);
    uint8_t value[ALARM_ROW_BYTES];

    put_u64(value, alarm->n);
    put_u32(value + 8, (uint32_t)alarm->reason);
    put_u64(value + 12, alarm->first_ms);
    put_u64(value + 20, alarm->last_ms);
    put_u32(value + 28, alarm->times);
    value[32] = alarm->is_over;
    store_put(txn, TABLE_DEVICE_ALARM, key_bytes(&key), bytes_of(value, sizeof value));
}

void alarm_raise(struct store_txn *txn, const struct alarm *alarm, uint64_t now_ms)
{
    struct key key = place_key(alarm);
    struct alarm known = {.first_ms = now_ms};
    struct alarm row = *alarm;
    struct bytes value;

    if (store_get(txn, TABLE_DEVICE_ALARM, key_bytes(&key), &value) && !alarm_read(value, &known))
        store_fail(txn, KITH_DAMAGED);
    row.first_ms = known.first_ms;
    row.last_ms = now_ms;
    row.times = known.times + (known.times < UINT32_MAX);
    row.is_over = false;
    alarm_put(txn, &row);
}

enum kith_err replica_alarm(struct replica *replica, const struct alarm *alarm, uint64_t now_ms)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        alarm_raise(&txn, alarm, now_ms);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

/* What an alarm said is no longer so. */
static void alarm_end(struct store_txn *txn, const struct alarm *place)
{
    struct key key = place_key(place);
    struct alarm known = *place;
    struct bytes value;

    if (!store_get(txn, TABLE_DEVICE_ALARM, key_bytes(&key), &value))
        return;
    if (!alarm_read(value, &known))
        store_fail(txn, KITH_DAMAGED);
    known.is_over = true;
    alarm_put(txn, &known);
}

void alarm_end_at(struct store_txn *txn, enum alarm_kind kind, uint32_t circle)
{
    alarm_end(txn, &(struct alarm){.kind = kind, .circle = circle});
}

bool alarm_is_raised(struct store_txn *txn, enum alarm_kind kind)
{
    struct store_walk walk = alarms_walk(txn);
    struct alarm alarm;
    bool is_raised = false;

    while (!is_raised && alarm_next(&walk, &alarm))
        is_raised = alarm.kind == kind && !alarm.is_over;
    store_walk_end(&walk);
    return is_raised;
}

struct store_walk alarms_walk(struct store_txn *txn)
{
    return store_walk_begin(txn, TABLE_DEVICE_ALARM, bytes_of(NULL, 0), bytes_of(NULL, 0));
}

bool alarm_next(struct store_walk *walk, struct alarm *alarm)
{
    memset(alarm, 0, sizeof *alarm);
    if (!store_walk_next(walk))
        return false;
    if (place_read(walk->key, alarm) && alarm_read(store_walk_value(walk), alarm))
        return true;
    store_fail(walk->txn, KITH_DAMAGED);
    return false;
}

/* Evidence is kept as the alarm that it may become, with the head that was named. */
struct evidence {
    struct alarm place;
    uint8_t head[HEAD_PREFIX_BYTES];
};
#define EVIDENCE_ROW_BYTES (8 + HEAD_PREFIX_BYTES)
#define EVIDENCE_MAX       4096 /* looked at in one go */

/* The newest that was named is enough: what comes before it is covered. */
static void evidence_put(struct store_txn *txn, const struct evidence *evidence)
{
    struct key key = place_key(&evidence->place);
    uint8_t row[EVIDENCE_ROW_BYTES];
    struct bytes known;

    if (store_get(txn, TABLE_DEVICE_EVIDENCE, key_bytes(&key), &known) &&
        known.len == EVIDENCE_ROW_BYTES && get_u64(known.ptr) >= evidence->place.n)
        return;
    put_u64(row, evidence->place.n);
    memcpy(row + 8, evidence->head, HEAD_PREFIX_BYTES);
    store_put(txn, TABLE_DEVICE_EVIDENCE, key_bytes(&key), bytes_of(row, sizeof row));
}

static uint64_t received_of(const struct chain_row *chains, uint32_t count, uint32_t device)
{
    for (uint32_t i = 0; i < count; i++)
        if (chains[i].device == device)
            return chains[i].received;
    return 0;
}

void evidence_of_seen(struct store_txn *txn, const struct circle_work *work, struct payload payload)
{
    struct dot dot;

    while (payload_next_seen(&payload, &dot)) {
        const struct evidence evidence = {.place = {.kind = ALARM_CHANGE_HIDDEN,
                                                    .circle = work->row.number,
                                                    .device = dot.device,
                                                    .n = dot.n}};
        if (received_of(work->chains, work->chain_count, dot.device) < dot.n &&
            !circle_work_is_cut_off(txn, work, dot))
            evidence_put(txn, &evidence);
    }
}

/* The hash of an entry of the roster (circle 0) or of an access chain; false if it is not here. */
static bool entry_hash(struct store_txn *txn, uint32_t circle, uint64_t seq,
                       uint8_t hash[static HASH_BYTES])
{
    struct roster_entry of_roster;
    struct circle_entry of_circle;
    struct bytes entry;
    bool is_here = circle ? device_entry_get(txn, circle, (uint32_t)seq, &entry)
                          : device_roster_get(txn, (uint32_t)seq, &entry);

    if (!is_here)
        return false;
    enum kith_err err = circle ? circle_entry_read(&of_circle, entry, &txn->arena)
                               : roster_entry_read(&of_roster, entry);
    if (err) {
        store_fail(txn, KITH_DAMAGED);
        return false;
    }
    memcpy(hash, circle ? of_circle.link.hash : of_roster.link.hash, HASH_BYTES);
    return true;
}

/* Compares a head that somebody named with the chain that is here; false if it does not reach so
 * far. */
static bool head_is_settled(struct store_txn *txn, const struct evidence *evidence, uint64_t now_ms)
{
    bool is_roster = evidence->place.kind == ALARM_ROSTER_HIDDEN;
    struct alarm differs = evidence->place;
    uint8_t hash[HASH_BYTES];

    if (!entry_hash(txn, is_roster ? 0 : evidence->place.circle, evidence->place.n, hash))
        return false;
    differs.kind = is_roster ? ALARM_ROSTER_DIFFERS : ALARM_CIRCLE_DIFFERS;
    /* A restored hub may have gone on with another entry than the one that was lost. */
    if (memcmp(hash, evidence->head, HEAD_PREFIX_BYTES) != 0 && !give_back_is_recent(txn, now_ms))
        alarm_raise(txn, &differs, now_ms);
    return true;
}

void evidence_of_heads(struct store_txn *txn, const struct circle_work *work, uint32_t author,
                       const struct payload *payload, uint64_t now_ms)
{
    const struct payload_heads *heads = &payload->heads;
    struct evidence roster = {
        .place = {.kind = ALARM_ROSTER_HIDDEN, .device = author, .n = heads->roster_seq}};
    struct evidence circle = {.place = {.kind = ALARM_CIRCLE_HIDDEN,
                                        .circle = work->row.number,
                                        .device = author,
                                        .n = heads->circle_seq}};

    if (!heads->is_present)
        return;
    memcpy(roster.head, heads->roster, HEAD_PREFIX_BYTES);
    memcpy(circle.head, heads->circle, HEAD_PREFIX_BYTES);
    if (!head_is_settled(txn, &roster, now_ms))
        evidence_put(txn, &roster);
    if (!head_is_settled(txn, &circle, now_ms))
        evidence_put(txn, &circle);
}

/* Whether the change has come; if not, which one is awaited first. */
static bool change_is_settled(struct store_txn *txn, struct evidence *evidence)
{
    uint32_t count;
    struct chain_row *chains = device_chains(txn, evidence->place.circle, &count);
    uint64_t received = received_of(chains, count, evidence->place.device);

    if (received >= evidence->place.n)
        return true;
    evidence->place.n = received + 1;
    return false;
}

/* Of a circle that this device has left nothing is awaited. */
static bool is_left(struct store_txn *txn, const struct alarm *place)
{
    struct circle_row row;

    if (place->circle == 0)
        return false;
    device_circle_get(txn, place->circle, &row);
    bool is_left = row.number == 0 || row.part == PART_LEFT || row.part == PART_PURGED;
    circle_clear(&row.circle);
    return is_left;
}

/* What is not served of a device that was removed may wait for a decision. */
static bool may_be_held(const struct roster *roster, const struct alarm *place)
{
    const struct roster_device *device = roster_device(roster, place->device);

    return place->kind == ALARM_CHANGE_HIDDEN && device && device->state == DEVICE_ENDED;
}

static void settle_one(struct store_txn *txn, const struct roster *roster,
                       struct evidence *evidence, uint64_t now_ms)
{
    struct key key = place_key(&evidence->place);
    bool is_settled = is_left(txn, &evidence->place);

    if (!is_settled)
        is_settled = evidence->place.kind == ALARM_CHANGE_HIDDEN
                         ? change_is_settled(txn, evidence)
                         : head_is_settled(txn, evidence, now_ms);
    if (is_settled) {
        store_delete(txn, TABLE_DEVICE_EVIDENCE, key_bytes(&key));
        alarm_end(txn, &evidence->place);
    } else if (!may_be_held(roster, &evidence->place) && !give_back_is_recent(txn, now_ms)) {
        alarm_raise(txn, &evidence->place, now_ms);
    }
}

static struct evidence *evidence_all(struct store_txn *txn, uint32_t *count)
{
    uint64_t all = store_count(txn, TABLE_DEVICE_EVIDENCE);
    uint32_t max = all < EVIDENCE_MAX ? (uint32_t)all : EVIDENCE_MAX;
    struct evidence *rows = arena_take(&txn->arena, (max + 1) * sizeof *rows);
    struct store_walk walk =
        store_walk_begin(txn, TABLE_DEVICE_EVIDENCE, bytes_of(NULL, 0), bytes_of(NULL, 0));

    *count = 0;
    if (!rows)
        store_fail(txn, KITH_MEMORY);
    while (rows && *count < max && store_walk_next(&walk)) {
        struct bytes value = store_walk_value(&walk);
        struct evidence *row = &rows[(*count)++];
        memset(row, 0, sizeof *row);
        if (!place_read(walk.key, &row->place) || value.len != EVIDENCE_ROW_BYTES) {
            store_fail(txn, KITH_DAMAGED);
            break;
        }
        row->place.n = get_u64(value.ptr);
        memcpy(row->head, value.ptr + 8, HEAD_PREFIX_BYTES);
    }
    store_walk_end(&walk);
    return rows;
}

static bool has_evidence(struct replica *replica)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    bool has = store_count(&txn, TABLE_DEVICE_EVIDENCE) > 0;

    store_abort(&txn);
    return has;
}

enum kith_err evidence_settle(struct replica *replica, uint64_t now_ms)
{
    enum kith_err err;

    if (!has_evidence(replica))
        return KITH_OK;
    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        uint32_t count;
        struct evidence *rows = evidence_all(&txn, &count);
        for (uint32_t i = 0; i < count && !txn.err; i++)
            settle_one(&txn, &replica->roster, &rows[i], now_ms);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

static struct key proof_key(const struct alarm *alarm)
{
    struct key key = key_of_u32(alarm->circle);

    key_u32(&key, alarm->device);
    key_u64(&key, alarm->n);
    return key;
}

/* As it came: with the access chain it can be checked by anybody. */
static void proof_put(struct store_txn *txn, const struct alarm *alarm, const struct log_row *row)
{
    struct key key = proof_key(alarm);
    struct buffer value;

    buffer_init(&value, PROOF_HEAD_BYTES + CHANGE_SEALED_MAX);
    uint8_t *to = buffer_extend(&value, PROOF_HEAD_BYTES);
    if (to) {
        memcpy(to, row->id, HASH_BYTES);
        memcpy(to + HASH_BYTES, row->change.signature, SIGNATURE_BYTES);
        to[HASH_BYTES + SIGNATURE_BYTES] = (uint8_t)row->change.class;
        put_u32(to + HASH_BYTES + SIGNATURE_BYTES + 1, row->change.epoch);
    }
    buffer_add(&value, row->change.sealed.ptr, row->change.sealed.len);
    if (value.err)
        store_fail(txn, value.err);
    else
        store_put(txn, TABLE_DEVICE_PROOF, key_bytes(&key), buffer_view(&value));
    buffer_clear(&value);
}

void alarm_keep_proof(struct store_txn *txn, uint32_t circle, uint32_t device, uint64_t n,
                      const struct log_row *row)
{
    const struct alarm place = {.circle = circle, .device = device, .n = n};

    proof_put(txn, &place, row);
}

bool alarm_proof(struct store_txn *txn, const struct alarm *alarm, uint8_t first[static HASH_BYTES],
                 uint8_t second[static HASH_BYTES])
{
    struct key key = proof_key(alarm);
    struct bytes value;
    struct log_row row;
    uint32_t count;
    const struct chain_row *chains = device_chains(txn, alarm->circle, &count);

    if (!store_get(txn, TABLE_DEVICE_PROOF, key_bytes(&key), &value) ||
        value.len < PROOF_HEAD_BYTES)
        return false;
    memcpy(second, value.ptr, HASH_BYTES);
    for (uint32_t i = 0; i < count; i++)
        if (chains[i].device == alarm->device &&
            device_log_get(txn, alarm->circle, chains[i].number, alarm->n, &row)) {
            memcpy(first, row.id, HASH_BYTES);
            return true;
        }
    return false;
}

void alarm_if_another(struct store_txn *txn, const struct circle_work *work,
                      const struct chain_row *chain, uint64_t n, const struct change *change,
                      const struct roster_device *author, uint64_t now_ms)
{
    struct log_row known;
    struct log_row before;
    struct log_row again = {.change = *change};
    struct change_header header;
    const struct alarm alarm = {
        .kind = ALARM_TWO_CHANGES, .circle = work->row.number, .device = chain->device, .n = n};

    if (!device_log_get(txn, work->row.number, chain->number, n, &known) ||
        memcmp(known.change.signature, change->signature, SIGNATURE_BYTES) == 0)
        return;
    change_header_of(work, chain, &again, n, &header);
    if (n > 1 && device_log_get(txn, work->row.number, chain->number, n - 1, &before))
        memcpy(header.prev, before.id, HASH_BYTES);
    change_id(&header, change->sealed, again.id);
    if (change_verify(again.id, change->signature, author->keys.sign) == KITH_OK) {
        alarm_raise(txn, &alarm, now_ms);
        proof_put(txn, &alarm, &again);
    }
}

void alarm_if_roster_is_less(struct store_txn *txn, const struct roster *roster, uint32_t floor,
                             const struct ack_line *line, uint64_t now_ms)
{
    struct alarm alarm = {.kind = ALARM_ROLLED_BACK, .n = floor};
    uint8_t hash[HASH_BYTES];

    if (line->n < floor)
        alarm_raise(txn, &alarm, now_ms);
    alarm = (struct alarm){.kind = ALARM_ROSTER_FORKED, .n = line->n};
    if (line->n <= roster->count && entry_hash(txn, 0, line->n, hash) &&
        memcmp(hash, line->head, HASH_BYTES) != 0)
        alarm_raise(txn, &alarm, now_ms);
}

static enum alarm_kind refused_kind(enum frame_type type, enum kith_err reason)
{
    if (reason != KITH_FORKED || type == FRAME_CHANGES)
        return ALARM_REFUSED;
    if (type == FRAME_ROSTER)
        return ALARM_ROSTER_FORKED;
    return type == FRAME_CIRCLE ? ALARM_CIRCLE_FORKED : ALARM_OWN_FORKED;
}

enum kith_err alarm_refused(struct replica *replica, const struct alarm *where,
                            enum frame_type type, enum kith_err reason, uint64_t now_ms)
{
    struct alarm alarm = *where;
    struct hub_state hub;
    enum kith_err err;

    alarm.kind = refused_kind(type, reason);
    alarm.reason = reason;
    if (type == FRAME_ROSTER)
        alarm.circle = 0;
    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        alarm_raise(&txn, &alarm, now_ms);
        replica_hub_get(&txn, &hub);
        if (reason == KITH_GAP && hub.cursor_len > 0) {
            hub.cursor_len = 0;
            replica_hub_put(&txn, &hub);
        }
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}
