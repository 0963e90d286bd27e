/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/fetch.h"
#include "daemon/log.h"
#include "protocol/seal.h"

static void connection_drive(struct connection *connection);

uint64_t connection_clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uv_stream_t *stream_of(struct connection *connection)
{
    return (uv_stream_t *)&connection->tcp;
}

static size_t unwritten(struct connection *connection)
{
    return uv_stream_get_write_queue_size(stream_of(connection));
}

static void note_progress(struct connection *connection)
{
    connection->progress_ms = uv_now(&connection->hub->loop);
}

static void free_if_done(struct connection *connection)
{
    struct hub *hub = connection->hub;

    if (connection->stage != CONNECTION_GONE || connection->work_count > 0)
        return;
    hub_remove(hub, connection);
    free(connection);
    hub_settle(hub);
}

void connection_hold(struct connection *connection)
{
    connection->work_count++;
}

void connection_release(struct connection *connection)
{
    assert(connection->work_count > 0);
    connection->work_count--;
    if (connection->stage == CONNECTION_SERVING)
        connection_drive(connection);
    free_if_done(connection);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    connection->stage = CONNECTION_GONE;
    session_hub_clear(&connection->session);
    free_if_done(connection);
}

/* The handshake is over, well or not. */
static void end_greeting(struct connection *connection)
{
    if (!connection->is_greeting)
        return;
    connection->is_greeting = false;
    connection->hub->handshake_count--;
    if (!connection->device)
        hub_note_failed_handshake(connection->hub, connection->session.err);
}

void connection_close(struct connection *connection)
{
    struct hub *hub = connection->hub;
    enum kith_err err =
        connection->session.state == HUB_CLOSED ? connection->session.err : KITH_LOST;

    if (connection->stage >= CONNECTION_CLOSING)
        return;
    connection->stage = CONNECTION_CLOSING;
    end_greeting(connection);
    if (connection->device)
        log_event(LOG_SESSION_CLOSED, connection->device,
                  (uv_now(&hub->loop) - connection->opened_ms) / 1000, err);
    tally_remove(&hub->tally, connection->address);
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct connection *connection = request->data;

    if (status < 0)
        connection_close(connection);
    else
        connection->shut_ms = uv_now(&connection->hub->loop);
}

/* A stranger who was told nothing is not waited for. */
static void connection_end(struct connection *connection)
{
    if (connection->stage != CONNECTION_SERVING)
        return;
    connection->stage = CONNECTION_ENDING;
    connection->shutdown.data = connection;
    if (!connection->has_written ||
        uv_shutdown(&connection->shutdown, stream_of(connection), on_shut) < 0)
        connection_close(connection);
}

struct pending_write {
    uv_write_t request;
    struct connection *connection;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *write = request->data;
    struct connection *connection = write->connection;

    free(write);
    if (status < 0) {
        connection_close(connection);
        return;
    }
    note_progress(connection);
    if (connection->stage == CONNECTION_SERVING)
        connection_drive(connection);
}

static void write_later(struct connection *connection, struct bytes bytes)
{
    struct pending_write *write = malloc(sizeof *write + bytes.len);

    if (!write) {
        connection_close(connection);
        return;
    }
    write->connection = connection;
    write->request.data = write;
    memcpy(write->bytes, bytes.ptr, bytes.len);
    uv_buf_t buf = uv_buf_init((char *)write->bytes, (unsigned)bytes.len);
    if (uv_write(&write->request, stream_of(connection), &buf, 1, on_written) < 0) {
        free(write);
        connection_close(connection);
    }
}

static void connection_write(struct connection *connection, struct bytes bytes)
{
    /* libuv has no buffer of constant bytes; it does not write to this one. */
    char *start = (char *)(uintptr_t)bytes.ptr; /* NOLINT(performance-no-int-to-ptr) */
    uv_buf_t buf = uv_buf_init(start, (unsigned)bytes.len);
    int written =
        unwritten(connection) > 0 ? UV_EAGAIN : uv_try_write(stream_of(connection), &buf, 1);

    connection->has_written = true;
    if (written < 0 && written != UV_EAGAIN) {
        connection_close(connection);
        return;
    }
    note_progress(connection);
    struct bytes rest = bytes_after(bytes, written > 0 ? (size_t)written : 0);
    if (rest.len > 0)
        write_later(connection, rest);
}

static void on_read_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *connection = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)connection->hub->read_bytes, sizeof connection->hub->read_bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;

    if (count < 0) {
        connection_close(connection);
    } else if (count > 0 && connection->stage == CONNECTION_SERVING) {
        note_progress(connection);
        session_hub_receive(&connection->session, bytes_of(buf->base, (size_t)count));
        connection_drive(connection);
    }
}

/* A hub that stops takes nothing new. */
static void set_reading(struct connection *connection)
{
    bool wants =
        connection->stage == CONNECTION_ENDING ||
        (!hub_is_stopping(connection->hub) && session_hub_wants_bytes(&connection->session));

    if (connection->stage >= CONNECTION_CLOSING || wants == connection->is_reading)
        return;
    connection->is_reading = wants;
    if (!wants)
        (void)uv_read_stop(stream_of(connection));
    else if (uv_read_start(stream_of(connection), on_read_space, on_read) < 0)
        connection_close(connection);
}

static void connection_lookup(struct connection *connection)
{
    struct session_hub *session = &connection->session;
    uint64_t now_ms = connection_clock_ms();
    const struct ledger_visitor visitor = {.mode = session->channel.mode,
                                           .device = session->hello.device,
                                           .noise_key = channel_peer(&session->channel),
                                           .now_s = now_ms / 1000};
    uint8_t psk[KEY_BYTES] = {0};
    enum kith_err err = ledger_identify(connection->hub->ledger, &visitor, psk);

    if (!err && visitor.mode == CHANNEL_FOUND)
        session->hello.device = 1;
    if (!err) {
        connection->device = session->hello.device;
        log_event(LOG_SESSION_OPENED, connection->device, visitor.mode, KITH_OK);
    }
    session->welcome.clock_ms = now_ms;
    session->written = ledger_written(connection->hub->ledger, visitor.device);
    session_hub_identified(session, err, visitor.mode == CHANNEL_SYNC ? NULL : psk);
    seal_wipe(psk, sizeof psk);
}

void connection_ingested(struct connection *connection, const struct ingest *ingest)
{
    struct session_answer answer;

    if (connection->stage != CONNECTION_SERVING)
        return;
    note_progress(connection);
    ingest_answer(ingest, &answer);
    session_hub_ingested(&connection->session, &answer);
}

/* A fetch may have begun before the commit that was announced while it ran: then it is asked again.
 */
void connection_fetched(struct connection *connection, enum kith_err err,
                        const struct backlog *backlog)
{
    if (connection->stage != CONNECTION_SERVING)
        return;
    note_progress(connection);
    session_hub_loaded(&connection->session, err, buffer_view(&backlog->frames),
                       bytes_of(backlog->cursor, backlog->cursor_len), backlog->is_up_to_date);
    if (connection->has_news)
        session_hub_notify(&connection->session);
    connection->has_news = false;
}

static void connection_do(struct connection *connection, const struct session_todo *todo)
{
    enum kith_err err = KITH_OK;

    switch (todo->work) {
    case SESSION_WRITE:
        connection_write(connection, todo->bytes);
        break;
    case SESSION_CLOSE:
        connection_end(connection);
        break;
    case SESSION_LOOKUP:
        connection_lookup(connection);
        break;
    case SESSION_INGEST:
        err = intake_start(connection, todo->bytes);
        break;
    case SESSION_LOAD:
        err = hub_is_stopping(connection->hub) ? KITH_OK : fetch_start(connection);
        break;
    case SESSION_WAIT:
    case SESSION_FILL:
    case SESSION_APPLY:
        break;
    }
    if (err)
        connection_close(connection);
}

static bool is_greeting(const struct connection *connection)
{
    return connection->session.state == HUB_GREETING || connection->session.state == HUB_LOOKING;
}

/* Does what the session asks for until it has to wait, or until enough waits to be written. */
static void connection_drive(struct connection *connection)
{
    struct session_todo todo = {.work = SESSION_WRITE};

    while (connection->stage == CONNECTION_SERVING && todo.work != SESSION_WAIT &&
           unwritten(connection) < CONNECTION_WRITE_HIGH) {
        session_hub_next(&connection->session, &todo);
        connection_do(connection, &todo);
    }
    if (!is_greeting(connection))
        end_greeting(connection);
    if (hub_is_stopping(connection->hub) && todo.work == SESSION_WAIT &&
        connection->work_count == 0)
        connection_end(connection);
    set_reading(connection);
}

void connection_notify(struct connection *connection)
{
    if (connection->stage != CONNECTION_SERVING || connection->session.state != HUB_OPEN)
        return;
    connection->has_news = connection->session.is_loading;
    session_hub_notify(&connection->session);
    if (connection->session.has_pull)
        connection_drive(connection);
}

void connection_stop(struct connection *connection)
{
    if (connection->stage == CONNECTION_SERVING)
        connection_drive(connection);
}

static uint64_t patience_ms(struct connection *connection)
{
    const struct config *config = &connection->hub->config;
    const struct session_hub *session = &connection->session;
    bool is_idle = session->state == HUB_OPEN && connection->stage == CONNECTION_SERVING &&
                   connection->work_count == 0 && unwritten(connection) == 0 &&
                   session->pending.len == 0 && session->channel.in.len == 0;

    return 1000u * (uint64_t)(is_idle ? config->idle_s : config->stall_s);
}

void connection_sweep(struct connection *connection, uint64_t now_ms)
{
    if (connection->stage >= CONNECTION_CLOSING)
        return;
    bool is_late =
        connection->is_greeting &&
        now_ms - connection->opened_ms > 1000u * (uint64_t)connection->hub->config.handshake_s;
    bool is_shut = connection->shut_ms && now_ms - connection->shut_ms >= CONNECTION_LINGER_MS;
    if (is_late || is_shut || now_ms - connection->progress_ms > patience_ms(connection))
        connection_close(connection);
}

static void connection_start(struct connection *connection)
{
    struct hub *hub = connection->hub;
    uint8_t ephemeral[KEY_BYTES];

    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_tcp_keepalive(&connection->tcp, 1, 60);
    seal_random(ephemeral, sizeof ephemeral);
    session_hub_init(&connection->session, &hub->keys.noise, ephemeral, &hub->welcome);
    seal_wipe(ephemeral, sizeof ephemeral);
    connection->opened_ms = uv_now(&hub->loop);
    connection->progress_ms = connection->opened_ms;
    connection->is_greeting = true;
    hub->handshake_count++;
    hub_add(hub, connection);
    connection_drive(connection);
}

/* Not one of ours yet: nothing but memory hangs on it. */
static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

enum kith_err connection_accept(struct hub *hub, uv_stream_t *listener)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct sockaddr_storage peer = {0};
    int peer_len = sizeof peer;

    if (!connection)
        return KITH_MEMORY;
    connection->hub = hub;
    (void)uv_tcp_init(&hub->loop, &connection->tcp);
    connection->tcp.data = connection;
    bool is_accepted = uv_accept(listener, stream_of(connection)) == 0;
    if (is_accepted)
        (void)uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&peer, &peer_len);
    connection->address = is_accepted ? hub_admit(hub, &peer) : NULL;
    if (connection->address)
        connection_start(connection);
    else
        uv_close((uv_handle_t *)&connection->tcp, on_refused_closed);
    return KITH_OK;
}
