/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/intake.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"

void intake_finish(struct intake *intake)
{
    struct connection *connection = intake->connection;

    metrics_count_ingest(&connection->hub->metrics, &intake->ingest);
    connection_ingested(connection, &intake->ingest);
    ingest_clear(&intake->ingest);
    free(intake);
    connection_release(connection);
}

/* On a worker. */
static void verify(uv_work_t *work)
{
    struct intake *intake = work->data;

    ledger_verify(intake->connection->hub->ledger, &intake->ingest);
}

/* What is not well formed needs no commit: its session ends. */
static void on_verified(uv_work_t *work, int status)
{
    struct intake *intake = work->data;

    if (status < 0 && !intake->ingest.err)
        intake->ingest.err = KITH_BUSY;
    if (intake->ingest.err)
        intake_finish(intake);
    else
        committer_add(intake->connection->hub->committer, intake);
}

enum kith_err intake_start(struct connection *connection, struct bytes frames)
{
    const struct session_hub *session = &connection->session;
    struct intake *intake = calloc(1, sizeof *intake);

    if (!intake)
        return KITH_MEMORY;
    struct ingest *ingest = &intake->ingest;
    ingest_init(ingest);
    ingest->mode = session->state == HUB_JOINING ? session->channel.mode : CHANNEL_SYNC;
    ingest->device = session->hello.device;
    ingest->now_s = connection_clock_ms() / 1000;
    memcpy(ingest->noise_key, channel_peer(&session->channel), KEY_BYTES);
    buffer_add(&ingest->frames, frames.ptr, frames.len);
    intake->connection = connection;
    intake->work.data = intake;
    bool is_copied = ingest->frames.err == KITH_OK;
    if (!is_copied ||
        uv_queue_work(&connection->hub->loop, &intake->work, verify, on_verified) < 0) {
        ingest_clear(ingest);
        free(intake);
        return KITH_MEMORY;
    }
    connection_hold(connection);
    return KITH_OK;
}
