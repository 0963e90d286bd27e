/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/socket.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"

#define KEEP_ALIVE_S 60 /* TCP's own: finds peers that are gone */

static uv_stream_t *stream_of(struct socket *socket)
{
    return (uv_stream_t *)&socket->tcp;
}

void socket_init(struct socket *socket, uv_loop_t *loop, struct connection *owner)
{
    (void)uv_tcp_init(loop, &socket->tcp);
    socket->tcp.data = socket;
    socket->shutdown.data = socket;
    socket->owner = owner;
}

bool socket_accept(struct socket *socket, uv_stream_t *listener, struct sockaddr_storage *peer)
{
    int len = sizeof *peer;

    memset(peer, 0, sizeof *peer);
    if (uv_accept(listener, stream_of(socket)) < 0 ||
        uv_tcp_getpeername(&socket->tcp, (struct sockaddr *)peer, &len) < 0)
        return false;
    (void)uv_tcp_nodelay(&socket->tcp, 1);
    (void)uv_tcp_keepalive(&socket->tcp, 1, KEEP_ALIVE_S);
    return true;
}

struct pending_write {
    uv_write_t request;
    struct socket *socket;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *write = request->data;
    struct connection *owner = write->socket->owner;

    free(write);
    if (status < 0)
        connection_lost(owner);
    else
        connection_written(owner);
}

static bool write_later(struct socket *socket, struct bytes bytes)
{
    struct pending_write *write = malloc(sizeof *write + bytes.len);

    if (!write)
        return false;
    write->socket = socket;
    write->request.data = write;
    memcpy(write->bytes, bytes.ptr, bytes.len);
    uv_buf_t buf = uv_buf_init((char *)write->bytes, (unsigned)bytes.len);
    if (uv_write(&write->request, stream_of(socket), &buf, 1, on_written) == 0)
        return true;
    free(write);
    return false;
}

static void count_bytes(struct socket *socket, unsigned direction, size_t count)
{
    struct metrics *metrics = &socket->owner->hub->metrics;

    socket->bytes[direction] += count;
    *(direction ? &metrics->bytes_out : &metrics->bytes_in) += count;
}

bool socket_write(struct socket *socket, struct bytes bytes)
{
    /* libuv has no buffer of constant bytes; it does not write to this one. */
    char *start = (char *)(uintptr_t)bytes.ptr; /* NOLINT(performance-no-int-to-ptr) */
    uv_buf_t buf = uv_buf_init(start, (unsigned)bytes.len);
    int written =
        socket_unwritten(socket) > 0 ? UV_EAGAIN : uv_try_write(stream_of(socket), &buf, 1);

    socket->has_written = true;
    count_bytes(socket, 1, bytes.len);
    if (written < 0 && written != UV_EAGAIN)
        return false;
    struct bytes rest = bytes_after(bytes, written > 0 ? (size_t)written : 0);
    return rest.len == 0 || write_later(socket, rest);
}

size_t socket_unwritten(const struct socket *socket)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&socket->tcp);
}

static void on_read_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct socket *socket = handle->data;
    struct hub *hub = socket->owner->hub;

    (void)suggested;
    *buf = uv_buf_init((char *)hub->read_bytes, sizeof hub->read_bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct socket *socket = stream->data;

    if (count > 0)
        count_bytes(socket, 0, (size_t)count);
    if (count < 0)
        connection_lost(socket->owner);
    else if (count > 0)
        connection_received(socket->owner, bytes_of(buf->base, (size_t)count));
}

bool socket_read(struct socket *socket, bool is_wanted)
{
    if (is_wanted == socket->is_reading)
        return true;
    socket->is_reading = is_wanted;
    if (is_wanted)
        return uv_read_start(stream_of(socket), on_read_space, on_read) == 0;
    (void)uv_read_stop(stream_of(socket));
    return true;
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct socket *socket = request->data;

    if (status < 0)
        connection_lost(socket->owner);
    else
        connection_shut(socket->owner);
}

bool socket_shut(struct socket *socket)
{
    return uv_shutdown(&socket->shutdown, stream_of(socket), on_shut) == 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct socket *socket = handle->data;

    connection_gone(socket->owner);
}

void socket_close(struct socket *socket)
{
    uv_close((uv_handle_t *)&socket->tcp, on_closed);
}
