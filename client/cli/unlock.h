/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a home for more than one command. */
#ifndef KITH_CLIENT_CLI_UNLOCK_H
#define KITH_CLIENT_CLI_UNLOCK_H

#include <stdint.h>

#include "client/cli/arguments.h"
#include "client/cli/cli.h"

/* Opens the home, hands its key to a holder and closes it again. By the option --minutes, which is
 * given back. `is_new`: no holder had it. */
enum exit_code unlock_home(struct cli *cli, const struct arguments *arguments, uint32_t *minutes,
                           bool *is_new);

#endif
