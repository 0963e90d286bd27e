/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replica: everything a device keeps, behind the calls that saving, reading and syncing need.
 *
 * 1. What a call reported as saved or applied is durable; a step is one transaction with all that
 * belongs to it.
 * 2. The outbox is derived: the own log above the last receipt. Nothing is tracked beside it.
 * 3. A change is merged once everything it has seen is; until then it waits, also without its key.
 * 4. Nothing that came from the hub is believed: entries, signatures, chains and keys are checked
 * here. Random numbers come from libsodium; time is handed in. One thread at a time.
 */
#ifndef KITH_STORE_REPLICA_H
#define KITH_STORE_REPLICA_H

#include "protocol/invite.h"
#include "protocol/message.h"
#include "store/device_rows.h"

struct replica;

/* The secrets of this device and its way to the hub. */
struct identity {
    uint8_t agency[ID_BYTES];
    uint32_t device; /* 0: not enrolled yet */
    uint8_t sign_secret[SIGN_KEY_BYTES];
    struct noise_keypair noise;
    uint8_t box_secret[KEY_BYTES];
    uint8_t invite_box_secret[KEY_BYTES]; /* opens what was sealed to the invitation; zeros for the
                                             founder */
    uint8_t
        root_seed[KEY_BYTES]; /* the agency's root key, on the founder's device; zeros elsewhere */
    uint8_t hub_key[KEY_BYTES];
    char address[ADDRESS_MAX];
};

/* Fresh keys; the rest is zero. */
void identity_make(struct identity *identity);
void identity_public(const struct identity *identity, struct device_public *keys);

struct replica_options {
    const char *folder;
    const uint8_t *key; /* KEY_BYTES: the data key */
    bool is_new;
    bool is_volatile; /* for the simulator */
    size_t map_bytes; /* 0: the default */
};
MUST_USE enum kith_err replica_open(struct replica **replica,
                                    const struct replica_options *options);
/* Looks whether another process changed what is kept in memory, the roster and the identity, and
 * reads that again. */
MUST_USE enum kith_err replica_refresh(struct replica *replica);
/* Accepts NULL, leaves NULL. */
void replica_close(struct replica **replica);
const struct identity *replica_identity(const struct replica *replica);
MUST_USE enum kith_err replica_set_identity(struct replica *replica,
                                            const struct identity *identity);
const struct roster *replica_roster(const struct replica *replica);
struct store *replica_store(struct replica *replica);
/* The person of this device; 0 while it is not enrolled. */
uint32_t replica_person(const struct replica *replica);
/* The agency's circle; false until it has arrived. */
bool replica_agency_circle(struct replica *replica, uint8_t circle[static ID_BYTES]);

/* Adds an entry to the roster of an agency for practice, which has no hub that could: FOUND, or
 * what comes after it. NOT_ALLOWED for any other agency. */
MUST_USE enum kith_err replica_append_alone(struct replica *replica, struct roster_entry *entry,
                                            const uint8_t sign_secret[static SIGN_KEY_BYTES]);

/* One edit of a save: what is to be so. What it replaces is found by the replica: all that is live
 * there. */
struct edit {
    uint8_t record[ID_BYTES];
    uint32_t type;
    uint32_t field;
    enum op_kind kind;
    struct bytes value; /* one encoded value */
    struct bytes key;   /* OP_KEYED */
    bool is_restated;   /* written also if it stands there already: it answers what others do at the
                           same time */
};

struct save {
    uint8_t circle[ID_BYTES];
    enum change_class class;
    const struct edit *edits;
    uint32_t edit_count;
    uint64_t now_ms; /* corrected by the hub's clock */
};
/* Writes one change: all edits or none. Edits that change nothing are left out; if none is left,
 * nothing is written and `dot` is zero. UNKNOWN_CIRCLE, NOT_MEMBER, NO_KEY, TOO_LARGE, FULL, ... */
MUST_USE enum kith_err replica_save(struct replica *replica, const struct save *save,
                                    struct dot *dot);

/* A new circle, made offline, and its first change in the same transaction. `save->circle` is
 * ignored; where an edit's record id is all zeros it becomes the circle's id. */
struct genesis {
    enum circle_kind kind;
    struct circle_member *members; /* ascending by person; empty for the agency's circle */
    uint32_t member_count;
    uint32_t *devices; /* recipients, ascending */
    uint32_t device_count;
};
MUST_USE enum kith_err replica_found_circle(struct replica *replica, const struct genesis *genesis,
                                            struct save *save, uint8_t circle[static ID_BYTES]);

/* Lets a person into a circle at the next contact. */
MUST_USE enum kith_err replica_grant(struct replica *replica, const uint8_t circle[static ID_BYTES],
                                     const struct circle_member *member);

/* Takes a person out of a circle at the next contact: its key is changed by the same entry.
 * NOT_FOUND if the person is not in it, NOT_ALLOWED, NOT_MEMBER. */
MUST_USE enum kith_err replica_withdraw(struct replica *replica,
                                        const uint8_t circle[static ID_BYTES], uint32_t person,
                                        enum leaving leaving);

/* What the hub holds of devices that left, as far as this device's person may decide about it. */
struct held_change {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    uint8_t id[HASH_BYTES];
    bool is_rejected;
    enum leaving leaving; /* how the device had left */
    uint64_t time_s;      /* when it arrived at the hub */
};
/* All of it, in an array that the caller frees. */
MUST_USE enum kith_err replica_held(struct replica *replica, struct held_change **changes,
                                    size_t *count);
/* The text of one; NO_KEY, NOT_FOUND. */
MUST_USE enum kith_err replica_held_text(struct replica *replica, const struct held_change *change,
                                         struct buffer *text);
/* Admits what is held of that device through this change, or rejects it from this change on, at the
 * next contact. `reason` is read by the circle only. */
MUST_USE enum kith_err replica_admit(struct replica *replica, const struct held_change *change);
MUST_USE enum kith_err replica_reject(struct replica *replica, const struct held_change *change,
                                      struct bytes reason);

/* Removes what can be read of circles that this device's person was taken out of, and of all when
 * the device was ended: keys and merged records. Only where the hub has everything written here,
 * counted or held. What was written stays, sealed: let in again, a person finds it as it was. */
struct purged {
    uint32_t circles; /* purged by this call */
    uint32_t pending; /* left, but with something that the hub does not have yet */
    bool is_device;   /* everything was: this device has no keys any more */
};
MUST_USE enum kith_err replica_purge(struct replica *replica, struct purged *purged);
/* How this device was ended in the roster; LEAVING_NOT. */
enum leaving replica_leaving(const struct replica *replica);

/* A device's half of a roster entry that only the hub can place: written on the current head when
 * it is sent. */
struct roster_request {
    bool is_wanted;
    bool waits_for_hub; /* the founder's entry names the hub's sign key, which comes with WELCOME */
    bool is_sent;
    bool is_done;          /* it stands in the roster */
    enum kith_err refusal; /* or why not */
    struct roster_entry entry;
    bool is_new_person; /* set here if the entry came without one: the number is given each time */
    const uint8_t *sign_secret;
    bool has_psk;
    uint8_t psk[KEY_BYTES];
    uint8_t hash[HASH_BYTES]; /* of the entry as sent */
};

/* What one session has sent so far, and is waiting for. Owns memory; one per session. */
struct sending {
    struct sending_circle *circles;
    uint32_t circle_count;
    struct sending_grant *grants;
    uint32_t grant_count;
    uint32_t grant_room;
    bool is_listed;
    uint8_t incarnation[INCARNATION_BYTES]; /* of the hub whose receipts were looked at for that */
    uint32_t roster_floor; /* how many entries there were when something was sent first */
    bool is_pull_sent;
    uint8_t pulled[INCARNATION_BYTES]; /* of which hub the PULL spoke */
    bool is_pull_answered;             /* up to date, at that moment */
    bool is_stale;  /* an entry was built on an old head: first the PULL's answer */
    bool is_ending; /* this device was ended: nothing waits for a key any more */
    uint32_t stale_count;
    bool is_lacking;   /* a key has not come, or what is owed is not known yet: to be looked at when
                          all has been received */
    bool is_receiving; /* of what is new, some has come and some has not */
    uint64_t acknowledged; /* of the own changes, when the circles were listed */
    bool is_doubted;       /* the hub says that it holds another history of this device */
    bool has_applied;      /* something of this session */
    bool is_greeting;      /* only roster matters: the device is not enrolled yet */
    uint64_t now_s;
    struct roster_request request;
    struct buffer request_entry; /* as sent */
    uint64_t sent_bytes;         /* of changes: sealed text, mark, signature */
};
void sending_init(struct sending *sending, uint64_t now_s);
void sending_clear(struct sending *sending);
/* Looks again for what is to be sent, and asks again for what is new. */
void sending_again(struct sending *sending);
/* Appends frames of at most `room` bytes. */
MUST_USE enum kith_err replica_fill(struct replica *replica, struct sending *sending, size_t room,
                                    struct buffer *frames, bool *has_more);

struct applied {
    uint32_t received; /* changes that were new */
    uint32_t acknowledged;
    uint32_t refused;
    uint32_t left_out; /* by hand: frames that fit only with what the hub has not shown yet */
    bool has_more;     /* something is to be sent because of this */
};
/* Stores one batch, all or nothing. */
MUST_USE enum kith_err replica_apply(struct replica *replica, struct sending *sending,
                                     const struct welcome *welcome, struct bytes frames,
                                     uint64_t now_ms, struct applied *applied);

/* Stores one batch that a colleague's device handed over instead of the hub, all or nothing. What
 * fits with what the hub has shown is taken, under the same checks: changes, keys, circles that are
 * new. FORKED if it shows another roster or access chain. */
MUST_USE enum kith_err replica_take(struct replica *replica, struct sending *sending,
                                    struct bytes frames, uint64_t now_ms, struct applied *applied);

/* What a person may have of this device: the circles that both are in, whole, urgent ones first. */
struct sharing {
    uint32_t person;
    bool is_urgent_done; /* the circles with something urgent have been written */
    bool is_begun;
    bool has_entries; /* those of the circle in hand are written */
    uint32_t circle;  /* number, from 1 */
    uint32_t chain;   /* of the circle: place in the list of its chains */
    uint64_t n;       /* the next change of that chain */
};
/* Appends frames of at most `room` bytes; call again while `has_more`. */
MUST_USE enum kith_err replica_share(struct replica *replica, struct sharing *sharing, size_t room,
                                     struct buffer *frames, bool *has_more);

/* Reading. The caller opens a transaction on replica_store; views live as long as it does. */

struct found_record {
    struct record_place place;
    uint8_t circle[ID_BYTES];
    struct record record; /* in the transaction's arena */
};
/* The record of a type whose id begins with `bits` bits of `id`. NOT_FOUND, AMBIGUOUS. */
MUST_USE enum kith_err replica_find(struct store_txn *txn, uint32_t type,
                                    const uint8_t id[static ID_BYTES], unsigned bits,
                                    struct found_record *found);
/* The record of a type with this id in this circle; NOT_FOUND. */
MUST_USE enum kith_err replica_find_in(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                                       uint32_t type, const uint8_t id[static ID_BYTES],
                                       struct found_record *found);
/* Calls `visit` for every record of a type, circle by circle, in the order in which they came to be
 * known here, until it returns false. `circle`: only of this one; NULL for all. The arena is
 * emptied after each call. */
typedef bool replica_visit(void *owner, const struct found_record *found);
MUST_USE enum kith_err replica_each(struct store_txn *txn, uint32_t type, const uint8_t *circle,
                                    replica_visit *visit, void *owner);
/* The state hash (protocol/state.h) of a circle by its number, from 1 to what
 * replica_circles says; false, and nothing
 * is written, if nothing of it can be read here. */
bool replica_state(struct store_txn *txn, uint32_t number, uint8_t circle[static ID_BYTES],
                   uint8_t hash[static HASH_BYTES]);
uint32_t replica_circles(struct store_txn *txn);
/* Calls `event` for every operation ever merged into a record, chain by chain; the op is valid
 * during the call. */
typedef void replica_event(void *owner, struct dot dot, uint64_t hlc, const struct op *op);
MUST_USE enum kith_err replica_history(struct store_txn *txn, const struct found_record *found,
                                       replica_event *event, void *owner);

/* The causal past of whatever is written next in a circle: for each device how many of its changes
 * are merged here. Ascending, in the transaction's arena; NULL and KITH_UNKNOWN_CIRCLE or the
 * transaction's failure in `err`. */
const struct dot *replica_past(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                               uint32_t *count, enum kith_err *err);

/* What is known of the hub. */
struct hub_state {
    uint8_t incarnation[INCARNATION_BYTES];
    uint8_t cursor[CURSOR_MAX];
    size_t cursor_len;
    uint8_t digest[DIGEST_BYTES];
    uint64_t last_sync_ms;   /* the last complete exchange; 0: never */
    int64_t clock_offset_ms; /* hub's clock minus ours */
    bool is_up_to_date;      /* at that moment everything was exchanged, both ways */
};
MUST_USE enum kith_err replica_hub(struct replica *replica, struct hub_state *hub);
/* Notes a complete exchange. */
MUST_USE enum kith_err replica_synced(struct replica *replica, uint64_t now_ms,
                                      int64_t clock_offset_ms);

/* Own changes of a circle, one after another, that the hub has not acknowledged. */
struct unsent_run {
    uint8_t circle[ID_BYTES];
    uint64_t first;
    uint64_t last;
    uint64_t hlc; /* of the last one */
};
/* All of them, in an array that the caller frees. */
MUST_USE enum kith_err replica_unsent(struct replica *replica, struct unsent_run **runs,
                                      size_t *count);

struct replica_counts {
    uint64_t unsent;
    uint64_t refused;
    uint64_t waiting; /* received, not merged yet */
    uint64_t circles;
    uint64_t records;
    uint64_t owed;  /* entries to be written */
    uint64_t kept;  /* own changes that the hub holds for a decision */
    bool is_urgent; /* something unsent is */
};
MUST_USE enum kith_err replica_counts(struct replica *replica, struct replica_counts *counts);

#endif
