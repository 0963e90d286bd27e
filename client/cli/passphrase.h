/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A passphrase from a file's first line or from the terminal, in locked memory and never echoed.
 *
 * The caller clears it on every path.
 */
#ifndef KITH_CLIENT_CLI_PASSPHRASE_H
#define KITH_CLIENT_CLI_PASSPHRASE_H

#include "protocol/error.h"

#define PASSPHRASE_MAX 1024

struct passphrase {
    char text[PASSPHRASE_MAX + 1];
};

/* The first line of the file. NOT_FOUND, PERMISSION, INPUT if it is empty or too long. */
MUST_USE enum kith_err passphrase_read(struct passphrase *passphrase, const char *path);
/* Asks on the terminal. LOCKED if there is none, INPUT if nothing was typed. Ctrl-C ends the
 * program as ever. */
MUST_USE enum kith_err passphrase_ask(struct passphrase *passphrase, const char *prompt);
void passphrase_clear(struct passphrase *passphrase);

#endif
