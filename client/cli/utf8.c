/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/utf8.h"

#include <stdbool.h>
#include <wchar.h>

/* How many bytes the first one promises; 0 if it begins nothing. RFC 3629. */
static size_t promised(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

static bool is_allowed(uint32_t point, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return point >= least[len] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
}

size_t utf8_next(const char *text, size_t len, uint32_t *point)
{
    uint8_t first = (uint8_t)text[0];
    size_t count = promised(first);

    *point = UTF8_REPLACEMENT;
    if (count == 0 || count > len)
        return 1;
    uint32_t value = count == 1 ? first : first & (0x7Fu >> count);
    for (size_t i = 1; i < count; i++) {
        uint8_t byte = (uint8_t)text[i];
        if ((byte & 0xC0) != 0x80)
            return 1;
        value = value << 6 | (byte & 0x3Fu);
    }
    if (!is_allowed(value, count))
        return 1;
    *point = value;
    return count;
}

unsigned utf8_columns(uint32_t point)
{
    int width = wcwidth((wchar_t)point);

    /* In the C locale nothing beyond ASCII has a width. */
    return width < 0 ? 1 : (unsigned)width;
}
