/* SPDX-License-Identifier: Apache-2.0 */
#include "store/replica.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/hlc.h"
#include "protocol/seal.h"
#include "store/alarms_internal.h"
#include "store/device_held_rows.h"
#include "store/replica_internal.h"

const char meta_identity[] = "identity";
static const char meta_hlc[] = "hlc";
static const char meta_hub[] = "hub";
static const char meta_owed[] = "owed";
static const char meta_carrying[] = "carrying";

void identity_make(struct identity *identity)
{
    uint8_t seed[KEY_BYTES];
    uint8_t sign_public[KEY_BYTES];

    memset(identity, 0, sizeof *identity);
    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, sign_public, identity->sign_secret);
    seal_random(seed, sizeof seed);
    noise_keypair_from_secret(&identity->noise, seed);
    seal_random(identity->box_secret, KEY_BYTES);
    seal_wipe(seed, sizeof seed);
}

void identity_public(const struct identity *identity, struct device_public *keys)
{
    /* libsodium keeps the public key in the second half of the secret one (RFC 8032's seed is the
     * first). */
    memcpy(keys->sign, identity->sign_secret + KEY_BYTES, KEY_BYTES);
    memcpy(keys->noise, identity->noise.public, KEY_BYTES);
    seal_box_public(identity->box_secret, keys->box);
}

void identity_encode(const struct identity *identity, uint8_t to[static IDENTITY_BYTES])
{
    memset(to, 0, IDENTITY_BYTES);
    memcpy(to, identity->agency, ID_BYTES);
    put_u32(to + 16, identity->device);
    memcpy(to + 20, identity->sign_secret, SIGN_KEY_BYTES);
    memcpy(to + 84, identity->noise.secret, KEY_BYTES);
    memcpy(to + 116, identity->box_secret, KEY_BYTES);
    memcpy(to + 148, identity->invite_box_secret, KEY_BYTES);
    memcpy(to + 180, identity->hub_key, KEY_BYTES);
    memcpy(to + 212, identity->root_seed, KEY_BYTES);
    memcpy(to + 244, identity->address, ADDRESS_MAX);
}

bool identity_decode(struct identity *identity, struct bytes row)
{
    const uint8_t *from = row.ptr;

    if (row.len != IDENTITY_BYTES)
        return false;
    memcpy(identity->agency, from, ID_BYTES);
    identity->device = get_u32(from + 16);
    memcpy(identity->sign_secret, from + 20, SIGN_KEY_BYTES);
    noise_keypair_from_secret(&identity->noise, from + 84);
    memcpy(identity->box_secret, from + 116, KEY_BYTES);
    memcpy(identity->invite_box_secret, from + 148, KEY_BYTES);
    memcpy(identity->hub_key, from + 180, KEY_BYTES);
    memcpy(identity->root_seed, from + 212, KEY_BYTES);
    memcpy(identity->address, from + 244, ADDRESS_MAX);
    identity->address[ADDRESS_MAX - 1] = '\0';
    return true;
}

static enum kith_err read_identity(struct replica *replica)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct bytes value;

    if (device_meta_get(&txn, meta_identity, &value) && !identity_decode(&replica->identity, value))
        store_fail(&txn, KITH_DAMAGED);
    return store_commit(&txn);
}

enum kith_err replica_set_identity(struct replica *replica, const struct identity *identity)
{
    uint8_t row[IDENTITY_BYTES];
    enum kith_err err;

    identity_encode(identity, row);
    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        device_meta_put(&txn, meta_identity, bytes_of(row, sizeof row));
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    seal_wipe(row, sizeof row);
    if (!err)
        replica->identity = *identity;
    return err;
}

enum kith_err replica_read_roster(struct replica *replica)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct bytes entry;

    roster_clear(&replica->roster);
    memcpy(replica->roster.agency, replica->identity.agency, ID_BYTES);
    while (device_roster_get(&txn, replica->roster.count + 1, &entry)) {
        enum kith_err err = roster_replay(&replica->roster, entry);
        store_forget(&txn);
        if (err)
            store_fail(&txn, err);
    }
    return store_commit(&txn);
}

enum kith_err replica_refresh(struct replica *replica)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct bytes entry;

    /* Entries are only added. */
    bool is_stale = device_roster_get(&txn, replica->roster.count + 1, &entry);
    enum kith_err err = store_commit(&txn);
    if (!err)
        err = read_identity(replica);
    if (!err && is_stale)
        err = replica_read_roster(replica);
    return err;
}

enum kith_err replica_open(struct replica **opened, const struct replica_options *options)
{
    const struct store_options store_options = {
        .kind = STORE_DEVICE,
        .folder = options->folder,
        .key = options->key,
        .map_bytes = options->map_bytes,
        .is_new = options->is_new,
        .is_volatile = options->is_volatile,
    };
    struct replica *replica = calloc(1, sizeof *replica);

    *opened = NULL;
    if (!replica)
        return KITH_MEMORY;
    roster_init(&replica->roster);
    enum kith_err err = store_open(&replica->store, &store_options);
    if (!err)
        err = read_identity(replica);
    if (!err)
        err = replica_read_roster(replica);
    *opened = replica;
    if (err)
        replica_close(opened);
    return err;
}

void replica_close(struct replica **replica)
{
    if (!*replica)
        return;
    store_close(&(*replica)->store);
    roster_clear(&(*replica)->roster);
    seal_wipe(&(*replica)->identity, sizeof(*replica)->identity);
    free(*replica);
    *replica = NULL;
}

const struct identity *replica_identity(const struct replica *replica)
{
    return &replica->identity;
}

const struct roster *replica_roster(const struct replica *replica)
{
    return &replica->roster;
}

struct store *replica_store(struct replica *replica)
{
    return replica->store;
}

uint32_t replica_person(const struct replica *replica)
{
    const struct roster_device *device = roster_device(&replica->roster, replica->identity.device);

    return device ? device->person : 0;
}

/* The hub serves one such circle and the founder's device makes it first of all: it has the lowest
 * number. */
bool replica_agency_circle(struct replica *replica, uint8_t circle[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    uint32_t count = device_circle_count(&txn);
    bool is_found = false;

    for (uint32_t number = 1; number <= count && !is_found; number++) {
        struct circle_row row;
        device_circle_get(&txn, number, &row);
        is_found = row.circle.kind == CIRCLE_AGENCY;
        if (is_found)
            memcpy(circle, row.circle.id, ID_BYTES);
        circle_clear(&row.circle);
    }
    store_abort(&txn);
    return is_found;
}

uint64_t replica_last_hlc(struct store_txn *txn)
{
    struct bytes value;

    return device_meta_get(txn, meta_hlc, &value) && value.len == 8 ? get_u64(value.ptr) : 0;
}

void replica_put_hlc(struct store_txn *txn, uint64_t hlc)
{
    uint8_t value[8];

    put_u64(value, hlc);
    device_meta_put(txn, meta_hlc, bytes_of(value, sizeof value));
}

/* incarnation, cursor and its length, digest, last sync, clock offset, up to date */
#define HUB_ROW_CURSOR INCARNATION_BYTES
#define HUB_ROW_DIGEST (HUB_ROW_CURSOR + CURSOR_MAX + 1)
#define HUB_ROW_TIMES  (HUB_ROW_DIGEST + DIGEST_BYTES)
#define HUB_ROW_BYTES  (HUB_ROW_TIMES + 8 + 8 + 1)

void replica_hub_get(struct store_txn *txn, struct hub_state *hub)
{
    struct bytes value;

    memset(hub, 0, sizeof *hub);
    if (!device_meta_get(txn, meta_hub, &value) || value.len != HUB_ROW_BYTES ||
        value.ptr[HUB_ROW_CURSOR + CURSOR_MAX] > CURSOR_MAX)
        return;
    memcpy(hub->incarnation, value.ptr, INCARNATION_BYTES);
    memcpy(hub->cursor, value.ptr + HUB_ROW_CURSOR, CURSOR_MAX);
    hub->cursor_len = value.ptr[HUB_ROW_CURSOR + CURSOR_MAX];
    memcpy(hub->digest, value.ptr + HUB_ROW_DIGEST, DIGEST_BYTES);
    hub->last_sync_ms = get_u64(value.ptr + HUB_ROW_TIMES);
    hub->clock_offset_ms = (int64_t)get_u64(value.ptr + HUB_ROW_TIMES + 8);
    hub->is_up_to_date = value.ptr[HUB_ROW_TIMES + 16] != 0;
}

void replica_hub_put(struct store_txn *txn, const struct hub_state *hub)
{
    uint8_t value[HUB_ROW_BYTES];

    memcpy(value, hub->incarnation, INCARNATION_BYTES);
    memcpy(value + HUB_ROW_CURSOR, hub->cursor, CURSOR_MAX);
    value[HUB_ROW_CURSOR + CURSOR_MAX] = (uint8_t)hub->cursor_len;
    memcpy(value + HUB_ROW_DIGEST, hub->digest, DIGEST_BYTES);
    put_u64(value + HUB_ROW_TIMES, hub->last_sync_ms);
    put_u64(value + HUB_ROW_TIMES + 8, (uint64_t)hub->clock_offset_ms);
    value[HUB_ROW_TIMES + 16] = hub->is_up_to_date;
    device_meta_put(txn, meta_hub, bytes_of(value, sizeof value));
}

enum kith_err replica_hub(struct replica *replica, struct hub_state *hub)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);

    replica_hub_get(&txn, hub);
    return store_commit(&txn);
}

enum kith_err replica_synced(struct replica *replica, uint64_t now_ms, int64_t clock_offset_ms)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        struct hub_state hub;
        replica_hub_get(&txn, &hub);
        hub.last_sync_ms = now_ms;
        hub.clock_offset_ms = clock_offset_ms;
        hub.is_up_to_date = true;
        replica_hub_put(&txn, &hub);
        alarm_end_at(&txn, ALARM_DENIED, 0); /* it knows this device */
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

bool replica_is_owed_checked(struct store_txn *txn, const struct roster *roster)
{
    struct bytes value;

    return device_meta_get(txn, meta_owed, &value) && value.len == 4 &&
           get_u32(value.ptr) == roster->count;
}

void replica_set_owed_checked(struct store_txn *txn, uint32_t roster_count)
{
    uint8_t value[4];

    put_u32(value, roster_count);
    device_meta_put(txn, meta_owed, bytes_of(value, sizeof value));
}

bool replica_is_carrying(struct store_txn *txn)
{
    struct bytes value;

    return device_meta_get(txn, meta_carrying, &value) && value.len == 1 && value.ptr[0] != 0;
}

void replica_set_carrying(struct store_txn *txn, bool is_carrying)
{
    uint8_t value = is_carrying;

    device_meta_put(txn, meta_carrying, bytes_of(&value, 1));
}

static void count_circle(struct store_txn *txn, uint32_t number, struct replica_counts *counts)
{
    struct receipt_row receipt = {0};
    struct circle_row row;
    uint32_t chain_count;
    struct chain_row *chains = device_chains(txn, number, &chain_count);
    uint64_t kept = device_kept_get(txn, number).n;

    device_circle_get(txn, number, &row);
    counts->circles += row.part == PART_MEMBER;
    (void)device_receipt_get(txn, number, &receipt);
    for (uint32_t i = 0; i < chain_count; i++) {
        if (row.part != PART_PURGED)
            counts->waiting += chains[i].received - chains[i].applied;
        if (chains[i].number != CHAIN_OWN)
            continue;
        uint64_t known = kept > receipt.n ? kept : receipt.n;
        counts->kept += known - receipt.n;
        if (chains[i].received > known)
            counts->unsent += chains[i].received - known;
        for (uint64_t n = known + 1; n <= chains[i].received && !counts->is_urgent; n++) {
            struct log_row log;
            counts->is_urgent = device_log_get(txn, number, CHAIN_OWN, n, &log) &&
                                log.change.class == CHANGE_URGENT;
        }
    }
    circle_clear(&row.circle);
    store_forget(txn);
}

enum kith_err replica_counts(struct replica *replica, struct replica_counts *counts)
{
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct refused_row refused;

    memset(counts, 0, sizeof *counts);
    uint32_t circles = device_circle_count(&txn);
    counts->records = device_record_count(&txn);
    counts->owed = store_count(&txn, TABLE_DEVICE_INTENT);
    for (uint32_t number = 1; number <= circles; number++)
        count_circle(&txn, number, counts);
    struct store_walk walk = device_refusals(&txn, 0);
    while (device_refused_next(&walk, &refused))
        counts->refused++;
    store_walk_end(&walk);
    return store_commit(&txn);
}
