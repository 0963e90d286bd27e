/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callers' side of the holder (holder.h). Starting and ending take a lock on the home's folder,
 * so that a socket found without a listener is a leftover and not a holder that is just coming up.
 */
#include "client/agent/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/holder.h"
#include "client/agent/socket.h"

#define ANSWER_S  5
#define END_MS    3000
#define MINUTE_MS 60000

static enum kith_err home_lock(const char *home, int *folder)
{
    enum kith_err err = folder_open(home, folder);

    if (err)
        return err;
    while (flock(*folder, LOCK_EX)) {
        if (errno == EINTR)
            continue;
        (void)close(*folder);
        return KITH_IO;
    }
    return KITH_OK;
}

static void home_unlock(int folder)
{
    (void)flock(folder, LOCK_UN);
    (void)close(folder);
}

static bool holder_ask(int connection, enum holder_request request)
{
    const uint8_t byte = (uint8_t)request;

    return send(connection, &byte, 1, MSG_NOSIGNAL) == 1;
}

/* One request with an answer of `len` bytes. LOCKED also if the holder ended while we asked. */
static enum kith_err holder_query(int home, enum holder_request request, uint8_t *answer,
                                  size_t len)
{
    int connection;
    pid_t holder;
    enum kith_err err = socket_connect(home, HOLDER_SOCKET, ANSWER_S, &connection, &holder);

    if (err)
        return err;
    if (!holder_ask(connection, request) ||
        recv(connection, answer, len, MSG_WAITALL) != (ssize_t)len)
        err = KITH_LOCKED;
    (void)close(connection);
    return err;
}

enum kith_err unlock_start(const char *home, const uint8_t key[static KEY_BYTES],
                           uint32_t idle_minutes)
{
    uint8_t answer;
    int folder;
    enum kith_err err = home_lock(home, &folder);

    if (err)
        return err;
    err = holder_query(folder, HOLDER_RENEW, &answer, sizeof answer);
    if (!err) {
        err = KITH_EXISTS;
    } else if (err == KITH_LOCKED) {
        (void)unlinkat(folder, HOLDER_SOCKET, 0);
        err = holder_start(folder, key, (uint64_t)idle_minutes * MINUTE_MS);
    }
    home_unlock(folder);
    return err;
}

enum kith_err unlock_key(const char *home, uint8_t key[static KEY_BYTES])
{
    int folder;
    enum kith_err err = folder_open(home, &folder);

    if (err)
        return err == KITH_NOT_FOUND ? KITH_LOCKED : err;
    err = holder_query(folder, HOLDER_KEY, key, KEY_BYTES);
    if (err)
        explicit_bzero(key, KEY_BYTES);
    (void)close(folder);
    return err;
}

enum kith_err unlock_watch(const char *home, int *gone)
{
    int folder;
    int connection;
    pid_t holder;
    enum kith_err err = folder_open(home, &folder);

    if (err)
        return err == KITH_NOT_FOUND ? KITH_LOCKED : err;
    err = socket_connect(folder, HOLDER_SOCKET, ANSWER_S, &connection, &holder);
    (void)close(folder);
    if (err)
        return err;
    *gone = pidfd_open(holder, 0);
    if (*gone < 0)
        err = errno == ESRCH ? KITH_LOCKED : KITH_IO;
    (void)close(connection);
    return err;
}

static bool process_is_gone(int process, int wait_ms)
{
    struct pollfd end = {.fd = process, .events = POLLIN};

    return poll(&end, 1, wait_ms) == 1;
}

/* A holder that does not end when told, stopped or stuck, is ended: locking means that the key is
 * gone. */
static enum kith_err holder_end(int connection, pid_t holder)
{
    int process = pidfd_open(holder, 0);

    if (process < 0)
        return errno == ESRCH ? KITH_OK : KITH_IO;
    bool is_gone = holder_ask(connection, HOLDER_END) && process_is_gone(process, END_MS);
    if (!is_gone) {
        (void)pidfd_send_signal(process, SIGKILL, NULL, 0);
        is_gone = process_is_gone(process, END_MS);
    }
    (void)close(process);
    return is_gone ? KITH_OK : KITH_IO;
}

enum kith_err unlock_end(const char *home)
{
    int folder;
    int connection;
    pid_t holder;
    enum kith_err err = home_lock(home, &folder);

    if (err)
        return err == KITH_NOT_FOUND ? KITH_OK : err;
    err = socket_connect(folder, HOLDER_SOCKET, ANSWER_S, &connection, &holder);
    if (!err) {
        err = holder_end(connection, holder);
        (void)close(connection);
    }
    if (!err || err == KITH_LOCKED) {
        (void)unlinkat(folder, HOLDER_SOCKET, 0);
        err = KITH_OK;
    }
    home_unlock(folder);
    return err;
}
