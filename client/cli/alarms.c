/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/alarms.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/cli/when.h"

static uint64_t clock_ms(void)
{
    return (uint64_t)time(NULL) * 1000;
}

struct alarms_before alarms_before(struct cli *cli)
{
    struct alarms_before before = {.count = 0};

    if (kith_alarms(cli->kith, &before.alarms, &before.count))
        before.count = 0; /* then all are news */
    return before;
}

static bool is_news(const struct alarms_before *before, const struct kith_alarm *alarm)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct kith_alarm *known = &before->alarms[i];
        if (strcmp(known->kind, alarm->kind) == 0 && strcmp(known->chart, alarm->chart) == 0 &&
            known->device == alarm->device)
            return alarm->times != known->times;
    }
    return true;
}

void alarms_say(struct cli *cli, struct alarms_before *before)
{
    struct kith_alarm *alarms = NULL;
    size_t count = 0;

    if (kith_alarms(cli->kith, &alarms, &count))
        count = 0; /* the command itself has worked, or says why not */
    for (size_t i = 0; i < count; i++)
        if (!alarms[i].is_over && is_news(before, &alarms[i]))
            cli_remark("kith: alarm: %s", alarms[i].text);
    kith_free(alarms);
    kith_free(before->alarms);
}

static void alarms_list(struct json *json, const struct kith_alarm *alarms, size_t count)
{
    char when[WHEN_TEXT_MAX];

    json_list(json, "alarms");
    for (size_t i = 0; i < count; i++) {
        json_object(json, NULL);
        json_text(json, "kind", alarms[i].kind);
        json_text(json, "text", alarms[i].text);
        json_count(json, "device", alarms[i].device);
        json_text(json, "chart", alarms[i].chart[0] ? alarms[i].chart : NULL);
        json_count(json, "n", alarms[i].n);
        json_text(json, "first", when_text(alarms[i].first_ms, when));
        json_text(json, "last", when_text(alarms[i].last_ms, when));
        json_count(json, "times", alarms[i].times);
        json_flag(json, "over", alarms[i].is_over);
        if (alarms[i].has_proof) {
            json_list(json, "proof");
            json_text(json, NULL, alarms[i].proof[0]);
            json_text(json, NULL, alarms[i].proof[1]);
            json_end(json);
        }
        json_end(json);
    }
    json_end(json);
}

static int heartbeat_json(struct cli *cli, struct json *json)
{
    char when[WHEN_TEXT_MAX];
    uint64_t last_ms;
    bool is_frozen;
    int code = kith_heartbeat(cli->kith, clock_ms(), &last_ms, &is_frozen);

    json_text(json, "heartbeat", !code && last_ms ? when_text(last_ms, when) : NULL);
    json_flag(json, "frozen", !code && is_frozen);
    return code;
}

static void quiet_list(struct json *json, const struct kith_device *devices, size_t count)
{
    char when[WHEN_TEXT_MAX];

    json_list(json, "quiet");
    for (size_t i = 0; i < count; i++) {
        uint64_t since_ms = devices[i].last_seen_ms;
        json_object(json, NULL);
        json_count(json, "device", devices[i].number);
        json_text(json, "name", devices[i].name);
        json_text(json, "person", devices[i].person);
        json_text(json, "since", since_ms ? when_text(since_ms, when) : NULL);
        json_end(json);
    }
    json_end(json);
}

int alarms_json(struct cli *cli, struct json *json)
{
    struct kith_alarm *alarms = NULL;
    struct kith_device *devices = NULL;
    size_t alarm_count = 0;
    size_t device_count = 0;
    int code = kith_alarms(cli->kith, &alarms, &alarm_count);

    if (!code)
        code = kith_quiet(cli->kith, clock_ms(), &devices, &device_count);
    if (!code)
        code = heartbeat_json(cli, json);
    alarms_list(json, alarms, code ? 0 : alarm_count);
    quiet_list(json, devices, code ? 0 : device_count);
    kith_free(alarms);
    kith_free(devices);
    return code;
}

static int heartbeat_show(struct cli *cli)
{
    char when[WHEN_TEXT_MAX];
    uint64_t last_ms;
    bool is_frozen;
    int code = kith_heartbeat(cli->kith, clock_ms(), &last_ms, &is_frozen);

    if (!code && is_frozen)
        (void)fprintf(cli->show.out,
                      "The hub has shown no sign of life of the agency's office since %s: it may "
                      "be keeping back what is new.\n",
                      when_short(last_ms, when));
    return code;
}

#define QUIET_SHOWN 5

static void quiet_show(const struct show *show, const struct kith_device *devices, size_t count)
{
    char when[WHEN_TEXT_MAX];

    for (size_t i = 0; i < count && i < QUIET_SHOWN; i++) {
        const struct kith_device *device = &devices[i];
        (void)fprintf(show->out, "Nothing heard from %s of %s %s%s.\n", device->name,
                      device->person, device->last_seen_ms ? "since " : "yet",
                      device->last_seen_ms ? when_short(device->last_seen_ms, when) : "");
    }
    if (count > QUIET_SHOWN)
        (void)fprintf(show->out, "Nor from %zu others: `kith device list`\n", count - QUIET_SHOWN);
}

int alarms_show(struct cli *cli)
{
    struct kith_alarm *alarms = NULL;
    struct kith_device *devices = NULL;
    size_t count = 0;
    char when[WHEN_TEXT_MAX];
    int code = kith_alarms(cli->kith, &alarms, &count);

    for (size_t i = 0; i < count && !code; i++) {
        if (alarms[i].is_over)
            continue;
        show_text(&cli->show, SHOW_WARNING, "Alarm");
        (void)fprintf(cli->show.out, " since %s: %s.\n", when_short(alarms[i].first_ms, when),
                      alarms[i].text);
    }
    kith_free(alarms);
    count = 0;
    if (!code)
        code = kith_quiet(cli->kith, clock_ms(), &devices, &count);
    if (!code)
        quiet_show(&cli->show, devices, count);
    kith_free(devices);
    return code ? code : heartbeat_show(cli);
}
