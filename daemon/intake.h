/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session's data on its way into the ledger: verified on one of libuv's workers, stored by the
 * committer, answered on the loop.
 *
 * An intake owns all it needs and refers to its connection only for the answer. What was handed in
 * is stored, also if its sender has gone meanwhile.
 */
#ifndef KITH_DAEMON_INTAKE_H
#define KITH_DAEMON_INTAKE_H

#include <uv.h>

#include "store/ledger.h"

struct connection;

struct intake {
    uv_work_t work;
    struct connection *connection;
    struct ingest ingest;
    struct intake *next; /* in the committer's lists */
};

/* Takes a copy of the frames. MEMORY: nothing was begun. */
MUST_USE enum kith_err intake_start(struct connection *connection, struct bytes frames);
/* Back from the committer: answers the session and frees the intake. */
void intake_finish(struct intake *intake);

#endif
