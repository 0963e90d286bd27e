/* SPDX-License-Identifier: Apache-2.0 */
/* The schema as a list for people, for scripts, and as the page docs/records.md. */
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"

static void type_json(struct json *json, const char *type)
{
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(type, &count);

    json_object(json, NULL);
    json_text(json, "type", type);
    json_list(json, "fields");
    for (size_t i = 0; i < count; i++) {
        json_object(json, NULL);
        json_text(json, "name", fields[i].name);
        json_count(json, "record", fields[i].record);
        json_count(json, "number", fields[i].number);
        json_text(json, "class", fields[i].class);
        json_text(json, "kind", fields[i].kind);
        json_text(json, "choices", fields[i].choices);
        json_flag(json, "required", fields[i].is_required);
        json_flag(json, "billing", fields[i].is_billed);
        json_text(json, "help", fields[i].help);
        json_end(json);
    }
    json_end(json);
    json_end(json);
}

static void type_markdown(const char *type)
{
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(type, &count);

    (void)printf("\n## %s\n\n| field | record.number | class | kind | |\n|---|---|---|---|---|\n",
                 type);
    for (size_t i = 0; i < count; i++) {
        const struct kith_schema_field *field = &fields[i];
        (void)printf("| `%s`%s | %u.%u | %s | %s%s%s | %s |\n", field->name,
                     field->is_required ? " *" : "", field->record, field->number, field->class,
                     field->kind, *field->choices ? ": " : "", field->choices, field->help);
    }
}

static void type_show(FILE *out, const char *type)
{
    size_t count;
    const struct kith_schema_field *fields = kith_schema_fields(type, &count);

    (void)fprintf(out, "%s\n", type);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "  %-20s %-9s %s%s%s%s\n", fields[i].name, fields[i].class,
                      fields[i].help, *fields[i].choices ? " (" : "", fields[i].choices,
                      *fields[i].choices ? ")" : "");
}

static const char page_head[] =
    "# Record types and fields\n\n"
    "Made by `kith schema --markdown` from the table in `client/schema.c`; a test keeps the two "
    "alike. Numbers travel\n"
    "(record type and field, section 5.3 of [protocol.md](protocol.md)) and are never used again; "
    "names are for people\n"
    "and scripts. Fields with * are needed in a new record. What the classes mean is in section 9 "
    "of the protocol.\n"
    "Values: text, prose, choice, date (`2026-03-02`) and time (`2026-03-02T14:05-05:00`) are "
    "msgpack text, number and\n"
    "person unsigned integers, flag a boolean, record 16 bytes of binary; nil clears a field. A "
    "visit is two records\n"
    "with one id: its facts (6) and its note (7).\n\n"
    "Besides these, the agency's circle has three types that no command edits: 1 person and 2 "
    "device, each with 1\n"
    "number (fixed) and 2 name (last), and 11 agency with 1 name (last). A participant's record id "
    "is its circle's.\n"
    "Any circle may have one record of type 17 clock, with the circle's id and one field, 1 spans "
    "(entries):\n"
    "`[device, first n, last n, offset in ms, found at in ms]` says that a device found its clock "
    "off "
    "when it wrote\n"
    "these changes; n 0 is the change with the entry itself. A visit's steps are field 6.1000 "
    "(section 10 of the protocol).\n";

enum exit_code schema_list(struct cli *cli, const struct arguments *arguments)
{
    bool is_markdown = arguments_option(arguments, "--markdown") != NULL;
    struct json json = json_to(stdout);

    if (cli->is_json)
        json_list(&json, NULL);
    else if (is_markdown)
        (void)fputs(page_head, stdout);
    for (const char *const *type = kith_schema_types(); *type; type++) {
        if (cli->is_json)
            type_json(&json, *type);
        else if (is_markdown)
            type_markdown(*type);
        else
            type_show(cli->show.out, *type);
    }
    if (cli->is_json)
        json_end(&json);
    return EXIT_DONE;
}
