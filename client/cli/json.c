/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/utf8.h"

struct json json_to(FILE *out)
{
    return (struct json){.out = out};
}

static void put_point(FILE *out, uint32_t point, const char *bytes, size_t len)
{
    static const char named[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

    if (point == '"' || point == '\\')
        (void)fprintf(out, "\\%c", (int)point);
    else if (point < sizeof named && named[point])
        (void)fprintf(out, "\\%c", named[point]);
    else if (point < 0x20 || point == 0x7F || point == UTF8_REPLACEMENT)
        (void)fprintf(out, "\\u%04" PRIx32, point);
    else
        (void)fwrite(bytes, 1, len, out);
}

static void put_quoted(FILE *out, const char *text)
{
    size_t left = strlen(text);

    (void)fputc('"', out);
    while (left) {
        uint32_t point;
        size_t len = utf8_next(text, left, &point);
        put_point(out, point, text, len);
        text += len;
        left -= len;
    }
    (void)fputc('"', out);
}

/* The comma and the name before a value. */
static void begin_item(struct json *json, const char *name)
{
    if (json->depth) {
        bool *has_item = &json->has_item[json->depth - 1];
        if (*has_item)
            (void)fputs(", ", json->out);
        *has_item = true;
        assert((name != NULL) == (json->closing[json->depth - 1] == '}'));
    }
    if (name) {
        put_quoted(json->out, name);
        (void)fputs(": ", json->out);
    }
}

static void open_with(struct json *json, const char *name, char opening, char closing)
{
    assert(json->depth < JSON_DEPTH_MAX);
    begin_item(json, name);
    (void)fputc(opening, json->out);
    json->closing[json->depth] = closing;
    json->has_item[json->depth] = false;
    json->depth++;
}

void json_object(struct json *json, const char *name)
{
    open_with(json, name, '{', '}');
}

void json_list(struct json *json, const char *name)
{
    open_with(json, name, '[', ']');
}

void json_end(struct json *json)
{
    assert(json->depth > 0);
    json->depth--;
    (void)fputc(json->closing[json->depth], json->out);
    if (json->depth == 0)
        (void)fputc('\n', json->out);
}

void json_text(struct json *json, const char *name, const char *text)
{
    begin_item(json, name);
    if (text)
        put_quoted(json->out, text);
    else
        (void)fputs("null", json->out);
}

void json_number(struct json *json, const char *name, int64_t number)
{
    begin_item(json, name);
    (void)fprintf(json->out, "%" PRId64, number);
}

void json_count(struct json *json, const char *name, uint64_t count)
{
    begin_item(json, name);
    (void)fprintf(json->out, "%" PRIu64, count);
}

void json_tenths(struct json *json, const char *name, int64_t tenths)
{
    if (tenths < 0) {
        json_text(json, name, NULL);
        return;
    }
    begin_item(json, name);
    (void)fprintf(json->out, "%" PRId64, tenths / 10);
    if (tenths % 10 != 0)
        (void)fprintf(json->out, ".%" PRId64, tenths % 10);
}

void json_flag(struct json *json, const char *name, bool flag)
{
    begin_item(json, name);
    (void)fputs(flag ? "true" : "false", json->out);
}
