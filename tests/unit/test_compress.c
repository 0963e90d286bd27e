/* SPDX-License-Identifier: Apache-2.0 */
/* Packing: few sizes, every text back, and no input that makes the reader grow. */
#include "protocol/compress.h"

#include <string.h>
#include <zstd.h>

#include "tests/unit/make.h"

#define HEADER_BYTES 4
#define PACKED_MAX   (CHANGE_SEALED_MAX - NONCE_BYTES - TAG_BYTES)

static uint8_t noise[CHANGE_TEXT_MAX + 1];
static uint8_t zeros[CHANGE_TEXT_MAX + 1];

static int noise_make(void **state)
{
    struct dice dice = {99};

    (void)state;
    dice_bytes(&dice, noise, sizeof noise);
    return 0;
}

static void sizes_are_few(void **state)
{
    static const struct {
        size_t len;
        size_t padded;
    } sizes[] = {
        {0, 128},     {1, 128},       {128, 128},     {129, 181},
        {181, 181},   {182, 256},     {256, 256},     {257, 362},
        {362, 362},   {363, 512},     {512, 512},     {513, 724},
        {724, 724},   {725, 1024},    {1024, 1024},   {1025, 1448},
        {1448, 1448}, {1449, 2048},   {2048, 2048},   {2049, 2896},
        {2896, 2896}, {2897, 4096},   {4096, 4096},   {4097, 4352},
        {4352, 4352}, {4353, 4608},   {8192, 8192},   {8193, 8704},
        {9000, 9216}, {16385, 17408}, {40000, 40960}, {PACKED_MAX, PACKED_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_int_equal(padded_size(sizes[i].len), sizes[i].padded);
}

static void padding_is_monotone_stable_and_small(void **state)
{
    size_t distinct = 0;
    size_t last = 0;

    (void)state;
    for (size_t len = 0; len <= PACKED_MAX; len++) {
        size_t padded = padded_size(len);
        assert_true(padded >= len && padded >= last && padded <= PACKED_MAX);
        assert_int_equal(padded_size(padded), padded);
        if (len > 4096)
            assert_true((padded - len) * 100 <= len * 12);
        else
            assert_true(padded == PADDED_MIN || padded * 100 <= len * 142);
        distinct += padded != last;
        last = padded;
    }
    assert_in_range(distinct, 12, 80);
}

/* Packs and unpacks, and returns the size in between. */
static size_t there_and_back(struct bytes text)
{
    struct buffer packed;
    struct buffer read;

    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_init(&read, CHANGE_TEXT_MAX);
    assert_int_equal(text_pack(text, &packed), KITH_OK);
    assert_int_equal(text_unpack(buffer_view(&packed), &read), KITH_OK);
    assert_bytes_equal(buffer_view(&read), text);
    assert_int_equal(padded_size(packed.len), packed.len);
    size_t len = packed.len;
    buffer_clear(&packed);
    buffer_clear(&read);
    return len;
}

static void texts_of_every_length_come_back(void **state)
{
    (void)state;
    assert_int_equal(there_and_back(bytes_of(NULL, 0)), PADDED_MIN);
    for (size_t len = 0; len < 600; len++) {
        (void)there_and_back(bytes_of(noise, len));
        assert_int_equal(there_and_back(bytes_of(zeros, len)), PADDED_MIN);
    }
    for (size_t len = 600; len < 57 * 1024; len = len * 5 / 4) {
        (void)there_and_back(bytes_of(noise, len));
        (void)there_and_back(bytes_of(zeros, len));
    }
    assert_true(there_and_back(bytes_of(noise, 57 * 1024)) >= 57 * 1024);
    assert_int_equal(there_and_back(bytes_of(noise, PACKED_MAX - HEADER_BYTES)), PACKED_MAX);
    assert_true(there_and_back(bytes_of(zeros, CHANGE_TEXT_MAX)) < 1024);
}

static void what_does_not_fit_a_change_is_too_large(void **state)
{
    struct buffer packed;

    (void)state;
    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_add(&packed, "kept", 4);
    assert_int_equal(text_pack(bytes_of(noise, PACKED_MAX - HEADER_BYTES + 1), &packed),
                     KITH_TOO_LARGE);
    assert_int_equal(text_pack(bytes_of(noise, CHANGE_TEXT_MAX), &packed), KITH_TOO_LARGE);
    assert_int_equal(text_pack(bytes_of(zeros, CHANGE_TEXT_MAX + 1), &packed), KITH_TOO_LARGE);
    assert_bytes_equal(buffer_view(&packed), bytes_text("kept"));
    buffer_clear(&packed);
}

/* Attack 22 and 23: the size of what is stored says which bucket, nothing more. */
static void texts_of_one_padded_size_have_one_length(void **state)
{
    (void)state;
    size_t len = there_and_back(bytes_of(noise, 182));
    assert_int_equal(len, 256);
    for (size_t i = 178; i <= 252; i++)
        assert_int_equal(there_and_back(bytes_of(noise, i)), len);
}

static void the_padding_is_zeros_whatever_was_there(void **state)
{
    struct buffer packed;

    (void)state;
    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_add(&packed, noise, CHANGE_TEXT_MAX);
    buffer_reset(&packed);
    assert_int_equal(text_pack(bytes_text("short"), &packed), KITH_OK);
    assert_int_equal(packed.len, PADDED_MIN);
    assert_memory_equal(packed.ptr, "\0\0\0\5short", 9);
    for (size_t i = 9; i < packed.len; i++)
        assert_int_equal(packed.ptr[i], 0);
    buffer_clear(&packed);
}

/* A cut within header and data is an error. One within the padding loses nothing. */
static void assert_cuts_refused(struct bytes text)
{
    struct buffer packed;
    struct buffer read;

    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_init(&read, CHANGE_TEXT_MAX);
    assert_int_equal(text_pack(text, &packed), KITH_OK);
    size_t data = HEADER_BYTES + (get_u32(packed.ptr) & 0xFFFFFFu);
    for (size_t len = 0; len < data; len++) {
        assert_int_equal(text_unpack(bytes_of(packed.ptr, len), &read), KITH_CUT);
        assert_int_equal(read.len, 0);
    }
    for (size_t len = data; len <= packed.len; len++) {
        assert_int_equal(text_unpack(bytes_of(packed.ptr, len), &read), KITH_OK);
        assert_bytes_equal(buffer_view(&read), text);
        buffer_reset(&read);
    }
    buffer_clear(&packed);
    buffer_clear(&read);
}

static void a_cut_packet_is_refused(void **state)
{
    (void)state;
    assert_cuts_refused(bytes_of(noise, 300));
    assert_cuts_refused(bytes_of(zeros, 20000));
}

/* What unpacking makes of `data` behind a header of our own making. */
static enum kith_err unpack(uint8_t codec, size_t announced, struct bytes data)
{
    struct buffer packed;
    struct buffer text;

    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_init(&text, 4 * CHANGE_TEXT_MAX); /* so that the bound is the code's own */
    put_u32(buffer_extend(&packed, HEADER_BYTES), (uint32_t)announced);
    packed.ptr[0] = codec;
    buffer_add(&packed, data.ptr, data.len);
    enum kith_err err = text_unpack(buffer_view(&packed), &text);
    if (err)
        assert_int_equal(text.len, 0);
    assert_true(text.cap <= CHANGE_TEXT_MAX);
    buffer_clear(&packed);
    buffer_clear(&text);
    return err;
}

static void a_header_that_lies_is_refused(void **state)
{
    (void)state;
    assert_int_equal(unpack(0, 10, bytes_of(noise, 9)), KITH_CUT);
    assert_int_equal(unpack(0, 0xFFFFFF, bytes_of(noise, 9)), KITH_CUT);
    assert_int_equal(unpack(2, 5, bytes_of(noise, 9)), KITH_MALFORMED);
    assert_int_equal(unpack(3, 5, bytes_of(noise, 9)), KITH_UNKNOWN_TYPE);
    assert_int_equal(unpack(255, 5, bytes_of(noise, 9)), KITH_UNKNOWN_TYPE);
    assert_int_equal(unpack(0, CHANGE_TEXT_MAX + 1, bytes_of(noise, CHANGE_TEXT_MAX + 1)),
                     KITH_TOO_LARGE);
    assert_int_equal(unpack(1, 0, bytes_of(NULL, 0)), KITH_MALFORMED);
    assert_int_equal(unpack(1, 9, bytes_of(noise, 9)), KITH_MALFORMED);
}

/* A zstd frame of `len` zeros, as small as it gets; false in `has_size`: without its content size.
 */
static size_t zstd_frame(uint8_t *to, size_t room, size_t len, int has_size)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    assert_non_null(zstd);
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, has_size);
    size_t size = ZSTD_compress2(zstd, to, room, zeros, len);
    assert_false(ZSTD_isError(size));
    (void)ZSTD_freeCCtx(zstd);
    return size;
}

static void a_bomb_is_refused_before_it_goes_off(void **state)
{
    static uint8_t frame[4096];
    size_t size;

    (void)state;
    size = zstd_frame(frame, sizeof frame, CHANGE_TEXT_MAX, 1);
    assert_int_equal(unpack(1, size, bytes_of(frame, size)), KITH_OK);
    size = zstd_frame(frame, sizeof frame, CHANGE_TEXT_MAX + 1, 1);
    assert_int_equal(unpack(1, size, bytes_of(frame, size)), KITH_TOO_LARGE);
    size = zstd_frame(frame, sizeof frame, 1000, 0);
    assert_int_equal(unpack(1, size, bytes_of(frame, size)), KITH_MALFORMED);
}

/* Content sizes are 4 bytes, little-endian, at offset 5 of such a frame: RFC 8878, section 3.1.1.1.
 */
static void a_frame_that_lies_about_its_content_is_refused(void **state)
{
    static const uint32_t claims[] = {
        0, 1, 99999, 100001, CHANGE_TEXT_MAX, CHANGE_TEXT_MAX + 1, UINT32_MAX};
    static uint8_t frame[4096];
    size_t size = zstd_frame(frame, sizeof frame, 100000, 1);

    (void)state;
    assert_int_equal(ZSTD_getFrameContentSize(frame, size), 100000);
    assert_int_equal(frame[4] >> 6, 2);
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        for (unsigned k = 0; k < 4; k++)
            frame[5 + k] = (uint8_t)(claims[i] >> 8 * k);
        assert_int_equal(ZSTD_getFrameContentSize(frame, size), claims[i]);
        assert_int_equal(unpack(1, size, bytes_of(frame, size)),
                         claims[i] > CHANGE_TEXT_MAX ? KITH_TOO_LARGE : KITH_MALFORMED);
    }
}

/* Two frames one after another would be more than the first announces. */
static void a_second_frame_is_refused(void **state)
{
    static uint8_t frames[4096];
    size_t size = zstd_frame(frames, sizeof frames, 1000, 1);

    (void)state;
    size += zstd_frame(frames + size, sizeof frames - size, 1000, 1);
    assert_int_equal(unpack(1, size, bytes_of(frames, size)), KITH_MALFORMED);
}

static void no_damaged_frame_does_harm(void **state)
{
    static uint8_t frame[4096];
    struct dice dice = {5};
    size_t size = zstd_frame(frame, sizeof frame, 5000, 1);

    (void)state;
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t damaged[sizeof frame];
        memcpy(damaged, frame, size);
        damaged[dice_below(&dice, (uint32_t)size)] ^= (uint8_t)(1 + dice_below(&dice, 255));
        enum kith_err err = unpack(1, size, bytes_of(damaged, size));
        assert_true(err == KITH_OK || err == KITH_MALFORMED || err == KITH_TOO_LARGE);
    }
}

/* In words like those that the dictionary was made of. */
static void a_note_packs_small_alone(void **state)
{
    static const char note[] =
        "We walked to the bus stop and talked about what has helped me in my own recovery. They "
        "said that the plan feels possible now. We meet on Thursday in front of the clinic.";
    struct buffer packed;

    (void)state;
    buffer_init(&packed, CHANGE_SEALED_MAX);
    assert_int_equal(text_pack(bytes_text(note), &packed), KITH_OK);
    assert_true(packed.len <= 128);
    assert_int_equal(packed.ptr[0], 2);
    buffer_clear(&packed);
}

static void unpacking_appends(void **state)
{
    struct buffer packed;
    struct buffer text;

    (void)state;
    buffer_init(&packed, 2 * CHANGE_TEXT_MAX);
    buffer_init(&text, CHANGE_TEXT_MAX);
    buffer_add(&packed, "xx", 2);
    assert_int_equal(text_pack(bytes_text("second"), &packed), KITH_OK);
    buffer_add(&text, "first ", 6);
    assert_int_equal(text_unpack(bytes_after(buffer_view(&packed), 2), &text), KITH_OK);
    assert_bytes_equal(buffer_view(&text), bytes_text("first second"));
    buffer_clear(&packed);
    buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_few),
        cmocka_unit_test(padding_is_monotone_stable_and_small),
        cmocka_unit_test(texts_of_every_length_come_back),
        cmocka_unit_test(what_does_not_fit_a_change_is_too_large),
        cmocka_unit_test(texts_of_one_padded_size_have_one_length),
        cmocka_unit_test(the_padding_is_zeros_whatever_was_there),
        cmocka_unit_test(a_cut_packet_is_refused),
        cmocka_unit_test(a_header_that_lies_is_refused),
        cmocka_unit_test(a_bomb_is_refused_before_it_goes_off),
        cmocka_unit_test(a_frame_that_lies_about_its_content_is_refused),
        cmocka_unit_test(a_second_frame_is_refused),
        cmocka_unit_test(no_damaged_frame_does_harm),
        cmocka_unit_test(a_note_packs_small_alone),
        cmocka_unit_test(unpacking_appends),
    };

    return cmocka_run_group_tests(tests, noise_make, NULL);
}
