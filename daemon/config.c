/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

enum text_form { CONFIG_LISTEN, CONFIG_ADDRESS_OR_NONE, CONFIG_NAME };

struct text_setting {
    const char *key;
    enum text_form form;
    size_t offset;
    size_t bytes;
    const char *preset;
    const char *sentence;
};

static const struct text_setting texts[] = {
#define TEXT_ROW(field, form, bytes, preset, sentence)                                             \
    {#field, form, offsetof(struct config, field), bytes, preset, sentence},
    CONFIG_TEXTS(TEXT_ROW)
#undef TEXT_ROW
};
#define TEXT_COUNT (sizeof texts / sizeof *texts)

struct number_setting {
    const char *key;
    size_t offset;
    uint32_t preset;
    uint32_t least;
    uint32_t most;
    const char *unit;
    const char *sentence;
};

static const struct number_setting numbers[] = {
#define NUMBER_ROW(field, preset, least, most, unit, sentence)                                     \
    {#field, offsetof(struct config, field), preset, least, most, unit, sentence},
    CONFIG_NUMBERS(NUMBER_ROW)
#undef NUMBER_ROW
};
#define NUMBER_COUNT (sizeof numbers / sizeof *numbers)
_Static_assert(TEXT_COUNT + NUMBER_COUNT <= 32, "read_file marks in 32 bits what it has seen");

static void number_put(struct config *config, const struct number_setting *setting, uint32_t value)
{
    memcpy((char *)config + setting->offset, &value, sizeof value);
}

static uint32_t number_get(const struct config *config, const struct number_setting *setting)
{
    uint32_t value;

    memcpy(&value, (const char *)config + setting->offset, sizeof value);
    return value;
}

static const char *text_get(const struct config *config, const struct text_setting *setting)
{
    return (const char *)config + setting->offset;
}

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        memcpy((char *)config + texts[i].offset, texts[i].preset, strlen(texts[i].preset));
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        number_put(config, &numbers[i], numbers[i].preset);
}

/* Digits alone, at most `most`. */
static bool number_parse(const char *text, uint32_t most, uint32_t *value)
{
    uint64_t sum = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        sum = sum * 10 + (uint64_t)(*text - '0');
        if (sum > most)
            return false;
    }
    *value = (uint32_t)sum;
    return true;
}

static bool text_fits(const struct text_setting *setting, const char *value)
{
    struct address address;

    switch (setting->form) {
    case CONFIG_ADDRESS_OR_NONE:
        return !*value || address_read(value, &address);
    case CONFIG_LISTEN:
        return address_read(value, &address) && address.kind == ADDRESS_TCP;
    case CONFIG_NAME:
        for (const char *at = value; *at; at++)
            if (iscntrl((unsigned char)*at) || *at == '#')
                return false;
        return strlen(value) < setting->bytes;
    }
    return false;
}

static enum kith_err set_text(struct config *config, const struct text_setting *setting,
                              const char *value, char why[static CONFIG_WHY_MAX])
{
    if (!text_fits(setting, value)) {
        if (setting->form == CONFIG_NAME)
            (void)snprintf(why, CONFIG_WHY_MAX,
                           "%s: expected one line of less than %zu bytes without #", setting->key,
                           setting->bytes);
        else
            (void)snprintf(why, CONFIG_WHY_MAX,
                           "%s: expected HOST:PORT, as 127.0.0.1:7580 or [::1]:7580%s",
                           setting->key, setting->form == CONFIG_LISTEN ? "" : ", or wss://HOST");
        return KITH_INPUT;
    }
    char *to = (char *)config + setting->offset;
    memset(to, 0, setting->bytes);
    (void)snprintf(to, setting->bytes, "%s", value);
    return KITH_OK;
}

static enum kith_err set_number(struct config *config, const struct number_setting *setting,
                                const char *value, char why[static CONFIG_WHY_MAX])
{
    uint32_t number;

    if (!number_parse(value, setting->most, &number) || number < setting->least) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: expected a number from %u to %u (%s)",
                       setting->key, setting->least, setting->most, setting->unit);
        return KITH_INPUT;
    }
    number_put(config, setting, number);
    return KITH_OK;
}

/* The place of a key among all settings, TEXT_COUNT + NUMBER_COUNT if it is none. */
static size_t setting_find(const char *key)
{
    size_t i = 0;

    while (i < TEXT_COUNT + NUMBER_COUNT &&
           strcmp(key, i < TEXT_COUNT ? texts[i].key : numbers[i - TEXT_COUNT].key) != 0)
        i++;
    return i;
}

static enum kith_err set_found(struct config *config, size_t place, const char *value,
                               char why[static CONFIG_WHY_MAX])
{
    if (place < TEXT_COUNT)
        return set_text(config, &texts[place], value, why);
    return set_number(config, &numbers[place - TEXT_COUNT], value, why);
}

enum kith_err config_set(struct config *config, const char *key, const char *value,
                         char why[static CONFIG_WHY_MAX])
{
    size_t place = setting_find(key);

    if (place < TEXT_COUNT + NUMBER_COUNT)
        return set_found(config, place, value, why);
    (void)snprintf(why, CONFIG_WHY_MAX, "there is no setting '%.64s'", key);
    return KITH_INPUT;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (isspace((unsigned char)*text))
        text++;
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

static enum kith_err read_line(struct config *config, char *line, uint32_t *seen,
                               char why[static CONFIG_WHY_MAX])
{
    line[strcspn(line, "#")] = '\0';
    char *key = trim(line);
    char *equals = strchr(key, '=');

    if (!*key)
        return KITH_OK;
    if (!equals) {
        (void)snprintf(why, CONFIG_WHY_MAX, "expected key = value");
        return KITH_INPUT;
    }
    *equals = '\0';
    key = trim(key);
    size_t place = setting_find(key);
    if (place < TEXT_COUNT + NUMBER_COUNT && (*seen & (1u << place))) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: set twice", key);
        return KITH_INPUT;
    }
    if (place < TEXT_COUNT + NUMBER_COUNT)
        *seen |= 1u << place;
    return config_set(config, key, trim(equals + 1), why);
}

static enum kith_err read_file(struct config *config, FILE *file, unsigned *number,
                               char why[static CONFIG_WHY_MAX])
{
    char line[512];
    uint32_t seen = 0;
    enum kith_err err = KITH_OK;

    for (*number = 1; !err && fgets(line, sizeof line, file); *number += 1) {
        if (!strchr(line, '\n') && !feof(file)) {
            (void)snprintf(why, CONFIG_WHY_MAX, "longer than %zu bytes, or not text",
                           sizeof line - 2);
            err = KITH_INPUT;
        } else {
            err = read_line(config, line, &seen, why);
        }
    }
    *number -= 1;
    if (!err && ferror(file)) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s", error_text(KITH_IO));
        err = KITH_IO;
    }
    return err;
}

enum kith_err config_read(struct config *config, const char *path, char why[static CONFIG_WHY_MAX])
{
    struct config read = *config;
    char reason[CONFIG_WHY_MAX];
    unsigned number;
    FILE *file = fopen(path, "re");

    if (!file) {
        bool is_missing = errno == ENOENT;
        (void)snprintf(why, CONFIG_WHY_MAX, "%.300s: %s", path, strerror(errno));
        return is_missing ? KITH_NOT_FOUND : KITH_PERMISSION;
    }
    enum kith_err err = read_file(&read, file, &number, reason);
    (void)fclose(file);
    if (err)
        (void)snprintf(why, CONFIG_WHY_MAX, "%.200s, line %u: %.200s", path, number, reason);
    else
        *config = read;
    return err;
}

void config_write_all(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        (void)fprintf(out, "# %s\n%s = %s\n", texts[i].sentence, texts[i].key,
                      text_get(config, &texts[i]));
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        (void)fprintf(out, "# %s (%u to %u %s)\n%s = %u\n", numbers[i].sentence, numbers[i].least,
                      numbers[i].most, numbers[i].unit, numbers[i].key,
                      number_get(config, &numbers[i]));
}

void config_write_given(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        if (strcmp(text_get(config, &texts[i]), texts[i].preset) != 0)
            (void)fprintf(out, "%s = %s\n", texts[i].key, text_get(config, &texts[i]));
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        if (number_get(config, &numbers[i]) != numbers[i].preset)
            (void)fprintf(out, "%s = %u\n", numbers[i].key, number_get(config, &numbers[i]));
}
