/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench: the real hub on loopback, real laptops through libkith, a store of many visits.
 *
 *     bench BINARIES [--visits N] [--changes N] [--circles N] [--json]
 *
 * Prints a row for each figure: what was measured, the limit it is held against, and the ratio of
 * the two. What a figure means is in docs/performance.md.
 */
#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/kith.h"
#include "lmdb_peer.h"

#define VISITS_DEFAULT  10000
#define CHANGES_DEFAULT 100000
#define CIRCLES_DEFAULT 1500
#define PASSPHRASE      "only for measuring"
#define BATCH_BYTES     65536

struct bench {
    const char *binaries;
    bool is_json;
    unsigned visits;
    unsigned changes; /* of the merge; 0: it is not measured */
    unsigned circles; /* that a second laptop is linked to; likewise */
    unsigned rows;
    char folder[128];
    char data[160];
    char address[32];
    pid_t hub;
};

static void fail(const char *what, int code)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, code ? kith_error_text(code) : "failed");
    exit(1);
}

static void check(const struct kith *kith, const char *what, int code)
{
    if (code && kith && *kith_detail(kith))
        (void)fprintf(stderr, "bench: %s\n", kith_detail(kith));
    if (code)
        fail(what, code);
}

/* One figure. `limit` 0: there is none. */
static void row(struct bench *bench, const char *name, double value, const char *unit, double limit)
{
    double ratio = limit > 0 ? value / limit : 0;

    if (bench->is_json)
        (void)printf("%s\n  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"limit\": %.6g, "
                     "\"ratio\": %.4g}",
                     bench->rows ? "," : "", name, value, unit, limit, ratio);
    else if (limit > 0)
        (void)printf("%-44s %12.6g %-10s %10.6g %7.2f\n", name, value, unit, limit, ratio);
    else
        (void)printf("%-44s %12.6g %-10s\n", name, value, unit);
    bench->rows++;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* The hub's processor time so far, from the kernel. */
static double hub_cpu_seconds(const struct bench *bench)
{
    char path[64];
    char line[1024];
    unsigned long user = 0;
    unsigned long system = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)bench->hub);
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) {
        const char *after = strrchr(line, ')');
        if (after)
            (void)sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                         &system);
    }
    if (file)
        (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        fail("no free port", 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* Starts a program of ours; its standard output is the other end of `*out`. */
static pid_t start(const struct bench *bench, const char *const *arguments, FILE **out)
{
    char path[256];
    int ends[2];

    (void)snprintf(path, sizeof path, "%s/kithd", bench->binaries);
    if (pipe(ends) < 0)
        fail("pipe", 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)!freopen("/dev/null", "w", stderr);
        (void)execv(path, (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    (void)close(ends[1]);
    *out = fdopen(ends[0], "r");
    if (child < 0 || !*out)
        fail("starting kithd", 0);
    return child;
}

static void init_hub(struct bench *bench, char code[KITH_CODE_TEXT])
{
    const char *const arguments[] = {"kithd",    "init",         "--data", bench->data,
                                     "--listen", bench->address, "--json", NULL};
    char text[4096] = "";
    FILE *out;
    int status = 0;

    pid_t child = start(bench, arguments, &out);
    size_t len = fread(text, 1, sizeof text - 1, out);
    (void)fclose(out);
    (void)waitpid(child, &status, 0);
    text[len] = '\0';
    const char *at = strstr(text, "kith1-");
    if (status != 0 || !at)
        fail("kithd init", 0);
    size_t code_len = strcspn(at, "\"");
    if (code_len >= KITH_CODE_TEXT)
        fail("kithd init", 0);
    memcpy(code, at, code_len);
    code[code_len] = '\0';
}

static void run_hub(struct bench *bench)
{
    const char *const arguments[] = {"kithd", "run", "--data", bench->data, NULL};
    char line[128];
    FILE *out;

    bench->hub = start(bench, arguments, &out);
    if (!fgets(line, sizeof line, out) || strncmp(line, "listening ", 10) != 0)
        fail("kithd run", 0);
    (void)fclose(out);
}

static void stop_hub(struct bench *bench)
{
    (void)kill(bench->hub, SIGTERM);
    (void)waitpid(bench->hub, NULL, 0);
}

static struct kith *open_home(struct bench *bench, const char *name)
{
    char home[192];
    struct kith *kith;

    (void)snprintf(home, sizeof home, "%s/%s", bench->folder, name);
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
    char purpose[160];
    char done[256];
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
        {"purpose", '=', purpose},
        {"what_was_done", '=', done},
        {"response", '=',
         "She said that she feels more sure of herself than last week and would like to go again."},
        {"plan_next", '=',
         "We meet on Thursday at ten, in front of the library, and go to the group together."},
    };

    (void)snprintf(purpose, sizeof purpose,
                   "Visit %u: to practise going to the group and to look at the goals.", number);
    (void)snprintf(done, sizeof done,
                   "We walked to the bus stop %u, talked about what had worked for me in my own "
                   "first weeks, and "
                   "practised the breathing before we went in.",
                   number * 7919 % 1000);
    check(kith, "adding a visit",
          kith_record_add(kith, "visit", inputs, sizeof inputs / sizeof *inputs, id));
}

static struct kith_sync_report sync_home(struct kith *kith)
{
    struct kith_sync_report report;

    check(kith, "syncing", kith_sync(kith, &report));
    return report;
}

static void measure_first_sync(struct bench *bench, struct kith *reader)
{
    struct timespec start;
    double hub_before = hub_cpu_seconds(bench);
    double before = cpu_seconds();

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    struct kith_sync_report report = sync_home(reader);
    if (report.received < bench->visits)
        fail("the first sync did not bring every visit", 0);
    row(bench, "first sync: visits", report.received, "changes", 0);
    row(bench, "first sync: time", seconds_since(&start), "s", 0);
    row(bench, "first sync: CPU of the laptop", (cpu_seconds() - before) / report.received * 1e6,
        "us/change", 0);
    row(bench, "first sync: CPU of the hub",
        (hub_cpu_seconds(bench) - hub_before) / report.received * 1e6, "us/change", 0);
    row(bench, "first sync: bytes down", (double)report.bytes_in / report.received, "B/change", 0);
    row(bench, "first sync: round trips", report.round_trips, "", 1);
}

/* What a sync costs beyond the change itself: its sealed text, mark and signature. */
static void measure_one_visit(struct bench *bench, struct kith *writer, const char *participant)
{
    add_visit(writer, participant, bench->visits + 1);
    struct kith_sync_report report = sync_home(writer);
    double total = (double)(report.bytes_out + report.bytes_in);

    row(bench, "one visit: bytes, both ways", total, "B", 0);
    row(bench, "one visit: bytes beyond the change", total - (double)report.change_bytes, "B", 600);
    row(bench, "one visit: round trips", report.round_trips, "", 1);
}

static void measure_nothing_new(struct bench *bench, struct kith *kith)
{
    double before = cpu_seconds();
    struct kith_sync_report report = sync_home(kith);

    row(bench, "nothing new: bytes, both ways", (double)(report.bytes_out + report.bytes_in), "B",
        400);
    row(bench, "nothing new: round trips", report.round_trips, "", 1);
    row(bench, "nothing new: CPU of the laptop", (cpu_seconds() - before) * 1e3, "ms", 0);
}

/* What a laptop does when somebody sits down: open the home, look at the caseload, list visits. */
static void measure_overview(struct bench *bench, struct kith **kith, const char *name)
{
    const struct kith_filter all = {0};
    struct kith_caseload *caseload;
    struct kith_list *list;
    uint8_t key[KITH_KEY_BYTES];
    char home[192];

    (void)snprintf(home, sizeof home, "%s/%s", bench->folder, name);
    kith_data_key(*kith, key);
    kith_close(kith);
    double before = cpu_seconds();
    check(NULL, "opening a home", kith_open_with_key(home, key, kith));
    check(*kith, "reading the caseload", kith_caseload(*kith, &caseload));
    row(bench, "open and show a caseload: CPU", (cpu_seconds() - before) * 1e3, "ms", 100);
    if (caseload->count != 1 || caseload->cases[0].visits < bench->visits)
        fail("the caseload does not count every visit", 0);
    kith_caseload_free(&caseload);
    before = cpu_seconds();
    check(*kith, "listing visits", kith_record_list(*kith, "visit", &all, &list));
    row(bench, "list all visits in full: CPU", (cpu_seconds() - before) * 1e3, "ms", 0);
    kith_list_free(&list);
}

/* A fresh laptop takes in and merges many changes; then LMDB alone writes what that made. */
static void measure_merge(struct bench *bench, struct kith *founder, struct kith *writer,
                          const char *participant)
{
    char from[192];
    char to[192];

    for (unsigned i = bench->visits + 2; i <= bench->changes; i++)
        add_visit(writer, participant, i);
    (void)sync_home(writer);
    struct kith *fresh = join(bench, founder, "Fresh Laptop", "supervisor", NULL);
    (void)sync_home(writer);
    check(writer, "granting", kith_grant(writer, participant, "Fresh Laptop"));
    (void)sync_home(writer);
    double before = cpu_seconds();
    struct kith_sync_report report = sync_home(fresh);
    double merge = cpu_seconds() - before;
    if (report.received < bench->changes)
        fail("the fresh laptop did not get every change", 0);
    unsigned batches = (unsigned)(report.bytes_in / BATCH_BYTES) + 1;
    kith_close(&fresh);
    (void)snprintf(from, sizeof from, "%s/Fresh Laptop", bench->folder);
    (void)snprintf(to, sizeof to, "%s/peer", bench->folder);
    double peer = lmdb_peer_write(from, to, batches);
    if (peer < 0)
        fail("LMDB alone", 0);
    row(bench, "merge: changes", report.received, "changes", 0);
    row(bench, "merge: CPU, and of LMDB alone", merge / report.received * 1e6, "us/change",
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
    double before = cpu_seconds();
    check(rosa, "inviting", kith_invite(rosa, &invitation, code, &expires));
    (void)sync_home(rosa);
    check(second, "joining", kith_join(second, code, "second"));
    (void)sync_home(second);
    row(bench, "link a second laptop to many circles: CPU", cpu_seconds() - before, "s", 10);
    check(second, "reading the caseload", kith_caseload(second, &caseload));
    if (caseload->count < bench->circles)
        fail("the second laptop did not get every circle", 0);
    kith_caseload_free(&caseload);
    (void)sync_home(founder);
    check(founder, "listing devices", kith_devices(founder, &devices, &count));
    uint32_t lost = devices[count - 1].number;
    kith_free(devices);
    before = cpu_seconds();
    check(founder, "revoking", kith_device_end(founder, lost, KITH_REVOKED, "lost"));
    (void)sync_home(founder);
    row(bench, "revoke a device of many circles: CPU", cpu_seconds() - before, "s", 10);
    row(bench, "revoke a device of many circles: keys owed", (double)rotation_owed(founder), "", 0);
    if (rotation_owed(founder) != 0)
        fail("after one sync keys are owed still", 0);
    kith_close(&second);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static void measure(struct bench *bench)
{
    char code[KITH_CODE_TEXT];
    char sheet[KITH_CODE_TEXT];
    char participant[KITH_ID_TEXT];
    struct timespec start_time;
    const struct kith_input name = {"name", '=', "Maria Lopez"};

    init_hub(bench, code);
    run_hub(bench);
    struct kith *founder = open_home(bench, "founder");
    check(founder, "founding", kith_found(founder, code, "Open Door", "Irma Founder", sheet));
    struct kith *rosa = join(bench, founder, "Rosa Quiroga", "supervisor", NULL);
    struct kith *ana = join(bench, founder, "Ana Silva", "specialist", "Rosa Quiroga");
    check(ana, "adding a participant", kith_record_add(ana, "participant", &name, 1, participant));
    double before = cpu_seconds();
    (void)clock_gettime(CLOCK_MONOTONIC, &start_time);
    for (unsigned i = 1; i <= bench->visits; i++)
        add_visit(ana, participant, i);
    row(bench, "save: CPU of one visit", (cpu_seconds() - before) / bench->visits * 1e6, "us", 0);
    row(bench, "save: time of one visit, durable", seconds_since(&start_time) / bench->visits * 1e6,
        "us", 0);
    (void)sync_home(ana);
    measure_first_sync(bench, rosa);
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
    stop_hub(bench);
}

int main(int argc, char **argv)
{
    struct bench bench = {
        .visits = VISITS_DEFAULT, .changes = CHANGES_DEFAULT, .circles = CIRCLES_DEFAULT};
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            bench.is_json = true;
        else if (strcmp(argv[i], "--visits") == 0 && i + 1 < argc)
            bench.visits = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--changes") == 0 && i + 1 < argc)
            bench.changes = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--circles") == 0 && i + 1 < argc)
            bench.circles = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            bench.binaries = argv[i];
    }
    if (!bench.binaries || bench.visits == 0) {
        (void)fprintf(stderr,
                      "usage: bench BINARIES [--visits N] [--changes N] [--circles N] [--json]\n");
        return 2;
    }
    (void)snprintf(bench.folder, sizeof bench.folder, "%s/kith-bench-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : base);
    if (!mkdtemp(bench.folder))
        fail("no temporary folder", 0);
    (void)snprintf(bench.data, sizeof bench.data, "%s/hub", bench.folder);
    (void)snprintf(bench.address, sizeof bench.address, "127.0.0.1:%d", free_port());
    (void)printf(bench.is_json ? "[" : "%-44s %12s %-10s %10s %7s\n", "", "value", "unit", "limit",
                 "ratio");
    measure(&bench);
    if (bench.is_json)
        (void)printf("\n]\n");
    (void)nftw(bench.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
