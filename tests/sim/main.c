/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: schedules by seed, each with a hub, devices and people in one process.
 *
 * sim --seeds FIRST:COUNT | --seed N [--verbose] [--folder DIR]
 * Every 64th seed runs twice and must come out the same to the byte. Ends with 1 at the first seed
 * that breaks an invariant.
 */
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/schedule.h"

#define TWICE_EVERY      64
#define SEED_SECONDS_MAX 60 /* a hundredth of a second is usual */
#define REPLAY           "     replay: sim --seed %llu --verbose\n"
/* LMDB's lists of two megabytes come from the kernel as zeros, the rest never goes back to it. */
#define LARGE_BYTES (1 << 20)

static struct world world;

/* The signal is said with the seed; nothing else can be saved then. */
static void on_signal(int signal_number)
{
    static char line[256];
    const char *invariant = signal_number == SIGALRM ? "hang" : "crash";

    int len = snprintf(line, sizeof line, "FAIL seed=%llu step=%u invariant=%s: signal %d\n" REPLAY,
                       (unsigned long long)world.seed, world.step, invariant, signal_number,
                       (unsigned long long)world.seed);
    if (len > 0 && write(STDOUT_FILENO, line, (size_t)len) < 0)
        _exit(3);
    _exit(2);
}

struct options {
    uint64_t first;
    uint64_t count;
    const char *folder;
    bool is_verbose;
};

static bool read_options(struct options *options, int count, char **words)
{
    struct stat info;
    bool is_there = stat("/dev/shm", &info) == 0 && access("/dev/shm", W_OK) == 0;

    *options = (struct options){.first = 1, .count = 100, .folder = is_there ? "/dev/shm" : "/tmp"};
    for (int i = 1; i < count; i++) {
        char *end = NULL;
        const char *value = i + 1 < count ? words[i + 1] : "";
        if (strcmp(words[i], "--verbose") == 0) {
            options->is_verbose = true;
            continue;
        }
        if (strcmp(words[i], "--folder") == 0) {
            options->folder = value;
        } else if (strcmp(words[i], "--seed") == 0) {
            options->first = strtoull(value, &end, 10);
            options->count = 1;
        } else if (strcmp(words[i], "--seeds") == 0) {
            options->first = strtoull(value, &end, 10);
            options->count = end && *end == ':' ? strtoull(end + 1, NULL, 10) : 0;
        } else {
            return false;
        }
        i++;
    }
    return options->count > 0;
}

int main(int count, char **words)
{
    struct options options;

    if (!read_options(&options, count, words)) {
        (void)fprintf(stderr, "usage: sim --seeds FIRST:COUNT | --seed N [--verbose] "
                              "[--folder DIR]\n");
        return 2;
    }
    (void)signal(SIGABRT, on_signal);
    (void)signal(SIGSEGV, on_signal);
    (void)signal(SIGBUS, on_signal);
    (void)signal(SIGALRM, on_signal);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 64 * LARGE_BYTES);
    random_install();
    random_seed(0);
    if (sodium_init() < 0)
        return 2;
    for (uint64_t seed = options.first; seed < options.first + options.count; seed++) {
        world.is_verbose = options.is_verbose;
        (void)alarm(options.is_verbose ? 0 : SEED_SECONDS_MAX); /* time for a debugger */
        uint64_t trace = schedule_run(&world, seed, options.folder);
        if (seed % TWICE_EVERY == 0 && schedule_run(&world, seed, options.folder) != trace)
            world_fail(&world, "determinism", "the second run differs");
        if (options.is_verbose)
            (void)printf("seed %llu: %016llx\n", (unsigned long long)seed,
                         (unsigned long long)trace);
    }
    (void)printf("%llu seeds from %llu, 0 failures\n", (unsigned long long)options.count,
                 (unsigned long long)options.first);
    return 0;
}
