/* Linked into a consign-node of the tests in place of the real function (ld --wrap): a site that votes as the others do, and
 * changes one bit in every long answer that it gives to a peer. */
#include "mesh/mesh.h"

#define LONG_SIZE 4096

void __real_csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply);
void __wrap_csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply);

void __wrap_csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply)
{
    struct csn_buf copy = {0};
    csn_buf_put_bytes(&copy, reply);
    if (copy.size > LONG_SIZE) {
        copy.data[copy.size * 3 / 4] ^= 4;
    }
    __real_csn_mesh_respond(take_asked, code, csn_buf_view(&copy));
    csn_buf_fini(&copy);
}
