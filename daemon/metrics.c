/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/hub.h"
#include "daemon/vitals.h"
#include "protocol/message.h"

#ifndef KITH_VERSION_TEXT
#define KITH_VERSION_TEXT "0.1.0"
#endif

/* A commit that takes this long is none that a disk which works would make. */
#define STUCK_MS 30000

const uint64_t histogram_us[HISTOGRAM_BOUNDS] = {500,     1000,    2500,    5000,    10000,
                                                 25000,   50000,   100000,  250000,  500000,
                                                 1000000, 2500000, 5000000, 10000000};
const uint64_t histogram_requests[HISTOGRAM_BOUNDS] = {1,  2,   3,   5,   8,   13,  25,
                                                       50, 100, 200, 300, 500, 700, 1000};

const char *turn_word(enum turn_reason reason)
{
    static const char *const words[TURN_REASON_COUNT] = {
#define TURN_WORD(name, word) word,
        TURN_REASONS(TURN_WORD)
#undef TURN_WORD
    };

    return words[reason];
}

const char *mode_word(enum channel_mode mode)
{
    static const char *const words[CHANNEL_MODES] = {"sync", "join", "found"};

    return words[mode];
}

void histogram_add(struct histogram *histogram, const uint64_t bounds[static HISTOGRAM_BOUNDS],
                   uint64_t value)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && value > bounds[i])
        i++;
    histogram->counts[i]++;
    histogram->sum += value;
}

void metrics_count(uint64_t counts[static METRICS_ERRORS], enum kith_err err)
{
    counts[(unsigned)err < METRICS_ERRORS ? (unsigned)err : METRICS_ERRORS - 1]++;
}

void metrics_count_ingest(struct metrics *metrics, const struct ingest *ingest)
{
    struct wire_in batch = wire_open(buffer_view(&ingest->refusals));
    struct refused refused;
    struct frame frame;

    if (ingest->err) {
        metrics_count(metrics->refused, ingest->err);
        return;
    }
    metrics->changes_in += ingest->stored_count;
    while (frame_next(&batch, &frame))
        if (frame.type == FRAME_REFUSED && !refused_read(&refused, &frame))
            metrics_count(metrics->refused, refused.reason);
}

static void add(struct buffer *out, const char *text)
{
    struct bytes bytes = bytes_text(text);

    buffer_add(out, bytes.ptr, bytes.len);
}

static void add_number(struct buffer *out, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    add(out, text);
}

/* A value in parts of its unit: 1500000 millionths are 1.500000. */
static void add_value(struct buffer *out, uint64_t value, unsigned parts)
{
    char text[48];

    if (parts <= 1)
        (void)snprintf(text, sizeof text, "%" PRIu64, value);
    else
        (void)snprintf(text, sizeof text, "%" PRIu64 ".%0*" PRIu64, value / parts,
                       parts == 1000 ? 3 : 6, value % parts);
    add(out, text);
}

static void add_head(struct buffer *out, const char *name, const char *kind, const char *sentence)
{
    add(out, "# HELP ");
    add(out, name);
    add(out, " ");
    add(out, sentence);
    add(out, "\n# TYPE ");
    add(out, name);
    add(out, " ");
    add(out, kind);
    add(out, "\n");
}

/* One line of a metric with a label; `word` is of a list of ours. */
static void add_labelled(struct buffer *out, const char *name, const char *label, const char *word,
                         uint64_t value)
{
    add(out, name);
    add(out, "{");
    add(out, label);
    add(out, "=\"");
    add(out, word);
    add(out, "\"} ");
    add_number(out, value);
    add(out, "\n");
}

static void add_errors(struct buffer *out, const char *name, const char *label,
                       const char *sentence, const uint64_t counts[static METRICS_ERRORS])
{
    add_head(out, name, "counter", sentence);
    for (unsigned i = 0; i < METRICS_ERRORS; i++)
        if (error_is_known(i) && counts[i])
            add_labelled(out, name, label, error_name((enum kith_err)i), counts[i]);
}

static void add_histogram(struct buffer *out, const char *name, const char *sentence,
                          const struct histogram *histogram,
                          const uint64_t bounds[static HISTOGRAM_BOUNDS], unsigned parts)
{
    uint64_t count = 0;

    add_head(out, name, "histogram", sentence);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->counts[i];
        add(out, name);
        add(out, "_bucket{le=\"");
        if (i < HISTOGRAM_BOUNDS)
            add_value(out, bounds[i], parts);
        else
            add(out, "+Inf");
        add(out, "\"} ");
        add_number(out, count);
        add(out, "\n");
    }
    add(out, name);
    add(out, "_sum ");
    add_value(out, histogram->sum, parts);
    add(out, "\n");
    add(out, name);
    add(out, "_count ");
    add_number(out, count);
    add(out, "\n");
}

/* X(kind, name, sentence, value, parts of the unit) */
#define METRICS_PLAIN(X)                                                                           \
    X("gauge", "kithd_connections", "Connections that are open.", hub->connection_count, 1)        \
    X("gauge", "kithd_sessions", "Sessions of devices that were let in.", hub->session_count, 1)   \
    X("gauge", "kithd_sessions_limit", "How many sessions there may be.",                          \
      hub->config.sessions_max, 1)                                                                 \
    X("gauge", "kithd_handshakes", "Connections that are not let in yet.", hub->handshake_count,   \
      1)                                                                                           \
    X("gauge", "kithd_fetches", "Batches that are read for devices.", hub->fetch_count, 1)         \
    X("gauge", "kithd_waiting_bytes", "Received and not stored yet.", hub->waiting_bytes, 1)       \
    X("gauge", "kithd_waiting_bytes_limit", "How much of that there may be.",                      \
      (uint64_t)hub->config.waiting_mib_max << 20, 1)                                              \
    X("gauge", "kithd_reading_paused", "1 while nothing is read because too much waits.",          \
      hub->is_holding, 1)                                                                          \
    X("counter", "kithd_connections_total", "Connections that came.", hub->metrics.accepted, 1)    \
    X("counter", "kithd_replays_total", "First messages of a device that were said again.",        \
      hub->metrics.replayed, 1)                                                                    \
    X("counter", "kithd_received_bytes_total", "Bytes from devices, as they came off the wire.",   \
      hub->metrics.bytes_in, 1)                                                                    \
    X("counter", "kithd_sent_bytes_total", "Bytes to devices, as they went onto the wire.",        \
      hub->metrics.bytes_out, 1)                                                                   \
    X("counter", "kithd_changes_received_total", "Changes that were stored for the first time.",   \
      hub->metrics.changes_in, 1)                                                                  \
    X("counter", "kithd_changes_sent_total", "Changes that were read for devices.",                \
      hub->metrics.changes_out, 1)                                                                 \
    X("counter", "kithd_unaudited_total", "Sessions whose end the audit log had no room for.",     \
      hub->unaudited_count, 1)                                                                     \
    X("counter", "kithd_commits_failed_total", "Commits that stored nothing.",                     \
      vitals->commits.failed_count, 1)                                                             \
    X("gauge", "kithd_commit_waiting", "Requests that wait to be stored.",                         \
      vitals->commits.waiting, 1)                                                                  \
    X("gauge", "kithd_commit_busy_seconds", "For how long the commit under way has run.",          \
      vitals->commits.busy_ms, 1000)                                                               \
    X("gauge", "kithd_store_writable", "1 if a file can be written beside the store.",             \
      vitals->is_writable, 1)                                                                      \
    X("gauge", "kithd_store_bytes", "Size of the store.", vitals->stats.bytes, 1)                  \
    X("gauge", "kithd_store_changes", "Changes in the store.", vitals->stats.changes, 1)           \
    X("gauge", "kithd_store_circles", "Charts and other circles in the store.",                    \
      vitals->stats.circles, 1)                                                                    \
    X("gauge", "kithd_store_devices", "Devices that are enrolled and active.",                     \
      vitals->stats.devices, 1)                                                                    \
    X("gauge", "kithd_store_held", "Changes that wait for a supervisor's decision.",               \
      vitals->stats.held, 1)                                                                       \
    X("gauge", "kithd_store_sequence", "Number of the last change or entry.",                      \
      vitals->stats.sequence, 1)                                                                   \
    X("gauge", "kithd_restored_timestamp_seconds",                                                 \
      "When the store was restored from a backup last; 0: never.", vitals->stats.restored_ms,      \
      1000)                                                                                        \
    X("gauge", "kithd_devices_returned", "Active devices that have been here since then.",         \
      vitals->stats.returned, 1)                                                                   \
    X("gauge", "kithd_backup_timestamp_seconds",                                                   \
      "When the last backup was made on this machine; 0: never.", vitals->backup_ms, 1000)         \
    X("gauge", "kithd_disk_free_bytes", "Room on the store's disk.", vitals->disk_free, 1)         \
    X("gauge", "kithd_disk_bytes", "Size of the store's disk.", vitals->disk_size, 1)              \
    X("counter", "process_cpu_seconds_total", "Processor time, the kernel's included.",            \
      vitals->cpu_us, 1000000)                                                                     \
    X("gauge", "process_resident_memory_bytes", "Memory in use.", vitals->resident, 1)             \
    X("gauge", "process_virtual_memory_bytes", "Address space; the store is mapped into it.",      \
      vitals->virtual, 1)                                                                          \
    X("gauge", "process_open_fds", "Files and sockets that are open.", vitals->files, 1)           \
    X("gauge", "process_max_fds", "How many there may be.", vitals->files_max, 1)                  \
    X("gauge", "process_start_time_seconds", "When the hub was started.", hub->started_ms, 1000)

static void add_plain(struct buffer *out, const struct hub *hub, const struct vitals *vitals)
{
#define ADD_PLAIN(kind, name, sentence, value, parts)                                              \
    add_head(out, name, kind, sentence);                                                           \
    add(out, name " ");                                                                            \
    add_value(out, (uint64_t)(value), parts);                                                      \
    add(out, "\n");
    METRICS_PLAIN(ADD_PLAIN)
#undef ADD_PLAIN
}

static void add_reasons(struct buffer *out, const struct metrics *metrics)
{
    add_head(out, "kithd_turned_away_total", "counter",
             "Connections that were told to come again later, by the bound that was reached.");
    for (size_t i = 0; i < TURN_REASON_COUNT; i++)
        add_labelled(out, "kithd_turned_away_total", "reason", turn_word((enum turn_reason)i),
                     metrics->turned_away[i]);
    add_head(out, "kithd_sessions_opened_total", "counter", "Sessions, by what they are for.");
    for (size_t i = 0; i < CHANNEL_MODES; i++)
        add_labelled(out, "kithd_sessions_opened_total", "mode", mode_word((enum channel_mode)i),
                     metrics->opened[i]);
    add_errors(out, "kithd_sessions_closed_total", "result", "Sessions, by how they ended.",
               metrics->closed);
    add_errors(out, "kithd_handshakes_failed_total", "reason",
               "Peers that were not let in, by reason.", metrics->failed);
    add_errors(out, "kithd_items_refused_total", "reason",
               "Changes and entries that were not taken, once a chain, by reason.",
               metrics->refused);
}

void metrics_write(struct buffer *out, const struct hub *hub, const struct vitals *vitals)
{
    add_head(out, "kithd_build_info", "gauge", "The version that runs.");
    add_labelled(out, "kithd_build_info", "version", KITH_VERSION_TEXT, 1);
    add_plain(out, hub, vitals);
    add_reasons(out, &hub->metrics);
    add_histogram(out, "kithd_commit_seconds", "How long a commit took until it was on disk.",
                  &vitals->commits.us, histogram_us, 1000000);
    add_histogram(out, "kithd_commit_requests", "How many requests one commit stored.",
                  &vitals->commits.requests, histogram_requests, 1);
}

const char *metrics_ailment(const struct hub *hub, const struct vitals *vitals)
{
    if (hub->is_stopping)
        return "the hub is being stopped\n";
    if (hub->failure || vitals->commits.failure)
        return "nothing is stored any more: the last commit failed\n";
    if (vitals->commits.busy_ms > STUCK_MS)
        return "the commit thread is stuck\n";
    if (vitals->err)
        return "the store cannot be read\n";
    if (!vitals->is_writable)
        return "the store's disk is full, or cannot be written to\n";
    return NULL;
}
