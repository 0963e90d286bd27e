/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as a person sees them: merged registers read by the class of their field, with who wrote what, and edits the
 * other way round. A visit's note is read and written beside its facts, under the same id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "protocol/hlc.h"
#include "protocol/seal.h"

#define RECORD_ARENA_MAX (16u * 1024 * 1024)
#define INPUTS_MAX       256

/* What kith_record_show gives out: the public struct first, its memory behind it. */
struct record_shown {
    struct kith_record public;
    struct arena arena;
};

struct shower {
    struct kith *kith;
    const struct schema_type *type;
    struct record_shown *shown;
    struct kith_field *fields;
    uint64_t own_n; /* the newest own change with something live here */
};

static const char *copy_text(struct arena *arena, const char *text)
{
    char *copy = arena_take(arena, strlen(text) + 1);

    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static enum kith_err show_live(struct shower *shower, const struct schema_field *field, struct bytes value,
                               const struct live *live, struct kith_value *shown)
{
    struct arena *arena = &shower->shown->arena;
    struct schema_names names = home_names(shower->kith);
    const struct roster_device *device = roster_device(replica_roster(shower->kith->replica), live->dot.device);
    enum kith_err err = schema_show(field, value, &names, arena, shown);

    shown->device = live->dot.device;
    shown->time_ms = hlc_ms(live->hlc);
    shown->person = copy_text(arena, device ? home_person_name(shower->kith, device->person) : "");
    if (live->dot.device == replica_identity(shower->kith->replica)->device && live->dot.n > shower->own_n)
        shower->own_n = live->dot.n;
    return !err && !shown->person ? KITH_MEMORY : err;
}

/* A set's element is its register's address; an entry's stands in there behind its dot. */
static struct bytes element_value(const struct merge_register *reg, enum merge_class class)
{
    struct wire_in in = wire_open(reg->element);

    if (class != MERGE_ENTRIES)
        return reg->element;
    wire_array_exact(&in, 3);
    (void)wire_uint(&in, DEVICE_MAX);
    (void)wire_uint(&in, UINT64_MAX);
    return wire_value(&in);
}

static enum kith_err show_list(struct shower *shower, const struct schema_field *field,
                               const struct merge_register *regs, uint32_t count, struct kith_field *shown)
{
    struct kith_value *values = arena_take(&shower->shown->arena, (count + 1) * sizeof *values);
    enum kith_err err = values ? KITH_OK : KITH_MEMORY;

    for (uint32_t i = 0; i < count && !err; i++)
        err = show_live(shower, field, element_value(&regs[i], field->class), &regs[i].live[0], &values[i]);
    shown->is_list = true;
    shown->values = values;
    shown->value_count = count;
    return err;
}

/* The value that stands comes first, the concurrent ones after it. */
static enum kith_err show_register(struct shower *shower, const struct schema_field *field,
                                   const struct merge_register *reg, struct kith_field *shown)
{
    struct kith_value *values = arena_take(&shower->shown->arena, (reg->live_count + 1) * sizeof *values);
    enum kith_err err = values ? KITH_OK : KITH_MEMORY;
    size_t place = 1;
    const struct live *stands = NULL;

    if (field->class == MERGE_RESTRICT) {
        for (uint32_t i = 0; i < reg->live_count; i++)
            if (!stands || schema_rank(field, reg->live[i].value) > schema_rank(field, stands->value))
                stands = &reg->live[i];
    } else {
        stands = merge_read(reg, field->class, NULL, &shown->is_conflict);
    }
    for (uint32_t i = 0; i < reg->live_count && !err; i++) {
        const struct live *live = &reg->live[i];
        err = show_live(shower, field, live->value, live, &values[live == stands ? 0 : place++]);
    }
    shown->values = values;
    shown->value_count = shown->is_conflict ? reg->live_count : 1;
    if (!err && !shown->is_conflict && values[0].text[0] == '\0')
        shown->value_count = 0;
    return err;
}

static enum kith_err show_field(struct shower *shower, const struct schema_field *field, const struct record *record)
{
    uint32_t count;
    const struct merge_register *regs = record_field(record, field->number, &count);
    bool is_list = field->class == MERGE_SET || field->class == MERGE_ENTRIES;
    struct kith_field *shown = &shower->fields[shower->shown->public.field_count];

    if (count == 0)
        return KITH_OK;
    memset(shown, 0, sizeof *shown);
    shown->name = field->name;
    enum kith_err err =
        is_list ? show_list(shower, field, regs, count, shown) : show_register(shower, field, &regs[0], shown);
    if (!err && shown->value_count > 0)
        shower->shown->public.field_count++;
    return err;
}

/* The chart a record belongs to shows as its participant. */
static enum kith_err show_participant(struct shower *shower, const char *circle_text)
{
    struct kith_value *value = arena_take(&shower->shown->arena, sizeof *value);

    if (!value)
        return KITH_MEMORY;
    value->text = circle_text;
    value->person = "";
    shower->fields[shower->shown->public.field_count++] =
        (struct kith_field){.name = "participant", .value_count = 1, .values = value};
    return KITH_OK;
}

static const char *field_text(const struct kith_record *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return record->fields[i].values[0].text;
    return NULL;
}

static const char *record_state(const struct schema_type *type, const struct kith_record *record)
{
    const char *status = field_text(record, "status");

    if (type->record == RECORD_VISIT)
        return "draft";
    return status ? status : "active";
}

/* Everything this device wrote here is at the hub once the receipt has reached its newest change in the chart. What
 * others wrote came from there. */
static enum kith_err show_place(struct shower *shower, struct store_txn *txn, const struct found_record *found)
{
    struct receipt_row receipt = {0};
    struct kith_record *record = &shower->shown->public;
    const struct identity *identity = replica_identity(shower->kith->replica);

    if (found->record.touched.device == identity->device && found->record.touched.n > shower->own_n)
        shower->own_n = found->record.touched.n;
    (void)device_receipt_get(txn, found->place.circle, &receipt);
    record->place = shower->own_n > receipt.n ? KITH_ON_DEVICE : KITH_AT_HUB;
    record->receipt_n = shower->own_n > receipt.n ? 0 : receipt.n;
    return txn->err;
}

static enum kith_err show_fields(struct shower *shower, struct store_txn *txn, const struct found_record *found)
{
    struct found_record note;
    enum kith_err err = KITH_OK;
    bool has_note = shower->type->record == RECORD_VISIT &&
                    replica_find_in(txn, found->circle, RECORD_NOTE, found->record.id, &note) == KITH_OK;

    for (size_t i = 0; i < shower->type->field_count && !err; i++) {
        const struct schema_field *field = &shower->type->fields[i];
        if (field->record == shower->type->record)
            err = show_field(shower, field, &found->record);
        else if (has_note)
            err = show_field(shower, field, &note.record);
    }
    if (!err && has_note && note.record.touched_hlc > found->record.touched_hlc)
        shower->shown->public.touched_ms = hlc_ms(note.record.touched_hlc);
    if (!err && has_note && note.record.touched.device == replica_identity(shower->kith->replica)->device &&
        note.record.touched.n > shower->own_n)
        shower->own_n = note.record.touched.n;
    return err;
}

static enum kith_err show_record(struct kith *kith, struct store_txn *txn, const struct schema_type *type,
                                 const struct found_record *found, struct kith_record **out)
{
    struct record_shown *shown = calloc(1, sizeof *shown);
    struct shower shower = {.kith = kith, .type = type, .shown = shown};

    *out = NULL;
    if (!shown)
        return KITH_MEMORY;
    *out = &shown->public;
    arena_init(&shown->arena, RECORD_ARENA_MAX);
    shower.fields = arena_take(&shown->arena, (type->field_count + 1) * sizeof *shower.fields);
    if (!shower.fields)
        return KITH_MEMORY;
    shown->public.type = type->word;
    shown->public.fields = shower.fields;
    shown->public.created_ms = hlc_ms(found->record.created_hlc);
    shown->public.touched_ms = hlc_ms(found->record.touched_hlc);
    id_write(found->record.id, shown->public.id);
    id_write(found->circle, shown->public.circle);
    enum kith_err err = KITH_OK;
    if (type->circle == CIRCLE_CHART && type->record != RECORD_PARTICIPANT)
        err = show_participant(&shower, shown->public.circle);
    if (!err)
        err = show_fields(&shower, txn, found);
    if (!err)
        err = show_place(&shower, txn, found);
    shown->public.state = record_state(type, &shown->public);
    return err;
}

static enum kith_err find_type(struct kith *kith, const char *word, const struct schema_type **type)
{
    *type = schema_type(word);
    kith->detail[0] = '\0';
    return *type ? KITH_OK : home_fail(kith, KITH_INPUT, "there are no records of type '%s'", word);
}

int kith_record_show(struct kith *kith, const char *word, const char *id, struct kith_record **record)
{
    const struct schema_type *type;
    struct found_record found;
    enum kith_err err = find_type(kith, word, &type);

    *record = NULL;
    if (err)
        return err;
    err = home_read_names(kith);
    if (err)
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    err = home_find(kith, &txn, type, id, &found);
    if (!err)
        err = show_record(kith, &txn, type, &found, record);
    store_abort(&txn);
    if (err)
        kith_record_free(record);
    return err;
}

void kith_record_free(struct kith_record **record)
{
    struct record_shown *shown = (struct record_shown *)*record;

    if (!shown)
        return;
    arena_clear(&shown->arena);
    free(shown);
    *record = NULL;
}

struct lister {
    struct kith *kith;
    struct store_txn *txn;
    const struct schema_type *type;
    const struct kith_filter *filter;
    struct kith_list *list;
    size_t room;
    enum kith_err err;
};

static bool make_list_room(struct lister *lister)
{
    if (lister->list->count < lister->room)
        return true;
    size_t room = lister->room ? lister->room * 2 : 32;
    struct kith_record **larger = realloc(lister->list->records, room * sizeof *larger);
    if (!larger)
        return false;
    lister->list->records = larger;
    lister->room = room;
    return true;
}

static bool list_visit(void *owner, const struct found_record *found)
{
    struct lister *lister = owner;
    struct kith_record *record;

    if (hlc_ms(found->record.touched_hlc) < lister->filter->since_ms)
        return true;
    lister->err = show_record(lister->kith, lister->txn, lister->type, found, &record);
    if (!lister->err && !make_list_room(lister))
        lister->err = KITH_MEMORY;
    bool is_wanted = !lister->err && (!lister->filter->state || strcmp(record->state, lister->filter->state) == 0);
    if (is_wanted)
        lister->list->records[lister->list->count++] = record;
    else
        kith_record_free(&record);
    return !lister->err;
}

static int compare_created(const void *a, const void *b)
{
    const struct kith_record *left = *(const struct kith_record *const *)a;
    const struct kith_record *right = *(const struct kith_record *const *)b;

    if (left->created_ms != right->created_ms)
        return left->created_ms < right->created_ms ? -1 : 1;
    return strcmp(left->id, right->id);
}

int kith_record_list(struct kith *kith, const char *word, const struct kith_filter *filter, struct kith_list **list)
{
    uint8_t circle[ID_BYTES];
    struct lister lister = {.kith = kith, .filter = filter};
    enum kith_err err = find_type(kith, word, &lister.type);

    *list = NULL;
    if (!err && filter->participant)
        err = home_participant(kith, filter->participant, circle);
    if (!err)
        err = home_read_names(kith);
    if (err)
        return err;
    *list = calloc(1, sizeof **list);
    if (!*list)
        return KITH_MEMORY;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    lister.txn = &txn;
    lister.list = *list;
    err = replica_each(&txn, lister.type->record, filter->participant ? circle : NULL, list_visit, &lister);
    store_abort(&txn);
    err = err ? err : lister.err;
    if (err)
        kith_list_free(list);
    else if ((*list)->count > 0)
        qsort((*list)->records, (*list)->count, sizeof *(*list)->records, compare_created);
    return err;
}

void kith_list_free(struct kith_list **list)
{
    if (!*list)
        return;
    for (size_t i = 0; i < (*list)->count; i++)
        kith_record_free(&(*list)->records[i]);
    free((*list)->records);
    free(*list);
    *list = NULL;
}

/* Edits in the making: inputs, encoded one by one. */
struct editor {
    struct kith *kith;
    const struct schema_type *type;
    struct edit edits[INPUTS_MAX];
    struct buffer values[INPUTS_MAX];
    uint32_t count;
    const char *participant; /* what the input of that name said */
    uint64_t now_ms;
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
        return op != '-';
    }
    *kind = op == '-' ? OP_DROP : OP_ADD;
    return true;
}

static enum kith_err editor_add(struct editor *editor, const struct schema_field *field, char op, const char *text)
{
    struct schema_names names = home_names(editor->kith);
    char why[SCHEMA_WHY_MAX];
    enum op_kind kind;

    if (!input_kind(field, op, &kind))
        return home_fail(editor->kith, KITH_INPUT, "%s: '%c=' does not fit a field of class %s", field->name, op,
                         merge_class_word(field->class));
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

static enum kith_err editor_read(struct editor *editor, const struct kith_input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct schema_field *field = schema_field(editor->type, inputs[i].field);
        if (!field && strcmp(inputs[i].field, "participant") == 0 && editor->type->circle == CIRCLE_CHART &&
            editor->type->record != RECORD_PARTICIPANT) {
            editor->participant = inputs[i].value;
            continue;
        }
        if (!field)
            return home_fail(editor->kith, KITH_INPUT, "a %s has no field '%s'", editor->type->word, inputs[i].field);
        enum kith_err err = editor_add(editor, field, inputs[i].op, inputs[i].value);
        if (err)
            return err;
    }
    return KITH_OK;
}

static bool editor_has(const struct editor *editor, const struct schema_field *field)
{
    for (uint32_t i = 0; i < editor->count; i++)
        if (editor->edits[i].type == field->record && editor->edits[i].field == field->number)
            return true;
    return false;
}

/* A new record has what its type requires, and a visit its specialist. */
static enum kith_err editor_complete(struct editor *editor)
{
    for (size_t i = 0; i < editor->type->field_count; i++) {
        const struct schema_field *field = &editor->type->fields[i];
        if (editor_has(editor, field))
            continue;
        if (field->is_required)
            return home_fail(editor->kith, KITH_INPUT, "a new %s needs '%s': %s", editor->type->word, field->name,
                             field->help);
        if (field->kind == FIELD_PERSON && field->class == MERGE_FIXED) {
            const struct roster_person *self =
                roster_person(replica_roster(editor->kith->replica), replica_person(editor->kith->replica));
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

enum kith_err home_save(struct kith *kith, const uint8_t circle[static ID_BYTES], const struct edit *edits,
                        uint32_t count)
{
    struct save save = {.class = edits_class(edits, count),
                        .edits = edits,
                        .edit_count = count,
                        .now_ms = home_now_ms(kith)};
    struct dot dot;

    memcpy(save.circle, circle, ID_BYTES);
    return replica_save(kith->replica, &save, &dot);
}

/* Who reads a new chart from the start: its author, the author's supervisor and the custodians, with every device that
 * each of them has or is invited to have. */
struct chart_people {
    struct circle_member members[CIRCLE_MEMBERS_MAX];
    uint32_t member_count;
    uint32_t devices[CIRCLE_DEVICES_MAX];
    uint32_t device_count;
};

static bool is_first_reader(const struct roster *roster, const struct roster_person *person, uint32_t author)
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

    for (uint32_t i = 0; i < roster->person_count && people->member_count < CIRCLE_MEMBERS_MAX - 1; i++)
        if (is_first_reader(roster, &roster->people[i], author))
            people->members[people->member_count++] =
                (struct circle_member){.person = roster->people[i].number, .right = CIRCLE_WRITE};
    for (uint32_t i = 0; i < roster->device_count && people->device_count < CIRCLE_DEVICES_MAX - 1; i++) {
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
        return home_fail(editor->kith, KITH_INPUT, "a new %s needs 'participant': whose is it?", editor->type->word);
    } else {
        enum kith_err err = home_participant(editor->kith, editor->participant, circle);
        if (err)
            return err;
    }
    seal_random(id, ID_BYTES);
    name_edits(editor, id);
    return home_save(editor->kith, circle, editor->edits, editor->count);
}

int kith_record_add(struct kith *kith, const char *word, const struct kith_input *inputs, size_t count,
                    char id_text[KITH_ID_TEXT])
{
    const struct schema_type *type;
    uint8_t id[ID_BYTES];
    enum kith_err err = find_type(kith, word, &type);

    if (err)
        return err;
    struct editor *editor = editor_new(kith, type);
    if (!editor)
        return KITH_MEMORY;
    if (replica_person(kith->replica) == 0)
        err = home_fail(kith, KITH_UNKNOWN_DEVICE, "this home belongs to no agency yet: use 'kith join' with a code");
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

/* What is set at creation stays: a second value is refused here, where a person can still be told. */
static enum kith_err check_fixed(struct editor *editor, const struct found_record *found)
{
    for (uint32_t i = 0; i < editor->count; i++) {
        const struct edit *edit = &editor->edits[i];
        const struct schema_field *field = schema_field_numbered(editor->type, edit->type, edit->field);
        if (field && field->class == MERGE_FIXED && edit->type == found->record.type &&
            record_register(&found->record, edit->field, bytes_of(NULL, 0)))
            return home_fail(editor->kith, KITH_NOT_ALLOWED, "%s is set when a %s is made and stays", field->name,
                             editor->type->word);
    }
    return KITH_OK;
}

int kith_record_edit(struct kith *kith, const char *word, const char *id, const struct kith_input *inputs,
                     size_t count)
{
    const struct schema_type *type;
    struct found_record found;
    enum kith_err err = find_type(kith, word, &type);

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
