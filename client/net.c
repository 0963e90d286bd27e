/* SPDX-License-Identifier: Apache-2.0 */
#include "client/net.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "client/carrier.h"

_Static_assert(NET_WHY_MAX >= TLS_WHY_MAX, "what a carrier has to say fits");

struct net {
    uv_loop_t loop;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    uv_poll_t wake;
    struct carrier carrier; /* if is_web */
    struct session_device *session;
    net_work *work;
    void *owner;
    const struct net_live *live; /* NULL: the session ends when it is done */
    enum kith_err err;
    bool has_wake;
    bool is_connected;
    bool is_closing;
    bool is_reading;
    bool is_web;
    uint8_t bytes[SESSION_READ_MAX];
};

static void net_close(struct net *net, enum kith_err err)
{
    if (net->is_closing)
        return;
    net->is_closing = true;
    net->err = err;
    uv_close((uv_handle_t *)&net->tcp, NULL);
    uv_close((uv_handle_t *)&net->timer, NULL);
    if (net->has_wake)
        uv_close((uv_handle_t *)&net->wake, NULL);
}

static void net_drive(struct net *net);

static void on_timeout(uv_timer_t *timer)
{
    struct net *net = timer->data;

    net_close(net, net->is_connected ? KITH_LOST : KITH_UNREACHABLE);
}

static void on_silence(uv_timer_t *timer)
{
    struct net *net = timer->data;

    net->live->keep(net->owner, net->session);
    net_drive(net);
}

static void expect_progress(struct net *net, uint64_t within_ms)
{
    if (net->is_closing)
        return;
    if (net->live && net->session->is_settled)
        (void)uv_timer_start(&net->timer, on_silence, net->live->keep_alive_ms, 0);
    else
        (void)uv_timer_start(&net->timer, on_timeout, within_ms, 0);
}

struct net_write {
    uv_write_t request;
    struct net *net;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct net_write *write = request->data;
    struct net *net = write->net;

    free(write);
    if (status < 0)
        net_close(net, KITH_LOST);
    else
        expect_progress(net, NET_STALL_MS);
}

static void net_write(struct net *net, struct bytes bytes)
{
    struct net_write *write = malloc(sizeof *write + bytes.len);

    if (!write) {
        net_close(net, KITH_MEMORY);
        return;
    }
    write->net = net;
    write->request.data = write;
    memcpy(write->bytes, bytes.ptr, bytes.len);
    uv_buf_t buf = uv_buf_init((char *)write->bytes, (unsigned)bytes.len);
    if (uv_write(&write->request, (uv_stream_t *)&net->tcp, &buf, 1, on_written) < 0) {
        free(write);
        net_close(net, KITH_LOST);
    }
}

static bool is_greeting(const struct net *net)
{
    return net->is_web && net->carrier.stage == CARRIER_GREETING;
}

/* What the carrier has to write. */
static void flush_carrier(struct net *net)
{
    struct buffer *out = &net->carrier.out;

    if (out->len > 0 && !net->is_closing)
        net_write(net, buffer_view(out));
    buffer_clear(out);
}

static void net_send(struct net *net, struct bytes bytes)
{
    if (!net->is_web) {
        net_write(net, bytes);
        return;
    }
    carrier_send(&net->carrier, bytes);
    flush_carrier(net);
}

/* The carrier failed, or is at its end: what came before that has been looked at. */
static void end_carrier(struct net *net)
{
    struct carrier *carrier = &net->carrier;

    if (carrier->err == KITH_BUSY)
        net->session->retry_s = carrier->retry_s;
    if (carrier->err && carrier->err != KITH_LOST)
        net_close(net, carrier->err);
    else
        session_device_hangup(net->session);
}

/* What came over the web, a piece at a time. */
static void net_feed(struct net *net)
{
    struct bytes stream = carrier_stream(&net->carrier);

    flush_carrier(net);
    if (net->carrier.stage == CARRIER_READY)
        net_drive(net);
    while (stream.len > 0 && !net->is_closing) {
        session_device_receive(net->session, stream);
        net_drive(net);
        stream = carrier_stream(&net->carrier);
        flush_carrier(net);
    }
    if (net->carrier.stage == CARRIER_OVER && !net->is_closing)
        end_carrier(net);
}

static void net_receive(struct net *net, struct bytes bytes)
{
    if (!net->is_web) {
        session_device_receive(net->session, bytes);
        return;
    }
    carrier_receive(&net->carrier, bytes);
    net_feed(net);
}

static void on_read_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct net *net = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)net->bytes, sizeof net->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct net *net = stream->data;

    if (count > 0) {
        expect_progress(net, NET_STALL_MS);
        net_receive(net, bytes_of(buf->base, (size_t)count));
    } else if (count < 0) {
        net_drive(net); /* what came before the end is looked at first */
        session_device_hangup(net->session);
        if (is_greeting(net))
            net_close(net, KITH_LOST); /* the session has not begun, and cannot end */
    }
    net_drive(net);
}

static void set_reading(struct net *net)
{
    bool wants = net->is_web || session_device_wants_bytes(net->session);

    if (net->is_closing || wants == net->is_reading)
        return;
    net->is_reading = wants;
    if (wants)
        (void)uv_read_start((uv_stream_t *)&net->tcp, on_read_space, on_read);
    else
        (void)uv_read_stop((uv_stream_t *)&net->tcp);
}

static void net_leave(struct net *net, enum kith_err err)
{
    if (net->is_web) {
        carrier_end(&net->carrier);
        flush_carrier(net);
    }
    net_close(net, err);
}

/* Does what the session asks for until it has to wait. Over the web it waits for the greeting. */
static void net_drive(struct net *net)
{
    struct session_todo todo = {.work = is_greeting(net) ? SESSION_WAIT : SESSION_WRITE};
    bool was_settled = net->session->is_settled;

    while (!net->is_closing && todo.work != SESSION_WAIT) {
        net->session->now_ms = (uint32_t)uv_now(&net->loop);
        session_device_next(net->session, &todo);
        if (todo.work == SESSION_WRITE)
            net_send(net, todo.bytes);
        else if (todo.work == SESSION_CLOSE)
            net_leave(net, todo.err);
        else if (todo.work != SESSION_WAIT)
            net->work(net->owner, net->session, &todo);
    }
    if (net->is_connected && net->session->is_settled != was_settled)
        expect_progress(net, NET_STALL_MS);
    set_reading(net);
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    struct net *net = wake->data;

    (void)status;
    (void)events;
    bool goes_on = net->live->woken(net->owner, net->session);
    if (!goes_on && !net->session->is_settled) {
        net_close(net, KITH_LOST);
        return;
    }
    if (!goes_on)
        session_device_leave(net->session);
    if (net->is_connected)
        net_drive(net);
}

static enum kith_err watch_wake(struct net *net)
{
    if (!net->live || net->live->wake_fd < 0)
        return KITH_OK;
    if (uv_poll_init(&net->loop, &net->wake, net->live->wake_fd) < 0)
        return KITH_IO;
    net->wake.data = net;
    net->has_wake = true;
    return uv_poll_start(&net->wake, UV_READABLE, on_wake) < 0 ? KITH_IO : KITH_OK;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct net *net = request->data;

    if (status < 0) {
        net_close(net, KITH_UNREACHABLE);
        return;
    }
    net->is_connected = true;
    (void)uv_tcp_nodelay(&net->tcp, 1);
    expect_progress(net, NET_STALL_MS);
    if (net->is_web) {
        carrier_begin(&net->carrier);
        net_feed(net);
    }
    net_drive(net);
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct net *net = lookup->data;

    if (net->is_closing) {
        uv_freeaddrinfo(found);
        return;
    }
    net->connect.data = net;
    if (status < 0 || uv_tcp_connect(&net->connect, &net->tcp, found->ai_addr, on_connected) < 0)
        net_close(net, KITH_UNREACHABLE);
    uv_freeaddrinfo(found);
}

static enum kith_err net_start(struct net *net, const struct address *address, bool is_single)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];

    net->is_web = is_single || address->kind != ADDRESS_TCP;
    enum kith_err err = net->is_web ? carrier_init(&net->carrier, address, is_single) : KITH_OK;
    if (err)
        return err;
    (void)snprintf(port, sizeof port, "%u", address->port);
    net->lookup.data = net;
    if (uv_getaddrinfo(&net->loop, &net->lookup, on_looked_up, address->host, port, &hints) < 0)
        return KITH_ADDRESS;
    expect_progress(net, NET_CONNECT_MS);
    return KITH_OK;
}

/* Writing to a connection that is gone raises a signal that ends programs, and libuv does not keep
 * it away. In a library it is kept from this thread alone, and only while it writes. */
struct quiet {
    sigset_t before;
    bool was_pending;
};

static bool is_pipe_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void quiet_begin(struct quiet *quiet)
{
    sigset_t pipe;

    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    quiet->was_pending = is_pipe_pending();
    (void)pthread_sigmask(SIG_BLOCK, &pipe, &quiet->before);
}

static void quiet_end(const struct quiet *quiet)
{
    const struct timespec at_once = {0};
    sigset_t pipe;

    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    if (!quiet->was_pending && is_pipe_pending())
        (void)sigtimedwait(&pipe, NULL, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

enum kith_err net_run(const struct address *address, struct session_device *session,
                      const struct net_owner *owner, char why[static NET_WHY_MAX])
{
    struct net *net = calloc(1, sizeof *net);
    enum kith_err err = KITH_MEMORY;
    struct quiet quiet;

    why[0] = '\0';
    if (!net || uv_loop_init(&net->loop) < 0) {
        free(net);
        return err;
    }
    net->session = session;
    net->work = owner->work;
    net->owner = owner->owner;
    net->live = owner->live;
    (void)uv_tcp_init(&net->loop, &net->tcp);
    (void)uv_timer_init(&net->loop, &net->timer);
    net->tcp.data = net;
    net->timer.data = net;
    err = watch_wake(net);
    if (!err)
        err = net_start(net, address, owner->is_single);
    if (err)
        net_close(net, err);
    quiet_begin(&quiet);
    (void)uv_run(&net->loop, UV_RUN_DEFAULT);
    quiet_end(&quiet);
    (void)uv_loop_close(&net->loop);
    err = net->err;
    if (net->is_web) {
        (void)snprintf(why, NET_WHY_MAX, "%s", err == net->carrier.err ? net->carrier.why : "");
        carrier_clear(&net->carrier);
    }
    free(net);
    return err;
}
