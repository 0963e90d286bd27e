/* SPDX-License-Identifier: Apache-2.0 */
/* Exports: files for somebody outside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/cli/bar.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"

typedef int export_run(struct kith *kith, const struct kith_export_options *options,
                       struct kith_export **made);

/* What a form asks for beside the file's name. */
enum export_needs { NEEDS_DAYS = 1, NEEDS_PARTICIPANT = 2 };
struct export_form {
    export_run *run;
    const char *const *(*through)(const char *path); /* the program that makes the file */
    enum export_needs needs;
};

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

/* What else a form of export needs, as a sentence that asks for it; NULL if nothing lacks. */
static const char *lacks(const struct kith_export_options *options, enum export_needs needs)
{
    if (needs & NEEDS_DAYS && (!options->from || !options->to))
        return "between which days? --from 2026-03-01 --to 2026-03-31";
    if (needs & NEEDS_PARTICIPANT && !options->participant)
        return "whose record? --participant PERSON";
    return options->path ? NULL : "into which file? --to-file FILE";
}

static void refused_remark(const struct kith_export *made)
{
    if (made && made->refused > 0)
        cli_remark("kith: 42 CFR Part 2 protects %" PRIu64 " of what is left out, and no consent "
                   "allows the export",
                   made->refused);
}

static enum exit_code export_to_file(struct cli *cli, const struct arguments *arguments,
                                     const struct export_form *form)
{
    struct kith_export *made = NULL;
    struct bar bar = bar_begin("Reading the visits");
    struct kith_export_options options = {
        .from = arguments_option(arguments, "--from"),
        .to = arguments_option(arguments, "--to"),
        .path = arguments_option(arguments, "--to-file"),
        .participant = arguments_option(arguments, "--participant"),
        .recipient = arguments_option(arguments, "--for"),
        .purpose = arguments_option(arguments, "--purpose"),
        .is_again = arguments_option(arguments, "--again") != NULL,
        .progress = bar_show,
        .owner = &bar,
    };
    const char *lacking = lacks(&options, form->needs);

    if (lacking)
        return cli_misused("%s", lacking);
    options.through = form->through(options.path);
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    int code = form->run(cli->kith, &options, &made);
    bar_end(&bar);
    if (code)
        done = cli_fail(cli, code);
    else if (cli->is_json)
        export_json(made, options.path);
    else
        export_show(cli, made, options.path);
    refused_remark(made);
    kith_export_free(&made);
    return done;
}

static const char *const *as_it_is(const char *path)
{
    (void)path;
    return NULL;
}

/* A page becomes a PDF by WeasyPrint, which reads it from us and stores nothing on the way. */
static const char *const *as_pdf(const char *path)
{
    static const char *const weasyprint[] = {"weasyprint", "-q", "-e", "utf-8", "-", "-", NULL};
    size_t len = strlen(path);

    return len > 4 && strcasecmp(path + len - 4, ".pdf") == 0 ? weasyprint : NULL;
}

enum exit_code export_billing(struct cli *cli, const struct arguments *arguments)
{
    static const struct export_form form = {kith_export_billing, as_it_is, NEEDS_DAYS};

    return export_to_file(cli, arguments, &form);
}

enum exit_code export_chart(struct cli *cli, const struct arguments *arguments)
{
    static const struct export_form form = {kith_export_chart, as_pdf, NEEDS_PARTICIPANT};

    return export_to_file(cli, arguments, &form);
}

enum exit_code export_fhir(struct cli *cli, const struct arguments *arguments)
{
    static const struct export_form form = {kith_export_fhir, as_it_is, NEEDS_DAYS};

    return export_to_file(cli, arguments, &form);
}
