/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's settings: every key of the table, what fits it and what does not, and files of them. */
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

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static char path[64];

static int file_make(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/kith-test-config-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) < 0;
}

static int file_remove(void **state)
{
    (void)state;
    return unlink(path);
}

static void file_is(struct bytes content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static struct config defaults(void)
{
    struct config config;

    config_defaults(&config);
    return config;
}

static void assert_config_equal(const struct config *a, const struct config *b)
{
#define SAME_TEXT(field, form, bytes, preset, change, sentence)                                    \
    assert_string_equal(a->field, b->field);
    CONFIG_TEXTS(SAME_TEXT)
#define SAME_NUMBER(field, preset, least, most, unit, change, sentence)                            \
    assert_int_equal(a->field, b->field);
    CONFIG_NUMBERS(SAME_NUMBER)
}

static void the_defaults_are_those_of_the_table(void **state)
{
    struct config config = defaults();

    (void)state;
#define IS_PRESET_TEXT(field, form, bytes, preset, change, sentence)                               \
    assert_string_equal(config.field, preset);
    CONFIG_TEXTS(IS_PRESET_TEXT)
#define IS_PRESET_NUMBER(field, preset, least, most, unit, change, sentence)                       \
    assert_int_equal(config.field, preset);                                                        \
    assert_in_range(preset, least, most);
    CONFIG_NUMBERS(IS_PRESET_NUMBER)
}

static void assert_refused(const char *key, const char *value, const char *expected)
{
    struct config config = defaults();
    struct config before = config;
    char why[CONFIG_WHY_MAX] = "";

    assert_int_equal(config_set(&config, key, value, why), KITH_INPUT);
    assert_config_equal(&config, &before);
    assert_non_null(strstr(why, key));
    assert_non_null(strstr(why, expected));
}

static uint32_t set_number(const char *key, uint64_t value, const uint32_t *field,
                           struct config *config)
{
    char text[24];
    char why[CONFIG_WHY_MAX];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    assert_int_equal(config_set(config, key, text, why), KITH_OK);
    return *field;
}

static void refuse_number(const char *key, uint64_t value, const char *unit)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    assert_refused(key, text, unit);
}

static void every_number_takes_its_bounds_and_nothing_beyond(void **state)
{
    struct config config = defaults();

    (void)state;
#define TRY_BOUNDS(field, preset, least, most, unit, change, sentence)                             \
    assert_int_equal(set_number(#field, least, &config.field, &config), least);                    \
    assert_int_equal(set_number(#field, most, &config.field, &config), most);                      \
    refuse_number(#field, (uint64_t)(most) + 1, unit);                                             \
    if ((least) > 0)                                                                               \
        refuse_number(#field, (uint64_t)(least)-1, unit);
    CONFIG_NUMBERS(TRY_BOUNDS)
}

static void a_number_is_digits_alone_in_the_unit_of_its_key(void **state)
{
    static const char *const wrong[] = {
        "",     "x",   "-1",    "+1",         "1.5",
        "0x10", "1e3", " 1",    "1 ",         "5 s",
        "5s",   "10m", "1,000", "4294967297", "99999999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
#define TRY_WRONG(field, preset, least, most, unit, change, sentence)                              \
    assert_refused(#field, wrong[i], unit);
        CONFIG_NUMBERS(TRY_WRONG)
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);

    return len >= strlen(end) && strcmp(&text[len - strlen(end)], end) == 0;
}

static void the_unit_of_a_time_is_in_its_key(void **state)
{
    (void)state;
#define CHECK_UNIT(field, preset, least, most, unit, change, sentence)                             \
    assert_int_equal(strcmp(unit, "seconds") == 0, ends_with(#field, "_s"));
    CONFIG_NUMBERS(CHECK_UNIT)
}

static void an_address_is_a_host_and_a_port(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:7580", "127.0.0.1", 7580},
        {"hub.example.org:443", "hub.example.org", 443},
        {"[::1]:7580", "::1", 7580},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"h:65535", "h", 65535},
        {"", NULL, 0},
        {"h", NULL, 0},
        {":1", NULL, 0},
        {"h:", NULL, 0},
        {"h:65536", NULL, 0},
        {"h:-1", NULL, 0},
        {"h:+1", NULL, 0},
        {"h:1 ", NULL, 0},
        {"h:0x1", NULL, 0},
        {"::1:7580", NULL, 0},
        {"[]:1", NULL, 0},
        {"[::1:1", NULL, 0},
        {"a b:1", NULL, 0},
        {"a\"b:1", NULL, 0},
        {"a\\b:1", NULL, 0},
        {"a\nb:1", NULL, 0},
        {"\xc3\xa4:1", NULL, 0},
    };
    struct address address;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(address_read(rows[i].text, &address), rows[i].host != NULL);
        if (!rows[i].host) {
            assert_refused("listen", rows[i].text, "HOST:PORT");
            continue;
        }
        assert_int_equal(address.kind, ADDRESS_TCP);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
    }
}

static void an_address_of_the_web_names_what_carries_it(void **state)
{
    static const struct {
        const char *text;
        enum address_kind kind;
        const char *host; /* NULL: refused */
        uint16_t port;
        const char *path;
    } rows[] = {
        {"ws://127.0.0.1:7580", ADDRESS_WS, "127.0.0.1", 7580, ""},
        {"ws://hub", ADDRESS_WS, "hub", 80, ""},
        {"wss://hub.example.org", ADDRESS_WSS, "hub.example.org", 443, ""},
        {"wss://hub.example.org/", ADDRESS_WSS, "hub.example.org", 443, ""},
        {"wss://hub.example.org:8443/peer/support/", ADDRESS_WSS, "hub.example.org", 8443,
         "/peer/support"},
        {"wss://[::1]", ADDRESS_WSS, "::1", 443, ""},
        {"wss://[::1]:444/a", ADDRESS_WSS, "::1", 444, "/a"},
        {"wss://", ADDRESS_WSS, NULL, 0, ""},
        {"wss:///a", ADDRESS_WSS, NULL, 0, ""},
        {"wss://:443", ADDRESS_WSS, NULL, 0, ""},
        {"wss://h:", ADDRESS_WSS, NULL, 0, ""},
        {"wss://::1", ADDRESS_WSS, NULL, 0, ""},
        {"wss://[::1", ADDRESS_WSS, NULL, 0, ""},
        {"wss://[::1]x", ADDRESS_WSS, NULL, 0, ""},
        {"wss://me@h", ADDRESS_WSS, NULL, 0, ""},
        {"wss://h/a b", ADDRESS_WSS, NULL, 0, ""},
        {"wss://h/a\r\nb", ADDRESS_WSS, NULL, 0, ""},
        {"wss://h/a?b", ADDRESS_WSS, NULL, 0, ""},
        {"wss://h//a", ADDRESS_WSS, NULL, 0, ""},
        {"https://h", ADDRESS_WSS, NULL, 0, ""},
        {"WSS://h", ADDRESS_WSS, NULL, 0, ""},
    };
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];
    struct address address;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_good = rows[i].host != NULL;
        assert_int_equal(address_read(rows[i].text, &address), is_good);
        assert_int_equal(config_set(&config, "address", rows[i].text, why),
                         is_good ? KITH_OK : KITH_INPUT);
        assert_refused("listen", rows[i].text, "HOST:PORT"); /* a proxy listens there, not we */
        if (!is_good)
            continue;
        assert_int_equal(address.kind, rows[i].kind);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
        assert_string_equal(address.path, rows[i].path);
    }
}

static void an_address_that_no_code_could_carry_is_refused(void **state)
{
    char text[ADDRESS_MAX + 8];
    struct address address;

    (void)state;
    for (size_t len = ADDRESS_MAX - 2; len < ADDRESS_MAX + 2; len++) {
        memset(text, 'h', len);
        memcpy(text + len - 2, ":1", 3);
        assert_int_equal(address_read(text, &address), len < ADDRESS_MAX);
    }
}

static void the_address_for_devices_may_be_left_out(void **state)
{
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];

    (void)state;
    assert_int_equal(config_set(&config, "address", "hub.example.org:443", why), KITH_OK);
    assert_string_equal(config.address, "hub.example.org:443");
    assert_int_equal(config_set(&config, "address", "", why), KITH_OK);
    assert_string_equal(config.address, "");
    assert_refused("address", "nowhere", "HOST:PORT");
}

static void metrics_are_for_this_machine_alone(void **state)
{
    static const char *const good[] = {"",           "127.0.0.1:7581",         "127.255.0.9:1",
                                       "[::1]:7581", "/run/kith/metrics.sock", "/m"};
    static const char *const wrong[] = {
        "0.0.0.0:7581",   "10.0.0.1:7581",   "[::]:7581",           "[::2]:7581",
        "localhost:7581", "hub.example:1",   "127.0.0.1",           "127.0.0.1:0",
        "127.1:7581",     "128.0.0.1:7581",  "ws://127.0.0.1:1",    "run/metrics.sock",
        "/run/a#b",       "/run/a\nb",       "[::ffff:10.0.0.1]:1", "127.0.0.1.example.org:1",
        "7581",           "wss://127.0.0.1", "[fe80::1%lo]:1"};
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];
    char longest[CONFIG_LOCAL_MAX + 1] = "/";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(config_set(&config, "metrics", good[i], why), KITH_OK);
        assert_string_equal(config.metrics, good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_refused("metrics", wrong[i], "this machine alone");
    memset(longest + 1, 'm', sizeof longest - 2);
    assert_refused("metrics", longest, "bytes");
    longest[CONFIG_LOCAL_MAX - 1] = '\0';
    assert_int_equal(config_set(&config, "metrics", longest, why), KITH_OK);
}

static void a_name_is_one_line_that_a_file_can_hold(void **state)
{
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];
    char longest[CONFIG_NAME_MAX + 1];

    (void)state;
    assert_int_equal(config_set(&config, "name", "Puertas Abiertas, ni\xc3\xb1os = 3", why),
                     KITH_OK);
    assert_string_equal(config.name, "Puertas Abiertas, ni\xc3\xb1os = 3");
    assert_refused("name", "two\nlines", "one line");
    assert_refused("name", "a # comment", "#");
    assert_refused("name", "bell\a", "one line");
    memset(longest, 'n', sizeof longest);
    longest[CONFIG_NAME_MAX] = '\0';
    assert_refused("name", longest, "bytes");
    longest[CONFIG_NAME_MAX - 1] = '\0';
    assert_int_equal(config_set(&config, "name", longest, why), KITH_OK);
}

static void a_key_that_is_not_in_the_table_is_named(void **state)
{
    (void)state;
    assert_refused("sessions", "1", "no setting");
    assert_refused("Listen", "127.0.0.1:1", "no setting");
}

static struct config unusual(void)
{
    struct config config = defaults();

    (void)snprintf(config.listen, sizeof config.listen, "[::]:1");
    (void)snprintf(config.address, sizeof config.address, "hub.example.org:2");
    (void)snprintf(config.name, sizeof config.name, "a name = of sorts");
    (void)snprintf(config.user, sizeof config.user, "nobody");
    (void)snprintf(config.metrics, sizeof config.metrics, "/run/kith/metrics.sock");
#define RAISE(field, preset, least, most, unit, change, sentence) config.field++;
    CONFIG_NUMBERS(RAISE)
    return config;
}

static void what_is_written_reads_back_the_same(void **state)
{
    static void (*const writers[])(const struct config *config, FILE *out) = {config_write_all,
                                                                              config_write_given};
    const struct config written[] = {defaults(), unusual()};
    char why[CONFIG_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct config read = defaults();
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        writers[i % 2](&written[i / 2], file);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(config_read(&read, path, why), KITH_OK);
        assert_config_equal(&read, &written[i / 2]);
    }
}

static void a_default_is_not_written_down_for_good(void **state)
{
    struct config config = defaults();
    char text[256] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_non_null(out);
    config.idle_s = 77;
    config_write_given(&config, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "idle_s = 77\n");
}

static void a_file_may_have_comments_blank_lines_and_white_space(void **state)
{
    struct config config = defaults();
    struct config expected = defaults();
    char why[CONFIG_WHY_MAX];

    (void)state;
    expected.idle_s = 7;
    expected.stall_s = 8;
    (void)snprintf(expected.name, sizeof expected.name, "Open  Door");
    file_is(bytes_text("# a hub\n\n  idle_s=7   # short\r\n\tstall_s\t=\t8\n   \nname =  Open  "
                       "Door  \naddress =\n#"));
    assert_int_equal(config_read(&config, path, why), KITH_OK);
    assert_config_equal(&config, &expected);
}

static void a_last_line_without_an_end_counts(void **state)
{
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];

    (void)state;
    file_is(bytes_text("idle_s = 7"));
    assert_int_equal(config_read(&config, path, why), KITH_OK);
    assert_int_equal(config.idle_s, 7);
}

static void a_later_file_goes_over_an_earlier_one(void **state)
{
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];

    (void)state;
    file_is(bytes_text("idle_s = 7\nstall_s = 8\n"));
    assert_int_equal(config_read(&config, path, why), KITH_OK);
    file_is(bytes_text("idle_s = 9\n"));
    assert_int_equal(config_read(&config, path, why), KITH_OK);
    assert_int_equal(config.idle_s, 9);
    assert_int_equal(config.stall_s, 8);
}

static void a_wrong_line_is_named_and_nothing_of_its_file_counts(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"idle_s = 7\nidle\n", "line 2: expected key = value"},
        {"idle_s = 7\n\nidle_s = 8\n", "line 3: idle_s: set twice"},
        {"idle_s = 7\nlisten = 1\n", "line 2: listen: expected HOST:PORT"},
        {"idle_s = 7\nstall_s = 0\n",
         "line 2: stall_s: expected a number from 1 to 3600 (seconds)"},
        {"idle_s = 7\n= 3\n", "line 2: there is no setting ''"},
        {"colour = red\n", "line 1: there is no setting 'colour'"},
    };
    const struct config before = defaults();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config config = before;
        char why[CONFIG_WHY_MAX] = "";
        file_is(bytes_text(rows[i].text));
        assert_int_equal(config_read(&config, path, why), KITH_INPUT);
        assert_config_equal(&config, &before);
        assert_non_null(strstr(why, path));
        assert_non_null(strstr(why, rows[i].why));
    }
}

/* What config_check told, as one text. */
struct told {
    char text[2048];
    size_t len;
};

static void tell(void *owner, unsigned line, const char *why)
{
    struct told *told = owner;

    told->len += (size_t)snprintf(told->text + told->len, sizeof told->text - told->len, "%u: %s\n",
                                  line, why);
}

static void a_check_tells_of_every_wrong_line(void **state)
{
    struct config config = defaults();
    struct told told = {.len = 0};
    char text[4096] = "idle_s = x\nstall_s = 8\ncolour = red\n";

    (void)state;
    memset(text + strlen(text), 'y', 2000);
    (void)snprintf(text + strlen(text), 100, "\nstall_s = 9\nname\n");
    file_is(bytes_text(text));
    assert_int_equal(config_check(&config, path, &told, tell), KITH_INPUT);
    assert_string_equal(told.text, "1: idle_s: expected a number from 1 to 86400 (seconds)\n"
                                   "3: there is no setting 'colour'\n"
                                   "4: longer than 510 bytes, or not text\n"
                                   "5: stall_s: set twice\n"
                                   "6: expected key = value\n");
    told.len = 0;
    assert_int_equal(config_check(&config, "/tmp/kith-test-config-none/of/these", &told, tell),
                     KITH_NOT_FOUND);
    assert_string_equal(told.text, "0: No such file or directory\n");
}

static void each_setting_is_compared_and_copied_by_its_number(void **state)
{
    const struct config other = unusual();
    struct config config = defaults();
    uint32_t number;

    (void)state;
    for (size_t i = 0; i < config_count(); i++) {
        assert_true(config_differs(&config, &other, i));
        config_copy(&config, &other, i);
        assert_false(config_differs(&config, &other, i));
    }
    assert_config_equal(&config, &other);
    for (size_t i = 0; i < config_count(); i++) {
        if (strcmp(config_key(i), "listen") == 0) {
            assert_int_equal(config_change(i), CONFIG_AT_START);
            assert_false(config_number(&config, i, &number));
        }
        if (strcmp(config_key(i), "idle_s") == 0) {
            assert_int_equal(config_change(i), CONFIG_LIVE);
            assert_true(config_number(&config, i, &number));
            assert_int_equal(number, config.idle_s);
        }
    }
}

static void a_file_that_is_not_text_is_refused(void **state)
{
    uint8_t noise[5000];
    struct config config = defaults();
    char why[CONFIG_WHY_MAX];

    (void)state;
    memset(noise, 'x', sizeof noise);
    file_is(bytes_of(noise, sizeof noise));
    assert_int_equal(config_read(&config, path, why), KITH_INPUT);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 167 + 13);
    file_is(bytes_of(noise, sizeof noise));
    assert_int_equal(config_read(&config, path, why), KITH_INPUT);
    file_is(bytes_of("idle_s = 7\0garbage\n", 20));
    assert_int_equal(config_read(&config, path, why), KITH_INPUT);
}

static void a_missing_file_is_not_found(void **state)
{
    struct config config = defaults();
    char why[CONFIG_WHY_MAX] = "";

    (void)state;
    assert_int_equal(config_read(&config, "/tmp/kith-test-config-none/of/these", why),
                     KITH_NOT_FOUND);
    assert_non_null(strstr(why, "/tmp/kith-test-config-none/of/these"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_table),
        cmocka_unit_test(every_number_takes_its_bounds_and_nothing_beyond),
        cmocka_unit_test(a_number_is_digits_alone_in_the_unit_of_its_key),
        cmocka_unit_test(the_unit_of_a_time_is_in_its_key),
        cmocka_unit_test(an_address_is_a_host_and_a_port),
        cmocka_unit_test(an_address_of_the_web_names_what_carries_it),
        cmocka_unit_test(an_address_that_no_code_could_carry_is_refused),
        cmocka_unit_test(the_address_for_devices_may_be_left_out),
        cmocka_unit_test(metrics_are_for_this_machine_alone),
        cmocka_unit_test(a_name_is_one_line_that_a_file_can_hold),
        cmocka_unit_test(a_key_that_is_not_in_the_table_is_named),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_default_is_not_written_down_for_good),
        cmocka_unit_test(a_file_may_have_comments_blank_lines_and_white_space),
        cmocka_unit_test(a_last_line_without_an_end_counts),
        cmocka_unit_test(a_later_file_goes_over_an_earlier_one),
        cmocka_unit_test(a_wrong_line_is_named_and_nothing_of_its_file_counts),
        cmocka_unit_test(a_check_tells_of_every_wrong_line),
        cmocka_unit_test(each_setting_is_compared_and_copied_by_its_number),
        cmocka_unit_test(a_file_that_is_not_text_is_refused),
        cmocka_unit_test(a_missing_file_is_not_found),
    };

    return cmocka_run_group_tests(tests, file_make, file_remove);
}
