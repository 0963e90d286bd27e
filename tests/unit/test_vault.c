/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault: who gets in, what a guess costs, and what a damaged or hostile file can do. Making one
 * takes a second, so most tests begin with a copy of the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/vault.h"

#define PATH_BYTES 512

/* The layout as client/vault.c documents it. */
#define FILE_BYTES     172
#define AT_VERSION     10
#define AT_MEMORY      12
#define AT_PASSES      16
#define AT_NONCE       68
#define AT_CHECKSUM    140
#define GUESS_NS_FLOOR 500000000u

static const char passphrase[] = "four words that fit";
static char folder[PATH_BYTES];
static char path[PATH_BYTES + 8];
static uint8_t made_file[FILE_BYTES];
static uint8_t made_key[KEY_BYTES];

static int folder_make(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.400s/kith-test-vault-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(path, sizeof path, "%s/vault", folder);
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    (void)unlink(path);
    /* Fails if a temporary file was left behind. */
    return rmdir(folder);
}

static void file_read(uint8_t file[static FILE_BYTES])
{
    uint8_t more;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, file, FILE_BYTES), FILE_BYTES);
    assert_int_equal(read(fd, &more, 1), 0);
    (void)close(fd);
}

static void file_write(const uint8_t *file, size_t len)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, len), (ssize_t)len);
    (void)close(fd);
}

/* Makes the checksum right again, as a stranger who alters the file would. */
static void file_write_resealed(uint8_t file[static FILE_BYTES])
{
    (void)crypto_generichash(file + AT_CHECKSUM, 32, file, AT_CHECKSUM, NULL, 0);
    file_write(file, FILE_BYTES);
}

static int vault_make(void **state)
{
    if (folder_make(state) || vault_create(folder, passphrase, made_key))
        return 1;
    file_read(made_file);
    return folder_remove(state);
}

static int folder_make_with_vault(void **state)
{
    if (folder_make(state))
        return 1;
    file_write(made_file, FILE_BYTES);
    return 0;
}

static uint64_t cpu_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static enum kith_err open_with(const char *text)
{
    uint8_t key[KEY_BYTES];

    return vault_open(folder, text, key);
}

static void the_right_passphrase_gives_the_same_key(void **unused)
{
    uint8_t made[KEY_BYTES];
    uint8_t opened[KEY_BYTES];
    struct stat status;

    (void)unused;
    assert_int_equal(vault_create(folder, passphrase, made), KITH_OK);
    assert_int_equal(vault_open(folder, passphrase, opened), KITH_OK);
    assert_memory_equal(made, opened, KEY_BYTES);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(vault_create(folder, passphrase, made), KITH_EXISTS);
    assert_int_equal(open_with(passphrase), KITH_OK);
}

static void a_wrong_passphrase_is_refused_and_costs_time(void **unused)
{
    uint8_t key[KEY_BYTES];
    const uint8_t none[KEY_BYTES] = {0};

    (void)unused;
    uint64_t began = cpu_ns();
    assert_int_equal(vault_open(folder, "four words that fat", key), KITH_PASSPHRASE);
    /* The machine may be quicker now than when it was measured, but not much. */
    assert_true(cpu_ns() - began > GUESS_NS_FLOOR / 2);
    assert_memory_equal(key, none, KEY_BYTES);
    assert_int_equal(open_with(""), KITH_PASSPHRASE);
}

static void the_file_says_what_a_guess_costs_at_least(void **unused)
{
    uint8_t file[FILE_BYTES];

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    assert_true(get_u32(file + AT_MEMORY) >= VAULT_MEMORY_MIN / 1024);
    assert_true(get_u32(file + AT_PASSES) >= 3);
}

static void two_vaults_with_one_passphrase_have_nothing_in_common(void **unused)
{
    uint8_t key[KEY_BYTES];
    uint8_t file[FILE_BYTES];
    unsigned same = 0;

    (void)unused;
    assert_int_equal(vault_create(folder, passphrase, key), KITH_OK);
    file_read(file);
    assert_memory_not_equal(key, made_key, KEY_BYTES);
    for (size_t i = AT_PASSES + 4; i < FILE_BYTES; i++)
        same += file[i] == made_file[i];
    /* 152 random bytes: more than ten equal ones happen once in 10^9 runs. */
    assert_true(same <= 10);
}

static void every_flipped_byte_is_refused(void **unused)
{
    uint8_t file[FILE_BYTES];

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++) {
        file[i] ^= 0x40;
        file_write(file, FILE_BYTES);
        enum kith_err err = open_with(passphrase);
        assert_true(err == KITH_DAMAGED || (i < AT_MEMORY && err == KITH_NEWER_STORE));
        file[i] ^= 0x40;
    }
    file_write(file, FILE_BYTES);
    assert_int_equal(open_with(passphrase), KITH_OK);
}

static void a_flipped_byte_under_a_right_checksum_is_refused_too(void **unused)
{
    static const size_t places[] = {AT_PASSES + 3, AT_PASSES + 4, 67, AT_NONCE, AT_CHECKSUM - 1};
    uint8_t file[FILE_BYTES];

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        file[places[i]] ^= 0x01;
        file_write_resealed(file);
        enum kith_err err = open_with(passphrase);
        assert_true(err == KITH_DAMAGED || err == KITH_PASSPHRASE);
        file[places[i]] ^= 0x01;
    }
}

static void a_cut_or_longer_file_is_damaged(void **unused)
{
    uint8_t file[FILE_BYTES + 1] = {0};

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    for (size_t len = 0; len <= FILE_BYTES + 1; len++) {
        if (len == FILE_BYTES)
            continue;
        file_write(file, len);
        assert_int_equal(open_with(passphrase), KITH_DAMAGED);
    }
}

static void hostile_parameters_are_refused_before_they_cost_anything(void **unused)
{
    static const struct {
        uint32_t memory_kib;
        uint32_t passes;
    } hostile[] = {
        {100u * 1024 * 1024, 3},
        {UINT32_MAX, 3},
        {256 * 1024 + 1, 3},
        {64 * 1024, 257},
        {64 * 1024, UINT32_MAX},
        {64 * 1024, 2},
        {64 * 1024, 0},
        {64 * 1024 - 1, 3},
        {0, 3},
        {8, 1},
    };
    uint8_t file[FILE_BYTES];

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    uint64_t began = cpu_ns();
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_u32(file + AT_MEMORY, hostile[i].memory_kib);
        put_u32(file + AT_PASSES, hostile[i].passes);
        file_write_resealed(file);
        assert_int_equal(open_with(passphrase), KITH_DAMAGED);
    }
    assert_true(cpu_ns() - began < GUESS_NS_FLOOR / 5);
}

static void a_newer_file_is_named_as_such_and_not_replaced(void **unused)
{
    uint8_t file[FILE_BYTES];
    uint8_t after[FILE_BYTES];

    (void)unused;
    memcpy(file, made_file, FILE_BYTES);
    put_u16(file + AT_VERSION, 2);
    file_write_resealed(file);
    assert_int_equal(open_with(passphrase), KITH_NEWER_STORE);
    assert_int_equal(vault_rewrap(folder, "another", made_key), KITH_NEWER_STORE);
    file_read(after);
    assert_memory_equal(file, after, FILE_BYTES);
}

static void a_rewrapped_vault_opens_with_the_new_passphrase_only(void **unused)
{
    uint8_t opened[KEY_BYTES];

    (void)unused;
    assert_int_equal(vault_rewrap(folder, "another", made_key), KITH_OK);
    assert_int_equal(open_with(passphrase), KITH_PASSPHRASE);
    assert_int_equal(vault_open(folder, "another", opened), KITH_OK);
    assert_memory_equal(made_key, opened, KEY_BYTES);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(vault_rewrap(folder, "another", made_key), KITH_NOT_FOUND);
}

static void a_home_or_vault_that_others_can_read_is_refused(void **unused)
{
    uint8_t key[KEY_BYTES];

    (void)unused;
    assert_int_equal(chmod(folder, 0750), 0);
    assert_int_equal(open_with(passphrase), KITH_PERMISSION);
    assert_int_equal(vault_create(folder, passphrase, key), KITH_PERMISSION);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(open_with(passphrase), KITH_PERMISSION);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_with(passphrase), KITH_NOT_FOUND);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(open_with(passphrase), KITH_PERMISSION);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(open_with(passphrase), KITH_PERMISSION);
}

static void a_full_disk_leaves_no_vault_and_no_leftover(void **unused)
{
    struct rlimit before;
    uint8_t key[KEY_BYTES];

    (void)unused;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit none = {.rlim_cur = FILE_BYTES / 2, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    enum kith_err err = vault_create(folder, passphrase, key);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, KITH_FULL);
    assert_int_equal(access(path, F_OK), -1);
}

#define VAULT_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
#define VAULT_COPY_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, folder_make_with_vault, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(the_right_passphrase_gives_the_same_key),
        VAULT_COPY_TEST(a_wrong_passphrase_is_refused_and_costs_time),
        VAULT_COPY_TEST(the_file_says_what_a_guess_costs_at_least),
        VAULT_TEST(two_vaults_with_one_passphrase_have_nothing_in_common),
        VAULT_COPY_TEST(every_flipped_byte_is_refused),
        VAULT_COPY_TEST(a_flipped_byte_under_a_right_checksum_is_refused_too),
        VAULT_COPY_TEST(a_cut_or_longer_file_is_damaged),
        VAULT_COPY_TEST(hostile_parameters_are_refused_before_they_cost_anything),
        VAULT_COPY_TEST(a_newer_file_is_named_as_such_and_not_replaced),
        VAULT_COPY_TEST(a_rewrapped_vault_opens_with_the_new_passphrase_only),
        VAULT_COPY_TEST(a_home_or_vault_that_others_can_read_is_refused),
        VAULT_TEST(a_full_disk_leaves_no_vault_and_no_leftover),
    };

    return cmocka_run_group_tests(tests, vault_make, NULL);
}
