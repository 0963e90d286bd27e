/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake is a table of tokens, one row per message, that one writer and one reader run.
 *
 *   step 0, noise_write by the initiator, noise_read by the responder:  e, es, s, ss, payload
 *   step 1, noise_write by the responder, noise_read by the initiator:  e, ee, se[, psk], payload
 *   step 2, noise_split:                                                two directions
 *
 * 1. A step runs on a copy. After its last check the copy becomes the state; if a check fails, the
 *    state is emptied of keys and marked as failed.
 * 2. A failed step leaves `out` as it was.
 */
#include "protocol/noise.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "protocol/noise_symmetric.h"

#define STEPS 2

enum token { TOKEN_END, TOKEN_E, TOKEN_S, TOKEN_EE, TOKEN_ES, TOKEN_SE, TOKEN_SS, TOKEN_PSK };

#define TOKENS_MAX 5

struct pattern {
    const char *name;
    bool has_psk;
    enum token steps[STEPS][TOKENS_MAX];
};

/* Sections 7.5 and 9.4. */
static const struct pattern patterns[] = {
    [NOISE_IK] = {"Noise_IK_25519_ChaChaPoly_BLAKE2b",
                  false,
                  {{TOKEN_E, TOKEN_ES, TOKEN_S, TOKEN_SS}, {TOKEN_E, TOKEN_EE, TOKEN_SE}}},
    [NOISE_IKPSK2] = {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
                      true,
                      {{TOKEN_E, TOKEN_ES, TOKEN_S, TOKEN_SS},
                       {TOKEN_E, TOKEN_EE, TOKEN_SE, TOKEN_PSK}}},
};

_Static_assert(KEY_BYTES == crypto_scalarmult_BYTES, "X25519 public keys");
_Static_assert(KEY_BYTES == crypto_scalarmult_SCALARBYTES, "X25519 secret keys");

void noise_keypair_from_secret(struct noise_keypair *pair, const uint8_t secret[static KEY_BYTES])
{
    memmove(pair->secret, secret, KEY_BYTES);
    crypto_scalarmult_base(pair->public, pair->secret);
}

void noise_init(struct noise_handshake *noise, const struct noise_config *config)
{
    const char *name = patterns[config->pattern].name;
    const bool is_initiator = config->role == NOISE_INITIATOR;

    *noise = (struct noise_handshake){
        .pattern = config->pattern,
        .role = config->role,
        .local_static = config->local_static,
    };
    memcpy(noise->ephemeral.secret, config->ephemeral_secret, KEY_BYTES);
    if (is_initiator) {
        memcpy(noise->remote_static, config->remote_static, KEY_BYTES);
    }
    assert(strlen(name) <= NOISE_HASH_BYTES);
    memcpy(noise->hash, name, strlen(name));
    memcpy(noise->chaining_key, noise->hash, NOISE_HASH_BYTES);
    noise_mix_hash(noise, config->prologue);
    const uint8_t *known = is_initiator ? noise->remote_static : noise->local_static.public;
    noise_mix_hash(noise, bytes_of(known, KEY_BYTES));
}

void noise_clear(struct noise_handshake *noise)
{
    sodium_memzero(noise, sizeof *noise);
}

void noise_set_psk(struct noise_handshake *noise, const uint8_t psk[static KEY_BYTES])
{
    memcpy(noise->psk, psk, KEY_BYTES);
    noise->has_psk = true;
}

bool noise_is_finished(const struct noise_handshake *noise)
{
    return noise->step == STEPS && !noise->is_failed;
}

/* MixKey(DH(local, remote)). libsodium reports an all-zero result; section 12.1 lets us refuse. */
static bool mix_shared(struct noise_handshake *noise, const struct noise_keypair *local,
                       const uint8_t *remote)
{
    uint8_t shared[KEY_BYTES];
    const bool is_good = crypto_scalarmult(shared, local->secret, remote) == 0;

    if (is_good) {
        noise_mix_key(noise, bytes_of(shared, sizeof shared));
    }
    sodium_memzero(shared, sizeof shared);
    return is_good;
}

static bool mix_psk(struct noise_handshake *noise)
{
    if (noise->has_psk) {
        noise_mix_key_and_hash(noise, bytes_of(noise->psk, KEY_BYTES));
    }
    return noise->has_psk;
}

/* The tokens that put nothing on the wire, alike for writer and reader; the first letter is the
 * initiator's key, the second the responder's. */
static bool token_mix(struct noise_handshake *noise, enum token token)
{
    const bool is_initiator = noise->role == NOISE_INITIATOR;
    const struct noise_keypair *e = &noise->ephemeral;
    const struct noise_keypair *s = &noise->local_static;

    switch (token) {
    case TOKEN_EE:
        return mix_shared(noise, e, noise->remote_ephemeral);
    case TOKEN_SS:
        return mix_shared(noise, s, noise->remote_static);
    case TOKEN_ES:
        return is_initiator ? mix_shared(noise, e, noise->remote_static)
                            : mix_shared(noise, s, noise->remote_ephemeral);
    case TOKEN_SE:
        return is_initiator ? mix_shared(noise, s, noise->remote_ephemeral)
                            : mix_shared(noise, e, noise->remote_static);
    case TOKEN_PSK:
        return mix_psk(noise);
    case TOKEN_END:
    case TOKEN_E:
    case TOKEN_S:
        break;
    }
    return false;
}

/* Section 9.2: with a psk, each ephemeral key is mixed into the key too, so that runs differ. */
static void mix_ephemeral(struct noise_handshake *noise, const uint8_t public[static KEY_BYTES])
{
    noise_mix_hash(noise, bytes_of(public, KEY_BYTES));
    if (patterns[noise->pattern].has_psk) {
        noise_mix_key(noise, bytes_of(public, KEY_BYTES));
    }
}

static bool token_write(struct noise_handshake *noise, enum token token, struct buffer *out)
{
    if (token == TOKEN_E) {
        noise_keypair_from_secret(&noise->ephemeral, noise->ephemeral.secret);
        buffer_add(out, noise->ephemeral.public, KEY_BYTES);
        mix_ephemeral(noise, noise->ephemeral.public);
        return out->err == KITH_OK;
    }
    if (token == TOKEN_S) {
        return noise_encrypt_and_hash(noise, bytes_of(noise->local_static.public, KEY_BYTES), out);
    }
    return token_mix(noise, token);
}

static bool token_read(struct noise_handshake *noise, enum token token, struct bytes *message)
{
    const size_t key_bytes = token == TOKEN_S ? KEY_BYTES + TAG_BYTES : KEY_BYTES;
    const size_t needed = token == TOKEN_E || token == TOKEN_S ? key_bytes : 0;
    const struct bytes field = bytes_of(message->ptr, needed);

    if (message->len < needed) {
        return false;
    }
    *message = bytes_after(*message, needed);
    if (token == TOKEN_E) {
        memcpy(noise->remote_ephemeral, field.ptr, KEY_BYTES);
        mix_ephemeral(noise, noise->remote_ephemeral);
        return true;
    }
    if (token == TOKEN_S) {
        return noise_decrypt_and_hash(noise, field, noise->remote_static);
    }
    return token_mix(noise, token);
}

static bool payload_read(struct noise_handshake *noise, struct bytes sealed, struct buffer *out)
{
    if (sealed.len < TAG_BYTES) {
        return false;
    }
    uint8_t *to = buffer_extend(out, sealed.len - TAG_BYTES);
    return to != NULL && noise_decrypt_and_hash(noise, sealed, to);
}

static bool message_write(struct noise_handshake *noise, struct bytes payload, struct buffer *out)
{
    const enum token *token = patterns[noise->pattern].steps[noise->step];

    for (; *token != TOKEN_END; token++) {
        if (!token_write(noise, *token, out)) {
            return false;
        }
    }
    return noise_encrypt_and_hash(noise, payload, out);
}

static bool message_read(struct noise_handshake *noise, struct bytes message, struct buffer *out)
{
    const enum token *token = patterns[noise->pattern].steps[noise->step];

    for (; *token != TOKEN_END; token++) {
        if (!token_read(noise, *token, &message)) {
            return false;
        }
    }
    return payload_read(noise, message, out);
}

static bool is_turn_to_write(const struct noise_handshake *noise)
{
    return noise->step == (noise->role == NOISE_INITIATOR ? 0 : 1);
}

static bool is_live(const struct noise_handshake *noise)
{
    return !noise->is_failed && noise->step < STEPS;
}

static void out_cut(struct buffer *out, size_t len)
{
    if (out->len > len) {
        sodium_memzero(out->ptr + len, out->len - len);
        out->len = len;
    }
}

/* Ends a step: `next` becomes the state, or else the state is spent. `next` is wiped. */
static void step_end(struct noise_handshake *noise, struct noise_handshake *next, bool is_good)
{
    if (is_good) {
        next->step++;
        *noise = *next;
    } else {
        noise_clear(noise);
        noise->is_failed = true;
    }
    sodium_memzero(next, sizeof *next);
}

enum kith_err noise_write(struct noise_handshake *noise, struct bytes payload, struct buffer *out)
{
    const size_t overhead = noise->step == 0 ? NOISE_FIRST_OVERHEAD : NOISE_SECOND_OVERHEAD;
    const bool is_too_large = payload.len > NOISE_MESSAGE_MAX - overhead;
    const bool is_turn = is_live(noise) && is_turn_to_write(noise);
    const size_t start = out->len;
    struct noise_handshake next = *noise;

    const bool is_good = is_turn && !is_too_large && message_write(&next, payload, out);
    step_end(noise, &next, is_good);
    if (is_good) {
        return KITH_OK;
    }
    out_cut(out, start);
    if (is_turn && is_too_large) {
        return KITH_TOO_LARGE;
    }
    return out->err != KITH_OK ? out->err : KITH_HANDSHAKE;
}

enum kith_err noise_read(struct noise_handshake *noise, struct bytes message, struct buffer *out)
{
    const bool is_readable =
        is_live(noise) && !is_turn_to_write(noise) && message.len <= NOISE_MESSAGE_MAX;
    const size_t start = out->len;
    struct noise_handshake next = *noise;

    const bool is_good = is_readable && message_read(&next, message, out);
    step_end(noise, &next, is_good);
    if (!is_good) {
        out_cut(out, start);
    }
    return is_good ? KITH_OK : KITH_HANDSHAKE;
}

void noise_split(struct noise_handshake *noise, struct noise_transport *transport)
{
    uint8_t out[2 * NOISE_HASH_BYTES];
    const bool is_initiator = noise->role == NOISE_INITIATOR;
    struct noise_cipher *first = is_initiator ? &transport->send : &transport->receive;
    struct noise_cipher *second = is_initiator ? &transport->receive : &transport->send;

    assert(noise_is_finished(noise));
    noise_hkdf(noise->chaining_key, bytes_of(NULL, 0), out, 2);
    *first = (struct noise_cipher){.has_key = true};
    *second = (struct noise_cipher){.has_key = true};
    memcpy(first->key, out, KEY_BYTES);
    memcpy(second->key, out + NOISE_HASH_BYTES, KEY_BYTES);
    memcpy(transport->hash, noise->hash, NOISE_HASH_BYTES);
    sodium_memzero(out, sizeof out);
    noise_clear(noise);
}

/* REKEY(k), section 4.2: 32 bytes of ENCRYPT(k, 2^64 - 1, "", 32 zeros). The counter goes on. */
static void rekey_when_due(struct noise_cipher *cipher)
{
    static const uint8_t zeros[KEY_BYTES];
    uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES];
    uint8_t sealed[KEY_BYTES + TAG_BYTES];

    if (cipher->nonce % NOISE_REKEY_MESSAGES != 0) {
        return;
    }
    memset(nonce, 0, 4);
    memset(nonce + 4, 0xff, sizeof nonce - 4);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, zeros, sizeof zeros, NULL, 0, NULL,
                                              nonce, cipher->key);
    memcpy(cipher->key, sealed, KEY_BYTES);
    sodium_memzero(sealed, sizeof sealed);
}

enum kith_err noise_seal(struct noise_cipher *cipher, struct bytes text, struct buffer *out)
{
    if (text.len > NOISE_TEXT_MAX) {
        return KITH_TOO_LARGE;
    }
    if (!noise_encrypt(cipher, bytes_of(NULL, 0), text, out)) {
        return out->err != KITH_OK ? out->err : KITH_STATE;
    }
    rekey_when_due(cipher);
    return KITH_OK;
}

enum kith_err noise_unseal(struct noise_cipher *cipher, struct bytes message, struct buffer *out)
{
    const size_t start = out->len;

    if (message.len < TAG_BYTES || message.len > NOISE_MESSAGE_MAX) {
        return KITH_DECRYPT;
    }
    uint8_t *to = buffer_extend(out, message.len - TAG_BYTES);
    if (to == NULL) {
        return out->err;
    }
    if (!noise_decrypt(cipher, bytes_of(NULL, 0), message, to)) {
        out_cut(out, start);
        return KITH_DECRYPT;
    }
    rekey_when_due(cipher);
    return KITH_OK;
}
