/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/wire.h"

#define NUMBER_MAX  24
#define REPLACEMENT "\\ufffd"

struct json_out json_out_to(struct buffer *buffer)
{
    return (struct json_out){.buffer = buffer};
}

static void put(struct json_out *out, const char *text)
{
    buffer_add(out->buffer, text, strlen(text));
}

static const char *escape(char c, bool is_utf8)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        break;
    }
    bool is_control = (unsigned char)c < 0x20 || c == 0x7F;
    return is_control || (!is_utf8 && (unsigned char)c > 0x7F) ? REPLACEMENT : NULL;
}

static void put_quoted(struct json_out *out, const char *text)
{
    bool is_utf8 = wire_is_utf8(bytes_text(text));

    put(out, "\"");
    for (const char *at = text; *at; at++) {
        const char *escaped = escape(*at, is_utf8);
        if (escaped)
            put(out, escaped);
        else
            buffer_add(out->buffer, at, 1);
    }
    put(out, "\"");
}

/* The comma before an item and its name. */
static void begin_item(struct json_out *out, const char *name)
{
    if (out->depth > 0 && out->has_item[out->depth - 1])
        put(out, ",");
    if (out->depth > 0)
        out->has_item[out->depth - 1] = true;
    if (name) {
        put_quoted(out, name);
        put(out, ":");
    }
}

static void open_item(struct json_out *out, const char *name, const char *opening, char closing)
{
    assert(out->depth < JSON_OUT_DEPTH_MAX);
    begin_item(out, name);
    put(out, opening);
    out->has_item[out->depth] = false;
    out->closing[out->depth++] = closing;
}

void json_out_object(struct json_out *out, const char *name)
{
    open_item(out, name, "{", '}');
}

void json_out_list(struct json_out *out, const char *name)
{
    open_item(out, name, "[", ']');
}

void json_out_end(struct json_out *out)
{
    assert(out->depth > 0);
    buffer_add(out->buffer, &out->closing[--out->depth], 1);
    if (out->depth == 0)
        put(out, "\n");
}

void json_out_text(struct json_out *out, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    begin_item(out, name);
    put_quoted(out, text);
}

void json_out_number(struct json_out *out, const char *name, int64_t number)
{
    char text[NUMBER_MAX];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    begin_item(out, name);
    put(out, text);
}

void json_out_base64(struct json_out *out, const char *name, struct bytes content)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (content.len == 0)
        return;
    begin_item(out, name);
    put(out, "\"");
    for (size_t i = 0; i < content.len; i += 3) {
        size_t left = content.len - i;
        uint32_t group = (uint32_t)content.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)content.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? content.ptr[i + 2] : 0;
        const char four[] = {digits[group >> 18], digits[group >> 12 & 63],
                             (char)(left > 1 ? digits[group >> 6 & 63] : '='),
                             (char)(left > 2 ? digits[group & 63] : '=')};
        buffer_add(out->buffer, four, sizeof four);
    }
    put(out, "\"");
}
