/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of an ingest: everything admissible of many sessions in one durable transaction,
 * and their answers. */
#include <stdlib.h>
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ingest_internal.h"

#define LIVE_FRAMES_MAX 16384 /* more is read from the store again */

/* A change is kept as it is sent, until something else comes to its circle. */
static void live_add(struct touched *touched, const struct ingest_item *item, uint64_t sequence)
{
    struct news_live *live = &touched->live;
    bool is_first = live->changes == 0;

    if (is_first) {
        touched->author = item->device;
        live->first = sequence;
        memcpy(live->circle, touched->circle.id, ID_BYTES);
        run_begin(&touched->run);
    }
    size_t bytes = run_bytes(&touched->run) + item->change.sealed.len + RUN_CHANGE_OVERHEAD;
    touched->is_mixed =
        touched->is_mixed || touched->author != item->device || bytes > LIVE_FRAMES_MAX;
    if (touched->is_mixed)
        return;
    run_add(&touched->run, item->circle, item->device, item->n, &item->change);
    digest_add(live->digest, item->id);
    live->last = sequence;
    live->changes++;
}

/* The recipients of a circle, and those that an entry may have taken out: they hear of that. */
static void tell_all(struct news *news, const struct touched *touched)
{
    const struct circle *circle = &touched->circle;

    news_add(news, circle->devices, circle->device_count);
    for (uint32_t i = 0; touched->is_changed && i < circle->cut_count; i++)
        news_add(news, &circle->cuts[i].device, 1);
}

/* All recipients but the author, who has it. */
static void tell_live(struct committer *committer, struct touched *touched)
{
    struct circle *circle = &touched->circle;
    struct news *news = &committer->ledger->news;
    struct buffer frames;
    uint32_t count = 0;

    buffer_init(&frames, BATCH_MAX);
    run_flush(&touched->run, FRAME_CHANGES, &frames);
    for (uint32_t i = 0; i < circle->device_count; i++)
        if (circle->devices[i] != touched->author)
            circle->devices[count++] = circle->devices[i];
    if (frames.err)
        news_add(news, circle->devices, count);
    else
        news_add_live(news, &touched->live, buffer_view(&frames), circle->devices, count);
    buffer_clear(&frames);
}

const struct news *ledger_news(const struct ledger *ledger)
{
    return &ledger->news;
}

static void touched_clear(struct committer *committer)
{
    for (uint32_t i = 0; i < committer->touched_count; i++) {
        struct touched *touched = &committer->touched[i];
        if (touched->is_changed)
            hub_circle_put(&committer->txn, touched->number, &touched->circle);
        if (touched->is_changed || touched->is_mixed)
            tell_all(&committer->ledger->news, touched);
        else if (touched->has_news)
            tell_live(committer, touched);
        if (touched->live.changes > 0)
            run_end(&touched->run);
        circle_clear(&touched->circle);
    }
    committer->touched_count = 0;
}

/* The state of a circle within this commit; number 0 and no entries if the circle is not known. */
struct touched *touch_circle(struct committer *committer, const uint8_t id[static ID_BYTES])
{
    struct touched *last =
        committer->touched_count > 0 ? &committer->touched[committer->touched_count - 1] : NULL;

    if (last && last->number && memcmp(last->circle.id, id, ID_BYTES) == 0)
        return last;
    uint32_t number = hub_circle_number(&committer->txn, id);
    for (uint32_t i = committer->touched_count; number && i > 0; i--)
        if (committer->touched[i - 1].number == number)
            return &committer->touched[i - 1];
    if (committer->touched_count == committer->touched_room) {
        uint32_t room = committer->touched_room ? committer->touched_room * 2 : 16;
        struct touched *larger = realloc(committer->touched, room * sizeof *larger);
        if (!larger) {
            store_fail(&committer->txn, KITH_MEMORY);
            return NULL;
        }
        committer->touched = larger;
        committer->touched_room = room;
    }
    struct touched *touched = &committer->touched[committer->touched_count++];
    memset(touched, 0, sizeof *touched);
    touched->number = number;
    if (number)
        hub_circle_get(&committer->txn, number, &touched->circle);
    else
        circle_init(&touched->circle);
    return touched;
}

/* Stored before, or by another connection of the same device in between: it must be the same one.
 */
static enum kith_err check_stored(struct committer *committer, uint32_t circle,
                                  const struct ingest_item *item)
{
    uint8_t stored[HASH_BYTES];
    bool is_same = hub_change_id(&committer->txn, circle, item->device, item->n, stored) &&
                   seal_equal(stored, item->id, HASH_BYTES);

    return is_same ? KITH_OK : KITH_FORKED;
}

/* What the circle alone cannot know: whether the device has been ended since, and whether the time
 * of a transfer is over. */
static enum kith_err check_left(const struct roster_device *device, const struct circle_cut *cut,
                                uint64_t n, uint64_t now_s)
{
    if (cut && n <= cut->n)
        return KITH_OK;
    bool is_cut = cut && cut->until_s <= now_s;
    bool is_in_time = device->leaving == LEAVING_TRANSFERRED && device->until_s > now_s;
    bool is_over = device->state == DEVICE_ENDED && !is_in_time;
    return is_cut || is_over ? KITH_HELD : KITH_OK;
}

static enum kith_err check_taken(const struct committer *committer, const struct ingest *ingest,
                                 const struct touched *touched, const struct ingest_item *item)
{
    const struct roster *roster = &committer->ledger->roster;
    const struct change_header header = {
        .device = item->device, .n = item->n, .epoch = item->change.epoch};
    enum kith_err err = circle_takes(&touched->circle, roster, &header, item->id);

    return err ? err
               : check_left(roster_device(roster, item->device),
                            circle_cut(&touched->circle, item->device), item->n, ingest->now_s);
}

static enum kith_err check_follows(const struct ingest_item *item, const struct chain_head *head)
{
    if (item->n != head->n + 1)
        return KITH_GAP;
    return seal_equal(item->prev, head->id, HASH_BYTES) ? KITH_OK : KITH_FORKED;
}

/* Somebody else's changes are taken of whoever reads along in the circle: they prove themselves,
 * and may have come to that device by hand. */
static bool may_bring(struct committer *committer, const struct ingest *ingest,
                      const struct touched *touched, uint32_t author)
{
    return author == ingest->device ||
           (touched->number && !is_ended(committer, ingest) &&
            hub_is_granted(&committer->txn, ingest->device, touched->number));
}

static void commit_change(struct committer *committer, struct ingest *ingest,
                          struct ingest_item *item)
{
    struct touched *touched = touch_circle(committer, item->circle);

    if (touched && !may_bring(committer, ingest, touched, item->device))
        item->verdict = KITH_FOREIGN;
    if (!touched || item->verdict)
        return;
    if (touched->number == 0) {
        item->verdict = KITH_UNKNOWN_CIRCLE;
        return;
    }
    hub_chain_open(&committer->txn, &committer->chain, touched->number, item->device);
    struct chain_head head = committer->chain.head;
    if (item->n <= head.n) {
        item->verdict = check_stored(committer, touched->number, item);
        return;
    }
    item->verdict = check_taken(committer, ingest, touched, item);
    if (item->verdict == KITH_HELD) {
        hub_chain_close(&committer->txn, &committer->chain);
        item->verdict = held_commit(committer, ingest, touched, item);
        touched->is_mixed = touched->is_mixed || item->verdict == KITH_HELD;
    } else if (!item->verdict)
        item->verdict = check_follows(item, &head);
    if (!item->verdict)
        item->verdict = held_take(committer, touched, item);
    if (item->verdict)
        return;
    struct hub_item row = {.kind = HUB_ITEM_CHANGE,
                           .circle = touched->number,
                           .device = item->device,
                           .n = item->n,
                           .change = item->change};
    memcpy(row.id, item->id, HASH_BYTES);
    hub_chain_add(&committer->txn, &committer->chain, &row);
    ingest->stored_count++;
    touched->has_news = true;
    live_add(touched, item, committer->chain.sequence);
}

/* Beyond the roster's own rules: the founder names this hub, the joiner enrols itself and in time.
 */
static enum kith_err check_roster_visitor(const struct ledger *ledger, const struct ingest *ingest,
                                          const struct roster_entry *entry)
{
    const struct roster_device *device = roster_device(&ledger->roster, ingest->device);

    switch (ingest->mode) {
    case CHANNEL_FOUND:
        if (entry->type != ROSTER_FOUND ||
            !seal_equal(entry->hub_noise, ledger->keys.noise.public, KEY_BYTES) ||
            !seal_equal(entry->hub_sign, ledger->keys.sign_public, KEY_BYTES) ||
            !seal_equal(entry->keys.noise, ingest->noise_key, KEY_BYTES))
            return KITH_MALFORMED;
        if (entry->agency_kind == AGENCY_PRACTICE)
            return KITH_PRACTICE;
        return ledger->roster.count == 0 ? KITH_OK : KITH_FOUNDED;
    case CHANNEL_JOIN:
        if (entry->type != ROSTER_ENROL || entry->author != ingest->device ||
            !seal_equal(entry->keys.noise, ingest->noise_key, KEY_BYTES))
            return KITH_NOT_ALLOWED;
        return device && device->expires_s > ingest->now_s ? KITH_OK : KITH_EXPIRED;
    case CHANNEL_SYNC: /* an entry proves itself, whoever gives it back */
        return ledger->is_restored ||
                       (entry->author == ingest->device && entry->type != ROSTER_ENROL)
                   ? KITH_OK
                   : KITH_NOT_ALLOWED;
    }
    return KITH_NOT_ALLOWED;
}

static bool is_stored_roster_entry(struct committer *committer, const struct ingest_item *item)
{
    struct bytes stored;

    return item->n <= committer->ledger->roster.count &&
           hub_roster_get(&committer->txn, (uint32_t)item->n, &stored) &&
           bytes_equal(stored, item->entry);
}

/* The entry that lets a visitor in: the founder's, or the joiner's own enrolment. One that was
 * stored but not heard of comes again and lets the device in as the first time. */
static bool is_enrolment(const struct ingest *ingest, const struct roster_entry *entry)
{
    bool is_own = ingest->mode == CHANNEL_FOUND
                      ? entry->type == ROSTER_FOUND
                      : ingest->mode == CHANNEL_JOIN && entry->type == ROSTER_ENROL &&
                            entry->author == ingest->device;

    return is_own && seal_equal(entry->keys.noise, ingest->noise_key, KEY_BYTES);
}

bool is_ended(const struct committer *committer, const struct ingest *ingest)
{
    const struct roster_device *device = roster_device(&committer->ledger->roster, ingest->device);

    return device && device->state == DEVICE_ENDED;
}

static void commit_roster(struct committer *committer, struct ingest *ingest,
                          struct ingest_item *item)
{
    struct ledger *ledger = committer->ledger;
    struct roster_entry entry;

    item->verdict = roster_entry_read(&entry, item->entry);
    if (item->verdict)
        return;
    if (is_stored_roster_entry(committer, item)) {
        ingest->is_enrolled = ingest->is_enrolled || is_enrolment(ingest, &entry);
        return;
    }
    item->verdict = check_roster_visitor(ledger, ingest, &entry);
    if (!item->verdict && is_ended(committer, ingest))
        item->verdict = KITH_ENDED;
    if (item->verdict)
        return;
    (void)pthread_rwlock_wrlock(&ledger->roster_lock);
    item->verdict = roster_append(&ledger->roster, item->entry);
    (void)pthread_rwlock_unlock(&ledger->roster_lock);
    if (item->verdict)
        return;
    hub_roster_put(&committer->txn, ledger->roster.count, item->entry);
    audit_add(&committer->audit,
              &(struct audit_entry){.kind = AUDIT_ROSTER,
                                    .time_ms = ingest->now_s * 1000,
                                    .device = entry.author,
                                    .what = entry.type,
                                    .first = ledger->roster.count,
                                    .second = entry.device ? entry.device : entry.person});
    ledger->news.is_everybody = true;
    if (is_enrolment(ingest, &entry)) {
        ingest->is_enrolled = true;
        hub_psk_delete(&committer->txn, ingest->device);
    }
}

/* An invitation's psk comes from the device that wrote the invitation, only while it is open, and
 * once: who writes the next one before having heard of it gives that the same number at first. */
static void commit_psk(struct committer *committer, const struct ingest *ingest,
                       const struct ingest_item *item)
{
    const struct roster_device *device = roster_device(&committer->ledger->roster, item->device);
    uint8_t known[KEY_BYTES];

    if (device && device->state == DEVICE_INVITED && device->invited_by == ingest->device &&
        !hub_psk_get(&committer->txn, item->device, known))
        hub_psk_put(&committer->txn, item->device, item->psk);
}

static void commit_item(struct committer *committer, struct ingest *ingest,
                        struct ingest_item *item)
{
    bool is_member = ingest->mode == CHANNEL_SYNC || ingest->is_enrolled;

    if (item->kind != ACK_CHAIN)
        hub_chain_close(&committer->txn, &committer->chain);
    item->verdict = item->checked;
    if (item->kind != ACK_ROSTER && !is_member) {
        item->verdict = KITH_STATE;
        return;
    }
    switch (item->kind) {
    case ACK_CHAIN:
        commit_change(committer, ingest, item);
        return;
    case ACK_CIRCLE:
        commit_circle(committer, ingest, item);
        return;
    case ACK_ROSTER:
        if (item->is_psk)
            commit_psk(committer, ingest, item);
        else
            commit_roster(committer, ingest, item);
        return;
    case ACK_HELD:
        return; /* only what is answered has this kind */
    }
}

/* Told once a chain: what stands behind a refused change cannot be taken either, and both sides
 * know it. */
static void refuse_item(struct ingest *ingest, const struct ingest_item *item, bool is_first)
{
    bool is_said = item->verdict == KITH_GAP || (!is_first && item->verdict == item[-1].verdict);

    if (!is_first && is_said)
        return;
    struct refused refused = {
        .kind = item->kind, .device = item->device, .n = item->n, .reason = item->verdict};

    memcpy(refused.circle, item->circle, ID_BYTES);
    refused_write(&ingest->refusals, &refused);
}

static void add_line(struct ingest *ingest, const struct ack_line *line)
{
    if (ingest->line_count == ACK_CHAINS_MAX || ingest->lines.len > NOISE_TEXT_MAX / 2)
        return; /* the rest is acknowledged when it is sent again */
    ack_line_write(&ingest->lines, line);
    ingest->line_count++;
}

/* The head, as the store has it now, of the chain that an item belongs to. */
static void line_of_item(struct committer *committer, const struct ingest_item *item,
                         struct ack_line *line)
{
    *line = (struct ack_line){.kind = item->kind, .device = item->device};
    memcpy(line->circle, item->circle, ID_BYTES);
    if (item->kind == ACK_ROSTER) {
        line->n = committer->ledger->roster.count;
        memcpy(line->head, committer->ledger->roster.head, HASH_BYTES);
    } else if (item->kind == ACK_CIRCLE) {
        const struct touched *touched = touch_circle(committer, item->circle);
        line->n = touched ? touched->circle.count : 0;
        if (touched)
            memcpy(line->head, touched->circle.head, HASH_BYTES);
    } else {
        uint32_t number = hub_circle_number(&committer->txn, item->circle);
        struct chain_head head = hub_chain_head(&committer->txn, number, item->device);
        line->n = head.n;
        memcpy(line->head, head.id, HASH_BYTES);
    }
}

static bool is_same_chain(const struct ingest_item *a, const struct ingest_item *b)
{
    return a->kind == b->kind && a->is_psk == b->is_psk && a->device == b->device &&
           memcmp(a->circle, b->circle, ID_BYTES) == 0;
}

/* What of the chain lies beyond what counts. */
static void line_of_held(struct committer *committer, const struct ingest_item *item,
                         struct ack_line *line)
{
    uint64_t counted = line->n;
    uint32_t number = hub_circle_number(&committer->txn, item->circle);
    struct chain_head tail = hub_tail(&committer->txn, number, item->device);

    line->kind = ACK_HELD;
    line->n = tail.n > counted ? tail.n : 0;
    memcpy(line->head, tail.id, HASH_BYTES);
}

/* One line per chain, and none for another device's. Items of one chain follow each other mostly:
 * the last of them stands for all, and a chain that is named twice costs a few bytes and no harm.
 */
static void acknowledge(struct committer *committer, struct ingest *ingest)
{
    for (uint32_t i = 0; i < ingest->item_count; i++) {
        const struct ingest_item *item = &ingest->items[i];
        bool is_last = i + 1 == ingest->item_count || !is_same_chain(item, item + 1);
        struct ack_line line;
        bool is_first = i == 0 || !is_same_chain(item, item - 1) || !item[-1].verdict;
        if (item->verdict)
            refuse_item(ingest, item, is_first);
        bool is_foreign = item->kind == ACK_CHAIN && item->device != ingest->device;
        if (!is_last || item->is_psk || is_foreign)
            continue;
        line_of_item(committer, item, &line);
        if (line.n > 0)
            add_line(ingest, &line);
        if (item->kind == ACK_CHAIN)
            line_of_held(committer, item, &line);
        if (item->kind == ACK_CHAIN && line.n > 0)
            add_line(ingest, &line);
    }
}

static void commit_ingest(struct committer *committer, struct ingest *ingest)
{
    /* After the map has grown the transaction runs again: what the first try decided is forgotten.
     */
    buffer_reset(&ingest->refusals);
    buffer_reset(&ingest->lines);
    ingest->line_count = 0;
    ingest->stored_count = 0;
    ingest->is_enrolled = false;
    for (uint32_t i = 0; i < ingest->item_count; i++)
        commit_item(committer, ingest, &ingest->items[i]);
    hub_chain_close(&committer->txn, &committer->chain);
    if (ingest->stored_count > 0)
        hub_written_add(&committer->txn, ingest->device, ingest->stored_count);
    acknowledge(committer, ingest);
    if (ingest->refusals.len > NOISE_TEXT_MAX / 4)
        ingest->err = KITH_TOO_MANY; /* an answer that cannot be sent: the session ends, what is
                                        stored stays */
    touched_clear(committer);
    store_forget(&committer->txn);
}

static void sign_receipt(const struct ledger *ledger, struct ingest *ingest)
{
    uint8_t hash[HASH_BYTES];

    ack_hash(ledger->roster.agency, ledger->incarnation, buffer_view(&ingest->lines), hash);
    seal_sign(SEAL_RECEIPT_SIGN, ledger->keys.sign_secret, hash, ingest->signature);
}

/* What happened outside of commits since the last one. */
static void write_notes(struct committer *committer)
{
    const struct notes *notes = &committer->ledger->taken;

    for (uint32_t i = 0; i < notes->count; i++) {
        struct audit_entry entry = notes->entries[i];
        if (!entry.time_ms)
            entry.time_ms = committer->now_ms;
        audit_add(&committer->audit, &entry);
    }
}

static enum kith_err commit_once(struct ledger *ledger, struct ingest **batch, uint32_t count,
                                 uint64_t now_ms, bool sign)
{
    struct committer committer = {
        .ledger = ledger, .txn = store_begin(ledger->store, STORE_WRITE), .now_ms = now_ms};

    committer.audit = audit_begin(&committer.txn, TABLE_HUB_AUDIT);
    write_notes(&committer);
    news_reset(&ledger->news);
    for (uint32_t i = 0; i < count; i++)
        if (!batch[i]->err)
            commit_ingest(&committer, batch[i]);
    touched_clear(&committer);
    free(committer.touched);
    if (sign || audit_is_due(&committer.audit, now_ms))
        audit_sign(&committer.audit, now_ms, ledger->keys.sign_secret);
    audit_end(&committer.audit);
    enum kith_err err = store_commit(&committer.txn);
    if (err) {
        (void)pthread_rwlock_wrlock(&ledger->roster_lock);
        enum kith_err read_err = ledger_read_roster(ledger);
        (void)pthread_rwlock_unlock(&ledger->roster_lock);
        if (read_err && err == KITH_RETRY)
            err = read_err;
    }
    return err;
}

static enum kith_err commit(struct ledger *ledger, struct ingest **batch, uint32_t count,
                            uint64_t now_ms, bool sign)
{
    enum kith_err err = ledger_take_notes(ledger);

    if (err)
        return err;
    do
        err = commit_once(ledger, batch, count, now_ms, sign);
    while (err == KITH_RETRY);
    if (!err)
        notes_reset(&ledger->taken);
    return err;
}

enum kith_err ledger_flush(struct ledger *ledger, uint64_t now_ms, bool sign)
{
    return commit(ledger, NULL, 0, now_ms, sign);
}

enum kith_err ledger_commit(struct ledger *ledger, struct ingest **batch, uint32_t count)
{
    uint64_t now_s = 0;

    for (uint32_t i = 0; i < count; i++)
        now_s = batch[i]->now_s > now_s ? batch[i]->now_s : now_s;
    enum kith_err err = commit(ledger, batch, count, now_s * 1000, false);
    for (uint32_t i = 0; i < count && !err; i++)
        if (!batch[i]->err)
            sign_receipt(ledger, batch[i]);
    return err;
}
