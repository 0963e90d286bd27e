/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a visit's note: sign, submit, co-sign, return, void, addend. Each is one step,
 * written and signed here by whoever may take it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/check.h"
#include "client/home.h"
#include "client/rulebook.h"
#include "client/visit.h"
#include "protocol/seal.h"

#define LIFE_ARENA_MAX (4u * 1024 * 1024)

/* A step in the making: the visit as it was read, and what the step says. Its transaction stays
 * open until the step is written, so that past and content are of one moment. */
struct act {
    struct kith *kith;
    struct store_txn txn;
    struct visit visit;
    struct note_step step;
    struct buffer past;
    struct buffer amended;
    struct buffer taken;
    struct buffer text;
    bool is_open;
};

static void act_end(struct act *act)
{
    if (act->is_open)
        store_abort(&act->txn);
    buffer_clear(&act->past);
    buffer_clear(&act->amended);
    buffer_clear(&act->taken);
    buffer_clear(&act->text);
    free(act);
}

static enum kith_err find_past(struct act *act)
{
    enum kith_err err;
    uint32_t count;
    const struct dot *dots = replica_past(&act->txn, act->visit.place.circle, &count, &err);

    for (uint32_t i = 0; i < count; i++) {
        wire_put_uint(&act->past, dots[i].device);
        wire_put_uint(&act->past, dots[i].n);
    }
    act->step.past_count = count;
    act->step.past = buffer_view(&act->past);
    return err ? err : act->past.err;
}

static enum kith_err act_read(struct act *act, const char *id)
{
    struct found_record found;
    struct kith *kith = act->kith;
    const struct schema_type *type;
    enum kith_err err = home_type(kith, "visit", &type);

    if (!err)
        err = home_read_names(kith);
    if (err)
        return err;
    act->txn = store_begin(replica_store(kith->replica), STORE_READ);
    act->is_open = true;
    err = home_find(kith, &act->txn, type, id, &found);
    if (!err)
        err = visit_read(&act->txn, replica_roster(kith->replica), &found, &act->visit);
    if (!err)
        err = find_past(act);
    return err;
}

/* Begins a step of a kind; what is common to all of them stands in it then. */
static enum kith_err act_begin(struct act **begun, struct kith *kith, const char *id,
                               enum note_step_kind kind)
{
    struct act *act = calloc(1, sizeof *act);

    *begun = act;
    if (!act)
        return KITH_MEMORY;
    act->kith = kith;
    buffer_init(&act->past, VALUE_MAX);
    buffer_init(&act->amended, VALUE_MAX);
    buffer_init(&act->taken, VALUE_MAX);
    buffer_init(&act->text, NARRATIVE_MAX);
    enum kith_err err = act_read(act, id);
    if (err)
        return err;
    act->step.kind = kind;
    act->step.device = replica_identity(kith->replica)->device;
    act->step.person = replica_person(kith->replica);
    act->step.roster_seq = replica_roster(kith->replica)->count;
    act->step.time_ms = home_now_ms(kith);
    act->step.clock_offset_ms = kith->clock_offset_ms;
    act->step.dot.device = act->step.device;
    if (act->visit.life.sign)
        memcpy(act->step.covers, act->visit.life.version, HASH_BYTES);
    return KITH_OK;
}

static enum kith_err act_save(struct act *act)
{
    struct buffer value;
    struct edit edit = {.type = RECORD_VISIT, .field = NOTE_STEPS, .kind = OP_APPEND};

    buffer_init(&value, VALUE_MAX);
    memcpy(edit.record, act->visit.place.record, ID_BYTES);
    enum kith_err err = note_step_write(&act->step, &act->visit.place,
                                        replica_identity(act->kith->replica)->sign_secret, &value);
    edit.value = buffer_view(&value);
    store_abort(&act->txn);
    act->is_open = false;
    if (!err)
        err = home_save(act->kith, act->visit.place.circle, &edit, 1);
    buffer_clear(&value);
    return err;
}

static enum kith_err take_text(struct act *act, const char *text, size_t max, const char *what)
{
    if (!text || !*text)
        return home_fail(act->kith, KITH_INPUT, "%s is needed", what);
    if (strlen(text) > max || !wire_is_utf8(bytes_text(text)))
        return home_fail(act->kith, KITH_INPUT, "%s: expected at most %zu bytes of text in UTF-8",
                         what, max);
    buffer_add(&act->text, text, strlen(text));
    act->step.text = buffer_view(&act->text);
    return act->text.err;
}

/* Whether the author may do that, said so that the person knows whom to ask. */
static enum kith_err check_author(struct act *act)
{
    struct kith *kith = act->kith;

    if (note_step_is_allowed(&act->step, replica_roster(kith->replica), act->visit.specialist))
        return KITH_OK;
    bool is_own = act->step.person == act->visit.specialist;
    if (act->step.kind == NOTE_SIGN || act->step.kind == NOTE_SUBMIT || act->step.kind == NOTE_KEEP)
        return home_fail(kith, KITH_NOT_ALLOWED, "only %s, who made the visit, can do that",
                         home_person_name(kith, act->visit.specialist));
    if (is_own)
        return home_fail(kith, KITH_NOT_ALLOWED, "a supervisor must do that, not the author");
    return home_fail(kith, KITH_NOT_ALLOWED,
                     "only the author of the note or a supervisor can do that");
}

static enum kith_err check_standing(struct act *act)
{
    const struct note_life *life = &act->visit.life;

    if (life->voided)
        return home_fail(act->kith, KITH_STATE, "this visit is voided");
    if (!life->sign)
        return home_fail(act->kith, KITH_STATE, "this visit is not signed yet");
    if (act->visit.is_content_damaged)
        return home_fail(act->kith, KITH_DAMAGED,
                         "what was signed is not whole on this device: run kith verify");
    return KITH_OK;
}

static enum kith_err check_settled(struct act *act)
{
    if (!act->visit.life.is_sign_unsettled)
        return KITH_OK;
    return home_fail(act->kith, KITH_UNSETTLED,
                     "two versions of this visit were signed: its author must keep one with kith "
                     "settle");
}

/* SIGN */

static enum kith_err check_complete(struct act *act, unsigned options)
{
    struct lacks *lacks = calloc(1, sizeof *lacks);
    struct arena arena;
    bool is_only_clock;

    if (!lacks)
        return KITH_MEMORY;
    arena_init(&arena, LIFE_ARENA_MAX);
    lacks->arena = &arena;
    enum kith_err err = check_visit(act->kith, &act->visit, lacks);
    if (!err)
        err = check_around(act->kith, &act->visit, lacks);
    bool is_blocked = check_blocks(lacks, &is_only_clock);
    if (!err && is_blocked && !(is_only_clock && (options & KITH_CLOCK_OK)))
        for (size_t i = 0; i < lacks->count && !err; i++) {
            bool is_conflict = strcmp(lacks->items[i].kind, "conflict") == 0;
            if (lacks->items[i].is_blocking)
                err = home_fail(act->kith, is_conflict ? KITH_UNSETTLED : KITH_INCOMPLETE,
                                "it cannot be signed yet: %s", lacks->items[i].text);
        }
    arena_clear(&arena);
    free(lacks);
    return err;
}

static enum kith_err fill_credential(struct act *act, char text[static NOTE_CREDENTIAL_MAX])
{
    bool is_valid;
    enum kith_err err =
        check_credential(act->kith, act->step.person,
                         visit_text(&act->visit, RECORD_VISIT, VISIT_DATE), text, &is_valid);

    act->step.credential = bytes_text(text);
    return err;
}

/* The signature names the rules that were in force on the day of the visit. */
static enum kith_err fill_rules(struct act *act)
{
    const struct rules *rules;
    char title[2 * RULES_WORD_MAX];
    enum kith_err err = rulebook_of(act->kith, &act->visit, &rules);

    if (err)
        return err;
    rules_title(rules, title);
    buffer_add(&act->text, title, strlen(title));
    act->step.text = buffer_view(&act->text);
    return act->text.err;
}

static enum kith_err sign(struct act *act, unsigned options)
{
    char credential[NOTE_CREDENTIAL_MAX] = "";
    enum kith_err err = check_author(act);

    if (!err && act->visit.life.voided)
        return home_fail(act->kith, KITH_STATE, "this visit is voided");
    if (!err && act->visit.life.sign)
        return home_fail(act->kith, KITH_SIGNED, "this visit is signed already");
    if (!err)
        err = check_complete(act, options);
    if (!err)
        err = fill_credential(act, credential);
    if (!err)
        err = fill_rules(act);
    if (!err)
        err = note_content_hash(&act->visit.place, &act->visit.facts,
                                visit_record_or_none(&act->visit.note), act->step.covers);
    return err ? err : act_save(act);
}

int kith_visit_sign(struct kith *kith, const char *id, unsigned options)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_SIGN);

    if (!err)
        err = sign(act, options);
    if (act)
        act_end(act);
    return err;
}

/* SUBMIT */

static enum kith_err submit(struct act *act)
{
    const struct note_life *life = &act->visit.life;
    enum kith_err err = check_standing(act);

    if (!err)
        err = check_author(act);
    if (!err)
        err = check_settled(act);
    if (!err && (life->state == NOTE_IS_SUBMITTED || life->state == NOTE_IS_COSIGNED))
        return home_fail(act->kith, KITH_STATE, "this visit is submitted already");
    return err ? err : act_save(act);
}

int kith_visit_submit(struct kith *kith, const char *id)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_SUBMIT);

    if (!err)
        err = submit(act);
    if (act)
        act_end(act);
    return err;
}

/* COSIGN, RETURN */

static enum kith_err check_review(struct act *act)
{
    const struct note_life *life = &act->visit.life;
    enum kith_err err = check_standing(act);

    if (!err)
        err = check_author(act);
    if (!err)
        err = check_settled(act);
    if (!err && life->state == NOTE_IS_SIGNED)
        return home_fail(act->kith, KITH_STATE, "its author has not submitted it yet");
    if (!err && life->state == NOTE_IS_COSIGNED)
        return home_fail(act->kith, KITH_STATE, "this version is co-signed already");
    if (!err && life->state == NOTE_IS_RETURNED)
        return home_fail(act->kith, KITH_STATE, "it was returned: its author must submit it again");
    return err;
}

static enum kith_err check_viewed(struct act *act, const char *hash)
{
    char version[2 * HASH_BYTES + 1];

    bytes_hex(bytes_of(act->visit.life.version, HASH_BYTES), version);
    if (!hash || strcmp(hash, version) == 0)
        return KITH_OK;
    return home_fail(act->kith, KITH_STALE,
                     "the visit is no longer the version you looked at: read it again");
}

int kith_visit_cosign(struct kith *kith, const char *id, const char *hash)
{
    char credential[NOTE_CREDENTIAL_MAX] = "";
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_COSIGN);

    if (!err)
        err = check_review(act);
    if (!err)
        err = check_viewed(act, hash);
    if (!err)
        err = visit_verify(&act->txn, replica_roster(kith->replica), &act->visit);
    if (!err)
        err = fill_credential(act, credential);
    if (!err)
        err = act_save(act);
    if (act)
        act_end(act);
    return err;
}

int kith_visit_return(struct kith *kith, const char *id, const char *reason)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_RETURN);

    if (!err)
        err = check_review(act);
    if (!err)
        err = take_text(act, reason, NOTE_REASON_MAX, "a reason");
    if (!err)
        err = act_save(act);
    if (act)
        act_end(act);
    return err;
}

/* VOID */

static enum kith_err check_void(struct act *act)
{
    const struct note_life *life = &act->visit.life;
    enum kith_err err = check_author(act);

    /* Voided again by somebody else, it covers what was written beside the void. */
    bool may_cover = life->beside_void && life->beside_void->person != act->step.person;
    if (!err && life->voided && !may_cover)
        return home_fail(act->kith, KITH_STATE, "this visit is voided already");
    if (!err && life->cosign && act->step.person == act->visit.specialist)
        return home_fail(act->kith, KITH_NOT_ALLOWED,
                         "it is co-signed: a supervisor must void it now");
    return err;
}

int kith_visit_void(struct kith *kith, const char *id, const char *reason)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_VOID);

    if (!err)
        err = check_void(act);
    if (!err)
        err = take_text(act, reason, NOTE_REASON_MAX, "a reason");
    if (!err)
        err = act_save(act);
    if (act)
        act_end(act);
    return err;
}

/* ADDEND */

/* A correction of one field, encoded as the schema has it. */
struct correction {
    uint32_t type;
    uint32_t field;
    struct buffer value;
};

static int compare_corrections(const void *a, const void *b)
{
    const struct correction *left = a;
    const struct correction *right = b;

    if (left->type != right->type)
        return left->type < right->type ? -1 : 1;
    return left->field < right->field ? -1 : left->field > right->field;
}

static enum kith_err encode_correction(struct act *act, const struct kith_input *input,
                                       struct correction *correction)
{
    const struct schema_field *field = schema_field(schema_type("visit"), input->field);
    struct schema_names names = home_names(act->kith);
    char why[SCHEMA_WHY_MAX];
    int64_t day_ms;

    buffer_init(&correction->value, VALUE_MAX);
    if (!field)
        return home_fail(act->kith, KITH_INPUT, "a visit has no field '%s'", input->field);
    if (input->op != '=' || field->class == MERGE_SET || field->class == MERGE_ENTRIES ||
        field->class == MERGE_FIXED || (field->flags & FIELD_IS_KEYED))
        return home_fail(act->kith, KITH_INPUT, "'%s' cannot be corrected: say it in words",
                         input->field);
    correction->type = field->record;
    correction->field = field->number;
    if (!visit_day(&act->visit, &day_ms))
        day_ms = (int64_t)home_now_ms(act->kith);
    enum kith_err err =
        schema_encode(field, input->value, &names, (uint64_t)day_ms, &correction->value, why);
    return err == KITH_INPUT ? home_fail(act->kith, err, "%s", why) : err;
}

static enum kith_err take_corrections(struct act *act, const struct kith_input *inputs,
                                      size_t count)
{
    struct correction *corrections = calloc(count + 1, sizeof *corrections);
    enum kith_err err = corrections ? KITH_OK : KITH_MEMORY;
    size_t read = 0;

    if (!err && count > NOTE_AMENDED_MAX)
        err = home_fail(act->kith, KITH_TOO_LARGE, "at most %d fields at once", NOTE_AMENDED_MAX);
    while (!err && read < count) {
        err = encode_correction(act, &inputs[read], &corrections[read]);
        read++;
    }
    if (!err && count > 1)
        qsort(corrections, count, sizeof *corrections, compare_corrections);
    for (size_t i = 0; i < count && !err; i++) {
        if (i > 0 && compare_corrections(&corrections[i - 1], &corrections[i]) == 0)
            err = home_fail(act->kith, KITH_INPUT, "a field is given twice");
        wire_put_uint(&act->amended, corrections[i].type);
        wire_put_uint(&act->amended, corrections[i].field);
        wire_put_value(&act->amended, buffer_view(&corrections[i].value));
    }
    act->step.amended = buffer_view(&act->amended);
    act->step.amended_count = (uint32_t)count;
    for (size_t i = 0; i < read; i++)
        buffer_clear(&corrections[i].value);
    free(corrections);
    return err ? err : act->amended.err;
}

/* "FIELD: VALUE" for each late edit, below what the person wrote. */
static enum kith_err quote_late(struct act *act, const struct late_edit *late)
{
    const struct schema_field *field =
        schema_field_numbered(schema_type("visit"), late->type, late->op.field);
    struct schema_names names = home_names(act->kith);
    struct kith_value shown = {0};
    const char *sign = late->op.kind == OP_DROP ? " -" : late->op.kind == OP_ADD ? " +" : ":";

    if (!field)
        return KITH_OK;
    enum kith_err err = schema_show(field, late->op.value, &names, &act->txn.arena, &shown);
    if (err)
        return err;
    if (act->text.len > 0)
        buffer_add(&act->text, "\n", 1);
    buffer_add(&act->text, field->name, strlen(field->name));
    buffer_add(&act->text, sign, strlen(sign));
    buffer_add(&act->text, " ", 1);
    buffer_add(&act->text, shown.text, strlen(shown.text));
    return act->text.err;
}

static int compare_dots(const void *a, const void *b)
{
    return dot_compare(*(const struct dot *)a, *(const struct dot *)b);
}

static enum kith_err take_late(struct act *act)
{
    const struct visit *visit = &act->visit;
    struct dot *dots = arena_take(&act->txn.arena, (visit->late_count + 1) * sizeof *dots);
    uint32_t count = 0;
    enum kith_err err = dots ? KITH_OK : KITH_MEMORY;

    for (uint32_t i = 0; i < visit->late_count && !err; i++)
        if (!visit->late[i].is_taken) {
            dots[count++] = visit->late[i].dot;
            err = quote_late(act, &visit->late[i]);
        }
    if (!err && count == 0)
        return home_fail(act->kith, KITH_NOT_FOUND, "there is no late edit to take in");
    if (count > 1)
        qsort(dots, count, sizeof *dots, compare_dots);
    for (uint32_t i = 0; i < count && act->step.taken_count < SUPERSEDES_MAX && !err; i++) {
        if (i > 0 && dot_compare(dots[i - 1], dots[i]) == 0)
            continue;
        wire_put_uint(&act->taken, dots[i].device);
        wire_put_uint(&act->taken, dots[i].n);
        act->step.taken_count++;
    }
    act->step.taken = buffer_view(&act->taken);
    act->step.text = buffer_view(&act->text);
    return err ? err : act->taken.err;
}

static enum kith_err addend(struct act *act, const struct kith_addendum *addendum)
{
    enum kith_err err = check_standing(act);

    if (!err)
        err = check_author(act);
    act->step.addendum = addendum_of(addendum->kind);
    if (!err && act->step.addendum == ADDENDUM_NONE)
        return home_fail(act->kith, KITH_INPUT, "'%s': expected addendum, correction or late_entry",
                         addendum->kind);
    if (!err && addendum->change_count > 0 && act->step.addendum != ADDENDUM_CORRECTION)
        return home_fail(act->kith, KITH_INPUT, "only a correction changes fields");
    if (!err && !(addendum->takes_late && (!addendum->text || !*addendum->text)))
        err = take_text(act, addendum->text, NARRATIVE_MAX, "what the addendum says");
    if (!err && addendum->takes_late)
        err = take_late(act);
    if (!err)
        err = take_corrections(act, addendum->changes, addendum->change_count);
    return err ? err : act_save(act);
}

int kith_visit_addend(struct kith *kith, const char *id, const struct kith_addendum *addendum)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_ADDEND);

    if (!err)
        err = addend(act, addendum);
    if (act)
        act_end(act);
    return err;
}

/* KEEP */

static enum kith_err keep(struct act *act, size_t place)
{
    const struct note_step *kept = visit_rival(&act->visit, place);
    enum kith_err err = check_standing(act);

    if (!err)
        err = check_author(act);
    if (!err && !act->visit.life.is_sign_unsettled)
        return home_fail(act->kith, KITH_NOT_FOUND, "signature needs no decision in this visit");
    if (!err && !kept)
        return home_fail(act->kith, KITH_NOT_FOUND, "there is no signature %zu", place);
    if (!err)
        memcpy(act->step.covers, kept->covers, HASH_BYTES);
    return err ? err : act_save(act);
}

int kith_visit_keep(struct kith *kith, const char *id, size_t place)
{
    struct act *act;
    enum kith_err err = act_begin(&act, kith, id, NOTE_KEEP);

    if (!err)
        err = keep(act, place);
    if (act)
        act_end(act);
    return err;
}
