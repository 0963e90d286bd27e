/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/promise.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "protocol/invite.h"
#include "store/file.h"
#include "store/hub_rows.h"
#include "store/ledger_internal.h"
#include "store/replica.h"
#include "tests/faults/event.h"

#define LINE_ROOM 256
#define HEX_TEXT  (2 * HASH_BYTES + 1)

static void fail(const char *what, const char *which)
{
    (void)fprintf(stderr, "%s: %s\n", what, which);
    exit(2);
}

static void *one_more(void *list, size_t count, size_t item_bytes)
{
    void *larger = realloc(list, (count + 1) * item_bytes);

    if (!larger)
        fail("no memory", "for marks");
    return larger;
}

static bool hex_read(const char *text, uint8_t *to, size_t len)
{
    size_t got;

    return sodium_hex2bin(to, len, text, strlen(text), NULL, &got, NULL) == 0 && got == len;
}

static void add_chain(struct promises *promises, const struct promised_chain *chain)
{
    for (size_t i = 0; i < promises->chain_count; i++) {
        struct promised_chain *known = &promises->chains[i];
        if (known->device != chain->device || memcmp(known->circle, chain->circle, ID_BYTES) != 0)
            continue;
        if (chain->n >= known->n)
            *known = *chain;
        return;
    }
    promises->chains = one_more(promises->chains, promises->chain_count, sizeof *promises->chains);
    promises->chains[promises->chain_count++] = *chain;
}

static bool read_chain(struct promises *promises, const char *line)
{
    struct promised_chain chain;
    char circle[HEX_TEXT];
    char head[HEX_TEXT];

    if (sscanf(line, "chain %64s %" SCNu32 " %" SCNu64 " %64s", circle, &chain.device, &chain.n,
               head) != 4 ||
        !hex_read(circle, chain.circle, ID_BYTES) || !hex_read(head, chain.head, HASH_BYTES))
        return false;
    add_chain(promises, &chain);
    return true;
}

static bool read_record(struct promises *promises, const char *line)
{
    struct promised_record record;
    char id[HEX_TEXT];
    unsigned bits;

    if (sscanf(line, "record %" SCNu32 " %64s", &record.type, id) != 2 ||
        id_read_prefix(id, record.id, &bits) || bits != 8 * ID_BYTES)
        return false;
    promises->records =
        one_more(promises->records, promises->record_count, sizeof *promises->records);
    promises->records[promises->record_count++] = record;
    return true;
}

static bool read_vault(struct promises *promises, const char *line)
{
    char hash[HEX_TEXT];

    promises->has_vault =
        sscanf(line, "vault %64s", hash) == 1 && hex_read(hash, promises->vault, HASH_BYTES);
    return promises->has_vault;
}

void promises_add(struct promises *promises, struct bytes line)
{
    char text[LINE_ROOM];
    bool is_known;

    if (line.len >= sizeof text)
        fail("a mark is too long", "");
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    if (strcmp(text, "ready") == 0)
        is_known = promises->is_ready = true;
    else if (strncmp(text, "roster ", 7) == 0)
        is_known = sscanf(text, "roster %" SCNu32, &promises->roster) == 1;
    else
        is_known =
            read_chain(promises, text) || read_record(promises, text) || read_vault(promises, text);
    if (!is_known)
        fail("a mark that nobody knows", text);
}

void promises_clear(struct promises *promises)
{
    free(promises->chains);
    free(promises->records);
    memset(promises, 0, sizeof *promises);
}

bool vault_hash(const char *home, uint8_t hash[static HASH_BYTES])
{
    struct buffer content;
    enum kith_err err = file_read(home, "vault", 4096, &content);

    if (!err)
        (void)crypto_generichash(hash, HASH_BYTES, content.ptr, content.len, NULL, 0);
    buffer_clear(&content);
    return !err;
}

uint64_t promise_now(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

/* Where marks go, and of when they are. */
struct marks {
    int log; /* -1: nowhere */
    uint64_t when;
};

static struct marks marks_open(const char *path, uint64_t when)
{
    struct marks marks = {.log = -1, .when = when};

    if (strcmp(path, "-") == 0)
        return marks;
    marks.log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (marks.log < 0)
        fail("cannot be opened", path);
    return marks;
}

static void mark(const struct marks *marks, const char *line)
{
    struct event event = {.kind = EVENT_MARK, .len = strlen(line), .when = marks->when};
    const struct iovec parts[] = {
        {.iov_base = &event, .iov_len = sizeof event},
        {.iov_base = (void *)(uintptr_t)line, .iov_len = event.len},
    };

    if (marks->log >= 0 && writev(marks->log, parts, 2) != (ssize_t)(sizeof event + event.len))
        fail("a mark could not be written", line);
}

static void mark_chain(const struct marks *marks, const struct promised_chain *chain)
{
    char circle[HEX_TEXT];
    char head[HEX_TEXT];
    char line[LINE_ROOM];

    (void)sodium_bin2hex(circle, sizeof circle, chain->circle, ID_BYTES);
    (void)sodium_bin2hex(head, sizeof head, chain->head, HASH_BYTES);
    (void)snprintf(line, sizeof line, "chain %s %" PRIu32 " %" PRIu64 " %s", circle, chain->device,
                   chain->n, head);
    if (chain->n > 0)
        mark(marks, line);
}

static void mark_received(const struct marks *marks, const uint8_t circle[static ID_BYTES],
                          const struct chain_row *row)
{
    struct promised_chain chain = {.device = row->device, .n = row->received};

    memcpy(chain.circle, circle, ID_BYTES);
    if (row->number != CHAIN_OWN)
        memcpy(chain.head, row->head, HASH_BYTES);
    mark_chain(marks, &chain);
}

static void mark_receipt(const struct marks *marks, const uint8_t circle[static ID_BYTES],
                         uint32_t own, const struct receipt_row *receipt)
{
    struct promised_chain chain = {.device = own, .n = receipt->n};

    memcpy(chain.circle, circle, ID_BYTES);
    memcpy(chain.head, receipt->head, HASH_BYTES);
    mark_chain(marks, &chain);
}

static void mark_circle(struct store_txn *txn, uint32_t number, uint32_t own,
                        const struct marks *laptop, const struct marks *hub)
{
    struct circle_row row;
    struct receipt_row receipt;
    uint32_t count;

    device_circle_get(txn, number, &row);
    const struct chain_row *chains = device_chains(txn, number, &count);
    for (uint32_t i = 0; i < count; i++)
        mark_received(laptop, row.circle.id, &chains[i]);
    if (device_receipt_get(txn, number, &receipt))
        mark_receipt(hub, row.circle.id, own, &receipt);
    circle_clear(&row.circle);
    store_forget(txn);
}

static void mark_home(const char *home, const struct marks *laptop)
{
    uint8_t hash[HASH_BYTES];
    char hash_text[HEX_TEXT];
    char line[LINE_ROOM];

    if (laptop->log < 0)
        return;
    if (!vault_hash(home, hash))
        fail("no vault", home);
    (void)sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    (void)snprintf(line, sizeof line, "vault %s", hash_text);
    mark(laptop, line);
    mark(laptop, "ready");
}

static struct replica *home_open(const char *home, const uint8_t key[static KEY_BYTES])
{
    struct replica *replica;
    const struct replica_options options = {.folder = home, .key = key};

    if (replica_open(&replica, &options))
        fail("cannot be opened", home);
    return replica;
}

uint32_t promise_device(const char *home, const uint8_t key[static KEY_BYTES])
{
    struct replica *replica = home_open(home, key);
    uint32_t device = replica_identity(replica)->device;

    replica_close(&replica);
    return device;
}

void promises_write(const char *home, const uint8_t key[static KEY_BYTES], uint64_t when,
                    const char *laptop_log, const char *hub_log)
{
    struct replica *replica = home_open(home, key);
    struct marks laptop = marks_open(laptop_log, when);
    struct marks hub = marks_open(hub_log, when);
    char line[LINE_ROOM];

    (void)snprintf(line, sizeof line, "roster %" PRIu32, replica_roster(replica)->count);
    mark(&laptop, line);
    mark(&hub, line);
    struct store_txn txn = store_begin(replica_store(replica), STORE_READ);
    uint32_t count = replica_circles(&txn);
    for (uint32_t number = 1; number <= count; number++)
        mark_circle(&txn, number, replica_identity(replica)->device, &laptop, &hub);
    if (store_commit(&txn))
        fail("cannot be read", home);
    mark_home(home, &laptop);
    replica_close(&replica);
    (void)close(laptop.log);
    (void)close(hub.log);
}

static void mark_hub_chain(const struct marks *laptop, struct store_txn *txn, uint32_t number,
                           uint32_t device)
{
    struct chain_head head = hub_chain_head(txn, number, device);
    struct promised_chain chain = {.device = device, .n = head.n};
    struct circle circle;

    hub_circle_get(txn, number, &circle);
    memcpy(chain.circle, circle.id, ID_BYTES);
    memcpy(chain.head, head.id, HASH_BYTES);
    mark_chain(laptop, &chain);
    circle_clear(&circle);
}

void promises_write_hub(const char *folder, uint32_t device, uint64_t when, const char *laptop_log)
{
    struct ledger_keys keys;
    struct ledger *ledger = NULL;
    const struct ledger_options options = {.folder = folder, .keys = &keys};

    if (keys_read(folder, &keys) || ledger_open(&ledger, &options))
        fail("cannot be opened", folder);
    struct marks laptop = marks_open(laptop_log, when);
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    uint64_t count = store_count(&txn, TABLE_HUB_CIRCLE);
    for (uint32_t number = 1; number <= count; number++)
        mark_hub_chain(&laptop, &txn, number, device);
    if (store_commit(&txn))
        fail("cannot be read", folder);
    ledger_close(&ledger);
    (void)close(laptop.log);
}
