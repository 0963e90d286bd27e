/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket and the session on it. A callback turns an event into bytes, gives them to the session
 * and runs what it asks for. A connection is freed when its socket is closed and no work refers to
 * it any more.
 */
#ifndef KITH_DAEMON_CONNECTION_H
#define KITH_DAEMON_CONNECTION_H

#include "daemon/hub.h"

/* No more batches are read while this much waits to be written. */
#define CONNECTION_WRITE_HIGH (256u * 1024)

struct connection {
    struct hub *hub;
    struct connection *next;
    struct connection *previous;
    uv_tcp_t tcp;
    struct sockaddr_storage peer;
    struct session_hub session;
    uint64_t opened_ms;
    uint64_t progress_ms; /* the last time a byte moved */
    uint32_t device;      /* 0 until it is known */
    uint32_t references;  /* the socket, and each piece of work under way */
    bool is_reading;
    bool has_news; /* something was stored while a batch was being read, which may have missed it */
    bool is_ending; /* close once everything is written */
    bool is_closing;
};

/* Takes the next connection off the listener. */
void connection_accept(struct hub *hub, uv_stream_t *listener);
/* An ingest that came back from the committer. */
void connection_committed(struct ingest *ingest);
/* Something was stored: the device may have news. */
void connection_notify(struct connection *connection);
/* Closes what has taken too long. */
void connection_sweep(struct connection *connection, uint64_t now_ms);
/* Ends the session now; what is being committed is still committed. */
void connection_end(struct connection *connection);

#endif
