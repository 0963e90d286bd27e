/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: any file as it is, and any text in place of what a recipient decrypts. */
#include <stdlib.h>
#include <string.h>

#include "protocol/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[KEY_BYTES] = {64, 1};

/* As a file from a stranger. */
static void read_file(struct bytes file)
{
    struct bundle_reader reader;
    struct bytes frames;
    size_t size = 0;

    if (file.len < BUNDLE_START_BYTES || bundle_header_size(file.ptr, &size) || size > file.len)
        return;
    enum kith_err err = bundle_open(&reader, bytes_of(file.ptr, size), secret);
    if (!err)
        err = bundle_next(&reader, bytes_after(file, size), true, &frames);
    bundle_close(&reader);
}

/* As what stands in a chunk, by somebody who has the key: signed or not. */
static void read_text(struct bytes text)
{
    struct bundle_reader reader = {.is_whole = false};
    uint8_t place[HASH_BYTES + 8 + 1] = {0};
    struct buffer sealed;
    struct bytes frames;

    place[sizeof place - 1] = 1;
    buffer_init(&sealed, 2 * BUNDLE_CHUNK_MAX);
    buffer_init(&reader.text, BUNDLE_CHUNK_MAX);
    seal_encrypt(reader.chunk_key, bytes_of(place, sizeof place), text, &sealed);
    if (!bundle_next(&reader, buffer_view(&sealed), true, &frames) && frames.len > BATCH_MAX)
        abort();
    bundle_close(&reader);
    buffer_clear(&sealed);
}

/* As batches: what is written is read. */
static void write_and_read(struct bytes frames)
{
    uint8_t keys[1][KEY_BYTES];
    uint8_t seed[KEY_BYTES] = {3};
    uint8_t sign_secret[SIGN_KEY_BYTES];
    struct bundle_preface preface = {.kind = BUNDLE_SHARED, .device = 3};
    struct bundle_writer writer;
    struct bundle_reader reader;
    struct buffer file;
    struct bytes read;
    size_t size = 0;

    seal_sign_keypair(seed, preface.sign_key, sign_secret);
    seal_box_public(secret, keys[0]);
    buffer_init(&file, 2 * BUNDLE_CHUNK_MAX);
    if (bundle_begin(&writer, &preface, sign_secret, (const uint8_t(*)[KEY_BYTES])keys, 1, &file))
        abort();
    bundle_add(&writer, frames, true, &file);
    bundle_end(&writer);
    if (bundle_header_size(file.ptr, &size) ||
        bundle_open(&reader, bytes_of(file.ptr, size), secret) ||
        bundle_next(&reader, bytes_after(buffer_view(&file), size), true, &read) ||
        !bytes_equal(read, frames) || !reader.is_whole)
        abort();
    bundle_close(&reader);
    buffer_clear(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);

    read_file(input);
    if (size <= BATCH_MAX) {
        read_text(input);
        write_and_read(input);
    }
    return 0;
}
