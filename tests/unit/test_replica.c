/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "link.h"

enum { VISIT = 6, NOTE = 7, PURPOSE = 4, PHONE = 8 };

struct agency {
    struct test_hub hub;
    struct test_device founder;
    struct test_device ana; /* specialist, supervised by rosa */
    struct test_device rosa;
    uint8_t chart[ID_BYTES];
};

static int agency_open(void **state)
{
    static struct agency agency;

    test_hub_open(&agency.hub);
    test_device_open(&agency.founder);
    test_device_open(&agency.rosa);
    test_device_open(&agency.ana);
    link_found(&agency.hub, &agency.founder);
    link_join(&agency.hub, &agency.founder, &agency.rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&agency.hub, &agency.founder, &agency.ana, 0, ROLE_SPECIALIST, 2);
    link_chart(&agency.ana, "Maria Lopez", agency.chart);
    *state = &agency;
    return 0;
}

static int agency_close(void **state)
{
    struct agency *agency = *state;

    test_device_close(&agency->ana);
    test_device_close(&agency->rosa);
    test_device_close(&agency->founder);
    test_hub_close(&agency->hub);
    return 0;
}

static void a_visit_recorded_offline_reaches_the_supervisor(void **state)
{
    struct agency *agency = *state;
    uint8_t visit[ID_BYTES] = {7};

    (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE,
                   "We walked to the clinic together");
    struct link_result sent = link_sync(&agency->hub, &agency->ana);
    assert_int_equal(sent.device_err, KITH_OK);
    assert_int_equal(sent.acknowledged, 2);
    assert_int_equal(sent.round_trips, 1);
    struct link_result got = link_sync(&agency->hub, &agency->rosa);
    assert_int_equal(got.device_err, KITH_OK);
    assert_int_equal(got.received, 2);
    assert_string_equal(link_read(&agency->rosa, agency->chart, visit, NOTE, PURPOSE),
                        "We walked to the clinic together");
    assert_string_equal(link_read(&agency->rosa, agency->chart, agency->chart, 3, 1),
                        "Maria Lopez");
}

static void a_sync_with_nothing_new_is_one_round_trip_of_few_bytes(void **state)
{
    struct agency *agency = *state;

    (void)link_sync(&agency->hub, &agency->ana);
    struct link_result again = link_sync(&agency->hub, &agency->ana);
    assert_int_equal(again.device_err, KITH_OK);
    assert_int_equal(again.round_trips, 1);
    assert_int_equal(again.received + again.acknowledged, 0);
    print_message("nothing new: %u bytes out, %u bytes in\n", (unsigned)again.bytes_out,
                  (unsigned)again.bytes_in);
    assert_in_range(again.bytes_out + again.bytes_in, 100, 400);
}

static void concurrent_narratives_are_both_kept_until_settled(void **state)
{
    struct agency *agency = *state;
    uint8_t visit[ID_BYTES] = {7};

    (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, "first");
    (void)link_sync(&agency->hub, &agency->ana);
    (void)link_sync(&agency->hub, &agency->rosa);
    (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, "by ana");
    (void)link_put(&agency->rosa, agency->chart, visit, NOTE, PURPOSE, "by rosa");
    (void)link_sync(&agency->hub, &agency->ana);
    (void)link_sync(&agency->hub, &agency->rosa);
    (void)link_sync(&agency->hub, &agency->ana);
    assert_string_equal(link_read(&agency->ana, agency->chart, visit, NOTE, PURPOSE),
                        "by ana|by rosa");
    assert_string_equal(link_read(&agency->rosa, agency->chart, visit, NOTE, PURPOSE),
                        "by ana|by rosa");
    (void)link_put(&agency->rosa, agency->chart, visit, NOTE, PURPOSE, "settled");
    (void)link_sync(&agency->hub, &agency->rosa);
    (void)link_sync(&agency->hub, &agency->ana);
    assert_string_equal(link_read(&agency->ana, agency->chart, visit, NOTE, PURPOSE), "settled");
}

static void a_device_joining_later_reads_what_was_written_before(void **state)
{
    struct agency *agency = *state;
    struct test_device second;
    uint8_t visit[ID_BYTES] = {7};

    (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, "before");
    (void)link_sync(&agency->hub, &agency->ana);
    test_device_open(&second);
    link_join(&agency->hub, &agency->ana, &second, 3, ROLE_SPECIALIST, 2);
    (void)link_sync(&agency->hub, &agency->ana); /* pays what the chart is owed */
    assert_int_equal(link_sync(&agency->hub, &second).device_err, KITH_OK);
    assert_string_equal(link_read(&second, agency->chart, visit, NOTE, PURPOSE), "before");
    test_device_close(&second);
}

static void a_granted_person_reads_and_one_who_is_not_does_not(void **state)
{
    struct agency *agency = *state;
    struct test_device omar;
    uint8_t visit[ID_BYTES] = {7};

    test_device_open(&omar);
    link_join(&agency->hub, &agency->founder, &omar, 0, ROLE_SPECIALIST, 0);
    (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, "shared");
    (void)link_sync(&agency->hub, &agency->ana);
    (void)link_sync(&agency->hub, &omar);
    assert_string_equal(link_read(&omar, agency->chart, visit, NOTE, PURPOSE), "");
    const struct circle_member member = {.person = replica_person(omar.replica),
                                         .right = CIRCLE_WRITE};
    assert_int_equal(replica_grant(agency->ana.replica, agency->chart, &member), KITH_OK);
    assert_int_equal(link_sync(&agency->hub, &agency->ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&agency->hub, &omar).device_err, KITH_OK);
    assert_string_equal(link_read(&omar, agency->chart, visit, NOTE, PURPOSE), "shared");
    test_device_close(&omar);
}

/* However a connection is cut, in either direction: what was acknowledged is there, the rest goes
 * up later, nothing twice. */
static void a_cut_at_any_byte_loses_nothing(void **state)
{
    struct agency *agency = *state;
    uint8_t visit[ID_BYTES] = {7};
    char text[32];
    struct ledger_stats before;
    struct ledger_stats after;

    (void)link_sync(&agency->hub, &agency->ana);
    assert_int_equal(ledger_stats(agency->hub.ledger, &before), KITH_OK);
    unsigned saves = 0;
    for (size_t cut = 1; cut < 1200; cut += 37) {
        const struct link_faults out = {.cut_after_out = cut};
        const struct link_faults in = {.cut_after_in = cut};
        (void)snprintf(text, sizeof text, "save %u", ++saves);
        (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, text);
        (void)link_connect(&agency->hub, &agency->ana, CHANNEL_SYNC, NULL, NULL,
                           cut % 2 ? &out : &in);
        test_device_reopen(&agency->ana);
    }
    assert_int_equal(link_sync(&agency->hub, &agency->ana).device_err, KITH_OK);
    assert_int_equal(ledger_stats(agency->hub.ledger, &after), KITH_OK);
    assert_int_equal(after.changes - before.changes, saves);
    (void)link_sync(&agency->hub, &agency->rosa);
    assert_string_equal(link_read(&agency->rosa, agency->chart, visit, NOTE, PURPOSE), text);
}

static void bytes_may_come_one_at_a_time(void **state)
{
    struct agency *agency = *state;
    const struct link_faults dribble = {.chunk_bytes = 1};

    struct link_result result =
        link_connect(&agency->hub, &agency->ana, CHANNEL_SYNC, NULL, NULL, &dribble);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.acknowledged, 1);
}

static void a_hub_that_starts_again_goes_on_where_it_was(void **state)
{
    struct agency *agency = *state;

    (void)link_sync(&agency->hub, &agency->ana);
    test_hub_reopen(&agency->hub);
    struct link_result again = link_sync(&agency->hub, &agency->ana);
    assert_int_equal(again.device_err, KITH_OK);
    assert_int_equal(again.received, 0);
    assert_int_equal(link_sync(&agency->hub, &agency->rosa).received, 1);
}

/* A first sync larger than one batch comes in several, each stored before the next is credited. */
static void a_long_backlog_arrives_whole(void **state)
{
    struct agency *agency = *state;
    char text[600];

    for (unsigned i = 0; i < 1500; i++) {
        uint8_t visit[ID_BYTES] = {9, (uint8_t)(i >> 8), (uint8_t)i};
        for (size_t k = 0; k < sizeof text - 1; k++)
            text[k] = (char)('a' + randombytes_uniform(26));
        text[sizeof text - 1] = '\0';
        (void)link_put(&agency->ana, agency->chart, visit, NOTE, PURPOSE, text);
    }
    struct link_result sent = link_sync(&agency->hub, &agency->ana);
    assert_int_equal(sent.device_err, KITH_OK);
    assert_int_equal(sent.acknowledged, 1501);
    struct link_result got = link_sync(&agency->hub, &agency->rosa);
    assert_int_equal(got.device_err, KITH_OK);
    assert_int_equal(got.received, 1501);
    assert_int_equal(got.round_trips, 1);
}

/* Others have let a new device in everywhere; the news of it takes several batches. Whoever hears
 * of the device first and of that last does not do it again. */
static void what_others_did_already_is_not_done_again(void **state)
{
    enum { CHARTS = 1500 };
    struct agency *agency = *state;
    struct test_device tablet;
    char name[32];
    uint8_t chart[ID_BYTES];

    for (unsigned i = 0; i < CHARTS; i++) {
        (void)snprintf(name, sizeof name, "Participant %u", i);
        link_chart(&agency->ana, name, chart);
    }
    struct link_result sent = link_sync(&agency->hub, &agency->ana);
    assert_int_equal(sent.device_err, KITH_OK);
    assert_int_equal(sent.acknowledged, CHARTS + 1);
    assert_int_equal(link_sync(&agency->hub, &agency->founder).device_err, KITH_OK);
    assert_int_equal(link_sync(&agency->hub, &agency->rosa).device_err, KITH_OK);
    test_device_open(&tablet);
    link_join(&agency->hub, &agency->rosa, &tablet, replica_person(agency->rosa.replica),
              ROLE_SUPERVISOR, 0);
    assert_int_equal(link_sync(&agency->hub, &agency->rosa).refused, 0);
    struct link_result late = link_sync(&agency->hub, &agency->founder);
    assert_int_equal(late.device_err, KITH_OK);
    assert_int_equal(late.refused, 0);
    test_device_close(&tablet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_visit_recorded_offline_reaches_the_supervisor,
                                        agency_open, agency_close),
        cmocka_unit_test_setup_teardown(a_sync_with_nothing_new_is_one_round_trip_of_few_bytes,
                                        agency_open, agency_close),
        cmocka_unit_test_setup_teardown(concurrent_narratives_are_both_kept_until_settled,
                                        agency_open, agency_close),
        cmocka_unit_test_setup_teardown(a_device_joining_later_reads_what_was_written_before,
                                        agency_open, agency_close),
        cmocka_unit_test_setup_teardown(a_granted_person_reads_and_one_who_is_not_does_not,
                                        agency_open, agency_close),
        cmocka_unit_test_setup_teardown(a_cut_at_any_byte_loses_nothing, agency_open, agency_close),
        cmocka_unit_test_setup_teardown(bytes_may_come_one_at_a_time, agency_open, agency_close),
        cmocka_unit_test_setup_teardown(a_hub_that_starts_again_goes_on_where_it_was, agency_open,
                                        agency_close),
        cmocka_unit_test_setup_teardown(a_long_backlog_arrives_whole, agency_open, agency_close),
        cmocka_unit_test_setup_teardown(what_others_did_already_is_not_done_again, agency_open,
                                        agency_close),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
