/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: everything the process owns, wired once. One libuv loop owns all connections;
 * verification and reading of backlogs run on libuv's workers, commits on one thread of their own.
 * Two hubs fit in one process.
 */
#ifndef KITH_DAEMON_HUB_H
#define KITH_DAEMON_HUB_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/committer.h"
#include "daemon/config.h"
#include "store/ledger.h"

#define HUB_STOP_MS 5000

struct connection;

struct hub {
    struct config config;
    struct ledger_keys keys;
    struct ledger *ledger;
    struct committer *committer;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t committed;
    uv_timer_t sweep;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    struct connection *connections; /* a doubly linked list */
    uint32_t connection_count;
    uint32_t work_count;        /* verifications and reads under way */
    uint64_t stopping_since_ms; /* 0: serving */
    enum kith_err failure;
    char control_path[512]; /* where the number of connections is kept for `kithd stats` */
    uint8_t read_bytes[SESSION_READ_MAX];
};

/* Serves until SIGTERM or SIGINT, or until the disk fails. `folder` holds keys and store. `ready`
 * is called with the address once connections are accepted. PORT_TAKEN, ADDRESS, IN_USE, ... */
MUST_USE enum kith_err hub_run(struct hub *hub, const char *folder, const struct config *config,
                               void (*ready)(const char *address));

/* For connections. */
bool hub_may_accept(struct hub *hub, const struct sockaddr_storage *peer);
void hub_add(struct hub *hub, struct connection *connection);
void hub_remove(struct hub *hub, struct connection *connection);
/* One piece of work has ended or a connection has gone: a stopping hub may be able to leave. */
void hub_settle(struct hub *hub);

#endif
