/*
 * s3_wire.h - what S3 requests look like and what answers mean. Pure.
 *
 * Thread: any.
 */
#ifndef QUEUE_S3_WIRE_H
#define QUEUE_S3_WIRE_H

#include "queue/object.h"
#include "queue/s3_xml.h"

#define S3_REGION_BYTES_MAX 32

struct s3_place { /* which server; owns its texts */
    char *region;
    char *host; /* with the port unless it is the scheme's own */
    char *base; /* a path before the bucket, "" for most; no slash at the end */
    bool is_https;
    bool is_path_style;
    bool is_aws; /* no endpoint was given */
};

/* ERR_CONFIG: not http(s)://host[:port][/path], or no region for AWS itself. */
bool s3_place_init(struct s3_place *place, const struct objects_options *options,
                   struct error *err) MUST_CHECK;
void s3_place_release(struct s3_place *place);

struct s3_address {     /* of one request; release with s3_address_release() */
    struct buffer host; /* the Host header */
    struct buffer path; /* encoded, as it is sent and signed */
    struct buffer url;
};
/* No key: the bucket itself. ERR_EVENT_BUCKET: no name of a bucket; ERR_EVENT_KEY: a "." or ".."
 * segment (servers and what stands before them would resolve it: another object). */
struct s3_where {
    struct text bucket, key;
    struct text region; /* none: the place's own */
    struct text query;  /* encoded, without '?' */
};
bool s3_address_of(const struct s3_place *place, const struct s3_where *where,
                   struct s3_address *ret_address, struct error *err) MUST_CHECK;
void s3_address_release(struct s3_address *address);

struct s3_answer {
    unsigned status;
    enum object_verb verb;
    struct text bucket;
    const struct s3_fault *fault; /* NULL: the body was no error document */
    bool is_deleted;              /* x-amz-delete-marker: true */
    struct text region;           /* x-amz-bucket-region, or none */
};
/* What an answer that is neither 200 nor an expected 304 means. Always returns false. */
bool s3_refuse(const struct s3_answer *answer, struct error *err);

/* Without W/ and quotes. */
struct text s3_etag(struct text header);
/* An eTag that one fallen bit keeps from being one as S3 writes it: a body that came with it would
 * be held against no checksum, and what is kept of it be of no version of the object. */
bool s3_etag_is_spoiled(struct text etag);
/* The region that the bucket is in, when the answer says that it is in another one. */
struct text s3_other_region(const struct s3_answer *answer);

#endif
