/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments and durations as commands take and print them: ISO 8601 with the offset of this machine,
 * "7d", "12h", "30m".
 */
#ifndef KITH_CLIENT_CLI_WHEN_H
#define KITH_CLIENT_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#define WHEN_TEXT_MAX 40

uint64_t when_now_ms(void);
/* "2026-03-02T14:05:09-05:00"; "" for 0, which stands for never. Returns `text`. */
const char *when_text(uint64_t time_ms, char text[static WHEN_TEXT_MAX]);
/* The same for people: "2026-03-02 14:05", or "never". */
const char *when_short(uint64_t time_ms, char text[static WHEN_TEXT_MAX]);
/* A time, or a date for its first minute here. False if it is neither. */
bool when_read(const char *text, uint64_t now_ms, uint64_t *time_ms);
/* Days, hours or minutes, at most ten years. */
bool duration_read(const char *text, uint64_t *duration_ms);

#endif
