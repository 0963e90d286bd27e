/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast stand-ins for libsodium: the simulator's time is not spent on arithmetic.
 *
 * The program's own definitions take the place of the library's (the linker prefers them). Sizes,
 * results and failures are as with the real ones, secrecy is none: nobody attacks here. A part of
 * the schedules runs with the real ones. Memory for keys is ordinary memory in all of them.
 */
#ifndef KITH_TESTS_SIM_CRYPTO_H
#define KITH_TESTS_SIM_CRYPTO_H

#include <stdbool.h>

void crypto_use_real(bool is_real);

#endif
