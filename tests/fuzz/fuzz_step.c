/* Goal: nothing that a member of the cluster signs makes another member's machine do anything but take or drop it, however
 * hostile: no assertion of node or leader can be reached from outside. Method: a cluster at work in one process; statements as
 * the octets say (target u8, kind u8, signer u8, size u16, body), each as if its signature were good, with time between them. */

#include "fuzz/replay.h"
#include "unit/round_world.h"

const char csn_fuzz_name[] = "step";

#define STATEMENTS_MAX 24
#define STEP_MS 400
#define IN_TIME 8 /* no time passes before it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world;
    struct csn_reader reader = csn_reader(csn_bytes(data, size));
    world_init(&world);
    world_start_all(&world);
    world_give_all(&world, 7);
    for (unsigned i = 0; i < STATEMENTS_MAX && csn_reader_left(&reader) > 0; i++) {
        uint8_t how = csn_read_u8(&reader), kind = csn_read_u8(&reader), signer = csn_read_u8(&reader);
        size_t body_size = csn_read_u16(&reader), left = csn_reader_left(&reader);
        struct csn_bytes body = csn_read_bytes(&reader, body_size < left ? body_size : left);
        if (reader.failed || body.size > CSN_STATEMENT_MAX) {
            break;
        }
        if ((how & IN_TIME) == 0) {
            world_run(&world, STEP_MS);
        }
        kind = (uint8_t)(1 + kind % CSN_STATEMENT_ENTRY);
        world_inject(&world, how % (WORLD_SITES + 1), (enum csn_statement_kind)kind, (uint16_t)(signer % 5), body);
    }
    world_run(&world, STEP_MS);
    world_fini(&world);
    return 0;
}
