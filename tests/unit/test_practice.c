/* SPDX-License-Identifier: Apache-2.0 */
/* An agency for practice: no hub takes it, and no device but its own puts its roster in order. */
#include <string.h>

#include "link.h"
#include "make.h"
#include "protocol/seal.h"

/* An entry that founds an agency of a kind, on a hub that is nobody's, and the key that signs it.
 */
static void founding(const struct test_device *device, enum agency_kind kind,
                     struct roster_entry *entry, uint8_t root_secret[static SIGN_KEY_BYTES])
{
    uint8_t seed[KEY_BYTES];

    memset(entry, 0, sizeof *entry);
    entry->type = ROSTER_FOUND;
    entry->agency_kind = kind;
    entry->roles = ROLE_ADMIN | ROLE_CUSTODIAN;
    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, entry->root, root_secret);
    seal_random(entry->hub_noise, KEY_BYTES);
    seal_random(entry->hub_sign, KEY_BYTES);
    identity_public(replica_identity(device->replica), &entry->keys);
}

static void no_hub_takes_an_agency_for_practice(void **state)
{
    struct test_hub hub;
    struct test_device device;
    struct test_device real;

    (void)state;
    test_hub_open(&hub);
    test_device_open(&device);
    test_device_open(&real);
    assert_int_equal(link_ask_agency(&hub, &device, AGENCY_PRACTICE), KITH_PRACTICE);
    assert_int_equal(replica_roster(device.replica)->count, 0);
    link_found(&hub, &real);
    assert_int_equal(replica_roster(real.replica)->kind, AGENCY_SERVICES);
    test_device_close(&real);
    test_device_close(&device);
    test_hub_close(&hub);
}

static void an_agency_of_volunteers_is_one_like_another_for_a_hub(void **state)
{
    struct test_hub hub;
    struct test_device device;

    (void)state;
    test_hub_open(&hub);
    test_device_open(&device);
    assert_int_equal(link_ask_agency(&hub, &device, AGENCY_VOLUNTEERS), KITH_OK);
    assert_int_equal(replica_roster(device.replica)->kind, AGENCY_VOLUNTEERS);
    test_device_close(&device);
    test_hub_close(&hub);
}

static void only_a_roster_for_practice_is_made_without_a_hub(void **state)
{
    struct test_device device;
    struct roster_entry entry;
    uint8_t root_secret[SIGN_KEY_BYTES];

    (void)state;
    test_device_open(&device);
    founding(&device, AGENCY_SERVICES, &entry, root_secret);
    assert_int_equal(replica_append_alone(device.replica, &entry, root_secret), KITH_NOT_ALLOWED);
    founding(&device, AGENCY_VOLUNTEERS, &entry, root_secret);
    assert_int_equal(replica_append_alone(device.replica, &entry, root_secret), KITH_NOT_ALLOWED);
    founding(&device, AGENCY_PRACTICE, &entry, root_secret);
    assert_int_equal(replica_append_alone(device.replica, &entry, root_secret), KITH_OK);
    assert_int_equal(replica_roster(device.replica)->count, 1);
    test_device_reopen(&device);
    assert_int_equal(replica_roster(device.replica)->count, 1);
    assert_int_equal(replica_roster(device.replica)->kind, AGENCY_PRACTICE);
    test_device_close(&device);
}

static void the_roster_of_a_real_agency_is_not_added_to_without_its_hub(void **state)
{
    struct test_hub hub;
    struct test_device device;
    struct roster_entry role = {
        .type = ROSTER_ROLE, .author = 1, .person = 1, .roles = ROLE_SUPERVISOR};

    (void)state;
    test_hub_open(&hub);
    test_device_open(&device);
    link_found(&hub, &device);
    assert_int_equal(
        replica_append_alone(device.replica, &role, replica_identity(device.replica)->sign_secret),
        KITH_NOT_ALLOWED);
    assert_int_equal(replica_roster(device.replica)->count, 1);
    test_device_close(&device);
    test_hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_hub_takes_an_agency_for_practice),
        cmocka_unit_test(an_agency_of_volunteers_is_one_like_another_for_a_hub),
        cmocka_unit_test(only_a_roster_for_practice_is_made_without_a_hub),
        cmocka_unit_test(the_roster_of_a_real_agency_is_not_added_to_without_its_hub),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
