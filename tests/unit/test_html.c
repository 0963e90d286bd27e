/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a page: whatever was typed stays text. */
#include "client/export/html.h"

#include <string.h>

#include "make.h"

static void what_was_typed_never_becomes_markup(void **state)
{
    static const struct {
        const char *typed;
        const char *written;
    } cases[] = {
        {"plain, caf\xC3\xA9", "plain, caf\xC3\xA9"},
        {"<b>&'\"", "&lt;b&gt;&amp;&#39;&quot;"},
        {"two\nlines\tand", "two\nlines\tand"},
        {"\x1B[2J\r\x7F", "\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"a\xE2\x80\xAE"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"a\xE2\x81\xA9", "a\xEF\xBF\xBD"},
        {"\xE2\x80\x93 \xE2\x81\xA5", "\xE2\x80\x93 \xE2\x81\xA5"},
        {"cut \xE2\x80", "cut \xE2\x80"},
        {"cut \xE2", "cut \xE2"},
        {"", ""},
        {NULL, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        html_text(&out, cases[i].typed);
        assert_int_equal(out.err, KITH_OK);
        assert_int_equal(out.len, strlen(cases[i].written));
        if (out.len > 0)
            assert_memory_equal(out.ptr, cases[i].written, out.len);
        buffer_clear(&out);
    }
}

static void too_much_is_a_failure_that_stays(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, 6);
    html_markup(&out, "<p>");
    html_text(&out, "&");
    assert_int_equal(out.err, KITH_TOO_LARGE);
    html_text(&out, "a");
    assert_int_equal(out.err, KITH_TOO_LARGE);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_typed_never_becomes_markup),
        cmocka_unit_test(too_much_is_a_failure_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
