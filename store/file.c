/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

enum kith_err file_error(int code)
{
    switch (code) {
    case 0:
        return KITH_OK;
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
        return KITH_PERMISSION;
    case ENOMEM:
        return KITH_MEMORY;
    case EMFILE:
    case ENFILE:
        return KITH_BUSY;
    default:
        return KITH_IO;
    }
}

enum kith_err folder_check(const char *path)
{
    struct stat found;

    if (stat(path, &found) < 0)
        return file_error(errno);
    if (!S_ISDIR(found.st_mode) || found.st_uid != geteuid() || (found.st_mode & 077) != 0)
        return KITH_PERMISSION;
    return KITH_OK;
}

enum kith_err folder_make(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return file_error(errno);
    return folder_check(path);
}

static enum kith_err folder_fd(const char *path, int *fd)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? file_error(errno) : KITH_OK;
}

bool file_is_there(const char *folder, const char *name)
{
    struct stat found;
    int fd;

    if (folder_fd(folder, &fd))
        return false;
    bool is_there = fstatat(fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    (void)close(fd);
    return is_there;
}

enum kith_err file_remove(const char *path, const char *name)
{
    int folder;
    enum kith_err err = folder_fd(path, &folder);

    if (err)
        return err;
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        err = file_error(errno);
    else if (fsync(folder) < 0)
        err = file_error(errno);
    (void)close(folder);
    return err;
}

/* Writes all of it and waits for the disk. */
static enum kith_err write_whole(int fd, struct bytes content)
{
    while (content.len > 0) {
        ssize_t written = write(fd, content.ptr, content.len);
        if (written < 0 && errno != EINTR)
            return file_error(errno);
        content = bytes_after(content, written > 0 ? (size_t)written : 0);
    }
    return fsync(fd) < 0 ? file_error(errno) : KITH_OK;
}

static enum kith_err write_fresh(int folder, const char *name, struct bytes content)
{
    (void)unlinkat(folder, name, 0); /* of a crash in between */
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_error(errno);
    enum kith_err err = write_whole(fd, content);
    if (close(fd) < 0 && !err)
        err = file_error(errno);
    return err;
}

enum kith_err file_write(const char *path, const char *name, struct bytes content)
{
    char fresh[NAME_MAX_BYTES];
    int folder;
    enum kith_err err = folder_fd(path, &folder);

    if (err)
        return err;
    (void)snprintf(fresh, sizeof fresh, "%s.new", name);
    err = write_fresh(folder, fresh, content);
    if (!err && renameat(folder, fresh, folder, name) < 0)
        err = file_error(errno);
    if (err)
        (void)unlinkat(folder, fresh, 0);
    else if (fsync(folder) < 0)
        err = file_error(errno);
    (void)close(folder);
    return err;
}

static enum kith_err read_whole(int fd, struct buffer *content)
{
    struct stat found;
    uint8_t piece[4096];
    ssize_t count;

    if (fstat(fd, &found) < 0)
        return file_error(errno);
    if (!S_ISREG(found.st_mode) || found.st_uid != geteuid() || (found.st_mode & 0177) != 0)
        return KITH_PERMISSION;
    do {
        count = read(fd, piece, sizeof piece);
        if (count < 0 && errno != EINTR)
            return file_error(errno);
        if (count > 0)
            buffer_add(content, piece, (size_t)count);
    } while (count != 0 && !content->err);
    explicit_bzero(piece, sizeof piece);
    return content->err;
}

enum kith_err file_read(const char *path, const char *name, size_t max, struct buffer *content)
{
    int folder;
    enum kith_err err = folder_fd(path, &folder);

    buffer_init(content, max);
    if (err)
        return err;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        err = file_error(errno);
    (void)close(folder);
    if (err)
        return err;
    err = read_whole(fd, content);
    (void)close(fd);
    return err;
}
