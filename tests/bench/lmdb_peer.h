/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What LMDB alone takes to write the same bytes: the peer that a merge is measured against.
 */
#ifndef KITH_TESTS_BENCH_LMDB_PEER_H
#define KITH_TESTS_BENCH_LMDB_PEER_H

/* Copies every row of the store in `from` to a new one in `to`, in `batches` transactions that each
 * take their share of every table in the order of its keys. The processor time of the writing, in
 * seconds; negative if LMDB refused something. */
double lmdb_peer_write(const char *from, const char *to, unsigned batches);

#endif
