/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that were copied or set back: how they go on under a new number. */
#include <sodium.h>

#include "liar.h"
#include "store/renew.h"

static bool keep_value(void *owner, const struct renewed_names *names, const struct op *op,
                       struct buffer *value)
{
    (void)owner;
    (void)names;
    (void)op;
    (void)value;
    return true;
}

/* The request alone: what became of it is in the renewal. */
static void request_renewal(struct office *office, struct test_device *device,
                            const struct link_faults *faults)
{
    struct renewal renewal;
    struct roster_request request = {.is_wanted = true,
                                     .sign_secret = replica_identity(device->replica)->sign_secret};

    assert_int_equal(replica_renewal(device->replica, &renewal), KITH_OK);
    assert_true(renewal.is_due);
    if (!renewal.is_begun)
        assert_int_equal(replica_renew_begin(device->replica, &renewal), KITH_OK);
    request.entry = (struct roster_entry){.type = ROSTER_RENEW,
                                          .author = replica_identity(device->replica)->device,
                                          .time_s = LINK_NOW_MS / 1000};
    identity_public(&renewal.next, &request.entry.keys);
    (void)link_connect(&office->hub, device, CHANNEL_SYNC, NULL, &request, faults);
}

static struct renewed take_over(struct test_device *device)
{
    struct renewal renewal;
    struct renewed renewed;

    assert_int_equal(replica_renewal(device->replica, &renewal), KITH_OK);
    assert_true(renewal.is_placed);
    assert_int_equal(
        replica_renew(device->replica, &renewal, keep_value, NULL, LINK_NOW_MS, &renewed), KITH_OK);
    return renewed;
}

static struct renewed renew(struct office *office, struct test_device *device)
{
    request_renewal(office, device, NULL);
    return take_over(device);
}

static bool is_due(struct test_device *device)
{
    struct renewal renewal;

    assert_int_equal(replica_renewal(device->replica, &renewal), KITH_OK);
    return renewal.is_due;
}

static void sync_ok(struct office *office, struct test_device *device)
{
    assert_int_equal(link_sync(&office->hub, device).device_err, KITH_OK);
}

static uint64_t hub_changes(struct office *office)
{
    struct ledger_stats stats;

    assert_int_equal(ledger_stats(office->hub.ledger, &stats), KITH_OK);
    return stats.changes;
}

static void both_copies_keep_what_they_wrote(void **state)
{
    struct office *office = *state;
    struct test_device copy;

    test_device_copy(&copy, &office->ana);
    (void)office_write(office, &office->ana, "first, by the one");
    (void)office_write(office, &copy, "draft, by the other");
    (void)office_write(office, &copy, "by the other"); /* replaces the draft */
    sync_ok(office, &office->ana);
    sync_ok(office, &copy);
    assert_true(is_due(&copy));
    assert_int_equal(renew(office, &copy).changes, 2);
    assert_false(is_due(&copy));
    sync_ok(office, &copy);
    sync_ok(office, &copy);
    sync_ok(office, &office->rosa);
    assert_string_equal(office_read(office, &office->rosa), "by the other|first, by the one");
    assert_string_equal(office_read(office, &copy), "by the other|first, by the one");
    (void)office_write(office, &copy, "settled");
    sync_ok(office, &copy);
    sync_ok(office, &office->rosa);
    assert_string_equal(office_read(office, &office->rosa), "settled");
    assert_int_equal(device_waiting(&office->rosa), 0);
    test_device_close(&copy);
}

/* The image had sent a change, without having heard that it arrived. */
static void nothing_that_had_arrived_is_written_twice(void **state)
{
    struct office *office = *state;
    struct test_device image;

    (void)office_write(office, &office->ana, "sent before, heard of after");
    test_device_copy(&image, &office->ana);
    sync_ok(office, &office->ana);
    (void)office_write(office, &office->ana, "only on the first");
    sync_ok(office, &office->ana);
    uint64_t before = hub_changes(office);
    sync_ok(office, &image);
    assert_true(is_due(&image));
    assert_int_equal(renew(office, &image).changes, 0);
    sync_ok(office, &image);
    assert_string_equal(office_read(office, &image), "only on the first");
    assert_int_equal(hub_changes(office), before);
    test_device_close(&image);
}

/* The answer to the request is lost, and the laptop goes down: it is the same new device then. */
static void a_renewal_that_was_cut_goes_on(void **state)
{
    struct office *office = *state;
    const struct link_faults cut = {.cut_after_in = 150};
    struct test_device copy;

    test_device_copy(&copy, &office->ana);
    (void)office_write(office, &office->ana, "by the one");
    (void)office_write(office, &copy, "by the other");
    sync_ok(office, &office->ana);
    sync_ok(office, &copy);
    request_renewal(office, &copy, &cut);
    test_device_reopen(&copy);
    request_renewal(office, &copy, NULL);
    assert_int_equal(take_over(&copy).changes, 1);
    test_device_reopen(&copy);
    sync_ok(office, &copy);
    sync_ok(office, &office->rosa);
    assert_int_equal(replica_roster(office->rosa.replica)->device_count, ANA_DEVICE + 1);
    assert_string_equal(office_read(office, &office->rosa), "by the one|by the other");
    test_device_close(&copy);
}

/* The one that was not renewed finds its number ended, and delivers to the held queue. */
static void the_other_copy_is_told_and_its_work_is_held(void **state)
{
    struct office *office = *state;
    struct ledger_stats stats;
    struct test_device copy;

    test_device_copy(&copy, &office->ana);
    (void)office_write(office, &office->ana, "by the one");
    sync_ok(office, &office->ana);
    sync_ok(office, &copy);
    (void)renew(office, &copy);
    sync_ok(office, &copy);
    (void)office_write(office, &office->ana, "typed on, not knowing");
    sync_ok(office, &office->ana);
    assert_int_equal(replica_leaving(office->ana.replica), LEAVING_RENEWED);
    assert_int_equal(ledger_stats(office->hub.ledger, &stats), KITH_OK);
    assert_int_equal(stats.held, 1);
    test_device_close(&copy);
}

/* A change in Ana's name that Ana's laptop has not signed. */
static void serve_forged(void *owner, struct buffer *frames)
{
    struct office *office = owner;
    struct change_header header;
    struct forged forged;
    uint8_t key[KEY_BYTES];

    next_header(office, &office->ana, ANA_DEVICE, &header);
    assert_true(device_epoch_key(&office->rosa, office->chart, 1, key));
    const struct forgery forgery = {&header, key,
                                    replica_identity(office->rosa.replica)->sign_secret,
                                    bytes_text("not by her")};
    forge(&forged, &forgery);
    liar_write_change(frames, &forged.change);
    forged_clear(&forged);
}

/* A hub cannot make a device give up its number: it has no change that the device has signed. */
static void nobody_else_can_prove_a_copy(void **state)
{
    struct office *office = *state;
    struct alarm alarm;

    (void)office_write(office, &office->ana, "hers");
    sync_ok(office, &office->ana);
    assert_false(is_due(&office->ana));
    assert_false(device_alarm(&office->ana, ALARM_COPIED, 0, &alarm));
    /* An answer that was lost brings the change again, and that is all. */
    const struct link_faults cut = {.cut_after_in = 100};
    const struct link_faults lie = {.serve = serve_forged, .owner = office};
    (void)office_write(office, &office->ana, "hers again");
    (void)office_sync(office, &office->ana, &cut);
    sync_ok(office, &office->ana);
    assert_false(is_due(&office->ana));
    assert_int_equal(device_alarms(&office->ana), 0);
    assert_int_equal(office_sync(office, &office->ana, &lie).device_err, KITH_SIGNATURE);
    assert_false(is_due(&office->ana));
}

static void dots_are_named_anew(void **state)
{
    const struct renewed_names names = {.old_device = 3, .new_device = 9, .shared = 4};
    const struct dot dots[] = {{2, 7}, {3, 6}, {5, 1}};
    struct buffer list;
    struct buffer out;
    struct dot dot;

    (void)state;
    assert_int_equal(renewed_dot(&names, (struct dot){3, 4}).device, 3);
    assert_int_equal(renewed_dot(&names, (struct dot){3, 5}).device, 9);
    assert_int_equal(renewed_dot(&names, (struct dot){3, 5}).n, 1);
    assert_int_equal(renewed_dot(&names, (struct dot){2, 5}).device, 2);
    buffer_init(&list, 100);
    buffer_init(&out, 100);
    dots_write(&list, dots, 3);
    struct bytes content = bytes_after(buffer_view(&list), 1);
    uint32_t count = 3;
    assert_int_equal(renewed_dots(&names, content, &count, true, &out), KITH_OK);
    const struct dot past[] = {{2, 7}, {3, 4}, {5, 1}, {9, 2}};
    struct bytes renamed = buffer_view(&out);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++) {
        uint32_t left = 4;
        left -= (uint32_t)i;
        assert_true(dots_next(&renamed, &left, &dot));
        assert_int_equal(dot_compare(dot, past[i]), 0);
    }
    buffer_reset(&out);
    count = 3;
    assert_int_equal(renewed_dots(&names, content, &count, false, &out), KITH_OK);
    assert_int_equal(count, 3);
    buffer_clear(&list);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_copies_keep_what_they_wrote, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(nothing_that_had_arrived_is_written_twice, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a_renewal_that_was_cut_goes_on, office_open, office_close),
        cmocka_unit_test_setup_teardown(the_other_copy_is_told_and_its_work_is_held, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(nobody_else_can_prove_a_copy, office_open, office_close),
        cmocka_unit_test(dots_are_named_anew),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
