/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: what was done, how goals go, what workers have to show. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/meter.h"

#define NUMBER_MAX    24
#define TENTHS        10
#define WORKER_CELLS  8
#define TRAINED_CELLS 6

static void tenths_text(char text[static NUMBER_MAX], int64_t tenths)
{
    (void)snprintf(text, NUMBER_MAX, tenths % TENTHS ? "%" PRId64 ".%" PRId64 : "%" PRId64,
                   tenths / TENTHS, tenths % TENTHS);
}

static enum exit_code out_of_memory(void)
{
    return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
}

/* Productivity */

static void worker_json(struct json *json, const char *name, const struct kith_worker *worker)
{
    json_object(json, name);
    json_text(json, "person", *worker->person ? worker->person : NULL);
    json_count(json, "visits", worker->visits);
    json_count(json, "contacts", worker->contacts);
    json_count(json, "people", worker->people);
    json_count(json, "due", worker->due);
    json_count(json, "on_time", worker->on_time);
    json_count(json, "counting", worker->counting);
    json_number(json, "minutes", worker->minutes);
    json_tenths(json, "units", worker->units_tenths);
    json_list(json, "unbilled");
    for (size_t i = 0; i < worker->why_count; i++) {
        json_object(json, NULL);
        json_text(json, "why", worker->whys[i].text);
        json_count(json, "visits", worker->whys[i].visits);
        json_number(json, "minutes", worker->whys[i].minutes);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

static void productivity_json(const struct kith_productivity *report)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_list(&json, "workers");
    for (size_t i = 0; i < report->count; i++)
        worker_json(&json, NULL, &report->workers[i]);
    json_end(&json);
    worker_json(&json, "total", &report->total);
    json_end(&json);
}

struct worker_texts {
    char visits[NUMBER_MAX];
    char people[NUMBER_MAX];
    char minutes[NUMBER_MAX];
    char units[NUMBER_MAX];
    char on_time[NUMBER_MAX];
    char unbilled[NUMBER_MAX];
    char bar[METER_BYTES];
};

static void worker_cells(const struct kith_worker *worker, int64_t most, struct worker_texts *texts,
                         const char **cells)
{
    (void)snprintf(texts->visits, NUMBER_MAX, "%" PRIu64, worker->visits);
    (void)snprintf(texts->people, NUMBER_MAX, "%" PRIu64, worker->people);
    (void)snprintf(texts->minutes, NUMBER_MAX, "%" PRId64, worker->minutes);
    tenths_text(texts->units, worker->units_tenths);
    if (worker->due > 0)
        (void)snprintf(texts->on_time, NUMBER_MAX, "%" PRIu64 " %%",
                       worker->on_time * 100 / worker->due);
    (void)snprintf(texts->unbilled, NUMBER_MAX, "%" PRIu64, worker->visits - worker->counting);
    meter_write(texts->bar, *worker->person ? worker->units_tenths : 0, most);
    const char *const made[WORKER_CELLS] = {
        *worker->person ? worker->person : "together",
        texts->visits,
        texts->people,
        texts->minutes,
        texts->units,
        texts->bar,
        texts->on_time,
        texts->unbilled,
    };
    memcpy(cells, made, sizeof made);
}

static enum exit_code productivity_show(const struct cli *cli,
                                        const struct kith_productivity *report)
{
    static const char *const heading[WORKER_CELLS] = {"",      "visits", "people",  "minutes",
                                                      "units", "",       "on time", "unbilled"};
    const char **cells = calloc((report->count + 2) * WORKER_CELLS, sizeof *cells);
    struct worker_texts *texts = calloc(report->count + 1, sizeof *texts);
    int64_t most = 0;
    bool is_done = cells && texts;

    for (size_t i = 0; i < report->count; i++)
        if (report->workers[i].units_tenths > most)
            most = report->workers[i].units_tenths;
    if (is_done) {
        memcpy(cells, heading, sizeof heading);
        for (size_t i = 0; i <= report->count; i++)
            worker_cells(i < report->count ? &report->workers[i] : &report->total, most, &texts[i],
                         cells + (i + 1) * WORKER_CELLS);
        show_table(&cli->show, WORKER_CELLS, cells, report->count + 2);
    }
    for (size_t i = 0; i < report->total.why_count; i++)
        (void)fprintf(cli->show.out, "%s%6" PRIu64 "  %s, %" PRId64 " minutes\n",
                      i == 0 ? "\nNot billed:\n" : "", report->total.whys[i].visits,
                      report->total.whys[i].text, report->total.whys[i].minutes);
    free(cells);
    free(texts);
    return is_done ? EXIT_DONE : out_of_memory();
}

static enum exit_code ask_days(const struct arguments *arguments, const char **from,
                               const char **to)
{
    *from = arguments_option(arguments, "--from");
    *to = arguments_option(arguments, "--to");
    return *from && *to ? EXIT_DONE
                        : cli_misused("between which days? --from 2026-03-01 --to 2026-03-31");
}

enum exit_code report_productivity(struct cli *cli, const struct arguments *arguments)
{
    const char *from;
    const char *to;
    struct kith_productivity *report = NULL;
    enum exit_code done = ask_days(arguments, &from, &to);

    if (!done)
        done = cli_open(cli);
    if (done)
        return done;
    int code = kith_productivity(cli->kith, from, to, &report);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        productivity_json(report);
    else
        done = productivity_show(cli, report);
    kith_productivity_free(&report);
    return done;
}

/* Goals */

static void goals_json(const struct kith_progress *report)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < report->count; i++) {
        const struct kith_goal_progress *goal = &report->goals[i];
        json_object(&json, NULL);
        json_text(&json, "id", goal->id);
        json_text(&json, "participant", goal->participant);
        json_text(&json, "name", goal->name);
        json_text(&json, "text", goal->text);
        json_text(&json, "domain", *goal->domain ? goal->domain : NULL);
        json_text(&json, "status", goal->status);
        json_list(&json, "visits");
        for (size_t k = 0; k < goal->step_count; k++) {
            json_object(&json, NULL);
            json_text(&json, "id", goal->steps[k].visit);
            json_text(&json, "date", goal->steps[k].date);
            json_text(&json, "progress", *goal->steps[k].word ? goal->steps[k].word : NULL);
            json_end(&json);
        }
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
}

/* One sign for each visit: how it went then. */
static void trend_show(FILE *out, const struct kith_goal_progress *goal)
{
    static const char *const signs[][2] = {
        {"worse", "▁"}, {"same", "▃"}, {"better", "▅"}, {"reached", "█"}};

    for (size_t i = 0; i < goal->step_count; i++) {
        const char *sign = "·";
        for (size_t k = 0; k < sizeof signs / sizeof *signs; k++)
            if (strcmp(goal->steps[i].word, signs[k][0]) == 0)
                sign = signs[k][1];
        (void)fputs(sign, out);
    }
}

static void goals_show(const struct show *show, const struct kith_progress *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct kith_goal_progress *goal = &report->goals[i];
        if (i == 0 || strcmp(report->goals[i - 1].participant, goal->participant) != 0) {
            (void)fputs(i ? "\n" : "", show->out);
            show_text(show, SHOW_STRONG, goal->name);
            (void)fputs("\n", show->out);
        }
        (void)fputs("  ", show->out);
        show_paragraph(show, 2, goal->text);
        (void)fprintf(show->out, "    %s%s%s, %zu visits  ", goal->domain,
                      *goal->domain ? ", " : "", goal->status, goal->step_count);
        trend_show(show->out, goal);
        (void)fputs("\n", show->out);
    }
    if (report->count == 0)
        cli_remark("No goals here.");
}

enum exit_code report_goals(struct cli *cli, const struct arguments *arguments)
{
    const char *from;
    const char *to;
    struct kith_progress *report = NULL;
    enum exit_code done = ask_days(arguments, &from, &to);

    if (!done)
        done = cli_open(cli);
    if (done)
        return done;
    int code = kith_progress_of(cli->kith, arguments_option(arguments, "--participant"), from, to,
                                &report);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        goals_json(report);
    else
        goals_show(&cli->show, report);
    kith_progress_free(&report);
    return EXIT_DONE;
}

/* Training */

static void training_json(const struct kith_training *report)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_text(&json, "rule_pack", report->rules);
    json_list(&json, "people");
    for (size_t i = 0; i < report->count; i++) {
        const struct kith_trained *person = &report->people[i];
        json_object(&json, NULL);
        json_text(&json, "person", person->person);
        json_list(&json, "asked");
        for (size_t k = 0; k < person->count; k++) {
            const struct kith_asked *asked = &person->asked[k];
            json_object(&json, NULL);
            json_text(&json, "what", asked->what);
            json_text(&json, "unit", asked->unit);
            json_text(&json, "since", *asked->since ? asked->since : NULL);
            json_tenths(&json, "has", asked->has_tenths);
            json_tenths(&json, "asked", asked->asked_tenths);
            json_flag(&json, "met", asked->has_tenths >= asked->asked_tenths);
            json_end(&json);
        }
        json_end(&json);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

struct asked_texts {
    char has[NUMBER_MAX];
    char asked[2 * NUMBER_MAX];
    char missing[2 * NUMBER_MAX];
    char bar[METER_BYTES];
};

static void asked_cells(const struct kith_trained *person, size_t place, struct asked_texts *texts,
                        const char **cells)
{
    const struct kith_asked *asked = &person->asked[place];
    char number[NUMBER_MAX];
    int64_t lacks = asked->asked_tenths - asked->has_tenths;

    tenths_text(texts->has, asked->has_tenths);
    if (asked->asked_tenths > 0) {
        tenths_text(number, asked->asked_tenths);
        (void)snprintf(texts->asked, sizeof texts->asked, "of %s %s", number, asked->unit);
        meter_write(texts->bar, asked->has_tenths, asked->asked_tenths);
        tenths_text(number, lacks);
        (void)snprintf(texts->missing, sizeof texts->missing, lacks > 0 ? "%s missing" : "met",
                       number);
    } else {
        (void)snprintf(texts->asked, sizeof texts->asked, "%s", asked->unit);
    }
    const char *const made[TRAINED_CELLS] = {
        place == 0 ? person->person : "",
        asked->what,
        texts->has,
        texts->asked,
        texts->bar,
        texts->missing,
    };
    memcpy(cells, made, sizeof made);
}

static enum exit_code training_show(const struct cli *cli, const struct kith_training *report)
{
    static const char *const heading[TRAINED_CELLS] = {"", "", "has", "asked", "", ""};
    size_t rows = 1;

    for (size_t i = 0; i < report->count; i++)
        rows += report->people[i].count;
    const char **cells = calloc(rows * TRAINED_CELLS, sizeof *cells);
    struct asked_texts *texts = calloc(rows, sizeof *texts);
    bool is_done = cells && texts;
    size_t at = 1;
    if (is_done) {
        memcpy(cells, heading, sizeof heading);
        for (size_t i = 0; i < report->count; i++)
            for (size_t k = 0; k < report->people[i].count; k++, at++)
                asked_cells(&report->people[i], k, &texts[at], cells + at * TRAINED_CELLS);
        show_table(&cli->show, TRAINED_CELLS, cells, rows);
        (void)fprintf(cli->show.out, "\nAs %s asks.\n", report->rules);
    }
    free(cells);
    free(texts);
    return is_done ? EXIT_DONE : out_of_memory();
}

enum exit_code report_training(struct cli *cli, const struct arguments *arguments)
{
    struct kith_training *report = NULL;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_training(cli->kith, &report);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        training_json(report);
    else
        done = training_show(cli, report);
    kith_training_free(&report);
    return done;
}
