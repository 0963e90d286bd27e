/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/agent.h"
#include "client/agent/unlock.h"

static enum exit_code exit_of(int code)
{
    switch (code) {
    case KITH_OK:
        return EXIT_DONE;
    case KITH_LOCKED:
    case KITH_PASSPHRASE:
        return EXIT_LOCKED;
    case KITH_UNSETTLED:
    case KITH_INCOMPLETE:
        return EXIT_UNDECIDED;
    default:
        return EXIT_REFUSED;
    }
}

bool cli_is_unreached(int code)
{
    return code == KITH_UNREACHABLE || code == KITH_LOST || code == KITH_BUSY ||
           code == KITH_NOT_HUB;
}

/* What to do next, where the sentence itself does not say. */
static const char *hint_of(int code)
{
    switch (code) {
    case KITH_UNREACHABLE:
    case KITH_LOST:
        return "Nothing is lost. Check the network and run the same command again.";
    case KITH_NOT_HUB:
        return "Nothing is lost. A network that wants a login first answers so: open a web page.";
    case KITH_CERTIFICATE:
        return "Nothing was sent. Check the clock of this machine, then ask the hub's operator.";
    case KITH_CODE:
        return "Check that the code was copied whole, or ask for a new one.";
    case KITH_LOCKED:
        return "Run `kith unlock`, or give --passphrase-file FILE.";
    case KITH_PASSPHRASE:
        return "Try again; nothing was changed.";
    case KITH_IN_USE:
        return "Wait until the other command is done, then run this one again.";
    case KITH_HANDSHAKE:
        return "Check the address. If the hub was set up anew, ask its operator for a new code.";
    case KITH_BUSY:
        return "Nothing is lost. Run the same command again then.";
    case KITH_STALE:
        return "Run `kith sync`, then this command again.";
    case KITH_NOT_ALLOWED:
        return "Ask an admin of your agency, or your supervisor.";
    case KITH_NOT_MEMBER:
        return "Ask somebody who can read the chart for `kith grant`, then run `kith sync`.";
    case KITH_PERMISSION:
        return "The home must be a folder of your own that nobody else can read (mode 0700).";
    case KITH_INCOMPLETE:
        return "`kith visit check ID` lists all that is missing.";
    case KITH_UNSETTLED:
        return "`kith conflicts` shows what waits for a decision.";
    default:
        return NULL;
    }
}

static enum exit_code say_failure(int code, const char *sentence)
{
    const char *hint = hint_of(code);
    struct show show = show_to(stderr);

    cli_progress_end();
    (void)fputs("kith: ", stderr);
    show_text(&show, SHOW_PLAIN, sentence);
    (void)fputc('\n', stderr);
    if (hint)
        (void)fprintf(stderr, "      %s\n", hint);
    return exit_of(code);
}

enum exit_code cli_fail(const struct cli *cli, int code)
{
    const char *detail = cli->kith ? kith_detail(cli->kith) : "";

    return say_failure(code, *detail ? detail : kith_error_text(code));
}

enum exit_code cli_refuse(int code, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return say_failure(code, sentence);
}

enum exit_code cli_misused(const char *format, ...)
{
    va_list args;

    (void)fputs("kith: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return EXIT_USAGE;
}

void cli_remark(const char *format, ...)
{
    va_list args;

    /* What was said before it comes before it. */
    (void)fflush(stdout);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void cli_progress(const char *text)
{
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "%s ...", text);
}

void cli_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
}

static bool home_exists(const struct cli *cli)
{
    char path[PATH_MAX];
    struct stat status;
    int len = snprintf(path, sizeof path, "%s/vault", cli->home);

    return len >= PATH_MAX || lstat(path, &status) == 0 || errno != ENOENT;
}

static enum exit_code fail_reading(enum kith_err err, const char *path)
{
    if (err == KITH_INPUT)
        return cli_refuse(KITH_INPUT,
                          "%s: the passphrase must be one line of at most %d bytes, and not empty",
                          path, PASSPHRASE_MAX);
    return cli_refuse(KITH_NOT_FOUND, "cannot read the passphrase from %s", path);
}

static enum exit_code fail_asking(enum kith_err err)
{
    if (err == KITH_INPUT)
        return cli_refuse(KITH_PASSPHRASE, "no passphrase was given");
    return cli_refuse(KITH_LOCKED, "locked, and there is no terminal to ask for the passphrase");
}

static enum exit_code passphrase_get(const struct cli *cli, struct passphrase *passphrase)
{
    enum kith_err err;

    if (cli->passphrase_file) {
        err = passphrase_read(passphrase, cli->passphrase_file);
        return err ? fail_reading(err, cli->passphrase_file) : EXIT_DONE;
    }
    err = passphrase_ask(passphrase, "Passphrase: ");
    return err ? fail_asking(err) : EXIT_DONE;
}

enum exit_code cli_new_passphrase(const char *file, struct passphrase *passphrase)
{
    struct passphrase again = {0};
    enum kith_err err;

    if (file) {
        err = passphrase_read(passphrase, file);
        return err ? fail_reading(err, file) : EXIT_DONE;
    }
    err = passphrase_ask(passphrase, "Choose a passphrase, four or five words are good.\n"
                                     "Nobody can recover it for you.\nPassphrase: ");
    if (!err)
        err = passphrase_ask(&again, "The same again: ");
    bool is_same = strcmp(passphrase->text, again.text) == 0;
    passphrase_clear(&again);
    if (err)
        return fail_asking(err);
    return is_same ? EXIT_DONE
                   : cli_refuse(KITH_PASSPHRASE, "the two passphrases are not the same");
}

/* Whoever looks at it later must not take it for real. */
static void mark_practice(const struct cli *cli)
{
    static const char mark[] = "PRACTICE: these people are made up, and nothing of it is real.";

    if (!cli->kith || kith_agency_kind(cli->kith) != KITH_AGENCY_PRACTICE)
        return;
    if (cli->is_json)
        cli_remark("%s", mark);
    else
        (void)fprintf(cli->show.out, "%s\n\n", mark);
}

static enum exit_code fail_opening(struct cli *cli, int code)
{
    if (code != KITH_NOT_FOUND)
        return cli_fail(cli, code);
    return cli_refuse(KITH_NOT_FOUND,
                      "there is nothing but a passphrase in %s: `kith join CODE` makes the rest",
                      cli->home);
}

/* `may_finish`: a home whose making was interrupted is made to its end, and is new. */
static enum exit_code open_with_passphrase(struct cli *cli, bool may_finish, bool *is_new)
{
    struct passphrase passphrase = {0};
    enum exit_code done = passphrase_get(cli, &passphrase);

    *is_new = false;
    if (done == EXIT_DONE) {
        cli_progress("Opening");
        int code = kith_open(cli->home, passphrase.text, &cli->kith);
        *is_new = code == KITH_NOT_FOUND && may_finish;
        if (*is_new)
            code = kith_create(cli->home, passphrase.text, &cli->kith);
        cli_progress_end();
        if (code)
            done = fail_opening(cli, code);
        else
            mark_practice(cli);
    }
    passphrase_clear(&passphrase);
    return done;
}

enum exit_code cli_open_with_passphrase(struct cli *cli)
{
    bool is_new;

    if (!home_exists(cli))
        return cli_refuse(KITH_NOT_FOUND,
                          "there is no kith home in %s yet: begin with `kith join CODE`",
                          cli->home);
    return open_with_passphrase(cli, false, &is_new);
}

/* With the key that is kept for a while, if it is. */
static enum exit_code open_unlocked(struct cli *cli, bool *is_there)
{
    uint8_t key[KITH_KEY_BYTES];

    *is_there = unlock_key(cli->home, key) == KITH_OK;
    if (!*is_there)
        return EXIT_DONE;
    int code = kith_open_with_key(cli->home, key, &cli->kith);
    explicit_bzero(key, sizeof key);
    if (code)
        return fail_opening(cli, code);
    mark_practice(cli);
    return EXIT_DONE;
}

enum exit_code cli_open(struct cli *cli)
{
    bool is_there;
    enum exit_code done = open_unlocked(cli, &is_there);

    return is_there ? done : cli_open_with_passphrase(cli);
}

/* The holder first: the agent has the key from there. */
enum kith_err cli_lock(const struct cli *cli)
{
    enum kith_err err = unlock_end(cli->home);

    return err ? err : agent_lock(cli->home);
}

/* The folders above the home, as far as they are missing; if that fails, making the home will say
 * so. */
static void make_parents(const char *home)
{
    char path[PATH_MAX];
    size_t len = strlen(home);

    if (len >= sizeof path)
        return;
    for (size_t i = 1; i < len; i++) {
        if (home[i] != '/')
            continue;
        memcpy(path, home, i);
        path[i] = '\0';
        (void)mkdir(path, S_IRWXU);
    }
}

enum exit_code cli_open_or_make(struct cli *cli, bool *is_new)
{
    struct passphrase passphrase = {0};
    bool is_there;
    enum exit_code done;

    *is_new = !home_exists(cli);
    if (!*is_new) {
        done = open_unlocked(cli, &is_there);
        return is_there ? done : open_with_passphrase(cli, true, is_new);
    }
    done = cli_new_passphrase(cli->passphrase_file, &passphrase);
    if (done == EXIT_DONE) {
        cli_progress("Making your home");
        make_parents(cli->home);
        int code = kith_create(cli->home, passphrase.text, &cli->kith);
        cli_progress_end();
        if (code)
            done = cli_fail(cli, code);
    }
    passphrase_clear(&passphrase);
    return done;
}
