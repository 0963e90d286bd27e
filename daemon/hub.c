/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hub.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/connection.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "protocol/seal.h"

#define SWEEP_MS    1000
#define TELL_SWEEPS 60 /* between two lines of the log about strangers */
#define FILES_OURS  64 /* descriptors that are not connections */

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

struct tally_line *hub_admit(struct hub *hub, const struct sockaddr_storage *peer)
{
    const struct config *config = &hub->config;
    bool has_room = !hub->is_stopping && hub->connection_count < config->sessions_max &&
                    hub->handshake_count < config->handshakes_max;
    struct tally_line *line = has_room ? tally_add(&hub->tally, peer) : NULL;

    if (line && line->count > config->sessions_per_address_max) {
        tally_remove(&hub->tally, line);
        line = NULL;
    }
    hub->refused_count += !line;
    return line;
}

void hub_note_failed_handshake(struct hub *hub, enum kith_err err)
{
    hub->failed_count++;
    hub->failed_err = err ? err : KITH_LOST;
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->type != UV_UNKNOWN_HANDLE && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The commit thread is joined before the handle is closed by which it wakes the loop. */
void hub_settle(struct hub *hub)
{
    if (!hub->is_stopping || hub->connections)
        return;
    committer_free(&hub->committer);
    close_handle((uv_handle_t *)&hub->committed);
    close_handle((uv_handle_t *)&hub->sweep);
    close_handle((uv_handle_t *)&hub->terminate);
    close_handle((uv_handle_t *)&hub->interrupt);
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
    close_handle((uv_handle_t *)&hub->listener.tcp);
    close_handle((uv_handle_t *)&hub->control.pipe);
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
    if (committed.has_news && !hub->is_stopping)
        each_connection(hub, connection_notify);
    for (struct intake *intake = committed.first; intake; intake = next) {
        next = intake->next;
        intake_finish(intake);
    }
}

static void tell_of_strangers(struct hub *hub)
{
    if (hub->refused_count)
        log_event(LOG_CONNECTIONS_REFUSED, hub->refused_count, hub->connection_count, KITH_OK);
    if (hub->failed_count)
        log_event(LOG_HANDSHAKES_FAILED, hub->failed_count, 0, hub->failed_err);
    hub->refused_count = 0;
    hub->failed_count = 0;
}

static void sweep_connection(struct connection *connection)
{
    connection_sweep(connection, uv_now(&connection->hub->loop));
}

static void on_sweep(uv_timer_t *timer)
{
    struct hub *hub = timer->data;
    bool is_over = hub->is_stopping && uv_now(&hub->loop) >= hub->stop_ms;

    if (++hub->sweep_count % TELL_SWEEPS == 0)
        tell_of_strangers(hub);
    listener_resume(&hub->listener);
    each_connection(hub, is_over ? connection_close : sweep_connection);
}

static enum kith_err open_loop(struct hub *hub)
{
    if (uv_loop_init(&hub->loop) < 0)
        return KITH_BUSY;
    hub->is_looped = true;
    if (uv_async_init(&hub->loop, &hub->committed, on_committed) < 0 ||
        uv_signal_init(&hub->loop, &hub->terminate) < 0 ||
        uv_signal_init(&hub->loop, &hub->interrupt) < 0)
        return KITH_BUSY;
    (void)uv_timer_init(&hub->loop, &hub->sweep);
    listener_init(&hub->listener, hub);
    control_init(&hub->control, hub);
    hub->committed.data = hub;
    hub->sweep.data = hub;
    hub->terminate.data = hub;
    hub->interrupt.data = hub;
    return KITH_OK;
}

static enum kith_err open_ledger(struct hub *hub, const char *folder)
{
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

/* As many files as the system allows us; no more sessions than there are files. */
static void fit_files(struct hub *hub)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 ||
        files.rlim_cur >= (rlim_t)hub->config.sessions_max + FILES_OURS)
        return;
    hub->config.sessions_max =
        files.rlim_cur > FILES_OURS ? (uint32_t)(files.rlim_cur - FILES_OURS) : 1;
    log_event(LOG_FILES_LIMITED, files.rlim_cur, hub->config.sessions_max, KITH_OK);
}

enum kith_err hub_open(struct hub **opened, const char *folder, const struct config *config)
{
    struct hub *hub = calloc(1, sizeof *hub);
    uint64_t seed;

    *opened = hub;
    if (!hub)
        return KITH_MEMORY;
    hub->config = *config;
    hub->control.folder = -1;
    seal_random(&seed, sizeof seed);
    tally_init(&hub->tally, seed);
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
    char host[ADDRESS_MAX];
    enum kith_err err = listener_open(&hub->listener, hub->config.listen, bound);

    if (!err && !address_split(bound, host, &hub->port))
        err = KITH_ADDRESS;
    return err;
}

/* Figures for the log; zeros where the disk gives none. */
static struct ledger_stats count_stored(struct hub *hub)
{
    struct ledger_stats stats;

    if (ledger_stats(hub->ledger, &stats))
        memset(&stats, 0, sizeof stats);
    return stats;
}

enum kith_err hub_run(struct hub *hub)
{
    log_event(LOG_STARTED, hub->port, count_stored(hub).devices, KITH_OK);
    (void)uv_signal_start(&hub->terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&hub->interrupt, on_signal, SIGINT);
    (void)uv_timer_start(&hub->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
    tell_of_strangers(hub);
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
    seal_wipe(&hub->keys, sizeof hub->keys);
    free(hub);
    *closed = NULL;
}
