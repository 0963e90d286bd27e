/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/change.h"

#include <string.h>

#include "protocol/compress.h"
#include "protocol/seal.h"

/* version, class, agency, circle, device, n, prev, epoch: section 5.1 */
#define HEADER_BYTES (1 + 1 + ID_BYTES + ID_BYTES + 4 + 8 + HASH_BYTES + 4)

static void header_write(const struct change_header *header, uint8_t to[static HEADER_BYTES])
{
    *to++ = KITH_PROTOCOL_VERSION;
    *to++ = (uint8_t)header->class;
    memcpy(to, header->agency, ID_BYTES);
    memcpy(to + ID_BYTES, header->circle, ID_BYTES);
    to += 2 * ID_BYTES;
    put_u32(to, header->device);
    put_u64(to + 4, header->n);
    memcpy(to + 12, header->prev, HASH_BYTES);
    put_u32(to + 12 + HASH_BYTES, header->epoch);
}

uint64_t change_mark(enum change_class class, uint32_t epoch)
{
    return (uint64_t)epoch * CHANGE_CLASSES + (uint64_t) class;
}

enum kith_err change_mark_read(uint64_t mark, enum change_class *class, uint32_t *epoch)
{
    if (mark / CHANGE_CLASSES > EPOCH_MAX || mark < CHANGE_CLASSES)
        return KITH_MALFORMED;
    *class = (enum change_class)(mark % CHANGE_CLASSES);
    *epoch = (uint32_t)(mark / CHANGE_CLASSES);
    return KITH_OK;
}

/* The key that changes of a circle are encrypted with: derived, so that the epoch key itself
 * encrypts nothing. */
static void change_key(const struct change_header *header,
                       const uint8_t epoch_key[static KEY_BYTES], uint8_t key[static KEY_BYTES])
{
    seal_derive(SEAL_CHANGE_KEY, epoch_key, bytes_of(header->circle, ID_BYTES), key);
}

enum kith_err change_seal(const struct change_header *header,
                          const uint8_t epoch_key[static KEY_BYTES],
                          const uint8_t sign_secret[static SIGN_KEY_BYTES], struct bytes text,
                          struct buffer *sealed, uint8_t id[static HASH_BYTES],
                          uint8_t signature[static SIGNATURE_BYTES])
{
    uint8_t associated[HEADER_BYTES];
    uint8_t key[KEY_BYTES];
    size_t start = sealed->len;
    struct buffer packed;

    buffer_init(&packed, CHANGE_TEXT_MAX + CHANGE_TEXT_MAX / 2);
    enum kith_err err = text_pack(text, &packed);
    if (err)
        goto out;
    header_write(header, associated);
    change_key(header, epoch_key, key);
    seal_encrypt(key, bytes_of(associated, sizeof associated), buffer_view(&packed), sealed);
    seal_wipe(key, sizeof key);
    err = sealed->err;
    if (err)
        goto out;
    change_id(header, bytes_after(buffer_view(sealed), start), id);
    seal_sign(SEAL_CHANGE_SIGN, sign_secret, id, signature);
out:
    buffer_clear(&packed);
    return err;
}

void change_id(const struct change_header *header, struct bytes sealed,
               uint8_t id[static HASH_BYTES])
{
    uint8_t written[HEADER_BYTES];

    header_write(header, written);
    const struct bytes parts[] = {bytes_of(written, sizeof written), sealed};
    seal_hash(SEAL_CHANGE_HASH, parts, 2, id);
}

enum kith_err change_verify(const uint8_t id[static HASH_BYTES],
                            const uint8_t signature[static SIGNATURE_BYTES],
                            const uint8_t sign_public[static KEY_BYTES])
{
    return seal_verify(SEAL_CHANGE_SIGN, sign_public, id, signature);
}

enum kith_err change_open(const struct change_header *header, struct bytes sealed,
                          const uint8_t epoch_key[static KEY_BYTES], struct buffer *text)
{
    uint8_t associated[HEADER_BYTES];
    uint8_t key[KEY_BYTES];
    struct buffer packed;

    buffer_init(&packed, CHANGE_SEALED_MAX);
    header_write(header, associated);
    change_key(header, epoch_key, key);
    enum kith_err err = seal_decrypt(key, bytes_of(associated, sizeof associated), sealed, &packed);
    seal_wipe(key, sizeof key);
    if (!err)
        err = text_unpack(buffer_view(&packed), text);
    buffer_clear(&packed);
    return err;
}
