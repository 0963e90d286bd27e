/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libkith as an app uses it: a home that belongs to no agency yet, and one that founded an agency
 * on a real hub, which runs in a child process. A home takes a second to make, so there is one of
 * each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/home.h"
#include "daemon/hub.h"
#include "daemon/keys.h"
#include "make.h"
#include "protocol/invite.h"
#include "protocol/seal.h"

#define PASSPHRASE "a passphrase that only tests use"
#define SHOWN_MAX  1024

static char folder[64];
static char lone_home[128];
static char home[128];
static struct kith *lone; /* belongs to no agency */
static struct kith *kith; /* Irma's, who founded one */
static char founding_code[CODE_TEXT_MAX];
static pid_t hub_process;
static int ready_fd;

/* The hub */

static void hub_ready(const char *address)
{
    if (write(ready_fd, address, strlen(address) + 1) < 0)
        _exit(1);
}

static void hub_serve(const char *data)
{
    struct hub *hub;
    struct config config;
    char bound[ADDRESS_MAX];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen("/dev/null", "we", stderr))
        _exit(1);
    config_defaults(&config);
    (void)snprintf(config.listen, sizeof config.listen, "127.0.0.1:0");
    if (hub_open(&hub, data, &config) || hub_listen(hub, bound))
        _exit(1);
    hub_ready(bound);
    int code = hub_run(hub) ? 1 : 0;
    hub_close(&hub);
    _exit(code);
}

static int hub_start(void)
{
    struct ledger_keys keys;
    struct invite_keys founding;
    struct code code = {0};
    char data[128];
    int ends[2];

    (void)snprintf(data, sizeof data, "%s/hub", folder);
    keys_make(&keys);
    memcpy(code.hub_key, keys.noise.public, KEY_BYTES);
    seal_random(code.secret, sizeof code.secret);
    invite_derive(code.secret, &founding);
    if (mkdir(data, 0700) || keys_write(data, &keys) || ledger_create(data, &keys, founding.psk) ||
        pipe(ends))
        return 1;
    ready_fd = ends[1];
    hub_process = fork();
    if (hub_process == 0)
        hub_serve(data);
    (void)close(ends[1]);
    ssize_t len = read(ends[0], code.address, sizeof code.address);
    (void)close(ends[0]);
    return hub_process < 0 || len <= 0 || code_write(&code, founding_code);
}

static int hub_stop(void)
{
    int status = 1;

    if (hub_process <= 0)
        return 1;
    (void)kill(hub_process, SIGTERM);
    (void)waitpid(hub_process, &status, 0);
    return status;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static int homes_open(void **state)
{
    char sheet[KITH_CODE_TEXT];

    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/kith-home-XXXXXX");
    if (!mkdtemp(folder) || hub_start())
        return 1;
    (void)snprintf(lone_home, sizeof lone_home, "%s/lone", folder);
    (void)snprintf(home, sizeof home, "%s/irma", folder);
    if (kith_create(lone_home, PASSPHRASE, &lone) || kith_create(home, PASSPHRASE, &kith))
        return 1;
    return kith_found(kith, founding_code, "Open Door", "Irma Founder", sheet);
}

static int homes_close(void **state)
{
    (void)state;
    kith_close(&lone);
    kith_close(&kith);
    int failed = hub_stop();
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) || failed;
}

/* Short forms */

#define SET(field, value)                                                                          \
    {                                                                                              \
        field, '=', value                                                                          \
    }
#define ADD(field, value)                                                                          \
    {                                                                                              \
        field, '+', value                                                                          \
    }
#define TAKE(field, value)                                                                         \
    {                                                                                              \
        field, '-', value                                                                          \
    }
#define INPUTS_MAX 8

struct inputs {
    struct kith_input rows[INPUTS_MAX];
};

static size_t inputs_count(const struct inputs *inputs)
{
    size_t count = 0;

    while (count < INPUTS_MAX && inputs->rows[count].field)
        count++;
    return count;
}

static int add(const char *type, struct inputs inputs, char id[KITH_ID_TEXT])
{
    return kith_record_add(kith, type, inputs.rows, inputs_count(&inputs), id);
}

static int edit(const char *type, const char *id, struct inputs inputs)
{
    return kith_record_edit(kith, type, id, inputs.rows, inputs_count(&inputs));
}

static void new_participant(const char *name, char id[KITH_ID_TEXT])
{
    assert_int_equal(add("participant", (struct inputs){{SET("name", name)}}, id), 0);
}

static void new_visit(const char *participant, char id[KITH_ID_TEXT])
{
    const struct inputs inputs = {{SET("participant", participant), SET("date", "2026-03-02")}};

    assert_int_equal(add("visit", inputs, id), 0);
}

static const struct kith_field *find_field(const struct kith_record *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

/* A field's values with '|' between; "" if there is none. Valid until the next call. */
static const char *shown(const char *type, const char *id, const char *field)
{
    static char text[SHOWN_MAX];
    struct kith_record *record;
    size_t at = 0;

    text[0] = '\0';
    assert_int_equal(kith_record_show(kith, type, id, &record), 0);
    const struct kith_field *found = find_field(record, field);
    for (size_t i = 0; found && i < found->value_count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? "|" : "",
                               found->values[i].text);
    kith_record_free(&record);
    assert_null(record);
    return text;
}

static uint64_t unsent(void)
{
    struct kith_status status;

    assert_int_equal(kith_status(kith, &status), 0);
    return status.unsent;
}

static void assert_fails(struct kith *with, int code, int expected, const char *detail)
{
    if (code != expected || strcmp(kith_detail(with), detail) != 0)
        fail_msg("%s: '%s' instead of %s: '%s'", kith_error_name(code), kith_detail(with),
                 kith_error_name(expected), detail);
}

/* The home */

static void a_home_is_made_once_and_opens_with_its_passphrase_only(void **state)
{
    char path[160];
    struct stat info;
    struct kith *opened = NULL;
    uint8_t key[KITH_KEY_BYTES];

    (void)state;
    assert_int_equal(kith_create(lone_home, "another", &opened), KITH_EXISTS);
    assert_null(opened);
    (void)snprintf(path, sizeof path, "%s/no/such", folder);
    assert_int_equal(kith_create(path, PASSPHRASE, &opened), KITH_NOT_FOUND);
    assert_int_equal(kith_open(path, PASSPHRASE, &opened), KITH_NOT_FOUND);
    assert_int_equal(stat(lone_home, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    kith_data_key(lone, key);
    kith_close(&lone);
    kith_close(&lone); /* of nothing: nothing */
    assert_int_equal(kith_open(lone_home, "a passphrase", &opened), KITH_PASSPHRASE);
    assert_null(opened);
    key[0] ^= 1;
    assert_int_not_equal(kith_open_with_key(lone_home, key, &opened), 0);
    assert_null(opened);
    key[0] ^= 1;
    assert_int_equal(kith_open_with_key(lone_home, key, &lone), 0);
    assert_int_equal(kith_change_passphrase(lone, "another"), 0);
    kith_close(&lone);
    assert_int_equal(kith_open(lone_home, PASSPHRASE, &opened), KITH_PASSPHRASE);
    assert_int_equal(kith_open(lone_home, "another", &lone), 0);
    assert_string_equal(kith_detail(lone), "");
    assert_string_equal(kith_detail(NULL), "");
}

static void a_home_without_an_agency_says_so(void **state)
{
    static const char no_agency[] =
        "this home belongs to no agency yet: use 'kith join' with a code";
    const struct kith_input name = SET("name", "Maria");
    const struct kith_filter all = {0};
    struct kith_sync_report report;
    struct kith_status status;
    struct kith_person *people;
    struct kith_device *devices;
    struct kith_record *record;
    struct kith_history *history;
    struct kith_list *list;
    struct kith_circle circle;
    char id[KITH_ID_TEXT];
    size_t count;

    (void)state;
    assert_fails(lone, kith_sync(lone, &report), KITH_UNKNOWN_DEVICE, no_agency);
    assert_fails(lone, kith_record_add(lone, "participant", &name, 1, id), KITH_UNKNOWN_DEVICE,
                 no_agency);
    assert_fails(lone, kith_record_edit(lone, "visit", "aaaa", &name, 1), KITH_NOT_FOUND,
                 "no visit 'aaaa' on this device");
    assert_fails(lone, kith_record_show(lone, "visit", "aaaa", &record), KITH_NOT_FOUND,
                 "no visit 'aaaa' on this device");
    assert_null(record);
    assert_fails(lone, kith_record_history(lone, "visit", "aaaa", &history), KITH_NOT_FOUND,
                 "no visit 'aaaa' on this device");
    assert_null(history);
    assert_fails(lone, kith_grant(lone, "Maria", "Irma"), KITH_NOT_FOUND,
                 "no participant 'Maria' on this device");
    assert_fails(lone, kith_circle(lone, "Maria", &circle), KITH_NOT_FOUND,
                 "no participant 'Maria' on this device");
    assert_int_equal(kith_record_list(lone, "visit", &all, &list), 0);
    assert_int_equal(list->count, 0);
    kith_list_free(&list);
    assert_null(list);
    assert_int_equal(kith_people(lone, &people, &count), 0);
    assert_int_equal(count, 0);
    kith_free(people);
    assert_int_equal(kith_devices(lone, &devices, &count), 0);
    assert_int_equal(count, 0);
    kith_free(devices);
    assert_int_equal(kith_status(lone, &status), 0);
    assert_false(status.is_enrolled || status.is_up_to_date);
    assert_int_equal(status.unsent + status.records + status.circles + status.last_sync_ms, 0);
}

static void a_code_that_is_none_or_another_is_refused_before_anything_is_sent(void **state)
{
    char sheet[KITH_CODE_TEXT];
    char altered[CODE_TEXT_MAX];

    (void)state;
    static const char broken[] = "this is not a valid code: check that it was copied whole";
    assert_fails(lone, kith_join(lone, "", "laptop"), KITH_CODE, broken);
    assert_fails(lone, kith_join(lone, "kith1-aaaa", "laptop"), KITH_CODE, broken);
    assert_fails(lone, kith_found(lone, "not a code", "A", "B", sheet), KITH_CODE, broken);
    (void)snprintf(altered, sizeof altered, "%s", founding_code);
    char *last = &altered[strlen(altered) - 1];
    *last = *last == 'a' ? 'b' : 'a';
    assert_fails(lone, kith_found(lone, altered, "A", "B", sheet), KITH_CODE, broken);
    assert_fails(lone, kith_join(lone, founding_code, "laptop"), KITH_CODE,
                 "this code founds an agency: use it with 'kith found'");
    assert_fails(kith, kith_found(kith, founding_code, "A", "B", sheet), KITH_EXISTS,
                 "this home already belongs to an agency");
}

static void an_invitation_that_cannot_be_is_refused_with_what_is_wrong(void **state)
{
    char code[KITH_CODE_TEXT];
    uint64_t expires;
    const struct kith_invitation no_role = {.person = "Ana", .expires_ms = 60000};
    const struct kith_invitation bad_role = {.person = "Ana", .role = "boss", .expires_ms = 60000};
    const struct kith_invitation no_such = {
        .person = "Ana", .role = "specialist", .supervisor = "Rosa", .expires_ms = 60000};
    static const char roles[] =
        "a role is one of: specialist, trainee, volunteer, supervisor, custodian, admin";

    (void)state;
    assert_fails(kith, kith_invite(kith, &no_role, code, &expires), KITH_INPUT, roles);
    assert_fails(kith, kith_invite(kith, &bad_role, code, &expires), KITH_INPUT, roles);
    assert_fails(kith, kith_invite(kith, &no_such, code, &expires), KITH_NOT_FOUND,
                 "no person 'Rosa'");
}

/* Records */

static void a_new_record_that_does_not_fit_is_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *type;
        struct inputs inputs;
        int code;
        const char *detail;
    } rows[] = {
        {"nothing", {{SET("name", "x")}}, KITH_INPUT, "there are no records of type 'nothing'"},
        {"note", {{SET("purpose", "x")}}, KITH_INPUT, "there are no records of type 'note'"},
        {"participant",
         {{{0}}},
         KITH_INPUT,
         "a new participant needs 'name': Full name, as on the insurance card"},
        {"participant",
         {{SET("phone", "1")}},
         KITH_INPUT,
         "a new participant needs 'name': Full name, as on the insurance card"},
        {"participant",
         {{SET("name", "")}},
         KITH_INPUT,
         "a new participant needs 'name': Full name, as on the insurance card"},
        {"participant",
         {{SET("name", "A"), SET("colour", "red")}},
         KITH_INPUT,
         "a participant has no field 'colour'"},
        {"participant",
         {{SET("name", "A"), SET("participant", "B")}},
         KITH_INPUT,
         "a participant has no field 'participant'"},
        {"participant",
         {{SET("name", "A"), SET("dob", "1971-02-29")}},
         KITH_INPUT,
         "dob: expected a date like 2026-03-02, today or yesterday"},
        {"participant",
         {{SET("name", "A"), SET("part2", "perhaps")}},
         KITH_INPUT,
         "part2: expected yes or no"},
        {"participant",
         {{SET("name", "A"), SET("programme", "mh")}},
         KITH_INPUT,
         "programme: expected one of: MH SUD both"},
        {"participant",
         {{ADD("name", "A")}},
         KITH_INPUT,
         "name: '+=' does not fit a field of class exact"},
        {"participant",
         {{TAKE("name", "A")}},
         KITH_INPUT,
         "name: '-=' does not fit a field of class exact"},
        {"participant",
         {{SET("name", "A"), {"phone", '*', "1"}}},
         KITH_INPUT,
         "phone: '*=' does not fit a field of class set"},
        {"participant", {{SET("name", "A"), SET("name", "B")}}, KITH_INPUT, "name: given twice"},
        {"participant",
         {{SET("name", "A"), ADD("phone", "")}},
         KITH_INPUT,
         "phone: expected a value"},
        {"visit",
         {{SET("date", "2026-03-02")}},
         KITH_INPUT,
         "a new visit needs 'participant': whose is it?"},
        {"visit",
         {{SET("participant", "Nobody"), SET("date", "2026-03-02")}},
         KITH_NOT_FOUND,
         "no participant 'Nobody' on this device"},
        {"visit",
         {{SET("participant", "Nobody")}},
         KITH_INPUT,
         "a new visit needs 'date': Day of the visit"},
        {"visit",
         {{SET("participant", "Nobody"), SET("date", "2026-03-02"), SET("specialist", "Nobody")}},
         KITH_INPUT,
         "specialist: expected a person's name or number"},
        {"visit",
         {{SET("participant", "Nobody"), SET("date", "2026-03-02"), ADD("goals", "aaaa")}},
         KITH_INPUT,
         "goals: expected a record's id"},
        {"referral",
         {{SET("participant", "Nobody"), SET("resource", "R"), TAKE("steps", "offered")}},
         KITH_INPUT,
         "steps: '-=' does not fit a field of class entries"},
        {"referral",
         {{SET("participant", "Nobody"), SET("resource", "R"), ADD("steps", "given")}},
         KITH_INPUT,
         "steps: expected one of: offered accepted scheduled attended declined"},
    };
    uint64_t before = unsent();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char id[KITH_ID_TEXT] = "untouched";
        assert_fails(kith, add(rows[i].type, rows[i].inputs, id), rows[i].code, rows[i].detail);
        assert_string_equal(id, "untouched");
    }
    assert_int_equal(unsent(), before);
}

static void more_fields_than_one_change_takes_are_refused(void **state)
{
    struct kith_input inputs[300];
    char values[300][16];
    char id[KITH_ID_TEXT];

    (void)state;
    inputs[0] = (struct kith_input)SET("name", "Many Phones");
    for (size_t i = 1; i < COUNT_OF(inputs); i++) {
        (void)snprintf(values[i], sizeof values[i], "555-%04u", (unsigned)i);
        inputs[i] = (struct kith_input)ADD("phone", values[i]);
    }
    assert_fails(kith, kith_record_add(kith, "participant", inputs, COUNT_OF(inputs), id),
                 KITH_TOO_LARGE, "more than 256 fields at once");
    assert_int_equal(kith_record_add(kith, "participant", inputs, 256, id), 0);
}

static void an_id_that_finds_no_single_record_is_refused_with_what_is_wrong(void **state)
{
    static const struct {
        const char *type;
        const char *id;
        int code;
        const char *detail;
    } rows[] = {
        {"nothing", "aaaa", KITH_INPUT, "there are no records of type 'nothing'"},
        {"goal", "", KITH_INPUT, "'' is not an id: 4 characters of it or more are needed"},
        {"goal", "aaa", KITH_INPUT, "'aaa' is not an id: 4 characters of it or more are needed"},
        {"goal", "!!!!", KITH_INPUT, "'!!!!' is not an id: 4 characters of it or more are needed"},
        {"goal", "zzzzzz", KITH_NOT_FOUND, "no goal 'zzzzzz' on this device"},
        {"goal", "aaaa", KITH_AMBIGUOUS, "more than one goal begins with 'aaaa'"},
        {"plan", "aaaa", KITH_NOT_FOUND, "no plan 'aaaa' on this device"},
    };
    char chart[KITH_ID_TEXT];
    uint8_t circle[ID_BYTES];
    struct buffer value;

    (void)state;
    new_participant("Goal Owner", chart);
    assert_int_equal(home_participant(kith, chart, circle), KITH_OK);
    buffer_init(&value, 64);
    wire_put_text(&value, bytes_text("to walk"));
    for (uint8_t i = 0; i < 2; i++) { /* two goals that begin with aaaa */
        struct edit goal = {
            .type = RECORD_GOAL, .field = 2, .kind = OP_PUT, .value = buffer_view(&value)};
        goal.record[15] = i;
        assert_int_equal(home_save(kith, circle, &goal, 1), KITH_OK);
    }
    buffer_clear(&value);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct kith_record *record;
        struct kith_history *history;
        const struct kith_input text = SET("text", "x");
        assert_fails(kith, kith_record_show(kith, rows[i].type, rows[i].id, &record), rows[i].code,
                     rows[i].detail);
        assert_null(record);
        assert_fails(kith, kith_record_history(kith, rows[i].type, rows[i].id, &history),
                     rows[i].code, rows[i].detail);
        assert_null(history);
        assert_fails(kith, kith_record_edit(kith, rows[i].type, rows[i].id, &text, 1), rows[i].code,
                     rows[i].detail);
    }
    assert_string_equal(shown("goal", "aaaaaaaaaaaaaaaaaaaaaaaaae", "text"), "to walk");
}

static void a_participant_is_found_by_name_whatever_the_case_and_by_prefix(void **state)
{
    char first[KITH_ID_TEXT];
    char second[KITH_ID_TEXT];
    char visit[KITH_ID_TEXT];
    char prefix[9] = {0};

    (void)state;
    new_participant("Maria Lopez", first);
    new_visit("maria LOPEZ", visit);
    assert_string_equal(shown("visit", visit, "participant"), first);
    memcpy(prefix, first, sizeof prefix - 1);
    new_visit(prefix, visit);
    assert_string_equal(shown("visit", visit, "participant"), first);
    new_participant("Maria Lopez", second);
    const struct inputs twice = {{SET("participant", "Maria Lopez"), SET("date", "2026-03-02")}};
    assert_fails(kith, add("visit", twice, visit), KITH_AMBIGUOUS,
                 "more than one participant fits 'Maria Lopez': use the id");
    new_visit(second, visit);
    assert_string_equal(shown("visit", visit, "participant"), second);
}

static void an_edit_sets_clears_adds_and_takes(void **state)
{
    char id[KITH_ID_TEXT];
    static const struct {
        struct inputs inputs;
        const char *field;
        const char *shown;
    } rows[] = {
        {{{SET("dob", "1971-02-28")}}, "dob", "1971-02-28"},
        {{{SET("dob", "1972-02-29")}}, "dob", "1972-02-29"},
        {{{SET("dob", "")}}, "dob", ""},
        {{{SET("language", "Español"), SET("pronouns", "she")}}, "language", "Español"},
        {{{SET("do_not_contact", "yes")}}, "do_not_contact", "yes"},
        {{{SET("do_not_contact", "no")}}, "do_not_contact", "no"},
        {{{ADD("phone", "555-1")}}, "phone", "555-1"},
        {{{ADD("phone", "555-1")}}, "phone", "555-1"},
        {{{ADD("phone", "555-2"), ADD("phone", "555-3")}}, "phone", "555-1|555-2|555-3"},
        {{{TAKE("phone", "555-1"), TAKE("phone", "555-3")}}, "phone", "555-2"},
        {{{TAKE("phone", "555-9")}}, "phone", "555-2"},
        {{{TAKE("phone", "555-2"), ADD("phone", "555-4")}}, "phone", "555-4"},
        {{{ADD("phone", "555-2")}}, "phone", "555-2|555-4"},
        {{{SET("phone", "555-5")}}, "phone", "555-2|555-4|555-5"},
    };

    (void)state;
    new_participant("Edited Person", id);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(edit("participant", id, rows[i].inputs), 0);
        assert_string_equal(shown("participant", id, rows[i].field), rows[i].shown);
    }
    assert_string_equal(shown("participant", id, "pronouns"), "she");
}

static void an_edit_that_changes_nothing_writes_nothing(void **state)
{
    char id[KITH_ID_TEXT];

    (void)state;
    new_participant("Steady Person", id);
    assert_int_equal(
        edit("participant", id, (struct inputs){{ADD("phone", "1"), SET("dob", "1971-01-01")}}), 0);
    uint64_t before = unsent();
    assert_int_equal(edit("participant", id, (struct inputs){{SET("name", "Steady Person")}}), 0);
    assert_int_equal(
        edit("participant", id, (struct inputs){{ADD("phone", "1"), SET("dob", "1971-01-01")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{TAKE("phone", "2")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{{0}}}), 0);
    assert_int_equal(unsent(), before);
    assert_int_equal(edit("participant", id, (struct inputs){{ADD("phone", "2")}}), 0);
    assert_int_equal(unsent(), before + 1);
}

static void what_is_fixed_or_a_chart_of_its_own_stays(void **state)
{
    char chart[KITH_ID_TEXT];
    char visit[KITH_ID_TEXT];
    char plan[KITH_ID_TEXT];

    (void)state;
    new_participant("Fixed Person", chart);
    new_visit(chart, visit);
    assert_string_equal(shown("visit", visit, "specialist"),
                        "Irma Founder"); /* unless somebody else is named */
    assert_fails(kith, edit("visit", visit, (struct inputs){{SET("specialist", "1")}}),
                 KITH_NOT_ALLOWED, "specialist is set when a visit is made and stays");
    assert_fails(kith, edit("visit", visit, (struct inputs){{SET("participant", chart)}}),
                 KITH_NOT_ALLOWED, "a visit stays with its participant");
    assert_int_equal(
        add("plan", (struct inputs){{SET("participant", chart), SET("kind", "wrap")}}, plan), 0);
    assert_fails(kith, edit("plan", plan, (struct inputs){{SET("kind", "crisis")}}),
                 KITH_NOT_ALLOWED, "kind is set when a plan is made and stays");
    assert_string_equal(shown("plan", plan, "kind"), "wrap");
    /* A fixed field that was left open may be written once. */
    assert_int_equal(edit("visit", visit, (struct inputs){{SET("group_id", "g1")}}), 0);
    assert_fails(kith, edit("visit", visit, (struct inputs){{SET("group_id", "g2")}}),
                 KITH_NOT_ALLOWED, "group_id is set when a visit is made and stays");
}

static void a_refused_edit_leaves_every_field_as_it_was(void **state)
{
    char id[KITH_ID_TEXT];

    (void)state;
    new_participant("Whole Person", id);
    uint64_t before = unsent();
    const struct inputs inputs = {
        {SET("language", "English"), ADD("phone", "1"), SET("dob", "soon")}};
    assert_fails(kith, edit("participant", id, inputs), KITH_INPUT,
                 "dob: expected a date like 2026-03-02, today or yesterday");
    assert_string_equal(shown("participant", id, "language"), "");
    assert_string_equal(shown("participant", id, "phone"), "");
    assert_int_equal(unsent(), before);
}

static void entries_grow_in_order_and_lose_nothing(void **state)
{
    char chart[KITH_ID_TEXT];
    char referral[KITH_ID_TEXT];
    static const char *const steps[] = {"offered", "accepted", "offered"};

    (void)state;
    new_participant("Referred Person", chart);
    assert_int_equal(add("referral",
                         (struct inputs){{SET("participant", chart), SET("resource", "Clinic")}},
                         referral),
                     0);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        assert_int_equal(edit("referral", referral, (struct inputs){{ADD("steps", steps[i])}}), 0);
    assert_string_equal(shown("referral", referral, "steps"), "offered|accepted|offered");
}

static void a_visit_and_its_note_are_one_record(void **state)
{
    char chart[KITH_ID_TEXT];
    char visit[KITH_ID_TEXT];

    (void)state;
    new_participant("Visited Person", chart);
    uint64_t before = unsent();
    const struct inputs inputs = {{SET("participant", chart), SET("date", "2026-03-02"),
                                   SET("start", "2026-03-02T14:05-05:00"),
                                   SET("purpose", "First line\nsecond line"), SET("risk", "urgent"),
                                   ADD("interventions", "linkage")}};
    assert_int_equal(add("visit", inputs, visit), 0);
    assert_int_equal(unsent(), before + 1);
    assert_string_equal(shown("visit", visit, "start"), "2026-03-02T14:05-05:00");
    assert_string_equal(shown("visit", visit, "purpose"), "First line\nsecond line");
    assert_string_equal(shown("visit", visit, "risk"), "urgent");
    assert_string_equal(shown("visit", visit, "interventions"), "linkage");
    assert_string_equal(shown("visit", visit, "participant"), chart);
}

static void history_tells_every_write_and_which_stand(void **state)
{
    char id[KITH_ID_TEXT];
    struct kith_history *history;
    static const struct {
        const char *field;
        char op;
        const char *value;
        bool is_live;
    } expected[] = {
        {"name", '=', "Told Person", true}, {"dob", '=', "1971-01-01", false},
        {"phone", '+', "1", false},         {"dob", '=', "1972-01-01", true},
        {"phone", '-', "1", false},         {"phone", '+', "2", true},
    };

    (void)state;
    new_participant("Told Person", id);
    assert_int_equal(edit("participant", id, (struct inputs){{SET("dob", "1971-01-01")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{ADD("phone", "1")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{SET("dob", "1972-01-01")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{TAKE("phone", "1")}}), 0);
    assert_int_equal(edit("participant", id, (struct inputs){{ADD("phone", "2")}}), 0);
    assert_int_equal(kith_record_history(kith, "participant", id, &history), 0);
    assert_int_equal(history->count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct kith_event *event = &history->events[i];
        assert_string_equal(event->field, expected[i].field);
        assert_int_equal(event->op, expected[i].op);
        assert_string_equal(event->value, expected[i].value);
        assert_int_equal(event->is_live, expected[i].is_live);
        assert_string_equal(event->person, "Irma Founder");
        assert_int_equal(event->device, 1);
        assert_int_equal(event->n, i + 1);
        assert_true(i == 0 || event->time_ms >= history->events[i - 1].time_ms);
    }
    kith_history_free(&history);
    assert_null(history);
    kith_history_free(&history);
}

static size_t list_count(const char *type, const struct kith_filter *filter)
{
    struct kith_list *list;

    assert_int_equal(kith_record_list(kith, type, filter, &list), 0);
    for (size_t i = 1; i < list->count; i++)
        assert_true(list->records[i]->created_ms >= list->records[i - 1]->created_ms);
    size_t count = list->count;
    kith_list_free(&list);
    return count;
}

static void a_list_is_of_whom_since_when_and_in_which_state_was_asked(void **state)
{
    char one[KITH_ID_TEXT];
    char two[KITH_ID_TEXT];
    char id[KITH_ID_TEXT];
    struct kith_list *list;
    struct kith_record *record;

    (void)state;
    new_participant("Listed One", one);
    new_participant("Listed Two", two);
    for (unsigned i = 0; i < 3; i++) {
        const struct inputs goal = {{SET("participant", i ? one : two), SET("text", "to walk"),
                                     SET("status", i == 2 ? "met" : "open")}};
        (void)usleep(2000); /* so that each has a millisecond of its own */
        assert_int_equal(add("goal", goal, id), 0);
    }
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = "Listed One"}), 2);
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = two}), 1);
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = one, .state = "met"}),
                     1);
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = one, .state = "none"}),
                     0);
    assert_int_equal(list_count("plan", &(struct kith_filter){.participant = one}), 0);
    assert_int_equal(kith_record_show(kith, "goal", id, &record), 0);
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = one,
                                                              .since_ms = record->touched_ms}),
                     1);
    assert_int_equal(list_count("goal", &(struct kith_filter){.participant = one,
                                                              .since_ms = record->touched_ms + 1}),
                     0);
    assert_string_equal(record->state, "met");
    kith_record_free(&record);
    const struct kith_filter nobody = {.participant = "Nobody"};
    assert_fails(kith, kith_record_list(kith, "goal", &nobody, &list), KITH_NOT_FOUND,
                 "no participant 'Nobody' on this device");
    assert_null(list);
    assert_fails(kith, kith_record_list(kith, "nothing", &nobody, &list), KITH_INPUT,
                 "there are no records of type 'nothing'");
    assert_null(list);
}

static void a_record_is_on_this_device_until_the_hub_has_given_its_receipt(void **state)
{
    char id[KITH_ID_TEXT];
    struct kith_record *record;
    struct kith_sync_report report;
    struct kith_status status;

    (void)state;
    new_participant("Sent Person", id);
    assert_int_equal(kith_record_show(kith, "participant", id, &record), 0);
    assert_int_equal(record->place, KITH_ON_DEVICE);
    assert_int_equal(record->receipt_n, 0);
    assert_string_equal(record->circle, id);
    kith_record_free(&record);
    uint64_t waiting = unsent();
    assert_int_equal(kith_sync(kith, &report), 0);
    assert_int_equal(report.sent, waiting);
    assert_int_equal(report.refused, 0);
    assert_true(report.is_up_to_date);
    assert_int_equal(kith_record_show(kith, "participant", id, &record), 0);
    assert_int_equal(record->place, KITH_AT_HUB);
    assert_int_equal(record->receipt_n, 1);
    kith_record_free(&record);
    assert_int_equal(kith_status(kith, &status), 0);
    assert_true(status.is_enrolled && status.is_up_to_date);
    assert_int_equal(status.unsent + status.refused + status.conflicts, 0);
}

static void a_grant_names_a_participant_and_a_person_who_exist(void **state)
{
    char id[KITH_ID_TEXT];
    struct kith_circle circle;

    (void)state;
    new_participant("Granted Person", id);
    assert_fails(kith, kith_grant(kith, "Granted Person", "Nobody"), KITH_NOT_FOUND,
                 "no person 'Nobody'");
    assert_fails(kith, kith_grant(kith, "Granted Person", "2"), KITH_NOT_FOUND, "no person '2'");
    assert_fails(kith, kith_grant(kith, "Nobody", "1"), KITH_NOT_FOUND,
                 "no participant 'Nobody' on this device");
    assert_fails(kith, kith_grant(kith, "Granted Person", "irma founder"), KITH_EXISTS,
                 "irma founder can already read this chart");
    assert_int_equal(kith_circle(kith, id, &circle), 0);
    assert_string_equal(circle.id, id);
    assert_int_equal(circle.epoch, 1);
    assert_int_equal(circle.member_count, 1);
    assert_string_equal(circle.members[0].name, "Irma Founder");
    assert_string_equal(circle.members[0].role, "custodian,admin");
    assert_true(circle.members[0].is_self);
    kith_circle_free(&circle);
}

/* What was reported as saved is there after the home was closed. */
static void a_home_opened_again_holds_what_was_saved(void **state)
{
    char id[KITH_ID_TEXT];

    (void)state;
    new_participant("Kept Person", id);
    assert_int_equal(edit("participant", id, (struct inputs){{ADD("phone", "555-1")}}), 0);
    uint64_t before = unsent();
    kith_close(&kith);
    assert_int_equal(kith_open(home, PASSPHRASE, &kith), 0);
    assert_string_equal(shown("participant", id, "name"), "Kept Person");
    assert_string_equal(shown("participant", id, "phone"), "555-1");
    assert_int_equal(unsent(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_home_is_made_once_and_opens_with_its_passphrase_only),
        cmocka_unit_test(a_home_without_an_agency_says_so),
        cmocka_unit_test(a_code_that_is_none_or_another_is_refused_before_anything_is_sent),
        cmocka_unit_test(an_invitation_that_cannot_be_is_refused_with_what_is_wrong),
        cmocka_unit_test(a_new_record_that_does_not_fit_is_refused_with_what_is_wrong),
        cmocka_unit_test(more_fields_than_one_change_takes_are_refused),
        cmocka_unit_test(an_id_that_finds_no_single_record_is_refused_with_what_is_wrong),
        cmocka_unit_test(a_participant_is_found_by_name_whatever_the_case_and_by_prefix),
        cmocka_unit_test(an_edit_sets_clears_adds_and_takes),
        cmocka_unit_test(an_edit_that_changes_nothing_writes_nothing),
        cmocka_unit_test(what_is_fixed_or_a_chart_of_its_own_stays),
        cmocka_unit_test(a_refused_edit_leaves_every_field_as_it_was),
        cmocka_unit_test(entries_grow_in_order_and_lose_nothing),
        cmocka_unit_test(a_visit_and_its_note_are_one_record),
        cmocka_unit_test(history_tells_every_write_and_which_stand),
        cmocka_unit_test(a_list_is_of_whom_since_when_and_in_which_state_was_asked),
        cmocka_unit_test(a_record_is_on_this_device_until_the_hub_has_given_its_receipt),
        cmocka_unit_test(a_grant_names_a_participant_and_a_person_who_exist),
        cmocka_unit_test(a_home_opened_again_holds_what_was_saved),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, homes_open, homes_close);
}
