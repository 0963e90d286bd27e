/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and times as people type them, in zones with and without summer time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "client/moment.h"
#include "make.h"

#define UTC          "UTC0"
#define NEW_YORK     "EST5EDT,M3.2.0,M11.1.0"
#define KOLKATA      "IST-5:30"
#define NEWFOUNDLAND "NST3:30NDT,M3.2.0,M11.1.0"

/* 2026-03-02 12:00 UTC */
#define MARCH_2_NOON 1772452800000u

static void set_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static int zone_restore(void **state)
{
    (void)state;
    (void)unsetenv("TZ");
    tzset();
    return 0;
}

static void a_date_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        const char *date; /* NULL: refused */
    } rows[] = {
        {"2026-03-02", "2026-03-02"},
        {"today", "2026-03-02"},
        {"yesterday", "2026-03-01"},
        {"1880-01-01", "1880-01-01"},
        {"9999-12-31", "9999-12-31"},
        {"2024-02-29", "2024-02-29"},
        {"2000-02-29", "2000-02-29"},
        {"2400-02-29", "2400-02-29"},
        {"2026-01-31", "2026-01-31"},
        {"2026-02-29", NULL},
        {"1900-02-29", NULL},
        {"2100-02-29", NULL},
        {"2024-02-30", NULL},
        {"2026-04-31", NULL},
        {"2026-06-31", NULL},
        {"2026-09-31", NULL},
        {"2026-11-31", NULL},
        {"2026-12-32", NULL},
        {"2026-00-10", NULL},
        {"2026-13-10", NULL},
        {"2026-10-00", NULL},
        {"1879-12-31", NULL},
        {"0000-01-01", NULL},
        {"", NULL},
        {" ", NULL},
        {"2026", NULL},
        {"2026-03", NULL},
        {"2026-3-2", NULL},
        {"26-03-02", NULL},
        {"2026/03/02", NULL},
        {"2026-03-02 ", NULL},
        {" 2026-03-02", NULL},
        {"2026-03-02T14:05", NULL},
        {"-026-03-02", NULL},
        {"+026-03-02", NULL},
        {"2026-0x-02", NULL},
        {"Today", NULL},
        {"todays", NULL},
        {"yesterdayx", NULL},
        {"tomorrow", NULL},
        {"02.03.2026", NULL},
    };

    (void)state;
    set_zone(UTC);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[MOMENT_TEXT_MAX];
        assert_int_equal(moment_read_date(rows[i].text, MARCH_2_NOON, out), rows[i].date != NULL);
        if (rows[i].date)
            assert_string_equal(out, rows[i].date);
    }
}

static void a_time_is_read_with_its_offset_or_refused(void **state)
{
    static const struct {
        const char *zone;
        const char *text;
        const char *time; /* NULL: refused */
    } rows[] = {
        {UTC, "14:05", "2026-03-02T14:05+00:00"},
        {UTC, "00:00", "2026-03-02T00:00+00:00"},
        {UTC, "23:59", "2026-03-02T23:59+00:00"},
        {UTC, "14:05:59", "2026-03-02T14:05+00:00"},
        {UTC, "today 14:05", "2026-03-02T14:05+00:00"},
        {UTC, "yesterday 14:05", "2026-03-01T14:05+00:00"},
        {UTC, "2026-03-02 14:05", "2026-03-02T14:05+00:00"},
        {UTC, "2026-03-02T14:05", "2026-03-02T14:05+00:00"},
        {UTC, "2026-03-02T14:05Z", "2026-03-02T14:05+00:00"},
        {UTC, "2026-03-02T14:05-05:00", "2026-03-02T14:05-05:00"},
        {UTC, "2026-03-02T14:05-0500", "2026-03-02T14:05-05:00"},
        {UTC, "2026-03-02T14:05+05:30", "2026-03-02T14:05+05:30"},
        {UTC, "2026-03-02T14:05-00:30", "2026-03-02T14:05-00:30"},
        {UTC, "2026-03-02T14:05+14:00", "2026-03-02T14:05+14:00"},
        {UTC, "14:05-05:00", "2026-03-02T14:05-05:00"},
        {UTC, "2024-02-29 08:00", "2024-02-29T08:00+00:00"},
        {NEW_YORK, "14:05", "2026-03-02T14:05-05:00"},
        {NEW_YORK, "2026-07-01 14:05", "2026-07-01T14:05-04:00"},
        {NEW_YORK, "2026-01-15 14:05", "2026-01-15T14:05-05:00"},
        {NEW_YORK, "2026-03-08 01:59", "2026-03-08T01:59-05:00"},
        {NEW_YORK, "2026-03-08 03:00", "2026-03-08T03:00-04:00"},
        {NEW_YORK, "2026-11-01 00:59", "2026-11-01T00:59-04:00"},
        {NEW_YORK, "2026-11-01 02:00", "2026-11-01T02:00-05:00"},
        {NEW_YORK, "2026-07-01T14:05Z", "2026-07-01T14:05+00:00"},
        {KOLKATA, "14:05", "2026-03-02T14:05+05:30"},
        {NEWFOUNDLAND, "14:05", "2026-03-02T14:05-03:30"},
        {NEWFOUNDLAND, "2026-07-01 14:05", "2026-07-01T14:05-02:30"},
        {UTC, "", NULL},
        {UTC, "1", NULL},
        {UTC, "14", NULL},
        {UTC, "14:", NULL},
        {UTC, "14:5", NULL},
        {UTC, "9:05", NULL},
        {UTC, "24:00", NULL},
        {UTC, "14:60", NULL},
        {UTC, "14:05:60", NULL},
        {UTC, "14:05:", NULL},
        {UTC, "14:05 ", NULL},
        {UTC, "14:05pm", NULL},
        {UTC, "2:05 pm", NULL},
        {UTC, "today", NULL},
        {UTC, "today14:05", NULL},
        {UTC, "yesterday  14:05", NULL},
        {UTC, "2026-03-02", NULL},
        {UTC, "2026-03-02t14:05", NULL},
        {UTC, "2026-02-29 14:05", NULL},
        {UTC, "2026-03-02T14:05+", NULL},
        {UTC, "2026-03-02T14:05+05", NULL},
        {UTC, "2026-03-02T14:05+05:3", NULL},
        {UTC, "2026-03-02T14:05+05:60", NULL},
        {UTC, "2026-03-02T14:05+15:00", NULL},
        {UTC, "2026-03-02T14:05+14:01", NULL},
        {UTC, "2026-03-02T14:05-05:00x", NULL},
        {UTC, "2026-03-02T14:05ZZ", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[MOMENT_TEXT_MAX];
        set_zone(rows[i].zone);
        bool is_read = moment_read_time(rows[i].text, MARCH_2_NOON, out);
        if (is_read != (rows[i].time != NULL))
            fail_msg("'%s' in %s", rows[i].text, rows[i].zone);
        if (rows[i].time)
            assert_string_equal(out, rows[i].time);
    }
}

/* Days of 23 and 25 hours, turns of month and year, and zones in which it is another day than in
 * UTC. */
static void today_and_yesterday_are_days_of_the_calendar_here(void **state)
{
    static const struct {
        const char *zone;
        uint64_t now_s;
        const char *today;
        const char *yesterday;
    } rows[] = {
        {UTC, 1772409599, "2026-03-01", "2026-02-28"},
        {UTC, 1772409600, "2026-03-02", "2026-03-01"},
        {UTC, 1767225600, "2026-01-01", "2025-12-31"},
        {UTC, 1709251200, "2024-03-01", "2024-02-29"},
        {NEW_YORK, 1767225600, "2025-12-31", "2025-12-30"},
        {KOLKATA, 1767205800, "2026-01-01", "2025-12-31"},
        {KOLKATA, 1767205799, "2025-12-31", "2025-12-30"},
        /* 8 March 2026 has 23 hours in New York: 9 March, 00:30 EDT. */
        {NEW_YORK, 1773030600, "2026-03-09", "2026-03-08"},
        /* 1 November 2026 has 25: 23:30 EST. */
        {NEW_YORK, 1793593800, "2026-11-01", "2026-10-31"},
        {NEW_YORK, 1793597400, "2026-11-02", "2026-11-01"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[MOMENT_TEXT_MAX];
        set_zone(rows[i].zone);
        assert_true(moment_read_date("today", rows[i].now_s * 1000, out));
        assert_string_equal(out, rows[i].today);
        assert_true(moment_read_date("yesterday", rows[i].now_s * 1000, out));
        assert_string_equal(out, rows[i].yesterday);
    }
}

static void yesterday_has_the_offset_that_held_then(void **state)
{
    char out[MOMENT_TEXT_MAX];

    (void)state;
    set_zone(NEW_YORK);
    assert_true(moment_read_time("yesterday 23:00", 1773030600000u, out));
    assert_string_equal(out, "2026-03-08T23:00-04:00");
    assert_true(moment_read_time("yesterday 01:00", 1773030600000u, out));
    assert_string_equal(out, "2026-03-08T01:00-05:00");
}

static void what_was_read_is_read_again_as_itself(void **state)
{
    static const char *const times[] = {"14:05", "yesterday 00:00", "2026-07-01 23:59",
                                        "2026-03-02T14:05-09:30"};
    char once[MOMENT_TEXT_MAX];
    char twice[MOMENT_TEXT_MAX];

    (void)state;
    set_zone(NEWFOUNDLAND);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        assert_true(moment_read_time(times[i], MARCH_2_NOON, once));
        set_zone(KOLKATA);
        assert_true(moment_read_time(once, MARCH_2_NOON, twice));
        assert_string_equal(once, twice);
        set_zone(NEWFOUNDLAND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_date_is_read_or_refused, zone_restore),
        cmocka_unit_test_teardown(a_time_is_read_with_its_offset_or_refused, zone_restore),
        cmocka_unit_test_teardown(today_and_yesterday_are_days_of_the_calendar_here, zone_restore),
        cmocka_unit_test_teardown(yesterday_has_the_offset_that_held_then, zone_restore),
        cmocka_unit_test_teardown(what_was_read_is_read_again_as_itself, zone_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
