/* SPDX-License-Identifier: Apache-2.0 */
/* Taking people out of charts, ending devices, and deciding about what these had not sent. */
#include "client/cli/leaving.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/commands.h"
#include "client/cli/when.h"
#include "protocol/limits.h"

void left_json(struct json *json, const struct kith_circle *circle)
{
    char when[WHEN_TEXT_MAX];

    json_list(json, "left");
    for (size_t i = 0; i < circle->left_count; i++) {
        const struct kith_left *left = &circle->left[i];
        json_object(json, NULL);
        json_count(json, "device", left->device);
        json_text(json, "name", left->name);
        json_text(json, "person", left->person);
        json_text(json, "leaving", left->leaving);
        json_count(json, "could_read_epochs", left->epoch);
        json_text(json, "could_read_until", when_text(left->until_ms, when));
        json_text(json, "late_until",
                  left->late_until_ms ? when_text(left->late_until_ms, when) : NULL);
        json_count(json, "counted", left->n);
        json_end(json);
    }
    json_end(json);
}

void left_show(const struct cli *cli, const struct kith_circle *circle)
{
    char when[WHEN_TEXT_MAX];

    for (size_t i = 0; i < circle->left_count; i++) {
        const struct kith_left *left = &circle->left[i];
        (void)fputs("Could read it until ", cli->show.out);
        (void)fputs(when_short(left->until_ms, when), cli->show.out);
        (void)fprintf(cli->show.out, " (keys through %u): ", left->epoch);
        show_text(&cli->show, SHOW_PLAIN, left->person);
        (void)fprintf(cli->show.out, ", device %u, %s", left->device, left->leaving);
        if (left->late_until_ms)
            (void)fprintf(cli->show.out, "; what comes late is taken until %s",
                          when_short(left->late_until_ms, when));
        (void)fputs(".\n", cli->show.out);
    }
}

/* A flag in JSON, or a sentence. */
static enum exit_code say_done(struct cli *cli, const char *flag, const char *sentence)
{
    struct json json = json_to(stdout);

    if (!cli->is_json) {
        (void)fprintf(cli->show.out, "%s\n", sentence);
        return EXIT_DONE;
    }
    json_object(&json, NULL);
    json_flag(&json, flag, true);
    json_end(&json);
    return EXIT_DONE;
}

static bool chosen_leaving(const struct arguments *arguments, enum kith_leaving *leaving)
{
    static const struct {
        const char *option;
        enum kith_leaving leaving;
    } options[] = {{"--transferred", KITH_TRANSFERRED},
                   {"--retired", KITH_RETIRED},
                   {"--revoked", KITH_REVOKED}};
    unsigned count = 0;

    *leaving = KITH_RETIRED;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (arguments_option(arguments, options[i].option)) {
            *leaving = options[i].leaving;
            count++;
        }
    return count <= 1;
}

enum exit_code leaving_withdraw(struct cli *cli, const struct arguments *arguments)
{
    enum kith_leaving leaving;

    if (!chosen_leaving(arguments, &leaving))
        return cli_misused("choose one of --transferred, --retired and --revoked");
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    int code = kith_withdraw(cli->kith, arguments->words[0], arguments->words[1], leaving);
    if (code)
        return cli_fail(cli, code);
    return say_done(cli, "withdrawn",
                    "Out of this chart with the next `kith sync`, which changes its key. What was "
                    "read before stays known.");
}

static enum exit_code end_device(struct cli *cli, const struct arguments *arguments,
                                 enum kith_leaving leaving, const char *reason)
{
    char *end;
    unsigned long number = strtoul(arguments->words[0], &end, 10);

    if (*end || number == 0 || number > DEVICE_MAX)
        return cli_misused("%s: expected the number of a device, see `kith device list`",
                           arguments->words[0]);
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    cli_progress("Talking to the hub");
    int code = kith_device_end(cli->kith, (uint32_t)number, leaving, reason);
    cli_progress_end();
    if (code) {
        done = cli_fail(cli, code);
        return cli_is_unreached(code) ? EXIT_UNREACHED : done;
    }
    return say_done(
        cli, "ended",
        "This device is ended, for ever. The keys of all charts that are open here were "
        "changed; others change theirs at their next sync.");
}

enum exit_code leaving_retire(struct cli *cli, const struct arguments *arguments)
{
    return end_device(cli, arguments, KITH_RETIRED, NULL);
}

enum exit_code leaving_revoke(struct cli *cli, const struct arguments *arguments)
{
    const char *reason = arguments_option(arguments, "--reason");

    if (!reason)
        return cli_misused("--reason TEXT is needed: what happened to the device?");
    return end_device(cli, arguments, KITH_REVOKED, reason);
}

enum exit_code leaving_transfer(struct cli *cli, const struct arguments *arguments)
{
    return end_device(cli, arguments, KITH_TRANSFERRED, NULL);
}

static void held_members(struct json *json, const struct kith_held *held)
{
    char when[WHEN_TEXT_MAX];

    json_text(json, "id", held->id);
    json_text(json, "circle", held->circle);
    json_text(json, "participant", held->participant[0] ? held->participant : NULL);
    json_count(json, "device", held->device);
    json_text(json, "device_name", held->device_name);
    json_text(json, "person", held->person);
    json_count(json, "n", held->n);
    json_text(json, "leaving", held->leaving);
    json_flag(json, "suspect", strcmp(held->leaving, "revoked") == 0);
    json_text(json, "arrived", when_text(held->time_ms, when));
    json_text(json, "state", held->is_rejected ? "rejected" : "held");
}

static void list_json(const struct kith_held *held, size_t count)
{
    struct json json = json_to(stdout);

    json_list(&json, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&json, NULL);
        held_members(&json, &held[i]);
        json_end(&json);
    }
    json_end(&json);
}

#define HELD_COLUMNS 7

struct held_texts {
    char device[24];
    char arrived[WHEN_TEXT_MAX];
};

static enum exit_code list_show(const struct cli *cli, const struct kith_held *held, size_t count)
{
    const char **cells = calloc((count + 1) * HELD_COLUMNS, sizeof *cells);
    struct held_texts *texts = calloc(count + 1, sizeof *texts);

    if (!cells || !texts) {
        free(cells);
        free(texts);
        return cli_refuse(KITH_MEMORY, "%s", error_text(KITH_MEMORY));
    }
    memcpy(cells, (const char *[]){"ID", "CHART", "PERSON", "DEVICE", "LEFT", "ARRIVED", "STATE"},
           HELD_COLUMNS * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        const char **row = cells + (i + 1) * HELD_COLUMNS;
        (void)snprintf(texts[i].device, sizeof texts[i].device, "%u", held[i].device);
        row[0] = held[i].id;
        row[1] = held[i].participant;
        row[2] = held[i].person;
        row[3] = texts[i].device;
        row[4] = held[i].leaving;
        row[5] = when_short(held[i].time_ms, texts[i].arrived);
        row[6] = held[i].is_rejected ? "rejected" : "held";
    }
    show_table(&cli->show, HELD_COLUMNS, cells, count + 1);
    free(cells);
    free(texts);
    return EXIT_DONE;
}

enum exit_code held_list(struct cli *cli, const struct arguments *arguments)
{
    struct kith_held *held = NULL;
    size_t count = 0;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_held(cli->kith, &held, &count);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        list_json(held, count);
    else if (count == 0)
        (void)fputs("Nothing is held.\n", cli->show.out);
    else
        done = list_show(cli, held, count);
    kith_free(held);
    return done;
}

static void text_json(const struct kith_held_text *text)
{
    struct json json = json_to(stdout);
    char when[WHEN_TEXT_MAX];

    json_object(&json, NULL);
    held_members(&json, &text->held);
    json_text(&json, "written", when_text(text->time_ms, when));
    json_list(&json, "changes");
    for (size_t i = 0; i < text->count; i++) {
        const char op[] = {text->values[i].op, '\0'};
        json_object(&json, NULL);
        json_text(&json, "type", text->values[i].type);
        json_text(&json, "record", text->values[i].record);
        json_text(&json, "field", text->values[i].field);
        json_text(&json, "op", op);
        json_text(&json, "value", text->values[i].value);
        json_end(&json);
    }
    json_end(&json);
    json_end(&json);
}

static void text_show(const struct cli *cli, const struct kith_held_text *text)
{
    char when[WHEN_TEXT_MAX];

    (void)fputs("Written by ", cli->show.out);
    show_text(&cli->show, SHOW_STRONG, text->held.person);
    (void)fprintf(cli->show.out, " on device %u, %s, which had been %s.\n", text->held.device,
                  when_short(text->time_ms, when), text->held.leaving);
    for (size_t i = 0; i < text->count; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%s %s %c", text->values[i].type, text->values[i].field,
                       text->values[i].op);
        show_pair(&cli->show, 28, name, text->values[i].value);
    }
}

enum exit_code held_show(struct cli *cli, const struct arguments *arguments)
{
    struct kith_held_text *text = NULL;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_held_show(cli->kith, arguments->words[0], &text);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        text_json(text);
    else
        text_show(cli, text);
    kith_held_free(&text);
    return EXIT_DONE;
}

enum exit_code held_admit(struct cli *cli, const struct arguments *arguments)
{
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    int code = kith_held_admit(cli->kith, arguments->words[0]);
    if (code)
        return cli_fail(cli, code);
    return say_done(cli, "admitted", "It counts with the next `kith sync`.");
}

enum exit_code held_reject(struct cli *cli, const struct arguments *arguments)
{
    const char *reason = arguments_option(arguments, "--reason");

    if (!reason)
        return cli_misused("--reason TEXT is needed: it is kept with the decision");
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    int code = kith_held_reject(cli->kith, arguments->words[0], reason);
    if (code)
        return cli_fail(cli, code);
    return say_done(cli, "rejected",
                    "It stays out with the next `kith sync`; the hub keeps it, and it can still be "
                    "admitted.");
}
