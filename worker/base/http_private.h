/*
 * http_private.h - one exchange of the HTTP client, between http.c (its life) and http_easy.c (what
 *                  curl is told about it, and what curl tells).
 *
 * curl's handles are void * here, since no header of ours includes a vendor's.
 */
#ifndef WORKER_BASE_HTTP_PRIVATE_H
#define WORKER_BASE_HTTP_PRIVATE_H

#include "worker/base/http.h"

#define HTTP_HEADERS_BYTES_MAX (64u << 10) /* of an answer */
/* Kept of a non-2xx body when a sink was asked for. */
#define HTTP_ERROR_BODY_BYTES_MAX (64u << 10)

struct http_exchange {
    struct http *http;            /* NULL once it is answered */
    bool is_public_only;          /* of the client's options */
    struct http_request *request; /* borrowed until then */
    struct list_node node;
    struct list *list; /* the one it is in: waiting, running or doomed */
    struct timer deadline;
    void *easy;            /* CURL *: only while it is running */
    void *sent_headers;    /* struct curl_slist *: likewise */
    struct buffer headers; /* of the answer: raw lines, the last status line's only */
    uint64_t read_bytes;   /* of request->body_fd */
    bool has_verdict;      /* what we decided; goes before what curl says */
    struct error verdict;
    char message[256]; /* curl writes here: CURL_ERROR_SIZE */
};

/* The first verdict stays. */
void http_exchange_doom(struct http_exchange *exchange, enum error_code code, const char *why);

/* Tells a fresh or reset easy handle everything about the exchange; false dooms it. */
bool http_easy_prepare(struct http_exchange *exchange, const struct http_options *options);
/* Fills the out fields of the request from the handle: status, was_sent. */
void http_easy_read(struct http_exchange *exchange);
/* The verdict on a transfer that curl calls finished with this CURLcode; none is a whole answer. */
void http_easy_verdict(struct http_exchange *exchange, int curl_code);
/* Forgets the exchange's headers; the handle can be used again or cleaned up afterwards. */
void http_easy_reset(struct http_exchange *exchange);

#endif
