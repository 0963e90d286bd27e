/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of a recovery sheet, and of a passphrase that is forgotten. */
#ifndef KITH_CLIENT_CLI_RECOVERY_H
#define KITH_CLIENT_CLI_RECOVERY_H

#include "client/cli/cli.h"

/* An agency's recovery sheet, with what to do with it. */
void sheet_show(const struct cli *cli, const char *sheet, bool is_qr);

#endif
