/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define LINE_BYTES 512

enum text_form { CONFIG_LISTEN, CONFIG_ADDRESS_OR_NONE, CONFIG_LOCAL_OR_NONE, CONFIG_NAME };

struct text_setting {
    const char *key;
    enum text_form form;
    enum config_change change;
    size_t offset;
    size_t bytes;
    const char *preset;
    const char *sentence;
};

static const struct text_setting texts[] = {
#define TEXT_ROW(field, form, bytes, preset, change, sentence)                                     \
    {#field, form, change, offsetof(struct config, field), bytes, preset, sentence},
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
    enum config_change change;
    const char *unit;
    const char *sentence;
};

static const struct number_setting numbers[] = {
#define NUMBER_ROW(field, preset, least, most, unit, change, sentence)                             \
    {#field, offsetof(struct config, field), preset, least, most, change, unit, sentence},
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

static bool is_line(const char *value)
{
    for (const char *at = value; *at; at++)
        if (iscntrl((unsigned char)*at) || *at == '#')
            return false;
    return true;
}

/* An address that no other machine can reach: a number, since a name may come to mean another one;
 * or a path. */
static bool is_local(const char *value)
{
    struct address address;
    struct in_addr v4;
    struct in6_addr v6;

    if (*value == '/')
        return is_line(value);
    if (!address_read(value, &address) || address.kind != ADDRESS_TCP || address.port == 0)
        return false;
    if (address.is_numeric_v6)
        return inet_pton(AF_INET6, address.host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, address.host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
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
        return strlen(value) < setting->bytes && is_line(value);
    case CONFIG_LOCAL_OR_NONE:
        return strlen(value) < setting->bytes && (!*value || is_local(value));
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
        else if (setting->form == CONFIG_LOCAL_OR_NONE)
            (void)snprintf(why, CONFIG_WHY_MAX,
                           "%s: expected 127.0.0.1:PORT, [::1]:PORT, or the path of a socket of "
                           "less than %zu bytes: it is for this machine alone",
                           setting->key, setting->bytes);
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

/* A file while it is read. */
struct reading {
    struct config *config;
    uint32_t seen; /* settings that were set, by their place */
    unsigned line;
    void *owner;
    void (*tell)(void *owner, unsigned line, const char *why);
};

static enum kith_err read_line(struct reading *reading, char *line, char why[static CONFIG_WHY_MAX])
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
    if (place < TEXT_COUNT + NUMBER_COUNT && (reading->seen & (1u << place))) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: set twice", key);
        return KITH_INPUT;
    }
    if (place < TEXT_COUNT + NUMBER_COUNT)
        reading->seen |= 1u << place;
    return config_set(reading->config, key, trim(equals + 1), why);
}

/* The rest of a line that is too long for what was read of it. */
static void skip_line(FILE *file)
{
    int byte = 0;

    while (byte != '\n' && byte != EOF)
        byte = fgetc(file);
}

static enum kith_err read_file(struct reading *reading, FILE *file)
{
    char line[LINE_BYTES];
    char why[CONFIG_WHY_MAX];
    enum kith_err first = KITH_OK;

    for (reading->line = 1; fgets(line, sizeof line, file); reading->line++) {
        enum kith_err err = KITH_INPUT;
        if (strchr(line, '\n') || feof(file)) {
            err = read_line(reading, line, why);
        } else {
            (void)snprintf(why, sizeof why, "longer than %zu bytes, or not text", sizeof line - 2);
            skip_line(file);
        }
        if (err)
            reading->tell(reading->owner, reading->line, why);
        first = first ? first : err;
    }
    if (ferror(file)) {
        reading->tell(reading->owner, 0, error_text(KITH_IO));
        first = first ? first : KITH_IO;
    }
    return first;
}

enum kith_err config_check(struct config *config, const char *path, void *owner,
                           void (*tell)(void *owner, unsigned line, const char *why))
{
    struct reading reading = {.config = config, .owner = owner, .tell = tell};
    FILE *file = fopen(path, "re");

    if (!file) {
        bool is_missing = errno == ENOENT;
        tell(owner, 0, strerror(errno));
        return is_missing ? KITH_NOT_FOUND : KITH_PERMISSION;
    }
    enum kith_err err = read_file(&reading, file);
    (void)fclose(file);
    return err;
}

/* The first thing that is wrong. */
struct complaint {
    const char *path;
    char *why;
    bool is_made;
};

static void complain(void *owner, unsigned line, const char *why)
{
    struct complaint *complaint = owner;

    if (complaint->is_made)
        return;
    if (line)
        (void)snprintf(complaint->why, CONFIG_WHY_MAX, "%.200s, line %u: %.200s", complaint->path,
                       line, why);
    else
        (void)snprintf(complaint->why, CONFIG_WHY_MAX, "%.300s: %.200s", complaint->path, why);
    complaint->is_made = true;
}

enum kith_err config_read(struct config *config, const char *path, char why[static CONFIG_WHY_MAX])
{
    struct config read = *config;
    struct complaint complaint = {.path = path, .why = why};
    enum kith_err err = config_check(&read, path, &complaint, complain);

    if (!err)
        *config = read;
    return err;
}

size_t config_count(void)
{
    return TEXT_COUNT + NUMBER_COUNT;
}

const char *config_key(size_t setting)
{
    return setting < TEXT_COUNT ? texts[setting].key : numbers[setting - TEXT_COUNT].key;
}

enum config_change config_change(size_t setting)
{
    return setting < TEXT_COUNT ? texts[setting].change : numbers[setting - TEXT_COUNT].change;
}

bool config_differs(const struct config *a, const struct config *b, size_t setting)
{
    if (setting < TEXT_COUNT)
        return strcmp(text_get(a, &texts[setting]), text_get(b, &texts[setting])) != 0;
    return number_get(a, &numbers[setting - TEXT_COUNT]) !=
           number_get(b, &numbers[setting - TEXT_COUNT]);
}

bool config_number(const struct config *config, size_t setting, uint32_t *number)
{
    if (setting < TEXT_COUNT)
        return false;
    *number = number_get(config, &numbers[setting - TEXT_COUNT]);
    return true;
}

void config_copy(struct config *to, const struct config *from, size_t setting)
{
    if (setting < TEXT_COUNT)
        memcpy((char *)to + texts[setting].offset, text_get(from, &texts[setting]),
               texts[setting].bytes);
    else
        number_put(to, &numbers[setting - TEXT_COUNT],
                   number_get(from, &numbers[setting - TEXT_COUNT]));
}

/* For a file: what has to be done for a change to count. */
static const char *change_text(enum config_change change)
{
    return change == CONFIG_LIVE ? "reload" : "restart";
}

void config_write_all(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        (void)fprintf(out, "# %s (%s)\n%s = %s\n", texts[i].sentence, change_text(texts[i].change),
                      texts[i].key, text_get(config, &texts[i]));
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        (void)fprintf(out, "# %s (%u to %u %s; %s)\n%s = %u\n", numbers[i].sentence,
                      numbers[i].least, numbers[i].most, numbers[i].unit,
                      change_text(numbers[i].change), numbers[i].key,
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
