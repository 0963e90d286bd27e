/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's log: events from one list with fields that are numbers or our own error codes, one line
 * each on standard error. There is no way to pass a string: nothing that a peer sent can reach a
 * log.
 */
#ifndef KITH_DAEMON_LOG_H
#define KITH_DAEMON_LOG_H

#include <stdint.h>

#include "protocol/error.h"

/* X(NAME, event, first field, second field): what the numbers of log_event are called. */
#define LOG_EVENTS(X)                                                                              \
    X(STARTED, "started", "port", "devices")                                                       \
    X(STOPPING, "stopping", "connections", "signal")                                               \
    X(STOPPED, "stopped", "changes", "unfinished")                                                 \
    X(CONNECTION_REFUSED, "connection_refused", "connections", "of_this_address")                  \
    X(SESSION_OPENED, "session_opened", "device", "mode")                                          \
    X(SESSION_REFUSED, "session_refused", "device", "mode")                                        \
    X(SESSION_CLOSED, "session_closed", "device", "seconds")                                       \
    X(STORED, "stored", "changes", "requests")                                                     \
    X(COMMIT_FAILED, "commit_failed", "requests", "changes")                                       \
    X(LOAD_FAILED, "load_failed", "device", "changes")

enum log_name {
#define LOG_NAME(name, event, first, second) LOG_##name,
    LOG_EVENTS(LOG_NAME)
#undef LOG_NAME
};

void log_event(enum log_name name, uint64_t first, uint64_t second, enum kith_err err);

#endif
