/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"

static const char meta_incarnation[] = "incarnation";
static const char meta_founding[] = "founding";
static const char meta_restored[] = "restored";

/* Its tables come to be in one transaction and what is in them in the next: between the two there
 * is a store and no ledger yet. */
static bool ledger_is_made(struct store_txn *txn)
{
    struct bytes entry;

    return hub_meta_get(txn, meta_incarnation, NULL) || hub_roster_get(txn, 1, &entry) ||
           hub_sequence(txn) > 0;
}

/* The store of a new ledger; also one that was left behind when its making was interrupted. */
static enum kith_err create_store(struct store **store, const char *folder,
                                  const struct ledger_keys *keys)
{
    struct store_options options = {.kind = STORE_HUB,
                                    .folder = folder,
                                    .key = keys->storage,
                                    .is_new = true,
                                    .is_exclusive = true};
    enum kith_err err = store_open(store, &options);

    if (err != KITH_EXISTS)
        return err;
    options.is_new = false;
    return store_open(store, &options);
}

enum kith_err ledger_create(const char *folder, const struct ledger_keys *keys,
                            const uint8_t founding_psk[static KEY_BYTES])
{
    struct store *store;
    uint8_t incarnation[INCARNATION_BYTES];
    enum kith_err err = create_store(&store, folder, keys);

    if (err)
        return err;
    seal_random(incarnation, sizeof incarnation);
    struct store_txn txn = store_begin(store, STORE_WRITE);
    if (ledger_is_made(&txn))
        store_fail(&txn, KITH_EXISTS);
    hub_meta_put(&txn, meta_incarnation, bytes_of(incarnation, sizeof incarnation));
    hub_meta_put(&txn, meta_founding, bytes_of(founding_psk, KEY_BYTES));
    err = store_commit(&txn);
    store_close(&store);
    return err;
}

enum kith_err ledger_read_roster(struct ledger *ledger)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    struct bytes entry;

    roster_clear(&ledger->roster);
    while (hub_roster_get(&txn, ledger->roster.count + 1, &entry)) {
        enum kith_err err = roster_replay(&ledger->roster, entry);
        store_forget(&txn);
        if (err)
            store_fail(&txn, err);
    }
    return store_commit(&txn);
}

static enum kith_err read_incarnation(struct ledger *ledger)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    struct bytes value;

    if (!ledger_is_made(&txn))
        store_fail(&txn, KITH_NOT_FOUND);
    else if (!hub_meta_get(&txn, meta_incarnation, &value) || value.len != INCARNATION_BYTES)
        store_fail(&txn, KITH_DAMAGED);
    else
        memcpy(ledger->incarnation, value.ptr, INCARNATION_BYTES);
    ledger->is_restored = hub_meta_get(&txn, meta_restored, &value);
    return store_commit(&txn);
}

enum kith_err ledger_copy(struct ledger *ledger, int fd)
{
    return store_copy(ledger->store, fd);
}

enum kith_err ledger_restart(struct ledger *ledger, uint64_t now_ms)
{
    uint8_t incarnation[INCARNATION_BYTES];
    uint8_t at[8];

    seal_random(incarnation, sizeof incarnation);
    put_u64(at, now_ms);
    struct store_txn txn = store_begin(ledger->store, STORE_WRITE);
    hub_meta_put(&txn, meta_incarnation, bytes_of(incarnation, sizeof incarnation));
    hub_meta_put(&txn, meta_restored, bytes_of(at, sizeof at));
    enum kith_err err = store_commit(&txn);
    return err ? err : read_incarnation(ledger);
}

enum kith_err ledger_open(struct ledger **opened, const struct ledger_options *options)
{
    const struct store_options store_options = {
        .kind = STORE_HUB,
        .folder = options->folder,
        .key = options->keys->storage,
        .map_bytes = options->map_bytes,
        .is_exclusive = options->is_exclusive,
        .is_volatile = options->is_volatile,
    };
    struct ledger *ledger = calloc(1, sizeof *ledger);

    *opened = NULL;
    if (!ledger)
        return KITH_MEMORY;
    (void)seal_lock(&ledger->keys, sizeof ledger->keys);
    ledger->keys = *options->keys;
    roster_init(&ledger->roster);
    (void)pthread_rwlock_init(&ledger->roster_lock, NULL);
    (void)pthread_mutex_init(&ledger->notes_lock, NULL);
    enum kith_err err = store_open(&ledger->store, &store_options);
    if (!err)
        err = read_incarnation(ledger);
    if (!err)
        err = ledger_read_roster(ledger);
    *opened = ledger;
    if (err)
        ledger_close(opened);
    return err;
}

void notes_reset(struct notes *notes)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        const struct bytes *devices = &notes->entries[i].devices;
        free((void *)(uintptr_t)devices->ptr); /* NOLINT(performance-no-int-to-ptr) */
    }
    notes->count = 0;
}

static void notes_clear(struct notes *notes)
{
    notes_reset(notes);
    free(notes->entries);
}

void ledger_close(struct ledger **ledger)
{
    if (!*ledger)
        return;
    store_close(&(*ledger)->store);
    roster_clear(&(*ledger)->roster);
    (void)pthread_rwlock_destroy(&(*ledger)->roster_lock);
    (void)pthread_mutex_destroy(&(*ledger)->notes_lock);
    notes_clear(&(*ledger)->notes);
    notes_clear(&(*ledger)->taken);
    free((*ledger)->attempts);
    news_clear(&(*ledger)->news);
    seal_unlock(&(*ledger)->keys, sizeof(*ledger)->keys);
    free(*ledger);
    *ledger = NULL;
}

void ledger_incarnation(const struct ledger *ledger, uint8_t incarnation[static INCARNATION_BYTES])
{
    memcpy(incarnation, ledger->incarnation, INCARNATION_BYTES);
}

static enum kith_err notes_add(struct notes *notes, const struct audit_entry *entries,
                               uint32_t count)
{
    uint32_t room = notes->room ? notes->room : 64;

    while (room < notes->count + count)
        room *= 2;
    struct audit_entry *larger =
        room > notes->room ? realloc(notes->entries, room * sizeof *larger) : notes->entries;
    if (!larger)
        return KITH_MEMORY;
    notes->entries = larger;
    notes->room = room;
    if (count > 0)
        memcpy(notes->entries + notes->count, entries, count * sizeof *entries);
    notes->count += count;
    return KITH_OK;
}

enum kith_err ledger_note(struct ledger *ledger, const struct audit_entry *entry)
{
    struct audit_entry owned = *entry;
    uint8_t *devices = entry->devices.len ? malloc(entry->devices.len) : NULL;

    if (entry->devices.len && !devices)
        return KITH_MEMORY;
    if (devices)
        memcpy(devices, entry->devices.ptr, entry->devices.len);
    owned.devices.ptr = devices;
    (void)pthread_mutex_lock(&ledger->notes_lock);
    enum kith_err err =
        ledger->notes.count < NOTES_MAX ? notes_add(&ledger->notes, &owned, 1) : KITH_BUSY;
    (void)pthread_mutex_unlock(&ledger->notes_lock);
    if (err)
        free(devices);
    return err;
}

bool ledger_has_notes(struct ledger *ledger)
{
    (void)pthread_mutex_lock(&ledger->notes_lock);
    bool has_notes = ledger->notes.count > 0;
    (void)pthread_mutex_unlock(&ledger->notes_lock);
    return has_notes;
}

enum kith_err ledger_audit(struct ledger *ledger, ledger_audit_visit *visit, void *owner)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    struct audit_walk walk = audit_walk_begin(&txn, TABLE_HUB_AUDIT, ledger->keys.sign_public);
    struct audit_entry entry;
    bool goes_on = true;

    while (goes_on && audit_walk_next(&walk, &entry)) {
        goes_on = visit(owner, &entry);
        store_forget(&txn);
    }
    audit_walk_end(&walk);
    return store_commit(&txn);
}

enum kith_err ledger_take_notes(struct ledger *ledger)
{
    (void)pthread_mutex_lock(&ledger->notes_lock);
    enum kith_err err = notes_add(&ledger->taken, ledger->notes.entries, ledger->notes.count);
    if (!err)
        ledger->notes.count = 0;
    (void)pthread_mutex_unlock(&ledger->notes_lock);
    return err;
}

uint64_t ledger_written(struct ledger *ledger, uint32_t device)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    uint64_t written = hub_written(&txn, device);

    store_abort(&txn);
    return written;
}

static enum kith_err identify_founder(struct ledger *ledger, uint8_t psk[static KEY_BYTES])
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    struct bytes value;

    if (ledger->roster.count > 0)
        store_fail(&txn, KITH_FOUNDED);
    else if (!hub_meta_get(&txn, meta_founding, &value) || value.len != KEY_BYTES)
        store_fail(&txn, KITH_DAMAGED);
    else
        memcpy(psk, value.ptr, KEY_BYTES);
    return store_commit(&txn);
}

static bool is_used_up(const struct ledger *ledger, uint32_t device)
{
    return device <= ledger->attempts_room && ledger->attempts[device - 1] >= LEDGER_ATTEMPTS_MAX;
}

static enum kith_err make_room(struct ledger *ledger, uint32_t device)
{
    uint32_t room = ledger->roster.device_count + 64;
    uint8_t *larger = device > ledger->attempts_room ? realloc(ledger->attempts, room) : NULL;

    if (device <= ledger->attempts_room)
        return KITH_OK;
    if (!larger)
        return KITH_MEMORY;
    memset(larger + ledger->attempts_room, 0, room - ledger->attempts_room);
    ledger->attempts = larger;
    ledger->attempts_room = room;
    return KITH_OK;
}

enum kith_err ledger_count_attempt(struct ledger *ledger, uint32_t device)
{
    enum kith_err err = KITH_OK;

    (void)pthread_rwlock_wrlock(&ledger->roster_lock);
    bool is_known = roster_device(&ledger->roster, device) != NULL;
    if (is_known)
        err = make_room(ledger, device);
    if (is_known && !err && is_used_up(ledger, device))
        err = KITH_TOO_MANY;
    if (is_known && !err)
        ledger->attempts[device - 1]++;
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    return err;
}

static enum kith_err identify_joiner(struct ledger *ledger, const struct ledger_visitor *visitor,
                                     const struct roster_device *device,
                                     uint8_t psk[static KEY_BYTES])
{
    if (!device || device->state != DEVICE_INVITED || device->expires_s <= visitor->now_s)
        return KITH_EXPIRED;
    if (is_used_up(ledger, visitor->device))
        return KITH_TOO_MANY;
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    if (!hub_psk_get(&txn, visitor->device, psk))
        store_fail(&txn, KITH_EXPIRED);
    return store_commit(&txn);
}

static enum kith_err identify_device(const struct ledger *ledger,
                                     const struct ledger_visitor *visitor,
                                     const struct roster_device *device)
{
    if (ledger->roster.count == 0)
        return KITH_NOT_FOUNDED;
    if (!device || device->state == DEVICE_INVITED ||
        !seal_equal(device->keys.noise, visitor->noise_key, KEY_BYTES))
        return KITH_UNKNOWN_DEVICE;
    return KITH_OK; /* one that is ended, too: it delivers what it has and is told so */
}

enum kith_err ledger_identify(struct ledger *ledger, const struct ledger_visitor *visitor,
                              uint8_t psk[static KEY_BYTES])
{
    enum kith_err err = KITH_MALFORMED;

    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    const struct roster_device *device = roster_device(&ledger->roster, visitor->device);
    switch (visitor->mode) {
    case CHANNEL_SYNC:
        err = identify_device(ledger, visitor, device);
        break;
    case CHANNEL_JOIN:
        err = identify_joiner(ledger, visitor, device, psk);
        break;
    case CHANNEL_FOUND:
        err = identify_founder(ledger, psk);
        break;
    }
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    return err;
}

/* Which devices had a session that ended well since then. */
struct returning {
    uint64_t since_ms;
    uint8_t *has_returned; /* by device */
    uint32_t count;
};

static bool note_return(void *owner, const struct audit_entry *entry)
{
    struct returning *returning = owner;

    if (entry->kind == AUDIT_SESSION && entry->time_ms >= returning->since_ms &&
        entry->second == KITH_OK && entry->device && entry->device <= returning->count)
        returning->has_returned[entry->device - 1] = 1;
    return true;
}

static enum kith_err count_returned(struct ledger *ledger, struct ledger_stats *stats)
{
    struct returning returning = {.since_ms = stats->restored_ms,
                                  .count = ledger->roster.device_count};
    if (stats->restored_ms == 0)
        return KITH_OK;
    returning.has_returned = calloc((size_t)returning.count + 1, 1);
    if (!returning.has_returned)
        return KITH_MEMORY;
    enum kith_err err = ledger_audit(ledger, note_return, &returning);
    for (uint32_t i = 0; i < returning.count; i++) {
        if (ledger->roster.devices[i].state != DEVICE_ACTIVE)
            continue;
        stats->returned += returning.has_returned[i];
        if (!returning.has_returned[i] && stats->awaited_count < LEDGER_AWAITED_MAX)
            stats->awaited[stats->awaited_count++] = i + 1;
    }
    free(returning.has_returned);
    return err;
}

enum kith_err ledger_count(struct ledger *ledger, struct ledger_stats *stats)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);

    memset(stats, 0, sizeof *stats);
    stats->changes = store_count(&txn, TABLE_HUB_CHAIN_LOG);
    stats->circles = store_count(&txn, TABLE_HUB_CIRCLE);
    stats->sequence = hub_sequence(&txn);
    stats->held = hub_held_count(&txn);
    struct bytes restored;
    if (hub_meta_get(&txn, meta_restored, &restored) && restored.len == 8)
        stats->restored_ms = get_u64(restored.ptr);
    enum kith_err err = store_commit(&txn);
    stats->bytes = store_bytes(ledger->store);
    memcpy(stats->incarnation, ledger->incarnation, INCARNATION_BYTES);
    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    stats->is_founded = ledger->roster.count > 0;
    for (uint32_t i = 0; i < ledger->roster.device_count; i++)
        stats->devices += ledger->roster.devices[i].state == DEVICE_ACTIVE;
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    return err;
}

enum kith_err ledger_stats(struct ledger *ledger, struct ledger_stats *stats)
{
    enum kith_err err = ledger_count(ledger, stats);

    return err ? err : count_returned(ledger, stats);
}
