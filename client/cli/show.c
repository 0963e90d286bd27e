/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/show.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/utf8.h"
#include "client/cli/when.h"

#define WIDTH_USUAL 80
#define WIDTH_MIN   40
#define COLUMN_MIN  6
#define COLUMN_GAP  2
#define VERSION_WIDTH_MIN                                                                          \
    24 /* narrower texts side by side are harder to read than one below the other */
#define VERSIONS_ASIDE 4

static unsigned terminal_width(int fd)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;

    if (width == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    if (width == 0 || width > 1000)
        width = WIDTH_USUAL;
    return width < WIDTH_MIN ? WIDTH_MIN : (unsigned)width;
}

struct show show_to(FILE *out)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool is_terminal = isatty(fileno(out));
    bool is_plain = (no_color && *no_color) || !term || strcmp(term, "dumb") == 0;

    return (struct show){
        .out = out,
        .width = is_terminal ? terminal_width(fileno(out)) : 0,
        .is_colour = is_terminal && !is_plain,
    };
}

/* Control characters, and those that change the direction of what follows. */
static bool is_steering(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x061C || point == 0x200E ||
           point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

static bool is_blank(uint32_t point)
{
    return point == ' ' || point == '\n' || point == '\t';
}

/* The next character as it will be shown. */
static size_t next_shown(const char *text, size_t len, uint32_t *point)
{
    size_t used = utf8_next(text, len, point);

    if (is_blank(*point))
        *point = ' ';
    else if (is_steering(*point))
        *point = UTF8_REPLACEMENT;
    return used;
}

static unsigned columns_of(const char *text, size_t len)
{
    unsigned columns = 0;

    while (len) {
        uint32_t point;
        size_t used = next_shown(text, len, &point);
        columns += utf8_columns(point);
        text += used;
        len -= used;
    }
    return columns;
}

static void put_shown(FILE *out, const char *text, size_t len)
{
    while (len) {
        uint32_t point;
        size_t used = next_shown(text, len, &point);
        if (point == ' ')
            (void)fputc(' ', out);
        else if (point == UTF8_REPLACEMENT)
            (void)fputs("\xEF\xBF\xBD", out);
        else
            (void)fwrite(text, 1, used, out);
        text += used;
        len -= used;
    }
}

static void put_spaces(FILE *out, unsigned count)
{
    (void)fprintf(out, "%*s", (int)count, "");
}

static void tone_begin(const struct show *show, enum show_tone tone)
{
    static const char *const codes[] = {[SHOW_PLAIN] = "",
                                        [SHOW_STRONG] = "\033[1m",
                                        [SHOW_FAINT] = "\033[2m",
                                        [SHOW_WARNING] = "\033[33m"};

    if (show->is_colour)
        (void)fputs(codes[tone], show->out);
}

static void tone_end(const struct show *show, enum show_tone tone)
{
    if (show->is_colour && tone != SHOW_PLAIN)
        (void)fputs("\033[0m", show->out);
}

void show_text(const struct show *show, enum show_tone tone, const char *text)
{
    tone_begin(show, tone);
    put_shown(show->out, text, strlen(text));
    tone_end(show, tone);
}

/* How many bytes of `text` go on a line of `width` columns (0: no end), up to a line end, else
 * after the last space that fits, else where it is full. `next` gets where the next line begins. */
static size_t line_fit(const char *text, unsigned width, size_t *next)
{
    size_t len = strlen(text);
    size_t at = 0;
    size_t space = 0;
    unsigned columns = 0;

    while (at < len && text[at] != '\n') {
        uint32_t point;
        size_t used = next_shown(text + at, len - at, &point);
        if (width && at && columns + utf8_columns(point) > width) {
            size_t end = space ? space : at;
            *next = space ? space + 1 : at;
            return end;
        }
        columns += utf8_columns(point);
        if (point == ' ' && at)
            space = at;
        at += used;
    }
    *next = at + (text[at] == '\n');
    return at;
}

void show_paragraph(const struct show *show, unsigned indent, const char *text)
{
    unsigned width = show->width > indent + COLUMN_MIN ? show->width - indent : 0;

    do {
        size_t next;
        size_t len = line_fit(text, width, &next);
        put_shown(show->out, text, len);
        (void)fputc('\n', show->out);
        text += next;
        if (*text && *text != '\n')
            put_spaces(show->out, indent);
    } while (*text);
}

void show_pair(const struct show *show, unsigned indent, const char *name, const char *text)
{
    unsigned len = columns_of(name, strlen(name));

    show_text(show, SHOW_FAINT, name);
    if (len + 1 > indent) {
        (void)fputc('\n', show->out);
        len = 0;
    }
    put_spaces(show->out, indent - len);
    show_paragraph(show, indent, text);
}

/* The widest gives way until the table fits. */
static void widths_fit(const struct show *show, size_t columns, unsigned *widths)
{
    for (;;) {
        unsigned total = 0;
        size_t widest = 0;
        for (size_t i = 0; i < columns; i++) {
            total += widths[i] + (i ? COLUMN_GAP : 0);
            if (widths[i] > widths[widest])
                widest = i;
        }
        if (show->width == 0 || total <= show->width || widths[widest] <= COLUMN_MIN)
            return;
        widths[widest]--;
    }
}

static void put_cell(const struct show *show, const char *text, unsigned width, bool is_last)
{
    size_t len = strlen(text);
    unsigned shown = columns_of(text, len);

    if (shown > width) {
        size_t at = 0;
        shown = 0;
        for (;;) {
            uint32_t point;
            size_t used = next_shown(text + at, len - at, &point);
            if (shown + utf8_columns(point) > width - 1)
                break;
            shown += utf8_columns(point);
            at += used;
        }
        put_shown(show->out, text, at);
        (void)fputs("\xE2\x80\xA6", show->out);
        shown++;
    } else {
        put_shown(show->out, text, len);
    }
    if (!is_last)
        put_spaces(show->out, width - shown + COLUMN_GAP);
}

void show_table(const struct show *show, size_t columns, const char *const *cells, size_t rows)
{
    unsigned widths[SHOW_COLUMNS_MAX] = {0};

    assert(columns <= SHOW_COLUMNS_MAX);
    for (size_t i = 0; i < rows * columns; i++) {
        unsigned width = columns_of(cells[i], strlen(cells[i]));
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    widths_fit(show, columns, widths);
    for (size_t row = 0; row < rows; row++) {
        enum show_tone tone = row ? SHOW_PLAIN : SHOW_FAINT;
        tone_begin(show, tone);
        for (size_t i = 0; i < columns; i++)
            put_cell(show, cells[row * columns + i], widths[i], i + 1 == columns);
        tone_end(show, tone);
        (void)fputc('\n', show->out);
    }
}

static void version_heading(const struct kith_value *value, size_t number, const char *gap,
                            char *heading, size_t size)
{
    char when[WHEN_TEXT_MAX];

    (void)snprintf(heading, size, "%zu) %s, device %u,%s%s", number,
                   value->person ? value->person : "?", value->device, gap,
                   when_short(value->time_ms, when));
}

static const char *version_text(const struct kith_value *value)
{
    return value->text[0] ? value->text : "(empty)";
}

/* One line of each column, until all have ended. */
static void columns_show(const struct show *show, const char **texts, size_t count, unsigned width,
                         enum show_tone tone)
{
    for (;;) {
        bool has_more = false;
        for (size_t i = 0; i < count; i++)
            has_more = has_more || *texts[i];
        if (!has_more)
            return;
        for (size_t i = 0; i < count; i++) {
            size_t next;
            size_t len = line_fit(texts[i], width, &next);
            tone_begin(show, tone);
            put_shown(show->out, texts[i], len);
            tone_end(show, tone);
            if (i + 1 < count) {
                put_spaces(show->out, width - columns_of(texts[i], len));
                (void)fputs(" | ", show->out);
            }
            texts[i] += next;
        }
        (void)fputc('\n', show->out);
    }
}

static void versions_aside(const struct show *show, const struct kith_field *field, unsigned width)
{
    char headings[VERSIONS_ASIDE][KITH_NAME_TEXT + 96];
    const char *texts[VERSIONS_ASIDE];

    for (size_t i = 0; i < field->value_count; i++) {
        version_heading(&field->values[i], i + 1, "\n   ", headings[i], sizeof headings[i]);
        texts[i] = headings[i];
    }
    columns_show(show, texts, field->value_count, width, SHOW_STRONG);
    for (size_t i = 0; i < field->value_count; i++)
        texts[i] = version_text(&field->values[i]);
    columns_show(show, texts, field->value_count, width, SHOW_PLAIN);
}

static void versions_below(const struct show *show, const struct kith_field *field)
{
    char heading[KITH_NAME_TEXT + 96];

    for (size_t i = 0; i < field->value_count; i++) {
        version_heading(&field->values[i], i + 1, " ", heading, sizeof heading);
        show_text(show, SHOW_STRONG, heading);
        (void)fputs("\n   ", show->out);
        show_paragraph(show, 3, version_text(&field->values[i]));
    }
}

void show_versions(const struct show *show, const struct kith_field *field)
{
    unsigned width = show->width ? show->width : WIDTH_USUAL;
    unsigned count =
        field->value_count > VERSIONS_ASIDE ? VERSIONS_ASIDE + 1 : (unsigned)field->value_count;
    unsigned each = count ? (width - 3 * (count - 1)) / count : 0;

    if (count >= 2 && count <= VERSIONS_ASIDE && each >= VERSION_WIDTH_MIN)
        versions_aside(show, field, each);
    else
        versions_below(show, field);
}

static void record_heading(const struct show *show, const struct kith_record *record)
{
    char when[WHEN_TEXT_MAX];

    show_text(show, SHOW_STRONG, record->type);
    (void)fprintf(show->out, " %s  %s\n", record->id, record->state);
    (void)fprintf(show->out, "changed %s, %s\n\n", when_short(record->touched_ms, when),
                  record->place == KITH_AT_HUB ? "safe at the hub" : "so far only on this device");
}

static void field_show(const struct show *show, unsigned indent, const struct kith_field *field)
{
    if (field->is_conflict) {
        show_pair(show, indent, field->name, "(to be settled, see below)");
        return;
    }
    for (size_t i = 0; i < field->value_count; i++) {
        const struct kith_value *value = &field->values[i];
        char keyed[KITH_NAME_TEXT];
        (void)snprintf(keyed, sizeof keyed, "%.10s: %s", value->key ? value->key : "", value->text);
        show_pair(show, indent, i ? "" : field->name, value->key ? keyed : value->text);
    }
}

static void conflict_show(const struct show *show, const struct kith_record *record,
                          const struct kith_field *field)
{
    (void)fputc('\n', show->out);
    show_text(show, SHOW_WARNING, field->name);
    (void)fprintf(show->out, ": %zu versions, none is lost. A person has to decide:\n",
                  field->value_count);
    show_versions(show, field);
    (void)fprintf(show->out, "decide with:  kith settle %.10s %s --take 1\n", record->id,
                  field->name);
}

void show_record(const struct show *show, const struct kith_record *record)
{
    unsigned indent = 0;

    record_heading(show, record);
    for (size_t i = 0; i < record->field_count; i++) {
        unsigned width =
            columns_of(record->fields[i].name, strlen(record->fields[i].name)) + COLUMN_GAP;
        indent = width > indent ? width : indent;
    }
    for (size_t i = 0; i < record->field_count; i++)
        field_show(show, indent, &record->fields[i]);
    for (size_t i = 0; i < record->field_count; i++)
        if (record->fields[i].is_conflict)
            conflict_show(show, record, &record->fields[i]);
    show_life(show, record);
}
