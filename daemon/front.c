/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/session.h"

/* The preamble, and message 1 behind its length. */
#define POST_MAX (CHANNEL_PREAMBLE_BYTES + NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX)
#define RAW_MAX  (2 * SESSION_READ_MAX)
#define OUT_MAX  (4 * WINDOW_BYTES)

static const struct status {
    unsigned number;
    const char *text;
    const char *header;
} statuses[] = {
    {400, "Bad Request", ""},
    {403, "Forbidden", ""},
    {404, "Not Found", ""},
    {405, "Method Not Allowed", "Allow: GET, POST\r\n"},
    {411, "Length Required", ""},
    {413, "Content Too Large", ""},
    {426, "Upgrade Required",
     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n"},
    {431, "Request Header Fields Too Large", ""},
    {505, "HTTP Version Not Supported", ""},
    {500, "Internal Server Error", ""},
};

bool front_is_for(uint8_t first)
{
    return first >= 'A' && first <= 'Z' && first != 'K';
}

struct front *front_new(void)
{
    struct front *front = calloc(1, sizeof *front);

    if (!front)
        return NULL;
    http_init(&front->http, true, POST_MAX);
    buffer_init(&front->raw, RAW_MAX);
    buffer_init(&front->out, OUT_MAX);
    return front;
}

void front_free(struct front *front)
{
    if (!front)
        return;
    websocket_clear(&front->websocket);
    http_clear(&front->http);
    buffer_clear(&front->raw);
    buffer_clear(&front->out);
    free(front);
}

static void say(struct front *front, const char *text)
{
    buffer_add(&front->out, text, strlen(text));
}

static void say_status(struct front *front, unsigned number, const char *text, const char *header)
{
    char head[512];

    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 %u %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", number,
                   text, header);
    say(front, head);
    front->has_answered = true;
    front->stage = FRONT_OVER;
}

static void take_out(struct front *front)
{
    struct buffer *out = &front->websocket.out;

    buffer_add(&front->out, out->ptr, out->len);
    buffer_clear(out);
}

static void refuse(struct front *front, unsigned number)
{
    size_t i = 0;

    while (i + 1 < sizeof statuses / sizeof *statuses && statuses[i].number != number)
        i++;
    say_status(front, statuses[i].number, statuses[i].text, statuses[i].header);
}

static void refuse_busy(struct front *front, uint16_t seconds)
{
    char header[64];

    (void)snprintf(header, sizeof header, "Retry-After: %u\r\n", seconds);
    say_status(front, 503, "Service Unavailable", header);
}

/* What a request for a session has to say: 0, or the status that tells what is missing. */
static unsigned judge_upgrade(const struct http_head *head)
{
    if (!head->wants_websocket || head->websocket_version != 13)
        return 426;
    if (!head->has_host || head->is_coded || head->length > 0 ||
        !websocket_key_is_good(head->websocket_key) ||
        !http_list_names(head->websocket_protocol, WEBSOCKET_PROTOCOL))
        return 400;
    return 0;
}

static void begin_websocket(struct front *front)
{
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    unsigned refusal = judge_upgrade(&front->http.head);

    if (refusal) {
        refuse(front, refusal);
        return;
    }
    if (!websocket_accept(front->http.head.websocket_key, accept) ||
        websocket_init(&front->websocket, WEBSOCKET_HUB)) {
        refuse(front, 500);
        return;
    }
    say(front, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\nSec-WebSocket-Accept: ");
    say(front, accept);
    say(front, "\r\n\r\n");
    front->has_answered = true;
    front->stage = FRONT_WEBSOCKET;
}

static void begin_post(struct front *front)
{
    const struct http_head *head = &front->http.head;

    if (head->is_coded || !head->has_length)
        refuse(front, 411);
    else if (head->wants_websocket || head->length == 0)
        refuse(front, 400);
    else
        front->stage = FRONT_POST;
    if (front->stage == FRONT_POST && head->waits_for_go && front->http.stage == HTTP_IN_BODY)
        say(front, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void judge_head(struct front *front)
{
    const struct http_head *head = &front->http.head;
    bool is_session = strcmp(head->path, FRONT_PATH_SESSION) == 0;
    bool is_sync = strcmp(head->path, FRONT_PATH_SYNC) == 0;

    if (front->http.stage == HTTP_BROKEN)
        refuse(front, front->http.refusal);
    else if (!is_session && !is_sync)
        refuse(front, 404);
    else if (is_session ? !head->is_get : !head->is_post)
        refuse(front, 405);
    else if (is_session)
        begin_websocket(front);
    else
        begin_post(front);
}

static size_t look(struct front *front, struct bytes in)
{
    size_t taken = in.len;

    switch (front->stage) {
    case FRONT_HEAD:
        taken = http_receive(&front->http, in);
        if (front->http.stage != HTTP_IN_HEAD)
            judge_head(front);
        break;
    case FRONT_POST:
        if (front->http.stage == HTTP_IN_BODY)
            taken = http_receive(&front->http, in);
        if (front->http.stage == HTTP_BROKEN)
            refuse(front, front->http.refusal);
        break;
    case FRONT_WEBSOCKET:
        taken = websocket_receive(&front->websocket, in);
        take_out(front);
        if (front->websocket.is_over || front->websocket.err)
            front->stage = FRONT_OVER;
        break;
    case FRONT_OVER:
        break;
    }
    return taken;
}

/* Until there is something for the session, or all is seen. */
static void look_on(struct front *front)
{
    size_t taken = 1;

    while (taken > 0 && front->raw.len > 0 && websocket_stream(&front->websocket).len == 0) {
        taken = look(front, buffer_view(&front->raw));
        buffer_drop(&front->raw, taken);
    }
    if (front->raw.len == 0)
        buffer_clear(&front->raw);
}

void front_receive(struct front *front, struct bytes in)
{
    buffer_add(&front->raw, in.ptr, in.len);
    look_on(front);
}

bool front_wants_bytes(const struct front *front)
{
    return front->stage != FRONT_OVER && front->raw.len <= SESSION_READ_MAX;
}

static struct bytes first_piece(struct bytes bytes)
{
    return bytes_of(bytes.ptr, bytes.len < SESSION_READ_MAX ? bytes.len : SESSION_READ_MAX);
}

/* What the session was given last is dropped when it asks for more. */
struct bytes front_stream(struct front *front)
{
    struct bytes body = bytes_after(buffer_view(&front->http.body), front->posted);

    if (front->stage == FRONT_POST && front->http.stage == HTTP_WHOLE) {
        struct bytes piece = first_piece(body);
        front->posted += piece.len;
        return piece;
    }
    if (front->stage != FRONT_WEBSOCKET && front->stage != FRONT_OVER)
        return bytes_of(NULL, 0);
    websocket_taken(&front->websocket, front->handed);
    front->handed = 0;
    look_on(front);
    struct bytes piece = first_piece(websocket_stream(&front->websocket));
    front->handed = piece.len;
    return piece;
}

bool front_is_posted(const struct front *front)
{
    return front->stage == FRONT_POST && front->http.stage == HTTP_WHOLE &&
           front->posted == front->http.body.len;
}

bool front_is_over(const struct front *front)
{
    return front->stage == FRONT_OVER && websocket_stream(&front->websocket).len == front->handed;
}

static void send_message(struct front *front, struct bytes stream)
{
    websocket_send(&front->websocket, stream);
    take_out(front);
}

static void send_answer(struct front *front, struct bytes stream)
{
    if (!front->has_answered)
        say(front, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                   "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
    front->has_answered = true;
    buffer_add(&front->out, stream.ptr, stream.len);
}

/* In the clear a hub says nothing but that it is busy. */
static bool is_refusal(struct bytes stream)
{
    return stream.len == CHANNEL_REFUSAL_BYTES && get_u16(stream.ptr) == 0;
}

void front_send(struct front *front, struct bytes stream)
{
    if (front->stage == FRONT_WEBSOCKET)
        send_message(front, stream);
    else if (!front->has_answered && is_refusal(stream))
        refuse_busy(front, get_u16(stream.ptr + NOISE_LENGTH_BYTES));
    else if (front->stage == FRONT_POST)
        send_answer(front, stream);
}

void front_ping(struct front *front)
{
    if (front->stage != FRONT_WEBSOCKET)
        return;
    websocket_ping(&front->websocket);
    take_out(front);
}

static uint16_t code_of(enum kith_err err, bool is_leaving)
{
    if (is_leaving)
        return WEBSOCKET_GOING_AWAY;
    switch (error_actor(err)) {
    case KITH_NOBODY:
        return WEBSOCKET_NORMAL;
    case KITH_TIME:
        return WEBSOCKET_GOING_AWAY;
    case KITH_PROGRAM:
    case KITH_OPERATOR:
        return WEBSOCKET_FAULT;
    case KITH_PEER:
    case KITH_PERSON:
        return WEBSOCKET_POLICY;
    }
    return WEBSOCKET_POLICY;
}

void front_end(struct front *front, enum kith_err err, bool is_leaving)
{
    if (front->stage == FRONT_WEBSOCKET) {
        websocket_close(&front->websocket, code_of(err, is_leaving));
        take_out(front);
    } else if (front->stage == FRONT_POST && !front->has_answered) {
        refuse(front, 403);
    }
    front->stage = FRONT_OVER;
}

size_t front_waiting(const struct front *front)
{
    size_t whole = websocket_stream(&front->websocket).len - front->handed;

    return whole ? whole + front->raw.len : 0;
}

size_t front_partial(const struct front *front)
{
    size_t all = front->raw.len + front->websocket.stream.len - front->handed +
                 front->http.body.len - front->posted;

    return all - front_waiting(front);
}

uint64_t front_progress(const struct front *front)
{
    return front->http.head_bytes + front->http.body.len + front->websocket.payload_bytes;
}
