/* SPDX-License-Identifier: Apache-2.0 */
/* Exports: files for somebody outside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"

typedef int export_run(struct kith *kith, const struct kith_export_options *options,
                       struct kith_export **made);

#define LEFT_COLUMNS 4
#define ID_SHOWN     11

static void left_out_json(struct json *json, const struct kith_left_out *left)
{
    json_object(json, NULL);
    json_text(json, "id", left->id);
    json_text(json, "participant", left->participant);
    json_text(json, "date", *left->date ? left->date : NULL);
    json_text(json, "why", left->why);
    json_end(json);
}

static void export_json(const struct kith_export *made, const char *path)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_text(&json, "file", path);
    json_count(&json, "lines", made->lines);
    json_count(&json, "new", made->new_lines);
    json_count(&json, "replacements", made->replacements);
    json_count(&json, "voids", made->voids);
    json_count(&json, "unchanged", made->unchanged);
    json_count(&json, "charts", made->charts);
    json_number(&json, "minutes", made->minutes);
    json_tenths(&json, "units", made->units_tenths);
    json_list(&json, "left_out");
    for (size_t i = 0; i < made->left_out_count; i++)
        left_out_json(&json, &made->left_out[i]);
    json_end(&json);
    json_end(&json);
}

/* What is not in the file, so that nobody believes that it is. */
static void left_out_show(const struct show *show, const struct kith_export *made)
{
    const char **cells = calloc((made->left_out_count + 1) * LEFT_COLUMNS, sizeof *cells);
    char(*ids)[ID_SHOWN] = calloc(made->left_out_count + 1, ID_SHOWN);
    static const char *const heading[LEFT_COLUMNS] = {"left out", "date", "participant", "why"};

    if (cells && ids) {
        memcpy(cells, heading, sizeof heading);
        for (size_t i = 0; i < made->left_out_count; i++) {
            const struct kith_left_out *left = &made->left_out[i];
            const char **row = cells + (i + 1) * LEFT_COLUMNS;
            (void)snprintf(ids[i], ID_SHOWN, "%.10s", left->id);
            row[0] = ids[i];
            row[1] = left->date;
            row[2] = left->name;
            row[3] = left->why;
        }
        show_table(show, LEFT_COLUMNS, cells, made->left_out_count + 1);
    }
    free(cells);
    free(ids);
}

static void export_show(const struct cli *cli, const struct kith_export *made, const char *path)
{
    (void)fprintf(cli->show.out, "%s: %" PRIu64 " lines of %" PRIu64 " charts", path, made->lines,
                  made->charts);
    if (made->replacements + made->voids > 0)
        (void)fprintf(cli->show.out, ", %" PRIu64 " of them replace and %" PRIu64 " take back",
                      made->replacements, made->voids);
    (void)fputs("\n", cli->show.out);
    if (made->unchanged > 0)
        (void)fprintf(cli->show.out, "%" PRIu64 " lines were exported before and are unchanged\n",
                      made->unchanged);
    if (made->left_out_count > 0) {
        (void)fputs("\n", cli->show.out);
        left_out_show(&cli->show, made);
    }
}

static enum exit_code export_to_file(struct cli *cli, const struct arguments *arguments,
                                     export_run *run)
{
    struct kith_export *made = NULL;
    const struct kith_export_options options = {
        .from = arguments_option(arguments, "--from"),
        .to = arguments_option(arguments, "--to"),
        .path = arguments_option(arguments, "--to-file"),
        .participant = arguments_option(arguments, "--participant"),
        .is_again = arguments_option(arguments, "--again") != NULL,
    };

    if (!options.from || !options.to)
        return cli_misused("between which days? --from 2026-03-01 --to 2026-03-31");
    if (!options.path)
        return cli_misused("into which file? --to-file FILE");
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    cli_progress("Reading the visits");
    int code = run(cli->kith, &options, &made);
    cli_progress_end();
    if (code)
        done = cli_fail(cli, code);
    else if (cli->is_json)
        export_json(made, options.path);
    else
        export_show(cli, made, options.path);
    if (made && made->refused > 0)
        cli_remark("kith: %" PRIu64 " visits are left out: 42 CFR Part 2 protects their charts and "
                   "no consent allows the export",
                   made->refused);
    kith_export_free(&made);
    return done;
}

enum exit_code export_billing(struct cli *cli, const struct arguments *arguments)
{
    return export_to_file(cli, arguments, kith_export_billing);
}
