/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/keys.h"
#include "protocol/seal.h"
#include "store/file.h"
#include "store/ledger.h"

#define MAGIC        "kithbak1"
#define MAGIC_BYTES  8
#define FOOT_BYTES   (3 * 8 + HASH_BYTES)
#define PIECE        65536
#define SETTINGS     "hub.conf"
#define STORE_FILE   "data.mdb"
#define SETTINGS_MAX 65536
#define KEYS_MAX     4096

/* What the end of the file says. */
struct parts {
    uint64_t store;
    uint64_t settings;
    uint64_t keys;
    uint8_t hash[HASH_BYTES];
};

static bool write_all(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        bytes = bytes_after(bytes, (size_t)wrote);
    }
    return true;
}

static bool read_all(int fd, void *to, size_t len)
{
    uint8_t *at = to;

    while (len > 0) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* The hash of the first `len` bytes of a file. */
static enum kith_err hash_file(int fd, uint64_t len, uint8_t hash[static HASH_BYTES])
{
    void *all = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);

    if (all == MAP_FAILED)
        return file_error(errno);
    const struct bytes part = bytes_of(all, (size_t)len);
    seal_hash(SEAL_BACKUP, &part, 1, hash);
    (void)munmap(all, (size_t)len);
    return KITH_OK;
}

static enum kith_err append_file(int fd, const char *folder, const char *name, size_t max,
                                 uint64_t *len)
{
    struct buffer content;
    enum kith_err err = file_read(folder, name, max, &content);

    *len = 0;
    if (err == KITH_NOT_FOUND) {
        buffer_clear(&content);
        return KITH_OK;
    }
    if (!err && !write_all(fd, buffer_view(&content)))
        err = file_error(errno);
    *len = content.len;
    seal_wipe(content.ptr, content.len);
    buffer_clear(&content);
    return err;
}

static enum kith_err write_foot(int fd, struct parts *parts)
{
    uint8_t foot[FOOT_BYTES];
    uint64_t len = MAGIC_BYTES + parts->store + parts->settings + parts->keys + 3 * 8;

    put_u64(foot, parts->store);
    put_u64(foot + 8, parts->settings);
    put_u64(foot + 16, parts->keys);
    if (!write_all(fd, bytes_of(foot, 3 * 8)))
        return file_error(errno);
    enum kith_err err = hash_file(fd, len, parts->hash);
    if (!err && (lseek(fd, 0, SEEK_END) < 0 || !write_all(fd, bytes_of(parts->hash, HASH_BYTES))))
        err = file_error(errno);
    return !err && fsync(fd) != 0 ? file_error(errno) : err;
}

static enum kith_err write_backup(const char *folder, int fd, struct parts *parts)
{
    struct ledger_keys keys;
    struct ledger *ledger = NULL;
    const struct ledger_options options = {.folder = folder, .keys = &keys};
    enum kith_err err = keys_read(folder, &keys);

    if (!err)
        err = ledger_open(&ledger, &options);
    if (!err && !write_all(fd, bytes_text(MAGIC)))
        err = file_error(errno);
    if (!err)
        err = ledger_copy(ledger, fd);
    ledger_close(&ledger);
    seal_wipe(&keys, sizeof keys);
    off_t end = lseek(fd, 0, SEEK_END);
    if (!err && end < MAGIC_BYTES)
        err = KITH_IO;
    parts->store = (uint64_t)end - MAGIC_BYTES;
    if (!err)
        err = append_file(fd, folder, SETTINGS, SETTINGS_MAX, &parts->settings);
    if (!err)
        err = append_file(fd, folder, KEYS_FILE, KEYS_MAX, &parts->keys);
    return err ? err : write_foot(fd, parts);
}

static uint64_t parts_bytes(const struct parts *parts)
{
    return MAGIC_BYTES + parts->store + parts->settings + parts->keys + FOOT_BYTES;
}

/* Written beside it and renamed: a backup that is there is whole. */
enum exit_code command_backup(const struct options *options)
{
    char unfinished[4096];
    struct parts parts = {0};

    if (!options->to)
        return misused("backup needs --to FILE");
    if ((size_t)snprintf(unfinished, sizeof unfinished, "%s.unfinished", options->to) >=
        sizeof unfinished)
        return refuse("--to", KITH_TOO_LARGE);
    if (access(options->to, F_OK) == 0)
        return refuse_file(options->to, KITH_EXISTS, "there is a file already: take another name");
    (void)unlink(unfinished);
    int fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse_file(options->to, file_error(errno), NULL);
    enum kith_err err = write_backup(options->data, fd, &parts);
    if (close(fd) != 0 && !err)
        err = file_error(errno);
    if (!err && rename(unfinished, options->to) != 0)
        err = file_error(errno);
    if (err) {
        (void)unlink(unfinished);
        return refuse_file(options->to, err, NULL);
    }
    const struct bytes mark = bytes_text("The time of this file is that of the last backup.\n");
    (void)!file_write(options->data, BACKUP_MARK, mark); /* the backup is good without it */
    (void)printf(options->is_json ? "{\"file\": \"%s\", \"bytes\": %" PRIu64 "}\n"
                                  : "%s: %" PRIu64 " bytes, whole. It holds the hub's keys: keep "
                                    "it as safe as the hub.\n",
                 options->to, parts_bytes(&parts));
    return done();
}

static enum kith_err read_foot(int fd, struct parts *parts)
{
    uint8_t magic[MAGIC_BYTES];
    uint8_t foot[FOOT_BYTES];
    uint8_t hash[HASH_BYTES];
    struct stat status;

    if (fstat(fd, &status) != 0)
        return file_error(errno);
    if (status.st_size < MAGIC_BYTES + FOOT_BYTES || !read_all(fd, magic, sizeof magic) ||
        memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
        return KITH_MALFORMED;
    if (lseek(fd, -(off_t)FOOT_BYTES, SEEK_END) < 0 || !read_all(fd, foot, sizeof foot))
        return KITH_IO;
    *parts = (struct parts){get_u64(foot), get_u64(foot + 8), get_u64(foot + 16), {0}};
    uint64_t all = (uint64_t)status.st_size;
    if (parts->store > all || parts->settings > SETTINGS_MAX || parts->keys > KEYS_MAX ||
        parts_bytes(parts) != all)
        return KITH_DAMAGED;
    enum kith_err err = hash_file(fd, all - HASH_BYTES, hash);
    if (!err && !seal_equal(hash, foot + 3 * 8, HASH_BYTES))
        err = KITH_DAMAGED;
    return err;
}

static enum kith_err put_store(int from, const char *folder, uint64_t len)
{
    char path[4096];
    uint8_t piece[PIECE];
    enum kith_err err = KITH_OK;

    if ((size_t)snprintf(path, sizeof path, "%s/" STORE_FILE, folder) >= sizeof path)
        return KITH_TOO_LARGE;
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return file_error(errno);
    while (len > 0 && !err) {
        size_t part = len < sizeof piece ? (size_t)len : sizeof piece;
        if (!read_all(from, piece, part))
            err = KITH_DAMAGED;
        else if (!write_all(to, bytes_of(piece, part)))
            err = file_error(errno);
        len -= part;
    }
    if (!err && fsync(to) != 0)
        err = file_error(errno);
    return close(to) != 0 && !err ? file_error(errno) : err;
}

static enum kith_err put_file(int from, const char *folder, const char *name, uint64_t len)
{
    struct buffer content;
    enum kith_err err = KITH_MEMORY;

    buffer_init(&content, SETTINGS_MAX);
    uint8_t *at = len ? buffer_extend(&content, (size_t)len) : NULL;
    if (at)
        err = read_all(from, at, (size_t)len) ? file_write(folder, name, buffer_view(&content))
                                              : KITH_DAMAGED;
    seal_wipe(content.ptr, content.len);
    buffer_clear(&content);
    return len ? err : KITH_OK;
}

/* The store comes first: keys without a store are an init that was interrupted, never a hub. */
static enum kith_err put_parts(int from, const char *folder, const struct parts *parts)
{
    if (lseek(from, MAGIC_BYTES, SEEK_SET) < 0)
        return KITH_IO;
    enum kith_err err = put_store(from, folder, parts->store);
    if (!err)
        err = put_file(from, folder, SETTINGS, parts->settings);
    return err ? err : put_file(from, folder, KEYS_FILE, parts->keys);
}

static enum kith_err begin_anew(const char *folder, struct ledger_stats *stats)
{
    struct ledger_keys keys;
    struct ledger *ledger = NULL;
    const struct ledger_options options = {.folder = folder, .keys = &keys, .is_exclusive = true};
    enum kith_err err = keys_read(folder, &keys);

    if (!err)
        err = ledger_open(&ledger, &options);
    if (!err)
        err = ledger_restart(ledger, connection_clock_ms());
    if (!err)
        err = ledger_stats(ledger, stats);
    ledger_close(&ledger);
    seal_wipe(&keys, sizeof keys);
    return err;
}

/* Nothing stays of a hub that could not be restored: it would be in the way of the next try. */
static void take_back(const char *folder)
{
    static const char *const names[] = {STORE_FILE, "lock.mdb", SETTINGS, KEYS_FILE};
    char path[4096];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, names[i]) < sizeof path)
            (void)unlink(path);
}

static enum kith_err put_hub(int from, const char *folder, const struct parts *parts,
                             struct ledger_stats *stats)
{
    enum kith_err err = folder_make(folder);

    if (err)
        return err;
    if (file_is_there(folder, STORE_FILE) || file_is_there(folder, KEYS_FILE))
        return KITH_EXISTS;
    err = put_parts(from, folder, parts);
    if (!err)
        err = begin_anew(folder, stats);
    if (err)
        take_back(folder);
    return err;
}

enum exit_code command_restore(const struct options *options)
{
    struct ledger_stats stats = {0};
    struct parts parts = {0};

    if (!options->from)
        return misused("restore needs --from FILE");
    int from = open(options->from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return refuse_file(options->from, file_error(errno), NULL);
    enum kith_err err = read_foot(from, &parts);
    if (err) {
        (void)close(from);
        return refuse_file(options->from, err,
                           err == KITH_DAMAGED ? "it is not whole, or was altered: take another "
                                                 "backup; nothing was restored"
                           : err == KITH_MALFORMED ? "this is no backup of a hub"
                                                   : NULL);
    }
    err = put_hub(from, options->data, &parts, &stats);
    (void)close(from);
    if (err)
        return refuse(options->data, err);
    (void)printf(options->is_json
                     ? "{\"changes\": %" PRIu64 ", \"circles\": %" PRIu64 ", \"devices\": %" PRIu64
                       "}\n"
                     : "Restored: %" PRIu64 " changes in %" PRIu64 " charts, %" PRIu64
                       " devices. Start it with 'kithd run'. Each device notices at its next "
                       "contact and gives back what came after the backup; 'kithd stats' says how "
                       "many have been back. Change nobody's access before that.\n",
                 stats.changes, stats.circles, stats.devices);
    return done();
}
