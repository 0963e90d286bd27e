/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench: the real programs on loopback, measured beside what cannot be done without.
 *
 *     bench BINARIES [--only PART,...] [--visits N] [--changes N] [--circles N] [--devices N]
 *                    [--growth N] [--strangers N] [--json]
 *
 * Prints a row for each figure: what was measured, the limit or peer it is held against, measured
 * in the same run, and the ratio of the two. What a figure means is in docs/performance.md.
 */
#include "bench.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct part {
    const char *name;
    void (*measure)(struct bench *bench);
} parts[] = {
    {"laptops", measure_laptops}, {"ingest", measure_ingest},   {"storm", measure_storm},
    {"idle", measure_idle},       {"fan-out", measure_fan_out}, {"growth", measure_growth},
    {"peers", measure_peers},     {"strangers", measure_flood},
};
#define PART_COUNT (sizeof parts / sizeof *parts)

void bench_fail(const char *what, int code)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, code ? kith_error_text(code) : "failed");
    exit(1);
}

void bench_row(struct bench *bench, const char *name, double value, const char *unit, double limit)
{
    double ratio = limit > 0 ? value / limit : 0;

    if (bench->is_json)
        (void)printf("%s\n  {\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"limit\": %.6g, "
                     "\"ratio\": %.4g}",
                     bench->rows ? "," : "", name, value, unit, limit, ratio);
    else if (limit > 0)
        (void)printf("%-52s %12.6g %-10s %10.6g %7.2f\n", name, value, unit, limit, ratio);
    else
        (void)printf("%-52s %12.6g %-10s\n", name, value, unit);
    (void)fflush(stdout);
    bench->rows++;
}

void bench_path(const struct bench *bench, const char *name, char path[static BENCH_PATH_MAX])
{
    (void)snprintf(path, BENCH_PATH_MAX, "%s/%s", bench->folder, name);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

void bench_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

double bench_seconds_since(const struct timespec *start)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

double bench_cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Thousands of connections are thousands of files. */
static void raise_files(void)
{
    struct rlimit files;

    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static bool read_number(char **argv, int *i, const char *name, unsigned *number)
{
    if (strcmp(argv[*i], name) != 0 || !argv[*i + 1])
        return false;
    *number = (unsigned)strtoul(argv[++*i], NULL, 10);
    return true;
}

static bool read_arguments(struct bench *bench, char **argv, const char **only)
{
    for (int i = 1; argv[i]; i++) {
        if (strcmp(argv[i], "--json") == 0)
            bench->is_json = true;
        else if (strcmp(argv[i], "--only") == 0 && argv[i + 1])
            *only = argv[++i];
        else if (!read_number(argv, &i, "--visits", &bench->visits) &&
                 !read_number(argv, &i, "--changes", &bench->changes) &&
                 !read_number(argv, &i, "--circles", &bench->circles) &&
                 !read_number(argv, &i, "--devices", &bench->devices) &&
                 !read_number(argv, &i, "--growth", &bench->growth) &&
                 !read_number(argv, &i, "--strangers", &bench->strangers))
            bench->binaries = argv[i];
    }
    return bench->binaries && bench->visits > 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.visits = 10000,
                          .changes = 100000,
                          .circles = 1500,
                          .devices = 30000,
                          .growth = 1000000,
                          .strangers = 10000};
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const char *only = NULL;

    (void)argc;
    if (!read_arguments(&bench, argv, &only)) {
        (void)fprintf(stderr,
                      "usage: bench BINARIES [--only PART,...] [--visits N] [--changes N] "
                      "[--circles N] [--devices N] [--growth N] [--strangers N] [--json]\n");
        return 2;
    }
    raise_files();
    (void)snprintf(bench.folder, sizeof bench.folder, "%s/kith-bench-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : base);
    if (!mkdtemp(bench.folder))
        bench_fail("no temporary folder", 0);
    (void)printf(bench.is_json ? "[" : "%-52s %12s %-10s %10s %7s\n", "", "value", "unit", "limit",
                 "ratio");
    for (size_t i = 0; i < PART_COUNT; i++)
        if (!only || strstr(only, parts[i].name))
            parts[i].measure(&bench);
    if (bench.is_json)
        (void)printf("\n]\n");
    bench_remove(bench.folder);
    return 0;
}
