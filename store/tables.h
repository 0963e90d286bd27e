/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every table of both stores: name, whether its values are sealed, what its key is, what its value
 * is.
 *
 * Numbers in keys are big-endian and of fixed width, so that LMDB's order is theirs. Names and ids
 * that would tell a thief something never stand in a key: a key has numbers that this store gave
 * out, or a blind (keyed hash, 16 bytes). PLAIN values hold nothing but such numbers, and a mark
 * (keyed hash) that fits this table, key and value only. A table's keys are built and taken apart
 * in one file, named last.
 */
#ifndef KITH_STORE_TABLES_H
#define KITH_STORE_TABLES_H

/* X(NAME, sealing, key, value, file) */
#define HUB_TABLES(X)                                                                              \
    X(HUB_META, SEALED, "name", "value", "hub_rows.c")                                             \
    X(HUB_ROSTER, SEALED, "seq u32", "entry", "hub_rows.c")                                        \
    X(HUB_PSK, SEALED, "device u32", "invitation's psk, attempts", "hub_rows.c")                   \
    X(HUB_WRITTEN, SEALED, "device u32", "how many changes of it are in the log", "hub_rows.c")    \
    X(HUB_CIRCLE_NUMBER, PLAIN, "blind of circle id", "circle number u32", "hub_rows.c")           \
    X(HUB_CIRCLE, SEALED, "circle number u32", "id and state of the access chain", "hub_rows.c")   \
    X(HUB_ENTRY, SEALED, "circle number u32, entry seq u32", "entry", "hub_rows.c")                \
    X(HUB_BOX, SEALED, "circle number u32, epoch u32, device u32", "sealed epoch key",             \
      "hub_rows.c")                                                                                \
    X(HUB_GRANT, PLAIN, "device u32, circle number u32", "sequence u64 of the grant",              \
      "hub_rows.c")                                                                                \
    X(HUB_LAST, PLAIN, "circle number u32", "sequence u64 of the circle's newest item",            \
      "hub_rows.c")                                                                                \
    X(HUB_CHAIN, SEALED, "circle number u32, device u32", "newest n, its id", "hub_rows.c")        \
    X(HUB_CHAIN_LOG, PLAIN, "circle number u32, device u32, n u64", "sequence u64", "hub_rows.c")  \
    X(HUB_LOG, SEALED, "sequence u64", "a change or a reference to an entry", "hub_rows.c")        \
    X(HUB_CIRCLE_LOG, PLAIN, "circle number u32, sequence u64",                                    \
      "device u32 that wrote the change; nothing of other items", "hub_rows.c")                    \
    X(HUB_URGENT, PLAIN, "sequence u64 of an urgent change", "circle number u64", "hub_rows.c")    \
    X(HUB_HELD, SEALED, "circle number u32, device u32, n u64", "where it lies, id, when, state",  \
      "hub_held_rows.c")                                                                           \
    X(HUB_HELD_SUM, SEALED, "device u32", "how many are held of it, their bytes",                  \
      "hub_held_rows.c")                                                                           \
    X(HUB_REMOVAL, PLAIN, "device u32, index u32",                                                 \
      "circle number u32, sequence of the grant and of the removal u64", "hub_held_rows.c")        \
    X(HUB_AUDIT, SEALED, "seq u64; 0 for the end", "hash, entry; where the log ends", "audit.c")

#define DEVICE_TABLES(X)                                                                           \
    X(DEVICE_META, SEALED, "name", "value", "device_rows.c")                                       \
    X(DEVICE_ROSTER, SEALED, "seq u32", "entry", "device_rows.c")                                  \
    X(DEVICE_CIRCLE_NUMBER, PLAIN, "blind of circle id", "circle number u32", "device_rows.c")     \
    X(DEVICE_CIRCLE, SEALED, "circle number u32", "state of the access chain, what was sent",      \
      "device_rows.c")                                                                             \
    X(DEVICE_ENTRY, SEALED, "circle number u32, entry seq u32", "entry", "device_rows.c")          \
    X(DEVICE_KEY, SEALED, "circle number u32, epoch u32", "epoch key", "device_rows.c")            \
    X(DEVICE_CHAIN, SEALED, "circle number u32, chain number u32", "device, heads",                \
      "device_rows.c")                                                                             \
    X(DEVICE_LOG, SEALED, "circle number u32, chain number u32, n u64", "change", "device_rows.c") \
    X(DEVICE_FAULT, SEALED, "circle number u32, chain number u32, n u64", "reason",                \
      "device_rows.c")                                                                             \
    X(DEVICE_RECEIPT, SEALED, "circle number u32", "newest receipt for the own chain",             \
      "device_rows.c")                                                                             \
    X(DEVICE_REFUSED, SEALED, "circle number u32, kind u16, n u64", "reason", "device_rows.c")     \
    X(DEVICE_INTENT, SEALED, "number u64", "a wish to be written at the next contact",             \
      "device_rows.c")                                                                             \
    X(DEVICE_KEPT, SEALED, "circle number u32", "through what the hub holds the own chain",        \
      "device_held_rows.c")                                                                        \
    X(DEVICE_HELD, SEALED, "circle number u32, device u32, n u64",                                 \
      "a change that waits for a decision", "device_held_rows.c")                                  \
    X(DEVICE_ALARM, SEALED, "kind u16, circle number u32, device u32",                             \
      "n, reason, when first and last, how often, whether it is over", "alarms.c")                 \
    X(DEVICE_PROOF, SEALED, "circle number u32, device u32, n u64",                                \
      "the second change that it signed with that n: id, signature, class, epoch, sealed text",    \
      "alarms.c")                                                                                  \
    X(DEVICE_EVIDENCE, SEALED, "kind u16, circle number u32, device u32",                          \
      "n and head that others named and that is not here", "alarms.c")                             \
    X(DEVICE_RECORD_NUMBER, PLAIN, "blind of circle and record id", "record number u32",           \
      "device_rows.c")                                                                             \
    X(DEVICE_RECORD, SEALED, "circle number u32, type u16, record number u32", "merged record",    \
      "device_rows.c")                                                                             \
    X(DEVICE_TOUCH, PLAIN, "record number u32, chain number u32, n u64", "nothing",                \
      "device_rows.c")                                                                             \
    X(DEVICE_ACCESS, SEALED, "seq u64; 0 for the end", "hash, entry; where the log ends", "audit.c")

enum store_table {
#define STORE_TABLE(name, sealing, key, value, file) TABLE_##name,
    HUB_TABLES(STORE_TABLE) DEVICE_TABLES(STORE_TABLE)
#undef STORE_TABLE
        TABLE_COUNT
};

#endif
