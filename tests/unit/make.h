/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unit tests need before they can begin: an agency with people, devices and keys, a circle,
 * changes, a run, and dice that fall alike for the same seed.
 *
 * A builder fails the running test when the code under test refuses what it builds, except those
 * that return an error: their caller judges it. The founder is person 1 with device 1, an admin.
 * Keys of device N sit at devices[N - 1].
 */
#ifndef KITH_TESTS_UNIT_MAKE_H
#define KITH_TESTS_UNIT_MAKE_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/change.h"
#include "protocol/circle.h"
#include "protocol/message.h"
#include "protocol/roster.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* splitmix64. */
struct dice {
    uint64_t state;
};
uint64_t dice_roll(struct dice *dice);
/* Below `count`, which is not 0. */
uint32_t dice_below(struct dice *dice, uint32_t count);
void dice_bytes(struct dice *dice, void *to, size_t len);

#define MADE_NOW_S       1700000000u
#define MADE_EXPIRES_S   (MADE_NOW_S + 86400)
#define MADE_DEVICES_MAX 400
#define MADE_ENTRIES_MAX 800

/* While invited, the invitation's keys; from the enrolment on, the device's own. */
struct made_device {
    uint8_t sign_secret[SIGN_KEY_BYTES];
    uint8_t box_secret[KEY_BYTES];
    struct noise_keypair noise;
    struct device_public keys;
};
void made_device_keys(struct made_device *device, uint64_t seed);

struct made_agency {
    struct roster roster;
    struct made_device root; /* its sign_secret signs the first entry */
    struct made_device hub;
    struct made_device devices[MADE_DEVICES_MAX];
    struct bytes entries[MADE_ENTRIES_MAX]; /* all that were appended, in order */
    struct arena arena;
};
struct made_agency *made_agency_new(void);
void made_agency_free(struct made_agency **agency);
const uint8_t *made_sign_secret(const struct made_agency *agency, uint32_t device);
/* Signs the entry, appends it to the roster and, if that went well, to `entries`. */
enum kith_err made_append(struct made_agency *agency, struct roster_entry *entry,
                          const uint8_t *sign_secret);
/* The number of the device; `person` 0 invites a new one. */
uint32_t made_invited(struct made_agency *agency, uint32_t person, unsigned roles,
                      uint32_t supervisor);
void made_enrol(struct made_agency *agency, uint32_t device);
/* A new person, invited and enrolled: the number of the device. */
uint32_t made_person(struct made_agency *agency, unsigned roles);
void made_role(struct made_agency *agency, uint32_t person, unsigned roles, uint32_t supervisor);
/* A device's end, by device 1; a transfer runs until MADE_EXPIRES_S. */
void made_end(struct made_agency *agency, uint32_t device, enum leaving leaving);
/* The number that the device goes on under. */
uint32_t made_renewed(struct made_agency *agency, uint32_t device);
uint32_t made_person_of(const struct made_agency *agency, uint32_t device);

/* Signs the entry with its author's key. */
void made_circle_entry(const struct made_agency *agency, const struct circle *circle,
                       struct circle_entry *entry, struct buffer *out);
enum kith_err made_circle_append(const struct made_agency *agency, struct circle *circle,
                                 struct circle_entry *entry);
/* A genesis by this device that names the members, ascending, and no recipient but the author. */
enum kith_err made_genesis(const struct made_agency *agency, struct circle *circle, uint32_t author,
                           enum circle_kind kind, struct circle_member *members,
                           uint32_t member_count);

/* One change, sealed and signed. `made.change` views the rest. */
struct made_change {
    struct change_header header;
    struct buffer sealed;
    uint8_t id[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    struct change change;
};
void made_change_init(struct made_change *made, const struct change_header *header,
                      const uint8_t *epoch_key, const uint8_t *sign_secret, struct bytes text);
void made_change_clear(struct made_change *made);
/* A frame with one run of `count` small changes, linked to each other. */
void made_run(struct buffer *out, enum frame_type type, uint32_t device, uint64_t first_n,
              uint32_t count);

/* Compares, and shows both in hex when they differ. */
void assert_bytes_equal(struct bytes a, struct bytes b);

#endif
