/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vitals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/backup.h"

#define RETURNED_MS 60000
#define PROBE_BYTES 65536

#define FILES_LOOKED_AT 131072u

static void look_at_store(struct vitals *vitals, struct ledger *ledger, uint64_t now_ms)
{
    uint64_t returned = vitals->stats.returned;
    bool is_old = vitals->returned_ms == 0 || now_ms - vitals->returned_ms >= RETURNED_MS;

    vitals->err =
        is_old ? ledger_stats(ledger, &vitals->stats) : ledger_count(ledger, &vitals->stats);
    if (is_old)
        vitals->returned_ms = now_ms;
    else
        vitals->stats.returned = returned;
}

/* A file without a name: nothing of it stays, whatever happens. Not every file system has those. */
static bool can_write(int folder)
{
    int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        return (errno == EOPNOTSUPP || errno == EISDIR) && faccessat(folder, ".", W_OK, 0) == 0;
    bool is_written = posix_fallocate(fd, 0, PROBE_BYTES) == 0;
    (void)close(fd);
    return is_written;
}

static void look_at_disk(struct vitals *vitals, int folder)
{
    struct statvfs disk;
    struct stat mark;

    vitals->is_writable = can_write(folder);
    if (fstatat(folder, BACKUP_MARK, &mark, AT_SYMLINK_NOFOLLOW) == 0)
        vitals->backup_ms = (uint64_t)mark.st_mtim.tv_sec * 1000;
    if (fstatvfs(folder, &disk) < 0)
        return;
    vitals->disk_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    vitals->disk_size = (uint64_t)disk.f_blocks * disk.f_frsize;
}

/* A confined process lists no folders, not even that of its own descriptors. */
static uint64_t count_files(uint64_t most)
{
    uint64_t count = 0;

    for (uint64_t fd = 0; fd < most && fd < FILES_LOOKED_AT; fd++)
        count += fcntl((int)fd, F_GETFD) >= 0;
    return count;
}

int vitals_open(void)
{
    return open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

static void look_at_memory(struct vitals *vitals, int memory)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char line[128];
    char *rest;
    ssize_t len = memory < 0 ? -1 : pread(memory, line, sizeof line - 1, 0);

    if (len <= 0)
        return;
    line[len] = '\0';
    vitals->virtual = strtoull(line, &rest, 10) * page;
    vitals->resident = strtoull(rest, NULL, 10) * page;
}

static uint64_t micro(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void look_at_process(struct vitals *vitals, int memory)
{
    struct rusage usage;
    struct rlimit files;

    if (getrusage(RUSAGE_SELF, &usage) == 0)
        vitals->cpu_us = micro(&usage.ru_utime) + micro(&usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        vitals->files_max = files.rlim_cur;
    vitals->files = count_files(vitals->files_max);
    look_at_memory(vitals, memory);
}

void vitals_look(struct vitals *vitals, struct ledger *ledger, int folder, int memory,
                 uint64_t now_ms)
{
    look_at_store(vitals, ledger, now_ms);
    look_at_disk(vitals, folder);
    look_at_process(vitals, memory);
}
