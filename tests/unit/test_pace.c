/* SPDX-License-Identifier: Apache-2.0 */
/* When the agent comes, comes again, and stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/agent/pace.h"

static const struct pace_end unreached = {.is_broken = true};

static uint64_t pause_after(struct pace *pace, const struct pace_end *end, uint32_t random)
{
    pace_ended(pace, end, 1000000, random);
    return pace->next_ms - 1000000;
}

static void pauses_double_up_to_a_bound_and_differ(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (uint64_t s = PACE_FIRST_S; s < 4 * PACE_MOST_S; s *= 2) {
        uint64_t whole = s < PACE_MOST_S ? s : PACE_MOST_S;
        struct pace same = pace;
        assert_int_equal(pause_after(&same, &unreached, 0), whole * 500);
        uint64_t longest = pause_after(&pace, &unreached, 1023);
        assert_in_range(longest, whole * 1400, whole * 1500);
    }
}

static void a_good_exchange_ends_the_doubling(void **state)
{
    const struct pace_end good = {.is_reached = true, .is_broken = true, .lived_ms = 600000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (unsigned i = 0; i < 8; i++)
        pace_ended(&pace, &unreached, 0, 0);
    assert_in_range(pause_after(&pace, &good, 512), 1, 1500 * PACE_FIRST_S);
    assert_in_range(pause_after(&pace, &unreached, 512), 1, 1500 * PACE_FIRST_S);
}

static void another_network_is_tried_at_once(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (unsigned i = 0; i < 12; i++)
        pace_ended(&pace, &unreached, 5000, 900);
    assert_true(pace.next_ms > 400000);
    pace_network(&pace, 6000);
    assert_int_equal(pace.next_ms, 6000 + PACE_SETTLE_MS);
}

static void what_the_hub_said_is_kept(void **state)
{
    const struct pace_end told = {.is_broken = true, .retry_s = 60};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (uint32_t random = 0; random < 5000; random += 37)
        assert_in_range(pause_after(&pace, &told, random), 60000, 120000);
    uint64_t next_ms = pace.next_ms;
    pace_network(&pace, 1000001);
    pace_news(&pace, true, 1000002);
    assert_int_equal(pace.next_ms, next_ms);
}

static void where_sessions_break_it_does_not_stay(void **state)
{
    const struct pace_end broken = {.is_reached = true, .is_broken = true, .lived_ms = 9000};
    const struct pace_end visit = {.is_reached = true, .lived_ms = 2000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    for (unsigned i = 0; i < PACE_SHORT_MOST; i++) {
        assert_true(pace_may_stay(&pace));
        (void)pause_after(&pace, &broken, 0);
    }
    assert_false(pace_may_stay(&pace));
    for (unsigned i = 0; i < PACE_VISITS; i++) {
        assert_false(pace_may_stay(&pace));
        assert_in_range(pause_after(&pace, &visit, 512), PACE_VISIT_S * 500, PACE_VISIT_S * 1500);
    }
    assert_true(pace_may_stay(&pace));
}

static void a_metered_link_carries_what_is_urgent_at_once_and_the_rest_later(void **state)
{
    const struct pace_end visit = {.is_reached = true, .lived_ms = 2000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_link(&pace, true, 0);
    assert_false(pace_may_stay(&pace));
    assert_in_range(pause_after(&pace, &visit, 100), PACE_METERED_S * 500, PACE_METERED_S * 1500);
    uint64_t next_ms = pace.next_ms;
    pace_news(&pace, false, 1000500);
    assert_int_equal(pace.next_ms, next_ms);
    pace_news(&pace, true, 1000500);
    assert_int_equal(pace.next_ms, 1000500);
}

static void a_link_that_is_metered_no_more_is_used_at_once(void **state)
{
    const struct pace_end visit = {.is_reached = true, .lived_ms = 2000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_link(&pace, true, 0);
    (void)pause_after(&pace, &visit, 100);
    uint64_t next_ms = pace.next_ms;
    pace_link(&pace, true, 1000500);
    assert_int_equal(pace.next_ms, next_ms);
    pace_link(&pace, false, 1000500);
    assert_int_equal(pace.next_ms, 1000500);
    assert_true(pace_may_stay(&pace));
}

static void news_go_at_once_but_do_not_hammer_a_hub_that_is_gone(void **state)
{
    const struct pace_end visit = {.is_reached = true, .lived_ms = 2000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace.shorts = PACE_SHORT_MOST;
    (void)pause_after(&pace, &visit, 0);
    pace_news(&pace, false, 1000700);
    assert_int_equal(pace.next_ms, 1000700);
    pace_ended(&pace, &unreached, 1000800, 0);
    uint64_t next_ms = pace.next_ms;
    pace_news(&pace, false, 1000801);
    assert_int_equal(pace.next_ms, next_ms);
}

static void the_keep_alive_time_fits_the_link(void **state)
{
    const struct pace_end dead = {
        .is_reached = true, .is_broken = true, .was_silent = true, .lived_ms = 200000};
    const struct pace_end old = {.is_reached = true, .is_broken = true, .lived_ms = 40000000};
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    assert_int_equal(pace.keep_alive_s, PACE_KEEP_S);
    for (unsigned i = 0; i < 5; i++)
        pace_ended(&pace, &dead, 0, 0);
    assert_int_equal(pace.keep_alive_s, PACE_KEEP_LEAST_S);
    for (unsigned i = 0; i < 9; i++)
        pace_ended(&pace, &old, 0, 0);
    assert_int_equal(pace.keep_alive_s, PACE_KEEP_MOST_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_a_bound_and_differ),
        cmocka_unit_test(a_good_exchange_ends_the_doubling),
        cmocka_unit_test(another_network_is_tried_at_once),
        cmocka_unit_test(what_the_hub_said_is_kept),
        cmocka_unit_test(where_sessions_break_it_does_not_stay),
        cmocka_unit_test(a_metered_link_carries_what_is_urgent_at_once_and_the_rest_later),
        cmocka_unit_test(a_link_that_is_metered_no_more_is_used_at_once),
        cmocka_unit_test(news_go_at_once_but_do_not_hammer_a_hub_that_is_gone),
        cmocka_unit_test(the_keep_alive_time_fits_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
