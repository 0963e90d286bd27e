/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub counts, and the page that shows it to a monitoring system: the text format of
 * Prometheus, version 0.0.4.
 *
 * Labels are words of our own lists: modes, reasons, the names of errors. No name, key, number or
 * address of a person or a device is on the page.
 */
#ifndef KITH_DAEMON_METRICS_H
#define KITH_DAEMON_METRICS_H

#include "protocol/bytes.h"
#include "protocol/channel.h"
#include "store/ledger.h"

/* X(NAME, word): why somebody is told to come again later. */
#define TURN_REASONS(X)                                                                            \
    X(STOPPING, "stopping")                                                                        \
    X(SESSIONS, "sessions_max")                                                                    \
    X(ADDRESS, "per_address")                                                                      \
    X(HANDSHAKES, "handshakes_max")                                                                \
    X(GREETING, "greeting_mib_max")                                                                \
    X(DEVICE, "sessions_per_device_max")

enum turn_reason {
#define TURN_NAME(name, word) TURN_##name,
    TURN_REASONS(TURN_NAME)
#undef TURN_NAME
        TURN_REASON_COUNT
};

const char *turn_word(enum turn_reason reason);
const char *mode_word(enum channel_mode mode);

#define METRICS_ERRORS   128 /* errors by number; what is beyond counts as the last */
#define METRICS_PAGE_MAX (256u * 1024)

/* How many values fell below each bound; the last one is for those beyond all. */
#define HISTOGRAM_BOUNDS 14
struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    uint64_t sum;
};
/* Bounds for microseconds of a commit, and for how many requests one took. */
extern const uint64_t histogram_us[HISTOGRAM_BOUNDS];
extern const uint64_t histogram_requests[HISTOGRAM_BOUNDS];
void histogram_add(struct histogram *histogram, const uint64_t bounds[static HISTOGRAM_BOUNDS],
                   uint64_t value);

/* Counted on the loop since the start. */
struct metrics {
    uint64_t accepted;
    uint64_t turned_away[TURN_REASON_COUNT];
    uint64_t failed[METRICS_ERRORS]; /* handshakes, and peers that are not let in */
    uint64_t opened[CHANNEL_MODES];
    uint64_t closed[METRICS_ERRORS];  /* sessions, by how they ended */
    uint64_t refused[METRICS_ERRORS]; /* changes and entries */
    uint64_t replayed;                /* first messages that had been let in before */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t changes_in; /* stored for the first time */
    uint64_t changes_out;
};
void metrics_count(uint64_t counts[static METRICS_ERRORS], enum kith_err err);
/* What one intake came to. */
void metrics_count_ingest(struct metrics *metrics, const struct ingest *ingest);

/* What the commit thread has done, and does. */
struct commit_figures {
    struct histogram us;
    struct histogram requests;
    uint64_t failed_count;
    uint64_t waiting;      /* intakes */
    uint64_t busy_ms;      /* for how long it has been storing what it stores; 0: it waits */
    enum kith_err failure; /* why nothing is stored any more */
};

struct hub;
struct vitals;
void metrics_write(struct buffer *out, const struct hub *hub, const struct vitals *vitals);
/* NULL if the hub can do its work, or what is in the way, as a line. */
const char *metrics_ailment(const struct hub *hub, const struct vitals *vitals);

#endif
