/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up the ledger share: its state, and the items of an ingest. */
#ifndef KITH_STORE_LEDGER_INTERNAL_H
#define KITH_STORE_LEDGER_INTERNAL_H

#include <pthread.h>

#include "store/audit.h"
#include "store/hub_rows.h"
#include "store/ledger.h"

/* Entries for the audit log that wait for a commit, with the devices that they name. */
#define NOTES_MAX 65536
struct notes {
    struct audit_entry *entries;
    uint32_t count;
    uint32_t room;
};
/* They are written. */
void notes_reset(struct notes *notes);

struct ledger {
    struct store *store;
    struct ledger_keys keys;
    uint8_t incarnation[INCARNATION_BYTES];
    bool is_restored;             /* from a backup: devices give back what came after it */
    pthread_rwlock_t roster_lock; /* written by ledger_commit only */
    struct roster roster;
    uint8_t *attempts; /* per device number - 1, of invitations; grows with the roster */
    uint32_t attempts_room;
    pthread_mutex_t notes_lock; /* of `notes` */
    struct notes notes;
    struct notes taken; /* by the commit under way; the committing thread's */
    struct news news;   /* of the commit under way or the last one; the committing thread's */
};

/* One thing to be stored, as ledger_verify found it. Views live in the ingest's frames. */
struct ingest_item {
    enum ack_kind kind;
    bool is_psk; /* an INVITE frame: goes with an invitation, is not acknowledged */
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    uint8_t prev[HASH_BYTES]; /* the id that `id` was computed with */
    uint8_t id[HASH_BYTES];
    struct change change;
    struct bytes entry;
    struct bytes frame; /* CIRCLE: the frame's content, for its boxes */
    uint8_t psk[KEY_BYTES];
    enum kith_err checked; /* what verification found */
    enum kith_err verdict; /* what the commit decided: KITH_OK, or why it is refused */
};

/* One more attempt on an invitation; TOO_MANY once there were enough. Takes the roster's lock. */
MUST_USE enum kith_err ledger_count_attempt(struct ledger *ledger, uint32_t device);
/* What waits for the audit log is the committing thread's from here on, until it is written. */
MUST_USE enum kith_err ledger_take_notes(struct ledger *ledger);
/* Reads the roster from the store anew. */
MUST_USE enum kith_err ledger_read_roster(struct ledger *ledger);

#endif
