/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: the exchange by file, and how far it is. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/alarms.h"
#include "client/cli/bar.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

enum exit_code bundle_write(struct cli *cli, const struct arguments *arguments)
{
    struct bar bar = bar_begin("Writing");
    struct kith_bundle bundle;
    const char *file = arguments->words[0];
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_bundle_write(cli->kith, file, arguments_option(arguments, "--for"), bar_show,
                                 &bar, &bundle);
    bar_end(&bar);
    if (code)
        return cli_fail(cli, code);
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_text(&json, "file", file);
        json_count(&json, "changes", bundle.changes);
        json_count(&json, "bytes", bundle.bytes);
        json_text(&json, "for", bundle.whom);
        json_end(&json);
    } else {
        (void)fprintf(cli->show.out, "%u change%s for ", bundle.changes,
                      bundle.changes == 1 ? "" : "s");
        show_text(&cli->show, SHOW_PLAIN, bundle.whom);
        (void)fprintf(cli->show.out,
                      " (%" PRIu64 " bytes). All of it stays here until the hub says it has it.\n",
                      bundle.bytes);
    }
    return EXIT_DONE;
}

static void read_json(const struct kith_bundle *bundle)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_count(&json, "received", bundle->received);
    json_count(&json, "refused", bundle->refused);
    json_count(&json, "acknowledged", bundle->acknowledged);
    json_text(&json, "from", bundle->whom[0] ? bundle->whom : NULL);
    json_count(&json, "left_out", bundle->left_out);
    json_flag(&json, "complete", bundle->is_complete);
    json_end(&json);
}

static void read_show(const struct cli *cli, const struct kith_bundle *bundle)
{
    (void)fputs("From ", cli->show.out);
    show_text(&cli->show, SHOW_PLAIN, bundle->whom);
    (void)fprintf(cli->show.out, ": %u new", bundle->received);
    if (bundle->acknowledged)
        (void)fprintf(cli->show.out, ", %u of yours are at the hub", bundle->acknowledged);
    if (bundle->refused)
        (void)fprintf(cli->show.out, ", %u not taken", bundle->refused);
    (void)fputs(".\n", cli->show.out);
    if (bundle->left_out)
        (void)fputs(
            "Some of it fits only with what the hub has not shown here yet: sync, then read "
            "it again.\n",
            cli->show.out);
}

enum exit_code bundle_read(struct cli *cli, const struct arguments *arguments)
{
    struct bar bar = bar_begin("Reading");
    struct kith_bundle bundle;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    struct alarms_before before = alarms_before(cli);
    int code = kith_bundle_read(cli->kith, arguments->words[0], bar_show, &bar, &bundle);
    bar_end(&bar);
    if (code)
        done = cli_fail(cli, code);
    alarms_say(cli, &before);
    if (bundle.whom[0] && cli->is_json)
        read_json(&bundle);
    else if (bundle.whom[0])
        read_show(cli, &bundle);
    return done;
}
