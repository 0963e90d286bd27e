/* SPDX-License-Identifier: Apache-2.0 */
/* Who reads a new circle from the start, and which circle is a worker's file. */
#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/home.h"

/* The persons of a new circle, with every device that each of them has or is invited to have. */
struct circle_people {
    enum circle_kind kind;
    uint32_t author;
    const uint32_t *named;
    uint32_t named_count;
    uint32_t kept_out;
    struct circle_member members[CIRCLE_MEMBERS_MAX];
    uint32_t member_count;
    uint32_t devices[CIRCLE_DEVICES_MAX];
    uint32_t device_count;
};

static bool is_supervisor_of(const struct roster *roster, uint32_t supervisor, uint32_t person)
{
    const struct roster_person *known = roster_person(roster, person);

    return known && known->supervisor == supervisor;
}

/* The custodians always: a drowned laptop loses nothing. Whom a concern is about only then. */
static bool is_first_reader(const struct circle_people *people, const struct roster *roster,
                            const struct roster_person *person)
{
    bool is_named = false;

    if (person->number == people->author)
        return true;
    if (people->kind == CIRCLE_PERSON)
        return false;
    if (person->roles & ROLE_CUSTODIAN)
        return true;
    if (person->number == people->kept_out)
        return false;
    for (uint32_t i = 0; i < people->named_count; i++)
        is_named = is_named || people->named[i] == person->number ||
                   (people->kind == CIRCLE_WORK &&
                    is_supervisor_of(roster, person->number, people->named[i]));
    return is_named || (people->kind == CIRCLE_CHART &&
                        is_supervisor_of(roster, person->number, people->author));
}

static void choose_people(struct circle_people *people, const struct roster *roster, uint64_t now_s)
{
    for (uint32_t i = 0; i < roster->person_count && people->member_count < CIRCLE_MEMBERS_MAX - 1;
         i++)
        if (is_first_reader(people, roster, &roster->people[i]))
            people->members[people->member_count++] =
                (struct circle_member){.person = roster->people[i].number, .right = CIRCLE_WRITE};
    for (uint32_t i = 0; i < roster->device_count && people->device_count < CIRCLE_DEVICES_MAX - 1;
         i++) {
        const struct roster_device *device = &roster->devices[i];
        const struct roster_person *person = roster_person(roster, device->person);
        bool is_open = device->state == DEVICE_ACTIVE ||
                       (device->state == DEVICE_INVITED && device->expires_s > now_s);
        if (is_open && person && is_first_reader(people, roster, person))
            people->devices[people->device_count++] = device->number;
    }
}

enum kith_err home_found_circle(struct kith *kith, enum circle_kind kind, const uint32_t *named,
                                uint32_t named_count, uint32_t kept_out, const struct edit *edits,
                                uint32_t count, uint8_t id[static ID_BYTES])
{
    struct circle_people *people = calloc(1, sizeof *people);
    struct clocked_edits clocked = {0};
    struct save save = {.class = edits_class(edits, count), .now_ms = home_now_ms(kith)};
    enum kith_err err = people ? clock_edits(kith, edits, count, &clocked) : KITH_MEMORY;

    if (err) {
        clocked_edits_clear(&clocked);
        free(people);
        return err;
    }
    save.edits = clocked.edits;
    save.edit_count = clocked.count;
    people->kind = kind;
    people->author = replica_person(kith->replica);
    people->named = named;
    people->named_count = named_count;
    people->kept_out = kept_out;
    choose_people(people, replica_roster(kith->replica), save.now_ms / 1000);
    const struct genesis genesis = {.kind = kind,
                                    .members = people->members,
                                    .member_count = people->member_count,
                                    .devices = people->devices,
                                    .device_count = people->device_count};
    err = replica_found_circle(kith->replica, &genesis, &save, id);
    clocked_edits_clear(&clocked);
    free(people);
    return err;
}

uint32_t home_leader(const struct kith *kith, uint32_t kept_out)
{
    const struct roster *roster = replica_roster(kith->replica);
    uint32_t self = replica_person(kith->replica);
    const struct roster_person *person = roster_person(roster, self);

    /* Up the line, and past whoever it is about. */
    for (uint32_t steps = 0; person && person->supervisor && steps < roster->person_count;
         steps++) {
        if (person->supervisor != kept_out)
            return person->supervisor;
        person = roster_person(roster, person->supervisor);
    }
    for (uint32_t i = 0; i < roster->person_count; i++) {
        uint32_t number = roster->people[i].number;
        if (number != self && number != kept_out && role_may(roster->people[i].roles, MAY_LEAD))
            return number;
    }
    return 0;
}

/* Looks for a record of a worker in a circle that this device may write to. */
struct file_search {
    const struct replica *replica;
    struct store_txn *txn;
    uint32_t holder;
    uint32_t field; /* that names the holder */
    uint8_t circle[ID_BYTES];
    bool is_found;
};

/* Takes the circle if this device may write to it. */
static bool take_own(void *owner, const struct found_record *found)
{
    struct file_search *search = owner;
    struct circle_row row;

    device_circle_get(search->txn, found->place.circle, &row);
    search->is_found = circle_may_write(&row.circle, replica_roster(search->replica),
                                        replica_identity(search->replica)->device) == KITH_OK;
    circle_clear(&row.circle);
    if (search->is_found)
        memcpy(search->circle, found->circle, ID_BYTES);
    return !search->is_found;
}

static bool search_file(void *owner, const struct found_record *found)
{
    struct file_search *search = owner;
    const struct merge_register *reg =
        record_register(&found->record, search->field, bytes_of(NULL, 0));

    if (!reg)
        return true;
    struct wire_in in = wire_open(reg->live[0].value);
    if (wire_uint(&in, PERSON_MAX) != search->holder)
        return true;
    return take_own(search, found);
}

enum kith_err home_own_circle(struct kith *kith, uint8_t circle[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct file_search search = {.replica = kith->replica, .txn = &txn};
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < schema_type_count && !err && !search.is_found; i++)
        if (schema_types[i].circle == CIRCLE_PERSON)
            err = replica_each(&txn, schema_types[i].record, NULL, take_own, &search);
    if (search.is_found)
        memcpy(circle, search.circle, ID_BYTES);
    store_abort(&txn);
    return err ? err : search.is_found ? KITH_OK : KITH_NOT_FOUND;
}

enum kith_err home_work_file(struct kith *kith, uint32_t holder, uint8_t circle[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct file_search search = {.replica = kith->replica, .txn = &txn, .holder = holder};
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < schema_type_count && !err && !search.is_found; i++) {
        const struct schema_type *type = &schema_types[i];
        const struct schema_field *field = schema_field(type, "specialist");
        if (type->circle != CIRCLE_WORK)
            continue;
        field = field ? field : schema_field(type, "holder");
        search.field = field->number;
        err = replica_each(&txn, type->record, NULL, search_file, &search);
    }
    if (search.is_found)
        memcpy(circle, search.circle, ID_BYTES);
    store_abort(&txn);
    return err ? err : search.is_found ? KITH_OK : KITH_NOT_FOUND;
}
