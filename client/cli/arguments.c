/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/arguments.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* One part of a syntax. */
struct part {
    const char *name;
    int len;
    bool is_option;
    bool is_optional;
    bool has_value;
    bool is_repeated;
};

static bool part_next(const char **at, struct part *part)
{
    *part = (struct part){0};
    *at += strspn(*at, " ");
    if (!**at)
        return false;
    part->is_optional = **at == '[';
    *at += part->is_optional;
    size_t len = strcspn(*at, " ]");
    part->name = *at;
    part->len = (int)len;
    part->is_option = strncmp(*at, "--", 2) == 0;
    part->is_repeated = len > 3 && strncmp(*at + len - 3, "...", 3) == 0;
    *at += len;
    if (part->is_option && **at == ' ') {
        part->has_value = true;
        *at += 1;
        *at += strcspn(*at, " ]");
    }
    *at += **at == ']';
    return true;
}

static bool part_is(const struct part *part, const char *name, size_t len)
{
    return (size_t)part->len == len && strncmp(part->name, name, len) == 0;
}

static bool find_option(const char *syntax, const char *name, size_t len, struct part *part)
{
    while (part_next(&syntax, part))
        if (part->is_option && part_is(part, name, len))
            return true;
    return false;
}

/* The option at argv[*index], and its value from the same word or the next. */
static bool take_option(const char *syntax, int argc, char **argv, int *index,
                        struct arguments *arguments, char why[static ARGUMENTS_WHY_MAX])
{
    char *word = argv[*index];
    size_t len = strcspn(word, "=");
    struct part part;

    if (!find_option(syntax, word, len, &part)) {
        (void)snprintf(why, ARGUMENTS_WHY_MAX, "there is no option %.*s here", (int)len, word);
        return false;
    }
    const char *value = "";
    if (part.has_value && word[len])
        value = word + len + 1;
    else if (part.has_value && *index + 1 < argc)
        value = argv[++*index];
    else if (part.has_value || word[len]) {
        (void)snprintf(why, ARGUMENTS_WHY_MAX, "%.*s %s", part.len, part.name,
                       part.has_value ? "needs a value after it" : "takes no value");
        return false;
    }
    word[len] = '\0';
    if (arguments_option(arguments, word) || arguments->option_count == ARGUMENTS_OPTIONS_MAX) {
        (void)snprintf(why, ARGUMENTS_WHY_MAX, "%s is given twice", word);
        return false;
    }
    arguments->options[arguments->option_count].name = word;
    arguments->options[arguments->option_count++].value = value;
    return true;
}

static bool check_complete(const char *syntax, const struct arguments *arguments,
                           char why[static ARGUMENTS_WHY_MAX])
{
    size_t most = 0;
    bool is_open = false;
    struct part part;

    while (part_next(&syntax, &part)) {
        bool is_there = arguments->count > most;
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", part.len, part.name);
        if (part.is_option)
            is_there = arguments_option(arguments, name) != NULL;
        else
            most++;
        is_open = is_open || part.is_repeated;
        if (!is_there && !part.is_optional) {
            (void)snprintf(why, ARGUMENTS_WHY_MAX, "%s is missing", name);
            return false;
        }
    }
    if (arguments->count > most && !is_open) {
        (void)snprintf(why, ARGUMENTS_WHY_MAX, "\"%.80s\" is one word too many",
                       arguments->words[most]);
        return false;
    }
    return true;
}

bool arguments_read(const char *syntax, int argc, char **argv, struct arguments *arguments,
                    char why[static ARGUMENTS_WHY_MAX])
{
    bool are_words_only = false;

    *arguments = (struct arguments){.words = argv};
    for (int i = 0; i < argc; i++) {
        if (!are_words_only && strcmp(argv[i], "--") == 0)
            are_words_only = true;
        else if (are_words_only || strncmp(argv[i], "--", 2) != 0)
            argv[arguments->count++] = argv[i];
        else if (!take_option(syntax, argc, argv, &i, arguments, why))
            return false;
    }
    return check_complete(syntax, arguments, why);
}

const char *arguments_option(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->option_count; i++)
        if (strcmp(arguments->options[i].name, name) == 0)
            return arguments->options[i].value;
    return NULL;
}
