/* SPDX-License-Identifier: Apache-2.0 */
/* Codes that people hand on: what was copied right is read, what was mistyped is noticed. */
#include "protocol/invite.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "protocol/seal.h"
#include "tests/unit/make.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static struct code sample_code(const char *address)
{
    struct code code = {.device = 12};
    struct dice dice = {4};

    dice_bytes(&dice, code.hub_key, sizeof code.hub_key);
    dice_bytes(&dice, code.agency, sizeof code.agency);
    dice_bytes(&dice, code.secret, sizeof code.secret);
    (void)snprintf(code.address, sizeof code.address, "%s", address);
    return code;
}

static void sample_text(char text[static CODE_TEXT_MAX])
{
    struct code code = sample_code("hub.example.org:7171");

    assert_int_equal(code_write(&code, text), KITH_OK);
}

static void assert_same_codes(const struct code *a, const struct code *b)
{
    assert_memory_equal(a->hub_key, b->hub_key, KEY_BYTES);
    assert_memory_equal(a->agency, b->agency, ID_BYTES);
    assert_int_equal(a->device, b->device);
    assert_memory_equal(a->secret, b->secret, CODE_SECRET_BYTES);
    assert_string_equal(a->address, b->address);
}

/* The text reads as the sample, or not at all. */
static void assert_reads_as_sample(const char *text)
{
    struct code expected = sample_code("hub.example.org:7171");
    struct code read;

    assert_int_equal(code_read(&read, text), KITH_OK);
    assert_same_codes(&read, &expected);
}

static void a_code_reads_as_it_was_written(void **state)
{
    char address[ADDRESS_MAX];
    char text[CODE_TEXT_MAX];

    (void)state;
    memset(address, 'a', sizeof address);
    for (size_t len = 1; len < ADDRESS_MAX; len++) {
        address[len] = '\0';
        struct code code = sample_code(address);
        struct code read;
        code.device = len % 3 == 0 ? DEVICE_MAX : (uint32_t)len % 3;
        assert_int_equal(code_write(&code, text), KITH_OK);
        assert_memory_equal(text, "kith1-", 6);
        assert_int_equal(code_read(&read, text), KITH_OK);
        assert_same_codes(&read, &code);
        address[len] = 'a';
    }
}

static void an_address_that_does_not_fit_is_refused(void **state)
{
    struct code code = sample_code("");
    char text[CODE_TEXT_MAX];

    (void)state;
    assert_int_equal(code_write(&code, text), KITH_ADDRESS);
}

/* The letter that a character is read as: capitals, and the three digits that look like one. */
static char read_as(char c)
{
    if (c == '0')
        return 'o';
    if (c == '1')
        return 'l';
    if (c == '8')
        return 'b';
    return (char)tolower((unsigned char)c);
}

/* Each place, each printable character. The mark in front is taken by its letter, too, but for the
 * digit. */
static void every_single_mistyped_character_is_noticed(void **state)
{
    char text[CODE_TEXT_MAX];
    struct code read;

    (void)state;
    sample_text(text);
    for (size_t at = 0; text[at]; at++) {
        char right = text[at];
        bool is_mark = at < strlen("kith1");
        for (char c = '!'; c <= '~'; c++) {
            bool is_same = is_mark ? tolower((unsigned char)c) == right : read_as(c) == right;
            bool is_ignored = c == '-';
            if (is_same || (right == '-' && is_ignored))
                continue;
            text[at] = c;
            if (code_read(&read, text) != KITH_CODE)
                fail_msg("place %zu: '%c' for '%c' was not noticed", at, c, right);
        }
        text[at] = right;
    }
    assert_reads_as_sample(text);
}

static void a_missing_or_doubled_character_is_noticed(void **state)
{
    char text[CODE_TEXT_MAX];
    char altered[2 * CODE_TEXT_MAX];
    struct code read;

    (void)state;
    sample_text(text);
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        if (text[at] == '-')
            continue;
        (void)snprintf(altered, sizeof altered, "%.*s%s", (int)at, text, text + at + 1);
        assert_int_equal(code_read(&read, altered), KITH_CODE);
        (void)snprintf(altered, sizeof altered, "%.*s%c%s", (int)at, text, text[at], text + at);
        assert_int_equal(code_read(&read, altered), KITH_CODE);
    }
    for (size_t cut = 0; cut < len; cut++) {
        (void)snprintf(altered, sizeof altered, "%.*s", (int)cut, text);
        assert_int_equal(code_read(&read, altered), KITH_CODE);
    }
}

/* Whether or not the last character has bits to spare: five lengths in a row. */
static void an_added_character_is_noticed(void **state)
{
    static const char *const addresses[] = {"h:1", "hu:1", "hub:1", "hubs:1", "hubs:12"};
    char text[CODE_TEXT_MAX];
    char altered[2 * CODE_TEXT_MAX];
    struct code read;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct code code = sample_code(addresses[i]);
        assert_int_equal(code_write(&code, text), KITH_OK);
        for (const char *c = alphabet; *c; c++) {
            (void)snprintf(altered, sizeof altered, "%s%c", text, *c);
            assert_int_equal(code_read(&read, altered), KITH_CODE);
        }
    }
}

static void swapped_neighbours_are_noticed(void **state)
{
    char text[CODE_TEXT_MAX];
    struct code read;

    (void)state;
    sample_text(text);
    for (size_t at = 5; text[at + 1]; at++) {
        char first = text[at];
        if (first == text[at + 1] || first == '-' || text[at + 1] == '-')
            continue;
        text[at] = text[at + 1];
        text[at + 1] = first;
        assert_int_equal(code_read(&read, text), KITH_CODE);
        text[at + 1] = text[at];
        text[at] = first;
    }
}

static void look_alikes_capitals_hyphens_and_white_space_do_not_matter(void **state)
{
    char text[CODE_TEXT_MAX];
    char typed[3 * CODE_TEXT_MAX];
    size_t len = 0;

    (void)state;
    sample_text(text);
    for (size_t i = 5; text[i]; i++) {
        static const char *const pairs[] = {"o0", "l1", "b8"};
        for (size_t k = 0; k < COUNT_OF(pairs); k++)
            if (text[i] == pairs[k][0])
                text[i] = pairs[k][1];
    }
    assert_reads_as_sample(text);
    for (size_t i = 0; text[i]; i++)
        text[i] = (char)toupper((unsigned char)text[i]);
    assert_reads_as_sample(text);
    len += (size_t)snprintf(typed, sizeof typed, " \n\t%.5s", text);
    for (size_t i = 5; text[i]; i++)
        if (text[i] != '-')
            len += (size_t)snprintf(typed + len, sizeof typed - len, "%c%s", text[i],
                                    i % 5 ? "" : "- \r\n\t");
    assert_reads_as_sample(typed);
}

static void what_is_no_code_is_refused(void **state)
{
    static const char *const texts[] = {
        "",       " ",      "kith1",          "kith1-", "kith1-aaaaaa",
        "kith2-", "KITH1a", "kith1-\xc3\xa4", "hello",  "kith1-aaaaaa!"};
    char endless[4 * CODE_TEXT_MAX];
    struct code read;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(code_read(&read, texts[i]), KITH_CODE);
    memset(endless, 'a', sizeof endless - 1);
    memcpy(endless, "kith1", 5);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(code_read(&read, endless), KITH_CODE);
}

static void an_invitations_keys_stay_what_they_were(void **state)
{
    static const uint8_t secret[CODE_SECRET_BYTES] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                      8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t sign_public[KEY_BYTES] = {0x88, 0xdc, 0x90, 0x87, 0x37, 0x10, 0x51, 0x60,
                                                   0x2d, 0x22, 0x36, 0x3d, 0xbe, 0x68, 0xba, 0x1b,
                                                   0xdb, 0xac, 0xf0, 0x54, 0x4e, 0x8c, 0xd3, 0x0c,
                                                   0x13, 0x98, 0xea, 0x42, 0xc2, 0x61, 0xe3, 0xd0};
    static const uint8_t box_public[KEY_BYTES] = {0x5f, 0xc6, 0x9a, 0x99, 0xa0, 0x70, 0x95, 0x41,
                                                  0x33, 0xb5, 0xca, 0x52, 0xae, 0xfe, 0x03, 0x5b,
                                                  0x64, 0x39, 0xe9, 0xbd, 0xca, 0x50, 0x6d, 0x23,
                                                  0x94, 0x75, 0xfe, 0x58, 0xe4, 0x60, 0x15, 0x6b};
    static const uint8_t psk[KEY_BYTES] = {0x56, 0xba, 0xa7, 0xbd, 0xa5, 0x04, 0xb9, 0x23,
                                           0x19, 0x62, 0xa9, 0x1b, 0xac, 0xaa, 0x08, 0x32,
                                           0x4e, 0x59, 0x2b, 0x22, 0xac, 0x55, 0x2e, 0x4f,
                                           0x24, 0xfd, 0xe0, 0x42, 0xa6, 0xb7, 0xaa, 0x6b};
    struct invite_keys keys;

    (void)state;
    invite_derive(secret, &keys);
    assert_memory_equal(keys.sign_public, sign_public, KEY_BYTES);
    assert_memory_equal(keys.box_public, box_public, KEY_BYTES);
    assert_memory_equal(keys.psk, psk, KEY_BYTES);
}

static void an_invitations_keys_are_different_and_fit_together(void **state)
{
    static const uint8_t hash[HASH_BYTES] = "the hash of what is being signed";
    uint8_t secret[CODE_SECRET_BYTES] = "a code's secret";
    uint8_t signature[SIGNATURE_BYTES];
    uint8_t box_public[KEY_BYTES];
    struct invite_keys keys;
    struct invite_keys others;

    (void)state;
    invite_derive(secret, &keys);
    seal_sign(SEAL_ROSTER_SIGN, keys.sign_secret, hash, signature);
    assert_int_equal(seal_verify(SEAL_ROSTER_SIGN, keys.sign_public, hash, signature), KITH_OK);
    seal_box_public(keys.box_secret, box_public);
    assert_memory_equal(keys.box_public, box_public, KEY_BYTES);
    const uint8_t *all[] = {keys.sign_secret, keys.sign_public, keys.box_secret, keys.box_public,
                            keys.psk};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(all[i], all[k], KEY_BYTES);
    secret[0] ^= 1;
    invite_derive(secret, &others);
    assert_memory_not_equal(keys.sign_public, others.sign_public, KEY_BYTES);
    assert_memory_not_equal(keys.box_public, others.box_public, KEY_BYTES);
    assert_memory_not_equal(keys.psk, others.psk, KEY_BYTES);
}

static void base32_is_that_of_rfc_4648(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } vectors[] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        base32_write(bytes_text(vectors[i].bytes), text);
        assert_string_equal(text, vectors[i].text);
        assert_int_equal(base32_chars(strlen(vectors[i].bytes)), strlen(text));
    }
}

static void an_id_reads_as_it_was_written(void **state)
{
    struct dice dice = {6};
    uint8_t id[ID_BYTES];
    uint8_t read[ID_BYTES];
    char text[ID_TEXT_CHARS + 1];
    unsigned bits;

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        dice_bytes(&dice, id, sizeof id);
        id_write(id, text);
        assert_int_equal(strlen(text), ID_TEXT_CHARS);
        assert_int_equal(id_read_prefix(text, read, &bits), KITH_OK);
        assert_int_equal(bits, ID_BYTES * 8);
        assert_memory_equal(read, id, ID_BYTES);
    }
}

static void every_prefix_of_an_id_finds_it_and_no_other(void **state)
{
    struct dice dice = {8};
    uint8_t id[ID_BYTES];
    uint8_t prefix[ID_BYTES];
    char text[ID_TEXT_CHARS + 1];
    unsigned bits;

    (void)state;
    dice_bytes(&dice, id, sizeof id);
    id_write(id, text);
    for (size_t len = ID_TEXT_CHARS + 1; len-- > 0;) {
        text[len] = '\0';
        assert_int_equal(id_read_prefix(text, prefix, &bits), KITH_OK);
        assert_int_equal(bits, len * 5 < 128 ? len * 5 : 128);
        assert_true(id_has_prefix(id, prefix, bits));
        for (unsigned bit = 0; bit < 128; bit++) {
            id[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
            assert_int_equal(id_has_prefix(id, prefix, bits), bit >= bits);
            id[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
        }
    }
}

/* 26 characters are 130 bits: the last two stand for nothing, so they are nothing. */
static void the_last_character_of_an_id_has_no_second_way_to_be_written(void **state)
{
    static const uint8_t id[ID_BYTES] = "sixteen letters";
    uint8_t read[ID_BYTES];
    char text[ID_TEXT_CHARS + 1];
    unsigned bits;
    unsigned accepted = 0;

    (void)state;
    id_write(id, text);
    for (const char *c = alphabet; *c; c++) {
        text[ID_TEXT_CHARS - 1] = *c;
        accepted += id_read_prefix(text, read, &bits) == KITH_OK;
    }
    assert_int_equal(accepted, 8);
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const texts[] = {"9",  "a-b",      "a b",
                                        "a!", "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    uint8_t read[ID_BYTES];
    unsigned bits;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(id_read_prefix(texts[i], read, &bits), KITH_INPUT);
    assert_int_equal(id_read_prefix("", read, &bits), KITH_OK);
    assert_int_equal(bits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_reads_as_it_was_written),
        cmocka_unit_test(an_address_that_does_not_fit_is_refused),
        cmocka_unit_test(every_single_mistyped_character_is_noticed),
        cmocka_unit_test(a_missing_or_doubled_character_is_noticed),
        cmocka_unit_test(an_added_character_is_noticed),
        cmocka_unit_test(swapped_neighbours_are_noticed),
        cmocka_unit_test(look_alikes_capitals_hyphens_and_white_space_do_not_matter),
        cmocka_unit_test(what_is_no_code_is_refused),
        cmocka_unit_test(an_invitations_keys_stay_what_they_were),
        cmocka_unit_test(an_invitations_keys_are_different_and_fit_together),
        cmocka_unit_test(base32_is_that_of_rfc_4648),
        cmocka_unit_test(an_id_reads_as_it_was_written),
        cmocka_unit_test(every_prefix_of_an_id_finds_it_and_no_other),
        cmocka_unit_test(the_last_character_of_an_id_has_no_second_way_to_be_written),
        cmocka_unit_test(what_is_no_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
