/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"
#include "client/cli/utf8.h"

struct page {
    char *text;
    size_t len;
    FILE *out;
};

static struct json page_open(struct page *page)
{
    page->out = open_memstream(&page->text, &page->len);
    assert_non_null(page->out);
    return json_to(page->out);
}

static void assert_page(struct page *page, const char *expected)
{
    assert_int_equal(fclose(page->out), 0);
    assert_string_equal(page->text, expected);
    free(page->text);
}

static void every_text_is_escaped_as_the_rfc_says(void **unused)
{
    static const struct {
        const char *text;
        const char *escaped;
    } texts[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"a\\b/c", "\"a\\\\b/c\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f", "\"\\u0001\\u001f\""},
        {"\x7f", "\"\\u007f\""},
        {"\033[31mred", "\"\\u001b[31mred\""},
        {"Zo\xC3\xAB", "\"Zo\xC3\xAB\""},
        {"\xE2\x82\xAC \xF0\x9F\x8C\xB1", "\"\xE2\x82\xAC \xF0\x9F\x8C\xB1\""},
        {"\xFF", "\"\\ufffd\""},
        {"a\xC3", "\"a\\ufffd\""},
        {"\xC3(", "\"\\ufffd(\""},
        {"\xC0\x80", "\"\\ufffd\\ufffd\""},
        {"\xED\xA0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xF4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xE2\x82", "\"\\ufffd\\ufffd\""},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct page page;
        struct json json = page_open(&page);
        json_text(&json, NULL, texts[i].text);
        assert_page(&page, texts[i].escaped);
    }
}

static void members_and_items_are_separated_and_closed(void **unused)
{
    struct page page;
    struct json json = page_open(&page);

    (void)unused;
    json_object(&json, NULL);
    json_text(&json, "name", "Anna");
    json_text(&json, "nobody", NULL);
    json_number(&json, "least", INT64_MIN);
    json_count(&json, "most", UINT64_MAX);
    json_flag(&json, "yes", true);
    json_list(&json, "list");
    json_flag(&json, NULL, false);
    json_object(&json, NULL);
    json_end(&json);
    json_list(&json, NULL);
    json_number(&json, NULL, 0);
    json_number(&json, NULL, -1);
    json_end(&json);
    json_end(&json);
    json_text(&json, "a \"name\"", "");
    json_end(&json);
    assert_page(&page,
                "{\"name\": \"Anna\", \"nobody\": null, \"least\": -9223372036854775808, "
                "\"most\": 18446744073709551615, \"yes\": true, \"list\": [false, {}, [0, -1]], "
                "\"a \\\"name\\\"\": \"\"}\n");
}

static void an_empty_list_is_a_document(void **unused)
{
    struct page page;
    struct json json = page_open(&page);

    (void)unused;
    json_list(&json, NULL);
    json_end(&json);
    assert_page(&page, "[]\n");
}

static void every_point_comes_back_from_its_bytes(void **unused)
{
    (void)unused;
    for (uint32_t point = 1; point <= 0x10FFFF; point++) {
        uint8_t bytes[4];
        size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        uint32_t rest = point;
        uint32_t read;
        for (size_t i = len; i-- > 1; rest >>= 6)
            bytes[i] = (uint8_t)(0x80 | (rest & 0x3F));
        bytes[0] = (uint8_t)(len == 1 ? rest : (0xF00u >> len | rest));
        bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
        size_t used = utf8_next((const char *)bytes, len, &read);
        assert_int_equal(used, is_surrogate ? 1 : len);
        assert_int_equal(read, is_surrogate ? UTF8_REPLACEMENT : point);
        for (size_t cut = 1; cut < len; cut++) {
            assert_int_equal(utf8_next((const char *)bytes, cut, &read), 1);
            assert_int_equal(read, UTF8_REPLACEMENT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_escaped_as_the_rfc_says),
        cmocka_unit_test(members_and_items_are_separated_and_closed),
        cmocka_unit_test(an_empty_list_is_a_document),
        cmocka_unit_test(every_point_comes_back_from_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
