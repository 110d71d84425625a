/*
 * httpd_listen.h - the address side of the HTTP server: where it listens, and who calls from here.
 *
 * Thread: any; httpd_listen() may ask the resolver, so it is for start-up.
 */
#ifndef WORKER_BASE_HTTPD_LISTEN_H
#define WORKER_BASE_HTTPD_LISTEN_H

#include "worker/base/error.h"

struct sockaddr;

/* "host:port", "[v6]:port" or ":port" (every address). A listening socket, owned by the caller, or
 * -1 and ERR_CONFIG. */
int httpd_listen(struct text listen, uint16_t *ret_port, struct error *err) MUST_CHECK;
bool httpd_is_loopback_address(const struct sockaddr *address); /* 127.0.0.0/8, ::1, mapped too */
/* A Host header that names this machine to itself, or none at all. */
bool httpd_is_loopback_host(struct text host);

#endif
