/* replay.h: what a fuzz target defines. */
#ifndef CSN_TESTS_FUZZ_REPLAY_H
#define CSN_TESTS_FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* The folder of its corpus in tests/fuzz/corpus. */
extern const char csn_fuzz_name[];

/* libFuzzer's entry: any octets; ends the process where a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
