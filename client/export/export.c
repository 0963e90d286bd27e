/* SPDX-License-Identifier: Apache-2.0 */
#include "client/export/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/export/filter.h"
#include "store/file.h"

struct export_made *export_new(struct kith *kith)
{
    struct export_made *made = calloc(1, sizeof *made);
    time_t now = (time_t)(home_now_ms(kith) / 1000);
    struct tm day;

    kith->detail[0] = '\0';
    if (!made)
        return NULL;
    made->kith = kith;
    arena_init(&made->arena, EXPORT_ARENA_MAX);
    buffer_init(&made->out, EXPORT_BYTES_MAX);
    (void)localtime_r(&now, &day);
    (void)strftime(made->today, sizeof made->today, "%Y-%m-%d", &day);
    return made;
}

void kith_export_free(struct kith_export **export)
{
    struct export_made *made = (struct export_made *)*export;

    if (!made)
        return;
    buffer_clear(&made->out);
    arena_clear(&made->arena);
    free(made->left_out);
    free(made->shares);
    free(made);
    *export = NULL;
}

void export_leave_out(struct export_made *made, const char *id, const struct chart_facts *chart,
                      const char *date, const char *why)
{
    struct kith_export *public = &made->public;

    if (public->left_out_count == made->left_out_room) {
        size_t room = made->left_out_room ? made->left_out_room * 2 : 64;
        struct kith_left_out *larger = realloc(made->left_out, room * sizeof *larger);
        if (!larger) {
            made->err = KITH_MEMORY;
            return;
        }
        made->left_out = larger;
        made->left_out_room = room;
        public->left_out = larger;
    }
    struct kith_left_out *left = &made->left_out[public->left_out_count++];
    *left = (struct kith_left_out){
        .date = chart_text(&made->arena, bytes_text(date), &made->err),
        .name = chart_text(&made->arena, bytes_text(chart->name), &made->err),
        .why = chart_text(&made->arena, bytes_text(why), &made->err)};
    memcpy(left->id, id, KITH_ID_TEXT);
    memcpy(left->participant, chart->id, KITH_ID_TEXT);
}

static struct export_share *share_of(struct export_made *made,
                                     const uint8_t circle[static ID_BYTES])
{
    for (size_t i = 0; i < made->share_count; i++)
        if (memcmp(made->shares[i].circle, circle, ID_BYTES) == 0)
            return &made->shares[i];
    if (made->share_count == made->share_room) {
        size_t room = made->share_room ? made->share_room * 2 : 64;
        struct export_share *larger = realloc(made->shares, room * sizeof *larger);
        if (!larger)
            return NULL;
        made->shares = larger;
        made->share_room = room;
    }
    struct export_share *share = memset(&made->shares[made->share_count++], 0, sizeof *share);
    memcpy(share->circle, circle, ID_BYTES);
    return share;
}

void export_share_chart(struct export_made *made, const struct chart_facts *chart,
                        const struct chart_consent *consent, const char *recipient)
{
    struct export_share *share = share_of(made, chart->circle);

    if (!share) {
        made->err = KITH_MEMORY;
        return;
    }
    share->recipient =
        recipient ? chart_text(&made->arena, bytes_text(recipient), &made->err) : NULL;
    if (consent)
        memcpy(share->consent, consent->id, sizeof share->consent);
}

void export_share(struct export_made *made, const struct chart_facts *chart,
                  const struct chart_consent *consent, const char *recipient)
{
    struct export_share *share;

    export_share_chart(made, chart, consent, recipient);
    share = share_of(made, chart->circle);
    if (share)
        share->visits++;
}

static bool write_all(int fd, struct bytes content)
{
    size_t done = 0;

    while (done < content.len) {
        ssize_t wrote = write(fd, content.ptr + done, content.len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

/* As it is, or as another program makes it. */
static enum kith_err fill_file(struct export_made *made, int fd, const char *path)
{
    const char *const *through = made->through;
    enum kith_err err = through ? filter_run(through, buffer_view(&made->out), fd) : KITH_OK;

    if (err)
        return home_fail(made->kith, err,
                         err == KITH_NOT_FOUND ? "%s: %s is not installed"
                                               : "%s: %s could not make it",
                         path, through[0]);
    errno = 0;
    if ((!through && !write_all(fd, buffer_view(&made->out))) || fsync(fd) != 0)
        return home_fail(made->kith, file_error(errno), "%s: %s", path, strerror(errno));
    return KITH_OK;
}

enum kith_err export_write(struct export_made *made, enum audit_export_did form, const char *path)
{
    if (made->err || made->out.err)
        return made->err ? made->err : made->out.err;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        int number = errno;
        return home_fail(made->kith, file_error(number), "%s: %s", path,
                         number == EEXIST ? "there is a file already: take another name"
                                          : strerror(number));
    }
    enum kith_err err = fill_file(made, fd, path);
    if (close(fd) != 0 && !err)
        err = home_fail(made->kith, file_error(errno), "%s: %s", path, strerror(errno));
    if (err)
        (void)unlink(path);
    else
        access_exported(made->kith, form, made->public.lines);
    return err;
}

static enum kith_err save_disclosure(struct export_made *made, const struct export_event *event,
                                     const struct export_share *share)
{
    char chart[KITH_ID_TEXT];
    char visits[16];
    char id[KITH_ID_TEXT];

    id_write(share->circle, chart);
    (void)snprintf(visits, sizeof visits, "%u", share->visits);
    const struct kith_input inputs[] = {
        {"participant", '=', chart},
        {"what", '=', event->what},
        {"recipient", '=', share->recipient ? share->recipient : event->recipient},
        {"purpose", '=', event->purpose},
        {"consent", '=', share->consent},
        {"on", '=', made->today},
        {"visits", '=', visits},
    };
    return (enum kith_err)kith_record_add(made->kith, "disclosure", inputs,
                                          sizeof inputs / sizeof *inputs, id);
}

enum kith_err export_done(struct export_made *made, const struct export_event *event)
{
    enum kith_err err = KITH_OK;

    for (size_t i = 0; i < made->share_count && !err; i++)
        err = save_disclosure(made, event, &made->shares[i]);
    return err;
}
