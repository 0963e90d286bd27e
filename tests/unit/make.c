/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/make.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/seal.h"

uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t dice_below(struct dice *dice, uint32_t count)
{
    return (uint32_t)(dice_roll(dice) % count);
}

void dice_bytes(struct dice *dice, void *to, size_t len)
{
    for (uint8_t *at = to; len > 0; len--)
        *at++ = (uint8_t)dice_roll(dice);
}

void made_device_keys(struct made_device *device, uint64_t seed)
{
    struct dice dice = {seed};
    uint8_t secret[KEY_BYTES];

    dice_bytes(&dice, secret, sizeof secret);
    seal_sign_keypair(secret, device->keys.sign, device->sign_secret);
    dice_bytes(&dice, secret, sizeof secret);
    noise_keypair_from_secret(&device->noise, secret);
    memcpy(device->keys.noise, device->noise.public, KEY_BYTES);
    dice_bytes(&dice, device->box_secret, sizeof device->box_secret);
    seal_box_public(device->box_secret, device->keys.box);
}

struct made_agency *made_agency_new(void)
{
    struct made_agency *agency = calloc(1, sizeof *agency);
    struct roster_entry found = {.type = ROSTER_FOUND, .time_s = MADE_NOW_S, .roles = ROLE_ADMIN};

    assert_non_null(agency);
    arena_init(&agency->arena, (size_t)MADE_ENTRIES_MAX * 1024);
    roster_init(&agency->roster);
    made_device_keys(&agency->root, 1001);
    made_device_keys(&agency->hub, 1002);
    made_device_keys(&agency->devices[0], 1);
    memcpy(found.root, agency->root.keys.sign, KEY_BYTES);
    memcpy(found.hub_noise, agency->hub.keys.noise, KEY_BYTES);
    memcpy(found.hub_sign, agency->hub.keys.sign, KEY_BYTES);
    found.keys = agency->devices[0].keys;
    assert_int_equal(made_append(agency, &found, agency->root.sign_secret), KITH_OK);
    return agency;
}

void made_agency_free(struct made_agency **agency)
{
    roster_clear(&(*agency)->roster);
    arena_clear(&(*agency)->arena);
    free(*agency);
    *agency = NULL;
}

const uint8_t *made_sign_secret(const struct made_agency *agency, uint32_t device)
{
    return agency->devices[device - 1].sign_secret;
}

enum kith_err made_append(struct made_agency *agency, struct roster_entry *entry,
                          const uint8_t *sign_secret)
{
    struct buffer out;

    buffer_init(&out, ENTRY_MAX);
    assert_int_equal(roster_entry_write(&agency->roster, entry, sign_secret, &out), KITH_OK);
    enum kith_err err = roster_append(&agency->roster, buffer_view(&out));
    if (!err)
        agency->entries[agency->roster.count - 1] = arena_copy(&agency->arena, buffer_view(&out));
    buffer_clear(&out);
    return err;
}

uint32_t made_invited(struct made_agency *agency, uint32_t person, unsigned roles,
                      uint32_t supervisor)
{
    uint32_t number = agency->roster.device_count + 1;
    struct made_device *device = &agency->devices[number - 1];
    struct roster_entry invite = {.type = ROSTER_INVITE,
                                  .author = 1,
                                  .time_s = MADE_NOW_S,
                                  .device = number,
                                  .person = person ? person : agency->roster.person_count + 1,
                                  .roles = roles,
                                  .supervisor = supervisor,
                                  .expires_s = MADE_EXPIRES_S};

    made_device_keys(device, 500000 + number);
    invite.keys = device->keys;
    assert_int_equal(made_append(agency, &invite, made_sign_secret(agency, 1)), KITH_OK);
    return number;
}

void made_enrol(struct made_agency *agency, uint32_t number)
{
    struct made_device own;
    struct roster_entry enrol = {.type = ROSTER_ENROL, .author = number, .time_s = MADE_NOW_S};

    made_device_keys(&own, number);
    enrol.keys = own.keys;
    assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, number)), KITH_OK);
    agency->devices[number - 1] = own;
}

uint32_t made_person(struct made_agency *agency, unsigned roles)
{
    uint32_t number = made_invited(agency, 0, roles, 0);

    made_enrol(agency, number);
    return number;
}

void made_role(struct made_agency *agency, uint32_t person, unsigned roles, uint32_t supervisor)
{
    struct roster_entry role = {.type = ROSTER_ROLE,
                                .author = 1,
                                .time_s = MADE_NOW_S,
                                .person = person,
                                .roles = roles,
                                .supervisor = supervisor};

    assert_int_equal(made_append(agency, &role, made_sign_secret(agency, 1)), KITH_OK);
}

void made_end(struct made_agency *agency, uint32_t device, enum leaving leaving)
{
    struct roster_entry end = {.type = ROSTER_END,
                               .author = 1,
                               .time_s = MADE_NOW_S,
                               .device = device,
                               .leaving = leaving,
                               .until_s = leaving == LEAVING_TRANSFERRED ? MADE_EXPIRES_S : 0};

    assert_int_equal(made_append(agency, &end, made_sign_secret(agency, 1)), KITH_OK);
}

uint32_t made_renewed(struct made_agency *agency, uint32_t device)
{
    uint32_t number = agency->roster.device_count + 1;
    struct roster_entry renew = {
        .type = ROSTER_RENEW, .author = device, .time_s = MADE_NOW_S, .device = number};

    made_device_keys(&agency->devices[number - 1], number);
    renew.keys = agency->devices[number - 1].keys;
    assert_int_equal(made_append(agency, &renew, made_sign_secret(agency, device)), KITH_OK);
    return number;
}

uint32_t made_person_of(const struct made_agency *agency, uint32_t device)
{
    return roster_device(&agency->roster, device)->person;
}

void made_circle_entry(const struct made_agency *agency, const struct circle *circle,
                       struct circle_entry *entry, struct buffer *out)
{
    const uint8_t *sign_secret = made_sign_secret(agency, entry->author);

    assert_int_equal(circle_entry_write(circle, entry, sign_secret, out), KITH_OK);
}

enum kith_err made_circle_append(const struct made_agency *agency, struct circle *circle,
                                 struct circle_entry *entry)
{
    struct buffer out;

    buffer_init(&out, 2 * ENTRY_MAX);
    made_circle_entry(agency, circle, entry, &out);
    enum kith_err err = circle_append(circle, &agency->roster, buffer_view(&out));
    buffer_clear(&out);
    return err;
}

enum kith_err made_genesis(const struct made_agency *agency, struct circle *circle, uint32_t author,
                           enum circle_kind kind, struct circle_member *members,
                           uint32_t member_count)
{
    struct circle_entry genesis = {.type = CIRCLE_GENESIS,
                                   .author = author,
                                   .roster_seq = agency->roster.count,
                                   .time_s = MADE_NOW_S,
                                   .kind = kind,
                                   .members = members,
                                   .member_count = member_count,
                                   .devices = &author,
                                   .device_count = 1};

    memcpy(genesis.agency, agency->roster.agency, ID_BYTES);
    seal_random(genesis.salt, ID_BYTES);
    seal_random(genesis.commitment, HASH_BYTES);
    return made_circle_append(agency, circle, &genesis);
}

void made_change_init(struct made_change *made, const struct change_header *header,
                      const uint8_t *epoch_key, const uint8_t *sign_secret, struct bytes text)
{
    memset(made, 0, sizeof *made);
    made->header = *header;
    buffer_init(&made->sealed, CHANGE_SEALED_MAX);
    enum kith_err err =
        change_seal(header, epoch_key, sign_secret, text, &made->sealed, made->id, made->signature);
    assert_int_equal(err, KITH_OK);
    made->change =
        (struct change){header->class, header->epoch, buffer_view(&made->sealed), made->signature};
}

void made_change_clear(struct made_change *made)
{
    buffer_clear(&made->sealed);
}

void made_run(struct buffer *out, enum frame_type type, uint32_t device, uint64_t first_n,
              uint32_t count)
{
    static const uint8_t epoch_key[KEY_BYTES] = "an epoch key for the tests only";
    struct change_header header = {
        .class = CHANGE_NORMAL, .epoch = 1, .device = device, .n = first_n};
    struct made_device author;
    struct run_writer writer;

    made_device_keys(&author, device);
    memcpy(header.circle, "a chart's circle", ID_BYTES);
    run_begin(&writer);
    for (uint32_t i = 0; i < count; i++, header.n++) {
        struct made_change made;
        made_change_init(&made, &header, epoch_key, author.sign_secret,
                         bytes_text("visited, all is well"));
        run_add(&writer, header.circle, device, header.n, &made.change);
        memcpy(header.prev, made.id, HASH_BYTES);
        made_change_clear(&made);
    }
    run_flush(&writer, type, out);
    run_end(&writer);
    assert_int_equal(out->err, KITH_OK);
}

void assert_bytes_equal(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    if (a.len > 0)
        assert_memory_equal(a.ptr, b.ptr, a.len);
}
