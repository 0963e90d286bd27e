/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the manual pages, the completions and the sample of the hub's settings.
 *
 *     manual FOLDER DATE
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/manual/completion.h"
#include "deploy/manual/page.h"

static const char *folder;
static const char *date;

static FILE *begin(const char *program, const char *ending)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s%s", folder, program, ending);

    return len > 0 && (size_t)len < sizeof path ? fopen(path, "w") : NULL;
}

/* Whether all that was written is in the file. */
static bool end(FILE *file)
{
    bool is_whole = !ferror(file);

    return fclose(file) == 0 && is_whole;
}

static bool write_page(const struct book *book)
{
    FILE *file = begin(book->program, ".1");

    if (!file)
        return false;
    page_of_program(book, date, file);
    return end(file);
}

static bool write_completion(const struct book *book, const char *ending,
                             void (*write)(const struct book *book, const struct names *names,
                                           FILE *out))
{
    struct names names;
    FILE *file = begin(book->program, ending);

    if (!file)
        return false;
    names_of(book, &names);
    write(book, &names, file);
    return end(file);
}

static bool write_settings(void)
{
    FILE *page = begin("kithd.conf", ".5");

    if (!page)
        return false;
    page_of_settings(date, page);
    if (!end(page))
        return false;
    FILE *sample = begin("kithd", ".conf");
    if (!sample)
        return false;
    book_settings_sample(sample);
    return end(sample);
}

static bool write_book(const struct book *book)
{
    return write_page(book) && write_completion(book, ".bash", completion_bash) &&
           write_completion(book, ".zsh", completion_zsh) &&
           write_completion(book, ".fish", completion_fish);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fputs("usage: manual FOLDER DATE\n", stderr);
        return 2;
    }
    folder = argv[1];
    date = argv[2];
    if (write_book(&book_kith) && write_book(&book_kithd) && write_settings())
        return 0;
    (void)fprintf(stderr, "manual: cannot write into %s: %s\n", folder, strerror(errno));
    return 1;
}
