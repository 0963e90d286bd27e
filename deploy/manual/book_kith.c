/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/commands.h"
#include "deploy/manual/book.h"

static const struct book_command commands[] = {
#define COMMAND_ROW(group, name, arguments, help, function) {group, name, arguments, help},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const struct book_option options[] = {
#define OPTION_ROW(name, value, help) {name, value, help},
    COMMON_OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

static bool schema_field(const char *type, size_t index, struct book_field *field)
{
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(type, &count);

    if (!fields || index >= count)
        return false;
    *field = (struct book_field){fields[index].name, fields[index].choices};
    return true;
}

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nIt is done.\n"
    ".TP\n.B 1\nIt was refused or failed; a sentence says why and what to do.\n"
    ".TP\n.B 2\nThe command line cannot be.\n"
    ".TP\n.B 3\nIt is saved here; the hub could not be reached.\n"
    ".TP\n.B 4\nA person has to decide something, or something is missing.\n"
    ".TP\n.B 5\nThe home is locked, or the passphrase is wrong.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B KITH_HOME\nThe home, where \\fB\\-\\-home\\fR does not name it.\n"
    ".TP\n.B KITH_PASSPHRASE_FILE\n"
    "A file with the passphrase, where \\fB\\-\\-passphrase\\-file\\fR does not name it.\n"
    ".TP\n\\fBVISUAL\\fR, \\fBEDITOR\\fR\nThe editor that opens a record to be filled in.\n"
    ".SH FILES\n"
    ".TP\n.I \\(ti/.local/share/kith\n"
    "The home, where nothing names another one. All of it is encrypted.\n"
    ".SH SEE ALSO\n.BR kithd (1)\n";

const struct book book_kith = {
    .program = "kith",
    .title = "records of peer support, offline and encrypted",
    .about = COMMANDS_ABOUT,
    .fields_about = COMMANDS_FIELDS,
    .tail = tail,
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .types = kith_schema_types,
    .field = schema_field,
};
