/* SPDX-License-Identifier: Apache-2.0 */
/* kithd: the table of commands and their options. */
#include <getopt.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/backup.h"
#include "daemon/bundle.h"
#include "daemon/commands.h"
#include "daemon/config.h"
#include "daemon/sandbox.h"

#ifndef KITH_VERSION_TEXT
#define KITH_VERSION_TEXT "0.1.0"
#endif

static const struct command {
    const char *name;
    enum exit_code (*run)(const struct options *options);
    const char *letters;
    const char *usage;
    const char *sentence;
} commands[] = {
#define COMMAND_ROW(name, run, letters, usage, sentence) {name, run, letters, usage, sentence},
    COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void show_help(FILE *out)
{
    struct config config;

    (void)fprintf(out, "kithd %s: the hub of an agency\n\n", KITH_VERSION_TEXT);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  kithd %s %s\n      %s\n", commands[i].name, commands[i].usage,
                      commands[i].sentence);
    (void)fprintf(out, "  kithd %s\n      %s\n", BUNDLE_USAGE, BUNDLE_SENTENCE);
    (void)fputs(
        "  kithd --help | --version\n\n"
        "A --config FILE holds lines of key = value. All of them, with what holds without one. "
        "SIGHUP changes what says reload:\n\n",
        out);
    config_defaults(&config);
    config_write_all(&config, out);
}

static enum exit_code show_usage(const struct command *command)
{
    (void)fprintf(stderr, "usage: kithd %s %s\n", command->name, command->usage);
    return EXIT_USAGE;
}

static void take_option(struct options *options, int letter, const char *value)
{
    const char **const texts[] = {
        ['d'] = &options->data,   ['l'] = &options->listen, ['a'] = &options->address,
        ['n'] = &options->name,   ['c'] = &options->config, ['v'] = &options->device,
        ['i'] = &options->circle, ['s'] = &options->since,  ['k'] = &options->known,
        ['t'] = &options->to,     ['f'] = &options->from,   ['u'] = &options->user};

    if (letter == 'j')
        options->is_json = true;
    else
        *texts[letter] = value;
}

static enum exit_code run_command(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {
        {"data", required_argument, NULL, 'd'},
        {"listen", required_argument, NULL, 'l'},
        {"address", required_argument, NULL, 'a'},
        {"name", required_argument, NULL, 'n'},
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"device", required_argument, NULL, 'v'},
        {"circle", required_argument, NULL, 'i'},
        {"since", required_argument, NULL, 's'},
        {"known", required_argument, NULL, 'k'},
        {"to", required_argument, NULL, 't'},
        {"from", required_argument, NULL, 'f'},
        {"user", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int letter;

    opterr = 0;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        if (letter == 'h') {
            (void)printf("usage: kithd %s %s\n%s\n", command->name, command->usage,
                         command->sentence);
            return EXIT_DONE;
        }
        if (!strchr(command->letters, letter)) {
            (void)fprintf(stderr, "kithd: '%s' is not an option of '%s', or its value is missing\n",
                          argv[optind - 1], command->name);
            return show_usage(command);
        }
        take_option(&options, letter, optarg);
    }
    if (optind < argc && strchr(command->letters, 'F'))
        options.file = argv[optind++];
    if (optind < argc)
        (void)fprintf(stderr, "kithd: what is '%s'?\n", argv[optind]);
    if (optind < argc || (!options.data && !options.file))
        return show_usage(command);
    return command->run(&options);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--version") == 0) {
        (void)printf("kithd %s\n", KITH_VERSION_TEXT);
        return EXIT_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0) {
        show_help(stdout);
        return EXIT_DONE;
    }
    sandbox_begin();
    if (sodium_init() < 0) {
        (void)fputs("kithd: libsodium does not start\n", stderr);
        return EXIT_REFUSED;
    }
    if (strcmp(word, "bundle") == 0)
        return (int)command_bundle(argc - 1, argv + 1);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(word, commands[i].name) == 0)
            return (int)run_command(&commands[i], argc - 1, argv + 1);
    if (*word)
        (void)fprintf(stderr, "kithd: there is no command '%s'\n\n", word);
    show_help(stderr);
    return EXIT_USAGE;
}
