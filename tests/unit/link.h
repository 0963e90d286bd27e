/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub and devices in one process, with a link between them that the test carries: the real
 * sessions, ledger and replicas, no socket and no clock.
 */
#ifndef KITH_TESTS_UNIT_LINK_H
#define KITH_TESTS_UNIT_LINK_H

#include "store/ledger.h"
#include "store/replica.h"
#include "store/sending.h"

struct test_hub {
    char folder[64];
    struct ledger_keys keys;
    struct ledger *ledger;
    uint8_t founding_secret[CODE_SECRET_BYTES];
};

struct test_device {
    char folder[64];
    uint8_t key[KEY_BYTES];
    struct replica *replica;
};

/* How a connection goes. Zero: well. */
struct link_faults {
    size_t cut_after_out; /* bytes from the device after which the connection breaks; 0: never */
    size_t cut_after_in;
    size_t chunk_bytes; /* bytes are delivered in pieces of this size; 0: as they come */
    void (*alter)(void *owner, struct bytes *wire, bool is_from_device);
    /* A hub that lies. What it heard of a device, decrypted; what it makes of the frames of a batch
     * (without the CURSOR frame that follows), and of its answer to what a device sent. */
    void (*hear)(void *owner, struct bytes frames);
    void (*serve)(void *owner, struct buffer *frames);
    void (*answer)(void *owner, struct session_answer *answer);
    void *owner;
};

struct link_result {
    enum kith_err device_err;
    enum kith_err hub_err;
    uint32_t received;
    uint32_t acknowledged;
    uint32_t refused;
    uint32_t round_trips;
    uint64_t bytes_out;
    uint64_t bytes_in;
};

void test_hub_open(struct test_hub *hub);
/* As after kill -9: opens the same folder again. */
void test_hub_reopen(struct test_hub *hub);
/* Another hub with the same keys, on a copy of the store as it is now: an image to go back to, or a
 * second face. */
void test_hub_copy(struct test_hub *copy, const struct test_hub *hub);
void test_hub_close(struct test_hub *hub);

void test_device_open(struct test_device *device);
void test_device_reopen(struct test_device *device);
/* The same laptop from a copy of its disk. */
void test_device_copy(struct test_device *copy, const struct test_device *device);
void test_device_close(struct test_device *device);

/* One connection from its first to its last byte. `request` may be NULL. */
struct link_result link_connect(struct test_hub *hub, struct test_device *device,
                                enum channel_mode mode, const uint8_t *psk,
                                struct roster_request *request, const struct link_faults *faults);
struct link_result link_sync(struct test_hub *hub, struct test_device *device);

/* Bytes of a recorded connection, played to the hub again by somebody without keys: how many bytes
 * the hub answered. */
uint64_t link_replay(struct test_hub *hub, struct bytes recorded);

/* Asks the hub for an agency of a kind: what it says to that. The agency's circle is not made. */
enum kith_err link_ask_agency(struct test_hub *hub, struct test_device *founder,
                              enum agency_kind kind);
/* The founder's device, the agency's circle included. */
void link_found(struct test_hub *hub, struct test_device *founder);
/* Invites a person (0: a new one) by `inviter` and joins `device`. */
void link_join(struct test_hub *hub, struct test_device *inviter, struct test_device *device,
               uint32_t person, unsigned roles, uint32_t supervisor);
/* `by` ends a device of the agency. */
void link_end(struct test_hub *hub, struct test_device *by, uint32_t device, enum leaving leaving);
/* A chart made offline by `author`, for the author, the author's supervisor and the custodians. */
void link_chart(struct test_device *author, const char *name, uint8_t circle[static ID_BYTES]);
/* One text field of one record, saved. */
struct dot link_put(struct test_device *device, const uint8_t circle[static ID_BYTES],
                    const uint8_t record[static ID_BYTES], uint32_t type, uint32_t field,
                    const char *text);
struct dot link_put_as(struct test_device *device, enum change_class class,
                       const uint8_t circle[static ID_BYTES], const uint8_t record[static ID_BYTES],
                       uint32_t type, uint32_t field, const char *text);
/* The field's values, alphabetically, with '|' between; "" if there is none. Valid until the next
 * call. */
const char *link_read(struct test_device *device, const uint8_t circle[static ID_BYTES],
                      const uint8_t record[static ID_BYTES], uint32_t type, uint32_t field);

#define LINK_NOW_MS 1790000000000u

#endif
