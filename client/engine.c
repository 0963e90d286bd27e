/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sync engine: stands between a session and the replica. The session asks for what is to be
 * sent and hands over what came; the replica knows both. No bytes of the network and no pages of
 * the store are seen here.
 */
#include <string.h>

#include "client/home.h"
#include "client/net.h"
#include "client/renew.h"
#include "protocol/seal.h"
#include "store/alarms.h"
#include "store/sending.h"

struct engine {
    struct kith *kith;
    struct exchange *exchange;
    struct sending sending;
    int64_t clock_offset_ms;
    bool is_greeted;
    bool is_asking; /* for a sign of life */
};

/* Another process of this home may have written meanwhile. */
static enum kith_err engine_refresh(struct engine *engine, const struct session_device *session)
{
    struct replica *replica = engine->kith->replica;

    if (!engine->exchange->live)
        return KITH_OK;
    enum kith_err err = replica_refresh(replica);
    bool is_renewed = replica_identity(replica)->device != session->hello.device;
    return !err && is_renewed ? KITH_STATE : err;
}

static void engine_fill(struct engine *engine, struct session_device *session, size_t room)
{
    struct buffer frames;
    bool has_more = false;

    buffer_init(&frames, BATCH_MAX);
    enum kith_err err = engine_refresh(engine, session);
    if (!err)
        err = replica_fill(engine->kith->replica, &engine->sending, room, &frames, &has_more);
    if (err)
        session_device_abort(session, err);
    else
        session_device_filled(session, buffer_view(&frames), has_more);
    buffer_clear(&frames);
}

/* The first thing heard of the hub is its clock: half a round trip old, which is near enough for a
 * warning. */
static void engine_greet(struct engine *engine, const struct session_device *session)
{
    if (engine->is_greeted)
        return;
    engine->is_greeted = true;
    engine->clock_offset_ms = (int64_t)session->welcome.clock_ms - (int64_t)home_clock_ms();
    struct roster_request *request = &engine->sending.request;
    if (session->welcome.has_sign_key)
        memcpy(request->entry.hub_sign, session->welcome.sign_key, KEY_BYTES);
    request->waits_for_hub = false;
}

static void engine_apply(struct engine *engine, struct session_device *session, struct bytes frames)
{
    struct applied applied = {0};
    uint64_t now_ms = home_now_ms(engine->kith);

    engine_greet(engine, session);
    enum kith_err err = engine_refresh(engine, session);
    if (!err)
        err = replica_apply(engine->kith->replica, &engine->sending, &session->welcome, frames,
                            now_ms, &applied);
    engine->exchange->report.received += applied.received;
    engine->exchange->report.sent += applied.acknowledged;
    engine->exchange->report.refused += applied.refused;
    session_device_applied(session, err, applied.has_more);
}

static void engine_report(struct engine *engine, const struct session_device *session,
                          enum kith_err err)
{
    struct kith_sync_report *report = &engine->exchange->report;

    report->bytes_out += session->bytes_out;
    report->bytes_in += session->bytes_in;
    report->change_bytes += engine->sending.sent_bytes;
    report->round_trips += session->round_trips;
    report->was_silent = err == KITH_LOST && engine->is_asking;
    report->retry_s = err == KITH_BUSY ? session->retry_s : 0;
    report->is_up_to_date = !err && engine->exchange->mode == CHANNEL_SYNC && report->refused == 0;
    if (engine->exchange->request)
        *engine->exchange->request = engine->sending.request;
}

/* After each exchange: what this device is to forget, and has delivered. */
static enum kith_err engine_purge(struct engine *engine)
{
    struct kith_sync_report *report = &engine->exchange->report;
    struct purged purged;
    bool is_renewing;
    enum kith_err err = home_is_renewing(engine->kith, &is_renewing);

    if (err || is_renewing)
        return err;
    err = replica_purge(engine->kith->replica, &purged);
    if (err)
        return err;
    report->purged += purged.circles;
    report->leaving = purged.pending;
    report->is_removed = purged.is_device;
    return KITH_OK;
}

/* What follows when all was exchanged. */
static enum kith_err engine_conclude(struct engine *engine)
{
    struct kith *kith = engine->kith;
    enum kith_err err = KITH_OK;

    if (engine->exchange->mode != CHANNEL_SYNC)
        return KITH_OK;
    if (engine->exchange->report.is_up_to_date)
        err = replica_synced(kith->replica, home_clock_ms(), engine->clock_offset_ms);
    if (engine->is_greeted)
        kith->clock_offset_ms = engine->clock_offset_ms;
    home_forget_names(kith);
    return err ? err : engine_purge(engine);
}

static void engine_settled(struct engine *engine, struct session_device *session)
{
    struct exchange *exchange = engine->exchange;
    bool has_more = false;

    engine->is_asking = false;
    exchange->report.is_up_to_date = exchange->report.refused == 0;
    exchange->report.is_doubted = engine->sending.is_doubted;
    enum kith_err err = engine_conclude(engine);
    if (!err)
        err = exchange->live->settled(exchange->live, &exchange->report, &has_more);
    if (err) {
        session_device_abort(session, err);
    } else if (exchange->report.is_removed) {
        session_device_leave(session);
    } else if (has_more) {
        engine->sending.is_listed = false;
        session_device_more(session);
    }
}

static void engine_work(void *owner, struct session_device *session,
                        const struct session_todo *todo)
{
    struct engine *engine = owner;

    if (todo->work == SESSION_FILL)
        engine_fill(engine, session, todo->room);
    else if (todo->work == SESSION_APPLY)
        engine_apply(engine, session, todo->bytes);
    else
        engine_settled(engine, session);
}

/* A PULL is always answered. */
static void engine_keep(void *owner, struct session_device *session)
{
    struct engine *engine = owner;

    engine->is_asking = true;
    sending_again(&engine->sending);
    session_device_more(session);
}

static bool engine_woken(void *owner, struct session_device *session)
{
    struct engine *engine = owner;

    switch (engine->exchange->live->woken(engine->exchange->live)) {
    case KITH_LIVE_ON:
        return true;
    case KITH_LIVE_SEND:
        engine->sending.is_listed = false;
        session_device_more(session);
        return true;
    case KITH_LIVE_CHECK:
        if (session->is_settled)
            engine_keep(engine, session);
        return true;
    case KITH_LIVE_END:
        break;
    }
    return false;
}

static enum kith_err tell_busy(struct kith *kith, const struct session_device *session,
                               enum kith_err err)
{
    if (err != KITH_BUSY || session->retry_s == 0)
        return err;
    return home_fail(kith, err, "the hub is busy; try again in %u s", session->retry_s);
}

/* The hub does not know this device, which the roster that it served names as active: an alarm, and
 * the failure stays what it was. */
static enum kith_err note_denial(struct kith *kith, const struct session_device *session,
                                 enum kith_err err)
{
    const struct roster_device *self =
        roster_device(replica_roster(kith->replica), replica_identity(kith->replica)->device);
    const struct alarm denied = {.kind = ALARM_DENIED};

    if (err != KITH_UNKNOWN_DEVICE || session->bytes_in == 0 || !self ||
        self->state != DEVICE_ACTIVE)
        return err;
    enum kith_err noted = replica_alarm(kith->replica, &denied, home_now_ms(kith));
    return noted ? noted : err;
}

/* What stands between us and the hub, and how it went, in more words than the code has. */
static enum kith_err engine_run(struct engine *engine, const struct address *address,
                                struct session_device *session)
{
    const struct exchange_live *staying = engine->exchange->live;
    const struct net_live live = {.wake_fd = staying ? staying->wake_fd : -1,
                                  .keep_alive_ms = staying ? staying->keep_alive_ms : 0,
                                  .woken = engine_woken,
                                  .keep = engine_keep};
    const struct net_owner owner = {engine_work, staying ? &live : NULL, engine,
                                    engine->exchange->is_single};
    char why[NET_WHY_MAX];
    enum kith_err err = net_run(address, session, &owner, why);

    if (*why)
        return home_fail(engine->kith, err, "%s: %s", error_text(err), why);
    return err;
}

enum kith_err home_exchange(struct kith *kith, struct exchange *exchange)
{
    const struct identity *identity = replica_identity(kith->replica);
    struct engine engine = {.kith = kith, .exchange = exchange};
    struct session_device session;
    uint8_t ephemeral[KEY_BYTES];
    struct address address;
    enum kith_err err = home_check_not_removed(kith);
    if (!err)
        err = home_check_not_practice(kith);
    if (err)
        return err;
    if (!address_read(identity->address, &address))
        return KITH_ADDRESS;
    const struct session_device_config config = {
        .carrier = address.kind == ADDRESS_TCP && !exchange->is_single ? CHANNEL_TCP : CHANNEL_WEB,
        .mode = exchange->mode,
        .keys = &identity->noise,
        .ephemeral_secret = ephemeral,
        .hub_key = identity->hub_key,
        .psk = exchange->psk,
        .device = identity->device,
        .clock_ms = home_clock_ms(),
        .is_single = exchange->is_single,
        .is_staying = exchange->live != NULL,
    };

    seal_random(ephemeral, sizeof ephemeral);
    session_device_init(&session, &config);
    seal_wipe(ephemeral, sizeof ephemeral);
    sending_init(&engine.sending, home_now_ms(kith) / 1000);
    /* Nothing else goes with what makes this device another. */
    engine.sending.is_greeting =
        exchange->mode != CHANNEL_SYNC ||
        (exchange->request && exchange->request->entry.type == ROSTER_RENEW);
    if (exchange->request)
        engine.sending.request = *exchange->request;
    err = engine_run(&engine, &address, &session);
    engine_report(&engine, &session, err);
    err = note_denial(kith, &session, tell_busy(kith, &session, err));
    if (!err)
        err = engine_conclude(&engine);
    exchange->report.is_doubted = engine.sending.is_doubted;
    if (engine.is_greeted)
        kith->clock_offset_ms = engine.clock_offset_ms;
    sending_clear(&engine.sending);
    session_device_clear(&session);
    home_forget_names(kith);
    return err;
}
