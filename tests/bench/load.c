/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"
#include "client/net.h"
#include "protocol/seal.h"
#include "protocol/session.h"

#define NS_PER_S     1000000000u
#define POLL_US      2000
#define RECONNECT_MS 1000
#define IN_FLIGHT    64 /* SESSION_UNANSWERED_MAX */

struct runner;

/* One device of this process. */
struct peer {
    struct runner *runner;
    struct load_device *shown;
    uint32_t index; /* in the load */
    uv_tcp_t tcp;
    uv_connect_t connecting;
    uv_timer_t timer;
    bool is_open;
    struct session_device session;
    uint32_t sent; /* messages */
    uint64_t sent_ns[IN_FLIGHT];
    bool is_pull_sent;
};

struct runner {
    struct load *load;
    uv_loop_t loop;
    struct peer *peers;
    uint32_t count;
    char bytes[SESSION_READ_MAX];
};

uint64_t load_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void begin(struct peer *peer);

static const struct load_options *options_of(const struct peer *peer)
{
    return peer->runner->load->options;
}

static void on_timer(uv_timer_t *timer)
{
    begin(timer->data);
}

/* What a device does that could not come in: it waits as it was told, and a little by chance. */
static void come_again(struct peer *peer, uint32_t after_s)
{
    uint16_t chance;

    seal_random(&chance, sizeof chance);
    peer->shown->retries += after_s > 0;
    peer->shown->losses += after_s == 0;
    uint64_t ms = after_s ? after_s * 1000u : RECONNECT_MS;
    (void)uv_timer_start(&peer->timer, on_timer, ms + chance % 1000, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    enum kith_err err = peer->session.err;
    bool is_through = !err && peer->shown->acknowledged == options_of(peer)->messages_each;

    peer->is_open = false;
    uint32_t retry_s = peer->session.retry_s;
    session_device_clear(&peer->session);
    if (peer->shown->state != LOAD_GOING)
        return;
    if (is_through) {
        peer->shown->done_ns = load_now_ns();
        peer->shown->state = LOAD_OVER;
    } else if (err == KITH_BUSY || err == KITH_LOST) {
        come_again(peer, retry_s);
    } else {
        peer->shown->err = err;
        peer->shown->state = LOAD_FAILED;
    }
}

static void close_peer(struct peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->tcp))
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
}

struct written {
    uv_write_t request;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void write_peer(struct peer *peer, struct bytes bytes)
{
    uv_stream_t *stream = (uv_stream_t *)&peer->tcp;
    uv_buf_t now = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    int taken = uv_try_write(stream, &now, 1);
    struct bytes rest = bytes_after(bytes, taken > 0 ? (size_t)taken : 0);

    if (rest.len == 0)
        return;
    struct written *written = malloc(sizeof *written + rest.len);
    if (!written)
        bench_fail("memory for a message", KITH_MEMORY);
    memcpy(written->bytes, rest.ptr, rest.len);
    written->request.data = written;
    uv_buf_t later = uv_buf_init((char *)written->bytes, (unsigned)rest.len);
    if (uv_write(&written->request, stream, &later, 1, on_written) < 0)
        free(written);
}

/* The first flight asks for what there is and carries the first message; each other message goes as
 * soon as there is room. */
static void fill(struct peer *peer, size_t room)
{
    const struct load_options *options = options_of(peer);
    const struct crowd *crowd = options->crowd;
    const struct buffer *message =
        &options->messages[(size_t)peer->index * options->messages_each + peer->sent];
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    if (peer->sent < options->messages_each && message->len <= room) {
        buffer_add(&frames, message->ptr, message->len);
        peer->sent_ns[peer->sent % IN_FLIGHT] = load_now_ns();
        peer->sent++;
    }
    if (!peer->is_pull_sent) {
        struct pull pull = {.cursor = bytes_of(crowd->cursor, crowd->cursor_len),
                            .own = crowd->devices[options->first + peer->index].stored};
        memcpy(pull.incarnation, crowd->incarnation, INCARNATION_BYTES);
        pull_write(&frames, &pull);
        peer->is_pull_sent = true;
    }
    bool has_more = frames.len > 0 && peer->sent < options->messages_each;
    session_device_filled(&peer->session, buffer_view(&frames), has_more);
    buffer_clear(&frames);
}

static void note_ack(struct peer *peer, struct frame *frame)
{
    struct load *load = peer->runner->load;
    size_t first = (size_t)peer->index * load->options->messages_each;
    uint64_t now = load_now_ns();
    struct ack ack;

    if (ack_read(&ack, frame))
        return;
    for (uint32_t i = 0; i < ack.batches && peer->shown->acknowledged < peer->sent; i++) {
        uint32_t at = peer->shown->acknowledged++;
        load->acknowledged_ns[first + at] = now - peer->sent_ns[at % IN_FLIGHT];
    }
}

static void note_changes(struct peer *peer, struct frame *frame)
{
    struct run run;

    if (!run_read(&run, frame)) {
        peer->shown->received += run.count;
        peer->shown->heard_ns = load_now_ns();
    }
}

static void apply(struct peer *peer, struct bytes frames)
{
    struct wire_in batch = wire_open(frames);
    struct frame frame;
    enum kith_err err = KITH_OK;
    bool has_room = peer->sent < options_of(peer)->messages_each;

    while (frame_next(&batch, &frame)) {
        if (frame.type == FRAME_ACK)
            note_ack(peer, &frame);
        else if (frame.type == FRAME_CHANGES)
            note_changes(peer, &frame);
        else if (frame.type == FRAME_REFUSED)
            err = KITH_NOT_ALLOWED;
    }
    session_device_applied(&peer->session, err, has_room);
}

static void note_settled(struct peer *peer)
{
    if (peer->shown->state == LOAD_GOING) {
        peer->shown->done_ns = load_now_ns();
        peer->shown->state = LOAD_SETTLED;
    }
}

static void drive(struct peer *peer)
{
    struct session_todo todo;

    while (!uv_is_closing((uv_handle_t *)&peer->tcp)) {
        session_device_next(&peer->session, &todo);
        peer->shown->round_trips = peer->session.round_trips;
        peer->shown->bytes = peer->session.bytes_in + peer->session.bytes_out;
        if (todo.work == SESSION_FILL)
            fill(peer, todo.room);
        else if (todo.work == SESSION_APPLY)
            apply(peer, todo.bytes);
        else if (todo.work == SESSION_WRITE)
            write_peer(peer, todo.bytes);
        else if (todo.work == SESSION_SETTLED)
            note_settled(peer);
        else if (todo.work == SESSION_CLOSE)
            close_peer(peer);
        else
            return;
    }
}

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer *peer = handle->data;

    (void)suggested;
    *buf = uv_buf_init(peer->runner->bytes, sizeof peer->runner->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct peer *peer = stream->data;

    if (count < 0)
        session_device_hangup(&peer->session);
    else if (count > 0)
        session_device_receive(&peer->session, bytes_of(buf->base, (size_t)count));
    drive(peer);
}

static void on_no_connection(uv_timer_t *timer)
{
    struct peer *peer = timer->data;

    session_device_hangup(&peer->session);
    close_peer(peer);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct peer *peer = request->data;

    if (uv_is_closing((uv_handle_t *)&peer->tcp))
        return;
    (void)uv_timer_stop(&peer->timer);
    if (status < 0) {
        session_device_hangup(&peer->session);
        drive(peer);
        return;
    }
    (void)uv_tcp_nodelay(&peer->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&peer->tcp, on_space, on_read);
    drive(peer);
}

static struct sockaddr_in loopback(uint32_t number, uint16_t port)
{
    uint32_t host = (127u << 24) + ((number / 250) << 8) + 1 + number % 250;

    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
}

static void begin(struct peer *peer)
{
    const struct load_options *options = options_of(peer);
    const struct crowd_device *device = &options->crowd->devices[options->first + peer->index];
    struct sockaddr_in from = loopback(256 + peer->index % options->sources, 0);
    struct sockaddr_in to = loopback(0, options->port);
    uint8_t random[KEY_BYTES];

    seal_random(random, sizeof random);
    const struct session_device_config config = {.mode = CHANNEL_SYNC,
                                                 .keys = &device->noise,
                                                 .ephemeral_secret = random,
                                                 .hub_key = options->crowd->hub.noise.public,
                                                 .device = options->first + peer->index + 2,
                                                 .clock_ms = (uint64_t)time(NULL) * 1000,
                                                 .is_staying = options->is_staying};
    session_device_init(&peer->session, &config);
    /* What was not acknowledged goes again. */
    peer->sent = peer->shown->acknowledged;
    peer->is_pull_sent = false;
    peer->is_open = true;
    (void)uv_tcp_init(&peer->runner->loop, &peer->tcp);
    peer->tcp.data = peer;
    peer->connecting.data = peer;
    if (uv_tcp_bind(&peer->tcp, (struct sockaddr *)&from, 0) < 0 ||
        uv_tcp_connect(&peer->connecting, &peer->tcp, (struct sockaddr *)&to, on_connected) < 0) {
        session_device_hangup(&peer->session);
        close_peer(peer);
        return;
    }
    (void)uv_timer_start(&peer->timer, on_no_connection, NET_CONNECT_MS, 0);
}

/* A process has every processes-th device. */
static void run(struct load *load, uint32_t process)
{
    const struct load_options *options = load->options;
    struct runner runner = {.load = load};

    runner.peers = calloc(options->count / options->processes + 1, sizeof *runner.peers);
    if (!runner.peers || uv_loop_init(&runner.loop) < 0)
        bench_fail("memory for devices", KITH_MEMORY);
    for (uint32_t i = process; i < options->count; i += options->processes) {
        struct peer *peer = &runner.peers[runner.count++];
        peer->runner = &runner;
        peer->index = i;
        peer->shown = &load->devices[i];
        (void)uv_timer_init(&runner.loop, &peer->timer);
        peer->timer.data = peer;
        uint64_t after_ms = (uint64_t)options->within_ms * i / options->count;
        peer->shown->begun_ns = load->start_ns + after_ms * 1000000;
        (void)uv_timer_start(&peer->timer, on_timer, after_ms, 0);
    }
    (void)uv_run(&runner.loop, UV_RUN_DEFAULT);
    _exit(0);
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        bench_fail("memory for results", KITH_MEMORY);
    return memory;
}

static size_t acknowledged_size(const struct load_options *options)
{
    return (size_t)options->count * options->messages_each * sizeof(uint64_t);
}

void load_begin(struct load *load, const struct load_options *options)
{
    memset(load, 0, sizeof *load);
    load->options = options;
    load->devices = share(options->count * sizeof *load->devices);
    load->acknowledged_ns = share(acknowledged_size(options));
    load->start_ns = load_now_ns();
    for (uint32_t i = 0; i < options->processes; i++) {
        load->pids[i] = fork();
        if (load->pids[i] < 0)
            bench_fail("starting devices", KITH_MEMORY);
        if (load->pids[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            run(load, i);
        }
    }
}

uint32_t load_count(const struct load *load, enum load_state state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < load->options->count; i++)
        count += load->devices[i].state == state;
    return count;
}

static bool has_passed(uint64_t start_ns, double seconds)
{
    return (double)(load_now_ns() - start_ns) > seconds * NS_PER_S;
}

bool load_wait(const struct load *load, double seconds)
{
    uint64_t start = load_now_ns();

    while (load_count(load, LOAD_GOING) > 0) {
        if (has_passed(start, seconds))
            return false;
        (void)usleep(POLL_US);
    }
    return true;
}

bool load_wait_received(const struct load *load, uint32_t changes, double seconds)
{
    uint64_t start = load_now_ns();

    for (uint32_t i = 0; i < load->options->count;) {
        if (load->devices[i].received >= changes) {
            i++;
            continue;
        }
        if (has_passed(start, seconds))
            return false;
        (void)usleep(POLL_US);
    }
    return true;
}

void load_end(struct load *load)
{
    for (uint32_t i = 0; i < load->options->processes; i++) {
        (void)kill(load->pids[i], SIGKILL);
        (void)waitpid(load->pids[i], NULL, 0);
    }
    (void)munmap(load->devices, load->options->count * sizeof *load->devices + 1);
    (void)munmap(load->acknowledged_ns, acknowledged_size(load->options) + 1);
}
