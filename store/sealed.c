/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sealed.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define TABLE_NAME_MAX 32
#define PLACE_KEY_MAX  64
#define PLACE_MAX      (TABLE_NAME_MAX + 1 + PLACE_KEY_MAX)

_Static_assert(KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the size of a key");
_Static_assert(NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the size of a nonce");
_Static_assert(TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "the size of a tag");

struct sealed_keys {
    uint8_t value[KEY_BYTES];
    uint8_t blind[KEY_BYTES];
};

static void key_derive(uint8_t derived[static KEY_BYTES], const char *purpose,
                       const uint8_t key[static KEY_BYTES])
{
    (void)crypto_generichash(derived, KEY_BYTES, (const unsigned char *)purpose, strlen(purpose),
                             key, KEY_BYTES);
}

struct sealed_keys *sealed_keys_new(const uint8_t key[static KEY_BYTES])
{
    struct sealed_keys *keys;

    if (sodium_init() < 0)
        return NULL;
    keys = sodium_malloc(sizeof *keys);
    if (keys == NULL)
        return NULL;
    key_derive(keys->value, "kith store: values", key);
    key_derive(keys->blind, "kith store: blinds", key);
    (void)sodium_mprotect_readonly(keys); /* a second line only: some kernels refuse it */
    return keys;
}

void sealed_keys_free(struct sealed_keys **keys)
{
    sodium_free(*keys); /* makes it writable, wipes it; accepts NULL */
    *keys = NULL;
}

/* The associated data: the name's final zero keeps a name from running over into the key. */
static size_t place_build(uint8_t place[static PLACE_MAX], const char *table, struct bytes key)
{
    size_t name_len = strlen(table) + 1;

    assert(name_len <= TABLE_NAME_MAX + 1 && key.len <= PLACE_KEY_MAX);
    memcpy(place, table, name_len);
    if (key.len > 0)
        memcpy(place + name_len, key.ptr, key.len);
    return name_len + key.len;
}

void sealed_write(const struct sealed_keys *keys, const char *table, struct bytes key,
                  struct bytes text, uint8_t *sealed)
{
    uint8_t place[PLACE_MAX];
    size_t place_len = place_build(place, table, key);

    randombytes_buf(sealed, NONCE_BYTES);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, NULL, text.ptr, text.len,
                                                     place, place_len, NULL, sealed, keys->value);
}

bool sealed_read(const struct sealed_keys *keys, const char *table, struct bytes key,
                 struct bytes sealed, uint8_t *text)
{
    uint8_t place[PLACE_MAX];
    size_t place_len = place_build(place, table, key);

    if (sealed.len < SEALED_OVERHEAD)
        return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, sealed.ptr + NONCE_BYTES,
                                                      sealed.len - NONCE_BYTES, place, place_len,
                                                      sealed.ptr, keys->value) == 0;
}

#define MARK_PURPOSE 0xFF /* no blind has it */

void sealed_mark(const struct sealed_keys *keys, const char *table, struct bytes key,
                 struct bytes value, uint8_t mark[static MARK_BYTES])
{
    uint8_t place[PLACE_MAX];
    size_t place_len = place_build(place, table, key);
    const uint8_t head[] = {MARK_PURPOSE, (uint8_t)place_len};
    crypto_generichash_state state;

    _Static_assert(PLACE_MAX <= UINT8_MAX, "the length of a place is one byte");
    (void)crypto_generichash_init(&state, keys->blind, KEY_BYTES, MARK_BYTES);
    (void)crypto_generichash_update(&state, head, sizeof head);
    (void)crypto_generichash_update(&state, place, place_len);
    (void)crypto_generichash_update(&state, value.ptr, value.len);
    (void)crypto_generichash_final(&state, mark, MARK_BYTES);
    sodium_memzero(&state, sizeof state);
}

void sealed_blind(const struct sealed_keys *keys, uint8_t purpose, struct bytes id, uint8_t *blind,
                  size_t blind_bytes)
{
    crypto_generichash_state state;

    assert(blind_bytes >= crypto_generichash_BYTES_MIN &&
           blind_bytes <= crypto_generichash_BYTES_MAX);
    (void)crypto_generichash_init(&state, keys->blind, KEY_BYTES, blind_bytes);
    (void)crypto_generichash_update(&state, &purpose, sizeof purpose);
    (void)crypto_generichash_update(&state, id.ptr, id.len);
    (void)crypto_generichash_final(&state, blind, blind_bytes);
    sodium_memzero(&state, sizeof state);
}
