/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/seal.h"

static void make_folder(char *folder, size_t size)
{
    (void)snprintf(folder, size, "/tmp/kith-link-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static void remove_folder(const char *folder)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");

    assert_non_null(in);
    assert_non_null(out);
    for (size_t len = fread(bytes, 1, sizeof bytes, in); len > 0;
         len = fread(bytes, 1, sizeof bytes, in))
        assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void copy_store(char *folder, size_t size, const char *original)
{
    char from[128];
    char to[128];

    make_folder(folder, size);
    (void)snprintf(from, sizeof from, "%s/data.mdb", original);
    (void)snprintf(to, sizeof to, "%s/data.mdb", folder);
    copy_file(from, to);
}

static void hub_start(struct test_hub *hub)
{
    const struct ledger_options options = {
        .folder = hub->folder, .keys = &hub->keys, .is_exclusive = true, .is_volatile = true};

    assert_int_equal(ledger_open(&hub->ledger, &options), KITH_OK);
}

void test_hub_open(struct test_hub *hub)
{
    struct invite_keys founding;
    uint8_t seed[KEY_BYTES];

    memset(hub, 0, sizeof *hub);
    make_folder(hub->folder, sizeof hub->folder);
    seal_random(hub->keys.storage, KEY_BYTES);
    seal_random(seed, sizeof seed);
    noise_keypair_from_secret(&hub->keys.noise, seed);
    seal_random(seed, sizeof seed);
    seal_sign_keypair(seed, hub->keys.sign_public, hub->keys.sign_secret);
    seal_random(hub->founding_secret, CODE_SECRET_BYTES);
    invite_derive(hub->founding_secret, &founding);
    assert_int_equal(ledger_create(hub->folder, &hub->keys, founding.psk), KITH_OK);
    hub_start(hub);
}

void test_hub_reopen(struct test_hub *hub)
{
    ledger_close(&hub->ledger);
    hub_start(hub);
}

void test_hub_copy(struct test_hub *copy, const struct test_hub *hub)
{
    *copy = *hub;
    copy_store(copy->folder, sizeof copy->folder, hub->folder);
    hub_start(copy);
}

void test_hub_close(struct test_hub *hub)
{
    ledger_close(&hub->ledger);
    remove_folder(hub->folder);
}

static void device_start(struct test_device *device, bool is_new)
{
    const struct replica_options options = {
        .folder = device->folder, .key = device->key, .is_new = is_new, .is_volatile = true};

    assert_int_equal(replica_open(&device->replica, &options), KITH_OK);
}

void test_device_open(struct test_device *device)
{
    struct identity identity;

    memset(device, 0, sizeof *device);
    make_folder(device->folder, sizeof device->folder);
    seal_random(device->key, KEY_BYTES);
    device_start(device, true);
    identity_make(&identity);
    assert_int_equal(replica_set_identity(device->replica, &identity), KITH_OK);
}

void test_device_reopen(struct test_device *device)
{
    replica_close(&device->replica);
    device_start(device, false);
}

void test_device_copy(struct test_device *copy, const struct test_device *device)
{
    *copy = *device;
    copy_store(copy->folder, sizeof copy->folder, device->folder);
    device_start(copy, false);
}

void test_device_close(struct test_device *device)
{
    replica_close(&device->replica);
    remove_folder(device->folder);
}

/* Both ends of one connection, and what is on its way between them. */
struct link {
    struct test_hub *hub;
    struct test_device *device;
    const struct link_faults *faults;
    struct session_device near;
    struct session_hub far;
    struct sending sending;
    struct buffer to_hub;
    struct buffer to_device;
    struct link_result result;
    bool is_near_closed;
    bool is_far_closed;
};

static void hub_lookup(struct link *link)
{
    struct ledger_visitor visitor = {.mode = link->far.channel.mode,
                                     .device = link->far.hello.device,
                                     .noise_key = channel_peer(&link->far.channel),
                                     .now_s = LINK_NOW_MS / 1000};
    uint8_t psk[KEY_BYTES] = {0};
    enum kith_err err = ledger_identify(link->hub->ledger, &visitor, psk);

    if (visitor.mode == CHANNEL_FOUND)
        link->far.hello.device = 1;
    link->far.written = ledger_written(link->hub->ledger, visitor.device);
    session_hub_identified(&link->far, err, visitor.mode == CHANNEL_SYNC ? NULL : psk);
}

static void hub_ingest(struct link *link, struct bytes frames)
{
    struct ingest ingest;
    struct ingest *batch[] = {&ingest};
    struct session_answer answer;

    if (link->faults->hear)
        link->faults->hear(link->faults->owner, frames);
    ingest_init(&ingest);
    ingest.mode = link->far.state == HUB_OPEN ? CHANNEL_SYNC : link->far.channel.mode;
    ingest.device = link->far.hello.device;
    ingest.now_s = LINK_NOW_MS / 1000;
    memcpy(ingest.noise_key, channel_peer(&link->far.channel), KEY_BYTES);
    buffer_add(&ingest.frames, frames.ptr, frames.len);
    ledger_verify(link->hub->ledger, &ingest);
    enum kith_err err = ledger_commit(link->hub->ledger, batch, 1);
    if (err)
        ingest.err = err;
    ingest_answer(&ingest, &answer);
    if (link->faults->answer)
        link->faults->answer(link->faults->owner, &answer);
    session_hub_ingested(&link->far, &answer);
    ingest_clear(&ingest);
}

static void hub_load(struct link *link)
{
    struct backlog backlog;

    backlog_init(&backlog);
    enum kith_err err = ledger_load(link->hub->ledger, link->far.hello.device, &link->far.pull,
                                    link->far.state == HUB_JOINING, &backlog);
    if (link->faults->serve)
        link->faults->serve(link->faults->owner, &backlog.frames);
    session_hub_loaded(&link->far, err, buffer_view(&backlog.frames),
                       bytes_of(backlog.cursor, backlog.cursor_len), backlog.is_up_to_date);
    backlog_clear(&backlog);
}

static bool drive_hub(struct link *link)
{
    struct session_todo todo;

    session_hub_next(&link->far, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&link->to_device, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_CLOSE:
        link->is_far_closed = true;
        link->result.hub_err = todo.err;
        return false;
    case SESSION_LOOKUP:
        hub_lookup(link);
        return true;
    case SESSION_INGEST:
        hub_ingest(link, todo.bytes);
        return true;
    case SESSION_LOAD:
        hub_load(link);
        return true;
    case SESSION_WAIT:
    case SESSION_FILL:
    case SESSION_APPLY:
    case SESSION_SETTLED:
        break;
    }
    return false;
}

static void device_fill(struct link *link, size_t room)
{
    struct buffer frames;
    bool has_more;

    buffer_init(&frames, BATCH_MAX);
    enum kith_err err =
        replica_fill(link->device->replica, &link->sending, room, &frames, &has_more);
    if (err)
        session_device_abort(&link->near, err);
    else
        session_device_filled(&link->near, buffer_view(&frames), has_more);
    buffer_clear(&frames);
}

static void device_apply(struct link *link, struct bytes frames)
{
    struct applied applied;

    if (link->near.welcome.has_sign_key)
        memcpy(link->sending.request.entry.hub_sign, link->near.welcome.sign_key, KEY_BYTES);
    link->sending.request.waits_for_hub = false;
    enum kith_err err = replica_apply(link->device->replica, &link->sending, &link->near.welcome,
                                      frames, LINK_NOW_MS, &applied);
    link->result.received += applied.received;
    link->result.acknowledged += applied.acknowledged;
    link->result.refused += applied.refused;
    session_device_applied(&link->near, err, applied.has_more);
}

static bool drive_device(struct link *link)
{
    struct session_todo todo;

    session_device_next(&link->near, &todo);
    switch (todo.work) {
    case SESSION_WRITE:
        buffer_add(&link->to_hub, todo.bytes.ptr, todo.bytes.len);
        return true;
    case SESSION_CLOSE:
        link->is_near_closed = true;
        link->result.device_err = todo.err;
        return false;
    case SESSION_FILL:
        device_fill(link, todo.room);
        return true;
    case SESSION_APPLY:
        device_apply(link, todo.bytes);
        return true;
    case SESSION_WAIT:
    case SESSION_LOOKUP:
    case SESSION_INGEST:
    case SESSION_LOAD:
    case SESSION_SETTLED:
        break;
    }
    return false;
}

/* Delivers one piece; false if there was nothing to deliver. Past the cut, nothing arrives any
 * more. */
static bool deliver(struct link *link, struct buffer *wire, bool is_from_device)
{
    size_t piece = link->faults->chunk_bytes ? link->faults->chunk_bytes : SESSION_READ_MAX;
    size_t cut = is_from_device ? link->faults->cut_after_out : link->faults->cut_after_in;
    uint64_t *carried = is_from_device ? &link->result.bytes_out : &link->result.bytes_in;
    struct bytes in = buffer_view(wire);

    if (in.len > piece)
        in.len = piece;
    if (cut && *carried + in.len > cut)
        in.len = cut - *carried;
    if (in.len == 0)
        return false;
    if (link->faults->alter)
        link->faults->alter(link->faults->owner, &in, is_from_device);
    *carried += in.len;
    if (is_from_device)
        session_hub_receive(&link->far, in);
    else
        session_device_receive(&link->near, in);
    buffer_drop(wire, in.len);
    return true;
}

static void carry(struct link *link)
{
    bool is_moving = true;

    while (is_moving && !link->is_near_closed) {
        is_moving = false;
        while (drive_device(link))
            is_moving = true;
        if (!link->is_far_closed && session_hub_wants_bytes(&link->far))
            is_moving = deliver(link, &link->to_hub, true) || is_moving;
        while (!link->is_far_closed && drive_hub(link))
            is_moving = true;
        if (!link->is_near_closed && session_device_wants_bytes(&link->near))
            is_moving = deliver(link, &link->to_device, false) || is_moving;
    }
    if (!link->is_near_closed) {
        session_device_hangup(&link->near);
        (void)drive_device(link);
    }
    while (!link->is_far_closed && deliver(link, &link->to_hub, true))
        while (drive_hub(link))
            continue;
}

static void hub_session_init(struct session_hub *session, struct test_hub *hub)
{
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION, .clock_ms = LINK_NOW_MS};
    uint8_t random[KEY_BYTES];

    seal_random(random, sizeof random);
    ledger_incarnation(hub->ledger, welcome.incarnation);
    memcpy(welcome.sign_key, hub->keys.sign_public, KEY_BYTES);
    session_hub_init(session, &hub->keys.noise, random, &welcome);
}

uint64_t link_replay(struct test_hub *hub, struct bytes recorded)
{
    static const struct link_faults none;
    struct link *link = calloc(1, sizeof *link);

    assert_non_null(link);
    link->hub = hub;
    link->faults = &none;
    buffer_init(&link->to_hub, SIZE_MAX);
    buffer_init(&link->to_device, SIZE_MAX);
    buffer_add(&link->to_hub, recorded.ptr, recorded.len);
    hub_session_init(&link->far, hub);
    while (!link->is_far_closed && deliver(link, &link->to_hub, true))
        while (drive_hub(link))
            continue;
    uint64_t answered = link->to_device.len;
    session_hub_clear(&link->far);
    buffer_clear(&link->to_hub);
    buffer_clear(&link->to_device);
    free(link);
    return answered;
}

struct link_result link_connect(struct test_hub *hub, struct test_device *device,
                                enum channel_mode mode, const uint8_t *psk,
                                struct roster_request *request, const struct link_faults *faults)
{
    static const struct link_faults none;
    struct link *link = calloc(1, sizeof *link);
    const struct identity *identity = replica_identity(device->replica);
    uint8_t random[KEY_BYTES];
    const struct session_device_config config = {.mode = mode,
                                                 .keys = &identity->noise,
                                                 .ephemeral_secret = random,
                                                 .hub_key = hub->keys.noise.public,
                                                 .psk = psk,
                                                 .device = identity->device,
                                                 .clock_ms = LINK_NOW_MS};

    if (!link)
        return (struct link_result){.device_err = KITH_MEMORY};
    link->hub = hub;
    link->device = device;
    link->faults = faults ? faults : &none;
    buffer_init(&link->to_hub, SIZE_MAX);
    buffer_init(&link->to_device, SIZE_MAX);
    seal_random(random, sizeof random);
    session_device_init(&link->near, &config);
    hub_session_init(&link->far, hub);
    sending_init(&link->sending, LINK_NOW_MS / 1000);
    link->sending.is_greeting = mode != CHANNEL_SYNC;
    if (request)
        link->sending.request = *request;
    carry(link);
    if (request)
        *request = link->sending.request;
    link->result.round_trips = link->near.round_trips;
    struct link_result result = link->result;
    sending_clear(&link->sending);
    session_device_clear(&link->near);
    session_hub_clear(&link->far);
    buffer_clear(&link->to_hub);
    buffer_clear(&link->to_device);
    free(link);
    return result;
}

struct link_result link_sync(struct test_hub *hub, struct test_device *device)
{
    return link_connect(hub, device, CHANNEL_SYNC, NULL, NULL, NULL);
}

static void set_identity(struct test_device *device, const uint8_t *agency, uint32_t number,
                         const uint8_t *box)
{
    struct identity identity = *replica_identity(device->replica);

    identity.device = number;
    if (agency)
        memcpy(identity.agency, agency, ID_BYTES);
    if (box)
        memcpy(identity.invite_box_secret, box, KEY_BYTES);
    assert_int_equal(replica_set_identity(device->replica, &identity), KITH_OK);
}

enum kith_err link_ask_agency(struct test_hub *hub, struct test_device *founder,
                              enum agency_kind kind)
{
    struct invite_keys keys;
    uint8_t root[KEY_BYTES];
    uint8_t root_secret[SIGN_KEY_BYTES];
    struct roster_request request = {
        .is_wanted = true, .waits_for_hub = true, .sign_secret = root_secret};

    invite_derive(hub->founding_secret, &keys);
    seal_random(root, sizeof root);
    seal_sign_keypair(root, request.entry.root, root_secret);
    request.entry.type = ROSTER_FOUND;
    request.entry.agency_kind = kind;
    request.entry.roles = ROLE_ADMIN | ROLE_CUSTODIAN;
    memcpy(request.entry.hub_noise, hub->keys.noise.public, KEY_BYTES);
    identity_public(replica_identity(founder->replica), &request.entry.keys);
    set_identity(founder, NULL, 1, NULL);
    struct link_result result = link_connect(hub, founder, CHANNEL_FOUND, keys.psk, &request, NULL);
    assert_true(request.is_done || request.refusal);
    return request.refusal ? request.refusal : result.device_err;
}

void link_found(struct test_hub *hub, struct test_device *founder)
{
    uint8_t circle[ID_BYTES];
    uint32_t first = 1;
    const struct genesis genesis = {.kind = CIRCLE_AGENCY, .devices = &first, .device_count = 1};
    struct save nothing = {.now_ms = LINK_NOW_MS};

    assert_int_equal(link_ask_agency(hub, founder, AGENCY_SERVICES), KITH_OK);
    set_identity(founder, replica_roster(founder->replica)->agency, 1, NULL);
    assert_int_equal(replica_found_circle(founder->replica, &genesis, &nothing, circle), KITH_OK);
    assert_int_equal(link_sync(hub, founder).device_err, KITH_OK);
}

void link_join(struct test_hub *hub, struct test_device *inviter, struct test_device *device,
               uint32_t person, unsigned roles, uint32_t supervisor)
{
    uint8_t secret[CODE_SECRET_BYTES];
    struct invite_keys keys;
    struct roster_request invite = {.is_wanted = true,
                                    .has_psk = true,
                                    .sign_secret = replica_identity(inviter->replica)->sign_secret};

    seal_random(secret, sizeof secret);
    invite_derive(secret, &keys);
    invite.entry = (struct roster_entry){.type = ROSTER_INVITE,
                                         .author = replica_identity(inviter->replica)->device,
                                         .person = person,
                                         .roles = roles,
                                         .supervisor = supervisor,
                                         .expires_s = LINK_NOW_MS / 1000 + 3600};
    memcpy(invite.entry.keys.sign, keys.sign_public, KEY_BYTES);
    memcpy(invite.entry.keys.box, keys.box_public, KEY_BYTES);
    memcpy(invite.psk, keys.psk, KEY_BYTES);
    assert_int_equal(link_connect(hub, inviter, CHANNEL_SYNC, NULL, &invite, NULL).device_err,
                     KITH_OK);
    assert_int_equal(invite.refusal, KITH_OK);
    assert_true(invite.is_done);

    struct roster_request enrol = {.is_wanted = true, .sign_secret = keys.sign_secret};
    enrol.entry = (struct roster_entry){.type = ROSTER_ENROL, .author = invite.entry.device};
    identity_public(replica_identity(device->replica), &enrol.entry.keys);
    set_identity(device, replica_roster(inviter->replica)->agency, invite.entry.device,
                 keys.box_secret);
    assert_int_equal(link_connect(hub, device, CHANNEL_JOIN, keys.psk, &enrol, NULL).device_err,
                     KITH_OK);
    assert_true(enrol.is_done);
    assert_int_equal(link_sync(hub, device).device_err, KITH_OK);
}

void link_end(struct test_hub *hub, struct test_device *by, uint32_t device, enum leaving leaving)
{
    struct roster_request end = {.is_wanted = true,
                                 .sign_secret = replica_identity(by->replica)->sign_secret};
    bool is_transfer = leaving == LEAVING_TRANSFERRED;

    end.entry = (struct roster_entry){.type = ROSTER_END,
                                      .author = replica_identity(by->replica)->device,
                                      .device = device,
                                      .leaving = leaving,
                                      .until_s = is_transfer ? LINK_NOW_MS / 1000 + HANDOVER_S : 0};
    assert_int_equal(link_connect(hub, by, CHANNEL_SYNC, NULL, &end, NULL).device_err, KITH_OK);
    assert_true(end.is_done);
}

void link_chart(struct test_device *author, const char *name, uint8_t circle[static ID_BYTES])
{
    const struct roster *roster = replica_roster(author->replica);
    uint32_t self = replica_person(author->replica);
    struct circle_member members[16];
    uint32_t devices[16];
    struct genesis genesis = {.kind = CIRCLE_CHART, .members = members, .devices = devices};
    struct buffer value;

    for (uint32_t i = 0; i < roster->person_count; i++) {
        const struct roster_person *person = &roster->people[i];
        if (person->number == self || person->number == roster->people[self - 1].supervisor ||
            (person->roles & ROLE_CUSTODIAN))
            members[genesis.member_count++] = (struct circle_member){person->number, CIRCLE_WRITE};
    }
    for (uint32_t i = 0; i < roster->device_count; i++)
        for (uint32_t k = 0; k < genesis.member_count; k++)
            if (members[k].person == roster->devices[i].person &&
                roster->devices[i].state != DEVICE_ENDED)
                devices[genesis.device_count++] = roster->devices[i].number;
    buffer_init(&value, 1024);
    wire_put_text(&value, bytes_text(name));
    const struct edit edit = {.type = 3, .field = 1, .kind = OP_PUT, .value = buffer_view(&value)};
    struct save save = {
        .class = CHANGE_NORMAL, .edits = &edit, .edit_count = 1, .now_ms = LINK_NOW_MS};
    assert_int_equal(replica_found_circle(author->replica, &genesis, &save, circle), KITH_OK);
    buffer_clear(&value);
}

struct dot link_put(struct test_device *device, const uint8_t circle[static ID_BYTES],
                    const uint8_t record[static ID_BYTES], uint32_t type, uint32_t field,
                    const char *text)
{
    return link_put_as(device, CHANGE_NORMAL, circle, record, type, field, text);
}

struct dot link_put_as(struct test_device *device, enum change_class class,
                       const uint8_t circle[static ID_BYTES], const uint8_t record[static ID_BYTES],
                       uint32_t type, uint32_t field, const char *text)
{
    struct buffer value;
    struct dot dot;

    buffer_init(&value, VALUE_MAX);
    wire_put_text(&value, bytes_text(text));
    struct edit edit = {.type = type, .field = field, .kind = OP_PUT, .value = buffer_view(&value)};
    memcpy(edit.record, record, ID_BYTES);
    struct save save = {.class = class, .edits = &edit, .edit_count = 1, .now_ms = LINK_NOW_MS};
    memcpy(save.circle, circle, ID_BYTES);
    assert_int_equal(replica_save(device->replica, &save, &dot), KITH_OK);
    buffer_clear(&value);
    return dot;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

const char *link_read(struct test_device *device, const uint8_t circle[static ID_BYTES],
                      const uint8_t record[static ID_BYTES], uint32_t type, uint32_t field)
{
    static char joined[4096];
    char values[16][200];
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    struct found_record found;
    size_t count = 0;

    joined[0] = '\0';
    if (replica_find_in(&txn, circle, type, record, &found) == KITH_OK) {
        const struct merge_register *reg = record_register(&found.record, field, bytes_of(NULL, 0));
        for (uint32_t i = 0; reg && i < reg->live_count && count < 16; i++) {
            struct wire_in in = wire_open(reg->live[i].value);
            struct bytes text = wire_text(&in, VALUE_MAX);
            (void)snprintf(values[count++], sizeof values[0], "%.*s", (int)text.len,
                           (const char *)text.ptr);
        }
    }
    store_abort(&txn);
    qsort(values, count, sizeof values[0], compare_text);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s",
                       i ? "|" : "", values[i]);
    return joined;
}
