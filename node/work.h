/* work.h: executes what the round core asks for one round of a zone: COMPUTE, SIGN, PROVE and STAGE, in worker threads on
 * immutable inputs. Each effect is answered by one event. The order of the files: input -> content -> carried signatures ->
 * own share -> others' shares -> version in the store -> read back -> roots -> two verifiers. Loop thread. */
#ifndef CSN_NODE_WORK_H
#define CSN_NODE_WORK_H

#include "daemon.h"

void csn_work_compute(struct csn_zone_shell *zone, const struct csn_effect *effect);
void csn_work_sign(struct csn_zone_shell *zone, const struct csn_effect *effect);
void csn_work_prove(struct csn_zone_shell *zone, const struct csn_effect *effect);
void csn_work_stage(struct csn_zone_shell *zone, const struct csn_effect *effect);

struct csn_work *csn_work_ref(struct csn_work *work);
void csn_work_unref(struct csn_work *take_work);

/* What was computed; NULL: not yet, or no work. It lives as long as a reference; what csn_content_heads reads does not change. */
const struct csn_content *csn_work_content(const struct csn_work *work);
const struct csn_proposal *csn_work_proposal(const struct csn_work *work);
const struct csn_digest *csn_work_hash(const struct csn_work *work); /* H(P) */

#endif
