/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub in one file: its store as it was at one moment, its settings and its keys, and a hash over
 * all of it.
 *
 *   "kithbak1" | store image | hub.conf | hub.keys | their lengths, u64 each | hash of all before
 *
 * The store's image is LMDB's own compacting copy, taken while the hub runs. The records in it are
 * sealed as ever; with the keys, which are in the file as well, somebody could stand in for the hub
 * but read nothing that the hub cannot. Mode 0600.
 */
#ifndef KITH_DAEMON_BACKUP_H
#define KITH_DAEMON_BACKUP_H

#include "daemon/commands.h"

enum exit_code command_backup(const struct options *options);
enum exit_code command_restore(const struct options *options);

/* In the data folder: its time is that of the last backup. */
#define BACKUP_MARK "last-backup"

#endif
