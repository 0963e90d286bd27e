/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX     256
#define NAMES_MAX     32
#define NAME_ROOM     128
#define THREADS_MAX   64
#define NEGLECTED_MAX 64 /* writes that a neglectful machine keeps back */

struct content {
    uint8_t *ptr;
    size_t len;
    size_t room;
};

struct file {
    uint64_t number; /* the file system's */
    struct content content;
};

struct name {
    char text[NAME_ROOM];
    unsigned file;
};

struct names {
    struct name list[NAMES_MAX];
    unsigned count;
};

/* An event that is not certain yet. */
struct pending {
    const struct event *event;
    const uint8_t *bytes;
    uint64_t order;
    unsigned file; /* of what is written or made */
};

struct running_sync {
    uint32_t thread;
    uint64_t order; /* what came before is covered */
};

struct disk {
    struct file files[FILES_MAX];
    unsigned file_count;
    struct names certain;
    struct names seen; /* as the programs saw them */
    struct pending *pending;
    size_t pending_count;
    size_t pending_room;
    uint64_t order;
    struct running_sync syncs[THREADS_MAX];
    enum disk_neglect neglect;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "the recording cannot be followed: %s\n", what);
    exit(2);
}

static void content_reach(struct content *content, size_t len)
{
    if (len > content->room) {
        content->room = len > 2 * content->room ? len : 2 * content->room;
        content->ptr = realloc(content->ptr, content->room);
        if (!content->ptr)
            fail("no memory");
    }
    if (len > content->len) {
        memset(content->ptr + content->len, 0, len - content->len);
        content->len = len;
    }
}

static void content_write(struct content *content, uint64_t at, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return;
    content_reach(content, at + len);
    memcpy(content->ptr + at, bytes, len);
}

static void content_resize(struct content *content, size_t len)
{
    content_reach(content, len);
    content->len = len;
}

static struct name *names_find(struct names *names, const char *text, size_t len)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strlen(names->list[i].text) == len && memcmp(names->list[i].text, text, len) == 0)
            return &names->list[i];
    return NULL;
}

static void names_remove(struct names *names, const char *text, size_t len)
{
    struct name *name = names_find(names, text, len);

    if (name)
        *name = names->list[--names->count];
}

static void names_put(struct names *names, const char *text, size_t len, unsigned file)
{
    names_remove(names, text, len);
    if (names->count == NAMES_MAX || len >= NAME_ROOM || memchr(text, '/', len))
        fail("more or longer names than expected");
    struct name *name = &names->list[names->count++];
    memcpy(name->text, text, len);
    name->text[len] = '\0';
    name->file = file;
}

static void names_apply(struct names *names, const struct pending *pending)
{
    const char *text = (const char *)pending->bytes;
    size_t len = pending->event->len;

    if (pending->event->kind == EVENT_MADE) {
        names_put(names, text, len, pending->file);
    } else if (pending->event->kind == EVENT_REMOVED) {
        names_remove(names, text, len);
    } else {
        size_t from_len = strnlen(text, len);
        const struct name *from = names_find(names, text, from_len);
        unsigned file = from ? from->file : 0;
        names_remove(names, text, from_len);
        if (from && from_len < len)
            names_put(names, text + from_len + 1, len - from_len - 1, file);
    }
}

static bool is_of_names(const struct event *event)
{
    return event->kind == EVENT_MADE || event->kind == EVENT_RENAMED ||
           event->kind == EVENT_REMOVED;
}

static void apply(struct disk *disk, const struct pending *pending)
{
    struct content *content = &disk->files[pending->file].content;

    if (is_of_names(pending->event))
        names_apply(&disk->certain, pending);
    else if (pending->event->kind == EVENT_RESIZED)
        content_resize(content, pending->event->at);
    else
        content_write(content, pending->event->at, pending->bytes, pending->event->len);
}

static void forget(struct disk *disk, size_t i)
{
    disk->pending_count--;
    memmove(disk->pending + i, disk->pending + i + 1,
            (disk->pending_count - i) * sizeof *disk->pending);
}

/* The newest of that number: a file system may give one out again. */
static unsigned file_of(const struct disk *disk, uint64_t number)
{
    for (unsigned i = disk->file_count; i > 0; i--)
        if (disk->files[i - 1].number == number)
            return i - 1;
    fail("a file that was not seen being made");
    return 0;
}

static void add(struct disk *disk, const struct event *event, const uint8_t *bytes, unsigned file)
{
    if (disk->pending_count == disk->pending_room) {
        disk->pending_room = disk->pending_room ? 2 * disk->pending_room : 64;
        disk->pending = realloc(disk->pending, disk->pending_room * sizeof *disk->pending);
        if (!disk->pending)
            fail("no memory");
    }
    disk->pending[disk->pending_count++] =
        (struct pending){.event = event, .bytes = bytes, .order = disk->order++, .file = file};
    if (disk->neglect && disk->pending_count > NEGLECTED_MAX) {
        apply(disk, &disk->pending[0]);
        forget(disk, 0);
    }
}

static void make(struct disk *disk, const struct event *event, const uint8_t *bytes)
{
    const struct name *name = names_find(&disk->seen, (const char *)bytes, event->len);

    if (name && disk->files[name->file].number == event->file)
        return; /* opened again */
    if (disk->file_count == FILES_MAX)
        fail("more files than expected");
    disk->files[disk->file_count] = (struct file){.number = event->file};
    add(disk, event, bytes, disk->file_count);
    names_put(&disk->seen, (const char *)bytes, event->len, disk->file_count++);
}

static void change_names(struct disk *disk, const struct event *event, const uint8_t *bytes)
{
    add(disk, event, bytes, 0);
    names_apply(&disk->seen, &disk->pending[disk->pending_count - 1]);
}

static struct running_sync *sync_of(struct disk *disk, uint32_t thread)
{
    struct running_sync *free_one = NULL;

    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (disk->syncs[i].thread == thread)
            return &disk->syncs[i];
        if (disk->syncs[i].thread == 0)
            free_one = &disk->syncs[i];
    }
    if (!free_one)
        fail("more syncs at once than expected");
    return free_one;
}

static void finish_sync(struct disk *disk, const struct event *event)
{
    struct running_sync *sync = sync_of(disk, event->thread);
    bool is_folder = event->file == THE_FOLDER;
    size_t i = 0;

    if (sync->thread != event->thread)
        fail("a sync ended that had not begun");
    sync->thread = 0;
    if (!is_folder && (disk->neglect & NEGLECT_SYNCS))
        return;
    while (i < disk->pending_count && disk->pending[i].order < sync->order) {
        const struct pending *pending = &disk->pending[i];
        bool is_name = is_of_names(pending->event);
        if (is_name != is_folder || (!is_folder && pending->event->file != event->file)) {
            i++;
            continue;
        }
        apply(disk, pending);
        forget(disk, i);
    }
}

struct disk *disk_new(void)
{
    struct disk *disk = calloc(1, sizeof *disk);

    if (!disk)
        fail("no memory");
    return disk;
}

void disk_free(struct disk **disk)
{
    for (unsigned i = 0; i < (*disk)->file_count; i++)
        free((*disk)->files[i].content.ptr);
    free((*disk)->pending);
    free(*disk);
    *disk = NULL;
}

void disk_neglect(struct disk *disk, enum disk_neglect neglect)
{
    disk->neglect = neglect;
}

void disk_take(struct disk *disk, const struct event *event, const uint8_t *bytes)
{
    struct running_sync *sync;

    switch ((enum event_kind)event->kind) {
    case EVENT_MADE:
        make(disk, event, bytes);
        break;
    case EVENT_RENAMED:
    case EVENT_REMOVED:
        change_names(disk, event, bytes);
        break;
    case EVENT_WRITTEN:
    case EVENT_WRITTEN_THROUGH:
    case EVENT_RESIZED:
        add(disk, event, bytes, file_of(disk, event->file));
        break;
    case EVENT_SYNC_BEGUN:
        sync = sync_of(disk, event->thread);
        *sync = (struct running_sync){.thread = event->thread, .order = disk->order};
        break;
    case EVENT_SYNC_ENDED:
        finish_sync(disk, event);
        break;
    case EVENT_MARK:
        break;
    }
}

void disk_settle(struct disk *disk)
{
    size_t last = disk->pending_count - 1;

    if (disk->pending_count == 0 || disk->pending[last].event->kind != EVENT_WRITTEN_THROUGH ||
        (disk->neglect & NEGLECT_THROUGH))
        return;
    apply(disk, &disk->pending[last]);
    disk->pending_count--;
}

bool disk_is_unsettled(const struct disk *disk)
{
    return disk->pending_count > 0;
}

/* splitmix64, public domain, Sebastiano Vigna. */
static uint64_t draw(uint64_t *state)
{
    uint64_t mixed = *state += 0x9e3779b97f4a7c15u;

    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

enum fate { FATE_DROPPED, FATE_KEPT, FATE_TORN, FATE_SECTORS, FATES };

static void write_sectors(struct content *content, const struct pending *pending, enum fate fate,
                          uint64_t *chance)
{
    size_t len = pending->event->len;
    size_t first_sectors = draw(chance) % (len / SECTOR_BYTES + 1) * SECTOR_BYTES;

    for (size_t at = 0; at < len; at += SECTOR_BYTES) {
        size_t part = len - at < SECTOR_BYTES ? len - at : SECTOR_BYTES;
        bool is_kept = fate == FATE_TORN ? at < first_sectors : draw(chance) & 1;
        if (is_kept)
            content_write(content, pending->event->at + at, pending->bytes + at, part);
    }
}

static void image_apply(struct content *content, const struct pending *pending, enum fate fate,
                        uint64_t *chance)
{
    if (fate == FATE_DROPPED)
        return;
    if (pending->event->kind == EVENT_RESIZED)
        content_resize(content, pending->event->at);
    else if (fate == FATE_KEPT)
        content_write(content, pending->event->at, pending->bytes, pending->event->len);
    else
        write_sectors(content, pending, fate, chance);
}

/* How the images of a variant choose: each for itself, or all up to one, or all but one. */
enum style { STYLE_EACH, STYLE_FIRST, STYLE_BUT_ONE, STYLES };

struct choice {
    unsigned variant;
    enum style style;
    size_t place;
};

static enum fate fate_of(const struct choice *choice, size_t i, uint64_t *chance)
{
    if (choice->variant < 2)
        return choice->variant == 0 ? FATE_DROPPED : FATE_KEPT;
    if (choice->style == STYLE_EACH)
        return (enum fate)(draw(chance) % FATES);
    if (i == choice->place)
        return (enum fate)(draw(chance) % 2 ? FATE_TORN : FATE_DROPPED);
    return choice->style == STYLE_FIRST && i > choice->place ? FATE_DROPPED : FATE_KEPT;
}

static void image_file(const struct disk *disk, unsigned file, struct choice choice,
                       uint64_t chance, struct content *content)
{
    const struct content *certain = &disk->files[file].content;

    content->len = 0;
    content_write(content, 0, certain->ptr, certain->len);
    for (size_t i = 0; i < disk->pending_count; i++) {
        enum fate fate = fate_of(&choice, i, &chance);
        if (!is_of_names(disk->pending[i].event) && disk->pending[i].file == file)
            image_apply(content, &disk->pending[i], fate, &chance);
    }
}

/* The first so many of the uncertain steps. */
static void image_names(const struct disk *disk, unsigned variant, uint64_t *chance,
                        struct names *names)
{
    size_t through = variant == 0   ? 0
                     : variant == 1 ? disk->pending_count
                                    : draw(chance) % (disk->pending_count + 1);

    *names = disk->certain;
    for (size_t i = 0; i < through; i++)
        if (is_of_names(disk->pending[i].event))
            names_apply(names, &disk->pending[i]);
}

static void empty_folder(const char *folder)
{
    DIR *list = opendir(folder);
    const struct dirent *entry;

    if (!list)
        fail("no folder for the image");
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(list), entry->d_name, 0);
    (void)closedir(list);
}

static void write_file(const char *folder, const char *name, const struct content *content)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content->ptr, content->len) != (ssize_t)content->len || close(fd) != 0)
        fail("the image could not be written");
}

void disk_image(const struct disk *disk, uint64_t seed, unsigned variant, const char *folder)
{
    static struct content content; /* kept for the next image */
    struct names names;
    uint64_t chance = seed;
    struct choice choice = {.variant = variant,
                            .style = (enum style)(draw(&chance) % STYLES),
                            .place = disk->pending_count ? draw(&chance) % disk->pending_count : 0};

    empty_folder(folder);
    image_names(disk, variant, &chance, &names);
    for (unsigned i = 0; i < names.count; i++) {
        image_file(disk, names.list[i].file, choice, chance, &content);
        write_file(folder, names.list[i].text, &content);
    }
}
