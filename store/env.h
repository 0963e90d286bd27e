/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: one LMDB environment in one folder, with full durability, its values sealed under a
 * storage key.
 *
 * Promises: what store_commit said was committed survives kill -9 and power loss. The map grows by
 * itself (a transaction that hits its end fails with KITH_RETRY after the map was enlarged; run it
 * again). A store written by a newer version, with another key or of the other kind is refused on
 * opening with a reason. Not promised: two exclusive owners; the second gets KITH_IN_USE. Source:
 * LMDB 0.9.24, lmdb.h; flags 0 besides MDB_NOTLS (never NOSYNC, NOMETASYNC, WRITEMAP on real data).
 */
#ifndef KITH_STORE_ENV_H
#define KITH_STORE_ENV_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define STORE_FORMAT      1
#define STORE_BLIND_BYTES 16
#define STORE_READERS     512

enum store_kind { STORE_HUB, STORE_DEVICE };

struct store_options {
    enum store_kind kind;
    const char *folder; /* must exist, mode 0700 and ours: else KITH_PERMISSION */
    const uint8_t *key; /* KEY_BYTES, copied to locked memory */
    size_t map_bytes;   /* 0: the default, 1 TiB for a hub, 64 GiB for a device */
    bool is_new; /* make it; KITH_EXISTS if there is one. Otherwise KITH_NOT_FOUND if there is none
                  */
    bool is_exclusive; /* one process only (the running hub) */
    bool is_volatile;  /* no sync to disk: for the simulator, whose disk is a model */
};

struct store;

MUST_USE enum kith_err store_open(struct store **store, const struct store_options *options);
/* Every transaction must have ended. Accepts NULL, leaves NULL, wipes the keys. */
void store_close(struct store **store);
/* Appends the store as it is at this moment, compacted, to an open file. FULL, IO. */
MUST_USE enum kith_err store_copy(struct store *store, int fd);

/* A keyed hash that stands for `id` in a table's key. `purpose` keeps tables apart. */
void store_blind(const struct store *store, uint8_t purpose, struct bytes id,
                 uint8_t blind[static STORE_BLIND_BYTES]);

/* The size of the data file in bytes. */
uint64_t store_bytes(const struct store *store);

#endif
