/* SPDX-License-Identifier: Apache-2.0 */
/* The same five verbs for every type of record that the schema has. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/form.h"
#include "client/cli/input.h"
#include "client/cli/record_json.h"
#include "client/cli/when.h"

static enum exit_code inputs_from(const struct arguments *arguments, size_t first,
                                  struct inputs *inputs)
{
    char why[INPUT_WHY_MAX];

    for (size_t i = first; i < arguments->count; i++) {
        enum kith_err err = inputs_add_word(inputs, arguments->words[i], why);
        if (err == KITH_INPUT)
            return cli_misused("%s", why);
        if (err)
            return cli_refuse((int)err, "%s", why[0] ? why : error_text(err));
    }
    return EXIT_DONE;
}

static void saved_show(const struct cli *cli, const char *id)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "%s\n", id);
        return;
    }
    json_object(&json, NULL);
    json_text(&json, "id", id);
    json_end(&json);
}

static enum exit_code add_inputs(struct cli *cli, const struct inputs *inputs,
                                 char id[static KITH_ID_TEXT])
{
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_record_add(cli->kith, cli->type, inputs->items, inputs->count, id);
    return code ? cli_fail(cli, code) : EXIT_DONE;
}

enum exit_code record_add(struct cli *cli, const struct arguments *arguments)
{
    struct inputs inputs = {0};
    char id[KITH_ID_TEXT] = "";
    enum exit_code done = inputs_from(arguments, 0, &inputs);

    if (!done && inputs.count)
        done = add_inputs(cli, &inputs, id);
    else if (!done && form_is_possible())
        done = form_fill(cli, NULL, id);
    else if (!done)
        done = cli_misused("what shall the %s say? Give FIELD=VALUE, or set $EDITOR", cli->type);
    inputs_clear(&inputs);
    if (!done)
        saved_show(cli, id);
    return done;
}

static enum exit_code edit_inputs(struct cli *cli, const char *edited_id,
                                  const struct inputs *inputs, char id[static KITH_ID_TEXT])
{
    struct kith_record *record = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_record_edit(cli->kith, cli->type, edited_id, inputs->items, inputs->count);
    if (code)
        return cli_fail(cli, code);
    /* For the whole id; the edit itself is done. */
    (void)snprintf(id, KITH_ID_TEXT, "%s", edited_id);
    if (kith_record_show(cli->kith, cli->type, edited_id, &record) == KITH_OK)
        memcpy(id, record->id, KITH_ID_TEXT);
    kith_record_free(&record);
    return EXIT_DONE;
}

enum exit_code record_edit(struct cli *cli, const struct arguments *arguments)
{
    struct inputs inputs = {0};
    char id[KITH_ID_TEXT] = "";
    enum exit_code done = inputs_from(arguments, 1, &inputs);

    if (!done && inputs.count)
        done = edit_inputs(cli, arguments->words[0], &inputs, id);
    else if (!done && form_is_possible())
        done = form_fill(cli, arguments->words[0], id);
    else if (!done)
        done = cli_misused("what shall change? Give FIELD=VALUE, or set $EDITOR");
    inputs_clear(&inputs);
    if (!done)
        saved_show(cli, id);
    return done;
}

enum exit_code record_show(struct cli *cli, const struct arguments *arguments)
{
    struct kith_record *record = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_record_show(cli->kith, cli->type, arguments->words[0], &record);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        struct json json = json_to(stdout);
        record_json(&json, record);
    } else {
        show_record(&cli->show, record);
    }
    kith_record_free(&record);
    return EXIT_DONE;
}

#define SUMMARY_FIELDS 4
#define SUMMARY_NARROW 2 /* on a terminal under SUMMARY_WIDTH columns */
#define SUMMARY_WIDTH  110
#define LIST_COLUMNS   (3 + SUMMARY_FIELDS)

static const struct kith_field *field_named(const struct kith_record *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

static bool is_used(const struct kith_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (field_named(list->records[i], name))
            return true;
    return false;
}

/* The first short fields that some record of the list has. */
static size_t summary_choose(const struct cli *cli, const struct kith_list *list,
                             const char *names[static SUMMARY_FIELDS])
{
    bool is_narrow = cli->show.width && cli->show.width < SUMMARY_WIDTH;
    size_t most = is_narrow ? SUMMARY_NARROW : SUMMARY_FIELDS;
    size_t field_count;
    size_t count = 0;
    const struct kith_schema_field *fields = kith_schema_fields(cli->type, &field_count);

    for (size_t i = 0; i < field_count && count < most; i++)
        if (strcmp(fields[i].kind, "prose") != 0 && strcmp(fields[i].class, "entries") != 0 &&
            is_used(list, fields[i].name))
            names[count++] = fields[i].name;
    return count;
}

struct list_texts {
    char id[11];
    char state[64];
    char changed[WHEN_TEXT_MAX];
};

static void row_fill(const struct kith_record *record, const char *const *names, size_t count,
                     struct list_texts *texts, const char **row)
{
    bool has_conflict = false;

    for (size_t i = 0; i < record->field_count; i++)
        has_conflict = has_conflict || record->fields[i].is_conflict;
    (void)snprintf(texts->id, sizeof texts->id, "%.10s", record->id);
    (void)snprintf(texts->state, sizeof texts->state, "%s%s", record->state,
                   has_conflict ? ", to settle" : "");
    row[0] = texts->id;
    row[1] = texts->state;
    row[2] = when_short(record->touched_ms, texts->changed);
    for (size_t i = 0; i < count; i++) {
        const struct kith_field *field = field_named(record, names[i]);
        row[3 + i] = field && field->value_count ? field->values[0].text : "";
    }
}

static enum exit_code list_show(const struct cli *cli, const struct kith_list *list)
{
    const char *names[SUMMARY_FIELDS];
    size_t count = summary_choose(cli, list, names);
    const char **cells = calloc((list->count + 1) * LIST_COLUMNS, sizeof *cells);
    struct list_texts *texts = calloc(list->count + 1, sizeof *texts);
    size_t columns = 3 + count;

    if (!cells || !texts) {
        free(cells);
        free(texts);
        return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
    }
    cells[0] = "id";
    cells[1] = "state";
    cells[2] = "changed";
    memcpy(cells + 3, names, count * sizeof *names);
    for (size_t i = 0; i < list->count; i++)
        row_fill(list->records[i], names, count, &texts[i], cells + (i + 1) * columns);
    show_table(&cli->show, columns, cells, list->count + 1);
    free(cells);
    free(texts);
    return EXIT_DONE;
}

static void list_json(const struct kith_list *list)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < list->count; i++)
        record_json(&json, list->records[i]);
    json_end(&json);
}

enum exit_code record_list(struct cli *cli, const struct arguments *arguments)
{
    const char *since = arguments_option(arguments, "--since");
    struct kith_filter filter = {
        .participant = arguments_option(arguments, "--participant"),
        .state = arguments_option(arguments, "--state"),
    };
    struct kith_list *list = NULL;

    if (since && !when_read(since, when_now_ms(), &filter.since_ms))
        return cli_misused(
            "--since %s: expected a date or a time, like 2026-03-02 or \"yesterday 14:05\"", since);
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    int code = kith_record_list(cli->kith, cli->type, &filter, &list);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        list_json(list);
    else if (list->count == 0)
        cli_remark("No %s yet.", cli->type);
    else
        done = list_show(cli, list);
    kith_list_free(&list);
    return done;
}

static void history_json(const struct kith_history *history)
{
    struct json json = json_to(stdout);
    char when[WHEN_TEXT_MAX];

    json_list(&json, NULL);
    for (size_t i = 0; i < history->count; i++) {
        const struct kith_event *event = &history->events[i];
        const char op[] = {event->op, '\0'};
        json_object(&json, NULL);
        json_text(&json, "field", event->field);
        json_text(&json, "op", op);
        json_text(&json, "value", event->value);
        json_text(&json, "person", event->person);
        json_count(&json, "device", event->device);
        json_count(&json, "n", event->n);
        json_text(&json, "time", event->time_ms ? when_text(event->time_ms, when) : NULL);
        json_flag(&json, "live", event->is_live);
        json_end(&json);
    }
    json_end(&json);
}

#define HISTORY_INDENT 4

static void event_show(const struct show *show, const struct kith_event *event)
{
    char when[WHEN_TEXT_MAX];
    char device[32];

    (void)snprintf(device, sizeof device, ", device %u", event->device);
    show_text(show, SHOW_FAINT, when_short(event->time_ms, when));
    (void)fputs("  ", show->out);
    show_text(show, SHOW_PLAIN, event->person ? event->person : "?");
    show_text(show, SHOW_PLAIN, device);
    show_text(show, SHOW_FAINT, event->is_live ? "  stands" : "  replaced");
    (void)fprintf(show->out, "\n%*s", HISTORY_INDENT, "");
    show_text(show, SHOW_STRONG, event->field);
    (void)fputs(event->op == '+' ? " + " : event->op == '-' ? " - " : " = ", show->out);
    show_paragraph(show, HISTORY_INDENT + (unsigned)strlen(event->field) + 3,
                   event->value ? event->value : "");
}

enum exit_code record_history(struct cli *cli, const struct arguments *arguments)
{
    struct kith_history *history = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_record_history(cli->kith, cli->type, arguments->words[0], &history);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        history_json(history);
    else
        for (size_t i = 0; i < history->count; i++)
            event_show(&cli->show, &history->events[i]);
    kith_history_free(&history);
    return EXIT_DONE;
}
