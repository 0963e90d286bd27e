/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving waits for nothing, not even for a key.
 *
 * While a rotation is owed, or the newest epoch's key has not come, nothing is sealed: what is
 * saved is logged as packed text under its number, merged and read like any other change, and
 * sealed under the next good key before it is sent. What waits is always the end of the own chain.
 * A device that has left gets no good key any more: it seals under the newest that it has, for the
 * hub to hold.
 */
#include <string.h>

#include "protocol/compress.h"
#include "store/replica_internal.h"

uint64_t late_sealed_through(struct store_txn *txn, uint32_t circle, const struct chain_row *own)
{
    uint64_t n = own->received;
    struct log_row row;

    while (n > 0 && device_log_get(txn, circle, own->number, n, &row) && row.change.epoch == 0)
        n--;
    return n;
}

static bool has_waiting(struct store_txn *txn, const struct circle_work *work)
{
    struct chain_row own = device_chain_own(txn, work->row.number);

    return late_sealed_through(txn, work->row.number, &own) < own.received;
}

static bool is_key_good(const struct replica *replica, struct store_txn *txn,
                        struct circle_work *work)
{
    return circle_rotation_owed(&work->row.circle, &replica->roster) == 0 &&
           !circle_work_key(txn, work, work->row.circle.epoch);
}

bool late_is_due(const struct replica *replica, struct store_txn *txn, struct circle_work *work)
{
    return !is_key_good(replica, txn, work) || has_waiting(txn, work);
}

void late_put(struct store_txn *txn, struct circle_work *work, struct chain_row *own,
              enum change_class class, struct bytes text)
{
    static const uint8_t unsigned_yet[SIGNATURE_BYTES];
    struct log_row row = {.change = {.class = class, .signature = unsigned_yet}};
    struct buffer packed;

    buffer_init(&packed, CHANGE_SEALED_MAX - NONCE_BYTES - TAG_BYTES);
    enum kith_err err = text_pack(text, &packed);
    if (!err)
        err = packed.err;
    if (err)
        store_fail(txn, err);
    row.change.sealed = buffer_view(&packed);
    device_log_put(txn, work->row.number, own->number, own->received + 1, &row);
    buffer_clear(&packed);
}

/* The newest epoch whose key is here; 0 if there is none. */
static uint32_t newest_key(struct store_txn *txn, struct circle_work *work)
{
    uint32_t epoch = work->row.circle.epoch;

    while (epoch > 0 && circle_work_key(txn, work, epoch))
        epoch--;
    return epoch;
}

static void seal_one(const struct replica *replica, struct store_txn *txn, struct circle_work *work,
                     struct chain_row *own, uint64_t n)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct change_header header;
    struct log_row row;
    struct buffer text;
    struct buffer sealed;

    buffer_init(&text, CHANGE_TEXT_MAX);
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    enum kith_err err =
        device_log_get(txn, work->row.number, own->number, n, &row) ? KITH_OK : KITH_DAMAGED;
    if (!err)
        err = text_unpack(row.change.sealed, &text);
    row.change.epoch = work->epoch;
    change_header_of(work, own, &row, n, &header);
    memcpy(header.prev, own->head, HASH_BYTES);
    if (!err)
        err = change_seal(&header, work->epoch_key, replica->identity.sign_secret,
                          buffer_view(&text), &sealed, row.id, signature);
    if (err) {
        store_fail(txn, err);
    } else {
        row.change.sealed = buffer_view(&sealed);
        row.change.signature = signature;
        device_log_put(txn, work->row.number, own->number, n, &row);
        memcpy(own->head, row.id, HASH_BYTES);
    }
    buffer_clear(&text);
    buffer_clear(&sealed);
}

bool late_seal(const struct replica *replica, struct store_txn *txn, struct circle_work *work)
{
    if (!has_waiting(txn, work))
        return false;
    bool has_left = work->row.part != PART_MEMBER || replica_leaving(replica) != LEAVING_NOT;
    bool can = has_left ? newest_key(txn, work) > 0 : is_key_good(replica, txn, work);
    struct chain_row *own =
        can ? circle_work_chain(txn, work, replica->identity.device, true) : NULL;
    if (!own)
        return false;
    for (uint64_t n = late_sealed_through(txn, work->row.number, own) + 1;
         n <= own->received && !txn->err; n++)
        seal_one(replica, txn, work, own, n);
    device_chain_put(txn, work->row.number, own);
    return true;
}

static void seal_circle(const struct replica *replica, struct store_txn *txn, uint32_t number)
{
    struct circle_work work;
    struct circle_row row;

    device_circle_get(txn, number, &row);
    enum kith_err err = circle_work_begin(txn, row.circle.id, &work);
    if (!err)
        (void)late_seal(replica, txn, &work);
    circle_work_end(txn, &work);
    circle_clear(&row.circle);
    store_forget(txn);
}

enum kith_err late_seal_all(struct replica *replica)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        uint32_t count = device_circle_count(&txn);
        for (uint32_t number = 1; number <= count && !txn.err; number++)
            seal_circle(replica, &txn, number);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}
