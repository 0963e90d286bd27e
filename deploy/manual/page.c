/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/manual/page.h"

#include <string.h>

#include "deploy/manual/roff.h"

static void head(const char *name, int section, const char *date, const char *title, FILE *out)
{
    (void)fprintf(out, ".TH %s %d %s \"kith %s\" kith\n.SH NAME\n%s \\- %s\n", name, section, date,
                  KITH_VERSION_TEXT, name, title);
}

static void synopsis(const struct book *book, FILE *out)
{
    (void)fprintf(out, ".SH SYNOPSIS\n.B %s\n", book->program);
    for (size_t i = 0; i < book->option_count; i++) {
        const struct book_option *option = &book->options[i];
        (void)fputs("[", out);
        roff_syntax(out, option->name);
        if (*option->value)
            (void)fputc(' ', out);
        roff_syntax(out, option->value);
        (void)fputs("]\n", out);
    }
    (void)fputs("\\fICOMMAND\\fR ...\n", out);
}

static void commands(const struct book *book, FILE *out)
{
    const char *group = "";

    (void)fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < book->command_count; i++) {
        const struct book_command *command = &book->commands[i];
        if (strcmp(group, command->group) != 0)
            (void)fprintf(out, ".SS %s\n", command->group);
        group = command->group;
        (void)fputs(".TP\n", out);
        roff_font(out, 'B', command->name, strlen(command->name));
        if (*command->arguments)
            (void)fputc(' ', out);
        roff_syntax(out, command->arguments);
        (void)fputc('\n', out);
        roff_text(out, command->sentence);
        (void)fputs(".\n", out);
    }
}

static void fields(const struct book *book, FILE *out)
{
    (void)fputs(".SS Types and fields\n", out);
    roff_text(out, book->fields_about);
    (void)fputs("\\fITYPE\\fR is one of", out);
    for (const char *const *type = book->types(); *type; type++)
        (void)fprintf(out, "\n%s%s", *type, type[1] ? "," : ".");
    (void)fputs("\n\\fBkith \\fITYPE\\fB add \\-\\-help\\fR lists the fields of a type.\n", out);
}

static void options(const struct book *book, FILE *out)
{
    (void)fputs(".SH OPTIONS\nBefore or after any command:\n", out);
    for (size_t i = 0; i < book->option_count; i++) {
        const struct book_option *option = &book->options[i];
        (void)fputs(".TP\n", out);
        roff_syntax(out, option->name);
        if (*option->value)
            (void)fputc(' ', out);
        roff_syntax(out, option->value);
        (void)fputc('\n', out);
        roff_text(out, option->sentence);
        (void)fputs(".\n", out);
    }
}

void page_of_program(const struct book *book, const char *date, FILE *out)
{
    head(book->program, 1, date, book->title, out);
    synopsis(book, out);
    (void)fputs(".SH DESCRIPTION\n", out);
    roff_text(out, book->about);
    commands(book, out);
    if (book->types)
        fields(book, out);
    options(book, out);
    (void)fputs(book->tail, out);
}

void page_of_settings(const char *date, FILE *out)
{
    head("kithd.conf", 5, date, "settings of the hub of an agency", out);
    (void)fputs(
        ".SH DESCRIPTION\n"
        "Lines of \\fIkey\\fR = \\fIvalue\\fR; # begins a comment. A key is set at most once.\n"
        "What \\fBkithd init\\fR was told is in the file\n.I hub.conf\nbeside the hub's keys. The "
        "file that \\fB\\-\\-config\\fR names is read after it, then the command line: the later "
        "one holds. Nothing changes while the hub runs.\n"
        ".SH SETTINGS\n",
        out);
    book_settings_page(out);
    (void)fputs(".SH FILES\n.I /etc/kith/kithd.conf,\n.I /var/lib/kith/hub.conf\n"
                ".SH SEE ALSO\n.BR kithd (1)\n",
                out);
}
