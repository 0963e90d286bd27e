/* SPDX-License-Identifier: Apache-2.0 */
/* What kithd can be told to do, and how it says that something did not go. */
#ifndef KITH_DAEMON_COMMANDS_H
#define KITH_DAEMON_COMMANDS_H

#include <stdbool.h>

#include "protocol/error.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* As given; NULL for what was not. `data` is always there. */
struct options {
    const char *data;
    const char *listen;
    const char *address;
    const char *name;
    const char *config;
    bool is_json;
};

enum exit_code command_init(const struct options *options);
enum exit_code command_run(const struct options *options);
enum exit_code command_stats(const struct options *options);

#endif
