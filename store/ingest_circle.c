/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of access chains on their way into the ledger, and what follows from each: who is served,
 * who no longer, which box is kept, what is held no more. */
#include <string.h>

#include "store/hub_held_rows.h"
#include "store/ingest_internal.h"

/* An entry that is there already is acknowledged again: its first answer was lost. */
static bool is_stored_entry(struct committer *committer, const struct touched *touched,
                            const struct ingest_item *item)
{
    struct bytes stored;

    return touched->number && item->n <= touched->circle.count &&
           hub_entry_get(&committer->txn, touched->number, (uint32_t)item->n, &stored) &&
           bytes_equal(stored, item->entry);
}

/* A device's box is stored once: nobody may put another one in its place. */
static void store_boxes(struct committer *committer, const struct touched *touched,
                        const struct ingest_item *item)
{
    struct frame frame = {.type = FRAME_CIRCLE, .items = 4, .body = wire_open(item->frame)};
    struct circle_frame content;
    const uint32_t epoch = touched->circle.epoch;
    struct bytes stored;
    struct bytes box;
    uint32_t device;

    if (circle_frame_read(&content, &frame))
        return; /* read before, in verification: cannot fail */
    while (circle_frame_box(&content, &device, &box))
        if (circle_has_device(&touched->circle, device) &&
            !hub_box_get(&committer->txn, touched->number, epoch, device, &stored))
            hub_box_put(&committer->txn, touched->number, epoch, device, box);
}

/* A rotation with many recipients comes several times, each time with other boxes: from its author
 * alone, and while it is the newest. */
static void store_more_boxes(struct committer *committer, const struct touched *touched,
                             const struct ingest *ingest, const struct ingest_item *item)
{
    const struct circle *circle = &touched->circle;
    struct circle_entry entry;
    struct arena arena;

    if (circle->epochs[circle->epoch - 1].seq != item->n)
        return;
    arena_init(&arena, ENTRY_MAX * 16);
    if (!circle_entry_read(&entry, item->entry, &arena) && entry.author == ingest->device &&
        !is_ended(committer, ingest))
        store_boxes(committer, touched, item);
    arena_clear(&arena);
}

/* Devices that this entry made recipients are served from here on, and everything before. One that
 * is named again has that already. */
static void store_grants(struct committer *committer, const struct touched *touched,
                         const struct circle_entry *entry, uint64_t sequence)
{
    for (uint32_t i = 0; i < entry->device_count; i++)
        if (!hub_is_granted(&committer->txn, entry->devices[i], touched->number))
            hub_grant_put(&committer->txn, entry->devices[i], touched->number, sequence);
}

/* The hub serves one agency's circle, which the founder makes. */
static enum kith_err check_only_agency_circle(struct committer *committer,
                                              const struct touched *touched)
{
    struct bytes value;

    if (touched->circle.kind != CIRCLE_AGENCY || touched->circle.count != 1)
        return KITH_OK;
    if (hub_meta_get(&committer->txn, "agency circle", &value))
        return KITH_EXISTS;
    hub_meta_put(&committer->txn, "agency circle", bytes_of(touched->circle.id, ID_BYTES));
    return KITH_OK;
}

/* A cut that lies below what the hub has would take back what it has acknowledged. */
static enum kith_err check_cuts(struct committer *committer, const struct touched *touched,
                                const struct circle_entry *entry)
{
    for (uint32_t i = 0; i < entry->cut_count; i++) {
        const struct circle_cut *cut = &entry->cuts[i];
        struct chain_head head = hub_chain_head(&committer->txn, touched->number, cut->device);
        bool is_other = cut->n == head.n && !seal_equal(cut->id, head.id, HASH_BYTES);
        if (cut->n < head.n || is_other)
            return KITH_STALE;
    }
    return KITH_OK;
}

/* Nobody writes by rights that have been taken meanwhile: who has heard less of its own roles than
 * the roster has builds the entry again. A genesis is made offline. */
static enum kith_err check_roles_known(const struct roster *roster,
                                       const struct circle_entry *entry)
{
    const struct roster_device *author = roster_device(roster, entry->author);

    bool is_known = !author || roster_roles_since(roster, author->person) <= entry->roster_seq;
    return is_known ? KITH_OK : KITH_STALE;
}

/* A circle that came by hand to one of its recipients: made by another device, and complete. */
static bool is_carried(const struct committer *committer, const struct ingest *ingest,
                       const struct circle_entry *entry)
{
    bool is_named = false;

    for (uint32_t i = 0; i < entry->device_count; i++)
        is_named = is_named || entry->devices[i] == ingest->device;
    return entry->type == CIRCLE_GENESIS && is_named && !is_ended(committer, ingest);
}

/* What only the hub can judge of an entry, before it joins the chain. */
static enum kith_err check_entry(struct committer *committer, const struct ingest *ingest,
                                 const struct touched *touched, const struct ingest_item *item,
                                 const struct circle_entry *entry)
{
    const struct roster_device *author = roster_device(&committer->ledger->roster, entry->author);

    bool is_given_back = committer->ledger->is_restored && !is_ended(committer, ingest);
    if (entry->author != ingest->device && !is_given_back && !is_carried(committer, ingest, entry))
        return KITH_FOREIGN;
    if (entry->type == CIRCLE_GENESIS)
        return author && author->state == DEVICE_ENDED
                   ? held_count(committer, entry->author, item->entry.len)
                   : KITH_OK;
    if (is_ended(committer, ingest))
        return KITH_ENDED;
    if (touched->number == 0)
        return KITH_UNKNOWN_CIRCLE;
    if (entry->link.seq != touched->circle.count + 1)
        return KITH_STALE;
    enum kith_err err = KITH_OK;
    if (entry->type == CIRCLE_ROTATE)
        err = check_cuts(committer, touched, entry);
    if (is_given_back) /* it was judged when it came first */
        return err;
    if (!err)
        err = check_roles_known(&committer->ledger->roster, entry);
    if (!err && (entry->type == CIRCLE_ADMIT || entry->type == CIRCLE_REJECT))
        err = held_check(committer, touched, entry);
    return err;
}

/* Devices that a rotation took out are served nothing more; those that are not ended are told so.
 */
static void remove_cut(struct committer *committer, const struct touched *touched,
                       const struct circle_entry *entry, uint64_t sequence)
{
    for (uint32_t i = 0; i < entry->cut_count; i++) {
        uint32_t device = entry->cuts[i].device;
        const struct removal_row row = {.circle = touched->number,
                                        .granted =
                                            hub_granted(&committer->txn, device, touched->number),
                                        .sequence = sequence};
        if (row.granted)
            hub_removal_add(&committer->txn, device, &row);
        hub_grant_delete(&committer->txn, device, touched->number);
    }
}

/* What the entry means for grants, boxes and what is held. */
static void entry_follow(struct committer *committer, const struct touched *touched,
                         const struct ingest_item *item, const struct circle_entry *entry,
                         uint64_t sequence)
{
    switch (entry->type) {
    case CIRCLE_GENESIS:
    case CIRCLE_GRANT:
        store_boxes(committer, touched, item);
        store_grants(committer, touched, entry, sequence);
        return;
    case CIRCLE_ROTATE:
        store_boxes(committer, touched, item);
        remove_cut(committer, touched, entry, sequence);
        return;
    case CIRCLE_ADMIT:
        held_admit(committer, touched, entry->device, entry->n);
        return;
    case CIRCLE_REJECT:
        held_reject(committer, touched, entry->device, entry->n);
        return;
    case CIRCLE_LACK:
        hub_box_delete(&committer->txn, touched->number, touched->circle.epoch, entry->author);
        return;
    }
}

/* What is held of somebody who has been let in again counts. */
static void admit_lifted(struct committer *committer, const struct touched *touched,
                         const struct circle_cut *cuts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!circle_cut(&touched->circle, cuts[i].device))
            held_admit(committer, touched, cuts[i].device, UINT64_MAX);
}

static struct circle_cut *copy_cuts(const struct touched *touched, struct arena *arena)
{
    size_t size = touched->circle.cut_count * sizeof(struct circle_cut);
    struct circle_cut *cuts = arena_take(arena, size + 1);

    if (cuts && size > 0)
        memcpy(cuts, touched->circle.cuts, size);
    return cuts;
}

static enum kith_err append_entry(struct committer *committer, struct touched *touched,
                                  const struct ingest_item *item)
{
    enum kith_err err = circle_append(&touched->circle, &committer->ledger->roster, item->entry);

    if (!err && !seal_equal(touched->circle.id, item->circle, ID_BYTES))
        err = KITH_MALFORMED;
    if (!err)
        err = check_only_agency_circle(committer, touched);
    if (err && touched->number == 0)
        circle_clear(&touched->circle);
    return err;
}

static void store_entry(struct committer *committer, struct touched *touched,
                        const struct ingest_item *item, const struct circle_entry *entry)
{
    if (touched->number == 0)
        touched->number = hub_circle_new(&committer->txn, item->circle);
    touched->is_changed = true;
    hub_entry_put(&committer->txn, touched->number, touched->circle.count, item->entry);
    const struct hub_item row = {.kind = HUB_ITEM_ENTRY,
                                 .circle = touched->number,
                                 .device = entry->author,
                                 .n = touched->circle.count};
    uint64_t sequence = hub_item_add(&committer->txn, &row);
    entry_follow(committer, touched, item, entry, sequence);
}

static void audit_entry_of_circle(struct committer *committer, const struct ingest *ingest,
                                  const struct touched *touched, const struct circle_entry *entry)
{
    struct audit_entry audited = {.kind = AUDIT_CIRCLE,
                                  .time_ms = ingest->now_s * 1000,
                                  .device = entry->author,
                                  .has_subject = true,
                                  .what = entry->type,
                                  .first = touched->circle.count,
                                  .second = entry->cut_count};

    memcpy(audited.subject, touched->circle.id, ID_BYTES);
    audit_add(&committer->audit, &audited);
}

void commit_circle(struct committer *committer, struct ingest *ingest, struct ingest_item *item)
{
    struct touched *touched = touch_circle(committer, item->circle);
    struct circle_entry entry;
    struct arena arena;

    if (!touched)
        return;
    if (is_stored_entry(committer, touched, item)) {
        store_more_boxes(committer, touched, ingest, item);
        return;
    }
    uint32_t cut_count = touched->circle.cut_count;
    arena_init(&arena, ENTRY_MAX * 16 + (cut_count + 1) * sizeof(struct circle_cut));
    struct circle_cut *cuts = copy_cuts(touched, &arena);
    item->verdict = cuts ? circle_entry_read(&entry, item->entry, &arena) : KITH_MEMORY;
    if (!item->verdict)
        item->verdict = check_entry(committer, ingest, touched, item, &entry);
    if (!item->verdict)
        item->verdict = append_entry(committer, touched, item);
    if (!item->verdict) {
        store_entry(committer, touched, item, &entry);
        audit_entry_of_circle(committer, ingest, touched, &entry);
        admit_lifted(committer, touched, cuts, cut_count);
    }
    arena_clear(&arena);
}
