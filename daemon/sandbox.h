/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process forbids itself, so that whoever takes it over has little: in this order, each
 * step for good.
 *
 *   sandbox_begin    every command: no core file, no debugger, no new privileges
 *   sandbox_become   a hub that root starts is somebody else from here on
 *   sandbox_files    the data folder and nothing else (Landlock); before there are threads
 *   sandbox_calls    the system calls of a hub that serves (seccomp), for all threads; once it
 *                    listens
 */
#ifndef KITH_DAEMON_SANDBOX_H
#define KITH_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/error.h"

/* Once, before anything else. */
void sandbox_begin(void);

/* If this is root: becomes `user`, or if that is empty the owner of `folder`, and gives up root's
 * powers. PERMISSION if that would be root and root is not asked for; NOT_FOUND: no such user. */
MUST_USE enum kith_err sandbox_become(const char *user, const char *folder);

/* How far a hub is confined; what the kernel does not have stays 0. */
struct sandbox {
    uint32_t landlock; /* the version of the kernel's interface */
    bool has_calls;
};

/* Files below `folder` may be read and written. `settings` (may be NULL): a file whose folder may
 * be read. `socket` (may be NULL): a socket in whose folder sockets may be made and removed. Of
 * other files nothing, not even for root; no connection to anywhere. */
void sandbox_files(struct sandbox *sandbox, const char *folder, const char *settings,
                   const char *socket);
/* From here on: what is open, accepting connections, files, memory, threads. A program that is to
 * be run or a process to be looked into ends this process; other calls are refused with EPERM. */
void sandbox_calls(struct sandbox *sandbox);
/* One line in the log: what holds. */
void sandbox_tell(const struct sandbox *sandbox);

#endif
