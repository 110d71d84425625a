/*
 * credentials.h - where the AWS key comes from: the chain of sources that every AWS SDK has.
 *
 *   the environment        AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   web identity           AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, changed for a key by STS
 *   the shared file        AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile AWS_PROFILE
 *   the container          AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, pod identity)
 *   the instance           IMDSv2 of EC2, unless AWS_EC2_METADATA_DISABLED
 *
 * The first that is configured is the one, for good; none of them: requests go unsigned (public
 * buckets). A key that expires is renewed ahead of it, by one call for all who ask; while renewing
 * fails, the old key serves as long as it is valid. Token files are read again each time.
 * Owns:   the keys; they are wiped when it closes. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_CREDENTIALS_H
#define WORKER_BASE_CREDENTIALS_H

#include "worker/base/loop.h"
#include "worker/base/sigv4.h"

struct credentials;
struct credentials_options {
    const char *(*getenv)(const char *name); /* called until it closes; NULL: no source at all */
    struct text region;                      /* whose STS is asked; none: AWS_REGION */
};

struct credentials_request {
    /* Fires exactly once, never from inside credentials_ask(). key and err NULL: anonymous. key is
     * borrowed for the call: ask again for every request that is to be signed. */
    void (*on_done)(struct credentials_request *request, const struct aws_key *key,
                    const struct error *err);
    struct list_node waiting; /* private from here */
};

/* ERR_CONFIG: half a key, a profile that is not there, a container address that is not allowed. */
struct credentials *credentials_open(struct loop *loop, const struct credentials_options *options,
                                     struct error *err) MUST_CHECK;
void credentials_ask(struct credentials *credentials, struct credentials_request *request);
/* The service has called the key of this id expired: unless it has been replaced meanwhile, the
 * next who asks waits for another one. */
void credentials_distrust(struct credentials *credentials, struct text id);
/* "the environment", "none, requests go unsigned": for `check` and error messages. */
const char *credentials_source(const struct credentials *credentials);
/* No request may be waiting. NULL is allowed. */
void credentials_close(struct credentials *credentials, void (*on_closed)(void *arg), void *arg);

#endif
