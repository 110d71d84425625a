/*
 * httpd.h - the small HTTP server behind the operations port.
 *
 * GET and HEAD only; answers from memory; at most HTTPD_CONNECTIONS_MAX connections; every answer
 * carries `X-Content-Type-Options: nosniff` and `Cache-Control: no-store`.
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
    bool is_loopback;          /* the peer's address is 127.0.0.0/8 or ::1 */
    void *private_connection;
};

struct httpd_route {
    const char *path; /* exact */
    /* Answers now, or later (pages that ask the database) by calling httpd_reply() once. */
    void (*handle)(void *arg, struct httpd_request *request);
    void *arg;
};

/* listen: "host:port", port 0 takes a free one. Routes are borrowed until httpd_close(). */
struct httpd *httpd_open(struct loop *loop, struct text listen, const struct httpd_route *routes,
                         size_t route_count, struct error *err) MUST_CHECK;
uint16_t httpd_port(const struct httpd *httpd);
/* Copies the body. content_security_policy and content_type: literals; policy may be NULL. */
void httpd_reply(struct httpd_request *request, unsigned status, const char *content_type,
                 const char *content_security_policy, struct text body);
void httpd_close(struct httpd *httpd, void (*on_closed)(void *arg), void *arg);

#endif
