/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process behind unlock.h that holds the data key, and the few bytes that it and its callers
 * exchange.
 *
 * A caller connects, sends one enum holder_request and gets the answer named there; then the
 * connection ends. The holder keeps nothing but the key, and answers nobody but its own user.
 */
#ifndef KITH_CLIENT_AGENT_HOLDER_H
#define KITH_CLIENT_AGENT_HOLDER_H

#include "protocol/bytes.h"
#include "protocol/limits.h"

#define HOLDER_SOCKET "unlock.sock"

enum holder_request {
    HOLDER_KEY = 'k',   /* the key; the idle time begins anew */
    HOLDER_RENEW = 'r', /* the same byte back; the idle time begins anew */
    HOLDER_END = 'e',   /* nothing: the connection ends when the process does */
};

/* Starts a holder for the open folder `home`, where no socket may be left. It answers when this
 * returns. EXISTS if the socket is there, MEMORY if no memory can be locked, FULL, PERMISSION, IO.
 */
MUST_USE enum kith_err holder_start(int home, const uint8_t key[static KEY_BYTES],
                                    uint64_t idle_ms);

#endif
