/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms in words, and of whom nothing was heard. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/home.h"
#include "protocol/invite.h"
#include "store/alarms.h"

/* @w whose device, @c which chart, @n the number, @r the reason; @i is " in chart ...", or nothing
 * when it is about none. */
static const char *sentence(const struct alarm *alarm)
{
    switch (alarm->kind) {
    case ALARM_ROSTER_FORKED:
        return "the hub shows another roster than before: what this device knew stays";
    case ALARM_CIRCLE_FORKED:
        return "the hub shows another list of who may read @c than before: what this device knew "
               "stays";
    case ALARM_OWN_FORKED:
        return "the hub holds another history of this device@i: the device was copied or restored, "
               "or the hub lies";
    case ALARM_ROLLED_BACK:
        return "the hub has less than it had acknowledged@i, through number @n: it was set back, "
               "or it hides what it has";
    case ALARM_REFUSED:
        return alarm->device ? "what the hub served of @w@i was not taken: @r"
                             : "what the hub served@i was not taken: @r";
    case ALARM_WRONG_KEY:
        return "a wrong key was handed out for @c: it is not used";
    case ALARM_ROSTER_DIFFERS:
        return "@w was shown another roster than this device: the hub lies to one of the two, or "
               "that device does";
    case ALARM_CIRCLE_DIFFERS:
        return "@w was shown another list of who may read @c than this device: the hub lies to one "
               "of the two, or that device does";
    case ALARM_ROSTER_HIDDEN:
        return "@w knows @n entries of the roster, the hub shows less";
    case ALARM_CIRCLE_HIDDEN:
        return "@w knows @n entries of who may read @c, the hub shows less";
    case ALARM_CHANGE_HIDDEN:
        return "waiting for change @n of @w@i: others have read it, the hub does not hand it over";
    case ALARM_TWO_CHANGES:
        return "@w has signed two changes with the number @n@i: it was copied, or it lies; the "
               "first one stands here";
    case ALARM_COPIED:
        return "the hub has change @n of this device@i, which is not here: the device was copied, "
               "or set back to an earlier image; the next sync makes it a new one";
    case ALARM_DENIED:
        return "the hub says that it does not know this device, which the roster names: it was set "
               "back, or it lies";
    }
    return "";
}

struct words {
    char who[2 * KITH_NAME_TEXT];
    char chart[16];
    char in_chart[24];
    char number[24];
    const char *reason;
};

static const char *word_of(const struct words *words, char letter)
{
    switch (letter) {
    case 'w':
        return words->who;
    case 'c':
        return words->chart;
    case 'i':
        return words->in_chart;
    case 'n':
        return words->number;
    case 'r':
        return words->reason;
    default:
        return "";
    }
}

static void expand(const char *from, const struct words *words, char *to, size_t size)
{
    size_t at = 0;

    for (; *from && at + 1 < size; from++) {
        if (*from != '@') {
            to[at++] = *from;
            continue;
        }
        const char *word = word_of(words, *++from);
        for (; *word && at + 1 < size; word++)
            to[at++] = *word;
    }
    to[at] = '\0';
}

static void device_words(struct kith *kith, uint32_t number, char *text, size_t size)
{
    const struct roster_device *device = roster_device(replica_roster(kith->replica), number);

    (void)snprintf(text, size, "%s", home_device_name(kith, number));
    if (device) {
        size_t len = strlen(text);
        (void)snprintf(text + len, size - len, " of %s", home_person_name(kith, device->person));
    }
}

/* A circle that is known here by its id; "a chart" if what was to make it known was refused. */
static void circle_words(struct store_txn *txn, uint32_t number, struct words *words, char *id)
{
    struct circle_row row = {.number = 0};

    (void)snprintf(words->chart, sizeof words->chart, "a chart");
    if (number == 0)
        return;
    device_circle_get(txn, number, &row);
    if (row.number) {
        id_write(row.circle.id, id);
        (void)snprintf(words->chart, sizeof words->chart, "chart %.8s", id);
        (void)snprintf(words->in_chart, sizeof words->in_chart, " in %s", words->chart);
    }
    circle_clear(&row.circle);
}

static void tell(struct kith *kith, struct store_txn *txn, const struct alarm *alarm,
                 struct kith_alarm *told)
{
    struct words words = {.reason = error_text(alarm->reason)};

    *told = (struct kith_alarm){.kind = alarm_word(alarm->kind),
                                .device = alarm->device,
                                .n = alarm->n,
                                .first_ms = alarm->first_ms,
                                .last_ms = alarm->last_ms,
                                .times = alarm->times,
                                .is_over = alarm->is_over};
    if (alarm->device)
        device_words(kith, alarm->device, words.who, sizeof words.who);
    circle_words(txn, alarm->circle, &words, told->chart);
    (void)snprintf(words.number, sizeof words.number, "%" PRIu64, alarm->n);
    expand(sentence(alarm), &words, told->text, sizeof told->text);
    uint8_t first[HASH_BYTES];
    uint8_t second[HASH_BYTES];
    told->has_proof = alarm->kind == ALARM_TWO_CHANGES && alarm_proof(txn, alarm, first, second);
    if (told->has_proof) {
        bytes_hex(bytes_of(first, sizeof first), told->proof[0]);
        bytes_hex(bytes_of(second, sizeof second), told->proof[1]);
    }
}

int kith_alarms(struct kith *kith, struct kith_alarm **alarms, size_t *count)
{
    enum kith_err err = home_read_names(kith);

    kith->detail[0] = '\0';
    *count = 0;
    *alarms = NULL;
    if (err)
        return err;
    struct store_txn txn = store_begin(replica_store(kith->replica), STORE_READ);
    size_t room = (size_t)store_count(&txn, TABLE_DEVICE_ALARM);
    struct store_walk walk = alarms_walk(&txn);
    struct alarm alarm;
    *alarms = calloc(room + 1, sizeof **alarms);
    if (!*alarms)
        store_fail(&txn, KITH_MEMORY);
    while (*alarms && *count < room && alarm_next(&walk, &alarm))
        tell(kith, &txn, &alarm, &(*alarms)[(*count)++]);
    store_walk_end(&walk);
    err = store_commit(&txn);
    if (err) {
        free(*alarms);
        *alarms = NULL;
    }
    return err;
}

#define QUIET_MS (24u * 3600 * 1000)

int kith_quiet(struct kith *kith, uint64_t now_ms, struct kith_device **devices, size_t *count)
{
    size_t kept = 0;
    int err = kith_devices(kith, devices, count);

    if (err)
        return err;
    for (size_t i = 0; i < *count; i++) {
        const struct kith_device *device = &(*devices)[i];
        bool is_awaited = strcmp(device->state, "active") == 0 && !device->is_self;
        if (is_awaited && device->last_seen_ms + QUIET_MS < now_ms)
            (*devices)[kept++] = *device;
    }
    *count = kept;
    return KITH_OK;
}
