/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        bench_fail("no free port", 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* Starts kithd; its standard output is the other end of `*out`. */
static pid_t start(const struct bench_hub *hub, const char *const *arguments, FILE **out)
{
    char path[256];
    int ends[2];

    (void)snprintf(path, sizeof path, "%s/kithd", hub->bench->binaries);
    if (pipe(ends) < 0)
        bench_fail("pipe", 0);
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
        bench_fail("starting kithd", 0);
    return child;
}

void bench_hub_init(struct bench_hub *hub, const struct bench *bench, const char *name,
                    char code[static KITH_CODE_TEXT])
{
    char text[4096] = "";
    FILE *out;
    int status = 0;

    memset(hub, 0, sizeof *hub);
    hub->bench = bench;
    bench_path(bench, name, hub->data);
    hub->port = free_port();
    (void)snprintf(hub->address, sizeof hub->address, "127.0.0.1:%u", hub->port);
    const char *const arguments[] = {"kithd",      "init",   "--data", hub->data, "--listen",
                                     hub->address, "--user", "root",   "--json",  NULL};
    pid_t child = start(hub, arguments, &out);
    size_t len = fread(text, 1, sizeof text - 1, out);
    (void)fclose(out);
    (void)waitpid(child, &status, 0);
    text[len] = '\0';
    const char *at = strstr(text, "kith1-");
    size_t code_len = at ? strcspn(at, "\"") : 0;
    if (status != 0 || code_len == 0 || code_len >= KITH_CODE_TEXT)
        bench_fail("kithd init", 0);
    memcpy(code, at, code_len);
    code[code_len] = '\0';
}

void bench_hub_set(const struct bench_hub *hub, const char *line)
{
    char path[BENCH_PATH_MAX + 16];

    (void)snprintf(path, sizeof path, "%s/hub.conf", hub->data);
    FILE *file = fopen(path, "a");
    if (!file || fprintf(file, "%s\n", line) < 0 || fclose(file))
        bench_fail("the settings of the hub", 0);
}

void bench_hub_run(struct bench_hub *hub)
{
    const char *const arguments[] = {"kithd", "run", "--data", hub->data, NULL};
    char line[128];
    FILE *out;

    hub->pid = start(hub, arguments, &out);
    if (!fgets(line, sizeof line, out) || strncmp(line, "listening ", 10) != 0)
        bench_fail("kithd run", 0);
    (void)fclose(out);
}

void bench_hub_stop(struct bench_hub *hub)
{
    if (!hub->pid)
        return;
    (void)kill(hub->pid, SIGTERM);
    (void)waitpid(hub->pid, NULL, 0);
    hub->pid = 0;
}

/* The kernel counts the nanoseconds of each thread. */
double bench_hub_cpu_seconds(const struct bench_hub *hub)
{
    char path[320];
    double total = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)hub->pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        bench_fail("the hub is gone", 0);
    for (const struct dirent *task = readdir(tasks); task; task = readdir(tasks)) {
        unsigned long long ns = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)hub->pid,
                       task->d_name);
        FILE *file = fopen(path, "r");
        bool is_thread = task->d_name[0] != '.';
        if (file && is_thread && fscanf(file, "%llu", &ns) == 1)
            total += (double)ns / 1e9;
        if (file)
            (void)fclose(file);
    }
    (void)closedir(tasks);
    return total;
}

static double status_kib(const struct bench_hub *hub, const char *key)
{
    char path[64];
    char line[256];
    double kib = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)hub->pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key), NULL);
    if (file)
        (void)fclose(file);
    return kib;
}

double bench_hub_memory_kib(const struct bench_hub *hub)
{
    return status_kib(hub, "RssAnon:");
}

double bench_hub_peak_kib(const struct bench_hub *hub)
{
    return status_kib(hub, "VmHWM:");
}
