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

bool home_is_volunteers(const struct kith *kith)
{
    return replica_roster(kith->replica)->kind == AGENCY_VOLUNTEERS;
}

enum kith_err home_check_billing(struct kith *kith)
{
    return home_is_volunteers(kith) ? home_fail(kith, KITH_NOT_ALLOWED,
                                                "this is an agency of volunteers: nobody is billed")
                                    : KITH_OK;
}

static enum kith_err request_found(struct kith *kith, const struct code *code,
                                   enum agency_kind kind)
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
    request.entry.agency_kind = kind;
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
    seal_wipe(identity.root_seed, KEY_BYTES); /* it has signed what it is for */
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    seal_wipe(&identity, sizeof identity);
    return err;
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

enum kith_err home_found_agency(struct kith *kith, const char *agency, const char *person)
{
    enum kith_err err = adopt_agency(kith);

    if (!err)
        err = found_agency_circle(kith);
    if (!err)
        err = home_read_names(kith);
    if (err || kith->people.count > 0)
        return err;
    err = home_save_name(kith, RECORD_AGENCY, 0, agency);
    if (!err)
        err = home_save_name(kith, RECORD_DEVICE, 1, "first device");
    return err ? err : home_save_name(kith, RECORD_PERSON, 1, person);
}

static int found(struct kith *kith, const char *code_text, enum agency_kind kind,
                 const char *agency, const char *person, char *sheet)
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
            err = request_found(kith, &code, kind);
    }
    if (!err)
        err = home_found_agency(kith, agency, person);
    int result = err ? (int)err : kith_sync(kith, &report);
    return result ? result : kith_sheet(kith, sheet);
}

int kith_found(struct kith *kith, const char *code, const char *agency, const char *person,
               char *sheet)
{
    return found(kith, code, AGENCY_SERVICES, agency, person, sheet);
}

int kith_found_volunteers(struct kith *kith, const char *code, const char *agency,
                          const char *person, char *sheet)
{
    return found(kith, code, AGENCY_VOLUNTEERS, agency, person, sheet);
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

/* Puts an invitation into the roster: `entry` says for whom. `device` gets its number, `code` what
 * its holder needs. */
static enum kith_err invite(struct kith *kith, struct roster_entry *entry, uint32_t *device,
                            char *code)
{
    uint8_t secret[CODE_SECRET_BYTES];
    struct invite_keys keys;
    const struct identity *identity = replica_identity(kith->replica);
    struct roster_request request = {
        .is_wanted = true, .sign_secret = identity->sign_secret, .has_psk = true};
    struct exchange exchange = {.mode = CHANNEL_SYNC, .request = &request};

    seal_random(secret, sizeof secret);
    invite_derive(secret, &keys);
    entry->type = ROSTER_INVITE;
    entry->author = identity->device;
    entry->time_s = home_now_ms(kith) / 1000;
    memcpy(entry->keys.sign, keys.sign_public, KEY_BYTES);
    memcpy(entry->keys.box, keys.box_public, KEY_BYTES);
    memcpy(request.psk, keys.psk, KEY_BYTES);
    request.entry = *entry;
    enum kith_err err = request_roster(kith, &exchange);
    entry->person = request.entry.person;
    *device = request.entry.device;
    if (!err)
        err = write_code(kith, *device, secret, code);
    seal_wipe(&keys, sizeof keys);
    seal_wipe(secret, sizeof secret);
    seal_wipe(request.psk, sizeof request.psk);
    return err;
}

int kith_invite(struct kith *kith, const struct kith_invitation *invitation, char *code,
                uint64_t *expires_at_ms)
{
    struct kith_sync_report report;
    struct roster_entry entry = {.person = 0};
    uint32_t device;

    kith->detail[0] = '\0';
    *expires_at_ms = home_now_ms(kith) + invitation->expires_ms;
    entry.expires_s = *expires_at_ms / 1000;
    enum kith_err err = fill_invitation(kith, invitation, &entry);
    bool is_new_person = entry.person == 0;
    if (!err)
        err = invite(kith, &entry, &device, code);
    if (!err && is_new_person)
        err = home_save_name(kith, RECORD_PERSON, entry.person, invitation->person);
    return err ? (int)err : kith_sync(kith, &report);
}

/* The recovery sheet is an invitation of the person's own that does not expire in its lifetime: so
 * every chart is sealed to it like to any device, and it opens them all without anybody else. */
#define SHEET_YEARS 200
#define SHEET_S     ((uint64_t)SHEET_YEARS * 365 * 24 * 3600)

static bool is_sheet(const struct kith *kith, const struct roster_device *device)
{
    return device->state == DEVICE_INVITED && device->person == replica_person(kith->replica) &&
           device->expires_s > home_now_ms(kith) / 1000 + SHEET_S / 2;
}

/* An older sheet is worth nothing from now on. */
static enum kith_err void_sheets(struct kith *kith, uint32_t but)
{
    enum kith_err err = KITH_OK;

    for (uint32_t i = 0; !err && i < replica_roster(kith->replica)->device_count; i++) {
        const struct roster_device *device = &replica_roster(kith->replica)->devices[i];
        if (device->number != but && is_sheet(kith, device))
            err = (enum kith_err)kith_device_end(kith, device->number, KITH_RETIRED, NULL);
    }
    return err;
}

int kith_sheet(struct kith *kith, char *code)
{
    struct kith_sync_report report;
    const struct roster *roster = replica_roster(kith->replica);
    uint32_t person = replica_person(kith->replica);
    unsigned roles = person ? roster_person(roster, person)->roles : 0;
    uint32_t device = 0;

    kith->detail[0] = '\0';
    if (!(roles & ROLE_ADMIN) || !(roles & ROLE_CUSTODIAN))
        return home_fail(kith, KITH_NOT_ALLOWED,
                         "a recovery sheet restores the whole agency: only somebody who is admin "
                         "and custodian makes one");
    struct roster_entry entry = {.person = person,
                                 .roles = roles,
                                 .supervisor = roster_person(roster, person)->supervisor,
                                 .expires_s = home_now_ms(kith) / 1000 + SHEET_S};
    enum kith_err err = invite(kith, &entry, &device, code);
    if (!err)
        err = home_save_name(kith, RECORD_DEVICE, device, "recovery sheet");
    if (!err)
        err = void_sheets(kith, device);
    return err ? (int)err : kith_sync(kith, &report);
}

/* Where the hub is now, if it is no longer where the sheet says. */
static enum kith_err move_code(struct kith *kith, struct code *code, const char *address)
{
    size_t len = strlen(address);
    struct address read;

    if (!address_read(address, &read))
        return home_fail(kith, KITH_ADDRESS, "'%s' is no HOST:PORT and no wss://HOST", address);
    memcpy(code->address, address, len + 1);
    return KITH_OK;
}

int kith_recover(struct kith *kith, const char *sheet, const char *address, const char *device_name,
                 char *next_sheet)
{
    struct code code;
    char moved[CODE_TEXT_MAX];
    enum kith_err err = code_read(&code, sheet);

    kith->detail[0] = '\0';
    if (err || code.device == 0)
        return home_fail(kith, KITH_CODE,
                         "this is not what a recovery sheet says: check that it was copied whole");
    if (address)
        err = move_code(kith, &code, address);
    if (!err)
        err = code_write(&code, moved);
    int result = err ? (int)err : kith_join(kith, moved, device_name);
    if (!result) /* the roster had it under the name of a sheet */
        result = home_save_device(kith, code.device, DEVICE_NAME_FIELD, device_name);
    if (!result)
        result = kith_sheet(kith, next_sheet);
    seal_wipe(moved, sizeof moved);
    seal_wipe(&code, sizeof code);
    return result;
}

static enum kith_err set_address(struct kith *kith, const char address[static ADDRESS_MAX])
{
    struct identity identity = *replica_identity(kith->replica);

    memcpy(identity.address, address, ADDRESS_MAX);
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    seal_wipe(&identity, sizeof identity);
    return err;
}

/* Only our hub has the key that the handshake asks for: nobody else can make us stay. */
int kith_move(struct kith *kith, const char *address, struct kith_sync_report *report)
{
    char before[ADDRESS_MAX];
    char after[ADDRESS_MAX] = "";
    struct address read;

    kith->detail[0] = '\0';
    memset(report, 0, sizeof *report);
    if (!address_read(address, &read) || read.port == 0)
        return home_fail(kith, KITH_ADDRESS, "'%s' is no HOST:PORT and no wss://HOST", address);
    memcpy(before, replica_identity(kith->replica)->address, ADDRESS_MAX);
    (void)snprintf(after, sizeof after, "%s", address);
    int result = (int)set_address(kith, after);
    if (!result)
        result = kith_sync(kith, report);
    if (result && set_address(kith, before))
        return home_fail(kith, KITH_IO, "the old address could not be put back: give it again");
    return result;
}
