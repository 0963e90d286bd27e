/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. Nothing is read outside of the file: every offset is checked before it is followed.
 * 2. A page is entered once: a second visit is a fault, so no damage can make this run in circles.
 * 3. Used and free pages together are all pages that the head counts.
 */
#include "store/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define META_MAGIC   0xBEEFC0DEu
#define META_VERSION 1u
#define META_PAGES   2u
#define PAGE_HEAD    16u
#define NODE_HEAD    8u
#define TREE_BYTES   48u /* struct MDB_db */
#define DEPTH_MAX    32u
#define PAGE_LEAST   512u
#define PAGE_MOST    65536u
#define NO_PAGE      UINT64_MAX

enum page_flag { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum node_flag { NODE_BIG = 1, NODE_TREE = 2 };
#define TREE_INTEGER_KEYS 0x08u

/* What a record of a tree says of it. */
struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches;
    uint64_t leaves;
    uint64_t overflows;
    uint64_t entries;
    uint64_t root;
};

struct meta {
    uint32_t page_bytes;
    struct tree free;
    struct tree main;
    uint64_t last_page;
    uint64_t txnid;
};

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct walker {
    struct bytes file;
    uint32_t page_bytes;
    uint64_t page_count; /* that the file holds */
    uint64_t last_page;
    uint64_t txnid;
    uint8_t *marks; /* a bit for each page of the file */
    uint64_t used;
    uint64_t free;
    struct pages *result;
    enum kith_err err;
};

/* A tree under way: what is found, to be compared with what its record says. */
struct climb {
    enum tree_kind kind;
    struct tree said;
    struct tree found;
    struct bytes last_key; /* of the leaves so far; empty at first */
    struct bytes floor;    /* what the branches above say the next key is not below; or empty */
};

static uint16_t read_u16(const uint8_t *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof value);
    return value;
}

static uint32_t read_u32(const uint8_t *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof value);
    return value;
}

static uint64_t read_u64(const uint8_t *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return value;
}

static struct tree tree_read(const uint8_t *from)
{
    return (struct tree){.flags = read_u16(from + 4),
                         .depth = read_u16(from + 6),
                         .branches = read_u64(from + 8),
                         .leaves = read_u64(from + 16),
                         .overflows = read_u64(from + 24),
                         .entries = read_u64(from + 32),
                         .root = read_u64(from + 40)};
}

#define META_BYTES (24 + 2 * TREE_BYTES + 16)

/* The head of the file that begins at `at`. */
static bool meta_read(struct bytes file, uint64_t at, struct meta *meta)
{
    if (file.len < PAGE_HEAD + META_BYTES || at > file.len - PAGE_HEAD - META_BYTES)
        return false;
    const uint8_t *page = file.ptr + at;
    const uint8_t *from = page + PAGE_HEAD;
    if (read_u32(from) != META_MAGIC || read_u32(from + 4) != META_VERSION ||
        read_u16(page + 10) != PAGE_META)
        return false;
    meta->page_bytes = read_u32(from + 24);
    meta->free = tree_read(from + 24);
    meta->main = tree_read(from + 24 + TREE_BYTES);
    meta->last_page = read_u64(from + 24 + 2 * TREE_BYTES);
    meta->txnid = read_u64(from + 24 + 2 * TREE_BYTES + 8);
    return meta->page_bytes >= PAGE_LEAST && meta->page_bytes <= PAGE_MOST &&
           (meta->page_bytes & (meta->page_bytes - 1)) == 0;
}

static bool fail(struct walker *walker, uint64_t page)
{
    if (!walker->err) {
        walker->err = KITH_DAMAGED;
        walker->result->fault = page;
    }
    return false;
}

/* Takes pages as belonging to one place, and to no other. */
static bool mark(struct walker *walker, uint64_t first, uint64_t count)
{
    if (first < META_PAGES || first > walker->last_page || count > walker->last_page - first + 1)
        return fail(walker, first);
    for (uint64_t page = first; page < first + count && page < walker->page_count; page++) {
        uint8_t bit = (uint8_t)(1u << (page % 8));
        if (walker->marks[page / 8] & bit)
            return fail(walker, page);
        walker->marks[page / 8] |= bit;
    }
    return true;
}

/* A used page's bytes; NULL, and the walk has failed, if it is not all in the file. */
static const uint8_t *page_at(struct walker *walker, uint64_t page, uint64_t count)
{
    if (page >= walker->page_count || count > walker->page_count - page) {
        (void)fail(walker, page);
        return NULL;
    }
    return walker->file.ptr + page * walker->page_bytes;
}

/* The value of a node that lies on pages of its own. A smaller value that took the place of a
 * larger one keeps its pages. */
static struct bytes big_value(struct walker *walker, struct climb *climb, uint64_t page, size_t len)
{
    uint64_t least = (PAGE_HEAD - 1 + (uint64_t)len) / walker->page_bytes + 1;
    const uint8_t *start = page_at(walker, page, least);
    uint64_t count = start ? read_u32(start + 12) : 0;

    if (!start || !mark(walker, page, count < least ? least : count))
        return bytes_of(NULL, 0);
    if (read_u64(start) != page || read_u16(start + 10) != PAGE_OVERFLOW || count < least) {
        (void)fail(walker, page);
        return bytes_of(NULL, 0);
    }
    climb->found.overflows += count;
    return bytes_of(start + PAGE_HEAD, len);
}

/* One record of the list of free pages: a count, and that many page numbers, descending. */
static void free_list(struct walker *walker, uint64_t page, struct bytes key, struct bytes value)
{
    uint64_t count = value.len >= 8 ? read_u64(value.ptr) : UINT64_MAX;

    if (key.len != 8 || read_u64(key.ptr) > walker->txnid || count > value.len / 8 - 1) {
        (void)fail(walker, page);
        return;
    }
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number = read_u64(value.ptr + 8 * i);
        bool is_ordered = i == 1 || number < read_u64(value.ptr + 8 * (i - 1));
        if (!is_ordered || !mark(walker, number, 1)) {
            (void)fail(walker, page);
            return;
        }
    }
    walker->free += count;
}

/* Below, at or above 0, as LMDB orders the keys of such a tree. */
static int key_order(enum tree_kind kind, struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;

    if (kind == TREE_FREE && a.len == 8 && b.len == 8) {
        uint64_t first = read_u64(a.ptr);
        uint64_t second = read_u64(b.ptr);
        return (first > second) - (first < second);
    }
    int order = memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool key_fits(const struct climb *climb, struct bytes key)
{
    bool is_above = climb->last_key.len == 0 || key_order(climb->kind, climb->last_key, key) < 0;

    return key.len > 0 && is_above &&
           (climb->floor.len == 0 || key_order(climb->kind, climb->floor, key) <= 0);
}

/* Recursion ends: a table's tree has no further trees, and a branch is one level nearer the leaves,
 * of which there are DEPTH_MAX. NOLINTBEGIN(misc-no-recursion) */
static void walk_tree(struct walker *walker, enum tree_kind kind, const struct tree *said);

/* One node of a leaf; the view runs through its page's end. */
static void walk_entry(struct walker *walker, struct climb *climb, uint64_t page, struct bytes node)
{
    size_t key_len = read_u16(node.ptr + 6);
    uint16_t flags = read_u16(node.ptr + 4);
    size_t len = (size_t)read_u16(node.ptr) | (size_t)read_u16(node.ptr + 2) << 16;
    size_t inline_len = flags & NODE_BIG ? 8 : len;

    if (key_len > node.len - NODE_HEAD || inline_len > node.len - NODE_HEAD - key_len) {
        (void)fail(walker, page);
        return;
    }
    struct bytes key = bytes_of(node.ptr + NODE_HEAD, key_len);
    struct bytes value = bytes_of(key.ptr + key_len, inline_len);
    uint16_t wanted = climb->kind == TREE_MAIN ? NODE_TREE : flags & NODE_BIG;
    if (flags != wanted || !key_fits(climb, key) ||
        (climb->kind == TREE_MAIN && len != TREE_BYTES)) {
        (void)fail(walker, page);
        return;
    }
    climb->last_key = key;
    climb->floor = bytes_of(NULL, 0);
    climb->found.entries++;
    if (flags & NODE_BIG)
        value = big_value(walker, climb, read_u64(value.ptr), len);
    if (walker->err)
        return;
    if (climb->kind == TREE_FREE)
        free_list(walker, page, key, value);
    if (climb->kind == TREE_MAIN) {
        const struct tree table = tree_read(value.ptr);
        walk_tree(walker, TREE_TABLE, &table);
    }
}

/* The node that a page's pointer `i` points to, through the page's end; empty if it points nowhere.
 */
static struct bytes node_at(const struct walker *walker, const uint8_t *page, unsigned i)
{
    uint16_t upper = read_u16(page + 14);
    uint16_t at = read_u16(page + PAGE_HEAD + 2 * (size_t)i);

    if (at < upper || (at & 1) != 0 || at + NODE_HEAD > walker->page_bytes)
        return bytes_of(NULL, 0);
    return bytes_of(page + at, walker->page_bytes - at);
}

/* The number of nodes of a branch or leaf page; 0 if its head is not sound. */
static unsigned page_nodes(const struct walker *walker, const uint8_t *page, uint64_t number,
                           enum page_flag flag)
{
    uint16_t lower = read_u16(page + 12);
    uint16_t upper = read_u16(page + 14);

    if (read_u64(page) != number || read_u16(page + 10) != flag || lower < PAGE_HEAD ||
        lower > upper || upper > walker->page_bytes || (lower & 1) != 0)
        return 0;
    return (lower - PAGE_HEAD) / 2u;
}

static void walk_page(struct walker *walker, struct climb *climb, uint64_t number, unsigned level);

static uint64_t branch_child(struct bytes node)
{
    return (uint64_t)read_u16(node.ptr) | (uint64_t)read_u16(node.ptr + 2) << 16 |
           (uint64_t)read_u16(node.ptr + 4) << 32;
}

/* A branch's key lies above everything to its left and not above what is under it: a search finds
 * what a walk finds. */
static void walk_branch(struct walker *walker, struct climb *climb, uint64_t number,
                        const uint8_t *page, unsigned level)
{
    unsigned count = page_nodes(walker, page, number, PAGE_BRANCH);

    climb->found.branches++;
    for (unsigned i = 0; i < count && !walker->err; i++) {
        struct bytes node = node_at(walker, page, i);
        size_t key_len = node.ptr ? read_u16(node.ptr + 6) : 0;
        bool is_sound = node.ptr && key_len <= node.len - NODE_HEAD;
        struct bytes key = bytes_of(is_sound ? node.ptr + NODE_HEAD : NULL, is_sound ? key_len : 0);
        if (!is_sound || (i > 0 && !key_fits(climb, key))) {
            (void)fail(walker, number);
            return;
        }
        if (i > 0) /* the first key stands for nothing */
            climb->floor = key;
        walk_page(walker, climb, branch_child(node), level + 1);
    }
    if (count < 2)
        (void)fail(walker, number);
}

static void walk_leaf(struct walker *walker, struct climb *climb, uint64_t number,
                      const uint8_t *page)
{
    unsigned count = page_nodes(walker, page, number, PAGE_LEAF);

    climb->found.leaves++;
    for (unsigned i = 0; i < count && !walker->err; i++) {
        struct bytes node = node_at(walker, page, i);
        if (node.ptr)
            walk_entry(walker, climb, number, node);
        else
            (void)fail(walker, number);
    }
    if (count == 0)
        (void)fail(walker, number);
}

static void walk_page(struct walker *walker, struct climb *climb, uint64_t number, unsigned level)
{
    const uint8_t *page = page_at(walker, number, 1);

    if (!page || !mark(walker, number, 1))
        return;
    walker->used++;
    if (level < climb->said.depth)
        walk_branch(walker, climb, number, page, level);
    else
        walk_leaf(walker, climb, number, page);
}

static bool tree_equal(const struct tree *a, const struct tree *b)
{
    return a->branches == b->branches && a->leaves == b->leaves && a->overflows == b->overflows &&
           a->entries == b->entries;
}

static void walk_tree(struct walker *walker, enum tree_kind kind, const struct tree *said)
{
    struct climb climb = {.kind = kind, .said = *said};
    uint16_t flags = kind == TREE_FREE ? said->flags & TREE_INTEGER_KEYS : said->flags;

    if (flags != (kind == TREE_FREE ? TREE_INTEGER_KEYS : 0) || said->depth > DEPTH_MAX ||
        (said->root == NO_PAGE) != (said->depth == 0)) {
        (void)fail(walker, said->root);
        return;
    }
    if (said->root != NO_PAGE)
        walk_page(walker, &climb, said->root, 1);
    walker->used += climb.found.overflows;
    if (!walker->err && !tree_equal(&climb.found, said))
        (void)fail(walker, said->root);
}

/* NOLINTEND(misc-no-recursion) */

/* The greatest key of a tree of free pages: the transaction that last freed any. 0 if the tree is
 * empty or cannot be read. */
static uint64_t newest_freeing(struct walker *walker, const struct tree *tree)
{
    uint64_t number = tree->root;

    for (unsigned level = 1; level <= tree->depth && level <= DEPTH_MAX; level++) {
        bool is_leaf = level == tree->depth;
        if (number >= walker->page_count)
            return 0;
        const uint8_t *page = walker->file.ptr + number * walker->page_bytes;
        unsigned count = page_nodes(walker, page, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH);
        struct bytes node = count ? node_at(walker, page, count - 1) : bytes_of(NULL, 0);
        if (!node.ptr || (is_leaf && (read_u16(node.ptr + 6) != 8 || node.len < NODE_HEAD + 8)))
            return 0;
        if (is_leaf)
            return read_u64(node.ptr + NODE_HEAD);
        number = branch_child(node);
    }
    return 0;
}

/* The two heads of the file take turns. The older one must not belong to a newer state, nor this
 * one to an older: a head whose number was altered would take back what was committed. */
static bool heads_agree(struct walker *walker, const struct meta *head, const struct meta *other,
                        uint64_t head_place)
{
    uint64_t freeing = newest_freeing(walker, &head->free);
    bool is_next = other->txnid + 1 == head->txnid || other->txnid == head->txnid + 1 ||
                   (other->txnid == 0 && head->txnid == 0);
    bool is_in_place = head->txnid == 0 || (head->txnid & 1) == head_place;

    return is_next && is_in_place && (head->txnid <= 1 || freeing == head->txnid) &&
           newest_freeing(walker, &other->free) <= other->txnid;
}

static enum kith_err walk_file(struct walker *walker, const struct meta *head)
{
    walk_tree(walker, TREE_FREE, &head->free);
    if (!walker->err)
        walk_tree(walker, TREE_MAIN, &head->main);
    if (!walker->err && walker->used + walker->free + META_PAGES != walker->last_page + 1)
        (void)fail(walker, walker->last_page);
    walker->result->checked = walker->used + walker->free + META_PAGES;
    return walker->err;
}

enum kith_err pages_check_bytes(struct bytes file, uint64_t txnid, struct pages *pages)
{
    struct meta heads[META_PAGES];
    struct walker walker = {.file = file, .txnid = txnid, .result = pages};

    memset(pages, 0, sizeof *pages);
    if (!meta_read(file, 0, &heads[0]) || !meta_read(file, heads[0].page_bytes, &heads[1]) ||
        heads[0].page_bytes != heads[1].page_bytes)
        return KITH_DAMAGED;
    unsigned place = heads[1].txnid == txnid;
    const struct meta *head = &heads[place];
    if (head->txnid != txnid)
        return KITH_RETRY;
    walker.page_bytes = head->page_bytes;
    walker.page_count = file.len / head->page_bytes;
    walker.last_page = head->last_page;
    if (!heads_agree(&walker, head, &heads[1 - place], place))
        return KITH_DAMAGED;
    walker.marks = calloc(1, walker.page_count / 8 + 1);
    if (!walker.marks)
        return KITH_MEMORY;
    enum kith_err err = walk_file(&walker, head);
    free(walker.marks);
    return err;
}

enum kith_err pages_check(int fd, uint64_t txnid, struct pages *pages)
{
    struct stat info;

    memset(pages, 0, sizeof *pages);
    if (fstat(fd, &info) < 0)
        return KITH_IO;
    if (info.st_size <= 0)
        return KITH_DAMAGED;
    size_t len = (size_t)info.st_size;
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return KITH_MEMORY;
    enum kith_err err = pages_check_bytes(bytes_of(map, len), txnid, pages);
    (void)munmap(map, len);
    return err;
}
