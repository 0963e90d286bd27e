/* SPDX-License-Identifier: Apache-2.0 */
/* The roster of an agency for practice: its one device puts it in order, as a hub does elsewhere.
 */
#include "protocol/limits.h"
#include "store/replica_internal.h"

static bool is_for_practice(const struct roster *roster, const struct roster_entry *entry)
{
    return roster->count == 0 ? entry->type == ROSTER_FOUND && entry->agency_kind == AGENCY_PRACTICE
                              : roster->kind == AGENCY_PRACTICE;
}

static enum kith_err put_entry(struct replica *replica, struct bytes entry)
{
    uint32_t seq = replica->roster.count;
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        device_roster_put(&txn, seq, entry);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

enum kith_err replica_append_alone(struct replica *replica, struct roster_entry *entry,
                                   const uint8_t sign_secret[static SIGN_KEY_BYTES])
{
    struct buffer bytes;

    if (!is_for_practice(&replica->roster, entry))
        return KITH_NOT_ALLOWED;
    buffer_init(&bytes, ENTRY_MAX);
    enum kith_err err = roster_entry_write(&replica->roster, entry, sign_secret, &bytes);
    if (!err)
        err = roster_append(&replica->roster, buffer_view(&bytes));
    if (!err)
        err = put_entry(replica, buffer_view(&bytes));
    buffer_clear(&bytes);
    return err;
}
