/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/manual/names.h"

#include <assert.h>
#include <string.h>

static void add(struct names *names, const char *type, const struct book_command *command)
{
    assert(names->count < NAMES_MAX);
    struct name *name = &names->of[names->count++];
    const char *rest = type ? command->name + strlen("TYPE") : command->name;
    int len = snprintf(name->words, NAME_BYTES, "%s%s ", type ? type : "", rest);

    assert(len > 0 && len < NAME_BYTES);
    name->type = type;
    name->command = command;
}

void names_of(const struct book *book, struct names *names)
{
    names->count = 0;
    for (size_t i = 0; i < book->command_count; i++) {
        const struct book_command *command = &book->commands[i];
        if (strncmp(command->name, "TYPE ", 5) != 0) {
            add(names, NULL, command);
            continue;
        }
        for (const char *const *type = book->types(); *type; type++)
            add(names, *type, command);
    }
}

static bool is_on(const struct name *name, const struct stop *stop)
{
    return strncmp(name->words, stop->path, stop->len) == 0 && name->words[stop->len];
}

static bool is_known(const struct names *names, size_t before, const struct stop *stop)
{
    for (size_t i = 0; i < before; i++)
        if (is_on(&names->of[i], stop))
            return true;
    return false;
}

void names_each_stop(const struct names *names, void (*visit)(const struct stop *stop, void *to),
                     void *to)
{
    for (size_t i = 0; i < names->count; i++) {
        struct stop stop = {.path = names->of[i].words};
        while (stop.path[stop.len]) {
            if (!is_known(names, i, &stop))
                visit(&stop, to);
            stop.len += strcspn(stop.path + stop.len, " ") + 1;
        }
    }
}

static struct next_word word_at(const struct name *name, size_t at)
{
    size_t len = strcspn(name->words + at, " ");
    bool is_end = !name->words[at + len + 1];

    return (struct next_word){name->words + at, len, is_end ? name->command->sentence : NULL};
}

static bool is_same(const struct next_word *one, const struct next_word *other)
{
    return one->len == other->len && strncmp(one->word, other->word, one->len) == 0;
}

bool names_next(const struct names *names, const struct stop *stop, size_t index,
                struct next_word *word)
{
    if (!is_on(&names->of[index], stop))
        return false;
    *word = word_at(&names->of[index], stop->len);
    for (size_t i = 0; i < names->count; i++) {
        if (!is_on(&names->of[i], stop))
            continue;
        struct next_word other = word_at(&names->of[i], stop->len);
        if (is_same(word, &other) && i < index)
            return false;
        /* "agent" leads on to "agent stop", and is a command as well. */
        if (is_same(word, &other) && !word->sentence)
            word->sentence = other.sentence;
    }
    return true;
}

static enum value value_of(const char *word, size_t len)
{
    if (len == 4 && strncmp(word, "FILE", 4) == 0)
        return VALUE_FILE;
    if (len == 3 && strncmp(word, "DIR", 3) == 0)
        return VALUE_FOLDER;
    return len ? VALUE_WORD : VALUE_NONE;
}

size_t names_options(const char *syntax, struct named_option options[NAMES_OPTIONS])
{
    size_t count = 0;

    for (const char *at = strstr(syntax, "--"); at; at = strstr(at, "--")) {
        assert(count < NAMES_OPTIONS);
        size_t len = strcspn(at, " ]");
        assert(len < sizeof options->name);
        struct named_option *option = &options[count++];
        memcpy(option->name, at, len);
        option->name[len] = '\0';
        at += len;
        at += *at == ' ';
        size_t value = at[-1] == ' ' && *at != '[' && *at != '-' ? strcspn(at, " ]") : 0;
        option->value = value_of(at, value);
        at += value;
    }
    return count;
}

struct named_option names_common(const struct book_option *option)
{
    struct named_option named = {.value = value_of(option->value, strlen(option->value))};

    (void)snprintf(named.name, sizeof named.name, "%s", option->name);
    return named;
}

bool names_wants_file(const char *syntax)
{
    return strncmp(syntax, "FILE", 4) == 0;
}

bool names_wants_fields(const char *syntax)
{
    return strstr(syntax, "FIELD=VALUE") != NULL;
}
