/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/commands.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/file.h"
#include "daemon/hub.h"
#include "daemon/keys.h"
#include "daemon/sandbox.h"
#include "daemon/vitals.h"
#include "protocol/seal.h"

#define CONFIG_FILE "hub.conf"
#define STORE_FILE  "data.mdb"

/* The error, and what to do next where the sentence itself does not say. */
static const struct {
    enum kith_err err;
    const char *advice;
} advices[] = {
    {KITH_NOT_FOUND, "There is no hub in this folder. Make one with 'kithd init --data DIR'."},
    {KITH_PERMISSION,
     "The folder and its hub.keys must be yours and closed to others: mode 0700 and 0600."},
    {KITH_IN_USE, "Another kithd runs on this folder. Stop it first."},
    {KITH_EXISTS, "A hub is in this folder already: start it with 'kithd run --data DIR', or "
                  "choose another folder."},
    {KITH_PASSPHRASE, "hub.keys is not the one that this store was made with. Put that one back."},
    {KITH_DAMAGED, "Nothing was changed. Put back hub.keys and the store from a backup."},
    {KITH_IO, "Nothing is acknowledged any more. Check the disk, then start again."},
};

enum exit_code refuse(const char *what, enum kith_err err)
{
    const char *sentence =
        err == KITH_PASSPHRASE ? "the keys do not open the store" : error_text(err);

    (void)fprintf(stderr, "kithd: %s: %s\n", what, sentence);
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (advices[i].err == err)
            (void)fprintf(stderr, "       %s\n", advices[i].advice);
    return EXIT_REFUSED;
}

enum exit_code refuse_file(const char *path, enum kith_err err, const char *advice)
{
    (void)fprintf(stderr, "kithd: %s: %s\n", path, error_text(err));
    if (advice)
        (void)fprintf(stderr, "       %s\n", advice);
    return EXIT_REFUSED;
}

enum exit_code done(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : refuse("standard output", KITH_IO);
}

enum exit_code misused(const char *why)
{
    (void)fprintf(stderr, "kithd: %s\n", why);
    return EXIT_USAGE;
}

/* The settings on the command line; a value that does not fit is wrong usage. */
static enum exit_code read_options(const struct options *options, struct config *config)
{
    const struct {
        const char *key;
        const char *value;
    } given[] = {{"listen", options->listen},
                 {"address", options->address},
                 {"name", options->name},
                 {"user", options->user}};
    char why[CONFIG_WHY_MAX];

    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value && config_set(config, given[i].key, given[i].value, why))
            return misused(why);
    return EXIT_DONE;
}

bool settings_path(const char *folder, char *path, size_t room)
{
    return (size_t)snprintf(path, room, "%s/" CONFIG_FILE, folder) < room;
}

/* What init was told, then the file, then the command line: the later one wins. */
static enum exit_code read_settings(const struct options *options, struct config *config)
{
    char path[4096];
    char why[CONFIG_WHY_MAX];
    enum kith_err err = KITH_OK;

    config_defaults(config);
    if (!settings_path(options->data, path, sizeof path))
        return refuse("--data", KITH_TOO_LARGE);
    if (file_is_there(options->data, CONFIG_FILE))
        err = config_read(config, path, why);
    if (!err && options->config)
        err = config_read(config, options->config, why);
    if (err) {
        (void)fprintf(stderr, "kithd: %s\n       'kithd --help' lists all settings.\n", why);
        return EXIT_REFUSED;
    }
    return read_options(options, config);
}

static enum kith_err write_settings(const char *folder, const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return KITH_MEMORY;
    (void)fputs("# Settings of this hub. 'kithd --help' lists all of them.\n", out);
    config_write_given(config, out);
    enum kith_err err =
        fclose(out) == 0 ? file_write(folder, CONFIG_FILE, bytes_of(text, len)) : KITH_MEMORY;
    free(text);
    return err;
}

static bool hub_is_there(const char *folder, const struct ledger_keys *keys)
{
    const struct ledger_options options = {.folder = folder, .keys = keys};
    struct ledger *ledger = NULL;
    enum kith_err err = ledger_open(&ledger, &options);

    ledger_close(&ledger);
    return err != KITH_NOT_FOUND;
}

/* An init that was interrupted is taken up where it was: it has keys and no whole store. A store
 * without keys is somebody's, and is not touched. */
static enum kith_err prepare_keys(const char *folder, struct ledger_keys *keys)
{
    enum kith_err err = keys_read(folder, keys);

    if (err == KITH_OK)
        return hub_is_there(folder, keys) ? KITH_EXISTS : KITH_OK;
    if (err != KITH_NOT_FOUND)
        return err;
    if (file_is_there(folder, STORE_FILE))
        return KITH_EXISTS;
    keys_make(keys);
    return keys_write(folder, keys);
}

/* The code is the founder's way in: whoever has it founds the agency of this hub, once. The store
 * comes last: with it the hub is there. */
static enum kith_err make_hub(const char *folder, const struct config *config,
                              struct ledger_keys *keys, char code_text[static CODE_TEXT_MAX])
{
    const char *address = *config->address ? config->address : config->listen;
    struct invite_keys founding;
    struct code code = {0};

    seal_random(code.secret, sizeof code.secret);
    invite_derive(code.secret, &founding);
    memcpy(code.address, address, strlen(address));
    enum kith_err err = folder_make(folder);
    if (!err)
        err = prepare_keys(folder, keys);
    memcpy(code.hub_key, keys->noise.public, KEY_BYTES);
    if (!err)
        err = code_write(&code, code_text);
    if (!err)
        err = write_settings(folder, config);
    if (!err)
        err = ledger_create(folder, keys, founding.psk);
    seal_wipe(&founding, sizeof founding);
    seal_wipe(&code, sizeof code);
    return err;
}

static bool has_port(const char *text)
{
    struct address address;

    return address_read(text, &address) && address.port > 0;
}

static bool is_any_host(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
}

static void show_made(const struct options *options, const struct config *config, const char *code,
                      const char *hub_key)
{
    if (options->is_json) {
        (void)printf("{\"founding_code\": \"%s\", \"hub_key\": \"%s\", \"listen\": \"%s\"}\n", code,
                     hub_key, config->listen);
        return;
    }
    (void)printf("The hub is made. Start it:\n\n    kithd run --data %s\n\n"
                 "Then found the agency, once, on the founder's laptop. Whoever has this code can "
                 "do that:\n\n"
                 "    kith found %s --agency NAME --person NAME\n\nThe hub's key: %s\n",
                 options->data, code, hub_key);
}

enum exit_code command_init(const struct options *options)
{
    struct config config;
    struct ledger_keys keys = {0};
    char code[CODE_TEXT_MAX];
    char hub_key[2 * KEY_BYTES];

    config_defaults(&config);
    enum exit_code code_of_options = read_options(options, &config);
    if (code_of_options)
        return code_of_options;
    if (!has_port(config.listen) || (*config.address && !has_port(config.address))) {
        (void)fprintf(
            stderr,
            "kithd: the founding code must name a port: choose one, as --listen 127.0.0.1:7580\n");
        return EXIT_REFUSED;
    }
    enum kith_err err = make_hub(options->data, &config, &keys, code);
    base32_write(bytes_of(keys.noise.public, KEY_BYTES), hub_key);
    seal_wipe(&keys, sizeof keys);
    if (err == KITH_NOT_FOUND) {
        (void)fprintf(stderr, "kithd: %s: the folder that it should be in is not there\n",
                      options->data);
        return EXIT_REFUSED;
    }
    if (err)
        return refuse(options->data, err);
    if (!*config.address && is_any_host(config.listen))
        (void)fprintf(
            stderr,
            "kithd: note: the code says %s, which no other machine can reach; --address HOST:PORT "
            "says what it should tell devices\n",
            config.listen);
    show_made(options, &config, code, hub_key);
    seal_wipe(code, sizeof code);
    return done();
}

static enum exit_code refuse_listen(const struct config *config, enum kith_err err)
{
    (void)fprintf(
        stderr, "kithd: cannot listen on %s: %s\n       %s\n", config->listen, error_text(err),
        err == KITH_PERMISSION
            ? "A port below 1024 needs the capability CAP_NET_BIND_SERVICE: choose another."
            : "Stop what uses it, or give another with --listen HOST:PORT.");
    return EXIT_REFUSED;
}

static enum exit_code refuse_metrics(const struct config *config, enum kith_err err)
{
    (void)fprintf(stderr, "kithd: cannot answer for metrics at %s: %s\n       %s\n",
                  config->metrics, error_text(err),
                  *config->metrics == '/'
                      ? "Its folder must be there and writable for the hub's user; only a socket "
                        "that nobody serves is replaced."
                      : "Stop what uses it, or set metrics to another port.");
    return EXIT_REFUSED;
}

static enum exit_code refuse_user(const struct config *config, enum kith_err err)
{
    if (err == KITH_NOT_FOUND && *config->user)
        (void)fprintf(stderr, "kithd: there is no user '%s'\n", config->user);
    else if (*config->user || err != KITH_PERMISSION)
        return refuse("becoming another user", err);
    else
        (void)fputs("kithd: root does not serve\n"
                    "       Give the folder to a user of its own (chown -R), or name one with "
                    "--user NAME; in a container that has no other, --user root.\n",
                    stderr);
    return EXIT_REFUSED;
}

/* One worker a processor, two at least: verification is what they do. */
static void set_workers(void)
{
    char text[24];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    (void)snprintf(text, sizeof text, "%ld", cores < 2 ? 2 : cores);
    (void)setenv("UV_THREADPOOL_SIZE", text, 0);
}

/* The same files and the same command line as at the start. */
static enum kith_err read_again(void *owner, struct config *config)
{
    return read_settings(owner, config) ? KITH_INPUT : KITH_OK;
}

static enum exit_code serve(struct options *options, struct config *config, struct hub **hub)
{
    char bound[ADDRESS_MAX];
    struct sandbox sandbox = {0};
    enum kith_err err = listener_resolve(config->listen);

    if (err)
        return refuse_listen(config, err);
    int memory = vitals_open();
    const char *socket = config->metrics[0] == '/' ? config->metrics : NULL;
    sandbox_files(&sandbox, options->data, options->config, socket);
    err = hub_open(hub, options->data, config);
    if (err)
        return refuse(options->data, err);
    err = hub_listen(*hub, bound);
    if (err)
        return refuse_listen(config, err);
    err = scrape_open(&(*hub)->scrape, *hub, memory);
    if (err)
        return refuse_metrics(config, err);
    reload_start(&(*hub)->reload, options, read_again);
    sandbox_calls(&sandbox);
    sandbox_tell(&sandbox);
    (void)printf(options->is_json ? "{\"listening\": \"%s\"}\n" : "listening %s\n", bound);
    (void)fflush(stdout);
    err = hub_run(*hub);
    return err ? refuse(options->data, err) : EXIT_DONE;
}

enum exit_code command_run(const struct options *options)
{
    struct config config;
    struct hub *hub = NULL;

    enum exit_code code = read_settings(options, &config);
    if (code)
        return code;
    enum kith_err err = sandbox_become(config.user, options->data);
    if (err)
        return refuse_user(&config, err);
    err = folder_check(options->data);
    if (err)
        return refuse(options->data, err);
    (void)signal(SIGPIPE, SIG_IGN);
    set_workers();
    struct options kept = *options;
    code = serve(&kept, &config, &hub);
    hub_close(&hub);
    return code;
}

/* Which devices a restored hub still waits for, the first of them. */
static void show_awaited(const struct ledger_stats *stats, bool is_json)
{
    if (!is_json && stats->awaited_count == 0)
        return;
    (void)fputs(is_json ? "\"awaited\": [" : "awaited           ", stdout);
    for (uint32_t i = 0; i < stats->awaited_count; i++)
        (void)printf("%s%" PRIu32, i ? ", " : "", stats->awaited[i]);
    (void)fputs(is_json ? "], " : "\n", stdout);
}

static void show_stats(const struct ledger_stats *stats, const struct control_figures *running,
                       bool is_json)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"changes", stats->changes},
                {"circles", stats->circles},
                {"devices", stats->devices},
                {"held", stats->held},
                {"bytes", stats->bytes},
                {"sequence", stats->sequence},
                {"restored_ms", stats->restored_ms},
                {"returned", stats->returned},
#define RUNNING_ROW(figure, source) {#figure, running->figure},
                CONTROL_FIGURES(RUNNING_ROW)
#undef RUNNING_ROW
    };
    char incarnation[2 * INCARNATION_BYTES + 1];

    for (size_t i = 0; i < INCARNATION_BYTES; i++)
        (void)snprintf(incarnation + 2 * i, 3, "%02x", stats->incarnation[i]);
    (void)fputs(is_json ? "{" : "", stdout);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (is_json)
            (void)printf("\"%s\": %" PRIu64 ", ", rows[i].name, rows[i].value);
        else
            (void)printf("%-17s %" PRIu64 "\n", rows[i].name, rows[i].value);
    show_awaited(stats, is_json);
    (void)printf(is_json ? "\"incarnation\": \"%s\"}\n" : "incarnation       %s\n", incarnation);
}

enum exit_code command_stats(const struct options *options)
{
    struct ledger_keys keys;
    struct ledger *ledger = NULL;
    struct ledger_stats stats = {0};
    struct control_figures running;
    enum kith_err err = keys_read(options->data, &keys);
    const struct ledger_options open_options = {.folder = options->data, .keys = &keys};

    if (!err)
        err = ledger_open(&ledger, &open_options);
    if (!err)
        err = ledger_stats(ledger, &stats);
    ledger_close(&ledger);
    seal_wipe(&keys, sizeof keys);
    if (err)
        return refuse(options->data, err);
    control_ask(options->data, &running);
    show_stats(&stats, &running, options->is_json);
    return done();
}
