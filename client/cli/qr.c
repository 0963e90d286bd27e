/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/qr.h"

#include <qrencode.h>

#define QUIET_ZONE 2 /* modules of light around it */

static bool is_dark(const QRcode *code, int x, int y)
{
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return false;
    return code->data[y * code->width + x] & 1;
}

static void put_row(FILE *out, const QRcode *code, int y, bool is_colour)
{
    (void)fputs(is_colour ? "\033[40;97m" : "", out);
    for (int x = -QUIET_ZONE; x < code->width + QUIET_ZONE; x++) {
        bool has_upper = !is_dark(code, x, y);
        bool has_lower = !is_dark(code, x, y + 1);
        (void)fputs(has_upper && has_lower ? "\u2588"
                    : has_upper            ? "\u2580"
                    : has_lower            ? "\u2584"
                                           : " ",
                    out);
    }
    (void)fputs(is_colour ? "\033[0m\n" : "\n", out);
}

bool qr_show(FILE *out, const char *text, bool is_colour)
{
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

    if (!code)
        return false;
    for (int y = -QUIET_ZONE; y < code->width + QUIET_ZONE; y += 2)
        put_row(out, code, y, is_colour);
    QRcode_free(code);
    return true;
}
