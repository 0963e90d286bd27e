/* SPDX-License-Identifier: Apache-2.0 */
#include "store/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/seal.h"
#include "store/env_internal.h"
#include "store/pages.h"
#include "store/verify_internal.h"

void verify_fault_add(struct verify_report *report, const char *what, struct bytes key,
                      enum kith_err reason)
{
    if (report->fault_count++ >= VERIFY_FAULTS_MAX)
        return;
    struct verify_fault *fault = &report->faults[report->fault_count - 1];
    *fault = (struct verify_fault){.what = what, .reason = reason};
    bytes_hex(bytes_of(key.ptr, key.len < STORE_KEY_MAX ? key.len : STORE_KEY_MAX), fault->where);
}

void verify_settle(struct verify_report *report, struct store_txn *txn, enum store_table table,
                   struct bytes key)
{
    struct store *store = txn->store;

    report->checked++;
    if (!txn->err)
        return;
    verify_fault_add(report, table_name(table), key, txn->err);
    store_abort(txn);
    *txn = store_begin(store, STORE_READ);
}

enum kith_err verify_change(const struct change_header *header, const struct change *change,
                            const uint8_t id[static HASH_BYTES],
                            const uint8_t sign_public[static KEY_BYTES])
{
    uint8_t found[HASH_BYTES];

    change_id(header, change->sealed, found);
    if (!seal_equal(found, id, HASH_BYTES))
        return KITH_DAMAGED;
    return change_verify(id, change->signature, sign_public);
}

/* From `from` on, through the first row that is not good; its key goes to `from`. True if there was
 * one. */
static bool walk_rows(struct verify_report *report, struct store_txn *txn, enum store_table table,
                      struct key *from)
{
    struct store_walk walk =
        store_walk_begin(txn, table, bytes_of("", 0), bytes_of(from->ptr, from->len));

    while (store_walk_next(&walk)) {
        memcpy(from->ptr, walk.key.ptr, walk.key.len);
        from->len = walk.key.len;
        (void)store_walk_value(&walk);
        if (txn->err)
            break;
        report->checked++;
        store_forget(txn);
    }
    store_walk_end(&walk);
    return txn->err != KITH_OK;
}

static void check_table(struct verify_report *report, struct store *store, enum store_table table)
{
    struct key from = {.len = 0};
    bool goes_on = true;

    while (goes_on) {
        struct store_txn txn = store_begin(store, STORE_READ);
        goes_on = walk_rows(report, &txn, table, &from);
        verify_settle(report, &txn, table, bytes_of(from.ptr, from.len));
        store_abort(&txn);
        goes_on = goes_on && from.len > 0 && from.len < STORE_KEY_MAX;
        if (goes_on) /* the least key above it */
            from.ptr[from.len++] = 0;
    }
}

static bool check_pages(struct verify_report *report, struct store *store)
{
    struct pages pages = {0};
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(store, STORE_READ);
        err = store_check_pages(&txn, &pages);
        store_abort(&txn);
    } while (err == KITH_RETRY);
    report->checked += pages.checked;
    if (!err)
        return true;
    verify_fault_add(report, "pages", bytes_of(NULL, 0), err);
    (void)snprintf(report->faults[0].where, VERIFY_WHERE_TEXT, "page %" PRIu64, pages.fault);
    return false;
}

bool verify_rows(struct verify_report *report, struct store *store, enum store_kind kind)
{
    memset(report, 0, sizeof *report);
    if (!check_pages(report, store))
        return false;
    for (unsigned table = 0; table < TABLE_COUNT; table++)
        if (table_is_of((enum store_table)table, kind))
            check_table(report, store, (enum store_table)table);
    return report->fault_count == 0;
}
