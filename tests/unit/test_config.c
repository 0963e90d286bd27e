/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's settings: what a line may say, what is said when it may not, and that a written file is
 * read as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "make.h"

static char folder[64];
static char path[128];

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-config-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/hub.conf", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void file_write(const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void what_holds_without_a_file_lies_within_its_range(void **state)
{
    struct config config;
    char why[CONFIG_WHY_MAX];
    char value[24];

    (void)state;
    config_defaults(&config);
    assert_string_equal(config.listen, CONFIG_LISTEN_DEFAULT);
    assert_string_equal(config.name, "");
#define CHECK(field, key, default, least, most, unit, sentence)                                    \
    assert_int_equal(config.field, default);                                                       \
    (void)snprintf(value, sizeof value, "%u", config.field);                                       \
    assert_int_equal(config_set(&config, key, value, why), KITH_OK);
    CONFIG_NUMBERS(CHECK)
#undef CHECK
}

/* Every number at its ends and just beyond them. */
static void a_number_is_taken_within_its_range_only(void **state)
{
    static const struct {
        const char *key;
        const char *unit;
        uint64_t least;
        uint64_t most;
    } rows[] = {
#define ROW(field, key, default, least, most, unit, sentence) {key, unit, least, most},
        CONFIG_NUMBERS(ROW)
#undef ROW
    };
    struct config config;
    char value[24];
    char why[CONFIG_WHY_MAX];

    (void)state;
    config_defaults(&config);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct {
            uint64_t number;
            enum kith_err err;
        } values[] = {{rows[i].least, KITH_OK},
                      {rows[i].most, KITH_OK},
                      {rows[i].least - 1, KITH_INPUT},
                      {rows[i].most + 1, KITH_INPUT},
                      {rows[i].least + (UINT64_C(1) << 32), KITH_INPUT},
                      {UINT64_MAX, KITH_INPUT}};
        for (size_t k = 0; k < COUNT_OF(values); k++) {
            (void)snprintf(value, sizeof value, "%llu", (unsigned long long)values[k].number);
            assert_int_equal(config_set(&config, rows[i].key, value, why), values[k].err);
            if (values[k].err) { /* says key, range and unit */
                assert_memory_equal(why, rows[i].key, strlen(rows[i].key));
                assert_non_null(strstr(why, rows[i].unit));
            }
        }
    }
}

static void a_value_that_is_no_number_is_refused_and_changes_nothing(void **state)
{
    static const char *const values[] = {
        "",
        " ",
        "-1",
        "+5",
        " 5",
        "5 ",
        "5s",
        "5 seconds",
        "0x10",
        "1e3",
        "1.5",
        "five",
        "5,000",
        "99999999999999999999999",
        " -18446744073709551611",
        "\t5",
    };
    struct config config;
    char why[CONFIG_WHY_MAX];

    (void)state;
    config_defaults(&config);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (config_set(&config, "handshake_s", values[i], why) != KITH_INPUT)
            fail_msg("'%s'", values[i]);
        assert_string_equal(why, "handshake_s: expected 1 to 3600 seconds");
        assert_int_equal(config.handshake_s, 10);
    }
}

static void a_text_has_its_limit_and_holds_nothing_a_file_could_not(void **state)
{
    struct config config;
    char text[CONFIG_TEXT_MAX + 1];
    char why[CONFIG_WHY_MAX];

    (void)state;
    config_defaults(&config);
    memset(text, 'h', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(config_set(&config, "name", text, why), KITH_INPUT);
    assert_int_equal(config_set(&config, "listen", text, why), KITH_INPUT);
    assert_string_equal(config.listen, CONFIG_LISTEN_DEFAULT);
    text[sizeof text - 2] = '\0';
    assert_int_equal(config_set(&config, "name", text, why), KITH_OK);
    assert_string_equal(config.name, text);
    static const char *const bad[] = {"Hub #2", "two\nlines", "a\rb"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(config_set(&config, "name", bad[i], why), KITH_INPUT);
        assert_memory_equal(why, "name: ", 6);
    }
}

static void a_setting_that_does_not_exist_is_named(void **state)
{
    static const char *const keys[] = {"",          "Listen",       "listen ",
                                       "handshake", "handshake_ms", "sessions-max"};
    struct config config;
    char why[CONFIG_WHY_MAX];

    (void)state;
    config_defaults(&config);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(config_set(&config, keys[i], "1", why), KITH_INPUT);
        assert_non_null(strstr(why, keys[i]));
    }
}

static void a_file_is_read_line_by_line_or_refused_with_the_line(void **state)
{
    static const struct {
        const char *text;
        unsigned line; /* 0: taken */
    } rows[] = {
        {"", 0},
        {"\n\n# nothing\n   # indented\n", 0},
        {"idle_s=30\n", 0},
        {"  idle_s\t=  30  # half a minute\n", 0},
        {"idle_s = 30", 0},
        {"idle_s = 30\r\n", 0},
        {"idle_s = 40\nidle_s = 30\n", 0},
        {"idle_s\n", 1},
        {"\nidle_s 30\n", 2},
        {"= 30\n", 1},
        {"idle_s =\n", 1},
        {"idle_s = # 30\n", 1},
        {"idle_s = 30 = 40\n", 1},
        {"idle_s = 30\nstall_s = 1m\n", 2},
        {"idle_s = 30\n\n\nnonsense = 1\n", 4},
    };
    char expected[160];
    char why[CONFIG_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config config;
        config_defaults(&config);
        file_write(rows[i].text);
        assert_int_equal(config_read(&config, path, why), rows[i].line ? KITH_INPUT : KITH_OK);
        if (strstr(rows[i].text, "30") && !rows[i].line)
            assert_int_equal(config.idle_s, 30);
        (void)snprintf(expected, sizeof expected, "%s, line %u: ", path, rows[i].line);
        if (rows[i].line)
            assert_memory_equal(why, expected, strlen(expected));
    }
}

/* What a buffer does not hold must not be taken for the next line. */
static void a_line_of_any_length_is_one_line(void **state)
{
    struct config config;
    char text[4096];
    char why[CONFIG_WHY_MAX];
    char expected[160];

    (void)state;
    (void)snprintf(expected, sizeof expected, "%s, line 2: ", path);
    for (size_t len = 540; len < 600; len++) {
        config_defaults(&config);
        (void)snprintf(text, sizeof text, "stall_s = 5\n#%*sidle_s = 30\n", (int)len, "");
        file_write(text);
        if (config_read(&config, path, why)) /* too long: refused as such */
            assert_memory_equal(why, expected, strlen(expected));
        assert_int_equal(config.idle_s, 600);
    }
}

static void what_cannot_be_read_is_not_taken_for_empty(void **state)
{
    struct config config;
    char why[CONFIG_WHY_MAX];

    (void)state;
    config_defaults(&config);
    assert_int_equal(config_read(&config, path, why), KITH_NOT_FOUND);
    assert_memory_equal(why, path, strlen(path));
    assert_int_not_equal(config_read(&config, folder, why), KITH_OK);
    assert_memory_equal(why, folder, strlen(folder));
}

static void a_written_file_is_read_as_it_was(void **state)
{
    struct config written;
    struct config read;
    char why[CONFIG_WHY_MAX];

    (void)state;
    for (unsigned named = 0; named < 2; named++) {
        config_defaults(&written);
        assert_int_equal(config_set(&written, "listen", "[::1]:7580", why), KITH_OK);
        if (named)
            assert_int_equal(config_set(&written, "name", "Open Door = ours", why), KITH_OK);
#define SET(field, key, default, least, most, unit, sentence) written.field = (most)-1;
        CONFIG_NUMBERS(SET)
#undef SET
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        config_write(&written, file);
        assert_int_equal(fclose(file), 0);
        config_defaults(&read);
        assert_int_equal(config_read(&read, path, why), KITH_OK);
        assert_memory_equal(&read, &written, sizeof read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_holds_without_a_file_lies_within_its_range),
        cmocka_unit_test(a_number_is_taken_within_its_range_only),
        cmocka_unit_test(a_value_that_is_no_number_is_refused_and_changes_nothing),
        cmocka_unit_test(a_text_has_its_limit_and_holds_nothing_a_file_could_not),
        cmocka_unit_test(a_setting_that_does_not_exist_is_named),
        cmocka_unit_test_setup_teardown(a_file_is_read_line_by_line_or_refused_with_the_line,
                                        folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_line_of_any_length_is_one_line, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_taken_for_empty, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(a_written_file_is_read_as_it_was, folder_make,
                                        folder_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
