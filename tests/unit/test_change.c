/* SPDX-License-Identifier: Apache-2.0 */
/* A change: what was sealed opens, what was altered does not, and it costs no more bytes than
 * promised. */
#include "protocol/change.h"

#include <string.h>

#include "protocol/compress.h"
#include "tests/unit/make.h"

#define OVERHEAD_MAX 140 /* design, section 4 */

static const uint8_t epoch_key[KEY_BYTES] = "an epoch key for the tests only";
static const uint8_t other_key[KEY_BYTES] = "another key of another epoch...";

static struct made_device author;
static struct change_header header;
static struct made_change made;

static int change_make(void **state)
{
    struct dice dice = {7};

    (void)state;
    made_device_keys(&author, 1);
    header = (struct change_header){.class = CHANGE_NORMAL, .epoch = 3, .device = 12, .n = 900};
    dice_bytes(&dice, header.agency, ID_BYTES);
    dice_bytes(&dice, header.circle, ID_BYTES);
    dice_bytes(&dice, header.prev, HASH_BYTES);
    made_change_init(&made, &header, epoch_key, author.sign_secret,
                     bytes_text("home visit, 45 minutes"));
    return 0;
}

static int change_remove(void **state)
{
    (void)state;
    made_change_clear(&made);
    return 0;
}

/* Opens the change as if it had this header and these bytes. */
static enum kith_err open_as(const struct change_header *as, struct bytes sealed,
                             const uint8_t *key)
{
    struct buffer text;

    buffer_init(&text, CHANGE_TEXT_MAX);
    enum kith_err err = change_open(as, sealed, key, &text);
    if (err)
        assert_int_equal(text.len, 0);
    buffer_clear(&text);
    return err;
}

static enum kith_err verify_as(const struct change_header *as, struct bytes sealed)
{
    uint8_t id[HASH_BYTES];

    change_id(as, sealed, id);
    return change_verify(id, made.signature, author.keys.sign);
}

static void a_sealed_change_opens_and_verifies(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text, CHANGE_TEXT_MAX);
    assert_int_equal(change_open(&header, made.change.sealed, epoch_key, &text), KITH_OK);
    assert_bytes_equal(buffer_view(&text), bytes_text("home visit, 45 minutes"));
    assert_int_equal(verify_as(&header, made.change.sealed), KITH_OK);
    assert_int_equal(change_verify(made.id, made.signature, author.keys.sign), KITH_OK);
    buffer_clear(&text);
}

static void texts_of_any_length_come_back(void **state)
{
    static const size_t lengths[] = {0, 1, 123, 124, 125, 4092, 4093, 57 * 1024};
    static uint8_t text[57 * 1024];
    struct dice dice = {11};

    (void)state;
    dice_bytes(&dice, text, sizeof text);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct made_change change;
        struct buffer opened;
        made_change_init(&change, &header, epoch_key, author.sign_secret,
                         bytes_of(text, lengths[i]));
        buffer_init(&opened, CHANGE_TEXT_MAX);
        assert_in_range(change.sealed.len, 1, CHANGE_SEALED_MAX);
        assert_int_equal(change_open(&header, change.change.sealed, epoch_key, &opened), KITH_OK);
        assert_bytes_equal(buffer_view(&opened), bytes_of(text, lengths[i]));
        buffer_clear(&opened);
        made_change_clear(&change);
    }
}

static void what_is_too_large_is_not_sealed(void **state)
{
    static uint8_t text[CHANGE_TEXT_MAX + 1];
    uint8_t id[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    struct buffer sealed;
    struct dice dice = {13};

    (void)state;
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    assert_int_equal(change_seal(&header, epoch_key, author.sign_secret,
                                 bytes_of(text, sizeof text), &sealed, id, signature),
                     KITH_TOO_LARGE);
    dice_bytes(&dice, text, sizeof text);
    assert_int_equal(change_seal(&header, epoch_key, author.sign_secret,
                                 bytes_of(text, CHANGE_SEALED_MAX), &sealed, id, signature),
                     KITH_TOO_LARGE);
    assert_int_equal(sealed.len, 0);
    buffer_clear(&sealed);
}

static void a_flipped_bit_of_the_sealed_text_is_refused(void **state)
{
    struct bytes sealed = made.change.sealed;

    (void)state;
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        made.sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_as(&header, sealed, epoch_key), KITH_DECRYPT);
        assert_int_equal(verify_as(&header, sealed), KITH_SIGNATURE);
        made.sealed.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_flipped_bit_of_the_signature_is_refused(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < SIGNATURE_BYTES * 8; bit++) {
        made.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(change_verify(made.id, made.signature, author.keys.sign), KITH_SIGNATURE);
        made.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* The header does not travel whole: each side builds it. Whatever it gets wrong is refused twice
 * over. */
static void assert_header_refused(const struct change_header *wrong)
{
    assert_int_equal(open_as(wrong, made.change.sealed, epoch_key), KITH_DECRYPT);
    assert_int_equal(verify_as(wrong, made.change.sealed), KITH_SIGNATURE);
}

static void a_flipped_bit_of_any_header_field_is_refused(void **state)
{
    static const struct {
        size_t offset;
        size_t len;
    } fields[] = {
        {offsetof(struct change_header, epoch), sizeof header.epoch},
        {offsetof(struct change_header, device), sizeof header.device},
        {offsetof(struct change_header, n), sizeof header.n},
        {offsetof(struct change_header, agency), sizeof header.agency},
        {offsetof(struct change_header, circle), sizeof header.circle},
        {offsetof(struct change_header, prev), sizeof header.prev},
    };
    struct change_header wrong;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        for (size_t bit = 0; bit < fields[i].len * 8; bit++) {
            wrong = header;
            ((uint8_t *)&wrong)[fields[i].offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_header_refused(&wrong);
        }
    }
    wrong = header;
    wrong.class = CHANGE_URGENT;
    assert_header_refused(&wrong);
    wrong.class = CHANGE_BULK;
    assert_header_refused(&wrong);
}

static void another_key_opens_nothing_and_verifies_nothing(void **state)
{
    struct made_device other;

    (void)state;
    made_device_keys(&other, 2);
    assert_int_equal(open_as(&header, made.change.sealed, other_key), KITH_DECRYPT);
    assert_int_equal(change_verify(made.id, made.signature, other.keys.sign), KITH_SIGNATURE);
}

static void a_cut_change_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < made.sealed.len; len++) {
        struct bytes cut = bytes_of(made.sealed.ptr, len);
        assert_int_equal(open_as(&header, cut, epoch_key),
                         len < NONCE_BYTES + TAG_BYTES ? KITH_CUT : KITH_DECRYPT);
        assert_int_equal(verify_as(&header, cut), KITH_SIGNATURE);
    }
}

static void the_same_text_sealed_twice_gives_other_bytes(void **state)
{
    struct made_change again;

    (void)state;
    made_change_init(&again, &header, epoch_key, author.sign_secret,
                     bytes_text("home visit, 45 minutes"));
    assert_int_equal(again.sealed.len, made.sealed.len);
    assert_memory_not_equal(again.sealed.ptr, made.sealed.ptr, NONCE_BYTES);
    assert_memory_not_equal(again.sealed.ptr + NONCE_BYTES, made.sealed.ptr + NONCE_BYTES, 32);
    assert_memory_not_equal(again.id, made.id, HASH_BYTES);
    made_change_clear(&again);
}

static void sealing_appends_and_the_id_covers_its_own_bytes_only(void **state)
{
    uint8_t id[HASH_BYTES];
    uint8_t expected[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    struct buffer sealed;

    (void)state;
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    buffer_add(&sealed, "before", 6);
    assert_int_equal(change_seal(&header, epoch_key, author.sign_secret, bytes_text("text"),
                                 &sealed, id, signature),
                     KITH_OK);
    change_id(&header, bytes_after(buffer_view(&sealed), 6), expected);
    assert_memory_equal(id, expected, HASH_BYTES);
    assert_memory_equal(sealed.ptr, "before", 6);
    buffer_clear(&sealed);
}

static void a_mark_holds_class_and_epoch(void **state)
{
    static const uint32_t epochs[] = {1, 2, 41, 42, 43, 1000000, EPOCH_MAX};
    enum change_class class;
    uint32_t epoch;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(epochs); i++) {
        for (unsigned c = 0; c < CHANGE_CLASSES; c++) {
            uint64_t mark = change_mark((enum change_class)c, epochs[i]);
            assert_int_equal(change_mark_read(mark, &class, &epoch), KITH_OK);
            assert_int_equal(class, c);
            assert_int_equal(epoch, epochs[i]);
        }
    }
}

static void a_mark_without_a_possible_epoch_is_malformed(void **state)
{
    static const uint64_t marks[] = {0, 1, 2, ((uint64_t)EPOCH_MAX + 1) * CHANGE_CLASSES,
                                     UINT64_MAX};
    enum change_class class;
    uint32_t epoch;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        assert_int_equal(change_mark_read(marks[i], &class, &epoch), KITH_MALFORMED);
}

/* A run of one change by a device of a middle-sized agency, frame and all; then what one more
 * change of the run adds. */
static void the_overhead_on_the_wire_stays_below_its_promise(void **state)
{
    size_t padded = made.sealed.len - NONCE_BYTES - TAG_BYTES;
    struct run_writer writer;
    struct buffer out;

    (void)state;
    assert_int_equal(padded, padded_size(padded));
    buffer_init(&out, BATCH_MAX);
    run_begin(&writer);
    run_add(&writer, header.circle, header.device, header.n, &made.change);
    run_flush(&writer, FRAME_PUSH, &out);
    size_t alone = out.len;
    assert_in_range(alone - padded, 1, OVERHEAD_MAX);
    buffer_reset(&out);
    run_add(&writer, header.circle, header.device, header.n, &made.change);
    run_add(&writer, header.circle, header.device, header.n + 1, &made.change);
    run_flush(&writer, FRAME_PUSH, &out);
    assert_in_range(out.len - alone - padded, 1, OVERHEAD_MAX - 25);
    run_end(&writer);
    buffer_clear(&out);
}

#define WITH_CHANGE(test) cmocka_unit_test_setup_teardown(test, change_make, change_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHANGE(a_sealed_change_opens_and_verifies),
        WITH_CHANGE(texts_of_any_length_come_back),
        WITH_CHANGE(what_is_too_large_is_not_sealed),
        WITH_CHANGE(a_flipped_bit_of_the_sealed_text_is_refused),
        WITH_CHANGE(a_flipped_bit_of_the_signature_is_refused),
        WITH_CHANGE(a_flipped_bit_of_any_header_field_is_refused),
        WITH_CHANGE(another_key_opens_nothing_and_verifies_nothing),
        WITH_CHANGE(a_cut_change_is_refused),
        WITH_CHANGE(the_same_text_sealed_twice_gives_other_bytes),
        WITH_CHANGE(sealing_appends_and_the_id_covers_its_own_bytes_only),
        WITH_CHANGE(a_mark_holds_class_and_epoch),
        WITH_CHANGE(a_mark_without_a_possible_epoch_is_malformed),
        WITH_CHANGE(the_overhead_on_the_wire_stays_below_its_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
