/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of a record as typed: FIELD=VALUE sets, FIELD=- reads standard input, FIELD=@FILE a
 * file; FIELD+=V adds to a list and FIELD-=V takes from one. An empty VALUE clears.
 *
 * Text that was read loses a final line end and the carriage returns of other systems.
 */
#ifndef KITH_CLIENT_CLI_INPUT_H
#define KITH_CLIENT_CLI_INPUT_H

#include "client/kith.h"
#include "protocol/bytes.h"

#define INPUT_TEXT_MAX   65536 /* what is read from a file or standard input for one value */
#define INPUT_WHY_MAX    256
#define INPUTS_BYTES_MAX (16u * 1024 * 1024)

/* Zeroed is empty. */
struct inputs {
    struct kith_input *items;
    size_t count;
    size_t room;
    struct arena arena; /* of the items and their texts */
    bool has_read_stdin;
};

/* Adds what one word of the command line says. INPUT, NOT_FOUND, TOO_LARGE, ... with a sentence in
 * `why`. */
MUST_USE enum kith_err inputs_add_word(struct inputs *inputs, const char *word,
                                       char why[static INPUT_WHY_MAX]);
/* Adds one value; both texts are copied. MEMORY, also for more than INPUTS_BYTES_MAX in all. */
MUST_USE enum kith_err inputs_add(struct inputs *inputs, const char *field, char op,
                                  const char *value);
/* Wipes it and leaves it empty. */
void inputs_clear(struct inputs *inputs);

#endif
