/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remembers which signatures are good: ten thousand images of one disk hold the same few hundred,
 * and each is still compared, byte by byte, with what was checked. Linked in front of libsodium's
 * function by the linker's --wrap.
 */
#include <sodium.h>
#include <string.h>

#define REMEMBERED (1u << 14)

typedef int verify_function(const unsigned char *signature, const unsigned char *text,
                            unsigned long long len, const unsigned char *public_key);
verify_function __real_crypto_sign_verify_detached;
verify_function __wrap_crypto_sign_verify_detached;

static unsigned char good[REMEMBERED][crypto_generichash_BYTES];

int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
                                       unsigned long long len, const unsigned char *public_key)
{
    crypto_generichash_state state;
    unsigned char digest[crypto_generichash_BYTES];
    unsigned place;

    (void)crypto_generichash_init(&state, NULL, 0, sizeof digest);
    (void)crypto_generichash_update(&state, signature, crypto_sign_BYTES);
    (void)crypto_generichash_update(&state, public_key, crypto_sign_PUBLICKEYBYTES);
    (void)crypto_generichash_update(&state, text, len);
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    memcpy(&place, digest, sizeof place);
    if (memcmp(good[place % REMEMBERED], digest, sizeof digest) == 0)
        return 0;
    int result = __real_crypto_sign_verify_detached(signature, text, len, public_key);
    if (result == 0)
        memcpy(good[place % REMEMBERED], digest, sizeof digest);
    return result;
}
