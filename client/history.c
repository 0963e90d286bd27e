/* SPDX-License-Identifier: Apache-2.0 */
/* Looking back and looking over: every value ever written to a record, what waits for a decision,
 * who was last heard. */
#include <stdlib.h>
#include <string.h>

#include "client/access.h"
#include "client/visit.h"
#include "protocol/hlc.h"

#define HISTORY_ARENA_MAX (64u * 1024 * 1024)

struct history_made {
    struct kith_history public;
    struct arena arena;
    struct history_row *rows;
    size_t count;
    size_t room;
};

/* An event with what it is sorted by. */
struct history_row {
    struct kith_event event;
    uint64_t hlc;
    struct dot dot;
    struct op replaces; /* of the operation only what it replaces */
    bool is_placed;
};

struct historian {
    struct kith *kith;
    const struct schema_type *type;
    const struct record *record; /* the one whose events come now */
    struct found_record note;
    struct history_made *made;
    enum kith_err err;
};

static struct history_row *add_row(struct historian *historian)
{
    struct history_made *made = historian->made;

    if (made->count == made->room) {
        size_t room = made->room ? made->room * 2 : 32;
        struct history_row *larger = realloc(made->rows, room * sizeof *larger);
        if (!larger) {
            historian->err = KITH_MEMORY;
            return NULL;
        }
        made->rows = larger;
        made->room = room;
    }
    memset(&made->rows[made->count], 0, sizeof *made->rows);
    return &made->rows[made->count++];
}

/* Whether the dot's value still stands in any register of the field. */
static bool is_live(const struct record *record, uint32_t field, struct dot dot)
{
    uint32_t count;
    const struct merge_register *regs = record_field(record, field, &count);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < regs[i].live_count; k++)
            if (dot_compare(regs[i].live[k].dot, dot) == 0)
                return true;
    return false;
}

static char op_sign(enum op_kind kind)
{
    switch (kind) {
    case OP_PUT:
    case OP_KEYED:
        return '=';
    case OP_ADD:
    case OP_APPEND:
        return '+';
    case OP_DROP:
        return '-';
    }
    return '=';
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return (const char *)arena_copy(arena, bytes_of(text, strlen(text) + 1)).ptr;
}

static void fill_row(struct historian *historian, struct history_row *row, struct dot dot,
                     uint64_t hlc, const struct op *op)
{
    struct bytes replaced = arena_copy(&historian->made->arena, op->supersedes);
    const struct roster_device *device =
        roster_device(replica_roster(historian->kith->replica), dot.device);

    row->hlc = hlc;
    row->dot = dot;
    row->replaces.supersedes = replaced;
    row->replaces.supersedes_count = replaced.len ? op->supersedes_count : 0;
    row->event.person = copy_text(&historian->made->arena,
                                  device ? home_person_name(historian->kith, device->person) : "");
    row->event.device = dot.device;
    row->event.n = dot.n;
    row->event.time_ms = hlc_ms(hlc);
}

/* What was done to a note as a whole stands in its history as what happened to its 'life'. */
static void tell_step(struct historian *historian, struct dot dot, uint64_t hlc,
                      const struct op *op)
{
    struct note_step step;
    struct history_row *row = note_step_read(&step, op->value) ? NULL : add_row(historian);

    if (!row)
        return;
    fill_row(historian, row, dot, hlc, op);
    row->event.field = "life";
    row->event.op = '+';
    row->event.value =
        step.kind == NOTE_ADDEND ? addendum_word(step.addendum) : note_step_word(step.kind);
    row->event.is_live = true;
}

static void note_event(void *owner, struct dot dot, uint64_t hlc, const struct op *op)
{
    struct historian *historian = owner;
    const struct schema_field *field = schema_field_numbered(historian->type, op->type, op->field);
    struct schema_names names = home_names(historian->kith);
    struct kith_value value = {0};

    if (op->type == RECORD_VISIT && op->field == NOTE_STEPS && !historian->err)
        tell_step(historian, dot, hlc, op);
    if (!field || historian->err)
        return; /* written by a newer version: kept, but there is no name to show it under */
    struct history_row *row = add_row(historian);
    if (!row)
        return;
    historian->err = schema_show(field, op->value, &names, &historian->made->arena, &value);
    fill_row(historian, row, dot, hlc, op);
    row->event.field = field->name;
    row->event.op = op_sign(op->kind);
    row->event.value = value.text;
    row->event.is_live = op->kind != OP_DROP && is_live(historian->record, op->field, dot);
}

/* The order of rows: by their stamps, but never an effect before its cause, which a wrong clock may
 * have stamped with a later time. Causes are what a device wrote before, and what an operation
 * replaces. */

static int compare_dots(const void *a, const void *b)
{
    return dot_compare(((const struct history_row *)a)->dot, ((const struct history_row *)b)->dot);
}

static int compare_stamps(const void *a, const void *b)
{
    const struct history_row *left = *(struct history_row *const *)a;
    const struct history_row *right = *(struct history_row *const *)b;

    if (left->hlc != right->hlc)
        return left->hlc < right->hlc ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* The last row of a change; NULL if it wrote nothing here. */
static struct history_row *row_of(const struct history_made *made, struct dot dot)
{
    size_t low = 0;
    size_t high = made->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dot_compare(made->rows[middle].dot, dot) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && dot_compare(made->rows[low - 1].dot, dot) == 0 ? &made->rows[low - 1] : NULL;
}

static struct history_row *next_cause(const struct history_made *made, struct history_row *row)
{
    struct op rest = row->replaces;
    struct dot replaced;

    if (row > made->rows && row[-1].dot.device == row->dot.device && !row[-1].is_placed)
        return row - 1;
    while (op_next_superseded(&rest, &replaced)) {
        struct history_row *cause = row_of(made, replaced);
        if (cause && !cause->is_placed)
            return cause;
    }
    return NULL;
}

/* Puts a row behind its causes. `stack` has room for all rows: each comes there once. */
static void place_row(struct history_made *made, struct history_row *row,
                      struct history_row **stack, struct kith_event *events)
{
    size_t depth = 0;

    while (row || depth > 0) {
        if (row) {
            row->is_placed = true;
            stack[depth++] = row;
        } else {
            events[made->public.count++] = stack[--depth]->event;
        }
        row = depth > 0 ? next_cause(made, stack[depth - 1]) : NULL;
    }
}

static enum kith_err collect(struct historian *historian, struct store_txn *txn,
                             const struct found_record *found)
{
    struct found_record *note = &historian->note;

    historian->record = &found->record;
    enum kith_err err = replica_history(txn, found, note_event, historian);
    if (!err && historian->type->record == RECORD_VISIT &&
        replica_find_in(txn, found->circle, RECORD_NOTE, found->record.id, note) == KITH_OK) {
        historian->record = &note->record;
        err = replica_history(txn, note, note_event, historian);
    }
    return err ? err : historian->err;
}

static enum kith_err publish(struct history_made *made)
{
    struct arena *arena = &made->arena;
    struct kith_event *events = arena_take(arena, (made->count + 1) * sizeof *events);
    struct history_row **order =
        arena_take(arena, (made->count + 1) * sizeof(struct history_row *));
    struct history_row **stack =
        arena_take(arena, (made->count + 1) * sizeof(struct history_row *));

    if (!events || !order || !stack)
        return KITH_MEMORY;
    if (made->count > 0)
        qsort(made->rows, made->count, sizeof *made->rows, compare_dots);
    for (size_t i = 0; i < made->count; i++)
        order[i] = &made->rows[i];
    if (made->count > 0)
        qsort(order, made->count, sizeof(struct history_row *), compare_stamps);
    for (size_t i = 0; i < made->count; i++)
        if (!order[i]->is_placed)
            place_row(made, order[i], stack, events);
    made->public.events = events;
    return KITH_OK;
}

int kith_record_history(struct kith *kith, const char *word, const char *id,
                        struct kith_history **history)
{
    struct historian historian = {.kith = kith, .type = schema_type(word)};
    struct found_record found;
    enum kith_err err = home_read_names(kith);

    *history = NULL;
    kith->detail[0] = '\0';
    if (!historian.type)
        return home_fail(kith, KITH_INPUT, "there are no records of type '%s'", word);
    historian.made = calloc(1, sizeof *historian.made);
    if (!historian.made)
        return KITH_MEMORY;
    arena_init(&historian.made->arena, HISTORY_ARENA_MAX);
    *history = &historian.made->public;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    if (!err)
        err = home_find(kith, &txn, historian.type, id, &found);
    if (!err)
        err = collect(&historian, &txn, &found);
    store_abort(&txn);
    if (!err)
        access_opened(kith, historian.type, found.record.id);
    if (!err)
        err = publish(historian.made);
    if (err)
        kith_history_free(history);
    return err;
}

void kith_history_free(struct kith_history **history)
{
    struct history_made *made = (struct history_made *)*history;

    if (!made)
        return;
    arena_clear(&made->arena);
    free(made->rows);
    free(made);
    *history = NULL;
}

struct conflict_count {
    const struct kith *kith;
    struct store_txn *txn;
    const struct schema_type *type;
    uint64_t count;
    enum kith_err err;
};

static uint64_t conflicts_of(const struct schema_type *type, const struct record *record)
{
    uint64_t count = 0;

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        bool is_unsettled = false;
        if (field->record != record->type || field->class == MERGE_SET ||
            field->class == MERGE_ENTRIES || (field->flags & FIELD_IS_KEYED))
            continue;
        (void)merge_read(record_register(record, field->number, bytes_of(NULL, 0)), field->class,
                         NULL, &is_unsettled);
        count += is_unsettled;
    }
    return count;
}

static bool count_conflicts(void *owner, const struct found_record *found)
{
    struct conflict_count *conflicts = owner;

    conflicts->count += conflicts_of(conflicts->type, &found->record);
    return true;
}

/* In a signed visit only the signature can be unsettled: what came after it waits as late edits. */
static bool count_visit_conflicts(void *owner, const struct found_record *found)
{
    struct conflict_count *conflicts = owner;
    struct visit visit;

    conflicts->err =
        visit_read(conflicts->txn, replica_roster(conflicts->kith->replica), found, &visit);
    if (!conflicts->err && !visit.life.sign && !visit.life.voided)
        conflicts->count += conflicts_of(conflicts->type, &visit.facts) +
                            conflicts_of(conflicts->type, &visit.note);
    conflicts->count += visit.life.is_sign_unsettled;
    return !conflicts->err;
}

enum kith_err home_conflicts(struct kith *kith, uint64_t *count)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    enum kith_err err = KITH_OK;

    *count = 0;
    for (const char *const *word = kith_schema_types(); *word && !err; word++) {
        struct conflict_count conflicts = {.kith = kith, .txn = &txn, .type = schema_type(*word)};
        bool is_visit = conflicts.type->record == RECORD_VISIT;
        err = replica_each(&txn, conflicts.type->record, NULL,
                           is_visit ? count_visit_conflicts : count_conflicts, &conflicts);
        err = err ? err : conflicts.err;
        *count += conflicts.count;
    }
    store_abort(&txn);
    return err;
}

struct last_seen {
    struct kith_device *devices;
    size_t count;
};

static bool note_seen(void *owner, const struct found_record *found)
{
    struct last_seen *seen = owner;
    uint64_t time_ms = hlc_ms(found->record.touched_hlc);
    uint32_t device = found->record.touched.device;

    if (device >= 1 && device <= seen->count && seen->devices[device - 1].last_seen_ms < time_ms)
        seen->devices[device - 1].last_seen_ms = time_ms;
    return true;
}

enum kith_err home_last_seen(struct kith *kith, struct kith_device *devices, size_t count)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    struct last_seen seen = {devices, count};
    static const uint32_t types[] = {RECORD_DEVICE, RECORD_PARTICIPANT, RECORD_VISIT, RECORD_NOTE};
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < sizeof types / sizeof *types && !err; i++)
        err = replica_each(&txn, types[i], NULL, note_seen, &seen);
    store_abort(&txn);
    return err;
}
