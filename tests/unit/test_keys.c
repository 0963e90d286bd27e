/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's key file: what was written is read, and nothing else ever is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "protocol/seal.h"

#define VERSION_AT 14 /* behind the mark */

static char folder[64];
static char path[128];
static char fresh_path[128];

static int folder_make_one(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-test-keys-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/%s", folder, KEYS_FILE);
    (void)snprintf(fresh_path, sizeof fresh_path, "%s/%s.new", folder, KEYS_FILE);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(fresh_path);
    return rmdir(folder);
}

static struct ledger_keys written(void)
{
    struct ledger_keys keys;

    keys_make(&keys);
    assert_int_equal(keys_write(folder, &keys), KITH_OK);
    return keys;
}

static void assert_keys_equal(const struct ledger_keys *a, const struct ledger_keys *b)
{
    assert_memory_equal(a->storage, b->storage, KEY_BYTES);
    assert_memory_equal(a->noise.secret, b->noise.secret, KEY_BYTES);
    assert_memory_equal(a->noise.public, b->noise.public, KEY_BYTES);
    assert_memory_equal(a->sign_secret, b->sign_secret, SIGN_KEY_BYTES);
    assert_memory_equal(a->sign_public, b->sign_public, KEY_BYTES);
}

/* Refused for one of two reasons, and nothing handed out. */
static void assert_unreadable(enum kith_err expected, enum kith_err or_else)
{
    static const struct ledger_keys none;
    struct ledger_keys keys;

    memset(&keys, 0xA5, sizeof keys);
    enum kith_err err = keys_read(folder, &keys);
    assert_true(err == expected || err == or_else);
    assert_memory_equal(&keys, &none, sizeof keys);
}

static size_t file_get(uint8_t *content, size_t room)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t len = fread(content, 1, room, file);
    assert_int_equal(fclose(file), 0);
    return len;
}

static void file_put(const uint8_t *content, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void what_was_written_is_read(void **state)
{
    struct ledger_keys keys = written();
    struct ledger_keys read;

    (void)state;
    assert_int_equal(keys_read(folder, &read), KITH_OK);
    assert_keys_equal(&keys, &read);
}

static void the_keys_that_are_read_belong_together(void **state)
{
    struct ledger_keys keys = written();
    uint8_t public_key[KEY_BYTES];
    uint8_t hash[HASH_BYTES] = {1};
    uint8_t signature[SIGNATURE_BYTES];

    (void)state;
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
    seal_box_public(keys.noise.secret, public_key);
    assert_memory_equal(public_key, keys.noise.public, KEY_BYTES);
    seal_sign(SEAL_RECEIPT_SIGN, keys.sign_secret, hash, signature);
    assert_int_equal(seal_verify(SEAL_RECEIPT_SIGN, keys.sign_public, hash, signature), KITH_OK);
}

static void no_two_hubs_have_the_same_keys(void **state)
{
    struct ledger_keys a;
    struct ledger_keys b;

    (void)state;
    keys_make(&a);
    keys_make(&b);
    assert_memory_not_equal(a.storage, b.storage, KEY_BYTES);
    assert_memory_not_equal(a.noise.secret, b.noise.secret, KEY_BYTES);
    assert_memory_not_equal(a.sign_secret, b.sign_secret, SIGN_KEY_BYTES);
    assert_memory_not_equal(a.storage, a.noise.secret, KEY_BYTES);
}

static void nobody_else_may_read_the_file(void **state)
{
    struct stat found;
    mode_t mask = umask(0);
    struct ledger_keys keys = written();

    (void)state;
    (void)umask(mask);
    seal_wipe(&keys, sizeof keys);
    assert_int_equal(lstat(path, &found), 0);
    assert_int_equal(found.st_mode, S_IFREG | 0600);
    assert_int_equal(lstat(fresh_path, &found), -1);
}

static void a_file_with_a_wider_mode_is_refused(void **state)
{
    struct ledger_keys keys = written();

    (void)state;
    for (mode_t bit = 1; bit < 0200; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        assert_unreadable(KITH_PERMISSION, KITH_PERMISSION);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
}

static void one_flipped_bit_anywhere_is_noticed(void **state)
{
    uint8_t content[4096];
    struct ledger_keys keys = written();
    size_t len = file_get(content, sizeof content);

    (void)state;
    seal_wipe(&keys, sizeof keys);
    for (size_t at = 0; at < len * 8; at++) {
        content[at / 8] ^= (uint8_t)(1u << (at % 8));
        file_put(content, len);
        assert_unreadable(KITH_DAMAGED, at / 8 == VERSION_AT ? KITH_NEWER_STORE : KITH_DAMAGED);
        content[at / 8] ^= (uint8_t)(1u << (at % 8));
    }
    file_put(content, len);
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
}

static void a_file_of_another_length_is_damaged(void **state)
{
    uint8_t content[8192] = {0};
    struct ledger_keys keys = written();
    size_t len = file_get(content, sizeof content);

    (void)state;
    seal_wipe(&keys, sizeof keys);
    for (size_t cut = 0; cut < len; cut++) {
        file_put(content, cut);
        assert_unreadable(KITH_DAMAGED, KITH_DAMAGED);
    }
    file_put(content, len + 1);
    assert_unreadable(KITH_DAMAGED, KITH_DAMAGED);
    file_put(content, sizeof content);
    assert_unreadable(KITH_DAMAGED, KITH_DAMAGED);
}

static void a_file_of_a_newer_version_says_so(void **state)
{
    uint8_t content[4096];
    struct ledger_keys keys = written();
    size_t len = file_get(content, sizeof content);

    (void)state;
    seal_wipe(&keys, sizeof keys);
    content[VERSION_AT] = '2';
    file_put(content, len);
    assert_unreadable(KITH_NEWER_STORE, KITH_NEWER_STORE);
    file_put(content, len - 20);
    assert_unreadable(KITH_NEWER_STORE, KITH_NEWER_STORE);
}

static void a_link_is_not_followed(void **state)
{
    char elsewhere[160];
    struct ledger_keys keys = written();

    (void)state;
    seal_wipe(&keys, sizeof keys);
    (void)snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", folder);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_unreadable(KITH_PERMISSION, KITH_PERMISSION);
    assert_int_equal(unlink(elsewhere), 0);
    assert_unreadable(KITH_PERMISSION, KITH_PERMISSION);
}

static void what_is_not_a_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_unreadable(KITH_PERMISSION, KITH_PERMISSION);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_unreadable(KITH_PERMISSION, KITH_PERMISSION);
    assert_int_equal(rmdir(path), 0);
}

static void no_file_is_not_found(void **state)
{
    struct ledger_keys keys;

    (void)state;
    assert_unreadable(KITH_NOT_FOUND, KITH_NOT_FOUND);
    assert_int_equal(keys_read("/tmp/kith-test-keys-none", &keys), KITH_NOT_FOUND);
    keys_make(&keys);
    assert_int_equal(keys_write("/tmp/kith-test-keys-none", &keys), KITH_NOT_FOUND);
}

static void keys_that_are_there_are_never_written_over(void **state)
{
    struct ledger_keys keys = written();
    struct ledger_keys other;
    struct ledger_keys read;

    (void)state;
    keys_make(&other);
    assert_int_equal(keys_write(folder, &other), KITH_EXISTS);
    assert_int_equal(keys_read(folder, &read), KITH_OK);
    assert_keys_equal(&keys, &read);
}

static void what_an_interrupted_write_left_is_in_nobodys_way(void **state)
{
    FILE *file = fopen(fresh_path, "w");
    struct ledger_keys read;

    (void)state;
    assert_non_null(file);
    assert_int_equal(fputs("half a key", file) < 0, 0);
    assert_int_equal(fclose(file), 0);
    assert_unreadable(KITH_NOT_FOUND, KITH_NOT_FOUND);
    struct ledger_keys keys = written();
    assert_int_equal(keys_read(folder, &read), KITH_OK);
    assert_keys_equal(&keys, &read);
    assert_int_equal(access(fresh_path, F_OK), -1);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make_one, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_was_written_is_read),
        IN_A_FOLDER(the_keys_that_are_read_belong_together),
        cmocka_unit_test(no_two_hubs_have_the_same_keys),
        IN_A_FOLDER(nobody_else_may_read_the_file),
        IN_A_FOLDER(a_file_with_a_wider_mode_is_refused),
        IN_A_FOLDER(one_flipped_bit_anywhere_is_noticed),
        IN_A_FOLDER(a_file_of_another_length_is_damaged),
        IN_A_FOLDER(a_file_of_a_newer_version_says_so),
        IN_A_FOLDER(a_link_is_not_followed),
        IN_A_FOLDER(what_is_not_a_file_is_refused),
        IN_A_FOLDER(no_file_is_not_found),
        IN_A_FOLDER(keys_that_are_there_are_never_written_over),
        IN_A_FOLDER(what_an_interrupted_write_left_is_in_nobodys_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
