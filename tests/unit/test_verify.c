/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log is linked and signed, and a check of a store finds every bit that says something.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link.h"
#include "make.h"
#include "protocol/seal.h"
#include "store/audit.h"
#include "store/txn.h"
#include "store/verify.h"

struct log {
    char folder[64];
    struct store *store;
    uint8_t sign_public[KEY_BYTES];
    uint8_t sign_secret[SIGN_KEY_BYTES];
};

#define ENTRIES 40

static const uint8_t storage_key[KEY_BYTES] = {7};

static void add_entries(struct log *log, unsigned count, bool sign)
{
    struct store_txn txn = store_begin(log->store, STORE_WRITE);
    struct audit audit = audit_begin(&txn, TABLE_HUB_AUDIT);

    for (unsigned i = 0; i < count; i++)
        audit_add(&audit, &(struct audit_entry){.kind = AUDIT_DELIVERED,
                                                .time_ms = 1000 + i,
                                                .device = i + 1,
                                                .has_subject = true,
                                                .subject = {(uint8_t)i},
                                                .first = i});
    if (sign)
        audit_sign(&audit, 5000, log->sign_secret);
    audit_end(&audit);
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static int log_open(void **state)
{
    struct log *log = calloc(1, sizeof *log);
    const uint8_t seed[KEY_BYTES] = {3};

    assert_non_null(log);
    (void)snprintf(log->folder, sizeof log->folder, "/tmp/kith-test-verify-XXXXXX");
    assert_non_null(mkdtemp(log->folder));
    const struct store_options options = {
        .kind = STORE_HUB, .folder = log->folder, .key = storage_key, .is_new = true};
    assert_int_equal(store_open(&log->store, &options), KITH_OK);
    seal_sign_keypair(seed, log->sign_public, log->sign_secret);
    add_entries(log, ENTRIES / 2, true);
    add_entries(log, ENTRIES / 2, false);
    *state = log;
    return 0;
}

static int log_close(void **state)
{
    struct log *log = *state;
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[96];

    store_close(&log->store);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", log->folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(log->folder), 0);
    free(log);
    return 0;
}

/* How far the log can be followed, and how that ends. */
static uint64_t follow(struct log *log, enum kith_err *err)
{
    struct store_txn txn = store_begin(log->store, STORE_READ);
    struct audit_walk walk = audit_walk_begin(&txn, TABLE_HUB_AUDIT, log->sign_public);
    struct audit_entry entry;
    uint64_t seq = 0;

    while (audit_walk_next(&walk, &entry))
        seq = entry.seq;
    audit_walk_end(&walk);
    *err = store_commit(&txn);
    return seq;
}

static void an_untouched_log_is_followed_to_its_end(void **state)
{
    enum kith_err err;

    assert_int_equal(follow(*state, &err), ENTRIES + 1);
    assert_int_equal(err, KITH_OK);
}

/* Somebody with the storage key, but not the signing key, rewrites a row. */
static void rewrite(struct log *log, uint64_t from, uint64_t to, size_t flipped)
{
    struct store_txn txn = store_begin(log->store, STORE_WRITE);
    struct key from_key = key_of_u64(from);
    struct key to_key = key_of_u64(to);
    struct bytes row;
    uint8_t copy[512];

    assert_true(store_get(&txn, TABLE_HUB_AUDIT, key_bytes(&from_key), &row));
    assert_true(row.len <= sizeof copy);
    memcpy(copy, row.ptr, row.len);
    if (flipped < row.len)
        copy[flipped] ^= 1;
    store_put(&txn, TABLE_HUB_AUDIT, key_bytes(&to_key), bytes_of(copy, row.len));
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static size_t row_bytes(struct log *log, uint64_t seq)
{
    struct store_txn txn = store_begin(log->store, STORE_READ);
    struct key key = key_of_u64(seq);
    struct bytes row = {0};

    assert_true(store_get(&txn, TABLE_HUB_AUDIT, key_bytes(&key), &row));
    store_abort(&txn);
    return row.len;
}

static void an_altered_entry_is_found_where_it_stands(void **state)
{
    struct log *log = *state;
    enum kith_err err;

    for (uint64_t seq = 1; seq <= ENTRIES + 1; seq++) {
        size_t len = row_bytes(log, seq);
        for (size_t at = 0; at < len; at++) {
            rewrite(log, seq, seq, at);
            assert_int_equal(follow(log, &err), seq - 1);
            assert_int_equal(err, KITH_DAMAGED);
            rewrite(log, seq, seq, at); /* back again */
        }
    }
    assert_int_equal(follow(log, &err), ENTRIES + 1);
}

static void an_entry_in_anothers_place_is_found(void **state)
{
    struct log *log = *state;
    enum kith_err err;

    rewrite(log, 5, 6, SIZE_MAX);
    assert_int_equal(follow(log, &err), 5);
    assert_int_equal(err, KITH_DAMAGED);
}

static void an_entry_that_was_taken_out_is_found(void **state)
{
    struct log *log = *state;
    struct key key = key_of_u64(9);
    enum kith_err err;
    struct store_txn txn = store_begin(log->store, STORE_WRITE);

    store_delete(&txn, TABLE_HUB_AUDIT, key_bytes(&key));
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_int_equal(follow(log, &err), 8);
    assert_int_equal(err, KITH_DAMAGED);
}

static void an_end_that_was_cut_off_is_found(void **state)
{
    struct log *log = *state;
    struct key key = key_of_u64(ENTRIES + 1);
    enum kith_err err;
    struct store_txn txn = store_begin(log->store, STORE_WRITE);

    store_delete(&txn, TABLE_HUB_AUDIT, key_bytes(&key));
    assert_int_equal(store_commit(&txn), KITH_OK);
    assert_int_equal(follow(log, &err), ENTRIES);
    assert_int_equal(err, KITH_DAMAGED);
}

/* All links are right, and no checkpoint is the hub's. */
static void a_log_that_another_key_signed_is_found(void **state)
{
    struct log *log = *state;
    const uint8_t seed[KEY_BYTES] = {4};
    enum kith_err err;

    seal_sign_keypair(seed, log->sign_public, log->sign_secret);
    assert_int_equal(follow(log, &err), ENTRIES / 2);
    assert_int_equal(err, KITH_DAMAGED);
}

/* The whole content of a data file, table by table; false if LMDB cannot say. */
static bool content_hash(const char *folder, uint8_t hash[static HASH_BYTES])
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi names;
    MDB_cursor *cursor = NULL;
    MDB_val name;
    MDB_val ignored;
    struct buffer all;
    bool is_read = mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, TABLE_COUNT + 4) == 0 &&
                   mdb_env_open(env, folder, MDB_RDONLY | MDB_NOLOCK, 0600) == 0 &&
                   mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0;

    assert_true(is_read);
    buffer_init(&all, (size_t)64 << 20);
    is_read = mdb_dbi_open(txn, NULL, 0, &names) == 0 && mdb_cursor_open(txn, names, &cursor) == 0;
    while (is_read && mdb_cursor_get(cursor, &name, &ignored, MDB_NEXT) == 0) {
        char text[64] = "";
        MDB_dbi table;
        MDB_cursor *rows = NULL;
        MDB_val key;
        MDB_val value;
        memcpy(text, name.mv_data, name.mv_size < sizeof text ? name.mv_size : sizeof text - 1);
        buffer_add(&all, text, strlen(text) + 1);
        is_read =
            mdb_dbi_open(txn, text, 0, &table) == 0 && mdb_cursor_open(txn, table, &rows) == 0;
        while (is_read && mdb_cursor_get(rows, &key, &value, MDB_NEXT) == 0) {
            const uint64_t lengths[] = {key.mv_size, value.mv_size};
            buffer_add(&all, lengths, sizeof lengths);
            buffer_add(&all, key.mv_data, key.mv_size);
            buffer_add(&all, value.mv_data, value.mv_size);
        }
        mdb_cursor_close(rows);
    }
    mdb_cursor_close(cursor);
    const struct bytes parts[] = {buffer_view(&all)};
    seal_hash(SEAL_RECORD_DIGEST, parts, 1, hash);
    is_read = is_read && !all.err;
    buffer_clear(&all);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return is_read;
}

struct file {
    char path[96];
    uint8_t *bytes;
    size_t len;
};

static struct file file_read_whole(const char *folder)
{
    struct file file;
    struct stat info;

    (void)snprintf(file.path, sizeof file.path, "%s/data.mdb", folder);
    assert_int_equal(stat(file.path, &info), 0);
    file.len = (size_t)info.st_size;
    file.bytes = malloc(file.len);
    assert_non_null(file.bytes);
    int fd = open(file.path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, file.bytes, file.len), file.len);
    assert_int_equal(close(fd), 0);
    return file;
}

static void file_byte(const struct file *file, size_t at, uint8_t byte)
{
    int fd = open(file->path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    assert_int_equal(close(fd), 0);
}

static bool is_whole(const struct test_hub *hub)
{
    const struct ledger_options options = {.folder = hub->folder, .keys = &hub->keys};
    struct ledger *ledger = NULL;
    struct verify_report *report = malloc(sizeof *report);

    assert_non_null(report);
    enum kith_err err = ledger_open(&ledger, &options);
    if (!err)
        err = ledger_check(ledger, NULL, report);
    bool is_good = !err && report->fault_count == 0;
    ledger_close(&ledger);
    free(report);
    return is_good;
}

/* Whatever byte of the file is altered: either that is found, or the store still says what it said.
 */
static void every_bit_that_says_something_is_checked(void **state)
{
    struct test_hub hub;
    struct test_device founder;
    uint8_t chart[ID_BYTES];
    uint8_t before[HASH_BYTES];
    uint8_t after[HASH_BYTES];
    struct dice dice = {.state = 5};
    unsigned found = 0;

    (void)state;
    test_hub_open(&hub);
    test_device_open(&founder);
    link_found(&hub, &founder);
    link_chart(&founder, "Maria Lopez", chart);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(link_sync(&hub, &founder).device_err, KITH_OK);
    assert_int_equal(ledger_flush(hub.ledger, LINK_NOW_MS, true), KITH_OK);
    ledger_close(&hub.ledger);
    assert_true(is_whole(&hub));
    assert_true(content_hash(hub.folder, before));
    struct file file = file_read_whole(hub.folder);
    for (unsigned i = 0; i < 1500; i++) {
        size_t at = (size_t)(dice_roll(&dice) % file.len);
        file_byte(&file, at, file.bytes[at] ^ (uint8_t)(1u << dice_below(&dice, 8)));
        if (is_whole(&hub)) {
            assert_true(content_hash(hub.folder, after));
            assert_memory_equal(before, after, HASH_BYTES);
        } else {
            found++;
        }
        file_byte(&file, at, file.bytes[at]);
    }
    assert_in_range(found, 20, 1500);
    free(file.bytes);
    test_hub_reopen(&hub);
    test_device_close(&founder);
    test_hub_close(&hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_open, log_close)
    const struct CMUnitTest tests[] = {
        TEST(an_untouched_log_is_followed_to_its_end),
        TEST(an_altered_entry_is_found_where_it_stands),
        TEST(an_entry_in_anothers_place_is_found),
        TEST(an_entry_that_was_taken_out_is_found),
        TEST(an_end_that_was_cut_off_is_found),
        TEST(a_log_that_another_key_signed_is_found),
        cmocka_unit_test(every_bit_that_says_something_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
