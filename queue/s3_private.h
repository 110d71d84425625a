/*
 * s3_private.h - one request to S3, between s3.c (its life), s3_call.c (what is sent, and what the
 * answer says), s3_lane.c (when it is sent), s3_learn.c (what an answer teaches about clock, region
 * and key) and s3_ranges.c (one object in several requests).
 */
#ifndef QUEUE_S3_PRIVATE_H
#define QUEUE_S3_PRIVATE_H

#include "queue/checksum.h"
#include "queue/s3.h"
#include "queue/s3_wire.h"
#include "worker/base/credentials.h"
#include "worker/base/date.h"
#include "worker/base/fair.h"
#include "worker/base/http.h"
#include "worker/base/limiter.h"

#define S3_HEADERS_MAX 16
#define S3_LIST_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define S3_ERROR_BYTES_MAX ((size_t)64 * 1024)
#define S3_REGIONS_MAX 32

struct s3_region { /* of a bucket that is not where AWS_REGION says */
    char bucket[256], name[S3_REGION_BYTES_MAX];
};

struct s3 {
    struct loop *loop;
    struct s3_place place;
    struct http *http;
    struct credentials *credentials;
    uint64_t bytes_max, timeout_ms;
    uint64_t ranges_from_bytes, range_bytes; /* larger objects come in parts of that size */
    char sse_key[48], sse_key_md5[28];       /* base64; "" for none */
    bool requester_pays;
    int64_t skew_ms;         /* the server's clock less ours */
    uint64_t quiet_until_ms; /* it has asked us to slow down */
    struct limiter limiter;  /* requests at once; whoever rests has no permit */
    struct fair *turns;      /* of those who wait for one */
    struct s3_region regions[S3_REGIONS_MAX];
    size_t region_count;  /* learned so far; the oldest is overwritten */
    bool has_other_etags; /* eTags of 32 hex digits that are no MD5 */
    struct list calls;
    size_t ranged_count; /* s3_ranges.c's */
    bool is_closing, is_ended;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* A part of one version of an object, or (bytes 0) a look at what it is. */
struct s3_piece {
    uint64_t from, bytes;
    int fd;                   /* written at from */
    const char *etag;         /* the version */
    bool was_ignored;         /* out: the server does not give parts */
    struct checksum expected; /* out, of the look */
};

struct s3_call {
    struct s3 *s3;
    struct object_request *request;
    struct s3_piece *piece; /* NULL: the whole */
    struct list_node node;
    enum { S3_WORKING, S3_RESTING, S3_WAITING, S3_ASKING, S3_SENT } stage; /* who answers next */
    bool is_cancelled, was_skewed, was_redirected, was_expired;
    bool is_probe; /* the GET after a 404 of HEAD */
    unsigned waits;
    struct timer rest;
    struct work work;
    bool work_ok;
    struct error err; /* of the work */
    struct credentials_request asking;
    struct fair_item turn;
    struct permit permit;
    bool has_permit;
    uint64_t deadline_ms; /* of all attempts, from the first one on; 0: it has not begun */
    /* what is sent */
    struct http_request http;
    struct http_header headers[S3_HEADERS_MAX];
    struct s3_address address;
    struct buffer query, match, range, authorization;
    char date[DATE_AMZ_BYTES];
    char key_id[136];                     /* that signed it */
    char body_hash[2 * SHA256_BYTES + 1]; /* PUT without TLS */
    /* what came */
    uint64_t piece_bytes;
    struct checksum expected, computed, first; /* first: of a body that was wrong */
    char first_etag[ETAG_BYTES_MAX];
    struct arena arena; /* a page of a list */
    struct s3_list *list;
    char *next_token;
};

/* Everything of the HTTP request; key NULL: unsigned. False: err. */
bool s3_call_build(struct s3_call *call, const struct aws_key *key, struct error *err) MUST_CHECK;
void s3_call_release(struct s3_call *call); /* what build made */
/* Reads the answer's headers into the request. False: the answer is a refusal, or none of S3. */
bool s3_call_read(struct s3_call *call, struct error *err) MUST_CHECK;
struct s3_answer s3_call_answer(const struct s3_call *call, struct s3_fault *fault);
/* What the body that came can be checked against; CHECKSUM_NONE when nothing says. */
struct checksum s3_call_checksum(const struct s3_call *call);

/* True when the refusal taught something (the clock, the bucket's region, that the key has ended)
 * with which the same request may succeed. */
bool s3_learn(struct s3_call *call);
struct text s3_region_of(const struct s3 *s3, struct text bucket);

void s3_call_start(struct s3_call *call); /* it may be sent: s3_lane.h */
void s3_send_piece(struct s3 *s3, struct object_request *request, struct s3_piece *piece);
void s3_send_whole(struct s3 *s3, struct object_request *request);
void s3_close_if_idle(struct s3 *s3);

bool s3_wants_ranges(const struct s3 *s3, const struct object_request *request);
void s3_ranges_start(struct s3 *s3, struct object_request *request);
void s3_ranges_cancel(struct object_request *request);

#endif
