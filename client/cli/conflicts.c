/* SPDX-License-Identifier: Apache-2.0 */
/* What two people wrote at once, and the decision between it: an edit by somebody who has seen all
 * the versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/record_json.h"

struct conflict_output {
    const struct cli *cli;
    struct json json;
    size_t count;
};

static void conflict_put(struct conflict_output *output, const struct kith_record *record,
                         const struct kith_field *field)
{
    const struct show *show = &output->cli->show;

    output->count++;
    if (output->cli->is_json) {
        json_object(&output->json, NULL);
        json_text(&output->json, "id", record->id);
        json_text(&output->json, "type", record->type);
        json_text(&output->json, "field", field->name);
        versions_json(&output->json, field);
        json_end(&output->json);
        return;
    }
    (void)fprintf(show->out, "%s %.10s  ", record->type, record->id);
    show_text(show, SHOW_WARNING, field->name);
    (void)fputc('\n', show->out);
    show_versions(show, field);
    (void)fprintf(show->out, "decide with:  kith settle %.10s %s --take 1\n\n", record->id, field->name);
}

static void conflicts_of(struct conflict_output *output, const struct kith_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->records[i]->field_count; j++)
            if (list->records[i]->fields[j].is_conflict)
                conflict_put(output, list->records[i], &list->records[i]->fields[j]);
}

/* All lists first, so that a failure leaves nothing half printed. */
static int lists_read(struct kith *kith, struct kith_list **lists)
{
    const struct kith_filter all = {0};
    int code = KITH_OK;

    for (size_t i = 0; kith_schema_types()[i] && !code; i++)
        code = kith_record_list(kith, kith_schema_types()[i], &all, &lists[i]);
    return code;
}

static size_t type_count(void)
{
    size_t count = 0;

    while (kith_schema_types()[count])
        count++;
    return count;
}

enum exit_code conflict_list(struct cli *cli, const struct arguments *arguments)
{
    struct conflict_output output = {.cli = cli, .json = json_to(stdout)};
    size_t count = type_count();
    struct kith_list **lists = calloc(count, sizeof(struct kith_list *));
    enum exit_code done = lists ? cli_open(cli) : cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));

    (void)arguments;
    if (done)
        goto out;
    int code = lists_read(cli->kith, lists);
    if (code) {
        done = cli_fail(cli, code);
        goto out;
    }
    if (cli->is_json)
        json_list(&output.json, NULL);
    for (size_t i = 0; i < count; i++)
        conflicts_of(&output, lists[i]);
    if (cli->is_json)
        json_end(&output.json);
    else if (output.count == 0)
        (void)fputs("Nothing waits for a decision.\n", cli->show.out);
out:
    for (size_t i = 0; lists && i < count; i++)
        if (lists[i])
            kith_list_free(&lists[i]);
    free(lists);
    return done;
}

/* The record of whatever type that the id means. */
static enum exit_code find_record(struct cli *cli, const char *id, struct kith_record **record)
{
    struct kith_record *found = NULL;

    *record = NULL;
    for (size_t i = 0; kith_schema_types()[i]; i++) {
        int code = kith_record_show(cli->kith, kith_schema_types()[i], id, &found);
        if (code == KITH_NOT_FOUND)
            continue;
        if (!code && *record) {
            kith_record_free(&found);
            code = KITH_AMBIGUOUS;
        }
        if (code) {
            kith_record_free(record);
            return cli_fail(cli, code);
        }
        *record = found;
    }
    return *record ? EXIT_DONE : cli_refuse(KITH_NOT_FOUND, "there is no record '%s' on this device", id);
}

static bool read_count(const char *text, unsigned long *number)
{
    char *end;

    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end;
}

/* "2", "device:2" or "index:2"; a bare number only if both mean the same version or one means none.
 */
static enum exit_code version_chosen(const struct kith_field *field, const char *take, const char **value)
{
    const struct kith_value *by_index = NULL;
    const struct kith_value *by_device = NULL;
    bool is_device = strncmp(take, "device:", 7) == 0;
    bool is_index = strncmp(take, "index:", 6) == 0;
    unsigned long number;

    if (!read_count(take + (is_device ? 7 : is_index ? 6 : 0), &number))
        return cli_misused("--take %s: expected the number of a version or of its device", take);
    if (!is_device && number >= 1 && number <= field->value_count)
        by_index = &field->values[number - 1];
    for (size_t i = 0; i < field->value_count && !is_index; i++)
        if (field->values[i].device == number)
            by_device = &field->values[i];
    if (!by_index && !by_device)
        return cli_refuse(KITH_NOT_FOUND, "%s has no version %s", field->name, take);
    if (by_index && by_device && by_index != by_device)
        return cli_refuse(KITH_AMBIGUOUS, "%lu is a version and a device: write --take index:%lu or device:%lu", number,
                          number, number);
    *value = by_index ? by_index->text : by_device->text;
    return EXIT_DONE;
}

static enum exit_code settle_field(struct cli *cli, const struct arguments *arguments, const struct kith_record *record)
{
    const char *take = arguments_option(arguments, "--take");
    const char *value = arguments->count > 2 ? arguments->words[2] : NULL;
    const struct kith_field *field = NULL;
    enum exit_code done = EXIT_DONE;

    for (size_t i = 0; i < record->field_count; i++)
        if (record->fields[i].is_conflict && strcmp(record->fields[i].name, arguments->words[1]) == 0)
            field = &record->fields[i];
    if (!field)
        return cli_refuse(KITH_NOT_FOUND, "%s needs no decision in this %s", arguments->words[1], record->type);
    if (take)
        done = version_chosen(field, take, &value);
    if (done)
        return done;
    const struct kith_input input = {.field = field->name, .op = '=', .value = value};
    int code = kith_record_edit(cli->kith, record->type, record->id, &input, 1);
    return code ? cli_fail(cli, code) : EXIT_DONE;
}

static void settled_show(const struct cli *cli, const struct kith_record *record, const char *field)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "Settled: %s. The other versions stay in the history.\n", field);
        return;
    }
    json_object(&json, NULL);
    json_text(&json, "id", record->id);
    json_text(&json, "type", record->type);
    json_text(&json, "field", field);
    json_end(&json);
}

enum exit_code conflict_settle(struct cli *cli, const struct arguments *arguments)
{
    struct kith_record *record;

    if ((arguments->count > 2) == (arguments_option(arguments, "--take") != NULL))
        return cli_misused("give the right value, or --take with the number of a version or its device");
    enum exit_code done = cli_open(cli);
    if (!done)
        done = find_record(cli, arguments->words[0], &record);
    if (done)
        return done;
    done = settle_field(cli, arguments, record);
    if (!done)
        settled_show(cli, record, arguments->words[1]);
    kith_record_free(&record);
    return done;
}
