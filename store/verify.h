/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a store is what was put into it: every page, every row, every hash, chain and signature.
 *
 * The pages first (store/pages.h): if they are damaged nothing else is looked at, for LMDB cannot
 * be trusted with them. Then each row of each table: it opens, or its mark fits, only where it was
 * put and as it was. Then what the rows mean together. All within one snapshot, so a running hub
 * goes on meanwhile. Not found: a whole store that was replaced by an older one of the same hub;
 * the devices notice that, and whoever has kept a head of the audit log.
 */
#ifndef KITH_STORE_VERIFY_H
#define KITH_STORE_VERIFY_H

#include "store/env.h"
#include "store/tables.h"

/* Beyond this faults are counted and not listed. */
#define VERIFY_FAULTS_MAX 64
#define VERIFY_WHERE_TEXT 160

struct verify_fault {
    const char *what;              /* a table's name, or "pages" */
    char where[VERIFY_WHERE_TEXT]; /* its key in hexadecimal, or the page's number */
    enum kith_err reason;
};

struct verify_report {
    uint64_t checked; /* pages and rows, entries and changes */
    uint64_t fault_count;
    struct verify_fault faults[VERIFY_FAULTS_MAX];
};

struct ledger;
struct replica;

/* A head of the audit log that somebody kept: the log must go on from it. */
struct known_head {
    uint64_t seq;
    uint8_t head[HASH_BYTES];
};

/* MEMORY, IO: it could not be looked at. What is wrong with the store stands in the report. */
MUST_USE enum kith_err ledger_check(struct ledger *ledger, const struct known_head *known,
                                    struct verify_report *report);
MUST_USE enum kith_err replica_check(struct replica *replica, struct verify_report *report);

#endif
