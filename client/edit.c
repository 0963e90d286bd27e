/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding and editing: typed fields become the edits of one change. A visit's note is written beside
 * its facts, under the same id, in the same change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/home.h"
#include "client/ledger.h"
#include "client/moment.h"
#include "client/visit.h"
#include "protocol/seal.h"

#define INPUTS_MAX 256

/* Edits in the making: inputs, encoded one by one. */
struct editor {
    struct kith *kith;
    const struct schema_type *type;
    struct edit edits[INPUTS_MAX];
    struct buffer values[INPUTS_MAX];
    struct buffer keys[INPUTS_MAX]; /* of keyed fields */
    uint32_t count;
    const char *participant; /* what the input of that name said */
    uint64_t now_ms;
    uint64_t day_ms; /* dates a bare "14:05": today, or the day of the visit */
    bool is_new;     /* the record: nothing is there yet that could be cleared */
};

static void editor_clear(struct editor *editor)
{
    for (uint32_t i = 0; i < editor->count; i++)
        buffer_clear(&editor->values[i]);
    for (uint32_t i = 0; i < editor->count; i++)
        if (editor->keys[i].max)
            buffer_clear(&editor->keys[i]);
    free(editor);
}

/* What an input does to a field of its class; false if that cannot be. */
static bool input_kind(const struct schema_field *field, char op, enum op_kind *kind)
{
    bool is_list = field->class == MERGE_SET || field->class == MERGE_ENTRIES;

    if (!is_list) {
        *kind = field->flags & FIELD_IS_KEYED ? OP_KEYED : OP_PUT;
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

/* Who may write what is a rule of the schema. What a field of class restrict may not be loosened
 * from is checked against the record, by check_loosened. */
static enum kith_err check_writer(struct editor *editor, const struct schema_field *field)
{
    unsigned roles = roster_device_roles(replica_roster(editor->kith->replica),
                                         replica_identity(editor->kith->replica)->device);
    unsigned writers = field->class == MERGE_RESTRICT ? 0 : field->rules.writers;

    if (editor->type->writers && !(editor->type->writers & roles))
        return home_fail(editor->kith, KITH_NOT_ALLOWED, "your role may not write a %s",
                         editor->type->word);
    if (writers && !(writers & roles))
        return home_fail(editor->kith, KITH_NOT_ALLOWED, "your role may not write '%s'",
                         field->name);
    return KITH_OK;
}

/* A visit's bare times are of its day; "today" and "yesterday" are of today. */
static uint64_t day_of(const struct editor *editor, const struct schema_field *field)
{
    return field->kind == FIELD_TIME ? editor->day_ms : editor->now_ms;
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
    if (field->flags & FIELD_IS_BILLED && home_is_volunteers(editor->kith))
        return home_fail(editor->kith, KITH_INPUT,
                         "%s is for billing: an agency of volunteers keeps none", field->name);
    enum kith_err err = check_writer(editor, field);
    if (err)
        return err;
    if (kind == OP_PUT && !*text && editor->is_new)
        return KITH_OK;
    if (kind == OP_PUT && editor_has(editor, field))
        return home_fail(editor->kith, KITH_INPUT, "%s: given twice", field->name);
    if ((kind == OP_ADD || kind == OP_DROP || kind == OP_APPEND) && !*text)
        return home_fail(editor->kith, KITH_INPUT, "%s: expected a value", field->name);
    if (editor->count == INPUTS_MAX)
        return home_fail(editor->kith, KITH_TOO_LARGE, "more than %d fields at once", INPUTS_MAX);
    struct buffer *value = &editor->values[editor->count];
    struct edit *edit = &editor->edits[editor->count++];
    buffer_init(value, VALUE_MAX);
    err = schema_encode(field, text, &names, day_of(editor, field), value, why);
    if (err)
        return err == KITH_INPUT ? home_fail(editor->kith, err, "%s", why) : err;
    if (ledger_is_money(field) && *text && !ledger_money(text, &(int64_t){0}))
        return home_fail(editor->kith, KITH_INPUT, "%s: expected an amount like 85.50",
                         field->name);
    *edit = (struct edit){.type = field->record,
                          .field = field->number,
                          .kind = kind,
                          .value = buffer_view(value),
                          .is_restated = field->class == MERGE_RESTRICT};
    return KITH_OK;
}

/* FIELD.KEY: one value for each record that a keyed field names. */
static enum kith_err editor_add_keyed(struct editor *editor, const struct kith_input *input,
                                      bool *is_keyed)
{
    const char *dot = strchr(input->field, '.');
    struct schema_names names = home_names(editor->kith);
    char name[64];
    uint8_t id[ID_BYTES];

    *is_keyed = false;
    if (!dot || (size_t)(dot - input->field) >= sizeof name)
        return KITH_OK;
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - input->field), input->field);
    const struct schema_field *field = schema_field(editor->type, name);
    if (!field || !(field->flags & FIELD_IS_KEYED))
        return KITH_OK;
    *is_keyed = true;
    if (!names.record(names.owner, dot + 1, id))
        return home_fail(editor->kith, KITH_INPUT, "%s: there is no record '%s'", name, dot + 1);
    enum kith_err err = editor_add(editor, field, input->op, input->value);
    if (err)
        return err;
    struct buffer *key = &editor->keys[editor->count - 1];
    buffer_init(key, UINT8_MAX);
    wire_put_bin(key, bytes_of(id, ID_BYTES));
    editor->edits[editor->count - 1].key = buffer_view(key);
    return key->err;
}

/* The day that the inputs give the record, whatever their order. */
static void find_day(struct editor *editor, const struct kith_input *inputs, size_t count)
{
    char date[MOMENT_TEXT_MAX];
    int64_t ms;

    for (size_t i = 0; i < count; i++)
        if (strcmp(inputs[i].field, "date") == 0 &&
            moment_read_date(inputs[i].value, editor->now_ms, date) && moment_ms(date, &ms))
            editor->day_ms = (uint64_t)ms;
}

static enum kith_err editor_read(struct editor *editor, const struct kith_input *inputs,
                                 size_t count)
{
    find_day(editor, inputs, count);
    for (size_t i = 0; i < count; i++) {
        const struct schema_field *field = schema_field(editor->type, inputs[i].field);
        bool is_keyed;
        enum kith_err err = editor_add_keyed(editor, &inputs[i], &is_keyed);
        if (err)
            return err;
        if (is_keyed)
            continue;
        if (field && field->flags & FIELD_IS_KEYED)
            return home_fail(editor->kith, KITH_INPUT, "%s is for one record each: %s.ID=VALUE",
                             field->name, field->name);
        if (!field && strcmp(inputs[i].field, "participant") == 0 &&
            editor->type->circle == CIRCLE_CHART && editor->type->record != RECORD_PARTICIPANT) {
            editor->participant = inputs[i].value;
            continue;
        }
        if (!field)
            return home_fail(editor->kith, KITH_INPUT, "a %s has no field '%s'", editor->type->word,
                             inputs[i].field);
        err = editor_add(editor, field, inputs[i].op, inputs[i].value);
        if (err)
            return err;
    }
    return KITH_OK;
}

/* What a rule pack says of itself is read out of its text, which must be one. */
static enum kith_err complete_rulepack(struct editor *editor)
{
    static const char *const names[] = {"name", "version", "effective"};
    char why[RULES_WHY_MAX];
    struct rules rules;
    struct bytes text = {NULL, 0};

    if (editor->type->record != RECORD_RULEPACK)
        return KITH_OK;
    enum kith_err err = home_check_billing(editor->kith);
    if (err)
        return err;
    for (uint32_t i = 0; i < editor->count; i++) {
        struct wire_in in = wire_open(editor->edits[i].value);
        if (editor->edits[i].field == RULEPACK_TEXT)
            text = wire_text(&in, VALUE_MAX);
        else
            return home_fail(editor->kith, KITH_INPUT, "give the text alone: it says the rest");
    }
    if (text.len > 0 && rules_parse(&rules, text, why))
        return home_fail(editor->kith, KITH_INPUT, "these rules cannot be used: %s", why);
    const char *const values[] = {rules.name, rules.version, rules.effective};
    for (size_t i = 0; i < sizeof names / sizeof *names && text.len > 0 && !err; i++)
        err = editor_add(editor, schema_field(editor->type, names[i]), '=', values[i]);
    return err;
}

/* A new record has what its type needs, and the writer where nobody else is named. */
static enum kith_err editor_complete(struct editor *editor)
{
    for (size_t i = 0; i < editor->type->field_count; i++) {
        const struct schema_field *field = &editor->type->fields[i];
        if (editor_has(editor, field))
            continue;
        if (field->flags & FIELD_IS_NEEDED)
            return home_fail(editor->kith, KITH_INPUT, "a new %s needs '%s': %s",
                             editor->type->word, field->name, field->help);
        if (field->flags & FIELD_IS_OWN) {
            char number[16];
            (void)snprintf(number, sizeof number, "%u", replica_person(editor->kith->replica));
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
        editor->day_ms = editor->now_ms;
    }
    return editor;
}

static void name_edits(struct editor *editor, const uint8_t id[static ID_BYTES])
{
    for (uint32_t i = 0; i < editor->count; i++)
        memcpy(editor->edits[i].record, id, ID_BYTES);
}

/* Something urgent goes before everything else, both ways. */
enum change_class edits_class(const struct edit *edits, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_in in = wire_open(edits[i].value);
        if (edits[i].type == RECORD_CONCERN)
            return CHANGE_URGENT;
        if (edits[i].type == RECORD_NOTE && edits[i].field == 10 && wire_peek(&in) == WIRE_TEXT &&
            bytes_equal(wire_text(&in, VALUE_MAX), bytes_text("urgent")))
            return CHANGE_URGENT;
    }
    return CHANGE_NORMAL;
}

enum kith_err home_save(struct kith *kith, const uint8_t circle[static ID_BYTES],
                        const struct edit *edits, uint32_t count)
{
    struct clocked_edits clocked = {0};
    struct save save = {.class = edits_class(edits, count), .now_ms = home_now_ms(kith)};
    struct dot dot;
    enum kith_err err = clock_edits(kith, edits, count, &clocked);

    if (clocked.count > count)
        memcpy(clocked.edits[count].record, circle, ID_BYTES);
    save.edits = clocked.edits;
    save.edit_count = clocked.count;
    memcpy(save.circle, circle, ID_BYTES);
    if (!err)
        err = replica_save(kith->replica, &save, &dot);
    clocked_edits_clear(&clocked);
    return err;
}

static enum kith_err add_participant(struct editor *editor, uint8_t id[static ID_BYTES])
{
    enum kith_err err =
        home_found_circle(editor->kith, CIRCLE_CHART, NULL, 0, 0, editor->edits, editor->count, id);

    if (err == KITH_NOT_ALLOWED)
        return home_fail(editor->kith, err, "your role may not register participants");
    return err;
}

/* The person that a field of the new record names; 0 for none. */
static uint32_t named_person(const struct editor *editor, const char *name)
{
    const struct schema_field *field = schema_field(editor->type, name);

    for (uint32_t i = 0; field && i < editor->count; i++) {
        struct wire_in in = wire_open(editor->edits[i].value);
        if (editor->edits[i].type == field->record && editor->edits[i].field == field->number)
            return (uint32_t)wire_uint(&in, PERSON_MAX);
    }
    return 0;
}

/* A concern has a circle of its own: who reports it, who must know, the records office. */
static enum kith_err add_concern(struct editor *editor, uint8_t id[static ID_BYTES])
{
    struct kith *kith = editor->kith;
    const struct schema_field *status = schema_field(editor->type, "status");
    const struct schema_field *route = schema_field(editor->type, "supervisor");
    uint32_t subject = named_person(editor, "subject_staff");
    uint32_t supervisor = named_person(editor, "supervisor");
    char number[16];
    enum kith_err err = KITH_OK;

    if (subject && supervisor == subject)
        return home_fail(kith, KITH_INPUT,
                         "%s is whom the concern is about: name another supervisor",
                         home_person_name(kith, subject));
    if (!editor_has(editor, status))
        err = editor_add(editor, status, '=', "open");
    if (!err && !supervisor) {
        supervisor = home_leader(kith, subject);
        (void)snprintf(number, sizeof number, "%u", supervisor);
        if (supervisor)
            err = editor_add(editor, route, '=', number);
    }
    if (err)
        return err;
    return home_found_circle(kith, CIRCLE_CONCERN, &supervisor, supervisor ? 1 : 0, subject,
                             editor->edits, editor->count, id);
}

/* A worker's file is the circle that holds such records of that worker already, or a new one. */
static enum kith_err add_to_file(struct editor *editor, uint8_t id[static ID_BYTES])
{
    bool is_session = schema_field(editor->type, "specialist") != NULL;
    uint32_t holder = named_person(editor, is_session ? "specialist" : "holder");
    uint8_t circle[ID_BYTES];
    enum kith_err err = home_work_file(editor->kith, holder, circle);

    seal_random(id, ID_BYTES);
    name_edits(editor, id);
    if (err == KITH_NOT_FOUND)
        return home_found_circle(editor->kith, CIRCLE_WORK, &holder, 1, 0, editor->edits,
                                 editor->count, circle);
    return err ? err : home_save(editor->kith, circle, editor->edits, editor->count);
}

/* What is nobody else's business has a circle that nobody else is in. */
static enum kith_err add_to_own(struct editor *editor, uint8_t id[static ID_BYTES])
{
    uint8_t circle[ID_BYTES];
    enum kith_err err = home_own_circle(editor->kith, circle);

    seal_random(id, ID_BYTES);
    name_edits(editor, id);
    if (err == KITH_NOT_FOUND)
        return home_found_circle(editor->kith, CIRCLE_PERSON, NULL, 0, 0, editor->edits,
                                 editor->count, circle);
    return err ? err : home_save(editor->kith, circle, editor->edits, editor->count);
}

static enum kith_err add_record(struct editor *editor, uint8_t id[static ID_BYTES])
{
    uint8_t circle[ID_BYTES];

    if (editor->type->record == RECORD_PARTICIPANT)
        return add_participant(editor, id);
    if (editor->type->circle == CIRCLE_CONCERN)
        return add_concern(editor, id);
    if (editor->type->circle == CIRCLE_WORK)
        return add_to_file(editor, id);
    if (editor->type->circle == CIRCLE_PERSON)
        return add_to_own(editor, id);
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
        err = complete_rulepack(editor);
    if (!err)
        err = editor_complete(editor);
    if (!err)
        err = add_record(editor, id);
    if (!err && type->record == RECORD_RULEPACK)
        home_forget_names(kith);
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

/* Only some may make a field of class restrict say less than it does. */
static enum kith_err check_loosened(struct editor *editor, struct store_txn *txn,
                                    const struct found_record *found)
{
    unsigned roles = roster_device_roles(replica_roster(editor->kith->replica),
                                         replica_identity(editor->kith->replica)->device);
    struct found_record note = {0};
    bool has_note = editor->type->record == RECORD_VISIT &&
                    replica_find_in(txn, found->circle, RECORD_NOTE, found->record.id, &note) == 0;

    for (uint32_t i = 0; i < editor->count; i++) {
        const struct edit *edit = &editor->edits[i];
        const struct schema_field *field =
            schema_field_numbered(editor->type, edit->type, edit->field);
        const struct record *record = edit->type == found->record.type ? &found->record
                                      : has_note                       ? &note.record
                                                                       : NULL;
        if (!record || !field || field->class != MERGE_RESTRICT || !field->rules.writers ||
            (field->rules.writers & roles))
            continue;
        const struct merge_register *reg = record_register(record, edit->field, bytes_of(NULL, 0));
        for (uint32_t k = 0; reg && k < reg->live_count; k++)
            if (schema_rank(field, reg->live[k].value) > schema_rank(field, edit->value))
                return home_fail(editor->kith, KITH_NOT_ALLOWED,
                                 "your role may not take '%s' back to less", field->name);
    }
    return KITH_OK;
}

/* What is signed stays: what somebody who knows that has to say goes into an addendum. */
static enum kith_err check_unsigned(struct editor *editor, struct store_txn *txn,
                                    const struct found_record *found)
{
    struct visit visit;
    int64_t day_ms;

    if (editor->type->record != RECORD_VISIT)
        return KITH_OK;
    enum kith_err err = visit_read(txn, replica_roster(editor->kith->replica), found, &visit);
    if (!err && visit_day(&visit, &day_ms))
        editor->day_ms = (uint64_t)day_ms;
    if (!err && visit.life.voided)
        return home_fail(editor->kith, KITH_SIGNED,
                         "this visit is voided: write a new one, with replaces=ID if it stands for "
                         "this one");
    if (!err && visit.life.sign)
        return home_fail(editor->kith, KITH_SIGNED,
                         "this visit is signed and stays as it is: say it in an addendum, with "
                         "'kith visit addend'");
    return err;
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
        err = check_unsigned(editor, &txn, &found);
    if (!err)
        err = editor_read(editor, inputs, count);
    if (!err && editor->participant)
        err = home_fail(kith, KITH_NOT_ALLOWED, "a %s stays with its participant", type->word);
    if (!err)
        err = check_fixed(editor, &found);
    if (!err)
        err = check_loosened(editor, &txn, &found);
    if (!err)
        name_edits(editor, found.record.id);
    store_abort(&txn);
    if (!err)
        err = home_save(kith, found.circle, editor->edits, editor->count);
    editor_clear(editor);
    return err;
}
