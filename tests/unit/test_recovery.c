/* SPDX-License-Identifier: Apache-2.0 */
/* The way back into a home: what is sealed to custodians, the request, the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/recovery.h"

#define CUSTODIANS 3

struct office {
    struct recovered secret;
    uint8_t secrets[CUSTODIANS][KEY_BYTES];
    uint8_t keys[CUSTODIANS][KEY_BYTES];
    uint8_t reply_secret[KEY_BYTES];
    uint8_t reply[KEY_BYTES];
    struct buffer slots;
    struct buffer request;
};

static int open_office(void **state)
{
    struct office *office = calloc(1, sizeof *office);
    struct recovery_request request;

    assert_non_null(office);
    office->secret.device = 7;
    seal_random(office->secret.agency, ID_BYTES);
    seal_random(office->secret.data_key, KEY_BYTES);
    for (size_t i = 0; i < CUSTODIANS; i++) {
        seal_random(office->secrets[i], KEY_BYTES);
        seal_box_public(office->secrets[i], office->keys[i]);
    }
    seal_random(office->reply_secret, KEY_BYTES);
    seal_box_public(office->reply_secret, office->reply);
    buffer_init(&office->slots, RECOVERY_FILE_MAX);
    buffer_init(&office->request, RECOVERY_FILE_MAX);
    assert_int_equal(recovery_slots_write(&office->secret,
                                          (const uint8_t(*)[KEY_BYTES])office->keys, CUSTODIANS,
                                          &office->slots),
                     KITH_OK);
    assert_int_equal(recovery_slots_read(&request, buffer_view(&office->slots)), KITH_OK);
    request.reply = office->reply;
    recovery_request_write(&request, &office->request);
    *state = office;
    return 0;
}

static int close_office(void **state)
{
    struct office *office = *state;

    buffer_clear(&office->slots);
    buffer_clear(&office->request);
    free(office);
    return 0;
}

static struct recovery_request asked(const struct office *office)
{
    struct recovery_request request;

    assert_int_equal(recovery_request_read(&request, buffer_view(&office->request)), KITH_OK);
    return request;
}

static void every_custodian_can_answer_and_nobody_else(void **state)
{
    struct office *office = *state;
    struct recovery_request request = asked(office);
    struct recovered found;
    uint8_t stranger[KEY_BYTES];

    for (size_t i = 0; i < CUSTODIANS; i++) {
        struct buffer answer;
        struct recovered back;
        buffer_init(&answer, RECOVERY_FILE_MAX);
        assert_int_equal(recovery_open(&request, office->secrets[i], &found), KITH_OK);
        assert_int_equal(found.device, 7);
        assert_int_equal(recovery_answer_write(buffer_view(&office->request), &found, &answer),
                         KITH_OK);
        assert_int_equal(recovery_answer_read(buffer_view(&answer), buffer_view(&office->request),
                                              office->reply_secret, &back),
                         KITH_OK);
        assert_memory_equal(&back, &office->secret, sizeof back);
        buffer_clear(&answer);
    }
    seal_random(stranger, sizeof stranger);
    assert_int_equal(recovery_open(&request, stranger, &found), KITH_NOT_FOUND);
    assert_int_equal(recovery_open(&request, office->reply_secret, &found), KITH_NOT_FOUND);
}

/* How many custodians there are, and in which order, is not to be seen. */
static void slots_are_filled_up_and_in_no_order(void **state)
{
    struct office *office = *state;
    size_t places[RECOVERY_SLOTS_STEP] = {0};

    for (int turn = 0; turn < 200; turn++) {
        struct recovery_request request;
        struct buffer slots;
        uint8_t text[RECOVERY_TEXT_BYTES];
        buffer_init(&slots, RECOVERY_FILE_MAX);
        assert_int_equal(recovery_slots_write(&office->secret,
                                              (const uint8_t(*)[KEY_BYTES])office->keys, 1, &slots),
                         KITH_OK);
        assert_int_equal(recovery_slots_read(&request, buffer_view(&slots)), KITH_OK);
        assert_int_equal(request.slots.len, RECOVERY_SLOTS_STEP * RECOVERY_SLOT_BYTES);
        for (size_t i = 0; i < RECOVERY_SLOTS_STEP; i++)
            places[i] += seal_open(office->secrets[0],
                                   bytes_of(request.slots.ptr + i * RECOVERY_SLOT_BYTES,
                                            RECOVERY_SLOT_BYTES),
                                   text) == KITH_OK;
        buffer_clear(&slots);
    }
    for (size_t i = 0; i < RECOVERY_SLOTS_STEP; i++)
        assert_true(places[i] > 0);
}

/* Whatever byte of a request is altered: it is refused, or its number is another, or its slot. */
static void an_altered_request_has_another_number(void **state)
{
    struct office *office = *state;
    struct bytes whole = buffer_view(&office->request);
    char check[RECOVERY_CHECK_TEXT];
    char other[RECOVERY_CHECK_TEXT];

    recovery_check(whole, check);
    assert_int_equal(strlen(check), RECOVERY_CHECK_TEXT - 1);
    for (size_t at = 0; at < whole.len; at++) {
        office->request.ptr[at] ^= 1;
        recovery_check(whole, other);
        assert_string_not_equal(check, other);
        office->request.ptr[at] ^= 1;
    }
}

static void an_altered_or_foreign_answer_opens_nothing(void **state)
{
    struct office *office = *state;
    struct recovery_request request = asked(office);
    struct bytes whole = buffer_view(&office->request);
    struct recovered found;
    struct buffer answer;
    struct buffer other;

    buffer_init(&answer, RECOVERY_FILE_MAX);
    buffer_init(&other, RECOVERY_FILE_MAX);
    assert_int_equal(recovery_open(&request, office->secrets[1], &found), KITH_OK);
    assert_int_equal(recovery_answer_write(whole, &found, &answer), KITH_OK);
    for (size_t at = 0; at < answer.len; at++) {
        answer.ptr[at] ^= 0x40;
        assert_int_not_equal(
            recovery_answer_read(buffer_view(&answer), whole, office->reply_secret, &found),
            KITH_OK);
        answer.ptr[at] ^= 0x40;
    }
    for (size_t len = 0; len < answer.len; len++)
        assert_int_not_equal(
            recovery_answer_read(bytes_of(answer.ptr, len), whole, office->reply_secret, &found),
            KITH_OK);
    /* The same home asks again: the answer of before is to another request. */
    uint8_t reply[KEY_BYTES];
    memcpy(reply, office->reply, KEY_BYTES);
    reply[0] ^= 1;
    request.reply = reply;
    recovery_request_write(&request, &other);
    assert_int_equal(recovery_answer_read(buffer_view(&answer), buffer_view(&other),
                                          office->reply_secret, &found),
                     KITH_DECRYPT);
    buffer_clear(&answer);
    buffer_clear(&other);
}

/* A box of a circle's key is none of a home's key, and the other way round. */
static void what_is_sealed_for_another_purpose_is_not_taken(void **state)
{
    struct office *office = *state;
    uint8_t slot[RECOVERY_SLOT_BYTES] = {0};
    struct recovery_request request = {.slots = bytes_of(slot, sizeof slot)};
    struct recovered found;
    uint8_t text[RECOVERY_TEXT_BYTES] = {0};
    struct buffer sealed;

    buffer_init(&sealed, sizeof slot);
    assert_int_equal(seal_to(office->keys[0], bytes_of(text, sizeof text), &sealed), KITH_OK);
    memcpy(slot, sealed.ptr, sizeof slot);
    assert_int_equal(recovery_open(&request, office->secrets[0], &found), KITH_NOT_FOUND);
    buffer_clear(&sealed);
}

static void too_many_custodians_are_refused(void **state)
{
    static uint8_t keys[RECOVERY_SLOTS_MAX][KEY_BYTES];
    struct office *office = *state;
    struct buffer out;

    buffer_init(&out, RECOVERY_FILE_MAX);
    assert_int_equal(recovery_slots_write(&office->secret, (const uint8_t(*)[KEY_BYTES])keys,
                                          RECOVERY_SLOTS_MAX, &out),
                     KITH_TOO_MANY);
    buffer_clear(&out);
}

#define IN_AN_OFFICE(test) cmocka_unit_test_setup_teardown(test, open_office, close_office)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_AN_OFFICE(every_custodian_can_answer_and_nobody_else),
        IN_AN_OFFICE(slots_are_filled_up_and_in_no_order),
        IN_AN_OFFICE(an_altered_request_has_another_number),
        IN_AN_OFFICE(an_altered_or_foreign_answer_opens_nothing),
        IN_AN_OFFICE(what_is_sealed_for_another_purpose_is_not_taken),
        IN_AN_OFFICE(too_many_custodians_are_refused),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
