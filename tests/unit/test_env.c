/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store: what is refused and why, what is made, who may own it. Files are altered through
 * LMDB itself, with the store closed.
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/env.h"
#include "store/txn.h"

#define PATH_BYTES 512

static char folder[PATH_BYTES];
static uint8_t storage_key[KEY_BYTES] = "a storage key for the tests only";

static void path_in_folder(char path[static PATH_BYTES], const char *name)
{
    int len = snprintf(path, PATH_BYTES, "%.400s/%s", folder, name);

    assert_in_range(len, 1, PATH_BYTES - 1);
}

static int folder_make(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.400s/kith-test-env-XXXXXX",
                   base == NULL ? "/tmp" : base);
    return mkdtemp(folder) == NULL;
}

static int folder_remove(void **state)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock"};
    char path[PATH_BYTES];

    (void)state;
    (void)chmod(folder, S_IRWXU);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_in_folder(path, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static struct store_options options_of(enum store_kind kind, bool is_new)
{
    return (struct store_options){
        .kind = kind,
        .folder = folder,
        .key = storage_key,
        .map_bytes = (size_t)1 << 20,
        .is_new = is_new,
        .is_volatile = true,
    };
}

/* Opens and closes at once. */
static enum kith_err open_briefly(const struct store_options *options)
{
    struct store *store = NULL;
    enum kith_err err = store_open(&store, options);

    assert_true((store != NULL) == (err == KITH_OK));
    store_close(&store);
    assert_null(store);
    return err;
}

static void make_hub(void)
{
    struct store_options options = options_of(STORE_HUB, true);

    assert_int_equal(open_briefly(&options), KITH_OK);
}

static enum kith_err open_hub(void)
{
    struct store_options options = options_of(STORE_HUB, false);

    return open_briefly(&options);
}

/* LMDB itself, past the store. */
struct raw {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static struct raw raw_begin(const char *table)
{
    struct raw raw;

    assert_int_equal(mdb_env_create(&raw.env), 0);
    assert_int_equal(mdb_env_set_maxdbs(raw.env, 8), 0);
    assert_int_equal(mdb_env_set_mapsize(raw.env, (size_t)1 << 20), 0);
    assert_int_equal(mdb_env_open(raw.env, folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(raw.env, NULL, 0, &raw.txn), 0);
    assert_int_equal(mdb_dbi_open(raw.txn, table, MDB_CREATE, &raw.dbi), 0);
    return raw;
}

static void raw_commit(struct raw *raw)
{
    assert_int_equal(mdb_txn_commit(raw->txn), 0);
    mdb_env_close(raw->env);
}

static void raw_put(const char *table, const char *name, const void *ptr, size_t len)
{
    struct raw raw = raw_begin(table);
    uint8_t content[64];
    char text[32];
    MDB_val key = {.mv_size = strlen(name), .mv_data = text};
    MDB_val value = {.mv_size = len, .mv_data = content};

    assert_true(strlen(name) < sizeof text && len <= sizeof content);
    memcpy(text, name, strlen(name) + 1);
    memcpy(content, ptr, len);
    assert_int_equal(mdb_put(raw.txn, raw.dbi, &key, &value, 0), 0);
    raw_commit(&raw);
}

static void raw_drop(const char *table)
{
    struct raw raw = raw_begin(table);

    assert_int_equal(mdb_drop(raw.txn, raw.dbi, 1), 0);
    raw_commit(&raw);
}

static void a_store_is_made_once_and_opened_often(void **state)
{
    struct store_options options = options_of(STORE_DEVICE, true);

    (void)state;
    options.is_volatile = false;
    assert_int_equal(open_briefly(&options), KITH_OK);
    assert_int_equal(open_briefly(&options), KITH_EXISTS);
    options.is_new = false;
    assert_int_equal(open_briefly(&options), KITH_OK);
    assert_int_equal(open_briefly(&options), KITH_OK);
}

static void a_folder_without_a_store_is_left_as_it_was(void **state)
{
    struct store_options options = options_of(STORE_HUB, false);
    char path[PATH_BYTES];

    (void)state;
    options.is_exclusive = true;
    assert_int_equal(open_briefly(&options), KITH_NOT_FOUND);
    path_in_folder(path, "data.mdb");
    assert_int_not_equal(access(path, F_OK), 0);
    path_in_folder(path, "owner.lock");
    assert_int_not_equal(access(path, F_OK), 0);
}

static void closing_nothing_is_no_mistake(void **state)
{
    struct store *store = NULL;

    (void)state;
    store_close(&store);
    assert_null(store);
}

static void its_files_are_for_their_owner_only(void **state)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner.lock"};
    struct store_options options = options_of(STORE_HUB, true);
    char path[PATH_BYTES];
    struct stat found;

    (void)state;
    options.is_exclusive = true;
    assert_int_equal(open_briefly(&options), KITH_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_in_folder(path, names[i]);
        assert_int_equal(stat(path, &found), 0);
        assert_int_equal(found.st_mode & 07777, 0600);
    }
}

static void a_folder_that_others_may_enter_is_refused(void **state)
{
    static const mode_t modes[] = {0750, 0701, 0710, 0704, 0702, 0720, 0777};

    (void)state;
    make_hub();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(folder, modes[i]), 0);
        assert_int_equal(open_hub(), KITH_PERMISSION);
    }
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(open_hub(), KITH_OK);
}

static void a_folder_of_somebody_else_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_hub();
    assert_int_equal(chown(folder, 65534, (gid_t)-1), 0);
    assert_int_equal(open_hub(), KITH_PERMISSION);
    assert_int_equal(chown(folder, 0, (gid_t)-1), 0);
    assert_int_equal(open_hub(), KITH_OK);
}

static void what_is_no_folder_is_refused(void **state)
{
    struct store_options options = options_of(STORE_HUB, false);
    char path[PATH_BYTES];

    (void)state;
    make_hub();
    path_in_folder(path, "data.mdb");
    options.folder = path;
    assert_int_equal(open_briefly(&options), KITH_PERMISSION);
    path_in_folder(path, "missing");
    assert_int_equal(open_briefly(&options), KITH_NOT_FOUND);
}

static void another_key_is_refused(void **state)
{
    struct store_options options = options_of(STORE_DEVICE, true);
    uint8_t other[KEY_BYTES];

    (void)state;
    assert_int_equal(open_briefly(&options), KITH_OK);
    options.is_new = false;
    options.key = other;
    for (size_t i = 0; i < KEY_BYTES; i++) {
        memcpy(other, storage_key, KEY_BYTES);
        other[i] ^= 1;
        assert_int_equal(open_briefly(&options), KITH_PASSPHRASE);
    }
    options.key = storage_key;
    assert_int_equal(open_briefly(&options), KITH_OK);
}

static void a_store_of_the_other_kind_is_refused(void **state)
{
    struct store_options options = options_of(STORE_DEVICE, false);

    (void)state;
    make_hub();
    assert_int_equal(open_briefly(&options), KITH_DAMAGED);
    assert_int_equal(open_hub(), KITH_OK);
}

static void a_kind_that_was_changed_by_hand_is_refused(void **state)
{
    static const uint8_t older[4] = {0, 0, 0, STORE_FORMAT - 1};
    struct store_options options = options_of(STORE_DEVICE, false);

    (void)state;
    make_hub();
    raw_put("FORMAT", "kind", "device", 6);
    raw_put("FORMAT", "number", older, sizeof older); /* and nothing is made in it */
    assert_int_equal(open_briefly(&options), KITH_DAMAGED);
    assert_int_equal(open_hub(), KITH_DAMAGED);
}

static void a_newer_format_is_refused_and_left_alone(void **state)
{
    static const uint8_t newer[4] = {0, 0, 0, STORE_FORMAT + 1};
    static const uint8_t current[4] = {0, 0, 0, STORE_FORMAT};

    (void)state;
    make_hub();
    raw_put("FORMAT", "number", newer, sizeof newer);
    assert_int_equal(open_hub(), KITH_NEWER_STORE);
    assert_int_equal(open_hub(), KITH_NEWER_STORE);
    raw_put("FORMAT", "number", current, sizeof current);
    assert_int_equal(open_hub(), KITH_OK);
}

static void an_older_format_gets_the_tables_it_lacks(void **state)
{
    static const uint8_t older[4] = {0, 0, 0, STORE_FORMAT - 1};

    (void)state;
    make_hub();
    raw_put("FORMAT", "number", older, sizeof older);
    raw_drop("HUB_GRANT");
    assert_int_equal(open_hub(), KITH_OK);
    raw_drop("HUB_GRANT"); /* it is of the current format now: a table cannot be missing */
    assert_int_equal(open_hub(), KITH_DAMAGED);
}

static void a_format_that_makes_no_sense_is_damage(void **state)
{
    static const struct {
        const char *name;
        size_t len;
    } cases[] = {{"number", 3}, {"number", 0}, {"number", 8},
                 {"kind", 0},   {"kind", 5},   {"check", 64}};
    static const uint8_t zeros[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_hub();
        raw_put("FORMAT", cases[i].name, zeros, cases[i].len);
        assert_int_equal(open_hub(), KITH_DAMAGED);
        assert_int_equal(folder_remove(state), 0);
        assert_int_equal(folder_make(state), 0);
    }
}

static void a_store_whose_format_table_is_gone_is_damaged(void **state)
{
    struct store_options options = options_of(STORE_HUB, true);

    (void)state;
    make_hub();
    raw_drop("FORMAT");
    assert_int_equal(open_hub(), KITH_DAMAGED);
    assert_int_equal(open_briefly(&options), KITH_DAMAGED);
}

/* What a power cut leaves behind between the making of the file and the first commit. */
static void an_unfinished_store_is_none_and_can_be_made_again(void **state)
{
    struct raw raw;

    (void)state;
    raw = raw_begin("HUB_META");
    mdb_txn_abort(raw.txn);
    mdb_env_close(raw.env);
    assert_int_equal(open_hub(), KITH_NOT_FOUND);
    make_hub();
    assert_int_equal(open_hub(), KITH_OK);
}

static void a_file_of_anything_else_is_damaged(void **state)
{
    char path[PATH_BYTES];
    uint8_t noise[16384];
    int fd;

    (void)state;
    memset(noise, 0x5A, sizeof noise);
    path_in_folder(path, "data.mdb");
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    assert_int_equal(close(fd), 0);
    assert_int_equal(open_hub(), KITH_DAMAGED);
}

/* The exit status of a child that opens the store: LMDB does not allow it twice in one process. */
static int open_in_a_child(const struct store_options *options)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;

        _exit((int)store_open(&store, options));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_second_exclusive_owner_is_refused(void **state)
{
    struct store_options options = options_of(STORE_HUB, true);
    struct store *store;

    (void)state;
    options.is_exclusive = true;
    assert_int_equal(store_open(&store, &options), KITH_OK);
    options.is_new = false;
    assert_int_equal(open_in_a_child(&options), KITH_IN_USE);
    options.is_exclusive = false;
    assert_int_equal(open_in_a_child(&options), KITH_OK);
    options.is_exclusive = true;
    store_close(&store);
    assert_int_equal(open_in_a_child(&options), KITH_OK);
    assert_int_equal(open_in_a_child(&options), KITH_OK); /* an owner that died owns nothing */
}

static void a_blind_tells_purposes_ids_and_keys_apart(void **state)
{
    static const uint8_t same[STORE_BLIND_BYTES];
    uint8_t blinds[4][STORE_BLIND_BYTES];
    uint8_t again[STORE_BLIND_BYTES];
    uint8_t other_key[KEY_BYTES] = {1};
    struct store_options options = options_of(STORE_DEVICE, true);
    struct store *store;

    (void)state;
    assert_int_equal(store_open(&store, &options), KITH_OK);
    store_blind(store, 1, bytes_text("one id"), blinds[0]);
    store_blind(store, 2, bytes_text("one id"), blinds[1]);
    store_blind(store, 1, bytes_text("an id"), blinds[2]);
    store_close(&store);

    options.is_new = false;
    assert_int_equal(store_open(&store, &options), KITH_OK);
    store_blind(store, 1, bytes_text("one id"), again);
    store_close(&store);
    assert_memory_equal(again, blinds[0], STORE_BLIND_BYTES);

    assert_int_equal(folder_remove(state) + folder_make(state), 0);
    options.is_new = true;
    options.key = other_key;
    assert_int_equal(store_open(&store, &options), KITH_OK);
    store_blind(store, 1, bytes_text("one id"), blinds[3]);
    store_close(&store);

    for (size_t i = 0; i < 4; i++) {
        assert_memory_not_equal(blinds[i], same, STORE_BLIND_BYTES);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(blinds[i], blinds[j], STORE_BLIND_BYTES);
    }
}

static void the_default_map_of_both_kinds_opens(void **state)
{
    static const enum store_kind kinds[] = {STORE_HUB, STORE_DEVICE};

    for (size_t i = 0; i < 2; i++) {
        struct store_options options = options_of(kinds[i], true);

        options.map_bytes = 0;
        assert_int_equal(open_briefly(&options), KITH_OK);
        options.is_new = false;
        assert_int_equal(open_briefly(&options), KITH_OK);
        assert_int_equal(folder_remove(state) + folder_make(state), 0);
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

static void a_limited_address_space_gets_a_smaller_map(void **state)
{
    const struct rlimit limit = {(rlim_t)8 << 30, (rlim_t)8 << 30};
    struct store_options options = options_of(STORE_HUB, true);
    pid_t child;
    int status;

    (void)state;
    if (IS_SANITIZED) /* its shadow alone is larger */
        skip();
    options.map_bytes = 0;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;

        _exit(setrlimit(RLIMIT_AS, &limit) == 0 ? (int)store_open(&store, &options) : 255);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), KITH_OK);
    options.is_new = false;
    assert_int_equal(open_briefly(&options), KITH_OK);
}

static void the_size_is_that_of_the_data_file(void **state)
{
    struct store_options options = options_of(STORE_HUB, true);
    struct store *store;
    struct stat found;
    char path[PATH_BYTES];

    (void)state;
    assert_int_equal(store_open(&store, &options), KITH_OK);
    path_in_folder(path, "data.mdb");
    assert_int_equal(stat(path, &found), 0);
    assert_true(found.st_size > 0);
    assert_int_equal(store_bytes(store), found.st_size);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
        TEST(a_store_is_made_once_and_opened_often),
        TEST(a_folder_without_a_store_is_left_as_it_was),
        TEST(closing_nothing_is_no_mistake),
        TEST(its_files_are_for_their_owner_only),
        TEST(a_folder_that_others_may_enter_is_refused),
        TEST(a_folder_of_somebody_else_is_refused),
        TEST(what_is_no_folder_is_refused),
        TEST(another_key_is_refused),
        TEST(a_store_of_the_other_kind_is_refused),
        TEST(a_kind_that_was_changed_by_hand_is_refused),
        TEST(a_newer_format_is_refused_and_left_alone),
        TEST(an_older_format_gets_the_tables_it_lacks),
        TEST(a_format_that_makes_no_sense_is_damage),
        TEST(a_store_whose_format_table_is_gone_is_damaged),
        TEST(an_unfinished_store_is_none_and_can_be_made_again),
        TEST(a_file_of_anything_else_is_damaged),
        TEST(a_second_exclusive_owner_is_refused),
        TEST(a_blind_tells_purposes_ids_and_keys_apart),
        TEST(the_default_map_of_both_kinds_opens),
        TEST(a_limited_address_space_gets_a_smaller_map),
        TEST(the_size_is_that_of_the_data_file),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
