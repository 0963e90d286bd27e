/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder of the key: it answers, it ends, and nothing of it stays. The tests adopt it as a
 * subreaper, so that they can wait for its end like a parent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/agent/holder.h"
#include "client/agent/socket.h"
#include "client/agent/unlock.h"

#define PATH_BYTES 2048

static char base[PATH_BYTES];
static char folder[PATH_BYTES + 512]; /* base, or a long way below it */
static const uint8_t key[KEY_BYTES] = "thirty-two bytes that are secret";

static int folder_make(void **state)
{
    const char *temporary = getenv("TMPDIR");

    (void)state;
    (void)snprintf(base, sizeof base, "%.400s/kith-test-unlock-XXXXXX",
                   temporary ? temporary : "/tmp");
    if (!mkdtemp(base))
        return 1;
    memcpy(folder, base, sizeof base);
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int folder_remove(void **state)
{
    (void)state;
    if (unlock_end(folder) != KITH_OK)
        return 1;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    if (strcmp(folder, base) != 0 && rmdir(folder) != 0)
        return 1;
    return rmdir(base);
}

static int connect_to_holder(pid_t *holder)
{
    int home = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct sockaddr_un address = socket_address(home, HOLDER_SOCKET);
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(connection, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len), 0);
    (void)close(home);
    *holder = peer.pid;
    return connection;
}

static pid_t holder_pid(void)
{
    pid_t holder;

    (void)close(connect_to_holder(&holder));
    return holder;
}

static bool socket_is_there(void)
{
    int home = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    bool is_there = fstatat(home, HOLDER_SOCKET, &status, AT_SYMLINK_NOFOLLOW) == 0;

    if (is_there)
        assert_int_equal(status.st_mode & 07777, 0600);
    (void)close(home);
    return is_there;
}

static void assert_key_comes(void)
{
    uint8_t got[KEY_BYTES] = {0};

    assert_int_equal(unlock_key(folder, got), KITH_OK);
    assert_memory_equal(got, key, KEY_BYTES);
}

static void assert_locked(void)
{
    uint8_t got[KEY_BYTES];

    assert_int_equal(unlock_key(folder, got), KITH_LOCKED);
}

static void the_key_comes_back_until_it_is_locked(void **unused)
{
    (void)unused;
    assert_locked();
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    assert_true(socket_is_there());
    for (unsigned i = 0; i < 50; i++)
        assert_key_comes();
    assert_int_equal(unlock_end(folder), KITH_OK);
    assert_false(socket_is_there());
    assert_locked();
    assert_int_equal(unlock_end(folder), KITH_OK);
}

static void the_holder_is_gone_when_locking_returns(void **unused)
{
    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    assert_true(holder > 0 && holder != getpid());
    assert_int_equal(waitpid(holder, NULL, WNOHANG), 0);
    assert_int_equal(unlock_end(folder), KITH_OK);
    assert_int_equal(waitpid(holder, NULL, WNOHANG), holder);
}

static void a_holder_that_is_stopped_is_ended_all_the_same(void **unused)
{
    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    assert_int_equal(kill(holder, SIGSTOP), 0);
    assert_int_equal(unlock_end(folder), KITH_OK);
    assert_int_equal(waitpid(holder, NULL, WNOHANG), holder);
    assert_false(socket_is_there());
}

static void a_second_start_keeps_the_first_holder(void **unused)
{
    static const uint8_t other[KEY_BYTES] = "another key of thirty-two bytes";

    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    assert_int_equal(unlock_start(folder, other, 5), KITH_EXISTS);
    assert_int_equal(holder_pid(), holder);
    assert_key_comes();
}

static void a_leftover_socket_does_not_hinder_the_next_start(void **unused)
{
    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    assert_true(socket_is_there());
    assert_locked();
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    assert_key_comes();
    holder = holder_pid();
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    assert_int_equal(unlock_end(folder), KITH_OK);
    assert_false(socket_is_there());
}

static uint64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void start_for(uint64_t idle_ms)
{
    int home = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(holder_start(home, key, idle_ms), KITH_OK);
    (void)close(home);
}

static void without_use_it_locks_itself(void **unused)
{
    (void)unused;
    start_for(600);
    uint64_t began = now_ms();
    pid_t holder = holder_pid();
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    assert_true(now_ms() - began >= 500 && now_ms() - began < 5000);
    assert_false(socket_is_there());
    assert_locked();
}

static void use_keeps_it_open(void **unused)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    uint64_t began = now_ms();

    (void)unused;
    start_for(1500);
    while (now_ms() - began < 3000) {
        assert_key_comes();
        (void)nanosleep(&pause, NULL);
    }
}

static void it_ends_when_its_home_is_taken_away(void **unused)
{
    char path[sizeof folder + 32];

    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    (void)snprintf(path, sizeof path, "%s/" HOLDER_SOCKET, folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
}

static void a_home_with_a_very_long_path_works(void **unused)
{
    (void)unused;
    size_t len = strlen(folder);
    memset(folder + len, 'x', 240);
    folder[len] = '/';
    folder[len + 240] = '\0';
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    assert_key_comes();
    assert_int_equal(unlock_end(folder), KITH_OK);
    assert_locked();
}

static void a_caller_that_says_nothing_does_not_shut_out_the_next(void **unused)
{
    pid_t holder;

    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    int silent = connect_to_holder(&holder);
    assert_key_comes();
    (void)close(silent);
}

static void an_unknown_request_gets_no_answer(void **unused)
{
    uint8_t answer;
    pid_t holder;

    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    int connection = connect_to_holder(&holder);
    assert_int_equal(send(connection, "?", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(connection, &answer, 1, 0), 0);
    (void)close(connection);
    assert_key_comes();
}

/* A descriptor that leaked into the holder would keep this pipe open. */
static void the_holder_keeps_no_file_of_ours(void **unused)
{
    int ends[2];
    char byte;

    (void)unused;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    (void)close(ends[1]);
    struct pollfd end = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, 2000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    (void)close(ends[0]);
}

/* The number behind a word in one of a process's files in /proc. */
static long process_figure(pid_t process, const char *file, const char *word)
{
    char path[64];
    char line[256];
    long figure = -1;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)process, file);
    FILE *figures = fopen(path, "re");
    assert_non_null(figures);
    while (fgets(line, sizeof line, figures))
        if (strncmp(line, word, strlen(word)) == 0)
            figure = strtol(line + strlen(word), NULL, 10);
    (void)fclose(figures);
    return figure;
}

/* AddressSanitizer turns mlock off. */
static bool locking_shows(void)
{
    static char page[8192];

    return mlock(page, sizeof page) == 0 && process_figure(getpid(), "status", "VmLck:") > 0;
}

static void its_memory_is_locked_and_never_dumped(void **unused)
{
    char path[64];

    (void)unused;
    assert_int_equal(unlock_start(folder, key, 5), KITH_OK);
    pid_t holder = holder_pid();
    if (locking_shows())
        assert_true(process_figure(holder, "status", "VmLck:") >= 4);
    assert_int_equal(process_figure(holder, "limits", "Max core file size"), 0);
    if (geteuid() == 0)
        return;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)holder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd < 0 && (errno == EACCES || errno == EPERM));
}

static void a_home_that_others_can_enter_is_refused(void **unused)
{
    uint8_t got[KEY_BYTES];

    (void)unused;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(unlock_start(folder, key, 5), KITH_PERMISSION);
    assert_int_equal(unlock_key(folder, got), KITH_PERMISSION);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(unlock_start("/nowhere/at/all", key, 5), KITH_NOT_FOUND);
    assert_int_equal(unlock_key("/nowhere/at/all", got), KITH_LOCKED);
    assert_int_equal(unlock_end("/nowhere/at/all"), KITH_OK);
}

#define UNLOCK_TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNLOCK_TEST(the_key_comes_back_until_it_is_locked),
        UNLOCK_TEST(the_holder_is_gone_when_locking_returns),
        UNLOCK_TEST(a_holder_that_is_stopped_is_ended_all_the_same),
        UNLOCK_TEST(a_second_start_keeps_the_first_holder),
        UNLOCK_TEST(a_leftover_socket_does_not_hinder_the_next_start),
        UNLOCK_TEST(without_use_it_locks_itself),
        UNLOCK_TEST(use_keeps_it_open),
        UNLOCK_TEST(it_ends_when_its_home_is_taken_away),
        UNLOCK_TEST(a_home_with_a_very_long_path_works),
        UNLOCK_TEST(a_caller_that_says_nothing_does_not_shut_out_the_next),
        UNLOCK_TEST(an_unknown_request_gets_no_answer),
        UNLOCK_TEST(the_holder_keeps_no_file_of_ours),
        UNLOCK_TEST(its_memory_is_locked_and_never_dumped),
        UNLOCK_TEST(a_home_that_others_can_enter_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
