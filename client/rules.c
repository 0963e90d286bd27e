/* SPDX-License-Identifier: Apache-2.0 */
#include "client/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/moment.h"

#define NUMBER_MAX  100000
#define EIGHT       8
#define TENTHS      10
#define TENTH80_MIN 8

/* What a line of a pack may say. */
enum rules_key {
    KEY_NAME,
    KEY_VERSION,
    KEY_EFFECTIVE,
    KEY_UNIT_MINUTES,
    KEY_ROUNDING,
    KEY_PER,
    KEY_UNITS_PER_DAY_MAX,
    KEY_CODES,
    KEY_DUE_HOURS,
    KEY_DUE_HOURS_CRISIS,
    KEY_COSIGN,
    KEY_COUNT
};

static const char *const keys[KEY_COUNT] = {
    "name",   "version",           "effective", "unit_minutes", "rounding",
    "per",    "units_per_day_max", "codes",     "due_hours",    "due_hours_crisis",
    "cosign",
};

static const char *const rounding_words[] = {"floor", "eight", "ceil", "half_up", "tenth80"};
static const char *const per_words[] = {"visit", "day"};
static const char *const cosign_words[] = {"none", "trainees", "all"};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

void rules_default(struct rules *rules)
{
    *rules = (struct rules){
        .name = "example",
        .version = "built-in",
        .effective = "0000-01-01",
        .unit_minutes = 15,
        .rounding = ROUND_EIGHT,
        .due_hours = 72,
        .due_hours_crisis = 24,
        .cosign = COSIGN_TRAINEES,
    };
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t'))
        text = bytes_after(text, 1);
    while (text.len > 0 && strchr(" \t\r", text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static struct bytes take_line(struct bytes *text)
{
    const uint8_t *end = memchr(text->ptr, '\n', text->len);
    struct bytes line = bytes_of(text->ptr, end ? (size_t)(end - text->ptr) : text->len);

    *text = bytes_after(*text, line.len + (end ? 1 : 0));
    return trimmed(line);
}

/* A text being read, line by line. */
struct reader {
    struct rules *rules;
    unsigned line;
    bool is_given[KEY_COUNT];
    char *why;
};

static enum kith_err wrong(const struct reader *reader, const char *what)
{
    (void)snprintf(reader->why, RULES_WHY_MAX, "line %u: %s", reader->line, what);
    return KITH_INPUT;
}

static enum kith_err take_word(const struct reader *reader, struct bytes value, char *to,
                               size_t size)
{
    if (value.len == 0 || value.len >= size || !wire_is_utf8(value))
        return wrong(reader, "expected a short text");
    memcpy(to, value.ptr, value.len);
    to[value.len] = '\0';
    return KITH_OK;
}

static enum kith_err take_number(const struct reader *reader, struct bytes value, unsigned least,
                                 unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || *number > NUMBER_MAX)
            return wrong(reader, "expected a whole number");
        *number = *number * 10 + (unsigned)(value.ptr[i] - '0');
    }
    return value.len > 0 && *number >= least ? KITH_OK
                                             : wrong(reader, "expected a whole number above 0");
}

static enum kith_err take_choice(const struct reader *reader, struct bytes value,
                                 const char *const *words, size_t count, unsigned *choice)
{
    char what[RULES_WHY_MAX] = "expected one of:";

    for (unsigned i = 0; i < count; i++) {
        if (bytes_equal(value, bytes_text(words[i]))) {
            *choice = i;
            return KITH_OK;
        }
        size_t len = strlen(what);
        (void)snprintf(what + len, sizeof what - len, " %s", words[i]);
    }
    return wrong(reader, what);
}

static enum kith_err take_date(const struct reader *reader, struct bytes value)
{
    char date[MOMENT_TEXT_MAX];
    enum kith_err err =
        take_word(reader, value, reader->rules->effective, sizeof reader->rules->effective);

    if (!err && (!moment_read_date(reader->rules->effective, 0, date) ||
                 strcmp(date, reader->rules->effective) != 0))
        return wrong(reader, "expected a date like 2026-03-02");
    return err;
}

static enum kith_err take_value(const struct reader *reader, enum rules_key key, struct bytes value)
{
    struct rules *rules = reader->rules;
    unsigned choice = 0;
    enum kith_err err = KITH_OK;

    switch (key) {
    case KEY_NAME:
        return take_word(reader, value, rules->name, sizeof rules->name);
    case KEY_VERSION:
        return take_word(reader, value, rules->version, sizeof rules->version);
    case KEY_EFFECTIVE:
        return take_date(reader, value);
    case KEY_UNIT_MINUTES:
        return take_number(reader, value, 1, &rules->unit_minutes);
    case KEY_ROUNDING:
        err = take_choice(reader, value, rounding_words, COUNT_OF(rounding_words), &choice);
        rules->rounding = (enum rounding)choice;
        return err;
    case KEY_PER:
        err = take_choice(reader, value, per_words, COUNT_OF(per_words), &choice);
        rules->is_per_day = choice == 1;
        return err;
    case KEY_UNITS_PER_DAY_MAX:
        return take_number(reader, value, 0, &rules->units_per_day_max);
    case KEY_CODES:
        return take_word(reader, value, rules->codes, sizeof rules->codes);
    case KEY_DUE_HOURS:
        return take_number(reader, value, 1, &rules->due_hours);
    case KEY_DUE_HOURS_CRISIS:
        return take_number(reader, value, 1, &rules->due_hours_crisis);
    case KEY_COSIGN:
        err = take_choice(reader, value, cosign_words, COUNT_OF(cosign_words), &choice);
        rules->cosign = (enum cosign_duty)choice;
        return err;
    case KEY_COUNT:
        break;
    }
    return KITH_INPUT;
}

static enum kith_err take_setting(struct reader *reader, struct bytes line)
{
    const uint8_t *equals = memchr(line.ptr, '=', line.len);

    if (!equals)
        return wrong(reader, "expected NAME = VALUE");
    size_t len = (size_t)(equals - line.ptr);
    struct bytes name = trimmed(bytes_of(line.ptr, len));
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        if (!bytes_equal(name, bytes_text(keys[key])))
            continue;
        if (reader->is_given[key])
            return wrong(reader, "given twice");
        reader->is_given[key] = true;
        return take_value(reader, (enum rules_key)key, trimmed(bytes_after(line, len + 1)));
    }
    return wrong(reader, "a name that this version does not know");
}

enum kith_err rules_parse(struct rules *rules, struct bytes text, char why[static RULES_WHY_MAX])
{
    struct reader reader = {.rules = rules, .why = why};
    enum kith_err err = KITH_OK;

    rules_default(rules);
    why[0] = '\0';
    while (text.len > 0 && !err) {
        struct bytes line = take_line(&text);
        reader.line++;
        if (line.len > 0 && *line.ptr != '#')
            err = take_setting(&reader, line);
    }
    for (unsigned key = KEY_NAME; key <= KEY_EFFECTIVE && !err; key++)
        if (!reader.is_given[key]) {
            (void)snprintf(why, RULES_WHY_MAX, "'%s' is missing", keys[key]);
            err = KITH_INPUT;
        }
    return err;
}

unsigned rules_units(const struct rules *rules, unsigned minutes)
{
    unsigned unit = rules->unit_minutes;
    unsigned whole = minutes / unit;
    unsigned rest = minutes % unit;
    unsigned tenths = rest * TENTHS / unit;

    switch (rules->rounding) {
    case ROUND_FLOOR:
        return whole * TENTHS;
    case ROUND_EIGHT:
        return (whole + (rest >= EIGHT)) * TENTHS;
    case ROUND_CEIL:
        return (whole + (rest > 0)) * TENTHS;
    case ROUND_HALF_UP:
        return (whole + (2 * rest >= unit)) * TENTHS;
    case ROUND_TENTH80:
        return whole * TENTHS + (tenths >= TENTH80_MIN ? TENTHS : tenths);
    }
    return 0;
}

bool rules_know_code(const struct rules *rules, struct bytes code)
{
    if (!rules->codes[0])
        return true;
    for (const char *at = rules->codes; *at;) {
        size_t len = strcspn(at, " ");
        if (bytes_equal(code, bytes_of(at, len)))
            return true;
        at += len + strspn(at + len, " ");
    }
    return false;
}

void rules_title(const struct rules *rules, char title[static 2 * RULES_WORD_MAX])
{
    (void)snprintf(title, 2 * RULES_WORD_MAX, "%s %s", rules->name, rules->version);
}

void rules_list_clear(struct rules_list *list)
{
    free(list->packs);
    *list = (struct rules_list){0};
}

static const struct rules *example(void)
{
    static struct rules built_in;

    rules_default(&built_in);
    return &built_in;
}

const struct rules *rules_on(const struct rules_list *list, struct bytes day)
{
    const struct rules *best = NULL;
    char date[RULES_WORD_MAX] = "9999-12-31";

    if (day.len > 0 && day.len < sizeof date) {
        memcpy(date, day.ptr, day.len);
        date[day.len] = '\0';
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct rules *pack = &list->packs[i];
        int order = best ? strcmp(pack->effective, best->effective) : 1;
        if (strcmp(pack->effective, date) <= 0 &&
            (order > 0 || (order == 0 && strcmp(pack->version, best->version) > 0)))
            best = pack;
    }
    return best ? best : example();
}

const struct rules *rules_titled(const struct rules_list *list, struct bytes title)
{
    char known[2 * RULES_WORD_MAX];

    rules_title(example(), known);
    if (bytes_equal(title, bytes_text(known)))
        return example();
    for (size_t i = 0; i < list->count; i++) {
        rules_title(&list->packs[i], known);
        if (bytes_equal(title, bytes_text(known)))
            return &list->packs[i];
    }
    return NULL;
}
