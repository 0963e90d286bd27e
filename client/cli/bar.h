/* SPDX-License-Identifier: Apache-2.0 */
/* A bar that says how far something has got: on a terminal, once it has taken a second. */
#ifndef KITH_CLIENT_CLI_BAR_H
#define KITH_CLIENT_CLI_BAR_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct bar {
    const char *text;
    time_t begun_s;
    bool is_shown;
};

struct bar bar_begin(const char *text);
/* A kith_progress whose owner is the bar. */
void bar_show(void *owner, uint64_t done, uint64_t total);
/* Takes it away. */
void bar_end(const struct bar *bar);

#endif
