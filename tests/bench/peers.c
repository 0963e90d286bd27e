/* SPDX-License-Identifier: Apache-2.0 */
/* Others that do a part of the same, in the same run: PouchDB with its server, and Redis. A peer
 * that is not installed is left out, and said so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define PACKAGES "build/pouchdb"
#define ANSWER   4096
#define COMMAND  1024

/* The fields of a visit as laptop.c records them. */
static void write_visits(const char *path, unsigned count)
{
    struct bench_texts texts;
    FILE *file = fopen(path, "w");

    if (!file)
        bench_fail("writing visits", 0);
    for (unsigned i = 1; i <= count; i++) {
        bench_write_texts(i, &texts);
        (void)fprintf(
            file,
            "{\"_id\": \"visit-%08u\", \"type\": \"visit\", \"participant\": "
            "\"mfrggzdfmztwq2lknnwg23tpoa\", \"date\": \"2026-03-02\", \"start\": "
            "\"2026-03-02T14:05-05:00\", \"end\": \"2026-03-02T14:50-05:00\", \"code\": "
            "\"H0038\", \"place\": \"home\", \"mode\": \"in_person\", \"contact_result\": "
            "\"done\", \"interventions\": [\"shared_lived_experience\", \"skills_practice\"], "
            "\"purpose\": \"%s\", \"what_was_done\": \"%s\", \"response\": \"%s\", "
            "\"plan_next\": \"%s\"}\n",
            i, texts.purpose, texts.done, texts.response, texts.plan);
    }
    (void)fclose(file);
}

static void run(const char *command)
{
    if (system(command) != 0)
        bench_fail(command, 0);
}

/* The first line that a command prints; false if it fails. */
static bool ask(const char *command, char answer[static ANSWER])
{
    FILE *out = popen(command, "r");

    answer[0] = '\0';
    if (!out)
        return false;
    bool has_line = fgets(answer, ANSWER, out) != NULL;
    return pclose(out) == 0 && has_line;
}

static double number_of(const char *json, const char *key)
{
    char quoted[64];

    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(json, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : 0;
}

static void left_out(const struct bench *bench, const char *peer)
{
    if (!bench->is_json)
        (void)printf("%s is not installed here: left out\n", peer);
}

static void beside_pouchdb(struct bench *bench)
{
    char folder[BENCH_PATH_MAX];
    char visits[BENCH_PATH_MAX + 16];
    char command[COMMAND];
    char answer[ANSWER];

    if (access(PACKAGES "/node_modules/pouchdb/package.json", R_OK) < 0) {
        left_out(bench, "PouchDB");
        return;
    }
    bench_path(bench, "pouchdb", folder);
    (void)snprintf(command, sizeof command, "mkdir -p %s", folder);
    run(command);
    (void)snprintf(visits, sizeof visits, "%s/visits.jsonl", folder);
    write_visits(visits, bench->visits + 1);
    (void)snprintf(command, sizeof command, "node tests/bench/pouchdb/measure.js %s %s %s",
                   PACKAGES, folder, visits);
    if (!ask(command, answer))
        bench_fail("measuring PouchDB", 0);
    bench_remove(folder);
    bench_row(bench, "beside PouchDB: first sync, CPU of the laptop", bench->first_cpu_s, "s",
              number_of(answer, "first_cpu_s"));
    bench_row(bench, "beside PouchDB: first sync, bytes", bench->first_bytes, "B",
              number_of(answer, "first_bytes"));
    bench_row(bench, "beside PouchDB: one visit, bytes", bench->one_visit_bytes, "B",
              number_of(answer, "one_visit_bytes"));
    bench_row(bench, "beside PouchDB: nothing new, bytes", bench->nothing_new_bytes, "B",
              number_of(answer, "nothing_new_bytes"));
}

/* Redis makes each value durable that it acknowledges, and checks and encrypts nothing. */
static void beside_redis(struct bench *bench)
{
    char folder[BENCH_PATH_MAX];
    char command[COMMAND];
    char answer[ANSWER];

    if (system("command -v redis-server redis-benchmark >/dev/null") != 0) {
        left_out(bench, "Redis");
        return;
    }
    bench_path(bench, "redis", folder);
    (void)snprintf(command, sizeof command,
                   "mkdir -p %s; redis-server --port 0 --unixsocket %s/socket --dir %s "
                   "--appendonly yes --appendfsync always --save '' --daemonize yes "
                   "--pidfile %s/pid >/dev/null; sleep 1",
                   folder, folder, folder, folder);
    run(command);
    (void)snprintf(command, sizeof command,
                   "redis-benchmark -s %s/socket -c 200 -n 100000 -r 1000000 -d 450 -t set --csv | "
                   "tail -1 | cut -d, -f2 | tr -d '\"'",
                   folder);
    bool is_measured = ask(command, answer);
    (void)snprintf(command, sizeof command, "kill $(cat %s/pid)", folder);
    run(command);
    bench_remove(folder);
    if (is_measured && bench->ingest_rate > 0)
        bench_row(bench, "beside Redis: durable changes a second, 200 connections",
                  bench->ingest_rate, "1/s", strtod(answer, NULL));
}

void measure_peers(struct bench *bench)
{
    if (bench->first_cpu_s > 0)
        beside_pouchdb(bench);
    beside_redis(bench);
}
