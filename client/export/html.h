/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page as HTML for reading and printing: markup of our own, text of anybody's.
 *
 * Text is escaped, and each piece of it isolated by the page's style, so that nothing that somebody
 * typed becomes markup, a link, or turns what stands beside it around. The buffer carries its first
 * failure along.
 */
#ifndef KITH_CLIENT_EXPORT_HTML_H
#define KITH_CLIENT_EXPORT_HTML_H

#include "protocol/bytes.h"

/* Markup as it stands: never with anything that came from a record. */
void html_markup(struct buffer *out, const char *markup);
/* Text, escaped; control characters but line ends and tabs, and marks that turn text around, become
 * U+FFFD. NULL is nothing. */
void html_text(struct buffer *out, const char *text);

#endif
