/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wslay cuts frames; it neither keeps what is in them nor does any I/O here. Its contexts hold 9 KB
 * each and read 4 KB ahead: a few small messages may come at once, one large one at most.
 */
#include "protocol/websocket.h"

#include <openssl/evp.h>
#include <string.h>
#include <wslay/wslay.h>

#include "protocol/channel.h"
#include "protocol/seal.h"

#define READ_AHEAD 4096 /* wslay's own buffer */
#define STREAM_MAX (NOISE_LENGTH_BYTES + WEBSOCKET_MESSAGE_MAX + 2 * READ_AHEAD)
#define OUT_MAX    (4 * WINDOW_BYTES)
#define SHA1_BYTES 20
#define GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* The payload that is there of the message that is not whole. */
static size_t partial_bytes(const struct websocket *websocket)
{
    size_t there = websocket->stream.len - websocket->whole;

    return there > NOISE_LENGTH_BYTES ? there - NOISE_LENGTH_BYTES : 0;
}

/* Ends it by a rule of ours; for its own rules wslay does the same. */
static void refuse(struct websocket *websocket, uint16_t code)
{
    if (websocket->is_over)
        return;
    websocket->is_over = true;
    websocket->code = code;
    (void)wslay_event_queue_close(websocket->wslay, code, NULL, 0);
    (void)wslay_event_shutdown_read(websocket->wslay);
}

/* The one that begins with a preamble. */
static bool is_first(const struct websocket *websocket)
{
    return websocket->role == WEBSOCKET_HUB && websocket->message_count == 0;
}

static void on_frame_start(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_start_arg *frame, void *owner)
{
    struct websocket *websocket = owner;
    size_t most = is_first(websocket) ? WEBSOCKET_MESSAGE_MAX : NOISE_MESSAGE_MAX;

    (void)wslay;
    websocket->is_data = !wslay_is_ctrl_frame(frame->opcode);
    if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1)
        refuse(websocket, WSLAY_CODE_PROTOCOL_ERROR); /* half a code, which wslay would take */
    if (!websocket->is_data || websocket->is_over)
        return;
    if (frame->opcode == WSLAY_TEXT_FRAME)
        refuse(websocket, WSLAY_CODE_UNSUPPORTED_DATA);
    else if (frame->payload_length > most - partial_bytes(websocket))
        refuse(websocket, WSLAY_CODE_MESSAGE_TOO_BIG);
    else if (frame->opcode == WSLAY_BINARY_FRAME)
        (void)buffer_extend(&websocket->stream, NOISE_LENGTH_BYTES);
}

static void on_chunk(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *owner)
{
    struct websocket *websocket = owner;

    (void)wslay;
    if (!websocket->is_data || websocket->is_over)
        return;
    buffer_add(&websocket->stream, chunk->data, chunk->data_length);
    websocket->payload_bytes += chunk->data_length;
}

/* Puts the length where TCP has it: before the Noise message, after a preamble, and nowhere in a
 * refusal. */
static void end_message(struct websocket *websocket)
{
    size_t len = partial_bytes(websocket);
    size_t lead = is_first(websocket) ? CHANNEL_PREAMBLE_BYTES : 0;

    if (websocket->stream.err) {
        websocket->err = websocket->stream.err;
        refuse(websocket, WEBSOCKET_FAULT);
        return;
    }
    uint8_t *at = websocket->stream.ptr + websocket->whole;
    bool is_refusal = websocket->role == WEBSOCKET_DEVICE && len == CHANNEL_REFUSAL_BYTES &&
                      get_u16(at + NOISE_LENGTH_BYTES) == 0;
    if (!is_refusal && len < lead + TAG_BYTES) {
        refuse(websocket, WEBSOCKET_POLICY);
        return;
    }
    if (len - lead > NOISE_MESSAGE_MAX) {
        refuse(websocket, WSLAY_CODE_MESSAGE_TOO_BIG);
        return;
    }
    if (is_refusal) {
        memmove(at, at + NOISE_LENGTH_BYTES, len);
        websocket->stream.len -= NOISE_LENGTH_BYTES;
    } else {
        memmove(at, at + NOISE_LENGTH_BYTES, lead);
        put_u16(at + lead, (uint16_t)(len - lead));
    }
    websocket->whole = websocket->stream.len;
    websocket->message_count++;
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *owner)
{
    struct websocket *websocket = owner;

    (void)wslay;
    if (websocket->is_over)
        return;
    if (message->opcode == WSLAY_BINARY_FRAME) {
        end_message(websocket);
    } else if (message->opcode == WSLAY_CONNECTION_CLOSE) {
        websocket->is_over = true;
        websocket->code = message->status_code ? message->status_code : WEBSOCKET_NORMAL;
    }
}

static ssize_t on_read(wslay_event_context_ptr wslay, uint8_t *to, size_t len, int flags,
                       void *owner)
{
    struct websocket *websocket = owner;
    size_t count = len < websocket->raw.len ? len : websocket->raw.len;

    (void)flags;
    if (count == 0 || websocket->whole > 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, websocket->raw.ptr, count);
    websocket->raw = bytes_after(websocket->raw, count);
    return (ssize_t)count;
}

static ssize_t on_write(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t len, int flags,
                        void *owner)
{
    struct websocket *websocket = owner;

    (void)flags;
    buffer_add(&websocket->out, bytes, len);
    if (!websocket->out.err)
        return (ssize_t)len;
    wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* A mask keeps proxies from taking what we send for requests; it is no secret. */
static int on_mask(wslay_event_context_ptr wslay, uint8_t *to, size_t len, void *owner)
{
    (void)wslay;
    (void)owner;
    seal_random(to, len);
    return 0;
}

enum kith_err websocket_init(struct websocket *websocket, enum websocket_role role)
{
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_read,
        .send_callback = on_write,
        .genmask_callback = on_mask,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_message,
    };

    memset(websocket, 0, sizeof *websocket);
    websocket->role = role;
    buffer_init(&websocket->stream, STREAM_MAX);
    buffer_init(&websocket->out, OUT_MAX);
    int failed = role == WEBSOCKET_HUB
                     ? wslay_event_context_server_init(&websocket->wslay, &callbacks, websocket)
                     : wslay_event_context_client_init(&websocket->wslay, &callbacks, websocket);
    if (failed) {
        websocket->wslay = NULL;
        return KITH_MEMORY;
    }
    wslay_event_config_set_no_buffering(websocket->wslay, 1);
    wslay_event_config_set_max_recv_msg_length(websocket->wslay, WEBSOCKET_MESSAGE_MAX);
    return KITH_OK;
}

void websocket_clear(struct websocket *websocket)
{
    if (websocket->wslay)
        wslay_event_context_free(websocket->wslay);
    websocket->wslay = NULL;
    buffer_clear(&websocket->stream);
    buffer_clear(&websocket->out);
}

/* A frame that cannot be is answered by wslay with a close that says nothing: we say it ourselves.
 */
static void refuse_frame(struct websocket *websocket)
{
    static const uint8_t bare[] = {0x88, 0x02, WSLAY_CODE_PROTOCOL_ERROR >> 8,
                                   WSLAY_CODE_PROTOCOL_ERROR & 0xFF};
    static const uint8_t masked[] = {
        0x88, 0x82, 0, 0, 0, 0, WSLAY_CODE_PROTOCOL_ERROR >> 8, WSLAY_CODE_PROTOCOL_ERROR & 0xFF};

    if (websocket->role == WEBSOCKET_HUB)
        buffer_add(&websocket->out, bare, sizeof bare);
    else
        buffer_add(&websocket->out, masked, sizeof masked);
    wslay_event_context_free(websocket->wslay);
    websocket->wslay = NULL;
    websocket->is_over = true;
    websocket->code = WSLAY_CODE_PROTOCOL_ERROR;
}

/* Everything that wslay has to say goes to `out` at once. */
static void flush(struct websocket *websocket)
{
    while (!websocket->err && websocket->wslay && wslay_event_want_write(websocket->wslay))
        if (wslay_event_send(websocket->wslay))
            websocket->err = websocket->out.err ? websocket->out.err : KITH_MEMORY;
}

/* A rule that wslay keeps was broken: it has queued the code. */
static void note_end(struct websocket *websocket)
{
    if (websocket->is_over || wslay_event_get_read_enabled(websocket->wslay))
        return;
    websocket->is_over = true;
    websocket->code = wslay_event_get_status_code_sent(websocket->wslay);
}

size_t websocket_receive(struct websocket *websocket, struct bytes in)
{
    if (websocket->is_over || websocket->err)
        return in.len;
    websocket->raw = in;
    int failed = wslay_event_recv(websocket->wslay);
    if (failed == WSLAY_ERR_NOMEM)
        websocket->err = KITH_MEMORY;
    else if (failed && !websocket->is_over)
        refuse_frame(websocket);
    flush(websocket);
    note_end(websocket);
    size_t taken = in.len - websocket->raw.len;
    websocket->raw = bytes_of(NULL, 0);
    return websocket->is_over ? in.len : taken;
}

struct bytes websocket_stream(const struct websocket *websocket)
{
    return bytes_of(websocket->stream.ptr, websocket->whole);
}

void websocket_taken(struct websocket *websocket, size_t count)
{
    buffer_drop(&websocket->stream, count);
    websocket->whole -= count;
    if (websocket->stream.len == 0)
        buffer_clear(&websocket->stream);
}

static void queue(struct websocket *websocket, uint8_t opcode, struct bytes payload)
{
    const struct wslay_event_msg message = {opcode, payload.ptr, payload.len};
    int failed = websocket->wslay ? wslay_event_queue_msg(websocket->wslay, &message) : 0;

    /* After a close nothing more is sent, and nobody waits for it. */
    if (failed == WSLAY_ERR_NOMEM)
        websocket->err = KITH_MEMORY;
}

/* The device's first message: the preamble and message 1 in one. */
static size_t send_first(struct websocket *websocket, struct bytes stream)
{
    struct buffer message;
    size_t len = get_u16(stream.ptr + CHANNEL_PREAMBLE_BYTES);
    struct bytes rest = bytes_after(stream, CHANNEL_PREAMBLE_BYTES + NOISE_LENGTH_BYTES);

    buffer_init(&message, WEBSOCKET_MESSAGE_MAX);
    buffer_add(&message, stream.ptr, CHANNEL_PREAMBLE_BYTES);
    buffer_add(&message, rest.ptr, len);
    websocket->err = message.err;
    if (!message.err)
        queue(websocket, WSLAY_BINARY_FRAME, buffer_view(&message));
    buffer_clear(&message);
    return stream.len - rest.len + len;
}

/* A length and its message; a refusal has none, and goes as it is. */
static size_t send_next(struct websocket *websocket, struct bytes stream)
{
    size_t len = get_u16(stream.ptr);
    struct bytes message = len ? bytes_of(stream.ptr + NOISE_LENGTH_BYTES, len)
                               : bytes_of(stream.ptr, CHANNEL_REFUSAL_BYTES);

    queue(websocket, WSLAY_BINARY_FRAME, message);
    return len ? NOISE_LENGTH_BYTES + len : CHANNEL_REFUSAL_BYTES;
}

void websocket_send(struct websocket *websocket, struct bytes stream)
{
    while (!websocket->err && stream.len > 0) {
        bool is_greeting = websocket->role == WEBSOCKET_DEVICE && !websocket->has_sent;
        size_t sent = is_greeting ? send_first(websocket, stream) : send_next(websocket, stream);
        websocket->has_sent = true;
        stream = bytes_after(stream, sent);
    }
    flush(websocket);
}

void websocket_ping(struct websocket *websocket)
{
    queue(websocket, WSLAY_PING, bytes_of(NULL, 0));
    flush(websocket);
}

void websocket_close(struct websocket *websocket, uint16_t code)
{
    refuse(websocket, code);
    flush(websocket);
}

static void base64_write(const uint8_t *from, size_t len, char *text)
{
    (void)EVP_EncodeBlock((unsigned char *)text, from, (int)len);
}

void websocket_key(char key[static WEBSOCKET_KEY_CHARS + 1])
{
    uint8_t chance[WEBSOCKET_KEY_BYTES];

    seal_random(chance, sizeof chance);
    base64_write(chance, sizeof chance, key);
}

bool websocket_key_is_good(const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strlen(key) == WEBSOCKET_KEY_CHARS && strspn(key, digits) == WEBSOCKET_KEY_CHARS - 2 &&
           strcmp(key + WEBSOCKET_KEY_CHARS - 2, "==") == 0;
}

/* SHA-1, as the RFC wants it: it shows that the other side speaks WebSocket, and protects nothing.
 */
bool websocket_accept(const char *key, char accept[static WEBSOCKET_ACCEPT_CHARS + 1])
{
    char text[WEBSOCKET_KEY_CHARS + sizeof GUID] = {0};
    uint8_t hash[EVP_MAX_MD_SIZE];
    size_t len = strnlen(key, WEBSOCKET_KEY_CHARS);

    memcpy(text, key, len);
    memcpy(text + len, GUID, sizeof GUID);
    accept[0] = '\0';
    if (EVP_Digest(text, strlen(text), hash, NULL, EVP_sha1(), NULL) != 1)
        return false;
    base64_write(hash, SHA1_BYTES, accept);
    return true;
}
