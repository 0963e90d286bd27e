/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carries a session to a hub that is reached over the web: TLS if the address says so, the
 * request, and then WebSocket messages. Without I/O: bytes of the socket go in and out.
 *
 *   GREETING (TLS, request) --101--> READY --closed--> OVER
 *
 * Or, if it is single, one request that brings the session's first flight and whose response is all
 * that comes back:
 *
 *   GREETING (TLS) --> READY (request, response) --> OVER
 */
#ifndef KITH_CLIENT_CARRIER_H
#define KITH_CLIENT_CARRIER_H

#include "client/tls.h"
#include "protocol/address.h"
#include "protocol/http.h"
#include "protocol/websocket.h"

enum carrier_stage { CARRIER_GREETING, CARRIER_READY, CARRIER_OVER };

struct carrier {
    enum carrier_stage stage;
    const struct address *address;
    struct tls *tls; /* NULL: the address wants none */
    struct http http;
    struct websocket websocket;
    bool is_single;
    bool has_asked; /* the request is written */
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    struct buffer raw;     /* what came, without TLS, and was not looked at */
    struct buffer out;     /* for the socket; the owner resets it */
    size_t handed;         /* bytes that the session has, at the front of the messages */
    enum kith_err err;     /* final: UNREACHABLE, BUSY, NOT_HUB, CERTIFICATE, LOST, MEMORY, ... */
    uint32_t retry_s;      /* with BUSY, 0: not said */
    char why[TLS_WHY_MAX]; /* more about `err`, or empty */
};

/* `address` outlives it. */
MUST_USE enum kith_err carrier_init(struct carrier *carrier, const struct address *address,
                                    bool is_single);
void carrier_clear(struct carrier *carrier);
/* The socket is connected. */
void carrier_begin(struct carrier *carrier);
/* Takes all of it, at most SESSION_READ_MAX bytes. */
void carrier_receive(struct carrier *carrier, struct bytes in);
/* The next bytes for the session, at most SESSION_READ_MAX; empty if there are none yet. They are
 * taken with this call, and valid until the next one. */
struct bytes carrier_stream(struct carrier *carrier);
/* What the session wrote; only while READY. What comes after the one flight of a single one is
 * dropped: nobody would hear it. */
void carrier_send(struct carrier *carrier, struct bytes stream);
/* Takes leave. */
void carrier_end(struct carrier *carrier);

#endif
