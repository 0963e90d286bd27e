/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's own ledger. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/meter.h"

#define NUMBER_MAX 32

static const char *money_text(int64_t cents, char text[static NUMBER_MAX])
{
    (void)snprintf(text, NUMBER_MAX, "%" PRId64 ".%02d", cents / 100, (int)(cents % 100));
    return text;
}

static const char *hours_text(int64_t minutes, char text[static NUMBER_MAX])
{
    (void)snprintf(text, NUMBER_MAX, "%" PRId64 ":%02d", minutes / 60, (int)(minutes % 60));
    return text;
}

static void limit_json(struct json *json, const struct kith_limit *limit)
{
    char text[NUMBER_MAX];

    json_object(json, NULL);
    json_text(json, "id", limit->id);
    json_text(json, "name", limit->name);
    json_text(json, "per", limit->per);
    json_text(json, "from", limit->from);
    json_text(json, "earned", money_text(limit->earned_cents, text));
    json_text(json, "earned_limit",
              limit->earned_limit_cents ? money_text(limit->earned_limit_cents, text) : NULL);
    json_number(json, "minutes", limit->minutes);
    if (limit->minutes_limit)
        json_number(json, "minutes_limit", limit->minutes_limit);
    else
        json_text(json, "minutes_limit", NULL);
    json_number(json, "percent", limit->percent);
    json_flag(json, "near", limit->is_near);
    json_flag(json, "over", limit->is_over);
    json_end(json);
}

static void ledger_json(const struct kith_ledger *ledger)
{
    struct json json = json_to(stdout);
    char text[NUMBER_MAX];

    json_object(&json, NULL);
    json_object(&json, "month");
    json_text(&json, "earned", money_text(ledger->month_cents, text));
    json_number(&json, "minutes", ledger->month_minutes);
    json_end(&json);
    json_list(&json, "limits");
    for (size_t i = 0; i < ledger->count; i++)
        limit_json(&json, &ledger->limits[i]);
    json_end(&json);
    json_end(&json);
}

static void limit_show(const struct show *show, const struct kith_limit *limit)
{
    char bar[METER_BYTES];
    char has[NUMBER_MAX];
    char may[NUMBER_MAX];
    enum show_tone tone = limit->is_near ? SHOW_WARNING : SHOW_PLAIN;

    meter_write(bar, limit->percent, 100);
    show_text(show, tone, limit->name);
    (void)fprintf(show->out, ", since %s\n  [%s] ", limit->from, bar);
    (void)snprintf(has, sizeof has, "%" PRId64 " %%", limit->percent);
    show_text(show, tone, has);
    if (limit->earned_limit_cents)
        (void)fprintf(show->out, ", earned %s of %s", money_text(limit->earned_cents, has),
                      money_text(limit->earned_limit_cents, may));
    if (limit->minutes_limit)
        (void)fprintf(show->out, ", worked %s of %s hours", hours_text(limit->minutes, has),
                      hours_text(limit->minutes_limit, may));
    (void)fputs(limit->is_over ? ": over it\n" : limit->is_near ? ": near it\n" : "\n", show->out);
}

static void ledger_show(const struct show *show, const struct kith_ledger *ledger)
{
    char text[NUMBER_MAX];

    (void)fprintf(show->out, "This month: %s hours, ", hours_text(ledger->month_minutes, text));
    (void)fprintf(show->out, "%s earned\n", money_text(ledger->month_cents, text));
    for (size_t i = 0; i < ledger->count; i++)
        limit_show(show, &ledger->limits[i]);
    if (ledger->count == 0)
        cli_remark("No limit is set: kith limit add name=... per=month earned=...");
}

enum exit_code report_ledger(struct cli *cli, const struct arguments *arguments)
{
    struct kith_ledger *ledger = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_ledger(cli->kith, arguments_option(arguments, "--on"), &ledger);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        ledger_json(ledger);
    else
        ledger_show(&cli->show, ledger);
    kith_ledger_free(&ledger);
    return EXIT_DONE;
}
