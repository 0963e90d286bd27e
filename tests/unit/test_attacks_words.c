/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told: alarms in words, of whom nothing was heard, and the numbers that two
 * people compare. Numbers are those of docs/security.md, "Attacks". */
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "liar.h"
#include "protocol/safety.h"

/* A home around a device of the office. */
static struct kith *kith_of(struct test_device *device)
{
    struct kith *kith = calloc(1, sizeof *kith);

    assert_non_null(kith);
    kith->replica = device->replica;
    return kith;
}

static void kith_done(struct kith *kith)
{
    home_forget_names(kith);
    free(kith);
}

static void serve_nothing(void *owner, struct buffer *frames)
{
    (void)owner;
    buffer_reset(frames);
}

/* A hub that serves nothing new lets the device believe that nobody works any more. It says so. */
static void a17_of_whom_nothing_was_heard_is_said(void **state)
{
    struct office *office = *state;
    struct kith_device *devices;
    size_t count;
    struct kith *kith = kith_of(&office->founder);
    const struct link_faults lie = {.serve = serve_nothing};
    const uint64_t later_ms = LINK_NOW_MS + (uint64_t)36 * 3600 * 1000;

    (void)office_write(office, &office->ana, "every day something");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(office_sync(office, &office->founder, &lie).device_err, KITH_OK);
    assert_int_equal(kith_quiet(kith, LINK_NOW_MS, &devices, &count), KITH_OK);
    /* Rosa has written nothing so far; of Ana the chart is known. */
    assert_int_equal(count, 1);
    assert_int_equal(devices[0].number, ROSA_DEVICE);
    assert_int_equal(devices[0].last_seen_ms, 0);
    kith_free(devices);
    assert_int_equal(kith_quiet(kith, later_ms, &devices, &count), KITH_OK);
    assert_int_equal(count, 2);
    assert_int_equal(devices[1].number, ANA_DEVICE);
    assert_int_equal(devices[1].last_seen_ms, LINK_NOW_MS);
    kith_free(devices);
    kith_done(kith);
}

static void a14_every_alarm_is_told_in_words(void **state)
{
    static const struct {
        struct alarm alarm;
        const char *words[3];
    } told[] = {
        {{.kind = ALARM_ROSTER_FORKED, .n = 4}, {"another roster than before"}},
        {{.kind = ALARM_CIRCLE_FORKED, .circle = 2}, {"another list of who may read chart "}},
        {{.kind = ALARM_OWN_FORKED, .circle = 2}, {"another history of this device in chart "}},
        {{.kind = ALARM_ROLLED_BACK, .circle = 2, .device = 1, .n = 5},
         {"less than it had acknowledged in chart ", "through number 5"}},
        {{.kind = ALARM_REFUSED, .circle = 2, .device = 3, .reason = KITH_GAP},
         {"of device 3", "in chart ", "a number is missing"}},
        {{.kind = ALARM_WRONG_KEY, .circle = 2}, {"a wrong key was handed out for chart "}},
        {{.kind = ALARM_ROSTER_DIFFERS, .device = 3}, {"device 3", "another roster"}},
        {{.kind = ALARM_CIRCLE_DIFFERS, .circle = 2, .device = 3},
         {"device 3", "who may read chart "}},
        {{.kind = ALARM_ROSTER_HIDDEN, .device = 3, .n = 9}, {"device 3", "knows 9 entries"}},
        {{.kind = ALARM_CIRCLE_HIDDEN, .circle = 2, .device = 3, .n = 9},
         {"knows 9 entries of who may read chart "}},
        {{.kind = ALARM_CHANGE_HIDDEN, .circle = 2, .device = 3, .n = 12},
         {"waiting for change 12 of device 3", "in chart "}},
        {{.kind = ALARM_TWO_CHANGES, .circle = 2, .device = 3, .n = 12},
         {"two changes with the number 12 in chart "}},
        {{.kind = ALARM_DENIED}, {"does not know this device"}},
    };
    struct office *office = *state;
    struct kith *kith = kith_of(&office->founder);
    struct kith_alarm *alarms;
    size_t count;

    for (size_t i = 0; i < COUNT_OF(told); i++)
        for (int times = 0; times < 2; times++)
            assert_int_equal(replica_alarm(office->founder.replica, &told[i].alarm, LINK_NOW_MS),
                             KITH_OK);
    assert_int_equal(kith_alarms(kith, &alarms, &count), KITH_OK);
    assert_int_equal(count, COUNT_OF(told));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(alarms[i].kind, alarm_word(told[i].alarm.kind));
        assert_null(strchr(alarms[i].text, '@'));
        assert_int_equal(alarms[i].times, 2);
        for (size_t k = 0; k < 3 && told[i].words[k]; k++)
            if (!strstr(alarms[i].text, told[i].words[k]))
                fail_msg("'%s' is not in '%s'", told[i].words[k], alarms[i].text);
    }
    kith_free(alarms);
    kith_done(kith);
}

static void a30_a_safety_number_is_sixty_digits_of_all_keys(void **state)
{
    struct device_public keys;
    uint8_t agency[ID_BYTES];
    char text[SAFETY_TEXT];
    char other[SAFETY_TEXT];

    (void)state;
    for (uint8_t i = 0; i < ID_BYTES; i++)
        agency[i] = i;
    memset(keys.sign, 1, KEY_BYTES);
    memset(keys.noise, 2, KEY_BYTES);
    memset(keys.box, 3, KEY_BYTES);
    safety_number(agency, 7, &keys, text);
    assert_string_equal(text, "97050 74961 39211 85890 54784 20555 "
                              "88647 07941 02359 31698 66739 65867");
    uint8_t *const parts[] = {agency, keys.sign, keys.noise, keys.box};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i][ID_BYTES - 1] ^= 1;
        safety_number(agency, 7, &keys, other);
        parts[i][ID_BYTES - 1] ^= 1;
        for (size_t group = 0; group < SAFETY_GROUPS; group++)
            assert_memory_not_equal(text + group * 6, other + group * 6, 5);
    }
    safety_number(agency, 8, &keys, other);
    assert_memory_not_equal(text, other, 5);
}

/* Everybody is shown the same number for a device, its holder included. */
static void a30_both_ends_show_the_same_safety_number(void **state)
{
    struct office *office = *state;
    struct kith *ana = kith_of(&office->ana);
    struct kith *rosa = kith_of(&office->rosa);
    struct kith_device *hers;
    struct kith_device *as_seen;
    struct device_public own;
    char text[SAFETY_TEXT];
    size_t count;

    assert_int_equal(kith_devices(ana, &hers, &count), KITH_OK);
    assert_int_equal(kith_devices(rosa, &as_seen, &count), KITH_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(hers[i].safety, as_seen[i].safety);
    assert_string_not_equal(hers[0].safety, hers[1].safety);
    identity_public(replica_identity(office->ana.replica), &own);
    safety_number(replica_roster(office->ana.replica)->agency, ANA_DEVICE, &own, text);
    assert_string_equal(hers[ANA_DEVICE - 1].safety, text);
    kith_free(hers);
    kith_free(as_seen);
    kith_done(ana);
    kith_done(rosa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a14_every_alarm_is_told_in_words, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(a17_of_whom_nothing_was_heard_is_said, office_open,
                                        office_close),
        cmocka_unit_test(a30_a_safety_number_is_sixty_digits_of_all_keys),
        cmocka_unit_test_setup_teardown(a30_both_ends_show_the_same_safety_number, office_open,
                                        office_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
