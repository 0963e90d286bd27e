/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: a byte stream cut into Noise messages, from the first byte of a connection to its
 * last.
 *
 * The initiator's stream begins with a clear preamble (magic, version, mode) which is part of the
 * prologue, so that any change to it breaks the handshake. Then each Noise message follows behind
 * its length, 2 bytes big-endian. Sans-I/O: bytes come in through channel_receive, messages come
 * out through channel_next, bytes to send are appended to the caller's buffer. Memory: at most one
 * Noise message is buffered. Errors are final: the connection is closed. Source: docs/protocol.md,
 * section 3; Noise specification, section 13.
 */
#ifndef KITH_PROTOCOL_CHANNEL_H
#define KITH_PROTOCOL_CHANNEL_H

#include "protocol/noise.h"

/* What the connection is for; the third byte of the preamble. */
enum channel_mode {
    CHANNEL_SYNC = 0,  /* Noise IK: an enrolled device */
    CHANNEL_JOIN = 1,  /* Noise IKpsk2: a new device with an invitation */
    CHANNEL_FOUND = 2, /* Noise IKpsk2: the founder, with the hub's founding code */
};
#define CHANNEL_MODES 3

/* What carries the bytes; part of the prologue. */
enum channel_carrier {
    CHANNEL_TCP,
    CHANNEL_WEB, /* messages of a WebSocket, or the bodies of one HTTP request */
};

#define CHANNEL_PREAMBLE_BYTES 3

/* What a busy hub says in place of message 2, in the clear: no length at all, and after how many
 * seconds to come again. It proves nothing: whoever can write it could as well cut the connection.
 */
#define CHANNEL_REFUSAL_BYTES 4
void channel_refusal_write(uint8_t to[static CHANNEL_REFUSAL_BYTES], uint32_t seconds);

struct channel {
    enum noise_role role;
    enum channel_mode mode;
    enum channel_carrier carrier;
    bool has_preamble; /* responder: it has arrived */
    bool is_open;      /* the handshake is finished */
    enum kith_err err; /* the first failure; final */
    uint16_t retry_s;  /* initiator, with err BUSY: when the hub wants to be asked again */
    uint8_t peer[KEY_BYTES];
    /* One after another: a hub has many channels. */
    union {
        struct {
            struct noise_keypair local_static;
            uint8_t ephemeral_secret[KEY_BYTES]; /* a key pair costs nothing yet */
        } before;                                /* until the preamble is there */
        struct noise_handshake handshake;
        struct noise_transport transport; /* once is_open */
    };
    struct buffer in;   /* bytes of an unfinished message */
    struct buffer text; /* the last message, decrypted */
};

/* The device's end. Nothing is written yet. `psk` is NULL for CHANNEL_SYNC. */
void channel_init_device(struct channel *channel, enum channel_carrier carrier,
                         enum channel_mode mode, const struct noise_keypair *device,
                         const uint8_t ephemeral_secret[static KEY_BYTES],
                         const uint8_t hub_key[static KEY_BYTES], const uint8_t *psk);
/* The hub's end. The mode is known once the preamble has arrived; a psk is set by channel_set_psk
 * before message 2. */
void channel_init_hub(struct channel *channel, const struct noise_keypair *hub,
                      const uint8_t ephemeral_secret[static KEY_BYTES]);
/* The hub knows what carries the bytes when the first one is there. CHANNEL_TCP without this. */
void channel_set_carrier(struct channel *channel, enum channel_carrier carrier);
void channel_clear(struct channel *channel);
void channel_set_psk(struct channel *channel, const uint8_t psk[static KEY_BYTES]);

/* Takes up to `in.len` bytes and returns how many it took: it stops taking once a whole message is
 * there. */
size_t channel_receive(struct channel *channel, struct bytes in);
/* If a whole message has arrived, decrypts it: true, and `message` is valid until the next call on
 * the channel. False if more bytes are needed or the channel has failed (channel->err). */
bool channel_next(struct channel *channel, struct bytes *message);
/* Seals one message (of the handshake, if it is not finished) and appends the bytes to send; the
 * first one of the device is preceded by the preamble. `text.len` at most NOISE_FIRST_TEXT_MAX. */
MUST_USE enum kith_err channel_send(struct channel *channel, struct bytes text, struct buffer *out);

/* How many messages have come and gone after the handshake. */
uint64_t channel_received(const struct channel *channel);
uint64_t channel_sent(const struct channel *channel);

/* The other side's static key: for the hub after message 1. */
const uint8_t *channel_peer(const struct channel *channel);
/* A hash of message 1 and of what it is for, for the hub until it answers: NOISE_HASH_BYTES, of the
 * channel. */
const uint8_t *channel_flight(const struct channel *channel);

#endif
