/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's outbox that came as a bundle, on its way into the ledger: the same verification, the
 * same commit and the same receipts as for what came over a connection.
 *
 * Nothing that changes the roster is taken: a hub that runs beside this process has it in memory.
 */
#ifndef KITH_STORE_BUNDLE_LEDGER_H
#define KITH_STORE_BUNDLE_LEDGER_H

#include "protocol/bundle.h"
#include "store/ledger.h"

/* Whether the writer is a device of this agency with that signing key, ended or not, and the key
 * that an answer to it is sealed to. FOREIGN, UNKNOWN_DEVICE. */
MUST_USE enum kith_err ledger_writer(struct ledger *ledger, const struct bundle_preface *preface,
                                     uint8_t box[static KEY_BYTES]);

/* What reading one bundle has come to. Owns memory. */
struct outbox {
    uint32_t device;
    uint64_t now_s;
    uint32_t stored; /* changes that were new */
    uint32_t refused;
    bool has_pull;        /* it asks for what is new, too */
    struct buffer cursor; /* of the pull */
    struct pull pull;
    struct buffer answer; /* REFUSED and ACK frames for the batch read last */
};
void outbox_init(struct outbox *outbox, uint32_t device, uint64_t now_s);
void outbox_clear(struct outbox *outbox);
/* Stores one batch, durably. What is refused stands in the answer; an error means that the batch is
 * not what a device writes, or that nothing could be stored. */
MUST_USE enum kith_err outbox_take(struct outbox *outbox, struct ledger *ledger,
                                   struct bytes frames);
#endif
