/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/bundle.h"
#include "daemon/commands.h"
#include "daemon/config.h"
#include "deploy/manual/book.h"
#include "deploy/manual/roff.h"

static const struct book_command commands[] = {
#define COMMAND_ROW(name, function, letters, usage, sentence) {"", name, usage, sentence},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
        {"", BUNDLE_NAME, BUNDLE_ARGUMENTS, BUNDLE_SENTENCE},
};

static const struct book_option options[] = {
    {"--help", "", "about kithd with all settings, or about the command"},
    {"--version", "", "which version this is"},
};

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nIt is done.\n"
    ".TP\n.B 1\nIt was refused or failed; a sentence says why and what to do.\n"
    ".TP\n.B 2\nThe command line cannot be.\n"
    ".SH FILES\n"
    ".TP\n.I /var/lib/kith\n"
    "The hub's keys, its settings and its store, where the service has them. Whoever reads the "
    "keys can pass for "
    "the hub; no key to a record is among them.\n"
    ".TP\n.I /etc/kith/kithd.conf\nThe settings of the service; see\n.BR kithd.conf (5).\n"
    ".SH SEE ALSO\n.BR kithd.conf (5),\n.BR kith (1)\n";

const struct book book_kithd = {
    .program = "kithd",
    .title = "the hub of an agency",
    .about = "kithd is the hub of an agency: it stores what laptops send as ciphertext, checks "
             "every signature, acknowledges only what is on disk, and cannot read a word of it.\n",
    .fields_about = "",
    .tail = tail,
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

#define CHANGE_WORDS(change)                                                                       \
    ((change) == CONFIG_LIVE ? "reload changes it" : "a restart changes it")

static void text_setting(FILE *out, const char *key, const char *preset, enum config_change change,
                         const char *sentence)
{
    (void)fprintf(out, ".TP\n.B %s\n", key);
    roff_text(out, sentence);
    (void)fputs(".\nWithout it: ", out);
    roff_text(out, *preset ? preset : "empty");
    (void)fprintf(out, "; %s.\n", CHANGE_WORDS(change));
}

static void number_setting(FILE *out, const char *key, const char *range, enum config_change change,
                           const char *sentence)
{
    (void)fprintf(out, ".TP\n.B %s\n", key);
    roff_text(out, sentence);
    (void)fprintf(out, ".\n%s; %s.\n", range, CHANGE_WORDS(change));
}

void book_settings_page(FILE *out)
{
#define TEXT_ENTRY(field, form, bytes, preset, change, sentence)                                   \
    text_setting(out, #field, preset, change, sentence);
    CONFIG_TEXTS(TEXT_ENTRY)
#undef TEXT_ENTRY
#define NUMBER_ENTRY(field, preset, least, most, unit, change, sentence)                           \
    number_setting(out, #field, "From " #least " to " #most " " unit "; without it: " #preset,     \
                   change, sentence);
    CONFIG_NUMBERS(NUMBER_ENTRY)
#undef NUMBER_ENTRY
}

void book_settings_sample(FILE *out)
{
    (void)fputs(
        "# Settings of the hub: kithd.conf(5). Each line is as it holds without this file;\n"
        "# what is set here goes before what `kithd init` was told.\n",
        out);
#define TEXT_LINES(field, form, bytes, preset, change, sentence)                                   \
    (void)fputs("\n# " sentence "\n#" #field " = " preset "\n", out);
    CONFIG_TEXTS(TEXT_LINES)
#undef TEXT_LINES
#define NUMBER_LINES(field, preset, least, most, unit, change, sentence)                           \
    (void)fputs(                                                                                   \
        "\n# " sentence " (" #least " to " #most " " unit ")\n#" #field " = " #preset "\n", out);
    CONFIG_NUMBERS(NUMBER_LINES)
#undef NUMBER_LINES
}
