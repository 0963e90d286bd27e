/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* A socket, because a write to a pipe whose reader has gone would end this process. */
static bool feed(int fd, struct bytes content)
{
    size_t done = 0;

    while (done < content.len) {
        ssize_t sent = send(fd, content.ptr + done, content.len - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    return shutdown(fd, SHUT_WR) == 0;
}

static int start(const char *const *command, int in_fd, int out_fd, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int number = posix_spawn_file_actions_init(&actions);

    if (number)
        return number;
    number = posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
    if (!number)
        number = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    if (!number)
        number =
            posix_spawnp(child, command[0], &actions, NULL,
                         (char *const *)(uintptr_t)command, /* NOLINT(performance-no-int-to-ptr) */
                         environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return number;
}

static bool ended_well(pid_t child)
{
    int status;
    pid_t ended;

    do
        ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum kith_err filter_run(const char *const *command, struct bytes content, int out_fd)
{
    int pair[2];
    pid_t child = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return KITH_IO;
    int number = start(command, pair[1], out_fd, &child);
    (void)close(pair[1]);
    bool is_fed = number == 0 && feed(pair[0], content);
    (void)close(pair[0]);
    if (number)
        return number == ENOENT ? KITH_NOT_FOUND : KITH_IO;
    bool is_done = ended_well(child);
    return is_fed && is_done ? KITH_OK : KITH_IO;
}
