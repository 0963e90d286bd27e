/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C '\003'

void passphrase_clear(struct passphrase *passphrase)
{
    explicit_bzero(passphrase, sizeof *passphrase);
    (void)munlock(passphrase, sizeof *passphrase);
}

/* Byte by byte from a terminal or a file: a buffer of stdio would keep a copy. `last` is what ended
 * the line. */
static enum kith_err read_line(int fd, struct passphrase *passphrase, char *last)
{
    size_t len = 0;

    (void)mlock(passphrase, sizeof *passphrase);
    *last = '\n';
    for (;;) {
        char c;
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return KITH_IO;
        if (got == 0 || c == '\n' || c == CTRL_C) {
            if (got > 0)
                *last = c;
            else
                *last = '\n';
            break;
        }
        if (len == PASSPHRASE_MAX || c == '\0')
            return KITH_INPUT;
        passphrase->text[len++] = c;
    }
    if (len && passphrase->text[len - 1] == '\r')
        len--;
    passphrase->text[len] = '\0';
    return len ? KITH_OK : KITH_INPUT;
}

enum kith_err passphrase_read(struct passphrase *passphrase, const char *path)
{
    char last;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? KITH_NOT_FOUND : KITH_PERMISSION;
    enum kith_err err = read_line(fd, passphrase, &last);
    (void)close(fd);
    return err;
}

/* Ctrl-C ends the line instead of the program, so that the terminal is set right again before it
 * takes effect. */
static bool echo_off(int terminal, struct termios *before)
{
    if (tcgetattr(terminal, before))
        return false;
    struct termios quiet = *before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_lflag |= ICANON;
    quiet.c_cc[VEOL] = CTRL_C;
    return tcsetattr(terminal, TCSAFLUSH, &quiet) == 0;
}

static void say(int terminal, const char *text)
{
    size_t len = strlen(text);

    if (write(terminal, text, len) != (ssize_t)len)
        errno = 0; /* a terminal that shows nothing still reads */
}

enum kith_err passphrase_ask(struct passphrase *passphrase, const char *prompt)
{
    struct termios before;
    char last = '\n';
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (terminal < 0)
        return KITH_LOCKED;
    enum kith_err err = KITH_LOCKED;
    if (echo_off(terminal, &before)) {
        say(terminal, prompt);
        err = read_line(terminal, passphrase, &last);
        (void)tcsetattr(terminal, TCSAFLUSH, &before);
        say(terminal, "\n");
    }
    (void)close(terminal);
    if (last == CTRL_C) {
        passphrase_clear(passphrase);
        (void)raise(SIGINT);
    }
    return err;
}
