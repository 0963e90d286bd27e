/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who lies: a hub that edits what it hands on, and an office of honest people to try it
 * on. The hub is the real one, its lies are the hooks of `struct link_faults`.
 */
#ifndef KITH_TESTS_UNIT_LIAR_H
#define KITH_TESTS_UNIT_LIAR_H

#include "link.h"
#include "make.h"
#include "store/alarms.h"

enum { VISIT = 6, NOTE = 7, PURPOSE = 4 }; /* record types, a field of the note */

/* The founder (admin and custodian, device 1), a supervisor and a specialist with one chart. */
enum { FOUNDER_DEVICE = 1, ROSA_DEVICE = 2, ANA_DEVICE = 3 };
struct office {
    struct test_hub hub;
    struct test_device founder;
    struct test_device rosa;
    struct test_device ana;
    uint8_t chart[ID_BYTES];
    uint8_t visit[ID_BYTES];
};
/* Set-up and tear-down of a cmocka test. The chart is known to all three. */
int office_open(void **state);
int office_close(void **state);
/* A note of the visit by one of them, and how another reads it. */
struct dot office_write(struct office *office, struct test_device *device, const char *text);
const char *office_read(struct office *office, struct test_device *device);
/* One connection to a hub that lies. */
struct link_result office_sync(struct office *office, struct test_device *device,
                               const struct link_faults *lie);

/* The key of a circle's epoch as a device has it; false if it has none. */
bool device_epoch_key(struct test_device *device, const uint8_t circle[static ID_BYTES],
                      uint32_t epoch, uint8_t key[static KEY_BYTES]);
/* The access chain of a circle as a device has it. The caller clears it. */
void device_circle(struct test_device *device, const uint8_t circle[static ID_BYTES],
                   struct circle *known);
/* The newest n of a device's chain that this device has received, and its id. */
uint64_t device_received(struct test_device *device, const uint8_t circle[static ID_BYTES],
                         uint32_t author, uint8_t head[static HASH_BYTES]);
uint64_t device_waiting(struct test_device *device);

/* The alarm of a kind about a device (0: about none, or any), if there is one. */
bool device_alarm(struct test_device *device, enum alarm_kind kind, uint32_t about,
                  struct alarm *alarm);
uint32_t device_alarms(struct test_device *device);

/* Calls `edit` for each frame of a batch; what it writes to `out` takes the frame's place. */
typedef void liar_edit(void *owner, struct frame *frame, struct bytes raw, struct buffer *out);
void liar_each(struct buffer *frames, liar_edit *edit, void *owner);
/* The changes of all runs, one after another in an array of the caller's, borrowed from `frames`.
 * Gives how many. */
struct liar_change {
    uint8_t circle[ID_BYTES];
    uint32_t device;
    uint64_t n;
    struct change change;
};
size_t liar_changes(struct bytes frames, struct liar_change *changes, size_t max);
/* A run with this one change. */
void liar_write_change(struct buffer *out, const struct liar_change *change);
/* Everything but the changes. */
void liar_drop_changes(struct buffer *frames);
/* A frame with one entry of the roster, or of a circle's access chain without boxes. */
void liar_write_roster(struct buffer *out, uint32_t seq, struct bytes entry);

/* A change as its author's device would write it next, with any text: the author lies, or its keys
 * were stolen. */
struct forged {
    struct liar_change change;
    uint8_t id[HASH_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    struct buffer sealed;
};
struct forgery {
    const struct change_header *header;
    const uint8_t *epoch_key;
    const uint8_t *sign_secret;
    struct bytes text;
};
void forge(struct forged *forged, const struct forgery *forgery);
void forged_clear(struct forged *forged);
/* The header of the next change of a device in the chart, as another device knows the chain. */
void next_header(struct office *office, struct test_device *knower, uint32_t author,
                 struct change_header *header);

#endif
