/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define BAR_WIDTH 30

static time_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

struct bar bar_begin(const char *text)
{
    return (struct bar){.text = text, .begun_s = now_s()};
}

void bar_show(void *owner, uint64_t done, uint64_t total)
{
    struct bar *bar = owner;
    char cells[BAR_WIDTH + 1];

    if (total == 0 || now_s() - bar->begun_s < 1 || !isatty(STDERR_FILENO))
        return;
    uint64_t filled = done >= total ? BAR_WIDTH : done * BAR_WIDTH / total;
    for (uint64_t i = 0; i < BAR_WIDTH; i++)
        cells[i] = i < filled ? '#' : ' ';
    cells[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%s [%s] %" PRIu64 " %%", bar->text, cells,
                  done >= total ? 100 : done * 100 / total);
    bar->is_shown = true;
}

void bar_end(const struct bar *bar)
{
    if (bar->is_shown)
        cli_progress_end();
}
