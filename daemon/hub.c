/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hub.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/announce.h"
#include "daemon/connection.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "protocol/seal.h"
#include "store/audit.h"

#define SWEEP_MS    1000
#define DOOR_MS     50 /* between two looks at who is at the door for too long */
#define TRIM_MIN    256
#define TELL_SWEEPS 60 /* between two lines of the log about strangers */
#define FILES_OURS  64 /* descriptors that are not connections */
#define KIB         1024u
#define MIB         (1024u * 1024u)

#define PASS_RATE_MIN 10.0 /* sessions a second; below that nobody can be promised a turn */
#define TURN_LEAST_US 1000000u
#define TURN_SPARE    1.25 /* turns are given out more slowly than sessions pass */
#define LET_IN_PART   0.25 /* of those that are let in a second: as many pass, at the least */

bool hub_is_stopping(const struct hub *hub)
{
    return hub->is_stopping;
}

void hub_add(struct hub *hub, struct connection *connection)
{
    connection->next = hub->connections;
    if (hub->connections)
        hub->connections->previous = connection;
    hub->connections = connection;
    hub->connection_count++;
}

void hub_remove(struct hub *hub, struct connection *connection)
{
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        hub->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    hub->connection_count--;
}

void hub_count_refused(struct hub *hub, enum turn_reason reason)
{
    hub->refused_count++;
    hub->metrics.turned_away[reason]++;
}

/* Before any cryptography, and without looking at others. */
struct tally_line *hub_admit(struct hub *hub, const struct sockaddr_storage *peer)
{
    bool has_room = !hub->is_stopping && hub->session_count < hub->config.sessions_max;
    struct tally_line *line = has_room ? tally_add(&hub->tally, peer, uv_now(&hub->loop)) : NULL;

    hub->metrics.accepted++;
    if (!line)
        hub_count_refused(hub, hub->is_stopping ? TURN_STOPPING
                               : has_room       ? TURN_ADDRESS
                                                : TURN_SESSIONS);
    return line;
}

bool hub_has_listened(const struct connection *connection)
{
    return connection->hub->listener.turns - connection->opened_turn >= HUB_DOOR_TURNS;
}

bool hub_is_crowded(const struct hub *hub)
{
    const struct connection *oldest = hub->greeters;

    return oldest && hub->handshake_count >= hub->config.handshakes_max &&
           (uv_now(&hub->loop) - oldest->opened_ms < HUB_DOOR_MS || !hub_has_listened(oldest));
}

static void sweep_connection(struct connection *connection)
{
    connection_sweep(connection, uv_now(&connection->hub->loop));
}

/* Those at the door go one by one when their time is over: many at once would keep the others
 * waiting. */
static void on_door(uv_timer_t *timer)
{
    struct hub *hub = timer->data;
    uint64_t given_ms = 1000u * (uint64_t)hub->config.handshake_s;
    struct connection *later;

    for (struct connection *greeter = hub->greeters;
         greeter && uv_now(&hub->loop) - greeter->opened_ms > given_ms; greeter = later) {
        later = greeter->later;
        sweep_connection(greeter);
    }
    if (!hub->greeters)
        (void)uv_timer_stop(timer);
}

void hub_add_greeter(struct hub *hub, struct connection *connection)
{
    struct connection *oldest = hub->greeters;

    if (oldest && hub->handshake_count >= hub->config.handshakes_max) {
        connection_turn_away(oldest, TURN_HANDSHAKES);
        if (oldest->is_greeting)
            connection_close(oldest);
    }
    connection->sooner = hub->last_greeter;
    connection->later = NULL;
    *(hub->last_greeter ? &hub->last_greeter->later : &hub->greeters) = connection;
    hub->last_greeter = connection;
    connection->is_greeting = true;
    hub->handshake_count++;
    if (!uv_is_active((uv_handle_t *)&hub->door))
        (void)uv_timer_start(&hub->door, on_door, DOOR_MS, DOOR_MS);
}

void hub_remove_greeter(struct hub *hub, struct connection *connection)
{
    *(connection->sooner ? &connection->sooner->later : &hub->greeters) = connection->later;
    *(connection->later ? &connection->later->sooner : &hub->last_greeter) = connection->sooner;
    connection->sooner = NULL;
    connection->later = NULL;
    connection->is_greeting = false;
    hub->greeting_bytes -= connection->partial_bytes;
    hub->handshake_count--;
}

static void each_connection(struct hub *hub, void (*each)(struct connection *connection));

static uint64_t most_waiting(const struct hub *hub)
{
    return (uint64_t)hub->config.waiting_mib_max * MIB;
}

/* Half of it must be stored before reading goes on: that is for many at once. */
static void hold_or_resume(struct hub *hub)
{
    if (!hub->is_holding)
        hub->is_holding = hub->waiting_bytes > most_waiting(hub);
    else if (hub->waiting_bytes < most_waiting(hub) / 2) {
        hub->is_holding = false;
        each_connection(hub, connection_resume);
    }
}

static void resume_device(struct connection *connection, struct connection *other)
{
    for (; other; other = other->newer)
        if (other != connection)
            connection_resume(other);
}

/* Too many bytes of strangers: the oldest that has any but this one goes. */
static void spare_greeters(struct hub *hub, const struct connection *connection)
{
    struct connection *greeter = hub->greeters;

    if (hub->greeting_bytes <= (uint64_t)hub->config.greeting_mib_max * MIB)
        return;
    while (greeter && (greeter == connection || greeter->partial_bytes == 0))
        greeter = greeter->later;
    if (greeter)
        connection_turn_away(greeter, TURN_GREETING);
}

void hub_account(struct connection *connection, size_t waiting, size_t partial)
{
    struct hub *hub = connection->hub;
    struct device_line *line = connection->line;
    size_t device_most = (size_t)hub->config.waiting_per_device_kib_max * KIB;
    bool was_full = line && line->waiting_bytes > device_most;

    hub->waiting_bytes = hub->waiting_bytes - connection->waiting_bytes + waiting;
    hub->partial_bytes = hub->partial_bytes - connection->partial_bytes + partial;
    if (connection->is_greeting)
        hub->greeting_bytes = hub->greeting_bytes - connection->partial_bytes + partial;
    if (line)
        line->waiting_bytes = line->waiting_bytes - connection->waiting_bytes + waiting;
    connection->waiting_bytes = (uint32_t)waiting;
    connection->partial_bytes = (uint32_t)partial;
    if (was_full && line->waiting_bytes <= device_most)
        resume_device(connection, line->oldest);
    hold_or_resume(hub);
    if (connection->is_greeting)
        spare_greeters(hub, connection);
}

/* A message that has begun may be finished: what is not whole cannot be stored, and waits for ever
 * otherwise. */
bool hub_has_room(const struct connection *connection)
{
    const struct hub *hub = connection->hub;
    const struct device_line *line = connection->line;
    size_t device_most = (size_t)hub->config.waiting_per_device_kib_max * KIB;
    bool is_full = line && line->waiting_bytes > device_most;
    bool is_crowded = hub->partial_bytes > most_waiting(hub) && connection->partial_bytes == 0;

    return !hub->is_holding && !is_full && !is_crowded;
}

/* splitmix64: from once to three times what is set, so that those turned away at once come back one
 * by one. */
static uint32_t retry_by_chance(struct hub *hub)
{
    uint64_t value = hub->chance += 0x9E3779B97F4A7C15u;

    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    value ^= value >> 31;
    return hub->config.retry_s + (uint32_t)(value % (2u * hub->config.retry_s + 1));
}

uint32_t hub_retry_s(struct hub *hub)
{
    uint64_t now_us = 1000 * uv_now(&hub->loop);
    uint64_t next_us = now_us + TURN_LEAST_US;

    if (hub->pass_rate < PASS_RATE_MIN)
        return retry_by_chance(hub);
    if (next_us < hub->turn_us)
        next_us = hub->turn_us;
    next_us += (uint64_t)(1e6 / hub->pass_rate);
    uint32_t after_s = (uint32_t)((next_us - now_us + 999999) / 1000000);
    if (after_s > 3 * hub->config.retry_s)
        return retry_by_chance(hub);
    hub->turn_us = next_us;
    return after_s;
}

/* How many end; or, while many come and few are through yet, a part of those that are let in. Half
 * of it is of the last second. */
static void note_rate(struct hub *hub)
{
    double ended = (double)(hub->ended_count - hub->told_ended_count);
    double let_in = (double)(hub->let_in_count - hub->told_let_in_count) * LET_IN_PART;

    hub->told_ended_count = hub->ended_count;
    hub->told_let_in_count = hub->let_in_count;
    hub->pass_rate = (hub->pass_rate + (ended > let_in ? ended : let_in)) / 2;
}

void hub_note_failed_handshake(struct hub *hub, enum kith_err err)
{
    hub->failed_count++;
    metrics_count(hub->metrics.failed, err ? err : KITH_LOST);
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->type != UV_UNKNOWN_HANDLE && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The commit thread is joined before the handle is closed by which it wakes the loop. */
void hub_settle(struct hub *hub)
{
    if (!hub->is_stopping || hub->connections || hub->scrape.is_looking)
        return;
    committer_free(&hub->committer);
    close_handle((uv_handle_t *)&hub->committed);
    close_handle((uv_handle_t *)&hub->sweep);
    close_handle((uv_handle_t *)&hub->door);
    close_handle((uv_handle_t *)&hub->terminate);
    close_handle((uv_handle_t *)&hub->interrupt);
    close_handle((uv_handle_t *)&hub->reload.hangup);
}

/* None is freed while the list is walked: that is done by callbacks of their own. */
static void each_connection(struct hub *hub, void (*each)(struct connection *connection))
{
    struct connection *next;

    for (struct connection *connection = hub->connections; connection; connection = next) {
        next = connection->next;
        each(connection);
    }
}

/* Being told twice means now. */
static void begin_stop(struct hub *hub, uint64_t patience_ms)
{
    bool is_first = !hub->is_stopping;

    hub->is_stopping = true;
    hub->stop_ms = uv_now(&hub->loop) + (is_first ? patience_ms : 0);
    listener_close(&hub->listener);
    close_handle((uv_handle_t *)&hub->control.pipe);
    scrape_close(&hub->scrape);
    each_connection(hub, hub->stop_ms > uv_now(&hub->loop) ? connection_stop : connection_close);
    hub_settle(hub);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct hub *hub = handle->data;

    log_event(LOG_STOPPING, hub->connection_count, (uint64_t)number, KITH_OK);
    begin_stop(hub, 1000u * (uint64_t)hub->config.stop_s);
}

static void wake_loop(void *owner)
{
    struct hub *hub = owner;

    (void)uv_async_send(&hub->committed);
}

/* Others hear of news before the senders are answered: a sender's own fetch, which follows, covers
 * them. After a failure nobody is answered: all sockets are closed first. */
static void on_committed(uv_async_t *handle)
{
    struct hub *hub = handle->data;
    struct committed committed = committer_take(hub->committer);
    struct intake *next;

    if (committed.failure && !hub->failure) {
        hub->failure = committed.failure;
        begin_stop(hub, 0);
    }
    if (!hub->is_stopping)
        announce(hub, committed.news);
    for (struct intake *intake = committed.first; intake; intake = next) {
        next = intake->next;
        intake_finish(intake);
    }
}

static void tell_of_strangers(struct hub *hub)
{
    const struct metrics *now = &hub->metrics;
    struct metrics *told = &hub->told;

    for (unsigned i = 0; i < TURN_REASON_COUNT; i++)
        if (now->turned_away[i] > told->turned_away[i])
            log_refused((enum turn_reason)i, now->turned_away[i] - told->turned_away[i],
                        hub->connection_count);
    for (unsigned i = 0; i < METRICS_ERRORS; i++)
        if (now->failed[i] > told->failed[i])
            log_event(LOG_HANDSHAKES_FAILED, now->failed[i] - told->failed[i], 0, (enum kith_err)i);
    *told = *now;
}

/* When most of a crowd is gone, what it took goes back to the system. */
static void trim(struct hub *hub)
{
    if (hub->busiest_count < hub->connection_count)
        hub->busiest_count = hub->connection_count;
    if (hub->busiest_count < TRIM_MIN || hub->connection_count > hub->busiest_count / 2)
        return;
    (void)malloc_trim(0);
    hub->busiest_count = hub->connection_count;
}

static void on_sweep(uv_timer_t *timer)
{
    struct hub *hub = timer->data;
    bool is_over = hub->is_stopping && uv_now(&hub->loop) >= hub->stop_ms;

    if (++hub->sweep_count % TELL_SWEEPS == 0)
        tell_of_strangers(hub);
    note_rate(hub);
    listener_resume(&hub->listener);
    scrape_sweep(&hub->scrape, uv_now(&hub->loop));
    if (ledger_has_notes(hub->ledger))
        committer_flush(hub->committer, connection_clock_ms());
    each_connection(hub, is_over ? connection_close : sweep_connection);
    trim(hub);
}

static enum kith_err open_loop(struct hub *hub)
{
    if (uv_loop_init(&hub->loop) < 0)
        return KITH_BUSY;
    hub->is_looped = true;
    if (uv_async_init(&hub->loop, &hub->committed, on_committed) < 0 ||
        uv_signal_init(&hub->loop, &hub->terminate) < 0 ||
        uv_signal_init(&hub->loop, &hub->interrupt) < 0 || reload_init(&hub->reload, hub))
        return KITH_BUSY;
    (void)uv_timer_init(&hub->loop, &hub->sweep);
    (void)uv_timer_init(&hub->loop, &hub->door);
    listener_init(&hub->listener, hub);
    control_init(&hub->control, hub);
    hub->committed.data = hub;
    hub->sweep.data = hub;
    hub->door.data = hub;
    hub->terminate.data = hub;
    hub->interrupt.data = hub;
    return KITH_OK;
}

static enum kith_err open_ledger(struct hub *hub, const char *folder)
{
    if (!seal_lock(&hub->keys, sizeof hub->keys))
        log_event(LOG_KEYS_SWAPPABLE, 0, 0, KITH_OK);
    enum kith_err err = keys_read(folder, &hub->keys);
    const struct ledger_options options = {
        .folder = folder, .keys = &hub->keys, .is_exclusive = true};

    if (!err)
        err = ledger_open(&hub->ledger, &options);
    if (err)
        return err;
    hub->welcome.version = KITH_PROTOCOL_VERSION;
    ledger_incarnation(hub->ledger, hub->welcome.incarnation);
    memcpy(hub->welcome.sign_key, hub->keys.sign_public, KEY_BYTES);
    return KITH_OK;
}

/* As many files as the system allows us; no more connections than there are files. */
static void fit_files(struct hub *hub)
{
    struct config *config = &hub->config;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    uint64_t ours = FILES_OURS + HUB_LINGER_MAX;
    uint64_t left = files.rlim_cur > 2 * ours ? files.rlim_cur - ours : files.rlim_cur / 2;
    if (left >= (uint64_t)config->sessions_max + config->handshakes_max)
        return;
    if (config->handshakes_max > left / 4)
        config->handshakes_max = left > 4 ? (uint32_t)(left / 4) : 1;
    if (config->sessions_max > left - config->handshakes_max)
        config->sessions_max = (uint32_t)(left - config->handshakes_max);
    log_event(LOG_FILES_LIMITED, files.rlim_cur, config->sessions_max, KITH_OK);
}

/* After a bound has changed, what stood still for it is looked at again. */
void hub_configure(struct hub *hub, const struct config *config)
{
    const struct tally_limits limits = {.connections = config->sessions_per_address_max,
                                        .rate = config->handshakes_per_address_rate,
                                        .burst = config->handshakes_per_address_burst};

    hub->config = *config;
    fit_files(hub);
    tally_limit(&hub->tally, &limits);
    hold_or_resume(hub);
    each_connection(hub, connection_resume);
}

enum kith_err hub_open(struct hub **opened, const char *folder, const struct config *config)
{
    struct hub *hub = calloc(1, sizeof *hub);
    uint64_t seed;

    *opened = hub;
    if (!hub)
        return KITH_MEMORY;
    hub->config = *config;
    hub->reload.given = *config;
    hub->control.folder = -1;
    const struct tally_limits limits = {.connections = config->sessions_per_address_max,
                                        .rate = config->handshakes_per_address_rate,
                                        .burst = config->handshakes_per_address_burst};
    seal_random(&seed, sizeof seed);
    seal_random(&hub->chance, sizeof hub->chance);
    tally_init(&hub->tally, seed, &limits);
    flights_init(&hub->flights);
    fit_files(hub);
    enum kith_err err = open_ledger(hub, folder);
    if (!err)
        err = open_loop(hub);
    if (!err)
        err = committer_new(&hub->committer, hub->ledger, wake_loop, hub);
    if (!err && control_open(&hub->control, folder))
        log_event(LOG_CONTROL_MISSING, 0, 0,
                  KITH_IO); /* a convenience: the hub serves without it */
    if (err)
        hub_close(opened);
    return err;
}

enum kith_err hub_listen(struct hub *hub, char bound[static ADDRESS_MAX])
{
    struct address address;
    enum kith_err err = listener_open(&hub->listener, hub->config.listen, bound);

    if (!err && !address_read(bound, &address))
        err = KITH_ADDRESS;
    if (err)
        return err;
    hub->port = address.port;
    (void)uv_signal_start(&hub->terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&hub->interrupt, on_signal, SIGINT);
    return KITH_OK;
}

/* Figures for the log; zeros where the disk gives none. */
static struct ledger_stats count_stored(struct hub *hub)
{
    struct ledger_stats stats;

    if (ledger_stats(hub->ledger, &stats))
        memset(&stats, 0, sizeof stats);
    return stats;
}

static void audit_hub(struct hub *hub, enum audit_hub_did did)
{
    const struct audit_entry entry = {
        .kind = AUDIT_HUB, .time_ms = connection_clock_ms(), .what = did, .first = hub->port};

    if (ledger_note(hub->ledger, &entry))
        hub->unaudited_count++;
}

/* The last words of the audit log, once the commit thread has ended. */
static void end_audit(struct hub *hub)
{
    if (hub->failure)
        return;
    audit_hub(hub, AUDIT_STOPPED);
    hub->failure = ledger_flush(hub->ledger, connection_clock_ms(), true);
}

enum kith_err hub_run(struct hub *hub)
{
    hub->started_ms = connection_clock_ms();
    audit_hub(hub, AUDIT_STARTED);
    log_event(LOG_STARTED, hub->port, count_stored(hub).devices, KITH_OK);
    (void)uv_timer_start(&hub->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
    tell_of_strangers(hub);
    end_audit(hub);
    log_event(LOG_STOPPED, count_stored(hub).changes, 0, hub->failure);
    return hub->failure;
}

void hub_close(struct hub **closed)
{
    struct hub *hub = *closed;

    if (!hub)
        return;
    if (hub->is_looped) {
        if (!hub->is_stopping)
            begin_stop(hub, 0);
        (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
        int err = uv_loop_close(&hub->loop);
        assert(err == 0);
        (void)err;
    }
    ledger_close(&hub->ledger);
    control_clear(&hub->control);
    tally_clear(&hub->tally);
    seal_unlock(&hub->keys, sizeof hub->keys);
    free(hub);
    *closed = NULL;
}
