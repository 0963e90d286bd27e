/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a monitoring system asks how the hub is, on a loopback address or a socket in the file
 * system: GET /metrics, and GET /healthz, which is 200 or, with the reason, 503.
 *
 *   request --HTTP that is not well formed, another path or method--> answered with a status
 *           --ours--> waits for a worker to look --> answered; then our half is shut
 *
 * One request a connection. Guests are few, and none stays for long; the oldest has to go for one
 * too many.
 */
#ifndef KITH_DAEMON_SCRAPE_H
#define KITH_DAEMON_SCRAPE_H

#include <uv.h>

#include "daemon/vitals.h"

#define SCRAPE_GUESTS_MAX 16
#define SCRAPE_GUEST_MS   5000

struct hub;
struct guest;

union scrape_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct scrape {
    union scrape_handle listener;
    struct hub *hub;
    struct guest *oldest; /* by `newer` */
    struct guest *newest;
    uint32_t guest_count;
    uv_work_t work;
    bool is_open;
    bool is_looking; /* `vitals` is a worker's */
    int memory;      /* see vitals_open */
    struct vitals vitals;
};

/* Does nothing if the setting `metrics` is empty. `memory`: of vitals_open, the caller's.
 * PORT_TAKEN, PERMISSION, ADDRESS, ... */
MUST_USE enum kith_err scrape_open(struct scrape *scrape, struct hub *hub, int memory);
/* Ends what has taken too long. */
void scrape_sweep(struct scrape *scrape, uint64_t now_ms);
/* Once, when the hub stops. */
void scrape_close(struct scrape *scrape);

#endif
