/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web's side of a connection: stands between its socket and its session when the first byte is
 * not ours. It reads one request, and then either carries the session as WebSocket messages
 * (GET /kith), or gives it the body and sends what it answers as the response (POST /sync), or says
 * with a status what is wrong.
 *
 *   HEAD --GET /kith--> WEBSOCKET --close, either way--> OVER
 *        --POST /sync--> POST ----------- finished ----> OVER
 *        --anything else, with a status ---------------> OVER
 *
 * Without I/O: bytes of the socket go in with front_receive; what the session gets comes out of
 * front_stream; `out` is what the socket has to write.
 */
#ifndef KITH_DAEMON_FRONT_H
#define KITH_DAEMON_FRONT_H

#include "protocol/http.h"
#include "protocol/websocket.h"

#define FRONT_PATH_SESSION "/kith"
#define FRONT_PATH_SYNC    "/sync"

enum front_stage { FRONT_HEAD, FRONT_WEBSOCKET, FRONT_POST, FRONT_OVER };

struct front {
    enum front_stage stage;
    bool has_answered; /* the response has begun */
    struct http http;
    struct websocket websocket; /* from FRONT_WEBSOCKET on */
    struct buffer raw;          /* what came and was not looked at */
    struct buffer out;          /* the owner writes and resets it */
    size_t posted;              /* bytes of the body that the session has */
    size_t handed;              /* bytes of the WebSocket's messages that it has */
    uint64_t pinged_ms;         /* the last time; 0: never */
};

/* Whether a connection that begins so is for us. */
bool front_is_for(uint8_t first);
/* NULL without memory. */
struct front *front_new(void);
void front_free(struct front *front);

/* Takes all of it, at most SESSION_READ_MAX bytes, and only while front_wants_bytes. */
void front_receive(struct front *front, struct bytes in);
bool front_wants_bytes(const struct front *front);
/* The next bytes for the session, at most SESSION_READ_MAX; empty if there are none yet. They are
 * taken with this call, and valid until the next one. */
struct bytes front_stream(struct front *front);
/* What the session wrote. */
void front_send(struct front *front, struct bytes stream);
/* The session has all that a request can bring. */
bool front_is_posted(const struct front *front);
/* Nothing more comes for the session. */
bool front_is_over(const struct front *front);
/* Keeps what stands between us and the device from taking silence for an end. */
void front_ping(struct front *front);
/* Ends it; `err` is what the session ended with, `is_leaving`: the hub stops. */
void front_end(struct front *front, enum kith_err err, bool is_leaving);

/* Bytes that came in whole messages, and in what is not whole, and are not the session's yet. */
size_t front_waiting(const struct front *front);
size_t front_partial(const struct front *front);
/* How much came that means something: grows with every byte of it. */
uint64_t front_progress(const struct front *front);

#endif
