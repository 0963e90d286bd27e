/* SPDX-License-Identifier: Apache-2.0 */
/* What a session has under way besides the log: where each circle's outbox stands, and grants that
 * await an answer. */
#ifndef KITH_STORE_SENDING_H
#define KITH_STORE_SENDING_H

#include "store/replica.h"

/* A circle with something to send. */
struct sending_circle {
    uint32_t number;
    uint64_t next_n; /* of the own chain */
    uint64_t last_n;
    uint64_t floor; /* what the hub had acknowledged when this was listed */
    bool is_urgent;
    uint64_t newest;        /* time of the newest change to be sent, by its author's clock */
    bool needs_genesis;     /* the hub has not acknowledged it yet */
    uint32_t next_entry;    /* of the access chain, to be given back; 0: none */
    bool is_carrying;       /* others' changes that came by hand and that the hub may not have */
    uint32_t carried_chain; /* the place in the list of chains, and the next of its changes */
    uint64_t carried_n;
};

#define GRANT_INTENTS_MAX 64

/* An entry written on the head of an access chain and sent; it joins our chain when the hub has
 * taken it. A rotation's boxes may take several frames. */
struct sending_grant {
    uint32_t circle; /* 0: free */
    uint32_t seq;
    uint8_t hash[HASH_BYTES];
    struct buffer entry;
    uint64_t intents[GRANT_INTENTS_MAX];
    uint32_t intent_count;
    uint32_t epoch; /* of a rotation, and its key; 0 otherwise */
    uint8_t key[KEY_BYTES];
    uint32_t box_after; /* the recipient whose box was sent last */
    bool has_boxes;     /* some are still to be sent */
    bool is_taken;      /* it stands in our chain */
};

/* An entry on its way, and the recipients whose boxes go with it. */
struct sending_entry {
    uint32_t seq;
    struct bytes bytes;
    const uint32_t *devices;
    uint32_t device_count;
};

/* NULL if none is under way. */
struct sending_grant *sending_find_grant(struct sending *sending, uint32_t circle);
struct sending_grant *sending_add_grant(struct sending *sending); /* NULL without memory */
/* What the hub had acknowledged of the own chain of a circle that something was sent of; else 0. */
uint64_t sending_floor(const struct sending *sending, uint32_t circle);
void sending_drop_grant(struct sending *sending, struct sending_grant *grant);

#endif
