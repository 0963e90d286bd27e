/* SPDX-License-Identifier: Apache-2.0 */
/* The roster: who may add what, and that nothing else gets in. */
#include "protocol/roster.h"

#include <string.h>

#include "protocol/seal.h"
#include "tests/unit/make.h"

/* Everything a roster says, as bytes that can be compared. */
static void dump(const struct roster *roster, struct buffer *out)
{
    buffer_add(out, roster->agency, ID_BYTES);
    buffer_add(out, roster->root, KEY_BYTES);
    buffer_add(out, roster->hub_noise, KEY_BYTES);
    buffer_add(out, roster->hub_sign, KEY_BYTES);
    buffer_add(out, roster->head, HASH_BYTES);
    wire_put_uint(out, roster->count);
    for (uint32_t i = 1; i <= roster->device_count; i++) {
        const struct roster_device *device = roster_device(roster, i);
        const uint64_t numbers[] = {
            device->number,    device->person, device->invited_by, device->state,   device->since,
            device->expires_s, device->ended,  device->leaving,    device->until_s, device->renews};
        buffer_add(out, numbers, sizeof numbers);
        buffer_add(out, &device->keys, sizeof device->keys);
        buffer_add(out, device->invite_sign, KEY_BYTES);
    }
    for (uint32_t i = 1; i <= roster->person_count; i++) {
        const struct roster_person *person = roster_person(roster, i);
        const uint64_t numbers[] = {person->number, person->roles, person->supervisor};
        buffer_add(out, numbers, sizeof numbers);
    }
    for (uint32_t i = 0; i < roster->change_count; i++) {
        const uint64_t numbers[] = {roster->changes[i].seq, roster->changes[i].person,
                                    roster->changes[i].roles};
        buffer_add(out, numbers, sizeof numbers);
    }
    assert_int_equal(out->err, KITH_OK);
}

static void assert_same_rosters(const struct roster *a, const struct roster *b)
{
    struct buffer of_a;
    struct buffer of_b;

    buffer_init(&of_a, 1 << 20);
    buffer_init(&of_b, 1 << 20);
    dump(a, &of_a);
    dump(b, &of_b);
    assert_bytes_equal(buffer_view(&of_a), buffer_view(&of_b));
    buffer_clear(&of_a);
    buffer_clear(&of_b);
}

/* What the append gives; if it fails, the roster is as it was. */
static enum kith_err append_checked(struct roster *roster, struct bytes entry)
{
    struct buffer before;
    struct buffer after;

    buffer_init(&before, 1 << 20);
    buffer_init(&after, 1 << 20);
    dump(roster, &before);
    enum kith_err err = roster_append(roster, entry);
    dump(roster, &after);
    if (err)
        assert_bytes_equal(buffer_view(&before), buffer_view(&after));
    buffer_clear(&before);
    buffer_clear(&after);
    return err;
}

/* Adds the agency's first `count` entries to a roster of its own. */
static void replay_into(struct roster *roster, const struct made_agency *agency, uint32_t count)
{
    roster_init(roster);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(roster_replay(roster, agency->entries[i]), KITH_OK);
}

/* The cast of most tests: number of device and of person are the same.
 * 1 admin, 2 specialist, 3 supervisor, 4 trainee led by 3, 5 volunteer who is only invited. */
static struct made_agency *staffed_agency(void)
{
    struct made_agency *agency = made_agency_new();

    (void)made_person(agency, ROLE_SPECIALIST);
    (void)made_person(agency, ROLE_SUPERVISOR);
    made_enrol(agency, made_invited(agency, 0, ROLE_TRAINEE, 3));
    (void)made_invited(agency, 0, ROLE_VOLUNTEER, 0);
    return agency;
}

static void a_founding_entry_makes_the_agency_and_its_first_device(void **state)
{
    struct made_agency *agency = made_agency_new();
    const struct roster *roster = &agency->roster;
    uint8_t id[ID_BYTES];
    struct bytes head = bytes_of(roster->head, HASH_BYTES);

    (void)state;
    seal_id(SEAL_AGENCY_ID, &head, 1, id);
    assert_memory_equal(roster->agency, id, ID_BYTES);
    assert_memory_equal(roster->hub_noise, agency->hub.keys.noise, KEY_BYTES);
    assert_memory_equal(roster->hub_sign, agency->hub.keys.sign, KEY_BYTES);
    assert_int_equal(roster->count, 1);
    assert_int_equal(roster->device_count, 1);
    assert_int_equal(roster->person_count, 1);
    assert_int_equal(roster_device(roster, 1)->state, DEVICE_ACTIVE);
    assert_memory_equal(&roster_device(roster, 1)->keys, &agency->devices[0].keys,
                        sizeof(struct device_public));
    assert_int_equal(roster_device_roles(roster, 1), ROLE_ADMIN);
    assert_int_equal(roster_device_roles(roster, 2), 0);
    assert_null(roster_device(roster, 0));
    assert_null(roster_device(roster, 2));
    assert_null(roster_person(roster, 0));
    assert_null(roster_person(roster, UINT64_MAX));
    made_agency_free(&agency);
}

static void another_founding_entry_is_foreign_where_the_id_is_known(void **state)
{
    struct made_agency *agency = made_agency_new();
    struct roster mine;

    (void)state;
    roster_init(&mine);
    memcpy(mine.agency, agency->roster.agency, ID_BYTES);
    mine.agency[ID_BYTES - 1] ^= 1;
    assert_int_equal(append_checked(&mine, agency->entries[0]), KITH_FOREIGN);
    mine.agency[ID_BYTES - 1] ^= 1;
    assert_int_equal(append_checked(&mine, agency->entries[0]), KITH_OK);
    assert_same_rosters(&mine, &agency->roster);
    roster_clear(&mine);
    made_agency_free(&agency);
}

static void an_agency_is_founded_only_once(void **state)
{
    struct made_agency *agency = made_agency_new();
    struct roster_entry again;

    (void)state;
    assert_int_equal(roster_entry_read(&again, agency->entries[0]), KITH_OK);
    assert_int_equal(made_append(agency, &again, agency->root.sign_secret), KITH_NOT_ALLOWED);
    assert_int_equal(append_checked(&agency->roster, agency->entries[0]), KITH_STALE);
    made_agency_free(&agency);
}

static void an_invited_device_enrols_with_keys_of_its_own(void **state)
{
    struct made_agency *agency = made_agency_new();
    uint32_t number = made_invited(agency, 0, ROLE_SPECIALIST, 0);
    const struct roster_device *device = roster_device(&agency->roster, number);
    struct device_public invitation = device->keys;

    (void)state;
    assert_int_equal(device->state, DEVICE_INVITED);
    assert_int_equal(device->invited_by, 1);
    assert_int_equal(device->expires_s, MADE_EXPIRES_S);
    assert_memory_equal(invitation.box, agency->devices[number - 1].keys.box, KEY_BYTES);
    made_enrol(agency, number);
    device = roster_device(&agency->roster, number);
    assert_int_equal(device->state, DEVICE_ACTIVE);
    assert_int_equal(device->since, agency->roster.count);
    assert_memory_equal(&device->keys, &agency->devices[number - 1].keys, sizeof device->keys);
    assert_memory_equal(device->invite_sign, invitation.sign, KEY_BYTES);
    assert_memory_not_equal(device->keys.sign, invitation.sign, KEY_BYTES);
    assert_int_equal(roster_device_roles(&agency->roster, number), ROLE_SPECIALIST);
    made_agency_free(&agency);
}

static void an_invitation_is_used_once_and_by_its_key_alone(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct made_device invitation = agency->devices[4];
    struct roster_entry enrol = {.type = ROSTER_ENROL, .author = 5};

    (void)state;
    enrol.keys = agency->devices[1].keys;
    assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, 2)), KITH_SIGNATURE);
    assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, 1)), KITH_SIGNATURE);
    made_enrol(agency, 5);
    assert_int_equal(made_append(agency, &enrol, invitation.sign_secret), KITH_EXPIRED);
    assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, 5)), KITH_EXPIRED);
    enrol.author = 6;
    assert_int_equal(made_append(agency, &enrol, invitation.sign_secret), KITH_EXPIRED);
    enrol.author = 0;
    assert_int_equal(made_append(agency, &enrol, agency->root.sign_secret), KITH_EXPIRED);
    made_agency_free(&agency);
}

/* Each is tried on an agency of its own, signed by its author. */
static const struct {
    const char *what;
    enum roster_type type;
    uint32_t author;
    uint32_t device;
    uint32_t person;
    unsigned roles;
    uint32_t supervisor;
    enum kith_err verdict;
} attempts[] = {
    {"an admin invites a person", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE, 0, KITH_OK},
    {"with a supervisor", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE, 3, KITH_OK},
    {"with an admin as supervisor", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE, 1, KITH_OK},
    {"a supervisor who may not lead", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE, 2, KITH_NOT_ALLOWED},
    {"a supervisor who does not exist", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE, 9, KITH_NOT_ALLOWED},
    {"led by oneself", ROSTER_INVITE, 1, 6, 6, ROLE_SUPERVISOR, 6, KITH_NOT_ALLOWED},
    {"no role", ROSTER_INVITE, 1, 6, 6, 0, 0, KITH_MALFORMED},
    {"two roles at once", ROSTER_INVITE, 1, 6, 6, ROLE_TRAINEE | ROLE_ADMIN, 0, KITH_MALFORMED},
    {"a device number that is taken", ROSTER_INVITE, 1, 5, 6, ROLE_TRAINEE, 0, KITH_STALE},
    {"a device number after a gap", ROSTER_INVITE, 1, 7, 6, ROLE_TRAINEE, 0, KITH_STALE},
    {"a person number after a gap", ROSTER_INVITE, 1, 6, 7, ROLE_TRAINEE, 0, KITH_STALE},
    {"person 0", ROSTER_INVITE, 1, 6, 0, ROLE_TRAINEE, 0, KITH_STALE},
    {"a specialist invites a person", ROSTER_INVITE, 2, 6, 6, ROLE_VOLUNTEER, 0, KITH_NOT_ALLOWED},
    {"a supervisor invites a person", ROSTER_INVITE, 3, 6, 6, ROLE_VOLUNTEER, 0, KITH_NOT_ALLOWED},
    {"a specialist's own second device", ROSTER_INVITE, 2, 6, 2, ROLE_SPECIALIST, 0, KITH_OK},
    {"a trainee's own, led as before", ROSTER_INVITE, 4, 6, 4, ROLE_TRAINEE, 3, KITH_OK},
    {"a trainee's own, led by nobody", ROSTER_INVITE, 4, 6, 4, ROLE_TRAINEE, 0, KITH_NOT_ALLOWED},
    {"one's own with a higher role", ROSTER_INVITE, 2, 6, 2, ROLE_ADMIN, 0, KITH_NOT_ALLOWED},
    {"one's own with one role more", ROSTER_INVITE, 2, 6, 2, ROLE_SPECIALIST | ROLE_ADMIN, 0,
     KITH_NOT_ALLOWED},
    {"another's second device", ROSTER_INVITE, 2, 6, 3, ROLE_SUPERVISOR, 0, KITH_NOT_ALLOWED},
    {"another's, by an admin", ROSTER_INVITE, 1, 6, 3, ROLE_SUPERVISOR, 0, KITH_OK},
    {"a new role that way, by an admin", ROSTER_INVITE, 1, 6, 3, ROLE_ADMIN, 0, KITH_NOT_ALLOWED},
    {"the invited invites", ROSTER_INVITE, 5, 6, 5, ROLE_VOLUNTEER, 0, KITH_NOT_ALLOWED},
    {"an admin changes a role", ROSTER_ROLE, 1, 0, 2, ROLE_SUPERVISOR, 0, KITH_OK},
    {"an admin gives two roles", ROSTER_ROLE, 1, 0, 2, ROLE_SPECIALIST | ROLE_CUSTODIAN, 0,
     KITH_OK},
    {"an admin names a supervisor", ROSTER_ROLE, 1, 0, 2, ROLE_SPECIALIST, 3, KITH_OK},
    {"one who may not lead", ROSTER_ROLE, 1, 0, 4, ROLE_TRAINEE, 2, KITH_NOT_ALLOWED},
    {"one who does not exist", ROSTER_ROLE, 1, 0, 4, ROLE_TRAINEE, 9, KITH_NOT_ALLOWED},
    {"one's own supervisor", ROSTER_ROLE, 1, 0, 3, ROLE_SUPERVISOR, 3, KITH_MALFORMED},
    {"no role is left", ROSTER_ROLE, 1, 0, 2, 0, 0, KITH_MALFORMED},
    {"a role for nobody", ROSTER_ROLE, 1, 0, 6, ROLE_TRAINEE, 0, KITH_MALFORMED},
    {"a specialist's own role", ROSTER_ROLE, 2, 0, 2, ROLE_ADMIN, 0, KITH_NOT_ALLOWED},
    {"a supervisor's trainee", ROSTER_ROLE, 3, 0, 4, ROLE_SPECIALIST, 0, KITH_NOT_ALLOWED},
};

static void each_role_adds_what_it_may_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        struct made_agency *agency = staffed_agency();
        struct roster_entry entry = {.type = attempts[i].type,
                                     .author = attempts[i].author,
                                     .device = attempts[i].device,
                                     .person = attempts[i].person,
                                     .roles = attempts[i].roles,
                                     .supervisor = attempts[i].supervisor};
        struct buffer out;
        made_device_keys(&agency->devices[5], 6);
        entry.keys = agency->devices[5].keys;
        buffer_init(&out, ENTRY_MAX);
        assert_int_equal(roster_entry_write(&agency->roster, &entry,
                                            made_sign_secret(agency, entry.author), &out),
                         KITH_OK);
        enum kith_err err = append_checked(&agency->roster, buffer_view(&out));
        if (err != attempts[i].verdict)
            fail_msg("%s: %s, not %s", attempts[i].what, error_name(err),
                     error_name(attempts[i].verdict));
        buffer_clear(&out);
        made_agency_free(&agency);
    }
}

static void a_supervisor_who_no_longer_leads_keeps_nobody_from_a_second_device(void **state)
{
    struct made_agency *agency = staffed_agency();

    (void)state;
    made_role(agency, 3, ROLE_SPECIALIST, 0);
    assert_int_equal(made_invited(agency, 4, ROLE_TRAINEE, 3), 6);
    made_agency_free(&agency);
}

static void an_entry_of_an_unknown_author_is_refused(void **state)
{
    static const uint32_t authors[] = {0, 6, DEVICE_MAX};
    struct made_agency *agency = staffed_agency();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(authors); i++) {
        struct roster_entry role = {
            .type = ROSTER_ROLE, .author = authors[i], .person = 2, .roles = ROLE_ADMIN};
        assert_int_equal(made_append(agency, &role, made_sign_secret(agency, 1)), KITH_NOT_ALLOWED);
    }
    made_agency_free(&agency);
}

static void an_entry_that_does_not_follow_the_head_is_stale(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct roster elsewhere = agency->roster;
    struct roster_entry role = {.type = ROSTER_ROLE, .author = 1, .person = 2, .roles = ROLE_ADMIN};
    struct buffer out;

    (void)state;
    buffer_init(&out, ENTRY_MAX);
    elsewhere.count++;
    assert_int_equal(roster_entry_write(&elsewhere, &role, made_sign_secret(agency, 1), &out),
                     KITH_OK);
    assert_int_equal(append_checked(&agency->roster, buffer_view(&out)), KITH_STALE);
    buffer_reset(&out);
    elsewhere = agency->roster;
    elsewhere.head[0] ^= 1;
    assert_int_equal(roster_entry_write(&elsewhere, &role, made_sign_secret(agency, 1), &out),
                     KITH_OK);
    assert_int_equal(append_checked(&agency->roster, buffer_view(&out)), KITH_STALE);
    for (uint32_t i = 0; i < agency->roster.count; i++)
        assert_int_equal(append_checked(&agency->roster, agency->entries[i]), KITH_STALE);
    buffer_clear(&out);
    made_agency_free(&agency);
}

/* Entries 1 to 3 and the last: founding, invitation, enrolment, change of role. */
static void a_flipped_bit_anywhere_is_refused(void **state)
{
    struct made_agency *agency = made_agency_new();
    uint8_t copy[ENTRY_MAX];
    struct roster roster;

    (void)state;
    (void)made_person(agency, ROLE_SPECIALIST);
    made_role(agency, 2, ROLE_SUPERVISOR, 1);
    for (uint32_t seq = 1; seq <= agency->roster.count; seq++) {
        struct bytes entry = agency->entries[seq - 1];
        replay_into(&roster, agency, seq - 1);
        memcpy(copy, entry.ptr, entry.len);
        for (size_t bit = 0; bit < entry.len * 8; bit++) {
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(append_checked(&roster, bytes_of(copy, entry.len)), KITH_OK);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(append_checked(&roster, bytes_of(copy, entry.len)), KITH_OK);
        roster_clear(&roster);
    }
    made_agency_free(&agency);
}

static void an_entry_cut_or_prolonged_is_refused(void **state)
{
    struct made_agency *agency = made_agency_new();
    uint8_t copy[ENTRY_MAX + 1] = {0};
    struct roster_entry read;
    struct roster roster;

    (void)state;
    (void)made_person(agency, ROLE_SPECIALIST);
    made_role(agency, 2, ROLE_SUPERVISOR, 1);
    for (uint32_t seq = 1; seq <= agency->roster.count; seq++) {
        struct bytes entry = agency->entries[seq - 1];
        replay_into(&roster, agency, seq - 1);
        memcpy(copy, entry.ptr, entry.len);
        for (size_t len = 0; len <= entry.len + 1; len++) {
            if (len == entry.len)
                continue;
            assert_int_not_equal(roster_entry_read(&read, bytes_of(copy, len)), KITH_OK);
            assert_int_not_equal(append_checked(&roster, bytes_of(copy, len)), KITH_OK);
        }
        roster_clear(&roster);
    }
    assert_int_equal(roster_entry_read(&read, bytes_of(copy, sizeof copy)), KITH_TOO_LARGE);
    made_agency_free(&agency);
}

static void an_entry_reads_as_it_was_written(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct roster_entry entry;

    (void)state;
    made_role(agency, 4, ROLE_SPECIALIST, 3);
    for (uint32_t seq = 1; seq <= agency->roster.count; seq++) {
        assert_int_equal(roster_entry_read(&entry, agency->entries[seq - 1]), KITH_OK);
        assert_int_equal(entry.link.seq, seq);
        assert_int_equal(entry.time_s, MADE_NOW_S);
    }
    assert_int_equal(entry.type, ROSTER_ROLE);
    assert_int_equal(entry.author, 1);
    assert_int_equal(entry.person, 4);
    assert_int_equal(entry.roles, ROLE_SPECIALIST);
    assert_int_equal(entry.supervisor, 3);
    assert_memory_equal(entry.link.hash, agency->roster.head, HASH_BYTES);
    made_agency_free(&agency);
}

/* A roster that another version wrote: an entry type or version byte that is not known here. */
static void an_entry_of_another_version_or_type_says_so(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct roster_entry role = {.type = ROSTER_ROLE, .author = 1, .person = 2, .roles = ROLE_ADMIN};
    struct roster_entry read;
    struct buffer out;

    (void)state;
    buffer_init(&out, ENTRY_MAX);
    assert_int_equal(roster_entry_write(&agency->roster, &role, made_sign_secret(agency, 1), &out),
                     KITH_OK);
    out.ptr[1] = KITH_PROTOCOL_VERSION + 1;
    assert_int_equal(roster_entry_read(&read, buffer_view(&out)), KITH_VERSION);
    buffer_reset(&out);
    role.type = (enum roster_type)77;
    assert_int_equal(roster_entry_write(&agency->roster, &role, made_sign_secret(agency, 1), &out),
                     KITH_OK);
    assert_int_not_equal(roster_entry_read(&read, buffer_view(&out)), KITH_OK);
    buffer_clear(&out);
    made_agency_free(&agency);
}

static void roles_are_known_as_they_were_at_any_length_of_the_roster(void **state)
{
    struct made_agency *agency = made_agency_new();
    const struct roster *roster = &agency->roster;

    (void)state;
    (void)made_person(agency, ROLE_TRAINEE);   /* entries 2 and 3 */
    made_role(agency, 2, ROLE_SPECIALIST, 0);  /* 4 */
    (void)made_person(agency, ROLE_CUSTODIAN); /* 5 and 6 */
    made_role(agency, 2, ROLE_SUPERVISOR, 0);  /* 7 */
    static const unsigned history[] = {0,
                                       0,
                                       ROLE_TRAINEE,
                                       ROLE_TRAINEE,
                                       ROLE_SPECIALIST,
                                       ROLE_SPECIALIST,
                                       ROLE_SPECIALIST,
                                       ROLE_SUPERVISOR,
                                       ROLE_SUPERVISOR};
    for (uint32_t seq = 0; seq < COUNT_OF(history); seq++)
        assert_int_equal(roster_roles_at(roster, 2, seq), history[seq]);
    assert_int_equal(roster_roles_at(roster, 1, 1), ROLE_ADMIN);
    assert_int_equal(roster_roles_at(roster, 1, 0), 0);
    assert_int_equal(roster_roles_at(roster, 3, 4), 0);
    assert_int_equal(roster_roles_at(roster, 3, 5), ROLE_CUSTODIAN);
    assert_int_equal(roster_roles_at(roster, 4, 7), 0);
    assert_int_equal(roster_device_roles(roster, 2), ROLE_SUPERVISOR);
    made_agency_free(&agency);
}

static void replaying_gives_what_appending_gave(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct roster appended;
    struct roster replayed;

    (void)state;
    made_role(agency, 4, ROLE_SPECIALIST, 3);
    roster_init(&appended);
    for (uint32_t i = 0; i < agency->roster.count; i++)
        assert_int_equal(roster_append(&appended, agency->entries[i]), KITH_OK);
    replay_into(&replayed, agency, agency->roster.count);
    assert_same_rosters(&appended, &agency->roster);
    assert_same_rosters(&replayed, &agency->roster);
    roster_clear(&appended);
    roster_clear(&replayed);
    made_agency_free(&agency);
}

/* Nothing checks signatures here, but a list that was altered on the disk is noticed at the latest
 * one entry on. */
static void a_damaged_entry_is_found_when_replaying(void **state)
{
    struct made_agency *agency = staffed_agency();
    uint8_t copy[ENTRY_MAX];
    struct roster roster;

    (void)state;
    made_role(agency, 4, ROLE_SPECIALIST, 3);
    for (uint32_t seq = 1; seq < agency->roster.count; seq++) {
        struct bytes entry = agency->entries[seq - 1];
        memcpy(copy, entry.ptr, entry.len);
        for (size_t bit = 0; bit < (entry.len - SIGNATURE_BYTES) * 8; bit++) {
            replay_into(&roster, agency, seq - 1);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum kith_err err = roster_replay(&roster, bytes_of(copy, entry.len));
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (!err)
                err = roster_replay(&roster, agency->entries[seq]);
            assert_int_equal(err, KITH_DAMAGED);
            roster_clear(&roster);
        }
    }
    made_agency_free(&agency);
}

static void a_roster_grows_to_three_hundred_people(void **state)
{
    struct made_agency *agency = made_agency_new();
    struct roster replayed;

    (void)state;
    for (uint32_t i = 2; i <= 300; i++)
        assert_int_equal(made_person(agency, i % 50 == 0 ? ROLE_SUPERVISOR : ROLE_SPECIALIST), i);
    for (uint32_t i = 2; i <= 300; i++) {
        const struct roster_device *device = roster_device(&agency->roster, i);
        assert_int_equal(device->number, i);
        assert_int_equal(device->person, i);
        assert_memory_equal(&device->keys, &agency->devices[i - 1].keys, sizeof device->keys);
        assert_int_equal(roster_person(&agency->roster, i)->roles,
                         i % 50 == 0 ? ROLE_SUPERVISOR : ROLE_SPECIALIST);
    }
    replay_into(&replayed, agency, agency->roster.count);
    assert_same_rosters(&replayed, &agency->roster);
    roster_clear(&replayed);
    made_agency_free(&agency);
}

static void a_role_and_its_word_lead_to_each_other(void **state)
{
    static const struct {
        unsigned role;
        const char *word;
    } roles[] = {
#define ROLE_ROW(name, bit, word) {ROLE_##name, word},
        ROLES(ROLE_ROW)
#undef ROLE_ROW
    };
    unsigned all = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        assert_int_equal(role_of(bytes_text(roles[i].word)), roles[i].role);
        assert_string_equal(role_word(roles[i].role), roles[i].word);
        assert_int_equal(all & roles[i].role, 0);
        all |= roles[i].role;
    }
    assert_int_equal(all, ROLE_ALL);
    assert_int_equal(role_of(bytes_text("special")), 0);
    assert_int_equal(role_of(bytes_text("")), 0);
    assert_string_equal(role_word(0), "");
    assert_string_equal(role_word(ROLE_ADMIN | ROLE_TRAINEE), "");
}

static void rights_follow_from_roles(void **state)
{
    static const struct {
        enum role_right right;
        unsigned roles;
    } rights[] = {
        {MAY_INVITE, ROLE_ADMIN},
        {MAY_REGISTER, ROLE_ALL & ~(unsigned)ROLE_CUSTODIAN},
        {MAY_GRANT, ROLE_SPECIALIST | ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN},
        {MAY_LEAD, ROLE_SUPERVISOR | ROLE_ADMIN},
        {MAY_END, ROLE_ADMIN},
        {MAY_WITHDRAW, ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rights); i++) {
        for (unsigned roles = 0; roles <= ROLE_ALL; roles++)
            assert_int_equal(role_may(roles, rights[i].right), (roles & rights[i].roles) != 0);
    }
}

/* Ends a device, or tries to. */
static enum kith_err end(struct made_agency *agency, uint32_t author, uint32_t device,
                         enum leaving leaving, uint64_t until_s)
{
    struct roster_entry entry = {.type = ROSTER_END,
                                 .author = author,
                                 .device = device,
                                 .leaving = leaving,
                                 .until_s = until_s};
    struct buffer out;

    buffer_init(&out, ENTRY_MAX);
    assert_int_equal(
        roster_entry_write(&agency->roster, &entry, made_sign_secret(agency, author), &out),
        KITH_OK);
    enum kith_err err = append_checked(&agency->roster, buffer_view(&out));
    buffer_clear(&out);
    return err;
}

static void who_manages_leads_or_owns_a_device_may_end_it(void **state)
{
    /* The cast of staffed_agency, and 6: the trainee's second device. */
    static const struct {
        uint32_t author;
        uint32_t device;
        enum kith_err verdict;
    } ends[] = {
        {1, 2, KITH_OK},          /* an admin ends anybody's */
        {1, 5, KITH_OK},          /* an invitation, too */
        {3, 4, KITH_OK},          /* the trainee's supervisor */
        {3, 2, KITH_NOT_ALLOWED}, /* whom it does not lead */
        {4, 6, KITH_OK},          /* one's own other device */
        {4, 4, KITH_OK},          /* and this one */
        {2, 3, KITH_NOT_ALLOWED}, {4, 3, KITH_NOT_ALLOWED},
        {5, 5, KITH_NOT_ALLOWED}, /* an invitation writes nothing */
        {1, 1, KITH_NOT_ALLOWED}, /* the last that can let anybody in */
        {1, 7, KITH_MALFORMED},   /* which is not there */
        {1, 0, KITH_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct made_agency *agency = staffed_agency();
        struct roster_entry invite = {.type = ROSTER_INVITE,
                                      .author = 4,
                                      .device = 6,
                                      .person = 4,
                                      .roles = ROLE_TRAINEE,
                                      .supervisor = 3};
        made_device_keys(&agency->devices[5], 6);
        invite.keys = agency->devices[5].keys;
        assert_int_equal(made_append(agency, &invite, made_sign_secret(agency, 4)), KITH_OK);
        made_enrol(agency, 6);
        enum kith_err err = end(agency, ends[i].author, ends[i].device, LEAVING_REVOKED, 0);
        if (err != ends[i].verdict)
            fail_msg("%u ends %u: %s", ends[i].author, ends[i].device, error_name(err));
        made_agency_free(&agency);
    }
}

static void a_device_is_ended_for_a_reason_that_only_grows_stricter(void **state)
{
    struct made_agency *agency = staffed_agency();
    const struct roster *roster = &agency->roster;

    (void)state;
    assert_int_equal(end(agency, 1, 2, LEAVING_NOT, 0), KITH_MALFORMED);
    assert_int_equal(end(agency, 1, 2, LEAVING_RENEWED, 0), KITH_MALFORMED);
    assert_int_equal(end(agency, 1, 2, LEAVING_TRANSFERRED, 0), KITH_MALFORMED);
    assert_int_equal(end(agency, 1, 2, LEAVING_RETIRED, 1), KITH_MALFORMED);
    assert_int_equal(end(agency, 1, 2, LEAVING_TRANSFERRED, 77), KITH_OK);
    const uint32_t ended = roster->count;
    assert_int_equal(roster_device(roster, 2)->state, DEVICE_ENDED);
    assert_int_equal(roster_device(roster, 2)->leaving, LEAVING_TRANSFERRED);
    assert_int_equal(roster_device(roster, 2)->until_s, 77);
    assert_int_equal(end(agency, 1, 2, LEAVING_TRANSFERRED, 99), KITH_MALFORMED);
    assert_int_equal(end(agency, 1, 2, LEAVING_REVOKED, 0), KITH_OK);
    assert_int_equal(roster_device(roster, 2)->leaving, LEAVING_REVOKED);
    assert_int_equal(roster_device(roster, 2)->until_s, 0);
    assert_int_equal(end(agency, 1, 2, LEAVING_RETIRED, 0), KITH_MALFORMED);
    assert_false(roster_is_ended_at(roster_device(roster, 2), ended - 1));
    assert_true(roster_is_ended_at(roster_device(roster, 2), ended));
    made_agency_free(&agency);
}

static void what_an_agency_is_for_stands_in_its_first_entry_alone(void **state)
{
    static const struct {
        uint8_t items; /* of the content */
        uint8_t kind;
        bool is_well_formed;
    } forms[] = {
        {7, 0xFF, true}, {8, 1, true},  {8, 2, true},     {8, 0, false},
        {8, 3, false},   {7, 1, false}, {8, 0xFF, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct roster roster;
        struct roster_entry entry = {.type = ROSTER_FOUND, .roles = ROLE_ADMIN};
        struct roster_entry read;
        struct buffer out;
        struct buffer bytes;
        struct made_device device;
        made_device_keys(&device, 1);
        entry.keys = device.keys;
        memcpy(entry.root, device.keys.sign, KEY_BYTES);
        roster_init(&roster);
        buffer_init(&out, ENTRY_MAX);
        buffer_init(&bytes, ENTRY_MAX);
        assert_int_equal(roster_entry_write(&roster, &entry, device.sign_secret, &out), KITH_OK);
        /* The content is an array of seven behind six short items and 32 zeros. */
        size_t at = out.len - SIGNATURE_BYTES - 6 * (KEY_BYTES + 2) - 2;
        assert_int_equal(out.ptr[at], 0x97);
        out.ptr[at] = (uint8_t)(0x90 | forms[i].items);
        buffer_add(&bytes, out.ptr, out.len - SIGNATURE_BYTES);
        if (forms[i].kind != 0xFF)
            buffer_add(&bytes, &forms[i].kind, 1);
        buffer_add(&bytes, out.ptr + out.len - SIGNATURE_BYTES, SIGNATURE_BYTES);
        enum kith_err err = roster_entry_read(&read, buffer_view(&bytes));
        assert_int_equal(err == KITH_OK, forms[i].is_well_formed);
        if (!err)
            assert_int_equal(read.agency_kind, forms[i].kind == 0xFF ? 0 : forms[i].kind);
        buffer_clear(&bytes);
        buffer_clear(&out);
    }
}

static void an_ended_device_never_comes_back_by_itself(void **state)
{
    struct made_agency *agency = staffed_agency();
    struct roster_entry again[] = {
        {.type = ROSTER_ENROL, .author = 2},
        {.type = ROSTER_RENEW, .author = 2, .device = 7},
        {.type = ROSTER_INVITE, .author = 2, .device = 7, .person = 2, .roles = ROLE_SPECIALIST},
        {.type = ROSTER_ROLE, .author = 2, .person = 2, .roles = ROLE_ADMIN},
        {.type = ROSTER_END, .author = 2, .device = 2, .leaving = LEAVING_REVOKED},
        {.type = ROSTER_FOUND, .author = 2},
    };

    (void)state;
    /* It had prepared a way back: an invitation of its own. */
    struct roster_entry invite = {
        .type = ROSTER_INVITE, .author = 2, .device = 6, .person = 2, .roles = ROLE_SPECIALIST};
    made_device_keys(&agency->devices[5], 600006);
    invite.keys = agency->devices[5].keys;
    assert_int_equal(made_append(agency, &invite, made_sign_secret(agency, 2)), KITH_OK);
    made_end(agency, 2, LEAVING_RETIRED);
    assert_int_equal(roster_device(&agency->roster, 6)->state, DEVICE_ENDED);
    for (size_t i = 0; i < COUNT_OF(again); i++) {
        struct buffer out;
        again[i].keys = agency->devices[5].keys;
        buffer_init(&out, ENTRY_MAX);
        assert_int_equal(
            roster_entry_write(&agency->roster, &again[i], made_sign_secret(agency, 2), &out),
            KITH_OK);
        assert_int_not_equal(append_checked(&agency->roster, buffer_view(&out)), KITH_OK);
        buffer_clear(&out);
    }
    struct roster_entry enrol = {.type = ROSTER_ENROL, .author = 6};
    enrol.keys = agency->devices[5].keys;
    assert_int_equal(made_append(agency, &enrol, made_sign_secret(agency, 6)), KITH_EXPIRED);
    made_agency_free(&agency);
}

static void a_revoked_admins_open_invitations_end_with_it(void **state)
{
    struct made_agency *agency = staffed_agency();
    uint32_t admin = made_person(agency, ROLE_ADMIN); /* device 6 */
    struct roster_entry invite = {
        .type = ROSTER_INVITE, .author = admin, .device = 7, .person = 7, .roles = ROLE_ADMIN};

    (void)state;
    made_device_keys(&agency->devices[6], 7);
    invite.keys = agency->devices[6].keys;
    assert_int_equal(made_append(agency, &invite, made_sign_secret(agency, admin)), KITH_OK);
    made_end(agency, admin, LEAVING_RETIRED);
    assert_int_equal(roster_device(&agency->roster, 7)->state, DEVICE_INVITED);
    made_end(agency, admin, LEAVING_REVOKED);
    assert_int_equal(roster_device(&agency->roster, 7)->state, DEVICE_ENDED);
    assert_int_equal(roster_device(&agency->roster, 5)->state, DEVICE_INVITED);
    made_agency_free(&agency);
}

static void a_renewed_device_goes_on_under_a_new_number(void **state)
{
    struct made_agency *agency = staffed_agency();
    const struct roster *roster = &agency->roster;
    struct roster_entry renew = {.type = ROSTER_RENEW, .author = 2, .device = 7};
    struct made_device own;
    struct roster copy;

    (void)state;
    made_device_keys(&own, 77);
    renew.keys = own.keys;
    assert_int_equal(made_append(agency, &renew, made_sign_secret(agency, 2)), KITH_STALE);
    renew.device = 6;
    assert_int_equal(made_append(agency, &renew, made_sign_secret(agency, 3)), KITH_SIGNATURE);
    assert_int_equal(made_renewed(agency, 2), 6);
    assert_int_equal(roster_device(roster, 6)->state, DEVICE_ACTIVE);
    assert_int_equal(roster_device(roster, 6)->person, 2);
    assert_int_equal(roster_device(roster, 6)->renews, 2);
    assert_int_equal(roster_device_roles(roster, 6), ROLE_SPECIALIST);
    assert_int_equal(roster_device(roster, 2)->state, DEVICE_ENDED);
    assert_int_equal(roster_device(roster, 2)->leaving, LEAVING_RENEWED);
    /* The second of two clones finds its number ended. */
    renew.device = 7;
    assert_int_equal(made_append(agency, &renew, made_sign_secret(agency, 2)), KITH_NOT_ALLOWED);
    made_end(agency, 6, LEAVING_TRANSFERRED);
    replay_into(&copy, agency, roster->count);
    assert_same_rosters(&copy, roster);
    roster_clear(&copy);
    made_agency_free(&agency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_founding_entry_makes_the_agency_and_its_first_device),
        cmocka_unit_test(another_founding_entry_is_foreign_where_the_id_is_known),
        cmocka_unit_test(an_agency_is_founded_only_once),
        cmocka_unit_test(an_invited_device_enrols_with_keys_of_its_own),
        cmocka_unit_test(an_invitation_is_used_once_and_by_its_key_alone),
        cmocka_unit_test(each_role_adds_what_it_may_and_nothing_else),
        cmocka_unit_test(a_supervisor_who_no_longer_leads_keeps_nobody_from_a_second_device),
        cmocka_unit_test(an_entry_of_an_unknown_author_is_refused),
        cmocka_unit_test(an_entry_that_does_not_follow_the_head_is_stale),
        cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(an_entry_cut_or_prolonged_is_refused),
        cmocka_unit_test(an_entry_reads_as_it_was_written),
        cmocka_unit_test(an_entry_of_another_version_or_type_says_so),
        cmocka_unit_test(roles_are_known_as_they_were_at_any_length_of_the_roster),
        cmocka_unit_test(replaying_gives_what_appending_gave),
        cmocka_unit_test(a_damaged_entry_is_found_when_replaying),
        cmocka_unit_test(a_roster_grows_to_three_hundred_people),
        cmocka_unit_test(a_role_and_its_word_lead_to_each_other),
        cmocka_unit_test(rights_follow_from_roles),
        cmocka_unit_test(who_manages_leads_or_owns_a_device_may_end_it),
        cmocka_unit_test(a_device_is_ended_for_a_reason_that_only_grows_stricter),
        cmocka_unit_test(what_an_agency_is_for_stands_in_its_first_entry_alone),
        cmocka_unit_test(an_ended_device_never_comes_back_by_itself),
        cmocka_unit_test(a_revoked_admins_open_invitations_end_with_it),
        cmocka_unit_test(a_renewed_device_goes_on_under_a_new_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
