/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's settings: one table of key, unit, range, default and sentence, from which the parser,
 * `--help` and the sample file derive. A settings file has lines of `key = value`; # begins a
 * comment.
 */
#ifndef KITH_DAEMON_CONFIG_H
#define KITH_DAEMON_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "protocol/error.h"

/* X(field, key, default, least, most, unit, sentence) */
#define CONFIG_NUMBERS(X)                                                                          \
    X(sessions_max, "sessions_max", 16000, 1, 1000000, "connections",                              \
      "connections at once; further ones are closed")                                              \
    X(sessions_per_address_max, "sessions_per_address_max", 1024, 1, 1000000, "connections",       \
      "connections at once from one address")                                                      \
    X(handshake_s, "handshake_s", 10, 1, 3600, "seconds", "a handshake must be finished within")   \
    X(stall_s, "stall_s", 60, 1, 3600, "seconds",                                                  \
      "a connection with something under way and no progress is closed after")                     \
    X(idle_s, "idle_s", 600, 1, 86400, "seconds",                                                  \
      "a connection without any traffic is closed after")

#define CONFIG_TEXT_MAX 256

struct config {
    char listen[CONFIG_TEXT_MAX]; /* HOST:PORT */
    char name[CONFIG_TEXT_MAX];
#define CONFIG_FIELD(field, key, default, least, most, unit, sentence) uint32_t field;
    CONFIG_NUMBERS(CONFIG_FIELD)
#undef CONFIG_FIELD
};

#define CONFIG_LISTEN_DEFAULT "127.0.0.1:7580"

void config_defaults(struct config *config);
/* Reads a file over what is there. On failure `why` says which line and what was expected. */
#define CONFIG_WHY_MAX 512
MUST_USE enum kith_err config_read(struct config *config, const char *path,
                                   char why[static CONFIG_WHY_MAX]);
/* One `key = value`. */
MUST_USE enum kith_err config_set(struct config *config, const char *key, const char *value,
                                  char why[static CONFIG_WHY_MAX]);
/* Every setting with its sentence and value, as a file that config_read reads. */
void config_write(const struct config *config, FILE *out);

#endif
