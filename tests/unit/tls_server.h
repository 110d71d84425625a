/*
 * tls_server.h - a server of TLS on loopback, with a certificate of its own for 127.0.0.1: it answers
 *                any request with "secret".
 */
#ifndef TESTS_UNIT_TLS_SERVER_H
#define TESTS_UNIT_TLS_SERVER_H

#include <openssl/types.h>
#include <pthread.h>
#include <stdint.h>

struct tls_server {
    uint16_t port;
    char ca_path[64]; /* of the certificate, for whoever shall believe it */
    SSL_CTX *context; /* private from here */
    int fd;
    pthread_t thread;
};

/* valid_s: how long the certificate holds from now on; negative: it ended so long ago. */
void tls_server_start(struct tls_server *server, long valid_s);
void tls_server_stop(struct tls_server *server);

#endif
