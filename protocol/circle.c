/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/circle.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

#define ENTRY_FIELDS 8 /* version, seq, prev, author, roster seq, time, type, content */

void circle_init(struct circle *circle)
{
    memset(circle, 0, sizeof *circle);
}

void circle_clear(struct circle *circle)
{
    free(circle->members);
    free(circle->devices);
    circle_init(circle);
}

/* The first index whose number is not below `number`. */
static uint32_t member_place(const struct circle *circle, uint32_t person)
{
    uint32_t low = 0;
    uint32_t high = circle->member_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (circle->members[middle].person < person)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t device_place(const struct circle *circle, uint32_t device)
{
    uint32_t low = 0;
    uint32_t high = circle->device_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (circle->devices[middle] < device)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct circle_member *circle_member(const struct circle *circle, uint32_t person)
{
    static const struct circle_member everybody = {.person = 0, .right = CIRCLE_WRITE};
    uint32_t place = member_place(circle, person);

    if (circle->kind == CIRCLE_AGENCY)
        return &everybody;
    if (place < circle->member_count && circle->members[place].person == person)
        return &circle->members[place];
    return NULL;
}

bool circle_has_device(const struct circle *circle, uint32_t device)
{
    uint32_t place = device_place(circle, device);

    return place < circle->device_count && circle->devices[place] == device;
}

enum kith_err circle_may_write(const struct circle *circle, const struct roster *roster,
                               uint32_t device)
{
    const struct roster_device *known = roster_device(roster, device);

    if (!known || known->state == DEVICE_INVITED)
        return KITH_UNKNOWN_DEVICE;
    const struct circle_member *member = circle_member(circle, known->person);
    return member && member->right == CIRCLE_WRITE ? KITH_OK : KITH_NOT_MEMBER;
}

static void members_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count = wire_array(in, CIRCLE_MEMBERS_MAX * 2);

    entry->members = arena_take(arena, (count / 2 + 1) * sizeof *entry->members);
    if (!entry->members || count % 2 != 0) {
        wire_fail(in, entry->members ? KITH_MALFORMED : KITH_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count / 2; i++) {
        struct circle_member *member = &entry->members[i];
        member->person = (uint32_t)wire_uint(in, PERSON_MAX);
        uint64_t right = wire_uint(in, CIRCLE_WRITE);
        if (member->person == 0 || (i > 0 && member->person <= member[-1].person) ||
            (right != CIRCLE_READ && right != CIRCLE_WRITE))
            wire_fail(in, KITH_MALFORMED);
        member->right = right == CIRCLE_WRITE ? CIRCLE_WRITE : CIRCLE_READ;
    }
    entry->member_count = count / 2;
}

static void devices_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    uint32_t count = wire_array(in, CIRCLE_DEVICES_MAX);

    entry->devices = arena_take(arena, (count + 1) * sizeof *entry->devices);
    if (!entry->devices) {
        wire_fail(in, KITH_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        entry->devices[i] = (uint32_t)wire_uint(in, DEVICE_MAX);
        if (entry->devices[i] == 0 || (i > 0 && entry->devices[i] <= entry->devices[i - 1]))
            wire_fail(in, KITH_MALFORMED);
    }
    entry->device_count = count;
}

static bool kind_is_known(uint64_t kind)
{
    return kind >= CIRCLE_AGENCY && kind <= CIRCLE_WORK;
}

static void content_read(struct wire_in *in, struct circle_entry *entry, struct arena *arena)
{
    switch (entry->type) {
    case CIRCLE_GENESIS:
        wire_array_exact(in, 6);
        wire_bin_exact(in, entry->agency, ID_BYTES);
        entry->kind = (enum circle_kind)wire_uint(in, CIRCLE_WORK);
        if (!kind_is_known(entry->kind))
            wire_fail(in, KITH_MALFORMED);
        wire_bin_exact(in, entry->salt, ID_BYTES);
        wire_bin_exact(in, entry->commitment, HASH_BYTES);
        members_read(in, entry, arena);
        devices_read(in, entry, arena);
        return;
    case CIRCLE_GRANT:
        wire_array_exact(in, 2);
        members_read(in, entry, arena);
        devices_read(in, entry, arena);
        return;
    }
    wire_fail(in, KITH_UNKNOWN_TYPE);
}

static void content_write(struct buffer *out, const struct circle_entry *entry)
{
    if (entry->type == CIRCLE_GENESIS) {
        wire_put_array(out, 6);
        wire_put_bin(out, bytes_of(entry->agency, ID_BYTES));
        wire_put_uint(out, entry->kind);
        wire_put_bin(out, bytes_of(entry->salt, ID_BYTES));
        wire_put_bin(out, bytes_of(entry->commitment, HASH_BYTES));
    } else {
        wire_put_array(out, 2);
    }
    wire_put_array(out, entry->member_count * 2);
    for (uint32_t i = 0; i < entry->member_count; i++) {
        wire_put_uint(out, entry->members[i].person);
        wire_put_uint(out, entry->members[i].right);
    }
    wire_put_array(out, entry->device_count);
    for (uint32_t i = 0; i < entry->device_count; i++)
        wire_put_uint(out, entry->devices[i]);
}

static const struct chain_tags tags = {SEAL_CIRCLE_ENTRY, SEAL_CIRCLE_SIGN};

enum kith_err circle_entry_read(struct circle_entry *entry, struct bytes bytes, struct arena *arena)
{
    struct wire_in in;

    memset(entry, 0, sizeof *entry);
    enum kith_err err = chain_open(bytes, &tags, ENTRY_FIELDS, &entry->link, &in);
    if (err)
        return err;
    entry->author = (uint32_t)wire_uint(&in, DEVICE_MAX);
    entry->roster_seq = (uint32_t)wire_uint(&in, ROSTER_ENTRIES_MAX);
    entry->time_s = wire_uint(&in, UINT64_MAX);
    entry->type = (enum circle_type)wire_uint(&in, UINT8_MAX);
    content_read(&in, entry, arena);
    return wire_close(&in);
}

enum kith_err circle_entry_write(const struct circle *circle, struct circle_entry *entry,
                                 const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                 struct buffer *out)
{
    size_t start = chain_begin(out, ENTRY_FIELDS, circle->count, circle->head, &entry->link);

    wire_put_uint(out, entry->author);
    wire_put_uint(out, entry->roster_seq);
    wire_put_uint(out, entry->time_s);
    wire_put_uint(out, entry->type);
    content_write(out, entry);
    return chain_sign(out, start, &tags, sign_secret, &entry->link);
}

void circle_id(const uint8_t genesis_hash[static HASH_BYTES], uint8_t id[static ID_BYTES])
{
    struct bytes hash = bytes_of(genesis_hash, HASH_BYTES);

    seal_id(SEAL_CIRCLE_ID, &hash, 1, id);
}

/* Everybody named must exist: persons on the roster, devices of members. */
static enum kith_err names_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry, bool is_agency)
{
    for (uint32_t i = 0; i < entry->member_count; i++)
        if (!roster_person(roster, entry->members[i].person))
            return KITH_MALFORMED;
    for (uint32_t i = 0; i < entry->device_count; i++) {
        const struct roster_device *device = roster_device(roster, entry->devices[i]);
        bool is_member = is_agency;
        if (!device)
            return KITH_MALFORMED;
        for (uint32_t k = 0; k < entry->member_count; k++)
            is_member = is_member || entry->members[k].person == device->person;
        if (!is_member && !circle_member(circle, device->person))
            return KITH_MALFORMED;
    }
    return KITH_OK;
}

static const struct circle_member *entry_member(const struct circle_entry *entry, uint32_t person)
{
    for (uint32_t i = 0; i < entry->member_count; i++)
        if (entry->members[i].person == person)
            return &entry->members[i];
    return NULL;
}

/* A genesis names its author and, whoever that is, the custodians: a chart cannot be made that they
 * cannot open. A private circle of a worker's own is the exception. */
static enum kith_err genesis_check(const struct roster *roster, const struct circle_entry *entry,
                                   uint32_t person)
{
    unsigned roles = roster_roles_at(roster, person, entry->roster_seq);

    if (!seal_equal(entry->agency, roster->agency, ID_BYTES))
        return KITH_FOREIGN;
    if (entry->kind == CIRCLE_AGENCY)
        return entry->author == 1 && entry->member_count == 0 ? KITH_OK : KITH_NOT_ALLOWED;
    if (entry->kind == CIRCLE_CHART && !role_may(roles, MAY_REGISTER))
        return KITH_NOT_ALLOWED;
    const struct circle_member *author = entry_member(entry, person);
    if (!author || author->right != CIRCLE_WRITE)
        return KITH_MALFORMED;
    if (entry->kind == CIRCLE_PERSON)
        return KITH_OK;
    for (uint32_t i = 0; i < roster->person_count; i++) {
        uint32_t number = roster->people[i].number;
        if ((roster_roles_at(roster, number, entry->roster_seq) & ROLE_CUSTODIAN) &&
            !entry_member(entry, number))
            return KITH_NOT_ALLOWED;
    }
    return KITH_OK;
}

/* What belongs to everybody or to one worker alone has none. */
static bool has_custodians(const struct circle *circle)
{
    return circle->kind != CIRCLE_AGENCY && circle->kind != CIRCLE_PERSON;
}

/* A custodian that is not in yet. */
static bool is_owed(const struct circle *circle, const struct roster *roster,
                    const struct circle_member *member, uint32_t roster_seq)
{
    unsigned roles = roster_roles_at(roster, member->person, roster_seq);

    return has_custodians(circle) && (roles & ROLE_CUSTODIAN) && member->right == CIRCLE_WRITE &&
           !circle_member(circle, member->person);
}

/* Only somebody who may grant lets new people in; every member may seal the key to members' further
 * devices and to custodians, which is what is owed. */
static enum kith_err grant_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry, uint32_t person)
{
    unsigned roles = roster_roles_at(roster, person, entry->roster_seq);
    const struct circle_member *author = circle_member(circle, person);

    if (!author)
        return KITH_NOT_MEMBER;
    bool may_grant = author->right == CIRCLE_WRITE && role_may(roles, MAY_GRANT);
    for (uint32_t i = 0; i < entry->member_count; i++) {
        const struct circle_member *member = &entry->members[i];
        const struct circle_member *known = circle_member(circle, member->person);
        if (circle->kind == CIRCLE_AGENCY || (known && known->right == member->right))
            return KITH_MALFORMED;
        if (!may_grant && !is_owed(circle, roster, member, entry->roster_seq))
            return KITH_NOT_ALLOWED;
    }
    return KITH_OK;
}

static enum kith_err entry_check(const struct circle *circle, const struct roster *roster,
                                 const struct circle_entry *entry)
{
    const struct roster_device *author = roster_device(roster, entry->author);

    if (!author || author->state == DEVICE_INVITED)
        return KITH_UNKNOWN_DEVICE;
    if (entry->roster_seq > roster->count)
        return KITH_STALE;
    /* Nobody claims to have known less than the own enrolment: that would be a way around
     * custodians named before. */
    if (entry->roster_seq < author->since)
        return KITH_MALFORMED;
    enum kith_err err =
        seal_verify(SEAL_CIRCLE_SIGN, author->keys.sign, entry->link.hash, entry->link.signature);
    if (err)
        return err;
    bool is_genesis = entry->type == CIRCLE_GENESIS;
    if (is_genesis != (entry->link.seq == 1))
        return KITH_MALFORMED;
    err = is_genesis ? genesis_check(roster, entry, author->person)
                     : grant_check(circle, roster, entry, author->person);
    return err ? err
               : names_check(circle, roster, entry, is_genesis && entry->kind == CIRCLE_AGENCY);
}

static void add_member(struct circle *circle, const struct circle_member *member)
{
    uint32_t place = member_place(circle, member->person);

    if (place < circle->member_count && circle->members[place].person == member->person) {
        circle->members[place] = *member;
        return;
    }
    memmove(&circle->members[place + 1], &circle->members[place],
            (circle->member_count - place) * sizeof *circle->members);
    circle->members[place] = *member;
    circle->member_count++;
}

static void add_device(struct circle *circle, uint32_t device)
{
    uint32_t place = device_place(circle, device);

    if (place < circle->device_count && circle->devices[place] == device)
        return;
    memmove(&circle->devices[place + 1], &circle->devices[place],
            (circle->device_count - place) * sizeof *circle->devices);
    circle->devices[place] = device;
    circle->device_count++;
}

static bool is_within_limits(enum circle_kind kind, size_t members, size_t devices)
{
    size_t devices_max = kind == CIRCLE_AGENCY ? DEVICE_MAX : CIRCLE_DEVICES_MAX;

    return members <= CIRCLE_MEMBERS_MAX && devices <= devices_max;
}

/* One more than is needed, so that nothing is ever asked for no bytes. */
static enum kith_err make_room(struct circle *circle, size_t members, size_t devices)
{
    struct circle_member *more_members =
        realloc(circle->members, (members + 1) * sizeof *more_members);

    if (!more_members)
        return KITH_MEMORY;
    circle->members = more_members;
    uint32_t *more_devices = realloc(circle->devices, (devices + 1) * sizeof *more_devices);
    if (!more_devices)
        return KITH_MEMORY;
    circle->devices = more_devices;
    return KITH_OK;
}

static enum kith_err entry_make_room(struct circle *circle, const struct circle_entry *entry)
{
    enum circle_kind kind = entry->type == CIRCLE_GENESIS ? entry->kind : circle->kind;
    size_t members = (size_t)circle->member_count + entry->member_count;
    size_t devices = (size_t)circle->device_count + entry->device_count;

    return is_within_limits(kind, members, devices) ? make_room(circle, members, devices)
                                                    : KITH_TOO_LARGE;
}

static void entry_apply(struct circle *circle, const struct circle_entry *entry)
{
    if (entry->type == CIRCLE_GENESIS) {
        memcpy(circle->agency, entry->agency, ID_BYTES);
        memcpy(circle->commitment, entry->commitment, HASH_BYTES);
        circle_id(entry->link.hash, circle->id);
        circle->kind = entry->kind;
        circle->epoch = 1;
    }
    for (uint32_t i = 0; i < entry->member_count; i++)
        add_member(circle, &entry->members[i]);
    for (uint32_t i = 0; i < entry->device_count; i++)
        add_device(circle, entry->devices[i]);
    circle->count = entry->link.seq;
    memcpy(circle->head, entry->link.hash, HASH_BYTES);
}

enum kith_err circle_append(struct circle *circle, const struct roster *roster, struct bytes bytes)
{
    struct circle_entry entry;
    struct arena arena;

    arena_init(&arena, ENTRY_MAX * 16);
    enum kith_err err = circle_entry_read(&entry, bytes, &arena);
    if (err)
        goto out;
    err = KITH_STALE;
    if (!chain_follows(&entry.link, circle->count, circle->head))
        goto out;
    err = entry_check(circle, roster, &entry);
    if (err)
        goto out;
    err = entry_make_room(circle, &entry);
    if (err)
        goto out;
    entry_apply(circle, &entry);
out:
    arena_clear(&arena);
    return err;
}

void owed_add_member(struct circle_owed *owed, const struct circle_member *member)
{
    uint32_t place = owed->member_count;

    while (place > 0 && owed->members[place - 1].person > member->person)
        place--;
    bool is_there = place > 0 && owed->members[place - 1].person == member->person;
    if (is_there || owed->member_count == owed->max)
        return;
    memmove(&owed->members[place + 1], &owed->members[place],
            (owed->member_count - place) * sizeof *owed->members);
    owed->members[place] = *member;
    owed->member_count++;
}

void circle_owed(const struct circle *circle, const struct roster *roster, uint64_t now_s,
                 struct circle_owed *owed)
{
    bool is_guarded = has_custodians(circle);

    for (uint32_t i = 0; is_guarded && i < roster->person_count && owed->member_count < owed->max;
         i++) {
        const struct roster_person *person = &roster->people[i];
        if ((person->roles & ROLE_CUSTODIAN) && !circle_member(circle, person->number))
            owed_add_member(owed, &(struct circle_member){person->number, CIRCLE_WRITE});
    }
    for (uint32_t i = 0; i < roster->device_count && owed->device_count < owed->max; i++) {
        const struct roster_device *device = &roster->devices[i];
        bool is_open = device->state == DEVICE_ACTIVE ||
                       (device->state == DEVICE_INVITED && device->expires_s > now_s);
        bool is_member = circle_member(circle, device->person) != NULL;
        for (uint32_t k = 0; k < owed->member_count; k++)
            is_member = is_member || owed->members[k].person == device->person;
        if (is_open && is_member && !circle_has_device(circle, device->number))
            owed->devices[owed->device_count++] = device->number;
    }
}

/* A fixed head, then members and devices as big-endian words: this never travels. */
#define STATE_HEAD_BYTES (ID_BYTES + ID_BYTES + 4 + 4 + HASH_BYTES + 4 + HASH_BYTES + 4 + 4)

void circle_encode(const struct circle *circle, struct buffer *out)
{
    uint8_t *to = buffer_extend(out, STATE_HEAD_BYTES + (size_t)circle->member_count * 8 +
                                         (size_t)circle->device_count * 4);

    if (!to)
        return;
    memcpy(to, circle->agency, ID_BYTES);
    memcpy(to + 16, circle->id, ID_BYTES);
    put_u32(to + 32, circle->kind);
    put_u32(to + 36, circle->count);
    memcpy(to + 40, circle->head, HASH_BYTES);
    put_u32(to + 72, circle->epoch);
    memcpy(to + 76, circle->commitment, HASH_BYTES);
    put_u32(to + 108, circle->member_count);
    put_u32(to + 112, circle->device_count);
    to += STATE_HEAD_BYTES;
    for (uint32_t i = 0; i < circle->member_count; i++, to += 8) {
        put_u32(to, circle->members[i].person);
        put_u32(to + 4, circle->members[i].right);
    }
    for (uint32_t i = 0; i < circle->device_count; i++, to += 4)
        put_u32(to, circle->devices[i]);
}

/* Numbers ascend and rights exist: the searches rely on it. */
static bool lists_are_sound(const uint8_t *from, size_t members, size_t devices)
{
    uint32_t last = 0;

    for (size_t i = 0; i < members; i++, from += 8) {
        uint32_t right = get_u32(from + 4);
        if (get_u32(from) <= last || (right != CIRCLE_READ && right != CIRCLE_WRITE))
            return false;
        last = get_u32(from);
    }
    if (last > PERSON_MAX)
        return false;
    last = 0;
    for (size_t i = 0; i < devices; i++, from += 4) {
        if (get_u32(from) <= last)
            return false;
        last = get_u32(from);
    }
    return last <= DEVICE_MAX;
}

static bool state_is_sound(struct bytes bytes)
{
    if (bytes.len < STATE_HEAD_BYTES)
        return false;
    uint32_t kind = get_u32(bytes.ptr + 32);
    size_t members = get_u32(bytes.ptr + 108);
    size_t devices = get_u32(bytes.ptr + 112);
    return kind_is_known(kind) && is_within_limits((enum circle_kind)kind, members, devices) &&
           bytes.len == STATE_HEAD_BYTES + members * 8 + devices * 4 &&
           lists_are_sound(bytes.ptr + STATE_HEAD_BYTES, members, devices);
}

enum kith_err circle_decode(struct circle *circle, struct bytes bytes)
{
    const uint8_t *from = bytes.ptr;

    if (!state_is_sound(bytes))
        return KITH_DAMAGED;
    uint32_t members = get_u32(from + 108);
    uint32_t devices = get_u32(from + 112);
    enum kith_err err = make_room(circle, members, devices);
    if (err)
        return err;
    memcpy(circle->agency, from, ID_BYTES);
    memcpy(circle->id, from + 16, ID_BYTES);
    circle->kind = (enum circle_kind)get_u32(from + 32);
    circle->count = get_u32(from + 36);
    memcpy(circle->head, from + 40, HASH_BYTES);
    circle->epoch = get_u32(from + 72);
    memcpy(circle->commitment, from + 76, HASH_BYTES);
    circle->member_count = members;
    circle->device_count = devices;
    from += STATE_HEAD_BYTES;
    for (uint32_t i = 0; i < members; i++, from += 8) {
        circle->members[i].person = get_u32(from);
        circle->members[i].right = get_u32(from + 4) == CIRCLE_WRITE ? CIRCLE_WRITE : CIRCLE_READ;
    }
    for (uint32_t i = 0; i < devices; i++, from += 4)
        circle->devices[i] = get_u32(from);
    return KITH_OK;
}
