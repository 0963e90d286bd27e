/* SPDX-License-Identifier: Apache-2.0 */
/* JSON into a buffer: what stands in it, what is left out, and base64 as RFC 4648 has it. */
#include "client/export/json_out.h"

#include <string.h>

#include "make.h"

static void assert_written(const struct buffer *buffer, const char *expected)
{
    assert_int_equal(buffer->err, KITH_OK);
    assert_int_equal(buffer->len, strlen(expected));
    assert_memory_equal(buffer->ptr, expected, buffer->len);
}

static void members_have_commas_and_what_is_empty_is_left_out(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 4096);
    struct json_out out = json_out_to(&buffer);
    json_out_object(&out, NULL);
    json_out_text(&out, "none", NULL);
    json_out_text(&out, "empty", "");
    json_out_text(&out, "a", "b");
    json_out_list(&out, "list");
    json_out_number(&out, NULL, -4);
    json_out_text(&out, NULL, "");
    json_out_object(&out, NULL);
    json_out_end(&out);
    json_out_end(&out);
    json_out_number(&out, "n", INT64_MIN);
    json_out_end(&out);
    assert_written(&buffer, "{\"a\":\"b\",\"list\":[-4,{}],\"n\":-9223372036854775808}\n");
    buffer_clear(&buffer);
}

static void text_is_escaped_and_made_utf8(void **state)
{
    static const struct {
        const char *typed;
        const char *written;
    } cases[] = {
        {"\"\\/", "[\"\\\"\\\\/\"]\n"},
        {"a\nb\r\t", "[\"a\\nb\\r\\t\"]\n"},
        {"\x01\x1F\x7F", "[\"\\ufffd\\ufffd\\ufffd\"]\n"},
        {"caf\xC3\xA9", "[\"caf\xC3\xA9\"]\n"},
        {"caf\xE9", "[\"caf\\ufffd\"]\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer buffer;
        buffer_init(&buffer, 4096);
        struct json_out out = json_out_to(&buffer);
        json_out_list(&out, NULL);
        json_out_text(&out, NULL, cases[i].typed);
        json_out_end(&out);
        assert_written(&buffer, cases[i].written);
        buffer_clear(&buffer);
    }
}

static void base64_is_that_of_rfc_4648_section_10(void **state)
{
    static const struct {
        const char *bytes;
        const char *written;
    } cases[] = {
        {"", "[]\n"},
        {"f", "[\"Zg==\"]\n"},
        {"fo", "[\"Zm8=\"]\n"},
        {"foo", "[\"Zm9v\"]\n"},
        {"foob", "[\"Zm9vYg==\"]\n"},
        {"fooba", "[\"Zm9vYmE=\"]\n"},
        {"foobar", "[\"Zm9vYmFy\"]\n"},
        {"\xFB\xFF\xBF", "[\"+/+/\"]\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer buffer;
        buffer_init(&buffer, 4096);
        struct json_out out = json_out_to(&buffer);
        json_out_list(&out, NULL);
        json_out_base64(&out, NULL, bytes_text(cases[i].bytes));
        json_out_end(&out);
        assert_written(&buffer, cases[i].written);
        buffer_clear(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_have_commas_and_what_is_empty_is_left_out),
        cmocka_unit_test(text_is_escaped_and_made_utf8),
        cmocka_unit_test(base64_is_that_of_rfc_4648_section_10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
