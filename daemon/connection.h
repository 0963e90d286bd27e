/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One peer and the session with it. A callback turns an event into bytes, gives them to the session
 * and runs what it asks for; no decision is made here that the session could make.
 *
 *   SERVING --session closed, or hub stops--> ENDING --peer closed, or time is up--> CLOSING -->
 * GONE
 *
 * ENDING: all is sent and our half is shut; what still comes is read and thrown away, since a
 * socket that is closed over unread bytes takes back what was sent last. A connection is freed when
 * it is GONE and no work refers to it.
 *
 * An idle session holds no memory but this struct and its socket; nothing wakes for it.
 */
#ifndef KITH_DAEMON_CONNECTION_H
#define KITH_DAEMON_CONNECTION_H

#include "daemon/front.h"
#include "daemon/hub.h"
#include "daemon/socket.h"

/* A session is asked for nothing more while this much waits to be written. */
#define CONNECTION_WRITE_HIGH (256u * 1024)
/* How long a peer may take to close after we did. */
#define CONNECTION_LINGER_MS 2000
/* How often a WebSocket is pinged: proxies cut what is silent for a minute. */
#define CONNECTION_PING_MS 25000

enum connection_stage {
    CONNECTION_SERVING,
    CONNECTION_ENDING,
    CONNECTION_CLOSING,
    CONNECTION_GONE
};

struct connection {
    struct hub *hub;
    struct connection *next;
    struct connection *previous;
    struct connection *later; /* among those that are not let in yet */
    struct connection *sooner;
    struct connection *queue_next; /* among those that wait for a fetch */
    struct connection *queue_previous;
    struct connection *newer;   /* of the same device */
    struct connection *older;   /* likewise */
    struct device_line *line;   /* NULL until it was let in as an enrolled device */
    struct tally_line *address; /* NULL: turned away */
    struct socket socket;
    struct front *front; /* NULL: plain TCP, or nothing came yet */
    struct session_hub session;
    enum connection_stage stage;
    uint32_t device;        /* 0 until it was let in */
    uint32_t work_count;    /* intakes and fetches under way */
    uint32_t news_count;    /* how often it is named by what is being announced */
    uint32_t waiting_bytes; /* whole messages that are not stored yet */
    uint32_t partial_bytes; /* of a message that is not whole yet */
    size_t unwritten_bytes; /* at the last sweep */
    uint64_t opened_ms;
    uint64_t opened_turn;   /* of the loop */
    uint64_t progress_ms;   /* the last time a byte moved or work was done */
    uint64_t partial_ms;    /* since when a message is not whole */
    uint64_t written_ms;    /* the last time the peer took bytes */
    uint64_t shut_ms;       /* our half is shut since; 0: not yet */
    uint64_t partial_nonce; /* of that message */
    bool is_greeting;       /* in hub->greeters */
    bool is_lingering;      /* counted in hub->lingering_count */
    bool is_proved;         /* see devices.h */
    bool is_queued;         /* for a fetch */
    bool has_begun;         /* the first byte has come */
    bool has_news; /* something was stored while a fetch was under way, which may have missed it */
};

/* Takes the next connection off the listener. MEMORY: it stays there. */
MUST_USE enum kith_err connection_accept(struct hub *hub, uv_stream_t *listener);
/* Something was stored: the device may have news. */
void connection_notify(struct connection *connection);
/* Whether the session had all before this, and nothing else concerns it now; and sends it then. */
bool connection_takes_live(const struct connection *connection, const struct news_live *live);
void connection_send_live(struct connection *connection, const struct news_live *live,
                          struct bytes frames);
/* Ends what has taken too long. */
void connection_sweep(struct connection *connection, uint64_t now_ms);
/* The hub stops: ends the session as soon as what is in flight is answered. */
void connection_stop(struct connection *connection);
/* Ends the session now; the peer is told when to come again. */
void connection_turn_away(struct connection *connection, enum turn_reason reason);
/* There may be room again for what it sends. */
void connection_resume(struct connection *connection);
/* Closes the socket now and says nothing. */
void connection_close(struct connection *connection);

/* For the socket. */
void connection_received(struct connection *connection, struct bytes bytes);
void connection_written(struct connection *connection);
void connection_shut(struct connection *connection);
void connection_lost(struct connection *connection);
void connection_gone(struct connection *connection);

/* For work: a connection is held from its start to its end. */
void connection_hold(struct connection *connection);
void connection_release(struct connection *connection);
void connection_ingested(struct connection *connection, const struct ingest *ingest);
void connection_fetched(struct connection *connection, enum kith_err err,
                        const struct backlog *backlog);

/* The wall clock. */
uint64_t connection_clock_ms(void);

#endif
