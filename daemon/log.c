/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config.h"

static const struct {
    enum log_level level;
    const char *event;
    const char *fields[2];
} events[] = {
#define LOG_ROW(name, level, event, first, second) {LOG_LEVEL_##level, event, {first, second}},
    LOG_EVENTS(LOG_ROW)
#undef LOG_ROW
};

#define LINE_MAX_BYTES 256 /* a time, an event, four numbers, an error */

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

/* JOURNAL_STREAM names the journal's end of our standard error, unless that was led elsewhere. */
static bool is_journal(void)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat status;
    char ours[64];

    if (!named || fstat(STDERR_FILENO, &status) < 0)
        return false;
    (void)snprintf(ours, sizeof ours, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(named, ours) == 0;
}

static void begin(struct line *line, enum log_name name)
{
    char level[8];

    line->len = 0;
    (void)snprintf(level, sizeof level, "<%d>", (int)events[name].level);
    if (is_journal())
        add_text(line, level);
    add_time(line);
    add_text(line, events[name].event);
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

static void add_word(struct line *line, const char *field, const char *word)
{
    add_text(line, " ");
    add_text(line, field);
    add_text(line, "=");
    add_text(line, word);
}

void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err)
{
    struct line line;

    begin(&line, name);
    add_number(&line, events[name].fields[0], first);
    add_number(&line, events[name].fields[1], second);
    if (err)
        add_word(&line, "result", error_name(err));
    write_out(&line);
}

void log_opened(uint32_t device, enum channel_mode mode)
{
    struct line line;

    begin(&line, LOG_SESSION_OPENED);
    add_number(&line, "device", device);
    add_word(&line, "mode", mode_word(mode));
    write_out(&line);
}

void log_closed(uint32_t device, uint64_t seconds, const uint64_t bytes[static 2],
                enum kith_err err)
{
    struct line line;

    begin(&line, LOG_SESSION_CLOSED);
    add_number(&line, "device", device);
    add_number(&line, "seconds", seconds);
    add_number(&line, "bytes_in", bytes[0]);
    add_number(&line, "bytes_out", bytes[1]);
    if (err)
        add_word(&line, "result", error_name(err));
    write_out(&line);
}

void log_refused(enum turn_reason reason, uint64_t count, uint64_t connections)
{
    struct line line;

    begin(&line, LOG_CONNECTIONS_REFUSED);
    add_word(&line, "reason", turn_word(reason));
    add_number(&line, "count", count);
    add_number(&line, "connections", connections);
    write_out(&line);
}

void log_setting(enum log_name name, size_t setting, const uint32_t *from, const uint32_t *to)
{
    struct line line;

    begin(&line, name);
    add_word(&line, "setting", config_key(setting));
    if (from)
        add_number(&line, events[name].fields[0], *from);
    if (to)
        add_number(&line, events[name].fields[1], *to);
    write_out(&line);
}
