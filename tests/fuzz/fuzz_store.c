/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that come out of a session, at the store: what an enrolled device can make of a hub, and
 * what its hub can make of a device. A real agency on real stores; the first byte chooses.
 *
 * Randomness begins alike in each run, so that keys and signatures are the same and an input means
 * the same. Nothing that is refused leaves a trace: the state is compared.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/seal.h"
#include "tests/unit/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define IS_TO_DEVICE 1

static struct test_hub hub;
static struct test_device irma;
static struct test_device ana;

/* Bytes by counting, under BLAKE2b. */
static void make_bytes(void *const to, const size_t len)
{
    static uint64_t count;
    uint8_t block[64];

    for (size_t at = 0; at < len; at += sizeof block) {
        size_t part = len - at < sizeof block ? len - at : sizeof block;
        count++;
        (void)crypto_generichash(block, sizeof block, (const uint8_t *)&count, sizeof count, NULL,
                                 0);
        memcpy((uint8_t *)to + at, block, part);
    }
}

static const char *name_source(void)
{
    return "counter";
}

static uint32_t make_number(void)
{
    uint32_t number;

    make_bytes(&number, sizeof number);
    return number;
}

/* With SEEDS=FOLDER, what really passes is kept there as inputs. */
static void keep(uint8_t way, struct bytes frames)
{
    static unsigned count;
    const char *folder = getenv("SEEDS");
    char path[4096];

    if (!folder)
        return;
    (void)snprintf(path, sizeof path, "%s/batch%u", folder, ++count);
    FILE *file = fopen(path, "wb");
    if (!file || fputc(way, file) < 0 || fwrite(frames.ptr, 1, frames.len, file) != frames.len ||
        fclose(file) != 0)
        abort();
}

static void hear(void *owner, struct bytes frames)
{
    (void)owner;
    keep(0, frames);
}

static void serve(void *owner, struct buffer *frames)
{
    (void)owner;
    keep(IS_TO_DEVICE, buffer_view(frames));
}

static void close_all(void)
{
    test_hub_close(&hub);
    test_device_close(&irma);
    test_device_close(&ana);
}

static void sync_listened(struct test_device *device)
{
    const struct link_faults listening = {.hear = hear, .serve = serve};

    if (link_connect(&hub, device, CHANNEL_SYNC, NULL, NULL, &listening).device_err)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct randombytes_implementation counter = {
        .implementation_name = name_source, .random = make_number, .buf = make_bytes};
    uint8_t chart[ID_BYTES];
    uint8_t record[ID_BYTES] = {7};

    (void)argc;
    (void)argv;
    if (randombytes_set_implementation(&counter) != 0 || sodium_init() < 0)
        abort();
    test_hub_open(&hub);
    test_device_open(&irma);
    test_device_open(&ana);
    link_found(&hub, &irma);
    link_join(&hub, &irma, &ana, 0, ROLE_SPECIALIST, 1);
    link_chart(&ana, "Maria", chart);
    (void)link_put(&ana, chart, record, 11, 4, "a visit");
    sync_listened(&ana);
    sync_listened(&irma);
    (void)link_put(&irma, chart, record, 11, 4, "the same visit");
    sync_listened(&irma);
    sync_listened(&ana);
    return atexit(close_all);
}

static void give_to_hub(struct bytes frames)
{
    struct ledger_stats before;
    struct ledger_stats after;
    struct ingest ingest;
    struct ingest *batch[] = {&ingest};

    ingest_init(&ingest);
    ingest.mode = CHANNEL_SYNC;
    ingest.device = replica_identity(ana.replica)->device;
    ingest.now_s = LINK_NOW_MS / 1000;
    memcpy(ingest.noise_key, replica_identity(ana.replica)->noise.public, KEY_BYTES);
    buffer_add(&ingest.frames, frames.ptr, frames.len);
    if (ledger_count(hub.ledger, &before))
        abort();
    ledger_verify(hub.ledger, &ingest);
    if (ledger_commit(hub.ledger, batch, 1) || ledger_count(hub.ledger, &after))
        abort();
    if (after.changes != before.changes + ingest.stored_count)
        abort();
    ingest_clear(&ingest);
}

static void give_to_device(struct bytes frames)
{
    const struct welcome welcome = {.version = KITH_PROTOCOL_VERSION, .clock_ms = LINK_NOW_MS};
    struct replica_counts before;
    struct replica_counts after;
    struct sending sending;
    struct applied applied;

    sending_init(&sending, LINK_NOW_MS / 1000);
    if (replica_counts(ana.replica, &before))
        abort();
    enum kith_err err =
        replica_apply(ana.replica, &sending, &welcome, frames, LINK_NOW_MS, &applied);
    if (replica_counts(ana.replica, &after) || (err && after.records != before.records))
        abort();
    sending_clear(&sending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BATCH_MAX)
        return 0;
    struct bytes frames = bytes_of(data + 1, size - 1);
    if (data[0] & IS_TO_DEVICE)
        give_to_device(frames);
    else
        give_to_hub(frames);
    return 0;
}
