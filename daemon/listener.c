/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "daemon/connection.h"

#define LISTEN_BACKLOG 4096

/* While others are at the door who were not heard yet, the next one waits in the queue of the
 * kernel. */
static void on_turn(uv_check_t *check)
{
    struct listener *listener = check->data;

    listener->turns++;
    listener_resume(listener);
}

void listener_init(struct listener *listener, struct hub *hub)
{
    (void)uv_tcp_init(&hub->loop, &listener->tcp);
    (void)uv_check_init(&hub->loop, &listener->check);
    listener->tcp.data = listener;
    listener->check.data = listener;
    listener->hub = hub;
    (void)uv_check_start(&listener->check, on_turn);
}

static void take_next(struct listener *listener)
{
    listener->is_waiting =
        hub_is_crowded(listener->hub) ||
        connection_accept(listener->hub, (uv_stream_t *)&listener->tcp) == KITH_MEMORY;
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        take_next(stream->data);
}

void listener_resume(struct listener *listener)
{
    if (listener->is_waiting && !uv_is_closing((uv_handle_t *)&listener->tcp))
        take_next(listener);
}

void listener_close(struct listener *listener)
{
    if (!uv_is_closing((uv_handle_t *)&listener->tcp)) {
        uv_close((uv_handle_t *)&listener->tcp, NULL);
        uv_close((uv_handle_t *)&listener->check, NULL);
    }
}

static enum kith_err uv_error(int code)
{
    switch (code) {
    case 0:
        return KITH_OK;
    case UV_EADDRINUSE:
        return KITH_PORT_TAKEN;
    case UV_EACCES:
    case UV_EPERM:
        return KITH_PERMISSION;
    case UV_ENOMEM:
        return KITH_MEMORY;
    case UV_EMFILE:
    case UV_ENFILE:
        return KITH_BUSY;
    default:
        return KITH_ADDRESS;
    }
}

static enum kith_err look_up(const char *address, struct sockaddr_storage *found)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    struct address split;
    char service[8];

    if (!address_read(address, &split))
        return KITH_ADDRESS;
    (void)snprintf(service, sizeof service, "%u", split.port);
    if (getaddrinfo(split.host, service, &hints, &list) != 0 || list->ai_addrlen > sizeof *found)
        return KITH_ADDRESS;
    memset(found, 0, sizeof *found);
    memcpy(found, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return KITH_OK;
}

static enum kith_err write_numeric(const struct sockaddr_storage *address,
                                   char text[static ADDRESS_MAX])
{
    char host[NI_MAXHOST];
    char service[NI_MAXSERV];
    bool is_v6 = address->ss_family == AF_INET6;
    socklen_t len = is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    if (getnameinfo((const struct sockaddr *)address, len, host, sizeof host, service,
                    sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return KITH_ADDRESS;
    (void)snprintf(text, ADDRESS_MAX, "%s%.100s%s:%.8s", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                   service);
    return KITH_OK;
}

static enum kith_err write_bound(const struct listener *listener, char bound[static ADDRESS_MAX])
{
    struct sockaddr_storage address;
    int len = sizeof address;

    if (uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &len) < 0)
        return KITH_ADDRESS;
    return write_numeric(&address, bound);
}

enum kith_err listener_resolve(char address[static ADDRESS_MAX])
{
    struct sockaddr_storage found;
    enum kith_err err = look_up(address, &found);

    return err ? err : write_numeric(&found, address);
}

enum kith_err listener_open(struct listener *listener, const char *address,
                            char bound[static ADDRESS_MAX])
{
    struct sockaddr_storage found;
    enum kith_err err = look_up(address, &found);

    if (!err)
        err = uv_error(uv_tcp_bind(&listener->tcp, (struct sockaddr *)&found, 0));
    if (!err)
        err = uv_error(uv_listen((uv_stream_t *)&listener->tcp, LISTEN_BACKLOG, on_connection));
    return err ? err : write_bound(listener, bound);
}
