/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can stand at a hub's address, and after a real handshake what a hub can send to a device:
 * the first byte chooses, and whether the device stays. However a hub's bytes are cut, the device
 * does the same with them, and it always comes to rest.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IS_GREETED 1 /* by a hub that has the right key */
#define IS_STAYING 2
#define IS_SENDING 4 /* has something to send each time that it is asked */
#define IS_REFUSED 8 /* what comes cannot be stored */

static const uint8_t hub_seed[KEY_BYTES] = {1};
static const uint8_t device_seed[KEY_BYTES] = {2};

/* What a device did: the works it asked for, in order. */
struct deeds {
    uint64_t hash;
    unsigned count;
};

static void note(struct deeds *deeds, const struct session_todo *todo)
{
    deeds->hash = (deeds->hash ^ (uint64_t)todo->work ^ (todo->bytes.len << 8)) * 0x100000001B3u;
    deeds->count++;
}

static void fill(struct session_device *device, unsigned way)
{
    static const uint8_t credit[] = {FRAME_CREDIT, 1};
    bool is_sending = way & IS_SENDING && device->bytes_out < 4096;

    session_device_filled(device, bytes_of(credit, is_sending ? sizeof credit : 0), false);
}

/* Runs the device until it waits; what it writes goes to `written`. False when it is over. */
static bool drive(struct session_device *device, unsigned way, struct buffer *written,
                  struct deeds *deeds)
{
    struct session_todo todo;

    for (unsigned step = 0; step < 10000; step++) {
        session_device_next(device, &todo);
        if (todo.work == SESSION_WAIT)
            return true;
        if (todo.work == SESSION_CLOSE)
            return false;
        /* Whether an answer is written before or between depends on how the bytes came. */
        if (todo.work == SESSION_APPLY)
            note(deeds, &todo);
        if (todo.work == SESSION_WRITE)
            buffer_add(written, todo.bytes.ptr, todo.bytes.len);
        else if (todo.work == SESSION_FILL)
            fill(device, way);
        else if (todo.work == SESSION_APPLY)
            session_device_applied(device, way & IS_REFUSED ? KITH_FULL : KITH_OK, false);
    }
    abort(); /* it never comes to rest */
}

/* The hub's answer, sealed with the real keys. */
static void greet(struct channel *hub, struct bytes flight, struct bytes text, struct buffer *wire)
{
    const struct welcome welcome = {.version = KITH_PROTOCOL_VERSION};
    struct buffer first;
    struct bytes hello;

    buffer_init(&first, BATCH_MAX);
    (void)channel_receive(hub, flight);
    welcome_write(&first, &welcome);
    if (channel_next(hub, &hello) == KITH_OK &&
        channel_send(hub, buffer_view(&first), wire) == KITH_OK)
        (void)!channel_send(hub, text, wire);
    buffer_clear(&first);
}

static struct deeds run(unsigned way, struct bytes input, size_t piece)
{
    struct noise_keypair hub_keys;
    struct noise_keypair device_keys;
    struct session_device device;
    struct channel hub;
    struct buffer out;
    struct buffer in;
    struct deeds deeds = {0};
    const struct session_device_config config = {.mode = CHANNEL_SYNC,
                                                 .keys = &device_keys,
                                                 .ephemeral_secret = device_seed,
                                                 .hub_key = hub_keys.public,
                                                 .device = 1,
                                                 .is_staying = way & IS_STAYING};

    noise_keypair_from_secret(&hub_keys, hub_seed);
    noise_keypair_from_secret(&device_keys, device_seed);
    buffer_init(&out, SIZE_MAX);
    buffer_init(&in, SIZE_MAX);
    channel_init_hub(&hub, &hub_keys, hub_seed);
    session_device_init(&device, &config);
    bool goes_on = drive(&device, way, &out, &deeds);
    if (way & IS_GREETED)
        greet(&hub, buffer_view(&out), input, &in);
    else
        buffer_add(&in, input.ptr, input.len);
    for (size_t at = 0; at < in.len && goes_on && session_device_wants_bytes(&device);) {
        size_t len = in.len - at < piece ? in.len - at : piece;
        session_device_receive(&device, bytes_of(in.ptr + at, len));
        goes_on = drive(&device, way, &out, &deeds);
        at += len;
    }
    if (goes_on)
        session_device_hangup(&device);
    deeds.hash ^= (uint64_t)drive(&device, way, &out, &deeds);
    channel_clear(&hub);
    session_device_clear(&device);
    buffer_clear(&out);
    buffer_clear(&in);
    return deeds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > BATCH_MAX)
        return 0;
    struct bytes input = bytes_of(data + 2, size - 2);
    struct deeds whole = run(data[0], input, SESSION_READ_MAX);
    if (data[1] == 0)
        return 0;
    struct deeds cut = run(data[0], input, data[1]);
    if (cut.hash != whole.hash || cut.count != whole.count)
        abort();
    return 0;
}
