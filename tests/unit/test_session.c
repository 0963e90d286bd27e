/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: both machines in one process, the test carries the bytes between them, and two small
 * shells do the work: the device's fills from a list of batches, the hub's takes whatever it is
 * given and serves a list of loads.
 */
#include "protocol/session.h"

#include <string.h>

#include "tests/unit/make.h"

#define WIRE_MAX    ((size_t)8 << 20)
#define BATCHES_MAX 64
#define STEPS_MAX   2000000

enum pieces { WHOLE, BYTEWISE, RANDOM_PIECES };

static const enum pieces all_pieces[] = {WHOLE, BYTEWISE, RANDOM_PIECES};

struct world {
    struct session_device device;
    struct session_hub hub;
    struct buffer to_hub; /* bytes on their way */
    struct buffer to_device;
    enum pieces pieces;
    struct dice dice;

    struct bytes outbox[BATCHES_MAX]; /* what the device's shell sends, one batch a fill */
    uint32_t outbox_count;
    uint32_t filled;
    bool is_device_busy; /* its shell does not finish what it was told to apply */
    uint32_t applied;    /* batches */
    uint32_t changes;    /* frames of each kind that were applied */
    uint32_t acks;
    uint32_t cursors;
    uint32_t settled; /* how often the device that stays said so */
    uint32_t refusals;

    struct bytes loads[BATCHES_MAX]; /* what the hub's shell serves */
    uint32_t load_count;
    uint32_t loaded;
    bool is_hub_busy;     /* its shell does not finish what it was told to ingest */
    struct bytes refused; /* REFUSED frames that it answers with */
    enum kith_err verdict;
    const uint8_t *psk;
    bool is_enrolling;
    enum kith_err ingest_verdict;
    uint32_t looked_up;
    uint32_t ingests;
    uint32_t pushes; /* frames with data */
    uint32_t answered_batches;

    bool is_device_closed;
    bool is_hub_closed;
    enum kith_err device_err;
    enum kith_err hub_err;
};

static struct noise_keypair hub_keys;
static struct noise_keypair device_keys;
static const uint8_t ephemeral_of_hub[KEY_BYTES] = "the hub's one-time secret is it";
static const uint8_t ephemeral_of_device[KEY_BYTES] = "the device's one-time secret...";
static const uint8_t psk[KEY_BYTES] = "the secret of an invitation....";
static const uint8_t other_psk[KEY_BYTES] = "the secret of another one......";
static const struct welcome welcome = {
    .version = KITH_PROTOCOL_VERSION, .incarnation = "incarna", .clock_ms = 1700000000000};

static int keys_make(void **state)
{
    struct dice dice = {77};
    uint8_t secret[KEY_BYTES];

    (void)state;
    dice_bytes(&dice, secret, sizeof secret);
    noise_keypair_from_secret(&hub_keys, secret);
    dice_bytes(&dice, secret, sizeof secret);
    noise_keypair_from_secret(&device_keys, secret);
    return 0;
}

static struct session_device_config sync_config(void)
{
    return (struct session_device_config){.mode = CHANNEL_SYNC,
                                          .keys = &device_keys,
                                          .ephemeral_secret = ephemeral_of_device,
                                          .hub_key = hub_keys.public,
                                          .device = 7,
                                          .clock_ms = 1700000000001};
}

static void world_begin(struct world *world, const struct session_device_config *config,
                        enum pieces pieces)
{
    memset(world, 0, sizeof *world);
    world->pieces = pieces;
    world->dice.state = 5;
    buffer_init(&world->to_hub, WIRE_MAX);
    buffer_init(&world->to_device, WIRE_MAX);
    session_device_init(&world->device, config);
    session_hub_init(&world->hub, &hub_keys, ephemeral_of_hub, &welcome);
}

static void world_end(struct world *world)
{
    session_device_clear(&world->device);
    session_hub_clear(&world->hub);
    buffer_clear(&world->to_hub);
    buffer_clear(&world->to_device);
}

/* Batches. */

static struct bytes pull_batch(void)
{
    static uint8_t bytes[64];
    static size_t len;
    struct buffer out;

    if (len == 0) {
        buffer_init(&out, sizeof bytes);
        pull_write(&out, &(struct pull){.cursor = {NULL, 0}});
        memcpy(bytes, out.ptr, out.len);
        len = out.len;
        buffer_clear(&out);
    }
    return bytes_of(bytes, len);
}

/* A frame with data of about `size` bytes: the session does not look into it. */
static void data_frame(struct buffer *out, enum frame_type type, size_t size)
{
    static const uint8_t zeros[BATCH_MAX];

    wire_put_array(out, 2);
    wire_put_uint(out, type);
    wire_put_bin(out, bytes_of(zeros, size));
    assert_int_equal(out->err, KITH_OK);
}

/* Built once for each test that uses it. */
struct batches {
    struct buffer push;    /* a run of two changes */
    struct buffer large;   /* a PUSH nearly as large as a batch may be */
    struct buffer changes; /* a run of two changes, from the hub */
    struct buffer many;    /* a CHANGES nearly as large as a batch may be */
    struct buffer both;    /* a run and a PULL */
};

static void batches_make(struct batches *batches)
{
    struct buffer *all[] = {&batches->push, &batches->large, &batches->changes, &batches->many,
                            &batches->both};

    for (size_t i = 0; i < COUNT_OF(all); i++)
        buffer_init(all[i], BATCH_MAX);
    made_run(&batches->push, FRAME_PUSH, 7, 1, 2);
    data_frame(&batches->large, FRAME_PUSH, BATCH_MAX - 100);
    made_run(&batches->changes, FRAME_CHANGES, 3, 1, 2);
    data_frame(&batches->many, FRAME_CHANGES, BATCH_MAX - 100);
    made_run(&batches->both, FRAME_PUSH, 7, 1, 2);
    buffer_add(&batches->both, pull_batch().ptr, pull_batch().len);
}

static void batches_clear(struct batches *batches)
{
    buffer_clear(&batches->push);
    buffer_clear(&batches->large);
    buffer_clear(&batches->changes);
    buffer_clear(&batches->many);
    buffer_clear(&batches->both);
}

static void send_batch(struct world *world, struct bytes batch)
{
    world->outbox[world->outbox_count++] = batch;
}

static void serve(struct world *world, const struct buffer *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        world->loads[world->load_count++] = buffer_view(batch);
}

/* The shells. Each does one thing and says whether there was one. */

static void count_frames(struct world *world, struct bytes bytes)
{
    struct wire_in batch = wire_open(bytes);
    struct frame frame;

    world->applied++;
    while (frame_next(&batch, &frame)) {
        world->changes += frame.type == FRAME_CHANGES;
        world->acks += frame.type == FRAME_ACK;
        world->cursors += frame.type == FRAME_CURSOR;
        world->refusals += frame.type == FRAME_REFUSED;
    }
    assert_int_equal(wire_close(&batch), KITH_OK);
}

static void device_fill(struct world *world, size_t room)
{
    struct bytes batch = bytes_of(NULL, 0);

    if (world->filled < world->outbox_count)
        batch = world->outbox[world->filled++];
    assert_in_range(room, 1, BATCH_MAX); /* a single item may be larger than that */
    session_device_filled(&world->device, batch, world->filled < world->outbox_count);
}

static bool device_step(struct world *world)
{
    struct session_todo todo;

    if (world->is_device_closed)
        return false;
    session_device_next(&world->device, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&world->to_hub, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_FILL:
        device_fill(world, todo.room);
        return true;
    case SESSION_APPLY:
        count_frames(world, todo.bytes);
        if (!world->is_device_busy)
            session_device_applied(&world->device, KITH_OK, false);
        return true;
    case SESSION_SETTLED:
        world->settled++;
        return true;
    case SESSION_CLOSE:
        world->is_device_closed = true;
        world->device_err = todo.err;
        return true;
    case SESSION_WAIT:
        return false;
    case SESSION_LOOKUP:
    case SESSION_INGEST:
    case SESSION_LOAD:
        break;
    }
    fail_msg("the device was asked for the hub's work");
    return false;
}

static void hub_ingested(struct world *world)
{
    static const uint8_t signature[SIGNATURE_BYTES];
    struct session_answer answer = {.err = world->ingest_verdict,
                                    .refusals = world->refused,
                                    .signature = signature,
                                    .is_enrolled = world->is_enrolling};

    session_hub_ingested(&world->hub, &answer);
}

static void hub_ingest(struct world *world, struct bytes bytes)
{
    struct wire_in batch = wire_open(bytes);
    struct frame frame;

    world->ingests++;
    while (frame_next(&batch, &frame))
        world->pushes++;
    assert_int_equal(wire_close(&batch), KITH_OK);
    if (!world->is_hub_busy)
        hub_ingested(world);
}

static void hub_load(struct world *world)
{
    struct bytes batch = bytes_of(NULL, 0);

    if (world->loaded < world->load_count)
        batch = world->loads[world->loaded++];
    session_hub_loaded(&world->hub, KITH_OK, batch, bytes_text("cursor"),
                       world->loaded == world->load_count);
}

static bool hub_step(struct world *world)
{
    struct session_todo todo;

    if (world->is_hub_closed)
        return false;
    session_hub_next(&world->hub, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&world->to_device, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_LOOKUP:
        world->looked_up++;
        assert_memory_equal(channel_peer(&world->hub.channel), device_keys.public, KEY_BYTES);
        session_hub_identified(&world->hub, world->verdict, world->psk);
        return true;
    case SESSION_INGEST:
        hub_ingest(world, todo.bytes);
        return true;
    case SESSION_LOAD:
        hub_load(world);
        return true;
    case SESSION_CLOSE:
        world->is_hub_closed = true;
        world->hub_err = todo.err;
        return true;
    case SESSION_WAIT:
        return false;
    case SESSION_FILL:
    case SESSION_APPLY:
    case SESSION_SETTLED:
        break;
    }
    fail_msg("the hub was asked for the device's work");
    return false;
}

static size_t piece_of(struct world *world, size_t len)
{
    size_t piece = len;

    if (world->pieces == BYTEWISE)
        piece = 1;
    if (world->pieces == RANDOM_PIECES)
        piece = 1 + dice_below(&world->dice, 3000);
    if (piece > SESSION_READ_MAX)
        piece = SESSION_READ_MAX;
    return piece < len ? piece : len;
}

static bool carry_to_hub(struct world *world)
{
    size_t piece = piece_of(world, world->to_hub.len);

    if (piece == 0 || world->is_hub_closed || !session_hub_wants_bytes(&world->hub))
        return false;
    session_hub_receive(&world->hub, bytes_of(world->to_hub.ptr, piece));
    buffer_drop(&world->to_hub, piece);
    return true;
}

static bool carry_to_device(struct world *world)
{
    size_t piece = piece_of(world, world->to_device.len);

    if (piece == 0 || world->is_device_closed || !session_device_wants_bytes(&world->device))
        return false;
    session_device_receive(&world->device, bytes_of(world->to_device.ptr, piece));
    buffer_drop(&world->to_device, piece);
    return true;
}

/* Until nothing moves. A side does all it can before bytes move again, as an event loop would have
 * it. */
static void run(struct world *world)
{
    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        bool has_moved = false;
        while (device_step(world))
            has_moved = true;
        while (hub_step(world))
            has_moved = true;
        has_moved = carry_to_hub(world) || has_moved;
        has_moved = carry_to_device(world) || has_moved;
        if (!has_moved)
            return;
    }
    fail_msg("the sessions never come to rest");
}

/* After a side has closed and its last bytes have been read, the other sees the end of the stream.
 */
static void hang_up(struct world *world)
{
    session_device_hangup(&world->device);
    run(world);
}

static void assert_both_closed(const struct world *world, enum kith_err device_err,
                               enum kith_err hub_err)
{
    assert_true(world->is_device_closed);
    assert_true(world->is_hub_closed);
    assert_int_equal(world->device_err, device_err);
    assert_int_equal(world->hub_err, hub_err);
}

/* Orderly sessions. */

static void a_sync_with_nothing_takes_one_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all_pieces); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        world_begin(&world, &config, all_pieces[i]);
        send_batch(&world, pull_batch());
        run(&world);
        assert_both_closed(&world, KITH_OK, KITH_OK);
        assert_int_equal(world.device.round_trips, 1);
        assert_int_equal(world.looked_up, 1);
        assert_int_equal(world.hub.hello.device, 7);
        assert_int_equal(world.hub.hello.clock_ms, 1700000000001);
        assert_memory_equal(world.device.welcome.incarnation, welcome.incarnation,
                            INCARNATION_BYTES);
        assert_int_equal(world.device.welcome.clock_ms, welcome.clock_ms);
        assert_int_equal(world.cursors, 1);
        assert_int_equal(world.ingests, 0);
        world_end(&world);
    }
}

static void a_push_and_a_pull_take_one_round_trip(void **state)
{
    struct batches batches;

    (void)state;
    batches_make(&batches);
    for (size_t i = 0; i < COUNT_OF(all_pieces); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        world_begin(&world, &config, all_pieces[i]);
        send_batch(&world, buffer_view(&batches.both));
        serve(&world, &batches.changes, 3);
        run(&world);
        assert_both_closed(&world, KITH_OK, KITH_OK);
        assert_int_equal(world.device.round_trips, 1);
        assert_int_equal(world.pushes, 1);
        assert_int_equal(world.acks, 1);
        assert_int_equal(world.changes, 3);
        assert_int_equal(world.cursors, 3);
        world_end(&world);
    }
    batches_clear(&batches);
}

static void a_device_with_nothing_to_say_says_hello_and_bye(void **state)
{
    struct session_device_config config = sync_config();
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.device.round_trips, 1);
    assert_int_equal(world.cursors + world.acks, 0);
    world_end(&world);
}

static void a_long_outbox_goes_in_batches_that_are_all_answered(void **state)
{
    struct batches batches;

    (void)state;
    batches_make(&batches);
    for (size_t i = 0; i < COUNT_OF(all_pieces); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        world_begin(&world, &config, all_pieces[i]);
        send_batch(&world, buffer_view(&batches.push));
        send_batch(&world, buffer_view(&batches.push));
        send_batch(&world, buffer_view(&batches.both));
        run(&world);
        assert_both_closed(&world, KITH_OK, KITH_OK);
        assert_int_equal(world.device.round_trips,
                         2); /* the first flight, and all after the welcome */
        assert_int_equal(world.pushes, 3);
        assert_int_equal(world.device.unanswered, 0);
        assert_int_equal(world.cursors, 1);
        world_end(&world);
    }
    batches_clear(&batches);
}

/* More than one window each way, in the largest batches there are. */
static void much_more_than_a_window_goes_both_ways(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, RANDOM_PIECES);
    send_batch(&world, pull_batch());
    for (uint32_t i = 0; i < 40; i++)
        send_batch(&world, buffer_view(&batches.large));
    serve(&world, &batches.many, 50);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.pushes, 40);
    assert_int_equal(world.changes, 50);
    world_end(&world);
    batches_clear(&batches);
}

/* Receipts and a welcome are no batches: they are not credited, however many there are. */
static void credit_counts_batches_alone(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    for (uint32_t i = 0; i < BATCHES_MAX - 1; i++)
        send_batch(&world, buffer_view(&batches.push));
    send_batch(&world, pull_batch());
    serve(&world, &batches.many, 12);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.changes, 12);
    assert_true(world.hub.flow.under_way <= 2 * BATCH_MAX);
    world_end(&world);
    batches_clear(&batches);
}

static void what_was_refused_is_told_with_the_receipt(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;
    struct buffer refused;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    buffer_init(&refused, 1024);
    refused_write(&refused,
                  &(struct refused){.kind = ACK_CHAIN, .device = 7, .n = 2, .reason = KITH_GAP});
    refused_write(&refused,
                  &(struct refused){.kind = ACK_CHAIN, .device = 7, .n = 3, .reason = KITH_GAP});
    world.refused = buffer_view(&refused);
    send_batch(&world, buffer_view(&batches.both));
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.refusals, 2);
    assert_int_equal(world.acks, 1);
    buffer_clear(&refused);
    world_end(&world);
    batches_clear(&batches);
}

/* The shell took note of what it must do while the last bytes were still being written. */
static void an_answer_that_comes_during_a_write_is_not_lost(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;
    struct session_todo todo;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, buffer_view(&batches.push));
    send_batch(&world, buffer_view(&batches.both));
    world.is_hub_busy = true;
    run(&world);
    assert_int_equal(world.ingests, 1);
    hub_ingested(&world); /* the second batch waits: its receipt follows */
    session_hub_next(&world.hub, &todo);
    assert_int_equal(todo.work, SESSION_WRITE);
    buffer_add(&world.to_device, todo.bytes.ptr, todo.bytes.len);
    session_hub_notify(&world.hub);
    world.is_hub_busy = false;
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.acks, 2);
    world_end(&world);
    batches_clear(&batches);
}

static void what_is_new_follows_without_being_asked_for(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, buffer_view(&batches.both));
    world.is_hub_busy = true; /* so that the device stays */
    run(&world);
    session_hub_notify(&world.hub); /* before the first pull was answered: nothing to tell */
    serve(&world, &batches.changes, 1);
    world.is_hub_busy = false;
    world.is_device_busy = true;
    hub_ingested(&world);
    run(&world);
    world.load_count++;
    world.loads[1] = buffer_view(&batches.changes);
    session_hub_notify(&world.hub);
    run(&world);
    assert_int_equal(world.loaded, 2);
    world_end(&world);
    batches_clear(&batches);
}

static void who_never_asked_is_told_nothing(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, buffer_view(&batches.push));
    world.is_hub_busy = true; /* so that the device stays */
    run(&world);
    hub_ingested(&world);
    session_hub_notify(&world.hub);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.loaded + world.cursors, 0);
    world_end(&world);
    batches_clear(&batches);
}

/* A device that stays. */

static void a_device_that_stays_hears_sends_and_leaves(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    config.is_staying = true;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    run(&world);
    assert_int_equal(world.settled, 1);
    assert_false(world.is_device_closed);
    /* It showed at once that it is no recording. */
    assert_int_equal(channel_received(&world.hub.channel), 1);
    /* Something is committed at the hub. */
    serve(&world, &batches.changes, 1);
    session_hub_notify(&world.hub);
    run(&world);
    assert_int_equal(world.changes, 1);
    assert_int_equal(world.settled, 2);
    /* Something is saved here. */
    send_batch(&world, buffer_view(&batches.push));
    session_device_more(&world.device);
    run(&world);
    assert_int_equal(world.pushes, 1);
    assert_int_equal(world.acks, 1);
    assert_int_equal(world.settled, 3);
    /* A sign of life. */
    send_batch(&world, pull_batch());
    session_device_more(&world.device);
    run(&world);
    assert_int_equal(world.settled, 4);
    session_device_leave(&world.device);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    world_end(&world);
    batches_clear(&batches);
}

/* What arrives in small pieces is credited before the smallest window is full. */
static void a_device_that_stays_never_stops_the_hub(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    config.is_staying = true;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    run(&world);
    world.hub.flow.window = FLOW_WINDOW_MIN;
    for (uint32_t i = 0; i < BATCHES_MAX; i++) {
        serve(&world, &batches.changes, 1);
        session_hub_notify(&world.hub);
        run(&world);
        assert_int_equal(world.changes, i + 1);
    }
    assert_true(world.hub.flow.under_way <= FLOW_ANSWER_DUE + batches.changes.len + 64);
    world_end(&world);
    batches_clear(&batches);
}

/* Flow. */

static void without_credit_no_more_is_loaded(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    serve(&world, &batches.many, BATCHES_MAX);
    world.is_device_busy = true;
    run(&world);
    uint32_t in_window = world.loaded;
    assert_int_equal(in_window, 1); /* each of them is larger than the window at the beginning */
    run(&world);
    assert_int_equal(world.loaded, in_window);
    world.is_device_busy = false;
    session_device_applied(&world.device, KITH_OK, false);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.changes, BATCHES_MAX);
    world_end(&world);
    batches_clear(&batches);
}

static void a_device_sends_no_more_than_a_window_unanswered(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    for (uint32_t i = 0; i < 30; i++)
        send_batch(&world, buffer_view(&batches.large));
    world.is_hub_busy = true;
    run(&world);
    assert_int_equal(world.filled, 1);
    assert_true(world.device.flow.under_way <= BATCH_MAX);
    world.is_hub_busy = false;
    hub_ingested(&world);
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    assert_int_equal(world.pushes, 30);
    world_end(&world);
    batches_clear(&batches);
}

/* A device that is not ours: a bare channel that says whatever the test wants. */

struct bare {
    struct channel channel;
    struct world *world;
};

static void bare_begin(struct bare *bare, struct world *world)
{
    struct session_device_config config = sync_config();

    world_begin(world, &config, WHOLE);
    world->is_device_closed = true; /* the session's device stays out of this */
    bare->world = world;
    channel_init_device(&bare->channel, CHANNEL_TCP, CHANNEL_SYNC, &device_keys,
                        ephemeral_of_device, hub_keys.public, NULL);
}

static void bare_end(struct bare *bare)
{
    channel_clear(&bare->channel);
    world_end(bare->world);
}

static void bare_send(struct bare *bare, struct bytes batch)
{
    assert_int_equal(channel_send(&bare->channel, batch, &bare->world->to_hub), KITH_OK);
    run(bare->world);
}

/* The next message from the hub, read into the frames' types; their number. */
static uint32_t bare_receive(struct bare *bare, struct frame frames[static 8])
{
    struct buffer *from = &bare->world->to_device;
    struct bytes message;
    uint32_t count = 0;

    buffer_drop(from, channel_receive(&bare->channel, buffer_view(from)));
    if (!channel_next(&bare->channel, &message))
        return 0;
    struct wire_in batch = wire_open(message);
    while (count < 8 && frame_next(&batch, &frames[count]))
        count++;
    assert_int_equal(wire_close(&batch), KITH_OK);
    return count;
}

static void bare_greet(struct bare *bare)
{
    struct frame frames[8];
    struct buffer hello;

    buffer_init(&hello, 64);
    hello_write(&hello, &(struct hello){KITH_PROTOCOL_VERSION, 7, 0});
    bare_send(bare, buffer_view(&hello));
    buffer_clear(&hello);
    assert_int_equal(bare_receive(bare, frames), 1);
    assert_int_equal(frames[0].type, FRAME_WELCOME);
}

/* The hub has said why, and closed. */
static void assert_told(struct bare *bare, enum kith_err reason)
{
    struct frame frames[8];
    enum kith_err told = KITH_OK;

    assert_int_equal(bare_receive(bare, frames), 1);
    assert_int_equal(frames[0].type, FRAME_ERROR);
    assert_int_equal(error_read(&told, &frames[0]), KITH_OK);
    assert_int_equal(told, reason);
    assert_true(bare->world->is_hub_closed);
    assert_int_equal(bare->world->hub_err, reason);
}

static void frame_write(struct buffer *out, uint32_t type)
{
    switch (type) {
    case FRAME_HELLO:
        hello_write(out, &(struct hello){KITH_PROTOCOL_VERSION, 7, 0});
        return;
    case FRAME_WELCOME:
        welcome_write(out, &welcome);
        return;
    case FRAME_CURSOR:
        cursor_write(out, &(struct cursor_frame){bytes_text("cursor"), true});
        return;
    case FRAME_ERROR:
        error_write(out, KITH_BUSY);
        return;
    default:
        data_frame(out, (enum frame_type)type, 10);
    }
}

static void the_hub_refuses_frames_that_are_not_a_devices(void **state)
{
    static const struct {
        uint32_t type;
        enum kith_err verdict;
    } frames[] = {
        {FRAME_HELLO, KITH_UNKNOWN_TYPE},
        {FRAME_WELCOME, KITH_UNKNOWN_TYPE},
        {FRAME_CHANGES, KITH_UNKNOWN_TYPE},
        {FRAME_ACK, KITH_UNKNOWN_TYPE},
        {FRAME_REFUSED, KITH_UNKNOWN_TYPE},
        {FRAME_CURSOR, KITH_UNKNOWN_TYPE},
        {0, KITH_UNKNOWN_TYPE},
        {63, KITH_UNKNOWN_TYPE},
        {FRAME_PULL, KITH_MALFORMED},
        {FRAME_CREDIT, KITH_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        struct world world;
        struct bare bare;
        struct buffer out;
        bare_begin(&bare, &world);
        bare_greet(&bare);
        buffer_init(&out, 1024);
        frame_write(&out, frames[i].type);
        bare_send(&bare, buffer_view(&out));
        assert_told(&bare, frames[i].verdict);
        assert_int_equal(world.ingests, 0);
        buffer_clear(&out);
        bare_end(&bare);
    }
}

static void the_hub_skips_what_may_be_skipped(void **state)
{
    struct frame frames[8];
    struct world world;
    struct bare bare;
    struct buffer out;

    (void)state;
    bare_begin(&bare, &world);
    bare_greet(&bare);
    buffer_init(&out, 1024);
    data_frame(&out, FRAME_SKIPPABLE, 10);
    data_frame(&out, FRAME_PUSH, 10);
    data_frame(&out, (enum frame_type)255, 10);
    bare_send(&bare, buffer_view(&out));
    assert_int_equal(world.pushes, 1);
    assert_int_equal(bare_receive(&bare, frames), 1);
    assert_int_equal(frames[0].type, FRAME_ACK);
    assert_false(world.is_hub_closed);
    buffer_clear(&out);
    bare_end(&bare);
}

static void a_batch_that_is_not_well_formed_is_told_and_ends_the_session(void **state)
{
    struct world world;
    struct bare bare;

    (void)state;
    bare_begin(&bare, &world);
    bare_greet(&bare);
    bare_send(&bare, bytes_of("\x92\x03", 2)); /* a PUSH that is cut */
    assert_told(&bare, KITH_CUT);
    assert_int_equal(world.ingests, 0);
    bare_end(&bare);
}

/* Nothing can be told before the handshake is over: such a peer gets no answer at all. */
static void a_first_flight_without_hello_is_not_answered(void **state)
{
    static const uint32_t types[] = {FRAME_PUSH, FRAME_PULL, FRAME_BYE, FRAME_WELCOME, 99};

    (void)state;
    for (size_t i = 0; i <= COUNT_OF(types); i++) {
        struct world world;
        struct bare bare;
        struct buffer out;
        bare_begin(&bare, &world);
        buffer_init(&out, 1024);
        if (i < COUNT_OF(types))
            frame_write(&out, types[i]);
        bare_send(&bare, buffer_view(&out)); /* the last one is empty */
        assert_true(world.is_hub_closed);
        assert_int_equal(world.hub_err, KITH_STATE);
        assert_int_equal(world.to_device.len, 0);
        assert_int_equal(world.looked_up, 0);
        buffer_clear(&out);
        bare_end(&bare);
    }
}

static void a_hello_of_another_version_is_not_let_in(void **state)
{
    struct world world;
    struct bare bare;
    struct buffer out;

    (void)state;
    bare_begin(&bare, &world);
    buffer_init(&out, 1024);
    hello_write(&out, &(struct hello){KITH_PROTOCOL_VERSION + 1, 7, 0});
    bare_send(&bare, buffer_view(&out));
    assert_true(world.is_hub_closed);
    assert_int_equal(world.hub_err, KITH_VERSION);
    assert_int_equal(world.looked_up, 0);
    buffer_clear(&out);
    bare_end(&bare);
}

static void credit_for_what_was_never_sent_is_refused(void **state)
{
    struct world world;
    struct bare bare;
    struct buffer out;

    (void)state;
    bare_begin(&bare, &world);
    bare_greet(&bare);
    buffer_init(&out, 1024);
    credit_write(&out, 1);
    bare_send(&bare, buffer_view(&out));
    assert_told(&bare, KITH_STATE);
    buffer_clear(&out);
    bare_end(&bare);
}

/* A device that sends on and on while the hub is busy: the hub stops reading, holds a bounded
 * amount, and goes on. */
static void a_hub_stops_reading_when_too_much_is_unanswered(void **state)
{
    enum { SENT = 40 };
    struct batches batches;
    struct world world;
    struct bare bare;

    (void)state;
    batches_make(&batches);
    bare_begin(&bare, &world);
    bare_greet(&bare);
    world.is_hub_busy = true;
    for (uint32_t i = 0; i < SENT; i++)
        bare_send(&bare, buffer_view(&batches.large));
    assert_false(session_hub_wants_bytes(&world.hub));
    assert_true(world.to_hub.len > 0);
    assert_true(world.hub.ingest.len + world.hub.handed.len <= WINDOW_BYTES + BATCH_MAX);
    world.is_hub_busy = false;
    hub_ingested(&world);
    run(&world);
    assert_false(world.is_hub_closed);
    assert_int_equal(world.pushes, SENT);
    assert_int_equal(world.to_hub.len, 0);
    bare_end(&bare);
    batches_clear(&batches);
}

/* What follows BYE in the same message is not looked at. */
static void after_bye_nothing_counts(void **state)
{
    struct world world;
    struct bare bare;
    struct buffer out;

    (void)state;
    bare_begin(&bare, &world);
    bare_greet(&bare);
    buffer_init(&out, 1024);
    bye_write(&out);
    data_frame(&out, FRAME_CHANGES, 10);
    bare_send(&bare, buffer_view(&out));
    assert_true(world.is_hub_closed);
    assert_int_equal(world.hub_err, KITH_OK);
    assert_int_equal(world.to_device.len, 0);
    buffer_clear(&out);
    bare_end(&bare);
}

/* Refusals and other ends. */

static void a_device_that_expects_another_hub_gets_no_answer(void **state)
{
    struct session_device_config config = sync_config();
    struct world world;

    (void)state;
    config.hub_key = device_keys.public;
    world_begin(&world, &config, WHOLE);
    run(&world);
    assert_true(world.is_hub_closed);
    assert_int_equal(world.hub_err, KITH_HANDSHAKE);
    assert_int_equal(world.looked_up, 0);
    assert_int_equal(world.device.bytes_in, 0);
    hang_up(&world);
    assert_both_closed(&world, KITH_LOST, KITH_HANDSHAKE);
    world_end(&world);
}

static void an_unknown_device_is_told_and_both_close(void **state)
{
    static const enum kith_err reasons[] = {KITH_UNKNOWN_DEVICE, KITH_ENDED, KITH_TOO_MANY,
                                            KITH_NOT_FOUNDED};
    struct batches batches;

    (void)state;
    batches_make(&batches);
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        world_begin(&world, &config, WHOLE);
        world.verdict = reasons[i];
        send_batch(&world, buffer_view(&batches.both));
        run(&world);
        assert_both_closed(&world, reasons[i], reasons[i]);
        assert_int_equal(world.ingests + world.loaded + world.applied, 0);
        world_end(&world);
    }
    batches_clear(&batches);
}

static void a_store_that_fails_is_told_and_ends_the_session(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    world.ingest_verdict = KITH_FULL;
    send_batch(&world, buffer_view(&batches.both));
    run(&world);
    assert_both_closed(&world, KITH_FULL, KITH_FULL);
    assert_int_equal(world.acks, 0);
    world_end(&world);
    batches_clear(&batches);
}

static void a_hangup_without_bye_is_a_lost_connection(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;
    struct world world;

    (void)state;
    batches_make(&batches);
    world_begin(&world, &config, WHOLE);
    world.is_hub_busy = true;
    send_batch(&world, buffer_view(&batches.push));
    run(&world);
    hang_up(&world);
    assert_true(world.is_device_closed);
    assert_int_equal(world.device_err, KITH_LOST);
    assert_false(session_device_wants_bytes(&world.device));
    world_end(&world);
    world_begin(&world, &config, WHOLE);
    hang_up(&world); /* before anything */
    assert_int_equal(world.device_err, KITH_LOST);
    world_end(&world);
    batches_clear(&batches);
}

static void a_device_that_cannot_store_closes_with_its_reason(void **state)
{
    struct session_device_config config = sync_config();
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    world.is_device_busy = true;
    send_batch(&world, pull_batch());
    run(&world);
    session_device_applied(&world.device, KITH_FULL, false);
    run(&world);
    assert_true(world.is_device_closed);
    assert_int_equal(world.device_err, KITH_FULL);
    world_end(&world);
}

/* Whatever a stranger sends instead of a handshake: the hub closes and has written nothing. */
static void garbage_is_not_answered(void **state)
{
    struct session_device_config config = sync_config();
    struct dice dice = {3};
    uint8_t garbage[400];

    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        struct world world;
        world_begin(&world, &config, RANDOM_PIECES);
        world.is_device_closed = true;
        dice_bytes(&dice, garbage, sizeof garbage);
        if (round % 3 > 0)
            memcpy(garbage, "K\1\0", 3); /* a good preamble, */
        if (round % 3 > 1)
            put_u16(garbage + 3, 300); /* and a good length */
        buffer_add(&world.to_hub, garbage, sizeof garbage);
        run(&world);
        if (round % 3 != 1) {
            assert_true(world.is_hub_closed);
            assert_int_not_equal(world.hub_err, KITH_OK);
        }
        assert_int_equal(world.to_device.len, 0);
        assert_int_equal(world.looked_up, 0);
        world_end(&world);
    }
}

/* One flipped bit anywhere in the first flight: refused without a word, or, in the length, waited
 * for in vain. */
static void an_altered_first_flight_is_not_answered(void **state)
{
    struct session_device_config config = sync_config();
    struct buffer flight;
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    world.is_hub_closed = true;
    run(&world);
    buffer_init(&flight, 4096);
    buffer_add(&flight, world.to_hub.ptr, world.to_hub.len);
    world_end(&world);
    for (size_t at = 0; at < flight.len; at++) {
        world_begin(&world, &config, WHOLE);
        world.is_device_closed = true;
        buffer_add(&world.to_hub, flight.ptr, flight.len);
        world.to_hub.ptr[at] ^= 0x40;
        run(&world);
        assert_int_equal(world.to_device.len, 0);
        assert_int_equal(world.looked_up, 0);
        assert_true(world.is_hub_closed || at == 3 || at == 4);
        world_end(&world);
    }
    buffer_clear(&flight);
}

static void an_altered_answer_closes_the_device(void **state)
{
    struct session_device_config config = sync_config();
    struct batches batches;

    (void)state;
    batches_make(&batches);
    for (size_t at = 0; at < 400; at += 7) {
        struct world world;
        world_begin(&world, &config, WHOLE);
        send_batch(&world, buffer_view(&batches.both));
        serve(&world, &batches.changes, 1);
        for (uint32_t i = 0; i < 20; i++) {
            (void)device_step(&world);
            (void)carry_to_hub(&world);
            (void)hub_step(&world);
        }
        assert_true(at < world.to_device.len);
        world.to_device.ptr[at] ^= 1;
        run(&world);
        hang_up(&world);
        assert_true(world.is_device_closed);
        assert_int_not_equal(world.device_err, KITH_OK);
        world_end(&world);
    }
    batches_clear(&batches);
}

/* What a device hears from a hub that is not ours. */

/* Lets the hub's own channel say `batch` in message 2 instead of WELCOME. */
static enum kith_err greeted_with(const struct buffer *batch)
{
    struct session_device_config config = sync_config();
    struct channel hub;
    struct world world;
    struct bytes message;

    world_begin(&world, &config, WHOLE);
    world.is_hub_closed = true;
    send_batch(&world, pull_batch());
    run(&world);
    channel_init_hub(&hub, &hub_keys, ephemeral_of_hub);
    while (world.to_hub.len > 0) {
        size_t taken = channel_receive(&hub, buffer_view(&world.to_hub));
        if (taken == 0)
            break;
        buffer_drop(&world.to_hub, taken);
    }
    assert_true(channel_next(&hub, &message));
    assert_int_equal(channel_send(&hub, buffer_view(batch), &world.to_device), KITH_OK);
    run(&world);
    enum kith_err err = world.is_device_closed ? world.device_err : KITH_OK;
    channel_clear(&hub);
    world_end(&world);
    return err;
}

static void a_device_takes_nothing_before_the_welcome(void **state)
{
    static const struct {
        uint32_t type;
        enum kith_err verdict;
    } frames[] = {
        {FRAME_WELCOME, KITH_OK},    {FRAME_ERROR, KITH_BUSY}, {FRAME_BYE, KITH_STATE},
        {FRAME_CHANGES, KITH_STATE}, {FRAME_ACK, KITH_STATE},  {FRAME_CURSOR, KITH_STATE},
        {FRAME_ROSTER, KITH_STATE},  {99, KITH_STATE},
    };
    static const uint8_t signature[SIGNATURE_BYTES];
    struct buffer batch;

    (void)state;
    buffer_init(&batch, 1024);
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        buffer_reset(&batch);
        if (frames[i].type == FRAME_ACK)
            ack_write(&batch, 0, 0, bytes_of(NULL, 0), signature);
        else if (frames[i].type == FRAME_BYE)
            bye_write(&batch);
        else
            frame_write(&batch, frames[i].type);
        assert_int_equal(greeted_with(&batch), frames[i].verdict);
    }
    buffer_clear(&batch);
}

static void a_welcome_of_another_version_or_a_second_one_is_refused(void **state)
{
    struct welcome newer = welcome;
    struct buffer batch;

    (void)state;
    newer.version++;
    buffer_init(&batch, 1024);
    welcome_write(&batch, &newer);
    assert_int_equal(greeted_with(&batch), KITH_VERSION);
    buffer_reset(&batch);
    welcome_write(&batch, &welcome);
    welcome_write(&batch, &welcome);
    assert_int_equal(greeted_with(&batch), KITH_STATE);
    buffer_clear(&batch);
}

static void a_receipt_for_more_than_was_sent_is_refused(void **state)
{
    static const uint8_t signature[SIGNATURE_BYTES];
    struct buffer batch;

    (void)state;
    buffer_init(&batch, 1024);
    welcome_write(&batch, &welcome);
    ack_write(&batch, 1, 0, bytes_of(NULL, 0), signature);
    assert_int_equal(greeted_with(&batch), KITH_STATE);
    buffer_clear(&batch);
}

static void a_hub_that_leaves_first_is_a_lost_connection(void **state)
{
    struct buffer batch;

    (void)state;
    buffer_init(&batch, 1024);
    welcome_write(&batch, &welcome);
    bye_write(&batch);
    assert_int_equal(greeted_with(&batch), KITH_LOST);
    buffer_clear(&batch);
}

/* Joining. */

static struct session_device_config join_config(void)
{
    struct session_device_config config = sync_config();

    config.mode = CHANNEL_JOIN;
    config.psk = psk;
    return config;
}

static void a_joining_device_is_let_in_when_it_has_enrolled(void **state)
{
    struct buffer enrolment;

    (void)state;
    buffer_init(&enrolment, 1024);
    data_frame(&enrolment, FRAME_ROSTER, 200);
    for (size_t i = 0; i < COUNT_OF(all_pieces); i++) {
        struct session_device_config config = join_config();
        struct world world;
        world_begin(&world, &config, all_pieces[i]);
        world.psk = psk;
        world.is_hub_busy = true;
        world.is_enrolling = true;
        send_batch(&world, bytes_of(NULL, 0)); /* message 1 */
        send_batch(&world, buffer_view(&enrolment));
        run(&world);
        assert_int_equal(world.ingests, 1);
        assert_int_equal(world.hub.state, HUB_JOINING);
        world.is_hub_busy = false;
        hub_ingested(&world);
        assert_int_equal(world.hub.state, HUB_OPEN);
        run(&world);
        assert_both_closed(&world, KITH_OK, KITH_OK);
        assert_int_equal(world.acks, 1);
        world_end(&world);
    }
    buffer_clear(&enrolment);
}

static void a_device_that_does_not_enrol_stays_outside(void **state)
{
    struct session_device_config config = join_config();
    struct buffer entries;
    struct world world;

    (void)state;
    buffer_init(&entries, 1024);
    data_frame(&entries, FRAME_ROSTER, 200);
    world_begin(&world, &config, WHOLE);
    world.psk = psk;
    world.is_hub_busy = true;
    send_batch(&world, bytes_of(NULL, 0)); /* message 1 */
    send_batch(&world, buffer_view(&entries));
    run(&world);
    hub_ingested(&world);
    assert_int_equal(world.hub.state, HUB_JOINING);
    session_hub_notify(&world.hub);
    run(&world);
    assert_int_equal(world.loaded, 0);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    world_end(&world);
    buffer_clear(&entries);
}

/* Message 1 can be written by everybody who knows the hub's key: it must not set the hub to work on
 * an invitation, let alone use it up. */
static void data_before_the_psk_is_proved_is_not_taken(void **state)
{
    static const enum channel_mode modes[] = {CHANNEL_JOIN, CHANNEL_FOUND};
    struct buffer entries;

    (void)state;
    buffer_init(&entries, 1024);
    data_frame(&entries, FRAME_ROSTER, 200);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct session_device_config config = join_config();
        struct world world;
        config.mode = modes[i];
        world_begin(&world, &config, WHOLE);
        world.psk = psk;
        send_batch(&world, buffer_view(&entries));
        run(&world);
        assert_true(world.is_hub_closed);
        assert_int_equal(world.hub_err, KITH_STATE);
        assert_int_equal(world.looked_up + world.ingests, 0);
        assert_int_equal(world.device.bytes_in, 0);
        world_end(&world);
    }
    buffer_clear(&entries);
}

static void another_psk_opens_nothing(void **state)
{
    struct session_device_config config = join_config();
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    world.psk = other_psk;
    run(&world);
    assert_true(world.is_device_closed);
    assert_int_equal(world.device_err, KITH_HANDSHAKE);
    assert_int_equal(world.applied, 0);
    assert_int_equal(world.ingests + world.loaded, 0);
    world_end(&world);
}

/* The hub does not know the invitation, so there is no key under which it could say so. */
static void an_unknown_invitation_is_not_answered(void **state)
{
    struct session_device_config config = join_config();
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    world.verdict = KITH_EXPIRED;
    run(&world);
    assert_true(world.is_hub_closed);
    assert_int_equal(world.hub_err, KITH_EXPIRED);
    assert_int_equal(world.device.bytes_in, 0);
    world_end(&world);
}

static void an_expired_invitation_is_told(void **state)
{
    struct session_device_config config = join_config();
    struct world world;

    (void)state;
    world_begin(&world, &config, WHOLE);
    world.psk = psk;
    world.verdict = KITH_EXPIRED;
    run(&world);
    assert_both_closed(&world, KITH_EXPIRED, KITH_EXPIRED);
    world_end(&world);
}

/* A load that cannot be made, and a first cursor that is empty. */
/* Bytes of the hub instead of an answer to message 1. */
static void answer_with(struct world *world, const uint8_t *bytes, size_t len)
{
    buffer_add(&world->to_device, bytes, len);
    run(world);
}

static void a_refusal_in_the_clear_is_taken_before_message_2_only(void **state)
{
    static const struct {
        uint8_t bytes[CHANNEL_REFUSAL_BYTES];
        uint32_t retry_s;
    } rows[] = {{{0, 0, 0, 0}, 0}, {{0, 0, 0, 20}, 20}, {{0, 0, 0xff, 0xff}, RETRY_S_MAX}};

    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        world_begin(&world, &config, i % 2 ? BYTEWISE : WHOLE);
        world.is_hub_closed = true; /* the bytes are ours */
        answer_with(&world, rows[i / 2].bytes, CHANNEL_REFUSAL_BYTES);
        assert_true(world.is_device_closed);
        assert_int_equal(world.device_err, KITH_BUSY);
        assert_int_equal(world.device.retry_s, rows[i / 2].retry_s);
        world_end(&world);
    }
    struct session_device_config config = sync_config();
    struct world world;
    world_begin(&world, &config, WHOLE);
    world.is_device_busy = true; /* it has the WELCOME and stays */
    run(&world);
    world.is_hub_closed = true;
    world.is_device_busy = false;
    session_device_applied(&world.device, KITH_OK, false);
    session_device_receive(&world.device, bytes_of(rows[1].bytes, CHANNEL_REFUSAL_BYTES));
    run(&world);
    assert_true(world.is_device_closed);
    assert_int_not_equal(world.device_err, KITH_BUSY);
    world_end(&world);
}

static void who_is_turned_away_is_told_when_to_come_again(void **state)
{
    struct batches batches;

    (void)state;
    batches_make(&batches);
    for (size_t i = 0; i < 2 * COUNT_OF(all_pieces); i++) {
        struct session_device_config config = sync_config();
        struct world world;
        bool is_open = i % 2;
        world_begin(&world, &config, all_pieces[i / 2]);
        world.is_hub_busy = true;
        send_batch(&world, buffer_view(&batches.push));
        if (is_open)
            run(&world); /* it waits for a receipt */
        session_hub_turn_away(&world.hub, 17 + (uint32_t)i);
        session_hub_turn_away(&world.hub, 99); /* once is enough */
        run(&world);
        assert_both_closed(&world, KITH_BUSY, KITH_BUSY);
        assert_int_equal(world.device.retry_s, 17 + i);
        assert_int_equal(world.looked_up, is_open);
        world_end(&world);
    }
    batches_clear(&batches);
}

static void a_failed_load_is_told(void **state)
{
    struct session_device_config config = sync_config();
    struct world world;
    struct session_todo todo;

    (void)state;
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    run(&world);
    assert_both_closed(&world, KITH_OK, KITH_OK);
    world_end(&world);
    world_begin(&world, &config, WHOLE);
    send_batch(&world, pull_batch());
    do {
        (void)device_step(&world);
        (void)carry_to_hub(&world);
        session_hub_next(&world.hub, &todo);
        if (todo.work == SESSION_LOOKUP)
            session_hub_identified(&world.hub, KITH_OK, NULL);
        if (todo.work == SESSION_WRITE)
            buffer_add(&world.to_device, todo.bytes.ptr, todo.bytes.len);
    } while (todo.work != SESSION_LOAD);
    session_hub_loaded(&world.hub, KITH_OK, bytes_of(NULL, 0), bytes_of(NULL, 0), false);
    (void)hub_step(&world);
    session_hub_next(&world.hub, &todo);
    assert_int_equal(todo.work, SESSION_LOAD);
    session_hub_loaded(&world.hub, KITH_DAMAGED, bytes_of(NULL, 0), bytes_of(NULL, 0), false);
    run(&world);
    assert_both_closed(&world, KITH_DAMAGED, KITH_DAMAGED);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_with_nothing_takes_one_round_trip),
        cmocka_unit_test(a_push_and_a_pull_take_one_round_trip),
        cmocka_unit_test(a_device_with_nothing_to_say_says_hello_and_bye),
        cmocka_unit_test(a_long_outbox_goes_in_batches_that_are_all_answered),
        cmocka_unit_test(much_more_than_a_window_goes_both_ways),
        cmocka_unit_test(credit_counts_batches_alone),
        cmocka_unit_test(what_was_refused_is_told_with_the_receipt),
        cmocka_unit_test(an_answer_that_comes_during_a_write_is_not_lost),
        cmocka_unit_test(what_is_new_follows_without_being_asked_for),
        cmocka_unit_test(who_never_asked_is_told_nothing),
        cmocka_unit_test(without_credit_no_more_is_loaded),
        cmocka_unit_test(a_device_that_stays_hears_sends_and_leaves),
        cmocka_unit_test(a_device_that_stays_never_stops_the_hub),
        cmocka_unit_test(a_device_sends_no_more_than_a_window_unanswered),
        cmocka_unit_test(the_hub_refuses_frames_that_are_not_a_devices),
        cmocka_unit_test(the_hub_skips_what_may_be_skipped),
        cmocka_unit_test(a_batch_that_is_not_well_formed_is_told_and_ends_the_session),
        cmocka_unit_test(a_first_flight_without_hello_is_not_answered),
        cmocka_unit_test(a_hello_of_another_version_is_not_let_in),
        cmocka_unit_test(credit_for_what_was_never_sent_is_refused),
        cmocka_unit_test(a_hub_stops_reading_when_too_much_is_unanswered),
        cmocka_unit_test(after_bye_nothing_counts),
        cmocka_unit_test(a_device_that_expects_another_hub_gets_no_answer),
        cmocka_unit_test(an_unknown_device_is_told_and_both_close),
        cmocka_unit_test(a_store_that_fails_is_told_and_ends_the_session),
        cmocka_unit_test(a_hangup_without_bye_is_a_lost_connection),
        cmocka_unit_test(a_device_that_cannot_store_closes_with_its_reason),
        cmocka_unit_test(garbage_is_not_answered),
        cmocka_unit_test(an_altered_first_flight_is_not_answered),
        cmocka_unit_test(an_altered_answer_closes_the_device),
        cmocka_unit_test(a_device_takes_nothing_before_the_welcome),
        cmocka_unit_test(a_welcome_of_another_version_or_a_second_one_is_refused),
        cmocka_unit_test(a_receipt_for_more_than_was_sent_is_refused),
        cmocka_unit_test(a_hub_that_leaves_first_is_a_lost_connection),
        cmocka_unit_test(a_joining_device_is_let_in_when_it_has_enrolled),
        cmocka_unit_test(a_device_that_does_not_enrol_stays_outside),
        cmocka_unit_test(data_before_the_psk_is_proved_is_not_taken),
        cmocka_unit_test(another_psk_opens_nothing),
        cmocka_unit_test(an_unknown_invitation_is_not_answered),
        cmocka_unit_test(an_expired_invitation_is_told),
        cmocka_unit_test(a_refusal_in_the_clear_is_taken_before_message_2_only),
        cmocka_unit_test(who_is_turned_away_is_told_when_to_come_again),
        cmocka_unit_test(a_failed_load_is_told),
    };

    return cmocka_run_group_tests(tests, keys_make, NULL);
}
