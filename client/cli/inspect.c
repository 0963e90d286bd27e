/* SPDX-License-Identifier: Apache-2.0 */
/* Looking after the home itself: is it whole, and what was looked at in it. */
#include <inttypes.h>
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/when.h"

static size_t listed(const struct kith_verified *verified)
{
    return verified->fault_count < KITH_FAULTS_MAX ? (size_t)verified->fault_count
                                                   : KITH_FAULTS_MAX;
}

static void verified_json(const struct kith_verified *verified)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_flag(&json, "ok", verified->fault_count == 0);
    json_count(&json, "checked", verified->checked);
    json_list(&json, "faults");
    for (size_t i = 0; i < listed(verified); i++) {
        json_object(&json, NULL);
        json_text(&json, "table", verified->faults[i].table);
        json_text(&json, "where", verified->faults[i].where);
        json_text(&json, "reason", kith_error_name(verified->faults[i].reason));
        json_end(&json);
    }
    json_end(&json);
    json_count(&json, "fault_count", verified->fault_count);
    json_end(&json);
}

static void states_json(const struct kith_state *states, size_t count)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    for (size_t i = 0; i < count; i++)
        json_text(&json, states[i].circle, states[i].hash);
    json_end(&json);
}

static enum exit_code print_states(struct cli *cli)
{
    struct kith_state *states = NULL;
    size_t count = 0;
    int code = kith_states(cli->kith, &states, &count);

    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        states_json(states, count);
    for (size_t i = 0; i < count && !cli->is_json; i++)
        (void)printf("%s  %s\n", states[i].circle, states[i].hash);
    kith_free(states);
    return EXIT_DONE;
}

enum exit_code home_verify(struct cli *cli, const struct arguments *arguments)
{
    struct kith_verified verified;

    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    if (arguments_option(arguments, "--state"))
        return print_states(cli);
    int code = kith_verify(cli->kith, &verified);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        verified_json(&verified);
    } else if (verified.fault_count == 0) {
        (void)printf("No fault: %" PRIu64 " pages, rows, changes and links checked.\n",
                     verified.checked);
    } else {
        for (size_t i = 0; i < listed(&verified); i++)
            (void)printf("%s %s: %s\n", verified.faults[i].table, verified.faults[i].where,
                         kith_error_text(verified.faults[i].reason));
        (void)printf("%" PRIu64 " faults. Sync if you can, so that the hub has what is here; then "
                     "enrol this laptop anew.\n",
                     verified.fault_count);
    }
    return verified.fault_count ? EXIT_REFUSED : EXIT_DONE;
}

static void access_json(const struct kith_access *rows, size_t count)
{
    struct json json = json_to(stdout);
    char when[WHEN_TEXT_MAX];

    json_list(&json, NULL);
    for (size_t i = 0; i < count; i++) {
        json_object(&json, NULL);
        json_count(&json, "seq", rows[i].seq);
        json_text(&json, "time", when_text(rows[i].time_ms, when));
        json_text(&json, "did", rows[i].did);
        json_text(&json, "what", rows[i].what);
        json_text(&json, "id", *rows[i].id ? rows[i].id : NULL);
        json_count(&json, "records", rows[i].records);
        json_end(&json);
    }
    json_end(&json);
}

enum exit_code home_access(struct cli *cli, const struct arguments *arguments)
{
    struct kith_access *rows = NULL;
    size_t count = 0;
    char when[WHEN_TEXT_MAX];

    (void)arguments;
    enum exit_code done = cli_open(cli);
    if (done)
        return done;
    int code = kith_access_log(cli->kith, &rows, &count);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        access_json(rows, count);
    for (size_t i = 0; i < count && !cli->is_json; i++) {
        (void)printf("%s  %s %s", when_text(rows[i].time_ms, when), rows[i].did, rows[i].what);
        if (*rows[i].id)
            (void)printf(" %.10s\n", rows[i].id);
        else
            (void)printf(", %" PRIu64 " records\n", rows[i].records);
    }
    if (count == 0 && !cli->is_json)
        cli_remark("Nothing was opened here yet.");
    kith_free(rows);
    return EXIT_DONE;
}
