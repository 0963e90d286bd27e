/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: keeps a home in step with the hub in the background.
 *
 * It takes the data key from the holder (unlock.h) and has no other: while the home is locked it
 * has no key and waits. It talks to the hub when something was saved, when the network changes,
 * when the machine wakes up, and when it is time (pace.h), and stays connected where the link is
 * good. Other commands use the home meanwhile as if there were no agent.
 *
 * One agent a home. A caller connects to AGENT_SOCKET in the home, sends one enum agent_request and
 * gets the answer named there; only the own user is answered.
 */
#ifndef KITH_CLIENT_AGENT_AGENT_H
#define KITH_CLIENT_AGENT_AGENT_H

#include "protocol/bytes.h"

#define AGENT_SOCKET "agent.sock"

enum agent_request {
    AGENT_STATE = 's', /* one enum agent_state */
    AGENT_LOCK = 'l',  /* nothing: the connection ends when no key is in its memory any more */
    AGENT_END = 'e',   /* nothing: the connection ends when the process does */
};

enum agent_state {
    AGENT_NONE = 0, /* none runs */
    AGENT_LOCKED = 'L',
    AGENT_WAITING = 'W', /* for its time, for news, for a network */
    AGENT_SYNCING = 'S',
    AGENT_LIVE = 'V', /* connected, and all was exchanged */
};

struct agent_options {
    const char *home;
    bool is_metered; /* whatever the network says of itself (metered.h) */
    /* One line about what happens, without anything of a record; NULL: nothing is said. */
    void (*say)(const char *line);
};

/* Runs until it is told to end, by a caller or a signal. EXISTS if one runs already. */
MUST_USE enum kith_err agent_run(const struct agent_options *options);

/* For commands. */
MUST_USE enum kith_err agent_state(const char *home, enum agent_state *state);
/* "locked", "live", ...; NULL if none runs. */
const char *agent_state_word(enum agent_state state);
/* KITH_OK also if none runs. */
MUST_USE enum kith_err agent_lock(const char *home);
MUST_USE enum kith_err agent_end(const char *home);

#endif
