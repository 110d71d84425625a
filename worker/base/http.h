/*
 * http.h - the HTTP client: one request, one answer, no policy.
 *
 * HTTP/1.1 with kept connections, `Expect:` never sent, the path sent as it is given, no redirects,
 * no retries, no cookies, no proxies from the environment. An answer of any status is a success
 * here; what a status means is the service's business. One exception to "no retries" is libcurl's:
 * a kept connection that turns out to be dead before the first byte of an answer is replaced, and
 * the request sent again, so whatever is sent must stand being sent twice.
 * With is_public_only it is the address that is really connected to which counts, whatever the name
 * said a moment ago (worker/base/address.h).
 * Errors: ERR_UNREACHABLE (connecting or talking broke off; was_sent tells them apart),
 *         ERR_TIMEOUT, ERR_TOO_LARGE, ERR_IO (body_fd, reply_fd), ERR_PROTOCOL, ERR_CONFIG (no
 *         such URL), ERR_CANCELLED, ERR_SHUTDOWN. Messages name the host, never the path or the
 *         query.
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
    uint32_t connections_max;          /* in all; further requests wait in order */
    uint32_t connections_per_host_max; /* 0: connections_max */
    uint64_t connect_timeout_ms;       /* 0: the request's own deadline alone */
    uint64_t stall_timeout_ms;  /* slower for so long, also while waiting for the answer, ends a
                                  request; rounded up to seconds; 0: never */
    uint32_t stall_bytes_per_s; /* slower than what: 0: than 1 */
    struct text ca_file;        /* NUL-terminated path, or none: the system's */
    bool is_public_only;        /* ERR_LINK_FORBIDDEN instead of connecting to any other address */
    enum metric_lane lane;      /* which label its metrics carry */
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
    struct text body; /* sent with Content-Length; POST and PUT send one also when it is empty */
    int body_fd;      /* instead of body when > 0: bytes 0 .. body_fd_bytes of a file */
    uint64_t body_fd_bytes;
    uint64_t timeout_ms;    /* from http_send() to on_done, waiting for a connection included */
    size_t reply_bytes_max; /* more ends the request with ERR_TOO_LARGE */
    int reply_fd;           /* > 0: a 2xx body is written there, not to reply */
    /* Optional: a 2xx body piece by piece instead; false ends the request with ERR_CANCELLED. Other
     * bodies go to reply even so, their first 64 KiB. */
    bool (*on_data)(struct http_request *request, struct text piece);
    /* Fires exactly once, never from inside http_send(); err is NULL when a whole answer came. */
    void (*on_done)(struct http_request *request, const struct error *err);

    /* out: valid in on_done and after, until http_request_release() */
    unsigned status; /* 200 .. 599; 0 when no answer came */
    struct buffer reply;
    uint64_t reply_bytes; /* received of the body, wherever it went */
    bool was_sent;        /* false: surely nothing reached the server */
    uint32_t sent_count;  /* above 1: also went over a kept connection that was found dead */

    struct http_exchange *exchange; /* private */
};

/* SIGPIPE is ignored in this process from now on. */
struct http *http_open(struct loop *loop, const struct http_options *options,
                       struct error *err) MUST_CHECK;
void http_close(struct http *http, void (*on_closed)(void *arg),
                void *arg); /* pending ones: ERR_SHUTDOWN; NULL is allowed, and answered at once */
/* Also releases what the request still holds of an answer before. */
void http_send(struct http *http, struct http_request *request);
void http_cancel(struct http *http,
                 struct http_request *request); /* on_done(ERR_CANCELLED) follows */
/* A header of the answer, by case-insensitive name; TEXT_NONE when there is none. */
struct text http_reply_header(const struct http_request *request, const char *name);
/* Retry-After (seconds or a date) or retry-after-ms, in milliseconds; 0 when it says neither. */
uint32_t http_retry_after_ms(const struct http_request *request, uint64_t wall_ms);
void http_request_release(
    struct http_request *request);                /* frees reply and headers, not the struct */
uint32_t http_in_flight(const struct http *http); /* sent, not answered; with those that wait */

#endif
