/*
 * http.h - the HTTP client: one request, one answer, no policy.
 *
 * HTTP/1.1 with kept connections, `Expect:` never sent, the path sent as it is given, no redirects,
 * no retries, no cookies, no proxies from the environment. An answer of any status is a success
 * here; what a status means is the service's business.
 * Owns:   its connections. Borrows every request until on_done.
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_HTTP_H
#define WORKER_BASE_HTTP_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/base/loop.h"
#include "worker/base/metrics.h"

struct http;

struct http_options {
    uint32_t connections_max; /* in all; further requests wait in order */
    uint32_t connections_per_host_max;
    uint64_t connect_timeout_ms;
    uint64_t stall_timeout_ms; /* less than 1 byte/s for so long ends a request */
    struct text ca_file;       /* NUL-terminated path, or none: the system's */
    enum metric_lane lane;     /* which label its metrics carry */
};

struct http_header {
    struct text name, value;
};

struct http_request {
    /* in: borrowed until on_done */
    const char *method; /* "GET", "POST", ... */
    struct text url;    /* http:// or https://, already encoded */
    const struct http_header *headers;
    size_t header_count;
    struct text body; /* sent with Content-Length when method is POST or PUT */
    int body_fd;      /* instead of body when > 0: bytes 0 .. body_fd_bytes of a file */
    uint64_t body_fd_bytes;
    uint64_t timeout_ms;    /* the whole exchange */
    size_t reply_bytes_max; /* more ends the request with ERR_TOO_LARGE */
    int reply_fd;           /* > 0: a 2xx body is written there, not to reply */
    /* Optional: a 2xx body piece by piece instead; false ends the request with ERR_CANCELLED. */
    bool (*on_data)(struct http_request *request, struct text piece);
    /* Fires exactly once, never from inside http_send(); err is NULL when a whole answer came. */
    void (*on_done)(struct http_request *request, const struct error *err);

    /* out: valid in on_done and after, until http_request_release() */
    unsigned status; /* 100 .. 599 */
    struct buffer reply;
    uint64_t reply_bytes; /* received of the body, wherever it went */
    bool was_sent;        /* false: surely nothing reached the server */

    struct http_exchange *exchange; /* private */
};

struct http *http_open(struct loop *loop, const struct http_options *options,
                       struct error *err) MUST_CHECK;
void http_close(struct http *http, void (*on_closed)(void *arg),
                void *arg); /* pending ones: ERR_SHUTDOWN */
void http_send(struct http *http, struct http_request *request);
void http_cancel(struct http *http,
                 struct http_request *request); /* on_done(ERR_CANCELLED) follows */
/* A header of the answer, by case-insensitive name; TEXT_NONE when there is none. */
struct text http_reply_header(const struct http_request *request, const char *name);
/* Retry-After (seconds or a date) or retry-after-ms, in milliseconds; 0 when it says neither. */
uint32_t http_retry_after_ms(const struct http_request *request, uint64_t wall_ms);
void http_request_release(
    struct http_request *request); /* frees reply and headers, not the struct */
uint32_t http_in_flight(const struct http *http);

#endif
