/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/noise_symmetric.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HASH_BLOCK_BYTES 128 /* BLAKE2b's, for HMAC */
#define AEAD_NONCE_BYTES crypto_aead_chacha20poly1305_IETF_NPUBBYTES

_Static_assert(KEY_BYTES == crypto_aead_chacha20poly1305_IETF_KEYBYTES, "the AEAD's key");
_Static_assert(TAG_BYTES == crypto_aead_chacha20poly1305_IETF_ABYTES, "the AEAD's tag");
_Static_assert(NOISE_HASH_BYTES == crypto_generichash_BYTES_MAX, "BLAKE2b-512");
_Static_assert(NOISE_HASH_BYTES < HASH_BLOCK_BYTES, "HMAC need not hash its key");

/* HMAC (RFC 2104) over two pieces. Noise asks for it, although BLAKE2b has a keyed mode. */
static void hmac(uint8_t out[static NOISE_HASH_BYTES], const uint8_t key[static NOISE_HASH_BYTES],
                 struct bytes first, struct bytes second)
{
    crypto_generichash_state state;
    uint8_t pad[HASH_BLOCK_BYTES] = {0};
    uint8_t inner[NOISE_HASH_BYTES];

    memcpy(pad, key, NOISE_HASH_BYTES);
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36;
    }
    crypto_generichash_init(&state, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&state, pad, sizeof pad);
    crypto_generichash_update(&state, first.ptr, first.len);
    crypto_generichash_update(&state, second.ptr, second.len);
    crypto_generichash_final(&state, inner, sizeof inner);
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    crypto_generichash_init(&state, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&state, pad, sizeof pad);
    crypto_generichash_update(&state, inner, sizeof inner);
    crypto_generichash_final(&state, out, NOISE_HASH_BYTES);
    sodium_memzero(&state, sizeof state);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}

void noise_hkdf(const uint8_t chaining_key[static NOISE_HASH_BYTES], struct bytes material,
                uint8_t *out, unsigned count)
{
    uint8_t temp[NOISE_HASH_BYTES];
    struct bytes before = bytes_of(NULL, 0);

    assert(count == 2 || count == 3);
    hmac(temp, chaining_key, material, before);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)(i + 1);
        uint8_t *to = out + (size_t)i * NOISE_HASH_BYTES;

        hmac(to, temp, before, bytes_of(&number, 1));
        before = bytes_of(to, NOISE_HASH_BYTES);
    }
    sodium_memzero(temp, sizeof temp);
}

/* Section 12.3: 4 zero bytes, then the counter in little-endian order. */
static void nonce_write(uint8_t to[static AEAD_NONCE_BYTES], uint64_t counter)
{
    memset(to, 0, AEAD_NONCE_BYTES);
    for (unsigned i = 0; i < 8; i++) {
        to[4 + i] = (uint8_t)(counter >> (8 * i));
    }
}

bool noise_encrypt(struct noise_cipher *cipher, struct bytes ad, struct bytes text,
                   struct buffer *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES];

    assert(cipher->has_key);
    if (cipher->nonce >= NOISE_NONCE_END) {
        return false;
    }
    uint8_t *to = buffer_extend(out, text.len + TAG_BYTES);
    if (to == NULL) {
        return false;
    }
    nonce_write(nonce, cipher->nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(to, NULL, text.ptr, text.len, ad.ptr, ad.len, NULL,
                                              nonce, cipher->key);
    cipher->nonce++;
    return true;
}

bool noise_decrypt(struct noise_cipher *cipher, struct bytes ad, struct bytes message, uint8_t *to)
{
    uint8_t nonce[AEAD_NONCE_BYTES];

    assert(cipher->has_key);
    if (cipher->nonce >= NOISE_NONCE_END || message.len < TAG_BYTES) {
        return false;
    }
    nonce_write(nonce, cipher->nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, message.ptr, message.len, ad.ptr,
                                                  ad.len, nonce, cipher->key) != 0) {
        return false;
    }
    cipher->nonce++;
    return true;
}

void noise_mix_hash(struct noise_handshake *noise, struct bytes data)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, NOISE_HASH_BYTES);
    crypto_generichash_update(&state, noise->hash, NOISE_HASH_BYTES);
    crypto_generichash_update(&state, data.ptr, data.len);
    crypto_generichash_final(&state, noise->hash, NOISE_HASH_BYTES);
    sodium_memzero(&state, sizeof state);
}

static void key_init(struct noise_cipher *cipher, const uint8_t key[static KEY_BYTES])
{
    memcpy(cipher->key, key, KEY_BYTES);
    cipher->nonce = 0;
    cipher->has_key = true;
}

void noise_mix_key(struct noise_handshake *noise, struct bytes material)
{
    uint8_t out[2 * NOISE_HASH_BYTES];

    noise_hkdf(noise->chaining_key, material, out, 2);
    memcpy(noise->chaining_key, out, NOISE_HASH_BYTES);
    key_init(&noise->cipher, out + NOISE_HASH_BYTES);
    sodium_memzero(out, sizeof out);
}

void noise_mix_key_and_hash(struct noise_handshake *noise, struct bytes material)
{
    uint8_t out[3 * NOISE_HASH_BYTES];

    noise_hkdf(noise->chaining_key, material, out, 3);
    memcpy(noise->chaining_key, out, NOISE_HASH_BYTES);
    noise_mix_hash(noise, bytes_of(out + NOISE_HASH_BYTES, NOISE_HASH_BYTES));
    key_init(&noise->cipher, out + 2 * NOISE_HASH_BYTES);
    sodium_memzero(out, sizeof out);
}

bool noise_encrypt_and_hash(struct noise_handshake *noise, struct bytes text, struct buffer *out)
{
    const size_t start = out->len;

    if (!noise_encrypt(&noise->cipher, bytes_of(noise->hash, NOISE_HASH_BYTES), text, out)) {
        return false;
    }
    noise_mix_hash(noise, bytes_after(buffer_view(out), start));
    return true;
}

bool noise_decrypt_and_hash(struct noise_handshake *noise, struct bytes message, uint8_t *to)
{
    if (!noise_decrypt(&noise->cipher, bytes_of(noise->hash, NOISE_HASH_BYTES), message, to)) {
        return false;
    }
    noise_mix_hash(noise, message);
    return true;
}
