/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all measurements share: the table, clocks, folders, and a hub that runs as its operator
 * would run it.
 */
#ifndef KITH_TESTS_BENCH_BENCH_H
#define KITH_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "client/kith.h"

struct bench {
    const char *binaries;
    bool is_json;
    unsigned visits;
    unsigned changes; /* of the merge; 0: it is not measured */
    unsigned circles; /* that a second laptop is linked to; likewise */
    unsigned devices; /* of the storm */
    unsigned growth;  /* changes, at most, of the hub that grows */
    unsigned strangers;
    unsigned rows;
    char folder[128];
    /* What a laptop was measured with, for the peers; 0: it was not. */
    double first_cpu_s;
    double first_bytes;
    double one_visit_bytes;
    double nothing_new_bytes;
    double ingest_rate; /* changes a second at 200 connections; likewise */
};

#define BENCH_PATH_MAX 192

/* Ends the program with a sentence. `code` 0: without a reason. */
_Noreturn void bench_fail(const char *what, int code);
/* One figure. `limit` 0: there is none. */
void bench_row(struct bench *bench, const char *name, double value, const char *unit, double limit);
/* A name in the bench's folder. */
void bench_path(const struct bench *bench, const char *name, char path[static BENCH_PATH_MAX]);
void bench_remove(const char *folder);
double bench_seconds_since(const struct timespec *start);
double bench_cpu_seconds(void); /* of this process */

/* What somebody wrote about a visit: about 400 bytes, another one for each number. */
struct bench_texts {
    char purpose[100];
    char done[160];
    char response[100];
    char plan[90];
};
void bench_write_texts(unsigned number, struct bench_texts *texts);

struct bench_hub {
    const struct bench *bench;
    char data[BENCH_PATH_MAX];
    char address[32];
    uint16_t port;
    pid_t pid;
};

/* Makes a hub in a folder of this name. */
void bench_hub_init(struct bench_hub *hub, const struct bench *bench, const char *name,
                    char code[static KITH_CODE_TEXT]);
/* Adds a line to its settings, which has no such line yet. Before it runs. */
void bench_hub_set(const struct bench_hub *hub, const char *line);
void bench_hub_run(struct bench_hub *hub);
/* Does nothing if it is not running. */
void bench_hub_stop(struct bench_hub *hub);
/* Its processor time so far, of all threads, to the microsecond. */
double bench_hub_cpu_seconds(const struct bench_hub *hub);
/* Resident memory in KiB, without what is only the map of its store; the peak of all of it. */
double bench_hub_memory_kib(const struct bench_hub *hub);
double bench_hub_peak_kib(const struct bench_hub *hub);

/* The parts, each with its rows. */
void measure_laptops(struct bench *bench);
void measure_ingest(struct bench *bench);
void measure_storm(struct bench *bench);
void measure_idle(struct bench *bench);
void measure_fan_out(struct bench *bench);
void measure_growth(struct bench *bench);
void measure_peers(struct bench *bench);
void measure_flood(struct bench *bench);

#endif
