/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a hub is, as text: HOST:PORT for plain TCP, ws://HOST[:PORT][/PATH] and
 * wss://HOST[:PORT][/PATH] for the same over the web. Source: docs/protocol.md, section 3.
 */
#ifndef KITH_PROTOCOL_ADDRESS_H
#define KITH_PROTOCOL_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_MAX 128

enum address_kind {
    ADDRESS_TCP,
    ADDRESS_WS,  /* WebSocket, in the clear but for the Noise messages in it */
    ADDRESS_WSS, /* WebSocket within TLS */
};

struct address {
    enum address_kind kind;
    uint16_t port;
    bool is_numeric_v6;     /* the brackets are left out of `host` */
    char host[ADDRESS_MAX]; /* a name or a number */
    char path[ADDRESS_MAX]; /* what stands before /kith and /sync: empty, or begins with a slash */
};

/* False if it is none of these. A port of 0 is an address; whether it makes sense is the caller's
 * to say. */
bool address_read(const char *text, struct address *address);

#endif
