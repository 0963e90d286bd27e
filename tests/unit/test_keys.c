/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's key file: read as it was written, by its owner alone, and not at all when anything
 * about it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "make.h"
#include "protocol/seal.h"

#define FILE_MAX 4096

static char folder[64];
static char path[128];
static struct ledger_keys keys;
static uint8_t made[FILE_MAX];
static size_t made_len;

static int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-keys-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/hub.keys", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    /* Fails if a temporary file was left behind. */
    return rmdir(folder);
}

static int folder_make_with_keys(void **state)
{
    if (folder_make(state))
        return 1;
    keys_make(&keys);
    if (keys_write(folder, &keys))
        return 1;
    FILE *file = fopen(path, "re");
    if (!file)
        return 1;
    made_len = fread(made, 1, sizeof made, file);
    return fclose(file);
}

static void file_write(const uint8_t *bytes, size_t len)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    (void)close(fd);
}

static void assert_not_read(enum kith_err expected)
{
    static const struct ledger_keys untouched;
    struct ledger_keys read = {0};

    assert_int_equal(keys_read(folder, &read), expected);
    assert_memory_equal(&read, &untouched, sizeof read);
}

static void keys_are_read_as_they_were_written(void **state)
{
    struct ledger_keys read;
    struct stat info;
    uint8_t hash[HASH_BYTES] = {1};
    uint8_t signature[SIGNATURE_BYTES];

    (void)state;
    memset(&read, 0x55, sizeof read);
    assert_int_equal(keys_read(folder, &read), KITH_OK);
    assert_memory_equal(read.storage, keys.storage, KEY_BYTES);
    assert_memory_equal(read.noise.secret, keys.noise.secret, KEY_BYTES);
    assert_memory_equal(read.noise.public, keys.noise.public, KEY_BYTES);
    assert_memory_equal(read.sign_secret, keys.sign_secret, SIGN_KEY_BYTES);
    assert_memory_equal(read.sign_public, keys.sign_public, KEY_BYTES);
    seal_sign(SEAL_RECEIPT_SIGN, read.sign_secret, hash, signature);
    assert_int_equal(seal_verify(SEAL_RECEIPT_SIGN, keys.sign_public, hash, signature), KITH_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void two_hubs_have_nothing_in_common(void **state)
{
    struct ledger_keys other;

    (void)state;
    keys_make(&keys);
    keys_make(&other);
    assert_memory_not_equal(keys.storage, other.storage, KEY_BYTES);
    assert_memory_not_equal(keys.noise.secret, other.noise.secret, KEY_BYTES);
    assert_memory_not_equal(keys.sign_secret, other.sign_secret, SIGN_KEY_BYTES);
    assert_memory_not_equal(keys.noise.secret, keys.sign_secret, KEY_BYTES);
    assert_memory_not_equal(keys.storage, keys.noise.secret, KEY_BYTES);
}

static void one_altered_byte_anywhere_is_damage(void **state)
{
    uint8_t altered[FILE_MAX];

    (void)state;
    for (size_t i = 0; i < made_len; i++) {
        memcpy(altered, made, made_len);
        altered[i] ^= (uint8_t)(1u << (i % 8));
        file_write(altered, made_len);
        assert_not_read(KITH_DAMAGED);
    }
    file_write(made, made_len);
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
}

static void a_file_of_another_size_is_damage(void **state)
{
    uint8_t longer[FILE_MAX] = {0};

    (void)state;
    assert_true(made_len < FILE_MAX);
    memcpy(longer, made, made_len);
    for (size_t len = 0; len < made_len; len++) {
        file_write(made, len);
        assert_not_read(KITH_DAMAGED);
    }
    file_write(longer, made_len + 1);
    assert_not_read(KITH_DAMAGED);
}

static void a_file_that_others_may_touch_is_refused(void **state)
{
    static const mode_t modes[] = {0604, 0602, 0601, 0640, 0620, 0610, 0644, 0660, 0666, 0777};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_not_read(KITH_PERMISSION);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
}

static void a_link_a_folder_and_nothing_at_all_are_no_key_file(void **state)
{
    char target[128];

    (void)state;
    assert_not_read(KITH_NOT_FOUND);
    (void)snprintf(target, sizeof target, "%s/elsewhere", folder);
    assert_int_equal(symlink(target, path), 0);
    assert_not_read(KITH_PERMISSION);
    assert_int_equal(keys_write(folder, &keys), KITH_EXISTS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_not_read(KITH_PERMISSION);
    assert_int_equal(rmdir(path), 0);
    (void)snprintf(target, sizeof target, "%s/nowhere", folder);
    assert_int_equal(keys_read(target, &keys), KITH_NOT_FOUND);
    assert_int_equal(keys_write(target, &keys), KITH_NOT_FOUND);
}

static void keys_are_never_written_over(void **state)
{
    struct ledger_keys others;
    struct ledger_keys read;

    (void)state;
    keys_make(&others);
    assert_int_equal(keys_write(folder, &others), KITH_EXISTS);
    assert_int_equal(keys_read(folder, &read), KITH_OK);
    assert_memory_equal(read.storage, keys.storage, KEY_BYTES);
}

/* A writer that was killed half-way leaves a file beside it, which is no obstacle. */
static void what_an_interrupted_writer_left_is_replaced(void **state)
{
    char left[160];

    (void)state;
    (void)snprintf(left, sizeof left, "%s.new", path);
    int fd = open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    (void)close(fd);
    keys_make(&keys);
    assert_int_equal(keys_write(folder, &keys), KITH_OK);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(keys_read(folder, &keys), KITH_OK);
}

#define WITH_KEYS(test) cmocka_unit_test_setup_teardown(test, folder_make_with_keys, folder_remove)
#define WITHOUT(test)   cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEYS(keys_are_read_as_they_were_written),
        cmocka_unit_test(two_hubs_have_nothing_in_common),
        WITH_KEYS(one_altered_byte_anywhere_is_damage),
        WITH_KEYS(a_file_of_another_size_is_damage),
        WITH_KEYS(a_file_that_others_may_touch_is_refused),
        WITHOUT(a_link_a_folder_and_nothing_at_all_are_no_key_file),
        WITH_KEYS(keys_are_never_written_over),
        WITHOUT(what_an_interrupted_writer_left_is_replaced),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
