/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit thread: takes everything that waits, stores it in one durable transaction, hands all
 * of it back.
 *
 * One sync to disk serves as many requests as came while the last one ran. Handed in and out by
 * pointer; an ingest belongs to the committer between the two. `wake` is called on the commit
 * thread and must only wake the loop.
 */
#ifndef KITH_DAEMON_COMMITTER_H
#define KITH_DAEMON_COMMITTER_H

#include "store/ledger.h"

#define COMMIT_BATCH_MAX   1000
#define COMMIT_BATCH_BYTES (8u * 1024 * 1024)

struct committer;

/* NULL without memory or threads. */
struct committer *committer_new(struct ledger *ledger, void (*wake)(void *owner), void *owner);
/* Commits what is queued, ends the thread. Accepts NULL. */
void committer_free(struct committer **committer);

/* False without memory: then the caller still owns it. */
bool committer_add(struct committer *committer, struct ingest *ingest);
/* The next one that was stored (or failed: ingest->err), in order; NULL if there is none now. */
struct ingest *committer_take(struct committer *committer);
/* The error of a commit that says the disk can no longer be trusted; KITH_OK while it can. */
enum kith_err committer_failure(struct committer *committer);

#endif
