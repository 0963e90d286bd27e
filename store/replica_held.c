/* SPDX-License-Identifier: Apache-2.0 */
/* What people decide about circles and what is held: each wish is noted, to be written into the
 * access chain at the next contact. */
#include <stdlib.h>
#include <string.h>

#include "store/device_held_rows.h"
#include "store/replica_internal.h"

/* Notes a wish about a circle, if `check` lets it. */
typedef enum kith_err wish_check(const struct replica *replica, const struct circle *circle,
                                 const struct intent_row *intent);

static enum kith_err note_wish(struct replica *replica, const uint8_t circle[static ID_BYTES],
                               struct intent_row *intent, wish_check *check)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        struct circle_work work;
        err = circle_work_begin(&txn, circle, &work);
        if (!err)
            err = check(replica, &work.row.circle, intent);
        intent->circle = work.row.number;
        intent->number = 0;
        if (err)
            store_fail(&txn, err);
        else
            device_intent_put(&txn, intent);
        circle_clear(&work.row.circle);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

static enum kith_err withdraw_check(const struct replica *replica, const struct circle *circle,
                                    const struct intent_row *intent)
{
    return circle_may_withdraw(circle, &replica->roster, replica->roster.count,
                               replica_person(replica), intent->member.person);
}

enum kith_err replica_withdraw(struct replica *replica, const uint8_t circle[static ID_BYTES],
                               uint32_t person, enum leaving leaving)
{
    struct intent_row intent = {
        .kind = INTENT_WITHDRAW, .member = {person, CIRCLE_READ}, .leaving = leaving};

    return note_wish(replica, circle, &intent, withdraw_check);
}

/* The number of a circle and what waits there are looked up apart: a walk holds the table. */
static void fill_held(struct store_txn *txn, const struct waiting_row *row,
                      struct held_change *change)
{
    struct circle_row circle;

    device_circle_get(txn, row->circle, &circle);
    memcpy(change->circle, circle.circle.id, ID_BYTES);
    circle_clear(&circle.circle);
    change->device = row->device;
    change->n = row->n;
    memcpy(change->id, row->id, HASH_BYTES);
    change->is_rejected = row->is_rejected;
    change->leaving = row->leaving;
    change->time_s = row->time_s;
}

enum kith_err replica_held(struct replica *replica, struct held_change **changes, size_t *count)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    size_t room = store_count(&txn, TABLE_DEVICE_HELD);
    struct waiting_row row;

    *count = 0;
    *changes = calloc(room + 1, sizeof **changes);
    if (!*changes)
        store_fail(&txn, KITH_MEMORY);
    struct store_walk walk = device_waitings(&txn, 0);
    while (*changes && *count < room && device_waiting_next(&walk, &row))
        fill_held(&txn, &row, &(*changes)[(*count)++]);
    store_walk_end(&walk);
    return store_commit(&txn);
}

static bool find_waiting(struct store_txn *txn, uint32_t circle, const struct held_change *change,
                         struct waiting_row *row)
{
    struct store_walk walk = device_waitings(txn, circle);
    bool is_found = false;

    while (!is_found && device_waiting_next(&walk, row))
        is_found = row->device == change->device && row->n == change->n;
    store_walk_end(&walk);
    return is_found;
}

enum kith_err replica_held_text(struct replica *replica, const struct held_change *change,
                                struct buffer *text)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct circle_work work;
    struct waiting_row row;
    enum kith_err err = circle_work_begin(&txn, change->circle, &work);

    if (!err && !find_waiting(&txn, work.row.number, change, &row))
        err = KITH_NOT_FOUND;
    if (!err)
        err = circle_work_key(&txn, &work, row.change.epoch);
    if (!err) {
        struct change_header header = {
            .class = row.change.class, .epoch = row.change.epoch, .device = row.device, .n = row.n};
        memcpy(header.agency, work.row.circle.agency, ID_BYTES);
        memcpy(header.circle, work.row.circle.id, ID_BYTES);
        memcpy(header.prev, row.prev, HASH_BYTES);
        err = change_open(&header, row.change.sealed, work.epoch_key, text);
    }
    if (err)
        store_fail(&txn, err);
    circle_work_end(&txn, &work);
    return store_commit(&txn);
}

static enum kith_err decide_check(const struct replica *replica, const struct circle *circle,
                                  const struct intent_row *intent)
{
    const struct circle_cut *cut = circle_cut(circle, intent->device);

    if (cut && intent->n <= cut->n)
        return KITH_EXISTS;
    return circle_may_decide(circle, &replica->roster, replica->roster.count,
                             replica_person(replica));
}

static enum kith_err decide(struct replica *replica, const struct held_change *change,
                            enum intent_kind kind, struct bytes reason)
{
    struct intent_row intent = {
        .kind = kind, .device = change->device, .n = change->n, .reason = reason};

    memcpy(intent.id, change->id, HASH_BYTES);
    return note_wish(replica, change->circle, &intent, decide_check);
}

enum kith_err replica_admit(struct replica *replica, const struct held_change *change)
{
    return decide(replica, change, INTENT_ADMIT, bytes_of(NULL, 0));
}

enum kith_err replica_reject(struct replica *replica, const struct held_change *change,
                             struct bytes reason)
{
    /* Sealing adds a nonce and a tag when the entry is written. */
    if (reason.len + NONCE_BYTES + TAG_BYTES > CIRCLE_REASON_MAX)
        return KITH_TOO_LARGE;
    return decide(replica, change, INTENT_REJECT, reason);
}
