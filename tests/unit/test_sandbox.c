/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hub that somebody took over can still do: each attempt in a process of its own, confined
 * as a serving hub is, in its first thread and in one that was there before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define WENT_WELL       0 /* an attempt's result, if it is not an errno */

static char folder[] = "/tmp/kith-sandbox-XXXXXX";
static char inside[64];
static char outside[64];

static int result_of(long value)
{
    return value < 0 ? errno : WENT_WELL;
}

static int try_run(void)
{
    char *const words[] = {(char[]){"true"}, NULL};

    return result_of(execv("/bin/true", words));
}

static int try_trace(void)
{
    return result_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_memory_of_another(void)
{
    char byte;
    struct iovec here = {&byte, 1};

    return result_of(process_vm_readv(getppid(), &here, 1, &here, 1, 0));
}

static int try_become(void)
{
    return result_of(setuid(0));
}

static int try_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    return result_of(child);
}

static int try_signal(void)
{
    return result_of(kill(getppid(), 0));
}

static int try_code(void)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : WENT_WELL;
}

static int try_to_make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? EFAULT : result_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_netlink(void)
{
    return result_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int try_packets(void)
{
    return result_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_outward(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_limit(void)
{
    const struct rlimit cores = {1 << 20, 1 << 20};

    return result_of(setrlimit(RLIMIT_CORE, &cores));
}

static int try_dumpable(void)
{
    return result_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_list(void)
{
    char entries[4096];
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    return fd < 0 ? errno : result_of(syscall(SYS_getdents64, fd, entries, sizeof entries));
}

static int try_read_outside(void)
{
    return result_of(open(outside, O_RDONLY));
}

static int try_write_outside(void)
{
    return result_of(open(outside, O_WRONLY));
}

static int try_passwords(void)
{
    return result_of(open("/etc/passwd", O_RDONLY));
}

static int try_make_outside(void)
{
    return result_of(open("/tmp/kith-sandbox-made", O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int try_inside(void)
{
    int fd = open(inside, O_RDWR | O_CREAT, 0600);

    if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) < 0 || close(fd) < 0)
        return errno;
    return result_of(unlink(inside));
}

static void *return_argument(void *argument)
{
    return argument;
}

static int try_thread(void)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, return_argument, NULL);

    return err ? err : pthread_join(thread, NULL);
}

struct attempt {
    const char *name;
    int (*try)(void);
    int expected; /* an errno, or -SIGSYS if it is the process's end */
    bool needs_landlock;
};

static const struct attempt attempts[] = {
    {"run a program", try_run, -SIGSYS, false},
    {"trace", try_trace, -SIGSYS, false},
    {"read another's memory", try_memory_of_another, -SIGSYS, false},
    {"become root", try_become, -SIGSYS, false},
    {"fork", try_fork, EPERM, false},
    {"signal another", try_signal, EPERM, false},
    {"map code", try_code, EPERM, false},
    {"make code of data", try_to_make_code, EPERM, false},
    {"netlink", try_netlink, EPERM, false},
    {"raw packets", try_packets, EPERM, false},
    {"a socket to connect with", try_outward, EPERM, false},
    {"allow core files", try_limit, EPERM, false},
    {"allow to be traced", try_dumpable, EPERM, false},
    {"list a folder", try_list, EPERM, false},
    {"read a file outside", try_read_outside, EACCES, true},
    {"write a file outside", try_write_outside, EACCES, true},
    {"read the passwords", try_passwords, EACCES, true},
    {"make a file outside", try_make_outside, EACCES, true},
    {"write in the folder", try_inside, WENT_WELL, false},
    {"begin a thread", try_thread, WENT_WELL, false},
};

struct worker {
    const struct attempt *attempt;
    pthread_barrier_t confined;
    int result;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    (void)pthread_barrier_wait(&worker->confined);
    worker->result = worker->attempt->try();
    return NULL;
}

/* The attempt of a thread that was there before the filter: its result is the exit code. */
static int try_in_thread(const struct attempt *attempt, struct sandbox *sandbox)
{
    struct worker worker = {.attempt = attempt};
    pthread_t thread;

    (void)pthread_barrier_init(&worker.confined, NULL, 2);
    if (pthread_create(&thread, NULL, work, &worker) != 0)
        return 255;
    sandbox_calls(sandbox);
    (void)pthread_barrier_wait(&worker.confined);
    (void)pthread_join(thread, NULL);
    return worker.result;
}

static int confine_and_try(const struct attempt *attempt, bool in_thread, bool is_confined)
{
    struct sandbox sandbox = {0};

    if (!is_confined)
        return attempt->try();
    sandbox_begin();
    sandbox_files(&sandbox, folder, NULL, NULL);
    if (in_thread)
        return try_in_thread(attempt, &sandbox);
    sandbox_calls(&sandbox);
    return attempt->try();
}

/* An errno, or minus the signal that ended it. */
static int outcome(const struct attempt *attempt, bool in_thread, bool is_confined)
{
    int status;
    pid_t child = fork();

    if (child == 0)
        _exit(confine_and_try(attempt, in_thread, is_confined));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* What the kernel under us can do, found out in a process that ends. */
static struct sandbox available(void)
{
    struct sandbox sandbox = {0};
    int status;
    pid_t child = fork();

    if (child == 0) {
        sandbox_begin();
        sandbox_files(&sandbox, folder, NULL, NULL);
        sandbox_calls(&sandbox);
        _exit((sandbox.landlock ? 1 : 0) | (sandbox.has_calls ? 2 : 0));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    sandbox.landlock = WEXITSTATUS(status) & 1;
    sandbox.has_calls = (WEXITSTATUS(status) & 2) != 0;
    return sandbox;
}

static void what_a_serving_hub_does_not_need_is_refused(void **state)
{
    struct sandbox can = available();

    (void)state;
    if (!can.has_calls)
        skip();
    for (size_t i = 0; i < COUNT_OF(attempts); i++)
        for (int in_thread = 0; in_thread < 2; in_thread++) {
            const struct attempt *attempt = &attempts[i];
            if (attempt->needs_landlock && !can.landlock)
                continue;
            int found = outcome(attempt, in_thread == 1, true);
            if (found != attempt->expected)
                fail_msg("%s%s: %d instead of %d", attempt->name, in_thread ? " in a thread" : "",
                         found, attempt->expected);
        }
}

/* Else the test above would show nothing: what it tries has to work without the sandbox. */
static void the_same_is_possible_without_the_sandbox(void **state)
{
    static int (*const harmless[])(void) = {
        try_run,  try_trace,        try_fork,          try_signal, try_code,      try_to_make_code,
        try_list, try_read_outside, try_write_outside, try_inside, try_passwords, try_outward};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        const struct attempt attempt = {"", harmless[i], WENT_WELL, false};
        assert_int_equal(outcome(&attempt, false, false), WENT_WELL);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(inside, sizeof inside, "%s/inside", folder);
    (void)snprintf(outside, sizeof outside, "%s.outside", folder);
    int fd = open(outside, O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(outside);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_serving_hub_does_not_need_is_refused),
        cmocka_unit_test(the_same_is_possible_without_the_sandbox),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
