#include "zone/kv_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "zone/kv.h"

/* The layout of LMDB data format 1 (mdb.c, "Page and node definitions"): host byte order, 64 bits.
 * Page: number u64, pad u16, flags u16, lower u16, upper u16 (overflow: pages u32), then u16 offsets of nodes.
 * Node: lo u16, hi u16, flags u16, key size u16, key, data. In a branch lo, hi and flags are the child's page number. */
#define PAGE_HEADER 16u
#define NODE_HEADER 8u
#define META_SIZE 136u
#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define PAGE_SIZE_LEAST 1024u
#define PAGE_SIZE_MOST 32768u
#define DEPTH_MAX 32u /* LMDB's cursor stack */
#define SUBTREES_MAX 16u
#define NO_PAGE UINT64_MAX
#define MISSING_PAGES_MAX ((uint64_t)1 << 24) /* never written ones at the end; keeps garbage from asking for memory */

enum page_flag { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };
enum node_flag { NODE_BIG = 0x01, NODE_SUBTREE = 0x02 };

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct tree {
    enum tree_kind kind;
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

/* The key that the next one of a tree must be above; `or_equal` after a branch's separator. */
struct bound {
    uint8_t key[CSN_KV_KEY_MAX];
    size_t size;
    bool is_set, or_equal;
};

struct check {
    int fd;
    const char *path; /* borrows */
    struct csn_reason *reason;
    size_t page_size;
    uint64_t page_count;    /* last page of the meta + 1 */
    uint8_t *used;          /* owns; a bit a page */
    struct tree tables[SUBTREES_MAX];
    unsigned table_count;
    struct tree seen;       /* what the walk of the present tree counted */
    struct bound bound;
};

struct node {
    uint16_t lo, hi, flags;
    struct csn_bytes key;
    const uint8_t *data;
};

static uint16_t host_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t host_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t host_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static int damaged(const struct check *check, uint64_t page, const char *what)
{
    return csn_reason_set(check->reason, CSN_EDAMAGED, "%s: page %" PRIu64 ": %s: the store is damaged",
                          check->path, page, what);
}

static int read_at(const struct check *check, uint64_t page, size_t size, uint8_t *ret_data)
{
    size_t got = 0;
    while (got < size) {
        ssize_t now = pread(check->fd, ret_data + got, size - got, (off_t)(page * check->page_size + got));
        if (now < 0 && errno == EINTR) {
            continue;
        }
        if (now < 0) {
            return csn_reason_set(check->reason, CSN_EIO, "%s: page %" PRIu64 ": %s", check->path, page,
                                  strerror(errno));
        }
        if (now == 0) {
            return damaged(check, page, "the file ends before it");
        }
        got += (size_t)now;
    }
    return CSN_OK;
}

static int take_pages(struct check *check, uint64_t first, uint64_t count)
{
    if (first < 2 || first >= check->page_count || count > check->page_count - first) {
        return damaged(check, first, "is outside the file");
    }
    for (uint64_t page = first; page < first + count; page++) {
        uint8_t bit = (uint8_t)(1u << (page & 7));
        if (check->used[page >> 3] & bit) {
            return damaged(check, page, "is used twice");
        }
        check->used[page >> 3] |= bit;
    }
    return CSN_OK;
}

static void tree_parse(const uint8_t *at, enum tree_kind kind, struct tree *ret_tree)
{
    *ret_tree = (struct tree){.kind = kind,
                              .flags = host_u16(at + 4),
                              .depth = host_u16(at + 6),
                              .branches = host_u64(at + 8),
                              .leaves = host_u64(at + 16),
                              .overflows = host_u64(at + 24),
                              .entries = host_u64(at + 32),
                              .root = host_u64(at + 40)};
}

#define TREE_SIZE 48u

static int compare_keys(enum tree_kind kind, struct csn_bytes a, struct csn_bytes b)
{
    if (kind == TREE_FREE) { /* transaction numbers as host integers */
        uint64_t x = host_u64(a.data), y = host_u64(b.data);
        return x < y ? -1 : x > y;
    }
    return csn_bytes_compare(a, b);
}

/* Keys rise through the whole tree; a branch's separator lies above all before it and not above what follows. */
static int pass_bound(struct check *check, uint64_t page, struct csn_bytes key, bool is_separator)
{
    struct bound *bound = &check->bound;
    if (key.size == 0 || key.size > CSN_KV_KEY_MAX || (check->seen.kind == TREE_FREE && key.size != 8)) {
        return damaged(check, page, "a key has an impossible size");
    }
    if (bound->is_set) {
        int order = compare_keys(check->seen.kind, csn_bytes(bound->key, bound->size), key);
        if (order > 0 || (order == 0 && !bound->or_equal)) {
            return damaged(check, page, "keys are out of order");
        }
    }
    memcpy(bound->key, key.data, key.size);
    bound->size = key.size;
    bound->is_set = true;
    bound->or_equal = is_separator;
    return CSN_OK;
}

/* Octets of the node's data that lie in the page itself. */
static size_t data_size_inline(const struct node *node, bool is_branch)
{
    if (is_branch) {
        return 0;
    }
    return node->flags & NODE_BIG ? 8 : (size_t)node->lo | (size_t)node->hi << 16;
}

static int node_parse(const struct check *check, uint64_t number, const uint8_t *page, unsigned index, bool is_branch,
                      struct node *ret_node)
{
    size_t at = host_u16(page + PAGE_HEADER + 2 * (size_t)index);
    if (at < host_u16(page + 14) || at + NODE_HEADER > check->page_size) {
        return damaged(check, number, "a node is outside the page");
    }
    struct node node = {.lo = host_u16(page + at), .hi = host_u16(page + at + 2), .flags = host_u16(page + at + 4)};
    node.key = csn_bytes(page + at + NODE_HEADER, host_u16(page + at + 6));
    node.data = node.key.data + node.key.size;
    if (check->page_size - at - NODE_HEADER < node.key.size + data_size_inline(&node, is_branch)) {
        return damaged(check, number, "a node is longer than the page");
    }
    *ret_node = node;
    return CSN_OK;
}

/* The pages of a value of its own: as many as it needs, or as it needed when it was longer, earlier in the same transaction. */
static int take_overflow(struct check *check, uint64_t first, size_t size, uint64_t *ret_count)
{
    uint8_t header[PAGE_HEADER];
    uint64_t least = (PAGE_HEADER + size + check->page_size - 1) / check->page_size;
    int code = take_pages(check, first, 1);
    if (code == CSN_OK) {
        code = read_at(check, first, sizeof(header), header);
    }
    if (code != CSN_OK) {
        return code;
    }
    uint64_t count = host_u32(header + 12);
    if (host_u64(header) != first || host_u16(header + 10) != PAGE_OVERFLOW || count < least) {
        return damaged(check, first, "is not the value it should be");
    }
    *ret_count = count;
    return count > 1 ? take_pages(check, first + 1, count - 1) : CSN_OK;
}

/* `ret_data` (may be NULL) gets the octets. */
static int check_overflow(struct check *check, uint64_t first, size_t size, struct csn_buf *ret_data)
{
    uint64_t count;
    int code = take_overflow(check, first, size, &count);
    if (code != CSN_OK) {
        return code;
    }
    check->seen.overflows += count;
    uint8_t last;
    if (ret_data == NULL) { /* only that it is there: a page that the file lacks is SIGBUS later */
        return read_at(check, first + count - 1, 1, &last);
    }
    uint8_t *room = csn_buf_reserve(ret_data, PAGE_HEADER + size);
    code = read_at(check, first, PAGE_HEADER + size, room);
    ret_data->size += PAGE_HEADER + size;
    return code;
}

/* A list of free pages: a count, then page numbers, falling. */
static int check_free_list(struct check *check, uint64_t page, struct csn_bytes list)
{
    if (list.size < 8 || list.size % 8 != 0 || host_u64(list.data) != list.size / 8 - 1) {
        return damaged(check, page, "a list of free pages has a wrong length");
    }
    uint64_t above = check->page_count;
    for (size_t at = 8; at < list.size; at += 8) {
        uint64_t number = host_u64(list.data + at);
        if (number >= above) {
            return damaged(check, page, "a list of free pages is out of order");
        }
        int code = take_pages(check, number, 1);
        if (code != CSN_OK) {
            return code;
        }
        above = number;
    }
    return CSN_OK;
}

static int check_free_node(struct check *check, uint64_t page, const struct node *node)
{
    size_t size = (size_t)node->lo | (size_t)node->hi << 16;
    if ((node->flags & NODE_BIG) == 0) {
        return check_free_list(check, page, csn_bytes(node->data, size));
    }
    struct csn_buf buf = {0};
    int code = check_overflow(check, host_u64(node->data), size, &buf);
    if (code == CSN_OK) {
        code = check_free_list(check, page, csn_bytes(buf.data + PAGE_HEADER, size));
    }
    csn_buf_fini(&buf);
    return code;
}

static int check_main_node(struct check *check, uint64_t page, const struct node *node)
{
    if (node->flags != NODE_SUBTREE || node->lo != TREE_SIZE || node->hi != 0 || check->table_count == SUBTREES_MAX) {
        return damaged(check, page, "a table's entry is not one");
    }
    tree_parse(node->data, TREE_TABLE, &check->tables[check->table_count++]);
    return CSN_OK;
}

static int check_leaf_node(struct check *check, uint64_t page, const struct node *node)
{
    int code = pass_bound(check, page, node->key, false);
    if (code != CSN_OK) {
        return code;
    }
    check->seen.entries++;
    if (check->seen.kind == TREE_MAIN) {
        return check_main_node(check, page, node);
    }
    if ((node->flags & ~(unsigned)NODE_BIG) != 0) {
        return damaged(check, page, "a node has unknown flags");
    }
    if (check->seen.kind == TREE_FREE) {
        return check_free_node(check, page, node);
    }
    size_t size = (size_t)node->lo | (size_t)node->hi << 16;
    return node->flags & NODE_BIG ? check_overflow(check, host_u64(node->data), size, NULL) : CSN_OK;
}

static int check_page(struct check *check, uint64_t number, unsigned levels, uint8_t *pages);

static int check_branch_node(struct check *check, uint64_t page, unsigned index, const struct node *node,
                             unsigned levels, uint8_t *pages)
{
    int code = index == 0 ? CSN_OK : pass_bound(check, page, node->key, true);
    if (code != CSN_OK) {
        return code;
    }
    uint64_t child = (uint64_t)node->lo | (uint64_t)node->hi << 16 | (uint64_t)node->flags << 32;
    return check_page(check, child, levels - 1, pages);
}

/* Reads the page into the first of `pages`; there is one for each level left. */
static int load_page(struct check *check, uint64_t number, bool is_branch, uint8_t *page, unsigned *ret_count)
{
    int code = take_pages(check, number, 1);
    if (code == CSN_OK) {
        code = read_at(check, number, check->page_size, page);
    }
    if (code != CSN_OK) {
        return code;
    }
    unsigned lower = host_u16(page + 12), upper = host_u16(page + 14);
    unsigned least = is_branch && check->seen.kind != TREE_FREE ? 2 : 1;
    if (host_u64(page) != number || host_u16(page + 10) != (is_branch ? PAGE_BRANCH : PAGE_LEAF)) {
        return damaged(check, number, "is not the page it should be");
    }
    if (lower < PAGE_HEADER + 2 * least || lower % 2 != 0 || lower > upper || upper > check->page_size) {
        return damaged(check, number, "has impossible bounds");
    }
    *ret_count = (lower - PAGE_HEADER) / 2;
    return CSN_OK;
}

/* Recursion is at most DEPTH_MAX deep. */
static int check_page(struct check *check, uint64_t number, unsigned levels, uint8_t *pages)
{
    bool is_branch = levels > 1;
    unsigned count = 0;
    int code = load_page(check, number, is_branch, pages, &count);
    check->seen.branches += is_branch;
    check->seen.leaves += !is_branch;
    for (unsigned i = 0; code == CSN_OK && i < count; i++) {
        struct node node = {0};
        code = node_parse(check, number, pages, i, is_branch, &node);
        if (code == CSN_OK) {
            code = is_branch ? check_branch_node(check, number, i, &node, levels, pages + check->page_size)
                             : check_leaf_node(check, number, &node);
        }
    }
    return code;
}

static int check_tree(struct check *check, const struct tree *tree)
{
    uint16_t flags = tree->kind == TREE_FREE ? 0x08 : 0; /* MDB_INTEGERKEY */
    if (tree->flags != flags || tree->depth > DEPTH_MAX || (tree->root == NO_PAGE) != (tree->depth == 0)) {
        return damaged(check, tree->root, "a tree's record is not one");
    }
    check->seen = (struct tree){.kind = tree->kind};
    check->bound = (struct bound){0};
    if (tree->root != NO_PAGE) {
        uint8_t *pages = csn_alloc(check->page_size * tree->depth);
        int code = check_page(check, tree->root, tree->depth, pages);
        free(pages);
        if (code != CSN_OK) {
            return code;
        }
    }
    const struct tree *seen = &check->seen;
    if (seen->branches != tree->branches || seen->leaves != tree->leaves || seen->overflows != tree->overflows ||
        seen->entries != tree->entries) {
        return damaged(check, tree->root, "a tree lacks pages or entries");
    }
    return CSN_OK;
}

/* The newer of the two meta pages, as LMDB will choose. */
static int read_meta(struct check *check, uint8_t ret_meta[META_SIZE])
{
    uint8_t page[PAGE_HEADER + META_SIZE];
    check->page_size = 0; /* page 0 begins at 0 whatever the size */
    uint64_t newest = 0;
    for (uint64_t number = 0; number < 2; number++) {
        int code = read_at(check, number, sizeof(page), page);
        if (code != CSN_OK) {
            return code;
        }
        const uint8_t *meta = page + PAGE_HEADER;
        uint32_t page_size = host_u32(meta + 24);
        if ((host_u16(page + 10) & PAGE_META) == 0 || host_u32(meta) != META_MAGIC ||
            host_u32(meta + 4) != META_VERSION || page_size < PAGE_SIZE_LEAST || page_size > PAGE_SIZE_MOST ||
            (page_size & (page_size - 1)) != 0 || (number == 1 && page_size != check->page_size)) {
            return damaged(check, number, "is not the head of a store");
        }
        check->page_size = page_size;
        uint64_t transaction = host_u64(meta + 128);
        if (number == 0 || transaction > newest) {
            newest = transaction;
            memcpy(ret_meta, meta, META_SIZE);
        }
    }
    return CSN_OK;
}

static int check_trees(struct check *check, const uint8_t *meta)
{
    struct tree main, free_pages;
    tree_parse(meta + 24, TREE_FREE, &free_pages);
    tree_parse(meta + 24 + TREE_SIZE, TREE_MAIN, &main);
    int code = check_tree(check, &main);
    for (unsigned i = 0; code == CSN_OK && i < check->table_count; i++) {
        code = check_tree(check, &check->tables[i]);
    }
    return code == CSN_OK ? check_tree(check, &free_pages) : code;
}

int csn_kv_check(int fd, const char *path, struct csn_reason *reason)
{
    struct check check = {.fd = fd, .path = path, .reason = reason};
    uint8_t meta[META_SIZE] = {0};
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return csn_reason_set(reason, CSN_EIO, "%s: %s", path, strerror(errno));
    }
    int code = read_meta(&check, meta);
    if (code != CSN_OK) {
        return code;
    }
    /* The last page may lie behind the end of the file: LMDB does not write pages that it took and freed in one
     * transaction. Such pages are free; one in use is missed by read_at. */
    uint64_t last = host_u64(meta + 120);
    if (last < 1 || last > (uint64_t)st.st_size / check.page_size + MISSING_PAGES_MAX) {
        return damaged(&check, last, "cannot be the last page");
    }
    check.page_count = last + 1;
    check.used = csn_calloc((size_t)(check.page_count / 8 + 1), 1);
    code = check_trees(&check, meta);
    free(check.used);
    return code;
}
