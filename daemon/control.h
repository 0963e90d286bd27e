/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections a running hub has, for `kithd stats`: a number in a file beside the store,
 * written each second that it changes. The file of a hub that is gone is told by its process
 * number.
 */
#ifndef KITH_DAEMON_CONTROL_H
#define KITH_DAEMON_CONTROL_H

#include <stddef.h>
#include <stdint.h>

void control_path(const char *folder, char *path, size_t size);
void control_write(const char *path, uint32_t connections);
void control_remove(const char *path);
/* 0 if no hub runs there. */
uint32_t control_read(const char *path);

#endif
