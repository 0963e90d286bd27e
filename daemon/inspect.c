/* SPDX-License-Identifier: Apache-2.0 */
/* `kithd verify` and `kithd audit`: they read what the hub keeps, whether it runs or not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/commands.h"
#include "daemon/keys.h"
#include "protocol/invite.h"
#include "protocol/seal.h"
#include "store/audit.h"
#include "store/ledger.h"
#include "store/verify.h"

#define HASH_TEXT (2 * HASH_BYTES + 1)

static bool hex_read(const char *text, uint8_t *to, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++) {
        const char *digit = strchr(digits, text[i]);
        if (!digit)
            return false;
        to[i / 2] = (uint8_t)(i % 2 ? to[i / 2] << 4 | (digit - digits) : digit - digits);
    }
    return true;
}

static bool number_read(const char *text, uint64_t most, uint64_t *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number <= most;
}

/* SEQ:HASH, as `kithd audit` shows its last line. */
static bool known_read(const char *text, struct known_head *known)
{
    char number[24];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : sizeof number;

    if (len >= sizeof number)
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    return number_read(number, UINT64_MAX, &known->seq) &&
           hex_read(colon + 1, known->head, HASH_BYTES);
}

static enum kith_err open_ledger(const struct options *options, struct ledger **ledger)
{
    struct ledger_keys keys;
    const struct ledger_options open_options = {.folder = options->data, .keys = &keys};
    enum kith_err err = keys_read(options->data, &keys);

    if (!err)
        err = ledger_open(ledger, &open_options);
    seal_wipe(&keys, sizeof keys);
    return err;
}

static void show_faults(const struct verify_report *report, bool is_json)
{
    uint64_t listed =
        report->fault_count < VERIFY_FAULTS_MAX ? report->fault_count : VERIFY_FAULTS_MAX;

    if (is_json)
        (void)printf("{\"ok\": %s, \"checked\": %" PRIu64 ", \"faults\": [",
                     report->fault_count ? "false" : "true", report->checked);
    for (uint64_t i = 0; i < listed; i++) {
        const struct verify_fault *fault = &report->faults[i];
        if (is_json)
            (void)printf("%s{\"table\": \"%s\", \"where\": \"%s\", \"reason\": \"%s\"}",
                         i ? ", " : "", fault->what, fault->where, error_name(fault->reason));
        else
            (void)printf("%s %s: %s\n", fault->what, fault->where, error_text(fault->reason));
    }
    if (is_json)
        (void)printf("], \"fault_count\": %" PRIu64 "}\n", report->fault_count);
    else if (report->fault_count)
        (void)printf("%" PRIu64 " faults; %" PRIu64 " pages, rows and links checked. Put back the "
                     "newest backup without a fault; devices give back what is newer.\n",
                     report->fault_count, report->checked);
    else
        (void)printf("No fault: %" PRIu64 " pages, rows and links checked.\n", report->checked);
}

/* What cannot even be opened is a fault like any other. */
static bool is_fault(enum kith_err err)
{
    return err == KITH_DAMAGED || err == KITH_SIGNATURE || err == KITH_MALFORMED ||
           err == KITH_STALE;
}

enum exit_code command_verify(const struct options *options)
{
    struct verify_report report = {.fault_count = 0};
    struct known_head known;
    struct ledger *ledger = NULL;

    if (options->known && !known_read(options->known, &known))
        return misused("--known takes SEQ:HASH, as 'kithd audit' shows its last line");
    enum kith_err err = open_ledger(options, &ledger);
    if (is_fault(err)) {
        report.fault_count = 1;
        report.faults[0] = (struct verify_fault){.what = "store", .where = "", .reason = err};
    } else if (err) {
        return refuse(options->data, err);
    } else {
        err = ledger_check(ledger, options->known ? &known : NULL, &report);
        ledger_close(&ledger);
        if (err)
            return refuse(options->data, err);
    }
    show_faults(&report, options->is_json);
    return report.fault_count ? EXIT_REFUSED : done();
}

/* Which entries are shown. */
struct filter {
    bool is_json;
    uint64_t device;
    uint64_t since_ms;
    unsigned circle_bits; /* 0: any */
    uint8_t circle[ID_BYTES];
    uint64_t shown;
    uint64_t last_seq;
    uint8_t last_head[HASH_BYTES];
};

static bool is_wanted(const struct filter *filter, const struct audit_entry *entry)
{
    return (!filter->device || entry->device == filter->device) &&
           entry->time_ms >= filter->since_ms &&
           (!filter->circle_bits ||
            (entry->has_subject &&
             id_has_prefix(entry->subject, filter->circle, filter->circle_bits)));
}

static void time_write(uint64_t time_ms, char text[static 32])
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;

    if (!gmtime_r(&seconds, &utc) || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        text[0] = '\0';
}

static void show_number(const struct filter *filter, const char *name, uint64_t value)
{
    if (*name)
        (void)printf(filter->is_json ? ", \"%s\": %" PRIu64 : " %s=%" PRIu64, name, value);
}

static void show_word(const struct filter *filter, const char *name, const char *value)
{
    if (*value)
        (void)printf(filter->is_json ? ", \"%s\": \"%s\"" : " %s=%s", name, value);
}

static void show_entry(const struct filter *filter, const struct audit_entry *entry)
{
    const struct audit_names names = audit_names(entry->kind);
    const char *word = audit_word(entry->kind, entry->what);
    char circle[ID_TEXT_CHARS + 1] = "";
    char head[HASH_TEXT];
    char when[32];

    time_write(entry->time_ms, when);
    if (entry->has_subject)
        id_write(entry->subject, circle);
    bytes_hex(bytes_of(entry->head, HASH_BYTES), head);
    (void)printf(filter->is_json ? "%s{\"seq\": %" PRIu64 ", \"time\": \"%s\", \"kind\": \"%s\""
                                 : "%s%" PRIu64 " %s %s",
                 filter->is_json && filter->shown ? ",\n " : "", entry->seq, when,
                 audit_kind_name(entry->kind));
    if (entry->device)
        show_number(filter, "device", entry->device);
    show_word(filter, "circle", circle);
    if (word)
        show_word(filter, names.what, word);
    else
        show_number(filter, names.what, entry->what);
    if (strcmp(names.second, "reason") == 0)
        show_word(filter, "reason", error_name((enum kith_err)entry->second));
    show_number(filter, names.first, entry->first);
    if (strcmp(names.second, "reason") != 0)
        show_number(filter, names.second, entry->second);
    (void)printf(filter->is_json ? ", \"hash\": \"%s\"}" : "\n", head);
}

static void show_if_wanted(struct filter *filter, const struct audit_entry *entry)
{
    if (is_wanted(filter, entry)) {
        show_entry(filter, entry);
        filter->shown++;
    }
}

/* What was delivered to many stands there for each of them. */
static bool visit_entry(void *owner, const struct audit_entry *entry)
{
    struct filter *filter = owner;
    struct audit_entry one = *entry;

    if (entry->devices.len == 0)
        show_if_wanted(filter, entry);
    for (size_t at = 0; at < entry->devices.len; at += 4) {
        one.device = get_u32(entry->devices.ptr + at);
        show_if_wanted(filter, &one);
    }
    filter->last_seq = entry->seq;
    memcpy(filter->last_head, entry->head, HASH_BYTES);
    return true;
}

/* Seconds since 1970, or a day or moment in UTC. */
static bool since_read(const char *text, uint64_t *time_ms)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    uint64_t seconds;

    if (number_read(text, UINT64_MAX / 1000, &seconds)) {
        *time_ms = seconds * 1000;
        return true;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm utc = {.tm_isdst = 0};
        const char *end = strptime(text, forms[i], &utc);
        time_t moment = end && !*end ? timegm(&utc) : (time_t)-1;
        if (moment >= 0) {
            *time_ms = (uint64_t)moment * 1000;
            return true;
        }
    }
    return false;
}

static const char *filter_read(const struct options *options, struct filter *filter)
{
    *filter = (struct filter){.is_json = options->is_json};
    if (options->device && !number_read(options->device, UINT32_MAX, &filter->device))
        return "--device takes a device's number";
    if (options->since && !since_read(options->since, &filter->since_ms))
        return "--since takes a time: 2026-03-01, 2026-03-01T09:00Z or seconds since 1970";
    if (options->circle && (id_read_prefix(options->circle, filter->circle, &filter->circle_bits) ||
                            filter->circle_bits == 0))
        return "--circle takes the id of a chart, or its beginning";
    return NULL;
}

enum exit_code command_audit(const struct options *options)
{
    struct filter filter;
    struct ledger *ledger = NULL;
    char head[HASH_TEXT];
    const char *why = filter_read(options, &filter);

    if (why)
        return misused(why);
    enum kith_err err = open_ledger(options, &ledger);
    if (err)
        return refuse(options->data, err);
    (void)fputs(options->is_json ? "{\"entries\": [" : "", stdout);
    err = ledger_audit(ledger, visit_entry, &filter);
    ledger_close(&ledger);
    bytes_hex(bytes_of(filter.last_head, HASH_BYTES), head);
    if (options->is_json)
        (void)printf("], \"known\": \"%" PRIu64 ":%s\", \"ok\": %s}\n", filter.last_seq, head,
                     err ? "false" : "true");
    else if (filter.last_seq && !err)
        (void)printf("Keep this elsewhere; 'kithd verify --known' checks that the log goes on from "
                     "it:\n%" PRIu64 ":%s\n",
                     filter.last_seq, head);
    return err ? refuse("the audit log", err) : done();
}
