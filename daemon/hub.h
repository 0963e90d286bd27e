/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: everything the process owns, wired once.
 *
 * 1. One libuv loop owns all connections. Verification and reading of backlogs run on libuv's
 * workers, commits on one thread of their own; they hand results back to the loop and share nothing
 * else with it but the ledger.
 * 2. Nothing is acknowledged before the transaction that holds it is on disk.
 * 3. No globals: two hubs fit in one process.
 *
 *   hub_open -> hub_listen -> hub_run ... SIGTERM, SIGINT or a failing disk ... ->
 * hub_close
 */
#ifndef KITH_DAEMON_HUB_H
#define KITH_DAEMON_HUB_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/listener.h"
#include "daemon/tally.h"
#include "store/ledger.h"

struct connection;

struct hub {
    struct config config;
    struct ledger_keys keys;
    struct ledger *ledger;
    struct welcome welcome; /* but for the clock */
    struct committer *committer;
    struct tally tally;
    uv_loop_t loop;
    struct listener listener;
    struct control control;
    uv_async_t committed;
    uv_timer_t sweep;
    uv_signal_t terminate;
    uv_signal_t interrupt;
    struct connection *connections; /* all that are not freed */
    uint32_t connection_count;
    uint32_t handshake_count;
    uint32_t refused_count; /* connections and handshakes since they were last told of */
    uint32_t failed_count;
    enum kith_err failed_err;
    uint32_t sweep_count;
    uint16_t port;
    bool is_looped; /* the loop is there */
    bool is_stopping;
    uint64_t stop_ms; /* when a stopping hub waits no longer */
    enum kith_err failure;
    uint8_t read_bytes[SESSION_READ_MAX]; /* used up within each read callback */
};

/* Opens keys and store in `folder` as their only server. NOT_FOUND, PERMISSION, IN_USE,
 * NEWER_STORE, DAMAGED, ... */
MUST_USE enum kith_err hub_open(struct hub **hub, const char *folder, const struct config *config);
/* From here on connections queue up. `bound` gets the numeric address. PORT_TAKEN, ADDRESS,
 * PERMISSION. */
MUST_USE enum kith_err hub_listen(struct hub *hub, char bound[static ADDRESS_MAX]);
/* Serves until it is stopped; then what is in flight is finished. The error that a commit ended
 * with, if one did. */
MUST_USE enum kith_err hub_run(struct hub *hub);
/* Accepts NULL, leaves NULL. */
void hub_close(struct hub **hub);

/* For connections, on the loop. */
bool hub_is_stopping(const struct hub *hub);
/* One more connection of this address: its line of the tally, NULL if there are enough or the hub
 * stops. */
struct tally_line *hub_admit(struct hub *hub, const struct sockaddr_storage *peer);
void hub_note_failed_handshake(struct hub *hub, enum kith_err err);
void hub_add(struct hub *hub, struct connection *connection);
void hub_remove(struct hub *hub, struct connection *connection);
/* Lets a stopping hub leave once its last connection is gone. */
void hub_settle(struct hub *hub);

#endif
