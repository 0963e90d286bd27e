/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/meter.h"

#include <string.h>

void meter_write(char text[static METER_BYTES], int64_t value, int64_t of)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int64_t eighths = of > 0 ? value * METER_CELLS * 8 / of : 0;
    size_t len = 0;

    eighths = eighths < 0 ? 0 : eighths > METER_CELLS * 8 ? METER_CELLS * 8 : eighths;
    text[0] = '\0';
    for (int64_t i = 0; i < eighths / 8; i++, len += 3)
        memcpy(text + len, "█", 4);
    memcpy(text + len, parts[eighths % 8], strlen(parts[eighths % 8]) + 1);
}
