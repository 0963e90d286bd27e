/* SPDX-License-Identifier: Apache-2.0 */
#include "strangers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/seal.h"

#define TICK_MS       5
#define COME_AGAIN_MS 1000
#define EVENTS        1024
#define NEVER_MS      UINT64_MAX
#define FIRST_SOURCE  200000u /* of the loopback network, beyond those of devices */

/* What a stranger says at once, then again and again. */
struct manner {
    const char *name;
    const char *opening;
    size_t opening_bytes;
    uint32_t random_bytes; /* after the opening */
    uint32_t again_bytes;  /* each time; 0: nothing more */
    uint32_t again_ms;
    bool is_deaf;     /* reads nothing */
    bool is_replayed; /* says the recorded flight */
};

#define PREAMBLE   "K\x01\x00"
#define HOST       "\r\nHost: hub.test\r\n"
#define TEXT(text) text, sizeof(text) - 1

static const struct manner manners[] = {
    {"a byte a second", TEXT(PREAMBLE "\x00\xff"), 0, 1, 1000, false, false},
    {"half open", TEXT(""), 0, 0, 0, false, false},
    {"never reads", TEXT(""), 0, 0, 0, true, true},
    {"garbage", TEXT("\x16\x03\x01"), 200, 0, 0, false, false},
    {"a random first message", TEXT(PREAMBLE "\x00\x80"), 128, 0, 0, false, false},
    {"a replayed first message", TEXT(""), 0, 0, 0, false, true},
    {"a huge length", TEXT(PREAMBLE "\xff\xff"), 8000, 1400, 200, false, false},
    {"slow headers", TEXT("GET /kith HTTP/1.1" HOST "X-Slow: "), 0, 1, 1000, false, false},
    {"a WebSocket without frames",
     TEXT("GET /kith HTTP/1.1" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Protocol: kith.1\r\n\r\n"),
     0, 0, 0, false, false},
    {"an endless body",
     TEXT("POST /sync HTTP/1.1" HOST "Content-Length: 100000000\r\n\r\n" PREAMBLE "\xff\xff"), 1400,
     1400, 200, false, false},
};
#define MANNER_COUNT (sizeof manners / sizeof *manners)

struct flood_tally {
    _Atomic uint32_t open;
    _Atomic uint64_t begun;
};

struct stranger {
    int fd; /* -1: not there */
    uint64_t next_ms;
};

struct mob {
    const struct flood_options *options;
    struct flood_tally *tally;
    struct stranger *strangers;
    int events;
    uint8_t noise[16384];
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct manner *manner_of(const struct mob *mob, const struct stranger *stranger)
{
    return &manners[(size_t)(stranger - mob->strangers) % MANNER_COUNT];
}

/* A second later, more or less: those thrown out together do not come together for ever. */
static void come_again(struct stranger *stranger)
{
    stranger->next_ms = now_ms() + COME_AGAIN_MS / 2 + (uint32_t)random() % COME_AGAIN_MS;
}

static void leave(struct mob *mob, struct stranger *stranger)
{
    (void)close(stranger->fd);
    stranger->fd = -1;
    come_again(stranger);
    mob->tally->open--;
}

/* From another address each time that it is another stranger. */
static bool connect_from(const struct mob *mob, int fd, uint32_t index)
{
    uint32_t source = FIRST_SOURCE + index / MANNER_COUNT % mob->options->sources;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl((127u << 24) + source)};

    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return false;
    address.sin_port = htons(mob->options->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS;
}

static void come(struct mob *mob, struct stranger *stranger)
{
    const struct manner *manner = manner_of(mob, stranger);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = stranger};
    int small = 1;

    come_again(stranger);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (manner->is_deaf)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (!connect_from(mob, fd, (uint32_t)(stranger - mob->strangers)) ||
        epoll_ctl(mob->events, EPOLL_CTL_ADD, fd, &event) < 0) {
        (void)close(fd);
        return;
    }
    stranger->fd = fd;
    stranger->next_ms = NEVER_MS;
    mob->tally->open++;
    mob->tally->begun++;
}

static bool say(const struct stranger *stranger, const void *text, size_t len)
{
    return len == 0 || send(stranger->fd, text, len, MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

/* Connected: it says what it has to say, and only waits to be thrown out then. */
static void open_up(struct mob *mob, struct stranger *stranger)
{
    const struct manner *manner = manner_of(mob, stranger);
    struct epoll_event event = {.events = manner->is_deaf ? 0 : EPOLLIN, .data.ptr = stranger};
    bool is_well = say(stranger, manner->opening, manner->opening_bytes) &&
                   say(stranger, mob->noise, manner->random_bytes);

    if (manner->is_replayed)
        is_well = say(stranger, mob->options->replayed.ptr, mob->options->replayed.len);
    if (!is_well || epoll_ctl(mob->events, EPOLL_CTL_MOD, stranger->fd, &event) < 0)
        leave(mob, stranger);
    else if (manner->again_bytes > 0)
        stranger->next_ms = now_ms() + manner->again_ms;
}

static void go_on(struct mob *mob, struct stranger *stranger, uint64_t now)
{
    const struct manner *manner = manner_of(mob, stranger);

    if (stranger->fd < 0)
        come(mob, stranger);
    else if (!say(stranger, mob->noise, manner->again_bytes))
        leave(mob, stranger);
    else
        stranger->next_ms = now + manner->again_ms;
}

static void handle(struct mob *mob, const struct epoll_event *event)
{
    struct stranger *stranger = event->data.ptr;
    char bytes[4096];
    ssize_t count = 1;

    if (event->events & EPOLLIN)
        count = recv(stranger->fd, bytes, sizeof bytes, 0);
    if (event->events & (EPOLLERR | EPOLLHUP) || count == 0 || (count < 0 && errno != EAGAIN))
        leave(mob, stranger);
    else if (event->events & EPOLLOUT)
        open_up(mob, stranger);
}

static _Noreturn void run(struct mob *mob)
{
    struct epoll_event events[EVENTS];
    uint64_t tick = 0;

    for (;;) {
        int count = epoll_wait(mob->events, events, EVENTS, TICK_MS);
        for (int i = 0; i < count; i++)
            handle(mob, &events[i]);
        uint64_t now = now_ms();
        if (now < tick)
            continue;
        tick = now + TICK_MS;
        for (uint32_t i = 0; i < mob->options->count; i++)
            if (mob->strangers[i].next_ms <= now)
                go_on(mob, &mob->strangers[i], now);
    }
}

static _Noreturn void begin(const struct flood_options *options, struct flood_tally *tally)
{
    static struct mob mob;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    mob = (struct mob){.options = options, .tally = tally, .events = epoll_create1(EPOLL_CLOEXEC)};
    mob.strangers = calloc(options->count, sizeof *mob.strangers);
    if (!mob.strangers || mob.events < 0)
        bench_fail("memory for strangers", KITH_MEMORY);
    seal_random(mob.noise, sizeof mob.noise);
    uint64_t now = now_ms();
    for (uint32_t i = 0; i < options->count; i++)
        mob.strangers[i] = (struct stranger){.fd = -1, .next_ms = now + i % COME_AGAIN_MS};
    run(&mob);
}

void flood_begin(struct flood *flood, const struct flood_options *options)
{
    flood->tally =
        mmap(NULL, sizeof *flood->tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (flood->tally == MAP_FAILED)
        bench_fail("memory for strangers", KITH_MEMORY);
    flood->pid = fork();
    if (flood->pid < 0)
        bench_fail("starting strangers", KITH_MEMORY);
    if (flood->pid == 0)
        begin(options, flood->tally);
}

uint32_t flood_open(const struct flood *flood)
{
    return flood->tally->open;
}

uint64_t flood_begun(const struct flood *flood)
{
    return flood->tally->begun;
}

void flood_end(struct flood *flood)
{
    (void)kill(flood->pid, SIGKILL);
    (void)waitpid(flood->pid, NULL, 0);
    (void)munmap(flood->tally, sizeof *flood->tally);
}
