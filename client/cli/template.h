/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record as a text that a person fills in: for each field a "[name]" line, an explanation, and
 * room below.
 *
 * What is read back is compared with what was written out: only what changed becomes an input, so a
 * field that nobody touched is not written again, and two values that wait for a decision stay
 * until somebody decides. Only the lines that the template itself wrote, and any # above the first
 * "[name]", are taken for explanations: a line of a note may begin with # and is kept.
 */
#ifndef KITH_CLIENT_CLI_TEMPLATE_H
#define KITH_CLIENT_CLI_TEMPLATE_H

#include "client/cli/input.h"

struct template
{
    const char *type;
    const struct kith_schema_field *fields;
    size_t field_count;
    const struct kith_record *record; /* NULL for a new one */
};

/* On the heap; NULL without memory. */
char *template_write(const struct template *template);
/* Adds what `text` says and `original`, from template_write, did not. INPUT with a sentence in
 * `why`, MEMORY. */
MUST_USE enum kith_err template_read(const struct template *template, const char *original,
                                     const char *text, struct inputs *inputs,
                                     char why[static INPUT_WHY_MAX]);

#endif
