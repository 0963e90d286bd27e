/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circle: the people who may read one chart, and its access chain, signed and hash-linked entry
 * by entry.
 *
 * The genesis makes the circle (offline; the circle's id is its hash), a grant lets people in and
 * names the devices that the epoch's key was sealed to. A rotation takes people and ended devices
 * out and begins a new epoch in one entry, so that nobody is ever out and still has the newest key.
 * The keys themselves are in boxes beside the entry: each is proven by the commitment that the
 * chain published, so nobody need trust who handed it over. Members are persons; recipients are
 * devices. What is owed (a custodian or a member's new device without the key; a rotation, while a
 * recipient is no longer a member's active device) is computed from roster and chain by everyone
 * alike. Source: docs/protocol.md, section 7.
 */
#ifndef KITH_PROTOCOL_CIRCLE_H
#define KITH_PROTOCOL_CIRCLE_H

#include "protocol/change.h"
#include "protocol/roster.h"
#include "protocol/seal.h"

enum circle_kind {
    CIRCLE_AGENCY = 1,  /* names, directory: everybody is a member */
    CIRCLE_CHART = 2,   /* one participant */
    CIRCLE_PERSON = 3,  /* one worker's own: the private ledger */
    CIRCLE_CONCERN = 4, /* one safety concern */
    CIRCLE_WORK = 5,    /* one worker's file: credentials, training, supervision */
};

enum circle_right { CIRCLE_READ = 1, CIRCLE_WRITE = 3 };

enum circle_type {
    CIRCLE_GENESIS = 1,
    CIRCLE_GRANT = 2,
    CIRCLE_ROTATE = 3, /* people and devices leave, a new epoch begins */
    CIRCLE_ADMIT = 4,  /* what is held of a device that left counts after all */
    CIRCLE_REJECT = 5, /* it does not */
    CIRCLE_LACK = 6,   /* its author was handed no key, or a wrong one */
};

struct circle_member {
    uint32_t person;
    enum circle_right right;
};

/* A person who leaves by a rotation. */
struct circle_leaver {
    uint32_t person;
    enum leaving leaving;
};

/* What still counts of a device that left: its changes through `n`, whose id is `id`. */
struct circle_cut {
    uint32_t device;
    enum leaving leaving;
    uint64_t until_s; /* TRANSFERRED: until when the hub takes what comes late */
    uint64_t n;
    uint8_t id[HASH_BYTES]; /* zeros for n = 0 */
    uint32_t epoch;         /* the last that it had the key of; not on the wire */
    uint64_t time_s;        /* of the entry; not on the wire */
};

struct circle_epoch {
    uint32_t seq; /* of the entry that began it */
    uint8_t commitment[HASH_BYTES];
};

/* The key of an earlier epoch under that of a new one. */
struct circle_wrap {
    uint32_t epoch;
    const uint8_t *wrap; /* WRAP_BYTES */
};

/* The state of the chain at its head. Owns its arrays. */
struct circle {
    uint8_t agency[ID_BYTES];
    uint8_t id[ID_BYTES];
    enum circle_kind kind;
    uint32_t count; /* entries so far; 0: no genesis yet */
    uint8_t head[HASH_BYTES];
    uint32_t roster_seq;           /* the roster that the newest entry knew */
    uint32_t epoch;                /* the current one */
    struct circle_epoch *epochs;   /* epoch - 1 is the index */
    struct circle_member *members; /* ascending by person */
    uint32_t member_count;
    uint32_t *devices; /* recipients of the epoch's key, ascending */
    uint32_t device_count;
    uint32_t *lacks; /* those of them that said the key had not come, ascending */
    uint32_t lack_count;
    struct circle_cut *cuts; /* ascending by device */
    uint32_t cut_count;
};

void circle_init(struct circle *circle);
void circle_clear(struct circle *circle);

/* NULL if the person was not let in. Of the agency's circle everybody on the roster is a member. */
const struct circle_member *circle_member(const struct circle *circle, uint32_t person);
bool circle_has_device(const struct circle *circle, uint32_t device);
bool circle_lacks(const struct circle *circle, uint32_t device);
/* NULL unless the device left. */
const struct circle_cut *circle_cut(const struct circle *circle, uint32_t device);
/* What the key of an epoch must match; NULL if there is no such epoch. */
const uint8_t *circle_commitment(const struct circle *circle, uint32_t epoch);
/* Whether this device may write here now: KITH_OK, NOT_MEMBER, ENDED, UNKNOWN_DEVICE. */
MUST_USE enum kith_err circle_may_write(const struct circle *circle, const struct roster *roster,
                                        uint32_t device);

/* Whether a change counts, whoever hands it over and whenever: by a member, or of a device that
 * left up to its cut. HELD: it is beyond the cut. FORKED: it is another one than the cut names. Of
 * a device that was handed over counts what is beyond, too, under epochs that it had: for how long
 * is the hub's to see to. NOT_MEMBER, UNKNOWN_DEVICE, EPOCH. */
MUST_USE enum kith_err circle_takes(const struct circle *circle, const struct roster *roster,
                                    const struct change_header *header,
                                    const uint8_t id[static HASH_BYTES]);

/* Whether a person may take another out, or decide about what is held: KITH_OK, NOT_MEMBER,
 * NOT_ALLOWED; NOT_FOUND if the other is no member. As of the roster with `seq` entries. */
MUST_USE enum kith_err circle_may_withdraw(const struct circle *circle, const struct roster *roster,
                                           uint32_t seq, uint32_t author, uint32_t person);
MUST_USE enum kith_err circle_may_decide(const struct circle *circle, const struct roster *roster,
                                         uint32_t seq, uint32_t author);

#define CIRCLE_WRAPS_MAX  8
#define CIRCLE_REASON_MAX 1024

/* An entry, as it is read or is to be written. Arrays are the caller's (writing) or in the arena
 * (reading). */
struct circle_entry {
    struct chain_link link;
    uint32_t author;
    uint32_t roster_seq; /* the roster that the author knew */
    uint64_t time_s;
    enum circle_type type;
    uint8_t agency[ID_BYTES];       /* GENESIS */
    enum circle_kind kind;          /* GENESIS */
    uint8_t salt[ID_BYTES];         /* GENESIS: makes the id unique */
    uint8_t commitment[HASH_BYTES]; /* GENESIS, ROTATE */
    struct circle_member *members;  /* GENESIS, GRANT */
    uint32_t member_count;
    uint32_t *devices; /* likewise */
    uint32_t device_count;
    struct circle_leaver *leavers; /* ROTATE */
    uint32_t leaver_count;
    struct circle_cut *cuts; /* ROTATE */
    uint32_t cut_count;
    uint32_t epoch;            /* ROTATE: the new one; LACK: the current one */
    struct circle_wrap *wraps; /* ROTATE */
    uint32_t wrap_count;
    uint32_t device;        /* ADMIT, REJECT: whose changes */
    uint64_t n;             /* ADMIT: through which; REJECT: from which on */
    uint8_t id[HASH_BYTES]; /* of that change */
    struct bytes reason;    /* REJECT: sealed for the circle */
};

MUST_USE enum kith_err circle_entry_read(struct circle_entry *entry, struct bytes bytes,
                                         struct arena *arena);
/* Appends the entry, signed, to `out`; seq, prev and hash are filled in from the circle's head. */
MUST_USE enum kith_err circle_entry_write(const struct circle *circle, struct circle_entry *entry,
                                          const uint8_t sign_secret[static SIGN_KEY_BYTES],
                                          struct buffer *out);

/* Checks one entry against head and roster, and adds it. Nothing is changed on failure: STALE if it
 * does not follow the head or names a roster that is not known yet, SIGNATURE, NOT_ALLOWED,
 * FOREIGN, MALFORMED. */
MUST_USE enum kith_err circle_append(struct circle *circle, const struct roster *roster,
                                     struct bytes entry);
/* The id of the circle that a genesis makes. */
void circle_id(const uint8_t genesis_hash[static HASH_BYTES], uint8_t id[static ID_BYTES]);

/* What a circle lacks according to the roster: members (custodians) and recipients (devices of
 * members). Added to the arrays, which have room for `max` each; members that are to be let in by
 * the same entry may stand there before, ascending. */
struct circle_owed {
    struct circle_member *members;
    uint32_t member_count;
    uint32_t *devices;
    uint32_t device_count;
    uint32_t max;
};
/* Adds a member in the order of persons, unless the person is named, with the larger right then, or
 * there is no room. */
void owed_add_member(struct circle_owed *owed, const struct circle_member *member);
/* `now_s`: invitations that have expired are owed nothing. */
void circle_owed(const struct circle *circle, const struct roster *roster, uint64_t now_s,
                 struct circle_owed *owed);
/* How many recipients are no longer active devices of members: while there is one, a rotation is
 * owed and nothing is written under the epoch. */
uint32_t circle_rotation_owed(const struct circle *circle, const struct roster *roster);
/* Whether a recipient goes with a rotation in which these people leave. */
bool circle_is_leaving(const struct roster *roster, uint32_t device, uint32_t roster_seq,
                       const struct circle_leaver *leavers, uint32_t leaver_count);

/* The state as bytes for a store, and back. */
void circle_encode(const struct circle *circle, struct buffer *out);
MUST_USE enum kith_err circle_decode(struct circle *circle, struct bytes bytes);

#endif
