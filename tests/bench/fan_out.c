/* SPDX-License-Identifier: Apache-2.0 */
/* One change that a thousand connected members want to hear of, as it happens. */
#include "limits.h"
#include "serving.h"

#define MEMBERS 1001u /* one of them writes */
#define CHANGES 30u

/* The writer comes, sends one change and leaves; all others have heard of it before the next. */
static void send_one(struct serving *serving, const struct load *listeners, uint32_t number)
{
    struct load_options options = serving_load(serving, 0, 1);
    struct load writer;

    options.messages = serving->messages + number;
    options.messages_each = 1;
    serving->crowd.devices[0].stored = number;
    load_begin(&writer, &options);
    if (!load_wait_received(listeners, number + 1, PATIENCE_S) || !load_wait(&writer, PATIENCE_S))
        bench_fail("not every member heard of the change", 0);
    load_end(&writer);
}

void measure_fan_out(struct bench *bench)
{
    struct serving serving;
    struct load listeners;

    serving_init(&serving, bench, MEMBERS, MEMBERS);
    serving_prepare(&serving, CHANGES, 1);
    double alone = limit_message_s(serving.messages[0].len);
    serving_run(&serving);
    struct load_options options = serving_load(&serving, 1, MEMBERS - 1);
    options.messages_each = 0;
    options.is_staying = true;
    load_begin(&listeners, &options);
    if (!load_wait(&listeners, PATIENCE_S))
        bench_fail("not every member is connected", 0);
    double before = bench_hub_cpu_seconds(&serving.hub);
    for (uint32_t i = 0; i < CHANGES; i++)
        send_one(&serving, &listeners, i);
    double each = (bench_hub_cpu_seconds(&serving.hub) - before) / CHANGES / (MEMBERS - 1);
    bench_row(bench, "fan-out: members that are connected", MEMBERS - 1, "", 0);
    bench_row(bench, "fan-out: CPU of the hub for a change and member", each * 1e6, "us", 0);
    bench_row(bench, "fan-out: an encrypted write alone", alone * 1e6, "us", 0);
    bench_row(bench, "fan-out: CPU beyond that", (each - alone) * 1e6, "us", 3);
    load_end(&listeners);
    serving_clear(&serving);
}
