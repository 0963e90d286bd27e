/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct {
    const char *event;
    const char *first;
    const char *second;
} events[] = {
#define LOG_ROW(name, event, first, second) {event, first, second},
    LOG_EVENTS(LOG_ROW)
#undef LOG_ROW
};

void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err)
{
    struct timespec now;
    struct tm utc;
    char text[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)fprintf(stderr, "%s.%03ldZ %s %s=%" PRIu64 " %s=%" PRIu64 " result=%s\n", text,
                  now.tv_nsec / 1000000, events[name].event, events[name].first, first,
                  events[name].second, second, error_name(err));
}
