/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, joining and new charts. */
#include <string.h>

#include "client/schema.h"
#include "protocol/seal.h"
#include "tests/sim/check.h"
#include "tests/sim/connection.h"

static const struct mishaps none;

static void set_identity(struct world *world, struct sim_device *device, const uint8_t *agency,
                         uint32_t number, const uint8_t *box)
{
    struct identity identity = *replica_identity(device->replica);

    identity.device = number;
    if (agency)
        memcpy(identity.agency, agency, ID_BYTES);
    if (box)
        memcpy(identity.invite_box_secret, box, KEY_BYTES);
    world_expect(world, replica_set_identity(device->replica, &identity), "the identity");
    device->number = number;
}

void world_found(struct world *world)
{
    struct sim_device *founder = world_add_device(world);
    struct invite_keys keys;
    uint8_t root[KEY_BYTES];
    uint8_t root_secret[SIGN_KEY_BYTES];
    uint32_t first = 1;
    struct roster_request request = {
        .is_wanted = true, .waits_for_hub = true, .sign_secret = root_secret};
    const struct genesis genesis = {.kind = CIRCLE_AGENCY, .devices = &first, .device_count = 1};
    struct save nothing = {.now_ms = world->now_ms};
    const struct connection_config config = {
        .device = founder, .mode = CHANNEL_FOUND, .psk = keys.psk, .request = &request};

    invite_derive(world->founding_secret, &keys);
    seal_random(root, sizeof root);
    seal_sign_keypair(root, request.entry.root, root_secret);
    request.entry.type = ROSTER_FOUND;
    request.entry.roles = ROLE_ADMIN | ROLE_CUSTODIAN;
    memcpy(request.entry.hub_noise, world->keys.noise.public, KEY_BYTES);
    identity_public(replica_identity(founder->replica), &request.entry.keys);
    set_identity(world, founder, NULL, 1, NULL);
    world_expect(world, connection_run(world, &config).device_err, "founding");
    set_identity(world, founder, replica_roster(founder->replica)->agency, 1, NULL);
    founder->person = 1;
    world->is_human[1] = true;
    world_expect(world,
                 replica_found_circle(founder->replica, &genesis, &nothing, world->circles[0].id),
                 "the agency's circle");
    world->circle_count = 1;
    (void)world_sync(world, founder, &none);
}

/* The inviter's half: false if the answer was lost. */
static bool invite(struct world *world, struct sim_device *inviter, struct roster_request *request,
                   const struct mishaps *mishaps)
{
    const struct connection_config config = {
        .device = inviter, .mode = CHANNEL_SYNC, .request = request, .mishaps = *mishaps};
    bool is_new_person = request->entry.person == 0;

    struct outcome outcome = connection_run(world, &config);
    if (!request->is_done) {
        if (!outcome.is_disturbed || request->refusal)
            world_fail(world, "invite", "device %u could not invite: %s, %s", inviter->number,
                       error_name(outcome.device_err), error_name(request->refusal));
        return false;
    }
    if (request->entry.device >= SIM_NUMBERS_MAX || request->entry.person >= SIM_NUMBERS_MAX)
        world_fail(world, "limits", "too many devices for the model");
    if (is_new_person == world->is_human[request->entry.person])
        world_fail(world, "person", "the invited person %u is%s somebody else",
                   request->entry.person, is_new_person ? "" : " not");
    world->is_human[request->entry.person] = true;
    return true;
}

static bool is_enrolled(const struct sim_device *device)
{
    const struct roster_device *known =
        roster_device(replica_roster(device->replica), device->number);
    struct device_public keys;

    identity_public(replica_identity(device->replica), &keys);
    return known && known->state == DEVICE_ACTIVE &&
           memcmp(known->keys.sign, keys.sign, KEY_BYTES) == 0;
}

/* As the client does it: after a try whose answer was lost, first a sync shows whether it got
 * through. The last tries go well, and one of them must succeed. */
static void enrol(struct world *world, struct sim_device *device, const struct invite_keys *keys,
                  bool is_faulty)
{
    for (uint32_t attempt = 0; attempt < 4 && !is_enrolled(device); attempt++) {
        struct roster_request request = {.is_wanted = true, .sign_secret = keys->sign_secret};
        struct connection_config config = {
            .device = device, .mode = CHANNEL_JOIN, .psk = keys->psk, .request = &request};
        if (is_faulty && attempt < 2)
            config.mishaps = mishaps_draw(world);
        request.entry = (struct roster_entry){.type = ROSTER_ENROL, .author = device->number};
        identity_public(replica_identity(device->replica), &request.entry.keys);
        (void)connection_run(world, &config);
        if (is_enrolled(device))
            break;
        config.mode = CHANNEL_SYNC;
        config.psk = NULL;
        config.request = NULL;
        (void)connection_run(world, &config);
    }
    if (!is_enrolled(device))
        world_fail(world, "join", "device %u does not get in", device->number);
}

struct sim_device *world_join(struct world *world, struct sim_device *inviter, uint32_t person,
                              unsigned roles, uint32_t supervisor, bool is_faulty)
{
    uint8_t secret[CODE_SECRET_BYTES];
    struct invite_keys keys;
    struct roster_request request = {.is_wanted = true,
                                     .has_psk = true,
                                     .sign_secret =
                                         replica_identity(inviter->replica)->sign_secret};
    const struct mishaps mishaps = is_faulty ? mishaps_draw(world) : none;

    seal_random(secret, sizeof secret);
    invite_derive(secret, &keys);
    request.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                          .author = inviter->number,
                                          .person = person,
                                          .roles = roles,
                                          .supervisor = supervisor,
                                          .expires_s = world->now_ms / 1000 + 3600};
    memcpy(request.entry.keys.sign, keys.sign_public, KEY_BYTES);
    memcpy(request.entry.keys.box, keys.box_public, KEY_BYTES);
    memcpy(request.psk, keys.psk, KEY_BYTES);
    if (!invite(world, inviter, &request, &mishaps))
        return NULL;
    struct sim_device *device = world_add_device(world);
    set_identity(world, device, replica_roster(inviter->replica)->agency, request.entry.device,
                 keys.box_secret);
    device->person = request.entry.person;
    enrol(world, device, &keys, is_faulty);
    world_say(world, "device %u of person %u joins", device->number, device->person);
    (void)world_sync(world, device, &none);
    return device;
}

/* Everybody whom a chart by this person is for, and one more now and then. */
static void choose_members(struct world *world, const struct sim_device *author,
                           struct genesis *genesis)
{
    const struct roster *roster = replica_roster(author->replica);
    uint32_t supervisor = roster_person(roster, author->person)->supervisor;
    uint32_t guest = 1 + stream_below(&world->workload, roster->person_count);
    bool has_guest = stream_chance(&world->workload, 30);

    for (uint32_t i = 0; i < roster->person_count; i++) {
        const struct roster_person *person = &roster->people[i];
        if (person->number == author->person || person->number == supervisor ||
            (person->roles & ROLE_CUSTODIAN) || (has_guest && person->number == guest))
            genesis->members[genesis->member_count++] =
                (struct circle_member){person->number, CIRCLE_WRITE};
    }
    for (uint32_t i = 0; i < roster->device_count; i++)
        for (uint32_t k = 0; k < genesis->member_count; k++)
            if (genesis->members[k].person == roster->devices[i].person)
                genesis->devices[genesis->device_count++] = roster->devices[i].number;
}

void world_chart(struct world *world, struct sim_device *author)
{
    struct circle_member members[SIM_NUMBERS_MAX];
    uint32_t devices[SIM_NUMBERS_MAX];
    struct genesis genesis = {.kind = CIRCLE_CHART, .members = members, .devices = devices};
    struct sim_circle *circle = &world->circles[world->circle_count];
    struct model_change change = {
        .circle = world->circle_count, .device = author->number, .n = 1, .op_count = 2};
    struct buffer values[2];
    struct edit edits[2];

    choose_members(world, author, &genesis);
    change.ops[0] = (struct model_op){
        .record = SIM_PARTICIPANT, .field = FIELD_ONE, .kind = OP_PUT, .value = world->step};
    change.ops[1] = (struct model_op){.record = SIM_VISIT,
                                      .field = VISIT_SPECIALIST,
                                      .kind = OP_PUT,
                                      .value = VALUE_PERSON | author->person};
    for (uint32_t i = 0; i < 2; i++) {
        buffer_init(&values[i], VALUE_MAX);
        value_write(world, &values[i], change.ops[i].value);
        edits[i] = (struct edit){
            .field = change.ops[i].field, .kind = OP_PUT, .value = buffer_view(&values[i])};
        record_name(circle, change.ops[i].record, edits[i].record, &edits[i].type);
    }
    struct save save = {.class = CHANGE_NORMAL,
                        .edits = edits,
                        .edit_count = 2,
                        .now_ms = device_now_ms(world, author)};
    world_expect(world, replica_found_circle(author->replica, &genesis, &save, circle->id),
                 "a new chart");
    buffer_clear(&values[0]);
    buffer_clear(&values[1]);
    for (uint32_t i = 0; i < genesis.member_count; i++)
        circle->rights[members[i].person] = members[i].right;
    model_add(&world->model, &change);
    world_say(world, "device %u makes chart %u with %u members", author->number,
              world->circle_count, genesis.member_count);
    world->circle_count++;
}
