/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets in a home, by which its processes find each other: mode 0600, the peer's user checked on
 * both sides. */
#ifndef KITH_CLIENT_AGENT_SOCKET_H
#define KITH_CLIENT_AGENT_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

#include "protocol/bytes.h"

/* Opens a home's folder. NOT_FOUND; PERMISSION if it is not private. */
MUST_USE enum kith_err folder_open(const char *home, int *folder);
/* A socket of an open folder, short however long the folder's path is. */
struct sockaddr_un socket_address(int folder, const char *name);
/* A socket bound there, not listening yet, and not blocking. EXISTS if one is there; PERMISSION,
 * FULL, IO. */
MUST_USE enum kith_err socket_bind(int folder, const char *name, int *listener);
/* A connection to a process of the own user, which gives up after `limit_s`; LOCKED if nobody
 * listens. */
MUST_USE enum kith_err socket_connect(int folder, const char *name, unsigned limit_s,
                                      int *connection, pid_t *peer);
/* Whether the other end of a connection is the own user; sets the same limit. */
bool socket_is_own_user(int connection, unsigned limit_s);

#endif
