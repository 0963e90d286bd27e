/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/scrape.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/hub.h"
#include "daemon/log.h"
#include "protocol/http.h"

#define BACKLOG      16
#define READ_BYTES   2048
#define REQUEST_BODY 1 /* http_init wants a bound that is not 0 */
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum guest_stage { GUEST_ASKING, GUEST_WAITING, GUEST_ANSWERED, GUEST_CLOSING };

struct guest {
    union scrape_handle peer;
    struct scrape *scrape;
    struct guest *newer;
    struct guest *older;
    enum guest_stage stage;
    bool is_health;
    bool is_looked_for; /* the worker that looks now looks for it too */
    uint64_t opened_ms;
    struct http http;
    struct buffer out;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint8_t in[READ_BYTES];
};

static void on_gone(uv_handle_t *handle)
{
    struct guest *guest = handle->data;

    http_clear(&guest->http);
    buffer_clear(&guest->out);
    free(guest);
}

static void guest_close(struct guest *guest)
{
    struct scrape *scrape = guest->scrape;

    if (guest->stage == GUEST_CLOSING)
        return;
    guest->stage = GUEST_CLOSING;
    *(guest->older ? &guest->older->newer : &scrape->oldest) = guest->newer;
    *(guest->newer ? &guest->newer->older : &scrape->newest) = guest->older;
    scrape->guest_count--;
    uv_close(&guest->peer.handle, on_gone);
}

/* What still comes is read and thrown away until the guest closes, or its time is over: a socket
 * that is closed over unread bytes takes back what was sent last. */
static void on_shut(uv_shutdown_t *request, int status)
{
    if (status < 0)
        guest_close(request->data);
}

static void on_written(uv_write_t *request, int status)
{
    struct guest *guest = request->data;

    if (guest->stage == GUEST_CLOSING)
        return;
    if (status < 0 || uv_shutdown(&guest->shutdown, &guest->peer.stream, on_shut) < 0)
        guest_close(guest);
}

static const char *status_text(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

static void guest_answer(struct guest *guest, unsigned status, struct bytes body)
{
    char head[256];

    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 %u %s\r\n%sContent-Type: " CONTENT_TYPE
                   "\r\nContent-Length: %zu\r\nCache-Control: no-store\r\nConnection: "
                   "close\r\n\r\n",
                   status, status_text(status), status == 405 ? "Allow: GET\r\n" : "", body.len);
    buffer_add(&guest->out, head, strlen(head));
    buffer_add(&guest->out, body.ptr, body.len);
    guest->stage = GUEST_ANSWERED;
    uv_buf_t buf = uv_buf_init((char *)guest->out.ptr, (unsigned)guest->out.len);
    if (guest->out.err || uv_write(&guest->write, &guest->peer.stream, &buf, 1, on_written) < 0)
        guest_close(guest);
}

static void guest_tell(struct guest *guest, unsigned status, const char *line)
{
    guest_answer(guest, status, bytes_text(line));
}

static void guest_show(struct guest *guest)
{
    const struct scrape *scrape = guest->scrape;
    const char *ailment = metrics_ailment(scrape->hub, &scrape->vitals);
    struct buffer page;

    if (guest->is_health) {
        guest_tell(guest, ailment ? 503 : 200, ailment ? ailment : "ok\n");
        return;
    }
    buffer_init(&page, METRICS_PAGE_MAX);
    metrics_write(&page, scrape->hub, &scrape->vitals);
    if (page.err)
        guest_close(guest);
    else
        guest_answer(guest, 200, buffer_view(&page));
    buffer_clear(&page);
}

/* On a worker. */
static void look(uv_work_t *work)
{
    struct scrape *scrape = work->data;
    struct hub *hub = scrape->hub;

    committer_figures(hub->committer, &scrape->vitals.commits);
    vitals_look(&scrape->vitals, hub->ledger, hub->control.folder, scrape->memory,
                connection_clock_ms());
}

static void look_for_guests(struct scrape *scrape);

static void on_looked(uv_work_t *work, int status)
{
    struct scrape *scrape = work->data;
    struct guest *next;

    scrape->is_looking = false;
    for (struct guest *guest = scrape->oldest; guest; guest = next) {
        next = guest->newer;
        if (guest->stage == GUEST_WAITING && guest->is_looked_for && status == 0)
            guest_show(guest);
    }
    look_for_guests(scrape);
    hub_settle(scrape->hub);
}

/* Who asked while a worker looked is shown what another look finds: never what was before. */
static void look_for_guests(struct scrape *scrape)
{
    bool is_asked = false;

    if (scrape->is_looking || scrape->hub->is_stopping)
        return;
    for (struct guest *guest = scrape->oldest; guest; guest = guest->newer) {
        guest->is_looked_for = guest->stage == GUEST_WAITING;
        is_asked = is_asked || guest->is_looked_for;
    }
    scrape->is_looking =
        is_asked && uv_queue_work(&scrape->hub->loop, &scrape->work, look, on_looked) == 0;
}

static void guest_judge(struct guest *guest)
{
    const struct http_head *head = &guest->http.head;
    bool is_page = strcmp(head->path, "/metrics") == 0;

    guest->is_health = strcmp(head->path, "/healthz") == 0;
    if (guest->http.stage == HTTP_BROKEN)
        guest_tell(guest, guest->http.refusal, "");
    else if (!is_page && !guest->is_health)
        guest_tell(guest, 404, "ask for /metrics or /healthz\n");
    else if (!head->is_get)
        guest_tell(guest, 405, "");
    else if (head->length > 0 || head->is_coded || head->wants_websocket)
        guest_tell(guest, 400, "");
    else
        guest->stage = GUEST_WAITING;
    if (guest->stage == GUEST_WAITING)
        look_for_guests(guest->scrape);
}

static void on_read_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct guest *guest = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)guest->in, sizeof guest->in);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct guest *guest = stream->data;

    if (count < 0)
        guest_close(guest);
    if (count <= 0 || guest->stage != GUEST_ASKING)
        return;
    (void)http_receive(&guest->http, bytes_of(buf->base, (size_t)count));
    if (guest->http.stage != HTTP_IN_HEAD)
        guest_judge(guest);
}

static void guest_init(struct guest *guest, struct scrape *scrape)
{
    guest->scrape = scrape;
    guest->opened_ms = uv_now(&scrape->hub->loop);
    guest->peer.handle.data = guest;
    guest->write.data = guest;
    guest->shutdown.data = guest;
    http_init(&guest->http, true, REQUEST_BODY);
    buffer_init(&guest->out, METRICS_PAGE_MAX + READ_BYTES);
    guest->older = scrape->newest;
    *(scrape->newest ? &scrape->newest->newer : &scrape->oldest) = guest;
    scrape->newest = guest;
    scrape->guest_count++;
}

static void on_guest(uv_stream_t *stream, int status)
{
    struct scrape *scrape = stream->data;
    struct guest *guest = status == 0 ? calloc(1, sizeof *guest) : NULL;

    if (!guest)
        return;
    if (stream->type == UV_TCP)
        (void)uv_tcp_init(&scrape->hub->loop, &guest->peer.tcp);
    else
        (void)uv_pipe_init(&scrape->hub->loop, &guest->peer.pipe, 0);
    guest_init(guest, scrape);
    if (scrape->guest_count > SCRAPE_GUESTS_MAX)
        guest_close(scrape->oldest);
    if (uv_accept(stream, &guest->peer.stream) < 0 ||
        uv_read_start(&guest->peer.stream, on_read_space, on_read) < 0)
        guest_close(guest);
}

/* Who waits for a disk that does not answer is told so. */
void scrape_sweep(struct scrape *scrape, uint64_t now_ms)
{
    struct guest *next;

    for (struct guest *guest = scrape->oldest; guest; guest = next) {
        next = guest->newer;
        if (now_ms - guest->opened_ms < SCRAPE_GUEST_MS)
            continue;
        if (guest->stage == GUEST_WAITING)
            guest_tell(guest, 503, "the store did not answer in time\n");
        else
            guest_close(guest);
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
    default:
        return KITH_ADDRESS;
    }
}

/* The socket of a hub that was killed is in the way of the next one; nothing else is removed. */
static bool remove_left_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat there;

    if (lstat(path, &there) < 0)
        return true;
    if (!S_ISSOCK(there.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    bool is_served = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return !is_served && unlink(path) == 0;
}

static enum kith_err bind_path(struct scrape *scrape, const char *path)
{
    if (!remove_left_socket(path))
        return KITH_PORT_TAKEN;
    (void)uv_pipe_init(&scrape->hub->loop, &scrape->listener.pipe, 0);
    scrape->is_open = true;
    enum kith_err err = uv_error(uv_pipe_bind(&scrape->listener.pipe, path));
    return err || chmod(path, 0660) == 0 ? err : KITH_PERMISSION;
}

static enum kith_err bind_address(struct scrape *scrape, const struct address *address)
{
    struct sockaddr_storage to = {0};
    int bad = address->is_numeric_v6
                  ? uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)&to)
                  : uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)&to);

    if (bad < 0)
        return KITH_ADDRESS;
    (void)uv_tcp_init(&scrape->hub->loop, &scrape->listener.tcp);
    scrape->is_open = true;
    return uv_error(uv_tcp_bind(&scrape->listener.tcp, (struct sockaddr *)&to, 0));
}

enum kith_err scrape_open(struct scrape *scrape, struct hub *hub, int memory)
{
    const char *where = hub->config.metrics;
    struct address address = {.port = 0};
    enum kith_err err;

    scrape->hub = hub;
    scrape->memory = memory;
    scrape->work.data = scrape;
    if (!*where)
        return KITH_OK;
    if (*where == '/')
        err = bind_path(scrape, where);
    else
        err = address_read(where, &address) ? bind_address(scrape, &address) : KITH_ADDRESS;
    if (err)
        return err;
    scrape->listener.handle.data = scrape;
    err = uv_error(uv_listen(&scrape->listener.stream, BACKLOG, on_guest));
    if (!err)
        log_event(LOG_METRICS_OPEN, address.port, 0, KITH_OK);
    return err;
}

void scrape_close(struct scrape *scrape)
{
    if (!scrape->is_open)
        return;
    scrape->is_open = false;
    uv_close(&scrape->listener.handle, NULL);
    while (scrape->oldest)
        guest_close(scrape->oldest);
}
