/*
 * s3_private.h - one request to S3, between s3.c (its life) and s3_call.c (what is sent, and what
 * the answer says).
 */
#ifndef QUEUE_S3_PRIVATE_H
#define QUEUE_S3_PRIVATE_H

#include "queue/s3.h"
#include "queue/s3_wire.h"
#include "worker/base/credentials.h"
#include "worker/base/date.h"
#include "worker/base/http.h"

#define S3_HEADERS_MAX 12
#define S3_LIST_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define S3_ERROR_BYTES_MAX ((size_t)64 * 1024)

struct s3 {
    struct loop *loop;
    struct s3_place place;
    struct http *http;
    struct credentials *credentials;
    uint64_t bytes_max, timeout_ms;
    int64_t skew_ms;      /* the server's clock less ours */
    bool has_other_etags; /* eTags of 32 hex digits that are no MD5 */
    struct list calls;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

struct s3_call {
    struct s3 *s3;
    struct object_request *request;
    struct list_node node;
    enum { S3_WORKING, S3_ASKING, S3_SENT } stage; /* who answers next */
    bool is_cancelled, was_skewed;
    bool is_probe; /* the GET after a 404 of HEAD */
    struct work work;
    bool work_ok;
    struct error err; /* of the work */
    struct credentials_request asking;
    uint64_t deadline_ms; /* of all attempts */
    /* what is sent */
    struct http_request http;
    struct http_header headers[S3_HEADERS_MAX];
    struct s3_address address;
    struct buffer query, if_none_match, authorization;
    char date[DATE_AMZ_BYTES];
    char body_hash[2 * SHA256_BYTES + 1]; /* PUT without TLS */
    /* what came */
    uint8_t body_md5[16], first_md5[16];
    bool has_first_md5;
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
/* True when the refusal was about the clock and the clock of the signatures is corrected now. */
bool s3_call_learn_skew(struct s3_call *call);
/* The body that came can be checked against its eTag. */
bool s3_call_has_md5(const struct s3_call *call);

#endif
