/*
 * object.h - the bucket: get an object into a sealed memfd, look at it, put it, list a prefix.
 *
 * One header, two implementations behind it: S3 (any vendor, SigV4) and file:// (a directory whose
 * sub-folders are the keys; the bucket's name is only a word then).
 * A document that lies behind a link (queue/links.h) comes from there, whatever the bucket is.
 * What an answer means: 404 -> ERR_GONE, 304 -> is_unchanged, 403 -> ERR_DENIED (never "gone"),
 * over the cap -> ERR_TOO_LARGE, zero bytes -> success with body_bytes 0.
 * Owns:   its connections and credentials. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef QUEUE_OBJECT_H
#define QUEUE_OBJECT_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/base/loop.h"
#include "worker/model/tenant.h"

#define ETAG_BYTES_MAX ((size_t)256)

struct objects;
struct objects_options {
    struct text endpoint; /* https://host[:port], file:///dir, or none: AWS of the region */
    struct text region;
    bool is_path_style;  /* S3_PATH_STYLE; implied by an endpoint */
    uint64_t bytes_max;  /* MILLRACE_FILE_BYTES_MAX */
    uint64_t timeout_ms; /* of one request */
    uint32_t connections_max;
    struct text shared_prefix;    /* file:// only, usually none: queue/file.h */
    bool allows_private_links;    /* MILLRACE_LINKS_ALLOW_PRIVATE: any address, also without TLS */
    struct text sse_customer_key; /* SSE-C: base64 of 32 bytes, or none; needs https */
    bool requester_pays;          /* S3_REQUESTER_PAYS */
    const char *(*getenv)(
        const char *name); /* the AWS credential chain; secrets are never logged */
};

enum object_verb { OBJECT_GET, OBJECT_HEAD, OBJECT_PUT, OBJECT_LIST };

struct object_entry {      /* of a list */
    struct text key, etag; /* valid for the call of on_entries */
    uint64_t size_bytes, modified_ms;
};

struct object_request {
    /* in: borrowed until on_done */
    enum object_verb verb;
    const struct tenant
        *tenant; /* required for GET, HEAD, PUT: the key must lie in its prefix (asserted) */
    struct text bucket, key;   /* LIST: key is the prefix */
    struct text link;          /* GET, HEAD: fetched from there instead, or none; a secret */
    struct text if_none_match; /* GET: an eTag without quotes, or none */
    struct text version_id;    /* GET, HEAD: or none */
    uint64_t size_hint;        /* GET: what an event said; large ones come in parts. 0: unknown */
    int put_fd; /* PUT: bytes 0 .. put_bytes of it are sent; its offset is not moved */
    uint64_t put_bytes;
    bool (*on_entries)(struct object_request *request, const struct object_entry *entries,
                       size_t count); /* LIST: once a page, in no promised order; false ends it */
    /* Fires exactly once, never from inside objects_send(). */
    void (*on_done)(struct object_request *request, const struct error *err);
    /* out */
    int body_fd; /* GET: a sealed memfd the caller closes; -1 when there is none */
    uint64_t body_bytes;
    char etag[ETAG_BYTES_MAX]; /* without quotes, NUL-terminated */
    uint64_t modified_ms;      /* Last-Modified since 1970, 0 when unknown */
    char content_type[128];
    bool is_unchanged;        /* GET with if_none_match: 304 */
    struct list_node waiting; /* private from here */
    void *private_state, *private_parts;
};

/* file:// needs no network and never fails for want of credentials. */
struct objects *objects_open(struct loop *loop, const struct objects_options *options,
                             struct error *err) MUST_CHECK;
void objects_send(struct objects *objects, struct object_request *request);
void objects_cancel(struct objects *objects,
                    struct object_request *request); /* on_done(ERR_CANCELLED) follows */
/* "the environment", "the instance's role", ...: where the key for the bucket comes from, as far as
 * is known before the first request; NULL for file://, which needs none. */
const char *objects_key_source(const struct objects *objects);
void objects_close(struct objects *objects, void (*on_closed)(void *arg), void *arg);

#endif
