/*
 * tenant.h - whose a thing is.
 *
 * A tenant has exactly two constructors: from an object key that intake verified, and from a user's
 * id (commands). Namespace, schema and prefix are always derived, never read from anywhere.
 * Owns:   nothing; a value.
 * Thread: any.
 */
#ifndef WORKER_MODEL_TENANT_H
#define WORKER_MODEL_TENANT_H

#include "worker/base/crypto.h"
#include "worker/base/error.h"

#define TENANT_KEY_BYTES_MAX 1024 /* S3's own limit of a key */

struct tenant {
    struct uuid id;
    char vector_namespace[38]; /* user_<32 hex> */
    char schema[64];           /* DB_SCHEMA_PREFIX (default user_) and 32 hex; NAMEDATALEN is 64 */
    char prefix[44];           /* users/<uuid>/ */
};

/* Sets the prefix of all schemas, once at start-up: [a-z_][a-z0-9_]{0,29}. */
bool tenant_set_schema_prefix(struct text prefix, struct error *err) MUST_CHECK;

/* users/<uuid>/<at least one character>: the canonical spelling of a UUID that is not nil; valid
 * UTF-8 without controls; no empty, "." or ".." path segment. Fills ERR_EVENT_KEY. */
bool tenant_from_key(struct text key, struct tenant *ret_tenant, struct error *err) MUST_CHECK;
/* Whose tenant that is, by the same rules: for the queue of events, which needs no more. */
bool tenant_id_from_key(struct text key, struct uuid *ret_id, struct error *err) MUST_CHECK;
struct tenant tenant_from_user_id(struct uuid user_id);
bool tenant_owns_key(const struct tenant *tenant, struct text key);

#endif
