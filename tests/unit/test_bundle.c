/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: what goes in comes out for whom it is meant, and nothing that was touched does. */
#include "protocol/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/make.h"

#define FILE_MAX (8 * BUNDLE_CHUNK_MAX)

struct person {
    uint8_t secret[KEY_BYTES];
    uint8_t public_key[KEY_BYTES];
};

struct fixture {
    struct person readers[3];
    uint8_t sign_public[KEY_BYTES];
    uint8_t sign_secret[SIGN_KEY_BYTES];
    uint8_t batch[BATCH_MAX];
    struct buffer file;
};

static void preface_of(const struct fixture *fixture, struct bundle_preface *preface)
{
    *preface = (struct bundle_preface){
        .kind = BUNDLE_OUTBOX, .agency = {1, 2, 3}, .device = 7, .time_ms = 1790000000123};
    memcpy(preface->sign_key, fixture->sign_public, KEY_BYTES);
}

static int fixture_make(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct dice dice = {5};
    uint8_t seed[KEY_BYTES];

    dice_bytes(&dice, seed, sizeof seed);
    seal_sign_keypair(seed, fixture->sign_public, fixture->sign_secret);
    for (size_t i = 0; i < COUNT_OF(fixture->readers); i++) {
        dice_bytes(&dice, fixture->readers[i].secret, KEY_BYTES);
        seal_box_public(fixture->readers[i].secret, fixture->readers[i].public_key);
    }
    dice_bytes(&dice, fixture->batch, sizeof fixture->batch);
    buffer_init(&fixture->file, FILE_MAX);
    *state = fixture;
    return 0;
}

static int fixture_drop(void **state)
{
    struct fixture *fixture = *state;

    buffer_clear(&fixture->file);
    free(fixture);
    return 0;
}

/* A bundle for the first two readers, of so many batches with `len` bytes each. */
static void write_bundle(struct fixture *fixture, unsigned batches, size_t len)
{
    uint8_t keys[2][KEY_BYTES];
    struct bundle_preface preface;
    struct bundle_writer writer;
    uint64_t chunks = bundle_chunk_count(batches);

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        memcpy(keys[i], fixture->readers[i].public_key, KEY_BYTES);
    preface_of(fixture, &preface);
    buffer_reset(&fixture->file);
    assert_int_equal(bundle_begin(&writer, &preface, fixture->sign_secret,
                                  (const uint8_t(*)[KEY_BYTES])keys, 2, &fixture->file),
                     KITH_OK);
    for (uint64_t i = 0; i < chunks; i++)
        bundle_add(&writer, bytes_of(fixture->batch, i < batches ? len : 0), i + 1 == chunks,
                   &fixture->file);
    bundle_end(&writer);
    assert_int_equal(fixture->file.err, KITH_OK);
}

struct outcome {
    enum kith_err err;
    bool is_whole;
    unsigned batches; /* that were as written */
    unsigned others;  /* that were not */
};

/* Reads a file as a program would, from the front, until something is wrong. */
static struct outcome read_bundle(const struct fixture *fixture, struct bytes file,
                                  const struct person *reader, size_t len)
{
    struct outcome outcome = {.err = KITH_CUT};
    struct bundle_reader opened;
    struct bytes frames;
    size_t size;

    if (file.len < BUNDLE_START_BYTES)
        return outcome;
    outcome.err = bundle_header_size(file.ptr, &size);
    if (!outcome.err && size > file.len)
        outcome.err = KITH_CUT;
    if (outcome.err)
        return outcome;
    outcome.err = bundle_open(&opened, bytes_of(file.ptr, size), reader->secret);
    struct bytes left = bytes_after(file, size);
    while (!outcome.err && left.len > 0) {
        size_t take = left.len < BUNDLE_CHUNK_MAX ? left.len : BUNDLE_CHUNK_MAX;
        outcome.err = bundle_next(&opened, bytes_of(left.ptr, take), take == left.len, &frames);
        left = bytes_after(left, take);
        if (outcome.err || frames.len == 0)
            continue;
        if (bytes_equal(frames, bytes_of(fixture->batch, len)))
            outcome.batches++;
        else
            outcome.others++;
    }
    outcome.is_whole = !outcome.err && opened.is_whole;
    bundle_close(&opened);
    return outcome;
}

static void what_is_written_is_read_by_each_recipient(void **state)
{
    static const struct {
        unsigned batches;
        size_t len;
    } cases[] = {{1, 0}, {1, 1}, {1, 700}, {1, BATCH_MAX}, {2, 5}, {5, BATCH_MAX}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_bundle(fixture, cases[i].batches, cases[i].len);
        for (size_t reader = 0; reader < 2; reader++) {
            struct outcome outcome = read_bundle(fixture, buffer_view(&fixture->file),
                                                 &fixture->readers[reader], cases[i].len);
            assert_int_equal(outcome.err, KITH_OK);
            assert_true(outcome.is_whole);
            assert_int_equal(outcome.batches, cases[i].len ? cases[i].batches : 0);
            assert_int_equal(outcome.others, 0);
        }
    }
}

static void the_preface_says_who_wrote_it(void **state)
{
    struct fixture *fixture = *state;
    struct bundle_preface expected;
    struct bundle_reader reader;
    struct bytes frames;
    size_t size;

    write_bundle(fixture, 1, 10);
    preface_of(fixture, &expected);
    assert_int_equal(bundle_header_size(fixture->file.ptr, &size), KITH_OK);
    assert_int_equal(
        bundle_open(&reader, bytes_of(fixture->file.ptr, size), fixture->readers[1].secret),
        KITH_OK);
    assert_int_equal(
        bundle_next(&reader, bytes_after(buffer_view(&fixture->file), size), true, &frames),
        KITH_OK);
    assert_int_equal(reader.preface.kind, expected.kind);
    assert_int_equal(reader.preface.device, expected.device);
    assert_int_equal(reader.preface.time_ms, expected.time_ms);
    assert_memory_equal(reader.preface.agency, expected.agency, ID_BYTES);
    assert_memory_equal(reader.preface.sign_key, expected.sign_key, KEY_BYTES);
    bundle_close(&reader);
}

static void nobody_else_opens_it(void **state)
{
    struct fixture *fixture = *state;

    write_bundle(fixture, 1, 100);
    struct outcome outcome =
        read_bundle(fixture, buffer_view(&fixture->file), &fixture->readers[2], 100);
    assert_int_equal(outcome.err, KITH_NOT_FOUND);
    assert_int_equal(outcome.batches + outcome.others, 0);
}

/* Neither a key nor a name of the writer or a recipient stands in it. */
static void who_it_is_for_and_from_cannot_be_seen(void **state)
{
    struct fixture *fixture = *state;

    write_bundle(fixture, 1, 100);
    struct bytes file = buffer_view(&fixture->file);
    for (size_t i = 0; i + KEY_BYTES <= file.len; i++) {
        assert_memory_not_equal(file.ptr + i, fixture->sign_public, KEY_BYTES);
        assert_memory_not_equal(file.ptr + i, fixture->readers[0].public_key, KEY_BYTES);
        assert_memory_not_equal(file.ptr + i, fixture->readers[1].public_key, KEY_BYTES);
    }
}

static void sizes_are_few(void **state)
{
    static const struct {
        size_t len;
        size_t chunk;
    } sizes[] = {{0, 1024},    {600, 1024},   {1000, 2048},   {3000, 4096},
                 {7000, 8192}, {9000, 16384}, {30000, 32768}, {BATCH_MAX, 65536}};
    static const uint64_t counts[][2] = {{0, 1},  {1, 1},   {7, 7},  {8, 8},
                                         {9, 10}, {15, 16}, {17, 20}};
    struct fixture *fixture = *state;
    size_t header;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        write_bundle(fixture, 1, sizes[i].len);
        assert_int_equal(bundle_header_size(fixture->file.ptr, &header), KITH_OK);
        assert_int_equal(fixture->file.len - header, sizes[i].chunk);
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        assert_int_equal(bundle_chunk_count(counts[i][0]), counts[i][1]);
}

static void no_flipped_bit_gets_through(void **state)
{
    struct fixture *fixture = *state;
    unsigned header_hits = 0;

    write_bundle(fixture, 1, 300);
    for (size_t at = 0; at < fixture->file.len; at++) {
        uint8_t bit = (uint8_t)(1u << (at % 8));
        fixture->file.ptr[at] ^= bit;
        struct outcome outcome =
            read_bundle(fixture, buffer_view(&fixture->file), &fixture->readers[0], 300);
        fixture->file.ptr[at] ^= bit;
        assert_int_not_equal(outcome.err, KITH_OK);
        assert_int_equal(outcome.batches + outcome.others, 0);
        header_hits += outcome.err == KITH_COMMITMENT;
    }
    assert_true(header_hits > BUNDLE_SLOT_BYTES);
}

static void a_file_cut_anywhere_shows_and_gives_only_whole_chunks(void **state)
{
    struct fixture *fixture = *state;
    size_t header;

    write_bundle(fixture, 3, 40);
    assert_int_equal(bundle_header_size(fixture->file.ptr, &header), KITH_OK);
    for (size_t len = 0; len < fixture->file.len; len += len < header + 64 ? 1 : 997) {
        struct outcome outcome =
            read_bundle(fixture, bytes_of(fixture->file.ptr, len), &fixture->readers[0], 40);
        size_t whole = len < header ? 0 : (len - header) / BUNDLE_CHUNK_MAX;
        assert_false(outcome.is_whole);
        assert_int_equal(outcome.batches, whole);
        assert_int_equal(outcome.others, 0);
    }
    struct outcome outcome =
        read_bundle(fixture, bytes_of(fixture->file.ptr, header + 2 * BUNDLE_CHUNK_MAX),
                    &fixture->readers[0], 40);
    assert_int_equal(outcome.err, KITH_OK);
    assert_int_equal(outcome.batches, 2);
    assert_false(outcome.is_whole);
}

static void chunks_cannot_be_moved_repeated_or_left_out(void **state)
{
    static const unsigned orders[][3] = {{1, 0, 2}, {0, 0, 2}, {0, 2, 2}, {2, 1, 0}, {0, 2, 1}};
    struct fixture *fixture = *state;
    struct buffer moved;
    size_t header;

    write_bundle(fixture, 3, 40);
    assert_int_equal(bundle_header_size(fixture->file.ptr, &header), KITH_OK);
    buffer_init(&moved, FILE_MAX);
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        buffer_reset(&moved);
        buffer_add(&moved, fixture->file.ptr, header);
        for (size_t j = 0; j < 3; j++)
            buffer_add(&moved, fixture->file.ptr + header + orders[i][j] * BUNDLE_CHUNK_MAX,
                       BUNDLE_CHUNK_MAX);
        struct outcome outcome =
            read_bundle(fixture, buffer_view(&moved), &fixture->readers[0], 40);
        assert_int_equal(outcome.err, KITH_DECRYPT);
    }
    buffer_clear(&moved);
}

/* Who can read a bundle has its keys, and still cannot make one in the writer's name. */
static void a_recipient_cannot_write_on(void **state)
{
    struct fixture *fixture = *state;
    struct bundle_reader reader;
    struct bundle_writer forger = {0};
    struct bytes frames;
    uint8_t seed[KEY_BYTES] = {9};
    uint8_t other_public[KEY_BYTES];
    uint8_t other_secret[SIGN_KEY_BYTES];
    size_t size;

    write_bundle(fixture, 2, 40);
    seal_sign_keypair(seed, other_public, other_secret);
    assert_int_equal(bundle_header_size(fixture->file.ptr, &size), KITH_OK);
    assert_int_equal(
        bundle_open(&reader, bytes_of(fixture->file.ptr, size), fixture->readers[1].secret),
        KITH_OK);
    memcpy(forger.chunk_key, reader.chunk_key, KEY_BYTES);
    memcpy(forger.header_hash, reader.header_hash, HASH_BYTES);
    forger.sign_secret = other_secret;
    forger.index = 1;
    fixture->file.len = size + BUNDLE_CHUNK_MAX;
    bundle_add(&forger, bytes_of(fixture->batch, 40), true, &fixture->file);
    struct bytes chunks = bytes_after(buffer_view(&fixture->file), size);
    assert_int_equal(bundle_next(&reader, bytes_of(chunks.ptr, BUNDLE_CHUNK_MAX), false, &frames),
                     KITH_OK);
    assert_int_equal(bundle_next(&reader, bytes_after(chunks, BUNDLE_CHUNK_MAX), true, &frames),
                     KITH_SIGNATURE);
    bundle_close(&reader);
}

static void what_is_no_bundle_is_refused_by_its_start(void **state)
{
    static const struct {
        uint8_t start[BUNDLE_START_BYTES];
        enum kith_err err;
    } cases[] = {
        {"kithbndl\x01\x04", KITH_OK},        {"kithbndl\x01\x80", KITH_OK},
        {"kithbndl\x02\x04", KITH_VERSION},   {"kithbndl\x01\x00", KITH_MALFORMED},
        {"kithbndl\x01\x02", KITH_MALFORMED}, {"kithbndl\x01\x05", KITH_MALFORMED},
        {"kithbndl\x01\xff", KITH_MALFORMED}, {"PK\x03\x04", KITH_MALFORMED},
    };
    size_t size;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(bundle_header_size(cases[i].start, &size), cases[i].err);
        assert_true(size <= BUNDLE_HEADER_MAX);
    }
}

static void a_recipient_whose_key_nobody_can_agree_with_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t zeros[1][KEY_BYTES];
    struct bundle_preface preface;
    struct bundle_writer writer;

    preface_of(fixture, &preface);
    buffer_reset(&fixture->file);
    assert_int_equal(
        bundle_begin(&writer, &preface, fixture->sign_secret, zeros, 1, &fixture->file),
        KITH_MALFORMED);
    assert_int_equal(
        bundle_begin(&writer, &preface, fixture->sign_secret, zeros, 0, &fixture->file),
        KITH_TOO_MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_by_each_recipient),
        cmocka_unit_test(the_preface_says_who_wrote_it),
        cmocka_unit_test(nobody_else_opens_it),
        cmocka_unit_test(who_it_is_for_and_from_cannot_be_seen),
        cmocka_unit_test(sizes_are_few),
        cmocka_unit_test(no_flipped_bit_gets_through),
        cmocka_unit_test(a_file_cut_anywhere_shows_and_gives_only_whole_chunks),
        cmocka_unit_test(chunks_cannot_be_moved_repeated_or_left_out),
        cmocka_unit_test(a_recipient_cannot_write_on),
        cmocka_unit_test(what_is_no_bundle_is_refused_by_its_start),
        cmocka_unit_test(a_recipient_whose_key_nobody_can_agree_with_is_refused),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_drop);
}
