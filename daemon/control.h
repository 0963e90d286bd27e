/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a running hub tells its operator's other commands: whoever connects to control.sock in the
 * data folder (mode 0600, in a folder of mode 0700) is told the figures of the moment and nothing
 * is read from it.
 */
#ifndef KITH_DAEMON_CONTROL_H
#define KITH_DAEMON_CONTROL_H

#include <uv.h>

#include "protocol/error.h"

/* X(figure, where the hub has it): what is told, a line each of name and number. */
#define CONTROL_FIGURES(X)                                                                         \
    X(connections, connection_count)                                                               \
    X(sessions, session_count)                                                                     \
    X(handshakes, handshake_count)                                                                 \
    X(turned_away, refused_count)                                                                  \
    X(handshakes_failed, failed_count)                                                             \
    X(waiting_bytes, waiting_bytes)                                                                \
    X(fetches, fetch_count)                                                                        \
    X(unaudited, unaudited_count)

struct control_figures {
#define CONTROL_FIELD(figure, source) uint64_t figure;
    CONTROL_FIGURES(CONTROL_FIELD)
#undef CONTROL_FIELD
};

struct hub;

struct control {
    uv_pipe_t pipe;
    struct hub *hub;
    int folder; /* a descriptor: a path by it is short enough for any socket's name */
};

void control_init(struct control *control, struct hub *hub);
/* Only for the one process that owns the store: the socket of one that was killed is removed. */
MUST_USE enum kith_err control_open(struct control *control, const char *folder);
/* After the pipe was closed. */
void control_clear(struct control *control);

/* Asks the hub that runs there; zeros if none does. */
void control_ask(const char *folder, struct control_figures *figures);

#endif
