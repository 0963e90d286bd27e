/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the agent talks to the hub next, and for how long it stays. Pure: what happened, the time
 * and random numbers are handed in.
 *
 * 1. After a failure the pauses double, from PACE_FIRST_S to PACE_MOST_S, each by a random part of
 * itself shorter or longer, so that laptops which lost their hub together do not come back
 * together.
 * 2. A hub that says when to come again is not asked before, but for a person who asks.
 * 3. Where sessions keep breaking soon after they began, the agent comes now and then and does not
 * stay; after PACE_VISITS good exchanges it tries to stay again.
 * 4. On a metered link it never stays: urgent work goes at once, other work with the next visit.
 * 5. The keep-alive time is halved when a silent session turns out to be dead, and grows while they
 * live.
 */
#ifndef KITH_CLIENT_AGENT_PACE_H
#define KITH_CLIENT_AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_FIRST_S      2
#define PACE_MOST_S       900
#define PACE_VISIT_S      300 /* between exchanges where it does not stay */
#define PACE_METERED_S    900
#define PACE_SETTLE_MS    1000 /* after the network changed: until addresses and routes are there */
#define PACE_SHORT_MS     60000
#define PACE_SHORT_MOST   3
#define PACE_VISITS       6
#define PACE_KEEP_S       120
#define PACE_KEEP_LEAST_S 30
#define PACE_KEEP_MOST_S  270 /* the hub, and what is between, forget silent sessions */

struct pace {
    uint32_t failures; /* in a row */
    uint32_t shorts;   /* sessions in a row that broke soon */
    uint32_t visits;   /* good exchanges since it stopped staying */
    uint32_t keep_alive_s;
    uint64_t next_ms;
    bool is_metered;
    bool is_told; /* the hub said when: next_ms is not to be undercut */
};

/* How an exchange or a stay ended. */
struct pace_end {
    bool is_reached;   /* all was exchanged at least once */
    bool is_broken;    /* it ended before it was to */
    bool was_silent;   /* it broke when it was asked for a sign of life */
    uint32_t retry_s;  /* the hub said to come again after so long; 0: it did not */
    uint64_t lived_ms; /* from its beginning */
};

void pace_init(struct pace *pace, uint64_t now_ms);
bool pace_may_stay(const struct pace *pace);
void pace_ended(struct pace *pace, const struct pace_end *end, uint64_t now_ms, uint32_t random);
/* There is another network, or one again: tries at once, unless the hub said when. */
void pace_network(struct pace *pace, uint64_t now_ms);
/* Whether the link is metered; one that is no more is used at once, unless the hub said when. */
void pace_link(struct pace *pace, bool is_metered, uint64_t now_ms);
/* Something waits to be sent. */
void pace_news(struct pace *pace, bool is_urgent, uint64_t now_ms);

#endif
