/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: everything a hub keeps, behind the few calls that its sessions need.
 *
 * Roster and access chains are enforced here by the rules of protocol/, changes are verified,
 * chained and numbered. Threads: ledger_verify, ledger_load and the readers may run on any thread
 * at the same time; ledger_commit runs on one thread only. The roster in memory is guarded by a
 * lock; the store by LMDB's snapshots.
 */
#ifndef KITH_STORE_LEDGER_H
#define KITH_STORE_LEDGER_H

#include "protocol/message.h"
#include "protocol/roster.h"
#include "protocol/session.h"
#include "store/env.h"
#include "store/news.h"

struct ledger;

/* The hub's own secrets; the caller keeps them outside of the store. */
struct ledger_keys {
    uint8_t storage[KEY_BYTES];
    struct noise_keypair noise;
    uint8_t sign_secret[SIGN_KEY_BYTES];
    uint8_t sign_public[KEY_BYTES];
};

/* Makes an empty ledger in a folder; `founding_psk` admits the founder. EXISTS if there is one; one
 * whose making was interrupted, which ledger_open does not find, is made to its end. */
MUST_USE enum kith_err ledger_create(const char *folder, const struct ledger_keys *keys,
                                     const uint8_t founding_psk[static KEY_BYTES]);
struct ledger_options {
    const char *folder;
    const struct ledger_keys *keys; /* copied */
    bool is_exclusive;              /* the serving process; others may only read */
    bool is_volatile;               /* for the simulator */
    size_t map_bytes;               /* 0: the default */
};
MUST_USE enum kith_err ledger_open(struct ledger **ledger, const struct ledger_options *options);
/* Appends the store as it is at this moment to an open file; no writer waits for it. FULL, IO. */
MUST_USE enum kith_err ledger_copy(struct ledger *ledger, int fd);
/* A store that was restored from a backup is another incarnation: devices notice and give back what
 * it lacks (give_back.h), which is then taken of whoever has it. */
MUST_USE enum kith_err ledger_restart(struct ledger *ledger, uint64_t now_ms);
/* Accepts NULL, leaves NULL. */
void ledger_close(struct ledger **ledger);

void ledger_incarnation(const struct ledger *ledger, uint8_t incarnation[static INCARNATION_BYTES]);

/* May a peer come in? KITH_OK, or the reason to tell it. `psk` is set for JOIN and FOUND.
 * Whoever proves an invitation's psk may try LEDGER_ATTEMPTS_MAX times (ledger_verify counts); then
 * it is closed with TOO_MANY until a restart. Who does not prove it uses nothing up. */
#define LEDGER_ATTEMPTS_MAX 10
struct ledger_visitor {
    enum channel_mode mode;
    uint32_t device;
    const uint8_t *noise_key;
    uint64_t now_s;
};
MUST_USE enum kith_err ledger_identify(struct ledger *ledger, const struct ledger_visitor *visitor,
                                       uint8_t psk[static KEY_BYTES]);

/* How many changes of a device the log has: what a session that begins now did not bring. */
uint64_t ledger_written(struct ledger *ledger, uint32_t device);

/* One session's data on its way into the log: frames in, an answer out. Owns its memory. */
struct ingest {
    /* From the session. */
    enum channel_mode mode;
    uint32_t device;
    uint8_t noise_key[KEY_BYTES];
    uint64_t now_s;
    struct buffer frames; /* a copy */
    /* From ledger_verify. */
    struct arena arena;
    struct ingest_item *items;
    uint32_t item_count;
    uint32_t item_room;
    enum kith_err err; /* the frames are not well formed: the session ends */
    /* From ledger_commit. */
    struct buffer refusals;
    struct buffer lines;
    uint32_t line_count;
    uint8_t signature[SIGNATURE_BYTES];
    bool is_enrolled;
    uint32_t stored_count; /* changes that were new */
    void *owner;           /* the caller's; not touched */
};

void ingest_init(struct ingest *ingest);
void ingest_clear(struct ingest *ingest);

/* Checks forms, hashes and signatures; nothing is stored. Sets ingest->err. Data of a session that
 * is joining counts as one attempt on its invitation: a session hands none out before its peer has
 * proved the psk. */
void ledger_verify(struct ledger *ledger, struct ingest *ingest);
/* Stores what is admissible of all of them in one durable transaction and composes their answers.
 * If it fails, nothing was stored and every session must end with the error. */
MUST_USE enum kith_err ledger_commit(struct ledger *ledger, struct ingest **batch, uint32_t count);
/* Something for the audit log (store/audit.h): written with the next commit or flush, with its time
 * if it has none. What the ledger does itself it notes itself. Any thread. BUSY if too much waits;
 * then what was to be noted must not happen. */
struct audit_entry;
MUST_USE enum kith_err ledger_note(struct ledger *ledger, const struct audit_entry *entry);
/* Hands out the audit log, oldest first, until `visit` says false. DAMAGED where a link or a
 * checkpoint is wrong: what was handed out before that is right. */
typedef bool ledger_audit_visit(void *owner, const struct audit_entry *entry);
MUST_USE enum kith_err ledger_audit(struct ledger *ledger, ledger_audit_visit *visit, void *owner);
bool ledger_has_notes(struct ledger *ledger);
/* Writes what waits; `sign`: with a checkpoint at the end. On the thread that commits. */
MUST_USE enum kith_err ledger_flush(struct ledger *ledger, uint64_t now_ms, bool sign);
/* What the last ledger_commit brought, and whom it concerns. What was stored before is no news. On
 * the thread that commits, valid until the next commit. */
const struct news *ledger_news(const struct ledger *ledger);
/* The answer as the session wants it; views into the ingest. */
void ingest_answer(const struct ingest *ingest, struct session_answer *answer);

/* The next batch for a device: frames of at most BATCH_MAX less a CURSOR frame. */
struct backlog {
    struct buffer frames;
    uint8_t cursor[CURSOR_MAX];
    size_t cursor_len;
    bool is_up_to_date;
    uint32_t change_count;
};
void backlog_init(struct backlog *backlog);
void backlog_clear(struct backlog *backlog);
/* `roster_only`: for a device that is only joining. */
MUST_USE enum kith_err ledger_load(struct ledger *ledger, uint32_t device, const struct pull *pull,
                                   bool roster_only, struct backlog *backlog);

/* So many of the devices that a restored hub still waits for are named. */
#define LEDGER_AWAITED_MAX 64

struct ledger_stats {
    uint64_t changes;
    uint64_t circles;
    uint64_t devices; /* active ones */
    uint64_t held;
    uint64_t bytes;
    uint64_t sequence;
    uint8_t incarnation[INCARNATION_BYTES];
    bool is_founded;
    uint64_t restored_ms;                 /* when it was restored from a backup last; 0: never */
    uint64_t returned;                    /* active devices that have been here since */
    uint32_t awaited[LEDGER_AWAITED_MAX]; /* the first of those that have not */
    uint32_t awaited_count;
};
/* All but `returned` and `awaited`, for which the whole audit log is read. */
MUST_USE enum kith_err ledger_count(struct ledger *ledger, struct ledger_stats *stats);
MUST_USE enum kith_err ledger_stats(struct ledger *ledger, struct ledger_stats *stats);

#endif
