/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/roster.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/seal.h"
#include "protocol/wire.h"

#define ENTRY_FIELDS 7 /* version, seq, prev, author, time, type, content */
#define FOUND_FIELDS 7

static const unsigned role_rights[] = {
    [MAY_INVITE] = ROLE_ADMIN,
    [MAY_REGISTER] = ROLE_SPECIALIST | ROLE_TRAINEE | ROLE_VOLUNTEER | ROLE_SUPERVISOR | ROLE_ADMIN,
    [MAY_GRANT] = ROLE_SPECIALIST | ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN,
    [MAY_LEAD] = ROLE_SUPERVISOR | ROLE_ADMIN,
    [MAY_END] = ROLE_ADMIN,
    [MAY_WITHDRAW] = ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN,
};

bool role_may(unsigned roles, enum role_right right)
{
    return (roles & role_rights[right]) != 0;
}

static const struct {
    unsigned role;
    const char *word;
} role_words[] = {
#define ROLE_WORD(name, bit, word) {bit, word},
    ROLES(ROLE_WORD)
#undef ROLE_WORD
};

unsigned role_of(struct bytes word)
{
    for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
        if (bytes_equal(word, bytes_text(role_words[i].word)))
            return role_words[i].role;
    return 0;
}

const char *role_word(unsigned role)
{
    for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
        if (role_words[i].role == role)
            return role_words[i].word;
    return "";
}

const char *leaving_word(enum leaving leaving)
{
    static const char *const words[] = {"", "transferred", "retired", "revoked", "renewed"};

    return words[leaving];
}

void roster_init(struct roster *roster)
{
    memset(roster, 0, sizeof *roster);
}

void roster_clear(struct roster *roster)
{
    free(roster->devices);
    free(roster->people);
    free(roster->changes);
    roster_init(roster);
}

const struct roster_device *roster_device(const struct roster *roster, uint64_t number)
{
    return number >= 1 && number <= roster->device_count ? &roster->devices[number - 1] : NULL;
}

const struct roster_person *roster_person(const struct roster *roster, uint64_t number)
{
    return number >= 1 && number <= roster->person_count ? &roster->people[number - 1] : NULL;
}

static const struct roster_role_change *newest_change(const struct roster *roster, uint32_t person)
{
    const struct roster_person *known = roster_person(roster, person);

    return known && known->newest_change ? &roster->changes[known->newest_change - 1] : NULL;
}

unsigned roster_roles_at(const struct roster *roster, uint32_t person, uint32_t seq)
{
    const struct roster_role_change *change = newest_change(roster, person);

    while (change && change->seq > seq)
        change = change->before ? &roster->changes[change->before - 1] : NULL;
    return change ? change->roles : 0;
}

uint32_t roster_roles_since(const struct roster *roster, uint32_t person)
{
    const struct roster_role_change *change = newest_change(roster, person);

    return change ? change->seq : 0;
}

const struct roster_person *roster_next_custodian(const struct roster *roster, uint32_t person)
{
    const struct roster_person *last = roster_person(roster, person);

    return roster_person(roster, last ? last->next_custodian : roster->custodian);
}

unsigned roster_device_roles(const struct roster *roster, uint32_t device)
{
    const struct roster_device *known = roster_device(roster, device);
    const struct roster_person *person = known ? roster_person(roster, known->person) : NULL;

    return person ? person->roles : 0;
}

bool roster_is_ended_at(const struct roster_device *device, uint32_t seq)
{
    return device->ended != 0 && device->ended <= seq;
}

static void keys_read(struct wire_in *in, struct device_public *keys)
{
    wire_bin_exact(in, keys->sign, KEY_BYTES);
    wire_bin_exact(in, keys->noise, KEY_BYTES);
    wire_bin_exact(in, keys->box, KEY_BYTES);
}

/* Only what is handed over has a term. */
static void end_read(struct wire_in *in, struct roster_entry *entry)
{
    wire_array_exact(in, 3);
    entry->device = (uint32_t)wire_uint(in, DEVICE_MAX);
    entry->leaving = (enum leaving)wire_uint(in, LEAVING_REVOKED);
    entry->until_s = wire_uint(in, UINT64_MAX);
    bool is_transfer = entry->leaving == LEAVING_TRANSFERRED;
    if (entry->leaving == LEAVING_NOT || is_transfer != (entry->until_s != 0))
        wire_fail(in, KITH_MALFORMED);
}

/* The kind stands behind the rest, and only if it is not the usual one. */
static void found_read(struct wire_in *in, struct roster_entry *entry)
{
    uint32_t count = wire_array(in, FOUND_FIELDS + 1);

    wire_bin_exact(in, entry->root, KEY_BYTES);
    wire_bin_exact(in, entry->hub_noise, KEY_BYTES);
    wire_bin_exact(in, entry->hub_sign, KEY_BYTES);
    entry->roles = (unsigned)wire_uint(in, ROLE_ALL);
    keys_read(in, &entry->keys);
    if (count > FOUND_FIELDS)
        entry->agency_kind = (enum agency_kind)wire_uint(in, AGENCY_KIND_MAX);
    if (count < FOUND_FIELDS || (count > FOUND_FIELDS && entry->agency_kind == AGENCY_SERVICES))
        wire_fail(in, KITH_MALFORMED);
}

static void content_read(struct wire_in *in, struct roster_entry *entry)
{
    switch (entry->type) {
    case ROSTER_FOUND:
        found_read(in, entry);
        return;
    case ROSTER_INVITE:
        wire_array_exact(in, 7);
        entry->device = (uint32_t)wire_uint(in, DEVICE_MAX);
        entry->person = (uint32_t)wire_uint(in, PERSON_MAX);
        entry->roles = (unsigned)wire_uint(in, ROLE_ALL);
        entry->supervisor = (uint32_t)wire_uint(in, PERSON_MAX);
        wire_bin_exact(in, entry->keys.sign, KEY_BYTES);
        wire_bin_exact(in, entry->keys.box, KEY_BYTES);
        entry->expires_s = wire_uint(in, UINT64_MAX);
        return;
    case ROSTER_ENROL:
        wire_array_exact(in, 3);
        keys_read(in, &entry->keys);
        return;
    case ROSTER_ROLE:
        wire_array_exact(in, 3);
        entry->person = (uint32_t)wire_uint(in, PERSON_MAX);
        entry->roles = (unsigned)wire_uint(in, ROLE_ALL);
        entry->supervisor = (uint32_t)wire_uint(in, PERSON_MAX);
        return;
    case ROSTER_END:
        end_read(in, entry);
        return;
    case ROSTER_RENEW:
        wire_array_exact(in, 4);
        entry->device = (uint32_t)wire_uint(in, DEVICE_MAX);
        keys_read(in, &entry->keys);
        return;
    }
    wire_fail(in, KITH_UNKNOWN_TYPE);
}

static void put_key(struct buffer *out, const uint8_t key[static KEY_BYTES])
{
    wire_put_bin(out, bytes_of(key, KEY_BYTES));
}

static void keys_write(struct buffer *out, const struct device_public *keys)
{
    put_key(out, keys->sign);
    put_key(out, keys->noise);
    put_key(out, keys->box);
}

static void content_write(struct buffer *out, const struct roster_entry *entry)
{
    switch (entry->type) {
    case ROSTER_FOUND:
        wire_put_array(out, FOUND_FIELDS + (entry->agency_kind != AGENCY_SERVICES));
        put_key(out, entry->root);
        put_key(out, entry->hub_noise);
        put_key(out, entry->hub_sign);
        wire_put_uint(out, entry->roles);
        keys_write(out, &entry->keys);
        if (entry->agency_kind != AGENCY_SERVICES)
            wire_put_uint(out, entry->agency_kind);
        return;
    case ROSTER_INVITE:
        wire_put_array(out, 7);
        wire_put_uint(out, entry->device);
        wire_put_uint(out, entry->person);
        wire_put_uint(out, entry->roles);
        wire_put_uint(out, entry->supervisor);
        put_key(out, entry->keys.sign);
        put_key(out, entry->keys.box);
        wire_put_uint(out, entry->expires_s);
        return;
    case ROSTER_ENROL:
        wire_put_array(out, 3);
        keys_write(out, &entry->keys);
        return;
    case ROSTER_ROLE:
        wire_put_array(out, 3);
        wire_put_uint(out, entry->person);
        wire_put_uint(out, entry->roles);
        wire_put_uint(out, entry->supervisor);
        return;
    case ROSTER_END:
        wire_put_array(out, 3);
        wire_put_uint(out, entry->device);
        wire_put_uint(out, entry->leaving);
        wire_put_uint(out, entry->until_s);
        return;
    case ROSTER_RENEW:
        wire_put_array(out, 4);
        wire_put_uint(out, entry->device);
        keys_write(out, &entry->keys);
        return;
    }
}

static const struct chain_tags tags = {SEAL_ROSTER_ENTRY, SEAL_ROSTER_SIGN};

enum kith_err roster_entry_read(struct roster_entry *entry, struct bytes bytes)
{
    struct wire_in in;

    memset(entry, 0, sizeof *entry);
    enum kith_err err = chain_open(bytes, &tags, ENTRY_FIELDS, &entry->link, &in);
    if (err)
        return err;
    entry->author = (uint32_t)wire_uint(&in, DEVICE_MAX);
    entry->time_s = wire_uint(&in, UINT64_MAX);
    entry->type = (enum roster_type)wire_uint(&in, UINT8_MAX);
    content_read(&in, entry);
    return wire_close(&in);
}

enum kith_err roster_entry_write(const struct roster *roster, struct roster_entry *entry,
                                 const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                 struct buffer *out)
{
    size_t start = chain_begin(out, ENTRY_FIELDS, roster->count, roster->head, &entry->link);

    wire_put_uint(out, entry->author);
    wire_put_uint(out, entry->time_s);
    wire_put_uint(out, entry->type);
    content_write(out, entry);
    return chain_sign(out, start, &tags, sign_secret, &entry->link);
}

/* Whose key must have signed the entry; NULL if the author cannot be. */
static const uint8_t *entry_signer(const struct roster *roster, const struct roster_entry *entry)
{
    if (entry->type == ROSTER_FOUND)
        return entry->link.seq == 1 ? entry->root : NULL;
    const struct roster_device *author = roster_device(roster, entry->author);
    enum device_state needed = entry->type == ROSTER_ENROL ? DEVICE_INVITED : DEVICE_ACTIVE;

    return author && author->state == needed ? author->keys.sign : NULL;
}

static bool is_single_role(unsigned roles)
{
    return roles != 0 && (roles & (roles - 1)) == 0;
}

/* An admin invites anybody; everybody may invite a further device of their own, as what they are.
 */
static enum kith_err invite_check(const struct roster *roster, const struct roster_entry *entry)
{
    const struct roster_person *person = roster_person(roster, entry->person);
    const struct roster_person *leader = roster_person(roster, entry->supervisor);

    if (person && (person->roles != entry->roles || person->supervisor != entry->supervisor))
        return KITH_NOT_ALLOWED;
    if (!person && !is_single_role(entry->roles))
        return KITH_MALFORMED;
    if (!person && entry->supervisor != 0 && (!leader || !role_may(leader->roles, MAY_LEAD)))
        return KITH_NOT_ALLOWED;
    const struct roster_device *author = roster_device(roster, entry->author);
    bool is_own = person && author && author->person == person->number;
    bool is_inviter = role_may(roster_device_roles(roster, entry->author), MAY_INVITE);
    return is_own || is_inviter ? KITH_OK : KITH_NOT_ALLOWED;
}

static enum kith_err role_check(const struct roster *roster, const struct roster_entry *entry)
{
    const struct roster_person *leader = roster_person(roster, entry->supervisor);

    if (!roster_person(roster, entry->person) || entry->roles == 0)
        return KITH_MALFORMED;
    if (entry->supervisor == entry->person)
        return KITH_MALFORMED;
    if (entry->supervisor != 0 && (!leader || !role_may(leader->roles, MAY_LEAD)))
        return KITH_NOT_ALLOWED;
    return role_may(roster_device_roles(roster, entry->author), MAY_INVITE) ? KITH_OK
                                                                            : KITH_NOT_ALLOWED;
}

/* The last device that can invite is not ended: nobody could be let in any more. */
static bool is_last_inviter(const struct roster *roster, const struct roster_device *device)
{
    if (device->state != DEVICE_ACTIVE ||
        !role_may(roster_device_roles(roster, device->number), MAY_INVITE))
        return false;
    for (uint32_t i = 0; i < roster->device_count; i++) {
        const struct roster_device *other = &roster->devices[i];
        if (other != device && other->state == DEVICE_ACTIVE &&
            role_may(roster_device_roles(roster, other->number), MAY_INVITE))
            return false;
    }
    return true;
}

/* Who manages the roster, the person's supervisor and the person may end a device: whoever notices
 * first that it is gone. One that is ended may only be ended for a stricter reason. */
static enum kith_err end_check(const struct roster *roster, const struct roster_entry *entry)
{
    const struct roster_device *device = roster_device(roster, entry->device);
    const struct roster_device *author = roster_device(roster, entry->author);

    if (!device || !author || entry->leaving <= device->leaving)
        return KITH_MALFORMED;
    const struct roster_person *person = roster_person(roster, device->person);
    bool is_close = author->person == device->person ||
                    (person && person->supervisor && person->supervisor == author->person);
    if (!is_close && !role_may(roster_device_roles(roster, entry->author), MAY_END))
        return KITH_NOT_ALLOWED;
    return is_last_inviter(roster, device) ? KITH_NOT_ALLOWED : KITH_OK;
}

/* Keys that nobody can agree with would stop whoever seals to all devices of a member. An
 * invitation has no noise key yet. */
static bool has_usable_keys(const struct roster_entry *entry)
{
    bool has_keys = entry->type == ROSTER_FOUND || entry->type == ROSTER_INVITE ||
                    entry->type == ROSTER_ENROL || entry->type == ROSTER_RENEW;

    return !has_keys || (seal_is_agreeable(entry->keys.box) &&
                         (entry->type == ROSTER_INVITE || seal_is_agreeable(entry->keys.noise)));
}

static enum kith_err entry_check(const struct roster *roster, const struct roster_entry *entry)
{
    const uint8_t *signer = entry_signer(roster, entry);

    if (!signer)
        return entry->type == ROSTER_ENROL ? KITH_EXPIRED : KITH_NOT_ALLOWED;
    enum kith_err err =
        seal_verify(SEAL_ROSTER_SIGN, signer, entry->link.hash, entry->link.signature);
    if (!err && !has_usable_keys(entry))
        err = KITH_MALFORMED;
    if (err)
        return err;
    switch (entry->type) {
    case ROSTER_FOUND:
        return entry->author == 0 && entry->roles ? KITH_OK : KITH_MALFORMED;
    case ROSTER_INVITE:
        return invite_check(roster, entry);
    case ROSTER_ENROL:
        return KITH_OK;
    case ROSTER_ROLE:
        return role_check(roster, entry);
    case ROSTER_END:
        return end_check(roster, entry);
    case ROSTER_RENEW:
        return KITH_OK; /* signed by a device that is active */
    }
    return KITH_UNKNOWN_TYPE;
}

/* Whether the numbers that it names have their place: what entry_apply relies on, also in a replay.
 */
static bool entry_fits(const struct roster *roster, const struct roster_entry *entry)
{
    const struct roster_device *author = roster_device(roster, entry->author);

    switch (entry->type) {
    case ROSTER_FOUND:
        return entry->link.seq == 1;
    case ROSTER_INVITE:
        return entry->device == roster->device_count + 1 && entry->person >= 1 &&
               entry->person <= roster->person_count + 1;
    case ROSTER_ENROL:
        return author && author->state == DEVICE_INVITED;
    case ROSTER_ROLE:
        return roster_person(roster, entry->person) != NULL;
    case ROSTER_END:
        return roster_device(roster, entry->device) != NULL;
    case ROSTER_RENEW:
        return author && author->state == DEVICE_ACTIVE &&
               entry->device == roster->device_count + 1;
    }
    return false;
}

/* Grows by doubling; the limits on device and person numbers bound it. */
static bool make_room(void **array, uint32_t count, size_t size)
{
    if (count != 0 && (count < 8 || (count & (count - 1)) != 0))
        return true;
    size_t room = count < 8 ? 8 : (size_t)count * 2;
    void *larger = realloc(*array, room * size);
    if (!larger)
        return false;
    *array = larger;
    return true;
}

static bool roster_make_room(struct roster *roster)
{
    void *devices = roster->devices;
    void *people = roster->people;
    void *changes = roster->changes;
    bool is_roomy = make_room(&devices, roster->device_count, sizeof *roster->devices) &&
                    make_room(&people, roster->person_count, sizeof *roster->people) &&
                    make_room(&changes, roster->change_count, sizeof *roster->changes);

    roster->devices = devices;
    roster->people = people;
    roster->changes = changes;
    return is_roomy;
}

static void apply_person(struct roster *roster, const struct roster_entry *entry, uint32_t number)
{
    struct roster_person *person = &roster->people[number - 1];

    if (number > roster->person_count) {
        roster->person_count = number;
        *person = (struct roster_person){.number = number};
    }
    person->roles = entry->roles;
    person->supervisor = entry->supervisor;
    roster->changes[roster->change_count++] =
        (struct roster_role_change){.seq = entry->link.seq,
                                    .person = number,
                                    .roles = entry->roles,
                                    .before = person->newest_change};
    person->newest_change = roster->change_count;
    if ((entry->roles & ROLE_CUSTODIAN) && !person->is_custodian_listed) {
        person->is_custodian_listed = true;
        person->next_custodian = roster->custodian;
        roster->custodian = number;
    }
}

static void apply_device(struct roster *roster, const struct roster_entry *entry, uint32_t person,
                         enum device_state state)
{
    struct roster_device *device = &roster->devices[roster->device_count++];

    memset(device, 0, sizeof *device);
    device->number = roster->device_count;
    device->person = person;
    device->invited_by = entry->author;
    device->state = state;
    device->keys = entry->keys;
    device->expires_s = entry->expires_s;
    device->since = entry->link.seq;
    if (state == DEVICE_INVITED)
        memcpy(device->invite_sign, entry->keys.sign, KEY_BYTES);
}

static void apply_found(struct roster *roster, const struct roster_entry *entry)
{
    roster->kind = entry->agency_kind;
    memcpy(roster->root, entry->root, KEY_BYTES);
    memcpy(roster->hub_noise, entry->hub_noise, KEY_BYTES);
    memcpy(roster->hub_sign, entry->hub_sign, KEY_BYTES);
    apply_person(roster, entry, 1);
    apply_device(roster, entry, 1, DEVICE_ACTIVE);
}

static void end_device(struct roster_device *device, const struct roster_entry *entry,
                       enum leaving leaving)
{
    device->state = DEVICE_ENDED;
    device->leaving = leaving;
    device->until_s = entry->until_s;
    if (device->ended == 0)
        device->ended = entry->link.seq;
}

/* With a device go the open invitations that would let its holder in again: its person's own, and
 * all that it has written if it is in wrong hands. */
static void apply_end(struct roster *roster, const struct roster_entry *entry)
{
    struct roster_device *ended = &roster->devices[entry->device - 1];

    end_device(ended, entry, entry->leaving);
    for (uint32_t i = 0; i < roster->device_count; i++) {
        struct roster_device *device = &roster->devices[i];
        bool is_open = device->state == DEVICE_INVITED && device->invited_by == ended->number;
        if (is_open && (device->person == ended->person || entry->leaving == LEAVING_REVOKED))
            end_device(device, entry, entry->leaving);
    }
}

static void apply_renew(struct roster *roster, const struct roster_entry *entry)
{
    struct roster_device *old = &roster->devices[entry->author - 1];

    apply_device(roster, entry, old->person, DEVICE_ACTIVE);
    roster->devices[roster->device_count - 1].renews = old->number;
    end_device(old, entry, LEAVING_RENEWED);
}

static void entry_apply(struct roster *roster, const struct roster_entry *entry)
{
    switch (entry->type) {
    case ROSTER_FOUND:
        apply_found(roster, entry);
        break;
    case ROSTER_INVITE:
        if (entry->person > roster->person_count)
            apply_person(roster, entry, entry->person);
        apply_device(roster, entry, entry->person, DEVICE_INVITED);
        break;
    case ROSTER_ENROL:
        roster->devices[entry->author - 1].keys = entry->keys;
        roster->devices[entry->author - 1].state = DEVICE_ACTIVE;
        roster->devices[entry->author - 1].since = entry->link.seq;
        break;
    case ROSTER_ROLE:
        apply_person(roster, entry, entry->person);
        break;
    case ROSTER_END:
        apply_end(roster, entry);
        break;
    case ROSTER_RENEW:
        apply_renew(roster, entry);
        break;
    }
    roster->count = entry->link.seq;
    memcpy(roster->head, entry->link.hash, HASH_BYTES);
}

/* The first entry makes the agency, or is the one whose id was known beforehand. */
static enum kith_err agency_check(const struct roster *roster, const struct roster_entry *entry,
                                  uint8_t agency[static ID_BYTES])
{
    static const uint8_t unknown[ID_BYTES];
    struct bytes hash = bytes_of(entry->link.hash, HASH_BYTES);

    seal_id(SEAL_AGENCY_ID, &hash, 1, agency);
    if (!seal_equal(roster->agency, unknown, ID_BYTES) &&
        !seal_equal(roster->agency, agency, ID_BYTES))
        return KITH_FOREIGN;
    return KITH_OK;
}

static enum kith_err roster_add(struct roster *roster, struct bytes bytes, bool is_checked)
{
    struct roster_entry entry;
    uint8_t agency[ID_BYTES];
    enum kith_err err = roster_entry_read(&entry, bytes);

    if (err)
        return err;
    if (!chain_follows(&entry.link, roster->count, roster->head))
        return KITH_STALE;
    if (entry.link.seq == 1)
        err = agency_check(roster, &entry, agency);
    if (!err && !is_checked)
        err = entry_check(roster, &entry);
    if (!err && !entry_fits(roster, &entry))
        err = KITH_STALE;
    if (err)
        return err;
    if (!roster_make_room(roster))
        return KITH_MEMORY;
    if (entry.link.seq == 1)
        memcpy(roster->agency, agency, ID_BYTES);
    entry_apply(roster, &entry);
    return KITH_OK;
}

enum kith_err roster_append(struct roster *roster, struct bytes entry)
{
    return roster_add(roster, entry, false);
}

enum kith_err roster_replay(struct roster *roster, struct bytes entry)
{
    enum kith_err err = roster_add(roster, entry, true);

    return err && err != KITH_MEMORY ? KITH_DAMAGED : err;
}
