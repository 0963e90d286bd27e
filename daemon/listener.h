/* SPDX-License-Identifier: Apache-2.0 */
/* Where devices come in: one TCP port on one address. */
#ifndef KITH_DAEMON_LISTENER_H
#define KITH_DAEMON_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "protocol/invite.h"

struct hub;

struct listener {
    uv_tcp_t tcp;
    uv_check_t check; /* runs after each turn of the loop, and wakes nobody */
    struct hub *hub;
    uint64_t turns;  /* of the loop: in each of them all that has come is read */
    bool is_waiting; /* one could not be taken yet: no memory, or no room at the door */
};

void listener_init(struct listener *listener, struct hub *hub);
/* The host of HOST:PORT becomes a number, if it is a name: a hub that is confined to its folder
 * cannot look names up. ADDRESS, with nothing changed. */
MUST_USE enum kith_err listener_resolve(char address[static ADDRESS_MAX]);
/* `address` is HOST:PORT; a name is looked up, which may take a while. `bound` gets the numeric
 * address with the port that it is. PORT_TAKEN, ADDRESS, PERMISSION, ... */
MUST_USE enum kith_err listener_open(struct listener *listener, const char *address,
                                     char bound[static ADDRESS_MAX]);
/* Tries again to take what is waiting. */
void listener_resume(struct listener *listener);
void listener_close(struct listener *listener);

#endif
