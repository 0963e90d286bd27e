/* SPDX-License-Identifier: Apache-2.0 */
/* People and devices that leave, over the real hub and replicas: what they deliver, what they get,
 * what is held and decided, and that everybody else goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sodium.h>

#include "link.h"
#include "store/device_held_rows.h"
#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "store/replica_internal.h"

enum { NOTE = 7, PURPOSE = 4 };
enum { FOUNDER = 1, ROSA, ANA, BEN };

/* Number of person and of device are the same. */
struct agency {
    struct test_hub hub;
    struct test_device founder; /* admin and custodian */
    struct test_device rosa;    /* supervisor */
    struct test_device ana;     /* specialist, led by rosa */
    struct test_device ben;     /* volunteer, not in the chart */
    uint8_t chart[ID_BYTES];
};

static struct agency agency;
static const uint8_t visit[ID_BYTES] = {7};
static const uint8_t other[ID_BYTES] = {8};

static void sync_ok(struct test_device *device)
{
    assert_int_equal(link_sync(&agency.hub, device).device_err, KITH_OK);
}

static int agency_open(void **state)
{
    (void)state;
    test_hub_open(&agency.hub);
    test_device_open(&agency.founder);
    test_device_open(&agency.rosa);
    test_device_open(&agency.ana);
    test_device_open(&agency.ben);
    link_found(&agency.hub, &agency.founder);
    link_join(&agency.hub, &agency.founder, &agency.rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&agency.hub, &agency.founder, &agency.ana, 0, ROLE_SPECIALIST, ROSA);
    link_join(&agency.hub, &agency.founder, &agency.ben, 0, ROLE_VOLUNTEER, 0);
    sync_ok(&agency.ana);
    link_chart(&agency.ana, "Maria Lopez", agency.chart);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    sync_ok(&agency.founder);
    return 0;
}

static int agency_close(void **state)
{
    (void)state;
    test_device_close(&agency.ben);
    test_device_close(&agency.ana);
    test_device_close(&agency.rosa);
    test_device_close(&agency.founder);
    test_hub_close(&agency.hub);
    return 0;
}

static void put(struct test_device *device, const uint8_t *record, const char *text)
{
    (void)link_put(device, agency.chart, record, NOTE, PURPOSE, text);
}

static void assert_reads(struct test_device *device, const uint8_t *record, const char *text)
{
    assert_string_equal(link_read(device, agency.chart, record, NOTE, PURPOSE), text);
}

static void circle_of(struct test_device *device, const uint8_t *id, struct circle_row *row)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);

    device_circle_get(&txn, device_circle_number(&txn, id), row);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static uint32_t epoch_of(struct test_device *device, const uint8_t *id)
{
    struct circle_row row;

    circle_of(device, id, &row);
    uint32_t epoch = row.circle.epoch;
    circle_clear(&row.circle);
    return epoch;
}

static uint32_t rotations_owed(struct test_device *device, const uint8_t *id)
{
    struct circle_row row;

    circle_of(device, id, &row);
    uint32_t owed = circle_rotation_owed(&row.circle, replica_roster(device->replica));
    circle_clear(&row.circle);
    return owed;
}

static bool has_any_key(struct test_device *device, const uint8_t *id)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, id);
    uint8_t key[KEY_BYTES];
    bool is_there = false;

    for (uint32_t epoch = 1; epoch < 20; epoch++)
        is_there = device_key_get(&txn, number, epoch, key) || is_there;
    assert_int_equal(store_commit(&txn), KITH_OK);
    return is_there;
}

static struct purged purge(struct test_device *device)
{
    struct purged purged;

    assert_int_equal(replica_purge(device->replica, &purged), KITH_OK);
    return purged;
}

static void withdraw(struct test_device *by, uint32_t person, enum leaving leaving)
{
    assert_int_equal(replica_withdraw(by->replica, agency.chart, person, leaving), KITH_OK);
    sync_ok(by);
}

static void let_in(struct test_device *by, uint32_t person, enum circle_right right)
{
    struct circle_member member = {person, right};

    assert_int_equal(replica_grant(by->replica, agency.chart, &member), KITH_OK);
    sync_ok(by);
}

/* The only change that waits for a decision. */
static struct held_change only_held(struct test_device *device)
{
    struct held_change *changes;
    struct held_change first = {0};
    size_t count;

    assert_int_equal(replica_held(device->replica, &changes, &count), KITH_OK);
    assert_int_equal(count, 1);
    first = changes[0];
    free(changes);
    return first;
}

static uint64_t hub_held(void)
{
    struct ledger_stats stats;

    assert_int_equal(ledger_stats(agency.hub.ledger, &stats), KITH_OK);
    return stats.held;
}

/* A sync that has nothing to carry: cursor and digest agree. */
static void assert_in_step(struct test_device *device)
{
    struct link_result result = link_sync(&agency.hub, device);

    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 0);
    assert_true(result.bytes_in < 200);
}

static void whoever_is_taken_out_delivers_is_told_and_keeps_nothing_readable(void **state)
{
    (void)state;
    put(&agency.rosa, other, "an older note of rosa's");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    assert_int_equal(epoch_of(&agency.rosa, agency.chart), 2);
    put(&agency.rosa, other, "not for ana");
    sync_ok(&agency.rosa);

    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 0);
    assert_int_equal(result.acknowledged, 0);
    assert_int_equal(result.refused, 1);
    assert_int_equal(hub_held(), 1);
    assert_reads(&agency.ana, visit, "walked to the clinic");
    assert_reads(&agency.ana, other, "an older note of rosa's");
    struct purged purged = purge(&agency.ana);
    assert_int_equal(purged.circles, 1);
    assert_int_equal(purged.pending, 0);
    assert_false(purged.is_device);
    assert_reads(&agency.ana, visit, "");
    assert_reads(&agency.ana, other, "");
    assert_false(has_any_key(&agency.ana, agency.chart));
    assert_in_step(&agency.ana);
    assert_int_equal(purge(&agency.ana).circles, 0);
    test_device_reopen(&agency.ana);
    assert_in_step(&agency.ana);
}

static void nothing_is_purged_before_the_hub_has_it(void **state)
{
    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_REVOKED);
    /* The connection breaks somewhere, and somewhere later each time. */
    struct purged purged = {0};
    for (size_t cut = 100; cut < 1400 && purged.circles == 0; cut += 100) {
        const struct link_faults faults = {.cut_after_in = cut};
        (void)link_connect(&agency.hub, &agency.ana, CHANNEL_SYNC, NULL, NULL, &faults);
        purged = purge(&agency.ana);
        if (purged.circles == 0)
            assert_reads(&agency.ana, visit, "walked to the clinic");
        else
            assert_int_equal(hub_held(), 1);
    }
    assert_int_equal(purged.circles, 1);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 1);
    assert_reads(&agency.ana, visit, "");
}

static void what_is_held_is_shown_to_who_decides_and_admitted(void **state)
{
    struct buffer text;

    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    sync_ok(&agency.founder);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(held.device, ANA);
    assert_int_equal(held.leaving, LEAVING_RETIRED);
    assert_int_equal(held.time_s, LINK_NOW_MS / 1000);
    assert_memory_equal(held.circle, agency.chart, ID_BYTES);
    buffer_init(&text, CHANGE_TEXT_MAX);
    assert_int_equal(replica_held_text(agency.rosa.replica, &held, &text), KITH_OK);
    assert_non_null(memmem(text.ptr, text.len, "walked to the clinic", 20));
    buffer_clear(&text);
    assert_reads(&agency.rosa, visit, "");

    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    assert_int_equal(hub_held(), 0);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    sync_ok(&agency.founder);
    assert_reads(&agency.founder, visit, "walked to the clinic");
    struct held_change *none;
    size_t count;
    assert_int_equal(replica_held(agency.founder.replica, &none, &count), KITH_OK);
    assert_int_equal(count, 0);
    free(none);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_EXISTS);
    assert_in_step(&agency.rosa);
}

static void a_rejection_stays_out_and_can_be_taken_back(void **state)
{
    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_REVOKED);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_reject(agency.rosa.replica, &held, bytes_text("that was not ana")),
                     KITH_OK);
    sync_ok(&agency.rosa);
    assert_int_equal(hub_held(), 0);
    assert_true(only_held(&agency.rosa).is_rejected);
    sync_ok(&agency.founder);
    assert_reads(&agency.founder, visit, "");
    /* What comes behind it is held for itself. */
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.founder);
    assert_reads(&agency.founder, visit, "walked to the clinic");
}

static void what_was_rejected_is_found_by_who_decides_later(void **state)
{
    struct test_device late;

    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_REVOKED);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_reject(agency.rosa.replica, &held, bytes_text("no")), KITH_OK);
    sync_ok(&agency.rosa);
    /* The custodian had not heard of it, and a new one even less. */
    sync_ok(&agency.founder);
    assert_true(only_held(&agency.founder).is_rejected);
    test_device_open(&late);
    link_join(&agency.hub, &agency.founder, &late, 0, ROLE_CUSTODIAN, 0);
    sync_ok(&agency.founder);
    sync_ok(&late);
    held = only_held(&late);
    assert_true(held.is_rejected);
    assert_int_equal(replica_admit(late.replica, &held), KITH_OK);
    sync_ok(&late);
    sync_ok(&late);
    assert_reads(&late, visit, "walked to the clinic");
    test_device_close(&late);
}

static void what_came_too_late_to_be_taken_counts_for_nobody(void **state)
{
    struct store_txn txn;
    struct circle_row row;

    (void)state;
    put(&agency.ana, visit, "in time");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    withdraw(&agency.rosa, ANA, LEAVING_TRANSFERRED);
    put(&agency.ana, visit, "taken late");
    sync_ok(&agency.ana);
    let_in(&agency.rosa, ANA, CIRCLE_READ);
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, visit, "taken late");
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "taken late");
    /* And what no receipt names does not count here either. */
    txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
    device_circle_get(&txn, device_circle_number(&txn, agency.chart), &row);
    struct circle_work work = {.row = row};
    const struct chain_row own = {.number = CHAIN_OWN, .device = ANA};
    assert_false(circle_work_is_beyond(&txn, &work, &own, 3));
    assert_true(circle_work_is_beyond(&txn, &work, &own, 4));
    assert_int_equal(store_commit(&txn), KITH_OK);
    circle_clear(&row.circle);
}

/* The founder ends a device and does not hear that it was done. */
static void end_unheard(uint32_t device)
{
    const struct link_faults faults = {.cut_after_in = 120};
    struct roster_request end = {
        .is_wanted = true,
        .sign_secret = replica_identity(agency.founder.replica)->sign_secret,
        .entry = {
            .type = ROSTER_END, .author = FOUNDER, .device = device, .leaving = LEAVING_RETIRED}};
    struct link_result result =
        link_connect(&agency.hub, &agency.founder, CHANNEL_SYNC, NULL, &end, &faults);

    assert_int_equal(result.device_err, KITH_LOST);
    assert_false(end.is_done);
}

static void what_is_held_before_its_device_is_cut_waits_for_a_decision_too(void **state)
{
    struct circle_member reader = {BEN, CIRCLE_READ};

    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    end_unheard(ANA);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 1);
    assert_int_equal(replica_grant(agency.founder.replica, agency.chart, &reader), KITH_OK);
    sync_ok(&agency.founder);
    assert_int_equal(epoch_of(&agency.founder, agency.chart), 2);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    struct held_change *none;
    size_t count;
    assert_int_equal(replica_held(agency.rosa.replica, &none, &count), KITH_OK);
    assert_int_equal(count, 0);
    free(none);
}

static void what_is_taken_after_all_is_held_no_longer(void **state)
{
    struct held_change *changes;
    size_t count;

    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    assert_int_equal(only_held(&agency.rosa).device, ANA);
    let_in(&agency.rosa, ANA, CIRCLE_READ);
    withdraw(&agency.rosa, ANA, LEAVING_TRANSFERRED);
    sync_ok(&agency.ana);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 0);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    assert_int_equal(replica_held(agency.rosa.replica, &changes, &count), KITH_OK);
    assert_int_equal(count, 0);
    free(changes);
}

static void of_two_wishes_about_one_person_the_larger_comes_true(void **state)
{
    struct circle_member reader = {BEN, CIRCLE_READ};
    struct circle_member writer = {BEN, CIRCLE_WRITE};

    (void)state;
    assert_int_equal(replica_grant(agency.ana.replica, agency.chart, &reader), KITH_OK);
    assert_int_equal(replica_grant(agency.ana.replica, agency.chart, &writer), KITH_OK);
    sync_ok(&agency.ana);
    sync_ok(&agency.ben);
    put(&agency.ben, visit, "by ben");
    sync_ok(&agency.ben);
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, visit, "by ben");
}

static void who_comes_back_as_a_reader_reads_what_everybody_reads(void **state)
{
    (void)state;
    put(&agency.ana, visit, "in time");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    put(&agency.ana, visit, "too late");
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, visit, "too late");
    let_in(&agency.rosa, ANA, CIRCLE_READ);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 1);
    assert_reads(&agency.ana, visit, "in time");
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    assert_reads(&agency.rosa, visit, "too late");
    assert_reads(&agency.ana, visit, "too late");
}

static void who_may_not_decide_is_shown_nothing_and_decides_nothing(void **state)
{
    struct held_change *changes;
    size_t count;

    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.ben);
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    sync_ok(&agency.ana);
    sync_ok(&agency.ben);
    assert_int_equal(replica_held(agency.ben.replica, &changes, &count), KITH_OK);
    assert_int_equal(count, 0);
    free(changes);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_admit(agency.ben.replica, &held), KITH_NOT_ALLOWED);
    assert_int_equal(replica_withdraw(agency.ben.replica, agency.chart, ROSA, LEAVING_RETIRED),
                     KITH_NOT_ALLOWED);
    assert_int_equal(replica_withdraw(agency.rosa.replica, agency.chart, FOUNDER, LEAVING_RETIRED),
                     KITH_NOT_ALLOWED);
    assert_int_equal(replica_withdraw(agency.rosa.replica, agency.chart, ANA, LEAVING_RETIRED),
                     KITH_NOT_FOUND);
}

static void what_was_handed_over_is_taken_as_it_comes(void **state)
{
    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_TRANSFERRED);
    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.acknowledged, 1);
    assert_int_equal(result.refused, 0);
    assert_int_equal(hub_held(), 0);
    assert_int_equal(purge(&agency.ana).circles, 1);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
}

static void what_was_handed_over_is_held_once_its_device_is_lost(void **state)
{
    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_TRANSFERRED);
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 1);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "");
}

static void who_comes_back_finds_everything_and_everybody_finds_theirs(void **state)
{
    (void)state;
    put(&agency.rosa, other, "by rosa");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    put(&agency.ana, visit, "walked to the clinic");
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    put(&agency.rosa, other, "by rosa, meanwhile");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    (void)purge(&agency.ana);
    let_in(&agency.rosa, ANA, CIRCLE_WRITE);
    assert_int_equal(hub_held(), 0);
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, visit, "walked to the clinic");
    assert_reads(&agency.ana, other, "by rosa, meanwhile");
    assert_in_step(&agency.ana);
    put(&agency.ana, visit, "and back");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "and back");
    assert_int_equal(purge(&agency.ana).circles, 0);
    assert_in_step(&agency.rosa);
}

static void a_new_laptop_reads_what_was_before_its_person_left_and_came_back(void **state)
{
    struct test_device second;

    (void)state;
    put(&agency.rosa, other, "by rosa");
    put(&agency.rosa, other, "by rosa, again");
    sync_ok(&agency.rosa);
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    put(&agency.rosa, other, "by rosa, meanwhile");
    sync_ok(&agency.rosa);
    test_device_open(&second);
    link_join(&agency.hub, &agency.founder, &second, ANA, ROLE_SPECIALIST, ROSA);
    sync_ok(&agency.rosa);
    let_in(&agency.rosa, ANA, CIRCLE_WRITE);
    sync_ok(&second);
    assert_reads(&second, other, "by rosa, meanwhile");
    assert_in_step(&second);
    put(&second, visit, "from the new laptop");
    sync_ok(&second);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "from the new laptop");
    test_device_close(&second);
}

static void a_wish_goes_with_the_circle_it_was_about(void **state)
{
    struct replica_counts counts;
    struct circle_member ben = {BEN, CIRCLE_READ};

    (void)state;
    assert_int_equal(replica_grant(agency.ana.replica, agency.chart, &ben), KITH_OK);
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    sync_ok(&agency.ana);
    assert_int_equal(purge(&agency.ana).circles, 1);
    assert_int_equal(replica_counts(agency.ana.replica, &counts), KITH_OK);
    assert_int_equal(counts.owed, 0);
    /* It is not done behind everybody's back when its author is let in again. */
    let_in(&agency.rosa, ANA, CIRCLE_WRITE);
    sync_ok(&agency.ana);
    sync_ok(&agency.ben);
    assert_false(has_any_key(&agency.ben, agency.chart));
}

static void who_comes_back_before_having_heard_of_it_loses_nothing(void **state)
{
    (void)state;
    put(&agency.rosa, other, "by rosa");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    withdraw(&agency.rosa, ANA, LEAVING_RETIRED);
    let_in(&agency.rosa, ANA, CIRCLE_WRITE);
    put(&agency.ana, visit, "walked to the clinic");
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, other, "by rosa");
    assert_reads(&agency.ana, visit, "walked to the clinic");
    sync_ok(&agency.ana);
    assert_in_step(&agency.ana);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    put(&agency.ana, other, "by ana");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, other, "by ana");
}

static void a_revoked_device_is_rotated_away_with_nobody_asking(void **state)
{
    uint8_t directory[ID_BYTES];

    (void)state;
    assert_true(replica_agency_circle(agency.rosa.replica, directory));
    put(&agency.ana, visit, "walked to the clinic");
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    sync_ok(&agency.founder);
    assert_int_equal(rotations_owed(&agency.founder, agency.chart), 0);
    assert_int_equal(rotations_owed(&agency.founder, directory), 0);
    assert_int_equal(epoch_of(&agency.founder, agency.chart), 2);
    assert_int_equal(epoch_of(&agency.founder, directory), 2);
    put(&agency.founder, other, "not for the finder");
    sync_ok(&agency.founder);

    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 0);
    assert_int_equal(result.refused, 1);
    assert_int_equal(replica_leaving(agency.ana.replica), LEAVING_REVOKED);
    struct purged purged = purge(&agency.ana);
    assert_true(purged.is_device);
    assert_int_equal(purged.pending, 0);
    assert_false(has_any_key(&agency.ana, agency.chart));
    assert_false(has_any_key(&agency.ana, directory));
    assert_reads(&agency.ana, visit, "");
    static const uint8_t nothing[SIGN_KEY_BYTES];
    assert_memory_equal(replica_identity(agency.ana.replica)->sign_secret, nothing, SIGN_KEY_BYTES);
    /* Rosa only hears of it, and decides. */
    sync_ok(&agency.rosa);
    assert_int_equal(rotations_owed(&agency.rosa, agency.chart), 0);
    assert_reads(&agency.rosa, other, "not for the finder");
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(held.leaving, LEAVING_REVOKED);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    assert_in_step(&agency.rosa);
}

static void a_chart_made_on_a_device_that_was_ended_is_not_lost(void **state)
{
    uint8_t chart[ID_BYTES];

    (void)state;
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_RETIRED);
    link_chart(&agency.ana, "Bo Chen", chart);
    (void)link_put(&agency.ana, chart, visit, NOTE, PURPOSE, "met at the shelter");
    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_true(purge(&agency.ana).is_device);
    sync_ok(&agency.founder);
    assert_int_equal(epoch_of(&agency.founder, chart), 2);
    struct held_change *changes;
    size_t count;
    sync_ok(&agency.founder);
    assert_int_equal(replica_held(agency.founder.replica, &changes, &count), KITH_OK);
    assert_int_equal(count, 2);
    assert_int_equal(replica_admit(agency.founder.replica, &changes[1]), KITH_OK);
    free(changes);
    sync_ok(&agency.founder);
    sync_ok(&agency.founder);
    assert_string_equal(link_read(&agency.founder, chart, visit, NOTE, PURPOSE),
                        "met at the shelter");
}

static void a_chart_is_delivered_though_the_answer_was_lost_and_others_went_on(void **state)
{
    const struct link_faults faults = {.cut_after_in = 120};
    struct circle_row row;
    uint8_t chart[ID_BYTES];

    (void)state;
    link_chart(&agency.ana, "Bo Chen", chart);
    struct link_result result =
        link_connect(&agency.hub, &agency.ana, CHANNEL_SYNC, NULL, NULL, &faults);
    assert_int_equal(result.device_err, KITH_LOST);
    assert_int_equal(result.acknowledged, 0);
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_RETIRED);
    sync_ok(&agency.founder);
    assert_int_equal(epoch_of(&agency.founder, chart), 2);
    sync_ok(&agency.ana);
    circle_of(&agency.ana, chart, &row);
    assert_int_equal(row.acked_entries, 1);
    circle_clear(&row.circle);
    assert_true(purge(&agency.ana).is_device);
}

static void an_ended_device_is_shown_no_more_than_its_end(void **state)
{
    struct test_device late;

    (void)state;
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    uint32_t ended = replica_roster(agency.founder.replica)->count;
    test_device_open(&late);
    link_join(&agency.hub, &agency.founder, &late, 0, ROLE_VOLUNTEER, 0);
    put(&agency.rosa, other, "after the end");
    sync_ok(&agency.rosa);
    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 0);
    assert_int_equal(replica_roster(agency.ana.replica)->count, ended);
    assert_int_equal(epoch_of(&agency.ana, agency.chart), 1);
    test_device_close(&late);
}

static void history_is_read_from_one_key_after_many_rotations(void **state)
{
    (void)state;
    put(&agency.ana, visit, "in the first epoch");
    sync_ok(&agency.ana);
    for (uint32_t i = 0; i < 5; i++) {
        let_in(&agency.rosa, BEN, CIRCLE_READ);
        withdraw(&agency.rosa, BEN, LEAVING_RETIRED);
    }
    assert_int_equal(epoch_of(&agency.rosa, agency.chart), 6);
    let_in(&agency.rosa, BEN, CIRCLE_READ);
    sync_ok(&agency.ben);
    assert_reads(&agency.ben, visit, "in the first epoch");
    assert_in_step(&agency.ben);
    assert_int_equal(replica_withdraw(agency.ben.replica, agency.chart, BEN, LEAVING_RETIRED),
                     KITH_NOT_ALLOWED);
}

static void who_had_not_heard_of_a_rotation_loses_nothing(void **state)
{
    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.rosa);
    withdraw(&agency.rosa, BEN, LEAVING_RETIRED);
    put(&agency.ana, visit, "under the old key"); /* offline meanwhile */
    struct link_result result = link_sync(&agency.hub, &agency.ana);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.acknowledged, 1);
    assert_int_equal(result.refused, 0);
    put(&agency.ana, other, "under the new key");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "under the old key");
    assert_reads(&agency.rosa, other, "under the new key");
}

/* Puts another box in place of the one that the hub has for a device. */
static void spoil_box(uint32_t epoch, uint32_t device)
{
    struct store_txn txn = store_begin(agency.hub.ledger->store, STORE_WRITE);
    uint8_t box[BOX_BYTES] = {1};

    hub_box_put(&txn, hub_circle_number(&txn, agency.chart), epoch, device,
                bytes_of(box, sizeof box));
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static void a_wrong_box_heals_by_another_members(void **state)
{
    (void)state;
    put(&agency.ana, visit, "walked to the clinic");
    sync_ok(&agency.ana);
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    spoil_box(1, BEN);
    sync_ok(&agency.ben); /* a volunteer says that it lacks the key */
    assert_reads(&agency.ben, visit, "");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ben);
    assert_reads(&agency.ben, visit, "walked to the clinic");
    assert_int_equal(epoch_of(&agency.ben, agency.chart), 1);
    put(&agency.ben, other, "by ben");
    sync_ok(&agency.ben);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, other, "by ben");
}

static void a_wrong_box_heals_by_a_rotation_of_who_may(void **state)
{
    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.rosa);
    sync_ok(&agency.ben);
    withdraw(&agency.rosa, BEN, LEAVING_RETIRED);
    spoil_box(2, ANA);
    sync_ok(&agency.ana);
    assert_int_equal(epoch_of(&agency.ana, agency.chart), 3);
    put(&agency.ana, visit, "walked to the clinic");
    sync_ok(&agency.ana);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "walked to the clinic");
    put(&agency.rosa, visit, "seen");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, visit, "seen");
    /* What lies between: ana never had the second key, but whoever is let in reads all. */
    let_in(&agency.rosa, BEN, CIRCLE_READ);
    sync_ok(&agency.ben);
    assert_reads(&agency.ben, visit, "seen");
}

static uint32_t epoch_of_own(struct test_device *device, uint64_t n)
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct log_row row = {0};

    assert_true(device_log_get(&txn, device_circle_number(&txn, agency.chart), CHAIN_OWN, n, &row));
    assert_int_equal(store_commit(&txn), KITH_OK);
    return row.change.epoch;
}

/* The hub tells of the end and hides the rest: rosa hears of it, and no rotation follows. */
static void hear_of_the_end(struct test_device *device)
{
    struct applied applied;
    struct sending sending;
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION};
    struct buffer frames;
    struct bytes entry;
    uint32_t seq = replica_roster(device->replica)->count;

    ledger_incarnation(agency.hub.ledger, welcome.incarnation);
    sending_init(&sending, LINK_NOW_MS / 1000);
    buffer_init(&frames, BATCH_MAX);
    struct store_txn txn = store_begin(agency.hub.ledger->store, STORE_READ);
    while (hub_roster_get(&txn, ++seq, &entry))
        roster_frame_write(&frames, seq, &entry, 1);
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_int_equal(replica_apply(device->replica, &sending, &welcome, buffer_view(&frames),
                                   LINK_NOW_MS, &applied),
                     KITH_OK);
    buffer_clear(&frames);
    sending_clear(&sending);
}

static void nothing_is_sealed_under_a_key_that_somebody_outside_has(void **state)
{
    (void)state;
    put(&agency.rosa, other, "while all was well");
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    hear_of_the_end(&agency.rosa);
    assert_int_equal(rotations_owed(&agency.rosa, agency.chart), 1);
    put(&agency.rosa, visit, "saved all the same");
    put(&agency.rosa, visit, "and changed");
    assert_reads(&agency.rosa, visit, "and changed");
    assert_int_equal(epoch_of_own(&agency.rosa, 1), 1);
    assert_int_equal(epoch_of_own(&agency.rosa, 2), 0);
    assert_int_equal(epoch_of_own(&agency.rosa, 3), 0);
    test_device_reopen(&agency.rosa);
    struct link_result result = link_sync(&agency.hub, &agency.rosa);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.acknowledged, 3);
    assert_int_equal(epoch_of_own(&agency.rosa, 2), 2);
    assert_int_equal(epoch_of_own(&agency.rosa, 3), 2);
    assert_reads(&agency.rosa, visit, "and changed");
    sync_ok(&agency.founder);
    assert_reads(&agency.founder, visit, "and changed");
    assert_reads(&agency.founder, other, "while all was well");
    assert_in_step(&agency.rosa);
}

static void what_waits_for_a_key_is_not_lost_when_its_author_leaves(void **state)
{
    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.ben);
    sync_ok(&agency.rosa);
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    hear_of_the_end(&agency.ben);
    put(&agency.ben, visit, "saved while a key was due");
    sync_ok(&agency.rosa);
    withdraw(&agency.rosa, BEN, LEAVING_RETIRED);
    sync_ok(&agency.ben);
    assert_int_equal(hub_held(), 1);
    assert_int_equal(purge(&agency.ben).circles, 1);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "saved while a key was due");
}

static void what_waits_for_a_key_is_not_lost_when_its_author_goes_by_themselves(void **state)
{
    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.ben);
    put(&agency.ana, other, "sealed");
    link_end(&agency.hub, &agency.ben, BEN, LEAVING_REVOKED);
    hear_of_the_end(&agency.ana);
    put(&agency.ana, visit, "saved while a key was due");
    withdraw(&agency.ana, ANA, LEAVING_TRANSFERRED);
    sync_ok(&agency.ana);
    sync_ok(&agency.ana);
    assert_int_equal(purge(&agency.ana).circles, 1);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, other, "sealed");
    assert_reads(&agency.rosa, visit, "saved while a key was due");
}

static void what_waits_for_a_key_is_not_lost_when_its_device_is_ended(void **state)
{
    (void)state;
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.ben);
    sync_ok(&agency.rosa);
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    hear_of_the_end(&agency.ben);
    put(&agency.ben, visit, "saved while a key was due");
    link_end(&agency.hub, &agency.founder, BEN, LEAVING_RETIRED);
    sync_ok(&agency.ben);
    assert_int_equal(hub_held(), 1);
    assert_true(purge(&agency.ben).is_device);
    sync_ok(&agency.rosa);
    struct held_change held = only_held(&agency.rosa);
    assert_int_equal(replica_admit(agency.rosa.replica, &held), KITH_OK);
    sync_ok(&agency.rosa);
    sync_ok(&agency.rosa);
    assert_reads(&agency.rosa, visit, "saved while a key was due");
}

static void a_device_makes_the_hub_hold_no_more_than_its_share(void **state)
{
    const struct held_sum full = {.count = HELD_CHANGES_MAX - 1};
    struct refused_row refused = {0};

    (void)state;
    put(&agency.ana, visit, "one");
    put(&agency.ana, visit, "two");
    put(&agency.ana, visit, "three");
    withdraw(&agency.rosa, ANA, LEAVING_REVOKED);
    struct store_txn txn = store_begin(agency.hub.ledger->store, STORE_WRITE);
    hub_held_sum_put(&txn, ANA, &full);
    assert_int_equal(store_commit(&txn), KITH_OK);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 1);
    txn = store_begin(replica_store(agency.ana.replica), STORE_READ);
    struct store_walk walk = device_refusals(&txn, 0);
    assert_true(device_refused_next(&walk, &refused));
    assert_int_equal(refused.reason, KITH_HELD);
    assert_true(device_refused_next(&walk, &refused));
    assert_int_equal(refused.reason, KITH_HELD_FULL);
    store_walk_end(&walk);
    assert_int_equal(store_commit(&txn), KITH_OK);
    /* Not purged: the hub does not have it all. */
    assert_int_equal(purge(&agency.ana).pending, 1);
    assert_reads(&agency.ana, visit, "three");
    /* Until somebody has decided: then there is room. */
    txn = store_begin(agency.hub.ledger->store, STORE_WRITE);
    hub_held_sum_put(&txn, ANA, &(struct held_sum){.count = 1});
    assert_int_equal(store_commit(&txn), KITH_OK);
    sync_ok(&agency.ana);
    assert_int_equal(hub_held(), 3);
    assert_int_equal(purge(&agency.ana).circles, 1);
    struct replica_counts counts;
    assert_int_equal(replica_counts(agency.ana.replica, &counts), KITH_OK);
    assert_int_equal(counts.refused, 2); /* once for each run that was held */
    assert_int_equal(counts.kept, 3);
    assert_int_equal(counts.unsent, 0);
}

/* A revoked device with a store of its own making: it writes on, backdates, grants, rotates. */
static void a_revoked_device_cannot_write_itself_back(void **state)
{
    struct circle_member self = {ANA, CIRCLE_WRITE};

    (void)state;
    withdraw(&agency.rosa, ANA, LEAVING_REVOKED);
    /* Not having heard of it, it lets somebody in and goes on writing. */
    let_in(&agency.ana, BEN, CIRCLE_WRITE);
    sync_ok(&agency.ben);
    assert_false(has_any_key(&agency.ben, agency.chart));
    put(&agency.rosa, other, "after");
    sync_ok(&agency.rosa);
    sync_ok(&agency.ana);
    assert_reads(&agency.ana, other, "");
    assert_int_equal(replica_grant(agency.ana.replica, agency.chart, &self), KITH_NOT_MEMBER);
    assert_int_equal(replica_withdraw(agency.ana.replica, agency.chart, ROSA, LEAVING_REVOKED),
                     KITH_NOT_MEMBER);
    uint8_t number[] = {1};
    const struct edit edit = {
        .record = {9}, .type = NOTE, .field = 1, .kind = OP_PUT, .value = bytes_of(number, 1)};
    struct save save = {
        .class = CHANGE_NORMAL, .edits = &edit, .edit_count = 1, .now_ms = LINK_NOW_MS};
    struct dot dot;
    memcpy(save.circle, agency.chart, ID_BYTES);
    assert_int_equal(replica_save(agency.ana.replica, &save, &dot), KITH_NOT_MEMBER);
}

static double cpu_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* In under ten seconds of processor time, both sides together. */
static void a_device_in_fifteen_hundred_charts_is_rotated_away_in_one_sync(void **state)
{
    uint8_t chart[ID_BYTES];
    struct replica_counts counts;

    (void)state;
    for (uint32_t i = 0; i < 1500; i++)
        link_chart(&agency.ana, "Maria Lopez", chart);
    sync_ok(&agency.ana);
    sync_ok(&agency.founder);
    double before = cpu_seconds();
    link_end(&agency.hub, &agency.founder, ANA, LEAVING_REVOKED);
    sync_ok(&agency.founder);
    assert_true(cpu_seconds() - before < 10);
    struct store_txn txn = store_begin(replica_store(agency.founder.replica), STORE_READ);
    for (uint32_t number = 1; number <= device_circle_count(&txn); number++) {
        struct circle_row row;
        device_circle_get(&txn, number, &row);
        assert_int_equal(row.circle.epoch, 2);
        assert_int_equal(circle_rotation_owed(&row.circle, replica_roster(agency.founder.replica)),
                         0);
        circle_clear(&row.circle);
        store_forget(&txn);
    }
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_int_equal(replica_counts(agency.founder.replica, &counts), KITH_OK);
    assert_int_equal(counts.circles, 1502);
}

#define WITH_AGENCY(test) cmocka_unit_test_setup_teardown(test, agency_open, agency_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AGENCY(whoever_is_taken_out_delivers_is_told_and_keeps_nothing_readable),
        WITH_AGENCY(nothing_is_purged_before_the_hub_has_it),
        WITH_AGENCY(what_is_held_is_shown_to_who_decides_and_admitted),
        WITH_AGENCY(a_rejection_stays_out_and_can_be_taken_back),
        WITH_AGENCY(what_was_rejected_is_found_by_who_decides_later),
        WITH_AGENCY(what_came_too_late_to_be_taken_counts_for_nobody),
        WITH_AGENCY(what_is_held_before_its_device_is_cut_waits_for_a_decision_too),
        WITH_AGENCY(what_is_taken_after_all_is_held_no_longer),
        WITH_AGENCY(of_two_wishes_about_one_person_the_larger_comes_true),
        WITH_AGENCY(who_comes_back_as_a_reader_reads_what_everybody_reads),
        WITH_AGENCY(who_may_not_decide_is_shown_nothing_and_decides_nothing),
        WITH_AGENCY(what_was_handed_over_is_taken_as_it_comes),
        WITH_AGENCY(what_was_handed_over_is_held_once_its_device_is_lost),
        WITH_AGENCY(who_comes_back_finds_everything_and_everybody_finds_theirs),
        WITH_AGENCY(a_new_laptop_reads_what_was_before_its_person_left_and_came_back),
        WITH_AGENCY(a_wish_goes_with_the_circle_it_was_about),
        WITH_AGENCY(who_comes_back_before_having_heard_of_it_loses_nothing),
        WITH_AGENCY(a_revoked_device_is_rotated_away_with_nobody_asking),
        WITH_AGENCY(a_chart_made_on_a_device_that_was_ended_is_not_lost),
        WITH_AGENCY(a_chart_is_delivered_though_the_answer_was_lost_and_others_went_on),
        WITH_AGENCY(an_ended_device_is_shown_no_more_than_its_end),
        WITH_AGENCY(history_is_read_from_one_key_after_many_rotations),
        WITH_AGENCY(who_had_not_heard_of_a_rotation_loses_nothing),
        WITH_AGENCY(a_wrong_box_heals_by_another_members),
        WITH_AGENCY(a_wrong_box_heals_by_a_rotation_of_who_may),
        WITH_AGENCY(nothing_is_sealed_under_a_key_that_somebody_outside_has),
        WITH_AGENCY(what_waits_for_a_key_is_not_lost_when_its_author_leaves),
        WITH_AGENCY(what_waits_for_a_key_is_not_lost_when_its_author_goes_by_themselves),
        WITH_AGENCY(what_waits_for_a_key_is_not_lost_when_its_device_is_ended),
        WITH_AGENCY(a_device_makes_the_hub_hold_no_more_than_its_share),
        WITH_AGENCY(a_revoked_device_cannot_write_itself_back),
        WITH_AGENCY(a_device_in_fifteen_hundred_charts_is_rotated_away_in_one_sync),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
