/* SPDX-License-Identifier: Apache-2.0 */
/* Founding, joining, inviting; who is here, and who may read what. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/commands.h"
#include "client/cli/leaving.h"
#include "client/cli/json.h"
#include "client/cli/qr.h"
#include "client/cli/recovery.h"
#include "client/cli/when.h"

#define DAY_MS (24ull * 60 * 60 * 1000)

/* What a new member is called, for the answer: empty where it is not known yet. */
struct self {
    char person[KITH_NAME_TEXT];
    uint32_t device;
    char device_name[KITH_NAME_TEXT];
};

static void self_find(struct cli *cli, struct self *self)
{
    struct kith_device *devices = NULL;
    size_t count = 0;

    *self = (struct self){0};
    if (kith_devices(cli->kith, &devices, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!devices[i].is_self)
            continue;
        self->device = devices[i].number;
        (void)snprintf(self->person, sizeof self->person, "%s", devices[i].person);
        (void)snprintf(self->device_name, sizeof self->device_name, "%s", devices[i].name);
    }
    kith_free(devices);
}

static enum exit_code fail_enrolling(struct cli *cli, int code, bool is_new)
{
    enum exit_code done = cli_fail(cli, code);

    if (is_new)
        cli_remark("      Your home in %s is made and your passphrase stands:\n"
                   "      the next try goes on from there.",
                   cli->home);
    return done;
}

static void founded_show(const struct cli *cli, const char *agency, const char *sheet)
{
    (void)fprintf(cli->show.out, "%s is founded, and this is its first device.\n\n", agency);
    sheet_show(cli, sheet, isatty(fileno(cli->show.out)));
    (void)fputs("Next: `kith invite --person NAME --role specialist`\n", cli->show.out);
}

enum exit_code agency_found(struct cli *cli, const struct arguments *arguments)
{
    const char *agency = arguments_option(arguments, "--agency");
    const char *person = arguments_option(arguments, "--person");
    char sheet[KITH_CODE_TEXT] = "";
    bool is_new;
    struct self self;
    enum exit_code done = cli_open_or_make(cli, &is_new);

    if (done)
        return done;
    cli_progress("Talking to the hub");
    bool is_volunteers = arguments_option(arguments, "--volunteers") != NULL;
    int code = (is_volunteers ? kith_found_volunteers : kith_found)(cli->kith, arguments->words[0],
                                                                    agency, person, sheet);
    cli_progress_end();
    if (code)
        return fail_enrolling(cli, code, is_new);
    self_find(cli, &self);
    if (cli->is_json) {
        struct json json = json_to(stdout);
        json_object(&json, NULL);
        json_text(&json, "agency", agency);
        json_text(&json, "person", person);
        json_count(&json, "device", self.device);
        json_text(&json, "recovery_sheet", sheet);
        json_end(&json);
    } else {
        founded_show(cli, agency, sheet);
    }
    explicit_bzero(sheet, sizeof sheet);
    return EXIT_DONE;
}

enum exit_code agency_join(struct cli *cli, const struct arguments *arguments)
{
    const char *name = arguments_option(arguments, "--device-name");
    char host[HOST_NAME_MAX + 1] = "device";
    bool is_new;
    struct self self;
    enum exit_code done = cli_open_or_make(cli, &is_new);

    if (done)
        return done;
    (void)gethostname(host, sizeof host - 1);
    cli_progress("Talking to the hub");
    int code = kith_join(cli->kith, arguments->words[0], name ? name : host);
    cli_progress_end();
    if (code)
        return fail_enrolling(cli, code, is_new);
    self_find(cli, &self);
    if (cli->is_json) {
        struct json json = json_to(stdout);
        json_object(&json, NULL);
        json_text(&json, "person", self.person);
        json_count(&json, "device", self.device);
        json_text(&json, "device_name", self.device_name);
        json_end(&json);
    } else {
        (void)fputs("Welcome", cli->show.out);
        if (self.person[0]) {
            (void)fputs(", ", cli->show.out);
            show_text(&cli->show, SHOW_STRONG, self.person);
        }
        (void)fprintf(cli->show.out,
                      ". This is device %u now. Everything works offline from here on;\n"
                      "`kith sync` exchanges news with the hub.\n",
                      self.device);
    }
    return EXIT_DONE;
}

static void invited_show(const struct cli *cli, const struct kith_invitation *invitation,
                         const char *code, const char *expires, bool is_qr)
{
    if (is_qr && !qr_show(cli->show.out, code, cli->show.is_colour))
        cli_remark("kith: the code is too long for a QR code, here it is as text");
    (void)fprintf(cli->show.out, "%s\n", code);
    cli_remark(
        "\nFor %s, until %s, and for one device only. Whoever has it can join: hand it over in\n"
        "person or over a line you trust. They run `kith join CODE`.",
        invitation->person, expires);
}

enum exit_code agency_invite(struct cli *cli, const struct arguments *arguments)
{
    const char *expires = arguments_option(arguments, "--expires");
    struct kith_invitation invitation = {
        .person = arguments_option(arguments, "--person"),
        .role = arguments_option(arguments, "--role"),
        .supervisor = arguments_option(arguments, "--supervisor"),
        .expires_ms = 7 * DAY_MS,
    };
    char text[KITH_CODE_TEXT] = "";
    char when[WHEN_TEXT_MAX];
    uint64_t expires_at_ms = 0;

    if (expires && !duration_read(expires, &invitation.expires_ms))
        return cli_misused("--expires %s: expected a time like 7d, 12h or 30m", expires);
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    cli_progress("Talking to the hub");
    int code = kith_invite(cli->kith, &invitation, text, &expires_at_ms);
    cli_progress_end();
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        struct json json = json_to(stdout);
        json_object(&json, NULL);
        json_text(&json, "code", text);
        json_text(&json, "expires", when_text(expires_at_ms, when));
        json_end(&json);
    } else {
        invited_show(cli, &invitation, text, when_short(expires_at_ms, when),
                     arguments_option(arguments, "--qr") != NULL);
    }
    explicit_bzero(text, sizeof text);
    return EXIT_DONE;
}

static void people_json(const struct kith_person *people, size_t count)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_count(&json, "number", people[i].number);
        json_text(&json, "name", people[i].name);
        json_text(&json, "role", people[i].role);
        json_text(&json, "supervisor", people[i].supervisor[0] ? people[i].supervisor : NULL);
        json_flag(&json, "self", people[i].is_self);
        json_end(&json);
    }
    json_end(&json);
}

#define PERSON_COLUMNS 4

static enum exit_code people_show(const struct cli *cli, const struct kith_person *people,
                                  size_t count)
{
    const char **cells = calloc((count + 1) * PERSON_COLUMNS, sizeof *cells);
    char(*numbers)[16] = calloc(count + 1, sizeof *numbers);

    if (!cells || !numbers) {
        free(cells);
        free(numbers);
        return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
    }
    memcpy(cells, (const char *[]){"", "NAME", "ROLE", "SUPERVISOR"},
           PERSON_COLUMNS * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        const char **row = cells + (i + 1) * PERSON_COLUMNS;
        (void)snprintf(numbers[i], sizeof numbers[i], "%u%s", people[i].number,
                       people[i].is_self ? " (you)" : "");
        row[0] = numbers[i];
        row[1] = people[i].name;
        row[2] = people[i].role;
        row[3] = people[i].supervisor;
    }
    show_table(&cli->show, PERSON_COLUMNS, cells, count + 1);
    free(cells);
    free(numbers);
    return EXIT_DONE;
}

enum exit_code agency_person_list(struct cli *cli, const struct arguments *arguments)
{
    struct kith_person *people = NULL;
    size_t count = 0;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_people(cli->kith, &people, &count);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        people_json(people, count);
    else
        done = people_show(cli, people, count);
    kith_free(people);
    return done;
}

static void devices_json(const struct kith_device *devices, size_t count)
{
    struct json json = json_to(stdout);
    char when[WHEN_TEXT_MAX];

    json_list(&json, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_count(&json, "number", devices[i].number);
        json_text(&json, "name", devices[i].name);
        json_text(&json, "person", devices[i].person);
        json_text(&json, "role", devices[i].role);
        json_text(&json, "state", devices[i].state);
        json_text(&json, "last_seen",
                  devices[i].last_seen_ms ? when_text(devices[i].last_seen_ms, when) : NULL);
        json_text(&json, "safety", devices[i].safety);
        json_text(&json, "leaving", devices[i].leaving[0] ? devices[i].leaving : NULL);
        json_text(&json, "reason", devices[i].reason[0] ? devices[i].reason : NULL);
        json_flag(&json, "self", devices[i].is_self);
        json_end(&json);
    }
    json_end(&json);
}

#define DEVICE_COLUMNS 6

struct device_texts {
    char number[24];
    char last_seen[WHEN_TEXT_MAX];
};

/* What two people read to each other: each device shows its own keys, and those that the roster has
 * for the others. */
static void safety_show(const struct show *show, const struct kith_device *devices, size_t count)
{
    (void)fputs("\nSafety numbers. A device is the right one if its holder reads the same there:\n",
                show->out);
    for (size_t i = 0; i < count; i++)
        if (strcmp(devices[i].state, "active") == 0)
            (void)fprintf(show->out, "%4u  %s\n", devices[i].number, devices[i].safety);
}

static enum exit_code devices_show(const struct cli *cli, const struct kith_device *devices,
                                   size_t count)
{
    const char **cells = calloc((count + 1) * DEVICE_COLUMNS, sizeof *cells);
    struct device_texts *texts = calloc(count + 1, sizeof *texts);

    if (!cells || !texts) {
        free(cells);
        free(texts);
        return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
    }
    memcpy(cells, (const char *[]){"", "NAME", "PERSON", "ROLE", "STATE", "LAST SEEN"},
           DEVICE_COLUMNS * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        const char **row = cells + (i + 1) * DEVICE_COLUMNS;
        (void)snprintf(texts[i].number, sizeof texts[i].number, "%u%s", devices[i].number,
                       devices[i].is_self ? " (this)" : "");
        row[0] = texts[i].number;
        row[1] = devices[i].name;
        row[2] = devices[i].person;
        row[3] = devices[i].role;
        row[4] = devices[i].state;
        row[5] = when_short(devices[i].last_seen_ms, texts[i].last_seen);
    }
    show_table(&cli->show, DEVICE_COLUMNS, cells, count + 1);
    safety_show(&cli->show, devices, count);
    free(cells);
    free(texts);
    return EXIT_DONE;
}

enum exit_code agency_device_list(struct cli *cli, const struct arguments *arguments)
{
    struct kith_device *devices = NULL;
    size_t count = 0;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_devices(cli->kith, &devices, &count);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        devices_json(devices, count);
    else
        done = devices_show(cli, devices, count);
    kith_free(devices);
    return done;
}

enum exit_code agency_grant(struct cli *cli, const struct arguments *arguments)
{
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_grant(cli->kith, arguments->words[0], arguments->words[1]);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        struct json json = json_to(stdout);
        json_object(&json, NULL);
        json_flag(&json, "granted", true);
        json_end(&json);
    } else {
        show_text(&cli->show, SHOW_STRONG, arguments->words[1]);
        (void)fputs(" may read and write this chart, with the next `kith sync`.\n", cli->show.out);
    }
    return EXIT_DONE;
}

static void circle_json(const struct kith_circle *circle)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_text(&json, "id", circle->id);
    json_list(&json, "members");
    for (size_t i = 0; i < circle->member_count; i++) {
        json_object(&json, NULL);
        json_count(&json, "number", circle->members[i].number);
        json_text(&json, "name", circle->members[i].name);
        json_text(&json, "role", circle->members[i].role);
        json_end(&json);
    }
    json_end(&json);
    json_count(&json, "epoch", circle->epoch);
    json_count(&json, "rotation_owed", circle->rotation_owed);
    left_json(&json, circle);
    json_end(&json);
}

enum exit_code agency_circle_show(struct cli *cli, const struct arguments *arguments)
{
    struct kith_circle circle = {0};
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_circle(cli->kith, arguments->words[0], &circle);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        circle_json(&circle);
    } else {
        (void)fprintf(cli->show.out, "Chart %s, key epoch %u", circle.id, circle.epoch);
        if (circle.rotation_owed)
            (void)fputs(", a new key is due", cli->show.out);
        (void)fputs(". Who may read it:\n", cli->show.out);
        done = people_show(cli, circle.members, circle.member_count);
        left_show(cli, &circle);
    }
    kith_circle_free(&circle);
    return done;
}
