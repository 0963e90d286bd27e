/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/crypto.h"

#include <dlfcn.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bytes.h"
#include "protocol/limits.h"
#include "tests/sim/random.h"

/* The order of the group: powers of 3 modulo a Mersenne prime. */
#define MODULUS (((uint64_t)1 << 61) - 1)

__extension__ typedef unsigned __int128 wide;

static bool is_real_used;

void crypto_use_real(bool is_real)
{
    is_real_used = is_real;
}

/* The library's own definition behind ours. */
static void find_real(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    memcpy(function, &found, sizeof found);
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
    wide result = 1;
    wide square = base % MODULUS;

    for (; exponent; exponent >>= 1, square = square * square % MODULUS)
        if (exponent & 1)
            result = result * square % MODULUS;
    return (uint64_t)result;
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
    static int (*real)(unsigned char *, const unsigned char *);

    if (!is_real_used) {
        spread(power(3, exponent_of(n)), q);
        return 0;
    }
    if (!real)
        find_real("crypto_scalarmult_base", &real);
    return real(q, n);
}

int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
    static int (*real)(unsigned char *, const unsigned char *, const unsigned char *);
    uint8_t expected[KEY_BYTES];

    if (!is_real_used) {
        spread(get_u64(p), expected);
        spread(power(get_u64(p), exponent_of(n)), q);
        return memcmp(expected, p, KEY_BYTES) == 0 && get_u64(p) != 0 ? 0 : -1;
    }
    if (!real)
        find_real("crypto_scalarmult", &real);
    return real(q, n, p);
}

int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk, const unsigned char *seed)
{
    static int (*real)(unsigned char *, unsigned char *, const unsigned char *);
    uint8_t copy[KEY_BYTES];

    if (!is_real_used) {
        memcpy(copy, seed, KEY_BYTES);
        spread(exponent_of(copy), pk);
        memcpy(sk, copy, KEY_BYTES);
        memcpy(sk + KEY_BYTES, pk, KEY_BYTES);
        return 0;
    }
    if (!real)
        find_real("crypto_sign_seed_keypair", &real);
    return real(pk, sk, seed);
}

int crypto_sign_detached(unsigned char *sig, unsigned long long *siglen_p, const unsigned char *m,
                         unsigned long long mlen, const unsigned char *sk)
{
    static int (*real)(unsigned char *, unsigned long long *, const unsigned char *,
                       unsigned long long, const unsigned char *);

    if (!is_real_used) {
        if (siglen_p)
            *siglen_p = SIGNATURE_BYTES;
        return crypto_generichash(sig, SIGNATURE_BYTES, m, mlen, sk + KEY_BYTES, KEY_BYTES);
    }
    if (!real)
        find_real("crypto_sign_detached", &real);
    return real(sig, siglen_p, m, mlen, sk);
}

int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
                                unsigned long long mlen, const unsigned char *pk)
{
    static int (*real)(const unsigned char *, const unsigned char *, unsigned long long,
                       const unsigned char *);
    uint8_t expected[SIGNATURE_BYTES];

    if (!is_real_used) {
        (void)crypto_generichash(expected, sizeof expected, m, mlen, pk, KEY_BYTES);
        return memcmp(expected, sig, sizeof expected) == 0 ? 0 : -1;
    }
    if (!real)
        find_real("crypto_sign_verify_detached", &real);
    return real(sig, m, mlen, pk);
}

int crypto_box_seal(unsigned char *c, const unsigned char *m, unsigned long long mlen,
                    const unsigned char *pk)
{
    static int (*real)(unsigned char *, const unsigned char *, unsigned long long,
                       const unsigned char *);
    static const uint8_t nonce[crypto_secretbox_NONCEBYTES];
    uint8_t key[KEY_BYTES];

    if (!is_real_used) {
        randombytes_buf(c, KEY_BYTES);
        (void)crypto_generichash(key, sizeof key, c, KEY_BYTES, pk, KEY_BYTES);
        return crypto_secretbox_easy(c + KEY_BYTES, m, mlen, nonce, key);
    }
    if (!real)
        find_real("crypto_box_seal", &real);
    return real(c, m, mlen, pk);
}

int crypto_box_seal_open(unsigned char *m, const unsigned char *c, unsigned long long clen,
                         const unsigned char *pk, const unsigned char *sk)
{
    static int (*real)(unsigned char *, const unsigned char *, unsigned long long,
                       const unsigned char *, const unsigned char *);
    static const uint8_t nonce[crypto_secretbox_NONCEBYTES];
    uint8_t key[KEY_BYTES];

    if (!is_real_used) {
        (void)crypto_scalarmult_base(key, sk);
        if (clen < KEY_BYTES || memcmp(key, pk, KEY_BYTES) != 0)
            return -1;
        (void)crypto_generichash(key, sizeof key, c, KEY_BYTES, pk, KEY_BYTES);
        return crypto_secretbox_open_easy(m, c + KEY_BYTES, clen - KEY_BYTES, nonce, key);
    }
    if (!real)
        find_real("crypto_box_seal_open", &real);
    return real(m, c, clen, pk, sk);
}
