/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of a value that could be taken for one of the template's own is written with a backslash
 * in front, and a backslash in front of such a line is taken away on reading: the two are each
 * other's inverse.
 */
#include "client/cli/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/when.h"
#include "protocol/bytes.h"

#define SECTION_MAX (1024 * 1024)

static bool is_list(const struct kith_schema_field *field)
{
    return strcmp(field->class, "set") == 0;
}

static bool is_entries(const struct kith_schema_field *field)
{
    return strcmp(field->class, "entries") == 0;
}

static bool is_long(const struct kith_schema_field *field)
{
    return strcmp(field->kind, "prose") == 0 || strcmp(field->class, "narrative") == 0;
}

/* A fixed field of a record that is there already is not offered. */
static bool is_offered(const struct template *template, const struct kith_schema_field *field)
{
    return !field->is_keyed && (!template->record || strcmp(field->class, "fixed") != 0);
}

static const struct kith_field *present(const struct template *template, const char *name)
{
    for (size_t i = 0; template->record && i < template->record->field_count; i++)
        if (strcmp(template->record->fields[i].name, name) == 0)
            return &template->record->fields[i];
    return NULL;
}

/* The field whose "[name]" this line is; -1 for none. */
static int header_index(const struct template *template, const char *line, size_t len)
{
    if (len < 3 || line[0] != '[' || line[len - 1] != ']')
        return -1;
    for (size_t i = 0; i < template->field_count; i++)
        if (strlen(template->fields[i].name) == len - 2 &&
            strncmp(template->fields[i].name, line + 1, len - 2) == 0)
            return (int)i;
    return -1;
}

/* Whether, behind any backslashes, it looks like a line of the template's own. */
static bool is_special(const struct template *template, const char *line, size_t len)
{
    while (len && *line == '\\') {
        line++;
        len--;
    }
    return len && (*line == '#' || header_index(template, line, len) >= 0);
}

static size_t line_length(const char *text)
{
    return strcspn(text, "\n");
}

static size_t trimmed_length(const char *line, size_t len)
{
    while (len && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    return len;
}

/* Calls for each line, the last one with or without its end. */
static bool next_line(const char **text, const char **line, size_t *len)
{
    if (!**text)
        return false;
    *line = *text;
    *len = line_length(*text);
    *text += *len + ((*text)[*len] == '\n');
    return true;
}

static void write_value(const struct template *template, FILE *out, const char *text)
{
    const char *line;
    size_t len;

    while (next_line(&text, &line, &len)) {
        if (is_special(template, line, trimmed_length(line, len)))
            (void)fputc('\\', out);
        (void)fprintf(out, "%.*s\n", (int)len, line);
    }
}

static void write_as_comment(FILE *out, const char *text)
{
    const char *line;
    size_t len;

    while (next_line(&text, &line, &len)) {
        size_t shown = trimmed_length(line, len);
        (void)fprintf(out, shown ? "#   | %.*s\n" : "#   |\n", (int)shown, line);
    }
}

/* What to type, in words that need no manual. */
static const char *kind_hint(const struct kith_schema_field *field)
{
    static const struct {
        const char *kind;
        const char *hint;
    } hints[] = {
        {"date", "A date like 2026-03-02, today or yesterday."},
        {"time", "A time like 14:05, yesterday 14:05 or 2026-03-02 14:05."},
        {"number", "A whole number."},
        {"flag", "yes or no."},
        {"person", "A worker's name or number."},
        {"record", "The id of another record."},
        {"participant", "A participant's name or id."},
    };

    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strcmp(field->kind, hints[i].kind) == 0)
            return hints[i].hint;
    return NULL;
}

static void write_explanation(FILE *out, const struct kith_schema_field *field)
{
    const char *hint = kind_hint(field);
    size_t help_len = strlen(field->help);
    bool has_stop = help_len && strchr(".?!", field->help[help_len - 1]);

    (void)fprintf(out, "# %s%s%s\n", field->help, has_stop ? "" : ".",
                  field->is_required ? " (needed)"
                  : *field->asks     ? " (needed to sign)"
                                     : "");
    if (hint)
        (void)fprintf(out, "# %s\n", hint);
    if (field->choices[0]) {
        (void)fputs(is_list(field) ? "# Any of:" : "# One of:", out);
        (void)fprintf(out, " %s\n", field->choices);
    }
    if (is_entries(field))
        (void)fputs("# What you write is added to what is there.\n", out);
    else if (is_list(field))
        (void)fputs("# One on each line.\n", out);
    else if (is_long(field))
        (void)fputs("# As many lines as you like.\n", out);
}

static void write_alternatives(FILE *out, const struct kith_field *now)
{
    char when[WHEN_TEXT_MAX];

    (void)fprintf(
        out, "# %zu versions stand here and somebody has to decide. Write the right one below,\n",
        now->value_count);
    (void)fputs("# or leave it empty to decide later.\n", out);
    for (size_t i = 0; i < now->value_count; i++) {
        const struct kith_value *value = &now->values[i];
        (void)fprintf(out, "# %zu) %s, device %u, %s:\n", i + 1,
                      value->person ? value->person : "?", value->device,
                      when_short(value->time_ms, when));
        write_as_comment(out, value->text);
    }
}

static void write_field(const struct template *template, FILE *out,
                        const struct kith_schema_field *field)
{
    const struct kith_field *now = present(template, field->name);

    (void)fprintf(out, "\n[%s]\n", field->name);
    write_explanation(out, field);
    if (now && now->is_conflict) {
        write_alternatives(out, now);
    } else if (now && is_entries(field)) {
        (void)fputs("# There already:\n", out);
        for (size_t i = 0; i < now->value_count; i++)
            write_as_comment(out, now->values[i].text);
    } else if (now) {
        for (size_t i = 0; i < now->value_count; i++)
            write_value(template, out, now->values[i].text);
    }
    if (!now)
        (void)fputc('\n', out);
}

char *template_write(const struct template *template)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    (void)fprintf(out, template->record ? "# Changing a %s. " : "# A new %s. ", template->type);
    (void)fputs("Write below a [name], and leave empty what you do not know.\n"
                "# These lines with # are only for you. Save and close to keep what you wrote;\n"
                "# close without a change to give up.\n",
                out);
    for (size_t i = 0; i < template->field_count; i++)
        if (is_offered(template, &template->fields[i]))
            write_field(template, out, &template->fields[i]);
    bool has_failed = ferror(out);
    if (fclose(out) || has_failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* The lines below each "[name]" of the template, ended by a zero; empty where the name does not
 * stand. */
struct sections {
    struct buffer *texts;
    size_t count;
};

static enum kith_err sections_init(struct sections *sections, size_t count)
{
    sections->texts = calloc(count, sizeof *sections->texts);
    if (!sections->texts)
        return KITH_MEMORY;
    sections->count = count;
    for (size_t i = 0; i < count; i++)
        buffer_init(&sections->texts[i], SECTION_MAX);
    return KITH_OK;
}

static void sections_clear(struct sections *sections)
{
    for (size_t i = 0; i < sections->count; i++)
        buffer_clear(&sections->texts[i]);
    free(sections->texts);
    *sections = (struct sections){0};
}

static bool section_is_there(const struct sections *sections, size_t at)
{
    return sections->texts[at].len > 0;
}

static char *section_text(const struct sections *sections, size_t at)
{
    return section_is_there(sections, at) ? (char *)sections->texts[at].ptr : NULL;
}

static bool has_line(const char *text, const char *wanted, size_t wanted_len)
{
    const char *line;
    size_t len;

    while (next_line(&text, &line, &len))
        if (len == wanted_len && strncmp(line, wanted, len) == 0)
            return true;
    return false;
}

/* Without the empty lines around it. */
static void trim(char *text)
{
    const char *from = text;
    const char *line;
    const char *rest = text;
    size_t len;

    while (next_line(&rest, &line, &len) && trimmed_length(line, len) == 0)
        from = rest;
    size_t left = strlen(from);
    while (left && strchr(" \t\r\n", from[left - 1]))
        left--;
    memmove(text, from, left);
    text[left] = '\0';
}

/* Where the lines below this "[name]" go; INPUT if it stood before. */
static enum kith_err section_begin(const struct template *template, struct sections *sections,
                                   size_t at, char why[static INPUT_WHY_MAX])
{
    if (section_is_there(sections, at)) {
        (void)snprintf(why, INPUT_WHY_MAX, "[%s] stands there twice", template->fields[at].name);
        return KITH_INPUT;
    }
    buffer_add(&sections->texts[at], "\n", 1);
    return sections->texts[at].err;
}

static enum kith_err section_add(const struct template *template, struct sections *sections, int at,
                                 const char *line, size_t len, char why[static INPUT_WHY_MAX])
{
    size_t shown = trimmed_length(line, len);

    if (at < 0 && shown) {
        (void)snprintf(why, INPUT_WHY_MAX, "\"%.*s\" stands above the first [name]",
                       (int)(shown % 60), line);
        return KITH_INPUT;
    }
    if (at < 0)
        return KITH_OK;
    if (*line == '\\' && is_special(template, line, shown)) {
        line++;
        len--;
    }
    buffer_add(&sections->texts[at], line, len);
    buffer_add(&sections->texts[at], "\n", 1);
    return sections->texts[at].err;
}

static enum kith_err sections_end(struct sections *sections)
{
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < sections->count && !err; i++) {
        if (!section_is_there(sections, i))
            continue;
        buffer_add(&sections->texts[i], "", 1);
        err = sections->texts[i].err;
        if (!err)
            trim(section_text(sections, i));
    }
    return err;
}

/* Puts every line under the "[name]" above it, without the template's own. */
static enum kith_err sections_read(const struct template *template, const char *original,
                                   const char *text, struct sections *sections,
                                   char why[static INPUT_WHY_MAX])
{
    int at = -1;
    const char *line;
    size_t len;
    enum kith_err err = sections_init(sections, template->field_count);

    while (!err && next_line(&text, &line, &len)) {
        size_t shown = trimmed_length(line, len);
        int header = header_index(template, line, shown);
        bool is_own = *line == '#' && (at < 0 || has_line(original, line, shown));
        if (header >= 0) {
            at = header;
            err = section_begin(template, sections, (size_t)at, why);
        } else if (!is_own) {
            err = section_add(template, sections, at, line, len, why);
        }
    }
    return err ? err : sections_end(sections);
}

/* An input for each line of `from` that is not in `other`. */
static enum kith_err add_list_changes(struct inputs *inputs, const char *field, char op,
                                      const char *from, const char *other)
{
    const char *line;
    size_t len;
    enum kith_err err = KITH_OK;

    while (!err && next_line(&from, &line, &len)) {
        size_t shown = trimmed_length(line, len);
        if (shown == 0 || has_line(other, line, shown))
            continue;
        char *value = strndup(line, shown);
        err = value ? inputs_add(inputs, field, op, value) : KITH_MEMORY;
        free(value);
    }
    return err;
}

/* What belongs on one line, from its first letter on. */
static const char *one_line(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    return text + strspn(text, " \t");
}

static enum kith_err add_change(struct inputs *inputs, const struct kith_schema_field *field,
                                const char *before, char *after)
{
    if (strcmp(before, after) == 0)
        return KITH_OK;
    if (is_list(field)) {
        enum kith_err err = add_list_changes(inputs, field->name, '-', before, after);
        return err ? err : add_list_changes(inputs, field->name, '+', after, before);
    }
    return inputs_add(inputs, field->name, is_entries(field) ? '+' : '=',
                      is_long(field) ? after : one_line(after));
}

enum kith_err template_read(const struct template *template, const char *original, const char *text,
                            struct inputs *inputs, char why[static INPUT_WHY_MAX])
{
    struct sections before = {0};
    struct sections after = {0};
    enum kith_err err = sections_read(template, original, original, &before, why);

    if (!err)
        err = sections_read(template, original, text, &after, why);
    for (size_t i = 0; i < template->field_count && !err; i++) {
        const char *was = section_text(&before, i);
        char *is = section_text(&after, i);
        if (is)
            err = add_change(inputs, &template->fields[i], was ? was : "", is);
    }
    sections_clear(&before);
    sections_clear(&after);
    return err;
}
