/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between a program and the C library (LD_PRELOAD) and writes down what becomes of the files
 * in one folder: event.h says how.
 *
 * It makes no call of its own that a hub behind its filter may not make: which descriptor is which
 * file it knows from having seen it opened. Files are what open, openat and their kin gave out;
 * stdio's own are not seen, and no program here keeps anything through those.
 */
#include "tests/faults/event.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 4096
#define PARTS_MAX   1024
#define PATH_ROOM   4096
#define SHOWN       __attribute__((visibility("default")))

/* What a descriptor is to us. */
struct watched {
    uint64_t file;
    bool is_file;
    bool is_folder;
    bool is_through;
};

static struct watched watched[DESCRIPTORS];
static char folder[PATH_ROOM];
static size_t folder_len;
static long delay_ms;
static int log_fd = -1;

static struct {
    int (*open)(const char *path, int flags, ...);
    int (*openat)(int at, const char *path, int flags, ...);
    int (*close)(int fd);
    int (*close_range)(unsigned first, unsigned last, int flags);
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    ssize_t (*writev)(int fd, const struct iovec *parts, int count);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
    ssize_t (*pwritev)(int fd, const struct iovec *parts, int count, off_t at);
    int (*ftruncate)(int fd, off_t len);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*unlink)(const char *path);
    int (*unlinkat)(int at, const char *path, int flags);
    int (*rename)(const char *from, const char *to);
    int (*renameat)(int from_at, const char *from, int to_at, const char *to);
    int (*renameat2)(int from_at, const char *from, int to_at, const char *to, unsigned flags);
} real;

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(function, &found, sizeof found);
}

static void log_open(void)
{
    const char *path = getenv(RECORD_LOG);

    log_fd = path ? real.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *delay = getenv(RECORD_DELAY);
    const char *path = getenv(RECORD_FOLDER);

    if (real.open)
        return;
    find(&real.openat, "openat");
    find(&real.close, "close");
    find(&real.close_range, "close_range");
    find(&real.write, "write");
    find(&real.writev, "writev");
    find(&real.pwrite, "pwrite");
    find(&real.pwritev, "pwritev");
    find(&real.ftruncate, "ftruncate");
    find(&real.fsync, "fsync");
    find(&real.fdatasync, "fdatasync");
    find(&real.unlink, "unlink");
    find(&real.unlinkat, "unlinkat");
    find(&real.rename, "rename");
    find(&real.renameat, "renameat");
    find(&real.renameat2, "renameat2");
    find(&real.open, "open");
    delay_ms = delay ? strtol(delay, NULL, 10) : 0;
    if (path && strlen(path) < sizeof folder) {
        folder_len = strlen(path);
        memcpy(folder, path, folder_len);
        log_open();
    }
}

static uint64_t now(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

static void note_parts(const struct event *event, const struct iovec *parts, int count)
{
    struct iovec all[PARTS_MAX];

    if (log_fd < 0)
        return;
    if (count >= PARTS_MAX)
        abort();
    all[0] = (struct iovec){.iov_base = (void *)(uintptr_t)event, .iov_len = sizeof *event};
    memcpy(all + 1, parts, (size_t)count * sizeof *parts);
    if (real.writev(log_fd, all, count + 1) != (ssize_t)(sizeof *event + event->len))
        abort(); /* a log with a hole would tell of losses that are none */
}

static void note(enum event_kind kind, uint64_t file, uint64_t at, const void *bytes, size_t len)
{
    const struct event event = {.kind = kind,
                                .thread = (uint32_t)syscall(SYS_gettid),
                                .file = file,
                                .at = at,
                                .len = len,
                                .when = now()};
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    note_parts(&event, &part, 1);
}

static struct watched *watched_at(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS ? &watched[fd] : NULL;
}

static bool is_watched_file(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && watched[fd].is_file;
}

/* The name within the folder; "" for the folder itself, NULL for what is elsewhere. */
static const char *name_of(int at, const char *path)
{
    const struct watched *base = watched_at(at);

    if (folder_len == 0)
        return NULL;
    if (path[0] != '/')
        return base && base->is_folder ? path : NULL;
    if (strncmp(path, folder, folder_len) != 0)
        return NULL;
    path += folder_len;
    if (*path == '\0')
        return path;
    return *path == '/' ? path + 1 : NULL;
}

static void watch(int fd, int at, const char *path, int flags)
{
    const char *name = name_of(at, path);
    struct watched *entry = watched_at(fd);
    struct stat found;

    if (!entry)
        return;
    *entry = (struct watched){.is_file = false};
    if (!name || fstat(fd, &found) != 0)
        return;
    entry->is_folder = *name == '\0';
    entry->is_file = S_ISREG(found.st_mode);
    entry->file = entry->is_folder ? THE_FOLDER : found.st_ino;
    entry->is_through = (flags & O_DSYNC) != 0;
    if (entry->is_file && (flags & O_CREAT))
        note(EVENT_MADE, entry->file, 0, name, strlen(name));
    if (entry->is_file && (flags & O_TRUNC))
        note(EVENT_RESIZED, entry->file, 0, "", 0);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

SHOWN int open(const char *path, int flags, ...)
{
    va_list arguments;

    begin();
    va_start(arguments, flags);
    int fd = real.open(path, flags, mode_of(flags, arguments));
    va_end(arguments);
    watch(fd, AT_FDCWD, path, flags);
    return fd;
}

SHOWN int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;

    begin();
    va_start(arguments, flags);
    int fd = real.openat(at, path, flags, mode_of(flags, arguments));
    va_end(arguments);
    watch(fd, at, path, flags);
    return fd;
}

SHOWN int close(int fd)
{
    struct watched *entry = watched_at(fd);

    begin();
    if (entry)
        *entry = (struct watched){.is_file = false};
    return real.close(fd);
}

/* The log may be among them. */
SHOWN int close_range(unsigned first, unsigned last, int flags)
{
    begin();
    for (unsigned fd = first; fd <= last && fd < DESCRIPTORS; fd++)
        watched[fd] = (struct watched){.is_file = false};
    int result = real.close_range(first, last, flags);
    if (log_fd >= 0 && (unsigned)log_fd >= first && (unsigned)log_fd <= last)
        log_open();
    return result;
}

static void note_written(int fd, const struct iovec *parts, int count, off_t at, ssize_t written)
{
    const struct watched *entry = &watched[fd];
    const struct event event = {.kind = entry->is_through ? EVENT_WRITTEN_THROUGH : EVENT_WRITTEN,
                                .thread = (uint32_t)syscall(SYS_gettid),
                                .file = entry->file,
                                .at = (uint64_t)at,
                                .len = (uint64_t)written,
                                .when = now()};

    note_parts(&event, parts, count);
}

/* Of `count` parts as many bytes as were written. */
static int cut_parts(struct iovec *cut, const struct iovec *parts, int count, size_t written)
{
    int used = 0;

    for (; used < count && used < PARTS_MAX && written > 0; used++) {
        cut[used] = parts[used];
        if (cut[used].iov_len > written)
            cut[used].iov_len = written;
        written -= cut[used].iov_len;
    }
    return used;
}

/* A commit syncs twice. Each side of a link is now and then the slower one. */
static void wait_for_disk(void)
{
    const struct timespec pause = {delay_ms / 1000, delay_ms % 1000 * 1000000};
    static _Atomic unsigned count;
    bool is_slow = ((count++ / 2 + (unsigned)getpid()) & 1) != 0;

    if (delay_ms > 0 && is_slow)
        (void)nanosleep(&pause, NULL);
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at)
{
    struct iovec cut[PARTS_MAX];

    if (watched[fd].is_through)
        wait_for_disk();
    ssize_t written = real.pwritev(fd, parts, count, at);
    if (written > 0)
        note_written(fd, cut, cut_parts(cut, parts, count, (size_t)written), at, written);
    return written;
}

SHOWN ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    begin();
    return is_watched_file(fd) ? write_parts(fd, parts, count, at)
                               : real.pwritev(fd, parts, count, at);
}

SHOWN ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    begin();
    return is_watched_file(fd) ? write_parts(fd, &part, 1, at) : real.pwrite(fd, bytes, len, at);
}

/* Where the descriptor stands: none here is open for appending. */
static ssize_t write_here(int fd, const struct iovec *parts, int count)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = write_parts(fd, parts, count, at);

    if (written > 0)
        (void)lseek(fd, at + written, SEEK_SET);
    return written;
}

SHOWN ssize_t writev(int fd, const struct iovec *parts, int count)
{
    begin();
    return is_watched_file(fd) ? write_here(fd, parts, count) : real.writev(fd, parts, count);
}

SHOWN ssize_t write(int fd, const void *bytes, size_t len)
{
    const struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    begin();
    return is_watched_file(fd) ? write_here(fd, &part, 1) : real.write(fd, bytes, len);
}

SHOWN int ftruncate(int fd, off_t len)
{
    begin();
    int result = real.ftruncate(fd, len);
    if (result == 0 && is_watched_file(fd))
        note(EVENT_RESIZED, watched[fd].file, (uint64_t)len, "", 0);
    return result;
}

static int sync_noted(int fd, int (*sync_of)(int fd))
{
    const struct watched *entry = watched_at(fd);

    if (!entry || (!entry->is_file && !entry->is_folder))
        return sync_of(fd);
    note(EVENT_SYNC_BEGUN, entry->file, 0, "", 0);
    wait_for_disk();
    int result = sync_of(fd);
    if (result == 0)
        note(EVENT_SYNC_ENDED, entry->file, 0, "", 0);
    return result;
}

SHOWN int fsync(int fd)
{
    begin();
    return sync_noted(fd, real.fsync);
}

SHOWN int fdatasync(int fd)
{
    begin();
    return sync_noted(fd, real.fdatasync);
}

static int note_removed(int result, int at, const char *path)
{
    const char *name = name_of(at, path);

    if (result == 0 && name)
        note(EVENT_REMOVED, 0, 0, name, strlen(name));
    return result;
}

SHOWN int unlink(const char *path)
{
    begin();
    return note_removed(real.unlink(path), AT_FDCWD, path);
}

SHOWN int unlinkat(int at, const char *path, int flags)
{
    begin();
    return note_removed(real.unlinkat(at, path, flags), at, path);
}

static int note_renamed(int result, const char *from, const char *to)
{
    char names[PATH_ROOM];

    if (result != 0 || (!from && !to))
        return result;
    if (!from || !to || strlen(from) + strlen(to) + 2 > sizeof names)
        abort(); /* nothing here moves files in or out of its folder */
    int len = snprintf(names, sizeof names, "%s%c%s", from, '\0', to);
    note(EVENT_RENAMED, 0, 0, names, (size_t)len);
    return result;
}

SHOWN int rename(const char *from, const char *to)
{
    begin();
    return note_renamed(real.rename(from, to), name_of(AT_FDCWD, from), name_of(AT_FDCWD, to));
}

SHOWN int renameat(int from_at, const char *from, int to_at, const char *to)
{
    begin();
    return note_renamed(real.renameat(from_at, from, to_at, to), name_of(from_at, from),
                        name_of(to_at, to));
}

SHOWN int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    begin();
    return note_renamed(real.renameat2(from_at, from, to_at, to, flags), name_of(from_at, from),
                        name_of(to_at, to));
}
