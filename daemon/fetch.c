/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"
#include "daemon/log.h"

/* The pull is copied: the session may receive another one meanwhile. */
struct fetch {
    uv_work_t work;
    struct connection *connection;
    uint32_t device;
    struct pull pull;
    uint8_t cursor[CURSOR_MAX];
    bool is_roster_only;
    struct backlog backlog;
    enum kith_err err;
};

/* On a worker. */
static void load(uv_work_t *work)
{
    struct fetch *fetch = work->data;

    fetch->err = ledger_load(fetch->connection->hub->ledger, fetch->device, &fetch->pull,
                             fetch->is_roster_only, &fetch->backlog);
}

static void start_next(struct hub *hub);

static void on_loaded(uv_work_t *work, int status)
{
    struct fetch *fetch = work->data;
    struct connection *connection = fetch->connection;
    struct hub *hub = connection->hub;
    enum kith_err err = status < 0 ? KITH_BUSY : fetch->err;

    if (err)
        log_event(LOG_LOAD_FAILED, fetch->device, 0, err);
    hub->fetch_count--;
    hub->metrics.changes_out += err ? 0 : fetch->backlog.change_count;
    connection_fetched(connection, err, &fetch->backlog);
    backlog_clear(&fetch->backlog);
    free(fetch);
    start_next(hub);
    connection_release(connection);
}

static enum kith_err start_now(struct connection *connection)
{
    const struct session_hub *session = &connection->session;
    struct fetch *fetch = calloc(1, sizeof *fetch);

    if (!fetch)
        return KITH_MEMORY;
    fetch->work.data = fetch;
    fetch->connection = connection;
    fetch->device = session->hello.device;
    fetch->pull = session->pull;
    if (fetch->pull.cursor.len)
        memcpy(fetch->cursor, fetch->pull.cursor.ptr, fetch->pull.cursor.len);
    fetch->pull.cursor.ptr = fetch->cursor;
    fetch->is_roster_only = session->state == HUB_JOINING;
    backlog_init(&fetch->backlog);
    if (uv_queue_work(&connection->hub->loop, &fetch->work, load, on_loaded) < 0) {
        free(fetch);
        return KITH_MEMORY;
    }
    connection->hub->fetch_count++;
    connection_hold(connection);
    return KITH_OK;
}

void fetch_forget(struct connection *connection)
{
    struct hub *hub = connection->hub;

    if (!connection->is_queued)
        return;
    *(connection->queue_previous ? &connection->queue_previous->queue_next : &hub->fetchers) =
        connection->queue_next;
    *(connection->queue_next ? &connection->queue_next->queue_previous : &hub->last_fetcher) =
        connection->queue_previous;
    connection->queue_previous = NULL;
    connection->queue_next = NULL;
    connection->is_queued = false;
}

static void start_next(struct hub *hub)
{
    struct connection *connection = hub->fetchers;

    if (!connection || hub->fetch_count >= hub->config.fetches_max)
        return;
    fetch_forget(connection);
    if (start_now(connection))
        connection_close(connection);
}

enum kith_err fetch_start(struct connection *connection)
{
    struct hub *hub = connection->hub;

    if (hub->fetch_count < hub->config.fetches_max)
        return start_now(connection);
    connection->queue_previous = hub->last_fetcher;
    connection->queue_next = NULL;
    *(hub->last_fetcher ? &hub->last_fetcher->queue_next : &hub->fetchers) = connection;
    hub->last_fetcher = connection;
    connection->is_queued = true;
    return KITH_OK;
}
