/* SPDX-License-Identifier: Apache-2.0 */
/* What people type: words of the command line, and the text that their editor leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/arguments.h"
#include "client/cli/input.h"
#include "client/cli/template.h"
#include "client/cli/when.h"

static char folder[512];
static char path[540];

static int folder_make(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.400s/kith-test-input-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/text", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void file_write(const void *text, size_t len)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    (void)close(fd);
}

static void each_form_of_a_field_is_read(void **unused)
{
    static const struct {
        const char *word;
        const char *field; /* NULL: refused */
        char op;
        const char *value;
    } words[] = {
        {"name=Rosa Lind", "name", '=', "Rosa Lind"},
        {"name=", "name", '=', ""},
        {"phone+=555 0101", "phone", '+', "555 0101"},
        {"phone-=555 0101", "phone", '-', "555 0101"},
        {"plan_next=a=b", "plan_next", '=', "a=b"},
        {"what_was_done=-- no --", "what_was_done", '=', "-- no --"},
        {"self_rating=-1", "self_rating", '=', "-1"},
        {"field2=\xC3\xA9", "field2", '=', "\xC3\xA9"},
        {"", NULL, 0, NULL},
        {"name", NULL, 0, NULL},
        {"=value", NULL, 0, NULL},
        {"+=value", NULL, 0, NULL},
        {"name+", NULL, 0, NULL},
        {"name-value", NULL, 0, NULL},
        {"Name=x", NULL, 0, NULL},
        {"na me=x", NULL, 0, NULL},
        {"name:x", NULL, 0, NULL},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct inputs inputs = {0};
        char why[INPUT_WHY_MAX];
        enum kith_err err = inputs_add_word(&inputs, words[i].word, why);
        assert_int_equal(err, words[i].field ? KITH_OK : KITH_INPUT);
        assert_int_equal(inputs.count, words[i].field ? 1 : 0);
        if (words[i].field) {
            assert_string_equal(inputs.items[0].field, words[i].field);
            assert_int_equal(inputs.items[0].op, words[i].op);
            assert_string_equal(inputs.items[0].value, words[i].value);
        } else {
            assert_true(why[0]);
        }
        inputs_clear(&inputs);
    }
}

static void a_file_is_read_without_its_last_line_end(void **unused)
{
    static const struct {
        const char *text;
        const char *read;
    } files[] = {
        {"", ""},       {"one\n", "one"},   {"one\n\n", "one\n"}, {"one\r\ntwo\r\n", "one\ntwo"},
        {"one", "one"}, {"a\rb\n", "a\rb"}, {"\n", ""},
    };
    char word[600];
    char why[INPUT_WHY_MAX];

    (void)unused;
    (void)snprintf(word, sizeof word, "purpose=@%s", path);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct inputs inputs = {0};
        file_write(files[i].text, strlen(files[i].text));
        assert_int_equal(inputs_add_word(&inputs, word, why), KITH_OK);
        assert_string_equal(inputs.items[0].value, files[i].read);
        inputs_clear(&inputs);
    }
}

static void a_file_that_is_missing_too_long_or_no_text_is_refused(void **unused)
{
    struct inputs inputs = {0};
    char *large = calloc(1, INPUT_TEXT_MAX + 1);
    char word[600];
    char why[INPUT_WHY_MAX];

    (void)unused;
    assert_non_null(large);
    (void)snprintf(word, sizeof word, "purpose+=@%s", path);
    assert_int_equal(inputs_add_word(&inputs, word, why), KITH_NOT_FOUND);
    assert_true(why[0]);
    memset(large, 'a', INPUT_TEXT_MAX + 1);
    file_write(large, INPUT_TEXT_MAX + 1);
    assert_int_equal(inputs_add_word(&inputs, word, why), KITH_TOO_LARGE);
    file_write(large, INPUT_TEXT_MAX);
    assert_int_equal(inputs_add_word(&inputs, word, why), KITH_OK);
    assert_int_equal(inputs.count, 1);
    assert_int_equal(strlen(inputs.items[0].value), INPUT_TEXT_MAX);
    file_write("a\0b", 3);
    assert_int_equal(inputs_add_word(&inputs, word, why), KITH_INPUT);
    inputs_clear(&inputs);
    free(large);
}

static void standard_input_is_read_once(void **unused)
{
    struct inputs inputs = {0};
    char why[INPUT_WHY_MAX];

    (void)unused;
    file_write("from outside\n", 13);
    assert_non_null(freopen(path, "r", stdin));
    assert_int_equal(inputs_add_word(&inputs, "response=-", why), KITH_OK);
    assert_string_equal(inputs.items[0].value, "from outside");
    assert_int_equal(inputs_add_word(&inputs, "purpose=-", why), KITH_INPUT);
    assert_int_equal(inputs.count, 1);
    inputs_clear(&inputs);
}

#define SYNTAX "ID [FIELD=VALUE...] --name NAME [--since TIME] [--qr]"

static void command_lines_follow_their_syntax(void **unused)
{
    static const struct {
        const char *words[8];
        const char *why; /* NULL: accepted */
        size_t count;
    } lines[] = {
        {{"id", "--name", "Anna"}, NULL, 1},
        {{"--name=Anna", "id", "a=1", "b=2", "--qr"}, NULL, 3},
        {{"--name", "--qr", "id"}, NULL, 1},
        {{"id", "--name", "Anna", "--", "--qr"}, NULL, 2},
        {{"id", "a=1"}, "--name is missing", 0},
        {{"--name", "Anna"}, "ID is missing", 0},
        {{"id", "--name"}, "--name needs a value after it", 0},
        {{"id", "--name", "Anna", "--qr=1"}, "--qr takes no value", 0},
        {{"id", "--name", "Anna", "--name", "Ben"}, "--name is given twice", 0},
        {{"id", "--name", "Anna", "--nam"}, "there is no option --nam here", 0},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct arguments arguments;
        char why[ARGUMENTS_WHY_MAX];
        char copies[8][32];
        char *words[8];
        int count = 0;
        for (; lines[i].words[count]; count++) {
            (void)snprintf(copies[count], sizeof copies[count], "%s", lines[i].words[count]);
            words[count] = copies[count];
        }
        bool is_read = arguments_read(SYNTAX, count, words, &arguments, why);
        assert_int_equal(is_read, !lines[i].why);
        if (lines[i].why) {
            assert_string_equal(why, lines[i].why);
            continue;
        }
        assert_int_equal(arguments.count, lines[i].count);
        assert_string_equal(arguments.words[0], "id");
        assert_non_null(arguments_option(&arguments, "--name"));
        assert_null(arguments_option(&arguments, "--since"));
    }
}

static void a_word_too_many_is_named(void **unused)
{
    struct arguments arguments;
    char why[ARGUMENTS_WHY_MAX];
    char first[] = "first";
    char second[] = "second";
    char *words[] = {first, second};

    (void)unused;
    assert_false(arguments_read("ID [--qr]", 2, words, &arguments, why));
    assert_string_equal(why, "\"second\" is one word too many");
    assert_false(arguments_read("", 1, words, &arguments, why));
    assert_true(arguments_read("ID [VALUE]", 1, words, &arguments, why));
    assert_true(arguments_read("ID [VALUE]", 2, words, &arguments, why));
}

static void durations_have_a_unit_and_an_end(void **unused)
{
    static const struct {
        const char *text;
        uint64_t minutes; /* 0: refused */
    } texts[] = {
        {"7d", 7 * 24 * 60}, {"12h", 720}, {"30m", 30}, {"1m", 1},  {"3653d", 3653ull * 24 * 60},
        {"3654d", 0},        {"", 0},      {"d", 0},    {"7", 0},   {"0d", 0},
        {"7dd", 0},          {"-1d", 0},   {" 7d", 0},  {"7 d", 0}, {"99999999999999999999m", 0},
        {"1w", 0},           {"1.5h", 0},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint64_t duration_ms = 0;
        assert_int_equal(duration_read(texts[i].text, &duration_ms), texts[i].minutes != 0);
        if (texts[i].minutes)
            assert_int_equal(duration_ms, texts[i].minutes * 60000);
    }
}

static void times_are_written_with_their_offset_and_read_back(void **unused)
{
    static const char *const zones[] = {"UTC", "America/New_York", "Asia/Kolkata",
                                        "Pacific/Auckland"};
    char text[WHEN_TEXT_MAX];

    (void)unused;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        uint64_t time_ms = 0;
        assert_int_equal(setenv("TZ", zones[i], 1), 0);
        tzset();
        assert_true(when_read(when_text(1772463900000, text), 0, &time_ms));
        assert_int_equal(time_ms, 1772463900000);
    }
    assert_int_equal(setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1), 0);
    tzset();
    assert_string_equal(when_text(1772463900000, text), "2026-03-02T10:05:00-05:00");
    assert_string_equal(when_text(0, text), "");
    uint64_t midnight_ms = 0;
    assert_true(when_read("2026-03-02", 0, &midnight_ms));
    assert_int_equal(midnight_ms, 1772427600000);
    assert_false(when_read("soon", 0, &midnight_ms));
    assert_false(when_read("2026-02-30", 0, &midnight_ms));
}

#define FIELD(field, value, merge, words, text)                                                    \
    {                                                                                              \
        .name = (field), .kind = (value), .class = (merge), .choices = (words), .help = (text),    \
        .asks = ""                                                                                 \
    }

static const struct kith_schema_field fields[] = {
    {.name = "date",
     .kind = "date",
     .class = "exact",
     .choices = "",
     .help = "Day of the visit",
     .asks = "",
     .is_required = true},
    FIELD("risk", "choice", "restrict", "none concern urgent", "Was there a safety concern?"),
    FIELD("phone", "text", "set", "", "Phone numbers"),
    FIELD("response", "prose", "narrative", "", "How the person responded"),
    FIELD("plan_next", "prose", "narrative", "", "What comes next"),
    FIELD("progress", "prose", "entries", "", "Progress"),
    FIELD("kind", "choice", "fixed", "a b", "Kind"),
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

static struct template template_of(const struct kith_record *record)
{
    return (struct template){
        .type = "visit", .fields = fields, .field_count = FIELD_COUNT, .record = record};
}

/* The text with `line` put in after the first line that is `after`. */
static char *with_line(const char *text, const char *after, const char *line)
{
    char *longer = NULL;
    const char *at = strstr(text, after);

    assert_non_null(at);
    at += strlen(after);
    assert_true(asprintf(&longer, "%.*s\n%s%s", (int)(at - text), text, line, at) > 0);
    return longer;
}

static void assert_input(const struct inputs *inputs, size_t at, const char *field, char op,
                         const char *value)
{
    assert_true(at < inputs->count);
    assert_string_equal(inputs->items[at].field, field);
    assert_int_equal(inputs->items[at].op, op);
    assert_string_equal(inputs->items[at].value, value);
}

static const struct kith_value date[] = {{.text = "2026-03-02"}};
static const struct kith_value phones[] = {{.text = "555 0101"}, {.text = "555 0102"}};
static const struct kith_value response[] = {
    {.text = "She smiled.\n\n# 3 on her list:\n[date]\n\\[date]\n\\\\# twice\n\\plain\nthe "
             "\"bus\"\n  indented"}};
static const struct kith_value plans[] = {
    {.text = "Call on Monday.\n# not earlier", .person = "Anna", .device = 2},
    {.text = "Wait.", .person = "Ben", .device = 3}};
static const struct kith_value progress[] = {{.text = "Went out alone.\nTwice."}};
static const struct kith_field present[] = {
    {.name = "date", .value_count = 1, .values = date},
    {.name = "phone", .is_list = true, .value_count = 2, .values = phones},
    {.name = "response", .value_count = 1, .values = response},
    {.name = "plan_next", .is_conflict = true, .value_count = 2, .values = plans},
    {.name = "progress", .is_list = true, .value_count = 1, .values = progress},
};
static const struct kith_record record = {
    .type = "visit", .state = "draft", .field_count = 5, .fields = present};

static void an_untouched_template_changes_nothing(void **unused)
{
    const struct kith_record *const records[] = {NULL, &record};

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct template template = template_of(records[i]);
        struct inputs inputs = {0};
        char why[INPUT_WHY_MAX];
        char *text = template_write(&template);
        assert_non_null(text);
        assert_int_equal(template_read(&template, text, text, &inputs, why), KITH_OK);
        assert_int_equal(inputs.count, 0);
        free(text);
    }
}

static void what_is_filled_in_becomes_inputs(void **unused)
{
    static const char filled[] = "[date]\n# Day of the visit. (needed)\n yesterday  \n\n"
                                 "[phone]\n555 0101\n\n555 0102\n"
                                 "[response]\n\n# 3 things went well.\n\nShe smiled.\n\n"
                                 "[progress]\nWent out.\nTwice.\n[risk]\n\n[kind]\na\n";
    struct template template = template_of(NULL);
    struct inputs inputs = {0};
    char why[INPUT_WHY_MAX];
    char *original = template_write(&template);

    (void)unused;
    assert_int_equal(template_read(&template, original, filled, &inputs, why), KITH_OK);
    assert_int_equal(inputs.count, 6);
    assert_input(&inputs, 0, "date", '=', "yesterday");
    assert_input(&inputs, 1, "phone", '+', "555 0101");
    assert_input(&inputs, 2, "phone", '+', "555 0102");
    assert_input(&inputs, 3, "response", '=', "# 3 things went well.\n\nShe smiled.");
    assert_input(&inputs, 4, "progress", '+', "Went out.\nTwice.");
    assert_input(&inputs, 5, "kind", '=', "a");
    inputs_clear(&inputs);
    free(original);
}

static void only_what_changed_is_written_again(void **unused)
{
    struct template template = template_of(&record);
    struct inputs inputs = {0};
    char why[INPUT_WHY_MAX];
    char *original = template_write(&template);
    char *text = with_line(original, "  indented", "And left.");
    char *edited = with_line(text, "# or leave it empty to decide later.", "Both.");
    char *phone = strstr(edited, "555 0102");

    (void)unused;
    assert_non_null(phone);
    phone[7] = '3';
    assert_null(strstr(original, "[kind]"));
    assert_int_equal(template_read(&template, original, edited, &inputs, why), KITH_OK);
    assert_int_equal(inputs.count, 4);
    assert_input(&inputs, 0, "phone", '-', "555 0102");
    assert_input(&inputs, 1, "phone", '+', "555 0103");
    assert_input(&inputs, 2, "response", '=',
                 "She smiled.\n\n# 3 on her list:\n[date]\n\\[date]\n\\\\# twice\n\\plain\nthe "
                 "\"bus\"\n  indented\n"
                 "And left.");
    assert_input(&inputs, 3, "plan_next", '=', "Both.");
    inputs_clear(&inputs);
    free(edited);
    free(text);
    free(original);
}

static void an_emptied_field_is_cleared(void **unused)
{
    struct template template = template_of(&record);
    struct inputs inputs = {0};
    char why[INPUT_WHY_MAX];
    char *original = template_write(&template);

    (void)unused;
    assert_int_equal(template_read(&template, original, "[date]\n\n[phone]\n", &inputs, why),
                     KITH_OK);
    assert_int_equal(inputs.count, 3);
    assert_input(&inputs, 0, "date", '=', "");
    assert_input(&inputs, 1, "phone", '-', "555 0101");
    assert_input(&inputs, 2, "phone", '-', "555 0102");
    inputs_clear(&inputs);
    free(original);
}

static void a_text_without_its_place_is_refused_not_lost(void **unused)
{
    static const char *const texts[] = {"a word before any field\n[date]\n",
                                        "[date]\n1\n[date]\n2\n"};
    struct template template = template_of(NULL);
    char *original = template_write(&template);

    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct inputs inputs = {0};
        char why[INPUT_WHY_MAX] = "";
        assert_int_equal(template_read(&template, original, texts[i], &inputs, why), KITH_INPUT);
        assert_true(why[0]);
        assert_int_equal(inputs.count, 0);
        inputs_clear(&inputs);
    }
    free(original);
}

#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_field_is_read),
        FOLDER_TEST(a_file_is_read_without_its_last_line_end),
        FOLDER_TEST(a_file_that_is_missing_too_long_or_no_text_is_refused),
        FOLDER_TEST(standard_input_is_read_once),
        cmocka_unit_test(command_lines_follow_their_syntax),
        cmocka_unit_test(a_word_too_many_is_named),
        cmocka_unit_test(durations_have_a_unit_and_an_end),
        cmocka_unit_test(times_are_written_with_their_offset_and_read_back),
        cmocka_unit_test(an_untouched_template_changes_nothing),
        cmocka_unit_test(what_is_filled_in_becomes_inputs),
        cmocka_unit_test(only_what_changed_is_written_again),
        cmocka_unit_test(an_emptied_field_is_cleared),
        cmocka_unit_test(a_text_without_its_place_is_refused_not_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
