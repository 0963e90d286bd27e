/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

void control_path(const char *folder, char *path, size_t size)
{
    if ((size_t)snprintf(path, size, "%s/hub.running", folder) >= size)
        path[0] = '\0';
}

void control_write(const char *path, uint32_t connections)
{
    char text[48];
    int fd = *path ? open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return; /* a convenience: the hub serves without it */
    int len = snprintf(text, sizeof text, "%10ld %10u\n", (long)getpid(), connections);
    (void)!pwrite(fd, text, (size_t)len, 0);
    (void)close(fd);
}

void control_remove(const char *path)
{
    if (*path)
        (void)unlink(path);
}

uint32_t control_read(const char *path)
{
    long process = 0;
    unsigned connections = 0;
    FILE *file = fopen(path, "re");

    if (!file)
        return 0;
    int fields = fscanf(file, "%ld %u", &process, &connections);
    (void)fclose(file);
    return fields == 2 && process > 0 && kill((pid_t)process, 0) == 0 ? connections : 0;
}
