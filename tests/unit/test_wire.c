/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/limits.h"
#include "protocol/wire.h"

#define RANDOM_OUTPUTS 200000
#define RANDOM_BYTES   4096

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t *state, uint64_t end)
{
    return random_next(state) % end;
}

/* Numbers of every length, since those of one length alone would be nearly all there are. */
static uint64_t random_number(uint64_t *state)
{
    return random_next(state) >> random_below(state, 64);
}

static int64_t random_signed(uint64_t *state)
{
    const int64_t number = (int64_t)(random_number(state) >> 1);

    return random_below(state, 2) == 0 ? number : -1 - number;
}

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static void values_are_accepted_in_their_only_form(void **unused)
{
    static const struct {
        struct bytes value;
        bool verdict;
    } table[] = {
        {BYTES(""), false},
        {BYTES("\xc0"), true},
        {BYTES("\xc0\xc0"), false}, /* two values */
        {BYTES("\xc1"), false},     /* reserved */
        {BYTES("\xc2"), true},
        {BYTES("\xc3"), true},
        {BYTES("\x00"), true},
        {BYTES("\x7f"), true},
        {BYTES("\xcc\x7f"), false},
        {BYTES("\xcc\x80"), true},
        {BYTES("\xcd\x00\xff"), false},
        {BYTES("\xcd\x01\x00"), true},
        {BYTES("\xce\x00\x00\xff\xff"), false},
        {BYTES("\xce\x00\x01\x00\x00"), true},
        {BYTES("\xcf\x00\x00\x00\x00\xff\xff\xff\xff"), false},
        {BYTES("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), true},
        {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), true},
        {BYTES("\xff"), true},
        {BYTES("\xe0"), true},
        {BYTES("\xd0\xe0"), false}, /* -32 fits one byte */
        {BYTES("\xd0\xdf"), true},  /* -33 */
        {BYTES("\xd0\x7f"), false}, /* positive in a signed form */
        {BYTES("\xd1\xff\x80"), false},
        {BYTES("\xd1\xff\x7f"), true},
        {BYTES("\xd1\x7f\xff"), false},
        {BYTES("\xd2\xff\xff\x80\x00"), false},
        {BYTES("\xd2\xff\xff\x7f\xff"), true},
        {BYTES("\xd3\xff\xff\xff\xff\x80\x00\x00\x00"), false},
        {BYTES("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"), true},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), true},
        {BYTES("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), false},
        {BYTES("\xca\x00\x00\x00\x00"), false},                 /* float 32 */
        {BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00"), false}, /* float 64 */
        {BYTES("\xd4\x01\x00"), false},                         /* fixext 1 */
        {BYTES("\xd8\x01"
               "0123456789abcdef"),
         false},                            /* fixext 16 */
        {BYTES("\xc7\x01\x01\x00"), false}, /* ext 8 */
        {BYTES("\xa0"), true},
        {BYTES("\xa1"
               "a"),
         true},
        {BYTES("\xa1"), false},
        {BYTES("\xa1\x00"), false}, /* NUL in text */
        {BYTES("\xa1\xff"), false}, /* not UTF-8 */
        {BYTES("\xd9\x01"
               "a"),
         false},
        {BYTES("\xd9\x1f"
               "0123456789012345678901234567890"),
         false},
        {BYTES("\xd9\x20"
               "01234567890123456789012345678901"),
         true},
        {BYTES("\xda\x00\x01"
               "a"),
         false},
        {BYTES("\xdb\x00\x00\x00\x01"
               "a"),
         false},
        {BYTES("\xc4\x00"), true},
        {BYTES("\xc4\x01\xff"), true},
        {BYTES("\xc5\x00\x01\xff"), false},
        {BYTES("\xc6\x00\x00\x00\x00"), false},
        {BYTES("\xc6\xff\xff\xff\xff"), false}, /* more than there is */
        {BYTES("\x90"), true},
        {BYTES("\x91\x90"), true},
        {BYTES("\x92\x01"), false},
        {BYTES("\xdc\x00\x00"), false},
        {BYTES("\xdc\x00\x0f"
               "012345678901234"),
         false},
        {BYTES("\xdc\x00\x10"
               "0123456789012345"),
         true},
        {BYTES("\xdc\xff\xff\x00"), false},
        {BYTES("\xdd\x00\x00\x00\x00"), false},
        {BYTES("\xdd\xff\xff\xff\xff"), false}, /* array 32, 4 GiB claimed */
        {BYTES("\x80"), true},
        {BYTES("\x81\x01\x02"), true},
        {BYTES("\x81\x01"), false},
        {BYTES("\x82\x01\x02\x02\x02"), true},
        {BYTES("\x82\x02\x02\x01\x02"), false}, /* keys descend */
        {BYTES("\x82\x01\x02\x01\x02"), false}, /* a key twice */
        {BYTES("\x81\xff\x02"), false},         /* a negative key */
        {BYTES("\x81\xa1"
               "a\x02"),
         false},                                                       /* a text as key */
        {BYTES("\x82\x01\x82\x03\x00\x04\x00\x02\x81\x01\x00"), true}, /* order is per map */
        {BYTES("\xde\x00\x00"), false},
        {BYTES("\xdf\x00\x00\x00\x00"), false},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (wire_is_value(table[i].value) != table[i].verdict) {
            fail_msg("row %zu: not %d", i, table[i].verdict);
        }
    }
}

static void text_is_utf8_without_nul(void **unused)
{
    static const struct {
        struct bytes text;
        bool verdict;
    } table[] = {
        {BYTES(""), true},
        {BYTES("plain"), true},
        {BYTES("a\0b"), false},
        {BYTES("\x7f"), true},
        {BYTES("\x80"), false},
        {BYTES("\xc0\x80"), false}, /* NUL, overlong */
        {BYTES("\xc1\xbf"), false},
        {BYTES("\xc2\x80"), true},
        {BYTES("\xc2"), false},
        {BYTES("\xc2"
               "a"),
         false},
        {BYTES("\xdf\xbf"), true},
        {BYTES("\xe0\x9f\xbf"), false}, /* overlong */
        {BYTES("\xe0\xa0\x80"), true},
        {BYTES("\xed\x9f\xbf"), true},
        {BYTES("\xed\xa0\x80"), false}, /* surrogate */
        {BYTES("\xed\xbf\xbf"), false},
        {BYTES("\xee\x80\x80"), true},
        {BYTES("\xef\xbf\xbf"), true},
        {BYTES("\xef\xbf"), false},
        {BYTES("\xf0\x8f\xbf\xbf"), false}, /* overlong */
        {BYTES("\xf0\x90\x80\x80"), true},
        {BYTES("\xf4\x8f\xbf\xbf"), true},
        {BYTES("\xf4\x90\x80\x80"), false}, /* above U+10FFFF */
        {BYTES("\xf5\x80\x80\x80"), false},
        {BYTES("\xf0\x90\x80"), false},
        {BYTES("\xf0\x90\x80\xc0"), false},
        {BYTES("Zo\xc3\xab \xf0\x9f\x8d\xba"), true},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (wire_is_utf8(table[i].text) != table[i].verdict) {
            fail_msg("row %zu: not %d", i, table[i].verdict);
        }
    }
}

static void a_written_message_reads_back(void **unused)
{
    uint8_t exact[4];
    struct buffer out;

    (void)unused;
    buffer_init(&out, 1000);
    wire_put_array(&out, 10);
    wire_put_uint(&out, UINT64_MAX);
    wire_put_int(&out, INT64_MIN);
    wire_put_int(&out, 300);
    wire_put_bool(&out, true);
    wire_put_nil(&out);
    wire_put_text(&out, bytes_text("caf\xc3\xa9"));
    wire_put_bin(&out, bytes_of("\0\1\2", 3));
    wire_put_bin(&out, bytes_of("wxyz", 4));
    wire_put_map(&out, 1);
    wire_put_uint(&out, 7);
    wire_put_bool(&out, false);
    wire_put_value(&out, bytes_of("\x92\x01\x02", 3));
    assert_int_equal(out.err, KITH_OK);

    struct wire_in in = wire_open(buffer_view(&out));
    wire_array_exact(&in, 10);
    assert_int_equal(wire_peek(&in), WIRE_INT);
    assert_int_equal(wire_uint(&in, UINT64_MAX), UINT64_MAX);
    assert_int_equal(wire_int(&in), INT64_MIN);
    assert_int_equal(wire_int(&in), 300);
    assert_false(wire_skip_nil(&in));
    assert_true(wire_bool(&in));
    assert_true(wire_skip_nil(&in));
    assert_int_equal(wire_peek(&in), WIRE_TEXT);
    assert_true(bytes_equal(wire_text(&in, 5), bytes_text("caf\xc3\xa9")));
    assert_int_equal(wire_peek(&in), WIRE_BIN);
    assert_true(bytes_equal(wire_bin(&in, 3), bytes_of("\0\1\2", 3)));
    wire_bin_exact(&in, exact, sizeof exact);
    assert_memory_equal(exact, "wxyz", 4);
    assert_int_equal(wire_map(&in, 1), 1);
    assert_int_equal(wire_uint(&in, 7), 7);
    assert_false(wire_bool(&in));
    assert_false(wire_at_end(&in));
    assert_true(bytes_equal(wire_value(&in), bytes_of("\x92\x01\x02", 3)));
    assert_true(wire_at_end(&in));
    assert_int_equal(wire_peek(&in), WIRE_NONE);
    assert_int_equal(wire_close(&in), KITH_OK);
    buffer_clear(&out);
}

static void the_first_failure_stays_and_reads_give_zero(void **unused)
{
    uint8_t exact[3] = "abc";
    struct wire_in in = wire_open(bytes_of("\x05\xa1"
                                           "a\xc3\x01",
                                           5));

    (void)unused;
    assert_int_equal(wire_uint(&in, 4), 0);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
    wire_fail(&in, KITH_TOO_LARGE);
    assert_int_equal(wire_uint(&in, UINT64_MAX), 0);
    assert_int_equal(wire_int(&in), 0);
    assert_false(wire_bool(&in));
    wire_nil(&in);
    assert_false(wire_skip_nil(&in));
    assert_int_equal(wire_text(&in, 10).len, 0);
    assert_int_equal(wire_bin(&in, 10).len, 0);
    wire_bin_exact(&in, exact, sizeof exact);
    assert_memory_equal(exact, "\0\0\0", 3);
    assert_int_equal(wire_array(&in, 10), 0);
    wire_array_exact(&in, 3);
    assert_int_equal(wire_map(&in, 10), 0);
    assert_int_equal(wire_value(&in).len, 0);
    assert_int_equal(wire_peek(&in), WIRE_NONE);
    assert_true(wire_at_end(&in));
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
}

static void what_does_not_fit_the_callers_bound_is_refused(void **unused)
{
    uint8_t exact[2];
    struct wire_in in;

    (void)unused;
    in = wire_open(bytes_text("\xa3"
                              "abc"));
    assert_null(wire_text(&in, 2).ptr);
    assert_int_equal(wire_close(&in), KITH_TOO_LARGE);
    in = wire_open(bytes_of("\xc4\x03\1\2\3", 5));
    assert_null(wire_bin(&in, 2).ptr);
    assert_int_equal(wire_close(&in), KITH_TOO_LARGE);
    in = wire_open(bytes_of("\xc4\x01\1", 3));
    wire_bin_exact(&in, exact, sizeof exact);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
    in = wire_open(bytes_of("\x93\1\2\3", 4));
    assert_int_equal(wire_array(&in, 2), 0);
    assert_int_equal(wire_close(&in), KITH_TOO_LARGE);
    in = wire_open(bytes_of("\x93\1\2\3", 4));
    wire_array_exact(&in, 2);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
    in = wire_open(bytes_of("\x83\1\2\3\4\5", 6));
    assert_int_equal(wire_map(&in, 3), 0);
    assert_int_equal(wire_close(&in), KITH_CUT);
    in = wire_open(bytes_of("\xcf\x80\0\0\0\0\0\0\0", 9));
    assert_int_equal(wire_int(&in), 0);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
    in = wire_open(bytes_text("\xff"));
    assert_int_equal(wire_uint(&in, UINT64_MAX), 0);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
}

static void a_leftover_byte_is_a_failure(void **unused)
{
    struct wire_in in = wire_open(bytes_of("\x01\x02", 2));

    (void)unused;
    assert_int_equal(wire_uint(&in, 9), 1);
    assert_int_equal(wire_close(&in), KITH_MALFORMED);
    assert_int_equal(wire_uint(&in, 9), 2);
    assert_int_equal(wire_close(&in), KITH_OK);
}

static void nesting_is_accepted_up_to_its_limit(void **unused)
{
    uint8_t nested[WIRE_DEPTH_MAX + 2];

    (void)unused;
    memset(nested, 0x91, sizeof nested);
    nested[WIRE_DEPTH_MAX] = 0x01;
    assert_true(wire_is_value(bytes_of(nested, WIRE_DEPTH_MAX + 1)));
    nested[WIRE_DEPTH_MAX - 1] = 0x80;
    assert_true(wire_is_value(bytes_of(nested, WIRE_DEPTH_MAX)));
    nested[WIRE_DEPTH_MAX - 1] = 0x91;
    nested[WIRE_DEPTH_MAX] = 0x90;
    assert_false(wire_is_value(bytes_of(nested, WIRE_DEPTH_MAX + 1)));

    uint8_t deep[1000];
    memset(deep, 0x91, sizeof deep);
    assert_false(wire_is_value(bytes_of(deep, sizeof deep)));
}

static void long_runs_and_arrays_use_their_long_forms(void **unused)
{
    static const uint32_t lengths[] = {0, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};
    static uint8_t run[70000];
    struct buffer out;

    (void)unused;
    memset(run, 'r', sizeof run);
    buffer_init(&out, sizeof run + 10);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const uint32_t len = lengths[i];

        buffer_reset(&out);
        wire_put_text(&out, bytes_of(run, len));
        assert_true(wire_is_value(buffer_view(&out)));
        buffer_reset(&out);
        wire_put_bin(&out, bytes_of(run, len));
        assert_true(wire_is_value(buffer_view(&out)));
        if (len > WIRE_ITEMS_MAX) {
            continue;
        }
        buffer_reset(&out);
        wire_put_array(&out, len);
        for (uint32_t j = 0; j < len; j++) {
            wire_put_nil(&out);
        }
        assert_true(wire_is_value(buffer_view(&out)));
        out.len -= len > 0 ? 1 : 0;
        assert_int_equal(wire_is_value(buffer_view(&out)), len == 0);
    }
    buffer_clear(&out);
}

static void a_full_buffer_is_remembered_by_the_writer(void **unused)
{
    struct buffer out;

    (void)unused;
    buffer_init(&out, 4);
    wire_put_uint(&out, 1);
    wire_put_text(&out, bytes_text("too long"));
    wire_put_uint(&out, 2);
    assert_int_equal(out.err, KITH_TOO_LARGE);
    buffer_clear(&out);
}

static void random_text(uint64_t *seed, struct buffer *out)
{
    static const char *const letters[] = {"a", "\x7f", "\xc2\x80", "\xe2\x9d\xa4",
                                          "\xf0\x9f\x8d\xba"};
    const uint64_t count = random_below(seed, random_below(seed, 4) == 0 ? 300 : 12);
    uint8_t bytes[1200];
    size_t len = 0;

    for (uint64_t i = 0; i < count; i++) {
        const char *letter = letters[random_below(seed, 5)];
        memcpy(bytes + len, letter, strlen(letter));
        len += strlen(letter);
    }
    wire_put_text(out, bytes_of(bytes, len));
}

static void random_bin(uint64_t *seed, struct buffer *out)
{
    uint8_t bytes[300];
    const uint64_t end = random_below(seed, 4) == 0 ? sizeof bytes : 12;
    const size_t len = (size_t)random_below(seed, end);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)random_next(seed);
    }
    wire_put_bin(out, bytes_of(bytes, len));
}

static void random_value(uint64_t *seed, struct buffer *out, unsigned depth)
{
    const uint64_t kinds = depth < WIRE_DEPTH_MAX ? 8 : 6;
    const uint32_t count = (uint32_t)random_below(seed, random_below(seed, 8) == 0 ? 20 : 4);
    uint64_t key = 0;

    switch (random_below(seed, kinds)) {
    case 0:
        wire_put_nil(out);
        break;
    case 1:
        wire_put_bool(out, random_below(seed, 2) == 0);
        break;
    case 2:
        wire_put_uint(out, random_number(seed));
        break;
    case 3:
        wire_put_int(out, random_signed(seed));
        break;
    case 4:
        random_text(seed, out);
        break;
    case 5:
        random_bin(seed, out);
        break;
    case 6:
        wire_put_array(out, count);
        for (uint32_t i = 0; i < count; i++) {
            random_value(seed, out, depth + 1);
        }
        break;
    default:
        wire_put_map(out, count);
        for (uint32_t i = 0; i < count; i++) {
            key += 1 + random_below(seed, 200);
            wire_put_uint(out, key);
            random_value(seed, out, depth + 1);
        }
        break;
    }
}

static void number_again(struct wire_in *in, struct buffer *out)
{
    struct wire_in trial = *in;
    const int64_t number = wire_int(&trial);

    if (trial.err == KITH_OK && number < 0) {
        *in = trial;
        wire_put_int(out, number);
    } else {
        wire_put_uint(out, wire_uint(in, UINT64_MAX));
    }
}

/* Decodes a value through the reader and encodes it again through the writer. */
static void value_again(struct wire_in *in, struct buffer *out)
{
    uint32_t count = 0;

    switch (wire_peek(in)) {
    case WIRE_NONE:
        wire_fail(in, KITH_MALFORMED);
        break;
    case WIRE_NIL:
        wire_nil(in);
        wire_put_nil(out);
        break;
    case WIRE_BOOL:
        wire_put_bool(out, wire_bool(in));
        break;
    case WIRE_INT:
        number_again(in, out);
        break;
    case WIRE_TEXT:
        wire_put_text(out, wire_text(in, SIZE_MAX));
        break;
    case WIRE_BIN:
        wire_put_bin(out, wire_bin(in, SIZE_MAX));
        break;
    case WIRE_ARRAY:
        count = wire_array(in, WIRE_ITEMS_MAX);
        wire_put_array(out, count);
        for (uint32_t i = 0; i < count; i++) {
            value_again(in, out);
        }
        break;
    case WIRE_MAP:
        count = wire_map(in, WIRE_ITEMS_MAX);
        wire_put_map(out, count);
        for (uint32_t i = 0; i < count * 2; i++) {
            value_again(in, out);
        }
        break;
    }
}

static void assert_same_again(struct bytes value, struct buffer *again)
{
    struct wire_in in = wire_open(value);

    buffer_reset(again);
    value_again(&in, again);
    assert_int_equal(wire_close(&in), KITH_OK);
    assert_true(bytes_equal(buffer_view(again), value));
}

/* Draws until the value is of a size that the test can afford. */
static struct bytes random_message(uint64_t *seed, struct buffer *out)
{
    do {
        buffer_reset(out);
        random_value(seed, out, 0);
    } while (out->err != KITH_OK);
    return buffer_view(out);
}

static void whatever_the_writer_makes_is_accepted(void **unused)
{
    struct buffer out;
    struct buffer again;
    uint64_t seed = 2;

    (void)unused;
    buffer_init(&out, RANDOM_BYTES);
    buffer_init(&again, RANDOM_BYTES);
    for (unsigned i = 0; i < RANDOM_OUTPUTS; i++) {
        const struct bytes value = random_message(&seed, &out);

        assert_true(wire_is_value(value));
        assert_same_again(value, &again);
    }
    buffer_clear(&out);
    buffer_clear(&again);
}

static void what_is_accepted_encodes_to_the_same_bytes(void **unused)
{
    struct buffer out;
    struct buffer again;
    uint64_t seed = 3;
    unsigned accepted = 0;

    (void)unused;
    buffer_init(&out, RANDOM_BYTES);
    buffer_init(&again, RANDOM_BYTES);
    for (unsigned i = 0; i < RANDOM_OUTPUTS; i++) {
        (void)random_message(&seed, &out);
        for (uint64_t hits = 1 + random_below(&seed, 3); hits > 0; hits--) {
            out.ptr[random_below(&seed, out.len)] = (uint8_t)random_next(&seed);
        }
        if (wire_is_value(buffer_view(&out))) {
            assert_same_again(buffer_view(&out), &again);
            accepted++;
        }
    }
    assert_true(accepted > RANDOM_OUTPUTS / 100);
    buffer_clear(&out);
    buffer_clear(&again);
}

static void a_cut_message_fails_at_every_length(void **unused)
{
    struct buffer out;
    uint64_t seed = 4;

    (void)unused;
    buffer_init(&out, RANDOM_BYTES);
    for (unsigned i = 0; i < 2000; i++) {
        const struct bytes value = random_message(&seed, &out);

        for (size_t len = 0; len < value.len; len++) {
            struct wire_in in = wire_open(bytes_of(value.ptr, len));

            assert_int_equal(wire_value(&in).len, 0);
            assert_true(wire_close(&in) == KITH_CUT || wire_close(&in) == KITH_MALFORMED);
            assert_true(wire_at_end(&in));
        }
    }
    buffer_clear(&out);
}

static void a_cut_message_fails_once_and_reads_as_zero(void **unused)
{
    static const uint8_t message[] = {0x93, 0xcd, 0x01, 0x00, 0xa2, 'o', 'k', 0xc4, 0x02, 8, 9};

    (void)unused;
    for (size_t len = 0; len <= sizeof message; len++) {
        uint8_t exact[2] = {1, 1};
        struct wire_in in = wire_open(bytes_of(message, len));

        wire_array_exact(&in, 3);
        (void)wire_uint(&in, 1000);
        (void)wire_text(&in, 10);
        wire_bin_exact(&in, exact, sizeof exact);
        assert_int_equal(wire_close(&in), len == sizeof message ? KITH_OK : KITH_CUT);
        assert_int_equal(exact[0], len == sizeof message ? 8 : 0);
    }
}

/* One value of the published suite: every encoding that msgpack allows for it. */
struct published {
    unsigned count;
    unsigned accepted;
    size_t shortest; /* among those that are not floats */
    size_t accepted_len;
    bool is_refused; /* a kind that kith does not know */
};

static size_t hex_read(const char *from, size_t chars, uint8_t *to)
{
    size_t len = 0;

    for (size_t i = 0; i + 1 < chars; i += 3) {
        const char digits[3] = {from[i], from[i + 1], '\0'};
        to[len++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

static void encoding_try(struct published *published, const char *hex, size_t chars)
{
    uint8_t encoding[256];
    assert_true(chars / 3 < sizeof encoding);
    const size_t len = hex_read(hex, chars, encoding);
    const bool is_float = encoding[0] == 0xca || encoding[0] == 0xcb;
    const bool is_ext = (encoding[0] >= 0xc7 && encoding[0] <= 0xc9) ||
                        (encoding[0] >= 0xd4 && encoding[0] <= 0xd8);
    const bool has_text_key = len > 1 && encoding[0] == 0x81 && encoding[1] == 0xa1;

    if (published->count++ == 0) {
        published->is_refused = is_float || is_ext || has_text_key;
    }
    if (!is_float && (published->shortest == 0 || len < published->shortest)) {
        published->shortest = len;
    }
    if (wire_is_value(bytes_of(encoding, len))) {
        published->accepted++;
        published->accepted_len = len;
    }
}

/* Reads the list of strings that begins at `at`, and returns its end. */
static const char *published_read(const char *at, struct published *published)
{
    *published = (struct published){0};
    for (;;) {
        at += strcspn(at, "\"]");
        if (*at != '"') {
            return at;
        }
        const size_t chars = strcspn(at + 1, "\"");
        encoding_try(published, at + 1, chars);
        at += chars + 2;
    }
}

static bool suite_load(struct buffer *suite)
{
    const char *shared = getenv("KITH_SHARED");
    char path[4096];
    uint8_t piece[4096];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/vectors/msgpack/msgpack-test-suite.json",
                   shared != NULL ? shared : "../shared");
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("SKIP: %s not found\n", path);
        return false;
    }
    while ((len = fread(piece, 1, sizeof piece, file)) > 0) {
        buffer_add(suite, piece, len);
    }
    buffer_add(suite, "", 1);
    (void)fclose(file);
    return true;
}

static void of_each_published_encoding_only_the_shortest_is_accepted(void **unused)
{
    static const char list[] = "\"msgpack\":";
    struct buffer suite;
    unsigned values = 0;
    unsigned refused = 0;

    (void)unused;
    buffer_init(&suite, 1 << 20);
    if (!suite_load(&suite)) {
        skip();
    }
    const char *at = (const char *)suite.ptr;
    while ((at = strstr(at, list)) != NULL) {
        struct published published;

        at = published_read(at + sizeof list - 1, &published);
        assert_true(published.count > 0);
        assert_int_equal(published.accepted, published.is_refused ? 0 : 1);
        assert_true(published.is_refused || published.accepted_len == published.shortest);
        values++;
        refused += published.is_refused ? 1 : 0;
    }
    assert_true(values > 70);
    assert_true(refused > 25 && refused < 40);
    buffer_clear(&suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_accepted_in_their_only_form),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(a_written_message_reads_back),
        cmocka_unit_test(the_first_failure_stays_and_reads_give_zero),
        cmocka_unit_test(what_does_not_fit_the_callers_bound_is_refused),
        cmocka_unit_test(a_leftover_byte_is_a_failure),
        cmocka_unit_test(nesting_is_accepted_up_to_its_limit),
        cmocka_unit_test(long_runs_and_arrays_use_their_long_forms),
        cmocka_unit_test(a_full_buffer_is_remembered_by_the_writer),
        cmocka_unit_test(whatever_the_writer_makes_is_accepted),
        cmocka_unit_test(what_is_accepted_encodes_to_the_same_bytes),
        cmocka_unit_test(a_cut_message_fails_at_every_length),
        cmocka_unit_test(a_cut_message_fails_once_and_reads_as_zero),
        cmocka_unit_test(of_each_published_encoding_only_the_shortest_is_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
