/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/connection.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/seal.h"
#include "store/ledger_internal.h"
#include "store/sending.h"
#include "tests/sim/disk.h"

#define STEPS_MAX 4000 /* of one connection, deliveries not counted */

struct connection {
    struct connection_config config;
    struct session_device near;
    struct session_hub far;
    struct sending sending;
    struct buffer to_hub;
    struct buffer to_device;
    struct ingest ingest;
    bool has_ingest; /* verified, waits for the commit */
    bool is_near_closed;
    bool is_far_closed;
    size_t bytes_out;
    size_t bytes_in;
    uint32_t steps;
    struct outcome outcome;
};

struct mishaps mishaps_draw(struct world *world)
{
    struct stream *faults = &world->faults;
    const struct habits *habits = &world->habits;
    static const size_t chunks[] = {1, 7, 64, 300, 1000};
    static const uint32_t reaches[] = {400, 400, 3000, 3000, 40000}; /* the last for long syncs */
    struct mishaps mishaps = {0};

    if (stream_chance(faults, habits->cut_percent))
        mishaps.cut_after_out = 1 + stream_below(faults, reaches[stream_below(faults, 5)]);
    if (stream_chance(faults, habits->cut_percent))
        mishaps.cut_after_in = 1 + stream_below(faults, reaches[stream_below(faults, 5)]);
    if (stream_chance(faults, habits->chunk_percent))
        mishaps.chunk_bytes = chunks[stream_below(faults, 5)];
    if (stream_chance(faults, habits->crash_percent)) {
        mishaps.crash = (enum crash_point)stream_below(faults, CRASH_POINTS);
        mishaps.crash_after = stream_below(faults, 3);
    }
    mishaps.is_lied_to = stream_chance(faults, habits->lie_percent);
    return mishaps;
}

struct sim_device *connection_device(const struct connection *connection)
{
    return connection->config.device;
}

bool connections_has(const struct world *world, const struct sim_device *device)
{
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        if (world->connections[i] && world->connections[i]->config.device == device)
            return true;
    return false;
}

/* Whether this is where the crash of this connection's plan happens. */
static bool is_crashing(struct connection *connection, enum crash_point point)
{
    if (connection->config.mishaps.crash != point)
        return false;
    if (connection->config.mishaps.crash_after-- > 0)
        return false;
    connection->config.mishaps.crash = CRASH_NEVER;
    return true;
}

void connections_lose_hub(struct world *world)
{
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct connection *connection = world->connections[i];
        if (!connection)
            continue;
        connection->is_far_closed = true;
        connection->outcome.is_disturbed = true;
        buffer_reset(&connection->to_hub);
        buffer_reset(&connection->to_device);
        if (connection->has_ingest)
            ingest_clear(&connection->ingest);
        connection->has_ingest = false;
    }
}

void connections_lose_device(struct world *world, const struct sim_device *device)
{
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct connection *connection = world->connections[i];
        if (!connection || connection->config.device != device)
            continue;
        connection->is_near_closed = true;
        connection->outcome.is_disturbed = true;
        connection->outcome.device_err = KITH_LOST;
    }
}

static void hub_lookup(struct world *world, struct connection *connection)
{
    struct session_hub *far = &connection->far;
    struct ledger_visitor visitor = {.mode = far->channel.mode,
                                     .device = far->hello.device,
                                     .noise_key = channel_peer(&far->channel),
                                     .now_s = world->now_ms / 1000};
    uint8_t psk[KEY_BYTES] = {0};
    enum kith_err err = ledger_identify(world->ledger, &visitor, psk);

    if (visitor.mode == CHANNEL_FOUND)
        far->hello.device = 1;
    far->written = ledger_written(world->ledger, visitor.device);
    session_hub_identified(far, err, visitor.mode == CHANNEL_SYNC ? NULL : psk);
}

static void hub_ingest(struct world *world, struct connection *connection, struct bytes frames)
{
    struct ingest *ingest = &connection->ingest;
    struct session_hub *far = &connection->far;

    ingest_init(ingest);
    ingest->mode = far->state == HUB_OPEN ? CHANNEL_SYNC : far->channel.mode;
    ingest->device = far->hello.device;
    ingest->now_s = world->now_ms / 1000;
    memcpy(ingest->noise_key, channel_peer(&far->channel), KEY_BYTES);
    buffer_add(&ingest->frames, frames.ptr, frames.len);
    ledger_verify(world->ledger, ingest);
    connection->has_ingest = true;
}

/* A hub that signs what is not so: the last head of the receipt is another one. */
static void tell_a_lie(struct world *world, struct connection *connection)
{
    struct ingest *ingest = &connection->ingest;
    uint8_t hash[HASH_BYTES];

    if (!connection->config.mishaps.is_lied_to || ingest->err || ingest->line_count == 0 ||
        ingest->items[ingest->item_count - 1].kind != ACK_CHAIN)
        return;
    ingest->lines.ptr[ingest->lines.len - 1] ^= 1;
    ack_hash(replica_roster(world->devices[0].replica)->agency, connection->far.welcome.incarnation,
             buffer_view(&ingest->lines), hash);
    seal_sign(SEAL_RECEIPT_SIGN, world->keys.sign_secret, hash, ingest->signature);
    connection->outcome.is_disturbed = true;
    world_say(world, "the hub lies to device %u", connection->config.device->number);
}

static void answer(struct world *world, struct connection *connection)
{
    struct session_answer session_answer;

    tell_a_lie(world, connection);
    ingest_answer(&connection->ingest, &session_answer);
    session_hub_ingested(&connection->far, &session_answer);
    ingest_clear(&connection->ingest);
    connection->has_ingest = false;
}

/* A disk without room refuses the whole transaction, or breaks the store until it is opened again.
 */
static enum kith_err commit(struct world *world, struct connection *connection,
                            struct ingest **batch, uint32_t count)
{
    if (is_crashing(connection, FULL_HUB_AT_COMMIT))
        disk_fill(stream_below(&world->faults, DISK_WRITES_MAX));
    enum kith_err err = ledger_commit(world->ledger, batch, count);
    if (!disk_repair() || (err != KITH_FULL && err != KITH_IO))
        world_expect(world, err, "the commit");
    return err;
}

/* The commit thread: takes what waits, all or some of it, in one transaction. */
static bool move_commit(struct world *world, struct connection *connection)
{
    struct connection *taken[SIM_CONNECTIONS_MAX];
    struct ingest *batch[SIM_CONNECTIONS_MAX];
    uint32_t count = 0;

    if (!connection->has_ingest)
        return false;
    if (is_crashing(connection, CRASH_HUB_BEFORE_COMMIT)) {
        world_crash_hub(world);
        return true;
    }
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct connection *other = world->connections[i];
        bool is_taken = other && other->has_ingest &&
                        (other == connection || stream_chance(&world->network, 50));
        if (!is_taken)
            continue;
        taken[count] = other;
        batch[count++] = &other->ingest;
    }
    bool is_stopped = is_crashing(connection, CRASH_HUB_IN_COMMIT);
    if (is_stopped)
        disk_stop(stream_below(&world->faults, DISK_WRITES_MAX));
    enum kith_err err = commit(world, connection, batch, count);
    if (is_stopped || err == KITH_IO || is_crashing(connection, CRASH_HUB_AFTER_COMMIT)) {
        world_crash_hub(world);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (err) {
            taken[i]->ingest.err = err;
            taken[i]->outcome.is_disturbed = true;
        }
        answer(world, taken[i]);
    }
    return true;
}

static void hub_load(struct world *world, struct connection *connection)
{
    struct session_hub *far = &connection->far;
    struct backlog backlog;

    backlog_init(&backlog);
    enum kith_err err = ledger_load(world->ledger, far->hello.device, &far->pull,
                                    far->state == HUB_JOINING, &backlog);
    session_hub_loaded(far, err, buffer_view(&backlog.frames),
                       bytes_of(backlog.cursor, backlog.cursor_len), backlog.is_up_to_date);
    backlog_clear(&backlog);
}

static bool move_hub(struct world *world, struct connection *connection)
{
    struct session_todo todo;

    if (connection->is_far_closed)
        return false;
    session_hub_next(&connection->far, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&connection->to_device, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_CLOSE:
        connection->is_far_closed = true;
        connection->outcome.hub_err = todo.err;
        return true;
    case SESSION_LOOKUP:
        hub_lookup(world, connection);
        return true;
    case SESSION_INGEST:
        hub_ingest(world, connection, todo.bytes);
        return true;
    case SESSION_LOAD:
        hub_load(world, connection);
        return true;
    case SESSION_WAIT:
    case SESSION_FILL:
    case SESSION_APPLY:
    case SESSION_SETTLED:
        break;
    }
    return false;
}

static void device_fill(struct world *world, struct connection *connection, size_t room)
{
    struct sim_device *device = connection->config.device;
    struct buffer frames;
    bool has_more;

    buffer_init(&frames, BATCH_MAX);
    enum kith_err err =
        replica_fill(device->replica, &connection->sending, room, &frames, &has_more);
    if (err)
        session_device_abort(&connection->near, err);
    else
        session_device_filled(&connection->near, buffer_view(&frames), has_more);
    buffer_clear(&frames);
    if (is_crashing(connection, CRASH_DEVICE_AFTER_FILL))
        world_crash_device(world, device);
}

static void device_apply(struct world *world, struct connection *connection, struct bytes frames)
{
    struct sim_device *device = connection->config.device;
    struct session_device *near = &connection->near;
    struct applied applied;

    if (is_crashing(connection, CRASH_DEVICE_BEFORE_APPLY)) {
        world_crash_device(world, device);
        return;
    }
    if (near->welcome.has_sign_key)
        memcpy(connection->sending.request.entry.hub_sign, near->welcome.sign_key, KEY_BYTES);
    connection->sending.request.waits_for_hub = false;
    bool is_stopped = is_crashing(connection, CRASH_DEVICE_IN_APPLY);
    if (is_stopped)
        disk_stop(stream_below(&world->faults, DISK_WRITES_MAX));
    else if (is_crashing(connection, FULL_DEVICE_AT_APPLY))
        disk_fill(stream_below(&world->faults, DISK_WRITES_MAX));
    enum kith_err err = replica_apply(device->replica, &connection->sending, &near->welcome, frames,
                                      device_now_ms(world, device), &applied);
    bool is_hurt = disk_repair();
    bool is_refused = is_hurt && (err == KITH_FULL || err == KITH_IO);
    if (is_stopped || is_refused)
        connection->outcome.is_disturbed = true;
    if (connection->config.mishaps.is_lied_to && connection->sending.is_doubted) {
        device->may_alarm = true;
        device->must_alarm = device->must_alarm || !err;
    }
    connection->outcome.received += applied.received;
    connection->outcome.acknowledged += applied.acknowledged;
    connection->outcome.refused += applied.refused;
    session_device_applied(near, err, applied.has_more);
    if (is_stopped || is_refused || is_crashing(connection, CRASH_DEVICE_AFTER_APPLY))
        world_crash_device(world, device);
}

static bool move_device(struct world *world, struct connection *connection)
{
    struct session_todo todo;

    if (connection->is_near_closed)
        return false;
    session_device_next(&connection->near, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&connection->to_hub, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_CLOSE:
        connection->is_near_closed = true;
        connection->outcome.device_err = todo.err;
        return true;
    case SESSION_FILL:
        device_fill(world, connection, todo.room);
        return true;
    case SESSION_APPLY:
        device_apply(world, connection, todo.bytes);
        return true;
    case SESSION_WAIT:
    case SESSION_LOOKUP:
    case SESSION_INGEST:
    case SESSION_LOAD:
    case SESSION_SETTLED:
        break;
    }
    return false;
}

/* What may be delivered now: one piece, and nothing past the cut. */
static struct bytes next_piece(struct connection *connection, const struct buffer *wire, size_t cut,
                               size_t carried)
{
    size_t piece = connection->config.mishaps.chunk_bytes;
    struct bytes in = buffer_view(wire);

    if (piece == 0)
        piece = SESSION_READ_MAX;
    if (in.len > piece)
        in.len = piece;
    if (cut && carried + in.len > cut) {
        in.len = cut - carried;
        connection->outcome.is_disturbed = true;
    }
    return in;
}

static void trace_bytes(struct world *world, struct bytes bytes)
{
    for (size_t at = 0; at < bytes.len; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, bytes.ptr + at, bytes.len - at < sizeof word ? bytes.len - at : sizeof word);
        world_trace(world, word);
    }
}

static bool move_out(struct world *world, struct connection *connection)
{
    struct bytes in = next_piece(connection, &connection->to_hub,
                                 connection->config.mishaps.cut_after_out, connection->bytes_out);

    if (connection->is_far_closed || in.len == 0 || !session_hub_wants_bytes(&connection->far))
        return false;
    trace_bytes(world, in);
    connection->bytes_out += in.len;
    session_hub_receive(&connection->far, in);
    buffer_drop(&connection->to_hub, in.len);
    return true;
}

static bool move_in(struct world *world, struct connection *connection)
{
    struct bytes in = next_piece(connection, &connection->to_device,
                                 connection->config.mishaps.cut_after_in, connection->bytes_in);

    if (connection->is_near_closed || in.len == 0 || !session_device_wants_bytes(&connection->near))
        return false;
    trace_bytes(world, in);
    connection->bytes_in += in.len;
    session_device_receive(&connection->near, in);
    buffer_drop(&connection->to_device, in.len);
    return true;
}

/* One step of one part of it, whichever the network stream chooses. */
static bool move(struct world *world, struct connection *connection)
{
    static bool (*const parts[])(struct world *, struct connection *) = {
        move_device, move_out, move_hub, move_commit, move_in};
    const uint32_t count = sizeof parts / sizeof parts[0];
    uint32_t first = stream_below(&world->network, count);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = (first + i) % count;
        if (!parts[part](world, connection))
            continue;
        bool is_delivery = parts[part] == move_out || parts[part] == move_in;
        connection->steps += !is_delivery;
        if (connection->steps > STEPS_MAX)
            world_fail(world, "progress", "the session of device %u goes round in circles",
                       connection->config.device->number);
        return true;
    }
    return false;
}

struct connection *connection_open(struct world *world, const struct connection_config *config)
{
    const struct identity *identity = replica_identity(config->device->replica);
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION, .clock_ms = world->now_ms};
    uint8_t random[KEY_BYTES];
    uint32_t place = 0;

    while (place < SIM_CONNECTIONS_MAX && world->connections[place])
        place++;
    struct connection *opened = place < SIM_CONNECTIONS_MAX ? calloc(1, sizeof *opened) : NULL;
    if (!opened)
        return NULL;
    world->connections[place] = opened;
    opened->config = *config;
    buffer_init(&opened->to_hub, SIZE_MAX);
    buffer_init(&opened->to_device, SIZE_MAX);
    seal_random(random, sizeof random);
    session_device_init(&opened->near, &(struct session_device_config){
                                           .mode = config->mode,
                                           .keys = &identity->noise,
                                           .ephemeral_secret = random,
                                           .hub_key = world->keys.noise.public,
                                           .psk = config->psk,
                                           .device = identity->device,
                                           .clock_ms = device_now_ms(world, config->device)});
    seal_random(random, sizeof random);
    ledger_incarnation(world->ledger, welcome.incarnation);
    memcpy(welcome.sign_key, world->keys.sign_public, KEY_BYTES);
    session_hub_init(&opened->far, &world->keys.noise, random, &welcome);
    sending_init(&opened->sending, device_now_ms(world, config->device) / 1000);
    opened->sending.is_greeting = config->mode != CHANNEL_SYNC;
    if (config->request)
        opened->sending.request = *config->request;
    return opened;
}

static void connection_close(struct world *world, struct connection *connection,
                             struct outcome *outcome)
{
    connection->outcome.round_trips = connection->near.round_trips;
    connection->outcome.bytes = connection->bytes_out + connection->bytes_in;
    if (outcome)
        *outcome = connection->outcome;
    if (connection->config.request)
        *connection->config.request = connection->sending.request;
    world_trace(world, (uint64_t)connection->outcome.device_err * 1000 +
                           connection->outcome.received + connection->outcome.acknowledged);
    sending_clear(&connection->sending);
    session_device_clear(&connection->near);
    session_hub_clear(&connection->far);
    buffer_clear(&connection->to_hub);
    buffer_clear(&connection->to_device);
    for (uint32_t i = 0; i < SIM_CONNECTIONS_MAX; i++)
        if (world->connections[i] == connection)
            world->connections[i] = NULL;
    free(connection);
}

bool connection_advance(struct world *world, struct connection *connection, uint32_t moves,
                        struct outcome *outcome)
{
    for (uint32_t done = 0; done < moves; done++) {
        if (move(world, connection))
            continue;
        if (connection->is_near_closed) {
            connection_close(world, connection, outcome);
            return true;
        }
        if (!connection->is_far_closed && !connection->outcome.is_disturbed)
            world_fail(world, "progress", "the session of device %u stands still",
                       connection->config.device->number);
        session_device_hangup(&connection->near);
    }
    return false;
}

struct outcome connection_run(struct world *world, const struct connection_config *config)
{
    struct outcome outcome = {0};
    struct connection *connection = connection_open(world, config);

    if (!connection)
        world_fail(world, "limits", "no place for a connection");
    (void)connection_advance(world, connection, UINT32_MAX, &outcome);
    return outcome;
}

struct outcome world_sync(struct world *world, struct sim_device *device,
                          const struct mishaps *mishaps)
{
    const struct connection_config config = {
        .device = device, .mode = CHANNEL_SYNC, .mishaps = *mishaps};
    struct outcome outcome = connection_run(world, &config);

    if (!outcome.is_disturbed && (outcome.device_err || outcome.hub_err))
        world_fail(world, "session", "device %u: %s, hub: %s", device->number,
                   error_name(outcome.device_err), error_name(outcome.hub_err));
    return outcome;
}
