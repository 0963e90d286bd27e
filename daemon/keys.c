/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keys.h"

#include <string.h>

#include "store/file.h"
#include "protocol/seal.h"

/* The file: mark, version, line end; storage key, Noise secret, signing key; a hash over all of
 * that. */
#define KEYS_MARK    "kith hub keys "
#define KEYS_VERSION '1'
#define MARK_BYTES   (sizeof KEYS_MARK - 1)
#define HEAD_BYTES   (MARK_BYTES + 2)
#define STORAGE_AT   HEAD_BYTES
#define NOISE_AT     (STORAGE_AT + KEY_BYTES)
#define SIGN_AT      (NOISE_AT + KEY_BYTES)
#define HASH_AT      (SIGN_AT + SIGN_KEY_BYTES)
#define FILE_BYTES   (HASH_AT + HASH_BYTES)

_Static_assert(SIGN_KEY_BYTES == 2 * KEY_BYTES,
               "a signing key is its seed and then its public key");

void keys_make(struct ledger_keys *keys)
{
    uint8_t seed[KEY_BYTES];

    seal_random(keys->storage, KEY_BYTES);
    seal_random(seed, sizeof seed);
    noise_keypair_from_secret(&keys->noise, seed);
    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, keys->sign_public, keys->sign_secret);
    seal_wipe(seed, sizeof seed);
}

static void checksum(const uint8_t *file, uint8_t hash[static HASH_BYTES])
{
    struct bytes part = bytes_of(file, HASH_AT);

    seal_hash(SEAL_HUB_KEYS, &part, 1, hash);
}

enum kith_err keys_write(const char *folder, const struct ledger_keys *keys)
{
    uint8_t file[FILE_BYTES];

    if (file_is_there(folder, KEYS_FILE))
        return KITH_EXISTS;
    memcpy(file, KEYS_MARK, MARK_BYTES);
    file[MARK_BYTES] = KEYS_VERSION;
    file[MARK_BYTES + 1] = '\n';
    memcpy(file + STORAGE_AT, keys->storage, KEY_BYTES);
    memcpy(file + NOISE_AT, keys->noise.secret, KEY_BYTES);
    memcpy(file + SIGN_AT, keys->sign_secret, SIGN_KEY_BYTES);
    checksum(file, file + HASH_AT);
    enum kith_err err = file_write(folder, KEYS_FILE, bytes_of(file, sizeof file));
    seal_wipe(file, sizeof file);
    return err;
}

/* A newer version is told from a damaged file by the mark alone: its length and checksum are not
 * ours to know. */
static enum kith_err check_file(struct bytes file)
{
    uint8_t hash[HASH_BYTES];

    if (file.len < HEAD_BYTES || memcmp(file.ptr, KEYS_MARK, MARK_BYTES) != 0)
        return KITH_DAMAGED;
    if (file.ptr[MARK_BYTES] > KEYS_VERSION && file.ptr[MARK_BYTES] <= '9')
        return KITH_NEWER_STORE;
    if (file.len != FILE_BYTES)
        return KITH_DAMAGED;
    checksum(file.ptr, hash);
    return seal_equal(hash, file.ptr + HASH_AT, HASH_BYTES) ? KITH_OK : KITH_DAMAGED;
}

enum kith_err keys_read(const char *folder, struct ledger_keys *keys)
{
    struct buffer file;

    memset(keys, 0, sizeof *keys);
    enum kith_err err = file_read(folder, KEYS_FILE, 4096, &file);
    if (err == KITH_TOO_LARGE)
        err = KITH_DAMAGED;
    if (!err)
        err = check_file(buffer_view(&file));
    if (!err) {
        memcpy(keys->storage, file.ptr + STORAGE_AT, KEY_BYTES);
        noise_keypair_from_secret(&keys->noise, file.ptr + NOISE_AT);
        seal_sign_keypair(file.ptr + SIGN_AT, keys->sign_public, keys->sign_secret);
    }
    buffer_clear(&file);
    return err;
}
