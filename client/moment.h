/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates and times as people type them and as records keep them: ISO 8601, a time with its offset
 * from UTC.
 *
 * "14:05" is today, "yesterday 14:05" the day before, in the zone of this machine. What is stored
 * says which zone was meant. Seconds are not kept: nobody's note has them.
 */
#ifndef KITH_CLIENT_MOMENT_H
#define KITH_CLIENT_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#define MOMENT_TEXT_MAX 40

/* "2026-03-02", "today", "yesterday" -> "2026-03-02". False if it is no date. */
bool moment_read_date(const char *text, uint64_t now_ms, char out[static MOMENT_TEXT_MAX]);
/* "14:05", "yesterday 14:05", "2026-03-02 14:05", "2026-03-02T14:05-05:00" -> the last form. */
bool moment_read_time(const char *text, uint64_t now_ms, char out[static MOMENT_TEXT_MAX]);

/* A stored time, or the noon of a stored date in the zone of this machine, as milliseconds since
 * 1970. False if it is neither. */
bool moment_ms(const char *text, int64_t *ms);

/* Milliseconds since 1970 as "2026-03-02T14:05:09-05:00", in the zone of this machine. */
void moment_write(uint64_t ms, char out[static MOMENT_TEXT_MAX]);

#endif
