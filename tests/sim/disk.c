/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/sim/library.h"

/* LMDB's two head pages are there from the beginning: to write them anew takes no room. */
#define HEAD_BYTES (2 * 4096)

enum fault { FAULT_NONE, FAULT_FULL, FAULT_STOP };

static enum fault fault;
static bool has_failed;
static uint32_t writes_left;

static void begin(enum fault wanted, uint32_t writes)
{
    fault = wanted;
    has_failed = false;
    writes_left = writes;
}

void disk_fill(uint32_t writes)
{
    begin(FAULT_FULL, writes);
}

void disk_stop(uint32_t writes)
{
    begin(FAULT_STOP, writes);
}

bool disk_repair(void)
{
    fault = FAULT_NONE;
    return has_failed;
}

/* Whether this write fails; the first one that does so is torn if the machine stops in it. */
static bool is_refused(bool is_head, bool *is_torn)
{
    *is_torn = false;
    if (fault == FAULT_NONE || (fault == FAULT_FULL && is_head))
        return false;
    if (writes_left > 0) {
        writes_left--;
        return false;
    }
    *is_torn = fault == FAULT_STOP && !has_failed && !is_head;
    has_failed = true;
    errno = fault == FAULT_FULL ? ENOSPC : EIO;
    return true;
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *buf, size_t n,
                                                      off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    bool is_torn;

    if (!real)
        library_find("pwrite", &real);
    if (!is_refused(offset < HEAD_BYTES, &is_torn))
        return real(fd, buf, n, offset);
    int reason = errno;
    if (is_torn)
        (void)real(fd, buf, n / 2, offset);
    errno = reason;
    return -1;
}

__attribute__((visibility("default"))) ssize_t writev(int fd, const struct iovec *iovec, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    bool is_torn;

    if (!real)
        library_find("writev", &real);
    if (!is_refused(false, &is_torn))
        return real(fd, iovec, count);
    int reason = errno;
    if (is_torn && count > 1)
        (void)real(fd, iovec, count / 2);
    errno = reason;
    return -1;
}
