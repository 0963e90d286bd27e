/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, joining and new charts. */
#include <string.h>

#include "client/schema.h"
#include "protocol/seal.h"
#include "store/ledger_internal.h"
#include "tests/sim/access.h"
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
    memcpy(device->loot.box_secrets[0], identity.box_secret, KEY_BYTES);
    memcpy(device->loot.box_secrets[1], identity.invite_box_secret, KEY_BYTES);
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
    enum circle_part part;

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
    (void)access_of_device(world, founder, 0, &part);
    (void)world_sync(world, founder, &none);
}

bool world_ask(struct world *world, struct sim_device *device, struct roster_request *request,
               const struct mishaps *mishaps)
{
    const struct connection_config config = {
        .device = device, .mode = CHANNEL_SYNC, .request = request, .mishaps = *mishaps};

    request->is_wanted = true;
    request->sign_secret = replica_identity(device->replica)->sign_secret;
    request->entry.author = device->number;
    request->entry.time_s = device_now_ms(world, device) / 1000;
    struct outcome outcome = connection_run(world, &config);
    if (request->is_done)
        return true;
    /* Who was ended, or has another role by now, may not have heard of it. */
    bool is_late =
        world->habits.has_leaving &&
        (request->refusal == KITH_ENDED || request->refusal == KITH_NOT_ALLOWED ||
         request->refusal == KITH_MALFORMED || replica_leaving(device->replica) != LEAVING_NOT);
    if (!is_late && (!outcome.is_disturbed || request->refusal))
        world_fail(world, "ask", "device %u could not write into the roster: %s, %s",
                   device->number, error_name(outcome.device_err), error_name(request->refusal));
    return false;
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

/* Whether the hub lets this invitation in: it is not over, and was not ended. */
static bool is_invited(const struct world *world, uint32_t device)
{
    const struct roster_device *known = roster_device(&world->ledger->roster, device);

    return known && known->state == DEVICE_INVITED && known->expires_s > world->now_ms / 1000;
}

/* As the client does it: after a try whose answer was lost, first a sync shows whether it got
 * through. The last tries go well, and one of them must succeed. */
static bool enrol(struct world *world, struct sim_device *device, const struct invite_keys *keys,
                  bool is_faulty)
{
    bool was_invited = is_invited(world, device->number);

    for (uint32_t attempt = 0; attempt < 4 && !is_enrolled(device); attempt++) {
        struct roster_request request = {.is_wanted = true, .sign_secret = keys->sign_secret};
        struct connection_config config = {
            .device = device, .mode = CHANNEL_JOIN, .psk = keys->psk, .request = &request};
        if (is_faulty && attempt < 2)
            config.mishaps = mishaps_draw(world);
        request.entry = (struct roster_entry){.type = ROSTER_ENROL, .author = device->number};
        identity_public(replica_identity(device->replica), &request.entry.keys);
        struct outcome outcome = connection_run(world, &config);
        world_say(world, "device %u tries to join: %s, hub: %s, %s%s", device->number,
                  error_name(outcome.device_err), error_name(outcome.hub_err),
                  error_name(request.refusal), outcome.is_disturbed ? ", disturbed" : "");
        if (is_enrolled(device))
            break;
        config.mode = CHANNEL_SYNC;
        config.psk = NULL;
        config.request = NULL;
        (void)connection_run(world, &config);
    }
    if (is_enrolled(device) != was_invited)
        world_fail(world, "join", "device %u does%s get in", device->number,
                   was_invited ? " not" : "");
    return was_invited;
}

bool world_invite(struct world *world, struct sim_device *inviter, uint32_t person, unsigned roles,
                  uint32_t supervisor, bool is_faulty, struct sim_invite *invite)
{
    struct invite_keys keys;
    struct roster_request request = {.has_psk = true};
    const struct mishaps mishaps = is_faulty ? mishaps_draw(world) : none;

    seal_random(invite->secret, sizeof invite->secret);
    invite_derive(invite->secret, &keys);
    request.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                          .person = person,
                                          .roles = roles,
                                          .supervisor = supervisor,
                                          .expires_s = world->now_ms / 1000 + 3600};
    memcpy(request.entry.keys.sign, keys.sign_public, KEY_BYTES);
    memcpy(request.entry.keys.box, keys.box_public, KEY_BYTES);
    memcpy(request.psk, keys.psk, KEY_BYTES);
    if (!world_ask(world, inviter, &request, &mishaps))
        return false;
    invite->device = request.entry.device;
    invite->person = request.entry.person;
    if (invite->device >= SIM_NUMBERS_MAX || invite->person >= SIM_NUMBERS_MAX)
        world_fail(world, "limits", "too many devices for the model");
    if ((person == 0) == world->is_human[invite->person])
        world_fail(world, "person", "the invited person %u is%s somebody else", invite->person,
                   person == 0 ? "" : " not");
    world->is_human[invite->person] = true;
    world_say(world, "device %u invites device %u of person %u", inviter->number, invite->device,
              invite->person);
    return true;
}

struct sim_device *world_enrol(struct world *world, const struct sim_invite *invite, bool is_faulty)
{
    struct sim_device *device = world_add_device(world);
    struct invite_keys keys;

    invite_derive(invite->secret, &keys);
    set_identity(world, device, world->ledger->roster.agency, invite->device, keys.box_secret);
    device->person = invite->person;
    bool is_in = enrol(world, device, &keys, is_faulty);
    world_say(world, "device %u of person %u %s", device->number, device->person,
              is_in ? "joins" : "comes too late");
    if (!is_in) {
        world_drop_device(world);
        return NULL;
    }
    (void)world_sync(world, device, &none);
    return device;
}

struct sim_device *world_join(struct world *world, struct sim_device *inviter, uint32_t person,
                              unsigned roles, uint32_t supervisor, bool is_faulty)
{
    struct sim_invite invite;

    if (!world_invite(world, inviter, person, roles, supervisor, is_faulty, &invite))
        return NULL;
    return world_enrol(world, &invite, is_faulty);
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
            if (genesis->members[k].person == roster->devices[i].person &&
                roster->devices[i].state != DEVICE_ENDED)
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
    enum circle_part part;

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
    model_add(&world->model, &change);
    world_say(world, "device %u makes chart %u with %u members", author->number,
              world->circle_count, genesis.member_count);
    (void)access_of_device(world, author, world->circle_count, &part);
    world->circle_count++;
}
