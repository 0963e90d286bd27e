/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading UTF-8 one character at a time, whatever the bytes are, and how wide a character is on a
 * terminal.
 */
#ifndef KITH_CLIENT_CLI_UTF8_H
#define KITH_CLIENT_CLI_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xFFFDu

/* The character at the front of `text`, which has `len` > 0 bytes, and how many bytes it takes. A
 * byte that begins no valid character is UTF8_REPLACEMENT, of length 1. */
size_t utf8_next(const char *text, size_t len, uint32_t *point);
/* Columns: 0 for what combines with the one before, 2 for wide ones. */
unsigned utf8_columns(uint32_t point);

#endif
