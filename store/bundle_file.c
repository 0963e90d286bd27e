/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bundle_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (BUNDLE_HEADER_MAX + (uint64_t)BUNDLE_CHUNKS_MAX * BUNDLE_CHUNK_MAX)

static enum kith_err translate(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return KITH_NOT_FOUND;
    case EEXIST:
        return KITH_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KITH_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EISDIR:
        return KITH_PERMISSION;
    case ENOMEM:
        return KITH_MEMORY;
    default:
        return KITH_IO;
    }
}

/* Up to `len` bytes; fewer only at the end. */
static enum kith_err read_some(int fd, struct buffer *to, size_t len)
{
    uint8_t *at = buffer_extend(to, len);
    size_t got = 0;

    if (!at)
        return to->err;
    while (got < len) {
        ssize_t step = read(fd, at + got, len - got);
        if (step < 0 && errno != EINTR)
            return translate(errno);
        if (step == 0)
            break;
        if (step > 0)
            got += (size_t)step;
    }
    to->len -= len - got;
    return KITH_OK;
}

static enum kith_err find_size(struct bundle_source *source)
{
    struct stat info;

    if (fstat(source->fd, &info) != 0)
        return translate(errno);
    if (!S_ISREG(info.st_mode))
        return KITH_PERMISSION;
    source->size = (uint64_t)info.st_size;
    return source->size > FILE_BYTES_MAX ? KITH_TOO_LARGE : KITH_OK;
}

static enum kith_err open_header(struct bundle_source *source, const uint8_t (*secrets)[KEY_BYTES],
                                 size_t count)
{
    size_t size = 0;
    enum kith_err err = read_some(source->fd, &source->sealed, BUNDLE_START_BYTES);

    if (!err && source->sealed.len < BUNDLE_START_BYTES)
        err = KITH_MALFORMED;
    if (!err)
        err = bundle_header_size(source->sealed.ptr, &size);
    if (!err)
        err = read_some(source->fd, &source->sealed, size - BUNDLE_START_BYTES);
    if (err)
        return err;
    source->done = source->sealed.len;
    err = KITH_NOT_FOUND;
    for (size_t i = 0; i < count && err == KITH_NOT_FOUND; i++) {
        bundle_close(&source->reader);
        err = bundle_open(&source->reader, buffer_view(&source->sealed), secrets[i]);
    }
    return err == KITH_NOT_FOUND ? KITH_NO_KEY : err;
}

enum kith_err source_open(struct bundle_source *source, const char *path,
                          const uint8_t (*secrets)[KEY_BYTES], size_t count)
{
    memset(source, 0, sizeof *source);
    buffer_init(&source->sealed, BUNDLE_CHUNK_MAX);
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (source->fd < 0)
        return translate(errno);
    enum kith_err err = find_size(source);
    return err ? err : open_header(source, secrets, count);
}

bool source_next(struct bundle_source *source, struct bytes *frames, enum kith_err *err)
{
    *frames = bytes_of(NULL, 0);
    *err = KITH_OK;
    if (source->done >= source->size)
        return false;
    buffer_reset(&source->sealed);
    *err = read_some(source->fd, &source->sealed, BUNDLE_CHUNK_MAX);
    if (!*err && source->sealed.len == 0)
        *err = KITH_CUT; /* shorter than it was */
    source->done += source->sealed.len;
    if (!*err)
        *err = bundle_next(&source->reader, buffer_view(&source->sealed),
                           source->done >= source->size, frames);
    return !*err;
}

void source_close(struct bundle_source *source)
{
    if (source->fd >= 0)
        (void)close(source->fd);
    source->fd = -1;
    buffer_clear(&source->sealed);
    bundle_close(&source->reader);
}

static enum kith_err write_all(struct bundle_target *target, struct bytes bytes)
{
    target->size += bytes.len;
    while (bytes.len > 0) {
        ssize_t written = write(target->fd, bytes.ptr, bytes.len);
        if (written < 0 && errno != EINTR)
            return translate(errno);
        if (written > 0)
            bytes = bytes_after(bytes, (size_t)written);
    }
    return KITH_OK;
}

/* Only a bundle is written over: what it held is in the newer one, or has been acknowledged. */
static enum kith_err check_place(const char *path)
{
    uint8_t start[BUNDLE_START_BYTES];
    size_t size;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == ENOENT ? KITH_OK : translate(errno);
    bool is_bundle = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
                     read(fd, start, sizeof start) == (ssize_t)sizeof start &&
                     bundle_header_size(start, &size) == KITH_OK;
    (void)close(fd);
    return is_bundle ? KITH_OK : KITH_EXISTS;
}

enum kith_err target_open(struct bundle_target *target, const char *path,
                          const struct bundle_preface *preface, const uint8_t *sign_secret,
                          const uint8_t (*recipients)[KEY_BYTES], size_t count)
{
    memset(target, 0, sizeof *target);
    target->fd = -1;
    buffer_init(&target->held, BATCH_MAX);
    buffer_init(&target->sealed, BUNDLE_CHUNK_MAX);
    if ((size_t)snprintf(target->path, sizeof target->path, "%s", path) >= sizeof target->path)
        return KITH_NOT_FOUND;
    enum kith_err err = check_place(path);
    if (err)
        return err;
    (void)snprintf(target->part, sizeof target->part, "%s.part", path);
    (void)unlink(target->part);
    target->fd = open(target->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (target->fd < 0) {
        err = translate(errno);
        target->part[0] = '\0';
        return err;
    }
    err = bundle_begin(&target->writer, preface, sign_secret, recipients, count, &target->sealed);
    return err ? err : write_all(target, buffer_view(&target->sealed));
}

static enum kith_err write_chunk(struct bundle_target *target, bool is_last)
{
    if (target->writer.index >= BUNDLE_CHUNKS_MAX)
        return KITH_TOO_LARGE;
    buffer_reset(&target->sealed);
    bundle_add(&target->writer, buffer_view(&target->held), is_last, &target->sealed);
    buffer_reset(&target->held);
    return target->sealed.err ? target->sealed.err
                              : write_all(target, buffer_view(&target->sealed));
}

enum kith_err target_add(struct bundle_target *target, struct bytes frames)
{
    enum kith_err err = target->has_held ? write_chunk(target, false) : KITH_OK;

    target->has_held = true;
    target->batches++;
    buffer_add(&target->held, frames.ptr, frames.len);
    return err ? err : target->held.err;
}

/* The folder, too: the name is part of what was promised. Not every file system can. */
static void sync_folder(const char *path)
{
    char folder[BUNDLE_PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

enum kith_err target_commit(struct bundle_target *target)
{
    uint64_t chunks = bundle_chunk_count(target->batches);
    enum kith_err err = KITH_OK;

    while (!err && target->writer.index < chunks)
        err = write_chunk(target, target->writer.index + 1 == chunks);
    if (!err && fsync(target->fd) != 0)
        err = translate(errno);
    int failed = close(target->fd);
    target->fd = -1;
    if (!err && failed)
        err = translate(errno);
    if (!err && rename(target->part, target->path) != 0)
        err = translate(errno);
    if (err)
        return err;
    target->part[0] = '\0';
    sync_folder(target->path);
    return KITH_OK;
}

void target_close(struct bundle_target *target)
{
    if (target->fd >= 0)
        (void)close(target->fd);
    target->fd = -1;
    if (target->part[0])
        (void)unlink(target->part);
    buffer_clear(&target->held);
    buffer_clear(&target->sealed);
    bundle_end(&target->writer);
}
