/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a command line, read by the same line of text that the help shows.
 *
 * "ID [FIELD=VALUE...] [--since TIME] [--qr]": capitals stand for words, brackets for what may be
 * left out, "..." for as many as one likes; an option with a word behind it takes a value.
 */
#ifndef KITH_CLIENT_CLI_ARGUMENTS_H
#define KITH_CLIENT_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS_OPTIONS_MAX 8
#define ARGUMENTS_WHY_MAX     160

struct arguments {
    char **words; /* without the options; within the argv that was read */
    size_t count;
    struct {
        const char *name;
        const char *value;
    } options[ARGUMENTS_OPTIONS_MAX];
    size_t option_count;
};

/* Sorts `argv` in place: the options out, the words together. False with a sentence in `why` if it
 * does not follow `syntax`. */
bool arguments_read(const char *syntax, int argc, char **argv, struct arguments *arguments,
                    char why[static ARGUMENTS_WHY_MAX]);
/* The option's value, "" if it takes none, NULL if it was not given. */
const char *arguments_option(const struct arguments *arguments, const char *name);

#endif
