/* SPDX-License-Identifier: Apache-2.0 */
/* Without the checks that inline some of these calls. */
#undef _FORTIFY_SOURCE
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define IS_SANITIZED
#endif

static struct fault armed;
static uint64_t calls;

bool fault_is_possible(enum fault_site site)
{
#ifdef IS_SANITIZED
    return site != FAULT_MEMORY;
#else
    (void)site;
    return true;
#endif
}

void fault_arm(const struct fault *fault)
{
    calls = 0;
    armed = *fault;
}

uint64_t fault_disarm(void)
{
    armed.site = FAULT_NOWHERE;
    return calls;
}

static bool fails(enum fault_site site)
{
    if (armed.site != site)
        return false;
    calls++;
    if (armed.at == 0 || calls < armed.at || (calls > armed.at && !armed.is_for_good))
        return false;
    errno = armed.code;
    return true;
}

/* Seen by the libraries that this program is linked with. */
#pragma GCC visibility push(default)

/* The C library's own, found at the first call. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

#ifndef IS_SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __libc_realloc(old, size);
}
#endif

void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    NEXT(mmap);
    return fails(FAULT_MAP) ? MAP_FAILED : next(at, len, protection, flags, fd, offset);
}

static mode_t mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list more;

    NEXT(open);
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return fails(FAULT_OPEN) ? -1 : next(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list more;

    NEXT(openat);
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return fails(FAULT_OPEN) ? -1 : next(folder, path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    return fails(FAULT_OPEN) ? -1 : next(path, mode);
}

ssize_t read(int fd, void *to, size_t len)
{
    NEXT(read);
    return fails(FAULT_OPEN) ? -1 : next(fd, to, len);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
    NEXT(pread);
    return fails(FAULT_OPEN) ? -1 : next(fd, to, len, at);
}

ssize_t write(int fd, const void *from, size_t len)
{
    NEXT(write);
    return fails(FAULT_WRITE) ? -1 : next(fd, from, len);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
    NEXT(pwrite);
    return fails(FAULT_WRITE) ? -1 : next(fd, from, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev);
    return fails(FAULT_WRITE) ? -1 : next(fd, parts, count);
}

int ftruncate(int fd, off_t len)
{
    NEXT(ftruncate);
    return fails(FAULT_WRITE) ? -1 : next(fd, len);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    return fails(FAULT_WRITE) ? -1 : next(from, to);
}

int fsync(int fd)
{
    NEXT(fsync);
    return fails(FAULT_SYNC) ? -1 : next(fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return fails(FAULT_SYNC) ? -1 : next(fd);
}
