/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, VAULT_BYTES long, integers big-endian:
 *
 *   magic 10, version 2, memory in KiB 4, passes 4, salt 16, commitment 32, nonce 24, wrapped key
 * 48, checksum 32
 *
 * 1. The passphrase costs memory x passes before anything in the file can be compared with it.
 * 2. Everything before the nonce is associated data of the wrapped key, so no parameter can be
 * exchanged alone.
 * 3. The checksum holds no secret: it tells a damaged file from a wrong passphrase, so that nobody
 * doubts their memory because of a disk.
 * 4. Parameters are bounded before they are used: a file from a stranger costs at most MEMORY_MAX
 * and PASSES_MAX.
 */
#include "client/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VAULT_NAME    "vault"
#define VAULT_VERSION 1
#define VAULT_MAGIC   "kith vault"

#define MEMORY_MAX (256u * 1024 * 1024)
#define PASSES_MIN 3
#define PASSES_MAX 256

/* What one guess shall cost, and what we aim at: a measurement on a busy machine comes out too
 * high. */
#define GUESS_NS_MIN 500000000
#define GUESS_NS_AIM 600000000

enum vault_layout {
    AT_VERSION = 10,
    AT_MEMORY = AT_VERSION + 2,
    AT_PASSES = AT_MEMORY + 4,
    AT_SALT = AT_PASSES + 4,
    AT_COMMITMENT = AT_SALT + crypto_pwhash_SALTBYTES,
    AT_NONCE = AT_COMMITMENT + HASH_BYTES,
    AT_WRAPPED = AT_NONCE + NONCE_BYTES,
    AT_CHECKSUM = AT_WRAPPED + KEY_BYTES + TAG_BYTES,
    VAULT_BYTES = AT_CHECKSUM + HASH_BYTES,
};

_Static_assert(sizeof VAULT_MAGIC - 1 == AT_VERSION, "the magic fills its place");
_Static_assert(VAULT_MEMORY_MIN <= MEMORY_MAX, "what we make we can read");

/* What the passphrase gives: the key that wraps, and the commitment to it that the file shows. */
struct passphrase_keys {
    uint8_t wrap[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];
};

static enum kith_err err_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return KITH_NOT_FOUND;
    case EEXIST:
        return KITH_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return KITH_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KITH_FULL;
    case ENOMEM:
        return KITH_MEMORY;
    default:
        return KITH_IO;
    }
}

static bool is_private(const struct stat *status)
{
    return status->st_uid == geteuid() && (status->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static enum kith_err home_open(const char *home, int *folder)
{
    struct stat status;

    if (sodium_init() < 0)
        abort();
    *folder = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0)
        return err_of_errno(errno);
    if (fstat(*folder, &status) == 0 && is_private(&status))
        return KITH_OK;
    (void)close(*folder);
    return KITH_PERMISSION;
}

static uint64_t cpu_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The costly step: RFC 9106 with the cost and salt that stand in `file`. */
static enum kith_err keys_derive(const uint8_t file[static VAULT_BYTES], const char *passphrase,
                                 struct passphrase_keys *keys)
{
    uint8_t root[crypto_kdf_KEYBYTES];
    size_t memory = (size_t)get_u32(file + AT_MEMORY) * 1024;

    if (crypto_pwhash(root, sizeof root, passphrase, strlen(passphrase), file + AT_SALT,
                      get_u32(file + AT_PASSES), memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return KITH_MEMORY;
    (void)crypto_kdf_derive_from_key(keys->wrap, sizeof keys->wrap, 1, "kithvlt1", root);
    (void)crypto_kdf_derive_from_key(keys->commitment, sizeof keys->commitment, 2, "kithvlt1",
                                     root);
    sodium_memzero(root, sizeof root);
    return KITH_OK;
}

/* Raises the passes in `file` until deriving takes GUESS_NS_MIN of this machine's time. */
static enum kith_err keys_derive_measured(uint8_t file[static VAULT_BYTES], const char *passphrase,
                                          struct passphrase_keys *keys)
{
    uint64_t passes = PASSES_MIN;

    for (;;) {
        uint64_t began_ns = cpu_ns();

        put_u32(file + AT_PASSES, (uint32_t)passes);
        enum kith_err err = keys_derive(file, passphrase, keys);
        uint64_t took_ns = cpu_ns() - began_ns;
        if (err || took_ns >= GUESS_NS_MIN || passes == PASSES_MAX)
            return err;
        uint64_t wanted = passes * GUESS_NS_AIM / (took_ns + 1) + 1;
        passes = wanted < PASSES_MAX ? wanted : PASSES_MAX;
    }
}

static void checksum(const uint8_t file[static VAULT_BYTES], uint8_t sum[static HASH_BYTES])
{
    (void)crypto_generichash(sum, HASH_BYTES, file, AT_CHECKSUM, NULL, 0);
}

static enum kith_err file_make(uint8_t file[static VAULT_BYTES], const char *passphrase,
                               const uint8_t key[static KEY_BYTES])
{
    struct passphrase_keys keys;

    memcpy(file, VAULT_MAGIC, AT_VERSION);
    put_u16(file + AT_VERSION, VAULT_VERSION);
    put_u32(file + AT_MEMORY, VAULT_MEMORY_MIN / 1024);
    randombytes_buf(file + AT_SALT, crypto_pwhash_SALTBYTES);
    randombytes_buf(file + AT_NONCE, NONCE_BYTES);
    enum kith_err err = keys_derive_measured(file, passphrase, &keys);
    if (!err) {
        memcpy(file + AT_COMMITMENT, keys.commitment, HASH_BYTES);
        (void)crypto_aead_xchacha20poly1305_ietf_encrypt(file + AT_WRAPPED, NULL, key, KEY_BYTES,
                                                         file, AT_NONCE, NULL, file + AT_NONCE,
                                                         keys.wrap);
        checksum(file, file + AT_CHECKSUM);
    }
    sodium_memzero(&keys, sizeof keys);
    return err;
}

/* Before any of it is believed; `len` is what the disk had, at most VAULT_BYTES + 1. */
static enum kith_err file_check(const uint8_t *file, size_t len)
{
    uint8_t sum[HASH_BYTES];

    if (len < AT_MEMORY || sodium_memcmp(file, VAULT_MAGIC, AT_VERSION) != 0)
        return KITH_DAMAGED;
    if (get_u16(file + AT_VERSION) > VAULT_VERSION)
        return KITH_NEWER_STORE;
    if (len != VAULT_BYTES)
        return KITH_DAMAGED;
    checksum(file, sum);
    uint32_t memory_kib = get_u32(file + AT_MEMORY);
    uint32_t passes = get_u32(file + AT_PASSES);
    bool is_sound = get_u16(file + AT_VERSION) == VAULT_VERSION &&
                    memory_kib >= VAULT_MEMORY_MIN / 1024 && memory_kib <= MEMORY_MAX / 1024 &&
                    passes >= PASSES_MIN && passes <= PASSES_MAX &&
                    sodium_memcmp(sum, file + AT_CHECKSUM, HASH_BYTES) == 0;
    return is_sound ? KITH_OK : KITH_DAMAGED;
}

static enum kith_err file_unwrap(const uint8_t file[static VAULT_BYTES], const char *passphrase,
                                 uint8_t key[static KEY_BYTES])
{
    struct passphrase_keys keys;
    enum kith_err err = keys_derive(file, passphrase, &keys);

    if (!err && sodium_memcmp(keys.commitment, file + AT_COMMITMENT, HASH_BYTES) != 0)
        err = KITH_PASSPHRASE;
    if (!err && crypto_aead_xchacha20poly1305_ietf_decrypt(key, NULL, NULL, file + AT_WRAPPED,
                                                           KEY_BYTES + TAG_BYTES, file, AT_NONCE,
                                                           file + AT_NONCE, keys.wrap) != 0)
        err = KITH_DAMAGED;
    sodium_memzero(&keys, sizeof keys);
    return err;
}

static enum kith_err read_all(int fd, uint8_t *to, size_t max, size_t *len)
{
    *len = 0;
    while (*len < max) {
        ssize_t got = read(fd, to + *len, max - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return KITH_IO;
        if (got == 0)
            break;
        *len += (size_t)got;
    }
    return KITH_OK;
}

static enum kith_err file_read(int folder, uint8_t file[static VAULT_BYTES + 1])
{
    struct stat status;
    size_t len = 0;
    /* Without O_NONBLOCK a fifo in its place would hold us up. */
    int fd = openat(folder, VAULT_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return err_of_errno(errno);
    enum kith_err err = KITH_PERMISSION;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && is_private(&status))
        err = read_all(fd, file, VAULT_BYTES + 1, &len);
    (void)close(fd);
    return err ? err : file_check(file, len);
}

static enum kith_err write_all(int fd, const uint8_t *from, size_t len)
{
    while (len) {
        ssize_t put = write(fd, from, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_of_errno(errno);
        from += put;
        len -= (size_t)put;
    }
    return fsync(fd) ? err_of_errno(errno) : KITH_OK;
}

/* A file system without RENAME_NOREPLACE says EINVAL; there we look first, which only a second
 * vault_create in the same instant could make wrong. */
static enum kith_err put_in_place(int folder, const char *temporary, bool is_new)
{
    int failed = renameat2(folder, temporary, folder, VAULT_NAME, is_new ? RENAME_NOREPLACE : 0);

    if (failed && errno == EINVAL) {
        if (is_new && faccessat(folder, VAULT_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return KITH_EXISTS;
        failed = renameat(folder, temporary, folder, VAULT_NAME);
    }
    if (failed)
        return err_of_errno(errno);
    return fsync(folder) ? err_of_errno(errno) : KITH_OK;
}

static enum kith_err file_write(int folder, const uint8_t file[static VAULT_BYTES], bool is_new)
{
    char temporary[32];

    (void)snprintf(temporary, sizeof temporary, VAULT_NAME ".%08x%08x", randombytes_random(),
                   randombytes_random());
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    S_IRUSR | S_IWUSR);
    if (fd < 0)
        return err_of_errno(errno);
    enum kith_err err = write_all(fd, file, VAULT_BYTES);
    if (close(fd) && !err)
        err = err_of_errno(errno);
    if (!err)
        err = put_in_place(folder, temporary, is_new);
    if (err)
        (void)unlinkat(folder, temporary, 0);
    return err;
}

enum kith_err vault_create(const char *home, const char *passphrase, uint8_t key[static KEY_BYTES])
{
    uint8_t file[VAULT_BYTES];
    int folder;
    enum kith_err err = home_open(home, &folder);

    if (err)
        return err;
    if (faccessat(folder, VAULT_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        (void)close(folder);
        return KITH_EXISTS;
    }
    randombytes_buf(key, KEY_BYTES);
    err = file_make(file, passphrase, key);
    if (!err)
        err = file_write(folder, file, true);
    if (err)
        sodium_memzero(key, KEY_BYTES);
    (void)close(folder);
    return err;
}

enum kith_err vault_open(const char *home, const char *passphrase, uint8_t key[static KEY_BYTES])
{
    uint8_t file[VAULT_BYTES + 1];
    int folder;
    enum kith_err err = home_open(home, &folder);

    if (err)
        return err;
    err = file_read(folder, file);
    (void)close(folder);
    if (!err)
        err = file_unwrap(file, passphrase, key);
    if (err)
        sodium_memzero(key, KEY_BYTES);
    return err;
}

enum kith_err vault_rewrap(const char *home, const char *passphrase,
                           const uint8_t key[static KEY_BYTES])
{
    uint8_t file[VAULT_BYTES + 1];
    int folder;
    enum kith_err err = home_open(home, &folder);

    if (err)
        return err;
    /* A vault that this version cannot read is not replaced by one that it can. */
    err = file_read(folder, file);
    if (!err)
        err = file_make(file, passphrase, key);
    if (!err)
        err = file_write(folder, file, false);
    (void)close(folder);
    return err;
}
