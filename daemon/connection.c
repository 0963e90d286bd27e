/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/fetch.h"
#include "daemon/log.h"
#include "protocol/seal.h"
#include "store/audit.h"

static void connection_drive(struct connection *connection);

uint64_t connection_clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
    front_free(connection->front);
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

void connection_gone(struct connection *connection)
{
    connection->stage = CONNECTION_GONE;
    session_hub_clear(&connection->session);
    free_if_done(connection);
}

/* The session owes its place among strangers no more, well or not. */
static void end_greeting(struct connection *connection)
{
    if (!connection->is_greeting)
        return;
    hub_remove_greeter(connection->hub, connection);
    if (!connection->device && connection->session.err != KITH_BUSY)
        hub_note_failed_handshake(connection->hub, connection->session.err);
}

static void audit_session(struct connection *connection, uint64_t seconds, enum kith_err err)
{
    const struct audit_entry entry = {.kind = AUDIT_SESSION,
                                      .time_ms = connection_clock_ms(),
                                      .device = connection->device,
                                      .what = connection->session.channel.mode,
                                      .first = seconds,
                                      .second = (uint64_t)err};

    if (ledger_note(connection->hub->ledger, &entry))
        connection->hub->unaudited_count++;
}

/* What the session does not need any more while its last bytes go out. */
static void leave(struct connection *connection)
{
    struct hub *hub = connection->hub;
    enum kith_err err =
        connection->session.state == HUB_CLOSED ? connection->session.err : KITH_LOST;

    end_greeting(connection);
    fetch_forget(connection);
    hub_account(connection, 0, 0);
    devices_remove(&hub->devices, connection);
    if (connection->device) {
        uint64_t seconds = (uv_now(&hub->loop) - connection->opened_ms) / 1000;
        hub->session_count--;
        hub->ended_count++;
        metrics_count(hub->metrics.closed, err);
        log_closed(connection->device, seconds, connection->socket.bytes, err);
        audit_session(connection, seconds, err);
    }
}

void connection_close(struct connection *connection)
{
    struct hub *hub = connection->hub;

    if (connection->stage >= CONNECTION_CLOSING)
        return;
    if (connection->stage == CONNECTION_SERVING)
        leave(connection);
    connection->stage = CONNECTION_CLOSING;
    hub->lingering_count -= connection->is_lingering;
    if (connection->address)
        tally_remove(&hub->tally, connection->address);
    socket_close(&connection->socket);
}

void connection_shut(struct connection *connection)
{
    connection->shut_ms = uv_now(&connection->hub->loop);
}

void connection_lost(struct connection *connection)
{
    connection_close(connection);
}

/* What the front has to say by itself. */
static void write_front(struct connection *connection)
{
    struct front *front = connection->front;
    bool is_written =
        front->out.len == 0 || socket_write(&connection->socket, buffer_view(&front->out));

    if (!is_written || front->out.err || front->websocket.err)
        connection_close(connection);
    buffer_clear(&front->out);
}

/* The last word over the web, while the session still knows how it ended. */
static void end_front(struct connection *connection)
{
    if (!connection->front)
        return;
    front_end(connection->front, connection->session.err, hub_is_stopping(connection->hub));
    write_front(connection);
}

/* A stranger who was told nothing is not waited for, nor are more than a few. */
static void connection_end(struct connection *connection)
{
    struct hub *hub = connection->hub;
    bool is_stranger = connection->device == 0;

    if (connection->stage == CONNECTION_SERVING)
        end_front(connection);
    if (connection->stage != CONNECTION_SERVING)
        return;
    leave(connection);
    connection->stage = CONNECTION_ENDING;
    note_progress(connection);
    if (!connection->socket.has_written ||
        (is_stranger && hub->lingering_count >= HUB_LINGER_MAX) ||
        !socket_shut(&connection->socket)) {
        connection_close(connection);
        return;
    }
    connection->is_lingering = is_stranger;
    hub->lingering_count += is_stranger;
}

void connection_written(struct connection *connection)
{
    note_progress(connection);
    connection->written_ms = connection->progress_ms;
    if (connection->stage == CONNECTION_SERVING)
        connection_drive(connection);
}

static void connection_write(struct connection *connection, struct bytes bytes)
{
    if (connection->front) {
        front_send(connection->front, bytes);
        write_front(connection);
    } else if (!socket_write(&connection->socket, bytes)) {
        connection_close(connection);
    }
    note_progress(connection);
}

/* Letting one in may turn another away, which is driven once more to say so: no further than that.
 * NOLINTBEGIN(misc-no-recursion) */

/* Only this device can have written a message after message 2, and only now. */
static void note_proof(struct connection *connection)
{
    struct connection *oldest;

    if (connection->is_proved || !connection->line ||
        channel_received(&connection->session.channel) == 0)
        return;
    devices_prove(connection);
    oldest =
        devices_surplus(connection->line, true, connection->hub->config.sessions_per_device_max);
    if (oldest)
        connection_turn_away(oldest, TURN_DEVICE);
}

/* Gives the session what the front has for it: a piece at a time, once the last one is used up. */
static bool feed_from_front(struct connection *connection)
{
    struct session_hub *session = &connection->session;

    if (!connection->front || connection->stage != CONNECTION_SERVING || session->pending.len > 0 ||
        !session_hub_wants_bytes(session))
        return false;
    if (connection->front->stage == FRONT_POST && session->state == HUB_GREETING)
        session_hub_widen(session);
    struct bytes bytes = front_stream(connection->front);
    if (bytes.len > 0)
        session_hub_receive(session, bytes);
    write_front(connection);
    return bytes.len > 0;
}

/* The first byte says whether a device is there itself, or the web. */
static bool begin(struct connection *connection, uint8_t first)
{
    connection->has_begun = true;
    if (!front_is_for(first))
        return true;
    connection->front = front_new();
    channel_set_carrier(&connection->session.channel, CHANNEL_WEB);
    return connection->front != NULL;
}

static void receive_front(struct connection *connection, struct bytes bytes)
{
    uint64_t before = front_progress(connection->front);

    front_receive(connection->front, bytes);
    if (front_progress(connection->front) > before)
        note_progress(connection);
    write_front(connection);
}

void connection_received(struct connection *connection, struct bytes bytes)
{
    if (connection->stage != CONNECTION_SERVING)
        return;
    if (!connection->has_begun && !begin(connection, bytes.ptr[0])) {
        connection_close(connection);
        return;
    }
    connection->session.now_ms = (uint32_t)uv_now(&connection->hub->loop);
    if (connection->front) {
        receive_front(connection, bytes);
    } else {
        note_progress(connection);
        session_hub_receive(&connection->session, bytes);
    }
    connection_drive(connection);
}

/* How much the session has taken in and not dealt with. */
static void account(struct connection *connection)
{
    const struct session_hub *session = &connection->session;
    const struct front *front = connection->front;
    size_t partial = session->channel.in.len + (front ? front_partial(front) : 0);
    size_t waiting = session->pending.len + session->ingest.len + session->handed.len +
                     (front ? front_waiting(front) : 0);
    uint64_t nonce = channel_received(&session->channel);

    if (partial == 0 || connection->partial_bytes == 0 || nonce != connection->partial_nonce)
        connection->partial_ms = uv_now(&connection->hub->loop);
    connection->partial_nonce = nonce;
    hub_account(connection, waiting, partial);
}

/* Over the web what comes may ask for an answer at once: who does not read those is not read. */
static bool can_receive(const struct connection *connection)
{
    if (connection->front)
        return front_wants_bytes(connection->front) &&
               socket_unwritten(&connection->socket) < CONNECTION_WRITE_HIGH;
    return session_hub_wants_bytes(&connection->session);
}

/* A hub that stops takes nothing new. */
static void set_reading(struct connection *connection)
{
    bool wants =
        connection->stage == CONNECTION_ENDING ||
        (!hub_is_stopping(connection->hub) && hub_has_room(connection) && can_receive(connection));

    if (connection->stage < CONNECTION_CLOSING && !socket_read(&connection->socket, wants))
        connection_close(connection);
}

void connection_resume(struct connection *connection)
{
    set_reading(connection);
}

/* A device that has come in: one session more on its line. */
static bool let_in(struct connection *connection)
{
    struct hub *hub = connection->hub;
    const struct session_hub *session = &connection->session;
    struct connection *oldest;

    if (session->channel.mode == CHANNEL_SYNC &&
        !devices_add(&hub->devices, connection, session->hello.device))
        return false;
    connection->device = session->hello.device;
    hub->session_count++;
    hub->let_in_count++;
    hub->metrics.opened[session->channel.mode]++;
    log_opened(connection->device, session->channel.mode);
    oldest = connection->line
                 ? devices_surplus(connection->line, false, hub->config.sessions_per_device_max)
                 : NULL;
    if (oldest)
        connection_turn_away(oldest, TURN_DEVICE);
    return true;
}

static void connection_lookup(struct connection *connection)
{
    struct hub *hub = connection->hub;
    struct session_hub *session = &connection->session;
    uint64_t now_ms = connection_clock_ms();
    const struct ledger_visitor visitor = {.mode = session->channel.mode,
                                           .device = session->hello.device,
                                           .noise_key = channel_peer(&session->channel),
                                           .now_s = now_ms / 1000};
    uint8_t psk[KEY_BYTES] = {0};

    if (hub->session_count >= hub->config.sessions_max) {
        hub_count_refused(hub, TURN_SESSIONS);
        session_hub_turn_away(session, hub_retry_s(hub));
        return;
    }
    enum kith_err err = ledger_identify(hub->ledger, &visitor, psk);
    if (!err && !flights_add(&hub->flights, channel_flight(&session->channel))) {
        hub->metrics.replayed++;
        session_hub_drop(session, KITH_HANDSHAKE);
        seal_wipe(psk, sizeof psk);
        return;
    }
    if (!err && visitor.mode == CHANNEL_FOUND)
        session->hello.device = 1;
    if (!err && !let_in(connection))
        err = KITH_MEMORY;
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
    connection->session.now_ms = (uint32_t)connection->progress_ms;
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
    case SESSION_SETTLED:
        break;
    }
    if (err)
        connection_close(connection);
}

/* Does what the session asks for until it has to wait, or until enough waits to be written. True if
 * it waits. */
static bool run_session(struct connection *connection)
{
    struct session_todo todo = {.work = SESSION_WRITE};

    while (connection->stage == CONNECTION_SERVING && todo.work != SESSION_WAIT &&
           socket_unwritten(&connection->socket) < CONNECTION_WRITE_HIGH) {
        session_hub_next(&connection->session, &todo);
        connection_do(connection, &todo);
    }
    return todo.work == SESSION_WAIT;
}

/* Nothing is in flight: no work, and nothing that the session could do without us. */
static bool is_at_rest(const struct connection *connection)
{
    return connection->stage == CONNECTION_SERVING && connection->work_count == 0 &&
           !connection->is_queued;
}

/* One request carries one flight: when nothing of the answer is missing but what only another
 * flight could bring, that was all; likewise when what was posted is no whole flight. */
static void end_if_answered(struct connection *connection)
{
    const struct front *front = connection->front;
    bool is_answered = front_is_posted(front) && is_at_rest(connection);

    if (is_answered)
        session_hub_finish(&connection->session);
    if (is_answered || front_is_over(front))
        connection_end(connection);
}

/* The session and what it gets over the web, in turns. */
static void run_connection(struct connection *connection)
{
    bool is_waiting = run_session(connection);

    while (feed_from_front(connection))
        is_waiting = run_session(connection);
    if (connection->front && is_waiting && connection->stage == CONNECTION_SERVING)
        end_if_answered(connection);
}

static void connection_drive(struct connection *connection)
{
    run_connection(connection);
    if (connection->stage == CONNECTION_SERVING)
        note_proof(connection);
    if (connection->stage == CONNECTION_SERVING) {
        if (connection->session.state == HUB_OPEN ||
            channel_received(&connection->session.channel) > 0)
            end_greeting(connection);
        account(connection);
    }
    if (hub_is_stopping(connection->hub) && is_at_rest(connection)) {
        session_hub_turn_away(&connection->session, hub_retry_s(connection->hub));
        run_session(connection);
    }
    set_reading(connection);
}

void connection_turn_away(struct connection *connection, enum turn_reason reason)
{
    if (connection->stage != CONNECTION_SERVING)
        return;
    hub_count_refused(connection->hub, reason);
    session_hub_turn_away(&connection->session, hub_retry_s(connection->hub));
    connection_drive(connection);
}

/* NOLINTEND(misc-no-recursion) */

void connection_notify(struct connection *connection)
{
    if (connection->stage != CONNECTION_SERVING || connection->session.state != HUB_OPEN)
        return;
    connection->has_news = connection->session.is_loading;
    session_hub_notify(&connection->session);
    if (connection->session.has_pull)
        connection_drive(connection);
}

bool connection_takes_live(const struct connection *connection, const struct news_live *live)
{
    uint8_t cursor[CURSOR_MAX];
    size_t cursor_len;

    return connection->stage == CONNECTION_SERVING && connection->news_count == 1 &&
           !connection->is_queued && !connection->has_news &&
           session_hub_is_current(&connection->session, live->frames_len) &&
           socket_unwritten(&connection->socket) == 0 &&
           news_live_cursor(live, connection->session.pull.cursor, cursor, &cursor_len);
}

void connection_send_live(struct connection *connection, const struct news_live *live,
                          struct bytes frames)
{
    struct session_hub *session = &connection->session;
    uint8_t cursor[CURSOR_MAX];
    size_t cursor_len;

    if (!news_live_cursor(live, session->pull.cursor, cursor, &cursor_len))
        return;
    session->now_ms = (uint32_t)uv_now(&connection->hub->loop);
    session_hub_live(session, frames, bytes_of(cursor, cursor_len));
    connection_drive(connection);
}

void connection_stop(struct connection *connection)
{
    if (connection->stage == CONNECTION_SERVING)
        connection_drive(connection);
}

/* Who has not proved to be there now may not be idle for long. */
static uint64_t patience_ms(const struct connection *connection)
{
    const struct config *config = &connection->hub->config;
    bool is_idle = connection->is_proved && is_at_rest(connection) &&
                   socket_unwritten(&connection->socket) == 0 &&
                   connection->waiting_bytes + connection->partial_bytes == 0;

    return 1000u * (uint64_t)(is_idle ? config->idle_s : config->stall_s);
}

/* A byte now and then is no progress: a message comes at a kibibyte a second at least, after a
 * while that is given to everybody. */
static bool is_dribbling(const struct connection *connection, uint64_t now_ms)
{
    const struct config *config = &connection->hub->config;
    bool is_joining = connection->session.state == HUB_JOINING;
    uint64_t given_s =
        connection->is_greeting && !is_joining ? config->handshake_s : config->stall_s;
    uint64_t since_ms = connection->is_greeting ? connection->opened_ms : connection->partial_ms;

    /* The loop may have had other work for longer than that. */
    if (connection->is_greeting && !hub_has_listened(connection))
        return false;
    return (connection->is_greeting || connection->partial_bytes > 0) &&
           now_ms - since_ms > 1000u * given_s + connection->partial_bytes;
}

/* A peer that sends and never reads. */
static bool is_not_reading(struct connection *connection, uint64_t now_ms)
{
    size_t unwritten = socket_unwritten(&connection->socket);

    if (unwritten == 0 || unwritten < connection->unwritten_bytes ||
        connection->unwritten_bytes == 0)
        connection->written_ms = now_ms;
    connection->unwritten_bytes = unwritten;
    return unwritten > 0 &&
           now_ms - connection->written_ms > 1000u * (uint64_t)connection->hub->config.stall_s;
}

/* A ping is no progress: who is silent for too long goes as over TCP. */
static void ping(struct connection *connection, uint64_t now_ms)
{
    struct front *front = connection->front;

    if (!front || connection->stage != CONNECTION_SERVING ||
        socket_unwritten(&connection->socket) > 0 ||
        now_ms - (front->pinged_ms ? front->pinged_ms : connection->opened_ms) < CONNECTION_PING_MS)
        return;
    front->pinged_ms = now_ms;
    front_ping(front);
    write_front(connection);
}

void connection_sweep(struct connection *connection, uint64_t now_ms)
{
    ping(connection, now_ms);
    if (connection->stage >= CONNECTION_CLOSING)
        return;
    bool is_shut = connection->shut_ms && now_ms - connection->shut_ms >= CONNECTION_LINGER_MS;
    bool is_serving = connection->stage == CONNECTION_SERVING;
    if (is_shut || is_not_reading(connection, now_ms) ||
        (is_serving && is_dribbling(connection, now_ms)) ||
        now_ms - connection->progress_ms > patience_ms(connection))
        connection_close(connection);
}

static void connection_start(struct connection *connection)
{
    struct hub *hub = connection->hub;
    uint8_t ephemeral[KEY_BYTES];

    seal_random(ephemeral, sizeof ephemeral);
    session_hub_init(&connection->session, &hub->keys.noise, ephemeral, &hub->welcome);
    seal_wipe(ephemeral, sizeof ephemeral);
    hub_add_greeter(hub, connection);
    connection_drive(connection);
}

/* One too many: it is told so without any cryptography. */
static void refuse(struct connection *connection)
{
    uint8_t refusal[CHANNEL_REFUSAL_BYTES];

    channel_refusal_write(refusal, hub_retry_s(connection->hub));
    if (connection->hub->lingering_count < HUB_LINGER_MAX)
        (void)socket_write(&connection->socket, bytes_of(refusal, sizeof refusal));
    connection_end(connection);
    set_reading(connection);
}

enum kith_err connection_accept(struct hub *hub, uv_stream_t *listener)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct sockaddr_storage peer;

    if (!connection)
        return KITH_MEMORY;
    connection->hub = hub;
    connection->opened_ms = uv_now(&hub->loop);
    connection->opened_turn = hub->listener.turns;
    connection->progress_ms = connection->opened_ms;
    socket_init(&connection->socket, &hub->loop, connection);
    hub_add(hub, connection);
    bool is_accepted = socket_accept(&connection->socket, listener, &peer);
    connection->address = is_accepted ? hub_admit(hub, &peer) : NULL;
    if (connection->address)
        connection_start(connection);
    else if (is_accepted)
        refuse(connection);
    else
        connection_close(connection);
    return KITH_OK;
}
