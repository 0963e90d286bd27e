/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/trial.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX   64
#define FINDINGS_MAX  5
#define NEWS_VARIANTS 3
#define IMAGE_S       30 /* what checking one may take at most */
#define EXIT_UNABLE   2  /* of a process that cannot do its work; any other is an image's doing */

struct entry {
    struct event event;
    const uint8_t *bytes;
};

struct recording {
    struct entry *entries;
    size_t count;
};

/* What a process tells the one that waits for it. */
struct told {
    uint64_t image; /* the one in hand */
    uint64_t images;
    uint64_t lost;
    uint64_t point;
    unsigned variant;
};

/* Which of all images are tried. */
struct plan {
    unsigned variants; /* of a point where anything is uncertain; elsewhere there is one image */
    uint64_t chance;   /* of each of these, in 2^32 */
};

/* Somebody who walks through the recording. */
struct walker {
    const struct trial *trial;
    struct recording recording;
    struct recording told_marks; /* from beside the log, in the order of the clock */
    struct disk *disk;
    struct promises promises;
    struct plan plan;
    unsigned number;
    unsigned walkers;
    uint64_t image; /* the next that is drawn */
    uint64_t first; /* none before it: it brought a process down */
    char folder[4096];
    struct told *told;
    uint64_t certain; /* points, when counting */
    uint64_t uncertain;
    const struct entry *entry; /* the one at hand */
    bool is_news;              /* the other side was told something just before it */
    uint32_t device;           /* when telling */
    const char *to;
};

static void fail(const char *what, const char *which)
{
    (void)fprintf(stderr, "%s: %s\n", what, which);
    exit(EXIT_UNABLE);
}

static const uint8_t *log_map(const char *path, size_t *len)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &found) != 0 || found.st_size == 0)
        fail("no recording", path);
    *len = (size_t)found.st_size;
    void *map = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        fail("cannot be mapped", path);
    (void)close(fd);
    return map;
}

static struct recording recording_read(const char *path)
{
    struct recording recording = {.count = 0};
    size_t len;
    const uint8_t *bytes = log_map(path, &len);
    struct entry entry;

    for (size_t at = 0, room = 0; at < len; at += entry.event.len) {
        if (len - at < sizeof entry.event)
            fail(path, "ends within an event");
        memcpy(&entry.event, bytes + at, sizeof entry.event);
        at += sizeof entry.event;
        entry.bytes = bytes + at;
        if (entry.event.len > len - at)
            fail(path, "ends within an event");
        if (recording.count == room) {
            room = room ? 2 * room : 4096;
            recording.entries = realloc(recording.entries, room * sizeof entry);
        }
        if (!recording.entries)
            fail(path, "no memory");
        recording.entries[recording.count++] = entry;
    }
    return recording;
}

static uint64_t mixed(uint64_t seed, uint64_t point, unsigned variant)
{
    uint64_t value = seed + point * 0x9e3779b97f4a7c15u + variant * 0xc2b2ae3d27d4eb4fu;

    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* Follows the recording and calls `step` wherever the disk may differ from before. */
typedef void at_point(struct walker *walker, uint64_t point);

/* What was known before this event happened. */
static void take_told(struct walker *walker, const struct entry *entry, size_t *next)
{
    const struct recording *told = &walker->told_marks;

    for (; *next < told->count && told->entries[*next].event.when < entry->event.when; (*next)++)
        promises_add(&walker->promises,
                     bytes_of(told->entries[*next].bytes, told->entries[*next].event.len));
}

static void walk(struct walker *walker, at_point *step)
{
    const struct entry *end = walker->recording.entries + walker->recording.count;
    uint64_t point = 0;
    size_t told = 0;
    size_t told_before;

    walker->disk = disk_new();
    for (const struct entry *entry = walker->recording.entries; entry < end; entry++) {
        walker->entry = entry;
        told_before = told;
        take_told(walker, entry, &told);
        walker->is_news = walker->is_news || told > told_before;
        if (entry->event.kind == EVENT_MARK)
            promises_add(&walker->promises, bytes_of(entry->bytes, entry->event.len));
        else
            disk_take(walker->disk, &entry->event, entry->bytes);
        if (walker->promises.is_ready)
            disk_neglect(walker->disk, walker->trial->neglect);
        if (entry->event.kind != EVENT_SYNC_BEGUN) {
            step(walker, point++);
            walker->is_news = false;
        }
        disk_settle(walker->disk);
    }
    disk_free(&walker->disk);
    promises_clear(&walker->promises);
}

static struct walker walker_new(const struct trial *trial)
{
    struct walker walker = {.trial = trial, .recording = recording_read(trial->log)};

    if (trial->told)
        walker.told_marks = recording_read(trial->told);
    return walker;
}

static void walker_end(struct walker *walker)
{
    free(walker->recording.entries);
    free(walker->told_marks.entries);
}

static void count_point(struct walker *walker, uint64_t point)
{
    (void)point;
    if (disk_is_unsettled(walker->disk))
        walker->uncertain++;
    else
        walker->certain++;
}

static struct plan plan_make(struct walker *walker)
{
    struct plan plan = {.variants = 1};
    uint64_t count = walker->trial->count + walker->trial->count / 10; /* drawn: at least as many */

    walk(walker, count_point);
    if (walker->uncertain > 0 && count > walker->certain + walker->uncertain)
        plan.variants = (unsigned)((count - walker->certain) / walker->uncertain) + 1;
    uint64_t all = walker->certain + plan.variants * walker->uncertain;
    plan.chance = count < all ? (count << 32) / all : (uint64_t)1 << 32;
    return plan;
}

static bool check_image(const struct walker *walker, char finding[FINDING_TEXT])
{
    return walker->trial->is_hub
               ? check_hub(walker->folder, &walker->promises, finding)
               : check_laptop(walker->folder, walker->trial->key, &walker->promises, finding);
}

static void try_image(struct walker *walker, uint64_t point, unsigned variant)
{
    char finding[FINDING_TEXT] = "";
    struct told *told = walker->told;

    told->image = walker->image;
    told->point = point;
    told->variant = variant;
    told->images++;
    (void)alarm(IMAGE_S);
    disk_image(walker->disk, mixed(walker->trial->seed, point, variant), variant, walker->folder);
    if (!check_image(walker, finding) && told->lost++ < FINDINGS_MAX)
        (void)fprintf(stderr, "image %" PRIu64 ":%u: %s\n", point, variant, finding);
}

static void try_point(struct walker *walker, uint64_t point)
{
    const struct plan *plan = &walker->plan;
    bool is_unsettled = disk_is_unsettled(walker->disk);
    unsigned variants = is_unsettled ? plan->variants : 1;

    /* Where somebody has just been told, too much may have been said: always looked at. */
    if (is_unsettled && walker->is_news && variants < NEWS_VARIANTS)
        variants = NEWS_VARIANTS;
    for (unsigned i = 0; i < variants; i++) {
        uint64_t drawn = mixed(~walker->trial->seed, point, i);
        if ((uint32_t)drawn >= plan->chance && !walker->is_news)
            continue;
        bool is_own =
            walker->image % walker->walkers == walker->number && walker->image >= walker->first;
        /* With one image a point, they take turns. */
        unsigned variant = variants > 1 ? i : is_unsettled ? (unsigned)(drawn >> 32) % 4 : 0;
        if (is_own)
            try_image(walker, point, variant);
        walker->image++;
    }
}

/* The checks say what is wrong; what LMDB says when it gives up is expected of a control. */
static void be_silent(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (nowhere >= 0)
        (void)dup2(nowhere, STDERR_FILENO);
}

static pid_t start(struct walker *walker)
{
    (void)fflush(NULL);
    pid_t child = fork();

    if (child < 0)
        fail("no process", "for images");
    if (child > 0)
        return child;
    if (walker->trial->neglect)
        be_silent();
    (void)snprintf(walker->folder, sizeof walker->folder, "%s/image%u", walker->trial->folder,
                   walker->number);
    if (mkdir(walker->folder, 0700) != 0 && access(walker->folder, W_OK) != 0)
        fail("no folder", walker->folder);
    walk(walker, try_point);
    _exit(0);
}

/* True if there is nothing more to do; otherwise an image brought it down and it goes on behind
 * it. */
static bool is_done(struct walker *walker, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if ((WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNABLE) || walker->told->images == 0)
        fail("a process that checks", "ended");
    if (!walker->trial->neglect)
        (void)fprintf(stderr, "image %" PRIu64 ":%u: signal %d\n", walker->told->point,
                      walker->told->variant, WTERMSIG(status));
    walker->told->lost++;
    walker->first = walker->told->image + 1;
    return false;
}

static struct told *told_make(void)
{
    void *shared = mmap(NULL, WORKERS_MAX * sizeof(struct told), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        fail("no memory", "to share");
    return shared;
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static void wait_for(struct walker *walkers, pid_t *children, unsigned count)
{
    unsigned running = count;
    int status;

    while (running > 0) {
        pid_t ended = wait(&status);
        for (unsigned i = 0; i < count; i++) {
            if (children[i] != ended)
                continue;
            if (is_done(&walkers[i], status))
                running--;
            else
                children[i] = start(&walkers[i]);
        }
    }
}

void trial_run(struct trial *trial)
{
    static struct walker walkers[WORKERS_MAX];
    pid_t children[WORKERS_MAX];
    struct told *told = told_make();
    struct walker walker = walker_new(trial);

    walker.walkers = processors();
    walker.plan = plan_make(&walker);
    for (unsigned i = 0; i < walker.walkers; i++) {
        walkers[i] = walker;
        walkers[i].number = i;
        walkers[i].told = &told[i];
        children[i] = start(&walkers[i]);
    }
    wait_for(walkers, children, walker.walkers);
    for (unsigned i = 0; i < walker.walkers; i++) {
        trial->images += told[i].images;
        trial->lost += told[i].lost;
    }
    trial->points = walker.certain + walker.uncertain;
    walker_end(&walker);
}

static void leave_point(struct walker *walker, uint64_t point)
{
    char finding[FINDING_TEXT] = "nothing was found";

    if (point != walker->told->point)
        return;
    disk_image(walker->disk, mixed(walker->trial->seed, point, walker->told->variant),
               walker->told->variant, walker->folder);
    walker->told->lost = !check_image(walker, finding);
    (void)printf("%s\n", finding);
}

bool trial_image(struct trial *trial, uint64_t point, unsigned variant)
{
    struct told told = {.point = point, .variant = variant};
    struct walker walker = walker_new(trial);

    walker.told = &told;
    (void)snprintf(walker.folder, sizeof walker.folder, "%s", trial->folder);
    walk(&walker, leave_point);
    walker_end(&walker);
    return told.lost == 0;
}

/* The head of a store is written with each commit, last of all, and is less than a page. */
static bool is_commit(const struct event *event)
{
    return (event->kind == EVENT_WRITTEN || event->kind == EVENT_WRITTEN_THROUGH) &&
           event->len < SECTOR_BYTES;
}

static void tell_point(struct walker *walker, uint64_t point)
{
    const struct trial *trial = walker->trial;

    (void)point;
    if (!is_commit(&walker->entry->event) || !walker->promises.is_ready)
        return;
    disk_image(walker->disk, 0, 1, walker->folder);
    if (trial->is_hub)
        promises_write_hub(walker->folder, walker->device, walker->entry->event.when, walker->to);
    else
        promises_write(walker->folder, trial->key, walker->entry->event.when, "-", walker->to);
}

void trial_tell(const struct trial *trial, uint32_t device, const char *to)
{
    struct walker walker = walker_new(trial);

    walker.device = device;
    walker.to = to;
    (void)snprintf(walker.folder, sizeof walker.folder, "%s", trial->folder);
    walk(&walker, tell_point);
    walker_end(&walker);
}
