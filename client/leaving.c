/* SPDX-License-Identifier: Apache-2.0 */
/* People who leave a chart, devices that leave the agency, and what is told about both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "protocol/seal.h"

static enum kith_err person_of(struct kith *kith, const char *text, uint32_t *person)
{
    enum kith_err err = home_person(kith, text, person);

    if (err)
        return home_fail(
            kith, err, err == KITH_NOT_FOUND ? "no person '%s'" : "several people are called '%s'",
            text);
    return KITH_OK;
}

int kith_withdraw(struct kith *kith, const char *participant, const char *person,
                  enum kith_leaving leaving)
{
    uint8_t circle[ID_BYTES];
    uint32_t number;

    kith->detail[0] = '\0';
    enum kith_err err = home_participant(kith, participant, circle);
    if (!err)
        err = person_of(kith, person, &number);
    if (err)
        return err;
    err = replica_withdraw(kith->replica, circle, number, (enum leaving)leaving);
    if (err == KITH_NOT_FOUND)
        return home_fail(kith, err, "%s does not read this chart", person);
    if (err == KITH_NOT_ALLOWED)
        return home_fail(kith, err,
                         "your role may not take %s out of this chart; custodians always stay",
                         person);
    return err;
}

/* A device's name record, by its number: what the end's reason is written beside. */
struct device_record {
    uint32_t number;
    uint8_t id[ID_BYTES];
    bool is_found;
    char reason[KITH_NAME_TEXT];
};

static void read_reason(const struct found_record *found, struct device_record *device)
{
    bool is_unsettled;
    const struct live *reason =
        merge_read(record_register(&found->record, DEVICE_REASON_FIELD, bytes_of(NULL, 0)),
                   MERGE_LAST, NULL, &is_unsettled);

    if (!reason)
        return;
    struct wire_in in = wire_open(reason->value);
    struct bytes text = wire_text(&in, KITH_NAME_TEXT - 1);
    if (wire_close(&in))
        return;
    memcpy(device->reason, text.ptr, text.len);
    device->reason[text.len] = '\0';
}

static bool find_device(void *owner, const struct found_record *found)
{
    struct device_record *device = owner;
    bool is_unsettled;
    const struct live *number = merge_read(record_register(&found->record, 1, bytes_of(NULL, 0)),
                                           MERGE_FIXED, NULL, &is_unsettled);

    if (!number)
        return true;
    struct wire_in in = wire_open(number->value);
    uint64_t value = wire_uint(&in, DEVICE_MAX);
    if (wire_close(&in) || value != device->number)
        return true;
    memcpy(device->id, found->record.id, ID_BYTES);
    device->is_found = true;
    read_reason(found, device);
    return false;
}

static enum kith_err device_record(struct kith *kith, struct device_record *device,
                                   uint8_t agency[static ID_BYTES])
{
    if (!replica_agency_circle(kith->replica, agency))
        return KITH_UNKNOWN_CIRCLE;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = replica_each(&txn, RECORD_DEVICE, agency, find_device, device);
    store_abort(&txn);
    return err;
}

enum kith_err home_end_reason(struct kith *kith, uint32_t number,
                              char reason[static KITH_NAME_TEXT])
{
    struct device_record device = {.number = number};
    uint8_t agency[ID_BYTES];

    reason[0] = '\0';
    const struct roster_device *known = roster_device(replica_roster(kith->replica), number);
    if (!known || known->state != DEVICE_ENDED)
        return KITH_OK;
    enum kith_err err = device_record(kith, &device, agency);
    if (err == KITH_UNKNOWN_CIRCLE)
        return KITH_OK;
    memcpy(reason, device.reason, KITH_NAME_TEXT);
    return err;
}

enum kith_err home_save_device(struct kith *kith, uint32_t number, uint32_t field, const char *said)
{
    struct device_record device = {.number = number};
    struct edit edits[2] = {{.type = RECORD_DEVICE, .field = 1, .kind = OP_PUT},
                            {.type = RECORD_DEVICE, .field = field, .kind = OP_PUT}};
    uint8_t agency[ID_BYTES];
    struct buffer value;
    struct buffer text;
    enum kith_err err = device_record(kith, &device, agency);

    if (err)
        return err;
    if (!device.is_found)
        seal_random(device.id, ID_BYTES);
    buffer_init(&value, VALUE_MAX);
    buffer_init(&text, VALUE_MAX);
    wire_put_uint(&value, number);
    wire_put_text(&text, bytes_text(said));
    edits[0].value = buffer_view(&value);
    edits[1].value = buffer_view(&text);
    memcpy(edits[0].record, device.id, ID_BYTES);
    memcpy(edits[1].record, device.id, ID_BYTES);
    err = home_save(kith, agency, edits + device.is_found, device.is_found ? 1 : 2);
    buffer_clear(&value);
    buffer_clear(&text);
    home_forget_names(kith);
    return err;
}

static enum kith_err check_end(struct kith *kith, uint32_t number, const char *reason)
{
    const struct roster_device *device = roster_device(replica_roster(kith->replica), number);

    if (reason && (strlen(reason) >= KITH_NAME_TEXT || !wire_is_utf8(bytes_text(reason))))
        return home_fail(kith, KITH_INPUT, "a reason has at most %d characters",
                         KITH_NAME_TEXT - 1);
    if (!device)
        return home_fail(kith, KITH_NOT_FOUND, "there is no device %u: see `kith device list`",
                         number);
    if (device->leaving != LEAVING_NOT)
        return home_fail(kith, KITH_EXISTS, "device %u was %s already", number,
                         leaving_word(device->leaving));
    return KITH_OK;
}

static enum kith_err request_end(struct kith *kith, uint32_t number, enum kith_leaving leaving)
{
    const struct identity *identity = replica_identity(kith->replica);
    struct roster_request request = {.is_wanted = true, .sign_secret = identity->sign_secret};
    struct exchange exchange = {.mode = CHANNEL_SYNC, .request = &request};
    uint64_t now_s = home_now_ms(kith) / 1000;

    request.entry = (struct roster_entry){.type = ROSTER_END,
                                          .author = identity->device,
                                          .time_s = now_s,
                                          .device = number,
                                          .leaving = (enum leaving)leaving};
    if (leaving == KITH_TRANSFERRED)
        request.entry.until_s = now_s + HANDOVER_S;
    enum kith_err err = home_exchange(kith, &exchange);
    if (request.refusal == KITH_NOT_ALLOWED)
        return home_fail(kith, request.refusal,
                         "an admin, the person's supervisor or the person may end device %u; the "
                         "last admin's last device stays",
                         number);
    if (request.refusal)
        return request.refusal;
    return err ? err : request.is_done ? KITH_OK : KITH_LOST;
}

/* The keys change in the exchange that follows the entry; the reason is written under the new ones.
 */
int kith_device_end(struct kith *kith, uint32_t device, enum kith_leaving leaving,
                    const char *reason)
{
    struct kith_sync_report report;

    kith->detail[0] = '\0';
    enum kith_err err = check_end(kith, device, reason);
    bool is_self = device == replica_identity(kith->replica)->device;
    if (!err && is_self && reason && *reason)
        err = home_save_device(kith, device, DEVICE_REASON_FIELD, reason);
    if (!err)
        err = request_end(kith, device, leaving);
    if (err || is_self)
        return err;
    err = (enum kith_err)kith_sync(kith, &report);
    if (!err && reason && *reason)
        err = home_save_device(kith, device, DEVICE_REASON_FIELD, reason);
    return err ? (int)err : kith_sync(kith, &report);
}

static void fill_left(struct kith *kith, const struct circle_cut *cut, struct kith_left *left)
{
    const struct roster_device *device = roster_device(replica_roster(kith->replica), cut->device);

    left->device = cut->device;
    left->leaving = leaving_word(cut->leaving);
    left->epoch = cut->epoch;
    left->until_ms = cut->time_s * 1000;
    left->late_until_ms = cut->until_s * 1000;
    left->n = cut->n;
    (void)snprintf(left->name, sizeof left->name, "%s", home_device_name(kith, cut->device));
    if (device)
        (void)snprintf(left->person, sizeof left->person, "%s",
                       home_person_name(kith, device->person));
}

enum kith_err home_circle_left(struct kith *kith, const struct circle *known,
                               struct kith_circle *circle)
{
    circle->left = calloc((size_t)known->cut_count + 1, sizeof *circle->left);
    if (!circle->left)
        return KITH_MEMORY;
    for (uint32_t i = 0; i < known->cut_count; i++)
        fill_left(kith, &known->cuts[i], &circle->left[circle->left_count++]);
    return KITH_OK;
}

enum kith_err home_count_leaving(struct kith *kith, struct kith_status *status)
{
    struct held_change *changes;
    size_t count;
    enum kith_err err = replica_held(kith->replica, &changes, &count);

    for (size_t i = 0; i < count && !err; i++)
        status->to_decide += !changes[i].is_rejected;
    free(changes);
    if (err)
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    uint32_t circles = device_circle_count(&txn);
    for (uint32_t number = 1; number <= circles; number++) {
        struct circle_row row;
        device_circle_get(&txn, number, &row);
        status->rotation_owed +=
            row.part == PART_MEMBER &&
            circle_rotation_owed(&row.circle, replica_roster(kith->replica)) > 0;
        circle_clear(&row.circle);
        store_forget(&txn);
    }
    return store_commit(&txn);
}

enum kith_err home_check_not_removed(struct kith *kith)
{
    static const uint8_t nothing[SIGN_KEY_BYTES];
    enum leaving leaving = replica_leaving(kith->replica);
    bool is_empty =
        seal_equal(replica_identity(kith->replica)->sign_secret, nothing, SIGN_KEY_BYTES);

    if (leaving == LEAVING_NOT || !is_empty)
        return KITH_OK;
    return home_fail(kith, KITH_ENDED,
                     "this device was %s: everything on it was delivered and removed; its holder "
                     "needs an invitation and a new home",
                     leaving_word(leaving));
}
