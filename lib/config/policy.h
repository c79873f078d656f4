/* policy.h: the policy document, YAML to struct csn_policy; what it may hold is checked by
 * csn_policy_check. */
#ifndef CSN_CONFIG_POLICY_H
#define CSN_CONFIG_POLICY_H

#include "keys/policy.h"

/* `file` is for messages. CSN_EFORMAT. The caller ends it with csn_policy_fini. */
int csn_policy_parse(struct csn_bytes text, const char *file, struct csn_policy *ret_policy,
                     struct csn_reason *reason);

#endif
