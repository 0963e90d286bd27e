/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comma-separated values as RFC 4180 has them: CRLF after each row, quotes around a cell that needs
 * them.
 *
 * A spreadsheet takes a cell that begins with = + - @, a tab or a carriage return for a formula. So
 * that what somebody typed stays text, such a cell gets an apostrophe in front (OWASP, CSV
 * injection), also behind blanks.
 */
#ifndef KITH_CLIENT_EXPORT_CSV_H
#define KITH_CLIENT_EXPORT_CSV_H

#include "protocol/bytes.h"

/* One row. The buffer carries its first failure along. */
void csv_row(struct buffer *out, const char *const *cells, size_t count);

#endif
