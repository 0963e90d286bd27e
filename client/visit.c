/* SPDX-License-Identifier: Apache-2.0 */
#include "client/visit.h"

#include <stdlib.h>
#include <string.h>

/* The steps that their authors may take. One that a newer version wrote, that is none, or that its
 * author may not take, counts for nothing. */
static enum kith_err read_steps(struct visit *visit, const struct roster *roster,
                                struct arena *arena)
{
    uint32_t count;
    const struct merge_register *regs = record_field(&visit->found.record, NOTE_STEPS, &count);

    visit->steps = arena_take(arena, (count + 1) * sizeof *visit->steps);
    if (!visit->steps)
        return KITH_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct note_step *step = &visit->steps[visit->step_count];
        struct wire_in in = wire_open(regs[i].element);
        struct dot dot;
        wire_array_exact(&in, 3);
        dot.device = (uint32_t)wire_uint(&in, DEVICE_MAX);
        dot.n = wire_uint(&in, UINT64_MAX);
        bool is_step = !in.err && note_step_read(step, in.left) == KITH_OK;
        step->dot = dot;
        if (is_step && note_step_is_allowed(step, roster, visit->specialist))
            visit->step_count++;
    }
    return KITH_OK;
}

/* The one who made the visit; of several values (somebody's fault) the first by its dot. */
static uint32_t read_specialist(const struct record *facts)
{
    const struct merge_register *reg = record_register(facts, VISIT_SPECIALIST, bytes_of(NULL, 0));

    if (!reg)
        return 0;
    struct wire_in in = wire_open(reg->live[0].value);
    uint64_t person = wire_uint(&in, PERSON_MAX);
    return in.err ? 0 : (uint32_t)person;
}

static bool is_covered(const struct record *record, const struct note_step *sign)
{
    for (uint32_t i = 0; i < record->register_count; i++) {
        const struct merge_register *reg = &record->registers[i];
        if (reg->field >= NOTE_FIELDS_END)
            continue;
        for (uint32_t k = 0; k < reg->live_count; k++)
            if (!note_step_knows(sign, reg->live[k].dot))
                return false;
    }
    return true;
}

const struct record *visit_record_or_none(const struct record *record)
{
    return record->register_count > 0 ? record : NULL;
}

/* Whether what is merged is what was signed: nothing came later. */
static bool is_as_signed(struct visit *visit)
{
    const struct note_step *sign = visit->life.sign;
    const struct record *note = visit_record_or_none(&visit->note);
    uint8_t hash[HASH_BYTES];

    return is_covered(&visit->facts, sign) && (!note || is_covered(note, sign)) &&
           note_content_hash(&visit->place, &visit->facts, note, hash) == KITH_OK &&
           memcmp(hash, sign->covers, HASH_BYTES) == 0;
}

/* The operations of a record's history, copied. */
struct past_op {
    struct op op;
    struct bytes element; /* of a set or a keyed field: which register of the field */
    struct dot dot;
    uint64_t hlc;
    struct past_op *next;
};

struct past {
    struct arena *arena;
    struct past_op *first;
    struct past_op **end;
    uint32_t count;
    enum kith_err err;
};

static void past_begin(struct past *past, struct arena *arena)
{
    *past = (struct past){.arena = arena};
    past->end = &past->first;
}

static struct bytes copy(struct past *past, struct bytes view)
{
    struct bytes copied = view.len ? arena_copy(past->arena, view) : view;

    if (view.len && !copied.ptr)
        past->err = KITH_MEMORY;
    return copied;
}

static void past_add(void *owner, struct dot dot, uint64_t hlc, const struct op *op)
{
    struct past *past = owner;
    struct past_op *kept = past->err ? NULL : arena_take(past->arena, sizeof *kept);

    if (!kept) {
        past->err = KITH_MEMORY;
        return;
    }
    kept->op = *op;
    kept->op.value = copy(past, op->value);
    kept->op.key = copy(past, op->key);
    kept->op.supersedes = copy(past, op->supersedes);
    kept->element = op->kind == OP_ADD || op->kind == OP_DROP ? kept->op.value : kept->op.key;
    kept->dot = dot;
    kept->hlc = hlc;
    *past->end = kept;
    past->end = &kept->next;
    past->count++;
}

/* Whether an operation that the signature covers replaced this one. */
static bool is_replaced(const struct past *past, const struct note_step *sign,
                        const struct past_op *old)
{
    for (const struct past_op *by = past->first; by; by = by->next) {
        struct op rest = by->op;
        struct dot replaced;
        if (by->op.field != old->op.field || !bytes_equal(by->element, old->element) ||
            !note_step_knows(sign, by->dot))
            continue;
        while (op_next_superseded(&rest, &replaced))
            if (dot_compare(replaced, old->dot) == 0)
                return true;
    }
    return false;
}

/* The record that the covered operations make, in whatever order they come. */
static enum kith_err replay(struct store_txn *txn, const struct past *past,
                            const struct note_step *sign, const struct record *merged,
                            struct record *made)
{
    enum kith_err err = KITH_OK;

    record_begin(made, &txn->arena, merged->id, merged->type);
    for (const struct past_op *at = past->first; at && !err; at = at->next) {
        struct op bare = at->op;
        bool is_content = at->op.field < NOTE_FIELDS_END && at->op.kind != OP_DROP;
        bare.supersedes_count = 0;
        if (is_content && note_step_knows(sign, at->dot) && !is_replaced(past, sign, at))
            err = record_apply(made, &bare, at->dot, at->hlc);
    }
    return err;
}

static bool is_live_at(const struct record *merged, const struct past_op *at)
{
    uint32_t count;
    const struct merge_register *regs = record_field(merged, at->op.field, &count);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < regs[i].live_count; k++)
            if (dot_compare(regs[i].live[k].dot, at->dot) == 0)
                return true;
    return false;
}

static bool is_taken(const struct visit *visit, struct dot dot)
{
    for (uint32_t i = 0; i < visit->step_count; i++)
        if (visit->steps[i].kind == NOTE_ADDEND && note_step_takes(&visit->steps[i], dot))
            return true;
    return false;
}

/* What came too late and still stands: a value that nothing replaced, or a removal. */
static enum kith_err collect_late(struct visit *visit, struct store_txn *txn,
                                  const struct past *past, const struct record *merged)
{
    struct late_edit *late =
        arena_take(&txn->arena, (visit->late_count + past->count + 1) * sizeof *late);

    if (!late)
        return KITH_MEMORY;
    if (visit->late_count > 0)
        memcpy(late, visit->late, visit->late_count * sizeof *late);
    visit->late = late;
    for (const struct past_op *at = past->first; at; at = at->next) {
        bool is_standing = at->op.kind == OP_DROP || is_live_at(merged, at);
        if (at->op.field < NOTE_FIELDS_END && !note_step_knows(visit->life.sign, at->dot) &&
            is_standing)
            late[visit->late_count++] = (struct late_edit){merged->type, at->op, at->dot, at->hlc,
                                                           is_taken(visit, at->dot)};
    }
    return KITH_OK;
}

static enum kith_err read_past(struct store_txn *txn, const struct found_record *found,
                               struct past *past)
{
    past_begin(past, &txn->arena);
    enum kith_err err = replica_history(txn, found, past_add, past);
    return err ? err : past->err;
}

static enum kith_err rebuild(struct visit *visit, struct store_txn *txn,
                             const struct note_step *sign, const struct found_record *found,
                             struct record *made, bool wants_late)
{
    struct past past;
    enum kith_err err = read_past(txn, found, &past);

    if (!err)
        err = replay(txn, &past, sign, &found->record, made);
    if (!err && wants_late)
        err = collect_late(visit, txn, &past, &found->record);
    return err;
}

enum kith_err visit_signed_content(struct store_txn *txn, struct visit *visit,
                                   const struct note_step *sign, struct record *facts,
                                   struct record *note)
{
    enum kith_err err = rebuild(visit, txn, sign, &visit->found, facts, false);

    record_begin(note, &txn->arena, visit->found.record.id, RECORD_NOTE);
    if (!err && visit->has_note)
        err = rebuild(visit, txn, sign, &visit->found_note, note, false);
    return err;
}

static int compare_late(const void *a, const void *b)
{
    const struct late_edit *left = a;
    const struct late_edit *right = b;

    if (left->hlc != right->hlc)
        return left->hlc < right->hlc ? -1 : 1;
    return dot_compare(left->dot, right->dot);
}

static enum kith_err check_content(struct visit *visit)
{
    uint8_t hash[HASH_BYTES];
    enum kith_err err =
        note_content_hash(&visit->place, &visit->facts, visit_record_or_none(&visit->note), hash);

    visit->is_content_damaged = memcmp(hash, visit->life.sign->covers, HASH_BYTES) != 0;
    return err;
}

/* What was signed, and apart from it what came later. */
static enum kith_err part_signed_from_late(struct visit *visit, struct store_txn *txn)
{
    enum kith_err err = rebuild(visit, txn, visit->life.sign, &visit->found, &visit->facts, true);

    if (!err && visit->has_note)
        err = rebuild(visit, txn, visit->life.sign, &visit->found_note, &visit->note, true);
    if (!err)
        err = check_content(visit);
    if (visit->late_count > 1)
        qsort(visit->late, visit->late_count, sizeof *visit->late, compare_late);
    return err;
}

enum kith_err visit_read_life(struct store_txn *txn, const struct roster *roster,
                              const struct found_record *facts, struct visit *visit)
{
    memset(visit, 0, sizeof *visit);
    visit->found = *facts;
    visit->facts = facts->record;
    memcpy(visit->place.agency, roster->agency, ID_BYTES);
    memcpy(visit->place.circle, facts->circle, ID_BYTES);
    memcpy(visit->place.record, facts->record.id, ID_BYTES);
    record_begin(&visit->note, &txn->arena, facts->record.id, RECORD_NOTE);
    visit->specialist = read_specialist(&facts->record);
    enum kith_err err = read_steps(visit, roster, &txn->arena);
    if (!err)
        note_life_read(&visit->life, &visit->place, visit->steps, visit->step_count, roster,
                       visit->specialist);
    return err;
}

enum kith_err visit_read(struct store_txn *txn, const struct roster *roster,
                         const struct found_record *facts, struct visit *visit)
{
    enum kith_err err = visit_read_life(txn, roster, facts, visit);

    if (err)
        return err;
    err = replica_find_in(txn, facts->circle, RECORD_NOTE, facts->record.id, &visit->found_note);
    visit->has_note = err == KITH_OK;
    if (err && err != KITH_NOT_FOUND)
        return err;
    if (visit->has_note)
        visit->note = visit->found_note.record;
    if (!visit->life.sign || is_as_signed(visit))
        return KITH_OK;
    return part_signed_from_late(visit, txn);
}

enum kith_err visit_verify(struct store_txn *txn, const struct roster *roster, struct visit *visit)
{
    struct record facts;
    struct record note;
    uint8_t hash[HASH_BYTES];
    const struct note_step *sign = visit->life.sign;
    enum kith_err err = sign ? note_step_verify(sign, &visit->place, roster) : KITH_NOT_FOUND;

    if (!err)
        err = visit_signed_content(txn, visit, sign, &facts, &note);
    if (!err)
        err = note_content_hash(&visit->place, &facts, visit_record_or_none(&note), hash);
    if (!err && memcmp(hash, sign->covers, HASH_BYTES) != 0)
        err = KITH_SIGNATURE;
    return err;
}
