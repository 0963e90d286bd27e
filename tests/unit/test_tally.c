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

static uint32_t add(struct tally *tally, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    struct tally_line *line = tally_add(tally, &address);

    assert_non_null(line);
    return line->count;
}

static struct tally *tally_new(uint64_t seed)
{
    struct tally *tally = malloc(sizeof *tally);

    assert_non_null(tally);
    tally_init(tally, seed);
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
            lines[which] = tally_add(tally, &address);
            assert_non_null(lines[which]);
            assert_int_equal(lines[which]->count, ++counts[which]);
        }
    }
    for (unsigned i = 0; i < ADDRESSES; i++)
        for (; counts[i] > 0; counts[i]--)
            tally_remove(tally, lines[i]);
    for (unsigned i = 0; i < TALLY_BUCKETS; i++)
        assert_null(tally->buckets[i]);
    free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_counted_by_itself),
        cmocka_unit_test(a_network_of_64_bits_is_one_address),
        cmocka_unit_test(it_agrees_with_a_plain_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
