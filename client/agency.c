/* SPDX-License-Identifier: Apache-2.0 */
/* Founding an agency, inviting and joining: the steps that need the hub, since it alone puts the
 * roster in order. */
#include <stdio.h>
#include <string.h>

#include "client/home.h"
#include "protocol/invite.h"
#include "protocol/seal.h"

/* The same bounds as what home_read_names takes. */
static enum kith_err check_name(struct kith *kith, const char *name)
{
    struct bytes text = bytes_text(name);

    if (text.len == 0 || text.len >= KITH_NAME_TEXT || !wire_is_utf8(text))
        return home_fail(kith, KITH_INPUT, "a name has 1 to %d characters", KITH_NAME_TEXT - 1);
    return KITH_OK;
}

enum kith_err home_save_name(struct kith *kith, enum record_type type, uint32_t number,
                             const char *name)
{
    uint8_t agency[ID_BYTES];
    struct buffer name_value;
    struct buffer number_value;
    struct edit edits[2] = {{.type = type, .field = 1, .kind = OP_PUT},
                            {.type = type, .field = 2, .kind = OP_PUT}};

    if (!replica_agency_circle(kith->replica, agency))
        return KITH_UNKNOWN_CIRCLE;
    buffer_init(&name_value, VALUE_MAX);
    buffer_init(&number_value, VALUE_MAX);
    enum kith_err err = check_name(kith, name);
    if (!err)
        wire_put_text(&name_value, bytes_text(name));
    wire_put_uint(&number_value, number);
    seal_random(edits[0].record, ID_BYTES);
    memcpy(edits[1].record, edits[0].record, ID_BYTES);
    edits[0].value = buffer_view(number ? &number_value : &name_value);
    edits[1].value = buffer_view(&name_value);
    if (!err)
        err = home_save(kith, agency, edits, number ? 2 : 1);
    buffer_clear(&name_value);
    buffer_clear(&number_value);
    home_forget_names(kith);
    return err;
}

static enum kith_err request_roster(struct kith *kith, struct exchange *exchange)
{
    enum kith_err err = home_exchange(kith, exchange);

    if (exchange->request->refusal)
        return exchange->request->refusal;
    if (!err && !exchange->request->is_done)
        err = KITH_LOST;
    return err;
}

/* The agency's circle has everybody as a member; its first recipient is the founder's device. */
static enum kith_err found_agency_circle(struct kith *kith)
{
    uint8_t circle[ID_BYTES];
    uint32_t device = replica_identity(kith->replica)->device;
    const struct genesis genesis = {.kind = CIRCLE_AGENCY, .devices = &device, .device_count = 1};
    struct save nothing = {.now_ms = home_now_ms(kith)};

    if (replica_agency_circle(kith->replica, circle))
        return KITH_OK;
    return replica_found_circle(kith->replica, &genesis, &nothing, circle);
}

static enum kith_err request_found(struct kith *kith, const struct code *code)
{
    struct invite_keys keys;
    uint8_t root_secret[SIGN_KEY_BYTES];
    const struct identity *identity = replica_identity(kith->replica);
    struct roster_request request = {
        .is_wanted = true, .waits_for_hub = true, .sign_secret = root_secret};
    struct exchange exchange = {.mode = CHANNEL_FOUND, .psk = keys.psk, .request = &request};

    invite_derive(code->secret, &keys);
    seal_sign_keypair(identity->root_seed, request.entry.root, root_secret);
    request.entry.type = ROSTER_FOUND;
    request.entry.time_s = home_clock_ms() / 1000;
    request.entry.roles = ROLE_ADMIN | ROLE_CUSTODIAN;
    memcpy(request.entry.hub_noise, code->hub_key, KEY_BYTES);
    identity_public(identity, &request.entry.keys);
    enum kith_err err = request_roster(kith, &exchange);
    seal_wipe(&keys, sizeof keys);
    seal_wipe(root_secret, sizeof root_secret);
    if (err == KITH_HANDSHAKE)
        return home_fail(
            kith, KITH_FOUNDED,
            "the hub did not accept this code: it serves an agency already, or is another hub");
    return err;
}

/* Takes hub and agency out of a code into this device's identity, keeping its keys. */
static enum kith_err adopt_code(struct kith *kith, const struct code *code, uint32_t device)
{
    struct identity identity = *replica_identity(kith->replica);
    struct invite_keys keys;

    memcpy(identity.hub_key, code->hub_key, KEY_BYTES);
    memcpy(identity.address, code->address, ADDRESS_MAX);
    memcpy(identity.agency, code->agency, ID_BYTES);
    identity.device = device;
    invite_derive(code->secret, &keys);
    if (code->device == 0)
        seal_random(identity.root_seed, KEY_BYTES);
    else
        memcpy(identity.invite_box_secret, keys.box_secret, KEY_BYTES);
    seal_wipe(&keys, sizeof keys);
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    seal_wipe(&identity, sizeof identity);
    return err;
}

static enum kith_err adopt_agency(struct kith *kith)
{
    struct identity identity = *replica_identity(kith->replica);

    memcpy(identity.agency, replica_roster(kith->replica)->agency, ID_BYTES);
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    seal_wipe(&identity, sizeof identity);
    return err;
}

static void sheet_write(const uint8_t root[static KEY_BYTES], char *sheet)
{
    char plain[KEY_BYTES * 2];
    size_t at = 0;

    base32_write(bytes_of(root, KEY_BYTES), plain);
    for (size_t i = 0; plain[i]; i++) {
        if (i > 0 && i % 4 == 0)
            sheet[at++] = ' ';
        sheet[at++] = plain[i];
    }
    sheet[at] = '\0';
}

/* The roster has this device, under its own keys: an invitation's alone do not count. */
static bool is_enrolled(const struct kith *kith)
{
    const struct identity *identity = replica_identity(kith->replica);
    const struct roster_device *device =
        roster_device(replica_roster(kith->replica), identity->device);
    struct device_public keys;

    identity_public(identity, &keys);
    return device && device->state == DEVICE_ACTIVE &&
           memcmp(device->keys.sign, keys.sign, KEY_BYTES) == 0;
}

static bool is_code_of_this_home(const struct kith *kith, const struct code *code)
{
    const struct identity *identity = replica_identity(kith->replica);
    bool is_founding = code->device == 0;

    return identity->device == (is_founding ? 1 : code->device) &&
           memcmp(identity->hub_key, code->hub_key, KEY_BYTES) == 0 &&
           (is_founding || memcmp(identity->agency, code->agency, ID_BYTES) == 0);
}

/* Whether an earlier try got through to the hub and only its answer was lost: then the hub knows
 * this device, and a sync brings the roster. */
static bool got_through_before(struct kith *kith, const struct code *code)
{
    struct kith_sync_report report;

    return is_code_of_this_home(kith, code) && kith_sync(kith, &report) == 0 && is_enrolled(kith);
}

/* What the agency's circle is to hold from the start. Each step is left out where an earlier try
 * has done it. */
static enum kith_err write_first_names(struct kith *kith, const char *agency, const char *person)
{
    enum kith_err err = found_agency_circle(kith);

    if (!err)
        err = home_read_names(kith);
    if (err || kith->people.count > 0)
        return err;
    err = home_save_name(kith, RECORD_AGENCY, 0, agency);
    if (!err)
        err = home_save_name(kith, RECORD_DEVICE, 1, "first device");
    return err ? err : home_save_name(kith, RECORD_PERSON, 1, person);
}

int kith_found(struct kith *kith, const char *code_text, const char *agency, const char *person,
               char *sheet)
{
    struct code code;
    struct kith_sync_report report;
    enum kith_err err = KITH_OK;

    kith->detail[0] = '\0';
    if (code_read(&code, code_text))
        return home_fail(kith, KITH_CODE,
                         "this is not a valid code: check that it was copied whole");
    if (code.device != 0)
        return home_fail(kith, KITH_CODE, "this code is an invitation: use it with 'kith join'");
    if (is_enrolled(kith) && (home_read_names(kith) || kith->people.count > 0))
        return home_fail(kith, KITH_EXISTS, "this home already belongs to an agency");
    if (!got_through_before(kith, &code)) {
        err = adopt_code(kith, &code, 1);
        if (!err)
            err = request_found(kith, &code);
    }
    if (!err)
        err = adopt_agency(kith);
    if (!err)
        err = write_first_names(kith, agency, person);
    if (!err)
        sheet_write(replica_identity(kith->replica)->root_seed, sheet);
    return err ? (int)err : kith_sync(kith, &report);
}

static enum kith_err request_enrolment(struct kith *kith, const struct code *code)
{
    struct invite_keys keys;
    struct roster_request request = {.is_wanted = true, .sign_secret = keys.sign_secret};
    struct exchange exchange = {.mode = CHANNEL_JOIN, .psk = keys.psk, .request = &request};

    invite_derive(code->secret, &keys);
    request.entry.type = ROSTER_ENROL;
    request.entry.author = code->device;
    request.entry.time_s = home_clock_ms() / 1000;
    identity_public(replica_identity(kith->replica), &request.entry.keys);
    enum kith_err err = request_roster(kith, &exchange);
    seal_wipe(&keys, sizeof keys);
    /* Without the psk, which the hub has forgotten or never had, its reason cannot be read: only
     * that it said no. */
    if (err == KITH_HANDSHAKE)
        return home_fail(kith, KITH_EXPIRED,
                         "the hub did not accept this invitation: it has expired, or was used, or "
                         "is for another hub");
    return err;
}

int kith_join(struct kith *kith, const char *code_text, const char *device_name)
{
    struct code code;
    struct kith_sync_report report;
    enum kith_err err = KITH_OK;

    kith->detail[0] = '\0';
    if (code_read(&code, code_text))
        return home_fail(kith, KITH_CODE,
                         "this is not a valid code: check that it was copied whole");
    if (code.device == 0)
        return home_fail(kith, KITH_CODE, "this code founds an agency: use it with 'kith found'");
    err = home_check_not_removed(kith);
    if (err)
        return err;
    if (is_enrolled(kith) && !is_code_of_this_home(kith, &code))
        return home_fail(kith, KITH_EXISTS, "this home already belongs to an agency");
    if (!got_through_before(kith, &code)) {
        err = adopt_code(kith, &code, code.device);
        if (!err)
            err = request_enrolment(kith, &code);
        if (!err)
            err = (enum kith_err)kith_sync(kith, &report);
    }
    if (!err)
        err = home_read_names(kith);
    if (!err && !home_has_device_name(kith, code.device))
        err = home_save_name(kith, RECORD_DEVICE, code.device, device_name);
    return err ? (int)err : kith_sync(kith, &report);
}

/* A new person, or a further device of somebody who is there: then role and supervisor are what
 * they are. */
static enum kith_err fill_invitation(struct kith *kith, const struct kith_invitation *invitation,
                                     struct roster_entry *entry)
{
    const struct roster *roster = replica_roster(kith->replica);
    enum kith_err err = home_person(kith, invitation->person, &entry->person);

    if (err == KITH_AMBIGUOUS)
        return home_fail(kith, err, "several people are called '%s': use the number",
                         invitation->person);
    if (!err) {
        entry->roles = roster_person(roster, entry->person)->roles;
        entry->supervisor = roster_person(roster, entry->person)->supervisor;
        return KITH_OK;
    }
    if (err == KITH_NOT_FOUND)
        err = check_name(kith, invitation->person);
    if (err)
        return err;
    entry->person = 0;
    entry->roles = role_of(bytes_text(invitation->role ? invitation->role : ""));
    if (entry->roles == 0)
        return home_fail(
            kith, KITH_INPUT,
            "a role is one of: specialist, trainee, volunteer, supervisor, custodian, admin");
    if (!invitation->supervisor)
        return KITH_OK;
    err = home_person(kith, invitation->supervisor, &entry->supervisor);
    if (!err && !role_may(roster_person(roster, entry->supervisor)->roles, MAY_LEAD))
        return home_fail(kith, KITH_NOT_ALLOWED, "'%s' has no role that supervises",
                         invitation->supervisor);
    return err ? home_fail(kith, err, "no person '%s'", invitation->supervisor) : KITH_OK;
}

static enum kith_err write_code(struct kith *kith, uint32_t device,
                                const uint8_t secret[static CODE_SECRET_BYTES], char *text)
{
    const struct identity *identity = replica_identity(kith->replica);
    struct code code = {.device = device};

    memcpy(code.hub_key, identity->hub_key, KEY_BYTES);
    memcpy(code.agency, identity->agency, ID_BYTES);
    memcpy(code.secret, secret, CODE_SECRET_BYTES);
    memcpy(code.address, identity->address, ADDRESS_MAX);
    enum kith_err err = code_write(&code, text);
    seal_wipe(&code, sizeof code);
    return err;
}

int kith_invite(struct kith *kith, const struct kith_invitation *invitation, char *code,
                uint64_t *expires_at_ms)
{
    uint8_t secret[CODE_SECRET_BYTES];
    struct invite_keys keys;
    struct kith_sync_report report;
    const struct identity *identity = replica_identity(kith->replica);
    struct roster_request request = {
        .is_wanted = true, .sign_secret = identity->sign_secret, .has_psk = true};
    struct exchange exchange = {.mode = CHANNEL_SYNC, .request = &request};

    kith->detail[0] = '\0';
    seal_random(secret, sizeof secret);
    invite_derive(secret, &keys);
    *expires_at_ms = home_now_ms(kith) + invitation->expires_ms;
    request.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                          .author = identity->device,
                                          .time_s = home_now_ms(kith) / 1000,
                                          .expires_s = *expires_at_ms / 1000};
    memcpy(request.entry.keys.sign, keys.sign_public, KEY_BYTES);
    memcpy(request.entry.keys.box, keys.box_public, KEY_BYTES);
    memcpy(request.psk, keys.psk, KEY_BYTES);
    enum kith_err err = fill_invitation(kith, invitation, &request.entry);
    bool is_new_person = request.entry.person == 0;
    if (!err)
        err = request_roster(kith, &exchange);
    if (!err && is_new_person)
        err = home_save_name(kith, RECORD_PERSON, request.entry.person, invitation->person);
    if (!err)
        err = (enum kith_err)kith_sync(kith, &report);
    if (!err)
        err = write_code(kith, request.entry.device, secret, code);
    seal_wipe(&keys, sizeof keys);
    seal_wipe(secret, sizeof secret);
    seal_wipe(request.psk, sizeof request.psk);
    return err;
}
