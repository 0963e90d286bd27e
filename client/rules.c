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
#define NPI_DIGITS  10

enum setting_kind {
    SETTING_WORD,
    SETTING_DATE,
    SETTING_NUMBER,   /* from 0 */
    SETTING_POSITIVE, /* from 1 */
    SETTING_CHOICE,   /* one of `choices`, by its place */
    SETTING_NPI,
    SETTING_FIELDS, /* names of a visit's fields */
};

/* What a line of a pack may say, and where that goes. */
static const struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    size_t size; /* of a text */
    const char *choices;
} settings[] = {
#define TEXT(name, kind)                                                                           \
    {                                                                                              \
#name, kind, offsetof(struct rules, name), sizeof(((struct rules *)0)->name), ""           \
    }
#define VALUE(name, member, kind, choices)                                                         \
    {                                                                                              \
        name, kind, offsetof(struct rules, member), 0, choices                                     \
    }
    TEXT(name, SETTING_WORD),
    TEXT(version, SETTING_WORD),
    TEXT(effective, SETTING_DATE),
    TEXT(payer, SETTING_WORD),
    TEXT(agency_npi, SETTING_NPI),
    TEXT(tax_id, SETTING_WORD),
    VALUE("unit_minutes", unit_minutes, SETTING_POSITIVE, ""),
    VALUE("rounding", rounding, SETTING_CHOICE, "floor eight ceil half_up tenth80"),
    VALUE("per", is_per_day, SETTING_CHOICE, "visit day"),
    VALUE("units_per_day_max", units_per_day_max, SETTING_NUMBER, ""),
    VALUE("group_size_max", group_size_max, SETTING_NUMBER, ""),
    TEXT(codes, SETTING_WORD),
    TEXT(modifiers, SETTING_WORD),
    TEXT(requires, SETTING_FIELDS),
    TEXT(credential_kinds, SETTING_WORD),
    VALUE("diagnosis", needs_diagnosis, SETTING_CHOICE, "optional required"),
    VALUE("authorization", needs_authorization, SETTING_CHOICE, "optional required"),
    VALUE("credential", credential, SETTING_CHOICE, "warn required"),
    VALUE("due_hours", due_hours, SETTING_POSITIVE, ""),
    VALUE("due_hours_crisis", due_hours_crisis, SETTING_POSITIVE, ""),
    VALUE("due_hours_cosign", due_hours_cosign, SETTING_NUMBER, ""),
    VALUE("cosign", cosign, SETTING_CHOICE, "none trainees all"),
    VALUE("training_hours", training_hours, SETTING_NUMBER, ""),
    VALUE("training_months", training_months, SETTING_POSITIVE, ""),
    VALUE("supervised_hours", supervised_hours, SETTING_NUMBER, ""),
    VALUE("supervision_per_month", supervision_per_month, SETTING_NUMBER, ""),
#undef TEXT
#undef VALUE
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define SETTING_COUNT   COUNT_OF(settings)
#define SETTINGS_NEEDED 3 /* the first ones */

static const char *const group_words[RULES_GROUP_COUNT] = {"place", "modifier", "charge",
                                                           "training"};

/* Places of service as claims number them (CMS, place of service code set). */
static const char *const default_places[][2] = {
    {"home", "12"},       {"shelter", "04"}, {"clinic", "53"}, {"office", "11"},
    {"community", "99"},  {"school", "03"},  {"jail", "09"},   {"hospital", "21"},
    {"telehealth", "02"}, {"other", "99"},
};

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
        .training_months = 24,
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
    bool is_given[SETTING_COUNT];
    char *why;
};

static enum kith_err wrong_with(const struct reader *reader, const char *what, const char *which)
{
    (void)snprintf(reader->why, RULES_WHY_MAX, "line %u: %s%s", reader->line, what, which);
    return KITH_INPUT;
}

static enum kith_err wrong(const struct reader *reader, const char *what)
{
    return wrong_with(reader, what, "");
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

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static enum kith_err take_number(const struct reader *reader, struct bytes value, unsigned least,
                                 unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.ptr[i]) || *number > NUMBER_MAX)
            return wrong(reader, "expected a whole number");
        *number = *number * 10 + (unsigned)(value.ptr[i] - '0');
    }
    return value.len > 0 && *number >= least ? KITH_OK
                                             : wrong(reader, "expected a whole number above 0");
}

/* The next word of a list; empty at its end. */
static struct bytes next_word(const char **list)
{
    const char *word = *list + strspn(*list, " ");
    size_t len = strcspn(word, " ");

    *list = word + len;
    return bytes_of(word, len);
}

static enum kith_err take_choice(const struct reader *reader, struct bytes value,
                                 const char *choices, unsigned *choice)
{
    struct bytes word;

    *choice = 0;
    for (const char *at = choices; (word = next_word(&at)).len > 0; (*choice)++)
        if (bytes_equal(value, word))
            return KITH_OK;
    return wrong_with(reader, "expected one of: ", choices);
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

static enum kith_err take_npi(const struct reader *reader, struct bytes value, char *to,
                              size_t size)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.len != NPI_DIGITS || !is_digit(value.ptr[i]))
            return wrong(reader, "expected an NPI of ten digits");
    return take_word(reader, value, to, size);
}

static enum kith_err take_fields(const struct reader *reader, struct bytes value, char *to,
                                 size_t size)
{
    char name[RULES_WORD_MAX];
    struct bytes word;
    enum kith_err err = take_word(reader, value, to, size);

    for (const char *at = to; !err && (word = next_word(&at)).len > 0;) {
        (void)snprintf(name, sizeof name, "%.*s", (int)word.len, (const char *)word.ptr);
        if (!schema_field(schema_type("visit"), name))
            err = wrong_with(reader, "a visit has no field ", name);
    }
    return err;
}

static enum kith_err take_value(const struct reader *reader, const struct setting *setting,
                                struct bytes value)
{
    char *text = (char *)reader->rules + setting->offset;
    unsigned number = 0;
    enum kith_err err = KITH_OK;

    switch (setting->kind) {
    case SETTING_WORD:
        return take_word(reader, value, text, setting->size);
    case SETTING_DATE:
        return take_date(reader, value);
    case SETTING_NPI:
        return take_npi(reader, value, text, setting->size);
    case SETTING_FIELDS:
        return take_fields(reader, value, text, setting->size);
    case SETTING_NUMBER:
        err = take_number(reader, value, 0, &number);
        break;
    case SETTING_POSITIVE:
        err = take_number(reader, value, 1, &number);
        break;
    case SETTING_CHOICE:
        err = take_choice(reader, value, setting->choices, &number);
        break;
    }
    if (!err)
        memcpy(text, &number, sizeof number);
    return err;
}

/* "18.75" as cents; -1 if it is none. */
static int64_t cents_of(struct bytes text)
{
    int64_t cents = 0;
    size_t at = 0;

    for (; at < text.len && is_digit(text.ptr[at]) && cents < NUMBER_MAX; at++)
        cents = cents * 10 + (text.ptr[at] - '0');
    if (at == 0 || (at < text.len && (text.ptr[at] != '.' || text.len - at != 3)))
        return -1;
    cents *= 100;
    if (at < text.len) {
        if (!is_digit(text.ptr[at + 1]) || !is_digit(text.ptr[at + 2]))
            return -1;
        cents += (text.ptr[at + 1] - '0') * 10 + (text.ptr[at + 2] - '0');
    }
    return cents;
}

static bool is_code(struct bytes text, size_t len)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.ptr[i]) && !(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z'))
            return false;
    return text.len == len;
}

static enum kith_err check_entry(const struct reader *reader, const struct rules_entry *entry)
{
    const char *places = schema_field(schema_type("visit"), "place")->choices;
    unsigned number = 0;

    switch (entry->group) {
    case RULES_PLACE: {
        enum kith_err err = take_choice(reader, bytes_text(entry->name), places, &number);
        if (err)
            return err;
        return is_code(bytes_text(entry->value), 2) ? KITH_OK
                                                    : wrong(reader, "expected a code like 12");
    }
    case RULES_MODIFIER: {
        enum kith_err err = take_choice(reader, bytes_text(entry->name),
                                        "group phone video MH SUD trainee", &number);
        if (err)
            return err;
        return is_code(bytes_text(entry->value), 2) ? KITH_OK
                                                    : wrong(reader, "expected a modifier like HQ");
    }
    case RULES_CHARGE:
        return cents_of(bytes_text(entry->value)) >= 0
                   ? KITH_OK
                   : wrong(reader, "expected an amount like 18.75");
    case RULES_TRAINING:
        return take_number(reader, bytes_text(entry->value), 1, &number);
    case RULES_GROUP_COUNT:
        break;
    }
    return KITH_INPUT;
}

/* "place.home = 12" */
static enum kith_err take_entry(const struct reader *reader, enum rules_group group,
                                struct bytes name, struct bytes value)
{
    struct rules *rules = reader->rules;
    struct rules_entry *entry = &rules->entries[rules->entry_count];

    if (rules_entry(rules, group, name))
        return wrong(reader, "given twice");
    if (rules->entry_count == RULES_ENTRIES_MAX)
        return wrong(reader, "too many settings");
    entry->group = group;
    enum kith_err err = take_word(reader, name, entry->name, sizeof entry->name);
    if (!err)
        err = take_word(reader, value, entry->value, sizeof entry->value);
    if (!err)
        err = check_entry(reader, entry);
    if (!err)
        rules->entry_count++;
    return err;
}

static enum kith_err take_named(struct reader *reader, struct bytes name, struct bytes value)
{
    const uint8_t *dot = memchr(name.ptr, '.', name.len);
    struct bytes group = bytes_of(name.ptr, dot ? (size_t)(dot - name.ptr) : 0);

    for (unsigned i = 0; dot && i < RULES_GROUP_COUNT; i++)
        if (bytes_equal(group, bytes_text(group_words[i])))
            return take_entry(reader, (enum rules_group)i, bytes_after(name, group.len + 1), value);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (!bytes_equal(name, bytes_text(settings[i].name)))
            continue;
        if (reader->is_given[i])
            return wrong(reader, "given twice");
        reader->is_given[i] = true;
        return take_value(reader, &settings[i], value);
    }
    return wrong(reader, "a name that this version does not know");
}

static enum kith_err take_setting(struct reader *reader, struct bytes line)
{
    const uint8_t *equals = memchr(line.ptr, '=', line.len);

    if (!equals)
        return wrong(reader, "expected NAME = VALUE");
    size_t len = (size_t)(equals - line.ptr);
    return take_named(reader, trimmed(bytes_of(line.ptr, len)),
                      trimmed(bytes_after(line, len + 1)));
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
    for (size_t i = 0; i < SETTINGS_NEEDED && !err; i++)
        if (!reader.is_given[i]) {
            (void)snprintf(why, RULES_WHY_MAX, "'%s' is missing", settings[i].name);
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

    switch ((enum rounding)rules->rounding) {
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

bool rules_list_has(const char *list, struct bytes word)
{
    struct bytes known;

    if (!*list)
        return true;
    for (const char *at = list; (known = next_word(&at)).len > 0;)
        if (bytes_equal(known, word))
            return true;
    return false;
}

bool rules_know_code(const struct rules *rules, struct bytes code)
{
    return rules_list_has(rules->codes, code);
}

bool rules_require(const struct rules *rules, const char *field)
{
    return rules->requires[0] && rules_list_has(rules->requires, bytes_text(field));
}

const char *rules_entry(const struct rules *rules, enum rules_group group, struct bytes name)
{
    for (size_t i = 0; i < rules->entry_count; i++)
        if (rules->entries[i].group == group &&
            bytes_equal(bytes_text(rules->entries[i].name), name))
            return rules->entries[i].value;
    return NULL;
}

const char *rules_place(const struct rules *rules, struct bytes place)
{
    const char *said = rules_entry(rules, RULES_PLACE, place);

    for (size_t i = 0; !said && i < COUNT_OF(default_places); i++)
        if (bytes_equal(bytes_text(default_places[i][0]), place))
            said = default_places[i][1];
    return said;
}

int64_t rules_charge(const struct rules *rules, struct bytes code, int64_t units_tenths)
{
    const char *each = rules_entry(rules, RULES_CHARGE, code);

    return each ? (cents_of(bytes_text(each)) * units_tenths + TENTHS / 2) / TENTHS : -1;
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

bool rules_list_names_payers(const struct rules_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->packs[i].payer[0])
            return true;
    return false;
}

/* Whether `pack` comes before `best`: the payer's own before the general ones, then the later. */
static bool is_better(const struct rules *pack, const struct rules *best)
{
    if (!best || !pack->payer[0] != !best->payer[0])
        return !best || pack->payer[0];
    int order = strcmp(pack->effective, best->effective);
    return order > 0 || (order == 0 && strcmp(pack->version, best->version) > 0);
}

const struct rules *rules_on(const struct rules_list *list, struct bytes payer, struct bytes day)
{
    const struct rules *best = NULL;
    char date[RULES_WORD_MAX] = "9999-12-31";

    if (day.len > 0 && day.len < sizeof date) {
        memcpy(date, day.ptr, day.len);
        date[day.len] = '\0';
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct rules *pack = &list->packs[i];
        bool is_for_all = pack->payer[0] == '\0';
        if (strcmp(pack->effective, date) <= 0 &&
            (is_for_all || bytes_equal(bytes_text(pack->payer), payer)) && is_better(pack, best))
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
