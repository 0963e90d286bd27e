/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be looked up to know how the hub is: its store, its disk, its process. */
#ifndef KITH_DAEMON_VITALS_H
#define KITH_DAEMON_VITALS_H

#include "daemon/metrics.h"

struct vitals {
    struct ledger_stats stats;
    enum kith_err err; /* of reading the store */
    struct commit_figures commits;
    bool is_writable; /* a few bytes can be written beside the store */
    uint64_t disk_free;
    uint64_t disk_size;
    uint64_t backup_ms; /* when the last backup was made; 0: never */
    uint64_t cpu_us;
    uint64_t resident;
    uint64_t virtual;
    uint64_t files;
    uint64_t files_max;
    uint64_t returned_ms; /* when stats.returned was counted; 0: never */
};

/* Where the kernel says how much memory this process has: opened before it confines itself, for as
 * long as it runs; -1 where there is no such thing. */
int vitals_open(void);
/* On any thread; reads the disk. `folder`: a descriptor of the data folder; `memory`: of
 * vitals_open. What was counted of
 * devices that returned after a restore is kept for a minute: that reads the whole audit log. */
void vitals_look(struct vitals *vitals, struct ledger *ledger, int folder, int memory,
                 uint64_t now_ms);

#endif
