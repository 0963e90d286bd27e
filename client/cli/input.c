/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_NAME_MAX 64

void inputs_clear(struct inputs *inputs)
{
    arena_clear(&inputs->arena);
    *inputs = (struct inputs){0};
}

static bool inputs_grow(struct inputs *inputs)
{
    size_t room = inputs->room ? inputs->room * 2 : 16;

    if (inputs->count < inputs->room)
        return true;
    if (inputs->room == 0)
        arena_init(&inputs->arena, INPUTS_BYTES_MAX);
    struct kith_input *items = arena_take(&inputs->arena, room * sizeof *items);
    if (!items)
        return false;
    if (inputs->count)
        memcpy(items, inputs->items, inputs->count * sizeof *items);
    inputs->items = items;
    inputs->room = room;
    return true;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return (const char *)arena_copy(arena, bytes_of(text, strlen(text) + 1)).ptr;
}

enum kith_err inputs_add(struct inputs *inputs, const char *field, char op, const char *value)
{
    if (!inputs_grow(inputs))
        return KITH_MEMORY;
    struct kith_input *item = &inputs->items[inputs->count];
    item->field = copy_text(&inputs->arena, field);
    item->op = op;
    item->value = copy_text(&inputs->arena, value);
    if (!item->field || !item->value)
        return KITH_MEMORY;
    inputs->count++;
    return KITH_OK;
}

static enum kith_err fail_reading(const char *name, enum kith_err err, const char *what,
                                  char why[static INPUT_WHY_MAX])
{
    (void)snprintf(why, INPUT_WHY_MAX, "%.120s: %s", name, what);
    return err;
}

static size_t drop_carriage_returns(char *text, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++)
        if (text[i] != '\r' || text[i + 1] != '\n')
            text[kept++] = text[i];
    return kept;
}

/* `text` has room for INPUT_TEXT_MAX + 2 bytes. */
static enum kith_err read_text(FILE *from, const char *name, char *text,
                               char why[static INPUT_WHY_MAX])
{
    size_t len = fread(text, 1, INPUT_TEXT_MAX + 1, from);

    if (ferror(from))
        return fail_reading(name, KITH_IO, strerror(errno), why);
    if (len > INPUT_TEXT_MAX)
        return fail_reading(name, KITH_TOO_LARGE, "more than 64 KiB of text", why);
    if (memchr(text, '\0', len))
        return fail_reading(name, KITH_INPUT, "this is not a text", why);
    text[len] = '\0';
    len = drop_carriage_returns(text, len);
    if (len && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    return KITH_OK;
}

static enum kith_err read_file(const char *path, char *text, char why[static INPUT_WHY_MAX])
{
    FILE *file = fopen(path, "re");

    if (!file)
        return fail_reading(path, errno == ENOENT ? KITH_NOT_FOUND : KITH_PERMISSION,
                            strerror(errno), why);
    enum kith_err err = read_text(file, path, text, why);
    (void)fclose(file);
    return err;
}

static enum kith_err add_read(struct inputs *inputs, const char *field, char op, const char *source,
                              char why[static INPUT_WHY_MAX])
{
    bool is_stdin = *source == '-';

    if (is_stdin && inputs->has_read_stdin)
        return fail_reading(field, KITH_INPUT, "only one field can be read from standard input",
                            why);
    char *text = malloc(INPUT_TEXT_MAX + 2);
    if (!text)
        return fail_reading(field, KITH_MEMORY, "out of memory", why);
    enum kith_err err =
        is_stdin ? read_text(stdin, "standard input", text, why) : read_file(source + 1, text, why);
    inputs->has_read_stdin = inputs->has_read_stdin || is_stdin;
    if (!err)
        err = inputs_add(inputs, field, op, text);
    explicit_bzero(text, INPUT_TEXT_MAX + 2);
    free(text);
    return err;
}

enum kith_err inputs_add_word(struct inputs *inputs, const char *word,
                              char why[static INPUT_WHY_MAX])
{
    char field[FIELD_NAME_MAX];
    size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz_0123456789.");
    char op = word[len];
    const char *value = word + len + 1;

    why[0] = '\0';
    if ((op == '+' || op == '-') && *value == '=')
        value++;
    else if (op != '=')
        len = 0;
    if (len == 0 || len >= sizeof field) {
        (void)snprintf(why, INPUT_WHY_MAX, "\"%.60s\" should be FIELD=VALUE", word);
        return KITH_INPUT;
    }
    memcpy(field, word, len);
    field[len] = '\0';
    if (strcmp(value, "-") == 0 || *value == '@')
        return add_read(inputs, field, op, value, why);
    return inputs_add(inputs, field, op, value);
}
