/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's settings: one table of key, form, range, default, time of change and sentence, from
 * which the parser, `--help` and the sample file derive.
 *
 * A settings file has lines of `key = value`; # begins a comment. A key is set at most once per
 * file. What is CONFIG_LIVE may change while the hub runs, on SIGHUP (see reload.h); what is
 * CONFIG_AT_START holds until it is started again.
 */
#ifndef KITH_DAEMON_CONFIG_H
#define KITH_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/invite.h"

#define CONFIG_NAME_MAX  64
#define CONFIG_LOCAL_MAX 104 /* what a socket in the file system may be called */

/* X(field, form, bytes, default, change, sentence) */
#define CONFIG_TEXTS(X)                                                                            \
    X(listen, CONFIG_LISTEN, ADDRESS_MAX, "127.0.0.1:7580", CONFIG_AT_START,                       \
      "where the hub listens")                                                                     \
    X(metrics, CONFIG_LOCAL_OR_NONE, CONFIG_LOCAL_MAX, "", CONFIG_AT_START,                        \
      "where a monitoring system asks, as 127.0.0.1:7581 or /run/kith/metrics.sock; empty: "       \
      "nowhere")                                                                                   \
    X(address, CONFIG_ADDRESS_OR_NONE, ADDRESS_MAX, "", CONFIG_LIVE,                               \
      "what the founding code tells devices, also as wss://HOST; empty: the address of listen")    \
    X(name, CONFIG_NAME, CONFIG_NAME_MAX, "", CONFIG_LIVE,                                         \
      "what this hub is called, for its operator")                                                 \
    X(user, CONFIG_NAME, CONFIG_NAME_MAX, "", CONFIG_AT_START,                                     \
      "whom a hub runs as that root starts; empty: the owner of its folder, unless that is root")

/* X(field, default, least, most, unit, change, sentence) */
#define CONFIG_NUMBERS(X)                                                                          \
    X(sessions_max, 16000, 1, 1000000, "sessions", CONFIG_LIVE,                                    \
      "how many at once; others are told to wait")                                                 \
    X(sessions_per_device_max, 4, 1, 1000, "sessions", CONFIG_LIVE,                                \
      "how many at once of one device; the newest win")                                            \
    X(sessions_per_address_max, 1024, 1, 1000000, "connections", CONFIG_LIVE,                      \
      "how many at once from one address, or one IPv6 network of 64 bits")                         \
    X(handshakes_per_address_rate, 100, 1, 1000000, "connections a second", CONFIG_LIVE,           \
      "how many new ones from one address, on average")                                            \
    X(handshakes_per_address_burst, 1000, 1, 1000000, "connections", CONFIG_LIVE,                  \
      "how many new ones from one address at a stroke")                                            \
    X(handshakes_max, 8192, 1, 1000000, "connections", CONFIG_LIVE,                                \
      "how many at once that are not let in yet; then the oldest has to go")                       \
    X(handshake_s, 10, 1, 3600, "seconds", CONFIG_LIVE, "how long a handshake may take")           \
    X(greeting_mib_max, 16, 1, 65536, "MiB", CONFIG_LIVE,                                          \
      "how much of peers that are not let in yet is kept")                                         \
    X(waiting_mib_max, 64, 2, 65536, "MiB", CONFIG_LIVE,                                           \
      "how much received data may wait to be stored; then nothing more is read")                   \
    X(waiting_per_device_kib_max, 3072, 64, 1048576, "KiB", CONFIG_LIVE,                           \
      "how much of that may be one device's")                                                      \
    X(fetches_max, 64, 1, 10000, "batches", CONFIG_LIVE, "how many are read for devices at once")  \
    X(retry_s, 15, 1, 1200, "seconds", CONFIG_LIVE,                                                \
      "how long who is turned away is asked to wait; up to three times that, by chance")           \
    X(stall_s, 60, 1, 3600, "seconds", CONFIG_LIVE,                                                \
      "how long what is under way may make no progress")                                           \
    X(idle_s, 600, 1, 86400, "seconds", CONFIG_LIVE,                                               \
      "how long a session may have nothing under way")                                             \
    X(stop_s, 5, 0, 600, "seconds", CONFIG_LIVE,                                                   \
      "how long what is in flight may take when the hub is stopped")

enum config_change { CONFIG_LIVE, CONFIG_AT_START };

struct config {
#define CONFIG_TEXT_FIELD(field, form, bytes, preset, change, sentence) char field[bytes];
    CONFIG_TEXTS(CONFIG_TEXT_FIELD)
#undef CONFIG_TEXT_FIELD
#define CONFIG_NUMBER_FIELD(field, preset, least, most, unit, change, sentence) uint32_t field;
    CONFIG_NUMBERS(CONFIG_NUMBER_FIELD)
#undef CONFIG_NUMBER_FIELD
};

void config_defaults(struct config *config);

/* What was wrong, as a sentence without a full stop. */
#define CONFIG_WHY_MAX 512
/* Reads a file over what is there; nothing is changed on failure. INPUT, NOT_FOUND, PERMISSION, IO.
 */
MUST_USE enum kith_err config_read(struct config *config, const char *path,
                                   char why[static CONFIG_WHY_MAX]);
/* Reads on after a wrong line, and tells `tell` of each: `line` is 0 for what concerns the file as
 * a whole. The first failure; what fits is taken. */
MUST_USE enum kith_err config_check(struct config *config, const char *path, void *owner,
                                    void (*tell)(void *owner, unsigned line, const char *why));
/* One setting; nothing is changed on failure, which is INPUT. */
MUST_USE enum kith_err config_set(struct config *config, const char *key, const char *value,
                                  char why[static CONFIG_WHY_MAX]);

/* The settings by number, in the order of the table. */
size_t config_count(void);
const char *config_key(size_t setting);
enum config_change config_change(size_t setting);
bool config_differs(const struct config *a, const struct config *b, size_t setting);
/* False for one that is no number. */
bool config_number(const struct config *config, size_t setting, uint32_t *number);
void config_copy(struct config *to, const struct config *from, size_t setting);

/* As a file that config_read reads: all settings with their sentences, or only what is not the
 * default. */
void config_write_all(const struct config *config, FILE *out);
void config_write_given(const struct config *config, FILE *out);

#endif
