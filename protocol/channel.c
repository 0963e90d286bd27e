/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   device                                      hub
 *   channel_send     preamble, message 1  ->    channel_receive (noise_init at the preamble)
 *                                               channel_next: message 1
 *   channel_next     <-  message 2              channel_send: noise_split
 *   noise_split
 *   both: channel_send, channel_receive, channel_next: transport messages
 *
 * 1. `in` holds what is missing of one unit at most: the preamble, or one length and its message.
 * 2. Bytes that come while it is our turn in the handshake are refused: nobody knows the keys yet.
 * 3. Between messages a channel holds no heap memory, since a hub has many that are silent.
 */
#include "protocol/channel.h"

#include <assert.h>
#include <string.h>

#include "protocol/seal.h"

#define MAGIC          'K'
#define PROTOCOL_CHARS 9 /* the name of protocol and carrier in the prologue */

static void fail(struct channel *channel, enum kith_err err)
{
    if (channel->err == KITH_OK) {
        channel->err = err;
    }
}

static void preamble_write(uint8_t to[static CHANNEL_PREAMBLE_BYTES], enum channel_mode mode)
{
    to[0] = MAGIC;
    to[1] = KITH_PROTOCOL_VERSION;
    to[2] = (uint8_t)mode;
}

/* The handshake's prologue: the protocol, the transport, and the clear bytes that came before. */
static void handshake_init(struct channel *channel, const uint8_t *hub_key)
{
    const char *protocol = channel->carrier == CHANNEL_TCP ? "kith/1tcp" : "kith/1web";
    uint8_t prologue[PROTOCOL_CHARS + CHANNEL_PREAMBLE_BYTES] = {0};
    struct noise_config config = {
        .pattern = channel->mode == CHANNEL_SYNC ? NOISE_IK : NOISE_IKPSK2,
        .role = channel->role,
        .prologue = bytes_of(prologue, sizeof prologue),
        .local_static = channel->before.local_static,
    };

    memcpy(config.ephemeral_secret, channel->before.ephemeral_secret, KEY_BYTES);
    seal_wipe(&channel->before, sizeof channel->before);
    memcpy(prologue, protocol, PROTOCOL_CHARS);
    preamble_write(prologue + PROTOCOL_CHARS, channel->mode);
    if (hub_key != NULL) {
        memcpy(config.remote_static, hub_key, KEY_BYTES);
    }
    noise_init(&channel->handshake, &config);
    seal_wipe(&config, sizeof config);
}

static void channel_init(struct channel *channel, enum noise_role role,
                         const struct noise_keypair *local_static,
                         const uint8_t ephemeral_secret[static KEY_BYTES])
{
    *channel = (struct channel){.role = role};
    channel->before.local_static = *local_static;
    memcpy(channel->before.ephemeral_secret, ephemeral_secret, KEY_BYTES);
    buffer_init(&channel->in, NOISE_LENGTH_BYTES + NOISE_MESSAGE_MAX);
    buffer_init(&channel->text, NOISE_MESSAGE_MAX);
}

void channel_init_device(struct channel *channel, enum channel_carrier carrier,
                         enum channel_mode mode, const struct noise_keypair *device,
                         const uint8_t ephemeral_secret[static KEY_BYTES],
                         const uint8_t hub_key[static KEY_BYTES], const uint8_t *psk)
{
    assert((mode == CHANNEL_SYNC) == (psk == NULL));
    channel_init(channel, NOISE_INITIATOR, device, ephemeral_secret);
    channel->mode = mode;
    channel->carrier = carrier;
    channel->has_preamble = true;
    handshake_init(channel, hub_key);
    if (psk != NULL) {
        noise_set_psk(&channel->handshake, psk);
    }
}

void channel_init_hub(struct channel *channel, const struct noise_keypair *hub,
                      const uint8_t ephemeral_secret[static KEY_BYTES])
{
    channel_init(channel, NOISE_RESPONDER, hub, ephemeral_secret);
}

void channel_set_carrier(struct channel *channel, enum channel_carrier carrier)
{
    assert(!channel->has_preamble);
    channel->carrier = carrier;
}

void channel_clear(struct channel *channel)
{
    buffer_clear(&channel->in);
    buffer_clear(&channel->text);
    seal_wipe(channel, sizeof *channel);
}

void channel_set_psk(struct channel *channel, const uint8_t psk[static KEY_BYTES])
{
    assert(channel->has_preamble);
    noise_set_psk(&channel->handshake, psk);
}

const uint8_t *channel_peer(const struct channel *channel)
{
    return channel->is_open ? channel->peer : channel->handshake.remote_static;
}

const uint8_t *channel_flight(const struct channel *channel)
{
    assert(!channel->is_open);
    return channel->handshake.hash;
}

uint64_t channel_received(const struct channel *channel)
{
    return channel->is_open ? channel->transport.receive.nonce : 0;
}

uint64_t channel_sent(const struct channel *channel)
{
    return channel->is_open ? channel->transport.send.nonce : 0;
}

static void open_if_finished(struct channel *channel)
{
    struct noise_transport transport;

    if (channel->is_open || !noise_is_finished(&channel->handshake)) {
        return;
    }
    memcpy(channel->peer, channel->handshake.remote_static, KEY_BYTES);
    noise_split(&channel->handshake, &transport);
    seal_wipe(&channel->handshake, sizeof channel->handshake);
    channel->transport = transport;
    seal_wipe(&transport, sizeof transport);
    channel->is_open = true;
}

/* Whether a message from the other side has a place now. */
static bool is_turn_to_receive(const struct channel *channel)
{
    const unsigned step = channel->role == NOISE_INITIATOR ? 1 : 0;

    return channel->is_open || !channel->has_preamble || channel->handshake.step == step;
}

/* The length of the shortest message that can come now: one without text. */
static size_t message_min(const struct channel *channel)
{
    if (channel->is_open) {
        return TAG_BYTES;
    }
    return channel->role == NOISE_INITIATOR ? NOISE_SECOND_OVERHEAD : NOISE_FIRST_OVERHEAD;
}

void channel_refusal_write(uint8_t to[static CHANNEL_REFUSAL_BYTES], uint32_t seconds)
{
    put_u16(to, 0);
    put_u16(to + NOISE_LENGTH_BYTES, (uint16_t)(seconds < RETRY_S_MAX ? seconds : RETRY_S_MAX));
}

/* A message has a length; only a hub that refuses says none. */
static bool is_refusal(const struct channel *channel)
{
    return channel->role == NOISE_INITIATOR && !channel->is_open &&
           channel->in.len >= NOISE_LENGTH_BYTES && get_u16(channel->in.ptr) == 0;
}

static void refusal_check(struct channel *channel)
{
    if (channel->in.len < CHANNEL_REFUSAL_BYTES) {
        return;
    }
    const uint16_t seconds = get_u16(channel->in.ptr + NOISE_LENGTH_BYTES);
    channel->retry_s = seconds < RETRY_S_MAX ? seconds : RETRY_S_MAX;
    fail(channel, KITH_BUSY);
}

/* How many bytes the unit at the front of `in` has, as far as is known yet. */
static size_t unit_bytes(const struct channel *channel)
{
    if (!channel->has_preamble) {
        return CHANNEL_PREAMBLE_BYTES;
    }
    if (channel->in.len < NOISE_LENGTH_BYTES) {
        return NOISE_LENGTH_BYTES;
    }
    if (is_refusal(channel)) {
        return CHANNEL_REFUSAL_BYTES;
    }
    return NOISE_LENGTH_BYTES + (size_t)get_u16(channel->in.ptr);
}

static void preamble_check(struct channel *channel)
{
    const struct bytes got = buffer_view(&channel->in);

    if (got.ptr[0] != MAGIC) {
        fail(channel, KITH_MALFORMED);
    } else if (got.len > 1 && got.ptr[1] != KITH_PROTOCOL_VERSION) {
        fail(channel, KITH_VERSION);
    } else if (got.len > 2 && got.ptr[2] >= CHANNEL_MODES) {
        fail(channel, KITH_MALFORMED);
    }
    if (channel->err != KITH_OK || got.len < CHANNEL_PREAMBLE_BYTES) {
        return;
    }
    channel->mode = (enum channel_mode)got.ptr[2];
    channel->has_preamble = true;
    buffer_reset(&channel->in);
    handshake_init(channel, NULL);
}

/* Looks at what has just been added: each clear byte is judged as soon as it is there. */
static void unit_check(struct channel *channel)
{
    if (channel->in.err != KITH_OK) {
        fail(channel, channel->in.err);
    } else if (!channel->has_preamble) {
        preamble_check(channel);
    } else if (is_refusal(channel)) {
        refusal_check(channel);
    } else if (channel->in.len >= NOISE_LENGTH_BYTES &&
               get_u16(channel->in.ptr) < message_min(channel)) {
        fail(channel, KITH_MALFORMED);
    }
}

size_t channel_receive(struct channel *channel, struct bytes in)
{
    size_t taken = 0;

    while (channel->err == KITH_OK && taken < in.len) {
        const size_t missing = unit_bytes(channel) - channel->in.len;
        const size_t count = missing < in.len - taken ? missing : in.len - taken;

        if (count == 0) {
            break;
        }
        if (!is_turn_to_receive(channel)) {
            fail(channel, KITH_STATE);
            break;
        }
        buffer_add(&channel->in, in.ptr + taken, count);
        taken += count;
        unit_check(channel);
    }
    return taken;
}

static enum kith_err message_open(struct channel *channel, struct bytes message)
{
    if (channel->is_open) {
        return noise_unseal(&channel->transport.receive, message, &channel->text);
    }
    const enum kith_err err = noise_read(&channel->handshake, message, &channel->text);
    if (err == KITH_OK) {
        open_if_finished(channel);
    }
    return err;
}

bool channel_next(struct channel *channel, struct bytes *message)
{
    const bool is_whole = channel->has_preamble && channel->in.len >= NOISE_LENGTH_BYTES &&
                          channel->in.len == unit_bytes(channel);

    buffer_clear(&channel->text);
    *message = bytes_of(NULL, 0);
    if (channel->err != KITH_OK || !is_whole) {
        return false;
    }
    const struct bytes sealed = bytes_after(buffer_view(&channel->in), NOISE_LENGTH_BYTES);
    fail(channel, message_open(channel, sealed));
    buffer_clear(&channel->in);
    *message = buffer_view(&channel->text);
    return channel->err == KITH_OK;
}

static enum kith_err message_seal(struct channel *channel, struct bytes text, struct buffer *out)
{
    if (channel->is_open) {
        return noise_seal(&channel->transport.send, text, out);
    }
    const enum kith_err err = noise_write(&channel->handshake, text, out);
    if (err == KITH_OK) {
        open_if_finished(channel);
    }
    return err;
}

/* The length is reserved first and filled in when the message is there. */
static enum kith_err framed_seal(struct channel *channel, struct bytes text, struct buffer *out)
{
    const size_t at = out->len;

    if (buffer_extend(out, NOISE_LENGTH_BYTES) == NULL) {
        return out->err;
    }
    const enum kith_err err = message_seal(channel, text, out);
    if (err == KITH_OK) {
        put_u16(out->ptr + at, (uint16_t)(out->len - at - NOISE_LENGTH_BYTES));
    }
    return err;
}

enum kith_err channel_send(struct channel *channel, struct bytes text, struct buffer *out)
{
    const bool is_ours =
        channel->is_open || (channel->has_preamble && !is_turn_to_receive(channel));
    const bool is_first = channel->role == NOISE_INITIATOR && !channel->is_open;
    const size_t start = out->len;
    uint8_t preamble[CHANNEL_PREAMBLE_BYTES];

    if (channel->err == KITH_OK && text.len > NOISE_FIRST_TEXT_MAX) {
        fail(channel, KITH_TOO_LARGE);
    } else if (!is_ours) {
        fail(channel, KITH_STATE);
    }
    if (channel->err != KITH_OK) {
        return channel->err;
    }
    if (is_first) {
        preamble_write(preamble, channel->mode);
        buffer_add(out, preamble, sizeof preamble);
    }
    fail(channel, framed_seal(channel, text, out));
    if (channel->err != KITH_OK && out->len > start) {
        out->len = start;
    }
    return channel->err;
}
