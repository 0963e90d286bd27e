/* SPDX-License-Identifier: Apache-2.0 */
#include "client/moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OFFSET_MINUTES_MAX (14 * 60)

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool is_date(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (year < 1880 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    return day <= days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Exactly `count` digits at the front; moves on. */
static bool take_digits(const char **text, unsigned count, unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (unsigned)(**text - '0');
    }
    return true;
}

static bool take_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static bool take_word(const char **text, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*text, word, len) != 0)
        return false;
    *text += len;
    return true;
}

/* The day `days` before today, here: by the calendar, since a day may have 23 or 25 hours. */
static void local_day(uint64_t now_ms, int days, struct tm *day)
{
    time_t now = (time_t)(now_ms / 1000);

    (void)localtime_r(&now, day);
    day->tm_mday -= days;
    day->tm_hour = 12;
    day->tm_isdst = -1;
    (void)mktime(day);
}

static bool take_date(const char **text, uint64_t now_ms, struct tm *day)
{
    unsigned year;
    unsigned month;
    unsigned number;

    if (take_word(text, "today")) {
        local_day(now_ms, 0, day);
        return true;
    }
    if (take_word(text, "yesterday")) {
        local_day(now_ms, 1, day);
        return true;
    }
    if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) ||
        !take_char(text, '-') || !take_digits(text, 2, &number) || !is_date(year, month, number))
        return false;
    memset(day, 0, sizeof *day);
    day->tm_year = (int)year - 1900;
    day->tm_mon = (int)month - 1;
    day->tm_mday = (int)number;
    return true;
}

bool moment_read_date(const char *text, uint64_t now_ms, char out[static MOMENT_TEXT_MAX])
{
    struct tm day;

    if (!take_date(&text, now_ms, &day) || *text)
        return false;
    return strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%d", &day) > 0;
}

/* "+05:30", "-0500", "Z"; without any, what the clock of this machine had at that moment. */
static bool take_offset(const char **text, struct tm *day, int *offset_minutes)
{
    unsigned hours;
    unsigned minutes;

    if (take_char(text, 'Z')) {
        *offset_minutes = 0;
        return true;
    }
    if (**text == '+' || **text == '-') {
        int sign = **text == '-' ? -1 : 1;
        (*text)++;
        if (!take_digits(text, 2, &hours))
            return false;
        (void)take_char(text, ':');
        if (!take_digits(text, 2, &minutes) || minutes > 59 ||
            hours * 60 + minutes > OFFSET_MINUTES_MAX)
            return false;
        *offset_minutes = sign * (int)(hours * 60 + minutes);
        return true;
    }
    struct tm copy = *day;
    copy.tm_isdst = -1;
    (void)mktime(&copy);
    *offset_minutes = (int)(copy.tm_gmtoff / 60);
    return true;
}

static bool take_clock(const char **text, struct tm *day)
{
    unsigned hour;
    unsigned minute;
    unsigned second;

    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    if (take_char(text, ':') && (!take_digits(text, 2, &second) || second > 59))
        return false;
    day->tm_hour = (int)hour;
    day->tm_min = (int)minute;
    day->tm_sec = 0;
    return true;
}

bool moment_read_time(const char *text, uint64_t now_ms, char out[static MOMENT_TEXT_MAX])
{
    struct tm day;
    int offset = 0;
    char clock[MOMENT_TEXT_MAX];
    bool has_date = strlen(text) >= 2 && text[2] != ':';

    if (!has_date)
        local_day(now_ms, 0, &day);
    else if (!take_date(&text, now_ms, &day) || !(take_char(&text, 'T') || take_char(&text, ' ')))
        return false;
    if (!take_clock(&text, &day) || !take_offset(&text, &day, &offset) || *text)
        return false;
    if (strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M", &day) == 0)
        return false;
    int absolute = offset < 0 ? -offset : offset;
    int len = snprintf(out, MOMENT_TEXT_MAX, "%s%c%02d:%02d", clock, offset < 0 ? '-' : '+',
                       absolute / 60, absolute % 60);
    return len > 0 && len < MOMENT_TEXT_MAX;
}

bool moment_ms(const char *text, int64_t *ms)
{
    struct tm day;
    int offset = 0;

    if (!take_date(&text, 0, &day))
        return false;
    if (!*text) {
        day.tm_hour = 12;
        day.tm_isdst = -1;
        *ms = (int64_t)mktime(&day) * 1000;
        return true;
    }
    if (!take_char(&text, 'T') || !take_clock(&text, &day) || !take_offset(&text, &day, &offset) ||
        *text)
        return false;
    *ms = ((int64_t)timegm(&day) - (int64_t)offset * 60) * 1000;
    return true;
}

void moment_write(uint64_t ms, char out[static MOMENT_TEXT_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm day;

    (void)localtime_r(&seconds, &day);
    size_t len = strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &day);
    long minutes = day.tm_gmtoff / 60;
    long absolute = labs(minutes);
    (void)snprintf(out + len, MOMENT_TEXT_MAX - len, "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
                   absolute / 60, absolute % 60);
}
