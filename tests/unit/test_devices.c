/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of each device: which has to go, and that a recording takes nothing from its device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "daemon/connection.h"

enum { SESSIONS = 8 };

struct crowd {
    struct devices devices;
    struct connection sessions[SESSIONS];
};

static int crowd_open(void **state)
{
    *state = calloc(1, sizeof(struct crowd));
    return *state ? 0 : -1;
}

static int crowd_close(void **state)
{
    struct crowd *crowd = *state;

    for (unsigned i = 0; i < SESSIONS; i++)
        devices_remove(&crowd->devices, &crowd->sessions[i]);
    for (unsigned i = 0; i < DEVICES_BUCKETS; i++)
        assert_null(crowd->devices.buckets[i]);
    free(crowd);
    return 0;
}

static void begin(struct crowd *crowd, unsigned session, uint32_t device, bool is_proved)
{
    assert_true(devices_add(&crowd->devices, &crowd->sessions[session], device));
    if (is_proved)
        devices_prove(&crowd->sessions[session]);
}

static void of_proved_sessions_the_oldest_goes(void **state)
{
    struct crowd *crowd = *state;

    for (unsigned i = 0; i < 4; i++)
        begin(crowd, i, 7, true);
    struct device_line *line = devices_find(&crowd->devices, 7);
    assert_null(devices_surplus(line, true, 4));
    assert_ptr_equal(devices_surplus(line, true, 3), &crowd->sessions[0]);
    devices_remove(&crowd->devices, &crowd->sessions[0]);
    assert_ptr_equal(devices_surplus(line, true, 2), &crowd->sessions[1]);
    devices_remove(&crowd->devices, &crowd->sessions[2]);
    assert_ptr_equal(devices_surplus(line, true, 1), &crowd->sessions[1]);
    assert_null(devices_surplus(line, true, 2));
}

/* Who replays message 1 a hundred times has sessions that prove nothing. */
static void what_is_not_proved_takes_nothing_from_what_is(void **state)
{
    struct crowd *crowd = *state;

    begin(crowd, 0, 7, true);
    begin(crowd, 1, 7, false);
    begin(crowd, 2, 7, false);
    struct device_line *line = devices_find(&crowd->devices, 7);
    assert_null(devices_surplus(line, true, 1));
    assert_ptr_equal(devices_surplus(line, false, 1), &crowd->sessions[1]);
    devices_prove(&crowd->sessions[1]); /* that one was the device itself */
    devices_prove(&crowd->sessions[1]);
    assert_null(devices_surplus(line, false, 1));
    assert_ptr_equal(devices_surplus(line, true, 1), &crowd->sessions[0]);
}

static void devices_of_one_bucket_are_kept_apart(void **state)
{
    struct crowd *crowd = *state;

    for (unsigned i = 0; i < SESSIONS; i++)
        begin(crowd, i, 5 + DEVICES_BUCKETS * (i / 2), true);
    for (unsigned i = 0; i < SESSIONS; i += 2) {
        struct device_line *line = devices_find(&crowd->devices, 5 + DEVICES_BUCKETS * (i / 2));
        assert_int_equal(line->proved_count, 2);
        assert_ptr_equal(line->oldest, &crowd->sessions[i]);
        assert_ptr_equal(line->newest, &crowd->sessions[i + 1]);
    }
    assert_null(devices_find(&crowd->devices, 6));
    devices_remove(&crowd->devices, &crowd->sessions[2]);
    devices_remove(&crowd->devices, &crowd->sessions[3]);
    assert_null(devices_find(&crowd->devices, 5 + DEVICES_BUCKETS));
    assert_non_null(devices_find(&crowd->devices, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_proved_sessions_the_oldest_goes, crowd_open,
                                        crowd_close),
        cmocka_unit_test_setup_teardown(what_is_not_proved_takes_nothing_from_what_is, crowd_open,
                                        crowd_close),
        cmocka_unit_test_setup_teardown(devices_of_one_bucket_are_kept_apart, crowd_open,
                                        crowd_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
