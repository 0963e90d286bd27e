/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions with a sticky error: after a first failure every step does nothing, and the commit
 * answers for all.
 *
 *     struct store_txn txn = store_begin(store, STORE_WRITE);
 *     store_put(&txn, TABLE_HUB_META, key, value);
 *     err = store_commit(&txn);
 *
 * Values are sealed on their way in and checked and opened on their way out (XChaCha20-Poly1305,
 * random nonce; table and key are the associated data, so that no value can be moved), or marked if
 * the table is PLAIN. A value that fails its check is KITH_DAMAGED. Views that reading returns live
 * in the transaction's arena until it ends or store_forget is called. Only this file and env.c know
 * LMDB; no MDB_ code leaves them. One write transaction at a time; a read transaction must be short
 * and never open across a network write. A txn belongs to the thread that began it.
 */
#ifndef KITH_STORE_TXN_H
#define KITH_STORE_TXN_H

#include "store/env.h"
#include "store/tables.h"

#define STORE_KEY_MAX 64

enum store_access { STORE_READ, STORE_WRITE };

struct store_txn {
    struct store *store;
    void *inner; /* MDB_txn; NULL once spent */
    enum store_access access;
    enum kith_err err; /* the first failure */
    struct arena arena;
};

struct store_txn store_begin(struct store *store, enum store_access access);
/* Commits a write, ends a read; aborts and returns the first failure if there was one. The txn is
 * spent either way. */
MUST_USE enum kith_err store_commit(struct store_txn *txn);
/* Ends without committing; a spent txn is left alone. */
void store_abort(struct store_txn *txn);
/* Records the caller's own failure unless one came before. */
void store_fail(struct store_txn *txn, enum kith_err err);
/* Frees all views read so far. */
void store_forget(struct store_txn *txn);

/* False if there is none (no failure) or after a failure; `value` may be NULL to ask only whether
 * it exists. */
bool store_get(struct store_txn *txn, enum store_table table, struct bytes key,
               struct bytes *value);
void store_put(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value);
/* As store_put for a key above every other of the table: packs pages full. */
void store_append(struct store_txn *txn, enum store_table table, struct bytes key,
                  struct bytes value);
/* Without complaint if there is none. */
void store_delete(struct store_txn *txn, enum store_table table, struct bytes key);
/* Whether the file holds exactly the trees and free pages that this read transaction's snapshot
 * says (pages.h): DAMAGED, MEMORY, IO; RETRY, and it must be begun again, if that can no longer be
 * told. */
struct pages;
MUST_USE enum kith_err store_check_pages(struct store_txn *txn, struct pages *pages);

/* The number of keys of a table. */
uint64_t store_count(struct store_txn *txn, enum store_table table);

/* Numbers as PLAIN values: big-endian u32 and u64. False, and zero, if there is none. */
bool store_get_u32(struct store_txn *txn, enum store_table table, struct bytes key,
                   uint32_t *value);
bool store_get_u64(struct store_txn *txn, enum store_table table, struct bytes key,
                   uint64_t *value);
void store_put_u32(struct store_txn *txn, enum store_table table, struct bytes key, uint32_t value);
void store_put_u64(struct store_txn *txn, enum store_table table, struct bytes key, uint64_t value);

/* A walk over keys in order, from the first one >= `from` while the key begins with `prefix` (may
 * be empty). The table may not be written during it. End it with store_walk_end. */
struct store_walk {
    struct store_txn *txn;
    enum store_table table;
    void *inner; /* MDB_cursor */
    uint8_t prefix[STORE_KEY_MAX];
    size_t prefix_len;
    struct bytes sealed; /* the current value as stored */
    struct bytes key;    /* the current key; valid until the next step */
    bool is_begun;
};

struct store_walk store_walk_begin(struct store_txn *txn, enum store_table table,
                                   struct bytes prefix, struct bytes from);
bool store_walk_next(struct store_walk *walk);
/* Opens the current value; empty after a failure. */
struct bytes store_walk_value(struct store_walk *walk);
void store_walk_end(struct store_walk *walk);
/* The greatest key that begins with `prefix`, copied to `key` (STORE_KEY_MAX bytes); its length, 0
 * if there is none. */
size_t store_last(struct store_txn *txn, enum store_table table, struct bytes prefix, uint8_t *key);
/* Likewise the greatest one below `bound`. */
size_t store_last_below(struct store_txn *txn, enum store_table table, struct bytes prefix,
                        struct bytes bound, uint8_t *key);

/* A key in the making: `struct key k = key_of_u32(circle); key_u64(&k, n); store_get(txn, table,
 * key_bytes(&k), ...)`. */
struct key {
    uint8_t ptr[STORE_KEY_MAX];
    size_t len;
};
struct key key_of_u32(uint32_t first);
struct key key_of_u64(uint64_t first);
struct key key_of_text(const char *name);
void key_u16(struct key *key, uint16_t value);
void key_u32(struct key *key, uint32_t value);
void key_u64(struct key *key, uint64_t value);
struct bytes key_bytes(const struct key *key); /* valid while `key` is */

#endif
