/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS towards a server, without I/O: bytes of the socket on one side, plain bytes on the other.
 *
 * It is the key to networks that let only HTTPS pass. What it protects is protected by Noise
 * already; still the certificate must be good and name the host, since a device that takes any
 * would tell whoever stands in between when it comes and how much it sends. Whom to trust is the
 * system's: its store of authorities, or SSL_CERT_FILE and SSL_CERT_DIR.
 */
#ifndef KITH_CLIENT_TLS_H
#define KITH_CLIENT_TLS_H

#include "protocol/bytes.h"

#define TLS_WHY_MAX 160

struct tls;

/* `host`: a name or a number. MEMORY. */
MUST_USE enum kith_err tls_open(struct tls **tls, const char *host);
/* Accepts NULL, leaves NULL. */
void tls_close(struct tls **tls);
/* Takes all of `in`; empty at first. What came for us goes to `plain`, what the socket has to write
 * to `out`. CERTIFICATE, NOT_HUB (no TLS), LOST (the server ended it), MEMORY; `why` then says
 * more.
 */
MUST_USE enum kith_err tls_receive(struct tls *tls, struct bytes in, struct buffer *plain,
                                   struct buffer *out, char why[static TLS_WHY_MAX]);
/* Whether tls_send may be called. */
bool tls_is_open(const struct tls *tls);
MUST_USE enum kith_err tls_send(struct tls *tls, struct bytes plain, struct buffer *out);

#endif
