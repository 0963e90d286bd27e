/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
    char text[48] = "";
    char *rest = text;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return 0;
    ssize_t len = read(fd, text, sizeof text - 1);
    (void)close(fd);
    long process = len > 0 ? strtol(text, &rest, 10) : 0;
    unsigned long connections = strtoul(rest, NULL, 10);
    return process > 0 && kill((pid_t)process, 0) == 0 ? (uint32_t)connections : 0;
}
