/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/bundle.h"

#include <assert.h>
#include <string.h>

#include "protocol/wire.h"

#define BUNDLE_VERSION 1
#define PLACE_BYTES    (HASH_BYTES + 8 + 1)
#define PREFACE_FIELDS 6
#define FRONT_BYTES    (SIGNATURE_BYTES + 4)

/* Where a chunk stands: the bundle, its number, whether it is the last. */
static void place_write(const uint8_t header_hash[static HASH_BYTES], uint64_t index, bool is_last,
                        uint8_t place[static PLACE_BYTES])
{
    memcpy(place, header_hash, HASH_BYTES);
    put_u64(place + HASH_BYTES, index);
    place[HASH_BYTES + 8] = is_last;
}

void bundle_asked(const struct pull *pull, uint8_t hash[static HASH_BYTES])
{
    const struct bytes parts[] = {bytes_of(pull->incarnation, INCARNATION_BYTES),
                                  bytes_of(pull->digest, DIGEST_BYTES), pull->cursor};

    seal_hash(SEAL_BUNDLE_PULL, parts, 3, hash);
}

/* The key that seals the file's key to one recipient. */
static enum kith_err slot_key(const uint8_t secret[static KEY_BYTES],
                              const uint8_t other[static KEY_BYTES],
                              const uint8_t ephemeral[static KEY_BYTES],
                              const uint8_t recipient[static KEY_BYTES],
                              uint8_t key[static KEY_BYTES])
{
    uint8_t shared[KEY_BYTES];
    uint8_t both[2 * KEY_BYTES];
    enum kith_err err = seal_agree(secret, other, shared);

    memcpy(both, ephemeral, KEY_BYTES);
    memcpy(both + KEY_BYTES, recipient, KEY_BYTES);
    if (!err)
        seal_derive(SEAL_BUNDLE_SLOT, shared, bytes_of(both, sizeof both), key);
    seal_wipe(shared, sizeof shared);
    return err;
}

/* The key of the chunks, from the file's key and the header without its commitment; false if the
 * commitment is not the key's. A writer sets it first. */
static void header_close(const uint8_t file_key[static KEY_BYTES], struct bytes header,
                         uint8_t commitment[static HASH_BYTES],
                         uint8_t header_hash[static HASH_BYTES], uint8_t key[static KEY_BYTES])
{
    seal_derive(SEAL_BUNDLE_COMMIT, file_key, header, commitment);
    const struct bytes parts[] = {header, bytes_of(commitment, HASH_BYTES)};
    seal_hash(SEAL_BUNDLE_HEADER, parts, 2, header_hash);
    seal_derive(SEAL_BUNDLE_KEY, file_key, bytes_of(header_hash, HASH_BYTES), key);
}

/* Every slot looks alike; those that are nobody's are random. */
static enum kith_err slots_write(const uint8_t (*recipients)[KEY_BYTES], size_t count, size_t slots,
                                 const uint8_t file_key[static KEY_BYTES], struct buffer *out)
{
    uint8_t secret[KEY_BYTES];
    uint8_t ephemeral[KEY_BYTES];
    uint8_t key[KEY_BYTES];
    enum kith_err err = KITH_OK;

    seal_random(secret, sizeof secret);
    seal_box_public(secret, ephemeral);
    buffer_add(out, ephemeral, KEY_BYTES);
    for (size_t i = 0; i < count && !err; i++) {
        err = slot_key(secret, recipients[i], ephemeral, recipients[i], key);
        if (!err)
            seal_encrypt(key, bytes_of(NULL, 0), bytes_of(file_key, KEY_BYTES), out);
    }
    for (size_t i = count; i < slots && !err; i++) {
        uint8_t *empty = buffer_extend(out, BUNDLE_SLOT_BYTES);
        if (empty)
            seal_random(empty, BUNDLE_SLOT_BYTES);
    }
    seal_wipe(secret, sizeof secret);
    seal_wipe(key, sizeof key);
    return err ? err : out->err;
}

enum kith_err bundle_begin(struct bundle_writer *writer, const struct bundle_preface *preface,
                           const uint8_t *sign_secret, const uint8_t (*recipients)[KEY_BYTES],
                           size_t count, struct buffer *out)
{
    uint8_t file_key[KEY_BYTES];
    uint8_t start[BUNDLE_START_BYTES] = BUNDLE_MARK;
    uint8_t commitment[HASH_BYTES];
    size_t slots = BUNDLE_SLOTS_MIN;
    size_t begun = out->len;

    memset(writer, 0, sizeof *writer);
    if (count == 0 || count > BUNDLE_SLOTS_MAX)
        return KITH_TOO_MANY;
    while (slots < count)
        slots *= 2;
    writer->preface = *preface;
    writer->sign_secret = sign_secret;
    start[8] = BUNDLE_VERSION;
    start[9] = (uint8_t)slots;
    seal_random(file_key, sizeof file_key);
    buffer_add(out, start, sizeof start);
    enum kith_err err = slots_write(recipients, count, slots, file_key, out);
    if (!err) {
        header_close(file_key, bytes_of(out->ptr + begun, out->len - begun), commitment,
                     writer->header_hash, writer->chunk_key);
        buffer_add(out, commitment, sizeof commitment);
        err = out->err;
    }
    seal_wipe(file_key, sizeof file_key);
    return err;
}

static void preface_write(struct buffer *out, const struct bundle_preface *preface)
{
    bool is_answer = preface->kind == BUNDLE_ANSWER;

    wire_put_array(out, PREFACE_FIELDS);
    wire_put_uint(out, preface->kind);
    wire_put_bin(out, bytes_of(preface->agency, ID_BYTES));
    wire_put_uint(out, preface->device);
    wire_put_bin(out, bytes_of(preface->sign_key, KEY_BYTES));
    wire_put_uint(out, preface->time_ms);
    wire_put_bin(out, bytes_of(preface->answered, is_answer ? HASH_BYTES : 0));
}

/* Reads the preface off the front of a chunk's data. */
static enum kith_err preface_read(struct bundle_preface *preface, struct bytes *data)
{
    struct wire_in in = wire_open(*data);

    memset(preface, 0, sizeof *preface);
    wire_array_exact(&in, PREFACE_FIELDS);
    preface->kind = (enum bundle_kind)wire_uint(&in, BUNDLE_SHARED);
    wire_bin_exact(&in, preface->agency, ID_BYTES);
    preface->device = (uint32_t)wire_uint(&in, DEVICE_MAX);
    wire_bin_exact(&in, preface->sign_key, KEY_BYTES);
    preface->time_ms = wire_uint(&in, UINT64_MAX);
    bool is_answer = preface->kind == BUNDLE_ANSWER;
    if (is_answer)
        wire_bin_exact(&in, preface->answered, HASH_BYTES);
    else
        (void)wire_bin(&in, 0);
    if (preface->kind < BUNDLE_OUTBOX || is_answer != (preface->device == 0))
        wire_fail(&in, KITH_MALFORMED);
    *data = in.left;
    return in.err;
}

static void chunk_hash(const uint8_t place[static PLACE_BYTES], struct bytes data,
                       uint8_t hash[static HASH_BYTES])
{
    const struct bytes parts[] = {bytes_of(place, PLACE_BYTES), data};

    seal_hash(SEAL_BUNDLE_CHUNK, parts, 2, hash);
}

/* A single chunk has one of seven sizes, each of several the greatest. */
static size_t chunk_size(size_t data_len, bool is_single)
{
    size_t least = NONCE_BYTES + FRONT_BYTES + data_len + TAG_BYTES;
    size_t size = is_single ? BUNDLE_CHUNK_MIN : BUNDLE_CHUNK_MAX;

    while (size < least)
        size *= 2;
    return size;
}

void bundle_add(struct bundle_writer *writer, struct bytes frames, bool is_last, struct buffer *out)
{
    uint8_t place[PLACE_BYTES];
    uint8_t hash[HASH_BYTES];
    struct buffer text;

    assert(frames.len <= BATCH_MAX);
    buffer_init(&text, BUNDLE_CHUNK_MAX);
    uint8_t *front = buffer_extend(&text, FRONT_BYTES);
    if (front)
        memset(front, 0, FRONT_BYTES);
    if (writer->index == 0)
        preface_write(&text, &writer->preface);
    buffer_add(&text, frames.ptr, frames.len);
    if (!text.err) {
        struct bytes data = bytes_after(buffer_view(&text), FRONT_BYTES);
        place_write(writer->header_hash, writer->index, is_last, place);
        chunk_hash(place, data, hash);
        seal_sign(SEAL_BUNDLE_SIGN, writer->sign_secret, hash, text.ptr);
        put_u32(text.ptr + SIGNATURE_BYTES, (uint32_t)data.len);
        size_t padding = chunk_size(data.len, is_last && writer->index == 0) - NONCE_BYTES -
                         TAG_BYTES - text.len;
        uint8_t *zeros = padding > 0 ? buffer_extend(&text, padding) : NULL;
        if (zeros)
            memset(zeros, 0, padding);
    }
    if (text.err)
        out->err = out->err ? out->err : text.err;
    else
        seal_encrypt(writer->chunk_key, bytes_of(place, sizeof place), buffer_view(&text), out);
    buffer_clear(&text);
    writer->index++;
}

void bundle_end(struct bundle_writer *writer)
{
    seal_wipe(writer, sizeof *writer);
}

uint64_t bundle_chunk_count(uint64_t batches)
{
    uint64_t step = 1;

    while (batches / step >= 8)
        step *= 2;
    return batches == 0 ? 1 : (batches + step - 1) / step * step;
}

enum kith_err bundle_header_size(const uint8_t start[static BUNDLE_START_BYTES], size_t *size)
{
    uint8_t slots = start[9];

    *size = 0;
    if (memcmp(start, BUNDLE_MARK, 8) != 0)
        return KITH_MALFORMED;
    if (start[8] != BUNDLE_VERSION)
        return KITH_VERSION;
    if (slots < BUNDLE_SLOTS_MIN || slots > BUNDLE_SLOTS_MAX || (slots & (slots - 1)) != 0)
        return KITH_MALFORMED;
    *size = BUNDLE_START_BYTES + KEY_BYTES + (size_t)slots * BUNDLE_SLOT_BYTES + HASH_BYTES;
    return KITH_OK;
}

/* Tries every slot: which one is whose cannot be seen. */
static enum kith_err slots_open(struct bytes header, const uint8_t secret[static KEY_BYTES],
                                uint8_t file_key[static KEY_BYTES])
{
    const uint8_t *ephemeral = header.ptr + BUNDLE_START_BYTES;
    const uint8_t *slot = ephemeral + KEY_BYTES;
    const uint8_t *end = header.ptr + header.len - HASH_BYTES;
    uint8_t public_key[KEY_BYTES];
    uint8_t key[KEY_BYTES];
    struct buffer text;

    seal_box_public(secret, public_key);
    buffer_init(&text, KEY_BYTES);
    enum kith_err err = slot_key(secret, ephemeral, ephemeral, public_key, key);
    bool is_found = false;
    for (; !err && !is_found && slot < end; slot += BUNDLE_SLOT_BYTES)
        is_found = seal_decrypt(key, bytes_of(NULL, 0), bytes_of(slot, BUNDLE_SLOT_BYTES), &text) ==
                   KITH_OK;
    if (is_found)
        memcpy(file_key, text.ptr, KEY_BYTES);
    seal_wipe(key, sizeof key);
    buffer_clear(&text);
    return is_found ? KITH_OK : KITH_NOT_FOUND;
}

enum kith_err bundle_open(struct bundle_reader *reader, struct bytes header,
                          const uint8_t secret[static KEY_BYTES])
{
    uint8_t file_key[KEY_BYTES];
    uint8_t commitment[HASH_BYTES];
    size_t size;

    memset(reader, 0, sizeof *reader);
    buffer_init(&reader->text, BUNDLE_CHUNK_MAX);
    if (header.len < BUNDLE_START_BYTES)
        return KITH_CUT;
    enum kith_err err = bundle_header_size(header.ptr, &size);
    if (!err && header.len != size)
        err = KITH_CUT;
    if (!err)
        err = slots_open(header, secret, file_key);
    if (err)
        return err;
    struct bytes covered = bytes_of(header.ptr, size - HASH_BYTES);
    header_close(file_key, covered, commitment, reader->header_hash, reader->chunk_key);
    seal_wipe(file_key, sizeof file_key);
    return seal_equal(commitment, header.ptr + covered.len, HASH_BYTES) ? KITH_OK : KITH_COMMITMENT;
}

/* What was decrypted: signed by the writer for this place, and zeros behind. */
static enum kith_err chunk_read(struct bundle_reader *reader,
                                const uint8_t place[static PLACE_BYTES], struct bytes *frames)
{
    struct bytes text = buffer_view(&reader->text);
    struct bundle_preface preface;
    uint8_t hash[HASH_BYTES];

    if (text.len < FRONT_BYTES || get_u32(text.ptr + SIGNATURE_BYTES) > text.len - FRONT_BYTES)
        return KITH_MALFORMED;
    struct bytes data = bytes_of(text.ptr + FRONT_BYTES, get_u32(text.ptr + SIGNATURE_BYTES));
    struct bytes padding = bytes_after(text, FRONT_BYTES + data.len);
    for (size_t i = 0; i < padding.len; i++)
        if (padding.ptr[i] != 0)
            return KITH_MALFORMED;
    *frames = data;
    preface = reader->preface;
    enum kith_err err = reader->index == 0 ? preface_read(&preface, frames) : KITH_OK;
    if (!err && frames->len > BATCH_MAX)
        err = KITH_TOO_LARGE;
    chunk_hash(place, data, hash);
    if (!err)
        err = seal_verify(SEAL_BUNDLE_SIGN, preface.sign_key, hash, text.ptr);
    if (!err)
        reader->preface = preface;
    return err;
}

/* Whether a chunk can be as long as that; otherwise some of it is missing. */
static bool is_a_size(size_t len, uint64_t index)
{
    return len == BUNDLE_CHUNK_MAX || (index == 0 && (len & (len - 1)) == 0);
}

enum kith_err bundle_next(struct bundle_reader *reader, struct bytes sealed, bool is_at_end,
                          struct bytes *frames)
{
    uint8_t place[PLACE_BYTES];
    enum kith_err err = KITH_DECRYPT;
    bool is_last = is_at_end;

    *frames = bytes_of(NULL, 0);
    if (sealed.len > BUNDLE_CHUNK_MAX || reader->index >= BUNDLE_CHUNKS_MAX)
        return KITH_TOO_LARGE;
    if (sealed.len < BUNDLE_CHUNK_MIN)
        return KITH_CUT;
    /* At the end stands the last chunk, or one after which the rest was cut off. */
    for (int i = 0; i < 2 && err == KITH_DECRYPT; i++) {
        is_last = is_at_end && i == 0;
        place_write(reader->header_hash, reader->index, is_last, place);
        buffer_reset(&reader->text);
        err = seal_decrypt(reader->chunk_key, bytes_of(place, sizeof place), sealed, &reader->text);
    }
    if (!err)
        err = chunk_read(reader, place, frames);
    if (err == KITH_DECRYPT && !is_a_size(sealed.len, reader->index))
        err = KITH_CUT;
    if (err)
        return err;
    reader->index++;
    reader->is_whole = is_last;
    return KITH_OK;
}

void bundle_close(struct bundle_reader *reader)
{
    buffer_clear(&reader->text);
    seal_wipe(reader, sizeof *reader);
}
