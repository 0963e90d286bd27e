/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text in the person's own editor ($VISUAL, $EDITOR, else the system's), in a private folder that
 * is gone afterwards with all that the editor left in it; in memory instead of on disk where the
 * machine offers that.
 */
#ifndef KITH_CLIENT_CLI_EDITOR_H
#define KITH_CLIENT_CLI_EDITOR_H

#include <stdbool.h>

#include "protocol/error.h"

/* Whether an editor is named, so that it may be used without a terminal too. */
bool editor_is_named(void);
/* `edited` gets the text on the heap. `home` is where the folder is made if there is no better
 * place; `name` what the file is called. NOT_FOUND if no editor could be started or it failed,
 * TOO_LARGE, FULL, IO, MEMORY. */
MUST_USE enum kith_err editor_run(const char *home, const char *name, const char *text,
                                  char **edited);

#endif
