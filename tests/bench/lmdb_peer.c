/* SPDX-License-Identifier: Apache-2.0 */
#include "lmdb_peer.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TABLES_MAX 32
#define NAME_MAX_  64
#define MAP_BYTES  ((size_t)4 << 30)

struct peer_row {
    MDB_val key;
    MDB_val value;
};

/* A table's rows, which stay in the map of the store they came from. */
struct peer_table {
    char name[NAME_MAX_];
    MDB_dbi dbi;
    struct peer_row *rows;
    size_t count;
};

struct peer {
    MDB_env *from;
    MDB_txn *reading;
    struct peer_table tables[TABLES_MAX];
    size_t table_count;
};

static double cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static MDB_env *open_env(const char *folder, unsigned flags)
{
    MDB_env *env = NULL;

    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, TABLES_MAX) ||
        mdb_env_set_mapsize(env, MAP_BYTES) || mdb_env_open(env, folder, flags, 0600)) {
        mdb_env_close(env);
        return NULL;
    }
    return env;
}

static bool read_rows(MDB_txn *txn, struct peer_table *table)
{
    MDB_stat stat;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;

    if (mdb_stat(txn, table->dbi, &stat) || mdb_cursor_open(txn, table->dbi, &cursor))
        return false;
    table->rows = calloc(stat.ms_entries + 1, sizeof *table->rows);
    while (table->rows && table->count < stat.ms_entries &&
           mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        table->rows[table->count++] = (struct peer_row){key, value};
    mdb_cursor_close(cursor);
    return table->rows != NULL;
}

/* The names of the tables are the keys of the main one. */
static bool read_tables(struct peer *peer)
{
    MDB_dbi main_table;
    MDB_cursor *cursor;
    MDB_val name;
    bool is_read = true;

    if (mdb_dbi_open(peer->reading, NULL, 0, &main_table) ||
        mdb_cursor_open(peer->reading, main_table, &cursor))
        return false;
    while (is_read && peer->table_count < TABLES_MAX &&
           mdb_cursor_get(cursor, &name, NULL, MDB_NEXT_NODUP) == 0) {
        struct peer_table *table = &peer->tables[peer->table_count];
        if (name.mv_size >= NAME_MAX_)
            continue;
        memcpy(table->name, name.mv_data, name.mv_size);
        if (mdb_dbi_open(peer->reading, table->name, 0, &table->dbi))
            continue;
        is_read = read_rows(peer->reading, table);
        peer->table_count++;
    }
    mdb_cursor_close(cursor);
    return is_read;
}

static bool write_share(MDB_txn *txn, const struct peer_table *table, MDB_dbi dbi, unsigned batch,
                        unsigned batches)
{
    size_t first = table->count * batch / batches;
    size_t end = table->count * (batch + 1) / batches;

    for (size_t i = first; i < end; i++) {
        MDB_val key = table->rows[i].key;
        MDB_val value = table->rows[i].value;
        if (mdb_put(txn, dbi, &key, &value, 0))
            return false;
    }
    return true;
}

static bool write_batch(const struct peer *peer, MDB_env *to, unsigned batch, unsigned batches)
{
    MDB_txn *txn;
    bool is_written = mdb_txn_begin(to, NULL, 0, &txn) == 0;

    if (!is_written)
        return false;
    for (size_t i = 0; i < peer->table_count && is_written; i++) {
        MDB_dbi dbi;
        is_written = mdb_dbi_open(txn, peer->tables[i].name, MDB_CREATE, &dbi) == 0 &&
                     write_share(txn, &peer->tables[i], dbi, batch, batches);
    }
    if (is_written)
        return mdb_txn_commit(txn) == 0;
    mdb_txn_abort(txn);
    return false;
}

static double write_all(const struct peer *peer, const char *folder, unsigned batches)
{
    MDB_env *to = mkdir(folder, 0700) == 0 ? open_env(folder, 0) : NULL;
    double before = cpu_seconds();
    bool is_written = to != NULL;

    for (unsigned i = 0; i < batches && is_written; i++)
        is_written = write_batch(peer, to, i, batches);
    double spent = cpu_seconds() - before;
    mdb_env_close(to);
    return is_written ? spent : -1;
}

double lmdb_peer_write(const char *from, const char *to, unsigned batches)
{
    struct peer *peer = calloc(1, sizeof *peer);
    double spent = -1;

    if (!peer)
        return -1;
    peer->from = open_env(from, MDB_RDONLY);
    if (peer->from && mdb_txn_begin(peer->from, NULL, MDB_RDONLY, &peer->reading) == 0) {
        if (read_tables(peer))
            spent = write_all(peer, to, batches);
        mdb_txn_abort(peer->reading);
    }
    mdb_env_close(peer->from);
    for (size_t i = 0; i < peer->table_count; i++)
        free(peer->tables[i].rows);
    free(peer);
    return spent;
}
