/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record filled in with the person's editor.
 *
 * The home is closed while somebody writes, so that other commands can use it. A text that is
 * refused comes back with the reason above it, as often as the person likes.
 */
#ifndef KITH_CLIENT_CLI_FORM_H
#define KITH_CLIENT_CLI_FORM_H

#include "client/cli/cli.h"

/* Whether an editor can be offered: one is named, or there is a terminal. */
bool form_is_possible(void);
/* Adds a record of cli->type, or edits the one with `id`, which then gets its whole id. */
enum exit_code form_fill(struct cli *cli, const char *edited_id, char id[static KITH_ID_TEXT]);

#endif
