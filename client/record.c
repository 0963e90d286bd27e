/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as a person sees them: merged registers read by the class of their field, with who wrote
 * what. A visit's note is read beside its facts, under the same id.
 */
#include <stdlib.h>
#include <string.h>

#include "client/access.h"
#include "client/shower.h"
#include "protocol/hlc.h"
#include "protocol/seal.h"

#define RECORD_ARENA_MAX (16u * 1024 * 1024)

const char *shower_copy(struct arena *arena, const char *text)
{
    char *copy = arena_take(arena, strlen(text) + 1);

    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

enum kith_err shower_live(struct shower *shower, const struct schema_field *field,
                          struct bytes value, const struct live *live, struct kith_value *shown)
{
    struct arena *arena = &shower->shown->arena;
    struct schema_names names = home_names(shower->kith);
    const struct roster_device *device =
        roster_device(replica_roster(shower->kith->replica), live->dot.device);
    enum kith_err err = schema_show(field, value, &names, arena, shown);

    shown->device = live->dot.device;
    shown->time_ms = hlc_ms(live->hlc);
    shown->person =
        shower_copy(arena, device ? home_person_name(shower->kith, device->person) : "");
    if (live->dot.device == replica_identity(shower->kith->replica)->device &&
        live->dot.n > shower->own_n)
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
                               const struct merge_register *regs, uint32_t count,
                               struct kith_field *shown)
{
    struct kith_value *values = arena_take(&shower->shown->arena, (count + 1) * sizeof *values);
    enum kith_err err = values ? KITH_OK : KITH_MEMORY;

    shown->is_list = true;
    shown->values = values;
    for (uint32_t i = 0; i < count && !err; i++)
        if (regs[i].live_count > 0)
            err = shower_live(shower, field, element_value(&regs[i], field->class),
                              &regs[i].live[0], &values[shown->value_count++]);
    return err;
}

/* The value that stands comes first, the concurrent ones after it. */
static enum kith_err show_register(struct shower *shower, const struct schema_field *field,
                                   const struct merge_register *reg, struct kith_field *shown)
{
    struct kith_value *values =
        arena_take(&shower->shown->arena, (reg->live_count + 1) * sizeof *values);
    enum kith_err err = values ? KITH_OK : KITH_MEMORY;
    size_t place = 1;
    const struct live *stands = NULL;

    if (!reg->live)
        return KITH_OK;

    if (field->class == MERGE_RESTRICT) {
        for (uint32_t i = 0; i < reg->live_count; i++)
            if (!stands ||
                schema_rank(field, reg->live[i].value) > schema_rank(field, stands->value))
                stands = &reg->live[i];
    } else {
        stands = merge_read(reg, field->class, NULL, &shown->is_conflict);
    }
    for (uint32_t i = 0; i < reg->live_count && !err; i++) {
        const struct live *live = &reg->live[i];
        err = shower_live(shower, field, live->value, live, &values[live == stands ? 0 : place++]);
    }
    shown->values = values;
    shown->value_count = shown->is_conflict ? reg->live_count : 1;
    if (!err && !shown->is_conflict && values[0].text[0] == '\0')
        shown->value_count = 0;
    return err;
}

/* Of a keyed field the value that stands under each key. */
static enum kith_err show_keyed(struct shower *shower, const struct schema_field *field,
                                const struct merge_register *regs, uint32_t count,
                                struct kith_field *shown)
{
    struct kith_value *values = arena_take(&shower->shown->arena, (count + 1) * sizeof *values);
    enum kith_err err = values ? KITH_OK : KITH_MEMORY;
    char key[KITH_ID_TEXT];
    bool is_unsettled;

    shown->is_keyed = true;
    shown->values = values;
    for (uint32_t i = 0; i < count && !err; i++) {
        const struct live *live = merge_read(&regs[i], field->class, NULL, &is_unsettled);
        struct wire_in in = wire_open(regs[i].element);
        struct bytes id = wire_bin(&in, ID_BYTES);
        if (!live || id.len != ID_BYTES)
            continue;
        id_write(id.ptr, key);
        struct kith_value *value = &values[shown->value_count++];
        err = shower_live(shower, field, live->value, live, value);
        value->key = shower_copy(&shower->shown->arena, key);
        if (!value->key)
            err = KITH_MEMORY;
    }
    return err;
}

static enum kith_err show_field(struct shower *shower, const struct schema_field *field,
                                const struct record *record)
{
    uint32_t count;
    const struct merge_register *regs = record_field(record, field->number, &count);
    bool is_list = field->class == MERGE_SET || field->class == MERGE_ENTRIES;
    struct kith_field *shown = &shower->fields[shower->shown->public.field_count];

    if (count == 0)
        return KITH_OK;
    memset(shown, 0, sizeof *shown);
    shown->name = field->name;
    enum kith_err err;
    if (field->flags & FIELD_IS_KEYED)
        err = show_keyed(shower, field, regs, count, shown);
    else
        err = is_list ? show_list(shower, field, regs, count, shown)
                      : show_register(shower, field, &regs[0], shown);
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

static const char *record_state(const struct kith_record *record)
{
    const char *status = field_text(record, "status");

    return status ? status : "active";
}

static void note_own(struct shower *shower, const struct record *record)
{
    if (record->touched.device == replica_identity(shower->kith->replica)->device &&
        record->touched.n > shower->own_n)
        shower->own_n = record->touched.n;
}

/* Everything this device wrote here is at the hub once the receipt has reached its newest change in
 * the chart. What others wrote came from there. */
static enum kith_err show_place(struct shower *shower, struct store_txn *txn,
                                const struct found_record *found)
{
    struct receipt_row receipt = {0};
    struct kith_record *record = &shower->shown->public;

    note_own(shower, &found->record);
    (void)device_receipt_get(txn, found->place.circle, &receipt);
    record->place = shower->own_n > receipt.n ? KITH_ON_DEVICE : KITH_AT_HUB;
    record->receipt_n = shower->own_n > receipt.n ? 0 : receipt.n;
    return txn->err;
}

static enum kith_err show_fields(struct shower *shower, const struct record *record,
                                 const struct record *note)
{
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < shower->type->field_count && !err; i++) {
        const struct schema_field *field = &shower->type->fields[i];
        if (field->record == shower->type->record)
            err = show_field(shower, field, record);
        else if (note)
            err = show_field(shower, field, note);
    }
    return err;
}

/* A visit reads as it was signed, or as it is so far. */
static enum kith_err show_visit(struct shower *shower, struct store_txn *txn,
                                const struct found_record *found)
{
    struct kith_record *record = &shower->shown->public;
    struct visit visit;
    enum kith_err err = visit_read(txn, replica_roster(shower->kith->replica), found, &visit);

    if (!err)
        err = show_fields(shower, &visit.facts, &visit.note);
    if (err)
        return err;
    if (visit.has_note) {
        note_own(shower, &visit.found_note.record);
        if (visit.found_note.record.touched_hlc > found->record.touched_hlc)
            record->touched_ms = hlc_ms(visit.found_note.record.touched_hlc);
    }
    record->state = note_state_word(visit.life.state);
    return show_note(shower, &visit);
}

static enum kith_err show_record(struct kith *kith, struct store_txn *txn,
                                 const struct schema_type *type, const struct found_record *found,
                                 bool is_whole, struct kith_record **out)
{
    struct record_shown *shown = calloc(1, sizeof *shown);
    struct shower shower = {.kith = kith, .type = type, .shown = shown, .is_whole = is_whole};

    *out = NULL;
    if (!shown)
        return KITH_MEMORY;
    *out = &shown->public;
    arena_init(&shown->arena, RECORD_ARENA_MAX);
    shower.fields =
        arena_take(&shown->arena, (type->field_count + SHOWER_FIELDS_MORE) * sizeof *shower.fields);
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
        err = type->record == RECORD_VISIT ? show_visit(&shower, txn, found)
                                           : show_fields(&shower, &found->record, NULL);
    if (!err)
        err = show_place(&shower, txn, found);
    if (!shown->public.state)
        shown->public.state = record_state(&shown->public);
    return err;
}

enum kith_err home_type(struct kith *kith, const char *word, const struct schema_type **type)
{
    *type = schema_type(word);
    kith->detail[0] = '\0';
    return *type ? KITH_OK : home_fail(kith, KITH_INPUT, "there are no records of type '%s'", word);
}

int kith_record_show(struct kith *kith, const char *word, const char *id,
                     struct kith_record **record)
{
    const struct schema_type *type;
    struct found_record found;
    enum kith_err err = home_type(kith, word, &type);

    *record = NULL;
    if (err)
        return err;
    err = home_read_names(kith);
    if (err)
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    err = home_find(kith, &txn, type, id, &found);
    if (!err)
        err = show_record(kith, &txn, type, &found, true, record);
    store_abort(&txn);
    if (err)
        kith_record_free(record);
    else
        access_opened(kith, type, found.record.id);
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

static bool make_list_room(struct kith_list *list, size_t *room)
{
    if (list->count < *room)
        return true;
    size_t larger_room = *room ? *room * 2 : 32;
    struct kith_record **larger = realloc(list->records, larger_room * sizeof *larger);
    if (!larger)
        return false;
    list->records = larger;
    *room = larger_room;
    return true;
}

struct lister {
    struct kith *kith;
    struct store_txn *txn;
    const struct schema_type *type;
    const struct kith_filter *filter; /* NULL: none */
    struct kith_list *list;
    size_t room;
    bool is_whole; /* each with all there is about it */
    enum kith_err err;
};

static enum kith_err list_add(struct lister *lister, const struct found_record *found)
{
    struct kith_list *list = lister->list;
    struct kith_record *record = NULL;
    enum kith_err err =
        make_list_room(list, &lister->room)
            ? show_record(lister->kith, lister->txn, lister->type, found, lister->is_whole, &record)
            : KITH_MEMORY;

    if (err)
        kith_record_free(&record);
    else
        list->records[list->count++] = record;
    return err;
}

enum kith_err record_list_add(struct kith *kith, struct store_txn *txn,
                              const struct schema_type *type, const struct found_record *found,
                              struct kith_list *list, size_t *room)
{
    struct lister lister = {.kith = kith, .txn = txn, .type = type, .list = list, .room = *room};
    enum kith_err err = list_add(&lister, found);

    *room = lister.room;
    return err;
}

static bool is_wanted(const struct kith_filter *filter, const struct kith_record *record)
{
    return record->touched_ms >= filter->since_ms &&
           (!filter->state || strcmp(record->state, filter->state) == 0);
}

static bool list_visit(void *owner, const struct found_record *found)
{
    struct lister *lister = owner;
    struct kith_list *list = lister->list;

    lister->err = list_add(lister, found);
    if (!lister->err && lister->filter &&
        !is_wanted(lister->filter, list->records[list->count - 1]))
        kith_record_free(&list->records[--list->count]);
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

/* Fills a new list; `circle` NULL for all. */
static enum kith_err list_all(struct lister *lister, const uint8_t *circle, struct kith_list **list)
{
    *list = calloc(1, sizeof **list);
    if (!*list)
        return KITH_MEMORY;
    struct store_txn txn = store_begin(replica_store(lister->kith->replica), STORE_READ);
    lister->txn = &txn; /* cppcheck-suppress autoVariables; until the list is there */
    lister->list = *list;
    enum kith_err err = replica_each(&txn, lister->type->record, circle, list_visit, lister);
    store_abort(&txn);
    err = err ? err : lister->err;
    if (err)
        kith_list_free(list);
    else if ((*list)->count > 0)
        qsort((*list)->records, (*list)->count, sizeof *(*list)->records, compare_created);
    return err;
}

enum kith_err record_list_chart(struct kith *kith, const char *word,
                                const uint8_t circle[static ID_BYTES], struct kith_list **list)
{
    struct lister lister = {.kith = kith, .type = schema_type(word), .is_whole = true};
    enum kith_err err = home_read_names(kith);

    *list = NULL;
    return err ? err : list_all(&lister, circle, list);
}

int kith_record_list(struct kith *kith, const char *word, const struct kith_filter *filter,
                     struct kith_list **list)
{
    uint8_t circle[ID_BYTES];
    struct lister lister = {.kith = kith, .filter = filter};
    enum kith_err err = home_type(kith, word, &lister.type);

    *list = NULL;
    if (!err && filter->participant)
        err = home_participant(kith, filter->participant, circle);
    if (!err)
        err = home_read_names(kith);
    if (err || !lister.type)
        return err;
    err = list_all(&lister, filter->participant ? circle : NULL, list);
    if (!err)
        access_listed(kith, lister.type, (*list)->count);
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
