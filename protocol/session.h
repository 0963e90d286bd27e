/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: one connection from its first byte to its last, on either side, as a state machine
 * without I/O.
 *
 * Bytes go in with session_..._receive; what is to be done comes out of session_..._next, one thing
 * at a time; what was done goes back in with the call named beside each kind of work. The same
 * object code runs under libuv, in the simulator and in the fuzzers. Views in a todo are valid
 * until the next call on the session.
 *
 *   device                                   hub
 *   START --fill--> GREETED (message 1) ---> GREETING --lookup--> message 2, OPEN or JOINING
 *   OPEN  <--------------------------------- WELCOME, or ERROR and CLOSED
 *   OPEN: fill, write, apply <-------------> OPEN: ingest, load, write        (JOINING: roster
 * entries only) CLOSED after BYE ----------------------> CLOSED
 *
 * A device that stays does not say BYE: what is committed at the hub comes to it, and what is saved
 * here goes there, over the same session.
 *
 * Every Noise message of the device that carries data (PUSH, ROSTER, CIRCLE, INVITE) is answered by
 * one line of account in an ACK, after it is durable; what was not taken is named by REFUSED before
 * that. A PULL is answered by batches that end with CURSOR, until one says that nothing more is
 * there. Flow (flow.h): unanswered data is at most WINDOW_BYTES in either direction. Source:
 * docs/protocol.md, section 4.
 */
#ifndef KITH_PROTOCOL_SESSION_H
#define KITH_PROTOCOL_SESSION_H

#include "protocol/channel.h"
#include "protocol/flow.h"
#include "protocol/message.h"

#define SESSION_READ_MAX 65536
/* A device sends no more messages with data than these before an answer. */
#define SESSION_UNANSWERED_MAX 64

enum session_work {
    SESSION_WAIT,  /* for bytes, or for work under way */
    SESSION_WRITE, /* send `bytes`; then call next again */
    SESSION_CLOSE, /* close the connection; `err` says why, KITH_OK after an orderly end */
    SESSION_FILL,  /* device: compose frames, at most `room` bytes -> session_device_filled. Here
                      and for SESSION_LOAD a single item may be larger, up to BATCH_MAX */
    SESSION_APPLY, /* device: store the frames in `bytes`, all or nothing -> session_device_applied
                    */
    SESSION_SETTLED, /* device that stays: all is sent, answered and stored; told each time */
    SESSION_LOOKUP,  /* hub: may this peer come in? -> session_hub_identified */
    SESSION_INGEST,  /* hub: verify and store the frames in `bytes` -> session_hub_ingested */
    SESSION_LOAD,    /* hub: compose the next batch after session->pull, at most its `room` bytes
                        -> session_hub_loaded */
};

struct session_todo {
    enum session_work work;
    struct bytes bytes;
    size_t room;
    enum kith_err err;
};

struct session_device_config {
    enum channel_carrier carrier;
    enum channel_mode mode;
    const struct noise_keypair *keys;
    const uint8_t *ephemeral_secret; /* KEY_BYTES, fresh random */
    const uint8_t *hub_key;          /* KEY_BYTES */
    const uint8_t *psk;              /* KEY_BYTES; NULL for CHANNEL_SYNC */
    uint32_t device;                 /* 0 when founding */
    uint64_t clock_ms;
    bool is_single;  /* one flight out, one in: after the first nothing more is composed */
    bool is_staying; /* no BYE when nothing is left to do, until session_device_leave */
};

enum session_device_state {
    DEVICE_START,
    DEVICE_GREETED,
    DEVICE_OPEN,
    DEVICE_LEAVING,
    DEVICE_CLOSED
};

struct session_device {
    enum session_device_state state;
    enum kith_err err; /* why it closed */
    uint32_t retry_s;  /* with err BUSY: after how many seconds to come again; 0: not said */
    struct channel channel;
    struct hello hello;
    struct welcome welcome; /* valid from DEVICE_OPEN on */
    struct buffer pending;  /* bytes that came while a batch was being applied */
    struct buffer out;      /* sealed bytes to write */
    struct buffer text;     /* the batch being composed or handed out */
    bool has_text;          /* `text` waits for SESSION_APPLY */
    bool is_out_handed;     /* `out` was handed out with SESSION_WRITE */
    bool is_filling;
    bool is_applying;
    bool is_single;
    bool is_staying;
    bool is_settled;     /* it was said */
    bool has_more;       /* the shell has more to send */
    bool is_pulling;     /* a PULL is unanswered */
    uint32_t unanswered; /* Noise messages with data, and the bytes of each, the oldest first */
    uint32_t unanswered_bytes[SESSION_UNANSWERED_MAX];
    struct flow flow;
    uint32_t now_ms;       /* the shell's steady clock, for the flow; it may stand still */
    uint64_t credit_bytes; /* stored and not yet credited */
    uint64_t bytes_out;
    uint64_t bytes_in;
    uint32_t round_trips; /* flights that had to be answered */
    bool has_heard;       /* something was received since the last flight */
};

void session_device_init(struct session_device *session,
                         const struct session_device_config *config);
void session_device_clear(struct session_device *session);
/* Takes all of `in`, at most SESSION_READ_MAX bytes, and only while session_device_wants_bytes. */
void session_device_receive(struct session_device *session, struct bytes in);
bool session_device_wants_bytes(const struct session_device *session);
/* The stream ended: an orderly end only after BYE. */
void session_device_hangup(struct session_device *session);
void session_device_next(struct session_device *session, struct session_todo *todo);
/* `frames` may be empty. `has_more`: call again as soon as there is room. */
void session_device_filled(struct session_device *session, struct bytes frames, bool has_more);
/* `has_more`: what was applied gives reason to send something. */
void session_device_applied(struct session_device *session, enum kith_err err, bool has_more);
/* There is something to send: the shell will be asked for it. */
void session_device_more(struct session_device *session);
/* A session that stays says BYE once nothing is left to do. */
void session_device_leave(struct session_device *session);
/* Ends the session because the shell cannot go on. */
void session_device_abort(struct session_device *session, enum kith_err err);

enum session_hub_state { HUB_GREETING, HUB_LOOKING, HUB_JOINING, HUB_OPEN, HUB_CLOSED };

struct session_hub {
    enum session_hub_state state;
    enum kith_err err;
    struct channel channel;
    struct hello hello;
    struct welcome welcome; /* what this hub says of itself */
    struct buffer pending;  /* bytes that came while no message could be taken */
    struct buffer out;
    bool is_out_handed;
    struct buffer ingest;    /* data frames not yet handed out */
    uint32_t ingest_batches; /* Noise messages they came in */
    struct buffer handed;    /* data frames handed out with SESSION_INGEST */
    uint32_t handed_batches;
    bool is_ingesting;
    bool has_pull;   /* the device asked; its answer is not complete */
    bool has_pulled; /* its answer was complete once: notify may go on from there */
    bool is_loading;
    struct pull pull;
    uint64_t written; /* the shell's: how many changes of the device the hub had before this */
    uint8_t cursor[CURSOR_MAX]; /* what pull.cursor views */
    struct flow flow;           /* of batches, which CREDIT answers */
    uint32_t now_ms;            /* the shell's steady clock, for the flow; it may stand still */
};

/* `welcome` with the hub's sign key, which only a founder is told. */
void session_hub_init(struct session_hub *session, const struct noise_keypair *hub,
                      const uint8_t ephemeral_secret[static KEY_BYTES],
                      const struct welcome *welcome);
void session_hub_clear(struct session_hub *session);
/* Takes all of `in`, at most SESSION_READ_MAX bytes, and only while session_hub_wants_bytes. */
void session_hub_receive(struct session_hub *session, struct bytes in);
bool session_hub_wants_bytes(const struct session_hub *session);
void session_hub_next(struct session_hub *session, struct session_todo *todo);
/* KITH_OK lets it in; any other reason is told to the peer and ends the session. `psk` for JOIN and
 * FOUND. */
void session_hub_identified(struct session_hub *session, enum kith_err err, const uint8_t *psk);
/* Ends the session for now, in whatever state it is: the peer is told after how many seconds to
 * come again, without any cost if it is not known yet. */
void session_hub_turn_away(struct session_hub *session, uint32_t retry_s);
/* The device cannot answer what it is sent: one window is all it gets. Before the first batch. */
void session_hub_widen(struct session_hub *session);
/* Ends it in order: what carries it brings no more, and nothing is owed. */
void session_hub_finish(struct session_hub *session);
/* Ends it without a word. */
void session_hub_drop(struct session_hub *session, enum kith_err err);
/* `lines`: ack_line_write's; `refusals`: whole REFUSED frames; signed by the shell. An error ends
 * the session. */
struct session_answer {
    enum kith_err err;
    struct bytes refusals;
    uint32_t line_count;
    struct bytes lines;
    const uint8_t *signature;
    bool is_enrolled; /* a JOINING session has become a device's */
};
void session_hub_ingested(struct session_hub *session, const struct session_answer *answer);
/* `frames` without the CURSOR frame, which is added from `cursor`. */
void session_hub_loaded(struct session_hub *session, enum kith_err err, struct bytes frames,
                        struct bytes cursor, bool is_up_to_date);
/* Whether it has all that was there, as far as is known here, and may be sent so many bytes more
 * without having asked: with session_hub_live, which takes what session_hub_loaded takes. */
bool session_hub_is_current(const struct session_hub *session, size_t bytes);
void session_hub_live(struct session_hub *session, struct bytes frames, struct bytes cursor);
/* Something new may be there for this device: once it has pulled, more batches follow without being
 * asked for. */
void session_hub_notify(struct session_hub *session);

#endif
