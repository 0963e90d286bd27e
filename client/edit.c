/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding and editing: typed fields become the edits of one change. A visit's note is written beside
 * its facts, under the same id, in the same change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "protocol/seal.h"

#define INPUTS_MAX 256

/* Edits in the making: inputs, encoded one by one. */
struct editor {
    struct kith *kith;
    const struct schema_type *type;
    struct edit edits[INPUTS_MAX];
    struct buffer values[INPUTS_MAX];
    uint32_t count;
    const char *participant; /* what the input of that name said */
    uint64_t now_ms;
    bool is_new; /* the record: nothing is there yet that could be cleared */
};

static void editor_clear(struct editor *editor)
{
    for (uint32_t i = 0; i < editor->count; i++)
        buffer_clear(&editor->values[i]);
    free(editor);
}

/* What an input does to a field of its class; false if that cannot be. */
static bool input_kind(const struct schema_field *field, char op, enum op_kind *kind)
{
    bool is_list = field->class == MERGE_SET || field->class == MERGE_ENTRIES;

    if (!is_list) {
        *kind = OP_PUT;
        return op == '=';
    }
    if (field->class == MERGE_ENTRIES) {
        *kind = OP_APPEND;
        return op == '=' || op == '+';
    }
    *kind = op == '-' ? OP_DROP : OP_ADD;
    return op == '=' || op == '+' || op == '-';
}

static bool editor_has(const struct editor *editor, const struct schema_field *field)
{
    for (uint32_t i = 0; i < editor->count; i++)
        if (editor->edits[i].type == field->record && editor->edits[i].field == field->number)
            return true;
    return false;
}

static enum kith_err editor_add(struct editor *editor, const struct schema_field *field, char op,
                                const char *text)
{
    struct schema_names names = home_names(editor->kith);
    char why[SCHEMA_WHY_MAX];
    enum op_kind kind;

    if (!input_kind(field, op, &kind))
        return home_fail(editor->kith, KITH_INPUT, "%s: '%c=' does not fit a field of class %s",
                         field->name, op, merge_class_word(field->class));
    if (kind == OP_PUT && !*text && editor->is_new)
        return KITH_OK;
    if (kind == OP_PUT && editor_has(editor, field))
        return home_fail(editor->kith, KITH_INPUT, "%s: given twice", field->name);
    if (kind != OP_PUT && !*text)
        return home_fail(editor->kith, KITH_INPUT, "%s: expected a value", field->name);
    if (editor->count == INPUTS_MAX)
        return home_fail(editor->kith, KITH_TOO_LARGE, "more than %d fields at once", INPUTS_MAX);
    struct buffer *value = &editor->values[editor->count];
    struct edit *edit = &editor->edits[editor->count++];
    buffer_init(value, VALUE_MAX);
    enum kith_err err = schema_encode(field, text, &names, editor->now_ms, value, why);
    if (err)
        return err == KITH_INPUT ? home_fail(editor->kith, err, "%s", why) : err;
    *edit = (struct edit){
        .type = field->record, .field = field->number, .kind = kind, .value = buffer_view(value)};
    return KITH_OK;
}

static enum kith_err editor_read(struct editor *editor, const struct kith_input *inputs,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct schema_field *field = schema_field(editor->type, inputs[i].field);
        if (!field && strcmp(inputs[i].field, "participant") == 0 &&
            editor->type->circle == CIRCLE_CHART && editor->type->record != RECORD_PARTICIPANT) {
            editor->participant = inputs[i].value;
            continue;
        }
        if (!field)
            return home_fail(editor->kith, KITH_INPUT, "a %s has no field '%s'", editor->type->word,
                             inputs[i].field);
        enum kith_err err = editor_add(editor, field, inputs[i].op, inputs[i].value);
        if (err)
            return err;
    }
    return KITH_OK;
}

/* A new record has what its type requires, and a visit its specialist. */
static enum kith_err editor_complete(struct editor *editor)
{
    for (size_t i = 0; i < editor->type->field_count; i++) {
        const struct schema_field *field = &editor->type->fields[i];
        if (editor_has(editor, field))
            continue;
        if (field->is_required)
            return home_fail(editor->kith, KITH_INPUT, "a new %s needs '%s': %s",
                             editor->type->word, field->name, field->help);
        if (field->kind == FIELD_PERSON && field->class == MERGE_FIXED) {
            const struct roster_person *self = roster_person(replica_roster(editor->kith->replica),
                                                             replica_person(editor->kith->replica));
            char number[16];
            (void)snprintf(number, sizeof number, "%u", self ? self->number : 0);
            enum kith_err err = editor_add(editor, field, '=', number);
            if (err)
                return err;
        }
    }
    return KITH_OK;
}

static struct editor *editor_new(struct kith *kith, const struct schema_type *type)
{
    struct editor *editor = calloc(1, sizeof *editor);

    if (editor) {
        editor->kith = kith;
        editor->type = type;
        editor->now_ms = home_now_ms(kith);
    }
    return editor;
}

static void name_edits(struct editor *editor, const uint8_t id[static ID_BYTES])
{
    for (uint32_t i = 0; i < editor->count; i++)
        memcpy(editor->edits[i].record, id, ID_BYTES);
}

/* Something urgent goes before everything else, both ways. */
static enum change_class edits_class(const struct edit *edits, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_in in = wire_open(edits[i].value);
        if (edits[i].type == RECORD_NOTE && edits[i].field == 10 && wire_peek(&in) == WIRE_TEXT &&
            bytes_equal(wire_text(&in, VALUE_MAX), bytes_text("urgent")))
            return CHANGE_URGENT;
    }
    return CHANGE_NORMAL;
}

enum kith_err home_save(struct kith *kith, const uint8_t circle[static ID_BYTES],
                        const struct edit *edits, uint32_t count)
{
    struct save save = {.class = edits_class(edits, count),
                        .edits = edits,
                        .edit_count = count,
                        .now_ms = home_now_ms(kith)};
    struct dot dot;

    memcpy(save.circle, circle, ID_BYTES);
    return replica_save(kith->replica, &save, &dot);
}

/* Who reads a new chart from the start: its author, the author's supervisor and the custodians,
 * with every device that each of them has or is invited to have. */
struct chart_people {
    struct circle_member members[CIRCLE_MEMBERS_MAX];
    uint32_t member_count;
    uint32_t devices[CIRCLE_DEVICES_MAX];
    uint32_t device_count;
};

static bool is_first_reader(const struct roster *roster, const struct roster_person *person,
                            uint32_t author)
{
    const struct roster_person *self = roster_person(roster, author);

    return person->number == author || (self && self->supervisor == person->number) ||
           (person->roles & ROLE_CUSTODIAN);
}

static void choose_people(const struct kith *kith, struct chart_people *people)
{
    const struct roster *roster = replica_roster(kith->replica);
    uint32_t author = replica_person(kith->replica);
    uint64_t now_s = home_now_ms(kith) / 1000;

    for (uint32_t i = 0; i < roster->person_count && people->member_count < CIRCLE_MEMBERS_MAX - 1;
         i++)
        if (is_first_reader(roster, &roster->people[i], author))
            people->members[people->member_count++] =
                (struct circle_member){.person = roster->people[i].number, .right = CIRCLE_WRITE};
    for (uint32_t i = 0; i < roster->device_count && people->device_count < CIRCLE_DEVICES_MAX - 1;
         i++) {
        const struct roster_device *device = &roster->devices[i];
        const struct roster_person *person = roster_person(roster, device->person);
        bool is_open = device->state == DEVICE_ACTIVE ||
                       (device->state == DEVICE_INVITED && device->expires_s > now_s);
        if (is_open && person && is_first_reader(roster, person, author))
            people->devices[people->device_count++] = device->number;
    }
}

static enum kith_err add_participant(struct editor *editor, uint8_t id[static ID_BYTES])
{
    struct chart_people *people = calloc(1, sizeof *people);
    struct save save = {.class = CHANGE_NORMAL,
                        .edits = editor->edits,
                        .edit_count = editor->count,
                        .now_ms = editor->now_ms};

    if (!people)
        return KITH_MEMORY;
    choose_people(editor->kith, people);
    const struct genesis genesis = {.kind = CIRCLE_CHART,
                                    .members = people->members,
                                    .member_count = people->member_count,
                                    .devices = people->devices,
                                    .device_count = people->device_count};
    enum kith_err err = replica_found_circle(editor->kith->replica, &genesis, &save, id);
    free(people);
    if (err == KITH_NOT_ALLOWED)
        return home_fail(editor->kith, err, "your role may not register participants");
    return err;
}

static enum kith_err add_record(struct editor *editor, uint8_t id[static ID_BYTES])
{
    uint8_t circle[ID_BYTES];

    if (editor->type->record == RECORD_PARTICIPANT)
        return add_participant(editor, id);
    if (editor->type->circle == CIRCLE_AGENCY) {
        if (!replica_agency_circle(editor->kith->replica, circle))
            return KITH_UNKNOWN_CIRCLE;
    } else if (!editor->participant) {
        return home_fail(editor->kith, KITH_INPUT, "a new %s needs 'participant': whose is it?",
                         editor->type->word);
    } else {
        enum kith_err err = home_participant(editor->kith, editor->participant, circle);
        if (err)
            return err;
    }
    seal_random(id, ID_BYTES);
    name_edits(editor, id);
    return home_save(editor->kith, circle, editor->edits, editor->count);
}

int kith_record_add(struct kith *kith, const char *word, const struct kith_input *inputs,
                    size_t count, char id_text[KITH_ID_TEXT])
{
    const struct schema_type *type;
    uint8_t id[ID_BYTES];
    enum kith_err err = home_type(kith, word, &type);

    if (err)
        return err;
    struct editor *editor = editor_new(kith, type);
    if (!editor)
        return KITH_MEMORY;
    editor->is_new = true;
    if (replica_person(kith->replica) == 0)
        err = home_fail(kith, KITH_UNKNOWN_DEVICE,
                        "this home belongs to no agency yet: use 'kith join' with a code");
    if (!err)
        err = editor_read(editor, inputs, count);
    if (!err)
        err = editor_complete(editor);
    if (!err)
        err = add_record(editor, id);
    if (!err)
        id_write(id, id_text);
    editor_clear(editor);
    return err;
}

/* What is set at creation stays: a second value is refused here, where a person can still be told.
 */
static enum kith_err check_fixed(struct editor *editor, const struct found_record *found)
{
    for (uint32_t i = 0; i < editor->count; i++) {
        const struct edit *edit = &editor->edits[i];
        const struct schema_field *field =
            schema_field_numbered(editor->type, edit->type, edit->field);
        if (field && field->class == MERGE_FIXED && edit->type == found->record.type &&
            record_register(&found->record, edit->field, bytes_of(NULL, 0)))
            return home_fail(editor->kith, KITH_NOT_ALLOWED,
                             "%s is set when a %s is made and stays", field->name,
                             editor->type->word);
    }
    return KITH_OK;
}

int kith_record_edit(struct kith *kith, const char *word, const char *id,
                     const struct kith_input *inputs, size_t count)
{
    const struct schema_type *type;
    struct found_record found;
    enum kith_err err = home_type(kith, word, &type);

    if (err)
        return err;
    struct editor *editor = editor_new(kith, type);
    if (!editor)
        return KITH_MEMORY;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    err = home_find(kith, &txn, type, id, &found);
    if (!err)
        err = editor_read(editor, inputs, count);
    if (!err && editor->participant)
        err = home_fail(kith, KITH_NOT_ALLOWED, "a %s stays with its participant", type->word);
    if (!err)
        err = check_fixed(editor, &found);
    if (!err)
        name_edits(editor, found.record.id);
    store_abort(&txn);
    if (!err)
        err = home_save(kith, found.circle, editor->edits, editor->count);
    editor_clear(editor);
    return err;
}
