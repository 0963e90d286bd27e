/* SPDX-License-Identifier: Apache-2.0 */
#include "limits.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "protocol/change.h"
#include "protocol/channel.h"
#include "protocol/seal.h"

#define TURNS    2000
#define DRAINED  1000
#define PAUSE_US 20000 /* as long as the readers need */

#define MESSAGE_TURNS 20

static double thread_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct signer {
    uint8_t secret[SIGN_KEY_BYTES];
    uint8_t public_key[KEY_BYTES];
    uint8_t hash[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
};

static void make_signer(struct signer *signer)
{
    uint8_t seed[KEY_BYTES];

    seal_random(seed, sizeof seed);
    seal_random(signer->hash, sizeof signer->hash);
    seal_sign_keypair(seed, signer->public_key, signer->secret);
    seal_sign(SEAL_CHANGE_SIGN, signer->secret, signer->hash, signer->signature);
}

/* Each signature is another one: what is checked over and over is learnt by the processor. */
double limit_verify_s(void)
{
    static struct signer signers[TURNS];
    enum kith_err err = KITH_OK;

    for (unsigned i = 0; i < TURNS; i++)
        make_signer(&signers[i]);
    double before = thread_s();
    for (unsigned i = 0; i < TURNS && !err; i++)
        err = seal_verify(SEAL_CHANGE_SIGN, signers[i].public_key, signers[i].hash,
                          signers[i].signature);
    if (err)
        bench_fail("a signature", err);
    return (thread_s() - before) / TURNS;
}

double limit_sign_s(void)
{
    struct signer signer;

    make_signer(&signer);
    double before = thread_s();
    for (unsigned i = 0; i < TURNS; i++)
        seal_sign(SEAL_CHANGE_SIGN, signer.secret, signer.hash, signer.signature);
    return (thread_s() - before) / TURNS;
}

double limit_open_s(void)
{
    static const uint8_t epoch_key[KEY_BYTES] = "what a chart is sealed with";
    const struct change_header header = {.class = CHANGE_NORMAL, .epoch = 1, .device = 1, .n = 1};
    struct signer signer;
    struct bench_texts texts;
    struct buffer sealed[TURNS];
    struct buffer text;
    uint8_t id[HASH_BYTES];
    enum kith_err err = KITH_OK;

    make_signer(&signer);
    for (unsigned i = 0; i < TURNS && !err; i++) {
        bench_write_texts(i, &texts);
        buffer_init(&sealed[i], CHANGE_SEALED_MAX);
        err = change_seal(&header, epoch_key, signer.secret, bytes_of(&texts, sizeof texts),
                          &sealed[i], id, signer.signature);
    }
    buffer_init(&text, CHANGE_TEXT_MAX);
    double before = thread_s();
    for (unsigned i = 0; i < TURNS && !err; i++) {
        change_id(&header, buffer_view(&sealed[i]), id);
        buffer_reset(&text);
        err = change_open(&header, buffer_view(&sealed[i]), epoch_key, &text);
    }
    double spent = thread_s() - before;
    for (unsigned i = 0; i < TURNS; i++)
        buffer_clear(&sealed[i]);
    buffer_clear(&text);
    if (err)
        bench_fail("opening a change", err);
    return spent / TURNS;
}

struct ends {
    struct noise_keypair near_keys;
    struct noise_keypair far_keys;
    struct channel near;
    struct channel far;
    struct buffer out;
};

static void ends_begin(struct ends *ends)
{
    uint8_t near_random[KEY_BYTES];
    uint8_t far_random[KEY_BYTES];

    seal_random(near_random, KEY_BYTES);
    seal_random(far_random, KEY_BYTES);
    channel_init_device(&ends->near, CHANNEL_TCP, CHANNEL_SYNC, &ends->near_keys, near_random,
                        ends->far_keys.public, NULL);
    channel_init_hub(&ends->far, &ends->far_keys, far_random);
    buffer_init(&ends->out, NOISE_MESSAGE_MAX + 16);
}

static void ends_end(struct ends *ends)
{
    channel_clear(&ends->near);
    channel_clear(&ends->far);
    buffer_clear(&ends->out);
}

/* What one has written, read by the other. */
static void carry(struct ends *ends, struct channel *to)
{
    struct bytes left = buffer_view(&ends->out);
    struct bytes message;

    while (left.len > 0) {
        left = bytes_after(left, channel_receive(to, left));
        if (!channel_next(to, &message) && to->err)
            bench_fail("a handshake", to->err);
    }
    buffer_reset(&ends->out);
}

/* The processor time of the hub's half. */
static double shake_hands(struct ends *ends)
{
    enum kith_err err = channel_send(&ends->near, bytes_text("hello"), &ends->out);
    double before = thread_s();

    carry(ends, &ends->far);
    if (!err)
        err = channel_send(&ends->far, bytes_text("welcome"), &ends->out);
    double spent = thread_s() - before;
    carry(ends, &ends->near);
    if (err)
        bench_fail("a handshake", err);
    return spent;
}

static void make_keys(struct ends *ends)
{
    uint8_t secret[KEY_BYTES];

    memset(ends, 0, sizeof *ends);
    seal_random(secret, sizeof secret);
    noise_keypair_from_secret(&ends->near_keys, secret);
    seal_random(secret, sizeof secret);
    noise_keypair_from_secret(&ends->far_keys, secret);
}

double limit_handshake_s(void)
{
    struct ends ends;
    double spent = 0;

    make_keys(&ends);
    for (unsigned i = 0; i < TURNS / 4; i++) {
        ends_begin(&ends);
        spent += shake_hands(&ends);
        ends_end(&ends);
    }
    return spent / (TURNS / 4);
}

/* Connections of TCP whose other ends, in a process of its own, only read. */
struct drain {
    int fds[DRAINED];
    pid_t pid;
};

static void drain_all(int listener)
{
    struct epoll_event events[DRAINED];
    uint8_t bytes[65536];
    int poll = epoll_create1(0);

    for (unsigned i = 0; i < DRAINED; i++) {
        int fd = accept(listener, NULL, NULL);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        (void)epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
    for (;;) {
        int count = epoll_wait(poll, events, DRAINED, -1);
        for (int i = 0; i < count; i++)
            if (read(events[i].data.fd, bytes, sizeof bytes) <= 0)
                _exit(0);
    }
}

static void drain_begin(struct drain *drain)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *name = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 || bind(listener, name, len) < 0 || listen(listener, DRAINED) < 0 ||
        getsockname(listener, name, &len) < 0)
        bench_fail("a listening socket", 0);
    drain->pid = fork();
    if (drain->pid == 0)
        drain_all(listener);
    for (unsigned i = 0; i < DRAINED; i++) {
        drain->fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(drain->fds[i], name, len) < 0)
            bench_fail("a connection", 0);
        (void)setsockopt(drain->fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    (void)close(listener);
}

static void drain_end(struct drain *drain)
{
    (void)kill(drain->pid, SIGKILL);
    (void)waitpid(drain->pid, NULL, 0);
    for (unsigned i = 0; i < DRAINED; i++)
        (void)close(drain->fds[i]);
}

/* All channels are in the state that one handshake left: only what is written is looked at. */
double limit_message_s(size_t text_len)
{
    static const uint8_t text[NOISE_TEXT_MAX];
    struct drain drain;
    struct ends ends;
    double spent = 0;

    make_keys(&ends);
    ends_begin(&ends);
    (void)shake_hands(&ends);
    drain_begin(&drain);
    for (unsigned turn = 0; turn < MESSAGE_TURNS; turn++) {
        double before = thread_s();
        for (unsigned i = 0; i < DRAINED; i++) {
            buffer_reset(&ends.out);
            if (channel_send(&ends.far, bytes_of(text, text_len), &ends.out) ||
                write(drain.fds[i], ends.out.ptr, ends.out.len) < 0)
                bench_fail("a message", 0);
        }
        spent += thread_s() - before;
        (void)usleep(PAUSE_US);
    }
    drain_end(&drain);
    ends_end(&ends);
    return spent / MESSAGE_TURNS / DRAINED;
}
