/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/hub.h"

#define SOCKET_NAME    "control.sock"
#define ANSWER_MAX     512
#define ANSWER_SECONDS 2
#define BACKLOG        16

struct visitor {
    uv_pipe_t pipe;
    uv_write_t write;
    char text[ANSWER_MAX];
};

static void on_left(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_told(uv_write_t *write, int status)
{
    struct visitor *visitor = write->data;

    (void)status;
    uv_close((uv_handle_t *)&visitor->pipe, on_left);
}

static size_t write_answer(const struct hub *hub, char text[static ANSWER_MAX])
{
    int len = 0;

#define WRITE_FIGURE(figure, source)                                                               \
    len += snprintf(text + len, ANSWER_MAX - (size_t)len, #figure " %" PRIu64 "\n",                \
                    (uint64_t)hub->source);
    CONTROL_FIGURES(WRITE_FIGURE)
#undef WRITE_FIGURE
    return (size_t)len;
}

static void on_visit(uv_stream_t *stream, int status)
{
    struct control *control = stream->data;
    struct visitor *visitor = status == 0 ? calloc(1, sizeof *visitor) : NULL;

    if (!visitor)
        return;
    (void)uv_pipe_init(&control->hub->loop, &visitor->pipe, 0);
    visitor->pipe.data = visitor;
    visitor->write.data = visitor;
    uv_buf_t buf = uv_buf_init(visitor->text, (unsigned)write_answer(control->hub, visitor->text));
    if (uv_accept(stream, (uv_stream_t *)&visitor->pipe) < 0 ||
        uv_write(&visitor->write, (uv_stream_t *)&visitor->pipe, &buf, 1, on_told) < 0)
        uv_close((uv_handle_t *)&visitor->pipe, on_left);
}

static void path_of(int folder, char path[static sizeof((struct sockaddr_un *)0)->sun_path])
{
    (void)snprintf(path, sizeof((struct sockaddr_un *)0)->sun_path, "/proc/self/fd/%d/" SOCKET_NAME,
                   folder);
}

void control_init(struct control *control, struct hub *hub)
{
    (void)uv_pipe_init(&hub->loop, &control->pipe, 0);
    control->pipe.data = control;
    control->hub = hub;
    control->folder = -1;
}

enum kith_err control_open(struct control *control, const char *folder)
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path];

    control->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (control->folder < 0)
        return KITH_PERMISSION;
    (void)unlinkat(control->folder, SOCKET_NAME, 0);
    path_of(control->folder, path);
    if (uv_pipe_bind(&control->pipe, path) < 0 ||
        fchmodat(control->folder, SOCKET_NAME, 0600, 0) < 0 ||
        uv_listen((uv_stream_t *)&control->pipe, BACKLOG, on_visit) < 0)
        return KITH_IO;
    return KITH_OK;
}

void control_clear(struct control *control)
{
    if (control->folder >= 0)
        (void)close(control->folder);
    control->folder = -1;
}

static void read_figures(const char *text, struct control_figures *figures)
{
    char name[32];
    uint64_t value;
    int used;

    /* Eighteen digits fit. NOLINTNEXTLINE(cert-err34-c) */
    for (; sscanf(text, "%31s %18" SCNu64 "\n%n", name, &value, &used) == 2; text += used) {
#define READ_FIGURE(figure, source)                                                                \
    if (strcmp(name, #figure) == 0)                                                                \
        figures->figure = value;
        CONTROL_FIGURES(READ_FIGURE)
#undef READ_FIGURE
    }
}

static void read_answer(int fd, struct control_figures *figures)
{
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    char text[ANSWER_MAX];
    size_t len = 0;
    ssize_t count = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (count > 0 && len < sizeof text - 1) {
        count = read(fd, text + len, sizeof text - 1 - len);
        len += count > 0 ? (size_t)count : 0;
    }
    text[len] = '\0';
    read_figures(text, figures);
}

void control_ask(const char *folder, struct control_figures *figures)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(figures, 0, sizeof *figures);
    if (folder_fd >= 0 && fd >= 0) {
        path_of(folder_fd, address.sun_path);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            read_answer(fd, figures);
    }
    if (fd >= 0)
        (void)close(fd);
    if (folder_fd >= 0)
        (void)close(folder_fd);
}
