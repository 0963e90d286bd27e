/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a store's data file, checked without LMDB: whether the file is one sound tree of
 * tables, as of one snapshot.
 *
 * LMDB believes what it maps: a damaged page number makes it read outside of the file, and a
 * damaged header makes it take an older state for the newest. This reads the same file with bounds
 * and follows every page: each page of the file belongs to exactly one tree or is free, keys
 * ascend, counts agree, and the snapshot is the newest that was committed. What stands in a value
 * is not looked at. Source: LMDB 0.9.24, mdb.c (struct MDB_page, MDB_node, MDB_meta, MDB_db), data
 * version 1, 64 bits, little-endian.
 */
#ifndef KITH_STORE_PAGES_H
#define KITH_STORE_PAGES_H

#include "protocol/bytes.h"

struct pages {
    uint64_t checked; /* pages */
    uint64_t fault;   /* the page where the fault lies; 0 and 1 are the heads of the file */
};

/* Checks the snapshot `txnid` of an open data file; the caller holds a read transaction on it.
 * DAMAGED; RETRY if that snapshot's head has been overwritten by newer commits; MEMORY, IO. */
MUST_USE enum kith_err pages_check(int fd, uint64_t txnid, struct pages *pages);
/* As pages_check, of `bytes`: for tests. */
MUST_USE enum kith_err pages_check_bytes(struct bytes file, uint64_t txnid, struct pages *pages);

#endif
