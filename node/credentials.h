/* credentials.h: whether the files by which a daemon proves who it is are those of its name in the
 * cluster document: for --check, since a wrong one is otherwise only seen by the others. Reads
 * files; any thread. */
#ifndef CSN_NODE_CREDENTIALS_H
#define CSN_NODE_CREDENTIALS_H

#include "base/error.h"
#include "config/node.h"

/* The site key must be the private half of `key`; tls.pem must hold a certificate and its private
 * key and, for a site, carry `name` as dNSName, which dialers expect (mesh.h); ca.pem must hold a
 * CA that has signed it, both valid at `now_s`. The reason begins with the place where the file is
 * named. CSN_EMISMATCH, CSN_EFORMAT, and what reading files gives. */
int csn_credentials_check(const struct csn_identity *identity, const char *name,
                          const uint8_t key[CSN_ED25519_SIZE], bool is_site, uint64_t now_s,
                          struct csn_reason *reason);

#endif
