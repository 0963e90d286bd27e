/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/record_json.h"

#include "client/cli/when.h"

static void value_json(struct json *json, const char *name, const struct kith_value *value)
{
    switch (value->kind) {
    case KITH_TEXT:
        json_text(json, name, value->text[0] ? value->text : NULL);
        break;
    case KITH_NUMBER:
        json_number(json, name, value->number);
        break;
    case KITH_FLAG:
        json_flag(json, name, value->number != 0);
        break;
    }
}

static void fields_json(struct json *json, const struct kith_record *record)
{
    json_object(json, "fields");
    for (size_t i = 0; i < record->field_count; i++) {
        const struct kith_field *field = &record->fields[i];
        if (field->is_list) {
            json_list(json, field->name);
            for (size_t j = 0; j < field->value_count; j++)
                value_json(json, NULL, &field->values[j]);
            json_end(json);
        } else if (field->value_count) {
            value_json(json, field->name, &field->values[0]);
        }
    }
    json_end(json);
}

void versions_json(struct json *json, const struct kith_field *field)
{
    char when[WHEN_TEXT_MAX];

    json_list(json, "values");
    for (size_t i = 0; i < field->value_count; i++) {
        const struct kith_value *value = &field->values[i];
        json_object(json, NULL);
        value_json(json, "value", value);
        json_count(json, "device", value->device);
        json_text(json, "person", value->person);
        json_text(json, "time", value->time_ms ? when_text(value->time_ms, when) : NULL);
        json_end(json);
    }
    json_end(json);
}

static void conflicts_json(struct json *json, const struct kith_record *record)
{
    json_list(json, "conflicts");
    for (size_t i = 0; i < record->field_count; i++) {
        if (!record->fields[i].is_conflict)
            continue;
        json_object(json, NULL);
        json_text(json, "field", record->fields[i].name);
        versions_json(json, &record->fields[i]);
        json_end(json);
    }
    json_end(json);
}

static void empty_list(struct json *json, const char *name)
{
    json_list(json, name);
    json_end(json);
}

void record_json(struct json *json, const struct kith_record *record)
{
    char when[WHEN_TEXT_MAX];

    json_object(json, NULL);
    json_text(json, "id", record->id);
    json_text(json, "type", record->type);
    json_text(json, "state", record->state);
    json_text(json, "circle", record->circle);
    json_text(json, "created", when_text(record->created_ms, when));
    json_text(json, "touched", when_text(record->touched_ms, when));
    fields_json(json, record);
    conflicts_json(json, record);
    empty_list(json, "late_edits");
    empty_list(json, "missing");
    empty_list(json, "addenda");
    json_object(json, "sync");
    json_text(json, "place", record->place == KITH_AT_HUB ? "hub" : "device");
    json_count(json, "receipt", record->receipt_n);
    json_end(json);
    json_end(json);
}
