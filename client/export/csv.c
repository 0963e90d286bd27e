/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/csv.h"

#include <string.h>

static bool is_formula(const char *text)
{
    char first = text[strspn(text, " \t\r\n")];

    return *text == '\t' || *text == '\r' || *text == '\n' ||
           (first != '\0' && strchr("=+-@", first) != NULL);
}

static void csv_cell(struct buffer *out, const char *text)
{
    bool is_risky = is_formula(text);
    bool is_quoted = is_risky || strpbrk(text, ",\"\r\n\t") != NULL;

    if (is_quoted)
        buffer_add(out, "\"", 1);
    if (is_risky)
        buffer_add(out, "'", 1);
    for (; *text; text++)
        buffer_add(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    if (is_quoted)
        buffer_add(out, "\"", 1);
}

void csv_row(struct buffer *out, const char *const *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add(out, ",", 1);
        csv_cell(out, cells[i]);
    }
    buffer_add(out, "\r\n", 2);
}
