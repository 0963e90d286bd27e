/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What env.c and txn.c share: the store itself, the rules of its tables, and the gate that map
 * growth needs.
 *
 * The gate: LMDB may move its map only while no transaction of this process is open, and does not
 * check. So every transaction enters before it begins and leaves after it ended; who grows the map
 * waits until all have left, and nobody enters meanwhile. Every wait ends after STORE_GATE_MS with
 * KITH_BUSY: a thread that holds a read transaction while its own write transaction needs a larger
 * map gets that answer instead of waiting for itself for ever.
 */
#ifndef KITH_STORE_ENV_INTERNAL_H
#define KITH_STORE_ENV_INTERNAL_H

#include <pthread.h>

#include "store/env.h"
#include "store/sealed.h"
#include "store/tables.h"
#include "store/txn.h"

#define STORE_GATE_MS 3000

/* A table beyond those of tables.h, in both kinds of store: what kind it is, its format, and a
 * check of the key. */
#define TABLE_FORMAT TABLE_COUNT
#define TABLE_ALL    (TABLE_COUNT + 1)

struct MDB_env;

struct store {
    struct MDB_env *env;
    struct sealed_keys *keys;
    enum store_kind kind;
    int folder_fd;
    int owner_fd;               /* -1 unless this is the exclusive owner */
    unsigned tables[TABLE_ALL]; /* MDB_dbi, fixed once the store is open */

    pthread_mutex_t gate; /* protects what follows, and the size of the map */
    pthread_cond_t gate_moved;
    unsigned open_count;
    bool is_growing;
    enum kith_err refusal[STORE_WRITE + 1]; /* by access: why none may begin any more, or KITH_OK */
};

const char *table_name(enum store_table table);
/* NONE: read before there is a key. PLAIN: followed by a mark. */
enum table_sealing { SEALING_NONE, SEALING_PLAIN, SEALING_SEALED };
enum table_sealing table_sealing(enum store_table table);
/* What a stored value has beyond its content. */
size_t table_overhead(enum store_table table);
bool table_is_of(enum store_table table, enum store_kind kind);

/* Our word for a code of LMDB or the system; KITH_RETRY for a full map. */
enum kith_err store_error(int code);

/* KITH_BUSY, or what store_refuse said. After KITH_OK store_leave must follow. */
MUST_USE enum kith_err store_enter(struct store *store, enum store_access access);
void store_leave(struct store *store);
/* No further transaction of this kind begins until the store is opened anew. */
void store_refuse(struct store *store, enum store_access access, enum kith_err err);
/* Only between store_enter and store_leave, or while the gate is held. */
size_t store_map_bytes(const struct store *store);
/* Doubles the map unless it is larger than `seen_bytes` by now. The caller has left. */
MUST_USE enum kith_err store_grow(struct store *store, size_t seen_bytes);

#endif
