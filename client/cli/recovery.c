/* SPDX-License-Identifier: Apache-2.0 */
/* The recovery sheet of an agency, and the way back into a home whose passphrase is forgotten. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/recovery.h"
#include "client/cli/qr.h"

void sheet_show(const struct cli *cli, const char *sheet, bool is_qr)
{
    (void)fputs("Recovery sheet. Print it or write it down, and keep it where only your agency's\n"
                "custodians can reach it. It is shown this once and stored nowhere: with it a new\n"
                "laptop becomes admin and custodian, and opens every chart (`kith recover`).\n\n",
                cli->show.out);
    if (is_qr && !qr_show(cli->show.out, sheet, cli->show.is_colour))
        cli_remark("kith: the sheet is too long for a QR code, here it is as text");
    (void)fprintf(cli->show.out, "    %s\n\n", sheet);
}

static enum exit_code sheet_done(const struct cli *cli, const char *sheet,
                                 const struct arguments *arguments)
{
    struct json json = json_to(stdout);

    if (cli->is_json) {
        json_object(&json, NULL);
        json_text(&json, "recovery_sheet", sheet);
        json_end(&json);
    } else {
        sheet_show(cli, sheet, arguments_option(arguments, "--qr") != NULL);
        (void)fputs("Any sheet from before is worth nothing now.\n", cli->show.out);
    }
    return EXIT_DONE;
}

enum exit_code recovery_sheet(struct cli *cli, const struct arguments *arguments)
{
    char sheet[KITH_CODE_TEXT] = "";
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    cli_progress("Talking to the hub");
    int code = kith_sheet(cli->kith, sheet);
    cli_progress_end();
    done = code ? cli_fail(cli, code) : sheet_done(cli, sheet, arguments);
    explicit_bzero(sheet, sizeof sheet);
    return done;
}

enum exit_code recovery_recover(struct cli *cli, const struct arguments *arguments)
{
    const char *name = arguments_option(arguments, "--device-name");
    char host[HOST_NAME_MAX + 1] = "device";
    char sheet[KITH_CODE_TEXT] = "";
    bool is_new;
    enum exit_code done = cli_open_or_make(cli, &is_new);

    if (done)
        return done;
    (void)gethostname(host, sizeof host - 1);
    cli_progress("Talking to the hub");
    int code = kith_recover(cli->kith, arguments->words[0], arguments_option(arguments, "--hub"),
                            name ? name : host, sheet);
    cli_progress_end();
    if (code)
        done = cli_fail(cli, code);
    else
        done = sheet_done(cli, sheet, arguments);
    if (!done)
        cli_remark("This device is admin and custodian. If a laptop was lost, end it now:\n"
                   "`kith device list`, then `kith device revoke N --reason TEXT`.");
    explicit_bzero(sheet, sizeof sheet);
    return done;
}

static enum kith_err file_error_of(int number)
{
    return number == ENOENT || number == ENOTDIR ? KITH_NOT_FOUND
           : number == ENOSPC                    ? KITH_FULL
           : number == EEXIST                    ? KITH_EXISTS
                                                 : KITH_PERMISSION;
}

/* A file that somebody carried: anybody may have written it. */
static enum exit_code file_take(const char *path, uint8_t to[static KITH_RECOVERY_MAX], size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, to, KITH_RECOVERY_MAX);
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    if (got < 0)
        return cli_refuse(file_error_of(number), "%s: %s", path, strerror(number));
    *len = (size_t)got;
    return EXIT_DONE;
}

static enum exit_code file_give(const char *path, const uint8_t *from, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, from, len) == (ssize_t)len && fsync(fd) == 0;
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    if (is_written)
        return EXIT_DONE;
    if (fd >= 0)
        (void)unlink(path);
    return cli_refuse(file_error_of(number), "%s: %s", path, strerror(number));
}

static enum exit_code forgot_ask(struct cli *cli, const char *path)
{
    uint8_t request[KITH_RECOVERY_MAX];
    char check[KITH_CHECK_TEXT];
    size_t len;
    int code = kith_forgot(cli->home, request, &len, check);

    if (code == KITH_NOT_FOUND)
        return cli_refuse(code, "nothing in %s is sealed to a custodian: it never synced",
                          cli->home);
    if (code)
        return cli_refuse(code, "%s", kith_error_text(code));
    enum exit_code done = file_give(path, request, len);
    if (done)
        return done;
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_text(&json, "file", path);
        json_text(&json, "check", check);
        json_end(&json);
    } else {
        (void)fprintf(cli->show.out,
                      "%s is for a custodian of your agency, who runs `kith recovery answer`.\n"
                      "Read this number to them by voice, not in the same mail:\n\n    %s\n\n"
                      "With their answer: `kith forgot --answer FILE`\n",
                      path, check);
    }
    return EXIT_DONE;
}

static enum exit_code forgot_take(struct cli *cli, const char *path, const char *new_passphrase)
{
    struct passphrase passphrase = {0};
    uint8_t answer[KITH_RECOVERY_MAX];
    size_t len = 0;
    enum exit_code done = file_take(path, answer, &len);

    if (!done)
        done = cli_new_passphrase(new_passphrase, &passphrase);
    if (!done) {
        enum kith_err locked = cli_lock(cli);
        int code =
            locked ? (int)locked : kith_forgot_answer(cli->home, answer, len, passphrase.text);
        if (code == KITH_NOT_FOUND)
            done = cli_refuse(code, "no request of this home waits for an answer");
        else if (code == KITH_DECRYPT || code == KITH_MALFORMED)
            done = cli_refuse(code, "%s does not answer the request of this home", path);
        else if (code)
            done = cli_refuse(code, "%s", kith_error_text(code));
    }
    passphrase_clear(&passphrase);
    explicit_bzero(answer, sizeof answer);
    if (done)
        return done;
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_flag(&json, "changed", true);
        json_end(&json);
    } else {
        (void)fputs("The new passphrase opens this home. Everything is there, also what was not "
                    "sent yet.\nDelete the answer.\n",
                    cli->show.out);
    }
    return EXIT_DONE;
}

enum exit_code recovery_forgot(struct cli *cli, const struct arguments *arguments)
{
    const char *to = arguments_option(arguments, "--to-file");
    const char *answer = arguments_option(arguments, "--answer");

    if (!to == !answer)
        return cli_misused("kith forgot --to-file FILE, and later kith forgot --answer FILE");
    return to ? forgot_ask(cli, to)
              : forgot_take(cli, answer, arguments_option(arguments, "--new-passphrase-file"));
}

static bool is_same_number(const char *typed, const char *check)
{
    size_t at = 0;

    for (; *typed; typed++)
        if (*typed != ' ' && *typed != '-') {
            while (check[at] == ' ')
                at++;
            if (check[at] == '\0' || *typed != check[at++])
                return false;
        }
    return check[at] == '\0';
}

enum exit_code recovery_answer(struct cli *cli, const struct arguments *arguments)
{
    const char *path = arguments_option(arguments, "--to-file");
    const char *check = arguments_option(arguments, "--check");
    uint8_t request[KITH_RECOVERY_MAX];
    uint8_t answer[KITH_RECOVERY_MAX];
    size_t len = 0;
    size_t answer_len = 0;
    struct kith_asker asker;
    enum exit_code done = file_take(arguments->words[0], request, &len);

    if (!done)
        done = cli_open(cli);
    if (done)
        return done;
    int code = kith_recovery_answer(cli->kith, request, len, &asker, answer, &answer_len);
    if (code)
        done = cli_fail(cli, code);
    else if (!is_same_number(check, asker.check))
        done =
            cli_refuse(KITH_NOT_ALLOWED,
                       "the number is another one: this is not the request of whoever read it to "
                       "you. Nothing was answered");
    else if (asker.is_ended && !arguments_option(arguments, "--force"))
        done = cli_refuse(KITH_ENDED,
                          "device %u (%s of %s) was removed from the agency: if its holder is to "
                          "have what is on it all the same, add --force",
                          asker.device, asker.name, asker.person);
    else
        done = file_give(path, answer, answer_len);
    explicit_bzero(answer, sizeof answer);
    if (done)
        return done;
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_count(&json, "device", asker.device);
        json_text(&json, "name", asker.name);
        json_text(&json, "person", asker.person);
        json_text(&json, "file", path);
        json_end(&json);
    } else {
        (void)fprintf(cli->show.out,
                      "%s lets whoever made the request open %s of %s and set a new passphrase.\n",
                      path, asker.name, asker.person);
    }
    return EXIT_DONE;
}
