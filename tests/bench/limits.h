/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hub cannot do without, measured alone on this machine in this run: processor seconds of
 * one thread, each for one.
 */
#ifndef KITH_TESTS_BENCH_LIMITS_H
#define KITH_TESTS_BENCH_LIMITS_H

#include <stddef.h>

/* Checking the signature of a change. */
double limit_verify_s(void);
/* Signing a receipt. */
double limit_sign_s(void);
/* Opening (decrypting, unpacking) and hashing a change: a visit as people write them. */
double limit_open_s(void);
/* The hub's half of a handshake: message 1 read, message 2 written. */
double limit_handshake_s(void);
/* One message of `text_len` bytes encrypted and written to a socket whose other end only reads. */
double limit_message_s(size_t text_len);

#endif
