/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the hub: carries a device's session over TCP or over the web (carrier.h),
 * on a libuv loop of its own, until it is closed.
 *
 * Blocks its caller. Progress within NET_STALL_MS or the connection counts as lost; a session that
 * stays and has nothing under way is asked after when it has been silent for its keep-alive time.
 */
#ifndef KITH_CLIENT_NET_H
#define KITH_CLIENT_NET_H

#include "protocol/invite.h"
#include "protocol/session.h"

#define NET_CONNECT_MS 10000
#define NET_STALL_MS   30000

/* What the session asks of its owner, besides bytes: SESSION_FILL, SESSION_APPLY and
 * SESSION_SETTLED. The owner answers with session_device_filled or session_device_applied before it
 * returns. */
typedef void net_work(void *owner, struct session_device *session, const struct session_todo *todo);

/* For a session that stays. */
struct net_live {
    int wake_fd; /* -1: none */
    uint32_t keep_alive_ms;
    /* wake_fd is readable. False: the session is to end, now. */
    bool (*woken)(void *owner, struct session_device *session);
    /* Nothing was heard for keep_alive_ms: the hub is to be asked for something. */
    void (*keep)(void *owner, struct session_device *session);
};

struct net_owner {
    net_work *work;
    const struct net_live *live; /* NULL: the session ends when it is done */
    void *owner;
    bool is_single; /* one HTTP request, and what its response brings */
};

#define NET_WHY_MAX 160

/* UNREACHABLE, NOT_HUB, CERTIFICATE, LOST, or why the session ended; KITH_OK after BYE. A single
 * one that could not bring all is LOST, whatever it brought. `why` gets more about that, or is
 * empty. */
MUST_USE enum kith_err net_run(const struct address *address, struct session_device *session,
                               const struct net_owner *owner, char why[static NET_WHY_MAX]);

#endif
