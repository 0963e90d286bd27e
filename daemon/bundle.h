/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kithd bundle read`: what a device wrote into a file goes into this hub's log, and its receipts
 * into another.
 *
 * The hub may run meanwhile: both write to the same store, one after the other. Devices that are
 * connected to it hear of what came with the next change, or when they connect anew.
 */
#ifndef KITH_DAEMON_BUNDLE_H
#define KITH_DAEMON_BUNDLE_H

#include "daemon/commands.h"

#define BUNDLE_NAME      "bundle read"
#define BUNDLE_ARGUMENTS "FILE --data DIR [--answer FILE] [--json]"
#define BUNDLE_USAGE     BUNDLE_NAME " " BUNDLE_ARGUMENTS
#define BUNDLE_SENTENCE                                                                            \
    "takes in what a device wrote into a file, and writes its receipts and its news into another"

/* `argv[0]` is the word "bundle". The exit code; what went wrong has been said. */
enum exit_code command_bundle(int argc, char **argv);

#endif
