/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: common options, the table of commands, help, and the exit code. */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/commands.h"

struct command {
    const char *group;
    const char *name;
    const char *arguments;
    const char *help;
    command_run *run;
};

static const struct command commands[] = {
#define COMMAND_ROW(group, name, arguments, help, function)                                        \
    {group, name, arguments, help, function},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* What is said before or after any command. */
struct globals {
    const char *home;
    const char *passphrase_file;
    bool is_json;
    bool wants_help;
    bool wants_version;
};

static void help_common(FILE *out)
{
    (void)fputs("\nBefore or after any command:\n", out);
#define COMMON_ROW(option, value, help)                                                            \
    (void)fprintf(out, "  %-24s %s\n", *(value) ? option " " value : (option), help);
    COMMON_OPTIONS(COMMON_ROW)
#undef COMMON_ROW
}

/* Whether argv[*at] is the option, and its value. A missing value is NULL and told to the caller by
 * `is_missing`. */
static bool option_with_value(int argc, char **argv, int *at, const char *name, const char **value,
                              bool *is_missing)
{
    size_t len = strlen(name);

    if (strncmp(argv[*at], name, len) != 0 || (argv[*at][len] && argv[*at][len] != '='))
        return false;
    if (argv[*at][len] == '=')
        *value = argv[*at] + len + 1;
    else if (*at + 1 < argc)
        *value = argv[++*at];
    else
        *is_missing = true;
    return true;
}

/* Whether argv[*at] is a common option; then it is taken in. */
static bool global_take(int argc, char **argv, int *at, struct globals *globals, bool *is_missing)
{
    const char *word = argv[*at];
    bool *flag = strcmp(word, "--json") == 0                              ? &globals->is_json
                 : strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ? &globals->wants_help
                 : strcmp(word, "--version") == 0                         ? &globals->wants_version
                                                                          : NULL;

    if (flag)
        *flag = true;
    return flag || option_with_value(argc, argv, at, "--home", &globals->home, is_missing) ||
           option_with_value(argc, argv, at, "--passphrase-file", &globals->passphrase_file,
                             is_missing);
}

/* Takes the common options out of argv; -1 if one of them lacks its value. */
static int globals_read(int argc, char **argv, struct globals *globals)
{
    int kept = 0;
    bool is_missing = false;
    bool are_words_only = false;

    for (int i = 0; i < argc; i++) {
        are_words_only = are_words_only || strcmp(argv[i], "--") == 0;
        if (are_words_only || !global_take(argc, argv, &i, globals, &is_missing))
            argv[kept++] = argv[i];
    }
    return is_missing ? -1 : kept;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* Absolute, on the heap: the commands that stay behind leave the working folder. */
static char *home_path(const char *given)
{
    const char *data = environment("XDG_DATA_HOME");
    const char *user = environment("HOME");
    char *path = NULL;
    char folder[PATH_MAX];
    int len = -1;

    if (!given)
        given = environment("KITH_HOME");
    if (given && *given == '/')
        return strdup(given);
    if (given)
        return getcwd(folder, sizeof folder) && asprintf(&path, "%s/%s", folder, given) >= 0 ? path
                                                                                             : NULL;
    if (data && *data == '/')
        return asprintf(&path, "%s/kith", data) >= 0 ? path : NULL;
    if (!user) {
        const struct passwd *entry = getpwuid(geteuid());
        user = entry ? entry->pw_dir : NULL;
    }
    if (user)
        len = asprintf(&path, "%s/.local/share/kith", user);
    return len >= 0 ? path : NULL;
}

static const char *record_type(const char *word)
{
    for (const char *const *type = kith_schema_types(); *type; type++)
        if (strcmp(*type, word) == 0)
            return *type;
    return NULL;
}

/* How many words of the command line the command's name takes; 0 if it is another one. */
static int name_matches(const struct command *command, int argc, char **argv, const char **type)
{
    const char *name = command->name;
    int count = 0;

    for (; *name; count++) {
        size_t len = strcspn(name, " ");
        if (count >= argc)
            return 0;
        if (strncmp(name, "TYPE", len) == 0) {
            *type = record_type(argv[count]);
            if (!*type)
                return 0;
        } else if (strlen(argv[count]) != len || strncmp(name, argv[count], len) != 0) {
            return 0;
        }
        name += len + (name[len] == ' ');
    }
    return count;
}

static const struct command *command_find(int argc, char **argv, int *taken, const char **type)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        *type = NULL;
        *taken = name_matches(&commands[i], argc, argv, type);
        if (*taken)
            return &commands[i];
    }
    return NULL;
}

static void types_list(FILE *out)
{
    (void)fputs("TYPE is one of:", out);
    for (const char *const *type = kith_schema_types(); *type; type++)
        (void)fprintf(out, " %s", *type);
    (void)fputc('\n', out);
}

static void help_all(FILE *out)
{
    const char *group = "";

    (void)fputs(COMMANDS_ABOUT
                "\nusage: kith [--home DIR] [--json] [--passphrase-file FILE] COMMAND ...\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(group, commands[i].group) != 0) {
            group = commands[i].group;
            (void)fprintf(out, "\n%s\n", group);
        }
        (void)fprintf(out, "  kith %s%s%s\n      %s\n", commands[i].name,
                      *commands[i].arguments ? " " : "", commands[i].arguments, commands[i].help);
    }
    (void)fputs("\n" COMMANDS_FIELDS, out);
    types_list(out);
    help_common(out);
}

static void help_fields(FILE *out, const char *type)
{
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(type, &count);

    (void)fprintf(out, "\nFields of a %s:\n", type);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "  %-20s %s%s\n", fields[i].name, fields[i].help,
                      fields[i].is_required ? " (needed)" : "");
        if (fields[i].choices[0])
            (void)fprintf(out, "  %-20s   %s\n", "", fields[i].choices);
    }
}

static void usage_of(FILE *out, const struct command *command, const char *type)
{
    const char *name = type ? command->name + strlen("TYPE") : command->name;

    (void)fprintf(out, "usage: kith %s%s%s%s\n", type ? type : "", name,
                  *command->arguments ? " " : "", command->arguments);
}

static enum exit_code help_for(int argc, char **argv)
{
    const char *type = NULL;
    int taken;
    const struct command *command = command_find(argc, argv, &taken, &type);

    if (!command) {
        help_all(stdout);
        return EXIT_DONE;
    }
    usage_of(stdout, command, type);
    (void)printf("%s.\n", command->help);
    if (type)
        help_fields(stdout, type);
    help_common(stdout);
    return EXIT_DONE;
}

/* "person" alone: the commands that begin like that. */
static enum exit_code unknown_command(int argc, char **argv)
{
    bool is_type = argc > 0 && record_type(argv[0]);
    bool is_begun = false;

    for (size_t i = 0; argc > 0 && i < COMMAND_COUNT; i++) {
        size_t len = strcspn(commands[i].name, " ");
        bool is_same = strlen(argv[0]) == len && strncmp(commands[i].name, argv[0], len) == 0;
        bool is_verb = is_type && strncmp(commands[i].name, "TYPE ", 5) == 0;
        if (is_same || is_verb)
            usage_of(stderr, &commands[i], is_verb ? argv[0] : NULL);
        is_begun = is_begun || is_same || is_verb;
    }
    if (is_begun)
        return EXIT_USAGE;
    return cli_misused("there is no command '%s': `kith --help` lists them all",
                       argc > 0 ? argv[0] : "");
}

static enum exit_code command_do(const struct command *command, struct cli *cli, int argc,
                                 char **argv)
{
    char why[ARGUMENTS_WHY_MAX];
    struct arguments arguments;

    if (!arguments_read(command->arguments, argc, argv, &arguments, why)) {
        (void)cli_misused("%s", why);
        usage_of(stderr, command, cli->type);
        return EXIT_USAGE;
    }
    enum exit_code done = command->run(cli, &arguments);
    kith_close(&cli->kith);
    if ((fflush(stdout) || ferror(stdout)) && done == EXIT_DONE)
        done = cli_refuse(KITH_IO, "it is done, but the answer could not be written: %s",
                          strerror(errno));
    return done;
}

static enum exit_code dispatch(const struct globals *globals, int argc, char **argv)
{
    struct cli cli = {
        .passphrase_file = globals->passphrase_file ? globals->passphrase_file
                                                    : environment("KITH_PASSPHRASE_FILE"),
        .is_json = globals->is_json,
        .show = show_to(stdout),
    };
    int taken;
    const struct command *command = command_find(argc, argv, &taken, &cli.type);

    if (!command)
        return unknown_command(argc, argv);
    cli.home = home_path(globals->home);
    cli.is_home_named = globals->home || environment("KITH_HOME");
    if (!cli.home)
        return cli_misused("where is your home? Give --home DIR");
    enum exit_code done = command_do(command, &cli, argc - taken, argv + taken);
    free(cli.home);
    return done;
}

int main(int argc, char **argv)
{
    struct globals globals = {0};

    (void)setlocale(LC_CTYPE, "");
    (void)umask(S_IRWXG | S_IRWXO);
    argc--;
    argv++;
    argc = globals_read(argc, argv, &globals);
    if (argc < 0)
        return (int)cli_misused("--home and --passphrase-file need a value after them");
    if (argc > 0 && strcmp(argv[0], "help") == 0)
        return (int)help_for(argc - 1, argv + 1);
    if (globals.wants_version) {
        (void)printf("kith %s\n", kith_version());
        return EXIT_DONE;
    }
    if (globals.wants_help)
        return (int)help_for(argc, argv);
    if (argc == 0) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    return (int)dispatch(&globals, argc, argv);
}
