/* SPDX-License-Identifier: Apache-2.0 */
/* kithd: options, commands, and the sentences that an operator reads when something is not right.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/hub.h"
#include "daemon/keys.h"
#include "protocol/invite.h"
#include "protocol/seal.h"

#ifndef KITH_VERSION_TEXT
#define KITH_VERSION_TEXT "0.1.0"
#endif

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct options {
    const char *data;
    const char *listen;
    const char *name;
    const char *config;
    bool is_json;
};

static enum exit_code refuse(const char *what, enum kith_err err)
{
    (void)fprintf(stderr, "kithd: %s: %s\n", what, error_text(err));
    return EXIT_REFUSED;
}

/* `DIR/hub.conf` is where init keeps what it was told; --config and --listen go over it. */
static enum kith_err load_config(const struct options *options, struct config *config)
{
    char path[4096];
    char why[CONFIG_WHY_MAX] = "";

    config_defaults(config);
    (void)snprintf(path, sizeof path, "%s/hub.conf", options->data);
    enum kith_err err = access(path, F_OK) == 0 ? config_read(config, path, why) : KITH_OK;
    if (!err && options->config)
        err = config_read(config, options->config, why);
    if (!err && options->listen)
        err = config_set(config, "listen", options->listen, why);
    if (err)
        (void)fprintf(stderr, "kithd: %s\n", why);
    return err;
}

static enum kith_err make_folder(const char *path)
{
    struct stat info;

    if (mkdir(path, 0700) == 0)
        return KITH_OK;
    if (errno != EEXIST)
        return errno == ENOENT ? KITH_NOT_FOUND : errno == ENOSPC ? KITH_FULL : KITH_PERMISSION;
    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
        (info.st_mode & 077) != 0)
        return KITH_PERMISSION;
    return KITH_OK;
}

static enum kith_err write_config(const struct options *options, const struct config *config)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/hub.conf", options->data);
    FILE *file = fopen(path, "wxe");
    if (!file)
        return errno == EEXIST ? KITH_EXISTS : KITH_IO;
    config_write(config, file);
    return fclose(file) == 0 ? KITH_OK : KITH_FULL;
}

/* The code is the founder's way in: whoever has it founds the agency of this hub, once. */
static enum kith_err make_hub(const struct options *options, const struct config *config,
                              char code_text[CODE_TEXT_MAX], uint8_t hub_key[KEY_BYTES])
{
    struct ledger_keys keys;
    struct invite_keys founding;
    struct code code = {0};

    keys_make(&keys);
    memcpy(hub_key, keys.noise.public, KEY_BYTES);
    memcpy(code.hub_key, hub_key, KEY_BYTES);
    seal_random(code.secret, sizeof code.secret);
    size_t address_len = strlen(config->listen);
    if (address_len < ADDRESS_MAX)
        memcpy(code.address, config->listen, address_len);
    invite_derive(code.secret, &founding);
    enum kith_err err = code_write(&code, code_text);
    if (!err)
        err = keys_write(options->data, &keys);
    if (!err)
        err = ledger_create(options->data, &keys, founding.psk);
    if (!err)
        err = write_config(options, config);
    seal_wipe(&keys, sizeof keys);
    seal_wipe(&founding, sizeof founding);
    seal_wipe(&code, sizeof code);
    return err;
}

static enum exit_code run_init(const struct options *options)
{
    struct config config;
    char code[CODE_TEXT_MAX];
    uint8_t hub_key[KEY_BYTES];
    char key_text[KEY_BYTES * 2];
    char why[CONFIG_WHY_MAX];

    config_defaults(&config);
    if ((options->listen && config_set(&config, "listen", options->listen, why)) ||
        (options->name && config_set(&config, "name", options->name, why)))
        return refuse("init", KITH_INPUT);
    const char *colon = strrchr(config.listen, ':');
    if (!colon || strtoul(colon + 1, NULL, 10) == 0) {
        (void)fprintf(
            stderr,
            "kithd: --listen needs HOST:PORT with a fixed port: devices find the hub by it\n");
        return EXIT_USAGE;
    }
    enum kith_err err = make_folder(options->data);
    if (err == KITH_PERMISSION)
        (void)fprintf(stderr, "kithd: %s must belong to you and be closed to others: chmod 700\n",
                      options->data);
    if (!err)
        err = make_hub(options, &config, code, hub_key);
    if (err)
        return refuse("init", err);
    base32_write(bytes_of(hub_key, KEY_BYTES), key_text);
    if (options->is_json)
        (void)printf("{\"founding_code\": \"%s\", \"hub_key\": \"%s\", \"listen\": \"%s\"}\n", code,
                     key_text, config.listen);
    else
        (void)printf(
            "The hub is made. Start it with: kithd run --data %s\n"
            "Found the agency, once, with: kith found CODE --agency NAME --person NAME\n\n%s\n",
            options->data, code);
    return EXIT_DONE;
}

static void say_listening(const char *address)
{
    (void)printf("listening %s\n", address);
    (void)fflush(stdout);
}

/* One worker a processor, two at least: verification is what they do. */
static void set_workers(void)
{
    char text[24];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    (void)snprintf(text, sizeof text, "%ld", cores < 2 ? 2 : cores);
    (void)setenv("UV_THREADPOOL_SIZE", text, 0);
}

static void explain_run(enum kith_err err, const struct options *options,
                        const struct config *config)
{
    if (err == KITH_NOT_FOUND)
        (void)fprintf(stderr, "kithd: there is no hub in %s: make one with 'kithd init'\n",
                      options->data);
    else if (err == KITH_PORT_TAKEN || err == KITH_ADDRESS)
        (void)fprintf(stderr, "kithd: cannot listen on %s: %s\n", config->listen, error_text(err));
    else if (err == KITH_PERMISSION)
        (void)fprintf(
            stderr,
            "kithd: %s, its hub.keys and its store must belong to you and be closed to others\n",
            options->data);
    else
        (void)refuse("run", err);
}

static enum exit_code run_run(const struct options *options)
{
    struct config config;
    const struct rlimit no_core = {0, 0};

    if (load_config(options, &config))
        return EXIT_REFUSED;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    set_workers();
    struct hub *hub = calloc(1, sizeof *hub);
    enum kith_err err = hub ? hub_run(hub, options->data, &config, say_listening) : KITH_MEMORY;
    free(hub);
    if (!err)
        return EXIT_DONE;
    explain_run(err, options, &config);
    return EXIT_REFUSED;
}

static void print_stats(const struct ledger_stats *stats, uint32_t connections, bool is_json)
{
    char incarnation[INCARNATION_BYTES * 2 + 1];
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"changes", stats->changes},  {"circles", stats->circles}, {"devices", stats->devices},
        {"held", stats->held},        {"bytes", stats->bytes},     {"sequence", stats->sequence},
        {"connections", connections},
    };

    for (size_t i = 0; i < INCARNATION_BYTES; i++)
        (void)snprintf(incarnation + 2 * i, 3, "%02x", stats->incarnation[i]);
    if (is_json)
        (void)printf("{");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        (void)printf(is_json ? "\"%s\": %llu, " : "%-12s %llu\n", rows[i].name,
                     (unsigned long long)rows[i].value);
    (void)printf(is_json ? "\"incarnation\": \"%s\"}\n" : "incarnation  %s\n", incarnation);
}

static enum exit_code run_stats(const struct options *options)
{
    struct ledger_keys keys;
    struct ledger *ledger = NULL;
    struct ledger_stats stats;
    char path[4096];

    enum kith_err err = keys_read(options->data, &keys);
    const struct ledger_options open_options = {.folder = options->data, .keys = &keys};
    if (!err)
        err = ledger_open(&ledger, &open_options);
    if (!err)
        err = ledger_stats(ledger, &stats);
    ledger_close(&ledger);
    seal_wipe(&keys, sizeof keys);
    if (err)
        return refuse("stats", err);
    control_path(options->data, path, sizeof path);
    print_stats(&stats, control_read(path), options->is_json);
    return EXIT_DONE;
}

static const struct {
    const char *name;
    enum exit_code (*run)(const struct options *options);
    const char *arguments;
    const char *sentence;
} commands[] = {
    {"init", run_init, "--data DIR [--listen HOST:PORT] [--name TEXT]",
     "makes the hub's keys and an empty store; prints the one-time founding code"},
    {"run", run_run, "--data DIR [--config FILE] [--listen HOST:PORT]",
     "serves until SIGTERM; prints 'listening HOST:PORT' when ready"},
    {"stats", run_stats, "--data DIR", "how much the hub holds, whether it runs or not"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(FILE *out)
{
    struct config config;

    (void)fprintf(out, "kithd %s: the hub of an agency\n\n", KITH_VERSION_TEXT);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  kithd %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                      commands[i].sentence);
    (void)fprintf(out, "\nAny command takes --json. Settings of a --config file, with what holds "
                       "without one:\n\n");
    config_defaults(&config);
    config_write(&config, out);
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"data", required_argument, NULL, 'd'}, {"listen", required_argument, NULL, 'l'},
        {"name", required_argument, NULL, 'n'}, {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},       {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        switch (letter) {
        case 'd':
            options->data = optarg;
            break;
        case 'l':
            options->listen = optarg;
            break;
        case 'n':
            options->name = optarg;
            break;
        case 'c':
            options->config = optarg;
            break;
        case 'j':
            options->is_json = true;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        (void)fprintf(stderr, "kithd: what is '%s'?\n", argv[optind]);
    else if (!options->data)
        (void)fprintf(stderr, "kithd: --data DIR is needed\n");
    return optind == argc && options->data;
}

int main(int argc, char **argv)
{
    struct options options = {0};

    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        (void)printf("kithd %s\n", KITH_VERSION_TEXT);
        return EXIT_DONE;
    }
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help(stdout);
        return EXIT_DONE;
    }
    (void)umask(077);
    if (sodium_init() < 0)
        return (int)refuse("start", KITH_MEMORY);
    for (size_t i = 0; argc >= 2 && i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return parse_options(argc - 1, argv + 1, &options) ? (int)commands[i].run(&options)
                                                               : EXIT_USAGE;
    print_help(stderr);
    return EXIT_USAGE;
}
