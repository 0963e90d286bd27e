/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a library defines behind our own definition of the same name: the linker prefers ours, and
 * ours may pass the call on.
 */
#ifndef KITH_TESTS_SIM_LIBRARY_H
#define KITH_TESTS_SIM_LIBRARY_H

/* Writes the function's address to the pointer at `function`; aborts if there is none. */
void library_find(const char *name, void *function);

#endif
