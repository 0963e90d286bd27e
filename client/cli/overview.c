/* SPDX-License-Identifier: Apache-2.0 */
/* Looking over and looking for: search, tasks, caseload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/record_json.h"
#include "client/cli/when.h"

static const char *first_text(const struct kith_record *record)
{
    static const char *const telling[] = {"name", "title", "text", "kind", "date", "facts"};

    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        for (size_t j = 0; j < record->field_count; j++)
            if (strcmp(record->fields[j].name, telling[i]) == 0)
                return record->fields[j].values[0].text;
    return "";
}

static void hits_show(const struct cli *cli, const struct kith_list *list)
{
    char when[WHEN_TEXT_MAX];

    for (size_t i = 0; i < list->count; i++) {
        const struct kith_record *record = list->records[i];
        show_text(&cli->show, SHOW_STRONG, record->type);
        (void)fprintf(cli->show.out, " %.10s  ", record->id);
        show_text(&cli->show, SHOW_FAINT, when_short(record->touched_ms, when));
        (void)fputs("  ", cli->show.out);
        show_text(&cli->show, SHOW_PLAIN, first_text(record));
        (void)fputc('\n', cli->show.out);
    }
    if (list->count == 0)
        cli_remark("Nothing found on this device.");
}

enum exit_code overview_search(struct cli *cli, const struct arguments *arguments)
{
    struct kith_list *list = NULL;
    struct json json = json_to(stdout);
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code =
        kith_search(cli->kith, (const char *const *)arguments->words, arguments->count, &list);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        json_list(&json, NULL);
        for (size_t i = 0; i < list->count; i++)
            record_json(&json, list->records[i]);
        json_end(&json);
    } else {
        hits_show(cli, list);
    }
    kith_list_free(&list);
    return EXIT_DONE;
}

static void tasks_json(const struct kith_tasks *tasks)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < tasks->count; i++) {
        const struct kith_task *task = &tasks->tasks[i];
        json_object(&json, NULL);
        json_text(&json, "kind", task->kind);
        json_text(&json, "due", *task->due ? task->due : NULL);
        json_flag(&json, "overdue", task->is_overdue);
        json_text(&json, "text", task->text);
        json_text(&json, "type", task->type);
        json_text(&json, "id", task->id);
        json_text(&json, "participant", *task->participant ? task->participant : NULL);
        json_text(&json, "name", *task->name ? task->name : NULL);
        json_end(&json);
    }
    json_end(&json);
}

static void tasks_show(const struct show *show, const struct kith_tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++) {
        const struct kith_task *task = &tasks->tasks[i];
        bool is_pressing = task->is_overdue || strcmp(task->kind, "concern") == 0;
        show_text(show, is_pressing ? SHOW_WARNING : SHOW_FAINT, *task->due ? task->due : "now");
        (void)fprintf(show->out, "%*s", *task->due ? 2 : 9, "");
        show_text(show, SHOW_PLAIN, task->text);
        if (*task->name) {
            (void)fputs("  ", show->out);
            show_text(show, SHOW_STRONG, task->name);
        }
        (void)fprintf(show->out, "  (%s%s%.10s)\n", task->type, *task->id ? " " : "", task->id);
    }
    if (tasks->count == 0)
        cli_remark("Nothing waits for you.");
}

enum exit_code overview_tasks(struct cli *cli, const struct arguments *arguments)
{
    struct kith_tasks *tasks = NULL;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_tasks(cli->kith, &tasks);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        tasks_json(tasks);
    else
        tasks_show(&cli->show, tasks);
    kith_tasks_free(&tasks);
    return EXIT_DONE;
}

static void caseload_json(const struct kith_caseload *caseload)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < caseload->count; i++) {
        const struct kith_case *row = &caseload->cases[i];
        json_object(&json, NULL);
        json_text(&json, "id", row->id);
        json_text(&json, "name", row->name);
        json_text(&json, "preferred_name", *row->preferred_name ? row->preferred_name : NULL);
        json_text(&json, "engagement", *row->engagement ? row->engagement : NULL);
        json_flag(&json, "do_not_contact", row->do_not_contact);
        json_count(&json, "visits", row->visits);
        json_count(&json, "drafts", row->drafts);
        json_count(&json, "open_goals", row->open_goals);
        json_text(&json, "last_visit", *row->last_visit ? row->last_visit : NULL);
        json_text(&json, "follow_up", *row->follow_up ? row->follow_up : NULL);
        json_end(&json);
    }
    json_end(&json);
}

#define CASE_COLUMNS 7

struct case_texts {
    char id[11];
    char visits[24];
    char drafts[24];
    char goals[24];
};

static enum exit_code caseload_show(const struct cli *cli, const struct kith_caseload *caseload)
{
    static const char *const heading[CASE_COLUMNS] = {
        "id", "name", "last visit", "follow up", "visits", "unsigned", "open goals"};
    const char **cells = calloc((caseload->count + 1) * CASE_COLUMNS, sizeof *cells);
    struct case_texts *texts = calloc(caseload->count + 1, sizeof *texts);

    for (size_t i = 0; cells && texts && i < caseload->count; i++) {
        const struct kith_case *row = &caseload->cases[i];
        const char **cell = cells + (i + 1) * CASE_COLUMNS;
        (void)snprintf(texts[i].id, sizeof texts[i].id, "%.10s", row->id);
        (void)snprintf(texts[i].visits, sizeof texts[i].visits, "%lu", (unsigned long)row->visits);
        (void)snprintf(texts[i].drafts, sizeof texts[i].drafts, "%lu", (unsigned long)row->drafts);
        (void)snprintf(texts[i].goals, sizeof texts[i].goals, "%lu",
                       (unsigned long)row->open_goals);
        cell[0] = texts[i].id;
        cell[1] = row->name;
        cell[2] = row->last_visit;
        cell[3] = row->follow_up;
        cell[4] = texts[i].visits;
        cell[5] = texts[i].drafts;
        cell[6] = texts[i].goals;
    }
    if (cells && texts) {
        memcpy(cells, heading, sizeof heading);
        show_table(&cli->show, CASE_COLUMNS, cells, caseload->count + 1);
    }
    bool is_done = cells && texts;
    free(cells);
    free(texts);
    return is_done ? EXIT_DONE : cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
}

enum exit_code overview_caseload(struct cli *cli, const struct arguments *arguments)
{
    struct kith_caseload *caseload = NULL;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_caseload(cli->kith, &caseload);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        caseload_json(caseload);
    else if (caseload->count == 0)
        cli_remark("No participants on this device yet.");
    else
        done = caseload_show(cli, caseload);
    kith_caseload_free(&caseload);
    return done;
}
