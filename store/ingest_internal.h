/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the second half of an ingest share: a commit under way. */
#ifndef KITH_STORE_INGEST_INTERNAL_H
#define KITH_STORE_INGEST_INTERNAL_H

#include "store/ledger_internal.h"

/* What a commit has touched of one circle; its state is written once, at the end. */
struct touched {
    uint32_t number;
    struct circle circle;
    bool is_changed;
    bool has_news;   /* something is there that was not, for its recipients */
    bool is_mixed;   /* more than changes of one device */
    uint32_t author; /* of the changes below */
    struct news_live live;
    struct run_writer run;
};

struct committer {
    struct ledger *ledger;
    struct store_txn txn;
    struct audit audit;
    uint64_t now_ms;
    struct hub_chain chain;  /* that changes are being added to */
    struct touched *touched; /* of the current ingest */
    uint32_t touched_count;
    uint32_t touched_room;
};

/* The state of a circle within this commit; number 0 and no entries if the circle is not known.
 * NULL without memory. */
struct touched *touch_circle(struct committer *committer, const uint8_t id[static ID_BYTES]);
/* Whether the device whose data this is has been ended. */
bool is_ended(const struct committer *committer, const struct ingest *ingest);

/* An entry of an access chain: item->verdict says whether it was taken. */
void commit_circle(struct committer *committer, struct ingest *ingest, struct ingest_item *item);

/* Keeps a change beyond its cut for a decision: HELD; or why not: HELD_FULL, GAP, FORKED. */
MUST_USE enum kith_err held_commit(struct committer *committer, const struct ingest *ingest,
                                   const struct touched *touched, const struct ingest_item *item);
/* A change that is taken after all is held no longer. FORKED if another one is held under its
 * number. */
MUST_USE enum kith_err held_take(struct committer *committer, const struct touched *touched,
                                 const struct ingest_item *item);
/* Counts one more thing against what may be held of a device; HELD_FULL. */
MUST_USE enum kith_err held_count(struct committer *committer, uint32_t device, size_t bytes);
/* Whether the n-th change of that device is held under that id. */
MUST_USE enum kith_err held_check(struct committer *committer, const struct touched *touched,
                                  const struct circle_entry *entry);
/* Moves what is held of a device, through n, into the log. */
void held_admit(struct committer *committer, const struct touched *touched, uint32_t device,
                uint64_t n);
/* Marks what is held of a device from n on as rejected. */
void held_reject(struct committer *committer, const struct touched *touched, uint32_t device,
                 uint64_t n);

#endif
