/* SPDX-License-Identifier: Apache-2.0 */
/* Units of service between two days. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"

static void row_json(struct json *json, const struct kith_unit_row *row)
{
    json_object(json, NULL);
    json_text(json, "id", row->id);
    json_text(json, "date", row->date);
    json_text(json, "participant", row->participant);
    json_text(json, "name", row->name);
    json_text(json, "person", row->person);
    json_text(json, "code", *row->code ? row->code : NULL);
    json_text(json, "state", row->state);
    if (row->minutes < 0)
        json_text(json, "minutes", NULL);
    else
        json_number(json, "minutes", row->minutes);
    json_tenths(json, "units", row->units_tenths);
    json_text(json, "rule_pack", row->rules);
    json_text(json, "rule_pack_signed", row->rules_signed);
    json_tenths(json, "units_signed", row->units_tenths_signed);
    json_flag(json, "counts", *row->why_not == '\0');
    json_text(json, "why_not", *row->why_not ? row->why_not : NULL);
    json_end(json);
}

static void units_json(const struct kith_units *units)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_list(&json, "visits");
    for (size_t i = 0; i < units->count; i++)
        row_json(&json, &units->rows[i]);
    json_end(&json);
    json_number(&json, "minutes", units->minutes);
    json_tenths(&json, "units", units->units_tenths);
    json_end(&json);
}

static void tenths_text(int64_t tenths, char *text, size_t size)
{
    if (tenths < 0)
        (void)snprintf(text, size, "-");
    else if (tenths % 10)
        (void)snprintf(text, size, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
    else
        (void)snprintf(text, size, "%" PRId64, tenths / 10);
}

#define UNIT_COLUMNS 7

struct unit_texts {
    char id[11];
    char minutes[24];
    char units[64];
};

static void row_cells(const struct kith_unit_row *row, struct unit_texts *texts, const char **cells)
{
    char then[24];

    (void)snprintf(texts->id, sizeof texts->id, "%.10s", row->id);
    (void)snprintf(texts->minutes, sizeof texts->minutes, "%" PRId64, row->minutes);
    tenths_text(row->units_tenths, texts->units, sizeof texts->units);
    if (row->rules_signed) {
        size_t len = strlen(texts->units);
        tenths_text(row->units_tenths_signed, then, sizeof then);
        (void)snprintf(texts->units + len, sizeof texts->units - len, " (signed: %s)", then);
    }
    cells[0] = texts->id;
    cells[1] = row->date;
    cells[2] = row->name;
    cells[3] = row->minutes < 0 ? "-" : texts->minutes;
    cells[4] = texts->units;
    cells[5] = row->rules;
    cells[6] = *row->why_not ? row->why_not : "counts";
}

static enum exit_code units_show(const struct cli *cli, const struct kith_units *units)
{
    static const char *const heading[UNIT_COLUMNS] = {
        "visit", "date", "participant", "minutes", "units", "rules", ""};
    const char **cells = calloc((units->count + 1) * UNIT_COLUMNS, sizeof *cells);
    struct unit_texts *texts = calloc(units->count + 1, sizeof *texts);
    char total[24];

    if (cells && texts) {
        memcpy(cells, heading, sizeof heading);
        for (size_t i = 0; i < units->count; i++)
            row_cells(&units->rows[i], &texts[i], cells + (i + 1) * UNIT_COLUMNS);
        show_table(&cli->show, UNIT_COLUMNS, cells, units->count + 1);
        tenths_text(units->units_tenths, total, sizeof total);
        (void)fprintf(cli->show.out, "\n%" PRId64 " minutes, %s units count\n", units->minutes,
                      total);
    }
    bool is_done = cells && texts;
    free(cells);
    free(texts);
    return is_done ? EXIT_DONE : cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
}

enum exit_code overview_units(struct cli *cli, const struct arguments *arguments)
{
    const char *from = arguments_option(arguments, "--from");
    const char *to = arguments_option(arguments, "--to");
    struct kith_units *units = NULL;
    enum exit_code done;

    if (!from || !to)
        return cli_misused("between which days? --from 2026-03-01 --to 2026-03-31");
    done = cli_open(cli);
    if (done)
        return done;
    int code = kith_units(cli->kith, from, to, &units);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        units_json(units);
    else
        done = units_show(cli, units);
    kith_units_free(&units);
    return done;
}
