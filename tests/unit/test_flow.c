/* SPDX-License-Identifier: Apache-2.0 */
/* The window, over links of a given rate and delay that are worked out here step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/flow.h"
#include "protocol/limits.h"

#define IN_FLIGHT_MAX 1024

/* Bytes leave one after another at a rate; each batch is answered half a delay after it arrived. */
struct road {
    uint64_t bytes_per_s;
    uint64_t delay_ms; /* there and back */
    uint64_t free_ms;  /* when what was sent before has left */
    struct {
        size_t bytes;
        uint64_t answer_ms;
    } under_way[IN_FLIGHT_MAX];
    unsigned first;
    unsigned count;
    uint64_t carried;
    uint64_t longest_wait_ms; /* what would be sent now waits for that long, at most */
};

static void send_all(struct road *road, struct flow *flow, uint32_t now_ms)
{
    for (size_t room; (room = flow_room(flow)) > 0;) {
        uint64_t start = road->free_ms > now_ms ? road->free_ms : now_ms;
        road->free_ms = start + room * 1000 / road->bytes_per_s;
        if (road->free_ms - now_ms > road->longest_wait_ms)
            road->longest_wait_ms = road->free_ms - now_ms;
        unsigned at = (road->first + road->count++) % IN_FLIGHT_MAX;
        assert_true(road->count <= IN_FLIGHT_MAX);
        road->under_way[at].bytes = room;
        road->under_way[at].answer_ms = road->free_ms + road->delay_ms;
        flow_sent(flow, room, now_ms);
    }
}

static void take_answers(struct road *road, struct flow *flow, uint32_t now_ms)
{
    while (road->count > 0 && road->under_way[road->first].answer_ms <= now_ms) {
        assert_true(flow_answered(flow, road->under_way[road->first].bytes, now_ms));
        road->carried += road->under_way[road->first].bytes;
        road->first = (road->first + 1) % IN_FLIGHT_MAX;
        road->count--;
    }
}

/* A download without end, watched from `from_ms` on. */
static void drive(struct road *road, uint32_t from_ms, uint32_t through_ms)
{
    struct flow flow;

    flow_init(&flow);
    for (uint32_t now_ms = 0; now_ms < through_ms; now_ms++) {
        if (now_ms == from_ms)
            road->carried = road->longest_wait_ms = 0;
        take_answers(road, &flow, now_ms);
        send_all(road, &flow, now_ms);
        assert_in_range(flow.window, FLOW_WINDOW_MIN, WINDOW_BYTES);
    }
}

static void a_slow_link_is_busy_and_has_no_queue(void **state)
{
    struct road road = {.bytes_per_s = 8000, .delay_ms = 300};

    (void)state;
    drive(&road, 10000, 70000);
    assert_true(road.carried >= 60 * 8000 * 85 / 100);
    assert_true(road.longest_wait_ms <= 1300);
}

static void at_the_beginning_little_stands_in_the_queue(void **state)
{
    struct road road = {.bytes_per_s = 8000, .delay_ms = 300};

    (void)state;
    drive(&road, UINT32_MAX, 10000);
    assert_true(road.longest_wait_ms <= 2100);
}

static void a_link_of_a_megabit_is_busy(void **state)
{
    struct road road = {.bytes_per_s = 125000, .delay_ms = 300};

    (void)state;
    drive(&road, 3000, 33000);
    assert_true(road.carried >= 30u * 125000 * 9 / 10);
    assert_true(road.longest_wait_ms <= 1300);
}

static void a_fast_link_gets_the_largest_window(void **state)
{
    struct flow flow;

    (void)state;
    flow_init(&flow);
    for (unsigned i = 0; i < 40; i++) {
        for (size_t room; (room = flow_room(&flow)) > 0;) {
            assert_in_range(room, 1, BATCH_MAX);
            flow_sent(&flow, room, i);
        }
        assert_true(flow_answered(&flow, flow.under_way, i));
    }
    assert_int_equal(flow.window, WINDOW_BYTES);
}

static void what_is_small_proves_nothing(void **state)
{
    struct flow flow;

    (void)state;
    flow_init(&flow);
    for (unsigned i = 0; i < 100; i++) {
        flow_sent(&flow, 500, i * 10000);
        assert_true(flow_answered(&flow, 500, i * 10000 + 9000));
    }
    assert_int_equal(flow.window, FLOW_WINDOW);
}

static void nobody_answers_more_than_was_sent(void **state)
{
    struct flow flow;

    (void)state;
    flow_init(&flow);
    flow_sent(&flow, 1000, 0);
    assert_false(flow_answered(&flow, 1001, 5));
    assert_true(flow_answered(&flow, 1000, 5));
    assert_false(flow_answered(&flow, 1, 5));
    assert_false(flow_answered(&flow, UINT64_MAX, 5));
}

/* Whoever answers only when FLOW_ANSWER_DUE bytes are there does not keep the other one waiting. */
static void the_least_window_never_stands_still(void **state)
{
    struct flow flow;

    (void)state;
    flow_init(&flow);
    flow.window = FLOW_WINDOW_MIN;
    flow_sent(&flow, FLOW_ANSWER_DUE - 1, 0);
    assert_true(flow_room(&flow) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_link_is_busy_and_has_no_queue),
        cmocka_unit_test(at_the_beginning_little_stands_in_the_queue),
        cmocka_unit_test(a_link_of_a_megabit_is_busy),
        cmocka_unit_test(a_fast_link_gets_the_largest_window),
        cmocka_unit_test(what_is_small_proves_nothing),
        cmocka_unit_test(nobody_answers_more_than_was_sent),
        cmocka_unit_test(the_least_window_never_stands_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
