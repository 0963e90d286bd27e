/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's log: events from one list, one line each on standard error, `time event key=value...`.
 * Where standard error is the journal's, the line says how urgent it is, as `<4>` before it.
 *
 * Fields are numbers, our own error codes, and words of our own lists. There is no way to pass a
 * string, so nothing that a peer sent can reach a log. What strangers cause is counted and told
 * once a minute: no stranger makes a log grow.
 */
#ifndef KITH_DAEMON_LOG_H
#define KITH_DAEMON_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/metrics.h"

/* How urgent, as syslog numbers it. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/* X(NAME, level, event, first field, second field): what the numbers of log_event are called; ""
 * for one that is not there. */
#define LOG_EVENTS(X)                                                                              \
    X(STARTED, INFO, "started", "port", "devices")                                                 \
    X(METRICS_OPEN, INFO, "metrics_open", "port", "")                                              \
    X(STOPPING, INFO, "stopping", "connections", "signal")                                         \
    X(STOPPED, INFO, "stopped", "changes", "")                                                     \
    X(RELOADED, INFO, "reloaded", "changed", "")                                                   \
    X(RELOAD_REFUSED, ERROR, "reload_refused", "", "")                                             \
    X(SETTING_CHANGED, INFO, "setting_changed", "from", "to")                                      \
    X(SETTING_WAITS, WARNING, "setting_waits_for_restart", "", "")                                 \
    X(CONFINED, INFO, "confined", "landlock", "seccomp")                                           \
    X(NOT_CONFINED, WARNING, "not_confined", "landlock", "seccomp")                                \
    X(KEYS_SWAPPABLE, WARNING, "keys_swappable", "", "")                                           \
    X(FILES_LIMITED, WARNING, "files_limited", "files", "sessions_max")                            \
    X(CONTROL_MISSING, WARNING, "control_missing", "", "")                                         \
    X(CONNECTIONS_REFUSED, WARNING, "connections_refused", "count", "connections")                 \
    X(HANDSHAKES_FAILED, WARNING, "handshakes_failed", "count", "")                                \
    X(SESSION_OPENED, INFO, "session_opened", "device", "")                                        \
    X(SESSION_CLOSED, INFO, "session_closed", "device", "seconds")                                 \
    X(COMMIT_FAILED, ERROR, "commit_failed", "requests", "")                                       \
    X(LOAD_FAILED, ERROR, "load_failed", "device", "")

enum log_name {
#define LOG_NAME(name, level, event, first, second) LOG_##name,
    LOG_EVENTS(LOG_NAME)
#undef LOG_NAME
};

/* `err` is shown unless it is KITH_OK. Any thread. */
void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err);
/* A device came in, and left: `bytes` came from it and went to it. */
void log_opened(uint32_t device, enum channel_mode mode);
void log_closed(uint32_t device, uint64_t seconds, const uint64_t bytes[static 2],
                enum kith_err err);
/* How many were told to come again since the last time, and how many connections there are. */
void log_refused(enum turn_reason reason, uint64_t count, uint64_t connections);
/* What became of a setting, by its number in config.h; no numbers for one that is a text. */
void log_setting(enum log_name name, size_t setting, const uint32_t *from, const uint32_t *to);

#endif
