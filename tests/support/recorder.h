/* recorder.h: what recorder.c writes down of a store's life, for a test that plays it back: records one after another, each a
 * head and its octets, in the order of the calls. */
#ifndef CSN_TESTS_SUPPORT_RECORDER_H
#define CSN_TESTS_SUPPORT_RECORDER_H

#include <stdint.h>

enum recorded_kind {
    RECORDED_WRITE = 1, /* octets at an offset */
    RECORDED_SYNC,      /* of the file: all that was written to it is durable */
    RECORDED_TRUNCATE,  /* to `offset` octets */
    RECORDED_MARK,      /* the program's word, of the kind `file`, about number `offset`: it holds from here on */
};

/* X(name, path below the store's folder): the files whose content lasts. */
#define RECORDED_FILES(X)                                                                                                        \
    X(VOTES_DATA, "votes/data.mdb")                                                                                              \
    X(VOTES_OWNER, "votes/owner")                                                                                                \
    X(ZONES_DATA, "zones/data.mdb")                                                                                              \
    X(ZONES_OWNER, "zones/owner")
enum recorded_file {
#define RECORDED_FILE_ENUM(name, path) RECORDED_##name,
    RECORDED_FILES(RECORDED_FILE_ENUM)
#undef RECORDED_FILE_ENUM
        RECORDED_FILE_COUNT
};

struct recorded {
    uint8_t kind, file;
    uint8_t is_durable; /* a write through a descriptor with O_DSYNC: durable when the call returned */
    uint8_t unused;
    uint32_t size; /* of the octets that follow */
    uint64_t offset;
};

#endif
