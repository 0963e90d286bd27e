/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/html.h"

#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

void html_markup(struct buffer *out, const char *markup)
{
    buffer_add(out, markup, strlen(markup));
}

/* U+202A to U+202E and U+2066 to U+2069. */
static bool turns_around(const char *text)
{
    return strncmp(text, "\xE2\x80", 2) == 0
               ? (unsigned char)text[2] >= 0xAA && (unsigned char)text[2] <= 0xAE
               : strncmp(text, "\xE2\x81", 2) == 0 && (unsigned char)text[2] >= 0xA6 &&
                     (unsigned char)text[2] <= 0xA9;
}

static const char *escape(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        break;
    }
    bool is_control = ((unsigned char)c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
    return is_control ? REPLACEMENT : NULL;
}

void html_text(struct buffer *out, const char *text)
{
    for (const char *at = text; at && *at; at++) {
        const char *escaped = escape(*at);
        if (escaped) {
            html_markup(out, escaped);
        } else if (turns_around(at)) {
            html_markup(out, REPLACEMENT);
            at += 2;
        } else {
            buffer_add(out, at, 1);
        }
    }
}
