/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New settings for a hub that runs: on SIGHUP the files are read again, what may change does so at
 * once, and the log says what changed and what waits for a restart. Files that are wrong change
 * nothing.
 */
#ifndef KITH_DAEMON_RELOAD_H
#define KITH_DAEMON_RELOAD_H

#include <uv.h>

#include "daemon/config.h"

struct hub;

struct reload {
    uv_signal_t hangup;
    struct hub *hub;
    struct config given; /* as read, from the start on: the hub may have to make do with less */
    void *owner;
    enum kith_err (*read)(void *owner, struct config *config);
};

/* BUSY. */
MUST_USE enum kith_err reload_init(struct reload *reload, struct hub *hub);
/* `read` gives all settings anew, as it did for the start; it says itself what is wrong. */
void reload_start(struct reload *reload, void *owner,
                  enum kith_err (*read)(void *owner, struct config *config));
/* What SIGHUP does with settings that were read well. */
void reload_take(struct reload *reload, const struct config *config);

#endif
