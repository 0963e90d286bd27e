/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/address.h"

#define PIECE 16384 /* a record of TLS, at most */

struct tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;  /* the ssl's own */
    BIO *out; /* likewise */
    bool is_open;
};

/* The certificate must name it: as a number if it is one. */
static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
    char name[ADDRESS_MAX]; /* OpenSSL's macro takes none that is constant */

    (void)snprintf(name, sizeof name, "%s", host);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(rules, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool make_context(struct tls *tls)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1)
        return false;
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_AUTO_RETRY);
    return SSL_CTX_set_default_verify_paths(tls->context) == 1;
}

static bool make_ssl(struct tls *tls, const char *host)
{
    static const unsigned char http_1[] = "\x08http/1.1";

    tls->ssl = SSL_new(tls->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
    return expect_host(tls->ssl, host) &&
           SSL_set_alpn_protos(tls->ssl, http_1, sizeof http_1 - 1) == 0;
}

enum kith_err tls_open(struct tls **opened, const char *host)
{
    struct tls *tls = calloc(1, sizeof *tls);

    *opened = tls;
    if (tls && make_context(tls) && make_ssl(tls, host))
        return KITH_OK;
    tls_close(opened);
    return KITH_MEMORY;
}

void tls_close(struct tls **closed)
{
    struct tls *tls = *closed;

    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
    *closed = NULL;
    ERR_clear_error();
}

bool tls_is_open(const struct tls *tls)
{
    return tls->is_open;
}

static enum kith_err take_out(struct tls *tls, struct buffer *out)
{
    char *bytes = NULL;
    long count = BIO_get_mem_data(tls->out, &bytes);

    if (count > 0)
        buffer_add(out, bytes, (size_t)count);
    (void)BIO_reset(tls->out);
    return out->err;
}

/* What went wrong, in a person's words as far as OpenSSL has them. */
static enum kith_err explain(struct tls *tls, int result, char why[static TLS_WHY_MAX])
{
    long verdict = SSL_get_verify_result(tls->ssl);
    int failure = SSL_get_error(tls->ssl, result);

    if (failure == SSL_ERROR_WANT_READ || failure == SSL_ERROR_WANT_WRITE)
        return KITH_OK;
    if (failure == SSL_ERROR_ZERO_RETURN)
        return KITH_LOST;
    if (verdict != X509_V_OK) {
        (void)snprintf(why, TLS_WHY_MAX, "%s", X509_verify_cert_error_string(verdict));
        return KITH_CERTIFICATE;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    (void)snprintf(why, TLS_WHY_MAX, "TLS: %s", reason ? reason : "it ended too early");
    return tls->is_open ? KITH_LOST : KITH_NOT_HUB;
}

static enum kith_err read_plain(struct tls *tls, struct buffer *plain, char why[static TLS_WHY_MAX])
{
    uint8_t piece[PIECE];
    int count;

    while ((count = SSL_read(tls->ssl, piece, sizeof piece)) > 0)
        buffer_add(plain, piece, (size_t)count);
    enum kith_err err = explain(tls, count, why);
    explicit_bzero(piece, sizeof piece);
    return plain->err ? plain->err : err;
}

enum kith_err tls_receive(struct tls *tls, struct bytes in, struct buffer *plain,
                          struct buffer *out, char why[static TLS_WHY_MAX])
{
    enum kith_err err = KITH_OK;

    ERR_clear_error();
    if (in.len > 0 && BIO_write(tls->in, in.ptr, (int)in.len) != (int)in.len)
        return KITH_MEMORY;
    if (!tls->is_open) {
        int result = SSL_do_handshake(tls->ssl);
        tls->is_open = result == 1;
        err = tls->is_open ? KITH_OK : explain(tls, result, why);
    }
    if (!err && tls->is_open)
        err = read_plain(tls, plain, why);
    enum kith_err write_err = take_out(tls, out);
    return err ? err : write_err;
}

enum kith_err tls_send(struct tls *tls, struct bytes plain, struct buffer *out)
{
    ERR_clear_error();
    if (plain.len > 0 && SSL_write(tls->ssl, plain.ptr, (int)plain.len) != (int)plain.len)
        return KITH_LOST;
    return take_out(tls, out);
}
