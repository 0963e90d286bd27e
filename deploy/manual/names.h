/* SPDX-License-Identifier: Apache-2.0 */
/* A program's commands word by word, with TYPE once for each type: what a shell completes. */
#ifndef DEPLOY_MANUAL_NAMES_H
#define DEPLOY_MANUAL_NAMES_H

#include "deploy/manual/book.h"

#define NAMES_MAX     256
#define NAME_BYTES    64
#define NAMES_OPTIONS 16

struct name {
    char words[NAME_BYTES]; /* each with a blank behind it */
    const char *type;       /* NULL if it is no command of a type */
    const struct book_command *command;
};

struct names {
    struct name of[NAMES_MAX];
    size_t count;
};

void names_of(const struct book *book, struct names *names);

/* A place on the way to a command: the words before it, and what may come next. */
struct stop {
    const char *path; /* len bytes */
    size_t len;
};
struct next_word {
    const char *word; /* len bytes */
    size_t len;
    const char *sentence; /* NULL if no command ends here */
};

/* Calls `visit` once for each place. */
void names_each_stop(const struct names *names, void (*visit)(const struct stop *stop, void *to),
                     void *to);
/* The word that may come next by the index-th name; false if it is not on this way, or an earlier
 * one has said it. */
bool names_next(const struct names *names, const struct stop *stop, size_t index,
                struct next_word *word);

enum value { VALUE_NONE, VALUE_WORD, VALUE_FILE, VALUE_FOLDER };
struct named_option {
    char name[32];
    enum value value;
};
/* The options of a syntax as --help has it; how many. */
size_t names_options(const char *syntax, struct named_option options[NAMES_OPTIONS]);
struct named_option names_common(const struct book_option *option);
/* Whether a FILE is among its words, and whether FIELD=VALUE is. */
bool names_wants_file(const char *syntax);
bool names_wants_fields(const char *syntax);

#endif
