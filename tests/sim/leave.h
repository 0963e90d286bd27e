/* SPDX-License-Identifier: Apache-2.0 */
/* People and devices that come and go by the roster: ends, other roles, invitations that lie about,
 * and what a device removes when it has left. */
#ifndef KITH_TESTS_SIM_LEAVE_H
#define KITH_TESTS_SIM_LEAVE_H

#include "tests/sim/world.h"

/* Ends a device, for one reason or another; the founder's stays. */
void leave_end(struct world *world, struct sim_device *by);
/* Somebody gets another role, a custodian's perhaps. */
void leave_role(struct world *world, struct sim_device *by);
/* Somebody uses an invitation that lies about; NULL if there is none, or it is too late. */
struct sim_device *leave_enrol(struct world *world, bool is_faulty);
/* After a sync, as the client does it: removes what can be removed, having checked that nothing
 * goes that the hub does not have. True if anything was. */
bool leave_purge(struct world *world, struct sim_device *device);

#endif
