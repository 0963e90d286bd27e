/* SPDX-License-Identifier: Apache-2.0 */
/* A visit's life as a person sees it: hash, steps, late edits, what it lacks, labels. */
#include <stdlib.h>
#include <string.h>

#include "client/check.h"
#include "client/rulebook.h"
#include "client/shower.h"
#include "protocol/hlc.h"

#define LABELS_MAX 8

struct note_shower {
    struct shower *shower;
    const struct visit *visit;
    struct kith_note *note;
    struct arena *arena;
    const struct rules *rules; /* in force on the day of the visit */
};

static const char *copy_bytes(struct arena *arena, struct bytes text)
{
    char *copy = arena_take(arena, text.len + 1);

    if (copy && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static const char *copy_hash(struct arena *arena, const uint8_t hash[static HASH_BYTES])
{
    char *text = arena_take(arena, 2 * HASH_BYTES + 1);

    if (text)
        bytes_hex(bytes_of(hash, HASH_BYTES), text);
    return text;
}

/* Whether the step makes a difference to where the note stands now. */
static bool counts(const struct note_life *life, const struct note_step *step)
{
    switch (step->kind) {
    case NOTE_SIGN:
        return life->sign && memcmp(step->covers, life->sign->covers, HASH_BYTES) == 0;
    case NOTE_COSIGN:
        return memcmp(step->covers, life->version, HASH_BYTES) == 0;
    case NOTE_RETURN:
        return step == life->returned;
    case NOTE_SUBMIT:
    case NOTE_VOID:
    case NOTE_ADDEND:
    case NOTE_KEEP:
        return true;
    }
    return false;
}

/* What the field said before, for the reader of a correction. */
static const char *standing_text(struct note_shower *on, const struct schema_field *field)
{
    const struct record *record =
        field->record == RECORD_VISIT ? &on->visit->facts : &on->visit->note;
    struct schema_names names = home_names(on->shower->kith);
    struct kith_value shown = {0};
    bool is_unsettled;
    const struct live *live = merge_read(record_register(record, field->number, bytes_of(NULL, 0)),
                                         field->class, NULL, &is_unsettled);

    if (!live)
        return "";
    return schema_show(field, live->value, &names, on->arena, &shown) ? NULL : shown.text;
}

static enum kith_err show_changes(struct note_shower *on, const struct note_step *step,
                                  struct kith_step *shown)
{
    struct kith_change *changes =
        arena_take(on->arena, (step->amended_count + 1) * sizeof *changes);
    struct schema_names names = home_names(on->shower->kith);
    struct wire_in in = wire_open(step->amended);

    if (!changes)
        return KITH_MEMORY;
    shown->changes = changes;
    for (uint32_t i = 0; i < step->amended_count; i++) {
        struct kith_value value = {0};
        uint32_t type = (uint32_t)wire_uint(&in, UINT16_MAX);
        uint32_t number = (uint32_t)wire_uint(&in, UINT16_MAX);
        struct bytes encoded = wire_value(&in);
        const struct schema_field *field = schema_field_numbered(on->shower->type, type, number);
        if (!field)
            continue;
        enum kith_err err = schema_show(field, encoded, &names, on->arena, &value);
        if (err)
            return err;
        changes[shown->change_count++] =
            (struct kith_change){field->name, standing_text(on, field), value.text};
    }
    return KITH_OK;
}

static enum kith_err show_step(struct note_shower *on, const struct note_step *step,
                               struct kith_step *shown)
{
    struct kith *kith = on->shower->kith;

    *shown = (struct kith_step){
        .kind = note_step_word(step->kind),
        .person = shower_copy(on->arena, home_person_name(kith, step->person)),
        .device = step->device,
        .time_ms = step->time_ms,
        .clock_offset_ms = step->clock_offset_ms,
        .text = copy_bytes(on->arena, step->text),
        .addendum = addendum_word(step->addendum),
        .credential = copy_bytes(on->arena, step->credential),
        .covers = copy_hash(on->arena, step->covers),
        .counts = counts(&on->visit->life, step),
        .is_verified =
            on->shower->is_whole &&
            note_step_verify(step, &on->visit->place, replica_roster(kith->replica)) == KITH_OK,
    };
    if (!shown->person || !shown->text || !shown->credential || !shown->covers)
        return KITH_MEMORY;
    return show_changes(on, step, shown);
}

/* In the order of their past: a step comes after those it has seen. */
static bool comes_before(const struct note_step *a, const struct note_step *b)
{
    if (note_step_knows(b, a->dot))
        return true;
    if (note_step_knows(a, b->dot))
        return false;
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : dot_compare(a->dot, b->dot) < 0;
}

static enum kith_err show_steps(struct note_shower *on)
{
    const struct visit *visit = on->visit;
    const struct note_step **order =
        arena_take(on->arena, (visit->step_count + 1) * sizeof(struct note_step *));
    struct kith_step *steps = arena_take(on->arena, (visit->step_count + 1) * sizeof *steps);
    enum kith_err err = order && steps ? KITH_OK : KITH_MEMORY;

    for (uint32_t i = 0; i < visit->step_count && !err; i++) {
        uint32_t place = i;
        for (; place > 0 && comes_before(&visit->steps[i], order[place - 1]); place--)
            order[place] = order[place - 1];
        order[place] = &visit->steps[i];
    }
    for (uint32_t i = 0; i < visit->step_count && !err; i++)
        err = show_step(on, order[i], &steps[i]);
    on->note->steps = steps;
    on->note->step_count = visit->step_count;
    return err;
}

static char op_sign(enum op_kind kind)
{
    if (kind == OP_DROP)
        return '-';
    return (char)(kind == OP_ADD || kind == OP_APPEND ? '+' : '=');
}

static enum kith_err show_late(struct note_shower *on)
{
    const struct visit *visit = on->visit;
    struct kith_late_edit *late = arena_take(on->arena, (visit->late_count + 1) * sizeof *late);

    if (!late)
        return KITH_MEMORY;
    on->note->late = late;
    for (uint32_t i = 0; i < visit->late_count; i++) {
        const struct late_edit *edit = &visit->late[i];
        const struct schema_field *field =
            schema_field_numbered(on->shower->type, edit->type, edit->op.field);
        const struct live live = {edit->dot, edit->hlc, edit->op.value};
        struct kith_value value = {0};
        if (!field)
            continue;
        enum kith_err err = shower_live(on->shower, field, edit->op.value, &live, &value);
        if (err)
            return err;
        late[on->note->late_count++] = (struct kith_late_edit){.field = field->name,
                                                               .op = op_sign(edit->op.kind),
                                                               .value = value.text,
                                                               .person = value.person,
                                                               .device = value.device,
                                                               .time_ms = value.time_ms,
                                                               .is_taken = edit->is_taken};
    }
    return KITH_OK;
}

/* Signatures over different content wait for their author's decision like any other conflict. */
static enum kith_err show_rivals(struct note_shower *on)
{
    struct kith_record *record = &on->shower->shown->public;
    const struct visit *visit = on->visit;
    struct kith_field *field = &on->shower->fields[record->field_count];
    struct kith_value *values = arena_take(on->arena, (visit->step_count + 1) * sizeof *values);
    const struct note_step *sign;

    if (!visit->life.is_sign_unsettled)
        return KITH_OK;
    if (!values)
        return KITH_MEMORY;
    *field = (struct kith_field){.name = "signature", .is_conflict = true, .values = values};
    for (size_t place = 1; (sign = visit_rival(visit, place)); place++) {
        struct kith_value *value = &values[field->value_count++];
        value->text = copy_hash(on->arena, sign->covers);
        value->person = shower_copy(on->arena, home_person_name(on->shower->kith, sign->person));
        value->device = sign->device;
        value->time_ms = sign->time_ms;
        if (!value->text || !value->person)
            return KITH_MEMORY;
    }
    record->field_count++;
    return KITH_OK;
}

/* A note is due so long after the service as the rules of that day say; later ones are late
 * entries, and say so for ever. */
static bool is_late_entry(const struct visit *visit, const struct rules *rules)
{
    int64_t due_ms;

    return visit->life.sign && rulebook_due(rules, visit, &due_ms) &&
           (int64_t)visit->life.sign->time_ms > due_ms;
}

static bool has_addendum(const struct visit *visit, enum addendum_kind kind)
{
    for (uint32_t i = 0; i < visit->step_count; i++)
        if (visit->steps[i].kind == NOTE_ADDEND && visit->steps[i].addendum == kind)
            return true;
    return false;
}

static bool is_late_open(const struct visit *visit)
{
    for (uint32_t i = 0; i < visit->late_count; i++)
        if (!visit->late[i].is_taken)
            return true;
    return false;
}

static enum kith_err show_labels(struct note_shower *on)
{
    const struct visit *visit = on->visit;
    const char **labels = arena_take(on->arena, LABELS_MAX * sizeof(char *));
    const struct {
        bool is_so;
        const char *label;
    } known[] = {
        {is_late_entry(visit, on->rules), "late entry"},
        {visit->life.is_amended, "amended"},
        {has_addendum(visit, ADDENDUM_CORRECTION), "corrected"},
        {visit->life.sign && has_addendum(visit, ADDENDUM_LATE_ENTRY), "late entry added"},
        {visit->life.beside_void != NULL, "amended beside the void"},
        {visit->life.stale_cosign != NULL, "co-signature stale"},
        {is_late_open(visit), "late edits"},
        {visit->is_content_damaged, "damaged"},
    };

    if (!labels)
        return KITH_MEMORY;
    on->note->labels = labels;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].is_so)
            labels[on->note->label_count++] = known[i].label;
    return KITH_OK;
}

/* A draft lacks what it lacks; of a signed one only what its reader should know. */
static enum kith_err show_lacks(struct note_shower *on)
{
    struct lacks *lacks = calloc(1, sizeof *lacks);

    if (!lacks)
        return KITH_MEMORY;
    lacks->arena = on->arena;
    enum kith_err err = KITH_OK;
    if (!on->visit->life.voided)
        err = check_visit(on->shower->kith, on->visit, lacks);
    if (!err && on->shower->is_whole && !on->visit->life.voided)
        err = check_around(on->shower->kith, on->visit, lacks);
    struct kith_lack *items = arena_take(on->arena, (lacks->count + 1) * sizeof *items);
    if (items && lacks->count > 0)
        memcpy(items, lacks->items, lacks->count * sizeof *items);
    on->note->lacks = items;
    on->note->lack_count = items ? lacks->count : 0;
    free(lacks);
    return err || items ? err : KITH_MEMORY;
}

static const char *copy_title(struct arena *arena, const struct rules *rules)
{
    char title[2 * RULES_WORD_MAX];

    rules_title(rules, title);
    return shower_copy(arena, title);
}

/* Minutes and units as the rules of the day have them, and as those that the signature names. */
static enum kith_err show_units(struct note_shower *on, const struct rules_list *list)
{
    const struct note_step *sign = on->visit->life.sign;
    const struct rules *named = sign ? rules_titled(list, sign->text) : NULL;
    struct kith_note *note = on->note;

    note->minutes = visit_minutes(on->visit);
    note->units_tenths =
        note->minutes < 0 ? -1 : (int64_t)rules_units(on->rules, (unsigned)note->minutes);
    note->units_tenths_signed =
        named && note->minutes >= 0 ? (int64_t)rules_units(named, (unsigned)note->minutes) : -1;
    note->rules = copy_title(on->arena, on->rules);
    note->rules_signed = sign ? copy_bytes(on->arena, sign->text) : NULL;
    return note->rules && (!sign || note->rules_signed) ? KITH_OK : KITH_MEMORY;
}

enum kith_err show_note(struct shower *shower, const struct visit *visit)
{
    struct arena *arena = &shower->shown->arena;
    struct kith_note *note = arena_take(arena, sizeof *note);
    struct note_shower on = {shower, visit, note, arena, NULL};
    const struct rules_list *rules;

    if (!note)
        return KITH_MEMORY;
    shower->shown->public.note = note;
    enum kith_err err = home_rules(shower->kith, &rules);
    if (!err)
        err = rulebook_of(shower->kith, visit, &on.rules);
    if (err)
        return err;
    err = show_units(&on, rules);
    if (err)
        return err;
    if (visit->life.sign) {
        note->hash = copy_hash(arena, visit->life.version);
        note->content = copy_hash(arena, visit->life.sign->covers);
        if (!note->hash || !note->content)
            return KITH_MEMORY;
    }
    err = show_rivals(&on);
    if (!err)
        err = show_labels(&on);
    if (!err)
        err = show_late(&on);
    if (!err)
        err = show_steps(&on);
    if (!err && (shower->is_whole || !visit->life.sign))
        err = show_lacks(&on);
    return err;
}
