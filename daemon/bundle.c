/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/bundle.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/keys.h"
#include "store/audit.h"
#include "store/bundle_file.h"
#include "store/bundle_ledger.h"

struct bundle_options {
    const char *data;
    const char *file;
    const char *answer; /* NULL: none */
    bool is_json;
};

/* One reading. */
struct reading {
    const struct bundle_options *options;
    struct ledger_keys keys;
    struct ledger *ledger;
    struct bundle_source source;
    struct bundle_target target;
    struct outbox outbox;
    bool has_begun;   /* the first chunk was read: source, outbox and target are in use */
    const char *what; /* what went wrong, if the error's own sentence does not say it */
};

static bool options_read(int argc, char **argv, struct bundle_options *options)
{
    static const struct option known[] = {{"data", required_argument, NULL, 'd'},
                                          {"answer", required_argument, NULL, 'a'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int letter;

    opterr = 0;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        if (letter == 'd')
            options->data = optarg;
        else if (letter == 'a')
            options->answer = optarg;
        else if (letter == 'j')
            options->is_json = true;
        else
            return false;
    }
    bool is_read = argc - optind == 2 && strcmp(argv[optind], "read") == 0;
    if (is_read)
        options->file = argv[optind + 1];
    return is_read && options->data;
}

/* A sentence where the list of errors speaks of connections. */
static const char *sentence(const struct reading *reading, enum kith_err err)
{
    if (reading->what)
        return reading->what;
    switch ((int)err) {
    case KITH_NO_KEY:
        return "it is not sealed to this hub, or its beginning was altered";
    case KITH_MALFORMED:
        return "this is no bundle, or not one that a device wrote";
    case KITH_CUT:
        return "it ends too early: copy it again";
    case KITH_DECRYPT:
    case KITH_COMMITMENT:
    case KITH_SIGNATURE:
        return "it was altered on its way: copy it again";
    case KITH_TOO_LARGE:
        return "it is larger than any bundle";
    case KITH_UNKNOWN_DEVICE:
        return "whoever wrote it is no device of this agency";
    case KITH_FOREIGN:
        return "it belongs to another agency";
    default:
        return error_text(err);
    }
}

static enum kith_err open_ledger(struct reading *reading)
{
    enum kith_err err = keys_read(reading->options->data, &reading->keys);
    const struct ledger_options options = {.folder = reading->options->data,
                                           .keys = &reading->keys};

    if (!err)
        err = ledger_open(&reading->ledger, &options);
    if (err == KITH_NOT_FOUND)
        reading->what = "there is no hub in that folder";
    return err;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The answer begins with WELCOME: which hub speaks, in which incarnation. */
static enum kith_err answer_begin(struct reading *reading, const uint8_t box[static KEY_BYTES])
{
    uint8_t recipients[1][KEY_BYTES];
    struct bundle_preface preface = {.kind = BUNDLE_ANSWER, .time_ms = now_ms()};
    struct welcome welcome = {.version = KITH_PROTOCOL_VERSION, .clock_ms = preface.time_ms};
    struct buffer frames;

    memcpy(recipients[0], box, KEY_BYTES);
    memcpy(preface.agency, reading->source.reader.preface.agency, ID_BYTES);
    memcpy(preface.sign_key, reading->keys.sign_public, KEY_BYTES);
    if (reading->outbox.has_pull)
        bundle_asked(&reading->outbox.pull, preface.answered);
    enum kith_err err =
        target_open(&reading->target, reading->options->answer, &preface, reading->keys.sign_secret,
                    (const uint8_t(*)[KEY_BYTES])recipients, 1);
    if (err) {
        reading->what =
            err == KITH_EXISTS ? "the answer would overwrite a file that is no bundle" : NULL;
        return err;
    }
    ledger_incarnation(reading->ledger, welcome.incarnation);
    buffer_init(&frames, BATCH_MAX);
    welcome_write(&frames, &welcome);
    err = frames.err ? frames.err : target_add(&reading->target, buffer_view(&frames));
    buffer_clear(&frames);
    return err;
}

/* The first batch tells who wrote it, and brings what the answer names: it is stored first. */
static enum kith_err first_batch(struct reading *reading, struct bytes frames)
{
    const struct bundle_preface *preface = &reading->source.reader.preface;
    uint8_t box[KEY_BYTES];
    enum kith_err err = ledger_writer(reading->ledger, preface, box);

    if (!err && preface->kind != BUNDLE_OUTBOX)
        err = KITH_MALFORMED;
    if (err)
        return err;
    outbox_init(&reading->outbox, preface->device, now_ms() / 1000);
    reading->has_begun = true;
    err = outbox_take(&reading->outbox, reading->ledger, frames);
    return err || !reading->options->answer ? err : answer_begin(reading, box);
}

static enum kith_err read_batches(struct reading *reading)
{
    struct bytes frames;
    enum kith_err err;
    enum kith_err stored = KITH_OK;

    while (!stored && source_next(&reading->source, &frames, &err)) {
        stored = reading->has_begun ? outbox_take(&reading->outbox, reading->ledger, frames)
                                    : first_batch(reading, frames);
        struct bytes answer = buffer_view(&reading->outbox.answer);
        if (!stored && reading->options->answer && answer.len > 0)
            stored = target_add(&reading->target, answer);
    }
    return stored ? stored : err;
}

/* What is new for the device, as on a connection. */
static enum kith_err answer_news(struct reading *reading)
{
    struct pull *pull = &reading->outbox.pull;
    struct backlog backlog;
    struct buffer frames;
    enum kith_err err = KITH_OK;

    backlog_init(&backlog);
    buffer_init(&frames, BATCH_MAX);
    while (!err && !(pull->is_continued && backlog.is_up_to_date)) {
        err = ledger_load(reading->ledger, reading->outbox.device, pull, false, &backlog);
        buffer_reset(&frames);
        buffer_add(&frames, backlog.frames.ptr, backlog.frames.len);
        cursor_write(&frames, &(struct cursor_frame){bytes_of(backlog.cursor, backlog.cursor_len),
                                                     backlog.is_up_to_date});
        if (!err)
            err = frames.err ? frames.err : target_add(&reading->target, buffer_view(&frames));
        pull->cursor = bytes_of(backlog.cursor, backlog.cursor_len);
        pull->is_continued = true;
        ledger_incarnation(reading->ledger, pull->incarnation);
    }
    buffer_clear(&frames);
    backlog_clear(&backlog);
    return err;
}

/* Who was given an answer by hand is written down like who was served. */
static enum kith_err audit_bundle(struct reading *reading)
{
    const struct audit_entry entry = {.kind = AUDIT_BUNDLE,
                                      .time_ms = now_ms(),
                                      .device = reading->outbox.device,
                                      .what = reading->options->answer ? AUDIT_BUNDLE_ANSWERED
                                                                       : AUDIT_BUNDLE_READ,
                                      .first = reading->outbox.stored};
    enum kith_err err = ledger_note(reading->ledger, &entry);

    return err ? err : ledger_flush(reading->ledger, entry.time_ms, true);
}

static enum kith_err answer_end(struct reading *reading)
{
    enum kith_err err = KITH_OK;

    if (!reading->options->answer || !reading->target.has_held)
        return audit_bundle(reading);
    if (reading->outbox.has_pull)
        err = answer_news(reading);
    if (!err)
        err = audit_bundle(reading);
    return err ? err : target_commit(&reading->target);
}

static void report(const struct reading *reading, bool is_complete)
{
    const struct outbox *outbox = &reading->outbox;

    if (reading->options->is_json)
        (void)printf("{\"received\": %u, \"refused\": %u, \"from\": %u, \"complete\": %s}\n",
                     outbox->stored, outbox->refused, outbox->device,
                     is_complete ? "true" : "false");
    else
        (void)printf("From device %u: %u new, %u refused.\n", outbox->device, outbox->stored,
                     outbox->refused);
}

static enum kith_err read_bundle(struct reading *reading)
{
    uint8_t secrets[1][KEY_BYTES];
    enum kith_err err = open_ledger(reading);

    if (err)
        return err;
    memcpy(secrets[0], reading->keys.noise.secret, KEY_BYTES);
    err = source_open(&reading->source, reading->options->file,
                      (const uint8_t(*)[KEY_BYTES])secrets, 1);
    seal_wipe(secrets, sizeof secrets);
    if (err)
        return err;
    err = read_batches(reading);
    if (!err && !reading->source.reader.is_whole)
        err = KITH_CUT;
    if (!reading->has_begun)
        return err;
    /* Whatever was wrong: what came before it is stored, and answered. */
    enum kith_err answered = answer_end(reading);
    report(reading, !err);
    return err ? err : answered;
}

enum exit_code command_bundle(int argc, char **argv)
{
    struct bundle_options options = {0};
    struct reading reading = {.options = &options, .source.fd = -1, .target.fd = -1};

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)printf("usage: kithd " BUNDLE_USAGE "\n" BUNDLE_SENTENCE "\n");
        return EXIT_DONE;
    }
    if (!options_read(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: kithd " BUNDLE_USAGE "\n");
        return EXIT_USAGE;
    }
    enum kith_err err = read_bundle(&reading);
    if (err)
        (void)fprintf(stderr, "kithd: %s: %s\n", options.file, sentence(&reading, err));
    target_close(&reading.target);
    source_close(&reading.source);
    outbox_clear(&reading.outbox);
    ledger_close(&reading.ledger);
    seal_wipe(&reading.keys, sizeof reading.keys);
    return err ? EXIT_REFUSED : EXIT_DONE;
}
