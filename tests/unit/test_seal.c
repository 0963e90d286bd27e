/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, signatures and sealed keys: nothing made for one purpose, place or key passes for
 * another. */
#include "protocol/seal.h"

#include <string.h>

#include "tests/unit/make.h"

static const uint8_t key[KEY_BYTES] = "an epoch key for the tests only";
static const uint8_t other_key[KEY_BYTES] = "another key of another epoch...";
static const struct epoch_place place = {"a chart's circle", 4, 12};

static struct bytes tag_bytes(enum seal_tag tag)
{
    return bytes_of(seal_tag_text(tag), strlen(seal_tag_text(tag)) + 1);
}

static void no_tag_is_the_beginning_of_another(void **state)
{
    (void)state;
    for (unsigned a = 0; a < SEAL_TAG_COUNT; a++) {
        struct bytes of_a = tag_bytes((enum seal_tag)a);
        assert_memory_equal(of_a.ptr, "kith/1 ", 7);
        assert_in_range(of_a.len, 8, 64); /* what a signed text has room for */
        for (unsigned b = 0; b < SEAL_TAG_COUNT; b++) {
            struct bytes of_b = tag_bytes((enum seal_tag)b);
            if (a != b && of_a.len <= of_b.len)
                assert_memory_not_equal(of_a.ptr, of_b.ptr, of_a.len);
        }
    }
}

static void every_tag_gives_a_hash_and_a_key_of_its_own(void **state)
{
    uint8_t hashes[SEAL_TAG_COUNT][HASH_BYTES];
    uint8_t keys[SEAL_TAG_COUNT][KEY_BYTES];
    struct bytes part = bytes_text("the same text");

    (void)state;
    for (unsigned a = 0; a < SEAL_TAG_COUNT; a++) {
        seal_hash((enum seal_tag)a, &part, 1, hashes[a]);
        seal_derive((enum seal_tag)a, key, part, keys[a]);
        assert_memory_not_equal(hashes[a], keys[a], HASH_BYTES);
        for (unsigned b = 0; b < a; b++) {
            assert_memory_not_equal(hashes[a], hashes[b], HASH_BYTES);
            assert_memory_not_equal(keys[a], keys[b], KEY_BYTES);
        }
    }
}

/* What was signed once must verify for ever. Python: hashlib.blake2b(b"kith/1 change id\0abc",
 * digest_size=32). */
static void a_hash_stays_what_it_was(void **state)
{
    static const uint8_t expected[HASH_BYTES] = {0x8b, 0x62, 0x47, 0xe3, 0x20, 0xe0, 0xaf, 0x1a,
                                                 0x45, 0xc5, 0x75, 0x8c, 0x4a, 0x54, 0x81, 0x97,
                                                 0xd4, 0x3c, 0x3b, 0xed, 0xd7, 0xf9, 0x91, 0x39,
                                                 0x34, 0x20, 0x16, 0xf6, 0xe5, 0xa1, 0x27, 0xe6};
    const struct bytes parts[] = {bytes_text("a"), bytes_of(NULL, 0), bytes_text("bc")};
    uint8_t hash[HASH_BYTES];
    uint8_t id[ID_BYTES];

    (void)state;
    seal_hash(SEAL_CHANGE_HASH, parts, COUNT_OF(parts), hash);
    assert_memory_equal(hash, expected, HASH_BYTES);
    seal_id(SEAL_CHANGE_HASH, parts, COUNT_OF(parts), id);
    assert_memory_equal(id, expected, ID_BYTES);
}

static void a_key_depends_on_secret_and_context(void **state)
{
    uint8_t first[KEY_BYTES];
    uint8_t second[KEY_BYTES];

    (void)state;
    seal_derive(SEAL_CHANGE_KEY, key, bytes_text("circle"), first);
    seal_derive(SEAL_CHANGE_KEY, key, bytes_text("circle"), second);
    assert_memory_equal(first, second, KEY_BYTES);
    seal_derive(SEAL_CHANGE_KEY, key, bytes_text("circlf"), second);
    assert_memory_not_equal(first, second, KEY_BYTES);
    seal_derive(SEAL_CHANGE_KEY, other_key, bytes_text("circle"), second);
    assert_memory_not_equal(first, second, KEY_BYTES);
    seal_derive(SEAL_CHANGE_KEY, key, bytes_of(NULL, 0), second);
    assert_memory_not_equal(first, second, KEY_BYTES);
}

static void a_signature_verifies_under_its_own_tag_only(void **state)
{
    struct made_device signer;
    uint8_t hash[HASH_BYTES] = "the hash of what is being signed";
    uint8_t signature[SIGNATURE_BYTES];

    (void)state;
    made_device_keys(&signer, 1);
    for (unsigned a = 0; a < SEAL_TAG_COUNT; a++) {
        seal_sign((enum seal_tag)a, signer.sign_secret, hash, signature);
        for (unsigned b = 0; b < SEAL_TAG_COUNT; b++)
            assert_int_equal(seal_verify((enum seal_tag)b, signer.keys.sign, hash, signature),
                             a == b ? KITH_OK : KITH_SIGNATURE);
    }
}

static void a_flipped_bit_of_signature_hash_or_key_is_refused(void **state)
{
    struct made_device signer;
    uint8_t hash[HASH_BYTES] = "the hash of what is being signed";
    uint8_t signature[SIGNATURE_BYTES];
    uint8_t *const fields[] = {signature, hash, signer.keys.sign};
    static const size_t lengths[] = {SIGNATURE_BYTES, HASH_BYTES, KEY_BYTES};

    (void)state;
    made_device_keys(&signer, 1);
    seal_sign(SEAL_CHANGE_SIGN, signer.sign_secret, hash, signature);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        for (size_t bit = 0; bit < lengths[i] * 8; bit++) {
            fields[i][bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(seal_verify(SEAL_CHANGE_SIGN, signer.keys.sign, hash, signature),
                             KITH_SIGNATURE);
            fields[i][bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_equal(seal_verify(SEAL_CHANGE_SIGN, signer.keys.sign, hash, signature), KITH_OK);
}

static void a_key_that_anybody_could_sign_for_is_refused(void **state)
{
    static const uint8_t zero_key[KEY_BYTES] = {0};
    static const uint8_t neutral_key[KEY_BYTES] = {1};
    static const uint8_t signature[SIGNATURE_BYTES] = {1};
    static const uint8_t hash[HASH_BYTES] = {0};

    (void)state;
    assert_int_equal(seal_verify(SEAL_CHANGE_SIGN, zero_key, hash, signature), KITH_SIGNATURE);
    assert_int_equal(seal_verify(SEAL_CHANGE_SIGN, neutral_key, hash, signature), KITH_SIGNATURE);
}

static void a_box_opens_for_its_recipient_at_its_place_only(void **state)
{
    struct made_device recipient;
    struct made_device stranger;
    uint8_t box[BOX_BYTES];
    uint8_t opened[KEY_BYTES];
    struct epoch_place elsewhere = place;

    (void)state;
    made_device_keys(&recipient, 1);
    made_device_keys(&stranger, 2);
    assert_int_equal(box_seal(&place, recipient.keys.box, key, box), KITH_OK);
    assert_int_equal(box_open(&place, recipient.box_secret, box, opened), KITH_OK);
    assert_memory_equal(opened, key, KEY_BYTES);
    assert_int_equal(box_open(&place, stranger.box_secret, box, opened), KITH_DECRYPT);
    elsewhere.epoch++;
    assert_int_equal(box_open(&elsewhere, recipient.box_secret, box, opened), KITH_DECRYPT);
    elsewhere = place;
    elsewhere.device++;
    assert_int_equal(box_open(&elsewhere, recipient.box_secret, box, opened), KITH_DECRYPT);
    elsewhere = place;
    elsewhere.circle[ID_BYTES - 1] ^= 1;
    assert_int_equal(box_open(&elsewhere, recipient.box_secret, box, opened), KITH_DECRYPT);
}

static void a_flipped_bit_of_a_box_is_refused(void **state)
{
    struct made_device recipient;
    uint8_t box[BOX_BYTES];
    uint8_t opened[KEY_BYTES];

    (void)state;
    made_device_keys(&recipient, 1);
    assert_int_equal(box_seal(&place, recipient.keys.box, key, box), KITH_OK);
    for (size_t at = 0; at < BOX_BYTES; at++) {
        box[at] ^= 0x10;
        assert_int_equal(box_open(&place, recipient.box_secret, box, opened), KITH_DECRYPT);
        box[at] ^= 0x10;
    }
}

/* Points of low order, RFC 7748, section 7: what is sealed to them could be opened by anybody. */
static void no_box_is_sealed_to_a_worthless_key(void **state)
{
    static const uint8_t worthless[][KEY_BYTES] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
         0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
         0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
         0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
         0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    uint8_t box[BOX_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(worthless); i++)
        assert_int_equal(box_seal(&place, worthless[i], key, box), KITH_MALFORMED);
}

/* No error and no use: the recipient is nobody we know. What matters is that our own secret does
 * not open it. */
static void a_box_for_a_key_of_all_same_bytes_is_not_ours(void **state)
{
    static const uint8_t fillings[] = {0x01, 0x55, 0x7f, 0xff};
    struct made_device us;
    uint8_t recipient[KEY_BYTES];
    uint8_t box[BOX_BYTES];
    uint8_t opened[KEY_BYTES];

    (void)state;
    made_device_keys(&us, 1);
    for (size_t i = 0; i < COUNT_OF(fillings); i++) {
        memset(recipient, fillings[i], sizeof recipient);
        if (box_seal(&place, recipient, key, box) == KITH_OK)
            assert_int_equal(box_open(&place, us.box_secret, box, opened), KITH_DECRYPT);
    }
}

static void sealing_a_box_twice_gives_other_bytes(void **state)
{
    struct made_device recipient;
    uint8_t first[BOX_BYTES];
    uint8_t second[BOX_BYTES];

    (void)state;
    made_device_keys(&recipient, 1);
    assert_int_equal(box_seal(&place, recipient.keys.box, key, first), KITH_OK);
    assert_int_equal(box_seal(&place, recipient.keys.box, key, second), KITH_OK);
    assert_memory_not_equal(first, second, 32);
    assert_memory_not_equal(first + 32, second + 32, BOX_BYTES - 32);
}

static void a_wrap_opens_with_its_key_at_its_place_only(void **state)
{
    uint8_t wrap[WRAP_BYTES];
    uint8_t previous[KEY_BYTES];
    struct epoch_place elsewhere = place;

    (void)state;
    epoch_wrap(&place, key, other_key, wrap);
    assert_int_equal(epoch_unwrap(&place, key, wrap, previous), KITH_OK);
    assert_memory_equal(previous, other_key, KEY_BYTES);
    assert_int_equal(epoch_unwrap(&place, other_key, wrap, previous), KITH_DECRYPT);
    elsewhere.epoch++;
    assert_int_equal(epoch_unwrap(&elsewhere, key, wrap, previous), KITH_DECRYPT);
    elsewhere = place;
    elsewhere.circle[0] ^= 1;
    assert_int_equal(epoch_unwrap(&elsewhere, key, wrap, previous), KITH_DECRYPT);
    elsewhere = place;
    elsewhere.device = 0;
    assert_int_equal(epoch_unwrap(&elsewhere, key, wrap, previous), KITH_DECRYPT);
    for (size_t at = 0; at < WRAP_BYTES; at++) {
        wrap[at] ^= 0x10;
        assert_int_equal(epoch_unwrap(&place, key, wrap, previous), KITH_DECRYPT);
        wrap[at] ^= 0x10;
    }
}

static void a_commitment_is_to_one_key_in_one_epoch(void **state)
{
    uint8_t commitment[HASH_BYTES];
    uint8_t again[HASH_BYTES];

    (void)state;
    epoch_commit(key, 1, commitment);
    epoch_commit(key, 1, again);
    assert_memory_equal(commitment, again, HASH_BYTES);
    epoch_commit(key, 2, again);
    assert_memory_not_equal(commitment, again, HASH_BYTES);
    epoch_commit(other_key, 1, again);
    assert_memory_not_equal(commitment, again, HASH_BYTES);
}

static void what_is_encrypted_decrypts_with_its_key_and_context_only(void **state)
{
    struct bytes text = bytes_text("not for everybody");
    struct buffer sealed;
    struct buffer opened;

    (void)state;
    buffer_init(&sealed, 1024);
    buffer_init(&opened, 1024);
    seal_encrypt(key, bytes_text("header"), text, &sealed);
    assert_int_equal(sealed.len, NONCE_BYTES + text.len + TAG_BYTES);
    assert_int_equal(seal_decrypt(other_key, bytes_text("header"), buffer_view(&sealed), &opened),
                     KITH_DECRYPT);
    assert_int_equal(seal_decrypt(key, bytes_text("headed"), buffer_view(&sealed), &opened),
                     KITH_DECRYPT);
    assert_int_equal(seal_decrypt(key, bytes_of(NULL, 0), buffer_view(&sealed), &opened),
                     KITH_DECRYPT);
    for (size_t at = 0; at < sealed.len; at++) {
        sealed.ptr[at] ^= 0x10;
        assert_int_equal(seal_decrypt(key, bytes_text("header"), buffer_view(&sealed), &opened),
                         KITH_DECRYPT);
        sealed.ptr[at] ^= 0x10;
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_int_equal(
            seal_decrypt(key, bytes_text("header"), bytes_of(sealed.ptr, len), &opened),
            len < NONCE_BYTES + TAG_BYTES ? KITH_CUT : KITH_DECRYPT);
    assert_int_equal(opened.len, 0);
    assert_int_equal(seal_decrypt(key, bytes_text("header"), buffer_view(&sealed), &opened),
                     KITH_OK);
    assert_bytes_equal(buffer_view(&opened), text);
    buffer_clear(&sealed);
    buffer_clear(&opened);
}

static void an_empty_text_is_encrypted_like_any_other(void **state)
{
    struct buffer sealed;
    struct buffer opened;

    (void)state;
    buffer_init(&sealed, 1024);
    buffer_init(&opened, 1024);
    seal_encrypt(key, bytes_of(NULL, 0), bytes_of(NULL, 0), &sealed);
    assert_int_equal(sealed.len, NONCE_BYTES + TAG_BYTES);
    assert_int_equal(seal_decrypt(key, bytes_of(NULL, 0), buffer_view(&sealed), &opened), KITH_OK);
    assert_int_equal(opened.len, 0);
    buffer_clear(&sealed);
    buffer_clear(&opened);
}

static void encrypting_twice_gives_other_bytes(void **state)
{
    struct bytes text = bytes_text("not for everybody");
    struct buffer sealed;

    (void)state;
    buffer_init(&sealed, 1024);
    seal_encrypt(key, bytes_of(NULL, 0), text, &sealed);
    seal_encrypt(key, bytes_of(NULL, 0), text, &sealed);
    size_t half = sealed.len / 2;
    assert_memory_not_equal(sealed.ptr, sealed.ptr + half, NONCE_BYTES);
    assert_memory_not_equal(sealed.ptr + NONCE_BYTES, sealed.ptr + half + NONCE_BYTES,
                            half - NONCE_BYTES);
    buffer_clear(&sealed);
}

static void a_full_buffer_keeps_its_failure(void **state)
{
    struct buffer small;
    struct buffer sealed;

    (void)state;
    buffer_init(&small, 16);
    buffer_init(&sealed, 1024);
    seal_encrypt(key, bytes_of(NULL, 0), bytes_text("too long for it"), &small);
    assert_int_equal(small.err, KITH_TOO_LARGE);
    assert_int_equal(small.len, 0);
    buffer_reset(&small);
    seal_encrypt(key, bytes_of(NULL, 0), bytes_text("a text of more than sixteen bytes"), &sealed);
    assert_int_equal(seal_decrypt(key, bytes_of(NULL, 0), buffer_view(&sealed), &small),
                     KITH_TOO_LARGE);
    buffer_clear(&small);
    buffer_clear(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_tag_is_the_beginning_of_another),
        cmocka_unit_test(every_tag_gives_a_hash_and_a_key_of_its_own),
        cmocka_unit_test(a_hash_stays_what_it_was),
        cmocka_unit_test(a_key_depends_on_secret_and_context),
        cmocka_unit_test(a_signature_verifies_under_its_own_tag_only),
        cmocka_unit_test(a_flipped_bit_of_signature_hash_or_key_is_refused),
        cmocka_unit_test(a_key_that_anybody_could_sign_for_is_refused),
        cmocka_unit_test(a_box_opens_for_its_recipient_at_its_place_only),
        cmocka_unit_test(a_flipped_bit_of_a_box_is_refused),
        cmocka_unit_test(no_box_is_sealed_to_a_worthless_key),
        cmocka_unit_test(a_box_for_a_key_of_all_same_bytes_is_not_ours),
        cmocka_unit_test(sealing_a_box_twice_gives_other_bytes),
        cmocka_unit_test(a_wrap_opens_with_its_key_at_its_place_only),
        cmocka_unit_test(a_commitment_is_to_one_key_in_one_epoch),
        cmocka_unit_test(what_is_encrypted_decrypts_with_its_key_and_context_only),
        cmocka_unit_test(an_empty_text_is_encrypted_like_any_other),
        cmocka_unit_test(encrypting_twice_gives_other_bytes),
        cmocka_unit_test(a_full_buffer_keeps_its_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
