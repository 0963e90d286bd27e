/* SPDX-License-Identifier: Apache-2.0 */
/* A home for practice, beside the usual one. */
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"

#define SUFFIX "-practice"

/* Beside the usual home, unless a home was named. */
static bool find_home(struct cli *cli)
{
    char *path = NULL;

    if (cli->is_home_named)
        return true;
    if (asprintf(&path, "%s" SUFFIX, cli->home) < 0)
        return false;
    free(cli->home);
    cli->home = path;
    return true;
}

enum exit_code practice_make(struct cli *cli, const struct arguments *arguments)
{
    const char *person = arguments_option(arguments, "--person");
    bool is_new;

    if (!find_home(cli))
        return cli_refuse(KITH_MEMORY, "%s", kith_error_text(KITH_MEMORY));
    enum exit_code done = cli_open_or_make(cli, &is_new);
    if (done)
        return done;
    if (!is_new)
        return cli_refuse(KITH_EXISTS, "there is a home in %s already: give --home another folder",
                          cli->home);
    cli_progress("Making up people");
    int code = kith_practise(cli->kith, person ? person : "You");
    cli_progress_end();
    if (code)
        return cli_fail(cli, code);
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_text(&json, "home", cli->home);
        json_end(&json);
        return EXIT_DONE;
    }
    (void)fprintf(
        cli->show.out,
        "There is a home to practise in. Nothing of it leaves this device, and what you do\n"
        "there touches nobody's record. To begin: `kith --home %s caseload`\n"
        "To be rid of it, delete that folder.\n",
        cli->home);
    return EXIT_DONE;
}
