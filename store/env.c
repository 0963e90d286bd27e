/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store: the folder, its owner, the map, the format, the tables; and the gate around
 * map growth.
 *
 * 1. Nothing is believed before the format, the kind and the key are checked, in this order.
 * 2. The format table is made in the same transaction as all others: a store is there as a whole
 *    or not at all, and one whose making was interrupted can be made again, even where LMDB's own
 *    first two pages are torn.
 * 3. The map changes only under the gate and while open_count is 0 (lmdb.h, mdb_env_set_mapsize).
 */
#include "store/env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/env_internal.h"

#define DATA_FILE  "data.mdb" /* LMDB's name */
#define OWNER_FILE "owner.lock"

#define MAP_HUB    ((size_t)1 << 40)
#define MAP_DEVICE ((size_t)1 << 36)
#define MAP_MODEST ((size_t)1 << 30) /* asked for even where the address space is limited */
#define MAP_LEAST  ((size_t)1 << 16) /* holds the empty tables */

_Static_assert(sizeof(size_t) == 8, "a map of 1 TiB needs 64 bits");
_Static_assert(sizeof(MDB_dbi) == sizeof(unsigned),
               "env_internal.h holds table handles without lmdb.h");

static const struct table_rule {
    const char *name;
    enum store_kind kind;
    enum table_sealing sealing;
} table_rules[TABLE_ALL] = {
#define HUB_RULE(name, sealing, key, value, file)                                                  \
    [TABLE_##name] = {#name, STORE_HUB, SEALING_##sealing},
#define DEVICE_RULE(name, sealing, key, value, file)                                               \
    [TABLE_##name] = {#name, STORE_DEVICE, SEALING_##sealing},
    HUB_TABLES(HUB_RULE) DEVICE_TABLES(DEVICE_RULE)
#undef HUB_RULE
#undef DEVICE_RULE
        [TABLE_FORMAT] = {.name = "FORMAT", .sealing = SEALING_NONE},
};

const char *table_name(enum store_table table)
{
    return table_rules[table].name;
}

enum table_sealing table_sealing(enum store_table table)
{
    return table_rules[table].sealing;
}

size_t table_overhead(enum store_table table)
{
    static const size_t overheads[] = {
        [SEALING_NONE] = 0, [SEALING_PLAIN] = MARK_BYTES, [SEALING_SEALED] = SEALED_OVERHEAD};

    return overheads[table_rules[table].sealing];
}

bool table_is_of(enum store_table table, enum store_kind kind)
{
    return table == TABLE_FORMAT || table_rules[table].kind == kind;
}

enum kith_err store_error(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return KITH_OK;
    case MDB_MAP_FULL:
        return KITH_RETRY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KITH_FULL;
    case EIO: /* LMDB makes this up for a short write, which only a full disk gives; errno tells
                 them apart */
        return errno == 0 ? KITH_FULL : KITH_IO;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        return KITH_DAMAGED;
    case MDB_VERSION_MISMATCH:
        return KITH_NEWER_STORE;
    case MDB_KEYEXIST:
        return KITH_EXISTS;
    case MDB_TXN_FULL:
        return KITH_TOO_LARGE;
    case MDB_READERS_FULL:
    case EAGAIN:
    case EBUSY:
    case EMFILE:
    case ENFILE:
        return KITH_BUSY;
    case ENOMEM:
        return KITH_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return KITH_PERMISSION;
    case ENOENT:
        return KITH_NOT_FOUND;
    default: /* MDB_PANIC among them: an earlier write of LMDB's own pages failed */
        return KITH_IO;
    }
}

static struct timespec gate_deadline(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += STORE_GATE_MS / 1000;
    return at;
}

/* Waits with the gate held until somebody left or the map was grown; KITH_BUSY at the deadline. */
static enum kith_err gate_wait(struct store *store, const struct timespec *deadline)
{
    return pthread_cond_timedwait(&store->gate_moved, &store->gate, deadline) == ETIMEDOUT
               ? KITH_BUSY
               : KITH_OK;
}

static enum kith_err gate_wait_growth(struct store *store, const struct timespec *deadline)
{
    enum kith_err err = KITH_OK;

    while (store->is_growing && err == KITH_OK)
        err = gate_wait(store, deadline);
    return store->is_growing ? err : KITH_OK;
}

enum kith_err store_enter(struct store *store, enum store_access access)
{
    struct timespec deadline = gate_deadline();
    enum kith_err err;

    (void)pthread_mutex_lock(&store->gate);
    err = gate_wait_growth(store, &deadline);
    if (err == KITH_OK)
        err = store->refusal[access];
    if (err == KITH_OK)
        store->open_count++;
    (void)pthread_mutex_unlock(&store->gate);
    return err;
}

void store_leave(struct store *store)
{
    (void)pthread_mutex_lock(&store->gate);
    assert(store->open_count > 0);
    store->open_count--;
    (void)pthread_cond_broadcast(&store->gate_moved);
    (void)pthread_mutex_unlock(&store->gate);
}

void store_refuse(struct store *store, enum store_access access, enum kith_err err)
{
    (void)pthread_mutex_lock(&store->gate);
    if (store->refusal[access] == KITH_OK)
        store->refusal[access] = err;
    (void)pthread_mutex_unlock(&store->gate);
}

size_t store_map_bytes(const struct store *store)
{
    MDB_envinfo info;

    (void)mdb_env_info(store->env, &info);
    return info.me_mapsize;
}

/* LMDB gives its old map up before it asks for the new one, so whether there is room is tried out
 * first. */
static bool map_has_room(size_t bytes)
{
    void *trial = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (trial == MAP_FAILED)
        return false;
    (void)munmap(trial, bytes);
    return true;
}

static enum kith_err map_enlarge(struct store *store)
{
    size_t bytes = store_map_bytes(store) * 2;
    enum kith_err err;

    if (!map_has_room(bytes))
        return KITH_MEMORY;
    err = store_error(mdb_env_set_mapsize(store->env, bytes));
    if (err != KITH_OK) { /* there is no map any more */
        store->refusal[STORE_READ] = err;
        store->refusal[STORE_WRITE] = err;
    }
    return err;
}

/* With the gate held and no other growth under way. */
static enum kith_err map_enlarge_alone(struct store *store, const struct timespec *deadline)
{
    enum kith_err err = KITH_OK;

    store->is_growing = true;
    while (store->open_count > 0 && err == KITH_OK)
        err = gate_wait(store, deadline);
    if (store->open_count == 0)
        err = map_enlarge(store);
    store->is_growing = false;
    (void)pthread_cond_broadcast(&store->gate_moved);
    return err;
}

enum kith_err store_grow(struct store *store, size_t seen_bytes)
{
    struct timespec deadline = gate_deadline();
    enum kith_err err;

    (void)pthread_mutex_lock(&store->gate);
    err = gate_wait_growth(store, &deadline);
    if (err == KITH_OK && store_map_bytes(store) <= seen_bytes)
        err = map_enlarge_alone(store, &deadline);
    (void)pthread_mutex_unlock(&store->gate);
    return err;
}

static struct bytes kind_text(enum store_kind kind)
{
    return bytes_text(kind == STORE_HUB ? "hub" : "device");
}

static const char check_key[] = "check";

/* The kind under seal: opens only with the storage key that made the store. */
#define CHECK_MAX (SEALED_OVERHEAD + 16)

static void format_make(struct store_txn *txn)
{
    const struct store *store = txn->store;
    struct key number = key_of_text("number");
    struct key kind = key_of_text("kind");
    struct key check = key_of_text(check_key);
    struct bytes text = kind_text(store->kind);
    uint8_t sealed[CHECK_MAX];

    sealed_write(store->keys, table_name(TABLE_FORMAT), key_bytes(&check), text, sealed);
    store_put_u32(txn, TABLE_FORMAT, key_bytes(&number), STORE_FORMAT);
    store_put(txn, TABLE_FORMAT, key_bytes(&kind), text);
    store_put(txn, TABLE_FORMAT, key_bytes(&check), bytes_of(sealed, text.len + SEALED_OVERHEAD));
}

static void format_check_key(struct store_txn *txn)
{
    const struct store *store = txn->store;
    struct key check = key_of_text(check_key);
    struct bytes kind = kind_text(store->kind);
    struct bytes sealed;
    uint8_t text[CHECK_MAX];

    if (!store_get(txn, TABLE_FORMAT, key_bytes(&check), &sealed) ||
        sealed.len != kind.len + SEALED_OVERHEAD)
        store_fail(txn, KITH_DAMAGED);
    else if (!sealed_read(store->keys, table_name(TABLE_FORMAT), key_bytes(&check), sealed, text))
        store_fail(txn, KITH_PASSPHRASE);
    else if (!bytes_equal(bytes_of(text, kind.len), kind))
        store_fail(txn, KITH_DAMAGED);
}

/* The number found; what the format is not, the transaction then knows. */
static uint32_t format_check(struct store_txn *txn)
{
    struct key number_key = key_of_text("number");
    struct key kind_key = key_of_text("kind");
    struct bytes kind;
    uint32_t number;

    if (!store_get_u32(txn, TABLE_FORMAT, key_bytes(&number_key), &number))
        store_fail(txn, KITH_DAMAGED);
    if (number > STORE_FORMAT)
        store_fail(txn, KITH_NEWER_STORE);
    if (!store_get(txn, TABLE_FORMAT, key_bytes(&kind_key), &kind) ||
        !bytes_equal(kind, kind_text(txn->store->kind)))
        store_fail(txn, KITH_DAMAGED);
    format_check_key(txn);
    return number;
}

/* False, without failing, if there is no such table and it is not to be made. */
static bool table_open(struct store_txn *txn, enum store_table table, unsigned flags)
{
    int code;

    if (txn->err != KITH_OK)
        return false;
    code = mdb_dbi_open(txn->inner, table_name(table), flags, &txn->store->tables[table]);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND)
        store_fail(txn, store_error(code));
    return code == MDB_SUCCESS;
}

/* Whether the file holds no table at all: new, or its making was interrupted. */
static bool tables_are_none(struct store_txn *txn)
{
    MDB_stat content = {0};
    MDB_dbi names;

    store_fail(txn, store_error(mdb_dbi_open(txn->inner, NULL, 0, &names)));
    if (txn->err == KITH_OK)
        store_fail(txn, store_error(mdb_stat(txn->inner, names, &content)));
    return txn->err == KITH_OK && content.ms_entries == 0;
}

/* Opens or makes the format table; the result says whether the other tables may be made as well. */
static bool format_prepare(struct store_txn *txn, bool is_new)
{
    if (table_open(txn, TABLE_FORMAT, 0)) {
        store_fail(txn, is_new ? KITH_EXISTS : KITH_OK);
        return format_check(txn) < STORE_FORMAT;
    }
    if (txn->err == KITH_OK && !tables_are_none(txn))
        store_fail(txn, KITH_DAMAGED);
    if (!is_new)
        store_fail(txn, KITH_NOT_FOUND);
    return table_open(txn, TABLE_FORMAT, MDB_CREATE);
}

static void tables_prepare(struct store_txn *txn, bool is_new)
{
    bool may_make = format_prepare(txn, is_new);

    for (enum store_table table = 0; table < TABLE_COUNT; table++)
        if (table_is_of(table, txn->store->kind) &&
            !table_open(txn, table, may_make ? MDB_CREATE : 0))
            store_fail(txn, KITH_DAMAGED);
    if (may_make)
        format_make(txn);
}

static enum kith_err store_prepare(struct store *store, bool is_new)
{
    struct store_txn txn;
    enum kith_err err;

    do {
        txn = store_begin(store, STORE_WRITE);
        tables_prepare(&txn, is_new);
        err = store_commit(&txn);
    } while (err == KITH_RETRY);
    return err;
}

static enum kith_err folder_open(struct store *store, const char *folder)
{
    struct stat found;

    store->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder_fd < 0)
        return errno == ENOTDIR ? KITH_PERMISSION : store_error(errno);
    if (fstat(store->folder_fd, &found) != 0)
        return store_error(errno);
    if (found.st_uid != geteuid() || (found.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return KITH_PERMISSION;
    return KITH_OK;
}

/* Too short for any table. A header that cannot be read, in such a file, is one whose first writing
 * was cut short: map_sync lets nothing be written behind it before it is on the disk. */
static bool data_is_unmade(const struct store *store)
{
    struct stat found;

    return fstatat(store->folder_fd, DATA_FILE, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(found.st_mode) && found.st_size <= 2 * sysconf(_SC_PAGESIZE);
}

/* LMDB would make the file; where no new store is asked for it must be there. */
static enum kith_err data_find(const struct store *store, bool is_new)
{
    struct stat found;

    if (is_new || fstatat(store->folder_fd, DATA_FILE, &found, AT_SYMLINK_NOFOLLOW) == 0)
        return KITH_OK;
    return store_error(errno);
}

static enum kith_err owner_take(struct store *store)
{
    store->owner_fd = openat(store->folder_fd, OWNER_FILE,
                             O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (store->owner_fd < 0)
        return store_error(errno);
    if (flock(store->owner_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? KITH_IN_USE : store_error(errno);
    return KITH_OK;
}

/* An environment that failed to open cannot be opened again (lmdb.h, mdb_env_open). */
static int map_open_with(struct store *store, const struct store_options *options, size_t map_bytes)
{
    unsigned flags = MDB_NOTLS | (options->is_volatile ? MDB_NOSYNC | MDB_NOMETASYNC : 0);
    int code = mdb_env_create(&store->env);

    if (code != MDB_SUCCESS)
        return code;
    code = mdb_env_set_maxreaders(store->env, STORE_READERS);
    if (code == MDB_SUCCESS)
        code = mdb_env_set_maxdbs(store->env, TABLE_ALL);
    if (code == MDB_SUCCESS)
        code = mdb_env_set_mapsize(store->env, map_bytes);
    if (code == MDB_SUCCESS)
        code = mdb_env_open(store->env, options->folder, flags, S_IRUSR | S_IWUSR);
    if (code != MDB_SUCCESS) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return code;
}

static size_t map_bytes_first(const struct store_options *options)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = options->map_bytes;

    if (bytes == 0)
        return options->kind == STORE_HUB ? MAP_HUB : MAP_DEVICE;
    if (bytes < MAP_LEAST)
        return MAP_LEAST;
    return (bytes + page - 1) / page * page;
}

/* Halves what it asks for while the address space is too small: `ulimit -v`, small machines. */
static enum kith_err map_open(struct store *store, const struct store_options *options)
{
    size_t bytes = map_bytes_first(options);
    int dead_readers;
    int code = map_open_with(store, options, bytes);

    while (code == ENOMEM && bytes > MAP_MODEST) {
        bytes /= 2;
        code = map_open_with(store, options, bytes);
    }
    if (code == MDB_SUCCESS)
        code = mdb_reader_check(store->env, &dead_readers);
    return store_error(code);
}

/* Of a new file. */
static enum kith_err map_sync(struct store *store, const struct store_options *options)
{
    if (!options->is_new || options->is_volatile)
        return KITH_OK;
    return store_error(mdb_env_sync(store->env, 1));
}

/* What is left of a store whose making was cut short is no store, and in nobody's way. */
static enum kith_err map_open_or_make(struct store *store, const struct store_options *options)
{
    enum kith_err err = map_open(store, options);

    if (err == KITH_DAMAGED && data_is_unmade(store)) {
        if (!options->is_new)
            return KITH_NOT_FOUND;
        if (unlinkat(store->folder_fd, DATA_FILE, 0) != 0)
            return store_error(errno);
        err = map_open(store, options);
    }
    return err == KITH_OK ? map_sync(store, options) : err;
}

/* The names of the new files must survive a power loss as well as what is in them. */
static enum kith_err folder_sync(const struct store *store)
{
    return fsync(store->folder_fd) == 0 ? KITH_OK : store_error(errno);
}

static enum kith_err gate_init(struct store *store)
{
    pthread_condattr_t attr;
    int code = pthread_condattr_init(&attr);

    if (code != 0)
        return store_error(code);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    code = pthread_cond_init(&store->gate_moved, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (code == 0)
        code = pthread_mutex_init(&store->gate, NULL);
    return store_error(code);
}

static enum kith_err store_new(struct store **store, enum store_kind kind)
{
    *store = calloc(1, sizeof **store);
    if (*store == NULL)
        return KITH_MEMORY;
    (*store)->kind = kind;
    (*store)->folder_fd = -1;
    (*store)->owner_fd = -1;
    return gate_init(*store);
}

/* Everything about the folder and the file before anything in it is read. */
static enum kith_err store_attach(struct store *store, const struct store_options *options)
{
    enum kith_err err = folder_open(store, options->folder);

    if (err == KITH_OK)
        err = data_find(store, options->is_new);
    if (err == KITH_OK && options->is_exclusive)
        err = owner_take(store);
    if (err == KITH_OK)
        err = map_open_or_make(store, options);
    return err;
}

enum kith_err store_open(struct store **store, const struct store_options *options)
{
    struct store *opened = NULL;
    enum kith_err err = store_new(&opened, options->kind);

    *store = NULL;
    if (err == KITH_OK)
        err = store_attach(opened, options);
    if (err == KITH_OK) {
        opened->keys = sealed_keys_new(options->key);
        err = opened->keys == NULL ? KITH_MEMORY : store_prepare(opened, options->is_new);
    }
    if (err == KITH_OK && options->is_new && !options->is_volatile)
        err = folder_sync(opened);
    if (err != KITH_OK)
        store_close(&opened);
    *store = opened;
    return err;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

enum kith_err store_copy(struct store *store, int fd)
{
    return store_error(mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT));
}

void store_close(struct store **store)
{
    struct store *closing = *store;

    if (closing == NULL)
        return;
    assert(closing->open_count == 0);
    if (closing->env != NULL)
        mdb_env_close(closing->env);
    sealed_keys_free(&closing->keys);
    close_if_open(closing->owner_fd); /* last: whoever takes over finds everything closed */
    close_if_open(closing->folder_fd);
    (void)pthread_cond_destroy(&closing->gate_moved);
    (void)pthread_mutex_destroy(&closing->gate);
    free(closing);
    *store = NULL;
}

void store_blind(const struct store *store, uint8_t purpose, struct bytes id,
                 uint8_t blind[static STORE_BLIND_BYTES])
{
    sealed_blind(store->keys, purpose, id, blind, STORE_BLIND_BYTES);
}

uint64_t store_bytes(const struct store *store)
{
    struct stat found;
    mdb_filehandle_t fd;

    if (mdb_env_get_fd(store->env, &fd) != MDB_SUCCESS || fstat(fd, &found) != 0)
        return 0;
    return (uint64_t)found.st_size;
}
