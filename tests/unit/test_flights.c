/* SPDX-License-Identifier: Apache-2.0 */
/* First messages are known again, the newest of them always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/flights.h"

#define MANY 200000u

static struct flights *flights_new(void)
{
    struct flights *flights = malloc(sizeof *flights);

    assert_non_null(flights);
    flights_init(flights);
    return flights;
}

/* Numbers in a row, as bad as tags can be. */
static bool add(struct flights *flights, uint64_t number)
{
    uint8_t hash[NOISE_HASH_BYTES] = {0};

    number++;
    memcpy(hash, &number, sizeof number);
    return flights_add(flights, hash);
}

static void what_was_let_in_is_known_again(void **state)
{
    struct flights *flights = flights_new();

    (void)state;
    for (uint64_t i = 0; i < FLIGHTS_BUCKETS; i++)
        assert_true(add(flights, i));
    for (uint64_t i = 0; i < MANY; i++)
        assert_false(add(flights, FLIGHTS_BUCKETS - 1));
    assert_true(add(flights, FLIGHTS_BUCKETS));
    free(flights);
}

static void the_oldest_are_forgotten(void **state)
{
    struct flights *flights = flights_new();
    uint32_t known = 0;

    (void)state;
    for (uint64_t i = 0; i < MANY; i++) {
        assert_true(add(flights, i));
        assert_false(add(flights, i));
    }
    for (uint64_t i = MANY - FLIGHTS_BUCKETS; i < MANY; i++)
        known += !add(flights, i);
    assert_in_range(known, FLIGHTS_BUCKETS / 2, FLIGHTS_BUCKETS);
    free(flights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_let_in_is_known_again),
        cmocka_unit_test(the_oldest_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
