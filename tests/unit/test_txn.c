/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: what is kept, what is refused, how the map grows, and that walks agree with a plain
 * sorted list. Damage is done through LMDB itself, with the store closed. fdatasync is replaced so
 * that it can fail on request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/env.h"
#include "store/txn.h"

#define PATH_BYTES    512
#define MAP_SMALL     ((size_t)131072)
#define MAP_ROOMY     ((size_t)64 << 20)
#define LOAD_ROWS     2560
#define LOAD_BATCH    64
#define LOAD_ROW      4096 /* 10 MiB in all */
#define WATCH_SECONDS 120

static char folder[PATH_BYTES];
static const uint8_t storage_key[KEY_BYTES] = "a storage key for the tests only";

static bool is_sync_failing;

/* LMDB's own call, taken over: the linker binds it to this one. */
__attribute__((visibility("default"))) int fdatasync(int fd)
{
    if (!is_sync_failing)
        return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

static int folder_make(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.400s/kith-test-txn-XXXXXX",
                   base == NULL ? "/tmp" : base);
    (void)alarm(WATCH_SECONDS); /* a deadlock fails, it does not hang */
    return mkdtemp(folder) == NULL;
}

static int folder_remove(void **state)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock"};
    char path[PATH_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%.400s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static struct store *open_with(bool is_new, size_t map_bytes, bool is_volatile)
{
    const struct store_options options = {
        .kind = STORE_HUB,
        .folder = folder,
        .key = storage_key,
        .map_bytes = map_bytes,
        .is_new = is_new,
        .is_volatile = is_volatile,
    };
    struct store *store;

    assert_int_equal(store_open(&store, &options), KITH_OK);
    return store;
}

static struct store *open_new(void)
{
    return open_with(true, MAP_ROOMY, true);
}

static struct store *open_again(struct store *store)
{
    store_close(&store);
    return open_with(false, MAP_ROOMY, true);
}

static void assert_bytes(struct bytes value, const char *text)
{
    assert_int_equal(value.len, strlen(text));
    assert_memory_equal(value.ptr, text, value.len);
}

static void put_text(struct store_txn *txn, enum store_table table, const char *name,
                     const char *text)
{
    store_put(txn, table, bytes_text(name), bytes_text(text));
}

static void store_text(struct store *store, enum store_table table, const char *name,
                       const char *text)
{
    struct store_txn txn = store_begin(store, STORE_WRITE);

    put_text(&txn, table, name, text);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static void assert_stored(struct store *store, enum store_table table, const char *name,
                          const char *text)
{
    struct store_txn txn = store_begin(store, STORE_READ);
    struct bytes value;

    assert_true(store_get(&txn, table, bytes_text(name), &value));
    assert_bytes(value, text);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static void assert_not_stored(struct store *store, enum store_table table, const char *name)
{
    struct store_txn txn = store_begin(store, STORE_READ);

    assert_false(store_get(&txn, table, bytes_text(name), NULL));
    assert_int_equal(store_commit(&txn), KITH_OK);
}

/* What reading the value answers. */
static enum kith_err read_verdict(struct store *store, enum store_table table, struct bytes key)
{
    struct store_txn txn = store_begin(store, STORE_READ);
    struct bytes value;
    bool is_there = store_get(&txn, table, key, &value);
    enum kith_err err = store_commit(&txn);

    assert_true(is_there == (err == KITH_OK));
    return err;
}

/* LMDB itself, past the store. */
struct raw {
    MDB_env *env;
    MDB_txn *txn;
};

static struct raw raw_begin(void)
{
    struct raw raw;

    assert_int_equal(mdb_env_create(&raw.env), 0);
    assert_int_equal(mdb_env_set_maxdbs(raw.env, 8), 0);
    assert_int_equal(mdb_env_set_mapsize(raw.env, MAP_ROOMY), 0);
    assert_int_equal(mdb_env_open(raw.env, folder, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(raw.env, NULL, 0, &raw.txn), 0);
    return raw;
}

static void raw_commit(struct raw *raw)
{
    assert_int_equal(mdb_txn_commit(raw->txn), 0);
    mdb_env_close(raw->env);
}

static MDB_val raw_key(struct bytes key, uint8_t *place)
{
    memcpy(place, key.ptr, key.len);
    return (MDB_val){.mv_size = key.len, .mv_data = place};
}

/* A copy of the stored value; its length. */
static size_t raw_get(struct raw *raw, const char *table, struct bytes key, uint8_t *value,
                      size_t max)
{
    uint8_t place[STORE_KEY_MAX];
    MDB_val name = raw_key(key, place);
    MDB_val stored;
    MDB_dbi dbi;

    assert_int_equal(mdb_dbi_open(raw->txn, table, 0, &dbi), 0);
    assert_int_equal(mdb_get(raw->txn, dbi, &name, &stored), 0);
    assert_true(stored.mv_size <= max);
    memcpy(value, stored.mv_data, stored.mv_size);
    return stored.mv_size;
}

static void raw_put(struct raw *raw, const char *table, struct bytes key, uint8_t *value,
                    size_t len)
{
    uint8_t place[STORE_KEY_MAX];
    MDB_val name = raw_key(key, place);
    MDB_val stored = {.mv_size = len, .mv_data = value};
    MDB_dbi dbi;

    assert_int_equal(mdb_dbi_open(raw->txn, table, 0, &dbi), 0);
    assert_int_equal(mdb_put(raw->txn, dbi, &name, &stored, 0), 0);
}

static void what_was_committed_is_there_after_close_and_open(void **state)
{
    struct store *store = open_with(true, MAP_ROOMY, false);

    (void)state;
    store_text(store, TABLE_HUB_META, "name", "value");
    store_text(store, TABLE_HUB_META, "empty", "");
    store_text(store, TABLE_HUB_GRANT, "plain", "as it is");
    store_text(store, TABLE_HUB_GRANT, "nothing", "");
    store_close(&store);

    store = open_with(false, MAP_ROOMY, false);
    assert_stored(store, TABLE_HUB_META, "name", "value");
    assert_stored(store, TABLE_HUB_META, "empty", "");
    assert_stored(store, TABLE_HUB_GRANT, "plain", "as it is");
    assert_stored(store, TABLE_HUB_GRANT, "nothing", "");
    assert_not_stored(store, TABLE_HUB_META, "other");
    store_close(&store);
}

static void what_was_aborted_is_not_kept(void **state)
{
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);

    (void)state;
    put_text(&txn, TABLE_HUB_META, "name", "value");
    store_abort(&txn);
    assert_null(txn.inner);
    store_abort(&txn);
    assert_not_stored(store, TABLE_HUB_META, "name");
    store_close(&store);
}

static void a_put_replaces_and_a_delete_removes(void **state)
{
    struct store *store = open_new();
    struct store_txn txn;

    (void)state;
    store_text(store, TABLE_HUB_META, "name", "old");
    store_text(store, TABLE_HUB_META, "name", "quite another one");
    assert_stored(store, TABLE_HUB_META, "name", "quite another one");
    store_text(store, TABLE_HUB_META, "name", "quite another two");
    assert_stored(store, TABLE_HUB_META, "name", "quite another two");

    txn = store_begin(store, STORE_WRITE);
    store_delete(&txn, TABLE_HUB_META, bytes_text("name"));
    store_delete(&txn, TABLE_HUB_META, bytes_text("never there"));
    assert_false(store_get(&txn, TABLE_HUB_META, bytes_text("name"), NULL));
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_not_stored(store, TABLE_HUB_META, "name");
    store_close(&store);
}

static void the_first_failure_is_the_answer_and_nothing_is_kept(void **state)
{
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);

    (void)state;
    put_text(&txn, TABLE_HUB_META, "before", "value");
    store_fail(&txn, KITH_OK);
    assert_int_equal(txn.err, KITH_OK);
    store_fail(&txn, KITH_GAP);
    store_fail(&txn, KITH_STALE);
    put_text(&txn, TABLE_HUB_META, "after", "value");
    assert_int_equal(store_commit(&txn), KITH_GAP);
    assert_int_equal(store_commit(&txn), KITH_GAP);
    assert_not_stored(store, TABLE_HUB_META, "before");
    assert_not_stored(store, TABLE_HUB_META, "after");
    store_close(&store);
}

/* Keys that came out of a failed step are empty, and must do no harm. */
static void assert_does_nothing(struct store_txn *txn)
{
    const struct bytes key = bytes_of(NULL, 0);
    struct bytes value = bytes_text("was here before");
    uint8_t last[STORE_KEY_MAX];
    uint32_t small = 7;
    uint64_t large = 7;
    struct store_walk walk = store_walk_begin(txn, TABLE_HUB_META, key, key);

    assert_false(store_walk_next(&walk));
    assert_int_equal(store_walk_value(&walk).len, 0);
    store_walk_end(&walk);
    assert_false(store_get(txn, TABLE_HUB_META, key, &value));
    assert_int_equal(value.len, 0);
    assert_false(store_get_u32(txn, TABLE_HUB_GRANT, key, &small));
    assert_false(store_get_u64(txn, TABLE_HUB_GRANT, key, &large));
    assert_true(small == 0 && large == 0);
    assert_int_equal(store_count(txn, TABLE_HUB_META), 0);
    assert_int_equal(store_last(txn, TABLE_HUB_META, key, last), 0);
    store_put(txn, TABLE_HUB_META, key, value);
    store_append(txn, TABLE_HUB_META, key, value);
    store_put_u32(txn, TABLE_HUB_GRANT, key, 1);
    store_put_u64(txn, TABLE_HUB_GRANT, key, 1);
    store_delete(txn, TABLE_HUB_META, key);
    store_forget(txn);
}

static void after_a_failure_and_after_the_end_every_step_does_nothing(void **state)
{
    struct store *store = open_new();
    struct store_txn txn;

    (void)state;
    store_text(store, TABLE_HUB_META, "name", "value");
    txn = store_begin(store, STORE_WRITE);
    store_fail(&txn, KITH_INPUT);
    assert_does_nothing(&txn);
    assert_int_equal(store_commit(&txn), KITH_INPUT);
    assert_does_nothing(&txn);

    txn = store_begin(store, STORE_WRITE);
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_does_nothing(&txn);
    assert_stored(store, TABLE_HUB_META, "name", "value");
    store_close(&store);
}

static void a_walk_that_a_failure_interrupts_ends(void **state)
{
    struct store *store = open_new();
    struct store_txn txn;
    struct store_walk walk;

    (void)state;
    store_text(store, TABLE_HUB_META, "a", "1");
    store_text(store, TABLE_HUB_META, "b", "2");
    txn = store_begin(store, STORE_WRITE);
    walk = store_walk_begin(&txn, TABLE_HUB_META, bytes_text(""), bytes_text(""));
    assert_true(store_walk_next(&walk));
    assert_bytes(store_walk_value(&walk), "1");
    store_fail(&txn, KITH_GAP);
    assert_int_equal(store_walk_value(&walk).len, 0);
    assert_false(store_walk_next(&walk));
    store_walk_end(&walk);
    assert_int_equal(store_commit(&txn), KITH_GAP);
    store_walk_end(&walk);
    store_close(&store);
}

static void a_walk_may_be_ended_after_its_transaction(void **state)
{
    struct store *store = open_new();

    (void)state;
    store_text(store, TABLE_HUB_META, "a", "1");
    for (enum store_access access = STORE_READ; access <= STORE_WRITE; access++) {
        struct store_txn txn = store_begin(store, access);
        struct store_walk walk =
            store_walk_begin(&txn, TABLE_HUB_META, bytes_text(""), bytes_text(""));

        assert_true(store_walk_next(&walk));
        assert_int_equal(store_commit(&txn), KITH_OK);
        store_walk_end(&walk);
    }
    store_close(&store);
}

static void numbers_are_big_endian_and_of_their_width_only(void **state)
{
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);
    struct bytes value;
    uint32_t small;
    uint64_t large;

    (void)state;
    store_put_u32(&txn, TABLE_HUB_GRANT, bytes_text("small"), 0x01020304);
    store_put_u64(&txn, TABLE_HUB_GRANT, bytes_text("large"), 0x0102030405060708);
    assert_true(store_get_u32(&txn, TABLE_HUB_GRANT, bytes_text("small"), &small));
    assert_true(store_get_u64(&txn, TABLE_HUB_GRANT, bytes_text("large"), &large));
    assert_true(small == 0x01020304 && large == 0x0102030405060708);
    assert_false(store_get_u32(&txn, TABLE_HUB_GRANT, bytes_text("none"), &small));
    assert_int_equal(small, 0);
    assert_true(store_get(&txn, TABLE_HUB_GRANT, bytes_text("small"), &value));
    assert_bytes(value, "\x01\x02\x03\x04");
    assert_int_equal(store_commit(&txn), KITH_OK);

    txn = store_begin(store, STORE_READ);
    assert_false(store_get_u64(&txn, TABLE_HUB_GRANT, bytes_text("small"), &large));
    assert_int_equal(large, 0);
    assert_int_equal(store_commit(&txn), KITH_DAMAGED);
    store_close(&store);
}

static void keys_are_built_from_numbers_in_lmdbs_order(void **state)
{
    struct key key = key_of_u32(0x01020304);
    struct key wide = key_of_u64(0x0506070809000A0B);
    struct key text = key_of_text("name");

    (void)state;
    key_u16(&key, 0x0506);
    key_u64(&key, 0x0708090A0B0C0D0E);
    key_u32(&key, 0x0F101112);
    assert_bytes(key_bytes(&key),
                 "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10\x11\x12");
    assert_int_equal(wide.len, 8);
    assert_memory_equal(wide.ptr, "\x05\x06\x07\x08\x09\x00\x0A\x0B", 8);
    assert_bytes(key_bytes(&text), "name");
}

static void a_flipped_bit_anywhere_in_a_sealed_value_is_damage(void **state)
{
    enum { STORED = NONCE_BYTES + TAG_BYTES + 8 };
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);
    struct raw raw;
    uint8_t stored[STORED];

    (void)state;
    for (uint32_t i = 0; i <= STORED; i++) {
        struct key key = key_of_u32(i);

        store_put(&txn, TABLE_HUB_ROSTER, key_bytes(&key), bytes_text("8 bytes."));
    }
    assert_int_equal(store_commit(&txn), KITH_OK);
    store_close(&store);

    raw = raw_begin();
    for (uint32_t i = 0; i < STORED; i++) {
        struct key key = key_of_u32(i);

        assert_int_equal(raw_get(&raw, "HUB_ROSTER", key_bytes(&key), stored, STORED), STORED);
        stored[i] ^= (uint8_t)(1u << (i % 8));
        raw_put(&raw, "HUB_ROSTER", key_bytes(&key), stored, STORED);
    }
    raw_commit(&raw);

    store = open_with(false, MAP_ROOMY, true);
    for (uint32_t i = 0; i <= STORED; i++) {
        struct key key = key_of_u32(i);

        assert_int_equal(read_verdict(store, TABLE_HUB_ROSTER, key_bytes(&key)),
                         i < STORED ? KITH_DAMAGED : KITH_OK);
    }
    store_close(&store);
}

static void a_sealed_value_of_any_other_length_is_damage(void **state)
{
    struct store *store = open_new();
    struct raw raw;
    uint8_t stored[64] = {0};
    size_t len;

    (void)state;
    store_text(store, TABLE_HUB_META, "whole", "8 bytes.");
    store_close(&store);
    raw = raw_begin();
    len = raw_get(&raw, "HUB_META", bytes_text("whole"), stored, sizeof stored);
    for (uint8_t cut = 0; cut < sizeof stored; cut++) {
        uint8_t copy[64];
        uint8_t name = (uint8_t)(cut + 1);

        memcpy(copy, stored, sizeof copy);
        raw_put(&raw, "HUB_META", bytes_of(&name, 1), copy, cut);
    }
    raw_put(&raw, "HUB_META", bytes_text("whole"), stored, len + 1);
    raw_commit(&raw);

    store = open_with(false, MAP_ROOMY, true);
    for (uint8_t name = 1; name <= sizeof stored; name++)
        assert_int_equal(read_verdict(store, TABLE_HUB_META, bytes_of(&name, 1)), KITH_DAMAGED);
    assert_int_equal(read_verdict(store, TABLE_HUB_META, bytes_text("whole")), KITH_DAMAGED);
    store_close(&store);
}

static void a_value_moved_to_another_key_or_table_is_refused(void **state)
{
    struct store *store = open_new();
    struct raw raw;
    uint8_t stored[128];
    size_t len;

    (void)state;
    store_text(store, TABLE_HUB_META, "here", "value");
    store_text(store, TABLE_HUB_ENTRY, "here", "value");
    store_close(&store);
    raw = raw_begin();
    len = raw_get(&raw, "HUB_META", bytes_text("here"), stored, sizeof stored);
    raw_put(&raw, "HUB_META", bytes_text("there"), stored, len);
    raw_put(&raw, "HUB_ROSTER", bytes_text("here"), stored, len);
    len = raw_get(&raw, "HUB_ENTRY", bytes_text("here"), stored, sizeof stored);
    raw_put(&raw, "HUB_CHAIN", bytes_text("here"), stored, len); /* a name of the same length */
    raw_commit(&raw);

    store = open_with(false, MAP_ROOMY, true);
    assert_int_equal(read_verdict(store, TABLE_HUB_META, bytes_text("there")), KITH_DAMAGED);
    assert_int_equal(read_verdict(store, TABLE_HUB_ROSTER, bytes_text("here")), KITH_DAMAGED);
    assert_int_equal(read_verdict(store, TABLE_HUB_CHAIN, bytes_text("here")), KITH_DAMAGED);
    assert_stored(store, TABLE_HUB_META, "here", "value");
    store_close(&store);
}

static void a_key_longer_than_any_of_ours_is_damage(void **state)
{
    struct store *store = open_new();
    struct raw raw = {0};
    uint8_t name[STORE_KEY_MAX + 1] = {1};
    uint8_t last[STORE_KEY_MAX];
    MDB_val key = {.mv_size = sizeof name, .mv_data = name};
    MDB_val value = {.mv_size = 0, .mv_data = name};
    MDB_dbi dbi;
    struct store_txn txn;
    struct store_walk walk;

    (void)state;
    store_close(&store);
    raw = raw_begin();
    assert_int_equal(mdb_dbi_open(raw.txn, "HUB_GRANT", 0, &dbi), 0);
    assert_int_equal(mdb_put(raw.txn, dbi, &key, &value, 0), 0);
    raw_commit(&raw);

    store = open_with(false, MAP_ROOMY, true);
    txn = store_begin(store, STORE_READ);
    walk = store_walk_begin(&txn, TABLE_HUB_GRANT, bytes_text(""), bytes_text(""));
    assert_false(store_walk_next(&walk));
    assert_int_equal(store_commit(&txn), KITH_DAMAGED);
    txn = store_begin(store, STORE_READ);
    assert_int_equal(store_last(&txn, TABLE_HUB_GRANT, bytes_text(""), last), 0);
    assert_int_equal(store_commit(&txn), KITH_DAMAGED);
    store_close(&store);
}

static void no_planted_text_is_in_the_data_file(void **state)
{
    static const char planted[] = "Mrs Hollenbeck, morphine 2.5 mg";
    struct store *store = open_new();
    char path[PATH_BYTES];
    struct stat found;
    void *content;
    int fd;

    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        struct store_txn txn = store_begin(store, STORE_WRITE);
        struct key key = key_of_u32(i);
        uint8_t value[3000] = {0};

        memcpy(value + i, planted, sizeof planted);
        store_put(&txn, TABLE_HUB_LOG, key_bytes(&key),
                  bytes_of(value, i % 2 == 0 ? sizeof value : i + sizeof planted));
        store_put(&txn, TABLE_HUB_META, bytes_text("note"), bytes_text(planted));
        assert_int_equal(store_commit(&txn), KITH_OK);
    }
    store_text(store, TABLE_HUB_GRANT, "control", "the scan finds what is plain");
    store_close(&store);

    (void)snprintf(path, sizeof path, "%.400s/data.mdb", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &found) == 0);
    content = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(content, MAP_FAILED);
    assert_null(memmem(content, (size_t)found.st_size, "Hollenbeck", 10));
    assert_null(memmem(content, (size_t)found.st_size, "morphine", 8));
    assert_non_null(memmem(content, (size_t)found.st_size, "the scan finds", 14));
    assert_int_equal(munmap(content, (size_t)found.st_size), 0);
    assert_int_equal(close(fd), 0);
}

static void views_stay_while_the_transaction_goes_on_writing(void **state)
{
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);
    struct bytes sealed;
    struct bytes plain;

    (void)state;
    put_text(&txn, TABLE_HUB_META, "name", "first");
    put_text(&txn, TABLE_HUB_GRANT, "name", "second");
    assert_true(store_get(&txn, TABLE_HUB_META, bytes_text("name"), &sealed));
    assert_true(store_get(&txn, TABLE_HUB_GRANT, bytes_text("name"), &plain));
    put_text(&txn, TABLE_HUB_META, "name", "FIRST");
    put_text(&txn, TABLE_HUB_GRANT, "name", "SECOND");
    assert_bytes(sealed, "first");
    assert_bytes(plain, "second");
    store_put(&txn, TABLE_HUB_GRANT, bytes_text("copy"), plain); /* a view may be what is put */
    store_put(&txn, TABLE_HUB_META, bytes_text("copy"), sealed);
    store_forget(&txn);
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_stored(store, TABLE_HUB_META, "copy", "first");
    assert_stored(store, TABLE_HUB_GRANT, "copy", "second");
    store_close(&store);
}

static void an_appended_key_must_be_above_all_others(void **state)
{
    struct store *store = open_new();
    struct store_txn txn = store_begin(store, STORE_WRITE);

    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        struct key key = key_of_u32(i);
        struct key text = key_of_u64(i);

        store_append(&txn, TABLE_HUB_LOG, key_bytes(&key), key_bytes(&text));
        store_append(&txn, TABLE_HUB_CIRCLE_LOG, key_bytes(&key), bytes_of("", 0));
    }
    assert_int_equal(store_count(&txn, TABLE_HUB_LOG), 3000);
    assert_int_equal(store_count(&txn, TABLE_HUB_CIRCLE_LOG), 3000);
    assert_int_equal(store_count(&txn, TABLE_HUB_META), 0);
    assert_int_equal(store_commit(&txn), KITH_OK);

    store = open_again(store);
    txn = store_begin(store, STORE_WRITE);
    for (uint32_t i = 0; i < 3000; i++) {
        struct key key = key_of_u32(i);
        struct bytes value;

        assert_true(store_get(&txn, TABLE_HUB_LOG, key_bytes(&key), &value));
        assert_true(value.len == 8 && get_u64(value.ptr) == i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct key key = key_of_u32(2999 - i);

        store_append(&txn, TABLE_HUB_LOG, key_bytes(&key), bytes_text("again"));
        assert_int_equal(store_commit(&txn), KITH_EXISTS);
        txn = store_begin(store, STORE_WRITE);
    }
    assert_int_equal(store_count(&txn, TABLE_HUB_LOG), 3000);
    store_abort(&txn);
    store_close(&store);
}

/* A plain model of a table: its keys in order; the value of a key is its number of insertion. */
#define MODEL_MAX 600

struct model {
    struct key keys[MODEL_MAX];
    uint32_t values[MODEL_MAX];
    size_t count;
};

static uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15; /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/* Few letters and few of them, so that keys are prefixes of each other and end in 0xFF. */
static struct key random_key(uint64_t *seed, size_t len_min)
{
    static const uint8_t letters[] = {0x00, 0x01, 0x7F, 0xFE, 0xFF};
    struct key key = {.len = len_min + random_next(seed) % 5};

    for (size_t i = 0; i < key.len; i++)
        key.ptr[i] = letters[random_next(seed) % sizeof letters];
    return key;
}

static int key_compare(const struct key *a, const struct key *b)
{
    int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);

    if (order != 0)
        return order;
    return a->len == b->len ? 0 : a->len < b->len ? -1 : 1;
}

static bool key_has_prefix(const struct key *key, const struct key *prefix)
{
    return key->len >= prefix->len && memcmp(key->ptr, prefix->ptr, prefix->len) == 0;
}

static void model_put(struct model *model, struct key key, uint32_t value)
{
    size_t at = 0;

    while (at < model->count && key_compare(&model->keys[at], &key) < 0)
        at++;
    if (at == model->count || key_compare(&model->keys[at], &key) != 0) {
        assert_true(model->count < MODEL_MAX);
        memmove(&model->keys[at + 1], &model->keys[at],
                (model->count - at) * sizeof model->keys[0]);
        memmove(&model->values[at + 1], &model->values[at],
                (model->count - at) * sizeof model->values[0]);
        model->count++;
    }
    model->keys[at] = key;
    model->values[at] = value;
}

static void assert_walk_agrees(struct store_txn *txn, enum store_table table,
                               const struct model *model, const struct key *prefix,
                               const struct key *from)
{
    struct store_walk walk = store_walk_begin(txn, table, key_bytes(prefix), key_bytes(from));

    for (size_t i = 0; i < model->count; i++) {
        struct bytes value;

        if (!key_has_prefix(&model->keys[i], prefix) || key_compare(&model->keys[i], from) < 0)
            continue;
        assert_true(store_walk_next(&walk));
        assert_true(bytes_equal(walk.key, key_bytes(&model->keys[i])));
        value = store_walk_value(&walk);
        assert_true(value.len == 4 && get_u32(value.ptr) == model->values[i]);
    }
    assert_false(store_walk_next(&walk));
    assert_false(store_walk_next(&walk));
    store_walk_end(&walk);
}

static void assert_last_agrees(struct store_txn *txn, enum store_table table,
                               const struct model *model, const struct key *prefix)
{
    struct key expected = {.len = 0};
    struct key last = {.len = 0};

    for (size_t i = 0; i < model->count; i++)
        if (key_has_prefix(&model->keys[i], prefix))
            expected = model->keys[i];
    last.len = store_last(txn, table, key_bytes(prefix), last.ptr);
    assert_true(bytes_equal(key_bytes(&last), key_bytes(&expected)));
}

static void assert_table_agrees(struct store_txn *txn, enum store_table table,
                                const struct model *model, uint64_t *seed)
{
    const struct key nothing = {.len = 0};

    assert_walk_agrees(txn, table, model, &nothing, &nothing);
    for (size_t i = 0; i < 400; i++) {
        struct key prefix = random_key(seed, 0);
        struct key from = random_key(seed, 0);

        assert_walk_agrees(txn, table, model, &prefix, &nothing);
        assert_walk_agrees(txn, table, model, &prefix, &from);
        assert_walk_agrees(txn, table, model, &nothing, &from);
        assert_last_agrees(txn, table, model, &prefix);
    }
    assert_int_equal(store_count(txn, table), model->count);
}

static void walks_and_last_agree_with_a_sorted_list(void **state)
{
    static const enum store_table tables[] = {TABLE_HUB_LOG, TABLE_HUB_CIRCLE_LOG};
    static struct model model;
    struct store *store = open_new();
    uint64_t seed = 20240601;

    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        struct store_txn txn = store_begin(store, STORE_WRITE);

        memset(&model, 0, sizeof model);
        assert_table_agrees(&txn, tables[t], &model, &seed);
        for (uint32_t i = 0; i < 500; i++) {
            struct key key = random_key(&seed, 1);

            model_put(&model, key, i);
            store_put_u32(&txn, tables[t], key_bytes(&key), i);
        }
        assert_table_agrees(&txn, tables[t], &model, &seed);
        assert_int_equal(store_commit(&txn), KITH_OK);

        txn = store_begin(store, STORE_READ);
        assert_table_agrees(&txn, tables[t], &model, &seed);
        assert_int_equal(store_commit(&txn), KITH_OK);
    }
    store_close(&store);
}

/* Every row of the load is different, and can be checked from its number alone. */
static void load_row(uint32_t number, uint8_t row[static LOAD_ROW])
{
    uint64_t seed = number;

    for (size_t i = 0; i < LOAD_ROW; i += 8)
        put_u64(row + i, random_next(&seed));
}

static void load_put(struct store_txn *txn, uint32_t number)
{
    struct key key = key_of_u32(number);
    uint8_t row[LOAD_ROW];

    load_row(number, row);
    store_put(txn, TABLE_HUB_LOG, key_bytes(&key), bytes_of(row, sizeof row));
}

/* One batch; how often it had to be run again because the map grew. */
static unsigned load_batch(struct store *store, uint32_t first)
{
    unsigned retries = 0;
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(store, STORE_WRITE);

        for (uint32_t i = 0; i < LOAD_BATCH; i++)
            load_put(&txn, first + i);
        err = store_commit(&txn);
        retries += err == KITH_RETRY;
    } while (err == KITH_RETRY);
    assert_int_equal(err, KITH_OK);
    return retries;
}

static unsigned load_all(struct store *store)
{
    unsigned retries = 0;

    for (uint32_t first = 0; first < LOAD_ROWS; first += LOAD_BATCH)
        retries += load_batch(store, first);
    return retries;
}

/* False after a failure; a row that is there is the right one. */
static bool load_check(struct store_txn *txn, uint32_t number)
{
    struct key key = key_of_u32(number);
    struct bytes value;
    uint8_t row[LOAD_ROW];

    load_row(number, row);
    return store_get(txn, TABLE_HUB_LOG, key_bytes(&key), &value) &&
           bytes_equal(value, bytes_of(row, sizeof row));
}

static void assert_load_is_there(struct store *store)
{
    struct store_txn txn = store_begin(store, STORE_READ);

    for (uint32_t i = 0; i < LOAD_ROWS; i++) {
        assert_true(load_check(&txn, i));
        store_forget(&txn);
    }
    assert_int_equal(store_count(&txn, TABLE_HUB_LOG), LOAD_ROWS);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static void a_small_map_grows_until_everything_is_there(void **state)
{
    struct store *store = open_with(true, MAP_SMALL, true);

    (void)state;
    assert_in_range(load_all(store), 5, 10); /* doubling from 128 KiB past 10 MiB */
    assert_load_is_there(store);
    assert_true(store_bytes(store) > (uint64_t)LOAD_ROWS * LOAD_ROW);
    store_close(&store);
    store = open_with(false, MAP_SMALL, true);
    assert_load_is_there(store);
    store_close(&store);
}

static void an_abort_after_a_full_map_enlarges_it_as_well(void **state)
{
    struct store *store = open_with(true, MAP_SMALL, true);
    struct store_txn txn = store_begin(store, STORE_WRITE);

    (void)state;
    for (uint32_t i = 0; i < 40; i++)
        load_put(&txn, i);
    assert_int_equal(txn.err, KITH_RETRY);
    store_abort(&txn);
    txn = store_begin(store, STORE_WRITE);
    for (uint32_t i = 0; i < 20; i++)
        load_put(&txn, i);
    assert_int_equal(store_commit(&txn), KITH_OK);
    store_close(&store);
}

static void one_thread_with_a_reader_in_its_own_way_is_told_and_can_go_on(void **state)
{
    struct store *store = open_with(true, MAP_SMALL, true);
    struct store_txn reader = store_begin(store, STORE_READ);
    struct store_txn writer = store_begin(store, STORE_WRITE);

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        load_put(&writer, i);
    assert_int_equal(store_commit(&writer), KITH_BUSY);
    assert_int_equal(store_count(&reader, TABLE_HUB_LOG), 0);
    assert_int_equal(store_commit(&reader), KITH_OK);
    (void)load_batch(store, 0);
    store_close(&store);
}

struct reading {
    struct store *store;
    bool is_over; /* under `lock` */
    pthread_mutex_t lock;
};

static bool reading_is_over(struct reading *reading)
{
    bool is_over;

    (void)pthread_mutex_lock(&reading->lock);
    is_over = reading->is_over;
    (void)pthread_mutex_unlock(&reading->lock);
    return is_over;
}

/* Reads the newest rows over and over; the first failure, or NULL. */
static void *reader_run(void *context)
{
    static const char failed[] = "a reader failed";
    struct reading *reading = context;
    bool is_right = true;

    while (is_right && !reading_is_over(reading)) {
        struct store_txn txn = store_begin(reading->store, STORE_READ);
        uint32_t count = (uint32_t)store_count(&txn, TABLE_HUB_LOG);

        for (uint32_t i = count > 20 ? count - 20 : 0; i < count; i++)
            is_right = is_right && load_check(&txn, i);
        is_right = store_commit(&txn) == KITH_OK && is_right && count % LOAD_BATCH == 0;
    }
    return is_right ? NULL : (void *)(uintptr_t)failed;
}

static void readers_and_writers_that_enlarge_the_map_never_wait_for_each_other_for_ever(
    void **state)
{
    struct store *store = open_with(true, MAP_SMALL, true);
    struct reading reading = {.store = store, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[2];
    void *failed;

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &reading), 0);
    (void)load_all(store);
    (void)pthread_mutex_lock(&reading.lock);
    reading.is_over = true;
    (void)pthread_mutex_unlock(&reading.lock);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_load_is_there(store);
    store_close(&store);
}

static void *writer_run(void *context)
{
    struct store *store = context;

    (void)load_all(store);
    return NULL;
}

static void two_writers_that_both_hit_the_end_of_the_map_go_on(void **state)
{
    struct store *store = open_with(true, MAP_SMALL, true);
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer_run, store), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_load_is_there(store);
    store_close(&store);
}

static void wait_for_child(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_map_that_another_process_enlarged_is_followed(void **state)
{
    int ready[2];
    char byte = 0;
    pid_t child;
    struct store *store;

    (void)state;
    store = open_with(true, MAP_SMALL, true);
    store_close(&store);
    assert_int_equal(pipe(ready), 0);
    child = fork(); /* before the store is open here: LMDB forbids taking it along */
    assert_true(child >= 0);
    if (child == 0) {
        if (read(ready[0], &byte, 1) != 1)
            _exit(1);
        store = open_with(false, MAP_SMALL, true);
        (void)load_all(store);
        store_close(&store);
        _exit(0);
    }
    store = open_with(false, MAP_SMALL, true);
    store_text(store, TABLE_HUB_META, "name", "value");
    assert_int_equal(write(ready[1], &byte, 1), 1);
    wait_for_child(child);
    assert_load_is_there(store);
    store_text(store, TABLE_HUB_META, "name", "other value");
    assert_stored(store, TABLE_HUB_META, "name", "other value");
    store_close(&store);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* A limit on file size is a full disk that needs no disk: a short write first, EFBIG after that. */
static void a_full_disk_is_told_nothing_is_lost_and_it_goes_on_with_room(void **state)
{
    struct store *store = open_new();
    struct rlimit before;
    struct rlimit tight;
    unsigned refused = 0;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)load_batch(store, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = store_bytes(store) + 100 * 1024 + 512;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (uint32_t first = LOAD_BATCH; first < LOAD_ROWS && refused < 3; first += LOAD_BATCH) {
        struct store_txn txn = store_begin(store, STORE_WRITE);
        enum kith_err err;

        for (uint32_t i = 0; i < LOAD_BATCH; i++)
            load_put(&txn, first + i);
        err = store_commit(&txn);
        assert_int_equal(err, KITH_FULL);
        refused++;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(refused, 3);
    (void)load_all(store);
    assert_load_is_there(store);
    store_close(&store);
}

static void after_a_sync_that_failed_nothing_is_written_until_it_is_opened_anew(void **state)
{
    struct store *store = open_with(true, MAP_ROOMY, false);
    struct store_txn txn;

    (void)state;
    store_text(store, TABLE_HUB_META, "before", "value");
    txn = store_begin(store, STORE_WRITE);
    put_text(&txn, TABLE_HUB_META, "during", "value");
    is_sync_failing = true;
    assert_int_equal(store_commit(&txn), KITH_IO);
    is_sync_failing = false;
    txn = store_begin(store, STORE_WRITE);
    assert_int_equal(txn.err, KITH_IO);
    put_text(&txn, TABLE_HUB_META, "after", "value");
    assert_int_equal(store_commit(&txn), KITH_IO);
    assert_stored(store, TABLE_HUB_META, "before", "value"); /* reading goes on */
    store_close(&store);

    store = open_with(false, MAP_ROOMY, false);
    assert_stored(store, TABLE_HUB_META, "before", "value");
    assert_not_stored(store, TABLE_HUB_META, "after");
    store_text(store, TABLE_HUB_META, "after", "value");
    store_close(&store);
}

/* Takes nearly all slots, says so, and waits to be killed. */
static void read_until_killed(int report)
{
    struct store *store = open_with(false, MAP_ROOMY, true);
    char byte = 0;

    for (int i = 0; i < STORE_READERS - 4; i++)
        if (store_begin(store, STORE_READ).err != KITH_OK)
            _exit(1);
    if (write(report, &byte, 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

static void readers_that_were_killed_leave_their_slots(void **state)
{
    struct store *store = open_new();
    struct store_txn readers[8];
    int report[2];
    char byte;
    pid_t child;

    (void)state;
    store_close(&store);
    assert_int_equal(pipe(report), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        read_until_killed(report[1]);
    assert_int_equal(read(report[0], &byte, 1), 1);
    store = open_with(false, MAP_ROOMY,
                      true); /* while they live, so that opening does not find them dead */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (size_t i = 0; i < 8; i++) {
        readers[i] = store_begin(store, STORE_READ);
        assert_int_equal(readers[i].err, KITH_OK);
    }
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(store_commit(&readers[i]), KITH_OK);
    store_close(&store);
    (void)close(report[0]);
    (void)close(report[1]);
}

static void one_reader_too_many_is_told_to_come_back(void **state)
{
    static struct store_txn readers[STORE_READERS];
    struct store *store = open_new();
    struct store_txn txn;

    (void)state;
    for (size_t i = 0; i < STORE_READERS; i++) {
        readers[i] = store_begin(store, STORE_READ);
        assert_int_equal(readers[i].err, KITH_OK);
    }
    txn = store_begin(store, STORE_READ);
    assert_int_equal(store_commit(&txn), KITH_BUSY);
    assert_int_equal(store_commit(&readers[0]), KITH_OK);
    txn = store_begin(store, STORE_READ);
    assert_int_equal(store_commit(&txn), KITH_OK);
    for (size_t i = 1; i < STORE_READERS; i++)
        store_abort(&readers[i]);
    store_close(&store);
}

/* Commits numbers in order and reports each one only after its commit; runs until it is killed. */
static void write_until_killed(int report, uint32_t next)
{
    struct store *store = open_with(false, MAP_SMALL, false);

    for (;; next++) {
        enum kith_err err;

        do {
            struct store_txn txn = store_begin(store, STORE_WRITE);

            load_put(&txn, next);
            store_put_u32(&txn, TABLE_HUB_LAST, bytes_text("newest"), next);
            err = store_commit(&txn);
        } while (err == KITH_RETRY);
        if (err != KITH_OK || write(report, &next, sizeof next) != sizeof next)
            _exit(1);
    }
}

/* The greatest number the child reported before it was killed; `before` if none. */
static uint32_t killed_child_reported(uint32_t before, unsigned delay_us)
{
    const struct timespec delay = {.tv_nsec = (long)delay_us * 1000};
    uint32_t newest = before;
    int report[2];
    int status;
    pid_t child;

    assert_int_equal(pipe(report), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(report[1], before + 1);
    (void)close(report[1]);
    (void)nanosleep(&delay, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(report[0], &newest, sizeof newest) == sizeof newest)
        continue;
    (void)close(report[0]);
    return newest;
}

static void everything_a_killed_writer_reported_is_there(void **state)
{
    struct store *store = open_with(true, MAP_SMALL, false);
    uint64_t seed = 9;
    uint32_t newest = 0;
    uint32_t reported_count = 0;

    (void)state;
    store_close(&store);
    for (int run = 0; run < 20; run++) {
        uint32_t reported =
            killed_child_reported(newest, 20000 + (unsigned)(random_next(&seed) % 80000));
        struct store_txn txn;

        reported_count += reported - newest;
        store = open_with(false, MAP_SMALL, false);
        txn = store_begin(store, STORE_READ);
        (void)store_get_u32(&txn, TABLE_HUB_LAST, bytes_text("newest"), &newest);
        assert_true(newest == reported || newest == reported + 1);
        for (uint32_t i = 1; i <= newest; i++) {
            assert_true(load_check(&txn, i));
            store_forget(&txn);
        }
        assert_int_equal(store_count(&txn, TABLE_HUB_LOG), newest);
        assert_int_equal(store_commit(&txn), KITH_OK);
        store_close(&store);
    }
    assert_true(reported_count > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
        TEST(what_was_committed_is_there_after_close_and_open),
        TEST(what_was_aborted_is_not_kept),
        TEST(a_put_replaces_and_a_delete_removes),
        TEST(the_first_failure_is_the_answer_and_nothing_is_kept),
        TEST(after_a_failure_and_after_the_end_every_step_does_nothing),
        TEST(a_walk_that_a_failure_interrupts_ends),
        TEST(a_walk_may_be_ended_after_its_transaction),
        TEST(numbers_are_big_endian_and_of_their_width_only),
        TEST(keys_are_built_from_numbers_in_lmdbs_order),
        TEST(a_flipped_bit_anywhere_in_a_sealed_value_is_damage),
        TEST(a_sealed_value_of_any_other_length_is_damage),
        TEST(a_value_moved_to_another_key_or_table_is_refused),
        TEST(a_key_longer_than_any_of_ours_is_damage),
        TEST(no_planted_text_is_in_the_data_file),
        TEST(views_stay_while_the_transaction_goes_on_writing),
        TEST(an_appended_key_must_be_above_all_others),
        TEST(walks_and_last_agree_with_a_sorted_list),
        TEST(a_small_map_grows_until_everything_is_there),
        TEST(an_abort_after_a_full_map_enlarges_it_as_well),
        TEST(one_thread_with_a_reader_in_its_own_way_is_told_and_can_go_on),
        TEST(readers_and_writers_that_enlarge_the_map_never_wait_for_each_other_for_ever),
        TEST(two_writers_that_both_hit_the_end_of_the_map_go_on),
        TEST(a_map_that_another_process_enlarged_is_followed),
        TEST(a_full_disk_is_told_nothing_is_lost_and_it_goes_on_with_room),
        TEST(after_a_sync_that_failed_nothing_is_written_until_it_is_opened_anew),
        TEST(readers_that_were_killed_leave_their_slots),
        TEST(one_reader_too_many_is_told_to_come_back),
        TEST(everything_a_killed_writer_reported_is_there),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
