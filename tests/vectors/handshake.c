/* SPDX-License-Identifier: Apache-2.0 */
/* Whole streams of the channel, byte for byte: preamble, handshake and messages, in each mode. */
#include <stdlib.h>
#include <string.h>

#include "protocol/channel.h"
#include "tests/vectors/vectors.h"

#define STREAM_MAX (2 * NOISE_MESSAGE_MAX)

/* Both ends and what they were made of. */
struct ends {
    struct noise_keypair hub_static;
    struct noise_keypair device_static;
    uint8_t hub_ephemeral[KEY_BYTES];
    uint8_t device_ephemeral[KEY_BYTES];
    uint8_t psk[KEY_BYTES];
    struct channel device;
    struct channel hub;
    struct buffer bytes;
};

static void ends_init(struct ends *ends, enum channel_carrier carrier, enum channel_mode mode)
{
    uint8_t secret[KEY_BYTES];

    memset(ends, 0, sizeof *ends);
    seal_random(secret, sizeof secret);
    noise_keypair_from_secret(&ends->hub_static, secret);
    seal_random(secret, sizeof secret);
    noise_keypair_from_secret(&ends->device_static, secret);
    seal_random(ends->hub_ephemeral, KEY_BYTES);
    seal_random(ends->device_ephemeral, KEY_BYTES);
    seal_random(ends->psk, KEY_BYTES);
    channel_init_device(&ends->device, carrier, mode, &ends->device_static, ends->device_ephemeral,
                        ends->hub_static.public, mode == CHANNEL_SYNC ? NULL : ends->psk);
    channel_init_hub(&ends->hub, &ends->hub_static, ends->hub_ephemeral);
    channel_set_carrier(&ends->hub, carrier);
    buffer_init(&ends->bytes, STREAM_MAX);
}

static void ends_clear(struct ends *ends)
{
    channel_clear(&ends->device);
    channel_clear(&ends->hub);
    buffer_clear(&ends->bytes);
}

static void ends_tell(const struct ends *ends, enum channel_mode mode, struct json *json)
{
    json_text(json, "carrier", ends->device.carrier == CHANNEL_WEB ? "web" : "tcp");
    json_number(json, "mode", mode);
    vector_key(json, "hub_secret", ends->hub_static.secret);
    vector_key(json, "hub_public", ends->hub_static.public);
    vector_key(json, "device_secret", ends->device_static.secret);
    vector_key(json, "device_public", ends->device_static.public);
    vector_key(json, "hub_ephemeral_secret", ends->hub_ephemeral);
    vector_key(json, "device_ephemeral_secret", ends->device_ephemeral);
    if (mode != CHANNEL_SYNC)
        vector_key(json, "psk", ends->psk);
}

/* Sends one text; what went over the wire stays in ends->bytes. */
static void carry(struct ends *ends, bool is_up, struct bytes text)
{
    struct channel *from = is_up ? &ends->device : &ends->hub;
    struct channel *to = is_up ? &ends->hub : &ends->device;
    struct bytes got;

    buffer_reset(&ends->bytes);
    assert_int_equal(channel_send(from, text, &ends->bytes), KITH_OK);
    struct bytes left = buffer_view(&ends->bytes);
    while (left.len > 0) {
        size_t taken = channel_receive(to, left);
        assert_true(taken > 0);
        left = bytes_after(left, taken);
    }
    assert_true(channel_next(to, &got));
    assert_true(bytes_equal(got, text));
}

static void tell_step(struct ends *ends, struct json *json, bool is_up, const char *text)
{
    carry(ends, is_up, bytes_text(text));
    json_object(json, NULL);
    json_text(json, "from", is_up ? "device" : "hub");
    vector_hex(json, "text", bytes_text(text));
    vector_hex(json, "bytes", buffer_view(&ends->bytes));
    json_end(json);
}

/* A direction rekeys after 65 536 messages: empty ones up to there, then two that are told. */
static void tell_rekey(struct ends *ends, struct json *json, unsigned sent)
{
    for (unsigned i = sent; i < NOISE_REKEY_MESSAGES - 1; i++)
        carry(ends, true, bytes_of(NULL, 0));
    json_object(json, "rekey");
    json_count(json, "empty_from_device", NOISE_REKEY_MESSAGES - 1 - sent);
    json_list(json, "steps");
    tell_step(ends, json, true, "the last one under the first key");
    tell_step(ends, json, true, "the first one under the second");
    json_end(json);
    json_end(json);
}

static void whole_stream(struct vectors *vectors, const char *name, enum channel_carrier carrier,
                         enum channel_mode mode)
{
    struct ends ends;
    struct json *json = vector_begin(vectors, name);

    ends_init(&ends, carrier, mode);
    ends_tell(&ends, mode, json);
    json_list(json, "steps");
    carry(&ends, true, bytes_text("hello"));
    if (mode != CHANNEL_SYNC)
        channel_set_psk(&ends.hub, ends.psk);
    json_object(json, NULL);
    json_text(json, "from", "device");
    vector_hex(json, "text", bytes_text("hello"));
    vector_hex(json, "bytes", buffer_view(&ends.bytes));
    json_end(json);
    tell_step(&ends, json, false, "welcome");
    tell_step(&ends, json, true, "one");
    tell_step(&ends, json, true, "");
    tell_step(&ends, json, false, "two");
    json_end(json);
    vector_hex(json, "handshake_hash", bytes_of(ends.device.transport.hash, NOISE_HASH_BYTES));
    if (mode == CHANNEL_SYNC)
        tell_rekey(&ends, json, 2);
    vector_end(vectors);
    ends_clear(&ends);
}

/* What comes where message 2 should, and must end the connection. */
static void refused_answer(struct vectors *vectors, const char *name, struct ends *ends,
                           enum channel_mode mode, struct bytes answer)
{
    struct json *json = vector_begin(vectors, name);
    struct bytes got;

    ends_tell(ends, mode, json);
    vector_hex(json, "text", bytes_text("hello"));
    vector_hex(json, "answer", answer);
    (void)channel_receive(&ends->device, answer);
    assert_false(channel_next(&ends->device, &got));
    assert_true(ends->device.err != KITH_OK);
    vector_verdict(json, ends->device.err);
    if (ends->device.err == KITH_BUSY)
        json_number(json, "retry_s", ends->device.retry_s);
    vector_end(vectors);
}

enum spoiling { SPOIL_BYTE, SPOIL_PSK, SPOIL_POINT, SPOIL_BUSY };

static void spoiled(struct vectors *vectors, const char *name, enum channel_mode mode,
                    enum spoiling spoiling)
{
    struct ends ends;
    uint8_t busy[CHANNEL_REFUSAL_BYTES];

    ends_init(&ends, CHANNEL_TCP, mode);
    carry(&ends, true, bytes_text("hello"));
    if (mode != CHANNEL_SYNC) {
        ends.psk[0] ^= spoiling == SPOIL_PSK;
        channel_set_psk(&ends.hub, ends.psk);
        ends.psk[0] ^= spoiling == SPOIL_PSK;
    }
    buffer_reset(&ends.bytes);
    assert_int_equal(channel_send(&ends.hub, bytes_text("welcome"), &ends.bytes), KITH_OK);
    if (spoiling == SPOIL_BYTE)
        ends.bytes.ptr[ends.bytes.len - 1] ^= 1;
    if (spoiling == SPOIL_POINT)
        memset(ends.bytes.ptr + NOISE_LENGTH_BYTES, 0, KEY_BYTES);
    channel_refusal_write(busy, 90);
    refused_answer(vectors, name, &ends, mode,
                   spoiling == SPOIL_BUSY ? bytes_of(busy, sizeof busy) : buffer_view(&ends.bytes));
    ends_clear(&ends);
}

void vectors_handshake(struct vectors *vectors)
{
    whole_stream(vectors, "an enrolled device", CHANNEL_TCP, CHANNEL_SYNC);
    whole_stream(vectors, "a device with an invitation", CHANNEL_TCP, CHANNEL_JOIN);
    whole_stream(vectors, "an enrolled device over the web", CHANNEL_WEB, CHANNEL_SYNC);
    whole_stream(vectors, "the founder", CHANNEL_TCP, CHANNEL_FOUND);
    spoiled(vectors, "a changed byte in message 2", CHANNEL_SYNC, SPOIL_BYTE);
    spoiled(vectors, "another psk", CHANNEL_JOIN, SPOIL_PSK);
    spoiled(vectors, "an ephemeral key of small order", CHANNEL_SYNC, SPOIL_POINT);
    spoiled(vectors, "a busy hub", CHANNEL_SYNC, SPOIL_BUSY);
}
