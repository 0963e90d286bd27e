/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying a batch from the hub, or from a colleague's device by hand: everything in it is checked
 * and stored in one transaction, or nothing is.
 *
 * The hub is not believed. Roster and access chains are verified entry by entry, epoch keys against
 * the commitment, changes by their chain and signature. Because a run is hash-linked, its last
 * signature covers it whole; only when that fails is each one looked at, to say which change is
 * wrong.
 *
 * A colleague's device is believed less. Only the hub puts entries in order, so that nobody can let
 * two histories of roster or access chain begin: by hand come changes that fit what the hub has
 * shown, keys, and circles that are new. What came by hand is marked until the hub serves it, too:
 * no digest counts it, and no alarm is raised because of it.
 */
#include <string.h>

#include "protocol/hlc.h"
#include "store/give_back.h"
#include "store/alarms_internal.h"
#include "store/device_held_rows.h"
#include "store/replica_internal.h"
#include "store/sending.h"

#define STALE_MAX 4096 /* refusals as stale, in one session */

struct applier {
    struct replica *replica;
    struct sending *sending;
    const struct welcome *welcome;
    struct store_txn txn;
    struct hub_state hub;
    struct applied *applied;
    uint64_t now_ms;
    struct circle_work work; /* the circle that the last frame was about */
    bool has_work;
    struct alarm where; /* what the last frame was about */
    enum frame_type type;
    bool is_by_hand; /* not from the hub */
};

/* Merges and writes back what the current circle got. */
static void work_finish(struct applier *applier)
{
    if (!applier->has_work)
        return;
    if (late_seal(applier->replica, &applier->txn, &applier->work)) {
        applier->sending->is_listed = false;
        applier->applied->has_more = true;
    }
    replica_merge(&applier->txn, &applier->work, applier->now_ms);
    circle_work_end(&applier->txn, &applier->work);
    applier->has_work = false;
}

static enum kith_err work_on(struct applier *applier, const uint8_t circle[static ID_BYTES])
{
    if (applier->has_work && memcmp(applier->work.row.circle.id, circle, ID_BYTES) == 0)
        return KITH_OK;
    work_finish(applier);
    store_forget(&applier->txn);
    enum kith_err err = circle_work_begin(&applier->txn, circle, &applier->work);
    if (err)
        circle_clear(&applier->work.row.circle);
    applier->has_work = !err;
    return err;
}

static enum kith_err put_roster_entry(struct applier *applier, struct bytes entry)
{
    struct roster *roster = &applier->replica->roster;
    struct roster_request *request = &applier->sending->request;
    enum kith_err err = roster_append(roster, entry);

    if (err)
        return err;
    device_roster_put(&applier->txn, roster->count, entry);
    if (request->is_sent && seal_equal(roster->head, request->hash, HASH_BYTES))
        request->is_done = true;
    applier->applied->has_more = true;
    return KITH_OK;
}

/* An entry that is here already must be the same: a hub that shows another one has forked the
 * roster. */
static enum kith_err apply_roster(struct applier *applier, struct frame *frame)
{
    struct entries entries;
    struct bytes entry;
    struct bytes known;
    enum kith_err err = roster_frame_read(&entries, frame);

    for (uint32_t seq = entries.first_seq; !err && roster_frame_next(&entries, &entry); seq++) {
        if (!applier->is_by_hand)
            give_back_note_roster(&applier->txn, seq);
        if (seq > applier->replica->roster.count)
            err = applier->is_by_hand ? KITH_STALE : put_roster_entry(applier, entry);
        else if (!device_roster_get(&applier->txn, seq, &known) || !bytes_equal(known, entry))
            err = KITH_FORKED;
    }
    return err;
}

/* A box for this device: for its own key, or for the invitation that it came with. */
static enum kith_err apply_box(struct applier *applier, struct bytes box)
{
    const struct identity *identity = &applier->replica->identity;
    const struct circle_row *row = &applier->work.row;
    struct epoch_place place = {.epoch = row->circle.epoch, .device = identity->device};
    uint8_t key[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];

    memcpy(place.circle, row->circle.id, ID_BYTES);
    if (device_key_get(&applier->txn, row->number, row->circle.epoch, key)) {
        seal_wipe(key, sizeof key);
        return KITH_OK;
    }
    enum kith_err err = box_open(&place, identity->box_secret, box.ptr, key);
    if (err)
        err = box_open(&place, identity->invite_box_secret, box.ptr, key);
    if (err)
        return err;
    epoch_commit(key, row->circle.epoch, commitment);
    if (!seal_equal(commitment, circle_commitment(&row->circle, row->circle.epoch), HASH_BYTES))
        err = KITH_COMMITMENT;
    else
        device_key_put(&applier->txn, row->number, row->circle.epoch, key);
    seal_wipe(key, sizeof key);
    if (!err)
        circle_work_history(&applier->txn, &applier->work);
    return err;
}

static enum kith_err begin_circle(struct applier *applier, const struct circle_frame *content)
{
    work_finish(applier);
    memset(&applier->work, 0, sizeof applier->work);
    circle_init(&applier->work.row.circle);
    enum kith_err err =
        circle_append(&applier->work.row.circle, &applier->replica->roster, content->entry);
    if (!err && !seal_equal(applier->work.row.circle.id, content->circle, ID_BYTES))
        err = KITH_FOREIGN;
    if (!err && applier->is_by_hand &&
        !circle_has_device(&applier->work.row.circle, applier->replica->identity.device))
        err = KITH_NOT_MEMBER;
    if (err) {
        circle_clear(&applier->work.row.circle);
        return err;
    }
    applier->work.row.number = device_circle_new(&applier->txn, content->circle);
    applier->has_work = true;
    return KITH_OK;
}

/* Adds an entry to the chain of the circle in hand; what it is owed is looked at again. */
static enum kith_err add_entry(struct applier *applier, struct bytes entry, bool is_begun)
{
    struct circle_work *work = &applier->work;
    struct before_entry before = before_entry(applier->replica, &applier->txn, work);
    enum kith_err err =
        is_begun ? KITH_OK : circle_append(&work->row.circle, &applier->replica->roster, entry);

    enum circle_part part = work->row.part;
    if (!err && !is_begun)
        err = after_entry(applier->replica, &applier->txn, work, &before, entry, &applier->hub);
    if (err)
        return err;
    /* Who is back asks for receipts at once. */
    if (work->row.part == PART_MEMBER && part != PART_MEMBER)
        applier->sending->is_listed = false;
    device_entry_put(&applier->txn, work->row.number, work->row.circle.count, entry);
    if (!applier->is_by_hand)
        work->row.acked_entries = work->row.circle.count;
    work->row.owed_roster = 0;
    work->is_row_changed = true;
    replica_set_owed_checked(&applier->txn, 0);
    applier->applied->has_more = true;
    return KITH_OK;
}

/* Whoever was let in by an entry that is lost is let in anew by who wrote that. */
static void wish_again(struct applier *applier, const struct circle_entry *entry)
{
    if (entry->author != applier->replica->identity.device)
        return;
    for (uint32_t i = 0; i < entry->member_count; i++) {
        struct intent_row intent = {
            .kind = INTENT_GRANT, .circle = applier->work.row.number, .member = entry->members[i]};
        device_intent_put(&applier->txn, &intent);
    }
    applier->applied->has_more = true;
}

/* A restored hub has gone on with another entry than the one that was lost with it and is here: the
 * hub's is the one that everybody gets. What comes after a change of keys cannot be undone. */
static enum kith_err rewind_circle(struct applier *applier, uint32_t seq)
{
    struct circle_row *row = &applier->work.row;
    struct circle before;
    struct bytes bytes;
    enum kith_err err = seq > row->acked_entries ? KITH_OK : KITH_FORKED;

    if (!give_back_is_recent(&applier->txn, applier->now_ms) || applier->is_by_hand)
        return KITH_FORKED;
    circle_init(&before);
    for (uint32_t at = 1; !err && at <= row->circle.count; at++) {
        struct circle_entry entry;
        if (!device_entry_get(&applier->txn, row->number, at, &bytes))
            err = KITH_DAMAGED;
        else if (at < seq)
            err = circle_append(&before, &applier->replica->roster, bytes);
        else if (!circle_entry_read(&entry, bytes, &applier->txn.arena) &&
                 entry.type == CIRCLE_GRANT)
            wish_again(applier, &entry);
        else
            err = KITH_FORKED;
    }
    if (err) {
        circle_clear(&before);
        return err;
    }
    for (uint32_t at = seq; at <= row->circle.count; at++)
        device_entry_delete(&applier->txn, row->number, at);
    circle_clear(&row->circle);
    row->circle = before;
    if (!circle_has_device(&before, applier->replica->identity.device))
        row->part = PART_COMING; /* let in by what was lost, and anew by who wrote that */
    applier->work.is_row_changed = true;
    circle_work_recount(&applier->txn, &applier->work);
    return KITH_OK;
}

/* The hub has a circle that came by hand before: what was written in it can go there. */
static void note_entry_served(struct applier *applier, uint32_t seq)
{
    struct circle_row *row = &applier->work.row;

    if (applier->is_by_hand || seq <= row->acked_entries)
        return;
    row->acked_entries = seq;
    applier->work.is_row_changed = true;
    applier->sending->is_listed = false;
    applier->applied->has_more = true;
}

static enum kith_err apply_circle(struct applier *applier, struct frame *frame)
{
    struct circle_frame content;
    struct bytes known;
    struct bytes box;
    uint32_t device;
    enum kith_err err = circle_frame_read(&content, frame);

    if (err)
        return err;
    err = work_on(applier, content.circle);
    bool is_begun = err == KITH_UNKNOWN_CIRCLE && content.seq == 1;
    if (is_begun)
        err = begin_circle(applier, &content);
    if (err)
        return err;
    bool is_another =
        content.seq <= applier->work.row.circle.count && !is_begun &&
        (!device_entry_get(&applier->txn, applier->work.row.number, content.seq, &known) ||
         !bytes_equal(known, content.entry));
    if (is_another)
        err = rewind_circle(applier, content.seq);
    if (err)
        return err;
    bool is_news = is_begun || content.seq > applier->work.row.circle.count;
    if (is_news && !is_begun && applier->is_by_hand)
        return KITH_STALE;
    if (is_news)
        err = add_entry(applier, content.entry, is_begun);
    else
        note_entry_served(applier, content.seq);
    if (applier->is_by_hand && content.seq < applier->work.row.circle.count)
        return err; /* its boxes are of an epoch before */
    while (!err && circle_frame_box(&content, &device, &box))
        if (device == applier->replica->identity.device)
            err = apply_box(applier, box);
    /* A key that is not the circle's is not taken; what is under it waits, and nothing else does.
     */
    if ((err == KITH_DECRYPT || err == KITH_COMMITMENT) && !applier->is_by_hand)
        alarm_raise(&applier->txn,
                    &(struct alarm){.kind = ALARM_WRONG_KEY,
                                    .circle = applier->work.row.number,
                                    .n = applier->work.row.circle.epoch},
                    applier->now_ms);
    return err == KITH_DECRYPT || err == KITH_COMMITMENT ? KITH_OK : err;
}

/* A run in hand: the ids of its changes, and the one whose signature covers those before it. */
struct run_check {
    const struct roster_device *author;
    struct log_row *rows;
    uint32_t count;
    uint64_t first_n;
};

static enum kith_err read_run(struct applier *applier, struct run *run, struct chain_row *chain,
                              struct run_check *check)
{
    uint8_t prev[HASH_BYTES];
    struct change change;

    check->rows = arena_take(&applier->txn.arena, (run->count + 1) * sizeof *check->rows);
    if (!check->rows)
        return KITH_MEMORY;
    memcpy(prev, chain->head, HASH_BYTES);
    for (uint64_t n = run->first_n; run_next(run, &change); n++) {
        struct log_row *row = &check->rows[check->count];
        struct change_header header;
        if (n <= chain->received) {
            alarm_if_another(&applier->txn, &applier->work, chain, n, &change, check->author,
                             applier->now_ms);
            continue;
        }
        row->change = change;
        change_header_of(&applier->work, chain, row, n, &header);
        memcpy(header.prev, prev, HASH_BYTES);
        change_id(&header, change.sealed, row->id);
        memcpy(prev, row->id, HASH_BYTES);
        check->count++;
    }
    check->first_n = chain->received + 1;
    return KITH_OK;
}

/* By members, and of devices that left up to their cuts: the hub hands over nothing else. */
static enum kith_err check_taken(const struct applier *applier, const struct chain_row *chain,
                                 const struct run_check *check)
{
    enum kith_err err = KITH_OK;

    for (uint32_t i = 0; i < check->count && !err; i++) {
        struct change_header header;
        change_header_of(&applier->work, chain, &check->rows[i], check->first_n + i, &header);
        err = circle_takes(&applier->work.row.circle, &applier->replica->roster, &header,
                           check->rows[i].id);
    }
    return err;
}

/* The last signature answers for the run. If it fails, each is tried, so that what is right before
 * the fault is kept out as well: the batch is refused as a whole. */
static enum kith_err verify_run(const struct run_check *check)
{
    if (check->count == 0)
        return KITH_OK;
    const struct log_row *last = &check->rows[check->count - 1];

    return change_verify(last->id, last->change.signature, check->author->keys.sign);
}

/* A change that came by hand is here, and the hub serves another one under its number: its author
 * has written two histories. The hub's is the one that everybody has. */
static enum kith_err drop_by_hand(struct applier *applier, struct chain_row *chain, uint64_t n,
                                  const struct run_check *check, const struct change *change)
{
    struct circle_work *work = &applier->work;
    struct log_row row = {0};

    alarm_if_another(&applier->txn, work, chain, n, change, check->author, applier->now_ms);
    for (uint64_t at = chain->served + 1; at <= chain->received; at++) {
        if (device_log_get(&applier->txn, work->row.number, chain->number, at, &row))
            alarm_keep_proof(&applier->txn, work->row.number, chain->device, at, &row);
        device_log_delete(&applier->txn, work->row.number, chain->number, at);
    }
    row = (struct log_row){0};
    if (chain->served > 0)
        (void)device_log_get(&applier->txn, work->row.number, chain->number, chain->served, &row);
    memcpy(chain->head, row.id, HASH_BYTES);
    chain->received = chain->served;
    circle_work_recount(&applier->txn, work);
    return applier->txn.err;
}

/* What the heads in a change say against the hub is heard when the hub serves it. */
static void hear_heads(struct applier *applier, const struct chain_row *chain, uint64_t n)
{
    struct payload payload;
    struct buffer text;

    buffer_init(&text, CHANGE_TEXT_MAX);
    if (n <= chain->applied && !circle_work_is_beyond(&applier->txn, &applier->work, chain, n) &&
        !circle_work_text(&applier->txn, &applier->work, chain, n, &text) &&
        !payload_open(&payload, buffer_view(&text)))
        evidence_of_heads(&applier->txn, &applier->work, chain->device, &payload, applier->now_ms);
    buffer_clear(&text);
}

/* What came by hand before and is served now counts as served. */
static enum kith_err note_served(struct applier *applier, struct run run, struct chain_row *chain,
                                 const struct run_check *check)
{
    uint64_t before = chain->served;
    struct change change;
    struct log_row row;

    for (uint64_t n = run.first_n; n <= chain->received && run_next(&run, &change); n++) {
        if (n <= chain->served)
            continue;
        if (!device_log_get(&applier->txn, applier->work.row.number, chain->number, n, &row))
            return KITH_DAMAGED;
        if (memcmp(row.change.signature, change.signature, SIGNATURE_BYTES) != 0)
            return drop_by_hand(applier, chain, n, check, &change);
        digest_add(applier->hub.digest, row.id);
        chain->served = n;
        hear_heads(applier, chain, n);
    }
    if (chain->served != before)
        device_chain_put(&applier->txn, applier->work.row.number, chain);
    return KITH_OK;
}

static void store_run(struct applier *applier, struct chain_row *chain,
                      const struct run_check *check)
{
    uint32_t circle = applier->work.row.number;

    for (uint32_t i = 0; i < check->count; i++) {
        device_log_put(&applier->txn, circle, chain->number, check->first_n + i, &check->rows[i]);
        chain->received = check->first_n + i;
        memcpy(chain->head, check->rows[i].id, HASH_BYTES);
        if (applier->is_by_hand)
            continue;
        digest_add(applier->hub.digest, check->rows[i].id);
        chain->served = chain->received;
    }
    applier->applied->received += check->count;
    if (check->count > 0)
        device_chain_put(&applier->txn, circle, chain);
    if (check->count > 0 && applier->is_by_hand)
        replica_set_carrying(&applier->txn, true);
}

static enum kith_err apply_served(struct applier *applier, struct run *run, struct chain_row *chain,
                                  struct run_check *check)
{
    if (run->first_n > chain->served + 1)
        return KITH_GAP;
    enum kith_err err = note_served(applier, *run, chain, check);
    if (!err)
        err = read_run(applier, run, chain, check);
    if (!err)
        err = check_taken(applier, chain, check);
    if (!err)
        err = verify_run(check);
    if (err)
        return err;
    store_run(applier, chain, check);
    if (circle_cut(&applier->work.row.circle, chain->device) ||
        check->author->state == DEVICE_ENDED)
        waitings_settle(&applier->txn, &applier->work, chain);
    return KITH_OK;
}

/* Of a device that was removed the hub decides what still counts. */
static bool is_waiting_for_hub(const struct applier *applier, const struct run_check *check,
                               uint64_t n)
{
    const struct circle_cut *cut = circle_cut(&applier->work.row.circle, check->author->number);

    return check->author->state == DEVICE_ENDED && !(cut && n <= cut->n);
}

/* Takes what fits with what is known here, from the front; the rest is left out. */
static enum kith_err apply_by_hand(struct applier *applier, struct run *run,
                                   struct chain_row *chain, struct run_check *check)
{
    if (run->first_n > chain->received + 1)
        return KITH_GAP;
    enum kith_err err = read_run(applier, run, chain, check);
    if (!err)
        err = verify_run(check);
    if (err)
        return err;
    uint32_t count = check->count;
    for (check->count = 0; check->count < count; check->count++) {
        struct run_check next = {.rows = check->rows + check->count, .count = 1};
        next.first_n = check->first_n + check->count;
        if (is_waiting_for_hub(applier, check, next.first_n) || check_taken(applier, chain, &next))
            break;
    }
    applier->applied->refused += count - check->count;
    store_run(applier, chain, check);
    return KITH_OK;
}

static enum kith_err apply_changes(struct applier *applier, struct frame *frame)
{
    struct run run;
    struct run_check check = {0};
    enum kith_err err = run_read(&run, frame);

    if (!err)
        err = work_on(applier, run.circle);
    if (err)
        return err;
    applier->where.device = run.device;
    applier->where.n = run.first_n;
    check.author = roster_device(&applier->replica->roster, run.device);
    if (!check.author)
        return KITH_UNKNOWN_DEVICE;
    bool is_own = run.device == applier->replica->identity.device;
    if (is_own && applier->is_by_hand)
        return KITH_OK; /* what is missing here of it the hub tells */
    if (is_own)
        return renew_own_run(&applier->txn, &applier->work, check.author, &run, applier->now_ms);
    if (applier->is_by_hand && applier->work.row.part != PART_MEMBER)
        return KITH_NOT_MEMBER;
    circle_work_welcome(&applier->txn, &applier->work);
    struct chain_row *chain = circle_work_chain(&applier->txn, &applier->work, run.device, false);
    if (!chain)
        return KITH_MEMORY;
    return applier->is_by_hand ? apply_by_hand(applier, &run, chain, &check)
                               : apply_served(applier, &run, chain, &check);
}

/* The hub shows less than it acknowledged before this session began. */
static void note_rollback(struct applier *applier, uint32_t circle, uint64_t acknowledged)
{
    const struct alarm alarm = {.kind = ALARM_ROLLED_BACK,
                                .circle = circle,
                                .device = applier->replica->identity.device,
                                .n = acknowledged};

    alarm_raise(&applier->txn, &alarm, applier->now_ms);
}

/* Whether the own chain has this change. If not, somebody else writes as this device, or did before
 * it was set back, or the hub lies: what the hub has of it will show. */
static bool is_own_head(struct applier *applier, uint32_t circle, const struct ack_line *line)
{
    const struct alarm alarm = {.kind = ALARM_OWN_FORKED, .circle = circle, .n = line->n};
    struct log_row row;

    if (device_log_get(&applier->txn, circle, CHAIN_OWN, line->n, &row) &&
        seal_equal(row.id, line->head, HASH_BYTES))
        return true;
    alarm_raise(&applier->txn, &alarm, applier->now_ms);
    applier->sending->is_doubted = true;
    return false;
}

/* What the hub is known to have has grown while it is being given back: what it lacks is looked at
 * again. */
static void note_given(struct applier *applier)
{
    uint32_t roster_at_hub;

    if (!give_back_is_on(&applier->txn, &roster_at_hub))
        return;
    applier->sending->is_listed = false;
    applier->applied->has_more = true;
}

/* The receipt for the own chain: good if it names a head that this device has written. */
static enum kith_err apply_chain_line(struct applier *applier, const struct ack *ack,
                                      const struct ack_line *line)
{
    struct receipt_row receipt = {0};
    enum kith_err err = work_on(applier, line->circle);

    if (err)
        return err;
    uint32_t circle = applier->work.row.number;
    bool is_own = line->device == applier->replica->identity.device;
    if (!is_own || !is_own_head(applier, circle, line))
        return KITH_OK;
    (void)device_receipt_get(&applier->txn, circle, &receipt);
    if (receipt.n >= line->n &&
        memcmp(receipt.incarnation, applier->welcome->incarnation, INCARNATION_BYTES) == 0) {
        uint64_t floor = sending_floor(applier->sending, circle);
        bool is_same_hub =
            memcmp(applier->sending->incarnation, receipt.incarnation, INCARNATION_BYTES) == 0;
        if (line->n < floor && is_same_hub)
            note_rollback(applier, circle, floor);
        return KITH_OK;
    }
    applier->applied->acknowledged += (uint32_t)(line->n > receipt.n ? line->n - receipt.n : 0);
    receipt.n = line->n;
    memcpy(receipt.head, line->head, HASH_BYTES);
    memcpy(receipt.incarnation, applier->welcome->incarnation, INCARNATION_BYTES);
    memcpy(receipt.signature, ack->signature, SIGNATURE_BYTES);
    receipt.lines = ack->raw;
    device_receipt_put(&applier->txn, circle, &receipt);
    note_given(applier);
    /* What lies beyond the own cut counts from now on. */
    if (circle_cut(&applier->work.row.circle, line->device) &&
        applier->work.row.part == PART_MEMBER)
        circle_work_recount(&applier->txn, &applier->work);
    return KITH_OK;
}

/* The hub holds the own chain beyond what counts: as good a reason not to send it again. */
static enum kith_err apply_held_line(struct applier *applier, const struct ack_line *line)
{
    struct kept_row kept = {.n = line->n};
    enum kith_err err = work_on(applier, line->circle);

    if (err || line->device != applier->replica->identity.device)
        return err;
    uint32_t circle = applier->work.row.number;
    if (!is_own_head(applier, circle, line))
        return KITH_OK;
    memcpy(kept.head, line->head, HASH_BYTES);
    if (kept.n > device_kept_get(&applier->txn, circle).n)
        device_kept_put(&applier->txn, circle, &kept);
    refusals_forget(&applier->txn, circle, KITH_HELD_FULL, kept.n);
    return KITH_OK;
}

/* A change of a device that left, for whoever may decide about it. */
static enum kith_err apply_held(struct applier *applier, struct frame *frame)
{
    struct held held;
    enum kith_err err = held_read(&held, frame);

    if (!err)
        err = work_on(applier, held.circle);
    if (err)
        return err;
    const struct roster_device *author = roster_device(&applier->replica->roster, held.device);
    const struct circle_cut *cut = circle_cut(&applier->work.row.circle, held.device);
    if (!author)
        return KITH_UNKNOWN_DEVICE;
    if (cut && held.n <= cut->n)
        return KITH_OK; /* admitted by an entry that is here already */
    struct waiting_row row = {.circle = applier->work.row.number,
                              .device = held.device,
                              .n = held.n,
                              .leaving = held.leaving,
                              .time_s = held.time_s,
                              .change = held.change};
    struct change_header header = {
        .class = held.change.class, .epoch = held.change.epoch, .device = held.device, .n = held.n};
    memcpy(header.agency, applier->work.row.circle.agency, ID_BYTES);
    memcpy(header.circle, held.circle, ID_BYTES);
    memcpy(header.prev, held.prev, HASH_BYTES);
    memcpy(row.prev, held.prev, HASH_BYTES);
    change_id(&header, held.change.sealed, row.id);
    err = change_verify(row.id, held.change.signature, author->keys.sign);
    /* Sent again, it stays what it was decided to be. */
    row.is_rejected = device_waiting_is_rejected(&applier->txn, &row);
    if (!err)
        device_waiting_put(&applier->txn, &row);
    return err;
}

/* The access chain at the hub: up to our own newest entry, or with the grant that is under way. */
static enum kith_err apply_circle_line(struct applier *applier, const struct ack_line *line)
{
    enum kith_err err = work_on(applier, line->circle);
    if (err)
        return err;
    struct circle_work *work = &applier->work;
    struct sending_grant *grant = sending_find_grant(applier->sending, work->row.number);
    if (grant && line->n == grant->seq && seal_equal(line->head, grant->hash, HASH_BYTES)) {
        for (uint32_t i = 0; i < grant->intent_count; i++)
            device_intent_delete(&applier->txn, grant->intents[i]);
        if (work->row.circle.count + 1 == grant->seq)
            err = add_entry(applier, buffer_view(&grant->entry), false);
        if (!err && grant->epoch && grant->epoch == work->row.circle.epoch &&
            circle_has_device(&work->row.circle, applier->replica->identity.device))
            device_key_put(&applier->txn, work->row.number, grant->epoch, grant->key);
        grant->is_taken = true;
        if (!grant->has_boxes)
            sending_drop_grant(applier->sending, grant);
    }
    /* Others may have gone on from there. */
    uint32_t known = line->n < work->row.circle.count ? (uint32_t)line->n : work->row.circle.count;
    if (known > work->row.acked_entries) {
        work->row.acked_entries = known;
        work->is_row_changed = true;
        note_given(applier);
    }
    return err;
}

/* The entry that this device asked for stands in the hub's roster. If others came in between, it
 * arrives with them. */
static enum kith_err apply_roster_line(struct applier *applier, const struct ack_line *line)
{
    struct roster_request *request = &applier->sending->request;
    bool is_ours =
        request->is_sent && !request->is_done && seal_equal(line->head, request->hash, HASH_BYTES);

    give_back_note_roster(&applier->txn, (uint32_t)line->n);
    note_given(applier);
    alarm_if_roster_is_less(&applier->txn, &applier->replica->roster,
                            applier->sending->roster_floor, line, applier->now_ms);
    if (!is_ours || line->n != applier->replica->roster.count + 1)
        return KITH_OK;
    return put_roster_entry(applier, buffer_view(&applier->sending->request_entry));
}

static enum kith_err apply_ack(struct applier *applier, struct frame *frame)
{
    struct ack ack;
    struct ack_line line;
    uint8_t hash[HASH_BYTES];
    const struct roster *roster = &applier->replica->roster;
    enum kith_err err = ack_read(&ack, frame);

    /* The founder's first receipt comes before the roster stands here: its agency is what the
     * request makes it. */
    if (!err && roster->count > 0 && ack.count > 0) {
        ack_hash(roster->agency, applier->welcome->incarnation, ack.raw, hash);
        err = seal_verify(SEAL_RECEIPT_SIGN, roster->hub_sign, hash, ack.signature);
    }
    while (!err && ack_next(&ack, &line)) {
        switch (line.kind) {
        case ACK_CHAIN:
            err = apply_chain_line(applier, &ack, &line);
            break;
        case ACK_CIRCLE:
            err = apply_circle_line(applier, &line);
            break;
        case ACK_ROSTER:
            err = apply_roster_line(applier, &line);
            break;
        case ACK_HELD:
            err = apply_held_line(applier, &line);
            break;
        }
    }
    return err;
}

/* Built on an old head: it will be written anew. Refused for another reason: a person is told. */
static void refuse_grant(struct applier *applier, uint32_t circle, const struct refused *refused)
{
    struct sending_grant *grant = sending_find_grant(applier->sending, circle);

    if (!grant)
        return;
    bool is_stale = refused->reason == KITH_STALE;
    for (uint32_t i = 0; i < grant->intent_count && !is_stale; i++)
        device_intent_delete(&applier->txn, grant->intents[i]);
    if (!is_stale)
        device_refused_put(&applier->txn, circle, refused->kind, refused->n, refused->reason);
    sending_drop_grant(applier->sending, grant);
}

/* What was built on an old head waits until what is new has come; that is asked for again if the
 * answer came before. */
static void note_stale(struct sending *sending)
{
    sending->stale_count++;
    sending->is_stale = true;
    if (sending->is_pull_answered)
        sending->is_pull_sent = false;
}

/* An entry of an access chain that was given back, where the hub has gone on with another. */
static bool is_given_back_in_vain(struct applier *applier, const struct refused *refused)
{
    uint32_t circle = device_circle_number(&applier->txn, refused->circle);
    uint32_t roster_at_hub;

    return refused->kind == ACK_CIRCLE && refused->n > 1 && circle &&
           give_back_is_on(&applier->txn, &roster_at_hub) &&
           !sending_find_grant(applier->sending, circle);
}

/* No verdict: what was sent was for the hub as it was before it was restored, or for one that did
 * not know yet what it lacks. */
static bool was_for_another_hub(struct applier *applier)
{
    static const uint8_t none[INCARNATION_BYTES];
    const struct sending *sending = applier->sending;
    uint32_t roster_at_hub;

    if (give_back_is_on(&applier->txn, &roster_at_hub) && !sending->is_pull_answered)
        return true;
    return memcmp(sending->incarnation, none, INCARNATION_BYTES) != 0 &&
           memcmp(sending->incarnation, applier->welcome->incarnation, INCARNATION_BYTES) != 0;
}

static enum kith_err apply_refused(struct applier *applier, struct frame *frame)
{
    struct refused refused;
    enum kith_err err = refused_read(&refused, frame);

    if (err)
        return err;
    /* Others' changes were only carried: their authors are told themselves. */
    if (refused.kind == ACK_CHAIN && refused.device != applier->replica->identity.device)
        return KITH_OK;
    /* A hub that calls everything stale is not asked for ever. */
    if (refused.reason == KITH_STALE && applier->sending->stale_count == STALE_MAX)
        return KITH_TOO_MANY;
    if (is_given_back_in_vain(applier, &refused))
        return KITH_OK;
    if (refused.reason == KITH_STALE)
        note_stale(applier->sending);
    if (refused.kind == ACK_ROSTER) {
        struct roster_request *request = &applier->sending->request;
        request->is_sent = false;
        request->refusal = refused.reason == KITH_STALE ? KITH_OK : refused.reason;
        applier->applied->has_more = true;
        return KITH_OK;
    }
    uint32_t circle = device_circle_number(&applier->txn, refused.circle);
    if (circle == 0)
        return KITH_UNKNOWN_CIRCLE;
    if (was_for_another_hub(applier))
        return KITH_OK;
    applier->applied->refused++;
    /* No verdict about the change, which goes again: the hub lacks what came before. */
    if (refused.kind == ACK_CHAIN && refused.reason == KITH_GAP)
        return KITH_OK;
    applier->applied->has_more = applier->applied->has_more || refused.reason == KITH_STALE;
    if (refused.kind == ACK_CIRCLE && refused.n > 1)
        refuse_grant(applier, circle, &refused);
    else
        device_refused_put(&applier->txn, circle, refused.kind, refused.n, refused.reason);
    return KITH_OK;
}

static enum kith_err apply_cursor(struct applier *applier, struct frame *frame)
{
    struct cursor_frame cursor;
    enum kith_err err = cursor_read(&cursor, frame);

    if (err)
        return err;
    memcpy(applier->hub.incarnation, applier->welcome->incarnation, INCARNATION_BYTES);
    memcpy(applier->hub.cursor, cursor.cursor.ptr, cursor.cursor.len);
    applier->hub.cursor_len = cursor.cursor.len;
    return KITH_OK;
}

/* What does not fit is left out and counted; what cannot be honest ends it. */
static enum kith_err apply_frame_by_hand(struct applier *applier, struct frame *frame)
{
    enum kith_err err = KITH_STATE;

    if (frame->type == FRAME_ROSTER)
        err = apply_roster(applier, frame);
    else if (frame->type == FRAME_CIRCLE)
        err = apply_circle(applier, frame);
    else if (frame->type == FRAME_CHANGES)
        err = apply_changes(applier, frame);
    switch ((int)err) {
    case KITH_GAP:
    case KITH_STALE:
    case KITH_NOT_MEMBER:
    case KITH_NOT_ALLOWED:
    case KITH_UNKNOWN_CIRCLE:
    case KITH_UNKNOWN_DEVICE:
    case KITH_EPOCH:
    case KITH_ENDED:
        applier->applied->left_out++;
        return KITH_OK;
    default:
        return err;
    }
}

static enum kith_err apply_frame(struct applier *applier, struct frame *frame)
{
    applier->type = (enum frame_type)frame->type;
    applier->where = (struct alarm){0};
    if (applier->is_by_hand)
        return apply_frame_by_hand(applier, frame);
    switch (frame->type) {
    case FRAME_ROSTER:
        return apply_roster(applier, frame);
    case FRAME_CIRCLE:
        return apply_circle(applier, frame);
    case FRAME_CHANGES:
        return apply_changes(applier, frame);
    case FRAME_ACK:
        return apply_ack(applier, frame);
    case FRAME_REFUSED:
        return apply_refused(applier, frame);
    case FRAME_CURSOR:
        return apply_cursor(applier, frame);
    case FRAME_HELD:
        return apply_held(applier, frame);
    case FRAME_WELCOME:
        return KITH_OK; /* the session's */
    default:
        return frame->type >= FRAME_SKIPPABLE ? KITH_OK : KITH_UNKNOWN_TYPE;
    }
}

/* Whether a batch says anything but that there is nothing new. Writing that down would cost a sync
 * to disk. */
static bool is_worth_storing(const struct applier *applier, struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    struct cursor_frame cursor;

    while (frame_next(&batch, &frame)) {
        if (frame.type == FRAME_WELCOME)
            continue;
        bool is_same_cursor =
            frame.type == FRAME_CURSOR && !cursor_read(&cursor, &frame) &&
            bytes_equal(cursor.cursor, bytes_of(applier->hub.cursor, applier->hub.cursor_len));
        if (!is_same_cursor)
            return true;
    }
    return false;
}

static enum kith_err apply_once(struct applier *applier, struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    enum kith_err err = KITH_OK;

    applier->txn = store_begin(applier->replica->store, STORE_WRITE);
    replica_hub_get(&applier->txn, &applier->hub);
    bool is_another = !applier->is_by_hand && give_back_is_due(&applier->hub, applier->welcome);
    /* Another session has heard of another hub since: only one that is served all may begin. */
    bool is_old =
        memcmp(applier->sending->pulled, applier->welcome->incarnation, INCARNATION_BYTES) == 0;
    if (is_another && (is_old || applier->sending->has_applied)) {
        store_abort(&applier->txn);
        return KITH_LOST;
    }
    if (is_another)
        give_back_begin(&applier->txn, &applier->hub, applier->welcome, applier->now_ms);
    if (!is_another && !is_worth_storing(applier, frames)) {
        store_abort(&applier->txn);
        return KITH_OK;
    }
    while (!err && !applier->txn.err && frame_next(&batch, &frame))
        err = apply_frame(applier, &frame);
    if (!err)
        err = wire_close(&batch);
    if (err)
        store_fail(&applier->txn, err);
    if (applier->has_work)
        applier->where.circle = applier->work.row.number;
    work_finish(applier);
    replica_hub_put(&applier->txn, &applier->hub);
    err = store_commit(&applier->txn);
    applier->sending->has_applied = applier->sending->has_applied || !err;
    if (!err && is_another) {
        applier->sending->is_listed = false;
        applier->sending->is_lacking = true;
        applier->sending->roster_floor = 1; /* it may have less than it had */
    }
    if (err) {
        enum kith_err read_err = replica_read_roster(applier->replica);
        if (read_err && err == KITH_RETRY)
            err = read_err;
    }
    return err;
}

/* Whether a batch ends the answer to a PULL. */
static bool is_up_to_date(struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    struct cursor_frame cursor;

    while (frame_next(&batch, &frame))
        if (frame.type == FRAME_CURSOR && !cursor_read(&cursor, &frame) && cursor.is_up_to_date)
            return true;
    return false;
}

enum kith_err replica_apply(struct replica *replica, struct sending *sending,
                            const struct welcome *welcome, struct bytes frames, uint64_t now_ms,
                            struct applied *applied)
{
    enum kith_err noted = KITH_OK;
    enum kith_err err;

    do {
        struct applier applier = {.replica = replica,
                                  .sending = sending,
                                  .welcome = welcome,
                                  .applied = applied,
                                  .now_ms = now_ms};
        memset(applied, 0, sizeof *applied);
        err = apply_once(&applier, frames);
        if (err > KITH_OK && err < KITH_FULL)
            noted = alarm_refused(replica, &applier.where, applier.type, err, now_ms);
    } while (err == KITH_RETRY);
    if (!err && is_up_to_date(frames)) {
        applied->has_more = applied->has_more || sending->is_stale || sending->is_lacking;
        sending->is_pull_answered = true;
        sending->is_stale = false;
        sending->is_receiving = false;
        noted = evidence_settle(replica, now_ms);
    } else if (!err && sending->is_pull_sent && !sending->is_pull_answered) {
        sending->is_receiving = true;
    }
    const struct roster_request *request = &sending->request;
    bool is_request_open =
        request->is_wanted && !request->is_sent && !request->is_done && !request->refusal;
    applied->has_more = applied->has_more || is_request_open;
    return err ? err : noted;
}

enum kith_err replica_take(struct replica *replica, struct sending *sending, struct bytes frames,
                           uint64_t now_ms, struct applied *applied)
{
    enum kith_err err;

    do {
        struct applier applier = {.replica = replica,
                                  .sending = sending,
                                  .applied = applied,
                                  .now_ms = now_ms,
                                  .is_by_hand = true};
        memset(applied, 0, sizeof *applied);
        err = apply_once(&applier, frames);
    } while (err == KITH_RETRY);
    return err;
}
