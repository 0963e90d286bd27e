/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two files in the home. "recovery" has the data key sealed to the custodians; "forgotten", while
 * somebody waits for an answer, the secret of the request's key and the request. Neither is worth
 * anything without a custodian.
 */
#include "client/recovery.h"

#include <string.h>

#include "client/vault.h"
#include "protocol/recovery.h"
#include "store/file.h"

#define SLOTS_NAME     "recovery"
#define FORGOTTEN_NAME "forgotten"
#define META_SEALED_TO "sealed to"

_Static_assert(KITH_RECOVERY_MAX >= RECOVERY_FILE_MAX, "a request fits what a caller has for it");
_Static_assert(KITH_CHECK_TEXT == RECOVERY_CHECK_TEXT, "four groups of five digits");

/* The box keys of every custodian's device but this one: of those that can join yet, too. */
static size_t custodians(const struct kith *kith, uint8_t (*keys)[KEY_BYTES], size_t max)
{
    const struct roster *roster = replica_roster(kith->replica);
    uint32_t self = replica_identity(kith->replica)->device;
    uint64_t now_s = home_now_ms(kith) / 1000;
    size_t count = 0;

    for (uint32_t i = 0; i < roster->device_count && count < max; i++) {
        const struct roster_device *device = &roster->devices[i];
        bool is_open = device->state == DEVICE_ACTIVE ||
                       (device->state == DEVICE_INVITED && device->expires_s > now_s);
        bool is_custodian = roster_person(roster, device->person)->roles & ROLE_CUSTODIAN;
        if (is_open && is_custodian && device->number != self)
            memcpy(keys[count++], device->keys.box, KEY_BYTES);
    }
    return count;
}

static bool is_sealed_to(struct kith *kith, struct bytes keys)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct bytes known;
    bool is_same = device_meta_get(&txn, META_SEALED_TO, &known) && bytes_equal(known, keys);

    store_abort(&txn);
    return is_same && file_is_there(kith->home, SLOTS_NAME);
}

static enum kith_err note_sealed_to(struct kith *kith, struct bytes keys)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica_store(kith->replica), STORE_WRITE);
        device_meta_put(&txn, META_SEALED_TO, keys);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

enum kith_err recovery_refresh(struct kith *kith)
{
    uint8_t keys[RECOVERY_SLOTS_MAX - 1][KEY_BYTES];
    size_t count = custodians(kith, keys, sizeof keys / sizeof *keys);
    struct bytes sealed_to = bytes_of(keys[0], count * KEY_BYTES);
    struct recovered secret = {.device = replica_identity(kith->replica)->device};
    struct buffer file;

    if (count == 0 || is_sealed_to(kith, sealed_to))
        return KITH_OK;
    memcpy(secret.agency, replica_identity(kith->replica)->agency, ID_BYTES);
    memcpy(secret.data_key, kith->data_key, KEY_BYTES);
    buffer_init(&file, RECOVERY_FILE_MAX);
    enum kith_err err =
        recovery_slots_write(&secret, (const uint8_t(*)[KEY_BYTES])keys, count, &file);
    if (!err)
        err = file_write(kith->home, SLOTS_NAME, buffer_view(&file));
    if (!err)
        err = note_sealed_to(kith, sealed_to);
    buffer_clear(&file);
    seal_wipe(&secret, sizeof secret);
    return err;
}

/* A request of before stands: its check number may have been read to somebody already. */
static enum kith_err request_again(const char *home, struct buffer *forgotten)
{
    struct recovery_request request;
    enum kith_err err = file_read(home, FORGOTTEN_NAME, KEY_BYTES + RECOVERY_FILE_MAX, forgotten);

    if (!err && forgotten->len <= KEY_BYTES)
        err = KITH_DAMAGED;
    return err ? err
               : recovery_request_read(&request, bytes_after(buffer_view(forgotten), KEY_BYTES));
}

static enum kith_err request_make(const char *home, struct buffer *forgotten)
{
    uint8_t secret[KEY_BYTES];
    uint8_t reply[KEY_BYTES];
    struct recovery_request request;
    struct buffer slots;
    enum kith_err err = file_read(home, SLOTS_NAME, RECOVERY_FILE_MAX, &slots);

    if (!err)
        err = recovery_slots_read(&request, buffer_view(&slots));
    seal_random(secret, sizeof secret);
    seal_box_public(secret, reply);
    buffer_clear(forgotten);
    buffer_init(forgotten, KEY_BYTES + RECOVERY_FILE_MAX);
    if (!err) {
        request.reply = reply;
        buffer_add(forgotten, secret, sizeof secret);
        recovery_request_write(&request, forgotten);
        err = forgotten->err;
    }
    if (!err)
        err = file_write(home, FORGOTTEN_NAME, buffer_view(forgotten));
    seal_wipe(secret, sizeof secret);
    buffer_clear(&slots);
    return err;
}

int kith_forgot(const char *home, uint8_t *request, size_t *len, char check[KITH_CHECK_TEXT])
{
    struct buffer forgotten;
    enum kith_err err = seal_start();

    if (err)
        return err;
    err = request_again(home, &forgotten);
    if (err)
        err = request_make(home, &forgotten);
    if (!err) {
        struct bytes made = bytes_after(buffer_view(&forgotten), KEY_BYTES);
        memcpy(request, made.ptr, made.len);
        *len = made.len;
        recovery_check(made, check);
    }
    buffer_clear(&forgotten);
    return err;
}

static bool is_own_agency(const struct kith *kith, const struct recovered *found)
{
    return seal_equal(replica_identity(kith->replica)->agency, found->agency, ID_BYTES);
}

/* The key that an answer brings must open this store, and no other home's. */
static enum kith_err check_key(const char *home, const struct recovered *found)
{
    struct kith *kith = NULL;
    enum kith_err err = (enum kith_err)kith_open_with_key(home, found->data_key, &kith);

    if (!err &&
        (!is_own_agency(kith, found) || replica_identity(kith->replica)->device != found->device))
        err = KITH_FOREIGN;
    kith_close(&kith);
    return err;
}

int kith_forgot_answer(const char *home, const uint8_t *answer, size_t len, const char *passphrase)
{
    struct recovered found;
    struct buffer forgotten;
    enum kith_err err = seal_start();

    if (err)
        return err;
    err = request_again(home, &forgotten);
    if (!err)
        err = recovery_answer_read(bytes_of(answer, len),
                                   bytes_after(buffer_view(&forgotten), KEY_BYTES), forgotten.ptr,
                                   &found);
    if (!err)
        err = check_key(home, &found);
    if (!err)
        err = vault_rewrap(home, passphrase, found.data_key);
    if (!err)
        err = file_remove(home, FORGOTTEN_NAME);
    seal_wipe(&found, sizeof found);
    buffer_clear(&forgotten);
    return err;
}

static bool is_custodian(const struct kith *kith)
{
    const struct roster *roster = replica_roster(kith->replica);

    return roster_device_roles(roster, replica_identity(kith->replica)->device) & ROLE_CUSTODIAN;
}

/* Its own box key, or that of the invitation it came with. */
static enum kith_err open_slot(const struct kith *kith, const struct recovery_request *request,
                               struct recovered *found)
{
    const struct identity *identity = replica_identity(kith->replica);
    enum kith_err err = recovery_open(request, identity->box_secret, found);

    return err == KITH_NOT_FOUND ? recovery_open(request, identity->invite_box_secret, found) : err;
}

static enum kith_err find_asker(struct kith *kith, const struct recovered *found,
                                struct kith_asker *asker)
{
    const struct roster_device *device =
        roster_device(replica_roster(kith->replica), found->device);

    if (!device || memcmp(found->agency, replica_identity(kith->replica)->agency, ID_BYTES) != 0)
        return home_fail(kith, KITH_FOREIGN, "this request is from another agency");
    asker->device = found->device;
    asker->is_ended = device->state == DEVICE_ENDED;
    (void)strncpy(asker->name, home_device_name(kith, found->device), sizeof asker->name - 1);
    (void)strncpy(asker->person, home_person_name(kith, device->person), sizeof asker->person - 1);
    return KITH_OK;
}

int kith_recovery_answer(struct kith *kith, const uint8_t *request, size_t len,
                         struct kith_asker *asker, uint8_t *answer, size_t *answer_len)
{
    struct bytes bytes = bytes_of(request, len);
    struct recovery_request asked;
    struct recovered found = {.device = 0};
    struct buffer out;

    kith->detail[0] = '\0';
    *asker = (struct kith_asker){.device = 0};
    buffer_init(&out, RECOVERY_FILE_MAX);
    enum kith_err err = recovery_request_read(&asked, bytes);
    if (err)
        err = home_fail(kith, err, "this is not a request that `kith forgot` has made");
    else if (!is_custodian(kith))
        err = home_fail(kith, KITH_NOT_ALLOWED, "only a custodian answers such a request");
    else
        err = open_slot(kith, &asked, &found);
    if (err == KITH_NOT_FOUND)
        err = home_fail(kith, err,
                        "that home had not sealed its key to this device when it last synced: ask "
                        "another custodian");
    if (!err)
        err = find_asker(kith, &found, asker);
    if (!err) {
        recovery_check(bytes, asker->check);
        err = recovery_answer_write(bytes, &found, &out);
    }
    if (!err) {
        memcpy(answer, out.ptr, out.len);
        *answer_len = out.len;
    }
    seal_wipe(&found, sizeof found);
    buffer_clear(&out);
    return err;
}
