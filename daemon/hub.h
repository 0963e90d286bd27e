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
#include "daemon/devices.h"
#include "daemon/flights.h"
#include "daemon/listener.h"
#include "daemon/metrics.h"
#include "daemon/reload.h"
#include "daemon/scrape.h"
#include "daemon/tally.h"
#include "store/ledger.h"

/* Whoever came to the door stays there for so long, and until what it had sent by then was read,
 * however many others come. */
#define HUB_DOOR_MS    1000
#define HUB_DOOR_TURNS 2
/* Connections of strangers that are waited for after the last word, so that they hear it. */
#define HUB_LINGER_MAX 256

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
    struct reload reload;
    struct scrape scrape;
    struct metrics metrics;
    struct metrics told; /* the same when the log last told of strangers */
    uv_async_t committed;
    uv_timer_t sweep;
    uv_timer_t door; /* runs while anybody is at it */
    uv_signal_t terminate;
    uv_signal_t interrupt;
    struct connection *connections; /* all that are not freed */
    struct connection *greeters;    /* those that are not let in yet, by `later` from the oldest */
    struct connection *last_greeter;
    struct connection *fetchers; /* those that wait for a fetch, by `queue_next` */
    struct connection *last_fetcher;
    struct devices devices;
    struct flights flights;
    uint32_t connection_count;
    uint32_t busiest_count; /* connections, since memory was given back */
    uint32_t session_count; /* devices that were let in */
    uint32_t handshake_count;
    uint32_t lingering_count;
    uint32_t fetch_count;
    uint64_t waiting_bytes;    /* received and not stored, of all connections */
    uint64_t partial_bytes;    /* of messages that are not whole yet */
    uint64_t greeting_bytes;   /* of these, strangers' */
    bool is_holding;           /* nothing is read until less waits */
    uint64_t refused_count;    /* connections that were turned away */
    uint64_t failed_count;     /* handshakes */
    uint64_t unaudited_count;  /* sessions whose end the audit log had no room for */
    uint64_t ended_count;      /* sessions */
    uint64_t told_ended_count; /* at the last sweep */
    uint64_t let_in_count;
    uint64_t told_let_in_count; /* likewise */
    double pass_rate;           /* how many sessions pass a second, of late */
    uint64_t turn_us;           /* when the last one that was turned away is to come again */
    uint64_t chance;            /* of a generator that needs not be secret */
    uint32_t sweep_count;
    uint64_t started_ms;
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
/* From here on connections queue up, and to be told to stop is to stop in order. `bound` gets the
 * numeric address. PORT_TAKEN, ADDRESS, PERMISSION. */
MUST_USE enum kith_err hub_listen(struct hub *hub, char bound[static ADDRESS_MAX]);
/* Other settings for a hub that runs; where it listens does not change. */
void hub_configure(struct hub *hub, const struct config *config);
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
/* Whether what somebody at the door had sent was read: a turn of the loop may take long. */
bool hub_has_listened(const struct connection *connection);
/* Whether the next connection is to wait: handshakes_max are at the door, and the oldest of them
 * may not have been heard yet. */
bool hub_is_crowded(const struct hub *hub);
/* Those that are not let in yet. Beyond handshakes_max, or greeting_mib_max, the oldest has to go:
 * who is honest is through in one round trip. */
void hub_add_greeter(struct hub *hub, struct connection *connection);
void hub_remove_greeter(struct hub *hub, struct connection *connection);
/* What a connection has taken in now: whole messages that wait, and of one that is not whole. */
void hub_account(struct connection *connection, size_t waiting, size_t partial);
/* Whether more may be read from it. */
bool hub_has_room(const struct connection *connection);
/* Somebody is turned away: for the figures. */
void hub_count_refused(struct hub *hub, enum turn_reason reason);
/* When somebody who is turned away is to come again: one after another, as fast as sessions have
 * ended of late; by chance if that would be too late, or none has ended. */
uint32_t hub_retry_s(struct hub *hub);
void hub_note_failed_handshake(struct hub *hub, enum kith_err err);
void hub_add(struct hub *hub, struct connection *connection);
void hub_remove(struct hub *hub, struct connection *connection);
/* Lets a stopping hub leave once its last connection is gone. */
void hub_settle(struct hub *hub);

#endif
