/* SPDX-License-Identifier: Apache-2.0 */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/keys.h"
#include "protocol/circle.h"
#include "store/position.h"
#include "bench.h"

#define STORED_TOGETHER 256
#define FOUNDER         1

/* Many messages become one transaction. */
static struct ingest waiting[STORED_TOGETHER];
static uint32_t waiting_count;

static uint64_t clock_s(void)
{
    return (uint64_t)time(NULL);
}

static void need(enum kith_err err, const char *what)
{
    if (err)
        bench_fail(what, err);
}

static void store_waiting(struct crowd *crowd)
{
    struct ingest *batch[STORED_TOGETHER];

    for (uint32_t i = 0; i < waiting_count; i++) {
        batch[i] = &waiting[i];
        ledger_verify(crowd->ledger, &waiting[i]);
        need(waiting[i].err, "what the crowd writes");
    }
    if (waiting_count > 0)
        need(ledger_commit(crowd->ledger, batch, waiting_count), "storing");
    for (uint32_t i = 0; i < waiting_count; i++) {
        need(waiting[i].refusals.len > 0 ? KITH_NOT_ALLOWED : KITH_OK, "what the crowd writes");
        ingest_clear(&waiting[i]);
    }
    waiting_count = 0;
}

static void store(struct crowd *crowd, enum channel_mode mode, uint32_t device,
                  const uint8_t *noise_key, struct bytes frames)
{
    struct ingest *ingest = &waiting[waiting_count++];

    ingest_init(ingest);
    ingest->mode = mode;
    ingest->device = device;
    ingest->now_s = clock_s();
    if (noise_key)
        memcpy(ingest->noise_key, noise_key, KEY_BYTES);
    buffer_add(&ingest->frames, frames.ptr, frames.len);
    if (waiting_count == STORED_TOGETHER)
        store_waiting(crowd);
}

static void make_keys(struct crowd_device *device, struct device_public *keys)
{
    uint8_t seed[KEY_BYTES];

    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, keys->sign, device->sign_secret);
    seal_random(seed, sizeof seed);
    noise_keypair_from_secret(&device->noise, seed);
    memcpy(keys->noise, device->noise.public, KEY_BYTES);
    seal_random(seed, sizeof seed);
    seal_box_public(seed, keys->box);
}

static void enter(struct crowd *crowd, struct roster_entry *entry, const uint8_t *sign_secret,
                  enum channel_mode mode)
{
    struct buffer bytes;
    struct buffer frames;

    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    entry->time_s = clock_s();
    need(roster_entry_write(&crowd->roster, entry, sign_secret, &bytes), "writing the roster");
    struct bytes view = buffer_view(&bytes);
    if (entry->type == ROSTER_FOUND)
        need(roster_append(&crowd->roster, view), "founding");
    else
        need(roster_replay(&crowd->roster, view), "the roster");
    roster_frame_write(&frames, crowd->roster.count, &view, 1);
    store(crowd, mode, entry->author ? entry->author : FOUNDER, entry->keys.noise,
          buffer_view(&frames));
    buffer_clear(&bytes);
    buffer_clear(&frames);
}

static void found(struct crowd *crowd, struct crowd_device *founder)
{
    struct roster_entry entry = {.type = ROSTER_FOUND, .roles = ROLE_ADMIN};
    uint8_t seed[KEY_BYTES];
    uint8_t root_secret[SIGN_KEY_BYTES];

    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, entry.root, root_secret);
    memcpy(entry.hub_noise, crowd->hub.noise.public, KEY_BYTES);
    memcpy(entry.hub_sign, crowd->hub.sign_public, KEY_BYTES);
    make_keys(founder, &entry.keys);
    enter(crowd, &entry, root_secret, CHANNEL_FOUND);
    store_waiting(crowd);
}

static void enrol(struct crowd *crowd, const struct crowd_device *founder,
                  struct crowd_device *device)
{
    uint32_t number = crowd->roster.device_count + 1;
    struct crowd_device invited;
    struct roster_entry invite = {.type = ROSTER_INVITE,
                                  .author = FOUNDER,
                                  .device = number,
                                  .person = crowd->roster.person_count + 1,
                                  .roles = ROLE_SPECIALIST,
                                  .expires_s = clock_s() + 86400};
    struct roster_entry own = {.type = ROSTER_ENROL, .author = number};

    make_keys(&invited, &invite.keys);
    memset(invite.keys.noise, 0, KEY_BYTES);
    enter(crowd, &invite, founder->sign_secret, CHANNEL_SYNC);
    make_keys(device, &own.keys);
    enter(crowd, &own, invited.sign_secret, CHANNEL_JOIN);
}

/* The first of those who share a chart makes it. */
static void make_circle(struct crowd *crowd, uint32_t first, uint32_t count)
{
    struct circle_member *members = calloc(count, sizeof *members);
    uint32_t *devices = calloc(count, sizeof *devices);
    struct circle_entry genesis = {.type = CIRCLE_GENESIS,
                                   .author = first + 2,
                                   .roster_seq = crowd->roster.count,
                                   .time_s = clock_s(),
                                   .kind = CIRCLE_CHART,
                                   .members = members,
                                   .member_count = count,
                                   .devices = devices,
                                   .device_count = count};
    struct buffer bytes;
    struct buffer frames;
    struct circle circle;

    if (!members || !devices)
        bench_fail("memory for a chart", KITH_MEMORY);
    for (uint32_t i = 0; i < count; i++) {
        members[i] = (struct circle_member){first + i + 2, CIRCLE_WRITE};
        devices[i] = first + i + 2;
        crowd->devices[first + i].circle = crowd->circle_count;
    }
    memcpy(genesis.agency, crowd->roster.agency, ID_BYTES);
    seal_random(genesis.salt, ID_BYTES);
    seal_random(genesis.commitment, HASH_BYTES);
    circle_init(&circle);
    buffer_init(&bytes, ENTRY_MAX);
    buffer_init(&frames, BATCH_MAX);
    need(circle_entry_write(&circle, &genesis, crowd->devices[first].sign_secret, &bytes),
         "writing a chart");
    need(circle_append(&circle, &crowd->roster, buffer_view(&bytes)), "a chart");
    memcpy(crowd->circles[crowd->circle_count++], circle.id, ID_BYTES);
    circle_frame_write(&frames, circle.id, 1, buffer_view(&bytes), bytes_of(NULL, 0));
    store(crowd, CHANNEL_SYNC, first + 2, NULL, buffer_view(&frames));
    buffer_clear(&bytes);
    buffer_clear(&frames);
    circle_clear(&circle);
    free(members);
    free(devices);
}

void crowd_note_cursor(struct crowd *crowd)
{
    struct ledger_stats stats;

    store_waiting(crowd);
    need(ledger_stats(crowd->ledger, &stats), "counting");
    const struct position position = {
        .base = stats.sequence, .roster = crowd->roster.count, .urgent = stats.sequence};
    crowd->cursor_len = position_encode(&position, crowd->cursor);
    ledger_incarnation(crowd->ledger, crowd->incarnation);
}

void crowd_resume(struct crowd *crowd, const char *folder)
{
    const struct ledger_options options = {
        .folder = folder, .keys = &crowd->hub, .is_exclusive = true, .is_volatile = true};

    need(ledger_open(&crowd->ledger, &options), "opening the store");
}

void crowd_found(struct crowd *crowd, const char *folder, uint32_t count, uint32_t together)
{
    struct crowd_device founder;

    memset(crowd, 0, sizeof *crowd);
    roster_init(&crowd->roster);
    need(keys_read(folder, &crowd->hub), "the keys of the hub");
    crowd_resume(crowd, folder);
    crowd->devices = calloc(count, sizeof *crowd->devices);
    crowd->circles = calloc(count / together + 1, sizeof *crowd->circles);
    if (!crowd->devices || !crowd->circles)
        bench_fail("memory for the crowd", KITH_MEMORY);
    found(crowd, &founder);
    for (; crowd->count < count; crowd->count++)
        enrol(crowd, &founder, &crowd->devices[crowd->count]);
    for (uint32_t i = 0; i < count; i += together)
        make_circle(crowd, i, count - i < together ? count - i : together);
    crowd_note_cursor(crowd);
}

static void write_change(struct crowd *crowd, uint32_t number, struct run_writer *writer)
{
    static const uint8_t epoch_key[KEY_BYTES] = "what a chart is sealed with";
    struct crowd_device *device = &crowd->devices[number];
    struct change_header header = {
        .class = CHANGE_NORMAL, .epoch = 1, .device = number + 2, .n = device->n + 1};
    uint8_t signature[SIGNATURE_BYTES];
    struct bench_texts texts;
    struct buffer sealed;

    bench_write_texts((unsigned)crowd->made, &texts);
    buffer_init(&sealed, CHANGE_SEALED_MAX);
    memcpy(header.agency, crowd->roster.agency, ID_BYTES);
    memcpy(header.circle, crowd->circles[device->circle], ID_BYTES);
    memcpy(header.prev, device->head, HASH_BYTES);
    need(change_seal(&header, epoch_key, device->sign_secret, bytes_of(&texts, sizeof texts),
                     &sealed, device->head, signature),
         "sealing a visit");
    const struct change change = {header.class, header.epoch, buffer_view(&sealed), signature};
    run_add(writer, header.circle, header.device, header.n, &change);
    device->n = header.n;
    crowd->made++;
    crowd->made_bytes += sealed.len + RUN_CHANGE_OVERHEAD;
    buffer_clear(&sealed);
}

void crowd_write(struct crowd *crowd, uint32_t device, uint32_t changes, struct buffer *out)
{
    struct run_writer writer;

    run_begin(&writer);
    for (uint32_t i = 0; i < changes; i++)
        write_change(crowd, device, &writer);
    run_flush(&writer, FRAME_PUSH, out);
    run_end(&writer);
    need(out->err, "a message of visits");
}

void crowd_store(struct crowd *crowd, uint32_t device, struct bytes frames)
{
    store(crowd, CHANNEL_SYNC, device + 2, NULL, frames);
    crowd->devices[device].stored = crowd->devices[device].n;
}

void crowd_settle(struct crowd *crowd)
{
    if (crowd->ledger)
        store_waiting(crowd);
    ledger_close(&crowd->ledger);
}

void crowd_clear(struct crowd *crowd)
{
    ledger_close(&crowd->ledger);
    roster_clear(&crowd->roster);
    free(crowd->devices);
    free(crowd->circles);
    memset(crowd, 0, sizeof *crowd);
}
