/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. Key 0 has where the log ends; entries have the keys 1, 2, 3, ...
 * 2. A row is the hash through the entry, then the entry as it was hashed.
 */
#include "store/audit.h"

#include <string.h>

#include "protocol/channel.h"
#include "protocol/circle.h"
#include "protocol/roster.h"
#include "protocol/seal.h"
#include "protocol/wire.h"

#define ENTRY_ITEMS     8
#define ENTRY_BYTES_MAX (256 + 4 * AUDIT_DEVICES_MAX)
#define END_BYTES       (8 + HASH_BYTES + 8 + 8)
#define DAY_MS          (24u * 3600 * 1000)

static const struct {
    enum audit_kind kind;
    const char *name;
    struct audit_names names;
} kinds[] = {
#define KIND_ROW(NAME, number, name, what, first, second) {(number), name, {what, first, second}},
    AUDIT_KINDS(KIND_ROW)
#undef KIND_ROW
};

const char *audit_kind_name(enum audit_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "unknown";
}

struct audit_names audit_names(enum audit_kind kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == kind)
            return kinds[i].names;
    return (struct audit_names){"", "", ""};
}

const char *audit_word(enum audit_kind kind, uint64_t what)
{
    static const struct {
        enum audit_kind kind;
        uint64_t what;
        const char *word;
    } words[] = {
        {AUDIT_HUB, AUDIT_STARTED, "started"},
        {AUDIT_HUB, AUDIT_STOPPED, "stopped"},
        {AUDIT_SESSION, CHANNEL_SYNC, "sync"},
        {AUDIT_SESSION, CHANNEL_JOIN, "join"},
        {AUDIT_SESSION, CHANNEL_FOUND, "found"},
        {AUDIT_ROSTER, ROSTER_FOUND, "found"},
        {AUDIT_ROSTER, ROSTER_INVITE, "invite"},
        {AUDIT_ROSTER, ROSTER_ENROL, "enrol"},
        {AUDIT_ROSTER, ROSTER_ROLE, "role"},
        {AUDIT_ROSTER, ROSTER_END, "end"},
        {AUDIT_ROSTER, ROSTER_RENEW, "renew"},
        {AUDIT_CIRCLE, CIRCLE_GENESIS, "genesis"},
        {AUDIT_CIRCLE, CIRCLE_GRANT, "grant"},
        {AUDIT_CIRCLE, CIRCLE_ROTATE, "rotate"},
        {AUDIT_CIRCLE, CIRCLE_ADMIT, "admit"},
        {AUDIT_CIRCLE, CIRCLE_REJECT, "reject"},
        {AUDIT_CIRCLE, CIRCLE_LACK, "lack"},
        {AUDIT_EXPORTED, AUDIT_BILLING, "billing"},
        {AUDIT_EXPORTED, AUDIT_FHIR, "fhir"},
        {AUDIT_EXPORTED, AUDIT_CHART, "chart"},
        {AUDIT_EXPORTED, AUDIT_REPORT, "report"},
        {AUDIT_LISTED, 0, "search"},
        {AUDIT_BUNDLE, AUDIT_BUNDLE_READ, "read"},
        {AUDIT_BUNDLE, AUDIT_BUNDLE_ANSWERED, "answered"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].kind == kind && words[i].what == what)
            return words[i].word;
    return NULL;
}

static void link_hash(const uint8_t before[static HASH_BYTES], struct bytes entry,
                      uint8_t head[static HASH_BYTES])
{
    const struct bytes parts[] = {bytes_of(before, HASH_BYTES), entry};

    seal_hash(SEAL_AUDIT_ENTRY, parts, 2, head);
}

/* What a checkpoint signs: how many entries there are before it, and their hash. */
static void checkpoint_hash(uint64_t count, const uint8_t head[static HASH_BYTES],
                            uint8_t hash[static HASH_BYTES])
{
    uint8_t number[8] = {0};
    const struct bytes parts[] = {bytes_of(number, sizeof number), bytes_of(head, HASH_BYTES)};

    put_u64(number, count);
    seal_hash(SEAL_AUDIT_HEAD, parts, 2, hash);
}

struct audit audit_begin(struct store_txn *txn, enum store_table table)
{
    struct audit audit = {.txn = txn, .table = table};
    struct key key = key_of_u64(0);
    struct bytes end;

    if (!store_get(txn, table, key_bytes(&key), &end))
        return audit;
    if (end.len != END_BYTES) {
        store_fail(txn, KITH_DAMAGED);
        return audit;
    }
    audit.seq = get_u64(end.ptr);
    memcpy(audit.head, end.ptr + 8, HASH_BYTES);
    audit.signed_seq = get_u64(end.ptr + 8 + HASH_BYTES);
    audit.signed_ms = get_u64(end.ptr + 16 + HASH_BYTES);
    return audit;
}

void audit_end(struct audit *audit)
{
    struct key key = key_of_u64(0);
    uint8_t end[END_BYTES];

    if (!audit->is_changed)
        return;
    put_u64(end, audit->seq);
    memcpy(end + 8, audit->head, HASH_BYTES);
    put_u64(end + 8 + HASH_BYTES, audit->signed_seq);
    put_u64(end + 16 + HASH_BYTES, audit->signed_ms);
    store_put(audit->txn, audit->table, key_bytes(&key), bytes_of(end, sizeof end));
    audit->is_changed = false;
}

/* `more`: the signature of a checkpoint, or to which devices something was delivered. */
static void entry_add(struct audit *audit, const struct audit_entry *entry, struct bytes more)
{
    struct key key = key_of_u64(audit->seq + 1);
    static const uint8_t no_hash[HASH_BYTES];
    struct buffer row;

    buffer_init(&row, HASH_BYTES + ENTRY_BYTES_MAX);
    buffer_add(&row, no_hash, HASH_BYTES);
    wire_put_array(&row, ENTRY_ITEMS);
    wire_put_uint(&row, entry->kind);
    wire_put_uint(&row, entry->time_ms);
    wire_put_uint(&row, entry->device);
    wire_put_bin(&row, bytes_of(entry->subject, entry->has_subject ? ID_BYTES : 0));
    wire_put_uint(&row, entry->what);
    wire_put_uint(&row, entry->first);
    wire_put_uint(&row, entry->second);
    wire_put_bin(&row, more);
    if (row.err) {
        store_fail(audit->txn, row.err);
    } else {
        link_hash(audit->head, bytes_after(buffer_view(&row), HASH_BYTES), audit->head);
        memcpy(row.ptr, audit->head, HASH_BYTES);
        store_append(audit->txn, audit->table, key_bytes(&key), buffer_view(&row));
        audit->seq++;
        audit->is_changed = true;
    }
    buffer_clear(&row);
}

void audit_add(struct audit *audit, const struct audit_entry *entry)
{
    entry_add(audit, entry, entry->devices);
}

bool audit_is_due(const struct audit *audit, uint64_t now_ms)
{
    bool is_old = now_ms > audit->signed_ms && now_ms - audit->signed_ms > DAY_MS;

    return audit->seq > audit->signed_seq &&
           (is_old || audit->seq - audit->signed_seq >= AUDIT_UNSIGNED_MAX);
}

void audit_sign(struct audit *audit, uint64_t now_ms,
                const uint8_t sign_secret[static SIGN_KEY_BYTES])
{
    const struct audit_entry entry = {.kind = AUDIT_CHECKPOINT, .time_ms = now_ms};
    uint8_t hash[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];

    if (audit->seq == audit->signed_seq)
        return;
    checkpoint_hash(audit->seq, audit->head, hash);
    seal_sign(SEAL_AUDIT_SIGN, sign_secret, hash, signature);
    entry_add(audit, &entry, bytes_of(signature, sizeof signature));
    audit->signed_seq = audit->seq;
    audit->signed_ms = now_ms;
}

struct audit_walk audit_walk_begin(struct store_txn *txn, enum store_table table,
                                   const uint8_t *sign_public)
{
    struct audit end = audit_begin(txn, table);
    struct key first = key_of_u64(1);
    struct audit_walk walk = {.walk =
                                  store_walk_begin(txn, table, bytes_of("", 0), key_bytes(&first)),
                              .last_seq = end.seq,
                              .sign_public = sign_public};

    memcpy(walk.last_head, end.head, HASH_BYTES);
    return walk;
}

static enum kith_err entry_read(struct audit_entry *entry, struct bytes row)
{
    struct wire_in in = wire_open(bytes_after(row, HASH_BYTES));

    *entry = (struct audit_entry){.seq = 0};
    wire_array_exact(&in, ENTRY_ITEMS);
    entry->kind = (enum audit_kind)wire_uint(&in, UINT16_MAX);
    entry->time_ms = wire_uint(&in, UINT64_MAX);
    entry->device = (uint32_t)wire_uint(&in, UINT32_MAX);
    struct bytes subject = wire_bin(&in, ID_BYTES);
    entry->what = wire_uint(&in, UINT64_MAX);
    entry->first = wire_uint(&in, UINT64_MAX);
    entry->second = wire_uint(&in, UINT64_MAX);
    struct bytes more = wire_bin(&in, 4 * AUDIT_DEVICES_MAX);
    bool is_checkpoint = entry->kind == AUDIT_CHECKPOINT;
    entry->has_subject = subject.len == ID_BYTES;
    if (entry->has_subject)
        memcpy(entry->subject, subject.ptr, ID_BYTES);
    if (is_checkpoint)
        entry->signature = more.ptr;
    else
        entry->devices = more;
    bool is_list = more.len == 0 || (entry->kind == AUDIT_DELIVERED && more.len % 4 == 0);
    bool is_whole = (subject.len == 0 || entry->has_subject) &&
                    (is_checkpoint ? more.len == SIGNATURE_BYTES : is_list);
    enum kith_err err = wire_close(&in);
    return !err && !is_whole ? KITH_DAMAGED : err;
}

static bool is_checkpoint_good(const struct audit_walk *walk, const struct audit_entry *entry)
{
    uint8_t hash[HASH_BYTES];

    if (!entry->signature || !walk->sign_public)
        return true;
    checkpoint_hash(walk->seq, walk->head, hash);
    return seal_verify(SEAL_AUDIT_SIGN, walk->sign_public, hash, entry->signature) == KITH_OK;
}

/* The next entry, if it follows. */
static bool entry_follows(struct audit_walk *walk, struct audit_entry *entry)
{
    struct bytes key = walk->walk.key;
    struct bytes row = store_walk_value(&walk->walk);
    uint8_t head[HASH_BYTES];

    if (key.len != 8 || get_u64(key.ptr) != walk->seq + 1 || row.len <= HASH_BYTES)
        return false;
    link_hash(walk->head, bytes_after(row, HASH_BYTES), head);
    if (!seal_equal(head, row.ptr, HASH_BYTES) || entry_read(entry, row) ||
        !is_checkpoint_good(walk, entry))
        return false;
    memcpy(entry->before, walk->head, HASH_BYTES);
    memcpy(walk->head, head, HASH_BYTES);
    memcpy(entry->head, head, HASH_BYTES);
    entry->seq = ++walk->seq;
    walk->checkpoints += entry->signature != NULL;
    return true;
}

bool audit_walk_next(struct audit_walk *walk, struct audit_entry *entry)
{
    struct store_txn *txn = walk->walk.txn;

    if (store_walk_next(&walk->walk)) {
        if (entry_follows(walk, entry))
            return true;
        store_fail(txn, KITH_DAMAGED);
    } else if (!txn->err && (walk->seq != walk->last_seq ||
                             !seal_equal(walk->head, walk->last_head, HASH_BYTES)))
        store_fail(txn, KITH_DAMAGED);
    return false;
}

void audit_walk_end(struct audit_walk *walk)
{
    store_walk_end(&walk->walk);
}
