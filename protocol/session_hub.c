/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/session.h"

#include <assert.h>
#include <string.h>

#define CONTROL_ROOM 128 /* WELCOME, CURSOR, ERROR: one frame, at most */

void session_hub_init(struct session_hub *session, const struct noise_keypair *hub,
                      const uint8_t ephemeral_secret[static KEY_BYTES],
                      const struct welcome *welcome)
{
    memset(session, 0, sizeof *session);
    buffer_init(&session->pending, 2 * SESSION_READ_MAX);
    buffer_init(&session->out, 4 * NOISE_MESSAGE_MAX);
    buffer_init(&session->ingest, WINDOW_BYTES + BATCH_MAX);
    buffer_init(&session->handed, WINDOW_BYTES + BATCH_MAX);
    channel_init_hub(&session->channel, hub, ephemeral_secret);
    session->welcome = *welcome;
    session->welcome.has_sign_key = false;
    flow_init(&session->flow);
}

void session_hub_clear(struct session_hub *session)
{
    channel_clear(&session->channel);
    buffer_clear(&session->pending);
    buffer_clear(&session->out);
    buffer_clear(&session->ingest);
    buffer_clear(&session->handed);
}

/* What was handed out with SESSION_WRITE has been sent by the next call, whichever that is. */
static void forget_handed_out(struct session_hub *session)
{
    if (session->is_out_handed)
        buffer_reset(&session->out);
    session->is_out_handed = false;
}

static void send_text(struct session_hub *session, struct bytes text)
{
    forget_handed_out(session);
    enum kith_err err = channel_send(&session->channel, text, &session->out);

    if (err && session->state != HUB_CLOSED) {
        session->state = HUB_CLOSED;
        session->err = err;
    }
}

/* The peer is told why where the channel can carry it; after a failed handshake nothing is said at
 * all. */
static void session_fail(struct session_hub *session, enum kith_err err)
{
    struct buffer text;

    if (session->state == HUB_CLOSED)
        return;
    if (session->channel.is_open && !session->channel.err) {
        buffer_init(&text, CONTROL_ROOM);
        error_write(&text, err);
        send_text(session, buffer_view(&text));
        buffer_clear(&text);
    }
    session->state = HUB_CLOSED;
    session->err = err;
}

void session_hub_turn_away(struct session_hub *session, uint32_t retry_s)
{
    uint8_t refusal[CHANNEL_REFUSAL_BYTES];
    struct buffer text;

    if (session->state == HUB_CLOSED)
        return;
    if (session->channel.is_open && !session->channel.err) {
        buffer_init(&text, CONTROL_ROOM);
        retry_write(&text, retry_s);
        send_text(session, buffer_view(&text));
        buffer_clear(&text);
    } else {
        channel_refusal_write(refusal, retry_s);
        buffer_add(&session->out, refusal, sizeof refusal);
    }
    session->state = HUB_CLOSED;
    session->err = KITH_BUSY;
}

void session_hub_widen(struct session_hub *session)
{
    flow_widen(&session->flow);
}

void session_hub_finish(struct session_hub *session)
{
    session->state = HUB_CLOSED;
}

void session_hub_drop(struct session_hub *session, enum kith_err err)
{
    session->state = HUB_CLOSED;
    session->err = err;
}

void session_hub_receive(struct session_hub *session, struct bytes in)
{
    assert(in.len <= SESSION_READ_MAX);
    buffer_add(&session->pending, in.ptr, in.len);
    if (session->pending.err)
        session_fail(session, session->pending.err);
}

bool session_hub_wants_bytes(const struct session_hub *session)
{
    return session->state != HUB_CLOSED && session->pending.len <= SESSION_READ_MAX;
}

/* Message 1 must begin with HELLO; the rest of it is data like any other. */
static enum kith_err read_hello(struct session_hub *session, struct frame *frame)
{
    if (frame->type != FRAME_HELLO)
        return KITH_STATE;
    enum kith_err err = hello_read(&session->hello, frame);
    if (!err && session->hello.version != KITH_PROTOCOL_VERSION)
        err = KITH_VERSION;
    if (!err)
        session->state = HUB_LOOKING;
    return err;
}

static enum kith_err read_pull(struct session_hub *session, struct frame *frame)
{
    struct pull pull;
    enum kith_err err = pull_read(&pull, frame);

    if (err)
        return err;
    session->pull = pull;
    if (pull.cursor.len)
        memcpy(session->cursor, pull.cursor.ptr, pull.cursor.len);
    session->pull.cursor = bytes_of(session->cursor, pull.cursor.len);
    session->has_pull = true;
    return KITH_OK;
}

static enum kith_err read_credit(struct session_hub *session, struct frame *frame)
{
    uint64_t bytes = 0;
    enum kith_err err = credit_read(&bytes, frame);

    if (!err && !flow_answered(&session->flow, bytes, session->now_ms))
        err = KITH_STATE;
    return err;
}

/* Message 1 proves nothing about the psk of an invitation: its secret is in message 2. */
static bool may_bring_data(const struct session_hub *session)
{
    return session->state != HUB_LOOKING || session->channel.mode == CHANNEL_SYNC;
}

static enum kith_err read_frame(struct session_hub *session, struct frame *frame, struct bytes raw,
                                bool *has_data)
{
    if (session->state == HUB_GREETING)
        return read_hello(session, frame);
    switch (frame->type) {
    case FRAME_PULL:
        return read_pull(session, frame);
    case FRAME_CREDIT:
        return read_credit(session, frame);
    case FRAME_BYE:
        session->state = HUB_CLOSED;
        return KITH_OK;
    case FRAME_PUSH:
    case FRAME_CIRCLE:
    case FRAME_ROSTER:
    case FRAME_INVITE:
        if (!may_bring_data(session))
            return KITH_STATE;
        *has_data = true;
        buffer_add(&session->ingest, raw.ptr, raw.len);
        return session->ingest.err;
    default:
        return frame->type >= FRAME_SKIPPABLE ? KITH_OK : KITH_UNKNOWN_TYPE;
    }
}

static void read_message(struct session_hub *session, struct bytes message)
{
    struct wire_in batch = wire_open(message);
    struct frame frame;
    bool has_data = false;
    enum kith_err err = session->state == HUB_GREETING && message.len == 0 ? KITH_STATE : KITH_OK;
    struct bytes raw = batch.left;

    while (!err && session->state != HUB_CLOSED && frame_next(&batch, &frame)) {
        raw.len -= batch.left.len;
        err = read_frame(session, &frame, raw, &has_data);
        raw = batch.left;
    }
    session->ingest_batches += has_data;
    if (!err && session->state != HUB_CLOSED)
        err = wire_close(&batch);
    if (err)
        session_fail(session, err);
}

/* A message is taken only while the data that waits leaves room for it: what is unanswered stays
 * within the window. */
static bool may_take(const struct session_hub *session)
{
    bool is_turn = session->state == HUB_GREETING || session->state == HUB_JOINING ||
                   session->state == HUB_OPEN;

    return is_turn && session->ingest.len + session->handed.len <= WINDOW_BYTES;
}

static void take_messages(struct session_hub *session)
{
    struct bytes message;

    while (may_take(session)) {
        size_t taken = channel_receive(&session->channel, buffer_view(&session->pending));
        buffer_drop(&session->pending, taken);
        if (!channel_next(&session->channel, &message))
            break;
        read_message(session, message);
    }
    if (session->channel.err)
        session_fail(session, session->channel.err);
}

void session_hub_identified(struct session_hub *session, enum kith_err err, const uint8_t *psk)
{
    struct buffer text;

    assert(session->state == HUB_LOOKING);
    if (psk)
        channel_set_psk(&session->channel, psk);
    buffer_init(&text, CONTROL_ROOM);
    session->welcome.has_sign_key = session->channel.mode == CHANNEL_FOUND;
    if (err)
        error_write(&text, err);
    else
        welcome_write(&text, &session->welcome);
    session->state = session->channel.mode == CHANNEL_SYNC ? HUB_OPEN : HUB_JOINING;
    if (err) {
        session->state = HUB_CLOSED;
        session->err = err;
    }
    send_text(
        session,
        buffer_view(&text)); /* of an unknown invitation there is no psk: nothing can be told */
    buffer_clear(&text);
}

void session_hub_ingested(struct session_hub *session, const struct session_answer *answer)
{
    struct buffer text;

    session->is_ingesting = false;
    buffer_reset(&session->handed);
    if (session->state == HUB_CLOSED)
        return;
    if (answer->err) {
        session_fail(session, answer->err);
        return;
    }
    buffer_init(&text, NOISE_TEXT_MAX);
    buffer_add(&text, answer->refusals.ptr, answer->refusals.len);
    ack_write(&text, session->handed_batches, answer->line_count, answer->lines, answer->signature);
    if (answer->is_enrolled)
        session->state = HUB_OPEN;
    if (text.err)
        session_fail(session, text.err);
    else
        send_text(session, buffer_view(&text));
    buffer_clear(&text);
}

void session_hub_loaded(struct session_hub *session, enum kith_err err, struct bytes frames,
                        struct bytes cursor, bool is_up_to_date)
{
    struct buffer text;

    session->is_loading = false;
    if (session->state == HUB_CLOSED)
        return;
    if (err || cursor.len > CURSOR_MAX) {
        session_fail(session, err ? err : KITH_TOO_LARGE);
        return;
    }
    buffer_init(&text, NOISE_TEXT_MAX);
    buffer_add(&text, frames.ptr, frames.len);
    cursor_write(&text, &(struct cursor_frame){cursor, is_up_to_date});
    if (cursor.len)
        memcpy(session->cursor, cursor.ptr, cursor.len);
    session->pull.cursor = bytes_of(session->cursor, cursor.len);
    session->pull.is_continued = true;
    memcpy(session->pull.incarnation, session->welcome.incarnation, INCARNATION_BYTES);
    session->has_pull = !is_up_to_date;
    session->has_pulled = session->has_pulled || is_up_to_date;
    flow_sent(&session->flow, text.len, session->now_ms);
    if (text.err)
        session_fail(session, text.err);
    else
        send_text(session, buffer_view(&text));
    buffer_clear(&text);
}

void session_hub_notify(struct session_hub *session)
{
    if (session->state == HUB_OPEN && session->has_pulled)
        session->has_pull = true;
}

bool session_hub_is_current(const struct session_hub *session, size_t bytes)
{
    return session->state == HUB_OPEN && session->has_pulled && !session->has_pull &&
           !session->is_loading && !session->is_ingesting && session->ingest.len == 0 &&
           session->out.len == 0 && flow_room(&session->flow) >= bytes + CURSOR_MAX;
}

void session_hub_live(struct session_hub *session, struct bytes frames, struct bytes cursor)
{
    session_hub_loaded(session, KITH_OK, frames, cursor, true);
}

/* A pull is answered after the data that came with it is durable, so that its cursor covers that
 * too. */
static bool may_load(const struct session_hub *session)
{
    return session->has_pull && !session->is_loading && !session->is_ingesting &&
           session->ingest.len == 0 && flow_room(&session->flow) > 0 && session->out.len == 0;
}

static void hand_out_ingest(struct session_hub *session, struct session_todo *todo)
{
    struct buffer empty = session->handed;

    session->handed = session->ingest;
    session->ingest = empty;
    session->handed_batches = session->ingest_batches;
    session->ingest_batches = 0;
    session->is_ingesting = true;
    *todo = (struct session_todo){.work = SESSION_INGEST, .bytes = buffer_view(&session->handed)};
}

/* A hub has many sessions that are silent: they keep no memory for what they do not hold. */
static void rest(struct session_hub *session)
{
    struct buffer *all[] = {&session->pending, &session->out, &session->ingest, &session->handed};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->len == 0 && all[i]->cap > 0)
            buffer_clear(all[i]);
}

static void find_work(struct session_hub *session, struct session_todo *todo)
{
    take_messages(session);
    if (session->out.len > 0) {
        session->is_out_handed = true;
        *todo = (struct session_todo){.work = SESSION_WRITE, .bytes = buffer_view(&session->out)};
        return;
    }
    if (session->state == HUB_CLOSED) {
        *todo = (struct session_todo){.work = SESSION_CLOSE, .err = session->err};
        return;
    }
    if (session->state == HUB_LOOKING) {
        todo->work = SESSION_LOOKUP;
        return;
    }
    bool is_ready = session->state == HUB_OPEN || session->state == HUB_JOINING;
    if (is_ready && session->ingest.len > 0 && !session->is_ingesting) {
        hand_out_ingest(session, todo);
        return;
    }
    if (is_ready && may_load(session)) {
        session->is_loading = true;
        session->pull.written = session->written;
        session->pull.room = (uint32_t)flow_room(&session->flow);
        todo->work = SESSION_LOAD;
    }
}

void session_hub_next(struct session_hub *session, struct session_todo *todo)
{
    memset(todo, 0, sizeof *todo);
    forget_handed_out(session);
    find_work(session, todo);
    if (todo->work == SESSION_WAIT)
        rest(session);
}
