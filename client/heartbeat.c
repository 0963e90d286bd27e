/* SPDX-License-Identifier: Apache-2.0 */
#include "client/heartbeat.h"

#include <string.h>

struct heartbeat {
    uint8_t record[ID_BYTES];
    bool is_there;
    uint64_t last_ms;
};

static bool read_agency(void *owner, const struct found_record *found)
{
    struct heartbeat *heartbeat = owner;
    bool is_unsettled;
    const struct live *alive =
        merge_read(record_register(&found->record, AGENCY_ALIVE, bytes_of(NULL, 0)), MERGE_LAST,
                   NULL, &is_unsettled);

    memcpy(heartbeat->record, found->record.id, ID_BYTES);
    heartbeat->is_there = true;
    if (alive) {
        struct wire_in in = wire_open(alive->value);
        uint64_t last_ms = wire_uint(&in, UINT64_MAX);
        heartbeat->last_ms = wire_close(&in) ? 0 : last_ms;
    }
    return false;
}

static enum kith_err heartbeat_read(struct kith *kith, uint8_t agency[static ID_BYTES],
                                    struct heartbeat *heartbeat)
{
    memset(heartbeat, 0, sizeof *heartbeat);
    if (!replica_agency_circle(kith->replica, agency))
        return KITH_OK;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_AGENCY, agency, read_agency, heartbeat);
    store_abort(&txn);
    return err;
}

enum kith_err heartbeat_last(struct kith *kith, uint64_t *last_ms)
{
    uint8_t agency[ID_BYTES];
    struct heartbeat heartbeat;
    enum kith_err err = heartbeat_read(kith, agency, &heartbeat);

    *last_ms = heartbeat.last_ms;
    return err;
}

enum kith_err heartbeat_write(struct kith *kith, bool *wrote)
{
    const struct roster *roster = replica_roster(kith->replica);
    unsigned roles = roster_device_roles(roster, replica_identity(kith->replica)->device);
    uint64_t now_ms = home_now_ms(kith);
    uint8_t agency[ID_BYTES];
    struct heartbeat heartbeat;
    struct buffer value;
    enum kith_err err = KITH_OK;

    *wrote = false;
    if (!(roles & ROLE_ADMIN) || replica_leaving(kith->replica) != LEAVING_NOT)
        return KITH_OK;
    err = heartbeat_read(kith, agency, &heartbeat);
    bool is_due = heartbeat.is_there && heartbeat.last_ms + HEARTBEAT_MS < now_ms;
    if (err || !is_due)
        return err;
    buffer_init(&value, VALUE_MAX);
    wire_put_uint(&value, now_ms);
    struct edit edit = {
        .type = RECORD_AGENCY, .field = AGENCY_ALIVE, .kind = OP_PUT, .value = buffer_view(&value)};
    memcpy(edit.record, heartbeat.record, ID_BYTES);
    err = home_save(kith, agency, &edit, 1);
    *wrote = !err;
    buffer_clear(&value);
    return err;
}
