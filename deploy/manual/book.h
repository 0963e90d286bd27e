/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program says of itself, as the manual pages and the completions need it. It comes from the
 * tables from which the program reads its command line and writes --help, so none says another
 * thing than the others.
 */
#ifndef DEPLOY_MANUAL_BOOK_H
#define DEPLOY_MANUAL_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct book_command {
    const char *group; /* "" if there are none */
    const char *name;  /* its words, TYPE for any type of record */
    const char *arguments;
    const char *sentence;
};

struct book_option {
    const char *name;
    const char *value; /* "" if it takes none */
    const char *sentence;
};

/* A field that FIELD=VALUE may set. */
struct book_field {
    const char *name;
    const char *choices; /* with blanks between; "" if free */
};

struct book {
    const char *program;
    const char *title; /* what the page is of, after the dash */
    const char *about;
    const char *fields_about; /* how FIELD=VALUE is written; "" if there is none */
    const char *tail;         /* the page's own sections, as roff */
    const struct book_command *commands;
    size_t command_count;
    const struct book_option *options; /* before or after any command */
    size_t option_count;
    const char *const *(*types)(void); /* of records, NULL after the last */
    /* The index-th field of a type; false beyond the last. */
    bool (*field)(const char *type, size_t index, struct book_field *field);
};

extern const struct book book_kith;
extern const struct book book_kithd;

/* The hub's settings, as lines of a page, and as a file in which nothing is set yet. */
void book_settings_page(FILE *out);
void book_settings_sample(FILE *out);

#endif
