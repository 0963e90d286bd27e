/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions, walks and keys.
 *
 * 1. A transaction with a failure, or a spent one, touches nothing: every step asks first.
 * 2. store_enter before mdb_txn_begin, store_leave after its end: the map never moves in between.
 * 3. Values are copied or opened into the arena; a walk's key and stored value alone are LMDB's.
 */
#include "store/txn.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <string.h>

#include "store/env_internal.h"
#include "store/pages.h"

#define ARENA_MAX        ((size_t)1 << 30)
#define STORED_VALUE_MAX ((size_t)1 << 28)

_Static_assert(STORED_VALUE_MAX < ARENA_MAX, "a value can be read");

static bool txn_is_usable(const struct store_txn *txn)
{
    return txn->err == KITH_OK && txn->inner != NULL;
}

void store_fail(struct store_txn *txn, enum kith_err err)
{
    if (txn->err == KITH_OK)
        txn->err = err;
}

/* A reader that was killed keeps its slot until somebody looks. */
static int inner_begin(MDB_env *env, enum store_access access, MDB_txn **inner)
{
    unsigned flags = access == STORE_READ ? MDB_RDONLY : 0;
    int dead_readers = 0;
    int code = mdb_txn_begin(env, NULL, flags, inner);

    if (code == MDB_READERS_FULL && mdb_reader_check(env, &dead_readers) == MDB_SUCCESS &&
        dead_readers > 0)
        code = mdb_txn_begin(env, NULL, flags, inner);
    return code;
}

/* KITH_RETRY: another process made the map larger, and now ours is, too. */
static enum kith_err txn_start(struct store_txn *txn)
{
    struct store *store = txn->store;
    MDB_txn *inner = NULL;
    enum kith_err err = store_enter(store, txn->access);
    size_t seen_bytes;
    int code;

    if (err != KITH_OK)
        return err;
    seen_bytes = store_map_bytes(store);
    code = inner_begin(store->env, txn->access, &inner);
    if (code == MDB_SUCCESS) {
        txn->inner = inner;
        return KITH_OK;
    }
    store_leave(store);
    if (code != MDB_MAP_RESIZED)
        return store_error(code);
    err = store_grow(store, seen_bytes);
    return err == KITH_OK ? KITH_RETRY : err;
}

struct store_txn store_begin(struct store *store, enum store_access access)
{
    struct store_txn txn = {.store = store, .access = access};

    arena_init(&txn.arena, ARENA_MAX);
    do
        txn.err = txn_start(&txn);
    while (txn.err == KITH_RETRY);
    return txn;
}

/* After a commit that failed for any other reason than room, the disk cannot be believed: the
 * kernel forgets the pages it could not write, and the next commit would seem to succeed
 * (reliability.md, F3). */
static bool err_is_harmless(enum kith_err err)
{
    return err == KITH_OK || err == KITH_RETRY || err == KITH_FULL || err == KITH_MEMORY;
}

static enum kith_err inner_commit(struct store_txn *txn)
{
    enum kith_err err;

    errno = 0; /* store_error asks it */
    err = store_error(mdb_txn_commit(txn->inner));
    if (!err_is_harmless(err))
        store_refuse(txn->store, STORE_WRITE, err);
    return err;
}

static void txn_end(struct store_txn *txn, bool is_kept)
{
    size_t seen_bytes;

    arena_clear(&txn->arena);
    if (txn->inner == NULL)
        return;
    seen_bytes = store_map_bytes(txn->store);
    if (is_kept && txn->access == STORE_WRITE && txn->err == KITH_OK)
        txn->err = inner_commit(txn);
    else
        mdb_txn_abort(txn->inner);
    txn->inner = NULL;
    store_leave(txn->store);
    if (txn->access == STORE_WRITE && txn->err == KITH_RETRY) {
        enum kith_err err = store_grow(txn->store, seen_bytes);

        txn->err = err == KITH_OK ? KITH_RETRY : err;
    }
}

enum kith_err store_commit(struct store_txn *txn)
{
    txn_end(txn, true);
    return txn->err;
}

void store_abort(struct store_txn *txn)
{
    txn_end(txn, false);
}

void store_forget(struct store_txn *txn)
{
    arena_reset(&txn->arena);
}

static MDB_dbi txn_table(const struct store_txn *txn, enum store_table table)
{
    assert(table_is_of(table, txn->store->kind));
    return txn->store->tables[table];
}

/* LMDB has no const; it only reads what it is given. */
static MDB_val val_of(struct bytes view)
{
    return (MDB_val){.mv_size = view.len,
                     .mv_data =
                         (void *)(uintptr_t)view.ptr}; /* NOLINT(performance-no-int-to-ptr) */
}

static MDB_val val_of_key(struct bytes key)
{
    assert(key.len > 0 && key.len <= STORE_KEY_MAX);
    return val_of(key);
}

/* Keys and values without content still point somewhere, as memcpy demands. */
static struct bytes bytes_none(void)
{
    return bytes_of("", 0);
}

static bool is_marked(const struct store_txn *txn, enum store_table table, struct bytes key,
                      struct bytes value)
{
    uint8_t mark[MARK_BYTES];

    sealed_mark(txn->store->keys, table_name(table), key, value, mark);
    return memcmp(mark, value.ptr + value.len, MARK_BYTES) == 0;
}

static struct bytes plain_take(struct store_txn *txn, enum store_table table, struct bytes key,
                               struct bytes stored)
{
    bool has_mark = table_sealing(table) == SEALING_PLAIN;
    bool is_short = stored.len < table_overhead(table);
    struct bytes content = bytes_of(stored.ptr, is_short ? 0 : stored.len - table_overhead(table));

    if (is_short || (has_mark && !is_marked(txn, table, key, content))) {
        store_fail(txn, KITH_DAMAGED);
        return bytes_none();
    }
    struct bytes value = arena_copy(&txn->arena, content);

    if (value.ptr != NULL)
        return value;
    store_fail(txn, KITH_MEMORY);
    return bytes_none();
}

static struct bytes sealed_take(struct store_txn *txn, enum store_table table, struct bytes key,
                                struct bytes stored)
{
    size_t len = bytes_after(stored, SEALED_OVERHEAD).len;
    uint8_t *text = arena_take(&txn->arena, len);

    if (text == NULL)
        store_fail(txn, KITH_MEMORY);
    else if (!sealed_read(txn->store->keys, table_name(table), key, stored, text))
        store_fail(txn, KITH_DAMAGED);
    else
        return bytes_of(text, len);
    return bytes_none();
}

/* The value in the arena; empty, and the transaction failed, if it is not what was stored. */
static struct bytes value_take(struct store_txn *txn, enum store_table table, struct bytes key,
                               struct bytes stored)
{
    if (stored.len > STORED_VALUE_MAX + SEALED_OVERHEAD) {
        store_fail(txn, KITH_DAMAGED);
        return bytes_none();
    }
    return table_sealing(table) == SEALING_SEALED ? sealed_take(txn, table, key, stored)
                                                  : plain_take(txn, table, key, stored);
}

bool store_get(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes *value)
{
    MDB_val name;
    MDB_val stored;
    int code;

    if (value != NULL)
        *value = bytes_none();
    if (!txn_is_usable(txn))
        return false;
    name = val_of_key(key);
    code = mdb_get(txn->inner, txn_table(txn, table), &name, &stored);
    if (code == MDB_NOTFOUND)
        return false;
    store_fail(txn, store_error(code));
    if (txn->err == KITH_OK && value != NULL)
        *value = value_take(txn, table, key, bytes_of(stored.mv_data, stored.mv_size));
    return txn->err == KITH_OK;
}

/* LMDB gives the place and the value is sealed into it: no copy of the text is made. */
static void value_put(struct store_txn *txn, enum store_table table, struct bytes key,
                      struct bytes value, unsigned flags)
{
    MDB_val place = {.mv_size = value.len + table_overhead(table)};
    MDB_val name;

    if (value.len > STORED_VALUE_MAX)
        store_fail(txn, KITH_TOO_LARGE);
    if (!txn_is_usable(txn))
        return;
    name = val_of_key(key);
    errno = 0; /* store_error asks it */
    store_fail(txn, store_error(mdb_put(txn->inner, txn_table(txn, table), &name, &place,
                                        flags | MDB_RESERVE)));
    if (txn->err != KITH_OK)
        return;
    if (table_sealing(table) == SEALING_SEALED) {
        sealed_write(txn->store->keys, table_name(table), key, value, place.mv_data);
        return;
    }
    if (value.len > 0)
        memcpy(place.mv_data, value.ptr, value.len);
    if (table_sealing(table) == SEALING_PLAIN)
        sealed_mark(txn->store->keys, table_name(table), key, value,
                    (uint8_t *)place.mv_data + value.len);
}

void store_put(struct store_txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
    assert(txn->access == STORE_WRITE);
    value_put(txn, table, key, value, 0);
}

void store_append(struct store_txn *txn, enum store_table table, struct bytes key,
                  struct bytes value)
{
    assert(txn->access == STORE_WRITE);
    value_put(txn, table, key, value, MDB_APPEND);
}

void store_delete(struct store_txn *txn, enum store_table table, struct bytes key)
{
    MDB_val name;
    int code;

    assert(txn->access == STORE_WRITE);
    if (!txn_is_usable(txn))
        return;
    name = val_of_key(key);
    errno = 0; /* store_error asks it */
    code = mdb_del(txn->inner, txn_table(txn, table), &name, NULL);
    if (code != MDB_NOTFOUND)
        store_fail(txn, store_error(code));
}

enum kith_err store_check_pages(struct store_txn *txn, struct pages *pages)
{
    mdb_filehandle_t fd;

    assert(txn->access == STORE_READ);
    if (!txn_is_usable(txn))
        return txn->err;
    int code = mdb_env_get_fd(txn->store->env, &fd);
    return code == MDB_SUCCESS ? pages_check(fd, mdb_txn_id(txn->inner), pages) : store_error(code);
}

uint64_t store_count(struct store_txn *txn, enum store_table table)
{
    MDB_stat content = {0};

    if (txn_is_usable(txn))
        store_fail(txn, store_error(mdb_stat(txn->inner, txn_table(txn, table), &content)));
    return content.ms_entries;
}

/* False also, and the transaction failed, if the value has another length. */
static bool number_get(struct store_txn *txn, enum store_table table, struct bytes key,
                       struct bytes *value, size_t len)
{
    if (!store_get(txn, table, key, value))
        return false;
    if (value->len == len)
        return true;
    store_fail(txn, KITH_DAMAGED);
    return false;
}

bool store_get_u32(struct store_txn *txn, enum store_table table, struct bytes key, uint32_t *value)
{
    struct bytes stored;
    bool is_there = number_get(txn, table, key, &stored, sizeof *value);

    *value = is_there ? get_u32(stored.ptr) : 0;
    return is_there;
}

bool store_get_u64(struct store_txn *txn, enum store_table table, struct bytes key, uint64_t *value)
{
    struct bytes stored;
    bool is_there = number_get(txn, table, key, &stored, sizeof *value);

    *value = is_there ? get_u64(stored.ptr) : 0;
    return is_there;
}

void store_put_u32(struct store_txn *txn, enum store_table table, struct bytes key, uint32_t value)
{
    uint8_t number[sizeof value];

    put_u32(number, value);
    store_put(txn, table, key, bytes_of(number, sizeof number));
}

void store_put_u64(struct store_txn *txn, enum store_table table, struct bytes key, uint64_t value)
{
    uint8_t number[sizeof value];

    put_u64(number, value);
    store_put(txn, table, key, bytes_of(number, sizeof number));
}

/* LMDB's order: byte by byte, the shorter first. */
static bool bytes_precede(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

    return order != 0 ? order < 0 : a.len < b.len;
}

static bool bytes_begin_with(struct bytes view, struct bytes prefix)
{
    return view.len >= prefix.len && bytes_equal(bytes_of(view.ptr, prefix.len), prefix);
}

/* Moves the cursor to the first key >= `from` (any key if it is empty); false if there is none or
 * it fails. */
static bool cursor_seek(struct store_txn *txn, MDB_cursor *cursor, struct bytes from, MDB_val *key,
                        MDB_val *value)
{
    int code;

    *key = val_of(from);
    code = mdb_cursor_get(cursor, key, value, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND)
        store_fail(txn, store_error(code));
    return code == MDB_SUCCESS;
}

static bool cursor_move(struct store_txn *txn, MDB_cursor *cursor, MDB_cursor_op op, MDB_val *key,
                        MDB_val *value)
{
    int code = mdb_cursor_get(cursor, key, value, op);

    if (code != MDB_SUCCESS && code != MDB_NOTFOUND)
        store_fail(txn, store_error(code));
    return code == MDB_SUCCESS;
}

static MDB_cursor *cursor_open(struct store_txn *txn, enum store_table table)
{
    MDB_cursor *cursor = NULL;

    if (txn_is_usable(txn))
        store_fail(txn, store_error(mdb_cursor_open(txn->inner, txn_table(txn, table), &cursor)));
    return cursor;
}

/* Shows what the cursor stands on, if the walk goes that far. */
static bool walk_show(struct store_walk *walk, MDB_val key, MDB_val stored)
{
    walk->key = bytes_of(key.mv_data, key.mv_size);
    walk->sealed = bytes_of(stored.mv_data, stored.mv_size);
    if (walk->key.len > STORE_KEY_MAX)
        store_fail(walk->txn, KITH_DAMAGED);
    return walk->txn->err == KITH_OK &&
           bytes_begin_with(walk->key, bytes_of(walk->prefix, walk->prefix_len));
}

struct store_walk store_walk_begin(struct store_txn *txn, enum store_table table,
                                   struct bytes prefix, struct bytes from)
{
    struct store_walk walk = {.txn = txn, .table = table, .inner = cursor_open(txn, table)};
    struct bytes start = bytes_precede(from, prefix) ? prefix : from;
    MDB_val key;
    MDB_val stored;

    if (walk.inner == NULL)
        return walk;
    assert(prefix.len <= STORE_KEY_MAX && from.len <= STORE_KEY_MAX);
    walk.prefix_len = prefix.len;
    if (prefix.len > 0)
        memcpy(walk.prefix, prefix.ptr, prefix.len);
    if (!cursor_seek(txn, walk.inner, start, &key, &stored) || !walk_show(&walk, key, stored))
        store_walk_end(&walk);
    return walk;
}

bool store_walk_next(struct store_walk *walk)
{
    MDB_val key;
    MDB_val stored;

    if (walk->inner == NULL || !txn_is_usable(walk->txn)) {
        store_walk_end(walk);
        return false;
    }
    if (!walk->is_begun) { /* store_walk_begin went to the first */
        walk->is_begun = true;
        return true;
    }
    if (cursor_move(walk->txn, walk->inner, MDB_NEXT, &key, &stored) &&
        walk_show(walk, key, stored))
        return true;
    store_walk_end(walk);
    return false;
}

struct bytes store_walk_value(struct store_walk *walk)
{
    if (walk->inner == NULL || !txn_is_usable(walk->txn))
        return bytes_none();
    assert(walk->is_begun);
    return value_take(walk->txn, walk->table, walk->key, walk->sealed);
}

/* The end of a write transaction has closed its cursors; that of a read has not (lmdb.h,
 * mdb_cursor_open). */
void store_walk_end(struct store_walk *walk)
{
    if (walk->inner != NULL && (walk->txn->access == STORE_READ || walk->txn->inner != NULL))
        mdb_cursor_close(walk->inner);
    walk->inner = NULL;
    walk->key = bytes_none();
    walk->sealed = bytes_none();
}

/* The least key above all that begin with `prefix`; empty if there is none. */
static struct bytes prefix_successor(struct bytes prefix, uint8_t successor[static STORE_KEY_MAX])
{
    size_t len = prefix.len;

    while (len > 0 && prefix.ptr[len - 1] == UINT8_MAX)
        len--;
    if (len > 0) {
        memcpy(successor, prefix.ptr, len);
        successor[len - 1]++;
    }
    return bytes_of(successor, len);
}

/* Moves to the last key below `beyond`, or of all if it is empty. */
static bool cursor_seek_below(struct store_txn *txn, MDB_cursor *cursor, struct bytes beyond,
                              MDB_val *key)
{
    MDB_val stored;
    bool is_above = beyond.len > 0 && cursor_seek(txn, cursor, beyond, key, &stored);

    if (txn->err != KITH_OK)
        return false;
    return cursor_move(txn, cursor, is_above ? MDB_PREV : MDB_LAST, key, &stored);
}

size_t store_last(struct store_txn *txn, enum store_table table, struct bytes prefix, uint8_t *key)
{
    uint8_t successor[STORE_KEY_MAX];

    assert(prefix.len <= STORE_KEY_MAX);
    return store_last_below(txn, table, prefix, prefix_successor(prefix, successor), key);
}

size_t store_last_below(struct store_txn *txn, enum store_table table, struct bytes prefix,
                        struct bytes bound, uint8_t *key)
{
    MDB_cursor *cursor = cursor_open(txn, table);
    MDB_val last = {0};
    size_t len = 0;

    if (cursor == NULL)
        return 0;
    if (!cursor_seek_below(txn, cursor, bound, &last))
        len = 0;
    else if (last.mv_size > STORE_KEY_MAX)
        store_fail(txn, KITH_DAMAGED);
    else if (bytes_begin_with(bytes_of(last.mv_data, last.mv_size), prefix))
        len = last.mv_size;
    if (len > 0)
        memcpy(key, last.mv_data, len);
    mdb_cursor_close(cursor);
    return len;
}

static struct key key_empty(void)
{
    return (struct key){.len = 0};
}

static uint8_t *key_extend(struct key *key, size_t len)
{
    uint8_t *place = key->ptr + key->len;

    assert(len <= STORE_KEY_MAX - key->len);
    key->len += len;
    return place;
}

struct key key_of_u32(uint32_t first)
{
    struct key key = key_empty();

    key_u32(&key, first);
    return key;
}

struct key key_of_u64(uint64_t first)
{
    struct key key = key_empty();

    key_u64(&key, first);
    return key;
}

struct key key_of_text(const char *name)
{
    struct key key = key_empty();
    size_t len = strlen(name);

    memcpy(key_extend(&key, len), name, len);
    return key;
}

void key_u16(struct key *key, uint16_t value)
{
    put_u16(key_extend(key, sizeof value), value);
}

void key_u32(struct key *key, uint32_t value)
{
    put_u32(key_extend(key, sizeof value), value);
}

void key_u64(struct key *key, uint64_t value)
{
    put_u64(key_extend(key, sizeof value), value);
}

struct bytes key_bytes(const struct key *key)
{
    return bytes_of(key->ptr, key->len);
}
