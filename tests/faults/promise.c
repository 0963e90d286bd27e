/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/promise.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/invite.h"
#include "store/file.h"
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

static void mark(int log, const char *line)
{
    struct event event = {.kind = EVENT_MARK, .len = strlen(line)};
    const struct iovec parts[] = {
        {.iov_base = &event, .iov_len = sizeof event},
        {.iov_base = (void *)(uintptr_t)line, .iov_len = event.len},
    };

    if (log >= 0 && writev(log, parts, 2) != (ssize_t)(sizeof event + event.len))
        fail("a mark could not be written", line);
}

static void mark_chain(int log, const uint8_t circle[static ID_BYTES], uint32_t device, uint64_t n,
                       const uint8_t head[static HASH_BYTES])
{
    char circle_text[HEX_TEXT];
    char head_text[HEX_TEXT];
    char line[LINE_ROOM];

    (void)sodium_bin2hex(circle_text, sizeof circle_text, circle, ID_BYTES);
    (void)sodium_bin2hex(head_text, sizeof head_text, head, HASH_BYTES);
    (void)snprintf(line, sizeof line, "chain %s %" PRIu32 " %" PRIu64 " %s", circle_text, device, n,
                   head_text);
    if (n > 0)
        mark(log, line);
}

static void mark_circle(struct store_txn *txn, uint32_t number, uint32_t own, int laptop, int hub)
{
    static const uint8_t unknown[HASH_BYTES];
    struct circle_row row;
    struct receipt_row receipt;
    uint32_t count;

    device_circle_get(txn, number, &row);
    const struct chain_row *chains = device_chains(txn, number, &count);
    for (uint32_t i = 0; i < count; i++)
        mark_chain(laptop, row.circle.id, chains[i].device, chains[i].received,
                   chains[i].number == CHAIN_OWN ? unknown : chains[i].head);
    if (device_receipt_get(txn, number, &receipt))
        mark_chain(hub, row.circle.id, own, receipt.n, receipt.head);
    circle_clear(&row.circle);
    store_forget(txn);
}

static void mark_home(const char *home, int laptop)
{
    uint8_t hash[HASH_BYTES];
    char hash_text[HEX_TEXT];
    char line[LINE_ROOM];

    if (!vault_hash(home, hash))
        fail("no vault", home);
    (void)sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    (void)snprintf(line, sizeof line, "vault %s", hash_text);
    mark(laptop, line);
    mark(laptop, "ready");
}

static int log_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return -1;
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        fail("cannot be opened", path);
    return log;
}

void promises_write(const char *home, const uint8_t key[static KEY_BYTES], const char *laptop_log,
                    const char *hub_log)
{
    struct replica *replica;
    const struct replica_options options = {.folder = home, .key = key};
    int laptop = log_open(laptop_log);
    int hub = log_open(hub_log);
    char line[LINE_ROOM];

    if (replica_open(&replica, &options))
        fail("cannot be opened", home);
    (void)snprintf(line, sizeof line, "roster %" PRIu32, replica_roster(replica)->count);
    mark(laptop, line);
    mark(hub, line);
    struct store_txn txn = store_begin(replica_store(replica), STORE_READ);
    uint32_t count = replica_circles(&txn);
    for (uint32_t number = 1; number <= count; number++)
        mark_circle(&txn, number, replica_identity(replica)->device, laptop, hub);
    if (store_commit(&txn))
        fail("cannot be read", home);
    mark_home(home, laptop);
    replica_close(&replica);
    (void)close(laptop);
    (void)close(hub);
}
