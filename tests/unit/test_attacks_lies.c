/* SPDX-License-Identifier: Apache-2.0 */
/* Lies that no signature gives away: a hub that rolls back, withholds, shows two faces, hides who
 * left. What tells on it is what others knew. Numbers are those of docs/security.md, "Attacks". */
#include <string.h>

#include "liar.h"

#define CHANGES_MAX 64

static void swap_hubs(struct test_hub *a, struct test_hub *b)
{
    struct test_hub kept = *a;

    *a = *b;
    *b = kept;
}

static void a14_a_rolled_back_hub_is_noticed(void **state)
{
    struct office *office = *state;
    struct test_hub image;
    struct alarm alarm;
    uint8_t head[HASH_BYTES];

    test_hub_copy(&image, &office->hub);
    (void)office_write(office, &office->ana, "acknowledged");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    (void)office_write(office, &office->ana, "not yet");
    swap_hubs(&office->hub, &image);
    assert_int_equal(device_alarms(&office->ana), 0);
    assert_int_equal(link_sync(&office->hub, &office->ana).acknowledged, 0);
    assert_true(device_alarm(&office->ana, ALARM_ROLLED_BACK, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.n, 2);
    /* Again: the same alarm, once more. What was written is not given up. */
    assert_int_equal(link_sync(&office->hub, &office->ana).acknowledged, 0);
    assert_true(device_alarm(&office->ana, ALARM_ROLLED_BACK, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.times, 2);
    assert_int_equal(device_alarms(&office->ana), 1);
    swap_hubs(&office->hub, &image);
    assert_int_equal(link_sync(&office->hub, &office->ana).acknowledged, 1);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(device_received(&office->rosa, office->chart, ANA_DEVICE, head), 3);
    test_hub_close(&image);
}

/* The hub is set back; what it takes from then on gets the places of what Rosa had been given. */
static void a14_what_a_rolled_back_hub_skips_is_noticed_and_asked_for(void **state)
{
    struct office *office = *state;
    struct test_hub image;
    struct test_device behind;
    struct alarm alarm;

    (void)office_write(office, &office->ana, "one");
    test_device_copy(&behind, &office->ana);
    test_hub_copy(&image, &office->hub);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    (void)office_write(office, &office->rosa, "by rosa");
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    swap_hubs(&office->hub, &image);
    assert_int_equal(link_sync(&office->hub, &behind).device_err, KITH_OK);
    (void)office_write(office, &behind, "two");
    (void)office_write(office, &behind, "three");
    assert_int_equal(link_sync(&office->hub, &behind).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_GAP);
    assert_true(device_alarm(&office->rosa, ALARM_REFUSED, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.reason, KITH_GAP);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "by rosa|three");
    test_device_close(&behind);
    test_hub_close(&image);
}

/* Everything but the changes of one device. */
struct hider {
    uint32_t device;
};

static void hide_changes(void *owner, struct buffer *frames)
{
    const struct hider *hider = owner;
    struct liar_change changes[CHANGES_MAX];
    struct buffer copy;

    buffer_init(&copy, BATCH_MAX);
    buffer_add(&copy, frames->ptr, frames->len);
    size_t count = liar_changes(buffer_view(&copy), changes, CHANGES_MAX);
    liar_drop_changes(frames);
    for (size_t i = 0; i < count; i++)
        if (changes[i].device != hider->device)
            liar_write_change(frames, &changes[i]);
    buffer_clear(&copy);
}

static void a15_a_withheld_change_is_named_until_it_comes(void **state)
{
    struct office *office = *state;
    struct hider hider = {ANA_DEVICE};
    struct alarm alarm;
    const struct link_faults lie = {.serve = hide_changes, .owner = &hider};

    (void)office_write(office, &office->ana, "by ana");
    (void)office_write(office, &office->ana, "again by ana");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    (void)office_write(office, &office->rosa, "rosa has read it");
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &office->founder, &lie).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->founder), "");
    assert_int_equal(device_waiting(&office->founder), 1);
    assert_true(device_alarm(&office->founder, ALARM_CHANGE_HIDDEN, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.n, 2);
    assert_false(alarm.is_over);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->founder), "rosa has read it");
    assert_true(device_alarm(&office->founder, ALARM_CHANGE_HIDDEN, ANA_DEVICE, &alarm));
    assert_true(alarm.is_over);
}

/* What one device pushed to one face, handed to another by the other face. */
struct courier {
    struct buffer frames;
    struct liar_change changes[CHANGES_MAX];
    size_t count;
};

static void hear_push(void *owner, struct bytes frames)
{
    struct courier *courier = owner;

    buffer_add(&courier->frames, frames.ptr, frames.len);
}

static void serve_push(void *owner, struct buffer *frames)
{
    struct courier *courier = owner;

    courier->count = liar_changes(buffer_view(&courier->frames), courier->changes, CHANGES_MAX);
    for (size_t i = 0; i < courier->count; i++)
        liar_write_change(frames, &courier->changes[i]);
}

static void invite_tablet(struct test_hub *hub, struct test_device *owner, uint32_t person,
                          unsigned roles, uint32_t supervisor)
{
    struct identity tablet;
    struct roster_request invite = {.is_wanted = true,
                                    .sign_secret = replica_identity(owner->replica)->sign_secret};

    identity_make(&tablet);
    invite.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                         .author = replica_identity(owner->replica)->device,
                                         .person = person,
                                         .roles = roles,
                                         .supervisor = supervisor,
                                         .expires_s = LINK_NOW_MS / 1000 + 3600};
    identity_public(&tablet, &invite.entry.keys);
    assert_int_equal(link_connect(hub, owner, CHANNEL_SYNC, NULL, &invite, NULL).device_err,
                     KITH_OK);
    assert_true(invite.is_done);
}

/* Rosa and Ana are each shown a roster of their own. The first thing that the one writes and the
 * other reads tells. */
static void a16_two_faces_are_noticed_when_a_change_passes_between_them(void **state)
{
    struct office *office = *state;
    struct test_hub other;
    struct courier courier = {.count = 0};
    struct alarm alarm;
    const struct link_faults hear = {.hear = hear_push, .owner = &courier};
    const struct link_faults serve = {.serve = serve_push, .owner = &courier};

    buffer_init(&courier.frames, BATCH_MAX);
    test_hub_copy(&other, &office->hub);
    invite_tablet(&office->hub, &office->rosa, 2, ROLE_SUPERVISOR, 0);
    invite_tablet(&other, &office->ana, 3, ROLE_SPECIALIST, 2);
    (void)office_write(office, &office->rosa, "to whoever sees it");
    assert_int_equal(office_sync(office, &office->rosa, &hear).device_err, KITH_OK);
    swap_hubs(&office->hub, &other);
    assert_int_equal(device_alarms(&office->ana), 0);
    assert_int_equal(office_sync(office, &office->ana, &serve).device_err, KITH_OK);
    assert_true(courier.count > 0);
    assert_string_equal(office_read(office, &office->ana), "to whoever sees it");
    assert_true(device_alarm(&office->ana, ALARM_ROSTER_DIFFERS, ROSA_DEVICE, &alarm));
    assert_int_equal(alarm.n, 6);
    /* And if it shows Ana the other roster, too: what she knows stays as it is. */
    swap_hubs(&office->hub, &other);
    assert_int_not_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    buffer_clear(&courier.frames);
    test_hub_close(&other);
}

static void drop_roster(void *owner, struct frame *frame, struct bytes raw, struct buffer *out)
{
    (void)owner;
    if (frame->type != FRAME_ROSTER)
        buffer_add(out, raw.ptr, raw.len);
}

static void hide_roster(void *owner, struct buffer *frames)
{
    liar_each(frames, drop_roster, owner);
}

static void a18_a_hidden_entry_of_the_roster_is_noticed_by_what_others_know(void **state)
{
    struct office *office = *state;
    struct alarm alarm;
    const struct link_faults lie = {.serve = hide_roster};

    invite_tablet(&office->hub, &office->rosa, 2, ROLE_SUPERVISOR, 0);
    (void)office_write(office, &office->rosa, "knowing of the tablet");
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    uint32_t known = replica_roster(office->ana.replica)->count;
    (void)office_sync(office, &office->ana, &lie);
    assert_int_equal(replica_roster(office->ana.replica)->count, known);
    assert_true(device_alarms(&office->ana) > 0);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(replica_roster(office->ana.replica)->count, known + 1);
    if (device_alarm(&office->ana, ALARM_ROSTER_HIDDEN, ROSA_DEVICE, &alarm))
        assert_true(alarm.is_over);
}

/* The founder ends Rosa's laptop. The hub would like Ana to go on writing for it. */
static void a18_a_hidden_end_of_a_device_is_noticed(void **state)
{
    struct office *office = *state;
    struct alarm alarm;
    struct circle circle;
    const struct link_faults lie = {.serve = hide_roster};

    link_end(&office->hub, &office->founder, ROSA_DEVICE, LEAVING_REVOKED);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    device_circle(&office->founder, office->chart, &circle);
    assert_int_equal(circle.epoch, 2);
    circle_clear(&circle);
    assert_int_equal(office_sync(office, &office->ana, &lie).device_err, KITH_STALE);
    assert_true(device_alarm(&office->ana, ALARM_REFUSED, 0, &alarm));
    assert_int_equal(alarm.reason, KITH_STALE);
    /* As soon as she is told, nothing is written for Rosa's laptop any more. */
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    device_circle(&office->ana, office->chart, &circle);
    assert_int_equal(circle.epoch, 2);
    assert_false(circle_has_device(&circle, ROSA_DEVICE));
    circle_clear(&circle);
}

/* Both ids are kept, and they are two. */
static void assert_proven(struct test_device *device, const struct alarm *alarm)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint8_t first[HASH_BYTES];
    uint8_t second[HASH_BYTES];

    assert_true(alarm_proof(&txn, alarm, first, second));
    assert_memory_not_equal(first, second, HASH_BYTES);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

/* Ana's device signs two changes with one number, and the hub hands one to each. */
static void a32_two_changes_with_one_number_are_noticed_when_both_are_seen(void **state)
{
    struct office *office = *state;
    struct test_device copy;
    struct test_hub other;
    struct courier courier = {.count = 0};
    struct alarm alarm;
    const struct link_faults hear = {.hear = hear_push, .owner = &courier};
    const struct link_faults serve = {.serve = serve_push, .owner = &courier};

    buffer_init(&courier.frames, BATCH_MAX);
    test_device_copy(&copy, &office->ana);
    test_hub_copy(&other, &office->hub);
    (void)office_write(office, &office->ana, "to rosa");
    (void)office_write(office, &copy, "to the founder");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(link_connect(&other, &copy, CHANNEL_SYNC, NULL, NULL, &hear).device_err,
                     KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->rosa).device_err, KITH_OK);
    assert_int_equal(link_sync(&other, &office->founder).device_err, KITH_OK);
    assert_string_equal(office_read(office, &office->rosa), "to rosa");
    assert_string_equal(office_read(office, &office->founder), "to the founder");
    /* Rosa is shown the other one: what she has stays, and both are on record. */
    (void)office_write(office, &office->rosa, "so that the hub has something to serve");
    assert_int_equal(office_sync(office, &office->rosa, &serve).device_err, KITH_OK);
    assert_true(device_alarm(&office->rosa, ALARM_TWO_CHANGES, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.n, 2);
    assert_proven(&office->rosa, &alarm);
    /* What follows the other one does not fit hers. */
    buffer_reset(&courier.frames);
    (void)office_write(office, &copy, "next to the founder");
    assert_int_equal(link_connect(&other, &copy, CHANNEL_SYNC, NULL, NULL, &hear).device_err,
                     KITH_OK);
    assert_int_equal(office_sync(office, &office->rosa, &serve).device_err, KITH_SIGNATURE);
    assert_true(device_alarm(&office->rosa, ALARM_REFUSED, ANA_DEVICE, &alarm));
    assert_int_equal(alarm.reason, KITH_SIGNATURE);
    buffer_clear(&courier.frames);
    test_device_close(&copy);
    test_hub_close(&other);
}

static void a_day_of_honest_work_raises_no_alarm(void **state)
{
    struct office *office = *state;
    struct test_device *all[] = {&office->founder, &office->rosa, &office->ana};
    struct test_device ben;

    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < COUNT_OF(all); i++) {
            (void)office_write(office, all[i], round % 2 ? "odd" : "even");
            assert_int_equal(link_sync(&office->hub, all[(i + (size_t)round) % 3]).device_err,
                             KITH_OK);
        }
    }
    test_device_open(&ben);
    link_join(&office->hub, &office->founder, &ben, 0, ROLE_CUSTODIAN, 0);
    for (size_t i = 0; i < 2 * COUNT_OF(all); i++) {
        (void)office_write(office, all[i % 3], "with ben");
        assert_int_equal(link_sync(&office->hub, all[i % 3]).device_err, KITH_OK);
    }
    assert_int_equal(link_sync(&office->hub, &ben).device_err, KITH_OK);
    link_end(&office->hub, &office->founder, ROSA_DEVICE, LEAVING_RETIRED);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(link_sync(&office->hub, &ben).device_err, KITH_OK);
        assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
        assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    }
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_int_equal(device_alarms(all[i]), 0);
    assert_int_equal(device_alarms(&ben), 0);
    test_device_close(&ben);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a14_a_rolled_back_hub_is_noticed, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a14_what_a_rolled_back_hub_skips_is_noticed_and_asked_for,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a15_a_withheld_change_is_named_until_it_comes, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a16_two_faces_are_noticed_when_a_change_passes_between_them,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(
            a18_a_hidden_entry_of_the_roster_is_noticed_by_what_others_know, office_open,
            office_close),
        cmocka_unit_test_setup_teardown(a18_a_hidden_end_of_a_device_is_noticed, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(
            a32_two_changes_with_one_number_are_noticed_when_both_are_seen, office_open,
            office_close),
        cmocka_unit_test_setup_teardown(a_day_of_honest_work_raises_no_alarm, office_open,
                                        office_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
