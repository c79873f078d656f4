#include "sim/round_job.h"

struct sim_round_job *sim_round_job_new(const struct sim_world *world, const struct csn_effect *effect)
{
    struct sim_round_job *job = csn_calloc(1, sizeof(*job));
    job->corr = effect->corr;
    job->zone = sim_zone_index(world, effect->zone);
    job->author = effect->work.author;
    job->hash = effect->work.hash;
    job->proposal = *effect->work.proposal;
    job->full_root = effect->work.full_root;
    for (unsigned i = 0; effect->work.offers != NULL && i < job->proposal.author_count; i++) {
        job->offers[i] = effect->work.offers[i];
    }
    return job;
}
