/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config.h"

static const struct {
    const char *event;
    const char *fields[2];
} events[] = {
#define LOG_ROW(name, event, first, second) {event, {first, second}},
    LOG_EVENTS(LOG_ROW)
#undef LOG_ROW
};

#define LINE_MAX_BYTES 256 /* a time, an event, two numbers, an error */

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void add_text(struct line *line, const char *text)
{
    size_t len = strlen(text);

    if (len > sizeof line->text - line->len - 1)
        len = sizeof line->text - line->len - 1;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void add_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[48];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    add_text(line, text);
    (void)snprintf(text, sizeof text, ".%03uZ ", (unsigned)(now.tv_nsec / 1000000));
    add_text(line, text);
}

static void add_number(struct line *line, const char *field, uint64_t value)
{
    char digits[24];

    if (!*field)
        return;
    (void)snprintf(digits, sizeof digits, "=%" PRIu64, value);
    add_text(line, " ");
    add_text(line, field);
    add_text(line, digits);
}

static void write_out(struct line *line)
{
    line->text[line->len++] = '\n';
    (void)!write(STDERR_FILENO, line->text,
                 line->len); /* one call: lines of several threads do not mix */
}

void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err)
{
    struct line line = {.len = 0};

    add_time(&line);
    add_text(&line, events[name].event);
    add_number(&line, events[name].fields[0], first);
    add_number(&line, events[name].fields[1], second);
    if (err) {
        add_text(&line, " result=");
        add_text(&line, error_name(err));
    }
    write_out(&line);
}

void log_setting(enum log_name name, size_t setting, const uint32_t *from, const uint32_t *to)
{
    struct line line = {.len = 0};

    add_time(&line);
    add_text(&line, events[name].event);
    add_text(&line, " setting=");
    add_text(&line, config_key(setting));
    if (from)
        add_number(&line, events[name].fields[0], *from);
    if (to)
        add_number(&line, events[name].fields[1], *to);
    write_out(&line);
}
