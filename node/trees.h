/* trees.h: what this site's inputs, versions and own computed contents look like as trees of the digest, for peers and for
 * itself (diff.h): tops, then buckets of branches, then rows of buckets. A tree is built in a worker thread when it is first
 * asked for and kept for a minute. Loop thread. */
#ifndef CSN_NODE_TREES_H
#define CSN_NODE_TREES_H

#include "base/sha.h"
#include "daemon.h"

/* As in proto/bulk.proto. */
enum csn_tree_kind { CSN_TREE_NONE = 0, CSN_TREE_INPUT = 1, CSN_TREE_VERSION = 2, CSN_TREE_COMPUTED = 3 };
enum csn_tree_part { CSN_TREE_TOPS, CSN_TREE_BUCKETS, CSN_TREE_LEAVES };

struct csn_tree_name {
    enum csn_tree_kind kind;
    struct csn_digest digest; /* D(prepared), full root or H(P) */
};

struct csn_tree_question {
    enum csn_tree_part part;
    struct csn_tree_name name; /* kind NONE, for TOPS: what is this site's own for `serial` */
    uint32_t serial;
    struct csn_bytes places; /* copied */
};

struct csn_tree_answer {
    int code; /* CSN_OK; CSN_ENOTFOUND: not here; CSN_EFORMAT: no such places; CSN_ELIMIT: one place is more than an answer holds */
    struct csn_tree_name name;
    uint32_t serial;
    uint64_t time_s;
    struct csn_bytes octets; /* at most CSN_MESH_PIECE_MAX: as many of the places, from the first, as fit; at least one */
};

/* `answered` once, later, with views that live for the call. */
typedef void csn_tree_fn(void *arg, const struct csn_tree_answer *answer);
void csn_trees_ask(struct csn_zone_shell *zone, const struct csn_tree_question *question, csn_tree_fn *answered, void *arg);

/* The newest certificate of this zone that `fits`; false: none known. */
typedef bool csn_certificate_fn(const void *arg, const struct csn_certificate *certificate);
bool csn_trees_certificate(const struct csn_zone_shell *zone, csn_certificate_fn *fits, const void *arg,
                           struct csn_certificate *ret_certificate);
/* This site's own source has other content under the serial of that input: its D(prepared). */
bool csn_trees_conflict(const struct csn_zone_shell *zone, const struct csn_input_id *input, struct csn_digest *ret_own);

/* Drops trees that nobody asked for lately. */
void csn_trees_tick(struct csn_zone_shell *zone);

#endif
