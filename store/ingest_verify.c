/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of an ingest: frames are read, ids computed, signatures checked. Nothing is
 * stored. */
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"

/* What verification knows of a chain: the store's head, and what this ingest has added to it. */
struct tail {
    uint8_t circle[ID_BYTES];
    uint32_t device; /* the author */
    uint8_t sign_key[KEY_BYTES];
    uint64_t n;
    uint8_t id[HASH_BYTES];
    uint32_t number; /* of the circle in the store; 0 if it is not there yet */
    uint64_t stored_n;
    bool is_broken;  /* something was refused: nothing after it can be taken */
    bool is_foreign; /* not for this device to bring */
};

struct verifier {
    struct ingest *ingest;
    struct ledger *ledger;
    struct store_txn *txn;
    uint8_t agency[ID_BYTES];
    struct tail *tails;
    uint32_t tail_count;
    uint32_t tail_room;
};

static struct ingest_item *add_item(struct ingest *ingest, enum ack_kind kind)
{
    if (ingest->item_count == ingest->item_room) {
        uint32_t room = ingest->item_room ? ingest->item_room * 2 : 16;
        struct ingest_item *larger = arena_take(&ingest->arena, room * sizeof *larger);
        if (!larger) {
            ingest->err = KITH_MEMORY;
            return NULL;
        }
        if (ingest->item_count)
            memcpy(larger, ingest->items, ingest->item_count * sizeof *larger);
        ingest->items = larger;
        ingest->item_room = room;
    }
    struct ingest_item *item = &ingest->items[ingest->item_count++];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    return item;
}

/* False if there is no such device, or it has no keys of its own yet. */
static bool find_key(const struct verifier *verifier, uint32_t number,
                     uint8_t sign_key[static KEY_BYTES])
{
    struct ledger *ledger = verifier->ledger;

    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    const struct roster_device *device = roster_device(&ledger->roster, number);
    bool is_known = device && device->state != DEVICE_INVITED;
    if (is_known)
        memcpy(sign_key, device->keys.sign, KEY_BYTES);
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    return is_known;
}

/* Its own changes; others' where it reads along. A circle that is not here may come with them: then
 * the commit decides. */
static bool may_bring(const struct verifier *verifier, uint32_t circle, uint32_t author)
{
    uint32_t device = verifier->ingest->device;

    return author == device || circle == 0 || hub_is_granted(verifier->txn, device, circle);
}

static struct tail *find_tail(struct verifier *verifier, const uint8_t circle[static ID_BYTES],
                              uint32_t device)
{
    for (uint32_t i = verifier->tail_count; i > 0; i--)
        if (verifier->tails[i - 1].device == device &&
            memcmp(verifier->tails[i - 1].circle, circle, ID_BYTES) == 0)
            return &verifier->tails[i - 1];
    if (verifier->tail_count == verifier->tail_room) {
        uint32_t room = verifier->tail_room ? verifier->tail_room * 2 : 16;
        struct tail *larger = arena_take(&verifier->ingest->arena, room * sizeof *larger);
        if (!larger)
            return NULL;
        if (verifier->tail_count)
            memcpy(larger, verifier->tails, verifier->tail_count * sizeof *larger);
        verifier->tails = larger;
        verifier->tail_room = room;
    }
    struct tail *tail = &verifier->tails[verifier->tail_count++];
    memset(tail, 0, sizeof *tail);
    memcpy(tail->circle, circle, ID_BYTES);
    tail->device = device;
    tail->number = hub_circle_number(verifier->txn, circle);
    tail->is_foreign =
        !find_key(verifier, device, tail->sign_key) || !may_bring(verifier, tail->number, device);
    if (tail->number) {
        struct chain_head head = hub_tail(verifier->txn, tail->number, device);
        tail->n = head.n;
        tail->stored_n = head.n;
        memcpy(tail->id, head.id, HASH_BYTES);
    }
    return tail;
}

/* The id before the run's first change: the chain's head, or one that is stored already when the
 * run repeats. */
static enum kith_err run_prev(struct verifier *verifier, const struct tail *tail,
                              const struct run *run, uint8_t prev[static HASH_BYTES])
{
    memset(prev, 0, HASH_BYTES);
    if (run->first_n == tail->n + 1)
        memcpy(prev, tail->id, HASH_BYTES);
    else if (run->first_n > tail->n)
        return KITH_GAP;
    else if (run->first_n > 1 &&
             !hub_known_id(verifier->txn, tail->number, run->device, run->first_n - 1, prev))
        return KITH_GAP;
    return KITH_OK;
}

/* A change that is stored already must be the same one. */
static enum kith_err verify_repeated(struct verifier *verifier, const struct tail *tail,
                                     const struct ingest_item *item)
{
    uint8_t stored[HASH_BYTES];

    if (!hub_known_id(verifier->txn, tail->number, item->device, item->n, stored))
        return KITH_OK; /* it stands earlier in this very ingest: the commit compares them */
    return seal_equal(stored, item->id, HASH_BYTES) ? KITH_OK : KITH_FORKED;
}

static void verify_change(struct verifier *verifier, struct tail *tail, struct ingest_item *item)
{
    struct change_header header = {.class = item->change.class,
                                   .epoch = item->change.epoch,
                                   .device = item->device,
                                   .n = item->n};

    memcpy(header.agency, verifier->agency, ID_BYTES);
    memcpy(header.circle, item->circle, ID_BYTES);
    memcpy(header.prev, item->prev, HASH_BYTES);
    change_id(&header, item->change.sealed, item->id);
    if (item->n <= tail->n) {
        item->checked = verify_repeated(verifier, tail, item);
        return;
    }
    item->checked = change_verify(item->id, item->change.signature, tail->sign_key);
    if (item->checked)
        return;
    tail->n = item->n;
    memcpy(tail->id, item->id, HASH_BYTES);
}

static void verify_run(struct verifier *verifier, struct frame *frame)
{
    struct ingest *ingest = verifier->ingest;
    struct run run;
    struct change change;
    uint8_t prev[HASH_BYTES] = {0};

    ingest->err = run_read(&run, frame);
    if (ingest->err)
        return;
    struct tail *tail = find_tail(verifier, run.circle, run.device);
    if (!tail) {
        ingest->err = KITH_MEMORY;
        return;
    }
    enum kith_err verdict = tail->is_foreign ? KITH_FOREIGN : run_prev(verifier, tail, &run, prev);
    if (!tail->is_foreign && tail->is_broken)
        verdict = KITH_GAP;
    for (uint64_t n = run.first_n; run_next(&run, &change); n++) {
        struct ingest_item *item = add_item(ingest, ACK_CHAIN);
        if (!item)
            return;
        memcpy(item->circle, run.circle, ID_BYTES);
        memcpy(item->prev, prev, HASH_BYTES);
        item->device = run.device;
        item->n = n;
        item->change = change;
        item->checked = verdict;
        if (!verdict)
            verify_change(verifier, tail, item);
        if (item->checked)
            verdict = KITH_GAP;
        memcpy(prev, item->id, HASH_BYTES);
    }
    tail->is_broken = tail->is_broken || verdict;
}

static void verify_circle(struct ingest *ingest, struct frame *frame)
{
    struct circle_frame content;
    struct bytes raw = frame->body.left;

    ingest->err = circle_frame_read(&content, frame);
    struct ingest_item *item = ingest->err ? NULL : add_item(ingest, ACK_CIRCLE);
    if (!item)
        return;
    memcpy(item->circle, content.circle, ID_BYTES);
    item->n = content.seq;
    item->entry = content.entry;
    item->frame = raw;
}

static void verify_roster(struct ingest *ingest, struct frame *frame)
{
    struct entries entries;
    struct bytes entry;

    ingest->err = roster_frame_read(&entries, frame);
    if (ingest->err)
        return;
    for (uint32_t seq = entries.first_seq; roster_frame_next(&entries, &entry); seq++) {
        struct ingest_item *item = add_item(ingest, ACK_ROSTER);
        if (!item)
            return;
        item->n = seq;
        item->entry = entry;
    }
}

static void verify_invite(struct ingest *ingest, struct frame *frame)
{
    struct invite_frame invite;

    ingest->err = invite_read(&invite, frame);
    struct ingest_item *item = ingest->err ? NULL : add_item(ingest, ACK_ROSTER);
    if (!item)
        return;
    item->is_psk = true;
    item->device = invite.device;
    memcpy(item->psk, invite.psk, KEY_BYTES);
}

static void verify_frame(struct verifier *verifier, struct frame *frame)
{
    struct ingest *ingest = verifier->ingest;

    switch (frame->type) {
    case FRAME_PUSH:
        verify_run(verifier, frame);
        return;
    case FRAME_CIRCLE:
        verify_circle(ingest, frame);
        return;
    case FRAME_ROSTER:
        verify_roster(ingest, frame);
        return;
    case FRAME_INVITE:
        verify_invite(ingest, frame);
        return;
    default:
        ingest->err = KITH_UNKNOWN_TYPE;
    }
}

void ledger_verify(struct ledger *ledger, struct ingest *ingest)
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    struct verifier verifier = {.ingest = ingest, .ledger = ledger, .txn = &txn};
    struct wire_in batch = wire_open(buffer_view(&ingest->frames));
    struct frame frame;

    if (ingest->mode == CHANNEL_JOIN)
        ingest->err = ledger_count_attempt(ledger, ingest->device);
    (void)pthread_rwlock_rdlock(&ledger->roster_lock);
    memcpy(verifier.agency, ledger->roster.agency, ID_BYTES);
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    while (!ingest->err && frame_next(&batch, &frame))
        verify_frame(&verifier, &frame);
    if (!ingest->err)
        ingest->err = wire_close(&batch);
    enum kith_err err = store_commit(&txn);
    if (!ingest->err)
        ingest->err = err;
}
