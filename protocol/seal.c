/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/seal.h"

#include <sodium.h>
#include <string.h>

_Static_assert(BOX_BYTES == crypto_box_SEALBYTES + ID_BYTES + 4 + 4 + KEY_BYTES,
               "the size of a box");
_Static_assert(NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the size of a nonce");

#define PLACE_BYTES (ID_BYTES + 4 + 4)

const char *seal_tag_text(enum seal_tag tag)
{
    static const char *const texts[] = {
#define SEAL_TAG_TEXT(name, text) text,
        SEAL_TAGS(SEAL_TAG_TEXT)
#undef SEAL_TAG_TEXT
    };
    return texts[tag];
}

/* The tag with its final zero byte: no tag can run over into what follows it. */
static void hash_tag(crypto_generichash_state *state, enum seal_tag tag)
{
    const char *text = seal_tag_text(tag);

    (void)crypto_generichash_update(state, (const unsigned char *)text, strlen(text) + 1);
}

void seal_hash(enum seal_tag tag, const struct bytes *parts, size_t count,
               uint8_t hash[static HASH_BYTES])
{
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    hash_tag(&state, tag);
    for (size_t i = 0; i < count; i++)
        (void)crypto_generichash_update(&state, parts[i].ptr, parts[i].len);
    (void)crypto_generichash_final(&state, hash, HASH_BYTES);
}

void seal_id(enum seal_tag tag, const struct bytes *parts, size_t count,
             uint8_t id[static ID_BYTES])
{
    uint8_t hash[HASH_BYTES];

    seal_hash(tag, parts, count, hash);
    memcpy(id, hash, ID_BYTES);
}

void seal_derive(enum seal_tag tag, const uint8_t secret[static KEY_BYTES], struct bytes context,
                 uint8_t key[static KEY_BYTES])
{
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, secret, KEY_BYTES, KEY_BYTES);
    hash_tag(&state, tag);
    (void)crypto_generichash_update(&state, context.ptr, context.len);
    (void)crypto_generichash_final(&state, key, KEY_BYTES);
    sodium_memzero(&state, sizeof state);
}

enum kith_err seal_start(void)
{
    return sodium_init() < 0 ? KITH_MEMORY : KITH_OK;
}

void seal_random(void *to, size_t len)
{
    randombytes_buf(to, len);
}

bool seal_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void seal_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}

bool seal_lock(void *secret, size_t len)
{
    return sodium_mlock(secret, len) == 0;
}

void seal_unlock(void *secret, size_t len)
{
    (void)sodium_munlock(secret, len);
}

void seal_sign_keypair(const uint8_t seed[static KEY_BYTES], uint8_t public_key[static KEY_BYTES],
                       uint8_t secret[static SIGN_KEY_BYTES])
{
    (void)crypto_sign_seed_keypair(public_key, secret, seed);
}

void seal_box_public(const uint8_t secret[static KEY_BYTES], uint8_t public_key[static KEY_BYTES])
{
    (void)crypto_scalarmult_base(public_key, secret);
}

/* Every secret is a multiple of 8, the order of the small subgroup: any will do to find out. */
bool seal_is_agreeable(const uint8_t public_key[static KEY_BYTES])
{
    static const uint8_t any[KEY_BYTES] = {8};
    uint8_t shared[KEY_BYTES];

    return crypto_scalarmult(shared, any, public_key) == 0;
}

enum kith_err seal_agree(const uint8_t secret[static KEY_BYTES],
                         const uint8_t public_key[static KEY_BYTES],
                         uint8_t shared[static KEY_BYTES])
{
    return crypto_scalarmult(shared, secret, public_key) == 0 ? KITH_OK : KITH_MALFORMED;
}

struct signed_text {
    uint8_t ptr[64 + HASH_BYTES];
    size_t len;
};

static struct signed_text text_to_sign(enum seal_tag tag, const uint8_t hash[static HASH_BYTES])
{
    struct signed_text text;
    size_t tag_len = strlen(seal_tag_text(tag)) + 1;

    memcpy(text.ptr, seal_tag_text(tag), tag_len);
    memcpy(text.ptr + tag_len, hash, HASH_BYTES);
    text.len = tag_len + HASH_BYTES;
    return text;
}

void seal_sign(enum seal_tag tag, const uint8_t secret[static SIGN_KEY_BYTES],
               const uint8_t hash[static HASH_BYTES], uint8_t signature[static SIGNATURE_BYTES])
{
    struct signed_text text = text_to_sign(tag, hash);

    (void)crypto_sign_detached(signature, NULL, text.ptr, text.len, secret);
}

enum kith_err seal_verify(enum seal_tag tag, const uint8_t public_key[static KEY_BYTES],
                          const uint8_t hash[static HASH_BYTES],
                          const uint8_t signature[static SIGNATURE_BYTES])
{
    struct signed_text text = text_to_sign(tag, hash);

    if (crypto_sign_verify_detached(signature, text.ptr, text.len, public_key) != 0)
        return KITH_SIGNATURE;
    return KITH_OK;
}

static void place_write(const struct epoch_place *place, uint8_t to[static PLACE_BYTES])
{
    memcpy(to, place->circle, ID_BYTES);
    put_u32(to + ID_BYTES, place->epoch);
    put_u32(to + ID_BYTES + 4, place->device);
}

void epoch_commit(const uint8_t key[static KEY_BYTES], uint32_t epoch,
                  uint8_t commitment[static HASH_BYTES])
{
    uint8_t number[4];

    put_u32(number, epoch);
    seal_derive(SEAL_EPOCH_COMMIT, key, bytes_of(number, sizeof number), commitment);
}

enum kith_err box_seal(const struct epoch_place *place, const uint8_t recipient[static KEY_BYTES],
                       const uint8_t key[static KEY_BYTES], uint8_t box[static BOX_BYTES])
{
    uint8_t text[PLACE_BYTES + KEY_BYTES];

    place_write(place, text);
    memcpy(text + PLACE_BYTES, key, KEY_BYTES);
    int failed = crypto_box_seal(box, text, sizeof text, recipient);
    sodium_memzero(text, sizeof text);
    return failed ? KITH_MALFORMED : KITH_OK;
}

enum kith_err box_open(const struct epoch_place *place, const uint8_t secret[static KEY_BYTES],
                       const uint8_t box[static BOX_BYTES], uint8_t key[static KEY_BYTES])
{
    uint8_t text[PLACE_BYTES + KEY_BYTES];
    uint8_t expected[PLACE_BYTES];
    uint8_t public_key[KEY_BYTES];
    enum kith_err err = KITH_DECRYPT;

    place_write(place, expected);
    seal_box_public(secret, public_key);
    if (crypto_box_seal_open(text, box, BOX_BYTES, public_key, secret) == 0 &&
        sodium_memcmp(text, expected, PLACE_BYTES) == 0) {
        memcpy(key, text + PLACE_BYTES, KEY_BYTES);
        err = KITH_OK;
    }
    sodium_memzero(text, sizeof text);
    return err;
}

enum kith_err seal_to(const uint8_t recipient[static KEY_BYTES], struct bytes text,
                      struct buffer *sealed)
{
    uint8_t *to = buffer_extend(sealed, text.len + SEAL_TO_OVERHEAD);

    if (!to)
        return sealed->err;
    return crypto_box_seal(to, text.ptr, text.len, recipient) ? KITH_MALFORMED : KITH_OK;
}

enum kith_err seal_open(const uint8_t secret[static KEY_BYTES], struct bytes sealed, uint8_t *text)
{
    uint8_t public_key[KEY_BYTES];

    if (sealed.len < SEAL_TO_OVERHEAD)
        return KITH_DECRYPT;
    seal_box_public(secret, public_key);
    return crypto_box_seal_open(text, sealed.ptr, sealed.len, public_key, secret) ? KITH_DECRYPT
                                                                                  : KITH_OK;
}

/* A wrap is encrypted under a key of its own, derived from the epoch key, with its place as
 * associated data. */
void epoch_wrap(const struct epoch_place *place, const uint8_t key[static KEY_BYTES],
                const uint8_t previous[static KEY_BYTES], uint8_t wrap[static WRAP_BYTES])
{
    uint8_t wrap_key[KEY_BYTES];
    uint8_t associated[PLACE_BYTES];

    place_write(place, associated);
    seal_derive(SEAL_EPOCH_WRAP, key, bytes_of(NULL, 0), wrap_key);
    randombytes_buf(wrap, NONCE_BYTES);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(wrap + NONCE_BYTES, NULL, previous, KEY_BYTES,
                                                     associated, sizeof associated, NULL, wrap,
                                                     wrap_key);
    sodium_memzero(wrap_key, sizeof wrap_key);
}

enum kith_err epoch_unwrap(const struct epoch_place *place, const uint8_t key[static KEY_BYTES],
                           const uint8_t wrap[static WRAP_BYTES],
                           uint8_t previous[static KEY_BYTES])
{
    uint8_t wrap_key[KEY_BYTES];
    uint8_t associated[PLACE_BYTES];

    place_write(place, associated);
    seal_derive(SEAL_EPOCH_WRAP, key, bytes_of(NULL, 0), wrap_key);
    int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        previous, NULL, NULL, wrap + NONCE_BYTES, KEY_BYTES + TAG_BYTES, associated,
        sizeof associated, wrap, wrap_key);
    sodium_memzero(wrap_key, sizeof wrap_key);
    return failed ? KITH_DECRYPT : KITH_OK;
}

void seal_encrypt(const uint8_t key[static KEY_BYTES], struct bytes associated, struct bytes text,
                  struct buffer *sealed)
{
    uint8_t *to = buffer_extend(sealed, NONCE_BYTES + text.len + TAG_BYTES);

    if (!to)
        return;
    randombytes_buf(to, NONCE_BYTES);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(to + NONCE_BYTES, NULL, text.ptr, text.len,
                                                     associated.ptr, associated.len, NULL, to, key);
}

enum kith_err seal_decrypt(const uint8_t key[static KEY_BYTES], struct bytes associated,
                           struct bytes sealed, struct buffer *text)
{
    if (sealed.len < NONCE_BYTES + TAG_BYTES)
        return KITH_CUT;
    size_t text_len = sealed.len - NONCE_BYTES - TAG_BYTES;
    uint8_t *to = buffer_extend(text, text_len);

    if (!to)
        return text->err;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(to, NULL, NULL, sealed.ptr + NONCE_BYTES,
                                                   sealed.len - NONCE_BYTES, associated.ptr,
                                                   associated.len, sealed.ptr, key) != 0) {
        text->len -= text_len;
        return KITH_DECRYPT;
    }
    return KITH_OK;
}
