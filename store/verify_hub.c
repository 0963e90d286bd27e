/* SPDX-License-Identifier: Apache-2.0 */
/* What a hub's rows mean together: the log and its indexes, access chains, changes, the audit log.
 */
#include <string.h>

#include "protocol/circle.h"
#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "store/verify_internal.h"

struct checker {
    struct ledger *ledger;
    struct verify_report *report;
    struct store_txn txn;
    struct roster roster; /* made anew of its entries */
};

static void expect(struct checker *checker, bool is_so, enum kith_err err)
{
    if (!is_so)
        store_fail(&checker->txn, err);
}

static void check_roster(struct checker *checker)
{
    struct bytes entry;

    roster_init(&checker->roster);
    for (uint32_t seq = 1; hub_roster_get(&checker->txn, seq, &entry); seq++) {
        struct key key = key_of_u32(seq);
        store_fail(&checker->txn, roster_append(&checker->roster, entry));
        verify_settle(checker->report, &checker->txn, TABLE_HUB_ROSTER, key_bytes(&key));
    }
    expect(checker, checker->roster.count >= checker->ledger->roster.count, KITH_DAMAGED);
    verify_settle(checker->report, &checker->txn, TABLE_HUB_ROSTER, bytes_of(NULL, 0));
}

/* The access chain, entry by entry, ends in the state that is stored. */
static void check_circle(struct checker *checker, uint32_t number)
{
    struct circle stored;
    struct circle made;
    struct bytes entry;

    circle_init(&made);
    hub_circle_get(&checker->txn, number, &stored);
    for (uint32_t seq = 1; seq <= stored.count && !checker->txn.err; seq++)
        if (hub_entry_get(&checker->txn, number, seq, &entry))
            store_fail(&checker->txn, circle_append(&made, &checker->roster, entry));
        else
            store_fail(&checker->txn, KITH_DAMAGED);
    expect(checker,
           made.count == stored.count && made.epoch == stored.epoch &&
               made.member_count == stored.member_count &&
               made.device_count == stored.device_count && made.cut_count == stored.cut_count &&
               seal_equal(made.head, stored.head, HASH_BYTES) &&
               seal_equal(made.id, stored.id, ID_BYTES) &&
               hub_circle_number(&checker->txn, stored.id) == number,
           KITH_DAMAGED);
    circle_clear(&made);
    circle_clear(&stored);
}

static uint32_t check_circles(struct checker *checker)
{
    uint32_t count = (uint32_t)store_count(&checker->txn, TABLE_HUB_CIRCLE);

    for (uint32_t number = 1; number <= count; number++) {
        struct key key = key_of_u32(number);
        check_circle(checker, number);
        verify_settle(checker->report, &checker->txn, TABLE_HUB_CIRCLE, key_bytes(&key));
        store_forget(&checker->txn);
    }
    return count;
}

static void check_change(struct checker *checker, const struct hub_item *item)
{
    const struct roster_device *author = roster_device(&checker->roster, item->device);
    struct change_header header = {.class = item->change.class,
                                   .epoch = item->change.epoch,
                                   .device = item->device,
                                   .n = item->n};
    struct circle circle;

    hub_circle_get(&checker->txn, item->circle, &circle);
    memcpy(header.agency, checker->roster.agency, ID_BYTES);
    memcpy(header.circle, circle.id, ID_BYTES);
    circle_clear(&circle);
    bool has_prev = item->n == 1 || hub_known_id(&checker->txn, item->circle, item->device,
                                                 item->n - 1, header.prev);
    expect(checker, author && has_prev, KITH_DAMAGED);
    if (author && has_prev)
        store_fail(&checker->txn,
                   verify_change(&header, &item->change, item->id, author->keys.sign));
}

/* An item is where the indexes say, and they say it of each. */
static void check_item(struct checker *checker, uint64_t sequence)
{
    struct hub_item item;
    struct bytes entry;
    uint32_t author;
    uint8_t id[HASH_BYTES];

    if (!hub_item_get(&checker->txn, sequence, &item)) {
        store_fail(&checker->txn, KITH_DAMAGED);
        return;
    }
    expect(checker,
           hub_circle_next(&checker->txn, item.circle, sequence - 1, &author) == sequence &&
               author == (item.kind == HUB_ITEM_CHANGE ? item.device : 0),
           KITH_DAMAGED);
    expect(checker, hub_circle_last(&checker->txn, item.circle) >= sequence, KITH_DAMAGED);
    if (item.kind == HUB_ITEM_ENTRY) {
        expect(checker, hub_entry_get(&checker->txn, item.circle, (uint32_t)item.n, &entry),
               KITH_DAMAGED);
        return;
    }
    bool is_urgent = item.kind == HUB_ITEM_CHANGE && item.change.class == CHANGE_URGENT;
    expect(checker, hub_is_urgent(&checker->txn, sequence) == is_urgent, KITH_DAMAGED);
    if (item.kind == HUB_ITEM_CHANGE)
        expect(checker,
               hub_change_id(&checker->txn, item.circle, item.device, item.n, id) &&
                   seal_equal(id, item.id, HASH_BYTES),
               KITH_DAMAGED);
    check_change(checker, &item);
}

static void check_log(struct checker *checker)
{
    uint64_t last = hub_sequence(&checker->txn);

    for (uint64_t sequence = 1; sequence <= last; sequence++) {
        struct key key = key_of_u64(sequence);
        check_item(checker, sequence);
        verify_settle(checker->report, &checker->txn, TABLE_HUB_LOG, key_bytes(&key));
        store_forget(&checker->txn);
    }
    expect(checker, store_count(&checker->txn, TABLE_HUB_LOG) == last, KITH_DAMAGED);
    expect(checker, store_count(&checker->txn, TABLE_HUB_CIRCLE_LOG) == last, KITH_DAMAGED);
    verify_settle(checker->report, &checker->txn, TABLE_HUB_LOG, bytes_of(NULL, 0));
}

static void check_audit(struct checker *checker, const struct known_head *known)
{
    struct audit_walk walk =
        audit_walk_begin(&checker->txn, TABLE_HUB_AUDIT, checker->ledger->keys.sign_public);
    struct audit_entry entry;
    bool is_known = !known;

    while (audit_walk_next(&walk, &entry)) {
        is_known = is_known ||
                   (entry.seq == known->seq && seal_equal(entry.head, known->head, HASH_BYTES));
        checker->report->checked++;
        store_forget(&checker->txn);
    }
    audit_walk_end(&walk);
    struct key key = key_of_u64(walk.seq + 1);
    expect(checker, is_known, KITH_FORKED);
    verify_settle(checker->report, &checker->txn, TABLE_HUB_AUDIT, key_bytes(&key));
}

enum kith_err ledger_check(struct ledger *ledger, const struct known_head *known,
                           struct verify_report *report)
{
    struct checker checker = {.ledger = ledger, .report = report};

    if (!verify_rows(report, ledger->store, STORE_HUB))
        return KITH_OK;
    checker.txn = store_begin(ledger->store, STORE_READ);
    check_roster(&checker);
    (void)check_circles(&checker);
    check_log(&checker);
    check_audit(&checker, known);
    roster_clear(&checker.roster);
    enum kith_err err = store_commit(&checker.txn);
    return err == KITH_MEMORY || err == KITH_IO ? err : KITH_OK;
}
