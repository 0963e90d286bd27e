/* SPDX-License-Identifier: Apache-2.0 */
/* Laptops through libkith, and a store of many visits. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "limits.h"
#include "lmdb_peer.h"

#define PASSPHRASE  "only for measuring"
#define BATCH_BYTES 65536

static void check(const struct kith *kith, const char *what, int code)
{
    if (code && kith && *kith_detail(kith))
        (void)fprintf(stderr, "bench: %s\n", kith_detail(kith));
    if (code)
        bench_fail(what, code);
}

static struct kith *open_home(struct bench *bench, const char *name)
{
    char home[BENCH_PATH_MAX];
    struct kith *kith;

    bench_path(bench, name, home);
    int code = kith_create(home, PASSPHRASE, &kith);
    check(NULL, "making a home", code);
    return kith;
}

static struct kith *join(struct bench *bench, struct kith *founder, const char *person,
                         const char *role, const char *supervisor)
{
    struct kith *kith = open_home(bench, person);
    char code[KITH_CODE_TEXT];
    uint64_t expires;
    const struct kith_invitation invitation = {person, role, supervisor, 3600000};

    check(founder, "inviting", kith_invite(founder, &invitation, code, &expires));
    check(kith, "joining", kith_join(kith, code, "laptop"));
    return kith;
}

/* A visit as people write them: about 900 bytes of fields, 400 of them narrative. */
static void add_visit(struct kith *kith, const char *participant, unsigned number)
{
    struct bench_texts texts;
    char id[KITH_ID_TEXT];
    const struct kith_input inputs[] = {
        {"participant", '=', participant},
        {"date", '=', "2026-03-02"},
        {"start", '=', "2026-03-02T14:05-05:00"},
        {"end", '=', "2026-03-02T14:50-05:00"},
        {"code", '=', "H0038"},
        {"place", '=', "home"},
        {"mode", '=', "in_person"},
        {"contact_result", '=', "done"},
        {"interventions", '+', "shared_lived_experience"},
        {"interventions", '+', "skills_practice"},
        {"purpose", '=', texts.purpose},
        {"what_was_done", '=', texts.done},
        {"response", '=', texts.response},
        {"plan_next", '=', texts.plan},
    };

    bench_write_texts(number, &texts);
    check(kith, "adding a visit",
          kith_record_add(kith, "visit", inputs, sizeof inputs / sizeof *inputs, id));
}

static struct kith_sync_report sync_home(struct kith *kith)
{
    struct kith_sync_report report;

    check(kith, "syncing", kith_sync(kith, &report));
    return report;
}

static void measure_first_sync(struct bench *bench, const struct bench_hub *hub,
                               struct kith *reader)
{
    struct timespec start;
    double hub_before = bench_hub_cpu_seconds(hub);
    double before = bench_cpu_seconds();

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    struct kith_sync_report report = sync_home(reader);
    if (report.received < bench->visits)
        bench_fail("the first sync did not bring every visit", 0);
    bench->first_cpu_s = bench_cpu_seconds() - before;
    bench->first_bytes = (double)(report.bytes_in + report.bytes_out);
    bench_row(bench, "first sync: visits", report.received, "changes", 0);
    bench_row(bench, "first sync: time", bench_seconds_since(&start), "s", 0);
    bench_row(bench, "first sync: CPU of the hub",
              (bench_hub_cpu_seconds(hub) - hub_before) / report.received * 1e6, "us/change", 0);
    bench_row(bench, "first sync: bytes down", (double)report.bytes_in / report.received,
              "B/change", 0);
    bench_row(bench, "first sync: round trips", report.round_trips, "", 1);
}

/* What a sync costs beyond the change itself: its sealed text, mark and signature. */
static void measure_one_visit(struct bench *bench, struct kith *writer, const char *participant)
{
    add_visit(writer, participant, bench->visits + 1);
    struct kith_sync_report report = sync_home(writer);
    double total = (double)(report.bytes_out + report.bytes_in);

    bench->one_visit_bytes = total;
    bench_row(bench, "one visit: bytes, both ways", total, "B", 0);
    bench_row(bench, "one visit: bytes beyond the change", total - (double)report.change_bytes, "B",
              600);
    bench_row(bench, "one visit: round trips", report.round_trips, "", 1);
}

static void measure_nothing_new(struct bench *bench, struct kith *kith)
{
    double before = bench_cpu_seconds();
    struct kith_sync_report report = sync_home(kith);

    bench->nothing_new_bytes = (double)(report.bytes_out + report.bytes_in);
    bench_row(bench, "nothing new: bytes, both ways", (double)(report.bytes_out + report.bytes_in),
              "B", 400);
    bench_row(bench, "nothing new: round trips", report.round_trips, "", 1);
    bench_row(bench, "nothing new: CPU of the laptop", (bench_cpu_seconds() - before) * 1e3, "ms",
              0);
}

/* The least that a first sync may cost: each change opened and hashed, and all that the laptop has
 * then written by LMDB alone. */
static void tell_first_sync(struct bench *bench, const char *home)
{
    char to[BENCH_PATH_MAX];

    bench_path(bench, "peer", to);
    double lmdb = lmdb_peer_write(home, to, (unsigned)(bench->first_bytes / BATCH_BYTES) + 1);
    bench_remove(to);
    if (lmdb < 0)
        bench_fail("LMDB alone", 0);
    double least = limit_open_s() + lmdb / bench->visits;
    bench_row(bench, "first sync: CPU of the laptop, and the least it may cost",
              bench->first_cpu_s / bench->visits * 1e6, "us/change", least * 1e6);
}

/* What a laptop does when somebody sits down: open the home, look at the caseload, list visits. */
static void measure_overview(struct bench *bench, struct kith **kith, const char *name)
{
    const struct kith_filter all = {0};
    struct kith_caseload *caseload;
    struct kith_list *list;
    uint8_t key[KITH_KEY_BYTES];
    char home[BENCH_PATH_MAX];

    bench_path(bench, name, home);
    kith_data_key(*kith, key);
    kith_close(kith);
    tell_first_sync(bench, home);
    double before = bench_cpu_seconds();
    check(NULL, "opening a home", kith_open_with_key(home, key, kith));
    check(*kith, "reading the caseload", kith_caseload(*kith, &caseload));
    bench_row(bench, "open and show a caseload: CPU", (bench_cpu_seconds() - before) * 1e3, "ms",
              100);
    if (caseload->count != 1 || caseload->cases[0].visits < bench->visits)
        bench_fail("the caseload does not count every visit", 0);
    kith_caseload_free(&caseload);
    before = bench_cpu_seconds();
    check(*kith, "listing visits", kith_record_list(*kith, "visit", &all, &list));
    bench_row(bench, "list all visits in full: CPU", (bench_cpu_seconds() - before) * 1e3, "ms", 0);
    kith_list_free(&list);
}

/* A fresh laptop takes in and merges many changes; then LMDB alone writes what that made. */
static void measure_merge(struct bench *bench, struct kith *founder, struct kith *writer,
                          const char *participant)
{
    char from[BENCH_PATH_MAX];
    char to[BENCH_PATH_MAX];

    for (unsigned i = bench->visits + 2; i <= bench->changes; i++)
        add_visit(writer, participant, i);
    (void)sync_home(writer);
    struct kith *fresh = join(bench, founder, "Fresh Laptop", "supervisor", NULL);
    (void)sync_home(writer);
    check(writer, "granting", kith_grant(writer, participant, "Fresh Laptop"));
    (void)sync_home(writer);
    double before = bench_cpu_seconds();
    struct kith_sync_report report = sync_home(fresh);
    double merge = bench_cpu_seconds() - before;
    if (report.received < bench->changes)
        bench_fail("the fresh laptop did not get every change", 0);
    unsigned batches = (unsigned)(report.bytes_in / BATCH_BYTES) + 1;
    kith_close(&fresh);
    bench_path(bench, "Fresh Laptop", from);
    bench_path(bench, "peer", to);
    double peer = lmdb_peer_write(from, to, batches);
    if (peer < 0)
        bench_fail("LMDB alone", 0);
    bench_row(bench, "merge: changes", report.received, "changes", 0);
    bench_row(bench, "merge: CPU, and of LMDB alone", merge / report.received * 1e6, "us/change",
              peer / report.received * 1e6);
}

static uint64_t rotation_owed(struct kith *kith)
{
    struct kith_status status;

    check(kith, "reading the status", kith_status(kith, &status));
    return status.rotation_owed;
}

/* A supervisor of very many people gets a second laptop, which is then lost. */
static void measure_circles(struct bench *bench, struct kith *founder, struct kith *rosa,
                            struct kith *ana)
{
    struct kith_invitation invitation = {"Rosa Quiroga", "supervisor", NULL, 3600000};
    struct kith_caseload *caseload;
    struct kith_device *devices;
    struct kith *second = open_home(bench, "second");
    char code[KITH_CODE_TEXT];
    char id[KITH_ID_TEXT];
    char text[64];
    uint64_t expires;
    size_t count;
    const struct kith_input name = {"name", '=', text};

    for (unsigned i = 0; i < bench->circles; i++) {
        (void)snprintf(text, sizeof text, "Participant %u", i);
        check(ana, "adding a participant", kith_record_add(ana, "participant", &name, 1, id));
    }
    (void)sync_home(ana);
    (void)sync_home(rosa);
    (void)sync_home(founder);
    double before = bench_cpu_seconds();
    check(rosa, "inviting", kith_invite(rosa, &invitation, code, &expires));
    (void)sync_home(rosa);
    check(second, "joining", kith_join(second, code, "second"));
    (void)sync_home(second);
    bench_row(bench, "link a second laptop to many circles: CPU", bench_cpu_seconds() - before, "s",
              10);
    check(second, "reading the caseload", kith_caseload(second, &caseload));
    if (caseload->count < bench->circles)
        bench_fail("the second laptop did not get every circle", 0);
    kith_caseload_free(&caseload);
    (void)sync_home(founder);
    check(founder, "listing devices", kith_devices(founder, &devices, &count));
    uint32_t lost = devices[count - 1].number;
    kith_free(devices);
    before = bench_cpu_seconds();
    check(founder, "revoking", kith_device_end(founder, lost, KITH_REVOKED, "lost"));
    (void)sync_home(founder);
    bench_row(bench, "revoke a device of many circles: CPU", bench_cpu_seconds() - before, "s", 10);
    bench_row(bench, "revoke a device of many circles: keys owed", (double)rotation_owed(founder),
              "", 0);
    if (rotation_owed(founder) != 0)
        bench_fail("after one sync keys are owed still", 0);
    kith_close(&second);
}

void measure_laptops(struct bench *bench)
{
    struct bench_hub hub;
    char code[KITH_CODE_TEXT];
    char sheet[KITH_CODE_TEXT];
    char participant[KITH_ID_TEXT];
    struct timespec start_time;
    const struct kith_input name = {"name", '=', "Maria Lopez"};

    bench_hub_init(&hub, bench, "hub", code);
    bench_hub_run(&hub);
    struct kith *founder = open_home(bench, "founder");
    check(founder, "founding", kith_found(founder, code, "Open Door", "Irma Founder", sheet));
    struct kith *rosa = join(bench, founder, "Rosa Quiroga", "supervisor", NULL);
    struct kith *ana = join(bench, founder, "Ana Silva", "specialist", "Rosa Quiroga");
    check(ana, "adding a participant", kith_record_add(ana, "participant", &name, 1, participant));
    double before = bench_cpu_seconds();
    (void)clock_gettime(CLOCK_MONOTONIC, &start_time);
    for (unsigned i = 1; i <= bench->visits; i++)
        add_visit(ana, participant, i);
    bench_row(bench, "save: CPU of one visit", (bench_cpu_seconds() - before) / bench->visits * 1e6,
              "us", 0);
    bench_row(bench, "save: time of one visit, durable",
              bench_seconds_since(&start_time) / bench->visits * 1e6, "us", 0);
    (void)sync_home(ana);
    measure_first_sync(bench, &hub, rosa);
    measure_one_visit(bench, ana, participant);
    (void)sync_home(rosa);
    measure_nothing_new(bench, rosa);
    measure_overview(bench, &rosa, "Rosa Quiroga");
    if (bench->circles > 0)
        measure_circles(bench, founder, rosa, ana);
    if (bench->changes > bench->visits)
        measure_merge(bench, founder, ana, participant);
    kith_close(&ana);
    kith_close(&rosa);
    kith_close(&founder);
    bench_hub_stop(&hub);
}
