/* SPDX-License-Identifier: Apache-2.0 */
#include "store/renew.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/payload.h"
#include "protocol/seal.h"
#include "store/alarms_internal.h"
#include "store/device_held_rows.h"

static const char meta_next[] = "next";

enum kith_err replica_renewal(struct replica *replica, struct renewal *renewal)
{
    const struct roster *roster = &replica->roster;
    const struct roster_device *self = roster_device(roster, replica->identity.device);
    struct store_txn txn = store_begin(replica->store, STORE_READ);
    struct device_public keys;
    struct bytes value;

    memset(renewal, 0, sizeof *renewal);
    renewal->is_due = self && self->state == DEVICE_ACTIVE && alarm_is_raised(&txn, ALARM_COPIED);
    if (device_meta_get(&txn, meta_next, &value) && value.len > 0) {
        renewal->is_begun = true;
        if (!identity_decode(&renewal->next, value))
            store_fail(&txn, KITH_DAMAGED);
    }
    enum kith_err err = store_commit(&txn);
    if (err || !renewal->is_begun)
        return err;
    identity_public(&renewal->next, &keys);
    for (uint32_t i = 0; i < roster->device_count; i++) {
        const struct roster_device *device = &roster->devices[i];
        if (device->renews == replica->identity.device &&
            seal_equal(device->keys.sign, keys.sign, KEY_BYTES)) {
            renewal->is_placed = true;
            renewal->next.device = device->number;
        }
    }
    return KITH_OK;
}

enum kith_err replica_renew_begin(struct replica *replica, struct renewal *renewal)
{
    const struct identity *now = &replica->identity;
    uint8_t row[IDENTITY_BYTES];
    enum kith_err err;

    identity_make(&renewal->next);
    memcpy(renewal->next.agency, now->agency, ID_BYTES);
    memcpy(renewal->next.root_seed, now->root_seed, KEY_BYTES);
    memcpy(renewal->next.hub_key, now->hub_key, KEY_BYTES);
    memcpy(renewal->next.address, now->address, ADDRESS_MAX);
    identity_encode(&renewal->next, row);
    do {
        struct store_txn txn = store_begin(replica->store, STORE_WRITE);
        device_meta_put(&txn, meta_next, bytes_of(row, sizeof row));
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    seal_wipe(row, sizeof row);
    renewal->is_begun = !err;
    return err;
}

struct dot renewed_dot(const struct renewed_names *names, struct dot dot)
{
    if (dot.device == names->old_device && dot.n > names->shared)
        return (struct dot){names->new_device, dot.n - names->shared};
    return dot;
}

static uint32_t add_dot(struct dot *dots, uint32_t count, struct dot dot)
{
    uint32_t place = count;

    for (; place > 0 && dot_compare(dot, dots[place - 1]) < 0; place--)
        dots[place] = dots[place - 1];
    dots[place] = dot;
    return count + 1;
}

enum kith_err renewed_dots(const struct renewed_names *names, struct bytes content, uint32_t *count,
                           bool is_past, struct buffer *out)
{
    struct dot *dots = calloc(*count + 2, sizeof *dots);
    uint32_t left = *count;
    struct dot dot;

    if (!dots)
        return KITH_MEMORY;
    *count = 0;
    while (dots_next(&content, &left, &dot)) {
        struct dot renamed = renewed_dot(names, dot);
        bool has_both = is_past && renamed.device != dot.device && names->shared > 0;
        if (has_both)
            *count = add_dot(dots, *count, (struct dot){names->old_device, names->shared});
        *count = add_dot(dots, *count, renamed);
    }
    for (uint32_t i = 0; i < *count; i++) {
        wire_put_uint(out, dots[i].device);
        wire_put_uint(out, dots[i].n);
    }
    free(dots);
    return out->err;
}

struct old_change {
    struct bytes text; /* empty if it cannot be opened: nobody can read it */
    enum change_class class;
};

/* One circle on its way from the old number to the new. */
struct heir {
    struct replica *replica;
    struct store_txn *txn;
    struct circle_work work;
    struct hub_state *hub;
    struct renewed_names names;
    renewed_value *rewrite;
    void *owner;
    uint64_t now_ms;
    struct renewed *renewed;
    struct chain_row own;    /* as it was */
    struct old_change *rest; /* what the hub did not get */
    struct dot *seen;        /* what the old chain had named by the first of these */
    uint32_t seen_count;
};

/* Through which change the hub has the old chain for certain. */
static uint64_t shared_through(struct store_txn *txn, uint32_t circle, const struct chain_row *own)
{
    struct receipt_row receipt = {0};
    struct refused_row refused;
    uint64_t kept = device_kept_get(txn, circle).n;
    uint64_t shared = 0;

    (void)device_receipt_get(txn, circle, &receipt);
    struct store_walk walk = device_refusals(txn, circle);
    while (device_refused_next(&walk, &refused))
        if (refused.kind == ACK_CHAIN && refused.reason == KITH_FORKED && refused.n > 0 &&
            (shared == 0 || refused.n - 1 < shared))
            shared = refused.n - 1;
    store_walk_end(&walk);
    shared = shared > receipt.n ? shared : receipt.n;
    shared = shared > kept ? shared : kept;
    return shared < own->received ? shared : own->received;
}

static void note_seen(struct heir *heir, struct payload *payload)
{
    struct dot dot;

    while (payload_next_seen(payload, &dot)) {
        uint32_t i = 0;
        while (i < heir->seen_count && heir->seen[i].device != dot.device)
            i++;
        if (i == heir->seen_count && heir->seen_count < SEEN_MAX)
            heir->seen_count = add_dot(heir->seen, heir->seen_count, dot);
        else if (i < heir->seen_count && heir->seen[i].n < dot.n)
            heir->seen[i].n = dot.n;
    }
}

/* A list that doubles: there is room when its length is a power of two, or none yet. */
static void add_record(struct heir *heir, const uint8_t id[static ID_BYTES])
{
    struct renewed_names *names = &heir->names;

    for (uint32_t i = 0; i < names->record_count; i++)
        if (memcmp(names->records[i], id, ID_BYTES) == 0)
            return;
    if ((names->record_count & (names->record_count - 1)) == 0) {
        size_t room = names->record_count ? 2 * (size_t)names->record_count : 1;
        uint8_t(*larger)[ID_BYTES] = arena_take(&heir->txn->arena, room * ID_BYTES);
        if (!larger) {
            store_fail(heir->txn, KITH_MEMORY);
            return;
        }
        if (names->record_count)
            memcpy(larger, names->records, names->record_count * sizeof *larger);
        names->records = larger;
    }
    memcpy(names->records[names->record_count++], id, ID_BYTES);
}

static void note_records(struct heir *heir, struct payload *payload)
{
    struct op op;

    while (payload_next_op(payload, &op))
        add_record(heir, op.record);
}

static void note_old_change(struct heir *heir, uint64_t n, struct bytes text)
{
    struct payload payload;
    struct log_row row;

    if (n > heir->names.shared) {
        struct old_change *old = &heir->rest[n - heir->names.shared - 1];
        if (device_log_get(heir->txn, heir->work.row.number, CHAIN_OWN, n, &row))
            old->class = row.change.class;
        old->text = arena_copy(&heir->txn->arena, text);
        if (!old->text.ptr)
            store_fail(heir->txn, KITH_MEMORY);
        else if (!payload_open(&payload, old->text))
            note_records(heir, &payload);
    }
    if (n <= heir->names.shared + 1 && !payload_open(&payload, text))
        note_seen(heir, &payload);
}

/* Reads the old chain: what it had named by its first change that is written anew, and all from
 * there on. */
static void read_old_chain(struct heir *heir)
{
    struct store_txn *txn = heir->txn;
    uint64_t rest = heir->own.received - heir->names.shared;

    heir->rest = arena_take(&txn->arena, (rest + 1) * sizeof *heir->rest);
    heir->seen = arena_take(&txn->arena, (SEEN_MAX + 2) * sizeof *heir->seen);
    if (!heir->rest || !heir->seen) {
        store_fail(txn, KITH_MEMORY);
        return;
    }
    memset(heir->rest, 0, (rest + 1) * sizeof *heir->rest);
    for (uint64_t n = 1; rest > 0 && n <= heir->own.received && !txn->err; n++) {
        struct buffer text;
        buffer_init(&text, CHANGE_TEXT_MAX);
        if (circle_work_text(txn, &heir->work, &heir->own, n, &text) == KITH_OK)
            note_old_change(heir, n, buffer_view(&text));
        buffer_clear(&text);
    }
}

/* What the hub has of the old chain is another device's from now on. */
static void hand_over(struct heir *heir)
{
    struct store_txn *txn = heir->txn;
    uint32_t circle = heir->work.row.number;
    struct log_row row = {0};

    for (uint32_t i = 0; i < heir->work.chain_count; i++)
        if (heir->work.chains[i].number == CHAIN_OWN)
            heir->work.chains[i] =
                (struct chain_row){.number = CHAIN_OWN, .device = heir->names.new_device};
    struct chain_row *old = circle_work_chain(txn, &heir->work, heir->names.old_device, false);
    for (uint64_t n = 1; old && n <= heir->own.received && !txn->err; n++) {
        if (n <= heir->names.shared && device_log_get(txn, circle, CHAIN_OWN, n, &row)) {
            device_log_put(txn, circle, old->number, n, &row);
            if (heir->work.row.part == PART_MEMBER)
                digest_add(heir->hub->digest, row.id);
            memcpy(old->head, row.id, HASH_BYTES);
            old->received = n;
            old->served = n;
        }
        device_log_delete(txn, circle, CHAIN_OWN, n);
    }
}

static void forget_old_state(struct heir *heir)
{
    struct store_txn *txn = heir->txn;
    uint32_t circle = heir->work.row.number;

    device_receipt_delete(txn, circle);
    device_kept_delete(txn, circle);
    refusals_forget(txn, circle, KITH_OK, UINT64_MAX);
    alarm_end_at(txn, ALARM_COPIED, circle);
    alarm_end_at(txn, ALARM_OWN_FORKED, circle);
    heir->work.row.told_roster = 0;
    heir->work.row.told_circle = 0;
    heir->work.row.owed_roster = 0;
    heir->work.is_row_changed = true;
}

static void write_op(struct heir *heir, struct payload_writer *writer, struct op *op)
{
    struct dot dots[SUPERSEDES_MAX];
    struct buffer value;
    struct dot dot;
    uint32_t count = 0;

    buffer_init(&value, VALUE_MAX);
    bool is_kept = heir->rewrite(heir->owner, &heir->names, op, &value);
    if (value.err)
        store_fail(heir->txn, value.err);
    if (value.len > 0)
        op->value = buffer_view(&value);
    while (op_next_superseded(op, &dot) && count < SUPERSEDES_MAX)
        count = add_dot(dots, count, renewed_dot(&heir->names, dot));
    if (is_kept)
        payload_add(writer, op, dots, count);
    else
        heir->renewed->left_out++;
    buffer_clear(&value);
}

/* One change once more, under its new name: what it had seen, the first also what those before it
 * had. */
static uint32_t seen_anew(const struct heir *heir, struct payload *payload, bool is_first,
                          struct dot *seen)
{
    uint32_t count = 0;
    struct dot dot;

    while (!is_first && payload_next_seen(payload, &dot) && count < SEEN_MAX)
        count = add_dot(seen, count, dot);
    for (uint32_t i = 0; is_first && i < heir->seen_count; i++)
        seen[count++] = heir->seen[i];
    if (is_first && heir->names.shared > 0 && count < SEEN_MAX)
        count = add_dot(seen, count, (struct dot){heir->names.old_device, heir->names.shared});
    return count;
}

static void write_anew(struct heir *heir, const struct old_change *old, struct chain_row *own)
{
    struct payload_writer writer;
    struct payload payload;
    struct buffer text;
    struct op op;
    struct dot *seen = arena_take(&heir->txn->arena, (SEEN_MAX + 2) * sizeof *seen);

    if (!seen) {
        store_fail(heir->txn, KITH_MEMORY);
        return;
    }
    if (payload_open(&payload, old->text))
        return;
    uint32_t count = seen_anew(heir, &payload, own->received == 0, seen);
    buffer_init(&text, CHANGE_TEXT_MAX);
    payload_begin(&writer, &text, payload.hlc, seen, count, &payload.heads);
    while (payload_next_op(&payload, &op) && !heir->txn->err)
        write_op(heir, &writer, &op);
    bool is_empty = writer.total == 0;
    enum kith_err err = payload_end(&writer);
    if (err)
        store_fail(heir->txn, err);
    if (!heir->txn->err && !is_empty) {
        late_put(heir->txn, &heir->work, own, old->class, buffer_view(&text));
        uint64_t n = ++own->received;
        replica_merge_text(heir->txn, &heir->work, own, n, buffer_view(&text), heir->now_ms);
        own->applied = n;
        heir->renewed->changes++;
    }
    buffer_clear(&text);
}

/* Who has seen what the new chain names need not be told again; a chain without anything has told
 * nobody. */
static void settle_told(struct heir *heir, const struct chain_row *own)
{
    for (uint32_t i = 0; i < heir->work.chain_count; i++) {
        struct chain_row *chain = &heir->work.chains[i];
        if (own->received == 0)
            chain->told = 0;
        else if (chain->device == heir->names.old_device)
            chain->told = heir->names.shared;
        device_chain_put(heir->txn, heir->work.row.number, chain);
    }
}

static void write_rest(struct heir *heir)
{
    uint64_t rest = heir->own.received - heir->names.shared;
    struct chain_row *own = circle_work_chain(heir->txn, &heir->work, heir->names.new_device, true);

    for (uint64_t i = 0; own && i < rest && !heir->txn->err; i++)
        if (heir->rest[i].text.len > 0)
            write_anew(heir, &heir->rest[i], own);
    if (own)
        settle_told(heir, own);
}

static void renew_circle(struct heir *heir, uint32_t number)
{
    struct store_txn *txn = heir->txn;
    struct circle_row row;

    device_circle_get(txn, number, &row);
    enum kith_err err = circle_work_begin(txn, row.circle.id, &heir->work);
    memcpy(heir->names.circle, row.circle.id, ID_BYTES);
    circle_clear(&row.circle);
    if (err) {
        store_fail(txn, err);
        return;
    }
    heir->own = device_chain_own(txn, number);
    heir->own.device = heir->names.old_device;
    /* Of a circle that was left nothing more can be written; what is here stays what it is. */
    heir->names.shared = heir->work.row.part == PART_MEMBER
                             ? shared_through(txn, number, &heir->own)
                             : heir->own.received;
    read_old_chain(heir);
    if (!txn->err && heir->own.received > 0)
        hand_over(heir);
    if (!txn->err && heir->work.row.part != PART_PURGED) {
        circle_work_recount(txn, &heir->work);
        replica_merge(txn, &heir->work, heir->now_ms);
    }
    if (!txn->err)
        write_rest(heir);
    forget_old_state(heir);
    circle_work_end(txn, &heir->work);
}

static enum kith_err renew_once(struct replica *replica, const struct renewal *renewal,
                                struct heir *heir)
{
    struct store_txn txn = store_begin(replica->store, STORE_WRITE);
    uint32_t count = device_circle_count(&txn);
    uint8_t row[IDENTITY_BYTES];
    struct hub_state hub;

    memset(heir->renewed, 0, sizeof *heir->renewed);
    replica_hub_get(&txn, &hub);
    heir->txn = &txn; /* cppcheck-suppress autoVariables; for this transaction */
    heir->hub = &hub; /* cppcheck-suppress autoVariables */
    for (uint32_t number = 1; number <= count && !txn.err; number++) {
        heir->names = (struct renewed_names){.old_device = replica->identity.device,
                                             .new_device = renewal->next.device};
        heir->seen_count = 0;
        renew_circle(heir, number);
        store_forget(&txn);
    }
    hub.cursor_len = 0; /* the new number has been sent nothing */
    replica_hub_put(&txn, &hub);
    replica_set_owed_checked(&txn, 0);
    identity_encode(&renewal->next, row);
    device_meta_put(&txn, meta_identity, bytes_of(row, sizeof row));
    device_meta_put(&txn, meta_next, bytes_of(NULL, 0));
    seal_wipe(row, sizeof row);
    heir->txn = NULL;
    heir->hub = NULL;
    return store_commit(&txn);
}

enum kith_err replica_renew(struct replica *replica, const struct renewal *renewal,
                            renewed_value *rewrite, void *owner, uint64_t now_ms,
                            struct renewed *renewed)
{
    struct heir heir = {.replica = replica,
                        .rewrite = rewrite,
                        .owner = owner,
                        .now_ms = now_ms,
                        .renewed = renewed};
    enum kith_err err;

    do {
        err = renew_once(replica, renewal, &heir);
    } while (err == KITH_RETRY);
    if (!err)
        replica->identity = renewal->next;
    return err;
}

/* An own change that came back: it is here, or it proves that there is another history. */
static enum kith_err own_change(struct store_txn *txn, const struct circle_work *work,
                                const struct roster_device *self, const struct log_row *back,
                                uint64_t n, uint64_t now_ms)
{
    const struct alarm alarm = {.kind = ALARM_COPIED, .circle = work->row.number, .n = n};
    struct receipt_row receipt = {0};
    struct log_row known;

    if (device_log_get(txn, work->row.number, CHAIN_OWN, n, &known) &&
        seal_equal(known.id, back->id, HASH_BYTES)) {
        struct kept_row kept = {.n = n};
        memcpy(kept.head, back->id, HASH_BYTES);
        (void)device_receipt_get(txn, work->row.number, &receipt);
        if (n > receipt.n && n > device_kept_get(txn, work->row.number).n)
            device_kept_put(txn, work->row.number, &kept);
        return KITH_OK;
    }
    enum kith_err err = change_verify(back->id, back->change.signature, self->keys.sign);
    if (!err)
        alarm_raise(txn, &alarm, now_ms);
    return err;
}

enum kith_err renew_own_run(struct store_txn *txn, const struct circle_work *work,
                            const struct roster_device *self, struct run *run, uint64_t now_ms)
{
    const struct chain_row own = {.number = CHAIN_OWN, .device = self->number};
    struct log_row before = {0};
    struct log_row row = {0};
    enum kith_err err = KITH_OK;

    if (run->first_n > 1 &&
        !device_log_get(txn, work->row.number, CHAIN_OWN, run->first_n - 1, &before))
        return txn->err ? txn->err : KITH_GAP;
    for (uint64_t n = run->first_n; !err && run_next(run, &row.change); n++) {
        struct change_header header;
        change_header_of(work, &own, &row, n, &header);
        memcpy(header.prev, before.id, HASH_BYTES);
        change_id(&header, row.change.sealed, row.id);
        err = own_change(txn, work, self, &row, n, now_ms);
        before = row;
    }
    return err;
}
