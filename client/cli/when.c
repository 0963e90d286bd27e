/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/moment.h"

#define MINUTE_MS       60000u
#define DURATION_MS_MAX (3653ull * 24 * 60 * MINUTE_MS)

uint64_t when_now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool local_time(uint64_t time_ms, struct tm *local)
{
    time_t seconds = (time_t)(time_ms / 1000);

    return time_ms && localtime_r(&seconds, local);
}

const char *when_text(uint64_t time_ms, char text[static WHEN_TEXT_MAX])
{
    struct tm local;

    text[0] = '\0';
    if (!local_time(time_ms, &local))
        return text;
    size_t len = strftime(text, WHEN_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &local);
    long minutes = local.tm_gmtoff / 60;
    long absolute = labs(minutes);
    (void)snprintf(text + len, WHEN_TEXT_MAX - len, "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
                   absolute / 60, absolute % 60);
    return text;
}

const char *when_short(uint64_t time_ms, char text[static WHEN_TEXT_MAX])
{
    struct tm local;

    if (!local_time(time_ms, &local) ||
        strftime(text, WHEN_TEXT_MAX, "%Y-%m-%d %H:%M", &local) == 0)
        (void)snprintf(text, WHEN_TEXT_MAX, "never");
    return text;
}

/* "2026-03-02T14:05-05:00", as moment_read_time leaves it. */
static bool read_whole(const char *text, uint64_t *time_ms)
{
    struct tm moment = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M%z", &moment);

    if (!end || *end)
        return false;
    long offset_s = moment.tm_gmtoff;
    time_t seconds = timegm(&moment) - offset_s;
    if (seconds < 0)
        return false;
    *time_ms = (uint64_t)seconds * 1000;
    return true;
}

bool when_read(const char *text, uint64_t now_ms, uint64_t *time_ms)
{
    char whole[MOMENT_TEXT_MAX];
    char date[MOMENT_TEXT_MAX];
    char midnight[MOMENT_TEXT_MAX + 8];

    if (moment_read_time(text, now_ms, whole))
        return read_whole(whole, time_ms);
    if (!moment_read_date(text, now_ms, date))
        return false;
    (void)snprintf(midnight, sizeof midnight, "%s 00:00", date);
    return moment_read_time(midnight, now_ms, whole) && read_whole(whole, time_ms);
}

bool duration_read(const char *text, uint64_t *duration_ms)
{
    uint64_t count = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        count = count * 10 + (uint64_t)(*at - '0');
        if (count > DURATION_MS_MAX)
            return false;
    }
    if (at == text || !*at || at[1])
        return false;
    uint64_t unit_ms = *at == 'd'   ? 24ull * 60 * MINUTE_MS
                       : *at == 'h' ? 60ull * MINUTE_MS
                       : *at == 'm' ? MINUTE_MS
                                    : 0;
    *duration_ms = count * unit_ms;
    return *duration_ms > 0 && count <= DURATION_MS_MAX / unit_ms;
}
