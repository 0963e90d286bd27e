/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of comma-separated values: quoted as RFC 4180 has it, and never a formula. */
#include "client/export/csv.h"

#include <string.h>

#include "make.h"

static void assert_row(const char *const *cells, size_t count, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 4096);
    csv_row(&out, cells, count);
    assert_int_equal(out.err, KITH_OK);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.ptr, expected, out.len);
    buffer_clear(&out);
}

static void cells_are_quoted_where_they_must_be(void **state)
{
    static const char *const cells[] = {"plain", "a, b", "say \"no\"", "two\r\nlines", ""};

    (void)state;
    assert_row(cells, COUNT_OF(cells), "plain,\"a, b\",\"say \"\"no\"\"\",\"two\r\nlines\",\r\n");
}

static void what_begins_like_a_formula_stays_text(void **state)
{
    static const struct {
        const char *cell;
        const char *row;
    } cases[] = {
        {"=1+1", "\"'=1+1\"\r\n"},
        {"+1", "\"'+1\"\r\n"},
        {"-1", "\"'-1\"\r\n"},
        {"@SUM(A1)", "\"'@SUM(A1)\"\r\n"},
        {"\t=1", "\"'\t=1\"\r\n"},
        {"\rx", "\"'\rx\"\r\n"},
        {"\nx", "\"'\nx\"\r\n"},
        {"  =1", "\"'  =1\"\r\n"},
        {"=cmd|'/c calc'!A1", "\"'=cmd|'/c calc'!A1\"\r\n"},
        {"=\"a\",b", "\"'=\"\"a\"\",b\"\r\n"},
        {"1-1", "1-1\r\n"},
        {"a=b", "a=b\r\n"},
        {" ", " \r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_row(&cases[i].cell, 1, cases[i].row);
}

static void a_row_that_has_no_room_fails_and_adds_no_more(void **state)
{
    static const char *const cells[] = {"0123456789", "0123456789"};
    struct buffer out;

    (void)state;
    buffer_init(&out, 16);
    csv_row(&out, cells, COUNT_OF(cells));
    assert_int_equal(out.err, KITH_TOO_LARGE);
    assert_true(out.len <= 16);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_quoted_where_they_must_be),
        cmocka_unit_test(what_begins_like_a_formula_stays_text),
        cmocka_unit_test(a_row_that_has_no_room_fails_and_adds_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
