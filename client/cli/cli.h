/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command has: the home, how to open it, how to say that something went wrong, and the
 * exit codes.
 */
#ifndef KITH_CLIENT_CLI_CLI_H
#define KITH_CLIENT_CLI_CLI_H

#include "client/cli/passphrase.h"
#include "client/cli/show.h"
#include "client/kith.h"
#include "protocol/error.h"

/* Fixed: scripts depend on them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1, /* or failed; the reason is on standard error */
    EXIT_USAGE = 2,
    EXIT_UNREACHED = 3, /* asked to sync: saved here, the hub was not reached */
    EXIT_UNDECIDED = 4, /* a person must decide */
    EXIT_LOCKED = 5,    /* or the passphrase is wrong */
};

struct cli {
    char *home;
    bool is_home_named;          /* by an option or by $KITH_HOME; else it is the usual one */
    const char *passphrase_file; /* NULL: none */
    bool is_json;
    const char *type;  /* which records, for the commands about them */
    struct kith *kith; /* once opened */
    struct show show;  /* standard output */
};

/* Opens the home with the unlocked key, else with the passphrase. What went wrong has been said
 * when it returns. */
enum exit_code cli_open(struct cli *cli);
/* The same, and makes the home if there is none; the passphrase is then asked for twice. */
enum exit_code cli_open_or_make(struct cli *cli, bool *is_new);
/* Opens it with the passphrase, unlocked or not. */
enum exit_code cli_open_with_passphrase(struct cli *cli);
/* A passphrase from the terminal, twice alike, or from `file` if there is one. */
enum exit_code cli_new_passphrase(const char *file, struct passphrase *passphrase);

/* Takes the key from every process that has it. */
enum kith_err cli_lock(const struct cli *cli);

/* Says what was wrong with the last call on the home and what helps; the exit code that goes with
 * it. */
enum exit_code cli_fail(const struct cli *cli, int code);
/* The same with a sentence of the command's own. */
__attribute__((format(printf, 2, 3))) enum exit_code cli_refuse(int code, const char *format, ...);
/* Whether the hub could not be talked to now: what was saved is here. */
bool cli_is_unreached(int code);
/* A command line that cannot be: EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) enum exit_code cli_misused(const char *format, ...);

/* A word to the person who waits, on a terminal only; cli_progress_end takes it away. */
void cli_progress(const char *text);
void cli_progress_end(void);
/* A remark beside the result, on standard error. */
__attribute__((format(printf, 1, 2))) void cli_remark(const char *format, ...);

#endif
