/* SPDX-License-Identifier: Apache-2.0 */
/* The hub and this device: what was exchanged, what is saved where, and whether the home is open.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent.h"
#include "client/cli/alarms.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/when.h"

#define REFUSALS_MAX 256

static void refusals_json(struct json *json, const struct kith_refusal *refusals, size_t count)
{
    json_list(json, "refused");
    for (size_t i = 0; i < count; i++) {
        json_object(json, NULL);
        json_text(json, "id", refusals[i].id);
        json_text(json, "reason", kith_error_name(refusals[i].reason));
        json_count(json, "n", refusals[i].n);
        json_end(json);
    }
    json_end(json);
}

static void report_json(const struct kith_sync_report *report, const struct kith_refusal *refusals,
                        size_t count)
{
    struct json json = json_to(stdout);

    json_object(&json, NULL);
    json_count(&json, "sent", report->sent);
    json_count(&json, "received", report->received);
    refusals_json(&json, refusals, count);
    json_count(&json, "bytes_out", report->bytes_out);
    json_count(&json, "bytes_in", report->bytes_in);
    json_count(&json, "change_bytes", report->change_bytes);
    json_count(&json, "round_trips", report->round_trips);
    json_flag(&json, "up_to_date", report->is_up_to_date);
    json_count(&json, "purged", report->purged);
    json_count(&json, "leaving", report->leaving);
    json_flag(&json, "removed", report->is_removed);
    json_count(&json, "renewed", report->renewed);
    json_count(&json, "rewritten", report->rewritten);
    json_count(&json, "sign_again", report->sign_again);
    json_end(&json);
}

/* What this device was told to forget. */
static void purged_show(FILE *out, const struct kith_sync_report *report)
{
    if (report->is_removed)
        (void)fputs("This device was removed from the agency. Everything written on it was "
                    "delivered; keys and records are gone from here.\n",
                    out);
    else if (report->purged)
        (void)fprintf(out,
                      "You were taken out of %u chart%s. What you wrote there was delivered; what "
                      "could be read is gone from here.\n",
                      report->purged, report->purged == 1 ? "" : "s");
    if (report->leaving)
        (void)fprintf(out, "%u chart%s kept until the hub has what was written there.\n",
                      report->leaving, report->leaving == 1 ? " is" : "s are");
}

/* A copy of this laptop was found. */
static void renewed_show(FILE *out, const struct kith_sync_report *report)
{
    if (!report->renewed)
        return;
    (void)fprintf(out,
                  "This laptop was copied, or set back to an earlier image: the hub had changes of "
                  "it that are not here. It goes on as device %u. Nothing is lost: %u change%s "
                  "written anew, and both histories stay. If there is a second copy of this "
                  "laptop, it was ended by this.\n",
                  report->renewed, report->rewritten, report->rewritten == 1 ? " was" : "s were");
    if (report->sign_again)
        (void)fputs(
            "What was signed and had not been sent must be signed again: see `kith tasks`.\n", out);
}

static void report_show(FILE *out, const struct kith_sync_report *report,
                        const struct kith_refusal *refusals, size_t count)
{
    (void)fprintf(out, "Sent %u, received %u", report->sent, report->received);
    (void)fprintf(out, " (%" PRIu64 " bytes out, %" PRIu64 " in, %u round trip%s).\n",
                  report->bytes_out, report->bytes_in, report->round_trips,
                  report->round_trips == 1 ? "" : "s");
    (void)fputs(report->is_up_to_date ? "All is up to date.\n"
                                      : "There is more to come: run `kith sync` again.\n",
                out);
    purged_show(out, report);
    renewed_show(out, report);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "Not taken by the hub, kept here: chart %s, change %" PRIu64 ": %s\n",
                      refusals[i].id, refusals[i].n, kith_error_text(refusals[i].reason));
}

static int sync_as_told(struct kith *kith, const struct arguments *arguments,
                        struct kith_sync_report *report)
{
    const char *hub = arguments_option(arguments, "--hub");

    if (hub)
        return kith_move(kith, hub, report);
    return arguments_option(arguments, "--brief") ? kith_sync_brief(kith, report)
                                                  : kith_sync(kith, report);
}

enum exit_code sync_run(struct cli *cli, const struct arguments *arguments)
{
    struct kith_sync_report report = {0};
    struct kith_refusal refusals[REFUSALS_MAX];
    size_t count = 0;
    enum exit_code done = cli_open(cli);

    if (done)
        return done;
    cli_progress("Talking to the hub");
    struct alarms_before before = alarms_before(cli);
    int code = sync_as_told(cli->kith, arguments, &report);
    cli_progress_end();
    if (code)
        done = cli_fail(cli, code);
    alarms_say(cli, &before);
    if (code)
        return cli_is_unreached(code) ? EXIT_UNREACHED : done;
    code = kith_refusals(cli->kith, refusals, REFUSALS_MAX, &count);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json)
        report_json(&report, refusals, count);
    else
        report_show(cli->show.out, &report, refusals, count);
    return EXIT_DONE;
}

static enum agent_state agent_of(const struct cli *cli)
{
    enum agent_state state;

    return agent_state(cli->home, &state) ? AGENT_NONE : state;
}

static int status_json(struct cli *cli, const struct kith_status *status)
{
    struct json json = json_to(stdout);
    char when[WHEN_TEXT_MAX];

    json_object(&json, NULL);
    json_count(&json, "unsent", status->unsent);
    json_count(&json, "refused", status->refused);
    json_count(&json, "held", status->held + status->to_decide);
    json_count(&json, "rotation_owed", status->rotation_owed);
    json_text(&json, "removed", status->removed[0] ? status->removed : NULL);
    json_count(&json, "waiting", status->waiting);
    json_count(&json, "conflicts", status->conflicts);
    json_text(&json, "last_sync",
              status->last_sync_ms ? when_text(status->last_sync_ms, when) : NULL);
    json_text(&json, "hub", status->hub[0] ? status->hub : NULL);
    json_number(&json, "clock_offset_ms", status->clock_offset_ms);
    json_count(&json, "circles", status->circles);
    json_count(&json, "records", status->records);
    json_flag(&json, "up_to_date", status->is_up_to_date);
    json_flag(&json, "enrolled", status->is_enrolled);
    json_flag(&json, "volunteers", kith_agency_kind(cli->kith) == KITH_AGENCY_VOLUNTEERS);
    json_flag(&json, "practice", kith_agency_kind(cli->kith) == KITH_AGENCY_PRACTICE);
    json_text(&json, "agent", agent_state_word(agent_of(cli)));
    int code = alarms_json(cli, &json);
    json_end(&json);
    return code;
}

#define CLOCK_OFFSET_SHOWN_MS 60000

static void count_show(const struct show *show, const char *name, uint64_t count,
                       const char *remark)
{
    char text[128];

    (void)snprintf(text, sizeof text, "%" PRIu64 "%s", count, count ? remark : "");
    show_pair(show, 12, name, text);
}

static void status_show(const struct show *show, const struct kith_status *status)
{
    char when[WHEN_TEXT_MAX];
    char clock[64];

    if (!status->is_enrolled) {
        (void)fputs("This device belongs to no agency yet: `kith join CODE`\n", show->out);
        return;
    }
    if (status->removed[0])
        (void)fprintf(show->out, "This device was removed from the agency (%s).\n",
                      status->removed);
    if (!status->hub[0]) {
        (void)fputs("There is no hub: all of it is on this device alone.\n", show->out);
        return;
    }
    show_text(show, status->is_up_to_date ? SHOW_STRONG : SHOW_WARNING,
              status->is_up_to_date ? "Up to date with the hub."
                                    : "Not up to date: run `kith sync`.");
    (void)fputc('\n', show->out);
    show_pair(show, 12, "hub", status->hub);
    show_pair(show, 12, "last sync", when_short(status->last_sync_ms, when));
    count_show(show, "unsent", status->unsent, ", safe on this device");
    if (status->refused)
        count_show(show, "refused", status->refused, " not taken by the hub, kept here");
    if (status->held)
        count_show(show, "held", status->held, " of yours wait at the hub for a decision");
    if (status->to_decide)
        count_show(show, "held", status->to_decide, " wait for you to decide: `kith held list`");
    if (status->rotation_owed)
        count_show(show, "keys", status->rotation_owed, " to be changed with the next sync");
    if (status->waiting)
        count_show(show, "waiting", status->waiting, " received, the key has not come yet");
    count_show(show, "conflicts", status->conflicts, " to be settled: `kith conflicts`");
    count_show(show, "charts", status->circles, "");
    count_show(show, "records", status->records, "");
    if (llabs(status->clock_offset_ms) >= CLOCK_OFFSET_SHOWN_MS) {
        (void)snprintf(clock, sizeof clock, "%lld s %s, by the hub's",
                       llabs(status->clock_offset_ms) / 1000,
                       status->clock_offset_ms < 0 ? "fast" : "slow");
        show_pair(show, 12, "clock", clock);
    }
}

enum exit_code sync_status(struct cli *cli, const struct arguments *arguments)
{
    struct kith_status status;
    enum exit_code done = cli_open(cli);

    (void)arguments;
    if (done)
        return done;
    int code = kith_status(cli->kith, &status);
    if (code)
        return cli_fail(cli, code);
    if (cli->is_json) {
        code = status_json(cli, &status);
    } else {
        status_show(&cli->show, &status);
        code = alarms_show(cli);
    }
    return code ? cli_fail(cli, code) : EXIT_DONE;
}

enum exit_code sync_passphrase(struct cli *cli, const struct arguments *arguments)
{
    struct passphrase passphrase = {0};
    /* Whoever finds an open laptop must not be able to lock its owner out. */
    enum exit_code done = cli_open_with_passphrase(cli);

    if (done)
        return done;
    done = cli_new_passphrase(arguments_option(arguments, "--new-passphrase-file"), &passphrase);
    if (!done) {
        cli_progress("Changing the passphrase");
        int code = kith_change_passphrase(cli->kith, passphrase.text);
        cli_progress_end();
        done = code ? cli_fail(cli, code) : EXIT_DONE;
    }
    passphrase_clear(&passphrase);
    if (done)
        return done;
    struct json json = json_to(stdout);
    if (cli->is_json) {
        json_object(&json, NULL);
        json_flag(&json, "changed", true);
        json_end(&json);
    } else {
        (void)fputs("Changed. From now on only the new passphrase opens this home.\n",
                    cli->show.out);
    }
    return EXIT_DONE;
}
