/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's settings: one table of key, form, range, default and sentence, from which the parser,
 * `--help` and the sample file derive.
 *
 * A settings file has lines of `key = value`; # begins a comment. A key is set at most once per
 * file. Nothing changes while the hub runs.
 */
#ifndef KITH_DAEMON_CONFIG_H
#define KITH_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/invite.h"

#define CONFIG_NAME_MAX 64

/* X(field, form, bytes, default, sentence) */
#define CONFIG_TEXTS(X)                                                                            \
    X(listen, CONFIG_LISTEN, ADDRESS_MAX, "127.0.0.1:7580", "where the hub listens")               \
    X(address, CONFIG_ADDRESS_OR_NONE, ADDRESS_MAX, "",                                            \
      "what the founding code tells devices, also as wss://HOST; empty: the address of listen")    \
    X(name, CONFIG_NAME, CONFIG_NAME_MAX, "", "what this hub is called, for its operator")

/* X(field, default, least, most, unit, sentence) */
#define CONFIG_NUMBERS(X)                                                                          \
    X(sessions_max, 16000, 1, 1000000, "sessions", "how many at once; others are told to wait")    \
    X(sessions_per_device_max, 4, 1, 1000, "sessions",                                             \
      "how many at once of one device; the newest win")                                            \
    X(sessions_per_address_max, 1024, 1, 1000000, "connections",                                   \
      "how many at once from one address, or one IPv6 network of 64 bits")                         \
    X(handshakes_per_address_rate, 100, 1, 1000000, "connections a second",                        \
      "how many new ones from one address, on average")                                            \
    X(handshakes_per_address_burst, 1000, 1, 1000000, "connections",                               \
      "how many new ones from one address at a stroke")                                            \
    X(handshakes_max, 8192, 1, 1000000, "connections",                                             \
      "how many at once that are not let in yet; then the oldest has to go")                       \
    X(handshake_s, 10, 1, 3600, "seconds", "how long a handshake may take")                        \
    X(greeting_mib_max, 16, 1, 65536, "MiB", "how much of peers that are not let in yet is kept")  \
    X(waiting_mib_max, 64, 2, 65536, "MiB",                                                        \
      "how much received data may wait to be stored; then nothing more is read")                   \
    X(waiting_per_device_kib_max, 3072, 64, 1048576, "KiB",                                        \
      "how much of that may be one device's")                                                      \
    X(fetches_max, 64, 1, 10000, "batches", "how many are read for devices at once")               \
    X(retry_s, 15, 1, 1200, "seconds",                                                             \
      "how long who is turned away is asked to wait; up to three times that, by chance")           \
    X(stall_s, 60, 1, 3600, "seconds", "how long what is under way may make no progress")          \
    X(idle_s, 600, 1, 86400, "seconds", "how long a session may have nothing under way")           \
    X(stop_s, 5, 0, 600, "seconds", "how long what is in flight may take when the hub is stopped")

struct config {
#define CONFIG_TEXT_FIELD(field, form, bytes, preset, sentence) char field[bytes];
    CONFIG_TEXTS(CONFIG_TEXT_FIELD)
#undef CONFIG_TEXT_FIELD
#define CONFIG_NUMBER_FIELD(field, preset, least, most, unit, sentence) uint32_t field;
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
/* One setting; nothing is changed on failure, which is INPUT. */
MUST_USE enum kith_err config_set(struct config *config, const char *key, const char *value,
                                  char why[static CONFIG_WHY_MAX]);

/* As a file that config_read reads: all settings with their sentences, or only what is not the
 * default. */
void config_write_all(const struct config *config, FILE *out);
void config_write_given(const struct config *config, FILE *out);

#endif
