/* SPDX-License-Identifier: Apache-2.0 */
/* A circle: who may make one, who lets whom in, what is owed, and that a stored circle reads back.
 */
#include "protocol/circle.h"

#include <string.h>

#include "protocol/seal.h"
#include "tests/unit/make.h"

#define OWED_MAX 16

/* The cast: number of device and of person are the same, but for the last two. */
enum {
    ADMIN = 1,
    SPECIALIST,
    TRAINEE,
    VOLUNTEER,
    SUPERVISOR,
    CUSTODIAN,
    STRANGER,
    INVITED,
    SECOND
};

static struct made_agency *agency;

static int agency_make(void **state)
{
    (void)state;
    agency = made_agency_new();
    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_person(agency, ROLE_TRAINEE);
    (void)made_person(agency, ROLE_VOLUNTEER);
    (void)made_person(agency, ROLE_SUPERVISOR);
    (void)made_person(agency, ROLE_CUSTODIAN);
    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_invited(agency, 0, ROLE_SPECIALIST, 0);
    made_enrol(agency, made_invited(agency, VOLUNTEER, ROLE_VOLUNTEER, 0));
    return 0;
}

static int agency_remove(void **state)
{
    (void)state;
    made_agency_free(&agency);
    return 0;
}

static struct circle_member may(uint32_t person, enum circle_right right)
{
    return (struct circle_member){person, right};
}

/* A chart that the specialist made with trainee, volunteer and custodian; the supervisor only
 * reads. */
static void chart_make(struct circle *circle)
{
    struct circle_member members[] = {may(SPECIALIST, CIRCLE_WRITE), may(TRAINEE, CIRCLE_WRITE),
                                      may(VOLUNTEER, CIRCLE_WRITE), may(SUPERVISOR, CIRCLE_READ),
                                      may(CUSTODIAN, CIRCLE_WRITE)};

    circle_init(circle);
    assert_int_equal(
        made_genesis(agency, circle, SPECIALIST, CIRCLE_CHART, members, COUNT_OF(members)),
        KITH_OK);
}

static enum kith_err grant(struct circle *circle, uint32_t author, struct circle_member *members,
                           uint32_t member_count, uint32_t *devices, uint32_t device_count)
{
    struct circle_entry entry = {.type = CIRCLE_GRANT,
                                 .author = author,
                                 .roster_seq = agency->roster.count,
                                 .time_s = MADE_NOW_S,
                                 .members = members,
                                 .member_count = member_count,
                                 .devices = devices,
                                 .device_count = device_count};

    return made_circle_append(agency, circle, &entry);
}

static void assert_same_circles(const struct circle *a, const struct circle *b)
{
    struct buffer of_a;
    struct buffer of_b;

    buffer_init(&of_a, 1 << 20);
    buffer_init(&of_b, 1 << 20);
    circle_encode(a, &of_a);
    circle_encode(b, &of_b);
    assert_bytes_equal(buffer_view(&of_a), buffer_view(&of_b));
    buffer_clear(&of_a);
    buffer_clear(&of_b);
}

/* What the append gives; if it fails, the circle is as it was. */
static enum kith_err append_checked(struct circle *circle, struct bytes entry)
{
    struct buffer before;
    struct buffer after;

    buffer_init(&before, 1 << 20);
    buffer_init(&after, 1 << 20);
    circle_encode(circle, &before);
    enum kith_err err = circle_append(circle, &agency->roster, entry);
    circle_encode(circle, &after);
    if (err)
        assert_bytes_equal(buffer_view(&before), buffer_view(&after));
    buffer_clear(&before);
    buffer_clear(&after);
    return err;
}

static void a_specialist_registers_a_participant_with_the_custodians(void **state)
{
    struct circle circle;
    uint8_t id[ID_BYTES];

    (void)state;
    chart_make(&circle);
    circle_id(circle.head, id);
    assert_memory_equal(circle.id, id, ID_BYTES);
    assert_memory_equal(circle.agency, agency->roster.agency, ID_BYTES);
    assert_int_equal(circle.kind, CIRCLE_CHART);
    assert_int_equal(circle.count, 1);
    assert_int_equal(circle.epoch, 1);
    assert_int_equal(circle.member_count, 5);
    assert_int_equal(circle_member(&circle, SUPERVISOR)->right, CIRCLE_READ);
    assert_null(circle_member(&circle, STRANGER));
    assert_null(circle_member(&circle, ADMIN));
    assert_true(circle_has_device(&circle, SPECIALIST));
    assert_false(circle_has_device(&circle, CUSTODIAN));
    circle_clear(&circle);
}

static void two_circles_of_the_same_people_have_ids_of_their_own(void **state)
{
    struct circle first;
    struct circle second;

    (void)state;
    chart_make(&first);
    chart_make(&second);
    assert_memory_not_equal(first.id, second.id, ID_BYTES);
    circle_clear(&first);
    circle_clear(&second);
}

/* Members are the author, who writes, and the custodian if `has_custodian`. */
static const struct {
    const char *what;
    uint32_t author;
    enum circle_kind kind;
    bool has_custodian;
    enum kith_err verdict;
} geneses[] = {
    {"a specialist's chart", SPECIALIST, CIRCLE_CHART, true, KITH_OK},
    {"a trainee's chart", TRAINEE, CIRCLE_CHART, true, KITH_OK},
    {"a volunteer's chart", VOLUNTEER, CIRCLE_CHART, true, KITH_OK},
    {"a supervisor's chart", SUPERVISOR, CIRCLE_CHART, true, KITH_OK},
    {"an admin's chart", ADMIN, CIRCLE_CHART, true, KITH_OK},
    {"a custodian's chart", CUSTODIAN, CIRCLE_CHART, true, KITH_NOT_ALLOWED},
    {"a chart without the custodians", SPECIALIST, CIRCLE_CHART, false, KITH_NOT_ALLOWED},
    {"a concern", VOLUNTEER, CIRCLE_CONCERN, true, KITH_OK},
    {"a concern without the custodians", VOLUNTEER, CIRCLE_CONCERN, false, KITH_NOT_ALLOWED},
    {"a worker's file", VOLUNTEER, CIRCLE_WORK, true, KITH_OK},
    {"a file without the custodians", VOLUNTEER, CIRCLE_WORK, false, KITH_NOT_ALLOWED},
    {"a worker's own", VOLUNTEER, CIRCLE_PERSON, false, KITH_OK},
    {"a custodian's own", CUSTODIAN, CIRCLE_PERSON, true, KITH_OK},
    {"the agency's with members", ADMIN, CIRCLE_AGENCY, true, KITH_NOT_ALLOWED},
    {"by a device that is only invited", INVITED, CIRCLE_CHART, true, KITH_UNKNOWN_DEVICE},
    {"of no kind", SPECIALIST, (enum circle_kind)0, true, KITH_MALFORMED},
    {"of an unknown kind", SPECIALIST, (enum circle_kind)6, true, KITH_MALFORMED},
};

static void each_role_makes_the_circles_it_may(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(geneses); i++) {
        uint32_t person = made_person_of(agency, geneses[i].author);
        struct circle_member members[] = {may(person, CIRCLE_WRITE), may(CUSTODIAN, CIRCLE_WRITE)};
        bool is_pair = geneses[i].has_custodian && person != CUSTODIAN;
        struct circle circle;
        if (person > CUSTODIAN) {
            members[1] = members[0];
            members[0] = may(CUSTODIAN, CIRCLE_WRITE);
        }
        circle_init(&circle);
        enum kith_err err = made_genesis(agency, &circle, geneses[i].author, geneses[i].kind,
                                         members, is_pair ? 2 : 1);
        if (err != geneses[i].verdict)
            fail_msg("%s: %s, not %s", geneses[i].what, error_name(err),
                     error_name(geneses[i].verdict));
        assert_int_equal(circle.count, err ? 0 : 1);
        circle_clear(&circle);
    }
}

static void only_the_founder_makes_the_agencys_circle(void **state)
{
    struct circle circle;

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, SPECIALIST, CIRCLE_AGENCY, NULL, 0),
                     KITH_NOT_ALLOWED);
    assert_int_equal(made_genesis(agency, &circle, ADMIN, CIRCLE_AGENCY, NULL, 0), KITH_OK);
    assert_int_equal(circle_member(&circle, STRANGER)->right, CIRCLE_WRITE);
    assert_int_equal(circle_may_write(&circle, &agency->roster, STRANGER), KITH_OK);
    assert_int_equal(circle_may_write(&circle, &agency->roster, INVITED), KITH_UNKNOWN_DEVICE);
    circle_clear(&circle);
}

static void a_genesis_names_its_author_as_one_who_writes(void **state)
{
    struct circle_member without[] = {may(CUSTODIAN, CIRCLE_WRITE)};
    struct circle_member reading[] = {may(SPECIALIST, CIRCLE_READ), may(CUSTODIAN, CIRCLE_WRITE)};
    struct circle circle;

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, SPECIALIST, CIRCLE_CHART, without, 1),
                     KITH_MALFORMED);
    assert_int_equal(made_genesis(agency, &circle, SPECIALIST, CIRCLE_CHART, reading, 2),
                     KITH_MALFORMED);
    circle_clear(&circle);
}

/* What a genesis says apart from its author and members. */
static void a_genesis_for_another_agency_or_a_later_roster_is_refused(void **state)
{
    struct circle_member members[] = {may(SPECIALIST, CIRCLE_WRITE), may(CUSTODIAN, CIRCLE_WRITE)};
    struct circle_entry genesis = {.type = CIRCLE_GENESIS,
                                   .author = SPECIALIST,
                                   .roster_seq = agency->roster.count,
                                   .kind = CIRCLE_CHART,
                                   .members = members,
                                   .member_count = 2};
    struct circle circle;

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_circle_append(agency, &circle, &genesis), KITH_FOREIGN);
    memcpy(genesis.agency, agency->roster.agency, ID_BYTES);
    genesis.roster_seq++;
    assert_int_equal(made_circle_append(agency, &circle, &genesis), KITH_STALE);
    genesis.roster_seq--;
    assert_int_equal(made_circle_append(agency, &circle, &genesis), KITH_OK);
    assert_int_equal(made_circle_append(agency, &circle, &genesis),
                     KITH_MALFORMED); /* a second one */
    circle_clear(&circle);
}

static void an_unknown_author_or_another_signature_is_refused(void **state)
{
    struct circle circle;
    struct circle_entry entry = {
        .type = CIRCLE_GRANT, .author = SPECIALIST, .roster_seq = agency->roster.count};
    struct buffer out;

    (void)state;
    chart_make(&circle);
    buffer_init(&out, ENTRY_MAX);
    assert_int_equal(circle_entry_write(&circle, &entry, made_sign_secret(agency, TRAINEE), &out),
                     KITH_OK);
    assert_int_equal(append_checked(&circle, buffer_view(&out)), KITH_SIGNATURE);
    buffer_reset(&out);
    entry.author = SECOND + 1;
    assert_int_equal(circle_entry_write(&circle, &entry, made_sign_secret(agency, TRAINEE), &out),
                     KITH_OK);
    assert_int_equal(append_checked(&circle, buffer_view(&out)), KITH_UNKNOWN_DEVICE);
    buffer_clear(&out);
    circle_clear(&circle);
}

/* One member entry, granted on a fresh chart (chart_make) by each author. */
static const struct {
    const char *what;
    uint32_t author;
    uint32_t person;
    enum circle_right right;
    enum kith_err verdict;
} grants[] = {
    {"a specialist lets a stranger in", SPECIALIST, STRANGER, CIRCLE_WRITE, KITH_OK},
    {"a specialist lets a stranger read", SPECIALIST, STRANGER, CIRCLE_READ, KITH_OK},
    {"a custodian lets a stranger in", CUSTODIAN, STRANGER, CIRCLE_WRITE, KITH_OK},
    {"a trainee lets a stranger in", TRAINEE, STRANGER, CIRCLE_WRITE, KITH_NOT_ALLOWED},
    {"a volunteer lets a stranger read", VOLUNTEER, STRANGER, CIRCLE_READ, KITH_NOT_ALLOWED},
    {"a supervisor who only reads", SUPERVISOR, STRANGER, CIRCLE_READ, KITH_NOT_ALLOWED},
    {"a stranger lets itself in", STRANGER, STRANGER, CIRCLE_WRITE, KITH_NOT_MEMBER},
    {"an admin who is no member", ADMIN, STRANGER, CIRCLE_WRITE, KITH_NOT_MEMBER},
    {"the invited", INVITED, STRANGER, CIRCLE_WRITE, KITH_UNKNOWN_DEVICE},
    {"a reader becomes a writer", SPECIALIST, SUPERVISOR, CIRCLE_WRITE, KITH_OK},
    {"a reader makes itself a writer", SUPERVISOR, SUPERVISOR, CIRCLE_WRITE, KITH_NOT_ALLOWED},
    {"what is so already", SPECIALIST, TRAINEE, CIRCLE_WRITE, KITH_MALFORMED},
    {"a volunteer makes a custodian a reader", VOLUNTEER, CUSTODIAN, CIRCLE_READ, KITH_MALFORMED},
    {"an author makes a writer a reader", SPECIALIST, TRAINEE, CIRCLE_READ, KITH_MALFORMED},
    {"somebody who does not exist", SPECIALIST, 99, CIRCLE_WRITE, KITH_MALFORMED},
};

static void each_member_lets_in_whom_it_may(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grants); i++) {
        struct circle_member member = may(grants[i].person, grants[i].right);
        struct circle circle;
        chart_make(&circle);
        enum kith_err err = grant(&circle, grants[i].author, &member, 1, NULL, 0);
        if (err != grants[i].verdict)
            fail_msg("%s: %s, not %s", grants[i].what, error_name(err),
                     error_name(grants[i].verdict));
        if (!err)
            assert_int_equal(circle_member(&circle, member.person)->right, member.right);
        circle_clear(&circle);
    }
}

static void the_key_is_sealed_only_to_devices_of_members(void **state)
{
    static const struct {
        uint32_t device;
        enum kith_err verdict;
    } devices[] = {
        {TRAINEE, KITH_OK},         {SECOND, KITH_OK},         {SUPERVISOR, KITH_OK},
        {STRANGER, KITH_MALFORMED}, {INVITED, KITH_MALFORMED}, {99, KITH_MALFORMED},
    };
    struct circle circle;

    (void)state;
    chart_make(&circle);
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        uint32_t device = devices[i].device;
        assert_int_equal(grant(&circle, VOLUNTEER, NULL, 0, &device, 1), devices[i].verdict);
        assert_int_equal(circle_has_device(&circle, device), devices[i].verdict == KITH_OK);
    }
    struct circle_member stranger = may(STRANGER, CIRCLE_READ);
    uint32_t device = STRANGER;
    assert_int_equal(grant(&circle, SPECIALIST, &stranger, 1, &device, 1), KITH_OK);
    assert_true(circle_has_device(&circle, STRANGER));
    circle_clear(&circle);
}

static void members_and_devices_are_named_once_and_in_order(void **state)
{
    struct circle_member twice[] = {may(ADMIN, CIRCLE_READ), may(ADMIN, CIRCLE_WRITE)};
    struct circle_member descending[] = {may(STRANGER, CIRCLE_READ), may(ADMIN, CIRCLE_READ)};
    struct circle_member nobody[] = {may(0, CIRCLE_READ)};
    struct circle_member neither[] = {may(ADMIN, (enum circle_right)2)};
    uint32_t devices_twice[] = {TRAINEE, TRAINEE};
    uint32_t devices_descending[] = {TRAINEE, SPECIALIST};
    uint32_t no_device[] = {0};
    struct circle circle;

    (void)state;
    chart_make(&circle);
    assert_int_equal(grant(&circle, SPECIALIST, twice, 2, NULL, 0), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, descending, 2, NULL, 0), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, nobody, 1, NULL, 0), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, neither, 1, NULL, 0), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, NULL, 0, devices_twice, 2), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, NULL, 0, devices_descending, 2), KITH_MALFORMED);
    assert_int_equal(grant(&circle, SPECIALIST, NULL, 0, no_device, 1), KITH_MALFORMED);
    circle_clear(&circle);
}

static void who_only_reads_may_not_write(void **state)
{
    static const struct {
        uint32_t device;
        enum kith_err verdict;
    } writers[] = {
        {SPECIALIST, KITH_OK},     {VOLUNTEER, KITH_OK},           {SECOND, KITH_OK},
        {CUSTODIAN, KITH_OK},      {SUPERVISOR, KITH_NOT_MEMBER},  {STRANGER, KITH_NOT_MEMBER},
        {ADMIN, KITH_NOT_MEMBER},  {INVITED, KITH_UNKNOWN_DEVICE}, {0, KITH_UNKNOWN_DEVICE},
        {99, KITH_UNKNOWN_DEVICE},
    };
    struct circle circle;

    (void)state;
    chart_make(&circle);
    for (size_t i = 0; i < COUNT_OF(writers); i++)
        assert_int_equal(circle_may_write(&circle, &agency->roster, writers[i].device),
                         writers[i].verdict);
    circle_clear(&circle);
}

/* What a circle is owed, computed into arrays of its own. */
struct debts {
    struct circle_member members[OWED_MAX];
    uint32_t devices[OWED_MAX];
    struct circle_owed owed;
};

static const struct circle_owed *debts_of(struct debts *debts, const struct circle *circle,
                                          uint64_t now_s)
{
    debts->owed =
        (struct circle_owed){.members = debts->members, .devices = debts->devices, .max = OWED_MAX};
    circle_owed(circle, &agency->roster, now_s, &debts->owed);
    return &debts->owed;
}

static void a_circle_owes_its_key_to_every_device_of_a_member(void **state)
{
    static const uint32_t expected[] = {TRAINEE, VOLUNTEER, SUPERVISOR, CUSTODIAN, SECOND};
    struct circle circle;
    struct debts debts;

    (void)state;
    chart_make(&circle);
    const struct circle_owed *owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->member_count, 0);
    assert_int_equal(owed->device_count, COUNT_OF(expected));
    assert_memory_equal(owed->devices, expected, sizeof expected);
    assert_int_equal(grant(&circle, VOLUNTEER, NULL, 0, owed->devices, owed->device_count),
                     KITH_OK);
    owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->device_count, 0);
    circle_clear(&circle);
}

/* Any member pays, whatever its role and right: the custodian comes in with all its devices,
 * invited ones too. */
static void a_new_custodian_is_owed_membership_and_any_member_may_pay(void **state)
{
    struct circle circle;
    struct debts debts;

    (void)state;
    chart_make(&circle);
    assert_int_equal(grant(&circle, SPECIALIST, NULL, 0,
                           (uint32_t[]){TRAINEE, VOLUNTEER, SUPERVISOR, CUSTODIAN, SECOND}, 5),
                     KITH_OK);
    uint32_t device = made_person(agency, ROLE_CUSTODIAN);
    uint32_t person = made_person_of(agency, device);
    (void)made_invited(agency, person, ROLE_CUSTODIAN, 0);
    const struct circle_owed *owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->member_count, 1);
    assert_int_equal(owed->members[0].person, person);
    assert_int_equal(owed->members[0].right, CIRCLE_WRITE);
    assert_int_equal(owed->device_count, 2);
    assert_int_equal(owed->devices[0], device);
    assert_int_equal(grant(&circle, STRANGER, owed->members, 1, owed->devices, 2), KITH_NOT_MEMBER);
    assert_int_equal(grant(&circle, SUPERVISOR, owed->members, 1, owed->devices, 2), KITH_OK);
    owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->member_count + owed->device_count, 0);
    assert_int_equal(circle_may_write(&circle, &agency->roster, device), KITH_OK);
    circle_clear(&circle);
}

static void an_invitation_is_owed_the_key_until_it_expires(void **state)
{
    struct circle circle;
    struct debts debts;

    (void)state;
    chart_make(&circle);
    uint32_t device = made_invited(agency, TRAINEE, ROLE_TRAINEE, 0);
    const struct circle_owed *owed = debts_of(&debts, &circle, MADE_EXPIRES_S - 1);
    assert_int_equal(owed->device_count, 6);
    assert_int_equal(owed->devices[5], device);
    owed = debts_of(&debts, &circle, MADE_EXPIRES_S);
    assert_int_equal(owed->device_count, 5);
    made_enrol(agency, device);
    owed = debts_of(&debts, &circle, MADE_EXPIRES_S);
    assert_int_equal(owed->device_count, 6);
    circle_clear(&circle);
}

static void what_is_owed_stays_within_the_room_there_is(void **state)
{
    struct circle circle;
    struct debts debts = {.owed = {.max = 2}};

    (void)state;
    chart_make(&circle);
    debts.owed.members = debts.members;
    debts.owed.devices = debts.devices;
    circle_owed(&circle, &agency->roster, MADE_NOW_S, &debts.owed);
    assert_int_equal(debts.owed.device_count, 2);
    circle_clear(&circle);
}

static void a_circle_of_ones_own_owes_custodians_nothing(void **state)
{
    struct circle_member members[] = {may(VOLUNTEER, CIRCLE_WRITE), may(SUPERVISOR, CIRCLE_READ)};
    struct circle_member custodian = may(CUSTODIAN, CIRCLE_WRITE);
    struct circle circle;
    struct debts debts;

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, VOLUNTEER, CIRCLE_PERSON, members, 2), KITH_OK);
    const struct circle_owed *owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->member_count, 0);
    assert_int_equal(owed->device_count, 2); /* the volunteer's second and the supervisor's */
    assert_int_equal(grant(&circle, SUPERVISOR, &custodian, 1, NULL, 0), KITH_NOT_ALLOWED);
    assert_int_equal(grant(&circle, VOLUNTEER, &custodian, 1, NULL, 0), KITH_NOT_ALLOWED);
    circle_clear(&circle);
}

static void the_agencys_circle_owes_its_key_to_everybody(void **state)
{
    struct circle circle;
    struct debts debts;
    uint32_t all[] = {SPECIALIST, TRAINEE,  VOLUNTEER, SUPERVISOR,
                      CUSTODIAN,  STRANGER, INVITED,   SECOND};

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, ADMIN, CIRCLE_AGENCY, NULL, 0), KITH_OK);
    const struct circle_owed *owed = debts_of(&debts, &circle, MADE_NOW_S);
    assert_int_equal(owed->member_count, 0);
    assert_int_equal(owed->device_count, COUNT_OF(all));
    assert_memory_equal(owed->devices, all, sizeof all);
    assert_int_equal(grant(&circle, VOLUNTEER, NULL, 0, all, COUNT_OF(all)), KITH_OK);
    struct circle_member stranger = may(STRANGER, CIRCLE_WRITE);
    assert_int_equal(grant(&circle, ADMIN, &stranger, 1, NULL, 0), KITH_MALFORMED);
    circle_clear(&circle);
}

/* A genesis and a grant on it, encoded; the chart that has the genesis only is left in `circle`. */
static void two_entries(struct circle *circle, struct buffer *genesis, struct buffer *granting)
{
    struct circle_member members[] = {may(SPECIALIST, CIRCLE_WRITE), may(CUSTODIAN, CIRCLE_WRITE)};
    struct circle_member added[] = {may(STRANGER, CIRCLE_READ)};
    uint32_t devices[] = {SPECIALIST};
    uint32_t added_devices[] = {CUSTODIAN, STRANGER};
    struct circle_entry entry = {.type = CIRCLE_GENESIS,
                                 .author = SPECIALIST,
                                 .roster_seq = agency->roster.count,
                                 .kind = CIRCLE_CHART,
                                 .members = members,
                                 .member_count = 2,
                                 .devices = devices,
                                 .device_count = 1};

    memcpy(entry.agency, agency->roster.agency, ID_BYTES);
    circle_init(circle);
    buffer_init(genesis, ENTRY_MAX);
    buffer_init(granting, ENTRY_MAX);
    made_circle_entry(agency, circle, &entry, genesis);
    assert_int_equal(circle_append(circle, &agency->roster, buffer_view(genesis)), KITH_OK);
    entry.type = CIRCLE_GRANT;
    entry.members = added;
    entry.member_count = 1;
    entry.devices = added_devices;
    entry.device_count = 2;
    made_circle_entry(agency, circle, &entry, granting);
}

/* Each bit of the entry flipped, and each shorter length. */
static void assert_tamper_proof(struct circle *circle, struct buffer *entry)
{
    for (size_t bit = 0; bit < entry->len * 8; bit++) {
        entry->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(append_checked(circle, buffer_view(entry)), KITH_OK);
        entry->ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < entry->len; len++)
        assert_int_not_equal(append_checked(circle, bytes_of(entry->ptr, len)), KITH_OK);
    assert_int_equal(append_checked(circle, buffer_view(entry)), KITH_OK);
}

static void an_altered_or_cut_entry_is_refused(void **state)
{
    struct circle circle;
    struct circle fresh;
    struct buffer genesis;
    struct buffer granting;

    (void)state;
    two_entries(&circle, &genesis, &granting);
    circle_init(&fresh);
    assert_tamper_proof(&fresh, &genesis);
    assert_tamper_proof(&circle, &granting);
    assert_int_equal(append_checked(&fresh, buffer_view(&granting)), KITH_OK);
    assert_same_circles(&fresh, &circle);
    buffer_clear(&genesis);
    buffer_clear(&granting);
    circle_clear(&fresh);
    circle_clear(&circle);
}

static void an_entry_of_another_chain_or_an_older_head_is_stale(void **state)
{
    struct circle circle;
    struct circle other;
    struct buffer genesis;
    struct buffer granting;

    (void)state;
    two_entries(&circle, &genesis, &granting);
    chart_make(&other);
    assert_int_equal(append_checked(&other, buffer_view(&granting)), KITH_STALE);
    assert_int_equal(append_checked(&circle, buffer_view(&granting)), KITH_OK);
    assert_int_equal(append_checked(&circle, buffer_view(&granting)), KITH_STALE);
    assert_int_equal(append_checked(&circle, buffer_view(&genesis)), KITH_STALE);
    buffer_clear(&genesis);
    buffer_clear(&granting);
    circle_clear(&other);
    circle_clear(&circle);
}

/* As much as an entry's bytes could announce, and more than it may hold. */
static void an_entry_over_its_limit_is_refused(void **state)
{
    static uint8_t large[ENTRY_MAX + 1];
    struct circle_entry entry;
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(circle_entry_read(&entry, bytes_of(large, sizeof large), &arena),
                     KITH_TOO_LARGE);
    assert_int_not_equal(circle_entry_read(&entry, bytes_of(large, ENTRY_MAX), &arena), KITH_OK);
    arena_clear(&arena);
}

static void a_stored_circle_reads_as_it_was(void **state)
{
    struct circle circle;
    struct circle read;
    struct buffer stored;

    (void)state;
    chart_make(&circle);
    assert_int_equal(grant(&circle, SPECIALIST, NULL, 0, (uint32_t[]){TRAINEE, CUSTODIAN}, 2),
                     KITH_OK);
    buffer_init(&stored, 1 << 16);
    circle_init(&read);
    circle_encode(&circle, &stored);
    assert_int_equal(circle_decode(&read, buffer_view(&stored)), KITH_OK);
    assert_same_circles(&circle, &read);
    assert_int_equal(circle_member(&read, SUPERVISOR)->right, CIRCLE_READ);
    assert_true(circle_has_device(&read, CUSTODIAN));
    uint32_t second = SECOND;
    assert_int_equal(grant(&read, SPECIALIST, NULL, 0, &second, 1), KITH_OK);
    buffer_clear(&stored);
    circle_clear(&read);
    circle_clear(&circle);
}

/* The agency's circle may name more devices than a chart's. */
static void a_stored_circle_of_a_large_agency_reads_as_it_was(void **state)
{
    struct circle circle;
    struct circle read;
    struct buffer stored;

    (void)state;
    circle_init(&circle);
    assert_int_equal(made_genesis(agency, &circle, ADMIN, CIRCLE_AGENCY, NULL, 0), KITH_OK);
    buffer_init(&stored, 1 << 20);
    circle_encode(&circle, &stored);
    const size_t count_at = 84; /* circle.c, circle_encode */
    for (uint32_t i = 2; i <= 2 * CIRCLE_DEVICES_MAX; i++)
        put_u32(buffer_extend(&stored, 4), i);
    put_u32(stored.ptr + count_at, 2 * CIRCLE_DEVICES_MAX);
    circle_init(&read);
    assert_int_equal(circle_decode(&read, buffer_view(&stored)), KITH_OK);
    assert_true(circle_has_device(&read, 2 * CIRCLE_DEVICES_MAX));
    buffer_clear(&stored);
    circle_clear(&read);
    circle_clear(&circle);
}

static void a_stored_circle_cut_or_prolonged_is_damaged(void **state)
{
    struct circle circle;
    struct buffer stored;

    (void)state;
    chart_make(&circle);
    buffer_init(&stored, 1 << 16);
    circle_encode(&circle, &stored);
    buffer_add(&stored, "", 1);
    for (size_t len = 0; len <= stored.len; len++) {
        struct circle read;
        circle_init(&read);
        bool is_whole = len == stored.len - 1;
        assert_int_equal(circle_decode(&read, bytes_of(stored.ptr, len)),
                         is_whole ? KITH_OK : KITH_DAMAGED);
        circle_clear(&read);
    }
    buffer_clear(&stored);
    circle_clear(&circle);
}

/* Not every damage shows; the store's own seal is what finds it. But nothing else than these two
 * comes of it. */
static void a_flipped_bit_in_a_stored_circle_is_damage_or_another_circle(void **state)
{
    struct circle circle;
    struct buffer stored;

    (void)state;
    chart_make(&circle);
    buffer_init(&stored, 1 << 16);
    circle_encode(&circle, &stored);
    for (size_t bit = 0; bit < stored.len * 8; bit++) {
        struct circle read;
        struct buffer again;
        circle_init(&read);
        buffer_init(&again, 1 << 16);
        stored.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum kith_err err = circle_decode(&read, buffer_view(&stored));
        if (!err) {
            circle_encode(&read, &again);
            assert_bytes_equal(buffer_view(&again), buffer_view(&stored));
        } else {
            assert_int_equal(err, KITH_DAMAGED);
        }
        stored.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        buffer_clear(&again);
        circle_clear(&read);
    }
    buffer_clear(&stored);
    circle_clear(&circle);
}

/* Words of the encoding that say something impossible. Offsets: circle.c, circle_encode; five
 * members, one device. */
static void impossible_values_in_a_stored_circle_are_damage(void **state)
{
    enum {
        KIND = 64,
        EPOCHS = 76,
        MEMBERS = 80,
        DEVICES = 84,
        LACKS = 88,
        CUTS = 92,
        FIRST_EPOCH = 96,
        FIRST_PERSON = 132,
        FIRST_RIGHT = 136,
        FIRST_DEVICE = 172
    };
    static const struct {
        size_t at;
        uint32_t value;
    } words[] = {
        {KIND, 0},
        {KIND, 6},
        {EPOCHS, 0},
        {EPOCHS, UINT32_MAX},
        {LACKS, 1},
        {CUTS, 1},
        {CUTS, UINT32_MAX},
        {FIRST_EPOCH, 0},
        {MEMBERS, 4},
        {MEMBERS, UINT32_MAX},
        {DEVICES, 2},
        {DEVICES, 1u << 30},
        {FIRST_PERSON, 0},
        {FIRST_PERSON, TRAINEE},
        {FIRST_PERSON, STRANGER},
        {FIRST_RIGHT, 0},
        {FIRST_RIGHT, 2},
        {FIRST_DEVICE, 0},
    };
    struct circle circle;
    struct buffer stored;

    (void)state;
    chart_make(&circle);
    buffer_init(&stored, 1 << 16);
    circle_encode(&circle, &stored);
    assert_int_equal(stored.len, FIRST_DEVICE + 4);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        struct circle read;
        uint32_t right = get_u32(stored.ptr + words[i].at);
        circle_init(&read);
        put_u32(stored.ptr + words[i].at, words[i].value);
        assert_int_equal(circle_decode(&read, buffer_view(&stored)), KITH_DAMAGED);
        assert_int_equal(read.count, 0);
        put_u32(stored.ptr + words[i].at, right);
        circle_clear(&read);
    }
    buffer_clear(&stored);
    circle_clear(&circle);
}

#define WITH_AGENCY(test) cmocka_unit_test_setup_teardown(test, agency_make, agency_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AGENCY(a_specialist_registers_a_participant_with_the_custodians),
        WITH_AGENCY(two_circles_of_the_same_people_have_ids_of_their_own),
        WITH_AGENCY(each_role_makes_the_circles_it_may),
        WITH_AGENCY(only_the_founder_makes_the_agencys_circle),
        WITH_AGENCY(a_genesis_names_its_author_as_one_who_writes),
        WITH_AGENCY(a_genesis_for_another_agency_or_a_later_roster_is_refused),
        WITH_AGENCY(an_unknown_author_or_another_signature_is_refused),
        WITH_AGENCY(each_member_lets_in_whom_it_may),
        WITH_AGENCY(the_key_is_sealed_only_to_devices_of_members),
        WITH_AGENCY(members_and_devices_are_named_once_and_in_order),
        WITH_AGENCY(who_only_reads_may_not_write),
        WITH_AGENCY(a_circle_owes_its_key_to_every_device_of_a_member),
        WITH_AGENCY(a_new_custodian_is_owed_membership_and_any_member_may_pay),
        WITH_AGENCY(an_invitation_is_owed_the_key_until_it_expires),
        WITH_AGENCY(what_is_owed_stays_within_the_room_there_is),
        WITH_AGENCY(a_circle_of_ones_own_owes_custodians_nothing),
        WITH_AGENCY(the_agencys_circle_owes_its_key_to_everybody),
        WITH_AGENCY(an_altered_or_cut_entry_is_refused),
        WITH_AGENCY(an_entry_of_another_chain_or_an_older_head_is_stale),
        WITH_AGENCY(an_entry_over_its_limit_is_refused),
        WITH_AGENCY(a_stored_circle_reads_as_it_was),
        WITH_AGENCY(a_stored_circle_of_a_large_agency_reads_as_it_was),
        WITH_AGENCY(a_stored_circle_cut_or_prolonged_is_damaged),
        WITH_AGENCY(a_flipped_bit_in_a_stored_circle_is_damage_or_another_circle),
        WITH_AGENCY(impossible_values_in_a_stored_circle_are_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
