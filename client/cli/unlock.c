/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the home is open, and for how long. */
#include "client/cli/unlock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/unlock.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

#define IDLE_MINUTES     15
#define IDLE_MINUTES_MAX (24 * 60)

static void locked_show(const struct cli *cli, bool is_locked, const char *sentence)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "%s\n", sentence);
        return;
    }
    json_object(&json, NULL);
    json_flag(&json, "locked", is_locked);
    json_end(&json);
}

static bool minutes_read(const char *text, uint32_t *minutes)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || number == 0 || number > IDLE_MINUTES_MAX)
        return false;
    *minutes = (uint32_t)number;
    return true;
}

enum exit_code unlock_home(struct cli *cli, const struct arguments *arguments, uint32_t *minutes,
                           bool *is_new)
{
    const char *given = arguments_option(arguments, "--minutes");
    uint8_t key[KITH_KEY_BYTES];

    *minutes = IDLE_MINUTES;
    if (given && !minutes_read(given, minutes))
        return cli_misused("--minutes %s: expected 1 to %d", given, IDLE_MINUTES_MAX);
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    kith_data_key(cli->kith, key);
    /* Closed first, so that the process which stays has nothing of the store in its memory. */
    kith_close(&cli->kith);
    enum kith_err err = unlock_start(cli->home, key, *minutes);
    explicit_bzero(key, sizeof key);
    *is_new = !err;
    return err && err != KITH_EXISTS ? cli_fail(cli, (int)err) : EXIT_DONE;
}

enum exit_code sync_unlock(struct cli *cli, const struct arguments *arguments)
{
    uint32_t minutes;
    bool is_new = false;
    char sentence[96];
    enum exit_code done = unlock_home(cli, arguments, &minutes, &is_new);

    if (done)
        return done;
    if (!is_new)
        (void)snprintf(sentence, sizeof sentence,
                       "It was open; its time begins anew. `kith lock` closes it.");
    else
        (void)snprintf(sentence, sizeof sentence,
                       "Open until nobody uses it for %u minutes. `kith lock` closes it.", minutes);
    locked_show(cli, false, sentence);
    return EXIT_DONE;
}

enum exit_code sync_lock(struct cli *cli, const struct arguments *arguments)
{
    enum kith_err err = cli_lock(cli);

    (void)arguments;
    if (err)
        return cli_fail(cli, (int)err);
    locked_show(cli, true, "Locked.");
    return EXIT_DONE;
}
