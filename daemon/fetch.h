/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch of what a device has not seen yet, read off the loop. The reading transaction ends
 * before a byte of it is written to a socket.
 */
#ifndef KITH_DAEMON_FETCH_H
#define KITH_DAEMON_FETCH_H

#include "protocol/error.h"

struct connection;

/* Reads on a worker, once fewer than fetches_max are being read; connection_fetched is called on
 * the loop. MEMORY: nothing was begun. */
MUST_USE enum kith_err fetch_start(struct connection *connection);
/* The connection waits for its turn no more. */
void fetch_forget(struct connection *connection);

#endif
