/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, listing and looking back: what a person asks of the merged records and of the log behind
 * them. */
#include <stdlib.h>
#include <string.h>

#include "protocol/state.h"
#include "store/replica_internal.h"

static enum kith_err read_found(struct store_txn *txn, const struct record_place *place,
                                struct bytes value, const uint8_t circle[static ID_BYTES],
                                struct found_record *found)
{
    found->place = *place;
    memcpy(found->circle, circle, ID_BYTES);
    return record_decode(&found->record, &txn->arena, value);
}

enum kith_err replica_find_in(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                              uint32_t type, const uint8_t id[static ID_BYTES],
                              struct found_record *found)
{
    uint32_t number = device_circle_number(txn, circle);
    struct bytes value;

    if (number == 0)
        return txn->err ? txn->err : KITH_NOT_FOUND;
    struct record_place place = device_record_find(txn, number, circle, type, id);
    if (!device_record_get(txn, &place, &value))
        return txn->err ? txn->err : KITH_NOT_FOUND;
    return read_found(txn, &place, value, circle, found);
}

/* Remembers the one that fits, and that there were more. */
struct search {
    const uint8_t *id;
    unsigned bits;
    uint8_t circle[ID_BYTES];
    uint8_t record[ID_BYTES];
    unsigned hits;
};

static bool search_visit(void *owner, const struct found_record *found)
{
    struct search *search = owner;

    if (!id_has_prefix(found->record.id, search->id, search->bits))
        return true;
    memcpy(search->circle, found->circle, ID_BYTES);
    memcpy(search->record, found->record.id, ID_BYTES);
    return ++search->hits < 2;
}

enum kith_err replica_find(struct store_txn *txn, uint32_t type, const uint8_t id[static ID_BYTES],
                           unsigned bits, struct found_record *found)
{
    struct search search = {.id = id, .bits = bits};
    enum kith_err err = KITH_NOT_FOUND;

    /* A record about what a circle is about has the circle's own id: the common case needs no
     * search. */
    if (bits == ID_BYTES * 8)
        err = replica_find_in(txn, id, type, id, found);
    if (err != KITH_NOT_FOUND)
        return err;
    err = replica_each(txn, type, NULL, search_visit, &search);
    if (err)
        return err;
    if (search.hits != 1)
        return search.hits ? KITH_AMBIGUOUS : KITH_NOT_FOUND;
    return replica_find_in(txn, search.circle, type, search.record, found);
}

static bool each_in_circle(struct store_txn *txn, uint32_t number, uint32_t type,
                           replica_visit *visit, void *owner)
{
    struct store_walk walk = device_records(txn, number, type);
    struct found_record found;
    struct record_place place;
    struct circle_row row;
    uint8_t circle[ID_BYTES];
    bool is_going_on = true;

    device_circle_get(txn, number, &row);
    memcpy(circle, row.circle.id, ID_BYTES);
    circle_clear(&row.circle);
    while (is_going_on && device_record_next(&walk, &place)) {
        enum kith_err err = read_found(txn, &place, store_walk_value(&walk), circle, &found);
        if (err)
            store_fail(txn, err);
        else
            is_going_on = visit(owner, &found);
        store_forget(txn);
    }
    store_walk_end(&walk);
    return is_going_on && !txn->err;
}

enum kith_err replica_each(struct store_txn *txn, uint32_t type, const uint8_t *circle,
                           replica_visit *visit, void *owner)
{
    uint32_t first = 1;
    uint32_t last = device_circle_count(txn);

    if (circle) {
        first = device_circle_number(txn, circle);
        last = first;
        if (first == 0)
            return txn->err ? txn->err : KITH_NOT_FOUND;
    }
    for (uint32_t number = first; number <= last; number++)
        if (!each_in_circle(txn, number, type, visit, owner))
            break;
    return txn->err;
}

uint32_t replica_circles(struct store_txn *txn)
{
    return device_circle_count(txn);
}

bool replica_state(struct store_txn *txn, uint32_t number, uint8_t circle[static ID_BYTES],
                   uint8_t hash[static HASH_BYTES])
{
    struct circle_row row;
    struct state_hash state;
    struct record_place place;

    device_circle_get(txn, number, &row);
    bool is_read = !txn->err && row.part == PART_MEMBER;
    if (is_read) {
        struct store_walk walk = device_records(txn, number, 0);
        state_begin(&state);
        while (device_record_next(&walk, &place))
            state_add(&state, store_walk_value(&walk));
        store_walk_end(&walk);
        memcpy(circle, row.circle.id, ID_BYTES);
        store_fail(txn, state_end(&state, row.circle.agency, circle, hash));
    }
    circle_clear(&row.circle);
    return is_read && !txn->err;
}

static void tell_events(const struct found_record *found, struct dot dot, struct bytes text,
                        replica_event *event, void *owner)
{
    struct payload payload;
    struct op op;

    if (payload_open(&payload, text))
        return;
    while (payload_next_op(&payload, &op))
        if (op.type == found->record.type && memcmp(op.record, found->record.id, ID_BYTES) == 0)
            event(owner, dot, payload.hlc, &op);
}

enum kith_err replica_history(struct store_txn *txn, const struct found_record *found,
                              replica_event *event, void *owner)
{
    struct circle_work work;
    struct buffer text;
    uint32_t number;
    uint64_t n;
    enum kith_err err = circle_work_begin(txn, found->circle, &work);

    buffer_init(&text, CHANGE_TEXT_MAX);
    struct store_walk walk = device_touches(txn, found->place.number);
    while (!err && device_touch_next(&walk, &number, &n)) {
        const struct chain_row *chain = NULL;
        for (uint32_t i = 0; i < work.chain_count; i++)
            if (work.chains[i].number == number)
                chain = &work.chains[i];
        buffer_reset(&text);
        err = chain ? circle_work_text(txn, &work, chain, n, &text) : KITH_DAMAGED;
        if (!err)
            tell_events(found, (struct dot){chain->device, n}, buffer_view(&text), event, owner);
    }
    store_walk_end(&walk);
    circle_work_end(txn, &work);
    buffer_clear(&text);
    return err ? err : txn->err;
}

const struct dot *replica_past(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                               uint32_t *count, enum kith_err *err)
{
    struct circle_work work;
    struct dot *dots = NULL;

    *count = 0;
    *err = circle_work_begin(txn, circle, &work);
    if (!*err)
        dots = arena_take(&txn->arena, (work.chain_count + 1) * sizeof *dots);
    if (!*err && !dots)
        *err = KITH_MEMORY;
    for (uint32_t i = 0; !*err && i < work.chain_count && *count < SEEN_MAX; i++) {
        struct dot dot = {work.chains[i].device, work.chains[i].applied};
        uint32_t place = *count;
        if (dot.n == 0)
            continue;
        for (; place > 0 && dot_compare(dot, dots[place - 1]) < 0; place--)
            dots[place] = dots[place - 1];
        dots[place] = dot;
        (*count)++;
    }
    circle_work_end(txn, &work);
    return *err ? NULL : dots;
}

/* The stamp of a change in the own log; 0 if it cannot be read. */
static uint64_t stamp_of(struct store_txn *txn, struct circle_work *work,
                         const struct chain_row *chain, uint64_t n)
{
    struct payload payload = {0};
    struct buffer text;

    buffer_init(&text, CHANGE_TEXT_MAX);
    enum kith_err err = circle_work_text(txn, work, chain, n, &text);
    if (!err)
        err = payload_open(&payload, buffer_view(&text));
    buffer_clear(&text);
    return err ? 0 : payload.hlc;
}

static bool unsent_of(struct store_txn *txn, uint32_t number, struct unsent_run *run)
{
    struct receipt_row receipt = {0};
    struct circle_row row;
    struct circle_work work;
    bool is_found = false;

    device_circle_get(txn, number, &row);
    memcpy(run->circle, row.circle.id, ID_BYTES);
    circle_clear(&row.circle);
    (void)device_receipt_get(txn, number, &receipt);
    if (txn->err || circle_work_begin(txn, run->circle, &work))
        return false;
    for (uint32_t i = 0; i < work.chain_count && !is_found; i++) {
        const struct chain_row *chain = &work.chains[i];
        is_found = chain->number == CHAIN_OWN && chain->received > receipt.n;
        if (is_found) {
            run->first = receipt.n + 1;
            run->last = chain->received;
            run->hlc = stamp_of(txn, &work, chain, chain->received);
        }
    }
    circle_work_end(txn, &work);
    return is_found;
}

enum kith_err replica_unsent(struct replica *replica, struct unsent_run **runs, size_t *count)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    uint32_t circles = device_circle_count(&txn);

    *count = 0;
    *runs = calloc((size_t)circles + 1, sizeof **runs);
    if (!*runs) {
        store_abort(&txn);
        return KITH_MEMORY;
    }
    for (uint32_t number = 1; number <= circles && !txn.err; number++) {
        *count += unsent_of(&txn, number, &(*runs)[*count]);
        store_forget(&txn);
    }
    return store_commit(&txn);
}
