/*
 * credentials.h - where the AWS key comes from.
 *
 * Asking is asynchronous, because most sources of the AWS chain are answers of a service that
 * expire and are renewed (web identity, container, instance metadata: they join here). Today there
 * are two: the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), and
 * nothing at all, which means that requests go unsigned (public buckets).
 * Owns:   the keys; they are wiped when it closes. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_CREDENTIALS_H
#define WORKER_BASE_CREDENTIALS_H

#include "worker/base/loop.h"
#include "worker/base/sigv4.h"

struct credentials;
struct credentials_request {
    /* Fires exactly once, never from inside credentials_ask(). key and err NULL: anonymous. key is
     * borrowed for the call: ask again for every request that is to be signed. */
    void (*on_done)(struct credentials_request *request, const struct aws_key *key,
                    const struct error *err);
    struct later later; /* private from here */
    struct credentials *credentials;
};

/* getenv is used here only. ERR_CONFIG: half a key. */
struct credentials *credentials_open(struct loop *loop, const char *(*getenv)(const char *name),
                                     struct error *err) MUST_CHECK;
void credentials_ask(struct credentials *credentials, struct credentials_request *request);
/* "the environment", "none, requests go unsigned": for `check` and error messages. */
const char *credentials_source(const struct credentials *credentials);
/* No request may be waiting. NULL is allowed. */
void credentials_close(struct credentials *credentials, void (*on_closed)(void *arg), void *arg);

#endif
