/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The holder is a grandchild in a session of its own: no terminal, no parent that waits, no file
 * but its own three.
 * 2. Its memory is not dumped and not read by other processes, and the page with the key is never
 * swapped out.
 * 3. It ends when it is told, when nobody asked for its idle time (a suspended laptop counts as
 * idle), and when the socket in the home is no longer its own: the home was removed or replaced.
 * 4. It serves one caller at a time, each with a time limit.
 */
#include "client/agent/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/agent/socket.h"

#define TICK_MS   2000 /* how late an end by invariant 3 may be noticed */
#define CALLER_S  2    /* how long a caller may take */
#define PAGE_SIZE 4096

struct holder {
    int listener;
    int home;
    int ready; /* told once that callers are answered */
    dev_t socket_dev;
    ino_t socket_ino;
    uint8_t *key; /* a locked page of its own */
    uint64_t idle_ms;
    uint64_t deadline_ms;
};

static uint64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int by_number(const void *a, const void *b)
{
    const int *left = a;
    const int *right = b;

    return *left < *right ? -1 : *left > *right;
}

/* Closes all but the three that the holder needs; the terminal's become /dev/null. */
static void files_leave(const struct holder *holder)
{
    int kept[] = {holder->listener, holder->home, holder->ready};
    unsigned from = STDERR_FILENO + 1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            (void)close(fd);
    qsort(kept, sizeof kept / sizeof *kept, sizeof *kept, by_number);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if ((unsigned)kept[i] > from)
            (void)close_range(from, (unsigned)kept[i] - 1, 0);
        if ((unsigned)kept[i] >= from)
            from = (unsigned)kept[i] + 1;
    }
    (void)close_range(from, ~0u, 0);
}

static void signals_reset(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool memory_guard(struct holder *holder, const uint8_t key[static KEY_BYTES])
{
    const struct rlimit none = {0};
    void *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED || mlock(page, PAGE_SIZE) || setrlimit(RLIMIT_CORE, &none) ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return false;
    (void)madvise(page, PAGE_SIZE, MADV_DONTDUMP);
    holder->key = page;
    memcpy(holder->key, key, KEY_BYTES);
    return true;
}

static bool socket_is_own(const struct holder *holder)
{
    struct stat status;

    return fstatat(holder->home, HOLDER_SOCKET, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_dev == holder->socket_dev && status.st_ino == holder->socket_ino;
}

/* False when the caller asked for the end: its connection then stays open until the process is
 * gone. */
static bool caller_serve(struct holder *holder, int caller)
{
    uint8_t request = 0;

    if (socket_is_own_user(caller, CALLER_S) && recv(caller, &request, 1, 0) == 1) {
        if (request == HOLDER_END)
            return false;
        if (request == HOLDER_KEY)
            (void)send(caller, holder->key, KEY_BYTES, MSG_NOSIGNAL);
        if (request == HOLDER_RENEW)
            (void)send(caller, &request, 1, MSG_NOSIGNAL);
        if (request == HOLDER_KEY || request == HOLDER_RENEW)
            holder->deadline_ms = now_ms() + holder->idle_ms;
    }
    (void)close(caller);
    return true;
}

static void callers_serve(struct holder *holder)
{
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd waiting = {.fd = holder->listener, .events = POLLIN};

        if (now >= holder->deadline_ms || !socket_is_own(holder))
            return;
        uint64_t left = holder->deadline_ms - now;
        int count = poll(&waiting, 1, left < TICK_MS ? (int)left : TICK_MS);
        /* After a sleep the time may be over although somebody asks. */
        if (count <= 0 || now_ms() >= holder->deadline_ms)
            continue;
        int caller = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);
        if (caller >= 0 && !caller_serve(holder, caller))
            return;
    }
}

static _Noreturn void holder_run(struct holder *holder, const uint8_t key[static KEY_BYTES])
{
    const uint8_t is_ready = 1;
    struct stat status;

    signals_reset();
    /* A folder handle of its own: the inherited one carries the caller's lock on the home. */
    holder->home = openat(holder->home, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    files_leave(holder);
    (void)prctl(PR_SET_NAME, "kith-unlocked", 0, 0, 0);
    if (holder->home < 0 || chdir("/") || !memory_guard(holder, key) ||
        listen(holder->listener, 8) ||
        fstatat(holder->home, HOLDER_SOCKET, &status, AT_SYMLINK_NOFOLLOW))
        _exit(1);
    holder->socket_dev = status.st_dev;
    holder->socket_ino = status.st_ino;
    holder->deadline_ms = now_ms() + holder->idle_ms;
    if (write(holder->ready, &is_ready, 1) != 1)
        _exit(1);
    (void)close(holder->ready);
    callers_serve(holder);
    explicit_bzero(holder->key, KEY_BYTES);
    if (socket_is_own(holder))
        (void)unlinkat(holder->home, HOLDER_SOCKET, 0);
    _exit(0);
}

/* The child leaves at once, so that init and not our caller looks after the holder. */
static enum kith_err fork_away(struct holder *holder, const uint8_t key[static KEY_BYTES])
{
    pid_t child = fork();

    if (child < 0)
        return KITH_MEMORY;
    if (child == 0) {
        (void)setsid();
        pid_t grandchild = fork();
        if (grandchild == 0)
            holder_run(holder, key);
        _exit(grandchild < 0);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return KITH_OK;
}

static enum kith_err holder_launch(struct holder *holder, const uint8_t key[static KEY_BYTES])
{
    int ends[2];
    uint8_t is_ready = 0;

    if (pipe2(ends, O_CLOEXEC))
        return KITH_IO;
    holder->ready = ends[1];
    enum kith_err err = fork_away(holder, key);
    (void)close(ends[1]);
    while (!err && read(ends[0], &is_ready, 1) < 0 && errno == EINTR)
        ;
    (void)close(ends[0]);
    if (!err && !is_ready)
        err = KITH_MEMORY;
    return err;
}

enum kith_err holder_start(int home, const uint8_t key[static KEY_BYTES], uint64_t idle_ms)
{
    struct holder holder = {.home = home, .idle_ms = idle_ms};
    /* Bound here, where a failure can be told; the holder itself listens, and so is the peer that
     * callers see. */
    enum kith_err err = socket_bind(home, HOLDER_SOCKET, &holder.listener);

    if (err)
        return err;
    err = holder_launch(&holder, key);
    if (err)
        (void)unlinkat(home, HOLDER_SOCKET, 0);
    (void)close(holder.listener);
    return err;
}
