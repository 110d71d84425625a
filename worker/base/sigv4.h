/*
 * sigv4.h - signs HTTP requests the AWS way (Signature Version 4). Pure: no I/O, no clock.
 *
 * Every header handed in is signed, so the caller adds host, x-amz-date, x-amz-content-sha256 and,
 * with temporary keys, x-amz-security-token itself and sends exactly those plus Authorization.
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef WORKER_BASE_SIGV4_H
#define WORKER_BASE_SIGV4_H

#include "worker/base/buffer.h"
#include "worker/base/crypto.h"
#include "worker/base/http.h"

#define SIGV4_HEADERS_MAX 32
#define SIGV4_PARAMETERS_MAX 64
#define SIGV4_UNSIGNED_PAYLOAD TEXT("UNSIGNED-PAYLOAD")
#define SIGV4_EMPTY_PAYLOAD TEXT("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

struct aws_key { /* borrowed texts */
    struct text id, secret;
    struct text session_token; /* TEXT_NONE with long-lived keys */
};

enum sigv4_path {
    SIGV4_PATH_AS_SENT,    /* S3: encoded once by the caller, dot segments are ordinary names */
    SIGV4_PATH_ENCODED,    /* other services: encoded once more */
    SIGV4_PATH_NORMALIZED, /* likewise, after removing empty and dot segments */
};

struct sigv4_request {
    struct text method;
    struct text path;  /* begins with '/' */
    struct text query; /* without '?'; in any order, encoded or not */
    const struct http_header *headers;
    size_t header_count;      /* at most SIGV4_HEADERS_MAX */
    struct text payload_hash; /* lower-case hex SHA-256 of the body, or SIGV4_UNSIGNED_PAYLOAD */
    struct text region, service;
    uint64_t wall_ms; /* the instant that the caller's x-amz-date says */
    enum sigv4_path path_rule;
};

/* Appends everything except A-Z a-z 0-9 - . _ ~ as %XX, upper case (RFC 3986 2.3), and leaves
 * keep (0 for none, usually '/') as it is. */
void sigv4_encode(struct buffer *out, struct text text, char keep);

/* Is there %XX at this place? Then *ret_byte is what it stands for. */
bool sigv4_escape_at(struct text text, size_t at, char *ret_byte);

/* The Authorization header's value. False when there are too many headers or parameters, or out is
 * full: both are bugs of the caller, who builds the request. */
bool sigv4_authorization(const struct sigv4_request *request, const struct aws_key *key,
                         struct buffer *out) MUST_CHECK;
/* The first step of it, for tests and for explaining a 403. */
bool sigv4_canonical(const struct sigv4_request *request, struct buffer *out) MUST_CHECK;

#endif
