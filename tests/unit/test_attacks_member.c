/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks by somebody who belongs to the agency: a member, a device that left, a copy of a laptop.
 * Numbers are those of docs/security.md, "Attacks". */
#include <string.h>

#include "liar.h"

/* Whatever it is, signed by Ana's device as her next change: what a hub would hand to Rosa. */
struct hostile {
    struct office *office;
    struct bytes text;
    uint64_t skipped; /* how many of hers there were before, unknown to Rosa */
    uint8_t prev[HASH_BYTES];
};

static void sign_as_ana(struct office *office, const struct change_header *header,
                        struct bytes text, struct forged *forged)
{
    uint8_t key[KEY_BYTES];

    assert_true(device_epoch_key(&office->ana, office->chart, 1, key));
    const struct forgery forgery = {header, key, replica_identity(office->ana.replica)->sign_secret,
                                    text};
    forge(forged, &forgery);
}

static void serve_hostile(void *owner, struct buffer *frames)
{
    struct hostile *hostile = owner;
    struct change_header header;
    struct forged forged;

    next_header(hostile->office, &hostile->office->rosa, ANA_DEVICE, &header);
    sign_as_ana(hostile->office, &header, hostile->text, &forged);
    liar_write_change(frames, &forged.change);
    forged_clear(&forged);
}

/* A change dated years back, signed by a device that was cut off, is beyond the cut whatever its
 * clock says. */
static void a19_a_back_dated_change_after_the_cut_counts_for_nothing(void **state)
{
    struct made_agency *agency = made_agency_new();
    struct circle circle;
    struct circle_member members[] = {{1, CIRCLE_WRITE}, {2, CIRCLE_WRITE}};
    struct circle_leaver leaver = {2, LEAVING_REVOKED};
    struct circle_cut cut = {.device = 2, .leaving = LEAVING_REVOKED, .n = 4, .id = {4}};
    struct circle_entry rotate = {.type = CIRCLE_ROTATE,
                                  .author = 1,
                                  .epoch = 2,
                                  .leavers = &leaver,
                                  .leaver_count = 1,
                                  .cuts = &cut,
                                  .cut_count = 1};
    uint32_t device = 2;
    struct circle_entry grant = {
        .type = CIRCLE_GRANT, .author = 1, .devices = &device, .device_count = 1};
    uint8_t id[HASH_BYTES] = {4};
    uint8_t other[HASH_BYTES] = {5};
    struct change_header header = {.class = CHANGE_NORMAL, .epoch = 1, .device = 2, .n = 4};

    (void)state;
    (void)made_person(agency, ROLE_SPECIALIST);
    grant.roster_seq = rotate.roster_seq = agency->roster.count;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, 1, CIRCLE_CHART, members, 2), KITH_OK);
    assert_int_equal(made_circle_append(agency, &circle, &grant), KITH_OK);
    uint8_t wrap[WRAP_BYTES] = {1};
    struct circle_wrap wraps = {1, wrap};
    rotate.time_s = MADE_NOW_S;
    seal_random(rotate.commitment, HASH_BYTES);
    rotate.wraps = &wraps;
    rotate.wrap_count = 1;
    assert_int_equal(made_circle_append(agency, &circle, &rotate), KITH_OK);
    assert_int_equal(circle_takes(&circle, &agency->roster, &header, id), KITH_OK);
    assert_int_equal(circle_takes(&circle, &agency->roster, &header, other), KITH_FORKED);
    header.n = 5;
    for (uint32_t epoch = 1; epoch <= 2; epoch++) {
        header.epoch = epoch;
        assert_int_equal(circle_takes(&circle, &agency->roster, &header, other), KITH_HELD);
    }
    circle_clear(&circle);
    made_agency_free(&agency);
}

static uint64_t own_changes(struct test_device *device, const uint8_t *circle, uint32_t number)
{
    uint8_t head[HASH_BYTES];

    return device_received(device, circle, number, head);
}

/* Two laptops from one disk: the second to arrive is shown what only the first can have signed, and
 * what it wrote stays on it. How it goes on is in tests/unit/test_renew.c. */
static void a31_a_copied_laptop_loses_nothing_and_mixes_nothing(void **state)
{
    struct office *office = *state;
    struct test_device copy;
    struct alarm alarm;

    test_device_copy(&copy, &office->ana);
    (void)office_write(office, &office->ana, "on the first");
    (void)office_write(office, &copy, "on the second");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &copy).refused, 1);
    assert_true(device_alarm(&copy, ALARM_COPIED, 0, &alarm));
    assert_true(device_alarm(&copy, ALARM_OWN_FORKED, 0, &alarm));
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "on the first");
    assert_string_equal(office_read(office, &copy), "on the second");
    assert_int_equal(own_changes(&copy, office->chart, ANA_DEVICE), 2);
    test_device_close(&copy);
}

static void raw_text(void *owner, struct bytes text)
{
    struct hostile *hostile = owner;
    const struct link_faults lie = {.serve = serve_hostile, .owner = hostile};

    hostile->text = text;
    assert_int_equal(office_sync(hostile->office, &hostile->office->rosa, &lie).device_err,
                     KITH_OK);
    assert_int_equal(device_waiting(&hostile->office->rosa), 0);
}

/* Payloads that nest, that claim, that name what is not there: signed and encrypted as it should
 * be. */
static void a33_hostile_content_by_a_member_harms_nobody(void **state)
{
    struct office *office = *state;
    struct hostile hostile = {.office = office};
    struct dice dice = {33};
    struct buffer text;
    uint8_t bytes[300];
    static const uint8_t claims[][8] = {
        {0xdd, 0xff, 0xff, 0xff, 0xff}, {0x94, 0xcf, 0xff, 0xff}, {0x94, 0x00, 0x90, 0xc0, 0xdc},
        {0xdf, 0x7f, 0xff, 0xff, 0xff}, {0x94, 0x01, 0x92, 0x01}, {0xc6, 0xff, 0xff, 0xff, 0xff}};

    for (size_t i = 0; i < COUNT_OF(claims); i++)
        raw_text(&hostile, bytes_of(claims[i], sizeof claims[i]));
    for (size_t round = 0; round < 64; round++) {
        dice_bytes(&dice, bytes, sizeof bytes);
        raw_text(&hostile, bytes_of(bytes, dice_below(&dice, sizeof bytes)));
    }
    /* As large as it gets, all zeros, and nested as deep as there are bytes. */
    buffer_init(&text, CHANGE_TEXT_MAX);
    memset(buffer_extend(&text, CHANGE_TEXT_MAX), 0, CHANGE_TEXT_MAX);
    raw_text(&hostile, buffer_view(&text));
    memset(text.ptr, 0x91, text.len);
    raw_text(&hostile, buffer_view(&text));
    buffer_clear(&text);
    /* Rosa goes on. */
    (void)office_write(office, &office->rosa, "as if nothing had been");
    assert_int_equal(office_sync(office, &office->rosa, NULL).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "as if nothing had been");
}

/* The member's device writes two changes with one number. An honest hub takes one of them. */
static void a32_a_second_change_with_one_number_is_refused_by_the_hub(void **state)
{
    struct office *office = *state;
    struct test_device copy;
    uint8_t first[HASH_BYTES];
    uint8_t second[HASH_BYTES];
    struct alarm alarm;

    test_device_copy(&copy, &office->ana);
    (void)office_write(office, &office->ana, "to one");
    (void)office_write(office, &copy, "to the other");
    assert_int_equal(device_received(&office->ana, office->chart, ANA_DEVICE, first), 2);
    assert_int_equal(device_received(&copy, office->chart, ANA_DEVICE, second), 2);
    assert_memory_not_equal(first, second, HASH_BYTES);
    assert_int_equal(link_sync(&office->hub, &copy).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->ana).refused, 1);
    assert_true(device_alarm(&office->ana, ALARM_COPIED, 0, &alarm));
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "to the other");
    assert_string_equal(office_read(office, &office->founder), "to the other");
    test_device_close(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a19_a_back_dated_change_after_the_cut_counts_for_nothing),
        cmocka_unit_test_setup_teardown(a31_a_copied_laptop_loses_nothing_and_mixes_nothing,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a32_a_second_change_with_one_number_is_refused_by_the_hub,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a33_hostile_content_by_a_member_harms_nobody, office_open,
                                        office_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
