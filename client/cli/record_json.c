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
        if (field->is_keyed) {
            json_object(json, field->name);
            for (size_t j = 0; j < field->value_count; j++)
                value_json(json, field->values[j].key, &field->values[j]);
            json_end(json);
        } else if (field->is_list) {
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

/* What blocks the signature, or what does not. */
static void lacks_json(struct json *json, const char *name, const struct kith_note *note,
                       bool is_blocking)
{
    json_list(json, name);
    for (size_t i = 0; note && i < note->lack_count; i++) {
        const struct kith_lack *lack = &note->lacks[i];
        if (lack->is_blocking != is_blocking)
            continue;
        json_object(json, NULL);
        json_text(json, "kind", lack->kind);
        json_text(json, "field", lack->field);
        json_text(json, "text", lack->text);
        json_end(json);
    }
    json_end(json);
}

static void late_json(struct json *json, const struct kith_note *note)
{
    char when[WHEN_TEXT_MAX];

    json_list(json, "late_edits");
    for (size_t i = 0; note && i < note->late_count; i++) {
        const struct kith_late_edit *late = &note->late[i];
        const char op[] = {late->op, '\0'};
        json_object(json, NULL);
        json_text(json, "field", late->field);
        json_text(json, "op", op);
        json_text(json, "value", late->value);
        json_text(json, "person", late->person);
        json_count(json, "device", late->device);
        json_text(json, "time", late->time_ms ? when_text(late->time_ms, when) : NULL);
        json_flag(json, "taken", late->is_taken);
        json_end(json);
    }
    json_end(json);
}

static void step_json(struct json *json, const struct kith_step *step)
{
    char when[WHEN_TEXT_MAX];

    json_object(json, NULL);
    json_text(json, "kind", *step->addendum ? step->addendum : step->kind);
    json_text(json, "person", step->person);
    json_count(json, "device", step->device);
    json_text(json, "time", when_text(step->time_ms, when));
    json_number(json, "clock_offset_ms", step->clock_offset_ms);
    json_text(json, "text", *step->text ? step->text : NULL);
    json_text(json, "credential", *step->credential ? step->credential : NULL);
    json_text(json, "covers", step->covers);
    json_list(json, "changes");
    for (size_t i = 0; i < step->change_count; i++) {
        json_object(json, NULL);
        json_text(json, "field", step->changes[i].field);
        json_text(json, "old", step->changes[i].old);
        json_text(json, "value", step->changes[i].value);
        json_end(json);
    }
    json_end(json);
    json_flag(json, "verified", step->is_verified);
    json_flag(json, "counts", step->counts);
    json_end(json);
}

static void steps_json(struct json *json, const char *name, const struct kith_note *note,
                       bool is_addendum)
{
    json_list(json, name);
    for (size_t i = 0; note && i < note->step_count; i++)
        if ((*note->steps[i].addendum != '\0') == is_addendum)
            step_json(json, &note->steps[i]);
    json_end(json);
}

static void note_json(struct json *json, const struct kith_note *note)
{
    late_json(json, note);
    lacks_json(json, "missing", note, true);
    lacks_json(json, "warnings", note, false);
    steps_json(json, "addenda", note, true);
    if (!note)
        return;
    json_text(json, "hash", note->hash);
    json_text(json, "content_hash", note->content);
    if (note->minutes >= 0)
        json_number(json, "minutes", note->minutes);
    else
        json_text(json, "minutes", NULL);
    json_tenths(json, "units", note->units_tenths);
    json_text(json, "rule_pack", note->rules);
    json_text(json, "rule_pack_signed", note->rules_signed);
    json_tenths(json, "units_signed", note->units_tenths_signed);
    json_list(json, "labels");
    for (size_t i = 0; i < note->label_count; i++)
        json_text(json, NULL, note->labels[i]);
    json_end(json);
    steps_json(json, "steps", note, false);
}

void check_json(struct json *json, const struct kith_record *record)
{
    json_object(json, NULL);
    json_text(json, "id", record->id);
    json_text(json, "state", record->state);
    lacks_json(json, "missing", record->note, true);
    lacks_json(json, "warnings", record->note, false);
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
    note_json(json, record->note);
    json_object(json, "sync");
    json_text(json, "place", record->place == KITH_AT_HUB ? "hub" : "device");
    json_count(json, "receipt", record->receipt_n);
    json_end(json);
    json_end(json);
}
