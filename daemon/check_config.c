/* SPDX-License-Identifier: Apache-2.0 */
/* `kithd check-config`: the settings as `run` would read them, and every line that is wrong. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/commands.h"
#include "daemon/config.h"
#include "protocol/wire.h"

#define PATH_BYTES 4096

struct check {
    const char *path;
    bool is_json;
    uint32_t file_count;
    uint32_t fault_count;
};

/* What a file holds may be anything; what is shown of it is one line of text. */
static void show_text(FILE *out, const char *text, bool is_json)
{
    bool is_text = wire_is_utf8(bytes_of(text, strlen(text)));

    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool is_shown = byte >= ' ' && byte != 0x7f && (is_text || byte < 0x80);
        if (is_json && is_shown && (byte == '"' || byte == '\\'))
            (void)fputc('\\', out);
        (void)fputc(is_shown ? byte : '?', out);
    }
}

static void show_fault(void *owner, unsigned line, const char *why)
{
    struct check *check = owner;
    FILE *out = check->is_json ? stdout : stderr;

    if (check->is_json)
        (void)fputs(check->fault_count ? ", {\"file\": \"" : "{\"file\": \"", out);
    show_text(out, check->path, check->is_json);
    if (check->is_json)
        (void)fprintf(out, "\", \"line\": %u, \"reason\": \"", line);
    else if (line)
        (void)fprintf(out, ", line %u: ", line);
    else
        (void)fputs(": ", out);
    show_text(out, why, check->is_json);
    (void)fputs(check->is_json ? "\"}" : "\n", out);
    check->fault_count++;
}

static void check_file(struct check *check, struct config *config, const char *path)
{
    check->path = path;
    check->file_count++;
    (void)!config_check(config, path, check, show_fault); /* it told of all that is wrong */
}

static void show_end(const struct check *check)
{
    if (check->is_json)
        (void)printf("], \"ok\": %s, \"checked\": %u}\n", check->fault_count ? "false" : "true",
                     check->file_count);
    else if (check->fault_count)
        (void)fprintf(stderr, "kithd: %u wrong. 'kithd --help' lists all settings.\n",
                      check->fault_count);
    else if (check->file_count)
        (void)puts("The settings are good.");
    else
        (void)puts("There is no file of settings: what holds without one is good.");
}

/* A hub may have been made without settings; a file that is named has to be there. */
enum exit_code command_check_config(const struct options *options)
{
    struct check check = {.is_json = options->is_json};
    struct config config;
    char path[PATH_BYTES];

    config_defaults(&config);
    if (options->data && !settings_path(options->data, path, sizeof path))
        return refuse("--data", KITH_TOO_LARGE);
    if (options->data && access(options->data, X_OK) < 0)
        return refuse_file(options->data, KITH_PERMISSION,
                           "The folder is not there, or not yours: give the hub's data folder.");
    if (check.is_json)
        (void)fputs("{\"faults\": [", stdout);
    if (options->data && access(path, F_OK) == 0)
        check_file(&check, &config, path);
    if (options->config)
        check_file(&check, &config, options->config);
    if (options->file)
        check_file(&check, &config, options->file);
    show_end(&check);
    return check.fault_count ? EXIT_REFUSED : done();
}
