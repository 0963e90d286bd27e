/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's log: events from one list, one line each on standard error, `time event key=value...`.
 *
 * Fields are numbers, our own error codes and keys of our own settings. There is no way to pass a
 * string, so nothing that a peer sent can reach a log. What strangers cause is counted and told
 * once a minute: no stranger makes a log grow.
 */
#ifndef KITH_DAEMON_LOG_H
#define KITH_DAEMON_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

/* X(NAME, event, first field, second field): what the numbers of log_event are called; "" for one
 * that is not there. */
#define LOG_EVENTS(X)                                                                              \
    X(STARTED, "started", "port", "devices")                                                       \
    X(METRICS_OPEN, "metrics_open", "port", "")                                                    \
    X(STOPPING, "stopping", "connections", "signal")                                               \
    X(STOPPED, "stopped", "changes", "")                                                           \
    X(RELOADED, "reloaded", "changed", "")                                                         \
    X(RELOAD_REFUSED, "reload_refused", "", "")                                                    \
    X(SETTING_CHANGED, "setting_changed", "from", "to")                                            \
    X(SETTING_WAITS, "setting_waits_for_restart", "", "")                                          \
    X(FILES_LIMITED, "files_limited", "files", "sessions_max")                                     \
    X(CONTROL_MISSING, "control_missing", "", "")                                                  \
    X(CONNECTIONS_REFUSED, "connections_refused", "count", "connections")                          \
    X(HANDSHAKES_FAILED, "handshakes_failed", "count", "")                                         \
    X(SESSION_OPENED, "session_opened", "device", "mode")                                          \
    X(SESSION_CLOSED, "session_closed", "device", "seconds")                                       \
    X(COMMIT_FAILED, "commit_failed", "requests", "")                                              \
    X(LOAD_FAILED, "load_failed", "device", "")

enum log_name {
#define LOG_NAME(name, event, first, second) LOG_##name,
    LOG_EVENTS(LOG_NAME)
#undef LOG_NAME
};

/* `err` is shown unless it is KITH_OK. Any thread. */
void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err);
/* What became of a setting, by its number in config.h; no numbers for one that is a text. */
void log_setting(enum log_name name, size_t setting, const uint32_t *from, const uint32_t *to);

#endif
