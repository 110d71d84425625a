/*
 * httpd.h - the small HTTP server behind the operations port.
 *
 * GET and HEAD only; answers from memory; at most HTTPD_CONNECTIONS_MAX connections; every answer
 * carries `X-Content-Type-Options: nosniff`, `Cache-Control: no-store`, `Referrer-Policy:
 * no-referrer` and a Content-Security-Policy. A connection without traffic ends after 15 s.
 * Owns:   its socket and connections.
 * Thread: the loop thread.
 */
#ifndef WORKER_BASE_HTTPD_H
#define WORKER_BASE_HTTPD_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/base/loop.h"

#define HTTPD_CONNECTIONS_MAX 64

struct httpd;
struct httpd_request {
    struct text path;          /* without the query */
    struct text query;         /* raw, without the question mark */
    struct text authorization; /* the header, or none */
    /* The peer's address is 127.0.0.0/8 or ::1, it asked for this machine by such a name (else a
     * web page could get in by DNS rebinding), and no proxy speaks for somebody else. */
    bool is_loopback;
    void *private_connection;
};

struct httpd_route {
    const char *path; /* exact, not percent-decoded */
    /* Answers now, or later (pages that ask the database) by calling httpd_reply() exactly once,
     * also when the server has been closed meanwhile; the request is valid until then. */
    void (*handle)(void *arg, struct httpd_request *request);
    void *arg;
};

/* listen: "host:port", "[v6]:port" or ":port" (every address); port 0 takes a free one. ERR_CONFIG
 * names the remedy. Routes are borrowed until on_closed. */
struct httpd *httpd_open(struct loop *loop, struct text listen, const struct httpd_route *routes,
                         size_t route_count, struct error *err) MUST_CHECK;
uint16_t httpd_port(const struct httpd *httpd);
/* Copies the body. content_security_policy and content_type: literals; policy may be NULL: nothing
 * may be loaded then. */
void httpd_reply(struct httpd_request *request, unsigned status, const char *content_type,
                 const char *content_security_policy, struct text body);
/* Requests without an answer get 503. NULL is allowed, and answered at once. */
void httpd_close(struct httpd *httpd, void (*on_closed)(void *arg), void *arg);

#endif
