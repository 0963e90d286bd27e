/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub takes in: frames crafted with the keys of real devices, altered in every way, and
 * what is left of them in the ledger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "make.h"
#include "store/ledger_internal.h"

#define NOW_S        (LINK_NOW_MS / 1000)
#define OUTCOMES_MAX 16
#define RUN_MAX      8

/* Where the next change of a device in a circle goes. */
struct chain {
    const struct test_device *device;
    uint8_t circle[ID_BYTES];
    uint8_t key[KEY_BYTES];
    uint64_t n;
    uint8_t head[HASH_BYTES];
};

struct office {
    struct test_hub hub;
    struct test_device founder; /* device 1: admin, custodian */
    struct test_device rosa;    /* device 2: supervises ana */
    struct test_device ana;     /* device 3: specialist */
    struct test_device omar;    /* device 4: specialist, has no part in ana's charts */
    struct chain chart;         /* ana's own chains, one stored change in each */
    struct chain other;
};

static uint32_t device_number(const struct test_device *device)
{
    return replica_identity(device->replica)->device;
}

static void chain_read(struct chain *chain, const struct test_device *device,
                       const uint8_t circle[static ID_BYTES])
{
    struct store_txn txn = store_begin(replica_store(device->replica), STORE_READ);
    uint32_t number = device_circle_number(&txn, circle);
    struct chain_row own = device_chain_own(&txn, number);

    *chain = (struct chain){.device = device, .n = own.received};
    memcpy(chain->circle, circle, ID_BYTES);
    memcpy(chain->head, own.head, HASH_BYTES);
    assert_true(device_key_get(&txn, number, 1, chain->key));
    assert_int_equal(store_commit(&txn), KITH_OK);
}

static int office_open(void **state)
{
    static struct office office;
    uint8_t circle[ID_BYTES];

    test_hub_open(&office.hub);
    test_device_open(&office.founder);
    test_device_open(&office.rosa);
    test_device_open(&office.ana);
    test_device_open(&office.omar);
    link_found(&office.hub, &office.founder);
    link_join(&office.hub, &office.founder, &office.rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&office.hub, &office.founder, &office.ana, 0, ROLE_SPECIALIST, 2);
    link_join(&office.hub, &office.founder, &office.omar, 0, ROLE_SPECIALIST, 0);
    assert_int_equal(link_sync(&office.hub, &office.ana).device_err, KITH_OK);
    link_chart(&office.ana, "Maria Lopez", circle);
    chain_read(&office.chart, &office.ana, circle);
    link_chart(&office.ana, "Jo Park", circle);
    chain_read(&office.other, &office.ana, circle);
    assert_int_equal(link_sync(&office.hub, &office.ana).acknowledged, 2);
    *state = &office;
    return 0;
}

static int office_close(void **state)
{
    struct office *office = *state;

    test_device_close(&office->omar);
    test_device_close(&office->ana);
    test_device_close(&office->rosa);
    test_device_close(&office->founder);
    test_hub_close(&office->hub);
    return 0;
}

static struct change_header chain_header(const struct chain *chain)
{
    const struct identity *identity = replica_identity(chain->device->replica);
    struct change_header header = {
        .class = CHANGE_NORMAL, .epoch = 1, .device = identity->device, .n = chain->n + 1};

    memcpy(header.agency, identity->agency, ID_BYTES);
    memcpy(header.circle, chain->circle, ID_BYTES);
    memcpy(header.prev, chain->head, HASH_BYTES);
    return header;
}

static void craft(const struct chain *chain, const struct change_header *header,
                  struct made_change *made)
{
    made_change_init(made, header, chain->key,
                     replica_identity(chain->device->replica)->sign_secret,
                     bytes_text("visited, all is well"));
}

static void craft_next(const struct chain *chain, struct made_change *made)
{
    const struct change_header header = chain_header(chain);

    craft(chain, &header, made);
}

static void chain_advance(struct chain *chain, const struct made_change *made)
{
    chain->n = made->header.n;
    memcpy(chain->head, made->id, HASH_BYTES);
}

/* `count` changes, each behind the one before; the chain moves on. */
static void craft_run(struct chain *chain, struct made_change *made, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        craft_next(chain, &made[i]);
        chain_advance(chain, &made[i]);
    }
}

static void run_clear(struct made_change *made, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        made_change_clear(&made[i]);
}

static void push_as(struct buffer *frames, const uint8_t circle[static ID_BYTES], uint32_t device,
                    uint64_t first_n, const struct change *changes, uint32_t count)
{
    struct run_writer run;

    run_begin(&run);
    for (uint32_t i = 0; i < count; i++)
        run_add(&run, circle, device, first_n + i, &changes[i]);
    run_flush(&run, FRAME_PUSH, frames);
    run_end(&run);
    assert_int_equal(frames->err, KITH_OK);
}

static void push(struct buffer *frames, const struct made_change *made, uint32_t count)
{
    struct change changes[RUN_MAX];

    for (uint32_t i = 0; i < count; i++)
        changes[i] = made[i].change;
    push_as(frames, made[0].header.circle, made[0].header.device, made[0].header.n, changes, count);
}

/* What came back for one ingest. */
struct outcome {
    enum kith_err err;
    uint32_t stored;
    uint32_t refused_count;
    struct refused refused[OUTCOMES_MAX];
    uint32_t line_count;
    struct ack_line lines[OUTCOMES_MAX];
    bool is_enrolled;
};

static void visitor_ingest(struct ingest *ingest, const struct test_device *device,
                           enum channel_mode mode, struct bytes frames)
{
    const struct identity *identity = replica_identity(device->replica);

    ingest_init(ingest);
    ingest->mode = mode;
    ingest->device = identity->device;
    ingest->now_s = NOW_S;
    memcpy(ingest->noise_key, identity->noise.public, KEY_BYTES);
    buffer_add(&ingest->frames, frames.ptr, frames.len);
    assert_int_equal(ingest->frames.err, KITH_OK);
}

static void read_refusals(struct bytes refusals, struct outcome *outcome)
{
    struct wire_in batch = wire_open(refusals);
    struct frame frame;

    while (frame_next(&batch, &frame)) {
        assert_in_range(outcome->refused_count, 0, OUTCOMES_MAX - 1);
        assert_int_equal(frame.type, FRAME_REFUSED);
        assert_int_equal(refused_read(&outcome->refused[outcome->refused_count++], &frame),
                         KITH_OK);
    }
    assert_int_equal(wire_close(&batch), KITH_OK);
}

static void read_receipt(const struct office *office, const struct session_answer *answer,
                         struct outcome *outcome)
{
    const struct identity *identity = replica_identity(office->founder.replica);
    uint8_t incarnation[INCARNATION_BYTES];
    uint8_t hash[HASH_BYTES];
    struct wire_in batch;
    struct buffer out;
    struct frame frame;
    struct ack ack;

    ledger_incarnation(office->hub.ledger, incarnation);
    ack_hash(identity->agency, incarnation, answer->lines, hash);
    assert_int_equal(
        seal_verify(SEAL_RECEIPT_SIGN, office->hub.keys.sign_public, hash, answer->signature),
        KITH_OK);
    buffer_init(&out, NOISE_TEXT_MAX);
    ack_write(&out, 1, answer->line_count, answer->lines, answer->signature);
    batch = wire_open(buffer_view(&out));
    assert_true(frame_next(&batch, &frame));
    assert_int_equal(ack_read(&ack, &frame), KITH_OK);
    assert_in_range(answer->line_count, 0, OUTCOMES_MAX);
    while (ack_next(&ack, &outcome->lines[outcome->line_count]))
        outcome->line_count++;
    assert_int_equal(outcome->line_count, answer->line_count);
    buffer_clear(&out);
}

static void outcome_read(const struct office *office, const struct ingest *ingest,
                         struct outcome *outcome)
{
    struct session_answer answer;

    ingest_answer(ingest, &answer);
    *outcome = (struct outcome){
        .err = answer.err, .stored = ingest->stored_count, .is_enrolled = answer.is_enrolled};
    if (answer.err)
        return;
    read_refusals(answer.refusals, outcome);
    read_receipt(office, &answer, outcome);
}

static struct outcome submit(struct office *office, struct ingest *ingest)
{
    struct outcome outcome;

    ledger_verify(office->hub.ledger, ingest);
    assert_int_equal(ledger_commit(office->hub.ledger, &ingest, 1), KITH_OK);
    outcome_read(office, ingest, &outcome);
    ingest_clear(ingest);
    return outcome;
}

/* Frames of one SYNC session; the buffer is emptied. */
static struct outcome send(struct office *office, const struct test_device *device,
                           struct buffer *frames)
{
    struct ingest ingest;

    visitor_ingest(&ingest, device, CHANNEL_SYNC, buffer_view(frames));
    buffer_reset(frames);
    return submit(office, &ingest);
}

static struct outcome send_changes(struct office *office, const struct made_change *made,
                                   uint32_t count)
{
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    push(&frames, made, count);
    struct outcome outcome = send(office, &office->ana, &frames);
    buffer_clear(&frames);
    return outcome;
}

static uint64_t ledger_sequence(const struct office *office)
{
    struct ledger_stats stats;

    assert_int_equal(ledger_stats(office->hub.ledger, &stats), KITH_OK);
    return stats.sequence;
}

static void assert_refused(const struct outcome *outcome, enum kith_err reason)
{
    assert_int_equal(outcome->err, KITH_OK);
    assert_int_equal(outcome->stored, 0);
    assert_int_equal(outcome->refused_count, 1);
    assert_int_equal(outcome->refused[0].reason, reason);
}

static void assert_stored(const struct outcome *outcome, uint32_t count)
{
    assert_int_equal(outcome->err, KITH_OK);
    assert_int_equal(outcome->refused_count, 0);
    assert_int_equal(outcome->stored, count);
}

static void assert_line(const struct ack_line *line, enum ack_kind kind, const struct chain *chain)
{
    assert_int_equal(line->kind, kind);
    assert_memory_equal(line->circle, chain->circle, ID_BYTES);
    assert_int_equal(line->device, device_number(chain->device));
    assert_int_equal(line->n, chain->n);
    assert_memory_equal(line->head, chain->head, HASH_BYTES);
}

/* The chain still takes its next change, and nothing came before it. */
static void assert_goes_on(struct office *office, struct chain *chain, uint64_t sequence)
{
    struct made_change good;

    assert_int_equal(ledger_sequence(office), sequence);
    craft_run(chain, &good, 1);
    struct outcome outcome = send_changes(office, &good, 1);
    assert_stored(&outcome, 1);
    assert_int_equal(outcome.line_count, 1);
    assert_line(&outcome.lines[0], ACK_CHAIN, chain);
    assert_int_equal(ledger_sequence(office), sequence + 1);
    made_change_clear(&good);
}

static void a_flipped_bit_in_sealed_text_or_signature_is_refused_as_a_wrong_signature(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct made_change made;

    craft_next(&office->chart, &made);
    for (size_t i = 0; i < made.sealed.len + SIGNATURE_BYTES; i++) {
        uint8_t *byte =
            i < made.sealed.len ? &made.sealed.ptr[i] : &made.signature[i - made.sealed.len];
        *byte ^= (uint8_t)(1u << (i % 8));
        struct outcome outcome = send_changes(office, &made, 1);
        assert_refused(&outcome, KITH_SIGNATURE);
        assert_int_equal(outcome.refused[0].n, made.header.n);
        assert_memory_equal(outcome.refused[0].circle, office->chart.circle, ID_BYTES);
        *byte ^= (uint8_t)(1u << (i % 8));
    }
    made_change_clear(&made);
    assert_goes_on(office, &office->chart, sequence);
}

static void a_change_under_another_mark_circle_or_number_is_refused(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    static const struct {
        uint64_t n;
        enum change_class class;
        uint32_t epoch;
        unsigned flipped; /* byte of the circle's id + 1; 0: none */
        enum kith_err reason;
    } rows[] = {
        {2, CHANGE_URGENT, 1, 0, KITH_SIGNATURE},  {2, CHANGE_BULK, 1, 0, KITH_SIGNATURE},
        {2, CHANGE_NORMAL, 2, 0, KITH_SIGNATURE},  {2, CHANGE_NORMAL, EPOCH_MAX, 0, KITH_SIGNATURE},
        {1, CHANGE_NORMAL, 1, 0, KITH_FORKED},     {3, CHANGE_NORMAL, 1, 0, KITH_GAP},
        {1u << 31, CHANGE_NORMAL, 1, 0, KITH_GAP}, {UINT64_MAX / 2, CHANGE_NORMAL, 1, 0, KITH_GAP},
        {2, CHANGE_NORMAL, 1, 1, KITH_GAP},        {2, CHANGE_NORMAL, 1, 16, KITH_GAP},
        {1, CHANGE_NORMAL, 1, 1, KITH_SIGNATURE},  {1, CHANGE_NORMAL, 1, 16, KITH_SIGNATURE},
    };
    struct made_change made;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_next(&office->chart, &made);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct change change = made.change;
        uint8_t circle[ID_BYTES];
        memcpy(circle, office->chart.circle, ID_BYTES);
        if (rows[i].flipped)
            circle[rows[i].flipped - 1] ^= 0x10;
        change.class = rows[i].class;
        change.epoch = rows[i].epoch;
        push_as(&frames, circle, device_number(&office->ana), rows[i].n, &change, 1);
        struct outcome outcome = send(office, &office->ana, &frames);
        assert_refused(&outcome, rows[i].reason);
    }
    buffer_clear(&frames);
    made_change_clear(&made);
    assert_goes_on(office, &office->chart, sequence);
}

/* Head, numbers, lengths and content: no single bit of a frame can be wrong and the change be
 * stored. */
static void no_flipped_bit_of_a_frame_leads_to_a_stored_change(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct made_change made;
    struct buffer frames;
    struct buffer altered;

    buffer_init(&frames, BATCH_MAX);
    buffer_init(&altered, BATCH_MAX);
    craft_next(&office->chart, &made);
    push(&frames, &made, 1);
    for (size_t bit = 0; bit < frames.len * 8; bit++) {
        buffer_add(&altered, frames.ptr, frames.len);
        altered.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct outcome outcome = send(office, &office->ana, &altered);
        assert_int_equal(outcome.stored, 0);
        assert_true(outcome.err || outcome.refused_count == 1);
    }
    buffer_clear(&altered);
    buffer_clear(&frames);
    made_change_clear(&made);
    assert_goes_on(office, &office->chart, sequence);
}

static void what_is_signed_rightly_but_does_not_belong_is_refused_with_its_reason(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct chain unknown = {.device = &office->ana};
    struct chain foreign = office->chart;
    struct chain skipped = office->chart;
    struct made_change made;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    seal_random(unknown.circle, ID_BYTES);
    craft_next(&unknown, &made);
    struct outcome outcome = send_changes(office, &made, 1);
    assert_refused(&outcome, KITH_UNKNOWN_CIRCLE);
    assert_int_equal(outcome.line_count, 0);
    made_change_clear(&made);

    foreign.device = &office->omar;
    foreign.n = 0;
    memset(foreign.head, 0, HASH_BYTES);
    craft_next(&foreign, &made);
    push(&frames, &made, 1);
    outcome = send(office, &office->omar, &frames);
    assert_refused(&outcome, KITH_NOT_MEMBER);
    made_change_clear(&made);

    struct change_header header = chain_header(&office->chart);
    header.epoch = 2;
    craft(&office->chart, &header, &made);
    outcome = send_changes(office, &made, 1);
    assert_refused(&outcome, KITH_EPOCH);
    made_change_clear(&made);

    skipped.n++;
    craft_next(&skipped, &made);
    outcome = send_changes(office, &made, 1);
    assert_refused(&outcome, KITH_GAP);
    made_change_clear(&made);

    header = chain_header(&office->chart);
    header.prev[0] ^= 1;
    craft(&office->chart, &header, &made);
    outcome = send_changes(office, &made, 1);
    assert_refused(&outcome, KITH_SIGNATURE);
    made_change_clear(&made);
    buffer_clear(&frames);
    assert_goes_on(office, &office->chart, sequence);
}

static void a_change_signed_with_another_key_is_refused(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    const struct change_header header = chain_header(&office->chart);
    const struct test_device *others[] = {&office->founder, &office->rosa, &office->omar};
    struct made_change made;

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        made_change_init(&made, &header, office->chart.key,
                         replica_identity(others[i]->replica)->sign_secret,
                         bytes_text("as if ana had written it"));
        struct outcome outcome = send_changes(office, &made, 1);
        assert_refused(&outcome, KITH_SIGNATURE);
        made_change_clear(&made);
    }
    assert_goes_on(office, &office->chart, sequence);
}

static void somebody_who_may_only_read_cannot_write(void **state)
{
    struct office *office = *state;
    const struct circle_member reader = {.person = replica_person(office->omar.replica),
                                         .right = CIRCLE_READ};
    struct made_change made;
    struct buffer frames;
    struct chain chain;

    assert_int_equal(replica_grant(office->ana.replica, office->chart.circle, &reader), KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&office->hub, &office->omar).device_err, KITH_OK);
    chain_read(&chain, &office->omar, office->chart.circle);
    buffer_init(&frames, BATCH_MAX);
    craft_next(&chain, &made);
    push(&frames, &made, 1);
    struct outcome outcome = send(office, &office->omar, &frames);
    assert_refused(&outcome, KITH_NOT_MEMBER);
    buffer_clear(&frames);
    made_change_clear(&made);
}

static void a_repeated_run_is_acknowledged_and_stored_once(void **state)
{
    struct office *office = *state;
    struct made_change made[3];
    uint64_t sequence = ledger_sequence(office);

    craft_run(&office->chart, made, 3);
    struct outcome outcome = send_changes(office, made, 2);
    assert_stored(&outcome, 2);
    for (uint32_t from = 0; from < 2; from++) {
        outcome = send_changes(office, &made[from], 2 - from);
        assert_stored(&outcome, 0);
        assert_int_equal(outcome.line_count, 1);
        assert_int_equal(outcome.lines[0].n, 3);
        assert_memory_equal(outcome.lines[0].head, made[1].id, HASH_BYTES);
    }
    outcome = send_changes(office, made, 3);
    assert_stored(&outcome, 1);
    assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
    assert_int_equal(ledger_sequence(office), sequence + 3);
    run_clear(made, 3);
}

static void another_change_under_a_stored_number_is_forked(void **state)
{
    struct office *office = *state;
    struct chain twin = office->chart;
    struct made_change first[2];
    struct made_change second[2];

    craft_run(&office->chart, first, 2);
    craft_run(&twin, second, 2);
    struct outcome outcome = send_changes(office, first, 1);
    assert_stored(&outcome, 1);
    uint64_t sequence = ledger_sequence(office);
    outcome = send_changes(office, second, 2);
    assert_refused(&outcome, KITH_FORKED);
    assert_int_equal(outcome.refused[0].n, second[0].header.n);
    assert_memory_equal(outcome.lines[0].head, first[0].id, HASH_BYTES);
    outcome = send_changes(office, &second[1], 1);
    assert_int_equal(outcome.refused_count, 1);
    assert_int_equal(outcome.stored, 0);
    assert_int_equal(ledger_sequence(office), sequence);
    outcome = send_changes(office, first, 2);
    assert_stored(&outcome, 1);
    run_clear(first, 2);
    run_clear(second, 2);
}

static void a_fork_within_one_ingest_is_forked_too(void **state)
{
    struct office *office = *state;
    struct chain twin = office->chart;
    struct made_change first;
    struct made_change second;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&office->chart, &first, 1);
    craft_run(&twin, &second, 1);
    push(&frames, &first, 1);
    push(&frames, &second, 1);
    struct outcome outcome = send(office, &office->ana, &frames);
    assert_int_equal(outcome.stored, 1);
    assert_int_equal(outcome.refused_count, 1);
    assert_int_equal(outcome.refused[0].reason, KITH_FORKED);
    assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
    buffer_clear(&frames);
    made_change_clear(&first);
    made_change_clear(&second);
}

/* Two connections of one device, both verified before either is committed. */
static void a_fork_between_two_ingests_of_one_commit_is_forked_too(void **state)
{
    struct office *office = *state;
    struct chain twin = office->chart;
    struct made_change made[2];
    struct ingest ingests[2];
    struct ingest *batch[] = {&ingests[0], &ingests[1]};
    struct outcome outcomes[2];
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&office->chart, &made[0], 1);
    craft_run(&twin, &made[1], 1);
    for (size_t i = 0; i < 2; i++) {
        push(&frames, &made[i], 1);
        visitor_ingest(&ingests[i], &office->ana, CHANNEL_SYNC, buffer_view(&frames));
        ledger_verify(office->hub.ledger, &ingests[i]);
        buffer_reset(&frames);
    }
    assert_int_equal(ledger_commit(office->hub.ledger, batch, 2), KITH_OK);
    for (size_t i = 0; i < 2; i++)
        outcome_read(office, &ingests[i], &outcomes[i]);
    assert_stored(&outcomes[0], 1);
    assert_refused(&outcomes[1], KITH_FORKED);
    for (size_t i = 0; i < 2; i++)
        ingest_clear(&ingests[i]);
    run_clear(made, 2);
    buffer_clear(&frames);
}

static void changes_of_a_circle_that_is_not_ones_own_are_foreign_and_tell_nothing(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct chain own = office->chart;
    struct made_change made;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&own, &made, 1);
    for (uint64_t first_n = 1; first_n <= 9; first_n += 4) { /* there, next, beyond */
        push_as(&frames, own.circle, device_number(&office->ana), first_n, &made.change, 1);
        struct outcome outcome = send(office, &office->omar, &frames);
        assert_refused(&outcome, KITH_FOREIGN);
        assert_int_equal(outcome.line_count, 0);
    }
    assert_int_equal(ledger_sequence(office), sequence);
    buffer_clear(&frames);
    made_change_clear(&made);
}

/* They may have come to rosa by hand. Her receipt says nothing of them. */
static void changes_of_another_device_are_taken_of_whoever_reads_along(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct made_change made[3];
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&office->chart, made, 3);
    push(&frames, made, 2);
    struct outcome outcome = send(office, &office->rosa, &frames);
    assert_stored(&outcome, 2);
    assert_int_equal(outcome.line_count, 0);
    push(&frames, made + 1, 2); /* one again, one new */
    outcome = send(office, &office->rosa, &frames);
    assert_stored(&outcome, 1);
    assert_int_equal(ledger_sequence(office), sequence + 3);
    outcome = send_changes(office, made, 3); /* and then by their author, who gets the receipt */
    assert_stored(&outcome, 0);
    assert_int_equal(outcome.line_count, 1);
    assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
    assert_int_equal(ledger_sequence(office), sequence + 3);
    run_clear(made, 3);
    buffer_clear(&frames);
}

static void who_brings_changes_of_others_can_alter_or_invent_nothing(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct chain ahead = office->chart;
    struct made_change made[2];
    struct made_change mine;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&ahead, made, 2);
    push(&frames, made + 1, 1);
    struct outcome outcome = send(office, &office->rosa, &frames);
    assert_refused(&outcome, KITH_GAP);
    made[0].sealed.ptr[40] ^= 1;
    push(&frames, made, 2);
    outcome = send(office, &office->rosa, &frames);
    assert_refused(&outcome, KITH_SIGNATURE);
    push_as(&frames, office->chart.circle, device_number(&office->omar), 1, &made[1].change, 1);
    outcome = send(office, &office->rosa, &frames);
    assert_refused(&outcome, KITH_SIGNATURE);
    push_as(&frames, office->chart.circle, 77, 1, &made[1].change, 1);
    outcome = send(office, &office->rosa, &frames);
    assert_refused(&outcome, KITH_FOREIGN);
    assert_int_equal(ledger_sequence(office), sequence);

    /* Beside such a run the own one is taken and acknowledged, before and behind it. */
    for (unsigned order = 0; order < 2; order++) {
        craft_run(&office->chart, &mine, 1);
        if (order == 0)
            push(&frames, &mine, 1);
        push_as(&frames, office->chart.circle, 77, 1, &made[1].change, 1);
        if (order == 1)
            push(&frames, &mine, 1);
        outcome = send(office, &office->ana, &frames);
        assert_int_equal(outcome.stored, 1);
        assert_int_equal(outcome.refused_count, 1);
        assert_int_equal(outcome.refused[0].reason, KITH_FOREIGN);
        assert_int_equal(outcome.line_count, 1);
        assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
        made_change_clear(&mine);
    }
    run_clear(made, 2);
    buffer_clear(&frames);
}

static void a_bad_change_stops_its_own_chain_and_no_other(void **state)
{
    struct office *office = *state;
    struct made_change bad[3];
    struct made_change good[2];
    struct buffer frames;
    struct chain chart = office->chart;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&chart, bad, 3);
    craft_run(&office->other, good, 2);
    bad[1].signature[7] ^= 1;
    push(&frames, bad, 3);
    push(&frames, good, 2);
    struct outcome outcome = send(office, &office->ana, &frames);
    assert_int_equal(outcome.err, KITH_OK);
    assert_int_equal(outcome.stored, 3);
    assert_int_equal(outcome.refused_count, 1); /* what follows it is not told */
    assert_int_equal(outcome.refused[0].reason, KITH_SIGNATURE);
    assert_int_equal(outcome.refused[0].n, bad[1].header.n);
    assert_int_equal(outcome.line_count, 2);
    assert_int_equal(outcome.lines[0].n, bad[0].header.n);
    assert_memory_equal(outcome.lines[0].head, bad[0].id, HASH_BYTES);
    assert_line(&outcome.lines[1], ACK_CHAIN, &office->other);
    bad[1].signature[7] ^= 1;
    outcome = send_changes(office, bad, 3);
    assert_stored(&outcome, 2);
    run_clear(bad, 3);
    run_clear(good, 2);
    buffer_clear(&frames);
}

static void a_frame_cut_anywhere_ends_the_session_and_stores_nothing(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct made_change made[2];
    struct buffer frames;
    struct buffer cut;
    struct chain chart = office->chart;

    buffer_init(&frames, BATCH_MAX);
    buffer_init(&cut, BATCH_MAX);
    craft_run(&chart, made, 2);
    push(&frames, made, 2);
    for (size_t len = 0; len < frames.len; len++) {
        buffer_add(&cut, frames.ptr, len);
        struct outcome outcome = send(office, &office->ana, &cut);
        assert_int_equal(outcome.stored, 0);
        assert_int_equal(outcome.err != KITH_OK, len > 0);
    }
    buffer_clear(&cut);
    buffer_clear(&frames);
    run_clear(made, 2);
    assert_goes_on(office, &office->chart, sequence);
}

/* A good frame in front of a broken one: the answer could not be trusted to be read, so nothing of
 * it is stored. */
static void what_is_not_well_formed_ends_the_session_as_a_whole(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    static const struct {
        const char *bytes;
        size_t len;
        enum kith_err err;
    } rows[] = {
        {"\xc1", 1, KITH_MALFORMED},
        {"\x90", 1, KITH_CUT},
        {"\x91\x01", 2, KITH_UNKNOWN_TYPE},
        {"\x91\x3f", 2, KITH_UNKNOWN_TYPE},
        {"\x91\x03", 2, KITH_MALFORMED},
        {"\x92\x09\x01", 3, KITH_MALFORMED},
        {"\xdd\xff\xff\xff\xff", 5, KITH_MALFORMED},
        {"\x93\x09\x01\xdc\xff\xff", 6, KITH_CUT},
    };
    struct made_change made;
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    craft_next(&office->chart, &made);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        push(&frames, &made, 1);
        buffer_add(&frames, rows[i].bytes, rows[i].len);
        struct outcome outcome = send(office, &office->ana, &frames);
        assert_int_equal(outcome.stored, 0);
        assert_int_not_equal(outcome.err, KITH_OK);
    }
    buffer_clear(&frames);
    made_change_clear(&made);
    assert_goes_on(office, &office->chart, sequence);
}

static void a_sealed_text_over_the_limit_is_too_large(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    static uint8_t text[CHANGE_SEALED_MAX + 1];
    static const uint8_t signature[SIGNATURE_BYTES];
    struct buffer frames;

    buffer_init(&frames, 2 * BATCH_MAX);
    for (size_t over = 0; over < 2; over++) {
        const struct change change = {CHANGE_NORMAL, 1, bytes_of(text, CHANGE_SEALED_MAX + over),
                                      signature};
        push_as(&frames, office->chart.circle, device_number(&office->ana), office->chart.n + 1,
                &change, 1);
        struct outcome outcome = send(office, &office->ana, &frames);
        assert_int_equal(outcome.err, over ? KITH_TOO_LARGE : KITH_OK);
        assert_int_equal(outcome.refused_count, over ? 0 : 1);
    }
    buffer_clear(&frames);
    assert_goes_on(office, &office->chart, sequence);
}

static void garbage_is_never_stored(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct dice dice = {7};
    uint8_t bytes[96];
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    for (unsigned i = 0; i < 4000; i++) {
        size_t len = 1 + dice_below(&dice, sizeof bytes);
        dice_bytes(&dice, bytes, len);
        if (i % 2)
            bytes[0] = (uint8_t)(0x90 | (bytes[0] & 0x07));
        buffer_add(&frames, bytes, len);
        struct outcome outcome = send(office, &office->ana, &frames);
        assert_int_not_equal(outcome.err, KITH_OK);
        assert_int_equal(outcome.stored, 0);
    }
    buffer_clear(&frames);
    assert_goes_on(office, &office->chart, sequence);
}

/* A chart's genesis by ana for herself and the custodian. */
struct genesis_made {
    struct circle_member members[2];
    uint32_t devices[2];
    struct circle_entry entry;
    struct buffer bytes;
    uint8_t circle[ID_BYTES];
};

static void genesis_make(const struct test_device *author, enum circle_kind kind,
                         struct genesis_made *made)
{
    const struct identity *identity = replica_identity(author->replica);
    struct circle none;

    *made = (struct genesis_made){
        .members = {{1, CIRCLE_WRITE}, {replica_person(author->replica), CIRCLE_WRITE}},
        .devices = {1, identity->device},
        .entry = {.type = CIRCLE_GENESIS,
                  .author = identity->device,
                  .roster_seq = replica_roster(author->replica)->count,
                  .time_s = NOW_S,
                  .kind = kind,
                  .member_count = kind == CIRCLE_AGENCY ? 0 : 2,
                  .device_count = kind == CIRCLE_AGENCY ? 1 : 2}};
    made->entry.members = made->members;
    made->entry.devices = made->devices;
    memcpy(made->entry.agency, identity->agency, ID_BYTES);
    seal_random(made->entry.salt, ID_BYTES);
    buffer_init(&made->bytes, ENTRY_MAX);
    circle_init(&none);
    assert_int_equal(circle_entry_write(&none, &made->entry, identity->sign_secret, &made->bytes),
                     KITH_OK);
    circle_clear(&none);
    circle_id(made->entry.link.hash, made->circle);
}

static struct outcome send_entry(struct office *office, const struct test_device *device,
                                 const uint8_t circle[static ID_BYTES], uint32_t seq,
                                 struct bytes entry, struct bytes boxes)
{
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    circle_frame_write(&frames, circle, seq, entry, boxes);
    struct outcome outcome = send(office, device, &frames);
    buffer_clear(&frames);
    return outcome;
}

static void a_genesis_altered_at_any_byte_is_refused(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    const struct bytes no_boxes = bytes_of(NULL, 0);
    struct genesis_made made;
    struct outcome outcome;
    uint8_t circle[ID_BYTES];

    genesis_make(&office->ana, CIRCLE_CHART, &made);
    for (size_t i = 0; i < made.bytes.len; i++) {
        made.bytes.ptr[i] ^= (uint8_t)(1u << (i % 8));
        outcome =
            send_entry(office, &office->ana, made.circle, 1, buffer_view(&made.bytes), no_boxes);
        assert_int_equal(outcome.err, KITH_OK);
        assert_int_equal(outcome.refused_count, 1);
        assert_int_equal(outcome.refused[0].kind, ACK_CIRCLE);
        made.bytes.ptr[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t i = 0; i < ID_BYTES; i++) {
        memcpy(circle, made.circle, ID_BYTES);
        circle[i] ^= 1;
        outcome = send_entry(office, &office->ana, circle, 1, buffer_view(&made.bytes), no_boxes);
        assert_refused(&outcome, KITH_MALFORMED);
    }
    outcome = send_entry(office, &office->omar, made.circle, 1, buffer_view(&made.bytes), no_boxes);
    assert_refused(&outcome, KITH_FOREIGN);
    assert_int_equal(ledger_sequence(office), sequence);
    for (unsigned times = 0; times < 2; times++) { /* repeated: acknowledged again, stored once */
        outcome =
            send_entry(office, &office->ana, made.circle, 1, buffer_view(&made.bytes), no_boxes);
        assert_int_equal(outcome.refused_count, 0);
        assert_int_equal(outcome.line_count, 1);
        assert_int_equal(outcome.lines[0].kind, ACK_CIRCLE);
        assert_int_equal(outcome.lines[0].n, 1);
        assert_memory_equal(outcome.lines[0].head, made.entry.link.hash, HASH_BYTES);
        assert_int_equal(ledger_sequence(office), sequence + 1);
    }
    buffer_clear(&made.bytes);
}

static void a_second_circle_of_the_agency_is_refused(void **state)
{
    struct office *office = *state;
    uint64_t sequence = ledger_sequence(office);
    struct genesis_made made;

    genesis_make(&office->founder, CIRCLE_AGENCY, &made);
    struct outcome outcome = send_entry(office, &office->founder, made.circle, 1,
                                        buffer_view(&made.bytes), bytes_of(NULL, 0));
    assert_refused(&outcome, KITH_EXISTS);
    assert_int_equal(ledger_sequence(office), sequence);
    buffer_clear(&made.bytes);
    genesis_make(&office->ana, CIRCLE_AGENCY, &made);
    outcome = send_entry(office, &office->ana, made.circle, 1, buffer_view(&made.bytes),
                         bytes_of(NULL, 0));
    assert_refused(&outcome, KITH_NOT_ALLOWED);
    buffer_clear(&made.bytes);
}

/* A grant of ana's chart by ana that names one device and nobody new, with a box that opens for
 * nobody. */
static struct outcome name_again(struct office *office, uint32_t device)
{
    uint8_t box[BOX_ROW_BYTES] = {0};
    struct circle_entry entry = {.type = CIRCLE_GRANT,
                                 .author = device_number(&office->ana),
                                 .roster_seq = replica_roster(office->ana.replica)->count,
                                 .time_s = NOW_S,
                                 .devices = &device,
                                 .device_count = 1};
    struct store_txn txn = store_begin(replica_store(office->ana.replica), STORE_READ);
    struct circle_row row;
    struct buffer bytes;

    buffer_init(&bytes, ENTRY_MAX);
    device_circle_get(&txn, device_circle_number(&txn, office->chart.circle), &row);
    assert_int_equal(circle_entry_write(&row.circle, &entry,
                                        replica_identity(office->ana.replica)->sign_secret, &bytes),
                     KITH_OK);
    put_u32(box, device);
    struct outcome outcome = send_entry(office, &office->ana, office->chart.circle, entry.link.seq,
                                        buffer_view(&bytes), bytes_of(box, sizeof box));
    circle_clear(&row.circle);
    store_abort(&txn);
    buffer_clear(&bytes);
    return outcome;
}

static void a_member_cannot_put_another_box_in_place_of_a_stored_one(void **state)
{
    struct office *office = *state;

    struct outcome outcome = name_again(office, device_number(&office->rosa));
    assert_int_equal(outcome.refused_count, 0);
    struct link_result result = link_sync(&office->hub, &office->rosa);
    assert_int_equal(result.device_err, KITH_OK);
    assert_int_equal(result.received, 2);
    assert_string_equal(link_read(&office->rosa, office->chart.circle, office->chart.circle, 3, 1),
                        "Maria Lopez");
}

static void a_device_that_is_named_again_is_not_sent_everything_again(void **state)
{
    struct office *office = *state;
    struct hub_state known;
    struct backlog backlog;
    struct pull pull = {0};

    assert_int_equal(link_sync(&office->hub, &office->rosa).received, 2);
    struct outcome outcome = name_again(office, device_number(&office->rosa));
    assert_int_equal(outcome.refused_count, 0);
    assert_int_equal(replica_hub(office->rosa.replica, &known), KITH_OK);
    memcpy(pull.incarnation, known.incarnation, INCARNATION_BYTES);
    memcpy(pull.digest, known.digest, DIGEST_BYTES);
    pull.cursor = bytes_of(known.cursor, known.cursor_len);
    backlog_init(&backlog);
    assert_int_equal(
        ledger_load(office->hub.ledger, device_number(&office->rosa), &pull, false, &backlog),
        KITH_OK);
    assert_true(backlog.is_up_to_date);
    assert_int_equal(backlog.change_count, 0);
    assert_true(backlog.frames.len > 0);
    backlog_clear(&backlog);
}

/* One roster entry as frames, signed by `secret`; the psk frame of an invitation is the caller's to
 * add. */
static void roster_frame(const struct office *office, struct roster_entry *entry,
                         const uint8_t *secret, struct buffer *frames)
{
    struct buffer bytes;

    buffer_init(&bytes, ENTRY_MAX);
    assert_int_equal(roster_entry_write(&office->hub.ledger->roster, entry, secret, &bytes),
                     KITH_OK);
    struct bytes view = buffer_view(&bytes);
    roster_frame_write(frames, entry->link.seq, &view, 1);
    buffer_clear(&bytes);
}

struct invitation {
    struct invite_keys keys;
    struct roster_entry entry;
};

static void invitation_make(const struct office *office, const struct test_device *author,
                            unsigned roles, struct invitation *made, struct buffer *frames)
{
    const struct identity *identity = replica_identity(author->replica);
    uint8_t secret[CODE_SECRET_BYTES];

    seal_random(secret, sizeof secret);
    invite_derive(secret, &made->keys);
    made->entry = (struct roster_entry){.type = ROSTER_INVITE,
                                        .author = identity->device,
                                        .device = office->hub.ledger->roster.device_count + 1,
                                        .person = office->hub.ledger->roster.person_count + 1,
                                        .roles = roles,
                                        .expires_s = NOW_S + 3600};
    memcpy(made->entry.keys.sign, made->keys.sign_public, KEY_BYTES);
    memcpy(made->entry.keys.box, made->keys.box_public, KEY_BYTES);
    roster_frame(office, &made->entry, identity->sign_secret, frames);
}

static void send_psk(struct office *office, const struct test_device *by, uint32_t device,
                     uint8_t fill)
{
    struct invite_frame invite = {.device = device};
    struct buffer frames;

    buffer_init(&frames, BATCH_MAX);
    memset(invite.psk, fill, KEY_BYTES);
    invite_write(&frames, &invite);
    struct outcome outcome = send(office, by, &frames);
    assert_int_equal(outcome.err, KITH_OK);
    assert_int_equal(outcome.refused_count + outcome.line_count, 0);
    buffer_clear(&frames);
}

static enum kith_err stored_psk(const struct office *office, uint32_t device, uint8_t *first)
{
    struct ledger_visitor visitor = {.mode = CHANNEL_JOIN, .device = device, .now_s = NOW_S};
    uint8_t psk[KEY_BYTES] = {0};
    enum kith_err err = ledger_identify(office->hub.ledger, &visitor, psk);

    *first = psk[0];
    return err;
}

static void a_roster_entry_over_sync_is_taken_from_its_author_and_by_the_rules_only(void **state)
{
    struct office *office = *state;
    struct invitation invitation;
    struct buffer frames;
    uint32_t count = office->hub.ledger->roster.count;

    buffer_init(&frames, BATCH_MAX);
    invitation_make(office, &office->ana, ROLE_SPECIALIST, &invitation, &frames);
    struct outcome outcome = send(office, &office->ana, &frames);
    assert_refused(&outcome, KITH_NOT_ALLOWED);
    assert_int_equal(outcome.refused[0].kind, ACK_ROSTER);
    invitation_make(office, &office->founder, ROLE_SPECIALIST, &invitation, &frames);
    outcome = send(office, &office->ana, &frames);
    assert_refused(&outcome, KITH_NOT_ALLOWED);
    assert_int_equal(office->hub.ledger->roster.count, count);
    invitation_make(office, &office->founder, ROLE_SPECIALIST, &invitation, &frames);
    outcome = send(office, &office->founder, &frames);
    assert_int_equal(outcome.refused_count, 0);
    assert_int_equal(outcome.lines[0].kind, ACK_ROSTER);
    assert_int_equal(outcome.lines[0].n, count + 1);
    assert_memory_equal(outcome.lines[0].head, invitation.entry.link.hash, HASH_BYTES);
    buffer_clear(&frames);
}

static void a_roster_entry_altered_at_any_byte_is_refused(void **state)
{
    struct office *office = *state;
    struct invitation invitation;
    struct buffer frames;
    struct buffer altered;
    uint32_t count = office->hub.ledger->roster.count;

    buffer_init(&frames, BATCH_MAX);
    buffer_init(&altered, BATCH_MAX);
    invitation_make(office, &office->founder, ROLE_SPECIALIST, &invitation, &frames);
    /* [9, seq, [entry]]: the entry begins behind the head of its binary. */
    size_t start = 4 + (frames.ptr[4] == 0xc4 ? 2 : 3);
    for (size_t i = start; i < frames.len; i++) {
        buffer_add(&altered, frames.ptr, frames.len);
        altered.ptr[i] ^= (uint8_t)(1u << (i % 8));
        struct outcome outcome = send(office, &office->founder, &altered);
        assert_int_equal(outcome.err, KITH_OK);
        assert_int_equal(outcome.refused_count, 1);
    }
    assert_int_equal(office->hub.ledger->roster.count, count);
    struct outcome outcome = send(office, &office->founder, &frames);
    assert_int_equal(outcome.refused_count, 0);
    buffer_clear(&altered);
    buffer_clear(&frames);
}

static void a_psk_is_taken_from_the_inviter_only(void **state)
{
    struct office *office = *state;
    struct invitation invitation;
    struct buffer frames;
    uint8_t first;

    buffer_init(&frames, BATCH_MAX);
    invitation_make(office, &office->founder, ROLE_SPECIALIST, &invitation, &frames);
    (void)send(office, &office->founder, &frames);
    uint32_t device = invitation.entry.device;
    send_psk(office, &office->ana, device, 1);
    assert_int_equal(stored_psk(office, device, &first), KITH_EXPIRED);
    send_psk(office, &office->founder, device, 2);
    assert_int_equal(stored_psk(office, device, &first), KITH_OK);
    assert_int_equal(first, 2);
    send_psk(office, &office->rosa, device, 3);
    assert_int_equal(stored_psk(office, device, &first), KITH_OK);
    assert_int_equal(first, 2);
    /* The next invitation of somebody who has not heard of this one yet begins with its number. */
    send_psk(office, &office->founder, device, 5);
    assert_int_equal(stored_psk(office, device, &first), KITH_OK);
    assert_int_equal(first, 2);
    send_psk(office, &office->founder, device_number(&office->ana), 4); /* no longer open */
    assert_int_equal(stored_psk(office, device_number(&office->ana), &first), KITH_EXPIRED);
    buffer_clear(&frames);
}

/* An open invitation by the founder, and the frames with which `joiner` enrols itself. */
static void enrolment_make(struct office *office, struct test_device *joiner,
                           struct invitation *invitation, struct buffer *frames)
{
    struct identity identity = *replica_identity(joiner->replica);
    struct roster_entry enrol = {.type = ROSTER_ENROL};

    invitation_make(office, &office->founder, ROLE_SPECIALIST, invitation, frames);
    (void)send(office, &office->founder, frames);
    identity.device = invitation->entry.device;
    memcpy(identity.agency, replica_identity(office->founder.replica)->agency, ID_BYTES);
    assert_int_equal(replica_set_identity(joiner->replica, &identity), KITH_OK);
    enrol.author = identity.device;
    identity_public(&identity, &enrol.keys);
    roster_frame(office, &enrol, invitation->keys.sign_secret, frames);
}

static void an_enrolment_counts_under_its_own_noise_key_in_time_and_in_its_own_session(void **state)
{
    struct office *office = *state;
    struct test_device joiner;
    struct invitation invitation;
    struct buffer frames;
    struct ingest ingest;
    static const struct {
        enum channel_mode mode;
        bool is_other_key;
        bool is_other_device;
        uint64_t now_s;
        enum kith_err reason;
    } rows[] = {
        {CHANNEL_JOIN, true, false, NOW_S, KITH_NOT_ALLOWED},
        {CHANNEL_JOIN, false, true, NOW_S, KITH_NOT_ALLOWED},
        {CHANNEL_JOIN, false, false, NOW_S + 3600, KITH_EXPIRED},
        {CHANNEL_SYNC, false, false, NOW_S, KITH_NOT_ALLOWED},
        {CHANNEL_FOUND, false, false, NOW_S, KITH_MALFORMED},
        {CHANNEL_JOIN, false, false, NOW_S + 3599, KITH_OK},
    };

    test_device_open(&joiner);
    buffer_init(&frames, BATCH_MAX);
    enrolment_make(office, &joiner, &invitation, &frames);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        visitor_ingest(&ingest, &joiner, rows[i].mode, buffer_view(&frames));
        ingest.noise_key[0] ^= rows[i].is_other_key;
        ingest.device += rows[i].is_other_device ? 1 : 0;
        ingest.now_s = rows[i].now_s;
        struct outcome outcome = submit(office, &ingest);
        assert_int_equal(outcome.err, KITH_OK);
        assert_int_equal(outcome.refused_count, rows[i].reason != KITH_OK);
        assert_int_equal(outcome.refused[0].reason, rows[i].reason);
        assert_int_equal(outcome.is_enrolled, rows[i].reason == KITH_OK);
    }
    buffer_clear(&frames);
    test_device_close(&joiner);
}

static bool is_told(const struct office *office, const struct test_device *device)
{
    const struct news *news = ledger_news(office->hub.ledger);

    for (uint32_t i = 0; i < news->devices.count; i++)
        if (news->devices.list[i] == device_number(device))
            return true;
    for (uint32_t i = 0; i < news->live_devices.count; i++)
        if (news->live_devices.list[i] == device_number(device))
            return true;
    return news->is_everybody;
}

static void a_commit_concerns_the_recipients_of_what_it_touched(void **state)
{
    struct office *office = *state;
    struct invitation invitation;
    struct buffer frames;
    uint8_t circle[ID_BYTES];
    uint8_t record[ID_BYTES] = {1};

    link_chart(&office->ana, "somebody", circle);
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    (void)link_put(&office->ana, circle, record, 7, 3, "hello");
    assert_int_equal(link_sync(&office->hub, &office->ana).device_err, KITH_OK);
    assert_true(is_told(office, &office->rosa));
    assert_true(is_told(office, &office->founder));
    assert_false(is_told(office, &office->omar));
    buffer_init(&frames, BATCH_MAX);
    invitation_make(office, &office->founder, ROLE_SPECIALIST, &invitation, &frames);
    (void)send(office, &office->founder, &frames);
    assert_true(ledger_news(office->hub.ledger)->is_everybody);
    (void)send(office, &office->founder, &frames); /* the same again */
    assert_false(is_told(office, &office->founder));
    assert_int_equal(ledger_news(office->hub.ledger)->devices.count, 0);
    buffer_clear(&frames);
}

static enum kith_err try_to_enrol(struct office *office, struct test_device *joiner,
                                  const struct buffer *frames, bool is_other_key)
{
    struct ingest ingest;

    visitor_ingest(&ingest, joiner, CHANNEL_JOIN, buffer_view(frames));
    ingest.noise_key[0] ^= is_other_key;
    return submit(office, &ingest).err;
}

/* Whoever knows the hub's key can knock as any invited device; only who has proved the psk gets so
 * far that data is handed in. */
static void an_invitation_is_used_up_by_tries_with_its_psk_alone(void **state)
{
    struct office *office = *state;
    struct test_device joiner;
    struct invitation invitation;
    struct buffer frames;
    uint8_t first;

    test_device_open(&joiner);
    buffer_init(&frames, BATCH_MAX);
    enrolment_make(office, &joiner, &invitation, &frames);
    send_psk(office, &office->founder, invitation.entry.device, 7);
    for (unsigned i = 0; i < 100 * LEDGER_ATTEMPTS_MAX; i++)
        assert_int_equal(stored_psk(office, invitation.entry.device, &first), KITH_OK);
    for (unsigned i = 0; i < LEDGER_ATTEMPTS_MAX; i++) {
        assert_int_equal(stored_psk(office, invitation.entry.device, &first), KITH_OK);
        assert_int_equal(try_to_enrol(office, &joiner, &frames, true), KITH_OK);
    }
    assert_int_equal(stored_psk(office, invitation.entry.device, &first), KITH_TOO_MANY);
    assert_int_equal(try_to_enrol(office, &joiner, &frames, false), KITH_TOO_MANY);
    assert_int_equal(roster_device(&office->hub.ledger->roster, invitation.entry.device)->state,
                     DEVICE_INVITED);
    buffer_clear(&frames);
    test_device_close(&joiner);
}

/* Entries that are stored already are acknowledged, but only the own enrolment lets somebody in. */
static void repeating_a_stored_entry_enrols_nobody_else(void **state)
{
    struct office *office = *state;
    struct test_device joiner;
    struct invitation invitation;
    struct buffer frames;
    struct buffer first;
    struct ingest ingest;
    struct store_txn txn = store_begin(office->hub.ledger->store, STORE_READ);
    struct bytes entry;

    test_device_open(&joiner);
    buffer_init(&frames, BATCH_MAX);
    buffer_init(&first, BATCH_MAX);
    assert_true(hub_roster_get(&txn, 1, &entry));
    roster_frame_write(&first, 1, &entry, 1);
    store_abort(&txn);
    enrolment_make(office, &joiner, &invitation, &frames);
    visitor_ingest(&ingest, &joiner, CHANNEL_JOIN, buffer_view(&first));
    struct outcome outcome = submit(office, &ingest);
    assert_false(outcome.is_enrolled);
    for (unsigned times = 0; times < 2; times++) {
        visitor_ingest(&ingest, &joiner, CHANNEL_JOIN, buffer_view(&frames));
        outcome = submit(office, &ingest);
        assert_int_equal(outcome.refused_count, 0);
        assert_true(outcome.is_enrolled);
    }
    visitor_ingest(&ingest, &joiner, CHANNEL_JOIN, buffer_view(&frames));
    ingest.noise_key[5] ^= 1;
    outcome = submit(office, &ingest);
    assert_false(outcome.is_enrolled);
    buffer_clear(&first);
    buffer_clear(&frames);
    test_device_close(&joiner);
}

static void a_device_that_only_joins_stores_nothing_else(void **state)
{
    struct office *office = *state;
    struct made_change made;
    struct buffer frames;
    struct ingest ingest;
    uint64_t sequence = ledger_sequence(office);

    buffer_init(&frames, BATCH_MAX);
    craft_next(&office->chart, &made);
    push(&frames, &made, 1);
    visitor_ingest(&ingest, &office->ana, CHANNEL_JOIN, buffer_view(&frames));
    struct outcome outcome = submit(office, &ingest);
    assert_refused(&outcome, KITH_STATE);
    buffer_clear(&frames);
    made_change_clear(&made);
    assert_goes_on(office, &office->chart, sequence);
}

static void several_ingests_of_one_commit_are_answered_each_for_itself(void **state)
{
    struct office *office = *state;
    struct made_change made[3];
    struct ingest ingests[4];
    struct ingest *batch[4];
    struct outcome outcomes[4];
    struct buffer frames;
    struct chain chart = office->chart;

    buffer_init(&frames, BATCH_MAX);
    craft_run(&chart, &made[0], 1);
    craft_run(&office->other, &made[1], 1);
    craft_next(&office->chart, &made[2]);
    made[2].signature[0] ^= 1;
    const struct made_change *content[] = {&made[2], &made[0], NULL, &made[1]};
    for (size_t i = 0; i < 4; i++) {
        buffer_reset(&frames);
        if (content[i])
            push(&frames, content[i], 1);
        else
            buffer_add(&frames, "\xc1", 1);
        visitor_ingest(&ingests[i], &office->ana, CHANNEL_SYNC, buffer_view(&frames));
        ledger_verify(office->hub.ledger, &ingests[i]);
        batch[i] = &ingests[i];
    }
    assert_int_equal(ledger_commit(office->hub.ledger, batch, 4), KITH_OK);
    for (size_t i = 0; i < 4; i++)
        outcome_read(office, &ingests[i], &outcomes[i]);
    assert_refused(&outcomes[0], KITH_SIGNATURE);
    assert_stored(&outcomes[1], 1);
    assert_line(&outcomes[1].lines[0], ACK_CHAIN, &chart);
    assert_int_equal(outcomes[2].err, KITH_MALFORMED);
    assert_stored(&outcomes[3], 1);
    assert_line(&outcomes[3].lines[0], ACK_CHAIN, &office->other);
    for (size_t i = 0; i < 4; i++)
        ingest_clear(&ingests[i]);
    run_clear(made, 3);
    buffer_clear(&frames);
}

/* A receipt is signed over what the store holds, and after a restart the hub still holds it. */
static void what_a_receipt_names_is_there_after_a_restart(void **state)
{
    struct office *office = *state;
    struct made_change made[2];

    craft_run(&office->chart, made, 2);
    struct outcome outcome = send_changes(office, made, 2);
    assert_stored(&outcome, 2);
    assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
    test_hub_reopen(&office->hub);
    struct store_txn txn = store_begin(office->hub.ledger->store, STORE_READ);
    struct chain_head head = hub_chain_head(&txn, hub_circle_number(&txn, office->chart.circle),
                                            device_number(&office->ana));
    assert_int_equal(head.n, office->chart.n);
    assert_memory_equal(head.id, office->chart.head, HASH_BYTES);
    store_abort(&txn);
    outcome = send_changes(office, made, 2);
    assert_stored(&outcome, 0);
    assert_line(&outcome.lines[0], ACK_CHAIN, &office->chart);
    run_clear(made, 2);
}

#define OFFICE(test) cmocka_unit_test_setup_teardown(test, office_open, office_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OFFICE(a_flipped_bit_in_sealed_text_or_signature_is_refused_as_a_wrong_signature),
        OFFICE(a_change_under_another_mark_circle_or_number_is_refused),
        OFFICE(no_flipped_bit_of_a_frame_leads_to_a_stored_change),
        OFFICE(what_is_signed_rightly_but_does_not_belong_is_refused_with_its_reason),
        OFFICE(a_change_signed_with_another_key_is_refused),
        OFFICE(somebody_who_may_only_read_cannot_write),
        OFFICE(a_repeated_run_is_acknowledged_and_stored_once),
        OFFICE(another_change_under_a_stored_number_is_forked),
        OFFICE(a_fork_within_one_ingest_is_forked_too),
        OFFICE(a_fork_between_two_ingests_of_one_commit_is_forked_too),
        OFFICE(changes_of_a_circle_that_is_not_ones_own_are_foreign_and_tell_nothing),
        OFFICE(changes_of_another_device_are_taken_of_whoever_reads_along),
        OFFICE(who_brings_changes_of_others_can_alter_or_invent_nothing),
        OFFICE(a_bad_change_stops_its_own_chain_and_no_other),
        OFFICE(a_frame_cut_anywhere_ends_the_session_and_stores_nothing),
        OFFICE(what_is_not_well_formed_ends_the_session_as_a_whole),
        OFFICE(a_sealed_text_over_the_limit_is_too_large),
        OFFICE(garbage_is_never_stored),
        OFFICE(a_genesis_altered_at_any_byte_is_refused),
        OFFICE(a_second_circle_of_the_agency_is_refused),
        OFFICE(a_member_cannot_put_another_box_in_place_of_a_stored_one),
        OFFICE(a_device_that_is_named_again_is_not_sent_everything_again),
        OFFICE(a_roster_entry_over_sync_is_taken_from_its_author_and_by_the_rules_only),
        OFFICE(a_roster_entry_altered_at_any_byte_is_refused),
        OFFICE(a_psk_is_taken_from_the_inviter_only),
        OFFICE(an_enrolment_counts_under_its_own_noise_key_in_time_and_in_its_own_session),
        OFFICE(a_commit_concerns_the_recipients_of_what_it_touched),
        OFFICE(an_invitation_is_used_up_by_tries_with_its_psk_alone),
        OFFICE(repeating_a_stored_entry_enrols_nobody_else),
        OFFICE(a_device_that_only_joins_stores_nothing_else),
        OFFICE(several_ingests_of_one_commit_are_answered_each_for_itself),
        OFFICE(what_a_receipt_names_is_there_after_a_restart),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
