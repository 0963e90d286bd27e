/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day of work, on a laptop and on the hub, in which one call of the system fails: memory, the
 * map, an open, a write, a sync. It fails at each place where it can, once or from then on, and
 * each time in a process of its own. Afterwards all is well again: the stores open, what was saved
 * is there, what was acknowledged is at the hub, and everybody gets the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "link.h"
#include "make.h"
#include "protocol/error.h"
#include "protocol/seal.h"

#define MORNING  3 /* saves before the first sync */
#define SAVES    5
#define VISIT    11
#define PURPOSE  4
#define DAY_LOST 7 /* the exit status of a day on which something was lost */

static struct test_hub hub;
static struct test_device irma; /* who founded the agency */
static struct test_device rosa; /* who supervises Ana */
static struct test_device ana;
static uint8_t chart[ID_BYTES];
static uint8_t visits[SAVES][ID_BYTES];

struct day {
    struct fault fault;
    bool is_careless; /* takes what failed for saved: a control, which must be found out */
    bool is_saved[SAVES];
    uint64_t calls;
};

/* The agency */

static int agency_open(void **state)
{
    (void)state;
    test_hub_open(&hub);
    test_device_open(&irma);
    test_device_open(&rosa);
    test_device_open(&ana);
    link_found(&hub, &irma);
    link_join(&hub, &irma, &rosa, 0, ROLE_SUPERVISOR, 0);
    link_join(&hub, &irma, &ana, 0, ROLE_SPECIALIST, replica_person(rosa.replica));
    assert_int_equal(link_sync(&hub, &ana).device_err, KITH_OK);
    link_chart(&ana, "Maria", chart);
    assert_int_equal(link_sync(&hub, &ana).device_err, KITH_OK);
    assert_int_equal(link_sync(&hub, &rosa).device_err, KITH_OK);
    for (unsigned i = 0; i < SAVES; i++)
        seal_random(visits[i], ID_BYTES);
    /* A store is not carried over into another process. */
    ledger_close(&hub.ledger);
    replica_close(&rosa.replica);
    replica_close(&ana.replica);
    return 0;
}

static int agency_close(void **state)
{
    (void)state;
    test_hub_close(&hub);
    test_device_close(&irma);
    test_device_close(&rosa);
    test_device_close(&ana);
    return 0;
}

/* A day */

static enum kith_err hub_begin(void)
{
    const struct ledger_options options = {
        .folder = hub.folder, .keys = &hub.keys, .is_exclusive = true};

    return ledger_open(&hub.ledger, &options);
}

static enum kith_err laptop_begin(struct test_device *device)
{
    const struct replica_options options = {.folder = device->folder, .key = device->key};

    return replica_open(&device->replica, &options);
}

static void write_purpose(unsigned number, char text[static 32])
{
    (void)snprintf(text, 32, "visit number %u", number);
}

static enum kith_err save_visit(unsigned number)
{
    struct buffer value;
    struct dot dot;
    char text[32];

    write_purpose(number, text);
    buffer_init(&value, VALUE_MAX);
    wire_put_text(&value, bytes_text(text));
    struct edit edit = {
        .type = VISIT, .field = PURPOSE, .kind = OP_PUT, .value = buffer_view(&value)};
    struct save save = {
        .class = CHANGE_NORMAL, .edits = &edit, .edit_count = 1, .now_ms = LINK_NOW_MS};
    memcpy(edit.record, visits[number], ID_BYTES);
    memcpy(save.circle, chart, ID_BYTES);
    enum kith_err err = value.err ? value.err : replica_save(ana.replica, &save, &dot);
    buffer_clear(&value);
    return err;
}

/* Whoever uses a program starts it again when it has ended with an error. */
static bool begin_again(void)
{
    replica_close(&ana.replica);
    return laptop_begin(&ana) == KITH_OK || laptop_begin(&ana) == KITH_OK;
}

static bool save_visits(struct day *day, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        day->is_saved[i] = save_visit(i) == KITH_OK || day->is_careless;
        if (!day->is_saved[i] && !begin_again())
            return false;
    }
    return true;
}

/* A hub whose commit failed ends, and is started again. */
static bool sync_all(void)
{
    bool is_up = hub.ledger || hub_begin() == KITH_OK;

    if (!is_up)
        return true;
    struct link_result result = link_sync(&hub, &ana);
    if (result.hub_err || result.refused || result.device_err)
        ledger_close(&hub.ledger);
    return !result.device_err || begin_again();
}

static void live(struct day *day)
{
    fault_arm(&day->fault);
    bool goes_on = laptop_begin(&ana) == KITH_OK || laptop_begin(&ana) == KITH_OK;
    if (goes_on && save_visits(day, 0, MORNING) && sync_all() && save_visits(day, MORNING, SAVES))
        (void)sync_all();
    day->calls = fault_disarm();
    replica_close(&ana.replica);
    ledger_close(&hub.ledger);
}

/* The next morning */

static void lost(const struct day *day, const char *what, unsigned number)
{
    print_message("site %d, errno %d, call %llu%s: %s (%u)\n", (int)day->fault.site,
                  day->fault.code, (unsigned long long)day->fault.at,
                  day->fault.is_for_good ? " and all after it" : "", what, number);
    _exit(DAY_LOST);
}

static bool is_read(struct test_device *device, unsigned number)
{
    char text[32];

    write_purpose(number, text);
    return strcmp(link_read(device, chart, visits[number], VISIT, PURPOSE), text) == 0;
}

static void expect_ok(const struct day *day, const char *what, enum kith_err err)
{
    if (err)
        lost(day, what, (unsigned)err);
}

static void expect_nothing_lost(const struct day *day)
{
    struct replica_counts before;
    unsigned there = 0;
    unsigned saved = 0;

    expect_ok(day, "the laptop's store does not open", laptop_begin(&ana));
    expect_ok(day, "the hub's store does not open", hub_begin());
    expect_ok(day, "the other laptop's store does not open", laptop_begin(&rosa));
    for (unsigned i = 0; i < SAVES; i++) {
        saved += is_read(&ana, i);
        if (day->is_saved[i] && !is_read(&ana, i))
            lost(day, "saved and not there", i);
    }
    expect_ok(day, "the state of the laptop is not read", replica_counts(ana.replica, &before));
    expect_ok(day, "the other laptop does not sync", link_sync(&hub, &rosa).device_err);
    for (unsigned i = 0; i < SAVES; i++)
        there += is_read(&rosa, i);
    if (there + before.unsent < saved)
        lost(day, "acknowledged and not at the hub", there);
    expect_ok(day, "the laptop does not sync", link_sync(&hub, &ana).device_err);
    expect_ok(day, "the other laptop does not sync again", link_sync(&hub, &rosa).device_err);
    for (unsigned i = 0; i < SAVES; i++)
        if (is_read(&ana, i) != is_read(&rosa, i) || (day->is_saved[i] && !is_read(&rosa, i)))
            lost(day, "not the same for both in the end", i);
}

/* On copies, so that each day begins alike. */
static void take_copies(void)
{
    const struct test_hub old_hub = hub;
    const struct test_device old_rosa = rosa;
    const struct test_device old_ana = ana;

    test_hub_copy(&hub, &old_hub);
    test_device_copy(&rosa, &old_rosa);
    test_device_copy(&ana, &old_ana);
    ledger_close(&hub.ledger);
    replica_close(&rosa.replica);
    replica_close(&ana.replica);
}

static void drop_copies(void)
{
    test_hub_close(&hub);
    test_device_close(&rosa);
    test_device_close(&ana);
}

/* In a process of its own: how it ended, 0 if nothing was lost. */
static int try_day(struct day *day)
{
    int ends[2];
    int status = -1;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        take_copies();
        live(day);
        expect_nothing_lost(day);
        drop_copies();
        _exit(write(ends[1], &day->calls, sizeof day->calls) != sizeof day->calls);
    }
    (void)close(ends[1]);
    if (read(ends[0], &day->calls, sizeof day->calls) < 0)
        day->calls = 0;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Every place */

static void expect_well(const struct day *day, int status)
{
    if (status != 0)
        fail_msg("site %d, errno %d, call %llu%s: the day ended with %d", (int)day->fault.site,
                 day->fault.code, (unsigned long long)day->fault.at,
                 day->fault.is_for_good ? " and all after it" : "", status);
}

static uint64_t count_calls(enum fault_site site)
{
    struct day day = {.fault = {.site = site}};

    expect_well(&day, try_day(&day));
    return day.calls;
}

static void sweep(enum fault_site site, int code)
{
    if (!fault_is_possible(site))
        skip();
    uint64_t calls = count_calls(site);

    assert_true(calls > 0);
    for (uint64_t at = 1; at <= calls; at++)
        for (unsigned is_for_good = 0; is_for_good < 2; is_for_good++) {
            struct day day = {
                .fault = {.site = site, .code = code, .at = at, .is_for_good = is_for_good == 1}};
            expect_well(&day, try_day(&day));
        }
    print_message("each of %llu calls failed\n", (unsigned long long)calls);
}

static void memory_that_runs_out_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_MEMORY, ENOMEM);
}

static void a_map_that_is_refused_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_MAP, ENOMEM);
}

static void files_that_do_not_open_lose_nothing(void **state)
{
    (void)state;
    sweep(FAULT_OPEN, EMFILE);
}

static void a_disk_that_cannot_be_read_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_OPEN, EIO);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_WRITE, ENOSPC);
}

static void a_disk_that_becomes_read_only_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_WRITE, EROFS);
}

static void a_disk_that_fails_to_write_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_WRITE, EIO);
}

static void a_disk_that_fails_to_sync_loses_nothing(void **state)
{
    (void)state;
    sweep(FAULT_SYNC, EIO);
}

static void a_program_that_takes_what_failed_for_saved_is_found_out(void **state)
{
    uint64_t calls = count_calls(FAULT_WRITE);
    bool is_found = false;

    (void)state;
    for (uint64_t at = 1; at <= calls && !is_found; at++) {
        struct day day = {.fault = {.site = FAULT_WRITE, .code = ENOSPC, .at = at},
                          .is_careless = true};
        is_found = try_day(&day) == DAY_LOST;
    }
    assert_true(is_found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_loses_nothing),
        cmocka_unit_test(a_map_that_is_refused_loses_nothing),
        cmocka_unit_test(files_that_do_not_open_lose_nothing),
        cmocka_unit_test(a_disk_that_cannot_be_read_loses_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_disk_that_becomes_read_only_loses_nothing),
        cmocka_unit_test(a_disk_that_fails_to_write_loses_nothing),
        cmocka_unit_test(a_disk_that_fails_to_sync_loses_nothing),
        cmocka_unit_test(a_program_that_takes_what_failed_for_saved_is_found_out),
    };

    return cmocka_run_group_tests(tests, agency_open, agency_close);
}
