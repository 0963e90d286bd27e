/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a crowd that sync with a running hub, in processes of their own: real connections,
 * sessions, handshakes and encryption; only what they send was prepared before.
 *
 * Each process has a libuv loop and may hold as many connections as it may hold files. They connect
 * from several addresses of the loopback network, as devices of an agency do. What becomes of each
 * device stands in memory that all processes share.
 */
#ifndef KITH_TESTS_BENCH_LOAD_H
#define KITH_TESTS_BENCH_LOAD_H

#include <sys/types.h>

#include "crowd.h"

#define LOAD_PROCESSES_MAX 8

enum load_state { LOAD_GOING, LOAD_SETTLED, LOAD_OVER, LOAD_FAILED };

struct load_device {
    _Atomic uint32_t state;
    _Atomic uint32_t received; /* changes */
    uint32_t acknowledged;     /* messages */
    uint32_t retries;          /* the hub was busy, and said when to come again */
    uint32_t losses;           /* the connection was lost, or not taken */
    enum kith_err err;         /* with LOAD_FAILED */
    uint32_t round_trips;
    uint64_t bytes; /* both ways */
    uint64_t begun_ns;
    uint64_t done_ns;  /* all is acknowledged and received */
    uint64_t heard_ns; /* the last batch with a change */
};

struct load_options {
    const struct crowd *crowd;
    uint16_t port;
    uint32_t first; /* device of the crowd */
    uint32_t count;
    uint32_t processes;
    uint32_t sources;              /* addresses that they come from */
    uint32_t messages_each;        /* that a device sends, one after another without waiting */
    const struct buffer *messages; /* of the first device, then of the next one, ...; of PUSH */
    uint32_t within_ms;            /* they begin to connect one after another within that */
    bool is_staying;               /* no BYE */
};

struct load {
    struct load_device *devices; /* shared */
    uint64_t *acknowledged_ns;   /* shared: how long each message took to be acknowledged */
    const struct load_options *options;
    uint64_t start_ns;
    pid_t pids[LOAD_PROCESSES_MAX];
};

uint64_t load_now_ns(void);
/* Starts the processes. `options` outlives the load. */
void load_begin(struct load *load, const struct load_options *options);
/* Until each device is settled, over or has failed; false after `seconds`. */
bool load_wait(const struct load *load, double seconds);
/* Until each has received `changes`; likewise. */
bool load_wait_received(const struct load *load, uint32_t changes, double seconds);
uint32_t load_count(const struct load *load, enum load_state state);
/* Ends the processes, whatever their devices do. */
void load_end(struct load *load);

#endif
