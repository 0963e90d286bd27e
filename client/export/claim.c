/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/fields.h"

#define CLAIM_LINES        1 /* the record's one field */
#define CLAIM_TEXT_MAX     160
#define CLAIM_VALUE_MAX    (CLAIM_TEXT_MAX + 8)
#define CLAIM_EDITS_MAX    200 /* in one change */
#define CLAIM_VERSIONS_MAX 100000

/* "2 7 45 30 0123...": version, frequency, minutes, tenths of units, print. */
static bool line_parse(const char *text, struct claim_line *line)
{
    unsigned frequency;
    int end = 0;

    /* Nine digits fit. NOLINTNEXTLINE(cert-err34-c) */
    if (sscanf(text, "%9u %1u %9" SCNd64 " %9" SCNd64 " %32[0-9a-f]%n", &line->version, &frequency,
               &line->minutes, &line->units_tenths, line->print, &end) != 5 ||
        text[end] != '\0' || strlen(line->print) != CLAIM_PRINT_HEX || line->version == 0 ||
        line->version > CLAIM_VERSIONS_MAX)
        return false;
    line->frequency = (enum claim_frequency)frequency;
    return frequency == CLAIM_NEW || frequency == CLAIM_REPLACES || frequency == CLAIM_VOIDS;
}

static void line_text(const struct claim_line *line, char text[static CLAIM_TEXT_MAX])
{
    (void)snprintf(text, CLAIM_TEXT_MAX, "%u %u %" PRId64 " %" PRId64 " %s", line->version,
                   (unsigned)line->frequency, line->minutes, line->units_tenths, line->print);
}

enum kith_err claim_read(struct store_txn *txn, const uint8_t circle[static ID_BYTES],
                         const uint8_t visit[static ID_BYTES], struct claim_line *line)
{
    struct found_record found;
    char best[CLAIM_TEXT_MAX] = "";
    char text[CLAIM_TEXT_MAX];
    uint32_t count;
    enum kith_err err = replica_find_in(txn, circle, RECORD_CLAIM, visit, &found);

    *line = (struct claim_line){0};
    if (err)
        return err == KITH_NOT_FOUND ? KITH_OK : err;
    const struct merge_register *regs = record_field(&found.record, CLAIM_LINES, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct claim_line read;
        struct wire_in in = wire_open(regs[i].element);
        wire_array_exact(&in, 3);
        (void)wire_uint(&in, DEVICE_MAX);
        (void)wire_uint(&in, UINT64_MAX);
        struct bytes said = in.err ? bytes_of(NULL, 0) : value_text(in.left);
        (void)snprintf(text, sizeof text, "%.*s", (int)(said.len < sizeof text ? said.len : 0),
                       said.len ? (const char *)said.ptr : "");
        if (!line_parse(text, &read) || read.version < line->version ||
            (read.version == line->version && strcmp(text, best) <= 0))
            continue;
        *line = read;
        memcpy(best, text, sizeof best);
    }
    return KITH_OK;
}

/* One change: entries of one chart. */
static enum kith_err save_run(struct kith *kith, const struct claim_entry *entries, uint32_t count)
{
    struct edit *edits = calloc(count, sizeof *edits);
    struct buffer *values = calloc(count, sizeof *values);
    char text[CLAIM_TEXT_MAX];
    enum kith_err err = KITH_OK;

    if (!edits || !values) {
        free(values);
        free(edits);
        return KITH_MEMORY;
    }
    for (uint32_t i = 0; !err && i < count; i++) {
        buffer_init(&values[i], CLAIM_VALUE_MAX);
        line_text(&entries[i].line, text);
        wire_put_text(&values[i], bytes_text(text));
        edits[i] = (struct edit){.type = RECORD_CLAIM,
                                 .field = CLAIM_LINES,
                                 .kind = OP_APPEND,
                                 .value = buffer_view(&values[i])};
        memcpy(edits[i].record, entries[i].visit, ID_BYTES);
        err = values[i].err;
    }
    if (!err)
        err = home_save(kith, entries[0].circle, edits, count);
    for (uint32_t i = 0; i < count; i++)
        if (values[i].max)
            buffer_clear(&values[i]);
    free(values);
    free(edits);
    return err;
}

enum kith_err claim_save(struct kith *kith, const struct claim_entry *entries, size_t count)
{
    enum kith_err err = KITH_OK;

    for (size_t at = 0; at < count && !err;) {
        uint32_t run = 1;
        while (at + run < count && run < CLAIM_EDITS_MAX &&
               memcmp(entries[at].circle, entries[at + run].circle, ID_BYTES) == 0)
            run++;
        err = save_run(kith, entries + at, run);
        at += run;
    }
    return err;
}
