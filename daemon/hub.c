/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"
#include "daemon/control.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "protocol/seal.h"

#define SWEEP_MS       1000
#define LISTEN_BACKLOG 4096

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

static bool is_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)a)->sin_addr,
                      &((const struct sockaddr_in *)b)->sin_addr, sizeof(struct in_addr)) == 0;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

bool hub_may_accept(struct hub *hub, const struct sockaddr_storage *peer)
{
    uint32_t same = 0;

    for (const struct connection *other = hub->connections; other; other = other->next)
        same += is_same_address(&other->peer, peer);
    if (hub->connection_count < hub->config.sessions_max &&
        same < hub->config.sessions_per_address_max)
        return true;
    log_event(LOG_CONNECTION_REFUSED, hub->connection_count, same, KITH_TOO_MANY);
    return false;
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Once nothing is under way any more, the loop is let run out. */
void hub_settle(struct hub *hub)
{
    if (!hub->stopping_since_ms || hub->connections || hub->work_count > 0)
        return;
    close_handle((uv_handle_t *)&hub->committed);
    close_handle((uv_handle_t *)&hub->sweep);
    close_handle((uv_handle_t *)&hub->terminate);
    close_handle((uv_handle_t *)&hub->interrupt);
}

/* A session with nothing under way ends at once, the others as soon as they are answered. */
static void end_idle_sessions(struct hub *hub, bool is_everybody)
{
    struct connection *next;

    for (struct connection *connection = hub->connections; connection; connection = next) {
        next = connection->next;
        bool is_busy = connection->references > 1 || connection->session.pending.len > 0 ||
                       uv_stream_get_write_queue_size((uv_stream_t *)&connection->tcp) > 0;
        if (is_everybody || !is_busy)
            connection_end(connection);
    }
}

static void hub_stop(struct hub *hub, int signal_number)
{
    if (hub->stopping_since_ms)
        return;
    hub->stopping_since_ms = uv_now(&hub->loop) + 1;
    log_event(LOG_STOPPING, hub->connection_count, (uint64_t)signal_number, hub->failure);
    close_handle((uv_handle_t *)&hub->listener);
    end_idle_sessions(hub, hub->failure != KITH_OK);
    hub_settle(hub);
}

static void on_signal(uv_signal_t *handle, int number)
{
    hub_stop(handle->data, number);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0)
        connection_accept(listener->data, listener);
}

static void notify_all(struct hub *hub)
{
    struct connection *next;

    for (struct connection *connection = hub->connections; connection; connection = next) {
        next = connection->next;
        connection_notify(connection);
    }
}

static void on_committed(uv_async_t *async)
{
    struct hub *hub = async->data;
    struct ingest *ingest;
    bool has_news = false;

    hub->failure = committer_failure(hub->committer);
    if (hub->failure)
        hub_stop(hub, 0);
    while ((ingest = committer_take(hub->committer)) != NULL) {
        has_news = has_news || ingest->stored_count > 0 || ingest->line_count > 0;
        connection_committed(ingest);
    }
    if (has_news && !hub->stopping_since_ms)
        notify_all(hub);
    hub_settle(hub);
}

static void on_sweep(uv_timer_t *timer)
{
    struct hub *hub = timer->data;
    uint64_t now_ms = uv_now(&hub->loop);
    struct connection *next;

    control_write(hub->control_path, hub->connection_count);
    if (hub->stopping_since_ms) {
        end_idle_sessions(hub, now_ms - hub->stopping_since_ms > HUB_STOP_MS);
        return;
    }
    for (struct connection *connection = hub->connections; connection; connection = next) {
        next = connection->next;
        connection_sweep(connection, now_ms);
    }
}

static void wake_loop(void *owner)
{
    struct hub *hub = owner;

    (void)uv_async_send(&hub->committed);
}

static enum kith_err parse_address(const char *text, struct sockaddr_storage *address)
{
    char host[CONFIG_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    char *end;

    if (!colon || (size_t)(colon - text) >= sizeof host)
        return KITH_ADDRESS;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end || port > 65535)
        return KITH_ADDRESS;
    size_t len = (size_t)(colon - text);
    bool is_bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    memcpy(host, text + is_bracketed, len - 2 * (size_t)is_bracketed);
    host[len - 2 * (size_t)is_bracketed] = '\0';
    if (uv_ip4_addr(host, (int)port, (struct sockaddr_in *)address) == 0 ||
        uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)address) == 0)
        return KITH_OK;
    return KITH_ADDRESS;
}

static enum kith_err translate(int uv_error)
{
    switch (uv_error) {
    case 0:
        return KITH_OK;
    case UV_EADDRINUSE:
        return KITH_PORT_TAKEN;
    case UV_EACCES:
    case UV_EPERM:
        return KITH_PERMISSION;
    case UV_EADDRNOTAVAIL:
    case UV_EAFNOSUPPORT:
        return KITH_ADDRESS;
    case UV_ENOMEM:
        return KITH_MEMORY;
    default:
        return KITH_IO;
    }
}

static enum kith_err hub_listen(struct hub *hub, uint16_t *port)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    enum kith_err err = parse_address(hub->config.listen, &address);

    if (err)
        return err;
    int failed = uv_tcp_bind(&hub->listener, (struct sockaddr *)&address, 0);
    if (!failed)
        failed = uv_listen((uv_stream_t *)&hub->listener, LISTEN_BACKLOG, on_connection);
    if (!failed)
        failed = uv_tcp_getsockname(&hub->listener, (struct sockaddr *)&address, &len);
    if (!failed)
        *port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                   : ((struct sockaddr_in6 *)&address)->sin6_port);
    return translate(failed);
}

static void hub_wire(struct hub *hub)
{
    (void)uv_tcp_init(&hub->loop, &hub->listener);
    (void)uv_async_init(&hub->loop, &hub->committed, on_committed);
    (void)uv_timer_init(&hub->loop, &hub->sweep);
    (void)uv_signal_init(&hub->loop, &hub->terminate);
    (void)uv_signal_init(&hub->loop, &hub->interrupt);
    hub->listener.data = hub;
    hub->committed.data = hub;
    hub->sweep.data = hub;
    hub->terminate.data = hub;
    hub->interrupt.data = hub;
}

static void tell_ready(struct hub *hub, uint16_t port, void (*ready)(const char *address))
{
    char text[CONFIG_TEXT_MAX + 8];
    struct ledger_stats stats = {0};
    int host_len = (int)(strrchr(hub->config.listen, ':') - hub->config.listen);

    (void)snprintf(text, sizeof text, "%.*s:%u", host_len, hub->config.listen, port);
    if (ledger_stats(hub->ledger, &stats) == KITH_OK)
        log_event(LOG_STARTED, port, stats.devices, KITH_OK);
    ready(text);
}

static enum kith_err hub_open(struct hub *hub, const char *folder)
{
    enum kith_err err = keys_read(folder, &hub->keys);

    if (err)
        return err;
    const struct ledger_options options = {
        .folder = folder, .keys = &hub->keys, .is_exclusive = true};
    err = ledger_open(&hub->ledger, &options);
    if (err)
        return err;
    hub->committer = committer_new(hub->ledger, wake_loop, hub);
    return hub->committer ? KITH_OK : KITH_MEMORY;
}

static void hub_close(struct hub *hub)
{
    struct ledger_stats stats = {0};

    committer_free(&hub->committer);
    if (hub->ledger && ledger_stats(hub->ledger, &stats) == KITH_OK)
        log_event(LOG_STOPPED, stats.changes, hub->work_count, hub->failure);
    ledger_close(&hub->ledger);
    control_remove(hub->control_path);
    seal_wipe(&hub->keys, sizeof hub->keys);
}

enum kith_err hub_run(struct hub *hub, const char *folder, const struct config *config,
                      void (*ready)(const char *address))
{
    uint16_t port = 0;

    memset(hub, 0, sizeof *hub);
    hub->config = *config;
    if (uv_loop_init(&hub->loop) < 0)
        return KITH_MEMORY;
    hub_wire(hub);
    enum kith_err err = hub_open(hub, folder);
    if (!err)
        err = hub_listen(hub, &port);
    if (err) {
        hub->stopping_since_ms = 1;
        close_handle((uv_handle_t *)&hub->listener);
        hub_settle(hub);
    } else {
        control_path(folder, hub->control_path, sizeof hub->control_path);
        (void)uv_signal_start(&hub->terminate, on_signal, SIGTERM);
        (void)uv_signal_start(&hub->interrupt, on_signal, SIGINT);
        (void)uv_timer_start(&hub->sweep, on_sweep, 0, SWEEP_MS);
        tell_ready(hub, port, ready);
    }
    (void)uv_run(&hub->loop, UV_RUN_DEFAULT);
    hub_close(hub);
    (void)uv_loop_close(&hub->loop);
    return err ? err : hub->failure;
}
