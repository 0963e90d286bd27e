/* SPDX-License-Identifier: Apache-2.0 */
/* A roster and an access chain, entry by entry: what each adds, and what may not be added. */
#include <string.h>

#include "tests/vectors/vectors.h"

/* --- the roster */

static void tell_person(struct json *json, const struct roster_person *person)
{
    json_object(json, NULL);
    json_count(json, "person", person->number);
    json_count(json, "roles", person->roles);
    json_count(json, "supervisor", person->supervisor);
    json_end(json);
}

static void tell_device(struct json *json, const struct roster_device *device)
{
    json_object(json, NULL);
    json_count(json, "device", device->number);
    json_count(json, "person", device->person);
    json_number(json, "state", device->state);
    json_number(json, "leaving", device->leaving);
    vector_key(json, "sign", device->keys.sign);
    vector_key(json, "noise", device->keys.noise);
    vector_key(json, "box", device->keys.box);
    json_end(json);
}

static void tell_roster(struct json *json, const struct roster *roster)
{
    json_object(json, "roster");
    vector_id(json, "agency", roster->agency);
    json_count(json, "count", roster->count);
    vector_key(json, "head", roster->head);
    vector_key(json, "hub_noise", roster->hub_noise);
    vector_key(json, "hub_sign", roster->hub_sign);
    json_list(json, "people");
    for (uint32_t i = 0; i < roster->person_count; i++)
        tell_person(json, &roster->people[i]);
    json_end(json);
    json_list(json, "devices");
    for (uint32_t i = 0; i < roster->device_count; i++)
        tell_device(json, &roster->devices[i]);
    json_end(json);
    json_end(json);
}

/* An entry that is offered behind all that went before, and is refused. */
static void tell_offered(struct vectors *vectors, const char *name, struct roster *roster,
                         struct bytes entry)
{
    enum kith_err err = roster_append(roster, entry);
    struct json *json = vector_begin(vectors, name);

    assert_int_not_equal(err, KITH_OK);
    vector_hex(json, "entry", entry);
    vector_verdict(json, err);
    vector_end(vectors);
}

static void tell_wrong_entries(struct vectors *vectors, struct made_agency *agency)
{
    struct roster_entry role = {
        .type = ROSTER_ROLE, .author = 3, .time_s = MADE_NOW_S, .person = 3, .roles = ROLE_ADMIN};
    struct buffer out;

    buffer_init(&out, ENTRY_MAX);
    tell_offered(vectors, "one that is there", &agency->roster, agency->entries[1]);
    assert_int_equal(roster_entry_write(&agency->roster, &role, made_sign_secret(agency, 3), &out),
                     KITH_OK);
    tell_offered(vectors, "a role that one gives oneself", &agency->roster, buffer_view(&out));
    buffer_reset(&out);
    role.author = 1;
    assert_int_equal(roster_entry_write(&agency->roster, &role, made_sign_secret(agency, 3), &out),
                     KITH_OK);
    tell_offered(vectors, "signed by somebody else", &agency->roster, buffer_view(&out));
    buffer_clear(&out);
}

void vectors_roster(struct vectors *vectors)
{
    struct made_agency *agency = made_agency_new();

    made_enrol(agency, made_invited(agency, 0, ROLE_SUPERVISOR, 0));
    made_enrol(agency, made_invited(agency, 0, ROLE_SPECIALIST, 2));
    made_enrol(agency, made_invited(agency, 3, ROLE_SPECIALIST, 2));
    (void)made_invited(agency, 0, ROLE_CUSTODIAN, 0);
    made_role(agency, 2, ROLE_SUPERVISOR | ROLE_ADMIN, 0);
    made_end(agency, 4, LEAVING_TRANSFERRED);
    made_end(agency, 4, LEAVING_REVOKED);
    (void)made_renewed(agency, 3);
    for (uint32_t i = 0; i < agency->roster.count; i++) {
        struct roster_entry entry;
        struct json *json = vector_begin(vectors, "entry");

        assert_int_equal(roster_entry_read(&entry, agency->entries[i]), KITH_OK);
        vector_hex(json, "entry", agency->entries[i]);
        vector_key(json, "hash", entry.link.hash);
        if (i + 1 == agency->roster.count)
            tell_roster(json, &agency->roster);
        vector_end(vectors);
    }
    tell_wrong_entries(vectors, agency);
    made_agency_free(&agency);
}

/* --- an access chain */

static void tell_members(struct json *json, const struct circle *circle)
{
    json_list(json, "members");
    for (uint32_t i = 0; i < circle->member_count; i++) {
        json_object(json, NULL);
        json_count(json, "person", circle->members[i].person);
        json_number(json, "right", circle->members[i].right);
        json_end(json);
    }
    json_end(json);
}

static void tell_cuts(struct json *json, const struct circle *circle)
{
    json_list(json, "cuts");
    for (uint32_t i = 0; i < circle->cut_count; i++) {
        json_object(json, NULL);
        json_count(json, "device", circle->cuts[i].device);
        json_number(json, "leaving", circle->cuts[i].leaving);
        vector_u64(json, "n", circle->cuts[i].n);
        vector_key(json, "id", circle->cuts[i].id);
        json_end(json);
    }
    json_end(json);
}

static void tell_circle(struct json *json, const struct circle *circle)
{
    json_object(json, "circle");
    vector_id(json, "id", circle->id);
    json_number(json, "kind", circle->kind);
    json_count(json, "count", circle->count);
    vector_key(json, "head", circle->head);
    json_count(json, "epoch", circle->epoch);
    vector_key(json, "commitment", circle->epochs[circle->epoch - 1].commitment);
    tell_members(json, circle);
    json_list(json, "recipients");
    for (uint32_t i = 0; i < circle->device_count; i++)
        json_count(json, NULL, circle->devices[i]);
    json_end(json);
    json_list(json, "lacks");
    for (uint32_t i = 0; i < circle->lack_count; i++)
        json_count(json, NULL, circle->lacks[i]);
    json_end(json);
    tell_cuts(json, circle);
    json_end(json);
}

/* Writes the entry, and tells what the chain is with it. */
static void tell_append(struct vectors *vectors, const char *name, struct made_agency *agency,
                        struct circle *circle, struct circle_entry *entry)
{
    struct json *json = vector_begin(vectors, name);
    struct buffer out;

    buffer_init(&out, ENTRY_MAX);
    entry->roster_seq = agency->roster.count;
    entry->time_s = MADE_NOW_S;
    made_circle_entry(agency, circle, entry, &out);
    enum kith_err err = circle_append(circle, &agency->roster, buffer_view(&out));
    vector_hex(json, "entry", buffer_view(&out));
    vector_verdict(json, err);
    if (!err)
        tell_circle(json, circle);
    vector_end(vectors);
    buffer_clear(&out);
}

/* The roster that the chain stands on: admin, supervisor, two specialists, custodian. */
static struct made_agency *tell_agency(struct vectors *vectors)
{
    struct made_agency *agency = made_agency_new();
    struct json *json = vector_begin(vectors, "the roster");

    (void)made_person(agency, ROLE_SUPERVISOR);
    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_person(agency, ROLE_CUSTODIAN);
    json_list(json, "roster");
    for (uint32_t i = 0; i < agency->roster.count; i++)
        vector_hex(json, NULL, agency->entries[i]);
    json_end(json);
    vector_end(vectors);
    return agency;
}

static struct circle_entry genesis_of(const struct made_agency *agency, uint8_t *key,
                                      struct circle_member *members, uint32_t count,
                                      uint32_t *device)
{
    struct circle_entry genesis = {.type = CIRCLE_GENESIS,
                                   .author = *device,
                                   .kind = CIRCLE_CHART,
                                   .members = members,
                                   .member_count = count,
                                   .devices = device,
                                   .device_count = 1};

    memcpy(genesis.agency, agency->roster.agency, ID_BYTES);
    seal_random(genesis.salt, ID_BYTES);
    seal_random(key, KEY_BYTES);
    epoch_commit(key, 1, genesis.commitment);
    return genesis;
}

static struct circle_entry rotation_of(struct circle *circle, uint8_t *wrap, uint8_t *key,
                                       struct circle_wrap *wraps, struct circle_leaver *leaver,
                                       struct circle_cut *cut)
{
    struct epoch_place place = {.epoch = circle->epoch};
    struct circle_entry rotation = {.type = CIRCLE_ROTATE,
                                    .author = 2,
                                    .epoch = circle->epoch + 1,
                                    .wraps = wraps,
                                    .wrap_count = 1,
                                    .leavers = leaver,
                                    .leaver_count = 1,
                                    .cuts = cut,
                                    .cut_count = 1};
    uint8_t newer[KEY_BYTES];

    memcpy(place.circle, circle->id, ID_BYTES);
    seal_random(newer, sizeof newer);
    epoch_wrap(&place, newer, key, wrap);
    memcpy(key, newer, sizeof newer);
    epoch_commit(key, rotation.epoch, rotation.commitment);
    *wraps = (struct circle_wrap){circle->epoch, wrap};
    return rotation;
}

/* A grant, a rotation that takes person 3 out, and what may not follow. */
static void tell_rotation(struct vectors *vectors, struct made_agency *agency,
                          struct circle *circle, uint8_t *key)
{
    uint8_t wrap[WRAP_BYTES];
    struct circle_wrap wraps;
    struct circle_leaver leaver = {3, LEAVING_RETIRED};
    struct circle_cut cut = {.device = 3, .leaving = LEAVING_RETIRED, .n = 12};
    struct circle_entry admit = {.type = CIRCLE_ADMIT, .author = 2, .device = 3, .n = 14};
    struct circle_entry lack = {.type = CIRCLE_LACK, .author = 5};

    seal_random(cut.id, HASH_BYTES);
    seal_random(admit.id, HASH_BYTES);
    struct circle_entry rotation = rotation_of(circle, wrap, key, &wraps, &leaver, &cut);
    tell_append(vectors, "rotate", agency, circle, &rotation);
    tell_append(vectors, "a leaver who is out already", agency, circle, &rotation);
    lack.epoch = circle->epoch;
    tell_append(vectors, "lack", agency, circle, &lack);
    admit.author = 4;
    tell_append(vectors, "an admission by a specialist", agency, circle, &admit);
    admit.author = 2;
    tell_append(vectors, "admit", agency, circle, &admit);
}

void vectors_circle(struct vectors *vectors)
{
    struct made_agency *agency = tell_agency(vectors);
    struct circle_member members[] = {{3, CIRCLE_WRITE}, {5, CIRCLE_WRITE}};
    struct circle_member added[] = {{2, CIRCLE_WRITE}, {4, CIRCLE_READ}};
    uint32_t author = 3;
    uint32_t recipients[] = {2, 4, 5};
    struct circle_entry grant = {.type = CIRCLE_GRANT,
                                 .author = 3,
                                 .members = added,
                                 .member_count = 2,
                                 .devices = recipients,
                                 .device_count = 3};
    uint8_t key[KEY_BYTES];
    struct circle circle;

    circle_init(&circle);
    struct circle_entry genesis = genesis_of(agency, key, members, 1, &author);
    tell_append(vectors, "a genesis without the custodian", agency, &circle, &genesis);
    genesis.member_count = 2;
    tell_append(vectors, "genesis", agency, &circle, &genesis);
    tell_append(vectors, "grant", agency, &circle, &grant);
    tell_rotation(vectors, agency, &circle, key);
    circle_clear(&circle);
    made_agency_free(&agency);
}
