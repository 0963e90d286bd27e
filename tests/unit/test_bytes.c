/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/bytes.h"

/* One test asks for more memory than there is; AddressSanitizer has to say no as malloc does. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void views_are_equal_by_content(void **unused)
{
    const struct bytes empty = bytes_of(NULL, 0);

    (void)unused;
    assert_true(bytes_equal(empty, bytes_text("")));
    assert_true(bytes_equal(bytes_text("kith"), bytes_of("kith", 4)));
    assert_false(bytes_equal(bytes_text("kith"), bytes_text("kit")));
    assert_false(bytes_equal(bytes_text("kith"), bytes_text("kiss")));
}

static void the_rest_of_a_view_is_empty_past_its_end(void **unused)
{
    const struct bytes view = bytes_text("kith");

    (void)unused;
    assert_true(bytes_equal(bytes_after(view, 0), view));
    assert_true(bytes_equal(bytes_after(view, 3), bytes_text("h")));
    assert_int_equal(bytes_after(view, 4).len, 0);
    assert_int_equal(bytes_after(view, SIZE_MAX).len, 0);
    assert_int_equal(bytes_after(bytes_of(NULL, 0), 1).len, 0);
}

static void a_buffer_grows_to_its_maximum_and_not_beyond(void **unused)
{
    struct buffer buffer;

    (void)unused;
    buffer_init(&buffer, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        const uint8_t byte = (uint8_t)i;
        buffer_add(&buffer, &byte, 1);
        assert_int_equal(buffer.err, KITH_OK);
    }
    assert_int_equal(buffer.len, 1000);
    assert_true(buffer.cap <= 1000);
    buffer_add(&buffer, "x", 1);
    assert_int_equal(buffer.err, KITH_TOO_LARGE);
    assert_int_equal(buffer.len, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(buffer.ptr[i], (uint8_t)i);
    }
    buffer_clear(&buffer);
}

static void a_failed_buffer_takes_nothing_until_it_is_reset(void **unused)
{
    struct buffer buffer;

    (void)unused;
    buffer_init(&buffer, 4);
    buffer_add(&buffer, "abc", 3);
    buffer_add(&buffer, "de", 2);
    buffer_add(&buffer, "f", 1);
    assert_int_equal(buffer.err, KITH_TOO_LARGE);
    assert_true(bytes_equal(buffer_view(&buffer), bytes_text("abc")));
    assert_null(buffer_extend(&buffer, 0));
    buffer_reset(&buffer);
    buffer_add(&buffer, "wxyz", 4);
    assert_int_equal(buffer.err, KITH_OK);
    assert_true(bytes_equal(buffer_view(&buffer), bytes_text("wxyz")));
    buffer_clear(&buffer);
    assert_null(buffer.ptr);
    assert_int_equal(buffer.max, 4);
    buffer_clear(&buffer);
}

static void a_length_near_the_end_of_size_does_not_wrap(void **unused)
{
    struct buffer buffer;

    (void)unused;
    buffer_init(&buffer, 100);
    buffer_add(&buffer, "abc", 3);
    assert_null(buffer_extend(&buffer, SIZE_MAX - 1));
    assert_int_equal(buffer.err, KITH_TOO_LARGE);
    buffer_clear(&buffer);
}

static void missing_memory_is_remembered(void **unused)
{
    volatile size_t huge = SIZE_MAX / 4;
    struct buffer buffer;
    struct arena arena;

    (void)unused;
    buffer_init(&buffer, SIZE_MAX);
    buffer_add(&buffer, "abc", 3);
    assert_null(buffer_extend(&buffer, huge));
    assert_int_equal(buffer.err, KITH_MEMORY);
    assert_true(bytes_equal(buffer_view(&buffer), bytes_text("abc")));
    buffer_clear(&buffer);

    arena_init(&arena, SIZE_MAX);
    assert_null(arena_take(&arena, huge));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_int_equal(arena.used, 0);
    assert_non_null(arena_take(&arena, 10));
    arena_clear(&arena);
}

static void a_buffer_behaves_like_a_plain_array(void **unused)
{
    uint8_t model[512];
    size_t model_len = 0;
    uint64_t seed = 1;
    struct buffer buffer;

    (void)unused;
    buffer_init(&buffer, sizeof model);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t piece[64];
        const size_t len = (size_t)(random_next(&seed) % sizeof piece);

        memset(piece, (int)(i & 0xff), sizeof piece);
        if (random_next(&seed) % 2 == 0 && model_len + len <= sizeof model) {
            buffer_add(&buffer, piece, len);
            memcpy(model + model_len, piece, len);
            model_len += len;
        } else {
            const size_t dropped = len < model_len ? len : model_len;
            buffer_drop(&buffer, len);
            memmove(model, model + dropped, model_len - dropped);
            model_len -= dropped;
        }
        assert_int_equal(buffer.err, KITH_OK);
        assert_true(bytes_equal(buffer_view(&buffer), bytes_of(model, model_len)));
    }
    buffer_clear(&buffer);
}

static void an_extended_buffer_has_room_to_write(void **unused)
{
    struct buffer buffer;

    (void)unused;
    buffer_init(&buffer, 300);
    assert_non_null(buffer_extend(&buffer, 0));
    buffer_add(&buffer, "ab", 2);
    uint8_t *room = buffer_extend(&buffer, 200);
    assert_non_null(room);
    memset(room, 'c', 200);
    assert_int_equal(buffer.len, 202);
    assert_memory_equal(buffer.ptr, "abcc", 4);
    buffer_clear(&buffer);
}

static void pieces_of_an_arena_are_zeroed_aligned_and_apart(void **unused)
{
    uint8_t *pieces[200];
    struct arena arena;

    (void)unused;
    arena_init(&arena, 1 << 20);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < 200; i++) {
            pieces[i] = arena_take(&arena, i * 7);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            for (size_t j = 0; j < i * 7; j++) {
                assert_int_equal(pieces[i][j], 0);
            }
            memset(pieces[i], (int)i, i * 7);
        }
        for (size_t i = 1; i < 200; i++) {
            assert_int_equal(pieces[i][0], i);
            assert_int_equal(pieces[i][i * 7 - 1], i);
        }
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    arena_clear(&arena);
}

static void an_arena_gives_its_maximum_and_not_more(void **unused)
{
    struct arena arena;

    (void)unused;
    arena_init(&arena, 100);
    assert_null(arena_take(&arena, 101));
    assert_non_null(arena_take(&arena, 100));
    assert_null(arena_take(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_take(&arena, 50));
    assert_null(arena_take(&arena, 60));
    arena_clear(&arena);
    assert_non_null(arena_take(&arena, 100));
    arena_clear(&arena);
    arena_clear(&arena);
}

static void a_copy_in_an_arena_outlives_its_source(void **unused)
{
    char text[] = "a note";
    struct arena arena;

    (void)unused;
    arena_init(&arena, 64);
    const struct bytes copy = arena_copy(&arena, bytes_text(text));
    memset(text, 'x', sizeof text - 1);
    assert_true(bytes_equal(copy, bytes_text("a note")));
    assert_non_null(arena_copy(&arena, bytes_of(NULL, 0)).ptr);
    uint8_t large[65] = {0};
    const struct bytes refused = arena_copy(&arena, bytes_of(large, sizeof large));
    assert_null(refused.ptr);
    assert_int_equal(refused.len, 0);
    arena_clear(&arena);
}

static void integers_are_big_endian_and_come_back(void **unused)
{
    static const uint64_t values[] = {0,         1, 0x80, 0xff01, 0x89abcdef, 0x0123456789abcdef,
                                      UINT64_MAX};
    uint8_t at[8];

    (void)unused;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        put_u64(at, values[i]);
        assert_int_equal(get_u64(at), values[i]);
        put_u32(at, (uint32_t)values[i]);
        assert_int_equal(get_u32(at), (uint32_t)values[i]);
        put_u16(at, (uint16_t)values[i]);
        assert_int_equal(get_u16(at), (uint16_t)values[i]);
    }
    put_u64(at, 0x0102030405060708);
    assert_memory_equal(at, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
}

static void every_error_has_its_name_in_lower_case(void **unused)
{
    static const struct {
        enum kith_err err;
        const char *name;
        const char *text;
        enum kith_actor actor;
    } listed[] = {
#define LISTED(number, name, actor, sentence) {KITH_##name, #name, sentence, KITH_##actor},
        KITH_ERRORS(LISTED)
#undef LISTED
    };

    (void)unused;
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        const char *name = error_name(listed[i].err);

        assert_int_equal(strlen(name), strlen(listed[i].name));
        for (size_t j = 0; name[j] != '\0'; j++) {
            assert_int_equal(name[j], tolower((unsigned char)listed[i].name[j]));
        }
        assert_string_equal(error_text(listed[i].err), listed[i].text);
        assert_int_equal(error_actor(listed[i].err), listed[i].actor);
        assert_true(error_is_known((unsigned)listed[i].err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_equal_by_content),
        cmocka_unit_test(the_rest_of_a_view_is_empty_past_its_end),
        cmocka_unit_test(a_buffer_grows_to_its_maximum_and_not_beyond),
        cmocka_unit_test(a_failed_buffer_takes_nothing_until_it_is_reset),
        cmocka_unit_test(a_length_near_the_end_of_size_does_not_wrap),
        cmocka_unit_test(missing_memory_is_remembered),
        cmocka_unit_test(a_buffer_behaves_like_a_plain_array),
        cmocka_unit_test(an_extended_buffer_has_room_to_write),
        cmocka_unit_test(pieces_of_an_arena_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_arena_gives_its_maximum_and_not_more),
        cmocka_unit_test(a_copy_in_an_arena_outlives_its_source),
        cmocka_unit_test(integers_are_big_endian_and_come_back),
        cmocka_unit_test(every_error_has_its_name_in_lower_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
