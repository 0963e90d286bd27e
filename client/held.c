/* SPDX-License-Identifier: Apache-2.0 */
/* What devices that left had not sent before: looking at it, and deciding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "protocol/hlc.h"
#include "protocol/invite.h"
#include "protocol/seal.h"

#define HELD_ARENA_MAX (16u * 1024 * 1024)

/* The participant's name, as far as it can be read here. */
static void fill_participant(struct kith *kith, const struct held_change *change,
                             struct kith_held *held)
{
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    const struct schema_type *type = schema_type("participant");
    const struct schema_field *field = type ? schema_field(type, "name") : NULL;
    struct found_record found;
    bool is_unsettled;

    if (field && replica_find_in(&txn, change->circle, RECORD_PARTICIPANT, change->circle,
                                 &found) == KITH_OK) {
        const struct live *name =
            merge_read(record_register(&found.record, field->number, bytes_of(NULL, 0)), MERGE_LAST,
                       NULL, &is_unsettled);
        struct wire_in in = wire_open(name ? name->value : bytes_of(NULL, 0));
        struct bytes text = wire_text(&in, KITH_NAME_TEXT - 1);
        if (!wire_close(&in))
            memcpy(held->participant, text.ptr, text.len);
    }
    store_abort(&txn);
}

static void fill_held(struct kith *kith, const struct held_change *change, struct kith_held *held)
{
    const struct roster_device *device =
        roster_device(replica_roster(kith->replica), change->device);

    memset(held, 0, sizeof *held);
    id_write(change->id, held->id);
    id_write(change->circle, held->circle);
    held->device = change->device;
    held->n = change->n;
    held->leaving = leaving_word(change->leaving);
    held->time_ms = change->time_s * 1000;
    held->is_rejected = change->is_rejected;
    (void)snprintf(held->device_name, sizeof held->device_name, "%s",
                   home_device_name(kith, change->device));
    if (device)
        (void)snprintf(held->person, sizeof held->person, "%s",
                       home_person_name(kith, device->person));
    fill_participant(kith, change, held);
}

int kith_held(struct kith *kith, struct kith_held **held, size_t *count)
{
    struct held_change *changes = NULL;
    size_t at = 0;

    kith->detail[0] = '\0';
    *held = NULL;
    enum kith_err err = home_read_names(kith);
    if (!err)
        err = replica_held(kith->replica, &changes, count);
    if (!err)
        *held = calloc(*count + 1, sizeof **held);
    if (!err && !*held)
        err = KITH_MEMORY;
    for (int rejected = 0; rejected <= 1 && !err; rejected++)
        for (size_t i = 0; i < *count; i++)
            if (changes[i].is_rejected == (rejected == 1))
                fill_held(kith, &changes[i], &(*held)[at++]);
    free(changes);
    return err;
}

/* By the beginning of its id. */
static enum kith_err find_held(struct kith *kith, const char *text, struct held_change *change)
{
    uint8_t id[ID_BYTES];
    unsigned bits;
    struct held_change *changes = NULL;
    size_t count = 0;
    size_t hits = 0;

    if (id_read_prefix(text, id, &bits))
        return home_fail(kith, KITH_INPUT, "'%s' is not the beginning of an id", text);
    enum kith_err err = replica_held(kith->replica, &changes, &count);
    for (size_t i = 0; i < count && !err; i++)
        if (id_has_prefix(changes[i].id, id, bits)) {
            *change = changes[i];
            hits++;
        }
    free(changes);
    if (err)
        return err;
    if (hits == 0)
        return home_fail(kith, KITH_NOT_FOUND, "nothing that is held has the id '%s'", text);
    return hits == 1 ? KITH_OK
                     : home_fail(kith, KITH_AMBIGUOUS, "more than one id begins with '%s'", text);
}

struct text_made {
    struct kith_held_text public;
    struct arena arena;
};

static const struct schema_type *type_of_field(uint32_t record, uint32_t number,
                                               const struct schema_field **field)
{
    for (const char *const *word = kith_schema_types(); *word; word++) {
        const struct schema_type *type = schema_type(*word);
        *field = schema_field_numbered(type, record, number);
        if (*field)
            return type;
    }
    return NULL;
}

static char op_sign(enum op_kind kind)
{
    if (kind == OP_DROP)
        return '-';
    if (kind == OP_ADD || kind == OP_APPEND)
        return '+';
    return '=';
}

/* What this version has no name for is left out, as everywhere. */
static enum kith_err add_value(struct kith *kith, struct text_made *made, const struct op *op,
                               struct kith_held_value *value)
{
    const struct schema_field *field;
    const struct schema_type *type = type_of_field(op->type, op->field, &field);
    struct schema_names names = home_names(kith);
    struct kith_value shown = {0};

    if (!type)
        return KITH_OK;
    enum kith_err err = schema_show(field, op->value, &names, &made->arena, &shown);
    value->type = type->word;
    value->field = field->name;
    value->op = op_sign(op->kind);
    value->value = shown.text;
    id_write(op->record, value->record);
    made->public.count += !err;
    return err;
}

static enum kith_err read_text(struct kith *kith, struct text_made *made, struct bytes text)
{
    struct payload payload;
    struct op op;
    enum kith_err err = payload_open(&payload, text);
    struct kith_held_value *values =
        arena_take(&made->arena, (CHANGE_OPS_MAX + 1) * sizeof *values);

    if (!values)
        return KITH_MEMORY;
    made->public.values = values;
    made->public.time_ms = err ? 0 : hlc_ms(payload.hlc);
    while (!err && payload_next_op(&payload, &op))
        err = add_value(kith, made, &op, &values[made->public.count]);
    return err;
}

int kith_held_show(struct kith *kith, const char *id, struct kith_held_text **text)
{
    struct held_change change = {0};
    struct buffer plain;

    kith->detail[0] = '\0';
    *text = NULL;
    enum kith_err err = find_held(kith, id, &change);
    if (!err)
        err = home_read_names(kith);
    if (err)
        return err;
    struct text_made *made = calloc(1, sizeof *made);
    if (!made)
        return KITH_MEMORY;
    arena_init(&made->arena, HELD_ARENA_MAX);
    *text = &made->public;
    fill_held(kith, &change, &made->public.held);
    buffer_init(&plain, CHANGE_TEXT_MAX);
    err = replica_held_text(kith->replica, &change, &plain);
    if (!err)
        err = read_text(kith, made, buffer_view(&plain));
    buffer_clear(&plain);
    if (err)
        kith_held_free(text);
    return err;
}

void kith_held_free(struct kith_held_text **text)
{
    struct text_made *made = (struct text_made *)*text;

    if (!made)
        return;
    arena_clear(&made->arena);
    free(made);
    *text = NULL;
}

static enum kith_err decided(struct kith *kith, enum kith_err err)
{
    if (err == KITH_NOT_ALLOWED)
        return home_fail(kith, err,
                         "a supervisor, custodian or admin who writes in this chart decides");
    if (err == KITH_TOO_LARGE)
        return home_fail(kith, KITH_INPUT, "the reason is too long");
    return err;
}

int kith_held_admit(struct kith *kith, const char *id)
{
    struct held_change change = {0};

    kith->detail[0] = '\0';
    enum kith_err err = find_held(kith, id, &change);
    return err ? err : decided(kith, replica_admit(kith->replica, &change));
}

int kith_held_reject(struct kith *kith, const char *id, const char *reason)
{
    struct held_change change = {0};

    kith->detail[0] = '\0';
    if (!wire_is_utf8(bytes_text(reason)))
        return home_fail(kith, KITH_INPUT, "the reason is not text");
    enum kith_err err = find_held(kith, id, &change);
    return err ? err : decided(kith, replica_reject(kith->replica, &change, bytes_text(reason)));
}
