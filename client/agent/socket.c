/* SPDX-License-Identifier: Apache-2.0 */
#include "client/agent/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum kith_err folder_open(const char *home, int *folder)
{
    struct stat status;

    *folder = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0)
        return errno == ENOENT || errno == ENOTDIR ? KITH_NOT_FOUND : KITH_PERMISSION;
    if (fstat(*folder, &status) == 0 && status.st_uid == geteuid() &&
        (status.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return KITH_OK;
    (void)close(*folder);
    return KITH_PERMISSION;
}

struct sockaddr_un socket_address(int folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name);
    return address;
}

static enum kith_err err_of_bind(int number)
{
    switch (number) {
    case EADDRINUSE:
        return KITH_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return KITH_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return KITH_FULL;
    default:
        return KITH_IO;
    }
}

enum kith_err socket_bind(int folder, const char *name, int *listener)
{
    struct sockaddr_un address = socket_address(folder, name);
    enum kith_err err = KITH_OK;

    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*listener < 0)
        return KITH_IO;
    if (bind(*listener, (const struct sockaddr *)&address, sizeof address))
        err = err_of_bind(errno);
    else if (fchmodat(folder, name, S_IRUSR | S_IWUSR, 0))
        err = KITH_PERMISSION;
    if (err == KITH_PERMISSION)
        (void)unlinkat(folder, name, 0);
    if (err)
        (void)close(*listener);
    return err;
}

static void set_limit(int connection, unsigned limit_s)
{
    const struct timeval limit = {.tv_sec = limit_s};

    (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

enum kith_err socket_connect(int folder, const char *name, unsigned limit_s, int *connection,
                             pid_t *peer)
{
    struct sockaddr_un address = socket_address(folder, name);
    struct ucred user = {0};
    socklen_t len = sizeof user;
    enum kith_err err = KITH_OK;

    *connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*connection < 0)
        return KITH_IO;
    set_limit(*connection, limit_s);
    if (connect(*connection, (const struct sockaddr *)&address, sizeof address))
        err = errno == EACCES || errno == EPERM ? KITH_PERMISSION : KITH_LOCKED;
    else if (getsockopt(*connection, SOL_SOCKET, SO_PEERCRED, &user, &len) || user.uid != geteuid())
        err = KITH_PERMISSION;
    *peer = user.pid;
    if (err)
        (void)close(*connection);
    return err;
}

bool socket_is_own_user(int connection, unsigned limit_s)
{
    struct ucred user = {0};
    socklen_t len = sizeof user;

    set_limit(connection, limit_s);
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &user, &len) == 0 &&
           user.uid == geteuid();
}
