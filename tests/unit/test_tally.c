/* SPDX-License-Identifier: Apache-2.0 */
/* Connections counted by address, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/tally.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {0};

    if (strchr(text, ':')) {
        address.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr),
                         1);
    } else {
        address.ss_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr), 1);
    }
    return address;
}

static const struct tally_limits no_limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

static uint32_t add(struct tally *tally, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    struct tally_line *line = tally_add(tally, &address, 0);

    assert_non_null(line);
    return line->count;
}

static struct tally *tally_new(uint64_t seed)
{
    struct tally *tally = malloc(sizeof *tally);

    assert_non_null(tally);
    tally_init(tally, seed, &no_limits);
    return tally;
}

static void each_address_is_counted_by_itself(void **state)
{
    struct tally *tally = tally_new(7);

    (void)state;
    assert_int_equal(add(tally, "10.0.0.1"), 1);
    assert_int_equal(add(tally, "10.0.0.2"), 1);
    assert_int_equal(add(tally, "10.0.0.1"), 2);
    assert_int_equal(add(tally, "0.0.0.0"), 1);
    assert_int_equal(add(tally, "::"), 1);
    tally_clear(tally);
    free(tally);
}

static void a_network_of_64_bits_is_one_address(void **state)
{
    struct tally *tally = tally_new(7);

    (void)state;
    assert_int_equal(add(tally, "2001:db8::1"), 1);
    assert_int_equal(add(tally, "2001:db8::ffff:ffff:ffff:ffff"), 2);
    assert_int_equal(add(tally, "2001:db8:0:1::1"), 1);
    tally_clear(tally);
    free(tally);
}

static void it_agrees_with_a_plain_list(void **state)
{
    enum { ADDRESSES = 5000, STEPS = 100000 };
    static uint32_t counts[ADDRESSES];
    static struct tally_line *lines[ADDRESSES];
    struct tally *tally = tally_new(0x1234567890abcdefu);
    uint32_t dice = 1;

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        dice = dice * 1664525u + 1013904223u;
        uint32_t which = (dice >> 8) % ADDRESSES;
        struct sockaddr_storage address = {.ss_family = AF_INET};
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(which);
        if (counts[which] > 0 && dice >> 31) {
            tally_remove(tally, lines[which]);
            counts[which]--;
        } else {
            lines[which] = tally_add(tally, &address, 0);
            assert_non_null(lines[which]);
            assert_int_equal(lines[which]->count, ++counts[which]);
        }
    }
    for (unsigned i = 0; i < ADDRESSES; i++)
        for (; counts[i] > 0; counts[i]--)
            tally_remove(tally, lines[i]);
    assert_int_equal(tally->idle_count, ADDRESSES);
    tally_clear(tally);
    free(tally);
}

static uint32_t begin(struct tally *tally, const char *text, uint64_t now_ms, uint32_t tries)
{
    struct sockaddr_storage address = address_of(text);
    uint32_t count = 0;

    for (uint32_t i = 0; i < tries; i++) {
        struct tally_line *line = tally_add(tally, &address, now_ms);
        count += line != NULL;
        if (line)
            tally_remove(tally, line);
    }
    return count;
}

static void an_address_begins_no_more_than_its_bucket_holds(void **state)
{
    const struct tally_limits limits = {.connections = 10, .rate = 2, .burst = 5};
    struct tally *tally = malloc(sizeof *tally);

    (void)state;
    assert_non_null(tally);
    tally_init(tally, 7, &limits);
    assert_int_equal(begin(tally, "10.0.0.1", 1000, 100), 5);
    assert_int_equal(begin(tally, "10.0.0.2", 1000, 100), 5);
    assert_int_equal(begin(tally, "10.0.0.1", 1499, 100), 0);
    assert_int_equal(begin(tally, "10.0.0.1", 1500, 100), 1);
    assert_int_equal(begin(tally, "10.0.0.1", 3500, 100), 4);
    assert_int_equal(begin(tally, "10.0.0.1", UINT32_MAX, 100), 5);
    tally_clear(tally);
    free(tally);
}

static void an_address_has_no_more_than_its_connections(void **state)
{
    const struct tally_limits limits = {.connections = 2, .rate = 1000, .burst = 1000};
    struct sockaddr_storage address = address_of("2001:db8::1");
    struct tally *tally = malloc(sizeof *tally);

    (void)state;
    assert_non_null(tally);
    tally_init(tally, 7, &limits);
    struct tally_line *line = tally_add(tally, &address, 1);
    assert_non_null(line);
    assert_ptr_equal(tally_add(tally, &address, 1), line);
    assert_null(tally_add(tally, &address, 1));
    assert_int_equal(line->count, 2);
    tally_remove(tally, line);
    assert_ptr_equal(tally_add(tally, &address, 1), line);
    tally_clear(tally);
    free(tally);
}

static void other_limits_hold_from_the_next_connection_on(void **state)
{
    const struct tally_limits wide = {.connections = 100, .rate = 1, .burst = 50};
    const struct tally_limits narrow = {.connections = 100, .rate = 1, .burst = 3};
    struct tally *tally = malloc(sizeof *tally);

    (void)state;
    assert_non_null(tally);
    tally_init(tally, 7, &wide);
    assert_int_equal(begin(tally, "10.0.0.1", 0, 10), 10);
    tally_limit(tally, &narrow);
    assert_int_equal(begin(tally, "10.0.0.1", 0, 100), 3); /* 40 were left of the old ones */
    tally_limit(tally, &wide);
    assert_int_equal(begin(tally, "10.0.0.1", 2000, 100), 2);
    tally_clear(tally);
    free(tally);
}

/* From more addresses than are remembered: the oldest is forgotten, memory stays what it is. */
static void the_oldest_address_is_forgotten_first(void **state)
{
    const struct tally_limits limits = {.connections = 1, .rate = 1, .burst = 1};
    struct tally *tally = malloc(sizeof *tally);

    (void)state;
    assert_non_null(tally);
    tally_init(tally, 7, &limits);
    assert_int_equal(begin(tally, "1.2.3.4", 0, 2), 1);
    for (uint32_t i = 0; i < 3 * TALLY_IDLE_MAX; i++) {
        struct sockaddr_storage address = {.ss_family = AF_INET};
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(0x0a000000u + i);
        struct tally_line *line = tally_add(tally, &address, 0);
        assert_non_null(line);
        tally_remove(tally, line);
        assert_true(tally->idle_count <= TALLY_IDLE_MAX);
    }
    assert_int_equal(begin(tally, "1.2.3.4", 0, 2), 1);
    assert_int_equal(begin(tally, "10.0.95.255", 0, 1), 0); /* one of the last */
    tally_clear(tally);
    free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_counted_by_itself),
        cmocka_unit_test(a_network_of_64_bits_is_one_address),
        cmocka_unit_test(it_agrees_with_a_plain_list),
        cmocka_unit_test(an_address_begins_no_more_than_its_bucket_holds),
        cmocka_unit_test(an_address_has_no_more_than_its_connections),
        cmocka_unit_test(other_limits_hold_from_the_next_connection_on),
        cmocka_unit_test(the_oldest_address_is_forgotten_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
