/* SPDX-License-Identifier: Apache-2.0 */
#include "client/carrier.h"

#include <stdio.h>
#include <string.h>

#include "protocol/session.h"

#define RAW_MAX (4 * SESSION_READ_MAX)
#define OUT_MAX (4 * WINDOW_BYTES)
/* Of a response, what waits for the session. */
#define BODY_MAX (4 * SESSION_READ_MAX)
#define HEAD_MAX 1024

static void fail(struct carrier *carrier, enum kith_err err)
{
    if (!carrier->err)
        carrier->err = err;
    carrier->stage = CARRIER_OVER;
}

enum kith_err carrier_init(struct carrier *carrier, const struct address *address, bool is_single)
{
    memset(carrier, 0, sizeof *carrier);
    carrier->address = address;
    carrier->is_single = is_single;
    http_init(&carrier->http, false, BODY_MAX);
    buffer_init(&carrier->raw, RAW_MAX);
    buffer_init(&carrier->out, OUT_MAX);
    enum kith_err err = websocket_init(&carrier->websocket, WEBSOCKET_DEVICE);
    if (!err && address->kind == ADDRESS_WSS)
        err = tls_open(&carrier->tls, address->host);
    return err;
}

void carrier_clear(struct carrier *carrier)
{
    tls_close(&carrier->tls);
    websocket_clear(&carrier->websocket);
    http_clear(&carrier->http);
    buffer_clear(&carrier->raw);
    buffer_clear(&carrier->out);
}

/* Plain bytes towards the socket. */
static void pass(struct carrier *carrier, struct bytes plain)
{
    enum kith_err err = KITH_OK;

    if (carrier->tls)
        err = tls_send(carrier->tls, plain, &carrier->out);
    else
        buffer_add(&carrier->out, plain.ptr, plain.len);
    if (err || carrier->out.err)
        fail(carrier, err ? err : carrier->out.err);
}

static void pass_messages(struct carrier *carrier)
{
    struct buffer *out = &carrier->websocket.out;

    if (out->len > 0)
        pass(carrier, buffer_view(out));
    buffer_clear(out);
    if (carrier->websocket.err)
        fail(carrier, carrier->websocket.err);
}

/* The head of a request but for what is its own, and how long it is. */
static size_t write_head(const struct carrier *carrier, const char *what,
                         char head[static HEAD_MAX])
{
    const struct address *to = carrier->address;
    bool is_v6 = to->is_numeric_v6;

    return (size_t)snprintf(head, HEAD_MAX, "%s %s%s HTTP/1.1\r\nHost: %s%s%s:%u\r\n",
                            carrier->is_single ? "POST" : "GET", to->path, what, is_v6 ? "[" : "",
                            to->host, is_v6 ? "]" : "", to->port);
}

static void ask_upgrade(struct carrier *carrier)
{
    char key[WEBSOCKET_KEY_CHARS + 1];
    char head[HEAD_MAX];
    size_t len = write_head(carrier, "/kith", head);

    websocket_key(key);
    if (!websocket_accept(key, carrier->accept)) {
        fail(carrier, KITH_MEMORY);
        return;
    }
    len += (size_t)snprintf(head + len, sizeof head - len,
                            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                            "Sec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n\r\n",
                            key);
    pass(carrier, bytes_of(head, len));
}

static void post(struct carrier *carrier, struct bytes flight)
{
    char head[HEAD_MAX];
    size_t len = write_head(carrier, "/sync", head);

    len += (size_t)snprintf(head + len, sizeof head - len,
                            "Content-Type: application/octet-stream\r\n"
                            "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                            flight.len);
    carrier->has_asked = true;
    pass(carrier, bytes_of(head, len));
    pass(carrier, flight);
}

/* The way to the server is open. */
static void open_way(struct carrier *carrier)
{
    if (carrier->is_single) {
        carrier->stage = CARRIER_READY;
        return;
    }
    carrier->has_asked = true;
    ask_upgrade(carrier);
}

static void fail_status(struct carrier *carrier, unsigned status)
{
    bool is_busy = status == 503 || status == 429;
    bool is_hub_gone = status == 502 || status == 504;

    carrier->retry_s = carrier->http.head.retry_s;
    (void)snprintf(carrier->why, sizeof carrier->why, "it answers with HTTP status %u", status);
    fail(carrier, is_busy ? KITH_BUSY : is_hub_gone ? KITH_UNREACHABLE : KITH_NOT_HUB);
}

static void fail_speech(struct carrier *carrier)
{
    (void)snprintf(carrier->why, sizeof carrier->why, "it does not speak HTTP");
    fail(carrier, KITH_NOT_HUB);
}

static void judge_answer(struct carrier *carrier)
{
    const struct http_head *head = &carrier->http.head;

    if (carrier->http.stage == HTTP_BROKEN) {
        fail_speech(carrier);
    } else if (head->status != 101) {
        fail_status(carrier, head->status);
    } else if (!head->wants_websocket || strcmp(head->websocket_accept, carrier->accept) != 0 ||
               !http_list_names(head->websocket_protocol, WEBSOCKET_PROTOCOL)) {
        (void)snprintf(carrier->why, sizeof carrier->why, "it speaks another kind of WebSocket");
        fail(carrier, KITH_NOT_HUB);
    } else {
        carrier->stage = CARRIER_READY;
    }
}

/* A hub that has no room even to read says so before it knows who is there. */
static bool is_refused_at_once(struct carrier *carrier)
{
    const struct buffer *raw = &carrier->raw;

    if (carrier->http.head_bytes > 0 || raw->len < CHANNEL_REFUSAL_BYTES || get_u16(raw->ptr) != 0)
        return false;
    carrier->retry_s = get_u16(raw->ptr + NOISE_LENGTH_BYTES);
    fail(carrier, KITH_BUSY);
    return true;
}

static size_t look_at_response(struct carrier *carrier, struct bytes in)
{
    struct http *http = &carrier->http;
    size_t taken = in.len;

    if (is_refused_at_once(carrier))
        return taken;
    taken = http_receive(http, in);
    if (http->stage == HTTP_BROKEN)
        fail_speech(carrier);
    else if (http->stage != HTTP_IN_HEAD && http->head.status != 200)
        fail_status(carrier, http->head.status);
    else if (http->stage == HTTP_WHOLE)
        carrier->stage = CARRIER_OVER;
    return taken;
}

static size_t look(struct carrier *carrier, struct bytes in)
{
    size_t taken = in.len;

    if (carrier->is_single && carrier->stage == CARRIER_READY)
        return look_at_response(carrier, in);
    if (carrier->stage == CARRIER_GREETING && !is_refused_at_once(carrier)) {
        taken = http_receive(&carrier->http, in);
        if (carrier->http.stage != HTTP_IN_HEAD)
            judge_answer(carrier);
    } else if (carrier->stage == CARRIER_READY) {
        taken = websocket_receive(&carrier->websocket, in);
        pass_messages(carrier);
        if (carrier->websocket.is_over)
            carrier->stage = CARRIER_OVER;
    }
    return taken;
}

/* What is there for the session. */
static struct bytes stream_of(const struct carrier *carrier)
{
    return carrier->is_single ? buffer_view(&carrier->http.body)
                              : websocket_stream(&carrier->websocket);
}

/* Until there is something for the session, or all is seen. */
static void look_on(struct carrier *carrier)
{
    size_t taken = 1;

    while (taken > 0 && carrier->raw.len > 0 && stream_of(carrier).len == 0) {
        taken = look(carrier, buffer_view(&carrier->raw));
        buffer_drop(&carrier->raw, taken);
    }
}

static void receive_tls(struct carrier *carrier, struct bytes in)
{
    enum kith_err err = tls_receive(carrier->tls, in, &carrier->raw, &carrier->out, carrier->why);

    if (!err && !carrier->has_asked && carrier->stage == CARRIER_GREETING &&
        tls_is_open(carrier->tls))
        open_way(carrier);
    look_on(carrier);
    if (err)
        fail(carrier, err);
}

void carrier_begin(struct carrier *carrier)
{
    if (carrier->tls)
        receive_tls(carrier, bytes_of(NULL, 0));
    else
        open_way(carrier);
}

void carrier_receive(struct carrier *carrier, struct bytes in)
{
    if (carrier->tls) {
        receive_tls(carrier, in);
        return;
    }
    buffer_add(&carrier->raw, in.ptr, in.len);
    if (carrier->raw.err)
        fail(carrier, carrier->raw.err);
    look_on(carrier);
}

/* What the session was given last is dropped when it asks for more. */
struct bytes carrier_stream(struct carrier *carrier)
{
    if (carrier->is_single)
        buffer_drop(&carrier->http.body, carrier->handed);
    else
        websocket_taken(&carrier->websocket, carrier->handed);
    look_on(carrier);
    struct bytes stream = stream_of(carrier);
    carrier->handed = stream.len < SESSION_READ_MAX ? stream.len : SESSION_READ_MAX;
    return bytes_of(stream.ptr, carrier->handed);
}

void carrier_send(struct carrier *carrier, struct bytes stream)
{
    if (carrier->is_single) {
        if (!carrier->has_asked)
            post(carrier, stream);
        return;
    }
    websocket_send(&carrier->websocket, stream);
    pass_messages(carrier);
}

void carrier_end(struct carrier *carrier)
{
    if (carrier->stage != CARRIER_READY || carrier->is_single)
        return;
    websocket_close(&carrier->websocket, WEBSOCKET_NORMAL);
    pass_messages(carrier);
    carrier->stage = CARRIER_OVER;
}
