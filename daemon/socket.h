/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one connection, and nothing about what they mean: the one place where they come in
 * and go out. A front that speaks another framing over the same port (WebSocket, HTTP) stands
 * between this and connection.c: it calls connection_received with what it unwrapped, and wraps
 * what connection.c hands to socket_write.
 *
 * What happens is told by connection_received, _written, _shut, _lost and _gone. After socket_close
 * nothing is told but _gone, from a callback of its own.
 */
#ifndef KITH_DAEMON_SOCKET_H
#define KITH_DAEMON_SOCKET_H

#include <stdbool.h>
#include <uv.h>

#include "protocol/bytes.h"

struct connection;

struct socket {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    struct connection *owner;
    uint64_t bytes[2]; /* in and out */
    bool is_reading;
    bool has_written;
};

void socket_init(struct socket *socket, uv_loop_t *loop, struct connection *owner);
/* Takes the next connection off the listener, and its address. */
bool socket_accept(struct socket *socket, uv_stream_t *listener, struct sockaddr_storage *peer);
/* All of it, sooner or later; a copy is made of what cannot go now. False: close it. */
bool socket_write(struct socket *socket, struct bytes bytes);
/* Bytes that wait to be written. */
size_t socket_unwritten(const struct socket *socket);
/* False: close it. */
bool socket_read(struct socket *socket, bool is_wanted);
/* Shuts our half once everything is written; connection_shut follows. False: close it. */
bool socket_shut(struct socket *socket);
void socket_close(struct socket *socket);

#endif
