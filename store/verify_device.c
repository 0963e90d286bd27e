/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's rows mean together: access chains, changes against the roster, and that merging
 * the log anew gives the same records. */
#include <string.h>

#include "protocol/circle.h"
#include "protocol/payload.h"
#include "store/audit.h"
#include "store/replica_internal.h"
#include "store/verify_internal.h"

struct checker {
    struct replica *replica;
    struct verify_report *report;
    struct store_txn txn;
};

/* The access chain, as far as its entries are here: those of a circle that was left may not be. */
static void check_circle(struct checker *checker, const struct circle_row *row)
{
    struct circle made;
    struct bytes entry;

    circle_init(&made);
    for (uint32_t seq = 1; seq <= row->circle.count && !checker->txn.err; seq++)
        if (device_entry_get(&checker->txn, row->number, seq, &entry))
            store_fail(&checker->txn, circle_append(&made, &checker->replica->roster, entry));
        else
            store_fail(&checker->txn, KITH_DAMAGED);
    if (made.epoch != row->circle.epoch || made.member_count != row->circle.member_count ||
        !seal_equal(made.head, row->circle.head, HASH_BYTES) ||
        !seal_equal(made.id, row->circle.id, ID_BYTES))
        store_fail(&checker->txn, KITH_DAMAGED);
    circle_clear(&made);
}

/* One change: its place in the chain, its signature, and that it opens if its key is here. */
static void check_change(struct checker *checker, struct circle_work *work,
                         const struct chain_row *chain, uint64_t n, uint8_t prev[static HASH_BYTES])
{
    const struct roster_device *author = roster_device(&checker->replica->roster, chain->device);
    struct change_header header;
    struct log_row row;
    struct buffer text;

    if (!author || !device_log_get(&checker->txn, work->row.number, chain->number, n, &row)) {
        store_fail(&checker->txn, KITH_DAMAGED);
        return;
    }
    buffer_init(&text, CHANGE_TEXT_MAX);
    if (row.change.epoch > 0) {
        change_header_of(work, chain, &row, n, &header);
        memcpy(header.prev, prev, HASH_BYTES);
        store_fail(&checker->txn, verify_change(&header, &row.change, row.id, author->keys.sign));
    }
    enum kith_err err = circle_work_text(&checker->txn, work, chain, n, &text);
    if (err && err != KITH_NO_KEY && n > chain->applied)
        store_fail(&checker->txn, err);
    memcpy(prev, row.id, HASH_BYTES);
    buffer_clear(&text);
}

static void check_chain(struct checker *checker, struct circle_work *work,
                        const struct chain_row *chain)
{
    uint8_t prev[HASH_BYTES] = {0};

    for (uint64_t n = 1; n <= chain->received && !checker->txn.err; n++) {
        check_change(checker, work, chain, n, prev);
        checker->report->checked++;
    }
}

/* All merged records of a circle, in no order. */
static void digest_records(struct store_txn *txn, uint32_t circle,
                           uint8_t digest[static DIGEST_BYTES])
{
    struct store_walk walk = device_records(txn, circle, 0);
    struct record_place place;
    uint8_t hash[HASH_BYTES];

    memset(digest, 0, DIGEST_BYTES);
    while (device_record_next(&walk, &place)) {
        uint8_t type[4];
        struct bytes value = store_walk_value(&walk);
        const struct bytes parts[] = {bytes_of(type, sizeof type), value};
        put_u32(type, place.type);
        seal_hash(SEAL_RECORD_DIGEST, parts, 2, hash);
        digest_add(digest, hash);
    }
    store_walk_end(&walk);
}

/* In a transaction that is not kept. Of a circle that was left the log of others is gone. */
static void check_merged(struct checker *checker, const uint8_t id[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica_store(checker->replica), STORE_WRITE);
    uint8_t before[DIGEST_BYTES];
    uint8_t after[DIGEST_BYTES];
    struct circle_work work;
    enum kith_err err = circle_work_begin(&txn, id, &work);

    if (!err && work.row.part == PART_MEMBER) {
        digest_records(&txn, work.row.number, before);
        circle_work_recount(&txn, &work);
        replica_merge(&txn, &work, 0);
        digest_records(&txn, work.row.number, after);
        if (!txn.err && !seal_equal(before, after, DIGEST_BYTES))
            store_fail(&txn, KITH_DAMAGED);
    }
    if (!err)
        circle_work_end(&txn, &work);
    store_fail(&checker->txn, err ? err : txn.err);
    store_abort(&txn);
}

static void check_number(struct checker *checker, uint32_t number)
{
    struct circle_row row;
    struct circle_work work;

    device_circle_get(&checker->txn, number, &row);
    check_circle(checker, &row);
    enum kith_err err = checker->txn.err ? checker->txn.err
                                         : circle_work_begin(&checker->txn, row.circle.id, &work);
    for (uint32_t i = 0; !err && i < work.chain_count; i++)
        check_chain(checker, &work, &work.chains[i]);
    if (!err)
        circle_work_end(&checker->txn, &work);
    store_fail(&checker->txn, err);
    uint8_t id[ID_BYTES];
    memcpy(id, row.circle.id, ID_BYTES);
    circle_clear(&row.circle);
    bool is_good = !checker->txn.err;
    struct key key = key_of_u32(number);
    verify_settle(checker->report, &checker->txn, TABLE_DEVICE_CIRCLE, key_bytes(&key));
    if (!is_good)
        return;
    store_abort(&checker->txn); /* a map may grow only while nobody reads */
    check_merged(checker, id);
    bool is_same = !checker->txn.err;
    checker->txn = store_begin(replica_store(checker->replica), STORE_READ);
    if (!is_same)
        verify_fault_add(checker->report, "DEVICE_RECORD", key_bytes(&key), KITH_DAMAGED);
}

static void check_access(struct checker *checker)
{
    struct audit_walk walk = audit_walk_begin(&checker->txn, TABLE_DEVICE_ACCESS, NULL);
    struct audit_entry entry;

    while (audit_walk_next(&walk, &entry))
        checker->report->checked++;
    audit_walk_end(&walk);
    struct key key = key_of_u64(walk.seq + 1);
    verify_settle(checker->report, &checker->txn, TABLE_DEVICE_ACCESS, key_bytes(&key));
}

enum kith_err replica_check(struct replica *replica, struct verify_report *report)
{
    struct checker checker = {.replica = replica, .report = report};

    if (!verify_rows(report, replica->store, STORE_DEVICE))
        return KITH_OK;
    checker.txn = store_begin(replica->store, STORE_READ);
    uint32_t count = device_circle_count(&checker.txn);
    for (uint32_t number = 1; number <= count; number++)
        check_number(&checker, number);
    check_access(&checker);
    enum kith_err err = store_commit(&checker.txn);
    return err == KITH_MEMORY || err == KITH_IO ? err : KITH_OK;
}
