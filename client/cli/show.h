/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: aligned columns, wrapped paragraphs, a little colour.
 *
 * On a terminal everything fits its width; elsewhere nothing is cut. Records come from many
 * devices: whatever could steer a terminal or turn text around is shown as U+FFFD.
 */
#ifndef KITH_CLIENT_CLI_SHOW_H
#define KITH_CLIENT_CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "client/kith.h"

#define SHOW_COLUMNS_MAX 8

struct show {
    FILE *out;
    unsigned width; /* 0: as wide as it needs */
    bool is_colour;
};

enum show_tone { SHOW_PLAIN, SHOW_STRONG, SHOW_FAINT, SHOW_WARNING };

/* Looks at the stream, $NO_COLOR, $TERM and $COLUMNS. */
struct show show_to(FILE *out);
/* On one line: line ends become spaces. */
void show_text(const struct show *show, enum show_tone tone, const char *text);
/* From column `indent` on, where the line already is; ends the line. */
void show_paragraph(const struct show *show, unsigned indent, const char *text);
/* A name, and its text beside it from column `indent` on. */
void show_pair(const struct show *show, unsigned indent, const char *name, const char *text);

/* `cells` row by row, `columns` at most SHOW_COLUMNS_MAX; the first row is the heading. */
void show_table(const struct show *show, size_t columns, const char *const *cells, size_t rows);

/* The values of a field side by side, with who wrote each, when and on which device. */
void show_versions(const struct show *show, const struct kith_field *field);
/* What a visit lacks before it can be signed, and what its reader should know. */
void show_lacks(const struct show *show, const struct kith_record *record);
/* The life of a visit's note: labels, steps, late edits; nothing for other records. */
void show_life(const struct show *show, const struct kith_record *record);
/* A record with its fields, and below them what waits for a decision. */
void show_record(const struct show *show, const struct kith_record *record);

#endif
