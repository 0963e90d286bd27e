/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/session.h"

#include <assert.h>
#include <string.h>

#define HELLO_ROOM 32 /* a HELLO, CREDIT or BYE frame, at most */

void session_device_init(struct session_device *session, const struct session_device_config *config)
{
    memset(session, 0, sizeof *session);
    buffer_init(&session->pending, 2 * SESSION_READ_MAX);
    buffer_init(&session->out, 2 * WINDOW_BYTES);
    buffer_init(&session->text, NOISE_TEXT_MAX);
    channel_init_device(&session->channel, config->carrier, config->mode, config->keys,
                        config->ephemeral_secret, config->hub_key, config->psk);
    session->hello = (struct hello){KITH_PROTOCOL_VERSION, config->device, config->clock_ms};
    session->is_single = config->is_single;
    session->is_staying = config->is_staying;
    session->has_more = true;
    session->has_heard = true;
    flow_init(&session->flow);
}

void session_device_clear(struct session_device *session)
{
    channel_clear(&session->channel);
    buffer_clear(&session->pending);
    buffer_clear(&session->out);
    buffer_clear(&session->text);
}

static void session_fail(struct session_device *session, enum kith_err err)
{
    if (session->state == DEVICE_CLOSED)
        return;
    session->state = DEVICE_CLOSED;
    session->err = err;
    session->has_text = false;
}

/* A flight is what is sent after something was heard: the answer to it costs one round trip. */
static void count_flight(struct session_device *session)
{
    session->round_trips += session->has_heard;
    session->has_heard = false;
}

/* What was handed out with SESSION_WRITE has been sent by the next call, whichever that is. */
static void forget_handed_out(struct session_device *session)
{
    if (session->is_out_handed)
        buffer_reset(&session->out);
    session->is_out_handed = false;
}

static void send_text(struct session_device *session, struct bytes text)
{
    forget_handed_out(session);
    size_t before = session->out.len;
    enum kith_err err = channel_send(&session->channel, text, &session->out);

    if (err)
        session_fail(session, err);
    session->bytes_out += session->out.len - before;
}

/* What kind of frames a batch holds decides what answers to wait for. A batch of our own shell is
 * well formed. */
static void note_batch(struct session_device *session, struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    bool has_data = false;

    while (frame_next(&batch, &frame)) {
        if (frame.type == FRAME_PULL)
            session->is_pulling = true;
        else
            has_data = true;
    }
    if (has_data) {
        session->unanswered_bytes[session->unanswered++] = (uint32_t)frames.len;
        flow_sent(&session->flow, frames.len, session->now_ms);
    }
}

void session_device_filled(struct session_device *session, struct bytes frames, bool has_more)
{
    session->is_filling = false;
    session->has_more = has_more;
    if (session->state == DEVICE_CLOSED)
        return;
    buffer_reset(&session->text);
    if (session->state == DEVICE_START) {
        hello_write(&session->text, &session->hello);
        session->state = DEVICE_GREETED;
    } else if (frames.len == 0) {
        return;
    }
    buffer_add(&session->text, frames.ptr, frames.len);
    note_batch(session, frames);
    count_flight(session);
    send_text(session, buffer_view(&session->text));
    buffer_reset(&session->text);
}

static enum kith_err read_ack(struct session_device *session, struct frame *frame)
{
    struct ack ack;
    enum kith_err err = ack_read(&ack, frame);
    uint64_t bytes = 0;

    if (err || ack.batches > session->unanswered)
        return err ? err : KITH_STATE;
    for (uint32_t i = 0; i < ack.batches; i++)
        bytes += session->unanswered_bytes[i];
    session->unanswered -= ack.batches;
    memmove(session->unanswered_bytes, session->unanswered_bytes + ack.batches,
            session->unanswered * sizeof *session->unanswered_bytes);
    return flow_answered(&session->flow, bytes, session->now_ms) ? KITH_OK : KITH_STATE;
}

/* Takes what the session itself must know out of a batch; the rest is the shell's. */
static enum kith_err read_control(struct session_device *session, struct frame *frame)
{
    struct cursor_frame cursor;
    enum kith_err reason;
    enum kith_err err;

    if (session->state == DEVICE_GREETED && frame->type != FRAME_WELCOME &&
        frame->type != FRAME_ERROR && frame->type != FRAME_RETRY)
        return KITH_STATE;
    switch (frame->type) {
    case FRAME_WELCOME:
        if (session->state != DEVICE_GREETED)
            return KITH_STATE;
        err = welcome_read(&session->welcome, frame);
        if (!err && session->welcome.version != KITH_PROTOCOL_VERSION)
            err = KITH_VERSION;
        if (!err)
            session->state = DEVICE_OPEN;
        return err;
    case FRAME_ERROR:
        err = error_read(&reason, frame);
        return err ? err : reason;
    case FRAME_RETRY:
        err = retry_read(&session->retry_s, frame);
        return err ? err : KITH_BUSY;
    case FRAME_BYE:
        return KITH_LOST;
    case FRAME_ACK:
        return read_ack(session, frame);
    case FRAME_CURSOR:
        err = cursor_read(&cursor, frame);
        if (!err && cursor.is_up_to_date)
            session->is_pulling = false;
        return err;
    default:
        return KITH_OK;
    }
}

static void read_message(struct session_device *session, struct bytes message)
{
    struct wire_in batch = wire_open(message);
    struct frame frame;
    bool is_answer = false; /* to a PULL: only those the hub counts */
    enum kith_err err = KITH_OK;

    while (!err && frame_next(&batch, &frame)) {
        is_answer = is_answer || frame.type == FRAME_CURSOR;
        err = read_control(session, &frame);
    }
    if (!err)
        err = wire_close(&batch);
    if (err) {
        session_fail(session, err);
        return;
    }
    buffer_reset(&session->text);
    buffer_add(&session->text, message.ptr, message.len);
    session->has_text = message.len > 0;
    if (is_answer)
        session->credit_bytes += message.len;
}

void session_device_receive(struct session_device *session, struct bytes in)
{
    assert(in.len <= SESSION_READ_MAX);
    session->bytes_in += in.len;
    session->has_heard = true;
    buffer_add(&session->pending, in.ptr, in.len);
    if (session->pending.err)
        session_fail(session, session->pending.err);
}

bool session_device_wants_bytes(const struct session_device *session)
{
    return session->state != DEVICE_CLOSED && session->pending.len <= SESSION_READ_MAX;
}

/* One message at a time: the next is looked at when this one's batch has been applied. */
static void take_message(struct session_device *session)
{
    struct bytes message;

    while (!session->has_text && session->state != DEVICE_CLOSED) {
        size_t taken = channel_receive(&session->channel, buffer_view(&session->pending));
        buffer_drop(&session->pending, taken);
        if (!channel_next(&session->channel, &message))
            break;
        read_message(session, message);
    }
    if (session->channel.err == KITH_BUSY)
        session->retry_s = session->channel.retry_s;
    if (session->channel.err)
        session_fail(session, session->channel.err);
}

void session_device_more(struct session_device *session)
{
    session->has_more = true;
    session->is_settled = false;
}

void session_device_leave(struct session_device *session)
{
    session->is_staying = false;
}

void session_device_abort(struct session_device *session, enum kith_err err)
{
    session->is_filling = false;
    session->is_applying = false;
    session_fail(session, err);
}

void session_device_hangup(struct session_device *session)
{
    session_fail(session, session->state == DEVICE_LEAVING ? KITH_OK : KITH_LOST);
}

static bool may_fill(const struct session_device *session)
{
    bool is_turn =
        session->state == DEVICE_START || (session->state == DEVICE_OPEN && !session->is_single);

    return is_turn && session->has_more && session->unanswered < SESSION_UNANSWERED_MAX &&
           flow_room(&session->flow) > 0;
}

static bool is_finished(const struct session_device *session)
{
    return session->state == DEVICE_OPEN && !session->has_more && session->unanswered == 0 &&
           !session->is_pulling;
}

static void say_bye(struct session_device *session)
{
    struct buffer bye;

    buffer_init(&bye, HELLO_ROOM);
    bye_write(&bye);
    session->state = DEVICE_LEAVING;
    send_text(session, buffer_view(&bye));
    buffer_clear(&bye);
}

/* Message 1 may be a recording: only what comes after message 2 shows that the device is there. */
static void prove_presence(struct session_device *session)
{
    if (channel_sent(&session->channel) == 0)
        send_text(session, bytes_of(NULL, 0));
}

/* At once during a download: from when it comes the hub learns what the link carries. */
static void give_credit(struct session_device *session)
{
    uint64_t due = session->is_pulling ? 1 : FLOW_ANSWER_DUE;
    struct buffer credit;

    if (session->credit_bytes < due || session->state != DEVICE_OPEN)
        return;
    buffer_init(&credit, HELLO_ROOM);
    credit_write(&credit, session->credit_bytes);
    session->credit_bytes = 0;
    send_text(session, buffer_view(&credit));
    buffer_clear(&credit);
}

void session_device_applied(struct session_device *session, enum kith_err err, bool has_more)
{
    session->is_applying = false;
    session->is_settled = false;
    session->has_text = false;
    if (err)
        session_fail(session, err);
    else if (session->state != DEVICE_LEAVING)
        session->has_more = session->has_more || has_more;
    give_credit(session);
}

void session_device_next(struct session_device *session, struct session_todo *todo)
{
    memset(todo, 0, sizeof *todo);
    forget_handed_out(session);
    if (session->is_applying || session->is_filling)
        return;
    take_message(session);
    if (session->state == DEVICE_CLOSED) {
        *todo = (struct session_todo){.work = SESSION_CLOSE, .err = session->err};
        return;
    }
    if (session->has_text) {
        session->is_applying = true;
        *todo = (struct session_todo){.work = SESSION_APPLY, .bytes = buffer_view(&session->text)};
        return;
    }
    if (may_fill(session)) {
        session->is_filling = true;
        /* The first flight carries all that it can: the next one is a round trip later. */
        size_t room =
            session->state == DEVICE_START ? BATCH_MAX - HELLO_ROOM : flow_room(&session->flow);
        *todo = (struct session_todo){.work = SESSION_FILL, .room = room};
        return;
    }
    if (is_finished(session) && session->is_staying)
        prove_presence(session);
    else if (is_finished(session))
        say_bye(session);
    if (session->out.len > 0) {
        session->is_out_handed = true;
        *todo = (struct session_todo){.work = SESSION_WRITE, .bytes = buffer_view(&session->out)};
        return;
    }
    if (session->state == DEVICE_LEAVING) {
        *todo = (struct session_todo){.work = SESSION_CLOSE, .err = KITH_OK};
    } else if (is_finished(session) && !session->is_settled) {
        session->is_settled = true;
        todo->work = SESSION_SETTLED;
    }
}
