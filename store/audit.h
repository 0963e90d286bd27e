/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log of who was given what, when: entries linked by hashes, checkpoints signed.
 *
 * Each entry's hash covers the entry and the hash before it; a checkpoint signs the hash before
 * itself. So an entry that is altered, left out, added in between or moved is found by whoever
 * walks the log, and one that was cut off by whoever knows a later head. Entries hold numbers and
 * circle ids, nothing else. The same log is kept by a hub, of what it handed out, and by a device,
 * of what was opened on it. All functions work within the caller's transaction.
 */
#ifndef KITH_STORE_AUDIT_H
#define KITH_STORE_AUDIT_H

#include "store/txn.h"

/* X(NAME, number, name, what the three numbers of an entry are called; "" for one that is not used)
 */
#define AUDIT_KINDS(X)                                                                             \
    X(HUB, 1, "hub", "did", "port", "")                                                            \
    X(SESSION, 2, "session", "mode", "seconds", "reason")                                          \
    X(DELIVERED, 3, "delivered", "", "changes", "entries")                                         \
    X(ROSTER, 4, "roster", "did", "number", "subject")                                             \
    X(CIRCLE, 5, "circle", "did", "number", "cuts")                                                \
    X(HELD, 6, "held", "", "n", "")                                                                \
    X(BUNDLE, 7, "bundle", "did", "changes", "")                                                   \
    X(ATTEMPT, 8, "attempt", "", "reason", "")                                                     \
    X(OPENED, 9, "opened", "type", "", "")                                                         \
    X(EXPORTED, 10, "exported", "form", "records", "")                                             \
    X(LISTED, 11, "listed", "type", "records", "")                                                 \
    X(CHECKPOINT, 15, "checkpoint", "", "", "")

enum audit_kind {
#define AUDIT_KIND(NAME, number, name, what, first, second) AUDIT_##NAME = (number),
    AUDIT_KINDS(AUDIT_KIND)
#undef AUDIT_KIND
};

struct audit_entry {
    enum audit_kind kind;
    uint64_t time_ms;
    uint32_t device;  /* whom it is about; 0 for nobody */
    bool has_subject; /* of a circle, or of a record */
    uint8_t subject[ID_BYTES];
    uint64_t what;
    uint64_t first;
    uint64_t second;
    struct bytes devices;       /* DELIVERED to many: their numbers, u32 big-endian; borrowed */
    uint64_t seq;               /* read only */
    uint8_t head[HASH_BYTES];   /* read only: the hash through this entry */
    const uint8_t *signature;   /* read only: of a checkpoint; borrowed from the txn */
    uint8_t before[HASH_BYTES]; /* read only: the hash before it */
};

#define AUDIT_DEVICES_MAX 1000 /* of one entry */

const char *audit_kind_name(enum audit_kind kind);
/* What the three numbers are called: `what`, `first`, `second`; "" for one that is not used. */
struct audit_names {
    const char *what;
    const char *first;
    const char *second;
};
struct audit_names audit_names(enum audit_kind kind);
/* What stands behind `what` in a word; NULL if it is just a number. */
const char *audit_word(enum audit_kind kind, uint64_t what);

enum audit_hub_did { AUDIT_STARTED = 1, AUDIT_STOPPED = 2 };
enum audit_export_did { AUDIT_BILLING = 1, AUDIT_FHIR = 2, AUDIT_CHART = 3, AUDIT_REPORT = 4 };
enum audit_bundle_did { AUDIT_BUNDLE_READ = 1, AUDIT_BUNDLE_ANSWERED = 2 };

/* The end of a log within one write transaction: begin, add any number, end. */
struct audit {
    struct store_txn *txn;
    enum store_table table;
    uint64_t seq;
    uint8_t head[HASH_BYTES];
    uint64_t signed_seq; /* of the newest checkpoint; 0 if there is none */
    uint64_t signed_ms;
    bool is_changed;
};
struct audit audit_begin(struct store_txn *txn, enum store_table table);
void audit_add(struct audit *audit, const struct audit_entry *entry);
/* Signs what stands there, unless a checkpoint is the newest entry. */
void audit_sign(struct audit *audit, uint64_t now_ms,
                const uint8_t sign_secret[static SIGN_KEY_BYTES]);
/* After AUDIT_UNSIGNED_MAX entries or a day there should be another checkpoint. */
#define AUDIT_UNSIGNED_MAX 1000
bool audit_is_due(const struct audit *audit, uint64_t now_ms);
void audit_end(struct audit *audit);

/* Walks a log from its first entry on: `walk` from audit_walk_begin, audit_walk_next until false,
 * audit_walk_end. Checks every link, and with `sign_public` every checkpoint; DAMAGED in the txn,
 * at `walk.seq`, if one is wrong. */
struct audit_walk {
    struct store_walk walk;
    uint64_t seq;
    uint8_t head[HASH_BYTES];
    uint64_t last_seq; /* that the log says it has */
    uint8_t last_head[HASH_BYTES];
    const uint8_t *sign_public;
    uint64_t checkpoints;
};
/* `sign_public` may be NULL: checkpoints are taken as they are. */
struct audit_walk audit_walk_begin(struct store_txn *txn, enum store_table table,
                                   const uint8_t *sign_public);
bool audit_walk_next(struct audit_walk *walk, struct audit_entry *entry);
void audit_walk_end(struct audit_walk *walk);

#endif
