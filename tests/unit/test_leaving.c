/* SPDX-License-Identifier: Apache-2.0 */
/* Leaving a circle: who takes whom out, what a rotation must say, what still counts of a device
 * that left, and how a mistake is put right. */
#include <string.h>

#include "protocol/circle.h"
#include "protocol/seal.h"
#include "tests/unit/make.h"

/* Number of device and of person are the same, but for the last. */
enum { ADMIN = 1, SPECIALIST, TRAINEE, VOLUNTEER, SUPERVISOR, CUSTODIAN, STRANGER, SECOND };

static struct made_agency *agency;
static struct circle chart;

/* A chart in which all but admin and stranger write, the volunteer only reads, and every device but
 * the stranger's has the key. SECOND is the trainee's. */
static int chart_make(void **state)
{
    struct circle_member members[] = {{SPECIALIST, CIRCLE_WRITE},
                                      {TRAINEE, CIRCLE_WRITE},
                                      {VOLUNTEER, CIRCLE_READ},
                                      {SUPERVISOR, CIRCLE_WRITE},
                                      {CUSTODIAN, CIRCLE_WRITE}};
    uint32_t devices[] = {TRAINEE, VOLUNTEER, SUPERVISOR, CUSTODIAN, SECOND};

    (void)state;
    agency = made_agency_new();
    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_person(agency, ROLE_TRAINEE);
    (void)made_person(agency, ROLE_VOLUNTEER);
    (void)made_person(agency, ROLE_SUPERVISOR);
    (void)made_person(agency, ROLE_CUSTODIAN);
    (void)made_person(agency, ROLE_SPECIALIST);
    made_enrol(agency, made_invited(agency, TRAINEE, ROLE_TRAINEE, 0));
    circle_init(&chart);
    assert_int_equal(
        made_genesis(agency, &chart, SPECIALIST, CIRCLE_CHART, members, COUNT_OF(members)),
        KITH_OK);
    struct circle_entry grant = {.type = CIRCLE_GRANT,
                                 .author = SPECIALIST,
                                 .roster_seq = agency->roster.count,
                                 .devices = devices,
                                 .device_count = COUNT_OF(devices)};
    assert_int_equal(made_circle_append(agency, &chart, &grant), KITH_OK);
    return 0;
}

static int chart_remove(void **state)
{
    (void)state;
    circle_clear(&chart);
    made_agency_free(&agency);
    return 0;
}

static struct circle_entry entry_of(enum circle_type type, uint32_t author)
{
    struct circle_entry entry = {.type = type,
                                 .author = author,
                                 .roster_seq = agency->roster.count,
                                 .time_s = MADE_NOW_S,
                                 .epoch = chart.epoch};

    return entry;
}

/* Cuts each named device at n 3; its id is made of its number. */
static void cut_id(uint32_t device, uint64_t n, uint8_t id[static HASH_BYTES])
{
    memset(id, (int)(device * 16 + n), HASH_BYTES);
}

static enum kith_err rotate(uint32_t author, enum leaving leaving, uint32_t person,
                            const uint32_t *devices, uint32_t count)
{
    static const uint8_t wrap[WRAP_BYTES] = "a wrap";
    struct circle_wrap wraps = {chart.epoch, wrap};
    struct circle_leaver leaver = {person, leaving};
    struct circle_cut cuts[8] = {0};
    struct circle_entry entry = entry_of(CIRCLE_ROTATE, author);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t until_s = leaving == LEAVING_TRANSFERRED ? MADE_EXPIRES_S : 0;
        cuts[i] = (struct circle_cut){
            .device = devices[i], .leaving = leaving, .until_s = until_s, .n = 3};
        cut_id(devices[i], 3, cuts[i].id);
    }
    entry.epoch++;
    entry.wraps = &wraps;
    entry.wrap_count = 1;
    entry.leavers = &leaver;
    entry.leaver_count = person != 0;
    entry.cuts = cuts;
    entry.cut_count = count;
    seal_random(entry.commitment, HASH_BYTES);
    return made_circle_append(agency, &chart, &entry);
}

static enum kith_err takes(uint32_t device, uint64_t n, uint32_t epoch)
{
    struct change_header header = {.device = device, .n = n, .epoch = epoch};
    uint8_t id[HASH_BYTES];

    cut_id(device, n, id);
    return circle_takes(&chart, &agency->roster, &header, id);
}

static enum kith_err decide(enum circle_type type, uint32_t author, uint32_t device, uint64_t n)
{
    struct circle_entry entry = entry_of(type, author);

    entry.device = device;
    entry.n = n;
    entry.reason = bytes_text("sealed");
    cut_id(device, n, entry.id);
    return made_circle_append(agency, &chart, &entry);
}

static enum kith_err let_in(uint32_t author, uint32_t person, enum circle_right right,
                            uint32_t device)
{
    struct circle_member member = {person, right};
    struct circle_entry entry = entry_of(CIRCLE_GRANT, author);

    entry.members = &member;
    entry.member_count = person != 0;
    entry.devices = &device;
    entry.device_count = device != 0;
    return made_circle_append(agency, &chart, &entry);
}

static void whoever_leaves_is_out_and_a_new_epoch_begins(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, devices, 2), KITH_OK);
    assert_int_equal(chart.epoch, 2);
    assert_int_equal(chart.epochs[1].seq, 3);
    assert_non_null(circle_commitment(&chart, 1));
    assert_non_null(circle_commitment(&chart, 2));
    assert_null(circle_commitment(&chart, 3));
    assert_null(circle_commitment(&chart, 0));
    assert_null(circle_member(&chart, TRAINEE));
    assert_false(circle_has_device(&chart, TRAINEE));
    assert_false(circle_has_device(&chart, SECOND));
    assert_true(circle_has_device(&chart, VOLUNTEER));
    assert_int_equal(circle_cut(&chart, SECOND)->epoch, 1);
    assert_int_equal(circle_cut(&chart, SECOND)->time_s, MADE_NOW_S);
    assert_int_equal(circle_may_write(&chart, &agency->roster, TRAINEE), KITH_NOT_MEMBER);
    assert_int_equal(circle_rotation_owed(&chart, &agency->roster), 0);
}

static void what_lies_beyond_the_cut_is_held_and_nothing_else(void **state)
{
    static const struct {
        uint32_t device;
        uint64_t n;
        uint32_t epoch;
        enum kith_err verdict;
    } changes[] = {
        {TRAINEE, 2, 1, KITH_OK},
        {TRAINEE, 3, 1, KITH_OK},
        {TRAINEE, 4, 1, KITH_HELD},
        {TRAINEE, 4, 2, KITH_HELD}, /* whatever epoch it claims */
        {SPECIALIST, 4, 2, KITH_OK},
        {SPECIALIST, 5, 1, KITH_OK}, /* who had not heard of the rotation yet */
        {SPECIALIST, 5, 3, KITH_EPOCH},
        {SPECIALIST, 5, 0, KITH_EPOCH},
        {VOLUNTEER, 1, 1, KITH_NOT_MEMBER},
        {STRANGER, 1, 1, KITH_NOT_MEMBER},
        {99, 1, 1, KITH_UNKNOWN_DEVICE},
    };
    const uint32_t devices[] = {TRAINEE, SECOND};
    struct change_header last = {.device = TRAINEE, .n = 3, .epoch = 1};
    uint8_t other[HASH_BYTES] = {1};

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_REVOKED, TRAINEE, devices, 2), KITH_OK);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        enum kith_err err = takes(changes[i].device, changes[i].n, changes[i].epoch);
        if (err != changes[i].verdict)
            fail_msg("change %zu: %s", i, error_name(err));
    }
    assert_int_equal(circle_takes(&chart, &agency->roster, &last, other), KITH_FORKED);
}

static void what_was_handed_over_counts_under_epochs_it_had(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_TRANSFERRED, TRAINEE, devices, 2), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 1), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 2), KITH_HELD);
    assert_int_equal(circle_cut(&chart, TRAINEE)->until_s, MADE_EXPIRES_S);
}

static void nobody_takes_out_who_could_take_them_out_nor_a_custodian(void **state)
{
    static const struct {
        uint32_t author;
        uint32_t person;
        enum kith_err verdict;
    } attempts[] = {
        {SPECIALIST, VOLUNTEER, KITH_OK},          {SPECIALIST, SUPERVISOR, KITH_NOT_ALLOWED},
        {SPECIALIST, CUSTODIAN, KITH_NOT_ALLOWED}, {SPECIALIST, SPECIALIST, KITH_OK},
        {SUPERVISOR, SPECIALIST, KITH_OK},         {SUPERVISOR, SUPERVISOR, KITH_OK},
        {SUPERVISOR, CUSTODIAN, KITH_NOT_ALLOWED}, {CUSTODIAN, SUPERVISOR, KITH_OK},
        {TRAINEE, VOLUNTEER, KITH_NOT_ALLOWED},    {VOLUNTEER, SPECIALIST, KITH_NOT_ALLOWED},
        {VOLUNTEER, VOLUNTEER, KITH_NOT_ALLOWED}, /* who only reads does not rotate */
        {STRANGER, SPECIALIST, KITH_NOT_MEMBER},   {ADMIN, SPECIALIST, KITH_NOT_MEMBER},
        {SUPERVISOR, STRANGER, KITH_MALFORMED},
    };

    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        uint32_t devices[] = {attempts[i].person};
        enum kith_err err =
            rotate(attempts[i].author, LEAVING_RETIRED, attempts[i].person, devices, 1);
        if (err != attempts[i].verdict)
            fail_msg("%u takes out %u: %s", attempts[i].author, attempts[i].person,
                     error_name(err));
        (void)chart_remove(state);
        (void)chart_make(state);
    }
}

static void a_rotation_cuts_all_devices_that_leave_and_no_other(void **state)
{
    const uint32_t both[] = {TRAINEE, SECOND};
    const uint32_t and_another[] = {TRAINEE, VOLUNTEER, SECOND};
    const uint32_t one_without[] = {STRANGER};

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, both, 1), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, NULL, 0), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, and_another, 3), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, 0, one_without, 1), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, 0, both, 2), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, 0, NULL, 0), KITH_OK);
    assert_int_equal(rotate(TRAINEE, LEAVING_RETIRED, 0, NULL, 0), KITH_NOT_ALLOWED);
    assert_int_equal(chart.epoch, 2);
    struct circle_entry skipped = entry_of(CIRCLE_ROTATE, SUPERVISOR);
    skipped.epoch = 4;
    assert_int_equal(made_circle_append(agency, &chart, &skipped), KITH_MALFORMED);
    skipped.epoch = 2;
    assert_int_equal(made_circle_append(agency, &chart, &skipped), KITH_MALFORMED);
}

static void an_ended_device_calls_for_a_rotation_that_any_writer_pays(void **state)
{
    const uint32_t second = SECOND;

    (void)state;
    assert_int_equal(circle_rotation_owed(&chart, &agency->roster), 0);
    made_end(agency, SECOND, LEAVING_REVOKED);
    assert_int_equal(circle_rotation_owed(&chart, &agency->roster), 1);
    assert_int_equal(rotate(VOLUNTEER, LEAVING_REVOKED, 0, &second, 1), KITH_NOT_ALLOWED);
    assert_int_equal(rotate(STRANGER, LEAVING_REVOKED, 0, &second, 1), KITH_NOT_MEMBER);
    assert_int_equal(rotate(SECOND, LEAVING_REVOKED, 0, &second, 1), KITH_NOT_ALLOWED);
    assert_int_equal(rotate(TRAINEE, LEAVING_REVOKED, 0, &second, 1), KITH_OK);
    assert_int_equal(circle_rotation_owed(&chart, &agency->roster), 0);
    assert_non_null(circle_member(&chart, TRAINEE));
    assert_int_equal(circle_may_write(&chart, &agency->roster, TRAINEE), KITH_OK);
    assert_int_equal(circle_may_write(&chart, &agency->roster, SECOND), KITH_ENDED);
    assert_int_equal(takes(SECOND, 4, 1), KITH_HELD);
    assert_int_equal(rotate(TRAINEE, LEAVING_REVOKED, 0, &second, 1), KITH_MALFORMED);
}

static void an_ended_device_writes_no_entry_and_is_let_in_no_more(void **state)
{
    const uint32_t specialist = SPECIALIST;
    uint32_t before = agency->roster.count;

    (void)state;
    made_end(agency, SPECIALIST, LEAVING_REVOKED);
    assert_int_equal(let_in(SPECIALIST, STRANGER, CIRCLE_WRITE, STRANGER), KITH_NOT_ALLOWED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_REVOKED, 0, &specialist, 1), KITH_OK);
    assert_int_equal(let_in(SUPERVISOR, 0, CIRCLE_READ, SPECIALIST), KITH_MALFORMED);
    /* It claims to have known no more than before its end: the chain knows better. */
    struct circle_member member = {STRANGER, CIRCLE_WRITE};
    struct circle_entry late = entry_of(CIRCLE_GRANT, SPECIALIST);
    late.roster_seq = before;
    late.members = &member;
    late.member_count = 1;
    assert_int_equal(made_circle_append(agency, &chart, &late), KITH_MALFORMED);
}

static void an_admission_moves_the_cut_and_a_rejection_leaves_it(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};

    (void)state;
    assert_int_equal(decide(CIRCLE_ADMIT, SUPERVISOR, TRAINEE, 5), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, devices, 2), KITH_OK);
    assert_int_equal(decide(CIRCLE_ADMIT, SPECIALIST, TRAINEE, 5), KITH_NOT_ALLOWED);
    assert_int_equal(decide(CIRCLE_ADMIT, VOLUNTEER, TRAINEE, 5), KITH_NOT_ALLOWED);
    assert_int_equal(decide(CIRCLE_ADMIT, TRAINEE, TRAINEE, 5), KITH_NOT_MEMBER);
    assert_int_equal(decide(CIRCLE_ADMIT, SUPERVISOR, TRAINEE, 3), KITH_MALFORMED);
    assert_int_equal(decide(CIRCLE_REJECT, SUPERVISOR, TRAINEE, 3), KITH_MALFORMED);
    assert_int_equal(decide(CIRCLE_REJECT, CUSTODIAN, TRAINEE, 4), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 1), KITH_HELD);
    /* A rejection is a mistake like any other. */
    assert_int_equal(decide(CIRCLE_ADMIT, CUSTODIAN, TRAINEE, 5), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 1), KITH_OK);
    assert_int_equal(takes(TRAINEE, 5, 1), KITH_OK);
    assert_int_equal(takes(TRAINEE, 6, 1), KITH_HELD);
    assert_int_equal(takes(SECOND, 4, 1), KITH_HELD);
}

static void who_is_let_in_again_to_write_was_never_out(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, devices, 2), KITH_OK);
    assert_int_equal(let_in(SUPERVISOR, TRAINEE, CIRCLE_READ, TRAINEE), KITH_OK);
    assert_int_equal(takes(TRAINEE, 3, 1), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 1), KITH_HELD);
    assert_int_equal(circle_may_write(&chart, &agency->roster, TRAINEE), KITH_NOT_MEMBER);
    made_end(agency, SECOND, LEAVING_REVOKED);
    assert_int_equal(let_in(SUPERVISOR, TRAINEE, CIRCLE_WRITE, 0), KITH_OK);
    assert_int_equal(takes(TRAINEE, 4, 1), KITH_OK);
    assert_int_equal(circle_may_write(&chart, &agency->roster, TRAINEE), KITH_OK);
    assert_int_equal(takes(SECOND, 4, 1), KITH_HELD);
}

static void who_was_handed_no_key_says_so_and_is_owed_it_again(void **state)
{
    struct circle_member members[8];
    uint32_t devices[8];
    struct circle_owed owed = {.members = members, .devices = devices, .max = 8};
    struct circle_entry lack = entry_of(CIRCLE_LACK, VOLUNTEER);

    (void)state;
    circle_owed(&chart, &agency->roster, MADE_NOW_S, &owed);
    assert_int_equal(owed.device_count, 0);
    lack.epoch = 2;
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_MALFORMED);
    lack.epoch = 1;
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_OK);
    assert_true(circle_lacks(&chart, VOLUNTEER));
    assert_true(circle_has_device(&chart, VOLUNTEER));
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_MALFORMED);
    circle_owed(&chart, &agency->roster, MADE_NOW_S, &owed);
    assert_int_equal(owed.device_count, 1);
    assert_int_equal(owed.devices[0], VOLUNTEER);
    assert_int_equal(let_in(TRAINEE, 0, CIRCLE_READ, VOLUNTEER), KITH_OK);
    assert_false(circle_lacks(&chart, VOLUNTEER));
    lack = entry_of(CIRCLE_LACK, STRANGER);
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_NOT_MEMBER);
}

static void a_device_that_lacks_the_key_leaves_like_any_other(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};
    struct circle_entry lack = entry_of(CIRCLE_LACK, SECOND);

    (void)state;
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_OK);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, devices, 1), KITH_MALFORMED);
    assert_int_equal(rotate(SUPERVISOR, LEAVING_RETIRED, TRAINEE, devices, 2), KITH_OK);
    assert_false(circle_lacks(&chart, SECOND));
    assert_int_equal(takes(SECOND, 4, 1), KITH_HELD);
}

/* Nobody is taken out of the agency's circle or one's own; ended devices are. */
static void only_devices_leave_what_belongs_to_all_or_to_one(void **state)
{
    const uint32_t admin = ADMIN;
    struct circle_member self = {TRAINEE, CIRCLE_WRITE};
    const uint32_t both[] = {TRAINEE, SECOND};
    const uint32_t second = SECOND;

    (void)state;
    circle_clear(&chart);
    assert_int_equal(made_genesis(agency, &chart, ADMIN, CIRCLE_AGENCY, NULL, 0), KITH_OK);
    assert_int_equal(rotate(ADMIN, LEAVING_RETIRED, ADMIN, &admin, 1), KITH_MALFORMED);
    circle_clear(&chart);
    assert_int_equal(made_genesis(agency, &chart, TRAINEE, CIRCLE_PERSON, &self, 1), KITH_OK);
    assert_int_equal(let_in(TRAINEE, 0, CIRCLE_READ, SECOND), KITH_OK);
    assert_int_equal(rotate(TRAINEE, LEAVING_RETIRED, TRAINEE, both, 2), KITH_MALFORMED);
    made_end(agency, SECOND, LEAVING_REVOKED);
    assert_int_equal(rotate(TRAINEE, LEAVING_REVOKED, 0, &second, 1), KITH_OK);
    assert_int_equal(decide(CIRCLE_ADMIT, TRAINEE, SECOND, 4), KITH_OK);
}

static void a_circle_that_people_left_reads_back_as_it_was(void **state)
{
    const uint32_t devices[] = {TRAINEE, SECOND};
    struct circle_entry lack = entry_of(CIRCLE_LACK, VOLUNTEER);
    struct circle read;
    struct buffer stored;
    struct buffer again;

    (void)state;
    assert_int_equal(rotate(SUPERVISOR, LEAVING_TRANSFERRED, TRAINEE, devices, 2), KITH_OK);
    lack.epoch = 2;
    assert_int_equal(made_circle_append(agency, &chart, &lack), KITH_OK);
    buffer_init(&stored, 1 << 16);
    buffer_init(&again, 1 << 16);
    circle_init(&read);
    circle_encode(&chart, &stored);
    assert_int_equal(circle_decode(&read, buffer_view(&stored)), KITH_OK);
    circle_encode(&read, &again);
    assert_bytes_equal(buffer_view(&stored), buffer_view(&again));
    assert_int_equal(circle_cut(&read, SECOND)->until_s, MADE_EXPIRES_S);
    assert_true(circle_lacks(&read, VOLUNTEER));
    circle_clear(&read);
    for (size_t len = 0; len < stored.len; len++) {
        assert_int_equal(circle_decode(&read, bytes_of(stored.ptr, len)), KITH_DAMAGED);
        circle_clear(&read);
    }
    buffer_clear(&stored);
    buffer_clear(&again);
}

/* Each kind of entry, cut at any length and with any bit flipped, is refused; whole, it reads as
 * written. */
static void an_altered_or_cut_entry_of_any_kind_is_refused(void **state)
{
    static const uint8_t wrap[WRAP_BYTES] = "a wrap";
    struct circle_wrap wraps[] = {{1, wrap}};
    struct circle_leaver leaver = {TRAINEE, LEAVING_RETIRED};
    struct circle_cut cuts[] = {{.device = TRAINEE, .leaving = LEAVING_RETIRED, .n = 7},
                                {.device = SECOND, .leaving = LEAVING_RETIRED}};
    struct circle_entry entries[] = {
        entry_of(CIRCLE_ROTATE, SUPERVISOR), entry_of(CIRCLE_LACK, VOLUNTEER),
        entry_of(CIRCLE_ADMIT, SUPERVISOR), entry_of(CIRCLE_REJECT, SUPERVISOR)};

    (void)state;
    entries[0].epoch = 2;
    entries[0].wraps = wraps;
    entries[0].wrap_count = 1;
    entries[0].leavers = &leaver;
    entries[0].leaver_count = 1;
    entries[0].cuts = cuts;
    entries[0].cut_count = 2;
    entries[2].device = entries[3].device = TRAINEE;
    entries[2].n = entries[3].n = 9;
    entries[3].reason = bytes_text("why");
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        struct circle_entry read;
        struct buffer out;
        struct arena arena;
        buffer_init(&out, ENTRY_MAX);
        arena_init(&arena, 1 << 20);
        made_circle_entry(agency, &chart, &entries[i], &out);
        assert_int_equal(circle_entry_read(&read, buffer_view(&out), &arena), KITH_OK);
        assert_int_equal(read.cut_count, entries[i].cut_count);
        assert_int_equal(read.n, entries[i].n);
        assert_bytes_equal(read.reason, entries[i].reason);
        for (size_t len = 0; len < out.len; len++)
            assert_int_not_equal(circle_append(&chart, &agency->roster, bytes_of(out.ptr, len)),
                                 KITH_OK);
        for (size_t bit = 0; bit < out.len * 8; bit++) {
            out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(circle_append(&chart, &agency->roster, buffer_view(&out)),
                                 KITH_OK);
            out.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(chart.count, 2);
        arena_clear(&arena);
        buffer_clear(&out);
    }
}

#define WITH_CHART(test) cmocka_unit_test_setup_teardown(test, chart_make, chart_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHART(whoever_leaves_is_out_and_a_new_epoch_begins),
        WITH_CHART(what_lies_beyond_the_cut_is_held_and_nothing_else),
        WITH_CHART(what_was_handed_over_counts_under_epochs_it_had),
        WITH_CHART(nobody_takes_out_who_could_take_them_out_nor_a_custodian),
        WITH_CHART(a_rotation_cuts_all_devices_that_leave_and_no_other),
        WITH_CHART(an_ended_device_calls_for_a_rotation_that_any_writer_pays),
        WITH_CHART(an_ended_device_writes_no_entry_and_is_let_in_no_more),
        WITH_CHART(an_admission_moves_the_cut_and_a_rejection_leaves_it),
        WITH_CHART(who_is_let_in_again_to_write_was_never_out),
        WITH_CHART(who_was_handed_no_key_says_so_and_is_owed_it_again),
        WITH_CHART(a_device_that_lacks_the_key_leaves_like_any_other),
        WITH_CHART(only_devices_leave_what_belongs_to_all_or_to_one),
        WITH_CHART(a_circle_that_people_left_reads_back_as_it_was),
        WITH_CHART(an_altered_or_cut_entry_of_any_kind_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
