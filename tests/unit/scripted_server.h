/*
 * scripted_server.h - a loopback HTTP server that says what a test tells it to, a connection at a time.
 *
 * It reads a request, answers it with the next line of its script or by a function, and closes the
 * connection. What was asked may be read once the answer is there.
 * Owns:   its listener and a thread, until scripted_server_stop().
 */
#ifndef TESTS_UNIT_SCRIPTED_SERVER_H
#define TESTS_UNIT_SCRIPTED_SERVER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_MAX 8

struct scripted_server {
    const char *const *script; /* whole answers, NULL at the end; NULL: there is a function */
    void (*answer)(int fd, const char *request); /* on the server's thread */
    char url[64];                                /* http://127.0.0.1:<port> */
    uint16_t port;
    char requests[SCRIPT_MAX][4096]; /* with a script: those it answered */
    size_t request_count;
    int listener; /* private from here */
    pthread_t thread;
};

/* Zeroes the server first. script: at most SCRIPT_MAX answers, borrowed. */
void scripted_server_start(struct scripted_server *server, const char *const *script);
void scripted_server_start_with(struct scripted_server *server,
                                void (*answer)(int fd, const char *request));
/* Also where the script was not needed to its end. */
void scripted_server_stop(struct scripted_server *server);

#endif
