/* SPDX-License-Identifier: Apache-2.0 */
/* The clock: stamps go up while the wall clock is near, and nobody follows a stamp that is far
 * ahead of it, not even its own device. */
#include "protocol/hlc.h"

#include "tests/unit/make.h"

#define NOW_MS     UINT64_C(1700000000000)
#define YEAR_MS    (UINT64_C(365) * 24 * 3600 * 1000)
#define STAMP(ms)  ((ms) << 16)
#define MS_48_BITS UINT64_C(0xFFFFFFFFFFFF)

static void a_stamp_shows_its_time(void **state)
{
    (void)state;
    assert_int_equal(hlc_ms(hlc_tick(0, NOW_MS)), NOW_MS);
    assert_int_equal(hlc_tick(0, NOW_MS), STAMP(NOW_MS));
    assert_int_equal(hlc_tick(0, 0), 1);
    assert_int_equal(hlc_ms(UINT64_MAX), MS_48_BITS);
}

static void stamps_go_up_while_the_wall_clock_is_near(void **state)
{
    static const uint64_t clocks[] = {
        NOW_MS,
        NOW_MS,
        NOW_MS + 1,
        NOW_MS - 1,
        NOW_MS - 60000,
        NOW_MS + 20000,
        NOW_MS + 20000 - HLC_AHEAD_MAX_MS,
        NOW_MS + YEAR_MS,
        NOW_MS + YEAR_MS,
        MS_48_BITS,
        UINT64_MAX,
        MS_48_BITS + 1,
    };
    uint64_t last = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        uint64_t stamp = hlc_tick(last, clocks[i]);
        assert_true(stamp > last);
        last = stamp;
    }
}

static void a_clock_set_right_gives_right_stamps_again(void **state)
{
    uint64_t ahead = hlc_tick(0, NOW_MS + 10 * YEAR_MS);

    (void)state;
    assert_int_equal(hlc_tick(ahead, NOW_MS), STAMP(NOW_MS));
    assert_int_equal(hlc_tick(STAMP(NOW_MS + HLC_AHEAD_MAX_MS), NOW_MS),
                     STAMP(NOW_MS + HLC_AHEAD_MAX_MS) + 1);
    assert_int_equal(hlc_tick(STAMP(NOW_MS + HLC_AHEAD_MAX_MS + 1), NOW_MS), STAMP(NOW_MS));
    assert_int_equal(hlc_tick(UINT64_MAX, NOW_MS), STAMP(NOW_MS));
}

static void a_frozen_clock_counts_and_runs_over_into_time(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (uint64_t i = 0; i < 70000; i++) {
        uint64_t stamp = hlc_tick(last, NOW_MS);
        assert_int_equal(stamp, STAMP(NOW_MS) + i);
        last = stamp;
    }
    assert_int_equal(hlc_ms(last), NOW_MS + 1);
}

static void a_stamp_that_was_seen_is_followed_unless_it_is_far_ahead(void **state)
{
    static const struct {
        uint64_t last_ms;
        uint64_t seen_ms;
        uint64_t now_ms;
        uint64_t after_ms;
    } merges[] = {
        {NOW_MS, NOW_MS - 1, NOW_MS, NOW_MS},
        {NOW_MS, NOW_MS, NOW_MS, NOW_MS},
        {NOW_MS, NOW_MS + 1, NOW_MS, NOW_MS + 1},
        {0, NOW_MS - YEAR_MS, NOW_MS, NOW_MS - YEAR_MS},
        {NOW_MS, NOW_MS + HLC_AHEAD_MAX_MS, NOW_MS, NOW_MS + HLC_AHEAD_MAX_MS},
        {NOW_MS, NOW_MS + HLC_AHEAD_MAX_MS + 1, NOW_MS, NOW_MS},
        {NOW_MS, MS_48_BITS, NOW_MS, NOW_MS},
        {NOW_MS, NOW_MS + 1, 0, NOW_MS},
        {NOW_MS, NOW_MS + 1, UINT64_MAX, NOW_MS + 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(merges); i++)
        assert_int_equal(
            hlc_merge(STAMP(merges[i].last_ms), STAMP(merges[i].seen_ms), merges[i].now_ms),
            STAMP(merges[i].after_ms));
}

/* Three devices that tell each other their stamps; one clock is a year ahead, one goes back every
 * now and then. */
static void one_wrong_clock_does_not_carry_the_others_with_it(void **state)
{
    struct dice dice = {21};
    uint64_t last[3] = {0};
    uint64_t now_ms = NOW_MS;

    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t device = dice_below(&dice, 3);
        uint32_t other = dice_below(&dice, 3);
        uint64_t clock_ms = now_ms;
        now_ms += dice_below(&dice, 50);
        if (device == 1)
            clock_ms += YEAR_MS;
        if (device == 2 && dice_below(&dice, 10) == 0)
            clock_ms -= 1000;
        uint64_t merged = hlc_merge(last[device], last[other], clock_ms);
        assert_true(merged >= last[device]);
        last[device] = hlc_tick(merged, clock_ms);
        assert_true(last[device] > merged);
        assert_true(hlc_ms(last[0]) <= now_ms + 1);
        assert_true(hlc_ms(last[2]) <= now_ms + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamp_shows_its_time),
        cmocka_unit_test(stamps_go_up_while_the_wall_clock_is_near),
        cmocka_unit_test(a_clock_set_right_gives_right_stamps_again),
        cmocka_unit_test(a_frozen_clock_counts_and_runs_over_into_time),
        cmocka_unit_test(a_stamp_that_was_seen_is_followed_unless_it_is_far_ahead),
        cmocka_unit_test(one_wrong_clock_does_not_carry_the_others_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
