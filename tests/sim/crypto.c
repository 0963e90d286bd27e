/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/crypto.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bytes.h"
#include "protocol/limits.h"
#include "tests/sim/library.h"
#include "tests/sim/quick.h"
#include "tests/sim/random.h"

/* The order of the group: powers of 3 modulo a Mersenne prime. */
#define MODULUS (((uint64_t)1 << 61) - 1)

enum { PURPOSE_HASH = 16, PURPOSE_SIGNATURE };

#define REAL(X)                                                                                    \
    X(crypto_scalarmult_base)                                                                      \
    X(crypto_scalarmult)                                                                           \
    X(crypto_sign_seed_keypair)                                                                    \
    X(crypto_sign_detached)                                                                        \
    X(crypto_sign_verify_detached)                                                                 \
    X(crypto_box_seal)                                                                             \
    X(crypto_box_seal_open)                                                                        \
    X(crypto_generichash)                                                                          \
    X(crypto_generichash_init)                                                                     \
    X(crypto_generichash_update)                                                                   \
    X(crypto_generichash_final)                                                                    \
    X(crypto_aead_chacha20poly1305_ietf_encrypt)                                                   \
    X(crypto_aead_chacha20poly1305_ietf_decrypt)                                                   \
    X(crypto_aead_xchacha20poly1305_ietf_encrypt)                                                  \
    X(crypto_aead_xchacha20poly1305_ietf_decrypt)

/* The library's own definitions behind ours. */
#define MEMBER(name) __typeof__(name) *name;
static struct {
    REAL(MEMBER)
} real;

__extension__ typedef unsigned __int128 wide;
typedef unsigned long long size;

static bool is_real_used;

_Static_assert(sizeof(struct quick_hash) <= sizeof(crypto_generichash_state), "room for a hash");
_Static_assert(QUICK_TAG_BYTES == TAG_BYTES, "a seal is as long as a real one");

void crypto_use_real(bool is_real)
{
#define FIND(name) library_find(#name, &real.name);
    if (is_real && !real.crypto_scalarmult) {
        REAL(FIND)
    }
    is_real_used = is_real;
}

/* What is above the modulus, a power of two less one, is added below. */
static uint64_t times(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    uint64_t sum = (uint64_t)(product & MODULUS) + (uint64_t)(product >> 61);

    return sum >= MODULUS ? sum - MODULUS : sum;
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;

    for (uint64_t square = base % MODULUS; exponent; exponent >>= 1, square = times(square, square))
        if (exponent & 1)
            result = times(result, square);
    return result;
}

/* Of the first word the others follow, so that a changed byte is noticed. */
static void spread(uint64_t first, uint8_t to[KEY_BYTES])
{
    for (uint32_t i = 0; i < KEY_BYTES; i += 8) {
        put_u64(to + i, first);
        first = mix(first, i);
    }
}

static uint64_t exponent_of(const uint8_t *secret)
{
    return mix(get_u64(secret), get_u64(secret + 8)) >> 4 | 1;
}

int crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
    if (is_real_used)
        return real.crypto_scalarmult_base(q, n);
    spread(power(3, exponent_of(n)), q);
    return 0;
}

int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
    uint8_t expected[KEY_BYTES];

    if (is_real_used)
        return real.crypto_scalarmult(q, n, p);
    spread(get_u64(p), expected);
    bool is_point = memcmp(expected, p, KEY_BYTES) == 0 && get_u64(p) != 0;
    spread(power(get_u64(p), exponent_of(n)), q);
    return is_point ? 0 : -1;
}

int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk, const unsigned char *seed)
{
    uint8_t copy[KEY_BYTES];

    if (is_real_used)
        return real.crypto_sign_seed_keypair(pk, sk, seed);
    memcpy(copy, seed, KEY_BYTES);
    spread(exponent_of(copy), pk);
    memcpy(sk, copy, KEY_BYTES);
    memcpy(sk + KEY_BYTES, pk, KEY_BYTES);
    return 0;
}

static void stamp(const uint8_t *key, const uint8_t *text, size_t len, uint8_t *signature)
{
    struct quick_hash hash;

    quick_init(&hash, PURPOSE_SIGNATURE);
    quick_add(&hash, key, KEY_BYTES);
    quick_add(&hash, text, len);
    quick_end(&hash, signature, SIGNATURE_BYTES);
}

int crypto_sign_detached(unsigned char *sig, size *siglen_p, const unsigned char *m, size mlen,
                         const unsigned char *sk)
{
    if (is_real_used)
        return real.crypto_sign_detached(sig, siglen_p, m, mlen, sk);
    if (siglen_p)
        *siglen_p = SIGNATURE_BYTES;
    stamp(sk + KEY_BYTES, m, mlen, sig);
    return 0;
}

int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m, size mlen,
                                const unsigned char *pk)
{
    uint8_t expected[SIGNATURE_BYTES];

    if (is_real_used)
        return real.crypto_sign_verify_detached(sig, m, mlen, pk);
    stamp(pk, m, mlen, expected);
    return memcmp(expected, sig, sizeof expected) == 0 ? 0 : -1;
}

int crypto_box_seal(unsigned char *c, const unsigned char *m, size mlen, const unsigned char *pk)
{
    if (is_real_used)
        return real.crypto_box_seal(c, m, mlen, pk);
    randombytes_buf(c, KEY_BYTES);
    quick_seal(c + KEY_BYTES, (struct quick_part){m, mlen}, (struct quick_part){pk, KEY_BYTES},
               (struct quick_part){c, KEY_BYTES}, (struct quick_part){pk, 0});
    return 0;
}

int crypto_box_seal_open(unsigned char *m, const unsigned char *c, size clen,
                         const unsigned char *pk, const unsigned char *sk)
{
    uint8_t key[KEY_BYTES];

    if (is_real_used)
        return real.crypto_box_seal_open(m, c, clen, pk, sk);
    (void)crypto_scalarmult_base(key, sk);
    if (clen < KEY_BYTES || memcmp(key, pk, KEY_BYTES) != 0)
        return -1;
    return quick_open(m, (struct quick_part){c + KEY_BYTES, clen - KEY_BYTES},
                      (struct quick_part){pk, KEY_BYTES}, (struct quick_part){c, KEY_BYTES},
                      (struct quick_part){pk, 0})
               ? 0
               : -1;
}

/* The library's state gives the room for ours. */
static struct quick_hash *hash_of(crypto_generichash_state *state)
{
    return (struct quick_hash *)(void *)state;
}

int crypto_generichash_init(crypto_generichash_state *state, const unsigned char *key,
                            const size_t keylen, const size_t outlen)
{
    if (is_real_used)
        return real.crypto_generichash_init(state, key, keylen, outlen);
    quick_init(hash_of(state), PURPOSE_HASH + outlen * 128 + keylen);
    if (key)
        quick_add(hash_of(state), key, keylen);
    return 0;
}

int crypto_generichash_update(crypto_generichash_state *state, const unsigned char *in, size inlen)
{
    if (is_real_used)
        return real.crypto_generichash_update(state, in, inlen);
    quick_add(hash_of(state), in, inlen);
    return 0;
}

int crypto_generichash_final(crypto_generichash_state *state, unsigned char *out,
                             const size_t outlen)
{
    if (is_real_used)
        return real.crypto_generichash_final(state, out, outlen);
    quick_end(hash_of(state), out, outlen);
    return 0;
}

int crypto_generichash(unsigned char *out, size_t outlen, const unsigned char *in, size inlen,
                       const unsigned char *key, size_t keylen)
{
    crypto_generichash_state state;

    if (is_real_used)
        return real.crypto_generichash(out, outlen, in, inlen, key, keylen);
    (void)crypto_generichash_init(&state, key, keylen, outlen);
    (void)crypto_generichash_update(&state, in, inlen);
    return crypto_generichash_final(&state, out, outlen);
}

static int encrypt(struct quick_part text, struct quick_part beside, struct quick_part nonce,
                   const unsigned char *k, unsigned char *c, size *clen_p)
{
    if (clen_p)
        *clen_p = text.len + QUICK_TAG_BYTES;
    quick_seal(c, text, (struct quick_part){k, KEY_BYTES}, nonce, beside);
    return 0;
}

static int decrypt(struct quick_part sealed, struct quick_part beside, struct quick_part nonce,
                   const unsigned char *k, unsigned char *m, size *mlen_p)
{
    bool is_open = quick_open(m, sealed, (struct quick_part){k, KEY_BYTES}, nonce, beside);

    if (mlen_p)
        *mlen_p = is_open ? sealed.len - QUICK_TAG_BYTES : 0;
    return is_open ? 0 : -1;
}

int crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, size *clen_p,
                                              const unsigned char *m, size mlen,
                                              const unsigned char *ad, size adlen,
                                              const unsigned char *nsec, const unsigned char *npub,
                                              const unsigned char *k)
{
    if (is_real_used)
        return real.crypto_aead_chacha20poly1305_ietf_encrypt(c, clen_p, m, mlen, ad, adlen, nsec,
                                                              npub, k);
    return encrypt((struct quick_part){m, mlen}, (struct quick_part){ad, adlen},
                   (struct quick_part){npub, crypto_aead_chacha20poly1305_IETF_NPUBBYTES}, k, c,
                   clen_p);
}

int crypto_aead_chacha20poly1305_ietf_decrypt(unsigned char *m, size *mlen_p, unsigned char *nsec,
                                              const unsigned char *c, size clen,
                                              const unsigned char *ad, size adlen,
                                              const unsigned char *npub, const unsigned char *k)
{
    if (is_real_used)
        return real.crypto_aead_chacha20poly1305_ietf_decrypt(m, mlen_p, nsec, c, clen, ad, adlen,
                                                              npub, k);
    return decrypt((struct quick_part){c, clen}, (struct quick_part){ad, adlen},
                   (struct quick_part){npub, crypto_aead_chacha20poly1305_IETF_NPUBBYTES}, k, m,
                   mlen_p);
}

int crypto_aead_xchacha20poly1305_ietf_encrypt(unsigned char *c, size *clen_p,
                                               const unsigned char *m, size mlen,
                                               const unsigned char *ad, size adlen,
                                               const unsigned char *nsec, const unsigned char *npub,
                                               const unsigned char *k)
{
    if (is_real_used)
        return real.crypto_aead_xchacha20poly1305_ietf_encrypt(c, clen_p, m, mlen, ad, adlen, nsec,
                                                               npub, k);
    return encrypt((struct quick_part){m, mlen}, (struct quick_part){ad, adlen},
                   (struct quick_part){npub, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES}, k, c,
                   clen_p);
}

int crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char *m, size *mlen_p, unsigned char *nsec,
                                               const unsigned char *c, size clen,
                                               const unsigned char *ad, size adlen,
                                               const unsigned char *npub, const unsigned char *k)
{
    if (is_real_used)
        return real.crypto_aead_xchacha20poly1305_ietf_decrypt(m, mlen_p, nsec, c, clen, ad, adlen,
                                                               npub, k);
    return decrypt((struct quick_part){c, clen}, (struct quick_part){ad, adlen},
                   (struct quick_part){npub, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES}, k, m,
                   mlen_p);
}

void *sodium_malloc(const size_t size_wanted)
{
    return malloc(size_wanted);
}

void sodium_free(void *ptr)
{
    free(ptr);
}

int sodium_mprotect_readonly(void *ptr)
{
    (void)ptr;
    return 0;
}
