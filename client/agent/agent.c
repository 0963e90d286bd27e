/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread. All that can happen comes through one epoll set: callers, signals, the holder's end,
 * files of the home that change, the network, the clock. While there is an exchange, libkith waits
 * on that set as well and calls back; otherwise the agent waits on it itself.
 */
#include "client/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "client/agent/metered.h"
#include "client/agent/pace.h"
#include "client/agent/socket.h"
#include "client/agent/unlock.h"
#include "client/kith.h"

#define DATA_FILE      "data.mdb"
#define CALLER_S       2
#define ANSWER_S       40  /* an exchange may be in the middle of a name that is looked up */
#define NEWS_MS        150 /* what is saved together goes together */
#define RELOOK_MS      30000
#define LINE_MAX_CHARS 160

enum source {
    FROM_CALLER,
    FROM_SIGNAL,
    FROM_HOLDER,
    FROM_FILES,
    FROM_NETWORK,
    FROM_CLOCK, /* set to the next thing to be done */
    FROM_SLEEP, /* fires when the clock is set, also by waking up */
    SOURCES
};

struct agent {
    const struct agent_options *options;
    int home;
    int events; /* the epoll set */
    int sources[SOURCES];
    ino_t socket_ino;
    struct kith *kith; /* NULL while locked */
    struct pace pace;
    enum agent_state state;
    int asker;         /* who waits until it is locked; -1 */
    uint64_t news_ms;  /* when what was saved is to be looked at; 0: nothing was */
    uint64_t link_ms;  /* when the link is to be looked at; 0: it is as it was */
    uint64_t began_ms; /* of the exchange */
    bool is_ending;
    bool is_locking;
    bool is_checking; /* the network changed, or the machine slept */
    bool is_reached;  /* all was exchanged since began_ms */
    uint64_t unsent;  /* looked at and not taken since: that is no news */
    bool may_stay;
};

static uint64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void say(const struct agent *agent, const char *format,
                                                      ...)
{
    char line[LINE_MAX_CHARS];
    va_list arguments;

    if (!agent->options->say)
        return;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    agent->options->say(line);
}

static bool listen_to(struct agent *agent, enum source source, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

    agent->sources[source] = fd;
    return fd >= 0 && epoll_ctl(agent->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void forget(struct agent *agent, enum source source)
{
    if (agent->sources[source] >= 0)
        (void)close(agent->sources[source]);
    agent->sources[source] = -1;
}

/* Locking. */

static void close_home(struct agent *agent)
{
    if (agent->kith)
        say(agent, "locked");
    kith_close(&agent->kith);
    forget(agent, FROM_HOLDER);
    agent->is_locking = false;
    agent->state = AGENT_LOCKED;
    if (agent->asker >= 0)
        (void)close(agent->asker);
    agent->asker = -1;
}

/* The holder is watched before it is asked: it cannot go unnoticed then. */
static void open_home(struct agent *agent)
{
    uint8_t key[KITH_KEY_BYTES];
    int gone;

    if (unlock_watch(agent->options->home, &gone))
        return;
    int code = (int)unlock_key(agent->options->home, key);
    if (!code)
        code = kith_open_with_key(agent->options->home, key, &agent->kith);
    explicit_bzero(key, sizeof key);
    if (code || !listen_to(agent, FROM_HOLDER, gone)) {
        if (code != KITH_LOCKED)
            say(agent, "cannot open the home: %s", kith_error_text(code));
        agent->sources[FROM_HOLDER] = gone;
        close_home(agent);
        return;
    }
    say(agent, "unlocked");
    agent->state = AGENT_WAITING;
    agent->news_ms = 0;
    agent->link_ms = now_ms();
    pace_init(&agent->pace, agent->link_ms);
}

/* What came from outside. */

static void take_caller(struct agent *agent)
{
    int caller = accept4(agent->sources[FROM_CALLER], NULL, NULL, SOCK_CLOEXEC);
    char request = 0;
    char state = (char)agent->state;

    if (caller < 0)
        return;
    bool is_asked = socket_is_own_user(caller, CALLER_S) && recv(caller, &request, 1, 0) == 1;
    if (is_asked && request == AGENT_STATE)
        (void)send(caller, &state, 1, MSG_NOSIGNAL);
    agent->is_ending = agent->is_ending || (is_asked && request == AGENT_END);
    agent->is_locking = agent->is_locking || (is_asked && request == AGENT_LOCK);
    bool is_waiting = is_asked && (request == AGENT_LOCK || request == AGENT_END);
    if (is_waiting && agent->asker < 0)
        agent->asker = caller;
    else
        (void)close(caller);
}

static void take_signal(struct agent *agent)
{
    struct signalfd_siginfo signal;

    if (read(agent->sources[FROM_SIGNAL], &signal, sizeof signal) == sizeof signal)
        agent->is_ending = true;
}

static void take_files(struct agent *agent)
{
    _Alignas(struct inotify_event) char events[4096];
    ssize_t len = read(agent->sources[FROM_FILES], events, sizeof events);
    ssize_t at = 0;

    while (at + (ssize_t)sizeof(struct inotify_event) <= len) {
        const struct inotify_event *event = (const void *)(events + at);
        if (event->len > 0 && strcmp(event->name, DATA_FILE) == 0 && agent->news_ms == 0)
            agent->news_ms = now_ms() + NEWS_MS;
        at += (ssize_t)sizeof *event + event->len;
    }
}

static void network_changed(struct agent *agent)
{
    agent->is_checking = true;
    if (agent->link_ms == 0)
        agent->link_ms = now_ms() + PACE_SETTLE_MS;
    pace_network(&agent->pace, now_ms());
}

static void take_network(struct agent *agent)
{
    char messages[8192];

    while (recv(agent->sources[FROM_NETWORK], messages, sizeof messages, MSG_DONTWAIT) > 0)
        continue;
    network_changed(agent);
}

/* A timer that no time can reach, but that is cancelled whenever the clock is set. */
static bool watch_sleep(int fd)
{
    const struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX}};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0;
}

static void take_sleep(struct agent *agent)
{
    uint64_t expirations;

    (void)!read(agent->sources[FROM_SLEEP], &expirations, sizeof expirations);
    (void)watch_sleep(agent->sources[FROM_SLEEP]);
    network_changed(agent);
}

static void take_event(struct agent *agent, enum source source)
{
    uint64_t expirations;

    switch (source) {
    case FROM_CALLER:
        take_caller(agent);
        break;
    case FROM_SIGNAL:
        take_signal(agent);
        break;
    case FROM_HOLDER:
        agent->is_locking = true;
        break;
    case FROM_FILES:
        take_files(agent);
        break;
    case FROM_NETWORK:
        take_network(agent);
        break;
    case FROM_CLOCK:
        (void)!read(agent->sources[FROM_CLOCK], &expirations, sizeof expirations);
        break;
    case FROM_SLEEP:
        take_sleep(agent);
        break;
    case SOURCES:
        break;
    }
}

static void take_events(struct agent *agent, int wait_ms)
{
    struct epoll_event events[SOURCES];
    int count = epoll_wait(agent->events, events, SOURCES, wait_ms);

    for (int i = 0; i < count; i++)
        take_event(agent, (enum source)events[i].data.u32);
}

/* The clock wakes the agent at `at_ms`, whether it waits itself or in an exchange. */
static void set_clock(const struct agent *agent, uint64_t at_ms)
{
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000}};

    (void)timerfd_settime(agent->sources[FROM_CLOCK], TFD_TIMER_ABSTIME, &at, NULL);
}

static void look_at_link(struct agent *agent)
{
    if (agent->link_ms == 0 || now_ms() < agent->link_ms)
        return;
    agent->link_ms = 0;
    bool is_metered = agent->options->is_metered || metered_now();
    if (is_metered != agent->pace.is_metered)
        say(agent, is_metered ? "the link is metered" : "the link is not metered");
    pace_link(&agent->pace, is_metered, now_ms());
    agent->may_stay = agent->may_stay && !is_metered;
}

/* Whether something that was saved waits to be sent. */
static bool has_news(struct agent *agent, bool *is_urgent)
{
    uint64_t before = agent->unsent;

    *is_urgent = false;
    if (agent->news_ms == 0 || now_ms() < agent->news_ms)
        return false;
    agent->news_ms = 0;
    return kith_unsent(agent->kith, &agent->unsent, is_urgent) == 0 && agent->unsent > 0 &&
           agent->unsent != before;
}

/* The earlier one; 0 is none. */
static uint64_t sooner(uint64_t one_ms, uint64_t other_ms)
{
    return other_ms && (!one_ms || other_ms < one_ms) ? other_ms : one_ms;
}

/* An exchange. */

static enum kith_live_next on_woken(void *owner)
{
    struct agent *agent = owner;
    bool is_urgent;

    take_events(agent, 0);
    if (agent->is_ending || agent->is_locking)
        return KITH_LIVE_END;
    look_at_link(agent);
    bool is_sending = !agent->is_checking && has_news(agent, &is_urgent);
    uint64_t at_ms = sooner(agent->news_ms, agent->link_ms);
    if (at_ms)
        set_clock(agent, at_ms);
    if (agent->is_checking) {
        agent->is_checking = false;
        return KITH_LIVE_CHECK;
    }
    if (is_sending) {
        agent->state = AGENT_SYNCING;
        return KITH_LIVE_SEND;
    }
    return agent->is_reached && !agent->may_stay ? KITH_LIVE_END : KITH_LIVE_ON;
}

static void on_settled(void *owner, const struct kith_sync_report *report)
{
    struct agent *agent = owner;
    uint64_t unsent = 0;
    bool is_urgent;

    if (kith_unsent(agent->kith, &unsent, &is_urgent) == 0 && unsent < agent->unsent)
        agent->unsent = unsent;
    if (!agent->is_reached)
        say(agent, "in step with the hub: %" PRIu32 " sent, %" PRIu32 " received", report->sent,
            report->received);
    agent->is_reached = true;
    agent->state = AGENT_LIVE;
    if (!agent->may_stay)
        set_clock(agent, now_ms()); /* wakes the exchange, which then ends */
}

static void exchange(struct agent *agent)
{
    const struct kith_live live = {.wake_fd = agent->events,
                                   .keep_alive_s = agent->pace.keep_alive_s,
                                   .owner = agent,
                                   .woken = on_woken,
                                   .settled = on_settled};
    struct kith_sync_report report;
    uint32_t random = 0;

    agent->state = AGENT_SYNCING;
    agent->is_reached = agent->is_checking = false;
    agent->may_stay = pace_may_stay(&agent->pace);
    agent->began_ms = now_ms();
    agent->news_ms = 0;
    if (agent->link_ms)
        set_clock(agent, agent->link_ms);
    int code = kith_live(agent->kith, &live, &report);
    uint64_t ended_ms = now_ms();
    agent->state = AGENT_WAITING;
    if (agent->is_ending || agent->is_locking)
        return;
    const struct pace_end end = {.is_reached = agent->is_reached,
                                 .is_broken = code != 0 && (!agent->is_reached || agent->may_stay),
                                 .was_silent = report.was_silent,
                                 .retry_s = report.retry_s,
                                 .lived_ms = ended_ms - agent->began_ms};
    if (getentropy(&random, sizeof random))
        random = (uint32_t)ended_ms;
    pace_ended(&agent->pace, &end, ended_ms, random);
    if (code && end.is_broken)
        say(agent, "%s; again in %" PRIu64 " s", kith_error_text(code),
            (agent->pace.next_ms - ended_ms + 999) / 1000);
    if (report.is_removed)
        agent->is_ending = true;
}

static void look_at_news(struct agent *agent)
{
    bool is_urgent;

    if (has_news(agent, &is_urgent))
        pace_news(&agent->pace, is_urgent, now_ms());
}

static void wait(struct agent *agent)
{
    uint64_t at_ms = agent->kith ? agent->pace.next_ms : now_ms() + RELOOK_MS;

    if (agent->kith && at_ms > 0)
        at_ms = sooner(at_ms, sooner(agent->news_ms, agent->link_ms));
    set_clock(agent, at_ms > 0 ? at_ms : 1);
    take_events(agent, -1);
}

static void live(struct agent *agent)
{
    while (!agent->is_ending) {
        if (agent->is_locking)
            close_home(agent);
        if (!agent->kith)
            open_home(agent);
        if (agent->kith) {
            look_at_link(agent);
            look_at_news(agent);
        }
        if (agent->kith && now_ms() >= agent->pace.next_ms)
            exchange(agent);
        else
            wait(agent);
    }
    close_home(agent);
}

/* Its beginning and end. */

static bool watch_network(struct agent *agent)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
                                              RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    return fd >= 0 && bind(fd, (const struct sockaddr *)&groups, sizeof groups) == 0 &&
           listen_to(agent, FROM_NETWORK, fd);
}

static bool watch_files(struct agent *agent)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    return fd >= 0 &&
           inotify_add_watch(fd, agent->options->home,
                             IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0 &&
           listen_to(agent, FROM_FILES, fd);
}

static bool watch_signals(struct agent *agent)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    return pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0 &&
           listen_to(agent, FROM_SIGNAL, signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

static bool watch_clocks(struct agent *agent)
{
    int sleep = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    return listen_to(agent, FROM_CLOCK,
                     timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) &&
           sleep >= 0 && watch_sleep(sleep) && listen_to(agent, FROM_SLEEP, sleep);
}

/* A socket that nobody listens on was left by an agent that was killed. */
static enum kith_err take_place(struct agent *agent)
{
    enum agent_state other;
    int listener;
    enum kith_err err = agent_state(agent->options->home, &other);

    if (err || other != AGENT_NONE)
        return err ? err : KITH_EXISTS;
    (void)unlinkat(agent->home, AGENT_SOCKET, 0);
    err = socket_bind(agent->home, AGENT_SOCKET, &listener);
    if (err)
        return err;
    return listen(listener, 8) == 0 && listen_to(agent, FROM_CALLER, listener) ? KITH_OK : KITH_IO;
}

/* Its memory is not written to disk by a crash, nor read by other programs. */
static bool guard_memory(void)
{
    const struct rlimit none = {0};

    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

enum kith_err agent_run(const struct agent_options *options)
{
    struct agent agent = {.options = options, .state = AGENT_LOCKED, .asker = -1};

    for (enum source source = 0; source < SOURCES; source++)
        agent.sources[source] = -1;
    enum kith_err err = folder_open(options->home, &agent.home);
    if (err)
        return err;
    agent.events = epoll_create1(EPOLL_CLOEXEC);
    if (agent.events < 0 || !guard_memory())
        err = KITH_IO;
    if (!err)
        err = take_place(&agent);
    bool has_place = !err;
    if (!err && !(watch_signals(&agent) && watch_files(&agent) && watch_clocks(&agent)))
        err = KITH_IO;
    if (!err && !watch_network(&agent))
        say(&agent, "changes of the network cannot be seen here; it is tried now and then");
    pace_init(&agent.pace, now_ms());
    if (!err)
        live(&agent);
    if (has_place)
        (void)unlinkat(agent.home, AGENT_SOCKET, 0);
    for (enum source source = 0; source < SOURCES; source++)
        forget(&agent, source);
    if (agent.events >= 0)
        (void)close(agent.events);
    (void)close(agent.home);
    return err;
}

/* For commands. */

/* Sends a request; the answer, if one of a byte is wanted, or the end of the connection. */
static enum kith_err ask(const char *home, enum agent_request request, char *answer)
{
    const char byte = (char)request;
    char none;
    int folder;
    int connection;
    pid_t agent;
    enum kith_err err = folder_open(home, &folder);

    if (err)
        return err == KITH_NOT_FOUND ? KITH_LOCKED : err;
    err = socket_connect(folder, AGENT_SOCKET, ANSWER_S, &connection, &agent);
    (void)close(folder);
    if (err)
        return err;
    if (send(connection, &byte, 1, MSG_NOSIGNAL) != 1)
        err = KITH_LOCKED;
    ssize_t len = err ? 0 : recv(connection, answer ? answer : &none, 1, 0);
    if (!err && (len < 0 || (answer && len != 1)))
        err = answer ? KITH_LOCKED : KITH_IO;
    (void)close(connection);
    return err;
}

enum kith_err agent_state(const char *home, enum agent_state *state)
{
    char answer = 0;
    enum kith_err err = ask(home, AGENT_STATE, &answer);

    *state = err ? AGENT_NONE : (enum agent_state)answer;
    return err == KITH_LOCKED ? KITH_OK : err;
}

enum kith_err agent_lock(const char *home)
{
    enum kith_err err = ask(home, AGENT_LOCK, NULL);

    return err == KITH_LOCKED ? KITH_OK : err;
}

enum kith_err agent_end(const char *home)
{
    enum kith_err err = ask(home, AGENT_END, NULL);

    return err == KITH_LOCKED ? KITH_OK : err;
}

const char *agent_state_word(enum agent_state state)
{
    switch (state) {
    case AGENT_NONE:
        break;
    case AGENT_LOCKED:
        return "locked";
    case AGENT_WAITING:
        return "waiting";
    case AGENT_SYNCING:
        return "syncing";
    case AGENT_LIVE:
        return "live";
    }
    return NULL;
}
