/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger can send to a hub, and after a real handshake what an enrolled device can: the
 * first byte chooses. The hub's side must neither crash nor hold more than it may.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t hub_seed[KEY_BYTES] = {1};
static const uint8_t device_seed[KEY_BYTES] = {2};

static void answer(struct session_hub *hub, const struct session_todo *todo)
{
    static const uint8_t signature[SIGNATURE_BYTES];
    const struct session_answer stored = {.signature = signature};

    if (todo->work == SESSION_LOOKUP)
        session_hub_identified(hub, KITH_OK, device_seed);
    else if (todo->work == SESSION_INGEST)
        session_hub_ingested(hub, &stored);
    else if (todo->work == SESSION_LOAD)
        session_hub_loaded(hub, KITH_OK, bytes_of(NULL, 0), bytes_of("cursor", 6), true);
}

/* Runs the hub until it waits; what it writes goes to `written`. */
static void drive(struct session_hub *hub, struct buffer *written)
{
    struct session_todo todo;

    for (unsigned step = 0; step < 10000; step++) {
        session_hub_next(hub, &todo);
        if (todo.work == SESSION_WRITE && written)
            buffer_add(written, todo.bytes.ptr, todo.bytes.len);
        if (todo.work == SESSION_WAIT || todo.work == SESSION_CLOSE)
            return;
        answer(hub, &todo);
    }
    abort(); /* it never comes to rest */
}

static void send_text(struct session_hub *hub, struct channel *device, struct bytes text)
{
    struct buffer sealed;

    buffer_init(&sealed, SIZE_MAX);
    if (text.len <= BATCH_MAX && channel_send(device, text, &sealed) == KITH_OK)
        for (size_t at = 0; at < sealed.len && session_hub_wants_bytes(hub);
             at += SESSION_READ_MAX) {
            size_t left = sealed.len - at;
            session_hub_receive(
                hub, bytes_of(sealed.ptr + at, left < SESSION_READ_MAX ? left : SESSION_READ_MAX));
            drive(hub, NULL);
        }
    buffer_clear(&sealed);
}

/* A good first flight, so that what follows is read as a device's. */
static void greet(struct session_hub *hub, struct channel *device)
{
    const struct hello hello = {KITH_PROTOCOL_VERSION, 1, 0};
    struct buffer text;
    struct buffer out;
    struct bytes message;

    buffer_init(&text, BATCH_MAX);
    buffer_init(&out, SIZE_MAX);
    hello_write(&text, &hello);
    if (channel_send(device, buffer_view(&text), &out) == KITH_OK)
        session_hub_receive(hub, buffer_view(&out));
    buffer_reset(&out);
    drive(hub, &out);
    (void)channel_receive(device, buffer_view(&out));
    (void)channel_next(device, &message);
    buffer_clear(&text);
    buffer_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct noise_keypair hub_keys;
    struct noise_keypair device_keys;
    const struct welcome welcome = {.version = KITH_PROTOCOL_VERSION};
    struct session_hub hub;
    struct channel device;

    if (size < 1 || size > SESSION_READ_MAX)
        return 0;
    noise_keypair_from_secret(&hub_keys, hub_seed);
    noise_keypair_from_secret(&device_keys, device_seed);
    session_hub_init(&hub, &hub_keys, hub_seed, &welcome);
    channel_init_device(&device, CHANNEL_TCP, CHANNEL_SYNC, &device_keys, device_seed,
                        hub_keys.public, NULL);
    struct bytes input = bytes_of(data + 1, size - 1);
    if (data[0] & 1) {
        greet(&hub, &device);
        send_text(&hub, &device, input);
        send_text(&hub, &device, input);
    } else {
        session_hub_receive(&hub, input);
        drive(&hub, NULL);
    }
    channel_clear(&device);
    session_hub_clear(&hub);
    return 0;
}
