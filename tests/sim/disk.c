/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/sim/library.h"

/* LMDB's two head pages are there from the beginning: to write them anew takes no room. */
#define HEAD_BYTES (2 * 4096)

static bool is_filling;
static bool has_failed;
static uint32_t writes_left;

void disk_fill(uint32_t writes)
{
    is_filling = true;
    has_failed = false;
    writes_left = writes;
}

bool disk_make_room(void)
{
    is_filling = false;
    return has_failed;
}

static bool is_refused(void)
{
    if (!is_filling || writes_left > 0) {
        writes_left -= is_filling;
        return false;
    }
    has_failed = true;
    errno = ENOSPC;
    return true;
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *buf, size_t n,
                                                      off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);

    if (!real)
        library_find("pwrite", &real);
    bool is_head = offset < HEAD_BYTES;
    return !is_head && is_refused() ? -1 : real(fd, buf, n, offset);
}

__attribute__((visibility("default"))) ssize_t writev(int fd, const struct iovec *iovec, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);

    if (!real)
        library_find("writev", &real);
    return is_refused() ? -1 : real(fd, iovec, count);
}
