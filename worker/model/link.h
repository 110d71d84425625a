/*
 * link.h - https links, mostly presigned, as documents: which link is usable, and which document it
 *          stands for. Pure.
 *
 * A link's document lies in a bucket of its own, whose name no real bucket can have, under the
 * tenant's prefix, the host and the path. Signatures are not part of it: a fresh link to the same
 * object is the same document. What else the query says is part of it as a hash, since a link is a
 * secret as a whole and keys are none.
 * Thread: any.
 */
#ifndef WORKER_MODEL_LINK_H
#define WORKER_MODEL_LINK_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/model/tenant.h"

#define LINK_BYTES_MAX ((size_t)8 * 1024)
#define LINK_BUCKET TEXT("https:")

/* Begins like one: https:// or http://. */
bool link_is_link(struct text text);
/* https, a host, no user name, no fragment, nothing that would have to be encoded first: a link is
 * sent byte for byte. http only with allows_http. ERR_LINK_REFUSED; no part of it in the message. */
bool link_check(struct text link, bool allows_http, struct error *err) MUST_CHECK;
struct text link_host(struct text link); /* with its port */
/* Where a redirect leads: an absolute link, or a path of the same host. False: neither. */
bool link_resolve(struct text link, struct text location, struct buffer *ret_link) MUST_CHECK;
/* The key of its document. ERR_EVENT_KEY: no name of a file in it. */
bool link_key(struct text link, const struct tenant *tenant, struct buffer *ret_key,
              struct error *err) MUST_CHECK;

#endif
