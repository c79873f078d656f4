/* round_job.h: a copy of what COMPUTE, SIGN or STAGE asked for, kept until its time has come. */
#ifndef SIM_ROUND_JOB_H
#define SIM_ROUND_JOB_H

#include "sim/world.h"

struct sim_round_job {
    uint64_t corr;
    unsigned zone;
    uint16_t author;
    struct csn_digest hash;
    struct csn_proposal proposal;
    struct csn_digest full_root;
    struct csn_share_offer offers[CSN_MEMBERS_MAX];
};

/* Freed with its task. */
struct sim_round_job *sim_round_job_new(const struct sim_world *world, const struct csn_effect *effect);

#endif
