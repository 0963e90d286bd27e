/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this device knows of the workers: their credentials and NPIs, read once for a whole report.
 */
#ifndef KITH_CLIENT_EXPORT_STAFF_H
#define KITH_CLIENT_EXPORT_STAFF_H

#include "client/home.h"

struct staff_credential {
    uint32_t holder;
    const char *kind;
    const char *npi;
    const char *expires; /* a date, "" for never */
    const char *issued;  /* likewise */
    bool is_active;
    struct staff_credential *next;
};

/* All that are known here, in the arena. */
MUST_USE enum kith_err staff_read(struct kith *kith, struct arena *arena,
                                  struct staff_credential **staff);
/* Whether anything is known of the person's credentials. */
bool staff_knows(const struct staff_credential *staff, uint32_t person);
/* Whether one of these kinds (a list of words, "" for any) was valid on the day. */
bool staff_is_credentialed(const struct staff_credential *staff, uint32_t person, const char *kinds,
                           const char *day);
/* The person's NPI; "" if it is not known. */
const char *staff_npi(const struct staff_credential *staff, uint32_t person);

#endif
