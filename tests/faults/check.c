/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/check.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keys.h"
#include "store/audit.h"
#include "store/file.h"
#include "store/hub_held_rows.h"
#include "store/ledger_internal.h"
#include "store/pages.h"
#include "store/replica.h"
#include "store/verify.h"

__attribute__((format(printf, 2, 3))) static bool found(char finding[FINDING_TEXT],
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(finding, FINDING_TEXT, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_sound(enum kith_err err, const struct verify_report *report,
                     char finding[FINDING_TEXT])
{
    if (err)
        return found(finding, "could not be verified: %s", error_name(err));
    if (report->fault_count)
        return found(finding, "%" PRIu64 " faults, the first in %s %.80s: %s", report->fault_count,
                     report->faults[0].what, report->faults[0].where,
                     error_name(report->faults[0].reason));
    return true;
}

/* Its trees and its free pages: what the next writer builds on. */
static bool pages_are_good(struct store *store, char finding[FINDING_TEXT])
{
    struct pages pages = {0};
    enum kith_err err;

    do {
        struct store_txn txn = store_begin(store, STORE_READ);
        err = store_check_pages(&txn, &pages);
        store_abort(&txn);
    } while (err == KITH_RETRY);
    return !err || found(finding, "after a write page %" PRIu64 " is not good: %s", pages.fault,
                         error_name(err));
}

static bool hub_holds(struct store_txn *txn, const struct promised_chain *chain,
                      char finding[FINDING_TEXT])
{
    uint32_t circle = hub_circle_number(txn, chain->circle);
    uint8_t id[HASH_BYTES];

    if (!circle)
        return found(finding, "LOST a circle");
    if (!hub_known_id(txn, circle, chain->device, chain->n, id))
        return found(finding, "LOST change %" PRIu64 " of device %" PRIu32 " in circle %" PRIu32,
                     chain->n, chain->device, circle);
    if (memcmp(id, chain->head, HASH_BYTES) != 0)
        return found(finding, "ANOTHER change %" PRIu64 " of device %" PRIu32, chain->n,
                     chain->device);
    return true;
}

static bool hub_keeps(struct ledger *ledger, const struct promises *promises,
                      char finding[FINDING_TEXT])
{
    struct store_txn txn = store_begin(ledger->store, STORE_READ);
    bool is_good = true;

    for (size_t i = 0; is_good && i < promises->chain_count; i++)
        is_good = hub_holds(&txn, &promises->chains[i], finding);
    if (is_good && ledger->roster.count < promises->roster)
        is_good = found(finding, "LOST the end of the roster");
    enum kith_err err = store_commit(&txn);
    return is_good && (!err || found(finding, "cannot be read: %s", error_name(err)));
}

static bool hub_goes_on(struct ledger *ledger, char finding[FINDING_TEXT])
{
    const struct audit_entry entry = {.kind = AUDIT_HUB, .what = AUDIT_STARTED, .time_ms = 1};
    enum kith_err err = ledger_note(ledger, &entry);

    if (!err)
        err = ledger_flush(ledger, 2, true);
    if (err)
        return found(finding, "cannot be written to: %s", error_name(err));
    return pages_are_good(ledger->store, finding);
}

/* What `kithd init` does about a folder in which it was interrupted: it goes on with the keys that
 * are there, and makes the ledger unless there is one. */
static enum kith_err hub_make(const char *folder, struct ledger_keys *keys,
                              enum kith_err keys_found)
{
    static const uint8_t founding_psk[KEY_BYTES];

    if (keys_found == KITH_NOT_FOUND && !file_is_there(folder, "data.mdb")) {
        keys_make(keys);
        keys_found = keys_write(folder, keys);
    }
    return keys_found ? keys_found : ledger_create(folder, keys, founding_psk);
}

static enum kith_err hub_open(const char *folder, bool may_make, struct ledger **ledger)
{
    struct ledger_keys keys;
    const struct ledger_options options = {.folder = folder, .keys = &keys, .is_exclusive = true};
    enum kith_err keys_found = keys_read(folder, &keys);
    enum kith_err err = keys_found ? keys_found : ledger_open(ledger, &options);

    if (err == KITH_NOT_FOUND && may_make) {
        err = hub_make(folder, &keys, keys_found);
        if (!err)
            err = ledger_open(ledger, &options);
    }
    return err;
}

bool check_hub(const char *folder, const struct promises *promises, char finding[FINDING_TEXT])
{
    struct verify_report report;
    struct ledger *ledger = NULL;
    enum kith_err err = hub_open(folder, !promises->is_ready, &ledger);

    if (err)
        return found(finding, "cannot be opened: %s", error_name(err));
    err = ledger_check(ledger, NULL, &report);
    bool is_good = is_sound(err, &report, finding) && hub_keeps(ledger, promises, finding) &&
                   hub_goes_on(ledger, finding);
    ledger_close(&ledger);
    return is_good;
}

/* The chains of a circle on a device, and what the hub has signed for. */
struct kept {
    uint64_t unsent;
    const struct chain_row *chains;
    uint32_t count;
};

/* A receipt never runs ahead of what is here, and what it names is here as it was sent. */
static bool receipt_fits(struct store_txn *txn, uint32_t circle, struct kept *kept,
                         char finding[FINDING_TEXT])
{
    struct chain_row own = device_chain_own(txn, circle);
    struct receipt_row receipt = {.n = 0};
    struct log_row row;

    (void)device_receipt_get(txn, circle, &receipt);
    if (receipt.n > own.received)
        return found(finding, "the hub has change %" PRIu64 " and this device %" PRIu64 " only",
                     receipt.n, own.received);
    kept->unsent += own.received - receipt.n;
    if (receipt.n == 0)
        return true;
    if (!device_log_get(txn, circle, CHAIN_OWN, receipt.n, &row) ||
        memcmp(row.id, receipt.head, HASH_BYTES) != 0)
        return found(finding, "change %" PRIu64 " is not the one that the hub has", receipt.n);
    return true;
}

static const struct chain_row *chain_of(const struct kept *kept, uint32_t device)
{
    for (uint32_t i = 0; i < kept->count; i++)
        if (kept->chains[i].device == device)
            return &kept->chains[i];
    return NULL;
}

static bool device_holds(struct store_txn *txn, const struct promised_chain *chain,
                         char finding[FINDING_TEXT])
{
    uint32_t circle = device_circle_number(txn, chain->circle);
    struct kept kept = {.unsent = 0};
    struct log_row row;

    if (!circle)
        return found(finding, "LOST a circle");
    kept.chains = device_chains(txn, circle, &kept.count);
    const struct chain_row *here = chain_of(&kept, chain->device);
    if (!here || here->received < chain->n ||
        !device_log_get(txn, circle, here->number, chain->n, &row))
        return found(finding, "LOST change %" PRIu64 " of device %" PRIu32 " in circle %" PRIu32,
                     chain->n, chain->device, circle);
    if (!sodium_is_zero(chain->head, HASH_BYTES) && memcmp(row.id, chain->head, HASH_BYTES) != 0)
        return found(finding, "ANOTHER change %" PRIu64 " of device %" PRIu32, chain->n,
                     chain->device);
    return true;
}

static bool device_shows(struct store_txn *txn, const struct promised_record *record,
                         char finding[FINDING_TEXT])
{
    struct found_record there;
    enum kith_err err = replica_find(txn, record->type, record->id, 8 * ID_BYTES, &there);

    return !err ||
           found(finding, "LOST record %02x%02x%02x%02x of type %" PRIu32 ": %s", record->id[0],
                 record->id[1], record->id[2], record->id[3], record->type, error_name(err));
}

static bool device_keeps(struct replica *replica, const struct promises *promises,
                         struct kept *kept, char finding[FINDING_TEXT])
{
    struct store_txn txn = store_begin(replica_store(replica), STORE_READ);
    uint32_t count = replica_circles(&txn);
    bool is_good = true;

    for (uint32_t number = 1; is_good && number <= count; number++)
        is_good = receipt_fits(&txn, number, kept, finding);
    for (size_t i = 0; is_good && i < promises->chain_count; i++)
        is_good = device_holds(&txn, &promises->chains[i], finding);
    for (size_t i = 0; is_good && i < promises->record_count; i++)
        is_good = device_shows(&txn, &promises->records[i], finding);
    if (is_good && replica_roster(replica)->count < promises->roster)
        is_good = found(finding, "LOST the end of the roster");
    enum kith_err err = store_commit(&txn);
    return is_good && (!err || found(finding, "cannot be read: %s", error_name(err)));
}

static bool outbox_fits(struct replica *replica, const struct kept *kept,
                        char finding[FINDING_TEXT])
{
    struct replica_counts counts;
    enum kith_err err = replica_counts(replica, &counts);

    if (err)
        return found(finding, "cannot be counted: %s", error_name(err));
    return counts.unsent == kept->unsent ||
           found(finding, "%" PRIu64 " changes wait to be sent and not %" PRIu64, counts.unsent,
                 kept->unsent);
}

static bool device_goes_on(struct replica *replica, char finding[FINDING_TEXT])
{
    const struct identity same = *replica_identity(replica);
    enum kith_err err = replica_set_identity(replica, &same);

    if (err)
        return found(finding, "cannot be written to: %s", error_name(err));
    return pages_are_good(replica_store(replica), finding);
}

static bool vault_is_there(const char *folder, const struct promises *promises,
                           char finding[FINDING_TEXT])
{
    uint8_t hash[HASH_BYTES];

    return !promises->has_vault ||
           (vault_hash(folder, hash) && memcmp(hash, promises->vault, HASH_BYTES) == 0) ||
           found(finding, "LOST the vault");
}

bool check_laptop(const char *folder, const uint8_t key[static KEY_BYTES],
                  const struct promises *promises, char finding[FINDING_TEXT])
{
    struct verify_report report;
    struct replica *replica;
    struct kept kept = {.unsent = 0};
    struct replica_options options = {.folder = folder, .key = key};
    enum kith_err err = replica_open(&replica, &options);

    /* What joining does about a home whose making was interrupted. */
    if (err == KITH_NOT_FOUND && !promises->is_ready) {
        options.is_new = true;
        err = replica_open(&replica, &options);
    }
    if (err)
        return found(finding, "cannot be opened: %s", error_name(err));
    err = replica_check(replica, &report);
    bool is_good = is_sound(err, &report, finding) && vault_is_there(folder, promises, finding) &&
                   device_keeps(replica, promises, &kept, finding) &&
                   outbox_fits(replica, &kept, finding) && device_goes_on(replica, finding);
    replica_close(&replica);
    return is_good;
}
