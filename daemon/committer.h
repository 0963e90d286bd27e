/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit thread: takes everything that waits, stores it in one durable transaction, hands all
 * of it back.
 *
 * 1. One sync to disk serves as many intakes as came while the last one ran.
 * 2. An intake belongs to the committer from committer_add until committer_take gives it back, in
 * the same order.
 * 3. After a commit failed for a reason that puts the disk in doubt nothing is stored any more: the
 * kernel may call the next sync a success though pages of the last one are lost. All that waits
 * comes back with the error.
 */
#ifndef KITH_DAEMON_COMMITTER_H
#define KITH_DAEMON_COMMITTER_H

#include "daemon/intake.h"
#include "daemon/metrics.h"

#define COMMIT_INTAKES_MAX 1000
#define COMMIT_BYTES_MAX   (8u * 1024 * 1024)

struct committer;

/* `wake` is called on the commit thread when something can be taken. BUSY or MEMORY. */
MUST_USE enum kith_err committer_new(struct committer **committer, struct ledger *ledger,
                                     void (*wake)(void *owner), void *owner);
/* Stores what waits and ends the thread; what was not taken is the caller's. Accepts NULL, leaves
 * NULL. */
void committer_free(struct committer **committer);

void committer_add(struct committer *committer, struct intake *intake);
/* Writes what waits for the audit log, if nothing else is to be stored soon. */
void committer_flush(struct committer *committer, uint64_t now_ms);

/* What the thread has done, and does now. Any thread. */
void committer_figures(struct committer *committer, struct commit_figures *figures);

/* What came back since the last call: a list by `next`, the first one first. */
struct committed {
    struct intake *first;
    const struct news *news; /* whom it concerns; valid until the next call */
    enum kith_err failure;   /* why nothing is stored any more; KITH_OK while all is well */
};
struct committed committer_take(struct committer *committer);

#endif
