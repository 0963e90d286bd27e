/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/seal.h"

#define KEYS_FILE  "hub.keys"
#define KEYS_MARK  "kith hub keys 1\n"
#define MARK_BYTES (sizeof KEYS_MARK - 1)

/* mark, storage key, Noise secret, signing key, checksum */
#define BODY_BYTES (MARK_BYTES + KEY_BYTES + KEY_BYTES + SIGN_KEY_BYTES)
#define FILE_BYTES (BODY_BYTES + HASH_BYTES)

void keys_make(struct ledger_keys *keys)
{
    uint8_t seed[KEY_BYTES];

    seal_random(keys->storage, KEY_BYTES);
    seal_random(seed, sizeof seed);
    noise_keypair_from_secret(&keys->noise, seed);
    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, keys->sign_public, keys->sign_secret);
    seal_wipe(seed, sizeof seed);
}

static enum kith_err translate(int error)
{
    switch (error) {
    case ENOENT:
        return KITH_NOT_FOUND;
    case EEXIST:
        return KITH_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return KITH_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return KITH_PERMISSION;
    default:
        return KITH_IO;
    }
}

static void checksum(const uint8_t body[static BODY_BYTES], uint8_t hash[static HASH_BYTES])
{
    struct bytes part = bytes_of(body, BODY_BYTES);

    seal_hash(SEAL_HUB_KEYS, &part, 1, hash);
}

/* Writes all of it and waits for the disk. */
static enum kith_err write_file(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno != EINTR)
            return translate(errno);
        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
        }
    }
    return fsync(fd) < 0 ? translate(errno) : KITH_OK;
}

static enum kith_err write_at(int folder, const uint8_t *bytes, size_t len)
{
    if (faccessat(folder, KEYS_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return KITH_EXISTS;
    (void)unlinkat(folder, KEYS_FILE ".new", 0);
    int fd = openat(folder, KEYS_FILE ".new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);
    if (fd < 0)
        return translate(errno);
    enum kith_err err = write_file(fd, bytes, len);
    if (close(fd) < 0 && !err)
        err = translate(errno);
    if (!err && renameat(folder, KEYS_FILE ".new", folder, KEYS_FILE) < 0)
        err = translate(errno);
    if (err)
        (void)unlinkat(folder, KEYS_FILE ".new", 0);
    else if (fsync(folder) < 0)
        err = translate(errno);
    return err;
}

enum kith_err keys_write(const char *path, const struct ledger_keys *keys)
{
    uint8_t bytes[FILE_BYTES];
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return translate(errno);
    memcpy(bytes, KEYS_MARK, MARK_BYTES);
    memcpy(bytes + MARK_BYTES, keys->storage, KEY_BYTES);
    memcpy(bytes + MARK_BYTES + KEY_BYTES, keys->noise.secret, KEY_BYTES);
    memcpy(bytes + MARK_BYTES + 2 * KEY_BYTES, keys->sign_secret, SIGN_KEY_BYTES);
    checksum(bytes, bytes + BODY_BYTES);
    enum kith_err err = write_at(folder, bytes, sizeof bytes);
    seal_wipe(bytes, sizeof bytes);
    (void)close(folder);
    return err;
}

static enum kith_err read_file(int fd, uint8_t bytes[static FILE_BYTES])
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return translate(errno);
    if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 077) != 0)
        return KITH_PERMISSION;
    if (info.st_size != FILE_BYTES || read(fd, bytes, FILE_BYTES) != FILE_BYTES)
        return KITH_DAMAGED;
    return KITH_OK;
}

enum kith_err keys_read(const char *folder, struct ledger_keys *keys)
{
    char path[4096];
    uint8_t bytes[FILE_BYTES];
    uint8_t hash[HASH_BYTES];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, KEYS_FILE) >= sizeof path)
        return KITH_NOT_FOUND;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return translate(errno);
    enum kith_err err = read_file(fd, bytes);
    (void)close(fd);
    if (!err) {
        checksum(bytes, hash);
        bool is_whole = seal_equal(bytes, KEYS_MARK, MARK_BYTES) &&
                        seal_equal(hash, bytes + BODY_BYTES, HASH_BYTES);
        err = is_whole ? KITH_OK : KITH_DAMAGED;
    }
    if (!err) {
        memcpy(keys->storage, bytes + MARK_BYTES, KEY_BYTES);
        noise_keypair_from_secret(&keys->noise, bytes + MARK_BYTES + KEY_BYTES);
        memcpy(keys->sign_secret, bytes + MARK_BYTES + 2 * KEY_BYTES, SIGN_KEY_BYTES);
        memcpy(keys->sign_public, keys->sign_secret + KEY_BYTES, KEY_BYTES);
    }
    seal_wipe(bytes, sizeof bytes);
    return err;
}
