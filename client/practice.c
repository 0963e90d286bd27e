/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A home for practice: an agency of its own that says so in its first entry, on this device alone,
 * with made-up people.
 *
 * The hub key in that entry is nobody's: its secret half is never made. No hub takes such an entry,
 * and no other agency takes what was written under it, since the agency's id, which every change
 * and signature covers, is that entry's hash.
 */
#include <stdio.h>
#include <string.h>

#include "client/home.h"
#include "client/moment.h"
#include "protocol/seal.h"

#define MARK       " (practice)"
#define DAY_MS     86400000u
#define INPUTS_MAX 24

bool home_is_practice(const struct kith *kith)
{
    return replica_roster(kith->replica)->kind == AGENCY_PRACTICE;
}

enum kith_err home_check_not_practice(struct kith *kith)
{
    return home_is_practice(kith) ? home_fail(kith, KITH_PRACTICE,
                                              "this home is for practice: it has no hub, and "
                                              "nothing of it leaves this device")
                                  : KITH_OK;
}

int kith_agency_kind(struct kith *kith)
{
    return (int)replica_roster(kith->replica)->kind;
}

/* A box key is one that can be agreed with; its secret half goes at once. */
static void nobodys_key(uint8_t key[static KEY_BYTES])
{
    uint8_t secret[KEY_BYTES];

    seal_random(secret, sizeof secret);
    seal_box_public(secret, key);
    seal_wipe(secret, sizeof secret);
}

static enum kith_err found_alone(struct kith *kith)
{
    struct identity identity = *replica_identity(kith->replica);
    struct roster_entry entry = {.type = ROSTER_FOUND, .agency_kind = AGENCY_PRACTICE};
    uint8_t root_secret[SIGN_KEY_BYTES];

    nobodys_key(identity.hub_key);
    identity.device = 1;
    seal_random(identity.root_seed, KEY_BYTES);
    seal_sign_keypair(identity.root_seed, entry.root, root_secret);
    entry.time_s = home_clock_ms() / 1000;
    entry.roles = ROLE_SPECIALIST | ROLE_SUPERVISOR | ROLE_CUSTODIAN | ROLE_ADMIN;
    memcpy(entry.hub_noise, identity.hub_key, KEY_BYTES);
    nobodys_key(entry.hub_sign);
    identity_public(&identity, &entry.keys);
    enum kith_err err = replica_set_identity(kith->replica, &identity);
    if (!err)
        err = replica_append_alone(kith->replica, &entry, root_secret);
    seal_wipe(&identity, sizeof identity);
    seal_wipe(root_secret, sizeof root_secret);
    return err;
}

/* Somebody to share charts with: a name in the roster, without a device. */
static enum kith_err add_colleague(struct kith *kith, const char *name, unsigned roles)
{
    const struct roster *roster = replica_roster(kith->replica);
    struct roster_entry entry = {.type = ROSTER_INVITE,
                                 .author = 1,
                                 .time_s = home_clock_ms() / 1000,
                                 .device = roster->device_count + 1,
                                 .person = roster->person_count + 1,
                                 .roles = roles};

    nobodys_key(entry.keys.sign);
    nobodys_key(entry.keys.box);
    enum kith_err err =
        replica_append_alone(kith->replica, &entry, replica_identity(kith->replica)->sign_secret);
    return err ? err : home_save_name(kith, RECORD_PERSON, entry.person, name);
}

/* The people and what is known of them. All of it is made up. */
static const struct {
    const char *name;
    const char *preferred;
    const char *goal;
    const char *domain;
} people[] = {
    {"Maria Muster" MARK, "Mia", "I want to ride the bus downtown on my own.", "community"},
    {"Sam Sample" MARK, "", "I want to sleep through the night.", "health"},
    {"Lee Placeholder" MARK, "", "I want to talk with my sister again.", "relationships"},
};

/* Visits so many days back, by person; the last one is left for whoever practises to finish. */
static const struct {
    size_t person;
    unsigned back;
    const char *did;
    const char *response;
    const char *next;
} visits[] = {
    {0, 9, "We looked at the bus map together and I told how I once got lost.",
     "She laughed, and drew the way to the library herself.", "Ride two stops together."},
    {0, 2, "We rode two stops.", "She paid the fare on her own.", "Ride to the library."},
    {1, 5, "We wrote down what helps before going to bed.", "He wants to try a warm shower.",
     "Look at the list again."},
    {2, 1, "We practised what to say on the phone.", "", ""},
};
#define VISIT_COUNT (sizeof visits / sizeof *visits)

static void day_back(const struct kith *kith, unsigned back, char date[static MOMENT_TEXT_MAX])
{
    char whole[MOMENT_TEXT_MAX];

    moment_write(home_now_ms(kith) - (uint64_t)back * DAY_MS, whole);
    (void)snprintf(date, MOMENT_TEXT_MAX, "%.10s", whole);
}

static int add_person(struct kith *kith, size_t place, char chart[static KITH_ID_TEXT],
                      char goal[static KITH_ID_TEXT])
{
    char code[16];
    char plan[KITH_ID_TEXT];

    (void)snprintf(code, sizeof code, "PRACTICE-%zu", place + 1);
    const struct kith_input who[] = {{"name", '=', people[place].name},
                                     {"preferred_name", '=', people[place].preferred},
                                     {"local_code", '=', code},
                                     {"medicaid_id", '=', code},
                                     {"programme", '=', "MH"}};
    int err = kith_record_add(kith, "participant", who, sizeof who / sizeof *who, chart);
    const struct kith_input intent[] = {
        {"participant", '=', chart}, {"kind", '=', "service"}, {"status", '=', "active"}};
    if (!err)
        err = kith_record_add(kith, "plan", intent, sizeof intent / sizeof *intent, plan);
    const struct kith_input wish[] = {{"participant", '=', chart},
                                      {"plan", '=', plan},
                                      {"text", '=', people[place].goal},
                                      {"domain", '=', people[place].domain}};
    return err ? err : kith_record_add(kith, "goal", wish, sizeof wish / sizeof *wish, goal);
}

static int add_visit(struct kith *kith, size_t place, const char *chart, const char *goal)
{
    char date[MOMENT_TEXT_MAX];
    char start[MOMENT_TEXT_MAX + 8];
    char end[MOMENT_TEXT_MAX + 8];
    char id[KITH_ID_TEXT];

    day_back(kith, visits[place].back, date);
    (void)snprintf(start, sizeof start, "%s 10:00", date);
    (void)snprintf(end, sizeof end, "%s 10:50", date);
    const struct kith_input said[] = {
        {"participant", '=', chart},
        {"date", '=', date},
        {"start", '=', start},
        {"end", '=', end},
        {"code", '=', "H0038"},
        {"place", '=', "home"},
        {"goals", '+', goal},
        {"interventions", '+', "shared_lived_experience"},
        {"purpose", '=', "A step toward the goal."},
        {"what_was_done", '=', visits[place].did},
        {"response", '=', visits[place].response},
        {"plan_next", '=', visits[place].next},
    };
    int err = kith_record_add(kith, "visit", said, sizeof said / sizeof *said, id);
    return err || place + 1 == VISIT_COUNT ? err : kith_visit_sign(kith, id, 0);
}

static int add_people(struct kith *kith)
{
    char charts[sizeof people / sizeof *people][KITH_ID_TEXT];
    char goals[sizeof people / sizeof *people][KITH_ID_TEXT];
    char id[KITH_ID_TEXT];
    const struct kith_input place[] = {{"name", '=', "Library" MARK},
                                       {"categories", '+', "quiet place"},
                                       {"times", '+', "Mon to Sat, 9 to 18"}};
    int err = kith_record_add(kith, "resource", place, sizeof place / sizeof *place, id);

    for (size_t i = 0; i < sizeof people / sizeof *people && !err; i++)
        err = add_person(kith, i, charts[i], goals[i]);
    for (size_t i = 0; i < VISIT_COUNT && !err; i++)
        err = add_visit(kith, i, charts[visits[i].person], goals[visits[i].person]);
    return err;
}

int kith_practise(struct kith *kith, const char *person)
{
    char name[KITH_NAME_TEXT];
    int len = snprintf(name, sizeof name, "%s" MARK, person);

    kith->detail[0] = '\0';
    if (len < 0 || (size_t)len >= sizeof name)
        return home_fail(kith, KITH_INPUT, "this name is too long");
    if (replica_roster(kith->replica)->count > 0)
        return home_fail(kith, KITH_EXISTS, "this home already belongs to an agency");
    enum kith_err err = found_alone(kith);
    if (!err)
        err = home_found_agency(kith, "Practice agency", name);
    if (!err)
        err = add_colleague(kith, "Rosa Probe" MARK, ROLE_SUPERVISOR);
    if (!err)
        err = add_colleague(kith, "Omar Essai" MARK, ROLE_SPECIALIST);
    return err ? (int)err : add_people(kith);
}
