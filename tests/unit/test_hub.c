/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub in a process of its own and many devices' sessions with it over real sockets: what a
 * session costs, who hears of what, which of too many has to go, and that a hub that cannot store
 * stops reading.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hub.h"
#include "daemon/keys.h"
#include "link.h"
#include "protocol/seal.h"

#define COUNT_OF(array)  (sizeof(array) / sizeof *(array))
#define WAIT_MS          10000
#define QUIET_MS         300
#define CROWD            3000 /* so many that pages which are touched once do not count */
#define SESSION_COST_MAX 2048 /* resident bytes of an idle session beyond its libuv handle */

struct office {
    struct test_hub hub; /* closed while the process serves its folder */
    struct test_device founder;
    struct test_device rosa; /* supervises ana */
    struct test_device ana;
    struct test_device omar; /* has no part in ana's charts */
    uint8_t chart[ID_BYTES];
    struct config config;
    pid_t process;
    uint16_t port;
};

/* One session as a device has it, by hand: it stays as long as the test wants. */
struct caller {
    int fd;
    struct channel channel;
};

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The hub. */

static void serve(struct office *office, int ready)
{
    struct hub *hub;
    char bound[ADDRESS_MAX];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (!freopen("/dev/null", "we", stderr) || keys_write(office->hub.folder, &office->hub.keys) ||
        hub_open(&hub, office->hub.folder, &office->config) || hub_listen(hub, bound) ||
        write(ready, &hub->port, sizeof hub->port) < 0)
        _exit(1);
    int code = hub_run(hub) ? 1 : 0;
    hub_close(&hub);
    _exit(code);
}

static void hub_begin(struct office *office)
{
    int ends[2];

    ledger_close(&office->hub.ledger);
    assert_int_equal(pipe(ends), 0);
    office->process = fork();
    if (office->process == 0)
        serve(office, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &office->port, sizeof office->port), sizeof office->port);
    (void)close(ends[0]);
}

static int hub_end(struct office *office)
{
    int status = 1;

    (void)kill(office->process, SIGTERM);
    assert_int_equal(waitpid(office->process, &status, 0), office->process);
    office->process = 0;
    test_hub_reopen(&office->hub);
    return status;
}

static struct control_figures figures(const struct office *office)
{
    struct control_figures figures;

    control_ask(office->hub.folder, &figures);
    return figures;
}

static int office_open(void **state)
{
    struct office *office = calloc(1, sizeof *office);

    assert_non_null(office);
    test_hub_open(&office->hub);
    test_device_open(&office->founder);
    test_device_open(&office->rosa);
    test_device_open(&office->ana);
    test_device_open(&office->omar);
    link_found(&office->hub, &office->founder);
    link_join(&office->hub, &office->founder, &office->rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&office->hub, &office->founder, &office->ana, 0, ROLE_SPECIALIST, 2);
    link_join(&office->hub, &office->founder, &office->omar, 0, ROLE_SPECIALIST, 0);
    link_chart(&office->ana, "somebody", office->chart);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    config_defaults(&office->config);
    (void)snprintf(office->config.listen, sizeof office->config.listen, "127.0.0.1:0");
    *state = office;
    return 0;
}

static int office_close(void **state)
{
    struct office *office = *state;

    if (office->process > 0)
        assert_int_equal(hub_end(office), 0);
    test_device_close(&office->founder);
    test_device_close(&office->rosa);
    test_device_close(&office->ana);
    test_device_close(&office->omar);
    test_hub_close(&office->hub);
    free(office);
    return 0;
}

/* Callers. */

static void caller_send(struct caller *caller, struct bytes text)
{
    struct buffer out;

    buffer_init(&out, 2 * NOISE_MESSAGE_MAX);
    assert_int_equal(channel_send(&caller->channel, text, &out), KITH_OK);
    assert_int_equal(send(caller->fd, out.ptr, out.len, MSG_NOSIGNAL), out.len);
    buffer_clear(&out);
}

/* The next message; false if the hub closes or is silent for that long. */
static bool caller_receive(struct caller *caller, int wait_ms, struct bytes *message)
{
    struct pollfd readable = {.fd = caller->fd, .events = POLLIN};
    uint8_t bytes[4096];

    while (!channel_next(&caller->channel, message)) {
        if (caller->channel.err || poll(&readable, 1, wait_ms) != 1)
            return false;
        /* Looked at first: what is behind a message stays in the socket. */
        ssize_t there = recv(caller->fd, bytes, sizeof bytes, MSG_PEEK);
        if (there <= 0)
            return false;
        size_t taken = channel_receive(&caller->channel, bytes_of(bytes, (size_t)there));
        if (recv(caller->fd, bytes, taken, 0) != (ssize_t)taken)
            return false;
    }
    return true;
}

static uint32_t frames_of(struct bytes message, enum frame_type type)
{
    struct wire_in batch = wire_open(message);
    struct frame frame;
    uint32_t count = 0;

    while (frame_next(&batch, &frame))
        count += frame.type == type;
    return count;
}

/* Until a message with such a frame comes. */
static bool hears(struct caller *caller, enum frame_type type, int wait_ms)
{
    struct bytes message;

    while (caller_receive(caller, wait_ms, &message))
        if (frames_of(message, type) > 0)
            return true;
    return false;
}

static void caller_open(struct caller *caller, const struct office *office)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(office->port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    caller->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(caller->fd >= 0);
    assert_int_equal(connect(caller->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void caller_close(struct caller *caller)
{
    (void)close(caller->fd);
    channel_clear(&caller->channel);
}

/* Message 1 with everything that was stored asked for, and nothing that proves who it is. */
static void caller_greet(struct caller *caller, const struct office *office,
                         const struct test_device *device)
{
    const struct identity *identity = replica_identity(device->replica);
    const struct hello hello = {KITH_PROTOCOL_VERSION, identity->device, LINK_NOW_MS};
    const struct pull pull = {0};
    struct buffer text;
    uint8_t random[KEY_BYTES];

    caller_open(caller, office);
    seal_random(random, sizeof random);
    channel_init_device(&caller->channel, CHANNEL_TCP, CHANNEL_SYNC, &identity->noise, random,
                        office->hub.keys.noise.public, NULL);
    buffer_init(&text, 1024);
    hello_write(&text, &hello);
    pull_write(&text, &pull);
    caller_send(caller, buffer_view(&text));
    buffer_clear(&text);
}

/* A session at rest: it has heard everything, and proved that it is there. */
static void caller_begin(struct caller *caller, const struct office *office,
                         const struct test_device *device)
{
    struct bytes message;

    caller_greet(caller, office, device);
    assert_true(caller_receive(caller, WAIT_MS, &message));
    assert_int_equal(frames_of(message, FRAME_WELCOME), 1);
    assert_true(hears(caller, FRAME_CURSOR, WAIT_MS));
    caller_send(caller, bytes_of(NULL, 0));
}

/* Tests. */

static uint64_t resident_bytes(pid_t process)
{
    char path[64];
    unsigned long all = 0;
    unsigned long pages = 0;
    unsigned long shared = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu %lu", &all, &pages, &shared), 3);
    (void)fclose(file);
    return (uint64_t)(pages - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double processor_s(pid_t process)
{
    char path[64];
    unsigned long user = 0;
    unsigned long system = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(
        fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
        2);
    (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void allow_files(void)
{
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void an_idle_session_costs_little(void **state)
{
    struct office *office = *state;
    const struct test_device *devices[] = {&office->founder, &office->rosa, &office->ana,
                                           &office->omar};
    struct caller *crowd = calloc(CROWD, sizeof *crowd);

    assert_non_null(crowd);
    allow_files();
    office->config.sessions_per_device_max = 20000;
    office->config.sessions_per_address_max = 20000;
    office->config.handshakes_per_address_burst = 100000;
    hub_begin(office);
    for (uint32_t i = 0; i < 100; i++) /* what grows once is there */
        caller_begin(&crowd[i], office, devices[i % COUNT_OF(devices)]);
    uint64_t before = resident_bytes(office->process);
    double before_s = processor_s(office->process);
    uint64_t began_us = now_us();
    for (uint32_t i = 100; i < CROWD; i++)
        caller_begin(&crowd[i], office, devices[i % COUNT_OF(devices)]);
    uint64_t took_us = now_us() - began_us;
    double took_s = processor_s(office->process) - before_s;
    uint64_t cost = (resident_bytes(office->process) - before) / (CROWD - 100);
    struct control_figures now = figures(office);
    assert_int_equal(now.sessions, CROWD);
    assert_int_equal(now.waiting_bytes, 0);
    print_message("%d sessions: %u bytes each, %.0f begun a second, %.0f us of the hub's each\n",
                  CROWD, (unsigned)cost, (CROWD - 100) * 1e6 / (double)took_us,
                  took_s * 1e6 / (CROWD - 100));
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* which need more */
    assert_true(cost <= SESSION_COST_MAX + sizeof(uv_tcp_t));
#endif
    for (uint32_t i = 0; i < CROWD; i++)
        caller_close(&crowd[i]);
    free(crowd);
}

static void live_sessions_hear_of_what_concerns_them(void **state)
{
    struct office *office = *state;
    struct caller rosa;
    struct caller omar;
    struct caller ana;
    struct sending sending;
    struct buffer frames;
    uint8_t record[ID_BYTES] = {1};
    bool has_more;

    hub_begin(office);
    caller_begin(&rosa, office, &office->rosa);
    caller_begin(&omar, office, &office->omar);
    caller_begin(&ana, office, &office->ana);
    (void)link_put(&office->ana, office->chart, record, 7, 3, "hello");
    buffer_init(&frames, BATCH_MAX);
    sending_init(&sending, LINK_NOW_MS / 1000);
    sending.is_pull_sent = true;
    assert_int_equal(replica_fill(office->ana.replica, &sending, BATCH_MAX, &frames, &has_more),
                     KITH_OK);
    caller_send(&ana, buffer_view(&frames));
    assert_true(hears(&ana, FRAME_ACK, WAIT_MS));
    assert_true(hears(&rosa, FRAME_CHANGES, WAIT_MS));
    assert_false(hears(&omar, FRAME_CURSOR, QUIET_MS));
    sending_clear(&sending);
    buffer_clear(&frames);
    caller_close(&rosa);
    caller_close(&omar);
    caller_close(&ana);
}

/* An entry of the roster and nothing else: everybody who is there hears of it. */
static void live_sessions_hear_of_the_roster(void **state)
{
    struct office *office = *state;
    struct roster_entry entry = {.type = ROSTER_INVITE,
                                 .author = 1,
                                 .device = 5,
                                 .person = 5,
                                 .roles = ROLE_SPECIALIST,
                                 .expires_s = 4000000000u};
    struct caller founder;
    struct caller omar;
    struct buffer bytes;
    struct buffer frames;
    uint8_t seed[KEY_BYTES];
    uint8_t secret[SIGN_KEY_BYTES];

    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, entry.keys.sign, secret);
    assert_int_equal(crypto_scalarmult_base(entry.keys.box, seed), 0);
    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    assert_int_equal(link_sync(&office->hub, &office->founder).device_err, KITH_OK);
    assert_int_equal(roster_entry_write(replica_roster(office->founder.replica), &entry,
                                        replica_identity(office->founder.replica)->sign_secret,
                                        &bytes),
                     KITH_OK);
    struct bytes view = buffer_view(&bytes);
    roster_frame_write(&frames, entry.link.seq, &view, 1);
    hub_begin(office);
    caller_begin(&omar, office, &office->omar);
    caller_begin(&founder, office, &office->founder);
    caller_send(&founder, buffer_view(&frames));
    assert_true(hears(&founder, FRAME_ACK, WAIT_MS));
    assert_true(hears(&omar, FRAME_ROSTER, WAIT_MS));
    buffer_clear(&bytes);
    buffer_clear(&frames);
    caller_close(&founder);
    caller_close(&omar);
}

static void of_a_devices_sessions_the_newest_stay(void **state)
{
    struct office *office = *state;
    struct caller sessions[4];
    struct caller recording;
    uint32_t retry_s = 0;
    struct bytes message;
    struct frame frame;

    office->config.sessions_per_device_max = 3;
    hub_begin(office);
    for (unsigned i = 0; i < 3; i++)
        caller_begin(&sessions[i], office, &office->ana);
    for (unsigned i = 0; i < 20; i++) { /* what a recorded message 1 can do */
        caller_greet(&recording, office, &office->ana);
        assert_true(caller_receive(&recording, WAIT_MS, &message));
        caller_close(&recording);
    }
    assert_false(caller_receive(&sessions[0], QUIET_MS, &message));
    caller_begin(&sessions[3], office, &office->ana);
    assert_true(caller_receive(&sessions[0], WAIT_MS, &message));
    struct wire_in batch = wire_open(message);
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(frame.type, FRAME_RETRY);
    assert_int_equal(retry_read(&retry_s, &frame), KITH_OK);
    assert_in_range(retry_s, office->config.retry_s, 3 * office->config.retry_s);
    for (unsigned i = 1; i < 4; i++)
        assert_false(caller_receive(&sessions[i], QUIET_MS / 3, &message));
    assert_int_equal(figures(office).sessions, 3);
    for (unsigned i = 0; i < 4; i++)
        caller_close(&sessions[i]);
}

static void a_full_hub_refuses_in_the_clear(void **state)
{
    struct office *office = *state;
    struct caller ana;
    struct caller rosa;
    struct bytes message;

    office->config.sessions_max = 1;
    hub_begin(office);
    caller_begin(&ana, office, &office->ana);
    caller_greet(&rosa, office, &office->rosa);
    assert_false(caller_receive(&rosa, WAIT_MS, &message));
    assert_int_equal(rosa.channel.err, KITH_BUSY);
    assert_in_range(rosa.channel.retry_s, office->config.retry_s, 3 * office->config.retry_s);
    caller_close(&rosa);
    caller_close(&ana);
}

/* A run that is well formed and belongs nowhere: it costs a place in the queue and a refusal. */
static void junk_run(struct buffer *frames)
{
    static const uint8_t sealed[CHANGE_SEALED_MAX - 1000];
    static const uint8_t signature[SIGNATURE_BYTES];
    struct run_writer writer;
    struct change change = {.epoch = 1,
                            .class = CHANGE_NORMAL,
                            .sealed = bytes_of(sealed, sizeof sealed),
                            .signature = signature};
    uint8_t circle[ID_BYTES] = {9};

    run_begin(&writer);
    run_add(&writer, circle, 3, 1, &change);
    run_flush(&writer, FRAME_PUSH, frames);
    run_end(&writer);
    assert_int_equal(frames->err, KITH_OK);
    assert_true(frames->len > sizeof sealed);
}

/* Sends what the socket takes; the number of messages that went out whole or in part. */
static uint32_t push_all(struct caller *caller, struct bytes text, uint32_t most)
{
    struct buffer out;
    uint32_t count = 0;
    bool is_taken = true;

    buffer_init(&out, 2 * NOISE_MESSAGE_MAX);
    while (is_taken && count < most) {
        buffer_reset(&out);
        assert_int_equal(channel_send(&caller->channel, text, &out), KITH_OK);
        struct pollfd writable = {.fd = caller->fd, .events = POLLOUT};
        for (size_t at = 0; is_taken && at < out.len;) {
            ssize_t sent =
                send(caller->fd, out.ptr + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            at += sent > 0 ? (size_t)sent : 0;
            is_taken = sent > 0 || poll(&writable, 1, QUIET_MS) == 1;
        }
        count += is_taken;
    }
    buffer_clear(&out);
    return count;
}

static void a_hub_that_cannot_store_stops_reading(void **state)
{
    enum { CALLERS = 12, MESSAGES = 200 };
    const uint64_t most = 2u * 1024 * 1024 + 2u * SESSION_READ_MAX * CALLERS;
    struct office *office = *state;
    struct caller callers[CALLERS];
    struct buffer frames;
    MDB_env *env;
    MDB_txn *txn;
    uint32_t taken = 0;

    office->config.sessions_per_device_max = CALLERS;
    office->config.waiting_mib_max = 2;
    office->config.waiting_per_device_kib_max = 1048576;
    hub_begin(office);
    buffer_init(&frames, BATCH_MAX);
    junk_run(&frames);
    for (unsigned i = 0; i < CALLERS; i++)
        caller_begin(&callers[i], office, &office->ana);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)64 << 20), 0); /* not all that the hub maps */
    assert_int_equal(mdb_env_open(env, office->hub.folder, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0); /* nobody else writes now */
    for (unsigned i = 0; i < CALLERS; i++)
        taken += push_all(&callers[i], buffer_view(&frames), MESSAGES);
    struct control_figures full = figures(office);
    print_message("%u messages went out, %u bytes wait\n", taken, (unsigned)full.waiting_bytes);
    assert_true(taken < CALLERS * MESSAGES);
    assert_in_range(full.waiting_bytes, 2u * 1024 * 1024, most);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_true(hears(&callers[i], FRAME_ACK, WAIT_MS));
    assert_true(figures(office).waiting_bytes <= most);
    for (unsigned i = 0; i < CALLERS; i++)
        caller_close(&callers[i]);
    buffer_clear(&frames);
}

/* Whether the hub closes within that time; what comes before is thrown away. */
static bool is_left(struct caller *caller, int wait_ms)
{
    struct pollfd readable = {.fd = caller->fd, .events = POLLIN};
    uint8_t bytes[4096];

    while (poll(&readable, 1, wait_ms) == 1)
        if (recv(caller->fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    return false;
}

static void who_is_silent_stays_only_if_it_was_there(void **state)
{
    struct office *office = *state;
    struct caller proved;
    struct caller unproved;
    struct caller dribbling;
    const uint8_t begun[] = {0x10, 0x00, 7};

    office->config.stall_s = 1;
    hub_begin(office);
    caller_begin(&proved, office, &office->ana);
    caller_begin(&dribbling, office, &office->omar);
    caller_greet(&unproved, office, &office->rosa);
    uint64_t began_us = now_us();
    assert_int_equal(send(dribbling.fd, begun, sizeof begun, MSG_NOSIGNAL), sizeof begun);
    while (!is_left(&dribbling, 100) && now_us() - began_us < WAIT_MS * 1000u)
        (void)send(dribbling.fd, begun, 1, MSG_NOSIGNAL);
    assert_true(now_us() - began_us < 4000000);
    assert_true(is_left(&unproved, 2000));
    assert_false(is_left(&proved, 1000));
    assert_int_equal(figures(office).sessions, 1);
    caller_close(&proved);
    caller_close(&unproved);
    caller_close(&dribbling);
}

#define OFFICE(test) cmocka_unit_test_setup_teardown(test, office_open, office_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFICE(an_idle_session_costs_little),
        OFFICE(live_sessions_hear_of_what_concerns_them),
        OFFICE(live_sessions_hear_of_the_roster),
        OFFICE(of_a_devices_sessions_the_newest_stay),
        OFFICE(a_full_hub_refuses_in_the_clear),
        OFFICE(a_hub_that_cannot_store_stops_reading),
        OFFICE(who_is_silent_stays_only_if_it_was_there),
    };

    assert_true(sodium_init() >= 0);
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
