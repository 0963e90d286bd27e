/* SPDX-License-Identifier: Apache-2.0 */
/* What kithd can be told to do, and how it says that something did not go. */
#ifndef KITH_DAEMON_COMMANDS_H
#define KITH_DAEMON_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* As given; NULL for what was not. `data` is always there, but for a command that takes a FILE. */
struct options {
    const char *data;
    const char *listen;
    const char *address;
    const char *name;
    const char *config;
    const char *device;
    const char *circle;
    const char *since;
    const char *known;
    const char *to;
    const char *from;
    const char *user;
    const char *file; /* without a letter: the one word that is no option */
    bool is_json;
};

enum exit_code command_init(const struct options *options);
enum exit_code command_run(const struct options *options);
enum exit_code command_stats(const struct options *options);
/* In check_config.c. */
enum exit_code command_check_config(const struct options *options);
/* In inspect.c. */
enum exit_code command_verify(const struct options *options);
enum exit_code command_audit(const struct options *options);

/* The file of settings in a data folder. PATH_MAX bytes of `path` are enough; false if not. */
bool settings_path(const char *folder, char *path, size_t room);

/* X(name, function, its options as letters of the table in run_command, usage, one sentence): the
 * dispatcher, --help, the manual page and completion derive from it. F: also one word that is no
 * option, in place of --data. */
#define COMMANDS(X)                                                                                \
    X("init", command_init, "dlanuj",                                                              \
      "--data DIR [--listen HOST:PORT] [--address HOST:PORT|wss://HOST] [--name TEXT] "            \
      "[--user NAME] [--json]",                                                                    \
      "makes the hub's keys and an empty store; prints the one-time founding code")                \
    X("run", command_run, "dcluj",                                                                 \
      "--data DIR [--config FILE] [--listen HOST:PORT] [--user NAME]",                             \
      "serves until SIGTERM, then finishes what is in flight; prints 'listening HOST:PORT' when "  \
      "ready")                                                                                     \
    X("check-config", command_check_config, "dcFj",                                                \
      "[FILE | --data DIR [--config FILE]] [--json]",                                              \
      "reads the settings and says each error with its file and line")                             \
    X("stats", command_stats, "dj", "--data DIR [--json]",                                         \
      "what the hub holds, whether it runs or not")                                                \
    X("verify", command_verify, "dkj", "--data DIR [--known SEQ:HASH] [--json]",                   \
      "checks every page, row, hash, chain and signature, whether it runs or not")                 \
    X("backup", command_backup, "dtj", "--data DIR --to FILE [--json]",                            \
      "the hub in one file, as it is at this moment, whether it runs or not")                      \
    X("restore", command_restore, "dfj", "--from FILE --data DIR [--json]",                        \
      "a hub from a backup; devices notice and give back what came after it")                      \
    X("audit", command_audit, "dvisj",                                                             \
      "--data DIR [--circle ID] [--device N] [--since TIME] [--json]",                             \
      "who was given what, when; who let whom in; each entry linked to the one before")

/* For the commands: what went wrong with `what`, and what to do next; and that a command line
 * cannot be. */
enum exit_code refuse(const char *what, enum kith_err err);
/* The same of a file that is named on the command line; `advice` may be NULL. */
enum exit_code refuse_file(const char *path, enum kith_err err, const char *advice);
enum exit_code misused(const char *why);
/* What a command printed is worth nothing if it did not get out. */
enum exit_code done(void);

#endif
