/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
#define CONFIG_ROW(field, key, default, least, most, unit, sentence)                               \
    {key, offsetof(struct config, field), default, least, most, unit, sentence},
    CONFIG_NUMBERS(CONFIG_ROW)
#undef CONFIG_ROW
};
#define NUMBER_COUNT (sizeof numbers / sizeof *numbers)

static uint32_t *number_of(struct config *config, const struct number_setting *setting)
{
    return (uint32_t *)(void *)((char *)config + setting->offset);
}

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    (void)snprintf(config->listen, sizeof config->listen, "%s", CONFIG_LISTEN_DEFAULT);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        *number_of(config, &numbers[i]) = numbers[i].preset;
}

static enum kith_err set_text(char *to, const char *key, const char *value,
                              char why[static CONFIG_WHY_MAX])
{
    if (strlen(value) >= CONFIG_TEXT_MAX) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: longer than %d characters", key,
                       CONFIG_TEXT_MAX - 1);
        return KITH_INPUT;
    }
    if (strpbrk(value, "#\r\n")) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: a # or a line break has no place in it", key);
        return KITH_INPUT;
    }
    (void)snprintf(to, CONFIG_TEXT_MAX, "%s", value);
    return KITH_OK;
}

static enum kith_err set_number(struct config *config, const struct number_setting *setting,
                                const char *value, char why[static CONFIG_WHY_MAX])
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (errno || !isdigit((unsigned char)*value) || *end || number < setting->least ||
        number > setting->most) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%s: expected %u to %u %s", setting->key,
                       setting->least, setting->most, setting->unit);
        return KITH_INPUT;
    }
    *number_of(config, setting) = (uint32_t)number;
    return KITH_OK;
}

enum kith_err config_set(struct config *config, const char *key, const char *value,
                         char why[static CONFIG_WHY_MAX])
{
    if (strcmp(key, "listen") == 0)
        return set_text(config->listen, key, value, why);
    if (strcmp(key, "name") == 0)
        return set_text(config->name, key, value, why);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        if (strcmp(key, numbers[i].key) == 0)
            return set_number(config, &numbers[i], value, why);
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

#define LINE_BYTES (2 * CONFIG_TEXT_MAX + 64)

static enum kith_err read_line(struct config *config, char *line, char why[static CONFIG_WHY_MAX])
{
    if (strlen(line) == LINE_BYTES - 1 && line[LINE_BYTES - 2] != '\n') {
        (void)snprintf(why, CONFIG_WHY_MAX, "longer than %d characters", LINE_BYTES - 2);
        return KITH_INPUT;
    }
    line[strcspn(line, "#\n")] = '\0';
    char *key = trim(line);
    char *equals = strchr(key, '=');

    if (!*key)
        return KITH_OK;
    if (!equals) {
        (void)snprintf(why, CONFIG_WHY_MAX, "expected key = value");
        return KITH_INPUT;
    }
    *equals = '\0';
    return config_set(config, trim(key), trim(equals + 1), why);
}

enum kith_err config_read(struct config *config, const char *path, char why[static CONFIG_WHY_MAX])
{
    char line[LINE_BYTES];
    char reason[CONFIG_WHY_MAX];
    enum kith_err err = KITH_OK;
    FILE *file = fopen(path, "re");

    if (!file) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%.300s: %s", path, strerror(errno));
        return errno == ENOENT ? KITH_NOT_FOUND : KITH_PERMISSION;
    }
    for (unsigned number = 1; !err && fgets(line, sizeof line, file); number++) {
        err = read_line(config, line, reason);
        if (err)
            (void)snprintf(why, CONFIG_WHY_MAX, "%.200s, line %u: %.200s", path, number, reason);
    }
    if (!err && ferror(file)) {
        (void)snprintf(why, CONFIG_WHY_MAX, "%.300s: %s", path, strerror(errno));
        err = KITH_IO;
    }
    (void)fclose(file);
    return err;
}

void config_write(const struct config *config, FILE *out)
{
    struct config copy = *config;

    (void)fprintf(out, "# where the hub listens, HOST:PORT\nlisten = %s\n", config->listen);
    if (*config->name)
        (void)fprintf(out, "# what this hub is called\nname = %s\n", config->name);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        (void)fprintf(out, "# %s (%s, %u to %u)\n%s = %u\n", numbers[i].sentence, numbers[i].unit,
                      numbers[i].least, numbers[i].most, numbers[i].key,
                      *number_of(&copy, &numbers[i]));
}
