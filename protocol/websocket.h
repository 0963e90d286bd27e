/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a channel as WebSocket messages (RFC 6455), on either side, without I/O: each Noise
 * message is one binary message, without its length; the preamble stands at the front of the
 * device's first. What comes out of websocket_stream is what would have come over TCP.
 *
 * Fragments are put together, pings answered, and whatever breaks the rules ends it with the code
 * that says so: 1002 a frame that is not allowed, 1003 text, 1007 a close reason that is no UTF-8,
 * 1008 a message that is no Noise message, 1009 one that is too large. Memory: one message,
 * whatever it is cut into, and what is to be sent. Source: docs/protocol.md, section 3.1.
 */
#ifndef KITH_PROTOCOL_WEBSOCKET_H
#define KITH_PROTOCOL_WEBSOCKET_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define WEBSOCKET_PROTOCOL "kith.1" /* Sec-WebSocket-Protocol */
/* The preamble and message 1. */
#define WEBSOCKET_MESSAGE_MAX  (3 + NOISE_MESSAGE_MAX)
#define WEBSOCKET_KEY_BYTES    16
#define WEBSOCKET_KEY_CHARS    24 /* 16 bytes in base64 */
#define WEBSOCKET_ACCEPT_CHARS 28 /* 20 bytes in base64 */

enum websocket_role { WEBSOCKET_HUB, WEBSOCKET_DEVICE };

/* Close codes that we send by ourselves, beside those of broken rules. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001, /* also: busy. 1013 would say that, and is refused by many */
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_FAULT = 1011,
};

struct websocket {
    enum websocket_role role;
    struct wslay_event_context *wslay;
    struct bytes raw;       /* while websocket_receive runs */
    struct buffer stream;   /* whole messages as a channel has them, then a part of one */
    size_t whole;           /* bytes of whole ones */
    uint64_t message_count; /* whole ones so far */
    uint64_t payload_bytes; /* of data so far */
    struct buffer out;      /* bytes to send; the owner resets it */
    uint16_t code;          /* what it was closed with; 0: it is open */
    bool is_data;           /* the frame that is being read is none of control */
    bool has_sent;          /* a message of data */
    bool is_over;           /* nothing more is read */
    enum kith_err err;      /* MEMORY */
};

MUST_USE enum kith_err websocket_init(struct websocket *websocket, enum websocket_role role);
void websocket_clear(struct websocket *websocket);

/* Takes up to `in.len` bytes and returns how many: it stops soon after a whole message is there.
 * May add to `out`. Once is_over, it takes all and looks at nothing. */
size_t websocket_receive(struct websocket *websocket, struct bytes in);
/* Whole messages, for channel_receive. Valid until the next call. */
struct bytes websocket_stream(const struct websocket *websocket);
void websocket_taken(struct websocket *websocket, size_t count);

/* Bytes that a channel wrote, whole messages only, become messages in `out`. */
void websocket_send(struct websocket *websocket, struct bytes stream);
void websocket_ping(struct websocket *websocket);
/* Says the code, if nothing was said yet. */
void websocket_close(struct websocket *websocket, uint16_t code);

/* A device's key for the request, and what the hub must answer to it (RFC 6455, section 4.2.2);
 * both with a final zero. False if the hash is not to be had. */
void websocket_key(char key[static WEBSOCKET_KEY_CHARS + 1]);
MUST_USE bool websocket_accept(const char *key, char accept[static WEBSOCKET_ACCEPT_CHARS + 1]);
/* Whether it is 16 bytes in base64. */
bool websocket_key_is_good(const char *key);

#endif
