/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving: one change, sealed, chained, logged and merged in one durable transaction.
 *
 * The change names what it replaces (all that is live in the registers it writes) and what its
 * author had seen, both as this store has them at that moment.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/hlc.h"
#include "store/replica_internal.h"

/* What the own change says that it has seen: every other chain that moved since the last one. */
static struct dot *seen_dots(struct store_txn *txn, struct circle_work *work, uint32_t *count)
{
    struct dot *dots = arena_take(&txn->arena, (work->chain_count + 1) * sizeof *dots);

    *count = 0;
    if (!dots) {
        store_fail(txn, KITH_MEMORY);
        return NULL;
    }
    for (uint32_t i = 0; i < work->chain_count && *count < SEEN_MAX; i++) {
        struct chain_row *chain = &work->chains[i];
        if (chain->number == CHAIN_OWN || chain->applied == chain->told)
            continue;
        chain->told = chain->applied;
        device_chain_put(txn, work->row.number, chain);
        struct dot dot = {chain->device, chain->applied};
        uint32_t place = (*count)++;
        for (; place > 0 && dot_compare(dot, dots[place - 1]) < 0; place--)
            dots[place] = dots[place - 1];
        dots[place] = dot;
    }
    return dots;
}

/* The chain heads, when they are others than the last change named. */
static struct payload_heads heads_to_tell(const struct replica *replica, struct circle_work *work)
{
    struct payload_heads heads = {0};

    if (work->row.told_roster == replica->roster.count &&
        work->row.told_circle == work->row.circle.count)
        return heads;
    heads.is_present = true;
    heads.roster_seq = replica->roster.count;
    heads.circle_seq = work->row.circle.count;
    memcpy(heads.roster, replica->roster.head, HEAD_PREFIX_BYTES);
    memcpy(heads.circle, work->row.circle.head, HEAD_PREFIX_BYTES);
    work->row.told_roster = replica->roster.count;
    work->row.told_circle = work->row.circle.count;
    work->is_row_changed = true;
    return heads;
}

/* The record an edit is about, as it is now; an empty one if it is new. */
static void current_record(struct store_txn *txn, const struct circle_work *work,
                           const struct edit *edit, struct record *record)
{
    struct record_place place =
        device_record_find(txn, work->row.number, work->row.circle.id, edit->type, edit->record);
    struct bytes value;

    if (!device_record_get(txn, &place, &value)) {
        record_begin(record, &txn->arena, edit->record, edit->type);
        return;
    }
    enum kith_err err = record_decode(record, &txn->arena, value);
    if (err)
        store_fail(txn, err);
}

static const struct merge_register *edit_register(const struct record *record,
                                                  const struct edit *edit)
{
    switch (edit->kind) {
    case OP_PUT:
        return record_register(record, edit->field, bytes_of(NULL, 0));
    case OP_ADD:
    case OP_DROP:
        return record_register(record, edit->field, edit->value);
    case OP_KEYED:
        return record_register(record, edit->field, edit->key);
    case OP_APPEND:
        return NULL;
    }
    return NULL;
}

/* An edit that would write what already stands there alone. */
static bool changes_nothing(const struct merge_register *reg, const struct edit *edit)
{
    if (edit->kind == OP_DROP)
        return !reg;
    if (edit->kind == OP_APPEND || edit->is_restated || !reg || reg->live_count != 1)
        return false;
    return edit->kind == OP_ADD || bytes_equal(reg->live[0].value, edit->value);
}

static void write_edit(struct store_txn *txn, const struct circle_work *work,
                       const struct edit *edit, struct payload_writer *writer)
{
    struct dot replaced[SUPERSEDES_MAX];
    struct record record;
    struct op op = {.type = edit->type,
                    .field = edit->field,
                    .kind = edit->kind,
                    .value = edit->value,
                    .key = edit->key};

    if (edit->value.len > VALUE_MAX || edit->key.len > UINT8_MAX) {
        store_fail(txn, KITH_TOO_LARGE);
        return;
    }
    memcpy(op.record, edit->record, ID_BYTES);
    current_record(txn, work, edit, &record);
    if (txn->err)
        return;
    const struct merge_register *reg = edit_register(&record, edit);
    if (changes_nothing(reg, edit))
        return;
    uint32_t count = 0;
    for (; reg && count < reg->live_count && count < SUPERSEDES_MAX; count++)
        replaced[count] = reg->live[count].dot;
    payload_add(writer, &op, replaced, count);
}

static void write_payload(struct replica *replica, struct store_txn *txn, struct circle_work *work,
                          const struct save *save, struct buffer *text, bool *is_empty)
{
    struct payload_writer writer;
    uint32_t seen_count;
    uint64_t hlc = hlc_tick(replica_last_hlc(txn), save->now_ms);
    struct dot *seen = seen_dots(txn, work, &seen_count);
    struct payload_heads heads = heads_to_tell(replica, work);

    payload_begin(&writer, text, hlc, seen, seen_count, &heads);
    for (uint32_t i = 0; i < save->edit_count && !txn->err; i++)
        write_edit(txn, work, &save->edits[i], &writer);
    *is_empty = writer.total == 0;
    enum kith_err err = payload_end(&writer);
    if (err)
        store_fail(txn, err);
    replica_put_hlc(txn, hlc);
}

/* Seals the text as the next change of the own chain and logs it. */
static void put_sealed(struct replica *replica, struct store_txn *txn, struct circle_work *work,
                       struct chain_row *own, enum change_class class, struct bytes text)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct change_header header;
    struct buffer sealed;
    struct log_row row = {
        .change = {.class = class, .epoch = work->row.circle.epoch, .signature = signature}};
    uint64_t n = own->received + 1;

    change_header_of(work, own, &row, n, &header);
    memcpy(header.prev, own->head, HASH_BYTES);
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    enum kith_err err = change_seal(&header, work->epoch_key, replica->identity.sign_secret, text,
                                    &sealed, row.id, signature);
    if (err) {
        store_fail(txn, err);
    } else {
        row.change.sealed = buffer_view(&sealed);
        device_log_put(txn, work->row.number, own->number, n, &row);
        memcpy(own->head, row.id, HASH_BYTES);
    }
    buffer_clear(&sealed);
}

/* The next change of the own chain, logged and merged. */
static void log_change(struct replica *replica, struct store_txn *txn, struct circle_work *work,
                       const struct save *save, struct bytes text, struct dot *dot)
{
    struct chain_row *own = circle_work_chain(txn, work, replica->identity.device, true);

    if (!own)
        return;
    if (late_is_due(replica, txn, work))
        late_put(txn, work, own, save->class, text);
    else
        put_sealed(replica, txn, work, own, save->class, text);
    if (txn->err)
        return;
    uint64_t n = ++own->received;
    if (own->applied == n - 1) {
        replica_merge_text(txn, work, own, n, text, save->now_ms);
        own->applied = n;
    }
    device_chain_put(txn, work->row.number, own);
    *dot = (struct dot){replica->identity.device, n};
}

static void save_in(struct replica *replica, struct store_txn *txn, const struct save *save,
                    struct dot *dot)
{
    struct circle_work work;
    struct buffer text;
    bool is_empty = true;
    enum kith_err err = circle_work_begin(txn, save->circle, &work);

    buffer_init(&text, CHANGE_TEXT_MAX);
    if (!err)
        err = circle_may_write(&work.row.circle, &replica->roster, replica->identity.device);
    if (err)
        store_fail(txn, err);
    else
        write_payload(replica, txn, &work, save, &text, &is_empty);
    if (!txn->err && !is_empty)
        log_change(replica, txn, &work, save, buffer_view(&text), dot);
    if (!txn->err && !is_empty)
        circle_work_end(txn, &work);
    else
        circle_clear(&work.row.circle);
    buffer_clear(&text);
}

enum kith_err replica_save(struct replica *replica, const struct save *save, struct dot *dot)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        *dot = (struct dot){0, 0};
        save_in(replica, &txn, save, dot);
        if (!txn.err && dot->n == 0) {
            store_abort(&txn);
            return KITH_OK;
        }
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

/* Writes the genesis and its key; the boxes are made when it is sent. */
static void put_genesis(struct replica *replica, struct store_txn *txn,
                        const struct genesis *genesis, uint64_t now_ms, uint8_t id[static ID_BYTES])
{
    struct circle_entry entry = {
        .author = replica->identity.device,
        .roster_seq = replica->roster.count,
        .time_s = now_ms / 1000,
        .type = CIRCLE_GENESIS,
        .kind = genesis->kind,
        .members = genesis->members,
        .member_count = genesis->member_count,
        .devices = genesis->devices,
        .device_count = genesis->device_count,
    };
    struct circle_row row = {0};
    uint8_t key[KEY_BYTES];
    struct buffer bytes;

    circle_init(&row.circle);
    buffer_init(&bytes, ENTRY_MAX);
    seal_random(key, sizeof key);
    seal_random(entry.salt, sizeof entry.salt);
    epoch_commit(key, 1, entry.commitment);
    memcpy(entry.agency, replica->roster.agency, ID_BYTES);
    enum kith_err err =
        circle_entry_write(&row.circle, &entry, replica->identity.sign_secret, &bytes);
    if (!err)
        err = circle_append(&row.circle, &replica->roster, buffer_view(&bytes));
    if (err) {
        store_fail(txn, err);
    } else {
        memcpy(id, row.circle.id, ID_BYTES);
        row.number = device_circle_new(txn, id);
        device_circle_put(txn, &row);
        device_entry_put(txn, row.number, 1, buffer_view(&bytes));
        device_key_put(txn, row.number, 1, key);
    }
    seal_wipe(key, sizeof key);
    buffer_clear(&bytes);
    circle_clear(&row.circle);
}

/* The record of what the circle is about has the circle's own id. */
static void name_records(struct edit *edits, uint32_t count, const uint8_t id[static ID_BYTES])
{
    static const uint8_t unnamed[ID_BYTES];

    for (uint32_t i = 0; i < count; i++)
        if (memcmp(edits[i].record, unnamed, ID_BYTES) == 0)
            memcpy(edits[i].record, id, ID_BYTES);
}

enum kith_err replica_found_circle(struct replica *replica, const struct genesis *genesis,
                                   struct save *save, uint8_t circle[static ID_BYTES])
{
    struct edit *edits = calloc(save->edit_count + 1, sizeof *edits);
    enum kith_err err;

    if (!edits)
        return KITH_MEMORY;
    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        struct save first = *save;
        struct dot dot = {0, 0};
        put_genesis(replica, &txn, genesis, save->now_ms, circle);
        if (save->edit_count)
            memcpy(edits, save->edits, save->edit_count * sizeof *edits);
        name_records(edits, save->edit_count, circle);
        first.edits = edits;
        memcpy(first.circle, circle, ID_BYTES);
        if (!txn.err && save->edit_count > 0)
            save_in(replica, &txn, &first, &dot);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    free(edits);
    return err;
}

enum kith_err replica_grant(struct replica *replica, const uint8_t circle[static ID_BYTES],
                            const struct circle_member *member)
{
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        struct circle_work work;
        err = circle_work_begin(&txn, circle, &work);
        unsigned roles = roster_device_roles(&replica->roster, replica->identity.device);
        const struct circle_member *known =
            err ? NULL : circle_member(&work.row.circle, member->person);
        if (!err && !roster_person(&replica->roster, member->person))
            err = KITH_NOT_FOUND;
        if (!err && known && known->right >= member->right)
            err = KITH_EXISTS;
        if (!err)
            err = circle_may_write(&work.row.circle, &replica->roster, replica->identity.device);
        if (!err && !role_may(roles, MAY_GRANT))
            err = KITH_NOT_ALLOWED;
        if (err)
            store_fail(&txn, err);
        else
            device_intent_put(&txn, &(struct intent_row){.kind = INTENT_GRANT,
                                                         .circle = work.row.number,
                                                         .member = *member});
        circle_clear(&work.row.circle);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}
