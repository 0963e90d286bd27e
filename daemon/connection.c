/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/connection.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/log.h"
#include "protocol/seal.h"

static uint64_t clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void connection_release(struct connection *connection)
{
    struct hub *hub = connection->hub;

    if (--connection->references > 0)
        return;
    session_hub_clear(&connection->session);
    hub_remove(hub, connection);
    free(connection);
    hub_settle(hub);
}

static void on_closed(uv_handle_t *handle)
{
    connection_release(handle->data);
}

static void connection_close(struct connection *connection)
{
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    if (connection->device)
        log_event(LOG_SESSION_CLOSED, connection->device,
                  (uv_now(&connection->hub->loop) - connection->opened_ms) / 1000,
                  connection->session.err);
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

void connection_end(struct connection *connection)
{
    connection_close(connection);
}

struct pending_write {
    uv_write_t request;
    struct connection *connection;
    uint8_t bytes[];
};

static void connection_drive(struct connection *connection);

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *write = request->data;
    struct connection *connection = write->connection;

    free(write);
    if (status < 0) {
        connection_close(connection);
        return;
    }
    connection->progress_ms = uv_now(&connection->hub->loop);
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
    if (uv_write(&write->request, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) < 0) {
        free(write);
        connection_close(connection);
    }
}

static void connection_write(struct connection *connection, struct bytes bytes)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    int written = 0;

    if (uv_stream_get_write_queue_size(stream) == 0) {
        /* libuv has no buffer of constant bytes; it does not write to this one. */
        char *start = (char *)(uintptr_t)bytes.ptr; /* NOLINT(performance-no-int-to-ptr) */
        uv_buf_t buf = uv_buf_init(start, (unsigned)bytes.len);
        written = uv_try_write(stream, &buf, 1);
    }
    if (written < 0 && written != UV_EAGAIN) {
        connection_close(connection);
        return;
    }
    connection->progress_ms = uv_now(&connection->hub->loop);
    struct bytes rest = bytes_after(bytes, written > 0 ? (size_t)written : 0);
    if (rest.len > 0)
        write_later(connection, rest);
}

static void connection_lookup(struct connection *connection)
{
    struct session_hub *session = &connection->session;
    const struct ledger_visitor visitor = {.mode = session->channel.mode,
                                           .device = session->hello.device,
                                           .noise_key = channel_peer(&session->channel),
                                           .now_s = clock_ms() / 1000};
    uint8_t psk[KEY_BYTES] = {0};
    enum kith_err err = ledger_identify(connection->hub->ledger, &visitor, psk);

    if (!err)
        connection->device = visitor.mode == CHANNEL_FOUND ? 1 : visitor.device;
    log_event(err ? LOG_SESSION_REFUSED : LOG_SESSION_OPENED, visitor.device, visitor.mode, err);
    session->written = ledger_written(connection->hub->ledger, visitor.device);
    session_hub_identified(session, err, visitor.mode == CHANNEL_SYNC ? NULL : psk);
    seal_wipe(psk, sizeof psk);
}

/* A verification on its way through a worker. */
struct verification {
    uv_work_t work;
    struct connection *connection;
    struct ingest ingest;
};

static void verify_work(uv_work_t *work)
{
    struct verification *verification = work->data;

    ledger_verify(verification->connection->hub->ledger, &verification->ingest);
}

static void verification_free(struct verification *verification)
{
    ingest_clear(&verification->ingest);
    free(verification);
}

/* Work that held a connection has ended. */
static void connection_worked(struct connection *connection)
{
    connection->hub->work_count--;
    connection_release(connection);
}

static void answer_session(struct connection *connection, struct ingest *ingest)
{
    struct session_answer answer;

    ingest_answer(ingest, &answer);
    session_hub_ingested(&connection->session, &answer);
    if (!connection->is_closing)
        connection_drive(connection);
}

static void verify_done(uv_work_t *work, int status)
{
    struct verification *verification = work->data;
    struct connection *connection = verification->connection;

    if (status < 0 && !verification->ingest.err)
        verification->ingest.err = KITH_BUSY;
    if (!verification->ingest.err &&
        committer_add(connection->hub->committer, &verification->ingest))
        return;
    if (!verification->ingest.err)
        verification->ingest.err = KITH_MEMORY;
    answer_session(connection, &verification->ingest);
    verification_free(verification);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the work's own reference kept it */
    connection_worked(connection);
}

void connection_committed(struct ingest *ingest)
{
    struct verification *verification = ingest->owner;
    struct connection *connection = verification->connection;

    answer_session(connection, ingest);
    verification_free(verification);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the work's own reference kept it */
    connection_worked(connection);
}

static void connection_ingest(struct connection *connection, struct bytes frames)
{
    struct session_hub *session = &connection->session;
    struct verification *verification = calloc(1, sizeof *verification);

    if (!verification) {
        connection_close(connection);
        return;
    }
    ingest_init(&verification->ingest);
    verification->connection = connection;
    verification->work.data = verification;
    verification->ingest.owner = verification;
    verification->ingest.mode = session->state == HUB_OPEN ? CHANNEL_SYNC : session->channel.mode;
    verification->ingest.device = connection->device;
    verification->ingest.now_s = clock_ms() / 1000;
    memcpy(verification->ingest.noise_key, channel_peer(&session->channel), KEY_BYTES);
    buffer_add(&verification->ingest.frames, frames.ptr, frames.len);
    verification->ingest.err = verification->ingest.frames.err;
    connection->references++;
    connection->hub->work_count++;
    (void)uv_queue_work(&connection->hub->loop, &verification->work, verify_work,
                        verify_done); /* cannot fail */
}

/* The next batch on its way through a worker. The pull is copied: the session goes on meanwhile. */
struct load {
    uv_work_t work;
    struct connection *connection;
    struct pull pull;
    uint8_t cursor[CURSOR_MAX];
    bool is_roster_only;
    struct backlog backlog;
    enum kith_err err;
};

static void load_work(uv_work_t *work)
{
    struct load *load = work->data;

    load->err = ledger_load(load->connection->hub->ledger, load->connection->device, &load->pull,
                            load->is_roster_only, &load->backlog);
}

static void load_done(uv_work_t *work, int status)
{
    struct load *load = work->data;
    struct connection *connection = load->connection;
    struct backlog *backlog = &load->backlog;
    enum kith_err err = status < 0 ? KITH_BUSY : load->err;

    if (err)
        log_event(LOG_LOAD_FAILED, connection->device, backlog->change_count, err);
    session_hub_loaded(&connection->session, err, buffer_view(&backlog->frames),
                       bytes_of(backlog->cursor, backlog->cursor_len), backlog->is_up_to_date);
    if (connection->has_news)
        session_hub_notify(&connection->session);
    connection->has_news = false;
    backlog_clear(backlog);
    free(load);
    if (!connection->is_closing)
        connection_drive(connection);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the work's own reference kept it */
    connection_worked(connection);
}

static void connection_load(struct connection *connection)
{
    struct load *load = calloc(1, sizeof *load);

    if (!load) {
        connection_close(connection);
        return;
    }
    load->work.data = load;
    load->connection = connection;
    load->pull = connection->session.pull;
    memcpy(load->cursor, load->pull.cursor.ptr, load->pull.cursor.len);
    load->pull.cursor.ptr = load->cursor;
    load->is_roster_only = connection->session.state == HUB_JOINING;
    backlog_init(&load->backlog);
    connection->references++;
    connection->hub->work_count++;
    (void)uv_queue_work(&connection->hub->loop, &load->work, load_work,
                        load_done); /* cannot fail */
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct connection *connection = request->data;

    (void)status;
    free(request);
    connection_close(connection);
}

/* Lets what is queued go out first. */
static void connection_finish(struct connection *connection)
{
    uv_shutdown_t *request = connection->is_ending ? NULL : malloc(sizeof *request);

    if (connection->is_ending)
        return;
    connection->is_ending = true;
    if (request)
        request->data = connection;
    if (!request || uv_shutdown(request, (uv_stream_t *)&connection->tcp, on_shut) < 0) {
        free(request);
        connection_close(connection);
    }
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
        return;
    }
    connection->progress_ms = uv_now(&connection->hub->loop);
    session_hub_receive(&connection->session, bytes_of(buf->base, (size_t)count));
    connection_drive(connection);
}

static void set_reading(struct connection *connection)
{
    bool wants = !connection->is_ending && session_hub_wants_bytes(&connection->session);

    if (connection->is_closing || wants == connection->is_reading)
        return;
    connection->is_reading = wants;
    if (wants)
        (void)uv_read_start((uv_stream_t *)&connection->tcp, on_read_space, on_read);
    else
        (void)uv_read_stop((uv_stream_t *)&connection->tcp);
}

static void connection_do(struct connection *connection, const struct session_todo *todo)
{
    switch (todo->work) {
    case SESSION_WRITE:
        connection_write(connection, todo->bytes);
        return;
    case SESSION_CLOSE:
        connection_finish(connection);
        return;
    case SESSION_LOOKUP:
        connection_lookup(connection);
        return;
    case SESSION_INGEST:
        connection_ingest(connection, todo->bytes);
        return;
    case SESSION_LOAD:
        connection_load(connection);
        return;
    case SESSION_WAIT:
    case SESSION_FILL:
    case SESSION_APPLY:
        return;
    }
}

/* Does what the session asks for until it has to wait, or until enough waits to be written. */
static void connection_drive(struct connection *connection)
{
    struct session_todo todo = {.work = SESSION_WRITE};

    connection->references++;
    while (!connection->is_closing && !connection->is_ending && todo.work != SESSION_WAIT &&
           uv_stream_get_write_queue_size((uv_stream_t *)&connection->tcp) <
               CONNECTION_WRITE_HIGH) {
        session_hub_next(&connection->session, &todo);
        connection_do(connection, &todo);
    }
    set_reading(connection);
    connection_release(connection);
}

void connection_notify(struct connection *connection)
{
    connection->has_news = connection->session.is_loading;
    session_hub_notify(&connection->session);
    if (!connection->is_closing)
        connection_drive(connection);
}

void connection_sweep(struct connection *connection, uint64_t now_ms)
{
    const struct config *config = &connection->hub->config;
    const struct session_hub *session = &connection->session;
    bool is_greeting = session->state == HUB_GREETING || session->state == HUB_LOOKING;
    bool is_under_way = session->pending.len > 0 || connection->is_ending ||
                        uv_stream_get_write_queue_size((uv_stream_t *)&connection->tcp) > 0;
    uint64_t patience_s = is_under_way ? config->stall_s : config->idle_s;

    if ((is_greeting && now_ms - connection->opened_ms > config->handshake_s * 1000u) ||
        now_ms - connection->progress_ms > patience_s * 1000u)
        connection_close(connection);
}

static bool connection_open(struct connection *connection, uv_stream_t *listener)
{
    struct hub *hub = connection->hub;
    uint8_t ephemeral[KEY_BYTES];
    int peer_len = sizeof connection->peer;
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION, .clock_ms = clock_ms()};

    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0)
        return false;
    (void)uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&connection->peer, &peer_len);
    if (hub->stopping_since_ms || !hub_may_accept(hub, &connection->peer))
        return false;
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_tcp_keepalive(&connection->tcp, 1, 60);
    ledger_incarnation(hub->ledger, welcome.incarnation);
    memcpy(welcome.sign_key, hub->keys.sign_public, KEY_BYTES);
    seal_random(ephemeral, sizeof ephemeral);
    session_hub_init(&connection->session, &hub->keys.noise, ephemeral, &welcome);
    seal_wipe(ephemeral, sizeof ephemeral);
    return true;
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void connection_accept(struct hub *hub, uv_stream_t *listener)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        return; /* the connection stays in the listener's queue until there is memory again */
    connection->hub = hub;
    connection->references = 1;
    connection->opened_ms = uv_now(&hub->loop);
    connection->progress_ms = connection->opened_ms;
    (void)uv_tcp_init(&hub->loop, &connection->tcp);
    connection->tcp.data = connection;
    if (!connection_open(connection, listener)) {
        uv_close((uv_handle_t *)&connection->tcp, on_refused_closed);
        return;
    }
    hub_add(hub, connection);
    connection_drive(connection);
}
