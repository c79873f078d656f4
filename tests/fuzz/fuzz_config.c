/* Goal: no octets make a document's reader do anything but give values that pass their own checks,
 * or a refusal with a place. Method: the same octets to all three readers. */
#include <string.h>

#include "config/cluster.h"
#include "config/keyset.h"
#include "config/policy.h"
#include "fuzz/replay.h"

const char csn_fuzz_name[] = "config";

static void require_reason(int code, const struct csn_reason *reason)
{
    INSIST(code < 0 && strncmp(reason->text, "in.yaml:", 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_bytes text = csn_bytes(data, size);
    struct csn_reason reason = {.text = ""};
    struct csn_cluster cluster;
    struct csn_policy policy;
    struct csn_keyset keyset;
    int code = csn_cluster_parse(text, "in.yaml", &cluster, &reason);
    if (code == CSN_OK) {
        INSIST(2 * cluster.quorum > cluster.member_count && cluster.quorum <= cluster.member_count);
    } else {
        require_reason(code, &reason);
    }
    code = csn_policy_parse(text, "in.yaml", &policy, &reason);
    if (code == CSN_OK) {
        INSIST(policy.validity.count > 0 && policy.refresh.count > 0 && policy.offset.count > 0);
        (void)csn_policy_check(&policy, NULL, NULL);
        csn_policy_fini(&policy);
    } else {
        require_reason(code, &reason);
    }
    code = csn_keyset_parse(text, "in.yaml", &keyset, &reason);
    if (code == CSN_OK) {
        INSIST(keyset.key_count > 0 && keyset.list_count > 0);
        (void)csn_keyset_check(&keyset, NULL);
        csn_keyset_fini(&keyset);
    } else {
        require_reason(code, &reason);
    }
    return 0;
}
