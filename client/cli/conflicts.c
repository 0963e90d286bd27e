/* SPDX-License-Identifier: Apache-2.0 */
/* What two people wrote at once, and the decision between it: an edit by somebody who has seen all
 * the versions. */
#include <assert.h>
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
    (void)fprintf(show->out, "decide with:  kith settle %.10s %s --take 1\n\n", record->id,
                  field->name);
}

static void conflicts_of(struct conflict_output *output, const struct kith_list *list)
{
    for (size_t i = 0; list && i < list->count; i++)
        for (size_t j = 0; j < list->records[i]->field_count; j++)
            if (list->records[i]->fields[j].is_conflict)
                conflict_put(output, list->records[i], &list->records[i]->fields[j]);
}

/* One list for each type of record. */
#define LISTS_MAX 32
struct lists {
    struct kith_list *of[LISTS_MAX];
    size_t count;
};

/* All of them first, so that a failure leaves nothing half printed. */
static int lists_read(struct kith *kith, struct lists *lists)
{
    const struct kith_filter all = {0};
    int code = KITH_OK;

    for (const char *const *type = kith_schema_types(); *type && !code; type++) {
        assert(lists->count < LISTS_MAX);
        code = kith_record_list(kith, *type, &all, &lists->of[lists->count++]);
    }
    return code;
}

static void conflicts_put(struct conflict_output *output, const struct lists *lists)
{
    if (output->cli->is_json)
        json_list(&output->json, NULL);
    for (size_t i = 0; i < lists->count; i++)
        conflicts_of(output, lists->of[i]);
    if (output->cli->is_json)
        json_end(&output->json);
    else if (output->count == 0)
        (void)fputs("Nothing waits for a decision.\n", output->cli->show.out);
}

enum exit_code conflict_list(struct cli *cli, const struct arguments *arguments)
{
    struct conflict_output output = {.cli = cli, .json = json_to(stdout)};
    struct lists lists = {0};
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = lists_read(cli->kith, &lists);
    if (code)
        done = cli_fail(cli, code);
    else
        conflicts_put(&output, &lists);
    for (size_t i = 0; i < lists.count; i++)
        if (lists.of[i])
            kith_list_free(&lists.of[i]);
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
    return *record ? EXIT_DONE
                   : cli_refuse(KITH_NOT_FOUND, "there is no record '%s' on this device", id);
}

static bool read_count(const char *text, unsigned long *number)
{
    char *end;

    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end;
}

static const struct kith_value *version_of_device(const struct kith_field *field,
                                                  unsigned long device)
{
    for (size_t i = 0; i < field->value_count; i++)
        if (field->values[i].device == device)
            return &field->values[i];
    return NULL;
}

/* "2", "device:2" or "index:2"; a bare number only if both mean the same version or one means none.
 */
static enum exit_code version_chosen(const struct kith_field *field, const char *take,
                                     const char **value)
{
    bool is_device = strncmp(take, "device:", 7) == 0;
    bool is_index = strncmp(take, "index:", 6) == 0;
    unsigned long number;

    if (!read_count(take + (is_device ? 7 : is_index ? 6 : 0), &number))
        return cli_misused("--take %s: expected the number of a version or of its device", take);
    bool has_index = !is_device && number >= 1 && number <= field->value_count;
    const struct kith_value *by_index = has_index ? &field->values[number - 1] : NULL;
    const struct kith_value *by_device = is_index ? NULL : version_of_device(field, number);
    const struct kith_value *chosen = by_index ? by_index : by_device;
    if (!chosen)
        return cli_refuse(KITH_NOT_FOUND, "%s has no version %s", field->name, take);
    if (by_device && chosen != by_device)
        return cli_refuse(KITH_AMBIGUOUS,
                          "%lu is a version and a device: write --take index:%lu or device:%lu",
                          number, number, number);
    *value = chosen->text;
    return EXIT_DONE;
}

/* Of two signatures one is kept; another text cannot stand for them. */
static enum exit_code signature_settle(struct cli *cli, const struct kith_record *record,
                                       const struct kith_field *field, const char *value)
{
    for (size_t i = 0; i < field->value_count; i++)
        if (field->values[i].text == value) {
            int code = kith_visit_keep(cli->kith, record->id, i + 1);
            return code ? cli_fail(cli, code) : EXIT_DONE;
        }
    return cli_misused("a signature is kept with --take, by its number or its device");
}

static enum exit_code settle_field(struct cli *cli, const struct arguments *arguments,
                                   const struct kith_record *record)
{
    const char *take = arguments_option(arguments, "--take");
    const char *value = arguments->count > 2 ? arguments->words[2] : NULL;
    const struct kith_field *field = NULL;
    enum exit_code done = EXIT_DONE;

    for (size_t i = 0; i < record->field_count; i++)
        if (record->fields[i].is_conflict &&
            strcmp(record->fields[i].name, arguments->words[1]) == 0)
            field = &record->fields[i];
    if (!field)
        return cli_refuse(KITH_NOT_FOUND, "%s needs no decision in this %s", arguments->words[1],
                          record->type);
    if (take)
        done = version_chosen(field, take, &value);
    if (done)
        return done;
    if (strcmp(field->name, "signature") == 0)
        return signature_settle(cli, record, field, value);
    const struct kith_input input = {.field = field->name, .op = '=', .value = value};
    int code = kith_record_edit(cli->kith, record->type, record->id, &input, 1);
    return code ? cli_fail(cli, code) : EXIT_DONE;
}

static void settled_show(const struct cli *cli, const struct kith_record *record, const char *field)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "Settled: %s. The other versions stay in the history.\n",
                      field);
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
    struct kith_record *record = NULL;

    if ((arguments->count > 2) == (arguments_option(arguments, "--take") != NULL))
        return cli_misused(
            "give the right value, or --take with the number of a version or its device");
    enum exit_code done = cli_open(cli);
    if (!done)
        done = find_record(cli, arguments->words[0], &record);
    if (!record)
        return done;
    done = settle_field(cli, arguments, record);
    if (!done)
        settled_show(cli, record, arguments->words[1]);
    kith_record_free(&record);
    return done;
}
